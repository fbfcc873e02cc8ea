//! Memory that was freed and is kept by the allocator.

/// Gives free pages back to the kernel, where the allocator knows how. malloc_trim(3), glibc 2.8.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: takes no pointers, and locks the heap itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives free pages back to the kernel, where the allocator knows how.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
