//! From model to cells. Every view is a function of the model and an area; nothing here changes anything.

pub mod costs;
pub mod editor;
pub mod heatmap;
pub mod help;
pub mod histogram;
pub mod log;
pub mod palette;
pub mod pen;
pub mod popup;
pub mod probes;
pub mod stacks;
pub mod status;
pub mod table;
pub mod timeline;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use self::pen::{Pen, text_width};
use super::{
    app::{Layer, Model},
    layout::Pane,
    model::live::LiveView,
    profile::Profile,
    theme::{Glyphs, Role},
};

/// Draws everything and gives the terminal cursor's place, if it is to be seen.
pub fn draw(model: &Model, buf: &mut Buffer) -> Option<Position> {
    let area = buf.area;
    Pen::new(buf, area).fill(model.theme.get(Role::Text));
    let areas = super::layout::areas((area.width, area.height), &model.layout, model.focus);
    if let Some(rect) = areas.notice {
        let text = format!("need 20x5, have {}x{}", area.width, area.height);
        Pen::new(buf, rect).text(0, 0, &text, model.theme.get(Role::StatusWarn));
        return None;
    }
    let mut cursor = None;
    if let Some(rect) = areas.status {
        status::draw(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.tabs {
        tabs(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.probes {
        cursor = cursor.or(probes::draw(model, &mut Pen::new(buf, rect)));
    }
    if let Some(rect) = areas.script {
        cursor = cursor.or(editor::draw(model, &mut Pen::new(buf, rect)));
    }
    if let Some(rect) = areas.live {
        table::draw(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.heat {
        table::draw_heat(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.costs {
        let mut pen = Pen::new(buf, rect);
        costs::draw(model, &mut frame_beside(model, &mut pen, "Probes and their cost"));
    }
    if let Some(rect) = areas.log {
        log::draw(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.timeline {
        timeline::draw(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.keys {
        status::keys(model, &mut Pen::new(buf, rect));
    }
    if let Some(rect) = areas.script {
        editor::draw_popup(model, buf, rect);
    }
    if let Some(rect) = areas.message {
        cursor = status::message(model, &mut Pen::new(buf, status::room_of_message(model, rect))).or(cursor);
    }
    match model.layers.last() {
        None => {
            popup::continuations(model, buf);
            cursor
        }
        Some(Layer::Prompt { .. }) => cursor,
        Some(Layer::Picker(picker)) => {
            popup::picker(model, picker, buf);
            None
        }
        Some(Layer::Text { title, lines, scroll, diff }) => {
            popup::text(model, title, lines, *scroll, *diff, buf);
            None
        }
        Some(Layer::Help { scroll }) => {
            help::draw(model, *scroll, buf);
            None
        }
        Some(Layer::Palette { input, items, selected }) => palette::draw(model, input, items, *selected, buf),
        Some(Layer::Choice(choice)) => {
            palette::choice(model, choice, buf);
            None
        }
    }
}

/// A pane's border with title on the left and a note on the right, and a pen for what is inside.
pub fn frame<'a>(model: &Model, pen: &'a mut Pen, pane: Pane, title: &str, note: &str) -> Pen<'a> {
    frame_with(model, pen, pane, title, note, "")
}

/// As [`frame`], with something on the border below.
pub fn frame_with<'a>(model: &Model, pen: &'a mut Pen, pane: Pane, title: &str, note: &str, foot: &str) -> Pen<'a> {
    let focused = model.focus == pane;
    let (border, glyph) = if focused {
        (model.theme.get(Role::BorderFocus), &model.glyphs.border_focus)
    } else {
        (model.theme.get(Role::Border), &model.glyphs.border)
    };
    draw_box(pen, glyph, border);
    let title_style = model.theme.get(if focused { Role::TitleFocus } else { Role::Title });
    let width = pen.width();
    let number = format!(" {} ", pane.number());
    let mut x = pen.text(1, 0, &number, title_style);
    let note_width = text_width(note) as u16 + 2;
    let room = width.saturating_sub(x + 2);
    x = pen.cut(x, 0, room, &format!("{title} "), title_style, &model.glyphs);
    if !note.is_empty() && x + note_width < width {
        pen.right(width.saturating_sub(1), 0, &format!(" {note} "), model.theme.get(Role::Dim));
    }
    let (width, height) = (pen.width(), pen.height());
    if !foot.is_empty() && height > 1 {
        let room = width.saturating_sub(4);
        pen.cut(2, height - 1, room, &format!(" {foot} "), model.theme.get(Role::Dim), &model.glyphs);
    }
    pen.inner(1, 1, width.saturating_sub(2), height.saturating_sub(2))
}

/// A view beside a pane: it never has the focus.
pub fn frame_beside<'a>(model: &Model, pen: &'a mut Pen, title: &str) -> Pen<'a> {
    draw_box(pen, &model.glyphs.border, model.theme.get(Role::Border));
    let (width, height) = (pen.width(), pen.height());
    pen.cut(2, 0, width.saturating_sub(4), &format!(" {title} "), model.theme.get(Role::Title), &model.glyphs);
    pen.inner(1, 1, width.saturating_sub(2), height.saturating_sub(2))
}

/// The six glyphs of a border around the whole pen.
pub fn draw_box(pen: &mut Pen, glyph: &[&'static str; 6], style: Style) {
    let (width, height) = (pen.width(), pen.height());
    if width < 2 || height < 2 {
        return;
    }
    pen.text(0, 0, glyph[0], style);
    pen.rule(1, 0, width - 2, glyph[4], style);
    pen.text(width - 1, 0, glyph[1], style);
    for y in 1..height - 1 {
        pen.text(0, y, glyph[5], style);
        pen.text(width - 1, y, glyph[5], style);
    }
    pen.text(0, height - 1, glyph[2], style);
    pen.rule(1, height - 1, width - 2, glyph[4], style);
    pen.text(width - 1, height - 1, glyph[3], style);
}

/// `─ args ──────` inside a pane.
pub fn section(pen: &mut Pen, y: u16, title: &str, note: &str, model: &Model) {
    let style = model.theme.get(Role::Section);
    let width = pen.width();
    if model.profile != Profile::Slow {
        pen.rule(0, y, width, model.glyphs.line, style);
    }
    if !title.is_empty() {
        let text = pen::cut(title, width.saturating_sub(4) as usize, model.glyphs.ellipsis);
        let end = pen.text(1, y, &format!(" {text} "), model.theme.get(Role::Title));
        let note_width = text_width(note) as u16 + 2;
        if !note.is_empty() && end + note_width < width {
            pen.right(width.saturating_sub(1), y, &format!(" {note} "), style);
        }
    }
}

/// A horizontal bar of `width` columns, full at `part == 1`.
pub fn bar(part: f64, width: u16, glyphs: &Glyphs) -> String {
    let eighths = (part.clamp(0.0, 1.0) * f64::from(width) * 8.0).round() as usize;
    // What is there is seen, however little.
    let eighths = if part > 0.0 { eighths.max(1) } else { 0 };
    let mut out = glyphs.bar[8].repeat(eighths / 8);
    if eighths % 8 > 0 {
        out.push_str(glyphs.bar[eighths % 8]);
    }
    out
}

/// One column of a sparkline.
pub fn spark(part: f64, glyphs: &Glyphs) -> &'static str {
    let level = (part.clamp(0.0, 1.0) * 8.0).ceil() as usize;
    glyphs.spark[level.min(8)]
}

fn tab_texts(model: &Model) -> Vec<(Pane, String)> {
    Pane::ALL
        .into_iter()
        .map(|pane| {
            let mark = match pane {
                Pane::Log if model.log.n_warnings > 0 => {
                    format!(" {}{}", model.glyphs.warning, model.log.n_warnings.min(99))
                }
                Pane::Script if model.script.n_errors() > 0 => {
                    format!(" {}{}", model.glyphs.error, model.script.n_errors())
                }
                _ => String::new(),
            };
            (pane, format!(" {} {}{mark} ", pane.number(), pane.title()))
        })
        .collect()
}

fn tabs(model: &Model, pen: &mut Pen) {
    let mut x = 0;
    for (pane, text) in tab_texts(model) {
        if x > 0 {
            x = pen.text(x, 0, model.glyphs.bar_v, model.theme.get(Role::Border));
        }
        let role = if pane == model.focus { Role::TabActive } else { Role::Tab };
        x = pen.text(x, 0, &text, model.theme.get(role));
    }
    if model.focus == Pane::Live && views(model, pen, x) {
        return;
    }
    let note = match model.focus {
        Pane::Live => format!("view {} ", model.live.view.name()),
        Pane::Script => {
            let (line, column) = model.script.cursor();
            format!("{}ln {} col {} ", mode_name(model), line + 1, column + 1)
        }
        _ => String::new(),
    };
    if x + (text_width(&note) as u16) < pen.width() {
        pen.right(pen.width(), 0, &note, model.theme.get(Role::Dim));
    }
}

/// The views of the live pane, in the order they come in; says whether there was room.
fn views(model: &Model, pen: &mut Pen, from: u16) -> bool {
    let order = [LiveView::Table, LiveView::Histogram, LiveView::Heatmap, LiveView::Spark, LiveView::Raw];
    if model.live.info.is_none() || !order.contains(&model.live.view) {
        return false;
    }
    let text = |view: LiveView| format!(" {} ", if view == LiveView::Histogram { "hist" } else { view.name() });
    let width: usize = order.iter().map(|view| text_width(&text(*view))).sum();
    let Some(mut x) = pen.width().checked_sub(width as u16).filter(|x| *x > from) else { return false };
    for view in order {
        let role = if view == model.live.view { Role::TabActive } else { Role::Tab };
        x = pen.text(x, 0, &text(view), model.theme.get(role));
    }
    true
}

/// vim's mode and the command being typed, before the cursor's place.
pub fn mode_name(model: &Model) -> String {
    model.vim.as_ref().map_or(String::new(), |vim| format!("{} {}  ", vim.mode.name(), vim.typed()))
}

/// The pane whose tab is at column `x`.
pub fn tab_at(model: &Model, x: u16) -> Option<Pane> {
    let mut at = 0;
    for (pane, text) in tab_texts(model) {
        let end = at + text_width(&text) as u16;
        if x < end {
            return Some(pane);
        }
        at = end + 1;
    }
    None
}

/// A box of at most this size in the middle of the screen.
pub fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}
