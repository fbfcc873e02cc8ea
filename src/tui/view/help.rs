//! Help: the actions of every place with their keys, the focused pane's first. Made from the table of actions.

use ratatui::buffer::Buffer;

use super::{
    centered, draw_box,
    pen::{Pen, text_width, wrapped},
};
use crate::tui::{
    action::{ACTIONS, Where},
    app::Model,
    theme::Role,
};

enum Row {
    Title(&'static str),
    /// A line of what keys do; only the first has the keys.
    Key {
        keys: String,
        text: String,
        is_off: bool,
    },
    Blank,
}

/// Keys the editor takes that are no actions.
const EDITING: &[(&str, &str)] = &[
    ("Shift", "With a key that moves: select"),
    ("Tab", "Complete; at the start of a line indent"),
    ("Enter", "New line, indented as the one before"),
];

/// Columns of the whole, at most.
const WIDTH: u16 = 92;
/// Columns of the keys, at most.
const KEYS: u16 = 18;

/// Columns of keys, and of what they do.
fn columns(model: &Model) -> (u16, u16) {
    // A border and a blank on the left, on the right a border.
    let inside = WIDTH.min(model.size.0).saturating_sub(3);
    let keys = KEYS.min(inside / 3);
    (keys, inside.saturating_sub(keys + 2))
}

fn key_rows(keys: String, text: &str, is_off: bool, room: u16) -> impl Iterator<Item = Row> {
    let mut keys = Some(keys);
    let lines = wrapped(text, room.into()).into_iter();
    lines.map(move |text| Row::Key { keys: keys.take().unwrap_or_default(), text, is_off })
}

fn rows(model: &Model) -> Vec<Row> {
    let (_, room) = columns(model);
    let mut order: Vec<Where> = model.places().to_vec();
    for place in Where::ALL {
        if !order.contains(&place) {
            order.push(place);
        }
    }
    let mut out = Vec::new();
    for place in order {
        out.push(Row::Title(place.title()));
        for row in ACTIONS.iter().filter(|row| row.places.contains(&place)) {
            let keys = model.keymap.shown_all(row, model.glyphs.unicode);
            let keys = if keys.is_empty() { ":".to_owned() + row.name } else { keys };
            let disabled = if model.places().contains(&place) {
                (row.enabled)(model).err().map(|why| model.fill(why))
            } else {
                None
            };
            // A dead key explains itself.
            let text = disabled.as_ref().map_or(row.title.to_owned(), |why| format!("{} ({why})", row.title));
            out.extend(key_rows(keys, &text, disabled.is_some(), room));
        }
        if place == Where::Script {
            out.extend(EDITING.iter().flat_map(|(keys, title)| key_rows((*keys).to_owned(), title, false, room)));
        }
        out.push(Row::Blank);
    }
    out.pop();
    out
}

fn height(model: &Model) -> u16 {
    model.size.1.saturating_sub(4).max(3)
}

pub fn max_scroll(model: &Model) -> usize {
    rows(model).len().saturating_sub(usize::from(height(model).saturating_sub(2)))
}

pub fn draw(model: &Model, scroll: usize, buf: &mut Buffer) {
    let rows = rows(model);
    let area = centered(buf.area, WIDTH, height(model));
    let mut pen = Pen::new(buf, area);
    pen.fill(model.theme.get(Role::Popup));
    draw_box(&mut pen, &model.glyphs.border, model.theme.get(Role::PopupBorder));
    pen.text(2, 0, " Keys ", model.theme.get(Role::TitleFocus));
    let more = rows.len().saturating_sub(scroll + usize::from(pen.height().saturating_sub(2)));
    if more > 0 {
        let bottom = pen.height().saturating_sub(1);
        pen.right(pen.width().saturating_sub(2), bottom, &format!(" {more} more, j "), model.theme.get(Role::Dim));
    }
    let (width, height) = (pen.width().saturating_sub(3), pen.height().saturating_sub(2));
    let mut pen = pen.inner(2, 1, width, height);
    let (key_width, room) = columns(model);
    for (y, row) in rows.iter().skip(scroll).take(height.into()).enumerate() {
        let y = y as u16;
        match row {
            Row::Blank => (),
            Row::Title(title) => {
                pen.text(0, y, title, model.theme.get(Role::TreeGroup));
            }
            Row::Key { keys, text, is_off } => {
                let role = if *is_off { Role::KeyOff } else { Role::Key };
                let start = key_width.saturating_sub(text_width(keys) as u16);
                let x = pen.text(start, y, keys, model.theme.get(role)).max(key_width) + 2;
                let label = if *is_off { Role::KeyOff } else { Role::KeyLabel };
                pen.cut(x, y, room, text, model.theme.get(label), &model.glyphs);
            }
        }
    }
}
