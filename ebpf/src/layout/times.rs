//! How long handlers ran: for each CPU one element of five u64 for every probe, in nanoseconds.
//!
//! ```text
//!    0 runs       that came to their end
//!    8 sum
//!   16 not_min    the complement of the shortest, so that 0 is what nothing is shorter than
//!   24 max
//!   32 squares    the sum of squares: 10^13 runs of a microsecond fit
//! ```

use super::long_at;

pub const RUNS: u32 = 0;
pub const SUM: u32 = 8;
pub const NOT_MIN: u32 = 16;
pub const MAX: u32 = 24;
pub const SQUARES: u32 = 32;
/// Bytes of an element.
pub const SIZE: u32 = 40;

/// Of one probe on all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub runs: u64,
    pub sum: u64,
    not_min: u64,
    pub max: u64,
    squares: u128,
}

impl Times {
    /// `per_cpu`: the element of each CPU, one after the other, as a map lookup gives them.
    pub fn decode(per_cpu: &[u8]) -> Self {
        let mut all = Self::default();
        for cpu in per_cpu.chunks_exact(SIZE as usize) {
            let word = |at: u32| long_at(cpu, at) as u64;
            all.merge(&Self {
                runs: word(RUNS),
                sum: word(SUM),
                not_min: word(NOT_MIN),
                max: word(MAX),
                squares: word(SQUARES).into(),
            });
        }
        all
    }

    /// One more run.
    pub fn add(&mut self, ns: u64) {
        let squares = u128::from(ns) * u128::from(ns);
        self.merge(&Self { runs: 1, sum: ns, not_min: !ns, max: ns, squares });
    }

    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sum += other.sum;
        self.not_min = self.not_min.max(other.not_min);
        self.max = self.max.max(other.max);
        self.squares += other.squares;
    }

    pub fn min(&self) -> u64 {
        !self.not_min
    }

    /// 0 without runs.
    pub fn avg(&self) -> u64 {
        self.sum.checked_div(self.runs).unwrap_or(0)
    }

    /// Of the sample; 0 for less than two runs.
    pub fn variance(&self) -> u64 {
        let (runs, sum) = (u128::from(self.runs), u128::from(self.sum));
        if runs < 2 {
            return 0;
        }
        let of_mean = sum.saturating_mul(sum) / runs;
        u64::try_from(self.squares.saturating_sub(of_mean) / (runs - 1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_processors_become_one() {
        let element = |values: &[u64]| {
            let mut times = Times::default();
            values.iter().for_each(|ns| times.add(*ns));
            let words = [times.runs, times.sum, times.not_min, times.max, times.squares as u64];
            words.map(u64::to_le_bytes).concat()
        };
        let times = Times::decode(&[element(&[2, 4, 4, 4]), element(&[]), element(&[5, 5, 7, 9])].concat());
        assert_eq!((times.runs, times.min(), times.avg(), times.max, times.variance()), (8, 2, 5, 9, 4));
        let nothing = Times::decode(&element(&[]));
        assert_eq!((nothing.runs, nothing.avg(), nothing.variance()), (0, 0, 0));
        let mut long = Times::default();
        long.add(3_600_000_000_000);
        long.add(3_600_000_000_002);
        assert_eq!((long.min(), long.avg(), long.variance()), (3_600_000_000_000, 3_600_000_000_001, 2));
    }
}
