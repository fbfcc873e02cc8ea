//! Writing one body: what is known about its locals, and the few moves everything else is made of.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

use tapdeck_ebpf::ir::{
    self, Arg, Block, BlockData, Body, BodyBuilder, Iter, Op, Operand, SourceTag, StrOperand, Term, Ty, Var,
};

use super::{Cx, bounds::BodyRef, deferral::Deferred, executor::Side, packed::UNSIZED};
use crate::{
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, FunctionId, Local, LocalId, Probe, Stmt, StmtKind, Target},
        walk,
    },
    language::types::Type,
    probes::attach_plan::AttachPlan,
    source::Span,
};

/// One body being written.
pub(super) struct BodyLower<'c, 'a> {
    pub cx: &'c mut Cx<'a>,
    pub b: BodyBuilder,
    pub side: Side,
    /// Whose locals they are; nobody's in functions made up for deferred expressions.
    pub body: Option<BodyRef>,
    pub locals: Vec<LocalSlot>,
    /// Bounds of the locals, for [`super::bounds::Bounds::of`].
    pub lens: Vec<u16>,
    /// How often each local is assigned, and how often it is read.
    pub uses: Vec<LocalUse>,
    pub local_names: Vec<Local>,
    /// Innermost last.
    pub loops: Vec<LoopScope>,
    /// Statements around the one being written; 1 for the body's own.
    pub nesting: u32,
    /// What becomes of errors of handed-over statements where a `catch` in the kernel would have to see them.
    pub catching: Catching,
    /// A statement before this one that waits for user space and may fail there.
    pub may_have_failed: Option<Span>,
    /// What was written last may be an error where user space makes the rest of it.
    pub fails_there: bool,
    pub function: Option<FunctionScope>,
    /// Where instructions made now come from.
    pub tag: SourceTag,
}

/// Where a local is.
#[derive(Clone, Debug)]
pub(super) enum LocalSlot {
    Var(Var),
    /// A captured value that never changes: parameters of a deferred expression written in the kernel after all.
    Value(Arg),
    /// Not made here: its text is made later, where it is printed.
    Deferred(Rc<Deferred>),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LocalUse {
    pub n_assigned: u32,
    pub n_read: u32,
}

/// Whether a `try` of the kernel is around the statement being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Catching {
    Nobody,
    /// It is handed over as a whole when a part of it that may fail has to be.
    Whole,
    /// That was not possible: errors of such parts go uncaught.
    Parts,
}

/// A loop around the statement being written.
pub(super) struct LoopScope {
    pub break_to: Block,
    pub continue_to: Block,
    pub iter: Option<Iter>,
}

/// What `return` and `next` mean in a function.
pub(super) struct FunctionScope {
    pub ret: Option<Ty>,
    pub next_overload: Option<FunctionId>,
    /// The arguments as they came, for the next overload.
    pub args: Vec<Arg>,
    /// It is written into its caller: where its value goes, and where control goes on.
    pub inlined: Option<(Option<Var>, Block)>,
}

impl<'c, 'a> BodyLower<'c, 'a> {
    fn new(cx: &'c mut Cx<'a>, side: Side, body: Option<BodyRef>, locals: &[Local], lens: Vec<u16>) -> Self {
        let mut body = BodyLower {
            cx,
            b: BodyBuilder::new(),
            side,
            body,
            locals: Vec::new(),
            lens,
            uses: vec![LocalUse::default(); locals.len()],
            local_names: locals.to_vec(),
            loops: Vec::new(),
            nesting: 0,
            catching: Catching::Nobody,
            may_have_failed: None,
            fails_there: false,
            function: None,
            tag: SourceTag::NONE,
        };
        for (idx, local) in locals.iter().enumerate() {
            let ty = body.local_ty(local.ty, idx);
            let var = body.b.named_var(ty, &local.name);
            body.locals.push(LocalSlot::Var(var));
        }
        body
    }

    pub fn local_ty(&self, ty: Type, idx: usize) -> Ty {
        let packed = |body| self.cx.packed.local(body, LocalId(idx as u32)).is_some();
        match ty {
            Type::Str if self.side == Side::Kernel && self.body.is_some_and(packed) => UNSIZED,
            Type::Str => self.cx.bounds.ty(self.lens[idx]),
            _ => Ty::Long,
        }
    }

    /// A probe's handler, with its condition and, for `process.*`, the question whether it is the right process.
    pub fn handler(cx: &'c mut Cx<'a>, side: Side, idx: usize, probe: &'a Probe, filter: Option<&AttachPlan>) -> Body {
        let lens = cx.bounds.probes[idx].locals.clone();
        let mut body = BodyLower::new(cx, side, Some(BodyRef::Probe(idx)), &probe.locals, lens);
        body.tag = body.cx.tag(probe.span);
        if let Some(plan) = filter {
            body.process_filter(plan, probe.span);
        }
        if let Some(condition) = &probe.condition {
            let (run, skip) = (body.b.new_block(), body.b.new_block());
            body.branch_on(condition, run, skip);
            body.b.switch_to(skip);
            body.b.terminate(Term::Return(None), body.tag);
            body.b.switch_to(run);
        }
        body.count_uses(&probe.body);
        body.stmt(&probe.body);
        body.finish()
    }

    pub fn function(cx: &'c mut Cx<'a>, side: Side, id: FunctionId) -> ir::Function {
        let program = cx.program;
        let function = &program.functions[id.index()];
        let lens = cx.bounds.functions[id.index()].locals.clone();
        let (recursive, pure_) = (cx.facts.recursive[id.index()], cx.facts.pure_[id.index()]);
        let own = BodyRef::Function(id.index());
        let mut body = BodyLower::new(cx, side, Some(own), &function.locals, lens);
        let ret = body.cx.result_ty(id, side);
        body.tag = body.cx.tag(function.span);
        body.count_uses(&function.body);
        let args = body.arguments_for_overload(function);
        body.function = Some(FunctionScope { ret, next_overload: function.next_overload, args, inlined: None });
        body.stmt(&function.body);
        body.return_default();
        // What the library does in a loop of its own, SystemTap's does in one statement of C. In the kernel the count is
        // also what ends the loop.
        let limit = if function.of_library && side == Side::User { 0 } else { body.action_limit() };
        let mut ir_body = body.finish_with(recursive, limit);
        ir_body.has_loops |= recursive;
        ir::Function {
            name: function.name.to_string(),
            n_params: function.n_params,
            result: ret,
            recursive,
            pure_,
            body: ir_body,
        }
    }

    /// A function made up for a deferred expression: its parameters are the captured values.
    pub fn synthetic(cx: &'c mut Cx<'a>, expr: &Expr, params: &[Ty], name: String) -> ir::Function {
        let types = params.iter().enumerate().map(|(idx, ty)| Local {
            name: format!("in{idx}").into(),
            ty: if *ty == Ty::Long { Type::Long } else { Type::Str },
        });
        let lens = params.iter().map(|ty| if let Ty::Str { cap } = ty { cap - 1 } else { 0 }).collect();
        let mut body = BodyLower::new(cx, Side::User, None, &types.collect::<Vec<_>>(), lens);
        let value = body.arg(expr);
        let result = body.arg_ty(value);
        body.b.terminate(Term::Return(Some(value)), SourceTag::NONE);
        let body = body.finish();
        ir::Function { name, n_params: params.len(), result: Some(result), recursive: false, pure_: true, body }
    }

    /// Handed-over statements as a function of the values they need.
    pub fn rest(
        cx: &'c mut Cx<'a>,
        stmt: &Stmt,
        locals: &[Local],
        n_params: usize,
        lens: Vec<u16>,
        name: String,
    ) -> ir::Function {
        let mut body = BodyLower::new(cx, Side::User, None, locals, lens);
        body.tag = body.cx.tag(stmt.span);
        body.stmt(stmt);
        ir::Function { name, n_params, result: None, recursive: false, pure_: false, body: body.finish() }
    }

    fn arguments_for_overload(&mut self, function: &crate::elaborate::program::Function) -> Vec<Arg> {
        if !function.overloaded {
            return Vec::new();
        }
        (0..function.n_params)
            .map(|idx| {
                let LocalSlot::Var(var) = self.locals[idx] else { unreachable!("parameters start as variables") };
                let arg = self.var_arg(var);
                if self.uses[idx].n_assigned == 0 { arg } else { self.copied(arg) }
            })
            .collect()
    }

    fn finish(self) -> Body {
        let limit = self.action_limit();
        self.finish_with(false, limit)
    }

    /// Statements a run may execute on this side; 0 is no limit.
    fn action_limit(&self) -> u32 {
        let limits = &self.cx.options.limits;
        if self.side == Side::Kernel { limits.max_action } else { limits.max_action_user }
    }

    /// Statements are counted where a handler could otherwise run for ever, and where there is a limit.
    fn finish_with(self, recursive: bool, limit: u32) -> Body {
        let mut body = self.b.finish(self.tag);
        let counts = (body.has_loops || recursive) && limit > 0;
        body.blocks.iter_mut().for_each(|block| merge_actions(block, counts));
        body
    }

    pub fn count_uses(&mut self, stmt: &Stmt) {
        uses_in(stmt, &mut self.uses);
    }

    // The few moves everything else is made of.

    pub fn emit(&mut self, op: Op) {
        self.b.emit(op, self.tag);
    }

    /// Runs `f` with instructions belonging to `span`.
    pub fn at<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> T) -> T {
        let tag = self.cx.tag(span);
        let tag = if tag == SourceTag::NONE { self.tag } else { tag };
        let outer = std::mem::replace(&mut self.tag, tag);
        let result = f(self);
        self.tag = outer;
        result
    }

    pub fn intern(&mut self, text: &[u8]) -> ir::StrId {
        let limit = self.string_limit();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        self.cx.strings.intern(&text[..text.len().min(limit)])
    }

    /// A literal of the script where it becomes a string.
    pub fn string_literal(&mut self, text: &[u8], at: Span) -> StrOperand {
        let limit = self.string_limit();
        if text.len() > limit && at != Span::NONE {
            self.cx.report(generate::literal_cut(text.len(), limit, at));
        }
        self.literal(text)
    }

    /// Bytes of the longest string, without its NUL.
    fn string_limit(&self) -> usize {
        usize::from(self.cx.options.limits.max_string_len.max(8)) - 1
    }

    pub fn literal(&mut self, text: &[u8]) -> StrOperand {
        StrOperand::Const(self.intern(text))
    }

    pub fn long_temp(&mut self) -> Var {
        self.b.new_var(Ty::Long)
    }

    pub fn temp(&mut self, ty: Ty) -> Var {
        self.b.new_var(ty)
    }

    /// The type of a string result: wide enough for anything `expr` can give.
    pub fn str_ty(&self, expr: &Expr) -> Ty {
        self.cx.bounds.ty(self.len_of(expr))
    }

    pub fn len_of(&self, expr: &Expr) -> u16 {
        self.cx.bounds.of(self.cx.program, expr, &self.lens)
    }

    /// `dst` when a value of type `ty` fits into it, else a new temporary.
    pub fn dst_for(&mut self, dst: Option<Var>, ty: Ty) -> Var {
        match (dst, ty) {
            (Some(dst), Ty::Long) if self.b.var_ty(dst) == Ty::Long => dst,
            (Some(dst), Ty::Str { cap }) if matches!(self.b.var_ty(dst), Ty::Str { cap: room } if room >= cap) => dst,
            (Some(dst), Ty::Packed { .. }) if self.is_packed_var(dst) => dst,
            _ => self.temp(ty),
        }
    }

    pub fn var_arg(&self, var: Var) -> Arg {
        match self.b.var_ty(var) {
            Ty::Long => Arg::Long(Operand::Var(var)),
            Ty::Str { .. } => Arg::Str(StrOperand::Var(var)),
            Ty::Packed { .. } => Arg::Packed(var),
        }
    }

    /// The type a value has where it stands.
    pub fn arg_ty(&self, arg: Arg) -> Ty {
        match arg {
            Arg::Long(_) => Ty::Long,
            Arg::Str(StrOperand::Var(var)) | Arg::Packed(var) => self.b.var_ty(var),
            Arg::Str(StrOperand::Const(id)) => self.cx.bounds.ty(self.cx.strings.get(id).len() as u16),
        }
    }

    /// A copy in a new temporary, which later assignments do not touch.
    pub fn copied(&mut self, arg: Arg) -> Arg {
        let ty = self.arg_ty(arg);
        let dst = self.temp(ty);
        self.copy_to(dst, arg);
        self.var_arg(dst)
    }

    pub fn copy_to(&mut self, dst: Var, arg: Arg) {
        match arg {
            Arg::Packed(src) if src != dst => self.emit(Op::PackCopy { dst, src: Some(src) }),
            Arg::Str(_) if self.is_packed_var(dst) => {
                self.pack_known(arg, Some(dst));
            }
            Arg::Long(src) if src != Operand::Var(dst) => self.emit(Op::Copy { dst, src }),
            Arg::Str(src) if src != StrOperand::Var(dst) => self.emit(Op::StrCopy { dst, src }),
            _ => {}
        }
    }

    /// 0 or "".
    pub fn zero(&mut self, ty: Ty) -> Arg {
        match ty {
            Ty::Long => Arg::Long(Operand::Imm(0)),
            Ty::Str { .. } => Arg::Str(self.literal(b"")),
            Ty::Packed { .. } => {
                let dst = self.temp(UNSIZED);
                self.emit(Op::PackCopy { dst, src: None });
                Arg::Packed(dst)
            }
        }
    }

    pub fn slot(&self, local: LocalId) -> &LocalSlot {
        &self.locals[local.index()]
    }

    /// The variable of a local that is written to.
    pub fn local_var(&mut self, local: LocalId) -> Var {
        match self.locals[local.index()] {
            LocalSlot::Var(var) => var,
            // Only locals assigned once are deferred, so a second write cannot come; keep the program running.
            LocalSlot::Value(_) | LocalSlot::Deferred(_) => {
                let ty = self.local_ty(self.local_names[local.index()].ty, local.index());
                let var = self.temp(ty);
                self.locals[local.index()] = LocalSlot::Var(var);
                var
            }
        }
    }

    /// `then` and `otherwise` run on their sides of a branch and meet again.
    pub fn if_else(&mut self, cond: &Expr, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        let (yes, no, join) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.branch_on(cond, yes, no);
        self.b.switch_to(yes);
        then(self);
        self.b.jump(join, self.tag);
        self.b.switch_to(no);
        otherwise(self);
        self.b.jump(join, self.tag);
        self.b.switch_to(join);
    }

    /// Runs `f`, which may raise; if it does, `on_error` runs instead of the rest of it. `message` gets the text.
    pub fn catching(&mut self, message: Option<Var>, f: impl FnOnce(&mut Self), on_error: impl FnOnce(&mut Self)) {
        let (handler, join) = (self.b.new_block(), self.b.new_block());
        let outer = self.b.set_catch(Some(ir::Catch { block: handler, message }));
        f(self);
        self.b.set_catch(outer);
        self.b.jump(join, self.tag);
        self.b.switch_to(handler);
        on_error(self);
        self.b.jump(join, self.tag);
        self.b.switch_to(join);
    }

    pub fn names_of(&self, local: LocalId) -> String {
        self.local_names.get(local.index()).map_or_else(String::new, |local| local.name.to_string())
    }

    /// Calls of the side's version of a function.
    pub fn callee(&mut self, id: FunctionId) -> ir::FunctionId {
        self.cx.function(id, self.side)
    }
}

/// Each statement was marked where it began: one instruction a block says how many.
fn merge_actions(block: &mut BlockData, counts: bool) {
    let mut total = 0;
    let mut first = None;
    block.insts.retain(|inst| match inst.op {
        Op::Actions { n } => {
            first.get_or_insert(inst.tag);
            total += n;
            false
        }
        _ => true,
    });
    if let (true, Some(tag)) = (counts, first) {
        block.insts.insert(0, ir::Inst { op: Op::Actions { n: total }, tag });
    }
}

/// Counts how often a statement assigns and reads each local.
pub(super) fn uses_in(stmt: &Stmt, uses: &mut [LocalUse]) {
    walk::every_expr(stmt, &mut |expr| match &expr.kind {
        ExprKind::Local(local) => uses[local.index()].n_read += 1,
        ExprKind::Assign { target: Target::Local(local), .. }
        | ExprKind::Crement { target: Target::Local(local), .. } => uses[local.index()].n_assigned += 1,
        _ => {}
    });
    walk::every_stmt(stmt, &mut |stmt| match &stmt.kind {
        // More than once: such a variable is not a name for one text.
        StmtKind::Foreach(each) => {
            each.keys.iter().chain(&each.value).for_each(|local| uses[local.index()].n_assigned += 2);
        }
        StmtKind::Try { var: Some(var), .. } => uses[var.index()].n_assigned += 2,
        _ => {}
    });
}

/// Uses of a local below an expression, by [`LocalId`].
pub(super) fn reads_in(expr: &Expr, counts: &mut HashMap<LocalId, u32>) {
    walk::expr_and_below(expr, &mut |expr| {
        if let ExprKind::Local(local) = &expr.kind {
            *counts.entry(*local).or_default() += 1;
        }
    });
}
