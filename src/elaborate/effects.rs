//! Who reads and writes what, and what has an effect: the facts that pruning and checking decide by.

use rustc_hash::FxHashSet as HashSet;

use super::{
    program::{Expr, ExprKind, ForeachBase, FunctionId, GlobalId, LocalId, Probe, Program, Stmt, StmtKind, Target},
    walk::{self, Part},
};
use crate::{
    builtins::{self, Implementation, Special},
    language::ast::AssignOp,
};

/// Reads and writes of the variables a body names.
#[derive(Debug, Default)]
pub struct Use {
    pub locals_read: HashSet<LocalId>,
    pub locals_written: HashSet<LocalId>,
    pub globals_read: HashSet<GlobalId>,
    pub globals_written: HashSet<GlobalId>,
    pub calls: HashSet<FunctionId>,
}

impl Use {
    pub fn of(body: &Stmt) -> Use {
        let mut used = Use::default();
        used.stmt(body);
        used
    }

    pub fn add_expr(&mut self, expr: &Expr) {
        self.expr(expr, true);
    }

    pub fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            // The value of an expression statement is nobody's.
            StmtKind::Expr(expr) => return self.expr(expr, false),
            StmtKind::Loop { init, step, cond, body } => {
                init.iter().chain(step).for_each(|expr| self.expr(expr, false));
                cond.iter().for_each(|expr| self.expr(expr, true));
                return self.stmt(body);
            }
            StmtKind::Foreach(each) => {
                let (ForeachBase::Array(global) | ForeachBase::Hist { global, .. }) = &each.base;
                self.globals_read.insert(*global);
                self.locals_written.extend(each.keys.iter().chain(&each.value));
            }
            // What a script clears it has an interest in: such a global is not shown at the end.
            StmtKind::Delete { global, .. } => {
                self.globals_written.insert(*global);
                self.globals_read.insert(*global);
            }
            StmtKind::Try { var, .. } => self.locals_written.extend(var),
            _ => {}
        }
        walk::parts(stmt, &mut |part| match part {
            Part::Expr(expr) => self.expr(expr, true),
            Part::Stmt(inner) => self.stmt(inner),
        });
    }

    fn expr(&mut self, expr: &Expr, value_used: bool) {
        match &expr.kind {
            ExprKind::Local(local) => {
                self.locals_read.insert(*local);
            }
            ExprKind::Global(global)
            | ExprKind::Element { global, .. }
            | ExprKind::In { global, .. }
            | ExprKind::Stat { global, .. }
            | ExprKind::Hist { global, .. }
            | ExprKind::Bucket { global, .. } => {
                self.globals_read.insert(*global);
            }
            ExprKind::Call { function, .. } => {
                self.calls.insert(*function);
            }
            ExprKind::Assign { op, target, .. } => {
                self.target(target, value_used && !matches!(op, AssignOp::Set | AssignOp::Accumulate));
                // A local that only feeds itself is still computed with.
                if matches!(op, AssignOp::Binary(_) | AssignOp::Concat)
                    && let Target::Local(local) = target
                {
                    self.locals_read.insert(*local);
                }
            }
            ExprKind::Crement { target, .. } => {
                self.target(target, value_used);
                if let Target::Local(local) = target {
                    self.locals_read.insert(*local);
                }
            }
            _ => {}
        }
        walk::operands(expr, &mut |operand| self.expr(operand, true));
    }

    fn target(&mut self, target: &Target, read: bool) {
        match target {
            Target::Local(local) => {
                self.locals_written.insert(*local);
            }
            Target::Global(global) | Target::Element { global, .. } => {
                self.globals_written.insert(*global);
                if read {
                    self.globals_read.insert(*global);
                }
            }
        }
    }
}

/// What every body of a draft names.
pub struct Uses {
    /// With the probes' conditions.
    pub probes: Vec<Use>,
    pub functions: Vec<Use>,
}

impl Uses {
    pub fn of(program: &Program) -> Uses {
        let of_probe = |probe: &Probe| {
            let mut used = Use::of(&probe.body);
            probe.condition.iter().for_each(|condition| used.add_expr(condition));
            used
        };
        Uses {
            probes: program.probes.iter().map(of_probe).collect(),
            functions: program.functions.iter().map(|function| Use::of(&function.body)).collect(),
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Use> {
        self.probes.iter().chain(&self.functions)
    }

    /// Globals something is done with.
    pub fn globals(&self) -> HashSet<GlobalId> {
        self.all().flat_map(|used| used.globals_read.iter().chain(&used.globals_written)).copied().collect()
    }
}

/// Which functions do something besides giving a value, and which globals each may write, itself or through others.
#[derive(Debug, Default)]
pub struct Effects {
    effectful: Vec<bool>,
    writes: Vec<HashSet<GlobalId>>,
}

impl Effects {
    pub fn of(program: &Program) -> Effects {
        let uses: Vec<Use> = program.functions.iter().map(|function| Use::of(&function.body)).collect();
        let mut effects = Effects {
            effectful: vec![false; program.functions.len()],
            writes: uses.iter().map(|used| used.globals_written.clone()).collect(),
        };
        for (idx, function) in program.functions.iter().enumerate() {
            effects.effectful[idx] = !effects.writes[idx].is_empty() || acts(&function.body);
        }
        // Through calls, until nothing new is learnt.
        let mut changed = true;
        while changed {
            changed = false;
            for (idx, used) in uses.iter().enumerate() {
                for call in &used.calls {
                    let more: Vec<GlobalId> =
                        effects.writes[call.index()].difference(&effects.writes[idx]).copied().collect();
                    changed |= !more.is_empty();
                    effects.writes[idx].extend(more);
                    if effects.effectful[call.index()] && !effects.effectful[idx] {
                        effects.effectful[idx] = true;
                        changed = true;
                    }
                }
            }
        }
        effects
    }

    pub fn may_write(&self, function: FunctionId, global: GlobalId) -> bool {
        self.writes[function.index()].contains(&global)
    }

    /// Leaving `expr` out would be noticed.
    pub fn has_effect(&self, expr: &Expr) -> bool {
        let mut found = false;
        walk::expr_and_below(expr, &mut |expr| {
            found |= match &expr.kind {
                ExprKind::Assign { .. } | ExprKind::Crement { .. } => true,
                ExprKind::Call { function, .. } => self.effectful[function.index()],
                _ => acts_itself(expr),
            };
        });
        found
    }
}

/// A function's body does something by itself: prints, ends things, catches what went wrong.
fn acts(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_expr(body, &mut |expr| found |= acts_itself(expr));
    walk::every_stmt(body, &mut |stmt| {
        found |= match &stmt.kind {
            StmtKind::Try { .. } => true,
            StmtKind::Embedded(code) => !code.pure,
            _ => false,
        }
    });
    found
}

fn acts_itself(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Print(print) => !print.to_string,
        ExprKind::Embedded(code) => !code.pure,
        ExprKind::Builtin { builtin, .. } => {
            let row = builtins::get(*builtin);
            match row.implementation {
                Implementation::Intrinsic(_) => false,
                Implementation::Host(_) => !row.pure_,
                Implementation::Lowered(special) => matches!(
                    special,
                    Special::Exit | Special::Abort | Special::Error | Special::Message(_) | Special::Refused { .. }
                ),
            }
        }
        _ => false,
    }
}
