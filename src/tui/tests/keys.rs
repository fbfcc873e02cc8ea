//! The keys that were promised, each where it was promised: a chord of the default keys means the action named here.

use super::*;
use crate::tui::input::{
    keymap::{Keymap, Lookup},
    keys::parse_sequence,
};

/// All panes.
const ALL: &[Pane] = &Pane::ALL;
const OUTSIDE: &[Pane] = &[Pane::Probes, Pane::Live, Pane::Log];
const PROBES: &[Pane] = &[Pane::Probes];
const EDITOR: &[Pane] = &[Pane::Script];
const LIVE: &[Pane] = &[Pane::Live];
const LOG: &[Pane] = &[Pane::Log];

#[rustfmt::skip] // A row a line: this is read as a table.
const PROMISED: &[(&[Pane], &str, Act)] = &[
    (ALL, "C-r", Act::Run), (ALL, "F5", Act::Run), (ALL, "C-c", Act::Stop),
    (ALL, "C-s", Act::Save), (ALL, "F2", Act::Save),
    (ALL, "C-p", Act::Palette), (ALL, "F3", Act::Palette), (ALL, "F1", Act::Help),
    (ALL, "F6", Act::NextPane), (ALL, "S-F6", Act::PreviousPane),
    (ALL, "C-z", Act::Suspend), (ALL, "C-l", Act::Redraw), (ALL, "Esc", Act::Back),

    (OUTSIDE, "1", Act::Pane1), (OUTSIDE, "2", Act::Pane2), (OUTSIDE, "3", Act::Pane3), (OUTSIDE, "4", Act::Pane4),
    (OUTSIDE, "Tab", Act::NextPane), (OUTSIDE, "S-Tab", Act::PreviousPane),
    (OUTSIDE, "C-w h", Act::PaneLeft), (OUTSIDE, "C-w j", Act::PaneDown), (OUTSIDE, "C-w k", Act::PaneUp),
    (OUTSIDE, "C-w l", Act::PaneRight), (OUTSIDE, "C-w Left", Act::PaneLeft), (OUTSIDE, "C-w Down", Act::PaneDown),
    (OUTSIDE, "C-w Up", Act::PaneUp), (OUTSIDE, "C-w Right", Act::PaneRight),
    (OUTSIDE, "C-w <", Act::Narrower), (OUTSIDE, "C-w >", Act::Wider), (OUTSIDE, "C-w +", Act::Taller),
    (OUTSIDE, "C-w -", Act::Shorter),
    (OUTSIDE, ":", Act::Palette), (OUTSIDE, "?", Act::Help), (OUTSIDE, "z", Act::Zoom), (OUTSIDE, "L", Act::Layout),
    (OUTSIDE, "q", Act::Quit),
    (OUTSIDE, "j", Act::Down), (OUTSIDE, "k", Act::Up), (OUTSIDE, "h", Act::Left), (OUTSIDE, "l", Act::Right),
    (OUTSIDE, "Down", Act::Down), (OUTSIDE, "Up", Act::Up), (OUTSIDE, "Left", Act::Left), (OUTSIDE, "Right", Act::Right),
    (OUTSIDE, "g", Act::Top), (OUTSIDE, "G", Act::Bottom), (OUTSIDE, "PgDn", Act::PageDown), (OUTSIDE, "PgUp", Act::PageUp),
    (OUTSIDE, "C-d", Act::PageDown), (OUTSIDE, "C-u", Act::PageUp),
    (OUTSIDE, "/", Act::Filter), (OUTSIDE, "n", Act::NextMatch), (OUTSIDE, "N", Act::PreviousMatch),
    (OUTSIDE, "y", Act::Copy), (OUTSIDE, "e", Act::Export),

    (LIVE, "Space", Act::Pause), (LIVE, "[", Act::StepBack), (LIVE, "]", Act::StepForward),
    (LIVE, "{", Act::JumpBack), (LIVE, "}", Act::JumpForward), (LIVE, "Home", Act::Oldest), (LIVE, "End", Act::Newest),
    (LIVE, "g t", Act::GoToTime), (LIVE, "v", Act::View), (LIVE, "s", Act::Sort), (LIVE, "S", Act::Reverse),
    (LIVE, "c", Act::Columns), (LIVE, "f", Act::Follow), (LIVE, "Enter", Act::Enter), (LIVE, "Backspace", Act::DrillUp),
    (LIVE, "x", Act::Clear),

    (PROBES, "Enter", Act::Enter), (PROBES, "H", Act::Latency), (PROBES, "T", Act::CountBy),
    (PROBES, "A", Act::ArgsToLog), (PROBES, "E", Act::ErrorsBy), (PROBES, "S", Act::StacksBy), (PROBES, "+", Act::Insert),
    (PROBES, "o", Act::Toggle), (PROBES, "p", Act::Pin), (PROBES, "i", Act::Documentation),

    (EDITOR, "C-Space", Act::Complete), (EDITOR, "F8", Act::NextError), (EDITOR, "S-F8", Act::PreviousError),
    (EDITOR, "F4", Act::Fix), (EDITOR, "C-_", Act::Undo), (EDITOR, "C-y", Act::Redo), (EDITOR, "C-t", Act::Comment),
    (EDITOR, "C-f", Act::Find), (EDITOR, "C-w", Act::DeleteWord), (EDITOR, "C-g", Act::GoToLine),
    (EDITOR, "F12", Act::FindProbe),

    (LOG, "f", Act::FollowLog), (LOG, "w", Act::Wrap), (LOG, "Enter", Act::Enter), (LOG, "/", Act::Filter),
    (LOG, "&", Act::Only),
];

#[test]
fn promised_keys_mean_what_was_promised() {
    let keymap = Keymap::default();
    let mut drive = Drive::new(120, 40);
    let mut wrong = Vec::new();
    for (panes, keys, act) in PROMISED {
        for pane in *panes {
            drive.model.focus = *pane;
            let sequence = parse_sequence(keys).unwrap();
            let (pending, last) = match sequence[..] {
                [only] => (None, only),
                [first, second] => (Some(first), second),
                _ => panic!("{keys}"),
            };
            match keymap.lookup(pending, last, drive.model.places()) {
                Lookup::Action(found) | Lookup::Prefix(Some(found)) if found == *act => (),
                other => wrong.push(format!("{keys} in {pane:?} is {other:?}, not {act:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tab and Esc in the editor are keys of the text: they indent or complete, and leave.
#[test]
fn tab_and_esc_in_the_editor() {
    let mut drive = Drive::new(80, 24);
    drive.press("<esc>2probe begin {<ret>pri");
    drive.model.script.popup = None;
    drive.press("<tab>");
    assert!(drive.model.script.popup.is_some(), "{}", drive.screen());
    drive.press("<esc>");
    assert_eq!(drive.model.focus, Pane::Script);
    drive.press("<esc>");
    assert_ne!(drive.model.focus, Pane::Script);
}

/// One layer after the other: what is in front, the filter, what was gone into, the zoom.
#[test]
fn esc_peels_one_layer_at_a_time() {
    let mut drive = tracing(120, 40);
    drive.press("z/s<ret><Down><ret>?");
    let mut peeled = Vec::new();
    for _ in 0..4 {
        drive.press("<esc>");
        let model = &drive.model;
        let filter = model.live.state().is_some_and(|state| !state.filter.is_empty());
        peeled.push((model.layers.len(), model.live.drilled, filter, model.layout.zoom));
    }
    assert_eq!(
        peeled,
        [(0, true, true, true), (0, false, true, true), (0, false, false, true), (0, false, false, false),]
    );
}
