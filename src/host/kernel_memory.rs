//! The running kernel's memory as its core file shows it: /proc/kcore, ELF program headers and what they map. proc(5), elf(5).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, path::Path};

/// A core file of the kernel, read where it is asked.
#[derive(Debug)]
pub struct KernelMemory {
    file: File,
    /// Addresses, and where in the file the first of them is.
    segments: Vec<(Range<u64>, u64)>,
    page_offset: Option<u64>,
}

const PROGRAM_HEADER_BYTES: usize = 56;
const PT_LOAD: u32 = 1;

impl KernelMemory {
    /// # Errors
    /// It may not be read (that takes CAP_SYS_RAWIO, and no lockdown), or it is no 64-bit core file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let no_core = || io::Error::new(io::ErrorKind::InvalidData, "no 64-bit core file");
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0)?;
        let header_at = u64_at(&header, 32).filter(|_| header.starts_with(b"\x7fELF\x02\x01")).ok_or_else(no_core)?;
        let n_headers = usize::from(u16::from_le_bytes([header[56], header[57]]));
        let mut headers = vec![0; n_headers * PROGRAM_HEADER_BYTES];
        file.read_exact_at(&mut headers, header_at)?;
        let segment = |header: &[u8]| {
            let kind = u32::from_le_bytes(*header.first_chunk()?);
            let (offset, start, size) = (u64_at(header, 8)?, u64_at(header, 16)?, u64_at(header, 40)?);
            (kind == PT_LOAD).then_some((start..start.checked_add(size)?, offset))
        };
        let headers = headers.chunks_exact(PROGRAM_HEADER_BYTES);
        let page_offset = headers.clone().find_map(page_offset_by);
        let segments = headers.filter_map(segment).collect();
        Ok(Self { file, segments, page_offset })
    }

    /// Where the first byte of physical memory is mapped, with all others behind it; `None`: no segment tells.
    pub fn page_offset(&self) -> Option<u64> {
        self.page_offset
    }

    /// The bytes from an address on, as many as fit `into` and belong to the same segment; none where there is no memory.
    pub fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let holds = |(range, _): &&(Range<u64>, u64)| range.contains(&address);
        let Some((range, offset)) = self.segments.iter().find(holds) else { return 0 };
        let n = usize::try_from(range.end - address).unwrap_or(usize::MAX).min(into.len());
        let mut done = 0;
        while done < n {
            match self.file.read_at(&mut into[done..n], offset + (address - range.start) + done as u64) {
                Ok(more) if more > 0 => done += more,
                _ => break,
            }
        }
        done
    }
}

/// What a segment of plain memory says of where all of it is mapped. Others have a physical address of 0 or -1, and the
/// kernel's own code and modules, mapped a second time in the last two GiB, are of another distance.
fn page_offset_by(header: &[u8]) -> Option<u64> {
    const LAST_2_GIB: u64 = 0xffff_ffff_8000_0000;
    // It is put where a directory of the page tables begins.
    const ALIGNMENT: u64 = 1 << 30;
    let (start, physical) = (u64_at(header, 16)?, u64_at(header, 24)?);
    let is_known = physical != 0 && physical != u64::MAX && start < LAST_2_GIB;
    start.checked_sub(physical).filter(|offset| is_known && offset.is_multiple_of(ALIGNMENT))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A core file with memory at some addresses.
    pub fn core_file(path: &Path, segments: &[(u64, &[u8])]) {
        let segments: Vec<_> = segments.iter().map(|(address, memory)| (*address, 0, *memory)).collect();
        core_file_of(path, &segments);
    }

    /// The same with physical addresses.
    fn core_file_of(path: &Path, segments: &[(u64, u64, &[u8])]) {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(32, 0);
        bytes.extend(64u64.to_le_bytes());
        bytes.resize(56, 0);
        bytes.extend((segments.len() as u16).to_le_bytes());
        bytes.resize(64, 0);
        let mut offset = 64 + (segments.len() * PROGRAM_HEADER_BYTES) as u64;
        for (address, physical, memory) in segments {
            let size = memory.len() as u64;
            for word in [u64::from(PT_LOAD), offset, *address, *physical, size, size, 0] {
                bytes.extend(word.to_le_bytes());
            }
            offset += size;
        }
        segments.iter().for_each(|(.., memory)| bytes.extend(*memory));
        std::fs::write(path, bytes).expect("can be written");
    }

    #[test]
    fn plain_memory_tells_where_all_of_it_is_mapped() {
        let path = std::env::temp_dir().join(format!("tapdeck-core-map-{}", std::process::id()));
        let page_offset = |segments: &[(u64, u64, &[u8])]| {
            core_file_of(&path, segments);
            KernelMemory::open(&path).expect("is a core file").page_offset()
        };
        let text: (u64, u64, &[u8]) = (0xffff_ffff_8100_0000, 0x100_0000, b"text");
        let vmalloc: (u64, u64, &[u8]) = (0xffff_c900_0000_0000, u64::MAX, b"vmalloc");
        assert_eq!(page_offset(&[text, vmalloc, (0xffff_c900_0000_0000, 0, b"older")]), None);
        let memory: (u64, u64, &[u8]) = (0xffff_8881_0000_1000, 0x1000, b"memory");
        assert_eq!(page_offset(&[text, vmalloc, memory]), Some(0xffff_8881_0000_0000));
        std::fs::remove_file(&path).expect("is there");
    }

    #[test]
    fn memory_is_read_where_it_is() {
        let path = std::env::temp_dir().join(format!("tapdeck-core-{}", std::process::id()));
        core_file(&path, &[(0xffff_ffff_8100_0000, b"kernel"), (0xffff_ffff_c000_0000, b"module")]);
        let memory = KernelMemory::open(&path).expect("is a core file");
        let read = |address| {
            let mut bytes = [0; 4];
            let n = memory.read(address, &mut bytes);
            String::from_utf8_lossy(&bytes[..n]).into_owned()
        };
        assert_eq!(read(0xffff_ffff_8100_0000), "kern");
        assert_eq!(read(0xffff_ffff_c000_0003), "ule");
        assert_eq!((read(0xffff_ffff_c000_0006), read(7)), (String::new(), String::new()));
        for cut in [3, 63, 70, 150] {
            let whole = std::fs::read(&path).expect("is there");
            std::fs::write(&path, &whole[..cut]).expect("can be written");
            if let Ok(memory) = KernelMemory::open(&path) {
                assert_eq!(memory.read(0xffff_ffff_8100_0000, &mut [0; 4]), 0, "{cut}");
            }
            std::fs::write(&path, whole).expect("can be written");
        }
        std::fs::remove_file(&path).expect("is there");
        assert!(KernelMemory::open(&path).is_err());
    }
}
