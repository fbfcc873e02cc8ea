//! The rows, in the order help lists them.

use super::{Act, Action, Where, available::*};

const ANY: &[Where] = &[Where::Everywhere];
const PANES: &[Where] = &[Where::Panes];
const WINDOWS: &[Where] = &[Where::Windows];
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
        Action { act: Act::$act, name: $name, short: $short, title: $title, places: $places, keys: &[$($key),*], vim: None,
                 emacs: None, bar: $bar, enabled: $enabled }
    };
}

#[rustfmt::skip] // A row a line, or two: this is read as a table.
pub static ACTIONS: &[Action] = &[
    row!(Run, "run", "run", "Run the script, or swap the running one for it", ANY, ["C-r", "F5"], 40, has_script),
    row!(Stop, "stop", "stop", "Stop tracing; end probes run. Twice: at once. When nothing runs: ask to quit", ANY, ["C-c"], 0),
    row!(Arguments, "arguments", "arguments", "Give the script its arguments ($1 @1), a process (-x PID), a command (-c CMD), a buffer (-s MB)",
         ANY, ["F9"], 0),
    row!(Save, "save", "save", "Save the script with this view", ANY, ["C-s", "F2"], 60).emacs(&["C-x C-s", "F2"]),
    row!(SaveAs, "save-as", "save as", "Save the script under another name", ANY, [], 0).emacs(&["C-x C-w"]),
    row!(Open, "open", "open", "Open a script", ANY, [], 0).emacs(&["C-x C-f"]),
    row!(New, "new", "new", "Start an empty script", ANY, [], 0),
    row!(Recover, "recover", "recover", "Bring back unsaved changes that an earlier dashboard left behind", ANY, [], 0),
    row!(PreviousScript, "previous-script", "previous", "Bring back the edited script that was put aside", ANY, ["F7"], 0,
         has_aside),
    row!(Palette, "palette", "palette", "Find any action by name", ANY, ["C-p", "F3"], 0).emacs(&["A-x", "F3"]),
    row!(Help, "help", "help", "Show the keys of this pane and all others", ANY, ["F1"], 95),
    row!(NextPane, "next-pane", "pane", "Go to the next pane", ANY, ["F6"], 0).emacs(&["F6", "C-x o"]),
    row!(PreviousPane, "previous-pane", "pane", "Go to the previous pane", ANY, ["S-F6"], 0),
    row!(Quit, "quit", "quit", "Leave; asks first when tracing or unsaved", ANY, ["C-q"], 0).emacs(&["C-x C-c", "C-q"]),
    row!(Suspend, "suspend", "suspend", "Go back to the shell; fg returns", ANY, ["C-z"], 0),
    row!(Redraw, "redraw", "redraw", "Draw the whole screen again", ANY, ["C-l"], 0),
    row!(Theme, "theme", "theme", "Choose a theme", ANY, [], 0),
    row!(Keymap, "keymap", "keymap", "Choose the keys: default, vim or emacs", ANY, [], 0),
    row!(Settings, "settings", "settings", "Show the settings, where they come from and what is wrong with them", ANY, [], 0),
    row!(Mouse, "mouse", "mouse", "Give the mouse to the terminal, to select text, or take it back", ANY, [], 0),
    row!(Back, "back", "back", "Peel one layer: popup, filter, selection, zoom", ANY, ["Esc"], 0).emacs(&["Esc", "C-g"]),
    // Outside the editor
    row!(Palette, "palette", "command", "Find any action by name", PANES, [":"], 97),
    row!(Help, "help", "help", "Show the keys of this pane and all others", PANES, ["?"], 96),
    row!(Quit, "quit", "quit", "Leave; asks first when tracing or unsaved", PANES, ["q"], 0),
    row!(NextPane, "next-pane", "pane", "Go to the next pane", PANES, ["Tab"], 80),
    row!(PreviousPane, "previous-pane", "pane", "Go to the previous pane", PANES, ["S-Tab"], 0),
    row!(Pane1, "probes", "probes", "Go to the probe browser", PANES, ["1"], 0),
    row!(Pane2, "script", "script", "Go to the script", PANES, ["2"], 0),
    row!(Pane3, "live", "live", "Go to the live tables", PANES, ["3"], 0),
    row!(Pane4, "log", "log", "Go to the log", PANES, ["4"], 0),
    row!(Zoom, "zoom", "zoom", "Give this pane the whole screen, or give it back", PANES, ["z"], 70).emacs(&["z", "C-x 1"]),
    row!(Layout, "layout", "layout", "Next layout: trace, edit, watch, browse, incident", PANES, ["L"], 71, is_large),
    row!(Down, "down", "down", "One row down", PANES, ["j", "Down"], 0).emacs(&["C-n", "Down", "j"]),
    row!(Up, "up", "up", "One row up", PANES, ["k", "Up"], 0).emacs(&["C-p", "Up", "k"]),
    row!(Left, "left", "left", "Close, or the previous table", PANES, ["Left", "h"], 0).emacs(&["C-b", "Left", "h"]),
    row!(Right, "right", "right", "Open what is inside, or the next table", PANES, ["Right", "l"], 0).emacs(&["C-f", "Right", "l"]),
    row!(PageDown, "page-down", "page", "A page down", PANES, ["PgDn", "C-d"], 0).vim(&["C-d", "C-f", "PgDn"])
        .emacs(&["C-v", "PgDn"]),
    row!(PageUp, "page-up", "page", "A page up", PANES, ["PgUp", "C-u"], 0).vim(&["C-u", "C-b", "PgUp"])
        .emacs(&["A-v", "PgUp"]),
    row!(Top, "top", "top", "To the first row", PANES, ["g", "Home"], 0).vim(&["g g", "Home"]).emacs(&["A-<", "Home", "g"]),
    row!(Bottom, "bottom", "bottom", "To the last row", PANES, ["G", "End"], 0).emacs(&["A->", "End", "G"]),
    row!(Filter, "filter", "filter", "Keep only rows that match; in the log find", PANES, ["/"], 25).emacs(&["/", "C-s"]),
    row!(NextMatch, "next-match", "next", "Next match", PANES, ["n"], 0, has_matches),
    row!(PreviousMatch, "previous-match", "previous", "Previous match", PANES, ["N"], 0, has_matches),
    row!(Copy, "copy", "copy", "Copy the selected row to the clipboard (OSC 52)", PANES, ["y"], 65).emacs(&["A-w", "y"]),
    row!(Export, "export", "export", "Write what is shown to a file: CSV, JSON, text, SVG, recording", PANES, ["e"], 35),
    // Windows
    row!(PaneLeft, "pane-left", "left", "Go to the pane on the left", WINDOWS, ["C-w h", "C-w Left"], 0),
    row!(PaneDown, "pane-down", "down", "Go to the pane below", WINDOWS, ["C-w j", "C-w Down"], 0),
    row!(PaneUp, "pane-up", "up", "Go to the pane above", WINDOWS, ["C-w k", "C-w Up"], 0),
    row!(PaneRight, "pane-right", "right", "Go to the pane on the right", WINDOWS, ["C-w l", "C-w Right"], 0),
    row!(Narrower, "narrower", "narrower", "Make this pane narrower", WINDOWS, ["C-w <"], 0, is_large),
    row!(Wider, "wider", "wider", "Make this pane wider", WINDOWS, ["C-w >"], 0, is_large),
    row!(Taller, "taller", "taller", "Make this pane taller", WINDOWS, ["C-w +"], 0, is_large),
    row!(Shorter, "shorter", "shorter", "Make this pane shorter", WINDOWS, ["C-w -"], 0, is_large),
    row!(EvenSizes, "even-sizes", "even", "Give all panes the sizes of the layout again", WINDOWS, ["C-w ="], 0, is_large),
    row!(NextPane, "next-pane", "next", "Go to the next pane", WINDOWS, ["C-w w", "C-w C-w"], 0),
    // Probes
    row!(Enter, "enter", "insert", "Open a group, or insert the probe into the script", PROBES, ["Enter"], 1, has_selection),
    row!(Latency, "latency", "histogram", "Trace a histogram: of the latency (again: by another key), on a variable of its values",
         PROBES, ["H"], 2, has_histogram),
    row!(CountBy, "count", "count", "Trace counts by process, on a variable by its value", PROBES, ["T"], 3, has_count),
    row!(CountHits, "hits", "hits", "Count hits for two seconds beside what runs; on a group, of all that is in it", PROBES, ["c"],
         6, can_be_counted),
    row!(ArgsToLog, "args", "args", "Trace the arguments to the log", PROBES, ["A"], 4, has_point),
    row!(ErrorsBy, "errors", "errors", "Trace failures by error and process", PROBES, ["E"], 5, has_return),
    row!(StacksBy, "stacks", "stacks", "Trace where it comes from: how often each stack; of a system call the program's", PROBES,
         ["S"], 7, has_stack),
    row!(Insert, "insert", "insert", "Insert the probe into the script", PROBES, ["+"], 0, has_point),
    row!(Toggle, "toggle", "on/off", "Switch a running probe off or on", PROBES, ["o"], 34, is_traced),
    row!(Pin, "pin", "pin", "Keep this probe at the top of the browser, or no longer", PROBES, ["p"], 36, has_point),
    row!(Documentation, "documentation", "docs", "All that is known of this probe", PROBES, ["i"], 37, has_point),
    // Script
    row!(Complete, "complete", "complete", "Offer what fits at the cursor", SCRIPT, ["C-Space"], 30).emacs(&["A-/"]),
    row!(NextError, "next-error", "next error", "Go to the next error or warning", SCRIPT, ["F8"], 20, has_diagnostics),
    row!(PreviousError, "previous-error", "prev error", "Go to the previous error or warning", SCRIPT, ["S-F8"], 0,
         has_diagnostics),
    row!(Fix, "fix", "apply fix", "Apply the suggested fix", SCRIPT, ["F4"], 21, has_fix),
    row!(Undo, "undo", "undo", "Undo", SCRIPT, ["C-_"], 50, can_undo).emacs(&["C-_", "C-x u"]),
    row!(Redo, "redo", "redo", "Redo", SCRIPT, ["C-y"], 0, can_redo).emacs(&["A-_"]),
    row!(Comment, "comment", "comment", "Comment lines, or uncomment them", SCRIPT, ["C-t"], 0).emacs(&["A-;"]),
    row!(Find, "find", "find", "Find text; Enter or Down for the next, Up for the previous", SCRIPT, ["C-f"], 55)
        .emacs(&["C-s"]),
    row!(GoToLine, "go-to-line", "line", "Go to a line", SCRIPT, ["C-g"], 0).emacs(&["A-g g", "A-g A-g"]),
    row!(FindProbe, "find-probe", "browse", "Show the probe under the cursor in the browser", SCRIPT, ["F12"], 0)
        .emacs(&["A-.", "F12"]),
    row!(SelectAll, "select-all", "select all", "Select the whole script (arrows with Shift select parts)", SCRIPT, ["C-a"], 0)
        .emacs(&["C-x h"]),
    row!(CutText, "cut-text", "cut", "Cut the selection, or the line", SCRIPT, ["C-x"], 0).emacs(&["C-w"]),
    row!(CopyText, "copy-text", "copy", "Copy the selection, or the line; also to the clipboard", SCRIPT, ["C-k"], 0)
        .emacs(&["A-w"]),
    row!(PasteText, "paste-text", "paste", "Paste what was cut or copied", SCRIPT, ["C-v"], 0).emacs(&["C-y"]),
    row!(DeleteWord, "delete-word", "del word", "Delete the word before the cursor", SCRIPT, ["C-w", "C-Backspace"], 0)
        .emacs(&["A-Backspace", "C-Backspace"]),
    row!(DeleteNextWord, "delete-next-word", "del word", "Delete the word after the cursor", SCRIPT, ["C-Delete"], 0)
        .emacs(&["A-d"]),
    row!(DeleteChar, "delete-char", "delete", "Delete the character under the cursor", SCRIPT, ["Delete"], 0)
        .emacs(&["C-d", "Delete"]),
    row!(CutToEnd, "cut-to-end", "cut to end", "Cut from the cursor to the end of the line", SCRIPT, [], 0).emacs(&["C-k"]),
    row!(Mark, "mark", "mark", "Begin a selection here, or give it up", SCRIPT, [], 0).emacs(&["C-Space"]),
    row!(CharLeft, "char-left", "left", "One character to the left", SCRIPT, ["Left"], 0).emacs(&["C-b", "Left"]),
    row!(CharRight, "char-right", "right", "One character to the right", SCRIPT, ["Right"], 0).emacs(&["C-f", "Right"]),
    row!(LineUp, "line-up", "up", "One line up", SCRIPT, ["Up"], 0).emacs(&["C-p", "Up"]),
    row!(LineDown, "line-down", "down", "One line down", SCRIPT, ["Down"], 0).emacs(&["C-n", "Down"]),
    row!(WordLeft, "word-left", "word", "To the start of the word, or the one before", SCRIPT, ["C-Left"], 0)
        .emacs(&["A-b", "C-Left"]),
    row!(WordRight, "word-right", "word", "To the start of the next word", SCRIPT, ["C-Right"], 0).emacs(&["A-f", "C-Right"]),
    row!(LineStart, "line-start", "start", "To the text of the line, then to its margin", SCRIPT, ["Home"], 0)
        .emacs(&["C-a", "Home"]),
    row!(LineEnd, "line-end", "end", "To the end of the line", SCRIPT, ["End", "C-e"], 0).emacs(&["C-e", "End"]),
    row!(TextStart, "text-start", "start", "To the start of the script", SCRIPT, ["C-Home"], 0).emacs(&["A-<", "C-Home"]),
    row!(TextEnd, "text-end", "end", "To the end of the script", SCRIPT, ["C-End"], 0).emacs(&["A->", "C-End"]),
    row!(TextPageUp, "text-page-up", "page", "A page up", SCRIPT, ["PgUp"], 0).emacs(&["A-v", "PgUp"]),
    row!(TextPageDown, "text-page-down", "page", "A page down", SCRIPT, ["PgDn"], 0).emacs(&["C-v", "PgDn"]),
    // Live
    row!(Pause, "pause", "pause", "Freeze the picture or follow again; tracing goes on", LIVE_LOG, ["Space"], 1, has_history),
    row!(StepBack, "step-back", "step", "One sample back", LIVE_LOG, ["["], 2, has_history),
    row!(StepForward, "step-forward", "step", "One sample forward", LIVE_LOG, ["]"], 0, has_history),
    row!(JumpBack, "jump-back", "ten back", "Ten samples back", LIVE_LOG, ["{"], 66, has_history),
    row!(JumpForward, "jump-forward", "ten on", "Ten samples forward", LIVE_LOG, ["}"], 0, has_history),
    row!(Oldest, "oldest", "oldest", "To the oldest sample", LIVE, ["Home"], 0, has_history),
    row!(Newest, "newest", "live", "Back to LIVE", LIVE, ["End"], 0, has_history),
    row!(GoToTime, "go-to-time", "time", "Go to a time: 14:03, 14:03:31, -90s, -2m", LIVE_LOG, ["g t"], 67, has_history),
    row!(Enter, "enter", "drill", "Go into the selected row; from a probe's cost to its line in the script", LIVE,
         ["Enter"], 10, can_enter),
    row!(DrillUp, "drill-up", "up", "Come out again", LIVE, ["Backspace"], 68, is_drilled),
    row!(View, "view", "view", "Next view: table alone, histogram, heatmap, sparklines, raw", LIVE, ["v"], 28, in_table),
    row!(Sort, "sort", "sort", "Choose the column to sort by", LIVE, ["s"], 20, in_table),
    row!(Reverse, "reverse", "reverse", "Reverse the order", LIVE, ["S"], 0, in_table),
    row!(Columns, "columns", "columns", "Choose the columns to show", LIVE, ["c"], 33, in_table),
    row!(Follow, "follow", "follow", "Keep the selection on this row, or on the first", LIVE, ["f"], 30, has_rows),
    row!(Clear, "clear", "clear", "Set all globals back to their start; samples before stay in the history", LIVE, ["x"], 32,
         is_tracing),
    row!(Costs, "costs", "probes", "Show what each probe costs", LIVE, ["p"], 33, has_session),
    row!(Toggle, "toggle", "on/off", "Switch the selected probe off or on", LIVE, ["o"], 34, is_tracing),
    // Log
    row!(Enter, "enter", "expand/time", "Expand a folded line, or fold it; else show all panes as they were when this line came", LOG,
         ["Enter"], 10, can_enter_log),
    row!(FollowLog, "follow-log", "follow", "Follow the end, or stay here", LOG, ["f"], 20),
    row!(Wrap, "wrap", "wrap", "Wrap long lines", LOG, ["w"], 21),
    row!(Only, "only", "only", "Show only lines that match", LOG, ["&"], 26, has_search),
    row!(NextMatch, "next-match", "next", "Next match", LOG, ["n"], 27, has_search),
    row!(PreviousMatch, "previous-match", "previous", "Previous match", LOG, ["N"], 0, has_search),
    row!(Times, "times", "times", "Show when each line came, or hide it", LOG, ["t"], 29),
];
