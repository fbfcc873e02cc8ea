//! A session without a screen: output to a file or standard output, warnings and errors to standard error in SystemTap's
//! words, the exit code back.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use tokio::sync::mpsc::Receiver;

use super::{
    SessionHandle,
    output_files::OutputFiles,
    recording::Recorder,
    session::{EndReport, ScriptError, SessionCommand, SessionEvent},
};
use crate::{
    diagnostics::color::{Palette, Role},
    sys::{poll::wait_writable, signals::is_impatient},
};

/// What a pipe that takes anything takes whole: PIPE_BUF of pipe(7).
const AT_ONCE: usize = 4096;
/// How often somebody who waits for a reader asks whether it is worth it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where a script's output goes.
pub struct Sink {
    out: Out,
    /// Where a reader may take his time: a pipe, a socket, a terminal.
    slow: Option<OwnedFd>,
}

enum Out {
    Files(OutputFiles),
    /// Standard output, or a test's.
    Stream(Box<dyn Write + Send>),
}

impl Sink {
    pub fn stdout() -> Self {
        let copy = || io::stdout().as_fd().try_clone_to_owned();
        let (Ok(out), Ok(fd)) = (copy(), copy()) else {
            return Self::to(Box::new(io::stdout()));
        };
        let out = File::from(out);
        let is_slow = out.metadata().is_ok_and(|metadata| !metadata.is_file());
        Self { out: Out::Stream(Box::new(out)), slow: is_slow.then_some(fd) }
    }

    pub fn files(files: OutputFiles) -> Self {
        Self { out: Out::Files(files), slow: None }
    }

    pub fn to(out: Box<dyn Write + Send>) -> Self {
        Self { out: Out::Stream(out), slow: None }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let out = match &mut self.out {
            Out::Files(files) => return files.write_all(bytes),
            Out::Stream(out) => out,
        };
        let Some(slow) = &self.slow else {
            out.write_all(bytes)?;
            return out.flush();
        };
        for part in bytes.chunks(AT_ONCE) {
            while !wait_writable(slow.as_fd(), None, Some(LOOK_EVERY))? {
                if is_impatient() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
            out.write_all(part)?;
        }
        Ok(())
    }

    fn complain(&self, error: &io::Error) -> String {
        match &self.out {
            Out::Files(files) => format!("ERROR: cannot write to \"{}\": {error}", files.path().display()),
            Out::Stream(_) => format!("ERROR: cannot write to standard output: {error}"),
        }
    }
}

/// What the pump says besides the output.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Of the words WARNING and ERROR.
    pub palette: Palette,
    /// -w: no warnings.
    pub suppress_warnings: bool,
}

/// Moves a session's events to where they belong until it has ended. Blocks.
///
/// `is_live` is called when the probes are. A closed pipe ends the session quietly, a full disk with a message and exit code 1.
pub fn pump(
    handle: &SessionHandle,
    events: &mut Receiver<SessionEvent>,
    sink: &mut Sink,
    mut recorder: Option<&mut Recorder>,
    manner: &Manner,
    is_live: &mut dyn FnMut(),
) -> EndReport {
    let mut failed = None;
    let say = |text: String| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    while let Some(event) = events.blocking_recv() {
        if let Some(Err(error)) = recorder.as_mut().map(|recorder| recorder.record(&event)) {
            say(format!("WARNING: the recording ends here: {error}"));
            recorder = None;
        }
        match event {
            SessionEvent::Output(bytes) if failed.is_none() => {
                if let Err(error) = sink.write(&bytes) {
                    if !is_quiet(error.kind()) {
                        say(sink.complain(&error));
                    }
                    failed = Some(error.kind());
                    handle.send(SessionCommand::Stop);
                }
            }
            SessionEvent::Warning(text) if !manner.suppress_warnings => {
                say(format!("{} {text}", manner.palette.paint(Role::Warning, "WARNING:")));
            }
            SessionEvent::Error(error) => say(error_line(&error, &manner.palette)),
            SessionEvent::Ended(mut report) => {
                if failed.is_some_and(|kind| !is_quiet(kind)) {
                    report.exit_code = 1;
                }
                return report;
            }
            SessionEvent::Started(_) => is_live(),
            SessionEvent::Output(_) | SessionEvent::Warning(_) | SessionEvent::Snapshot(_) => {}
        }
    }
    // The session's thread went without a word: a bug, and not a success.
    EndReport { exit_code: 1, ..EndReport::default() }
}

/// Nobody wants to hear of it: the reader went, or was given up.
fn is_quiet(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted)
}

/// `ERROR: division by 0 near operator '/' at f.stp:1:30`.
pub fn error_line(error: &ScriptError, palette: &Palette) -> String {
    let title = palette.paint(Role::Error, "ERROR:");
    if error.near.is_empty() {
        format!("{title} {}", error.message)
    } else {
        format!("{title} {} near {}", error.message, error.near)
    }
}
