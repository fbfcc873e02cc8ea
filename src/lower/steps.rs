//! Globals that event handlers change in several steps. SystemTap runs a handler's access to its globals as one step; here
//! each access is one, so between `t = x` and `x = t + 1` another processor may change `x`, and its change is lost.
//!
//! `x = x + 1` is written as `x += 1`, which is one step ([`increment`]). What is left is warned of: a value that goes back
//! to the very place it came from. Comparisons do not count (`if (t > max) max = t` at worst forgets a maximum), nor do
//! elements that belong to one thread or processor (`a[tid()]`).

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::{Cx, bounds::BodyRef};
use crate::{
    builtins,
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, GlobalId, LocalId, Stmt, Target},
        walk,
    },
    language::{
        ast::{AssignOp, BinaryOp, UnaryOp},
        types::Type,
    },
    source::Span,
};

/// Who asks for these has the element to itself.
const OWN: &[&str] = &["tid", "pid", "cpu", "task_current"];

/// A global, with the keys of an element.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    global: GlobalId,
    keys: Vec<Expr>,
}

impl Place {
    fn of(expr: &Expr) -> Option<Self> {
        match &expr.kind {
            ExprKind::Global(global) => Some(Self { global: *global, keys: Vec::new() }),
            ExprKind::Element { global, keys } => Some(Self { global: *global, keys: keys.iter().map(bare).collect() }),
            _ => None,
        }
    }

    fn of_target(target: &Target) -> Option<Self> {
        match target {
            Target::Local(_) => None,
            Target::Global(global) => Some(Self { global: *global, keys: Vec::new() }),
            Target::Element { global, keys } => Some(Self { global: *global, keys: keys.iter().map(bare).collect() }),
        }
    }
}

/// The expression without positions.
fn bare(expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    fn strip(expr: &mut Expr) {
        expr.span = Span::NONE;
        walk::operands_mut(expr, &mut strip);
    }
    strip(&mut expr);
    expr
}

/// The `+ 1` of `x = x + 1`: what a long at `target` grows by in one step.
pub(super) fn increment<'e>(target: &Target, value: &'e Expr) -> Option<(BinaryOp, &'e Expr)> {
    let ExprKind::Binary { op: op @ (BinaryOp::Add | BinaryOp::Sub), left, right } = &value.kind else { return None };
    let place = Place::of_target(target).filter(|_| value.ty == Type::Long)?;
    let is_it = |expr: &Expr| Place::of(expr).is_some_and(|read| read == place);
    let is_plain = |expr: &Expr| {
        let mut plain = true;
        walk::expr_and_below(expr, &mut |part| {
            plain &= match &part.kind {
                ExprKind::Assign { .. } | ExprKind::Crement { .. } | ExprKind::Call { .. } => false,
                ExprKind::Builtin { builtin, .. } => !changes_something(*builtin),
                _ => true,
            };
        });
        plain
    };
    match op {
        _ if !is_plain(value) => None,
        _ if is_it(left) => Some((*op, right)),
        BinaryOp::Add if is_it(right) => Some((BinaryOp::Add, left)),
        _ => None,
    }
}

fn changes_something(builtin: builtins::BuiltinId) -> bool {
    let row = builtins::get(builtin);
    matches!(row.implementation, builtins::Implementation::Host(_)) && !row.pure_
}

impl Cx<'_> {
    /// Warns of changes in several steps in what the kernel runs.
    pub(super) fn warn_of_steps(&mut self) {
        for body in self.bodies_in_kernel() {
            let body = match body {
                BodyRef::Probe(idx) => &self.program.probes[idx].body,
                BodyRef::Function(idx) => &self.program.functions[idx].body,
            };
            for (global, at) in changed_in_steps(body) {
                let decl = &self.program.globals[global.index()];
                if decl.user && !self.is_handed_over(global) {
                    self.report(generate::several_steps(&decl.name, at));
                }
            }
        }
    }
}

/// What is known of the locals of a body.
#[derive(Default)]
struct Known {
    /// Places a local's value came from.
    from: HashMap<LocalId, Vec<Place>>,
    /// Locals that belong to one thread or processor.
    own: HashSet<LocalId>,
}

impl Known {
    fn of(body: &Stmt) -> Self {
        let mut known = Self::default();
        // A second time for what comes around a loop.
        for _ in 0..2 {
            walk::every_expr(body, &mut |expr| {
                if let ExprKind::Assign { target: Target::Local(local), value, .. } = &expr.kind {
                    let places = known.places(value);
                    let all = known.from.entry(*local).or_default();
                    places.into_iter().for_each(|place| {
                        if !all.contains(&place) {
                            all.push(place);
                        }
                    });
                    if known.is_own(value) {
                        known.own.insert(*local);
                    }
                }
            });
        }
        known
    }

    /// Places whose values go into this one.
    fn places(&self, expr: &Expr) -> Vec<Place> {
        let mut found = Vec::new();
        self.gather(expr, &mut found);
        found
    }

    fn gather(&self, expr: &Expr, found: &mut Vec<Place>) {
        match &expr.kind {
            ExprKind::Global(_) | ExprKind::Element { .. } => found.extend(Place::of(expr)),
            ExprKind::Local(local) => found.extend(self.from.get(local).into_iter().flatten().cloned()),
            ExprKind::Ternary { then, otherwise, .. } => {
                [then, otherwise].into_iter().for_each(|e| self.gather(e, found))
            }
            ExprKind::Assign { value, .. } => self.gather(value, found),
            // A switch (`x = !x`) keeps nothing of the value.
            ExprKind::Unary { op: UnaryOp::Not, .. } => {}
            ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Concat(_)
            | ExprKind::Call { .. }
            | ExprKind::Builtin { .. }
            | ExprKind::Print(_) => walk::operands(expr, &mut |operand| self.gather(operand, found)),
            // What a comparison or a count gives is not the value.
            _ => {}
        }
    }

    fn is_own(&self, expr: &Expr) -> bool {
        let mut found = false;
        walk::expr_and_below(expr, &mut |part| {
            found |= match &part.kind {
                ExprKind::Local(local) => self.own.contains(local),
                ExprKind::Builtin { builtin, .. } => OWN.contains(&builtins::get(*builtin).name),
                _ => false,
            };
        });
        found
    }
}

/// Globals that get a value made of their own, and where.
fn changed_in_steps(body: &Stmt) -> Vec<(GlobalId, Span)> {
    let known = Known::of(body);
    let mut found = Vec::new();
    walk::every_expr(body, &mut |expr| {
        let ExprKind::Assign { op, target, value } = &expr.kind else { return };
        let Some(place) = Place::of_target(target) else { return };
        let in_steps = match op {
            AssignOp::Set => increment(target, value).is_none() && known.places(value).contains(&place),
            AssignOp::Accumulate | AssignOp::Binary(BinaryOp::Add | BinaryOp::Sub) => false,
            AssignOp::Binary(_) | AssignOp::Concat => true,
        };
        if in_steps && !place.keys.iter().any(|key| known.is_own(key)) {
            found.push((place.global, expr.span));
        }
    });
    found
}
