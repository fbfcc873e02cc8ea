//! Waiting: ppoll(2) over a handful of descriptors, eventfd(2) to be woken by another thread, and descriptors of ours in
//! tokio's epoll(7).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{check, check_fd};

/// Waits until a descriptor is readable (or in error) or the time is over; says which are.
///
/// `None` waits for ever. A signal ends the wait early with nothing ready.
pub fn wait_readable<const N: usize>(fds: [Option<BorrowedFd>; N], timeout: Option<Duration>) -> io::Result<[bool; N]> {
    let mut list = fds.map(|fd| libc::pollfd {
        // A negative descriptor is skipped by the kernel.
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    let time = timeout.map(|t| libc::timespec {
        tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `list` and `time` outlive the call; no signal mask is given.
    match check(i64::from(unsafe { libc::ppoll(list.as_mut_ptr(), N as libc::nfds_t, time, std::ptr::null()) })) {
        Ok(_) => Ok(list.map(|entry| entry.revents != 0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        Err(error) => Err(error),
    }
}

/// Waits until `fd` takes bytes (or is in error), `stop` is rung or the time is over; true for the first.
///
/// # Errors
/// The kernel has no memory for it.
pub fn wait_writable(fd: BorrowedFd, stop: Option<&Bell>, timeout: Option<Duration>) -> io::Result<bool> {
    let entry = |fd: i32, events| libc::pollfd { fd, events, revents: 0 };
    let stop = stop.map_or(-1, |bell| bell.0.as_raw_fd());
    let mut list = [entry(fd.as_raw_fd(), libc::POLLOUT), entry(stop, libc::POLLIN)];
    let millis = timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    loop {
        // SAFETY: `list` outlives the call.
        match check(i64::from(unsafe { libc::poll(list.as_mut_ptr(), 2, millis) })) {
            // Half a frame is not to be lost to a signal.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result.map(|_| list[0].revents != 0),
        }
    }
}

/// Has tokio say when `fd` is readable.
///
/// # Errors
/// It is none that epoll(7) watches: a file on a disk.
pub fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is the same open descriptor until it is dropped, and `AsyncFd` unregisters it before.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// A bell another thread (or a signal handler) rings.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes numbers, gives a new descriptor.
        check_fd(i64::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })).map(Self)
    }

    pub fn ring(&self) {
        ring_fd(self.0.as_raw_fd());
    }

    /// Makes it quiet again; true if it had been rung.
    pub fn answer(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: reads at most the 8 bytes of `count`.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) == 8 }
    }
}

/// Only write(2), so a signal handler may call it.
pub(super) fn ring_fd(fd: i32) {
    let one = 1u64;
    // SAFETY: writes the 8 bytes of `one`; a full counter is refused, which is as good as rung.
    unsafe { libc::write(fd, (&raw const one).cast(), 8) };
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
