//! All unsafe code: one thin function per system call, safe signatures, owned file descriptors. Nothing here decides
//! anything; it turns arguments into kernel structures and errno into [`std::io::Error`].
//! Sources: bpf(2), perf_event_open(2), inotify(7), ioctl_tty(2), include/uapi/linux/{bpf,perf_event}.h of v6.12.
#![expect(unsafe_code, reason = "system calls; every block says what it relies on")]

pub mod bpf;
pub mod clock;
pub mod fifo;
pub mod file_map;
pub mod heap;
pub mod inotify;
pub mod kernel_btf;
pub mod limits;
pub mod mmap;
pub mod mount;
pub mod perf_event;
pub mod poll;
pub mod process;
pub mod signals;
pub mod tty;

use std::{io, os::fd::OwnedFd};

/// Turns the -1 of a libc call into the errno.
fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As [`check`], for calls that give a new descriptor.
fn check_fd(result: i64) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let fd = check(result)?;
    // SAFETY: the call that gave `result` just opened this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// How many processors may ever be online: the number of slots in a per-CPU map value.
pub fn n_possible_cpus() -> usize {
    use std::sync::OnceLock;
    static N: OnceLock<usize> = OnceLock::new();
    *N.get_or_init(|| {
        let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
        // "0-3,8-11": slots go up to the highest number.
        let last = text.trim().rsplit([',', '-']).next().and_then(|n| n.parse::<usize>().ok());
        last.map_or_else(|| online_cpus().len(), |last| last + 1)
    })
}

/// Numbers of the processors that are online now.
pub fn online_cpus() -> Vec<u32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_else(|_| "0".to_owned());
    text.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
        })
        .flatten()
        .collect()
}

/// Bytes of a page.
pub fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The effective user id.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}
