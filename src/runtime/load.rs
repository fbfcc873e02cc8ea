//! An [`Object`] into the kernel: maps made and filled, BTF given, relocations written, programs verified. Nothing is
//! attached; dropping a [`Loaded`] takes everything out again.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use tapdeck_ebpf::object::{MapDef, MapIndex, MapRole, Object, ProgramDef, ProgramKind, line_info::WithLines};
use thiserror::Error;

use crate::sys::{
    self,
    bpf::{Map, MapSpec, ProgramSpec, Update},
};

/// What the generated object says of itself; helpers for tracing want a GPL-compatible program.
const LICENSE: &CStr = c"Dual MIT/GPL";
/// Room for the verifier's statistics on the first try.
const SHORT_LOG: usize = 4 << 10;
/// Room for its log when a program was refused. The kernel keeps the end; before Linux 6.4, the beginning.
const LONG_LOG: usize = 1 << 20;
/// What it says of a program with more paths than it follows.
pub(super) const TOO_LARGE: &str = "BPF program is too large";
const LOG_STATISTICS: u32 = 4;
const LOG_INSTRUCTIONS: u32 = 1;

/// A script in the kernel, not yet attached.
#[derive(Debug)]
pub struct Loaded {
    /// In the order of [`Object::maps`].
    pub maps: Vec<Map>,
    /// In the order of [`Object::programs`].
    pub programs: Vec<OwnedFd>,
    /// In the order of [`Object::maps`].
    roles: Vec<MapRole>,
}

/// The kernel did not take the object.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Missing privilege, or a policy.
    #[error("{}", privilege_sentence(.what))]
    NotAllowed {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("the kernel cannot make map \"{name}\" ({entries} entries of {bytes} bytes): {source}")]
    Map {
        name: String,
        entries: u32,
        bytes: u32,
        #[source]
        source: io::Error,
    },
    #[error("the kernel does not take the type information of the programs: {source}")]
    Btf {
        #[source]
        source: io::Error,
    },
    #[error("cannot find the type information of module \"{module}\": {source}")]
    ModuleTypes {
        module: String,
        #[source]
        source: io::Error,
    },
    #[error("{}", super::features::TOO_OLD)]
    TooOld {
        #[source]
        source: io::Error,
    },
    /// The verifier's no; `super::verifier_log` makes it a caret in the script.
    #[error("the kernel's verifier refused program \"{}\": {}", .0.program, .0.source)]
    Rejected(Box<Rejection>),
}

/// A program the verifier refused.
#[derive(Debug)]
pub struct Rejection {
    pub program: String,
    pub program_idx: usize,
    /// The verifier's text; its end when it was long.
    pub log: String,
    pub source: io::Error,
}

impl LoadError {
    /// What a person can do about it.
    pub fn way_out(&self) -> Option<String> {
        match self {
            LoadError::NotAllowed { .. } => Some(super::features::way_out_of_eperm()),
            LoadError::Map { source, .. } => match source.raw_os_error() {
                Some(libc_errno::ENOMEM | libc_errno::E2BIG) => {
                    Some("declare the array with fewer elements: `global a[N]`, or lower -D MAXMAPENTRIES".to_owned())
                }
                Some(libc_errno::EINVAL) => {
                    Some("the kernel may be too old; tapdeck needs Linux 5.12 or later".to_owned())
                }
                _ => None,
            },
            LoadError::ModuleTypes { .. } => Some("is it still loaded? lsmod".to_owned()),
            LoadError::Btf { .. } | LoadError::TooOld { .. } | LoadError::Rejected(_) => None,
        }
    }
}

/// Numbers of uapi/asm-generic/errno.h this module tells apart.
pub(super) mod libc_errno {
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const ESRCH: i32 = 3;
    pub const E2BIG: i32 = 7;
    pub const ENOMEM: i32 = 12;
    pub const EACCES: i32 = 13;
    pub const EBUSY: i32 = 16;
    pub const EINVAL: i32 = 22;
    pub const ENOSPC: i32 = 28;
    pub const ENOSYS: i32 = 38;
    pub const EOPNOTSUPP: i32 = 95;
    pub const EADDRNOTAVAIL: i32 = 99;
}

fn privilege_sentence(what: &str) -> String {
    if super::features::has_bpf_capabilities() {
        format!("the kernel does not allow {what} although the capabilities are there")
    } else {
        format!("no permission for {what}: tracing needs root, or CAP_BPF and CAP_PERFMON")
    }
}

impl Loaded {
    /// The first map of a role.
    pub fn map(&self, role: MapRole) -> Option<&Map> {
        self.roles.iter().position(|r| *r == role).map(|idx| &self.maps[idx])
    }

    /// Kernel memory of all maps, bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.maps.iter().map(Map::memory_bytes).sum()
    }
}

/// Makes the maps and loads the programs. `lines`: the script's, for whoever looks at the programs in the kernel; they
/// are left out where the kernel does not want them.
pub fn load(object: &Object, lines: &WithLines) -> Result<Loaded, LoadError> {
    sys::limits::make_room_for_files(object.programs.len() + object.maps.len());
    let maps = object.maps.iter().map(make_map).collect::<Result<Vec<_>, _>>()?;
    let types = load_types(object, lines)?;
    let mut programs = Vec::with_capacity(object.programs.len());
    for (program_idx, program) in object.programs.iter().enumerate() {
        programs.push(load_program(program, program_idx, &maps, &types)?);
    }
    for (program, fd) in object.programs.iter().zip(&programs) {
        if let Some((MapIndex(map), index)) = program.tail {
            maps[map as usize].set_program(index, fd.as_fd()).map_err(|source| LoadError::Map {
                name: object.maps[map as usize].name.clone(),
                entries: object.maps[map as usize].max_entries,
                bytes: 4,
                source,
            })?;
        }
    }
    Ok(Loaded { maps, programs, roles: object.maps.iter().map(|map| map.role).collect() })
}

fn make_map(def: &MapDef) -> Result<Map, LoadError> {
    let failed = |source: io::Error| match source.raw_os_error() {
        Some(libc_errno::EPERM | libc_errno::EACCES | libc_errno::ENOSYS) => {
            LoadError::NotAllowed { what: "making BPF maps".to_owned(), source }
        }
        // Old kernels stumble over the size of the ring first, and that is not what keeps them from it.
        Some(libc_errno::E2BIG | libc_errno::EINVAL) if !super::features::has_atomics() => LoadError::TooOld { source },
        _ => LoadError::Map {
            name: def.name.clone(),
            entries: def.max_entries,
            bytes: def.key_size + def.value_size,
            source,
        },
    };
    let map = Map::create(&MapSpec {
        name: &def.name,
        kind: def.kind,
        key_size: def.key_size,
        value_size: def.value_size,
        max_entries: def.max_entries,
        flags: def.flags,
    })
    .map_err(failed)?;
    if let Some(initial) = &def.initial {
        let mut value = initial.clone();
        value.resize(map.slot_bytes(), 0);
        let value = value.repeat(map.value_bytes() / map.slot_bytes().max(1));
        map.update(&0u32.to_ne_bytes(), &value, Update::Any).map_err(failed)?;
    }
    if def.frozen {
        // Only the verifier's knowledge of constants is lost where the kernel cannot (before 5.2).
        let _ = map.freeze();
    }
    Ok(map)
}

/// Type information in the kernel, and each program's lines that point into it.
struct Types<'l> {
    btf: Option<OwnedFd>,
    lines: &'l [Vec<u8>],
}

fn load_types<'l>(object: &Object, lines: &'l WithLines) -> Result<Types<'l>, LoadError> {
    match sys::bpf::btf_load(&lines.btf) {
        Ok(fd) => Ok(Types { btf: Some(fd), lines: &lines.programs }),
        Err(_) => Ok(Types { btf: load_btf(object)?, lines: &[] }),
    }
}

fn load_btf(object: &Object) -> Result<Option<OwnedFd>, LoadError> {
    if object.btf.is_empty() {
        return Ok(None);
    }
    match sys::bpf::btf_load(&object.btf) {
        Ok(fd) => Ok(Some(fd)),
        // Programs that name no functions do without.
        Err(_) if object.programs.iter().all(|program| program.functions.is_empty()) => Ok(None),
        Err(source) if source.raw_os_error() == Some(libc_errno::EPERM) => {
            Err(LoadError::NotAllowed { what: "loading type information".to_owned(), source })
        }
        Err(source) => Err(LoadError::Btf { source }),
    }
}

/// The program's code with map descriptors in place.
pub(crate) fn relocate(program: &ProgramDef, maps: &[Map]) -> Vec<u8> {
    const PSEUDO_MAP_FD: u8 = 1;
    const PSEUDO_MAP_VALUE: u8 = 2;
    let mut code = program.code.clone();
    for relocation in &program.relocations {
        let at = relocation.insn as usize * 8;
        let fd = maps[relocation.map.0 as usize].as_fd().as_raw_fd();
        let (pseudo, offset) = match relocation.value_offset {
            Some(offset) => (PSEUDO_MAP_VALUE, offset),
            None => (PSEUDO_MAP_FD, 0),
        };
        // Byte 1: destination register in the low half, source in the high one.
        code[at + 1] = (code[at + 1] & 0x0f) | pseudo << 4;
        code[at + 4..at + 8].copy_from_slice(&fd.to_le_bytes());
        code[at + 12..at + 16].copy_from_slice(&offset.to_le_bytes());
    }
    code
}

/// A log of instructions that ends in why, even where the kernel cut it off before: the short one has that.
fn with_verdict(mut instructions: Vec<u8>, short: &[u8]) -> Vec<u8> {
    // One byte ends the text.
    if instructions.is_empty() || instructions.len() + 1 >= LONG_LOG {
        instructions.push(b'\n');
        instructions.extend_from_slice(short);
    }
    instructions
}

fn load_program(program: &ProgramDef, program_idx: usize, maps: &[Map], types: &Types) -> Result<OwnedFd, LoadError> {
    let code = relocate(program, maps);
    let func_info: Vec<u8> =
        program.functions.iter().flat_map(|f| [f.insn.to_le_bytes(), f.ty.to_le_bytes()].concat()).collect();
    let (kind, attach_kind, attach_btf_id) = match &program.kind {
        ProgramKind::RawTracepoint { .. } => (sys::bpf::BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0),
        ProgramKind::PerfEvent => (sys::bpf::BPF_PROG_TYPE_PERF_EVENT, 0, 0),
        ProgramKind::Fentry { btf_id, exit, .. } => {
            let attach_kind = if *exit { sys::bpf::BPF_TRACE_FEXIT } else { sys::bpf::BPF_TRACE_FENTRY };
            (sys::bpf::BPF_PROG_TYPE_TRACING, attach_kind, *btf_id)
        }
        ProgramKind::Kprobe { multi: true, .. } => {
            (sys::bpf::BPF_PROG_TYPE_KPROBE, sys::bpf::BPF_TRACE_KPROBE_MULTI, 0)
        }
        ProgramKind::Kprobe { multi: false, .. } => (sys::bpf::BPF_PROG_TYPE_KPROBE, 0, 0),
    };
    let module_btf = match &program.kind {
        ProgramKind::Fentry { module: Some(module), .. } => {
            let failed = |source| LoadError::ModuleTypes { module: module.clone(), source };
            Some(sys::bpf::module_btf(module).map_err(failed)?)
        }
        _ => None,
    };
    let mut spec = ProgramSpec {
        name: &program.name,
        kind,
        code: &code,
        license: LICENSE,
        btf: types.btf.as_ref().map(AsFd::as_fd),
        func_info: &func_info,
        line_info: types.lines.get(program_idx).map_or(&[][..], Vec::as_slice),
        attach_kind,
        attach_btf_id,
        attach_btf: module_btf.as_ref().map(AsFd::as_fd),
        log_level: LOG_STATISTICS,
    };
    let rejected = |log: &[u8], source| {
        let (program, log) = (program.name.clone(), String::from_utf8_lossy(log).into_owned());
        LoadError::Rejected(Box::new(Rejection { program, program_idx, log, source }))
    };
    // Logging every instruction triples the time, so only a refused program is verified again with it.
    let mut first = match sys::bpf::prog_load(&spec, &mut [0; SHORT_LOG]) {
        Ok(fd) => return Ok(fd),
        Err(refused) => refused,
    };
    if String::from_utf8_lossy(&first.log).contains("line_info") {
        spec.line_info = &[];
        first = match sys::bpf::prog_load(&spec, &mut [0; SHORT_LOG]) {
            Ok(fd) => return Ok(fd),
            Err(refused) => refused,
        };
    }
    // That the log did not fit says nothing about the program. The kernel counts what it wrote on ways it gave up, too,
    // so even statistics may be too long.
    if first.error.raw_os_error() == Some(libc_errno::ENOSPC) {
        spec.log_level = 0;
        if let Ok(fd) = sys::bpf::prog_load(&spec, &mut []) {
            return Ok(fd);
        }
    }
    if first.error.raw_os_error() == Some(libc_errno::EPERM) && first.log.is_empty() {
        let what = match &program.kind {
            ProgramKind::Fentry { .. } => "fentry, which probes of kernel functions rest on here",
            _ => "loading tracing programs",
        };
        return Err(LoadError::NotAllowed { what: what.to_owned(), source: first.error });
    }
    if !super::features::has_atomics() {
        return Err(LoadError::TooOld { source: first.error });
    }
    // It looked at a million instructions: to log them takes ten seconds, and where it stopped says nothing.
    if String::from_utf8_lossy(&first.log).contains(TOO_LARGE) {
        return Err(rejected(&first.log, first.error));
    }
    spec.log_level = LOG_INSTRUCTIONS;
    let log = match sys::bpf::prog_load(&spec, &mut vec![0; LONG_LOG]) {
        // It fitted this time: memory was short, or a signal came between.
        Ok(fd) => return Ok(fd),
        Err(second) => with_verdict(second.log, &first.log),
    };
    Err(rejected(&log, first.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_why_although_it_was_cut() {
        let short = b"The sequence of 8193 jumps is too complex.\nverification time 9 usec\n";
        let cut = with_verdict(vec![b'x'; LONG_LOG - 1], short);
        assert!(cut.ends_with(short), "{}", String::from_utf8_lossy(&cut));
        let whole = b"1: (bf) r1 = r2\nThe sequence of 8193 jumps is too complex.\n".to_vec();
        assert_eq!(with_verdict(whole.clone(), short), whole);
        assert!(with_verdict(Vec::new(), short).ends_with(short));
    }
}
