//! Pass 3: a typed [`Program`] becomes one [`ir::Program`] for two executors, and what the session needs around it.
//!
//! ```text
//!   Program ──▶ bounds (how long strings get) ──▶ facts (which functions recurse, which are pure)
//!      │
//!      └─ each probe × executor ──▶ body: statements, expressions, arrays, printing ──▶ ir::Handler ──▶ entries
//!                                     │
//!                                     └─ deferral: text that only flows to output is made later, in user space
//! ```
//!
//! Nothing after this pass knows the script's language; positions travel as [`ir::SourceTag`]s.

mod bounds;
mod functions;

pub mod executor;

mod body;
mod statements;
mod steps;

mod foreach;

mod expressions;

mod globals;

mod calls;

mod memory;

mod context_access;

mod printing;

mod deferral;
mod handed_over;
mod kernel_format;

mod matches;
mod obstacles;
mod packed;
mod packed_sizes;

mod tables;

mod untranslatable;

mod inline;
mod process;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod tests;

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
};

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use tapdeck_ebpf::{
    codegen::TaskOffsets,
    ir::{self, SourceTag, StoreDecl, StoreTy, StringPool, Ty},
};

pub use self::untranslatable::untranslatable;
use self::{
    body::BodyLower,
    bounds::Bounds,
    executor::{Entries, Side, side_of},
    functions::Facts,
};
use crate::{
    builtins::Stream,
    debuginfo::memory_map::LazyMemoryMap,
    diagnostics::{Diagnostic, Diagnostics, catalogue::generate},
    elaborate::{
        program::{Expr, FunctionId, Global, GlobalId, GlobalInit, Probe, Program},
        walk,
    },
    language::{
        ast::{HistOp, StatOp},
        format::Format,
        types::Type,
    },
    probes::{
        attach_plan::{AttachPlan, FunctionTarget},
        site::ProbeSite,
    },
    runtime::plan::{GlobalInfo, HistStyle, Lowered, ProbeInfo},
    source::Span,
};

/// Points of a probe that are listed by name; a wildcard may have hundreds.
const MAX_LISTED_POINTS: usize = 100;

/// What the command line and the machine say.
#[derive(Clone, Debug)]
pub struct LowerOptions {
    pub limits: ir::Limits,
    /// Elements of an array that does not say its size.
    pub max_map_entries: u32,
    /// Someone watches: statistics keep what panes show, asked for by the script or not.
    pub live: bool,
    /// There is a process given by -c or -x.
    pub has_target: bool,
    /// Where things are in `struct task_struct`, for `process.*`.
    pub task: TaskOffsets,
    /// Offset of `filename` in `struct linux_binprm`.
    pub binprm_filename: Option<u32>,
    /// The traced machine, `uname -m`.
    pub arch: &'static str,
    /// Its physical memory.
    pub memory: LazyMemoryMap,
}

impl Default for LowerOptions {
    fn default() -> Self {
        Self {
            limits: ir::Limits::default(),
            max_map_entries: 2048,
            live: false,
            has_target: false,
            task: TaskOffsets::default(),
            memory: LazyMemoryMap::default(),
            binprm_filename: None,
            arch: "x86_64",
        }
    }
}

/// Pass 3, of a program without anything [`untranslatable`]. With errors among the diagnostics the result must not be run.
pub fn lower(program: &Program, options: &LowerOptions) -> (Lowered, Diagnostics) {
    let rewritten = matches::asked_where_made(program, options.limits.max_string_len);
    let program = rewritten.as_ref().unwrap_or(program);
    let mut handed_over = HashMap::default();
    loop {
        let mut cx = Cx::new(program, options, handed_over);
        cx.everything();
        if cx.to_hand_over.is_empty() {
            cx.warn_of_steps();
            return cx.finish();
        }
        handed_over = cx.handed_over;
        handed_over.extend(cx.to_hand_over);
    }
}

/// A place in the writing of a program.
#[derive(Clone, Copy)]
struct Mark {
    n_refused: usize,
    n_diagnostics: usize,
    n_functions: usize,
    n_pending: usize,
    n_synthetic: usize,
    n_rests: usize,
    n_print_sites: usize,
}

/// Everything that grows while bodies are written.
pub(crate) struct Cx<'a> {
    program: &'a Program,
    options: &'a LowerOptions,
    bounds: Bounds,
    facts: Facts,
    strings: StringPool,
    stores: Vec<StoreDecl>,
    /// Some are announced before they are written.
    functions: Vec<Option<ir::Function>>,
    function_ids: HashMap<(FunctionId, Side), ir::FunctionId>,
    pending: Vec<(FunctionId, Side)>,
    /// Functions made up for deferred expressions: the expression without positions, and its parameters.
    synthetic: Vec<(Expr, Vec<Ty>, ir::FunctionId)>,
    handlers: Vec<ir::Handler>,
    sites: Vec<ir::SiteData>,
    /// The numbers of kernel functions: the same at entry and return.
    function_numbers: HashMap<FunctionTarget, i64>,
    print_sites: Vec<ir::PrintSite>,
    formats: Vec<Format>,
    streams: Vec<Stream>,
    format_ids: HashMap<(Format, Stream), u32>,
    entries: Entries,
    probes: Vec<ProbeInfo>,
    probe_ids: HashMap<(u32, Arc<str>, Side), u32>,
    spans: Vec<Span>,
    tags: HashMap<Span, SourceTag>,
    process: process::Bookkeeping,
    function_obstacles: RefCell<HashMap<FunctionId, Option<String>>>,
    /// By pattern, whether its automaton is too large for the kernel.
    regexes_too_large: RefCell<HashMap<Box<[u8]>, bool>>,
    packed: packed::PackedNames,
    /// Globals kept in user space because handed-over statements write them, and one that does.
    handed_over: HashMap<GlobalId, Span>,
    /// Those that turn out to be while bodies are written.
    to_hand_over: HashMap<GlobalId, Span>,
    rests: Vec<handed_over::Rest>,
    /// Where event handlers name each global, once it was asked for.
    mentioned: OnceCell<HashMap<GlobalId, HashSet<Span>>>,
    /// Errors reported so far, repeated ones included.
    n_refused: usize,
    diagnostics: Diagnostics,
    reported: HashSet<(&'static str, Option<Span>)>,
}

impl<'a> Cx<'a> {
    fn new(program: &'a Program, options: &'a LowerOptions, handed_over: HashMap<GlobalId, Span>) -> Self {
        let bounds = Bounds::infer(program, options.limits.max_string_len);
        let facts = Facts::gather(program);
        let mut in_kernel = HashSet::default();
        for probe in &program.probes {
            if probe.sites.iter().any(|site| side_of(&site.attach) == Some(Side::Kernel)) {
                in_kernel.extend(facts.globals_below(&probe.body));
                if let Some(condition) = &probe.condition {
                    walk::expr_and_below(condition, &mut |expr| {
                        in_kernel.extend(functions::global_of(expr));
                    });
                }
            }
        }
        in_kernel.retain(|global| !handed_over.contains_key(global));
        let stores = program
            .globals
            .iter()
            .enumerate()
            .map(|(idx, global)| {
                let in_kernel = in_kernel.contains(&GlobalId(idx as u32));
                store_decl(global, &bounds, idx, options, in_kernel)
            })
            .collect();
        Self {
            program,
            options,
            bounds,
            facts,
            strings: StringPool::new(),
            stores,
            functions: Vec::new(),
            function_ids: HashMap::default(),
            pending: Vec::new(),
            synthetic: Vec::new(),
            handlers: Vec::new(),
            sites: Vec::new(),
            function_numbers: HashMap::default(),
            print_sites: Vec::new(),
            formats: Vec::new(),
            streams: Vec::new(),
            format_ids: HashMap::default(),
            entries: Entries::default(),
            probes: Vec::new(),
            probe_ids: HashMap::default(),
            spans: Vec::new(),
            tags: HashMap::default(),
            process: process::Bookkeeping::default(),
            function_obstacles: RefCell::default(),
            regexes_too_large: RefCell::default(),
            packed: packed::PackedNames::default(),
            handed_over,
            to_hand_over: HashMap::default(),
            rests: Vec::new(),
            mentioned: OnceCell::new(),
            n_refused: 0,
            diagnostics: Diagnostics::default(),
            reported: HashSet::default(),
        }
    }

    fn everything(&mut self) {
        self.find_packed();
        self.pack_stores();
        for (idx, probe) in self.program.probes.iter().enumerate() {
            self.probe(idx, probe);
        }
        self.process_bookkeeping();
        self.pending_functions();
    }

    /// Every body that an event handler runs, with the functions it calls.
    fn bodies_in_kernel(&self) -> Vec<bounds::BodyRef> {
        let in_kernel = |probe: &&Probe| probe.sites.iter().any(|site| side_of(&site.attach) == Some(Side::Kernel));
        let probes: Vec<usize> =
            (0..self.program.probes.len()).filter(|idx| in_kernel(&&self.program.probes[*idx])).collect();
        let mut functions: Vec<usize> = probes
            .iter()
            .flat_map(|idx| self.facts.functions_below(&self.program.probes[*idx].body))
            .map(FunctionId::index)
            .collect();
        functions.sort_unstable();
        functions.dedup();
        probes
            .into_iter()
            .map(bounds::BodyRef::Probe)
            .chain(functions.into_iter().map(bounds::BodyRef::Function))
            .collect()
    }

    /// Globals that keep packed texts do so from the start.
    fn pack_stores(&mut self) {
        for idx in 0..self.stores.len() {
            if self.packed.global(GlobalId(idx as u32)).is_some()
                && let StoreTy::Str { cap } = self.stores[idx].value
            {
                let plain = self.plain_site(cap);
                self.stores[idx].value = StoreTy::Packed { cap: 0, plain };
            }
        }
    }

    /// One handler for each executor the probe's sites need, one more for each process filter.
    fn probe(&mut self, idx: usize, probe: &'a Probe) {
        let mut groups: Vec<(Side, Option<AttachPlan>, Vec<&ProbeSite>)> = Vec::new();
        for site in &probe.sites {
            let Some(side) = side_of(&site.attach) else { continue };
            // Which process is asked for in code, so such sites cannot share a handler.
            let filter = matches!(site.attach, AttachPlan::Process { .. }).then(|| site.attach.clone());
            match groups.iter_mut().find(|(s, f, _)| *s == side && *f == filter) {
                Some((_, _, sites)) => sites.push(site),
                None => groups.push((side, filter, vec![site])),
            }
        }
        for (side, filter, sites) in groups {
            let info = self.probe_info(probe, side, &sites);
            let tag = self.tag(probe.span);
            let handler = ir::HandlerId(self.handlers.len() as u32);
            let body = BodyLower::handler(self, side, idx, probe, filter.as_ref());
            self.handlers.push(ir::Handler { name: sites[0].point.to_string(), probe: info, body, tag });
            let mut site_id = ir::SiteId(0);
            let looks = self.facts.looks_below(&probe.body);
            for site in &sites {
                let at_return = looks.at_address && !looks.at_arguments && site.attach.is_return();
                let plan =
                    if looks.at_registers || at_return { site.attach.with_registers() } else { site.attach.clone() };
                site_id = self.site(probe, site, plan.way());
                self.entries.add(&plan, handler, site_id);
            }
            for plan in filter.map_or(Vec::new(), |plan| self.further_plans(&plan)) {
                let Some(side) = side_of(&plan) else { continue };
                let handler = ir::HandlerId(self.handlers.len() as u32);
                let body = BodyLower::handler(self, side, idx, probe, Some(&plan));
                self.handlers.push(ir::Handler { name: sites[0].point.to_string(), probe: info, body, tag });
                self.entries.add(&plan, handler, site_id);
            }
        }
    }

    fn site(&mut self, probe: &Probe, site: &ProbeSite, way: &str) -> ir::SiteId {
        let number = match &site.attach {
            AttachPlan::Function { target, .. } => {
                let next = self.function_numbers.len() as i64 + 1;
                *self.function_numbers.entry(target.entry()).or_insert(next)
            }
            _ => 0,
        };
        self.sites.push(ir::SiteData {
            pp: site.point.as_bytes().to_vec(),
            pn: probe.written.as_bytes().to_vec(),
            func: site.func.as_bytes().to_vec(),
            name: site.name.as_bytes().to_vec(),
            way: way.as_bytes().to_vec(),
            number,
        });
        ir::SiteId(self.sites.len() as u32 - 1)
    }

    /// The row of a script probe, shared by all its handlers on one side.
    fn probe_info(&mut self, probe: &Probe, side: Side, sites: &[&ProbeSite]) -> u32 {
        let key = (probe.source_probe, probe.written.clone(), side);
        let idx = *self.probe_ids.entry(key).or_insert_with(|| {
            self.probes.push(ProbeInfo {
                written: probe.written.to_string(),
                points: Vec::new(),
                n_sites: 0,
                via: probe.via.iter().map(|name| name.to_string()).collect(),
                source_probe: probe.source_probe,
                span: probe.span,
                in_kernel: side == Side::Kernel,
            });
            self.probes.len() as u32 - 1
        });
        let info = &mut self.probes[idx as usize];
        let room = MAX_LISTED_POINTS.saturating_sub(info.points.len());
        info.points.extend(sites.iter().take(room).map(|site| site.point.to_string()));
        info.n_sites += sites.len();
        idx
    }

    /// The IR function of a script function on one side; it is written later.
    fn function(&mut self, id: FunctionId, side: Side) -> ir::FunctionId {
        if let Some(known) = self.function_ids.get(&(id, side)) {
            return *known;
        }
        self.functions.push(None);
        let ir_id = ir::FunctionId(self.functions.len() as u32 - 1);
        self.function_ids.insert((id, side), ir_id);
        self.pending.push((id, side));
        ir_id
    }

    fn pending_functions(&mut self) {
        while let Some((id, side)) = self.pending.pop() {
            let function = BodyLower::function(self, side, id);
            let ir_id = self.function_ids[&(id, side)];
            self.functions[ir_id.index()] = Some(function);
        }
    }

    fn tag(&mut self, span: Span) -> SourceTag {
        if span.is_none() {
            return SourceTag::NONE;
        }
        *self.tags.entry(span).or_insert_with(|| {
            self.spans.push(span);
            SourceTag(self.spans.len() as u32 - 1)
        })
    }

    /// Once for each kind and place: a function may be written for several handlers.
    fn report(&mut self, diagnostic: Diagnostic) {
        self.n_refused += usize::from(diagnostic.is_error());
        if self.reported.insert((diagnostic.kind, diagnostic.primary)) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// What is written so far, to come [back](Cx::back_to) to when a statement was refused.
    fn mark(&self) -> Mark {
        Mark {
            n_refused: self.n_refused,
            n_diagnostics: self.diagnostics.len(),
            n_functions: self.functions.len(),
            n_pending: self.pending.len(),
            n_synthetic: self.synthetic.len(),
            n_rests: self.rests.len(),
            n_print_sites: self.print_sites.len(),
        }
    }

    /// Gives the findings since then, which do not count any more.
    fn back_to(&mut self, mark: Mark) -> Diagnostics {
        let findings = self.diagnostics.split_off(mark.n_diagnostics);
        for finding in findings.iter() {
            self.reported.remove(&(finding.kind, finding.primary));
        }
        self.n_refused = mark.n_refused;
        self.functions.truncate(mark.n_functions);
        self.function_ids.retain(|_, id| id.index() < mark.n_functions);
        self.pending.truncate(mark.n_pending);
        self.synthetic.truncate(mark.n_synthetic);
        self.rests.truncate(mark.n_rests);
        self.print_sites.truncate(mark.n_print_sites);
        findings
    }

    fn format_id(&mut self, format: Format, stream: Stream) -> u32 {
        let next = self.formats.len() as u32;
        let (formats, streams) = (&mut self.formats, &mut self.streams);
        *self.format_ids.entry((format, stream)).or_insert_with_key(|(format, stream)| {
            formats.push(format.clone());
            streams.push(*stream);
            next
        })
    }

    fn add_print_site(&mut self, site: ir::PrintSite) -> ir::PrintId {
        let known = self.print_sites.iter().position(|known| *known == site);
        let id = known.unwrap_or_else(|| {
            self.print_sites.push(site);
            self.print_sites.len() - 1
        });
        ir::PrintId(id as u32)
    }

    fn finish(mut self) -> (Lowered, Diagnostics) {
        let (entries, attach) = self.entries.finish();
        let globals = self
            .program
            .globals
            .iter()
            .enumerate()
            .map(|(idx, global)| GlobalInfo {
                name: global.name.to_string(),
                store: ir::StoreId(idx as u32),
                user: global.user && !global.hidden,
                write_only: global.write_only,
                pointer: global.pointer,
                hist: global.stat.hist.map(hist_shape),
            })
            .collect();
        let mut ir = ir::Program {
            strings: self.strings.finish(),
            stores: self.stores,
            functions: self.functions.into_iter().map(|f| f.expect("every announced function is written")).collect(),
            handlers: self.handlers,
            sites: self.sites,
            print_sites: self.print_sites,
            entries,
            limits: self.options.limits.clone(),
        };
        if let Err(tag) = packed_sizes::assign(&mut ir) {
            let at = self.spans.get(tag.index()).copied().unwrap_or(Span::NONE);
            self.diagnostics.push(generate::text_grows(packed_sizes::MAX_PACKED, at));
        }
        let lowered = Lowered {
            ir,
            formats: self.formats,
            streams: self.streams,
            attach,
            spans: self.spans,
            probes: self.probes,
            globals,
            histogram: HistStyle::default(),
        };
        // Who makes IR keeps its contract; with errors the program is not whole.
        if cfg!(debug_assertions)
            && !self.diagnostics.has_errors()
            && let Err(broken) = ir::verify(&lowered.ir)
        {
            let list: String = broken.iter().map(|error| format!("\n  {error}")).collect();
            panic!("lowered to IR that breaks its contract:{list}");
        }
        (lowered, self.diagnostics)
    }
}

fn store_decl(global: &Global, bounds: &Bounds, idx: usize, options: &LowerOptions, in_kernel: bool) -> StoreDecl {
    let lens = &bounds.globals[idx];
    let keys = global.keys.iter().zip(&lens.keys).map(|(ty, len)| match ty {
        Type::Str => bounds.ty(*len),
        _ => Ty::Long,
    });
    let value = match global.value {
        Type::Str => match bounds.ty(lens.value) {
            Ty::Str { cap } => StoreTy::Str { cap },
            Ty::Long | Ty::Packed { .. } => StoreTy::Long,
        },
        Type::Stat => StoreTy::Stat(stat_shape(global, options.live)),
        Type::Long | Type::Unknown => StoreTy::Long,
    };
    StoreDecl {
        name: global.name.to_string(),
        keys: keys.collect(),
        value,
        sized: global.size.is_some(),
        max_entries: if global.keys.is_empty() { 1 } else { global.size.unwrap_or(options.max_map_entries) },
        wrap: global.wrap,
        init: global.init.as_ref().map(|init| match init {
            GlobalInit::Long(n) => ir::Const::Long(*n),
            GlobalInit::Str(text) => ir::Const::Str(text.clone()),
        }),
        in_kernel,
    }
}

/// Only what the script asks for, unless someone may look at all of it.
fn stat_shape(global: &Global, live: bool) -> ir::StatShape {
    let shown = live || global.write_only;
    let uses = |op: StatOp| global.stat.ops.contains(&op);
    ir::StatShape {
        sum: shown || uses(StatOp::Sum) || uses(StatOp::Avg),
        min: shown || uses(StatOp::Min),
        max: shown || uses(StatOp::Max),
        variance: uses(StatOp::Variance).then(|| global.stat.variance_shift.unwrap_or(0)),
        hist: global.stat.hist.map(hist_shape),
    }
}

fn hist_shape(hist: HistOp) -> ir::HistShape {
    match hist {
        HistOp::Log => ir::HistShape::Log,
        HistOp::Linear { start, stop, step } => ir::HistShape::Linear { start, stop, step },
    }
}
