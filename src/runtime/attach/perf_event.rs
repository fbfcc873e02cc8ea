//! `timer.profile`: the software CPU clock on every online processor. It samples busy processors only, as SystemTap's does
//! not: an idle one has no running clock. perf_event_open(2), PERF_COUNT_SW_CPU_CLOCK.

use std::os::fd::{AsFd, OwnedFd};

use super::AttachError;
use crate::{runtime::load::libc_errno, sys};

/// `timer.profile` without a rate: once a tick of a usual kernel.
pub(super) const DEFAULT_HZ: u64 = 1000;

pub(super) fn attach(hz: u64, program: &OwnedFd) -> Result<Vec<OwnedFd>, AttachError> {
    let failed = |source: std::io::Error| match source.raw_os_error() {
        Some(libc_errno::EINVAL) => AttachError::Rate { hz, source },
        _ => AttachError::refused("the profiling clock".to_owned(), source),
    };
    sys::online_cpus()
        .into_iter()
        .map(|cpu| {
            let event = sys::perf_event::open_cpu_clock(cpu, hz).map_err(failed)?;
            sys::perf_event::attach(event.as_fd(), program.as_fd()).map_err(failed)?;
            Ok(event)
        })
        .collect()
}
