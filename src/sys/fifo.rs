//! Named pipes: mkfifo(3), and who we are.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use super::check;

/// For opening one end without waiting for the other.
pub const NON_BLOCKING: i32 = libc::O_NONBLOCK;

/// Makes a named pipe that its owner alone may use.
///
/// # Errors
/// Something of that name is there, or the folder does not take it.
pub fn make(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` is a C string that outlives the call.
    check(i64::from(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })).map(drop)
}

/// The user this process acts for.
pub fn user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether it belongs to that user.
pub fn is_mine(found: &std::fs::Metadata) -> bool {
    found.uid() == user()
}

/// The same open file under another number.
///
/// # Errors
/// There are too many.
pub fn duplicate(file: impl AsFd) -> io::Result<OwnedFd> {
    file.as_fd().try_clone_to_owned()
}
