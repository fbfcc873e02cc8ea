//! The dashboard's doors, over the real pipeline: a thread that compiles, prepares and swaps sessions, a checker for the
//! editor, the catalogue of probe points.

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc as std_mpsc,
    },
    time::{Duration, Instant},
};

use tapdeck_ebpf::ir::Limits;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    check::Manner,
    findings::{editor_diagnostic, editor_diagnostics},
};
use crate::{
    debuginfo::{Consent, catalog::debuginfod::Offer},
    diagnostics::Severity,
    host::{Fetch, Host},
    language::Recovery,
    pipeline::{CompileOptions, Compiled, Compiler, Input, Pass},
    runtime::{
        SessionHandle, StartError,
        plan::{Delivery, LoadPlan, SessionOptions},
        prepare,
        reach::Reach,
        recording::Recorder,
        session::{Datum, SessionCommand, SessionEvent},
        target::Target,
    },
    sys::heap,
    tui::{
        engine::{
            self, Checker, CompletionList, CountRequest, EditorDiagnostic, Engine, EngineEvent, RunId, StartOptions,
            StartRequest,
        },
        given::stap_line,
        model::script::text,
    },
};

/// Time between snapshots of a session somebody watches.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

const OTHER_KERNEL: &str = "this dashboard shows another kernel (-r); scripts run on the one that runs";

/// The compiler everything shares, made by whoever needs it first so that the screen need not wait for it.
pub struct SharedCompiler {
    include: Vec<PathBuf>,
    host: Arc<dyn Host>,
    compiler: OnceLock<Compiler>,
    /// Where it is asked whether debug information may be fetched; never without.
    offers: OnceLock<Offers>,
}

/// Asks the user, and waits for the answer.
struct Offers {
    to: UnboundedSender<EngineEvent>,
    /// Something is to be fetched, or was.
    has_agreed: Arc<AtomicBool>,
}

impl Offers {
    fn consent(&self) -> Consent {
        let (to, has_agreed, has_refused) = (self.to.clone(), self.has_agreed.clone(), AtomicBool::new(false));
        let ask = move |offer: &Offer| {
            // The kernel's may be followed by those of its modules: who wants none of it is asked once.
            if has_refused.load(Ordering::Relaxed) {
                return false;
            }
            let (answer, answered) = std_mpsc::channel();
            let _ = to.send(EngineEvent::Offers(engine::Offer { text: offer.to_string(), answer }));
            let agrees = answered.recv().unwrap_or(false);
            if agrees { &has_agreed } else { &has_refused }.store(true, Ordering::Relaxed);
            agrees
        };
        Consent::Ask(Fetch { seconds: None, shows_progress: false }, Box::new(ask))
    }
}

impl SharedCompiler {
    pub fn new(include: Vec<PathBuf>, host: Arc<dyn Host>) -> Arc<Self> {
        Arc::new(Self { include, host, compiler: OnceLock::new(), offers: OnceLock::new() })
    }

    pub fn get(&self) -> &Compiler {
        self.compiler.get_or_init(|| {
            let mut compiler = Compiler::new(self.host.clone(), &self.include);
            compiler.world.downloads = self.offers.get().map_or(Consent::No, Offers::consent);
            compiler
        })
    }

    /// Says what became of the kernel's debug information, where it was to be fetched.
    pub fn tell_of_fetched(&self) {
        let Some(offers) = self.offers.get().filter(|offers| offers.has_agreed.load(Ordering::Relaxed)) else { return };
        let text = match self.get().world.dwarf() {
            Ok(_) => "debug information of the kernel is here".to_owned(),
            Err(missing) => missing.to_string(),
        };
        let _ = offers.to.send(EngineEvent::Note(text));
    }

    /// It, if somebody needed it before.
    pub fn made(&self) -> Option<&Compiler> {
        self.compiler.get()
    }

    /// The machine scripts run on, and not some other kernel that is looked at.
    pub fn is_running(&self) -> bool {
        self.host.is_running()
    }
}

/// Runs scripts on this machine.
pub struct LiveEngine {
    compiler: Arc<SharedCompiler>,
    to: UnboundedSender<EngineEvent>,
    requests: std_mpsc::Sender<StartRequest>,
    current: Arc<Mutex<Option<SessionHandle>>>,
    events: Option<UnboundedReceiver<EngineEvent>>,
}

impl LiveEngine {
    /// `record`: where every session's events are kept, the last session's win.
    pub fn new(compiler: Arc<SharedCompiler>, record: Option<PathBuf>) -> Self {
        let (requests, inbox) = std_mpsc::channel();
        let (events_tx, events) = unbounded_channel();
        let offers = Offers { to: events_tx.clone(), has_agreed: Arc::default() };
        let is_first = compiler.offers.set(offers).is_ok();
        debug_assert!(is_first && compiler.made().is_none(), "asked before it is needed");
        let current = Arc::new(Mutex::new(None));
        let worker = Worker {
            compiler: compiler.clone(),
            events: events_tx.clone(),
            current: current.clone(),
            record,
            asked: None,
        };
        let spawned = std::thread::Builder::new().name("tapdeck-compile".to_owned()).spawn(move || worker.work(inbox));
        debug_assert!(spawned.is_ok());
        Self { compiler, to: events_tx, requests, current, events: Some(events) }
    }
}

impl Engine for LiveEngine {
    fn start(&mut self, request: StartRequest) {
        let _ = self.requests.send(request);
    }

    fn count(&mut self, request: CountRequest) {
        let (compiler, events) = (self.compiler.clone(), self.to.clone());
        let count = move || {
            let result = count(&compiler, &request);
            let _ = events.send(EngineEvent::Counted { point: request.point, result });
        };
        let _ = std::thread::Builder::new().name("tapdeck-count".to_owned()).spawn(count);
    }

    fn command(&mut self, command: SessionCommand) {
        if let Ok(current) = self.current.lock()
            && let Some(handle) = &*current
        {
            handle.send(command);
        }
    }

    fn events(&mut self) -> UnboundedReceiver<EngineEvent> {
        self.events.take().unwrap_or_else(|| unbounded_channel().1)
    }
}

struct Worker {
    compiler: Arc<SharedCompiler>,
    events: UnboundedSender<EngineEvent>,
    current: Arc<Mutex<Option<SessionHandle>>>,
    record: Option<PathBuf>,
    /// What the user was asked about, compiled.
    asked: Option<(StartRequest, Compiled)>,
}

impl Worker {
    fn work(mut self, inbox: std_mpsc::Receiver<StartRequest>) {
        while let Ok(mut request) = inbox.recv() {
            // Of several requests that came meanwhile only the last one is worth compiling.
            while let Ok(newer) = inbox.try_recv() {
                request = newer;
            }
            self.start(request);
            // Compiling and loading took many times the room of what is kept.
            heap::give_back();
        }
    }

    fn tell(&self, event: EngineEvent) {
        let _ = self.events.send(event);
    }

    fn start(&mut self, request: StartRequest) {
        let run = request.run;
        if !self.compiler.is_running() {
            let message = OTHER_KERNEL.to_owned();
            let help = Some("start tapdeck without -r to trace".to_owned());
            return self.tell(EngineEvent::Failed { run, message, help, text: String::new() });
        }
        let begun = Instant::now();
        self.tell(EngineEvent::Compiling { run });
        let compiled = self.compile(&request);
        self.tell(EngineEvent::Diagnostics { run, list: editor_diagnostics(&compiled) });
        let errors = compiled.errors().count();
        let (Some(lowered), Some(object), 0) = (compiled.lowered.clone(), compiled.object.clone(), errors) else {
            let pass = compiled
                .failed
                .map_or("", |pass| if pass == Pass::Parse { "pass 1 (parse) " } else { "pass 2 (semantic) " });
            let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let ms = begun.elapsed().as_millis();
            let warnings = compiled.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count();
            let counts = format!("{}, {}", many(errors, "error"), many(warnings, "warning"));
            let message = format!("{pass}failed in {ms} ms: {counts}");
            let text = super::check::told(&compiled, &Manner { verbose: true, ..Manner::default() }).text;
            return self.tell(EngineEvent::Failed { run, message, help: None, text });
        };
        let reach = Reach::of(&lowered);
        if reach.is_to_be_asked() && !request.is_confirmed {
            let (places, said) = (reach.functions, reach.said());
            self.asked = Some((request, compiled));
            return self.tell(EngineEvent::Asks { run, places, said });
        }
        for line in reach.said().into_iter().filter(|_| !request.is_confirmed) {
            self.tell(EngineEvent::Note(line));
        }
        let command_output = match self.command_output(&request) {
            Ok(output) => output,
            Err(error) => {
                let message = format!("no pipe: {error}");
                return self.tell(EngineEvent::Failed { run, message, help: None, text: String::new() });
            }
        };
        let plan = LoadPlan {
            lowered,
            object,
            sources: compiled.sources.clone(),
            options: SessionOptions {
                script_name: request.file_name.clone(),
                stap_line: stap_line(&request.file_name, &request.options),
                target: target(&request.options),
                command_output,
                snapshot_every: SNAPSHOT_EVERY,
                run_time_statistics: true,
                live_histograms: true,
                delivery: Delivery::Droppable,
                print_globals: false,
                begun,
                ..SessionOptions::default()
            },
        };
        // Verified first, while the old script goes on; it is told to stop only when the new one is live.
        let running = prepare(plan).and_then(|prepared| {
            self.tell(EngineEvent::Attaching { run, places: reach.functions });
            prepared.go()
        });
        let (handle, events) = match running {
            Ok(running) => running,
            Err(error) => return self.refuse(run, &error, &compiled),
        };
        let old = self.current.lock().ok().and_then(|mut current| current.replace(handle));
        let recorder = self.record.as_ref().and_then(|path| {
            let header = super::replay::header(&request.file_name, &request.text);
            match Recorder::create(path, header) {
                Ok(recorder) => Some(recorder),
                Err(error) => {
                    self.tell(EngineEvent::Note(format!("cannot write {}: {error}", path.display())));
                    None
                }
            }
        });
        let forward = Forward { run, to: self.events.clone(), recorder, old };
        let _ = std::thread::Builder::new().name("tapdeck-events".to_owned()).spawn(move || forward.pump(events));
    }

    fn compile(&mut self, request: &StartRequest) -> Compiled {
        if let Some((asked, compiled)) = self.asked.take()
            && (&asked.text, &asked.options) == (&request.text, &request.options)
        {
            return compiled;
        }
        // Stop is at hand here, so a report over a large table may take its time.
        let limits = Limits { max_action_user: 0, ..Limits::default() };
        let options = CompileOptions {
            live: true,
            limits,
            ring_bytes: super::run::ring_bytes(request.options.buffer_mb),
            ..CompileOptions::default()
        };
        self.compiler.get().compile(&input(request), &options)
    }

    /// The screen is the dashboard's: what a command of `-c` writes goes to the log.
    fn command_output(&self, request: &StartRequest) -> io::Result<Option<Arc<OwnedFd>>> {
        if request.options.command.is_none() {
            return Ok(None);
        }
        let (output, input) = io::pipe()?;
        let (run, to) = (request.run, self.events.clone());
        let shown = move |event| to.send(EngineEvent::Session { run, event }).is_ok();
        let name = "tapdeck-command".to_owned();
        std::thread::Builder::new().name(name).spawn(move || forward_output(output, shown))?;
        Ok(Some(Arc::new(input.into())))
    }

    fn refuse(&self, run: RunId, error: &StartError, compiled: &Compiled) {
        let mut text = String::new();
        if let StartError::Rejected { diagnostic, log } = error {
            let list = editor_diagnostic(diagnostic, &compiled.sources).into_iter().collect();
            self.tell(EngineEvent::Diagnostics { run, list });
            log.clone_into(&mut text);
        }
        self.tell(EngineEvent::Failed { run, message: error.to_string(), help: error.way_out(), text });
    }
}

/// Counts hits in a session of its own, beside the one that is watched.
fn count(compiler: &SharedCompiler, request: &CountRequest) -> Result<Vec<(String, u64)>, String> {
    if !compiler.is_running() {
        return Err(OTHER_KERNEL.to_owned());
    }
    let text = format!("global hits\nprobe {} {{ hits[pp()]++ }}\n", request.point);
    let input = Input { name: "<count>".to_owned(), text: text.into_bytes(), ..Input::default() };
    let compiled = compiler.get().compile(&input, &CompileOptions { live: true, ..CompileOptions::default() });
    if let Some(error) = compiled.errors().next() {
        return Err(error.message.clone());
    }
    let (Some(lowered), Some(object)) = (compiled.lowered, compiled.object) else {
        return Err(format!("{} cannot be counted", request.point));
    };
    let options = SessionOptions { delivery: Delivery::Droppable, ..SessionOptions::default() };
    let plan = LoadPlan { lowered, object, sources: compiled.sources, options };
    let said = |error: StartError| match error.way_out() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    };
    let (handle, mut events) = prepare(plan).and_then(|prepared| prepared.go()).map_err(said)?;
    std::thread::sleep(request.over);
    handle.send(SessionCommand::Stop);
    let mut last = None;
    while let Some(event) = events.blocking_recv() {
        if let SessionEvent::Ended(report) = event {
            last = report.last;
            break;
        }
    }
    let rows = last.and_then(|last| last.tables.first().map(|table| table.rows.clone())).unwrap_or_default();
    let hits = rows.into_iter().filter_map(|row| match (row.keys.first(), row.value) {
        (Some(Datum::Str(point)), Datum::Long(hits)) => {
            Some((String::from_utf8_lossy(point).into_owned(), hits as u64))
        }
        _ => None,
    });
    let mut hits: Vec<(String, u64)> = hits.collect();
    // One point is meant as it was asked for, however it is spelled out.
    if !request.point.contains('*') {
        hits = vec![(request.point.clone(), hits.iter().map(|(_, hits)| hits).sum())];
    }
    hits.sort_by_key(|(point, hits)| (std::cmp::Reverse(*hits), point.clone()));
    Ok(hits)
}

/// Hands on what a command writes. It is never held up: what is too much to read is left out, and how much that was is said.
fn forward_output(mut output: impl Read, shown: impl Fn(SessionEvent) -> bool) {
    const A_SECOND: usize = 256 << 10;
    let (mut since, mut taken, mut left_out) = (Instant::now(), 0, 0);
    let mut bytes = [0; 8192];
    loop {
        let n = match output.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(n) => n,
            Err(_) => 0,
        };
        if n == 0 || since.elapsed() >= Duration::from_secs(1) {
            if left_out > 0 {
                shown(SessionEvent::Warning(format!("{left_out} bytes of the command's output are left out")));
            }
            (since, taken, left_out) = (Instant::now(), 0, 0);
        }
        if n == 0 {
            return;
        }
        if taken < A_SECOND {
            taken += n;
            if !shown(SessionEvent::Output(bytes[..n].to_vec())) {
                return;
            }
        } else {
            left_out += n;
        }
    }
}

/// Carries one session's events to the screen.
struct Forward {
    run: RunId,
    to: UnboundedSender<EngineEvent>,
    recorder: Option<Recorder>,
    /// The script before, which goes on until this one is live: attached programs do nothing while `begin` probes run.
    old: Option<SessionHandle>,
}

impl Forward {
    fn pump(mut self, events: tokio::sync::mpsc::Receiver<SessionEvent>) {
        self.carry(events);
        // It ended without having been live.
        self.stop_old();
    }

    fn stop_old(&mut self) {
        if let Some(old) = self.old.take() {
            old.send(SessionCommand::Stop);
        }
    }

    fn carry(&mut self, mut events: tokio::sync::mpsc::Receiver<SessionEvent>) {
        while let Some(event) = events.blocking_recv() {
            if matches!(event, SessionEvent::Started(_)) {
                self.stop_old();
            }
            if let Some(recorder) = &mut self.recorder
                && let Err(error) = recorder.record(&event)
            {
                let _ = self.to.send(EngineEvent::Note(format!("the recording ends here: {error}")));
                self.recorder = None;
            }
            let over = matches!(event, SessionEvent::Ended(_));
            if self.to.send(EngineEvent::Session { run: self.run, event }).is_err() || over {
                return;
            }
        }
    }
}

fn input(request: &StartRequest) -> Input {
    Input {
        name: request.file_name.clone(),
        text: request.text.clone(),
        additional: Vec::new(),
        args: as_bytes(&request.options.args),
    }
}

fn target(options: &StartOptions) -> Target {
    match (&options.command, options.target) {
        (Some(command), _) => Target::Command(command.clone()),
        (None, Some(pid)) => Target::Pid(pid),
        (None, None) => Target::None,
    }
}

/// Checks and completes what is being typed.
pub struct LiveChecker {
    compiler: Arc<SharedCompiler>,
}

impl LiveChecker {
    pub fn new(compiler: Arc<SharedCompiler>) -> Self {
        Self { compiler }
    }
}

impl Checker for LiveChecker {
    fn check(&self, text: &str, args: &[String]) -> Vec<EditorDiagnostic> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        let input = Input {
            name: "<input>".to_owned(),
            text: text.as_bytes().to_vec(),
            args: as_bytes(args),
            ..Input::default()
        };
        let options = CompileOptions {
            last: Pass::Generate,
            live: true,
            recovery: Recovery::Statements,
            ..CompileOptions::default()
        };
        editor_diagnostics(&self.compiler.get().compile(&input, &options))
    }

    fn complete(&self, text: &str, cursor: usize) -> CompletionList {
        super::completion::list(self.compiler.get().complete(text, cursor))
    }
}

fn as_bytes(args: &[String]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| text::encode(arg)).collect()
}
