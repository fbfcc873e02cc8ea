//! Stacks among the keys of a table: what `sprint_backtrace()` and its like give, a line for each frame, the innermost first.

use crate::runtime::session::{Datum, Row};

/// The frames of a text that is a stack: `schedule+0x23 [kernel]`, `0x7f13af2a6efe [libc.so.6+0x9cefe]`, `0x7f58f56a6efe`.
pub fn frames(value: &Datum) -> Option<Vec<&str>> {
    let Datum::Str(bytes) = value else { return None };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains('\n'))?;
    let frames: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    // A text that was cut ends in the middle of a frame.
    let whole = frames.len() - usize::from(!text.ends_with('\n')).min(frames.len());
    let is_frame = |frame: &&str| frame.starts_with("0x") || frame.contains("+0x");
    (whole > 0 && frames[..whole].iter().all(is_frame)).then_some(frames)
}

/// Where a frame is, as short as can be told: the function, else the place in a file, else the address. What is behind it.
pub fn name(frame: &str) -> (&str, &str) {
    match frame.strip_prefix("0x").and(frame.split_once(" [")) {
        Some((_, place)) => (place.trim_end_matches(']'), ""),
        None => frame.split_at(frame.find(['+', ' ']).unwrap_or(frame.len())),
    }
}

/// A stack on one line, less its innermost frames that say nothing new: `do_futex < __x64_sys_futex`.
pub fn on_one_line(frames: &[&str], known: usize) -> String {
    let names: Vec<&str> = frames.iter().skip(known).map(|frame| name(frame).0).collect();
    names.join(" < ")
}

/// How many of the innermost frames all stacks of a key column have in common, less what leaves one of each to be shown;
/// `None` when the column does not hold stacks.
pub fn in_common<'a>(mut rows: impl Iterator<Item = &'a Row>, key: usize) -> Option<usize> {
    let first = frames(rows.next()?.keys.get(key)?)?;
    let (mut common, mut is_alone) = (first.len().saturating_sub(1), true);
    for row in rows {
        is_alone = false;
        let Some(Datum::Str(bytes)) = row.keys.get(key) else { return None };
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let same = first.iter().zip(lines.clone()).take_while(|(a, b)| a.as_bytes() == *b).count();
        common = common.min(same).min(lines.take(common + 1).count().saturating_sub(1));
        if common == 0 {
            break;
        }
    }
    Some(if is_alone { 0 } else { common })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Datum {
        Datum::Str(text.as_bytes().to_vec())
    }

    #[test]
    fn texts_that_are_stacks() {
        let stack = text("__schedule+0x618 [kernel]\n0x7f1 [libc.so.6+0x9c]\n0x7f58\n");
        let stack = frames(&stack).unwrap();
        assert_eq!(on_one_line(&stack, 0), "__schedule < libc.so.6+0x9c < 0x7f58");
        assert_eq!(name(stack[0]), ("__schedule", "+0x618 [kernel]"));
        assert_eq!(frames(&text("a+0x1\nb+0x2 [ker")).map(|frames| frames.len()), Some(2));
        for other in ["bash", "two\nlines\n", "", "\n", "cut", "a+0x1"] {
            assert_eq!(frames(&text(other)), None, "{other}");
        }
        assert_eq!(frames(&Datum::Long(3)), None);
    }

    #[test]
    fn what_all_have_in_common_is_left_out() {
        let row = |stack: &str| Row { keys: vec![text(stack)], value: Datum::Long(1) };
        let rows = [row("a+0x1\nb+0x2\nc+0x3\n"), row("a+0x1\nb+0x2\nd+0x4\n"), row("a+0x1\nb+0x2\n")];
        // One frame of the last is left to tell it by.
        assert_eq!(in_common(rows.iter(), 0), Some(1));
        assert_eq!(in_common(rows[..2].iter(), 0), Some(2));
        assert_eq!(in_common(rows[..1].iter(), 0), Some(0));
        assert_eq!(in_common([row("bash")].iter(), 0), None);
        assert_eq!(in_common(rows.iter(), 1), None);
    }
}
