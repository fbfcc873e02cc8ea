//! The ends of a run that nobody plans: readers that do not read, disks that fill, commands that are not there, processes
//! that go, rights and file systems that are missing.

use std::{process::Command, time::Duration};

use crate::binary::{Ran, Running, TempDir, finish, require_bpf, require_program, run, start, tapdeck, wait_until};

/// Waits for the end of somebody whose output nobody reads.
fn is_gone(running: &mut Running) {
    wait_until("it is gone", || running.child.try_wait().unwrap().is_some());
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up_who_asks_twice() {
    let line = "x".repeat(200);
    let flood = format!("for (i = 0; i < 1000; i++) println(\"{line}\")");
    for script in [
        // Whoever writes waits for the pipe, and then the session for whoever writes.
        format!("probe timer.us(100) {{ {flood} }} probe end {{ println(\"end\") }}"),
        format!("probe begin {{ while (1) {{ {flood} }} }}"),
        format!("probe begin {{ println(\"{line}\"); exit() }} probe end {{ while (1) {{ {flood} }} }}"),
    ] {
        let mut command = tapdeck();
        command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", &script]);
        let mut running = start(command);
        running.wait_output(&line);
        std::thread::sleep(Duration::from_millis(500));
        running.signal(2);
        running.signal(15);
        is_gone(&mut running);
        assert_eq!(running.finish().err, "", "{script}");
    }
}

#[test]
fn a_reader_that_reads_late_gets_all() {
    let mut command = tapdeck();
    let script = "probe begin { for (i = 0; i < 300000; i++) println(\"line \", i); exit() }";
    command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", script]);
    let running = start(command);
    std::thread::sleep(Duration::from_millis(300));
    let out = running.finish().ok();
    assert!(out.lines().count() == 300_000 && out.ends_with("line 299999\n"));
}

/// A shell's command line in a name space of mounts of its own; `None` where that is not allowed.
pub fn with_mounts(line: &str) -> Option<Ran> {
    if !require_program("unshare") || !require_program("mount") {
        return None;
    }
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", line, env!("CARGO_BIN_EXE_tapdeck")]);
    let ran = finish(shell);
    if ran.err.contains("mount:") || ran.err.contains("unshare:") {
        eprintln!("skipped: may not mount here: {}", ran.err);
        return None;
    }
    Some(ran)
}

#[test]
fn a_disk_that_fills_ends_the_run() {
    let folder = TempDir::new("disk");
    let line = format!(
        "mount -t tmpfs -o size=64k none {0} && \"$0\" run -o {0}/out -e 'probe timer.ms(1) \
         {{ for (i = 0; i < 100; i++) println(\"a line of output\") }} probe end {{ system(\"echo end\") }}'; \
         code=$?; stat -c %s {0}/out; exit $code",
        folder.0.display()
    );
    let Some(ran) = with_mounts(&line) else { return };
    assert_eq!((ran.out.as_str(), ran.code), ("end\n65536\n", 1), "{ran:?}");
    assert!(ran.err.starts_with("ERROR: cannot write to \"") && ran.err.contains("No space left on device"), "{ran:?}");
    assert_eq!(ran.err.lines().last(), Some("Pass 5: run failed.  [man error::pass5]"), "{ran:?}");
}

#[test]
fn without_tracefs_tracepoints_are_there() {
    if !require_bpf() {
        return;
    }
    let hide = "for m in /sys/kernel/debug /sys/kernel/tracing; do mount -t tmpfs none $m || exit; done; \
                exec \"$0\" run -e 'global n probe kernel.trace(\"sched_switch\"), syscall.read { n++ } \
                probe timer.ms(50) { if (n) { println(\"seen\"); exit() } }'";
    let Some(ran) = with_mounts(hide) else { return };
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("seen\n", "", 0));
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let script = "probe begin { println(\"begin\") } probe end { println(\"end\") }";
    for command in ["/nonexistent/command with arguments", "nonexistent-command", "/etc/passwd"] {
        let ran = run(&["-c", command, "-e", script]);
        assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{ran:?}");
        let word = command.split(' ').next().unwrap();
        assert!(ran.err.contains(&format!("ERROR: command \"{word}\" not found")), "{ran:?}");
    }
    let ran = run(&["-c", "sh -c 'exit 3'", "-e", script]);
    assert_eq!((ran.out.as_str(), ran.code), ("begin\nend\n", 1), "{ran:?}");
    assert!(ran.err.contains("WARNING: Child process exited with status 3\n"), "{ran:?}");
}

#[test]
fn a_command_is_never_killed_by_a_script_that_ends_first() {
    // Its output is that of the run, whose pipe is read until the command closes it.
    let command = "sleep 0.6; echo after";
    let end = "probe end { println(\"end\") }";
    for (options, script) in [
        (&[][..], "probe begin { println(\"begin\") } probe timer.ms(20) { exit() }"),
        (&["-T", "0.05"], "probe begin { println(\"begin\") }"),
    ] {
        let ran = run(&[options, &["-c", command, "-e", &format!("{script} {end}")][..]].concat());
        assert_eq!((ran.out.as_str(), ran.code), ("begin\nend\nafter\n", 0), "{ran:?}");
    }
    // Nor does it begin for a script that is over by then.
    let over = run(&["-c", command, "-e", &format!("probe begin {{ exit() }} {end}")]);
    assert_eq!((over.out.as_str(), over.code), ("end\n", 0), "{over:?}");
    let error = run(&["-c", command, "-e", &format!("probe timer.ms(50) {{ error(\"no\") }} {end}")]);
    assert_eq!((error.out.as_str(), error.code), ("after\n", 1), "{error:?}");
    for (signal, out) in [(2, "end\nafter\n"), (15, "end\nafter\n"), (9, "after\n")] {
        let mut tapdeck = tapdeck();
        let script = format!("probe timer.ms(50) {{ if (!n++) println(\"live\") }} global n {end}");
        tapdeck.args(["run", "-c", command, "-e", &script]);
        let mut running = start(tapdeck);
        running.wait_output("live\n");
        running.signal(signal);
        let ran = running.finish();
        assert_eq!((ran.out.as_str(), ran.code), (out, if signal == 9 { -9 } else { 0 }), "{ran:?}");
    }
}

#[test]
fn a_command_that_is_killed_is_told_of() {
    let ran = run(&["-c", "kill -9 $$; :", "-e", "probe end { println(\"end\") }"]);
    assert_eq!((ran.out.as_str(), ran.code), ("end\n", 1), "{ran:?}");
    assert_eq!(
        ran.err,
        "WARNING: Child process exited with signal 9 (Killed)\nPass 5: run failed.  [man error::pass5]\n"
    );
}

#[test]
fn a_script_outlives_the_process_it_was_told_of() {
    let mut sleep = Command::new("sleep").arg("0.1").spawn().unwrap();
    let script = "probe begin { println(target()) } probe timer.ms(400) { println(\"still\"); exit() } \
                  probe end { println(\"end\") }";
    let ran = run(&["-x", &sleep.id().to_string(), "-e", script]);
    sleep.wait().unwrap();
    assert_eq!((ran.out.as_str(), ran.code), (format!("{}\nstill\nend\n", sleep.id()).as_str(), 0), "{ran:?}");
    let ran = run(&["-x", "999999999", "-e", script]);
    assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains("there is no process 999999999"), "{ran:?}");
}

#[test]
fn root_without_capabilities_is_told_which() {
    if !require_bpf() || !require_program("setpriv") {
        return;
    }
    let mut command = Command::new("setpriv");
    let lost = "-sys_admin,-bpf,-perfmon";
    command.args(["--bounding-set", lost, "--inh-caps", lost, env!("CARGO_BIN_EXE_tapdeck")]);
    command.args(["run", "-e", "global n probe syscall.read { n++ }"]);
    let ran = finish(command);
    assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{ran:?}");
    assert!(ran.err.contains("CAP_BPF and CAP_PERFMON") && ran.err.lines().count() <= 3, "{ran:?}");
}
