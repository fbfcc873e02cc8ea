//! A table in front of an array's hash, for keys that come again and again.
//!
//! Looking into a hash is a call of some 60 ns; most events count for a key that was counted before. So an array of counts
//! or statistics by one long has a second place for what is added later:
//!
//! ```text
//!   hash    key ─▶ value        every element, with its stamp; full, limited and iterated as ever
//!   front   slot slot slot …    a slot is a value whose stamp word says whose it is:
//!                               0 nobody's, 1 being given back, else key + 2
//! ```
//! An element's value is that of the hash and of all its slots together. A key's slot is one of [`PROBES`] from its home
//! on. The first event of a key goes to the hash and takes a free slot; while it finds none, events go to the hash.
//! Programs never give slots back, and a key may come to have two. Statistics have a region of slots for each CPU.
//!
//! Arrays that kernel handlers read, write or delete from have no front, nor those any handler deletes from.

use super::ValueLayout;
use crate::ir::*;

/// Slots a key may be in.
pub const PROBES: u32 = 4;
/// The stamp word of a slot user space is giving back.
pub const LEAVING: u64 = 1;
/// The stamp word of a key is the key plus this; keys that give less than this have no slots.
pub const KEY_BIAS: u64 = 2;
/// 2^64 divided by the golden ratio: neighbours spread out.
pub const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Slots of counts, at most.
const MAX_SLOTS: u32 = 1 << 16;
/// Bytes of slots of one CPU's statistics, at most.
const MAX_REGION: u32 = 64 << 10;
/// Fewer slots than this are not worth it.
const MIN_SLOTS: u32 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontLayout {
    /// Homes in a region: a power of two.
    pub slots: u32,
    pub slot_size: u32,
    /// A region for each CPU, or one for all.
    pub per_cpu: bool,
}

impl FrontLayout {
    pub fn of(decl: &StoreDecl, value: &ValueLayout) -> Option<Self> {
        let slot_size = value.size();
        let wanted = decl.max_entries.max(1).saturating_mul(2).min(MAX_SLOTS).next_power_of_two();
        let per_cpu = matches!(value, ValueLayout::Stat(_));
        let room = MAX_REGION / slot_size;
        let slots = match per_cpu {
            true if room == 0 => return None,
            true => wanted.min(1 << room.ilog2()),
            false => wanted,
        };
        let fits = slots >= MIN_SLOTS.min(wanted);
        (fits && decl.keys == [Ty::Long] && !decl.wrap).then_some(Self { slots, slot_size, per_cpu })
    }

    /// Bytes of a region: the last home is followed by as many slots as the others.
    pub fn region_size(self) -> u32 {
        (self.slots + PROBES - 1) * self.slot_size
    }

    pub fn size(self, n_cpus: u32) -> u32 {
        self.region_size() * if self.per_cpu { n_cpus.max(1) } else { 1 }
    }

    /// How far the spread word is shifted down to give the home.
    pub fn shift(self) -> u32 {
        64 - self.slots.ilog2()
    }

    /// The stamp word of a key's slots; `None` for a key without.
    pub fn word(key: &[u8]) -> Option<u64> {
        let word = (super::long_at(key, 0) as u64).wrapping_add(KEY_BIAS);
        (word >= KEY_BIAS).then_some(word)
    }

    /// Where in each region the slots of a word may be.
    pub fn places(self, word: u64) -> impl Iterator<Item = u32> {
        let home = word.wrapping_mul(SPREAD).checked_shr(self.shift()).unwrap_or(0) as u32;
        (home..home + PROBES).map(move |slot| slot * self.slot_size)
    }
}

/// For each store, whether what handlers do to it allows a front.
pub fn allowed(program: &Program) -> Vec<bool> {
    let mut is_counted = vec![false; program.stores.len()];
    let mut is_kept = vec![true; program.stores.len()];
    for entry in &program.entries {
        let mut bodies: Vec<&Body> = entry.runs.iter().map(|run| &program.handlers[run.handler.index()].body).collect();
        let mut seen = std::collections::HashSet::new();
        while let Some(body) = bodies.pop() {
            for op in body.blocks.iter().flat_map(|block| &block.insts).map(|inst| &inst.op) {
                if let Op::Call { function, .. } = op
                    && seen.insert(*function)
                {
                    bodies.push(&program.functions[function.index()].body);
                }
                let Some(store) = op.store().map(StoreId::index) else { continue };
                let in_kernel = entry.kind.in_kernel();
                match op {
                    Op::Add { result: None, .. } | Op::Accumulate { .. } => is_counted[store] |= in_kernel,
                    Op::Delete { .. } | Op::Clear { .. } => is_kept[store] = false,
                    _ => is_kept[store] &= !in_kernel,
                }
            }
        }
    }
    is_counted.into_iter().zip(is_kept).map(|(counted, kept)| counted && kept).collect()
}

/// The slots of a key in the bytes of a whole front.
pub fn slots_of<'a>(front: FrontLayout, bytes: &'a [u8], key: &[u8]) -> Vec<&'a [u8]> {
    let Some(word) = FrontLayout::word(key) else { return Vec::new() };
    let regions = bytes.chunks_exact(front.region_size() as usize);
    regions
        .flat_map(|region| front.places(word).map(|at| &region[at as usize..][..front.slot_size as usize]))
        .filter(|slot| super::long_at(slot, 0) as u64 == word)
        .collect()
}
