//! perf_event_open(2): the software CPU clock and kprobes, with BPF programs on them.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use super::{check, check_fd};

/// `struct perf_event_attr` up to PERF_ATTR_SIZE_VER5 (112 bytes).
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period_or_freq: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
/// Bits of `flags`.
const DISABLED: u64 = 1;
const FREQ: u64 = 1 << 10;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// A disabled software clock event that samples `cpu` `hz` times a second.
///
/// # Errors
/// EACCES without CAP_PERFMON; EINVAL for a rate above `kernel.perf_event_max_sample_rate`.
pub fn open_cpu_clock(cpu: u32, hz: u64) -> io::Result<OwnedFd> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<PerfEventAttr>() as u32,
        config: PERF_COUNT_SW_CPU_CLOCK,
        sample_period_or_freq: hz,
        flags: DISABLED | FREQ,
        ..Default::default()
    };
    // SAFETY: `attr` says its own size and outlives the call; pid -1 with a processor means all its tasks.
    check_fd(unsafe { libc::syscall(libc::SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC) })
}

/// Where a kprobe goes.
#[derive(Clone, Copy, Debug)]
pub enum KprobePlace<'a> {
    Symbol { name: &'a CStr, offset: u64 },
    Address(u64),
}

/// A kprobe, or a kretprobe, as a disabled event. `kind` is the number in /sys/bus/event_source/devices/kprobe/type.
///
/// # Errors
/// ENOENT when there is no such symbol, EINVAL when nothing may be probed there, EADDRNOTAVAIL when it is no instruction.
pub fn open_kprobe(kind: u32, place: KprobePlace, returns: bool) -> io::Result<OwnedFd> {
    let (name, offset) = match place {
        KprobePlace::Symbol { name, offset } => (name.as_ptr() as u64, offset),
        KprobePlace::Address(address) => (0, address),
    };
    let attr = PerfEventAttr {
        kind,
        size: size_of::<PerfEventAttr>() as u32,
        // /sys/bus/event_source/devices/kprobe/format/retprobe: bit 0.
        config: u64::from(returns),
        config1: name,
        config2: offset,
        flags: DISABLED,
        ..Default::default()
    };
    // SAFETY: as above; the name outlives the call. Programs run on every processor, whichever the event was opened for.
    check_fd(unsafe { libc::syscall(libc::SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC) })
}

/// Starts an event.
pub fn enable(event: BorrowedFd) -> io::Result<()> {
    // SAFETY: it takes a descriptor and a number.
    check(i64::from(unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_ENABLE, 0) })).map(drop)
}

/// Puts a BPF program on the event and starts it.
pub fn attach(event: BorrowedFd, program: BorrowedFd) -> io::Result<()> {
    // SAFETY: it takes a descriptor and a number.
    check(i64::from(unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()) }))?;
    enable(event)
}
