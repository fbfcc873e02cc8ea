//! A file's content, mapped read-only: debug information and its indexes, hundreds of megabytes of which little is looked at.

use std::{fs::File, io, ops::Deref, os::fd::AsRawFd, path::Path};

use super::page_size;

/// Unmapped on drop. Empty files are empty slices.
#[derive(Debug)]
pub struct FileMap {
    start: *const u8,
    len: usize,
}

// SAFETY: the mapping is read-only and private, so any thread may look at it.
unsafe impl Send for FileMap {}
// SAFETY: as above.
unsafe impl Sync for FileMap {}

impl FileMap {
    /// # Errors
    /// The file is not there, may not be read, or cannot be mapped (a pipe, a folder).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let len = metadata.len() as usize;
        if len == 0 {
            return Ok(Self { start: std::ptr::NonNull::dangling().as_ptr(), len });
        }
        // SAFETY: a private read-only mapping at an address the kernel chooses; the result is checked below.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len })
    }

    /// Gives the memory of `range` back to the system; looking there again reads the file again.
    pub fn forget(&self, range: std::ops::Range<usize>) {
        let page = page_size();
        let (first, end) = (range.start.div_ceil(page) * page, range.end.min(self.len) / page * page);
        if first < end {
            // SAFETY: whole pages inside our own mapping, which is read-only and backed by the file, so nothing is lost.
            unsafe { libc::madvise(self.start.add(first).cast_mut().cast(), end - first, libc::MADV_DONTNEED) };
        }
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` bytes until drop. Installed debug files and our own indexes are replaced, not
        // rewritten in place, so the bytes stay; readers check every bound and value all the same.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: the range is ours and no slice of it outlives `self`.
            unsafe { libc::munmap(self.start.cast_mut().cast(), self.len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_bytes_are_the_file() {
        let path = std::env::current_exe().expect("a test is a file");
        let read = std::fs::read(&path).expect("readable");
        let mapped = FileMap::open(&path).expect("can be mapped");
        assert!(*mapped == read[..]);
        mapped.forget(0..read.len());
        assert!(*mapped == read[..], "forgotten pages come back");
        assert!(FileMap::open(Path::new("/")).is_err() && FileMap::open(Path::new("/nowhere")).is_err());
    }
}
