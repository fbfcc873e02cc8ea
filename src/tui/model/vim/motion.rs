//! Where vim's motions and text objects lead in a text. Pure functions of lines and a place (line and character, from 0).

pub type Place = (usize, usize);

/// What an operator takes from here to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Up to the character before the farther end.
    Exclusive,
    /// With it.
    Inclusive,
    /// Whole lines.
    Lines,
}

/// A character searched in the line: `f` on it, `t` before it, `F` and `T` backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    pub kind: char,
    pub wanted: char,
}

pub struct Text<'a>(pub &'a [String]);

impl Text<'_> {
    pub fn len(&self, line: usize) -> usize {
        self.0.get(line).map_or(0, |text| text.chars().count())
    }

    fn chars(&self, line: usize) -> Vec<char> {
        self.0.get(line).map_or(Vec::new(), |text| text.chars().collect())
    }

    fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    pub fn first_nonblank(&self, line: usize) -> usize {
        let blank = self.chars(line).iter().take_while(|c| c.is_whitespace()).count();
        blank.min(self.len(line).saturating_sub(1))
    }

    /// `w`, `W`
    pub fn word_forward(&self, (mut line, mut at): Place, big: bool) -> Place {
        let mut chars = self.chars(line);
        if let Some(here) = chars.get(at).map(|c| class(*c, big)).filter(|class| *class != Class::Blank) {
            while chars.get(at).is_some_and(|c| class(*c, big) == here) {
                at += 1;
            }
        }
        loop {
            match chars.get(at) {
                Some(c) if c.is_whitespace() => at += 1,
                Some(_) => return (line, at),
                None if line == self.last() => return (line, chars.len()),
                None => {
                    (line, at) = (line + 1, 0);
                    chars = self.chars(line);
                    if chars.is_empty() {
                        return (line, 0);
                    }
                }
            }
        }
    }

    /// `b`, `B`
    pub fn word_back(&self, (mut line, mut at): Place, big: bool) -> Place {
        let mut chars = self.chars(line);
        loop {
            if at == 0 {
                if line == 0 {
                    return (0, 0);
                }
                line -= 1;
                chars = self.chars(line);
                at = chars.len();
                if chars.is_empty() {
                    return (line, 0);
                }
            } else if chars.get(at - 1).is_some_and(|c| c.is_whitespace()) {
                at -= 1;
            } else {
                break;
            }
        }
        at -= 1;
        while at > 0 && class(chars[at - 1], big) == class(chars[at], big) {
            at -= 1;
        }
        (line, at)
    }

    /// `e`, `E`
    pub fn word_end(&self, (mut line, mut at): Place, big: bool) -> Place {
        let mut chars = self.chars(line);
        at += 1;
        loop {
            match chars.get(at) {
                Some(c) if c.is_whitespace() => at += 1,
                Some(_) => break,
                None if line == self.last() => return (line, chars.len().saturating_sub(1)),
                None => {
                    (line, at) = (line + 1, 0);
                    chars = self.chars(line);
                }
            }
        }
        while chars.get(at + 1).is_some_and(|c| class(*c, big) == class(chars[at], big)) {
            at += 1;
        }
        (line, at)
    }

    /// The end of the word the place is in.
    pub fn run_end(&self, (line, at): Place, big: bool) -> Place {
        let chars = self.chars(line);
        let same = |n: &usize| class(chars[*n], big) == class(chars[at], big);
        (line, (at..chars.len()).take_while(same).last().unwrap_or(at))
    }

    /// `f F t T`, the `count`th.
    pub fn search(&self, (line, at): Place, Search { kind, wanted }: Search, count: usize) -> Option<Place> {
        let chars = self.chars(line);
        let found = match kind {
            'f' => (at + 1..chars.len()).filter(|n| chars[*n] == wanted).nth(count - 1)?,
            't' => (at + 2..chars.len()).filter(|n| chars[*n] == wanted).nth(count - 1)? - 1,
            'F' => (0..at.min(chars.len())).rev().filter(|n| chars[*n] == wanted).nth(count - 1)?,
            _ => (0..at.saturating_sub(1)).rev().filter(|n| chars[*n] == wanted).nth(count - 1)? + 1,
        };
        Some((line, found))
    }

    /// `%`: the partner of the first bracket at or after the cursor.
    pub fn partner(&self, (line, at): Place) -> Option<Place> {
        let chars = self.chars(line);
        let start = (at..chars.len()).find(|n| "()[]{}".contains(chars[*n]))?;
        let bracket = chars[start];
        let (open, close) = pair(bracket)?;
        if bracket == open { self.close((line, start), open, close) } else { self.open((line, start), open, close) }
    }

    /// The bracket that closes the one at `place`.
    fn close(&self, place: Place, open: char, close: char) -> Option<Place> {
        let mut depth = 0usize;
        for line in place.0..self.0.len() {
            let first = if line == place.0 { place.1 } else { 0 };
            for (at, c) in self.chars(line).into_iter().enumerate().skip(first) {
                if c == open {
                    depth += 1;
                } else if c == close {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some((line, at));
                    }
                }
            }
        }
        None
    }

    /// The bracket that opens the one at `place`, or the pair `place` is in.
    fn open(&self, place: Place, open: char, close: char) -> Option<Place> {
        let mut depth = 0usize;
        for line in (0..=place.0).rev() {
            let chars = self.chars(line);
            let end = if line == place.0 { place.1 + 1 } else { chars.len() };
            for at in (0..end.min(chars.len())).rev() {
                let here = (line, at) == place;
                if chars[at] == close && !here {
                    depth += 1;
                } else if chars[at] == open {
                    if depth == 0 {
                        return Some((line, at));
                    }
                    depth -= 1;
                }
            }
        }
        None
    }

    /// `}` and `{`: the next empty line.
    pub fn paragraph(&self, line: usize, forward: bool) -> usize {
        let blank = |n: &usize| self.0[*n].trim().is_empty();
        if forward {
            (line + 1..self.0.len()).find(blank).unwrap_or(self.last())
        } else {
            (0..line).rev().find(blank).unwrap_or(0)
        }
    }

    /// `iw a( i" …`: where the object begins and the place after its end.
    pub fn object(&self, place: Place, around: bool, what: char) -> Option<(Place, Place)> {
        match what {
            'w' | 'W' => self.word_object(place, around, what == 'W'),
            '"' | '\'' => self.quoted(place, around, what),
            _ => {
                let (open, close) = pair(match what {
                    'b' => '(',
                    'B' => '{',
                    other => other,
                })?;
                let start = self.open(place, open, close)?;
                let end = self.close(start, open, close)?;
                Some(if around { (start, (end.0, end.1 + 1)) } else { ((start.0, start.1 + 1), end) })
            }
        }
    }

    fn word_object(&self, (line, at): Place, around: bool, big: bool) -> Option<(Place, Place)> {
        let chars = self.chars(line);
        let here = class(*chars.get(at)?, big);
        let same = |n: &usize| class(chars[*n], big) == here;
        let start = (0..=at).rev().take_while(same).last()?;
        let mut end = (at..chars.len()).take_while(same).last()? + 1;
        let mut begin = start;
        if around {
            let after = chars[end..].iter().take_while(|c| c.is_whitespace()).count();
            if after > 0 {
                end += after;
            } else {
                begin -= chars[..start].iter().rev().take_while(|c| c.is_whitespace()).count();
            }
        }
        Some(((line, begin), (line, end)))
    }

    fn quoted(&self, (line, at): Place, around: bool, quote: char) -> Option<(Place, Place)> {
        let chars = self.chars(line);
        let marks: Vec<usize> =
            (0..chars.len()).filter(|n| chars[*n] == quote && (*n == 0 || chars[*n - 1] != '\\')).collect();
        let pair = marks.chunks_exact(2).find(|pair| at <= pair[1])?;
        let (start, end) = if around { (pair[0], pair[1] + 1) } else { (pair[0] + 1, pair[1]) };
        Some(((line, start), (line, end)))
    }
}

fn pair(bracket: char) -> Option<(char, char)> {
    [('(', ')'), ('[', ']'), ('{', '}')].into_iter().find(|(open, close)| [*open, *close].contains(&bracket))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Word,
    Other,
}

fn class(c: char, big: bool) -> Class {
    match c {
        c if c.is_whitespace() => Class::Blank,
        c if big || c.is_alphanumeric() || c == '_' => Class::Word,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let lines = ["probe a.b {".to_owned(), String::new(), "  n++".to_owned()];
        let text = Text(&lines);
        let mut at = (0, 0);
        let mut seen = Vec::new();
        for _ in 0..8 {
            at = text.word_forward(at, false);
            seen.push(at);
        }
        assert_eq!(seen, [(0, 6), (0, 7), (0, 8), (0, 10), (1, 0), (2, 2), (2, 3), (2, 5)]);
        assert_eq!(text.word_back((2, 3), false), (2, 2));
        assert_eq!(text.word_back((2, 2), false), (1, 0));
        assert_eq!(text.word_back((0, 10), true), (0, 6));
        assert_eq!(text.word_end((0, 0), false), (0, 4));
        assert_eq!(text.word_end((0, 10), false), (2, 2));
    }

    #[test]
    fn brackets_and_objects() {
        let lines = ["f(a, g(b)) {".to_owned(), "  x(\"y z\")".to_owned(), "}".to_owned()];
        let text = Text(&lines);
        assert_eq!(text.partner((0, 0)), Some((0, 9)));
        assert_eq!(text.partner((2, 0)), Some((0, 11)));
        assert_eq!(text.object((0, 3), false, 'b'), Some(((0, 2), (0, 9))));
        assert_eq!(text.object((0, 7), true, '('), Some(((0, 6), (0, 9))));
        assert_eq!(text.object((1, 2), false, '{'), Some(((0, 12), (2, 0))));
        assert_eq!(text.object((1, 6), false, '"'), Some(((1, 5), (1, 8))));
        assert_eq!(text.object((1, 5), true, 'w'), Some(((1, 5), (1, 7))));
        assert_eq!(text.search((0, 0), Search { kind: 't', wanted: ')' }, 2), Some((0, 8)));
    }
}
