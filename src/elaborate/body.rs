//! Script text to typed-to-be nodes: every name becomes a local, a global or a function, every `$var` an access. Works on
//! one handler or function at a time; what is wrong is reported and replaced by a zero, so that one run finds much.

use std::{rc::Rc, sync::Arc};

use rustc_hash::FxHashMap as HashMap;

use super::{
    cx::{Cx, SiteCx},
    fold,
    link::Home,
    mentions::Mentions,
    program::{
        Embedded, Expr, ExprKind, Foreach, ForeachBase, GlobalId, Local, LocalId, Print, Stmt, StmtKind, Target,
    },
    resolve_context::comes_to_nothing,
};
use crate::{
    builtins,
    debuginfo::location::Register,
    diagnostics::catalogue::semantic as say,
    language::{
        ast,
        format::{Conversion, ConversionKind, Format, Piece, Size},
        types::Type,
        visit::{self, Visitor},
    },
    source::Span,
};

/// One body in the making.
pub struct BodyBuilder<'e, 'a> {
    pub cx: &'e mut Cx<'a>,
    /// Whose names count where the builder is now; a handler is put together from several files.
    pub home: Home,
    pub locals: Vec<Local>,
    pub local_spans: Vec<Span>,
    by_name: HashMap<Arc<str>, LocalId>,
    n_params: usize,
    /// C type of a local that was assigned a context pointer, for `local->member`.
    pub(super) c_types: HashMap<LocalId, Arc<str>>,
    pub site: Option<Rc<SiteCx>>,
    /// `@entry` expressions and the locals that hold their values.
    pub entries: Vec<(ast::Expr, LocalId)>,
    /// What registers were at the entry of the function around the probe, with the locals that hold it.
    pub entry_registers: Vec<(Register, LocalId)>,
}

impl<'e, 'a> BodyBuilder<'e, 'a> {
    pub fn handler(cx: &'e mut Cx<'a>, home: Home, site: Option<Rc<SiteCx>>) -> Self {
        cx.statement_failed = false;
        Self {
            cx,
            home,
            locals: Vec::new(),
            local_spans: Vec::new(),
            by_name: HashMap::default(),
            n_params: 0,
            c_types: HashMap::default(),
            site,
            entries: Vec::new(),
            entry_registers: Vec::new(),
        }
    }

    pub fn function(cx: &'e mut Cx<'a>, home: Home, params: &[ast::Param], site: Option<Rc<SiteCx>>) -> Self {
        let mut builder = Self::handler(cx, home, site);
        for param in params {
            let id = builder.new_local(&param.name.text, param.name.span);
            builder.locals[id.index()].ty = param.ty.unwrap_or(Type::Unknown);
        }
        builder.n_params = params.len();
        builder
    }

    pub fn new_local(&mut self, name: &Arc<str>, span: Span) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        self.locals.push(Local { name: name.clone(), ty: Type::Unknown });
        self.local_spans.push(span);
        self.by_name.insert(name.clone(), id);
        id
    }

    // Statements.

    pub fn stmt(&mut self, stmt: &ast::Stmt) -> Stmt {
        let kind = match &stmt.kind {
            ast::StmtKind::Null => StmtKind::Null,
            ast::StmtKind::Block(stmts) => StmtKind::Block(self.block(stmts)),
            ast::StmtKind::Expr(expr) => StmtKind::Expr(self.expr(expr)),
            ast::StmtKind::If { cond, then, otherwise } => return self.if_stmt(stmt, cond, then, otherwise.as_deref()),
            ast::StmtKind::While { cond, body } => {
                let cond = Some(self.expr(cond));
                StmtKind::Loop { init: None, cond, step: None, body: Box::new(self.stmt(body)) }
            }
            ast::StmtKind::For { init, cond, step, body } => {
                let init = init.as_ref().map(|expr| self.expr(expr));
                let cond = cond.as_ref().map(|expr| self.expr(expr));
                let step = step.as_ref().map(|expr| self.expr(expr));
                StmtKind::Loop { init, cond, step, body: Box::new(self.stmt(body)) }
            }
            ast::StmtKind::Foreach(each) => return self.foreach(each, stmt.span),
            ast::StmtKind::Return(value) => StmtKind::Return(value.as_ref().map(|value| self.expr(value))),
            ast::StmtKind::Delete(what) => self.delete(what, stmt.span),
            ast::StmtKind::Break => StmtKind::Break,
            ast::StmtKind::Continue => StmtKind::Continue,
            ast::StmtKind::Next => StmtKind::Next,
            ast::StmtKind::Try { body, var, catch } => {
                let body = Box::new(self.stmt(body));
                let mut first = None;
                let var = var.as_ref().map(|name| {
                    self.cx.draft.names_at.insert(stmt.span, name.span);
                    self.binding(name, &mut first)
                });
                let catch = self.stmt(catch);
                StmtKind::Try { body, var, catch: Box::new(prepended(first, catch)) }
            }
            ast::StmtKind::Embedded(code) => StmtKind::Embedded(Embedded::code(code)),
        };
        Stmt { kind, span: stmt.span }
    }

    /// What is wrong in one statement of a block keeps nobody from telling what is wrong in the next.
    fn block(&mut self, stmts: &[ast::Stmt]) -> Vec<Stmt> {
        let failed = self.cx.statement_failed;
        let mut built = Vec::with_capacity(stmts.len());
        for stmt in stmts {
            built.push(self.stmt(stmt));
            self.cx.statement_failed = failed;
        }
        built
    }

    /// A condition that `@defined` decides leaves out the other branch before its names are looked up.
    fn if_stmt(&mut self, stmt: &ast::Stmt, cond: &ast::Expr, then: &ast::Stmt, otherwise: Option<&ast::Stmt>) -> Stmt {
        let condition = self.condition(cond);
        if let Some(value) = self.decided(cond, &condition) {
            return match (value, otherwise) {
                (true, _) => self.stmt(then),
                (false, Some(otherwise)) => self.stmt(otherwise),
                (false, None) => Stmt { kind: StmtKind::Null, span: stmt.span },
            };
        }
        let then = Box::new(self.stmt(then));
        let otherwise = otherwise.map(|otherwise| Box::new(self.stmt(otherwise)));
        Stmt { kind: StmtKind::If { cond: condition, then, otherwise }, span: stmt.span }
    }

    fn condition(&mut self, cond: &ast::Expr) -> Expr {
        let mut expr = self.expr(cond);
        if has_defined(cond) {
            fold::fold_expr(&mut expr);
        }
        expr
    }

    fn decided(&self, cond: &ast::Expr, built: &Expr) -> Option<bool> {
        if has_defined(cond) { fold::long(built).map(|value| value != 0) } else { None }
    }

    /// A local that a loop or `catch` sets. A global of that name gets its value at the start of the body.
    fn binding(&mut self, name: &ast::Name, first: &mut Option<Vec<Stmt>>) -> LocalId {
        match self.lookup(&name.text, name.span) {
            Name::Local(local) => local,
            Name::Global(global) => {
                let local = self.new_hidden_local(Local::STAND_IN, name.span);
                self.scalar(global, name.span);
                self.cx.draft.names_at.insert(name.span, name.span);
                let value = Expr { kind: ExprKind::Local(local), ty: Type::Unknown, span: name.span };
                let assign =
                    ExprKind::Assign { op: ast::AssignOp::Set, target: Target::Global(global), value: Box::new(value) };
                let expr = Expr { kind: assign, ty: Type::Unknown, span: name.span };
                first.get_or_insert_default().push(Stmt { kind: StmtKind::Expr(expr), span: name.span });
                local
            }
        }
    }

    pub fn new_hidden_local(&mut self, name: &str, span: Span) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        self.locals.push(Local { name: name.into(), ty: Type::Unknown });
        self.local_spans.push(span);
        id
    }

    fn foreach(&mut self, each: &ast::Foreach, span: Span) -> Stmt {
        self.cx.draft.names_at.insert(span, each.base.at);
        let names = each.keys.iter().chain(&each.value).map(|name| name.span).collect();
        self.cx.draft.loop_names.insert(span, names);
        let mut first = None;
        let keys: Vec<LocalId> = each.keys.iter().map(|name| self.binding(name, &mut first)).collect();
        let base = match &each.base.kind {
            ast::ExprKind::Hist { hist, target, index: None } => {
                self.statistic(target, each.base.at).map(|(global, keys)| {
                    self.keep_hist(global, *hist, each.base.at);
                    ForeachBase::Hist { global, keys, hist: *hist }
                })
            }
            _ => self.array(&each.base, each.keys.len()).map(ForeachBase::Array),
        };
        let value = each.value.as_ref().map(|name| self.binding(name, &mut first));
        let slice: Vec<Option<Expr>> =
            each.slice.iter().flatten().map(|key| key.as_ref().map(|key| self.expr(key))).collect();
        let limit = each.limit.as_ref().map(|limit| self.expr(limit));
        if !slice.is_empty() && slice.len() != keys.len() {
            let at = self.cx.spot(each.base.at);
            let name = match &each.base.kind {
                ast::ExprKind::Var(name) => format!("__global_{name}"),
                _ => String::new(),
            };
            self.cx.report(say::unresolved_array(&name, slice.len(), &at));
        }
        if let (Some(ForeachBase::Array(global)), Some(sort)) = (&base, each.sort)
            && let ast::SortBy::Extractor(op) = sort.by
        {
            self.cx.keep_stat(*global, op);
        }
        let body = self.stmt(&each.body);
        let Some(base) = base else { return Stmt { kind: StmtKind::Null, span } };
        let body = prepended(first, body);
        let foreach = Foreach { value, keys, base, slice, sort: each.sort, limit, body };
        Stmt { kind: StmtKind::Foreach(Box::new(foreach)), span }
    }

    fn delete(&mut self, what: &ast::Expr, span: Span) -> StmtKind {
        match &what.kind {
            ast::ExprKind::Var(name) => match self.known(name) {
                Some(Name::Global(global)) => {
                    self.cx.draft.names_at.insert(span, what.at);
                    StmtKind::Delete { global, keys: Vec::new() }
                }
                Some(Name::Local(local)) => {
                    // Back to zero or "", whichever it is.
                    let value = Expr { kind: ExprKind::Long(0), ty: Type::Unknown, span: what.at };
                    let target = Target::Local(local);
                    let kind = ExprKind::Assign { op: ast::AssignOp::Set, target, value: Box::new(value) };
                    StmtKind::Expr(Expr { kind, ty: Type::Unknown, span: what.at })
                }
                None => {
                    let at = self.cx.spot(what.at);
                    self.cx.report(say::unresolved_delete(&at));
                    StmtKind::Null
                }
            },
            ast::ExprKind::Index { base, keys } => {
                let Some(global) = self.array(base, keys.len()) else { return StmtKind::Null };
                self.cx.draft.names_at.insert(span, what.at);
                let keys = keys.iter().map(|key| key.as_ref().map(|key| self.expr(key))).collect();
                StmtKind::Delete { global, keys }
            }
            _ => {
                let finding = match self.first_unknown(what) {
                    Some(unknown) => say::unresolved_delete(&self.cx.spot(unknown)),
                    None => say::invalid_delete(&self.cx.spot(what.at)),
                };
                if let ast::ExprKind::Call { .. } = what.kind {
                    self.expr(what);
                }
                self.cx.report(finding);
                StmtKind::Null
            }
        }
    }

    /// The first name in an expression, arguments of functions aside, that is not known yet.
    fn first_unknown(&mut self, expr: &ast::Expr) -> Option<Span> {
        #[derive(Default)]
        struct Names(Vec<(Arc<str>, Span)>);
        impl Visitor for Names {
            fn expr(&mut self, expr: &ast::Expr) {
                match &expr.kind {
                    ast::ExprKind::Var(name) => self.0.push((name.clone(), expr.at)),
                    ast::ExprKind::Call { .. } => {}
                    _ => visit::walk_expr(self, expr),
                }
            }
        }
        let mut names = Names::default();
        names.expr(expr);
        names.0.into_iter().find(|(name, _)| self.known(name).is_none()).map(|(_, at)| at)
    }

    // Names.

    /// What a bare name is: its local is made when there is nothing else of that name.
    fn lookup(&mut self, name: &Arc<str>, span: Span) -> Name {
        match self.known(name) {
            Some(found) => found,
            None => Name::Local(self.new_local(name, span)),
        }
    }

    /// A parameter, a global of this file, a local, a global of another tapset file, in this order.
    fn known(&mut self, name: &Arc<str>) -> Option<Name> {
        let local = self.by_name.get(name).copied();
        if let Some(local) = local
            && (local.index() < self.n_params)
        {
            return Some(Name::Local(local));
        }
        if let Some(global) = self.cx.own_global(name, self.home) {
            return Some(Name::Global(global));
        }
        if let Some(local) = local {
            return Some(Name::Local(local));
        }
        self.cx.library_global(name, self.home).map(Name::Global)
    }

    /// The array a name means, with this many keys. Reports what is not one.
    fn array(&mut self, base: &ast::Expr, n_keys: usize) -> Option<GlobalId> {
        let ast::ExprKind::Var(name) = &base.kind else {
            let at = self.cx.spot(base.at);
            self.cx.report(say::unresolved_array("", n_keys, &at));
            return None;
        };
        let global = match self.known(name) {
            Some(Name::Global(global)) => global,
            // It was asked for as a scalar before.
            Some(Name::Local(local)) if local.index() >= self.n_params => {
                let [at, first] = [base.at, self.local_spans[local.index()]].map(|span| self.cx.spot(span));
                self.cx.report(say::inconsistent_arity(n_keys, 0, &at, Some(&first)));
                return None;
            }
            _ => {
                let at = self.cx.spot(base.at);
                self.cx.report(say::unresolved_array(name, n_keys, &at));
                return None;
            }
        };
        self.cx.set_arity(global, n_keys, base.at).then_some(global)
    }

    fn scalar(&mut self, global: GlobalId, span: Span) -> bool {
        self.cx.set_arity(global, 0, span)
    }

    /// The statistic `@count(…)` and friends are about, with its element's keys.
    fn statistic(&mut self, target: &ast::Expr, operator: Span) -> Option<(GlobalId, Vec<Expr>)> {
        self.cx.draft.names_at.insert(operator, target.at);
        match &target.kind {
            ast::ExprKind::Var(name) => match self.known(name) {
                Some(Name::Global(global)) => self.scalar(global, target.at).then(|| (global, Vec::new())),
                _ => {
                    let at = self.cx.spot(target.at);
                    self.cx.report(say::stat_local(&at));
                    None
                }
            },
            ast::ExprKind::Index { base, keys } => self.element(base, keys),
            _ => {
                let found = self.expr(target).ty;
                let found = if found == Type::Unknown { Type::Long } else { found };
                let at = self.cx.spot(target.at);
                self.cx.report(say::type_mismatch(Type::Stat, found, &at));
                None
            }
        }
    }

    fn keep_hist(&mut self, global: GlobalId, hist: ast::HistOp, span: Span) {
        self.cx.keep_hist(global, hist, span);
    }

    /// One element of an array.
    fn element(&mut self, base: &ast::Expr, keys: &[Option<ast::Expr>]) -> Option<(GlobalId, Vec<Expr>)> {
        let Some(given) = keys.iter().map(Option::as_ref).collect::<Option<Vec<_>>>() else {
            let at = self.cx.spot(base.at);
            self.cx.report(say::wildcard_index(&at));
            return None;
        };
        let built = given.into_iter().map(|key| self.expr(key)).collect();
        self.array(base, keys.len()).map(|global| (global, built))
    }

    // Expressions.

    pub fn expr(&mut self, expr: &ast::Expr) -> Expr {
        let span = expr.at;
        let typed = |kind, ty| Expr { kind, ty, span };
        let open = |kind| Expr { kind, ty: Type::Unknown, span };
        match &expr.kind {
            ast::ExprKind::Long(value) => typed(ExprKind::Long(*value), Type::Long),
            ast::ExprKind::Str(text) => typed(ExprKind::Str(text.clone()), Type::Str),
            ast::ExprKind::Var(name) => match self.lookup(name, span) {
                Name::Local(local) => open(ExprKind::Local(local)),
                Name::Global(global) => {
                    if !self.scalar(global, span) {
                        return zero(span);
                    }
                    open(ExprKind::Global(global))
                }
            },
            ast::ExprKind::Index { base, keys } => match self.element(base, keys) {
                Some((global, keys)) => open(ExprKind::Element { global, keys }),
                None => zero(span),
            },
            ast::ExprKind::Call { name, args } => self.call(name, args),
            ast::ExprKind::Unary { op, expr } => {
                typed(ExprKind::Unary { op: *op, expr: Box::new(self.expr(expr)) }, Type::Long)
            }
            ast::ExprKind::Binary { op, left, right } => {
                let (left, right) = (Box::new(self.expr(left)), Box::new(self.expr(right)));
                typed(ExprKind::Binary { op: *op, left, right }, Type::Long)
            }
            ast::ExprKind::Concat(parts) => {
                typed(ExprKind::Concat(parts.iter().map(|part| self.expr(part)).collect()), Type::Str)
            }
            ast::ExprKind::Logical { op, left, right } => self.logical(*op, left, right, span),
            ast::ExprKind::Compare { op, left, right } => {
                let (left, right) = (Box::new(self.expr(left)), Box::new(self.expr(right)));
                typed(ExprKind::Compare { op: *op, left, right }, Type::Long)
            }
            ast::ExprKind::Regex { negated, left, pattern, pattern_span } => {
                if let Err(message) = crate::language::regex::compile(pattern) {
                    let at = self.cx.spot(*pattern_span);
                    self.cx.report(say::bad_regex(&message, &at));
                }
                let left = Box::new(self.expr(left));
                typed(ExprKind::Regex { negated: *negated, left, pattern: pattern.clone() }, Type::Long)
            }
            ast::ExprKind::In { keys, array } => {
                let built = keys.iter().map(|key| key.as_ref().map(|key| self.expr(key))).collect();
                match self.array(array, keys.len()) {
                    Some(global) => typed(ExprKind::In { global, keys: built }, Type::Long),
                    None => zero(span),
                }
            }
            ast::ExprKind::Ternary { cond, then, otherwise } => {
                let condition = self.condition(cond);
                if let Some(value) = self.decided(cond, &condition) {
                    return self.expr(if value { then } else { otherwise });
                }
                let (then, otherwise) = (Box::new(self.expr(then)), Box::new(self.expr(otherwise)));
                open(ExprKind::Ternary { cond: Box::new(condition), then, otherwise })
            }
            ast::ExprKind::Assign { op, target, value } => {
                if let Some(function) = self.text_setter(*op, target) {
                    let value = self.expr(value);
                    return self.builtin(function, vec![value], span);
                }
                let target = self.target(target, span);
                let value = Box::new(self.expr(value));
                let Some(target) = target else { return zero(span) };
                if let (Target::Local(local), ast::AssignOp::Set) = (&target, op) {
                    self.note_c_type(*local, &value);
                }
                if let (ast::AssignOp::Accumulate, Target::Local(local)) = (op, &target) {
                    let at = self.cx.spot(self.local_spans[local.index()]);
                    self.cx.report(say::stat_local(&at));
                    return zero(span);
                }
                open(ExprKind::Assign { op: *op, target, value })
            }
            ast::ExprKind::Crement { increment, prefix, target } => match self.target(target, span) {
                Some(target) => typed(ExprKind::Crement { increment: *increment, prefix: *prefix, target }, Type::Long),
                None => zero(span),
            },
            ast::ExprKind::Print(print) => self.print(print, span),
            ast::ExprKind::Stat { op, target, params } => match self.statistic(target, span) {
                Some((global, keys)) => {
                    self.cx.keep_stat(global, *op);
                    if *op == ast::StatOp::Variance {
                        self.cx.keep_shift(global, params.first().copied().unwrap_or(0), span);
                    }
                    typed(ExprKind::Stat { op: *op, global, keys }, Type::Long)
                }
                None => zero(span),
            },
            ast::ExprKind::Hist { hist, target, index } => {
                let Some((global, keys)) = self.statistic(target, span) else { return zero(span) };
                self.keep_hist(global, *hist, span);
                match index {
                    Some(index) => {
                        let index = Box::new(self.expr(index));
                        typed(ExprKind::Bucket { hist: *hist, global, keys, index }, Type::Long)
                    }
                    None => {
                        let at = self.cx.spot(span);
                        self.cx.report(say::hist_as_value(&at));
                        zero(span)
                    }
                }
            }
            ast::ExprKind::Context(context) => match self.entries.iter().find(|(entry, _)| entry == expr) {
                // At a return, what the variable was at the entry.
                Some((_, local)) => open(ExprKind::Local(*local)),
                None => self.context(context, expr),
            },
            ast::ExprKind::Defined(inner) => {
                let defined = self.is_defined(inner);
                if !defined && self.asks_nothing(inner) {
                    let at = self.cx.spot(span);
                    self.cx.report_defined_without_context(&at);
                }
                typed(ExprKind::Long(i64::from(defined)), Type::Long)
            }
            ast::ExprKind::Entry(inner) => match self.entries.iter().find(|(entry, _)| entry == &**inner) {
                Some((_, local)) => open(ExprKind::Local(*local)),
                None => {
                    let at = self.cx.spot(span);
                    self.cx.report(say::entry_outside_return(&at));
                    zero(span)
                }
            },
            ast::ExprKind::Perf(_) => self.unsupported("@perf", "there are no perf counters to read", &[], span),
            ast::ExprKind::At { name, .. } if &*name.text == "@const" => {
                typed(ExprKind::Embedded(Embedded { what: name.text.clone(), ty: Type::Long, pure: true }), Type::Long)
            }
            ast::ExprKind::At { name, args } => match &*name.text {
                "@enum" => self.enum_value(args, span),
                "@enumname" => self.enum_name(args, span),
                other => self.unsupported(other, "it needs C headers or registers", args, span),
            },
            ast::ExprKind::Embedded(code) => {
                let code = Embedded::code(code);
                let ty = code.ty;
                typed(ExprKind::Embedded(code), ty)
            }
        }
    }

    /// A context variable is asked for where there is no context.
    fn asks_nothing(&self, inner: &ast::Expr) -> bool {
        let mut mentions = Mentions::default();
        mentions.add_expr(inner);
        let has_context = self.site.as_ref().is_some_and(|site| site.scope.has_context());
        !has_context && mentions.contexts.iter().any(|context| matches!(context.base, ast::ContextBase::Var(_)))
    }

    fn unsupported(&mut self, name: &str, why: &str, args: &[ast::Expr], span: Span) -> Expr {
        let at = self.cx.spot(span);
        let args = args.iter().map(|arg| self.expr(arg)).collect();
        comes_to_nothing(say::unsupported_operator(name, why, &at), args, span)
    }

    /// `@defined(…) && …`: the right side is not looked at when the left decides.
    fn logical(&mut self, op: ast::LogicalOp, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let built = self.condition(left);
        if let Some(value) = self.decided(left, &built)
            && value == (op == ast::LogicalOp::Or)
        {
            return Expr { kind: ExprKind::Long(i64::from(value)), ty: Type::Long, span };
        }
        let right = Box::new(self.expr(right));
        Expr { kind: ExprKind::Logical { op, left: Box::new(built), right }, ty: Type::Long, span }
    }

    /// What an assignment to a text variable of the site comes to.
    fn text_setter(&self, op: ast::AssignOp, target: &ast::Expr) -> Option<&'static str> {
        let ast::ExprKind::Context(context) = &target.kind else { return None };
        let variable = self.text_variable(context)?;
        match op {
            ast::AssignOp::Set => Some(variable.set),
            ast::AssignOp::Concat => Some(variable.append),
            ast::AssignOp::Accumulate | ast::AssignOp::Binary(_) => None,
        }
    }

    fn target(&mut self, target: &ast::Expr, operator: Span) -> Option<Target> {
        self.cx.draft.names_at.insert(operator, target.at);
        match &target.kind {
            ast::ExprKind::Var(name) => match self.lookup(name, target.at) {
                Name::Local(local) => Some(Target::Local(local)),
                Name::Global(global) => self.scalar(global, target.at).then_some(Target::Global(global)),
            },
            ast::ExprKind::Index { base, keys } => {
                let (global, keys) = self.element(base, keys)?;
                Some(Target::Element { global, keys })
            }
            ast::ExprKind::Context(context) => {
                let at = self.cx.spot(target.at);
                if self.is_defined(target) {
                    self.cx.report(say::context_write(&at));
                } else if let ExprKind::Context(context) = self.context(context, target).kind
                    && let Some(missing) = context.missing
                {
                    self.cx.report(missing.finding);
                }
                None
            }
            _ => {
                let (at, target) = (self.cx.spot(operator), self.cx.spot(target.at));
                self.cx.report(say::not_a_variable(&at, &target));
                None
            }
        }
    }

    fn call(&mut self, name: &ast::Name, args: &[ast::Expr]) -> Expr {
        let built: Vec<Expr> = args.iter().map(|arg| self.expr(arg)).collect();
        let site = self.site.clone();
        // What is interrupted anywhere has no function of its own.
        let is_sampled = site.as_ref().is_some_and(|site| site.is_sampled);
        let text = if is_sampled && &*name.text == "probefunc" { "__interrupted_function" } else { &*name.text };
        if let Some(function) = self.cx.function(text, args.len(), self.home, site) {
            let kind = ExprKind::Call { function, args: built };
            return Expr { kind, ty: Type::Unknown, span: name.span };
        }
        if let Some(builtin) = builtins::find(&name.text, args.len()) {
            let ty = builtins::get(builtin).result;
            return Expr { kind: ExprKind::Builtin { builtin, args: built }, ty, span: name.span };
        }
        self.cx.report_unresolved_call(name, self.home);
        zero(name.span)
    }

    /// A call of a builtin by our own code.
    pub fn builtin(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Expr {
        match builtins::find(name, args.len()) {
            Some(builtin) => {
                let ty = builtins::get(builtin).result;
                Expr { kind: ExprKind::Builtin { builtin, args }, ty, span }
            }
            None => zero(span),
        }
    }

    fn print(&mut self, print: &ast::Print, span: Span) -> Expr {
        let plain = matches!(print.shape, ast::PrintShape::Plain);
        let mut args = Vec::with_capacity(print.args.len());
        for arg in &print.args {
            args.push(match &arg.kind {
                ast::ExprKind::Hist { hist, target, index: None } if plain => match self.statistic(target, arg.at) {
                    Some((global, keys)) => {
                        self.keep_hist(global, *hist, arg.at);
                        let kind = ExprKind::Hist { hist: *hist, global, keys };
                        Expr { kind, ty: Type::Str, span: arg.at }
                    }
                    None => zero(arg.at),
                },
                _ => self.expr(arg),
            });
        }
        let value =
            |kind| Piece::Conversion(Conversion { flag: None, width: Size::Default, precision: Size::Default, kind });
        let mut pieces = match &print.shape {
            ast::PrintShape::Format(format) => {
                if format.arg_types().len() != args.len() {
                    let at = self.cx.spot(span);
                    self.cx.report(say::print_arity(&at));
                    return zero(span);
                }
                format.pieces.clone()
            }
            ast::PrintShape::Plain => args.iter().map(|_| value(ConversionKind::Signed)).collect(),
            ast::PrintShape::Delimited(delimiter) => {
                let mut pieces = Vec::new();
                for idx in 0..args.len() {
                    if idx > 0 && !delimiter.is_empty() {
                        pieces.push(Piece::Text(delimiter.to_vec()));
                    }
                    pieces.push(value(ConversionKind::Signed));
                }
                pieces
            }
            ast::PrintShape::Char => args.iter().map(|_| value(ConversionKind::Char)).collect(),
        };
        if matches!(print.shape, ast::PrintShape::Plain | ast::PrintShape::Delimited(_)) {
            self.cx.draft.plain_prints.insert(span);
        }
        if print.newline {
            pieces.push(Piece::Text(b"\n".to_vec()));
        }
        let print = Print { to_string: print.to_string, format: Format { pieces }, args };
        let ty = if print.to_string { Type::Str } else { Type::Long };
        Expr { kind: ExprKind::Print(Box::new(print)), ty, span }
    }

    /// `name = expr` in front of a handler, for a variable its probe family gives.
    pub fn site_var(&mut self, name: &Arc<str>, value: &ast::Expr) -> Stmt {
        let home = std::mem::replace(&mut self.home, Home::Site);
        let value = self.expr(value);
        self.home = home;
        let local = match self.by_name.get(name) {
            Some(local) => *local,
            None => self.new_local(name, Span::NONE),
        };
        self.note_c_type(local, &value);
        let span = value.span;
        let kind = ExprKind::Assign { op: ast::AssignOp::Set, target: Target::Local(local), value: Box::new(value) };
        Stmt { kind: StmtKind::Expr(Expr { kind, ty: Type::Unknown, span }), span }
    }
}

enum Name {
    Local(LocalId),
    Global(GlobalId),
}

/// Zero or "", whichever is wanted: stands for what could not be resolved.
pub fn zero(span: Span) -> Expr {
    Expr { kind: ExprKind::Long(0), ty: Type::Unknown, span }
}

fn has_defined(expr: &ast::Expr) -> bool {
    struct Find(bool);
    impl crate::language::visit::Visitor for Find {
        fn expr(&mut self, expr: &ast::Expr) {
            self.0 |= matches!(expr.kind, ast::ExprKind::Defined(_));
            crate::language::visit::walk_expr(self, expr);
        }
    }
    let mut find = Find(false);
    crate::language::visit::Visitor::expr(&mut find, expr);
    find.0
}

fn prepended(first: Option<Vec<Stmt>>, body: Stmt) -> Stmt {
    match first {
        Some(mut stmts) => {
            let span = body.span;
            stmts.push(body);
            Stmt { kind: StmtKind::Block(stmts), span }
        }
        None => body,
    }
}

/// Whether a function's overload can move on to the next.
pub fn has_next(body: &ast::FunctionBody) -> bool {
    match body {
        ast::FunctionBody::Block(stmt) => Mentions::of_stmt(stmt).has_next,
        ast::FunctionBody::Embedded(_) => false,
    }
}
