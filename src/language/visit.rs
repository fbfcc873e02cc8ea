//! Walks over the tree: [`Visitor`] looks, [`Rewriter`] replaces. Override the methods for the nodes of interest and
//! call the `walk_…` function inside to go on below.

use super::ast::*;

/// A walk that only looks, in the order things are written.
pub trait Visitor {
    fn stmt(&mut self, stmt: &Stmt) {
        walk_stmt(self, stmt);
    }

    fn expr(&mut self, expr: &Expr) {
        walk_expr(self, expr);
    }
}

pub fn walk_stmt<V: Visitor + ?Sized>(v: &mut V, stmt: &Stmt) {
    match &stmt.kind {
        StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next | StmtKind::Embedded(_) => {}
        StmtKind::Block(list) => list.iter().for_each(|s| v.stmt(s)),
        StmtKind::Expr(e) | StmtKind::Delete(e) => v.expr(e),
        StmtKind::If { cond, then, otherwise } => {
            v.expr(cond);
            v.stmt(then);
            otherwise.iter().for_each(|s| v.stmt(s));
        }
        StmtKind::While { cond, body } => {
            v.expr(cond);
            v.stmt(body);
        }
        StmtKind::For { init, cond, step, body } => {
            [init, cond, step].into_iter().flatten().for_each(|e| v.expr(e));
            v.stmt(body);
        }
        StmtKind::Foreach(foreach) => {
            v.expr(&foreach.base);
            foreach.slice.iter().flatten().flatten().for_each(|e| v.expr(e));
            foreach.limit.iter().for_each(|e| v.expr(e));
            v.stmt(&foreach.body);
        }
        StmtKind::Return(value) => value.iter().for_each(|e| v.expr(e)),
        StmtKind::Try { body, catch, .. } => {
            v.stmt(body);
            v.stmt(catch);
        }
    }
}

pub fn walk_expr<V: Visitor + ?Sized>(v: &mut V, expr: &Expr) {
    match &expr.kind {
        ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Var(_) | ExprKind::Perf(_) | ExprKind::Embedded(_) => {}
        ExprKind::Index { base, keys } => {
            v.expr(base);
            keys.iter().flatten().for_each(|e| v.expr(e));
        }
        ExprKind::Call { args, .. } | ExprKind::At { args, .. } | ExprKind::Concat(args) => {
            args.iter().for_each(|e| v.expr(e));
        }
        ExprKind::Print(print) => print.args.iter().for_each(|e| v.expr(e)),
        ExprKind::Unary { expr, .. } | ExprKind::Defined(expr) | ExprKind::Entry(expr) => v.expr(expr),
        ExprKind::Regex { left, .. } => v.expr(left),
        ExprKind::Binary { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Compare { left, right, .. } => {
            v.expr(left);
            v.expr(right);
        }
        ExprKind::In { keys, array } => {
            keys.iter().flatten().for_each(|e| v.expr(e));
            v.expr(array);
        }
        ExprKind::Ternary { cond, then, otherwise } => [cond, then, otherwise].into_iter().for_each(|e| v.expr(e)),
        ExprKind::Assign { target, value, .. } => {
            v.expr(target);
            v.expr(value);
        }
        ExprKind::Crement { target, .. } | ExprKind::Stat { target, .. } => v.expr(target),
        ExprKind::Hist { target, index, .. } => {
            v.expr(target);
            index.iter().for_each(|e| v.expr(e));
        }
        ExprKind::Context(context) => {
            match &context.base {
                ContextBase::Var(_) | ContextBase::AtVar { .. } => {}
                ContextBase::Cast { expr, .. } | ContextBase::Auto(expr) => v.expr(expr),
            }
            for step in &context.path {
                if let ContextStep::Index(e) = step {
                    v.expr(e);
                }
            }
        }
    }
}

/// A walk that may replace any node in place.
pub trait Rewriter {
    fn stmt(&mut self, stmt: &mut Stmt) {
        rewrite_stmt(self, stmt);
    }

    fn expr(&mut self, expr: &mut Expr) {
        rewrite_expr(self, expr);
    }
}

pub fn rewrite_stmt<R: Rewriter + ?Sized>(r: &mut R, stmt: &mut Stmt) {
    match &mut stmt.kind {
        StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next | StmtKind::Embedded(_) => {}
        StmtKind::Block(list) => list.iter_mut().for_each(|s| r.stmt(s)),
        StmtKind::Expr(e) | StmtKind::Delete(e) => r.expr(e),
        StmtKind::If { cond, then, otherwise } => {
            r.expr(cond);
            r.stmt(then);
            otherwise.iter_mut().for_each(|s| r.stmt(s));
        }
        StmtKind::While { cond, body } => {
            r.expr(cond);
            r.stmt(body);
        }
        StmtKind::For { init, cond, step, body } => {
            [init, cond, step].into_iter().flatten().for_each(|e| r.expr(e));
            r.stmt(body);
        }
        StmtKind::Foreach(foreach) => {
            r.expr(&mut foreach.base);
            foreach.slice.iter_mut().flatten().flatten().for_each(|e| r.expr(e));
            foreach.limit.iter_mut().for_each(|e| r.expr(e));
            r.stmt(&mut foreach.body);
        }
        StmtKind::Return(value) => value.iter_mut().for_each(|e| r.expr(e)),
        StmtKind::Try { body, catch, .. } => {
            r.stmt(body);
            r.stmt(catch);
        }
    }
}

pub fn rewrite_expr<R: Rewriter + ?Sized>(r: &mut R, expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Var(_) | ExprKind::Perf(_) | ExprKind::Embedded(_) => {}
        ExprKind::Index { base, keys } => {
            r.expr(base);
            keys.iter_mut().flatten().for_each(|e| r.expr(e));
        }
        ExprKind::Call { args, .. } | ExprKind::At { args, .. } | ExprKind::Concat(args) => {
            args.iter_mut().for_each(|e| r.expr(e));
        }
        ExprKind::Print(print) => print.args.iter_mut().for_each(|e| r.expr(e)),
        ExprKind::Unary { expr, .. } | ExprKind::Defined(expr) | ExprKind::Entry(expr) => r.expr(expr),
        ExprKind::Regex { left, .. } => r.expr(left),
        ExprKind::Binary { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Compare { left, right, .. } => {
            r.expr(left);
            r.expr(right);
        }
        ExprKind::In { keys, array } => {
            keys.iter_mut().flatten().for_each(|e| r.expr(e));
            r.expr(array);
        }
        ExprKind::Ternary { cond, then, otherwise } => [cond, then, otherwise].into_iter().for_each(|e| r.expr(e)),
        ExprKind::Assign { target, value, .. } => {
            r.expr(target);
            r.expr(value);
        }
        ExprKind::Crement { target, .. } | ExprKind::Stat { target, .. } => r.expr(target),
        ExprKind::Hist { target, index, .. } => {
            r.expr(target);
            index.iter_mut().for_each(|e| r.expr(e));
        }
        ExprKind::Context(context) => {
            match &mut context.base {
                ContextBase::Var(_) | ContextBase::AtVar { .. } => {}
                ContextBase::Cast { expr, .. } | ContextBase::Auto(expr) => r.expr(expr),
            }
            for step in &mut context.path {
                if let ContextStep::Index(e) = step {
                    r.expr(e);
                }
            }
        }
    }
}
