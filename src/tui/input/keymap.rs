//! Which chord does what where. A preset of [`ACTIONS`] is the start; settings replace the keys of the actions they name.

use super::keys::{Chord, parse_sequence};
use crate::tui::action::{ACTIONS, Act, Action, Preset, Where};

/// Chords of every row of [`ACTIONS`], in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    pub preset: Preset,
    keys: Vec<Vec<Vec<Chord>>>,
}

/// What a chord means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    Action(Act),
    /// The first chord of a sequence; and what it does when nothing follows.
    Prefix(Option<Act>),
    None,
}

/// Two actions of one place on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub place: Where,
    pub keys: Vec<Chord>,
    pub first: &'static str,
    pub second: &'static str,
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = sequence_name(&self.keys);
        write!(f, "'{}' and '{}' share the key {keys} in '{}'", self.first, self.second, self.place.name())
    }
}

/// As settings write it: `C-x C-s`.
pub fn sequence_name(keys: &[Chord]) -> String {
    keys.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(Preset::Default)
    }
}

impl Keymap {
    pub fn new(preset: Preset) -> Self {
        let chords = |row: &Action| row.keys(preset).iter().filter_map(|text| parse_sequence(text)).collect();
        Self { preset, keys: ACTIONS.iter().map(chords).collect() }
    }

    /// Gives the action these keys instead of the ones it has, in `place` or everywhere it can be done. Says whether
    /// there is such an action there. Keys that type text are kept out of places where text is typed, if the action can
    /// be done elsewhere too; the others come back as not taken.
    pub fn replace(&mut self, name: &str, place: Option<Where>, keys: &[Vec<Chord>]) -> Option<Vec<Vec<Chord>>> {
        let meant = |row: &&Action| row.name == name && place.is_none_or(|place| row.places.contains(&place));
        if !ACTIONS.iter().any(|row| meant(&row)) {
            return None;
        }
        let mut refused = keys.to_vec();
        for (row, slot) in ACTIONS.iter().zip(&mut self.keys).filter(|(row, _)| meant(row)) {
            let text_here = row.places.iter().any(|place| place.takes_text());
            let taken: Vec<_> = keys.iter().filter(|keys| !(text_here && types_text(keys))).cloned().collect();
            refused.retain(|keys| !taken.contains(keys));
            *slot = taken;
        }
        Some(refused)
    }

    /// The action no longer has this key in `place`.
    pub fn take_away(&mut self, name: &str, place: Where, keys: &[Chord]) {
        for (row, slot) in ACTIONS.iter().zip(&mut self.keys) {
            if row.name == name && row.places.contains(&place) {
                slot.retain(|sequence| sequence != keys);
            }
        }
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

    /// `text` with every `{action}` replaced by the key that does it in one of `places`, or by its command.
    pub fn fill(&self, text: &str, places: &[Where], unicode: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let action = after.split_once('}').filter(|(name, _)| ACTIONS.iter().any(|row| row.name == *name));
            let Some((name, tail)) = action else {
                // A brace of the text itself.
                out.push('{');
                rest = after;
                continue;
            };
            let rows = || ACTIONS.iter().filter(|row| row.name == name && !self.keys(row).is_empty());
            let near = places.iter().find_map(|place| rows().find(|row| row.places.contains(place)));
            match near.or_else(|| rows().next()) {
                Some(row) => out.push_str(&self.shown(row, unicode)),
                None => out.push_str(&format!(":{name}")),
            }
            rest = tail;
        }
        out + rest
    }

    /// `places` are tried in order; the nearest meaning wins.
    pub fn lookup(&self, pending: Option<Chord>, chord: Chord, places: &[Where]) -> Lookup {
        let mut starts = false;
        for place in places {
            let mut here = None;
            for (row, sequence) in self.bindings(*place) {
                match (pending, sequence) {
                    (None, [only]) if *only == chord => here = Some(row.act),
                    (None, [first, _]) if *first == chord => starts = true,
                    (Some(first), [a, b]) if *a == first && *b == chord => return Lookup::Action(row.act),
                    _ => (),
                }
            }
            match (starts, here) {
                (false, Some(act)) => return Lookup::Action(act),
                (true, Some(act)) => return Lookup::Prefix(Some(act)),
                _ => (),
            }
        }
        if starts { Lookup::Prefix(None) } else { Lookup::None }
    }

    /// What may follow the first chord of a sequence, nearest places first.
    pub fn continuations(&self, first: Chord, places: &[Where]) -> Vec<(Chord, &'static Action)> {
        let mut out: Vec<(Chord, &'static Action)> = Vec::new();
        for place in places {
            for (row, sequence) in self.bindings(*place) {
                if let [a, b] = sequence
                    && *a == first
                    && !out.iter().any(|(chord, _)| chord == b)
                {
                    out.push((*b, row));
                }
            }
        }
        out
    }

    fn bindings(&self, place: Where) -> impl Iterator<Item = (&'static Action, &[Chord])> {
        let rows = ACTIONS.iter().zip(&self.keys).filter(move |(row, _)| row.places.contains(&place));
        rows.flat_map(|(row, keys)| keys.iter().map(move |sequence| (row, sequence.as_slice())))
    }

    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut out = Vec::new();
        for place in Where::ALL {
            let all: Vec<_> = self.bindings(place).collect();
            for (n, (row, keys)) in all.iter().enumerate() {
                let double = all[n + 1..].iter().filter(|(other, same)| other.act != row.act && same == keys);
                out.extend(double.map(|(other, _)| Conflict {
                    place,
                    keys: keys.to_vec(),
                    first: row.name,
                    second: other.name,
                }));
            }
        }
        out
    }
}

/// Whether the sequence begins with what a text takes: a character without Ctrl or Alt.
fn types_text(keys: &[Chord]) -> bool {
    keys.first().is_some_and(|chord| chord.typed().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_do_not_collide() {
        for preset in Preset::ALL {
            let wrong: Vec<String> = Keymap::new(preset).conflicts().iter().map(Conflict::to_string).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{}", preset.name());
        }
    }

    #[test]
    fn every_key_parses_and_round_trips() {
        for preset in Preset::ALL {
            for row in ACTIONS {
                for text in row.keys(preset) {
                    let sequence = parse_sequence(text).unwrap_or_else(|| panic!("{}: {text}", row.name));
                    assert_eq!(sequence_name(&sequence), *text, "{}", row.name);
                    let text_here = row.places.iter().any(|place| place.takes_text());
                    assert!(!text_here || !types_text(&sequence), "{}: {text} is text in the editor", row.name);
                }
            }
        }
    }

    #[test]
    fn defaults_need_no_special_terminal() {
        for row in ACTIONS {
            for text in row.keys(Preset::Default) {
                // Alt is what Esc and a key look like; the others are Backspace, Tab, Enter, and tmux's prefix.
                assert!(!text.contains("A-") && !["C-h", "C-i", "C-m", "C-j", "C-b"].contains(text), "{text}");
            }
        }
    }

    #[test]
    fn a_prefix_that_is_a_key_itself_waits_for_what_follows() {
        let map = Keymap::default();
        let chord = |text| Chord::parse(text).unwrap();
        let places = [Where::Live, Where::Panes, Where::Everywhere];
        assert_eq!(map.lookup(None, chord("g"), &places), Lookup::Prefix(Some(Act::Top)));
        assert_eq!(map.lookup(Some(chord("g")), chord("t"), &places), Lookup::Action(Act::GoToTime));
        assert_eq!(map.lookup(Some(chord("g")), chord("q"), &places), Lookup::None);
        assert_eq!(map.lookup(None, chord("g"), &[Where::Probes, Where::Panes]), Lookup::Action(Act::Top));
        assert_eq!(map.lookup(None, chord("C-w"), &[Where::Live, Where::Windows]), Lookup::Prefix(None));
        assert_eq!(map.continuations(chord("g"), &places).len(), 1);
    }

    #[test]
    fn texts_name_the_keys_there_are() {
        let mut map = Keymap::default();
        assert_eq!(map.fill("{run} runs, {open} opens, {x} {", &[], true), "⌃R runs, :open opens, {x} {");
        map.replace("run", None, &[parse_sequence("F9").unwrap()]);
        assert_eq!(map.fill("{run}", &[], true), "F9");
        assert_eq!(Keymap::default().fill("{help}", &[Where::Panes], true), "?");
    }
}
