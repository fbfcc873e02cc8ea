//! Raw tracepoints: BPF_RAW_TRACEPOINT_OPEN, Linux 4.17. Attaching and detaching take a fraction of a millisecond.

use std::{
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
};

use super::AttachError;
use crate::{runtime::load::libc_errno, sys};

pub(super) fn attach(name: &str, program: &OwnedFd) -> Result<OwnedFd, AttachError> {
    let failed = |source: std::io::Error| {
        let name = name.to_owned();
        match source.raw_os_error() {
            Some(libc_errno::ENOENT) => AttachError::NoTracepoint { name, source },
            Some(libc_errno::EINVAL) => AttachError::TooFewArguments { name, source },
            _ => AttachError::refused(format!("tracepoint \"{name}\""), source),
        }
    };
    let c_name = CString::new(name).map_err(|error| failed(error.into()))?;
    sys::bpf::raw_tracepoint_open(&c_name, program.as_fd()).map_err(failed)
}
