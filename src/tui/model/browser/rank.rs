//! How well entries fit the filter. Sixty thousand are looked at with each key, so what cannot fit is told by its letters
//! before its text is read, and only the best are put in order.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::Query;
use crate::tui::engine::CatalogueEntry;

/// A point that fits the filter. In order: by falling score, then the shorter, then as the catalogue has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match(u64);

impl Match {
    fn new(score: u32, len: usize, idx: u32) -> Self {
        let score = u64::from(u16::MAX - score.min(u16::MAX.into()) as u16);
        Self(score << 48 | (len.min(u16::MAX.into()) as u64) << 32 | u64::from(idx))
    }

    pub fn idx(self) -> u32 {
        self.0 as u32
    }
}

/// So many of the best are in order at once; the others when someone comes near them.
pub(super) const IN_ORDER: usize = 1000;

/// Puts the best of them in front, in order; all of them if `all`.
pub(super) fn put_in_order(matches: &mut [Match], all: bool) {
    if all || matches.len() <= IN_ORDER {
        matches.sort_unstable();
    } else {
        matches.select_nth_unstable(IN_ORDER - 1);
        matches[..IN_ORDER].sort_unstable();
    }
}

/// What stands in front of the name of every function.
const FUNCTION: &str = "kernel.function(\"";

/// More than the matcher gives to anything.
const CALLED: u32 = 10_000;

/// Which letters a text has, one bit each; capitals are letters, too.
fn letters(text: &str) -> u64 {
    text.bytes().fold(0, |bits, byte| {
        bits | match byte.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => 1 << (letter - b'a'),
            digit @ b'0'..=b'9' => 1 << (26 + digit - b'0'),
            b'_' => 1 << 36,
            // It may be written in other letters.
            128.. => u64::MAX,
            _ => 0,
        }
    })
}

/// Beside the letters: it is a function.
const IS_FUNCTION: u64 = 1 << 63;

/// The letters of what an entry is looked for by, and whether it is a function.
pub(super) fn letters_of(entry: &CatalogueEntry) -> u64 {
    match function_name(entry) {
        Some(name) => letters(name) | IS_FUNCTION,
        None => letters(&entry.point) & !IS_FUNCTION,
    }
}

/// The letters that all words together need, but for words that say what must not be there.
fn needed(words: &str) -> u64 {
    let wanted = words.split_whitespace().filter(|word| !word.starts_with('!'));
    wanted.map(|word| if word.is_ascii() { letters(word) } else { 0 }).fold(0, |all, word| all | word)
}

/// The name of a function with the quote in front, without which the matcher would take the start of a text for more than
/// the start of a word.
fn function_name(entry: &CatalogueEntry) -> Option<&str> {
    let quoted = entry.point.strip_prefix(FUNCTION).map(|_| &entry.point[FUNCTION.len() - 1..])?;
    Some(quoted.strip_suffix("\")").unwrap_or(quoted))
}

/// A filter's words, ready to be looked for.
pub(super) struct Finder<'q> {
    words: &'q str,
    of_points: Pattern,
    /// Functions are many: they are looked for by their names alone, unless what is typed says how a point is written.
    of_names: Option<Pattern>,
    needed_in_points: u64,
    needed_in_names: u64,
}

impl<'q> Finder<'q> {
    pub fn new(query: &'q Query) -> Self {
        let parse = |text: &str| Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
        // In names, words out of what all points of functions begin with say nothing.
        let said = |word: &&str| word.len() < 3 || !FUNCTION.contains(word);
        let names = query.words.split_whitespace().filter(said).collect::<Vec<_>>().join(" ");
        let by_names = !query.words.contains(['.', '(', '"']);
        Self {
            words: &query.words,
            of_points: parse(&query.words),
            of_names: by_names.then(|| parse(&names)),
            needed_in_points: needed(&query.words),
            needed_in_names: needed(&names),
        }
    }

    fn searched<'e>(&self, entry: &'e CatalogueEntry) -> (&'e str, &Pattern) {
        match (&self.of_names, function_name(entry)) {
            (Some(of_names), Some(name)) => (name, of_names),
            _ => (&entry.point, &self.of_points),
        }
    }

    /// Whether it could fit, by the letters of [`letters_of`].
    pub fn may_fit(&self, has: u64) -> bool {
        let (has, needed) = match (&self.of_names, has & IS_FUNCTION != 0) {
            (Some(_), true) => (has, self.needed_in_names),
            (None, true) => (has | letters(FUNCTION), self.needed_in_points),
            (_, false) => (has, self.needed_in_points),
        };
        needed & !has == 0
    }

    pub fn find(&self, entry: &CatalogueEntry, idx: u32, eyes: &mut Eyes) -> Option<Match> {
        let (text, pattern) = self.searched(entry);
        let score = pattern.score(Utf32Str::new(text, &mut eyes.utf32), &mut eyes.matcher)?;
        // What is called just so comes first, of that the system call: `write` is neither a tracepoint nor `procfs.write`.
        let end = entry.point.strip_suffix("\")").unwrap_or(&entry.point);
        let is_called = end.ends_with(self.words) && entry.label() == self.words;
        let called = if is_called { CALLED + u32::from(&*entry.group == "syscall") } else { 0 };
        Some(Match::new(score + called, entry.point.len(), idx))
    }

    /// Characters of an entry's point that were found.
    pub fn indices(&self, entry: &CatalogueEntry, matcher: &mut Matcher) -> Vec<u32> {
        let (text, pattern) = self.searched(entry);
        let skipped = entry.point.find(text).unwrap_or(0) as u32;
        let (mut out, mut utf32) = (Vec::new(), Vec::new());
        pattern.indices(Utf32Str::new(text, &mut utf32), matcher, &mut out);
        out.iter_mut().for_each(|at| *at += skipped);
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// What one thread looks at entries with.
pub(super) struct Eyes {
    matcher: Matcher,
    /// Room for a text that is not ASCII.
    utf32: Vec<char>,
}

impl Eyes {
    pub fn new() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT), utf32: Vec::new() }
    }
}

/// Fewer than this are not worth another thread.
const A_SHARE: usize = 8192;
/// More threads gain little: the frame has to be drawn, too.
const MOST_THREADS: usize = 4;

/// Puts what `fit` makes of the candidates in `found`. Very many are shared among threads: two letters that most names have
/// take a third of a microsecond each.
pub(super) fn find_all(
    candidates: &[u32],
    eyes: &mut Vec<Eyes>,
    found: &mut Vec<Match>,
    fit: impl Fn(u32, &mut Eyes) -> Option<Match> + Sync,
) {
    let n_shares = (candidates.len() / A_SHARE).clamp(1, MOST_THREADS.min(n_processors()));
    eyes.resize_with(n_shares.max(eyes.len()), Eyes::new);
    let shares: Vec<&[u32]> = candidates.chunks(candidates.len().div_ceil(n_shares).max(1)).collect();
    let Some((ours, others)) = shares.split_first() else { return };
    let (our_eyes, other_eyes) = eyes.split_at_mut(1);
    let fit = &fit;
    std::thread::scope(|scope| {
        let look = |share: &'_ [u32], eyes: &mut Eyes, found: &mut Vec<Match>| {
            found.extend(share.iter().filter_map(|idx| fit(*idx, eyes)));
        };
        // Their room is made here: threads that allocate have heaps of their own.
        let others = others.iter().zip(other_eyes).map(|(share, eyes)| {
            let mut theirs = Vec::with_capacity(share.len());
            scope.spawn(move || {
                look(share, eyes, &mut theirs);
                theirs
            })
        });
        let others: Vec<_> = others.collect();
        look(ours, &mut our_eyes[0], found);
        for other in others {
            match other.join() {
                Ok(theirs) => found.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
}

fn n_processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_rule_out_nothing_that_fits() {
        let entry = |point: &str| CatalogueEntry { point: point.into(), ..CatalogueEntry::default() };
        let points = [
            "syscall.openat",
            "kernel.trace(\"sched:sched_switch\")",
            "kernel.function(\"vfs_read\")",
            "kernel.function(\"_Größe9\")",
            "timer.s(NUMBER)",
            "process(\"PATH\").begin",
        ];
        let filters = [
            "openat",
            "OPEN",
            "Open",
            "sched !wake",
            "!open",
            "^kernel",
            "kernel vfs",
            "n.f read",
            "\"vfs_read\")",
            "'vfs",
            "read$",
            "grosse",
            "größe",
            "_9",
            "s(",
            "e",
            "q",
            "path begin",
        ];
        let mut eyes = Eyes::new();
        let mut ruled_out = 0;
        for filter in filters {
            let query = Query::parse(filter);
            let finder = Finder::new(&query);
            for entry in points.map(entry) {
                let may = finder.may_fit(letters_of(&entry));
                assert!(may || finder.find(&entry, 0, &mut eyes).is_none(), "{filter} {}", entry.point);
                ruled_out += usize::from(!may);
            }
        }
        assert!(ruled_out > 30, "{ruled_out}");
    }

    #[test]
    fn many_candidates_are_looked_at_once_each() {
        for n in [0, 1, A_SHARE as u32, 5 * A_SHARE as u32 + 3] {
            let candidates: Vec<u32> = (0..n).collect();
            let (mut eyes, mut found) = (Vec::new(), Vec::new());
            find_all(&candidates, &mut eyes, &mut found, |idx, _| (idx % 3 != 1).then(|| Match::new(1, 1, idx)));
            let mut indices: Vec<u32> = found.into_iter().map(Match::idx).collect();
            indices.sort_unstable();
            assert_eq!(indices, candidates.into_iter().filter(|idx| idx % 3 != 1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_best_are_in_order() {
        let all: Vec<Match> = (0..5000).map(|n| Match::new(n * 7919 % 1009, 5, n)).collect();
        let mut sorted = all.clone();
        put_in_order(&mut sorted, true);
        let mut best = all;
        put_in_order(&mut best, false);
        assert_eq!(best[..IN_ORDER], sorted[..IN_ORDER]);
        assert_ne!(best, sorted);
    }
}
