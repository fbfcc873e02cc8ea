//! What actions do in the probe browser: quick traces, inserting, pins, documentation.

use super::{actions::run, focus, put_script};
use crate::tui::{
    action::Act,
    app::{Answer, Choice, Effect, Layer, Model},
    layout::Pane,
    model::live::LiveView,
    quick::{self, Quick, TraceKey},
};

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match act {
        Act::Latency if is_latency_of_selected(model) => ask_key(model),
        Act::Latency => latency_by(model, TraceKey::Process, effects),
        Act::CountBy => quick_trace(model, Quick::Count, effects),
        Act::ArgsToLog => quick_trace(model, Quick::Arguments, effects),
        Act::ErrorsBy => quick_trace(model, Quick::Errors, effects),
        Act::Insert => insert_probe(model),
        Act::Pin => pin(model),
        Act::Documentation => documentation(model),
        _ => find_probe(model),
    }
}

pub fn enter(model: &mut Model) {
    match model.browser.selected_entry() {
        Some(_) => insert_probe(model),
        None => model.browser.toggle(None),
    }
}

/// `H` has been pressed on this probe before: its script is the one in the editor, as it was written.
fn is_latency_of_selected(model: &Model) -> bool {
    let Some(entry) = model.browser.selected_entry() else { return false };
    let text = model.script.text();
    TraceKey::ALL.iter().any(|key| quick::script(Quick::Latency(*key), entry, None).1 == text)
}

fn ask_key(model: &mut Model) {
    model.layers.push(Layer::Choice(Choice {
        title: "Latency by".into(),
        text: vec!["What each row of the table stands for.".into()],
        options: TraceKey::ALL.into_iter().map(|key| (key.letter(), key.title(), Answer::LatencyBy(key))).collect(),
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
    if !detail.origin.is_empty() {
        lines.extend([String::new(), detail.origin.clone()]);
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

fn quick_trace(model: &mut Model, what: Quick, effects: &mut Vec<Effect>) {
    let Some(entry) = model.browser.selected_entry().cloned() else { return };
    let detail = model.browser.detail(&entry.point).cloned();
    let (name, text) = quick::script(what, &entry, detail.as_ref());
    put_script(model, &name, &text);
    model.live.view = LiveView::Histogram;
    model.cursor = None;
    run(model, effects);
    focus(model, if what == Quick::Arguments { Pane::Log } else { Pane::Live });
}

fn insert_probe(model: &mut Model) {
    let Some(entry) = model.browser.selected_entry().cloned() else { return };
    let stub = quick::stub(&entry);
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
    text.push_str(&stub);
    model.script.replace_all(&text, (line, 2));
    focus(model, Pane::Script);
}

/// The probe point of the `probe` line at or above the cursor, shown in the browser.
fn find_probe(model: &mut Model) {
    let (line, _) = model.script.cursor();
    let above = model.script.lines()[..=line].iter().rev().find_map(|l| l.trim_start().strip_prefix("probe "));
    match above.map(|rest| rest.split(['{', ',']).next().unwrap_or("").trim().trim_end_matches(".return").to_owned()) {
        Some(point) if !point.is_empty() => {
            model.browser.look_for(&point);
            focus(model, Pane::Probes);
        }
        _ => model.complain("there is no probe above the cursor"),
    }
}
