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

use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    app::{Effect, Model, Msg, RecordedScript, WallClock},
    disk::{Disk, Job},
    engine::{Catalogue, Checker, Engine, EngineEvent, StartOptions},
    files,
    layout::Pane,
    model::browser::Look,
    profile::{Pace, Profile},
    settings::{self, Settings},
    term::{
        encode::Screen,
        guard::{self, Guard},
        input::Input,
        writer::{self, Writer},
    },
    theme::{ASCII, Depth, Theme, UNICODE, locale_is_utf8},
    update::{open_script, perform, update},
    view,
    workers::{self, Ask},
};
use crate::sys::{inotify::watch_file, poll::watch_readable};

/// How long the last frame may take to be written when the dashboard leaves.
const LAST_FRAME: Duration = Duration::from_millis(500);
/// A size must stand still this long before the screen is drawn for it.
const RESIZE_SETTLES: Duration = Duration::from_millis(60);

/// How the dashboard starts.
pub struct TuiOptions {
    pub engine: Box<dyn Engine>,
    pub checker: Arc<dyn Checker>,
    pub catalogue: Arc<dyn Catalogue>,
    /// A script to open.
    pub script: Option<PathBuf>,
    /// Text to open when there is no file, and its name.
    pub text: Option<(String, Vec<u8>)>,
    /// Run it at once.
    pub autorun: bool,
    /// What is shown is a recording, and the screen says so; the script it was made of, its name and its text. It is in
    /// the editor unless another one is opened.
    pub recorded: Option<(String, Vec<u8>)>,
    /// A builtin theme's name, or a theme file.
    pub theme: Option<String>,
    /// `truecolor`, `256`, `16`, `mono`; otherwise the environment decides.
    pub color: Option<String>,
    pub ascii: bool,
    /// What the line to the terminal carries; otherwise the settings say, or the environment.
    pub profile: Option<Profile>,
    pub mouse: bool,
    /// The last screen stays on the shell's, as text.
    pub keep_screen: bool,
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
            recorded: None,
            theme: None,
            color: None,
            ascii: false,
            profile: None,
            mouse: true,
            keep_screen: false,
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
    let settings = &options.settings;
    let profile = options.profile.or(settings.profile).unwrap_or_else(|| Profile::detect(env));
    let is_slow = profile == Profile::Slow;
    let detected = || if is_slow { Depth::Mono } else { Depth::detect(env) };
    let depth = options.color.as_deref().and_then(Depth::parse).unwrap_or_else(detected);
    let mut problems = settings.problems.clone();
    let theme = match (&options.theme, &settings.theme) {
        (None, Some(name)) => load_theme(name, depth).or_else(|error| {
            problems.push(format!("theme: {error}"));
            load_theme("default", depth)
        }),
        (name, _) => load_theme(name.as_deref().unwrap_or("default"), depth),
    }
    .map_err(io::Error::other)?;
    let glyphs = if options.ascii || settings.ascii || is_slow || !locale_is_utf8(env) { ASCII } else { UNICODE };
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let mut model = Model::new(theme, glyphs, size);
    model.profile = profile;
    model.demo = options.recorded.is_some();
    model.mouse = options.mouse && settings.mouse.unwrap_or(true);
    model.keymap = settings.keymap.clone();
    model.vim = settings.vim.then(super::model::vim::Vim::default);
    model.settings = settings.clone();
    model.start_options = StartOptions { args: Vec::new(), ..options.start.clone() };
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
    if env("SSH_CONNECTION").is_some() && env("TMUX").is_none() && env("STY").is_none() {
        let text = "over SSH: under tmux or screen a session outlives the connection";
        model.log.note(super::model::log::LineKind::Note, text, Duration::ZERO);
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

struct Runner {
    model: Model,
    screen: Screen,
    guard: Guard,
    writer: Writer,
    input: Input,
    engine: Box<dyn Engine>,
    ask: std_mpsc::Sender<Ask>,
    look: std_mpsc::Sender<Look>,
    disk: Disk,
    /// On the script's file, to hear of other programs' changes.
    watch: Option<(PathBuf, Option<AsyncFd<OwnedFd>>)>,
    tx: mpsc::UnboundedSender<Msg>,
    begin: Instant,
    pace: Pace,
    /// When a frame may be drawn.
    next_frame: Instant,
    /// A frame was due while the one before was still being written.
    late: bool,
    /// Bytes written by then, to tell the rate.
    metered: (Instant, u64),
    /// The size the terminal has had since shortly before then.
    resize: Option<(Instant, (u16, u16))>,
    /// Half a key has come; the other half may take until then.
    half_key: Option<Instant>,
    quit: bool,
    dirty: bool,
    /// The terminal hung up: nothing can be shown.
    gone: bool,
}

async fn main(options: TuiOptions) -> io::Result<Outcome> {
    let begin = Instant::now();
    let mut model = build_model(&options)?;
    model.checker = Arc::clone(&options.checker);
    let (tx, messages) = mpsc::unbounded_channel::<Msg>();
    let mut engine = options.engine;
    let events = engine.events();
    let mut first_effects = Vec::new();
    if let Some(path) = &options.script {
        let found =
            files::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        open_script(&mut model, path, found.as_ref());
        model.focus = Pane::Script;
    } else if let Some((name, text)) = options.text.as_ref().or(options.recorded.as_ref()) {
        let name = Path::new(name).file_name().map_or(name.clone(), |name| name.to_string_lossy().into_owned());
        model.script = super::model::script::Script::new(&name, None, text);
        model.focus = Pane::Script;
    } else {
        model.browser.typing = true;
    }
    if let Some((_, text)) = options.recorded {
        let is_there = options.script.is_none() && options.text.is_none();
        let text = super::model::script::text::decode(&text);
        model.recorded = RecordedScript { text, version: is_there.then_some(model.script.version) };
    }
    let StartOptions { args, target, command, buffer_mb } = options.start;
    let given = &mut model.script.given;
    if !args.is_empty() {
        given.args = args;
    }
    if target.is_some() || command.is_some() {
        (given.target, given.command) = (target, command);
    }
    if buffer_mb.is_some() {
        given.buffer_mb = buffer_mb;
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
    let now = Instant::now();
    let mut runner = Runner {
        ask: workers::checker(Arc::clone(&options.checker), tx.clone()),
        look: workers::catalogue(options.catalogue, tx.clone()),
        disk: Disk::start(tx.clone()),
        watch: None,
        screen: Screen::new(model.size),
        writer: Writer::start(writer::output()?)?,
        input: Input::open()?,
        pace: Pace::new(model.profile),
        next_frame: now,
        late: false,
        metered: (now, 0),
        resize: None,
        half_key: None,
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
    runner.turn(events, messages).await?;
    runner.leave();
    runner.disk.finish();
    if options.keep_screen && !runner.gone {
        runner.leave_last_screen();
    }
    runner.say_what_is_kept();
    Ok(Outcome { exit_code: 0 })
}

impl Runner {
    /// The loop.
    async fn turn(
        &mut self,
        mut events: mpsc::UnboundedReceiver<EngineEvent>,
        mut messages: mpsc::UnboundedReceiver<Msg>,
    ) -> io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut resized = signal(SignalKind::window_change())?;
        let mut back = signal(SignalKind::from_raw(crate::sys::signals::CONTINUED))?;
        while !self.quit {
            self.watch_script();
            let touched = async {
                match self.watch.as_ref().and_then(|(_, watch)| watch.as_ref()) {
                    Some(watch) => drop(watch.readable().await),
                    None => std::future::pending().await,
                }
            };
            let typed = async { if self.gone { std::future::pending().await } else { self.input.ready().await } };
            let wake = self.next_wake();
            let sleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = term.recv() => self.message(Msg::Terminate),
                _ = interrupt.recv() => self.message(Msg::Terminate),
                _ = hangup.recv() => self.hang_up(),
                _ = back.recv() => self.resume()?,
                _ = resized.recv() => {
                    let size = crossterm::terminal::size().unwrap_or(self.model.size);
                    self.resize = Some((Instant::now() + RESIZE_SETTLES, size));
                }
                typed = typed => {
                    if typed.is_ok() && self.input.read() { self.hear(false) } else { self.hang_up() }
                }
                Some(event) = events.recv() => {
                    let mut next = Some(event);
                    // A flood of output must not starve the keys.
                    for _ in 0..5000 {
                        let Some(event) = next else { break };
                        self.message(Msg::Engine(event));
                        next = events.try_recv().ok();
                    }
                    if let Some(event) = next {
                        self.message(Msg::Engine(event));
                    }
                }
                Some(msg) = messages.recv() => {
                    self.message(msg);
                    while let Ok(msg) = messages.try_recv() {
                        self.message(msg);
                    }
                }
                // A file that was replaced is another one to watch.
                () = touched => {
                    self.watch = None;
                    self.message(Msg::Touched);
                }
                () = self.writer.written() => {
                    if self.writer.has_failed() {
                        self.hang_up();
                    }
                }
                () = sleep => (),
            }
            self.look_at_the_clock();
            self.draw_if_due();
            if std::mem::take(&mut self.model.pending_suspend) {
                self.suspend()?;
            }
        }
        Ok(())
    }

    fn next_wake(&self) -> Option<Instant> {
        let deadline = self.model.next_deadline().map(|at| self.begin + at);
        let resize = self.resize.map(|(at, _)| at);
        // A late frame waits for the writer's word.
        let paint = (self.dirty && !self.late && resize.is_none()).then_some(self.next_frame);
        [deadline, paint, resize, self.half_key].into_iter().flatten().min()
    }

    /// Deadlines that have passed.
    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        if let Some((_, size)) = self.resize.take_if(|(at, _)| now >= *at) {
            self.message(Msg::Resize(size.0, size.1));
            self.redraw();
            self.next_frame = now;
        }
        if self.half_key.is_some_and(|at| now >= at) {
            self.hear(true);
        }
        if self.model.next_deadline().is_some_and(|at| now >= self.begin + at) {
            self.message(Msg::Tick);
        }
    }

    fn draw_if_due(&mut self) {
        let now = Instant::now();
        if !self.dirty || now < self.next_frame || self.resize.is_some() {
            return;
        }
        if self.writer.is_idle() {
            self.meter(now);
            self.draw();
            if !std::mem::take(&mut self.late) {
                self.pace.in_time();
            }
            self.next_frame = now + self.pace.frame();
        } else if !std::mem::replace(&mut self.late, true) {
            self.pace.late();
        }
    }

    /// Tells the model once a second what the terminal gets.
    fn meter(&mut self, now: Instant) {
        let (since, before) = self.metered;
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        if seconds >= 1.0 {
            let total = self.writer.total();
            self.metered = (now, total);
            let bytes_per_s = (total - before) as f64 / seconds;
            self.message(Msg::Line { bytes_per_s, slowed: self.pace.slowed() });
        }
    }

    /// Takes the keys that have come; `alone`: half a key gets no other half.
    fn hear(&mut self, alone: bool) {
        let first = if alone { self.input.parser.give_up_waiting() } else { self.input.parser.take() };
        let mut next = first;
        while let Some(msg) = next {
            self.message(msg);
            // What comes after the key that leaves is for the shell.
            next = if self.quit || self.model.pending_suspend { None } else { self.input.parser.take() };
        }
        self.half_key = self.input.parser.wait().map(|wait| Instant::now() + wait);
        // What a key does is seen at once.
        self.next_frame = Instant::now();
    }

    /// The terminal is gone: there is nobody to ask, and nothing to restore.
    fn hang_up(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.message(Msg::Terminate);
        }
    }

    /// The terminal as it was, with what was typed too early given back.
    fn leave(&mut self) {
        if !self.gone {
            self.writer.settle(LAST_FRAME);
        }
        self.guard.pause();
        self.input.give_back();
    }

    fn resume(&mut self) -> io::Result<()> {
        self.guard.resume(self.model.mouse)?;
        // It may have been resized meanwhile.
        self.resize = None;
        let (width, height) = crossterm::terminal::size().unwrap_or(self.model.size);
        self.message(Msg::Resize(width, height));
        self.redraw();
        self.next_frame = Instant::now();
        Ok(())
    }
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

    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.gone {
            self.writer.send(bytes);
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
            Effect::Count(request) => self.engine.count(request),
            Effect::Check { version, text, args } => drop(self.ask.send(Ask::Check { version, text, args })),
            Effect::Complete { text, cursor } => drop(self.ask.send(Ask::Complete { text, cursor })),
            Effect::Look(look) => drop(self.look.send(look)),
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

    /// What was shown last, as text on the screen of the shell: for whoever writes down what happened.
    fn leave_last_screen(&self) {
        let mut screen = self.screen.blank();
        view::draw(&self.model, &mut screen);
        let _ = io::stdout().write_all(super::svg::text(&screen).as_bytes());
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
        self.leave();
        // SIGSTOP, not SIGTSTP: the latter is discarded in orphaned groups.
        if crate::sys::signals::stop_group().is_err() {
            self.toast("cannot suspend here", true);
        }
        self.resume()
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
