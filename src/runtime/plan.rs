//! What pass 5 gets: programs, user handlers, attach plans and formats, nothing left to decide.

use tapdeck_ebpf::ir;

use crate::{builtins::Stream, language::format::Format, probes::attach_plan::AttachPlan, source::Span};

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
    /// Functions by name for host calls are indices into `builtins`; kept here to print messages.
    pub warnings: Vec<String>,
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
