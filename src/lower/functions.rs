//! What must be known about a script function before anything is written: does it recurse, may it run later in user
//! space, why could it not run in an event handler.

use rustc_hash::FxHashSet as HashSet;

use tapdeck_ebpf::ir::Intrinsic;

use super::{deferral::may_divide_by_zero, handed_over::part_may_fail, matches};
use crate::elaborate::walk;
use crate::{
    builtins::{self, Implementation, Special},
    elaborate::program::{Expr, ExprKind, FunctionId, GlobalId, Program, Stmt, StmtKind, Target},
    source::Span,
};

/// Facts by [`FunctionId`].
#[derive(Debug)]
pub struct Facts {
    pub recursive: Vec<bool>,
    /// Depends on its arguments alone and has no effect.
    pub pure_: Vec<bool>,
    /// Divides by what may be 0, itself or in a function it calls.
    pub divides: Vec<bool>,
    /// May raise an error, itself or in a function it calls.
    pub fails: Vec<bool>,
    calls: Vec<Vec<FunctionId>>,
    /// Globals touched directly.
    globals: Vec<Vec<GlobalId>>,
    /// What it looks at itself.
    looks: Vec<Looks>,
    /// Somebody may ask what the last match was, other than where it was made ([`super::matches`]).
    pub matches_matter: bool,
}

impl Facts {
    pub fn gather(program: &Program) -> Self {
        let n = program.functions.len();
        let calls: Vec<Vec<FunctionId>> = program
            .functions
            .iter()
            .map(|function| {
                let mut called = calls_of(&function.body);
                called.extend(function.next_overload);
                called
            })
            .collect();
        let globals = program.functions.iter().map(|function| globals_of(&function.body)).collect();
        let looks = program.functions.iter().map(|function| Looks::of(&function.body)).collect();
        let matches_matter = super::matches::matter(program);
        let [recursive, pure_, divides, fails] = [(); 4].map(|()| vec![false; n]);
        let mut facts = Facts { recursive, pure_, divides, fails, calls, globals, looks, matches_matter };
        let of_bodies = |has: fn(&Stmt) -> bool| -> Vec<bool> {
            program.functions.iter().map(|function| has(&function.body)).collect()
        };
        let (divides, fails) = (of_bodies(has_division), of_bodies(has_failure));
        for idx in 0..n {
            let id = FunctionId(idx as u32);
            facts.recursive[idx] = facts.calls[idx].iter().any(|callee| facts.reachable(&[*callee]).contains(&id));
            let reachable = facts.reachable(&[id]);
            facts.divides[idx] = reachable.iter().any(|callee| divides[callee.index()]);
            facts.fails[idx] = reachable.iter().any(|callee| fails[callee.index()]);
        }
        // Start from "pure unless it does something itself" and let the impure spread to callers.
        facts.pure_ = program
            .functions
            .iter()
            .map(|function| {
                let matches = matches_matter && matches::has_regex(&function.body);
                !has_effect(&function.body) && !matches && (function.overloaded || !has_next(&function.body))
            })
            .collect();
        loop {
            let mut changed = false;
            for idx in 0..n {
                if facts.pure_[idx] && facts.calls[idx].iter().any(|callee| !facts.pure_[callee.index()]) {
                    facts.pure_[idx] = false;
                    changed = true;
                }
            }
            if !changed {
                return facts;
            }
        }
    }

    /// `roots` and all they call.
    pub fn reachable(&self, roots: &[FunctionId]) -> HashSet<FunctionId> {
        let mut seen: HashSet<FunctionId> = roots.iter().copied().collect();
        let mut work = roots.to_vec();
        while let Some(id) = work.pop() {
            for callee in &self.calls[id.index()] {
                if seen.insert(*callee) {
                    work.push(*callee);
                }
            }
        }
        seen
    }

    /// Every function a body calls, directly or through others.
    pub fn functions_below(&self, body: &Stmt) -> HashSet<FunctionId> {
        self.reachable(&calls_of(body))
    }

    /// Every global a body touches, through functions too.
    pub fn globals_below(&self, body: &Stmt) -> HashSet<GlobalId> {
        let mut all: HashSet<GlobalId> = globals_of(body).into_iter().collect();
        for id in self.reachable(&calls_of(body)) {
            all.extend(&self.globals[id.index()]);
        }
        all
    }

    /// What a body looks at, through functions too.
    pub fn looks_below(&self, body: &Stmt) -> Looks {
        let below = self.reachable(&calls_of(body)).into_iter().map(|id| self.looks[id.index()]);
        below.fold(Looks::of(body), Looks::or)
    }
}

/// What of a function's call a handler wants to see: decides what its probe can rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    pub at_registers: bool,
    /// Where the probe is, which a trampoline knows only at the entry.
    pub at_address: bool,
    /// Arguments, which at a return only a trampoline still has.
    pub at_arguments: bool,
}

impl Looks {
    fn of(body: &Stmt) -> Self {
        let mut looks = Self::default();
        walk::every_expr(body, &mut |expr| match &expr.kind {
            ExprKind::Context(context) => {
                looks.at_registers |= context.access.needs_registers();
                looks.at_arguments |= context.access.needs_arguments();
            }
            ExprKind::Builtin { builtin, .. } => match builtins::get(*builtin).implementation {
                Implementation::Lowered(Special::Register { .. })
                | Implementation::Intrinsic(Intrinsic::HasRegisters) => looks.at_registers = true,
                Implementation::Lowered(Special::CallArg { .. }) => looks.at_arguments = true,
                Implementation::Intrinsic(Intrinsic::Address) => looks.at_address = true,
                _ => {}
            },
            _ => {}
        });
        looks
    }

    fn or(self, other: Self) -> Self {
        Self {
            at_registers: self.at_registers || other.at_registers,
            at_address: self.at_address || other.at_address,
            at_arguments: self.at_arguments || other.at_arguments,
        }
    }
}

fn calls_of(body: &Stmt) -> Vec<FunctionId> {
    let mut calls = Vec::new();
    walk::every_expr(body, &mut |expr| {
        if let ExprKind::Call { function, .. } = &expr.kind {
            calls.push(*function);
        }
    });
    calls
}

/// Globals named directly in a body.
fn globals_of(body: &Stmt) -> Vec<GlobalId> {
    mentions_of(body).into_iter().map(|(global, _)| global).collect()
}

/// Every global a body names, as often as it does, and where.
pub fn mentions_of(body: &Stmt) -> Vec<(GlobalId, Span)> {
    let mut mentions = Vec::new();
    walk::every_expr(body, &mut |expr| mentions.extend(global_of(expr).map(|global| (global, expr.span))));
    walk::every_stmt(body, &mut |stmt| mentions.extend(global_of_stmt(stmt).map(|global| (global, stmt.span))));
    mentions
}

/// Globals that statements name: to walk over and to delete from.
pub fn globals_of_stmts(body: &Stmt) -> Vec<GlobalId> {
    let mut globals = Vec::new();
    walk::every_stmt(body, &mut |stmt| globals.extend(global_of_stmt(stmt)));
    globals
}

fn global_of_stmt(stmt: &Stmt) -> Option<GlobalId> {
    match &stmt.kind {
        StmtKind::Foreach(each) => Some(match &each.base {
            crate::elaborate::program::ForeachBase::Array(global) => *global,
            crate::elaborate::program::ForeachBase::Hist { global, .. } => *global,
        }),
        StmtKind::Delete { global, .. } => Some(*global),
        _ => None,
    }
}

/// The global an expression itself reads or writes.
pub fn global_of(expr: &Expr) -> Option<GlobalId> {
    match &expr.kind {
        ExprKind::Global(global)
        | ExprKind::Element { global, .. }
        | ExprKind::In { global, .. }
        | ExprKind::Stat { global, .. }
        | ExprKind::Bucket { global, .. }
        | ExprKind::Hist { global, .. } => Some(*global),
        ExprKind::Assign { target, .. } | ExprKind::Crement { target, .. } => match target {
            Target::Global(global) | Target::Element { global, .. } => Some(*global),
            Target::Local(_) => None,
        },
        _ => None,
    }
}

fn has_next(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_stmt(body, &mut |stmt| found |= matches!(stmt.kind, StmtKind::Next));
    found
}

fn has_division(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_expr(body, &mut |expr| found |= may_divide_by_zero(expr));
    found
}

/// Something in it may raise an error, other than in a function it calls.
fn has_failure(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_expr(body, &mut |expr| {
        found |= !matches!(expr.kind, ExprKind::Call { .. }) && part_may_fail(expr, &|row| row.raises);
    });
    found
}

/// It touches globals, context or output itself, or asks the machine.
fn has_effect(body: &Stmt) -> bool {
    let mut found = !globals_of(body).is_empty();
    walk::every_expr(body, &mut |expr| {
        found |= match &expr.kind {
            ExprKind::Context(_) => true,
            ExprKind::Print(print) => !print.to_string || reads_memory(print),
            ExprKind::Builtin { builtin, .. } => !builtins::get(*builtin).pure_,
            _ => false,
        }
    });
    found
}

/// `%m` and `%M` look at memory of the traced machine.
pub fn reads_memory(print: &crate::elaborate::program::Print) -> bool {
    use crate::language::format::{ConversionKind, Piece};
    print.format.pieces.iter().any(|piece| {
        matches!(piece, Piece::Conversion(c) if matches!(c.kind, ConversionKind::Memory | ConversionKind::MemoryHex))
    })
}
