//! One handler out of its pieces: entry values, site variables, alias prologues, the user's body, epilogues.
//!
//! `@entry(e)` in a `.return` handler becomes a hidden array keyed by thread: a handler of its own at the entry site
//! stores `e`, the return handler takes it out again. langref "@entry".
//!
//! What debug information knows only as a register at the entry of the function (DWARF 5, 2.5.1.7, DW_OP_entry_value) is
//! kept the same way.

use std::{rc::Rc, sync::Arc};

use rustc_hash::FxHashSet as HashSet;

use tapdeck_ebpf::ir::{ContextField, Space};

use super::{
    body::BodyBuilder,
    cx::{Cx, SiteCx},
    derive_sites::{Group, SiteVars, group},
    draft::{BodyNote, is_user},
    expand_aliases::{Segment, Trail},
    link::Home,
    mentions::Mentions,
    program::{Context, Expr, ExprKind, GlobalId, LocalId, Probe, Stmt, StmtKind, Target},
};
use crate::{
    debuginfo::location::Register,
    diagnostics::catalogue::semantic as say,
    language::{
        ast,
        types::Type,
        visit::{self, Visitor},
    },
    probes::{
        self, Resolved,
        access::{Access, AccessBase, Load},
        attach_plan::{AttachPlan, FunctionHook},
        site::{ContextScope, NoContext, ProbeSite},
    },
    source::Span,
};

/// Threads that can be inside a probed call at one time, at most; the oldest make room.
const MAX_ENTRIES: u32 = 16384;

/// What tells the calls apart that are under way: a thread is in one system call at a time, but in many functions.
#[derive(Clone, Copy)]
enum EntryKeys {
    Thread,
    ThreadAndFunction,
}

impl EntryKeys {
    fn of(sites: &[ProbeSite]) -> Self {
        match sites.first().map(|site| &site.attach) {
            Some(AttachPlan::Function { .. }) => EntryKeys::ThreadAndFunction,
            _ => EntryKeys::Thread,
        }
    }

    fn count(self) -> usize {
        match self {
            EntryKeys::Thread => 1,
            EntryKeys::ThreadAndFunction => 2,
        }
    }

    fn exprs(self, builder: &mut BodyBuilder<'_, '_>, span: Span) -> Vec<Expr> {
        let thread = builder.builtin("tid", Vec::new(), span);
        match self {
            EntryKeys::Thread => vec![thread],
            EntryKeys::ThreadAndFunction => vec![thread, builder.builtin("__site_number", Vec::new(), span)],
        }
    }
}

/// What a handler is made of.
pub struct Handler<'h> {
    /// The point its family knows.
    pub point: &'h ast::ProbePoint,
    pub group: Group,
    pub segments: &'h [Segment],
    pub trail: &'h Trail,
    pub written: Arc<str>,
    pub suffix: Arc<str>,
    /// Every `@entry` expression in it, with where it stands.
    pub entries: &'h [(Home, ast::Expr)],
    pub source_probe: u32,
    pub span: Span,
    pub user: bool,
}

/// Builds a handler, and those at the entries if it asks for them, into the draft.
pub fn build(handler: Handler<'_>, vars: &mut SiteVars, cx: &mut Cx<'_>) {
    let mut entry_globals: Vec<(ast::Expr, GlobalId)> = Vec::new();
    let mut entries = handler.entries.to_vec();
    entries.extend(of_entry(&handler));
    let keys = EntryKeys::of(&handler.group.sites);
    if !entries.is_empty() {
        let sites = entry_sites(handler.point, &handler.group.sites, cx);
        if !sites.is_empty() {
            for (home, entry) in &entries {
                let name = format!("__entry_{}", cx.draft.program.globals.len());
                let global = cx.hidden_global(&name, keys.count(), MAX_ENTRIES);
                build_entry(&handler, (*home, entry), keys, global, sites.clone(), vars, cx);
                entry_globals.push((entry.clone(), global));
            }
        }
    }
    let register_globals = build_register_entries(&handler, keys, cx);
    let Some(first) = handler.group.sites.first() else { return };
    let site = Rc::new(SiteCx::of(first.scope.clone(), &handler.group, cx.new_group()));
    let mut builder = BodyBuilder::handler(cx, Home::User, Some(site));
    let mut stmts = Vec::new();
    if let Some((entry, global)) = entry_globals.first() {
        stmts.push(skip_without_entry(&mut builder, keys, *global, entry.at));
    }
    for (entry, global) in entry_globals {
        stmts.extend(take_entry(&mut builder, entry, keys, global));
    }
    for (idx, (register, global)) in register_globals.into_iter().enumerate() {
        if idx == 0 {
            stmts.push(skip_without_entry(&mut builder, keys, global, handler.span));
        }
        let [take, _] = take_value(&mut builder, keys, global, handler.span, |builder, local| {
            builder.entry_registers.push((register, local));
        });
        // A place may be come by more than once in a call: what the entry left is kept until the next.
        stmts.push(take);
    }
    stmts.extend(handler.group.vars.iter().map(|(name, var)| builder.site_var(name, &var.expr)));
    for segment in handler.segments {
        builder.home = segment.home;
        stmts.push(builder.stmt(&segment.body));
    }
    let condition = condition(&mut builder, &handler.trail.conditions);
    let span = handler.segments.iter().map(|segment| segment.body.span).next_back().unwrap_or(handler.span);
    finish(builder, stmts, condition, span, handler);
}

/// Context variables of a return that are what they were at the entry; each as if the script said `@entry` around it.
fn of_entry(handler: &Handler<'_>) -> Vec<(Home, ast::Expr)> {
    struct Find<'f> {
        scope: &'f dyn ContextScope,
        home: Home,
        found: Vec<(Home, ast::Expr)>,
    }
    impl Visitor for Find<'_> {
        fn expr(&mut self, expr: &ast::Expr) {
            match &expr.kind {
                // Evaluated at the entry as a whole.
                ast::ExprKind::Entry(_) => return,
                ast::ExprKind::Context(context)
                    if is_of_entry(self.scope, context) && !self.found.iter().any(|(_, known)| known == expr) =>
                {
                    self.found.push((self.home, expr.clone()));
                }
                _ => {}
            }
            visit::walk_expr(self, expr);
        }
    }
    let Some(first) = handler.group.sites.first() else { return Vec::new() };
    let mut find = Find { scope: &*first.scope, home: Home::User, found: Vec::new() };
    for segment in handler.segments {
        find.home = segment.home;
        find.stmt(&segment.body);
    }
    find.found
}

/// Whether a context variable of a return means the entry's value.
pub fn is_of_entry(scope: &dyn ContextScope, context: &ast::ContextVar) -> bool {
    let ast::ContextBase::Var(name) = &context.base else { return false };
    let is_plain = context.path.is_empty() && context.pretty.is_none() && !context.address_of;
    scope.is_of_entry(name, is_plain)
}

fn finish(builder: BodyBuilder<'_, '_>, stmts: Vec<Stmt>, condition: Option<Expr>, span: Span, handler: Handler<'_>) {
    let aliases = handler.trail.replaced.iter().rev();
    let told_at = aliases.copied().find(|span| is_user(builder.cx.sources, *span)).unwrap_or(handler.span);
    let local_spans = builder.local_spans;
    let note = BodyNote { local_spans, span: Some(told_at), user: handler.user, ..BodyNote::default() };
    let probe = Probe {
        sites: handler.group.sites,
        locals: builder.locals,
        body: Stmt { kind: StmtKind::Block(stmts), span },
        condition,
        written: handler.written,
        suffix: handler.suffix,
        via: handler.trail.via.clone(),
        derivation: handler.trail.derivation.as_str().into(),
        source_probe: handler.source_probe,
        span: handler.span,
    };
    builder.cx.draft.program.probes.push(probe);
    builder.cx.draft.probes.push(note);
}

/// `if (!(tid() in map)) next`: a call that was under way when the probes came has no entry, so its return is none of
/// ours. A return probe of SystemTap's does not fire there either.
fn skip_without_entry(builder: &mut BodyBuilder<'_, '_>, keys: EntryKeys, global: GlobalId, span: Span) -> Stmt {
    let keys = keys.exprs(builder, span).into_iter().map(Some).collect();
    let long = |kind| Expr { kind, ty: Type::Long, span };
    let there = long(ExprKind::In { global, keys });
    let cond = long(ExprKind::Unary { op: ast::UnaryOp::Not, expr: Box::new(there) });
    let then = Box::new(Stmt { kind: StmtKind::Next, span });
    Stmt { kind: StmtKind::If { cond, then, otherwise: None }, span }
}

/// `value = map[tid()]; delete map[tid()]`, with the local that `@entry(e)` then means.
fn take_entry(builder: &mut BodyBuilder<'_, '_>, entry: ast::Expr, keys: EntryKeys, global: GlobalId) -> [Stmt; 2] {
    let span = entry.at;
    take_value(builder, keys, global, span, |builder, local| builder.entries.push((entry, local)))
}

fn take_value(
    builder: &mut BodyBuilder<'_, '_>,
    keys: EntryKeys,
    global: GlobalId,
    span: Span,
    note: impl FnOnce(&mut BodyBuilder<'_, '_>, LocalId),
) -> [Stmt; 2] {
    let local = builder.new_hidden_local("__entry_value", span);
    let keys = keys.exprs(builder, span);
    note(builder, local);
    let open = |kind| Expr { kind, ty: Type::Unknown, span };
    let value = Box::new(open(ExprKind::Element { global, keys: keys.clone() }));
    let assign = open(ExprKind::Assign { op: ast::AssignOp::Set, target: Target::Local(local), value });
    let delete = StmtKind::Delete { global, keys: keys.into_iter().map(Some).collect() };
    [Stmt { kind: StmtKind::Expr(assign), span }, Stmt { kind: delete, span }]
}

/// The handler at the entry: `map[tid()] = e`.
fn build_entry(
    handler: &Handler<'_>,
    (home, entry): (Home, &ast::Expr),
    keys: EntryKeys,
    global: GlobalId,
    sites: Vec<ProbeSite>,
    vars: &mut SiteVars,
    cx: &mut Cx<'_>,
) {
    let mut mentions = Mentions::default();
    mentions.add_expr(entry);
    let contexts = cx.contexts_of_calls(&mentions.calls, home);
    mentions.contexts.extend(contexts);
    for group in group(sites, &mentions, vars, cx) {
        let Some(first) = group.sites.first() else { continue };
        let site = Rc::new(SiteCx::of(first.scope.clone(), &group, cx.new_group()));
        let mut builder = BodyBuilder::handler(cx, home, Some(site));
        let mut stmts: Vec<Stmt> = group.vars.iter().map(|(name, var)| builder.site_var(name, &var.expr)).collect();
        let value = Box::new(builder.expr(entry));
        stmts.push(keep(&mut builder, keys, global, value, entry.at));
        finish(builder, stmts, None, entry.at, entry_handler(handler, group));
    }
}

/// `map[tid()] = value`
fn keep(builder: &mut BodyBuilder<'_, '_>, keys: EntryKeys, global: GlobalId, value: Box<Expr>, span: Span) -> Stmt {
    let keys = keys.exprs(builder, span);
    let target = Target::Element { global, keys };
    let kind = ExprKind::Assign { op: ast::AssignOp::Set, target, value };
    Stmt { kind: StmtKind::Expr(Expr { kind, ty: Type::Unknown, span }), span }
}

/// A handler at the entries of what another one is for.
fn entry_handler<'h>(handler: &Handler<'h>, group: Group) -> Handler<'h> {
    Handler {
        point: handler.point,
        group,
        segments: &[],
        trail: handler.trail,
        written: handler.written.clone(),
        suffix: handler.suffix.clone(),
        entries: &[],
        source_probe: handler.source_probe,
        span: handler.span,
        user: false,
    }
}

/// A register, and the array that has what it was at entries.
type Table = (Register, GlobalId);

/// The arrays that have the registers of the entry the handler looks at, with handlers at those entries that do not write
/// them yet for another one.
fn build_register_entries(handler: &Handler<'_>, keys: EntryKeys, cx: &mut Cx<'_>) -> Vec<Table> {
    let registers = &handler.group.entry_registers;
    let tables: Vec<_> =
        registers.iter().map(|register| (*register, cx.entry_table(*register, keys.count(), MAX_ENTRIES))).collect();
    // Sites by the registers that have to be written there.
    let mut wanted: Vec<(Vec<Table>, Vec<ProbeSite>)> = Vec::new();
    for site in handler.group.sites.iter().filter_map(begin_of) {
        let of_site: Vec<_> =
            tables.iter().copied().filter(|(register, _)| cx.is_first_entry(&site.attach, *register)).collect();
        match wanted.iter_mut().find(|(known, _)| *known == of_site) {
            _ if of_site.is_empty() => {}
            Some((_, sites)) => sites.push(site),
            None => wanted.push((of_site, vec![site])),
        }
    }
    for (registers, sites) in wanted {
        let group = Group { sites, vars: Vec::new(), entry_registers: Vec::new() };
        let site = Rc::new(SiteCx::of(Arc::new(NoContext), &group, cx.new_group()));
        let mut builder = BodyBuilder::handler(cx, Home::User, Some(site));
        let span = handler.span;
        let stmt = |(register, global): Table| {
            let value = Box::new(register_value(register, handler.written.clone(), span));
            keep(&mut builder, keys, global, value, span)
        };
        let stmts = registers.into_iter().map(stmt).collect();
        finish(builder, stmts, None, span, entry_handler(handler, group));
    }
    tables
}

/// What is in a register where the handler runs.
fn register_value(register: Register, written: Arc<str>, span: Span) -> Expr {
    let access = Access {
        base: AccessBase::Field(ContextField::Register(u8::try_from(register.0).unwrap_or(u8::MAX))),
        steps: Vec::new(),
        load: Load::Word { width: 8, signed: false },
        space: Space::Kernel,
        type_text: String::new(),
    };
    let context = Context { access, base: None, operands: Vec::new(), written, missing: None };
    Expr { kind: ExprKind::Context(Box::new(context)), ty: Type::Long, span }
}

/// Where the call begins in whose code a site is.
fn begin_of(site: &ProbeSite) -> Option<ProbeSite> {
    let AttachPlan::Function { target, hook, .. } = &site.attach else { return None };
    let cookies = match hook {
        FunctionHook::Fentry { cookies, .. } | FunctionHook::Kprobe { cookies, .. } => *cookies,
        FunctionHook::Missing => return None,
    };
    let hook = FunctionHook::Kprobe { multi: false, cookies };
    let home = target.module.as_ref().map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"));
    let point = format!("{home}.function(\"{}\").call", target.name);
    let attach = AttachPlan::Function { target: target.entry(), exit: false, hook };
    let func: Arc<str> = target.name.as_str().into();
    Some(ProbeSite { func: func.clone(), name: func, ..ProbeSite::plain(point, attach, Arc::new(NoContext)) })
}

/// The sites where the calls begin whose returns `sites` are; empty when these are not returns.
fn entry_sites(point: &ast::ProbePoint, sites: &[ProbeSite], cx: &Cx<'_>) -> Vec<ProbeSite> {
    let mut entry_point = point.clone();
    let before = entry_point.parts.len();
    entry_point.parts.retain(|part| !matches!(&*part.name, "return" | "maxactive"));
    if entry_point.parts.len() == before {
        return Vec::new();
    }
    let Some(Resolved::Sites(all)) = probes::resolve(&entry_point, cx.world) else { return Vec::new() };
    let begins: HashSet<AttachPlan> = sites.iter().filter_map(|site| entry_of(&site.attach)).collect();
    all.into_iter().filter(|site| begins.contains(&site.attach)).collect()
}

/// How the call begins whose return this is.
fn entry_of(plan: &AttachPlan) -> Option<AttachPlan> {
    match plan {
        AttachPlan::Syscall { nr, exit: true } => Some(AttachPlan::Syscall { nr: *nr, exit: false }),
        AttachPlan::Function { target, exit: true, hook } => {
            Some(AttachPlan::Function { target: target.clone(), exit: false, hook: *hook })
        }
        _ => None,
    }
}

/// All conditions on the way, joined. They may look at globals and nothing else.
fn condition(builder: &mut BodyBuilder<'_, '_>, conditions: &[(Home, ast::Expr)]) -> Option<Expr> {
    let mut joined: Option<Expr> = None;
    for (home, condition) in conditions {
        builder.home = *home;
        if !check_condition(builder, condition, *home) {
            continue;
        }
        let built = builder.expr(condition);
        joined = Some(match joined {
            None => built,
            Some(before) => {
                let span = built.span;
                let kind =
                    ExprKind::Logical { op: ast::LogicalOp::And, left: Box::new(before), right: Box::new(built) };
                Expr { kind, ty: Type::Long, span }
            }
        });
    }
    joined
}

fn check_condition(builder: &mut BodyBuilder<'_, '_>, condition: &ast::Expr, home: Home) -> bool {
    struct Check<'b, 'e, 'a> {
        builder: &'b mut BodyBuilder<'e, 'a>,
        home: Home,
        fine: bool,
    }
    impl Visitor for Check<'_, '_, '_> {
        fn expr(&mut self, expr: &ast::Expr) {
            let cx = &mut *self.builder.cx;
            let at = cx.spot(expr.at);
            let problem = match &expr.kind {
                ast::ExprKind::Var(name) => {
                    let known = cx.own_global(name, self.home).is_some();
                    (!known).then(|| say::condition_undeclared(&at))
                }
                ast::ExprKind::Assign { .. } | ast::ExprKind::Crement { .. } => Some(say::condition_modifies(&at)),
                ast::ExprKind::Call { .. } | ast::ExprKind::Print(_) => Some(say::condition_calls(&at)),
                _ => None,
            };
            if let Some(problem) = problem {
                cx.report(problem);
                self.fine = false;
                return;
            }
            visit::walk_expr(self, expr);
        }
    }
    let mut check = Check { builder, home, fine: true };
    check.expr(condition);
    check.fine
}
