//! What others may ask of a running script: its files, and its standard input.

use std::path::Path;

use super::{Engine, UserRun};
use crate::{
    builtins::{Value, host::value},
    runtime::{
        files::{self, FileSpec, Pieces, Request, Requests, ScriptFiles},
        session::SessionEvent,
    },
    sys::tty::KeyByKey,
};

/// The script's files and its input: what runs, and how it is told.
#[derive(Default)]
pub(super) struct Doors {
    specs: Vec<FileSpec>,
    /// Of each file: its handlers, and how much of a text is given out.
    file_runs: Vec<(Vec<UserRun>, Option<u32>)>,
    pub char_runs: Vec<UserRun>,
    pub line_runs: Vec<UserRun>,
    requests: Option<Requests>,
    open: Option<ScriptFiles>,
    pieces: Pieces,
    keys: Option<KeyByKey>,
}

impl Doors {
    pub fn add(&mut self, path: &str, write: bool, umask: u32, max_bytes: Option<u32>, run: UserRun) {
        let known = self.specs.iter().position(|spec| spec.path == path && spec.write == write);
        let idx = known.unwrap_or_else(|| {
            self.specs.push(FileSpec { path: path.to_owned(), write, umask });
            self.file_runs.push((Vec::new(), None));
            self.specs.len() - 1
        });
        let (runs, most) = &mut self.file_runs[idx];
        runs.push(run);
        *most = (*most).max(max_bytes);
    }
}

impl Engine {
    /// Makes the script's files and listens to its input.
    pub(super) fn open_doors(&mut self) {
        let has_input = !self.doors.char_runs.is_empty() || !self.doors.line_runs.is_empty();
        let Some(inputs) = self.inputs.as_ref().filter(|_| has_input || !self.doors.specs.is_empty()) else { return };
        let requests = Requests::new(inputs.bell.clone());
        let mut warnings = Vec::new();
        if !self.doors.specs.is_empty() {
            match ScriptFiles::open(&folder_name(&self.plan.options.script_name), &self.doors.specs, &requests) {
                Ok(files) => {
                    warnings.push(format!("the script's files are in {}", files.folder.display()));
                    self.doors.open = Some(files);
                }
                Err(error) => warnings.push(format!("cannot make the script's files: {error}")),
            }
        }
        if has_input && self.outbox.is_screen() {
            warnings.push("the keyboard is the dashboard's: input probes do not run here".to_owned());
        } else if has_input {
            match files::listen_to_input(&requests) {
                Ok(keys) => self.doors.keys = keys,
                Err(error) => warnings.push(format!("cannot read the standard input: {error}")),
            }
        }
        self.doors.requests = Some(requests);
        for warning in warnings {
            self.outbox.event(SessionEvent::Warning(warning));
        }
    }

    /// Runs the handlers of files that are read or written to, and of input.
    pub(super) fn answer_requests(&mut self) {
        while let Some(request) = self.doors.requests.as_ref().and_then(|requests| requests.receiver.try_recv().ok()) {
            match request {
                Request::Read { file, answer } => {
                    let (runs, most) = self.doors.file_runs[file].clone();
                    let mut text = self.run_with(&runs, Vec::new());
                    let string = self.plan.lowered.ir.limits.max_string_len as usize - 1;
                    text.truncate(most.map_or(string, |most| most as usize));
                    // Whoever asked may be gone.
                    let _ = answer.send(text);
                }
                Request::Written { file, text } => {
                    let (runs, _) = self.doors.file_runs[file].clone();
                    self.run_with(&runs, text);
                }
                Request::Input(bytes) => {
                    let (chars, lines) = (self.doors.char_runs.clone(), self.doors.line_runs.clone());
                    for byte in &bytes {
                        self.run_with(&chars, vec![*byte]);
                        for line in self.doors.pieces.lines(&[*byte]) {
                            self.run_with(&lines, line);
                        }
                    }
                }
            }
            self.outbox.flush();
        }
    }

    /// Runs handlers that are told a text; gives the one they leave.
    fn run_with(&mut self, runs: &[UserRun], text: Vec<u8>) -> Vec<u8> {
        self.shared.state.insert(value::VALUE.to_owned(), Value::Str(text));
        for run in runs {
            self.run_timer(*run);
        }
        match self.shared.state.remove(value::VALUE) {
            Some(Value::Str(text)) => text,
            _ => Vec::new(),
        }
    }
}

/// What the folder of a script's files is called: as its file, without folder and ending.
fn folder_name(script: &str) -> String {
    let stem = Path::new(script).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.filter(|stem| !stem.starts_with(['<', '.']) && !stem.is_empty());
    stem.unwrap_or_else(|| format!("session.{}", std::process::id()))
}
