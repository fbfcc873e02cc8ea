//! What terminals send for keys, pastes and the mouse, as messages. Whatever is not known is skipped whole.
//! Source: ctlseqs of xterm ("PC-Style Function Keys", "Bracketed Paste Mode", "SGR (1006)"), console_codes(4).

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};

use super::keys::Chord;
use crate::tui::app::Msg;

/// No key is longer; what is, is no key.
const LONGEST: usize = 64;
/// More is not pasted in one piece.
const LONGEST_PASTE: usize = 4 << 20;
/// A terminal sends a key in one piece; a line may cut it.
const KEY_WAIT: Duration = Duration::from_millis(25);
/// Between two pieces of a paste.
const PASTE_WAIT: Duration = Duration::from_secs(3);
const PASTE_START: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";
/// Rows for a notch of the wheel.
const WHEEL_ROWS: isize = 3;

/// Bytes that have come and not been taken.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// Where the search for the end of a paste goes on.
    searched: usize,
}

enum Step {
    /// A message and the bytes it took.
    Is(Msg, usize),
    Skip(usize),
    /// It may go on.
    More,
}

impl Parser {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message. `None` when there is none, or when it is not all here: see [`Parser::wait`].
    pub fn take(&mut self) -> Option<Msg> {
        self.step(false).map(|(msg, _)| msg)
    }

    /// The beginning of something is here, an Esc that may be a key by itself or the first byte of another: how long the
    /// rest may take to come.
    pub fn wait(&self) -> Option<Duration> {
        let wait = if self.bytes.starts_with(PASTE_START) { PASTE_WAIT } else { KEY_WAIT };
        (!self.bytes.is_empty()).then_some(wait)
    }

    /// Nothing more came: what is here means what it means alone.
    pub fn give_up_waiting(&mut self) -> Option<Msg> {
        self.step(true).map(|(msg, _)| msg)
    }

    /// What was typed and not taken; reports of the mouse and half sequences are dropped.
    pub fn take_typed(&mut self) -> Vec<u8> {
        let mut typed = Vec::new();
        while let Some((msg, bytes)) = self.step(true) {
            match msg {
                // The beginning of a report, rather than a key nobody has.
                Msg::Key(_) if matches!(bytes[..], [0x1b, b'[' | b'O']) => (),
                Msg::Key(_) => typed.extend(bytes),
                Msg::Paste(text) => typed.extend_from_slice(text.as_bytes()),
                _ => (),
            }
        }
        typed
    }

    /// A message with the bytes it was.
    fn step(&mut self, alone: bool) -> Option<(Msg, Vec<u8>)> {
        loop {
            let in_paste = self.bytes.starts_with(PASTE_START);
            let step = if in_paste { self.paste(alone) } else { one(&self.bytes, alone) };
            match step {
                Step::Is(msg, n) => return Some((msg, self.bytes.drain(..n).collect())),
                Step::Skip(n) => drop(self.bytes.drain(..n.max(1).min(self.bytes.len()))),
                Step::More => return None,
            }
        }
    }

    fn paste(&mut self, alone: bool) -> Step {
        let start = PASTE_START.len();
        let from = self.searched.max(start).min(self.bytes.len());
        let end = self.bytes[from..].windows(PASTE_END.len()).position(|at| at == PASTE_END).map(|at| from + at);
        let (end, taken) = match end {
            Some(end) => (end, end + PASTE_END.len()),
            None if alone || self.bytes.len() > LONGEST_PASTE => (self.bytes.len(), self.bytes.len()),
            None => {
                self.searched = self.bytes.len().saturating_sub(PASTE_END.len());
                return Step::More;
            }
        };
        self.searched = 0;
        Step::Is(Msg::Paste(String::from_utf8_lossy(&self.bytes[start.min(end)..end]).into_owned()), taken)
    }
}

fn key(code: KeyCode, mods: KeyModifiers, taken: usize) -> Step {
    Step::Is(Msg::Key(Chord::new(code, mods)), taken)
}

/// The message at the start of `bytes`; `alone`: nothing follows them.
fn one(bytes: &[u8], alone: bool) -> Step {
    let none = KeyModifiers::NONE;
    match *bytes {
        [] => Step::More,
        [0x1b] if alone => key(KeyCode::Esc, none, 1),
        [0x1b] => Step::More,
        [0x1b, 0x1b, ..] => key(KeyCode::Esc, none, 1),
        [0x1b, b'[' | b'O'] if !alone => Step::More,
        [0x1b, b'[', _, ..] => control_sequence(bytes, alone),
        [0x1b, b'O', last, ..] => match function_key(last) {
            Some(code) => key(code, none, 3),
            None if last < b' ' => key(KeyCode::Char('O'), KeyModifiers::ALT, 2),
            None => Step::Skip(3),
        },
        // Alt puts an Esc before the key.
        [0x1b, ref rest @ ..] => match character(rest, alone) {
            Step::Is(Msg::Key(chord), n) => key(chord.code, chord.mods | KeyModifiers::ALT, n + 1),
            Step::Is(msg, n) => Step::Is(msg, n + 1),
            Step::Skip(n) => Step::Skip(n + 1),
            Step::More => Step::More,
        },
        _ => character(bytes, alone),
    }
}

/// A character or a control byte.
fn character(bytes: &[u8], alone: bool) -> Step {
    let control = |c: char| key(KeyCode::Char(c), KeyModifiers::CONTROL, 1);
    match bytes[0] {
        b'\r' => key(KeyCode::Enter, KeyModifiers::NONE, 1),
        b'\t' => key(KeyCode::Tab, KeyModifiers::NONE, 1),
        0x7f => key(KeyCode::Backspace, KeyModifiers::NONE, 1),
        0 => control(' '),
        byte @ 0x01..=0x1a => control((byte - 1 + b'a').into()),
        byte @ 0x1c..=0x1f => control((byte - 0x1c + b'4').into()),
        0x1b => key(KeyCode::Esc, KeyModifiers::NONE, 1),
        byte => {
            let len = match byte {
                0..0x80 => 1,
                0xc2..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0..0xf5 => 4,
                _ => return Step::Skip(1),
            };
            let have = &bytes[..len.min(bytes.len())];
            match std::str::from_utf8(have) {
                Ok(text) => match text.chars().next() {
                    Some(c) => key(KeyCode::Char(c), KeyModifiers::NONE, len),
                    None => Step::Skip(1),
                },
                Err(error) if error.error_len().is_none() && !alone => Step::More,
                Err(_) => Step::Skip(1),
            }
        }
    }
}

/// The final byte of a key that has no number.
fn function_key(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'Z' => KeyCode::BackTab,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    })
}

/// A key that has a number.
fn numbered_key(number: u32) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number as u8 - 10),
        17..=21 => KeyCode::F(number as u8 - 11),
        23..=26 => KeyCode::F(number as u8 - 12),
        28 | 29 => KeyCode::F(number as u8 - 13),
        31..=34 => KeyCode::F(number as u8 - 14),
        _ => return None,
    })
}

/// `ESC [`, parameters, a final byte.
fn control_sequence(bytes: &[u8], alone: bool) -> Step {
    // F1 to F5 of the Linux console.
    if bytes[2] == b'[' {
        return match bytes.get(3) {
            Some(last @ b'A'..=b'E') => key(KeyCode::F(last - b'A' + 1), KeyModifiers::NONE, 4),
            Some(_) => Step::Skip(4),
            None if alone => Step::Skip(3),
            None => Step::More,
        };
    }
    let body = &bytes[2..bytes.len().min(LONGEST)];
    let Some(at) = body.iter().position(|byte| !(0x20..0x40).contains(byte)) else {
        return if alone || bytes.len() >= LONGEST { Step::Skip(bytes.len().min(LONGEST)) } else { Step::More };
    };
    let (last, taken) = (body[at], at + 3);
    // Not a final byte: something else began.
    if !(0x40..0x7f).contains(&last) {
        return Step::Skip(taken - 1);
    }
    let parameters = String::from_utf8_lossy(&body[..at]);
    if let Some(mouse) = parameters.strip_prefix('<') {
        return match mouse_report(mouse, last) {
            Some(msg) => Step::Is(msg, taken),
            None => Step::Skip(taken),
        };
    }
    // Where SGR reports are not known the coordinates are three bytes.
    if last == b'M' && at == 0 {
        return if bytes.len() >= 6 || alone { Step::Skip(6) } else { Step::More };
    }
    let mut numbers = parameters.split(';').map(|n| n.split(':').next().unwrap_or("").parse::<u32>().ok());
    let (first, second, third) = (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten());
    let mods = modifiers(second.unwrap_or(1));
    let known = match last {
        // xterm's modifyOtherKeys, and the form kitty made of it.
        b'~' if first == Some(27) => third.and_then(char::from_u32).map(|c| (typed(c), mods)),
        b'u' => first.and_then(char::from_u32).map(|c| (typed(c), mods)),
        b'~' => first.and_then(numbered_key).map(|code| (code, mods)),
        _ => function_key(last).map(|code| (code, mods)),
    };
    match known {
        Some((code, mods)) => key(code, mods, taken),
        None => Step::Skip(taken),
    }
}

fn typed(c: char) -> KeyCode {
    match c {
        '\r' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\x1b' => KeyCode::Esc,
        '\x7f' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    }
}

/// One more than the bits Shift, Alt, Control.
fn modifiers(parameter: u32) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    let mut mods = KeyModifiers::NONE;
    for (bit, flag) in [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)] {
        if bits & bit != 0 {
            mods |= flag;
        }
    }
    mods
}

/// `BUTTON;X;Y`, coordinates from 1; `M` is pressed, `m` released.
fn mouse_report(parameters: &str, last: u8) -> Option<Msg> {
    let mut numbers = parameters.split(';').map(|n| n.parse::<u16>().ok());
    let (button, x, y) = (numbers.next()??, numbers.next()??.checked_sub(1)?, numbers.next()??.checked_sub(1)?);
    match (button, last) {
        (0, b'M') => Some(Msg::Click { x, y }),
        (32, b'M') => Some(Msg::Drag { x, y }),
        (0, b'm') => Some(Msg::Release),
        (64, b'M') => Some(Msg::Wheel { x, y, rows: -WHEEL_ROWS }),
        (65, b'M') => Some(Msg::Wheel { x, y, rows: WHEEL_ROWS }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(msg: Msg) -> String {
        match msg {
            Msg::Key(chord) => chord.to_string(),
            Msg::Paste(text) => format!("paste {text:?}"),
            Msg::Click { x, y } => format!("click {x},{y}"),
            Msg::Drag { x, y } => format!("drag {x},{y}"),
            Msg::Release => "release".to_owned(),
            Msg::Wheel { x, y, rows } => format!("wheel {x},{y} {rows}"),
            other => panic!("{other:?}"),
        }
    }

    fn parse(bytes: &[u8]) -> Vec<String> {
        let mut parser = Parser::default();
        parser.feed(bytes);
        let mut out: Vec<String> = std::iter::from_fn(|| parser.take()).map(say).collect();
        out.extend(std::iter::from_fn(|| parser.give_up_waiting()).map(say));
        out
    }

    fn one_key(bytes: &[u8]) -> String {
        parse(bytes).join(" ")
    }

    #[test]
    fn keys() {
        for (bytes, name) in [
            (&b"a"[..], "a"),
            (b"\xc3\xa9", "é"),
            (b"\xe6\x97\xa5", "日"),
            (b"\r", "Enter"),
            (b"\t", "Tab"),
            (b"\x7f", "Backspace"),
            (b"\0", "C-Space"),
            (b"\x12", "C-r"),
            (b"\x1f", "C-_"),
            (b"\x08", "C-h"),
            (b"\x1b", "Esc"),
            (b"\x1bx", "A-x"),
            (b"\x1b\x7f", "A-Backspace"),
            (b"\x1b[A", "Up"),
            (b"\x1bOA", "Up"),
            (b"\x1b[1;5C", "C-Right"),
            (b"\x1b[H", "Home"),
            (b"\x1b[4~", "End"),
            (b"\x1b[5~", "PgUp"),
            (b"\x1b[3;5~", "C-Delete"),
            (b"\x1b[Z", "S-Tab"),
            (b"\x1bOP", "F1"),
            (b"\x1b[[C", "F3"),
            (b"\x1b[15~", "F5"),
            (b"\x1b[17;2~", "S-F6"),
            (b"\x1b[19~", "F8"),
            (b"\x1b[24~", "F12"),
            (b"\x1b[1;2R", "S-F3"),
            (b"\x1b[27;5;47~", "C-_"),
            (b"\x1b[114;5u", "C-r"),
        ] {
            assert_eq!(one_key(bytes), name, "{bytes:?}");
        }
    }

    #[test]
    fn mouse_paste_and_what_is_not_known() {
        assert_eq!(parse(b"\x1b[<32;11;5M\x1b[<35;11;5M"), ["drag 10,4"]);
        assert_eq!(parse(b"\x1b[<0;10;5M\x1b[<0;10;5m\x1b[<65;1;1Ma"), ["click 9,4", "release", "wheel 0,0 3", "a"]);
        assert_eq!(parse(b"\x1b[200~a\x1b[A\xff\nb\x1b[201~c"), ["paste \"a\\u{1b}[A\u{fffd}\\nb\"", "c"]);
        // Focus, a cursor report, an unknown key, X10's mouse, a broken sequence, bytes that are not UTF-8.
        assert_eq!(parse(b"\x1b[I\x1b[99~\x1b[M !!\x1b[12\x03\xff\xc3(z"), ["C-c", "(", "z"]);
    }

    #[test]
    fn what_was_not_taken_is_given_back() {
        let mut parser = Parser::default();
        parser.feed(b"qls -l\xc3\xa9\r\x1b[<0;1;1m\x1b[A\x1b[200~p\x1b[201~\x1b[");
        assert_eq!(parser.take().map(say), Some("q".into()));
        assert_eq!(parser.take_typed(), b"ls -l\xc3\xa9\r\x1b[Ap");
        assert_eq!(parser.wait(), None);
    }

    proptest! {
        /// However the line cuts it, the same is heard; and nothing makes it panic or hang.
        #[test]
        fn pieces_do_not_matter(bytes in input(), cuts in proptest::collection::vec(1usize..7, 1..40)) {
            let mut parser = Parser::default();
            let (mut out, mut at) = (Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(bytes.len());
                parser.feed(&bytes[at..end]);
                out.extend(std::iter::from_fn(|| parser.take()).map(say));
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            out.extend(std::iter::from_fn(|| parser.give_up_waiting()).map(say));
            prop_assert_eq!(out, parse(&bytes));
            prop_assert_eq!(parser.wait(), None);
        }
    }

    /// Pieces of real input and noise.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            &b"\x1b[A"[..],
            b"\x1b[1;5C",
            b"\x1b[<0;10;5M",
            b"\x1b[200~",
            b"\x1b[201~",
            b"\x1bOP",
            b"\x1b",
            b"\x1b[",
            b"\x1b[[",
            b"\xc3\xa9",
            b"abc",
            b"\r",
        ]);
        let piece = prop_oneof![known.prop_map(<[u8]>::to_vec), proptest::collection::vec(any::<u8>(), 1..4),];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }
}
