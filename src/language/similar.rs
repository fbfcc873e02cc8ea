//! Names close to one that is not known, for "(similar: a, b)".

use std::collections::BTreeSet;

/// Names shown at most.
const MAX_SHOWN: usize = 5;

/// What an inserted, dropped or replaced character costs; a change of case is half of it, and so is a character that is there
/// or missing in front of all others: `_vfs` is nearer to `vfs` than `vfs_` is.
const EDIT: usize = 2;
const CASE: usize = 1;
const IN_FRONT: usize = 1;

/// The closest of `candidates` to `name`, best first, at most five, by weighted Levenshtein distance.
pub fn similar<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut found = by_similarity(name, candidates);
    found.truncate(MAX_SHOWN);
    found
}

/// All of `candidates`, each once, the closest to `name` first.
pub fn by_similarity<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for candidate in candidates {
        let candidate = candidate.as_ref();
        found.insert((distance(name.as_bytes(), candidate.as_bytes()), candidate.to_owned()));
    }
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).map(|j| j * IN_FRONT).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = (i + 1) * IN_FRONT;
        for (j, y) in b.iter().enumerate() {
            let replace = if x == y {
                0
            } else if x.eq_ignore_ascii_case(y) {
                CASE
            } else {
                EDIT
            };
            let best = (diagonal + replace).min(row[j] + EDIT).min(row[j + 1] + EDIT);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closest_names_first() {
        assert_eq!(
            similar("cuont", ["count", "sum", "counts", "zebra", "COUNT"]),
            ["count", "counts", "COUNT", "sum", "zebra"]
        );
        assert_eq!(similar("Pid", ["pid", "ppid", "tid"]), ["pid", "ppid", "tid"]);
        // What SystemTap 5.6 answers when these are the names it knows.
        let names = [
            "nfs", "nfsd", "vfs", "vm", "_nfs", "tcp", "udp", "stap", "_vfs", "signal", "_signal", "init", "generic",
            "ipmib",
        ];
        assert_eq!(similar("foo", names), ["nfs", "nfsd", "vfs", "vm", "_nfs"]);
        assert_eq!(similar("al", names), ["signal", "stap", "vm", "_signal", "nfs"]);
        assert_eq!(similar("begin", names), ["init", "vm", "generic", "ipmib", "nfs"]);
        assert_eq!(similar("abcdef", ["xabcdef", "axbcdef", "abcdexf", "abcdefx"])[..2], ["xabcdef", "abcdefx"]);
        assert_eq!(similar("x", ["a", "b", "c", "d", "e", "f"]).len(), MAX_SHOWN);
    }
}
