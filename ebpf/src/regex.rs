//! Whether a text contains a match, as a table: a deterministic automaton over bytes that a loop of a few instructions
//! runs. Built by crate regex-automata, then made as small as it can be.
//!
//! ```text
//!   state = start
//!   for each byte of the text, its NUL included:
//!       state = table[state + classes[byte]]         ACCEPT or REJECT ends it, at the NUL for sure
//! ```
//!
//! A pattern is in the syntax of crate regex over bytes: no Unicode classes, `.` matches any byte.

use std::collections::HashMap;

use regex_automata::{
    Anchored,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};

/// In the place of a state: the text contains a match.
pub const ACCEPT: u16 = u16::MAX;
/// In the place of a state: it contains none.
pub const REJECT: u16 = u16::MAX - 1;

/// Entries of the largest table there may be, 128 KiB.
const MAX_ENTRIES: usize = REJECT as usize;
/// Bytes the automaton may take on the way there.
const MAX_BUILD: usize = 2 << 20;

/// The automaton. Unanchored, it ends at the first byte that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dfa {
    /// By byte. Byte 0 ends a text and has a class of its own.
    pub classes: [u8; 256],
    pub n_classes: usize,
    /// Row by row, a row for each state: by class the offset of the next state's row, or [`ACCEPT`] or [`REJECT`].
    pub table: Vec<u16>,
    /// Offset of the first state's row, or a verdict that does not depend on the text.
    pub start: u16,
}

/// Why there is no automaton for a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DfaError {
    #[error("its table would have more than {MAX_ENTRIES} entries")]
    TooLarge,
    #[error("it is no regular expression")]
    Malformed,
}

impl Dfa {
    /// The automaton of a pattern.
    ///
    /// # Errors
    /// It would take too much memory; or the pattern is malformed.
    pub fn new(pattern: &[u8]) -> Result<Dfa, DfaError> {
        let pattern = std::str::from_utf8(pattern).map_err(|_| DfaError::Malformed)?;
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .accelerate(false)
                    .dfa_size_limit(Some(MAX_BUILD))
                    .determinize_size_limit(Some(MAX_BUILD)),
            )
            .syntax(syntax())
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_BUILD)))
            .build(pattern)
            .map_err(|error| match error.is_size_limit_exceeded() || is_nfa_too_large(&error) {
                true => DfaError::TooLarge,
                false => DfaError::Malformed,
            })?;
        let classes = *dfa.byte_classes();
        Rows::of(&dfa, |byte| classes.get(byte))?.merged().finish()
    }

    /// What the kernel's loop does. The text has no NUL.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        for byte in text.iter().chain(&[0]) {
            if state >= REJECT {
                break;
            }
            state = self.table[usize::from(state) + usize::from(self.classes[usize::from(*byte)])];
        }
        state == ACCEPT
    }
}

/// How patterns are read, for everyone who reads them.
pub fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true)
}

/// The builder's own question looks at the last step only.
fn is_nfa_too_large(error: &dense::BuildError) -> bool {
    use std::error::Error;
    error
        .source()
        .and_then(|source| source.downcast_ref::<thompson::BuildError>())
        .is_some_and(|error| error.size_limit().is_some())
}

/// A state while the table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Next {
    State(u32),
    Accept,
    Reject,
}

/// Rounds of merging states; each may make more of them alike.
const MAX_ROUNDS: usize = 16;

/// Every state that can be reached.
struct Rows {
    /// By state, then by column.
    rows: Vec<Vec<Next>>,
    /// By byte. Column 0 is the text's end.
    columns: [u8; 256],
    start: Next,
}

impl Rows {
    fn of<D: Automaton>(dfa: &D, class_of: impl Fn(u8) -> u8) -> Result<Rows, DfaError> {
        let config = start::Config::new().anchored(Anchored::No);
        let first = dfa.start_state(&config).map_err(|_| DfaError::Malformed)?;
        // Bytes of a class go the same way. There are at most 255 beside the end.
        let (mut columns, mut representatives) = ([0u8; 256], Vec::new());
        let mut known: HashMap<u8, u8> = HashMap::new();
        for byte in 1..=255u8 {
            columns[usize::from(byte)] = *known.entry(class_of(byte)).or_insert_with(|| {
                representatives.push(byte);
                representatives.len() as u8
            });
        }
        let mut numbers: HashMap<StateID, u32> = HashMap::from([(first, 0)]);
        let mut states = vec![first];
        let mut rows: Vec<Vec<Next>> = Vec::new();
        while let Some(state) = states.get(rows.len()).copied() {
            let at_end = dfa.is_match_state(dfa.next_eoi_state(state));
            let mut row = vec![if at_end { Next::Accept } else { Next::Reject }];
            for byte in &representatives {
                let next = dfa.next_state(state, *byte);
                row.push(if dfa.is_match_state(next) {
                    Next::Accept
                } else if dfa.is_dead_state(next) || dfa.is_quit_state(next) {
                    Next::Reject
                } else {
                    Next::State(*numbers.entry(next).or_insert_with(|| {
                        states.push(next);
                        states.len() as u32 - 1
                    }))
                });
            }
            rows.push(row);
        }
        Ok(Rows { rows, columns, start: Next::State(0) })
    }

    /// States that go the same ways become one; those that decide already become the verdict.
    fn merged(mut self) -> Rows {
        for verdict in [Next::Accept, Next::Reject] {
            self.settle(verdict);
        }
        for _ in 0..MAX_ROUNDS {
            let n_before = self.rows.len();
            let mut known: HashMap<Vec<Next>, u32> = HashMap::new();
            let (mut numbers, mut rows) = (Vec::with_capacity(n_before), Vec::new());
            for row in std::mem::take(&mut self.rows) {
                numbers.push(*known.entry(row).or_insert_with_key(|row| {
                    rows.push(row.clone());
                    rows.len() as u32 - 1
                }));
            }
            let renamed = |next: Next| match next {
                Next::State(state) => Next::State(numbers[state as usize]),
                verdict => verdict,
            };
            rows.iter_mut().flatten().for_each(|next| *next = renamed(*next));
            (self.rows, self.start) = (rows, renamed(self.start));
            if self.rows.len() == n_before {
                break;
            }
        }
        self.reached()
    }

    /// Without the states nothing leads to any more.
    fn reached(self) -> Rows {
        let mut numbers = vec![None; self.rows.len()];
        let (mut order, mut rows) = (Vec::new(), Vec::new());
        let mut number = |next: Next, order: &mut Vec<u32>| match next {
            Next::State(state) => Next::State(*numbers[state as usize].get_or_insert_with(|| {
                order.push(state);
                order.len() as u32 - 1
            })),
            verdict => verdict,
        };
        let start = number(self.start, &mut order);
        while let Some(state) = order.get(rows.len()).copied() {
            rows.push(self.rows[state as usize].iter().map(|next| number(*next, &mut order)).collect());
        }
        Rows { rows, start, ..self }
    }

    /// States from which every text comes to this verdict.
    fn settle(&mut self, verdict: Next) {
        let mut settled = vec![true; self.rows.len()];
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for (idx, row) in self.rows.iter().enumerate() {
                let stays = row.iter().all(|next| match next {
                    Next::State(state) => settled[*state as usize],
                    next => next == &verdict,
                });
                changed |= settled[idx] && !stays;
                settled[idx] &= stays;
            }
        }
        let seen = |next: Next| match next {
            Next::State(state) if settled[state as usize] => verdict,
            next => next,
        };
        self.rows.iter_mut().flatten().for_each(|next| *next = seen(*next));
        self.start = seen(self.start);
    }

    /// Bytes that no state tells apart share a class.
    fn finish(self) -> Result<Dfa, DfaError> {
        let Next::State(_) = self.start else {
            let start = if self.start == Next::Accept { ACCEPT } else { REJECT };
            return Ok(Dfa { classes: [0; 256], n_classes: 1, table: Vec::new(), start });
        };
        let mut representatives = vec![0];
        let mut known: HashMap<Vec<Next>, u8> = HashMap::new();
        let classes = std::array::from_fn(|byte| {
            if byte == 0 {
                return 0;
            }
            let column = usize::from(self.columns[byte]);
            *known.entry(self.rows.iter().map(|row| row[column]).collect()).or_insert_with(|| {
                representatives.push(column);
                representatives.len() as u8 - 1
            })
        });
        let n_classes = representatives.len();
        if self.rows.len() * n_classes > MAX_ENTRIES {
            return Err(DfaError::TooLarge);
        }
        let offset = |next: Next| match next {
            Next::State(state) => (state as usize * n_classes) as u16,
            Next::Accept => ACCEPT,
            Next::Reject => REJECT,
        };
        let table = self.rows.iter().flat_map(|row| representatives.iter().map(|column| offset(row[*column])));
        Ok(Dfa { classes, n_classes, table: table.collect(), start: offset(self.start) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::nfa::thompson::pikevm::PikeVM;

    use super::*;

    fn size(pattern: &str) -> (usize, usize) {
        let dfa = Dfa::new(pattern.as_bytes()).unwrap();
        (dfa.table.len() / dfa.n_classes, dfa.n_classes)
    }

    #[test]
    fn tables_are_small() {
        // Nothing but a verdict; else a state for each byte of progress.
        assert_eq!(Dfa::new(b"x*").unwrap().start, ACCEPT);
        assert_eq!(Dfa::new(b"a^b").unwrap().start, REJECT);
        assert_eq!(size("a|ab"), (1, 3));
        assert_eq!(size("needle"), (6, 6));
        assert_eq!(size("^/(dev|proc)/"), (8, 10));
    }

    #[test]
    fn what_is_too_large_is_said() {
        assert_eq!(Dfa::new(b"a.{12}b.{12}c"), Err(DfaError::TooLarge));
        assert_eq!(Dfa::new(b"((a{99}){99}){99}"), Err(DfaError::TooLarge));
        assert_eq!(Dfa::new(b"("), Err(DfaError::Malformed));
    }

    /// Random patterns over three letters.
    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec!["a", "b", "c", ".", "[^a]", "^", "$", "(?:)", "[ab]", r"\xff"]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| a + &b),
                2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(?:{a}|{b})")),
                2 => (inner, prop::sample::select(vec!["*", "+", "?", "{2}", "{0,3}"]))
                    .prop_map(|(a, n)| format!("(?:{a}){n}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn finds_what_the_crate_finds(
            pattern in pattern(),
            texts in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abcx\xff".to_vec()), 0..9), 8),
        ) {
            let dfa = Dfa::new(pattern.as_bytes()).unwrap();
            let vm = PikeVM::builder().syntax(syntax()).thompson(thompson::Config::new().utf8(false)).build(&pattern).unwrap();
            let mut cache = vm.create_cache();
            for text in texts {
                prop_assert_eq!(dfa.is_match(&text), vm.is_match(&mut cache, &text[..]), "{} in {:?}", pattern, text);
            }
        }
    }
}
