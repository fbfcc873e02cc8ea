//! The reading end of the ring buffer: aya's reader over our descriptor, and the two positions the kernel shares, for the
//! fill level. kernel/bpf/ringbuf.c: page 0 holds the consumer's position, page 1 the producer's.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{MapData, RingBuf};

use crate::sys::{bpf::Map, mmap::Mapping, page_size};

pub struct Ring {
    reader: RingBuf<MapData>,
    consumer: Mapping,
    producer: Mapping,
    size: u64,
}

impl Ring {
    pub fn open(map: &Map) -> io::Result<Self> {
        let data = MapData::from_fd(map.as_fd().try_clone_to_owned()?).map_err(io::Error::other)?;
        let reader = RingBuf::try_from(aya::maps::Map::RingBuf(data)).map_err(io::Error::other)?;
        Ok(Self {
            reader,
            consumer: Mapping::shared(map.as_fd(), 8, 0, false)?,
            producer: Mapping::shared(map.as_fd(), 8, page_size(), false)?,
            size: u64::from(map.max_entries()),
        })
    }

    /// Hands over at most `limit` records; gives how many there were.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        for n in 0..limit {
            match self.reader.next() {
                Some(record) => each(&record),
                None => return n,
            }
        }
        limit
    }

    /// Bytes in it that were not read yet, those still being written included.
    pub fn used(&self) -> u64 {
        self.producer.read_u64(0).wrapping_sub(self.consumer.read_u64(0))
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsFd for Ring {
    /// Readable when a program asked to wake us.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
