//! Units to an index: workers read batches of units, then what they found is put together.
//!
//! The result does not depend on how many workers there were or who read what.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use rustc_hash::FxHashSet;

use super::{
    barred,
    file::FunctionSymbol,
    harvest::{Harvest, RawInstance},
    index::{Column, Draft},
    interned::{Interned, Lists},
    source::Source,
    texts::Texts,
};

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
        harvest.done()
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
    let symbols = source.file.function_symbols();
    add_symbols(source, &symbols, &mut harvests);
    let draft = put_together(source, &symbols, &harvests);
    drop(harvests);
    let bytes = draft.finish(identity);
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
fn add_symbols(source: &Source, symbols: &[FunctionSymbol], harvests: &mut [Harvest<'_>]) {
    let is_part = |symbol: &&FunctionSymbol| source.file.symbol_name(symbol).contains(".part.");
    let parts: FxHashSet<u64> = symbols.iter().filter(is_part).map(|symbol| symbol.address).collect();
    let mut known: FxHashSet<u64> = FxHashSet::default();
    known.reserve(symbols.len());
    for harvest in harvests.iter_mut() {
        harvest.instances.retain(|instance| {
            if !instance.is_inline {
                if parts.contains(&instance.pc) {
                    return false;
                }
                known.insert(instance.pc);
            }
            true
        });
    }
    let Some(harvest) = harvests.first_mut() else { return };
    for symbol in symbols {
        if symbol.address != 0 && !source.file.symbol_name(symbol).is_empty() {
            harvest.add_symbol(symbol, !known.contains(&symbol.address));
        }
    }
}

/// An instance in the numbers of the index.
#[derive(Clone, Copy, Default)]
struct Row {
    name: u32,
    file: u32,
    line: u32,
    die: u32,
    /// From the first of all.
    pc: u32,
    /// Where the arguments are, then the number of the list of them.
    list: u32,
    is_inline: bool,
    is_external: bool,
    is_empty: bool,
}

impl Row {
    fn group(&self) -> (u32, u32, u32) {
        (self.name, self.file, self.line)
    }

    /// What rows of the same name are sorted by.
    fn key(&self) -> (u64, u64) {
        let pair = |first: u32, second: u32| u64::from(first) << 32 | u64::from(second);
        (pair(self.file, self.line), pair(self.die, self.pc))
    }
}

fn put_together(source: &Source, symbols: &[FunctionSymbol], harvests: &[Harvest<'_>]) -> Draft {
    let pcs = harvests.iter().flat_map(|harvest| &harvest.instances).map(|instance| instance.pc);
    let pc_base = pcs.min().unwrap_or(0);
    let mut draft = Draft {
        n_units: source.units().len() as u32,
        n_skipped_units: harvests.iter().map(|harvest| harvest.n_skipped_units).sum(),
        n_unreadable_bytes: source.n_unreadable_bytes() as u64,
        linked_at: source.file.symbols_named(["_text"])[0].unwrap_or(0),
        pc_base,
        ..Draft::default()
    };
    let texts = Texts::of(source, harvests);
    let mut pairs: Interned<u64> = Interned::default();
    let mut arguments: Vec<u32> = Vec::with_capacity(harvests.iter().map(|harvest| harvest.arguments.len()).sum());
    let mut types: Vec<(u32, u32, u32)> = Vec::new();
    let mut code: Vec<(u64, u32, u32)> = Vec::new();
    for (idx, harvest) in harvests.iter().enumerate() {
        let pair_number = |pair: &u64| {
            let (name, ty) = ((pair >> 32) as u32, *pair as u32);
            pairs.number(u64::from(texts.number(idx, name)) << 32 | u64::from(texts.type_text(idx, ty)))
        };
        let pair_numbers: Vec<u32> = harvest.pairs.values.iter().map(pair_number).collect();
        let mut rest = &harvest.arguments[..];
        while let Some((n, more)) = rest.split_first() {
            let (list, more) = more.split_at(*n as usize);
            arguments.push(*n);
            arguments.extend(list.iter().map(|pair| pair_numbers[*pair as usize]));
            rest = more;
        }
        let definition =
            |(name, tag, position): &(u32, u16, u32)| (texts.number(idx, *name), u32::from(*tag), *position);
        types.extend(harvest.definitions.iter().map(definition));
        code.extend(harvest.symbols.iter().map(|(start, size, name)| (*start, *size, texts.number(idx, *name))));
    }
    let mut rows = sorted_rows(harvests, &texts, pc_base);
    leave_one_each(&mut rows);
    put_rows(&mut draft, &mut rows, &arguments, &pairs.values);
    draft.put(Column::UnitStart, source.units().iter().map(|unit| unit.start as u32));
    put_files(&mut draft, harvests, &texts);
    put_types(&mut draft, types);
    put_symbols(&mut draft, code);
    barred::put(&mut draft, &source.file, symbols, source.tracer_calls(), pc_base);
    texts.put(&mut draft);
    draft
}

/// All instances by name, file, line and DIE. Names are numbers without gaps, so each row's place is found by counting.
fn sorted_rows(harvests: &[Harvest<'_>], texts: &Texts, pc_base: u64) -> Vec<Row> {
    let rows = |(idx, harvest): (usize, &Harvest<'_>), put: &mut dyn FnMut(usize, &RawInstance, u32)| {
        for instance in &harvest.instances {
            // An index reaches so far.
            if let Ok(pc) = u32::try_from(instance.pc - pc_base) {
                put(idx, instance, pc);
            }
        }
    };
    let mut ends = vec![0u32; texts.len() + 1];
    for harvest in harvests.iter().enumerate() {
        rows(harvest, &mut |idx, instance, _| ends[texts.number(idx, instance.name) as usize + 1] += 1);
    }
    for idx in 1..ends.len() {
        ends[idx] += ends[idx - 1];
    }
    let mut sorted = vec![Row::default(); ends.last().map_or(0, |n| *n as usize)];
    // Each end is where the next row of the name before goes, at last the name's own end.
    let mut n_arguments = 0;
    for harvest in harvests.iter().enumerate() {
        rows(harvest, &mut |idx, instance, pc| {
            let name = texts.number(idx, instance.name);
            let at = &mut ends[name as usize];
            sorted[*at as usize] = Row {
                name,
                file: texts.path(idx, instance.file),
                line: instance.line,
                die: instance.die,
                pc,
                list: n_arguments + instance.arguments,
                is_inline: instance.is_inline,
                is_external: instance.is_external,
                is_empty: instance.is_empty,
            };
            *at += 1;
        });
        n_arguments += harvest.1.arguments.len() as u32;
    }
    sorted.chunk_by_mut(|a, b| a.name == b.name).for_each(|same| same.sort_unstable_by_key(Row::key));
    sorted
}

/// So few that each is compared with each.
const FEW: usize = 12;

/// Of the instances of a function that begin at the same address one is left: the first that has instructions.
fn leave_one_each(rows: &mut Vec<Row>) {
    let mut kept = vec![true; rows.len()];
    let mut first = 0;
    let mut by_pc: Vec<u32> = Vec::new();
    for group in rows.chunk_by(|a, b| a.group() == b.group()) {
        let kept = &mut kept[first..first + group.len()];
        first += group.len();
        if group.len() <= FEW {
            for (idx, row) in group.iter().enumerate() {
                let has_same = |other: &usize| group[*other].pc == row.pc;
                let before = (0..idx).filter(has_same).any(|other| group[other].is_empty <= row.is_empty);
                let behind =
                    row.is_empty && (idx + 1..group.len()).filter(has_same).any(|other| !group[other].is_empty);
                kept[idx] = !before && !behind;
            }
            continue;
        }
        by_pc.clear();
        by_pc.extend(0..group.len() as u32);
        by_pc.sort_unstable_by_key(|idx| (group[*idx as usize].pc, group[*idx as usize].is_empty, *idx));
        for pair in by_pc.windows(2) {
            kept[pair[1] as usize] = group[pair[0] as usize].pc != group[pair[1] as usize].pc;
        }
    }
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next().unwrap_or(false));
}

/// Groups, instances and argument lists. Lists and pairs are numbered as they are first used, whoever found them.
fn put_rows(draft: &mut Draft, rows: &mut [Row], arguments: &[u32], pairs: &[u64]) {
    let mut pair_numbers = vec![u32::MAX; pairs.len()];
    let (mut lists, mut used_pairs) = (Lists::default(), Vec::new());
    let mut before: (&[u32], u32) = (&[], 0);
    for row in rows.iter_mut() {
        let at = row.list as usize + 1;
        let list = &arguments[at..at + arguments[at - 1] as usize];
        // Neighbours are of the same function.
        if before.0 != list {
            let n_lists = lists.len();
            before = (list, lists.number_of(list));
            if lists.len() > n_lists {
                for pair in list {
                    let number = &mut pair_numbers[*pair as usize];
                    if *number == u32::MAX {
                        *number = used_pairs.len() as u32;
                        used_pairs.push(pairs[*pair as usize]);
                    }
                }
            }
        }
        row.list = before.1;
    }
    let mut first = 0;
    for group in rows.chunk_by(|a, b| a.group() == b.group()) {
        draft.push(Column::GroupName, group[0].name);
        draft.push(Column::GroupFile, group[0].file);
        draft.push(Column::GroupLine, group[0].line);
        draft.push(Column::GroupFirst, first);
        first += group.len() as u32;
    }
    draft.push(Column::GroupFirst, first);
    draft.put(Column::InstancePc, rows.iter().map(|row| row.pc));
    draft.put(Column::InstanceDie, rows.iter().map(|row| row.die));
    let info = |row: &Row| row.list << 2 | u32::from(row.is_external) << 1 | u32::from(row.is_inline);
    draft.put(Column::InstanceInfo, rows.iter().map(info));
    draft.put(Column::ListFirst, std::iter::once(0).chain(lists.ends().iter().copied()));
    draft.put(Column::ListPairs, lists.elements().iter().map(|pair| pair_numbers[*pair as usize]));
    draft.put(Column::PairName, used_pairs.iter().map(|pair| (pair >> 32) as u32));
    draft.put(Column::PairType, used_pairs.iter().map(|pair| *pair as u32));
}

/// The units of each file, by file and unit.
fn put_files(draft: &mut Draft, harvests: &[Harvest<'_>], texts: &Texts) {
    let mut units: Vec<(u32, usize, &[u32])> = Vec::new();
    for (idx, harvest) in harvests.iter().enumerate() {
        units.extend(harvest.unit_files.iter().map(|(unit, paths)| (*unit, idx, &**paths)));
    }
    units.sort_unstable_by_key(|(unit, ..)| *unit);
    let each = |put: &mut dyn FnMut(usize, u32)| {
        let mut last = vec![u32::MAX; texts.len()];
        for (unit, idx, paths) in &units {
            for path in *paths {
                let path = texts.path(*idx, *path) as usize;
                // A unit may name a file twice.
                if std::mem::replace(&mut last[path], *unit) != *unit {
                    put(path, *unit);
                }
            }
        }
    };
    // What comes unit by unit is put where it belongs by counting.
    let mut ends = vec![0u32; texts.len() + 1];
    each(&mut |path, _| ends[path + 1] += 1);
    for idx in 1..ends.len() {
        ends[idx] += ends[idx - 1];
    }
    let used: Vec<u32> = (0..texts.len()).filter(|path| ends[*path] < ends[path + 1]).map(|path| path as u32).collect();
    let n = ends.last().copied().unwrap_or(0);
    draft.put(Column::FilePath, used.iter().copied());
    draft.put(Column::FileFirst, used.iter().map(|path| ends[*path as usize]).chain([n]));
    let mut sorted = vec![0u32; n as usize];
    each(&mut |path, unit| {
        sorted[ends[path] as usize] = unit;
        ends[path] += 1;
    });
    draft.put(Column::FileUnits, sorted);
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
