//! The palette and questions: boxes in front of the panes.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{
    centered, draw_box,
    pen::{Pen, text_width, wrapped},
};
use crate::tui::{
    app::{Choice, Model, PaletteItem},
    model::text_input::TextInput,
    theme::Role,
};

pub fn draw(
    model: &Model,
    input: &TextInput,
    items: &[PaletteItem],
    selected: usize,
    buf: &mut Buffer,
) -> Option<Position> {
    let screen = buf.area;
    let height = (items.len() as u16).clamp(1, 16).min(screen.height.saturating_sub(6)) + 3;
    let area = centered(screen, 80, height);
    let area = Rect { y: area.y.min(screen.height / 5), ..area };
    let mut pen = Pen::new(buf, area);
    pen.fill(model.theme.get(Role::Popup));
    draw_box(&mut pen, &model.glyphs.border, model.theme.get(Role::PopupBorder));
    let (width, rows) = (pen.width(), pen.height().saturating_sub(3));
    let x = pen.text(2, 1, ": ", model.theme.get(Role::Key));
    pen.text(x, 1, input.text(), model.theme.get(Role::Prompt));
    if input.text().is_empty() {
        pen.text(x, 1, "what do you want to do?", model.theme.get(Role::Dim));
    }
    let column = (x as usize + text_width(input.before_cursor())).min(usize::from(width.saturating_sub(2)));
    let cursor = Position::new(pen.area.x + column as u16, pen.area.y + 1);
    // Names are short but for those of themes.
    let longest = items.iter().map(|item| text_width(&item.name)).max().unwrap_or(0);
    let title_x = if longest < 16 { 18 } else { 4 + longest.min(24) as u16 };
    let top = (selected + 1).saturating_sub(rows.into());
    for (row, item) in items.iter().skip(top).take(rows.into()).enumerate() {
        let y = row as u16 + 2;
        let chosen = top + row == selected;
        let off = item.disabled.is_some();
        let mut line = pen.inner(1, y, width.saturating_sub(2), 1);
        let end = line.width();
        if chosen {
            line.fill(model.theme.get(Role::PopupSelected));
            line.text(0, 0, model.glyphs.pointer, model.theme.get(Role::PopupSelected));
        }
        let pick = |role| if chosen { model.theme.get(Role::PopupSelected) } else { model.theme.get(role) };
        line.text(2, 0, &item.name, pick(if off { Role::KeyOff } else { Role::Title }));
        let keys_width = text_width(&item.keys) as u16;
        let room = end.saturating_sub(title_x + keys_width + 3);
        let title = item.disabled.as_ref().map_or(item.title.clone(), |why| format!("not now: {why}"));
        line.cut(title_x, 0, room, &title, pick(if off { Role::KeyOff } else { Role::Dim }), &model.glyphs);
        line.right(end.saturating_sub(1), 0, &item.keys, pick(if off { Role::KeyOff } else { Role::Key }));
    }
    if items.is_empty() {
        pen.text(3, 2, "nothing fits", model.theme.get(Role::Dim));
    }
    Some(cursor)
}

/// Columns in a line of a question.
const LINE: usize = 92;

pub fn choice(model: &Model, choice: &Choice, buf: &mut Buffer) {
    let line = LINE.min(usize::from(buf.area.width.saturating_sub(6)));
    let lines: Vec<String> = choice.text.iter().flat_map(|text| wrapped(text, line)).collect();
    let texts = lines.iter().map(|text| text_width(text));
    let labels = choice.options.iter().map(|(_, label, _)| text_width(label) + "  k   ".len());
    let longest = texts.chain(labels).max().unwrap_or(0).max(34) as u16;
    let height = lines.len() as u16 + choice.options.len() as u16 + 5;
    let area = centered(buf.area, longest + 6, height);
    let mut pen = Pen::new(buf, area);
    pen.fill(model.theme.get(Role::Popup));
    draw_box(&mut pen, &model.glyphs.border, model.theme.get(Role::PopupBorder));
    pen.text(2, 0, &format!(" {} ", choice.title), model.theme.get(Role::TitleFocus));
    let room = pen.width().saturating_sub(5);
    let mut y = 1;
    for text in &lines {
        pen.cut(3, y, room, text, model.theme.get(Role::Popup), &model.glyphs);
        y += 1;
    }
    y += 1;
    for (key, label, _) in &choice.options {
        let x = pen.text(3, y, &format!("  {key}  "), model.theme.get(Role::Key));
        let room = pen.width().saturating_sub(x + 2);
        pen.cut(x + 1, y, room, label, model.theme.get(Role::KeyLabel), &model.glyphs);
        y += 1;
    }
    let x = pen.text(3, y, " Esc ", model.theme.get(Role::Key));
    pen.text(x + 1, y, "back", model.theme.get(Role::KeyLabel));
}
