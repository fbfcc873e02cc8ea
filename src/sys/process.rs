//! A command that is forked now and executed later: `-c CMD` has its process id before the probes are live.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use super::{check, check_fd};

/// A child held before its exec. Dropping it before [`HeldChild::release`] makes the child exit unseen.
#[derive(Debug)]
pub struct HeldChild {
    pid: u32,
    pidfd: OwnedFd,
    gate: Option<OwnedFd>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    fn of(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            Exit::Code(libc::WEXITSTATUS(status))
        }
    }
}

impl HeldChild {
    /// Forks a child that waits for [`HeldChild::release`] and then executes `program` (a path) with `argv`.
    ///
    /// In the child signals are at their defaults and unblocked. If the exec fails it exits with 127.
    /// `output`: its standard output and error, with /dev/null for input; `None`: ours, all three.
    pub fn spawn(program: CString, argv: Vec<CString>, output: Option<BorrowedFd>) -> io::Result<Self> {
        let nothing = output.map(|_| std::fs::File::open("/dev/null")).transpose()?;
        let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|arg| arg.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let mut pipe = [0i32; 2];
        // SAFETY: pipe2 writes two descriptors.
        check(i64::from(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) }))?;
        // SAFETY: pipe2 just opened both for us.
        let (hold, gate) = unsafe { (OwnedFd::from_raw_fd(pipe[0]), OwnedFd::from_raw_fd(pipe[1])) };
        // SAFETY: other threads may exist, so the child calls only what signal-safety(7) allows and allocates nothing.
        let pid = check(i64::from(unsafe { libc::fork() }))?;
        if pid == 0 {
            // SAFETY: see above; `pointers` was built before the fork and ends with null.
            unsafe {
                libc::close(gate.as_raw_fd());
                let mut byte = 0u8;
                let mut n = libc::read(hold.as_raw_fd(), (&raw mut byte).cast(), 1);
                while n < 0 && *libc::__errno_location() == libc::EINTR {
                    n = libc::read(hold.as_raw_fd(), (&raw mut byte).cast(), 1);
                }
                if n == 1 {
                    if let (Some(output), Some(nothing)) = (output, &nothing) {
                        libc::dup2(nothing.as_raw_fd(), 0);
                        libc::dup2(output.as_raw_fd(), 1);
                        libc::dup2(output.as_raw_fd(), 2);
                    }
                    let mut none: libc::sigset_t = std::mem::zeroed();
                    libc::sigemptyset(&mut none);
                    libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
                    // Rust ignores SIGPIPE; programs expect the default.
                    libc::signal(libc::SIGPIPE, libc::SIG_DFL);
                    libc::execv(program.as_ptr(), pointers.as_ptr());
                }
                libc::_exit(127);
            }
        }
        // SAFETY: takes numbers, gives a new descriptor (close-on-exec by itself).
        let pidfd = check_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        Ok(Self { pid: pid as u32, pidfd, gate: Some(gate) })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it run; later calls do nothing.
    pub fn release(&mut self) -> io::Result<()> {
        let Some(gate) = self.gate.take() else { return Ok(()) };
        // SAFETY: writes one byte of a constant.
        check(unsafe { libc::write(gate.as_raw_fd(), c"g".as_ptr().cast(), 1) } as i64).map(drop)
    }

    /// How it ended, if it has; collects it.
    pub fn try_wait(&mut self) -> Option<Exit> {
        let mut status = 0;
        // SAFETY: waits for our own child without blocking; `status` outlives the call.
        let pid = unsafe { libc::waitpid(self.pid as i32, &mut status, libc::WNOHANG) };
        if pid != self.pid as i32 {
            return None;
        }
        Some(Exit::of(status))
    }
}

impl Drop for HeldChild {
    fn drop(&mut self) {
        if self.gate.take().is_some() {
            // Never released: it leaves at once when the pipe closes, so collecting it does not block for long.
            let mut status = 0;
            // SAFETY: waits for our own child; `status` outlives the call.
            unsafe { libc::waitpid(self.pid as i32, &mut status, 0) };
        }
    }
}

impl AsFd for HeldChild {
    /// Readable when the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Who goes on after [`go_to_background`].
#[derive(Debug)]
pub enum Side {
    /// The one that was started, with the background's process id: waits for word from it.
    Front { pid: u32, word: OwnedFd },
    /// The one in the background, in a session of its own: says when it is under way.
    Back { word: OwnedFd },
}

/// Forks: the child is to go on without a terminal. Only for a process that has one thread yet.
///
/// # Errors
/// No process can be made.
pub fn go_to_background() -> io::Result<Side> {
    let mut pipe = [0i32; 2];
    // SAFETY: pipe2 writes two descriptors.
    check(i64::from(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) }))?;
    // SAFETY: pipe2 just opened both for us.
    let (front, back) = unsafe { (OwnedFd::from_raw_fd(pipe[0]), OwnedFd::from_raw_fd(pipe[1])) };
    // SAFETY: the caller has one thread, so the child is whole.
    let pid = check(i64::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        // SAFETY: has no arguments; a fresh child leads no group, so it cannot fail.
        unsafe { libc::setsid() };
        return Ok(Side::Back { word: back });
    }
    Ok(Side::Front { pid: pid as u32, word: front })
}

/// Puts /dev/null in the place of standard input, output and error.
///
/// # Errors
/// There is no /dev/null.
pub fn leave_terminal() -> io::Result<()> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for fd in 0..3 {
        // SAFETY: both are open; the old descriptor of that number is closed by the call.
        check(i64::from(unsafe { libc::dup2(nothing.as_raw_fd(), fd) }))?;
    }
    Ok(())
}

/// The exit code of our own child once it has ended; waits for it.
pub fn wait_for(pid: u32) -> io::Result<Exit> {
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    check(i64::from(unsafe { libc::waitpid(pid as i32, &mut status, 0) }))?;
    Ok(Exit::of(status))
}

/// A descriptor that becomes readable when the process ends. pidfd_open(2), Linux 5.3.
///
/// # Errors
/// ESRCH when there is no such process.
pub fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers, gives a new descriptor.
    check_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}
