//! What pass 5 gets: programs, user handlers, attach plans and formats, nothing left to decide.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use tapdeck_ebpf::{
    ir,
    object::{Object, line_info::SourceLine},
};

pub use crate::output::histogram::HistStyle;

use super::{overload, target::Target};
use crate::{
    builtins::Stream,
    language::format::Format,
    probes::attach_plan::AttachPlan,
    source::{SourceMap, Span},
};

/// Everything a session needs.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    pub lowered: Arc<Lowered>,
    /// What pass 4 made; without programs nothing is loaded and no privilege is needed.
    pub object: Object,
    /// For the places in messages.
    pub sources: SourceMap,
    pub options: SessionOptions,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// For the screen: file name, `<input>` for -e.
    pub script_name: String,
    /// Command line of the equivalent `stap` run.
    pub stap_line: String,
    pub target: Target,
    /// Where a command of `-c` writes, with nothing to read; `None`: it has our own input and output.
    pub command_output: Option<Arc<OwnedFd>>,
    /// -D MAXERRORS: script errors survived. `None`: any number, counted and not told (--suppress-handler-errors).
    pub max_errors: Option<u64>,
    /// -D MAXSKIPPED: statements that may be lost on their way to user space. `None`: any number.
    pub max_skipped: Option<u64>,
    /// -D STP_OVERLOAD_INTERVAL and STP_OVERLOAD_THRESHOLD. `None`: programs may take any time.
    pub overload: Option<overload::Limit>,
    /// -T.
    pub timeout: Option<Duration>,
    /// Time between snapshots; zero for none.
    pub snapshot_every: Duration,
    /// Measure the run time of programs (needs CAP_SYS_ADMIN; costs about 50 ns an event).
    pub run_time_statistics: bool,
    /// -t: at the end comes how long handlers ran, and why some did not.
    pub timing: bool,
    /// As in `codegen::Target`.
    pub live_histograms: bool,
    pub delivery: Delivery,
    /// End softly on SIGINT, SIGTERM and SIGHUP, at once on the second one.
    pub catch_signals: bool,
    /// Print unread globals at the end, as SystemTap does.
    pub print_globals: bool,
    /// When work on the script began, for [`super::session::SessionInfo::start_up`].
    pub begun: Instant,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            script_name: "<input>".to_owned(),
            stap_line: String::new(),
            target: Target::None,
            command_output: None,
            max_errors: Some(0),
            max_skipped: Some(100),
            overload: None,
            timeout: None,
            snapshot_every: Duration::ZERO,
            run_time_statistics: false,
            timing: false,
            live_histograms: false,
            delivery: Delivery::Lossless,
            catch_signals: false,
            print_globals: false,
            begun: Instant::now(),
        }
    }
}

/// What a session does when nobody takes its events as fast as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Waits; the ring buffer fills meanwhile. For output to files and pipes.
    Lossless,
    /// Drops output and snapshots and says how much. For screens.
    Droppable,
}

/// Pass 3's result: one IR program for both executors and what surrounds it.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub ir: ir::Program,
    /// Print formats, by `ir::PrintSite::format`.
    pub formats: Vec<Format>,
    /// Where the text of each format goes; same order as `formats`.
    pub streams: Vec<Stream>,
    /// For each entry of the IR program, how each of its runs is attached (same order as `runs`).
    pub attach: Vec<Vec<AttachPlan>>,
    /// Script position of each source tag.
    pub spans: Vec<Span>,
    pub probes: Vec<ProbeInfo>,
    pub globals: Vec<GlobalInfo>,
    /// How histograms are drawn.
    pub histogram: HistStyle,
}

impl Lowered {
    /// Where a source tag points, for line information.
    pub fn source_line(&self, sources: &SourceMap, tag: ir::SourceTag) -> Option<SourceLine> {
        let span = *self.spans.get(tag.index())?;
        let file = sources.get(span.file)?;
        let (line, column) = file.line_col(span.start);
        let text = String::from_utf8_lossy(file.line(line)).trim().to_owned();
        Some(SourceLine { file: file.name.clone(), line, col: column, text })
    }
}

/// A probe as the dashboard and `-t` show it; `ir::Handler::probe` and control-map flags index these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeInfo {
    /// As the script wrote it.
    pub written: String,
    /// Resolved points, at most the first hundred.
    pub points: Vec<String>,
    pub n_sites: usize,
    pub via: Vec<String>,
    /// Which `probe` of the user's script.
    pub source_probe: u32,
    pub span: Span,
    /// It runs in the kernel.
    pub in_kernel: bool,
}

/// A global as panes and the print at exit show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalInfo {
    pub name: String,
    pub store: ir::StoreId,
    /// Declared by the user's script and not hidden.
    pub user: bool,
    pub write_only: bool,
    pub pointer: bool,
    /// The script itself asks for a histogram of it.
    pub hist: Option<ir::HistShape>,
}
