//! Why an expression cannot be computed in the kernel, in words for a message; or that nothing stands against it.

use tapdeck_ebpf::ir::Intrinsic;

use super::{
    Cx,
    body::{BodyLower, LocalSlot},
    executor::Side,
    kernel_format::kernel_format,
    printing::flat_format,
    tables::has_table,
};
use crate::{
    builtins::{self, Implementation},
    elaborate::{
        program::{Expr, ExprKind, FunctionId, Print, StmtKind},
        walk,
    },
};

/// Whether eBPF code exists for an intrinsic.
pub(super) fn kernel_has(op: Intrinsic) -> bool {
    !op.user_only()
}

impl BodyLower<'_, '_> {
    /// What in `expr` only user space can do. Locals whose text was put off count with what they are made of.
    pub fn obstacle(&mut self, expr: &Expr) -> Option<String> {
        if self.side == Side::User {
            return None;
        }
        let locals = std::mem::take(&mut self.locals);
        let found = self.cx.obstacle(expr, &locals);
        self.locals = locals;
        found
    }
}

impl Cx<'_> {
    pub(super) fn obstacle(&mut self, expr: &Expr, locals: &[LocalSlot]) -> Option<String> {
        let own = match &expr.kind {
            ExprKind::Local(local) => match locals.get(local.index()) {
                Some(LocalSlot::Deferred(deferred)) => deferred.because.clone(),
                _ => None,
            },
            ExprKind::Builtin { builtin, args } => {
                let row = builtins::get(*builtin);
                match &row.implementation {
                    Implementation::Host(_) if has_table(*builtin, args) => None,
                    Implementation::Host(_) => Some(format!("{}()", row.name)),
                    Implementation::Intrinsic(op) if !kernel_has(*op) => Some(format!("{}()", row.name)),
                    _ => None,
                }
            }
            ExprKind::Regex { .. } => Some("a regular expression".to_owned()),
            ExprKind::In { keys, .. } if keys.iter().any(Option::is_none) => Some("'in' with '*'".to_owned()),
            ExprKind::Call { function, .. } => self.function_obstacle(*function),
            ExprKind::Print(print) if print.to_string => return self.print_obstacle(print, locals),
            _ => None,
        };
        if own.is_some() {
            return own;
        }
        let mut operands = Vec::new();
        walk::operands(expr, &mut |operand| operands.push(operand));
        operands.into_iter().find_map(|operand| self.obstacle(operand, locals))
    }

    /// Literals and nested formats are looked through, as [`BodyLower::sprint`] does.
    fn print_obstacle(&mut self, print: &Print, locals: &[LocalSlot]) -> Option<String> {
        let (format, args) = flat_format(print, &|_| false);
        if kernel_format(&format).is_none() {
            return Some(format!("a conversion of {}", if print.args.is_empty() { "sprint()" } else { "sprintf()" }));
        }
        args.iter().find_map(|arg| match &arg.kind {
            ExprKind::Hist { .. } => Some("a histogram as text".to_owned()),
            _ => self.obstacle(arg, locals),
        })
    }

    pub(super) fn function_obstacle(&mut self, id: FunctionId) -> Option<String> {
        if let Some(known) = self.function_obstacles.get(&id) {
            return known.clone();
        }
        // Recursion: the function itself does not stand in its own way.
        self.function_obstacles.insert(id, None);
        let program = self.program;
        let function = &program.functions[id.index()];
        let mut found = function.next_overload.and_then(|next| self.function_obstacle(next));
        let (mut exprs, mut stmts) = (Vec::new(), Vec::new());
        walk::every_stmt(&function.body, &mut |stmt| stmts.push(stmt));
        for stmt in stmts {
            walk::parts(stmt, &mut |expr| exprs.push(expr), &mut |_| {});
            if let StmtKind::Foreach(each) = &stmt.kind
                && each.sort.is_some()
            {
                found = found.or(Some("a sorted foreach".to_owned()));
            }
        }
        for expr in exprs {
            found = found.or_else(|| self.obstacle(expr, &[]));
        }
        self.function_obstacles.insert(id, found.clone());
        found
    }
}
