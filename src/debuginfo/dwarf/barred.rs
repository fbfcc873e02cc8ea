//! Where a kernel lets itself be probed, out of its image: the list behind NOKPROBE_SYMBOL, the sections for code that must
//! not be instrumented, and the calls of ftrace. Documentation/trace/kprobes.rst "Blacklist"; scripts/recordmcount.

use super::{
    file::{DebugFile, FunctionSymbol},
    index::{Column, Draft},
};

/// Symbols that tables and code which may not be probed lie between.
const BOUNDS: [&str; 10] = [
    "__start_kprobe_blacklist",
    "__stop_kprobe_blacklist",
    "__noinstr_text_start",
    "__noinstr_text_end",
    "__entry_text_start",
    "__entry_text_end",
    "__kprobes_text_start",
    "__kprobes_text_end",
    "_sinittext",
    "_einittext",
];

/// Which of [`BOUNDS`] begins a range that may not be probed, and the number of the reason in the index.
const RANGES: [(usize, u32); 4] = [(2, NO_INSTRUMENTATION), (4, NO_INSTRUMENTATION), (6, NO_KPROBE), (8, INIT_TEXT)];

pub const NO_KPROBE: u32 = 0;
pub const NO_INSTRUMENTATION: u32 = 1;
pub const INIT_TEXT: u32 = 2;

/// The same as sections. Of a linked kernel: what is freed after the start.
const SECTIONS_OF_KERNEL: [(&str, u32); 2] = [(".init.text", INIT_TEXT), (".exit.text", INIT_TEXT)];
/// A module keeps what runs when it is unloaded, and has what no symbols bound.
const SECTIONS_OF_MODULE: [(&str, u32); 3] =
    [(".init.text", INIT_TEXT), (".kprobes.text", NO_KPROBE), (".noinstr.text", NO_INSTRUMENTATION)];
/// Where a module has the addresses of its functions that may not be probed.
const LIST_OF_MODULE: &str = "_kprobe_blacklist";

/// Where functions call the tracer, ascending; empty when the file does not list it.
pub fn tracer_calls(file: &DebugFile) -> Vec<u64> {
    let mut calls = match file.symbols_named(["__start_mcount_loc", "__stop_mcount_loc"]) {
        [Some(start), Some(end)] => words_between(file, start, end),
        // A module has a section of them.
        _ => file.made_section("__mcount_loc").map_or(Vec::new(), |bytes| words(&bytes)),
    };
    calls.sort_unstable();
    calls
}

fn words_between(file: &DebugFile, start: u64, end: u64) -> Vec<u64> {
    if start >= end {
        return Vec::new();
    }
    file.bytes_at(start..end).map_or(Vec::new(), words)
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

pub fn put(draft: &mut Draft, file: &DebugFile, symbols: &[FunctionSymbol], tracer_calls: &[u64], pc_base: u64) {
    let found = file.symbols_named(BOUNDS);
    let mut barred: Vec<(u64, u64, u32)> = Vec::new();
    for (pair, reason) in RANGES {
        if let (Some(start), Some(end)) = (found[pair], found[pair + 1]) {
            barred.push((start, end, reason));
        }
    }
    let is_module = !file.layout().is_empty();
    for (section, reason) in if is_module { &SECTIONS_OF_MODULE[..] } else { &SECTIONS_OF_KERNEL } {
        barred.extend(file.addresses_of(section).map(|range| (range.start, range.end, *reason)));
    }
    let no_kprobe = match (found[0], found[1]) {
        (Some(start), Some(end)) => words_between(file, start, end),
        _ => file.made_section(LIST_OF_MODULE).map_or(Vec::new(), |bytes| words(&bytes)),
    };
    if !no_kprobe.is_empty() {
        let wanted: rustc_hash::FxHashSet<u64> = no_kprobe.into_iter().collect();
        for symbol in symbols.iter().filter(|symbol| wanted.contains(&symbol.address)) {
            barred.push((symbol.address, symbol.address.saturating_add(symbol.size.max(1)), NO_KPROBE));
        }
    }
    let near = |address: u64| u32::try_from(address.checked_sub(pc_base)?).ok();
    let mut barred: Vec<(u32, u32, u32)> = barred
        .into_iter()
        .filter_map(|(start, end, reason)| Some((near(start.max(pc_base))?, near(end)?, reason)))
        .filter(|(start, end, _)| start < end)
        .collect();
    barred.sort_unstable();
    barred.dedup();
    let apart = apart(barred);
    draft.put(Column::BarredStart, apart.iter().map(|(start, ..)| *start));
    draft.put(Column::BarredEnd, apart.iter().map(|(_, end, _)| *end));
    draft.put(Column::BarredReason, apart.iter().map(|(.., reason)| *reason));
    draft.put(Column::Fentry, tracer_calls.iter().copied().filter_map(near));
}

/// Sorted ranges without overlap, so that one look finds the range of an address: what begins first wins.
fn apart(ranges: Vec<(u32, u32, u32)>) -> Vec<(u32, u32, u32)> {
    let mut out: Vec<(u32, u32, u32)> = Vec::with_capacity(ranges.len());
    for (start, end, reason) in ranges {
        let start = out.last().map_or(start, |(_, before, _)| start.max(*before));
        if start < end {
            out.push((start, end, reason));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_apart() {
        assert_eq!(apart(vec![(0, 10, 1), (2, 4, 0), (8, 12, 0), (20, 21, 2)]), [(0, 10, 1), (10, 12, 0), (20, 21, 2)]);
    }
}
