//! Addresses to names: of the kernel's code by /proc/kallsyms, of processes by their maps and the symbol tables of what they
//! map. proc(5), elf(5).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};

use super::probing::{symbol_address, symbol_module, symbol_name};
use crate::host::{Bytes, Host};

/// A named range of addresses around one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around<'a> {
    pub name: &'a str,
    /// How far inside the address is.
    pub offset: u64,
    pub size: u64,
}

/// The kernel's symbols by address.
#[derive(Debug, Default)]
pub struct KernelAddresses {
    text: String,
    /// Address of each symbol, and where its line begins in `text`; one symbol an address.
    symbols: Vec<(u64, u32)>,
}

/// Symbols are this far apart at most; what lies behind is in no symbol.
const MAX_SYMBOL: u64 = 1 << 20;

impl KernelAddresses {
    /// # Errors
    /// There is no list, or it hides the addresses.
    pub fn read(host: &dyn Host) -> Result<Self, String> {
        let text = String::from_utf8(host.read(Path::new("/proc/kallsyms"))?)
            .map_err(|_| "/proc/kallsyms is no text".to_owned())?;
        let symbols = Self::of(text);
        if symbols.symbols.is_empty() {
            return Err("/proc/kallsyms hides the addresses (kernel.kptr_restrict)".to_owned());
        }
        Ok(symbols)
    }

    fn of(text: String) -> Self {
        let mut symbols: Vec<(u64, u32)> = Vec::with_capacity(text.len() / 40);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let address = symbol_address(line);
            if address != 0 {
                symbols.push((address, start));
            }
            start += line.len() as u32;
        }
        let line = |at: u32| text[at as usize..].lines().next().unwrap_or("");
        // Of several names the best is kept: a global one, and the one with the fewest marks of the linker.
        let rank = |at: u32| {
            let line = line(at);
            let is_local = !matches!(line.as_bytes().get(17), Some(b'T' | b'W' | b'D' | b'B' | b'R'));
            (is_local, symbol_name(line).bytes().take_while(|byte| *byte == b'_').count())
        };
        symbols.sort_by_key(|(address, _)| *address);
        let mut best: Vec<(u64, u32)> = Vec::with_capacity(symbols.len());
        for (address, at) in symbols {
            match best.last_mut() {
                Some((before, kept)) if *before == address => {
                    if rank(at) < rank(*kept) {
                        *kept = at;
                    }
                }
                _ => best.push((address, at)),
            }
        }
        Self { text, symbols: best }
    }

    /// The symbol an address is in, and its module (`None`: the kernel proper).
    pub fn find(&self, address: u64) -> Option<(Around<'_>, Option<&str>)> {
        let idx = self.symbols.partition_point(|(start, _)| *start <= address).checked_sub(1)?;
        let (start, at) = self.symbols[idx];
        let next = self.symbols.get(idx + 1).map_or(start + MAX_SYMBOL, |(next, _)| *next);
        let (offset, size) = (address - start, next - start);
        if offset >= size.min(MAX_SYMBOL) {
            return None;
        }
        let line = self.text[at as usize..].lines().next()?;
        Some((Around { name: symbol_name(line), offset, size: size.min(MAX_SYMBOL) }, symbol_module(line)))
    }
}

/// What a process has mapped, with the symbols of it.
#[derive(Debug, Default)]
pub struct ProcessAddresses {
    /// By address.
    maps: Vec<Mapped>,
}

/// Executable memory that comes from a file.
#[derive(Debug)]
struct Mapped {
    start: u64,
    end: u64,
    /// Of the file's bytes.
    offset: u64,
    path: String,
    /// Where the file can be opened, whatever root the process has.
    open_at: PathBuf,
    /// The whole file's extent in memory.
    module: (u64, u64),
}

/// Functions of ELF files, each file read once.
#[derive(Debug, Default)]
pub struct ElfSymbols {
    files: HashMap<PathBuf, Option<Arc<ElfFile>>>,
}

#[derive(Debug)]
struct ElfFile {
    /// Offset in the file, bytes and address of each loaded part.
    segments: Vec<(u64, u64, u64)>,
    /// Address, bytes and name, by address.
    functions: Vec<(u64, u64, String)>,
}

impl ProcessAddresses {
    /// Nothing when the process is gone.
    pub fn read(host: &dyn Host, process: u32) -> Self {
        let text = host.read(&PathBuf::from(format!("/proc/{process}/maps"))).unwrap_or_default();
        let mut maps = parse_maps(&String::from_utf8_lossy(&text), process);
        maps.sort_by_key(|mapped| mapped.start);
        Self { maps }
    }

    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The file an address is in: its path, and the extent of all of it.
    pub fn module(&self, address: u64) -> Option<Around<'_>> {
        let mapped = self.mapped(address)?;
        let (start, end) = mapped.module;
        Some(Around { name: &mapped.path, offset: address - start, size: end - start })
    }

    fn mapped(&self, address: u64) -> Option<&Mapped> {
        let idx = self.maps.partition_point(|mapped| mapped.start <= address).checked_sub(1)?;
        self.maps.get(idx).filter(|mapped| address < mapped.end)
    }

    /// The function an address is in: name, offset, size.
    pub fn function(&self, address: u64, files: &mut ElfSymbols, host: &dyn Host) -> Option<(String, u64, u64)> {
        let (path, offset) = self.in_file(address)?;
        let file = files.file(path, host)?;
        file.function(file.linked(offset)?)
    }

    /// The file an address is in, and the address that file has for it.
    pub fn linked(&self, address: u64, files: &mut ElfSymbols, host: &dyn Host) -> Option<(&Path, u64)> {
        let (path, offset) = self.in_file(address)?;
        Some((path, files.file(path, host)?.linked(offset)?))
    }

    fn in_file(&self, address: u64) -> Option<(&Path, u64)> {
        let mapped = self.mapped(address)?;
        Some((&mapped.open_at, address - mapped.start + mapped.offset))
    }
}

/// `start-end rwxp offset dev inode path` of each line that maps code of a file.
fn parse_maps(text: &str, process: u32) -> Vec<Mapped> {
    let mut found: Vec<Mapped> = Vec::new();
    let mut extents: HashMap<String, (u64, u64)> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some(rights), Some(offset)) = (words.next(), words.next(), words.next()) else { continue };
        let Some(path) =
            words.nth(2).and_then(|first| line.find(&format!(" {first}"))).map(|at| line[at..].trim_start())
        else {
            continue;
        };
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((start, end)) = range.split_once('-').and_then(|(start, end)| Some((number(start)?, number(end)?)))
        else {
            continue;
        };
        if !path.starts_with(['/', '[']) || path == "[heap]" || path.starts_with("[stack") {
            continue;
        }
        let path = path.trim_end_matches(" (deleted)").to_owned();
        let extent = extents.entry(path.clone()).or_insert((start, end));
        *extent = (extent.0.min(start), extent.1.max(end));
        if rights.contains('x') {
            let open_at = PathBuf::from(format!("/proc/{process}/root{path}"));
            let offset = number(offset).unwrap_or(0);
            found.push(Mapped { start, end, offset, path, open_at, module: (0, 0) });
        }
    }
    for mapped in &mut found {
        mapped.module = extents.get(&mapped.path).copied().unwrap_or((mapped.start, mapped.end));
    }
    found
}

impl ElfSymbols {
    fn file(&mut self, path: &Path, host: &dyn Host) -> Option<Arc<ElfFile>> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        let file = host.map(path).ok().and_then(|bytes| ElfFile::read(&bytes, host)).map(Arc::new);
        self.files.insert(path.to_owned(), file.clone());
        file
    }
}

impl ElfFile {
    fn read(bytes: &Bytes, host: &dyn Host) -> Option<Self> {
        let elf = object::File::parse(&**bytes).ok()?;
        let segments = elf.segments().map(|segment| {
            let (start, size) = segment.file_range();
            (start, size, segment.address())
        });
        let mut file = Self { segments: segments.collect(), functions: functions_of(&elf) };
        // Stripped files have their symbols elsewhere; what they export is better than nothing.
        if elf.symbols().next().is_none()
            && let Some(place) = elf.build_id().ok().flatten().and_then(super::catalog::build_id_place)
            && let Ok(bytes) = host.map(&place)
            && let Ok(apart) = object::File::parse(&*bytes)
        {
            file.functions.extend(functions_of(&apart));
        }
        // Of several names of a function that with the fewest underscores is the one people know.
        let marks = |name: &str| name.bytes().take_while(|byte| *byte == b'_').count();
        file.functions.sort_by(|a, b| (a.0, marks(&a.2), &a.2).cmp(&(b.0, marks(&b.2), &b.2)));
        file.functions.dedup_by_key(|(address, ..)| *address);
        Some(file)
    }

    /// From an offset in the file to the address it is loaded at.
    fn linked(&self, offset: u64) -> Option<u64> {
        let has = |(start, size, _): &&(u64, u64, u64)| offset.checked_sub(*start).is_some_and(|inside| inside < *size);
        self.segments.iter().find(has).map(|(start, _, address)| offset - start + address)
    }

    fn function(&self, address: u64) -> Option<(String, u64, u64)> {
        let idx = self.functions.partition_point(|(start, ..)| *start <= address).checked_sub(1)?;
        let (start, size, name) = &self.functions[idx];
        // Hand-written functions do not say where they end.
        let next = self.functions.get(idx + 1).map_or(u64::MAX, |(next, ..)| *next);
        let size = if *size > 0 { *size } else { next.saturating_sub(*start).min(MAX_SYMBOL) };
        (address - start < size).then(|| (name.clone(), address - start, size))
    }
}

fn functions_of(elf: &object::File<'_>) -> Vec<(u64, u64, String)> {
    let is_function = |symbol: &object::Symbol<'_, '_>| {
        symbol.is_definition() && symbol.kind() == object::SymbolKind::Text && symbol.address() != 0
    };
    let named = |symbol: object::Symbol<'_, '_>| {
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        Some((symbol.address(), symbol.size(), name.to_owned()))
    };
    elf.symbols().chain(elf.dynamic_symbols()).filter(is_function).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Live;

    #[test]
    fn kernel_addresses_have_the_best_of_their_names() {
        let symbols = KernelAddresses::of(
            "ffffffff81000000 T startup\nffffffff81000100 t local\nffffffff81000100 T global\n\
             ffffffff81000100 T __global\nffffffffc0000000 t of\t[m]\n0000000000000000 A hidden\n"
                .to_owned(),
        );
        let at = |address| {
            let found = symbols.find(address);
            found.map(|(around, module)| format!("{}+{:#x}/{:#x} {module:?}", around.name, around.offset, around.size))
        };
        assert_eq!(at(0xffff_ffff_8100_0010).as_deref(), Some("startup+0x10/0x100 None"));
        assert_eq!(at(0xffff_ffff_8100_0104).as_deref(), Some("global+0x4/0x100000 None"));
        assert_eq!(at(0xffff_ffff_c000_0004).as_deref(), Some("of+0x4/0x100000 Some(\"m\")"));
        assert_eq!(at(0xffff_ffff_c010_0000), None, "far behind the last");
        assert_eq!(at(0x10), None);
        // Rust puts its own before and behind: nothing of it may make this panic.
        assert_eq!(KernelAddresses::of("x\n\n".to_owned()).find(1), None);
    }

    #[test]
    fn maps_know_files_with_blanks_and_those_that_are_gone() {
        let maps = parse_maps(
            "55d0c000-55d0e000 r--p 00000000 fe:00 12 /usr/bin/a b\n\
             55d0e000-55d10000 r-xp 00002000 fe:00 12 /usr/bin/a b\n\
             7f000000-7f001000 r-xp 00000000 fe:00 13 /tmp/lib.so (deleted)\n\
             7f100000-7f101000 rwxp 00000000 00:00 0 \n\
             7ffd0000-7ffd1000 r-xp 00000000 00:00 0                          [vdso]\n\
             garbage\n",
            7,
        );
        let shown: Vec<_> = maps.iter().map(|m| format!("{} {:#x} {:x?}", m.path, m.offset, m.module)).collect();
        assert_eq!(
            shown,
            [
                "/usr/bin/a b 0x2000 (55d0c000, 55d10000)",
                "/tmp/lib.so 0x0 (7f000000, 7f001000)",
                "[vdso] 0x0 (7ffd0000, 7ffd1000)"
            ]
        );
        assert_eq!(maps[0].open_at, Path::new("/proc/7/root/usr/bin/a b"));
    }

    #[inline(never)]
    fn function_to_find() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn functions_of_this_process_have_names() {
        let own = ProcessAddresses::read(&Live, std::process::id());
        let mut files = ElfSymbols::default();
        let address = function_to_find as *const () as u64;
        assert_eq!(function_to_find(), 7);
        let (name, offset, size) = own.function(address + 1, &mut files, &Live).expect("is mapped");
        assert!(name.contains("function_to_find") && offset == 1, "{name}+{offset}");
        assert!(size > 1);
        let module = own.module(address).expect("is in a file");
        assert!(module.name.starts_with('/') && module.offset > 0 && module.size > module.offset, "{module:?}");
        assert_eq!(own.function(8, &mut files, &Live), None);
        assert!(ProcessAddresses::read(&Live, u32::MAX).is_empty());
    }
}
