//! The view of a script into the block of its file, and out of it again: layout, sizes, pins, sort orders and filters, and
//! what the script is given.

use crate::tui::{
    app::Model,
    engine::StartOptions,
    layout::{Border, Layout, LayoutMode},
    model::live::{self, LiveView},
};

/// Puts the block of a script that was just opened on the screen.
pub fn read(model: &mut Model) {
    let block = model.script.block.clone();
    let get = |key: &str| block.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let mode = get("layout").and_then(|v| LayoutMode::parse(&v)).unwrap_or(model.layout.mode);
    model.layout = Layout::new(mode);
    read_sizes(model);
    let pinned = block.get("pinned").and_then(|v| v.as_array()).cloned().unwrap_or_default();
    for point in pinned.iter().filter_map(|v| v.as_str()) {
        if !model.browser.pinned.iter().any(|pinned| pinned == point) {
            model.browser.pin(point);
        }
    }
    if let Some(view) = get("view").and_then(|v| LiveView::parse(&v)) {
        model.live.view = view;
    }
    let args = block.get("args").and_then(|v| v.as_array()).cloned().unwrap_or_default();
    let given = StartOptions {
        args: args.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect(),
        target: block.get("target").and_then(toml::Value::as_integer).and_then(|pid| u32::try_from(pid).ok()),
        command: get("command"),
        buffer_mb: block.get("buffer_mb").and_then(toml::Value::as_integer).and_then(|mb| u32::try_from(mb).ok()),
    };
    if given != StartOptions::default() {
        model.script.given = given;
    }
}

fn write_given(model: &mut Model) {
    let StartOptions { args, target, command, buffer_mb } = model.script.given.clone();
    let args: Vec<toml::Value> = args.into_iter().map(toml::Value::from).collect();
    let mut set = |key: &str, value: Option<toml::Value>| match value {
        Some(value) => drop(model.script.block.insert(key.to_owned(), value)),
        None => drop(model.script.block.remove(key)),
    };
    set("args", (!args.is_empty()).then(|| args.into()));
    set("target", target.map(|pid| i64::from(pid).into()));
    set("command", command.map(toml::Value::from));
    set("buffer_mb", buffer_mb.map(|mb| i64::from(mb).into()));
}

/// The view into the block; values that are defaults are left out, keys we do not know stay.
pub fn write(model: &mut Model) {
    let mut set = |key: &str, value: &str, default: &str| {
        if value == default {
            model.script.block.remove(key);
        } else {
            model.script.block.insert(key.to_owned(), value.into());
        }
    };
    set("layout", model.layout.mode.name(), LayoutMode::Trace.name());
    set("view", model.live.view.name(), LiveView::Histogram.name());
    write_sizes(model);
    write_given(model);
    let pinned: Vec<toml::Value> = model.browser.pinned.iter().map(|point| point.clone().into()).collect();
    if pinned.is_empty() {
        model.script.block.remove("pinned");
    } else {
        model.script.block.insert("pinned".into(), pinned.into());
    }
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
        if !state.hidden.is_empty() {
            let names: Vec<toml::Value> = state.hidden.iter().map(|c| state.column_name(*c).into()).collect();
            entry.insert("hidden".into(), names.into());
        }
        if !entry.is_empty() {
            tables.insert(table.name.clone(), entry.into());
        }
    }
    if tables.is_empty() {
        model.script.block.remove("tables");
    } else {
        model.script.block.insert("tables".into(), tables.into());
    }
}

/// Sort orders and filters of the block, onto the tables of a session that has just started.
pub fn apply(model: &mut Model) {
    let Some(info) = model.live.info.clone() else { return };
    let Some(tables) = model.script.block.get("tables").and_then(|v| v.as_table()).cloned() else { return };
    for (table, state) in info.tables.iter().zip(&mut model.live.states) {
        let Some(entry) = tables.get(&table.name).and_then(|v| v.as_table()) else { continue };
        if let Some(sort) = entry.get("sort").and_then(toml::Value::as_integer) {
            state.sort = (sort.max(0) as usize).min(live::columns(table).len() - 1);
        }
        state.ascending = entry.get("reverse").and_then(toml::Value::as_bool).unwrap_or(false);
        let hidden = entry.get("hidden").and_then(|v| v.as_array()).cloned().unwrap_or_default();
        let is_hidden = |name: String| hidden.iter().any(|v| v.as_str() == Some(&name));
        let columns = live::columns(table);
        state.hidden = columns.into_iter().filter(|c| is_hidden(state.column_name(*c))).collect();
        if let Some(filter) = entry.get("filter").and_then(|v| v.as_str()) {
            filter.clone_into(&mut state.filter);
        }
    }
}

/// Borders a person has moved, of each layout: `[sizes.trace]`, as parts of the whole.
fn write_sizes(model: &mut Model) {
    let mut sizes = toml::Table::new();
    for (mode, name) in LayoutMode::ALL {
        let mut entry = toml::Table::new();
        for (border, border_name) in Border::ALL {
            if let Some(share) = model.layout.share(mode, border) {
                entry.insert(border_name.into(), ((share * 1000.0).round() / 1000.0).into());
            }
        }
        if !entry.is_empty() {
            sizes.insert(name.into(), entry.into());
        }
    }
    if sizes.is_empty() {
        model.script.block.remove("sizes");
    } else {
        model.script.block.insert("sizes".into(), sizes.into());
    }
}

fn read_sizes(model: &mut Model) {
    for (mode, name) in LayoutMode::ALL {
        for (border, border_name) in Border::ALL {
            let share = model.script.block.get("sizes").and_then(|v| v.get(name)?.get(border_name)?.as_float());
            model.layout.set_share(mode, border, share.filter(|share| share.is_finite()));
        }
    }
}
