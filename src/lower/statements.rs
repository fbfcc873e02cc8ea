//! Statements.

use tapdeck_ebpf::ir::{Arg, Block, CmpOp, Op, Operand, StrOperand, Term, Ty};

use super::{
    body::{BodyLower, Catching, LocalSlot, LoopScope},
    executor::Side,
    handed_over::{Obstacle, may_fail, may_fail_anywhere},
};
use crate::{
    diagnostics::{Diagnostics, catalogue::generate},
    elaborate::program::{Expr, ExprKind, GlobalId, LocalId, Stmt, StmtKind},
    language::ast::{CompareOp, LogicalOp, UnaryOp},
    source::Span,
};

/// Statements of a list that were handed over together, and what it was like before.
struct HandedOver {
    at: usize,
    n: usize,
    /// Of which so many were asked for, and the rest had to go with them.
    least: usize,
    mark: (super::Mark, tapdeck_ebpf::ir::Mark),
    locals: Vec<LocalSlot>,
}

impl BodyLower<'_, '_> {
    pub fn stmt(&mut self, stmt: &Stmt) {
        let mut list = Vec::new();
        flatten(stmt, &mut list);
        self.nesting += 1;
        self.stmts(&list);
        self.nesting -= 1;
    }

    /// Statements in a row. A local that is assigned in one of them and only read in later ones may become a name for
    /// its value instead of a variable.
    pub fn stmts(&mut self, list: &[&Stmt]) {
        let mut done = 0;
        let mut before = None;
        while let Some(first) = list.get(done) {
            done += self.at(first.span, |body| {
                body.emit(Op::Actions { n: 1 });
                match body.side {
                    Side::Kernel => body.in_kernel_or_handed_over(list, done, &mut before),
                    Side::User => {
                        body.one_stmt(first);
                        1
                    }
                }
            });
        }
    }

    /// Writes a statement for the kernel; what cannot run there is handed over, where that is possible: with those right
    /// before it, if they were, so that there is one record and an error in one keeps the others from running.
    /// Gives how many are done.
    fn in_kernel_or_handed_over(&mut self, all: &[&Stmt], at: usize, before: &mut Option<HandedOver>) -> usize {
        let (mut mark, mut locals) = (self.mark(), self.locals.clone());
        let (list, mut group) = (&all[at..], before.take());
        // What is printed behind an error does not come: one record, one end.
        if let Some(HandedOver { at: from, .. }) = group
            && self.catching == Catching::Nobody
            && all[from..at].iter().any(|stmt| may_fail(stmt))
            && (self.only_prints(list[0]) || self.may_go_along(list))
            && let Some(known) = group.take()
        {
            let n_before = known.n;
            let joined = self.join(all, known, at + 1);
            if joined.n > n_before {
                let n = joined.at + joined.n - at;
                *before = Some(joined);
                return n;
            }
            // The group is written again, not to the same length.
            (mark, locals) = (self.mark(), self.locals.clone());
        }
        // A function that is written out has statements inside one.
        let outer = std::mem::take(&mut self.fails_there);
        if !self.try_defer(list[0], &list[1..]) {
            self.one_stmt(list[0]);
        }
        let fails_there = std::mem::replace(&mut self.fails_there, outer);
        if self.cx.n_refused == mark.0.n_refused {
            if fails_there {
                return self.handed_over_for_its_error(list, at, before, (mark, locals));
            }
            self.warn_of_what_is_not_kept(list[0]);
            return 1;
        }
        let refused = self.back_to(mark, locals.clone());
        if !refused.iter().filter(|finding| finding.is_error()).all(generate::user_space_can) {
            self.one_stmt(list[0]);
            return 1;
        }
        if group.is_some() && self.catching == Catching::Whole && may_fail(list[0]) {
            return self.refused_in_try();
        }
        if let Some(group) = group {
            let n_before = group.n;
            let joined = self.join(all, group, at + 1);
            let grown = joined.n > n_before;
            let n = joined.at + joined.n - at;
            *before = Some(joined);
            if grown {
                return n;
            }
        }
        let mark = self.mark();
        let handed_over = self.hand_over(list, 1);
        if let (Ok(n), true) = (&handed_over, self.cx.n_refused == mark.0.n_refused) {
            if self.catching == Catching::Whole && list[..*n].iter().any(|stmt| may_fail(stmt)) {
                self.back_to(mark, locals);
                return self.refused_in_try();
            }
            let mut waiting = list[..*n].iter().filter(|stmt| may_fail_anywhere(stmt));
            self.may_have_failed = self.may_have_failed.or(waiting.next().map(|stmt| stmt.span));
            *before = Some(HandedOver { at, n: *n, least: 1, mark, locals });
            return *n;
        }
        *before = None;
        if matches!(list[0].kind, StmtKind::Try { .. }) && self.catching == Catching::Nobody {
            self.back_to(mark, locals);
            self.catching = Catching::Parts;
            let n = self.in_kernel_or_handed_over(all, at, before);
            self.catching = Catching::Nobody;
            return n;
        }
        self.back_to(mark, locals);
        if !refused.iter().any(|finding| finding.is_error()) {
            // A part of this `try` would fail out of its sight, and so the one around it has to think again.
            return self.refused_in_try();
        }
        for finding in refused {
            let finding = match &handed_over {
                // What was said about statements inside stays.
                Err(Obstacle { reason, at }) if finding.related.iter().all(|related| related.message != *reason) => {
                    finding.related(*reason, "", *at)
                }
                _ => finding,
            };
            self.cx.report(finding);
        }
        1
    }

    /// What user space makes of a statement may fail, as by a divisor nobody knows yet: a record that others may join, so that
    /// the error keeps them from running. Where that cannot be it is written as before.
    fn handed_over_for_its_error(
        &mut self,
        list: &[&Stmt],
        at: usize,
        before: &mut Option<HandedOver>,
        (mark, locals): ((super::Mark, tapdeck_ebpf::ir::Mark), Vec<LocalSlot>),
    ) -> usize {
        match self.catching {
            Catching::Whole => {
                self.back_to(mark, locals);
                return self.refused_in_try();
            }
            Catching::Nobody => {
                self.back_to(mark.clone(), locals.clone());
                let handed_over = self.hand_over(list, 1);
                if let (Ok(n), true) = (handed_over, self.cx.n_refused == mark.0.n_refused) {
                    self.may_have_failed = self.may_have_failed.or(Some(list[0].span));
                    *before = Some(HandedOver { at, n, least: 1, mark, locals });
                    return n;
                }
                self.back_to(mark, locals);
                let outer = std::mem::take(&mut self.fails_there);
                self.one_stmt(list[0]);
                self.fails_there = outer;
            }
            Catching::Parts => {}
        }
        self.warn_of_what_is_not_kept(list[0]);
        self.may_have_failed = self.may_have_failed.or(Some(list[0].span));
        1
    }

    /// Hands over a group again, together with what follows up to `upto`; as it was when that cannot be.
    fn join(&mut self, all: &[&Stmt], group: HandedOver, upto: usize) -> HandedOver {
        let HandedOver { at, n, least, mark, locals } = group;
        self.back_to(mark.clone(), locals.clone());
        let joined = self.at(all[at].span, |body| {
            body.emit(Op::Actions { n: (upto - at - n) as u32 });
            body.hand_over(&all[at..], upto - at)
        });
        if let (Ok(joined), true) = (joined, self.cx.n_refused == mark.0.n_refused) {
            return HandedOver { at, n: joined, least: upto - at, mark, locals };
        }
        self.back_to(mark.clone(), locals.clone());
        let again = self.at(all[at].span, |body| body.hand_over(&all[at..], least));
        // When more globals went over to user space since, all is written once more.
        let is_last = self.cx.to_hand_over.is_empty();
        debug_assert!(!is_last || again.is_ok_and(|again| again == n), "what was handed over once can be again");
        self.emit(Op::Actions { n: (upto - at - n) as u32 });
        HandedOver { at, n, least, mark, locals }
    }

    /// A statement would fail in user space, where a `catch` of the kernel does not see it. Not said to anyone: the `try`
    /// is handed over, or the statement is in spite of it.
    fn refused_in_try(&mut self) -> usize {
        self.cx.n_refused += 1;
        1
    }

    fn mark(&self) -> (super::Mark, tapdeck_ebpf::ir::Mark) {
        (self.cx.mark(), self.b.mark())
    }

    fn back_to(&mut self, mark: (super::Mark, tapdeck_ebpf::ir::Mark), locals: Vec<LocalSlot>) -> Diagnostics {
        self.lens.truncate(locals.len());
        self.uses.truncate(locals.len());
        self.locals = locals;
        self.b.back_to(mark.1);
        self.cx.back_to(mark.0)
    }

    fn one_stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            // Programs with C in them do not come here.
            StmtKind::Null | StmtKind::Embedded(_) => {}
            StmtKind::Block(_) => self.stmt(stmt),
            StmtKind::Expr(expr) => self.effect(expr),
            StmtKind::If { cond, then, otherwise } => {
                self.if_else(cond, |body| body.stmt(then), |body| otherwise.iter().for_each(|stmt| body.stmt(stmt)))
            }
            StmtKind::Loop { init, cond, step, body } => {
                self.loop_stmt(init.as_ref(), cond.as_ref(), step.as_ref(), body);
            }
            StmtKind::Foreach(each) => self.foreach(each, stmt.span),
            StmtKind::Return(value) => self.return_stmt(value.as_ref()),
            StmtKind::Delete { global, keys } => self.delete(*global, keys, stmt.span),
            StmtKind::Break => {
                if let Some(scope) = self.loops.last() {
                    let to = scope.break_to;
                    self.b.jump(to, self.tag);
                }
            }
            StmtKind::Continue => {
                if let Some(scope) = self.loops.last() {
                    let to = scope.continue_to;
                    self.b.jump(to, self.tag);
                }
            }
            StmtKind::Next => self.next_stmt(),
            StmtKind::Try { body, var, catch } => self.try_stmt(body, *var, catch),
        }
    }

    /// ```text
    ///   init ──▶ head ──cond──▶ body ──▶ step ──▶ head
    ///              └──────────▶ done ◀── break
    /// ```
    fn loop_stmt(&mut self, init: Option<&Expr>, cond: Option<&Expr>, step: Option<&Expr>, body: &Stmt) {
        init.into_iter().for_each(|expr| self.effect(expr));
        let (head, inside, next, done) =
            (self.b.new_block(), self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.jump(head, self.tag);
        self.b.switch_to(head);
        match cond {
            Some(cond) => self.branch_on(cond, inside, done),
            None => self.b.jump(inside, self.tag),
        }
        self.b.switch_to(inside);
        self.loops.push(LoopScope { break_to: done, continue_to: next, iter: None });
        let mut statements = Vec::new();
        flatten(body, &mut statements);
        if statements.is_empty() {
            // A round without statements counts as one: it has to end as well.
            self.emit(Op::Actions { n: 1 });
        }
        self.stmt(body);
        self.loops.pop();
        self.b.jump(next, self.tag);
        self.b.switch_to(next);
        step.into_iter().for_each(|expr| self.effect(expr));
        self.b.jump(head, self.tag);
        self.b.switch_to(done);
    }

    /// Gives back the iterators of all loops around here.
    fn leave_loops(&mut self) {
        let iters: Vec<_> = self.loops.iter().rev().filter_map(|scope| scope.iter).collect();
        iters.into_iter().for_each(|iter| self.emit(Op::IterEnd { iter }));
    }

    fn return_stmt(&mut self, value: Option<&Expr>) {
        let wants = self.function.as_ref().and_then(|function| function.ret);
        let value = match (value, wants) {
            (Some(value), Some(Ty::Packed { .. })) => Some(Arg::Packed(self.packed(value, None))),
            (Some(value), Some(_)) => Some(self.arg(value)),
            (Some(value), None) => {
                self.effect(value);
                None
            }
            (None, Some(ty)) => Some(self.zero(ty)),
            (None, None) => None,
        };
        self.leave_loops();
        match self.function.as_ref().and_then(|function| function.inlined) {
            Some((dst, exit)) => {
                if let (Some(dst), Some(value)) = (dst, value) {
                    self.copy_to(dst, value);
                }
                self.b.jump(exit, self.tag);
            }
            None => self.b.terminate(Term::Return(value), self.tag),
        }
    }

    /// Falling off the end of a function gives 0 or "".
    pub fn return_default(&mut self) {
        if let Some(ty) = self.function.as_ref().and_then(|function| function.ret)
            && self.b.is_open()
        {
            let zero = self.zero(ty);
            self.b.terminate(Term::Return(Some(zero)), self.tag);
        }
    }

    /// `next`: in a function the next overload, of which there may be none; else the end of the handler.
    fn next_stmt(&mut self) {
        let Some((next, args, ret)) =
            self.function.as_ref().map(|function| (function.next_overload, function.args.clone(), function.ret))
        else {
            self.leave_loops();
            self.b.terminate(Term::Next, self.tag);
            return;
        };
        let Some(next) = next else {
            let message = self.literal(b"all functions exhausted");
            self.b.terminate(Term::Raise { message }, self.tag);
            return;
        };
        let args = self.handed_over(next, args);
        let function = self.callee(next);
        let dst = ret.map(|ty| self.temp(ty));
        self.emit(Op::Call { function, dst, args });
        self.leave_loops();
        let value = dst.map(|dst| self.var_arg(dst));
        self.b.terminate(Term::Return(value), self.tag);
    }

    fn try_stmt(&mut self, body: &Stmt, var: Option<LocalId>, catch: &Stmt) {
        let local = var.map(|var| self.local_var(var));
        // A message is known; its variable may have to keep other texts, too.
        let message = match local {
            Some(local) if self.is_packed_var(local) => {
                let ty = self.cx.bounds.max_ty();
                Some(self.temp(ty))
            }
            local => local,
        };
        let around = self.catching;
        if around == Catching::Nobody {
            self.catching = Catching::Whole;
        }
        self.catching(
            message,
            |this| {
                this.stmt(body);
                this.catching = around;
            },
            |this| {
                if let (Some(local), Some(message)) = (local, message) {
                    let text = this.var_arg(message);
                    this.copy_to(local, text);
                }
                this.stmt(catch);
            },
        );
    }

    fn delete(&mut self, global: GlobalId, keys: &[Option<Expr>], span: Span) {
        let store = self.store(global);
        let is_array = !self.cx.program.globals[global.index()].keys.is_empty();
        if is_array && keys.iter().all(Option::is_none) {
            self.emit(Op::Clear { store });
            return;
        }
        if self.side == Side::Kernel && keys.iter().any(Option::is_none) {
            self.cx.report(generate::wildcard_key("delete", span));
            return;
        }
        let keys = self.optional_keys(keys);
        self.emit(Op::Delete { store, keys });
    }

    /// Goes to `then` when `cond` is not 0, without making a 0 or 1 where a jump does.
    pub fn branch_on(&mut self, cond: &Expr, then: Block, otherwise: Block) {
        self.at(cond.span, |body| match &cond.kind {
            ExprKind::Long(n) => body.b.jump(if *n != 0 { then } else { otherwise }, body.tag),
            ExprKind::Unary { op: UnaryOp::Not, expr } => body.branch_on(expr, otherwise, then),
            ExprKind::Logical { op, left, right } => {
                let second = body.b.new_block();
                match op {
                    LogicalOp::And => body.branch_on(left, second, otherwise),
                    LogicalOp::Or => body.branch_on(left, then, second),
                }
                body.b.switch_to(second);
                body.branch_on(right, then, otherwise);
            }
            ExprKind::Compare { op, left, right } if left.ty == crate::language::types::Type::Long => {
                let [a, b] = body.two_longs(left, right);
                body.b.terminate(Term::BranchCompare { op: cmp_op(*op), a, b, then, otherwise }, body.tag);
            }
            _ => {
                let cond = body.long(cond);
                body.b.branch(cond, then, otherwise, body.tag);
            }
        });
    }

    /// Ends the handler (or goes to the `catch` in force) with this error.
    pub fn raise(&mut self, message: StrOperand) {
        self.b.terminate(Term::Raise { message }, self.tag);
        // What the script wrote behind it is dead; expressions still want a place to be written to.
        let dead = self.b.new_block();
        self.b.switch_to(dead);
    }

    /// A frame for errors inside a foreach: the iterator is given back, and the error goes on to the `catch` outside.
    pub fn release_on_error(&mut self, iter: tapdeck_ebpf::ir::Iter, f: impl FnOnce(&mut Self)) {
        if self.b.catch().is_none() {
            // The handler ends; executors give everything back then.
            return f(self);
        }
        let ty = self.cx.bounds.max_ty();
        let message = self.temp(ty);
        let handler = self.b.new_block();
        let outer = self.b.set_catch(Some(tapdeck_ebpf::ir::Catch { block: handler, message: Some(message) }));
        f(self);
        self.b.set_catch(outer);
        let after = self.b.new_block();
        self.b.jump(after, self.tag);
        self.b.switch_to(handler);
        self.emit(Op::IterEnd { iter });
        self.b.terminate(Term::Raise { message: StrOperand::Var(message) }, self.tag);
        self.b.switch_to(after);
    }
}

pub(super) fn cmp_op(op: CompareOp) -> CmpOp {
    match op {
        CompareOp::Eq => CmpOp::Eq,
        CompareOp::Ne => CmpOp::Ne,
        CompareOp::Lt => CmpOp::Lt,
        CompareOp::Le => CmpOp::Le,
        CompareOp::Gt => CmpOp::Gt,
        CompareOp::Ge => CmpOp::Ge,
    }
}

/// Blocks in blocks mean nothing: names live as long as the handler.
pub(super) fn flatten<'s>(stmt: &'s Stmt, out: &mut Vec<&'s Stmt>) {
    match &stmt.kind {
        StmtKind::Block(stmts) => stmts.iter().for_each(|stmt| flatten(stmt, out)),
        StmtKind::Null => {}
        _ => out.push(stmt),
    }
}

/// 0 or "" of a type, for results nobody computes because an error was reported.
pub(super) fn placeholder(ty: Ty, empty: StrOperand) -> Arg {
    match ty {
        Ty::Long => Arg::Long(Operand::Imm(0)),
        Ty::Str { .. } | Ty::Packed { .. } => Arg::Str(empty),
    }
}
