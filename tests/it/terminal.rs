//! The dashboard in a real terminal: tmux with a server of its own, keys sent and screens read.

use std::{
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tapdeck::{
    runtime::session::SessionCommand,
    tui::{
        TuiOptions,
        engine::{CountRequest, Engine, EngineEvent, StartRequest},
        fake::{FakeCatalogue, NoChecker},
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    binary::{TempDir, require_bpf, require_program, wait_until},
    debuginfod::serve_kernel,
    endings::with_mounts,
};

/// A tmux server with one window that runs a shell; gone with the value.
pub struct Tmux {
    name: String,
    folder: TempDir,
    /// What the dashboard keeps is gone with it.
    home: TempDir,
    /// What was written to the terminal is in it.
    record: TempDir,
}

impl Tmux {
    /// `None` where there is no tmux.
    pub fn open(name: &str, columns: u16, rows: u16) -> Option<Self> {
        if !require_program("tmux") {
            return None;
        }
        let (folder, home) = (TempDir::new(name), TempDir::new(&format!("{name}-home")));
        let record = TempDir::new(&format!("{name}-record"));
        let tmux = Self { name: format!("tapdeck-it-{name}-{}", std::process::id()), folder, home, record };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let home = format!("HOME={}", tmux.home.0.display());
        let shell = ["env", "-i", &home, "PS1=$ ", "PATH=/usr/bin:/bin", "TERM=tmux-256color", "LC_ALL=C.UTF-8"];
        let size = ["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows];
        tmux.command(&[&size[..], &shell, &["sh"]].concat());
        tmux.command(&["pipe-pane", "-o", &format!("cat >>{}", tmux.raw().display())]);
        tmux.wait("a prompt", |screen| screen.contains('$'));
        Some(tmux)
    }

    /// All that was written to the terminal.
    fn raw(&self) -> PathBuf {
        self.record.0.join("raw")
    }

    fn command(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.name]).args(args).env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Opens the dashboard; the shell says how it ended.
    pub fn dashboard(&self, args: &str) {
        self.open_with(&format!("{} {args}", env!("CARGO_BIN_EXE_tapdeck")));
    }

    fn open_with(&self, command: &str) {
        let line = format!("XDG_STATE_HOME={} {command}; echo left with $?", self.folder.0.display());
        self.keys(&[&line, "Enter"]);
        self.wait("the alternate screen", |_| self.alternate());
    }

    pub fn keys(&self, keys: &[&str]) {
        self.command(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.command(&["capture-pane", "-p"])
    }

    fn alternate(&self) -> bool {
        self.command(&["display-message", "-p", "#{alternate_on}"]).trim() == "1"
    }

    #[track_caller]
    pub fn wait(&self, what: &str, mut holds: impl FnMut(&str) -> bool) -> String {
        let mut screen = String::new();
        let mut patience = 0;
        wait_until(what, || {
            screen = self.screen();
            patience += 1;
            assert!(patience < 2500, "waited in vain: {what}\n{screen}");
            holds(&screen)
        });
        screen
    }

    fn pid(&self) -> u32 {
        let shell = self.command(&["display-message", "-p", "#{pane_pid}"]);
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.trim())).unwrap();
        children.split_whitespace().next().expect("the dashboard runs").parse().unwrap()
    }

    /// Takes the dashboard away without a word, and puts the terminal right as a user would.
    fn kill_dashboard(&self) {
        tapdeck::sys::signals::kill(self.pid(), 9).unwrap();
        self.wait("the shell's word", |screen| screen.contains("left with"));
        // Enter is no newline as long as nobody has restored the terminal.
        self.keys(&["stty sane; tput rmcup; clear", "C-j"]);
        self.wait("an empty screen", |screen| !screen.contains("left with") && !self.alternate());
    }

    /// Nothing but a prompt, for the next command.
    #[track_caller]
    fn clear(&self) {
        self.keys(&["clear", "Enter"]);
        self.wait("an empty screen", |screen| screen.trim() == "$");
    }

    /// The shell has its screen and a terminal that edits and echoes.
    #[track_caller]
    pub fn assert_restored(&self) {
        // Not where the shell echoes the command line, which has the same words further right.
        self.wait("the shell's word", |screen| screen.lines().any(|line| line.starts_with("left with ")));
        assert!(!self.alternate(), "the alternate screen stayed");
        self.keys(&["stty -a; tput cnorm", "Enter"]);
        let screen = self.wait("stty", |screen| screen.contains("icanon"));
        assert!(!screen.contains("-icanon") && !screen.contains("-echo ") && !screen.contains("-isig"), "{screen}");
        let cursor = self.command(&["display-message", "-p", "#{cursor_flag} #{mouse_any_flag}"]);
        assert_eq!(cursor.trim(), "1 0");
        // What tmux does not tell of: as a terminal's parser takes what was written.
        let mut parser = vt100::Parser::new(24, 80, 0);
        parser.process(&std::fs::read(self.raw()).unwrap());
        let screen = parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(screen.mouse_protocol_encoding(), vt100::MouseProtocolEncoding::Default);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.name, "kill-server"]).output();
    }
}

const SCRIPT: &str = "global calls\nprobe syscall.* { calls[execname()]++ }\n";

#[test]
fn a_script_runs_live_is_paused_and_left() {
    for (columns, rows) in [(80, 24), (120, 40)] {
        let Some(tmux) = Tmux::open(&format!("live{columns}"), columns, rows) else { return };
        let script = tmux.folder.file("calls.stp", SCRIPT);
        tmux.dashboard(&script.display().to_string());
        tmux.wait("the script's text", |screen| screen.contains("probe syscall.*") && screen.contains("calls.stp"));
        if !require_bpf() {
            return;
        }
        tmux.keys(&["F5"]);
        tmux.wait("the run", |screen| screen.contains("RUN"));
        tmux.keys(&["F6"]);
        tmux.wait("a live table", |screen| {
            screen.lines().any(|line| line.contains("tmux")) && screen.contains("calls[execname]")
        });
        tmux.keys(&["Space"]);
        let paused = tmux.wait("the pause", |screen| screen.contains("PAUSED"));
        assert!(paused.contains("tmux"), "{paused}");
        tmux.keys(&["Space"]);
        tmux.wait("the picture going on", |screen| !screen.contains("PAUSED"));
        tmux.keys(&["C-c"]);
        tmux.wait("the end of the run", |screen| screen.contains("ENDED"));
        tmux.keys(&["q"]);
        tmux.assert_restored();
        assert!(tmux.screen().contains("left with 0"), "{}", tmux.screen());
    }
}

#[test]
fn a_script_and_words_of_any_bytes_run_and_are_saved_as_they_came() {
    let Some(tmux) = Tmux::open("bytes", 100, 30) else { return };
    let script = b"probe begin { if (strlen(\"\xff\") + strlen(@1) == 2 && @1 == \"\xfe\") println(\"ex\", \"act\") }";
    let command = [env!("CARGO_BIN_EXE_tapdeck").as_bytes(), b" run -i -e '", script, b"' '\xfe'\n"].concat();
    let open = tmux.folder.file("open", &command);
    tmux.open_with(&format!("sh {}", open.display()));
    tmux.wait("the script's text", |screen| screen.contains("probe begin"));
    if require_bpf() {
        tmux.keys(&["C-r"]);
        tmux.wait("what it prints", |screen| screen.contains("exact"));
    }
    let saved = tmux.folder.0.join("saved.stp");
    tmux.keys(&["C-s"]);
    tmux.wait("the question for a name", |screen| screen.contains("save as:"));
    tmux.keys(&["C-u", &saved.display().to_string(), "Enter"]);
    wait_until("it is saved", || std::fs::read(&saved).is_ok_and(|bytes| bytes.starts_with(script)));
}

#[test]
fn what_is_exported_under_sudo_belongs_to_who_called_it_and_the_last_screen_can_stay() {
    let Some(tmux) = Tmux::open("sudo", 100, 30) else { return };
    let open = format!("cd {}; exec {} --demo --keep-screen\n", tmux.folder.0.display(), env!("CARGO_BIN_EXE_tapdeck"));
    let open = tmux.folder.file("open", open);
    tmux.open_with(&format!("SUDO_UID=65533 SUDO_GID=65532 sh {}", open.display()));
    tmux.wait("a table", |screen| screen.contains("per s") && screen.contains(" rows"));
    tmux.keys(&["3", "e"]);
    tmux.wait("the formats", |screen| screen.contains("CSV"));
    tmux.keys(&["c"]);
    let exported = || {
        let files = std::fs::read_dir(&tmux.folder.0).unwrap().filter_map(Result::ok);
        files.map(|file| file.path()).find(|path| path.extension().is_some_and(|name| name == "csv"))
    };
    wait_until("the file", || exported().is_some_and(|path| path.metadata().is_ok_and(|file| file.len() > 0)));
    let file = exported().unwrap().metadata().unwrap();
    assert_eq!(file.mode() & 0o777, 0o600);
    if tapdeck::sys::effective_uid() == 0 {
        wait_until("its owner", || {
            let file = exported().unwrap().metadata().unwrap();
            (file.uid(), file.gid()) == (65533, 65532)
        });
    }
    tmux.keys(&["q"]);
    tmux.assert_restored();
    // What the shell wrote since has moved it up.
    let left = tmux.command(&["capture-pane", "-p", "-S", "-100"]);
    assert!(left.contains("1 Probes") && left.contains("RECORDING - not live"), "{left}");
}

#[test]
fn signals_restore_the_terminal() {
    for (signal, name) in [(15, "term"), (1, "hup")] {
        let Some(tmux) = Tmux::open(name, 80, 24) else { return };
        let script = tmux.folder.file("calls.stp", SCRIPT);
        let run = if require_bpf() { " --run" } else { "" };
        tmux.dashboard(&format!("{}{run}", script.display()));
        tmux.wait("the script or its run", |screen| screen.contains("calls.stp"));
        if !run.is_empty() {
            tmux.wait("the run", |screen| screen.contains("RUN"));
        }
        let pid = tmux.pid();
        tapdeck::sys::signals::kill(pid, signal).unwrap();
        tmux.assert_restored();
    }
}

#[test]
fn a_resize_draws_the_new_size() {
    let Some(tmux) = Tmux::open("resize", 80, 24) else { return };
    let script = tmux.folder.file("calls.stp", SCRIPT);
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the script's text", |screen| screen.contains("probe syscall.*"));
    for (columns, rows) in [(120, 40), (60, 15), (20, 5), (18, 4), (100, 30)] {
        tmux.command(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
        tmux.wait("a screen of the new size", |screen| {
            let widest = screen.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            let filled = screen.lines().filter(|line| !line.trim().is_empty()).count();
            if columns < 20 || rows < 5 { screen.contains("need") } else { widest > columns / 2 && filled * 2 > rows }
        });
    }
    tmux.wait("the script's text again", |screen| screen.contains("probe syscall.*"));
    // Out of the editor, where q is a letter.
    tmux.keys(&["F6"]);
    tmux.keys(&["q"]);
    tmux.assert_restored();
}

#[test]
fn the_demo_says_that_it_is_a_recording() {
    let Some(tmux) = Tmux::open("demo", 80, 24) else { return };
    tmux.dashboard("--demo");
    let screen = tmux.wait("the label", |screen| screen.to_uppercase().contains("RECORDING"));
    assert!(screen.lines().count() >= 23, "{screen}");
    tmux.wait("live rows of the recording", |screen| screen.contains('[') && screen.contains("per s"));
    tmux.keys(&["q"]);
    // A recording that still runs is asked about.
    let screen = tmux.wait("the end, or the question whether", |screen| screen.contains("Quit?") || !tmux.alternate());
    if screen.contains("Quit?") {
        tmux.keys(&["q"]);
    }
    tmux.assert_restored();
}

#[test]
fn an_error_is_shown_where_it_stands() {
    let Some(tmux) = Tmux::open("error", 80, 24) else { return };
    let script = tmux.folder.file("wrong.stp", "probe begin { printn(1) }\n");
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the diagnostic", |screen| screen.contains("unresolved function") && screen.contains('^'));
    // Out of the editor, where q is a letter.
    tmux.keys(&["F6"]);
    tmux.keys(&["q"]);
    tmux.assert_restored();
}

#[test]
fn unsaved_changes_survive_a_kill() {
    let Some(tmux) = Tmux::open("kill", 80, 24) else { return };
    let script = tmux.folder.file("a.stp", "probe begin { exit() }\n");
    let args = script.display().to_string();
    tmux.dashboard(&args);
    tmux.wait("the script's text", |screen| screen.contains("probe begin"));
    tmux.keys(&["# unsaved words", "Enter"]);
    let copies = tmux.folder.0.join("tapdeck/swap");
    let is_copy = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().extension().unwrap() == "swap";
    wait_until("a swap copy", || std::fs::read_dir(&copies).is_ok_and(|mut entries| entries.any(is_copy)));
    assert_eq!(std::fs::read_to_string(&script).unwrap(), "probe begin { exit() }\n");
    assert_eq!(std::fs::read_dir(&tmux.folder.0).unwrap().count(), 2, "nothing but the script and the state folder");
    tmux.kill_dashboard();
    tmux.dashboard(&args);
    tmux.wait("the offer", |screen| screen.contains("Unsaved changes were left behind"));
    // What is typed sooner goes into the text.
    std::thread::sleep(Duration::from_secs(1));
    tmux.keys(&["r"]);
    tmux.wait("the words", |screen| screen.contains("# unsaved words") && screen.contains("a.stp*"));
    tmux.keys(&["C-s"]);
    wait_until("the file", || std::fs::read_to_string(&script).unwrap().starts_with("# unsaved words\nprobe"));
    tmux.wait("the word of it", |screen| screen.contains("saved "));
    tmux.keys(&["C-q"]);
    tmux.assert_restored();
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 0);
}

/// An engine that fails as nothing should.
struct Panics;

impl Engine for Panics {
    fn start(&mut self, _: StartRequest) {
        panic!("on purpose");
    }
    fn command(&mut self, _: SessionCommand) {}
    fn count(&mut self, _: CountRequest) {}
    fn events(&mut self) -> UnboundedReceiver<EngineEvent> {
        unbounded_channel().1
    }
}

/// What a script's path in the environment asks [`panics_where_it_is_told_to`] for.
const PANICS: &str = "TAPDECK_TEST_PANICS";

#[test]
#[ignore = "panics: a_panic_gives_the_terminal_back runs it in a terminal of its own"]
fn panics_where_it_is_told_to() {
    let Some(script) = std::env::var_os(PANICS) else { return };
    let mut options = TuiOptions::new(Box::new(Panics), Arc::new(NoChecker), Arc::new(FakeCatalogue::default()));
    options.script = Some(script.into());
    let _ = tapdeck::tui::run(options);
}

#[test]
fn a_panic_gives_the_terminal_back_and_keeps_the_text() {
    let Some(tmux) = Tmux::open("panic", 80, 24) else { return };
    let script = tmux.folder.file("a.stp", "probe begin { exit() }\n");
    let test = std::env::current_exe().unwrap();
    let name = "terminal::panics_where_it_is_told_to";
    tmux.open_with(&format!("{PANICS}={} {} --ignored --exact {name} --nocapture", script.display(), test.display()));
    tmux.wait("the script's text", |screen| screen.contains("probe begin"));
    tmux.keys(&["# unsaved words", "Enter"]);
    tmux.wait("the words", |screen| screen.contains("# unsaved words"));
    tmux.keys(&["F5"]);
    let screen = tmux.wait("the shell's word", |screen| screen.lines().any(|line| line.starts_with("left with ")));
    assert!(screen.contains("on purpose") && screen.contains("unsaved changes of a.stp are kept"), "{screen}");
    tmux.assert_restored();
}

#[test]
fn told_to_go_it_says_what_is_kept() {
    let Some(tmux) = Tmux::open("kept", 80, 24) else { return };
    let script = tmux.folder.file("a.stp", "probe begin { exit() }\n");
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the script's text", |screen| screen.contains("probe begin"));
    tmux.keys(&["#", "Enter"]);
    tmux.wait("the edit", |screen| screen.contains("a.stp*"));
    tapdeck::sys::signals::kill(tmux.pid(), 15).unwrap();
    tmux.assert_restored();
    let screen = tmux.screen();
    assert!(screen.contains("tapdeck: unsaved changes of a.stp are kept;"), "{screen}");
    let copies = tmux.folder.0.join("tapdeck/swap");
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 1);
}

#[test]
fn a_file_another_program_writes_is_read_again() {
    let Some(tmux) = Tmux::open("changed", 80, 24) else { return };
    let script = tmux.folder.file("a.stp", "probe begin { exit() }\n");
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the script's text", |screen| screen.contains("probe begin"));
    // Without a key: the kernel tells.
    for text in ["# theirs\n", "# again\n"] {
        let beside = tmux.folder.file("beside", text);
        std::fs::rename(beside, &script).unwrap();
        tmux.wait("their text", |screen| screen.contains(text.trim()) && screen.contains("read again"));
    }
    tmux.keys(&["mine"]);
    tmux.wait("the edit", |screen| screen.contains("mine# again"));
    std::fs::write(&script, "# a third\n").unwrap();
    tmux.wait("the word", |screen| screen.contains("changed on disk"));
    tmux.keys(&["C-s"]);
    tmux.wait("the question", |screen| screen.contains("Save over another's changes?"));
    std::thread::sleep(Duration::from_secs(1));
    tmux.keys(&["d"]);
    tmux.wait("the differences", |screen| screen.contains("- # a third") && screen.contains("+ mine# again"));
    tmux.keys(&["Escape"]);
    tmux.wait("the question", |screen| !screen.contains("- # a third"));
    std::thread::sleep(Duration::from_secs(1));
    tmux.keys(&["k"]);
    wait_until("the file", || std::fs::read_to_string(&script).unwrap() == "mine# again\n");
    tmux.wait("the word of it", |screen| screen.contains("saved "));
    tmux.keys(&["C-q"]);
    tmux.assert_restored();
}

#[test]
fn what_is_typed_as_it_leaves_is_the_shells() {
    // Giving keys back is for root.
    if !require_bpf() {
        return;
    }
    let Some(tmux) = Tmux::open("typed", 80, 24) else { return };
    let script = tmux.folder.file("calls.stp", SCRIPT);
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the script's text", |screen| screen.contains("probe syscall.*"));
    tmux.keys(&["F6"]);
    // One piece: the dashboard reads all of it with the q.
    tmux.keys(&["-l", "qecho typed too early\n"]);
    tmux.assert_restored();
    // What was typed before the prompt is echoed before it.
    let said = |screen: &str, what: &str| screen.lines().any(|line| line.trim_start_matches("$ ") == what);
    let screen = tmux.wait("the shell's answer", |screen| said(screen, "typed too early"));
    assert!(screen.lines().any(|line| line.starts_with("left with 0")), "{screen}");
    // And what comes later: nobody reads any more once the screen is the shell's.
    for n in 0..5 {
        tmux.dashboard(&script.display().to_string());
        tmux.wait("the script's text", |screen| screen.contains("probe syscall.*"));
        tmux.keys(&["F6", "q"]);
        while tmux.alternate() {}
        let line = format!("echo round {n}");
        tmux.keys(&[&line, "Enter"]);
        tmux.wait("the shell's answer", |screen| said(screen, &line["echo ".len()..]));
    }
}

/// A process that does nothing until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        tapdeck::sys::signals::kill(pid, 19).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = tapdeck::sys::signals::kill(self.0, 18);
    }
}

#[test]
fn a_terminal_that_is_stuck_holds_up_nothing() {
    let Some(tmux) = Tmux::open("stuck", 200, 50) else { return };
    let flood =
        tmux.folder.file("flood.stp", "global n\nprobe timer.ms(1) { printf(\"%d %x %o\\n\", n, n * 7919, n++) }\n");
    tmux.dashboard(&format!("{} --run", flood.display()));
    tmux.keys(&["F6", "z"]);
    tmux.wait("the flood", |screen| screen.lines().filter(|line| line.contains(' ')).count() > 40);
    let pid = tmux.pid();
    let server: u32 = tmux.command(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    // The terminal's program stops reading; what the kernel keeps for it fills up in no time.
    let stopped = Stopped::new(server);
    std::thread::sleep(Duration::from_secs(3));
    // The dashboard still hears, ends its session and goes.
    tapdeck::sys::signals::kill(pid, 15).unwrap();
    wait_until("its end", || std::fs::metadata(format!("/proc/{pid}/exe")).is_err());
    drop(stopped);
    tmux.assert_restored();
}

#[test]
fn arguments_are_given_and_a_border_is_dragged() {
    let Some(tmux) = Tmux::open("arguments", 120, 40) else { return };
    let script = tmux.folder.file("every.stp", "probe timer.ms($1) { printf(\"said %s\\n\", @2) exit() }\n");
    tmux.dashboard(&format!("{} 300 'a b'", script.display()));
    tmux.wait("the script and its arguments", |screen| screen.contains("every.stp 300 'a b'"));
    assert!(!tmux.screen().contains("out of range"), "{}", tmux.screen());
    // The right border of the browser, by the reports a terminal sends.
    let corner = |screen: &str| screen.lines().nth(1).and_then(|line| line.chars().position(|c| "╮┓".contains(c)));
    let before = corner(&tmux.screen()).expect("the browser's border");
    let report = |button: u16, x: usize, end: char| format!("\x1b[<{button};{};15{end}", x + 1);
    for bytes in [report(0, before, 'M'), report(32, before + 5, 'M'), report(0, before + 5, 'm')] {
        tmux.keys(&["-l", &bytes]);
    }
    tmux.wait("the border where it was dragged", |screen| corner(screen) == Some(before + 5));
    if !require_bpf() {
        return;
    }
    tmux.keys(&["F9"]);
    tmux.wait("the prompt", |screen| screen.contains("-c COMMAND, -s MB: 300 'a b'"));
    tmux.keys(&[" -c 'echo the command says hello'", "Enter", "F5"]);
    tmux.wait("what the command said", |screen| {
        screen.contains("$ stap every.stp")
            && screen.contains("ms: 1 probe")
            && screen.contains("the command says hello")
            && screen.contains("ENDED")
    });
    // The click went to the browser, where q leaves.
    tmux.keys(&["q"]);
    tmux.assert_restored();
}

#[test]
fn functions_open_to_their_arguments_members_and_lines() {
    let Some(tmux) = Tmux::open("functions", 120, 40) else { return };
    tmux.dashboard(&format!("-r {}/tests/programs/dwarf/vmlinux", env!("CARGO_MANIFEST_DIR")));
    tmux.keys(&["type:shape"]);
    let screen = tmux.wait("the functions with that type", |screen| screen.contains(" 3 matches"));
    assert!(screen.contains("▸ count") && screen.contains("shapes.c"), "{screen}");
    tmux.keys(&["C-u", "file:kernel.c swap"]);
    tmux.wait("the one function of that file", |screen| screen.contains(" 1 match"));
    tmux.keys(&["Right"]);
    tmux.wait("its argument and its lines", |screen| {
        screen.contains("▸ $pair struct pair") && screen.contains("▸ lines")
    });
    tmux.keys(&["Enter", "Down", "Right"]);
    tmux.wait("the members", |screen| screen.contains("▾ $pair") && screen.contains(" second long"));
    tmux.keys(&["Left", "Down", "Down", "Down", "Down", "Right"]);
    tmux.wait("the lines", |screen| screen.contains("▾ lines") && screen.contains("     :"));
    tmux.keys(&["Down", "Enter"]);
    tmux.wait("a probe of the line", |screen| screen.contains("│probe kernel.statement(\"swap@"));
    tmux.keys(&["F5"]);
    tmux.wait("why it cannot run", |screen| screen.contains("another kernel"));
    tmux.keys(&["F6"]);
    tmux.keys(&["q"]);
    tmux.keys(&["d"]);
    tmux.assert_restored();
}

#[test]
fn hits_of_all_system_calls_are_counted() {
    let Some(tmux) = Tmux::open("hits", 120, 40) else { return };
    if !require_bpf() {
        return;
    }
    tmux.dashboard("");
    tmux.wait("the catalogue", |screen| screen.contains("▸ syscall"));
    tmux.keys(&["Enter"]);
    let mut seen = String::new();
    tmux.wait("its row", |screen| {
        let there = screen.contains("►▸ syscall ");
        // The next key when the one before has been heard.
        if !there && screen != seen {
            seen = screen.to_owned();
            tmux.keys(&["Down"]);
        }
        there
    });
    tmux.keys(&["c"]);
    tmux.wait("the counting", |screen| screen.contains("counting ..."));
    tmux.wait("what was hit", |screen| screen.contains("syscall.* was hit") && screen.contains(" times in 2 s: "));
    tmux.keys(&["q"]);
    tmux.assert_restored();
}

#[test]
fn stacks_that_lead_to_a_tracepoint() {
    let Some(tmux) = Tmux::open("stacks", 120, 40) else { return };
    if !require_bpf() {
        return;
    }
    tmux.dashboard("");
    tmux.keys(&["sched_switch", "Enter"]);
    tmux.wait("the tracepoint", |screen| screen.contains("►▸ kernel.trace(\"sched:sche"));
    tmux.keys(&["S"]);
    tmux.wait("its script and its stacks", |screen| {
        screen.contains("│  stacks[sprint_backtrace()]++")
            && screen.contains("stacks[backtrace]  rate")
            && screen.contains("__schedule+0x")
            && screen.contains("< schedule")
    });
    tmux.keys(&["C-c"]);
    tmux.wait("the end of the run", |screen| screen.contains("ENDED"));
    // The script is saved nowhere, but nobody wrote a word of it.
    tmux.keys(&["q"]);
    tmux.assert_restored();
}

#[test]
fn another_user_without_a_terminal_of_his_own() {
    let Some(tmux) = Tmux::open("su", 80, 24) else { return };
    let binary = env!("CARGO_BIN_EXE_tapdeck");
    let may_run = |program: &str, arg: &str| {
        let su = Command::new("su").args(["-s", "/bin/sh", "nobody", "-c", &format!("{program} {arg}")]).output();
        su.is_ok_and(|output| output.status.success())
    };
    if !may_run(binary, "--version") {
        println!("skipped: nobody may not run {binary}");
        return;
    }
    let had_home = std::path::Path::new("/nonexistent").exists();
    // `su -c` makes a session without a controlling terminal, and the terminal is still root's.
    tmux.open_with(&format!("su -s /bin/sh nobody -c 'cd /; exec {binary}'"));
    tmux.wait("the recording, and why there is no more", |screen| {
        screen.contains("RECORDING") && screen.contains("nothing can be traced here")
    });
    tmux.keys(&["?"]);
    tmux.wait("the keys", |screen| screen.contains("─ Keys ─"));
    tmux.keys(&["Escape"]);
    tmux.wait("the tables", |screen| !screen.contains("─ Keys ─"));
    tmux.keys(&["q"]);
    tmux.wait("the end, or the question whether", |screen| screen.contains("Quit?") || !tmux.alternate());
    if tmux.screen().contains("Quit?") {
        tmux.keys(&["q"]);
    }
    tmux.assert_restored();
    assert_eq!(std::path::Path::new("/nonexistent").exists(), had_home);
}

#[test]
fn stap_with_i_or_monitor_is_the_dashboard() {
    if !require_bpf() {
        return;
    }
    let Some(tmux) = Tmux::open("monitor", 120, 40) else { return };
    let script = tmux.folder.file("ticks.stp", "global n\nprobe timer.ms(100) { n += $1 }\n");
    let run = format!("{} run", env!("CARGO_BIN_EXE_tapdeck"));
    // It runs at once, with its arguments.
    tmux.open_with(&format!("{run} --monitor=2 {} 7", script.display()));
    let screen = tmux.wait("the run", |screen| screen.contains("RUN") && screen.contains("ticks.stp 7"));
    assert!(screen.contains("n +="), "{screen}");
    tmux.keys(&["C-c"]);
    tmux.wait("the end", |screen| screen.contains("ENDED"));
    tmux.keys(&["q"]);
    tmux.assert_restored();
    // It can be edited first; text of -e, too.
    for script in [format!("-i {} 7", script.display()), "-i -e 'probe timer.ms(100) { if ($1) exit() }' 7".to_owned()]
    {
        tmux.clear();
        tmux.open_with(&format!("{run} {script}"));
        let screen = tmux.wait("the text", |screen| screen.contains("timer.ms(100)") && screen.contains("not running"));
        assert!(
            screen.lines().nth(1).is_some_and(|border| border.contains("┏ 2 ")),
            "the editor is in front: {screen}"
        );
        tmux.keys(&["C-q"]);
        tmux.assert_restored();
    }
}

#[test]
fn the_mouse_and_the_clipboard_work_through_the_terminal() {
    let Some(tmux) = Tmux::open("mouse", 120, 40) else { return };
    // tmux takes what is copied, as a terminal does that allows it.
    tmux.command(&["set-option", "-s", "set-clipboard", "on"]);
    tmux.dashboard("--demo");
    tmux.wait("the recording", |screen| screen.contains("RECORDING") || screen.contains("REPLAY"));
    tmux.wait("a table with rows", |screen| screen.contains("┏ 3 ") && screen.contains("┃ ►"));
    tmux.wait("all of the list", |screen| screen.contains("begin and end") && !screen.contains("loading"));
    assert_eq!(tmux.command(&["display-message", "-p", "#{mouse_any_flag}"]).trim(), "1");
    // Columns and rows from 0, of a terminal that tells them from 1.
    let report = |button: u16, (x, y): (usize, usize), end: char| {
        tmux.keys(&["-l", &format!("\x1b[<{button};{};{}{end}", x + 1, y + 1)]);
    };
    let find = |screen: &str, what: &str| {
        let y = screen.lines().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {screen}"));
        let line = screen.lines().nth(y).unwrap();
        (line[..line.find(what).unwrap()].chars().count(), y)
    };
    // A click gives a pane the focus.
    let log = find(&tmux.screen(), " 4 Log");
    report(0, (log.0 + 5, log.1 + 1), 'M');
    report(0, (log.0 + 5, log.1 + 1), 'm');
    tmux.wait("the log in front", |screen| screen.contains("┏ 4 Log"));
    // The wheel moves what is under it, focused or not: the browser's selection.
    let group = find(&tmux.screen(), "begin and end");
    let selected = |screen: &str| screen.lines().position(|line| line.chars().take(38).any(|c| c == '►'));
    let before = selected(&tmux.screen()).expect("a row is selected");
    report(65, group, 'M');
    tmux.wait("the browser moved on", |screen| selected(screen).is_some_and(|row| row > before));
    report(64, group, 'M');
    tmux.wait("the browser moved back", |screen| selected(screen) == Some(before));
    // A row is selected and copied.
    tmux.keys(&["3"]);
    tmux.keys(&["j"]);
    tmux.keys(&["y"]);
    tmux.wait("the word of it", |screen| screen.contains("copied: "));
    let row = tmux.wait("the row", |screen| screen.lines().any(|line| line.contains("┃ ►")));
    let row = row.lines().find_map(|line| line.split("┃ ►").nth(1)).and_then(|row| row.split_whitespace().next());
    let copied = tmux.command(&["show-buffer"]);
    assert!(copied.starts_with(row.expect("it has a name")), "{copied} {row:?}");
    tmux.keys(&["C-q"]);
    tmux.assert_restored();
}

/// Calls kill(2) for processes that cannot be, each with the next number, until it is dropped.
struct Calls(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

/// Above the largest process id there is (proc_sys_kernel(5), pid_max).
const NO_PROCESS: u32 = 5_000_000;

impl Calls {
    fn start() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let stop = done.clone();
        let thread = std::thread::spawn(move || {
            for number in NO_PROCESS.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let _ = tapdeck::sys::signals::kill(number, 0);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        Self(done, Some(thread))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn an_edited_script_takes_over_without_a_gap() {
    if !require_bpf() {
        return;
    }
    let Some(tmux) = Tmux::open("swap", 120, 40) else { return };
    let text = "global first, last, n
probe syscall.kill { if (pid >= 5000000) { if (!first) first = pid; last = pid; n++ } }
probe end { printf(\"saw %d from %d to %d.\\n\", n, first, last) }
";
    let script = tmux.folder.file("calls.stp", text);
    let calls = Calls::start();
    tmux.dashboard(&script.display().to_string());
    tmux.wait("the script", |screen| screen.contains("probe syscall.kill"));
    tmux.keys(&["F5"]);
    tmux.wait("the run", |screen| screen.contains("running after"));
    for edit in ["# once", "# twice"] {
        tmux.keys(&["C-Home", edit, "Enter"]);
        tmux.wait("the edit", |screen| screen.contains(" edited"));
        tmux.keys(&["F5"]);
        tmux.wait("the swap", |screen| screen.contains("RUN") && !screen.contains(" edited"));
    }
    tmux.keys(&["C-c"]);
    tmux.wait("the end", |screen| screen.contains("ENDED"));
    // All of the log.
    tmux.keys(&["F6", "F6"]);
    tmux.wait("the log in front", |screen| screen.contains("┏ 4 Log"));
    tmux.keys(&["z"]);
    let screen = tmux.wait("three reports", |screen| screen.matches(" saw ").count() == 3);
    drop(calls);
    let numbers = |line: &str| -> Option<Vec<u64>> {
        let said = line.split("saw ").nth(1)?.split('.').next()?;
        said.split(' ').filter(|word| !word.contains(char::is_alphabetic)).map(|word| word.parse().ok()).collect()
    };
    let mut runs: Vec<Vec<u64>> = screen.lines().filter_map(numbers).filter(|numbers| numbers.len() == 3).collect();
    // One that ends at once may report before the one it took over from.
    runs.sort_by_key(|run| run[1]);
    assert_eq!(runs.len(), 3, "{screen}");
    for run in &runs {
        assert_eq!(run[0], run[2] - run[1] + 1, "every call was counted: {screen}");
    }
    for pair in runs.windows(2) {
        assert!(pair[1][1] <= pair[0][2] + 1, "none was missed between two runs: {screen}");
        assert!(pair[1][1] > pair[0][1], "the new one came later: {screen}");
    }
    tmux.keys(&["C-q"]);
    tmux.wait("the question", |screen| screen.contains("Quit?"));
    tmux.keys(&["d"]);
    tmux.assert_restored();
}

#[test]
fn debug_information_is_fetched_when_the_user_says_so() {
    if !require_bpf() {
        return;
    }
    let Some((server, ..)) = serve_kernel() else { return };
    let Some(tmux) = Tmux::open("fetch", 120, 40) else { return };
    let kept = tmux.home.0.display();
    let program = env!("CARGO_BIN_EXE_tapdeck");
    let command =
        format!("XDG_CACHE_HOME={kept} DEBUGINFOD_CACHE_PATH={kept}/client DEBUGINFOD_URLS={} {program}", server.url);
    for (key, n_asked) in [("n", 0), ("Escape", 0), ("f", 1)] {
        tmux.open_with(&command);
        tmux.wait("the question", |screen| screen.contains("Fetch debug information?") && screen.contains(&server.url));
        assert_eq!(server.n_asked(), 0, "before the answer");
        std::thread::sleep(Duration::from_secs(1));
        tmux.keys(&[key]);
        // The small kernel of the test has hardly any function; by the kernel's own types there are tens of thousands.
        let n_functions = |screen: &str| -> Option<u64> {
            let line = screen.lines().find(|line| line.contains("▸ kernel.function "))?;
            line.split(['│', '┃']).nth(1)?.split_whitespace().last()?.parse().ok()
        };
        tmux.wait("the functions", |screen| {
            !screen.contains("Fetch debug")
                && !screen.contains("loading")
                && n_functions(screen).is_some_and(|n| (n < 100) == (n_asked == 1))
        });
        assert_eq!(server.n_asked(), n_asked);
        if n_asked == 1 {
            tmux.wait("the word of it", |screen| screen.contains("debug information of the kernel is here"));
        }
        tmux.keys(&["C-q"]);
        tmux.assert_restored();
        tmux.clear();
    }
}

#[test]
fn without_kernel_types_the_dashboard_says_so_and_works() {
    let hide = "mount -t tmpfs none /sys/kernel/btf";
    if !require_bpf() || with_mounts(hide).is_none() {
        return;
    }
    let Some(tmux) = Tmux::open("no-types", 120, 40) else { return };
    let script = tmux.folder.file("calls.stp", SCRIPT);
    let program = env!("CARGO_BIN_EXE_tapdeck");
    tmux.open_with(&format!("unshare -m sh -c '{hide}; exec {program} {}'", script.display()));
    tmux.wait("the word of it", |screen| {
        screen.contains("no type information") && screen.contains("CONFIG_DEBUG_INFO_BTF=y")
    });
    // System calls are known without.
    tmux.keys(&["F5"]);
    tmux.wait("the run", |screen| screen.contains("RUN") && screen.contains("running after"));
    tmux.keys(&["F6"]);
    tmux.wait("a live table", |screen| screen.contains("┏ 3 calls[execname]") && screen.contains("┃ ►"));
    tmux.keys(&["C-c"]);
    tmux.wait("the end", |screen| screen.contains("ENDED"));
    tmux.keys(&["q"]);
    tmux.assert_restored();
}
