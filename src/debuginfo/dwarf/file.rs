//! One ELF file with debug information: its sections as plain bytes, whatever they were stored as; its build id and its
//! function symbols.
//!
//! Sections are made when first asked for: one that is neither compressed nor relocated is a part of the mapped file.
//! An object that is not linked yet (a kernel module) has no addresses; its sections are laid out one behind the other, in
//! the order they have in the file, and all addresses here are in that layout.

use std::{borrow::Cow, ops::Range, sync::OnceLock};

use gimli::SectionId;
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SymbolIndex, SymbolKind,
    elf::{
        R_AARCH64_ABS32, R_AARCH64_ABS64, R_AARCH64_PREL32, R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_PC32,
        SHF_ALLOC, SHF_EXECINSTR, SectionHeader64,
    },
    read::elf::{ElfFile64, Rela as _, SectionHeader as _, Sym as _},
};

use super::form::TextPlace;
use crate::host::{Bytes, FileReader};

pub struct DebugFile {
    bytes: Bytes,
    /// By [`section_slot`].
    sections: Vec<Section>,
    /// Where each section of an object that is not linked was put, by its index; empty for linked files.
    layout: Vec<LaidOut>,
    build_id: Vec<u8>,
    /// Where the names of symbols are in the file.
    symbol_texts: Range<usize>,
    is_aarch64: bool,
    /// What .gnu_debugaltlink names, opened by the catalogue.
    pub supplement: Option<Box<DebugFile>>,
}

/// A section in memory, as it was put for reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaidOut {
    pub name: String,
    pub addresses: Range<u64>,
}

#[derive(Default)]
struct Section {
    /// Its index in the file; `None`: it has none.
    index: Option<usize>,
    /// In bytes, as it is stored.
    size: u64,
    /// Where its bytes are, when they need nothing done to them.
    plain: Option<Range<usize>>,
    made: OnceLock<Vec<u8>>,
}

/// A function's name and where its code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionSymbol {
    pub address: u64,
    pub size: u64,
    /// In .strtab, or whatever section has the names.
    pub name_at: u32,
    pub is_global: bool,
}

/// Reads .debug_info of one file.
pub struct InfoReader {
    reader: FileReader,
    /// Where the section begins.
    start: usize,
}

impl InfoReader {
    pub fn read<'b>(&self, range: Range<usize>, memory: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        self.reader.read(self.start + range.start..self.start + range.end, memory)
    }
}

/// The sections this reader wants, by name without the first dot.
const WANTED: [SectionId; 15] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugAddr,
    SectionId::DebugStrOffsets,
    SectionId::DebugLine,
    SectionId::DebugFrame,
    SectionId::EhFrame,
    SectionId::EhFrameHdr,
    SectionId::DebugAranges,
];

fn section_slot(id: SectionId) -> Option<usize> {
    WANTED.iter().position(|wanted| *wanted == id)
}

impl DebugFile {
    /// # Errors
    /// Not an ELF file of this kind of machine, or cut off.
    pub fn parse(bytes: Bytes) -> Result<Self, String> {
        let elf = open(&bytes)?;
        if !elf.is_little_endian() || !elf.is_64() {
            return Err("only 64-bit little-endian files are read".to_owned());
        }
        let is_aarch64 = elf.architecture() == object::Architecture::Aarch64;
        let build_id = elf.build_id().ok().flatten().unwrap_or_default().to_owned();
        let is_object = elf.kind() == object::ObjectKind::Relocatable;
        let layout = if is_object { lay_out(&elf) } else { Vec::new() };
        let mut sections = Vec::new();
        for id in WANTED {
            let Some(section) = elf.section_by_name(id.name()) else {
                sections.push(Section::default());
                continue;
            };
            let compressed = section.compressed_file_range().map_err(|error| format!("{}: {error}", id.name()))?;
            let is_plain = compressed.format == object::CompressionFormat::None;
            let is_relocated = is_object && section.relocations().next().is_some();
            let plain = section.file_range().filter(|_| is_plain && !is_relocated);
            let plain = plain.map(|(start, len)| start as usize..(start as usize).saturating_add(len as usize));
            let plain = plain.filter(|range| range.end <= bytes.len());
            let size = compressed.compressed_size;
            sections.push(Section { index: Some(section.index().0), size, plain, made: OnceLock::new() });
        }
        let symbol_texts = symbol_texts(&elf);
        Ok(Self { bytes, sections, layout, build_id, symbol_texts, is_aarch64, supplement: None })
    }

    /// Empty when the file has none.
    pub fn build_id(&self) -> &[u8] {
        &self.build_id
    }

    pub fn arch(&self) -> &'static str {
        if self.is_aarch64 { "aarch64" } else { "x86_64" }
    }

    /// The sections of an object that is not linked; empty for linked files.
    pub fn layout(&self) -> &[LaidOut] {
        &self.layout
    }

    /// Without inflating it.
    pub fn has_dwarf(&self) -> bool {
        let info = section_slot(SectionId::DebugInfo).and_then(|slot| self.sections.get(slot));
        info.is_some_and(|info| info.size > 0)
    }

    pub fn section(&self, id: SectionId) -> &[u8] {
        let Some(section) = section_slot(id).and_then(|slot| self.sections.get(slot)) else { return &[] };
        match (&section.plain, section.index) {
            (Some(range), _) => &self.bytes[range.clone()],
            (None, Some(index)) => section.made.get_or_init(|| self.make(index).unwrap_or_default()),
            (None, None) => &[],
        }
    }

    /// Address of a section in memory, for .eh_frame.
    pub fn section_address(&self, id: SectionId) -> u64 {
        let address = || Some(open(&self.bytes).ok()?.section_by_name(id.name())?.address());
        address().unwrap_or(0)
    }

    /// A section that is not among those this reader wants, as [`DebugFile::section`] gives those.
    pub fn made_section(&self, name: &str) -> Option<Vec<u8>> {
        self.make(open(&self.bytes).ok()?.section_by_name(name)?.index().0)
    }

    /// Inflates and relocates.
    fn make(&self, index: usize) -> Option<Vec<u8>> {
        let object::File::Elf64(elf) = open(&self.bytes).ok()? else { return None };
        let section = elf.section_by_index(object::SectionIndex(index)).ok()?;
        let mut bytes = section.uncompressed_data().ok()?.into_owned();
        if !self.layout.is_empty() {
            self.relocate(&elf, index, &mut bytes);
        }
        Some(bytes)
    }

    fn relocate(&self, elf: &ElfFile64<'_, Endianness>, section: usize, bytes: &mut [u8]) {
        let endian = elf.endian();
        let symbols = elf.elf_symbol_table();
        let is_of_it = |header: &&SectionHeader64<Endianness>| header.sh_info(endian) as usize == section;
        let tables = elf.elf_section_table().iter().filter(is_of_it);
        let tables = tables.filter_map(|header| header.rela(endian, &*self.bytes).ok().flatten());
        for relocation in tables.flat_map(|(table, _)| table) {
            let symbol_index = SymbolIndex(relocation.r_sym(endian, false) as usize);
            let Ok(symbol) = symbols.symbol(symbol_index) else { continue };
            let Ok(Some(section)) = symbols.symbol_section(endian, symbol, symbol_index) else { continue };
            let address = symbol.st_value(endian).wrapping_add(self.start_of(section));
            let value = address.wrapping_add_signed(relocation.r_addend(endian));
            let offset = relocation.r_offset(endian);
            let (size, value) = match (self.is_aarch64, relocation.r_type(endian, false)) {
                (false, R_X86_64_64) | (true, R_AARCH64_ABS64) => (8, value),
                (false, R_X86_64_32 | R_X86_64_32S) | (true, R_AARCH64_ABS32) => (4, value),
                (false, R_X86_64_PC32) | (true, R_AARCH64_PREL32) => (4, value.wrapping_sub(offset)),
                _ => continue,
            };
            let at = offset as usize;
            if let Some(place) = at.checked_add(size).and_then(|end| bytes.get_mut(at..end)) {
                place.copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
    }

    /// In the layout; 0 for what is linked.
    fn start_of(&self, section: SectionIndex) -> u64 {
        self.layout.get(section.0).map_or(0, |section| section.addresses.start)
    }

    /// In the layout, for what is not linked. `None`: it is defined elsewhere.
    fn symbol_address<'d>(&self, symbol: &impl ObjectSymbol<'d>) -> Option<u64> {
        Some(symbol.address().wrapping_add(self.start_of(symbol.section_index()?)))
    }

    /// Every function symbol with code in this file, in the order of the file.
    pub fn function_symbols(&self) -> Vec<FunctionSymbol> {
        let Ok(object::File::Elf64(elf)) = open(&self.bytes) else { return Vec::new() };
        let is_code: Vec<bool> = flags_by_index(&elf, SHF_EXECINSTR);
        let functions = elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text).filter_map(|symbol| {
            let in_code = is_code.get(symbol.section_index()?.0) == Some(&true);
            let name_at = symbol.elf_symbol().st_name(elf.endian());
            let (size, is_global) = (symbol.size(), symbol.is_global());
            in_code.then_some(FunctionSymbol { address: self.symbol_address(&symbol)?, size, name_at, is_global })
        });
        functions.collect()
    }

    pub fn symbol_name(&self, symbol: &FunctionSymbol) -> &str {
        self.text(TextPlace::Symbol(symbol.name_at.into())).unwrap_or_default()
    }

    /// Addresses of symbols by name, in one look through all.
    pub fn symbols_named<const N: usize>(&self, names: [&str; N]) -> [Option<u64>; N] {
        let mut found = [None; N];
        let Ok(object::File::Elf64(elf)) = open(&self.bytes) else { return found };
        let texts = self.bytes.get(self.symbol_texts.clone()).unwrap_or(&[]);
        // The first byte of most is not that of any that is wanted.
        let mut is_first = [false; 256];
        names.iter().filter_map(|name| name.bytes().next()).for_each(|byte| is_first[usize::from(byte)] = true);
        for symbol in elf.symbols() {
            let text = texts.get(symbol.elf_symbol().st_name(elf.endian()) as usize..).unwrap_or(&[]);
            if !text.first().is_some_and(|byte| is_first[usize::from(*byte)]) {
                continue;
            }
            let is_named = |name: &str| text.starts_with(name.as_bytes()) && text.get(name.len()) == Some(&0);
            if let Some(idx) = names.iter().copied().position(is_named) {
                found[idx] = self.symbol_address(&symbol);
            }
        }
        found
    }

    /// Bytes a linked file has at an address.
    pub fn bytes_at(&self, addresses: Range<u64>) -> Option<&[u8]> {
        let len = usize::try_from(addresses.end.checked_sub(addresses.start)?).ok()?;
        self.bytes_from(addresses.start)?.get(..len)
    }

    /// Bytes a linked file has from an address to the end of the section it is in.
    pub fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let elf = open(&self.bytes).ok()?;
        let section = elf.sections().find(|section| {
            let start = section.address();
            start != 0 && (start..start.saturating_add(section.size())).contains(&address)
        })?;
        let (at, len) = section.file_range()?;
        let start = usize::try_from(address - section.address()).ok()?;
        self.bytes.get(at as usize..at.checked_add(len)? as usize)?.get(start..)
    }

    /// A section that is not among those this reader wants, inflated if need be.
    pub fn section_named(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        open(&self.bytes).ok()?.section_by_name(name)?.uncompressed_data().ok()
    }

    /// Where sections of that name are in memory.
    pub fn addresses_of(&self, section: &str) -> Option<Range<u64>> {
        if let Some(laid_out) = self.layout.iter().find(|laid_out| laid_out.name == section) {
            return Some(laid_out.addresses.clone());
        }
        let elf = open(&self.bytes).ok()?;
        let section = elf.section_by_name(section)?;
        Some(section.address()..section.address().saturating_add(section.size()))
    }

    /// `(file name, build id)` of .gnu_debugaltlink.
    pub fn alternative_link(&self) -> Option<(String, Vec<u8>)> {
        let elf = open(&self.bytes).ok()?;
        let (name, id) = elf.gnu_debugaltlink().ok()??;
        Some((String::from_utf8_lossy(name).into_owned(), id.to_owned()))
    }

    /// `(file name, checksum)` of .gnu_debuglink.
    pub fn debug_link(&self) -> Option<(String, u32)> {
        let elf = open(&self.bytes).ok()?;
        let (name, checksum) = elf.gnu_debuglink().ok()??;
        Some((String::from_utf8_lossy(name).into_owned(), checksum))
    }

    /// Reads .debug_info out of the file, where that is as it is stored.
    pub fn info_reader(&self) -> Option<InfoReader> {
        let plain = section_slot(SectionId::DebugInfo).and_then(|slot| self.sections.get(slot)?.plain.clone())?;
        Some(InfoReader { reader: self.bytes.reader()?, start: plain.start })
    }

    /// Says that a part of .debug_info will not be looked at soon.
    pub fn forget_info(&self, range: Range<usize>) {
        let plain = section_slot(SectionId::DebugInfo).and_then(|slot| self.sections.get(slot)?.plain.as_ref());
        if let Some(plain) = plain {
            self.bytes.forget(plain.start + range.start..plain.start + range.end);
        }
    }

    /// Says that nothing of the file will be looked at soon.
    pub fn forget(&self) {
        self.bytes.forget(0..self.bytes.len());
    }

    /// Gives back what relocating took. Sections are made again when they are asked for.
    pub fn without_relocated(mut self) -> Self {
        if !self.layout.is_empty() {
            self.sections.iter_mut().for_each(|section| section.made = OnceLock::new());
        }
        self
    }

    /// A text at its place; `None` for places outside and texts that are no UTF-8.
    pub fn text(&self, place: TextPlace) -> Option<&str> {
        let (bytes, at) = match place {
            TextPlace::Str(at) => (self.section(SectionId::DebugStr), at),
            TextPlace::LineStr(at) => (self.section(SectionId::DebugLineStr), at),
            TextPlace::Info(at) => (self.info(), at),
            TextPlace::Supplementary(at) => (self.supplement.as_ref()?.section(SectionId::DebugStr), at),
            TextPlace::Index(_) => return None,
            TextPlace::Symbol(at) => (self.bytes.get(self.symbol_texts.clone())?, at),
        };
        let rest = bytes.get(usize::try_from(at).ok()?..)?;
        std::str::from_utf8(&rest[..memchr::memchr(0, rest)?]).ok()
    }

    pub fn info(&self) -> &[u8] {
        self.section(SectionId::DebugInfo)
    }

    pub fn abbrev(&self) -> &[u8] {
        self.section(SectionId::DebugAbbrev)
    }

    pub fn addr(&self) -> &[u8] {
        self.section(SectionId::DebugAddr)
    }

    pub fn str_offsets(&self) -> &[u8] {
        self.section(SectionId::DebugStrOffsets)
    }

    pub fn loclists(&self) -> &[u8] {
        self.section(SectionId::DebugLocLists)
    }

    pub fn loc(&self) -> &[u8] {
        self.section(SectionId::DebugLoc)
    }

    pub fn rnglists(&self) -> &[u8] {
        self.section(SectionId::DebugRngLists)
    }

    pub fn ranges(&self) -> &[u8] {
        self.section(SectionId::DebugRanges)
    }
}

fn open(bytes: &[u8]) -> Result<object::File<'_>, String> {
    match object::FileKind::parse(bytes) {
        Ok(object::FileKind::Elf64 | object::FileKind::Elf32) => {
            object::File::parse(bytes).map_err(|error| error.to_string())
        }
        _ => Err("not an ELF file".to_owned()),
    }
}

fn symbol_texts(elf: &object::File<'_>) -> Range<usize> {
    let object::File::Elf64(elf) = elf else { return 0..0 };
    let section = elf.section_by_index(elf.elf_symbol_table().string_section());
    let range = section.ok().and_then(|section| section.file_range());
    range.map_or(0..0, |(start, len)| start as usize..(start as usize).saturating_add(len as usize))
}

fn elf_flags(flags: SectionFlags) -> u64 {
    match flags {
        SectionFlags::Elf { sh_flags, .. } => sh_flags,
        _ => 0,
    }
}

/// Which sections have a flag, by index.
fn flags_by_index<'d>(elf: &impl Object<'d>, flag: u32) -> Vec<bool> {
    let mut by_index = Vec::new();
    for section in elf.sections() {
        let index = section.index().0;
        if by_index.len() <= index {
            by_index.resize(index + 1, false);
        }
        by_index[index] = elf_flags(section.flags()) & u64::from(flag) != 0;
    }
    by_index
}

/// Puts sections that are in memory one behind the other, with a byte between: the end of one, where arrays may end, is not the
/// beginning of the next, which may be anywhere in memory. The first page stays free, so that 0 is no address.
fn lay_out(elf: &object::File<'_>) -> Vec<LaidOut> {
    let mut layout: Vec<LaidOut> = Vec::new();
    let mut at = 0x1000u64;
    for section in elf.sections() {
        let index = section.index().0;
        // A table of garbage may claim anything.
        if index > 1 << 16 {
            continue;
        }
        if layout.len() <= index {
            layout.resize(index + 1, LaidOut::default());
        }
        if elf_flags(section.flags()) & u64::from(SHF_ALLOC) != 0 {
            let start = at.next_multiple_of(section.align().clamp(1, 1 << 20));
            at = start.saturating_add(section.size().min(1 << 31));
            let name = section.name().unwrap_or_default().to_owned();
            layout[index] = LaidOut { name, addresses: start..at };
            at = at.saturating_add(1);
        }
    }
    layout
}
