//! What was typed, read as a command.

use super::motion::Search;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Motion(char),
    /// `gg`
    Top,
    Search(Search),
    /// `iw`, `a(`
    Object {
        around: bool,
        what: char,
    },
    /// The operator twice: `dd`.
    Line,
    /// Whole by itself: `x`, `p`, `i`.
    Simple(char),
    /// `rx`
    Replace(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    pub count: Option<usize>,
    pub operator: Option<char>,
    pub target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    Partial,
    Wrong,
    Whole(Command),
}

/// `visual`: something is selected, so an operator needs no motion, and `i` and `a` begin an object.
pub fn parse(typed: &str, visual: bool) -> Parsed {
    let mut chars = typed.chars().peekable();
    let number = |chars: &mut std::iter::Peekable<std::str::Chars>| {
        let mut n: Option<usize> = None;
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)).filter(|digit| n.is_some() || *digit > 0) {
            n = Some(n.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize).min(99_999));
            chars.next();
        }
        n
    };
    let first = number(&mut chars);
    let mut operator = None;
    if let Some(c) = chars.peek().copied().filter(|c| "dcy<>".contains(*c)) {
        operator = Some(c);
        chars.next();
    }
    let second = if operator.is_some() { number(&mut chars) } else { None };
    let count = match (first, second) {
        (Some(a), Some(b)) => Some(a.saturating_mul(b).min(99_999)),
        (a, b) => a.or(b),
    };
    let whole = |target| Parsed::Whole(Command { count, operator, target });
    if visual && operator.is_some() {
        return whole(Target::Line);
    }
    let Some(c) = chars.next() else { return Parsed::Partial };
    let next = chars.next();
    match (c, next) {
        (c, _) if Some(c) == operator => whole(Target::Line),
        ('f' | 'F' | 't' | 'T' | 'g' | 'Z', None) => Parsed::Partial,
        ('r', None) if operator.is_none() => Parsed::Partial,
        ('i' | 'a', None) if operator.is_some() || visual => Parsed::Partial,
        ('f' | 'F' | 't' | 'T', Some(wanted)) => whole(Target::Search(Search { kind: c, wanted })),
        ('g', Some('g')) => whole(Target::Top),
        ('Z', Some('Z' | 'Q')) if operator.is_none() => whole(Target::Simple('Z')),
        ('r', Some(wanted)) if operator.is_none() => whole(Target::Replace(wanted)),
        ('i' | 'a', Some(what)) => whole(Target::Object { around: c == 'a', what }),
        (c, _) if "hjklwWbBeE0^$+-G{}%;, ".contains(c) => whole(Target::Motion(c)),
        _ if operator.is_some() || c == 'g' || c == 'Z' => Parsed::Wrong,
        (c, _) => whole(Target::Simple(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_multiply_and_prefixes_wait() {
        let whole = |text| match parse(text, false) {
            Parsed::Whole(command) => command,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(whole("2d3w"), Command { count: Some(6), operator: Some('d'), target: Target::Motion('w') });
        assert_eq!(whole("10x").count, Some(10));
        assert_eq!(whole("0").target, Target::Motion('0'));
        assert_eq!(whole("d0").target, Target::Motion('0'));
        assert_eq!(whole("dd").target, Target::Line);
        assert_eq!(whole("dfx").target, Target::Search(Search { kind: 'f', wanted: 'x' }));
        for partial in ["2", "d", "d2", "g", "dg", "f", "di", "r"] {
            assert_eq!(parse(partial, false), Parsed::Partial, "{partial}");
        }
        for wrong in ["dx", "gz", "dp", "Zx"] {
            assert_eq!(parse(wrong, false), Parsed::Wrong, "{wrong}");
        }
        assert_eq!(
            parse("iw", true),
            Parsed::Whole(Command { count: None, operator: None, target: Target::Object { around: false, what: 'w' } })
        );
    }
}
