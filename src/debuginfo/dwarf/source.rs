//! A file's debug information with that of its supplementary file, as one: units in order, found by position.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;

use super::{
    abbrev::Abbrevs,
    barred,
    file::DebugFile,
    form::Read,
    unit::{Unit, UnitHeader, unit_header_at, unit_headers},
};

pub struct Source {
    pub file: DebugFile,
    /// Where units begin, if an index said so: then a unit is found without a look at all the others.
    starts: Vec<u32>,
    /// With the bytes of .debug_info behind the last header that makes sense.
    units: OnceLock<(Vec<UnitHeader>, usize)>,
    tracer_calls: OnceLock<Vec<u64>>,
    /// Of units that were looked into last, by index: reading them is most of opening a unit.
    abbrevs: Mutex<FxHashMap<u32, Arc<Abbrevs>>>,
}

/// Units whose abbreviations are kept.
const MAX_KEPT: usize = 64;

impl Source {
    pub fn new(file: DebugFile) -> Self {
        Self::of_units(file, [])
    }

    /// With the positions of all units, ascending.
    pub fn of_units(file: DebugFile, starts: impl IntoIterator<Item = u32>) -> Self {
        let starts = starts.into_iter().collect();
        Self { file, starts, units: OnceLock::new(), tracer_calls: OnceLock::new(), abbrevs: Mutex::default() }
    }

    /// Where functions call the tracer, ascending; empty when the file does not list it.
    pub fn tracer_calls(&self) -> &[u64] {
        self.tracer_calls.get_or_init(|| barred::tracer_calls(&self.file))
    }

    /// Where a function that begins at `pc` has done with being traced: behind its call of the tracer, which changes nothing
    /// that its variables are in. `pc` itself for others.
    pub fn behind_tracer(&self, pc: u64) -> u64 {
        // An endbr64 may stand in front of the call.
        const MAX_IN_FRONT: u64 = 4;
        let call_bytes = if self.file.arch() == "x86_64" { 5 } else { 4 };
        let calls = self.tracer_calls();
        let call = calls.get(calls.partition_point(|call| *call < pc));
        call.filter(|call| **call - pc <= MAX_IN_FRONT).map_or(pc, |call| call + call_bytes)
    }

    fn headers(&self) -> &(Vec<UnitHeader>, usize) {
        self.units.get_or_init(|| {
            let (mut units, mut n_unreadable_bytes) = unit_headers(&self.file, 0, false);
            if let Some(supplement) = &self.file.supplement {
                let (more, unreadable) = unit_headers(supplement, self.file.info().len() as u64, true);
                units.extend(more);
                n_unreadable_bytes += unreadable;
            }
            (units, n_unreadable_bytes)
        })
    }

    /// In order; those of the supplementary file come last.
    pub fn units(&self) -> &[UnitHeader] {
        &self.headers().0
    }

    pub fn n_unreadable_bytes(&self) -> usize {
        self.headers().1
    }

    fn header(&self, idx: u32) -> Option<UnitHeader> {
        let Some(start) = self.starts.get(idx as usize) else { return self.units().get(idx as usize).copied() };
        let start = u64::from(*start);
        let (file, base) = self.file_at(start);
        unit_header_at(file, base, start, base != 0)
    }

    /// The file a position is in, and the position of its first byte.
    fn file_at(&self, position: u64) -> (&DebugFile, u64) {
        let base = self.file.info().len() as u64;
        match &self.file.supplement {
            Some(supplement) if position >= base => (supplement, base),
            _ => (&self.file, 0),
        }
    }

    pub fn unit(&self, idx: u32) -> Option<Read<Unit<'_>>> {
        let header = self.header(idx)?;
        let (file, base) = self.file_at(header.start);
        Some(Unit::open(header, file, base))
    }

    /// The unit a position is in, open; for looks here and there.
    pub fn open_at(&self, position: u64) -> Option<Unit<'_>> {
        let idx = self.unit_at(position)?;
        let kept = self.abbrevs.lock().unwrap_or_else(PoisonError::into_inner).get(&idx).cloned();
        let Some(abbrevs) = kept else {
            let unit = self.unit(idx)?.ok()?;
            let mut kept = self.abbrevs.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(idx, unit.abbrevs.clone());
            return Some(unit);
        };
        let header = self.header(idx)?;
        let (file, base) = self.file_at(header.start);
        Unit::with_abbrevs(header, file, base, abbrevs).ok()
    }

    /// The unit a position is in.
    pub fn unit_at(&self, position: u64) -> Option<u32> {
        let after = match &self.starts[..] {
            [] => self.units().partition_point(|header| header.start <= position),
            starts => starts.partition_point(|start| u64::from(*start) <= position),
        };
        let idx = after.checked_sub(1)? as u32;
        (position < self.header(idx)?.end).then_some(idx)
    }
}
