//! What the screen says by itself: of what was lost, what floods the log, what is kept, what was folded.

use super::*;
use crate::runtime::session::{ScriptError, SessionEvent, Snapshot};

impl Drive {
    /// A second later: the newest sample, changed.
    fn sample(&mut self, change: impl FnOnce(&mut Snapshot)) {
        self.model.now += Duration::from_secs(1);
        let mut snapshot = (*self.model.history.latest().unwrap().snapshot).clone();
        snapshot.at += Duration::from_secs(1);
        change(&mut snapshot);
        self.session(SessionEvent::Snapshot(Arc::new(snapshot)));
    }

    fn session(&mut self, event: SessionEvent) {
        let run = self.model.run.current.unwrap();
        self.send(Msg::Engine(EngineEvent::Session { run, event }));
    }

    fn last_line(&self) -> &str {
        &self.model.log.lines().back().unwrap().text
    }
}

#[test]
fn what_is_lost_is_said_with_what_helps() {
    let mut drive = tracing(120, 40);
    drive.sample(|snapshot| (snapshot.cost.ring_used, snapshot.cost.ring_size) = (70, 100));
    assert_eq!(drive.last_line(), "the ring buffer is 70 % full; nothing is lost yet");
    let n = drive.model.log.n_warnings;
    drive.sample(|snapshot| snapshot.cost.ring_used = 60);
    assert_eq!(drive.model.log.n_warnings, n, "it is said once");
    drive.sample(|snapshot| snapshot.cost.ring_drops += 12);
    let said = "12 records lost in 1 s: the ring buffer was full; F9 -s MB gives the next run a larger one, or narrow the \
                probe";
    assert_eq!(drive.last_line(), said);
    let screen = drive.screen();
    assert!(screen.lines().next().unwrap().contains("drop 12") && screen.contains("2 warnings"), "{screen}");
    // Ten seconds later it is no news any more, and still there.
    let red = |drive: &Drive| view::status::rates(&drive.model).recent_loss;
    assert!(red(&drive));
    drive.wait(11);
    assert!(!red(&drive));
    drive.act(Act::Costs);
    assert!(drive.screen().contains("the last at 14:00:27"), "{}", drive.screen());
}

#[test]
fn a_full_array_is_said_where_it_is_declared() {
    let mut drive = tracing(120, 40);
    drive.sample(|snapshot| snapshot.tables[0].overflows += 40);
    assert_eq!(drive.last_line(), "40 inserts refused in 1 s: latency is full at 2048 keys");
    let finding = drive.model.script.diagnostics.last().unwrap().clone();
    assert_eq!((finding.line, &drive.model.script.lines()[finding.line - 1][finding.columns]), (2, "latency"));
    let screen = drive.screen();
    assert!(screen.contains("^~~~~~~ full at 2048 keys: new ones are refused"), "{screen}");
    assert!(screen.contains("help: latency[8192] has room for more, latency% forgets the oldest"), "{screen}");
    // It stays over another check of the same text, and goes with an edit.
    let version = drive.model.script.version;
    drive.send(Msg::Checked { version, list: Vec::new() });
    assert_eq!(drive.model.script.diagnostics.len(), 1);
    drive.press("2<C-End> ").wait(1);
    assert_eq!(drive.model.script.diagnostics.len(), 0, "{}", drive.screen());
}

#[test]
fn a_script_error_is_said_where_it_happened() {
    let mut drive = tracing(120, 40);
    let error = ScriptError {
        message: "Array overflow, check size limit (8)".into(),
        near: "operator '<<<' at openat-latency.stp:5:23".into(),
        line: 5,
        probe: "syscall.openat.return".into(),
    };
    drive.session(SessionEvent::Error(error));
    let finding = drive.model.script.diagnostics[0].clone();
    assert_eq!((finding.line, &drive.model.script.lines()[4][finding.columns.start..][..3]), (5, "<<<"));
    let screen = drive.screen();
    assert!(
        screen.contains("Array overflow, check size limit (8)") && screen.contains("forgets the oldest"),
        "{screen}"
    );
    // It is no error of the compiler's: the script can be run again.
    assert_eq!(drive.model.script.n_errors(), 0);
}

#[test]
fn a_flood_of_output_is_said_where_it_is_printed() {
    let mut drive = Drive::new(120, 40);
    drive.act(Act::New);
    drive.send(Msg::Paste(
        "probe timer.s(1) { println(1) }\nprobe syscall.read {\n  printf(\"%d\\n\", pid())\n}".into(),
    ));
    drive.act(Act::Run);
    drive.wait(3);
    let lines: String = (0..1200).map(|n| format!("{n}\n")).collect();
    drive.session(SessionEvent::Output(lines.clone().into_bytes()));
    drive.sample(|snapshot| snapshot.cost.probes[1].hits += 1200);
    let screen = drive.screen();
    assert!(screen.contains("^~~~~~ 1.20k lines/s flood the log"), "{screen}");
    assert_eq!(drive.model.script.diagnostics[0].line, 3);
    assert!(drive.last_line().starts_with("1.20k lines/s flood the log; "));
    drive.session(SessionEvent::Output(lines.into_bytes()));
    drive.sample(|snapshot| snapshot.cost.probes[1].hits += 1200);
    assert_eq!((drive.model.script.diagnostics.len(), drive.model.log.n_warnings), (1, 1), "once in a run");
}

#[test]
fn folded_lines_expand() {
    let mut drive = tracing(120, 40);
    for _ in 0..4 {
        drive.model.now += Duration::from_secs(1);
        drive.session(SessionEvent::Output(b"the same\n".to_vec()));
    }
    drive.press("4");
    let screen = drive.screen();
    assert!(screen.contains("14:00:25.000 the same   (×4 in 3 s; ↵ expands)"), "{screen}");
    drive.press("<ret>");
    let screen = drive.screen();
    for time in ["14:00:26.000 the same ", "14:00:27.000 the same ", "14:00:28.000 the same "] {
        assert!(screen.contains(time), "{screen}");
    }
    assert_eq!(drive.model.cursor, None);
    drive.press("<ret>");
    assert!(!drive.screen().contains("14:00:27.000 the same"), "{}", drive.screen());
}

#[test]
fn what_the_compiler_said_is_kept_below_its_sum() {
    let mut drive = Drive::new(120, 40);
    drive.press("<esc>2probe begin { get_time() }<C-r><F6><F6>");
    let screen = drive.screen();
    assert!(screen.contains("pass 2 failed: 1 error, 0 warnings   (↵ expands 2 lines)"), "{screen}");
    drive.press("<ret>");
    let screen = drive.screen();
    assert!(screen.contains("  semantic error: unresolved function") && screen.contains("at 1 "), "{screen}");
}

#[test]
fn the_message_line_says_what_is_kept() {
    let mut drive = tracing(200, 50);
    drive.wait(6);
    let last_but_one = |drive: &Drive| drive.screen().lines().rev().nth(1).unwrap().to_owned();
    let line = last_but_one(&drive);
    assert!(
        line.contains("nothing paused") && line.contains("history 00:30 (0.") && line.contains(" of 64 MB)"),
        "{line}"
    );
    assert!(!line.contains("autosaved"));
    drive.press("3<space>");
    assert!(last_but_one(&drive).contains("paused at 14:00:30"), "{}", drive.screen());
    drive.press("2# x");
    drive.model.script.kept = Some(drive.model.script.version);
    let script = drive.model.script.id;
    drive.send(Msg::Kept { script });
    assert!(drive.screen().contains(" autosaved 14:00:30"), "{}", drive.screen());
}

#[test]
fn what_is_not_measured_is_a_dash() {
    let mut drive = tracing(120, 40);
    for _ in 0..2 {
        drive.sample(|snapshot| snapshot.cost.run_time_ns = None);
    }
    let screen = drive.screen();
    assert!(screen.lines().next().unwrap().contains("    —/ev    — cpu"), "{screen}");
}

#[test]
fn the_status_line_says_how_full_arrays_are() {
    let mut drive = tracing(200, 50);
    let status = |drive: &Drive| drive.screen().lines().next().unwrap().to_owned();
    let n = drive.model.sample().unwrap().snapshot.tables[0].rows.len();
    assert!(status(&drive).contains(&format!("maps {n}/2048 keys")), "{}", status(&drive));
    drive.act(Act::Costs);
    drive.press("3o").wait(1);
    assert!(status(&drive).contains("probes 0/1 on (1 off)"), "{}", status(&drive));
    drive.send(Msg::Resize(120, 40));
    assert!(status(&drive).contains("maps  0%"), "{}", status(&drive));
}

#[test]
fn a_written_files_path_is_copied_as_long_as_it_is_said() {
    let mut drive = tracing(120, 40);
    drive.send(Msg::Exported(Ok(("/a/lat.csv".into(), "7 rows".into()))));
    assert!(drive.screen().contains("written to /a/lat.csv (7 rows); y copies the path"), "{}", drive.screen());
    drive.press("y");
    assert_eq!(drive.left.pop(), Some(Effect::Copy("/a/lat.csv".into())));
    drive.press("y");
    assert!(matches!(drive.left.pop(), Some(Effect::Copy(text)) if text.starts_with("nginx")));
}

#[test]
fn over_a_line_that_may_drop_it_a_copy_names_the_file() {
    let mut drive = tracing(120, 40);
    drive.press("y");
    assert!(!drive.screen().contains("writes a file instead"));
    drive.model.profile = crate::tui::profile::Profile::Ssh;
    drive.press("y");
    assert!(drive.screen().contains("; e writes a file instead"), "{}", drive.screen());
}

#[test]
fn the_wide_key_bar_has_the_keys_of_time() {
    let screen = tracing(200, 50).screen();
    let bar = screen.lines().last().unwrap();
    for key in
        ["␣ pause", "[ step", "{ ten back", "gt time", "⌫ up", "L layout", "z zoom", "y copy", "o on/off", "⌃R run"]
    {
        assert!(bar.contains(key), "{key}: {bar}");
    }
}

#[test]
fn a_heatmap_has_times_and_the_window_before() {
    let mut drive = Drive::new(120, 40);
    drive.press("openat<ret>H").wait(150);
    drive.press("vz<space>");
    let screen = drive.screen();
    let row =
        |what: &str| screen.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {screen}"));
    // A column's place is its sample's number, so it keeps its time until the sweep comes round.
    let numbers = row("14:02:");
    assert!(numbers.matches("14:0").count() >= 4, "{screen}");
    assert!(row("  before ").contains('▅'), "{screen}");
    assert!(row("at 14:02:30: ").contains(" new, "), "{screen}");
}

#[test]
fn what_runs_is_marked_in_the_tree_with_its_cost() {
    let mut drive = tracing(120, 40);
    drive.press("1");
    let screen = drive.screen();
    let row = screen.lines().find(|line| line.contains("►") && line.contains("syscall.openat")).unwrap();
    assert!(row.contains('●') && row.contains("/s"), "{screen}");
    assert!(screen.contains("/s = 0.12 % cpu") && screen.contains("1 attached"), "{screen}");
    // What is not traced yet is reckoned from what was counted.
    drive.press("/<C-u>syscall.read<ret>c");
    assert!(drive.screen().contains("traced, at ~"), "{}", drive.screen());
}
