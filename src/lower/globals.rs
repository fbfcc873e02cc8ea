//! Globals: scalars, array elements and statistics, read and written.

use tapdeck_ebpf::ir::{Arg, BinOp, Extractor, Op, Operand, StoreId, StrOperand, Ty, Var, When};

use super::{body::BodyLower, executor::Side, expressions::bin_op, packed::UNSIZED, packed_sizes::MAX_PACKED, steps};
use crate::{
    diagnostics::catalogue::generate,
    elaborate::program::{Expr, ExprKind, GlobalId, Target},
    language::{
        ast::{AssignOp, BinaryOp, StatOp},
        types::Type,
    },
    source::Span,
};

pub(super) fn extractor(op: StatOp) -> Extractor {
    match op {
        StatOp::Count => Extractor::Count,
        StatOp::Sum => Extractor::Sum,
        StatOp::Min => Extractor::Min,
        StatOp::Max => Extractor::Max,
        StatOp::Avg => Extractor::Avg,
        StatOp::Variance => Extractor::Variance,
    }
}

impl BodyLower<'_, '_> {
    pub fn store(&mut self, global: GlobalId) -> StoreId {
        if self.is_out_of_reach(global) {
            self.refuse_handed_over(global);
        }
        StoreId(global.0)
    }

    /// A scalar or an element as a value.
    pub fn get(&mut self, global: GlobalId, keys: &[Expr], dst: Option<Var>) -> Arg {
        let store = self.store(global);
        let keys = self.args_of(keys);
        self.get_at(store, keys, global, dst)
    }

    fn get_at(&mut self, store: StoreId, keys: Vec<Arg>, global: GlobalId, dst: Option<Var>) -> Arg {
        let ty = self.value_ty(global);
        let dst = dst.filter(|dst| self.b.var_ty(*dst) == ty).unwrap_or_else(|| self.temp(ty));
        self.emit(Op::Get { dst, store, keys });
        self.var_arg(dst)
    }

    /// The type of a scalar's value or an array's, where it is read into a variable.
    pub fn value_ty(&self, global: GlobalId) -> Ty {
        match self.cx.program.globals[global.index()].value {
            Type::Str if self.keeps_packed(global) => UNSIZED,
            Type::Str => self.cx.bounds.ty(self.cx.bounds.globals[global.index()].value),
            _ => Ty::Long,
        }
    }

    fn keeps_packed(&self, global: GlobalId) -> bool {
        self.side == Side::Kernel && self.cx.packed.global(global).is_some()
    }

    pub fn contains(&mut self, global: GlobalId, keys: &[Option<Expr>], span: Span, dst: Option<Var>) -> Arg {
        if self.side == Side::Kernel && keys.iter().any(Option::is_none) {
            self.cx.report(generate::wildcard_key("in", span));
            return Arg::Long(Operand::Imm(0));
        }
        let store = self.store(global);
        let keys = self.optional_keys(keys);
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Contains { dst, store, keys });
        self.var_arg(dst)
    }

    pub fn extract(&mut self, op: StatOp, global: GlobalId, keys: &[Expr], dst: Option<Var>) -> Arg {
        let store = self.store(global);
        let keys = self.args_of(keys);
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Extract { dst, store, keys, op: extractor(op) });
        self.var_arg(dst)
    }

    pub fn bucket(&mut self, global: GlobalId, keys: &[Expr], index: &Expr, dst: Option<Var>) -> Arg {
        let store = self.store(global);
        let all: Vec<&Expr> = keys.iter().chain([index]).collect();
        let mut keys = self.args_in_order(&all);
        let index = long_of(keys.pop());
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Bucket { dst, store, keys, index });
        self.var_arg(dst)
    }

    /// An assignment, its value only where `wanted`.
    pub fn assign(&mut self, op: AssignOp, target: &Target, value: &Expr, wanted: bool) -> Arg {
        let (op, value) = match (op, steps::increment(target, value)) {
            (AssignOp::Set, Some((op, by))) => (AssignOp::Binary(op), by),
            _ => (op, value),
        };
        match target {
            Target::Local(local) => {
                let var = self.local_var(*local);
                self.assign_local(op, var, *local, value)
            }
            Target::Global(global) => self.assign_global(op, *global, &[], value, wanted),
            Target::Element { global, keys } => self.assign_global(op, *global, keys, value, wanted),
        }
    }

    fn assign_local(&mut self, op: AssignOp, var: Var, local: crate::elaborate::program::LocalId, value: &Expr) -> Arg {
        match op {
            AssignOp::Set if self.is_packed_var(var) => self.packed_into(value, var),
            AssignOp::Concat if self.is_packed_var(var) => {
                let whole = Expr {
                    kind: ExprKind::Concat(vec![
                        Expr { kind: ExprKind::Local(local), ty: Type::Str, span: value.span },
                        value.clone(),
                    ]),
                    ty: Type::Str,
                    span: value.span,
                };
                self.packed_into(&whole, var);
            }
            // `x = f(x)`: a string must not be written while it is read.
            AssignOp::Set if value.ty == Type::Str && super::expressions::mentions(value, local) => {
                let value = self.arg(value);
                self.copy_to(var, value);
            }
            AssignOp::Set => {
                let value = self.arg_to(value, Some(var));
                self.copy_to(var, value);
            }
            AssignOp::Concat => {
                let b = self.string(value);
                let ty = self.b.var_ty(var);
                let dst = self.temp(ty);
                self.emit(Op::StrConcat { dst, a: StrOperand::Var(var), b });
                self.emit(Op::StrCopy { dst: var, src: StrOperand::Var(dst) });
            }
            AssignOp::Binary(op) => {
                let b = self.long(value);
                self.emit(Op::Binary { op: bin_op(op), dst: var, a: Operand::Var(var), b });
            }
            // Statistics are always global (checked in pass 2).
            AssignOp::Accumulate => self.effect(value),
        }
        self.var_arg(var)
    }

    fn assign_global(&mut self, op: AssignOp, global: GlobalId, keys: &[Expr], value: &Expr, wanted: bool) -> Arg {
        let store = self.store(global);
        let all: Vec<&Expr> = keys.iter().chain([value]).collect();
        if self.keeps_packed(global) {
            return self.assign_packed(op, global, &all);
        }
        let mut keys = self.args_in_order(&all);
        let Some(value) = keys.pop() else { return Arg::Long(Operand::Imm(0)) };
        match op {
            AssignOp::Set => {
                self.emit(Op::Set { store, keys, value });
                value
            }
            AssignOp::Accumulate => {
                self.emit(Op::Accumulate { store, keys, value: long_of(Some(value)) });
                value
            }
            AssignOp::Binary(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                let delta = match (op, long_of(Some(value))) {
                    (BinaryOp::Sub, Operand::Imm(n)) => Operand::Imm(n.wrapping_neg()),
                    (BinaryOp::Sub, delta) => self.b.unary(tapdeck_ebpf::ir::UnOp::Neg, delta, self.tag),
                    (_, delta) => delta,
                };
                let result = wanted.then(|| (self.long_temp(), When::After));
                self.emit(Op::Add { store, keys, delta, result });
                result.map_or(Arg::Long(Operand::Imm(0)), |(var, _)| self.var_arg(var))
            }
            AssignOp::Binary(op) => {
                let old = self.get_at(store, keys.clone(), global, None);
                let new = self.b.binary(bin_op(op), long_of(Some(old)), long_of(Some(value)), self.tag);
                self.emit(Op::Set { store, keys, value: Arg::Long(new) });
                Arg::Long(new)
            }
            AssignOp::Concat => {
                let old = self.get_at(store, keys.clone(), global, None);
                let ty = self.arg_ty(old);
                let (Arg::Str(a), Arg::Str(b)) = (old, value) else { return old };
                let dst = self.temp(ty);
                self.emit(Op::StrConcat { dst, a, b });
                self.emit(Op::Set { store, keys, value: self.var_arg(dst) });
                self.var_arg(dst)
            }
        }
    }

    /// `a[k] = text` of a text that stays packed; `exprs` are the keys and the text.
    fn assign_packed(&mut self, op: AssignOp, global: GlobalId, exprs: &[&Expr]) -> Arg {
        let store = self.store(global);
        if op == AssignOp::Concat {
            // Each time it has one piece more.
            let at = exprs.last().map_or(Span::NONE, |value| value.span);
            self.cx.report(generate::text_grows(MAX_PACKED, at));
        }
        let wants: Vec<bool> = (0..exprs.len()).map(|idx| idx + 1 == exprs.len()).collect();
        let mut keys = self.args_as(exprs, &wants);
        let Some(value @ Arg::Packed(_)) = keys.pop() else { return Arg::Long(Operand::Imm(0)) };
        self.emit(Op::Set { store, keys, value });
        value
    }

    /// `++` and `--`. On globals an atomic add, so that no count is lost between processors.
    pub fn crement(&mut self, increment: bool, prefix: bool, target: &Target, wanted: bool) -> Arg {
        let delta = Operand::Imm(if increment { 1 } else { -1 });
        let (global, keys) = match target {
            Target::Local(local) => {
                let var = self.local_var(*local);
                let old = (wanted && !prefix).then(|| self.copied(Arg::Long(Operand::Var(var))));
                self.emit(Op::Binary { op: BinOp::Add, dst: var, a: Operand::Var(var), b: delta });
                return old.unwrap_or(Arg::Long(Operand::Var(var)));
            }
            Target::Global(global) => (*global, Vec::new()),
            Target::Element { global, keys } => (*global, self.args_of(keys)),
        };
        let when = if prefix { When::After } else { When::Before };
        let result = wanted.then(|| (self.long_temp(), when));
        let store = self.store(global);
        self.emit(Op::Add { store, keys, delta, result });
        result.map_or(Arg::Long(Operand::Imm(0)), |(var, _)| self.var_arg(var))
    }
}

/// The long in an argument; types were checked in pass 2, so anything else cannot come.
pub(super) fn long_of(arg: Option<Arg>) -> Operand {
    match arg {
        Some(Arg::Long(operand)) => operand,
        _ => Operand::Imm(0),
    }
}

/// Whether an expression assigns to locals or calls what may.
pub(super) fn assigns_local(expr: &Expr, local: crate::elaborate::program::LocalId) -> bool {
    let mut found = false;
    crate::elaborate::walk::expr_and_below(expr, &mut |expr| {
        found |= matches!(&expr.kind,
            ExprKind::Assign { target: Target::Local(target), .. }
            | ExprKind::Crement { target: Target::Local(target), .. } if *target == local);
    });
    found
}
