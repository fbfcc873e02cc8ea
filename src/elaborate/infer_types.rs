//! Types by going over all bodies until nothing new is learnt: literals and operators fix types, and every name, key,
//! parameter and result has one. langref "Types" (there is no conversion between numbers and strings).
//!
//! The order in which things are looked at is SystemTap's, because it decides what is found where: functions by name,
//! then probes; a mismatch is told in every round, and what stays unresolved in one round more, if nothing mismatched.

use rustc_hash::FxHashMap as HashMap;

use super::{
    draft::{BodyId, Draft, Symbol, spot},
    program::{
        Expr, ExprKind, Foreach, ForeachBase, FunctionId, GlobalId, Local, LocalId, Missing, Print, Stmt, StmtKind,
        Target,
    },
    prune, walk,
};
use crate::{
    builtins,
    diagnostics::{Diagnostic, Diagnostics, catalogue::semantic as say},
    language::{
        ast::{AssignOp, SortBy},
        format::{ConversionKind, Piece},
        types::Type,
    },
    source::{SourceMap, Span},
};

/// Fills in every type of the draft. What stays unknown is an error; where something mismatches only with `keep_going`.
pub fn infer_types(draft: &mut Draft, sources: &SourceMap, keep_going: bool) -> Diagnostics {
    forget_types(draft);
    let unoptimized = draft.program.unoptimized;
    let mut infer = Infer {
        draft,
        sources,
        origins: HashMap::default(),
        named: HashMap::default(),
        body: BodyId::Probe(0),
        locals: Vec::new(),
        n_learnt: 0,
        n_unresolved: 0,
        mismatched: false,
        is_first: true,
        last: false,
        diagnostics: Diagnostics::default(),
    };
    let mut is_set_aside = false;
    loop {
        (infer.n_learnt, infer.n_unresolved) = (0, 0);
        infer.every_body();
        infer.is_first = false;
        if !unoptimized {
            // Looked at once is enough for what no run can reach.
            prune::drop_unreachable(infer.draft);
        }
        if infer.n_learnt > 0 {
            continue;
        }
        let is_done = match infer.mismatched {
            true => !keep_going,
            false => infer.n_unresolved == 0,
        };
        if is_done || infer.last {
            break;
        }
        if std::mem::replace(&mut is_set_aside, true) || !infer.mismatched {
            infer.last = true;
        }
        if !unoptimized && !infer.mismatched {
            let told = prune::set_aside(infer.draft, sources);
            infer.diagnostics.extend(told);
        }
    }
    let diagnostics = infer.diagnostics;
    if !diagnostics.has_errors() {
        settle_zeros(draft);
        settle_formats(draft);
    }
    diagnostics
}

/// Operators have the type they make once they were looked at.
fn forget_types(draft: &mut Draft) {
    let mut forget = |expr: &mut Expr| {
        if !matches!(expr.kind, ExprKind::Long(_) | ExprKind::Str(_)) {
            expr.ty = Type::Unknown;
        }
    };
    draft.program.functions.iter_mut().for_each(|function| walk::every_expr_mut(&mut function.body, &mut forget));
    draft.program.probes.iter_mut().for_each(|probe| walk::every_expr_mut(&mut probe.body, &mut forget));
}

struct Infer<'a> {
    draft: &'a mut Draft,
    sources: &'a SourceMap,
    /// Where a symbol, or one of its keys, got its type by use and not by declaration.
    origins: HashMap<(Symbol, Option<usize>), Span>,
    /// The type of a name that has no expression of its own, where it stands.
    named: HashMap<(BodyId, Span), Type>,
    body: BodyId,
    /// Of the body that is looked at; its own list is away meanwhile.
    locals: Vec<Local>,
    /// Types learnt in this round.
    n_learnt: usize,
    n_unresolved: usize,
    mismatched: bool,
    is_first: bool,
    /// Nothing more can be learnt: report what has no type.
    last: bool,
    diagnostics: Diagnostics,
}

impl Infer<'_> {
    fn every_body(&mut self) {
        let functions = &self.draft.program.functions;
        let mut by_name: Vec<usize> = (0..functions.len()).collect();
        by_name.sort_by(|a, b| functions[*a].name.cmp(&functions[*b].name));
        for idx in by_name {
            let function = &mut self.draft.program.functions[idx];
            let n_params = function.n_params;
            let mut body = std::mem::replace(&mut function.body, null());
            self.locals = std::mem::take(&mut function.locals);
            self.body = BodyId::Function(FunctionId(idx as u32));
            self.stmt(&mut body);
            self.check_locals(n_params);
            let function = &mut self.draft.program.functions[idx];
            function.body = body;
            function.locals = std::mem::take(&mut self.locals);
        }
        for idx in 0..self.draft.program.probes.len() {
            let probe = &mut self.draft.program.probes[idx];
            let mut body = std::mem::replace(&mut probe.body, null());
            let mut condition = probe.condition.take();
            self.locals = std::mem::take(&mut probe.locals);
            self.body = BodyId::Probe(idx as u32);
            self.stmt(&mut body);
            if let Some(condition) = &mut condition {
                self.expr(condition, Type::Long);
            }
            self.check_locals(0);
            let probe = &mut self.draft.program.probes[idx];
            probe.body = body;
            probe.condition = condition;
            probe.locals = std::mem::take(&mut self.locals);
        }
        for idx in 0..self.draft.program.globals.len() {
            let global = &self.draft.program.globals[idx];
            // Keys without a type are told of where they are written.
            if global.value == Type::Unknown {
                let span = global.span;
                self.unresolved(span);
            }
        }
    }

    fn check_locals(&mut self, n_params: usize) {
        for idx in n_params..self.locals.len() {
            if self.locals[idx].ty == Type::Unknown {
                let span = self.local_span(LocalId(idx as u32));
                self.unresolved(span);
            }
        }
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        match &mut stmt.kind {
            StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next | StmtKind::Embedded(_) => {}
            StmtKind::Block(stmts) => stmts.iter_mut().for_each(|inner| self.stmt(inner)),
            StmtKind::Expr(expr) => self.expr(expr, Type::Unknown),
            StmtKind::If { cond, then, otherwise } => {
                self.expr(cond, Type::Long);
                self.stmt(then);
                if let Some(otherwise) = otherwise {
                    self.stmt(otherwise);
                }
            }
            StmtKind::Loop { init, cond, step, body } => {
                if let Some(init) = init {
                    self.expr(init, Type::Unknown);
                }
                if let Some(cond) = cond {
                    self.expr(cond, Type::Long);
                }
                if let Some(step) = step {
                    self.expr(step, Type::Unknown);
                }
                self.stmt(body);
            }
            StmtKind::Foreach(each) => self.foreach(each, stmt.span),
            StmtKind::Return(value) => match (self.body, value) {
                (BodyId::Function(id), Some(value)) => self.result(id, value),
                (BodyId::Function(id), None) if self.type_of(Symbol::Result(id)) != Type::Unknown => {
                    self.symbol_mismatch(Symbol::Result(id), None, Type::Unknown, stmt.span);
                }
                _ => {}
            },
            StmtKind::Delete { global, keys } => {
                let (global, span) = (*global, self.name_at(stmt.span));
                self.name(Symbol::Value(global), Type::Unknown, span);
                self.keys(global, keys.iter_mut().map(Option::as_mut));
            }
            StmtKind::Try { body, var, catch } => {
                self.stmt(body);
                if let Some(var) = *var {
                    let span = self.name_at(stmt.span);
                    self.name(Symbol::Local(self.body, var), Type::Str, span);
                }
                self.stmt(catch);
            }
        }
    }

    fn result(&mut self, id: FunctionId, value: &mut Expr) {
        let known = self.type_of(Symbol::Result(id));
        self.expr(value, known);
        match (known, value.ty) {
            (_, Type::Stat) => self.invalid(Type::Stat, value.span),
            (_, Type::Unknown) => {}
            (Type::Unknown, ty) => self.learn(Symbol::Result(id), None, ty, value.span),
            (known, ty) if known != ty => self.symbol_mismatch(Symbol::Result(id), None, ty, value.span),
            _ => {}
        }
    }

    fn foreach(&mut self, each: &mut Foreach, span: Span) {
        let array_span = self.name_at(span);
        let spans = self.draft.loop_names.get(&span).cloned().unwrap_or_default();
        let span_of = |idx: usize| spans.get(idx).copied().unwrap_or(span);
        let value_span = span_of(each.keys.len());
        match &mut each.base {
            ForeachBase::Array(global) => {
                let array = Symbol::Value(*global);
                for (idx, key) in each.keys.iter().enumerate() {
                    let known = self.key_type(*global, idx);
                    let found = self.name(Symbol::Local(self.body, *key), known, span_of(idx));
                    self.key(*global, idx, found, span_of(idx));
                }
                self.keys(*global, each.slice.iter_mut().map(Option::as_mut));
                let found = self.name(array, Type::Unknown, array_span);
                if let Some(value) = each.value {
                    if found == Type::Stat {
                        self.invalid(Type::Stat, value_span);
                    } else {
                        let ty = self.name(Symbol::Local(self.body, value), found, value_span);
                        if ty != Type::Unknown {
                            self.name(array, ty, array_span);
                        }
                    }
                }
                let by_extractor = each.sort.is_some_and(|sort| matches!(sort.by, SortBy::Extractor(_)));
                if by_extractor && found != Type::Stat {
                    self.invalid(found, array_span);
                }
            }
            ForeachBase::Hist { global, keys, .. } => {
                for (idx, key) in each.keys.iter().enumerate() {
                    self.name(Symbol::Local(self.body, *key), Type::Long, span_of(idx));
                }
                self.name(Symbol::Value(*global), Type::Stat, array_span);
                self.keys(*global, keys.iter_mut().map(Some));
                if let Some(value) = each.value {
                    self.name(Symbol::Local(self.body, value), Type::Long, value_span);
                }
            }
        }
        if let Some(limit) = &mut each.limit {
            self.expr(limit, Type::Long);
        }
        self.stmt(&mut each.body);
    }

    /// Infers `expr` where `want` is needed ([`Type::Unknown`]: anything).
    fn expr(&mut self, expr: &mut Expr, want: Type) {
        let (span, known) = (expr.span, expr.ty);
        match &mut expr.kind {
            ExprKind::Long(_) | ExprKind::Str(_) => self.literal(expr, want),
            ExprKind::Local(local) => {
                let symbol = Symbol::Local(self.body, *local);
                expr.ty = self.resolve(symbol, expr.ty, want, span, false);
            }
            ExprKind::Global(global) => expr.ty = self.resolve(Symbol::Value(*global), expr.ty, want, span, false),
            ExprKind::Element { global, keys } => {
                expr.ty = self.resolve(Symbol::Value(*global), expr.ty, want, span, false);
                self.keys(*global, keys.iter_mut().map(Some));
            }
            ExprKind::Call { function, args } => {
                let mut overload = Some(*function);
                while let Some(function) = overload {
                    expr.ty = self.resolve(Symbol::Result(function), expr.ty, want, span, true);
                    self.call_args(function, args);
                    overload = self.draft.program.functions[function.index()].next_overload;
                }
            }
            ExprKind::Builtin { .. } => self.builtin(expr, want),
            ExprKind::Unary { expr: operand, .. } => {
                self.wants(Type::Long, want, span);
                self.expr(operand, Type::Long);
                self.settle(expr, Type::Long);
            }
            ExprKind::Binary { left, right, .. } | ExprKind::Logical { left, right, .. } => {
                self.wants(Type::Long, want, span);
                self.expr(left, Type::Long);
                self.expr(right, Type::Long);
                self.sides(left.ty, right.ty, span);
                self.settle(expr, Type::Long);
            }
            ExprKind::Compare { left, right, .. } => {
                self.wants(Type::Long, want, span);
                let right_ty = right.ty;
                self.expr(left, right_ty);
                let left_ty = left.ty;
                self.expr(right, left_ty);
                for side in [&*left, &*right] {
                    if side.ty == Type::Stat {
                        self.invalid(Type::Stat, side.span);
                    }
                }
                self.sides(left.ty, right.ty, span);
                self.settle(expr, Type::Long);
            }
            ExprKind::Concat(parts) => {
                self.wants(Type::Str, want, span);
                parts.iter_mut().for_each(|part| self.expr(part, Type::Str));
                self.settle(expr, Type::Str);
            }
            ExprKind::Regex { left, .. } => {
                self.wants(Type::Long, want, span);
                self.expr(left, Type::Str);
                self.settle(expr, Type::Long);
            }
            ExprKind::In { global, keys } => {
                self.keys(*global, keys.iter_mut().map(Option::as_mut));
                self.fixed(expr, Type::Long, want);
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                self.expr(cond, Type::Long);
                // What it was found to be goes on to both sides a round later.
                let wanted = if want == Type::Unknown { known } else { want };
                self.expr(then, wanted);
                self.expr(otherwise, wanted);
                if then.ty == Type::Unknown && otherwise.ty != Type::Unknown {
                    let ty = otherwise.ty;
                    self.expr(then, ty);
                }
                let ty = if want != Type::Unknown { want } else { then.ty };
                self.settle(expr, ty);
            }
            ExprKind::Assign { .. } => self.assign(expr, want),
            ExprKind::Crement { target, .. } => {
                self.wants(Type::Long, want, span);
                self.target(target, Type::Long, span);
                self.settle(expr, Type::Long);
            }
            ExprKind::Print(_) => self.print(expr),
            ExprKind::Stat { global, keys, .. } => {
                self.statistic(*global, keys, span);
                self.fixed(expr, Type::Long, want);
            }
            ExprKind::Hist { global, keys, .. } => {
                self.statistic(*global, keys, span);
                self.settle(expr, Type::Str);
            }
            ExprKind::Bucket { global, keys, index, .. } => {
                let global = *global;
                self.expr(index, Type::Long);
                self.statistic(global, keys, span);
                self.fixed(expr, Type::Long, want);
            }
            ExprKind::Embedded(code) => {
                let ty = code.ty;
                self.fixed(expr, ty, want);
            }
            ExprKind::Context(context) => {
                if let Some(base) = &mut context.base {
                    self.expr(base, Type::Long);
                }
                context.operands.iter_mut().for_each(|index| self.expr(index, Type::Long));
                match &context.missing {
                    Some(missing) => self.missing(missing),
                    None => self.fixed(expr, Type::Long, want),
                }
            }
        }
    }

    fn missing(&mut self, missing: &Missing) {
        let is_seen = if missing.is_cast { self.is_first || self.last } else { self.last };
        self.n_unresolved += usize::from(!missing.is_cast);
        if is_seen {
            self.diagnostics.push(missing.finding.clone());
        }
    }

    fn literal(&mut self, expr: &mut Expr, want: Type) {
        if expr.ty != Type::Unknown {
            if want != Type::Unknown && want != expr.ty {
                self.mismatch(want, expr.ty, expr.span);
            }
        } else if matches!(want, Type::Long | Type::Str) {
            // Without a type: "zero or empty", whatever is wanted.
            if want == Type::Str {
                expr.kind = ExprKind::Str(Vec::new().into());
            }
            self.settle(expr, want);
        }
    }

    fn builtin(&mut self, expr: &mut Expr, want: Type) {
        let ExprKind::Builtin { builtin, args } = &mut expr.kind else { return };
        let row = builtins::get(*builtin);
        let (span, result) = (expr.span, row.result);
        for (arg, param) in args.iter_mut().zip(row.params) {
            self.expr(arg, param.ty);
            match arg.ty {
                Type::Unknown => self.unresolved(arg.span),
                Type::Stat => self.invalid(Type::Stat, arg.span),
                ty if ty != param.ty => self.declared_mismatch(ty, param.ty, arg.span),
                _ => {}
            }
        }
        match (result, want) {
            (Type::Unknown, Type::Unknown) => {}
            // As a number it is 0: `done && exit()`.
            (Type::Unknown, Type::Long) => self.settle(expr, Type::Long),
            (Type::Unknown, _) => self.unresolved(span),
            (result, want) if want != Type::Unknown && want != result => self.declared_mismatch(want, result, span),
            (result, _) => self.settle(expr, result),
        }
    }

    fn call_args(&mut self, function: FunctionId, args: &mut [Expr]) {
        for (idx, arg) in args.iter_mut().enumerate() {
            let param = Symbol::Local(BodyId::Function(function), LocalId(idx as u32));
            let known = self.type_of(param);
            self.expr(arg, known);
            match (arg.ty, known) {
                (Type::Stat, _) => self.invalid(Type::Stat, arg.span),
                (Type::Unknown, _) => self.unresolved(arg.span),
                (ty, Type::Unknown) => self.learn(param, Some(idx), ty, arg.span),
                (ty, known) if ty != known => self.symbol_mismatch(param, Some(idx), ty, arg.span),
                _ => {}
            }
        }
    }

    fn assign(&mut self, expr: &mut Expr, want: Type) {
        let span = expr.span;
        let ExprKind::Assign { op, target, value } = &mut expr.kind else { return };
        match op {
            AssignOp::Set => {
                if value.ty == Type::Stat {
                    return self.invalid(Type::Stat, value.span);
                }
                let first = if want == Type::Unknown { value.ty } else { want };
                let left = self.target(target, first, span);
                self.expr(value, if want == Type::Unknown { left } else { want });
                let right = value.ty;
                self.sides(left, right, span);
                match (want, left, right) {
                    (Type::Unknown, Type::Unknown, Type::Stat) => {}
                    (Type::Unknown, Type::Unknown, right) => self.settle(expr, right),
                    (Type::Unknown, left, _) => self.settle(expr, left),
                    (want, ..) => self.settle(expr, want),
                }
            }
            AssignOp::Accumulate => {
                self.wants(Type::Long, want, span);
                self.target(target, Type::Stat, span);
                self.expr(value, Type::Long);
                self.settle(expr, Type::Long);
            }
            AssignOp::Concat => {
                self.wants(Type::Str, want, span);
                self.target(target, Type::Str, span);
                self.expr(value, Type::Str);
                self.settle(expr, Type::Str);
            }
            AssignOp::Binary(_) => {
                self.wants(Type::Long, want, span);
                let left = self.target(target, Type::Long, span);
                self.expr(value, Type::Long);
                self.sides(left, value.ty, span);
                self.settle(expr, Type::Long);
            }
        }
    }

    fn print(&mut self, expr: &mut Expr) {
        let span = expr.span;
        let ExprKind::Print(print) = &mut expr.kind else { return };
        let ty = if print.to_string { Type::Str } else { Type::Long };
        let mut n_open = 0;
        if self.draft.plain_prints.contains(&span) {
            for arg in &mut print.args {
                self.expr(arg, Type::Unknown);
                if arg.ty == Type::Unknown {
                    self.unresolved(arg.span);
                    n_open += 1;
                }
            }
        } else {
            self.format_args(print);
        }
        if n_open == 0 {
            self.settle(expr, ty);
        } else {
            expr.ty = Type::Unknown;
            self.unresolved(span);
        }
    }

    fn format_args(&mut self, print: &mut Print) {
        for (arg, ty) in print.args.iter_mut().zip(print.format.arg_types()) {
            self.expr(arg, ty);
            if arg.ty == Type::Unknown {
                self.settle(arg, ty);
            } else if arg.ty != ty {
                self.mismatch(ty, arg.ty, arg.span);
            }
        }
    }

    fn statistic(&mut self, global: GlobalId, keys: &mut [Expr], operator: Span) {
        let span = self.name_at(operator);
        self.name(Symbol::Value(global), Type::Stat, span);
        self.keys(global, keys.iter_mut().map(Some));
    }

    fn target(&mut self, target: &mut Target, want: Type, operator: Span) -> Type {
        let span = self.name_at(operator);
        match target {
            Target::Local(local) => self.name(Symbol::Local(self.body, *local), want, span),
            Target::Global(global) => self.name(Symbol::Value(*global), want, span),
            Target::Element { global, keys } => {
                let global = *global;
                let ty = self.name(Symbol::Value(global), want, span);
                self.keys(global, keys.iter_mut().map(Some));
                ty
            }
        }
    }

    /// Keys of an element, `None` for `*`.
    fn keys<'e>(&mut self, global: GlobalId, keys: impl Iterator<Item = Option<&'e mut Expr>>) {
        for (idx, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            let known = self.key_type(global, idx);
            self.expr(key, known);
            self.key(global, idx, key.ty, key.span);
        }
    }

    /// Learns or checks the type of one key of an array.
    fn key(&mut self, global: GlobalId, idx: usize, ty: Type, span: Span) {
        let known = self.key_type(global, idx);
        match (known, ty) {
            (_, Type::Unknown) => self.unresolved(span),
            (_, Type::Stat) => self.invalid(Type::Stat, span),
            (Type::Unknown, ty) => self.learn(Symbol::Value(global), Some(idx), ty, span),
            (known, ty) if known != ty => self.symbol_mismatch(Symbol::Value(global), Some(idx), ty, span),
            _ => {}
        }
    }

    /// A name that has no expression of its own.
    fn name(&mut self, symbol: Symbol, want: Type, span: Span) -> Type {
        let own = self.named.get(&(self.body, span)).copied().unwrap_or(Type::Unknown);
        let ty = self.resolve(symbol, own, want, span, false);
        self.named.insert((self.body, span), ty);
        ty
    }

    /// The type of a mention of `symbol` that had type `own` so far, where `want` is needed.
    fn resolve(&mut self, symbol: Symbol, own: Type, want: Type, span: Span, may_be_open: bool) -> Type {
        const OPEN: Type = Type::Unknown;
        let known = self.type_of(symbol);
        if own != OPEN && own == known && (want == OPEN || want == own) {
            return own;
        }
        let differ = |a: Type, b: Type| a != OPEN && b != OPEN && a != b;
        if differ(own, known) {
            self.symbol_mismatch(symbol, None, own, span);
        } else if differ(own, want) || differ(known, want) {
            self.symbol_mismatch(symbol, None, want, span);
        } else if own == OPEN && known == OPEN && want == OPEN {
            if !may_be_open {
                self.unresolved(span);
            }
        } else {
            let ty = [own, want, known].into_iter().find(|ty| *ty != OPEN).unwrap_or(OPEN);
            if known == OPEN {
                self.learn(symbol, None, ty, span);
            } else {
                self.n_learnt += 1;
            }
            return ty;
        }
        own
    }

    /// The type of what has one by its nature.
    fn settle(&mut self, expr: &mut Expr, ty: Type) {
        if expr.ty == Type::Unknown && ty != Type::Unknown {
            expr.ty = ty;
            self.n_learnt += 1;
        }
    }

    fn fixed(&mut self, expr: &mut Expr, ty: Type, want: Type) {
        if want != Type::Unknown && want != ty {
            self.mismatch(want, ty, expr.span);
        }
        self.settle(expr, ty);
    }

    /// An operator that makes `ty`, where `want` is needed.
    fn wants(&mut self, ty: Type, want: Type, span: Span) {
        if want != Type::Unknown && want != ty {
            self.n_unresolved += 1;
            if self.last {
                let at = self.spot(span);
                self.diagnostics.push(say::invalid_operator(&at));
            }
        }
    }

    fn sides(&mut self, left: Type, right: Type, span: Span) {
        if left != right && left != Type::Unknown && right != Type::Unknown {
            let at = self.spot(span);
            self.report_mismatch(say::sides_mismatch(left, right, &at));
        }
    }

    fn mismatch(&mut self, want: Type, found: Type, span: Span) {
        let at = self.spot(span);
        self.report_mismatch(say::type_mismatch(want, found, &at));
    }

    fn declared_mismatch(&mut self, found: Type, declared: Type, span: Span) {
        let at = self.spot(span);
        self.report_mismatch(say::declared_mismatch(found, declared, &at));
    }

    /// `ty` where `symbol`, or one of its keys, has another: with the place that said so first, if one did.
    fn symbol_mismatch(&mut self, symbol: Symbol, key: Option<usize>, ty: Type, span: Span) {
        let key = key.or(match (symbol, self.body) {
            (Symbol::Local(body, local), BodyId::Function(function)) if body == self.body => {
                let n_params = self.draft.program.functions[function.index()].n_params;
                (local.index() < n_params).then_some(local.index())
            }
            _ => None,
        });
        let known = match (symbol, key) {
            (Symbol::Value(global), Some(idx)) => self.key_type(global, idx),
            _ => self.type_of(symbol),
        };
        let Some(first) = self.origins.get(&(symbol, key)).copied() else {
            return self.declared_mismatch(ty, known, span);
        };
        let (at, first) = (self.spot(span), self.spot(first));
        self.report_mismatch(match key {
            Some(idx) => say::index_mismatch(idx, ty, known, &at, &first),
            None => say::type_mismatch_first(ty, known, &at, &first),
        });
    }

    fn report_mismatch(&mut self, diagnostic: Diagnostic) {
        self.n_unresolved += 1;
        self.mismatched = true;
        self.diagnostics.push(diagnostic);
    }

    fn invalid(&mut self, ty: Type, span: Span) {
        self.n_unresolved += 1;
        if self.last {
            let at = self.spot(span);
            self.diagnostics.push(say::invalid_type(ty, &at));
        }
    }

    fn unresolved(&mut self, span: Span) {
        self.n_unresolved += 1;
        if self.last {
            let at = self.spot(span);
            self.diagnostics.push(say::unresolved_type(&at));
        }
    }

    fn learn(&mut self, symbol: Symbol, key: Option<usize>, ty: Type, span: Span) {
        match (symbol, key) {
            (Symbol::Value(global), Some(idx)) => self.draft.program.globals[global.index()].keys[idx] = ty,
            (Symbol::Value(global), None) => self.draft.program.globals[global.index()].value = ty,
            (Symbol::Result(function), _) => self.draft.program.functions[function.index()].ret = ty,
            (Symbol::Local(body, local), _) => self.local_mut(body, local).ty = ty,
        }
        self.origins.entry((symbol, key)).or_insert(span);
        self.n_learnt += 1;
    }

    fn local_mut(&mut self, body: BodyId, local: LocalId) -> &mut Local {
        let locals = match body {
            _ if body == self.body => &mut self.locals,
            BodyId::Function(function) => &mut self.draft.program.functions[function.index()].locals,
            BodyId::Probe(probe) => &mut self.draft.program.probes[probe as usize].locals,
        };
        &mut locals[local.index()]
    }

    fn type_of(&mut self, symbol: Symbol) -> Type {
        match symbol {
            Symbol::Value(global) => self.draft.program.globals[global.index()].value,
            Symbol::Result(function) => self.draft.program.functions[function.index()].ret,
            Symbol::Local(body, local) => self.local_mut(body, local).ty,
        }
    }

    fn key_type(&self, global: GlobalId, idx: usize) -> Type {
        self.draft.program.globals[global.index()].keys[idx]
    }

    fn local_span(&self, local: LocalId) -> Span {
        let note = match self.body {
            BodyId::Function(function) => &self.draft.functions[function.index()],
            BodyId::Probe(probe) => &self.draft.probes[probe as usize],
        };
        note.local_spans.get(local.index()).copied().unwrap_or(Span::NONE)
    }

    /// The name that belongs to an operator or statement.
    fn name_at(&self, span: Span) -> Span {
        self.draft.names_at.get(&span).copied().unwrap_or(span)
    }

    fn spot(&self, span: Span) -> say::Spot {
        spot(self.sources, span)
    }
}

/// What nobody needed as a string is the number 0.
fn settle_zeros(draft: &mut Draft) {
    let mut settle = |expr: &mut Expr| {
        if matches!(expr.kind, ExprKind::Long(_)) && expr.ty == Type::Unknown {
            expr.ty = Type::Long;
        }
    };
    draft.program.functions.iter_mut().for_each(|function| walk::every_expr_mut(&mut function.body, &mut settle));
    draft.program.probes.iter_mut().for_each(|probe| walk::every_expr_mut(&mut probe.body, &mut settle));
}
/// Gives `print` and its like the conversions their arguments' types ask for.
fn settle_formats(draft: &mut Draft) {
    let plain = &draft.plain_prints;
    let bodies = draft.program.functions.iter_mut().map(|f| &mut f.body);
    for body in bodies.chain(draft.program.probes.iter_mut().map(|p| &mut p.body)) {
        walk::every_expr_mut(body, &mut |expr| {
            let span = expr.span;
            let ExprKind::Print(print) = &mut expr.kind else { return };
            if !plain.contains(&span) {
                return;
            }
            let conversions = print.format.pieces.iter_mut().filter_map(|piece| match piece {
                Piece::Conversion(conversion) => Some(conversion),
                Piece::Text(_) => None,
            });
            for (conversion, arg) in conversions.zip(&print.args) {
                if conversion.kind == ConversionKind::Signed && arg.ty == Type::Str {
                    conversion.kind = ConversionKind::String;
                }
            }
        });
    }
}

fn null() -> Stmt {
    Stmt { kind: StmtKind::Null, span: Span::NONE }
}
