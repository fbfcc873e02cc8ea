//! Texts only user space can make, where an event handler keeps them: in an array or a global, in a variable that is
//! assigned more than once, as a function's argument or result. What is kept are the pieces, as the record a print would
//! send ([`ir::Ty::Packed`](tapdeck_ebpf::ir::Ty)); user space makes the text when it reads or prints it.
//!
//! ```text
//!   probe syscall.*        { args[tid()] = argstr }               pack p7(text at p, n) ─▶ map value: p7's record
//!   probe syscall.*.return { printf("%s\n", args[tid()]) }        map value ─▶ input of the line's record ─▶ text
//! ```
//! Which names are packed is found before any body is written: those a text flows to that has an obstacle.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

use tapdeck_ebpf::ir::{Arg, InputTy, Op, PrintId, PrintSite, Recipe, StrOperand, Ty, Var};

use super::{
    Cx,
    body::{BodyLower, LocalSlot},
    bounds::BodyRef,
    deferral::{Captures, Deferred},
    executor::Side,
    printing::plain_format,
};
use crate::{
    builtins::Stream,
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, ForeachBase, FunctionId, GlobalId, LocalId, Stmt, StmtKind, Target},
        walk,
    },
    language::{ast::AssignOp, types::Type},
};

/// Names with packed texts on the kernel's side, and what in those texts only user space can do.
#[derive(Debug, Default)]
pub(super) struct PackedNames {
    cells: HashMap<Cell, Rc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cell {
    /// A scalar's value, or an array's.
    Global(GlobalId),
    Local(BodyRef, LocalId),
    Result(FunctionId),
}

impl PackedNames {
    pub fn global(&self, global: GlobalId) -> Option<&Rc<str>> {
        self.cells.get(&Cell::Global(global))
    }

    pub fn local(&self, body: BodyRef, local: LocalId) -> Option<&Rc<str>> {
        self.cells.get(&Cell::Local(body, local))
    }

    pub fn result(&self, function: FunctionId) -> Option<&Rc<str>> {
        self.cells.get(&Cell::Result(function))
    }
}

impl Cx<'_> {
    /// Finds every packed name: flows go on until nothing new is reached.
    pub(super) fn find_packed(&mut self) {
        let program = self.program;
        let bodies: Vec<(BodyRef, &Stmt)> = self
            .bodies_in_kernel()
            .into_iter()
            .map(|body| match body {
                BodyRef::Probe(idx) => (body, &program.probes[idx].body),
                BodyRef::Function(idx) => (body, &program.functions[idx].body),
            })
            .collect();
        loop {
            let known = self.packed.cells.len();
            for (body, stmt) in &bodies {
                self.flows_in(*body, stmt);
            }
            if self.packed.cells.len() == known {
                return;
            }
        }
    }

    fn flows_in(&mut self, body: BodyRef, stmt: &Stmt) {
        let (mut stmts, mut exprs) = (Vec::new(), Vec::new());
        walk::every_stmt(stmt, &mut |stmt| stmts.push(stmt));
        walk::every_expr(stmt, &mut |expr| exprs.push(expr));
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Return(Some(value)) => {
                    if let BodyRef::Function(idx) = body {
                        self.flow(body, value, Cell::Result(FunctionId(idx as u32)));
                    }
                }
                StmtKind::Foreach(each) => {
                    if let (ForeachBase::Array(global), Some(local)) = (&each.base, each.value)
                        && let Some(because) = self.packed.global(*global).cloned()
                    {
                        self.packed.cells.insert(Cell::Local(body, local), because);
                    }
                }
                _ => {}
            }
        }
        for expr in exprs {
            match &expr.kind {
                ExprKind::Assign { op: AssignOp::Set | AssignOp::Concat, target, value } => {
                    let cell = match target {
                        Target::Local(local) => Cell::Local(body, *local),
                        Target::Global(global) | Target::Element { global, .. } => Cell::Global(*global),
                    };
                    // What user space keeps it keeps as text.
                    if !matches!(cell, Cell::Global(global) if self.is_handed_over(global)) {
                        self.flow(body, value, cell);
                    }
                }
                ExprKind::Call { function, args } => {
                    for (idx, arg) in args.iter().enumerate() {
                        let callee = BodyRef::Function(function.index());
                        self.flow(body, arg, Cell::Local(callee, LocalId(idx as u32)));
                    }
                }
                _ => {}
            }
        }
        if let BodyRef::Function(idx) = body
            && let Some(next) = self.program.functions[idx].next_overload
        {
            // `next` hands over the arguments, and gives what the other gives.
            for param in 0..self.program.functions[idx].n_params {
                let local = LocalId(param as u32);
                if let Some(because) = self.packed.local(body, local).cloned() {
                    self.packed.cells.insert(Cell::Local(BodyRef::Function(next.index()), local), because);
                }
            }
            if let Some(because) = self.packed.result(next).cloned() {
                self.packed.cells.insert(Cell::Result(FunctionId(idx as u32)), because);
            }
        }
    }

    fn flow(&mut self, body: BodyRef, value: &Expr, to: Cell) {
        if value.ty == Type::Str
            && !self.packed.cells.contains_key(&to)
            && let Some(because) = self.obstacle_in(value, body)
        {
            self.packed.cells.insert(to, because.into());
        }
    }

    /// The site of a text made by `recipe`. Sites with packed inputs are not shared: how much they take depends on where
    /// they are.
    fn pack_site(&mut self, inputs: Vec<InputTy>, recipe: Recipe) -> PrintId {
        let format = self.format_id(plain_format(), Stream::Output);
        let nests = inputs.iter().any(|input| matches!(input, InputTy::Packed { .. }));
        let site = PrintSite { format, inputs, args: vec![recipe], runs: None, kernel_format: None };
        if !nests {
            return self.add_print_site(site);
        }
        self.print_sites.push(site);
        PrintId(self.print_sites.len() as u32 - 1)
    }

    /// The site of a text that is known as it is.
    pub(super) fn plain_site(&mut self, cap: u16) -> PrintId {
        self.pack_site(vec![InputTy::Str { cap }], Recipe::Input(0))
    }
}

/// Packed texts get their sizes when all is written, [`super::packed_sizes`].
pub(super) const UNSIZED: Ty = Ty::Packed { cap: 0 };

impl BodyLower<'_, '_> {
    /// Whether the value of `expr` is kept packed already.
    pub fn is_packed(&self, expr: &Expr) -> bool {
        if self.side == Side::User || expr.ty != Type::Str {
            return false;
        }
        let packed = &self.cx.packed;
        match &expr.kind {
            ExprKind::Local(local) => self.is_packed_local(*local),
            ExprKind::Global(global) | ExprKind::Element { global, .. } => packed.global(*global).is_some(),
            ExprKind::Call { function, .. } => {
                packed.result(*function).is_some() && !self.cx.facts.pure_[function.index()]
            }
            ExprKind::Assign { target, .. } => match target {
                Target::Local(local) => self.is_packed_local(*local),
                Target::Global(global) | Target::Element { global, .. } => packed.global(*global).is_some(),
            },
            _ => false,
        }
    }

    fn is_packed_local(&self, local: LocalId) -> bool {
        match self.slot(local) {
            LocalSlot::Var(var) => self.is_packed_var(*var),
            LocalSlot::Value(arg) => matches!(arg, Arg::Packed(_)),
            LocalSlot::Deferred(_) => false,
        }
    }

    pub fn is_packed_var(&self, var: Var) -> bool {
        matches!(self.b.var_ty(var), Ty::Packed { .. })
    }

    /// A value that may stay packed.
    pub fn maybe_packed(&mut self, expr: &Expr) -> Arg {
        if self.is_packed(expr) { Arg::Packed(self.packed(expr, None)) } else { self.arg(expr) }
    }

    /// The text of `expr`, packed; in `dst` if that is free.
    pub fn packed(&mut self, expr: &Expr, dst: Option<Var>) -> Var {
        self.at(expr.span, |body| match &expr.kind {
            // Only what one side needs is recorded.
            ExprKind::Ternary { cond, then, otherwise } if body.obstacle(cond).is_none() => {
                let dst = dst.unwrap_or_else(|| body.temp(UNSIZED));
                body.if_else(cond, |body| body.packed_into(then, dst), |body| body.packed_into(otherwise, dst));
                dst
            }
            ExprKind::Str(text) if text.is_empty() => {
                let dst = dst.unwrap_or_else(|| body.temp(UNSIZED));
                body.emit(Op::PackCopy { dst, src: None });
                dst
            }
            _ if body.is_packed(expr) => match body.value(expr, dst) {
                Arg::Packed(var) => var,
                known => body.pack_known(known, dst),
            },
            _ => body.pack_pieces(expr, dst),
        })
    }

    pub fn packed_into(&mut self, expr: &Expr, dst: Var) {
        let var = self.packed(expr, Some(dst));
        self.copy_to(dst, Arg::Packed(var));
    }

    fn pack_pieces(&mut self, expr: &Expr, dst: Option<Var>) -> Var {
        let mut captures = Captures::default();
        walk::expr_and_below(expr, &mut |part| {
            if let ExprKind::Assign { target: Target::Local(local), .. }
            | ExprKind::Crement { target: Target::Local(local), .. } = &part.kind
            {
                captures.changing.insert(*local);
            }
        });
        let residual = self.residual(expr, &mut captures);
        self.pack(residual, captures, dst)
    }

    /// A text put off earlier, packed now.
    pub fn pack_deferred(&mut self, deferred: &Rc<Deferred>, dst: Var) {
        let mut captures = Captures::default();
        let residual = self.inline(deferred, &mut captures);
        let var = self.pack(residual, captures, Some(dst));
        self.copy_to(dst, Arg::Packed(var));
    }

    fn pack(&mut self, residual: Expr, captures: Captures, dst: Option<Var>) -> Var {
        let recipe = match residual.kind {
            ExprKind::Local(input) => Recipe::Input(input.index()),
            _ => self.cx.apply(residual, &captures),
        };
        let (tys, inputs) = captures.finish();
        let site = self.cx.pack_site(tys, recipe);
        let dst = dst.filter(|dst| !inputs.contains(&Arg::Packed(*dst)));
        let dst = dst.unwrap_or_else(|| self.temp(UNSIZED));
        self.emit(Op::Pack { dst, site, inputs });
        dst
    }

    /// A text that is known here, packed.
    pub fn pack_known(&mut self, text: Arg, dst: Option<Var>) -> Var {
        let dst = dst.unwrap_or_else(|| self.temp(UNSIZED));
        match text {
            Arg::Packed(src) => self.emit(Op::PackCopy { dst, src: Some(src) }),
            Arg::Str(StrOperand::Const(id)) if self.cx.strings.get(id).is_empty() => {
                self.emit(Op::PackCopy { dst, src: None });
            }
            text => {
                let cap = match self.arg_ty(text) {
                    Ty::Str { cap } => cap,
                    Ty::Long | Ty::Packed { .. } => 8,
                };
                let site = self.cx.plain_site(cap);
                self.emit(Op::Pack { dst, site, inputs: vec![text] });
            }
        }
        dst
    }

    /// The arguments of a call in the form its parameters have.
    pub fn args_for(&mut self, function: FunctionId, args: &[Expr]) -> Vec<Arg> {
        let callee = BodyRef::Function(function.index());
        let exprs: Vec<&Expr> = args.iter().collect();
        let in_kernel = self.side == Side::Kernel;
        let packed: Vec<bool> = (0..args.len())
            .map(|idx| in_kernel && self.cx.packed.local(callee, LocalId(idx as u32)).is_some())
            .collect();
        self.args_as(&exprs, &packed)
    }

    /// The same for arguments that are there already.
    pub fn handed_over(&mut self, function: FunctionId, args: Vec<Arg>) -> Vec<Arg> {
        let callee = BodyRef::Function(function.index());
        let in_kernel = self.side == Side::Kernel;
        let mut list = Vec::with_capacity(args.len());
        for (idx, arg) in args.into_iter().enumerate() {
            let packed = in_kernel && self.cx.packed.local(callee, LocalId(idx as u32)).is_some();
            list.push(if packed { Arg::Packed(self.pack_known(arg, None)) } else { arg });
        }
        list
    }

    /// Where a text must be known and is not.
    pub fn refuse_packed(&mut self, expr: &Expr) -> Arg {
        let because = self.obstacle(expr).unwrap_or_default();
        let what = match &expr.kind {
            ExprKind::Local(local) => Some(self.names_of(*local)),
            ExprKind::Global(global) | ExprKind::Element { global, .. } => {
                Some(self.cx.program.globals[global.index()].name.to_string())
            }
            ExprKind::Call { function, .. } => Some(self.cx.program.functions[function.index()].name.to_string()),
            _ => None,
        };
        self.cx.report(generate::text_needed(what.as_deref(), &because, expr.span));
        self.nothing(expr)
    }
}
