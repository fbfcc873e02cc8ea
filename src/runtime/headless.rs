//! A session without a screen: output to a file or standard output, warnings and errors to standard error in SystemTap's
//! words, the exit code back.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio::sync::mpsc::Receiver;

use super::{
    SessionHandle,
    recording::Recorder,
    session::{EndReport, ScriptError, SessionCommand, SessionEvent},
};

/// Where a script's output goes.
pub struct Sink {
    out: Box<dyn Write + Send>,
    /// `None` for standard output.
    path: Option<PathBuf>,
}

impl Sink {
    pub fn stdout() -> Self {
        Self { out: Box::new(io::stdout()), path: None }
    }

    /// Creates or truncates the file.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self { out: Box::new(File::create(path)?), path: Some(path.to_owned()) })
    }

    pub fn to(out: Box<dyn Write + Send>) -> Self {
        Self { out, path: None }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        // Standard output is buffered by line; a batch is shown whole.
        self.out.flush()
    }

    fn complain(&self, error: &io::Error) -> String {
        match &self.path {
            Some(path) => format!("ERROR: cannot write to \"{}\": {error}", path.display()),
            None => format!("ERROR: cannot write to standard output: {error}"),
        }
    }
}

/// What the pump says besides the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// -w: no warnings.
    pub suppress_warnings: bool,
}

/// Moves a session's events to where they belong until it has ended. Blocks.
///
/// A closed pipe ends the session quietly, a full disk with a message and exit code 1.
pub fn pump(
    handle: &SessionHandle,
    events: &mut Receiver<SessionEvent>,
    sink: &mut Sink,
    mut recorder: Option<&mut Recorder>,
    manner: Manner,
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
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        say(sink.complain(&error));
                    }
                    failed = Some(error.kind());
                    handle.send(SessionCommand::Stop);
                }
            }
            SessionEvent::Warning(text) if !manner.suppress_warnings => say(format!("WARNING: {text}")),
            SessionEvent::Error(error) => say(error_line(&error)),
            SessionEvent::Ended(mut report) => {
                if failed.is_some_and(|kind| kind != io::ErrorKind::BrokenPipe) {
                    report.exit_code = 1;
                }
                return report;
            }
            SessionEvent::Output(_)
            | SessionEvent::Warning(_)
            | SessionEvent::Started(_)
            | SessionEvent::Snapshot(_) => {}
        }
    }
    // The session's thread went without a word: a bug, and not a success.
    EndReport { exit_code: 1, ..EndReport::default() }
}

/// `ERROR: division by 0 near operator '/' at f.stp:1:30`.
pub fn error_line(error: &ScriptError) -> String {
    if error.near.is_empty() {
        format!("ERROR: {}", error.message)
    } else {
        format!("ERROR: {} near {}", error.message, error.near)
    }
}
