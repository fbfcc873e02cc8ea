//! What an event handler cannot do in the kernel is handed over: a record carries the values it needs, and user space
//! runs it when it reads the record, in the order of all records.
//!
//! ```text
//!   probe syscall.* { n[name, argstr]++ }              the key's text is known in user space only
//!      kernel   print p3(name, text at p, n)           p3 runs f0(in0, text_2(in1, in2)) instead of having a format
//!      user     f0 "rest_0": n[v0, v1]++               n lives in user space
//! ```
//!
//! So that no order of things is lost, what a handed-over statement writes is kept in user space, and every other
//! statement that touches it is handed over as well. Which globals those are is found by writing the program again with
//! those found so far, until there are no more. What the kernel has to decide by such a global is refused.
//!
//! A statement is handed over when writing it for the kernel was refused. Statements behind it that use the variables it
//! assigns go with it, and so do those right behind it that are refused, too: one record, one order, one end. Values of the event (context, memory, clocks, globals it does not write) are taken in the kernel.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use tapdeck_ebpf::ir::{self, Intrinsic, Op, PrintSite, Recipe};

use super::{
    Cx,
    body::{BodyLower, Catching, LocalUse, uses_in},
    bounds::BodyRef,
    deferral::{Captures, may_divide_by_zero},
    executor::Side,
    functions::{self, global_of},
    printing::plain_format,
};
use crate::{
    builtins::{self, Builtin, Implementation, QuotedFault, ReadFault, Special, Stream, TextFault},
    diagnostics::catalogue::generate,
    elaborate::{
        program::{
            Expr, ExprKind, Foreach, ForeachBase, FunctionId, GlobalId, Local, LocalId, Print, Stmt, StmtKind, Target,
        },
        walk,
    },
    language::types::Type,
    source::Span,
};

/// Numbers of the locals a handed-over statement assigns, until it is known how many arguments stand before them.
const INNER: u32 = 1 << 30;
/// Values of the event that statements take along which need not go together.
const MOST_ARGS: usize = 24;

/// Statements on their way to user space.
#[derive(Default)]
struct Unit {
    captures: Captures,
    /// What the function gets, and how user space makes it.
    args: Vec<(Recipe, Type)>,
    /// Locals the statements assign, by the handler's numbers.
    inner: Vec<LocalId>,
    /// What functions they call ask of the current task and the clocks.
    context: Vec<Intrinsic>,
    /// Branches and loops around the place, and statements before it that may end the handler: what is taken there may
    /// never be asked for.
    n_conditions: u32,
    n_loops: u32,
    /// What goes wrong where values are taken comes before the other statements.
    is_first: bool,
    /// Why they cannot wait.
    obstacle: Option<Obstacle>,
}

/// Why statements cannot be handed over, and where that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Obstacle {
    pub reason: &'static str,
    pub at: Span,
}

impl Unit {
    fn refuse(&mut self, reason: &'static str, at: Span) {
        self.obstacle.get_or_insert(Obstacle { reason, at });
    }
}

const READS_MEMORY: &str = "memory has to be read where the handler runs, and only if it gets there";

/// A function that runs handed-over statements.
#[derive(Debug)]
pub(super) struct Rest {
    body: Stmt,
    locals: Vec<Local>,
    function: ir::FunctionId,
}

impl Cx<'_> {
    /// Whether a global is kept in user space for the sake of handed-over statements.
    pub(super) fn is_handed_over(&self, global: GlobalId) -> bool {
        self.handed_over.contains_key(&global) || self.to_hand_over.contains_key(&global)
    }

    /// Where event handlers name each global. Handlers of one `probe` do at the same places.
    fn mentioned_in_kernel(&self) -> &HashMap<GlobalId, HashSet<Span>> {
        self.mentioned.get_or_init(|| {
            let mut places: HashMap<GlobalId, HashSet<Span>> = HashMap::default();
            let mut name = |global, at| {
                places.entry(global).or_default().insert(at);
            };
            for body in self.bodies_in_kernel() {
                let body = match body {
                    BodyRef::Probe(idx) => &self.program.probes[idx].body,
                    BodyRef::Function(idx) => &self.program.functions[idx].body,
                };
                functions::mentions_of(body).into_iter().for_each(|(global, at)| name(global, at));
            }
            for condition in self.program.probes.iter().filter_map(|probe| probe.condition.as_ref()) {
                walk::expr_and_below(condition, &mut |part| {
                    if let Some(global) = global_of(part) {
                        name(global, part.span);
                    }
                });
            }
            places
        })
    }

    fn hand_over_global(&mut self, global: GlobalId, because: Span) {
        if !self.is_handed_over(global) {
            self.to_hand_over.insert(global, because);
        }
    }

    /// The function that runs these statements over arguments of these types; one for all handlers that ask for it.
    fn rest(&mut self, body: Stmt, locals: Vec<Local>, n_args: usize, lens: Vec<u16>) -> ir::FunctionId {
        if let Some(known) = self.rests.iter().find(|rest| rest.body == body && rest.locals == locals) {
            return known.function;
        }
        self.functions.push(None);
        let function = ir::FunctionId(self.functions.len() as u32 - 1);
        let name = format!("rest_{}", self.rests.len());
        self.rests.push(Rest { body: body.clone(), locals: locals.clone(), function });
        let written = BodyLower::rest(self, &body, &locals, n_args, lens, name);
        self.functions[function.index()] = Some(written);
        function
    }
}

impl BodyLower<'_, '_> {
    /// Hands over the first `least` of these statements, and those that must go with them; gives how many.
    ///
    /// # Errors
    /// Why that is not possible.
    pub fn hand_over(&mut self, list: &[&Stmt], least: usize) -> Result<usize, Obstacle> {
        let n = self.go_together(list, least)?;
        let mut unit = Unit { inner: assigned_in(&list[..n]), ..Unit::default() };
        let mut stmts = self.values_so_far(&list[..n], &mut unit)?;
        for (idx, stmt) in list[..n].iter().enumerate() {
            unit.is_first = idx == 0;
            stmts.push(self.handed_stmt(stmt, &mut unit));
            unit.n_conditions += u32::from(ends_handler(stmt));
        }
        if unit.args.len() > MOST_ARGS && least > 1 {
            unit.refuse("together these want too many values of the event", list[0].span);
        }
        if let Some(obstacle) = unit.obstacle {
            return Err(obstacle);
        }
        let n_args = unit.args.len();
        let inner = unit.inner.iter().map(|local| self.local_names[local.index()].clone());
        let arg = |(idx, (_, ty)): (usize, &(Recipe, Type))| Local { name: format!("in{idx}").into(), ty: *ty };
        let locals: Vec<Local> = unit.args.iter().enumerate().map(arg).chain(inner).collect();
        let max = self.cx.options.limits.max_string_len.max(8) - 1;
        let args = unit.args.iter().map(|(_, ty)| if *ty == Type::Str { max } else { 0 });
        let lens = args.chain(unit.inner.iter().map(|local| self.lens[local.index()])).collect();
        let mut body = Stmt { kind: StmtKind::Block(stmts), span: list[0].span };
        rename(&mut body, n_args as u32);
        let context = unit.context.iter().map(|op| (*op, self.told(*op, &mut unit.captures))).collect();
        let function = self.cx.rest(body, locals, n_args, lens);
        let format = self.cx.format_id(plain_format(), Stream::Output);
        let (inputs, values) = unit.captures.finish();
        let args = unit.args.into_iter().map(|(recipe, _)| recipe).collect();
        let runs = Some(ir::Rest { function, context });
        let site = self.cx.add_print_site(PrintSite { format, inputs, args, kernel_format: None, runs });
        self.emit(Op::Print { site, inputs: values });
        Ok(n)
    }

    /// How many statements have to go together: as far as variables the first ones assign are used.
    fn go_together(&self, list: &[&Stmt], least: usize) -> Result<usize, Obstacle> {
        let mut n = least;
        loop {
            let inner = assigned_in(&list[..n]);
            let last = list.iter().rposition(|stmt| mentions_any(stmt, &inner)).map_or(n, |idx| n.max(idx + 1));
            // What comes behind must not run when these end the handler.
            let last = if list[..last].iter().any(|stmt| ends_handler(stmt)) { list.len() } else { last };
            if last == n {
                break;
            }
            n = last;
        }
        let unit = &list[..n];
        let ends = unit.iter().any(|stmt| ends_handler(stmt));
        if ends && (self.nesting > 1 || self.function.is_some()) {
            let at = unit.iter().find(|stmt| ends_handler(stmt)).map_or(Span::NONE, |stmt| stmt.span);
            return Err(Obstacle { reason: "what stands behind this must know whether it ends the handler", at });
        }
        let mut uses = vec![LocalUse::default(); self.uses.len()];
        unit.iter().for_each(|stmt| uses_in(stmt, &mut uses));
        let elsewhere = |local: &LocalId| self.uses[local.index()].n_read != uses[local.index()].n_read;
        match assigned_in(unit).iter().any(elsewhere) {
            true => {
                Err(Obstacle { reason: "a variable that gets its value here is asked for elsewhere", at: list[0].span })
            }
            false => Ok(n),
        }
    }

    /// Assignments that give variables the values they have before the statements, where those may be asked for.
    fn values_so_far(&mut self, list: &[&Stmt], unit: &mut Unit) -> Result<Vec<Stmt>, Obstacle> {
        let mut uses = vec![LocalUse::default(); self.uses.len()];
        list.iter().for_each(|stmt| uses_in(stmt, &mut uses));
        let mut first = Vec::new();
        for (idx, local) in unit.inner.clone().into_iter().enumerate() {
            if is_assigned_first(list, local) {
                continue;
            }
            // Around a loop of the kernel's it would have what the round before left in user space.
            if !self.loops.is_empty() {
                let reason = "a variable here has the value of the round before";
                return Err(Obstacle { reason, at: list[0].span });
            }
            if self.uses[local.index()].n_assigned == uses[local.index()].n_assigned && !self.is_parameter(local) {
                continue;
            }
            let ty = self.local_names[local.index()].ty;
            let now = Expr { kind: ExprKind::Local(local), ty, span: list[0].span };
            let value = Box::new(self.taken(&now, unit));
            let target = Target::Local(LocalId(INNER + idx as u32));
            let op = crate::language::ast::AssignOp::Set;
            let kind = StmtKind::Expr(Expr { kind: ExprKind::Assign { op, target, value }, ty, span: list[0].span });
            first.push(Stmt { kind, span: list[0].span });
        }
        Ok(first)
    }

    /// It prints values that can be taken here, without an error and without a global that the kernel keeps going over
    /// to user space for it.
    pub fn only_prints(&self, stmt: &Stmt) -> bool {
        let StmtKind::Expr(expr) = &stmt.kind else { return false };
        let ExprKind::Print(print) = &expr.kind else { return false };
        let mut only = !print.to_string;
        print.args.iter().for_each(|arg| {
            only &= !self.can_raise(arg);
            walk::expr_and_below(arg, &mut |part| match &part.kind {
                ExprKind::Assign { .. } | ExprKind::Crement { .. } | ExprKind::Hist { .. } => only = false,
                ExprKind::Call { function, .. } => only &= self.cx.facts.pure_[function.index()],
                _ => {}
            });
        });
        only
    }

    /// The first of these statements changes globals that event handlers touch nowhere else than in these: when user
    /// space keeps them, nobody pays for it.
    pub fn may_go_along(&self, list: &[&Stmt]) -> bool {
        let touched = functions::mentions_of(list[0]);
        let here: HashSet<(GlobalId, Span)> = list.iter().flat_map(|stmt| functions::mentions_of(stmt)).collect();
        let goes = |(global, _): &(GlobalId, Span)| {
            let mut places = self.cx.mentioned_in_kernel().get(global).into_iter().flatten();
            self.cx.is_handed_over(*global) || places.all(|at| here.contains(&(*global, *at)))
        };
        !touched.is_empty() && touched.iter().all(goes)
    }

    /// Warns where the kernel does something behind what may fail in user space.
    pub fn warn_of_what_is_not_kept(&mut self, stmt: &Stmt) {
        if self.catching == Catching::Nobody
            && let Some(before) = self.may_have_failed
            && does_something(stmt)
        {
            self.cx.report(generate::not_kept_from_running(stmt.span, before));
            // Once is enough.
            self.may_have_failed = None;
        }
    }

    fn is_parameter(&self, local: LocalId) -> bool {
        match self.body {
            Some(BodyRef::Function(idx)) => local.index() < self.cx.program.functions[idx].n_params,
            _ => false,
        }
    }

    /// The input that tells a function's question about the event.
    fn told(&mut self, op: Intrinsic, captures: &mut Captures) -> usize {
        let ty = match op.signature().1 {
            ir::Kind::Str => ir::Ty::Str { cap: 16 },
            ir::Kind::Long | ir::Kind::Packed => ir::Ty::Long,
        };
        let dst = self.temp(ty);
        self.emit(Op::Intrinsic { op, dst: Some(dst), args: Vec::new() });
        captures.add(self.var_arg(dst), ty)
    }

    fn handed_stmt(&mut self, stmt: &Stmt, unit: &mut Unit) -> Stmt {
        let boxed = |body: &mut Self, stmt: &Stmt, unit: &mut Unit| Box::new(body.conditional_stmt(stmt, unit));
        let kind = match &stmt.kind {
            StmtKind::Null | StmtKind::Embedded(_) => StmtKind::Null,
            StmtKind::Block(stmts) => {
                let outside = unit.n_conditions;
                let one = |stmt: &Stmt| {
                    let handed = self.handed_stmt(stmt, unit);
                    unit.n_conditions += u32::from(ends_handler(stmt));
                    handed
                };
                let handed = stmts.iter().map(one).collect();
                unit.n_conditions = outside;
                StmtKind::Block(handed)
            }
            StmtKind::Expr(expr) => StmtKind::Expr(self.handed(expr, unit)),
            StmtKind::If { cond, then, otherwise } => {
                let cond = self.handed(cond, unit);
                let then = boxed(self, then, unit);
                let otherwise = otherwise.as_ref().map(|stmt| boxed(self, stmt, unit));
                StmtKind::If { cond, then, otherwise }
            }
            StmtKind::Loop { init, cond, step, body } => {
                let init = init.as_ref().map(|expr| self.handed(expr, unit));
                unit.n_conditions += 1;
                unit.n_loops += 1;
                let [cond, step] = [cond, step].map(|expr| expr.as_ref().map(|expr| self.handed(expr, unit)));
                let body = Box::new(self.handed_stmt(body, unit));
                unit.n_loops -= 1;
                unit.n_conditions -= 1;
                StmtKind::Loop { init, cond, step, body }
            }
            StmtKind::Foreach(each) => StmtKind::Foreach(Box::new(self.handed_foreach(each, stmt.span, unit))),
            // A function is left here as `next` leaves a handler: nothing comes behind it.
            StmtKind::Return(None) | StmtKind::Next => StmtKind::Return(None),
            StmtKind::Return(Some(_)) => {
                unit.refuse("the caller waits for this value", stmt.span);
                StmtKind::Null
            }
            StmtKind::Delete { global, keys } => {
                self.cx.hand_over_global(*global, stmt.span);
                StmtKind::Delete { global: *global, keys: self.handed_keys(keys, unit) }
            }
            StmtKind::Break | StmtKind::Continue => {
                if unit.n_loops == 0 {
                    unit.refuse("the loop around it runs in the kernel", stmt.span);
                }
                stmt.kind.clone()
            }
            StmtKind::Try { body, var, catch } => {
                let body = boxed(self, body, unit);
                let var = var.map(|var| inner(var, unit));
                StmtKind::Try { body, var, catch: boxed(self, catch, unit) }
            }
        };
        Stmt { kind, span: stmt.span }
    }

    fn conditional_stmt(&mut self, stmt: &Stmt, unit: &mut Unit) -> Stmt {
        unit.n_conditions += 1;
        let handed = self.handed_stmt(stmt, unit);
        unit.n_conditions -= 1;
        handed
    }

    fn handed_foreach(&mut self, each: &Foreach, span: Span, unit: &mut Unit) -> Foreach {
        let base = match &each.base {
            ForeachBase::Array(global) => {
                self.cx.hand_over_global(*global, span);
                ForeachBase::Array(*global)
            }
            ForeachBase::Hist { global, keys, hist } => {
                self.cx.hand_over_global(*global, span);
                ForeachBase::Hist { global: *global, keys: self.handed_all(keys, unit), hist: *hist }
            }
        };
        let limit = each.limit.as_ref().map(|limit| self.handed(limit, unit));
        let slice = self.handed_keys(&each.slice, unit);
        unit.n_loops += 1;
        let body = self.conditional_stmt(&each.body, unit);
        unit.n_loops -= 1;
        Foreach {
            value: each.value.map(|local| inner(local, unit)),
            keys: each.keys.iter().map(|local| inner(*local, unit)).collect(),
            base,
            slice,
            sort: each.sort,
            limit,
            body,
        }
    }

    fn handed_all(&mut self, exprs: &[Expr], unit: &mut Unit) -> Vec<Expr> {
        exprs.iter().map(|expr| self.handed(expr, unit)).collect()
    }

    fn handed_keys(&mut self, keys: &[Option<Expr>], unit: &mut Unit) -> Vec<Option<Expr>> {
        keys.iter().map(|key| key.as_ref().map(|key| self.handed(key, unit))).collect()
    }

    fn handed_box(&mut self, expr: &Expr, unit: &mut Unit) -> Box<Expr> {
        Box::new(self.handed(expr, unit))
    }

    fn conditional(&mut self, expr: &Expr, unit: &mut Unit) -> Box<Expr> {
        unit.n_conditions += 1;
        let handed = self.handed_box(expr, unit);
        unit.n_conditions -= 1;
        handed
    }

    /// An expression over arguments and user space's globals.
    fn handed(&mut self, expr: &Expr, unit: &mut Unit) -> Expr {
        if matches!(expr.kind, ExprKind::Long(_) | ExprKind::Str(_)) {
            return expr.clone();
        }
        let is_certain = unit.n_conditions == 0 && unit.is_first;
        if !self.belongs_there(expr, unit) && (is_certain || !self.can_raise(expr)) {
            return self.taken(expr, unit);
        }
        let kind = match &expr.kind {
            ExprKind::Long(_) | ExprKind::Str(_) | ExprKind::Embedded(_) => return expr.clone(),
            ExprKind::Local(local) if unit.inner.contains(local) => ExprKind::Local(inner(*local, unit)),
            ExprKind::Local(_) => return self.taken(expr, unit),
            ExprKind::Global(global) => {
                self.cx.hand_over_global(*global, expr.span);
                expr.kind.clone()
            }
            ExprKind::Element { global, keys } => {
                self.cx.hand_over_global(*global, expr.span);
                ExprKind::Element { global: *global, keys: self.handed_all(keys, unit) }
            }
            ExprKind::Stat { op, global, keys } => {
                self.cx.hand_over_global(*global, expr.span);
                ExprKind::Stat { op: *op, global: *global, keys: self.handed_all(keys, unit) }
            }
            ExprKind::Bucket { hist, global, keys, index } => {
                self.cx.hand_over_global(*global, expr.span);
                let keys = self.handed_all(keys, unit);
                ExprKind::Bucket { hist: *hist, global: *global, keys, index: self.handed_box(index, unit) }
            }
            ExprKind::Hist { hist, global, keys } => {
                self.cx.hand_over_global(*global, expr.span);
                ExprKind::Hist { hist: *hist, global: *global, keys: self.handed_all(keys, unit) }
            }
            ExprKind::In { global, keys } => {
                self.cx.hand_over_global(*global, expr.span);
                ExprKind::In { global: *global, keys: self.handed_keys(keys, unit) }
            }
            ExprKind::Call { function, args } => {
                self.call_there(*function, expr.span, unit);
                ExprKind::Call { function: *function, args: self.handed_all(args, unit) }
            }
            ExprKind::Builtin { builtin, args } => {
                if !runs_there(builtins::get(*builtin)) {
                    unit.refuse(READS_MEMORY, expr.span);
                }
                ExprKind::Builtin { builtin: *builtin, args: self.handed_all(args, unit) }
            }
            ExprKind::Unary { op, expr } => ExprKind::Unary { op: *op, expr: self.handed_box(expr, unit) },
            ExprKind::Binary { op, left, right } => {
                let left = self.handed_box(left, unit);
                ExprKind::Binary { op: *op, left, right: self.handed_box(right, unit) }
            }
            ExprKind::Compare { op, left, right } => {
                let left = self.handed_box(left, unit);
                ExprKind::Compare { op: *op, left, right: self.handed_box(right, unit) }
            }
            ExprKind::Logical { op, left, right } => {
                let left = self.handed_box(left, unit);
                ExprKind::Logical { op: *op, left, right: self.conditional(right, unit) }
            }
            ExprKind::Concat(parts) => ExprKind::Concat(self.handed_all(parts, unit)),
            ExprKind::Regex { negated, left, pattern } => {
                ExprKind::Regex { negated: *negated, left: self.handed_box(left, unit), pattern: pattern.clone() }
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                let cond = self.handed_box(cond, unit);
                let then = self.conditional(then, unit);
                ExprKind::Ternary { cond, then, otherwise: self.conditional(otherwise, unit) }
            }
            ExprKind::Assign { op, target, value } => {
                let target = self.handed_target(target, expr.span, unit);
                ExprKind::Assign { op: *op, target, value: self.handed_box(value, unit) }
            }
            ExprKind::Crement { increment, prefix, target } => {
                let target = self.handed_target(target, expr.span, unit);
                ExprKind::Crement { increment: *increment, prefix: *prefix, target }
            }
            ExprKind::Print(print) => {
                if functions::reads_memory(print) {
                    unit.refuse(READS_MEMORY, expr.span);
                }
                let args = self.handed_all(&print.args, unit);
                ExprKind::Print(Box::new(Print { args, ..(**print).clone() }))
            }
            ExprKind::Context(_) => {
                unit.refuse(READS_MEMORY, expr.span);
                return expr.clone();
            }
        };
        Expr { kind, ty: expr.ty, span: expr.span }
    }

    fn handed_target(&mut self, target: &Target, span: Span, unit: &mut Unit) -> Target {
        match target {
            Target::Local(local) => Target::Local(inner(*local, unit)),
            Target::Global(global) => {
                self.cx.hand_over_global(*global, span);
                Target::Global(*global)
            }
            Target::Element { global, keys } => {
                self.cx.hand_over_global(*global, span);
                Target::Element { global: *global, keys: self.handed_all(keys, unit) }
            }
        }
    }

    /// Taking the value may raise an error, in a function it calls or here.
    fn can_raise(&self, expr: &Expr) -> bool {
        let mut found = false;
        walk::expr_and_below(expr, &mut |part| {
            found |= match &part.kind {
                ExprKind::Call { function, .. } => self.cx.facts.fails[function.index()],
                _ => part_may_fail(part, &|row| row.raises),
            };
        });
        found
    }

    /// A value of the event: taken here, an argument there.
    fn taken(&mut self, expr: &Expr, unit: &mut Unit) -> Expr {
        let recipe = self.recipe(expr, false, &mut unit.captures);
        let known = unit.args.iter().position(|(known, ty)| *known == recipe && *ty == expr.ty);
        let idx = known.unwrap_or_else(|| {
            unit.args.push((recipe, expr.ty));
            unit.args.len() - 1
        });
        Expr { kind: ExprKind::Local(LocalId(idx as u32)), ty: expr.ty, span: expr.span }
    }

    /// Whether an expression can only be computed in user space, or has to be because of what it does.
    fn belongs_there(&self, expr: &Expr, unit: &Unit) -> bool {
        let mut found = false;
        walk::expr_and_below(expr, &mut |part| {
            let by_global = global_of(part).is_some_and(|global| self.cx.is_handed_over(global));
            found |= by_global || self.part_belongs_there(part, unit);
        });
        found
    }

    fn part_belongs_there(&self, part: &Expr, unit: &Unit) -> bool {
        // The kernel cannot look for a text it does not know.
        let is_unknown = |key: &Expr| self.obstacle(key).is_some();
        match &part.kind {
            ExprKind::Local(local) => unit.inner.contains(local),
            ExprKind::Assign { .. } | ExprKind::Crement { .. } | ExprKind::Hist { .. } => true,
            ExprKind::Regex { .. } => self.cx.facts.matches_matter,
            ExprKind::Print(print) => !print.to_string,
            ExprKind::Call { function, .. } => {
                !self.cx.facts.pure_[function.index()] && (unit.n_conditions > 0 || self.call_belongs_there(*function))
            }
            ExprKind::Builtin { builtin, .. } => is_done_there(builtins::get(*builtin)),
            ExprKind::Element { keys, .. } | ExprKind::Stat { keys, .. } | ExprKind::Bucket { keys, .. } => {
                keys.iter().any(is_unknown)
            }
            ExprKind::In { keys, .. } => keys.iter().any(|key| key.as_ref().is_none_or(is_unknown)),
            _ => false,
        }
    }

    /// What a function does has to be done there; elsewhere it is done here, before.
    fn call_belongs_there(&self, function: FunctionId) -> bool {
        let mut reached = self.cx.facts.reachable(&[function]).into_iter();
        reached.any(|id| {
            let body = &self.cx.program.functions[id.index()].body;
            let by_globals = self.cx.facts.globals_below(body).iter().any(|global| self.cx.is_handed_over(*global));
            let mut sends = false;
            walk::every_expr(body, &mut |expr| {
                sends |=
                    matches!(&expr.kind, ExprKind::Builtin { builtin, .. } if is_done_there(builtins::get(*builtin)));
            });
            by_globals || sends || self.cx.function_obstacle(id).is_some()
        })
    }

    /// A script's function runs there with all it touches; the event's task and time are told to it.
    fn call_there(&mut self, function: FunctionId, at: Span, unit: &mut Unit) {
        for id in self.cx.facts.reachable(&[function]) {
            let body = &self.cx.program.functions[id.index()].body;
            let mut globals = Vec::new();
            walk::every_expr(body, &mut |expr| {
                globals.extend(global_of(expr));
                match &expr.kind {
                    ExprKind::Context(_) => unit.refuse(READS_MEMORY, expr.span),
                    ExprKind::Print(print) if functions::reads_memory(print) => unit.refuse(READS_MEMORY, expr.span),
                    ExprKind::Builtin { builtin, .. } => {
                        let row = builtins::get(*builtin);
                        match asks_about_event(row) {
                            Some(op) if !unit.context.contains(&op) => unit.context.push(op),
                            Some(_) => {}
                            None if !runs_there(row) => unit.refuse(READS_MEMORY, expr.span),
                            None => {}
                        }
                    }
                    _ => {}
                }
            });
            globals.extend(functions::globals_of_stmts(body));
            globals.into_iter().for_each(|global| self.cx.hand_over_global(global, at));
        }
    }

    /// A global that user space keeps is asked for here.
    pub fn refuse_handed_over(&mut self, global: GlobalId) {
        let because = self.cx.handed_over.get(&global).or(self.cx.to_hand_over.get(&global)).copied();
        let at = self.cx.spans.get(self.tag.index()).copied().unwrap_or(Span::NONE);
        let name = self.cx.program.globals[global.index()].name.clone();
        self.cx.report(generate::kept_in_user_space(&name, at, because.unwrap_or(Span::NONE)));
    }

    /// Whether what a body asks of a global must be refused.
    pub fn is_out_of_reach(&self, global: GlobalId) -> bool {
        self.side == Side::Kernel && self.cx.is_handed_over(global)
    }
}

fn inner(local: LocalId, unit: &Unit) -> LocalId {
    let idx = unit.inner.iter().position(|known| *known == local).unwrap_or(0);
    LocalId(INNER + idx as u32)
}

/// Locals these statements assign.
fn assigned_in(list: &[&Stmt]) -> Vec<LocalId> {
    let mut found = Vec::new();
    let mut add = |local: LocalId| {
        if !found.contains(&local) {
            found.push(local);
        }
    };
    for stmt in list {
        walk::every_expr(stmt, &mut |expr| match &expr.kind {
            ExprKind::Assign { target: Target::Local(local), .. }
            | ExprKind::Crement { target: Target::Local(local), .. } => add(*local),
            _ => {}
        });
        walk::every_stmt(stmt, &mut |stmt| match &stmt.kind {
            StmtKind::Foreach(each) => each.keys.iter().chain(&each.value).for_each(|local| add(*local)),
            StmtKind::Try { var: Some(var), .. } => add(*var),
            _ => {}
        });
    }
    found
}

fn mentions_any(stmt: &Stmt, locals: &[LocalId]) -> bool {
    let mut found = assigned_in(&[stmt]).iter().any(|local| locals.contains(local));
    walk::every_expr(stmt, &mut |expr| {
        found |= matches!(&expr.kind, ExprKind::Local(local) if locals.contains(local));
    });
    found
}

/// The first thing these statements do with a local is to give it a value, whatever happens.
fn is_assigned_first(list: &[&Stmt], local: LocalId) -> bool {
    let Some(first) = list.iter().find(|stmt| mentions_any(stmt, &[local])) else { return false };
    match &first.kind {
        StmtKind::Block(stmts) => is_assigned_first(&stmts.iter().collect::<Vec<_>>(), local),
        StmtKind::Expr(Expr { kind: ExprKind::Assign { op, target: Target::Local(target), value }, .. }) => {
            let mut asks = false;
            walk::expr_and_below(value, &mut |expr| {
                // Also what changes it: `c = ~--c`.
                asks |= matches!(&expr.kind, ExprKind::Local(read)
                    | ExprKind::Assign { target: Target::Local(read), .. }
                    | ExprKind::Crement { target: Target::Local(read), .. } if *read == local);
            });
            *op == crate::language::ast::AssignOp::Set && *target == local && !asks
        }
        StmtKind::Foreach(each) => each.keys.iter().chain(&each.value).any(|own| *own == local),
        _ => false,
    }
}

/// It may end the handler: what comes behind then must not run.
fn ends_handler(stmt: &Stmt) -> bool {
    let mut found = false;
    walk::every_stmt(stmt, &mut |stmt| found |= matches!(stmt.kind, StmtKind::Next | StmtKind::Return(_)));
    walk::every_expr(stmt, &mut |expr| {
        if let ExprKind::Builtin { builtin, .. } = &expr.kind {
            let implementation = &builtins::get(*builtin).implementation;
            found |= matches!(implementation, Implementation::Lowered(Special::Abort | Special::Error));
        }
    });
    found
}

/// User space can run it in the name of an event handler.
fn runs_there(row: &Builtin) -> bool {
    match &row.implementation {
        Implementation::Host(_) => true,
        Implementation::Intrinsic(op) => op.is_pure() || op.user_only() || *op == Intrinsic::Target,
        Implementation::Lowered(special) => {
            use Special::{Abort, Error, Exit, MatchedText, Message};
            matches!(special, Exit | Abort | Error | MatchedText | Message(_))
        }
    }
}

/// It has to run there: it does something, or remembers something.
fn is_done_there(row: &Builtin) -> bool {
    match &row.implementation {
        Implementation::Host(_) => !row.pure_,
        Implementation::Intrinsic(op) => op.user_only(),
        Implementation::Lowered(_) => runs_there(row),
    }
}

/// What a builtin asks about the event that can be told later.
fn asks_about_event(row: &Builtin) -> Option<Intrinsic> {
    match &row.implementation {
        Implementation::Intrinsic(op) if op.signature().0.is_empty() && !runs_there(row) => Some(*op),
        Implementation::Lowered(Special::Scaled { clock, .. }) => Some(*clock),
        _ => None,
    }
}

/// Running it in user space may raise an error.
pub(super) fn may_fail(stmt: &Stmt) -> bool {
    may_fail_by(stmt, |row| row.raises)
}

/// As it may where no buffer of ours is full.
pub(super) fn may_fail_anywhere(stmt: &Stmt) -> bool {
    may_fail_by(stmt, |row| row.raises && row.name != "speculate")
}

fn may_fail_by(stmt: &Stmt, raises: impl Fn(&Builtin) -> bool) -> bool {
    let mut found = false;
    walk::every_expr(stmt, &mut |expr| found |= part_may_fail(expr, &raises));
    found
}

/// Taking it, or a part of it, may raise an error, wherever it runs.
pub(super) fn value_may_fail(expr: &Expr) -> bool {
    let mut found = false;
    walk::expr_and_below(expr, &mut |part| found |= part_may_fail(part, &|row| row.raises));
    found
}

/// Whether it may itself, without its parts.
pub(super) fn part_may_fail(part: &Expr, raises: &impl Fn(&Builtin) -> bool) -> bool {
    match &part.kind {
        ExprKind::Assign { target: Target::Element { .. }, .. }
        | ExprKind::Crement { target: Target::Element { .. }, .. }
        | ExprKind::Hist { .. }
        | ExprKind::Stat { .. }
        | ExprKind::Bucket { .. }
        | ExprKind::Call { .. } => true,
        ExprKind::Context(context) => !context.access.steps.is_empty(),
        ExprKind::Binary { .. } => may_divide_by_zero(part),
        ExprKind::Builtin { builtin, .. } => {
            let row = builtins::get(*builtin);
            let is_raised = match &row.implementation {
                Implementation::Lowered(special) => matches!(
                    special,
                    Special::Error
                        | Special::MatchedText
                        | Special::Read { fault: ReadFault::Raise(_), .. }
                        | Special::ReadText { fault: TextFault::Raise(_), .. }
                        | Special::ReadQuoted { fault: QuotedFault::Raise(_), .. }
                ),
                Implementation::Intrinsic(op) => op.may_raise(),
                _ => false,
            };
            is_raised || raises(row)
        }
        _ => false,
    }
}

/// A statement, without those inside it, that changes a global, prints, or asks for something of the session.
fn does_something(stmt: &Stmt) -> bool {
    let expr = match &stmt.kind {
        StmtKind::Delete { .. } => return true,
        StmtKind::Expr(expr) => expr,
        _ => return false,
    };
    let mut found = false;
    walk::expr_and_below(expr, &mut |part| {
        found |= match &part.kind {
            ExprKind::Assign { target, .. } | ExprKind::Crement { target, .. } => !matches!(target, Target::Local(_)),
            ExprKind::Print(print) => !print.to_string,
            ExprKind::Builtin { builtin, .. } => is_done_there(builtins::get(*builtin)),
            _ => false,
        };
    });
    found
}

/// Inner locals come behind the arguments.
fn rename(stmt: &mut Stmt, n_args: u32) {
    let name = |local: &mut LocalId| {
        if local.0 >= INNER {
            local.0 = local.0 - INNER + n_args;
        }
    };
    walk::every_expr_mut(stmt, &mut |expr| match &mut expr.kind {
        ExprKind::Local(local) => name(local),
        ExprKind::Assign { target: Target::Local(local), .. }
        | ExprKind::Crement { target: Target::Local(local), .. } => name(local),
        _ => {}
    });
    rename_in_stmts(stmt, &name);
}

fn rename_in_stmts(stmt: &mut Stmt, name: &dyn Fn(&mut LocalId)) {
    match &mut stmt.kind {
        StmtKind::Foreach(each) => each.keys.iter_mut().chain(&mut each.value).for_each(name),
        StmtKind::Try { var: Some(var), .. } => name(var),
        _ => {}
    }
    walk::inner_stmts_mut(stmt, &mut |inner| rename_in_stmts(inner, name));
}
