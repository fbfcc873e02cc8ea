//! What the building of all bodies shares: the draft so far, the linker, globals and functions that have an index, and
//! the functions still to be built.

use std::{cell::OnceCell, collections::VecDeque, rc::Rc, sync::Arc};

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::{
    ElaborateOptions,
    body::{BodyBuilder, has_next},
    draft::{BodyNote, Draft, GlobalNote, spot},
    link::{FunctionRef, GlobalRef, Home, Linker},
    mentions::Mentions,
    program::{Embedded, Function, FunctionId, Global, GlobalId, GlobalInit, Stmt, StmtKind},
};
use crate::{
    builtins,
    debuginfo::{World, location::Register},
    diagnostics::{Diagnostic, Diagnostics, catalogue::semantic as say},
    language::{
        PRINTS,
        ast::{self, HistOp, StatOp},
        similar,
        types::Type,
    },
    probes::{
        attach_plan::AttachPlan,
        forms::Forms,
        pattern::is_wildcard,
        site::{ContextScope, ProbeSite},
    },
    source::{Origin, SourceMap, Span},
};

/// Where a handler runs, as far as its text can tell.
#[derive(Debug)]
pub struct SiteCx {
    pub scope: Arc<dyn ContextScope>,
    /// Tells groups of sites apart: a function that looks at `$vars` is built once for each.
    pub group: u32,
    /// Its events come from anywhere, rather than from a function of its own.
    pub is_sampled: bool,
}

impl SiteCx {
    pub fn of(scope: Arc<dyn ContextScope>, sites: &super::derive_sites::Group, group: u32) -> Self {
        let is_sample = |site: &ProbeSite| matches!(site.attach, AttachPlan::Profile { .. });
        Self { scope, group, is_sampled: sites.sites.iter().all(is_sample) }
    }
}

pub struct Cx<'a> {
    pub linker: Linker<'a>,
    pub sources: &'a mut SourceMap,
    pub world: &'a World,
    pub options: &'a ElaborateOptions,
    pub draft: Draft,
    pub diagnostics: Diagnostics,
    reported: HashSet<(&'static str, Option<Span>, String)>,
    global_ids: HashMap<(Home, Arc<str>), GlobalId>,
    function_ids: HashMap<((Home, Span), Option<u32>), FunctionId>,
    pending: VecDeque<(FunctionId, FunctionRef, Option<Rc<SiteCx>>)>,
    /// Context variables of functions, through everything they call.
    function_contexts: HashMap<(Home, Span), Rc<Vec<ast::ContextVar>>>,
    next_group: u32,
    /// What registers were at the entries of functions, an array for each, and where it is written.
    entry_tables: HashMap<Register, GlobalId>,
    written_entries: HashSet<(AttachPlan, Register)>,
    /// It was said that there is nothing to ask `@defined` about; once is enough.
    told_of_defined: bool,
    /// An error was found in the statement that is built: what else is wrong there follows it.
    pub statement_failed: bool,
    /// Every form a probe point can have; made for the first that has none of them.
    pub forms: OnceCell<Forms>,
}

impl<'a> Cx<'a> {
    pub fn new(
        linker: Linker<'a>,
        sources: &'a mut SourceMap,
        world: &'a World,
        options: &'a ElaborateOptions,
    ) -> Self {
        Self {
            linker,
            sources,
            world,
            options,
            draft: Draft::default(),
            diagnostics: Diagnostics::default(),
            reported: HashSet::default(),
            global_ids: HashMap::default(),
            function_ids: HashMap::default(),
            pending: VecDeque::new(),
            function_contexts: HashMap::default(),
            next_group: 0,
            entry_tables: HashMap::default(),
            written_entries: HashSet::default(),
            told_of_defined: false,
            statement_failed: false,
            forms: OnceCell::new(),
        }
    }

    pub fn spot(&self, span: Span) -> say::Spot {
        spot(self.sources, span)
    }

    /// A probe point, by its first part.
    pub fn point_spot(&self, point: &ast::ProbePoint) -> say::Spot {
        point.parts.first().map_or_else(|| self.spot(point.span), |part| self.part_spot(part))
    }

    /// A part of a probe point. A name with wildcards is several tokens that are told as one.
    pub fn part_spot(&self, part: &ast::ProbePointPart) -> say::Spot {
        let mut spot = self.spot(part.span);
        if is_wildcard(&part.name) {
            let kind = if part.name.starts_with('*') { "operator" } else { "identifier" };
            spot.token = format!("{kind} '{}'", part.name);
        }
        spot
    }

    /// Many sites give one handler's findings many times; one is enough.
    pub fn report(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.is_error() {
            diagnostic.follows = std::mem::replace(&mut self.statement_failed, true);
        }
        if self.reported.insert((diagnostic.kind, diagnostic.primary, diagnostic.message.clone())) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// `@defined` in a handler that has no context.
    pub fn report_defined_without_context(&mut self, at: &say::Spot) {
        if !std::mem::replace(&mut self.told_of_defined, true) {
            self.report(say::defined_without_context(at));
        }
    }

    pub fn new_group(&mut self) -> u32 {
        self.next_group += 1;
        self.next_group
    }

    // Globals.

    pub fn own_global(&mut self, name: &Arc<str>, home: Home) -> Option<GlobalId> {
        if let Some(id) = self.global_ids.get(&(home, name.clone())) {
            return Some(*id);
        }
        let found = self.linker.own_global(name, home, self.sources)?;
        Some(self.add_global(found, home))
    }

    pub fn library_global(&mut self, name: &Arc<str>, home: Home) -> Option<GlobalId> {
        let found = self.linker.library_global(name, home, self.sources)?;
        match self.global_ids.get(&(found.unit.home, name.clone())) {
            Some(id) => Some(*id),
            None => {
                let owner = found.unit.home;
                self.linker.used(&found.unit.clone());
                Some(self.add_global(found, owner))
            }
        }
    }

    fn add_global(&mut self, found: GlobalRef, home: Home) -> GlobalId {
        let declared = found.ast();
        let name = declared.name.text.clone();
        let overridden = if home == Home::User { self.options.global(&name) } else { None };
        let init = overridden.or_else(|| {
            declared.init.as_ref().map(|literal| match literal {
                ast::Literal::Long(value) => GlobalInit::Long(*value),
                ast::Literal::Str(text) => GlobalInit::Str(text.to_vec()),
            })
        });
        // -G gives a start value but, as in SystemTap, no type.
        let value = match &declared.init {
            Some(ast::Literal::Long(_)) => Type::Long,
            Some(ast::Literal::Str(_)) => Type::Str,
            None => Type::Unknown,
        };
        let arity = declared.init.as_ref().map(|_| (0, declared.span));
        let note = GlobalNote { arity, has_init: init.is_some() };
        let global = Global {
            name: name.clone(),
            keys: Vec::new(),
            value,
            size: declared.size.map(|(size, _)| u32::try_from(size).unwrap_or(u32::MAX)),
            wrap: declared.wrap,
            init,
            user: home == Home::User,
            hidden: false,
            write_only: false,
            pointer: false,
            stat: Default::default(),
            span: declared.name.span,
        };
        let id = self.push_global(global, note);
        self.global_ids.insert((home, name), id);
        id
    }

    /// A global of tapdeck's own.
    pub fn hidden_global(&mut self, name: &str, n_keys: usize, size: u32) -> GlobalId {
        let global = Global {
            name: name.into(),
            keys: vec![Type::Unknown; n_keys],
            value: Type::Unknown,
            size: Some(size),
            wrap: true,
            init: None,
            user: false,
            hidden: true,
            write_only: false,
            pointer: false,
            stat: Default::default(),
            span: Span::NONE,
        };
        self.push_global(global, GlobalNote { arity: Some((n_keys, Span::NONE)), has_init: false })
    }

    /// The array of a register at the entries of functions.
    pub fn entry_table(&mut self, register: Register, n_keys: usize, size: u32) -> GlobalId {
        if let Some(known) = self.entry_tables.get(&register) {
            return *known;
        }
        let global = self.hidden_global(&format!("__entry_register_{}", register.0), n_keys, size);
        self.entry_tables.insert(register, global);
        global
    }

    /// Nothing writes the register at that entry yet; from now on something does.
    pub fn is_first_entry(&mut self, entry: &AttachPlan, register: Register) -> bool {
        self.written_entries.insert((entry.clone(), register))
    }

    fn push_global(&mut self, global: Global, note: GlobalNote) -> GlobalId {
        self.draft.program.globals.push(global);
        self.draft.globals.push(note);
        GlobalId(self.draft.program.globals.len() as u32 - 1)
    }

    /// Learns or checks how many keys a global has. False, and reported, when it is another number than before.
    pub fn set_arity(&mut self, id: GlobalId, n_keys: usize, span: Span) -> bool {
        match self.draft.globals[id.index()].arity {
            None => {
                if n_keys > 9 {
                    let at = self.spot(span);
                    self.report(say::too_many_keys(n_keys, &at));
                    return false;
                }
                let global = &mut self.draft.program.globals[id.index()];
                let (wraps, sized, declared) = (global.wrap, global.size.is_some(), global.span);
                global.keys = vec![Type::Unknown; n_keys];
                self.draft.globals[id.index()].arity = Some((n_keys, span));
                if n_keys == 0 && (wraps || sized) {
                    let at = self.spot(declared);
                    self.report(if sized { say::sized_scalar(&at) } else { say::wrapping_scalar(&at) });
                    return false;
                }
                true
            }
            Some((before, _)) if before == n_keys => true,
            Some((before, first)) => {
                let at = self.spot(span);
                let first = (!first.is_none()).then(|| self.first_arity(first));
                self.report(say::inconsistent_arity(n_keys, before, &at, first.as_ref()));
                false
            }
        }
    }

    /// An initialiser says the arity by its `=`.
    fn first_arity(&self, span: Span) -> say::Spot {
        let text = self.sources.snippet(span);
        match text.iter().position(|byte| *byte == b'=') {
            Some(equals) => {
                let start = span.start as usize + equals;
                self.spot(Span::new(span.file, start, start + 1))
            }
            None => self.spot(span),
        }
    }

    pub fn keep_stat(&mut self, id: GlobalId, op: StatOp) {
        let stat = &mut self.draft.program.globals[id.index()].stat;
        if !stat.ops.contains(&op) {
            stat.ops.push(op);
        }
    }

    pub fn keep_shift(&mut self, id: GlobalId, shift: i64, span: Span) {
        if !(0..=62).contains(&shift) {
            let at = self.spot(span);
            return self.report(say::shift_range(shift, &at));
        }
        let shift = shift as u8;
        let known = &mut self.draft.program.globals[id.index()].stat.variance_shift;
        match *known {
            Some(previous) if previous != shift && previous != 0 && shift != 0 => {
                let at = self.spot(span);
                self.report(say::conflicting_shifts(previous, &at));
            }
            Some(previous) => *known = Some(previous.max(shift)),
            None => *known = Some(shift),
        }
    }

    pub fn keep_hist(&mut self, id: GlobalId, hist: HistOp, span: Span) {
        let global = &mut self.draft.program.globals[id.index()];
        match global.stat.hist {
            Some(known) if known != hist => {
                let name = global.name.clone();
                let at = self.spot(span);
                self.report(say::multiple_histograms(&name, &at));
            }
            _ => global.stat.hist = Some(hist),
        }
    }

    // Functions.

    /// The function a call means, or `None` when no script or tapset has one for this many arguments.
    pub fn function(&mut self, name: &str, n_args: usize, home: Home, site: Option<Rc<SiteCx>>) -> Option<FunctionId> {
        let mut overloads = self.linker.functions(name, home, self.sources);
        overloads.retain(|function| function.ast().params.len() == n_args);
        if overloads.is_empty() {
            return None;
        }
        // An overload is reached by `next` in the one before it. The script's others must still make sense.
        let n_reached = 1 + overloads.iter().take_while(|function| has_next(&function.ast().body)).count();
        let mut idx = 0;
        overloads.retain(|function| {
            idx += 1;
            idx <= n_reached || function.unit.home == Home::User
        });
        let overloaded = overloads.len() > 1;
        let mut next = None;
        for function in overloads.into_iter().rev() {
            next = Some(self.function_id(function, next, overloaded, site.clone()));
        }
        next
    }

    fn function_id(
        &mut self,
        function: FunctionRef,
        next_overload: Option<FunctionId>,
        overloaded: bool,
        site: Option<Rc<SiteCx>>,
    ) -> FunctionId {
        let looks_at_context = !self.contexts_of_function(&function).is_empty();
        let site = site.filter(|_| looks_at_context);
        let key = (function.key(), site.as_ref().map(|site| site.group));
        if let Some(id) = self.function_ids.get(&key) {
            return *id;
        }
        self.linker.used(&function.unit.clone());
        let id = FunctionId(self.draft.program.functions.len() as u32);
        let declared = function.ast();
        self.draft.program.functions.push(Function {
            name: declared.name.text.clone(),
            n_params: declared.params.len(),
            locals: Vec::new(),
            ret: declared.ret.unwrap_or(Type::Unknown),
            body: Stmt { kind: StmtKind::Null, span: declared.span },
            next_overload,
            overloaded,
            of_library: self.sources.origin(declared.name.span) == Origin::Tapset,
            span: declared.name.span,
        });
        self.draft.functions.push(BodyNote { span: Some(declared.name.span), ..BodyNote::default() });
        self.function_ids.insert(key, id);
        self.pending.push_back((id, function, site));
        id
    }

    /// Builds the functions that were called, and those they call.
    pub fn build_pending_functions(&mut self) {
        while let Some((id, function, site)) = self.pending.pop_front() {
            let declared = function.ast();
            let home = function.unit.home;
            let mut builder = BodyBuilder::function(self, home, &declared.params, site);
            let body = match &declared.body {
                ast::FunctionBody::Block(body) => builder.stmt(body),
                ast::FunctionBody::Embedded(code) => {
                    Stmt { kind: StmtKind::Embedded(Embedded::code(&code.text)), span: code.span }
                }
            };
            let (locals, local_spans) = (builder.locals, builder.local_spans);
            let built = &mut self.draft.program.functions[id.index()];
            built.locals = locals;
            built.body = body;
            let note = &mut self.draft.functions[id.index()];
            note.local_spans = local_spans;
            note.user = home == Home::User;
        }
    }

    /// Every context variable a function looks at, itself or through calls.
    pub fn contexts_of_function(&mut self, function: &FunctionRef) -> Rc<Vec<ast::ContextVar>> {
        let key = function.key();
        if let Some(known) = self.function_contexts.get(&key) {
            return known.clone();
        }
        // Recursion finds this empty list and adds nothing.
        self.function_contexts.insert(key, Rc::default());
        let mut mentions = Mentions::default();
        if let ast::FunctionBody::Block(body) = &function.ast().body {
            mentions.add_stmt(body);
        }
        let mut contexts = site_contexts(&mentions.contexts);
        contexts.extend(self.contexts_of_calls(&mentions.calls, function.unit.home));
        let contexts = Rc::new(contexts);
        self.function_contexts.insert(key, contexts.clone());
        contexts
    }

    pub fn contexts_of_calls(&mut self, calls: &[(Arc<str>, usize)], home: Home) -> Vec<ast::ContextVar> {
        let mut contexts = Vec::new();
        let mut seen = HashSet::default();
        for (name, n_args) in calls {
            if !seen.insert((name.clone(), *n_args)) {
                continue;
            }
            for function in self.linker.functions(name, home, self.sources) {
                if function.ast().params.len() == *n_args {
                    contexts.extend(self.contexts_of_function(&function).iter().cloned());
                }
            }
        }
        contexts
    }

    pub fn report_unresolved_call(&mut self, name: &ast::Name, home: Home) {
        let at = self.spot(name.span);
        let declared = self.linker.functions(&name.text, home, self.sources);
        let last = declared.last().map(|function| function.ast());
        let n_params = last.map(|function| function.params.len()).or(builtins::arities(&name.text).last().copied());
        let diagnostic = match n_params {
            None => {
                let near = similar(&name.text, self.linker.function_names());
                let nearest = similar(&name.text, near.iter().map(String::as_str).chain(PRINTS));
                say::unresolved_function(&name.text, &near, &nearest, &at)
            }
            Some(n_params) => {
                let declared = last.map(|function| self.spot(function.name.span));
                say::function_arity(&name.text, n_params, &at, declared.as_ref())
            }
        };
        self.report(diagnostic);
    }
}

/// The context variables that depend on the site; casts of values do not.
pub fn site_contexts(contexts: &[ast::ContextVar]) -> Vec<ast::ContextVar> {
    contexts.iter().filter(|context| matches!(context.base, ast::ContextBase::Var(_))).cloned().collect()
}
