//! Carries out attach plans: one file a way. A link is a descriptor; closing it detaches, whatever ends the process.

mod fentry;
mod kprobe;
mod perf_event;
mod raw_tracepoint;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tapdeck_ebpf::object::{Object, ProgramKind};
use thiserror::Error;

use super::{load::Loaded, load::libc_errno, plan::Lowered};
use crate::{probes::attach_plan::AttachPlan, sys};

/// Every link of a session; dropping it detaches all.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<OwnedFd>,
    /// Places of probes with many that the kernel refused; the probe has others.
    pub refused: Vec<Refusal>,
}

/// A place that cannot be probed.
#[derive(Debug)]
pub struct Refusal {
    pub place: String,
    pub source: io::Error,
}

/// Above this closing links is worth a thread: the kernel waits for its processors at each.
const FEW: usize = 4;

impl Links {
    /// Hits that never came to a program.
    pub fn missed(&self) -> u64 {
        self.links.iter().map(|link| sys::bpf::link_missed(link.as_fd())).sum()
    }

    /// Detaches without waiting where that could take long. Programs that should be quiet by then look at the session's
    /// state themselves.
    pub fn close(self) {
        if self.links.len() > FEW {
            // When no thread can be had the links close here.
            let _ = std::thread::Builder::new().name("tapdeck-detach".to_owned()).spawn(move || drop(self));
        }
    }

    /// What is said about refused places: how many, and the first.
    pub fn warning(&self) -> Option<String> {
        let first = self.refused.first()?;
        let n = self.refused.len();
        let rest = if n > 1 { format!(" and {} more", n - 1) } else { String::new() };
        Some(format!("cannot probe {}{rest}: {}", first.place, explain(&first.source)))
    }

    pub fn len(&self) -> usize {
        self.links.len()
    }

    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

/// A probe could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    #[error("the kernel has no tracepoint \"{name}\"")]
    NoTracepoint {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("tracepoint \"{name}\" has fewer arguments than the script reads")]
    TooFewArguments {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("no permission to attach {what}")]
    NotAllowed {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot probe {what}: {}", explain(.source))]
    Function {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("the kernel does not take {hz} samples a second")]
    Rate {
        hz: u64,
        #[source]
        source: io::Error,
    },
    #[error("cannot attach {what}: {source}")]
    Other {
        what: String,
        #[source]
        source: io::Error,
    },
}

impl AttachError {
    /// What a person can do about it.
    pub fn way_out(&self) -> Option<String> {
        match self {
            AttachError::NotAllowed { .. } => Some(super::features::way_out_of_eperm()),
            AttachError::Rate { .. } => {
                Some("/proc/sys/kernel/perf_event_max_sample_rate is the limit; ask for less".to_owned())
            }
            AttachError::NoTracepoint { .. } => Some("`tapdeck -l 'kernel.trace(\"*\")'` lists them".to_owned()),
            AttachError::Function { .. } => Some(
                "the list of functions that can be probed is /sys/kernel/tracing/available_filter_functions".to_owned(),
            ),
            AttachError::TooFewArguments { .. } | AttachError::Other { .. } => None,
        }
    }

    fn refused(what: String, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc_errno::EPERM | libc_errno::EACCES) => AttachError::NotAllowed { what, source },
            _ => AttachError::Other { what, source },
        }
    }
}

/// What the kernel means by refusing a function.
fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc_errno::ENOENT | libc_errno::ESRCH) => "the kernel has no such function to stop at".to_owned(),
        Some(libc_errno::EINVAL) => {
            "probes are not allowed there (part of tracing itself, code before it, or not traced at all)".to_owned()
        }
        Some(libc_errno::EADDRNOTAVAIL) => "it is used at several places, or is no instruction".to_owned(),
        Some(libc_errno::EBUSY) => "something else changes it: live patching or another tracer".to_owned(),
        Some(libc_errno::EOPNOTSUPP) => "the kernel was built without this way of probing".to_owned(),
        _ => error.to_string(),
    }
}

/// Attaches every program that serves an entry, in the order of the object.
pub fn attach(object: &Object, loaded: &Loaded, lowered: &Lowered) -> Result<Links, AttachError> {
    let n_links: usize = lowered.attach.iter().map(Vec::len).sum();
    sys::limits::make_room_for_files(n_links + object.programs.len() + object.maps.len());
    let (mut links, mut refused) = (Vec::new(), Vec::new());
    for (program, fd) in object.programs.iter().zip(&loaded.programs) {
        let Some(entry) = program.entry else { continue };
        let plans = lowered.attach.get(entry).map(Vec::as_slice).unwrap_or_default();
        match &program.kind {
            ProgramKind::Fentry { function, exit, .. } => links.push(fentry::attach(function, *exit, fd)?),
            ProgramKind::Kprobe { multi, exit } => {
                let targets: Vec<_> = plans
                    .iter()
                    .filter_map(|plan| match plan {
                        AttachPlan::Function { target, .. } => Some(target),
                        _ => None,
                    })
                    .collect();
                let attached = kprobe::attach(&targets, *multi, *exit, fd)?;
                links.extend(attached.links);
                refused.extend(attached.refused);
            }
            ProgramKind::RawTracepoint { name } => links.push(raw_tracepoint::attach(name, fd)?),
            ProgramKind::PerfEvent => {
                let hz = plans.iter().find_map(|plan| match plan {
                    AttachPlan::Profile { hz } => Some(*hz),
                    _ => None,
                });
                links.extend(perf_event::attach(hz.unwrap_or(perf_event::DEFAULT_HZ), fd)?);
            }
        }
    }
    Ok(Links { links, refused })
}
