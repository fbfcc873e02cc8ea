//! A session's vocabulary: what comes out of a running script and what may be asked of it. The dashboard, the command
//! line, recordings and tests speak only this.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

/// What a session tells, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionEvent {
    /// Probes are attached and `begin` ran.
    Started(Box<SessionInfo>),
    /// Bytes of the script's output stream, already in order; not necessarily whole lines.
    Output(#[serde(with = "super::recording::text_bytes")] Vec<u8>),
    /// `WARNING: …` text without the prefix.
    Warning(String),
    /// A script error, with where it happened.
    Error(ScriptError),
    /// The state of every global and every cost, at one instant.
    Snapshot(Arc<Snapshot>),
    /// Probes are gone, `end` ran.
    Ended(EndReport),
}

/// What does not change while a session runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The script's name, `<input>` for -e.
    pub script: String,
    pub tables: Vec<TableInfo>,
    pub probes: Vec<ProbeState>,
    /// Text to attached.
    pub start_up: Duration,
    /// CLOCK_REALTIME at start, ns.
    pub started_at_ns: i64,
    pub target: Option<u32>,
    /// Command line of the equivalent `stap` run.
    pub stap_line: String,
    /// Instructions the kernel's verifier walked through; 0 where it does not tell.
    #[serde(default)]
    pub verified: u64,
    /// Bytes of programs in the kernel; 0 where it does not tell.
    #[serde(default)]
    pub program_bytes: u64,
}

/// A global, as panes name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    pub name: String,
    /// Key types; empty for a scalar.
    pub keys: Vec<ColumnKind>,
    pub value: ValueKind,
    pub max_entries: u32,
    pub wrap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    Long,
    Str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueKind {
    Long,
    Str,
    Stat,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeState {
    /// As the script wrote it.
    pub written: String,
    pub n_sites: usize,
    /// 1-based line in the script, 0 if it has none.
    pub line: u32,
    pub in_kernel: bool,
}

/// Everything a screen shows of one instant. Immutable and shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Since the session started.
    pub at: Duration,
    /// In the order of [`SessionInfo::tables`].
    pub tables: Vec<Table>,
    pub cost: Cost,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// A scalar has one row with no keys (none while a statistic has no samples).
    pub rows: Vec<Row>,
    /// Inserts refused because the array was full, since start.
    pub overflows: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub keys: Vec<Datum>,
    pub value: Datum,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Datum {
    Long(i64),
    Str(#[serde(with = "super::recording::text_bytes")] Vec<u8>),
    Stat(Box<StatValue>),
}

/// A statistic merged over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatValue {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
    /// `(bucket value, count)` of non-empty log2 buckets, ascending. The bucket value is its lowest member:
    /// 0, 1, 2, 4, 8 …; negative ones -1, -2, -4 ….
    pub log2: Vec<(i64, u64)>,
    /// A linear histogram the script asked for: start, step, counts (under, steps, over).
    pub linear: Option<LinearHist>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearHist {
    pub start: i64,
    pub step: i64,
    pub counts: Vec<u64>,
}

/// What tracing costs and what it lost, cumulative since start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Handler runs and their time in the kernel (BPF run-time statistics); `None` when the kernel does not tell.
    pub events: u64,
    pub run_time_ns: Option<u64>,
    /// In the order of [`SessionInfo::probes`].
    pub probes: Vec<ProbeCost>,
    /// Records that found no room in the ring buffer.
    pub ring_drops: u64,
    /// Bytes waiting in the ring buffer, and its size.
    pub ring_used: u64,
    pub ring_size: u64,
    /// Handlers that did not run, or not to their end: `reentrant`, `undone`, and returns beyond the number of calls
    /// the kernel follows at a time.
    pub missed: u64,
    /// Handler runs that would have interrupted one of the same script.
    #[serde(default)]
    pub reentrant: u64,
    /// Statements that were to run in user space and found no room in the buffer.
    #[serde(default)]
    pub undone: u64,
    /// Changes of arrays the kernel refused, for lack of memory.
    #[serde(default)]
    pub refused: u64,
    /// Strings cut at their limit.
    pub truncated: u64,
    /// Inserts refused by full arrays, all tables.
    pub overflows: u64,
    pub errors: u64,
    /// tapdeck's own CPU time, ns.
    pub self_cpu_ns: u64,
    /// Memory of maps in the kernel, bytes.
    pub map_bytes: u64,
    /// Output that came faster than its reader took it and was dropped, bytes.
    #[serde(default)]
    pub unshown_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeCost {
    pub hits: u64,
    pub run_time_ns: Option<u64>,
    pub enabled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptError {
    pub message: String,
    /// `identifier 'x' at f.stp:3:5`, or empty.
    pub near: String,
    /// 1-based line, 0 if unknown.
    pub line: u32,
    /// The probe point.
    pub probe: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndReport {
    /// What the process should exit with.
    pub exit_code: u8,
    pub n_errors: u64,
    pub n_skipped: u64,
    /// The last state, after `end` probes.
    pub last: Option<Arc<Snapshot>>,
    pub ran: Duration,
}

/// What may be asked of a running session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionCommand {
    /// End softly: `end` probes run.
    Stop,
    /// End now: no `end` probes.
    Kill,
    /// Globals back to their start values.
    Clear,
    /// Probe on or off, by index into [`SessionInfo::probes`].
    SetEnabled { probe: usize, enabled: bool },
    /// Time between snapshots; zero for none.
    SnapshotEvery(Duration),
    /// A snapshot now.
    SnapshotNow,
}
