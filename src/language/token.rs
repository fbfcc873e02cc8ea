//! Tokens: what the lexer makes and the parser reads, with the words SystemTap uses for them in messages.

use std::{borrow::Cow, sync::Arc};

use crate::{diagnostics::Diagnostic, source::Span};

/// One token. Cheap to clone: text is shared.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    /// The name of an identifier or `@word`, the digits of a number, a string's bytes after escapes, the inside of
    /// embedded code. Empty for operators and keywords, whose spelling is in `kind`.
    pub text: Arc<[u8]>,
    pub span: Span,
    /// A string as the script spells it, where that is not how [`escape`] would.
    pub spelling: Option<Arc<[u8]>>,
    /// No blank stood before it: `a*b` in a probe point is one name, `a * b` is not.
    pub glued: bool,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Ident,
    Keyword(&'static str),
    Number,
    Str,
    /// One that [`operator_at`] knows.
    Op(&'static str),
    /// `@word`; the text is with the `@`.
    AtWord,
    Embedded,
    /// A byte no token starts with.
    Byte(u8),
    /// What lexer or preprocessor could not accept; the parser throws it when it gets there.
    Junk(Box<Diagnostic>),
}

pub const KEYWORDS: &[&str] = &[
    "probe", "global", "private", "function", "if", "else", "for", "foreach", "in", "limit", "return", "delete",
    "while", "break", "continue", "next", "string", "long", "try", "catch",
];

/// The operator at the start of `text`, the longest one. A match rather than a table: it runs for every token of every
/// keystroke in the editor.
pub fn operator_at(text: &[u8]) -> Option<&'static str> {
    Some(match text {
        [b'<', b'<', b'<', ..] => "<<<",
        [b'>', b'>', b'>', ..] => ">>>",
        [b'<', b'<', b'=', ..] => "<<=",
        [b'>', b'>', b'=', ..] => ">>=",
        [b'=', b'=', ..] => "==",
        [b'!', b'=', ..] => "!=",
        [b'<', b'=', ..] => "<=",
        [b'>', b'=', ..] => ">=",
        [b'=', b'~', ..] => "=~",
        [b'!', b'~', ..] => "!~",
        [b'+', b'=', ..] => "+=",
        [b'-', b'=', ..] => "-=",
        [b'*', b'=', ..] => "*=",
        [b'/', b'=', ..] => "/=",
        [b'%', b'=', ..] => "%=",
        [b'&', b'=', ..] => "&=",
        [b'^', b'=', ..] => "^=",
        [b'|', b'=', ..] => "|=",
        [b'.', b'=', ..] => ".=",
        [b'&', b'&', ..] => "&&",
        [b'|', b'|', ..] => "||",
        [b'+', b'+', ..] => "++",
        [b'-', b'-', ..] => "--",
        [b'-', b'>', ..] => "->",
        [b'<', b'<', ..] => "<<",
        [b'>', b'>', ..] => ">>",
        [b'%', b'(', ..] => "%(",
        [b'%', b'?', ..] => "%?",
        [b'%', b':', ..] => "%:",
        [b'%', b')', ..] => "%)",
        [b'+', ..] => "+",
        [b'-', ..] => "-",
        [b'*', ..] => "*",
        [b'/', ..] => "/",
        [b'%', ..] => "%",
        [b'=', ..] => "=",
        [b'<', ..] => "<",
        [b'>', ..] => ">",
        [b'!', ..] => "!",
        [b'~', ..] => "~",
        [b'&', ..] => "&",
        [b'|', ..] => "|",
        [b'^', ..] => "^",
        [b'.', ..] => ".",
        [b',', ..] => ",",
        [b';', ..] => ";",
        [b':', ..] => ":",
        [b'?', ..] => "?",
        [b'(', ..] => "(",
        [b')', ..] => ")",
        [b'[', ..] => "[",
        [b']', ..] => "]",
        [b'{', ..] => "{",
        [b'}', ..] => "}",
        [b'@', ..] => "@",
        [b'$', ..] => "$",
        [b'\\', ..] => "\\",
        [b'`', ..] => "`",
        [b'\'', ..] => "'",
        [b'#', ..] => "#",
        _ => return None,
    })
}

/// The keyword spelled `word`.
pub fn keyword(word: &[u8]) -> Option<&'static str> {
    if !(2..=8).contains(&word.len()) {
        return None;
    }
    KEYWORDS.iter().copied().find(|k| k.as_bytes() == word)
}

impl Token {
    pub fn is_op(&self, spelling: &str) -> bool {
        matches!(self.kind, Kind::Op(op) if op == spelling)
    }

    pub fn is_keyword(&self, spelling: &str) -> bool {
        matches!(self.kind, Kind::Keyword(k) if k == spelling)
    }

    /// The `@word`, with its `@`.
    pub fn at_word(&self) -> Option<&str> {
        matches!(self.kind, Kind::AtWord).then(|| self.name())
    }

    /// Spelling of identifiers, keywords, operators and `@words`; digits of a number.
    pub fn name(&self) -> &str {
        match self.kind {
            Kind::Keyword(word) | Kind::Op(word) => word,
            _ => std::str::from_utf8(&self.text).unwrap_or(""),
        }
    }

    /// The inside of a string as the script spells it.
    pub fn spelled(&self) -> Cow<'_, [u8]> {
        match &self.spelling {
            Some(spelling) => Cow::Borrowed(spelling),
            None => Cow::Owned(escape(&self.text).into_bytes()),
        }
    }

    /// The token in SystemTap's words: `identifier 'x'`, `operator '='`, `keyword`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Ident => format!("identifier '{}'", self.name()),
            Kind::Keyword(_) => "keyword".to_owned(),
            Kind::Number => format!("number '{}'", self.name()),
            Kind::Str => format!("string '{}'", String::from_utf8_lossy(&self.spelled())),
            Kind::Op(op) => format!("operator '{op}'"),
            Kind::AtWord => format!("operator '{}'", self.name()),
            Kind::Embedded => "embedded-code".to_owned(),
            Kind::Byte(byte) => format!("junk '\\x{byte:02x}'"),
            Kind::Junk(diagnostic) => diagnostic.token.clone(),
        }
    }
}

/// Bytes as they are written inside a string literal. UTF-8 text stays readable; other bytes become octal escapes.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0b' => out.push_str("\\v"),
                '\x0c' => out.push_str("\\f"),
                c if c.is_ascii_control() => out.push_str(&format!("\\{:03o}", c as u32)),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\{byte:03o}"));
        }
    }
    out
}
