//! The log pane: the newest lines that fit, matches marked, repeats folded.

use std::time::Duration;

use super::{
    frame,
    pen::{Pen, cut, text_width, wrapped},
};
use crate::tui::{
    action::Where,
    app::Model,
    layout::Pane,
    model::log::{Line, LineKind},
    shape,
    theme::Role,
};

/// From so many columns on there is room to say how a fold opens.
const HINTS: usize = 96;

pub fn draw(model: &Model, pen: &mut Pen) {
    let log = &model.log;
    let total = log.lines().len();
    let mut title = format!("Log {} {} lines", model.glyphs.dot, shape::short(total as f64));
    title += match (model.until(), log.selected) {
        (Some(_), _) => " · at the time cursor",
        (None, None) => " · follow",
        (None, Some(_)) => "",
    };
    if !log.grep.is_empty() {
        title += &format!(" · {} {}", if log.only { "only" } else { "grep" }, log.grep);
    }
    if !model.glyphs.unicode {
        title = title.replace('·', ".");
    }
    let mut notes = Vec::new();
    if log.n_warnings > 0 {
        notes.push(format!("{} warning{}", log.n_warnings, if log.n_warnings == 1 { "" } else { "s" }));
    }
    if log.dropped > 0 {
        notes.push(format!("{} oldest dropped", shape::short(log.dropped as f64)));
    }
    if log.wrap {
        notes.push("wrap".into());
    }
    let mut inner = frame(model, pen, Pane::Log, &title, &notes.join(" · "));
    let (width, height) = (inner.width() as usize, inner.height() as usize);
    if height == 0 || width == 0 {
        return;
    }
    if log.is_empty() {
        let text = "what the script prints comes here, with warnings and errors";
        inner.text(1, 0, &cut(text, width.saturating_sub(2), model.glyphs.ellipsis), model.theme.get(Role::Dim));
        return;
    }
    let until = model.until();
    let millis = width >= 100;
    let time_width = if log.times { if millis { 14 } else { 10 } } else { 1 };
    let room = width.saturating_sub(time_width + 1).max(1);
    // Upwards from the newest (or to a few lines below the selected) until the pane is full.
    let shown: Vec<&Line> = match log.selected {
        None => log.shown(until).rev().take(height).collect(),
        Some(number) => {
            let below: Vec<&Line> =
                log.shown(until).skip_while(|line| line.number <= number).take(height / 2).collect();
            let above = log.shown(until).rev().skip_while(|line| line.number > number).take(height);
            below.into_iter().rev().chain(above).take(height.max(1) + height / 2).collect()
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    if log.selected.is_none()
        && until.is_none()
        && let Some(open) = log.open_line()
    {
        rows.push(Row::plain(cut(&open, room, model.glyphs.ellipsis), LineKind::Output));
    }
    for line in shown {
        if line.is_open {
            unfolded(model, line, room, &mut rows);
        }
        let text = format!("{}{}", line.text, folded(model, line, width));
        let pieces = match line.kind {
            // What went wrong is read to its end, which says what helps.
            LineKind::Warning | LineKind::Error if text_width(&text) > room => wrapped(&text, room),
            _ if log.wrap => wrap(&text, room),
            _ => vec![cut(&text, room, model.glyphs.ellipsis)],
        };
        for (idx, text) in pieces.into_iter().enumerate().rev() {
            let first = (idx == 0).then_some(line);
            rows.push(Row { line: first, time: first.map(|line| line.received), text, kind: line.kind });
        }
        if rows.len() >= height + height / 2 {
            break;
        }
    }
    // With a selection the lines below it come first: drop what does not fit at the bottom, never the selected line.
    if let Some(number) = log.selected {
        let at = rows.iter().position(|row| row.line.is_some_and(|line| line.number == number)).unwrap_or(0);
        let skip = (at + 1).saturating_sub(height);
        rows.drain(..skip);
    }
    rows.truncate(height);
    let n = rows.len();
    for (idx, Row { line, time, text, kind }) in rows.into_iter().enumerate() {
        // A short log hangs from the top, not over the bottom.
        let y = (n - 1 - idx) as u16;
        if let Some(time) = time.filter(|_| log.times) {
            inner.text(1, y, &model.clock.time(time, millis), model.theme.get(Role::LogTime));
        }
        let role = match kind {
            LineKind::Output => Role::Text,
            LineKind::Note => Role::LogNote,
            LineKind::Warning => Role::LogWarning,
            LineKind::Error => Role::LogError,
        };
        let x = time_width as u16;
        inner.text(x, y, &text, model.theme.get(role));
        if let Some(pattern) = log.pattern() {
            for found in pattern.find_iter(&text).filter(|m| !m.is_empty()).take(50) {
                let start = text_width(&text[..found.start()]) as u16;
                inner.paint(x + start, y, text_width(found.as_str()) as u16, model.theme.get(Role::RowMatch));
            }
        }
        if line.is_some_and(|line| log.selected == Some(line.number)) {
            let role = if model.focus == Pane::Log { Role::RowSelected } else { Role::RowBlur };
            let width = inner.width();
            inner.paint(0, y, width, model.theme.get(role));
        }
    }
}

/// A row of the pane.
struct Row<'a> {
    /// The line that begins here.
    line: Option<&'a Line>,
    time: Option<Duration>,
    text: String,
    kind: LineKind,
}

impl Row<'_> {
    fn plain(text: String, kind: LineKind) -> Self {
        Self { line: None, time: None, text, kind }
    }
}

/// What is said behind a line of what is folded into it.
fn folded(model: &Model, line: &Line, width: usize) -> String {
    let repeats = line.repeats_by(model.until());
    let enter = model.keymap.fill("{enter}", &[Where::Log], model.glyphs.unicode);
    let verb = if line.is_open { "folds" } else { "expands" };
    let hint = if width >= HINTS { format!("; {enter} {verb}") } else { String::new() };
    if repeats > 1 {
        let end = model.until().map_or(line.last, |until| until.min(line.last));
        let over = end.saturating_sub(line.received);
        let over = if over.is_zero() { String::new() } else { format!(" in {}", shape::seconds(over)) };
        let times = shape::short(repeats.into());
        format!("   ({}{times}{over}{hint})", model.glyphs.times)
    } else if !line.detail.is_empty() {
        let n = line.detail.len();
        format!("   ({enter} {verb} {n} line{})", if n == 1 { "" } else { "s" })
    } else {
        String::new()
    }
}

/// The rows below a line that is open, the last one first.
fn unfolded<'a>(model: &Model, line: &'a Line, room: usize, rows: &mut Vec<Row<'a>>) {
    let shorten = |text: &str| cut(text, room, model.glyphs.ellipsis);
    for text in line.detail.iter().rev() {
        rows.push(Row::plain(shorten(&format!("  {text}")), LineKind::Output));
    }
    let until = model.until().unwrap_or(Duration::MAX);
    let known = line.again.iter().filter(|at| **at <= until);
    let n_unknown = line.repeats as usize - 1 - line.again.len();
    if n_unknown > 0 && line.last <= until {
        let more = format!("{} {} more, the last then", model.glyphs.ellipsis, shape::short(n_unknown as f64));
        rows.push(Row { time: Some(line.last), ..Row::plain(shorten(&more), LineKind::Note) });
    }
    rows.extend(known.rev().map(|at| Row { time: Some(*at), ..Row::plain(shorten(&line.text), line.kind) }));
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w > width {
            out.push(String::new());
            used = 0;
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
        used += w;
    }
    out
}
