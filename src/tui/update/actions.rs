//! What each action does.

use std::time::Duration;

use super::{focus, keys::ask_completion, palette, put_script, quit, session};
use crate::{
    runtime::session::SessionCommand,
    tui::{
        action::Act,
        app::{Answer, Choice, Effect, Layer, Model, PromptKind},
        engine::StartRequest,
        layout::Pane,
        model::{
            live::{LiveView, columns},
            log::LineKind,
            text_input::TextInput,
        },
        quick::{self, Quick},
        shape,
    },
};

/// Pressed again within this, stop means now.
const FORCE_WITHIN: Duration = Duration::from_secs(2);

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match act {
        Act::Run => run(model, effects),
        Act::Stop => stop(model, effects),
        Act::Save => session::save(model, effects),
        Act::SaveAs => {
            let name = model.script.path.as_ref().map_or(model.script.name.clone(), |p| p.display().to_string());
            session::ask(model, PromptKind::SaveAs, &name);
        }
        Act::Open => session::guarded(model, Answer::Open),
        Act::New => session::guarded(model, Answer::New),
        Act::PreviousScript => {
            if let Some(script) = model.aside.pop() {
                let version = model.script.version.max(script.version);
                let old = std::mem::replace(&mut model.script, script.bumped(version));
                if old.is_modified() && !old.is_empty() {
                    model.aside.insert(0, old);
                }
                focus(model, Pane::Script);
            }
        }
        Act::Quit => ask_quit(model, effects),
        Act::Palette => palette::open(model, ""),
        Act::Theme => palette::open(model, "theme "),
        Act::Help => model.layers.push(Layer::Help { scroll: 0 }),
        Act::NextPane => focus(model, model.focus.step(true)),
        Act::PreviousPane => focus(model, model.focus.step(false)),
        Act::Pane1 => focus(model, Pane::Probes),
        Act::Pane2 => focus(model, Pane::Script),
        Act::Pane3 => focus(model, Pane::Live),
        Act::Pane4 => focus(model, Pane::Log),
        Act::Zoom => model.zoom = !model.zoom,
        Act::Layout => {
            model.layout = model.layout.next();
            let name = model.layout.name();
            model.say(format!("layout: {name}"));
        }
        Act::Mouse => {
            model.mouse = !model.mouse;
            effects.push(Effect::Mouse(model.mouse));
            model.say(if model.mouse {
                "the mouse works here"
            } else {
                "the mouse is the terminal's: select text with it"
            });
        }
        Act::Suspend => effects.push(Effect::Suspend),
        Act::Redraw => effects.push(Effect::Redraw),
        Act::Back => back(model),
        Act::Up => step(model, -1),
        Act::Down => step(model, 1),
        Act::PageUp => step(model, -page(model)),
        Act::PageDown => step(model, page(model)),
        Act::Top => edge(model, false),
        Act::Bottom => edge(model, true),
        Act::Left => sideways(model, false),
        Act::Right => sideways(model, true),
        Act::Filter => match model.focus {
            Pane::Probes => model.browser.typing = true,
            Pane::Live => {
                let filter = model.live.state().map(|s| s.filter.clone()).unwrap_or_default();
                session::ask(model, PromptKind::LiveFilter, &filter);
            }
            Pane::Log => {
                let grep = model.log.grep.clone();
                session::ask(model, PromptKind::Grep, &grep);
            }
            Pane::Script => session::ask(model, PromptKind::Find, ""),
        },
        Act::Copy => copy(model, effects),
        Act::Enter => enter(model),
        Act::Latency => quick_trace(model, Quick::Latency, effects),
        Act::CountBy => quick_trace(model, Quick::Count, effects),
        Act::ArgsToLog => quick_trace(model, Quick::Arguments, effects),
        Act::ErrorsBy => quick_trace(model, Quick::Errors, effects),
        Act::Insert => insert_probe(model),
        Act::Toggle => toggle_probe(model, effects),
        Act::Complete => ask_completion(model, effects),
        Act::NextError => model.script.next_diagnostic(true),
        Act::PreviousError => model.script.next_diagnostic(false),
        Act::Fix => {
            if model.script.apply_fix() {
                model.say("fix applied");
            }
        }
        Act::Undo => model.script.undo(),
        Act::Redo => model.script.redo(),
        Act::Comment => model.script.toggle_comment(),
        Act::Find => {
            let text = model.script.find.clone();
            session::ask(model, PromptKind::Find, &text);
        }
        Act::GoToLine => session::ask(model, PromptKind::GoToLine, ""),
        Act::FindProbe => find_probe(model),
        Act::SelectAll => model.script.select_all(),
        Act::CutText => {
            let text = model.script.cut();
            effects.push(Effect::Copy(text));
        }
        Act::CopyText => {
            let text = model.script.copy();
            effects.push(Effect::Copy(text));
            model.say("copied");
        }
        Act::PasteText => model.script.paste(),
        Act::DeleteWord => model.script.delete_word(),
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
        Act::View => {
            model.live.view = match model.live.view {
                LiveView::Histogram => LiveView::Heatmap,
                LiveView::Heatmap => LiveView::Spark,
                LiveView::Spark => LiveView::Table,
                LiveView::Table | LiveView::Costs => LiveView::Histogram,
            };
            model.live.drilled = false;
        }
        Act::Sort => {
            let n = model.live.table_info().map_or(1, |info| columns(info).len());
            if let Some(state) = model.live.state_mut() {
                state.sort = (state.sort + 1) % n;
                state.ascending = false;
            }
            resort(model);
        }
        Act::Reverse => {
            if let Some(state) = model.live.state_mut() {
                state.ascending = !state.ascending;
            }
            resort(model);
        }
        Act::Follow => follow(model),
        Act::Clear => {
            effects.push(Effect::Command(SessionCommand::Clear));
            model.say("globals are back at their start");
            model.log.note(LineKind::Note, "globals cleared", model.now);
        }
        Act::Costs => costs(model),
        Act::Export => model.layers.push(Layer::Choice(Choice {
            title: "Export the table".into(),
            text: vec!["What is shown is written: this sort, this filter, this instant.".into()],
            options: vec![
                ('c', "CSV file", Answer::ExportCsv),
                ('j', "JSON file", Answer::ExportJson),
                ('y', "clipboard", Answer::CopyTable),
            ],
        })),
        Act::Wrap => model.log.wrap = !model.log.wrap,
        Act::Only => {
            if model.log.grep.is_empty() {
                model.complain("nothing is searched for; / does");
            } else {
                model.log.only = !model.log.only;
            }
        }
        Act::NextMatch | Act::PreviousMatch => {
            let until = model.until();
            if model.log.grep.is_empty() {
                model.complain("nothing is searched for; / does");
            } else if !model.log.next_match(act == Act::NextMatch, until) {
                model.complain("no more matches");
            }
        }
        Act::Times => model.log.times = !model.log.times,
    }
}

/// Compiles and runs the editor's text; what runs now goes on until the new one does.
pub fn run(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.script.is_empty() {
        model.complain("the script is empty; 1 shows the probes, and H on one of them writes a script");
        return;
    }
    let run = model.run.next;
    model.run.next += 1;
    model.run.compiling = Some((run, model.now));
    model.run.failed = None;
    model.run.pending = (model.script.version, model.script.text());
    model.script.popup = None;
    effects.push(Effect::Start(StartRequest {
        run,
        text: model.script.bytes(),
        file_name: model.script.display_name(),
        options: model.start_options.clone(),
    }));
}

fn stop(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.is_tracing() {
        let again = model.run.stopped_at.is_some_and(|at| model.now.saturating_sub(at) < FORCE_WITHIN);
        if again {
            effects.push(Effect::Command(SessionCommand::Kill));
            model.say("stopped at once: end probes did not run");
        } else {
            effects.push(Effect::Command(SessionCommand::Stop));
            model.run.stopping = true;
            model.run.stopped_at = Some(model.now);
            model.say("stopping: end probes run; again for at once");
        }
    } else {
        model.layers.clear();
        ask_quit(model, effects);
    }
}

fn ask_quit(model: &mut Model, effects: &mut Vec<Effect>) {
    let modified = model.script.is_modified() && !model.script.is_empty();
    if !modified && !model.aside.is_empty() {
        model.layers.push(Layer::Choice(Choice {
            title: "Quit?".into(),
            text: vec![format!("{} put aside has unsaved changes; F7 brings it back.", model.aside[0].display_name())],
            options: vec![('d', "discard and quit", Answer::Quit)],
        }));
        return;
    }
    let tracing = model.is_tracing() && !model.demo;
    if !modified && !tracing {
        quit(model, effects);
        return;
    }
    let mut text = Vec::new();
    let mut options = Vec::new();
    if tracing {
        text.push("A script is running; it ends softly, with its end probes.".to_owned());
    }
    if modified {
        text.push(format!("{} has unsaved changes.", model.script.display_name()));
        options.push(('s', "save and quit", Answer::SaveAndQuit));
        options.push(('d', "discard and quit", Answer::Quit));
    } else {
        options.push(('q', "stop and quit", Answer::Quit));
    }
    model.layers.push(Layer::Choice(Choice { title: "Quit?".into(), text, options }));
}

/// Esc peels exactly one layer; popups and layers had their turn before.
fn back(model: &mut Model) {
    match model.focus {
        Pane::Probes if !model.browser.filter.text().is_empty() => {
            model.browser.filter.clear();
            model.browser.refilter();
        }
        Pane::Script if model.script.is_selecting() => model.script.cancel_selection(),
        Pane::Script if !model.script.find.is_empty() => model.script.find.clear(),
        Pane::Live if model.live.drilled => model.live.drilled = false,
        Pane::Live if model.live.view == LiveView::Costs => costs(model),
        Pane::Live if model.live.state().is_some_and(|s| !s.filter.is_empty()) => {
            if let Some(state) = model.live.state_mut() {
                state.filter.clear();
            }
            model.live.refresh(&model.history, model.cursor, model.now);
        }
        Pane::Live | Pane::Log if model.cursor.is_some() => {
            model.cursor = None;
            moved_in_time(model);
        }
        Pane::Log if !model.log.grep.is_empty() => model.log.set_grep(""),
        Pane::Log if model.log.selected.is_some() => model.log.selected = None,
        _ if model.zoom => model.zoom = false,
        Pane::Script => focus(model, if model.info().is_some() { Pane::Live } else { Pane::Probes }),
        _ => model.toast = None,
    }
}

fn page(model: &Model) -> isize {
    model.areas().pane(model.focus).map_or(10, |area| area.height.saturating_sub(5).max(1)) as isize
}

fn step(model: &mut Model, rows: isize) {
    match model.focus {
        Pane::Probes => model.browser.step(rows),
        Pane::Script => model.script.page(rows, false),
        Pane::Live => step_live(model, rows),
        Pane::Log => {
            let until = model.until();
            model.log.step(rows, until);
        }
    }
}

pub fn step_live(model: &mut Model, rows: isize) {
    if model.live.view == LiveView::Costs {
        let last = model.info().map_or(0, |info| info.probes.len().saturating_sub(1));
        model.live.cost_selected = model.live.cost_selected.saturating_add_signed(rows).min(last);
    } else if let Some(state) = model.live.state_mut() {
        state.step(rows);
    }
}

fn edge(model: &mut Model, last: bool) {
    match model.focus {
        Pane::Log if last => model.log.selected = None,
        Pane::Log => {
            let until = model.until();
            model.log.top(until);
        }
        _ => step(model, if last { isize::MAX / 2 } else { isize::MIN / 2 }),
    }
}

fn sideways(model: &mut Model, right: bool) {
    match model.focus {
        Pane::Probes => model.browser.toggle(Some(right)),
        Pane::Live if model.live.view != LiveView::Costs => {
            let n = model.live.pages().len().max(1);
            model.live.page = (model.live.page + if right { 1 } else { n - 1 }) % n;
            model.live.drilled = false;
        }
        _ => (),
    }
}

fn enter(model: &mut Model) {
    match model.focus {
        Pane::Probes => match model.browser.selected_entry() {
            Some(_) => insert_probe(model),
            None => model.browser.toggle(None),
        },
        Pane::Live if model.live.view != LiveView::Costs => model.live.drilled = !model.live.drilled,
        _ => (),
    }
}

fn resort(model: &mut Model) {
    let hold = std::mem::replace(&mut model.live.hold_until, Duration::ZERO);
    model.live.refresh(&model.history, model.cursor, model.now);
    model.live.hold_until = hold;
}

/// The log follows its end, or stays where it is.
fn follow(model: &mut Model) {
    let until = model.until();
    model.log.selected = match model.log.selected {
        Some(_) => None,
        None => model.log.selected_line(until).map(|line| line.number),
    };
}

fn costs(model: &mut Model) {
    if model.live.view == LiveView::Costs {
        model.live.view = model.live.view_before_costs;
    } else {
        model.live.view_before_costs = model.live.view;
        model.live.view = LiveView::Costs;
    }
}

fn toggle_probe(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.live.view != LiveView::Costs {
        costs(model);
        model.say("select a probe; o switches it off or on");
        return;
    }
    let probe = model.live.cost_selected;
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

fn moved_in_time(model: &mut Model) {
    model.live.refresh(&model.history, model.cursor, model.now);
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

fn copy(model: &mut Model, effects: &mut Vec<Effect>) {
    let until = model.until();
    let text = match model.focus {
        Pane::Probes => model.browser.selected_entry().map(|entry| entry.point.clone()),
        Pane::Script => Some(model.script.copy()),
        Pane::Log => model.log.selected_line(until).map(|line| line.text.clone()),
        Pane::Live => model.live.state().and_then(|state| {
            let table = model.sample()?.snapshot.tables.get(model.live.current_table()?)?;
            let view = state.order.get(state.selected_at()?)?;
            let row = table.rows.get(view.idx)?;
            Some(format!("{}\t{}", view.key.replace('\x1f', "\t"), shape::datum(&row.value)))
        }),
    };
    match text {
        Some(text) => {
            model.say(format!("copied: {}", text.lines().next().unwrap_or("")));
            effects.push(Effect::Copy(text));
        }
        None => model.complain("nothing is selected"),
    }
}

/// An empty prompt line for `kind`.
pub fn prompt(kind: PromptKind, text: &str) -> Layer {
    Layer::Prompt { kind, input: TextInput::new(text) }
}
