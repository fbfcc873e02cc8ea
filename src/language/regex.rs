//! Regular expressions of `=~`: POSIX extended syntax without back-references (regex(7)), compiled through the `regex`
//! crate by rewriting what the two spell differently. langref "Regular expression matching".
//!
//! Differs from stap: where several matches start at one place the first alternative wins, not the longest; only the
//! texts of `matched(n)` can tell.

use regex::bytes::{Regex, RegexBuilder};

/// Compiles a pattern as a script writes it.
///
/// # Errors
/// What is wrong, with the position in bytes: `regex compilation error (at position 3): …`.
pub fn compile(pattern: &[u8]) -> Result<Regex, String> {
    let translated = Translator { pattern, at: 0, out: String::new() }.run()?;
    RegexBuilder::new(&translated)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("regex compilation error: {}", error.to_string().lines().last().unwrap_or_default()))
}

struct Translator<'a> {
    pattern: &'a [u8],
    at: usize,
    out: String,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, String> {
        // Where the last atom starts in `out`, and whether it already has a quantifier: `a+?` means (a+)? here.
        let mut atom: Option<(usize, bool)> = None;
        let mut open = Vec::new();
        while let Some(&byte) = self.pattern.get(self.at) {
            let start = self.out.len();
            match byte {
                b'*' | b'+' | b'?' | b'{' => {
                    let Some((from, quantified)) = atom else {
                        return Err(self.error("nothing to repeat"));
                    };
                    if quantified {
                        self.out.insert_str(from, "(?:");
                        self.out.push(')');
                    }
                    self.quantifier(byte)?;
                    atom = Some((from, true));
                    continue;
                }
                b'(' => {
                    open.push(start);
                    self.out.push('(');
                    atom = None;
                }
                b')' => {
                    let Some(from) = open.pop() else { return Err(self.error("unmatched ')'")) };
                    self.out.push(')');
                    atom = Some((from, false));
                }
                b'|' => {
                    self.out.push('|');
                    atom = None;
                }
                b'[' => {
                    self.bracket()?;
                    atom = Some((start, false));
                    continue;
                }
                b'\\' => {
                    self.at += 1;
                    let Some(&escaped) = self.pattern.get(self.at) else {
                        return Err(self.error("trailing backslash"));
                    };
                    self.literal(escaped);
                    atom = Some((start, false));
                }
                b'.' | b'^' | b'$' => {
                    self.out.push(char::from(byte));
                    atom = Some((start, false));
                }
                _ => {
                    self.literal(byte);
                    atom = Some((start, false));
                }
            }
            self.at += 1;
        }
        if open.is_empty() { Ok(self.out) } else { Err(self.error("missing ')'")) }
    }

    fn error(&self, what: &str) -> String {
        format!("regex compilation error (at position {}): {what}", self.at)
    }

    fn literal(&mut self, byte: u8) {
        use std::fmt::Write;
        if byte.is_ascii_alphanumeric() || byte == b' ' || byte == b'_' {
            self.out.push(char::from(byte));
        } else {
            let _ = write!(self.out, "\\x{byte:02x}");
        }
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`.
    fn quantifier(&mut self, byte: u8) -> Result<(), String> {
        self.at += 1;
        if byte != b'{' {
            self.out.push(char::from(byte));
            return Ok(());
        }
        let rest = &self.pattern[self.at..];
        let Some(len) = rest.iter().position(|c| *c == b'}') else { return Err(self.error("missing '}'")) };
        let counts = &rest[..len];
        let well_formed = counts.first().is_some_and(u8::is_ascii_digit)
            && counts.iter().all(|c| c.is_ascii_digit() || *c == b',')
            && counts.iter().filter(|c| **c == b',').count() <= 1;
        if !well_formed {
            return Err(self.error("malformed repetition count"));
        }
        self.out.push('{');
        self.out.extend(counts.iter().map(|c| char::from(*c)));
        self.out.push('}');
        self.at += len + 1;
        Ok(())
    }

    /// `[…]`: a backslash and most punctuation are plain members; `]` first is one too; `[:name:]` is a class.
    fn bracket(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('[');
        if self.pattern.get(self.at) == Some(&b'^') {
            self.out.push('^');
            self.at += 1;
        }
        let first = self.at;
        loop {
            let Some(&byte) = self.pattern.get(self.at) else { return Err(self.error("missing ']'")) };
            match byte {
                b']' if self.at > first => break,
                b'[' if self.pattern.get(self.at + 1) == Some(&b':') => {
                    let rest = &self.pattern[self.at..];
                    let Some(len) = rest.windows(2).position(|pair| pair == b":]") else {
                        return Err(self.error("missing ':]'"));
                    };
                    let class = String::from_utf8_lossy(&rest[..len + 2]).into_owned();
                    self.out.push_str(&class);
                    self.at += len + 2;
                    continue;
                }
                // A range keeps its dash; at an edge it is a plain member.
                b'-' if self.at > first && !matches!(self.pattern.get(self.at + 1), Some(b']') | None) => {
                    self.out.push('-');
                }
                _ => self.literal(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        self.out.push(']');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let regex = compile(pattern.as_bytes()).unwrap();
        for text in yes {
            assert!(regex.is_match(text.as_bytes()), "{pattern} should match {text}");
        }
        for text in no {
            assert!(!regex.is_match(text.as_bytes()), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn posix_spelling() {
        check("^a.c$", &["abc", "a\nc"], &["abcd"]);
        check("^[[:alpha:]_][[:alnum:]_]*$", &["a_9", "_"], &["9a", ""]);
        check(r"^[]\-]+$", &[r"]\-", "-"], &["a"]);
        check("^(ab|cd){2}$", &["abcd", "cdab"], &["ab"]);
        check("^a+?$", &["", "aaa"], &["b"]);
        check(r"^\d\.$", &["d."], &["1.", "dx"]);
        check("[^a-c]", &["d"], &["abc"]);
        check(r"/dev/(sd[a-z]|nvme[0-9]+)", &["/dev/nvme10n1"], &["/dev/vda"]);
    }

    #[test]
    fn bad_patterns_say_where() {
        assert_eq!(compile(b"a(b").unwrap_err(), "regex compilation error (at position 3): missing ')'");
        assert_eq!(compile(b"*a").unwrap_err(), "regex compilation error (at position 0): nothing to repeat");
        assert_eq!(compile(b"[a").unwrap_err(), "regex compilation error (at position 2): missing ']'");
        assert!(compile(b"[z-a]").is_err());
        assert!(compile(b"a{9,1}").is_err());
        assert!(compile(b"((a{999}){999}){999}").is_err());
    }
}
