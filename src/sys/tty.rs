//! What only a terminal's driver can do: ioctl_tty(2), tcflush(3).

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use super::check;

/// For opening one whose writes do not wait.
pub const NON_BLOCKING: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// Puts bytes back at the end of the terminal's input, as if they had been typed.
///
/// # Errors
/// The kernel has it forbidden: without CAP_SYS_ADMIN since Linux 6.2, unless dev.tty.legacy_tiocsti is 1.
pub fn put_back(tty: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        // SAFETY: the call reads the one byte it is given.
        check(i64::from(unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCSTI, std::ptr::from_ref(byte)) }))?;
    }
    Ok(())
}

/// Throws away what the terminal has not taken yet, so that whoever waits to write more can.
///
/// # Errors
/// It is no terminal.
pub fn discard_output(tty: impl AsFd) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(i64::from(unsafe { libc::tcflush(tty.as_fd().as_raw_fd(), libc::TCOFLUSH) })).map(drop)
}
