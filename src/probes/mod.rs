//! Probe points: what can be written, where it lands, what a handler sees there and how it is attached. One file a family.

pub mod access;
pub mod attach_plan;
pub mod begin_end;
pub mod browse;
pub mod casts;
pub mod catalogue;
mod dwarf_scope;
pub mod forms;
mod function_scope;
pub mod kernel_function;
pub mod kernel_statement;
pub mod kernel_trace;
pub mod members;
pub mod pattern;
mod pretty;
pub mod process;
pub mod script_files;
pub mod site;
pub mod syscall;
pub mod timer;
pub mod unsupported;

pub use casts::{pretty_cast, pretty_var, resolve_cast, resolve_var};
pub use catalogue::{CatalogueEntry, catalogue};

use crate::{
    debuginfo::{World, model::Traceable},
    language::ast::ProbePoint,
};

/// One kind of probe point.
pub trait ProbeFamily: Sync {
    /// Every form that can be written, for `--dump-probe-types`, help and completion: `kernel.trace(STRING)`.
    fn patterns(&self) -> &'static [Pattern];

    /// `None`: not a point of this family. Wildcards in names and strings are the family's to expand.
    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved>;

    /// The lines of a listing, where they are more than what [`ProbeFamily::resolve`] gives, or cheaper. `None`: the sites
    /// of the point are its lines. Those that cannot be probed are among them.
    fn list(&self, _point: &ProbePoint, _with_variables: bool, _world: &World) -> Option<Vec<Listed>> {
        None
    }
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub point: String,
    /// `$…` with their types; empty unless asked for.
    pub context: Vec<site::ContextVariable>,
    /// How it can be probed at best.
    pub traceable: Traceable,
}

/// Every family, asked in this order; the first that knows a point has it.
pub static FAMILIES: &[&dyn ProbeFamily] = &[
    &begin_end::BeginEnd,
    &timer::Timer,
    &kernel_trace::KernelTrace,
    &kernel_function::KernelFunction,
    &kernel_statement::KernelStatement,
    &process::Process,
    &script_files::ScriptFiles,
    &syscall::Syscall,
    &unsupported::Unsupported,
];

/// Asks every family. `None`: no family knows the point.
pub fn resolve(point: &ProbePoint, world: &World) -> Option<Resolved> {
    FAMILIES.iter().find_map(|family| family.resolve(point, world))
}

/// Asks every family for the lines of a listing; see [`ProbeFamily::list`].
pub fn list(point: &ProbePoint, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
    FAMILIES.iter().find_map(|family| family.list(point, with_variables, world))
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

impl NoMatch {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), similar: Vec::new(), help: None, part_idx: None }
    }

    pub fn at_part(mut self, part_idx: usize) -> Self {
        self.part_idx = Some(part_idx);
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn similar(mut self, similar: Vec<String>) -> Self {
        self.similar = similar;
        self
    }

    /// The way out: what was said, or else the nearest names.
    pub fn way_out(&self) -> Option<String> {
        self.help.clone().or_else(|| match &self.similar[..] {
            [] => None,
            [nearest] => Some(format!("did you mean '{nearest}'?")),
            [nearest, others @ ..] => Some(format!("did you mean '{nearest}'? also near: {}", others.join(", "))),
        })
    }
}

impl From<NoMatch> for Resolved {
    fn from(no_match: NoMatch) -> Self {
        Resolved::Nothing(no_match)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    pub fn point(text: &str) -> ProbePoint {
        catalogue::simple_point(text).expect("a simple point")
    }

    /// `POINT PLAN` of each site, or why there is none; on a machine of which nothing is known.
    pub fn resolve_text(text: &str) -> String {
        let world = World::new(std::sync::Arc::new(crate::host::Recorded::new("/nonexistent")));
        match resolve(&point(text), &world) {
            Some(Resolved::Sites(sites)) => {
                let texts = sites.iter().map(|site| format!("{} {:?}", site.point, site.attach));
                texts.collect::<Vec<_>>().join("; ")
            }
            Some(Resolved::Nothing(no_match)) => {
                format!("{} {:?} part {:?}", no_match.message, no_match.similar, no_match.part_idx)
            }
            None => "unknown".to_owned(),
        }
    }
}
