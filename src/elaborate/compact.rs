//! Takes unused functions, globals and locals out of a draft and renumbers the rest.

use rustc_hash::FxHashMap as HashMap;

use super::{
    draft::Draft,
    effects::{Use, Uses},
    program::{Expr, ExprKind, ForeachBase, FunctionId, GlobalId, LocalId, Stmt, StmtKind, Target},
    prune::reachable_functions,
    walk,
};

/// Keeps the functions that probes reach. True if some went.
pub fn drop_uncalled_functions(draft: &mut Draft, uses: &Uses) -> bool {
    let reached = reachable_functions(draft, uses);
    if reached.len() == draft.program.functions.len() {
        return false;
    }
    let mut new_ids = HashMap::default();
    for idx in 0..draft.program.functions.len() {
        let id = FunctionId(idx as u32);
        if reached.contains(&id) {
            new_ids.insert(id, FunctionId(new_ids.len() as u32));
        }
    }
    let mut idx = 0;
    draft.functions.retain(|_| {
        idx += 1;
        reached.contains(&FunctionId(idx - 1))
    });
    let mut idx = 0;
    draft.program.functions.retain(|_| {
        idx += 1;
        reached.contains(&FunctionId(idx - 1))
    });
    for function in &mut draft.program.functions {
        function.next_overload = function.next_overload.and_then(|id| new_ids.get(&id).copied());
    }
    for_all_exprs(draft, &mut |expr| {
        if let ExprKind::Call { function, .. } = &mut expr.kind {
            *function = new_ids[function];
        }
    });
    true
}

/// Keeps the globals some body names.
pub fn drop_unused_globals(draft: &mut Draft, uses: &Uses) {
    let used = uses.globals();
    let mut new_ids = HashMap::default();
    for idx in 0..draft.program.globals.len() {
        let id = GlobalId(idx as u32);
        if used.contains(&id) {
            new_ids.insert(id, GlobalId(new_ids.len() as u32));
        }
    }
    if new_ids.len() == draft.program.globals.len() {
        return;
    }
    let mut idx = 0;
    draft.globals.retain(|_| {
        idx += 1;
        used.contains(&GlobalId(idx - 1))
    });
    let mut idx = 0;
    draft.program.globals.retain(|_| {
        idx += 1;
        used.contains(&GlobalId(idx - 1))
    });
    for_all_exprs(draft, &mut |expr| {
        let global = match &mut expr.kind {
            ExprKind::Global(global)
            | ExprKind::Element { global, .. }
            | ExprKind::In { global, .. }
            | ExprKind::Stat { global, .. }
            | ExprKind::Hist { global, .. }
            | ExprKind::Bucket { global, .. } => global,
            ExprKind::Assign { target, .. } | ExprKind::Crement { target, .. } => match target {
                Target::Global(global) | Target::Element { global, .. } => global,
                Target::Local(_) => return,
            },
            _ => return,
        };
        *global = new_ids[global];
    });
    for_all_stmts(draft, &mut |stmt| match &mut stmt.kind {
        StmtKind::Delete { global, .. } => *global = new_ids[global],
        StmtKind::Foreach(each) => {
            let (ForeachBase::Array(global) | ForeachBase::Hist { global, .. }) = &mut each.base;
            *global = new_ids[global];
        }
        _ => {}
    });
}

/// Keeps the locals each body names according to `uses`; parameters stay.
pub fn drop_unused_locals(draft: &mut Draft, uses: &Uses) {
    let functions = draft.program.functions.iter_mut().zip(&mut draft.functions);
    for ((function, note), used) in functions.zip(&uses.functions) {
        let n_params = function.n_params;
        compact_body(&mut function.body, None, &mut function.locals, &mut note.local_spans, n_params, used);
    }
    for ((probe, note), used) in draft.program.probes.iter_mut().zip(&mut draft.probes).zip(&uses.probes) {
        compact_body(&mut probe.body, probe.condition.as_mut(), &mut probe.locals, &mut note.local_spans, 0, used);
    }
}

fn compact_body(
    body: &mut Stmt,
    mut condition: Option<&mut Expr>,
    locals: &mut Vec<super::program::Local>,
    spans: &mut Vec<crate::source::Span>,
    n_params: usize,
    used: &Use,
) {
    let mut new_ids = HashMap::default();
    for idx in 0..locals.len() {
        let id = LocalId(idx as u32);
        if idx < n_params || used.locals_read.contains(&id) || used.locals_written.contains(&id) {
            new_ids.insert(id, LocalId(new_ids.len() as u32));
        }
    }
    if new_ids.len() == locals.len() {
        return;
    }
    let mut idx = 0;
    locals.retain(|_| {
        idx += 1;
        new_ids.contains_key(&LocalId(idx - 1))
    });
    let mut idx = 0;
    spans.retain(|_| {
        idx += 1;
        new_ids.contains_key(&LocalId(idx - 1))
    });
    let mut rename = |expr: &mut Expr| match &mut expr.kind {
        ExprKind::Local(local) => *local = new_ids[local],
        ExprKind::Assign { target: Target::Local(local), .. }
        | ExprKind::Crement { target: Target::Local(local), .. } => *local = new_ids[local],
        _ => {}
    };
    if let Some(condition) = &mut condition {
        fn below(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
            walk::operands_mut(expr, &mut |operand| below(operand, f));
            f(expr);
        }
        below(condition, &mut rename);
    }
    walk::every_expr_mut(body, &mut rename);
    walk::every_stmt_mut(body, &mut |stmt| match &mut stmt.kind {
        StmtKind::Foreach(each) => {
            each.keys.iter_mut().chain(&mut each.value).for_each(|local| *local = new_ids[local])
        }
        StmtKind::Try { var: Some(var), .. } => *var = new_ids[var],
        _ => {}
    });
}

fn for_all_exprs(draft: &mut Draft, f: &mut dyn FnMut(&mut Expr)) {
    fn below(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
        walk::operands_mut(expr, &mut |operand| below(operand, f));
        f(expr);
    }
    draft.program.functions.iter_mut().for_each(|function| walk::every_expr_mut(&mut function.body, f));
    for probe in &mut draft.program.probes {
        probe.condition.iter_mut().for_each(|condition| below(condition, f));
        walk::every_expr_mut(&mut probe.body, f);
    }
}

fn for_all_stmts(draft: &mut Draft, f: &mut dyn FnMut(&mut Stmt)) {
    draft.program.functions.iter_mut().for_each(|function| walk::every_stmt_mut(&mut function.body, f));
    draft.program.probes.iter_mut().for_each(|probe| walk::every_stmt_mut(&mut probe.body, f));
}
