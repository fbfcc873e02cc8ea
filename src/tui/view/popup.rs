//! Lists to choose from and texts to read, in front of the panes; and what may follow a first key.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{centered, draw_box, pen::Pen, pen::text_width};
use crate::tui::{
    app::{Model, Picker, PickerKind},
    theme::Role,
    update::column_choices,
};

fn text_height(model: &Model, n_lines: usize) -> u16 {
    (n_lines as u16).saturating_add(2).min(model.size.1.saturating_sub(4).max(3))
}

/// How far a text of so many lines can be scrolled.
pub fn max_scroll(model: &Model, n_lines: usize) -> usize {
    n_lines.saturating_sub(usize::from(text_height(model, n_lines).saturating_sub(2)))
}

fn boxed<'a>(model: &Model, buf: &'a mut Buffer, area: Rect, title: &str) -> Pen<'a> {
    let mut pen = Pen::new(buf, area);
    pen.fill(model.theme.get(Role::Popup));
    draw_box(&mut pen, &model.glyphs.border, model.theme.get(Role::PopupBorder));
    pen.text(2, 0, &format!(" {title} "), model.theme.get(Role::TitleFocus));
    pen
}

pub fn text(model: &Model, title: &str, lines: &[String], scroll: usize, diff: bool, buf: &mut Buffer) {
    let area = centered(buf.area, 96, text_height(model, lines.len()));
    let mut pen = boxed(model, buf, area, title);
    let height = usize::from(pen.height().saturating_sub(2));
    let more = lines.len().saturating_sub(scroll + height);
    if more > 0 {
        let (right, bottom) = (pen.width().saturating_sub(2), pen.height().saturating_sub(1));
        pen.right(right, bottom, &format!(" {more} more, j "), model.theme.get(Role::Dim));
    }
    let room = pen.width().saturating_sub(4);
    for (row, line) in lines.iter().skip(scroll).take(height).enumerate() {
        let role = match line.as_bytes().first() {
            Some(b'-') if diff => Role::DiagError,
            Some(b'+') if diff => Role::ProbeOn,
            _ => Role::Popup,
        };
        pen.cut(2, row as u16 + 1, room, line, model.theme.get(role), &model.glyphs);
    }
}

pub fn picker(model: &Model, picker: &Picker, buf: &mut Buffer) {
    let choices = column_choices(model);
    let title = if picker.kind == PickerKind::Sort { "Sort by" } else { "Columns" };
    let area = centered(buf.area, 34, choices.len() as u16 + 2);
    let mut pen = boxed(model, buf, area, title);
    let sort = model.live.state().map(|state| (state.sort, state));
    for (n, (column, name, shown)) in choices.iter().enumerate() {
        let mut line = pen.inner(1, n as u16 + 1, 32, 1);
        let chosen = n == picker.selected;
        let role = if chosen { Role::PopupSelected } else { Role::Popup };
        if chosen {
            line.fill(model.theme.get(role));
            line.text(0, 0, model.glyphs.pointer, model.theme.get(role));
        }
        let mark = match (picker.kind, sort) {
            (PickerKind::Columns, _) => {
                if *shown {
                    "[x]"
                } else {
                    "[ ]"
                }
            }
            (PickerKind::Sort, Some((at, state))) if at == n => {
                if state.descending(*column) {
                    model.glyphs.down
                } else {
                    model.glyphs.up
                }
            }
            _ => "",
        };
        line.text(2, 0, &format!("{}  {name}", n + 1), model.theme.get(role));
        line.right(30, 0, mark, model.theme.get(role));
    }
}

/// What may follow the first key of a sequence.
pub fn continuations(model: &Model, buf: &mut Buffer) {
    let Some((first, alone)) = model.pending else { return };
    // A key that acts by itself in a moment needs no table.
    if alone.is_some() {
        return;
    }
    let all = model.keymap.continuations(first, model.places());
    let unicode = model.glyphs.unicode;
    let width = all.iter().map(|(_, row)| text_width(row.title)).max().unwrap_or(0).min(60) as u16 + 14;
    let size = buf.area;
    let height = (all.len() as u16 + 2).min(size.height);
    let width = width.min(size.width);
    let area = Rect::new(size.width - width, (size.height - height).saturating_sub(2), width, height);
    let mut pen = boxed(model, buf, area, &first.shown(unicode));
    for (n, (chord, row)) in all.iter().enumerate() {
        let ok = (row.enabled)(model).is_ok();
        let (key, label) = if ok { (Role::Key, Role::KeyLabel) } else { (Role::KeyOff, Role::KeyOff) };
        pen.inner(1, n as u16 + 1, width.saturating_sub(2), 1).right(7, 0, &chord.shown(unicode), model.theme.get(key));
        let room = width.saturating_sub(11);
        pen.cut(9, n as u16 + 1, room, row.title, model.theme.get(label), &model.glyphs);
    }
}
