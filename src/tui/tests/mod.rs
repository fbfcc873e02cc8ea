//! The dashboard driven by keys over the fake engine, and its screens at three sizes. `UPDATE_EXPECT=1` rewrites the
//! screens under `snapshots/`; they are read before they are committed.

use std::{sync::Arc, time::Duration};

use expect_test::expect_file;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Color,
};
use tokio::sync::mpsc;

use crate::runtime::recording::Recording;

mod actions;
mod keys;
mod line;
mod said;
mod starting;
mod unsaved;

use super::{
    action::{ACTIONS, Act},
    app::{Effect, Layer, Model, Msg, RecordedScript, WallClock},
    disk::{self, Job},
    engine::{Catalogue, Checker, Engine, EngineEvent},
    fake::{FakeCatalogue, FakeChecker, FakeEngine},
    input::keys::parse_keys,
    layout::Pane,
    model::{browser::Look, script::Script},
    swap::Keeper,
    term::encode::Screen,
    theme::{ASCII, Depth, Theme, UNICODE},
    update::{perform, update},
    view,
};

/// The whole dashboard without a terminal, a clock or threads.
struct Drive {
    model: Model,
    engine: FakeEngine,
    events: mpsc::UnboundedReceiver<EngineEvent>,
    /// Does what is asked of the disk, in a folder of the test's.
    keeper: Option<Keeper>,
    /// What was asked of the outside and not done here.
    left: Vec<Effect>,
}

impl Drive {
    fn new(width: u16, height: u16) -> Self {
        let theme = Theme::load("default", None, Depth::Indexed).unwrap();
        let mut model = Model::new(theme, UNICODE, (width, height));
        // 14:00:00 UTC.
        model.clock = WallClock { start_ns: 1_756_130_400_000_000_000, utc_offset: 0 };
        model.checker = Arc::new(FakeChecker);
        model.browser.typing = true;
        let mut engine = FakeEngine::by_hand();
        let events = engine.events();
        let mut drive = Self { model, engine, events, keeper: None, left: Vec::new() };
        FakeCatalogue::default().load(&mut |batch| {
            drive.send(Msg::Catalogue(batch));
            true
        });
        drive.send(Msg::CatalogueDone);
        drive
    }

    fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        for effect in effects {
            self.do_effect(effect);
        }
        while let Ok(event) = self.events.try_recv() {
            self.send(Msg::Engine(event));
        }
    }

    fn do_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Start(request) => self.engine.start(request),
            Effect::Command(command) => self.engine.command(command),
            Effect::Count(request) => self.engine.count(request),
            Effect::Check { version, text, args } => {
                self.send(Msg::Checked { version, list: FakeChecker.check(&text, &args) });
            }
            Effect::Complete { text, cursor } => {
                self.send(Msg::Completed { list: FakeChecker.complete(&text, cursor) });
            }
            Effect::Look(Look::Detail(point)) => {
                let detail = FakeCatalogue::default().detail(&point);
                self.send(Msg::Detail { point, detail });
            }
            Effect::Look(Look::Members { point, expression }) => {
                let members = FakeCatalogue::default().members(&point, &expression);
                self.send(Msg::Members { point, expression, members });
            }
            Effect::Look(Look::WithType(part)) => {
                let points = FakeCatalogue::default().with_type(&part);
                self.send(Msg::WithType { part, points });
            }
            Effect::LoadTheme(name) => self.send(Msg::ThemeLoaded(Theme::load(&name, None, Depth::Indexed))),
            Effect::Disk(job) if self.keeper.is_some() => {
                if let Some(answer) = disk::work(job, self.keeper.as_mut()) {
                    self.send(answer);
                }
            }
            other => self.left.push(other),
        }
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        for chord in parse_keys(keys) {
            self.send(Msg::Key(chord));
        }
        // The next look is a while later.
        self.model.browser.described.at_once();
        self.model.settle();
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds {
            self.model.now += Duration::from_secs(1);
            self.engine.tick();
            while let Ok(event) = self.events.try_recv() {
                self.send(Msg::Engine(event));
            }
            self.send(Msg::Tick);
        }
        self
    }

    fn draw(&self) -> (Buffer, Option<Position>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.model.size.0, self.model.size.1));
        let cursor = view::draw(&self.model, &mut buffer);
        (buffer, cursor)
    }

    fn screen(&self) -> String {
        let (buffer, cursor) = self.draw();
        let mut out = super::svg::text(&buffer);
        if let Some(at) = cursor {
            out.push_str(&format!("cursor {},{}\n", at.x, at.y));
        }
        out
    }
}

/// A latency trace of openat that has run for a while.
fn tracing(width: u16, height: u16) -> Drive {
    let mut drive = Drive::new(width, height);
    drive.press("openat<ret>H").wait(24);
    drive
}

/// The dashboard over the bundled recording of a real session, `seconds` into it.
fn recorded(width: u16, height: u16, seconds: u64) -> Drive {
    let recording = Recording::parse(crate::embedded::DEMO).unwrap();
    let mut drive = Drive::new(width, height);
    drive.model.theme = Theme::load("dark", None, Depth::True).unwrap();
    drive.model.script =
        super::model::script::Script::new(&recording.header.script_name, None, &recording.header.script);
    drive.model.script.tokens = FakeChecker.highlight(&drive.model.script.text());
    let mut effects = Vec::new();
    perform(&mut drive.model, Act::Run, &mut effects);
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Start(request) => Some(request.run),
        _ => None,
    });
    drive.model.focus = Pane::Live;
    for timed in recording.events {
        if timed.at() > Duration::from_secs(seconds) {
            break;
        }
        drive.model.now = timed.at();
        drive.send(Msg::Engine(EngineEvent::Session { run: run.unwrap(), event: timed.event }));
    }
    drive.send(Msg::Tick);
    drive
}

/// What the README shows. Drawn from the recording, so they cannot lie; `UPDATE_EXPECT=1` rewrites them.
#[test]
fn screenshots() {
    let shot = |name: &str, drive: &Drive| {
        let (buffer, cursor) = drive.draw();
        expect_file![format!("../../../screenshots/{name}.svg")].assert_eq(&super::svg::svg(&buffer, cursor));
    };
    let mut drive = recorded(120, 40, 15);
    drive.press("l<down>");
    shot("live-120x40", &drive);
    let mut drive = recorded(80, 24, 15);
    drive.press("l");
    shot("live-80x24", &drive);
    let mut drive = recorded(200, 50, 15);
    drive.press("l");
    shot("incident-200x50", &drive);
    let mut drive = recorded(120, 40, 15);
    drive.press("?");
    shot("help-120x40", &drive);
}

#[test]
fn screens() {
    tracing_screens(80, 24);
    tracing_screens(120, 40);
    tracing_screens(200, 50);
}

fn tracing_screens(width: u16, height: u16) {
    let mut drive = tracing(width, height);
    let name = |what: &str| format!("./snapshots/{what}-{width}x{height}.txt");
    expect_file![name("live")].assert_eq(&drive.screen());
    drive.press("<Down><Down>v");
    expect_file![name("heatmap")].assert_eq(&drive.screen());
    drive.press("p");
    expect_file![name("costs")].assert_eq(&drive.screen());
    drive.press("?");
    expect_file![name("help")].assert_eq(&drive.screen());
    drive.press("<esc>1<esc><Home>");
    expect_file![name("browser")].assert_eq(&drive.screen());
    // The other views and what lies over them.
    drive.press("3pv");
    expect_file![name("sparklines")].assert_eq(&drive.screen());
    drive.press("v");
    expect_file![name("raw")].assert_eq(&drive.screen());
    drive.press("v");
    expect_file![name("table")].assert_eq(&drive.screen());
    drive.press(":");
    expect_file![name("palette")].assert_eq(&drive.screen());
    drive.press("<esc>e");
    expect_file![name("export")].assert_eq(&drive.screen());
    drive.press("<esc>2x<esc>q");
    expect_file![name("quit")].assert_eq(&drive.screen());
}

/// All of it without a character beyond ASCII, and without a colour.
#[test]
fn every_screen_can_be_ascii_and_mono() {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let mut drive = tracing(width, height);
        drive.model.glyphs = ASCII;
        drive.model.theme = Theme::load("default", None, Depth::Mono).unwrap();
        for keys in
            ["", "<Down>v", "v", "v", "v", "p", "?", "<esc>:", "<esc>e", "<esc>s", "<esc>1<esc><Home>", "2x<esc>q"]
        {
            drive.press(keys);
            let screen = drive.screen();
            assert!(screen.is_ascii(), "{keys}: {screen}");
            let (buffer, _) = drive.draw();
            let is_coloured = |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset);
            assert!(!buffer.content.iter().any(is_coloured), "{keys}");
        }
    }
}

#[test]
fn first_screen() {
    expect_file!["./snapshots/first-80x24.txt"].assert_eq(&Drive::new(80, 24).screen());
    expect_file!["./snapshots/first-120x40.txt"].assert_eq(&Drive::new(120, 40).screen());
}

#[test]
fn compile_error_with_completion_and_fix() {
    let mut drive = Drive::new(80, 24);
    drive.press(
        "<esc>2global lat<ret>probe syscall.openat.return {<ret>lat[execname()] <lt><lt><lt> get_time() - 1<ret>}<C-r>",
    );
    expect_file!["./snapshots/error-80x24.txt"].assert_eq(&drive.screen());
    assert_eq!(drive.model.focus, Pane::Script);
    drive.press("<F4>");
    assert!(drive.model.script.text().contains("<<< gettimeofday_us() - 1"), "{}", drive.model.script.text());
    drive.press("<C-r>").wait(3);
    assert!(drive.model.is_tracing());
    drive.press("<C-End><ret>probe end {<ret>pr");
    expect_file!["./snapshots/completion-80x24.txt"].assert_eq(&drive.screen());
    drive.press("<tab>");
    assert!(drive.model.script.text().ends_with("  printf("), "{}", drive.model.script.text());
}

#[test]
fn a_long_message_wraps_below_its_caret() {
    use super::engine::EditorDiagnostic;
    let mut drive = Drive::new(60, 15);
    drive.press("<esc>2global n<ret>probe nowhere { n++ }");
    let message = "expected 'probe', 'global', 'private', 'function', or '%{': identifier 'nowhere'";
    let finding = EditorDiagnostic {
        line: 2,
        columns: 6..13,
        severity: crate::diagnostics::Severity::Error,
        message: message.into(),
        help: Some("similar: syscall.read".into()),
        fix: None,
    };
    let version = drive.model.script.version;
    drive.send(Msg::Checked { version, list: vec![finding] });
    expect_file!["./snapshots/long-message-60x15.txt"].assert_eq(&drive.screen());
}

#[test]
fn ascii_and_mono() {
    let mut drive = tracing(80, 24);
    drive.model.glyphs = ASCII;
    drive.model.theme = Theme::load("default", None, Depth::Mono).unwrap();
    let screen = drive.screen();
    assert!(screen.is_ascii(), "{screen}");
    expect_file!["./snapshots/ascii-80x24.txt"].assert_eq(&screen);
}

#[test]
fn pause_freezes_the_picture_and_not_the_data() {
    let mut drive = tracing(80, 24);
    drive.press("<space>");
    let frozen = drive.model.sample().unwrap().number;
    let samples = drive.model.history.len();
    drive.wait(5);
    assert_eq!(drive.model.sample().unwrap().number, frozen);
    assert_eq!(drive.model.history.len(), samples + 5);
    expect_file!["./snapshots/paused-80x24.txt"].assert_eq(&drive.screen());
    drive.press("[[]");
    assert_eq!(drive.model.sample().unwrap().number, frozen - 1);
    drive.press("<End>");
    assert_eq!(drive.model.cursor, None);
}

#[test]
fn a_run_is_swapped_without_a_gap_and_a_failed_one_leaves_the_old() {
    let mut drive = tracing(80, 24);
    drive.press("2<C-End>probe end { get_time() }<C-r>");
    assert!(drive.model.is_tracing() && drive.model.run.current == Some(1));
    drive.press("<F4><C-r>").wait(1);
    assert_eq!(drive.model.run.current, Some(3));
    assert_eq!(drive.model.live.info.as_ref().unwrap().probes.len(), 2);
}

#[test]
fn filters_sort_export_and_copy() {
    let mut drive = tracing(120, 40);
    drive.press("/ng<ret>");
    assert_eq!(drive.model.live.state().unwrap().order.len(), 1);
    drive.press("y");
    assert!(matches!(drive.left.pop(), Some(Effect::Copy(text)) if text.starts_with("nginx\tcount ")));
    drive.press("ec");
    let Some(Effect::Disk(Job::Export { name, bytes, .. })) = drive.left.pop() else { panic!("nothing exported") };
    assert_eq!(name, "latency-20250825-140024.csv");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("execname,count,min,avg,max\nnginx,"), "{text}");
    drive.press("<esc>");
    assert!(drive.model.live.state().unwrap().order.len() > 3);
    drive.press("po");
    assert!(!drive.model.is_tracing() || drive.model.sample().unwrap().snapshot.cost.probes[0].hits > 0);
    assert!(!drive.model.sample().unwrap().snapshot.cost.probes[0].enabled);
    drive.press("4/fsync<ret>nw&");
    assert!(drive.model.log.only);
}

#[test]
fn a_slash_into_the_open_filter_is_not_looked_for() {
    let mut drive = Drive::new(120, 40);
    drive.press("/openat");
    assert_eq!(drive.model.browser.filter.text(), "openat");
    drive.press("/x<ret>H");
    assert_eq!(drive.model.browser.filter.text(), "openat/x");
    assert!(drive.screen().contains("no probe matches the filter"), "{}", drive.screen());
}

#[test]
fn a_script_gets_its_arguments() {
    let mut drive = Drive::new(120, 40);
    drive.press("<esc>2global n<ret>probe timer.s($1) { n[@2]++ }<C-r>");
    assert!(!drive.model.is_tracing());
    assert!(drive.screen().contains("this script wants 2 arguments:"), "{}", drive.screen());
    drive.press("5 'a b<ret>");
    assert!(drive.model.toast.as_ref().unwrap().error);
    drive.press("'<ret>").wait(2);
    assert!(drive.model.is_tracing());
    let notes: Vec<&str> = drive.model.log.lines().iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        notes[..2],
        [
            "$ stap untitled.stp 5 'a b'",
            "running after 38 ms: 1 probe, 0 kernel sites, 1.4K of eBPF, 812 instructions verified"
        ]
    );
    assert!(drive.screen().contains("untitled.stp* 5 'a b'"), "{}", drive.screen());
    drive.press("<F9>");
    assert!(drive.screen().contains("arguments, -x PID, -c COMMAND, -s MB: 5 'a b'"), "{}", drive.screen());
    drive.press(" -x 12<ret>");
    assert_eq!(drive.model.script.given.target, Some(12));
    // Saved with the script and there again with it, but not with the next.
    drive.press("<C-s><C-u>/a/b.stp<ret>");
    let saved = drive.left.iter().rev().find_map(|effect| match effect {
        Effect::Disk(Job::Save { bytes, .. }) => Some(String::from_utf8(bytes.clone()).unwrap()),
        _ => None,
    });
    let saved = saved.unwrap();
    assert!(saved.contains("#: args = [\"5\", \"a b\"]\n") && saved.contains("#: target = 12\n"), "{saved}");
    drive.press("<esc>1/openat<ret>H");
    assert_eq!(drive.model.script.given, super::engine::StartOptions::default());
    let found = super::files::OnDisk { bytes: saved.into_bytes(), stamp: Default::default() };
    super::update::open_script(&mut drive.model, std::path::Path::new("/a/b.stp"), Some(&found));
    assert_eq!((drive.model.script.given.args.len(), drive.model.script.given.target), (2, Some(12)));
}

#[test]
fn the_mouse_moves_borders_and_selects_text() {
    let mut drive = tracing(120, 40);
    let before = drive.model.areas();
    let (probes, log) = (before.probes.unwrap(), before.log.unwrap());
    for (from, to) in [((9, log.y), (9, log.y - 4)), ((probes.right(), 20), (probes.right() + 7, 3))] {
        drive.send(Msg::Click { x: from.0, y: from.1 });
        drive.send(Msg::Drag { x: to.0, y: to.1 });
        drive.send(Msg::Release);
        drive.send(Msg::Drag { x: 1, y: 1 });
    }
    let now = drive.model.areas();
    assert_eq!(now.probes.unwrap().width, probes.width + 7);
    assert_eq!(now.log.unwrap().height, log.height + 4);
    let script = now.script.unwrap();
    drive.send(Msg::Click { x: 80, y: script.bottom() - 1 });
    drive.send(Msg::Drag { x: 80, y: script.bottom() + 2 });
    drive.send(Msg::Release);
    assert_eq!(drive.model.areas().script.unwrap().height, script.height + 3);
    drive.send(Msg::Click { x: script.x + 7, y: script.y + 1 });
    drive.send(Msg::Drag { x: script.x + 10, y: script.y + 1 });
    drive.send(Msg::Release);
    assert_eq!(drive.model.script.selection(), Some(((0, 0), (0, 3))));
}

#[test]
fn hits_are_counted_beside_what_runs() {
    let mut drive = tracing(120, 40);
    let run = drive.model.run.current;
    drive.press("1<esc>g<Home>/syscall<ret>");
    drive.model.browser.look_for("");
    drive.press("jjc");
    assert!(drive.model.run.current == run && drive.model.browser.counting().is_none());
    let said = &drive.model.toast.as_ref().unwrap().text;
    assert_eq!(said, "syscall.* was hit 328 times in 2 s: 321 syscall.openat, 7 syscall.read");
    let screen = drive.screen();
    assert!(screen.contains("321 syscall.openat"), "{screen}");
    drive.press("/syscall.openat<ret>");
    assert!(drive.screen().contains("321 hits"), "{}", drive.screen());
    drive.press("/<C-u>syscall.open<ret>c");
    assert!(drive.screen().contains("42 hits"), "{}", drive.screen());
}

#[test]
fn headings_and_the_key_bar_can_be_clicked() {
    let mut drive = tracing(120, 40);
    let screen = drive.screen();
    let place = |text: &str| {
        let line = screen.lines().position(|line| line.contains(text)).unwrap();
        let at = screen.lines().nth(line).unwrap().find(text).unwrap();
        (screen.lines().nth(line).unwrap()[..at].chars().count() as u16, line as u16)
    };
    let (x, y) = place(" execname ");
    drive.send(Msg::Click { x: x + 2, y });
    let state = drive.model.live.state().unwrap();
    assert_eq!((state.sort, state.ascending), (0, false));
    drive.send(Msg::Click { x: x + 2, y });
    assert!(drive.model.live.state().unwrap().ascending);
    let (x, y) = place("s sort");
    drive.send(Msg::Click { x, y });
    assert!(matches!(drive.model.layers.last(), Some(Layer::Picker(_))));
}

#[test]
fn dead_keys_explain_themselves() {
    let mut drive = Drive::new(80, 24);
    drive.press("sched_switch<ret>H");
    assert_eq!(drive.model.toast.as_ref().unwrap().text, "this probe has no .return to measure; try T or A");
    drive.press("3x");
    assert_eq!(drive.model.toast.as_ref().unwrap().text, "no script is running");
}

#[test]
fn an_unbound_key_says_so_and_a_prefix_shows_what_follows() {
    let mut drive = tracing(120, 40);
    drive.press("u");
    assert_eq!(drive.model.toast.as_ref().unwrap().text, "u does nothing here; ? lists the keys");
    drive.press("<C-w>");
    assert!(drive.screen().contains("Go to the pane on the left"), "{}", drive.screen());
    drive.press("h");
    assert_eq!(drive.model.focus, Pane::Probes);
    drive.press("<C-w>l<C-w>j<C-w>j");
    assert_eq!(drive.model.focus, Pane::Script);
    drive.press("<F6><C-w>u");
    assert_eq!(drive.model.toast.as_ref().unwrap().text, "⌃W u does nothing");
}

#[test]
fn sizes_are_kept_over_resizes() {
    let mut drive = tracing(120, 40);
    drive.press("1<esc>");
    let before = drive.model.areas().probes.unwrap().width;
    drive.press("<C-w>><C-w>>");
    assert_eq!(drive.model.areas().probes.unwrap().width, before + 8);
    drive.send(Msg::Resize(80, 24));
    drive.press("<C-w>>");
    assert!(drive.model.toast.as_ref().unwrap().error);
    drive.send(Msg::Resize(120, 40));
    assert_eq!(drive.model.areas().probes.unwrap().width, before + 8);
    drive.press("<C-w>=");
    assert_eq!(drive.model.areas().probes.unwrap().width, before);
}

#[test]
fn a_key_that_begins_a_sequence_acts_when_nothing_follows() {
    let mut drive = tracing(120, 40);
    drive.press("<Down><Down>g");
    assert_eq!(drive.model.live.state().unwrap().selected_at(), Some(2));
    drive.wait(1);
    assert_eq!(drive.model.live.state().unwrap().selected_at(), Some(0));
    drive.press("<Down>gj");
    assert_eq!(drive.model.live.state().unwrap().selected_at(), Some(1));
    drive.press("gt-5s<ret>");
    let latest = drive.model.history.latest().unwrap().received;
    assert_eq!(drive.model.until().map(|at| latest - at), Some(Duration::from_secs(5)));
    drive.press("<End>gtnoon<ret>");
    assert!(drive.model.toast.as_ref().unwrap().text.contains("is no time"));
}

#[test]
fn columns_are_sorted_by_and_hidden() {
    let mut drive = tracing(120, 40);
    drive.press("s1");
    let state = drive.model.live.state().unwrap();
    assert_eq!((state.sort, state.ascending), (0, false));
    assert_eq!(state.order[0].key, "bash");
    drive.press("c<Down><Down><space><ret>");
    assert!(!drive.screen().contains("per s  "), "{}", drive.screen());
    drive.press("<ret>");
    assert!(drive.model.live.drilled);
    drive.press("<Backspace><Backspace>");
    assert_eq!(drive.model.toast.as_ref().unwrap().text, "this is the whole table; ↵ goes into a row");
}

#[test]
fn probes_are_pinned_read_and_switched_where_they_are_browsed() {
    let mut drive = tracing(120, 40);
    drive.press("1");
    assert_eq!(&*drive.model.browser.selected_entry().unwrap().point, "syscall.openat");
    drive.press("p<esc>");
    let screen = drive.screen();
    assert!(screen.contains("running") && screen.contains("pinned"), "{screen}");
    drive.press("g<Down>o");
    drive.wait(1);
    assert!(!drive.model.sample().unwrap().snapshot.cost.probes[0].enabled);
    drive.press("/openat<ret>i");
    assert!(drive.screen().contains("Variables"), "{}", drive.screen());
    drive.press("<esc>HH");
    assert!(drive.screen().contains("Latency by") || drive.model.focus == Pane::Live, "{}", drive.screen());
    drive.press("1H");
    assert!(drive.screen().contains("Latency by"), "{}", drive.screen());
    drive.press("p");
    assert!(drive.model.script.text().contains("latency[pid()]"));
}

#[test]
fn presets_change_keys_help_and_bar_together() {
    let mut drive = tracing(120, 40);
    drive.press(":keymap emacs<ret>");
    drive.press("<C-n><C-x>o");
    assert_eq!(drive.model.focus, Pane::Log);
    drive.press("2").press("<C-e>!<C-a><C-d><A-f><C-b>");
    assert!(drive.model.script.lines()[0].ends_with("process.!"), "{}", drive.model.script.lines()[0]);
    drive.press("<F1>");
    assert!(drive.screen().contains("⌃Xh"), "{}", drive.screen());
}

#[test]
fn vim_in_the_editor() {
    let mut drive = Drive::new(120, 40);
    drive.press("<esc>:editor vim<ret>2iglobal n<ret>probe begin { n++ }<esc>");
    assert!(drive.screen().contains("NORMAL"), "{}", drive.screen());
    drive.press("ggwcwcount<esc>j");
    assert_eq!(drive.model.script.lines()[0], "global count");
    drive.press("u");
    assert_eq!(drive.model.script.lines()[0], "global n");
    drive.press("U/begin<ret><esc>");
    assert_eq!(drive.model.script.lines()[0], "global count");
    assert_eq!(drive.model.script.cursor(), (1, 6));
    drive.press("<esc>");
    assert_eq!(drive.model.focus, Pane::Script);
    drive.press("<C-w>j");
    assert_ne!(drive.model.focus, Pane::Script);
    drive.press("2:w<ret><C-u>/tmp/v.stp<ret>");
    assert!(matches!(drive.left.last(), Some(Effect::Disk(Job::Save { .. }))));
    drive.press(":q!<ret>");
    assert_eq!(drive.left.last(), Some(&Effect::Quit));
}

#[test]
fn what_is_shown_is_exported() {
    let mut drive = tracing(120, 40);
    drive.press("es");
    assert!(matches!(drive.left.pop(), Some(Effect::Disk(Job::Export { name, .. })) if name.ends_with(".svg")));
    drive.press("ew");
    let Some(Effect::Disk(Job::Record { events, .. })) = drive.left.pop() else { panic!("nothing recorded") };
    assert!(events.len() > 20 && events.is_sorted_by_key(|(at, _)| *at));
    drive.press("4et");
    assert!(matches!(drive.left.pop(), Some(Effect::Disk(Job::Export { name, .. })) if name.starts_with("log-")));
}

#[test]
fn every_action_can_be_found_in_help_and_palette() {
    let drive = tracing(200, 50);
    for pane in Pane::ALL {
        let mut drive = tracing(200, 50);
        super::update::perform(
            &mut drive.model,
            [Act::Pane1, Act::Pane2, Act::Pane3, Act::Pane4][pane as usize],
            &mut Vec::new(),
        );
        drive.press("<F3>");
        let Some(Layer::Palette { items, .. }) = drive.model.layers.last() else { panic!("no palette") };
        for row in ACTIONS.iter().filter(|row| row.places.iter().any(|place| drive.model.places().contains(place))) {
            assert!(items.iter().any(|item| item.name == row.name), "{} is not in the palette of {pane:?}", row.name);
        }
    }
    drop(drive);
}

/// No size may make any view or popup panic, and nothing writes outside its area (the buffer would panic).
#[test]
fn all_sizes() {
    let long = "probe syscall.openat.return { lat[execname(), \"日本\"] <<< get_time() }\t# unused";
    for (width, height) in
        (1..=42).flat_map(|w| (1..=13).map(move |h| (w, h))).chain([(60, 15), (100, 30), (180, 30), (300, 100)])
    {
        let mut drive = Drive::new(80, 24);
        drive.press("openat<ret>H").wait(2);
        drive.send(Msg::Resize(width, height));
        for pane in ["1", "3", "4"] {
            drive.press(pane);
            drive.draw();
        }
        for view in ["3", "v", "v", "v", "v", "<ret>", "p", "p", "L", "L", "L", "L", "L", "<C-w>"] {
            drive.press(view);
            drive.draw();
        }
        for layer in ["<esc>?", "<esc>:", "<esc>e", "<esc>q", "<esc>/", "<esc>s", "<esc>c", "<esc>:settings<ret>"] {
            drive.press(layer);
            drive.draw();
        }
        drive.press("<esc>2<C-End>");
        drive.send(Msg::Paste(long.into()));
        drive.wait(1).press("<ret>pr");
        drive.draw();
        drive.press("<Up><End>");
        drive.draw();
    }
}

/// The screens as pictures; the same model gives the same bytes.
#[test]
fn svg_is_deterministic() {
    let drive = tracing(120, 40);
    let (buffer, cursor) = drive.draw();
    let text = super::svg::svg(&buffer, cursor);
    assert_eq!(text, super::svg::svg(&drive.draw().0, cursor));
    assert!(text.contains("nginx") && text.ends_with("</svg>\n"));
    if let Ok(path) = std::env::var("WRITE_SVG") {
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn replay_plays_and_refuses_to_run() {
    use crate::runtime::session::SessionEvent;
    let drive = tracing(80, 24);
    let info = drive.model.info().unwrap().clone();
    let mut recording = vec![(Duration::ZERO, SessionEvent::Started(Box::new((*info).clone())))];
    recording.extend(
        drive.model.history.window(None, 100).map(|s| (s.snapshot.at, SessionEvent::Snapshot(s.snapshot.clone()))),
    );
    let n = recording.len();
    let mut engine = super::replay::ReplayEngine::new(recording, 0.0);
    let mut events = engine.events();
    let request = |run| super::engine::StartRequest {
        run,
        text: Vec::new(),
        file_name: "x".into(),
        options: Default::default(),
        is_confirmed: false,
    };
    engine.start(request(1));
    engine.start(request(2));
    let mut replay = Drive::new(80, 24);
    replay.model.demo = true;
    // What `run` does with the script of a recording.
    let text = drive.model.script.text();
    replay.model.script = Script::new("recorded.stp", None, text.as_bytes());
    replay.model.recorded = RecordedScript { text: text.clone(), version: Some(replay.model.script.version) };
    let mut seen = 0;
    while seen < n + 1 {
        let event = events.blocking_recv().unwrap();
        replay.send(Msg::Engine(event));
        seen += 1;
    }
    replay.press("<esc>3");
    let screen = replay.screen();
    assert!(screen.contains("RECORDING") && screen.contains("nginx"), "{screen}");
    // Numbers stand at the probes of the recorded script, until it is edited; and at no other's, be it the same text.
    let has_numbers = |replay: &mut Drive, keys: &str| {
        let screen = replay.press(keys).screen();
        let line = screen.lines().find(|line| line.contains("│probe ")).expect("a probe in the editor");
        line.contains("/s ") && line.contains(replay.model.glyphs.on)
    };
    assert!(has_numbers(&mut replay, "<esc>2"));
    assert!(!has_numbers(&mut replay, "<C-End> "));
    replay.act(Act::New);
    replay.send(Msg::Paste(text));
    assert!(!has_numbers(&mut replay, "<C-Home>"));
    // Their columns are called as the recorded script calls them.
    assert_eq!(replay.model.live.states[0].key_names, ["execname"]);
}

#[test]
fn the_start_and_the_end_of_a_script_are_places() {
    let mut drive = Drive::new(80, 24);
    drive.act(Act::New);
    drive.send(Msg::Paste("global n\nprobe begin { n++ }".into()));
    drive.press("<C-Home>").press("#").press("<C-End>").press("#");
    assert_eq!(drive.model.script.text(), "#global n\nprobe begin { n++ }#");
}

#[test]
fn a_pane_that_grows_is_filled_again() {
    let mut drive = Drive::new(40, 8);
    drive.act(Act::New);
    drive.send(Msg::Paste("line\n".repeat(20)));
    assert!(drive.model.script.top > 10);
    drive.send(Msg::Resize(80, 24));
    assert!(drive.screen().contains("│line"), "{}", drive.screen());
    assert_eq!(drive.model.script.top, 21 - 19);
    drive.send(Msg::Resize(80, 30));
    assert_eq!(drive.model.script.top, 0);
}
