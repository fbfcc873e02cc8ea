//! The thread that reads and writes files, so that a slow disk never keeps the screen waiting. It does its jobs in order and
//! answers with messages.

use std::{path::PathBuf, sync::mpsc as std_mpsc, thread, time::Duration};

use tokio::sync::mpsc;

use super::{
    app::{AfterSave, Msg},
    files::{self, Expect, Stamp},
    swap::{self, Keeper, Swap},
};
use crate::runtime::{recording::Header, session::SessionEvent};

/// Something to be done with files. `script` is a [`super::model::script::Script::id`].
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Answered with [`Msg::Opened`].
    Open(PathBuf),
    /// Answered with [`Msg::Saved`].
    Save {
        script: u64,
        path: PathBuf,
        bytes: Vec<u8>,
        version: u64,
        then: AfterSave,
        expect: Expect,
    },
    /// Answered with [`Msg::Changed`] if the file is not what is known of it.
    Look {
        script: u64,
        path: PathBuf,
        known: Option<Stamp>,
    },
    /// Unsaved text into its swap copy, answered with [`Msg::Kept`]; `replaces` is one it was recovered from.
    Keep {
        script: u64,
        swap: Swap,
        replaces: Option<PathBuf>,
    },
    /// The swap copy is not needed any more.
    Forget(u64),
    /// Answered with [`Msg::Left`]: swap copies of this file, or all; `asked`: somebody waits for the answer.
    FindLeft {
        path: Option<PathBuf>,
        asked: bool,
    },
    ForgetLeft(PathBuf),
    /// Answered with [`Msg::Exported`].
    Export {
        name: String,
        bytes: Vec<u8>,
        /// How much it is, for the message: `23 rows`.
        much: String,
    },
    /// A recording of what the history holds; answered as `Export`.
    Record {
        name: String,
        header: Header,
        events: Vec<(Duration, SessionEvent)>,
    },
}

/// The thread's door.
pub struct Disk {
    jobs: Option<std_mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Disk {
    pub fn start(answers: mpsc::UnboundedSender<Msg>) -> Self {
        let (jobs, queue) = std_mpsc::channel::<Job>();
        let thread = thread::spawn(move || {
            let mut keeper = swap::folder(|name| std::env::var(name).ok()).map(Keeper::new);
            while let Ok(job) = queue.recv() {
                if let Some(answer) = work(job, keeper.as_mut()) {
                    // Nobody listens when the dashboard leaves; what is to be written is written all the same.
                    let _ = answers.send(answer);
                }
            }
        });
        Self { jobs: Some(jobs), thread: Some(thread) }
    }

    pub fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// Waits until everything is written.
    pub fn finish(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Does a job; the answer, if it has one.
pub fn work(job: Job, keeper: Option<&mut Keeper>) -> Option<Msg> {
    match job {
        Job::Open(path) => {
            let result = files::read(&path).map_err(|error| format!("{}: {error}", path.display()));
            Some(Msg::Opened { path, result })
        }
        Job::Save { script, path, bytes, version, then, expect } => {
            let result = files::save(&path, &bytes, expect);
            Some(Msg::Saved { script, path, version, then, result })
        }
        Job::Look { script, path, known } => {
            // What cannot be read now may be a moment later; saving will say so.
            let found = files::read_if_changed(&path, known).ok()??;
            Some(Msg::Changed { script, found })
        }
        Job::Keep { script, swap, replaces } => {
            let kept = keeper?.keep(script, &swap);
            match kept {
                Ok(()) => {
                    if let Some(file) = replaces {
                        let _ = std::fs::remove_file(file);
                    }
                    Some(Msg::Kept { script })
                }
                Err(error) => {
                    let text = format!("{} is not safe until it is saved: no swap copy: {error}", swap.name);
                    Some(Msg::Toast { text, error: true })
                }
            }
        }
        Job::Forget(script) => {
            keeper?.forget(script);
            None
        }
        Job::FindLeft { path, asked } => {
            let left = keeper.map_or_else(Vec::new, |keeper| keeper.find(path.as_deref()));
            Some(Msg::Left { left, of_file: path.is_some(), asked })
        }
        Job::ForgetLeft(file) => {
            let _ = std::fs::remove_file(file);
            None
        }
        Job::Export { name, bytes, much } => Some(exported(&name, much, files::export(&name, &bytes))),
        Job::Record { name, header, events } => {
            let much = format!("{} events", events.len());
            Some(exported(&name, much, files::record(&name, header, &events)))
        }
    }
}

fn exported(name: &str, much: String, result: std::io::Result<PathBuf>) -> Msg {
    let done = result.map(|path| (path.display().to_string(), much));
    Msg::Exported(done.map_err(|error| format!("{name}: {error}")))
}
