//! Buckets over time: a column a sample, a row a log2 bucket. It sweeps like a radar instead of scrolling, because
//! scrolling redraws every cell each second and a slow line feels it.

use super::{pen::Pen, section};
use crate::{
    runtime::session::Datum,
    tui::{
        app::Model,
        model::live::find_row,
        shape::{self, Unit},
        theme::Role,
    },
};

const HEAT: [Role; 5] = [Role::Heat0, Role::Heat1, Role::Heat2, Role::Heat3, Role::Heat4];

pub fn draw(model: &Model, pen: &mut Pen, table: usize, key: &str, name: &str, unit: Unit) {
    let label_width: u16 = 8;
    let width = pen.width().saturating_sub(label_width + 3).min(240);
    let height = usize::from(pen.height().saturating_sub(2));
    section(pen, 0, &format!("{name}  heatmap"), "one column a sample", model);
    if width < 8 || height == 0 {
        return;
    }
    let samples: Vec<_> = model.history.window(model.cursor, usize::from(width)).collect();
    let buckets = |n: usize| -> &[(i64, u64)] {
        match samples[n].snapshot.tables.get(table).and_then(|t| find_row(t, key)).map(|row| &row.value) {
            Some(Datum::Stat(stat)) => &stat.log2,
            _ => &[],
        }
    };
    let Some(last) = samples.len().checked_sub(1) else { return };
    let all = shape::dense_buckets(buckets(last));
    if all.is_empty() {
        return;
    }
    // The highest buckets are the interesting ones when not all fit.
    let shown: Vec<i64> = all.iter().rev().take(height).map(|(bucket, _)| *bucket).collect();
    for (row, bucket) in shown.iter().enumerate() {
        let y = row as u16 + 1;
        pen.right(label_width, y, &shape::bucket_label(*bucket, unit), model.theme.get(Role::HistLabel));
        pen.text(label_width + 1, y, model.glyphs.bar_v, model.theme.get(Role::Border));
    }
    let fresh = |n: usize, bucket: i64| {
        let count = |n: usize| buckets(n).iter().find(|(b, _)| *b == bucket).map_or(0, |(_, count)| *count);
        count(n).saturating_sub(count(n - 1))
    };
    // Five shades in steps of eight; the first step grows with the busiest cell, rarely, so that little is redrawn.
    let busiest = (1..samples.len()).flat_map(|n| shown.iter().map(move |b| (n, *b))).map(|(n, b)| fresh(n, b)).max();
    let mut step = 1u64;
    while busiest.unwrap_or(0) >= step * 4096 {
        step *= 8;
    }
    for (n, sample) in samples.iter().enumerate().skip(1) {
        let x = label_width + 2 + (sample.number % u64::from(width)) as u16;
        for (row, bucket) in shown.iter().enumerate() {
            let level = match fresh(n, *bucket) {
                0 => continue,
                new if new < step * 8 => 1,
                new if new < step * 64 => 2,
                new if new < step * 512 => 3,
                _ => 4,
            };
            pen.text(x, row as u16 + 1, model.glyphs.heat[level], model.theme.get(HEAT[level]));
        }
    }
    let x = label_width + 2 + ((samples[last].number + 1) % u64::from(width)) as u16;
    for row in 0..shown.len() {
        pen.text(x, row as u16 + 1, model.glyphs.bar_v, model.theme.get(Role::HeatCursor));
    }
    let legend_y = shown.len() as u16 + 1;
    let mut x = label_width + 2;
    for (level, from) in [(1, 1), (2, step * 8), (3, step * 64), (4, step * 512)] {
        let text = format!("{}+", shape::short(from as f64));
        x = pen.text(x, legend_y, model.glyphs.heat[level], model.theme.get(HEAT[level]));
        x = pen.text(x + 1, legend_y, &text, model.theme.get(Role::Dim)) + 2;
    }
}
