//! Types by going over all bodies until nothing new is learnt: literals and operators fix types, and every name, key,
//! parameter and result has one. langref "Types" (there is no conversion between numbers and strings).

use std::collections::{HashMap, HashSet};

use super::{
    draft::{BodyId, Draft, Symbol, spot},
    program::{Expr, ExprKind, Foreach, ForeachBase, FunctionId, GlobalId, Local, LocalId, Stmt, StmtKind, Target},
    walk,
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

/// Fills in every type of the draft. What stays unknown is an error.
pub fn infer_types(draft: &mut Draft, sources: &SourceMap) -> Diagnostics {
    let mut infer = Infer {
        draft,
        sources,
        first: HashMap::new(),
        body: BodyId::Probe(0),
        locals: Vec::new(),
        changed: false,
        last: false,
        reported: HashSet::new(),
        diagnostics: Diagnostics::default(),
    };
    loop {
        infer.changed = false;
        infer.every_body();
        if !infer.changed {
            break;
        }
    }
    if !infer.diagnostics.has_errors() {
        infer.last = true;
        infer.every_body();
        infer.unused_symbols();
    }
    let diagnostics = infer.diagnostics;
    if !diagnostics.has_errors() {
        settle_formats(draft);
    }
    diagnostics
}

struct Infer<'a> {
    draft: &'a mut Draft,
    sources: &'a SourceMap,
    /// Where each symbol got its type, when it was by use and not by declaration.
    first: HashMap<Symbol, Span>,
    body: BodyId,
    /// Of the body that is looked at; its own list is away meanwhile.
    locals: Vec<Local>,
    changed: bool,
    /// Nothing more can be learnt: report what has no type.
    last: bool,
    reported: HashSet<(&'static str, Option<Span>)>,
    diagnostics: Diagnostics,
}

impl Infer<'_> {
    fn every_body(&mut self) {
        for idx in 0..self.draft.program.functions.len() {
            let id = FunctionId(idx as u32);
            let function = &mut self.draft.program.functions[idx];
            let mut body = std::mem::replace(&mut function.body, null());
            self.locals = std::mem::take(&mut function.locals);
            self.body = BodyId::Function(id);
            self.stmt(&mut body);
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
            if let Some(condition) = &mut condition {
                self.expr(condition, Type::Long);
            }
            self.stmt(&mut body);
            let probe = &mut self.draft.program.probes[idx];
            probe.body = body;
            probe.condition = condition;
            probe.locals = std::mem::take(&mut self.locals);
        }
    }

    /// Globals nobody gave a type, once every body was looked at.
    fn unused_symbols(&mut self) {
        for idx in 0..self.draft.program.globals.len() {
            let global = &self.draft.program.globals[idx];
            if global.value == Type::Unknown || global.keys.contains(&Type::Unknown) {
                let span = global.span;
                self.unresolved(span);
            }
        }
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        match &mut stmt.kind {
            StmtKind::Null | StmtKind::Break | StmtKind::Continue | StmtKind::Next => {}
            StmtKind::Block(stmts) => stmts.iter_mut().for_each(|inner| self.stmt(inner)),
            StmtKind::Expr(expr) => self.statement_expr(expr),
            StmtKind::If { cond, then, otherwise } => {
                self.expr(cond, Type::Long);
                self.stmt(then);
                if let Some(otherwise) = otherwise {
                    self.stmt(otherwise);
                }
            }
            StmtKind::Loop { init, cond, step, body } => {
                if let Some(init) = init {
                    self.statement_expr(init);
                }
                if let Some(cond) = cond {
                    self.expr(cond, Type::Long);
                }
                if let Some(step) = step {
                    self.statement_expr(step);
                }
                self.stmt(body);
            }
            StmtKind::Foreach(each) => self.foreach(each, stmt.span),
            StmtKind::Return(value) => {
                let (BodyId::Function(id), Some(value)) = (self.body, value) else { return };
                let wanted = self.draft.program.functions[id.index()].ret;
                self.expr(value, wanted);
                if wanted == Type::Unknown && matches!(value.ty, Type::Long | Type::Str) {
                    self.draft.program.functions[id.index()].ret = value.ty;
                    self.first.insert(Symbol::Result(id), value.span);
                    self.changed = true;
                } else if value.ty == Type::Stat {
                    self.report(say::invalid_type(Type::Stat, &self.spot(value.span)));
                }
            }
            StmtKind::Delete { global, keys } => self.keys(*global, keys.iter_mut().map(Option::as_mut)),
            StmtKind::Try { body, var, catch } => {
                self.stmt(body);
                if let Some(var) = *var {
                    let span = self.name_at(stmt.span);
                    self.local(var, Type::Str, span);
                }
                self.stmt(catch);
            }
        }
    }

    /// An expression whose value nobody wants: calls need not give one.
    fn statement_expr(&mut self, expr: &mut Expr) {
        let last = std::mem::replace(&mut self.last, false);
        if let (ExprKind::Call { args, function }, true) = (&mut expr.kind, last) {
            let function = *function;
            self.last = true;
            self.call_args(function, args);
            return;
        }
        self.last = last;
        self.expr(expr, Type::Unknown);
    }

    fn foreach(&mut self, each: &mut Foreach, span: Span) {
        let name_span = self.name_at(span);
        match &mut each.base {
            ForeachBase::Array(global) => {
                let global = *global;
                for (idx, key) in each.keys.iter().enumerate() {
                    let local_span = self.local_span(*key);
                    let known = self.draft.program.globals[global.index()].keys[idx];
                    let ty = self.local(*key, known, local_span);
                    self.key(global, idx, ty, local_span);
                }
                if let Some(value) = each.value {
                    let local_span = self.local_span(value);
                    let known = self.draft.program.globals[global.index()].value;
                    if known == Type::Stat {
                        self.report(say::invalid_type(Type::Stat, &self.spot(local_span)));
                    } else {
                        let ty = self.local(value, known, local_span);
                        self.value(global, ty, local_span);
                    }
                }
                if let Some(sort) = each.sort
                    && let SortBy::Extractor(_) = sort.by
                {
                    let found = self.draft.program.globals[global.index()].value;
                    if self.last && found != Type::Stat {
                        self.report(say::invalid_type(found, &self.spot(name_span)));
                    }
                }
                self.keys(global, each.slice.iter_mut().map(Option::as_mut));
            }
            ForeachBase::Hist { global, keys, .. } => {
                let global = *global;
                self.keys(global, keys.iter_mut().map(Some));
                self.value(global, Type::Stat, name_span);
                for key in each.keys.iter().chain(&each.value) {
                    let local_span = self.local_span(*key);
                    self.local(*key, Type::Long, local_span);
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
        let span = expr.span;
        let found = match &mut expr.kind {
            ExprKind::Long(value) => {
                // Without a type: "zero or empty", whatever is wanted.
                if expr.ty == Type::Unknown {
                    if want == Type::Str {
                        expr.kind = ExprKind::Str(Vec::new().into());
                    } else if self.last {
                        expr.kind = ExprKind::Long(*value);
                        expr.ty = Type::Long;
                    }
                    if want != Type::Unknown {
                        expr.ty = want;
                    }
                    return;
                }
                Type::Long
            }
            ExprKind::Str(_) => Type::Str,
            ExprKind::Local(local) => {
                let local = *local;
                expr.ty = self.local(local, want, span);
                return;
            }
            ExprKind::Global(global) => {
                let global = *global;
                expr.ty = self.value(global, want, span);
                return;
            }
            ExprKind::Element { global, keys } => {
                let global = *global;
                self.keys(global, keys.iter_mut().map(Some));
                expr.ty = self.value(global, want, span);
                return;
            }
            ExprKind::Call { function, args } => {
                let function = *function;
                self.call_args(function, args);
                let ret = self.draft.program.functions[function.index()].ret;
                expr.ty = self.symbol(Symbol::Result(function), ret, want, span);
                return;
            }
            ExprKind::Builtin { builtin, args } => {
                let row = builtins::get(*builtin);
                for (arg, param) in args.iter_mut().zip(row.params) {
                    self.expr_quietly(arg);
                    if arg.ty == Type::Unknown {
                        self.expr(arg, param.ty);
                    } else if arg.ty != param.ty {
                        self.report(say::type_mismatch(arg.ty, param.ty, &self.spot(arg.span)));
                    }
                }
                if row.result == Type::Unknown {
                    // As a number it is 0: `done && exit()`.
                    match want {
                        Type::Unknown => {}
                        Type::Long => expr.ty = Type::Long,
                        Type::Str | Type::Stat => self.unresolved(span),
                    }
                    return;
                }
                row.result
            }
            ExprKind::Unary { expr: operand, .. } => {
                self.operand(operand, Type::Long);
                Type::Long
            }
            ExprKind::Binary { left, right, .. } | ExprKind::Logical { left, right, .. } => {
                if matches!(want, Type::Str | Type::Stat) {
                    self.report(say::invalid_operator(&self.spot(span)));
                }
                self.operand(left, Type::Long);
                self.operand(right, Type::Long);
                expr.ty = Type::Long;
                return;
            }
            ExprKind::Compare { left, right, .. } => {
                let right_ty = right.ty;
                self.expr(left, if right_ty == Type::Stat { Type::Unknown } else { right_ty });
                let left_ty = left.ty;
                self.expr(right, left_ty);
                for side in [&*left, &*right] {
                    if side.ty == Type::Stat {
                        self.report(say::invalid_type(Type::Stat, &self.spot(side.span)));
                    }
                }
                if left.ty != right.ty && left.ty != Type::Unknown && right.ty != Type::Unknown {
                    self.report(say::sides_mismatch(left.ty, right.ty, &self.spot(span)));
                }
                Type::Long
            }
            ExprKind::Concat(parts) => {
                if matches!(want, Type::Long | Type::Stat) {
                    self.report(say::invalid_operator(&self.spot(span)));
                }
                parts.iter_mut().for_each(|part| self.operand(part, Type::Str));
                expr.ty = Type::Str;
                return;
            }
            ExprKind::Regex { left, .. } => {
                self.operand(left, Type::Str);
                Type::Long
            }
            ExprKind::In { global, keys } => {
                let global = *global;
                self.keys(global, keys.iter_mut().map(Option::as_mut));
                Type::Long
            }
            ExprKind::Ternary { cond, then, otherwise } => {
                self.expr(cond, Type::Long);
                self.expr(then, want);
                let ty = if want == Type::Unknown { then.ty } else { want };
                self.expr(otherwise, ty);
                if then.ty == Type::Unknown && otherwise.ty != Type::Unknown {
                    let ty = otherwise.ty;
                    self.expr(then, ty);
                }
                expr.ty = then.ty;
                return;
            }
            ExprKind::Assign { op, target, value } => {
                let ty = match op {
                    AssignOp::Set => self.assign(target, value, want, span),
                    AssignOp::Accumulate => {
                        self.target(target, Type::Stat, span);
                        self.operand(value, Type::Long);
                        Type::Long
                    }
                    AssignOp::Concat => {
                        self.target(target, Type::Str, span);
                        self.operand(value, Type::Str);
                        Type::Str
                    }
                    AssignOp::Binary(_) => {
                        self.target(target, Type::Long, span);
                        self.operand(value, Type::Long);
                        Type::Long
                    }
                };
                if ty == Type::Unknown {
                    return;
                }
                ty
            }
            ExprKind::Crement { target, .. } => {
                self.target(target, Type::Long, span);
                Type::Long
            }
            ExprKind::Print(print) => {
                if self.draft.plain_prints.contains(&span) {
                    for arg in &mut print.args {
                        self.expr(arg, Type::Unknown);
                        if arg.ty == Type::Stat {
                            self.report(say::invalid_type(Type::Stat, &self.spot(arg.span)));
                        }
                    }
                } else {
                    for (arg, ty) in print.args.iter_mut().zip(print.format.arg_types()) {
                        self.operand(arg, ty);
                    }
                }
                if print.to_string { Type::Str } else { Type::Long }
            }
            ExprKind::Stat { global, keys, .. } | ExprKind::Hist { global, keys, .. } => {
                let global = *global;
                let at = self.name_at(span);
                self.keys(global, keys.iter_mut().map(Some));
                self.value(global, Type::Stat, at);
                if matches!(expr.kind, ExprKind::Hist { .. }) { Type::Str } else { Type::Long }
            }
            ExprKind::Bucket { global, keys, index, .. } => {
                let global = *global;
                let at = self.name_at(span);
                self.keys(global, keys.iter_mut().map(Some));
                self.value(global, Type::Stat, at);
                self.operand(index, Type::Long);
                Type::Long
            }
            ExprKind::Context(context) => {
                if let Some(base) = &mut context.base {
                    self.operand(base, Type::Long);
                }
                context.indices.iter_mut().for_each(|index| self.operand(index, Type::Long));
                Type::Long
            }
        };
        expr.ty = found;
        if want != Type::Unknown && want != found {
            self.report(say::type_mismatch(want, found, &self.spot(span)));
        }
    }

    /// An operand whose type is fixed.
    fn operand(&mut self, expr: &mut Expr, ty: Type) {
        self.expr(expr, ty);
    }

    fn call_args(&mut self, function: FunctionId, args: &mut [Expr]) {
        if let Some(next) = self.draft.program.functions[function.index()].next_overload {
            self.call_args(next, args);
            self.share_result(function);
        }
        for (idx, arg) in args.iter_mut().enumerate() {
            let param = LocalId(idx as u32);
            let id = BodyId::Function(function);
            let known = self.local_type(id, param);
            self.expr(arg, Type::Unknown);
            if arg.ty == Type::Unknown && known != Type::Unknown {
                self.expr(arg, known);
            }
            match (arg.ty, known) {
                (Type::Stat, _) => self.report(say::invalid_type(Type::Stat, &self.spot(arg.span))),
                (Type::Unknown, _) => {}
                (ty, Type::Unknown) => self.learn(Symbol::Local(id, param), ty, arg.span),
                (ty, known) if ty != known => {
                    let at = self.spot(arg.span);
                    match self.first.get(&Symbol::Local(id, param)).copied() {
                        Some(first) => self.report(say::index_mismatch(idx, ty, known, &at, &self.spot(first))),
                        None => self.report(say::type_mismatch(ty, known, &at)),
                    }
                }
                _ => {}
            }
        }
    }

    /// A function and the overloads it may move on to have one type.
    fn share_result(&mut self, function: FunctionId) {
        let mut overloads = vec![function];
        while let Some(next) = self.draft.program.functions[overloads[overloads.len() - 1].index()].next_overload {
            overloads.push(next);
        }
        let known = overloads.iter().map(|id| self.draft.program.functions[id.index()].ret);
        let Some(known) = known.into_iter().find(|ty| *ty != Type::Unknown) else { return };
        for id in overloads {
            if self.draft.program.functions[id.index()].ret == Type::Unknown {
                let span = self.draft.program.functions[id.index()].span;
                self.learn(Symbol::Result(id), known, span);
            }
        }
    }

    fn assign(&mut self, target: &mut Target, value: &mut Expr, want: Type, span: Span) -> Type {
        self.expr_quietly(value);
        let wanted = if value.ty == Type::Unknown { want } else { value.ty };
        let ty = self.target(target, wanted, span);
        self.expr(value, if value.ty == Type::Unknown { ty } else { Type::Unknown });
        if value.ty == Type::Stat {
            self.report(say::invalid_type(Type::Stat, &self.spot(value.span)));
        }
        if want != Type::Unknown && ty != Type::Unknown && ty != want {
            self.report(say::type_mismatch(want, ty, &self.spot(span)));
        }
        ty
    }

    /// A first look at a value whose type may come from elsewhere, so an unknown one is not an error yet.
    fn expr_quietly(&mut self, expr: &mut Expr) {
        let last = std::mem::replace(&mut self.last, false);
        self.expr(expr, Type::Unknown);
        self.last = last;
    }

    fn target(&mut self, target: &mut Target, want: Type, operator: Span) -> Type {
        let span = self.name_at(operator);
        match target {
            Target::Local(local) => self.local(*local, want, span),
            Target::Global(global) => self.value(*global, want, span),
            Target::Element { global, keys } => {
                let global = *global;
                self.keys(global, keys.iter_mut().map(Some));
                self.value(global, want, span)
            }
        }
    }

    /// Keys of an element, `None` for `*`.
    fn keys<'e>(&mut self, global: GlobalId, keys: impl Iterator<Item = Option<&'e mut Expr>>) {
        for (idx, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            let known = self.draft.program.globals[global.index()].keys[idx];
            if known == Type::Unknown {
                self.expr(key, Type::Unknown);
            } else {
                self.expr_quietly(key);
                let wanted = if key.ty == Type::Unknown { known } else { Type::Unknown };
                self.expr(key, wanted);
            }
            if key.ty == Type::Stat {
                self.report(say::invalid_type(Type::Stat, &self.spot(key.span)));
            } else {
                self.key(global, idx, key.ty, key.span);
            }
        }
    }

    /// Learns or checks the type of one key of an array.
    fn key(&mut self, global: GlobalId, idx: usize, ty: Type, span: Span) {
        let known = self.draft.program.globals[global.index()].keys[idx];
        match (known, ty) {
            (_, Type::Unknown) => {}
            (Type::Unknown, ty) => self.learn(Symbol::Key(global, idx), ty, span),
            (known, ty) if known != ty => {
                let at = self.spot(span);
                let first = self.first.get(&Symbol::Key(global, idx)).map_or(at.clone(), |first| self.spot(*first));
                self.report(say::index_mismatch(idx, ty, known, &at, &first));
            }
            _ => {}
        }
    }

    fn local(&mut self, local: LocalId, want: Type, span: Span) -> Type {
        if want == Type::Stat {
            self.report(say::stat_local(&self.spot(span)));
            return Type::Unknown;
        }
        let known = self.locals[local.index()].ty;
        self.symbol(Symbol::Local(self.body, local), known, want, span)
    }

    fn value(&mut self, global: GlobalId, want: Type, span: Span) -> Type {
        let known = self.draft.program.globals[global.index()].value;
        self.symbol(Symbol::Value(global), known, want, span)
    }

    fn symbol(&mut self, symbol: Symbol, known: Type, want: Type, span: Span) -> Type {
        match (known, want) {
            (Type::Unknown, Type::Unknown) => {
                if self.last {
                    self.unresolved(span);
                }
                Type::Unknown
            }
            (Type::Unknown, want) => {
                self.learn(symbol, want, span);
                want
            }
            (known, want) => {
                if want != Type::Unknown && known != want {
                    let at = self.spot(span);
                    match self.first.get(&symbol).copied() {
                        Some(first) => self.report(say::type_mismatch_first(want, known, &at, &self.spot(first))),
                        None => self.report(say::type_mismatch(want, known, &at)),
                    }
                }
                known
            }
        }
    }

    fn learn(&mut self, symbol: Symbol, ty: Type, span: Span) {
        match symbol {
            Symbol::Local(body, local) if body == self.body => self.locals[local.index()].ty = ty,
            Symbol::Local(BodyId::Function(function), local) => {
                self.draft.program.functions[function.index()].locals[local.index()].ty = ty;
            }
            Symbol::Local(BodyId::Probe(probe), local) => {
                self.draft.program.probes[probe as usize].locals[local.index()].ty = ty;
            }
            Symbol::Value(global) => self.draft.program.globals[global.index()].value = ty,
            Symbol::Key(global, idx) => self.draft.program.globals[global.index()].keys[idx] = ty,
            Symbol::Result(function) => self.draft.program.functions[function.index()].ret = ty,
        }
        self.first.insert(symbol, span);
        self.changed = true;
    }

    fn local_type(&self, body: BodyId, local: LocalId) -> Type {
        match body {
            _ if body == self.body => self.locals[local.index()].ty,
            BodyId::Function(function) => self.draft.program.functions[function.index()].locals[local.index()].ty,
            BodyId::Probe(probe) => self.draft.program.probes[probe as usize].locals[local.index()].ty,
        }
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

    fn unresolved(&mut self, span: Span) {
        self.report(say::unresolved_type(&self.spot(span)));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.reported.insert((diagnostic.kind, diagnostic.primary)) {
            self.diagnostics.push(diagnostic);
        }
    }
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
