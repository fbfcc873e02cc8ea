//! Trampolines at entries and returns of kernel functions: BPF_PROG_TYPE_TRACING, Linux 5.5 (modules 5.11). The program
//! was loaded for its function, so there is nothing to say here.

use std::os::fd::{AsFd, OwnedFd};

use super::AttachError;
use crate::sys;

pub(super) fn attach(function: &str, exit: bool, program: &OwnedFd) -> Result<OwnedFd, AttachError> {
    sys::bpf::tracing_open(program.as_fd()).map_err(|source| {
        let what = if exit { format!("the return of \"{function}\"") } else { format!("\"{function}\"") };
        AttachError::Function { what, source }
    })
}
