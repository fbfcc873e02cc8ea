//! File systems opened without a place in anybody's tree: fsopen(2), fsmount(2), Linux 5.2.

use std::{ffi::CStr, io, os::fd::AsRawFd, os::fd::OwnedFd};

use super::{check, check_fd};

// include/uapi/linux/mount.h
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// The top folder of a new mount of a file system that has no device. It is gone with the descriptor.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; ENODEV when the kernel has no such file system; ENOSYS before Linux 5.2.
pub fn detached(kind: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the call gives a new descriptor.
    let context = check_fd(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let nothing = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, nothing, nothing, 0) })?;
    // SAFETY: integers only; the call gives a new descriptor.
    check_fd(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracefs_opens_without_a_place() {
        match detached(c"tracefs") {
            Ok(folder) => {
                let path = format!("/proc/self/fd/{}/events", folder.as_raw_fd());
                assert!(std::fs::read_dir(path).unwrap().count() > 10);
            }
            Err(error) => eprintln!("SKIPPED: no tracefs for this process: {error}"),
        }
        assert!(detached(c"no such file system").is_err());
    }
}
