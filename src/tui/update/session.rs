//! Saving and opening scripts with their view, prompts, and exports.

use std::path::{Path, PathBuf};

use super::actions::prompt;
use crate::tui::{
    app::{Answer, Choice, Effect, Layer, Model, PromptKind},
    export,
    layout::{LayoutMode, Pane},
    model::{live::LiveView, script::Script},
    session_file,
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
        PromptKind::SaveAs if text.trim().is_empty() => model.complain("a file needs a name"),
        PromptKind::SaveAs => {
            model.script.path = Some(PathBuf::from(text.trim()));
            save(model, effects);
        }
        PromptKind::Open if text.trim().is_empty() => (),
        PromptKind::Open => effects.push(Effect::Open(PathBuf::from(text.trim()))),
        PromptKind::Find | PromptKind::LiveFilter | PromptKind::Grep => (),
    }
}

pub fn save(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(path) = model.script.path.clone() else {
        let name = model.script.name.clone();
        ask(model, PromptKind::SaveAs, &name);
        return;
    };
    write_block(model);
    let bytes = session_file::join(&model.script.bytes(), &model.session_block);
    effects.push(Effect::Save { path, bytes, version: model.script.version });
}

pub fn saved(model: &mut Model, path: PathBuf, version: u64, error: Option<String>, effects: &mut Vec<Effect>) {
    match error {
        None => {
            model.script.mark_saved(version);
            model.say(format!("saved {}", path.display()));
            if model.quit_after_save {
                super::quit(model, effects);
            }
        }
        Some(error) => {
            model.quit_after_save = false;
            model.complain(format!("not saved: {error}"));
        }
    }
}

/// Asks before unsaved changes are left behind.
pub fn guarded(model: &mut Model, then: Answer) {
    if model.script.is_modified() && !model.script.is_empty() {
        let text = vec![format!("{} has unsaved changes; Ctrl-S saves them.", model.script.display_name())];
        let options = vec![('d', "discard them", then)];
        model.layers.push(Layer::Choice(Choice { title: "Leave this script?".into(), text, options }));
    } else if then == Answer::Open {
        ask(model, PromptKind::Open, "");
    } else {
        new_script(model);
    }
}

pub fn new_script(model: &mut Model) {
    model.script = Script::default().after(model.script.version);
    model.session_block = toml::Table::new();
    super::focus(model, Pane::Script);
}

pub fn opened(model: &mut Model, path: PathBuf, result: Result<Vec<u8>, String>) {
    match result {
        Ok(bytes) => {
            open_script(model, &path, &bytes);
            super::focus(model, Pane::Script);
        }
        Err(error) => model.complain(error),
    }
}

/// Puts a file into the editor and its view on the screen.
pub fn open_script(model: &mut Model, path: &Path, bytes: &[u8]) {
    let (text, block) = session_file::split(bytes);
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    model.script = Script::new(&name, Some(path.to_owned()), &text).after(model.script.version);
    model.check_due = Some(model.now);
    model.session_block = block;
    let get = |key: &str| model.session_block.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    if let Some(mode) = get("layout").and_then(|v| LayoutMode::parse(&v)) {
        model.layout = mode;
    }
    if let Some(view) = get("view").and_then(|v| LiveView::parse(&v)) {
        model.live.view = view;
    }
}

/// The view into the block; values that are defaults are left out, keys we do not know stay.
fn write_block(model: &mut Model) {
    let mut set = |key: &str, value: &str, default: &str| {
        if value == default {
            model.session_block.remove(key);
        } else {
            model.session_block.insert(key.to_owned(), value.into());
        }
    };
    set("layout", model.layout.name(), LayoutMode::Trace.name());
    set("view", model.live.view.name(), LiveView::Histogram.name());
    let Some(info) = model.live.info.clone() else { return };
    let mut tables = toml::Table::new();
    for (table, state) in info.tables.iter().zip(&model.live.states) {
        let mut entry = toml::Table::new();
        if state.sort != table.keys.len() {
            entry.insert("sort".into(), (state.sort as i64).into());
        }
        if state.ascending {
            entry.insert("reverse".into(), true.into());
        }
        if !state.filter.is_empty() {
            entry.insert("filter".into(), state.filter.clone().into());
        }
        if !entry.is_empty() {
            tables.insert(table.name.clone(), entry.into());
        }
    }
    if tables.is_empty() {
        model.session_block.remove("tables");
    } else {
        model.session_block.insert("tables".into(), tables.into());
    }
}

/// Sort orders and filters of the block, onto the tables of a session that has just started.
pub fn apply_block(model: &mut Model) {
    let Some(info) = model.live.info.clone() else { return };
    let Some(tables) = model.session_block.get("tables").and_then(|v| v.as_table()).cloned() else { return };
    for (table, state) in info.tables.iter().zip(&mut model.live.states) {
        let Some(entry) = tables.get(&table.name).and_then(|v| v.as_table()) else { continue };
        if let Some(sort) = entry.get("sort").and_then(toml::Value::as_integer) {
            state.sort = (sort.max(0) as usize).min(crate::tui::model::live::columns(table).len() - 1);
        }
        state.ascending = entry.get("reverse").and_then(toml::Value::as_bool).unwrap_or(false);
        if let Some(filter) = entry.get("filter").and_then(|v| v.as_str()) {
            filter.clone_into(&mut state.filter);
        }
    }
}

pub fn export(model: &mut Model, format: export::Format, effects: &mut Vec<Effect>) {
    let Some(sample) = model.sample() else { return };
    let text = export::table(&model.live, &sample.snapshot, format);
    let (Some(text), Some(info)) = (text, model.live.table_info()) else {
        model.complain("there is no table to export");
        return;
    };
    let extension = if format == export::Format::Csv { "csv" } else { "json" };
    let name = format!("{}-{}.{extension}", info.name, model.clock.stamp(model.now));
    effects.push(Effect::Export { name, bytes: text.into_bytes() });
}
