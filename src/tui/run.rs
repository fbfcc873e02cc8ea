//! The loop. Input, engine and workers speak into channels; all that is queued is taken in, then at most one frame is drawn.
//! Keys paint at once; data waits for the frame budget. When nothing happens nothing wakes up: no ticks, no bytes.

use std::{
    fs,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    app::{Effect, Model, Msg, WallClock},
    disk::{Disk, Job},
    engine::{Catalogue, Checker, Engine, StartOptions},
    files,
    input::keys::Chord,
    layout::Pane,
    settings::{self, Settings},
    term::{
        encode::Screen,
        guard::{self, Guard},
    },
    theme::{ASCII, Depth, Theme, UNICODE, locale_is_utf8},
    update::{open_script, perform, update},
    view,
};
use crate::sys::{inotify::watch_file, poll::watch_readable};

/// Between two frames that data asks for.
const FRAME: Duration = Duration::from_millis(33);
/// Over SSH.
const FRAME_SLOW: Duration = Duration::from_millis(250);
/// A size must stand still this long before the screen is drawn for it.
const RESIZE_SETTLES: Duration = Duration::from_millis(60);

/// How the dashboard starts.
pub struct TuiOptions {
    pub engine: Box<dyn Engine>,
    pub checker: Arc<dyn Checker>,
    pub catalogue: Arc<dyn Catalogue>,
    /// A script to open.
    pub script: Option<PathBuf>,
    /// Text to open when there is no file, and its name: the script of a recording.
    pub text: Option<(String, String)>,
    /// Run it at once.
    pub autorun: bool,
    /// What is shown is a recording; the screen says so.
    pub demo: bool,
    /// A builtin theme's name, or a theme file.
    pub theme: Option<String>,
    /// `truecolor`, `256`, `16`, `mono`; otherwise the environment decides.
    pub color: Option<String>,
    pub ascii: bool,
    pub mouse: bool,
    /// The user's settings; what the command line says goes before them.
    pub settings: Settings,
    /// One sentence to greet with: why nothing can be traced here.
    pub notice: Option<String>,
    pub start: StartOptions,
}

impl TuiOptions {
    pub fn new(engine: Box<dyn Engine>, checker: Arc<dyn Checker>, catalogue: Arc<dyn Catalogue>) -> Self {
        Self {
            engine,
            checker,
            catalogue,
            script: None,
            text: None,
            autorun: false,
            demo: false,
            theme: None,
            color: None,
            ascii: false,
            mouse: true,
            settings: Settings::default(),
            notice: None,
            start: StartOptions::default(),
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For the process.
    pub exit_code: u8,
}

/// Runs the dashboard until the user leaves. Starts its own single-threaded runtime, so it must not be called inside one.
///
/// # Errors
/// There is no terminal, or it went away; the theme or a file of the user's cannot be read.
pub fn run(options: TuiOptions) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(main(options));
    // A worker may still be listing probes; leaving does not wait for it.
    runtime.shutdown_background();
    outcome
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn build_model(options: &TuiOptions) -> io::Result<Model> {
    let depth = options.color.as_deref().and_then(Depth::parse).unwrap_or_else(|| Depth::detect(env));
    let settings = &options.settings;
    let mut problems = settings.problems.clone();
    let theme = match (&options.theme, &settings.theme) {
        (None, Some(name)) => load_theme(name, depth).or_else(|error| {
            problems.push(format!("theme: {error}"));
            load_theme("default", depth)
        }),
        (name, _) => load_theme(name.as_deref().unwrap_or("default"), depth),
    }
    .map_err(io::Error::other)?;
    let glyphs = if options.ascii || settings.ascii || !locale_is_utf8(env) { ASCII } else { UNICODE };
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let mut model = Model::new(theme, glyphs, size);
    model.demo = options.demo;
    model.mouse = options.mouse && settings.mouse.unwrap_or(true);
    model.keymap = settings.keymap.clone();
    model.vim = settings.vim.then(super::model::vim::Vim::default);
    model.settings = settings.clone();
    model.start_options = options.start.clone();
    let start_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
    model.clock = WallClock { start_ns, utc_offset: chrono::Local::now().offset().local_minus_utc() };
    for problem in &problems {
        model.log.note(super::model::log::LineKind::Warning, &format!("settings: {problem}"), Duration::ZERO);
    }
    if let Some(first) = problems.first() {
        let more =
            if problems.len() > 1 { format!(" (and {} more in the log)", problems.len() - 1) } else { String::new() };
        model.complain(format!("settings: {first}{more}"));
    }
    if let Some(notice) = &options.notice {
        model.complain(notice.clone());
        model.log.note(super::model::log::LineKind::Warning, notice, Duration::ZERO);
    }
    Ok(model)
}

fn load_theme(name: &str, depth: Depth) -> Result<Arc<Theme>, String> {
    let own = settings::folder(env).map(|dir| dir.join("themes").join(format!("{name}.toml")));
    let path = if name.ends_with(".toml") { Some(PathBuf::from(name)) } else { own.filter(|path| path.exists()) };
    let text = match &path {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => None,
    };
    Theme::load(name, text.as_deref(), depth)
}

/// A question for the checker's thread.
enum Ask {
    Check { version: u64, text: String },
    Complete { text: String, cursor: usize },
}

/// A thread that answers the newest question of each kind; stale ones are dropped unanswered.
fn checker_thread(checker: Arc<dyn Checker>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<Ask> {
    let (ask_tx, ask_rx) = std_mpsc::channel::<Ask>();
    thread::spawn(move || {
        while let Ok(first) = ask_rx.recv() {
            let (mut check, mut complete) = (None, None);
            for ask in std::iter::once(first).chain(ask_rx.try_iter()) {
                match ask {
                    Ask::Check { .. } => check = Some(ask),
                    Ask::Complete { .. } => complete = Some(ask),
                }
            }
            // Someone waits for the completion; the check can wait.
            for ask in [complete, check].into_iter().flatten() {
                let msg = match ask {
                    Ask::Check { version, text } => Msg::Checked { version, list: checker.check(&text) },
                    Ask::Complete { text, cursor } => Msg::Completed { list: checker.complete(&text, cursor) },
                };
                if tx.send(msg).is_err() {
                    return;
                }
            }
        }
    });
    ask_tx
}

/// Lists all probes, then answers what one of them offers.
fn catalogue_threads(catalogue: Arc<dyn Catalogue>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<String> {
    let (point_tx, point_rx) = std_mpsc::channel::<String>();
    let (loader, load_tx) = (Arc::clone(&catalogue), tx.clone());
    thread::spawn(move || {
        loader.load(&mut |batch| load_tx.send(Msg::Catalogue(batch)).is_ok());
        let _ = load_tx.send(Msg::CatalogueDone);
    });
    thread::spawn(move || {
        while let Ok(first) = point_rx.recv() {
            let point = point_rx.try_iter().last().unwrap_or(first);
            let detail = catalogue.detail(&point);
            if tx.send(Msg::Detail { point, detail }).is_err() {
                return;
            }
        }
    });
    point_tx
}

struct Runner {
    model: Model,
    screen: Screen,
    guard: Guard,
    engine: Box<dyn Engine>,
    ask: std_mpsc::Sender<Ask>,
    detail: std_mpsc::Sender<String>,
    disk: Disk,
    /// On the script's file, to hear of other programs' changes.
    watch: Option<(PathBuf, Option<AsyncFd<OwnedFd>>)>,
    tx: mpsc::UnboundedSender<Msg>,
    begin: Instant,
    quit: bool,
    dirty: bool,
    /// The terminal hung up: nothing can be shown.
    gone: bool,
}

async fn main(options: TuiOptions) -> io::Result<Outcome> {
    let begin = Instant::now();
    let mut model = build_model(&options)?;
    model.checker = Arc::clone(&options.checker);
    let (tx, mut rx) = mpsc::unbounded_channel::<Msg>();
    let mut engine = options.engine;
    let mut events = engine.events();
    let mut first_effects = Vec::new();
    if let Some(path) = &options.script {
        let found =
            files::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        open_script(&mut model, path, found.as_ref());
        model.focus = Pane::Script;
    } else if let Some((name, text)) = &options.text {
        let name = Path::new(name).file_name().map_or(name.clone(), |name| name.to_string_lossy().into_owned());
        model.script = super::model::script::Script::new(&name, None, text.as_bytes());
        model.focus = Pane::Live;
    } else {
        model.browser.typing = true;
    }
    model.script.tokens = options.checker.highlight(&model.script.text());
    if options.script.is_some() || !model.demo {
        first_effects.push(Effect::Disk(Job::FindLeft { path: options.script.clone(), asked: false }));
    }
    if options.autorun {
        perform(&mut model, super::action::Act::Run, &mut first_effects);
        model.focus = Pane::Live;
    }
    let guard = Guard::take(model.mouse)?;
    let size = model.size;
    let mut runner = Runner {
        ask: checker_thread(Arc::clone(&options.checker), tx.clone()),
        detail: catalogue_threads(options.catalogue, tx.clone()),
        disk: Disk::start(tx.clone()),
        watch: None,
        screen: Screen::new(size),
        model,
        guard,
        engine,
        tx,
        begin,
        quit: false,
        dirty: true,
        gone: false,
    };
    // The first frame comes before the first data.
    runner.draw();
    for effect in first_effects {
        runner.effect(effect);
    }

    // crossterm's stream must be polled by one task alone, or wake-ups get lost; it talks into a channel.
    let (input_tx, mut input) = mpsc::unbounded_channel::<Event>();
    let forward = || {
        let input_tx = input_tx.clone();
        tokio::spawn(async move {
            let mut stream = EventStream::new();
            while let Some(Ok(event)) = stream.next().await {
                if input_tx.send(event).is_err() {
                    return;
                }
            }
        })
    };
    let mut forwarder = forward();
    let mut term = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut back = signal(SignalKind::from_raw(crate::sys::signals::CONTINUED))?;
    let frame = if env("SSH_CONNECTION").is_some() { FRAME_SLOW } else { FRAME };
    let mut next_frame = Instant::now();
    let mut resize_due: Option<(Instant, (u16, u16))> = None;

    while !runner.quit {
        let deadline = runner.model.next_deadline().map(|at| begin + at);
        let paint = runner.dirty.then_some(next_frame);
        let settle = resize_due.map(|(at, _)| at);
        let wake = [deadline, paint, settle].into_iter().flatten().min();
        runner.watch_script();
        let touched = async {
            match runner.watch.as_ref().and_then(|(_, watch)| watch.as_ref()) {
                Some(watch) => drop(watch.readable().await),
                None => std::future::pending().await,
            }
        };
        let sleep = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = term.recv() => runner.message(Msg::Terminate),
            _ = interrupt.recv() => runner.message(Msg::Terminate),
            _ = hangup.recv() => {
                // The terminal is gone: nothing to ask or to restore on.
                runner.gone = true;
                runner.message(Msg::Terminate);
            }
            _ = back.recv() => {
                runner.guard.resume(runner.model.mouse)?;
                runner.redraw();
            }
            Some(first) = input.recv() => {
                let mut next = Some(first);
                while let Some(event) = next {
                    if let Event::Resize(width, height) = event {
                        resize_due = Some((Instant::now() + RESIZE_SETTLES, (width, height)));
                    } else {
                        runner.input(event);
                    }
                    next = input.try_recv().ok();
                }
                // What a key does is seen at once.
                next_frame = Instant::now();
            }
            Some(event) = events.recv() => {
                let mut next = Some(event);
                // A flood of output must not starve the keys.
                for _ in 0..5000 {
                    let Some(event) = next else { break };
                    runner.message(Msg::Engine(event));
                    next = events.try_recv().ok();
                }
                if let Some(event) = next {
                    runner.message(Msg::Engine(event));
                }
            }
            Some(msg) = rx.recv() => {
                runner.message(msg);
                while let Ok(msg) = rx.try_recv() {
                    runner.message(msg);
                }
            }
            // A file that was replaced is another one to watch.
            () = touched => {
                runner.watch = None;
                runner.message(Msg::Touched);
            }
            () = sleep => (),
        }
        let now = Instant::now();
        if let Some((at, size)) = resize_due
            && now >= at
        {
            resize_due = None;
            runner.message(Msg::Resize(size.0, size.1));
            runner.redraw();
            next_frame = now;
        }
        if deadline.is_some_and(|at| now >= at) {
            runner.message(Msg::Tick);
        }
        if runner.dirty && now >= next_frame && resize_due.is_none() {
            runner.draw();
            next_frame = now + frame;
        }
        if runner.model.pending_suspend {
            runner.model.pending_suspend = false;
            // The stream must not read while the shell does.
            forwarder.abort();
            runner.suspend()?;
            forwarder = forward();
            next_frame = Instant::now();
        }
    }
    runner.guard.pause();
    runner.disk.finish();
    runner.say_what_is_kept();
    Ok(Outcome { exit_code: 0 })
}

impl Drop for Runner {
    /// A panic of ours must not take a person's work along.
    fn drop(&mut self) {
        if thread::panicking() {
            self.model.terminated = true;
            for effect in update(&mut self.model, Msg::Terminate) {
                if let Effect::Disk(job) = effect {
                    self.disk.ask(job);
                }
            }
            self.disk.finish();
            self.say_what_is_kept();
        }
    }
}

impl Runner {
    fn message(&mut self, msg: Msg) {
        self.model.now = self.begin.elapsed();
        let effects = update(&mut self.model, msg);
        self.dirty = true;
        for effect in effects {
            self.effect(effect);
        }
    }

    fn input(&mut self, event: Event) {
        let msg = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(Chord::of(&key)),
            Event::Paste(text) => Msg::Paste(text),
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Msg::Click { x: mouse.column, y: mouse.row },
                MouseEventKind::ScrollDown => Msg::Wheel { x: mouse.column, y: mouse.row, rows: 3 },
                MouseEventKind::ScrollUp => Msg::Wheel { x: mouse.column, y: mouse.row, rows: -3 },
                _ => return,
            },
            _ => return,
        };
        self.message(msg);
    }

    /// Watches the file in the editor. One that is not there (yet) is looked after with keys, see `update`.
    fn watch_script(&mut self) {
        let path = self.model.script.path.as_ref().filter(|_| self.model.script.on_disk.is_some());
        if self.watch.as_ref().map(|(path, _)| path) != path {
            self.watch = path.map(|path| {
                let watch = watch_file(path).and_then(watch_readable);
                (path.clone(), watch.ok())
            });
        }
    }

    /// A terminal that takes nothing any more is gone, whether or not a signal has said so.
    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.gone && guard::write(bytes).is_err() {
            self.gone = true;
            let _ = self.tx.send(Msg::Terminate);
        }
    }

    fn draw(&mut self) {
        if self.gone {
            self.dirty = false;
            return;
        }
        let mut next = self.screen.blank();
        let cursor = view::draw(&self.model, &mut next);
        let bytes = self.screen.frame(next, cursor);
        self.dirty = false;
        self.write(&bytes);
    }

    fn redraw(&mut self) {
        self.screen.forget(self.model.size);
        self.dirty = true;
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Start(request) => self.engine.start(request),
            Effect::Command(command) => self.engine.command(command),
            Effect::Check { version, text } => drop(self.ask.send(Ask::Check { version, text })),
            Effect::Complete { text, cursor } => drop(self.ask.send(Ask::Complete { text, cursor })),
            Effect::Detail(point) => drop(self.detail.send(point)),
            Effect::Copy(text) => match guard::clipboard(&text) {
                Some(bytes) => self.write(&bytes),
                None => self.toast("too much for the terminal's clipboard; export writes a file", true),
            },
            Effect::Disk(job) => self.disk.ask(job),
            Effect::LoadTheme(name) => {
                drop(self.tx.send(Msg::ThemeLoaded(load_theme(&name, self.model.theme.depth))));
            }
            Effect::Mouse(on) => self.write(guard::mouse(on)),
            Effect::Suspend => self.model.pending_suspend = true,
            Effect::Redraw => self.redraw(),
            Effect::Quit => self.quit = true,
        }
    }

    /// On the screen of the shell, where it stays.
    fn say_what_is_kept(&self) {
        let scripts = std::iter::once(&self.model.script).chain(&self.model.aside);
        for script in scripts.filter(|script| script.is_unsaved() && script.kept == Some(script.version)) {
            let again = script.path.as_ref().map_or(String::new(), |path| format!(" {}", path.display()));
            // Not eprintln, which panics when the terminal is gone.
            let name = script.display_name();
            let _ = writeln!(io::stderr(), "tapdeck: unsaved changes of {name} are kept; `tapdeck{again}` offers them");
        }
    }

    fn toast(&self, text: &str, error: bool) {
        drop(self.tx.send(Msg::Toast { text: text.to_owned(), error }));
    }

    /// Stops this job until the shell's `fg`. A session leader has no shell to go back to: stopping would hang.
    fn suspend(&mut self) -> io::Result<()> {
        if !has_job_control() {
            self.toast("there is no shell to go back to", true);
            return Ok(());
        }
        self.guard.pause();
        // SIGSTOP, not SIGTSTP: the latter is discarded in orphaned groups.
        if crate::sys::signals::stop_group().is_err() {
            self.toast("cannot suspend here", true);
        }
        self.guard.resume(self.model.mouse)?;
        self.redraw();
        Ok(())
    }
}

/// Whether a shell above us would notice that we stopped: we are not the session's leader.
fn has_job_control() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // pid (comm) state ppid pgrp session …
    let mut after = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let session = after.nth(3).and_then(|v| v.parse::<u32>().ok());
    session.is_some_and(|session| session != std::process::id())
}
