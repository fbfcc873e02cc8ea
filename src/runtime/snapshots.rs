//! The state of every global and every cost at an instant, in the vocabulary of the screen.

use tapdeck_ebpf::{
    ir::{HistShape, StoreDecl, StoreTy, Ty},
    stats::Merged,
};

use super::{
    interpreter::{ElementValue, Stores},
    plan::Lowered,
    session::{ColumnKind, Datum, LinearHist, ProbeState, Row, StatValue, Table, TableInfo, ValueKind},
};
use crate::{builtins::Value, source::SourceMap};

/// What panes are told of each global of the user's script, in the order of the snapshot's tables.
pub fn table_infos(lowered: &Lowered) -> Vec<TableInfo> {
    let shown = lowered.globals.iter().filter(|global| global.user);
    shown.map(|global| table_info(&global.name, &lowered.ir.stores[global.store.index()])).collect()
}

fn table_info(name: &str, decl: &StoreDecl) -> TableInfo {
    let column = |ty: &Ty| match ty {
        Ty::Long => ColumnKind::Long,
        Ty::Str { .. } | Ty::Packed { .. } => ColumnKind::Str,
    };
    TableInfo {
        name: name.to_owned(),
        keys: decl.keys.iter().map(column).collect(),
        value: match decl.value {
            StoreTy::Long => ValueKind::Long,
            StoreTy::Str { .. } | StoreTy::Packed { .. } => ValueKind::Str,
            StoreTy::Stat(_) => ValueKind::Stat,
        },
        max_entries: decl.max_entries,
        wrap: decl.wrap,
    }
}

/// What panes are told of each probe.
pub fn probe_states(lowered: &Lowered, sources: &SourceMap) -> Vec<ProbeState> {
    let line = |span: crate::source::Span| sources.get(span.file).map_or(0, |file| file.line_col(span.start).0);
    lowered
        .probes
        .iter()
        .map(|probe| ProbeState {
            written: probe.written.clone(),
            n_sites: probe.n_sites,
            line: line(probe.span),
            in_kernel: probe.in_kernel,
        })
        .collect()
}

/// Every table, in the order of [`table_infos`]. `overflows`: by store.
pub fn tables(lowered: &Lowered, stores: &dyn Stores, overflows: &[u64]) -> Vec<Table> {
    let shown = lowered.globals.iter().filter(|global| global.user);
    shown
        .map(|global| {
            let decl = &lowered.ir.stores[global.store.index()];
            Table {
                rows: rows(decl, global.store, stores),
                overflows: overflows.get(global.store.index()).copied().unwrap_or(0),
            }
        })
        .collect()
}

fn rows(decl: &StoreDecl, store: tapdeck_ebpf::ir::StoreId, stores: &dyn Stores) -> Vec<Row> {
    let shape = match &decl.value {
        StoreTy::Stat(shape) => shape.hist,
        _ => None,
    };
    if decl.keys.is_empty() {
        let value = match decl.value {
            StoreTy::Stat(_) => match stores.stat(store, &[]) {
                Ok(merged) if merged.count != 0 => Datum::Stat(Box::new(stat_value(&merged, shape))),
                _ => return Vec::new(),
            },
            _ => match stores.get(store, &[]) {
                Ok(value) => datum(value),
                Err(_) => return Vec::new(),
            },
        };
        return vec![Row { keys: Vec::new(), value }];
    }
    let elements = stores.elements(store).unwrap_or_default();
    elements
        .into_iter()
        .map(|element| Row {
            keys: element.keys.into_iter().map(datum).collect(),
            value: match element.value {
                ElementValue::Plain(value) => datum(value),
                ElementValue::Stat(merged) => Datum::Stat(Box::new(stat_value(&merged, shape))),
            },
        })
        .collect()
}

fn datum(value: Value) -> Datum {
    match value {
        Value::Long(n) => Datum::Long(n),
        Value::Str(text) => Datum::Str(text),
    }
}

/// A merged statistic as panes draw it.
pub fn stat_value(merged: &Merged, shape: Option<HistShape>) -> StatValue {
    let log: &[u64] = match shape {
        _ if !merged.log.is_empty() => &merged.log,
        Some(HistShape::Log) => &merged.buckets,
        _ => &[],
    };
    let log2 = log.iter().enumerate().filter(|(_, n)| **n != 0).map(|(idx, n)| (log2_label(idx), *n)).collect();
    let linear = match shape {
        Some(HistShape::Linear { start, step, .. }) => Some(LinearHist { start, step, counts: merged.buckets.clone() }),
        _ => None,
    };
    StatValue { count: merged.count, sum: merged.sum, min: merged.min, max: merged.max, log2, linear }
}

/// `… -2 -1 0 1 2 4 …`: bucket 64 is 0, 64 + n starts at 2^(n-1).
fn log2_label(idx: usize) -> i64 {
    match idx {
        64 => 0,
        65.. => 1i64.wrapping_shl(idx as u32 - 65),
        // The lowest bucket is i64::MIN alone.
        0 => i64::MIN,
        _ => -(1i64.wrapping_shl(63 - idx as u32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_buckets_lowest_magnitude() {
        for (value, label) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (1000, 512), (i64::MAX, 1 << 62)] {
            assert_eq!(log2_label(HistShape::Log.bucket(value)), label, "{value}");
            assert_eq!(log2_label(HistShape::Log.bucket(-value)), -label, "-{value}");
        }
        assert_eq!(log2_label(HistShape::Log.bucket(i64::MIN)), i64::MIN);
    }
}
