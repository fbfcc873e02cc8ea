//! bpf(2): one function per command. A [`Map`] knows the sizes of its keys and values, so no buffer can be too small.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::{check, check_fd, n_possible_cpus};

const MAP_CREATE: u32 = 0;
const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const MAP_GET_NEXT_KEY: u32 = 4;
const PROG_LOAD: u32 = 5;
const PROG_TEST_RUN: u32 = 10;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const RAW_TRACEPOINT_OPEN: u32 = 17;
const BTF_LOAD: u32 = 18;
const BTF_GET_FD_BY_ID: u32 = 19;
const MAP_FREEZE: u32 = 22;
const BTF_GET_NEXT_ID: u32 = 23;
const MAP_LOOKUP_BATCH: u32 = 24;
const MAP_DELETE_BATCH: u32 = 27;
const LINK_CREATE: u32 = 28;
const ENABLE_STATS: u32 = 32;

/// Map types by their uapi number that have one value for each processor.
const PER_CPU_KINDS: [u32; 4] = [5, 6, 10, 21];
pub const BPF_MAP_TYPE_HASH: u32 = 1;
pub const BPF_MAP_TYPE_ARRAY: u32 = 2;
pub const BPF_MAP_TYPE_PROG_ARRAY: u32 = 3;
pub const BPF_MAP_TYPE_PERCPU_HASH: u32 = 5;
pub const BPF_MAP_TYPE_PERCPU_ARRAY: u32 = 6;
pub const BPF_MAP_TYPE_RINGBUF: u32 = 27;
pub const BPF_PROG_TYPE_KPROBE: u32 = 2;
pub const BPF_PROG_TYPE_PERF_EVENT: u32 = 7;
pub const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
pub const BPF_PROG_TYPE_TRACING: u32 = 26;
pub const BPF_TRACE_FENTRY: u32 = 24;
pub const BPF_TRACE_FEXIT: u32 = 25;
const BPF_PERF_EVENT: u32 = 41;
pub const BPF_TRACE_KPROBE_MULTI: u32 = 42;
pub const BPF_F_MMAPABLE: u32 = 1 << 10;

fn call<T>(command: u32, attr: &mut T) -> io::Result<i64> {
    // SAFETY: `attr` is one of the repr(C) structures below, its true size goes with it, and every address in it comes
    // from a borrow that lives across the call, with the length the kernel is told or knows from the map.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) })
}

fn call_fd<T>(command: u32, attr: &mut T) -> io::Result<OwnedFd> {
    call(command, attr).and_then(check_fd)
}

/// As [`call_fd`] for what takes memory: before Linux 5.11 that counts against RLIMIT_MEMLOCK, which by default is too
/// small for anything, and the kernel says EPERM.
fn call_fd_for_memory<T>(command: u32, attr: &mut T) -> io::Result<OwnedFd> {
    match call_fd(command, attr) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && lift_memory_limit() => call_fd(command, attr),
        other => other,
    }
}

/// False when it was lifted before, or may not be.
fn lift_memory_limit() -> bool {
    use std::sync::atomic::{AtomicBool, Ordering};
    static LIFTED: AtomicBool = AtomicBool::new(false);
    if LIFTED.swap(true, Ordering::AcqRel) {
        return false;
    }
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads the structure.
    check(i64::from(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })).is_ok()
}

/// At most 15 bytes of what the kernel takes in a name: letters, digits, `_` and `.`.
fn object_name(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out[..15].iter_mut().zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
    }
    out
}

/// What map to make.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'a> {
    pub name: &'a str,
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
}

/// A map of the kernel. Dropped with the last program and descriptor that uses it.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    kind: u32,
    key_size: usize,
    /// Bytes of a value as user space sees it: per-CPU maps give one slot of a multiple of 8 bytes per possible CPU.
    value_bytes: usize,
    max_entries: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapCreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct MapElemAttr {
    map_fd: u32,
    _pad: u32,
    key: u64,
    value_or_next: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct MapBatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// What an update does with a key that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Creates or replaces.
    Any = 0,
    /// Creates; EEXIST if it is there.
    NoExist = 1,
    /// Replaces; ENOENT if it is not there.
    Exist = 2,
}

/// Every element of a map at about one instant.
#[derive(Clone, Debug, Default)]
pub struct Elements {
    pub keys: Vec<u8>,
    pub values: Vec<u8>,
    pub key_size: usize,
    pub value_bytes: usize,
}

impl Elements {
    pub fn len(&self) -> usize {
        self.keys.len().checked_div(self.key_size).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.keys.chunks_exact(self.key_size.max(1)).zip(self.values.chunks_exact(self.value_bytes.max(1)))
    }
}

impl Map {
    /// # Errors
    /// EPERM without CAP_BPF, EINVAL for a shape the kernel does not take, E2BIG, ENOMEM.
    pub fn create(spec: &MapSpec) -> io::Result<Self> {
        let mut attr = MapCreateAttr {
            map_type: spec.kind,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            map_flags: spec.flags,
            map_name: object_name(spec.name),
            ..Default::default()
        };
        let fd = call_fd_for_memory(MAP_CREATE, &mut attr)?;
        let value = spec.value_size as usize;
        let value_bytes =
            if PER_CPU_KINDS.contains(&spec.kind) { value.next_multiple_of(8) * n_possible_cpus() } else { value };
        Ok(Self { fd, kind: spec.kind, key_size: spec.key_size as usize, value_bytes, max_entries: spec.max_entries })
    }

    pub fn kind(&self) -> u32 {
        self.kind
    }

    pub fn key_size(&self) -> usize {
        self.key_size
    }

    /// Bytes of a value in user space: all processors' slots of a per-CPU map.
    pub fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// Bytes of one processor's slot; the whole value for other maps.
    pub fn slot_bytes(&self) -> usize {
        if self.is_per_cpu() { self.value_bytes / n_possible_cpus() } else { self.value_bytes }
    }

    pub fn is_per_cpu(&self) -> bool {
        PER_CPU_KINDS.contains(&self.kind)
    }

    pub fn max_entries(&self) -> u32 {
        self.max_entries
    }

    fn elem(&self, key: &[u8], value: u64, flags: u64) -> MapElemAttr {
        assert_eq!(key.len(), self.key_size, "key of another size");
        MapElemAttr {
            map_fd: self.fd.as_raw_fd() as u32,
            key: key.as_ptr() as u64,
            value_or_next: value,
            flags,
            ..Default::default()
        }
    }

    /// The value of a key; `None` if it is not there.
    pub fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_bytes];
        Ok(self.lookup_into(key, &mut value)?.then_some(value))
    }

    /// As [`Map::lookup`] into a buffer of [`Map::value_bytes`]; false if it is not there.
    pub fn lookup_into(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        assert_eq!(value.len(), self.value_bytes, "value of another size");
        match call(MAP_LOOKUP_ELEM, &mut self.elem(key, value.as_mut_ptr() as u64, 0)) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// E2BIG when a hash is full, EEXIST and ENOENT by `how`.
    pub fn update(&self, key: &[u8], value: &[u8], how: Update) -> io::Result<()> {
        assert_eq!(value.len(), self.value_bytes, "value of another size");
        call(MAP_UPDATE_ELEM, &mut self.elem(key, value.as_ptr() as u64, how as u64)).map(drop)
    }

    /// Puts a program into a program array.
    pub fn set_program(&self, index: u32, program: BorrowedFd) -> io::Result<()> {
        let fd = (program.as_raw_fd() as u32).to_ne_bytes();
        self.update(&index.to_ne_bytes(), &fd, Update::Any)
    }

    /// False if it was not there.
    pub fn delete(&self, key: &[u8]) -> io::Result<bool> {
        match call(MAP_DELETE_ELEM, &mut self.elem(key, 0, 0)) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every element. Batches of Linux 5.6; one by one before that.
    pub fn elements(&self) -> io::Result<Elements> {
        match self.elements_by_batch() {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | 524 | libc::EOPNOTSUPP)) => {
                self.elements_one_by_one()
            }
            other => other,
        }
    }

    fn elements_by_batch(&self) -> io::Result<Elements> {
        let (key_size, value_bytes) = (self.key_size, self.value_bytes);
        let mut all = Elements { key_size, value_bytes, ..Default::default() };
        // The token is opaque: 4 bytes for hashes, a key for arrays.
        let mut token = vec![0u8; key_size.max(8)];
        let mut chunk = (self.max_entries as usize).clamp(1, 1024);
        let mut first = true;
        loop {
            let n = all.len();
            all.keys.resize((n + chunk) * key_size, 0);
            all.values.resize((n + chunk) * value_bytes, 0);
            let mut next = vec![0u8; token.len()];
            let mut attr = MapBatchAttr {
                in_batch: if first { 0 } else { token.as_ptr() as u64 },
                out_batch: next.as_mut_ptr() as u64,
                keys: all.keys[n * key_size..].as_mut_ptr() as u64,
                values: all.values[n * value_bytes..].as_mut_ptr() as u64,
                count: chunk as u32,
                map_fd: self.fd.as_raw_fd() as u32,
                ..Default::default()
            };
            let result = call(MAP_LOOKUP_BATCH, &mut attr);
            let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
            // ENOSPC: one hash bucket holds more than the chunk; nothing was given.
            let got = if errno.is_none() || errno == Some(libc::ENOENT) { attr.count as usize } else { 0 };
            all.keys.truncate((n + got) * key_size);
            all.values.truncate((n + got) * value_bytes);
            match errno {
                None => {
                    token = next;
                    first = false;
                }
                Some(libc::ENOENT) => return Ok(all),
                Some(libc::ENOSPC) => chunk *= 2,
                Some(libc::EINTR | libc::EAGAIN) => {}
                Some(_) => return Err(result.expect_err("errno comes from an error")),
            }
        }
    }

    fn elements_one_by_one(&self) -> io::Result<Elements> {
        let mut all = Elements { key_size: self.key_size, value_bytes: self.value_bytes, ..Default::default() };
        let mut key: Option<Vec<u8>> = None;
        // An element deleted under our feet restarts the walk, so its length is bounded.
        for _ in 0..self.max_entries.saturating_mul(2) {
            let mut next = vec![0u8; self.key_size];
            let mut attr = MapElemAttr {
                map_fd: self.fd.as_raw_fd() as u32,
                key: key.as_ref().map_or(0, |key| key.as_ptr() as u64),
                value_or_next: next.as_mut_ptr() as u64,
                ..Default::default()
            };
            match call(MAP_GET_NEXT_KEY, &mut attr) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
                Err(error) => return Err(error),
            }
            if let Some(value) = self.lookup(&next)? {
                all.keys.extend_from_slice(&next);
                all.values.extend_from_slice(&value);
            }
            key = Some(next);
        }
        Ok(all)
    }

    /// Deletes these keys (concatenated); those not there do not matter.
    pub fn delete_keys(&self, keys: &[u8]) -> io::Result<()> {
        let mut rest = keys;
        while !rest.is_empty() {
            let n = rest.len() / self.key_size;
            let mut attr = MapBatchAttr {
                keys: rest.as_ptr() as u64,
                count: n as u32,
                map_fd: self.fd.as_raw_fd() as u32,
                ..Default::default()
            };
            let done = match call(MAP_DELETE_BATCH, &mut attr) {
                Ok(_) => return Ok(()),
                // The batch stops at a missing key: go on behind it.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => attr.count as usize + 1,
                Err(_) => {
                    self.delete(&rest[..self.key_size])?;
                    1
                }
            };
            rest = &rest[(done * self.key_size).min(rest.len())..];
        }
        Ok(())
    }

    /// No more writes from user space, and the verifier knows the content.
    pub fn freeze(&self) -> io::Result<()> {
        let mut attr = MapElemAttr { map_fd: self.fd.as_raw_fd() as u32, ..Default::default() };
        call(MAP_FREEZE, &mut attr).map(drop)
    }

    /// Kernel memory it holds in bytes, as fdinfo tells; 0 when it does not.
    pub fn memory_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", self.fd.as_raw_fd())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Gives a `.BTF` blob to the kernel.
pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        btf: u64,
        log_buf: u64,
        btf_size: u32,
        log_size: u32,
        log_level: u32,
        log_true_size: u32,
    }
    let mut attr = Attr { btf: btf.as_ptr() as u64, btf_size: btf.len() as u32, ..Default::default() };
    call_fd_for_memory(BTF_LOAD, &mut attr)
}

/// A program on its way into the kernel.
#[derive(Clone, Copy, Debug)]
pub struct ProgramSpec<'a> {
    pub name: &'a str,
    /// `BPF_PROG_TYPE_*`.
    pub kind: u32,
    /// 8 bytes each.
    pub code: &'a [u8],
    pub license: &'a CStr,
    pub btf: Option<BorrowedFd<'a>>,
    /// `struct bpf_func_info`: 8 bytes each.
    pub func_info: &'a [u8],
    /// `struct bpf_line_info`: 16 bytes each.
    pub line_info: &'a [u8],
    /// `BPF_TRACE_*`, where the program's type alone does not say it.
    pub attach_kind: u32,
    /// Of a TRACING program: the BTF id of its target, and the type information of the module that is in.
    pub attach_btf_id: u32,
    pub attach_btf: Option<BorrowedFd<'a>>,
    /// 0 none, 1 every instruction, 4 statistics only; may be added.
    pub log_level: u32,
}

/// The verifier's no.
#[derive(Debug)]
pub struct LoadRefused {
    pub error: io::Error,
    /// Text of the verifier; its end when it did not fit.
    pub log: Vec<u8>,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_btf_obj_fd: u32,
    core_relo_cnt: u32,
}

/// Verifies and loads a program. `log` is the verifier's room to write; empty for none.
///
/// # Errors
/// EPERM without CAP_BPF and CAP_PERFMON or by policy, EACCES and EINVAL when the verifier refuses, E2BIG when it is too
/// long or too complex, ENOSPC when only the log did not fit.
pub fn prog_load(spec: &ProgramSpec, log: &mut [u8]) -> Result<OwnedFd, LoadRefused> {
    assert!(spec.code.len().is_multiple_of(8) && spec.func_info.len().is_multiple_of(8));
    assert!(spec.line_info.len().is_multiple_of(16));
    let with_log = spec.log_level != 0 && !log.is_empty();
    let mut attr = ProgLoadAttr {
        prog_type: spec.kind,
        insn_cnt: (spec.code.len() / 8) as u32,
        insns: spec.code.as_ptr() as u64,
        license: spec.license.as_ptr() as u64,
        log_level: if with_log { spec.log_level } else { 0 },
        log_size: if with_log { log.len() as u32 } else { 0 },
        log_buf: if with_log { log.as_mut_ptr() as u64 } else { 0 },
        prog_name: object_name(spec.name),
        ..Default::default()
    };
    if let Some(btf) = spec.btf {
        attr.prog_btf_fd = btf.as_raw_fd() as u32;
        if !spec.func_info.is_empty() {
            attr.func_info_rec_size = 8;
            attr.func_info = spec.func_info.as_ptr() as u64;
            attr.func_info_cnt = (spec.func_info.len() / 8) as u32;
        }
        if !spec.line_info.is_empty() {
            attr.line_info_rec_size = 16;
            attr.line_info = spec.line_info.as_ptr() as u64;
            attr.line_info_cnt = (spec.line_info.len() / 16) as u32;
        }
    }
    attr.expected_attach_type = spec.attach_kind;
    attr.attach_btf_id = spec.attach_btf_id;
    attr.attach_btf_obj_fd = spec.attach_btf.map_or(0, |btf| btf.as_raw_fd() as u32);
    call_fd_for_memory(PROG_LOAD, &mut attr).map_err(|error| {
        let text = log.split(|b| *b == 0).next().unwrap_or_default();
        LoadRefused { error, log: text.to_vec() }
    })
}

/// Attaches a program to a raw tracepoint; closing the descriptor detaches.
///
/// # Errors
/// ENOENT when the kernel has no such tracepoint, EINVAL when the program reads more arguments than it has.
pub fn raw_tracepoint_open(name: &CStr, program: BorrowedFd) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        name: u64,
        prog_fd: u32,
        _pad: u32,
    }
    let mut attr = Attr { name: name.as_ptr() as u64, prog_fd: program.as_raw_fd() as u32, _pad: 0 };
    call_fd(RAW_TRACEPOINT_OPEN, &mut attr)
}

/// Attaches a TRACING program to what it was loaded for; closing the descriptor detaches.
///
/// # Errors
/// EBUSY when the function is being changed by others, EINVAL when ftrace cannot stop there.
pub fn tracing_open(program: BorrowedFd) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        name: u64,
        prog_fd: u32,
        _pad: u32,
    }
    call_fd(RAW_TRACEPOINT_OPEN, &mut Attr { name: 0, prog_fd: program.as_raw_fd() as u32, _pad: 0 })
}

/// Where a link to many functions goes.
#[derive(Clone, Copy, Debug)]
pub enum Places<'a> {
    Addresses(&'a [u64]),
    /// Names the kernel looks up.
    Symbols(&'a [&'a CStr]),
}

/// Attaches a program loaded for [`BPF_TRACE_KPROBE_MULTI`] to many functions; `cookies` are in the order of the places.
///
/// # Errors
/// ENOENT, ESRCH or EINVAL when one of them is no function ftrace can stop at; none is attached then.
pub fn link_kprobe_multi(program: BorrowedFd, places: Places, cookies: &[u64], returns: bool) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        prog_fd: u32,
        target_fd: u32,
        attach_type: u32,
        flags: u32,
        multi_flags: u32,
        n: u32,
        symbols: u64,
        addresses: u64,
        cookies: u64,
    }
    const RETURNS: u32 = 1;
    let pointers: Vec<u64> = match places {
        Places::Symbols(names) => names.iter().map(|name| name.as_ptr() as u64).collect(),
        Places::Addresses(_) => Vec::new(),
    };
    let (n, symbols, addresses) = match places {
        Places::Symbols(_) => (pointers.len(), pointers.as_ptr() as u64, 0),
        Places::Addresses(addresses) => (addresses.len(), 0, addresses.as_ptr() as u64),
    };
    assert_eq!(n, cookies.len(), "a cookie for each place");
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        target_fd: 0,
        attach_type: BPF_TRACE_KPROBE_MULTI,
        flags: 0,
        multi_flags: if returns { RETURNS } else { 0 },
        n: n as u32,
        symbols,
        addresses,
        cookies: cookies.as_ptr() as u64,
    };
    call_fd(LINK_CREATE, &mut attr)
}

/// Attaches a program to a perf event, which then tells it the cookie. Linux 5.15.
pub fn link_perf_event(program: BorrowedFd, event: BorrowedFd, cookie: u64) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        prog_fd: u32,
        target_fd: u32,
        attach_type: u32,
        flags: u32,
        cookie: u64,
    }
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        target_fd: event.as_raw_fd() as u32,
        attach_type: BPF_PERF_EVENT,
        flags: 0,
        cookie,
    };
    call_fd(LINK_CREATE, &mut attr)
}

/// Hits the kernel did not hand to the program of a kprobe link: probes inside probes, and returns beyond those a kretprobe
/// can have under way. 0 where the kernel does not tell (before 6.7) and for other links.
pub fn link_missed(link: BorrowedFd) -> u64 {
    const KPROBE_MULTI: u32 = 8;
    const PERF_EVENT: u32 = 7;
    /// `enum bpf_perf_event_type`.
    const KPROBES: [u32; 2] = [3, 4];
    #[repr(C)]
    struct Attr {
        fd: u32,
        info_len: u32,
        info: u64,
    }
    // struct bpf_link_info: type at 0; kprobe_multi.missed at 32; perf_event.type at 16, perf_event.kprobe.missed at 48.
    let mut info = [0u64; 8];
    let info_len = size_of_val(&info) as u32;
    let mut attr = Attr { fd: link.as_raw_fd() as u32, info_len, info: info.as_mut_ptr() as u64 };
    if call(OBJ_GET_INFO_BY_FD, &mut attr).is_err() {
        return 0;
    }
    match (info[0] as u32, info[2] as u32) {
        (KPROBE_MULTI, _) => info[4],
        (PERF_EVENT, kind) if KPROBES.contains(&kind) => info[6],
        _ => 0,
    }
}

/// The kernel's own descriptor of a module's type information. Needs CAP_SYS_ADMIN.
///
/// # Errors
/// ENOENT when there is no such module or it has none.
pub fn module_btf(module: &str) -> io::Result<OwnedFd> {
    #[repr(C)]
    #[derive(Default)]
    struct IdAttr {
        id: u32,
        next_id: u32,
        open_flags: u32,
    }
    let mut id = 0;
    loop {
        let mut next = IdAttr { id, ..Default::default() };
        call(BTF_GET_NEXT_ID, &mut next)?;
        id = next.next_id;
        let btf = match call_fd(BTF_GET_FD_BY_ID, &mut IdAttr { id, ..Default::default() }) {
            Ok(btf) => btf,
            // Gone in between.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        if btf_name(btf.as_fd())? == module.as_bytes() {
            return Ok(btf);
        }
    }
}

fn btf_name(btf: BorrowedFd) -> io::Result<Vec<u8>> {
    #[repr(C)]
    struct Attr {
        fd: u32,
        info_len: u32,
        info: u64,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        btf: u64,
        btf_size: u32,
        id: u32,
        name: u64,
        name_len: u32,
        kernel_btf: u32,
    }
    let mut name = [0u8; 64];
    let mut info = Info { name: name.as_mut_ptr() as u64, name_len: name.len() as u32, ..Default::default() };
    let info_len = size_of::<Info>() as u32;
    let mut attr = Attr { fd: btf.as_raw_fd() as u32, info_len, info: std::ptr::from_mut(&mut info) as u64 };
    call(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}

/// Run-time statistics of every program, kept while the descriptor is open. Linux 5.8, needs CAP_SYS_ADMIN.
pub fn enable_stats() -> io::Result<OwnedFd> {
    const BPF_STATS_RUN_TIME: u32 = 0;
    let mut attr = BPF_STATS_RUN_TIME;
    call_fd(ENABLE_STATS, &mut attr)
}

/// Counters of a loaded program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// Zero unless statistics are on.
    pub run_time_ns: u64,
    pub run_cnt: u64,
    pub recursion_misses: u64,
    /// Instructions the verifier walked through; 0 before Linux 5.16, which does not tell.
    pub verified: u64,
    /// Its instructions after the verifier's changes, in bytes.
    pub bytes: u64,
}

pub fn prog_stats(program: BorrowedFd) -> io::Result<ProgramStats> {
    #[repr(C)]
    struct Attr {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    // struct bpf_prog_info: xlated_prog_len at 20, 32 bits; run_time_ns at 192, run_cnt at 200, recursion_misses at 208 (5.12),
    // verified_insns at 216, 32 bits (5.16).
    let mut info = [0u64; 28];
    let mut attr = Attr {
        bpf_fd: program.as_raw_fd() as u32,
        info_len: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    call(OBJ_GET_INFO_BY_FD, &mut attr)?;
    let half = |offset: usize| {
        let word = info[offset / 8].to_ne_bytes();
        let at = offset % 8;
        u64::from(u32::from_ne_bytes([word[at], word[at + 1], word[at + 2], word[at + 3]]))
    };
    Ok(ProgramStats {
        run_time_ns: info[24],
        run_cnt: info[25],
        recursion_misses: info[26],
        verified: half(216),
        bytes: half(20),
    })
}

/// Runs a raw tracepoint program once on this thread with these context words; its return value.
pub fn prog_test_run_raw_tp(program: BorrowedFd, context: &[u64]) -> io::Result<u32> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        ctx_size_in: u32,
        ctx_size_out: u32,
        ctx_in: u64,
        ctx_out: u64,
        flags: u32,
        cpu: u32,
        batch_size: u32,
        _pad: u32,
    }
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        ctx_size_in: size_of_val(context) as u32,
        ctx_in: context.as_ptr() as u64,
        ..Default::default()
    };
    call(PROG_TEST_RUN, &mut attr)?;
    Ok(attr.retval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(max_entries: u32) -> Option<Map> {
        let spec =
            MapSpec { name: "t:est", kind: BPF_MAP_TYPE_HASH, key_size: 8, value_size: 8, max_entries, flags: 1 };
        Map::create(&spec).map_err(|error| eprintln!("SKIPPED: no bpf here: {error}")).ok()
    }

    #[test]
    fn batches_read_every_element() {
        let Some(map) = hash(5000) else { return };
        for i in 0..3000u64 {
            map.update(&i.to_ne_bytes(), &(i * 2).to_ne_bytes(), Update::NoExist).unwrap();
        }
        for all in [map.elements().unwrap(), map.elements_one_by_one().unwrap()] {
            let mut seen: Vec<(u64, u64)> = all
                .iter()
                .map(|(k, v)| (u64::from_ne_bytes(k.try_into().unwrap()), u64::from_ne_bytes(v.try_into().unwrap())))
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..3000).map(|i| (i, i * 2)).collect::<Vec<_>>());
        }
        let mut keys = map.elements().unwrap().keys;
        keys.splice(0..0, 999_999u64.to_ne_bytes());
        map.delete_keys(&keys).unwrap();
        assert!(map.elements().unwrap().is_empty());
    }

    #[test]
    fn a_full_hash_says_so() {
        let Some(map) = hash(1) else { return };
        let key = |i: u64| i.to_ne_bytes();
        map.update(&key(1), &key(1), Update::Any).unwrap();
        let error = map.update(&key(2), &key(2), Update::NoExist).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
        let error = map.update(&key(1), &key(2), Update::NoExist).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::EEXIST | libc::E2BIG)));
        assert_eq!(map.lookup(&key(1)).unwrap(), Some(key(1).to_vec()));
        assert_eq!(map.lookup(&key(2)).unwrap(), None);
    }
}
