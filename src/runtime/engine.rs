//! The running session: one thread, one wait. It wakes for records, timers, commands, signals and the end of the command,
//! and otherwise sleeps.
//!
//! ```text
//!   begin handlers ─▶ live ─┬─▶ stopping: programs return at once, links closed, ring drained
//!     (programs attached,   │      exit(), -T, command ended, Stop, signal ─▶ end handlers   ─▶ Ended
//!      not yet running)     │      too many errors, too much time         ─▶ error handlers ─▶ Ended
//!                           └──────Kill, second signal, nobody listens    ─▶ nothing        ─▶ Ended
//! ```
//!
//! A handler that loops for ever does not outlive any of these: it is asked to end when the session is. Handlers that run
//! because the session ends (`end`, `error`) end with the next request.

mod doors;

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as commands,
    },
    time::{Duration, Instant},
};

use tapdeck_ebpf::{
    ir::{EntryKind, HandlerId, PrintId, SiteId, SourceTag, Space, StoreDecl},
    layout::{
        Layout,
        counters::Counters,
        record::{self, Record},
        times::Times,
    },
    object::MapRole,
};

use self::doors::Doors;
use super::{
    attach::Links,
    control::{Control, State, StoppedBy, read_counters},
    exit_report,
    interpreter::{CompositeStores, Effects, Interpreter, Outcome, Surroundings},
    load::Loaded,
    maps::KernelStores,
    outbox::Outbox,
    overload::{Guard, LiveMeter},
    peek::Peek,
    plan::LoadPlan,
    ring::Ring,
    running::{self, Running},
    session::{Cost, EndReport, ProbeCost, ScriptError, SessionCommand, SessionEvent, SessionInfo, Snapshot},
    snapshots,
    target::{LiveTarget, exit_warning},
    timers::{TimerSpec, Timers},
};
use crate::{
    builtins::{HostContext, Stream, Value, symbols::Symbols},
    debuginfo::World,
    probes::attach_plan::{AttachPlan, ProcessEvent, ProcessTarget},
    source::{SourceMap, Span},
    sys::{
        self,
        clock::{Clock, now_ns},
        poll::{Bell, wait_readable},
        signals::StopSignals,
    },
};

const MS: i64 = 1_000_000;
/// Time between looks into the ring while records come.
const RING_TICK: i64 = 10 * MS;
/// After so many empty looks the reader sleeps until a program wakes it …
const EMPTY_LOOKS: u32 = 3;
/// … or this is over, in case a wake-up went amiss.
const RING_REST: i64 = 5000 * MS;
/// Records handled before timers and commands get their turn.
const RECORDS_A_TURN: usize = 50_000;
/// Timer handlers run before the ring gets its turn.
const TIMERS_A_TURN: usize = 64;
/// How often programs are told the difference of the clocks when the session is awake anyway …
const CLOCK_REFRESH: i64 = 1000 * MS;
/// … and when it is not.
const CLOCK_STALE: i64 = 5000 * MS;
/// SystemTap's words.
const SKIPPED_TOO_MANY: &str = "Skipped too many probes, check MAXSKIPPED or try again with stap -t for more details.";
/// How long programs may still finish a record they began before they were detached.
const LAST_RECORDS: Duration = Duration::from_millis(20);

/// A handler of the interpreter at a site.
#[derive(Clone, Copy, Debug)]
struct UserRun {
    handler: HandlerId,
    site: SiteId,
}

/// Why the session stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// `end` handlers run.
    Soft,
    /// Too many errors or losses, or too much time: `error` handlers run.
    TooMany,
    /// None run.
    Kill,
}

/// Where commands and signals come from.
pub(super) struct Inputs {
    pub commands: commands::Receiver<SessionCommand>,
    pub bell: Arc<Bell>,
    pub signals: Option<StopSignals>,
    /// Stop and Kill commands sent, and how many of them were heard.
    pub stops_sent: Arc<AtomicU32>,
    pub stops_heard: u32,
}

pub(super) struct Engine {
    plan: LoadPlan,
    interpreter: Arc<Interpreter>,
    loaded: Option<Arc<Loaded>>,
    links: Links,
    /// By those that are closed.
    missed_by_links: u64,
    ring: Option<Ring>,
    stores: CompositeStores<KernelStores>,
    target: LiveTarget,
    outbox: Outbox,
    inputs: Option<Inputs>,
    /// Requests to end, by signals and commands. The first is soft.
    n_requests: u32,
    /// Keeps run-time statistics on.
    statistics: Option<OwnedFd>,
    layout: Layout,
    begins: Vec<UserRun>,
    ends: Vec<UserRun>,
    errors: Vec<UserRun>,
    timer_runs: Vec<UserRun>,
    doors: Doors,
    /// `process.begin` of processes that run already.
    running_runs: Vec<(ProcessTarget, UserRun)>,
    shared: Shared,
    started: Instant,
    /// When -T is over, on the monotonic clock.
    deadline: Option<i64>,
    exit_code: u8,
    snapshot_every: Duration,
    empty_looks: u32,
}

/// What handlers of both sides change.
struct Shared {
    control: Control,
    sources: SourceMap,
    state: HashMap<String, Value>,
    target: i64,
    /// Runs of user handlers, by probe.
    hits: Vec<u64>,
    /// How long they took, by probe; empty without -t.
    times: Vec<Times>,
    memory: Memory,
}

/// Memory of the kernel and of this process, as user handlers see it.
enum Memory {
    /// Nobody has asked yet.
    Unopened,
    Open(Peek),
    /// The kernel said no, and the user was told.
    Refused,
}

impl Engine {
    #[expect(clippy::too_many_arguments, reason = "the parts `prepare` made, once")]
    pub(super) fn new(
        plan: LoadPlan,
        interpreter: Arc<Interpreter>,
        loaded: Option<Arc<Loaded>>,
        links: Links,
        layout: Layout,
        control: Control,
        stores: KernelStores,
        target: LiveTarget,
        outbox: Outbox,
    ) -> io::Result<Self> {
        let ring = match &loaded {
            Some(loaded) => Ring::open(loaded)?,
            None => None,
        };
        // Without the privilege there simply are no costs to show.
        let statistics = if plan.options.run_time_statistics { sys::bpf::enable_stats().ok() } else { None };
        let shared = Shared {
            control,
            sources: plan.sources.clone(),
            state: HashMap::new(),
            target: target.pid().map_or(0, i64::from),
            hits: vec![0; plan.lowered.probes.len()],
            times: vec![Times::default(); if plan.options.timing { plan.lowered.probes.len() } else { 0 }],
            memory: Memory::Unopened,
        };
        let stores = CompositeStores::new(&plan.lowered.ir, stores);
        let snapshot_every = plan.options.snapshot_every;
        let mut engine = Self {
            plan,
            interpreter,
            loaded,
            links,
            missed_by_links: 0,
            ring,
            stores,
            target,
            outbox,
            inputs: None,
            n_requests: 0,
            statistics,
            layout,
            begins: Vec::new(),
            ends: Vec::new(),
            errors: Vec::new(),
            timer_runs: Vec::new(),
            doors: Doors::default(),
            running_runs: Vec::new(),
            shared,
            started: Instant::now(),
            deadline: None,
            exit_code: 0,
            snapshot_every,
            empty_looks: 0,
        };
        engine.sort_out_user_runs();
        Ok(engine)
    }

    pub(super) fn listen(&mut self, inputs: Inputs) {
        self.inputs = Some(inputs);
    }

    /// Finds what the interpreter runs and when; handlers of one number keep the script's order.
    fn sort_out_user_runs(&mut self) {
        let (mut begins, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let lowered = self.plan.lowered.clone();
        for (entry, plans) in lowered.ir.entries.iter().zip(&lowered.attach) {
            if entry.kind != EntryKind::User {
                continue;
            }
            for (run, plan) in entry.runs.iter().zip(plans) {
                let user = UserRun { handler: run.handler, site: run.site };
                match plan {
                    AttachPlan::Begin { order } => begins.push((*order, user)),
                    AttachPlan::End { order } => ends.push((*order, user)),
                    AttachPlan::Error { order } => errors.push((*order, user)),
                    AttachPlan::Timer { .. } => self.timer_runs.push(user),
                    AttachPlan::File { path, write, umask, max_bytes } => {
                        self.doors.add(path, *write, *umask, *max_bytes, user);
                    }
                    AttachPlan::Input { lines: false } => self.doors.char_runs.push(user),
                    AttachPlan::Input { lines: true } => self.doors.line_runs.push(user),
                    AttachPlan::Process { event: ProcessEvent::Running, target } => {
                        self.running_runs.push((target.clone(), user));
                    }
                    _ => {}
                }
            }
        }
        let in_order = |mut runs: Vec<(i64, UserRun)>| {
            runs.sort_by_key(|(order, _)| *order);
            runs.into_iter().map(|(_, run)| run).collect()
        };
        self.begins = in_order(begins);
        self.ends = in_order(ends);
        self.errors = in_order(errors);
    }

    /// The specifications of `timer_runs`, in the same order.
    fn timer_specs(&self) -> Vec<TimerSpec> {
        let lowered = &self.plan.lowered;
        let plans = lowered.ir.entries.iter().zip(&lowered.attach).filter(|(entry, _)| entry.kind == EntryKind::User);
        plans
            .flat_map(|(entry, plans)| plans.iter().take(entry.runs.len()))
            .filter_map(|plan| match plan {
                AttachPlan::Timer { period_ns, randomize_ns } => Some((*period_ns, *randomize_ns)),
                _ => None,
            })
            .enumerate()
            .map(|(tag, (period_ns, randomize_ns))| TimerSpec { period_ns, randomize_ns, tag })
            .collect()
    }

    /// The session's whole life.
    pub(super) fn run(mut self) {
        sys::clock::set_timer_slack(1);
        let timeout = self.plan.options.timeout.map(|timeout| i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX));
        self.deadline = timeout.map(|timeout| now_ns(Clock::Monotonic).saturating_add(timeout));
        if let Some(warning) = self.links.warning() {
            self.outbox.event(SessionEvent::Warning(warning));
        }
        self.open_doors();
        let cause = match self.begin() {
            Some(cause) => cause,
            None => self.live(),
        };
        self.end(cause);
    }

    /// Runs `begin` handlers, goes live and lets the command run.
    fn begin(&mut self) -> Option<Cause> {
        for idx in 0..self.begins.len() {
            self.run_user(self.begins[idx]);
            if let Some(cause) = self.check_state() {
                return Some(cause);
            }
            // So that Stop works between two slow handlers.
            if let Some(cause) = self.hear() {
                return Some(cause);
            }
            if self.is_over() {
                return Some(Cause::Soft);
            }
        }
        if let Some(cause) = self.meet_running() {
            return Some(cause);
        }
        if !self.shared.control.go_live() {
            return self.check_state();
        }
        if let Err(error) = self.target.release() {
            self.outbox.event(SessionEvent::Warning(format!("cannot let the command run: {error}")));
        }
        let info = self.info();
        self.outbox.event(SessionEvent::Started(Box::new(info)));
        None
    }

    /// Tells the programs who runs already, and runs `process.begin` for them.
    fn meet_running(&mut self) -> Option<Cause> {
        let lowered = self.plan.lowered.clone();
        let keeps = |store: &StoreDecl| store.name.contains(' ');
        if self.running_runs.is_empty() && !lowered.ir.stores.iter().any(keeps) {
            return None;
        }
        let running = Running::look(self.target.pid());
        if let Err(message) = running.remember(&lowered.ir, &mut self.stores) {
            self.outbox.event(SessionEvent::Warning(message));
        }
        for (target, run) in std::mem::take(&mut self.running_runs) {
            if running::needs_the_kernel(&lowered.ir, run.handler) {
                let site = String::from_utf8_lossy(&lowered.ir.sites[run.site.index()].pp).into_owned();
                let message = format!("{site} is not run for processes that run already: it reads kernel data");
                self.outbox.event(SessionEvent::Warning(message));
                continue;
            }
            for pid in running.of(&target) {
                self.run_user_as(run, Some(&Surroundings::of_process(pid)));
                let over = self.is_over().then_some(Cause::Soft);
                if let Some(cause) = self.check_state().or_else(|| self.hear()).or(over) {
                    return Some(cause);
                }
            }
        }
        None
    }

    fn info(&self) -> SessionInfo {
        let lowered = &self.plan.lowered;
        SessionInfo {
            script: self.plan.options.script_name.clone(),
            tables: snapshots::table_infos(lowered),
            probes: snapshots::probe_states(lowered, &self.plan.sources),
            start_up: self.plan.options.begun.elapsed(),
            started_at_ns: now_ns(Clock::Realtime),
            target: self.target.pid(),
            stap_line: self.plan.options.stap_line.clone(),
            verified: self.programs().map(|stats| stats.verified).sum(),
            program_bytes: self.programs().map(|stats| stats.bytes).sum(),
        }
    }

    /// What the kernel tells of each program.
    fn programs(&self) -> impl Iterator<Item = sys::bpf::ProgramStats> {
        let loaded = self.loaded.iter().flat_map(|loaded| &loaded.programs);
        loaded.filter_map(|program| sys::bpf::prog_stats(program.as_fd()).ok())
    }

    /// The main loop.
    fn live(&mut self) -> Cause {
        let mut now = now_ns(Clock::Monotonic);
        let mut timers = Timers::new(self.timer_specs(), now);
        let mut next_clock = now + CLOCK_REFRESH;
        let mut next_snapshot = now + period(self.snapshot_every);
        let mut next_look = now;
        let mut meter = self.loaded.clone().map(LiveMeter::new);
        let mut guard = Guard::new(self.plan.options.overload.filter(|_| meter.is_some()), now);
        let mut woken = false;
        loop {
            if let Some(cause) = self.hear() {
                return cause;
            }
            self.answer_requests();
            if let Some(cause) = self.check_state() {
                return cause;
            }
            if let Some(ran) = self.target.try_wait() {
                if let Some(warning) = exit_warning(ran) {
                    self.outbox.event(SessionEvent::Warning(warning));
                    self.exit_code = 1;
                }
                return Cause::Soft;
            }
            // Whatever woke us, records come before the handlers that run now.
            if self.ring.as_ref().is_some_and(|ring| woken || now >= next_look || ring.used() > 0) {
                next_look = self.look(now);
            }
            for _ in 0..TIMERS_A_TURN {
                let Some(tag) = timers.pop_due(now) else { break };
                self.run_timer(self.timer_runs[tag]);
                if self.shared.control.state() == State::Stopping {
                    break;
                }
            }
            if let Some(cause) = self.check_state() {
                return cause;
            }
            if self.is_over() {
                return Cause::Soft;
            }
            if now >= next_clock {
                self.shared.control.refresh_clock();
                next_clock = now + CLOCK_REFRESH;
            }
            if self.snapshot_every.is_zero() {
                next_snapshot = i64::MAX;
            } else if next_snapshot == i64::MAX || next_snapshot - now > period(self.snapshot_every) {
                next_snapshot = now + period(self.snapshot_every);
            } else if now >= next_snapshot {
                self.send_snapshot();
                next_snapshot = now + period(self.snapshot_every);
            }
            if let Some(message) = meter.as_mut().and_then(|meter| guard.look(now, meter)) {
                self.shared.control.count_error();
                self.outbox.event(SessionEvent::Error(ScriptError { message, ..ScriptError::default() }));
                return Cause::TooMany;
            }
            self.outbox.flush();
            if self.outbox.closed {
                return Cause::Kill;
            }

            let mut due = next_snapshot.min(self.deadline.unwrap_or(i64::MAX)).min(guard.due);
            due = due.min(timers.next_due().unwrap_or(i64::MAX));
            if self.loaded.is_some() {
                due = due.min(next_clock + CLOCK_STALE - CLOCK_REFRESH);
            }
            if self.ring.is_some() {
                due = due.min(next_look);
            }
            woken = self.wait(due);
            now = now_ns(Clock::Monotonic);
        }
    }

    /// Sleeps until `due` or until something happens; true when the ring has something to say.
    fn wait(&self, due: i64) -> bool {
        let left = due.saturating_sub(now_ns(Clock::Monotonic)).max(0);
        let timeout = (due != i64::MAX).then(|| Duration::from_nanos(left as u64));
        let inputs = self.inputs.as_ref();
        let fds: [Option<BorrowedFd>; 4] = [
            self.ring.as_ref().map(AsFd::as_fd),
            inputs.map(|inputs| inputs.bell.as_fd()),
            inputs.and_then(|inputs| inputs.signals.as_ref()).map(StopSignals::fd),
            self.target.exit_fd(),
        ];
        match wait_readable(fds, timeout) {
            Ok([ring, ..]) => ring,
            Err(_) => {
                // Out of memory, at worst: do not spin.
                std::thread::sleep(Duration::from_millis(10));
                true
            }
        }
    }

    /// Hears commands and signals.
    fn hear(&mut self) -> Option<Cause> {
        let mut inputs = self.inputs.take()?;
        inputs.bell.answer();
        let mut cause = None;
        let before = self.n_requests;
        if let Some((_, n)) = inputs.signals.as_ref().and_then(StopSignals::take) {
            self.n_requests += n;
        }
        while let Ok(command) = inputs.commands.try_recv() {
            if matches!(command, SessionCommand::Stop | SessionCommand::Kill) {
                inputs.stops_heard = inputs.stops_heard.wrapping_add(1);
            }
            match command {
                SessionCommand::Stop => self.n_requests += 1,
                SessionCommand::Kill => cause = Some(Cause::Kill),
                SessionCommand::Clear => self.clear(),
                SessionCommand::SetEnabled { probe, enabled } => {
                    self.shared.control.set_enabled(probe as u32, enabled);
                }
                SessionCommand::SnapshotEvery(every) => self.snapshot_every = every,
                SessionCommand::SnapshotNow => self.send_snapshot(),
            }
        }
        self.inputs = Some(inputs);
        let asked = (self.n_requests > before).then_some(if self.n_requests > 1 { Cause::Kill } else { Cause::Soft });
        cause.or(asked)
    }

    /// -T is over.
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| now_ns(Clock::Monotonic) >= deadline)
    }

    /// What the control words say.
    fn check_state(&self) -> Option<Cause> {
        if self.shared.control.stopped_by().is_some() {
            return Some(Cause::TooMany);
        }
        (self.shared.control.state() == State::Stopping).then_some(Cause::Soft)
    }

    /// Looks into the ring; says when to look again.
    fn look(&mut self, now: i64) -> i64 {
        let n = self.drain(RECORDS_A_TURN);
        let control = &self.shared.control;
        if n > 0 {
            if self.empty_looks > EMPTY_LOOKS {
                control.set_asleep(false);
            }
            self.empty_looks = 0;
            return if n == RECORDS_A_TURN { now } else { now + RING_TICK };
        }
        self.empty_looks += 1;
        if self.empty_looks <= EMPTY_LOOKS {
            return now + RING_TICK;
        }
        control.set_asleep(true);
        // A record from just before the flag was up wakes nobody.
        if self.ring.as_ref().is_some_and(|ring| ring.used() > 0) { now + RING_TICK } else { now + RING_REST }
    }

    /// Handles records; gives how many.
    fn drain(&mut self, limit: usize) -> usize {
        let Some(mut ring) = self.ring.take() else { return 0 };
        let n = ring.drain(limit, |bytes| self.record(bytes));
        self.ring = Some(ring);
        n
    }

    fn record(&mut self, bytes: &[u8]) {
        if bytes.first() == Some(&record::PRINT) {
            self.print_record(bytes);
            return;
        }
        match record::decode(bytes, &self.plan.lowered.ir) {
            Record::Error(error) => {
                let probe = self.plan.lowered.ir.sites.get(error.site.index());
                let probe = probe.map(|site| String::from_utf8_lossy(&site.pp).into_owned()).unwrap_or_default();
                // The program counted it already.
                self.tell_error(&error.message, error.tag, probe);
            }
            // The program set the state already.
            Record::Exit | Record::Unknown | Record::Print { .. } => {}
        }
    }

    /// The hot path: a line of output.
    fn print_record(&mut self, bytes: &[u8]) {
        let Some(id) = bytes.get(4..8).and_then(|id| id.try_into().ok()).map(u32::from_le_bytes) else { return };
        let Some(site) = self.plan.lowered.ir.print_sites.get(id as usize) else { return };
        let id = PrintId(id);
        if site.runs.is_some() {
            return self.run_rest(id, bytes);
        }
        let stream = self.interpreter.stream(id);
        let rendered = if stream == Stream::Output {
            self.interpreter.render_record(id, bytes, &self.stores, self.outbox.pending())
        } else {
            let mut text = Vec::new();
            let rendered = self.interpreter.render_record(id, bytes, &self.stores, &mut text);
            emit(&mut self.outbox, stream, &text);
            rendered
        };
        self.outbox.flush_if_full();
        if let Err(error) = rendered {
            self.shared.control.count_error();
            self.tell_error(&error.message, error.tag, String::new());
        }
    }

    /// What is left to do of an event handler.
    fn run_rest(&mut self, site: PrintId, bytes: &[u8]) {
        let mut effects = Doing {
            shared: &mut self.shared,
            outbox: &mut self.outbox,
            inputs: self.inputs.as_ref(),
            deadline: self.deadline,
            symbols: self.interpreter.symbols(),
        };
        if let Outcome::Error(error) = self.interpreter.run_record(site, bytes, &mut self.stores, &mut effects) {
            self.shared.control.count_error();
            self.tell_error(&error.message, error.tag, String::new());
        }
    }

    fn run_timer(&mut self, run: UserRun) {
        let probe = self.plan.lowered.ir.handlers[run.handler.index()].probe;
        if self.shared.control.enabled(probe) {
            self.run_user(run);
        }
    }

    fn run_user(&mut self, run: UserRun) {
        self.run_user_as(run, None);
    }

    /// Runs a handler; `task`: whose it is, when not tapdeck's.
    fn run_user_as(&mut self, run: UserRun, task: Option<&Surroundings>) {
        let probe = self.plan.lowered.ir.handlers[run.handler.index()].probe as usize;
        if let Some(hits) = self.shared.hits.get_mut(probe) {
            *hits += 1;
        }
        let mut effects = Doing {
            shared: &mut self.shared,
            outbox: &mut self.outbox,
            inputs: self.inputs.as_ref(),
            deadline: self.deadline,
            symbols: self.interpreter.symbols(),
        };
        let (interpreter, stores) = (&self.interpreter, &mut self.stores);
        let begun = Instant::now();
        let outcome = match task {
            None => interpreter.run_handler(run.handler, run.site, stores, &mut effects),
            Some(task) => interpreter.run_handler_as(task, run.handler, run.site, stores, &mut effects),
        };
        if let Some(times) = self.shared.times.get_mut(probe) {
            times.add(begun.elapsed().as_nanos() as u64);
        }
        if let Outcome::Error(error) = outcome {
            let site = self.plan.lowered.ir.sites.get(run.site.index());
            let probe = site.map(|site| String::from_utf8_lossy(&site.pp).into_owned()).unwrap_or_default();
            self.shared.control.count_error();
            self.tell_error(&error.message, error.tag, probe);
        }
    }

    fn tell_error(&mut self, message: &[u8], tag: SourceTag, probe: String) {
        if self.plan.options.max_errors.is_none() {
            return;
        }
        let span = self.plan.lowered.spans.get(tag.index()).copied().unwrap_or(Span::NONE);
        let file = self.shared.sources.get(span.file);
        let error = ScriptError {
            message: String::from_utf8_lossy(message).into_owned(),
            near: if file.is_some() { near(&self.shared.sources, span) } else { String::new() },
            line: file.map_or(0, |file| file.line_col(span.start).0),
            probe,
        };
        self.outbox.event(SessionEvent::Error(error));
    }

    /// Globals back to their start values.
    fn clear(&mut self) {
        let lowered = self.plan.lowered.clone();
        for global in lowered.globals.iter().filter(|global| global.user) {
            if lowered.ir.stores[global.store.index()].in_kernel {
                if let Err(message) = self.stores.kernel.reset(global.store) {
                    self.outbox.event(SessionEvent::Warning(message));
                }
            } else {
                self.stores.heap.reset(global.store);
            }
        }
    }

    fn counters(&self) -> Counters {
        let map = self.loaded.as_ref().and_then(|loaded| loaded.map(MapRole::Counters));
        read_counters(map, self.layout.counters)
    }

    fn send_snapshot(&mut self) {
        let snapshot = self.snapshot();
        self.outbox.event(SessionEvent::Snapshot(Arc::new(snapshot)));
    }

    fn snapshot(&self) -> Snapshot {
        let counters = self.counters();
        let mut overflows = counters.overflows.clone();
        for (total, own) in overflows.iter_mut().zip(&self.stores.kernel.overflows) {
            *total += own;
        }
        Snapshot {
            at: self.started.elapsed(),
            tables: snapshots::tables(&self.plan.lowered, &self.stores, &overflows),
            cost: self.cost(&counters, overflows.iter().sum()),
        }
    }

    fn cost(&self, counters: &Counters, overflows: u64) -> Cost {
        let mut reentrant = counters.skipped;
        let mut kernel_runs = 0;
        let mut kernel_time = 0;
        let mut times: HashMap<u32, u64> = HashMap::new();
        for (program, fd) in self.plan.object.programs.iter().zip(self.loaded.iter().flat_map(|l| &l.programs)) {
            let Ok(stats) = sys::bpf::prog_stats(fd.as_fd()) else { continue };
            reentrant += stats.recursion_misses;
            kernel_runs += stats.run_cnt;
            kernel_time += stats.run_time_ns;
            self.share_time(program.entry, stats.run_time_ns, counters, &mut times);
        }
        let timed = self.statistics.is_some() && self.loaded.is_some();
        let probes = (0..self.plan.lowered.probes.len()).map(|probe| {
            let hits = counters.hits.get(probe).copied().unwrap_or(0) + self.shared.hits[probe];
            ProbeCost {
                hits,
                run_time_ns: if timed { times.get(&(probe as u32)).copied() } else { None },
                enabled: self.shared.control.enabled(probe as u32),
            }
        });
        let probes: Vec<ProbeCost> = probes.collect();
        let hits: u64 = counters.hits.iter().sum();
        Cost {
            events: if hits > 0 { hits } else { kernel_runs },
            run_time_ns: timed.then_some(kernel_time),
            probes,
            ring_drops: counters.ring_drops,
            ring_used: self.ring.as_ref().map_or(0, Ring::used),
            ring_size: self.ring.as_ref().map_or(0, Ring::size),
            missed: reentrant + counters.undone + self.missed_by_links + self.links.missed(),
            reentrant,
            undone: counters.undone,
            refused: counters.lost,
            truncated: counters.truncated + self.interpreter.n_cut(),
            overflows,
            errors: self.shared.control.errors(),
            self_cpu_ns: now_ns(Clock::ProcessCpu) as u64,
            map_bytes: self.loaded.as_ref().map_or(0, |loaded| loaded.memory_bytes()),
            unshown_bytes: self.outbox.dropped_bytes,
        }
    }

    /// How long the handlers of each probe ran, on both sides.
    fn times(&self) -> Vec<Times> {
        let mut all = self.shared.times.clone();
        let Some(map) = self.loaded.as_ref().and_then(|loaded| loaded.map(MapRole::Times)) else { return all };
        for (probe, times) in all.iter_mut().enumerate() {
            if let Ok(Some(per_cpu)) = map.lookup(&(probe as u32).to_ne_bytes()) {
                times.merge(&Times::decode(&per_cpu));
            }
        }
        all
    }

    /// Divides a program's time among the probes it serves, by their hits: an estimate where it serves several.
    fn share_time(&self, entry: Option<usize>, time_ns: u64, counters: &Counters, times: &mut HashMap<u32, u64>) {
        let ir = &self.plan.lowered.ir;
        let Some(entry) = entry.and_then(|entry| ir.entries.get(entry)) else { return };
        let mut probes: Vec<u32> = entry.runs.iter().map(|run| ir.handlers[run.handler.index()].probe).collect();
        probes.sort_unstable();
        probes.dedup();
        let hits = |probe: u32| counters.hits.get(probe as usize).copied().unwrap_or(0);
        let all: u64 = probes.iter().map(|probe| hits(*probe)).sum();
        for probe in &probes {
            let part = match all {
                0 => time_ns / probes.len() as u64,
                all => (u128::from(time_ns) * u128::from(hits(*probe)) / u128::from(all)) as u64,
            };
            *times.entry(*probe).or_default() += part;
        }
    }

    /// Takes everything down and says how it went.
    fn end(mut self, mut cause: Cause) {
        // From here on programs return at once; closing the links takes them away.
        self.shared.control.set_state(State::Stopping);
        self.doors = Doors::default();
        self.missed_by_links = self.links.missed();
        std::mem::take(&mut self.links).close();
        self.deadline = None;
        if cause != Cause::Kill {
            self.drain_last();
            // Ctrl-C reaches the command too, and its end may be seen before the signal is: that is one request. A second
            // one may be here already.
            if self.hear() == Some(Cause::Kill) {
                cause = Cause::Kill;
            }
        }
        // An error may have been in the last records.
        let stopped_by = self.shared.control.stopped_by();
        if cause == Cause::Soft && stopped_by.is_some() {
            cause = Cause::TooMany;
        }
        if cause == Cause::TooMany && stopped_by == Some(StoppedBy::TooManySkipped) {
            let message = SKIPPED_TOO_MANY.to_owned();
            self.outbox.event(SessionEvent::Error(ScriptError { message, ..ScriptError::default() }));
        }
        let runs = match cause {
            Cause::Soft => std::mem::take(&mut self.ends),
            Cause::TooMany => std::mem::take(&mut self.errors),
            Cause::Kill => Vec::new(),
        };
        for run in runs {
            self.run_user(run);
            if self.hear().is_some() {
                break;
            }
        }
        let last = Arc::new(self.snapshot());
        if cause == Cause::Soft && self.plan.options.print_globals {
            let text = exit_report::globals(&self.plan.lowered, &self.stores);
            self.outbox.output(&text);
        }
        if self.plan.options.timing {
            let text = exit_report::times(&self.plan.lowered, &self.plan.sources, &self.times());
            self.outbox.output(&text);
        }
        for warning in exit_report::warnings(&last.cost, self.plan.options.timing) {
            self.outbox.event(SessionEvent::Warning(warning));
        }
        let told = self.plan.options.max_errors.is_some();
        if told && last.cost.errors > 0 || cause == Cause::TooMany {
            self.exit_code = 1;
        }
        let report = EndReport {
            exit_code: self.exit_code,
            n_errors: last.cost.errors,
            n_skipped: last.cost.missed,
            last: Some(last),
            ran: self.started.elapsed(),
        };
        // Programs and maps go before anybody is told that they are gone.
        let Engine { outbox: mut last_words, loaded, stores, ring, target, .. } = self;
        drop((loaded, stores, ring, target));
        last_words.event(SessionEvent::Ended(report));
    }

    /// Reads what programs wrote before they were detached, records they had only begun included.
    fn drain_last(&mut self) {
        if self.ring.is_none() {
            return;
        }
        let until = Instant::now() + LAST_RECORDS;
        loop {
            while self.drain(RECORDS_A_TURN) > 0 {
                if self.outbox.closed {
                    return;
                }
            }
            let empty = self.ring.as_ref().is_none_or(|ring| ring.used() == 0);
            if empty || Instant::now() > until {
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn period(every: Duration) -> i64 {
    i64::try_from(every.as_nanos()).unwrap_or(i64::MAX / 4).max(MS)
}

/// A text to where its kind goes.
fn emit(outbox: &mut Outbox, stream: Stream, text: &[u8]) {
    match stream {
        Stream::Output => outbox.output(text),
        Stream::Warning => {
            let text = String::from_utf8_lossy(text);
            outbox.event(SessionEvent::Warning(text.trim_end_matches('\n').to_owned()));
        }
        Stream::Ftrace => {
            let marker = World::live().tracefs().map(|tracefs| tracefs.join("trace_marker")).map_err(str::to_owned);
            let wrote = marker.and_then(|path| std::fs::write(path, text).map_err(|error| error.to_string()));
            if let Err(why) = wrote {
                outbox.event(SessionEvent::Warning(format!("cannot write to the trace buffer: {why}")));
            }
        }
        Stream::Shell => {
            if let Err(error) = run_shell(text, outbox.is_screen()) {
                outbox.event(SessionEvent::Warning(format!("cannot run a shell: {error}")));
            }
        }
    }
}

/// Starts a command and leaves it alone; a thread waits for it. Nothing it writes may get onto a screen.
fn run_shell(command: &[u8], on_screen: bool) -> io::Result<()> {
    use std::{os::unix::ffi::OsStrExt, process::Stdio};
    let output = || if on_screen { Stdio::null() } else { Stdio::inherit() };
    let mut shell = std::process::Command::new("/bin/sh");
    shell.arg("-c").arg(std::ffi::OsStr::from_bytes(command.trim_ascii_end()));
    crate::sys::limits::as_it_was(&mut shell);
    let mut child = shell.stdin(Stdio::null()).stdout(output()).stderr(output()).spawn()?;
    std::thread::Builder::new().name("tapdeck-system".to_owned()).spawn(move || child.wait())?;
    Ok(())
}

/// SystemTap's words for the place of an error: `identifier 'x' at f.stp:3:5`.
fn near(sources: &SourceMap, span: Span) -> String {
    let text = sources.snippet(span);
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'@');
    let len = match text.first() {
        Some(b) if is_word(b) => text.iter().take_while(|b| is_word(b)).count(),
        Some(b'"') => text.iter().skip(1).position(|b| *b == b'"').map_or(text.len(), |n| n + 2),
        Some(_) => text.iter().take_while(|b| b.is_ascii_punctuation()).count().clamp(1, 3),
        None => 0,
    };
    let token = String::from_utf8_lossy(&text[..len]);
    let kind = match text.first() {
        Some(b) if b.is_ascii_digit() => "number",
        Some(b'"') => "string",
        Some(b) if is_word(b) && *b != b'@' => "identifier",
        _ => "operator",
    };
    format!("{kind} '{}' at {}", token.trim_matches('"'), sources.place(span))
}

/// What a user handler does while it runs.
struct Doing<'a> {
    shared: &'a mut Shared,
    outbox: &'a mut Outbox,
    inputs: Option<&'a Inputs>,
    deadline: Option<i64>,
    symbols: Option<&'a dyn Symbols>,
}

impl HostContext for Doing<'_> {
    fn realtime_ns(&self) -> i64 {
        now_ns(Clock::Realtime)
    }

    fn target(&self) -> i64 {
        self.shared.target
    }

    fn state(&mut self) -> &mut HashMap<String, Value> {
        &mut self.shared.state
    }

    fn warn(&mut self, message: &[u8]) {
        emit(self.outbox, Stream::Warning, message);
    }

    fn next_output_file(&mut self) {
        sys::signals::ask_for_switch();
    }

    fn symbols(&self) -> Option<&dyn Symbols> {
        self.symbols
    }
}

impl Effects for Doing<'_> {
    fn print(&mut self, stream: Stream, text: &[u8]) {
        emit(self.outbox, stream, text);
        self.outbox.flush_if_due();
    }

    fn exit(&mut self) {
        self.shared.control.set_state(State::Stopping);
    }

    /// A handler that loops for ever ends with the session. What asked for it stays for `hear`.
    fn interrupted(&mut self) -> bool {
        self.outbox.flush_if_due();
        let asked = self.inputs.is_some_and(|inputs| {
            inputs.stops_sent.load(Ordering::Acquire) != inputs.stops_heard
                || inputs.signals.as_ref().is_some_and(|signals| signals.pending() > 0)
        });
        asked || self.outbox.closed || self.deadline.is_some_and(|deadline| now_ns(Clock::Monotonic) >= deadline)
    }

    fn read_memory(&mut self, space: Space, address: i64, into: &mut [u8]) -> bool {
        self.memory().is_some_and(|memory| memory.bytes(space, address, into))
    }

    fn read_text(&mut self, space: Space, address: i64, max: usize) -> Option<Vec<u8>> {
        self.memory()?.text(space, address, max)
    }

    fn current_task(&mut self) -> i64 {
        self.memory().map_or(0, Peek::current_task)
    }
}

impl Doing<'_> {
    fn memory(&mut self) -> Option<&Peek> {
        if let Memory::Unopened = self.shared.memory {
            self.shared.memory = match Peek::open() {
                Ok(peek) => Memory::Open(peek),
                Err(error) => {
                    let message = format!("begin, end and timer handlers cannot read memory here: {error}");
                    emit(self.outbox, Stream::Warning, message.as_bytes());
                    Memory::Refused
                }
            };
        }
        match &self.shared.memory {
            Memory::Open(peek) => Some(peek),
            Memory::Unopened | Memory::Refused => None,
        }
    }
}
