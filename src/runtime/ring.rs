//! The reading end of the ring buffer, kernel/bpf/ringbuf.c:
//!
//! ```text
//!   page 0    u64 consumer  bytes read so far; ours to write
//!   page 1    u64 producer  bytes begun so far
//!   page 2 …  the data, mapped twice in a row so that no record wraps
//!
//!   record    u32 length | BUSY while being written | DISCARDED    u32 page    bytes, padded to 8
//! ```
//! The consumer's position is written once for many records: programs read it for every record they send, and each write
//! takes the cache line away from them.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::sys::{bpf::Map, mmap::Mapping, page_size};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const RECORD_HEADER: u64 = 8;
/// The part of the ring that may be read before programs are told.
const TOLD_EVERY: u64 = 16;

pub struct Ring {
    fd: OwnedFd,
    consumer: Mapping,
    /// The producer's page and the data.
    producer: Mapping,
    /// Where the data starts in `producer`.
    data: usize,
    size: u64,
    /// Bytes read; what the consumer's page says or more.
    read: u64,
    record: Vec<u8>,
}

impl Ring {
    pub fn open(map: &Map) -> io::Result<Self> {
        let page = page_size();
        let size = map.max_entries();
        let consumer = Mapping::shared(map.as_fd(), page, 0, true)?;
        Ok(Self {
            fd: map.as_fd().try_clone_to_owned()?,
            producer: Mapping::shared(map.as_fd(), page + 2 * size as usize, page, false)?,
            data: page,
            size: u64::from(size),
            read: consumer.read_u64(0),
            consumer,
            record: Vec::new(),
        })
    }

    /// Hands over at most `limit` records; gives how many there were.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut n = 0;
        let mut told = self.read;
        let mut end = self.producer.read_u64(0);
        while n < limit {
            if self.read == end {
                end = self.producer.read_u64(0);
                if self.read == end {
                    break;
                }
            }
            let at = self.data + (self.read & (self.size - 1)) as usize;
            let header = self.producer.read_u32(at);
            if header & BUSY != 0 {
                break;
            }
            let length = header & !DISCARDED;
            if header & DISCARDED == 0 {
                self.record.resize(length as usize, 0);
                self.producer.read(at + RECORD_HEADER as usize, &mut self.record);
                each(&self.record);
                n += 1;
            }
            self.read += (u64::from(length) + RECORD_HEADER).next_multiple_of(8);
            if self.read - told >= self.size / TOLD_EVERY {
                self.consumer.write_u64(0, self.read);
                told = self.read;
            }
        }
        if self.read != told {
            self.consumer.write_u64(0, self.read);
        }
        n
    }

    /// Bytes in it that were not read yet, those still being written included.
    pub fn used(&self) -> u64 {
        self.producer.read_u64(0).wrapping_sub(self.read)
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsFd for Ring {
    /// Readable when a program asked to wake us.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
