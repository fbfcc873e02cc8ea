//! Scripts as data: `tests/scripts/<folder>/x.stp` with what a pass makes of it in `x.out` beside it. The folder names
//! the pass and the verdict. `UPDATE_EXPECT=1` rewrites the `.out` files; read the diff before committing it.
//!
//! Comments at the head of a script steer the test: `//# args: 1 two` gives script arguments, `//# guru` is `-g`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One script of a folder.
pub struct Case {
    pub path: PathBuf,
    /// File name, which diagnostics print.
    pub name: String,
    pub text: Vec<u8>,
}

impl Case {
    /// What stands behind `//# key:`, or an empty text for a bare `//# key`; `None` without one.
    pub fn directive(&self, key: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("//#").map(str::trim));
        lines.find_map(|line| {
            let rest = line.strip_prefix(key)?;
            if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix(':').map(|r| r.trim().to_owned()) }
        })
    }

    pub fn args(&self) -> Vec<String> {
        self.directive("args").map(|args| args.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// The scripts of `tests/scripts/<folder>`, by name.
pub fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases: Vec<Case> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "stp"))
        .map(|path| Case {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            text: fs::read(&path).unwrap(),
            path,
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!cases.is_empty(), "no scripts in {}", folder.display());
    cases
}

/// Runs `output` over every script of the folder and compares with the `.out` files.
pub fn check(folder: &str, output: impl Fn(&Case) -> String) {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for case in cases(folder) {
        let actual = output(&case);
        let out = case.path.with_extension("out");
        let expected = fs::read_to_string(&out).unwrap_or_default();
        if actual == expected {
            continue;
        }
        if update {
            fs::write(&out, &actual).unwrap();
        } else {
            wrong.push(format!("== {folder}/{}\n-- expected\n{expected}\n-- actual\n{actual}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}\n(UPDATE_EXPECT=1 rewrites)", wrong.join("\n"));
}
