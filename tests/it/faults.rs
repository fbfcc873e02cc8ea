//! What goes wrong around a run: signals, pipes, disks, privilege. Each ends with a word about it and with nothing left.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::{Command, Stdio},
};

use crate::binary::{Ran, Running, TempDir, finish, require_bpf, require_program, run, start, tapdeck, wait_until};

/// Names of BPF programs a process holds; the kernel lists them under its file descriptors.
fn programs_of(pid: u32) -> usize {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return 0 };
    entries
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter(|text| text.contains("prog_type:"))
        .count()
}

/// Ids of all BPF programs of raw tracepoints in the kernel; `None` without bpftool.
fn programs_there() -> Option<Vec<String>> {
    let output = Command::new("bpftool").args(["prog", "show"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().filter(|line| line.contains("raw_tracepoint")).map(str::to_owned).collect())
}

const LIVE: &str =
    "global n probe begin { println(\"ready\") } probe syscall.* { n++ } probe end { println(\"end \", n > 0) }";

fn live(script: &str) -> Running {
    let mut command = tapdeck();
    command.args(["run", "-e", script]);
    let mut running = start(command);
    running.wait_output("ready\n");
    running
}

#[test]
fn signals_end_a_run_softly_and_leave_nothing() {
    if !require_bpf() {
        return;
    }
    for (signal, name) in [(2, "SIGINT"), (15, "SIGTERM"), (1, "SIGHUP")] {
        // Under nohup a SIGHUP stays ignored, as it should.
        if signal == 1 && is_ignored(signal) {
            continue;
        }
        let running = live(LIVE);
        let pid = running.child.id();
        wait_until("programs are loaded", || programs_of(pid) > 0);
        running.signal(signal);
        let ran = running.finish();
        assert_eq!((ran.out.as_str(), ran.code), ("end 1\n", 0), "{name}: {}", ran.err);
        assert_eq!(programs_of(pid), 0);
    }
}

/// Whether this process, and so its children, ignores a signal.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(bits.trim(), 16).unwrap() & 1 << (signal - 1) != 0
}

/// Starts a script and waits until it hears signals.
fn listening(script: &str) -> Running {
    let mut command = tapdeck();
    command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", script]);
    let running = start(command);
    let status = format!("/proc/{}/status", running.child.id());
    wait_until("it catches SIGINT", || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 2 != 0)
    });
    running
}

#[test]
fn a_loop_in_begin_can_be_interrupted() {
    let running = listening("probe begin { while (1) i++ } probe end { println(\"end\") }");
    running.signal(2);
    let ran = running.finish();
    assert_eq!((ran.out.as_str(), ran.code), ("end\n", 0), "{ran:?}");
}

#[test]
fn a_handler_that_runs_for_long_is_read_while_it_runs() {
    let count = "{ println(\"first\"); while (1) if (i++ % 100000 == 99999) println(i) }";
    for at in ["begin", "timer.ms(1)"] {
        let mut command = tapdeck();
        let script = format!("probe {at} {count} probe end {{ println(\"end\") }}");
        command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", &script]);
        let mut running = start(command);
        running.wait_output("first\n100000\n200000\n");
        running.signal(2);
        let ran = running.finish();
        assert!(ran.out.ends_with("end\n") && ran.code == 0, "{at}: {ran:?}");
    }
    // Nothing more is printed, and warnings keep their place.
    let mut command = tapdeck();
    let script = "probe end { print(\"last \"); print(\"words\"); while (1) i++ }";
    command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", script, "-T", "0.01"]);
    let mut running = start(command);
    running.wait_output("last words");
    running.signal(2);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn a_second_signal_does_not_wait_for_end_probes() {
    let mut running = start({
        let mut command = tapdeck();
        let script = "probe timer.ms(1) { println(\"live\") } probe end { while (1) i++ }";
        command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", script]);
        command
    });
    running.wait_output("live\n");
    running.signal(2);
    running.signal(15);
    running.finish();
}

#[test]
fn sigkill_leaves_no_programs() {
    if !require_bpf() || !require_program("bpftool") {
        return;
    }
    let running = live(LIVE);
    let pid = running.child.id();
    wait_until("programs are loaded", || programs_of(pid) > 0);
    let ours = |list: Option<Vec<String>>| list.unwrap_or_default().len();
    let before = ours(programs_there());
    running.signal(9);
    assert_eq!(running.finish().code, -9);
    wait_until("the kernel dropped the programs", || ours(programs_there()) < before);
}

#[test]
fn a_killed_command_is_reported() {
    let script = "probe begin { println(\"ready \", target()) } probe end { println(\"end\") }";
    let mut command = tapdeck();
    command.args(["run", "-c", "sleep 1000", "-e", script]);
    let mut running = start(command);
    running.wait_output("ready ");
    let pid: u32 = running.wait_output("\n").trim().parse().unwrap();
    tapdeck::sys::signals::kill(pid, 9).unwrap();
    let ran = running.finish();
    assert_eq!((ran.out.as_str(), ran.code), ("end\n", 1));
    assert!(ran.err.contains("Killed"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_enough_ends_the_run_quietly() {
    let mut shell = Command::new("sh");
    let script = "probe timer.ms(1) { println(\"line\") }";
    shell.args(["-c", "\"$0\" run -e \"$1\" | head -1", env!("CARGO_BIN_EXE_tapdeck"), script]);
    let ran = finish(shell);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("line\n", "", 0));
}

#[test]
fn a_full_disk_is_an_error() {
    let ran = run(&["-o", "/dev/full", "-e", "probe timer.ms(1) { println(\"line\") }"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("/dev/full") && ran.err.contains("No space left on device"), "{}", ran.err);
    let mut command = tapdeck();
    command.args(["run", "-e", "probe begin { println(\"line\") }"]);
    command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("standard output") && err.contains("No space left"), "{err}");
}

/// A copy of the binary where everybody may run it.
fn for_everybody(folder: &TempDir) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = folder.0.join("tapdeck");
    fs::copy(env!("CARGO_BIN_EXE_tapdeck"), &copy).unwrap();
    for path in [&folder.0, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

#[test]
fn without_privilege_one_sentence_says_so() {
    if !require_bpf() {
        return;
    }
    let folder = TempDir::new("nobody");
    let binary = for_everybody(&folder);
    let nobody = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(args).uid(65534).gid(65534).current_dir("/").stdin(Stdio::null());
        finish(command)
    };
    let ran = nobody(&["run", "-e", "global n probe syscall.read { n++ }"]);
    assert_eq!((ran.out.as_str(), ran.code), ("", 1));
    assert!(ran.err.contains("CAP_BPF"), "{}", ran.err);
    assert!(ran.err.lines().count() <= 3, "{}", ran.err);
    // What needs no kernel runs for everybody.
    assert_eq!(nobody(&["run", "-e", "probe begin { println(6 * 7); exit() }"]).ok(), "42\n");
    let doctor = nobody(&["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("MISSING"), "{doctor:?}");
}

#[test]
fn without_kernel_types_one_sentence_says_so() {
    if !require_bpf() || !require_program("unshare") || !require_program("mount") {
        return;
    }
    let mut shell = Command::new("unshare");
    let script = "global n probe syscall.read { n[filename] = $fd } probe kernel.trace(\"sched_switch\") { n[\"x\"] = $next->pid }";
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" run -e \"$1\"";
    shell.args(["-m", "sh", "-c", hide, env!("CARGO_BIN_EXE_tapdeck"), script]);
    let ran = finish(shell);
    if ran.err.contains("mount:") {
        eprintln!("skipped: may not mount here: {}", ran.err);
        return;
    }
    assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{ran:?}");
    assert!(ran.err.contains("BTF"), "{}", ran.err);
}

/// Runs a script that says `ready`, with a buffer of a megabyte that nobody empties while `getppid` is called so often.
fn flooded(options: &[&str], script: &str, n_calls: usize) -> Ran {
    let mut command = tapdeck();
    command.args(["run", "-s", "1"]).args(options).args(["-e", script]);
    let mut running = start(command);
    running.wait_output("ready\n");
    let pid = running.child.id();
    wait_until("programs are loaded", || programs_of(pid) > 0);
    running.signal(19);
    wait_until("it stands still", || {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
    });
    for _ in 0..n_calls {
        let _ = std::os::unix::process::parent_id();
    }
    running.signal(18);
    running.signal(2);
    running.finish()
}

#[test]
fn statements_that_are_lost_end_the_run() {
    if !require_bpf() {
        return;
    }
    // A tokenize whose result decides something is for user space.
    let script = "global n, lost = \"some text to fill the buffer with, some text to fill the buffer with\" \
                  probe begin { println(\"ready\") } \
                  probe syscall.getppid { if (tokenize(execname(), \"/\") != \"\") n[execname(), lost, tid(), cpu()] = 1 } \
                  probe end { println(\"end\") } probe error { println(\"error\") }";
    let too_many = "ERROR: Skipped too many probes, check MAXSKIPPED or try again with stap -t for more details.\n";
    let counts = |ran: &Ran| -> usize {
        let line = ran.err.lines().find_map(|line| line.strip_prefix("WARNING: Number of errors: 0, skipped probes: "));
        line.unwrap_or_else(|| panic!("{ran:?}")).parse().unwrap()
    };
    let own_line = |ran: &Ran| ran.err.contains("statements that were to run in user space were lost");
    for (options, least) in [(&[][..], 101), (&["-D", "MAXSKIPPED=7"], 8)] {
        let ran = flooded(options, script, 40_000);
        assert_eq!((ran.out.as_str(), ran.code), ("error\n", 1), "{ran:?}");
        assert!(ran.err.contains(too_many) && own_line(&ran), "{ran:?}");
        // Another processor's handlers may be under way.
        assert!((least..least + 8).contains(&counts(&ran)), "{ran:?}");
    }
    for option in ["--suppress-handler-errors", "-DMAXSKIPPED=1000000"] {
        let ran = flooded(&[option], script, 40_000);
        assert!(ran.out.starts_with("end\n") && ran.code == 0, "{ran:?}");
        assert!(!ran.err.contains("ERROR") && own_line(&ran) && counts(&ran) > 101, "{ran:?}");
    }
}

#[test]
fn handlers_that_take_too_much_time_end_the_run() {
    if !require_bpf() {
        return;
    }
    let script = "global n[64] probe begin { println(\"ready\") } \
                  probe syscall.getppid { for (i = 0; i < 2000; i++) n[i & 63] += cpu() } \
                  probe end { delete n; println(\"end\") } probe error { delete n; println(\"error\") }";
    let hammered = |options: &[&str]| {
        let mut command = tapdeck();
        command.args(["run", "-D", "MAXACTION=10000"]).args(options).args(["-e", script]);
        let mut running = start(command);
        running.wait_output("ready\n");
        while running.child.try_wait().unwrap().is_none() {
            for _ in 0..1000 {
                let _ = std::os::unix::process::parent_id();
            }
        }
        running.finish()
    };
    // Less than half of a processor: system calls may be slow here, and others may want it, too.
    for (options, limits) in [
        (
            &["-D", "STP_OVERLOAD_THRESHOLD=20000000"][..],
            "exceeded threshold (20000000 cycles) in last 1000000000 cycles",
        ),
        (
            &["-DSTP_OVERLOAD_INTERVAL=100000000LL", "-DSTP_OVERLOAD_THRESHOLD=2000000LL", "--suppress-handler-errors"],
            "exceeded threshold (2000000 cycles) in last 100000000 cycles",
        ),
    ] {
        let ran = hammered(&[&["-T", "60"], options].concat());
        assert_eq!((ran.out.as_str(), ran.code), ("error\n", 1), "{ran:?}");
        let mut lines = ran.err.lines();
        let said = lines.next().unwrap_or_default();
        assert!(said.starts_with("ERROR: probe overhead (") && said.ends_with(limits), "{ran:?}");
        assert!(lines.next().is_some_and(|line| line.starts_with("WARNING: Number of errors: 1, skipped probes: ")));
        assert_eq!(lines.next(), Some("Pass 5: run failed.  [man error::pass5]"), "{ran:?}");
    }
    let small = "STP_OVERLOAD_THRESHOLD=1000";
    for options in [&["-D", small, "-D", "STP_NO_OVERLOAD"][..], &["-D", small, "-g", "--suppress-time-limits"]] {
        let ran = hammered(&[&["-T", "1.5"], options].concat());
        assert_eq!((ran.out.as_str(), ran.code), ("end\n", 0), "{ran:?}");
        assert!(!ran.err.contains("overhead"), "{ran:?}");
    }
}

#[test]
fn a_flood_is_counted_where_it_is_lost() {
    if !require_bpf() {
        return;
    }
    let script = "probe begin { println(\"ready\") } probe syscall.getppid { if (ppid() != 0) printf(\"%s %d %d\\n\", \
                  \"some text to fill the buffer with, some text to fill the buffer with\", tid(), gettimeofday_ns()) }";
    let ran = flooded(&[], script, 60_000);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lost =
        ran.err.lines().find(|line| line.contains("output records were lost")).unwrap_or_else(|| {
            panic!("nothing said about losses: {} lines came, {}", ran.out.lines().count(), ran.err)
        });
    let lost: usize = lost.split_whitespace().nth(1).unwrap().parse().unwrap();
    let came = ran.out.lines().count();
    assert!(lost > 0 && came > 1000 && came + lost >= 60_000, "{came} came, {lost} lost");
}

#[test]
fn a_handler_that_is_too_much_for_the_kernel_is_shown_where_it_stands() {
    if !require_bpf() {
        return;
    }
    // More jumps than the verifier looks at: each of these may be taken or not, and what follows differs.
    let lines: String = (0..440).map(|n| format!("if (a[{n}, tid()] > {n}) {{ b[{n}] += a[{n}, pid()] }}\n")).collect();
    let folder = TempDir::new("complex");
    let path = folder.file("complex.stp", format!("global a, b\nprobe syscall.read {{\n{lines}}}\n"));
    let err = run(&["-g", "--suppress-time-limits", "-w", path.to_str().unwrap()]).failed();
    assert!(err.starts_with("semantic error: this handler is too complex for the kernel"), "{err}");
    assert!(err.contains("complex.stp:") && err.contains("^\n") && err.contains("help: shorten loops"), "{err}");
    assert!(err.ends_with("Pass 5: run failed.  [man error::pass5]\n"), "{err}");
}

#[test]
fn closed_descriptors_and_strange_names_are_survived() {
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_tapdeck")]);
        finish(command)
    };
    let script = "probe begin { warn(\"w\"); println(\"x\"); exit() }";
    for closed in [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] {
        let ran = shell(&format!("\"$0\" run -e '{script}' {closed}"));
        assert_eq!(ran.code, 0, "{closed}: {ran:?}");
    }
    assert_eq!(
        shell("\"$0\" run - <&-").failed(),
        "Input file '<input>' is empty.\nPass 1: parse failed.  [man error::pass1]\n"
    );
    let folder = TempDir::new("names");
    let name = |name: &[u8]| folder.0.join(std::ffi::OsStr::from_bytes(name));
    fs::write(name(b"script \xff.stp"), "probe begin { println(\"x\"); exit() }").unwrap();
    let mut command = tapdeck();
    command.arg("run").arg(name(b"script \xff.stp")).arg("-o").arg(name(b"out \xff"));
    finish(command).ok();
    assert_eq!(fs::read_to_string(name(b"out \xff")).unwrap(), "x\n");
}

#[test]
fn scripts_of_any_bytes_are_survived() {
    let folder = TempDir::new("bytes");
    let path =
        folder.file("bytes.stp", b"probe begin { println(\"\xff\xfe caf\xe9 \xe6\xbc\xa2\xe5\xad\x97\"); exit() }");
    let mut command = tapdeck();
    command.arg("run").arg(&path);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"\xff\xfe caf\xe9 \xe6\xbc\xa2\xe5\xad\x97\n");
    for (text, caret) in [
        (&b"probe begin {\tif 1 }"[..], "              \t   ^"),
        (b"probe begin { \xe6\xbc\xa2 }", ""),
        (b"probe begin { println(\"\xe6\xbc\xa2\xe5\xad\x97\" + 1) }", ""),
        (b"\xff\xff\xff", ""),
        (b"probe begin { \0 }", ""),
        (b"\xef\xbb\xbfprobe begin { exit() ", ""),
    ] {
        let path = folder.file("bad.stp", text);
        let err = run(&[path.to_str().unwrap()]).failed();
        assert!(err.contains("error"), "{err}");
        assert!(caret.is_empty() || err.contains('^'), "{err}");
    }
}
