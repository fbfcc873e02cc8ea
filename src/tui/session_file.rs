//! How the view is kept in a saved script: after the text, byte for byte as it was, comment lines `#: ` with TOML that any
//! SystemTap ignores.
//!
//! ```text
//! probe timer.s(1) { n++ }
//! #: tapdeck-session v1
//! #: layout = "watch"
//! ```
//! The first of them says `v1 no-newline` if the script does not end with one. Keys we do not know are kept.

const HEAD: &str = "#: tapdeck-session v1";

/// The script and its block, if it has one.
pub fn split(bytes: &[u8]) -> (Vec<u8>, toml::Table) {
    let nothing = || (bytes.to_vec(), toml::Table::new());
    let mut start = bytes.len();
    // Upwards over the trailing comment lines of ours.
    loop {
        let before = &bytes[..start];
        let line_start = match before.strip_suffix(b"\n").unwrap_or(before) {
            [] => return nothing(),
            line => line.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1),
        };
        let line = &bytes[line_start..start];
        if !line.starts_with(b"#:") {
            return nothing();
        }
        start = line_start;
        if line.starts_with(HEAD.as_bytes()) {
            break;
        }
    }
    let block = String::from_utf8_lossy(&bytes[start..]);
    let mut lines = block.lines();
    let no_newline = lines.next().is_some_and(|line| line.contains("no-newline"));
    let text: Vec<&str> = lines.map(|line| line.trim_start_matches("#:").trim_start_matches(' ')).collect();
    let Ok(table) = text.join("\n").parse() else { return nothing() };
    let mut script = bytes[..start].to_vec();
    if no_newline {
        script.pop();
    }
    (script, table)
}

/// The file to write. An empty block leaves the script alone.
pub fn join(script: &[u8], block: &toml::Table) -> Vec<u8> {
    let mut out = script.to_vec();
    if block.is_empty() {
        return out;
    }
    let no_newline = !script.is_empty() && !script.ends_with(b"\n");
    if no_newline {
        out.push(b'\n');
    }
    out.extend_from_slice(HEAD.as_bytes());
    out.extend_from_slice(if no_newline { b" no-newline\n" } else { b"\n" });
    for line in toml::to_string(block).unwrap_or_default().lines() {
        out.extend_from_slice(format!("#: {line}\n").as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_survive_byte_for_byte() {
        let block: toml::Table = "layout = 'watch'\n[live.n]\nsort = 2\nfilter = 'a\\nb'".parse().unwrap();
        for script in [&b"probe begin {}\n"[..], b"probe begin {}", b"", b"\n", b"a\xff\r\n", b"#: not ours\n"] {
            assert_eq!(split(&join(script, &block)), (script.to_vec(), block.clone()));
            assert_eq!(join(script, &toml::Table::new()), script);
        }
        assert_eq!(split(b"x\n#: something\n"), (b"x\n#: something\n".to_vec(), toml::Table::new()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_and_view_come_back(
            lines in proptest::collection::vec(any_line(), 0..8),
            ends in proptest::bool::ANY,
            view in proptest::option::of("\\PC{0,12}"),
        ) {
            let mut script = lines.join(&b'\n');
            if ends {
                script.push(b'\n');
            }
            let mut block = toml::Table::new();
            if let Some(view) = view {
                block.insert("layout".to_owned(), toml::Value::String(view));
            }
            // A block that is somebody's text already is read as one.
            let is_plain = !script.windows(2).any(|pair| pair == b"#:");
            if is_plain {
                proptest::prop_assert_eq!(split(&join(&script, &block)), (script.clone(), block));
            }
            // What the editor takes is what it saves.
            let editor = crate::tui::model::script::Script::new("x.stp", None, &script);
            proptest::prop_assert_eq!(editor.bytes(), script);
        }
    }

    fn any_line() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        use proptest::prelude::*;
        let piece = prop_oneof![
            Just(b"probe begin {}".to_vec()),
            Just(b"\t# caf\xc3\xa9 \xe6\x97\xa5".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"#: not ours".to_vec()),
            proptest::collection::vec(any::<u8>().prop_filter("no line end", |b| *b != b'\n'), 0..12),
        ];
        proptest::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn looks_like_this() {
        let block: toml::Table = "layout = 'watch'".parse().unwrap();
        let text = String::from_utf8(join(b"probe begin {}", &block)).unwrap();
        assert_eq!(text, "probe begin {}\n#: tapdeck-session v1 no-newline\n#: layout = \"watch\"\n");
    }
}
