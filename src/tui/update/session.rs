//! Saving and opening scripts with their view, prompts, and exports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{actions::prompt, block};
use crate::{
    runtime::{recording::Header, session::SessionEvent},
    tui::{
        app::{AfterSave, Answer, Choice, Effect, ExportAs, Layer, Model, PromptKind},
        disk::Job,
        export,
        files::{Expect, OnDisk},
        given,
        layout::Pane,
        model::{live::LiveView, log::LineKind, script::Script},
        session_file,
    },
};

pub fn ask(model: &mut Model, kind: PromptKind, text: &str) {
    model.layers.push(prompt(kind, text));
    if kind == PromptKind::Find {
        text.clone_into(&mut model.script.find);
    }
}

/// Enter was pressed in a prompt.
pub fn prompt_done(model: &mut Model, kind: PromptKind, text: &str, effects: &mut Vec<Effect>) {
    match kind {
        PromptKind::GoToLine => match text.trim().parse::<usize>() {
            Ok(line) => {
                model.script.cancel_selection();
                model.script.jump(line.saturating_sub(1), 0);
            }
            Err(_) => model.complain(format!("'{text}' is not a line number")),
        },
        PromptKind::SaveAs(_) if text.trim().is_empty() => model.complain("a file needs a name"),
        PromptKind::SaveAs(then) => save_as(model, PathBuf::from(text.trim()), then, effects),
        PromptKind::GoToTime => {
            let latest = model.history.latest().map(|sample| sample.received);
            match latest.and_then(|latest| super::time::parse(text, latest, &model.clock)) {
                Some(at) => {
                    model.cursor = model.history.until(at);
                    super::live::moved_in_time(model);
                }
                None => model.complain(format!("'{text}' is no time; 14:03, 14:03:31, -90s or -2m are")),
            }
        }
        PromptKind::Given { run } => match given::parse(text) {
            Ok(given) => {
                model.script.given = given;
                model.check_due = Some(model.now);
                if run {
                    super::actions::run(model, false, effects);
                }
            }
            Err(why) => {
                model.complain(why);
                ask(model, kind, text);
            }
        },
        PromptKind::Open if text.trim().is_empty() => (),
        PromptKind::Open => effects.push(Effect::Disk(Job::Open(PathBuf::from(text.trim())))),
        PromptKind::Find | PromptKind::LiveFilter | PromptKind::Grep => (),
    }
}

pub fn save(model: &mut Model, then: AfterSave, effects: &mut Vec<Effect>) {
    match model.script.path.clone() {
        Some(path) => {
            let expect = model.script.on_disk.map_or(Expect::Nothing, Expect::This);
            write(model, path, then, expect, effects);
        }
        None => {
            let name = model.script.name.clone();
            ask(model, PromptKind::SaveAs(then), &name);
        }
    }
}

fn save_as(model: &mut Model, path: PathBuf, then: AfterSave, effects: &mut Vec<Effect>) {
    if model.script.path.as_ref() == Some(&path) {
        save(model, then, effects);
    } else {
        write(model, path, then, Expect::Nothing, effects);
    }
}

pub fn write(model: &mut Model, path: PathBuf, then: AfterSave, expect: Expect, effects: &mut Vec<Effect>) {
    block::write(model);
    let (script, version) = (model.script.id, model.script.version);
    let bytes = session_file::join(&model.script.bytes(), &model.script.block);
    effects.push(Effect::Disk(Job::Save { script, path, bytes, version, then, expect }));
}

/// An empty script; an edited one is put aside.
pub fn new_script(model: &mut Model) {
    super::replace_script(model, Script::default());
    super::focus(model, Pane::Script);
}

pub fn opened(model: &mut Model, path: &Path, result: Result<Option<OnDisk>, String>, effects: &mut Vec<Effect>) {
    match result {
        Ok(found) => {
            open_script(model, path, found.as_ref());
            super::focus(model, Pane::Script);
            effects.push(Effect::Disk(Job::FindLeft { path: Some(path.to_owned()), asked: false }));
        }
        Err(error) => model.complain(error),
    }
}

/// Puts a file into the editor and its view on the screen.
pub fn open_script(model: &mut Model, path: &Path, found: Option<&OnDisk>) {
    let (text, block) = session_file::split(found.map_or(b"", |found| &found.bytes));
    if found.is_none() {
        model.say(format!("{} is new", path.display()));
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    super::replace_script(model, Script::new(&name, Some(path.to_owned()), &text));
    model.script.on_disk = found.map(|found| found.stamp);
    model.script.block = block;
    block::read(model);
    model.check_due = Some(model.now);
}

/// What can be written from the focused pane.
pub fn ask_export(model: &mut Model) {
    let has_table = model.focus == Pane::Live && model.sample().is_some() && model.live.table_info().is_some();
    let mut options = Vec::new();
    let mut text = Vec::new();
    if has_table {
        text.push("What is shown is written: this sort, this filter, this instant.".to_owned());
        options.push(('c', "CSV file", Answer::Export(ExportAs::Table(export::Format::Csv))));
        options.push(('j', "JSON file", Answer::Export(ExportAs::Table(export::Format::Json))));
        options.push(('t', "text file", Answer::Export(ExportAs::Table(export::Format::Text))));
        options.push(('r', "raw, as stap prints it", Answer::Export(ExportAs::Table(export::Format::Raw))));
    } else if model.focus != Pane::Live {
        text.push("The lines this pane shows are written, filtered as they are.".to_owned());
        options.push(('t', "text file", Answer::Export(ExportAs::Lines)));
    }
    options.push(('s', "the screen as SVG", Answer::Export(ExportAs::Svg)));
    if !model.history.is_empty() {
        options.push(('w', "recording of the whole history, for tapdeck replay", Answer::Export(ExportAs::Recording)));
    }
    if has_table || model.focus != Pane::Live {
        options.push(('y', "clipboard", Answer::CopyShown));
    }
    model.layers.push(Layer::Choice(Choice { title: "Export".into(), text, options, came_up: None }));
}

/// The lines or the table of the focused pane.
pub fn shown_text(model: &Model) -> Option<String> {
    match model.focus {
        Pane::Live => {
            let raw = model.live.view == LiveView::Raw;
            let format = if raw { export::Format::Raw } else { export::Format::Text };
            let sample = model.sample()?;
            export::table(&model.live, &sample.snapshot, format, &model.clock.time(sample.received, false))
        }
        Pane::Log => {
            let until = model.until();
            Some(model.log.shown(until).map(|line| format!("{}\n", line.text)).collect())
        }
        Pane::Probes => Some(model.browser.points().map(|point| format!("{point}\n")).collect()),
        Pane::Script => Some(model.script.text()),
    }
}

pub fn export(model: &mut Model, what: ExportAs, effects: &mut Vec<Effect>) {
    let stamp = model.clock.stamp(model.now);
    let (name, text) = match what {
        ExportAs::Table(format) => {
            let Some(sample) = model.sample() else { return };
            let extension = match format {
                export::Format::Csv => "csv",
                export::Format::Json => "json",
                export::Format::Text | export::Format::Raw => "txt",
            };
            let at = model.clock.time(sample.received, false);
            let text = export::table(&model.live, &sample.snapshot, format, &at);
            let name = model.live.table_info().map(|info| format!("{}-{stamp}.{extension}", info.name));
            (name.unwrap_or_default(), text)
        }
        ExportAs::Lines => (format!("{}-{stamp}.txt", model.focus.name()), shown_text(model)),
        ExportAs::Svg => {
            let area = ratatui::layout::Rect::new(0, 0, model.size.0, model.size.1);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            let cursor = crate::tui::view::draw(model, &mut buffer);
            (format!("screen-{stamp}.svg"), Some(crate::tui::svg::svg(&buffer, cursor)))
        }
        ExportAs::Recording => {
            record(model, format!("session-{stamp}.tapdeck"), effects);
            return;
        }
    };
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let much = match (what, &text) {
        (ExportAs::Table(_), _) => many(model.live.state().map_or(0, |state| state.order.len()), "row"),
        (ExportAs::Lines, Some(text)) => many(text.lines().count(), "line"),
        _ => String::new(),
    };
    match text {
        Some(text) => effects.push(Effect::Disk(Job::Export { name, bytes: text.into_bytes(), much })),
        None => model.complain("there is nothing to export"),
    }
}

/// The history as a recording: the session, its samples, and the log's lines when they came.
fn record(model: &mut Model, name: String, effects: &mut Vec<Effect>) {
    let (Some(info), Some(oldest)) = (model.info().cloned(), model.history.oldest()) else { return };
    let begin = oldest.received;
    let header = Header {
        script_name: model.script.display_name(),
        script: model.script.bytes(),
        note: "kept from the dashboard's history".into(),
        ..Header::default()
    };
    let mut events: Vec<(Duration, SessionEvent)> =
        vec![(Duration::ZERO, SessionEvent::Started(Box::new((*info).clone())))];
    let samples = model.history.window(None, usize::MAX);
    events.extend(samples.map(|s| (s.received.saturating_sub(begin), SessionEvent::Snapshot(Arc::clone(&s.snapshot)))));
    let lines = model.log.lines().iter().filter(|line| line.kind == LineKind::Output && line.received >= begin);
    events.extend(lines.flat_map(|line| {
        // Of what is folded the first times are known; the rest came at the last.
        let output = |at: Duration, n: usize| {
            let text = format!("{}\n", line.text).repeat(n);
            (at.saturating_sub(begin), SessionEvent::Output(text.into_bytes()))
        };
        let n_rest = line.repeats as usize - 1 - line.again.len();
        let each = std::iter::once(&line.received).chain(&line.again).map(move |at| output(*at, 1));
        each.chain((n_rest > 0).then(|| output(line.last, n_rest)))
    }));
    events.extend(model.run.ended.iter().map(|report| (Duration::MAX, SessionEvent::Ended(report.clone()))));
    events.sort_by_key(|(at, _)| *at);
    let last = events.iter().rev().find(|(at, _)| *at != Duration::MAX).map_or(Duration::ZERO, |(at, _)| *at);
    for (at, _) in &mut events {
        *at = (*at).min(last);
    }
    effects.push(Effect::Disk(Job::Record { name, header, events }));
}
