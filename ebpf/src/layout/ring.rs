//! The ring of records: the one element of an array that programs write and user space reads, mapped on both sides.
//!
//! ```text
//!      0 u64 taken    bytes programs took so far
//!     64 u64 given    bytes user space gave back so far; on a cache line of its own
//!   4096 data         a power of two of bytes, and behind it room for one more record, so that none wraps
//! ```
//! A program takes the bytes of a record by compare-and-exchange of `taken`, when they still fit before `given`, writes
//! them, and its [`head`] last of all. Whoever interrupts it takes the bytes behind. Data that nobody wrote are zero: user
//! space clears a record before it gives it back, so a head that is not zero belongs to a finished record.
//!
//! The kernel's own ring buffer (`BPF_MAP_TYPE_RINGBUF`) does the same behind two calls and a lock, at some five times the
//! cost. It serves only to wake the reader, which sleeps in poll(2) ([`crate::object::MapRole::Waker`]).

pub const TAKEN: u32 = 0;
pub const GIVEN: u32 = 64;
pub const DATA: u32 = 4096;

/// A record is smaller than this, so the room behind the data is, too.
pub const MIN_BYTES: u32 = 64 << 10;

/// Attempts to take bytes while other processors do, on kernels without `may_goto`; then the record counts as lost.
pub const ATTEMPTS: u32 = 8;

/// The first eight bytes of a record of `size` bytes, itself included: `u8 kind | u24 size | u32 id`.
pub fn head(kind: u8, size: u32, id: u32) -> u64 {
    u64::from(kind) | u64::from(size & 0xff_ffff) << 8 | u64::from(id) << 32
}

/// The size of the record with this head, a multiple of 8; `None` while it is being written.
pub fn size_of(head: u64) -> Option<u32> {
    (head != 0).then_some((head >> 8) as u32 & 0xff_ffff)
}

/// Bytes of data in an element of this size.
pub fn data_bytes(value_size: u32) -> u32 {
    let data = value_size.saturating_sub(DATA).max(1);
    1 << data.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_sizes() {
        let head = head(1, 40, 7);
        assert_eq!(head.to_le_bytes(), [1, 40, 0, 0, 7, 0, 0, 0]);
        assert_eq!(size_of(head), Some(40));
        assert_eq!(size_of(0), None);
        assert_eq!(data_bytes(DATA + (1 << 20)), 1 << 20);
        assert_eq!(data_bytes(DATA + (1 << 20) + 600), 1 << 20);
    }
}
