//! The whole state of the dashboard and the messages that change it. [`super::update`] is the only place that does, as a
//! pure function of model and message; what must happen outside comes back as [`Effect`]s.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use super::{
    action::{Act, Preset, Where},
    disk::Job,
    engine::{
        CatalogueEntry, Checker, CompletionList, CountRequest, EditorDiagnostic, EngineEvent, Offer, ProbeDetail,
        RunId, StartOptions, StartRequest, Variable,
    },
    export::Format,
    files::{OnDisk, SaveError, Stamp},
    input::{keymap::Keymap, keys::Chord},
    layout::{Areas, Border, Layout, Pane},
    model::{
        browser::{Browser, Look},
        history::{History, Sample},
        live::Live,
        log::Log,
        script::Script,
        text_input::TextInput,
        vim::{Mode, Vim},
    },
    profile::Profile,
    quick::TraceKey,
    settings::Settings,
    swap::Left,
    theme::{Glyphs, Theme},
};
use crate::runtime::session::{EndReport, SessionCommand, SessionInfo};

/// What happened.
#[derive(Clone, Debug)]
pub enum Msg {
    Key(Chord),
    Paste(String),
    Click {
        x: u16,
        y: u16,
    },
    /// The mouse moves with its button down.
    Drag {
        x: u16,
        y: u16,
    },
    /// The button is up again.
    Release,
    /// Rows, positive is down.
    Wheel {
        x: u16,
        y: u16,
        rows: isize,
    },
    Resize(u16, u16),
    Engine(EngineEvent),
    Checked {
        version: u64,
        list: Vec<EditorDiagnostic>,
    },
    Completed {
        list: CompletionList,
    },
    Catalogue(Vec<CatalogueEntry>),
    /// In place of what a top-level group had.
    CatalogueInstead {
        group: &'static str,
        entries: Vec<CatalogueEntry>,
    },
    CatalogueDone,
    /// So many hundredths of the debug information are indexed.
    Indexed(u8),
    Detail {
        point: String,
        detail: ProbeDetail,
    },
    Members {
        point: String,
        expression: String,
        members: Vec<Variable>,
    },
    WithType {
        part: String,
        points: HashSet<String>,
    },
    Saved {
        script: u64,
        path: PathBuf,
        version: u64,
        then: AfterSave,
        result: Result<Stamp, SaveError>,
    },
    /// `None` when there is no such file yet.
    Opened {
        path: PathBuf,
        result: Result<Option<OnDisk>, String>,
    },
    /// Something was done to the file of the script in the editor.
    Touched,
    /// Another program wrote the script's file, or took it away.
    Changed {
        script: u64,
        found: Option<OnDisk>,
    },
    /// Swap copies that were found, of one file or all.
    Left {
        left: Vec<Left>,
        of_file: bool,
        /// An answer is waited for, if only that there is none.
        asked: bool,
    },
    /// A file was written: its path, and how much is in it.
    Exported(Result<(String, String), String>),
    /// The unsaved text has a new swap copy.
    Kept {
        script: u64,
    },
    ThemeLoaded(Result<Arc<Theme>, String>),
    /// What the line to the terminal gets, and how long it makes frames of data wait if it does not keep up.
    Line {
        bytes_per_s: f64,
        slowed: Option<Duration>,
    },
    /// A deadline passed.
    Tick,
    /// Told to go: SIGTERM, SIGHUP.
    Terminate,
    Toast {
        text: String,
        error: bool,
    },
}

/// What must be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Start(StartRequest),
    Command(SessionCommand),
    Count(CountRequest),
    Check {
        version: u64,
        text: String,
        args: Vec<String>,
    },
    Complete {
        text: String,
        cursor: usize,
    },
    /// Something of the catalogue is wanted.
    Look(Look),
    Copy(String),
    /// Files are read or written.
    Disk(Job),
    LoadTheme(String),
    Mouse(bool),
    Suspend,
    Redraw,
    Quit,
}

/// Something in front of the panes that gets the keys first.
#[derive(Debug)]
pub enum Layer {
    Help {
        scroll: usize,
    },
    Palette {
        input: TextInput,
        items: Vec<PaletteItem>,
        selected: usize,
    },
    Prompt {
        kind: PromptKind,
        input: TextInput,
    },
    Choice(Choice),
    Picker(Picker),
    /// Something to read.
    Text {
        title: String,
        lines: Vec<String>,
        scroll: usize,
        /// `-` and `+` at the start of a line say which side it is on.
        diff: bool,
    },
}

/// A list to choose from: columns to sort by or to show.
#[derive(Debug)]
pub struct Picker {
    pub kind: PickerKind,
    pub selected: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickerKind {
    Sort,
    Columns,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PaletteItem {
    pub what: PaletteAct,
    pub name: String,
    pub title: String,
    pub keys: String,
    pub disabled: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PaletteAct {
    Action(Act),
    Theme(String),
    Keymap(Preset),
    Editor {
        vim: bool,
    },
    /// A command of the prompt: `w`, `q!`.
    Command(&'static str),
    /// Into [`Live::pages`].
    Page(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    Find,
    GoToLine,
    SaveAs(AfterSave),
    Open,
    LiveFilter,
    Grep,
    GoToTime,
    /// What the script is given; then it runs, if it was asked for because it has to be there.
    Given {
        run: bool,
    },
}

/// What saving is for. It goes with the request, so that giving up a save gives up what was to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSave {
    Stay,
    Quit,
}

/// A question with one key for each answer.
#[derive(Debug)]
pub struct Choice {
    pub title: String,
    pub text: Vec<String>,
    pub options: Vec<(char, &'static str, Answer)>,
    /// When it came up, if it did so by itself.
    pub came_up: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    SaveAndQuit,
    /// Unsaved changes wait in their swap copies.
    KeepAndQuit,
    DiscardAndQuit,
    Quit,
    Export(ExportAs),
    CopyShown,
    LatencyBy(TraceKey),
    /// However many places are armed.
    RunAnyway,
    /// What the engine offers to fetch.
    Fetch,
    FetchNothing,
    /// Of [`Model::conflict`]: write over the file, take the file's text, look.
    KeepMine,
    LoadTheirs,
    ShowTheirs,
    /// Of the first of [`Model::left`].
    Recover,
    ShowLeft,
    ForgetLeft,
}

/// What `e` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportAs {
    Table(Format),
    /// Lines of the log, or points of the browser.
    Lines,
    /// The screen as a picture.
    Svg,
    /// All samples, for `tapdeck replay`.
    Recording,
}

#[derive(Clone, Debug)]
pub struct Toast {
    pub text: String,
    pub error: bool,
    pub until: Duration,
    /// A file it speaks of, for the clipboard.
    pub path: Option<String>,
}

/// Which scripts run and which are on their way.
#[derive(Debug, Default)]
pub struct RunState {
    pub next: RunId,
    /// Being compiled and when that began.
    pub compiling: Option<(RunId, Duration)>,
    /// Compiled, and now being attached at so many places.
    pub attaching: Option<usize>,
    /// To be stopped when it starts.
    pub given_up: Option<RunId>,
    /// Started and not ended.
    pub current: Option<RunId>,
    /// Script version that runs.
    pub version: u64,
    /// The script whose saved sort orders and filters are on its tables.
    pub shown: Option<u64>,
    /// Version being compiled, and its text for column names.
    pub pending: (u64, String),
    pub stopping: bool,
    pub stopped_at: Option<Duration>,
    /// Of what it costs.
    pub has_warned_of_cost: bool,
    /// Of output faster than anybody reads.
    pub has_warned_of_flood: bool,
    /// What was seen of the script's text while it ran.
    pub found: Vec<EditorDiagnostic>,
    /// When something was lost last.
    pub lost_at: Option<Duration>,
    /// Lines of output before the newest sample.
    pub output_seen: u64,
    /// Why the last start failed.
    pub failed: Option<String>,
    pub ended: Option<EndReport>,
}

/// What the mouse moves while its button is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A border, and how far behind the pointer it is.
    Border { border: Border, behind: i32 },
    /// The end of a selection in the script that began at this line and character.
    Selection { from: (usize, usize) },
}

/// A save that would have written over what another program wrote.
#[derive(Clone, Debug)]
pub struct Conflict {
    pub script: u64,
    pub path: PathBuf,
    pub then: AfterSave,
    pub theirs: OnDisk,
}

/// When unsaved text goes into its swap copy.
#[derive(Clone, Copy, Debug)]
pub struct KeepDue {
    /// The first edit that is not kept.
    pub since: Duration,
    pub at: Duration,
}

/// The script a recording was made of.
#[derive(Clone, Debug, Default)]
pub struct RecordedScript {
    pub text: String,
    /// The version in the editor that is this text; `None` while another script was opened instead of it.
    pub version: Option<u64>,
}

/// Turns the dashboard's clock into the time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// CLOCK_REALTIME when the dashboard's clock was zero, ns.
    pub start_ns: i64,
    /// Seconds east of UTC.
    pub utc_offset: i32,
}

impl WallClock {
    /// `14:03:31`, or with milliseconds.
    pub fn time(&self, at: Duration, millis: bool) -> String {
        let ns = i128::from(self.start_ns) + at.as_nanos() as i128 + i128::from(self.utc_offset) * 1_000_000_000;
        let ms = ns.div_euclid(1_000_000).rem_euclid(86_400_000);
        let (s, ms) = (ms / 1000, ms % 1000);
        let clock = format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
        if millis { format!("{clock}.{ms:03}") } else { clock }
    }

    /// `14:03:31`, or without the seconds.
    pub fn shown(&self, at: Duration, seconds: bool) -> String {
        let mut time = self.time(at, false);
        time.truncate(if seconds { time.len() } else { 5 });
        time
    }

    /// When a time since the epoch was: `14:03`, and the day unless it is that of `now`.
    pub fn epoch_ms(&self, ms: i64, now: Duration) -> String {
        let local = |ms: i64| {
            chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default()
                + chrono::TimeDelta::seconds(self.utc_offset.into())
        };
        let (then, now) = (local(ms), local(self.start_ns / 1_000_000 + now.as_millis() as i64));
        let format = if then.date_naive() == now.date_naive() { "%H:%M" } else { "%b %-d %H:%M" };
        then.format(format).to_string()
    }

    /// `20260825-140344` for file names.
    pub fn stamp(&self, at: Duration) -> String {
        let ns = self.start_ns.saturating_add(at.as_nanos() as i64);
        let time = chrono::DateTime::from_timestamp_nanos(ns) + chrono::TimeDelta::seconds(self.utc_offset.into());
        time.format("%Y%m%d-%H%M%S").to_string()
    }
}

/// Everything.
pub struct Model {
    /// The dashboard's clock: time since it started.
    pub now: Duration,
    pub clock: WallClock,
    pub size: (u16, u16),
    pub focus: Pane,
    pub layout: Layout,
    pub theme: Arc<Theme>,
    pub glyphs: Glyphs,
    pub settings: Settings,
    pub keymap: Keymap,
    /// vim's commands in the editor.
    pub vim: Option<Vim>,
    /// First chord of a sequence, and until when it waits for the second if it means something alone.
    pub pending: Option<(Chord, Option<Duration>)>,
    pub layers: Vec<Layer>,
    /// Questions that wait until the typing pauses.
    pub questions: Vec<Choice>,
    /// What the user is asked about.
    pub offer: Option<Offer>,
    /// When text was typed last.
    pub typed_at: Option<Duration>,
    pub toast: Option<Toast>,
    pub mouse: bool,
    /// What the mouse has hold of.
    pub held: Option<Held>,
    pub profile: Profile,
    /// Bytes a second that the terminal got lately.
    pub line_rate: Option<f64>,
    /// The line does not keep up: data is drawn only so often.
    pub slowed: Option<Duration>,
    pub demo: bool,
    /// What the recording on show was made of.
    pub recorded: RecordedScript,
    /// What scripts are given that say nothing else.
    pub start_options: StartOptions,

    pub browser: Browser,
    pub script: Script,
    /// Edited scripts that quick traces took the place of.
    pub aside: Vec<Script>,
    pub live: Live,
    pub log: Log,
    pub history: History,
    /// The time cursor: a sample's number, `None` for LIVE.
    pub cursor: Option<u64>,
    pub run: RunState,

    /// When the text is to be checked.
    pub check_due: Option<Duration>,
    pub checker: Arc<dyn Checker>,
    /// Leave when the session has ended, at the latest then.
    pub quit_at: Option<Duration>,
    pub keep: Option<KeepDue>,
    /// When the unsaved text of the editor got its swap copy.
    pub kept_at: Option<Duration>,
    /// When the script's file was looked at last.
    pub looked: Duration,
    pub conflict: Option<Conflict>,
    /// Swap copies still to be asked about, the next one first.
    pub left: Vec<Left>,
    /// Told to end by a signal.
    pub terminated: bool,
    /// The loop is to stop this job.
    pub pending_suspend: bool,
}

impl Model {
    pub fn new(theme: Arc<Theme>, glyphs: Glyphs, size: (u16, u16)) -> Self {
        Self {
            now: Duration::ZERO,
            clock: WallClock::default(),
            size,
            focus: Pane::Probes,
            layout: Layout::default(),
            theme,
            glyphs,
            settings: Settings::default(),
            keymap: Keymap::default(),
            vim: None,
            pending: None,
            layers: Vec::new(),
            questions: Vec::new(),
            offer: None,
            typed_at: None,
            toast: None,
            mouse: true,
            held: None,
            profile: Profile::default(),
            line_rate: None,
            slowed: None,
            demo: false,
            recorded: RecordedScript::default(),
            start_options: StartOptions::default(),
            browser: Browser::default(),
            script: Script::default(),
            aside: Vec::new(),
            live: Live::default(),
            log: Log::default(),
            history: History::default(),
            cursor: None,
            run: RunState { next: 1, ..Default::default() },
            check_due: None,
            checker: Arc::new(super::fake::NoChecker),
            quit_at: None,
            keep: None,
            kept_at: None,
            looked: Duration::ZERO,
            conflict: None,
            left: Vec::new(),
            terminated: false,
            pending_suspend: false,
        }
    }

    pub fn areas(&self) -> Areas {
        super::layout::areas(self.size, &self.layout, self.focus)
    }

    pub fn info(&self) -> Option<&Arc<SessionInfo>> {
        self.live.info.as_ref()
    }

    pub fn is_tracing(&self) -> bool {
        self.run.current.is_some()
    }

    /// The editor's text is the script that runs, or the one the recording was made of.
    pub fn shows_what_runs(&self) -> bool {
        let version = if self.demo { self.recorded.version } else { Some(self.run.version) };
        version.is_some_and(|version| self.script.is_text_of(version))
    }

    /// The sample all panes show.
    pub fn sample(&self) -> Option<&Sample> {
        self.history.at(self.cursor)
    }

    /// When the sample under the time cursor was received; `None` when live.
    pub fn until(&self) -> Option<Duration> {
        self.cursor.and_then(|cursor| self.history.at(Some(cursor))).map(|sample| sample.received)
    }

    /// Where keys are looked up, nearest first.
    pub fn places(&self) -> &'static [Where] {
        match self.focus {
            Pane::Probes => &[Where::Probes, Where::Panes, Where::Windows, Where::Everywhere],
            // Characters are commands there, so Ctrl-W need not delete words.
            Pane::Script if self.editor_takes_commands() => &[Where::Windows, Where::Script, Where::Everywhere],
            Pane::Script => &[Where::Script, Where::Everywhere],
            Pane::Live => &[Where::Live, Where::Panes, Where::Windows, Where::Everywhere],
            Pane::Log => &[Where::Log, Where::Panes, Where::Windows, Where::Everywhere],
        }
    }

    pub fn editor_takes_commands(&self) -> bool {
        self.vim.as_ref().is_some_and(|vim| vim.mode != Mode::Insert)
    }

    /// `text` with `{action}` replaced by the key that does it from here.
    pub fn fill(&self, text: &str) -> String {
        self.keymap.fill(text, self.places(), self.glyphs.unicode)
    }

    /// The running probe that is selected: on the cost view, or the one the browser is on.
    pub fn selected_probe(&self) -> Option<usize> {
        let info = self.info()?;
        match self.focus {
            Pane::Probes if self.browser.selected_running().is_some() => self.browser.selected_running(),
            Pane::Probes => {
                let entry = self.browser.selected_entry()?;
                self.running_at(&entry.point)
            }
            _ => Some(self.live.cost_selected).filter(|idx| *idx < info.probes.len()),
        }
    }

    /// The running probe at a point, or where it returns.
    pub fn running_at(&self, point: &str) -> Option<usize> {
        let info = self.info().filter(|_| self.is_tracing())?;
        let is_there =
            |written: &str| written.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest == ".return");
        info.probes.iter().position(|probe| is_there(&probe.written))
    }

    pub fn say(&mut self, text: impl AsRef<str>) {
        self.toast = Some(Toast {
            text: self.fill(text.as_ref()),
            error: false,
            until: self.now + Duration::from_secs(5),
            path: None,
        });
    }

    pub fn complain(&mut self, text: impl AsRef<str>) {
        let text = self.fill(text.as_ref());
        // What is long takes longer to read.
        let reading = Duration::from_secs(8 + text.len() as u64 / 40);
        self.toast = Some(Toast { text, error: true, until: self.now + reading, path: None });
    }

    /// The next moment something changes by itself.
    pub fn next_deadline(&self) -> Option<Duration> {
        let hold = (self.live.hold_until > self.now && self.is_tracing()).then_some(self.live.hold_until);
        let pending = self.pending.and_then(|(_, until)| until);
        let toast = self.toast.as_ref().map(|toast| toast.until);
        let keep = self.keep.map(|keep| keep.at);
        let question = super::update::question::due(self);
        let rest = self.browser.described.rests_at();
        [self.check_due, rest, toast, hold, self.quit_at, pending, keep, question].into_iter().flatten().min()
    }

    /// Works out what is on show after any change: rows, scrolling.
    pub fn settle(&mut self) {
        let areas = self.areas();
        self.browser.settle(self.now);
        self.script.fix_key = self.keymap.fill("{fix}", &[Where::Script], self.glyphs.unicode);
        if let Some(vim) = &mut self.vim {
            vim.settle(&mut self.script);
        }
        if let Some(area) = areas.probes {
            self.browser.scroll_to_selection(super::view::probes::list_height(self, area));
        }
        if let Some(area) = areas.script {
            let (height, width) = super::view::editor::text_size(&self.script, area);
            self.script.scroll_to_cursor(height, width);
        }
        if let Some(area) = areas.live {
            let height = super::view::table::rows_height(self, area);
            if let Some(state) = self.live.state_mut() {
                state.scroll_to_selection(height);
            }
        }
    }
}
