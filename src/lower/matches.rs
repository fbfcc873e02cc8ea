//! `matched(n)` in event handlers. The kernel knows whether a text matches, not what its groups are: those are found by
//! user space, which matches again when it reads the record. So such a handler keeps what it matched:
//!
//! ```text
//!   if (s =~ "a(b)") println(matched(1))
//!   if (which = ((subject = s) =~ "a(b)") * 1) println(__tapdeck_matched(subject, which == 1 ? "a(b)" : …, 1))
//! ```
//!
//! That is possible where the match and the question stand in one body. Elsewhere the whole statement has to be
//! [handed over](super::handed_over), which [`matter`] is for.

use std::sync::Arc;

use rustc_hash::FxHashSet as HashSet;

use super::executor::{Side, side_of};
use crate::{
    builtins::{self, host::matching},
    elaborate::{
        program::{Expr, ExprKind, FunctionId, Local, LocalId, Program, Stmt, Target},
        walk,
    },
    language::{
        ast::{AssignOp, BinaryOp, CompareOp},
        types::Type,
    },
};

/// Stands for "nothing matched"; no expression, so it matches nothing.
const NOTHING: &[u8] = b"*";

/// Whether an event handler or a function of one asks for matches that were made elsewhere.
pub(super) fn matter(program: &Program) -> bool {
    let (probes, functions) = in_kernel(program);
    probes.iter().any(|idx| asks(&program.probes[*idx].body))
        || functions.iter().any(|id| asks(&program.functions[id.index()].body))
}

pub(super) fn has_regex(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_expr(body, &mut |expr| found |= matches!(expr.kind, ExprKind::Regex { .. }));
    found
}

/// The program with questions for matches answered where they are asked, as far as that is possible; `None` when there
/// are none.
pub(super) fn asked_where_made(program: &Program, max_string_len: u16) -> Option<Program> {
    if !matter(program) {
        return None;
    }
    let (probes, functions) = in_kernel(program);
    let mut rewritten = program.clone();
    for idx in probes {
        if is_self_contained(program, &program.probes[idx].body, max_string_len) {
            let probe = &mut rewritten.probes[idx];
            Rewriter::new(&mut probe.locals).body(&mut probe.body);
        }
    }
    for id in functions {
        if is_self_contained(program, &program.functions[id.index()].body, max_string_len) {
            let function = &mut rewritten.functions[id.index()];
            Rewriter::new(&mut function.locals).body(&mut function.body);
        }
    }
    Some(rewritten)
}

/// Probes with a handler in the kernel, and the functions they reach.
fn in_kernel(program: &Program) -> (Vec<usize>, Vec<FunctionId>) {
    let in_kernel =
        |idx: &usize| program.probes[*idx].sites.iter().any(|site| side_of(&site.attach) == Some(Side::Kernel));
    let probes: Vec<usize> = (0..program.probes.len()).filter(in_kernel).collect();
    let functions = probes.iter().flat_map(|idx| below(program, &program.probes[*idx].body));
    let functions: HashSet<FunctionId> = functions.collect();
    (probes, functions.into_iter().collect())
}

/// The functions a body reaches.
fn below(program: &Program, body: &Stmt) -> HashSet<FunctionId> {
    let mut seen = HashSet::default();
    let mut bodies = vec![body];
    while let Some(body) = bodies.pop() {
        let mut called = Vec::new();
        walk::every_expr(body, &mut |expr| {
            if let ExprKind::Call { function, .. } = &expr.kind {
                called.push(*function);
            }
        });
        while let Some(id) = called.pop() {
            if seen.insert(id) {
                let function = &program.functions[id.index()];
                called.extend(function.next_overload);
                bodies.push(&function.body);
            }
        }
    }
    seen
}

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Group,
    Whole,
    Count,
}

fn question(expr: &Expr) -> Option<Question> {
    let ExprKind::Builtin { builtin, .. } = &expr.kind else { return None };
    match builtins::get(*builtin).name {
        "matched" => Some(Question::Group),
        "matched_str" => Some(Question::Whole),
        "ngroups" => Some(Question::Count),
        _ => None,
    }
}

fn asks(body: &Stmt) -> bool {
    let mut found = false;
    walk::every_expr(body, &mut |expr| found |= question(expr).is_some());
    found
}

/// What the text of a match is asked for when none matched: the local that is 0 then, where there was any, and what is
/// said of it, unless that depends on a number which is not known.
pub(super) fn failing(expr: &Expr) -> Option<(Option<LocalId>, String)> {
    let ExprKind::Builtin { builtin, args } = &expr.kind else { return None };
    let message = match (builtins::get(*builtin).name, &args[..]) {
        ("__tapdeck_ngroups", _) => matching::no_groups(),
        ("__tapdeck_matched", [.., Expr { kind: ExprKind::Long(n), .. }]) => matching::no_match(*n),
        _ => return None,
    };
    match &args.get(1)?.kind {
        ExprKind::Ternary { cond, .. } => match &cond.kind {
            ExprKind::Compare { left, .. } => match left.kind {
                ExprKind::Local(which) => Some((Some(which), message)),
                _ => None,
            },
            _ => None,
        },
        _ => Some((None, message)),
    }
}

/// It makes the matches it asks for, and no function it calls makes another in between.
fn is_self_contained(program: &Program, body: &Stmt, max_string_len: u16) -> bool {
    let mut longest = 0;
    walk::every_expr(body, &mut |expr| {
        if let ExprKind::Regex { pattern, .. } = &expr.kind {
            longest = longest.max(pattern.len());
        }
    });
    let elsewhere = |id: &FunctionId| has_regex(&program.functions[id.index()].body);
    asks(body)
        && has_regex(body)
        && longest < usize::from(max_string_len)
        && !below(program, body).iter().any(elsewhere)
}

struct Rewriter {
    subject: LocalId,
    which: LocalId,
    /// The patterns so far; `which` counts them from 1.
    patterns: Vec<Arc<[u8]>>,
}

impl Rewriter {
    fn new(locals: &mut Vec<Local>) -> Self {
        let mut local = |name: &str, ty| {
            locals.push(Local { name: name.into(), ty });
            LocalId(locals.len() as u32 - 1)
        };
        Self { subject: local("subject", Type::Str), which: local("which", Type::Long), patterns: Vec::new() }
    }

    fn body(mut self, body: &mut Stmt) {
        walk::every_expr_mut(body, &mut |expr| self.keep(expr));
        walk::every_expr_mut(body, &mut |expr| self.answer(expr));
    }

    /// `s =~ p` keeps the text and the pattern.
    fn keep(&mut self, expr: &mut Expr) {
        let ExprKind::Regex { negated, left, pattern } = &mut expr.kind else { return };
        let number = match self.patterns.iter().position(|known| known == pattern) {
            Some(idx) => idx + 1,
            None => {
                self.patterns.push(pattern.clone());
                self.patterns.len()
            }
        };
        let (span, negated) = (expr.span, *negated);
        let made = |kind, ty| Expr { kind, ty, span };
        let assign = |local, value: Expr| {
            let (ty, target) = (value.ty, Target::Local(local));
            made(ExprKind::Assign { op: AssignOp::Set, target, value: Box::new(value) }, ty)
        };
        let subject = std::mem::replace(&mut **left, made(ExprKind::Long(0), Type::Long));
        let left = Box::new(assign(self.subject, subject));
        let matches = made(ExprKind::Regex { negated: false, left, pattern: pattern.clone() }, Type::Long);
        let number = made(ExprKind::Long(number as i64), Type::Long);
        let [left, right] = [matches, number].map(Box::new);
        let number_or_0 = made(ExprKind::Binary { op: BinaryOp::Mul, left, right }, Type::Long);
        let [left, right] = [assign(self.which, number_or_0), made(ExprKind::Long(0), Type::Long)].map(Box::new);
        let op = if negated { CompareOp::Eq } else { CompareOp::Ne };
        *expr = made(ExprKind::Compare { op, left, right }, Type::Long);
    }

    /// `matched(n)` matches what is kept again.
    fn answer(&self, expr: &mut Expr) {
        let Some(question) = question(expr) else { return };
        let (span, ty) = (expr.span, expr.ty);
        let ExprKind::Builtin { args, .. } = &mut expr.kind else { return };
        let made = |kind, ty| Expr { kind, ty, span };
        let long = |n| made(ExprKind::Long(n), Type::Long);
        let literal = |text: Arc<[u8]>| made(ExprKind::Str(text), Type::Str);
        let pattern =
            self.patterns.iter().enumerate().rev().fold(literal(NOTHING.into()), |otherwise, (idx, pattern)| {
                let which = made(ExprKind::Local(self.which), Type::Long);
                let (left, right) = (Box::new(which), Box::new(long(idx as i64 + 1)));
                let cond = made(ExprKind::Compare { op: CompareOp::Eq, left, right }, Type::Long);
                let [cond, then, otherwise] = [cond, literal(pattern.clone()), otherwise].map(Box::new);
                made(ExprKind::Ternary { cond, then, otherwise }, Type::Str)
            });
        let subject = made(ExprKind::Local(self.subject), Type::Str);
        let (name, last) = match question {
            Question::Group => ("__tapdeck_matched", args.pop()),
            Question::Whole => ("__tapdeck_matched", Some(long(0))),
            Question::Count => ("__tapdeck_ngroups", None),
        };
        let args: Vec<Expr> = [subject, pattern].into_iter().chain(last).collect();
        if let Some(builtin) = builtins::find(name, args.len()) {
            *expr = made(ExprKind::Builtin { builtin, args }, ty);
        }
    }
}
