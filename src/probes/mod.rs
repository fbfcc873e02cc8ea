//! Probe points: what can be written, where it lands, what a handler sees there and how it is attached. One file a family.

pub mod access;
pub mod attach_plan;
pub mod site;

use crate::{debuginfo::World, language::ast::ProbePoint};

/// One kind of probe point.
pub trait ProbeFamily: Sync {
    /// Every form that can be written, for `--dump-probe-types`, help and completion: `kernel.trace(STRING)`.
    fn patterns(&self) -> &'static [Pattern];

    /// `None`: not a point of this family. Wildcards in names and strings are the family's to expand.
    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved>;
}

/// A form of a probe point with its one-line explanation.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    pub text: &'static str,
    pub doc: &'static str,
}

/// What a point of a family came to.
#[derive(Clone, Debug)]
pub enum Resolved {
    Sites(Vec<site::ProbeSite>),
    /// It is ours but lands nowhere.
    Nothing(NoMatch),
}

/// Why a point lands nowhere, as a diagnostic's parts.
#[derive(Clone, Debug)]
pub struct NoMatch {
    /// Lower case, no full stop: `no match for tracepoint "sched_swich"`.
    pub message: String,
    /// Nearest names, best first; at most 5.
    pub similar: Vec<String>,
    /// The way out.
    pub help: Option<String>,
    /// Which part of the point is wrong, when one is.
    pub part_idx: Option<usize>,
}
