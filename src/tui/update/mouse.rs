//! The mouse: a click goes to a pane and selects there, sorts by a heading or does what the key bar says, a drag moves a border or selects text, the wheel scrolls what is under
//! it.

use super::{focus, keys::do_or_explain, live as live_actions};
use crate::tui::{
    app::{Effect, Held, Layer, Model},
    layout::Pane,
    model::live,
    view::{self, editor, help, popup, probes, status, table},
};

pub fn click(model: &mut Model, x: u16, y: u16, effects: &mut Vec<Effect>) {
    if !model.layers.is_empty() {
        return;
    }
    let areas = model.areas();
    if areas.keys.is_some_and(|keys| keys.y == y) {
        if let Some(act) = status::act_at(model, x) {
            do_or_explain(model, act, effects);
        }
        return;
    }
    let border = model.layout.border_at(model.size, model.focus, x, y);
    model.held = border.map(|(border, behind)| Held::Border { border, behind });
    if let Some(pane) = areas.tabs.filter(|tabs| tabs.y == y).and_then(|_| view::tab_at(model, x)) {
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
                && row < probes::list_height(model, area)
            {
                let at = model.browser.scroll + row;
                if at < model.browser.rows().len() {
                    let again = model.browser.selected == at;
                    model.browser.select(at);
                    if again {
                        model.browser.toggle(None);
                    }
                }
            }
        }
        Pane::Script => {
            let at = editor::place_at(&model.script, area, x, y);
            model.script.cancel_selection();
            model.script.jump(at.0, at.1);
            // vim selects by its own commands.
            if model.held.is_none() && model.vim.is_none() {
                model.held = Some(Held::Selection { from: at });
            }
        }
        Pane::Live => match table::heading_at(model, area, x, y) {
            Some(column) => {
                let choices = live_actions::column_choices(model);
                if let Some(at) = choices.iter().position(|(other, ..)| *other == column) {
                    live_actions::sort_by(model, at);
                }
            }
            None => table::click(model, area, y),
        },
        Pane::Log => (),
    }
}

pub fn wheel(model: &mut Model, x: u16, y: u16, rows: isize) {
    let help = help::max_scroll(model);
    let text = match model.layers.last() {
        Some(Layer::Text { lines, .. }) => popup::max_scroll(model, lines.len()),
        _ => 0,
    };
    match model.layers.last_mut() {
        Some(Layer::Help { scroll }) => return *scroll = scroll.saturating_add_signed(rows).min(help),
        Some(Layer::Text { scroll, .. }) => return *scroll = scroll.saturating_add_signed(rows).min(text),
        Some(_) => return,
        None => (),
    }
    let Some((pane, _)) = model.areas().pane_at(x, y) else { return };
    match pane {
        Pane::Probes => {
            model.browser.step(rows);
            model.browser.described.moved(model.now);
        }
        Pane::Script => model.script.page(rows, false),
        Pane::Live => {
            model.live.hold_until = model.now + live::HOLD;
            live_actions::step(model, rows);
        }
        Pane::Log => {
            let until = model.until();
            model.log.step(rows, until);
        }
    }
}

/// The mouse moved with its button down.
pub fn drag(model: &mut Model, x: u16, y: u16) {
    match model.held {
        Some(Held::Border { border, behind }) => {
            model.layout.drag(model.size, model.focus, border, (i32::from(x) + behind, i32::from(y) + behind));
        }
        Some(Held::Selection { from }) => {
            let Some(area) = model.areas().script else { return };
            let (first, last) = (area.y + 1, area.bottom().saturating_sub(2));
            let (line, at) = editor::place_at(&model.script, area, x, y.min(last).max(first));
            // Beyond the edge it goes on, and the text scrolls.
            let to = (line.saturating_add_signed(isize::from(y > last) - isize::from(y < first)), at);
            model.script.select_range(from, to);
        }
        None => (),
    }
}
