//! Shell-like wildcards, as probe points use them for names and files.

/// Shell-like: `*` any run, `?` one character, `[abc]`, `[a-c]`, `[!a]` one of a set.
pub fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            // Nothing behind it has to be found.
            Some(b'*') if p + 1 == pattern.len() => return true,
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => match set_matches(&pattern[p..], text[t]) {
                Some((true, len)) => Some(len),
                Some((false, _)) => None,
                // No closing bracket: it stands for itself.
                None => (text[t] == b'[').then_some(1),
            },
            Some(byte) => (*byte == text[t]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((star_p, star_t))) => {
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether `byte` is in the set a pattern begins with, and how long the set's text is.
fn set_matches(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let end = 2 + pattern.get(2..)?.iter().position(|b| *b == b']')?;
    let (negated, set) = match &pattern[1..end] {
        [b'!' | b'^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let mut found = false;
    let mut idx = 0;
    while idx < set.len() {
        if set.get(idx + 1) == Some(&b'-') && idx + 2 < set.len() {
            found |= (set[idx]..=set[idx + 2]).contains(&byte);
            idx += 3;
        } else {
            found |= set[idx] == byte;
            idx += 1;
        }
    }
    Some((found != negated, end + 1))
}

pub fn is_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("sched_*", "sched_switch", true),
            ("*_exit", "sched_process_exit", true),
            ("*a*b*", "xxaxxbx", true),
            ("*a*b", "xxaxxbx", false),
            ("?pen", "open", true),
            ("?pen", "pen", false),
            ("[op]pen*", "openat", true),
            ("[!o]pen", "open", false),
            ("[a-f]x", "cx", true),
            ("[x", "[x", true),
        ] {
            assert_eq!(glob_matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} against {text}");
        }
    }
}
