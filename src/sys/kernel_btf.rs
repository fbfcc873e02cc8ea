//! The kernel's type information, mapped instead of copied: some five megabytes that every start needs.

use std::{fs::File, io, ops::Deref, os::fd::AsRawFd};

/// `/sys/kernel/btf/vmlinux`, read-only, unmapped on drop.
#[derive(Debug)]
pub struct KernelBtf {
    start: *const u8,
    len: usize,
}

// SAFETY: the mapping is read-only and its bytes never change, so any thread may look at them.
unsafe impl Send for KernelBtf {}
// SAFETY: as above.
unsafe impl Sync for KernelBtf {}

impl KernelBtf {
    /// # Errors
    /// The file is not there or may not be read; ENODEV before Linux 6.16, which has no mapping of it.
    pub fn map() -> io::Result<Self> {
        let file = File::open("/sys/kernel/btf/vmlinux")?;
        let len = file.metadata()?.len() as usize;
        // SAFETY: a private read-only mapping at an address the kernel chooses; the result is checked below.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len })
    }
}

impl Deref for KernelBtf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` bytes until drop. They are part of the kernel's image: nobody writes them.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for KernelBtf {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no slice of it outlives `self`.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_bytes_are_the_file() {
        let Ok(mapped) = KernelBtf::map() else {
            eprintln!("skipped: this kernel has no BTF to map");
            return;
        };
        let read = std::fs::read("/sys/kernel/btf/vmlinux").expect("readable");
        assert!(*mapped == read[..]);
    }
}
