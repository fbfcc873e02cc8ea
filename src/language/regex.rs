//! Regular expressions of `=~`: POSIX extended syntax without back-references (regex(7)) in the syntax of crate regex,
//! which spells some things differently; and the matching of user space. langref "Regular expression matching".
//!
//! A match starts as far left as it can and is as long as it can be, as POSIX wants it. Within it earlier alternatives
//! are preferred and repetitions take as much as they can; only the texts of groups can tell.

use std::{fmt::Write, ops::Range, sync::OnceLock};

use regex_automata::{
    Anchored, Input, MatchKind,
    nfa::thompson::{self, pikevm::PikeVM},
    util::syntax,
};

/// The largest repetition count there is.
const MAX_COUNT: u64 = 65_535;
/// Bytes a compiled expression may take.
const MAX_SIZE: usize = 1 << 20;

/// A regular expression user space can match.
#[derive(Debug)]
pub struct Regex {
    /// Finds where a match starts.
    finder: regex::bytes::Regex,
    /// Finds how long it can be from there, and its groups; made when first asked.
    groups: OnceLock<Option<PikeVM>>,
}

impl Regex {
    /// From what [`translate`] gives.
    ///
    /// # Errors
    /// Why not, without a position: mostly that it would be too large.
    pub fn of_translated(pattern: &str) -> Result<Self, String> {
        let finder = regex::bytes::RegexBuilder::new(pattern)
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(MAX_SIZE)
            .build()
            .map_err(|error| last_line(&error.to_string()))?;
        Ok(Self { finder, groups: OnceLock::new() })
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.finder.is_match(text)
    }

    /// Where the match and its groups are, the whole first; `None` for a group that took no part.
    pub fn captures(&self, text: &[u8]) -> Option<Vec<Option<Range<usize>>>> {
        let start = self.finder.find(text)?.start();
        let groups = self.groups.get_or_init(|| longest(self.finder.as_str())).as_ref()?;
        let mut captures = groups.create_captures();
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        groups.captures(&mut groups.create_cache(), input, &mut captures);
        Some(captures.iter().map(|group| group.map(|span| span.range())).collect())
    }
}

/// The machine that follows all ways at once, so that the longest is known in the end.
fn longest(pattern: &str) -> Option<PikeVM> {
    PikeVM::builder()
        .configure(PikeVM::config().match_kind(MatchKind::All))
        .syntax(syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true))
        .thompson(thompson::Config::new().utf8(false))
        .build(pattern)
        .ok()
}

fn last_line(error: &str) -> String {
    format!("regex compilation error: {}", error.lines().last().unwrap_or_default().trim())
}

/// A pattern as a script writes it, compiled.
///
/// # Errors
/// As of [`translate`] and [`Regex::of_translated`].
pub fn compile(pattern: &[u8]) -> Result<Regex, String> {
    Regex::of_translated(&translate(pattern)?)
}

/// A pattern as a script writes it, in the syntax of crate regex.
///
/// # Errors
/// What is wrong, with the position in bytes: `regex compilation error (at position 3): …`.
pub fn translate(pattern: &[u8]) -> Result<String, String> {
    Translator { pattern, at: 0, out: String::new() }.run()
}

struct Translator<'a> {
    pattern: &'a [u8],
    at: usize,
    out: String,
}

/// What a closure would apply to.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    /// Where it starts in the output, and whether it has a closure: `a+?` means (a+)? here.
    Atom {
        from: usize,
        closed: bool,
    },
    /// `^` or `$`.
    Anchor,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, String> {
        let mut last = Last::Nothing;
        let mut open = Vec::new();
        while let Some(&byte) = self.pattern.get(self.at) {
            let from = self.out.len();
            match byte {
                b'*' | b'+' | b'?' | b'{' => {
                    let byte = char::from(byte);
                    last = match last {
                        Last::Nothing => return Err(self.error(&format!("unexpected '{byte}'"))),
                        Last::Anchor => {
                            let what = format!("postfix closure '{byte}' applied to anchoring operator");
                            return Err(self.error(&what));
                        }
                        Last::Atom { from, closed } => {
                            if closed {
                                self.out.insert_str(from, "(?:");
                                self.out.push(')');
                            }
                            self.closure(from)?;
                            Last::Atom { from, closed: true }
                        }
                    };
                    continue;
                }
                b'(' => {
                    open.push(from);
                    self.out.push('(');
                    if self.pattern.get(self.at + 1) == Some(&b'?') {
                        self.at += 2;
                        match self.pattern.get(self.at) {
                            Some(b':') => self.out.push_str("?:"),
                            next => {
                                let next = next.map(|byte| char::from(*byte)).map_or_else(String::new, String::from);
                                return Err(self.error(&format!("unexpected '(?{next}'")));
                            }
                        }
                    }
                    last = Last::Nothing;
                }
                b')' => {
                    let Some(from) = open.pop() else {
                        self.at += 1;
                        return Err(self.error("unbalanced ')'"));
                    };
                    self.out.push(')');
                    last = Last::Atom { from, closed: false };
                }
                b'|' => {
                    self.out.push('|');
                    last = Last::Nothing;
                }
                b'[' => {
                    self.bracket()?;
                    last = Last::Atom { from, closed: false };
                    continue;
                }
                b'\\' => {
                    self.at += 1;
                    let Some(&escaped) = self.pattern.get(self.at) else {
                        return Err(self.error("unexpected end of regex"));
                    };
                    self.literal(escaped);
                    last = Last::Atom { from, closed: false };
                }
                b'^' | b'$' => {
                    self.out.push(char::from(byte));
                    last = Last::Anchor;
                }
                b'.' => {
                    self.out.push('.');
                    last = Last::Atom { from, closed: false };
                }
                _ => {
                    self.literal(byte);
                    last = Last::Atom { from, closed: false };
                }
            }
            self.at += 1;
        }
        if open.is_empty() {
            return Ok(self.out);
        }
        self.at = self.pattern.len() - 1;
        Err(self.error("expected ), found end of regex"))
    }

    fn error(&self, what: &str) -> String {
        format!("regex compilation error (at position {}): {what}", self.at)
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b' ' || byte == b'_' {
            self.out.push(char::from(byte));
        } else {
            let _ = write!(self.out, "\\x{byte:02x}");
        }
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}` behind the atom that starts at `from`.
    fn closure(&mut self, from: usize) -> Result<(), String> {
        let byte = self.pattern[self.at];
        self.at += 1;
        if byte != b'{' {
            self.out.push(char::from(byte));
            return Ok(());
        }
        let Some(least) = self.count()? else {
            self.at += usize::from(self.at < self.pattern.len());
            return Err(self.error("expected number"));
        };
        let most = match self.take() {
            Some(b'}') => Some(least),
            Some(b',') => {
                let most = self.count()?;
                match (self.take(), most) {
                    (Some(b'}'), most) => most,
                    (Some(_), None) => return Err(self.error("expected '}' or number")),
                    (Some(_), Some(_)) => return Err(self.error("expected '}'")),
                    (None, _) => {
                        self.at = self.pattern.len() - 1;
                        return Err(self.error("expected }, found end of regex"));
                    }
                }
            }
            Some(_) => {
                self.at -= 1;
                return Err(self.error("expected ',' or '}'"));
            }
            None => return Err(self.error("unexpected end of regex")),
        };
        match most {
            // So many and fewer: there is no such text.
            Some(most) if most < least => {
                self.out.truncate(from);
                self.out.push_str(r"[^\x00-\xff]");
            }
            Some(most) => {
                let _ = write!(self.out, "{{{least},{most}}}");
            }
            None => {
                let _ = write!(self.out, "{{{least},}}");
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.pattern.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn count(&mut self) -> Result<Option<u64>, String> {
        let rest = &self.pattern[self.at..];
        let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if n_digits == 0 {
            return Ok(None);
        }
        let digits = String::from_utf8_lossy(&rest[..n_digits]).into_owned();
        self.at += n_digits;
        match digits.parse() {
            Ok(count) if count <= MAX_COUNT => Ok(Some(count)),
            _ => {
                self.at += usize::from(self.at < self.pattern.len());
                Err(self.error(&format!("{digits} is too large")))
            }
        }
    }

    /// `[…]`: `]` first is a plain member, `\` takes the next byte as it is, `[:name:]` is a class.
    fn bracket(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('[');
        if self.pattern.get(self.at) == Some(&b'^') {
            self.out.push('^');
            self.at += 1;
        }
        let first = self.at;
        loop {
            let Some(&byte) = self.pattern.get(self.at) else { return Err(self.unclosed("")) };
            if byte == b']' && self.at > first {
                break;
            }
            if byte == b'[' && self.pattern.get(self.at + 1) == Some(&b':') {
                self.class()?;
                continue;
            }
            let low = self.member()?;
            // At an edge a dash is a plain member.
            let is_range =
                self.pattern.get(self.at) == Some(&b'-') && !matches!(self.pattern.get(self.at + 1), Some(b']') | None);
            if !is_range {
                self.literal(low);
                continue;
            }
            self.at += 1;
            let high = self.member()?;
            if low > high {
                return Err(self.error(&format!("Inverted character range {}-{}", char::from(low), char::from(high))));
            }
            self.literal(low);
            self.out.push('-');
            self.literal(high);
        }
        self.at += 1;
        self.out.push(']');
        Ok(())
    }

    /// A byte of `[…]`.
    fn member(&mut self) -> Result<u8, String> {
        if self.pattern[self.at] == b'\\' {
            self.at += 1;
        }
        self.take().ok_or_else(|| self.unclosed(""))
    }

    /// `[:alpha:]` and its like.
    fn class(&mut self) -> Result<(), String> {
        let rest = &self.pattern[self.at..];
        let Some(len) = rest.windows(2).position(|pair| pair == b":]") else {
            let shown = String::from_utf8_lossy(&rest[..rest.iter().position(|c| *c == b']').unwrap_or(rest.len())]);
            return Err(self.unclosed(&format!(" '{}'", shown.into_owned())));
        };
        let name = String::from_utf8_lossy(&rest[2..len.max(2)]).into_owned();
        const CLASSES: [&str; 12] = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit",
        ];
        if !CLASSES.contains(&name.as_str()) {
            return Err(format!("regex compilation error: unknown character class '{name}'"));
        }
        let _ = write!(self.out, "[:{name}:]");
        self.at += len + 2;
        Ok(())
    }

    fn unclosed(&mut self, what: &str) -> String {
        self.at = self.pattern.len() - usize::from(what.is_empty());
        self.error(&format!("unclosed character class{what}"))
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
        check(r"^[]-]+$", &["]-", "-"], &["a"]);
        check(r"^[\]\\d]+$", &[r"]\d"], &["a"]);
        check(r"[\d]", &["d"], &[r"\", "1"]);
        check(r"^[a\-c]$", &["a", "-", "c"], &["b"]);
        check(r"^[[:alpha:]-z]$", &["a", "-"], &["1"]);
        check("^[%--]$", &["+", "%"], &["a"]);
        check("^(ab|cd){2}$", &["abcd", "cdab"], &["ab"]);
        check("^a+?$", &["", "aaa"], &["b"]);
        check(r"^\d\.$", &["d."], &["1.", "dx"]);
        check("[^a-c]", &["d"], &["abc"]);
        check(r"/dev/(sd[a-z]|nvme[0-9]+)", &["/dev/nvme10n1"], &["/dev/vda"]);
        check("^(?:ab)+$", &["abab"], &["a"]);
        check("a{2,1}", &[], &["", "a", "aa", "aaa"]);
        check("^(|a)b$", &["b", "ab"], &["aab"]);
        check("^a{0}b{2}{2}$", &["bbbb"], &["bb", "a"]);
        check("ü[é-ö]", &["üé"], &["u"]);
    }

    /// `(start, end)` of the match and its groups.
    #[track_caller]
    fn spans(pattern: &str, text: &str, expected: &[Option<(usize, usize)>]) {
        let found = compile(pattern.as_bytes()).unwrap().captures(text.as_bytes());
        let found: Vec<_> = found.unwrap().into_iter().map(|g| g.map(|g| (g.start, g.end))).collect();
        assert_eq!(found, expected, "{pattern} in {text}");
    }

    #[test]
    fn the_leftmost_longest_match() {
        spans("a|ab", "xabab", &[Some((1, 3))]);
        spans("x*", "abx", &[Some((0, 0))]);
        spans("(a|ab)(c|bcd)(d*)", "xabcd", &[Some((1, 5)), Some((1, 2)), Some((2, 5)), Some((5, 5))]);
        spans("(a|ab)*c", "aabaac", &[Some((0, 6)), Some((4, 5))]);
        spans("(a+)?b", "b", &[Some((0, 1)), None]);
        spans("((a)|b)+", "ab", &[Some((0, 2)), Some((1, 2)), Some((0, 1))]);
        spans("(^|x)b", "xb", &[Some((0, 2)), Some((0, 1))]);
        spans("abcd|bc", "xabcd", &[Some((1, 5))]);
        // What stands behind the match counts for `$`.
        spans("(a$)|(a)", "ab", &[Some((0, 1)), None, Some((0, 1))]);
    }

    #[track_caller]
    fn bad(pattern: &str, expected: &str) {
        assert_eq!(compile(pattern.as_bytes()).unwrap_err(), format!("regex compilation error{expected}"), "{pattern}");
    }

    #[test]
    fn bad_patterns_say_where() {
        bad("a(b", " (at position 2): expected ), found end of regex");
        bad("((", " (at position 1): expected ), found end of regex");
        bad("a)b", " (at position 2): unbalanced ')'");
        bad("*a", " (at position 0): unexpected '*'");
        bad("a|?b", " (at position 2): unexpected '?'");
        bad("^*a", " (at position 1): postfix closure '*' applied to anchoring operator");
        bad("[a", " (at position 1): unclosed character class");
        bad("[^", " (at position 1): unclosed character class");
        bad("[]", " (at position 1): unclosed character class");
        bad("[a-", " (at position 2): unclosed character class");
        bad("[[:alpha]", " (at position 9): unclosed character class '[:alpha'");
        bad("[[:alpha:", " (at position 9): unclosed character class '[:alpha:'");
        bad("[[:foo:]]", ": unknown character class 'foo'");
        bad("[z-a]x", " (at position 4): Inverted character range z-a");
        bad(r"a\", " (at position 2): unexpected end of regex");
        bad("a{", " (at position 2): expected number");
        bad("a{x}", " (at position 3): expected number");
        bad("a{1", " (at position 3): unexpected end of regex");
        bad("a{1x", " (at position 3): expected ',' or '}'");
        bad("a{1,x}", " (at position 5): expected '}' or number");
        bad("a{1,2", " (at position 4): expected }, found end of regex");
        bad("a{65536}", " (at position 8): 65536 is too large");
        bad("(?a)", " (at position 2): unexpected '(?a'");
        bad("((a{999}){999}){999}", ": Compiled regex exceeds size limit of 1048576 bytes.");
    }
}
