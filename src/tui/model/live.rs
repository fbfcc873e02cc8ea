//! The live tables: which global is on show, how its rows are sorted and filtered, which row is selected. Rows are known by
//! their key, so nothing moves under the cursor; after a key press the order holds for [`HOLD`].

use std::{cmp::Ordering, collections::HashMap, sync::Arc, time::Duration};

use super::history::{History, Sample};
use crate::{
    runtime::session::{Datum, Row, SessionInfo, StatValue, Table, TableInfo, ValueKind},
    tui::shape::{self, Unit},
};

/// How long rows keep their place after a key press.
pub const HOLD: Duration = Duration::from_secs(3);
/// How long a new row is marked.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveView {
    /// Table and, below it, the selected row's histogram (or course).
    Histogram,
    /// Table and the selected row's buckets over time.
    Heatmap,
    /// A sparkline in every row.
    Spark,
    Table,
    /// The rows as SystemTap prints them.
    Raw,
    /// What each probe costs.
    Costs,
}

impl LiveView {
    pub const NAMES: [(LiveView, &'static str); 6] = [
        (LiveView::Histogram, "histogram"),
        (LiveView::Heatmap, "heatmap"),
        (LiveView::Spark, "spark"),
        (LiveView::Table, "table"),
        (LiveView::Raw, "raw"),
        (LiveView::Costs, "probes"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(view, _)| *view == self).map_or("", |(_, name)| name)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == text).map(|(view, _)| *view)
    }
}

/// A row on show.
#[derive(Clone, Debug, PartialEq)]
pub struct RowView {
    /// Into the snapshot's rows.
    pub idx: usize,
    /// Identity: keys joined by an unprintable character.
    pub key: String,
    /// Per second since the sample before; of `@count` for statistics.
    pub rate: Option<f64>,
    pub fresh: bool,
}

/// View state of one global.
#[derive(Clone, Debug, Default)]
pub struct TableState {
    pub key_names: Vec<String>,
    pub unit: Unit,
    /// Index into [`Column`]s.
    pub sort: usize,
    pub ascending: bool,
    pub filter: String,
    /// The first keys of the rows on show, after going into some; empty for all rows.
    pub inside: Vec<String>,
    /// Columns not shown.
    pub hidden: Vec<Column>,
    pub selected: Option<String>,
    /// The user chose it; until then the first row is selected, whichever that is.
    pub chosen: bool,
    /// First row on screen.
    pub scroll: usize,
    pub order: Vec<RowView>,
    /// Rows before filtering.
    pub n_rows: usize,
    first_seen: HashMap<String, Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Key(usize),
    Value,
    Count,
    Rate,
    Min,
    Avg,
    Max,
}

pub fn columns(info: &TableInfo) -> Vec<Column> {
    let mut out: Vec<Column> = (0..info.keys.len()).map(Column::Key).collect();
    out.extend(match info.value {
        ValueKind::Long => &[Column::Value, Column::Rate][..],
        ValueKind::Str => &[Column::Value][..],
        ValueKind::Stat => &[Column::Count, Column::Rate, Column::Min, Column::Avg, Column::Max][..],
    });
    out
}

#[derive(Debug)]
pub struct Live {
    pub info: Option<Arc<SessionInfo>>,
    pub view: LiveView,
    /// The view `c` came from.
    pub view_before_costs: LiveView,
    /// Into [`Live::pages`].
    pub page: usize,
    /// Someone turned to this page, or it has had rows. Before that the first page that gets some comes up by itself.
    pub page_stays: bool,
    pub states: Vec<TableState>,
    pub cost_selected: usize,
    pub hold_until: Duration,
    /// The selected row alone, with its full histogram.
    pub drilled: bool,
    /// When the globals were put back to their start.
    pub cleared: Option<Duration>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            info: None,
            view: LiveView::Histogram,
            view_before_costs: LiveView::Histogram,
            page: 0,
            page_stays: false,
            states: Vec::new(),
            cost_selected: 0,
            hold_until: Duration::ZERO,
            drilled: false,
            cleared: None,
        }
    }
}

impl Live {
    /// A new session's tables. View state of globals with the same name and keys is kept.
    pub fn start(&mut self, info: Arc<SessionInfo>, script: &str) {
        let mut old: HashMap<(String, usize), TableState> = HashMap::new();
        let page_name = self.current_table().and_then(|idx| Some(self.info.as_ref()?.tables[idx].name.clone()));
        if let Some(before) = &self.info {
            for (table, state) in before.tables.iter().zip(self.states.drain(..)) {
                old.insert((table.name.clone(), table.keys.len()), state);
            }
        }
        self.states = info
            .tables
            .iter()
            .map(|table| {
                let kept = old.remove(&(table.name.clone(), table.keys.len()));
                let first_value = table.keys.len();
                let kept = kept.unwrap_or_else(|| TableState { sort: first_value, ..Default::default() });
                TableState {
                    key_names: shape::key_names(script, &table.name, table.keys.len()),
                    unit: shape::unit_of(script, &table.name),
                    sort: kept.sort.min(columns(table).len() - 1),
                    inside: Vec::new(),
                    order: Vec::new(),
                    first_seen: HashMap::new(),
                    ..kept
                }
            })
            .collect();
        self.info = Some(info);
        self.cost_selected = 0;
        self.cleared = None;
        let pages = self.pages();
        let same = pages.iter().position(|idx| self.info.as_ref().map(|i| &i.tables[*idx].name) == page_name.as_ref());
        self.page = same.unwrap_or(0);
        if same.is_none() {
            self.drilled = false;
            self.page_stays = false;
        }
    }

    pub fn turn_to(&mut self, page: usize) {
        self.page = page;
        self.page_stays = true;
    }

    /// Globals with a page of their own: arrays and statistics. Plain scalars share a strip.
    pub fn pages(&self) -> Vec<usize> {
        let tables = self.info.as_ref().map_or(&[][..], |info| &info.tables);
        let is_page = |t: &TableInfo| !t.keys.is_empty() || t.value == ValueKind::Stat;
        tables.iter().enumerate().filter(|(_, t)| is_page(t)).map(|(idx, _)| idx).collect()
    }

    pub fn scalars(&self) -> Vec<usize> {
        let tables = self.info.as_ref().map_or(&[][..], |info| &info.tables);
        let is_scalar = |t: &TableInfo| t.keys.is_empty() && t.value != ValueKind::Stat;
        tables.iter().enumerate().filter(|(_, t)| is_scalar(t)).map(|(idx, _)| idx).collect()
    }

    /// Index into the session's tables of the page on show.
    pub fn current_table(&self) -> Option<usize> {
        self.pages().get(self.page).copied()
    }

    pub fn table_info(&self) -> Option<&TableInfo> {
        self.info.as_ref()?.tables.get(self.current_table()?)
    }

    pub fn state(&self) -> Option<&TableState> {
        self.states.get(self.current_table()?)
    }

    pub fn state_mut(&mut self) -> Option<&mut TableState> {
        let idx = self.current_table()?;
        self.states.get_mut(idx)
    }

    /// Works out the rows on show for the sample under the time cursor.
    pub fn refresh(&mut self, history: &History, cursor: Option<u64>, now: Duration) {
        let Some(info) = self.info.clone() else { return };
        let holding = now < self.hold_until;
        let sample = history.at(cursor);
        let before = history.before(cursor);
        let first = history.oldest().map(|s| s.number);
        for (idx, table) in info.tables.iter().enumerate() {
            let Some(state) = self.states.get_mut(idx) else { continue };
            let rows = sample.and_then(|s| s.snapshot.tables.get(idx)).map_or(&[][..], |t| &t.rows);
            let is_first = sample.map(|s| s.number) == first;
            // What was there before they were cleared is no start to count from.
            let before = before.filter(|before| {
                let cleared_since =
                    |sample: &Sample| self.cleared.is_some_and(|at| before.received <= at && at < sample.received);
                !sample.is_some_and(cleared_since)
            });
            state.refresh(table, rows, sample, before.map(|b| (b, idx)), holding, is_first);
        }
        if !self.page_stays {
            let has_rows = |table: &usize| self.states.get(*table).is_some_and(|state| state.n_rows > 0);
            if let Some(page) = self.pages().iter().position(has_rows) {
                self.turn_to(page);
            }
        }
    }
}

impl TableState {
    fn refresh(
        &mut self,
        info: &TableInfo,
        rows: &[Row],
        sample: Option<&Sample>,
        before: Option<(&Sample, usize)>,
        holding: bool,
        is_first: bool,
    ) {
        self.n_rows = rows.len();
        let now = sample.map_or(Duration::ZERO, |s| s.received);
        let mut earlier: HashMap<String, i64> = HashMap::new();
        let mut seconds = 0.0;
        if let (Some((before, table)), Some(sample)) = (before, sample) {
            seconds = sample.snapshot.at.saturating_sub(before.snapshot.at).as_secs_f64();
            for row in before.snapshot.tables.get(table).map_or(&[][..], |t| &t.rows) {
                earlier.insert(shape::identity(&row.keys), amount(&row.value));
            }
        }
        let filter = self.filter.to_lowercase();
        let mut order: Vec<RowView> = Vec::with_capacity(rows.len());
        for (idx, row) in rows.iter().enumerate() {
            let key = shape::identity(&row.keys);
            if !filter.is_empty() && !key.to_lowercase().contains(&filter) {
                continue;
            }
            if !key.split(shape::KEY_SEPARATOR).zip(&self.inside).all(|(part, inside)| part == inside) {
                continue;
            }
            let seen = *self.first_seen.entry(key.clone()).or_insert(if is_first { Duration::ZERO } else { now });
            let was = earlier.get(&key).copied();
            let is_now = amount(&row.value);
            // Statistics only grow: one with fewer samples than before is another.
            let was = was.filter(|was| !(info.value == ValueKind::Stat && is_now < *was)).unwrap_or(0);
            let rate = (seconds > 0.0).then(|| is_now.wrapping_sub(was) as f64 / seconds);
            let fresh = seen > Duration::ZERO && now.saturating_sub(seen) < FRESH;
            order.push(RowView { idx, key, rate, fresh });
        }
        let column = columns(info).get(self.sort).copied().unwrap_or(Column::Value);
        order.sort_by(|a, b| {
            let by = compare(column, &rows[a.idx], &rows[b.idx], a.rate, b.rate);
            let by = if self.descending(column) { by.reverse() } else { by };
            by.then_with(|| a.key.cmp(&b.key))
        });
        if holding && !self.order.is_empty() {
            let place: HashMap<&str, usize> = self.order.iter().enumerate().map(|(n, r)| (r.key.as_str(), n)).collect();
            // A stable sort: newcomers keep their order behind the rows that hold their place.
            order.sort_by_key(|row| place.get(row.key.as_str()).copied().unwrap_or(usize::MAX));
        }
        self.order = order;
        if self.selected.is_none() || !(self.chosen || holding) {
            self.selected = self.order.first().map(|row| row.key.clone());
        }
    }

    /// As headings, pickers and saved sessions call it.
    pub fn column_name(&self, column: Column) -> String {
        match column {
            Column::Key(n) => self.key_names.get(n).cloned().unwrap_or_else(|| "key".into()),
            Column::Value => "value".into(),
            Column::Count => "count".into(),
            Column::Rate => "per s".into(),
            Column::Min => "min".into(),
            Column::Avg => "avg".into(),
            Column::Max => "max".into(),
        }
    }

    /// Numbers start with the largest, keys with the first.
    pub fn descending(&self, column: Column) -> bool {
        matches!(column, Column::Key(_)) == self.ascending
    }

    pub fn selected_at(&self) -> Option<usize> {
        let key = self.selected.as_ref()?;
        self.order.iter().position(|row| row.key == *key)
    }

    pub fn step(&mut self, steps: isize) {
        let Some(last) = self.order.len().checked_sub(1) else { return };
        let at = self.selected_at().map_or(0, |at| at.saturating_add_signed(steps)).min(last);
        self.selected = Some(self.order[at].key.clone());
        self.chosen = true;
    }

    /// Keeps the selected row among the `height` rows on screen.
    pub fn scroll_to_selection(&mut self, height: usize) {
        let at = self.selected_at().unwrap_or(0);
        let height = height.max(1);
        self.scroll = self.scroll.clamp((at + 1).saturating_sub(height), at);
        self.scroll = self.scroll.min(self.order.len().saturating_sub(height));
    }
}

/// The row of a table with this identity.
pub fn find_row<'a>(table: &'a Table, key: &str) -> Option<&'a Row> {
    table.rows.iter().find(|row| shape::identity(&row.keys) == key)
}

/// What a rate is the rate of.
pub fn amount(value: &Datum) -> i64 {
    match value {
        Datum::Long(n) => *n,
        Datum::Str(_) => 0,
        Datum::Stat(stat) => stat.count,
    }
}

fn compare(column: Column, a: &Row, b: &Row, rate_a: Option<f64>, rate_b: Option<f64>) -> Ordering {
    let stat = |row: &Row, f: fn(&StatValue) -> f64| match &row.value {
        Datum::Stat(stat) => f(stat),
        other => amount(other) as f64,
    };
    let by = |f: fn(&StatValue) -> f64| stat(a, f).total_cmp(&stat(b, f));
    match column {
        Column::Key(n) => compare_datum(a.keys.get(n), b.keys.get(n)),
        Column::Value => compare_datum(Some(&a.value), Some(&b.value)),
        Column::Rate => rate_a.unwrap_or(0.0).total_cmp(&rate_b.unwrap_or(0.0)),
        Column::Count => by(|s| s.count as f64),
        Column::Min => by(|s| s.min as f64),
        Column::Avg => by(average),
        Column::Max => by(|s| s.max as f64),
    }
}

/// The mean; 0 without samples.
pub fn average(stat: &StatValue) -> f64 {
    if stat.count == 0 { 0.0 } else { stat.sum as f64 / stat.count as f64 }
}

fn compare_datum(a: Option<&Datum>, b: Option<&Datum>) -> Ordering {
    match (a, b) {
        (Some(Datum::Long(a)), Some(Datum::Long(b))) => a.cmp(b),
        (Some(Datum::Str(a)), Some(Datum::Str(b))) => a.cmp(b),
        (Some(a), Some(b)) => amount(a).cmp(&amount(b)),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::session::{ColumnKind, Snapshot};

    fn live(rows: &[(&str, i64)]) -> (Live, History) {
        let info = SessionInfo {
            tables: vec![TableInfo {
                name: "n".into(),
                keys: vec![ColumnKind::Str],
                value: ValueKind::Long,
                max_entries: 10,
                wrap: false,
            }],
            ..Default::default()
        };
        let mut live = Live::default();
        live.start(Arc::new(info), "probe x { n[execname()]++ }");
        let mut history = History::default();
        push(&mut live, &mut history, rows, 1);
        (live, history)
    }

    fn push(live: &mut Live, history: &mut History, rows: &[(&str, i64)], at: u64) {
        let at = Duration::from_secs(at);
        let rows =
            rows.iter().map(|(k, v)| Row { keys: vec![Datum::Str(k.as_bytes().to_vec())], value: Datum::Long(*v) });
        let table = Table { rows: rows.collect(), overflows: 0 };
        history.push(Arc::new(Snapshot { at, tables: vec![table], ..Default::default() }), at);
        live.refresh(history, None, at);
    }

    fn keys(live: &Live) -> String {
        let rows = live.state().unwrap().order.iter();
        rows.map(|r| {
            format!("{}{}{} ", r.key, r.rate.map_or(String::new(), |r| format!("+{r}")), if r.fresh { "!" } else { "" })
        })
        .collect()
    }

    #[test]
    fn sorts_largest_first_and_holds_after_a_key() {
        let (mut live, mut history) = live(&[("a", 5), ("b", 9)]);
        assert_eq!(keys(&live), "b a ");
        live.hold_until = Duration::from_secs(4);
        push(&mut live, &mut history, &[("a", 50), ("b", 9), ("c", 70)], 2);
        assert_eq!(keys(&live), "b+0 a+45 c+70! ");
        push(&mut live, &mut history, &[("a", 50), ("b", 9), ("c", 70)], 5);
        assert_eq!(keys(&live).split('+').next(), Some("c"));
    }

    #[test]
    fn clearing_is_no_fall() {
        let (mut live, mut history) = live(&[("a", 500)]);
        live.cleared = Some(Duration::from_millis(1500));
        push(&mut live, &mut history, &[("a", 3)], 2);
        assert_eq!(keys(&live), "a ");
        push(&mut live, &mut history, &[("a", 5)], 3);
        assert_eq!(keys(&live), "a+2 ");
        // A script may count down.
        push(&mut live, &mut history, &[("a", 1)], 4);
        assert_eq!(keys(&live), "a+-4 ");
    }

    #[test]
    fn inside_a_row_only_its_rows_are_left() {
        let (mut live, mut history) = live(&[("a", 5), ("b", 9)]);
        live.state_mut().unwrap().inside = vec!["a".into()];
        push(&mut live, &mut history, &[("a", 5), ("b", 9)], 2);
        assert_eq!(keys(&live), "a+0 ");
    }

    #[test]
    fn the_selection_is_a_key_and_survives_sorting() {
        let (mut live, mut history) = live(&[("a", 5), ("b", 9)]);
        live.state_mut().unwrap().step(1);
        assert_eq!(live.state().unwrap().selected.as_deref(), Some("a"));
        push(&mut live, &mut history, &[("a", 50), ("b", 9)], 9);
        assert_eq!(live.state().unwrap().selected_at(), Some(0));
    }

    #[test]
    fn the_first_page_with_rows_comes_up_until_one_is_turned_to() {
        let table = |name: &str| TableInfo {
            name: name.into(),
            keys: vec![ColumnKind::Long],
            value: ValueKind::Long,
            max_entries: 10,
            wrap: false,
        };
        let begin = || {
            let mut live = Live::default();
            let info = SessionInfo { tables: vec![table("a"), table("b"), table("c")], ..Default::default() };
            live.start(Arc::new(info), "probe x { b[1]++; c[1]++ }");
            (live, History::default())
        };
        let push = |live: &mut Live, history: &mut History, n_rows: [i64; 3], at: u64| {
            let at = Duration::from_secs(at);
            let row = |n| Row { keys: vec![Datum::Long(n)], value: Datum::Long(1) };
            let tables = n_rows.map(|n| Table { rows: (0..n).map(row).collect(), overflows: 0 }).to_vec();
            history.push(Arc::new(Snapshot { at, tables, ..Default::default() }), at);
            live.refresh(history, None, at);
        };
        let (mut live, mut history) = begin();
        push(&mut live, &mut history, [0, 0, 0], 1);
        assert_eq!(live.page, 0);
        push(&mut live, &mut history, [0, 1, 1], 2);
        assert_eq!(live.page, 1);
        push(&mut live, &mut history, [3, 0, 1], 3);
        assert_eq!(live.page, 1, "a table that was emptied stays");
        let (mut live, mut history) = begin();
        live.turn_to(0);
        push(&mut live, &mut history, [0, 1, 1], 1);
        assert_eq!(live.page, 0);
    }
}
