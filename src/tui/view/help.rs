//! Help: the actions of every place with their keys, the focused pane's first. Made from the table of actions.

use ratatui::buffer::Buffer;

use super::{centered, draw_box, pen::Pen, pen::text_width};
use crate::tui::{
    action::{ACTIONS, Where},
    app::Model,
    theme::Role,
};

enum Row {
    Title(&'static str),
    Key { keys: String, title: &'static str, disabled: Option<String> },
    Blank,
}

/// Keys the editor takes that are no actions.
const EDITING: &[(&str, &str)] = &[
    ("Shift", "With a key that moves: select"),
    ("Tab", "Complete; at the start of a line indent"),
    ("Enter", "New line, indented as the one before"),
];

fn rows(model: &Model) -> Vec<Row> {
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
            out.push(Row::Key { keys, title: row.title, disabled });
        }
        if place == Where::Script {
            out.extend(EDITING.iter().map(|(keys, title)| Row::Key {
                keys: (*keys).to_owned(),
                title,
                disabled: None,
            }));
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
    let area = centered(buf.area, 92, height(model));
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
    let key_width = 18.min(pen.width() / 3);
    for (y, row) in rows.iter().skip(scroll).take(height.into()).enumerate() {
        let y = y as u16;
        match row {
            Row::Blank => (),
            Row::Title(title) => {
                pen.text(0, y, title, model.theme.get(Role::TreeGroup));
            }
            Row::Key { keys, title, disabled } => {
                let role = if disabled.is_some() { Role::KeyOff } else { Role::Key };
                let start = key_width.saturating_sub(text_width(keys) as u16);
                let x = pen.text(start, y, keys, model.theme.get(role)).max(key_width) + 2;
                let label = if disabled.is_some() { Role::KeyOff } else { Role::KeyLabel };
                let room = pen.width().saturating_sub(x);
                // The reason why not, whole or not at all: the key says it too.
                let text = match disabled {
                    Some(why) if text_width(title) + text_width(why) + 3 <= room.into() => format!("{title} ({why})"),
                    _ => (*title).to_owned(),
                };
                pen.cut(x, y, room, &text, model.theme.get(label), &model.glyphs);
            }
        }
    }
}
