//! Which chord does what where. Defaults come from [`ACTIONS`]; a user's TOML replaces the keys of the actions it names:
//! `run = ["C-r", "F5"]`.

use super::keys::{Chord, parse_sequence};
use crate::tui::action::{ACTIONS, Act, Action, Where};

/// Chords of every row of [`ACTIONS`], in its order.
#[derive(Clone, Debug)]
pub struct Keymap {
    keys: Vec<Vec<Vec<Chord>>>,
}

/// What a chord means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    Action(Act),
    /// The first chord of a sequence.
    Pending,
    None,
}

impl Default for Keymap {
    fn default() -> Self {
        Self {
            keys: ACTIONS.iter().map(|row| row.keys.iter().filter_map(|text| parse_sequence(text)).collect()).collect(),
        }
    }
}

impl Keymap {
    /// The defaults with `text` (TOML, action name to list of keys) over them, and what is wrong with it.
    pub fn with_overrides(text: &str) -> (Self, Vec<String>) {
        let mut map = Self::default();
        let mut wrong = Vec::new();
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return (map, vec![error.to_string()]),
        };
        for (name, value) in table {
            if !ACTIONS.iter().any(|row| row.name == name) {
                wrong.push(format!("no action is called '{name}'"));
                continue;
            }
            let texts: Vec<&str> = match &value {
                toml::Value::String(text) => vec![text],
                toml::Value::Array(list) => list.iter().filter_map(|v| v.as_str()).collect(),
                _ => Vec::new(),
            };
            let mut chords = Vec::new();
            for text in texts {
                match parse_sequence(text) {
                    Some(sequence) => chords.push(sequence),
                    None => wrong.push(format!("'{name}': '{text}' is not a key")),
                }
            }
            for (row, keys) in ACTIONS.iter().zip(&mut map.keys) {
                if row.name == name {
                    keys.clone_from(&chords);
                }
            }
        }
        wrong.extend(map.conflicts());
        (map, wrong)
    }

    /// The keys of a row of [`ACTIONS`].
    pub fn keys(&self, row: &Action) -> &[Vec<Chord>] {
        let idx = ACTIONS.iter().position(|other| std::ptr::eq(other, row));
        idx.map_or(&[], |idx| self.keys[idx].as_slice())
    }

    /// The first key as the key bar shows it.
    pub fn shown(&self, row: &Action, unicode: bool) -> String {
        self.keys(row).first().map_or(String::new(), |sequence| sequence.iter().map(|c| c.shown(unicode)).collect())
    }

    /// All keys as help shows them.
    pub fn shown_all(&self, row: &Action, unicode: bool) -> String {
        let all: Vec<String> =
            self.keys(row).iter().map(|s| s.iter().map(|c| c.shown(unicode)).collect::<String>()).collect();
        all.join(" ")
    }

    /// `places` are tried in order; the nearest meaning wins.
    pub fn lookup(&self, pending: Option<Chord>, chord: Chord, places: &[Where]) -> Lookup {
        let mut starts = false;
        for place in places {
            for (row, keys) in ACTIONS.iter().zip(&self.keys).filter(|(row, _)| row.places.contains(place)) {
                for sequence in keys {
                    match (pending, sequence.as_slice()) {
                        (None, [only]) if *only == chord => return Lookup::Action(row.act),
                        (None, [first, _]) if *first == chord => starts = true,
                        (Some(first), [a, b]) if *a == first && *b == chord => return Lookup::Action(row.act),
                        _ => (),
                    }
                }
            }
            if starts {
                return Lookup::Pending;
            }
        }
        Lookup::None
    }

    /// Two actions of one place on one key.
    pub fn conflicts(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (idx, row) in ACTIONS.iter().enumerate() {
            for (other_idx, other) in ACTIONS.iter().enumerate().skip(idx + 1) {
                if row.act == other.act || !row.places.iter().any(|place| other.places.contains(place)) {
                    continue;
                }
                for key in &self.keys[idx] {
                    if self.keys[other_idx].contains(key) {
                        let key: Vec<String> = key.iter().map(Chord::to_string).collect();
                        wrong.push(format!("'{}' and '{}' share the key {}", row.name, other.name, key.join(" ")));
                    }
                }
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_do_not_collide() {
        assert_eq!(Keymap::default().conflicts(), Vec::<String>::new());
    }

    #[test]
    fn every_default_key_parses_and_round_trips() {
        for row in ACTIONS {
            for text in row.keys {
                let sequence = parse_sequence(text).unwrap_or_else(|| panic!("{}: {text}", row.name));
                let back: Vec<String> = sequence.iter().map(Chord::to_string).collect();
                assert_eq!(back.join(" "), *text, "{}", row.name);
            }
        }
    }

    #[test]
    fn overrides_replace_and_report() {
        let (map, wrong) = Keymap::with_overrides("run = ['F9']\nsave = ['Hyper-x']\nfly = ['a']\nstop = ['F9']");
        assert_eq!(map.shown(&ACTIONS[0], true), "F9");
        assert_eq!(
            wrong,
            ["no action is called 'fly'", "'save': 'Hyper-x' is not a key", "'run' and 'stop' share the key F9"]
        );
    }
}
