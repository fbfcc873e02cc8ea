//! What may stand in `function("…")` and `statement("…")`: `NAME`, `NAME@FILE`, `NAME@FILE:LINES`, names and files with
//! wildcards. langref "DWARF probes".

use super::glob::{glob_matches, is_wildcard};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPattern {
    /// With wildcards.
    pub name: String,
    /// With wildcards; the end of a path is enough (`fork.c`, `kernel/fork.c`).
    pub file: Option<String>,
    pub lines: Lines,
}

/// Which lines of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// None given.
    Unsaid,
    /// `:N`
    At(u32),
    /// `+N`, from the line the function is declared in.
    After(u32),
    /// `:A-B`
    Range(u32, u32),
    /// `:*`
    Every,
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lines::Unsaid => Ok(()),
            Lines::At(line) => write!(f, ":{line}"),
            Lines::After(n) => write!(f, "+{n}"),
            Lines::Range(first, last) => write!(f, ":{first}-{last}"),
            Lines::Every => f.write_str(":*"),
        }
    }
}

impl FunctionPattern {
    /// # Errors
    /// What is wrong with the text: lower case, no full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, place)) = text.split_once('@') else {
            return match text {
                "" => Err("an empty function name".to_owned()),
                _ => Ok(Self { name: text.to_owned(), file: None, lines: Lines::Unsaid }),
            };
        };
        if name.is_empty() {
            return Err(format!("no function name in front of '@' in \"{text}\""));
        }
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| format!("'{digits}' is not a line number"));
        let (file, lines) = match place.rsplit_once([':', '+']) {
            None => (place, Lines::Unsaid),
            Some((file, "*")) => (file, Lines::Every),
            Some((file, line)) if place.as_bytes()[file.len()] == b'+' => (file, Lines::After(number(line)?)),
            Some((file, line)) => match line.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(format!("the lines {first}-{last} are the wrong way round"));
                    }
                    (file, Lines::Range(first, last))
                }
                None => (file, Lines::At(number(line)?)),
            },
        };
        if file.is_empty() {
            return Err(format!("no file behind '@' in \"{text}\""));
        }
        Ok(Self { name: name.to_owned(), file: Some(file.to_owned()), lines })
    }

    /// One name, not many.
    pub fn is_plain_name(&self) -> bool {
        !is_wildcard(&self.name)
    }

    pub fn matches_name(&self, name: &str) -> bool {
        glob_matches(self.name.as_bytes(), name.as_bytes())
    }

    /// Whether the path, or an end of it behind a slash, is what the pattern says. Without a file every path is.
    pub fn matches_file(&self, path: &str) -> bool {
        let Some(wanted) = &self.file else { return true };
        if is_wildcard(wanted) {
            let ends = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
            return std::iter::once(path).chain(ends).any(|end| glob_matches(wanted.as_bytes(), end.as_bytes()));
        }
        path.strip_suffix(wanted.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_parses() {
        let parse = |text| FunctionPattern::parse(text).map(|p| (p.name, p.file.unwrap_or_default(), p.lines));
        let is = |text, name: &str, file: &str, lines| {
            assert_eq!(parse(text), Ok((name.to_owned(), file.to_owned(), lines)), "{text}");
        };
        is("vfs_read", "vfs_read", "", Lines::Unsaid);
        is("vfs_*@fs/*.c", "vfs_*", "fs/*.c", Lines::Unsaid);
        is("*@kernel/fork.c:934", "*", "kernel/fork.c", Lines::At(934));
        is("f@a.c+10", "f", "a.c", Lines::After(10));
        is("f@a.c:3-9", "f", "a.c", Lines::Range(3, 9));
        is("f@a.c:*", "f", "a.c", Lines::Every);
        for (text, why) in [
            ("", "an empty function name"),
            ("@a.c", "no function name in front of '@' in \"@a.c\""),
            ("f@a.c:x", "'x' is not a line number"),
            ("f@a.c:9-3", "the lines 9-3 are the wrong way round"),
            ("f@:3", "no file behind '@' in \"f@:3\""),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_path_names_a_file() {
        let matches = |pattern, path| FunctionPattern::parse(pattern).is_ok_and(|p| p.matches_file(path));
        assert!(matches("f@fork.c", "kernel/fork.c"));
        assert!(matches("f@kernel/fork.c", "kernel/fork.c"));
        assert!(!matches("f@ork.c", "kernel/fork.c"));
        assert!(matches("f@kernel/*.c", "/build/linux/kernel/fork.c"));
        assert!(!matches("f@mm/*.c", "kernel/fork.c"));
        assert!(matches("f", "anything"));
    }
}
