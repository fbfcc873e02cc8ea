//! Small scripts and what SystemTap 5.6 answers to each: whether it takes them, `-p1`, `-p2` and every message.
//!
//! A file of `tests/corpus` is a list of cases:
//!
//! ```text
//! ==== -g ARG:3              options, and what stands behind the script as its arguments
//! #! differs: why            where this is to answer otherwise; it has to, then
//! probe begin { … }
//! ---- -p1 0                 what SystemTap was asked for, and its exit status
//! # parse tree dump …        its standard output
//! ---- err
//! WARNING: …                 its standard error
//! ---- -p2 1
//! …
//! ```
//!
//! `tests/corpus/record.py FILE` asks an installed SystemTap 5.6 about cases that have no answers yet. `help:` lines are
//! ours and left out here. Cases whose answer depends on a kernel or its debug information are not for this.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tapdeck::{
    cli::check,
    host::Recorded,
    pipeline::{CompileOptions, Compiler, Input, Pass},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    pass: String,
    status: String,
    out: String,
    err: String,
}

#[derive(Clone, Debug, Default)]
struct Case {
    /// File and number, for messages.
    name: String,
    options: Vec<String>,
    args: Vec<String>,
    differs: bool,
    script: String,
    answers: Vec<Answer>,
}

fn cases(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let file = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut cases = Vec::new();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    for (number, block) in format!("\n{text}").split("\n==== ").skip(1).enumerate() {
        let (head, rest) = block.split_once('\n').unwrap_or((block, ""));
        let mut case = Case { name: format!("{file}:{number}"), ..Case::default() };
        for word in head.split_whitespace() {
            match word.strip_prefix("ARG:") {
                Some(arg) => case.args.push(arg.to_owned()),
                None => case.options.push(word.to_owned()),
            }
        }
        let mut parts = format!("\n{rest}").split("\n---- ").map(str::to_owned).collect::<Vec<_>>().into_iter();
        let mut script = parts.next().unwrap_or_default();
        while let Some(line) = script.strip_prefix("\n#! ") {
            let (word, rest) = line.split_once('\n').unwrap_or((line, ""));
            case.differs |= word.starts_with("differs: ");
            script = format!("\n{rest}");
        }
        case.script = script.trim_start_matches('\n').to_owned();
        for part in parts {
            let (head, body) = part.split_once('\n').unwrap_or((&part, ""));
            let body = if body.is_empty() { String::new() } else { format!("{body}\n") };
            match (head, case.answers.last_mut()) {
                ("err", Some(answer)) => answer.err = body,
                _ => {
                    let (pass, status) = head.split_once(' ').unwrap_or((head, ""));
                    let (pass, status) = (pass.to_owned(), status.to_owned());
                    case.answers.push(Answer { pass, status, out: body, err: String::new() });
                }
            }
        }
        cases.push(case);
    }
    cases
}

/// What we say to one case.
fn ours(case: &Case, pass: &str, compiler: &Compiler) -> Answer {
    let mut manner = check::Manner::default();
    let mut options = CompileOptions { last: Pass::Elaborate, ..CompileOptions::default() };
    if pass == "-p1" {
        options.last = Pass::Parse;
    }
    let mut words = case.options.iter();
    while let Some(option) = words.next() {
        match option.as_str() {
            "-g" => options.guru = true,
            "-u" => options.unoptimized = true,
            "--semantic-keep-going" => (options.keep_going, manner.catalogue) = (true, true),
            "-w" => manner.no_warnings = true,
            "-W" => manner.warnings_are_errors = true,
            "-v" => manner.verbose = true,
            "--skip-badvars" => options.skip_badvars = true,
            "--no-global-var-display" => options.no_global_var_display = true,
            "-G" => {
                let (name, value) = words.next().and_then(|text| text.split_once('=')).expect("-G name=value");
                options.globals.push((name.to_owned(), value.to_owned()));
            }
            other => panic!("{}: {other}", case.name),
        }
    }
    let text = case.script.as_bytes().to_vec();
    let input = Input {
        name: "<input>".to_owned(),
        text,
        additional: Vec::new(),
        args: case.args.iter().map(|arg| arg.clone().into_bytes()).collect(),
    };
    let compiled = compiler.compile(&input, &options);
    let told = check::told(&compiled, &manner);
    let out = if told.verdict.ok { compiled.text_form(options.last) } else { String::new() };
    let err = told.text + &told.verdict.summary;
    let lines = err.lines().filter(|line| !line.trim_start().starts_with("help: "));
    let err = lines.map(|line| format!("{line}\n")).collect();
    Answer { pass: pass.to_owned(), status: u8::from(!told.verdict.ok).to_string(), out, err }
}

fn different(case: &Case, theirs: &Answer, ours: &Answer) -> String {
    let mut text = format!("== {} {} {}\n{}\n", case.name, theirs.pass, case.options.join(" "), case.script);
    for (what, a, b) in [
        ("status", &theirs.status, &ours.status),
        ("standard output", &theirs.out, &ours.out),
        ("standard error", &theirs.err, &ours.err),
    ] {
        if a != b {
            let _ = write!(text, "-- {what} of stap\n{a}\n-- ours\n{b}\n");
        }
    }
    text
}

#[test]
fn answers_are_those_of_stap() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let todo: Mutex<Vec<Case>> = Mutex::new(files.iter().flat_map(|path| cases(path)).collect());
    let n_cases = todo.lock().unwrap().len();
    assert!(n_cases > 500, "{n_cases}");
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let machine = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/corpus");
                let compiler = Compiler::new(Arc::new(Recorded::new(machine)), &[]);
                loop {
                    let Some(case) = todo.lock().unwrap().pop() else { return };
                    assert!(!case.answers.is_empty(), "{}: no answers, see record.py", case.name);
                    let mut n_different = 0;
                    for theirs in &case.answers {
                        let ours = ours(&case, &theirs.pass, &compiler);
                        if ours != *theirs {
                            n_different += 1;
                            if !case.differs {
                                wrong.lock().unwrap().push(different(&case, theirs, &ours));
                            }
                        }
                    }
                    if case.differs && n_different == 0 {
                        wrong.lock().unwrap().push(format!("== {} is the same now\n{}", case.name, case.script));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {n_cases} differ\n{}", wrong.len(), wrong.join("\n"));
}
