//! Syntax colours: a text cut into classes, tolerant of everything that is wrong with it.
//!
//! Works on raw text rather than on [`super::lexer`]'s tokens: an editor shows half-written strings and comments, and
//! wants each byte's class, not a value. One pass, no allocation but the result.

use std::ops::Range;

use super::{
    lexer::{is_name_part, is_name_start},
    token::{keyword, operator_at},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenClass {
    Keyword,
    /// `long`, `string`.
    Type,
    String,
    Number,
    Comment,
    /// A name with `(` behind it.
    Call,
    /// A name between `probe` and its block.
    ProbePoint,
    /// `$x`, `$$vars`.
    ContextVariable,
    /// `@count`, `@1`, macros.
    AtWord,
    Operator,
    /// `%( %? %: %)`
    Preprocessor,
    /// `%{ … %}`
    Embedded,
    Identifier,
    /// A string without its end, a byte that belongs to nothing.
    Error,
}

/// The classes of a text, in order, not overlapping; blanks are left out. Multi-line comments, strings and embedded
/// code are one range each.
pub fn highlight(text: &[u8]) -> Vec<(Range<usize>, TokenClass)> {
    let mut out = Vec::with_capacity(text.len() / 4);
    let mut pos = 0;
    // Between `probe` and `{`, names are probe points; parentheses inside hold literals or a condition.
    let mut in_probe_points = false;
    let mut parens = 0u32;
    // The name behind `function` is one of a function, whatever stands behind it.
    let mut after_function = false;
    while pos < text.len() {
        let start = pos;
        let rest = &text[start..];
        let class = match (rest[0], rest.get(1).copied().unwrap_or(0)) {
            (byte, _) if byte.is_ascii_whitespace() || byte == 0x0b => {
                pos += 1;
                continue;
            }
            (b'#', _) | (b'/', b'/') => {
                pos += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                TokenClass::Comment
            }
            (b'/', b'*') => {
                pos += rest[2..].windows(2).position(|w| w == b"*/").map_or(rest.len(), |at| at + 4);
                TokenClass::Comment
            }
            (b'%', b'{') => {
                pos += rest[2..].windows(2).position(|w| w == b"%}").map_or(rest.len(), |at| at + 4);
                TokenClass::Embedded
            }
            (b'"', _) => {
                let (len, closed) = string_len(rest);
                pos += len;
                if closed { TokenClass::String } else { TokenClass::Error }
            }
            (b'$' | b'@', b'#') => {
                pos += 2;
                TokenClass::AtWord
            }
            (b'@', next) if is_name_part(next) => {
                pos += 1 + name_len(&rest[1..]);
                TokenClass::AtWord
            }
            (b'$', _) => {
                pos += name_len(rest);
                TokenClass::ContextVariable
            }
            (byte, _) if is_name_start(byte) => {
                pos += name_len(rest);
                let word = &text[start..pos];
                let defined = std::mem::replace(&mut after_function, word == b"function");
                match keyword(word) {
                    Some("probe") => {
                        in_probe_points = true;
                        parens = 0;
                        TokenClass::Keyword
                    }
                    Some("long" | "string") => TokenClass::Type,
                    Some("if") if in_probe_points => TokenClass::Keyword,
                    Some(_) if in_probe_points && parens == 0 => TokenClass::ProbePoint,
                    Some(word) => {
                        if matches!(word, "function" | "global" | "private") {
                            in_probe_points = false;
                        }
                        TokenClass::Keyword
                    }
                    None if defined => TokenClass::Call,
                    None if in_probe_points && parens == 0 => TokenClass::ProbePoint,
                    None if next_visible(&text[pos..]) == Some(b'(') => TokenClass::Call,
                    None => TokenClass::Identifier,
                }
            }
            (byte, _) if byte.is_ascii_digit() => {
                pos += rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
                TokenClass::Number
            }
            (byte, _) => match operator_at(rest) {
                Some(op) => {
                    pos += op.len();
                    match op {
                        "%(" | "%?" | "%:" | "%)" => TokenClass::Preprocessor,
                        "(" => {
                            parens += 1;
                            TokenClass::Operator
                        }
                        ")" => {
                            parens = parens.saturating_sub(1);
                            TokenClass::Operator
                        }
                        "*" if in_probe_points && parens == 0 => TokenClass::ProbePoint,
                        "{" if in_probe_points && opens_block(&text[..start]) => {
                            in_probe_points = false;
                            TokenClass::Operator
                        }
                        _ => TokenClass::Operator,
                    }
                }
                None => {
                    // One range per run of foreign bytes, so that a character is never cut.
                    pos += rest.iter().position(|b| b.is_ascii()).unwrap_or(rest.len()).max(1);
                    if byte.is_ascii() { TokenClass::Operator } else { TokenClass::Error }
                }
            },
        };
        out.push((start..pos, class));
    }
    out
}

/// Whether a `{` after `before` opens a handler; after `probe`, `.`, `,`, `=` or `{` it is a brace expansion.
fn opens_block(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let after_keyword = before.strip_suffix(b"probe").is_some_and(|rest| !rest.ends_with(b"."));
    !after_keyword && !matches!(before.last(), Some(b'.' | b',' | b'=' | b'{'))
}

fn next_visible(rest: &[u8]) -> Option<u8> {
    rest.iter().copied().find(|b| !matches!(b, b' ' | b'\t'))
}

fn name_len(rest: &[u8]) -> usize {
    rest.iter().position(|b| !is_name_part(*b)).unwrap_or(rest.len())
}

/// Length of a string literal at the start of `rest` and whether it ends on its line.
fn string_len(rest: &[u8]) -> (usize, bool) {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'"' => return (at + 1, true),
            b'\n' => return (at, false),
            b'\\' if at + 1 < rest.len() => at += 2,
            _ => at += 1,
        }
    }
    (rest.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each piece with the first letters of its class.
    fn shown(text: &str) -> String {
        let pieces = highlight(text.as_bytes());
        let show = |(range, class): (Range<usize>, TokenClass)| format!("{}:{class:?}", &text[range]);
        pieces.into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn classes() {
        expect_test::expect![[r#"probe:Keyword syscall:ProbePoint .:Operator *:ProbePoint .:Operator return:ProbePoint ,:Operator timer:ProbePoint .:Operator s:ProbePoint (:Operator 5:Number ):Operator if:Keyword (:Operator x:Identifier ):Operator {:Operator foo:Call (:Operator $bar:ContextVariable ->:Operator baz:Identifier ):Operator }:Operator"#]]
        .assert_eq(&shown("probe syscall.*.return, timer.s(5) if (x) { foo($bar->baz) }"));
        expect_test::expect![[r##"function:Keyword f:Call ::Operator long:Type (:Operator a:Identifier ::Operator string:Type ):Operator {:Operator return:Keyword @count:AtWord (:Operator x:Identifier ):Operator +:Operator $1:ContextVariable # c:Comment"##]]
        .assert_eq(&shown("function f:long(a:string) { return @count(x) + $1 # c"));
        expect_test::expect![[r#"%(:Preprocessor kernel_v:Identifier ==:Operator "6":String %?:Preprocessor %{ c %}:Embedded %):Preprocessor "open:Error x:Identifier /* end:Comment"#]]
        .assert_eq(&shown("%( kernel_v == \"6\" %? %{ c %} %) \"open\nx /* end"));
        expect_test::expect!["probe:Keyword {:Operator a:ProbePoint ,:Operator b:ProbePoint }:Operator .:Operator {:Operator c:ProbePoint }:Operator {:Operator x:Identifier }:Operator"]
        .assert_eq(&shown("probe {a,b}.{c} {x}"));
    }
}
