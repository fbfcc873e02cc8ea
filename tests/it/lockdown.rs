//! A kernel locked down for confidentiality: it says so in a sentence, and what it allows works. The lab boots one.

use tapdeck::runtime::{features::CheckState, features::probe_features, lockdown};

use crate::{
    binary::{TempDir, finish, require_bpf, run, tapdeck},
    terminal::Tmux,
};

fn require_lockdown() -> bool {
    let is = require_bpf() && lockdown::forbids_reading();
    if !is {
        eprintln!("skipped: this kernel is not locked down; tests/lab boots one that is");
    }
    is
}

#[test]
fn doctor_says_what_it_keeps() {
    if !require_lockdown() {
        return;
    }
    let rows = probe_features();
    let row = |name| rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("lockdown").state, CheckState::Limited);
    assert_eq!(row("tracefs").state, CheckState::Limited, "{:?}", row("tracefs"));
    let mut doctor = tapdeck();
    doctor.arg("doctor");
    let said = finish(doctor).ok();
    assert!(said.contains("confidentiality: probes may not read the kernel's memory"), "{said}");
    assert!(said.contains("boot it with lockdown=integrity or without lockdown"), "{said}");
    assert!(said.ends_with("Tracing works here.\n"), "{said}");
}

#[test]
fn what_reads_memory_is_refused_in_a_sentence_and_the_rest_runs() {
    if !require_lockdown() {
        return;
    }
    let count = "global n probe syscall.* { n[name] <<< 1 } \
                 probe timer.ms(100) { if (@count(n[\"read\"])) { println(\"seen\"); delete n; exit() } }";
    assert_eq!(run(&["-e", count]).ok(), "seen\n");
    for script in [
        "probe syscall.openat { println(argstr) }",
        "probe kernel.trace(\"sched_switch\") { println($next->pid) }",
        "probe scheduler.ctxswitch { println(next_task_name) }",
    ] {
        let err = run(&["-e", script]).failed();
        assert!(err.contains("semantic error: this kernel is locked down for confidentiality"), "{err}");
        assert!(err.contains("help: boot it with lockdown=integrity"), "{err}");
        assert!(err.contains('^') && !err.contains("bpf_"), "{err}");
    }
    // One by one they are refused; in one link they are not.
    let functions = run(&["-e", "probe kernel.function(\"vfs_*\") { println(\"hit\"); exit() }"]);
    if functions.code == 0 {
        assert_eq!(functions.out, "hit\n");
    } else {
        assert!(functions.err.contains("boot it with lockdown=integrity or without lockdown"), "{functions:?}");
    }
}

#[test]
fn the_dashboard_opens_says_it_and_counts() {
    if !require_lockdown() {
        return;
    }
    let Some(tmux) = Tmux::open("lockdown", 100, 30) else { return };
    let folder = TempDir::new("lockdown-script");
    let script = folder.file("names.stp", "global n\nprobe syscall.* { n[name]++ }\n");
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the sentence", |screen| screen.contains("locked down for confidentiality"));
    tmux.keys(&["C-r"]);
    tmux.wait("rows", |screen| screen.contains("RUN") && screen.contains("read"));
    tmux.keys(&["C-c"]);
    tmux.wait("the end of the run", |screen| screen.contains("ENDED"));
    // Out of the editor, where q is a letter.
    tmux.keys(&["F6"]);
    tmux.keys(&["q"]);
    tmux.assert_restored();
}
