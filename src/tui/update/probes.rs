//! What actions do in the probe browser: quick traces, inserting, pins, documentation.

use super::{actions::run, focus, put_script};
use crate::tui::{
    action::Act,
    app::{Answer, Choice, Effect, Layer, Model},
    engine::CountRequest,
    layout::Pane,
    model::{
        browser::{COUNT_OVER, PartKind},
        live::LiveView,
    },
    quick::{self, Counted, Quick, TraceKey},
    shape,
};

/// Hits were counted, or could not be.
pub fn counted(model: &mut Model, point: &str, result: Result<Vec<(String, u64)>, String>) {
    match result {
        Ok(hits) => {
            let sum: u64 = hits.iter().map(|(_, hits)| hits).sum();
            let most = hits.iter().filter(|(other, _)| other != point).take(3);
            let most: Vec<String> =
                most.map(|(point, hits)| format!("{} {point}", shape::short(*hits as f64))).collect();
            let most = if most.is_empty() { String::new() } else { format!(": {}", most.join(", ")) };
            let times = if sum == 1 { "once" } else { "times" };
            let n = if sum == 1 { String::new() } else { format!("{} ", shape::short(sum as f64)) };
            model.say(format!("{point} was hit {n}{times} in {} s{most}", COUNT_OVER.as_secs()));
            model.browser.set_hits(Some(hits));
        }
        Err(why) => {
            model.browser.set_hits(None);
            model.complain(why);
        }
    }
}

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    model.browser.choose();
    match act {
        Act::Latency if let Some(expression) = selected_expression(model) => {
            quick_trace(model, Quick::Values(expression), effects);
        }
        Act::CountBy if let Some(counted) = counted_by(model) => quick_trace(model, Quick::CountBy(counted), effects),
        Act::Latency if is_latency_of_selected(model) => ask_key(model),
        Act::Latency => latency_by(model, TraceKey::Process, effects),
        Act::CountBy => quick_trace(model, Quick::Count, effects),
        Act::CountHits => {
            if let Some(point) = model.browser.countable() {
                model.browser.count(&point);
                effects.push(Effect::Count(CountRequest { point, over: COUNT_OVER }));
            }
        }
        Act::ArgsToLog => quick_trace(model, Quick::Arguments, effects),
        Act::ErrorsBy => quick_trace(model, Quick::Errors, effects),
        Act::StacksBy => quick_trace(model, Quick::Stacks, effects),
        Act::Insert => insert(model),
        Act::Pin => pin(model),
        Act::Documentation => documentation(model),
        _ => find_probe(model),
    }
}

pub fn enter(model: &mut Model) {
    match (model.browser.selected_part().map(|part| part.kind.clone()), model.browser.selected_entry()) {
        (Some(PartKind::Section { .. } | PartKind::Said(_) | PartKind::Copy(..)), _) | (None, None) => {
            model.browser.toggle(None);
        }
        _ => insert(model),
    }
}

/// What an insertion puts into the script: the expression at the cursor where its probe is, else a probe.
fn insert(model: &mut Model) {
    let Some(target) = model.browser.selected_target() else { return };
    let Some(PartKind::Variable { expression, .. }) = model.browser.selected_part().map(|part| part.kind.clone())
    else {
        return insert_probe(model, &quick::stub(&target));
    };
    if probe_above(model).is_some_and(|point| *point == *target.point) {
        model.script.insert(&expression);
        focus(model, Pane::Script);
    } else {
        insert_probe(model, &quick::stub_with(&target, &expression));
    }
}

/// `H` has been pressed on this probe before: its script is the one in the editor, as it was written.
fn is_latency_of_selected(model: &Model) -> bool {
    let Some(entry) = model.browser.selected_entry() else { return false };
    let text = model.script.text();
    TraceKey::ALL.iter().any(|key| quick::script(&Quick::Latency(*key), entry, None).1 == text)
}

fn ask_key(model: &mut Model) {
    model.layers.push(Layer::Choice(Choice {
        title: "Latency by".into(),
        text: vec!["What each row of the table stands for.".into()],
        options: TraceKey::ALL.into_iter().map(|key| (key.letter(), key.title(), Answer::LatencyBy(key))).collect(),
        came_up: None,
    }));
}

pub fn latency_by(model: &mut Model, key: TraceKey, effects: &mut Vec<Effect>) {
    quick_trace(model, Quick::Latency(key), effects);
}

fn pin(model: &mut Model) {
    let Some(point) = model.browser.selected_entry().map(|entry| entry.point.to_string()) else { return };
    let pinned = model.browser.pin(&point);
    model.say(format!("{point} {}", if pinned { "is pinned: it stays at the top" } else { "is no longer pinned" }));
}

/// All that is known of the selected probe, to read at leisure.
fn documentation(model: &mut Model) {
    let Some(entry) = model.browser.selected_entry().cloned() else { return };
    let Some(detail) = model.browser.detail(&entry.point).cloned() else {
        model.say("still being looked up");
        return;
    };
    let mut lines: Vec<String> = Vec::new();
    let doc: &str = if detail.doc.is_empty() { &entry.doc } else { &detail.doc };
    lines.extend(doc.lines().map(str::to_owned));
    for said in [&detail.origin, &detail.how] {
        if !said.is_empty() {
            lines.extend([String::new(), said.clone()]);
        }
    }
    for (title, variables) in [("Variables", &detail.variables), ("Only in .return", &detail.return_variables)] {
        if variables.is_empty() {
            continue;
        }
        lines.extend([String::new(), title.to_owned()]);
        let width = variables.iter().map(|v| v.name.len()).max().unwrap_or(0);
        let types = variables.iter().map(|v| v.ty.len()).max().unwrap_or(0);
        lines.extend(
            variables.iter().map(|v| format!("  {:width$}  {:types$}  {}", v.name, v.ty, v.note).trim_end().to_owned()),
        );
    }
    model.layers.push(Layer::Text { title: entry.point.into(), lines, scroll: 0, diff: false });
}

/// The variable that is selected.
fn selected_expression(model: &Model) -> Option<String> {
    match &model.browser.selected_part()?.kind {
        PartKind::Variable { expression, .. } => Some(expression.clone()),
        _ => None,
    }
}

fn counted_by(model: &Model) -> Option<Counted> {
    match &model.browser.selected_part()?.kind {
        PartKind::Variable { expression, variable, .. } => Counted::new(expression, variable.holds),
        _ => None,
    }
}

fn quick_trace(model: &mut Model, what: Quick, effects: &mut Vec<Effect>) {
    let Some(entry) = model.browser.selected_target() else { return };
    let detail = model.browser.detail(&entry.point).cloned();
    let (name, text) = quick::script(&what, &entry, detail.as_ref());
    put_script(model, &name, &text);
    model.live.view = LiveView::Histogram;
    model.cursor = None;
    run(model, false, effects);
    focus(model, if what == Quick::Arguments { Pane::Log } else { Pane::Live });
}

fn insert_probe(model: &mut Model, stub: &str) {
    let mut text = model.script.text();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !text.trim().is_empty() {
        text.push('\n');
    } else {
        text.clear();
    }
    let line = text.matches('\n').count() + 1;
    text.push_str(stub);
    // At the end of the handler's first line.
    let column = stub.lines().nth(1).map_or(0, |line| line.chars().count());
    model.script.replace_all(&text, (line, column));
    focus(model, Pane::Script);
}

/// The point of the `probe` line at or above the cursor.
fn probe_above(model: &Model) -> Option<String> {
    let (line, _) = model.script.cursor();
    let above = model.script.lines()[..=line].iter().rev().find_map(|l| l.trim_start().strip_prefix("probe "));
    above.map(|rest| rest.split(['{', ',']).next().unwrap_or("").trim().to_owned())
}

/// The probe point of the `probe` line at or above the cursor, shown in the browser.
fn find_probe(model: &mut Model) {
    match probe_above(model).map(|point| point.trim_end_matches(".return").to_owned()) {
        Some(point) if !point.is_empty() => {
            model.browser.look_for(&point);
            focus(model, Pane::Probes);
        }
        _ => model.complain("there is no probe above the cursor"),
    }
}
