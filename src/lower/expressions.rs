//! Expressions: a value of the script becomes an operand, with as few copies as order of evaluation allows.

use tapdeck_ebpf::ir::{Arg, BinOp, Op, Operand, StrOperand, UnOp, Var};

use super::{
    body::{BodyLower, LocalSlot},
    executor::Side,
    globals::{assigns_local, long_of},
    statements::cmp_op,
};
use crate::{
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, LocalId, Target},
        walk,
    },
    language::{
        ast::{BinaryOp, UnaryOp},
        types::Type,
    },
};

pub(super) fn bin_op(op: BinaryOp) -> BinOp {
    match op {
        BinaryOp::Add => BinOp::Add,
        BinaryOp::Sub => BinOp::Sub,
        BinaryOp::Mul => BinOp::Mul,
        BinaryOp::Div => BinOp::Div,
        BinaryOp::Rem => BinOp::Rem,
        BinaryOp::And => BinOp::And,
        BinaryOp::Or => BinOp::Or,
        BinaryOp::Xor => BinOp::Xor,
        BinaryOp::Shl => BinOp::Shl,
        BinaryOp::Shr => BinOp::Shr,
        BinaryOp::Lsr => BinOp::Lsr,
    }
}

/// Whether a local occurs in an expression at all.
pub(super) fn mentions(expr: &Expr, local: LocalId) -> bool {
    let mut found = false;
    walk::expr_and_below(expr, &mut |expr| found |= matches!(&expr.kind, ExprKind::Local(l) if *l == local));
    found || assigns_local(expr, local)
}

impl BodyLower<'_, '_> {
    /// For what it does, not what it gives.
    pub fn effect(&mut self, expr: &Expr) {
        self.at(expr.span, |body| match &expr.kind {
            ExprKind::Assign { op, target, value } => {
                body.assign(*op, target, value, false);
            }
            ExprKind::Crement { increment, prefix, target } => {
                body.crement(*increment, *prefix, target, false);
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                body.if_else(cond, |body| body.effect(then), |body| body.effect(otherwise));
            }
            ExprKind::Call { function, args } => {
                body.call(*function, args, expr, None);
            }
            ExprKind::Builtin { builtin, args } => {
                body.builtin(*builtin, args, expr, None);
            }
            ExprKind::Print(print) if !print.to_string => body.print(print, Default::default()),
            _ => {
                body.arg(expr);
            }
        });
    }

    pub fn long(&mut self, expr: &Expr) -> Operand {
        long_of(Some(self.arg(expr)))
    }

    pub fn string(&mut self, expr: &Expr) -> StrOperand {
        match self.arg(expr) {
            Arg::Str(operand) => operand,
            Arg::Long(_) | Arg::Packed(_) => self.literal(b""),
        }
    }

    pub fn arg(&mut self, expr: &Expr) -> Arg {
        self.arg_to(expr, None)
    }

    /// `dst` is where the value is wanted; it may come elsewhere, and the caller copies. A string `dst` must not occur
    /// in the expression.
    pub fn arg_to(&mut self, expr: &Expr, dst: Option<Var>) -> Arg {
        self.at(expr.span, |body| match body.value(expr, dst) {
            Arg::Packed(_) => body.refuse_packed(expr),
            known => known,
        })
    }

    /// The same; a text may be packed.
    pub fn value(&mut self, expr: &Expr, dst: Option<Var>) -> Arg {
        match &expr.kind {
            ExprKind::Long(n) => Arg::Long(Operand::Imm(*n)),
            ExprKind::Str(text) => Arg::Str(self.string_literal(text, expr.span)),
            ExprKind::Local(local) => self.local(*local, expr),
            ExprKind::Global(global) => self.get(*global, &[], dst),
            ExprKind::Element { global, keys } => self.get(*global, keys, dst),
            ExprKind::Call { function, args } => self.call(*function, args, expr, dst),
            ExprKind::Builtin { builtin, args } => self.builtin(*builtin, args, expr, dst),
            ExprKind::Unary { op, expr } => self.unary(*op, expr, dst),
            ExprKind::Binary { op, left, right } => {
                let [a, b] = self.two_longs(left, right);
                let dst = dst.unwrap_or_else(|| self.long_temp());
                self.emit(Op::Binary { op: bin_op(*op), dst, a, b });
                self.var_arg(dst)
            }
            ExprKind::Concat(parts) => self.concat(parts, expr, dst),
            ExprKind::Logical { .. } => {
                let dst = self.long_temp();
                self.if_else(
                    expr,
                    |body| body.emit(Op::Copy { dst, src: Operand::Imm(1) }),
                    |body| body.emit(Op::Copy { dst, src: Operand::Imm(0) }),
                );
                self.var_arg(dst)
            }
            ExprKind::Compare { op, left, right } => {
                let args = self.args_in_order(&[left, right]);
                let dst = dst.unwrap_or_else(|| self.long_temp());
                match (args[0], args[1]) {
                    (Arg::Long(a), Arg::Long(b)) => self.emit(Op::Compare { op: cmp_op(*op), dst, a, b }),
                    (Arg::Str(a), Arg::Str(b)) => self.emit(Op::StrCompare { op: cmp_op(*op), dst, a, b }),
                    _ => self.emit(Op::Copy { dst, src: Operand::Imm(0) }),
                }
                self.var_arg(dst)
            }
            ExprKind::Regex { negated, left, pattern } => {
                if self.side == Side::Kernel
                    && let Some(what) = self.cx.regex_obstacle(pattern)
                {
                    self.cx.report(generate::regex(&what, expr.span));
                    return Arg::Long(Operand::Imm(0));
                }
                let subject = self.string(left);
                // Pass 2 has seen that it can be.
                let translated = crate::language::regex::translate(pattern).unwrap_or_default();
                let pattern = self.cx.strings.intern(translated.as_bytes());
                let dst = dst.unwrap_or_else(|| self.long_temp());
                self.emit(Op::Regex { dst, subject, pattern, negated: *negated });
                self.var_arg(dst)
            }
            ExprKind::In { global, keys } => self.contains(*global, keys, expr.span, dst),
            ExprKind::Ternary { cond, then, otherwise } => self.ternary([cond, then, otherwise], expr, dst),
            ExprKind::Assign { op, target, value } => self.assign(*op, target, value, true),
            ExprKind::Crement { increment, prefix, target } => self.crement(*increment, *prefix, target, true),
            ExprKind::Print(print) if print.to_string => self.sprint(print, expr, dst),
            ExprKind::Print(print) => {
                self.print(print, Default::default());
                Arg::Long(Operand::Imm(0))
            }
            ExprKind::Stat { op, global, keys } => self.extract(*op, *global, keys, dst),
            ExprKind::Bucket { global, keys, index, .. } => self.bucket(*global, keys, index, dst),
            // Only as an argument of a print, which looks at it before coming here.
            ExprKind::Hist { .. } => Arg::Str(self.literal(b"")),
            // Programs with C in them do not come here.
            ExprKind::Embedded(_) => Arg::Long(Operand::Imm(0)),
            ExprKind::Context(context) => Arg::Long(self.context(context, dst)),
        }
    }

    fn local(&mut self, local: LocalId, expr: &Expr) -> Arg {
        match self.slot(local).clone() {
            LocalSlot::Var(var) => self.var_arg(var),
            LocalSlot::Value(arg) => arg,
            LocalSlot::Deferred(deferred) => self.deferred_in_kernel(local, &deferred, expr.span),
        }
    }

    fn unary(&mut self, op: UnaryOp, inner: &Expr, dst: Option<Var>) -> Arg {
        let a = self.long(inner);
        let op = match (op, a) {
            (UnaryOp::Plus, a) => return Arg::Long(a),
            (UnaryOp::Neg, Operand::Imm(n)) => return Arg::Long(Operand::Imm(n.wrapping_neg())),
            (UnaryOp::BitNot, Operand::Imm(n)) => return Arg::Long(Operand::Imm(!n)),
            (UnaryOp::Neg, _) => UnOp::Neg,
            (UnaryOp::Not, _) => UnOp::Not,
            (UnaryOp::BitNot, _) => UnOp::BitNot,
        };
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Unary { op, dst, a });
        self.var_arg(dst)
    }

    pub fn concat(&mut self, parts: &[Expr], expr: &Expr, dst: Option<Var>) -> Arg {
        let args = self.args_in_order(&parts.iter().collect::<Vec<_>>());
        let strings: Vec<StrOperand> =
            args.into_iter().filter_map(|arg| if let Arg::Str(s) = arg { Some(s) } else { None }).collect();
        let ty = self.str_ty(expr);
        let mut result = strings[0];
        for (idx, part) in strings.iter().enumerate().skip(1) {
            // The last one goes where the whole is wanted.
            let is_last = idx + 1 == strings.len();
            let dst = self.dst_for(dst.filter(|_| is_last), ty);
            self.emit(Op::StrConcat { dst, a: result, b: *part });
            result = StrOperand::Var(dst);
        }
        Arg::Str(result)
    }

    fn ternary(&mut self, [cond, then, otherwise]: [&Expr; 3], expr: &Expr, dst: Option<Var>) -> Arg {
        let ty = if expr.ty == Type::Str { self.str_ty(expr) } else { tapdeck_ebpf::ir::Ty::Long };
        let dst = self.dst_for(dst, ty);
        let side = |expr| {
            move |body: &mut Self| {
                let value = body.arg_to(expr, Some(dst));
                body.copy_to(dst, value);
            }
        };
        self.if_else(cond, side(then), side(otherwise));
        self.var_arg(dst)
    }

    pub fn two_longs(&mut self, left: &Expr, right: &Expr) -> [Operand; 2] {
        let args = self.args_in_order(&[left, right]);
        [long_of(args.first().copied()), long_of(args.get(1).copied())]
    }

    pub fn args_of(&mut self, exprs: &[Expr]) -> Vec<Arg> {
        self.args_in_order(&exprs.iter().collect::<Vec<_>>())
    }

    /// Operands left to right. A local that a later operand assigns is copied before that happens.
    pub fn args_in_order(&mut self, exprs: &[&Expr]) -> Vec<Arg> {
        self.args_as(exprs, &[])
    }

    /// The same; those that `packed` says are texts that stay packed.
    pub fn args_as(&mut self, exprs: &[&Expr], packed: &[bool]) -> Vec<Arg> {
        let mut args = Vec::with_capacity(exprs.len());
        for (idx, expr) in exprs.iter().enumerate() {
            let arg = match packed.get(idx) {
                Some(true) => Arg::Packed(self.packed(expr, None)),
                _ => self.arg(expr),
            };
            let is_overwritten = match result_local(expr) {
                Some(local) => exprs[idx + 1..].iter().any(|later| assigns_local(later, local)),
                None => false,
            };
            args.push(if is_overwritten { self.copied(arg) } else { arg });
        }
        args
    }
}

/// The local whose variable an expression's value is.
fn result_local(expr: &Expr) -> Option<LocalId> {
    match &expr.kind {
        ExprKind::Local(local) => Some(*local),
        ExprKind::Assign { target: Target::Local(local), .. }
        | ExprKind::Crement { target: Target::Local(local), .. } => Some(*local),
        ExprKind::Unary { op: UnaryOp::Plus, expr } => result_local(expr),
        _ => None,
    }
}
