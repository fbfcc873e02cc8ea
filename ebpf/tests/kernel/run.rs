//! Loads an object the way a session does, and gives tests its maps and records.

use std::os::fd::{AsRawFd, OwnedFd};

use tapdeck_ebpf::{
    codegen::{Cast, CurrentTask, DirectReads, Target, TaskByStack, TaskOffsets},
    generate,
    ir::*,
    isa,
    layout::{Datum, Element, Layout, Place, StoreLayout, control, front, record, ring},
    object::{MapRole, Object},
};

use super::bpf;

pub struct Loaded {
    pub program: Program,
    pub object: Object,
    pub layout: Layout,
    pub maps: Vec<OwnedFd>,
    pub programs: Vec<OwnedFd>,
}

/// Whether this process may use bpf(2), and the kernel is new enough; says why not.
pub fn permitted() -> bool {
    match bpf::map_create(2, 4, 8, 1, 0) {
        Ok(_) => {
            let new_enough = bpf::knows_exchange();
            if !new_enough {
                eprintln!("SKIPPED: this kernel's eBPF has no compare-and-exchange (Linux 5.12)");
            }
            new_enough
        }
        Err(error) => {
            eprintln!("SKIPPED: bpf(2) is not permitted here: {error}");
            false
        }
    }
}

pub fn target() -> Target {
    Target {
        n_cpus: bpf::possible_cpus() as u32,
        may_goto: knows("BPF_MAY_GOTO"),
        for_each_map_elem: knows("BPF_FUNC_for_each_map_elem"),
        bpf_loop: knows("BPF_FUNC_loop"),
        lookup_percpu: knows("BPF_FUNC_map_lookup_percpu_elem"),
        snprintf: knows("BPF_FUNC_snprintf"),
        current_task: current_task(),
        task_pt_regs: knows("BPF_FUNC_task_pt_regs"),
        direct_reads: direct_reads().unwrap_or(DirectReads::Never),
        types: None,
        offsets: offsets(),
        ring_bytes: 1 << 20,
        stores_in_order: cfg!(target_arch = "x86_64"),
        timing: false,
        live_probes: false,
        live_histograms: false,
    }
}

/// Whether this kernel's type information has a name.
fn knows(name: &str) -> bool {
    static TYPES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let types = TYPES.get_or_init(|| std::fs::read("/sys/kernel/btf/vmlinux").unwrap_or_default());
    types.split(|byte| *byte == 0).any(|text| text == name.as_bytes())
}

/// Where this kernel casts addresses to pointers to anything; asked from bpftool.
fn direct_reads() -> Option<DirectReads> {
    let found = types_as_text().split(" FUNC 'bpf_rdonly_cast'").next()?.rsplit('[').next()?;
    let cast = Cast { function: found.trim_end_matches(']').parse().ok()?, types: [0; 4] };
    (cfg!(target_arch = "x86_64") && knows("ARG_TAG_UNTRUSTED")).then_some(DirectReads::ByCast(cast))
}

/// In the way that differs most from the helper's, where this kernel has what it needs.
fn current_task() -> CurrentTask {
    if !knows("BPF_FUNC_get_current_task_btf") {
        return CurrentTask::Unknown;
    }
    let number = |name: &str| -> Option<u32> {
        let (before, _) = types_as_text().split_once(&format!("] STRUCT '{name}'"))?;
        before.rsplit('[').next()?.parse().ok()
    };
    let by_stack = || {
        let Some(DirectReads::ByCast(cast)) = direct_reads() else { return None };
        let stack = member("task_struct", "stack")?;
        Some(TaskByStack { cast, task_struct: number("task_struct")?, pt_regs: number("pt_regs")?, stack })
    };
    by_stack().map_or(CurrentTask::ByHelper, CurrentTask::ByStack)
}

/// This kernel's types, from bpftool; without it the slow ways are tested.
fn types_as_text() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let output = std::process::Command::new("bpftool")
            .args(["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "raw"])
            .output();
        output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
    })
}

/// Of this kernel.
fn offsets() -> TaskOffsets {
    static OFFSETS: std::sync::OnceLock<TaskOffsets> = std::sync::OnceLock::new();
    OFFSETS.get_or_init(read_offsets).clone()
}

/// Offset in bytes of a member.
fn member(structure: &str, member: &str) -> Option<u32> {
    let mut lines = types_as_text().lines().skip_while(|l| !l.contains(&format!("STRUCT '{structure}' size=")));
    lines.next()?;
    lines
        .take_while(|l| l.starts_with('\t'))
        .find(|l| l.contains(&format!("'{member}'")))
        .and_then(|l| l.split("bits_offset=").nth(1)?.split_whitespace().next()?.parse::<u32>().ok())
        .map(|bits| bits / 8)
}

fn read_offsets() -> TaskOffsets {
    let regs = TaskOffsets {
        regs_syscall_nr: 120,
        regs_args: [112, 104, 96, 56, 72, 64],
        regs_ip: 128,
        breakpoint_bytes: 1,
        ..TaskOffsets::default()
    };
    TaskOffsets {
        comm: member("task_struct", "comm"),
        pid: member("task_struct", "pid"),
        tgid: member("task_struct", "tgid"),
        real_parent: member("task_struct", "real_parent"),
        cred: member("task_struct", "cred"),
        cred_uid: member("cred", "uid"),
        cred_gid: member("cred", "gid"),
        cred_euid: member("cred", "euid"),
        cred_egid: member("cred", "egid"),
        ..regs
    }
}

impl Loaded {
    pub fn new(program: Program, target: &Target) -> Result<Loaded, String> {
        let object = generate(&program, target).map_err(|e| e.to_string())?;
        let layout = Layout::of(&program, target.live_histograms);
        let mut maps = Vec::new();
        for def in &object.maps {
            let map = bpf::map_create(def.kind, def.key_size, def.value_size, def.max_entries, def.flags)
                .map_err(|e| format!("map {}: {e}: {def:?}", def.name))?;
            if let Some(initial) = &def.initial {
                bpf::update(&map, &[0; 4], initial).map_err(|e| format!("map {}: {e}", def.name))?;
            }
            if def.frozen {
                bpf::freeze(&map).map_err(|e| format!("freeze {}: {e}", def.name))?;
            }
            maps.push(map);
        }
        let with_lines = tapdeck_ebpf::object::line_info::build(&object, &|tag| {
            (tag != SourceTag::NONE).then(|| tapdeck_ebpf::object::line_info::SourceLine {
                file: "test.stp".to_owned(),
                line: tag.0 + 1,
                col: 1,
                text: format!("statement {}", tag.0),
            })
        });
        if let Ok(folder) = std::env::var("KEEP_ELF") {
            let lines = |tag: SourceTag| {
                Some(tapdeck_ebpf::object::line_info::SourceLine {
                    file: "test.stp".to_owned(),
                    line: tag.0.wrapping_add(1),
                    col: 1,
                    text: format!("statement {}", tag.0),
                })
            };
            let name = std::thread::current().name().unwrap_or("x").replace("::", "_");
            std::fs::write(format!("{folder}/{name}.o"), tapdeck_ebpf::object::elf::write(&object, &lines)).unwrap();
        }
        let btf = bpf::btf_load(&with_lines.btf).map_err(|e| format!("BTF: {e}"))?;
        let mut programs = Vec::new();
        for (def, lines) in object.programs.iter().zip(&with_lines.programs) {
            let mut code = def.code.clone();
            for r in &def.relocations {
                let at = r.insn as usize * 8;
                let fd = maps[r.map.0 as usize].as_raw_fd();
                code[at + 4..at + 8].copy_from_slice(&fd.to_le_bytes());
            }
            let functions: Vec<u8> =
                def.functions.iter().flat_map(|f| [f.insn.to_le_bytes(), f.ty.to_le_bytes()].concat()).collect();
            let kind = match &def.kind {
                tapdeck_ebpf::object::ProgramKind::RawTracepoint { .. } => 17,
                tapdeck_ebpf::object::ProgramKind::PerfEvent => 7,
                other => panic!("{other:?} is not run by these tests"),
            };
            let load = bpf::Load { kind, name: &def.name, code: &code, btf: &btf, functions: &functions, lines };
            let fd = bpf::prog_load(&load).map_err(|e| format!("{}: {e}\n{}", def.name, isa::listing(&object, def)))?;
            if let Some((map, index)) = def.tail {
                bpf::update(&maps[map.0 as usize], &index.to_le_bytes(), &fd.as_raw_fd().to_le_bytes())
                    .map_err(|e| format!("tail call {}: {e}", def.name))?;
            }
            programs.push(fd);
        }
        let loaded = Loaded { program, object, layout, maps, programs };
        loaded.set_state(control::RUNNING);
        Ok(loaded)
    }

    pub fn map(&self, role: MapRole) -> &OwnedFd {
        &self.maps[self.object.maps.iter().position(|m| m.role == role).expect("a map of that role")]
    }

    pub fn set_state(&self, state: u32) {
        self.edit_control(|bytes| bytes[..4].copy_from_slice(&state.to_le_bytes()));
    }

    pub fn edit_control(&self, edit: impl FnOnce(&mut [u8])) {
        let mut bytes = self.control();
        edit(&mut bytes);
        bpf::update(self.map(MapRole::Control), &[0; 4], &bytes).unwrap();
    }

    pub fn control(&self) -> Vec<u8> {
        bpf::lookup(self.map(MapRole::Control), &[0; 4], self.layout.control.size() as usize).unwrap()
    }

    /// Runs the program of an entry.
    pub fn run(&self, entry: usize, context: &[u64]) {
        let at = self.object.programs.iter().position(|p| p.entry == Some(entry)).expect("a program of that entry");
        let mut words = context.to_vec();
        words.resize(words.len().max(2), 0);
        bpf::test_run(&self.programs[at], &words).unwrap();
    }

    pub fn records(&self) -> Vec<record::Record> {
        let role = MapRole::Ring;
        let value_size = self.object.maps.iter().find(|m| m.role == role).expect("a ring").value_size;
        let map = self.map(role);
        let mut value = bpf::lookup(map, &[0; 4], value_size as usize).unwrap();
        let word = |value: &[u8], at: usize| u64::from_le_bytes(value[at..at + 8].try_into().unwrap());
        let (taken, given) = (word(&value, ring::TAKEN as usize), word(&value, ring::GIVEN as usize));
        let mut records = Vec::new();
        let mut at = given;
        while at < taken {
            let offset = (ring::DATA + (at as u32 & (ring::data_bytes(value_size) - 1))) as usize;
            let size = ring::size_of(word(&value, offset)).expect("a finished record") as usize;
            records.push(record::decode(&value[offset..offset + size], &self.program));
            value[offset..offset + size].fill(0);
            at += size as u64;
        }
        value[ring::GIVEN as usize..][..8].copy_from_slice(&taken.to_le_bytes());
        bpf::update(map, &[0; 4], &value).unwrap();
        records
    }

    pub fn counters(&self) -> tapdeck_ebpf::layout::counters::Counters {
        let size = self.layout.counters.size() as usize * bpf::possible_cpus();
        self.layout.counters.decode(&bpf::lookup(self.map(MapRole::Counters), &[0; 4], size).unwrap())
    }

    fn layout_of(&self, store: StoreId) -> &StoreLayout {
        self.layout.stores[store.index()].as_ref().expect("a store in the kernel")
    }

    /// The value of a scalar.
    pub fn scalar(&self, store: StoreId) -> Element {
        let layout = self.layout_of(store);
        match layout.place {
            Place::Scalar { offset } => {
                let bytes =
                    bpf::lookup(self.map(MapRole::Scalars), &[0; 4], self.layout.scalars_size as usize).unwrap();
                layout.value.decode(&bytes[offset as usize..][..layout.value.size() as usize])
            }
            _ => {
                let size = layout.value.size() as usize * bpf::possible_cpus();
                layout.value.decode(&bpf::lookup(self.map(MapRole::Store(store)), &[0; 4], size).unwrap())
            }
        }
    }

    pub fn long(&self, store: StoreId) -> i64 {
        match self.scalar(store) {
            Element::Long(n) => n,
            other => panic!("not a long: {other:?}"),
        }
    }

    pub fn text(&self, store: StoreId) -> String {
        match self.scalar(store) {
            Element::Str(s) => String::from_utf8_lossy(&s).into_owned(),
            other => panic!("not a string: {other:?}"),
        }
    }

    /// An array, in insertion order.
    pub fn array(&self, store: StoreId) -> Vec<(Vec<Datum>, Element)> {
        let layout = self.layout_of(store);
        let map = self.map(MapRole::Store(store));
        let per_cpu = if layout.place == Place::PerCpuHash { bpf::possible_cpus() } else { 1 };
        let front = layout.front.filter(|_| self.object.maps.iter().any(|m| m.role == MapRole::Front(store)));
        let slots = front.map(|front| {
            let size = front.size(bpf::possible_cpus() as u32) as usize;
            bpf::lookup(self.map(MapRole::Front(store)), &[0; 4], size).unwrap()
        });
        let mut all = Vec::new();
        let mut key: Option<Vec<u8>> = None;
        while let Some(next) = bpf::next_key(map, key.as_deref(), layout.key.size as usize) {
            if let Some(value) = bpf::lookup(map, &next, layout.value.size() as usize * per_cpu) {
                let slots = front.map_or(Vec::new(), |f| front::slots_of(f, slots.as_deref().unwrap(), &next));
                let stamp = layout.value.stamp(&value);
                let whole = match layout.value.decode(&value) {
                    Element::Long(n) => {
                        let in_slots = slots.iter().map(|slot| match layout.value.decode(slot) {
                            Element::Long(n) => n,
                            other => panic!("not a long: {other:?}"),
                        });
                        Element::Long(n + in_slots.sum::<i64>())
                    }
                    Element::Stat(_) => layout.value.decode(&[value, slots.concat()].concat()),
                    text => text,
                };
                all.push((stamp, layout.key.decode(&next), whole));
            }
            key = Some(next);
        }
        all.sort_by_key(|(stamp, ..)| *stamp);
        all.into_iter().map(|(_, key, value)| (key, value)).collect()
    }
}
