//! Keys, mouse and paste: front layers first, then what is being typed into, then the key map.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};

use super::{actions::perform, layers, palette, question};
use crate::tui::{
    action::{self, Act, Where},
    app::{Effect, Layer, Model},
    input::{keymap::Lookup, keys::Chord},
    layout::Pane,
    model::{live, vim::Took},
};

/// How long a key waits that means something alone and may begin a sequence.
const SEQUENCE_WAIT: Duration = Duration::from_millis(500);

pub fn key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) {
    if !matches!(chord.code, KeyCode::Char('c')) || !chord.mods.contains(KeyModifiers::CONTROL) {
        model.run.stopped_at = None;
    }
    if model.focus == Pane::Live {
        model.live.hold_until = model.now + live::HOLD;
    }
    question::heed_typing(model, chord);
    if !model.layers.is_empty() {
        let global = model.keymap.lookup(None, chord, &[Where::Everywhere]);
        match global {
            Lookup::Action(act @ (Act::Stop | Act::Suspend | Act::Redraw)) => perform(model, act, effects),
            _ => layers::key(model, chord, effects),
        }
        return;
    }
    if model.focus == Pane::Probes && model.browser.typing && browser_typing(model, chord) {
        return;
    }
    if model.focus == Pane::Script && popup_key(model, chord) {
        return;
    }
    if model.pending.is_none() && model.focus == Pane::Script && vim_key(model, chord, effects) {
        return;
    }
    let pending = model.pending.take().map(|(first, _)| first);
    match model.keymap.lookup(pending, chord, model.places()) {
        Lookup::Action(act) => {
            do_or_explain(model, act, effects);
        }
        Lookup::Prefix(alone) => {
            model.pending = Some((chord, alone.map(|_| model.now + SEQUENCE_WAIT)));
        }
        Lookup::None => match pending {
            // The first key meant something by itself, and so does this one.
            Some(first) if alone(model, first, effects) => key(model, chord, effects),
            Some(first) if chord.code != KeyCode::Esc => {
                let unicode = model.glyphs.unicode;
                model.complain(format!("{} {} does nothing", first.shown(unicode), chord.shown(unicode)));
            }
            Some(_) => (),
            None if model.focus == Pane::Script => script_key(model, chord, effects),
            None => {
                let shown = chord.shown(model.glyphs.unicode);
                model.complain(format!("{shown} does nothing here; {{help}} lists the keys"));
            }
        },
    }
}

/// A dead key explains itself.
pub fn do_or_explain(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match action::find(act, model.places()).map(|row| (row.enabled)(model)) {
        Some(Err(why)) => model.complain(why),
        _ => perform(model, act, effects),
    }
}

/// What the first key of a sequence does when nothing follows; says whether it does anything.
fn alone(model: &mut Model, first: Chord, effects: &mut Vec<Effect>) -> bool {
    match model.keymap.lookup(None, first, model.places()) {
        Lookup::Prefix(Some(act)) => {
            do_or_explain(model, act, effects);
            true
        }
        _ => false,
    }
}

/// The wait for the second key of a sequence is over.
pub fn sequence_timeout(model: &mut Model, effects: &mut Vec<Effect>) {
    if let Some((first, Some(until))) = model.pending
        && until <= model.now
    {
        model.pending = None;
        alone(model, first, effects);
    }
}

/// vim's commands and insertions.
fn vim_key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) -> bool {
    let Some(vim) = &mut model.vim else { return false };
    if chord.code == KeyCode::Tab && !vim.is_inserting() {
        return false;
    }
    match vim.key(&mut model.script, chord) {
        Took::No => return false,
        Took::Yes => (),
        Took::Act(act) => do_or_explain(model, act, effects),
        Took::Copied(text) => effects.push(Effect::Copy(text)),
        Took::Refused(why) => model.complain(why),
    }
    true
}

/// Characters of the browser's filter. Movement and pane keys that type nothing go on to the key map.
fn browser_typing(model: &mut Model, chord: Chord) -> bool {
    match chord.code {
        KeyCode::Enter => {
            model.browser.typing = false;
            return true;
        }
        KeyCode::Esc => {
            model.browser.typing = false;
            if !model.browser.filter.text().is_empty() {
                model.browser.filter.clear();
                model.browser.refilter();
            }
            return true;
        }
        // The key that opens the filter, from someone who did not see that it is open.
        KeyCode::Char('/') if chord.mods.is_empty() && model.browser.filter.text().is_empty() => return true,
        KeyCode::Home | KeyCode::End => return false,
        // At the end of what is typed there is nothing to the right of it; there the tree opens.
        KeyCode::Right if chord.mods.is_empty() && model.browser.filter.is_at_end() => return false,
        KeyCode::Left if chord.mods.is_empty() && model.browser.filter.text().is_empty() => return false,
        _ => (),
    }
    let (taken, changed) = model.browser.filter.key(chord);
    if changed {
        model.browser.refilter();
    }
    taken
}

fn popup_key(model: &mut Model, chord: Chord) -> bool {
    let Some(popup) = &mut model.script.popup else { return false };
    if !chord.mods.is_empty() {
        return false;
    }
    let last = popup.items.len().saturating_sub(1);
    match chord.code {
        KeyCode::Up => {
            popup.selected = if popup.selected == 0 { last } else { popup.selected - 1 };
            popup.touched = true;
        }
        KeyCode::Down => {
            popup.selected = if popup.selected == last { 0 } else { popup.selected + 1 };
            popup.touched = true;
        }
        KeyCode::Tab => model.script.accept_completion(),
        KeyCode::Enter if popup.touched => model.script.accept_completion(),
        KeyCode::Esc => model.script.popup = None,
        _ => return false,
    }
    true
}

fn script_key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) {
    let version = model.script.version;
    match chord.code {
        KeyCode::Tab if chord.mods.is_empty() => {
            let before = model.script.before_cursor();
            if before.trim().is_empty() || model.script.is_selecting() {
                model.script.indent();
            } else {
                ask_completion(model, effects);
            }
            return;
        }
        KeyCode::PageDown | KeyCode::PageUp => {
            let rows = super::editor::page_rows(model);
            let rows = if chord.code == KeyCode::PageUp { -rows } else { rows };
            model.script.page(rows, chord.mods.contains(KeyModifiers::SHIFT));
            return;
        }
        _ => (),
    }
    if !model.script.key(chord) {
        return;
    }
    if model.script.popup.is_some() {
        model.script.narrow_completions();
    }
    if model.script.version != version
        && let Some(c) = chord.typed()
        && model.script.popup.is_none()
    {
        let before = model.script.before_cursor();
        let word = before.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').count();
        let comment = before.trim_start().starts_with('#') || before.contains("//");
        let begins = word == 2 && (c.is_alphabetic() || c == '_');
        if !comment && (begins || "$@".contains(c) || (c == '.' && before.trim_start().starts_with("probe"))) {
            ask_completion(model, effects);
        }
    }
}

pub fn ask_completion(model: &mut Model, effects: &mut Vec<Effect>) {
    model.script.asked_line = model.script.cursor().0;
    effects.push(Effect::Complete { text: model.script.text(), cursor: model.script.cursor_offset() });
}

pub fn paste(model: &mut Model, text: &str) {
    match model.layers.last_mut() {
        Some(Layer::Prompt { input, .. }) => input.insert(text),
        Some(Layer::Palette { .. }) => {
            if let Some(Layer::Palette { mut input, .. }) = model.layers.pop() {
                input.insert(text);
                let items = palette::items(model, input.text());
                model.layers.push(Layer::Palette { input, items, selected: 0 });
            }
        }
        Some(_) => (),
        None if model.focus == Pane::Script => {
            model.script.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
            model.script.popup = None;
        }
        None if model.focus == Pane::Probes => {
            model.browser.typing = true;
            model.browser.filter.insert(text);
            model.browser.refilter();
        }
        None => (),
    }
}
