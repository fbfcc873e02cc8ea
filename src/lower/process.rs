//! `process.begin` and friends: scheduler tracepoints, and in code the question whether it is the right process.
//!
//! What a process executes is known when it calls exec, not when it ends, and who descends from the target only when it
//! forks. So two kinds of hidden arrays, keyed by process id, are kept by handlers of tapdeck's own: the target's
//! descendants, and for each path the processes that execute it. The session puts in who runs already.
//!
//! A `begin` has three handlers: one for programs executed, one for processes made by fork, and one in user space for
//! processes that run already when the session starts.

use std::collections::BTreeMap;

use tapdeck_ebpf::ir::{
    self, Arg, BodyBuilder, CmpOp, ContextField, HandlerId, Intrinsic, OnFault, Op, Operand, SiteId, SourceTag, Space,
    StoreDecl, StoreId, StoreTy, StrOperand, Term, Ty, Var,
};

use super::{Cx, body::BodyLower};
use crate::{
    diagnostics::catalogue::generate,
    probes::attach_plan::{AttachPlan, ProcessEvent, ProcessTarget, TARGET_STORE, names_of_path, path_store},
    source::Span,
};

/// Processes remembered at a time; the oldest makes room.
const MAX_PROCESSES: u32 = 8192;

/// Hidden arrays some handler asked for.
#[derive(Debug, Default)]
pub(super) struct Bookkeeping {
    /// Descendants of the target.
    tree: Option<StoreId>,
    /// Processes by the path they execute.
    paths: BTreeMap<String, StoreId>,
    /// The probe the bookkeeping counts for.
    probe: u32,
}

impl BodyLower<'_, '_> {
    /// Ends the handler unless the process is the one that is meant.
    pub fn process_filter(&mut self, plan: &AttachPlan, span: Span) {
        let AttachPlan::Process { event, target } = plan else { return };
        self.cx.process.probe = self.cx.probes.len().saturating_sub(1) as u32;
        let pid = self.current(Intrinsic::Pid);
        match event {
            // The last thread to go would be right; the first thread is what can be seen.
            ProcessEvent::End => {
                let tid = self.current(Intrinsic::Tid);
                self.only_if(CmpOp::Eq, tid, pid);
            }
            // Both tell of the new task.
            ProcessEvent::ThreadBegin => {
                let tid = self.current(Intrinsic::Tid);
                self.only_if(CmpOp::Ne, tid, pid);
            }
            ProcessEvent::Fork => {
                let tid = self.current(Intrinsic::Tid);
                self.only_if(CmpOp::Eq, tid, pid);
            }
            // The session asks only for the right ones.
            ProcessEvent::Running => return,
            ProcessEvent::Begin | ProcessEvent::ThreadEnd => {}
        }
        // Where a new process belongs its parent tells.
        let pid = match (event, self.cx.options.task.tgid) {
            (ProcessEvent::Fork, Some(tgid)) => task_field(&mut self.b, 0, tgid, self.tag),
            _ => pid,
        };
        match target {
            ProcessTarget::Pid(number) => self.only_if(CmpOp::Eq, pid, Operand::Imm(i64::from(*number))),
            ProcessTarget::All if self.cx.options.has_target => {
                let target = self.current(Intrinsic::Target);
                let known = self.cx.tree_store();
                let (other, run) = (self.b.new_block(), self.b.new_block());
                let compare = Term::BranchCompare { op: CmpOp::Eq, a: pid, b: target, then: run, otherwise: other };
                self.b.terminate(compare, self.tag);
                self.b.switch_to(other);
                self.only_if_known(known, pid);
                self.b.switch_to(run);
            }
            ProcessTarget::All => {}
            ProcessTarget::Path(path) if *event == ProcessEvent::Begin => {
                let Some(offset) = self.cx.options.binprm_filename else {
                    self.cx.report(generate::unknown_layout("the file name of a new process", span));
                    return;
                };
                let names = self.cx.path_names(path);
                let same = executes(&mut self.b, offset, &names, self.tag);
                self.only_if(CmpOp::Ne, same, Operand::Imm(0));
            }
            ProcessTarget::Path(path) => {
                let known = self.cx.path_store(path);
                self.only_if_known(known, pid);
            }
        }
    }

    fn current(&mut self, op: Intrinsic) -> Operand {
        let dst = self.long_temp();
        self.emit(Op::Intrinsic { op, dst: Some(dst), args: Vec::new() });
        Operand::Var(dst)
    }

    fn only_if_known(&mut self, store: StoreId, pid: Operand) {
        let dst = self.long_temp();
        self.emit(Op::Contains { dst, store, keys: vec![Some(Arg::Long(pid))] });
        self.only_if(CmpOp::Ne, Operand::Var(dst), Operand::Imm(0));
    }

    fn only_if(&mut self, op: CmpOp, a: Operand, b: Operand) {
        only_if(&mut self.b, op, a, b, self.tag);
    }
}

impl Cx<'_> {
    /// What else a process plan comes to.
    pub(super) fn further_plans(&self, plan: &AttachPlan) -> Vec<AttachPlan> {
        let AttachPlan::Process { event: ProcessEvent::Begin, target } = plan else { return Vec::new() };
        let plan = |event| AttachPlan::Process { event, target: target.clone() };
        let mut plans = vec![plan(ProcessEvent::Running)];
        let layout_known = self.options.task.tgid.is_some() && self.options.task.pid.is_some();
        if layout_known && !matches!(target, ProcessTarget::Pid(_)) {
            plans.push(plan(ProcessEvent::Fork));
        }
        plans
    }

    fn tree_store(&mut self) -> StoreId {
        match self.process.tree {
            Some(store) => store,
            None => {
                let store = self.hidden_store(TARGET_STORE.to_owned());
                self.process.tree = Some(store);
                store
            }
        }
    }

    fn path_store(&mut self, path: &str) -> StoreId {
        match self.process.paths.get(path) {
            Some(store) => *store,
            None => {
                let store = self.hidden_store(path_store(path));
                self.process.paths.insert(path.to_owned(), store);
                store
            }
        }
    }

    fn path_names(&mut self, path: &str) -> Vec<(StrOperand, usize)> {
        let names = names_of_path(path).into_iter();
        names.map(|name| (StrOperand::Const(self.strings.intern(name.as_bytes())), name.len())).collect()
    }

    fn hidden_store(&mut self, name: String) -> StoreId {
        self.stores.push(StoreDecl {
            name,
            keys: vec![Ty::Long],
            value: StoreTy::Long,
            max_entries: MAX_PROCESSES,
            sized: false,
            wrap: true,
            init: None,
            in_kernel: true,
        });
        StoreId(self.stores.len() as u32 - 1)
    }

    /// Handlers that keep the hidden arrays. They come last, so that `end` handlers still find their process.
    pub(super) fn process_bookkeeping(&mut self) {
        let paths: Vec<(String, StoreId)> =
            self.process.paths.iter().map(|(path, store)| (path.clone(), *store)).collect();
        let mut known: Vec<StoreId> = paths.iter().map(|(_, store)| *store).collect();
        known.extend(self.process.tree);
        if known.is_empty() {
            return;
        }
        let all = |event| AttachPlan::Process { event, target: ProcessTarget::All };
        if let Some(tgid) = self.options.task.tgid {
            let body = self.inherit(&known, tgid);
            let fork = AttachPlan::Tracepoint { name: "sched_process_fork".to_owned(), n_args: 2, task_arg: None };
            self.own_handler("remember children", fork, body);
        }
        if let Some(offset) = self.options.binprm_filename
            && !paths.is_empty()
        {
            let body = self.remember_paths(&paths, offset);
            self.own_handler("remember programs", all(ProcessEvent::Begin), body);
        }
        let body = forget(&known);
        self.own_handler("forget processes", all(ProcessEvent::End), body);
    }

    fn own_handler(&mut self, name: &str, plan: AttachPlan, body: ir::Body) {
        let handler = HandlerId(self.handlers.len() as u32);
        let probe = self.process.probe;
        self.handlers.push(ir::Handler { name: name.to_owned(), probe, body, tag: SourceTag::NONE });
        self.sites.push(ir::SiteData { pp: name.as_bytes().to_vec(), ..ir::SiteData::default() });
        self.entries.add(&plan, handler, SiteId(self.sites.len() as u32 - 1));
    }

    /// At a fork: the child belongs wherever its parent does.
    fn inherit(&mut self, known: &[StoreId], tgid: u32) -> ir::Body {
        let mut b = BodyBuilder::new();
        let pid = intrinsic(&mut b, Intrinsic::Pid);
        let child = task_field(&mut b, 1, tgid, SourceTag::NONE);
        only_if(&mut b, CmpOp::Ne, child, pid, SourceTag::NONE);
        for store in known {
            let (remember, next) = (b.new_block(), b.new_block());
            if Some(*store) == self.process.tree {
                let target = intrinsic(&mut b, Intrinsic::Target);
                let other = b.new_block();
                let compare =
                    Term::BranchCompare { op: CmpOp::Eq, a: pid, b: target, then: remember, otherwise: other };
                b.terminate(compare, SourceTag::NONE);
                b.switch_to(other);
            }
            let there = b.new_var(Ty::Long);
            b.emit(Op::Contains { dst: there, store: *store, keys: vec![Some(Arg::Long(pid))] }, SourceTag::NONE);
            b.branch(Operand::Var(there), remember, next, SourceTag::NONE);
            b.switch_to(remember);
            b.emit(set(*store, child), SourceTag::NONE);
            b.switch_to(next);
        }
        b.finish(SourceTag::NONE)
    }

    /// At an exec: the process now executes this path and no other.
    fn remember_paths(&mut self, paths: &[(String, StoreId)], offset: u32) -> ir::Body {
        let mut b = BodyBuilder::new();
        let pid = intrinsic(&mut b, Intrinsic::Pid);
        for (path, store) in paths {
            let names = self.path_names(path);
            let same = executes(&mut b, offset, &names, SourceTag::NONE);
            let (remember, drop, next) = (b.new_block(), b.new_block(), b.new_block());
            b.branch(same, remember, drop, SourceTag::NONE);
            b.switch_to(remember);
            b.emit(set(*store, pid), SourceTag::NONE);
            b.jump(next, SourceTag::NONE);
            b.switch_to(drop);
            b.emit(delete(*store, pid), SourceTag::NONE);
            b.switch_to(next);
        }
        b.finish(SourceTag::NONE)
    }
}

/// At the end of a process.
fn forget(known: &[StoreId]) -> ir::Body {
    let mut b = BodyBuilder::new();
    let (pid, tid) = (intrinsic(&mut b, Intrinsic::Pid), intrinsic(&mut b, Intrinsic::Tid));
    only_if(&mut b, CmpOp::Eq, pid, tid, SourceTag::NONE);
    known.iter().for_each(|store| b.emit(delete(*store, pid), SourceTag::NONE));
    b.finish(SourceTag::NONE)
}

fn set(store: StoreId, pid: Operand) -> Op {
    Op::Set { store, keys: vec![Arg::Long(pid)], value: Arg::Long(Operand::Imm(1)) }
}

fn delete(store: StoreId, pid: Operand) -> Op {
    Op::Delete { store, keys: vec![Some(Arg::Long(pid))] }
}

fn intrinsic(b: &mut BodyBuilder, op: Intrinsic) -> Operand {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Intrinsic { op, dst: Some(dst), args: Vec::new() }, SourceTag::NONE);
    Operand::Var(dst)
}

fn only_if(b: &mut BodyBuilder, op: CmpOp, left: Operand, right: Operand, tag: SourceTag) {
    let (run, stop) = (b.new_block(), b.new_block());
    b.terminate(Term::BranchCompare { op, a: left, b: right, then: run, otherwise: stop }, tag);
    b.switch_to(stop);
    b.terminate(Term::Return(None), tag);
    b.switch_to(run);
}

fn trace_arg(b: &mut BodyBuilder, number: u8, tag: SourceTag) -> Operand {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Context { dst, field: ContextField::TraceArg(number) }, tag);
    Operand::Var(dst)
}

/// A 32-bit field of a task at `sched_process_fork(parent, child)`.
fn task_field(b: &mut BodyBuilder, number: u8, offset: u32, tag: SourceTag) -> Operand {
    let task = trace_arg(b, number, tag);
    let addr = b.binary(ir::BinOp::Add, task, Operand::Imm(i64::from(offset)), tag);
    read(b, addr, 4, tag)
}

fn read(b: &mut BodyBuilder, addr: Operand, width: u8, tag: SourceTag) -> Operand {
    let dst: Var = b.new_var(Ty::Long);
    let on_fault = OnFault::Zero;
    b.emit(Op::Read { dst, space: Space::Kernel, addr, width, signed: width == 4, on_fault }, tag);
    Operand::Var(dst)
}

/// Whether `sched_process_exec(task, old_pid, bprm)` is about this path under one of its names: 0 or 1. A relative name
/// never is.
fn executes(b: &mut BodyBuilder, offset: u32, names: &[(StrOperand, usize)], tag: SourceTag) -> Operand {
    let bprm = trace_arg(b, 2, tag);
    let addr = b.binary(ir::BinOp::Add, bprm, Operand::Imm(i64::from(offset)), tag);
    let name = read(b, addr, 8, tag);
    // One byte more than the path, or a longer name with the same start would match.
    let len = names.iter().map(|(_, len)| *len).max().unwrap_or(0);
    let text = b.new_var(Ty::Str { cap: ((len + 2).next_multiple_of(8)).min(512) as u16 });
    let on_fault = OnFault::Zero;
    b.emit(Op::ReadStr { dst: text, space: Space::Kernel, addr: name, max: None, on_fault }, tag);
    let mut any = Operand::Imm(0);
    for (wanted, _) in names {
        let dst = b.new_var(Ty::Long);
        b.emit(Op::StrCompare { op: CmpOp::Eq, dst, a: StrOperand::Var(text), b: *wanted }, tag);
        any = b.binary(ir::BinOp::Or, any, Operand::Var(dst), tag);
    }
    any
}
