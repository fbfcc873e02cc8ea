//! A scoreboard: how far SystemTap's own example scripts come through passes 1 to 4 here. They are read where Debian's
//! systemtap-doc installs them, run as the `test_check` line of the `.meta` file beside each says.
//!
//! `tests/examples.score` records `script<TAB>furthest pass<TAB>first reason`. A script that gets less far than recorded
//! fails the test; `UPDATE_EXPECT=1` rewrites the record.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

const EXAMPLES: &str = "/usr/share/systemtap/examples";
const THREADS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Score {
    /// 0 to 4.
    pass: u8,
    /// Empty when all passes are done.
    reason: String,
}

#[test]
fn example_scripts_get_as_far_as_before() {
    let metas = metas(Path::new(EXAMPLES));
    if metas.is_empty() {
        eprintln!("SKIPPED: no {EXAMPLES} (Debian: apt-get install systemtap-doc)");
        return;
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        eprintln!("SKIPPED: the record is of a kernel with BTF");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples.score");
    let now = scores(metas);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, render(&now)).unwrap();
        return;
    }
    let before = read(&fs::read_to_string(&path).unwrap_or_default());
    let mut worse = String::new();
    for (script, was) in &before {
        if let Some(is) = now.get(script).filter(|is| is.pass < was.pass) {
            worse += &format!("{script}: pass {} before, {} now: {}\n", was.pass, is.pass, is.reason);
        }
    }
    assert!(worse.is_empty(), "{worse}(UPDATE_EXPECT=1 rewrites the record)");
    let better = now.iter().filter(|(script, is)| before.get(*script).is_none_or(|was| was.pass < is.pass)).count();
    if better > 0 {
        eprintln!("{better} scripts get further than recorded: run with UPDATE_EXPECT=1");
    }
}

/// Every `.meta` file below, sorted.
fn metas(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(metas(&path));
        } else if path.extension().is_some_and(|e| e == "meta") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn scores(metas: Vec<PathBuf>) -> BTreeMap<String, Score> {
    // A link of that name behaves as stap.
    let bin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stap-bin");
    fs::create_dir_all(&bin).unwrap();
    let link = bin.join("stap");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tapdeck"), &link).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());

    let todo = Mutex::new(metas);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(meta) = todo.lock().unwrap().pop() else { return };
                    let Some(command) = check_command(&meta) else { continue };
                    let name = meta.strip_prefix(EXAMPLES).unwrap().with_extension("stp").display().to_string();
                    let score = score(&command, meta.parent().unwrap(), &path);
                    done.lock().unwrap().insert(name, score);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// The line that says how to compile the script, if it is a plain one.
fn check_command(meta: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(meta).ok()?).into_owned();
    let command = text.lines().find_map(|line| line.strip_prefix("test_check:"))?.trim().to_owned();
    (command.starts_with("stap ") && command.contains("p4")).then_some(command)
}

fn score(command: &str, folder: &Path, path: &str) -> Score {
    let run = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    if run.status.success() {
        return Score { pass: 4, reason: String::new() };
    }
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let failed = said.lines().find_map(|line| line.strip_prefix("Pass ")?.get(..1)?.parse::<u8>().ok());
    let is_error = |line: &&str| line.contains("error:") || line.starts_with("ERROR") || line.contains("panicked");
    // What is wrong with a probe point is said behind where it is, and what has no type for it before why.
    let says_why = |line: &&str| {
        is_error(line) && !line.contains(": while resolving probe point: ") && !line.contains("error: unresolved type")
    };
    let reason = said.lines().find(says_why).unwrap_or("no reason given");
    Score { pass: failed.unwrap_or(1).saturating_sub(1), reason: without_place(reason) }
}

/// `… identifier 'x' at f.stp:3:5` without where.
fn without_place(reason: &str) -> String {
    reason.split(" at ").next().unwrap_or(reason).replace('\t', " ").trim().to_owned()
}

fn render(scores: &BTreeMap<String, Score>) -> String {
    let complete = scores.values().filter(|score| score.pass == 4).count();
    let mut text = format!("# {complete} of {} through every pass\n", scores.len());
    for (script, score) in scores {
        text += &format!("{script}\t{}\t{}\n", score.pass, score.reason);
    }
    text
}

fn read(text: &str) -> BTreeMap<String, Score> {
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let script = fields.next().filter(|field| !field.starts_with('#'))?.to_owned();
        let pass = fields.next()?.parse().ok()?;
        Some((script, Score { pass, reason: fields.next().unwrap_or_default().to_owned() }))
    };
    text.lines().filter_map(line).collect()
}
