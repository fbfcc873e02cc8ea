//! Our diagnostics against those of an installed `stap`, byte for byte, for every script in `parse_err`. Skipped where
//! there is none. Scripts marked `//# oracle: …` are known to differ, for the reason given there; `help:` lines are ours.

use std::{fs, path::Path, process::Command};

use crate::{parse::rendered, scripts::cases};

/// A folder `stap -r` accepts as a kernel to build for.
fn kernel_tree(folder: &Path) {
    fs::create_dir_all(folder.join("include/config")).unwrap();
    fs::write(folder.join("include/config/kernel.release"), "6.12.0\n").unwrap();
    fs::write(folder.join(".config"), "CONFIG_64BIT=y\nCONFIG_X86_64=y\n").unwrap();
    fs::write(folder.join("Module.symvers"), "").unwrap();
    fs::write(folder.join("Makefile"), "").unwrap();
}

#[test]
#[ignore = "asks an installed stap about every script, half a minute: cargo test --test it -- --ignored"]
fn parse_errors_read_as_those_of_stap() {
    if Command::new("stap").arg("--version").output().is_err() {
        eprintln!("skipped: no stap here");
        return;
    }
    let folder = std::env::temp_dir().join(format!("tapdeck-oracle-{}", std::process::id()));
    kernel_tree(&folder);
    let mut wrong = Vec::new();
    for case in cases("parse_err") {
        if case.directive("oracle").is_some() {
            continue;
        }
        let mut stap = Command::new("stap");
        stap.current_dir(case.path.parent().unwrap()).arg("-r").arg(&folder).args(["-p1", &case.name]);
        if case.directive("guru").is_some() {
            stap.arg("-g");
        }
        let output = stap.args(case.args()).output().unwrap();
        let theirs = String::from_utf8_lossy(&output.stderr).into_owned();
        let keep = |line: &&str| !line.starts_with("WARNING: Kernel function symbol") && !line.starts_with("Tip: ");
        let theirs: Vec<&str> = theirs.lines().filter(keep).collect();
        let ours = rendered(&case);
        let ours: Vec<&str> = ours.lines().filter(|line| !line.trim_start().starts_with("help: ")).collect();
        if ours != theirs {
            wrong.push(format!("== {}\n-- stap\n{}\n-- ours\n{}", case.name, theirs.join("\n"), ours.join("\n")));
        }
    }
    let _ = fs::remove_dir_all(&folder);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
