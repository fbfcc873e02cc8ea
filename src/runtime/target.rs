//! The target: `-c CMD`, forked and held before its exec until probes are live, or `-x PID`.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::sys::{
    self,
    process::{Exit, HeldChild},
};

/// What `target()` is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    #[default]
    None,
    /// `-x PID`. The session does not depend on it living on.
    Pid(u32),
    /// `-c CMD`. Its end is the session's.
    Command(String),
}

#[derive(Debug, Error)]
pub enum TargetError {
    #[error("there is no process {pid}")]
    NoProcess { pid: u32 },
    #[error("the command of -c is empty")]
    EmptyCommand,
    #[error("the command of -c holds a NUL byte")]
    Nul,
    #[error("command \"{command}\" not found")]
    NotFound { command: String },
    #[error("cannot start \"{command}\": {source}")]
    Start {
        command: String,
        #[source]
        source: io::Error,
    },
}

/// A target that exists.
#[derive(Debug)]
pub enum LiveTarget {
    None,
    Pid(u32),
    Command(HeldChild),
}

impl LiveTarget {
    /// Starts (held) or looks up the target.
    ///
    /// `output`: where a command writes, which then reads nothing; else it has our own input and output.
    pub fn open(target: &Target, output: Option<BorrowedFd>) -> Result<Self, TargetError> {
        match target {
            Target::None => Ok(LiveTarget::None),
            Target::Pid(pid) => match sys::signals::kill(*pid, 0) {
                // EPERM: it is there and somebody else's.
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                    Err(TargetError::NoProcess { pid: *pid })
                }
                _ => Ok(LiveTarget::Pid(*pid)),
            },
            Target::Command(command) => hold(command, output).map(LiveTarget::Command),
        }
    }

    /// `target()`.
    pub fn pid(&self) -> Option<u32> {
        match self {
            LiveTarget::None => None,
            LiveTarget::Pid(pid) => Some(*pid),
            LiveTarget::Command(child) => Some(child.pid()),
        }
    }

    /// Lets a held command run.
    pub fn release(&mut self) -> io::Result<()> {
        match self {
            LiveTarget::Command(child) => child.release(),
            _ => Ok(()),
        }
    }

    /// Readable when a command has ended.
    pub fn exit_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            LiveTarget::Command(child) => Some(child.as_fd()),
            _ => None,
        }
    }

    /// How the command ended, if it has.
    pub fn try_wait(&mut self) -> Option<Exit> {
        match self {
            LiveTarget::Command(child) => child.try_wait(),
            _ => None,
        }
    }
}

/// The warning about a command that did not end well.
pub fn exit_warning(exit: Exit) -> Option<String> {
    match exit {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!("Child process exited with status {code}")),
        Exit::Signal(signal) => Some(format!("Child process exited with signal {signal} ({})", signal_name(signal))),
    }
}

/// As strsignal(3) has it.
fn signal_name(signal: i32) -> String {
    #[rustfmt::skip]
    const NAMES: [&str; 31] = [
        "Hangup", "Interrupt", "Quit", "Illegal instruction", "Trace/breakpoint trap", "Aborted", "Bus error",
        "Floating point exception", "Killed", "User defined signal 1", "Segmentation fault", "User defined signal 2",
        "Broken pipe", "Alarm clock", "Terminated", "Stack fault", "Child exited", "Continued", "Stopped (signal)",
        "Stopped", "Stopped (tty input)", "Stopped (tty output)", "Urgent I/O condition", "CPU time limit exceeded",
        "File size limit exceeded", "Virtual timer expired", "Profiling timer expired", "Window changed", "I/O possible",
        "Power failure", "Bad system call",
    ];
    match usize::try_from(signal).ok().and_then(|n| NAMES.get(n.checked_sub(1)?)) {
        Some(name) => (*name).to_owned(),
        None => format!("Real-time signal {}", signal - 34),
    }
}

fn hold(command: &str, output: Option<BorrowedFd>) -> Result<HeldChild, TargetError> {
    // Plain words run directly, so that target() is the command itself; what only a shell understands runs in one.
    let words = match split_words(command) {
        Some(words) => words,
        None => vec!["/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()],
    };
    let first = words.first().ok_or(TargetError::EmptyCommand)?;
    let program = find_program(first).ok_or_else(|| TargetError::NotFound { command: first.clone() })?;
    let to_c = |bytes: &[u8]| CString::new(bytes).map_err(|_| TargetError::Nul);
    let argv = words.iter().map(|word| to_c(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    HeldChild::spawn(to_c(program.as_os_str().as_bytes())?, argv, output)
        .map_err(|source| TargetError::Start { command: command.to_owned(), source })
}

/// Splits at blanks, with quotes and backslashes as a shell reads them. `None` when a shell is needed for more.
pub fn split_words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '$' | '`' => return None,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | '#' | '~' | '{' | '}' | '!'
            | '\n' => return None,
            // `A=b cmd` sets a variable.
            '=' if words.is_empty() => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn find_program(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| runs(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| runs(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        let split = |text| split_words(text).map(|words| words.join("|"));
        assert_eq!(split("ls  -l /tmp").as_deref(), Some("ls|-l|/tmp"));
        assert_eq!(split(r#"echo 'a  b' "c \"d" e\ f"#).as_deref(), Some(r#"echo|a  b|c "d|e f"#));
        assert_eq!(split("dd if=/dev/zero").as_deref(), Some("dd|if=/dev/zero"));
        assert_eq!(split("echo ''").as_deref(), Some("echo|"));
        for needs_shell in ["a | b", "echo $HOME", "A=1 b", "ls *.c", "a; b", "echo \"$x\"", "'open"] {
            assert_eq!(split(needs_shell), None, "{needs_shell}");
        }
    }

    fn wait(target: &mut LiveTarget) -> Exit {
        let fd = target.exit_fd().unwrap();
        crate::sys::poll::wait_readable([Some(fd)], Some(std::time::Duration::from_secs(10))).unwrap();
        target.try_wait().expect("it ended")
    }

    #[test]
    fn a_command_waits_for_release() {
        let mark = std::env::temp_dir().join(format!("tapdeck-target-{}", std::process::id()));
        let _ = std::fs::remove_file(&mark);
        let command = format!("touch {}; exit 3", mark.display());
        let mut target = LiveTarget::open(&Target::Command(command), None).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!mark.exists(), "it ran before its release");
        assert!(target.try_wait().is_none());
        target.release().unwrap();
        assert_eq!(wait(&mut target), Exit::Code(3));
        assert!(mark.exists());
        std::fs::remove_file(&mark).unwrap();
        assert_eq!(exit_warning(Exit::Code(3)).unwrap(), "Child process exited with status 3");
    }

    #[test]
    fn a_command_never_released_leaves_no_process() {
        let target = LiveTarget::open(&Target::Command("sleep 100".to_owned()), None).unwrap();
        let pid = target.pid().unwrap();
        drop(target);
        assert!(sys::signals::kill(pid, 0).is_err());
    }

    #[test]
    fn says_what_is_not_there() {
        let error = LiveTarget::open(&Target::Command("no-such-command-here x".to_owned()), None).unwrap_err();
        assert_eq!(error.to_string(), "command \"no-such-command-here\" not found");
        let error = LiveTarget::open(&Target::Pid(0x3fff_fff0), None).unwrap_err();
        assert_eq!(error.to_string(), "there is no process 1073741808");
    }
}
