//! Why an expression cannot be computed in the kernel, in words for a message; or that nothing stands against it.

use tapdeck_ebpf::{
    ir::{Arg, Intrinsic},
    regex::Dfa,
};

use super::{
    Cx,
    body::{BodyLower, LocalSlot},
    bounds::BodyRef,
    executor::Side,
    kernel_format::kernel_format,
    printing::flat_format,
    tables::has_table,
};
use crate::{
    builtins::{self, Implementation, Special},
    elaborate::{
        program::{Expr, ExprKind, FunctionId, LocalId, Print, StmtKind},
        walk,
    },
    language::{regex, types::Type},
};

/// Whether eBPF code exists for an intrinsic.
pub(super) fn kernel_has(op: Intrinsic) -> bool {
    !op.user_only()
}

impl BodyLower<'_, '_> {
    /// What in `expr` only user space can do. Locals whose text was put off count with what they are made of.
    pub fn obstacle(&self, expr: &Expr) -> Option<String> {
        if self.side == Side::User {
            return None;
        }
        self.cx.obstacle(expr, &|local| match self.locals.get(local.index())? {
            LocalSlot::Deferred(deferred) => deferred.because.clone(),
            LocalSlot::Var(var) if !self.is_packed_var(*var) => None,
            LocalSlot::Value(arg) if !matches!(arg, Arg::Packed(_)) => None,
            LocalSlot::Var(_) | LocalSlot::Value(_) => Some(self.cx.packed.local(self.body?, local)?.to_string()),
        })
    }
}

/// What stands against a local, if anything does.
type OfLocal<'f> = &'f dyn Fn(LocalId) -> Option<String>;

impl Cx<'_> {
    /// The same before a body is written, by the names that are packed.
    pub(super) fn obstacle_in(&self, expr: &Expr, body: BodyRef) -> Option<String> {
        self.obstacle(expr, &|local| self.packed.local(body, local).map(|because| because.to_string()))
    }

    fn obstacle(&self, expr: &Expr, of_local: OfLocal<'_>) -> Option<String> {
        let own = match &expr.kind {
            ExprKind::Local(local) => of_local(*local),
            ExprKind::Global(global) | ExprKind::Element { global, .. } => {
                self.packed.global(*global).map(|because| because.to_string())
            }
            ExprKind::Call { function, .. } if self.facts.pure_[function.index()] => self.function_obstacle(*function),
            // A function that is nothing but an expression stands for it.
            ExprKind::Call { function, .. } if expr.ty == Type::Long && self.is_expression(*function) => {
                self.function_obstacle(*function)
            }
            ExprKind::Call { function, .. } => self.packed.result(*function).map(|because| because.to_string()),
            ExprKind::Print(print) if print.to_string => return self.print_obstacle(print, of_local),
            _ => self.own_obstacle(expr),
        };
        if own.is_some() {
            return own;
        }
        let mut operands = Vec::new();
        walk::operands(expr, &mut |operand| operands.push(operand));
        operands.into_iter().find_map(|operand| self.obstacle(operand, of_local))
    }

    fn is_expression(&self, id: FunctionId) -> bool {
        let function = &self.program.functions[id.index()];
        let mut body = &function.body;
        while let StmtKind::Block(stmts) = &body.kind
            && let [only] = &stmts[..]
        {
            body = only;
        }
        matches!(body.kind, StmtKind::Return(Some(_))) && function.next_overload.is_none()
    }

    /// What an expression itself needs, without its operands.
    fn own_obstacle(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Builtin { builtin, args } => {
                let row = builtins::get(*builtin);
                match &row.implementation {
                    Implementation::Host(_) if has_table(*builtin, args) => None,
                    Implementation::Host(_) => Some(format!("{}()", row.name)),
                    Implementation::Intrinsic(op) if !kernel_has(*op) => Some(format!("{}()", row.name)),
                    Implementation::Lowered(Special::MatchedText) => Some(format!("{}()", row.name)),
                    _ => None,
                }
            }
            ExprKind::Regex { pattern, .. } => self.regex_obstacle(pattern),
            ExprKind::In { keys, .. } if keys.iter().any(Option::is_none) => Some("'in' with '*'".to_owned()),
            _ => None,
        }
    }

    /// Why the kernel cannot match it.
    pub(super) fn regex_obstacle(&self, pattern: &[u8]) -> Option<String> {
        if self.facts.matches_matter {
            return Some("a regular expression whose match is asked for in another function".to_owned());
        }
        let mut sizes = self.regexes_too_large.borrow_mut();
        let is_too_large = *sizes
            .entry(pattern.into())
            .or_insert_with(|| regex::translate(pattern).is_ok_and(|pattern| Dfa::new(pattern.as_bytes()).is_err()));
        is_too_large.then(|| "a regular expression that is too large".to_owned())
    }

    /// Literals and nested formats are looked through, as [`BodyLower::sprint`] does.
    fn print_obstacle(&self, print: &Print, of_local: OfLocal<'_>) -> Option<String> {
        let (format, args) = flat_format(print, &|_| false);
        if kernel_format(&format).is_none() {
            return Some(format!("a conversion of {}", if print.args.is_empty() { "sprint()" } else { "sprintf()" }));
        }
        args.iter().find_map(|arg| match &arg.kind {
            ExprKind::Hist { .. } => Some("a histogram as text".to_owned()),
            _ => self.obstacle(arg, of_local),
        })
    }

    /// What in a function's body only user space can do; names that are packed do not count.
    pub(super) fn function_obstacle(&self, id: FunctionId) -> Option<String> {
        if let Some(known) = self.function_obstacles.borrow().get(&id) {
            return known.clone();
        }
        // Recursion: the function itself does not stand in its own way.
        self.function_obstacles.borrow_mut().insert(id, None);
        let function = &self.program.functions[id.index()];
        let mut found = function.next_overload.and_then(|next| self.function_obstacle(next));
        let (mut exprs, mut stmts) = (Vec::new(), Vec::new());
        walk::every_stmt(&function.body, &mut |stmt| stmts.push(stmt));
        walk::every_expr(&function.body, &mut |expr| exprs.push(expr));
        for stmt in stmts {
            if let StmtKind::Foreach(each) = &stmt.kind
                && each.sort.is_some()
            {
                found = found.or(Some("a sorted foreach".to_owned()));
            }
        }
        for expr in exprs {
            found = found.or_else(|| match &expr.kind {
                ExprKind::Call { function, .. } => self.function_obstacle(*function),
                ExprKind::Print(print) if print.to_string => self.print_obstacle(print, &|_| None),
                _ => self.own_obstacle(expr),
            });
        }
        self.function_obstacles.borrow_mut().insert(id, found.clone());
        found
    }
}
