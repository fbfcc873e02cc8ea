//! Doc comments: the block of comment lines right above a definition, without its signs.

/// The comment above byte `at` of `text`, which starts a definition; `None` when the line above is not a comment.
///
/// Takes `//`, `///` and `#` lines and one `/* … */` block; a blank line ends it.
pub fn doc_above(text: &[u8], at: usize) -> Option<String> {
    let head = String::from_utf8_lossy(&text[..at.min(text.len())]).into_owned();
    let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
    if !head[line_start..].trim().is_empty() {
        return None;
    }
    let above = &head[..line_start];
    if let Some(block) = above.trim_end_matches([' ', '\t', '\n']).strip_suffix("*/") {
        let blank_between = above[block.len() + 2..].matches('\n').count() > 1;
        let open = block.rfind("/*")?;
        if blank_between {
            return None;
        }
        let lines = block[open + 2..].lines().map(|line| line.trim().trim_start_matches('*').trim());
        return non_empty(lines.collect::<Vec<_>>().join("\n").trim());
    }
    let mut lines = Vec::new();
    for line in above.lines().rev() {
        let line = line.trim();
        let Some(rest) = line.strip_prefix("//").or_else(|| line.strip_prefix('#')) else { break };
        lines.push(
            rest.trim_start_matches(['/', '#']).trim_end().strip_prefix(' ').unwrap_or(rest.trim_start_matches('/')),
        );
    }
    lines.reverse();
    non_empty(lines.join("\n").trim())
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_block_right_above() {
        let text = b"// file\n\n/// Adds.\n/// Twice.\nfunction f() { }\n/* Stars\n * too. */\nprobe x = begin { }\n\nglobal a";
        let at = |word: &str| String::from_utf8_lossy(text).find(word).unwrap();
        assert_eq!(doc_above(text, at("function")).as_deref(), Some("Adds.\nTwice."));
        assert_eq!(doc_above(text, at("probe")).as_deref(), Some("Stars\ntoo."));
        assert_eq!(doc_above(text, at("global")), None);
    }
}
