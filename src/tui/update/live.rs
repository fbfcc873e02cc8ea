//! What actions do to the live tables and the time cursor.

use std::time::Duration;

use super::session;
use crate::{
    runtime::session::{SessionCommand, ValueKind},
    tui::{
        action::Act,
        app::{Effect, Layer, Model, Picker, PickerKind, PromptKind},
        layout::Pane,
        model::{
            live::{Column, LiveView, columns},
            log::LineKind,
        },
        shape,
    },
};

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match act {
        Act::Pause => {
            model.cursor = match model.cursor {
                None => model.history.latest().map(|sample| sample.number),
                Some(_) => None,
            };
            model.live.hold_until = Duration::ZERO;
            moved_in_time(model);
        }
        Act::StepBack => step_time(model, -1),
        Act::StepForward => step_time(model, 1),
        Act::JumpBack => step_time(model, -10),
        Act::JumpForward => step_time(model, 10),
        Act::Oldest => {
            model.cursor = model.history.oldest().map(|sample| sample.number);
            moved_in_time(model);
        }
        Act::Newest => {
            model.cursor = None;
            moved_in_time(model);
        }
        Act::GoToTime => session::ask(model, PromptKind::GoToTime, ""),
        Act::View => {
            model.live.view = match model.live.view {
                LiveView::Histogram => LiveView::Heatmap,
                LiveView::Heatmap => LiveView::Spark,
                LiveView::Spark => LiveView::Raw,
                LiveView::Raw => LiveView::Table,
                LiveView::Table | LiveView::Costs => LiveView::Histogram,
            };
            model.live.drilled = false;
        }
        Act::Sort => pick(model, PickerKind::Sort),
        Act::Reverse => reverse(model),
        Act::Columns => pick(model, PickerKind::Columns),
        Act::Follow => follow(model),
        Act::DrillUp => drop(drill_up(model)),
        Act::Clear => {
            effects.push(Effect::Command(SessionCommand::Clear));
            model.live.cleared = Some(model.now);
            model.say("globals are back at their start; {step-back} shows what was before");
            model.log.note(LineKind::Note, "globals cleared", model.now);
        }
        _ => costs(model),
    }
}

fn pick(model: &mut Model, kind: PickerKind) {
    let selected = if kind == PickerKind::Sort { model.live.state().map_or(0, |state| state.sort) } else { 0 };
    model.layers.push(Layer::Picker(Picker { kind, selected }));
}

/// The columns a picker offers, with their names and whether they are shown.
pub fn column_choices(model: &Model) -> Vec<(Column, String, bool)> {
    let (Some(info), Some(state)) = (model.live.table_info(), model.live.state()) else { return Vec::new() };
    columns(info).into_iter().map(|c| (c, state.column_name(c), !state.hidden.contains(&c))).collect()
}

pub fn sort_by(model: &mut Model, at: usize) {
    if let Some(state) = model.live.state_mut() {
        // The same column again turns the order around.
        state.ascending = state.sort == at && !state.ascending;
        state.sort = at;
    }
    resort(model);
}

pub fn reverse(model: &mut Model) {
    if let Some(state) = model.live.state_mut() {
        state.ascending = !state.ascending;
    }
    resort(model);
}

pub fn toggle_column(model: &mut Model, at: usize) {
    let Some(info) = model.live.table_info() else { return };
    let all = columns(info);
    let Some(column) = all.get(at).copied() else { return };
    let Some(state) = model.live.state_mut() else { return };
    if state.hidden.contains(&column) {
        state.hidden.retain(|hidden| *hidden != column);
    } else if state.hidden.len() + 1 < all.len() {
        state.hidden.push(column);
    } else {
        model.complain("one column stays");
    }
}

fn resort(model: &mut Model) {
    let hold = std::mem::replace(&mut model.live.hold_until, Duration::ZERO);
    model.live.refresh(&model.history, model.cursor, model.now);
    model.live.hold_until = hold;
}

fn follow(model: &mut Model) {
    let Some(state) = model.live.state_mut() else { return };
    state.chosen = !state.chosen;
    let text = match (&state.selected, state.chosen) {
        (Some(key), true) => {
            format!("the selection stays on {}, wherever it goes", key.replace(shape::KEY_SEPARATOR, ", "))
        }
        _ => "the selection stays on the first row, whichever it is".to_owned(),
    };
    model.say(text);
    resort(model);
}

/// Into the selected row: of an array with several keys first the rows that share the next one, then the row alone. On the
/// cost view, to the probe in the script.
pub fn enter(model: &mut Model) {
    if model.live.view == LiveView::Costs {
        let line = model.info().and_then(|info| info.probes.get(model.live.cost_selected)).map(|probe| probe.line);
        if let Some(line) = line.filter(|line| *line > 0) {
            model.script.cancel_selection();
            model.script.jump(line as usize - 1, 0);
            super::focus(model, Pane::Script);
        }
        return;
    }
    let n_keys = model.live.table_info().map_or(0, |info| info.keys.len());
    let is_text = model.live.table_info().is_some_and(|info| info.value == ValueKind::Str);
    let drilled = model.live.drilled;
    let Some(state) = model.live.state_mut() else { return };
    let Some(key) = state.selected.clone() else { return };
    if state.inside.len() + 1 < n_keys {
        if let Some(part) = key.split(shape::KEY_SEPARATOR).nth(state.inside.len()) {
            state.inside.push(part.to_owned());
            state.order.clear();
            state.scroll = 0;
        }
        resort(model);
    } else if drilled || is_text {
        model.complain("this row is all there is; {drill-up} leads back");
    } else {
        state.chosen = true;
        model.live.drilled = true;
    }
}

pub fn is_inside(model: &Model) -> bool {
    model.live.drilled || model.live.state().is_some_and(|state| !state.inside.is_empty())
}

/// One step out; says whether there was one.
pub fn drill_up(model: &mut Model) -> bool {
    if model.live.drilled {
        model.live.drilled = false;
        return true;
    }
    let Some(state) = model.live.state_mut() else { return false };
    let was_inside = state.inside.pop().is_some();
    if was_inside {
        state.order.clear();
        resort(model);
    }
    was_inside
}

pub fn step(model: &mut Model, rows: isize) {
    if model.live.view == LiveView::Costs {
        let last = model.info().map_or(0, |info| info.probes.len().saturating_sub(1));
        model.live.cost_selected = model.live.cost_selected.saturating_add_signed(rows).min(last);
    } else if let Some(state) = model.live.state_mut() {
        state.step(rows);
    }
}

pub fn costs(model: &mut Model) {
    if model.live.view == LiveView::Costs {
        model.live.view = model.live.view_before_costs;
    } else {
        model.live.view_before_costs = model.live.view;
        model.live.view = LiveView::Costs;
    }
}

pub fn toggle_probe(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.focus == Pane::Live && model.live.view != LiveView::Costs {
        costs(model);
        model.say("select a probe; {toggle} switches it off or on");
        return;
    }
    let Some(probe) = model.selected_probe() else { return };
    let Some(state) = model.info().and_then(|info| info.probes.get(probe)).cloned() else { return };
    let on = model.sample().and_then(|s| s.snapshot.cost.probes.get(probe)).is_none_or(|cost| cost.enabled);
    effects.push(Effect::Command(SessionCommand::SetEnabled { probe, enabled: !on }));
    effects.push(Effect::Command(SessionCommand::SnapshotNow));
    model.say(format!("{} is {}", state.written, if on { "off" } else { "on" }));
}

fn step_time(model: &mut Model, steps: isize) {
    model.cursor = model.history.step(model.cursor, steps);
    moved_in_time(model);
}

pub fn moved_in_time(model: &mut Model) {
    model.live.refresh(&model.history, model.cursor, model.now);
}
