//! getopt_long(3) as the C library does it, which stap's users know: words and options in any order, short options in a
//! bundle (`-gve`), a value attached or in the next word, long names cut short as long as they are unmistakable, `--` at
//! the end. What it says of mistakes is the C library's, word for word.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Whether an option has a value, and what help calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Value(&'static str),
    /// Only behind `=`; the second is what it is without.
    Perhaps(&'static str, &'static str),
}

/// How an option is written.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    pub short: Option<char>,
    /// Without the dashes; more than one are the same option.
    pub long: &'static [&'static str],
    pub takes: Takes,
    /// Long names have to be whole, so that they take no abbreviation from others.
    pub whole: bool,
}

impl fmt::Display for Spelling {
    /// `-p NUM`, `-V, --version`, `--color[=WHEN]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(short) = self.short {
            write!(f, "-{short}")?;
            if let (true, Takes::Value(name)) = (self.long.is_empty(), self.takes) {
                write!(f, " {name}")?;
            }
            separator = ", ";
        }
        for long in self.long {
            write!(f, "{separator}--{long}")?;
            match self.takes {
                Takes::Nothing => {}
                Takes::Value(name) => write!(f, "={name}")?,
                Takes::Perhaps(name, _) => write!(f, "[={name}]")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// What a command line holds, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'r, R> {
    Option(&'r R, OsString),
    Word(OsString),
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    Invalid(u8),
    Unrecognized(String),
    Ambiguous { written: String, possible: Vec<&'static str> },
    NoValue(String),
    NoShortValue(char),
    ValueUnasked(&'static str),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Invalid(letter) => write!(f, "invalid option -- '{}'", String::from_utf8_lossy(&[*letter])),
            Mistake::Unrecognized(written) => write!(f, "unrecognized option '--{written}'"),
            Mistake::Ambiguous { written, possible } => {
                write!(f, "option '--{written}' is ambiguous; possibilities:")?;
                possible.iter().try_for_each(|name| write!(f, " '--{name}'"))
            }
            Mistake::NoValue(name) => write!(f, "option '--{name}' requires an argument"),
            Mistake::NoShortValue(letter) => write!(f, "option requires an argument -- '{letter}'"),
            Mistake::ValueUnasked(name) => write!(f, "option '--{name}' doesn't allow an argument"),
        }
    }
}

/// The items of a command line.
#[derive(Debug)]
pub struct Items<'r, R> {
    rows: &'r [R],
    spelling: fn(&R) -> &Spelling,
    words: std::vec::IntoIter<OsString>,
    /// What is left of a bundle of short options.
    bundle: Vec<u8>,
    /// Behind `--`, or behind the first word with POSIXLY_CORRECT.
    only_words: bool,
    posix: bool,
}

/// Reads `words`, without the program's name. `posix`: options end at the first word.
pub fn items<R>(rows: &[R], spelling: fn(&R) -> &Spelling, words: Vec<OsString>, posix: bool) -> Items<'_, R> {
    Items { rows, spelling, words: words.into_iter(), bundle: Vec::new(), only_words: false, posix }
}

impl<'r, R> Iterator for Items<'r, R> {
    type Item = Result<Item<'r, R>, Mistake>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.bundle.is_empty() {
            return Some(self.short());
        }
        let word = self.words.next()?;
        let bytes = word.as_bytes();
        if self.only_words || bytes == b"-" || !bytes.starts_with(b"-") {
            self.only_words |= self.posix;
            return Some(Ok(Item::Word(word)));
        }
        if bytes == b"--" {
            self.only_words = true;
            return self.next();
        }
        if let Some(long) = bytes.strip_prefix(b"--") {
            return Some(self.long(long));
        }
        self.bundle = bytes[1..].to_vec();
        Some(self.short())
    }
}

impl<'r, R> Items<'r, R> {
    fn short(&mut self) -> Result<Item<'r, R>, Mistake> {
        let letter = self.bundle.remove(0);
        let spelling = self.spelling;
        let known = |row: &&R| spelling(row).short.is_some_and(|short| short as u32 == u32::from(letter));
        let row = self.rows.iter().find(known).ok_or(Mistake::Invalid(letter))?;
        let value = match spelling(row).takes {
            Takes::Nothing => OsString::new(),
            Takes::Perhaps(_, without) if self.bundle.is_empty() => without.into(),
            Takes::Perhaps(..) => OsString::from_vec(std::mem::take(&mut self.bundle)),
            Takes::Value(_) if !self.bundle.is_empty() => OsString::from_vec(std::mem::take(&mut self.bundle)),
            Takes::Value(_) => self.words.next().ok_or(Mistake::NoShortValue(char::from(letter)))?,
        };
        Ok(Item::Option(row, value))
    }

    fn long(&mut self, written: &[u8]) -> Result<Item<'r, R>, Mistake> {
        let (name, value) = match written.iter().position(|b| *b == b'=') {
            Some(at) => (&written[..at], Some(OsStr::from_bytes(&written[at + 1..]).to_owned())),
            None => (written, None),
        };
        let (row, name) = self.meant(name, &String::from_utf8_lossy(written))?;
        match ((self.spelling)(row).takes, value) {
            (Takes::Nothing, Some(_)) => Err(Mistake::ValueUnasked(name)),
            (Takes::Value(_), None) => match self.words.next() {
                Some(value) => Ok(Item::Option(row, value)),
                None => Err(Mistake::NoValue(name.to_owned())),
            },
            (Takes::Perhaps(_, without), None) => Ok(Item::Option(row, without.into())),
            (_, value) => Ok(Item::Option(row, value.unwrap_or_default())),
        }
    }

    /// The one row `name` can mean, and the whole of its name.
    fn meant(&self, name: &[u8], written: &str) -> Result<(&'r R, &'static str), Mistake> {
        let spelling = self.spelling;
        let names =
            || self.rows.iter().enumerate().flat_map(|(n, row)| spelling(row).long.iter().map(move |l| (n, row, *l)));
        if let Some((_, row, long)) = names().find(|(.., long)| long.as_bytes() == name) {
            return Ok((row, long));
        }
        let begins = |(_, row, long): &(usize, &R, &str)| long.as_bytes().starts_with(name) && !spelling(row).whole;
        let possible: Vec<_> = names().filter(begins).collect();
        let Some((first, row, long)) = possible.first() else { return Err(Mistake::Unrecognized(written.to_owned())) };
        if possible.iter().any(|(n, ..)| n != first) {
            let possible = possible.iter().map(|(.., long)| *long).collect();
            return Err(Mistake::Ambiguous { written: written.to_owned(), possible });
        }
        Ok((row, long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn spelling(short: Option<char>, long: &'static [&'static str], takes: Takes) -> Spelling {
        Spelling { short, long, takes, whole: false }
    }

    const ROWS: &[Spelling] = &[
        spelling(Some('g'), &[], Takes::Nothing),
        spelling(Some('e'), &[], Takes::Value("SCRIPT")),
        spelling(Some('V'), &["version"], Takes::Nothing),
        spelling(None, &["color", "colour"], Takes::Perhaps("WHEN", "always")),
        spelling(None, &["compatible"], Takes::Value("VERSION")),
        spelling(None, &["remote"], Takes::Value("URL")),
        spelling(None, &["remote-prefix"], Takes::Nothing),
        Spelling { whole: true, ..spelling(None, &["record"], Takes::Value("FILE")) },
    ];

    fn read(line: &str, posix: bool) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let mut out = Vec::new();
        for item in items(ROWS, |row| row, words, posix) {
            out.push(match item {
                Ok(Item::Option(row, value)) => {
                    format!("{}:{}", row.short.unwrap_or_else(|| row.long[0].chars().next().unwrap()), value.display())
                }
                Ok(Item::Word(word)) => word.to_string_lossy().into_owned(),
                Err(mistake) => format!("[{mistake}]"),
            });
        }
        out.join(" ")
    }

    #[test]
    fn words_and_options_mix_until_the_dashes() {
        assert_eq!(read("a -g b -ex c - -- -g --", false), "a g: b e:x c - -g --");
        assert_eq!(read("-g a -g", true), "g: a -g");
        assert_eq!(read("-gge -g x", false), "g: g: e:-g x");
    }

    #[test]
    fn long_names_may_be_cut_short() {
        assert_eq!(read("--col --colou=x --comp=1 --compatible 2", false), "c:always c:x c:1 c:2");
        assert_eq!(
            read("--remote=a --remote-p --remote b --rec x --record=y", false),
            "r:a r: r:b [unrecognized option '--rec'] x r:y"
        );
        assert_eq!(
            read("--remot=a", false),
            "[option '--remot=a' is ambiguous; possibilities: '--remote' '--remote-prefix']"
        );
        assert_eq!(
            read("--co", false),
            "[option '--co' is ambiguous; possibilities: '--color' '--colour' '--compatible']"
        );
    }

    #[test]
    fn mistakes_are_told_as_the_c_library_does() {
        assert_eq!(read("-gZg", false), "g: [invalid option -- 'Z'] g:");
        assert_eq!(read("-e", false), "[option requires an argument -- 'e']");
        assert_eq!(read("--comp", false), "[option '--compatible' requires an argument]");
        assert_eq!(read("--vers=1", false), "[option '--version' doesn't allow an argument]");
        assert_eq!(read("--no-such=1", false), "[unrecognized option '--no-such=1']");
    }
}
