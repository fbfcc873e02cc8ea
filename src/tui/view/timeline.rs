//! The whole run on one line: events per second over time and where the time cursor is. A column stands for a power of two
//! of samples, so the line grows to the right and changes only at its end.

use super::{pen::Pen, pen::text_width, spark};
use crate::tui::{app::Model, theme::Role};

pub fn draw(model: &Model, pen: &mut Pen) {
    let (Some(oldest), Some(latest)) = (model.history.oldest(), model.history.latest()) else { return };
    let style = model.theme.get(Role::Timeline);
    let time = |at| model.clock.shown(at, model.profile.shows_seconds());
    let left = format!("{} {}", model.glyphs.left, time(oldest.received));
    let x = pen.text(1, 0, &left, style) + 1;
    let (word, role, at) = match model.until() {
        Some(at) => (" PAUSED ", Role::TimelineCursor, at),
        None if model.is_tracing() => (" LIVE ", Role::TimelineLive, latest.received),
        None => (" ENDED ", Role::Timeline, latest.received),
    };
    let clock = time(at);
    let right_width = (text_width(word) + text_width(&clock) + 2) as u16;
    let end = pen.width().saturating_sub(right_width + 1);
    if end <= x + 4 {
        return;
    }
    let room = usize::from(end - x);
    let samples: Vec<_> = model.history.window(None, usize::MAX).collect();
    let n = samples.len().saturating_sub(1).max(1);
    let per_column = n.div_ceil(room).next_power_of_two();
    let columns: Vec<(f64, u64)> = samples
        .windows(2)
        .collect::<Vec<_>>()
        .chunks(per_column)
        .map(|chunk| {
            let first = &chunk[0][0];
            let last = &chunk[chunk.len() - 1][1];
            let events = last.snapshot.cost.events.saturating_sub(first.snapshot.cost.events) as f64;
            let seconds = last.snapshot.at.saturating_sub(first.snapshot.at).as_secs_f64();
            (if seconds > 0.0 { events / seconds } else { 0.0 }, last.number)
        })
        .collect();
    // The scale moves in powers of two, or every new peak would redraw the line.
    let top = columns.iter().map(|(rate, _)| *rate).fold(1.0, f64::max).log2().ceil().exp2();
    pen.rule(x, 0, end - x, model.glyphs.line, style);
    let cursor = model.cursor;
    for (n, (rate, number)) in columns.iter().enumerate() {
        let here = cursor.is_some_and(|cursor| *number >= cursor && (n == 0 || columns[n - 1].1 < cursor));
        let (symbol, role) = match (here, *rate > 0.0) {
            (true, true) => (spark(rate / top, &model.glyphs), Role::TimelineCursor),
            (true, false) => (model.glyphs.line, Role::TimelineCursor),
            (false, true) => (spark(rate / top, &model.glyphs), Role::Spark),
            // As the rule is already: a second without events is none to draw.
            (false, false) => continue,
        };
        let style = model.theme.get(role);
        pen.text(x + n as u16, 0, symbol, style);
    }
    let x = pen.text(end + 1, 0, word, model.theme.get(role));
    pen.text(x + 1, 0, &clock, style);
}
