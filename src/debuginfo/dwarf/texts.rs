//! Every text of an index once, sorted, so that a text's number is its rank; and the numbers texts have with each worker.

use super::{
    harvest::Harvest,
    index::{Column, Draft},
    source::Source,
};

pub struct Texts {
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
    pub fn of(source: &Source, harvests: &[Harvest<'_>]) -> Self {
        let in_file = |place| source.file.text(place).unwrap_or("");
        let n = |harvest: &Harvest<'_>| {
            harvest.texts.values.len() + harvest.paths.values.len() + harvest.types.texts.values.len()
        };
        let mut all: Vec<Entry<'_>> = Vec::with_capacity(harvests.iter().map(n).sum());
        let mut add = |text| all.push(Entry { bytes: eight_bytes(text, 0), text, slot: all.len() as u32 });
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
        let mut by_harvest = Vec::new();
        for harvest in harvests {
            by_harvest.push(Numbers {
                texts: take(harvest.texts.values.len()),
                paths: take(harvest.paths.values.len()),
                types: take(harvest.types.texts.values.len()),
            });
        }
        Self { bytes, ends, by_harvest }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of what the `harvest`-th worker calls that.
    #[inline]
    pub fn number(&self, harvest: usize, text: u32) -> u32 {
        self.by_harvest[harvest].texts[text as usize]
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

/// Sorts texts that have the same first `depth` bytes, and have those that follow as numbers: eight bytes at a time, so that
/// a comparison is one of numbers. Which of two same texts comes first does not matter.
fn sort(entries: &mut [Entry<'_>], depth: usize) {
    if entries.len() <= FEW || depth >= MAX_DEPTH {
        entries.sort_unstable_by_key(|entry| (entry.bytes, entry.text));
        return;
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
            more.iter_mut().for_each(|entry| entry.bytes = eight_bytes(entry.text, next));
            sort(more, next);
        }
    }
}

/// Those from `at` on, big-endian, as texts are compared; zeros behind the end.
fn eight_bytes(text: &str, at: usize) -> u64 {
    let rest = text.as_bytes().get(at..).unwrap_or(&[]);
    if let Some(eight) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*eight);
    }
    rest.iter().chain(std::iter::repeat(&0)).take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
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
            texts.iter().zip(slots).map(|(text, slot)| Entry { bytes: eight_bytes(text, 0), text, slot }).collect();
        sort(&mut entries, 0);
        let sorted: Vec<&str> = entries.iter().map(|entry| entry.text).collect();
        let mut expected: Vec<&str> = texts.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        assert!(entries.iter().all(|entry| texts[entry.slot as usize] == entry.text));
    }
}
