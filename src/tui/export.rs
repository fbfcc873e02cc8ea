//! What is on show as CSV, JSON or text: the rows of the table, sorted and filtered as on the screen, at the instant on the
//! screen.

use super::{
    model::live::{self, Column, Live, average, columns},
    shape,
};
use crate::runtime::session::{Datum, Row, Snapshot, StatValue, TableInfo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
    /// Columns separated by tabs, for the clipboard.
    Text,
    /// As SystemTap prints globals.
    Raw,
}

/// The table on show; `None` when there is none. `at` is the time of day of what is shown.
///
/// Text begins with a line that says what it is; JSON has the same as members. CSV has the names of its columns only, as
/// whatever reads it expects.
pub fn table(live: &Live, snapshot: &Snapshot, format: Format, at: &str) -> Option<String> {
    let (info, state) = (live.table_info()?, live.state()?);
    let rows = &snapshot.tables.get(live.current_table()?)?.rows;
    let columns: Vec<Column> = columns(info).into_iter().filter(|c| *c != Column::Rate).collect();
    let names: Vec<String> = columns
        .iter()
        .map(|column| match column {
            Column::Key(n) => state.key_names.get(*n).cloned().unwrap_or_default(),
            Column::Value => "value".into(),
            Column::Count => "count".into(),
            Column::Rate => "per_second".into(),
            Column::Min => "min".into(),
            Column::Avg => "avg".into(),
            Column::Max => "max".into(),
        })
        .collect();
    let sort = live::columns(info).get(state.sort).copied().unwrap_or(Column::Value);
    let sort_name = state.column_name(sort);
    let descending = state.descending(sort);
    let heading = || {
        let order = if descending { "down" } else { "up" };
        let filter = if state.filter.is_empty() { String::new() } else { format!(", only '{}'", state.filter) };
        let inside = if state.inside.is_empty() { String::new() } else { format!(" of {}", state.inside.join(", ")) };
        format!("# {}{inside} at {at}, by {sort_name} {order}{filter}\n", info.name)
    };
    let shown = state.order.iter().filter_map(|view| rows.get(view.idx));
    Some(match format {
        Format::Csv => {
            let mut out = names.iter().map(|n| csv(n)).collect::<Vec<_>>().join(",") + "\n";
            for row in shown {
                let cells: Vec<String> = columns.iter().map(|c| csv(&cell(row, *c))).collect();
                out += &(cells.join(",") + "\n");
            }
            out
        }
        Format::Text => {
            let mut out = heading() + &names.join("\t") + "\n";
            for row in shown {
                out += &(columns.iter().map(|c| cell(row, *c)).collect::<Vec<_>>().join("\t") + "\n");
            }
            out
        }
        Format::Raw => heading() + &shown.map(|row| printed(info, row) + "\n").collect::<String>(),
        Format::Json => {
            let rows: Vec<serde_json::Value> = shown
                .map(|row| {
                    let mut object = serde_json::Map::new();
                    for (name, column) in names.iter().zip(&columns) {
                        object.insert(name.clone(), json(row, *column));
                    }
                    if let Datum::Stat(stat) = &row.value {
                        object.insert("sum".into(), stat.sum.into());
                        object.insert("log2".into(), serde_json::json!(stat.log2));
                    }
                    object.into()
                })
                .collect();
            let whole = serde_json::json!({
                "global": info.name, "seconds": snapshot.at.as_secs_f64(), "time": at, "filter": state.filter,
                "sort": sort_name, "descending": descending, "rows": rows,
            });
            format!("{whole:#}\n")
        }
    })
}

fn stat(row: &Row) -> Option<&StatValue> {
    match &row.value {
        Datum::Stat(stat) => Some(stat),
        _ => None,
    }
}

fn cell(row: &Row, column: Column) -> String {
    match column {
        Column::Key(n) => row.keys.get(n).map(shape::datum).unwrap_or_default(),
        Column::Value | Column::Rate => shape::datum(&row.value),
        Column::Count => stat(row).map(|s| s.count.to_string()).unwrap_or_default(),
        Column::Min => stat(row).map(|s| s.min.to_string()).unwrap_or_default(),
        Column::Avg => stat(row).map(|s| format!("{:.2}", average(s))).unwrap_or_default(),
        Column::Max => stat(row).map(|s| s.max.to_string()).unwrap_or_default(),
    }
}

/// A row as SystemTap prints a global that nothing read: `lat["nginx",80] @count=3 @min=1 @max=4 @sum=7 @avg=2`.
pub fn printed(info: &TableInfo, row: &Row) -> String {
    let part = |datum: &Datum| match datum {
        Datum::Str(_) => format!("\"{}\"", shape::datum(datum)),
        other => shape::datum(other),
    };
    let keys: Vec<String> = row.keys.iter().map(part).collect();
    let keys = if keys.is_empty() { String::new() } else { format!("[{}]", keys.join(",")) };
    let value = match &row.value {
        Datum::Stat(stat) if stat.count == 0 => " @count=0x0".to_owned(),
        Datum::Stat(stat) => {
            let (count, sum) = (stat.count, stat.sum);
            format!(" @count={count} @min={} @max={} @sum={sum} @avg={}", stat.min, stat.max, sum / count)
        }
        other => format!("={}", part(other)),
    };
    format!("{}{keys}{value}", info.name)
}

fn json(row: &Row, column: Column) -> serde_json::Value {
    match column {
        Column::Key(n) => match row.keys.get(n) {
            Some(Datum::Long(n)) => (*n).into(),
            Some(other) => shape::datum(other).into(),
            None => serde_json::Value::Null,
        },
        Column::Value | Column::Rate => match &row.value {
            Datum::Long(n) => (*n).into(),
            other => shape::datum(other).into(),
        },
        Column::Avg => stat(row).map(average).into(),
        Column::Count => stat(row).map(|s| s.count).into(),
        Column::Min => stat(row).map(|s| s.min).into(),
        Column::Max => stat(row).map(|s| s.max).into(),
    }
}

/// Quoted where it must be; text a spreadsheet would run as a formula gets a quote before it.
fn csv(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let risky = !is_number && text.starts_with(['=', '+', '-', '@']);
    let text = if risky { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes() {
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("=cmd()"), "'=cmd()");
        assert_eq!(csv("-12"), "-12");
    }
}
