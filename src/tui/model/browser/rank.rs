//! How well entries fit the filter. Sixty thousand are looked at with each key, so what cannot fit is told by its letters
//! before its text is read, and only the best are put in order.

use nucleo_matcher::{
    Matcher, Utf32Str,
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

/// The letters of what an entry is looked for by.
pub(super) fn letters_of(entry: &CatalogueEntry) -> u64 {
    letters(function_name(entry).unwrap_or(&entry.point))
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
    pub fn may_fit(&self, entry: &CatalogueEntry, has: u64) -> bool {
        let (has, needed) = match (&self.of_names, entry.point.starts_with(FUNCTION)) {
            (Some(_), true) => (has, self.needed_in_names),
            (None, true) => (has | letters(FUNCTION), self.needed_in_points),
            (_, false) => (has, self.needed_in_points),
        };
        needed & !has == 0
    }

    pub fn find(
        &self,
        entry: &CatalogueEntry,
        idx: u32,
        matcher: &mut Matcher,
        utf32: &mut Vec<char>,
    ) -> Option<Match> {
        let (text, pattern) = self.searched(entry);
        let score = pattern.score(Utf32Str::new(text, utf32), matcher)?;
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

#[cfg(test)]
mod tests {
    use nucleo_matcher::Config;

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
        let (mut matcher, mut utf32) = (Matcher::new(Config::DEFAULT), Vec::new());
        let mut ruled_out = 0;
        for filter in filters {
            let query = Query::parse(filter);
            let finder = Finder::new(&query);
            for entry in points.map(entry) {
                let may = finder.may_fit(&entry, letters_of(&entry));
                assert!(may || finder.find(&entry, 0, &mut matcher, &mut utf32).is_none(), "{filter} {}", entry.point);
                ruled_out += usize::from(!may);
            }
        }
        assert!(ruled_out > 30, "{ruled_out}");
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
