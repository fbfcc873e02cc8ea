//! The architecture as a table: fails when a module starts to look the wrong way. Also: unsafe code has one home.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each top-level module of `src/` and the modules it may name. All may name `source` and `diagnostics`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("diagnostics", &["language"]),
    ("sys", &[]),
    ("host", &["sys"]),
    ("language", &[]),
    ("embedded", &[]),
    ("tapset", &["language", "embedded", "host"]),
    ("debuginfo", &["host"]),
    ("probes", &["language", "debuginfo", "host"]),
    ("builtins", &["language"]),
    ("elaborate", &["language", "tapset", "probes", "builtins", "debuginfo", "host"]),
    ("lower", &["elaborate", "probes", "builtins", "debuginfo", "language", "runtime"]),
    ("runtime", &["probes", "builtins", "debuginfo", "language", "host", "output", "sys"]),
    ("output", &["runtime", "builtins", "language"]),
    ("pipeline", &["host", "language", "tapset", "debuginfo", "probes", "builtins", "elaborate", "lower", "runtime"]),
    ("tui", &["runtime", "output", "language", "embedded", "sys"]),
    (
        "cli",
        &[
            "pipeline",
            "runtime",
            "output",
            "tui",
            "tapset",
            "probes",
            "host",
            "builtins",
            "debuginfo",
            "elaborate",
            "language",
            "embedded",
            "sys",
        ],
    ),
];
const EVERYONE: &[&str] = &["source", "diagnostics"];

#[test]
fn modules_look_one_way() {
    let mut wrong = String::new();
    for (module, uses) in MAY_USE {
        for file in rust_files(module) {
            let text = fs::read_to_string(&file).unwrap();
            for name in crate_paths(without_tests(&text)) {
                if name != *module && !EVERYONE.contains(&name) && !uses.contains(&name) {
                    wrong += &format!("{}: `{module}` names `crate::{name}`\n", file.display());
                }
            }
        }
    }
    expect_test::expect![""].assert_eq(&wrong);
}

#[test]
fn every_module_is_in_the_table() {
    for entry in fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known =
            MAY_USE.iter().any(|(module, _)| *module == name) || ["lib", "main", "testing"].contains(&name.as_str());
        assert!(known, "add `{name}` to MAY_USE in {}", file!());
    }
}

#[test]
fn unsafe_code_lives_in_sys() {
    let mut files = Vec::new();
    walk(Path::new("src"), &mut files);
    let offenders: Vec<_> = files
        .iter()
        .filter(|file| !file.starts_with("src/sys"))
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("unsafe {"))
        })
        .collect();
    assert!(offenders.is_empty(), "{offenders:?}");
}

/// Unit tests may put more together than the code they test; they stand at the end of a file.
fn without_tests(text: &str) -> &str {
    &text[..text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len())]
}

/// Files that are tests as a whole.
const TEST_FILES: &[&str] = &[
    "src/runtime/tests",
    "src/tui/tests",
    "src/lower/scripts.rs",
    "src/elaborate/tests.rs",
    "src/debuginfo/dwarf/tests.rs",
    "src/debuginfo/mutants.rs",
];

fn rust_files(module: &str) -> Vec<PathBuf> {
    let (file, dir) = (format!("src/{module}.rs"), format!("src/{module}"));
    if Path::new(&file).exists() {
        return vec![file.into()];
    }
    let mut files = Vec::new();
    if Path::new(&dir).exists() {
        walk(Path::new(&dir), &mut files);
    }
    files.retain(|file| !TEST_FILES.iter().any(|test| file.starts_with(test)));
    files
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push(path);
        }
    }
}

/// First segments after `crate::`, also inside `crate::{a::b, c}`; comments do not count.
fn crate_paths(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, marker) in text.match_indices("crate::") {
        let line = &text[text[..at].rfind('\n').map_or(0, |n| n + 1)..at];
        if line.trim_start().starts_with("//") {
            continue;
        }
        let rest = &text[at + marker.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group)),
            None => names.push(ident(rest)),
        }
    }
    names
}

/// The first path segment of each item of a `{…}` group.
fn group_heads(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(ident(group[start..i].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(ident(group[start..i].trim()));
                start = i + 1;
            }
            _ => (),
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn ident(s: &str) -> &str {
    &s[..s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len())]
}

#[test]
fn finds_paths_in_groups_and_skips_comments() {
    let text = "use crate::{a::{b, c}, d,\n    e as _};\n// crate::f\nlet x = crate::g::h();";
    assert_eq!(crate_paths(text), ["a", "d", "e", "g"]);
}
