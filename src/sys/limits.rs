//! Limits of this process: setrlimit(2). How many files may be open, above all: every probe that has a link of its own is
//! one.

use std::{fmt, io, os::unix::process::CommandExt, process::Command, sync::OnceLock};

use super::check;

/// What the limit was before it was raised: programs that this one starts have it again.
static BEFORE: OnceLock<libc::rlimit> = OnceLock::new();

fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the structure.
    check(i64::from(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })).ok().map(|_| limit)
}

/// Room for so many more files than a program has by itself, as far as that is allowed; the kernel says so when it was not
/// enough.
pub fn make_room_for_files(n: usize) {
    /// For everything that is no probe.
    const OWN: u64 = 512;
    let Some(before) = limit() else { return };
    let wanted = n as u64 + OWN;
    if before.rlim_cur >= wanted {
        return;
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: wanted.max(before.rlim_max) };
    let most = libc::rlimit { rlim_cur: wanted.min(before.rlim_max), rlim_max: before.rlim_max };
    // A limit above the present one wants a privilege.
    // SAFETY: it reads the structure.
    let set = |limit| check(i64::from(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })).is_ok();
    if set(raised) || set(most) {
        BEFORE.get_or_init(|| before);
    }
}

/// The program starts with the limit this one started with: more files than select(2) can take surprise some.
pub fn as_it_was(command: &mut Command) {
    let Some(before) = BEFORE.get().copied() else { return };
    // SAFETY: between fork and exec only setrlimit is called, which signal-safety(7) allows in effect: a plain system call.
    unsafe {
        command.pre_exec(move || {
            libc::setrlimit(libc::RLIMIT_NOFILE, &before);
            Ok(())
        })
    };
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_and_other_programs_do_not_notice() {
        let soft = |command: &mut Command| {
            let output = command.args(["-c", "ulimit -n"]).output().expect("there is a shell");
            String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("is a number")
        };
        let before = limit().expect("there is one");
        let wanted = before.rlim_cur + 100;
        make_room_for_files(wanted as usize);
        let after = limit().expect("there is one");
        // Nobody but root gets beyond the hard limit.
        assert!(after.rlim_cur > wanted || after.rlim_cur == before.rlim_max, "{} {}", after.rlim_cur, wanted);
        let mut shell = Command::new("/bin/sh");
        as_it_was(&mut shell);
        assert_eq!(soft(&mut shell), before.rlim_cur);
    }
}
