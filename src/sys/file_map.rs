//! A file's content, mapped read-only: debug information and its indexes, hundreds of megabytes of which little is looked at.

use std::{
    fs::{File, Metadata},
    io,
    ops::{Deref, Range},
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use super::page_size;

/// Unmapped on drop. Empty files are empty slices.
#[derive(Debug)]
pub struct FileMap {
    start: *const u8,
    len: usize,
    path: PathBuf,
    /// Device and number of the file, and its length.
    identity: (u64, u64, u64),
}

/// The file behind a mapping, to be read without mapping more of it: where most of a range is looked at once, a copy is
/// made sooner than pages are mapped and unmapped.
#[derive(Debug)]
pub struct FileReader(File);

impl FileReader {
    /// The bytes of `range`, in memory that serves again and again; `None`: they cannot be read.
    pub fn read<'b>(&self, range: Range<usize>, memory: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        if memory.len() < range.len() {
            memory.resize(range.len(), 0);
        }
        let bytes = &mut memory[..range.len()];
        self.0.read_exact_at(bytes, range.start as u64).is_ok().then_some(&*bytes)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64, u64) {
    (metadata.dev(), metadata.ino(), metadata.len())
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
        let (path, identity) = (path.to_owned(), identity(&metadata));
        if len == 0 {
            return Ok(Self { start: std::ptr::NonNull::dangling().as_ptr(), len, path, identity });
        }
        // SAFETY: a private read-only mapping at an address the kernel chooses; the result is checked below.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len, path, identity })
    }

    /// `None`: something else is at its path by now.
    pub fn reader(&self) -> Option<FileReader> {
        let file = File::open(&self.path).ok()?;
        (identity(&file.metadata().ok()?) == self.identity).then_some(FileReader(file))
    }

    /// Gives the memory of `range` back to the system; looking there again reads the file again.
    pub fn forget(&self, range: Range<usize>) {
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
        let reader = mapped.reader().expect("the file is still there");
        let mut memory = Vec::new();
        assert_eq!(reader.read(100..300, &mut memory), Some(&read[100..300]));
        assert_eq!(reader.read(7..9, &mut memory), Some(&read[7..9]));
        assert_eq!(reader.read(read.len() - 1..read.len() + 1, &mut memory), None, "there is no more");
        assert!(FileMap::open(Path::new("/")).is_err() && FileMap::open(Path::new("/nowhere")).is_err());
    }
}
