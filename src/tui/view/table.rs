//! The live pane: tabs of globals, a strip of scalars, the table, and below it the selected row in full.

use ratatui::layout::Rect;

use super::{
    bar, costs, frame_with, heatmap, histogram,
    pen::{Pen, fit, text_width},
    section, spark, stacks,
};
use crate::{
    runtime::session::{ColumnKind, Datum, StatValue, Table, TableInfo, ValueKind},
    tui::{
        app::Model,
        export,
        layout::Pane,
        model::live::{Column, HOLD, LiveView, RowView, TableState, amount, average, columns, find_row},
        shape, stack,
        theme::Role,
    },
};

/// How the pane's inside is shared out, top to bottom.
struct Parts {
    /// Rows of tabs.
    tabs: u16,
    /// Rows of the scalars' strip.
    scalars: u16,
    /// Header and rows.
    table: u16,
    /// The selected row, with its rule.
    below: u16,
}

fn parts(model: &Model, inside: u16) -> Parts {
    let live = &model.live;
    let tabs = u16::from(live.pages().len() > 1 && live.view != LiveView::Costs);
    let n_scalars = live.scalars().len() as u16;
    let mut left = inside.saturating_sub(tabs);
    if live.view == LiveView::Costs {
        return Parts { tabs: 0, scalars: 0, table: inside, below: 0 };
    }
    let Some(info) = live.table_info() else {
        return Parts { tabs, scalars: left, table: 0, below: 0 };
    };
    if live.view == LiveView::Raw {
        return Parts { tabs, scalars: 0, table: left, below: 0 };
    }
    let scalars = n_scalars.div_ceil(3).min(3).min(left / 4);
    left = left.saturating_sub(scalars);
    // A statistic without keys is one row: the histogram is what counts.
    let single = info.keys.is_empty();
    let wants_below = match live.view {
        LiveView::Histogram => info.value != ValueKind::Str,
        LiveView::Heatmap => info.value != ValueKind::Str,
        LiveView::Spark | LiveView::Table | LiveView::Raw | LiveView::Costs => false,
    };
    if !wants_below || left < 9 {
        return Parts { tabs, scalars, table: left, below: 0 };
    }
    let table = if single || live.drilled {
        2
    } else if info.value == ValueKind::Long && selected_stack(model).is_some() {
        left / 2
    } else if info.value == ValueKind::Long {
        left.saturating_sub(5).max(left * 2 / 3)
    } else {
        // The rule, the buckets any row has, and a line for the legend: what they do not need is the table's.
        // A heatmap has its times and the window before besides.
        let extra = if live.view == LiveView::Heatmap { 4 } else { 2 };
        let wanted = n_buckets(model) as u16 + extra;
        left.saturating_sub(wanted.clamp(4, left - (left * 48 / 100).max(4)))
    };
    Parts { tabs, scalars, table, below: left.saturating_sub(table) }
}

/// The stack that is a key of the selected row.
fn selected_stack(model: &Model) -> Option<Vec<&str>> {
    let table = model.sample()?.snapshot.tables.get(model.live.current_table()?)?;
    let row = find_row(table, model.live.state()?.selected.as_deref()?)?;
    row.keys.iter().find_map(stack::frames)
}

/// Buckets between the lowest and the highest that any row of the table on show has.
fn n_buckets(model: &Model) -> usize {
    let table = model.sample().zip(model.live.current_table()).and_then(|(s, idx)| s.snapshot.tables.get(idx));
    let rows = table.map_or(&[][..], |table| &table.rows);
    let stats = rows.iter().filter_map(|row| match &row.value {
        Datum::Stat(stat) => Some(&**stat),
        _ => None,
    });
    // Linear histograms have as many bars as the script says.
    let linear = stats.clone().filter_map(|stat| stat.linear.as_ref()).map(|linear| linear.counts.len()).max();
    linear.unwrap_or_else(|| histogram::all_buckets(stats).len())
}

/// Rows of the table that are on screen.
pub fn rows_height(model: &Model, area: Rect) -> usize {
    usize::from(parts(model, area.height.saturating_sub(2)).table.saturating_sub(1))
}

pub fn draw(model: &Model, pen: &mut Pen) {
    let live = &model.live;
    let (title, note) = titles(model, pen.area);
    let foot = foot(model, pen.width());
    let mut inner = frame_with(model, pen, Pane::Live, &title, &note, &foot);
    let (width, height) = (inner.width(), inner.height());
    if width == 0 || height == 0 {
        return;
    }
    if live.info.is_none() {
        welcome(model, &mut inner);
        return;
    }
    if live.view == LiveView::Costs {
        costs::draw(model, &mut inner);
        return;
    }
    let parts = parts(model, height);
    let mut y = 0;
    if parts.tabs > 0 {
        table_tabs(model, &mut inner.inner(0, 0, width, 1));
        y += 1;
    }
    if parts.scalars > 0 {
        scalars(model, &mut inner.inner(0, y, width, parts.scalars));
        y += parts.scalars;
    }
    if parts.table > 0 && live.view == LiveView::Raw {
        raw(model, &mut inner.inner(0, y, width, parts.table));
    } else if parts.table > 0 {
        rows(model, &mut inner.inner(0, y, width, parts.table));
        y += parts.table;
    }
    if parts.below > 0 {
        below(model, &mut inner.inner(0, y, width, parts.below));
    }
}

fn titles(model: &Model, area: Rect) -> (String, String) {
    let live = &model.live;
    if live.view == LiveView::Costs {
        return ("Probes and their cost".into(), model.fill("{toggle} on/off  {costs} back"));
    }
    let (Some(info), Some(state)) = (live.table_info(), live.state()) else {
        let title = if live.info.is_some() {
            "Live".to_owned()
        } else {
            format!("Live {} nothing traced yet", model.glyphs.dot)
        };
        return (title, String::new());
    };
    let view = match (live.view, info.value) {
        (LiveView::Histogram | LiveView::Heatmap, ValueKind::Long) => "rate",
        (LiveView::Histogram | LiveView::Heatmap, ValueKind::Str) => "table",
        (view, _) => view.name(),
    };
    let title = format!("{}  {view}", signature(info, state));
    let n = state.order.len();
    let mut note = match (n, state.n_rows) {
        (shown, all) if shown == all => format!("{all} row{}", if all == 1 { "" } else { "s" }),
        (shown, all) => format!("{shown} of {all} rows"),
    };
    let height = rows_height(model, area);
    if n > height && height > 0 && !live.drilled {
        note = format!("{}-{} of {note}", state.scroll + 1, (state.scroll + height).min(n));
    }
    if !state.filter.is_empty() {
        note += &format!(" · /{}", state.filter);
    }
    let overflows = model
        .sample()
        .zip(live.current_table())
        .and_then(|(s, idx)| s.snapshot.tables.get(idx))
        .map_or(0, |table| table.overflows);
    if overflows > 0 {
        note = format!("FULL: {} refused · {note}", shape::short(overflows as f64));
    } else if !info.keys.is_empty() && info.max_entries > 0 && state.n_rows * 10 > info.max_entries as usize * 8 {
        note = format!("{}% full · {note}", state.n_rows * 100 / info.max_entries as usize);
    }
    (title, if model.glyphs.unicode { note } else { note.replace('·', ".") })
}

/// How the table on show is ordered and what its selection does.
fn foot(model: &Model, width: u16) -> String {
    let live = &model.live;
    let (Some(info), Some(state)) = (live.table_info(), live.state()) else { return String::new() };
    if live.view == LiveView::Costs || info.keys.is_empty() || live.drilled {
        return String::new();
    }
    let column = columns(info).get(state.sort).copied().unwrap_or(Column::Value);
    let arrow = if state.descending(column) { model.glyphs.down } else { model.glyphs.up };
    let dot = model.glyphs.dot;
    let followed = state.selected.as_ref().filter(|_| state.chosen);
    let followed = followed.map_or("off".to_owned(), |key| key.replace(shape::KEY_SEPARATOR, ", "));
    let mut out =
        format!("sort {}{arrow} {dot} follow {}", state.column_name(column), fit_within(model, &followed, 24));
    if width >= 90 {
        out += &format!(" {dot} rows keep their place {} s after a key", HOLD.as_secs());
    } else if let Some(every) = sample_interval(model) {
        out += &format!(" {dot} every {every} s");
    }
    out
}

fn fit_within(model: &Model, text: &str, width: usize) -> String {
    super::pen::cut(text, width, model.glyphs.ellipsis)
}

/// Seconds between the last two samples, if they are a second or more apart.
fn sample_interval(model: &Model) -> Option<u64> {
    let (now, before) = (model.sample()?, model.history.before(model.cursor)?);
    let ms = now.snapshot.at.saturating_sub(before.snapshot.at).as_millis() as u64;
    Some((ms + 500) / 1000).filter(|seconds| *seconds > 0)
}

/// `lat[execname]`
fn signature(info: &TableInfo, state: &TableState) -> String {
    if info.keys.is_empty() {
        return info.name.clone();
    }
    // Inside some rows, what they have in common.
    let quote = |(n, part): (usize, &String)| match info.keys.get(n) {
        Some(ColumnKind::Str) => format!("\"{part}\""),
        _ => part.clone(),
    };
    let inside = state.inside.iter().enumerate().map(quote);
    let names: Vec<String> = inside.chain(state.key_names.iter().skip(state.inside.len()).cloned()).collect();
    format!("{}[{}]", info.name, names.join(", "))
}

fn welcome(model: &Model, pen: &mut Pen) {
    let text: &[&str] = match (&model.run.compiling, &model.run.failed) {
        (Some(_), _) => &["compiling ..."],
        (None, Some(_)) => &["The script did not start; pane 2 shows where, pane 4 what was said."],
        (None, None) => &[
            "Globals of the running script appear here by themselves:",
            "arrays as tables, statistics with their histograms.",
            "",
            "{probes}  choose a probe, then {latency} for its latency or {count} for counts",
            "{script}  write a script, {run} runs it",
        ],
    };
    for (y, line) in text.iter().enumerate() {
        let width = pen.width().saturating_sub(4);
        pen.cut(2, y as u16 + 1, width, &model.fill(line), model.theme.get(Role::Dim), &model.glyphs);
    }
}

fn table_tabs(model: &Model, pen: &mut Pen) {
    let Some(info) = model.info() else { return };
    let mut x = 0;
    let pages = model.live.pages();
    // The page on show is always among those that fit.
    let mut first = 0;
    let widths: Vec<usize> = pages.iter().map(|idx| text_width(&info.tables[*idx].name) + 3).collect();
    while first < model.live.page && widths[first..=model.live.page].iter().sum::<usize>() > usize::from(pen.width()) {
        first += 1;
    }
    for (page, idx) in pages.iter().enumerate().skip(first) {
        let role = if page == model.live.page { Role::TabActive } else { Role::Tab };
        x = pen.text(x, 0, &format!(" {} ", info.tables[*idx].name), model.theme.get(role)) + 1;
    }
}

/// Plain scalars with their rate, three on a line; the whole pane if there is nothing else.
fn scalars(model: &Model, pen: &mut Pen) {
    let Some(info) = model.info() else { return };
    let Some(sample) = model.sample() else { return };
    let alone = model.live.table_info().is_none();
    let all = model.live.scalars();
    if all.is_empty() {
        pen.text(2, 1, "the script has no globals; what it prints is in the log", model.theme.get(Role::Dim));
        return;
    }
    let per_line = if alone { 1 } else { 3 };
    let width = pen.width() / per_line as u16;
    let name_width = all.iter().map(|idx| info.tables[*idx].name.len()).max().unwrap_or(0).min(24);
    for (n, idx) in all.iter().enumerate() {
        let (x, y) = ((n % per_line) as u16 * width, (n / per_line) as u16 + u16::from(alone));
        if y >= pen.height() {
            break;
        }
        let mut cell = pen.inner(x, y, width, 1);
        let row = sample.snapshot.tables.get(*idx).and_then(|t| t.rows.first());
        let name =
            fit(&info.tables[*idx].name, if alone { name_width } else { name_width.min(14) }, model.glyphs.ellipsis);
        let x = cell.text(1, 0, &name, model.theme.get(Role::TableHeader)) + 1;
        let text = row.map_or(model.glyphs.none.to_owned(), |row| match &row.value {
            Datum::Long(n) => shape::whole(*n, 14),
            other => shape::datum(other),
        });
        let number = matches!(row.map(|r| &r.value), Some(Datum::Long(_)) | None);
        let text = if number && alone { format!("{text:>14}") } else { text };
        let x = cell.text(x, 0, &text, model.theme.get(Role::Number));
        let rate =
            model.live.states.get(*idx).and_then(|s| s.order.first()).and_then(|row| row.rate).filter(|_| number);
        if let Some(rate) = rate {
            let x = cell.text(x, 0, &format!(" {:>6}/s", shape::short(rate)), model.theme.get(Role::Rate));
            if alone {
                let room = usize::from(cell.width().saturating_sub(x + 2));
                sparkline(model, &mut cell, x + 2, 0, *idx, "", room.min(60));
            }
        }
    }
}

fn value_columns(info: &TableInfo, state: &TableState, width: usize, spark: bool) -> Vec<(Column, usize)> {
    let mut out = Vec::new();
    for column in columns(info) {
        let cell = match column {
            Column::Key(_) => continue,
            Column::Value if info.value == ValueKind::Str => 30,
            Column::Value => 12,
            Column::Count => 9,
            Column::Rate => 8,
            Column::Min | Column::Avg | Column::Max => 8,
        };
        if spark && matches!(column, Column::Min | Column::Avg | Column::Max) {
            continue;
        }
        if !state.hidden.contains(&column) {
            out.push((column, cell));
        }
    }
    // What does not fit beside a readable key goes, the least telling first; the small histogram says more than a minimum.
    let key = 14 * info.keys.len().clamp(1, 3);
    let histogram = if info.value == ValueKind::Stat { 16 } else { 0 };
    let taken = |out: &[(Column, usize)]| out.iter().map(|(_, w)| w + 1).sum::<usize>();
    for (drop, wanted) in [(Column::Min, key + histogram), (Column::Max, key), (Column::Rate, key)] {
        if wanted + taken(&out) > width {
            out.retain(|(column, _)| *column != drop);
        }
    }
    out
}

/// Where the columns of a table are.
struct Columns {
    /// From column 2 on, with a space between them.
    key_widths: Vec<usize>,
    /// From `values_x` on, each with a space behind it.
    values: Vec<(Column, usize)>,
    values_x: usize,
    /// Of the little histograms behind the values; 0 for none.
    hist_width: usize,
}

impl Columns {
    fn of(view: LiveView, info: &TableInfo, state: &TableState, table: &Table, width: usize) -> Self {
        let spark_view = view == LiveView::Spark;
        let values = value_columns(info, state, width.saturating_sub(2), spark_view);
        let values_width: usize = values.iter().map(|(_, w)| w + 1).sum();
        // Columns the keys need to be told apart.
        let readable = if info.keys.len() < 2 { 18 } else { 12 * info.keys.len() };
        let hist_width = match (spark_view, info.value) {
            (true, _) => width.saturating_sub(values_width + 20).clamp(0, 60),
            (false, ValueKind::Long) => width.saturating_sub(values_width + 8 + readable * 3 / 2).clamp(0, 30),
            (false, ValueKind::Stat) => width.saturating_sub(values_width + 4 + readable).clamp(0, 24),
            _ => 0,
        };
        // Stacks are long, and tell more.
        let has_stacks = table.rows.first().is_some_and(|row| row.keys.iter().any(|key| stack::frames(key).is_some()));
        let hist_width = if has_stacks { hist_width.min(10) } else { hist_width };
        let hist_width = if hist_width < 8 { 0 } else { hist_width };
        let tail = if hist_width > 0 { hist_width + 2 } else { 0 };
        let keys_width = width.saturating_sub(2 + values_width + tail + 1);
        let key_widths = key_widths(info, state, table, keys_width);
        Self { key_widths, values, values_x: width.saturating_sub(values_width + tail), hist_width }
    }

    /// The column whose heading is at `x`.
    fn at(&self, x: usize) -> Option<Column> {
        let mut end = 2;
        for (n, width) in self.key_widths.iter().enumerate() {
            end += width + 1;
            if (2..end).contains(&x) {
                return Some(Column::Key(n));
            }
        }
        end = self.values_x;
        for (column, width) in &self.values {
            end += width + 1;
            if (self.values_x..end).contains(&x) {
                return Some(*column);
            }
        }
        None
    }
}

fn rows(model: &Model, pen: &mut Pen) {
    let live = &model.live;
    let (Some(info), Some(state), Some(idx)) = (live.table_info(), live.state(), live.current_table()) else { return };
    let Some(sample) = model.sample() else { return };
    let Some(table) = sample.snapshot.tables.get(idx) else { return };
    let width = usize::from(pen.width());
    let spark_view = live.view == LiveView::Spark;
    let Columns { key_widths, values, values_x, hist_width } = Columns::of(live.view, info, state, table, width);
    // Header
    let sort = columns(info).get(state.sort).copied();
    let header = |pen: &mut Pen, x: usize, width: usize, column: Column, right: bool| {
        let name = state.column_name(column);
        let chosen = sort == Some(column);
        let arrow = if state.descending(column) { model.glyphs.down } else { model.glyphs.up };
        let text = if chosen { format!("{name}{arrow}") } else { name };
        let style = model.theme.get(if chosen { Role::TableSort } else { Role::TableHeader });
        if right {
            pen.right((x + width) as u16, 0, &text, style);
        } else {
            pen.cut(x as u16, 0, width as u16, &text, style, &model.glyphs);
        }
    };
    let mut x = 2;
    for (n, width) in key_widths.iter().enumerate() {
        let right = info.keys.get(n) == Some(&ColumnKind::Long);
        header(pen, x, *width, Column::Key(n), right);
        x += width + 1;
    }
    x = values_x;
    for (column, width) in &values {
        header(pen, x, *width, *column, !(info.value == ValueKind::Str));
        x += width + 1;
    }
    let hist_x = x + 1;
    if hist_width > 0 {
        let name = match (spark_view, info.value) {
            (true, _) => "rate, one column a sample",
            (false, ValueKind::Stat) => "log2",
            (false, _) => "share",
        };
        pen.text(hist_x as u16, 0, name, model.theme.get(Role::TableHeader));
    }
    // What the rows' little histograms have in common: their first and last bucket.
    let height = usize::from(pen.height().saturating_sub(1));
    let shown: Vec<&RowView> = if live.drilled {
        state.order.iter().filter(|row| Some(&row.key) == state.selected.as_ref()).take(1).collect()
    } else {
        state.order.iter().skip(state.scroll).take(height).collect()
    };
    let span = histogram::shared_span(
        shown.iter().filter_map(|view| match &table.rows.get(view.idx)?.value {
            Datum::Stat(stat) => Some(&**stat),
            _ => None,
        }),
        hist_width,
    );
    let stacks: Vec<Option<usize>> = (0..info.keys.len()).map(|key| stack::in_common(table.rows.iter(), key)).collect();
    // Of all rows on show, so that scrolling does not stretch the bars.
    let top =
        state.order.iter().filter_map(|view| table.rows.get(view.idx)).map(|row| amount(&row.value)).max().unwrap_or(0);
    if state.order.is_empty() {
        let text = if state.filter.is_empty() { "no rows yet" } else { "no row matches the filter" };
        pen.text(2, 1, text, model.theme.get(Role::Dim));
    }
    for (n, view) in shown.iter().enumerate() {
        let Some(row) = table.rows.get(view.idx) else { continue };
        let y = n as u16 + 1;
        let selected = state.selected.as_ref() == Some(&view.key);
        if selected && !info.keys.is_empty() {
            pen.text(1, y, model.glyphs.pointer, model.theme.get(Role::Key));
        } else if view.fresh {
            pen.text(1, y, "+", model.theme.get(Role::RowNew));
        }
        let mut x = 2;
        let key_style = model.theme.get(if view.fresh { Role::RowNew } else { Role::Text });
        for (n, key_width) in key_widths.iter().enumerate() {
            let text = row.keys.get(n).map(|key| key_text(model, key, stacks[n])).unwrap_or_default();
            if info.keys.get(n) == Some(&ColumnKind::Long) {
                pen.right((x + key_width) as u16, y, &text, key_style);
            } else {
                pen.cut(x as u16, y, *key_width as u16, &text, key_style, &model.glyphs);
            }
            x += key_width + 1;
        }
        if info.keys.is_empty() {
            pen.text(2, y, &info.name, key_style);
        }
        x = values_x;
        for (column, width) in &values {
            value_cell(model, pen, x, y, *width, *column, &row.value, view, state);
            x += width + 1;
        }
        if hist_width > 0 {
            match (&row.value, spark_view) {
                (_, true) => sparkline(model, pen, hist_x as u16, y, idx, &view.key, hist_width),
                (Datum::Stat(stat), false) => {
                    pen.text(
                        hist_x as u16,
                        y,
                        &histogram::mini(stat, &span, &model.glyphs),
                        model.theme.get(Role::Spark),
                    );
                }
                (Datum::Long(n), false) if top > 0 => {
                    let part = *n as f64 / top as f64;
                    pen.text(
                        hist_x as u16,
                        y,
                        &bar(part, hist_width as u16, &model.glyphs),
                        model.theme.get(Role::HistBar),
                    );
                }
                _ => (),
            }
        }
        if selected && !info.keys.is_empty() {
            let role = if model.focus == Pane::Live { Role::RowSelected } else { Role::RowBlur };
            let width = pen.width();
            pen.paint(0, y, width, model.theme.get(role));
        }
    }
}

/// A key on one line; of a stack what is not in all others.
fn key_text(model: &Model, key: &Datum, in_common: Option<usize>) -> String {
    match (in_common, stack::frames(key)) {
        (Some(0), Some(frames)) => stack::on_one_line(&frames, 0),
        (Some(known), Some(frames)) => format!("{} {}", model.glyphs.ellipsis, stack::on_one_line(&frames, known)),
        _ => shape::datum(key),
    }
}

/// Every row as `stap` prints a global at the end of a run, in the order of the table.
fn raw(model: &Model, pen: &mut Pen) {
    let live = &model.live;
    let (Some(info), Some(state), Some(idx)) = (live.table_info(), live.state(), live.current_table()) else { return };
    let Some(table) = model.sample().and_then(|sample| sample.snapshot.tables.get(idx)) else { return };
    pen.text(2, 0, "as stap prints it", model.theme.get(Role::TableHeader));
    let (width, height) = (pen.width(), usize::from(pen.height().saturating_sub(1)));
    for (n, view) in state.order.iter().skip(state.scroll).take(height).enumerate() {
        let Some(row) = table.rows.get(view.idx) else { continue };
        let y = n as u16 + 1;
        pen.cut(2, y, width.saturating_sub(3), &export::printed(info, row), model.theme.get(Role::Text), &model.glyphs);
        if state.selected.as_ref() == Some(&view.key) {
            let role = if model.focus == Pane::Live { Role::RowSelected } else { Role::RowBlur };
            pen.text(1, y, model.glyphs.pointer, model.theme.get(Role::Key));
            pen.paint(0, y, width, model.theme.get(role));
        }
    }
}

fn key_widths(info: &TableInfo, state: &TableState, table: &Table, room: usize) -> Vec<usize> {
    let n = info.keys.len();
    if n == 0 {
        return Vec::new();
    }
    let room = room.saturating_sub(n - 1);
    let mut wanted: Vec<usize> = (0..n)
        .map(|key| {
            let rows = state.order.iter().skip(state.scroll).take(60).filter_map(|view| table.rows.get(view.idx));
            let longest =
                rows.map(|row| row.keys.get(key).map_or(0, |k| text_width(&shape::datum(k)))).max().unwrap_or(0);
            let name = state.key_names.get(key).map_or(3, |name| name.len() + 1);
            // Steps of four, so that a longer key does not shift the columns each time.
            let floor = if info.keys[key] == ColumnKind::Str { 15 } else { 6 };
            longest.max(name).max(floor).next_multiple_of(4)
        })
        .collect();
    // Too wide together: the widest gives way.
    while wanted.iter().sum::<usize>() > room {
        let Some(widest) = (0..n).max_by_key(|key| wanted[*key]).filter(|key| wanted[*key] > 1) else { break };
        wanted[widest] -= 1;
    }
    wanted
}

#[expect(clippy::too_many_arguments, reason = "one cell: where, which, and of what")]
fn value_cell(
    model: &Model,
    pen: &mut Pen,
    x: usize,
    y: u16,
    width: usize,
    column: Column,
    value: &Datum,
    view: &RowView,
    state: &TableState,
) {
    let stat = match value {
        Datum::Stat(stat) => Some(&**stat),
        _ => None,
    };
    let of = |f: fn(&StatValue) -> f64| stat.map_or(String::new(), |s| shape::sample(f(s), state.unit));
    let (text, role) = match column {
        Column::Key(_) => return,
        Column::Value => match value {
            Datum::Str(_) => {
                pen.cut(x as u16, y, width as u16, &shape::datum(value), model.theme.get(Role::Text), &model.glyphs);
                return;
            }
            other => (shape::whole(amount(other), width), Role::Number),
        },
        Column::Count => (shape::whole(amount(value), width), Role::Number),
        Column::Rate => match view.rate {
            Some(0.0) => (model.glyphs.dot.to_owned(), Role::Dim),
            Some(rate) => (shape::short(rate), Role::Rate),
            None => (model.glyphs.none.to_owned(), Role::Dim),
        },
        Column::Min => (of(|s| s.min as f64), Role::Number),
        Column::Avg => (of(average), Role::Number),
        Column::Max => (of(|s| s.max as f64), Role::Number),
    };
    pen.right((x + width) as u16, y, &text, model.theme.get(role));
}

/// The rate over the last samples, as a ring: the newest column moves, the others stay, so little is redrawn.
fn sparkline(model: &Model, pen: &mut Pen, x: u16, y: u16, table: usize, key: &str, width: usize) {
    if width < 2 {
        return;
    }
    let samples: Vec<_> = model.history.window(model.cursor, width).collect();
    let mut rates: Vec<(u64, f64)> = Vec::new();
    for pair in samples.windows(2) {
        let of = |n: usize| {
            pair[n].snapshot.tables.get(table).and_then(|t| find_row(t, key)).map_or(0, |row| amount(&row.value))
        };
        let seconds = pair[1].snapshot.at.saturating_sub(pair[0].snapshot.at).as_secs_f64();
        let rate = if seconds > 0.0 { of(1).saturating_sub(of(0)) as f64 / seconds } else { 0.0 };
        rates.push((pair[1].number, rate.max(0.0)));
    }
    let top = rates.iter().map(|(_, rate)| *rate).fold(1.0, f64::max).log2().ceil().exp2();
    for (number, rate) in &rates {
        let column = (*number % width as u64) as u16;
        let style = model.theme.get(Role::Spark);
        pen.text(x + column, y, spark(rate / top, &model.glyphs), style);
    }
    if let Some((number, _)) = rates.last() {
        let column = ((*number + 1) % width as u64) as u16;
        pen.text(x + column, y, model.glyphs.bar_v, model.theme.get(Role::HeatCursor));
    }
}

/// The selected row over time, beside the live pane.
pub fn draw_heat(model: &Model, pen: &mut Pen) {
    let mut inner = super::frame_beside(model, pen, "The selected row over time");
    if model.live.table_info().is_some() {
        row_in_full(model, &mut inner, LiveView::Heatmap);
    }
}

/// The selected row in full.
fn below(model: &Model, pen: &mut Pen) {
    row_in_full(model, pen, model.live.view);
}

fn row_in_full(model: &Model, pen: &mut Pen, view: LiveView) {
    let live = &model.live;
    let (Some(info), Some(state), Some(idx)) = (live.table_info(), live.state(), live.current_table()) else { return };
    let Some(table) = model.sample().and_then(|s| s.snapshot.tables.get(idx)) else { return };
    // There has been no row yet.
    let Some(key) = state.selected.clone() else { return };
    let Some(row) = find_row(table, &key) else {
        section(pen, 0, "", "", model);
        pen.text(2, 1, "the selected row is gone", model.theme.get(Role::Dim));
        return;
    };
    let name = if info.keys.is_empty() {
        info.name.clone()
    } else {
        let shown: Vec<String> = row
            .keys
            .iter()
            .map(|key| match (key, stack::frames(key)) {
                (_, Some(frames)) => stack::on_one_line(&frames, 0),
                (Datum::Str(_), _) => format!("\"{}\"", shape::datum(key)),
                _ => shape::datum(key),
            })
            .collect();
        format!("{}[{}]", info.name, shown.join(", "))
    };
    match (&row.value, view) {
        (Datum::Stat(_), LiveView::Heatmap) => heatmap::draw(model, pen, idx, &key, &name, state.unit),
        (Datum::Stat(stat), _) => histogram::draw(model, pen, stat, &name, state.unit),
        _ => {
            section(pen, 0, &name, "per second, one column a sample", model);
            let (width, height) = (pen.width().saturating_sub(2), pen.height().saturating_sub(1));
            let chart_x = match row.keys.iter().find_map(stack::frames) {
                Some(frames) => {
                    stacks::draw(model, &mut pen.inner(1, 1, width.min(stacks::WIDTH), height), &frames);
                    stacks::WIDTH + 1
                }
                None => 0,
            };
            column_chart(model, &mut pen.inner(1 + chart_x, 1, width.saturating_sub(chart_x), height), idx, &key);
        }
    }
}

/// Rates as columns several rows high, as a ring.
fn column_chart(model: &Model, pen: &mut Pen, table: usize, key: &str) {
    let (width, height) = (usize::from(pen.width().saturating_sub(8)), pen.height());
    if width < 4 || height == 0 {
        return;
    }
    let samples: Vec<_> = model.history.window(model.cursor, width).collect();
    let of = |n: usize| {
        samples[n].snapshot.tables.get(table).and_then(|t| find_row(t, key)).map_or(0, |row| amount(&row.value))
    };
    let rates: Vec<(u64, f64)> = (1..samples.len())
        .map(|n| {
            let seconds = samples[n].snapshot.at.saturating_sub(samples[n - 1].snapshot.at).as_secs_f64();
            let rate = if seconds > 0.0 { of(n).saturating_sub(of(n - 1)) as f64 / seconds } else { 0.0 };
            (samples[n].number, rate.max(0.0))
        })
        .collect();
    let top = rates.iter().map(|(_, rate)| *rate).fold(1.0, f64::max).log2().ceil().exp2();
    pen.right(6, 0, &shape::short(top), model.theme.get(Role::HistLabel));
    pen.right(6, height - 1, "0", model.theme.get(Role::HistLabel));
    for y in 0..height {
        pen.text(7, y, model.glyphs.bar_v, model.theme.get(Role::Border));
    }
    for (number, rate) in &rates {
        let x = 8 + (*number % width as u64) as u16;
        let filled = rate / top * f64::from(height);
        for y in 0..height {
            let part = filled - f64::from(height - 1 - y);
            if part > 0.0 {
                pen.text(x, y, spark(part, &model.glyphs), model.theme.get(Role::Spark));
            }
        }
    }
    if let Some((number, _)) = rates.last() {
        let x = 8 + ((*number + 1) % width as u64) as u16;
        for y in 0..height {
            pen.text(x, y, model.glyphs.bar_v, model.theme.get(Role::HeatCursor));
        }
    }
}

/// Selects the row the mouse was pressed on.
pub fn click(model: &mut Model, area: Rect, y: u16) {
    if model.live.view == LiveView::Costs {
        let row = usize::from(y.saturating_sub(area.y + 2));
        if model.info().is_some_and(|info| row < info.probes.len()) {
            model.live.cost_selected = row;
        }
        return;
    }
    let parts = parts(model, area.height.saturating_sub(2));
    let first = area.y + 1 + parts.tabs + parts.scalars + 1;
    let Some(row) = y.checked_sub(first).filter(|row| row + 1 < parts.table) else { return };
    if let Some(state) = model.live.state_mut()
        && let Some(view) = state.order.get(state.scroll + usize::from(row))
    {
        state.selected = Some(view.key.clone());
        state.chosen = true;
    }
}

/// The column whose heading is at a cell of the pane.
pub fn heading_at(model: &Model, area: Rect, x: u16, y: u16) -> Option<Column> {
    let live = &model.live;
    let parts = parts(model, area.height.saturating_sub(2));
    if live.view == LiveView::Costs || live.view == LiveView::Raw || y != area.y + 1 + parts.tabs + parts.scalars {
        return None;
    }
    let (info, state, idx) = (live.table_info()?, live.state()?, live.current_table()?);
    let table = model.sample()?.snapshot.tables.get(idx)?;
    let width = usize::from(area.width.saturating_sub(2));
    Columns::of(live.view, info, state, table, width).at(usize::from(x.checked_sub(area.x + 1)?))
}
