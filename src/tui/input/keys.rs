//! Key chords: one spelling for configuration files (`C-r`, `S-F6`, `Space`), one for the key bar (`⌃R`), and key
//! strings for tests (`"4/fsync<ret><C-r>"`).

use std::fmt;

use crossterm::event::{KeyCode, KeyModifiers};

/// A key with its modifiers, in one normal form: Shift is part of a character, never beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Chord {
    pub code: KeyCode,
    pub mods: KeyModifiers,
}

const NAMED: &[(&str, KeyCode, &str, &str)] = &[
    // name, code, shown, shown in ASCII
    ("Enter", KeyCode::Enter, "↵", "Ent"),
    ("Esc", KeyCode::Esc, "Esc", "Esc"),
    ("Tab", KeyCode::Tab, "⇥", "Tab"),
    ("Space", KeyCode::Char(' '), "␣", "Spc"),
    ("Backspace", KeyCode::Backspace, "⌫", "Bksp"),
    ("Delete", KeyCode::Delete, "Del", "Del"),
    ("Insert", KeyCode::Insert, "Ins", "Ins"),
    ("Home", KeyCode::Home, "Home", "Home"),
    ("End", KeyCode::End, "End", "End"),
    ("PgUp", KeyCode::PageUp, "PgUp", "PgUp"),
    ("PgDn", KeyCode::PageDown, "PgDn", "PgDn"),
    ("Up", KeyCode::Up, "↑", "Up"),
    ("Down", KeyCode::Down, "↓", "Down"),
    ("Left", KeyCode::Left, "←", "Left"),
    ("Right", KeyCode::Right, "→", "Right"),
];

impl Chord {
    pub fn new(code: KeyCode, mods: KeyModifiers) -> Self {
        let mut mods = mods & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::BackTab => {
                mods |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            // Terminals send the byte 0x1f for Ctrl-_, Ctrl-/ and Ctrl-7 alike.
            KeyCode::Char('7' | '/') if mods.contains(KeyModifiers::CONTROL) => KeyCode::Char('_'),
            KeyCode::Char(c) if mods.contains(KeyModifiers::CONTROL) => KeyCode::Char(c.to_ascii_lowercase()),
            KeyCode::Char(c) if mods.contains(KeyModifiers::SHIFT) && c.is_ascii_lowercase() => {
                KeyCode::Char(c.to_ascii_uppercase())
            }
            code => code,
        };
        if matches!(code, KeyCode::Char(_)) {
            mods -= KeyModifiers::SHIFT;
        }
        Self { code, mods }
    }

    /// The character this chord types, if it types one.
    pub fn typed(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.mods.is_empty() => Some(c),
            _ => None,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut mods) = (text, KeyModifiers::NONE);
        loop {
            let (flag, tail) = match rest.split_at_checked(2) {
                Some(("C-", tail)) => (KeyModifiers::CONTROL, tail),
                Some(("A-", tail)) => (KeyModifiers::ALT, tail),
                Some(("S-", tail)) => (KeyModifiers::SHIFT, tail),
                _ => break,
            };
            if tail.is_empty() {
                break;
            }
            mods |= flag;
            rest = tail;
        }
        if let Some((_, code, ..)) = NAMED.iter().find(|(name, ..)| name.eq_ignore_ascii_case(rest)) {
            return Some(Self::new(*code, mods));
        }
        let mut chars = rest.chars();
        match (chars.next(), chars.as_str()) {
            (Some(c), "") => Some(Self::new(KeyCode::Char(c), mods)),
            (Some('F'), number) => {
                number.parse().ok().filter(|n| (1..=24).contains(n)).map(|n| Self::new(KeyCode::F(n), mods))
            }
            _ => None,
        }
    }

    /// As the key bar shows it.
    pub fn shown(&self, unicode: bool) -> String {
        let mut out = String::new();
        for (flag, fancy, plain) in
            [(KeyModifiers::CONTROL, "⌃", "^"), (KeyModifiers::ALT, "⌥", "A-"), (KeyModifiers::SHIFT, "⇧", "S-")]
        {
            if self.mods.contains(flag) {
                out.push_str(if unicode { fancy } else { plain });
            }
        }
        match self.code {
            KeyCode::Char(c) if c != ' ' && self.mods.contains(KeyModifiers::CONTROL) => {
                out.extend(c.to_uppercase());
            }
            KeyCode::F(n) => out.push_str(&format!("F{n}")),
            code => match NAMED.iter().find(|(_, named, ..)| *named == code) {
                Some((_, _, fancy, plain)) => out.push_str(if unicode { fancy } else { plain }),
                None => {
                    if let KeyCode::Char(c) = code {
                        out.push(c);
                    }
                }
            },
        }
        out
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, text) in [(KeyModifiers::CONTROL, "C-"), (KeyModifiers::ALT, "A-"), (KeyModifiers::SHIFT, "S-")] {
            if self.mods.contains(flag) {
                f.write_str(text)?;
            }
        }
        match self.code {
            KeyCode::F(n) => write!(f, "F{n}"),
            code => match (NAMED.iter().find(|(_, named, ..)| *named == code), code) {
                (Some((name, ..)), _) => f.write_str(name),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, _) => f.write_str("?"),
            },
        }
    }
}

/// One or two chords pressed after each other: `g t`.
pub fn parse_sequence(text: &str) -> Option<Vec<Chord>> {
    let chords: Option<Vec<_>> = text.split(' ').map(Chord::parse).collect();
    chords.filter(|chords| (1..=2).contains(&chords.len()))
}

/// Keys as a test or demo writes them: plain characters, and `<ret> <esc> <tab> <space> <lt> <C-r> <F5> <Up>`.
pub fn parse_keys(text: &str) -> Vec<Chord> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some(end) = rest.find('>')
            && end > 1
        {
            let name = match &rest[1..end] {
                "ret" => "Enter",
                "lt" => "<",
                name => name,
            };
            if let Some(chord) = Chord::parse(name) {
                out.push(chord);
                rest = &rest[end + 1..];
                continue;
            }
        }
        out.push(Chord::new(KeyCode::Char(c), KeyModifiers::NONE));
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_round_trips() {
        for text in ["C-r", "S-F6", "Space", "a", "A", "/", "-", "C-_", "C-Space", "S-Tab", "Enter", "<", "F12", "A-x"]
        {
            let chord = Chord::parse(text).unwrap();
            assert_eq!(chord.to_string(), text);
            assert_eq!(Chord::parse(&chord.to_string()), Some(chord));
        }
        assert_eq!(Chord::parse("F99"), None);
        assert_eq!(Chord::parse("Hyper"), None);
    }

    #[test]
    fn ctrl_slash_and_ctrl_seven_are_ctrl_underscore() {
        let undo = Chord::parse("C-_").unwrap();
        assert_eq!(Chord::new(KeyCode::Char('7'), KeyModifiers::CONTROL), undo);
        assert_eq!(Chord::new(KeyCode::Char('/'), KeyModifiers::CONTROL), undo);
    }

    #[test]
    fn key_strings() {
        let keys: String = parse_keys("4/fs<ret><C-r>").iter().map(|c| format!("{c} ")).collect();
        expect_test::expect!["4 / f s Enter C-r "].assert_eq(&keys);
    }
}
