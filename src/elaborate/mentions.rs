//! What a piece of script names, before anything is resolved: variables, calls, context variables, `@entry`s. Decides
//! which site variables a handler needs and which sites can share it.

use rustc_hash::FxHashSet as HashSet;

use crate::language::{
    ast::{AssignOp, ContextVar, Expr, ExprKind, Stmt, StmtKind},
    visit::{self, Visitor},
};

#[derive(Clone, Debug, Default)]
pub struct Mentions {
    /// Bare names that may be read.
    pub names: HashSet<std::sync::Arc<str>>,
    pub calls: Vec<(std::sync::Arc<str>, usize)>,
    pub contexts: Vec<ContextVar>,
    pub entries: Vec<Expr>,
    /// Some `next` is in it.
    pub has_next: bool,
}

impl Mentions {
    pub fn of_stmt(stmt: &Stmt) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.stmt(stmt);
        mentions
    }

    pub fn add_stmt(&mut self, stmt: &Stmt) {
        self.stmt(stmt);
    }

    pub fn add_expr(&mut self, expr: &Expr) {
        self.expr(expr);
    }
}

impl Visitor for Mentions {
    fn stmt(&mut self, stmt: &Stmt) {
        self.has_next |= stmt.kind == StmtKind::Next;
        visit::walk_stmt(self, stmt);
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Var(name) => {
                self.names.insert(name.clone());
            }
            // A plain assignment to a name does not read it.
            ExprKind::Assign { op: AssignOp::Set, target, value } if matches!(target.kind, ExprKind::Var(_)) => {
                return self.expr(value);
            }
            ExprKind::Call { name, args } => self.calls.push((name.text.clone(), args.len())),
            ExprKind::Context(context) => self.contexts.push((**context).clone()),
            // Evaluated at the entry, which has its own handler.
            ExprKind::Entry(inner) => {
                if !self.entries.contains(inner) {
                    self.entries.push((**inner).clone());
                }
                return;
            }
            _ => {}
        }
        visit::walk_expr(self, expr);
    }
}
