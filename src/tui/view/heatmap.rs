//! Buckets over time: a column a sample, a row a log2 bucket. It sweeps like a radar instead of scrolling, because
//! scrolling redraws every cell each second and a slow line feels it. Where there is room the times stand below, and a line
//! of what the window before it was like.
//!
//! ```text
//!   8.2us │░░▒░·│░░▒     a cursor moves over the columns: behind it the newest sample, before it the oldest
//!         └14:02:50─     the time of the sample in that column
//!   prev   ▁▂▁▁▃▁▁▂      samples in the column one sweep ago
//! ```

use super::{pen::Pen, section, spark};
use crate::{
    runtime::session::Datum,
    tui::{
        app::Model,
        model::{history::Sample, live::find_row},
        shape::{self, Unit},
        theme::Role,
    },
};

const HEAT: [Role; 5] = [Role::Heat0, Role::Heat1, Role::Heat2, Role::Heat3, Role::Heat4];
const LABEL_WIDTH: u16 = 8;
/// Where the columns begin.
const LEFT: u16 = LABEL_WIDTH + 2;
/// Columns between two times.
const TICK: u16 = 20;

/// What of a sample is drawn.
struct Column<'a> {
    sample: &'a Sample,
    /// Log2 buckets since the start.
    buckets: &'a [(i64, u64)],
}

impl<'a> Column<'a> {
    fn of(sample: &'a Sample, table: usize, key: &str) -> Self {
        let row = sample.snapshot.tables.get(table).and_then(|table| find_row(table, key));
        let buckets: &[_] = match row.map(|row| &row.value) {
            Some(Datum::Stat(stat)) => &stat.log2,
            _ => &[],
        };
        Self { sample, buckets }
    }

    fn count(&self, bucket: i64) -> u64 {
        self.buckets.iter().find(|(b, _)| *b == bucket).map_or(0, |(_, count)| *count)
    }

    fn total(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// The column of the screen it stands in: always the same one.
    fn place(&self, width: u16) -> u16 {
        (self.sample.number % u64::from(width)) as u16
    }
}

pub fn draw(model: &Model, pen: &mut Pen, table: usize, key: &str, name: &str, unit: Unit) {
    let width = pen.width().saturating_sub(LABEL_WIDTH + 3).min(240);
    let height = usize::from(pen.height().saturating_sub(2));
    section(pen, 0, &format!("{name}  heatmap"), "one column a sample", model);
    if width < 8 || height == 0 {
        return;
    }
    let samples = model.history.window(model.cursor, 2 * usize::from(width));
    let two_windows: Vec<Column> = samples.map(|sample| Column::of(sample, table, key)).collect();
    let (before, columns) = two_windows.split_at(two_windows.len().saturating_sub(width.into()));
    let Some(last) = columns.last() else { return };
    let all = shape::dense_buckets(last.buckets);
    if all.is_empty() {
        return;
    }
    // The highest buckets are the interesting ones when not all fit.
    let shown: Vec<i64> = all.iter().rev().take(height).map(|(bucket, _)| *bucket).collect();
    for (row, bucket) in shown.iter().enumerate() {
        let y = row as u16 + 1;
        pen.right(LABEL_WIDTH, y, &shape::bucket_label(*bucket, unit), model.theme.get(Role::HistLabel));
        pen.text(LABEL_WIDTH + 1, y, model.glyphs.bar_v, model.theme.get(Role::Border));
    }
    let fresh = |pair: &[Column], bucket: i64| pair[1].count(bucket).saturating_sub(pair[0].count(bucket));
    // Five shades in steps of eight; the first step grows with the busiest cell, rarely, so that little is redrawn.
    let busiest = columns.windows(2).flat_map(|pair| shown.iter().map(move |bucket| fresh(pair, *bucket))).max();
    let mut step = 1u64;
    while busiest.unwrap_or(0) >= step * 4096 {
        step *= 8;
    }
    for pair in columns.windows(2) {
        let x = LEFT + pair[1].place(width);
        for (row, bucket) in shown.iter().enumerate() {
            let level = match fresh(pair, *bucket) {
                0 => continue,
                new if new < step * 8 => 1,
                new if new < step * 64 => 2,
                new if new < step * 512 => 3,
                _ => 4,
            };
            pen.text(x, row as u16 + 1, model.glyphs.heat[level], model.theme.get(HEAT[level]));
        }
    }
    let x = LEFT + ((last.sample.number + 1) % u64::from(width)) as u16;
    for row in 0..shown.len() {
        pen.text(x, row as u16 + 1, model.glyphs.bar_v, model.theme.get(Role::HeatCursor));
    }
    // Below: the times, the legend, the window before, as far as there is room.
    let mut y = shown.len() as u16 + 1;
    let room = pen.height().saturating_sub(y);
    if room > 1 {
        times(model, pen, y, columns, width);
        y += 1;
    }
    legend(model, pen, y, columns, &shown, step, unit);
    if room > 2 {
        previous(model, pen, y + 1, before, width);
    }
}

/// When the samples of some columns were taken; a time changes when the cursor has passed its column.
fn times(model: &Model, pen: &mut Pen, y: u16, columns: &[Column], width: u16) {
    let style = model.theme.get(Role::Dim);
    pen.rule(LEFT, y, width, model.glyphs.line, style);
    for tick in (0..width.saturating_sub(TICK / 2)).step_by(TICK.into()) {
        let here = columns.iter().find(|column| column.place(width) == tick);
        if let Some(column) = here {
            let time = model.clock.shown(column.sample.received, model.profile.shows_seconds());
            pen.text(LEFT + tick, y, &time, style);
        }
    }
}

/// What the shades mean; under the time cursor, what it stands on.
fn legend(model: &Model, pen: &mut Pen, y: u16, columns: &[Column], shown: &[i64], step: u64, unit: Unit) {
    let mut x = LEFT;
    for (level, from) in [(1, 1), (2, step * 8), (3, step * 64), (4, step * 512)] {
        let text = format!("{}+", shape::short(from as f64));
        x = pen.text(x, y, model.glyphs.heat[level], model.theme.get(HEAT[level]));
        x = pen.text(x + 1, y, &text, model.theme.get(Role::Dim)) + 2;
    }
    let (Some(at), [.., before, here]) = (model.until(), columns) else { return };
    let new = |bucket: i64| here.count(bucket).saturating_sub(before.count(bucket));
    let time = model.clock.time(at, false);
    let text = match shown.iter().copied().max_by_key(|bucket| new(*bucket)).filter(|bucket| new(*bucket) > 0) {
        Some(bucket) => {
            let all = here.total().saturating_sub(before.total());
            let most = shape::bounds(shape::bucket_range(bucket), unit);
            format!("at {time}: {} new, {} of them {most}", shape::short(all as f64), shape::short(new(bucket) as f64))
        }
        None => format!("at {time}: nothing new"),
    };
    if x + (super::pen::text_width(&text) as u16) < pen.width() {
        pen.text(x, y, &text, model.theme.get(Role::HeatCursor));
    }
}

/// How much was new in each column one sweep ago.
fn previous(model: &Model, pen: &mut Pen, y: u16, before: &[Column], width: u16) {
    if before.len() < 2 {
        return;
    }
    let new: Vec<(u16, u64)> =
        before.windows(2).map(|pair| (pair[1].place(width), pair[1].total().saturating_sub(pair[0].total()))).collect();
    let top = new.iter().map(|(_, n)| *n).max().unwrap_or(0).max(1).next_power_of_two() as f64;
    pen.right(LABEL_WIDTH, y, "before", model.theme.get(Role::HistLabel));
    for (column, n) in new {
        pen.text(LEFT + column, y, spark(n as f64 / top, &model.glyphs), model.theme.get(Role::Spark));
    }
}
