//! Every text of an index once, sorted, so that a text's number is its rank; and the numbers texts have with each worker.

use super::{
    form::TextPlace,
    harvest::{Harvest, OTHER_TEXTS, TextRef},
    index::{Column, Draft},
    source::Source,
};

pub struct Texts {
    bytes: Vec<u8>,
    /// Where each ends in the bytes.
    ends: Vec<u32>,
    strings: Strings,
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
    pub fn of(source: &Source, harvests: &[Harvest<'_>]) -> Self {
        let in_file = |place| source.file.text(place).unwrap_or("");
        let mut strings = Strings::of(source.file.section(gimli::SectionId::DebugStr).len());
        for harvest in harvests {
            harvest.instances.iter().for_each(|instance| strings.mark(instance.name));
            harvest.pairs.values.iter().for_each(|pair| strings.mark((pair >> 32) as TextRef));
            harvest.definitions.iter().for_each(|(name, ..)| strings.mark(*name));
        }
        let mut all: Vec<Entry<'_>> = Vec::with_capacity(1 << 16);
        let mut add = |text| all.push(Entry { bytes: 0, text, slot: all.len() as u32 });
        strings.each(|offset| add(in_file(TextPlace::Str(offset.into()))));
        for harvest in harvests {
            harvest.texts.values.iter().for_each(|key| add(harvest.text(*key, in_file)));
            harvest.paths.values.iter().for_each(|path| add(path));
            harvest.types.texts.values.iter().for_each(|text| add(text));
        }
        sort(&mut all, 0);
        let mut numbers = vec![0; all.len()];
        // The empty text is the first, whether anything is called that or not.
        let (mut bytes, mut ends, mut last) = (Vec::new(), vec![0], "");
        for entry in all {
            if last != entry.text {
                bytes.extend_from_slice(entry.text.as_bytes());
                ends.push(bytes.len() as u32);
                last = entry.text;
            }
            numbers[entry.slot as usize] = ends.len() as u32 - 1;
        }
        let mut rest = &numbers[..];
        let mut take = |n: usize| {
            let (taken, more) = rest.split_at(n);
            rest = more;
            taken.to_vec()
        };
        strings.numbers = take(strings.count());
        let mut by_harvest = Vec::new();
        for harvest in harvests {
            by_harvest.push(Numbers {
                texts: take(harvest.texts.values.len()),
                paths: take(harvest.paths.values.len()),
                types: take(harvest.types.texts.values.len()),
            });
        }
        Self { bytes, ends, strings, by_harvest }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of what the `harvest`-th worker calls that.
    #[inline]
    pub fn number(&self, harvest: usize, text: TextRef) -> u32 {
        match text.checked_sub(OTHER_TEXTS) {
            Some(other) => self.by_harvest[harvest].texts[other as usize],
            None => self.strings.number(text),
        }
    }

    pub fn path(&self, harvest: usize, path: u32) -> u32 {
        self.by_harvest[harvest].paths[path as usize]
    }

    pub fn type_text(&self, harvest: usize, ty: u32) -> u32 {
        self.by_harvest[harvest].types[ty as usize]
    }

    pub fn put(self, draft: &mut Draft) {
        draft.put(Column::TextEnds, self.ends);
        draft.columns[Column::TextBytes as usize] = self.bytes;
    }
}

/// Texts of .debug_str by offset: a bit for each that is in use, so that marking one waits for nothing.
struct Strings {
    used: Vec<u64>,
    /// How many are used before each 64.
    before: Vec<u32>,
    numbers: Vec<u32>,
}

impl Strings {
    fn of(n_bytes: usize) -> Self {
        Self { used: vec![0; n_bytes / 64 + 1], before: Vec::new(), numbers: Vec::new() }
    }

    #[inline]
    fn mark(&mut self, text: TextRef) {
        // Others, and those behind the section's end, have no bit.
        if let Some(used) = self.used.get_mut(text as usize / 64) {
            *used |= 1 << (text % 64);
        }
    }

    /// Counts them, and calls `each` with their offsets, ascending.
    fn each(&mut self, mut each: impl FnMut(u32)) {
        let mut n = 0;
        for (idx, used) in self.used.iter().enumerate() {
            self.before.push(n);
            n += used.count_ones();
            let mut left = *used;
            while left != 0 {
                each(idx as u32 * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        self.before.push(n);
    }

    fn count(&self) -> usize {
        self.before.last().map_or(0, |n| *n as usize)
    }

    #[inline]
    fn number(&self, text: TextRef) -> u32 {
        let (idx, bit) = (text as usize / 64, text % 64);
        // Behind the section's end is nothing: the empty text.
        let Some(used) = self.used.get(idx) else { return 0 };
        let below = used & ((1 << bit) - 1);
        self.numbers.get((self.before[idx] + below.count_ones()) as usize).copied().unwrap_or(0)
    }
}

/// A text where it is sorted.
#[derive(Clone, Copy)]
struct Entry<'t> {
    /// Those of its bytes that are compared now, as a number.
    bytes: u64,
    text: &'t str,
    /// Which of all it was.
    slot: u32,
}

/// So few that looking at the texts themselves is quicker.
const FEW: usize = 12;
/// Texts that are the same for so long are garbage, or the same.
const MAX_DEPTH: usize = 512;

/// Sorts texts that have the same first `depth` bytes by what follows, eight bytes at a time: a comparison is one of
/// numbers then. Which of two same texts comes first does not matter.
fn sort(entries: &mut [Entry<'_>], depth: usize) {
    if entries.len() <= FEW || depth >= MAX_DEPTH {
        entries.sort_unstable_by_key(|entry| entry.text);
        return;
    }
    for entry in entries.iter_mut() {
        entry.bytes = eight_bytes(entry.text.as_bytes().get(depth..).unwrap_or(&[]));
    }
    entries.sort_unstable_by_key(|entry| entry.bytes);
    let next = depth + 8;
    for same in entries.chunk_by_mut(|a, b| a.bytes == b.bytes) {
        if same.len() > 1 {
            // A text that ends here may look like one that goes on with zeros.
            same.sort_unstable_by_key(|entry| entry.text.len() >= next);
            let n_done = same.partition_point(|entry| entry.text.len() < next);
            let (done, more) = same.split_at_mut(n_done);
            done.sort_unstable_by_key(|entry| entry.text);
            sort(more, next);
        }
    }
}

/// Big-endian, as texts are compared; zeros behind the end.
fn eight_bytes(text: &[u8]) -> u64 {
    if let Some(eight) = text.first_chunk::<8>() {
        return u64::from_be_bytes(*eight);
    }
    text.iter().chain(std::iter::repeat(&0)).take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sorted_by_their_bytes() {
        let long = "x".repeat(2 * MAX_DEPTH);
        let mut texts: Vec<String> = (0..400u32).map(|n| format!("{}{}", &long[..n as usize % 40], n % 7)).collect();
        texts.extend((0..40).map(|n| format!("{long}{}", n % 3)));
        texts.extend(["", "a", "a\0", "a\0\0\0\0\0\0\0", "a\0\0\0\0\0\0\0b", "\u{fc}ber"].map(str::to_owned));
        let slots = 0..texts.len() as u32;
        let mut entries: Vec<Entry<'_>> =
            texts.iter().zip(slots).map(|(text, slot)| Entry { bytes: 0, text, slot }).collect();
        sort(&mut entries, 0);
        let sorted: Vec<&str> = entries.iter().map(|entry| entry.text).collect();
        let mut expected: Vec<&str> = texts.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        assert!(entries.iter().all(|entry| texts[entry.slot as usize] == entry.text));
    }

    #[test]
    fn strings_are_numbered_by_offset() {
        let mut strings = Strings::of(200);
        [0, 5, 63, 64, 199, 5, 100_000, OTHER_TEXTS + 1].into_iter().for_each(|text| strings.mark(text));
        let mut offsets = Vec::new();
        strings.each(|offset| offsets.push(offset));
        assert_eq!((offsets, strings.count()), (vec![0, 5, 63, 64, 199], 5));
        strings.numbers = vec![10, 11, 12, 13, 14];
        assert_eq!([0, 5, 63, 64, 199, 100_000].map(|text| strings.number(text)), [10, 11, 12, 13, 14, 0]);
    }
}
