//! Text that only flows to output, or to where it is kept in pieces ([`super::packed`]), is not made in the kernel. Where it stands, the values it is made of are captured; the
//! rest of the expression becomes a pure function that user space runs when it reads the record.
//!
//! ```text
//!   argstr = sprintf("%s, %d", user_string_quoted(p), n)       captures: text at p, its address, n
//!   …
//!   printf("%s(%s)\n", name, argstr)                           argstr → text_0(in1, in2, in3)
//! ```
//!
//! A local takes part when it is assigned once, in straight line before everything that reads it: then it is only a
//! name for its value.

use std::rc::Rc;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use tapdeck_ebpf::ir::{Arg, BinOp, Op, Operand, Recipe, Space, StrOperand, Term, Ty, Var};

use super::{
    Cx,
    body::{BodyLower, LocalSlot, reads_in},
    executor::Side,
    functions::reads_memory,
    handed_over::value_may_fail,
    matches,
    memory::READABLE,
    packed::UNSIZED,
    printing::is_text,
};
use crate::{
    builtins::{self, Implementation, QuotedFault, Special},
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, LocalId, Print, Stmt, StmtKind, Target},
        walk,
    },
    language::{
        ast::{AssignOp, BinaryOp, CompareOp},
        format::{Conversion, ConversionKind, Flag, Format, Piece, Size},
        types::Type,
    },
    source::Span,
};

/// A local that stands for an expression over captured values.
#[derive(Debug)]
pub(super) struct Deferred {
    /// Its locals are indices into `captured`.
    pub expr: Expr,
    pub captured: Vec<Arg>,
    pub assigned: Span,
    /// What in it only user space can do.
    pub because: Option<String>,
    /// It may be an error in user space.
    fails: bool,
}

/// Values captured for a record, in order; the index is the input's.
#[derive(Debug, Default)]
pub(super) struct Captures {
    pub list: Vec<Captured>,
    /// Expressions captured already that give the same wherever the handler asks.
    known: Vec<(Expr, usize)>,
    /// Locals that change between capture and use.
    pub changing: HashSet<LocalId>,
    /// Choices user space makes around the place.
    n_conditions: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Captured {
    Plain(Arg, Ty),
    Memory { addr: Operand, len: Operand, cap: u16, space: Space },
}

impl Captures {
    /// The same value is captured once.
    pub fn add(&mut self, arg: Arg, ty: Ty) -> usize {
        self.push(Captured::Plain(arg, ty))
    }

    pub fn push(&mut self, captured: Captured) -> usize {
        if let Some(known) = self.list.iter().position(|known| *known == captured) {
            return known;
        }
        self.list.push(captured);
        self.list.len() - 1
    }
}

impl BodyLower<'_, '_> {
    /// Makes `local = expr` a name for `expr` when that is possible and worth it. `rest` are the statements behind.
    pub fn try_defer(&mut self, stmt: &Stmt, rest: &[&Stmt]) -> bool {
        let StmtKind::Expr(expr) = &stmt.kind else { return false };
        let ExprKind::Assign { op: AssignOp::Set, target: Target::Local(local), value } = &expr.kind else {
            return false;
        };
        if self.side == Side::User || self.uses[local.index()].n_assigned != 1 {
            return false;
        }
        let because = self.obstacle(value);
        if because.is_none() && !(is_text(value) && self.is_structure(value)) {
            return false;
        }
        let mut reads = HashMap::default();
        let mut in_prints = HashMap::default();
        let mut changing = HashSet::default();
        for stmt in rest {
            walk::every_expr(stmt, &mut |expr| {
                match &expr.kind {
                    ExprKind::Local(local) => *reads.entry(*local).or_default() += 1,
                    ExprKind::Assign { target: Target::Local(local), .. }
                    | ExprKind::Crement { target: Target::Local(local), .. } => {
                        changing.insert(*local);
                    }
                    _ => {}
                };
                if let Some(args) = output_args(expr) {
                    args.iter().for_each(|arg| reads_in(arg, &mut in_prints));
                }
                // What is kept in pieces is no more needed now than what is printed.
                if let ExprKind::Assign {
                    target: Target::Global(global) | Target::Element { global, .. }, value, ..
                } = &expr.kind
                    && self.cx.packed.global(*global).is_some()
                {
                    reads_in(value, &mut in_prints);
                }
            });
            walk::every_stmt(stmt, &mut |stmt| match &stmt.kind {
                StmtKind::Foreach(each) => changing.extend(each.keys.iter().chain(&each.value)),
                StmtKind::Try { var: Some(var), .. } => {
                    changing.insert(*var);
                }
                _ => {}
            });
        }
        let n_reads: u32 = reads.get(local).copied().unwrap_or(0);
        if n_reads != self.uses[local.index()].n_read {
            return false;
        }
        // Needed in the kernel and possible there: make it once, as a variable.
        if because.is_none() && in_prints.get(local).copied().unwrap_or(0) != n_reads {
            return false;
        }
        let captures = Captures { changing, ..Captures::default() };
        let deferred = self.at(value.span, |body| body.deferred(value, captures, stmt.span, because));
        self.locals[local.index()] = LocalSlot::Deferred(deferred);
        true
    }

    /// What a local stands for. Its errors come where it is used.
    pub fn deferred(
        &mut self,
        value: &Expr,
        mut captures: Captures,
        assigned: Span,
        because: Option<String>,
    ) -> Rc<Deferred> {
        let outer = std::mem::take(&mut self.fails_there);
        let expr = self.residual(value, &mut captures);
        let fails = std::mem::replace(&mut self.fails_there, outer);
        let captured = captures.list.into_iter().map(|captured| match captured {
            Captured::Plain(arg, _) => arg,
            Captured::Memory { addr, .. } => Arg::Long(addr),
        });
        Rc::new(Deferred { expr, captured: captured.collect(), assigned, because, fails })
    }

    /// The text of a deferred local is needed while the handler runs.
    pub fn deferred_in_kernel(&mut self, local: LocalId, deferred: &Rc<Deferred>, at: Span) -> Arg {
        if let Some(because) = &deferred.because {
            let name = self.names_of(local);
            self.cx.report(generate::deferred_local_needed(&name, because, at, deferred.assigned));
            return self.nothing(&deferred.expr);
        }
        // Its locals are captured values for the time being.
        let slots: Vec<LocalSlot> = deferred.captured.iter().map(|arg| LocalSlot::Value(*arg)).collect();
        let lens = deferred.captured.iter().map(|arg| match self.arg_ty(*arg) {
            Ty::Str { cap } => cap - 1,
            Ty::Long | Ty::Packed { .. } => 0,
        });
        let lens = lens.collect();
        let (locals, outer_lens) =
            (std::mem::replace(&mut self.locals, slots), std::mem::replace(&mut self.lens, lens));
        let value = self.arg(&deferred.expr);
        self.locals = locals;
        self.lens = outer_lens;
        value
    }

    /// Something made of other values, rather than a value to capture.
    fn is_structure(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Concat(_) | ExprKind::Ternary { .. } => true,
            ExprKind::Print(print) => print.to_string && !reads_memory(print) && !shows_histogram(print),
            ExprKind::Call { function, .. } => self.cx.facts.pure_[function.index()],
            ExprKind::Builtin { builtin, .. } => {
                let row = builtins::get(*builtin);
                row.pure_ || matches!(row.implementation, Implementation::Lowered(Special::ReadQuoted { .. }))
            }
            ExprKind::Local(local) => matches!(self.slot(*local), LocalSlot::Deferred(_)),
            _ => false,
        }
    }

    /// What is left of `expr` when the values in it are captured: an expression over captured values only.
    pub fn residual(&mut self, expr: &Expr, captures: &mut Captures) -> Expr {
        let made = |kind| Expr { kind, ty: expr.ty, span: expr.span };
        if let ExprKind::Local(local) = &expr.kind
            && let LocalSlot::Deferred(deferred) = self.slot(*local).clone()
        {
            return self.inline(&deferred, captures);
        }
        // What may never be looked at is divided later.
        let later = captures.n_conditions > 0 && divides(expr);
        if !is_text(expr) && !later && self.obstacle(expr).is_none() {
            return self.capture(expr, captures);
        }
        match &expr.kind {
            ExprKind::Long(_) | ExprKind::Str(_) => expr.clone(),
            ExprKind::Concat(parts) => made(ExprKind::Concat(self.residuals(parts, captures))),
            ExprKind::Print(print) if self.is_structure(expr) => {
                let args = self.residuals(&print.args, captures);
                made(ExprKind::Print(Box::new(Print { args, ..(**print).clone() })))
            }
            ExprKind::Call { function, args } => {
                let divides = self.cx.facts.divides[function.index()];
                let may_stay = self.is_structure(expr);
                // Where it is written out, what it divides by is looked at now.
                let write_out = match may_stay {
                    true => divides && self.cx.is_one_return(*function),
                    false => self.cx.function_obstacle(*function).is_some(),
                };
                let residual = if write_out { self.residual_call(*function, args, captures) } else { None };
                match residual {
                    Some(residual) => residual,
                    None if may_stay => {
                        self.fails_there |= divides;
                        made(ExprKind::Call { function: *function, args: self.residuals(args, captures) })
                    }
                    None => self.capture(expr, captures),
                }
            }
            ExprKind::Builtin { builtin, args } if self.is_structure(expr) => {
                match builtins::get(*builtin).implementation {
                    Implementation::Lowered(Special::ReadQuoted { space, fault }) => {
                        self.residual_quoted(space, fault, args, captures)
                    }
                    _ => {
                        if captures.n_conditions == 0 {
                            self.no_failed_match(expr);
                        }
                        made(ExprKind::Builtin { builtin: *builtin, args: self.residuals(args, captures) })
                    }
                }
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                self.residual_ternary([cond, then, otherwise], captures, expr)
            }
            ExprKind::Unary { op, expr: inner } => {
                made(ExprKind::Unary { op: *op, expr: Box::new(self.residual(inner, captures)) })
            }
            ExprKind::Binary { op, left, right } => {
                let [left, right] = self.residual_pair(left, right, captures);
                if may_divide_by_zero(expr) {
                    self.fails_there |= captures.n_conditions > 0 || !self.no_division_by_zero(&right, captures);
                }
                made(ExprKind::Binary { op: *op, left, right })
            }
            ExprKind::Regex { negated, left, pattern } => {
                let left = Box::new(self.residual(left, captures));
                made(ExprKind::Regex { negated: *negated, left, pattern: pattern.clone() })
            }
            ExprKind::Compare { op, left, right } => {
                let [left, right] = self.residual_pair(left, right, captures);
                made(ExprKind::Compare { op: *op, left, right })
            }
            ExprKind::Logical { op, left, right } if !self.changes_something(right) => {
                let left = Box::new(self.residual(left, captures));
                let right = Box::new(self.conditional_residual(right, captures));
                made(ExprKind::Logical { op: *op, left, right })
            }
            _ => self.capture(expr, captures),
        }
    }

    /// Where the divisor is known already the error comes now, and what stands behind does not run.
    fn no_division_by_zero(&mut self, divisor: &Expr, captures: &Captures) -> bool {
        let ExprKind::Local(input) = divisor.kind else { return matches!(divisor.kind, ExprKind::Long(n) if n != 0) };
        let Some(Captured::Plain(Arg::Long(b), _)) = captures.list.get(input.index()) else { return false };
        let dst = self.temp(Ty::Long);
        self.emit(Op::Binary { op: BinOp::Div, dst, a: Operand::Imm(1), b: *b });
        true
    }

    /// That nothing matched is known already, too.
    fn no_failed_match(&mut self, question: &Expr) {
        let Some((which, message)) = matches::failing(question) else { return };
        let matched = match which.map(|local| self.slot(local).clone()) {
            Some(LocalSlot::Var(which)) => Operand::Var(which),
            Some(LocalSlot::Value(Arg::Long(which))) => which,
            Some(_) => return,
            None => Operand::Imm(0),
        };
        let [fine, failed] = [self.b.new_block(), self.b.new_block()];
        self.b.branch(matched, fine, failed, self.tag);
        self.b.switch_to(failed);
        let message = StrOperand::Const(self.cx.strings.intern(message.as_bytes()));
        self.b.terminate(Term::Raise { message }, self.tag);
        self.b.switch_to(fine);
    }

    fn residuals(&mut self, exprs: &[Expr], captures: &mut Captures) -> Vec<Expr> {
        exprs.iter().map(|expr| self.residual(expr, captures)).collect()
    }

    /// What user space may pass by must not have been done here.
    fn changes_something(&self, expr: &Expr) -> bool {
        let mut found = false;
        walk::expr_and_below(expr, &mut |part| {
            found |= match &part.kind {
                ExprKind::Assign { .. } | ExprKind::Crement { .. } => true,
                ExprKind::Print(print) => !print.to_string,
                ExprKind::Call { function, .. } => !self.cx.facts.pure_[function.index()],
                ExprKind::Builtin { builtin, .. } => {
                    matches!(&builtins::get(*builtin).implementation, Implementation::Host(_))
                        && !builtins::get(*builtin).pure_
                }
                _ => false,
            };
        });
        found
    }

    /// Of what user space may pass by.
    fn conditional_residual(&mut self, expr: &Expr, captures: &mut Captures) -> Expr {
        captures.n_conditions += 1;
        let residual = self.residual(expr, captures);
        captures.n_conditions -= 1;
        residual
    }

    fn residual_pair(&mut self, left: &Expr, right: &Expr, captures: &mut Captures) -> [Box<Expr>; 2] {
        [left, right].map(|expr| Box::new(self.residual(expr, captures)))
    }

    /// Computes `expr` here and gives the input's name.
    fn capture(&mut self, expr: &Expr, captures: &mut Captures) -> Expr {
        if captures.n_conditions > 0 && value_may_fail(expr) {
            return self.capture_with_error(expr, captures);
        }
        let constant = is_constant_here(expr).then(|| {
            let mut key = expr.clone();
            forget_spans(&mut key);
            key
        });
        if let Some(key) = &constant
            && let Some((_, input)) = captures.known.iter().find(|(known, _)| known == key)
        {
            return Expr { kind: ExprKind::Local(LocalId(*input as u32)), ..expr.clone() };
        }
        let mut value = self.maybe_packed(expr);
        if let ExprKind::Local(local) | ExprKind::Assign { target: Target::Local(local), .. } = &expr.kind
            && captures.changing.contains(local)
        {
            value = self.copied(value);
        }
        match value {
            Arg::Long(Operand::Imm(n)) => Expr { kind: ExprKind::Long(n), ..expr.clone() },
            Arg::Str(StrOperand::Const(id)) => {
                Expr { kind: ExprKind::Str(self.cx.strings.get(id).into()), ..expr.clone() }
            }
            value => {
                let ty = self.arg_ty(value);
                let input = captures.add(value, ty);
                captures.known.extend(constant.map(|key| (key, input)));
                Expr { kind: ExprKind::Local(LocalId(input as u32)), ty: expr.ty, span: expr.span }
            }
        }
    }

    /// What user space may pass by must not fail here: its error is captured too, and is one where the value is asked for.
    fn capture_with_error(&mut self, expr: &Expr, captures: &mut Captures) -> Expr {
        let ty = match (self.is_packed(expr), expr.ty) {
            (true, _) => UNSIZED,
            (false, Type::Str) => self.str_ty(expr),
            (false, _) => Ty::Long,
        };
        let (value, failed, message) = (self.temp(ty), self.long_temp(), self.error_var());
        self.emit(Op::Copy { dst: failed, src: Operand::Imm(0) });
        self.catching(
            Some(message),
            |body| {
                let found = body.maybe_packed(expr);
                body.copy_to(value, found);
            },
            |body| {
                body.emit(Op::Copy { dst: failed, src: Operand::Imm(1) });
                let nothing = body.zero(ty);
                body.copy_to(value, nothing);
            },
        );
        self.fails_there = true;
        let [cond, message, otherwise] = [(failed, Type::Long), (message, Type::Str), (value, expr.ty)]
            .map(|(var, ty)| Expr { kind: ExprKind::Local(self.captured(var, captures)), ty, span: expr.span });
        let then = raised(message, expr.ty);
        let [cond, then, otherwise] = [cond, then, otherwise].map(Box::new);
        Expr { kind: ExprKind::Ternary { cond, then, otherwise }, ty: expr.ty, span: expr.span }
    }

    /// A variable for the text of an error, which there may not be.
    fn error_var(&mut self) -> Var {
        let ty = self.cx.bounds.max_ty();
        let error = self.temp(ty);
        let none = self.literal(b"");
        self.emit(Op::StrCopy { dst: error, src: none });
        error
    }

    fn captured(&mut self, var: Var, captures: &mut Captures) -> LocalId {
        LocalId(captures.add(self.var_arg(var), self.b.var_ty(var)) as u32)
    }

    /// A deferred local inside another expression: its captured values join, its expression takes their new names.
    pub fn inline(&mut self, deferred: &Deferred, captures: &mut Captures) -> Expr {
        let inputs: Vec<u32> = deferred
            .captured
            .iter()
            .map(|arg| {
                let ty = self.arg_ty(*arg);
                captures.add(*arg, ty) as u32
            })
            .collect();
        self.fails_there |= deferred.fails;
        let mut expr = deferred.expr.clone();
        rename_locals(&mut expr, &|local| LocalId(inputs[local.index()]));
        expr
    }

    /// Only the chosen side's values are captured, so that `p ? kernel_string(p) : "none"` never reads at 0.
    fn residual_ternary(&mut self, parts: [&Expr; 3], captures: &mut Captures, expr: &Expr) -> Expr {
        let [cond, then, otherwise] = parts;
        let made = |cond, then, otherwise| {
            let [cond, then, otherwise] = [cond, then, otherwise].map(Box::new);
            Expr { kind: ExprKind::Ternary { cond, then, otherwise }, ty: expr.ty, span: expr.span }
        };
        let free = is_free(then) && is_free(otherwise);
        let may_wait = captures.n_conditions > 0 && value_may_fail(cond);
        if free || may_wait || self.obstacle(cond).is_some() {
            if self.changes_something(then) || self.changes_something(otherwise) {
                return self.capture(expr, captures);
            }
            let cond = self.residual(cond, captures);
            let then = self.conditional_residual(then, captures);
            return made(cond, then, self.conditional_residual(otherwise, captures));
        }
        let cond = self.capture(cond, captures);
        let ExprKind::Local(input) = cond.kind else {
            // Known already.
            let taken = if matches!(cond.kind, ExprKind::Long(0)) { otherwise } else { then };
            return self.residual(taken, captures);
        };
        let Captured::Plain(Arg::Long(test), _) = captures.list[input.index()] else {
            return self.capture(expr, captures);
        };
        let (yes, no, join) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.branch(test, yes, no, self.tag);
        self.b.switch_to(yes);
        // What one side captures is not there on the other, nor behind.
        let n_known = captures.known.len();
        let then = self.residual(then, captures);
        captures.known.truncate(n_known);
        self.b.jump(join, self.tag);
        self.b.switch_to(no);
        let otherwise = self.residual(otherwise, captures);
        captures.known.truncate(n_known);
        self.b.jump(join, self.tag);
        self.b.switch_to(join);
        made(cond, then, otherwise)
    }

    fn residual_quoted(&mut self, space: Space, fault: QuotedFault, args: &[Expr], captures: &mut Captures) -> Expr {
        let may_wait = captures.n_conditions > 0 && matches!(fault, QuotedFault::Raise(_));
        let error = may_wait.then(|| self.error_var());
        self.fails_there |= may_wait;
        let read = self.read_checked(space, fault, args, error);
        let [text, bad] = [read.text, read.bad].map(|var| self.captured(var, captures));
        let error = error.map(|error| self.captured(error, captures));
        quoted(text, bad, read.shown, error, Side::User)
    }

    /// The quoted text here and now.
    ///
    /// Differs from stap: in the kernel, where nothing can escape bytes, unprintable ones stay as they are.
    pub fn read_quoted_now(&mut self, space: Space, fault: QuotedFault, args: &[Expr], expr: &Expr) -> Arg {
        let read = self.read_checked(space, fault, args, None);
        let [text, bad] = [read.text, read.bad].map(|var| self.pseudo_local(var));
        let value = self.arg(&quoted(text, bad, read.shown, None, self.side));
        let ty = self.str_ty(expr);
        let dst = self.dst_for(None, ty);
        self.copy_to(dst, value);
        self.var_arg(dst)
    }
}

impl Cx<'_> {
    /// The recipe that runs `residual` over what it needs of the captures.
    pub(super) fn apply(&mut self, mut residual: Expr, captures: &Captures) -> Recipe {
        let mut inputs: Vec<LocalId> = Vec::new();
        walk::expr_and_below(&residual, &mut |expr| {
            if let ExprKind::Local(local) = &expr.kind
                && !inputs.contains(local)
            {
                inputs.push(*local);
            }
        });
        rename_locals(&mut residual, &|local| {
            LocalId(inputs.iter().position(|input| *input == local).unwrap_or(0) as u32)
        });
        forget_spans(&mut residual);
        let tys: Vec<Ty> = inputs
            .iter()
            .map(|input| match captures.list[input.index()] {
                // A packed text is one when it gets here.
                Captured::Plain(_, Ty::Packed { .. }) => self.bounds.max_ty(),
                Captured::Plain(_, ty) => ty,
                Captured::Memory { .. } => Ty::Long,
            })
            .collect();
        let function = match self.synthetic.iter().find(|(expr, known, _)| *expr == residual && *known == tys) {
            Some((_, _, id)) => *id,
            None => {
                self.functions.push(None);
                let id = tapdeck_ebpf::ir::FunctionId(self.functions.len() as u32 - 1);
                let name = format!("text_{}", self.synthetic.len());
                self.synthetic.push((residual.clone(), tys.clone(), id));
                let function = BodyLower::synthetic(self, &residual, &tys, name);
                self.functions[id.index()] = Some(function);
                id
            }
        };
        Recipe::Apply { function, args: inputs.iter().map(|input| Recipe::Input(input.index())).collect() }
    }
}

/// This error, as an expression.
fn raised(message: Expr, ty: Type) -> Expr {
    let span = message.span;
    match builtins::find("error", 1) {
        Some(builtin) => Expr { kind: ExprKind::Builtin { builtin, args: vec![message] }, ty, span },
        None => message,
    }
}

/// `bad` is [`READABLE`] ? quoted text : the error, or without one 0 ? "NULL" : the address. With more than `shown`
/// bytes of text, that many and an ellipsis.
fn quoted(text: LocalId, bad: LocalId, shown: Option<i64>, error: Option<LocalId>, side: Side) -> Expr {
    let expr = |kind, ty| Expr { kind, ty, span: Span::NONE };
    let long = |n| expr(ExprKind::Long(n), Type::Long);
    let literal = |text: &[u8]| expr(ExprKind::Str(text.into()), Type::Str);
    let text = || expr(ExprKind::Local(text), Type::Str);
    let bad = || expr(ExprKind::Local(bad), Type::Long);
    let call = |name: &str, args: Vec<Expr>| {
        let builtin = builtins::find(name, args.len())?;
        Some(expr(ExprKind::Builtin { builtin, args }, builtins::get(builtin).result))
    };
    let compare =
        |op, left, right| expr(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }, Type::Long);
    let choose = |cond, then, otherwise| {
        let [cond, then, otherwise] = [cond, then, otherwise].map(Box::new);
        expr(ExprKind::Ternary { cond, then, otherwise }, Type::Str)
    };
    let in_quotes = |text: Expr, after: &[u8]| match side {
        Side::User => {
            let escaped = call("string_quoted", vec![text.clone()]).unwrap_or(text);
            if after.is_empty() { escaped } else { expr(ExprKind::Concat(vec![escaped, literal(after)]), Type::Str) }
        }
        Side::Kernel => {
            let after = [b"\"", after].concat();
            expr(ExprKind::Concat(vec![literal(b"\""), text, literal(&after)]), Type::Str)
        }
    };
    let whole = in_quotes(text(), b"");
    let is_long = |shown| Some(compare(CompareOp::Gt, call("strlen", vec![text()])?, long(shown)));
    let readable = match shown.and_then(|shown| {
        let cut = call("substr", vec![text(), long(0), long(shown)])?;
        Some((is_long(shown)?, in_quotes(cut, b"...")))
    }) {
        Some((is_long, cut)) => choose(is_long, cut, whole),
        None => whole,
    };
    let hex = Conversion {
        flag: Some(Flag::Alternate),
        width: Size::Default,
        precision: Size::Default,
        kind: ConversionKind::Hex,
    };
    let format = Format { pieces: vec![Piece::Conversion(hex)] };
    let address = expr(ExprKind::Print(Box::new(Print { to_string: true, format, args: vec![bad()] })), Type::Str);
    let unread = match error {
        Some(error) => raised(expr(ExprKind::Local(error), Type::Str), Type::Str),
        None => choose(compare(CompareOp::Eq, bad(), long(0)), literal(b"NULL"), address),
    };
    choose(compare(CompareOp::Eq, bad(), long(READABLE)), readable, unread)
}

/// Arguments that flow to output only.
fn output_args(expr: &Expr) -> Option<&[Expr]> {
    match &expr.kind {
        ExprKind::Print(print) if !print.to_string => Some(&print.args),
        ExprKind::Builtin { builtin, args } => {
            matches!(builtins::get(*builtin).implementation, Implementation::Lowered(Special::Message(_)))
                .then_some(args)
        }
        _ => None,
    }
}

/// It gives the same text or number all through a handler: arguments and identity of what happened.
fn is_constant_here(expr: &Expr) -> bool {
    use tapdeck_ebpf::ir::Intrinsic;
    match &expr.kind {
        ExprKind::Builtin { builtin, args } => {
            let fixed = match builtins::get(*builtin).implementation {
                Implementation::Lowered(special) => matches!(
                    special,
                    Special::CallArg { .. }
                        | Special::CallReturn
                        | Special::SyscallNumber
                        | Special::SiteNumber
                        | Special::Site(_)
                ),
                Implementation::Intrinsic(op) => matches!(
                    op,
                    Intrinsic::Pid
                        | Intrinsic::Tid
                        | Intrinsic::Cpu
                        | Intrinsic::Execname
                        | Intrinsic::Ppid
                        | Intrinsic::Uid
                        | Intrinsic::KernelStack
                        | Intrinsic::UserStack
                        | Intrinsic::Address
                        | Intrinsic::UserAddress
                ),
                Implementation::Host(_) => false,
            };
            fixed && args.iter().all(|arg| matches!(arg.kind, ExprKind::Long(_)))
        }
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            is_constant_here(left) && matches!(right.kind, ExprKind::Long(_))
        }
        _ => false,
    }
}

/// Histograms are rendered from live data, which a function run later does not have.
pub(super) fn shows_histogram(print: &Print) -> bool {
    print.args.iter().any(|arg| matches!(arg.kind, ExprKind::Hist { .. }))
}

/// Capturing its values costs nothing and cannot fail.
fn is_free(expr: &Expr) -> bool {
    let mut free = true;
    walk::expr_and_below(expr, &mut |expr| {
        free &= match &expr.kind {
            ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Local(_) | ExprKind::Concat(_) => true,
            ExprKind::Ternary { .. } | ExprKind::Compare { .. } | ExprKind::Logical { .. } => true,
            ExprKind::Print(print) => print.to_string,
            _ => false,
        };
    });
    free
}

/// Dividing by something that may be 0.
pub(super) fn may_divide_by_zero(part: &Expr) -> bool {
    let ExprKind::Binary { op: BinaryOp::Div | BinaryOp::Rem, right, .. } = &part.kind else { return false };
    !matches!(right.kind, ExprKind::Long(n) if n != 0)
}

fn divides(expr: &Expr) -> bool {
    let mut found = false;
    walk::expr_and_below(expr, &mut |part| found |= may_divide_by_zero(part));
    found
}

fn rename_locals(expr: &mut Expr, name: &dyn Fn(LocalId) -> LocalId) {
    if let ExprKind::Local(local) = &mut expr.kind {
        *local = name(*local);
    }
    walk::operands_mut(expr, &mut |operand| rename_locals(operand, name));
}

/// So that the same expression of two handlers becomes one function.
fn forget_spans(expr: &mut Expr) {
    expr.span = Span::NONE;
    walk::operands_mut(expr, &mut forget_spans);
}
