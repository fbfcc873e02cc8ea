//! Values with numbers, each once.

use std::hash::{BuildHasher, Hash};

use rustc_hash::{FxBuildHasher, FxHashMap};

/// Values by number, and numbers by value.
pub struct Interned<T> {
    numbers: FxHashMap<T, u32>,
    pub values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    pub fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        self.add(value)
    }

    /// The number of a value that is made only when it is new.
    pub fn number_of<Q: Eq + Hash + ?Sized>(&mut self, value: &Q) -> u32
    where
        T: std::borrow::Borrow<Q> + for<'a> From<&'a Q>,
    {
        match self.numbers.get(value) {
            Some(number) => *number,
            None => self.add(value.into()),
        }
    }

    fn add(&mut self, value: T) -> u32 {
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// Lists of numbers, one behind the other; the empty one is the first.
pub struct Lists {
    /// Part of the hash, and the list's number; by hash, at least a quarter of them free.
    slots: Vec<(u32, u32)>,
    ends: Vec<u32>,
    elements: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Default for Lists {
    fn default() -> Self {
        Self { slots: vec![(0, FREE); 1 << 10], ends: vec![0], elements: Vec::new() }
    }
}

impl Lists {
    pub fn number_of(&mut self, list: &[u32]) -> u32 {
        if list.is_empty() {
            return 0;
        }
        let hash = FxBuildHasher.hash_one(list) as u32;
        let mut at = self.slot(hash);
        while self.slots[at].1 != FREE {
            let (other_hash, number) = self.slots[at];
            if other_hash == hash && self.get(number) == list {
                return number;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        let number = self.ends.len() as u32;
        self.elements.extend_from_slice(list);
        self.ends.push(self.elements.len() as u32);
        self.slots[at] = (hash, number);
        if self.ends.len() > self.slots.len() / 4 * 3 {
            self.grow();
        }
        number
    }

    pub fn get(&self, number: u32) -> &[u32] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.elements[start..self.ends[number] as usize]
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where each list ends in the elements of all.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    pub fn elements(&self) -> &[u32] {
        &self.elements
    }

    /// Where a list of that hash is looked for first.
    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let more = vec![(0, FREE); self.slots.len() * 2];
        let before = std::mem::replace(&mut self.slots, more);
        for (hash, number) in before.into_iter().filter(|(_, number)| *number != FREE) {
            let mut at = self.slot(hash);
            while self.slots[at].1 != FREE {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = (hash, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_numbers() {
        let mut lists = Lists::default();
        let list = |n: u32| (0..n % 7).map(|idx| n / 7 + idx).collect::<Vec<u32>>();
        let numbers: Vec<u32> = (0..20_000).map(|n| lists.number_of(&list(n))).collect();
        for (n, number) in (0..20_000).zip(&numbers) {
            assert_eq!(lists.get(*number), list(n));
            assert_eq!(lists.number_of(&list(n)), *number);
        }
        assert_eq!(lists.number_of(&[]), 0);
        // One for each list that is not empty, and the empty one.
        assert_eq!(lists.len(), 20_000 / 7 * 6 + 1 + 20_000 % 7 - 1);
    }
}
