//! Which row the panel below the list describes: the selected one, once the selection rests. Describing rows that are only
//! passed by would cost a slow line several times what the move itself does.

use std::time::Duration;

use super::BrowserRow;

/// Shorter than one notices, longer than the time between two repeats of a key that is held.
const REST: Duration = Duration::from_millis(120);

#[derive(Debug, Default)]
pub struct Described {
    row: Option<BrowserRow>,
    /// The selection has moved, and rests then if it stays.
    rests_at: Option<Duration>,
}

impl Described {
    pub fn row(&self) -> Option<&BrowserRow> {
        self.row.as_ref()
    }

    pub fn moved(&mut self, now: Duration) {
        self.rests_at = Some(now + REST);
    }

    /// Rows are not what they were: nothing is waited for.
    pub fn at_once(&mut self) {
        self.rests_at = None;
    }

    pub fn rests_at(&self) -> Option<Duration> {
        self.rests_at
    }

    pub fn settle(&mut self, selected: Option<&BrowserRow>, now: Duration) {
        if self.rests_at.is_some_and(|at| now < at) {
            return;
        }
        self.rests_at = None;
        if self.row() != selected {
            self.row = selected.cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_described_when_the_selection_rests_on_it() {
        let row = |probe| BrowserRow::Running { probe, written: String::new() };
        let at = Duration::from_millis;
        let mut described = Described::default();
        described.settle(Some(&row(1)), at(0));
        assert_eq!(described.row(), Some(&row(1)));
        for (probe, now) in [(2, 100), (3, 150), (4, 200)] {
            described.moved(at(now));
            described.settle(Some(&row(probe)), at(now));
            assert_eq!(described.row(), Some(&row(1)), "{now}");
        }
        assert_eq!(described.rests_at(), Some(at(320)));
        described.settle(Some(&row(4)), at(320));
        assert_eq!((described.row(), described.rests_at()), (Some(&row(4)), None));
        described.moved(at(400));
        described.at_once();
        described.settle(None, at(400));
        assert_eq!(described.row(), None);
    }
}
