//! How far a script reaches into the kernel, told before it does: its places and how they are attached, which of them are
//! known to be hit all the time, how often the busiest are likely to be hit, and what being hit costs by itself.
//!
//! Rates are averages since the machine started, of what the kernel counts anyway: /proc/stat, /proc/vmstat (proc(5)). So
//! asking costs nothing, and nothing waits for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
};

use tapdeck_ebpf::ir::EntryKind;

use crate::{
    probes::attach_plan::{AttachPlan, FunctionHook},
    runtime::plan::Lowered,
    source::Span,
};

/// So many places in functions are asked about before they are armed.
const ASK_FROM: usize = 1000;
/// So many are worth a word.
const WARN_FROM: usize = 100;
/// What attaching one place takes where each is an event of its own.
const MS_EACH: usize = 3;
/// How many of the busiest are named.
const NAMED: usize = 3;

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

/// A way of being hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Syscall,
    Tracepoint,
    Function,
    Profile,
    Process,
}

impl Kind {
    fn of(plan: &AttachPlan) -> Option<Self> {
        match plan {
            AttachPlan::Syscall { .. } => Some(Kind::Syscall),
            AttachPlan::Tracepoint { .. } => Some(Kind::Tracepoint),
            AttachPlan::Function { .. } => Some(Kind::Function),
            AttachPlan::Profile { .. } => Some(Kind::Profile),
            AttachPlan::Process { .. } => Some(Kind::Process),
            AttachPlan::Begin { .. } | AttachPlan::End { .. } | AttachPlan::Error { .. } | AttachPlan::Never => None,
            AttachPlan::Timer { .. } | AttachPlan::File { .. } | AttachPlan::Input { .. } => None,
        }
    }

    fn name(self, n: usize) -> &'static str {
        match (self, n == 1) {
            (Kind::Syscall, true) => "system call",
            (Kind::Syscall, false) => "system calls",
            (Kind::Tracepoint, true) => "tracepoint",
            (Kind::Tracepoint, false) => "tracepoints",
            (Kind::Function, true) => "function",
            (Kind::Function, false) => "functions",
            (Kind::Profile, _) => "clock",
            (Kind::Process, true) => "event of processes",
            (Kind::Process, false) => "events of processes",
        }
    }
}

/// What one hit costs before its handler does anything, ns: the order of magnitude on today's machines.
fn cost_ns(plan: &AttachPlan) -> u64 {
    match plan {
        AttachPlan::Function { hook: FunctionHook::Kprobe { .. }, exit: false, .. } => 300,
        AttachPlan::Function { hook: FunctionHook::Kprobe { .. }, exit: true, .. } => 600,
        AttachPlan::Profile { .. } => 500,
        _ => 100,
    }
}

/// What the kernel counted since it started.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    per_second: BTreeMap<String, u64>,
}

impl Counters {
    pub fn read() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&file("/proc/uptime"), &file("/proc/stat"), &file("/proc/vmstat"))
    }

    /// Of the texts of the three files.
    fn parse(uptime: &str, stat: &str, vmstat: &str) -> Self {
        let seconds = uptime.split(['.', ' ']).next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).max(1);
        let mut per_second = BTreeMap::new();
        for line in stat.lines().chain(vmstat.lines()) {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(Ok(n))) = (words.next(), words.next().map(str::parse::<u64>)) {
                per_second.insert(name.to_owned(), n / seconds);
            }
        }
        Self { per_second }
    }

    /// Hits in a second of a tracepoint or function, where something that is counted goes with it.
    fn rate(&self, name: &str) -> Option<u64> {
        let known = counters_of(name).iter().filter_map(|name| self.per_second.get(*name));
        known.copied().reduce(|a, b| a + b)
    }
}

/// What of /proc/stat and /proc/vmstat goes up with each hit; nothing for most.
fn counters_of(name: &str) -> &'static [&'static str] {
    match name {
        "sched_switch" | "sched_stat_runtime" | "__schedule" | "schedule" | "finish_task_switch" => &["ctxt"],
        "sched_wakeup" | "sched_waking" | "try_to_wake_up" | "ttwu_do_activate" => &["ctxt"],
        "irq_handler_entry" | "irq_handler_exit" | "__handle_irq_event_percpu" => &["intr"],
        "softirq_entry" | "softirq_exit" | "softirq_raise" => &["softirq"],
        "page_fault_user" | "handle_mm_fault" | "do_user_addr_fault" => &["pgfault"],
        "mm_page_alloc" | "get_page_from_freelist" => {
            &["pgalloc_dma", "pgalloc_dma32", "pgalloc_normal", "pgalloc_movable"]
        }
        "mm_page_free" | "free_unref_page" => &["pgfree"],
        "sched_process_fork" | "sched_process_exit" | "sched_wakeup_new" | "kernel_clone" | "do_exit" => &["processes"],
        _ => &[],
    }
}

fn is_counted(name: &str) -> bool {
    !counters_of(name).is_empty()
}

/// What a script would be attached to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Places in functions of the kernel; two handlers at one are two.
    pub functions: usize,
    /// Of them those that are an event each.
    one_by_one: usize,
    /// Names of [`HOT`].
    hot: BTreeSet<&'static str>,
    /// Where each probe is written, and its places in functions.
    probes: Vec<(Span, usize)>,
    /// Probes that run in the kernel.
    n_kernel_probes: usize,
    /// Places of each kind; handlers at one are hit together.
    places: BTreeMap<Kind, usize>,
    /// What is hit as often as something the kernel may count, and what a hit costs; the rest is in `n_unknown`.
    counted: Vec<(Counted, u64)>,
    n_unknown: usize,
}

/// Something whose rate can be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Counted {
    Name(String),
    /// On every processor so often a second.
    Clock(u64),
}

impl Reach {
    pub fn of(lowered: &Lowered) -> Self {
        let mut reach = Self::default();
        let mut by_probe = vec![0; lowered.probes.len()];
        let mut seen = HashSet::new();
        for (entry, plans) in lowered.ir.entries.iter().zip(&lowered.attach) {
            for (run, plan) in entry.runs.iter().zip(plans) {
                if let AttachPlan::Function { target, .. } = plan {
                    reach.functions += 1;
                    reach.one_by_one += usize::from(!matches!(entry.kind, EntryKind::Kprobe { multi: true, .. }));
                    reach.hot.extend(HOT.binary_search(&target.name.as_str()).ok().map(|idx| HOT[idx]));
                    let probe = lowered.ir.handlers[run.handler.index()].probe as usize;
                    if let Some(places) = by_probe.get_mut(probe) {
                        *places += 1;
                    }
                }
                if seen.insert(plan) {
                    reach.add(plan);
                }
            }
        }
        reach.probes = lowered.probes.iter().map(|probe| probe.span).zip(by_probe).collect();
        reach.n_kernel_probes = lowered.probes.iter().filter(|probe| probe.in_kernel).count();
        reach
    }

    fn add(&mut self, plan: &AttachPlan) {
        let Some(kind) = Kind::of(plan) else { return };
        *self.places.entry(kind).or_default() += 1;
        let counted = match plan {
            AttachPlan::Tracepoint { name, .. } => Some(name),
            AttachPlan::Function { target, .. } => Some(&target.name),
            _ => None,
        };
        match (counted, plan) {
            (Some(name), _) if is_counted(name) => self.counted.push((Counted::Name(name.clone()), cost_ns(plan))),
            (_, AttachPlan::Profile { hz }) => self.counted.push((Counted::Clock(*hz), cost_ns(plan))),
            _ => self.n_unknown += 1,
        }
    }

    /// It must not happen without a word of the user's.
    pub fn is_to_be_asked(&self) -> bool {
        self.functions >= ASK_FROM
    }

    /// What arming them means where it means much, a sentence a line; nothing when there is nothing to say.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.functions >= WARN_FROM {
            let how = match self.one_by_one {
                0 => "one link takes them all at once".to_owned(),
                n => format!("the kernel takes {n} of them one by one, in about {}", seconds(n * MS_EACH)),
            };
            said.push(format!("{} places in functions of the kernel: {how}.", self.functions));
        }
        if !self.hot.is_empty() {
            let named: Vec<&str> = self.hot.iter().copied().take(NAMED).collect();
            let more = match self.hot.len().saturating_sub(NAMED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
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

    /// All there is to tell: the places of each kind, [`Reach::said`], and the rates; nothing when nothing runs in the kernel.
    pub fn told(&self, counters: &Counters) -> Vec<String> {
        if self.places.is_empty() {
            return Vec::new();
        }
        let total: usize = self.places.values().sum();
        let kinds: Vec<String> = self.places.iter().map(|(kind, n)| format!("{n} {}", kind.name(*n))).collect();
        let (probes, places) = (plural(self.n_kernel_probes), plural(total));
        let first = format!("{} probe{probes} at {total} place{places}: {}.", self.n_kernel_probes, kinds.join(", "));
        [vec![first], self.said(), self.rates(counters)].concat()
    }

    fn rates(&self, counters: &Counters) -> Vec<String> {
        let (mut busy, mut ns_per_second, mut n_unknown) = (Vec::new(), 0, self.n_unknown);
        for (counted, cost_ns) in &self.counted {
            let (name, rate) = match counted {
                Counted::Name(name) => (name.as_str(), counters.rate(name)),
                Counted::Clock(hz) => ("timer.profile", Some(hz * crate::sys::online_cpus().len() as u64)),
            };
            match rate {
                Some(rate) => {
                    ns_per_second += rate * cost_ns;
                    busy.push((name, rate));
                }
                None => n_unknown += 1,
            }
        }
        if busy.is_empty() {
            return Vec::new();
        }
        busy.sort_by_key(|(name, rate)| (std::cmp::Reverse(*rate), *name));
        let all: u64 = busy.iter().map(|(_, rate)| rate).sum();
        let named: Vec<String> = busy.iter().take(NAMED).map(|(name, rate)| format!("{name} {rate}")).collect();
        let more = if busy.len() > NAMED { ", …" } else { "" };
        let percent = ns_per_second as f64 / 1e7;
        let mut lines = vec![format!(
            "On average since the machine started {all} events a second there ({}{more}): {percent:.2} % of a CPU, without \
             what handlers do.",
            named.join(", ")
        )];
        if n_unknown > 0 {
            let is = if n_unknown == 1 { "is" } else { "are" };
            lines.push(format!("How often {n_unknown} other place{} {is} hit is not known before.", plural(n_unknown)));
        }
        lines
    }

    /// Probes that go far: where each is written, and its places in functions.
    pub fn wide_probes(&self) -> impl Iterator<Item = (Span, usize)> {
        self.probes.iter().copied().filter(|(_, places)| *places >= WARN_FROM)
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
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

    fn counters() -> Counters {
        Counters::parse(
            "100.25 180.5\n",
            "cpu 1 2 3\nintr 50000 1 2\nctxt 1000000\nprocesses 300\nsoftirq 7 1\n",
            "pgfault 200000\npgalloc_dma 0\npgalloc_normal 500\n",
        )
    }

    #[test]
    fn hot_functions_can_be_looked_up() {
        assert!(HOT.is_sorted());
    }

    #[test]
    fn what_is_said_before_functions_are_armed() {
        assert_eq!(Reach { functions: 12, ..Reach::default() }.said(), Vec::<String>::new());
        let wide = Reach { functions: 2143, hot: ["kfree", "dput", "fput", "up_read"].into(), ..Reach::default() };
        assert!(wide.is_to_be_asked());
        expect_test::expect![[r#"
            2143 places in functions of the kernel: one link takes them all at once.
            dput, fput, kfree and 1 more are called all the time, by everything.
            A hit costs some tenths of a microsecond: a million a second about a third of one CPU."#]]
        .assert_eq(&wide.said().join("\n"));
        let slow = Reach { functions: 400, one_by_one: 400, ..Reach::default() };
        assert!(!slow.is_to_be_asked());
        assert!(slow.said()[0].ends_with("takes 400 of them one by one, in about 2 seconds."), "{:?}", slow.said());
    }

    #[test]
    fn rates_are_averages_since_the_start() {
        let counters = counters();
        let rate = |name| counters.rate(name);
        assert_eq!(
            [rate("sched_switch"), rate("irq_handler_entry"), rate("mm_page_alloc")],
            [Some(10_000), Some(500), Some(5)]
        );
        assert_eq!([rate("sched_process_fork"), rate("kmalloc")], [Some(3), None]);
        assert_eq!(Counters::parse("", "", "").rate("sched_switch"), None);
    }

    #[test]
    fn everything_there_is_to_tell() {
        let reach = Reach {
            n_kernel_probes: 2,
            places: BTreeMap::from([(Kind::Syscall, 349), (Kind::Tracepoint, 1)]),
            counted: vec![(Counted::Name("sched_switch".to_owned()), 100)],
            n_unknown: 349,
            ..Reach::default()
        };
        expect_test::expect![[r#"
            2 probes at 350 places: 349 system calls, 1 tracepoint.
            On average since the machine started 10000 events a second there (sched_switch 10000): 0.10 % of a CPU, without what handlers do.
            How often 349 other places are hit is not known before."#]]
        .assert_eq(&reach.told(&counters()).join("\n"));
        let places = BTreeMap::from([(Kind::Function, 1)]);
        let one = Reach { n_kernel_probes: 1, places, hot: ["kfree"].into(), functions: 1, ..Reach::default() };
        assert_eq!(
            one.told(&counters())[..2],
            ["1 probe at 1 place: 1 function.", "kfree is called all the time, by everything."]
        );
        assert_eq!(Reach::default().told(&counters()), Vec::<String>::new());
    }
}
