//! Doc comments: the block of comments right above a declaration, without its comment signs.

use std::sync::Arc;

use crate::source::{FileId, Span};

/// The comment that ends on the line above the declaration at `span` in `text`; `None` without one, or when the
/// declaration came out of a macro (its span is in another file then).
pub fn comment_above(text: &[u8], span: Span, file: FileId) -> Option<Arc<str>> {
    if span.file != file {
        return None;
    }
    let before = text.get(..span.start as usize)?;
    // Only blanks may stand before the declaration on its line, and nothing between that line and the comment.
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if !before[line_start..].trim_ascii().is_empty() {
        return None;
    }
    let above = before[..line_start].strip_suffix(b"\n")?;
    let comment = if above.trim_ascii_end().ends_with(b"*/") && !last_line(above).trim_ascii().is_empty() {
        block_comment(above)?
    } else {
        line_comments(above)?
    };
    (!comment.trim().is_empty()).then(|| comment.into())
}

fn last_line(text: &[u8]) -> &[u8] {
    text.iter().rposition(|b| *b == b'\n').map_or(text, |at| &text[at + 1..])
}

fn block_comment(above: &[u8]) -> Option<String> {
    let above = above.trim_ascii_end().strip_suffix(b"*/")?;
    let start = above.windows(2).rposition(|w| w == b"/*")?;
    let body = String::from_utf8_lossy(&above[start + 2..]).into_owned();
    let lines = body.lines().map(|line| {
        let line = line.trim();
        line.strip_prefix("* ").or_else(|| line.strip_prefix('*')).unwrap_or(line).to_owned()
    });
    Some(join(lines.collect()))
}

fn line_comments(mut above: &[u8]) -> Option<String> {
    let mut lines = Vec::new();
    loop {
        let line = last_line(above);
        let trimmed = line.trim_ascii();
        let Some(text) = trimmed.strip_prefix(b"//").or_else(|| trimmed.strip_prefix(b"#")) else { break };
        // `#!/usr/bin/stap` is for the kernel.
        if !text.starts_with(b"!") {
            lines.push(String::from_utf8_lossy(text.strip_prefix(b" ").unwrap_or(text)).trim_end().to_owned());
        }
        let rest = &above[..above.len() - line.len()];
        let Some(rest) = rest.strip_suffix(b"\n") else { break };
        above = rest;
    }
    lines.reverse();
    (!lines.is_empty()).then(|| join(lines))
}

/// Lines without the empty ones at both ends.
fn join(lines: Vec<String>) -> String {
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: Option<&str>) {
        let at = text.rfind("function").unwrap();
        let span = Span::new(FileId(0), at, at + 8);
        assert_eq!(comment_above(text.as_bytes(), span, FileId(0)).as_deref(), wanted, "{text}");
    }

    #[test]
    fn comments_above_declarations() {
        check("// one\n#  two\nfunction f() {}", Some("one\n two"));
        check("/**\n * sfunction f - what\n * @x: it\n */\nfunction f(x) {}", Some("sfunction f - what\n@x: it"));
        check("/* a */ function f() {}", None);
        check("// far\n\nfunction f() {}", None);
        check("function f() {}", None);
        check("#!/usr/bin/stap\n// doc\nfunction f() {}", Some("doc"));
        check("x\n  // in\n  function f() {}", Some("in"));
    }
}
