//! Shared mappings of kernel objects: mmapable BPF arrays and the pages of a ring buffer.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use super::{check, page_size};

/// A shared mapping, unmapped on drop. The kernel changes it at any time, so words are read and written atomically.
#[derive(Debug)]
pub struct Mapping {
    start: *mut u8,
    len: usize,
    writable: bool,
}

// SAFETY: the memory is plain bytes reached through atomics; nothing ties the mapping to a thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes (rounded up to pages) of `fd` from `offset`, a multiple of the page size.
    pub fn shared(fd: BorrowedFd, len: usize, offset: usize, writable: bool) -> io::Result<Self> {
        let page = page_size();
        let len = len.max(1).div_ceil(page) * page;
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: the kernel chooses a fresh address; the result is checked below.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd.as_raw_fd(), offset as libc::off_t)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len, writable })
    }

    /// Memory of this process alone, all zero.
    pub fn anonymous(len: usize) -> io::Result<Self> {
        let page = page_size();
        let len = len.max(1).div_ceil(page) * page;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel chooses a fresh address; the result is checked below.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len, writable: true })
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len, "word outside its mapping");
        // SAFETY: in bounds and aligned (mappings start on a page); the mapping lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.start.add(offset).cast()) }
    }

    /// The word at a multiple of 8.
    pub fn read_u64(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    pub fn write_u64(&self, offset: usize, value: u64) {
        assert!(self.writable, "mapping is read-only");
        self.word(offset).store(value, Ordering::Release);
    }

    /// Adds and gives the value before.
    pub fn add_u64(&self, offset: usize, delta: u64) -> u64 {
        assert!(self.writable, "mapping is read-only");
        self.word(offset).fetch_add(delta, Ordering::AcqRel)
    }

    fn half(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len, "word outside its mapping");
        // SAFETY: in bounds and aligned; the mapping lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.start.add(offset).cast()) }
    }

    /// The 32-bit word at a multiple of 4.
    pub fn read_u32(&self, offset: usize) -> u32 {
        self.half(offset).load(Ordering::Acquire)
    }

    pub fn write_u32(&self, offset: usize, value: u32) {
        assert!(self.writable, "mapping is read-only");
        self.half(offset).store(value, Ordering::SeqCst);
    }

    /// Replaces `from` by `to`; false if it was something else.
    pub fn compare_exchange_u32(&self, offset: usize, from: u32, to: u32) -> bool {
        assert!(self.writable, "mapping is read-only");
        self.half(offset).compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn byte(&self, offset: usize) -> &AtomicU8 {
        assert!(offset < self.len, "byte outside its mapping");
        // SAFETY: in bounds; the mapping lives as long as `self`.
        unsafe { AtomicU8::from_ptr(self.start.add(offset)) }
    }

    pub fn read_u8(&self, offset: usize) -> u8 {
        self.byte(offset).load(Ordering::Acquire)
    }

    pub fn write_u8(&self, offset: usize, value: u8) {
        assert!(self.writable, "mapping is read-only");
        self.byte(offset).store(value, Ordering::Release);
    }

    /// Copies bytes out. Text may be torn when a program writes it at the same moment.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        assert!(offset + out.len() <= self.len, "range outside its mapping");
        // SAFETY: the source is in bounds and mapped, the destination is ours, and the two cannot overlap.
        unsafe { std::ptr::copy_nonoverlapping(self.start.add(offset), out.as_mut_ptr(), out.len()) };
    }

    /// Writes zeros.
    pub fn clear(&self, offset: usize, len: usize) {
        assert!(self.writable, "mapping is read-only");
        assert!(offset + len <= self.len, "range outside its mapping");
        // SAFETY: in bounds and mapped writable.
        unsafe { std::ptr::write_bytes(self.start.add(offset), 0, len) };
    }

    /// Copies bytes in.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(self.writable, "mapping is read-only");
        assert!(offset + bytes.len() <= self.len, "range outside its mapping");
        // SAFETY: the destination is in bounds and mapped writable, the source is ours, and the two cannot overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(offset), bytes.len()) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range mmap gave; no reference into it outlives `self`.
        let _ = check(i64::from(unsafe { libc::munmap(self.start.cast(), self.len) }));
    }
}
