//! What was read where, by position.

use rustc_hash::FxHashMap;

/// Most references stay inside a unit, and what they lead to is soon asked for again: it is kept in a table of fixed size,
/// where what comes later takes the place of what was there, so that the table stays in the processor's caches and never
/// has to be cleared. References across units (LTO, dwz) are dear to follow and worth remembering while they are few.
pub struct Memory<T> {
    here: Vec<(u32, T)>,
    elsewhere: FxHashMap<u64, T>,
}

/// A power of two: some times as many as an ordinary unit refers to. Neighbours in the unit are neighbours in the table.
const N_HERE: usize = 1 << 12;
/// Hardly a DIE that is referred to is shorter.
const BYTES_EACH: u64 = 8;
/// Of other units.
const MAX_REMEMBERED: usize = 1 << 16;
/// No DIE is there: headers are longer.
const NOWHERE: u32 = 0;

impl<T: Copy + Default> Default for Memory<T> {
    fn default() -> Self {
        Self { here: vec![(NOWHERE, T::default()); N_HERE], elsewhere: FxHashMap::default() }
    }
}

impl<T: Copy> Memory<T> {
    #[inline]
    fn slot(position: u64) -> usize {
        (position / BYTES_EACH) as usize & (N_HERE - 1)
    }

    /// `is_here`: the position is in the unit that is being read.
    #[inline]
    pub fn get(&self, position: u64, is_here: bool) -> Option<T> {
        if !is_here {
            return self.elsewhere.get(&position).copied();
        }
        let (kept, value) = self.here[Self::slot(position)];
        (u64::from(kept) == position && kept != NOWHERE).then_some(value)
    }

    #[inline]
    pub fn keep(&mut self, position: u64, is_here: bool, value: T) {
        if is_here {
            // Positions beyond are of files that no index can be made for.
            self.here[Self::slot(position)] = (u32::try_from(position).unwrap_or(NOWHERE), value);
            return;
        }
        if self.elsewhere.len() >= MAX_REMEMBERED {
            self.elsewhere.clear();
        }
        self.elsewhere.insert(position, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_of_its_position() {
        let mut memory = Memory::default();
        for position in 1..100_000u64 {
            memory.keep(position, position % 3 != 0, position as u32);
        }
        let kept = |is_here| (0..100_000).filter_map(|at| Some((at, memory.get(at, is_here)?))).collect::<Vec<_>>();
        assert_eq!(kept(true).len(), N_HERE);
        assert!(kept(true).iter().chain(&kept(false)).all(|(at, value)| *at == u64::from(*value)));
        assert_eq!(kept(false).len(), 99_999 / 3);
    }
}
