//! Statistics: what `<<<` does to one accumulator, how accumulators of several CPUs become one value, and what the
//! extractors read from it. The arithmetic is SystemTap's to the bit, integer divisions and the 32-bit step included;
//! langref "Statistics (aggregates)".
//!
//! ```text
//!   CPU 0: Stat ─┐
//!   CPU 1: Stat ─┼─ Merged::of ─▶ Merged ─ extract(@avg) ─▶ long
//!   heap:  Stat ─┘
//! ```

mod extractors;

pub use extractors::{EXTRACTORS, Extracted, ExtractorRow, Fields};

use crate::ir::{Extractor, HistShape, StatShape};

/// One accumulator. Fields its shape does not ask for stay 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
    /// Running mean of the values shifted left.
    pub avg_s: i64,
    /// Running sum of squared distances from the mean, in shifted units.
    pub m2: i64,
    /// Samples for each bucket of the shape's histogram.
    pub buckets: Vec<u64>,
    /// 128 log2 buckets kept for live panes whatever the shape says; empty when nobody keeps them.
    pub log: Vec<u64>,
}

impl Stat {
    pub fn new(shape: &StatShape) -> Self {
        Self { buckets: vec![0; shape.hist.map_or(0, HistShape::n_buckets)], ..Self::default() }
    }

    /// `self <<< value`.
    pub fn add(&mut self, shape: &StatShape, value: i64) {
        self.count = self.count.wrapping_add(1);
        let first = self.count == 1;
        self.sum = if first { value } else { self.sum.wrapping_add(value) };
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        if let Some(shift) = shape.variance {
            let shifted = value.wrapping_shl(u32::from(shift));
            if first {
                (self.avg_s, self.m2) = (shifted, 0);
            } else {
                // SystemTap keeps this difference in an int.
                let delta = i64::from(shifted.wrapping_sub(self.avg_s) as i32);
                self.avg_s = self.avg_s.wrapping_add(div(delta, self.count));
                self.m2 = self.m2.wrapping_add(delta.wrapping_mul(shifted.wrapping_sub(self.avg_s)));
            }
        }
        if let Some(hist) = shape.hist {
            let index = hist.bucket(value);
            if let Some(bucket) = self.buckets.get_mut(index) {
                *bucket += 1;
            }
        }
        if let Some(bucket) = self.log.get_mut(HistShape::Log.bucket(value)) {
            *bucket += 1;
        }
    }
}

/// A statistic as extractors see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
    /// `@variance`, 0 when the shape has none.
    pub variance: i64,
    pub buckets: Vec<u64>,
    /// As in [`Stat`].
    pub log: Vec<u64>,
}

/// `@min`, `@max`, `@avg`, `@variance` or a histogram of no samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyAggregate;

impl Merged {
    /// One value of the accumulators of all CPUs, by the law of total variance.
    pub fn of<'a>(shape: &StatShape, parts: impl Iterator<Item = &'a Stat> + Clone) -> Self {
        let mut all = Self { buckets: vec![0; shape.hist.map_or(0, HistShape::n_buckets)], ..Self::default() };
        for part in parts.clone().filter(|part| part.count != 0) {
            all.min = if all.count == 0 { part.min } else { all.min.min(part.min) };
            all.max = if all.count == 0 { part.max } else { all.max.max(part.max) };
            all.count = all.count.wrapping_add(part.count);
            all.sum = all.sum.wrapping_add(part.sum);
            for (total, n) in all.buckets.iter_mut().zip(&part.buckets) {
                *total += n;
            }
            all.log.resize(all.log.len().max(part.log.len()), 0);
            for (total, n) in all.log.iter_mut().zip(&part.log) {
                *total += n;
            }
        }
        if let Some(shift) = shape.variance {
            let mean = div(all.sum.wrapping_shl(u32::from(shift)), all.count);
            let mut squares = 0i64;
            for part in parts.filter(|part| part.count != 0) {
                let off = part.avg_s.wrapping_sub(mean);
                let between = part.count.wrapping_mul(off.wrapping_mul(off));
                let within = (part.count - 1).wrapping_mul(div(part.m2, part.count - 1));
                squares = squares.wrapping_add(between).wrapping_add(within);
            }
            all.variance = div(squares, all.count - 1).wrapping_shr(2 * u32::from(shift));
        }
        all
    }

    /// `@count` and `@sum` of nothing are 0.
    pub fn extract(&self, op: Extractor) -> Result<i64, EmptyAggregate> {
        match op {
            Extractor::Count => Ok(self.count),
            Extractor::Sum => Ok(self.sum),
            _ if self.count == 0 => Err(EmptyAggregate),
            Extractor::Min => Ok(self.min),
            Extractor::Max => Ok(self.max),
            Extractor::Avg => Ok(div(self.sum, self.count)),
            Extractor::Variance => Ok(self.variance),
        }
    }
}

/// C's truncating division, 0 when dividing by 0.
fn div(a: i64, b: i64) -> i64 {
    if b == 0 { 0 } else { a.wrapping_div(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(shape: &StatShape, values: &[i64]) -> Stat {
        let mut stat = Stat::new(shape);
        values.iter().for_each(|value| stat.add(shape, *value));
        stat
    }

    fn variance(shift: u8) -> StatShape {
        StatShape { variance: Some(shift), ..StatShape::default() }
    }

    #[test]
    fn variance_of_one_to_five_depends_on_the_shift() {
        for (shift, expected) in [(0, 12), (1, 2)] {
            let shape = variance(shift);
            let one = stat(&shape, &[1, 2, 3, 4, 5]);
            assert_eq!(Merged::of(&shape, [one].iter()).extract(Extractor::Variance), Ok(expected), "shift {shift}");
        }
    }

    #[test]
    fn merges_cpus() {
        let shape = StatShape { hist: Some(HistShape::Log), ..variance(0) };
        let parts = [stat(&shape, &[1, 2]), Stat::new(&shape), stat(&shape, &[-8])];
        let all = Merged::of(&shape, parts.iter());
        assert_eq!((all.count, all.sum, all.min, all.max), (3, -5, -8, 2));
        assert_eq!((all.buckets[60], all.buckets[65], all.buckets[66]), (1, 1, 1));
        assert_eq!(all.extract(Extractor::Avg), Ok(-1));
    }

    #[test]
    fn nothing_has_a_count_and_a_sum_only() {
        let all = Merged::of(&variance(0), [].iter());
        assert_eq!(all.extract(Extractor::Sum), Ok(0));
        assert_eq!(all.extract(Extractor::Max), Err(EmptyAggregate));
    }

    #[test]
    fn one_sample_has_no_variance() {
        let shape = variance(4);
        let one = stat(&shape, &[i64::MAX]);
        assert_eq!(Merged::of(&shape, [one].iter()).variance, 0);
    }
}
