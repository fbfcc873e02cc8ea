//! Histograms: the selected row's in full with percentiles and their bounds, and the small one of each row.

use super::{
    bar,
    pen::{Pen, text_width},
    section,
};
use crate::{
    runtime::session::StatValue,
    tui::{
        app::Model,
        model::live::average,
        shape::{self, Unit},
        theme::{Glyphs, Role},
    },
};

/// Buckets as the small histograms of a table show them: all rows on one scale.
pub struct Span {
    buckets: Vec<i64>,
    /// Neighbours that share a column where there are more buckets than columns.
    per_column: usize,
}

/// Every bucket between the lowest and the highest that the rows have.
pub fn all_buckets<'a>(stats: impl Iterator<Item = &'a StatValue>) -> Vec<i64> {
    let mut all: Vec<(i64, u64)> = stats.flat_map(|stat| stat.log2.iter().copied()).collect();
    all.sort_by_key(|(bucket, _)| *bucket);
    all.dedup_by_key(|(bucket, _)| *bucket);
    shape::dense_buckets(&all).into_iter().map(|(bucket, _)| bucket).collect()
}

/// The buckets that the rows have between them, in at most `width` columns.
pub fn shared_span<'a>(stats: impl Iterator<Item = &'a StatValue>, width: usize) -> Span {
    let buckets = all_buckets(stats);
    let per_column = buckets.len().div_ceil(width.max(1)).max(1);
    Span { buckets, per_column }
}

pub fn mini(stat: &StatValue, span: &Span, glyphs: &Glyphs) -> String {
    let count = |bucket: &i64| stat.log2.iter().find(|(b, _)| b == bucket).map_or(0, |(_, n)| *n);
    let columns: Vec<u64> = span.buckets.chunks(span.per_column).map(|share| share.iter().map(count).sum()).collect();
    let top = columns.iter().copied().max().unwrap_or(1).max(1) as f64;
    let level = |n: u64| ((n as f64 / top * 8.0).ceil() as usize).clamp(1, 8);
    columns.into_iter().map(|n| if n == 0 { " " } else { glyphs.spark[level(n)] }).collect()
}

/// One bar.
struct Bar {
    label: String,
    /// First and last value in it.
    range: (i64, i64),
    count: u64,
}

fn bars(stat: &StatValue, unit: Unit) -> Vec<Bar> {
    if let Some(linear) = &stat.linear {
        let n = linear.counts.len();
        return linear
            .counts
            .iter()
            .enumerate()
            .map(|(idx, count)| {
                let low = linear.start.saturating_add(linear.step.saturating_mul(idx as i64 - 1));
                let label = match idx {
                    0 => format!("<{}", linear.start),
                    idx if idx + 1 == n => format!(">={low}"),
                    _ => low.to_string(),
                };
                let range = match idx {
                    0 => (i64::MIN, linear.start.saturating_sub(1)),
                    _ => (low, low.saturating_add(linear.step.max(1) - 1)),
                };
                Bar { label, range, count: *count }
            })
            .skip_while(|bar| bar.count == 0)
            .collect();
    }
    shape::dense_buckets(&stat.log2)
        .into_iter()
        .map(|(bucket, count)| Bar {
            label: shape::bucket_label(bucket, unit),
            range: shape::bucket_range(bucket),
            count,
        })
        .collect()
}

/// The bar of a second peak: one that stands apart from the highest, with a valley of less than half of it between them,
/// and is more than noise.
fn second_mode(bars: &[Bar]) -> Option<usize> {
    let total: u64 = bars.iter().map(|bar| bar.count).sum();
    let highest = (0..bars.len()).max_by_key(|at| (bars[*at].count, std::cmp::Reverse(*at)))?;
    let stands_apart = |at: usize| {
        let between = at.min(highest) + 1..at.max(highest);
        let valley = bars[between].iter().map(|bar| bar.count).min();
        valley.is_some_and(|valley| valley * 2 < bars[at].count)
    };
    let peaks = (0..bars.len()).filter(|at| *at != highest);
    let peaks = peaks.filter(|at| bars[*at].count >= 10 && bars[*at].count * 100 >= total && stands_apart(*at));
    peaks.max_by_key(|at| bars[*at].count)
}

pub fn draw(model: &Model, pen: &mut Pen, stat: &StatValue, name: &str, unit: Unit) {
    let percentiles: Vec<(&str, (i64, i64))> = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
        .into_iter()
        .filter_map(|(label, p)| Some((label, shape::percentile(stat, p)?)))
        .collect();
    let told: Vec<String> =
        percentiles.iter().map(|(label, bounds)| format!("{label} {}", shape::bounds(*bounds, unit))).collect();
    let told = told.join("  ");
    let count = format!("n {}  avg {}", shape::whole(stat.count, 9), shape::sample(average(stat), unit));
    let room = usize::from(pen.width()).saturating_sub(text_width(name) + 10);
    // What is told about the samples, whole or not at all.
    let note = [format!("{count}  {told}"), told, count].into_iter().find(|t| text_width(t) <= room);
    section(pen, 0, name, note.as_deref().unwrap_or(""), model);
    let mut height = usize::from(pen.height().saturating_sub(1));
    let mut bars = bars(stat, unit);
    while bars.last().is_some_and(|bar| bar.count == 0) {
        bars.pop();
    }
    if bars.is_empty() || height == 0 {
        return;
    }
    let second = second_mode(&bars);
    // A row for what is said of it, where enough are left.
    if second.is_some() && bars.len() >= height && height > 6 {
        height -= 1;
    }
    let mut hidden_row = None;
    if bars.len() > height && height > 3 {
        height -= 1;
        hidden_row = Some(height as u16 + 1);
    }
    // More buckets than rows: the window that holds most, and what it leaves out is said.
    let n = bars.len();
    let start = if n <= height {
        0
    } else {
        let sum = |at: usize| bars[at..at + height].iter().map(|bar| bar.count).sum::<u64>();
        (0..=n - height).max_by_key(|at| (sum(*at), std::cmp::Reverse(*at))).unwrap_or(0)
    };
    let shown = &bars[start..(start + height).min(n)];
    let (below, above): (u64, u64) =
        (bars[..start].iter().map(|b| b.count).sum(), bars[(start + height).min(n)..].iter().map(|b| b.count).sum());
    let top = shown.iter().map(|bar| bar.count).max().unwrap_or(1).max(1) as f64;
    let label_width = bars.iter().map(|bar| bar.label.len()).max().unwrap_or(0).max(6) as u16 + 1;
    let width = pen.width();
    let count_width = 10;
    let mark_width: u16 = if width >= 60 { 6 } else { 0 };
    let bar_width = width.saturating_sub(label_width + 3 + count_width + mark_width);
    for (row, bucket) in shown.iter().enumerate() {
        let y = row as u16 + 1;
        pen.right(label_width, y, &bucket.label, model.theme.get(Role::HistLabel));
        let x = pen.text(label_width + 1, y, model.glyphs.bar_v, model.theme.get(Role::Border));
        pen.text(x, y, &bar(bucket.count as f64 / top, bar_width, &model.glyphs), model.theme.get(Role::HistBar));
        let end = x + bar_width + count_width;
        let role = if bucket.count == 0 { Role::Dim } else { Role::Number };
        pen.right(end, y, &shape::whole(bucket.count as i64, 9), model.theme.get(role));
        let marks: Vec<&str> = percentiles
            .iter()
            .filter(|(_, (low, _))| bucket.range.0 <= *low && *low <= bucket.range.1)
            .map(|(label, _)| *label)
            .collect();
        if let Some(mark) = marks.last().filter(|_| mark_width > 0) {
            pen.text(end + 1, y, &format!("{}{mark}", model.glyphs.left), model.theme.get(Role::HistMark));
        }
    }
    if let Some(at) = second {
        let y = shown.len() as u16 + 1 + u16::from(hidden_row.is_some());
        let (label, n) = (bars[at].label.trim(), shape::short(bars[at].count as f64));
        let text = format!("two peaks? the second at {label} ({n})");
        if y < pen.height() {
            pen.text(label_width + 3, y, &text, model.theme.get(Role::HistMark));
        }
    }
    if let Some(y) = hidden_row {
        let parts: Vec<String> = [(below, "below"), (above, "above")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, place)| format!("{} {place}", shape::short(n as f64)))
            .collect();
        pen.text(
            label_width + 3,
            y,
            &format!("{} {}", model.glyphs.ellipsis, parts.join(", ")),
            model.theme.get(Role::Dim),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::UNICODE;

    #[test]
    fn a_second_peak_stands_apart() {
        let second = |counts: &[u64]| {
            let bars: Vec<Bar> =
                counts.iter().map(|n| Bar { label: String::new(), range: (0, 0), count: *n }).collect();
            second_mode(&bars)
        };
        assert_eq!(second(&[3, 41, 388, 1204, 812, 377, 120, 44, 19, 61, 12, 2]), Some(9));
        assert_eq!(second(&[61, 19, 44, 1204, 812, 377]), Some(0));
        assert_eq!(second(&[3, 41, 388, 1204, 812, 377, 120, 44, 19, 12]), None);
        assert_eq!(second(&[1000, 900, 950, 20]), None, "no valley");
        assert_eq!(second(&[100_000, 0, 0, 30]), None, "too few to be a peak");
        assert_eq!(second(&[20, 0, 9]), None, "too few to say anything");
        assert_eq!((second(&[7]), second(&[])), (None, None));
    }

    #[test]
    fn small_histograms_share_a_scale() {
        let stat = |log2: &[(i64, u64)]| StatValue { log2: log2.to_vec(), ..Default::default() };
        let (a, b) = (stat(&[(1, 8), (2, 4)]), stat(&[(4, 1)]));
        let span = shared_span([&a, &b].into_iter(), 24);
        assert_eq!(span.buckets, [1, 2, 4]);
        assert_eq!(mini(&a, &span, &UNICODE), "█▄ ");
        assert_eq!(mini(&b, &span, &UNICODE), "  █");
        // Two columns: the first holds two buckets, and none is lost.
        let narrow = shared_span([&a, &b].into_iter(), 2);
        assert_eq!((mini(&a, &narrow, &UNICODE), mini(&b, &narrow, &UNICODE)), ("█ ".into(), " █".into()));
    }
}
