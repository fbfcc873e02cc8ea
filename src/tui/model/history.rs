//! Snapshots of the running script by time, within a byte budget. Panes read the one the time cursor is on; when the
//! budget is used up the older half is thinned, every second sample, so long runs keep their whole course.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::runtime::session::{Datum, Snapshot};

/// One sample and when the dashboard got it, on the dashboard's clock.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Counts up from 0 and is never reused; a time cursor holds it.
    pub number: u64,
    pub received: Duration,
    pub snapshot: Arc<Snapshot>,
    bytes: usize,
}

#[derive(Clone, Debug)]
pub struct History {
    samples: VecDeque<Sample>,
    next: u64,
    bytes: usize,
    budget: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl History {
    /// `budget` in bytes.
    pub fn new(budget: usize) -> Self {
        Self { samples: VecDeque::new(), next: 0, bytes: 0, budget }
    }

    pub fn clear(&mut self) {
        self.samples.clear();
        self.bytes = 0;
    }

    pub fn push(&mut self, snapshot: Arc<Snapshot>, received: Duration) {
        let bytes = size_of_snapshot(&snapshot);
        self.samples.push_back(Sample { number: self.next, received, snapshot, bytes });
        self.next += 1;
        self.bytes += bytes;
        if self.bytes > self.budget && self.samples.len() > 4 {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let half = self.samples.len() / 2;
        let mut idx = 0;
        self.samples.retain(|_| {
            idx += 1;
            idx > half || idx % 2 == 0
        });
        self.bytes = self.samples.iter().map(|s| s.bytes).sum();
        while self.bytes > self.budget && self.samples.len() > 2 {
            self.bytes -= self.samples.pop_front().map_or(0, |s| s.bytes);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes they may take.
    pub fn budget(&self) -> usize {
        self.budget
    }

    pub fn latest(&self) -> Option<&Sample> {
        self.samples.back()
    }

    pub fn oldest(&self) -> Option<&Sample> {
        self.samples.front()
    }

    /// The sample the cursor is on: the newest without a cursor, else the last not after it.
    pub fn at(&self, cursor: Option<u64>) -> Option<&Sample> {
        self.samples.get(self.index(cursor)?)
    }

    /// The sample before it, for rates.
    pub fn before(&self, cursor: Option<u64>) -> Option<&Sample> {
        self.samples.get(self.index(cursor)?.checked_sub(1)?)
    }

    /// The cursor moved by `steps` samples, kept inside.
    pub fn step(&self, cursor: Option<u64>, steps: isize) -> Option<u64> {
        let idx = self.index(cursor)?.saturating_add_signed(steps).min(self.samples.len() - 1);
        Some(self.samples[idx].number)
    }

    /// The first sample received at `at` or later, else the newest: it shows what had happened by then.
    pub fn from(&self, at: Duration) -> Option<u64> {
        let idx = self.samples.partition_point(|sample| sample.received < at);
        self.samples.get(idx).or(self.samples.back()).map(|sample| sample.number)
    }

    /// The last sample received by `at`, else the oldest.
    pub fn until(&self, at: Duration) -> Option<u64> {
        let idx = self.samples.partition_point(|sample| sample.received <= at);
        self.samples.get(idx.saturating_sub(1)).map(|sample| sample.number)
    }

    /// The last `n` samples up to the cursor, oldest first.
    pub fn window(
        &self,
        cursor: Option<u64>,
        n: usize,
    ) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        let end = self.index(cursor).map_or(0, |idx| idx + 1);
        self.samples.range(end.saturating_sub(n)..end)
    }

    fn index(&self, cursor: Option<u64>) -> Option<usize> {
        match cursor {
            None => self.samples.len().checked_sub(1),
            Some(number) if self.samples.is_empty() => {
                let _ = number;
                None
            }
            Some(number) => Some(self.samples.partition_point(|s| s.number <= number).saturating_sub(1)),
        }
    }
}

fn size_of_snapshot(snapshot: &Snapshot) -> usize {
    let datum = |datum: &Datum| match datum {
        Datum::Long(_) => 0,
        Datum::Str(text) => text.len() + 8,
        Datum::Stat(stat) => {
            96 + stat.log2.len() * 16 + stat.linear.as_ref().map_or(0, |linear| linear.counts.len() * 8 + 32)
        }
    };
    let rows: usize = snapshot
        .tables
        .iter()
        .flat_map(|table| &table.rows)
        .map(|row| 64 + row.keys.iter().map(|key| 32 + datum(key)).sum::<usize>() + datum(&row.value))
        .sum();
    256 + rows + snapshot.tables.len() * 40 + snapshot.cost.probes.len() * 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(history: &mut History, n: u64) {
        for at in 0..n {
            history.push(
                Arc::new(Snapshot { at: Duration::from_secs(at), ..Default::default() }),
                Duration::from_secs(at),
            );
        }
    }

    #[test]
    fn the_cursor_steps_and_stays_inside() {
        let mut history = History::default();
        assert_eq!(history.step(None, -1), None);
        push(&mut history, 5);
        let back = history.step(None, -2);
        assert_eq!(back, Some(2));
        assert_eq!(history.at(back).unwrap().snapshot.at.as_secs(), 2);
        assert_eq!(history.before(back).unwrap().snapshot.at.as_secs(), 1);
        assert_eq!(history.step(back, -10), Some(0));
        assert_eq!(history.step(back, 10), Some(4));
        assert_eq!([0, 2, 3, 9].map(|at| history.until(Duration::from_secs(at)).unwrap()), [0, 2, 3, 4]);
        assert_eq!(history.from(Duration::from_millis(1500)), Some(2));
        assert_eq!(history.from(Duration::from_secs(60)), Some(4));
        assert_eq!(history.window(back, 2).map(|s| s.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_budget_rules_and_old_samples_thin_out() {
        let mut history = History::new(256 * 20);
        push(&mut history, 100);
        assert!(history.bytes() <= 256 * 20 && history.len() >= 8);
        assert_eq!(history.latest().unwrap().number, 99);
        assert!(history.oldest().unwrap().number < 90);
    }
}
