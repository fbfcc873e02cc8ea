//! How far a script reaches into the kernel, told before it does: places in functions, how they are attached, and which of
//! them are known to be hit all the time.

use std::collections::BTreeSet;

use tapdeck_ebpf::ir::EntryKind;

use crate::{probes::attach_plan::AttachPlan, runtime::plan::Lowered, source::Span, tui::shape};

/// So many places are asked about before they are armed.
const ASK_FROM: usize = 1000;
/// So many are worth a word.
const WARN_FROM: usize = 100;
/// What attaching one place takes where each is an event of its own.
const MS_EACH: usize = 3;

/// Functions that a busy kernel calls hundreds of thousands of times a second.
const HOT: &[&str] = &[
    "__alloc_pages",
    "__alloc_pages_noprof",
    "__kmalloc",
    "__kmalloc_noprof",
    "__rcu_read_lock",
    "__rcu_read_unlock",
    "_raw_read_lock",
    "_raw_spin_lock",
    "_raw_spin_lock_bh",
    "_raw_spin_lock_irq",
    "_raw_spin_lock_irqsave",
    "_raw_spin_unlock",
    "_raw_spin_unlock_irqrestore",
    "dput",
    "fput",
    "get_page_from_freelist",
    "kfree",
    "kmem_cache_alloc",
    "kmem_cache_alloc_noprof",
    "kmem_cache_free",
    "ktime_get",
    "mutex_lock",
    "mutex_unlock",
    "sched_clock_cpu",
    "syscall_exit_to_user_mode",
    "up_read",
    "update_curr",
    "update_rq_clock",
];

/// What a script would be attached to in functions of the kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub places: usize,
    /// Of them those that are an event each.
    one_by_one: usize,
    /// Names of [`HOT`].
    hot: BTreeSet<&'static str>,
    /// Where each probe is written, and its places.
    probes: Vec<(Span, usize)>,
}

impl Reach {
    pub fn of(lowered: &Lowered) -> Self {
        let mut reach = Self::default();
        let mut by_probe = vec![0; lowered.probes.len()];
        for (entry, plans) in lowered.ir.entries.iter().zip(&lowered.attach) {
            for (run, plan) in entry.runs.iter().zip(plans) {
                let AttachPlan::Function { target, .. } = plan else { continue };
                reach.places += 1;
                reach.one_by_one += usize::from(!matches!(entry.kind, EntryKind::Kprobe { multi: true, .. }));
                reach.hot.extend(HOT.binary_search(&target.name.as_str()).ok().map(|idx| HOT[idx]));
                let probe = lowered.ir.handlers[run.handler.index()].probe as usize;
                if let Some(places) = by_probe.get_mut(probe) {
                    *places += 1;
                }
            }
        }
        reach.probes = lowered.probes.iter().map(|probe| probe.span).zip(by_probe).collect();
        reach
    }

    /// It must not happen without a word of the user's.
    pub fn is_to_be_asked(&self) -> bool {
        self.places >= ASK_FROM
    }

    /// What arming them means, a sentence a line; nothing when there is nothing to say.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.places >= WARN_FROM {
            let how = match self.one_by_one {
                0 => "one link takes them all at once".to_owned(),
                n => format!("the kernel takes {n} of them one by one, in about {}", seconds(n * MS_EACH)),
            };
            said.push(format!("{} places in functions of the kernel: {how}.", self.places));
        }
        if !self.hot.is_empty() {
            let named: Vec<&str> = self.hot.iter().copied().take(3).collect();
            let more = if self.hot.len() > 3 { format!(" and {} more", self.hot.len() - 3) } else { String::new() };
            let is = if self.hot.len() == 1 { "is" } else { "are" };
            said.push(format!("{}{more} {is} called all the time, by everything.", named.join(", ")));
        }
        if !said.is_empty() {
            said.push(
                "A hit costs some tenths of a microsecond: a million a second about a third of one CPU.".to_owned(),
            );
        }
        said
    }

    /// The same for the editor: what is written where, and how far it goes.
    pub fn warnings(&self) -> impl Iterator<Item = (Span, String)> {
        let wide = self.probes.iter().filter(|(_, places)| *places >= WARN_FROM);
        wide.map(|(span, places)| {
            let asks = if self.is_to_be_asked() { "; running it asks first" } else { "" };
            (*span, format!("{} places in functions of the kernel{asks}", shape::short(*places as f64)))
        })
    }
}

fn seconds(ms: usize) -> String {
    match ms.div_ceil(1000) {
        1 => "a second".to_owned(),
        n => format!("{n} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_functions_can_be_looked_up() {
        assert!(HOT.is_sorted());
    }

    #[test]
    fn what_is_said_before_functions_are_armed() {
        assert_eq!(Reach { places: 12, ..Reach::default() }.said(), Vec::<String>::new());
        let wide = Reach { places: 2143, hot: ["kfree", "dput", "fput", "up_read"].into(), ..Reach::default() };
        assert!(wide.is_to_be_asked());
        expect_test::expect![[r#"
            2143 places in functions of the kernel: one link takes them all at once.
            dput, fput, kfree and 1 more are called all the time, by everything.
            A hit costs some tenths of a microsecond: a million a second about a third of one CPU."#]]
        .assert_eq(&wide.said().join("\n"));
        let slow = Reach { places: 400, one_by_one: 400, ..Reach::default() };
        assert!(!slow.is_to_be_asked());
        assert!(slow.said()[0].ends_with("takes 400 of them one by one, in about 2 seconds."), "{:?}", slow.said());
    }
}
