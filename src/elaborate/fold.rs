//! Constants: operators over literals become literals. Branches on literals become the branch that is taken, and what
//! stands behind a jump goes away, once all of it has types. An operation that fails at run time (division by 0) stays.

use std::sync::Arc;

use super::{
    program::{Expr, ExprKind, Stmt, StmtKind},
    walk,
};
use crate::language::{
    ast::{BinaryOp, CompareOp, LogicalOp, UnaryOp},
    types::Type,
};

/// Folds every expression of a body that has no part without a type yet. True if something changed.
pub fn fold_constants(body: &mut Stmt) -> bool {
    let mut changed = false;
    walk::every_expr_mut(body, &mut |expr| changed |= !passes_over_a_part(expr) && fold(expr));
    changed
}

/// `0 && x`, whose `x` is to have a type.
fn passes_over_a_part(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Logical { left, right, .. } if long(left).is_some() && long(right).is_none())
}

/// Folds one expression with everything in it.
pub fn fold_expr(expr: &mut Expr) {
    walk::operands_mut(expr, &mut |operand| fold_expr(operand));
    fold(expr);
}

/// Drops branches that are never taken, and statements behind jumps. Their types were looked at, as those of all others.
pub fn drop_unreachable(body: &mut Stmt) {
    walk::every_expr_mut(body, &mut |expr| {
        fold(expr);
    });
    drop_dead_branches(body);
    drop_behind_jumps(body);
}

fn drop_dead_branches(body: &mut Stmt) {
    walk::inner_stmts_mut(body, &mut drop_dead_branches);
    match &mut body.kind {
        StmtKind::If { cond, then, otherwise } => {
            let Some(value) = long(cond) else { return };
            let null = Stmt { kind: StmtKind::Null, span: body.span };
            let taken = if value != 0 {
                std::mem::replace(&mut **then, null)
            } else {
                otherwise.take().map_or(null, |otherwise| *otherwise)
            };
            *body = taken;
        }
        StmtKind::Loop { init, cond: Some(cond), .. } if long(cond) == Some(0) => {
            body.kind = init.take().map_or(StmtKind::Null, StmtKind::Expr);
        }
        _ => {}
    }
}

fn drop_behind_jumps(body: &mut Stmt) {
    walk::inner_stmts_mut(body, &mut drop_behind_jumps);
    if let StmtKind::Block(stmts) = &mut body.kind
        && let Some(last) = stmts.iter().position(always_leaves)
    {
        stmts.truncate(last + 1);
    }
}

/// Nothing behind this statement is reached. What stands behind a `return` is looked at as long as types are.
fn always_leaves(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Next | StmtKind::Break | StmtKind::Continue => true,
        StmtKind::Block(stmts) => stmts.iter().any(always_leaves),
        StmtKind::If { then, otherwise: Some(otherwise), .. } => always_leaves(then) && always_leaves(otherwise),
        _ => false,
    }
}

/// The value of a literal.
pub fn long(expr: &Expr) -> Option<i64> {
    match expr.kind {
        // Without a type it stands for "zero or empty", not for a number.
        ExprKind::Long(value) if expr.ty == Type::Long => Some(value),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&Arc<[u8]>> {
    match &expr.kind {
        ExprKind::Str(text) => Some(text),
        _ => None,
    }
}

fn fold(expr: &mut Expr) -> bool {
    let folded = match &mut expr.kind {
        ExprKind::Unary { op, expr: operand } => long(operand).map(|value| {
            ExprKind::Long(match op {
                UnaryOp::Plus => value,
                UnaryOp::Neg => value.wrapping_neg(),
                UnaryOp::Not => i64::from(value == 0),
                UnaryOp::BitNot => !value,
            })
        }),
        ExprKind::Binary { op, left, right } => match (long(left), long(right)) {
            (Some(left), Some(right)) => binary(*op, left, right).map(ExprKind::Long),
            _ => None,
        },
        ExprKind::Compare { op, left, right } => {
            let ordering = match (long(left), long(right), text(left), text(right)) {
                (Some(left), Some(right), ..) => Some(left.cmp(&right)),
                (_, _, Some(left), Some(right)) => Some(left.cmp(right)),
                _ => None,
            };
            ordering.map(|ordering| ExprKind::Long(i64::from(compare(*op, ordering))))
        }
        ExprKind::Logical { op, left, right } => match (op, long(left), long(right)) {
            (LogicalOp::And, Some(0), _) => Some(ExprKind::Long(0)),
            (LogicalOp::Or, Some(value), _) if value != 0 => Some(ExprKind::Long(1)),
            (_, Some(_), Some(right)) => Some(ExprKind::Long(i64::from(right != 0))),
            _ => None,
        },
        ExprKind::Concat(parts) if parts.iter().all(|part| text(part).is_some()) => {
            let joined: Vec<u8> = parts.iter().filter_map(text).flat_map(|part| part.iter().copied()).collect();
            Some(ExprKind::Str(joined.into()))
        }
        ExprKind::Ternary { cond, then, otherwise } => match long(cond) {
            Some(value) => {
                let taken = if value != 0 { then } else { otherwise };
                let placeholder = Expr { kind: ExprKind::Long(0), ty: Type::Long, span: taken.span };
                *expr = std::mem::replace(&mut **taken, placeholder);
                return true;
            }
            None => None,
        },
        _ => None,
    };
    let Some(kind) = folded else { return false };
    expr.ty = if matches!(kind, ExprKind::Str(_)) { Type::Str } else { Type::Long };
    expr.kind = kind;
    true
}

fn compare(op: CompareOp, ordering: std::cmp::Ordering) -> bool {
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::Ne => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::Le => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::Ge => ordering.is_ge(),
    }
}

/// The language's arithmetic on two constants; `None` where it is an error at run time.
pub fn binary(op: BinaryOp, left: i64, right: i64) -> Option<i64> {
    let shift = (right & 63) as u32;
    Some(match op {
        BinaryOp::Add => left.wrapping_add(right),
        BinaryOp::Sub => left.wrapping_sub(right),
        BinaryOp::Mul => left.wrapping_mul(right),
        BinaryOp::Div if right == 0 => return None,
        BinaryOp::Rem if right == 0 => return None,
        BinaryOp::Div => left.wrapping_div(right),
        BinaryOp::Rem => left.wrapping_rem(right),
        BinaryOp::And => left & right,
        BinaryOp::Or => left | right,
        BinaryOp::Xor => left ^ right,
        BinaryOp::Shl => left << shift,
        BinaryOp::Shr => left >> shift,
        BinaryOp::Lsr => (left as u64 >> shift) as i64,
    })
}
