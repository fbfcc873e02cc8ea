//! How much of the function library SystemTap documents is here. The documented names are those of the manual pages
//! `function::NAME` that Debian's systemtap-doc installs, and of `tests/library.missing` itself.
//!
//! `tests/library.missing` lists what is documented and not here, one name a line, each with the reason. A function may
//! leave the list and never join it; `UPDATE_EXPECT=1` takes out what has come.

use std::{collections::BTreeSet, fs, path::Path};

use tapdeck::{builtins, language::types::Type};

use crate::binary::{finish, tapdeck};

const MANUALS: &str = "/usr/share/man/man3";

/// Pages whose name is not the function's: the page of MKDEV is misspelt, cpuid is cpu's old name, and the last three
/// are of functions that are gone.
const NO_FUNCTIONS: [&str; 5] = ["MKDEF", "cpuid", "sa_handler", "task_backtrace", "task_exe_file"];

/// Every function a script can call.
fn ours() -> BTreeSet<String> {
    let mut command = tapdeck();
    command.args(["run", "--dump-functions"]);
    let ran = finish(command);
    let names: BTreeSet<String> = ran.out.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    assert!(names.contains("execname") && names.contains("qs_wait"), "{}", ran.err);
    names
}

/// The names manual pages are there for.
fn documented() -> BTreeSet<String> {
    let name = |file: std::ffi::OsString| {
        let name = file.to_str()?.strip_prefix("function::")?.split('.').next()?.to_owned();
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_').then_some(name)
    };
    let files = fs::read_dir(MANUALS).into_iter().flatten().flatten();
    files.filter_map(|file| name(file.file_name())).filter(|name| !NO_FUNCTIONS.contains(&name.as_str())).collect()
}

/// A call says with a caret why it cannot be.
fn refused_with_a_reason<'n>(names: impl Iterator<Item = &'n String>) {
    for name in names {
        let row = (0..4).find_map(|n| builtins::find(name, n)).map(builtins::get);
        let row = row.unwrap_or_else(|| panic!("{name} is not refused in src/builtins/refused.rs"));
        let args: Vec<&str> = row.params.iter().map(|param| if param.ty == Type::Str { "\"\"" } else { "1" }).collect();
        let mut command = tapdeck();
        command.args(["run", "-p4", "-e", &format!("probe begin {{ {name}({}) }}", args.join(", "))]);
        let err = finish(command).err;
        let expected = format!("semantic error: function '{name}' is not available: ");
        assert!(
            err.starts_with(&expected) && err.contains("\n                              ^\n          help: "),
            "{err}"
        );
    }
}

#[test]
fn documented_functions_are_here_or_known_to_be_missing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library.missing");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let listed = |line: &str| line.split_whitespace().next().filter(|name| *name != "#").map(str::to_owned);
    let missing: BTreeSet<String> = text.lines().filter_map(listed).collect();
    let ours = ours();
    let come: Vec<&String> = missing.intersection(&ours).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let kept = text.lines().filter(|line| listed(line).is_none_or(|name| !ours.contains(&name)));
        fs::write(&path, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    } else {
        assert!(come.is_empty(), "{come:?} are here: UPDATE_EXPECT=1 takes them out of {}", path.display());
    }
    let documented = documented();
    if documented.is_empty() {
        eprintln!("SKIPPED: no manual pages function::… (Debian: apt-get install systemtap-doc)");
        return;
    }
    let lost: Vec<&String> =
        documented.iter().filter(|name| !ours.contains(*name) && !missing.contains(*name)).collect();
    assert!(lost.is_empty(), "documented, and neither here nor in {}: {lost:?}", path.display());
    refused_with_a_reason(missing.iter());
    eprintln!("{} of {} documented functions are missing", missing.len(), documented.union(&missing).count());
}
