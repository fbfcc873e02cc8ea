//! How often points were hit while that was counted.

use std::collections::HashMap;

/// Counts, and what they are of.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// The point, or pattern, that is being counted.
    pub counting: Option<String>,
    by_point: HashMap<String, u64>,
    /// Points of each pattern that was counted, most hits first.
    by_pattern: HashMap<String, Vec<(String, u64)>>,
}

impl Hits {
    pub fn set(&mut self, hits: Option<Vec<(String, u64)>>) {
        let (Some(asked), Some(hits)) = (self.counting.take(), hits) else { return };
        // Of the others that were asked about there were none.
        if !asked.contains('*') {
            self.by_point.insert(asked.clone(), 0);
        }
        self.by_point.extend(hits.iter().cloned());
        self.by_pattern.insert(asked, hits);
    }

    pub fn of(&self, point: &str) -> Option<u64> {
        let counted = self.by_point.get(point).copied();
        counted.or_else(|| self.by_pattern.keys().any(|pattern| is_of(pattern, point)).then_some(0))
    }

    pub fn most(&self, pattern: &str) -> Vec<(&str, u64)> {
        let hits = self.by_pattern.get(pattern).into_iter().flatten();
        hits.map(|(point, hits)| (point.as_str(), *hits)).collect()
    }
}

/// What stands for all that is in a group; `None` where that is nothing to be probed at once.
pub(super) fn pattern_of(path: &str) -> Option<String> {
    match path.split_once('/') {
        None if path == "syscall" => Some("syscall.*".to_owned()),
        Some(("kernel.trace", system)) => Some(format!("kernel.trace(\"{system}:*\")")),
        _ => None,
    }
}

fn is_of(pattern: &str, point: &str) -> bool {
    pattern.split_once('*').is_some_and(|(before, after)| point.starts_with(before) && point.ends_with(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_and_not_hit_is_zero() {
        let mut hits = Hits { counting: pattern_of("kernel.trace/sched"), ..Hits::default() };
        hits.set(Some(vec![("kernel.trace(\"sched:sched_switch\")".into(), 5)]));
        assert_eq!(hits.of("kernel.trace(\"sched:sched_switch\")"), Some(5));
        assert_eq!(hits.of("kernel.trace(\"sched:sched_waking\")"), Some(0));
        assert_eq!(hits.of("kernel.trace(\"block:block_rq_issue\")"), None);
        assert_eq!(hits.most("kernel.trace(\"sched:*\")").len(), 1);
        hits.counting = Some("timer.s(5)".into());
        hits.set(Some(Vec::new()));
        assert_eq!(hits.of("timer.s(5)"), Some(0));
        assert_eq!(
            (pattern_of("syscall").as_deref(), pattern_of("kernel.trace"), pattern_of("timer")),
            (Some("syscall.*"), None, None)
        );
    }
}
