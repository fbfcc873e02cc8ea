//! What a script will come to before it runs: at how many places its probes are, how often the busiest of them are likely
//! to be hit, and what being hit costs by itself. Rates are averages since the machine started, of what the kernel counts
//! anyway: /proc/stat, /proc/vmstat (proc(5)).

use std::{
    collections::{BTreeMap, HashSet},
    fmt, fs,
};

use crate::{
    probes::attach_plan::{AttachPlan, FunctionHook},
    runtime::plan::Lowered,
};

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
        let counters: &[&str] = match name {
            "sched_switch" | "sched_stat_runtime" | "__schedule" | "schedule" | "finish_task_switch" => &["ctxt"],
            "sched_wakeup" | "sched_waking" | "try_to_wake_up" | "ttwu_do_activate" => &["ctxt"],
            "irq_handler_entry" | "irq_handler_exit" | "__handle_irq_event_percpu" => &["intr"],
            "softirq_entry" | "softirq_exit" | "softirq_raise" => &["softirq"],
            "page_fault_user" | "handle_mm_fault" | "do_user_addr_fault" => &["pgfault"],
            "mm_page_alloc" | "get_page_from_freelist" => {
                &["pgalloc_dma", "pgalloc_dma32", "pgalloc_normal", "pgalloc_movable"]
            }
            "mm_page_free" | "free_unref_page" => &["pgfree"],
            "sched_process_fork" | "sched_process_exit" | "sched_wakeup_new" | "kernel_clone" | "do_exit" => {
                &["processes"]
            }
            _ => return None,
        };
        let known = counters.iter().filter_map(|name| self.per_second.get(*name));
        known.copied().reduce(|a, b| a + b)
    }
}

/// What is to be expected of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    n_probes: usize,
    places: BTreeMap<Kind, usize>,
    /// Name and hits in a second, busiest first.
    busy: Vec<(String, u64)>,
    ns_per_second: u64,
    /// At places of which nothing is known before.
    n_unknown: usize,
}

/// How many of the busiest are named.
const NAMED: usize = 3;

impl Forecast {
    /// `None`: nothing of the script runs in the kernel.
    pub fn of(lowered: &Lowered, counters: &Counters) -> Option<Self> {
        let mut forecast =
            Self { n_probes: 0, places: BTreeMap::new(), busy: Vec::new(), ns_per_second: 0, n_unknown: 0 };
        forecast.n_probes = lowered.probes.iter().filter(|probe| probe.in_kernel).count();
        let mut seen = HashSet::new();
        for plan in lowered.attach.iter().flatten() {
            let Some(kind) = Kind::of(plan) else { continue };
            // Handlers at one place are hit together.
            if !seen.insert(plan) {
                continue;
            }
            *forecast.places.entry(kind).or_default() += 1;
            let (name, rate) = match plan {
                AttachPlan::Tracepoint { name, .. } => (name.clone(), counters.rate(name)),
                AttachPlan::Function { target, .. } => (target.name.clone(), counters.rate(&target.name)),
                AttachPlan::Profile { hz } => {
                    ("timer.profile".to_owned(), Some(hz * crate::sys::online_cpus().len() as u64))
                }
                _ => (String::new(), None),
            };
            match rate {
                Some(rate) => {
                    forecast.ns_per_second += rate * cost_ns(plan);
                    forecast.busy.push((name, rate));
                }
                None => forecast.n_unknown += 1,
            }
        }
        forecast.busy.sort_by_key(|(name, rate)| (std::cmp::Reverse(*rate), name.clone()));
        (!forecast.places.is_empty()).then_some(forecast)
    }
}

impl fmt::Display for Forecast {
    /// Up to three lines, without a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.places.values().sum();
        let kinds: Vec<String> = self.places.iter().map(|(kind, n)| format!("{n} {}", kind.name(*n))).collect();
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let (probes, places) = (plural(self.n_probes), plural(total));
        write!(f, "{} probe{probes} at {total} place{places}: {}.", self.n_probes, kinds.join(", "))?;
        if self.busy.is_empty() {
            return Ok(());
        }
        let rate: u64 = self.busy.iter().map(|(_, rate)| rate).sum();
        let named: Vec<String> = self.busy.iter().take(NAMED).map(|(name, rate)| format!("{name} {rate}")).collect();
        let more = if self.busy.len() > NAMED { ", …" } else { "" };
        let percent = self.ns_per_second as f64 / 1e7;
        write!(
            f,
            "\nOn average since the machine started {rate} events a second there ({}{more}): {percent:.2} % of a processor, \
             without what handlers do.",
            named.join(", ")
        )?;
        match self.n_unknown {
            0 => Ok(()),
            n => write!(
                f,
                "\nHow often {n} other place{} {} hit is not known before.",
                plural(n),
                if n == 1 { "is" } else { "are" }
            ),
        }
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
    fn it_reads_as_one_would_say_it() {
        let forecast = Forecast {
            n_probes: 2,
            places: BTreeMap::from([(Kind::Syscall, 349), (Kind::Tracepoint, 1)]),
            busy: vec![("sched_switch".to_owned(), 10_000)],
            ns_per_second: 1_000_000,
            n_unknown: 349,
        };
        expect_test::expect![[r#"
            2 probes at 350 places: 349 system calls, 1 tracepoint.
            On average since the machine started 10000 events a second there (sched_switch 10000): 0.10 % of a processor, without what handlers do.
            How often 349 other places are hit is not known before."#]]
        .assert_eq(&forecast.to_string());
        let one = Forecast { n_probes: 1, places: BTreeMap::from([(Kind::Function, 1)]), busy: Vec::new(), ..forecast };
        assert_eq!(one.to_string(), "1 probe at 1 place: 1 function.");
    }
}
