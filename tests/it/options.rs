//! stap's command line, option by option: what SystemTap 5.6 answered to each line of `tests/options/stap.txt`.
//!
//! Warnings that say an option does nothing are ours and left out here. A case marked `differs:` has to differ.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
};

use tapdeck::runtime::target::split_words;

use crate::binary::{TempDir, finish, require_program, run, start, tapdeck, wait_until};

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: i32,
    out: String,
    err: String,
}

#[derive(Debug)]
struct Case {
    line: String,
    differs: bool,
    answer: Answer,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/options/stap.txt");
    let text = fs::read_to_string(path).unwrap();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let mut cases = Vec::new();
    for block in text.split("\n==== ").skip(1) {
        let mut parts = block.split("\n---- ");
        let (line, marks) = split_line(parts.next().unwrap_or_default());
        let (status, out) = split_line(parts.next().unwrap_or_else(|| panic!("{line}: not recorded, see record.py")));
        let (_, err) = split_line(parts.next().unwrap_or_default());
        let answer = Answer { status: status.parse().unwrap(), out: with_end(out), err: with_end(err) };
        cases.push(Case { line: line.to_owned(), differs: marks.starts_with("#! differs: "), answer });
    }
    cases
}

fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

fn with_end(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// What a link named `stap` says.
fn ours(link: &Path, line: &str) -> Answer {
    let mut command = Command::new(link);
    command.args(split_words(line).unwrap_or_else(|| panic!("{line}"))).current_dir("/").stdin(Stdio::null());
    let ran = finish(command);
    let err = ran.err.replace(&format!("{}: ", link.display()), "stap: ");
    let is_ours = |line: &&str| {
        line.starts_with("WARNING: -") && line.contains(" has no effect: ") || line.trim_start().starts_with("help: ")
    };
    let err = err.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect();
    Answer { status: ran.code, out: ran.out, err }
}

#[test]
fn every_command_line_is_answered_as_by_stap() {
    let folder = TempDir::new("options");
    let link = folder.0.join("stap");
    symlink(env!("CARGO_BIN_EXE_tapdeck"), &link).unwrap();
    let todo = Mutex::new(cases());
    let n_cases = todo.lock().unwrap().len();
    assert!(n_cases > 200, "{n_cases}");
    let wrong = Mutex::new(String::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = todo.lock().unwrap().pop() else { return };
                    let ours = ours(&link, &case.line);
                    let text = match (ours == case.answer, case.differs) {
                        (true, false) | (false, true) => continue,
                        (true, true) => format!("== {}\nis the same now\n", case.line),
                        (false, false) => {
                            format!("== {}\n-- stap: {:#?}\n-- ours: {ours:#?}\n", case.line, case.answer)
                        }
                    };
                    *wrong.lock().unwrap() += &text;
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn run_is_the_same_by_another_name() {
    let err = run(&["--no-such-option"]).failed();
    let first = format!("{} run: unrecognized option '--no-such-option'\n", env!("CARGO_BIN_EXE_tapdeck"));
    assert!(err.starts_with(&first), "{err}");
    let mut posix = tapdeck();
    posix.env("POSIXLY_CORRECT", "1").args(["run", "-p1", "-e", "probe begin { println(@1, @2) }", "a", "-g"]);
    assert!(finish(posix).ok().contains("println(\"a\", \"-g\")"));
}

#[test]
fn what_does_nothing_is_said_once_and_silenced_by_w() {
    let script = ["-p1", "-e", "probe begin {}"];
    let with = |options: &[&str]| run(&[options, &script[..]].concat());
    let ran = with(&["-b", "-B", "CONFIG_X=y", "--runtime=kernel", "--check-version"]);
    assert_eq!((ran.code, ran.err.lines().count()), (0, 4), "{ran:?}");
    assert!(ran.err.lines().all(|line| line.starts_with("WARNING: -") && line.contains(" has no effect: ")), "{ran:?}");
    assert_eq!(with(&["-w", "-b", "-B", "CONFIG_X=y", "--runtime=kernel"]).err, "");
    // What is so anyway is told to those who ask for more.
    assert_eq!(with(&["-d", "kernel", "--ldd", "--all-modules", "--bpf", "--disable-cache"]).err, "");
    assert!(with(&["-v", "-d", "kernel"]).err.contains("-d is not needed: "));
    for refused in
        [&["--language-server"][..], &["--use-server=x"], &["--remote=host"], &["--build-as=nobody"], &["-F"]]
    {
        let mut words = refused.to_vec();
        words.extend(["-e", "probe begin {}"]);
        let err = run(&words).failed();
        assert!(err.starts_with("ERROR: ") && err.contains(refused[0].split('=').next().unwrap()), "{err}");
    }
}

#[test]
fn arguments_may_be_any_bytes() {
    let mut command = tapdeck();
    command.args(["run", "-e", "probe begin { println(@1, strlen(@1)); exit() }"]).arg(OsStr::from_bytes(b"\xff\xfe"));
    assert_eq!(command.output().unwrap().stdout, b"\xff\xfe2\n");
    let mut command = tapdeck();
    command.args(["run", "-e"]).arg(OsStr::from_bytes(b"probe begin { println(\"\xff\"); exit() }"));
    assert_eq!(command.output().unwrap().stdout, b"\xff\n");
}

/// What people and shells read; `UPDATE_EXPECT=1` rewrites them.
#[test]
fn help_manual_and_completions_read_as_before() {
    for (name, words) in [
        ("help.txt", &["--help"][..]),
        ("run-help.txt", &["run", "--help"]),
        ("replay-help.txt", &["replay", "--help"]),
        ("list-help.txt", &["list", "--help"]),
        ("tapdeck.1", &["man"]),
        ("completions.bash", &["completions", "bash"]),
        ("settings.toml", &["settings"]),
    ] {
        let mut command = tapdeck();
        command.args(words).env("XDG_CONFIG_HOME", "/nonexistent");
        let text = finish(command).ok();
        expect_test::expect_file![format!("../options/{name}")].assert_eq(&text);
    }
}

#[test]
fn the_manual_page_is_one() {
    if !require_program("man") {
        return;
    }
    let folder = TempDir::new("manual");
    let mut command = tapdeck();
    command.arg("man");
    let page = folder.file("tapdeck.1", finish(command).ok());
    let mut man = std::process::Command::new("man");
    man.args(["--warnings", "-l"]).arg(page).env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8");
    let ran = finish(man);
    assert_eq!((ran.err.as_str(), ran.code), ("", 0), "{}", ran.out);
    for wanted in ["NAME", "OPTIONS OF RUN", "--keep-screen", "--suppress-handler-errors", "Freeze the picture"] {
        assert!(ran.out.contains(wanted), "{wanted}: {}", ran.out);
    }
}

#[test]
fn completions_know_the_options_of_run() {
    let mut command = tapdeck();
    command.args(["completions", "bash"]);
    let text = finish(command).ok();
    assert!(text.contains("--suppress-handler-errors") && text.contains("--no-global-var-display"));
}

#[test]
fn errors_of_pass_2_are_listed_for_programs() {
    let script = "probe begin { foo() } probe end { bar() } global a probe end { a <<< 1; a = 2 }";
    let err = run(&["-p2", "--semantic-keep-going", "-e", script]).failed();
    let (_, list) = err.split_once("SEMANTIC_ERRORS: ").unwrap_or_else(|| panic!("{err}"));
    assert!(list.contains("\nSEMANTIC_ERROR\t<input>\t1\t15\tfoo\tunresolved function foo"), "{list}");
    assert!(
        list.contains("\tbar\tunresolved function bar") && list.contains("\nSEMANTIC_ERRORS_END\nPass 2: "),
        "{list}"
    );
}

#[test]
fn limits_of_the_process_hold() {
    let folder = TempDir::new("limits");
    let out = folder.0.join("out");
    let script = "probe timer.ms(1) { for (i = 0; i < 100; i++) println(\"a line of output\") } probe end { system(\"echo end\") }";
    let ran = run(&["--rlimit-fsize=65536", "-o", out.to_str().unwrap(), "-e", script]);
    assert_eq!((ran.out.as_str(), ran.code, fs::metadata(&out).unwrap().len()), ("end\n", 1, 65536), "{ran:?}");
    assert!(ran.err.starts_with("ERROR: cannot write to \"") && ran.err.contains("File too large"), "{ran:?}");
}

#[test]
fn messages_are_coloured_where_asked() {
    let with = |color: &str, variable: Option<&str>| {
        let mut command = tapdeck();
        command.args(["run", color, "-e", "probe begin { warn(\"w\"); println(never + 1); error(\"e\") }"]);
        command.env_remove("SYSTEMTAP_COLORS").envs(variable.map(|text| ("SYSTEMTAP_COLORS", text)));
        finish(command).failed()
    };
    let err = with("--color", None);
    for part in [
        "\x1b[00;33m\x1b[KWARNING:\x1b[m\x1b[K w\n",
        "\x1b[01;31m\x1b[KERROR:\x1b[m\x1b[K e near",
        "\x1b[01m\x1b[Knever\x1b[m",
    ] {
        assert!(err.contains(part), "{err:?}");
    }
    assert!(with("--colour=always", Some("error=35")).contains("\x1b[35m\x1b[KERROR:"));
    // Standard error is a pipe here.
    for (color, variable) in [("--color=auto", None), ("--color=never", None), ("--color", Some(""))] {
        assert!(!with(color, variable).contains('\x1b'), "{color}");
    }
}

#[test]
fn a_flight_recorder_goes_on_in_the_background() {
    let folder = TempDir::new("flight");
    let out = folder.0.join("out");
    let script =
        "probe begin { println(\"begin\") } probe timer.ms(5) { println(\"tick\") } probe end { println(\"end\") }";
    let ran = run(&["-F", "-o", out.to_str().unwrap(), "-e", script]);
    let pid: u32 = ran.out.trim().parse().unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((ran.err.as_str(), ran.code), ("", 0));
    let text = || fs::read_to_string(&out).unwrap_or_default();
    wait_until("it writes", || text().contains("tick\n"));
    tapdeck::sys::signals::kill(pid, 15).unwrap();
    wait_until("it has ended", || text().ends_with("end\n"));
    assert!(text().starts_with("begin\ntick\n"), "{}", text());
    // What is wrong before the probes are live is told here.
    let wrong = run(&["-F", "-o", out.to_str().unwrap(), "-e", "probe begin { if 1 }"]);
    assert!(wrong.code == 1 && wrong.out.is_empty() && wrong.err.starts_with("parse error: "), "{wrong:?}");
}

#[test]
fn output_files_follow_each_other() {
    let folder = TempDir::new("switch");
    let out = folder.0.join("out");
    let line = "x".repeat(99);
    let script = format!("probe begin {{ for (i = 0; i < 40000; i++) println(\"{line}\"); exit() }}");
    run(&["-DMAXACTION_INTERRUPTIBLE=0", "-S", "1,2", "-o", out.to_str().unwrap(), "-e", &script]).ok();
    let mut files: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["out.2", "out.3"]);
    assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 1 << 20));

    let script = "probe begin { println(\"begin\") } probe timer.ms(5) { println(\"tick\") }";
    let mut command = tapdeck();
    command.args(["run", "-o", out.to_str().unwrap(), "-e", script]);
    let running = start(command);
    wait_until("it writes", || fs::read_to_string(&out).unwrap_or_default().contains("tick\n"));
    running.signal(12);
    wait_until("the next file is there", || {
        fs::read_to_string(folder.0.join("out.1")).unwrap_or_default().starts_with("tick\n")
    });
    running.signal(2);
    running.finish().ok();

    // A script asks for it by itself, also from an event handler.
    for point in ["begin", "kernel.trace(\"sched_switch\")"] {
        let folder = TempDir::new("switch-by-script");
        let out = folder.0.join("out");
        let script = format!(
            "global n probe {point} {{ if (n++) next println(\"a\") switch_file() }}\n\
             probe timer.ms(100) {{ println(\"tick\") exit() }}"
        );
        run(&["-o", out.to_str().unwrap(), "-e", &script]).ok();
        let written = ["out", "out.1"].map(|name| fs::read_to_string(folder.0.join(name)).unwrap_or_default());
        assert_eq!(written.concat(), "a\ntick\n", "{written:?}");
        assert!(written[1].ends_with("tick\n"), "{written:?}");
    }
}

#[test]
fn what_the_dashboard_cannot_do_is_refused() {
    let refused: [(&str, &[&str]); 7] = [
        ("-E", &["-E", "probe end {}"]),
        ("-D", &["-D", "MAXACTION=7"]),
        ("-G", &["-G", "n=1"]),
        ("-o", &["-o", "/dev/null"]),
        ("-T", &["-T", "5"]),
        ("-g", &["-g"]),
        ("--example", &["--example"]),
    ];
    for name in ["-i", "--monitor"] {
        for (option, words) in refused {
            let err = run(&[&[name, "x.stp"], words].concat()).failed();
            let wanted =
                format!("ERROR: {name} does not go with {option}: the dashboard takes a script and its arguments\n");
            assert_eq!(err, wanted);
        }
    }
    // Written in the dashboard, it may begin with nothing; to be shown at once, it has to be there.
    assert!(run(&["--monitor"]).failed().starts_with("A script must be specified.\n"));
    assert!(run(&["-i"]).failed().starts_with("ERROR: the terminal: "));
    // Passes before the last one are no business of the dashboard.
    assert_eq!(run(&["-i", "-p1", "-e", "probe begin {}"]).ok(), run(&["-p1", "-e", "probe begin {}"]).ok());
    assert_eq!(run(&["--monitor", "-l", "begin"]).ok(), "begin\n");
}
