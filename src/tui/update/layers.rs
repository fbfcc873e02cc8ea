//! Keys for what is in front of the panes: help, palette, prompts, questions, pickers, texts.

use crossterm::event::{KeyCode, KeyModifiers};

use super::{live as live_actions, palette, session, unsaved};
use crate::tui::{
    action::{Act, Where},
    app::{Answer, Effect, Layer, Model, Picker, PickerKind, PromptKind},
    input::{keymap::Lookup, keys::Chord},
    model::text_input::TextInput,
};

pub fn key(model: &mut Model, chord: Chord, effects: &mut Vec<Effect>) {
    let is_back = model.keymap.lookup(None, chord, &[Where::Everywhere]) == Lookup::Action(Act::Back);
    let chord = if is_back { Chord::new(KeyCode::Esc, KeyModifiers::NONE) } else { chord };
    let Some(mut layer) = model.layers.pop() else { return };
    let page = model.size.1.saturating_sub(8).max(1) as usize;
    let control = chord.mods == KeyModifiers::CONTROL;
    match &mut layer {
        Layer::Help { scroll } => {
            let max = crate::tui::view::help::max_scroll(model);
            if chord.typed() == Some('/') {
                palette::open(model, "");
            } else if read_on(scroll, chord, page, max) {
                model.layers.push(layer);
            }
        }
        Layer::Text { lines, scroll, .. } => {
            let max = crate::tui::view::popup::max_scroll(model, lines.len());
            if read_on(scroll, chord, page, max) {
                model.layers.push(layer);
            }
        }
        Layer::Picker(picker) => {
            if pick(model, picker, chord) {
                model.layers.push(layer);
            }
        }
        Layer::Palette { input, items, selected } => {
            match chord.code {
                KeyCode::Esc => return,
                KeyCode::Down | KeyCode::Tab if items.is_empty() => (),
                KeyCode::Char('n') if control => *selected = (*selected + 1).min(items.len().saturating_sub(1)),
                KeyCode::Char('p') if control => *selected = selected.saturating_sub(1),
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
                // Somebody waits for this one.
                if choice.options.iter().any(|(.., answer)| *answer == Answer::FetchNothing) {
                    self::answer(model, Answer::FetchNothing, effects);
                }
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

/// Keys of something to read; says whether it stays.
fn read_on(scroll: &mut usize, chord: Chord, page: usize, max: usize) -> bool {
    match chord.code {
        KeyCode::Down | KeyCode::Char('j') => *scroll += 1,
        KeyCode::Up | KeyCode::Char('k') => *scroll = scroll.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => *scroll += page,
        KeyCode::PageUp => *scroll = scroll.saturating_sub(page),
        KeyCode::Home | KeyCode::Char('g') => *scroll = 0,
        KeyCode::End | KeyCode::Char('G') => *scroll = usize::MAX,
        KeyCode::Esc | KeyCode::Enter | KeyCode::F(1) | KeyCode::Char('q' | '?') => return false,
        _ => (),
    }
    *scroll = (*scroll).min(max);
    true
}

/// Keys of a list of columns; says whether it stays.
fn pick(model: &mut Model, picker: &mut Picker, chord: Chord) -> bool {
    let n = live_actions::column_choices(model).len();
    let last = n.saturating_sub(1);
    let number = chord.typed().and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
    match (chord.code, picker.kind) {
        (KeyCode::Esc, _) => return false,
        (KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab, _) => picker.selected = (picker.selected + 1).min(last),
        (KeyCode::Up | KeyCode::Char('k'), _) => picker.selected = picker.selected.saturating_sub(1),
        (KeyCode::Char('s'), PickerKind::Sort) => picker.selected = (picker.selected + 1) % n.max(1),
        (KeyCode::Char('S' | 'r'), PickerKind::Sort) => live_actions::reverse(model),
        (KeyCode::Enter, PickerKind::Sort) => {
            // What is chosen already stays as it is; another key turns it round.
            if model.live.state().is_some_and(|state| state.sort != picker.selected) {
                live_actions::sort_by(model, picker.selected);
            }
            return false;
        }
        (KeyCode::Char(' '), PickerKind::Columns) => live_actions::toggle_column(model, picker.selected),
        (KeyCode::Enter, PickerKind::Columns) => return false,
        _ => {
            if let Some(at) = number.filter(|at| (1..=n).contains(at)).map(|at| at - 1) {
                picker.selected = at;
                match picker.kind {
                    PickerKind::Sort => {
                        live_actions::sort_by(model, at);
                        return false;
                    }
                    PickerKind::Columns => live_actions::toggle_column(model, at),
                }
            }
        }
    }
    true
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

pub fn report_find(model: &mut Model, forward: bool, here: bool) {
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
        Answer::KeepAndQuit => unsaved::keep_and_quit(model, effects),
        Answer::DiscardAndQuit => unsaved::discard_and_quit(model, effects),
        Answer::SaveAndQuit => unsaved::save_and_quit(model, effects),
        Answer::Export(format) => session::export(model, format, effects),
        Answer::CopyShown => match session::shown_text(model) {
            Some(text) => {
                effects.push(Effect::Copy(text));
                model.say("copied what is shown");
            }
            None => model.complain("there is nothing to copy"),
        },
        Answer::Fetch | Answer::FetchNothing => super::engine::answer_offer(model, answer == Answer::Fetch),
        Answer::RunAnyway => super::actions::run(model, true, effects),
        Answer::LatencyBy(key) => super::probes::latency_by(model, key, effects),
        Answer::KeepMine | Answer::LoadTheirs | Answer::ShowTheirs => unsaved::settle(model, answer, effects),
        Answer::Recover | Answer::ShowLeft | Answer::ForgetLeft => unsaved::recover(model, answer, effects),
    }
}
