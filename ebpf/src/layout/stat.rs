//! A statistic's accumulators on one CPU; only the fields somebody asks for exist.
//!
//! ```text
//!    0 u64 stamp        CLOCK_MONOTONIC ns of the first sample on this CPU; 0: none
//!    8 i64 count
//!      i64 sum, min, max           as the shape says
//!      i64 mean, m2                variance: running mean and squared deviations of `value << shift`
//!      u64 log[128]                log2 buckets, see `HistShape`
//!      u64 linear[n]               linear buckets
//! ```

use super::long_at;
use crate::{
    ir::{HistShape, StatShape},
    stats::{Merged, Stat},
};

pub const STAMP: u32 = 0;
pub const COUNT: u32 = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatLayout {
    pub shape: StatShape,
    pub sum: Option<u32>,
    pub min: Option<u32>,
    pub max: Option<u32>,
    /// Offset of the mean (m2 follows) and the shift.
    pub variance: Option<(u32, u8)>,
    pub log: Option<u32>,
    pub linear: Option<(u32, HistShape)>,
    pub size: u32,
}

impl StatLayout {
    /// `live`: also everything a live pane draws: sum, minimum, maximum, log2 buckets.
    pub fn of(shape: &StatShape, live: bool) -> Self {
        let mut size = COUNT + 8;
        let mut take = |wanted: bool, bytes: u32| {
            let at = size;
            wanted.then(|| {
                size += bytes;
                at
            })
        };
        let sum = take(shape.sum || live || shape.variance.is_some(), 8);
        let min = take(shape.min || live, 8);
        let max = take(shape.max || live, 8);
        let variance = take(shape.variance.is_some(), 16).zip(shape.variance);
        let log = take(live || shape.hist == Some(HistShape::Log), 128 * 8);
        let linear = match shape.hist {
            Some(hist @ HistShape::Linear { .. }) => take(true, hist.n_buckets() as u32 * 8).map(|at| (at, hist)),
            _ => None,
        };
        Self { shape: shape.clone(), sum, min, max, variance, log, linear, size }
    }

    /// Merges the values of all CPUs, one after the other as a map lookup gives them.
    pub fn merge(&self, per_cpu: &[u8]) -> Merged {
        let parts: Vec<Stat> = per_cpu.chunks_exact(self.size as usize).map(|cpu| self.decode_one(cpu)).collect();
        Merged::of(&self.shape, parts.iter())
    }

    /// The oldest stamp of all CPUs; `None` without samples.
    pub fn stamp(&self, per_cpu: &[u8]) -> Option<u64> {
        per_cpu.chunks_exact(self.size as usize).map(|cpu| long_at(cpu, STAMP) as u64).filter(|s| *s != 0).min()
    }

    /// One CPU's accumulators.
    pub fn decode_one(&self, cpu: &[u8]) -> Stat {
        let at = |offset: Option<u32>| offset.map_or(0, |o| long_at(cpu, o));
        let buckets = |offset: u32, n: usize| (0..n).map(|i| long_at(cpu, offset + 8 * i as u32) as u64).collect();
        Stat {
            count: long_at(cpu, COUNT),
            sum: at(self.sum),
            min: at(self.min),
            max: at(self.max),
            avg_s: at(self.variance.map(|(o, _)| o)),
            m2: at(self.variance.map(|(o, _)| o + 8)),
            buckets: match (self.shape.hist, self.linear, self.log) {
                (Some(HistShape::Log), _, Some(o)) => buckets(o, 128),
                (_, Some((o, hist)), _) => buckets(o, hist.n_buckets()),
                _ => Vec::new(),
            },
            log: self.log.map_or(Vec::new(), |o| buckets(o, 128)),
        }
    }

    /// One CPU's accumulators as bytes, for user space adding samples of its own.
    pub fn encode_one(&self, stamp: u64, sample: &Stat) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        let mut put = |at: u32, n: i64| bytes[at as usize..at as usize + 8].copy_from_slice(&n.to_le_bytes());
        put(STAMP, stamp as i64);
        put(COUNT, sample.count);
        for (offset, value) in [(self.sum, sample.sum), (self.min, sample.min), (self.max, sample.max)] {
            if let Some(offset) = offset {
                put(offset, value);
            }
        }
        if let Some((offset, _)) = self.variance {
            put(offset, sample.avg_s);
            put(offset + 8, sample.m2);
        }
        for (offset, counts) in [(self.log, &sample.log), (self.linear.map(|(o, _)| o), &sample.buckets)] {
            if let Some(offset) = offset {
                counts.iter().enumerate().for_each(|(i, n)| put(offset + 8 * i as u32, *n as i64));
            }
        }
        bytes
    }

    /// An empty accumulator with the buckets this layout has.
    pub fn empty(&self) -> Stat {
        Stat { log: self.log.map_or(Vec::new(), |_| vec![0; 128]), ..Stat::new(&self.shape) }
    }
}
