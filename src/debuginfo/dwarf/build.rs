//! Units to an index: workers read batches of units, then what they found is put together.
//!
//! The result does not depend on how many workers there were or who read what.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    barred,
    harvest::Harvest,
    index::{Column, Draft},
    source::Source,
};
use crate::debuginfo::first_bytes;

/// Bytes of .debug_info that have been read, of how many: a bar's worth of progress.
#[derive(Debug, Default)]
pub struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
}

/// Bytes of .debug_info a worker takes at a time.
const BATCH_BYTES: u64 = 512 << 10;
const MAX_WORKERS: usize = 8;

/// The bytes of the index.
pub fn build(source: &Source, identity: &str, n_cpus: usize, progress: &Progress) -> Vec<u8> {
    let batches = batches(source);
    // One file after the other tells of itself here.
    progress.done.store(0, Ordering::Relaxed);
    progress.total.store(source.units().last().map_or(0, |unit| unit.end), Ordering::Relaxed);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut harvest = Harvest::new(source);
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            batch.clone().for_each(|unit| harvest.read_unit(unit as u32));
            let (first, last) = (source.units()[batch.start], source.units()[batch.end - 1]);
            if !last.is_supplementary {
                source.file.forget_info(first.start as usize..last.end as usize);
            }
            progress.done.fetch_add(last.end - first.start, Ordering::Relaxed);
        }
        harvest.without_memory()
    };
    let n_workers = n_cpus.clamp(1, MAX_WORKERS).min(batches.len()).max(1);
    let mut harvests: Vec<Harvest<'_>> = if n_workers == 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..n_workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
        })
    };
    add_symbols(source, &mut harvests);
    let bytes = put_together(source, harvests).finish(identity);
    source.file.forget();
    bytes
}

/// Neighbouring units of some size together. Those of the supplementary file come last, in batches of their own.
fn batches(source: &Source) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut start = 0;
    for (idx, unit) in source.units().iter().enumerate() {
        let first = &source.units()[start];
        let is_full = unit.end - first.start >= BATCH_BYTES;
        let is_other_file =
            source.units().get(idx + 1).is_some_and(|next| next.is_supplementary != unit.is_supplementary);
        if is_full || is_other_file || idx + 1 == source.units().len() {
            batches.push(start..idx + 1);
            start = idx + 1;
        }
    }
    batches
}

/// Functions that only their symbols know: assembler, and parts of functions that the compiler named itself.
///
/// The compiler may divide a function and inline its first part alone. What is left, `NAME.part.0`, is described as a
/// function of that name all the same; but the function does not begin there.
fn add_symbols(source: &Source, harvests: &mut [Harvest<'_>]) {
    let mut parts = FxHashSet::default();
    source.file.for_each_function(|symbol| {
        if symbol.name.contains(".part.") {
            parts.insert(symbol.address);
        }
    });
    for harvest in harvests.iter_mut() {
        harvest.instances.retain(|instance| instance.is_inline || !parts.contains(&instance.pc));
    }
    let known: FxHashSet<u64> = harvests
        .iter()
        .flat_map(|harvest| &harvest.instances)
        .filter(|instance| !instance.is_inline)
        .map(|instance| instance.pc)
        .collect();
    let Some(harvest) = harvests.first_mut() else { return };
    source.file.for_each_function(|symbol| {
        if symbol.address != 0 && !symbol.name.is_empty() {
            harvest.add_symbol(symbol, !known.contains(&symbol.address));
        }
    });
}

/// An instance in the numbers of the index.
#[derive(Clone, Copy)]
struct Row {
    /// Name and file, line and DIE: what rows are sorted by.
    group: u64,
    place: u64,
    pc: u64,
    /// Argument list in the worker's numbers, then in the index's.
    list: u32,
    is_inline: bool,
    is_external: bool,
    is_empty: bool,
}

fn put_together(source: &Source, harvests: Vec<Harvest<'_>>) -> Draft {
    let mut draft = Draft {
        n_units: source.units().len() as u32,
        n_skipped_units: harvests.iter().map(|harvest| harvest.n_skipped_units).sum(),
        n_unreadable_bytes: source.n_unreadable_bytes() as u64,
        linked_at: source.file.symbols_named(["_text"])[0].unwrap_or(0),
        ..Draft::default()
    };
    let texts = Texts::of(source, &harvests);
    let mut pairs: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    let mut pair_list: Vec<(u32, u32)> = Vec::new();
    let mut lists: FxHashMap<Box<[u32]>, u32> = FxHashMap::default();
    let mut rows: Vec<Row> = Vec::with_capacity(harvests.iter().map(|harvest| harvest.instances.len()).sum());
    let mut types: Vec<(u32, u32, u32)> = Vec::new();
    let mut files: Vec<(u32, u32)> = Vec::new();
    let mut symbols: Vec<(u64, u32, u32)> = Vec::new();
    for (harvest, numbers) in harvests.into_iter().zip(&texts.by_harvest) {
        let pair_numbers: Vec<u32> = harvest
            .pairs
            .values
            .iter()
            .map(|(name, ty)| {
                let pair = (numbers.texts[*name as usize], numbers.types[*ty as usize]);
                *pairs.entry(pair).or_insert_with(|| {
                    pair_list.push(pair);
                    pair_list.len() as u32 - 1
                })
            })
            .collect();
        let list_numbers: Vec<u32> = harvest
            .lists
            .values
            .iter()
            .map(|list| {
                let list: Box<[u32]> = list.iter().map(|pair| pair_numbers[*pair as usize]).collect();
                let next = lists.len() as u32;
                *lists.entry(list).or_insert(next)
            })
            .collect();
        rows.extend(harvest.instances.iter().map(|instance| {
            let (name, file) = (numbers.texts[instance.name as usize], numbers.paths[instance.file as usize]);
            Row {
                group: u64::from(name) << 32 | u64::from(file),
                place: u64::from(instance.line) << 32 | u64::from(instance.die),
                pc: instance.pc,
                list: list_numbers[instance.arguments as usize],
                is_inline: instance.is_inline,
                is_external: instance.is_external,
                is_empty: instance.is_empty,
            }
        }));
        let definition =
            |(name, tag, position): &(u32, u16, u32)| (numbers.texts[*name as usize], u32::from(*tag), *position);
        types.extend(harvest.definitions.iter().map(definition));
        symbols
            .extend(harvest.symbols.iter().map(|(start, size, name)| (*start, *size, numbers.texts[*name as usize])));
        for (unit, paths) in &harvest.unit_files {
            files.extend(paths.iter().map(|path| (numbers.paths[*path as usize], *unit)));
        }
    }
    let pc_base = rows.iter().map(|row| row.pc).min().unwrap_or(0);
    draft.pc_base = pc_base;
    rows.retain(|row| row.pc - pc_base <= u64::from(u32::MAX));
    rows.sort_unstable_by_key(|row| (row.group, row.place, row.pc));
    leave_one_each(&mut rows);
    put_rows(&mut draft, &mut rows, &lists, &pair_list);
    draft.put(Column::UnitStart, source.units().iter().map(|unit| unit.start as u32));
    put_files(&mut draft, files);
    put_types(&mut draft, types);
    put_symbols(&mut draft, symbols);
    barred::put(&mut draft, &source.file, source.tracer_calls(), pc_base);
    texts.put(&mut draft);
    draft
}

/// Of the instances of a function that begin at the same address one is left: the first that has instructions.
fn leave_one_each(rows: &mut Vec<Row>) {
    let line = |row: &Row| (row.place >> 32) as u32;
    let mut best: FxHashMap<u64, usize> = FxHashMap::default();
    let mut kept = vec![true; rows.len()];
    for first in 0..rows.len() {
        if first > 0 && (rows[first - 1].group, line(&rows[first - 1])) == (rows[first].group, line(&rows[first])) {
            continue;
        }
        best.clear();
        let group = (rows[first].group, line(&rows[first]));
        for idx in (first..rows.len()).take_while(|idx| (rows[*idx].group, line(&rows[*idx])) == group) {
            match best.get(&rows[idx].pc).copied() {
                Some(before) if rows[before].is_empty && !rows[idx].is_empty => {
                    kept[before] = false;
                    best.insert(rows[idx].pc, idx);
                }
                Some(_) => kept[idx] = false,
                None => _ = best.insert(rows[idx].pc, idx),
            }
        }
    }
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next().unwrap_or(false));
}

/// Groups, instances and argument lists. Lists and pairs are numbered as they are first used, whoever found them.
fn put_rows(draft: &mut Draft, rows: &mut [Row], lists: &FxHashMap<Box<[u32]>, u32>, pairs: &[(u32, u32)]) {
    let mut list_of: Vec<&[u32]> = vec![&[]; lists.len()];
    lists.iter().for_each(|(list, number)| list_of[*number as usize] = list);
    let (mut list_numbers, mut pair_numbers) = (vec![u32::MAX; lists.len()], vec![u32::MAX; pairs.len()]);
    let (mut firsts, mut list_pairs, mut used_pairs) = (vec![0], Vec::new(), Vec::new());
    // The empty list is the first.
    if let Some(empty) = lists.get(&[][..]) {
        list_numbers[*empty as usize] = 0;
        firsts.push(0);
    }
    let mut groups: Vec<(u64, u32, u32)> = Vec::new();
    for (idx, row) in rows.iter_mut().enumerate() {
        let line = (row.place >> 32) as u32;
        if groups.last().is_none_or(|(group, before, _)| (*group, *before) != (row.group, line)) {
            groups.push((row.group, line, idx as u32));
        }
        let number = &mut list_numbers[row.list as usize];
        if *number == u32::MAX {
            *number = firsts.len() as u32 - 1;
            for pair in list_of[row.list as usize] {
                let pair_number = &mut pair_numbers[*pair as usize];
                if *pair_number == u32::MAX {
                    *pair_number = used_pairs.len() as u32;
                    used_pairs.push(pairs[*pair as usize]);
                }
                list_pairs.push(*pair_number);
            }
            firsts.push(list_pairs.len() as u32);
        }
        row.list = *number;
    }
    draft.put(Column::GroupName, groups.iter().map(|(group, ..)| (*group >> 32) as u32));
    draft.put(Column::GroupFile, groups.iter().map(|(group, ..)| *group as u32));
    draft.put(Column::GroupLine, groups.iter().map(|(_, line, _)| *line));
    draft.put(Column::GroupFirst, groups.iter().map(|(.., first)| *first).chain([rows.len() as u32]));
    let pc_base = draft.pc_base;
    draft.put(Column::InstancePc, rows.iter().map(|row| (row.pc - pc_base) as u32));
    draft.put(Column::InstanceDie, rows.iter().map(|row| row.place as u32));
    let info = |row: &Row| row.list << 2 | u32::from(row.is_external) << 1 | u32::from(row.is_inline);
    draft.put(Column::InstanceInfo, rows.iter().map(info));
    draft.put(Column::ListFirst, firsts);
    draft.put(Column::ListPairs, list_pairs);
    draft.put(Column::PairName, used_pairs.iter().map(|(name, _)| *name));
    draft.put(Column::PairType, used_pairs.iter().map(|(_, ty)| *ty));
}

fn put_files(draft: &mut Draft, mut files: Vec<(u32, u32)>) {
    files.sort_unstable();
    files.dedup();
    let (mut paths, mut firsts) = (Vec::new(), Vec::new());
    for (idx, (path, _)) in files.iter().enumerate() {
        if paths.last() != Some(path) {
            paths.push(*path);
            firsts.push(idx as u32);
        }
    }
    firsts.push(files.len() as u32);
    draft.put(Column::FilePath, paths);
    draft.put(Column::FileFirst, firsts);
    draft.put(Column::FileUnits, files.into_iter().map(|(_, unit)| unit));
}

fn put_symbols(draft: &mut Draft, mut symbols: Vec<(u64, u32, u32)>) {
    let pc_base = draft.pc_base;
    symbols.retain(|(start, ..)| *start >= pc_base && *start - pc_base <= u64::from(u32::MAX));
    symbols.sort_unstable_by_key(|(start, size, name)| (*start, *name, *size));
    symbols.dedup_by_key(|(start, _, name)| (*start, *name));
    draft.put(Column::SymbolStart, symbols.iter().map(|(start, ..)| (*start - pc_base) as u32));
    draft.put(Column::SymbolSize, symbols.iter().map(|(_, size, _)| *size));
    draft.put(Column::SymbolName, symbols.iter().map(|(.., name)| *name));
}

fn put_types(draft: &mut Draft, mut types: Vec<(u32, u32, u32)>) {
    types.sort_unstable();
    // Of many definitions in many units the first is as good as any.
    types.dedup_by_key(|(name, tag, _)| (*name, *tag));
    draft.put(Column::TypeName, types.iter().map(|(name, ..)| *name));
    draft.put(Column::TypeTag, types.iter().map(|(_, tag, _)| *tag));
    draft.put(Column::TypePosition, types.iter().map(|(.., position)| *position));
}

/// Every text once, sorted; and the numbers it has with each worker.
struct Texts {
    bytes: Vec<u8>,
    /// Where each ends in the bytes.
    ends: Vec<u32>,
    by_harvest: Vec<Numbers>,
}

/// From a worker's numbers to the index's.
#[derive(Default)]
struct Numbers {
    texts: Vec<u32>,
    paths: Vec<u32>,
    types: Vec<u32>,
}

impl Texts {
    fn of(source: &Source, harvests: &[Harvest<'_>]) -> Self {
        let in_file = |place| source.file.text(place).unwrap_or("");
        // Each text with its first bytes as a number, which decides most comparisons, and where it came from.
        let mut all: Vec<(u64, &str, u32)> = vec![(0, "", u32::MAX)];
        let mut by_harvest: Vec<Numbers> = Vec::new();
        let mut slot = 0;
        for harvest in harvests {
            let names = harvest.texts.values.iter().map(|key| harvest.text(*key, in_file));
            let paths = harvest.paths.values.iter().map(String::as_str);
            let types = harvest.types.texts.values.iter().map(|text| &**text);
            for text in names.chain(paths).chain(types) {
                all.push((first_bytes(text), text, slot));
                slot += 1;
            }
        }
        all.sort_unstable();
        let mut numbers = vec![0; slot as usize];
        let (mut bytes, mut ends, mut last) = (Vec::new(), Vec::new(), None);
        for (_, text, slot) in all {
            if last != Some(text) {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len() as u32);
                last = Some(text);
            }
            if let Some(number) = numbers.get_mut(slot as usize) {
                *number = ends.len() as u32 - 1;
            }
        }
        let mut rest = &numbers[..];
        let mut take = |n: usize| {
            let (taken, more) = rest.split_at(n);
            rest = more;
            taken.to_vec()
        };
        for harvest in harvests {
            by_harvest.push(Numbers {
                texts: take(harvest.texts.values.len()),
                paths: take(harvest.paths.values.len()),
                types: take(harvest.types.texts.values.len()),
            });
        }
        Self { bytes, ends, by_harvest }
    }

    fn put(self, draft: &mut Draft) {
        draft.put(Column::TextEnds, self.ends);
        draft.columns[Column::TextBytes as usize] = self.bytes;
    }
}
