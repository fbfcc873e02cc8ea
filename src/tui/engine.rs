//! The dashboard's three doors to the outside: something that runs scripts, something that checks them while one types,
//! and a catalogue of probe points. The command line implements them over the real pipeline; [`super::fake`] and
//! [`super::replay`] implement them for demos and tests. Nothing here draws, compiles or asks the machine.

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    diagnostics::Severity,
    runtime::session::{SessionCommand, SessionEvent},
};

/// Which start a message belongs to. The dashboard counts up from 1 and engines echo it.
pub type RunId = u64;

/// What may be said about a run besides the script itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Script arguments, `$1 @1 …`.
    pub args: Vec<String>,
    /// `-x`.
    pub target: Option<u32>,
    /// `-c`.
    pub command: Option<String>,
    /// `-s`: the ring buffer, in megabytes.
    pub buffer_mb: Option<u32>,
}

/// A script to compile and run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRequest {
    pub run: RunId,
    /// The script's bytes as they would be saved, without the session block.
    pub text: Vec<u8>,
    /// What diagnostics call it.
    pub file_name: String,
    pub options: StartOptions,
    /// However far it reaches: [`EngineEvent::Asks`] was answered.
    pub is_confirmed: bool,
}

/// Hits to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRequest {
    /// With wildcards.
    pub point: String,
    pub over: Duration,
}

/// Runs scripts. All work happens off the caller's thread; no method blocks.
///
/// While one script runs another may be started: the engine compiles, verifies and attaches the new one, sends its
/// `Started`, and only then ends the old one. If the new one fails, the old one keeps running.
pub trait Engine: Send {
    fn start(&mut self, request: StartRequest);
    /// Counts hits beside whatever runs; the answer is [`EngineEvent::Counted`].
    fn count(&mut self, request: CountRequest);
    /// For the script that runs now; ignored when none does.
    fn command(&mut self, command: SessionCommand);
    /// The receiving end of what happens. Called once, before the first `start`.
    fn events(&mut self) -> mpsc::UnboundedReceiver<EngineEvent>;
}

/// What an engine tells.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// Passes 1 to 4 have begun.
    Compiling { run: RunId },
    /// What the compiler found, warnings too; errors are followed by `Failed`.
    Diagnostics { run: RunId, list: Vec<EditorDiagnostic> },
    /// Verified; now the kernel is being told where to stop, at so many places in its functions. It may take a while.
    Attaching { run: RunId, places: usize },
    /// The script reaches so far that the user has to say yes, by a start that is confirmed. What it means, a sentence each.
    Asks { run: RunId, places: usize, said: Vec<String> },
    /// From the running session.
    Session { run: RunId, event: SessionEvent },
    /// The script does not run. `message` is one sentence, `help` the way out, `text` what the compiler or the kernel's
    /// verifier said word for word; an older run goes on.
    Failed { run: RunId, message: String, help: Option<String>, text: String },
    /// Hits by point, most first, of a [`CountRequest`]; or why they cannot be counted.
    Counted { point: String, result: Result<Vec<(String, u64)>, String> },
    /// Debug information could be fetched from a server; whoever looks for it waits for the answer.
    Offers(Offer),
    /// Anything else worth a line in the log.
    Note(String),
}

/// Something to be fetched, if the user wants that.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What, and from whom.
    pub text: String,
    /// Takes the answer; without one it is no.
    pub answer: std::sync::mpsc::Sender<bool>,
}

/// A finding placed in the editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditorDiagnostic {
    /// 1-based.
    pub line: usize,
    /// Bytes in that line, from 0, half open; clipped to the line when shown.
    pub columns: Range<usize>,
    pub severity: Severity,
    pub message: String,
    /// The way out. `{action}` is its key.
    pub help: Option<String>,
    /// Text that replaces `columns`.
    pub fix: Option<String>,
}

/// Checks and completes. Called on a worker thread, one call at a time.
pub trait Checker: Send + Sync {
    /// `args` are the script's arguments.
    fn check(&self, text: &str, args: &[String]) -> Vec<EditorDiagnostic>;
    /// `cursor` is a byte offset into `text`.
    fn complete(&self, text: &str, cursor: usize) -> CompletionList;
    /// Coloured pieces of the text, ascending and not overlapping. Called on every edit, on the screen's thread.
    fn highlight(&self, text: &str) -> Vec<Token> {
        super::highlight::highlight(text)
    }
}

/// What fits at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompletionList {
    /// Where the text that an item replaces begins, a byte offset; it ends at the cursor.
    pub start: usize,
    pub items: Vec<Completion>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub insert: String,
    /// ` -> long`, a type, or empty.
    pub signature: String,
    /// One line.
    pub doc: String,
    pub kind: CompletionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    Probe,
    Function,
    Global,
    Local,
    ContextVar,
    Keyword,
    Macro,
}

/// A coloured piece of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Bytes of the text.
    pub range: Range<usize>,
    pub class: TokenClass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenClass {
    Keyword,
    /// A name followed by `(`.
    Function,
    /// A part of a probe point.
    Probe,
    String,
    Number,
    Comment,
    /// `$name`, `@1`.
    ContextVar,
    /// `@count`, `@define`d names, `%( … %)`.
    Macro,
    Operator,
    Name,
}

/// Every probe point one can attach to here.
pub trait Catalogue: Send + Sync {
    /// Hands over entries in batches until all are told or `sink` says `false`. Called on a worker thread.
    fn load(&self, sink: &mut dyn FnMut(Vec<CatalogueEntry>) -> bool);
    /// Called on a worker thread, as all below.
    fn detail(&self, point: &str) -> ProbeDetail;
    /// A list in place of that of a top-level group, better than the one `load` had at once; may take as long as it takes.
    fn better(&self) -> Option<(&'static str, Vec<CatalogueEntry>)> {
        None
    }
    /// How far the debug information is indexed, in hundredths, while that is being done; `better` waits for it.
    fn indexed(&self) -> Option<u8> {
        None
    }
    /// The members behind `$file->f_path` at a point.
    fn members(&self, _point: &str, _expression: &str) -> Vec<Variable> {
        Vec::new()
    }
    /// Points where a type is seen that has `part` in its name.
    fn with_type(&self, _part: &str) -> HashSet<String> {
        HashSet::new()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// As it is written in a script: `syscall.openat`, `kernel.trace("sched:sched_switch")`.
    pub point: Box<str>,
    /// Path in the tree, parts separated by `/`: `syscall`, `kernel.trace/sched`. Shared: there are sixty thousand entries.
    pub group: Arc<str>,
    /// `point.return` exists.
    pub has_return: bool,
    /// One line.
    pub doc: Box<str>,
}

impl CatalogueEntry {
    /// The name below its group: `openat`, `sched_switch`.
    pub fn label(&self) -> &str {
        let head = self.group.split('/').next().unwrap_or("");
        if let Some(rest) = self.point.strip_prefix(head) {
            if let Some(rest) = rest.strip_prefix('.') {
                return rest;
            }
            if let Some(quoted) = rest.strip_prefix("(\"").and_then(|rest| rest.strip_suffix("\")")) {
                let sub = self.group.split('/').nth(1).unwrap_or("");
                return quoted.strip_prefix(sub).and_then(|rest| rest.strip_prefix(':')).unwrap_or(quoted);
            }
        }
        &self.point
    }
}

/// What the browser says about one point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeDetail {
    pub doc: String,
    /// Where it is defined: `tapset linux/syscalls.stp:21`, `tracepoint sched:sched_switch`.
    pub origin: String,
    /// How it is probed, or why it cannot be; empty where nothing is to be said.
    pub how: String,
    /// It cannot be probed here.
    pub is_refused: bool,
    pub variables: Vec<Variable>,
    /// Only in `.return`.
    pub return_variables: Vec<Variable>,
    /// Functions that have a copy of it inside, with a word on each.
    pub copies: Vec<(String, String)>,
    pub lines: Vec<Statement>,
}

/// A line of a function with code, as a point of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub point: String,
    pub line: u32,
    pub note: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// As it is written: `$file`, `retval`; a member's name alone.
    pub name: String,
    /// `long`, `string`, `struct task_struct*`.
    pub ty: String,
    /// What it is, or why it has no value there; or empty.
    pub note: String,
    pub holds: Holds,
}

/// What a variable is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    Number,
    Text,
    /// The address of a text of the kernel's, or of the process's.
    KernelText,
    UserText,
    /// More: members behind it.
    Members,
    #[default]
    Other,
}
