//! Texts: pieces of them, replacements, escapes. function::tokenize, function::text_str and their neighbours.

use super::{Builtin, Host, Type, Value, bytes, long_at, str_at};
use crate::builtins::{HostContext, long, row, string};

/// The longest text a script handles, without its NUL.
const MAX_TEXT: usize = 511;

pub static ROWS: &[Builtin] = &[
    row(
        "tokenize",
        &[string("input"), string("delim")],
        Type::Str,
        Host(|args, context| Ok(tokenize(str_at(args, 0), str_at(args, 1), context))),
        "The first part of a text that is not empty, split at any of the delimiters; with an empty text the next part of the one before. Empty at the end.",
    ),
    row(
        "tokenize",
        &[string("delim")],
        Type::Str,
        Host(|args, context| Ok(tokenize(b"", str_at(args, 0), context))),
        "The next part of the text given to tokenize() last. Empty at the end.",
    ),
    row(
        "str_replace",
        &[string("prnt_str"), string("srch_str"), string("rplc_str")],
        Type::Str,
        Host(|args, _| Ok(bytes(replace(str_at(args, 0), str_at(args, 1), str_at(args, 2))))),
        "A text with every occurrence of a part replaced.",
    )
    .pure(),
    row(
        "strpos",
        &[string("s1"), string("s2")],
        Type::Long,
        Host(|args, _| {
            let (text, part) = (str_at(args, 0), str_at(args, 1));
            Ok(Value::Long(position(text, part).map_or(-1, |at| at as i64)))
        }),
        "Where a text first contains another, counted from 0, or -1.",
    )
    .pure(),
    row(
        "text_str",
        &[string("input")],
        Type::Str,
        Host(|args, _| Ok(bytes(escaped(str_at(args, 0), MAX_TEXT, false)))),
        "A text with unprintable bytes, quotes and backslashes as escape sequences.",
    )
    .pure(),
    row(
        "text_strn",
        &[string("input"), long("len"), long("quoted")],
        Type::Str,
        Host(|args, _| {
            let len = usize::try_from(long_at(args, 1)).unwrap_or(0);
            let len = if len == 0 { MAX_TEXT } else { len.min(MAX_TEXT) };
            Ok(bytes(escaped(str_at(args, 0), len, long_at(args, 2) != 0)))
        }),
        "A text escaped, at most `len` bytes of it (0: no limit), in quotes when `quoted`; ... after the quotes says that it was cut.",
    )
    .pure(),
    row(
        "string_quoted",
        &[string("str")],
        Type::Str,
        Host(|args, _| Ok(bytes(escaped(str_at(args, 0), MAX_TEXT, true)))),
        "A text in double quotes, unprintable bytes as escape sequences.",
    )
    .pure(),
];

/// Skips empty parts. The rest is remembered for the next call.
fn tokenize(input: &[u8], delimiters: &[u8], context: &mut dyn HostContext) -> Value {
    let rest = match context.state().get("tokenize") {
        _ if !input.is_empty() => input.to_vec(),
        Some(Value::Str(rest)) => rest.clone(),
        _ => Vec::new(),
    };
    let is_delimiter = |byte: &u8| delimiters.contains(byte);
    let start = rest.iter().position(|byte| !is_delimiter(byte)).unwrap_or(rest.len());
    let end = rest[start..].iter().position(is_delimiter).map_or(rest.len(), |len| start + len);
    let after = rest.get(end + 1..).unwrap_or_default().to_vec();
    context.state().insert("tokenize".to_owned(), Value::Str(after));
    bytes(&rest[start..end])
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() { Some(0) } else { text.windows(part.len()).position(|window| window == part) }
}

fn replace(mut text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if !old.is_empty() {
        while let Some(at) = position(text, old) {
            out.extend_from_slice(&text[..at]);
            out.extend_from_slice(new);
            text = &text[at + old.len()..];
        }
    }
    out.extend_from_slice(text);
    out
}

/// A text as a quoted literal, as long as a script's text may be.
pub fn quoted(text: &[u8]) -> Vec<u8> {
    escaped(text, MAX_TEXT, true)
}

/// At most `len` bytes, quotes and the `...` of a cut text included.
fn escaped(text: &[u8], len: usize, quoted: bool) -> Vec<u8> {
    let room = if quoted { len.max(5) - 2 } else { len };
    let mut out = Vec::with_capacity(text.len() + 2);
    if quoted {
        out.push(b'"');
    }
    let start = out.len();
    // Where a cut text ends so that its mark fits.
    let mut with_mark = start;
    let mut cut = false;
    for &byte in text {
        let mut buffer = [0; 4];
        let piece = escape(byte, &mut buffer);
        if out.len() - start + piece.len() > room {
            cut = true;
            break;
        }
        out.extend_from_slice(piece);
        if out.len() - start + 3 <= room {
            with_mark = out.len();
        }
    }
    if quoted {
        if cut {
            out.truncate(with_mark);
        }
        out.push(b'"');
        if cut {
            out.extend_from_slice(b"...");
        }
    }
    out
}

fn escape(byte: u8, buffer: &mut [u8; 4]) -> &[u8] {
    match byte {
        0x07 => b"\\a",
        0x08 => b"\\b",
        b'\t' => b"\\t",
        b'\n' => b"\\n",
        0x0b => b"\\v",
        0x0c => b"\\f",
        b'\r' => b"\\r",
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        b' '..=b'~' => {
            buffer[0] = byte;
            &buffer[..1]
        }
        _ => {
            *buffer = [b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)];
            buffer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Context, call, n, s},
        *,
    };

    #[test]
    fn tokens_in_turn() {
        let mut context = Context::default();
        assert_eq!(call(&mut context, "tokenize", &[s("|a||bc| d"), s("| ")]), Ok(s("a")));
        assert_eq!(call(&mut context, "tokenize", &[s(""), s("|")]), Ok(s("bc")));
        assert_eq!(call(&mut context, "tokenize", &[s("|")]), Ok(s(" d")));
        assert_eq!(call(&mut context, "tokenize", &[s("|")]), Ok(s("")));
        assert_eq!(call(&mut context, "tokenize", &[s("no delimiter"), s("|")]), Ok(s("no delimiter")));
    }

    #[test]
    fn replacements_and_positions() {
        let mut context = Context::default();
        assert_eq!(call(&mut context, "str_replace", &[s("aXbX"), s("X"), s("--")]), Ok(s("a--b--")));
        assert_eq!(call(&mut context, "str_replace", &[s("abc"), s(""), s("x")]), Ok(s("abc")));
        assert_eq!(call(&mut context, "strpos", &[s("hello"), s("l")]), Ok(n(2)));
        assert_eq!(call(&mut context, "strpos", &[s("hello"), s("z")]), Ok(n(-1)));
    }

    #[test]
    fn escapes() {
        let mut context = Context::default();
        assert_eq!(call(&mut context, "text_str", &[s("a\n\"\\\x01")]), Ok(s(r#"a\n\"\\\001"#)));
        assert_eq!(call(&mut context, "string_quoted", &[s("a\tb")]), Ok(s(r#""a\tb""#)));
        assert_eq!(call(&mut context, "text_strn", &[s("abcdefgh"), n(4), n(0)]), Ok(s("abcd")));
        assert_eq!(call(&mut context, "text_strn", &[s("abcdefgh"), n(8), n(1)]), Ok(s("\"abc\"...")));
        assert_eq!(call(&mut context, "text_strn", &[s("abc"), n(8), n(1)]), Ok(s("\"abc\"")));
        assert_eq!(quoted(b"\xff"), b"\"\\377\"");
    }
}
