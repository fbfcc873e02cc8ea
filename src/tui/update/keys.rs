//! Keys, mouse and paste: front layers first, then what is being typed into, then the key map.

use crossterm::event::{KeyCode, KeyModifiers};

use super::{actions::perform, focus, palette, session};
use crate::tui::{
    action::{self, Act},
    app::{Answer, Effect, Layer, Model, PromptKind},
    export,
    input::{keymap::Lookup, keys::Chord},
    layout::Pane,
    model::{live, text_input::TextInput},
};

pub fn key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) {
    if !matches!(chord.code, KeyCode::Char('c')) || !chord.mods.contains(KeyModifiers::CONTROL) {
        model.run.stopped_at = None;
    }
    if model.focus == Pane::Live {
        model.live.hold_until = model.now + live::HOLD;
    }
    if !model.layers.is_empty() {
        let global = model.keymap.lookup(None, chord, &[action::Where::Everywhere]);
        match global {
            Lookup::Action(act @ (Act::Stop | Act::Suspend | Act::Redraw)) => perform(model, act, effects),
            _ => layer_key(model, chord, effects),
        }
        return;
    }
    if model.focus == Pane::Probes && model.browser.typing && browser_typing(model, chord) {
        return;
    }
    if model.focus == Pane::Script && popup_key(model, chord) {
        return;
    }
    let pending = model.pending.take();
    match model.keymap.lookup(pending, chord, model.places()) {
        Lookup::Action(act) => {
            // A dead key explains itself.
            let row = action::find(act, model.places());
            match row.map(|row| (row.enabled)(model)) {
                Some(Err(why)) => model.complain(why),
                _ => perform(model, act, effects),
            }
        }
        Lookup::Pending => model.pending = Some(chord),
        Lookup::None => {
            if model.focus == Pane::Script {
                script_key(model, chord, effects);
            }
        }
    }
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
        KeyCode::Home | KeyCode::End => return false,
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
            let rows = model.areas().script.map_or(10, |area| area.height.saturating_sub(3).max(1)) as isize;
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

fn layer_key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) {
    let Some(mut layer) = model.layers.pop() else { return };
    let page = model.size.1.saturating_sub(8).max(1) as usize;
    match &mut layer {
        Layer::Help { scroll } => {
            match chord.code {
                KeyCode::Down | KeyCode::Char('j') => *scroll += 1,
                KeyCode::Up | KeyCode::Char('k') => *scroll = scroll.saturating_sub(1),
                KeyCode::PageDown | KeyCode::Char(' ') => *scroll += page,
                KeyCode::PageUp => *scroll = scroll.saturating_sub(page),
                KeyCode::Home | KeyCode::Char('g') => *scroll = 0,
                KeyCode::End | KeyCode::Char('G') => *scroll = usize::MAX,
                _ => return,
            }
            *scroll = (*scroll).min(crate::tui::view::help::max_scroll(model));
            model.layers.push(layer);
        }
        Layer::Palette { input, items, selected } => {
            match chord.code {
                KeyCode::Esc => return,
                KeyCode::Down | KeyCode::Tab => *selected = (*selected + 1).min(items.len().saturating_sub(1)),
                KeyCode::Up => *selected = selected.saturating_sub(1),
                KeyCode::PageDown => *selected = (*selected + page).min(items.len().saturating_sub(1)),
                KeyCode::PageUp => *selected = selected.saturating_sub(page),
                KeyCode::Enter => {
                    let text = input.text().to_owned();
                    let item = items.get(*selected).cloned();
                    palette::run(model, &text, item, effects);
                    return;
                }
                _ => {
                    if input.key(chord).1 {
                        *items = palette::items(model, input.text());
                        *selected = 0;
                    }
                }
            }
            model.layers.push(layer);
        }
        Layer::Choice(choice) => {
            if chord.code == KeyCode::Esc {
                return;
            }
            let answer =
                choice.options.iter().find(|(key, ..)| chord.typed() == Some(*key)).map(|(.., answer)| *answer);
            match answer {
                Some(answer) => self::answer(model, answer, effects),
                None => model.layers.push(layer),
            }
        }
        Layer::Prompt { kind, input } => {
            let kind = *kind;
            let keep = prompt_key(model, kind, input, chord, effects);
            if keep {
                model.layers.push(layer);
            }
        }
    }
}

/// Says whether the prompt stays open.
fn prompt_key(
    model: &mut Model,
    kind: PromptKind,
    input: &mut TextInput,
    chord: Chord,
    effects: &mut Vec<Effect>,
) -> bool {
    let previous = chord.code == KeyCode::Up;
    let next = chord.code == KeyCode::Down || chord == Chord::new(KeyCode::Char('f'), KeyModifiers::CONTROL);
    match (kind, chord.code) {
        (PromptKind::LiveFilter, KeyCode::Esc) => {
            set_live_filter(model, "");
            return false;
        }
        (PromptKind::Grep, KeyCode::Esc) => {
            model.log.set_grep("");
            return false;
        }
        (_, KeyCode::Esc) => return false,
        (PromptKind::Find, KeyCode::Enter) => {
            report_find(model, true, false);
            return true;
        }
        (PromptKind::Find, _) if next || previous => {
            report_find(model, next, false);
            return true;
        }
        (_, KeyCode::Enter) => {
            session::prompt_done(model, kind, input.text(), effects);
            return false;
        }
        _ => (),
    }
    if input.key(chord).1 {
        match kind {
            PromptKind::Find => {
                input.text().clone_into(&mut model.script.find);
                report_find(model, true, true);
            }
            PromptKind::LiveFilter => set_live_filter(model, input.text()),
            PromptKind::Grep => {
                let until = model.until();
                model.log.set_grep(input.text());
                if !input.text().is_empty() && !model.log.only {
                    model.log.selected = None;
                    model.log.next_match(false, until);
                }
            }
            _ => (),
        }
    }
    true
}

fn report_find(model: &mut Model, forward: bool, here: bool) {
    if model.script.find.is_empty() {
        return;
    }
    if model.script.find_next(forward, here) == 0 {
        model.complain("not found");
    } else {
        model.toast = None;
    }
}

fn set_live_filter(model: &mut Model, text: &str) {
    if let Some(state) = model.live.state_mut() {
        text.clone_into(&mut state.filter);
        state.selected = None;
        state.chosen = false;
        state.scroll = 0;
        // The old order has nothing to hold when the rows are others.
        state.order.clear();
    }
    model.live.refresh(&model.history, model.cursor, model.now);
}

fn answer(model: &mut Model, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Quit => super::quit(model, effects),
        Answer::SaveAndQuit => {
            model.quit_after_save = true;
            session::save(model, effects);
        }
        Answer::ExportCsv => session::export(model, export::Format::Csv, effects),
        Answer::ExportJson => session::export(model, export::Format::Json, effects),
        Answer::CopyTable => {
            let text = model.sample().and_then(|s| export::table(&model.live, &s.snapshot, export::Format::Text));
            match text {
                Some(text) => {
                    effects.push(Effect::Copy(text));
                    model.say("table copied");
                }
                None => model.complain("there is no table to copy"),
            }
        }
        Answer::Open => session::ask(model, PromptKind::Open, ""),
        Answer::New => session::new_script(model),
    }
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

pub fn click(model: &mut Model, x: u16, y: u16) {
    if !model.layers.is_empty() {
        return;
    }
    let areas = model.areas();
    if let Some(pane) = areas.tabs.filter(|tabs| tabs.y == y).and_then(|_| crate::tui::view::tab_at(model, x)) {
        focus(model, pane);
        return;
    }
    let Some((pane, area)) = areas.pane_at(x, y) else { return };
    focus(model, pane);
    model.live.hold_until = model.now + live::HOLD;
    let row = usize::from(y.saturating_sub(area.y + 1));
    match pane {
        Pane::Probes => {
            // Below the filter line.
            if let Some(row) = row.checked_sub(1)
                && row < crate::tui::view::probes::list_height(model, area)
            {
                let at = model.browser.scroll + row;
                if at < model.browser.rows().len() {
                    let again = model.browser.selected == at;
                    model.browser.selected = at;
                    if again {
                        model.browser.toggle(None);
                    }
                }
            }
        }
        Pane::Script => crate::tui::view::editor::click(&mut model.script, area, x, y),
        Pane::Live => crate::tui::view::table::click(model, area, y),
        Pane::Log => (),
    }
}

pub fn wheel(model: &mut Model, x: u16, y: u16, rows: isize) {
    if let Some(Layer::Help { scroll }) = model.layers.last_mut() {
        *scroll = scroll.saturating_add_signed(rows);
        let max = crate::tui::view::help::max_scroll(model);
        if let Some(Layer::Help { scroll }) = model.layers.last_mut() {
            *scroll = (*scroll).min(max);
        }
        return;
    }
    let Some((pane, _)) = model.areas().pane_at(x, y) else { return };
    match pane {
        Pane::Probes => model.browser.step(rows),
        Pane::Script => model.script.page(rows, false),
        Pane::Live => {
            model.live.hold_until = model.now + live::HOLD;
            super::actions::step_live(model, rows);
        }
        Pane::Log => {
            let until = model.until();
            model.log.step(rows, until);
        }
    }
}
