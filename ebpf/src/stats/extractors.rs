//! Extractors, a row each: what a `<<<` must keep for it and how it comes out of the merged statistic.

use super::Merged;
use crate::ir::Extractor::{self, Avg, Count, Max, Min, Sum, Variance};

/// Accumulators an extractor needs beside the count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub sum: bool,
    pub min: bool,
    pub max: bool,
    pub variance: bool,
    pub log: bool,
    pub linear: bool,
}

/// What an extractor gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extracted {
    Long(i64),
    /// Counts of buckets in order.
    Histogram(Vec<u64>),
    /// No samples, and the extractor wants some.
    Empty,
}

pub struct ExtractorRow {
    pub name: &'static str,
    pub needs: Fields,
    pub extract: fn(&Merged) -> Extracted,
}

const NONE: Fields = Fields { sum: false, min: false, max: false, variance: false, log: false, linear: false };

pub const EXTRACTORS: &[ExtractorRow] = &[
    ExtractorRow { name: "@count", needs: NONE, extract: |m| long(m, Count) },
    ExtractorRow { name: "@sum", needs: Fields { sum: true, ..NONE }, extract: |m| long(m, Sum) },
    ExtractorRow { name: "@min", needs: Fields { min: true, ..NONE }, extract: |m| long(m, Min) },
    ExtractorRow { name: "@max", needs: Fields { max: true, ..NONE }, extract: |m| long(m, Max) },
    ExtractorRow { name: "@avg", needs: Fields { sum: true, ..NONE }, extract: |m| long(m, Avg) },
    ExtractorRow {
        name: "@variance",
        needs: Fields { sum: true, variance: true, ..NONE },
        extract: |m| long(m, Variance),
    },
    ExtractorRow { name: "@hist_log", needs: Fields { log: true, ..NONE }, extract: histogram },
    ExtractorRow { name: "@hist_linear", needs: Fields { linear: true, ..NONE }, extract: histogram },
];

fn long(merged: &Merged, op: Extractor) -> Extracted {
    merged.extract(op).map_or(Extracted::Empty, Extracted::Long)
}

fn histogram(merged: &Merged) -> Extracted {
    if merged.count == 0 { Extracted::Empty } else { Extracted::Histogram(merged.buckets.clone()) }
}
