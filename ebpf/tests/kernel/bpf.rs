//! bpf(2), as much as these tests need.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use tapdeck_ebpf::isa::{AtomicOp, Insn};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_NEXT: libc::c_int = 4;
const PROG_LOAD: libc::c_int = 5;
const TEST_RUN: libc::c_int = 10;
const BTF_LOAD: libc::c_int = 18;
const MAP_FREEZE: libc::c_int = 22;

/// A `union bpf_attr` in the making: fields at their offsets.
#[derive(Default)]
struct Attr(Vec<u8>);

impl Attr {
    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0.resize(self.0.len().max(at + bytes.len()).next_multiple_of(8), 0);
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(self, at: usize, n: u32) -> Self {
        self.put(at, &n.to_le_bytes())
    }

    fn u64(self, at: usize, n: u64) -> Self {
        self.put(at, &n.to_le_bytes())
    }

    fn ptr(self, at: usize, p: &[u8]) -> Self {
        self.u64(at, p.as_ptr() as u64)
    }

    fn call(mut self, command: libc::c_int) -> io::Result<libc::c_long> {
        // SAFETY: the buffer is as long as we say and every pointer in it outlives the call.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), self.0.len()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }

    fn fd(self, command: libc::c_int) -> io::Result<OwnedFd> {
        // SAFETY: the kernel just gave us this descriptor.
        self.call(command).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
}

pub fn map_create(kind: u32, key: u32, value: u32, entries: u32, flags: u32) -> io::Result<OwnedFd> {
    Attr::default().u32(0, kind).u32(4, key).u32(8, value).u32(12, entries).u32(16, flags).put(71, &[0]).fd(MAP_CREATE)
}

pub fn update(map: &OwnedFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    Attr::default().u32(0, map.as_raw_fd() as u32).ptr(8, key).ptr(16, value).u64(24, 0).call(MAP_UPDATE).map(drop)
}

pub fn lookup(map: &OwnedFd, key: &[u8], size: usize) -> Option<Vec<u8>> {
    let value = vec![0u8; size];
    let attr = Attr::default().u32(0, map.as_raw_fd() as u32).ptr(8, key).ptr(16, &value).u64(24, 0);
    attr.call(MAP_LOOKUP).ok().map(|_| std::hint::black_box(value))
}

pub fn next_key(map: &OwnedFd, key: Option<&[u8]>, size: usize) -> Option<Vec<u8>> {
    let next = vec![0u8; size];
    let attr =
        Attr::default().u32(0, map.as_raw_fd() as u32).u64(8, key.map_or(0, |k| k.as_ptr() as u64)).ptr(16, &next);
    attr.call(MAP_NEXT).ok().map(|_| std::hint::black_box(next))
}

pub fn freeze(map: &OwnedFd) -> io::Result<()> {
    Attr::default().u32(0, map.as_raw_fd() as u32).call(MAP_FREEZE).map(drop)
}

pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let log = vec![0u8; 65536];
    Attr::default().ptr(0, btf).ptr(8, &log).u32(16, btf.len() as u32).u32(20, 65536).u32(24, 1).fd(BTF_LOAD).map_err(
        |e| {
            let text = std::hint::black_box(&log);
            let end = text.iter().position(|b| *b == 0).unwrap_or(0);
            io::Error::other(format!("{e}: {}", String::from_utf8_lossy(&text[..end])))
        },
    )
}

pub struct Load<'a> {
    pub kind: u32,
    pub name: &'a str,
    pub code: &'a [u8],
    pub btf: &'a OwnedFd,
    pub functions: &'a [u8],
    pub lines: &'a [u8],
}

/// Compare-and-exchange, which every program that prints does (Linux 5.12).
pub fn knows_exchange() -> bool {
    let code: Vec<u8> = [
        Insn { code: 0x7a, dst: 10, off: -8, ..Insn::default() },
        Insn { code: 0xb7, dst: 1, ..Insn::default() },
        Insn { code: 0xb7, ..Insn::default() },
        Insn { code: 0xdb, dst: 10, src: 1, off: -8, imm: AtomicOp::CompareExchange.imm() },
        Insn { code: 0xb7, ..Insn::default() },
        Insn { code: 0x95, ..Insn::default() },
    ]
    .into_iter()
    .flat_map(Insn::encode)
    .collect();
    let raw_tracepoint = 17;
    let attr = Attr::default().u32(0, raw_tracepoint).u32(4, (code.len() / 8) as u32).ptr(8, &code);
    attr.ptr(16, b"Dual MIT/GPL\0").put(143, &[0]).fd(PROG_LOAD).is_ok()
}

/// The program, or the verifier's log.
pub fn prog_load(load: &Load<'_>) -> Result<OwnedFd, String> {
    let license = b"Dual MIT/GPL\0";
    let mut name = [0u8; 16];
    name[..load.name.len().min(15)].copy_from_slice(&load.name.as_bytes()[..load.name.len().min(15)]);
    let attempt = |log: Option<&[u8]>| {
        let attr = Attr::default()
            .u32(0, load.kind)
            .u32(4, (load.code.len() / 8) as u32)
            .ptr(8, load.code)
            .ptr(16, license)
            .u32(24, if log.is_some() { 1 } else { 0 })
            .u32(28, log.map_or(0, |l| l.len() as u32))
            .u64(32, log.map_or(0, |l| l.as_ptr() as u64))
            .put(48, &name)
            .u32(72, load.btf.as_raw_fd() as u32)
            .u32(76, 8)
            .ptr(80, load.functions)
            .u32(88, (load.functions.len() / 8) as u32)
            .u32(92, 16)
            .ptr(96, load.lines)
            .u32(104, (load.lines.len() / 16) as u32)
            .put(143, &[0]);
        attr.fd(PROG_LOAD)
    };
    attempt(None).map_err(|error| {
        let log = vec![0u8; 1 << 22];
        let _ = attempt(Some(&log));
        let log = std::hint::black_box(log);
        let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
        let text = String::from_utf8_lossy(&log[..end]).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        format!("{error}\n{}", lines[lines.len().saturating_sub(60)..].join("\n"))
    })
}

/// Runs a raw tracepoint program with these context words; `repeat` of them are timed outside.
pub fn test_run(program: &OwnedFd, context: &[u64]) -> io::Result<u32> {
    let bytes: Vec<u8> = context.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut attr =
        Attr::default().u32(0, program.as_raw_fd() as u32).u32(40, bytes.len() as u32).ptr(48, &bytes).put(79, &[0]);
    // SAFETY: as in `call`; the kernel writes the result into the buffer.
    let result = unsafe { libc::syscall(libc::SYS_bpf, TEST_RUN, attr.0.as_mut_ptr(), attr.0.len()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u32::from_le_bytes([attr.0[4], attr.0[5], attr.0[6], attr.0[7]]))
}

/// CPUs that may ever be there, as per-CPU maps count them.
pub fn possible_cpus() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    text.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<usize>().ok()).map_or(1, |n| n + 1)
}

/// Attaches a raw tracepoint program until the descriptor closes.
pub fn raw_tracepoint_open(program: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let name = format!("{name}\0");
    Attr::default().ptr(0, name.as_bytes()).u32(8, program.as_raw_fd() as u32).put(15, &[0]).fd(17)
}

/// Run-time statistics of all programs until the descriptor closes.
pub fn enable_stats() -> io::Result<OwnedFd> {
    Attr::default().u32(0, 0).put(7, &[0]).fd(32)
}

/// Run time in ns and runs of a program.
pub fn run_time(program: &OwnedFd) -> io::Result<(u64, u64)> {
    run_statistics(program).map(|(time, runs, _)| (time, runs))
}

/// Runs the kernel left out, since the program was running on that processor already.
pub fn missed(program: &OwnedFd) -> io::Result<u64> {
    run_statistics(program).map(|(.., missed)| missed)
}

fn run_statistics(program: &OwnedFd) -> io::Result<(u64, u64, u64)> {
    let info = vec![0u8; 232];
    Attr::default().u32(0, program.as_raw_fd() as u32).u32(4, 232).ptr(8, &info).call(15)?;
    let info = std::hint::black_box(info);
    let word = |at: usize| u64::from_le_bytes(info[at..at + 8].try_into().expect("eight bytes"));
    Ok((word(192), word(200), word(208)))
}

/// As many calls of a cheap system call without arguments.
pub fn hammer(nr: libc::c_long, n: usize) {
    for _ in 0..n {
        // SAFETY: takes nothing, changes nothing.
        unsafe { libc::syscall(nr) };
    }
}
