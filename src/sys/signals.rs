//! Signals that ask to stop. The handler only remembers the number and rings a bell.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd},
    sync::atomic::{AtomicI32, AtomicU32, Ordering},
};

use super::{check, poll::Bell};

static BELL_FD: AtomicI32 = AtomicI32::new(-1);
static LAST: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);
/// As [`COUNT`], but nobody takes from it.
static TOTAL: AtomicU32 = AtomicU32::new(0);

extern "C" fn remember(signal: libc::c_int) {
    LAST.store(signal, Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
    TOTAL.fetch_add(1, Ordering::Relaxed);
    let fd = BELL_FD.load(Ordering::Relaxed);
    if fd >= 0 {
        super::poll::ring_fd(fd);
    }
}

/// The process's SIGINT, SIGTERM and SIGHUP (and SIGQUIT), caught. One per process; a second one shares it.
#[derive(Clone, Copy, Debug)]
pub struct StopSignals {
    fd: i32,
}

impl StopSignals {
    /// Catches them from now on, for the rest of the process's life. A SIGHUP that was ignored (nohup) stays ignored; a
    /// SIGINT does not, because shells ignore it for every command started with `&`.
    pub fn catch() -> io::Result<Self> {
        let known = BELL_FD.load(Ordering::Acquire);
        if known >= 0 {
            return Ok(Self { fd: known });
        }
        let bell = Bell::new()?;
        let fd = bell.as_fd().try_clone_to_owned()?.into_raw_fd();
        BELL_FD.store(fd, Ordering::Release);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            // SAFETY: zeroed is a valid sigaction; the handler touches atomics and write(2) only.
            unsafe {
                let mut old: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &mut old);
                if signal == libc::SIGHUP && old.sa_sigaction == libc::SIG_IGN {
                    continue;
                }
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = remember as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                check(i64::from(libc::sigaction(signal, &action, std::ptr::null_mut())))?;
            }
        }
        Ok(Self { fd })
    }

    /// Readable once a signal came; stays so until [`StopSignals::take`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is never closed.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// How many came since [`StopSignals::take`].
    pub fn pending(&self) -> u32 {
        COUNT.load(Ordering::Acquire)
    }

    /// The last signal and how many came since the last call; `None` for none.
    pub fn take(&self) -> Option<(i32, u32)> {
        let mut count = 0u64;
        // SAFETY: reads at most the 8 bytes of `count`; the descriptor does not block.
        unsafe { libc::read(self.fd().as_raw_fd(), (&raw mut count).cast(), 8) };
        match COUNT.swap(0, Ordering::AcqRel) {
            0 => None,
            n => Some((LAST.load(Ordering::Acquire), n)),
        }
    }
}

/// Files to be switched to that nobody began yet; more than one are one.
static SWITCH: AtomicU32 = AtomicU32::new(0);

extern "C" fn remember_switch(_: libc::c_int) {
    SWITCH.store(1, Ordering::Relaxed);
}

/// Takes SIGUSR2 as a wish for the next output file, for the rest of the process's life; and writing past a limit of file
/// sizes (SIGXFSZ) as an error of that write.
pub fn hear_switches() {
    // SAFETY: zeroed is a valid sigaction; the handler touches an atomic only.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = remember_switch as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Wishes for the next output file, as SIGUSR2 does.
pub fn ask_for_switch() {
    remember_switch(0);
}

/// Whether the next file is wished for; forgets it.
pub fn take_switch() -> bool {
    SWITCH.swap(0, Ordering::Relaxed) > 0
}

/// Whoever asked to stop asked again: nothing may be waited for any more, not even that somebody reads what we write.
pub fn is_impatient() -> bool {
    TOTAL.load(Ordering::Relaxed) > 1
}

/// Sends a signal to a process; 0 only asks whether it exists.
pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(i64::from(unsafe { libc::kill(pid as i32, signal) })).map(drop)
}

/// Sent to a stopped process that goes on.
pub const CONTINUED: i32 = libc::SIGCONT;

/// Stops this process and its whole group, as a shell's job, until SIGCONT.
pub fn stop_group() -> io::Result<()> {
    // SAFETY: takes numbers; 0 means the caller's group.
    check(i64::from(unsafe { libc::kill(0, libc::SIGSTOP) })).map(drop)
}
