//! What must hold once every name is resolved: an array is not changed under a loop over it.

use rustc_hash::FxHashMap as HashMap;

use super::{
    draft::{Draft, spot},
    effects::Effects,
    program::{ExprKind, ForeachBase, GlobalId, Stmt, StmtKind, Target},
    walk,
};
use crate::{
    diagnostics::{Diagnostics, catalogue::semantic as say},
    source::{SourceMap, Span},
};

/// Loops whose body changes an element of the array they go over, themselves or through a function.
pub fn check(draft: &Draft, sources: &SourceMap) -> Diagnostics {
    let mut check = Check { draft, sources, effects: Effects::of(&draft.program), diagnostics: Diagnostics::default() };
    let functions = draft.program.functions.iter().map(|function| &function.body);
    for body in functions.chain(draft.program.probes.iter().map(|probe| &probe.body)) {
        walk::every_stmt(body, &mut |stmt| {
            if let StmtKind::Foreach(each) = &stmt.kind
                && let ForeachBase::Array(global) = each.base
            {
                check.loop_body(&each.body, global);
            }
        });
    }
    check.diagnostics
}

struct Check<'a> {
    draft: &'a Draft,
    sources: &'a SourceMap,
    effects: Effects,
    diagnostics: Diagnostics,
}

impl Check<'_> {
    fn loop_body(&mut self, body: &Stmt, iterated: GlobalId) {
        let mut found: HashMap<Span, bool> = HashMap::default();
        walk::every_stmt(body, &mut |stmt| {
            // Forgetting the whole array is accepted.
            if let StmtKind::Delete { global, keys } = &stmt.kind
                && *global == iterated
                && !keys.is_empty()
            {
                found.insert(self.name_at(stmt.span), false);
            }
        });
        walk::every_expr(body, &mut |expr| match &expr.kind {
            ExprKind::Assign { target: Target::Element { global, .. }, .. }
            | ExprKind::Crement { target: Target::Element { global, .. }, .. }
                if *global == iterated =>
            {
                found.insert(self.name_at(expr.span), false);
            }
            ExprKind::Call { function, .. } if self.effects.may_write(*function, iterated) => {
                found.insert(expr.span, true);
            }
            _ => {}
        });
        let mut found: Vec<(Span, bool)> = found.into_iter().collect();
        found.sort_by_key(|(span, _)| *span);
        let name = &self.draft.program.globals[iterated.index()].name;
        for (span, by_call) in found {
            let at = spot(self.sources, span);
            self.diagnostics.push(if by_call {
                say::call_modifies_iterated(name, &at)
            } else {
                say::modified_while_iterating(name, &at)
            });
        }
    }

    fn name_at(&self, span: Span) -> Span {
        self.draft.names_at.get(&span).copied().unwrap_or(span)
    }
}
