//! Word of changes to one file: inotify(7).

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use super::{check, check_fd};

/// A descriptor that is readable once the file was written and closed, replaced, moved away or removed. The file that is
/// there then may be another, so a new watch is taken.
///
/// # Errors
/// There is no such file, or the user has too many watches.
pub fn watch_file(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: takes a number, gives a new descriptor.
    let fd = check_fd(i64::from(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) }))?;
    let events = libc::IN_CLOSE_WRITE | libc::IN_MOVE_SELF | libc::IN_DELETE_SELF | libc::IN_ATTRIB;
    // SAFETY: `path` is a string that ends in a zero and outlives the call.
    check(i64::from(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), events) }))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::AsFd, time::Duration};

    use super::*;
    use crate::sys::poll::wait_readable;

    #[test]
    fn hears_of_writing_and_replacing() {
        let dir = std::env::temp_dir();
        let path = dir.join(format!("tapdeck-inotify-{}", std::process::id()));
        let other = path.with_extension("new");
        fs::write(&path, "a").unwrap();
        let is_ready = |watch: &OwnedFd| {
            let [ready] = wait_readable([Some(watch.as_fd())], Some(Duration::from_millis(20))).unwrap();
            ready
        };
        let watch = watch_file(&path).unwrap();
        assert!(!is_ready(&watch));
        fs::read(&path).unwrap();
        assert!(!is_ready(&watch), "reading is no change");
        fs::write(&path, "b").unwrap();
        assert!(is_ready(&watch));
        let watch = watch_file(&path).unwrap();
        fs::write(&other, "c").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(is_ready(&watch));
        fs::remove_file(&path).unwrap();
        assert!(watch_file(&path).is_err());
    }
}
