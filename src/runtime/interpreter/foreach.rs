//! `foreach`: a snapshot, sorted and limited, walked by the loop. langref "foreach".
//!
//! In SystemTap's order: sort the whole array (and leave it sorted), walk at most `limit` elements, and of those run
//! the body for the ones the slice matches.

use std::cmp::Ordering;

use tapdeck_ebpf::{
    ir::{Extractor, IterSort, IterSortBy},
    stats::Merged,
};

use super::stores::{Element, ElementValue};
use crate::builtins::Value;

/// A loop that runs.
pub(super) enum Iteration {
    Elements(std::vec::IntoIter<Element>),
    Buckets(std::ops::Range<usize>),
}

impl Iteration {
    /// Keys and value of the next round.
    pub fn next(&mut self) -> Option<(Vec<Value>, Value)> {
        match self {
            Iteration::Elements(elements) => {
                let element = elements.next()?;
                let value = match element.value {
                    ElementValue::Plain(value) => value,
                    ElementValue::Stat(merged) => Value::Long(merged.count),
                };
                Some((element.keys, value))
            }
            Iteration::Buckets(range) => range.next().map(|idx| (vec![Value::Long(idx as i64)], Value::Long(0))),
        }
    }
}

/// Stable.
pub(super) fn sort(elements: &mut [Element], sort: IterSort) {
    elements.sort_by(|a, b| {
        let (a, b) = if sort.descending { (b, a) } else { (a, b) };
        compare(a, b, sort.by)
    });
}

fn compare(a: &Element, b: &Element, by: IterSortBy) -> Ordering {
    match by {
        IterSortBy::Key(idx) => a.keys.get(idx).cmp(&b.keys.get(idx)),
        IterSortBy::Value => match (&a.value, &b.value) {
            (ElementValue::Plain(a), ElementValue::Plain(b)) => a.cmp(b),
            _ => rank(a, Extractor::Count).cmp(&rank(b, Extractor::Count)),
        },
        IterSortBy::Extractor(op) => rank(a, op).cmp(&rank(b, op)),
    }
}

fn rank(element: &Element, op: Extractor) -> i64 {
    // There is no order by variance; SystemTap takes the count.
    let op = if op == Extractor::Variance { Extractor::Count } else { op };
    match &element.value {
        ElementValue::Stat(merged) => Merged::extract(merged, op).unwrap_or(0),
        ElementValue::Plain(Value::Long(n)) => *n,
        ElementValue::Plain(Value::Str(_)) => 0,
    }
}

/// Whether keys match a slice; `None` is `*`.
pub(super) fn matches(keys: &[Value], slice: &[Option<Value>]) -> bool {
    slice.iter().zip(keys).all(|(wanted, key)| wanted.as_ref().is_none_or(|wanted| wanted == key))
}
