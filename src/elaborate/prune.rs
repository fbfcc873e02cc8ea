//! Leaves out what is not needed, with SystemTap's warnings: variables nobody assigns, assignments nobody reads,
//! expressions without effect, functions nobody calls, probes that do nothing.

use std::sync::Arc;

use rustc_hash::FxHashSet as HashSet;

use super::{
    compact,
    draft::{Draft, is_user, spot},
    effects::{Effects, Uses},
    fold,
    program::{Expr, ExprKind, FunctionId, Global, GlobalId, Stmt, StmtKind, Target},
    walk,
};
use crate::{
    diagnostics::{Diagnostic, Diagnostics, catalogue::semantic as say},
    language::{ast::AssignOp, similar::similar, types::Type},
    source::{SourceMap, Span},
};

/// Drops the unneeded until nothing more can go. Functions whose last call went stay, and so do probes that do nothing any
/// more: their types have to be right.
pub fn prune(draft: &mut Draft, sources: &SourceMap) -> Diagnostics {
    let mut prune = Prune { sources, first: true, diagnostics: Diagnostics::default() };
    let mut uses = Uses::of(&draft.program);
    prune.never_assigned(draft, &uses);
    if compact::drop_uncalled_functions(draft, &uses) {
        uses = Uses::of(&draft.program);
    }
    loop {
        let mut changed = prune.unread_assignments(draft, &uses);
        changed |= prune.statements(draft);
        for_bodies(draft, |body| changed |= fold::fold_constants(body));
        if !changed {
            break;
        }
        uses = Uses::of(&draft.program);
        prune.first = false;
    }
    // What the last round emptied counts as used: SystemTap does not look again, so its variables want a type.
    compact::drop_unused_globals(draft, &uses);
    compact::drop_unused_locals(draft, &uses);
    let reached = reachable_functions(draft, &uses);
    for (idx, note) in draft.functions.iter_mut().enumerate() {
        note.is_uncalled = !reached.contains(&FunctionId(idx as u32));
    }
    prune.diagnostics
}

/// What is left of it with `-u`: a statement that calls a function without effect is its arguments.
pub fn reduce_calls(draft: &mut Draft) {
    let effects = Effects::of(&draft.program);
    for_bodies(draft, |body| {
        walk::every_stmt_mut(body, &mut |stmt| {
            let StmtKind::Expr(call) = &stmt.kind else { return };
            if let ExprKind::Call { args, .. } = &call.kind
                && !effects.has_effect(call)
            {
                let args = args.iter().map(|arg| Stmt { kind: StmtKind::Expr(arg.clone()), span: arg.span });
                stmt.kind = StmtKind::Block(args.collect());
            }
        });
    });
    let uses = Uses::of(&draft.program);
    compact::drop_uncalled_functions(draft, &uses);
    compact::drop_unused_locals(draft, &Uses::of(&draft.program));
}

/// What need not have types: functions nobody calls lose their bodies, probes that do nothing their variables.
pub fn set_aside(draft: &mut Draft, sources: &SourceMap) -> Diagnostics {
    for (function, note) in draft.program.functions.iter_mut().zip(&draft.functions) {
        if note.is_uncalled {
            function.body.kind = StmtKind::Null;
            function.locals.truncate(function.n_params);
        }
    }
    for probe in draft.program.probes.iter_mut().filter(|probe| probe.body.kind == StmtKind::Null) {
        probe.locals.clear();
    }
    tell_of_empty_probes(draft, sources)
}

/// Takes out what was set aside, or could be.
pub fn drop_aside(draft: &mut Draft, sources: &SourceMap) -> Diagnostics {
    let diagnostics = tell_of_empty_probes(draft, sources);
    let mut keep =
        draft.program.probes.iter().map(|probe| probe.body.kind != StmtKind::Null).collect::<Vec<_>>().into_iter();
    draft.probes.retain(|_| keep.next().unwrap_or(true));
    draft.program.probes.retain(|probe| probe.body.kind != StmtKind::Null);
    let uses = Uses::of(&draft.program);
    compact::drop_uncalled_functions(draft, &uses);
    diagnostics
}

fn tell_of_empty_probes(draft: &mut Draft, sources: &SourceMap) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    for (probe, note) in draft.program.probes.iter().zip(&mut draft.probes) {
        if probe.body.kind != StmtKind::Null || std::mem::replace(&mut note.is_told_empty, true) {
            continue;
        }
        let point = probe.sites.first().map_or(&probe.written, |site| &site.point);
        // Its first part, without argument.
        let point = point.split(['.', '(', '?', '!', ' ']).next().unwrap_or(point);
        if is_user(sources, probe.span) {
            diagnostics.push(say::eliding_probe(point, &spot(sources, note.span.unwrap_or(probe.span))));
        }
    }
    diagnostics
}

/// What no run can reach, of a program with types.
pub fn drop_unreachable(draft: &mut Draft) {
    for_bodies(draft, fold::drop_unreachable);
}

/// Overloads that no `next` leads to, now that their types are known to agree with their calls.
pub fn drop_unreached_overloads(draft: &mut Draft) {
    for function in &mut draft.program.functions {
        let mut moves_on = false;
        walk::every_stmt(&function.body, &mut |stmt| moves_on |= matches!(stmt.kind, StmtKind::Next));
        if !moves_on && function.next_overload.take().is_some() {
            function.overloaded = false;
        }
    }
    let uses = Uses::of(&draft.program);
    compact::drop_uncalled_functions(draft, &uses);
}

fn for_bodies(draft: &mut Draft, mut f: impl FnMut(&mut Stmt)) {
    draft.program.functions.iter_mut().for_each(|function| f(&mut function.body));
    draft.program.probes.iter_mut().for_each(|probe| f(&mut probe.body));
}

struct Prune<'a> {
    sources: &'a SourceMap,
    /// What only became useless by leaving out something else is left out without a word.
    first: bool,
    diagnostics: Diagnostics,
}

impl Prune<'_> {
    fn never_assigned(&mut self, draft: &Draft, uses: &Uses) {
        let program = &draft.program;
        // The others are not there for messages.
        let used = uses.globals();
        let is_used = |(idx, global): &(usize, &Global)| !global.hidden && used.contains(&GlobalId(*idx as u32));
        let globals = program.globals.iter().enumerate().filter(is_used);
        let global_names: Vec<&str> = globals.map(|(_, global)| &*global.name).collect();
        let mut written: HashSet<GlobalId> = HashSet::default();
        let mut read: HashSet<GlobalId> = HashSet::default();
        let functions = program.functions.iter().zip(&draft.functions).zip(&uses.functions);
        let functions = functions.map(|((f, note), used)| (used, &f.locals, f.n_params, note));
        let probes = program.probes.iter().zip(&draft.probes).zip(&uses.probes);
        let probes = probes.map(|((p, note), used)| (used, &p.locals, 0, note));
        for (used, locals, n_params, note) in probes.chain(functions) {
            written.extend(&used.globals_written);
            read.extend(&used.globals_read);
            let mut unassigned: Vec<_> = used.locals_read.difference(&used.locals_written).collect();
            unassigned.sort();
            for local in unassigned {
                let span = note.local_spans.get(local.index()).copied().unwrap_or(Span::NONE);
                if local.index() < n_params || !is_user(self.sources, span) {
                    continue;
                }
                let name = &locals[local.index()].name;
                let names = locals.iter().map(|l| &*l.name).chain(global_names.iter().copied());
                let near = similar(name, names.filter(|other| *other != &**name));
                self.warn(say::never_assigned_local(name, &near, &spot(self.sources, span)));
            }
        }
        for (idx, global) in program.globals.iter().enumerate() {
            let id = super::program::GlobalId(idx as u32);
            if !global.user || global.hidden || draft.globals[idx].has_init || written.contains(&id) {
                continue;
            }
            if read.contains(&id) {
                let near = similar(&global.name, &global_names);
                self.warn(say::never_assigned_global(&global.name, &near, &spot(self.sources, global.span)));
            }
        }
    }

    /// `x = value` becomes `value` where nobody reads `x`.
    fn unread_assignments(&mut self, draft: &mut Draft, uses: &Uses) -> bool {
        let mut changed = false;
        let globals_read: HashSet<_> = uses.all().flat_map(|used| &used.globals_read).copied().collect();
        // A write-only global of the user is shown at the end.
        let unread: HashSet<_> = (0..draft.program.globals.len() as u32)
            .map(super::program::GlobalId)
            .filter(|id| {
                let global = &draft.program.globals[id.index()];
                !global.user && !global.hidden && !globals_read.contains(id)
            })
            .collect();
        let mut warnings = Vec::new();
        let mut functions: Vec<_> = draft.program.functions.iter_mut().zip(&uses.functions).collect();
        functions.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let functions = functions.into_iter().map(|(f, used)| (&mut f.body, &f.locals, used));
        let probes = draft.program.probes.iter_mut().zip(&uses.probes);
        let probes = probes.map(|(p, used)| (&mut p.body, &p.locals, used));
        for (body, locals, used) in probes.chain(functions) {
            let read = &used.locals_read;
            walk::every_expr_mut(body, &mut |expr| {
                let ExprKind::Assign { op, target, value } = &mut expr.kind else { return };
                let name = match target {
                    Target::Local(local) if *op == AssignOp::Set && !read.contains(local) => {
                        &locals[local.index()].name
                    }
                    // Library globals are never named in warnings.
                    Target::Global(global) if unread.contains(global) => &Arc::from(""),
                    _ => return,
                };
                warnings.push((name.clone(), expr.span));
                let placeholder = Expr { kind: ExprKind::Long(0), ty: Type::Long, span: expr.span };
                *expr = std::mem::replace(&mut **value, placeholder);
                changed = true;
            });
        }
        for (name, span) in warnings {
            if self.first && is_user(self.sources, span) {
                self.warn(say::eliding_assignment(&name, &spot(self.sources, span)));
            }
        }
        changed
    }

    /// Statements that do nothing go away, from the inside out. True if an expression did: control flow that was empty goes
    /// without another look at what needed it.
    fn statements(&mut self, draft: &mut Draft) -> bool {
        let mut changed = false;
        let effects = Effects::of(&draft.program);
        for probe in &mut draft.program.probes {
            changed |= self.simplify(&mut probe.body, &effects);
        }
        let mut by_name: Vec<usize> = (0..draft.program.functions.len()).collect();
        by_name.sort_by_key(|idx| draft.program.functions[*idx].name.clone());
        for idx in by_name {
            changed |= self.simplify(&mut draft.program.functions[idx].body, &effects);
            let function = &draft.program.functions[idx];
            let span = draft.functions[idx].span.unwrap_or(function.span);
            let is_empty = function.body.kind == StmtKind::Null;
            if is_empty
                && !std::mem::replace(&mut draft.functions[idx].is_told_empty, is_empty)
                && is_user(self.sources, span)
            {
                let name = function.name.clone();
                self.warn(say::effectless_function(&name, &spot(self.sources, span)));
            }
        }
        changed
    }

    fn simplify(&mut self, stmt: &mut Stmt, effects: &Effects) -> bool {
        let mut changed = false;
        walk::inner_stmts_mut(stmt, &mut |inner| changed |= self.simplify(inner, effects));
        let is_null = |stmt: &Stmt| stmt.kind == StmtKind::Null;
        match &mut stmt.kind {
            StmtKind::Expr(expr) if !effects.has_effect(expr) => {
                if self.first && is_user(self.sources, stmt.span) {
                    self.warn(say::eliding_expression(&spot(self.sources, stmt.span)));
                }
                stmt.kind = StmtKind::Null;
                changed = true;
            }
            StmtKind::Block(stmts) => {
                stmts.retain(|inner| !is_null(inner));
                match stmts.len() {
                    0 => stmt.kind = StmtKind::Null,
                    1 => *stmt = stmts.remove(0),
                    _ => {}
                }
            }
            StmtKind::If { cond, then, otherwise } => {
                if otherwise.as_ref().is_some_and(|otherwise| is_null(otherwise)) {
                    *otherwise = None;
                }
                if is_null(then) && otherwise.is_none() {
                    let placeholder = Expr { kind: ExprKind::Long(0), ty: Type::Long, span: cond.span };
                    let cond = std::mem::replace(cond, placeholder);
                    stmt.kind = if effects.has_effect(&cond) { StmtKind::Expr(cond) } else { StmtKind::Null };
                }
            }
            StmtKind::Loop { init, cond, step, body }
                if is_null(body)
                    && ![&*init, &*cond, &*step].into_iter().flatten().any(|expr| effects.has_effect(expr)) =>
            {
                stmt.kind = StmtKind::Null;
            }
            StmtKind::Foreach(each)
                if is_null(&each.body)
                    && !each.slice.iter().flatten().chain(&each.limit).any(|expr| effects.has_effect(expr)) =>
            {
                stmt.kind = StmtKind::Null;
            }
            StmtKind::Try { body, .. } if is_null(body) => stmt.kind = StmtKind::Null,
            _ => {}
        }
        changed
    }

    fn warn(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// Functions the probes can reach, overloads they move on to included.
pub fn reachable_functions(draft: &Draft, uses: &Uses) -> HashSet<FunctionId> {
    let mut reached = HashSet::default();
    let mut pending: Vec<FunctionId> = uses.probes.iter().flat_map(|used| &used.calls).copied().collect();
    while let Some(id) = pending.pop() {
        if reached.insert(id) {
            pending.extend(&uses.functions[id.index()].calls);
            pending.extend(draft.program.functions[id.index()].next_overload);
        }
    }
    reached
}
