//! Limits of this process: setrlimit(2).

use std::{fmt, io};

use super::check;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    AddressSpace,
    Cpu,
    Processes,
    Stack,
    FileSize,
}

impl fmt::Display for Resource {
    /// As the option that limits it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::AddressSpace => "rlimit-as",
            Resource::Cpu => "rlimit-cpu",
            Resource::Processes => "rlimit-nproc",
            Resource::Stack => "rlimit-stack",
            Resource::FileSize => "rlimit-fsize",
        })
    }
}

/// Sets the soft and the hard limit; `u64::MAX` is none. Bytes, but for seconds of processor time and numbers of processes.
///
/// # Errors
/// EPERM when it is above the hard limit and there is no privilege to raise it.
pub fn set(resource: Resource, limit: u64) -> io::Result<()> {
    let resource = match resource {
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::Stack => libc::RLIMIT_STACK,
        Resource::FileSize => libc::RLIMIT_FSIZE,
    };
    let both = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: reads `both`, which outlives the call.
    check(i64::from(unsafe { libc::setrlimit(resource, &both) })).map(drop)
}
