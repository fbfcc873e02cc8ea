//! A deterministic engine, checker and catalogue: no kernel, no compiler, no clock of their own. Tests drive the engine by
//! hand; demos and hand trials let it tick once a second.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    engine::{
        Catalogue, CatalogueEntry, Checker, Completion, CompletionKind, CompletionList, CountRequest, EditorDiagnostic,
        Engine, EngineEvent, Holds, ProbeDetail, RunId, StartRequest, Variable,
    },
    given,
};
use crate::{
    diagnostics::Severity,
    runtime::session::{
        ColumnKind, Cost, Datum, EndReport, ProbeCost, ProbeState, Row, SessionCommand, SessionEvent, SessionInfo,
        Snapshot, StatValue, Table, TableInfo, ValueKind,
    },
};

const PROCESSES: &[(&str, u64)] = &[
    ("nginx", 181),
    ("postgres", 92),
    ("java", 44),
    ("sshd", 6),
    ("systemd-journal", 4),
    ("cron", 1),
    ("bash", 1),
    ("redis-server", 31),
    ("kworker/0:1", 12),
    ("containerd", 3),
];

/// Numbers that look random and are the same each time.
fn noise(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

#[derive(Debug, Default)]
struct State {
    run: Option<RunId>,
    info: SessionInfo,
    second: u64,
    cleared_at: u64,
    enabled: Vec<bool>,
    tx: Option<mpsc::UnboundedSender<EngineEvent>>,
}

/// Makes up a session whose tables have the names and shapes of the script's globals.
#[derive(Clone, Default)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
    /// Ticks by itself once a second.
    live: bool,
}

impl FakeEngine {
    /// Ticks only when told.
    pub fn by_hand() -> Self {
        Self::default()
    }

    pub fn live() -> Self {
        Self { live: true, ..Self::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One second passes.
    pub fn tick(&self) {
        let mut state = self.state();
        if let Some(run) = state.run {
            state.second += 1;
            if state.second % 3 == 1 {
                let line =
                    format!("openat  nginx[812]  \"/etc/nginx/mime.types\" O_RDONLY = {}\n", 7 + state.second % 5);
                state.send(run, SessionEvent::Output(line.into_bytes()));
            }
            let snapshot = Arc::new(state.snapshot());
            state.send(run, SessionEvent::Snapshot(snapshot));
        }
    }
}

impl State {
    fn send(&self, run: RunId, event: SessionEvent) {
        if let Some(tx) = &self.tx {
            let _ = tx.send(EngineEvent::Session { run, event });
        }
    }

    fn snapshot(&self) -> Snapshot {
        let age = self.second - self.cleared_at;
        let table = |info: &TableInfo| {
            let seed = info.name.bytes().map(u64::from).sum::<u64>();
            if info.keys.is_empty() && info.value == ValueKind::Long {
                let n = (1..=age).map(|s| noise(seed + s) % 300).sum::<u64>();
                return Table { rows: vec![Row { keys: Vec::new(), value: Datum::Long(n as i64) }], overflows: 0 };
            }
            let n_rows = if info.keys.is_empty() { 1 } else { PROCESSES.len().min(6 + age as usize / 4) };
            let rows = PROCESSES[..n_rows].iter().enumerate().map(|(n, (name, weight))| {
                let keys = info
                    .keys
                    .iter()
                    .enumerate()
                    .map(|(at, kind)| match kind {
                        ColumnKind::Str if at == 0 => Datum::Str(name.as_bytes().to_vec()),
                        ColumnKind::Str => Datum::Str(format!("ENOENT{}", if at > 1 { "2" } else { "" }).into_bytes()),
                        ColumnKind::Long => Datum::Long(800 + n as i64 * 37),
                    })
                    .collect();
                let value = match info.value {
                    ValueKind::Long => Datum::Long(
                        (1..=age).map(|s| weight * (80 + noise(seed + s * 31 + n as u64) % 40)).sum::<u64>() as i64,
                    ),
                    ValueKind::Str => Datum::Str(format!("state {}", noise(age + n as u64) % 3).into_bytes()),
                    ValueKind::Stat => Datum::Stat(Box::new(statistic(seed + n as u64, *weight, age, n as u32))),
                };
                Row { keys, value }
            });
            Table { rows: rows.collect(), overflows: 0 }
        };
        let probes: Vec<ProbeCost> = self
            .enabled
            .iter()
            .enumerate()
            .map(|(n, enabled)| {
                let hits = (1..=self.second).map(|s| 4_000 + noise(s * 7 + n as u64) % 900).sum::<u64>()
                    / (n as u64 * n as u64 * 40 + 1);
                ProbeCost { hits, run_time_ns: Some(hits * (310 + 20 * n as u64)), enabled: *enabled }
            })
            .collect();
        let events = probes.iter().map(|p| p.hits).sum();
        let run_time_ns = probes.iter().map(|p| p.run_time_ns).sum();
        Snapshot {
            at: Duration::from_secs(self.second),
            tables: self.info.tables.iter().map(table).collect(),
            cost: Cost {
                events,
                run_time_ns,
                probes,
                ring_size: 1 << 20,
                ring_used: noise(self.second) % (60 << 10),
                ring_drops: if self.second >= 40 { 12 } else { 0 },
                self_cpu_ns: self.second * 2_100_000,
                map_bytes: 1_434_112,
                ..Cost::default()
            },
        }
    }
}

/// Latencies around a mode that depends on the row, with a few far out.
fn statistic(seed: u64, weight: u64, age: u64, row: u32) -> StatValue {
    let mut stat = StatValue { min: i64::MAX, max: i64::MIN, ..StatValue::default() };
    let mut buckets = std::collections::BTreeMap::new();
    for second in 1..=age {
        for step in 0..10u32 {
            let distance = step.abs_diff(3 + row % 3);
            let n = (weight * 60 / (1 << (2 * distance).min(16)))
                .saturating_mul(80 + noise(seed + second * 131 + u64::from(step)) % 40)
                / 100;
            if n > 0 {
                *buckets.entry(1i64 << step).or_insert(0) += n;
                stat.count += n as i64;
                stat.sum += (n << step) as i64 + (n as i64) / 3;
                stat.min = stat.min.min(1 << step);
                stat.max = stat.max.max((1 << step) + (noise(second) % (1 << step)) as i64);
            }
        }
    }
    stat.log2 = buckets.into_iter().collect();
    if stat.count == 0 { StatValue::default() } else { stat }
}

/// Globals with shapes guessed from how the text uses them.
fn tables_of(text: &str) -> Vec<TableInfo> {
    let mut out = Vec::new();
    for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("global ")) {
        for name in line.split(',').map(|part| part.split(['=', '[', '#']).next().unwrap_or("").trim().to_owned()) {
            let is_stat =
                text.lines().any(|l| l.split_once("<<<").is_some_and(|(head, _)| head.contains(name.as_str())));
            let keys = text.find(&format!("{name}[")).map_or(0, |at| {
                let inside = &text[at + name.len() + 1..];
                inside.split(']').next().map_or(0, |k| k.split(',').count())
            });
            let keys = (0..keys)
                .map(|n| if n == 0 || text.contains("errno_str") { ColumnKind::Str } else { ColumnKind::Long });
            let value = if is_stat { ValueKind::Stat } else { ValueKind::Long };
            out.push(TableInfo { name, keys: keys.collect(), value, max_entries: 2048, wrap: false });
        }
    }
    out
}

impl Engine for FakeEngine {
    fn start(&mut self, request: StartRequest) {
        let text = String::from_utf8_lossy(&request.text).into_owned();
        let run = request.run;
        let errors = FakeChecker.check(&text, &request.options.args);
        let old;
        {
            let mut state = self.state();
            let Some(tx) = state.tx.clone() else { return };
            let _ = tx.send(EngineEvent::Compiling { run });
            if errors.iter().any(|d| d.severity == Severity::Error) {
                let n = errors.len();
                let said =
                    |error: &EditorDiagnostic| format!("semantic error: {}\n\tat {}\n", error.message, error.line);
                let text = errors.iter().map(said).collect();
                let _ = tx.send(EngineEvent::Diagnostics { run, list: errors });
                let message = format!("pass 2 failed: {n} error{}, 0 warnings", if n == 1 { "" } else { "s" });
                let _ = tx.send(EngineEvent::Failed { run, message, help: None, text });
                return;
            }
            if text.contains("function(\"*\")") && !request.is_confirmed {
                let said = vec!["56257 places in functions of the kernel.".to_owned()];
                let _ = tx.send(EngineEvent::Asks { run, places: 56257, said });
                return;
            }
            let probe = |(idx, line): (usize, &str)| {
                let written = line.trim_start().strip_prefix("probe ")?.split('{').next()?.trim().to_owned();
                let in_kernel = !["begin", "end", "timer"].iter().any(|word| written.starts_with(word));
                Some(ProbeState { written, n_sites: 1, line: idx as u32 + 1, in_kernel })
            };
            let probes: Vec<ProbeState> = text.lines().enumerate().filter_map(probe).collect();
            old = state.run;
            let info = SessionInfo {
                script: request.file_name.clone(),
                tables: tables_of(&text),
                probes,
                start_up: Duration::from_millis(38),
                started_at_ns: 0,
                target: request.options.target,
                stap_line: given::stap_line(&request.file_name, &request.options),
                verified: 812,
                program_bytes: 1432,
            };
            state.enabled = vec![true; info.probes.len()];
            state.info = info.clone();
            state.second = 0;
            state.cleared_at = 0;
            state.run = Some(run);
            state.send(run, SessionEvent::Started(Box::new(info)));
            if let Some(old) = old {
                state.send(old, SessionEvent::Ended(EndReport::default()));
            }
        }
        self.tick();
        if self.live {
            let engine = self.clone();
            thread::spawn(move || {
                loop {
                    thread::sleep(Duration::from_secs(1));
                    if engine.state().run != Some(run) {
                        return;
                    }
                    engine.tick();
                }
            });
        }
    }

    fn count(&mut self, request: CountRequest) {
        let state = self.state();
        let Some(tx) = &state.tx else { return };
        let hits = match request.point.as_str() {
            "syscall.*" => vec![("syscall.openat".to_owned(), 321), ("syscall.read".to_owned(), 7)],
            point => vec![(point.to_owned(), 42)],
        };
        let _ = tx.send(EngineEvent::Counted { point: request.point, result: Ok(hits) });
    }

    fn command(&mut self, command: SessionCommand) {
        let mut state = self.state();
        let Some(run) = state.run else { return };
        match command {
            SessionCommand::Stop | SessionCommand::Kill => {
                let ran = Duration::from_secs(state.second);
                let last = Some(Arc::new(state.snapshot()));
                state.send(run, SessionEvent::Ended(EndReport { last, ran, ..EndReport::default() }));
                state.run = None;
            }
            SessionCommand::Clear => state.cleared_at = state.second,
            SessionCommand::SetEnabled { probe, enabled } => {
                if let Some(slot) = state.enabled.get_mut(probe) {
                    *slot = enabled;
                }
            }
            SessionCommand::SnapshotNow => {
                let snapshot = Arc::new(state.snapshot());
                state.send(run, SessionEvent::Snapshot(snapshot));
            }
            SessionCommand::SnapshotEvery(_) => (),
        }
    }

    fn events(&mut self) -> mpsc::UnboundedReceiver<EngineEvent> {
        let (tx, rx) = mpsc::unbounded_channel();
        self.state().tx = Some(tx);
        rx
    }
}

/// Finds nothing and offers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoChecker;

impl Checker for NoChecker {
    fn check(&self, _: &str, _: &[String]) -> Vec<EditorDiagnostic> {
        Vec::new()
    }

    fn complete(&self, _: &str, _: usize) -> CompletionList {
        CompletionList::default()
    }
}

/// Knows one mistake and a few words.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeChecker;

const WORDS: &[(&str, &str, &str, CompletionKind)] = &[
    ("get_cycles()", "-> long", "time stamp counter", CompletionKind::Function),
    ("gettimeofday_ms()", "-> long", "milliseconds since the epoch", CompletionKind::Function),
    ("gettimeofday_ns()", "-> long", "nanoseconds since the epoch", CompletionKind::Function),
    ("gettimeofday_us()", "-> long", "microseconds since the epoch", CompletionKind::Function),
    ("execname()", "-> string", "name of the process", CompletionKind::Function),
    ("pid()", "-> long", "process id", CompletionKind::Function),
    ("printf(", "", "formatted output", CompletionKind::Function),
    ("foreach", "", "loop over an array", CompletionKind::Keyword),
];

impl Checker for FakeChecker {
    fn check(&self, text: &str, _: &[String]) -> Vec<EditorDiagnostic> {
        let mut out = Vec::new();
        for (idx, line) in text.lines().enumerate() {
            if let Some(at) = line.find("get_time(") {
                out.push(EditorDiagnostic {
                    line: idx + 1,
                    columns: at..at + 10,
                    severity: Severity::Error,
                    message: "unresolved function: get_time".into(),
                    help: Some("did you mean gettimeofday_us()?".into()),
                    fix: Some("gettimeofday_us()".into()),
                });
            }
            if let Some(at) = line.find("unused") {
                out.push(EditorDiagnostic {
                    line: idx + 1,
                    columns: at..at + 6,
                    severity: Severity::Warning,
                    message: "never-assigned local variable 'unused'".into(),
                    help: None,
                    fix: None,
                });
            }
        }
        out
    }

    fn complete(&self, text: &str, cursor: usize) -> CompletionList {
        let before = &text[..cursor.min(text.len())];
        let word =
            before.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
        let start = before.len() - word;
        let typed = &before[start..];
        let items =
            WORDS.iter().filter(|(name, ..)| name.starts_with(typed)).map(|(name, signature, doc, kind)| Completion {
                label: (*name).into(),
                insert: (*name).into(),
                signature: (*signature).into(),
                doc: (*doc).into(),
                kind: *kind,
            });
        CompletionList { start, items: items.collect() }
    }
}

/// A few hundred points, or as many as asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeCatalogue {
    pub n_tracepoints: usize,
}

const SYSCALLS: &[&str] = &[
    "accept4",
    "bind",
    "clone",
    "close",
    "connect",
    "dup",
    "epoll_wait",
    "execve",
    "exit",
    "fsync",
    "futex",
    "getdents64",
    "getpid",
    "ioctl",
    "kill",
    "lseek",
    "mmap",
    "mprotect",
    "nanosleep",
    "open",
    "open_by_handle_at",
    "openat",
    "openat2",
    "pipe2",
    "poll",
    "pread64",
    "pwrite64",
    "read",
    "recvfrom",
    "rename",
    "sendto",
    "socket",
    "stat",
    "statx",
    "unlink",
    "write",
];

fn named(name: &str, ty: &str, note: &str) -> Variable {
    Variable { name: name.into(), ty: ty.into(), note: note.into(), holds: Holds::Other }
}

/// By what a type looks like.
fn holds(ty: &str) -> Holds {
    match ty {
        "string" => Holds::Text,
        _ if ty.starts_with("struct") => Holds::Members,
        _ if ty.starts_with("char") => Holds::KernelText,
        _ if ty.ends_with('*') => Holds::Other,
        _ => Holds::Number,
    }
}

impl Catalogue for FakeCatalogue {
    fn load(&self, sink: &mut dyn FnMut(Vec<CatalogueEntry>) -> bool) {
        let entry = |point: String, group: &str, has_return: bool, doc: &str| CatalogueEntry {
            point: point.into(),
            group: group.into(),
            has_return,
            doc: doc.into(),
        };
        let mut all: Vec<CatalogueEntry> =
            SYSCALLS.iter().map(|name| entry(format!("syscall.{name}"), "syscall", true, "system call")).collect();
        for (group, events) in [
            ("sched", &["sched_switch", "sched_wakeup", "sched_process_fork", "sched_process_exit"][..]),
            ("block", &["block_rq_issue", "block_rq_complete"]),
            ("net", &["netif_receive_skb", "net_dev_xmit"]),
        ] {
            for event in events {
                all.push(entry(
                    format!("kernel.trace(\"{group}:{event}\")"),
                    &format!("kernel.trace/{group}"),
                    false,
                    "tracepoint",
                ));
            }
        }
        for n in 0..self.n_tracepoints {
            let group = format!("sub{}", n % 97);
            all.push(entry(
                format!("kernel.trace(\"{group}:event_{n}\")"),
                &format!("kernel.trace/{group}"),
                false,
                "tracepoint",
            ));
        }
        for (point, doc) in [
            ("timer.s(1)", "every second"),
            ("timer.ms(100)", "every 100 ms"),
            ("timer.profile", "on every CPU, at each tick"),
        ] {
            all.push(entry(point.into(), "timer", false, doc));
        }
        for (point, doc) in [
            ("netdev.receive", "a packet comes in"),
            ("netdev.transmit", "a packet goes out"),
            ("scheduler.cpu_on", "a task gets a CPU"),
        ] {
            all.push(entry(point.into(), point.split('.').next().unwrap_or(""), false, doc));
        }
        for batch in all.chunks(5000) {
            if !sink(batch.to_vec()) {
                return;
            }
        }
    }

    fn detail(&self, point: &str) -> ProbeDetail {
        let variable = |name: &str, ty: &str, note: &str| Variable { holds: holds(ty), ..named(name, ty, note) };
        if point.starts_with("syscall.") {
            return ProbeDetail {
                doc: format!("{}(2), entered by a process", point.trim_start_matches("syscall.")),
                origin: "tapset syscalls".into(),
                variables: vec![
                    variable("name", "string", "of the call"),
                    variable("argstr", "string", "arguments as strace shows them"),
                    variable("dfd", "long", "directory"),
                    variable("filename", "string", "path, quoted"),
                    variable("flags", "long", "O_* bits"),
                    variable("mode", "long", ""),
                ],
                return_variables: vec![variable("retval", "long", ""), variable("retstr", "string", "")],
                ..ProbeDetail::default()
            };
        }
        ProbeDetail {
            doc: format!("{point} fires"),
            origin: "tracepoint".into(),
            variables: vec![variable("$prev", "struct task_struct*", ""), variable("$next", "struct task_struct*", "")],
            ..ProbeDetail::default()
        }
    }

    fn members(&self, _: &str, expression: &str) -> Vec<Variable> {
        let member = |(name, ty): (&str, &str)| Variable { holds: holds(ty), ..named(name, ty, "") };
        if expression.ends_with("mm") {
            return [("mm_users", "int"), ("total_vm", "long unsigned int")].map(member).into();
        }
        [("pid", "int"), ("comm", "char[16]"), ("mm", "struct mm_struct*"), ("sched_class", "void*")].map(member).into()
    }

    fn with_type(&self, part: &str) -> HashSet<String> {
        let mut found = HashSet::new();
        self.load(&mut |batch| {
            let sched = batch.into_iter().filter(|entry| &*entry.group == "kernel.trace/sched");
            found.extend(sched.map(|entry| entry.point.to_string()).filter(|_| "task_struct".contains(part)));
            true
        });
        found
    }
}
