//! The object as an ELF file: what libbpf, bpftool, aya and llvm-objdump read.
//!
//! ```text
//!   raw_tp/NAME, perf_event   programs, a symbol each
//!   .text                     subprograms
//!   .maps                     a symbol for each map; what they are is in .BTF
//!   .rodata, .data.*, .bss    maps whose content programs address directly
//!   license, .BTF, .BTF.ext
//! ```

use std::collections::{HashMap, HashSet};

use object::{
    BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object as Elf, Relocation, RelocationFlags, SectionId, StandardSegment, Symbol, SymbolId, SymbolSection},
};

use super::{
    MapRole, Object, btf,
    line_info::{self, SourceLine},
};
use crate::{
    ir::SourceTag,
    isa::{CALL, LDDW, PSEUDO_CALL, PSEUDO_FUNC},
};

const LICENSE: &[u8] = b"Dual MIT/GPL\0";
/// `R_BPF_64_64`, of an `lddw`.
const R_BPF_64_64: u32 = 1;
/// `R_BPF_64_32`, of a call.
const R_BPF_64_32: u32 = 10;

/// The file's bytes. `resolve` gives the script's lines for `.BTF.ext`.
pub fn write(object: &Object, resolve: &dyn Fn(SourceTag) -> Option<SourceLine>) -> Vec<u8> {
    Writer::new(object).write(object, resolve)
}

struct Writer {
    elf: Elf<'static>,
    /// Where relocations against each map go: its symbol.
    maps: Vec<SymbolId>,
    btf: btf::Builder,
    sections: HashMap<String, SectionId>,
    /// Names in use; the format wants each symbol once.
    names: HashMap<String, u32>,
    /// Records of `.BTF.ext` by section, in the order of their instructions.
    functions: Vec<(String, Vec<[u32; 2]>)>,
    lines: Vec<(String, Vec<[u32; 4]>)>,
}

impl Writer {
    fn new(object: &Object) -> Self {
        let mut elf = Elf::new(BinaryFormat::Elf, object::Architecture::Bpf, Endianness::Little);
        let license = elf.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
        elf.append_section_data(license, LICENSE, 1);
        Self {
            elf,
            maps: Vec::new(),
            btf: btf::Builder::open(&object.btf, object.n_functions()),
            sections: HashMap::new(),
            names: HashMap::new(),
            functions: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn write(mut self, object: &Object, resolve: &dyn Fn(SourceTag) -> Option<SourceLine>) -> Vec<u8> {
        self.add_maps(object);
        let with_lines = line_info::build(object, resolve);
        // Its strings come right after the types' own, so repeat them in the same order.
        let shift = self.add_line_strings(object, &with_lines.btf);
        for (program, lines) in object.programs.iter().zip(&with_lines.programs) {
            self.add_program(program, lines, shift);
        }
        // Before the types are finished: it adds names of sections to their strings.
        let ext = self.ext();
        let blob = self.btf.finish();
        self.add_data(".BTF", SectionKind::Other, &blob);
        self.add_data(".BTF.ext", SectionKind::Other, &ext);
        self.elf.write().unwrap_or_default()
    }

    fn add_data(&mut self, name: &str, kind: SectionKind, data: &[u8]) -> SectionId {
        let id = self.elf.add_section(self.elf.segment_name(StandardSegment::Data).to_vec(), name.into(), kind);
        self.elf.append_section_data(id, data, 8);
        id
    }

    fn add_zeros(&mut self, name: &str, size: u32) -> SectionId {
        let kind = SectionKind::UninitializedData;
        let id = self.elf.add_section(self.elf.segment_name(StandardSegment::Data).to_vec(), name.into(), kind);
        self.elf.append_section_bss(id, size.into(), 8);
        id
    }

    /// A name nobody has yet.
    fn unique(&mut self, name: &str) -> String {
        let n = self.names.entry(name.to_owned()).or_insert(0);
        *n += 1;
        if *n == 1 { name.to_owned() } else { format!("{name}_{}", *n - 1) }
    }

    fn add_maps(&mut self, object: &Object) {
        let mut variables = Vec::new();
        let section = self.elf.add_section(Vec::new(), b".maps".to_vec(), SectionKind::Data);
        let addressed: HashSet<u32> = object
            .programs
            .iter()
            .flat_map(|program| &program.relocations)
            .filter(|relocation| relocation.value_offset.is_some())
            .map(|relocation| relocation.map.0)
            .collect();
        for (i, map) in object.maps.iter().enumerate() {
            if map.role == MapRole::Rodata || addressed.contains(&(i as u32)) {
                let id = match &map.initial {
                    Some(data) if map.frozen => self.add_data(".rodata", SectionKind::ReadOnlyData, data),
                    Some(data) => self.add_data(&format!(".data.{}", map.name), SectionKind::Data, data),
                    // Older versions of libbpf know one section of zeros; the ring is the largest.
                    None if map.role == MapRole::Ring => self.add_zeros(".bss", map.value_size),
                    None => {
                        let zeros = vec![0; map.value_size as usize];
                        self.add_data(&format!(".data.{}", map.name), SectionKind::Data, &zeros)
                    }
                };
                let symbol = self.elf.section_symbol(id);
                self.maps.push(symbol);
                continue;
            }
            let offset = self.elf.append_section_data(section, &[0; 40], 8);
            let name = self.unique(&map.name);
            self.maps.push(self.elf.add_symbol(symbol(&name, offset, 40, SymbolKind::Data, section)));
            variables.push((self.declare_map(map, &name), offset as u32));
        }
        if !variables.is_empty() {
            let name = self.btf.name(b".maps");
            let size = 40 * variables.len() as u32;
            let rest: Vec<u32> =
                std::iter::once(size).chain(variables.iter().flat_map(|(ty, at)| [*ty, *at, 40])).collect();
            self.btf.declare(name, btf::KIND_DATASEC, variables.len() as u32, &rest);
        }
    }

    /// The map as BTF says it: a variable of a structure whose members point to arrays as long as the number meant.
    fn declare_map(&mut self, map: &super::MapDef, name: &str) -> u32 {
        let members = [
            ("type", map.kind),
            ("key_size", map.key_size),
            ("value_size", map.value_size),
            ("max_entries", map.max_entries),
            ("map_flags", map.flags),
        ];
        let mut rest = vec![40];
        for (i, (member, n)) in members.iter().enumerate() {
            let array = self.btf.declare(0, btf::KIND_ARRAY, 0, &[0, btf::INT, btf::INT, *n]);
            let pointer = self.btf.declare(0, btf::KIND_PTR, 0, &[array]);
            let member = self.btf.name(member.as_bytes());
            rest.extend([member, pointer, 64 * i as u32]);
        }
        let structure = self.btf.declare(0, btf::KIND_STRUCT, members.len() as u32, &rest);
        let name = self.btf.name(name.as_bytes());
        self.btf.declare(name, btf::KIND_VAR, 0, &[structure, 1])
    }

    /// Appends the strings lines refer to; gives by how much their offsets moved.
    fn add_line_strings(&mut self, object: &Object, with_lines: &[u8]) -> u32 {
        let own = crate::layout::word_at(&object.btf, 20) as usize;
        let start = 24 + crate::layout::word_at(with_lines, 12) as usize + own;
        let mut shift = None;
        for text in with_lines.get(start..).unwrap_or(&[]).split(|b| *b == 0) {
            let at = self.btf.name(text);
            shift.get_or_insert(at - own as u32);
        }
        shift.unwrap_or(0)
    }

    fn section(&mut self, name: &str) -> SectionId {
        if let Some(id) = self.sections.get(name) {
            return *id;
        }
        let id = self.elf.add_section(Vec::new(), name.into(), SectionKind::Text);
        self.sections.insert(name.to_owned(), id);
        id
    }

    fn add_program(&mut self, program: &super::ProgramDef, lines: &[u8], shift: u32) {
        let lines: Vec<[u32; 4]> =
            lines.chunks_exact(16).map(|record| [0, 4, 8, 12].map(|at| crate::layout::word_at(record, at))).collect();
        let n = (program.code.len() / 8) as u32;
        // The program itself, then its subprograms: each a piece of code of its own.
        let starts: Vec<u32> = program.functions.iter().map(|function| function.insn).chain([n]).collect();
        let mut pieces = Vec::new();
        for (i, function) in program.functions.iter().enumerate() {
            let (start, end) = (&function.insn, starts[i + 1]);
            let section_name = if i == 0 { program.section.as_str() } else { ".text" };
            let section = self.section(section_name);
            let mut code = program.code[8 * *start as usize..8 * end as usize].to_vec();
            for r in program.relocations.iter().filter(|r| (*start..end).contains(&r.insn)) {
                let at = 8 * (r.insn - start) as usize;
                // The loader says what kind of address it is, and finds the map by the symbol.
                code[at + 1] &= 0x0f;
                code[at + 4..at + 8].copy_from_slice(&r.value_offset.unwrap_or(0).to_le_bytes());
                code[at + 12..at + 16].fill(0);
            }
            let offset = self.elf.append_section_data(section, &code, 8);
            let name = self.unique(&function.name);
            let scope = if function.is_static { SymbolScope::Compilation } else { SymbolScope::Dynamic };
            self.elf
                .add_symbol(Symbol { scope, ..symbol(&name, offset, code.len() as u64, SymbolKind::Text, section) });
            pieces.push((*start, end, section, offset));
            add(&mut self.functions, section_name, [[offset as u32, function.ty]]);
            let moved = lines
                .iter()
                .filter(|[insn, ..]| (*start..end).contains(insn))
                .map(|[insn, file, text, at]| [offset as u32 + 8 * (insn - start), file + shift, text + shift, *at]);
            add(&mut self.lines, section_name, moved);
        }
        for (start, end, section, offset) in &pieces {
            for r in program.relocations.iter().filter(|r| (*start..*end).contains(&r.insn)) {
                let at = offset + 8 * u64::from(r.insn - start);
                self.relocate(*section, at, self.maps[r.map.0 as usize], R_BPF_64_64);
            }
            let mut at = *start;
            while at < *end {
                let insn = &program.code[8 * at as usize..][..8];
                let (is_address, is_call) =
                    (insn[..2] == [LDDW, insn[1] & 0x0f | PSEUDO_FUNC << 4], insn[..2] == [CALL, PSEUDO_CALL << 4]);
                let to = (at + 1).wrapping_add(crate::layout::word_at(insn, 4));
                if (is_address || is_call)
                    && let Some((_, _, text, place_of_it)) = pieces.iter().find(|piece| piece.0 == to)
                {
                    // By the section's symbol, and where in it: in bytes, but a call counts instructions from the next.
                    let place = offset + 8 * u64::from(at - start);
                    let symbol = self.elf.section_symbol(*text);
                    let (relocation, immediate) = match is_call {
                        true => (R_BPF_64_32, (*place_of_it as u32 / 8).wrapping_sub(1)),
                        false => (R_BPF_64_64, *place_of_it as u32),
                    };
                    self.relocate(*section, place, symbol, relocation);
                    let data = self.elf.section_mut(*section).data_mut();
                    data[place as usize + 4..place as usize + 8].copy_from_slice(&immediate.to_le_bytes());
                }
                at += if insn[0] == LDDW { 2 } else { 1 };
            }
        }
    }

    fn relocate(&mut self, section: SectionId, offset: u64, symbol: SymbolId, r_type: u32) {
        let flags = RelocationFlags::Elf { r_type };
        // Cannot fail for this format: the addend lives in the instruction.
        let _ = self.elf.add_relocation(section, Relocation { offset, symbol, addend: 0, flags });
    }

    /// `.BTF.ext`: functions and lines by section; positions are in bytes here.
    fn ext(&mut self) -> Vec<u8> {
        let functions = records(&mut self.btf, 8, &self.functions);
        let lines = records(&mut self.btf, 16, &self.lines);
        let mut ext = vec![0x9f, 0xeb, 1, 0];
        for n in [24, 0, functions.len(), functions.len(), lines.len()] {
            ext.extend_from_slice(&(n as u32).to_le_bytes());
        }
        ext.extend(functions);
        ext.extend(lines);
        ext
    }
}

fn symbol(name: &str, value: u64, size: u64, kind: SymbolKind, section: SectionId) -> Symbol {
    Symbol {
        name: name.into(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    }
}

fn add<const N: usize>(
    table: &mut Vec<(String, Vec<[u32; N]>)>,
    section: &str,
    records: impl IntoIterator<Item = [u32; N]>,
) {
    match table.iter_mut().find(|(name, _)| name == section) {
        Some((_, list)) => list.extend(records),
        None => table.push((section.to_owned(), records.into_iter().collect())),
    }
}

fn records<const N: usize>(btf: &mut btf::Builder, size: u32, table: &[(String, Vec<[u32; N]>)]) -> Vec<u8> {
    let mut words = vec![size];
    for (section, list) in table {
        words.extend([btf.name(section.as_bytes()), list.len() as u32]);
        words.extend(list.iter().flatten());
    }
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}
