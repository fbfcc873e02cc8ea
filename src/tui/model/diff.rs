//! What differs between two texts, by lines.

/// Lines around a change that are shown with it.
const CONTEXT: usize = 2;
/// Beyond so many pairs of lines all of the middle counts as changed.
const MAX_PAIRS: usize = 4_000_000;

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// `-` before lines only `old` has, `+` before lines only `new` has, and a few lines around them.
pub fn diff(old: &str, new: &str) -> Vec<String> {
    let lines = compare(old, new);
    let near = |at: usize| {
        let around = &lines[at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(lines.len())];
        around.iter().any(|(side, _)| *side != Side::Both)
    };
    let mut out = Vec::new();
    let mut gap = false;
    for (at, (side, line)) in lines.iter().enumerate() {
        if !near(at) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push("  ...".to_owned());
        }
        let mark = match side {
            Side::Both => ' ',
            Side::Old => '-',
            Side::New => '+',
        };
        out.push(format!("{mark} {line}").trim_end().to_owned());
    }
    out
}

/// How many lines `new` has that are not in `old`, or the other way round, whichever are more.
pub fn n_changed(old: &str, new: &str) -> usize {
    let lines = compare(old, new);
    let count = |wanted| lines.iter().filter(|(side, _)| *side == wanted).count();
    count(Side::Old).max(count(Side::New))
}

fn compare<'a>(old: &'a str, new: &'a str) -> Vec<(Side, &'a str)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut out: Vec<(Side, &str)> = old[..head].iter().map(|line| (Side::Both, *line)).collect();
    out.extend(compare_middle(old_middle, new_middle));
    out.extend(old[old.len() - tail..].iter().map(|line| (Side::Both, *line)));
    out
}

/// By the longest common subsequence.
fn compare_middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Side, &'a str)> {
    let all = |side, lines: &[&'a str]| lines.iter().map(|line| (side, *line)).collect::<Vec<_>>();
    if old.len() * new.len() > MAX_PAIRS {
        return [all(Side::Old, old), all(Side::New, new)].concat();
    }
    // common[i][j]: of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            out.push((Side::Both, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            out.push((Side::Old, old[i]));
            i += 1;
        } else {
            out.push((Side::New, new[j]));
            j += 1;
        }
    }
    out.extend(all(Side::Old, &old[i..]));
    out.extend(all(Side::New, &new[j..]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_changes_with_what_is_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nX\nd\ne\nf\ng\nh\nnew\n";
        let shown = "  a\n  b\n- c\n+ X\n  d\n  e\n  ...\n  g\n  h\n+ new";
        assert_eq!(diff(old, new).join("\n"), shown);
        assert_eq!((n_changed(old, new), n_changed(old, old)), (2, 0));
        assert_eq!(diff("", "x"), ["+ x"]);
        assert_eq!(diff("x\n\n", ""), ["- x", "-"]);
        assert!(diff(old, old).is_empty());
    }

    #[test]
    fn moves_are_a_line_out_and_a_line_in() {
        assert_eq!(diff("a\nb\nc", "b\nc\na"), ["- a", "  b", "  c", "+ a"]);
    }
}
