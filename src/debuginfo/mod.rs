//! What is known of the traced programs: types, functions, variables, lines. [`World`] is all that pass 2 may know of the
//! machine.

pub mod addresses;
pub mod btf;
pub mod catalog;
pub mod dwarf;
pub mod events;
pub mod function_pattern;
pub mod glob;
pub mod image;
pub mod location;
pub mod memory_map;
pub mod model;
#[cfg(test)]
mod mutants;
pub mod probing;
mod traced;
pub mod types;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

pub use btf::Btf;
pub use catalog::{Missing, WantedKernel, debuginfod::Consent};
pub use dwarf::{Dwarf, Progress};
pub use events::Events;
pub use function_pattern::FunctionPattern;
pub use image::Image;
pub use probing::{KernelSymbols, Probing, TraceableFunctions};
pub use types::{TypeId, Types};

use tapdeck_ebpf::codegen::{
    Cast, CompatBit, CurrentTask, DirectReads, KernelTypes, NO_REGISTER, Target, TaskByStack, TaskOffsets,
};

use crate::host::{Bytes, Host, facts};

/// The machine as pass 2 sees it: facts and types. Everything in it is asked for when first needed and then kept.
pub struct World {
    pub host: Arc<dyn Host>,
    btf: OnceLock<Result<Arc<Btf>, String>>,
    modules: OnceLock<Vec<(String, Arc<Btf>)>>,
    tracefs: OnceLock<Result<PathBuf, String>>,
    events: OnceLock<Result<Events, String>>,
    tick_hz: OnceLock<u64>,
    syscall_functions: OnceLock<HashSet<String>>,
    dwarf: OnceLock<Result<Arc<Dwarf>, Missing>>,
    /// Whether debug information may be fetched from servers.
    pub downloads: Consent,
    /// How far the index of debug information is, while it is made.
    pub indexing: Arc<Progress>,
    moved_by: OnceLock<Option<u64>>,
    probing: OnceLock<Probing>,
    traceable: OnceLock<Result<TraceableFunctions, String>>,
    symbols: OnceLock<Result<KernelSymbols, String>>,
    variables: OnceLock<Result<KernelSymbols, String>>,
    barred: OnceLock<HashSet<String>>,
    programs: Mutex<HashMap<PathBuf, Option<Arc<Dwarf>>>>,
    kernel_image: OnceLock<Option<Arc<Image>>>,
    module_files: OnceLock<catalog::ModuleFiles>,
    module_images: Mutex<HashMap<String, Result<Arc<Image>, Missing>>>,
}

impl World {
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self {
            host,
            btf: OnceLock::new(),
            modules: OnceLock::new(),
            tracefs: OnceLock::new(),
            events: OnceLock::new(),
            tick_hz: OnceLock::new(),
            syscall_functions: OnceLock::new(),
            dwarf: OnceLock::new(),
            downloads: Consent::default(),
            indexing: Arc::default(),
            moved_by: OnceLock::new(),
            probing: OnceLock::new(),
            traceable: OnceLock::new(),
            symbols: OnceLock::new(),
            variables: OnceLock::new(),
            barred: OnceLock::new(),
            programs: Mutex::default(),
            kernel_image: OnceLock::new(),
            module_files: OnceLock::new(),
            module_images: Mutex::default(),
        }
    }

    /// The machine tapdeck runs on.
    pub fn live() -> Self {
        Self::new(Arc::new(crate::host::Live))
    }

    /// Types of the kernel proper, or why there are none and what helps.
    pub fn btf(&self) -> Result<&Arc<Btf>, &str> {
        let load = || {
            let bytes = self.host.kernel_btf().map_err(|why| {
                format!("this kernel has no type information ({why}); it needs CONFIG_DEBUG_INFO_BTF=y")
            })?;
            Btf::parse(bytes, None).map(Arc::new).map_err(|why| format!("/sys/kernel/btf/vmlinux: {why}"))
        };
        self.btf.get_or_init(load).as_ref().map_err(|why| &**why)
    }

    /// Functions, variables and lines of the kernel proper, or why there is no debug information and what helps.
    pub fn dwarf(&self) -> Result<&Arc<Dwarf>, &Missing> {
        let load = || {
            let wanted = WantedKernel::of(&*self.host);
            let fetch = |missing| self.downloads.instead_of(missing, wanted.build_id.as_deref(), &*self.host);
            let (path, file) = catalog::find_kernel(&wanted, &*self.host).or_else(fetch)?;
            let opened = Dwarf::open(file, &path, &*self.host, &self.indexing);
            opened.map(Arc::new).map_err(|why| Missing::unreadable(&*self.host, why))
        };
        self.dwarf.get_or_init(load).as_ref()
    }

    /// The debug information of a program or library, in its own file.
    pub fn program(&self, path: &str) -> Option<Arc<Dwarf>> {
        let path = Path::new(path);
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let file = dwarf::DebugFile::parse(self.host.map(path).ok()?).ok()?;
            Dwarf::open(file, path, &*self.host, &self.indexing).ok().map(Arc::new)
        };
        programs.entry(path.to_owned()).or_insert_with(open).clone()
    }

    /// The kernel proper in memory, if there is debug information.
    pub fn kernel_image(&self) -> Option<&Arc<Image>> {
        let make = || Some(Arc::new(Image::of_kernel(self.dwarf().ok()?.clone(), self.moved_by())));
        self.kernel_image.get_or_init(make).as_ref()
    }

    /// A module in memory, or why there is no debug information and what helps.
    ///
    /// # Errors
    /// There is none.
    pub fn module_image(&self, name: &str) -> Result<Arc<Image>, Missing> {
        let mut images = self.module_images.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let build_id = catalog::loaded_build_id(name, &*self.host);
            let fetch = |missing| self.downloads.instead_of(missing, build_id.as_deref(), &*self.host);
            let (path, file) = self.module_files().find(name, &*self.host).or_else(fetch)?;
            let opened = Dwarf::open(file, &path, &*self.host, &self.indexing);
            let dwarf = opened.map(Arc::new).map_err(|why| Missing::unreadable(&*self.host, why))?;
            // It may be one of a thousand.
            dwarf.forget();
            Ok(Arc::new(Image::of_module(dwarf, name, &*self.host)))
        };
        images.entry(name.to_owned()).or_insert_with(open).clone()
    }

    fn module_files(&self) -> &catalog::ModuleFiles {
        self.module_files.get_or_init(|| catalog::ModuleFiles::of(&*self.host))
    }

    /// Names of the modules that are loaded, as far as that can be told; of a kernel that does not run here, of all it has.
    pub fn module_names(&self) -> Vec<String> {
        if !self.host.is_running() {
            return self.module_files().names(&*self.host);
        }
        let text = self.host.read(Path::new("/proc/modules")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut names: Vec<String> = text
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        names.extend(self.module_btfs().iter().map(|(name, _)| name.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How far the running kernel lies from where it was linked (KASLR); `None`: its addresses are hidden.
    pub fn moved_by(&self) -> Option<u64> {
        *self.moved_by.get_or_init(|| {
            if !self.host.is_running() {
                return Some(0);
            }
            let linked = self.dwarf().ok()?.linked_at()?;
            Some(probing::text_address(&*self.host)?.wrapping_sub(linked))
        })
    }

    /// The same where it takes no time: it was asked for before, or its index is kept from another run.
    pub fn dwarf_at_hand(&self) -> Option<&Arc<Dwarf>> {
        if self.dwarf.get().is_none() {
            let (path, file) = catalog::find_kernel(&WantedKernel::of(&*self.host), &*self.host).ok()?;
            if !Dwarf::is_indexed(&file, &path, &*self.host) {
                return None;
            }
        }
        self.dwarf().ok()
    }

    /// Names of the functions in the symbol table of the kernel's file, where the file is all that is known of the kernel.
    pub fn symbols_of_file(&self) -> Vec<String> {
        if self.host.is_running() {
            return Vec::new();
        }
        let Ok((_, file)) = catalog::find_kernel(&WantedKernel::of(&*self.host), &*self.host) else {
            return Vec::new();
        };
        let symbols = file.function_symbols();
        let names = symbols.iter().filter(|symbol| symbol.address != 0).map(|symbol| file.symbol_name(symbol));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Debug information that was asked for before; nothing is read for this.
    pub fn opened_dwarf(&self) -> Option<&Arc<Dwarf>> {
        self.dwarf.get()?.as_ref().ok()
    }

    /// Types of each loaded module by its name; they know the kernel's too.
    pub fn module_btfs(&self) -> &[(String, Arc<Btf>)] {
        self.modules.get_or_init(|| {
            let folder = Path::new("/sys/kernel/btf");
            let (Ok(base), Ok(names)) = (self.btf(), self.host.list(folder)) else { return Vec::new() };
            let load = |name: String| {
                let bytes = self.host.read(&folder.join(&name)).ok()?;
                let btf = Btf::parse(Bytes::Owned(bytes), Some(base.clone())).ok()?;
                Some((name, Arc::new(btf)))
            };
            names.into_iter().filter(|name| name != "vmlinux").filter_map(load).collect()
        })
    }

    /// Which events tracefs lists under which system.
    pub fn events(&self) -> Result<&Events, &str> {
        let read = || Events::read(&*self.host, self.tracefs()?);
        self.events.get_or_init(read).as_ref().map_err(|why| &**why)
    }

    /// Where tracefs is mounted, or why there is none and what helps.
    pub fn tracefs(&self) -> Result<&Path, &str> {
        self.tracefs.get_or_init(|| self.host.tracefs()).as_deref().map_err(|why| &**why)
    }

    /// System calls the kernel has a function for, by its name for them (`newfstat`); empty when it cannot be told.
    pub fn syscall_functions(&self) -> &HashSet<String> {
        self.syscall_functions.get_or_init(|| {
            let Ok(btf) = self.btf() else { return HashSet::new() };
            // A call without arguments shares its function's address with `__do_sys_NAME`, and BTF keeps that name.
            let wrapper = if self.host.arch() == "aarch64" { "arm64_sys_" } else { "x64_sys_" };
            let inner = btf.functions_with_prefix("__");
            let call = |name: &str| name.strip_prefix(wrapper).or(name.strip_prefix("do_sys_")).map(str::to_owned);
            inner.filter_map(|(name, _)| call(name)).collect()
        })
    }

    /// How functions can be probed here; when neither types nor symbols tell, no way is known.
    pub fn probing(&self) -> Probing {
        // Debug information is opened only where nothing else tells: that may take a second.
        *self.probing.get_or_init(|| match self.btf() {
            Ok(btf) => Probing::of(btf),
            Err(_) => self.dwarf().map_or_else(
                |_| Probing::default(),
                |dwarf| Probing::of_symbols(|name| !dwarf.index().groups_named(name).is_empty()),
            ),
        })
    }

    /// Functions ftrace can stop at, or why that is not known.
    pub fn traceable(&self) -> Result<&TraceableFunctions, &str> {
        let read = || TraceableFunctions::read(&*self.host, || self.tracefs());
        self.traceable.get_or_init(read).as_ref().map_err(|why| &**why)
    }

    /// Functions that the running kernel says it refuses probes in; empty where it does not say.
    pub fn barred(&self) -> &HashSet<String> {
        self.barred.get_or_init(|| probing::barred_functions(&*self.host))
    }

    /// Where the functions are, or why that is not known.
    pub fn symbols(&self) -> Result<&KernelSymbols, &str> {
        self.symbols.get_or_init(|| KernelSymbols::read(&*self.host)).as_ref().map_err(|why| &**why)
    }

    /// Where the variables are, or why that is not known.
    pub fn variables(&self) -> Result<&KernelSymbols, &str> {
        let read = || KernelSymbols::read_variables(&*self.host);
        self.variables.get_or_init(read).as_ref().map_err(|why| &**why)
    }

    /// Kernel ticks a second.
    pub fn tick_hz(&self) -> u64 {
        *self.tick_hz.get_or_init(|| facts::tick_hz(&*self.host))
    }
}

/// What many names are sorted by: their first bytes as one number tell most of them apart, without a look at where the
/// names are.
pub fn by_name(name: &str) -> (u64, &str) {
    (first_bytes(name), name)
}

/// The same order as far as it goes.
pub fn first_bytes(name: &str) -> u64 {
    let mut first = [0; 8];
    let n = name.len().min(8);
    first[..n].copy_from_slice(&name.as_bytes()[..n]);
    u64::from_be_bytes(first)
}

/// What the kernel these types are of knows of eBPF: its own enumerations name helpers and instructions, so nothing need
/// be loaded to find out. Without types only what every kernel has.
pub fn ebpf_target(btf: Option<&Arc<Btf>>, arch: &str, n_cpus: u32, calls_are_dear: bool) -> Target {
    let names = [
        "BPF_MAY_GOTO",
        "BPF_FUNC_for_each_map_elem",
        "BPF_FUNC_loop",
        "BPF_FUNC_map_lookup_percpu_elem",
        "BPF_FUNC_snprintf",
        "BPF_FUNC_get_current_task_btf",
        "BPF_FUNC_task_pt_regs",
        // Functions whose arguments may point to anything came in one series with casts to such pointers.
        "ARG_TAG_UNTRUSTED",
        // Kernels that put loads in place of a call for the current task came with these (7.0).
        "BPF_TRACE_FSESSION",
    ];
    let [
        may_goto,
        for_each_map_elem,
        bpf_loop,
        lookup_percpu,
        snprintf,
        current_task_btf,
        task_pt_regs,
        cast_to_anything,
        inlines_current_task,
    ] = btf.map_or([false; 9], |btf| btf.have_enumerators(names));
    let cast = btf.filter(|_| arch == "x86_64").and_then(|btf| cast(btf, cast_to_anything));
    Target {
        n_cpus,
        may_goto,
        for_each_map_elem,
        bpf_loop,
        lookup_percpu,
        snprintf,
        current_task: match (btf, cast) {
            _ if !current_task_btf => CurrentTask::Unknown,
            (Some(btf), Some(cast)) if calls_are_dear && !inlines_current_task => {
                task_by_stack(btf, cast).map_or(CurrentTask::ByHelper, CurrentTask::ByStack)
            }
            _ => CurrentTask::ByHelper,
        },
        task_pt_regs,
        direct_reads: match cast {
            Some(cast) => DirectReads::ByCast(cast),
            None if btf.is_some() && arch == "x86_64" => DirectReads::ByType,
            None => DirectReads::Never,
        },
        types: btf.map(|btf| btf.clone() as Arc<dyn KernelTypes>),
        offsets: task_offsets(btf.map(|btf| &**btf), arch),
        ring_bytes: 0,
        stores_in_order: arch == "x86_64",
        timing: false,
        live_probes: false,
        live_histograms: false,
    }
}

/// How programs read any memory of the kernel by loads, where they can. On x86_64 alone: there the kernel's compiler makes
/// loads that cannot reach the user's memory.
fn cast(btf: &Btf, to_anything: bool) -> Option<Cast> {
    let (function, _) = btf.function_named("bpf_rdonly_cast")?;
    // A part of the kernel's compiler: only compiled programs may call functions of the kernel.
    btf.function_named("bpf_jit_binary_pack_alloc")?;
    let types = if to_anything { [0; 4] } else { btf.structs_that_begin_with_numbers()? };
    Some(Cast { function, types })
}

fn task_by_stack(btf: &Btf, cast: Cast) -> Option<TaskByStack> {
    let task_struct = btf.struct_named("task_struct")?;
    let stack = btf.find_member(task_struct, "stack")?.offset_bits / 8;
    Some(TaskByStack { cast, task_struct, pt_regs: btf.struct_named("pt_regs")?, stack })
}

/// Whether the kernel guards its returns, so that every call of a helper is dear: Documentation/admin-guide/hw-vuln of the
/// kernel, srso.rst.
pub fn returns_are_guarded(host: &dyn Host) -> bool {
    ["spec_rstack_overflow", "retbleed"].iter().any(|name| {
        let path = Path::new("/sys/devices/system/cpu/vulnerabilities").join(name);
        let text = host.read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        ["Safe RET", "untrained return thunk"].iter().any(|guard| text.contains(guard))
    })
}

/// Where generated code finds what it needs of the current task and of the user's registers. Without BTF the task
/// fields are unknown; the registers' layout is fixed by the architecture's ABI.
pub fn task_offsets(btf: Option<&Btf>, arch: &str) -> TaskOffsets {
    let of = |type_name: &str, member: &str| {
        let btf = btf?;
        let bits = btf.find_member(btf.struct_named(type_name)?, member)?.offset_bits;
        Some(bits / 8)
    };
    // struct pt_regs: arch/x86/include/asm/ptrace.h (di 112, si 104, dx 96, r10 56, r8 72, r9 64, orig_ax 120, ip 128);
    // arch/arm64/include/asm/ptrace.h (regs[0..5], pc 256, syscallno 280; x0 at exit holds the result).
    let (regs_syscall_nr, regs_args, regs_ip) = match arch {
        "aarch64" => (of("pt_regs", "syscallno").unwrap_or(280), [0, 8, 16, 24, 32, 40], 256),
        _ => (120, [112, 104, 96, 56, 72, 64], 128),
    };
    // Functions take their fourth argument in cx (88), where the syscall instruction keeps its own; ax (80) is the result.
    let (regs_function_args, regs_return) = match arch {
        "aarch64" => (regs_args, 0),
        _ => ([112, 104, 96, 88, 72, 64], 80),
    };
    // TS_COMPAT: arch/x86/include/asm/thread_info.h; TIF_32BIT: arch/arm64/include/asm/thread_info.h. thread_info is in
    // the task where the kernel has CONFIG_THREAD_INFO_IN_TASK, which both have.
    let in_thread_info = |member: &str, mask| {
        let offset = of("task_struct", "thread_info")? + of("thread_info", member)?;
        Some(CompatBit { offset, mask })
    };
    let compat = match arch {
        "x86_64" => in_thread_info("status", 2),
        "aarch64" => in_thread_info("flags", 1 << 22),
        _ => None,
    };
    TaskOffsets {
        comm: of("task_struct", "comm"),
        pid: of("task_struct", "pid"),
        tgid: of("task_struct", "tgid"),
        real_parent: of("task_struct", "real_parent"),
        cred: of("task_struct", "cred"),
        cred_uid: of("cred", "uid"),
        cred_gid: of("cred", "gid"),
        cred_euid: of("cred", "euid"),
        cred_egid: of("cred", "egid"),
        compat,
        regs_syscall_nr,
        regs_args,
        regs_function_args,
        regs_return,
        regs_ip,
        // int3 is a byte that has been executed; brk is not passed over. arch/x86/kernel/kprobes/core.c
        breakpoint_bytes: u32::from(arch == "x86_64"),
        registers: if arch == "aarch64" { &AARCH64_REGISTERS } else { &X86_64_REGISTERS },
    }
}

/// Offsets in `struct pt_regs` by DWARF number: x86-64 psABI figure 3.36 against arch/x86/include/asm/ptrace.h. ax dx cx bx
/// si di bp sp r8 … r15, the address that is returned to: the instruction pointer; and 49, the flags.
const X86_64_REGISTERS: [u16; 50] = {
    const GENERAL: [u16; 17] = [80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128];
    let mut offsets = [NO_REGISTER; 50];
    let mut n = 0;
    while n < GENERAL.len() {
        offsets[n] = GENERAL[n];
        n += 1;
    }
    offsets[49] = 144;
    offsets
};

/// The same by AArch64 DWARF 4.1 and arch/arm64/include/asm/ptrace.h: x0 … x30, sp, pc.
const AARCH64_REGISTERS: [u16; 33] = {
    let mut offsets = [0; 33];
    let mut n = 0;
    while n < 33 {
        offsets[n] = n as u16 * 8;
        n += 1;
    }
    offsets
};
