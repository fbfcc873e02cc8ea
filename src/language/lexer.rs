//! Characters to tokens: literals with their escapes, comments, embedded code, and the script arguments `$1 @1 $# @#`.
//!
//! A whole text is lexed in one go. Nothing fails here: what is no token becomes [`Kind::Junk`] carrying its
//! diagnostic, which the parser reports if it ever reads that far (a preprocessor branch not taken is never read).

use std::sync::Arc;

use super::{
    dialect::Dialect,
    token::{Kind, Token, escape, keyword, operator_at},
};
use crate::{
    diagnostics::{Diagnostic, TokenLabel, catalogue::parse as say},
    source::{FileId, Span},
};

/// What lexing gives beside the tokens.
#[derive(Debug, Default)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    /// 1-based numbers of the script arguments the text used; all of them after `$#` or `@#`.
    pub used_args: Vec<usize>,
    /// `}%` inside embedded code, most likely meant as `%}`.
    pub suspicious_embeds: Vec<Span>,
}

/// Lexes `text`, the contents of `file`. `args` replace `$N` and `@N`.
pub fn lex(text: &[u8], file: FileId, args: &[Vec<u8>]) -> Lexed {
    lex_as(text, file, args, Dialect::NEWEST)
}

/// The same, as another version of the language has it.
pub fn lex_as(text: &[u8], file: FileId, args: &[Vec<u8>], dialect: Dialect) -> Lexed {
    let mut lexer = Lexer {
        text: text.to_vec(),
        pos: 0,
        file,
        args,
        dialect,
        shift: 0,
        paste: None,
        empty: Arc::from([]),
        // A token is some four bytes of script.
        out: Lexed { tokens: Vec::with_capacity(text.len() / 4), ..Lexed::default() },
    };
    lexer.run();
    lexer.out.used_args.sort_unstable();
    lexer.out.used_args.dedup();
    lexer.out
}

/// Pasted text of a `$N`: `start..end` in the lexer's text came from `origin` in the file.
struct Paste {
    start: usize,
    end: usize,
    origin: Span,
}

struct Lexer<'a> {
    /// The file's bytes, with arguments pasted in so far.
    text: Vec<u8>,
    pos: usize,
    file: FileId,
    args: &'a [Vec<u8>],
    dialect: Dialect,
    /// Offset in `text` minus offset in the file, after the last paste.
    shift: isize,
    paste: Option<Paste>,
    /// The text of tokens without one.
    empty: Arc<[u8]>,
    out: Lexed,
}

pub fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

pub fn is_name_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl Lexer<'_> {
    fn run(&mut self) {
        loop {
            let blank_from = self.pos;
            self.skip_blanks_and_comments();
            let mut glued = self.pos == blank_from;
            let Some(&first) = self.text.get(self.pos) else { return };
            // After a paste, scanning goes on at the pasted text: `$1cd` with `ab` is the one name `abcd`.
            if self.paste_argument(first, glued) {
                continue;
            }
            if let Some(paste) = &self.paste
                && self.pos == paste.start
            {
                glued = false;
            }
            self.token(first, glued);
        }
    }

    fn at(&self, ahead: usize) -> u8 {
        self.text.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match (self.at(0), self.at(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.pos += 1,
                (b'#', _) | (b'/', b'/') => {
                    self.pos +=
                        self.text[self.pos..].iter().position(|b| *b == b'\n').unwrap_or(self.text.len() - self.pos);
                }
                (b'/', b'*') => {
                    let inside = &self.text[self.pos + 2..];
                    // An unterminated comment ends with the file, silently.
                    self.pos += inside.windows(2).position(|w| w == b"*/").map_or(inside.len() + 2, |at| at + 4);
                }
                _ => return,
            }
        }
    }

    /// A position of the lexer's text as one of the file.
    fn origin(&self, pos: usize, is_end: bool) -> usize {
        match &self.paste {
            Some(paste) if (paste.start..paste.end).contains(&pos) => {
                (if is_end { paste.origin.end } else { paste.origin.start }) as usize
            }
            Some(paste) if is_end && pos == paste.end => paste.origin.end as usize,
            _ => pos.saturating_add_signed(-self.shift),
        }
    }

    fn span(&self, start: usize) -> Span {
        let begin = self.origin(start, false);
        Span::new(self.file, begin, self.origin(self.pos, true).max(begin))
    }

    fn push(&mut self, kind: Kind, text: &[u8], start: usize, glued: bool) {
        let text = if text.is_empty() { self.empty.clone() } else { Arc::from(text) };
        self.push_shared(kind, text, start, glued);
    }

    /// A token whose text is what was read since `start`.
    fn push_word(&mut self, kind: Kind, start: usize, glued: bool) {
        self.push_shared(kind, Arc::from(&self.text[start..self.pos]), start, glued);
    }

    fn push_shared(&mut self, kind: Kind, text: Arc<[u8]>, start: usize, glued: bool) {
        let span = self.span(start);
        self.out.tokens.push(Token { kind, text, span, spelling: None, glued });
    }

    /// `text` is what was read of the token that is none.
    fn junk(&mut self, diagnostic: Diagnostic, start: usize, text: &[u8]) {
        let span = self.span(start);
        let mut diagnostic = diagnostic.at(span).token(format!("junk '{}'", String::from_utf8_lossy(text)));
        diagnostic.label = TokenLabel::At;
        self.push(Kind::Junk(Box::new(diagnostic)), b"", start, false);
    }

    /// `$1 @1 $# @#`. Whether there was one.
    fn paste_argument(&mut self, first: u8, glued: bool) -> bool {
        if !matches!(first, b'$' | b'@') || !(self.at(1) == b'#' || self.at(1).is_ascii_digit()) {
            return false;
        }
        let start = self.pos;
        self.pos += 2;
        let raw = first == b'$';
        let in_paste = self.paste.as_ref().is_some_and(|paste| (paste.start..paste.end).contains(&start));
        if self.text[start + 1] == b'#' {
            let count = self.args.len().to_string();
            let kind = if raw { Kind::Number } else { Kind::Str };
            self.push(kind, count.as_bytes(), start, glued);
            return true;
        }
        while self.at(0).is_ascii_digit() {
            self.pos += 1;
        }
        let digits = String::from_utf8_lossy(&self.text[start + 1..self.pos]).into_owned();
        if in_paste {
            self.junk(say::nested_argument(), start, b"");
            return true;
        }
        let arg = digits.parse::<usize>().ok().filter(|n| *n >= 1).and_then(|n| Some((n, self.args.get(n - 1)?)));
        let Some((number, arg)) = arg else {
            self.junk(say::argument_out_of_range(self.args.len()), start, b"");
            return true;
        };
        self.out.used_args.push(number);
        if !raw {
            self.push(Kind::Str, arg, start, glued);
            return true;
        }
        let origin = self.span(start);
        let pasted = arg.clone();
        let end = start + pasted.len();
        self.shift += pasted.len() as isize - (self.pos - start) as isize;
        self.text.splice(start..self.pos, pasted);
        self.paste = Some(Paste { start, end, origin });
        self.pos = start;
        true
    }

    fn token(&mut self, first: u8, glued: bool) {
        let start = self.pos;
        if is_name_start(first) {
            self.skip_while(is_name_part);
            let word = &self.text[start..self.pos];
            match keyword(word).filter(|word| *word != "private" || self.dialect.has_private) {
                Some(keyword) => self.push(Kind::Keyword(keyword), b"", start, glued),
                None => self.push_word(Kind::Ident, start, glued),
            }
        } else if first == b'@' && is_name_start(self.at(1)) {
            self.pos += 1;
            self.skip_while(is_name_part);
            self.push_word(Kind::AtWord, start, glued);
        } else if first.is_ascii_digit() {
            self.skip_while(|b| b.is_ascii_alphanumeric());
            self.push_word(Kind::Number, start, glued);
        } else if first == b'"' {
            self.string(start, glued);
        } else if first == b'%' && self.at(1) == b'{' {
            self.embedded(start, glued);
        } else if let Some(op) = operator_at(&self.text[self.pos..]) {
            self.pos += op.len();
            self.push(Kind::Op(op), b"", start, glued);
        } else {
            self.pos += 1;
            self.push(Kind::Byte(first), &[first], start, glued);
        }
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.pos < self.text.len() && accept(self.text[self.pos]) {
            self.pos += 1;
        }
    }

    fn string(&mut self, start: usize, glued: bool) {
        self.pos += 1;
        let mut bytes = Vec::new();
        // Escapes as they were written; a backslash that means nothing is dropped.
        let mut spelling = Vec::new();
        loop {
            match self.text.get(self.pos).copied() {
                None | Some(b'\n') => {
                    spelling.insert(0, b'"');
                    self.junk(say::unterminated_string(), start, &spelling);
                    return;
                }
                Some(b'"') => {
                    self.pos += 1;
                    break;
                }
                Some(b'\\') if self.pos + 1 < self.text.len() => {
                    let backslash = self.pos;
                    self.pos += 1;
                    let means_something = matches!(self.at(0), b'a' | b'b' | b't' | b'n' | b'v' | b'f' | b'r' | b'\\')
                        || matches!(self.at(0), b'0'..=b'7')
                        || self.at(0) == b'x' && self.dialect.hex_escapes;
                    self.escape(&mut bytes);
                    let from = if means_something { backslash } else { backslash + 1 };
                    spelling.extend_from_slice(&self.text[from..self.pos]);
                }
                Some(byte) => {
                    bytes.push(byte);
                    spelling.push(byte);
                    self.pos += 1;
                }
            }
        }
        self.push(Kind::Str, &bytes, start, glued);
        if *spelling != *escape(&bytes).as_bytes() {
            self.out.tokens.last_mut().expect("just pushed").spelling = Some(spelling.into());
        }
    }

    /// The part of an escape after its backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let byte = self.text[self.pos];
        self.pos += 1;
        let digits = |lexer: &mut Self, radix: u32, max: usize, first: u32| {
            let mut value = first;
            for _ in 0..max {
                let Some(digit) = (lexer.at(0) as char).to_digit(radix) else { break };
                value = value * radix + digit;
                lexer.pos += 1;
            }
            value as u8
        };
        bytes.push(match byte {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            b'0'..=b'7' => digits(self, 8, 2, u32::from(byte - b'0')),
            b'x' if self.dialect.hex_escapes && self.at(0).is_ascii_hexdigit() => digits(self, 16, 2, 0),
            other => other,
        });
    }

    fn embedded(&mut self, start: usize, glued: bool) {
        let inside = self.pos + 2;
        let Some(len) = self.text[inside..].windows(2).position(|w| w == b"%}") else {
            self.pos = self.text.len();
            // The last byte was still read as the possible start of a `%}`.
            let read = self.text[start..self.pos - usize::from(self.pos > inside)].to_vec();
            self.junk(say::unterminated_embedded(), start, &read);
            return;
        };
        self.pos = inside + len + 2;
        let code = self.text[inside..inside + len].to_vec();
        if code.windows(2).any(|w| w == b"}%") {
            self.out.suspicious_embeds.push(self.span(start));
        }
        self.push(Kind::Embedded, &code, start, glued);
    }
}

/// The value of a number token: decimal, `0x` hexadecimal, `0b` binary or `0` octal, up to 2^64-1 (wrapping to negative).
pub fn number(digits: &str) -> Option<u64> {
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).ok()
    } else if let Some(binary) = digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")) {
        u64::from_str_radix(binary, 2).ok()
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(digits, 8).ok()
    } else {
        digits.parse().ok()
    }
}
