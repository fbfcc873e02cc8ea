//! Everything a person can ask for, in one table: it feeds the key map, the key bar, help, the palette and the reason a
//! key does nothing. Grow by adding a row, and an arm in [`super::update`].

use super::{app::Model, model::live::LiveView};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Run,
    Stop,
    Save,
    SaveAs,
    Open,
    New,
    PreviousScript,
    Quit,
    Palette,
    Help,
    NextPane,
    PreviousPane,
    Pane1,
    Pane2,
    Pane3,
    Pane4,
    Zoom,
    Layout,
    Theme,
    Mouse,
    Suspend,
    Redraw,
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    PageUp,
    PageDown,
    Filter,
    Back,
    Copy,
    Enter,
    // Probes
    Latency,
    CountBy,
    ArgsToLog,
    ErrorsBy,
    Insert,
    Toggle,
    // Script
    Complete,
    NextError,
    PreviousError,
    Fix,
    Undo,
    Redo,
    Comment,
    Find,
    GoToLine,
    FindProbe,
    SelectAll,
    CutText,
    CopyText,
    PasteText,
    DeleteWord,
    // Live
    Pause,
    StepBack,
    StepForward,
    JumpBack,
    JumpForward,
    Oldest,
    Newest,
    View,
    Sort,
    Reverse,
    Follow,
    Clear,
    Costs,
    Export,
    // Log
    Wrap,
    Only,
    NextMatch,
    PreviousMatch,
    Times,
}

/// Where a key has a meaning. The pane's own comes first, then `Panes`, then `Everywhere`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    Everywhere,
    /// All panes but the editor, where characters are typed.
    Panes,
    Probes,
    Script,
    Live,
    Log,
}

impl Where {
    pub fn title(self) -> &'static str {
        match self {
            Where::Everywhere => "Everywhere",
            Where::Panes => "Outside the editor",
            Where::Probes => "Probes",
            Where::Script => "Script",
            Where::Live => "Live",
            Where::Log => "Log",
        }
    }
}

pub struct Action {
    pub act: Act,
    /// In key maps and the palette, stable.
    pub name: &'static str,
    /// One or two words for the key bar.
    pub short: &'static str,
    /// A sentence for help and the palette.
    pub title: &'static str,
    pub places: &'static [Where],
    pub keys: &'static [&'static str],
    /// Order in the key bar, from 1; 0 for not there.
    pub bar: u8,
    /// Why it cannot be done now.
    pub enabled: fn(&Model) -> Result<(), &'static str>,
}

const ANY: &[Where] = &[Where::Everywhere];
const PANES: &[Where] = &[Where::Panes];
const PROBES: &[Where] = &[Where::Probes];
const SCRIPT: &[Where] = &[Where::Script];
const LIVE: &[Where] = &[Where::Live];
const LOG: &[Where] = &[Where::Log];
const LIVE_LOG: &[Where] = &[Where::Live, Where::Log];

macro_rules! row {
    ($act:ident, $name:literal, $short:literal, $title:literal, $places:expr, [$($key:literal),*], $bar:literal) => {
        row!($act, $name, $short, $title, $places, [$($key),*], $bar, always)
    };
    ($act:ident, $name:literal, $short:literal, $title:literal, $places:expr, [$($key:literal),*], $bar:literal, $enabled:expr) => {
        Action { act: Act::$act, name: $name, short: $short, title: $title, places: $places, keys: &[$($key),*], bar: $bar,
                 enabled: $enabled }
    };
}

/// In the order help lists them.
pub static ACTIONS: &[Action] = &[
    row!(Run, "run", "run", "Run the script, or swap the running one for it", ANY, ["C-r", "F5"], 40),
    row!(Stop, "stop", "stop", "Stop tracing; end probes run. Twice: at once", ANY, ["C-c"], 0),
    row!(Save, "save", "save", "Save the script with this view", ANY, ["C-s", "F2"], 60),
    row!(SaveAs, "save-as", "save as", "Save the script under another name", ANY, [], 0),
    row!(Open, "open", "open", "Open a script", ANY, [], 0),
    row!(New, "new", "new", "Start an empty script", ANY, [], 0),
    row!(
        PreviousScript,
        "previous-script",
        "previous",
        "Bring back the edited script a quick trace put aside",
        ANY,
        ["F7"],
        0,
        has_aside
    ),
    row!(Palette, "palette", "palette", "Find any action by name", ANY, ["C-p", "F3"], 0),
    row!(Help, "help", "help", "Show the keys of this pane and all others", ANY, ["F1"], 95),
    row!(NextPane, "next-pane", "pane", "Go to the next pane", ANY, ["F6"], 0),
    row!(PreviousPane, "previous-pane", "pane", "Go to the previous pane", ANY, ["S-F6"], 0),
    row!(Suspend, "suspend", "suspend", "Go back to the shell; fg returns", ANY, ["C-z"], 0),
    row!(Redraw, "redraw", "redraw", "Draw the whole screen again", ANY, ["C-l"], 0),
    row!(Theme, "theme", "theme", "Choose a theme", ANY, [], 0),
    row!(Mouse, "mouse", "mouse", "Give the mouse to the terminal, to select text, or take it back", ANY, [], 0),
    row!(Palette, "palette", "command", "Find any action by name", PANES, [":"], 97),
    row!(Help, "help", "help", "Show the keys of this pane and all others", PANES, ["?"], 96),
    row!(Quit, "quit", "quit", "Leave; asks first when tracing or unsaved", PANES, ["q", "C-q"], 0),
    row!(NextPane, "next-pane", "pane", "Go to the next pane", PANES, ["Tab"], 80),
    row!(PreviousPane, "previous-pane", "pane", "Go to the previous pane", PANES, ["S-Tab"], 0),
    row!(Pane1, "probes", "probes", "Go to the probe browser", PANES, ["1"], 0),
    row!(Pane2, "script", "script", "Go to the script", PANES, ["2"], 0),
    row!(Pane3, "live", "live", "Go to the live tables", PANES, ["3"], 0),
    row!(Pane4, "log", "log", "Go to the log", PANES, ["4"], 0),
    row!(Zoom, "zoom", "zoom", "Give this pane the whole screen, or give it back", PANES, ["z"], 70),
    row!(Layout, "layout", "layout", "Next layout: trace, edit, watch", PANES, ["L"], 0),
    row!(Back, "back", "back", "Peel one layer: popup, filter, selection, zoom", ANY, ["Esc"], 0),
    row!(Down, "down", "down", "One row down", PANES, ["j", "Down"], 0),
    row!(Up, "up", "up", "One row up", PANES, ["k", "Up"], 0),
    row!(Left, "left", "left", "Collapse, or the previous table", PANES, ["h", "Left"], 0),
    row!(Right, "right", "right", "Expand, or the next table", PANES, ["l", "Right"], 0),
    row!(PageDown, "page-down", "page", "A page down", PANES, ["PgDn", "C-d"], 0),
    row!(PageUp, "page-up", "page", "A page up", PANES, ["PgUp", "C-u"], 0),
    row!(Top, "top", "top", "To the first row", PANES, ["g"], 0),
    row!(Bottom, "bottom", "bottom", "To the last row", PANES, ["G"], 0),
    row!(Filter, "filter", "filter", "Keep only rows that match", PANES, ["/"], 25),
    row!(Copy, "copy", "copy", "Copy the selected row to the clipboard (OSC 52)", PANES, ["y"], 65),
    // Probes
    row!(
        Enter,
        "enter",
        "insert",
        "Open a group, or insert the probe into the script",
        PROBES,
        ["Enter"],
        1,
        has_selection
    ),
    row!(Latency, "latency", "latency", "Trace a latency histogram by process", PROBES, ["H"], 2, has_return),
    row!(CountBy, "count", "count", "Trace counts by process", PROBES, ["T"], 3, has_point),
    row!(ArgsToLog, "args", "args", "Trace the arguments to the log", PROBES, ["A"], 4, has_point),
    row!(ErrorsBy, "errors", "errors", "Trace failures by error and process", PROBES, ["E"], 5, has_return),
    row!(Insert, "insert", "insert", "Insert the probe into the script", PROBES, ["+"], 0, has_point),
    // Script
    row!(Complete, "complete", "complete", "Offer what fits at the cursor", SCRIPT, ["C-Space"], 30),
    row!(NextError, "next-error", "next error", "Go to the next error or warning", SCRIPT, ["F8"], 20, has_diagnostics),
    row!(
        PreviousError,
        "previous-error",
        "prev error",
        "Go to the previous error or warning",
        SCRIPT,
        ["S-F8"],
        0,
        has_diagnostics
    ),
    row!(Fix, "fix", "apply fix", "Apply the suggested fix", SCRIPT, ["F4"], 21, has_fix),
    row!(Undo, "undo", "undo", "Undo", SCRIPT, ["C-_"], 50, can_undo),
    row!(Redo, "redo", "redo", "Redo", SCRIPT, ["C-y"], 0, can_redo),
    row!(Comment, "comment", "comment", "Comment lines, or uncomment them", SCRIPT, ["C-t"], 0),
    row!(Find, "find", "find", "Find text; Enter or Down for the next, Up for the previous", SCRIPT, ["C-f"], 55),
    row!(GoToLine, "go-to-line", "line", "Go to a line", SCRIPT, ["C-g"], 0),
    row!(FindProbe, "find-probe", "browse", "Show the probe under the cursor in the browser", SCRIPT, ["F12"], 0),
    row!(
        SelectAll,
        "select-all",
        "select all",
        "Select the whole script (arrows with Shift select parts)",
        SCRIPT,
        ["C-a"],
        0
    ),
    row!(CutText, "cut-text", "cut", "Cut the selection, or the line", SCRIPT, ["C-x"], 0),
    row!(CopyText, "copy-text", "copy", "Copy the selection, or the line; also to the clipboard", SCRIPT, ["C-k"], 0),
    row!(PasteText, "paste-text", "paste", "Paste what was cut or copied", SCRIPT, ["C-v"], 0),
    row!(DeleteWord, "delete-word", "del word", "Delete the word before the cursor", SCRIPT, ["C-w"], 0),
    // Live
    row!(
        Pause,
        "pause",
        "pause",
        "Freeze the picture or follow again; tracing goes on",
        LIVE_LOG,
        ["Space"],
        1,
        has_history
    ),
    row!(StepBack, "step-back", "step", "One sample back", LIVE_LOG, ["["], 2, has_history),
    row!(StepForward, "step-forward", "step", "One sample forward", LIVE_LOG, ["]"], 0, has_history),
    row!(JumpBack, "jump-back", "jump", "Ten samples back", LIVE_LOG, ["{"], 0, has_history),
    row!(JumpForward, "jump-forward", "jump", "Ten samples forward", LIVE_LOG, ["}"], 0, has_history),
    row!(Oldest, "oldest", "oldest", "To the oldest sample", LIVE_LOG, ["Home"], 0, has_history),
    row!(Newest, "newest", "live", "Back to LIVE", LIVE_LOG, ["End"], 0, has_history),
    row!(Enter, "enter", "drill", "Show the selected row alone", LIVE, ["Enter"], 10),
    row!(View, "view", "view", "Next view: histogram, heatmap, sparklines, table alone", LIVE, ["v"], 28, in_table),
    row!(Sort, "sort", "sort", "Sort by the next column", LIVE, ["s"], 20),
    row!(Reverse, "reverse", "reverse", "Reverse the order", LIVE, ["S"], 0),
    row!(Clear, "clear", "clear", "Set all globals back to their start", LIVE, ["x"], 32, is_tracing),
    row!(Costs, "costs", "probes", "Show what each probe costs", LIVE, ["c"], 33),
    row!(Toggle, "toggle", "on/off", "Switch the selected probe off or on", LIVE, ["o"], 34, is_tracing),
    row!(Export, "export", "export", "Write the table as it is shown to a CSV or JSON file", LIVE, ["e"], 35, in_table),
    // Log
    row!(Follow, "follow", "follow", "Follow the end", LOG, ["f"], 20),
    row!(Wrap, "wrap", "wrap", "Wrap long lines", LOG, ["w"], 21),
    row!(Only, "only", "only", "Show only lines that match", LOG, ["&"], 26),
    row!(NextMatch, "next-match", "next", "Next match", LOG, ["n"], 27),
    row!(PreviousMatch, "previous-match", "previous", "Previous match", LOG, ["N"], 0),
    row!(Times, "times", "times", "Show when each line came, or hide it", LOG, ["t"], 29),
];

/// Rows as help and the palette need them: one for each action and place, without the doubles of the key map.
pub fn find(act: Act, places: &[Where]) -> Option<&'static Action> {
    places
        .iter()
        .find_map(|place| ACTIONS.iter().find(|row| row.act == act && row.places.contains(place)))
        .or_else(|| ACTIONS.iter().find(|row| row.act == act))
}

fn always(_: &Model) -> Result<(), &'static str> {
    Ok(())
}

fn has_selection(model: &Model) -> Result<(), &'static str> {
    model.browser.selected_row().map(|_| ()).ok_or("no probe matches the filter")
}

fn has_point(model: &Model) -> Result<(), &'static str> {
    model.browser.selected_entry().map(|_| ()).ok_or("select a probe first; this is a group")
}

fn has_return(model: &Model) -> Result<(), &'static str> {
    match model.browser.selected_entry() {
        None => Err("select a probe first; this is a group"),
        Some(entry) if entry.has_return || entry.point.ends_with(".return") => Ok(()),
        Some(_) => Err("this probe has no .return to measure; try T or A"),
    }
}

fn has_aside(model: &Model) -> Result<(), &'static str> {
    if model.aside.is_empty() { Err("no script was put aside") } else { Ok(()) }
}

fn has_diagnostics(model: &Model) -> Result<(), &'static str> {
    if model.script.diagnostics.is_empty() { Err("no errors or warnings") } else { Ok(()) }
}

fn has_fix(model: &Model) -> Result<(), &'static str> {
    model.script.fix_at_cursor().map(|_| ()).ok_or("no fix is known for this line")
}

fn can_undo(model: &Model) -> Result<(), &'static str> {
    if model.script.can_undo() { Ok(()) } else { Err("nothing to undo") }
}

fn can_redo(model: &Model) -> Result<(), &'static str> {
    if model.script.can_redo() { Ok(()) } else { Err("nothing to redo") }
}

fn has_history(model: &Model) -> Result<(), &'static str> {
    if model.history.is_empty() { Err("nothing has been traced yet; C-r runs the script") } else { Ok(()) }
}

fn is_tracing(model: &Model) -> Result<(), &'static str> {
    if model.is_tracing() { Ok(()) } else { Err("no script is running") }
}

fn in_table(model: &Model) -> Result<(), &'static str> {
    match model.live.view {
        _ if model.live.info.is_none() => Err("nothing has been traced yet; C-r runs the script"),
        LiveView::Costs => Err("c leads back to the tables"),
        _ if model.live.current_table().is_none() => Err("the script has no arrays"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_titles_are_sentences() {
        for row in ACTIONS {
            assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", row.name);
            assert!(
                row.title.chars().next().is_some_and(char::is_uppercase) && !row.title.ends_with('.'),
                "{}",
                row.title
            );
            assert!(!row.places.is_empty() && !row.short.is_empty());
        }
    }

    #[test]
    fn one_name_means_one_action() {
        for row in ACTIONS {
            assert!(ACTIONS.iter().all(|other| (other.name == row.name) == (other.act == row.act)), "{}", row.name);
        }
    }
}
