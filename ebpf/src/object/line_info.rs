//! Line info: which line of the script each instruction is of, so the verifier's log and tools can show it.
//!
//! ```text
//!   a record: u32 instruction | u32 file name | u32 line's text | u32 line << 10 | column
//! ```
//! Names and texts are strings of the BTF blob, so that grows with them.

use std::collections::HashMap;

use super::{Object, btf};
use crate::ir::SourceTag;

/// A place in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    pub file: String,
    /// 1-based; at most 4 million.
    pub line: u32,
    /// 1-based; at most 1023.
    pub col: u32,
    pub text: String,
}

/// What BPF_BTF_LOAD and BPF_PROG_LOAD want.
#[derive(Clone, Debug, Default)]
pub struct WithLines {
    /// The object's BTF with the lines' strings.
    pub btf: Vec<u8>,
    /// `line_info` of each program, 16 bytes a record.
    pub programs: Vec<Vec<u8>>,
}

pub fn build(object: &Object, resolve: &dyn Fn(SourceTag) -> Option<SourceLine>) -> WithLines {
    let mut strings: Vec<Vec<u8>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut intern = |text: &str| {
        let text = text.as_bytes().to_vec();
        *known.entry(text.clone()).or_insert_with(|| {
            strings.push(text);
            strings.len() - 1
        })
    };
    let unknown = SourceLine { file: "<tapdeck>".to_owned(), line: 1, col: 1, text: String::new() };
    let mut resolved: HashMap<SourceTag, SourceLine> = HashMap::new();
    let rows: Vec<Vec<(u32, usize, usize, u32)>> = object
        .programs
        .iter()
        .map(|program| {
            // Every function must begin with a line.
            let mut lines = program.lines.clone();
            for start in program.functions.iter().map(|function| &function.insn) {
                let at = lines.partition_point(|(insn, _)| insn < start);
                if lines.get(at).is_none_or(|(insn, _)| insn != start) {
                    let tag = if at == 0 { SourceTag::NONE } else { lines[at - 1].1 };
                    lines.insert(at, (*start, tag));
                }
            }
            lines
                .iter()
                .map(|(insn, tag)| {
                    let place =
                        resolved.entry(*tag).or_insert_with(|| resolve(*tag).unwrap_or_else(|| unknown.clone()));
                    let position = place.line.min((1 << 22) - 1) << 10 | place.col.min(1023);
                    (*insn, intern(&place.file), intern(&place.text), position)
                })
                .collect()
        })
        .collect();
    let mut blob = btf::Builder::open(&object.btf, object.n_functions());
    let places: Vec<u32> = strings.iter().map(|text| blob.name(text)).collect();
    let programs = rows
        .iter()
        .map(|rows| {
            let words =
                rows.iter().flat_map(|(insn, file, text, position)| [*insn, places[*file], places[*text], *position]);
            words.flat_map(u32::to_le_bytes).collect()
        })
        .collect();
    WithLines { btf: blob.finish(), programs }
}
