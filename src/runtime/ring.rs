//! The reading end of the ring of records, [`tapdeck_ebpf::layout::ring`], and what wakes its reader.
//!
//! What was read is given back once for many records: programs look at that word for every record they send, and each
//! write takes the cache line away from them.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use tapdeck_ebpf::{
    layout::ring::{self, DATA, GIVEN, TAKEN},
    object::MapRole,
};

use super::load::Loaded;
use crate::sys::{bpf::Map, mmap::Mapping, page_size};

/// The part of the ring that may be read before it is given back.
const GIVEN_EVERY: u64 = 16;

pub struct Ring {
    memory: Mapping,
    waker: Waker,
    /// Bytes of data.
    size: u64,
    /// Bytes read; what was given back or more.
    read: u64,
    record: Vec<u8>,
}

impl Ring {
    /// `None` when no program has anything to send.
    pub fn open(loaded: &Loaded) -> io::Result<Option<Self>> {
        let (Some(map), Some(waker)) = (loaded.map(MapRole::Ring), loaded.map(MapRole::Waker)) else {
            return Ok(None);
        };
        let bytes = map.slot_bytes();
        let memory = Mapping::shared(map.as_fd(), bytes, 0, true)?;
        Ok(Some(Self {
            read: memory.read_u64(GIVEN as usize),
            memory,
            waker: Waker::open(waker)?,
            size: u64::from(ring::data_bytes(bytes as u32)),
            record: Vec::new(),
        }))
    }

    /// Hands over at most `limit` records; gives how many there were.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        self.waker.hear();
        let mut n = 0;
        let mut given = self.read;
        let mut end = self.taken();
        while n < limit {
            if self.read == end {
                end = self.taken();
                if self.read == end {
                    break;
                }
            }
            let at = DATA as usize + (self.read & (self.size - 1)) as usize;
            let Some(size) = ring::size_of(self.memory.read_u64(at)) else { break };
            self.record.resize(size as usize, 0);
            self.memory.read(at, &mut self.record);
            self.memory.clear(at, size as usize);
            each(&self.record);
            n += 1;
            self.read += u64::from(size);
            if self.read - given >= self.size / GIVEN_EVERY {
                self.give(self.read);
                given = self.read;
            }
        }
        if self.read != given {
            self.give(self.read);
        }
        n
    }

    fn taken(&self) -> u64 {
        self.memory.read_u64(TAKEN as usize)
    }

    fn give(&self, up_to: u64) {
        self.memory.write_u64(GIVEN as usize, up_to);
    }

    /// Bytes in it that were not read yet, those still being written included.
    pub fn used(&self) -> u64 {
        self.taken().wrapping_sub(self.read)
    }

    /// Bytes of records it can hold.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsFd for Ring {
    /// Readable when a program asked to wake us.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.fd.as_fd()
    }
}

/// A ring buffer of the kernel (kernel/bpf/ringbuf.c) whose records say nothing but that they are there. Its first page
/// has the u64 read so far, its second the u64 written; poll(2) compares them.
struct Waker {
    fd: OwnedFd,
    consumer: Mapping,
    producer: Mapping,
}

impl Waker {
    fn open(map: &Map) -> io::Result<Self> {
        let page = page_size();
        Ok(Self {
            fd: map.as_fd().try_clone_to_owned()?,
            consumer: Mapping::shared(map.as_fd(), page, 0, true)?,
            producer: Mapping::shared(map.as_fd(), page, page, false)?,
        })
    }

    fn hear(&self) {
        let rung = self.producer.read_u64(0);
        if self.consumer.read_u64(0) != rung {
            self.consumer.write_u64(0, rung);
        }
    }
}
