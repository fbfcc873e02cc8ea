//! The editor's view: a gutter that stays, syntax colours, underlined findings with their message on virtual lines below,
//! and the completion popup.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use super::{
    draw_box, frame_with,
    pen::{Pen, fit, text_width},
};
use crate::{
    diagnostics::Severity,
    runtime::session::ProbeCost,
    tui::{
        app::Model,
        engine::TokenClass,
        given,
        layout::Pane,
        model::script::{Script, VirtualKind, VirtualLine, char_columns, display_column, is_raw_byte},
        shape,
        theme::Role,
    },
};

/// Sign, number, a space and a rule.
fn gutter_width(script: &Script) -> u16 {
    let digits = script.lines().len().to_string().len().max(3);
    digits as u16 + 3
}

/// Rows and columns of text in a pane of this size.
pub fn text_size(script: &Script, area: Rect) -> (usize, usize) {
    let height = area.height.saturating_sub(2);
    let width = area.width.saturating_sub(2 + gutter_width(script));
    (height.into(), width.into())
}

/// One row of the pane.
enum VisualRow {
    Line(usize),
    Virtual(usize, VirtualLine),
}

fn visual_rows(script: &Script, height: usize, width: usize) -> Vec<VisualRow> {
    let mut rows = Vec::new();
    for line in script.top..script.lines().len() {
        if rows.len() >= height {
            break;
        }
        rows.push(VisualRow::Line(line));
        rows.extend(script.virtual_lines(line, width).into_iter().map(|said| VisualRow::Virtual(line, said)));
    }
    rows.truncate(height);
    rows
}

pub fn draw(model: &Model, pen: &mut Pen) -> Option<Position> {
    let script = &model.script;
    let dirty = if script.is_modified() { "*" } else { "" };
    let title = format!("{}{dirty} {}", script.display_name(), given::line(&script.given));
    let (line, column) = script.cursor();
    let mut note = format!("{}ln {} col {}", super::mode_name(model), line + 1, column + 1);
    if script.n_errors() > 0 {
        note = format!("{} {}  {note}", model.glyphs.error, script.n_errors());
    }
    if script.theirs.is_some() {
        note = format!("{} changed on disk  {note}", model.glyphs.warning);
    }
    let focused = model.focus == Pane::Script;
    let foot = foot(model);
    let mut inner = frame_with(model, pen, Pane::Script, title.trim_end(), &note, &foot);
    let gutter = gutter_width(script);
    let (height, width) = (inner.height() as usize, inner.width());
    if script.is_empty() && !focused && script.lines().len() <= 2 {
        let dim = model.theme.get(Role::Dim);
        for (y, text) in [
            "no script yet",
            "",
            "{probes} and {latency} on a probe writes one,",
            "{script} to type your own, {palette}open loads a file",
        ]
        .iter()
        .enumerate()
        {
            inner.text(3, y as u16 + 1, &model.fill(text), dim);
        }
        return None;
    }
    let line_starts: Vec<usize> = script
        .lines()
        .iter()
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some(start)
        })
        .collect();
    let mut cursor = None;
    for (y, row) in visual_rows(script, height, usize::from(width.saturating_sub(gutter))).into_iter().enumerate() {
        let y = y as u16;
        match row {
            VisualRow::Line(idx) => {
                draw_gutter(model, &mut inner, y, idx, gutter);
                let mut text = inner.inner(gutter, y, width.saturating_sub(gutter), 1);
                draw_line(model, &mut text, idx, line_starts[idx]);
                annotate(model, &mut text, idx);
                if idx == line && focused {
                    let (_, byte) = script.cursor_byte();
                    let at = display_column(&script.lines()[idx], byte).saturating_sub(script.left);
                    if at < usize::from(text.width().max(1)) {
                        cursor = Some(Position::new(text.area.x + at as u16, text.area.y));
                    }
                }
            }
            VisualRow::Virtual(_, said) => {
                inner.text(gutter - 1, y, model.glyphs.bar_v, model.theme.get(Role::Gutter));
                let mut text = inner.inner(gutter, y, width.saturating_sub(gutter), 1);
                let role = match said.kind {
                    VirtualKind::Error => Role::DiagError,
                    VirtualKind::Warning => Role::DiagWarning,
                    VirtualKind::Help => Role::DiagHelp,
                };
                let room = text.width().saturating_sub(said.column as u16);
                text.cut(said.column as u16, 0, room, &said.text, model.theme.get(role), &model.glyphs);
            }
        }
    }
    if model.layers.is_empty() { cursor } else { None }
}

/// What became of the script when it was run last.
fn foot(model: &Model) -> String {
    let Some(info) = model.info().filter(|_| !model.demo && model.run.failed.is_none()) else { return String::new() };
    let edited = if model.shows_what_runs() { String::new() } else { format!(" {} edited since", model.glyphs.dot) };
    let verified = match info.verified {
        0 => String::new(),
        n => format!(" {} {n} instructions verified", model.glyphs.dot),
    };
    format!("{} live after {} ms{edited}{verified}", model.glyphs.ok, info.start_up.as_millis())
}

fn draw_gutter(model: &Model, pen: &mut Pen, y: u16, idx: usize, gutter: u16) {
    let script = &model.script;
    let current = idx == script.cursor().0 && model.focus == Pane::Script;
    let style = model.theme.get(if current { Role::GutterCurrent } else { Role::Gutter });
    pen.right(gutter - 2, y, &(idx + 1).to_string(), style);
    pen.text(gutter - 1, y, model.glyphs.bar_v, model.theme.get(Role::Gutter));
    let worst = script.diagnostics_on(idx).map(|d| d.severity).max();
    match worst {
        Some(Severity::Error) => pen.text(0, y, model.glyphs.error, model.theme.get(Role::DiagError)),
        Some(Severity::Warning) => pen.text(0, y, model.glyphs.warning, model.theme.get(Role::DiagWarning)),
        None => match running_probe(model, idx) {
            Some((_, cost)) => {
                let (glyph, role) = on_off(model, cost);
                pen.text(0, y, glyph, model.theme.get(role))
            }
            None => 0,
        },
    };
}

/// The running probe whose line this is, and what it costs.
fn running_probe(model: &Model, idx: usize) -> Option<(usize, &ProbeCost)> {
    if !model.shows_what_runs() || !model.is_tracing() {
        return None;
    }
    let probe = model.info()?.probes.iter().position(|probe| probe.line as usize == idx + 1)?;
    Some((probe, model.sample()?.snapshot.cost.probes.get(probe)?))
}

fn on_off(model: &Model, cost: &ProbeCost) -> (&'static str, Role) {
    if cost.enabled { (model.glyphs.on, Role::ProbeOn) } else { (model.glyphs.off, Role::ProbeOff) }
}

fn role_of(class: TokenClass) -> Role {
    match class {
        TokenClass::Keyword => Role::SynKeyword,
        TokenClass::Function => Role::SynFunction,
        TokenClass::Probe => Role::SynProbe,
        TokenClass::String => Role::SynString,
        TokenClass::Number => Role::SynNumber,
        TokenClass::Comment => Role::SynComment,
        TokenClass::ContextVar => Role::SynContext,
        TokenClass::Macro => Role::SynMacro,
        TokenClass::Operator => Role::SynOperator,
        TokenClass::Name => Role::SynName,
    }
}

fn draw_line(model: &Model, pen: &mut Pen, idx: usize, start: usize) {
    let script = &model.script;
    let line = &script.lines()[idx];
    let matches = script.matches_in(line);
    let selection = script.selection().filter(|((a, _), (b, _))| (*a..=*b).contains(&idx));
    let cursor_byte = script.cursor_byte();
    let mut token = script.tokens.partition_point(|t| t.range.end <= start);
    let mut column = 0;
    let mut overflows = false;
    for (character, (at, c)) in line.char_indices().enumerate() {
        let columns = char_columns(c, column);
        let offset = start + at;
        while script.tokens.get(token).is_some_and(|t| t.range.end <= offset) {
            token += 1;
        }
        let class = script.tokens.get(token).filter(|t| t.range.contains(&offset)).map(|t| t.class);
        let mut style = model.theme.get(class.map_or(Role::Text, role_of));
        let found =
            script.diagnostics_on(idx).any(|d| (d.columns.start..d.columns.end.max(d.columns.start + 1)).contains(&at));
        if found {
            style = style.patch(model.theme.get(Role::DiagUnderline));
        }
        if let Some((from, _)) = matches.iter().find(|(a, b)| (*a..*b).contains(&at)) {
            let here = cursor_byte == (idx, *from);
            style = style.patch(model.theme.get(if here { Role::FindCurrent } else { Role::FindMatch }));
        }
        if let Some((first, last)) = selection
            && (idx, character) >= first
            && (idx, character) < last
        {
            style = style.patch(model.theme.get(Role::Selection));
        }
        if column >= script.left {
            let x = (column - script.left) as u16;
            if usize::from(x) >= usize::from(pen.width()) {
                overflows = true;
                break;
            }
            match c {
                '\t' => {
                    for extra in 0..columns {
                        pen.text(x + extra as u16, 0, " ", style);
                    }
                }
                c if is_raw_byte(c) => {
                    pen.text(x, 0, "?", model.theme.get(Role::DiagWarning));
                }
                c => {
                    pen.char(x, 0, c, style);
                }
            }
        }
        column += columns;
    }
    if script.left > 0 {
        pen.text(0, 0, "<", model.theme.get(Role::Dim));
    }
    if overflows {
        let end = pen.width();
        pen.right(end, 0, ">", model.theme.get(Role::Dim));
    }
}

/// At the right of a `probe` line while it runs: on or off, hits per second, cost.
fn annotate(model: &Model, pen: &mut Pen, idx: usize) {
    let Some((probe, cost)) = running_probe(model, idx) else { return };
    let rate = super::status::hit_rate(model, probe).map_or(model.glyphs.none.to_owned(), shape::short);
    let ns = cost.run_time_ns.filter(|_| cost.hits > 0).map(|ns| ns as f64 / cost.hits as f64);
    let ns = ns.map_or(String::new(), |ns| format!(" {:>6}", shape::sample(ns.round(), shape::Unit::Ns)));
    let text = if cost.enabled { format!("{rate:>5}/s{ns}") } else { "off".to_owned() };
    let line_width = display_column(&model.script.lines()[idx], usize::MAX).saturating_sub(model.script.left);
    let width = text_width(&text) + 2;
    if line_width + width + 2 > usize::from(pen.width()) {
        return;
    }
    let end = pen.width();
    pen.right(end.saturating_sub(2), 0, &text, model.theme.get(Role::Dim));
    let (glyph, role) = on_off(model, cost);
    pen.right(end, 0, glyph, model.theme.get(role));
}

/// The completion popup, over whatever is below the cursor.
pub fn draw_popup(model: &Model, buf: &mut Buffer, area: Rect) {
    let script = &model.script;
    let Some(popup) = script.popup.as_ref().filter(|_| model.focus == Pane::Script && model.layers.is_empty()) else {
        return;
    };
    let screen = buf.area;
    let gutter = gutter_width(script);
    let (height, width) = text_size(script, area);
    let rows = visual_rows(script, height, width);
    let Some(y) = rows.iter().position(|row| matches!(row, VisualRow::Line(idx) if *idx == popup.line)) else { return };
    let column = display_column(&script.lines()[popup.line], popup.column).saturating_sub(script.left);
    let shown = popup.items.len().min(8);
    let label = popup.items.iter().map(|i| text_width(&i.label)).max().unwrap_or(0).clamp(8, 32);
    let signature = popup.items.iter().map(|i| text_width(&i.signature)).max().unwrap_or(0).min(24);
    let doc = popup.items.iter().map(|i| text_width(&i.doc)).max().unwrap_or(0).min(40);
    let width = ((label + signature + doc + 6) as u16).min(screen.width.saturating_sub(2)).max(12);
    let height = shown as u16 + 2;
    let line_y = area.y + 1 + y as u16;
    // Below the line, or above it where there is no room.
    let top = if line_y + 1 + height <= screen.height { line_y + 1 } else { line_y.saturating_sub(height) };
    let left = (area.x + 1 + gutter + column as u16).saturating_sub(2).min(screen.width.saturating_sub(width));
    let mut pen = Pen::new(buf, Rect::new(left, top, width, height));
    pen.fill(model.theme.get(Role::Popup));
    draw_box(&mut pen, &model.glyphs.border, model.theme.get(Role::PopupBorder));
    let title = " completions ";
    if usize::from(pen.width()) > text_width(title) + 2 {
        pen.text(1, 0, title, model.theme.get(Role::PopupBorder));
    }
    let first = (popup.selected + 1).saturating_sub(shown);
    if popup.items.len() > shown {
        let text = format!(" {}/{} ", popup.selected + 1, popup.items.len());
        let (width, height) = (pen.width(), pen.height());
        pen.right(width.saturating_sub(1), height.saturating_sub(1), &text, model.theme.get(Role::Dim));
    }
    for (row, item) in popup.items.iter().skip(first).take(shown).enumerate() {
        let chosen = first + row == popup.selected;
        let mut line = pen.inner(1, row as u16 + 1, width.saturating_sub(2), 1);
        let pick = |role: Role| -> Style { model.theme.get(if chosen { Role::PopupSelected } else { role }) };
        if chosen {
            line.fill(pick(Role::Popup));
            line.text(0, 0, model.glyphs.pointer, pick(Role::Popup));
        }
        let x = line.text(1, 0, &fit(&item.label, label, model.glyphs.ellipsis), pick(Role::Popup)) + 1;
        let x = line.text(x, 0, &fit(&item.signature, signature, model.glyphs.ellipsis), pick(Role::SynProbe)) + 1;
        let room = line.width().saturating_sub(x);
        line.cut(x, 0, room, &item.doc, pick(Role::Dim), &model.glyphs);
    }
}

/// Puts the cursor where the mouse was pressed.
pub fn place_at(script: &Script, area: Rect, x: u16, y: u16) -> (usize, usize) {
    let (height, width) = text_size(script, area);
    let rows = visual_rows(script, height, width);
    let row = usize::from(y.saturating_sub(area.y + 1));
    let line = match rows.get(row) {
        Some(VisualRow::Line(idx) | VisualRow::Virtual(idx, _)) => *idx,
        None => script.lines().len() - 1,
    };
    let wanted = usize::from(x.saturating_sub(area.x + 1 + gutter_width(script))) + script.left;
    let text = &script.lines()[line];
    let (mut column, mut character) = (0, 0);
    for c in text.chars() {
        column += char_columns(c, column);
        if column > wanted {
            break;
        }
        character += 1;
    }
    (line, character)
}
