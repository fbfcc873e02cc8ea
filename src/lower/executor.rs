//! Which handler runs where. What an event of the kernel starts runs there, as eBPF; what the session itself starts
//! (begin, end, error, timers) runs in user space, where all of the language is possible.

use rustc_hash::FxHashMap as HashMap;

use tapdeck_ebpf::ir::{Entry, EntryKind, HandlerId, Run, SiteId};

use crate::probes::attach_plan::{AttachPlan, FunctionHook, ProcessEvent};

/// Keeps groups of one place apart from those of a handler.
const SINGLE: u32 = 1 << 31;

/// Who executes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Kernel,
    User,
}

/// Where a site's handler runs; `None` for `never`.
pub fn side_of(plan: &AttachPlan) -> Option<Side> {
    match plan {
        AttachPlan::Never => None,
        AttachPlan::Begin { .. }
        | AttachPlan::End { .. }
        | AttachPlan::Error { .. }
        | AttachPlan::Timer { .. }
        | AttachPlan::File { .. }
        | AttachPlan::Input { .. }
        | AttachPlan::Process { event: ProcessEvent::Running, .. } => Some(Side::User),
        AttachPlan::Profile { .. }
        | AttachPlan::Syscall { .. }
        | AttachPlan::Tracepoint { .. }
        | AttachPlan::Function { .. }
        | AttachPlan::Process { .. } => Some(Side::Kernel),
    }
}

/// The entry a plan's runs belong to, and the system call of the run.
fn entry_of(plan: &AttachPlan, handler: HandlerId, site: SiteId) -> (EntryKind, Option<u32>) {
    let told_of = |name: &str, n_args, task_arg| EntryKind::RawTracepoint { name: name.to_owned(), n_args, task_arg };
    let tracepoint = |name: &str, n_args| told_of(name, n_args, None);
    match plan {
        AttachPlan::Syscall { nr, exit: false } => (EntryKind::SysEnter, Some(*nr)),
        AttachPlan::Syscall { nr, exit: true } => (EntryKind::SysExit, Some(*nr)),
        AttachPlan::Tracepoint { name, n_args, task_arg } => (told_of(name, *n_args, *task_arg), None),
        AttachPlan::Function { target, exit, hook: FunctionHook::Fentry { btf_id, n_args, .. } } => {
            let (function, module) = (target.name.clone(), target.module.clone());
            (EntryKind::Fentry { function, module, btf_id: *btf_id, n_args: *n_args, exit: *exit }, None)
        }
        AttachPlan::Function { exit, hook: FunctionHook::Kprobe { multi, cookies }, .. } => {
            // All places of a handler share its program, unless nothing could tell it where it is.
            let group = if *cookies { handler.0 } else { SINGLE | site.0 };
            (EntryKind::Kprobe { group, multi: *multi, exit: *exit }, None)
        }
        // Pass 2 has refused it.
        AttachPlan::Function { hook: FunctionHook::Missing, .. } => (EntryKind::User, None),
        AttachPlan::Profile { hz } => (EntryKind::PerfEvent { name: format!("profile_{hz}") }, None),
        AttachPlan::Process { event, .. } => match event {
            ProcessEvent::Begin => (tracepoint("sched_process_exec", 3), None),
            ProcessEvent::Fork | ProcessEvent::ThreadBegin => (told_of("sched_process_fork", 2, Some(1)), None),
            ProcessEvent::Running => (EntryKind::User, None),
            ProcessEvent::End | ProcessEvent::ThreadEnd => (tracepoint("sched_process_exit", 1), None),
        },
        AttachPlan::Begin { .. }
        | AttachPlan::End { .. }
        | AttachPlan::Error { .. }
        | AttachPlan::Never
        | AttachPlan::Timer { .. }
        | AttachPlan::File { .. }
        | AttachPlan::Input { .. } => (EntryKind::User, None),
    }
}

/// Entries in the order their first run came, with the plans of their runs beside them.
#[derive(Debug, Default)]
pub struct Entries {
    entries: Vec<Entry>,
    attach: Vec<Vec<AttachPlan>>,
    by_kind: HashMap<EntryKind, usize>,
}

impl Entries {
    pub fn add(&mut self, plan: &AttachPlan, handler: HandlerId, site: SiteId) {
        let (kind, syscall) = entry_of(plan, handler, site);
        let idx = *self.by_kind.entry(kind.clone()).or_insert_with(|| {
            self.entries.push(Entry { kind, runs: Vec::new() });
            self.attach.push(Vec::new());
            self.entries.len() - 1
        });
        self.entries[idx].runs.push(Run { handler, site, syscall });
        self.attach[idx].push(plan.clone());
    }

    pub fn finish(self) -> (Vec<Entry>, Vec<Vec<AttachPlan>>) {
        (self.entries, self.attach)
    }
}
