//! Probe points as text; the nearest names when nothing matches.

pub use crate::debuginfo::glob::{glob_matches, is_wildcard};
use crate::language::ast::{Literal, ProbePoint, ProbePointPart};

/// A point part's name with its argument, borrowed: what families match on.
pub type Part<'a> = (&'a str, Option<&'a Literal>);

/// The parts of a point, for slice patterns: `[("timer", None), ("s", Some(Literal::Long(n)))]`.
pub fn parts(point: &ProbePoint) -> Vec<Part<'_>> {
    point.parts.iter().map(|part| (&*part.name, part.arg.as_ref())).collect()
}

/// A literal as a script writes it.
pub fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Long(n) => n.to_string(),
        Literal::Str(bytes) => {
            let mut text = String::from("\"");
            for c in String::from_utf8_lossy(bytes).chars() {
                match c {
                    '"' => text.push_str("\\\""),
                    '\\' => text.push_str("\\\\"),
                    '\n' => text.push_str("\\n"),
                    '\t' => text.push_str("\\t"),
                    c => text.push(c),
                }
            }
            text.push('"');
            text
        }
    }
}

/// `timer.s(1).randomize(2)`, without `?`, `!` and condition.
pub fn point_text(parts: &[ProbePointPart]) -> String {
    let text = |part: &ProbePointPart| match &part.arg {
        Some(arg) => format!("{}({})", part.name, literal_text(arg)),
        None => part.name.to_string(),
    };
    parts.iter().map(text).collect::<Vec<_>>().join(".")
}

/// The names nearest to `name`, best first, at most 5: small edit distance, or one contains the other.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let limit = (name.len() / 3).clamp(1, 4);
    let mut scored: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates {
        let close = candidate.len().abs_diff(name.len()) <= limit;
        let distance = if close { edit_distance(name, candidate) } else { usize::MAX };
        if distance <= limit {
            scored.push((distance, candidate));
        } else if name.len() >= 3 && candidate.contains(name) {
            scored.push((limit + candidate.len() - name.len(), candidate));
        }
    }
    scored.sort();
    scored.dedup();
    scored.into_iter().take(5).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Levenshtein with adjacent swaps counted once.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_best_first() {
        let names = ["sched_switch", "sched_stick", "sched_waking", "softirq_entry"];
        assert_eq!(nearest("sched_swich", names), ["sched_switch", "sched_stick"]);
        assert_eq!(nearest("opne", ["open", "openat", "close"]), ["open"]);
        assert!(nearest("zzz", names).is_empty());
    }
}
