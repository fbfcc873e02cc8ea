//! Ways over a typed body: children of expressions and statements, shared and mutable. Every pass after resolution
//! is written on these, so a new expression kind is added to a traversal once.

use super::program::{Expr, ExprKind, ForeachBase, Stmt, StmtKind, Target};

/// Calls `f` for each direct operand of `expr`, in evaluation order.
pub fn operands<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Local(_) | ExprKind::Global(_) | ExprKind::Embedded(_) => {}
        ExprKind::Element { keys, .. } | ExprKind::Stat { keys, .. } | ExprKind::Hist { keys, .. } => {
            keys.iter().for_each(f);
        }
        ExprKind::Call { args, .. } | ExprKind::Builtin { args, .. } | ExprKind::Concat(args) => {
            args.iter().for_each(f)
        }
        ExprKind::Unary { expr, .. } => f(expr),
        ExprKind::Binary { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Compare { left, right, .. } => {
            f(left);
            f(right);
        }
        ExprKind::Regex { left, .. } => f(left),
        ExprKind::In { keys, .. } => keys.iter().flatten().for_each(f),
        ExprKind::Ternary { cond, then, otherwise } => {
            f(cond);
            f(then);
            f(otherwise);
        }
        ExprKind::Assign { target, value, .. } => {
            target_keys(target).iter().for_each(&mut *f);
            f(value);
        }
        ExprKind::Crement { target, .. } => target_keys(target).iter().for_each(f),
        ExprKind::Print(print) => print.args.iter().for_each(f),
        ExprKind::Bucket { keys, index, .. } => {
            keys.iter().for_each(&mut *f);
            f(index);
        }
        ExprKind::Context(context) => {
            context.base.iter().for_each(&mut *f);
            context.operands.iter().for_each(f);
        }
    }
}

/// [`operands`], to change them.
pub fn operands_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    match &mut expr.kind {
        ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Local(_) | ExprKind::Global(_) | ExprKind::Embedded(_) => {}
        ExprKind::Element { keys, .. } | ExprKind::Stat { keys, .. } | ExprKind::Hist { keys, .. } => {
            keys.iter_mut().for_each(f);
        }
        ExprKind::Call { args, .. } | ExprKind::Builtin { args, .. } | ExprKind::Concat(args) => {
            args.iter_mut().for_each(f);
        }
        ExprKind::Unary { expr, .. } => f(expr),
        ExprKind::Binary { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Compare { left, right, .. } => {
            f(left);
            f(right);
        }
        ExprKind::Regex { left, .. } => f(left),
        ExprKind::In { keys, .. } => keys.iter_mut().flatten().for_each(f),
        ExprKind::Ternary { cond, then, otherwise } => {
            f(cond);
            f(then);
            f(otherwise);
        }
        ExprKind::Assign { target, value, .. } => {
            if let Target::Element { keys, .. } = target {
                keys.iter_mut().for_each(&mut *f);
            }
            f(value);
        }
        ExprKind::Crement { target, .. } => {
            if let Target::Element { keys, .. } = target {
                keys.iter_mut().for_each(f);
            }
        }
        ExprKind::Print(print) => print.args.iter_mut().for_each(f),
        ExprKind::Bucket { keys, index, .. } => {
            keys.iter_mut().for_each(&mut *f);
            f(index);
        }
        ExprKind::Context(context) => {
            context.base.iter_mut().for_each(&mut *f);
            context.operands.iter_mut().for_each(f);
        }
    }
}

fn target_keys(target: &Target) -> &[Expr] {
    match target {
        Target::Element { keys, .. } => keys,
        Target::Local(_) | Target::Global(_) => &[],
    }
}

/// What stands directly in a statement.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    Expr(&'a Expr),
    Stmt(&'a Stmt),
}

/// Calls `f` for each expression, then for each statement that stands directly in `stmt`.
pub fn parts<'a>(stmt: &'a Stmt, f: &mut dyn FnMut(Part<'a>)) {
    let mut exprs = |exprs: &mut dyn Iterator<Item = &'a Expr>| exprs.for_each(|expr| f(Part::Expr(expr)));
    match &stmt.kind {
        StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next | StmtKind::Embedded(_) => {}
        StmtKind::Block(stmts) => stmts.iter().for_each(|stmt| f(Part::Stmt(stmt))),
        StmtKind::Expr(expr) => f(Part::Expr(expr)),
        StmtKind::If { cond, then, otherwise } => {
            f(Part::Expr(cond));
            f(Part::Stmt(then));
            otherwise.iter().for_each(|stmt| f(Part::Stmt(stmt)));
        }
        StmtKind::Loop { init, cond, step, body } => {
            exprs(&mut [init, cond, step].into_iter().flatten());
            f(Part::Stmt(body));
        }
        StmtKind::Foreach(each) => {
            if let ForeachBase::Hist { keys, .. } = &each.base {
                exprs(&mut keys.iter());
            }
            exprs(&mut each.slice.iter().flatten());
            exprs(&mut each.limit.iter());
            f(Part::Stmt(&each.body));
        }
        StmtKind::Return(value) => exprs(&mut value.iter()),
        StmtKind::Delete { keys, .. } => exprs(&mut keys.iter().flatten()),
        StmtKind::Try { body, catch, .. } => {
            f(Part::Stmt(body));
            f(Part::Stmt(catch));
        }
    }
}

/// Calls `f` for each expression that stands directly in `stmt` (not in statements inside it), to change it.
pub fn direct_exprs_mut(stmt: &mut Stmt, f: &mut dyn FnMut(&mut Expr)) {
    match &mut stmt.kind {
        StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next | StmtKind::Embedded(_) => {}
        StmtKind::Block(_) | StmtKind::Try { .. } => {}
        StmtKind::Expr(expr) => f(expr),
        StmtKind::If { cond, .. } => f(cond),
        StmtKind::Loop { init, cond, step, .. } => [init, cond, step].into_iter().flatten().for_each(f),
        StmtKind::Foreach(each) => {
            if let ForeachBase::Hist { keys, .. } = &mut each.base {
                keys.iter_mut().for_each(&mut *f);
            }
            each.slice.iter_mut().flatten().for_each(&mut *f);
            each.limit.iter_mut().for_each(f);
        }
        StmtKind::Return(value) => value.iter_mut().for_each(f),
        StmtKind::Delete { keys, .. } => keys.iter_mut().flatten().for_each(f),
    }
}

/// Calls `f` for each statement directly inside `stmt`, to change it.
pub fn inner_stmts_mut(stmt: &mut Stmt, f: &mut dyn FnMut(&mut Stmt)) {
    match &mut stmt.kind {
        StmtKind::Block(stmts) => stmts.iter_mut().for_each(f),
        StmtKind::If { then, otherwise, .. } => {
            f(then);
            otherwise.iter_mut().for_each(|stmt| f(stmt));
        }
        StmtKind::Loop { body, .. } => f(body),
        StmtKind::Foreach(each) => f(&mut each.body),
        StmtKind::Try { body, catch, .. } => {
            f(body);
            f(catch);
        }
        _ => {}
    }
}

/// Every expression of a body, outer before inner.
pub fn every_expr<'a>(stmt: &'a Stmt, f: &mut dyn FnMut(&'a Expr)) {
    parts(stmt, &mut |part| match part {
        Part::Expr(expr) => expr_and_below(expr, f),
        Part::Stmt(inner) => every_expr(inner, f),
    });
}

/// `expr` and everything in it, outer before inner.
pub fn expr_and_below<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(expr);
    operands(expr, &mut |operand| expr_and_below(operand, f));
}

/// Every statement of a body, outer before inner.
pub fn every_stmt<'a>(stmt: &'a Stmt, f: &mut dyn FnMut(&'a Stmt)) {
    f(stmt);
    parts(stmt, &mut |part| {
        if let Part::Stmt(inner) = part {
            every_stmt(inner, f);
        }
    });
}

pub fn every_stmt_mut(stmt: &mut Stmt, f: &mut dyn FnMut(&mut Stmt)) {
    f(stmt);
    inner_stmts_mut(stmt, &mut |inner| every_stmt_mut(inner, f));
}

/// Every expression of a body, inner before outer, to change it.
pub fn every_expr_mut(stmt: &mut Stmt, f: &mut dyn FnMut(&mut Expr)) {
    fn below(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
        operands_mut(expr, &mut |operand| below(operand, f));
        f(expr);
    }
    direct_exprs_mut(stmt, &mut |expr| below(expr, f));
    inner_stmts_mut(stmt, &mut |inner| every_expr_mut(inner, f));
}
