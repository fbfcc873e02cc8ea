//! What only a terminal's driver can do: ioctl_tty(2), tcflush(3), termios(3).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
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

/// A terminal whose driver gives each key at once and does not show it, for as long as the value lives. Ctrl-C and its like
/// stay what they are.
pub struct KeyByKey {
    tty: OwnedFd,
    before: libc::termios,
}

impl KeyByKey {
    /// # Errors
    /// It is no terminal.
    pub fn start(tty: impl AsFd) -> io::Result<Self> {
        let tty = tty.as_fd().try_clone_to_owned()?;
        let mut now = std::mem::MaybeUninit::uninit();
        // SAFETY: the call fills the struct it is given.
        check(i64::from(unsafe { libc::tcgetattr(tty.as_raw_fd(), now.as_mut_ptr()) }))?;
        // SAFETY: the call above succeeded.
        let before: libc::termios = unsafe { now.assume_init() };
        let mut keys = before;
        keys.c_lflag &= !(libc::ICANON | libc::ECHO);
        // SAFETY: reads the struct it is given.
        check(i64::from(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSANOW, &raw const keys) }))?;
        Ok(Self { tty, before })
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        // SAFETY: reads the struct it is given.
        unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSANOW, &raw const self.before) };
    }
}
