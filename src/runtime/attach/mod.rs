//! Carries out attach plans: one file a way. A link is a descriptor; closing it detaches, whatever ends the process.

mod perf_event;
mod raw_tracepoint;

use std::{io, os::fd::OwnedFd};

use tapdeck_ebpf::object::{Object, ProgramKind};
use thiserror::Error;

use super::{load::Loaded, load::libc_errno, plan::Lowered};
use crate::probes::attach_plan::AttachPlan;

/// Every link of a session; dropping it detaches all.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<OwnedFd>,
}

impl Links {
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

/// Attaches every program that serves an entry, in the order of the object.
pub fn attach(object: &Object, loaded: &Loaded, lowered: &Lowered) -> Result<Links, AttachError> {
    let mut links = Vec::new();
    for (program, fd) in object.programs.iter().zip(&loaded.programs) {
        let Some(entry) = program.entry else { continue };
        match &program.kind {
            ProgramKind::RawTracepoint { name } => links.push(raw_tracepoint::attach(name, fd)?),
            ProgramKind::PerfEvent => {
                let plans = lowered.attach.get(entry).map(Vec::as_slice).unwrap_or_default();
                let hz = plans.iter().find_map(|plan| match plan {
                    AttachPlan::Profile { hz } => Some(*hz),
                    _ => None,
                });
                links.extend(perf_event::attach(hz.unwrap_or(perf_event::DEFAULT_HZ), fd)?);
            }
        }
    }
    Ok(Links { links })
}
