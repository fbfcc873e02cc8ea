//! Pass 2: names, aliases, wildcards, types. Takes scripts and a [`World`], gives a [`Program`] with nothing unresolved.
//!
//! ```text
//! scripts ─▶ derive_sites ─▶ handler, body ─▶ check ─▶ prune ─▶ infer_types ─▶ Program
//!             ▲ expand_aliases  ▲ resolve_context      fold
//!             └──── link ───────┘
//! ```
//!
//! A name may bring in a tapset file, whose probes and names may bring in more; after [`elaborate`] nothing knows that
//! tapsets, aliases or wildcards exist. What is not needed goes away before types are checked, as in SystemTap, so an
//! unused line with a type error is only a warning; [`ElaborateOptions::unoptimized`] keeps it.

pub mod complete;
pub mod list;
pub mod print;
pub mod program;

mod body;
mod check;
mod compact;
mod cx;
mod derive_sites;
mod draft;
mod effects;
mod enumerations;
mod expand_aliases;
mod fold;
mod handler;
mod infer_types;
mod link;
mod mentions;
mod prune;
mod resolve_context;
#[cfg(test)]
mod tests;
pub mod walk;

use std::sync::Arc;

use rustc_hash::FxHashSet as HashSet;

use self::{
    cx::Cx,
    derive_sites::{SiteVars, Source},
    draft::Draft,
    effects::Uses,
    expand_aliases::Segment,
    link::{Home, Linker, Unit},
    program::{GlobalInit, Program},
};
use crate::{
    debuginfo::World,
    diagnostics::{Diagnostics, catalogue::semantic as say},
    language::{ParseOptions, ast, types::Type},
    source::{FileId, SourceMap},
    tapset::Library,
};

pub(crate) use self::draft::spot;

/// How pass 2 goes about it; stap(1) has the options.
#[derive(Clone, Debug, Default)]
pub struct ElaborateOptions {
    /// How tapset files are read: the same conditions and macros as the script, without its arguments.
    pub parse: ParseOptions,
    /// `-u`: keep what is not needed in handlers and the functions they call, and check it.
    pub unoptimized: bool,
    /// `--semantic-keep-going`: what has no type is an error also where types mismatch.
    pub keep_going: bool,
    /// `--skip-badvars`: a context variable that is not there is 0, with a warning.
    pub skip_badvars: bool,
    /// `--no-global-var-display`: globals nobody reads are not printed at the end.
    pub no_global_var_display: bool,
    /// `-G name=value`.
    pub globals: Vec<(String, String)>,
}

impl ElaborateOptions {
    /// What `-G` says about a global.
    fn global(&self, name: &str) -> Option<GlobalInit> {
        let (_, text) = self.globals.iter().rev().find(|(global, _)| global == name)?;
        Some(match text.parse::<i64>() {
            Ok(value) => GlobalInit::Long(value),
            Err(_) => GlobalInit::Str(text.clone().into_bytes()),
        })
    }
}

/// Resolves scripts against a machine. The program is for use only when there are no errors.
pub fn elaborate(
    library: &Library,
    world: &World,
    scripts: Vec<(FileId, Arc<ast::Script>)>,
    sources: &mut SourceMap,
    options: &ElaborateOptions,
) -> (Program, Diagnostics) {
    let linker = Linker::new(library, &options.parse, scripts.into_iter().map(|(_, script)| script).collect());
    let mut cx = Cx::new(linker, sources, world, options);
    report_declarations(&mut cx);
    derive_all(&mut cx);
    // SystemTap does not look at them with -u.
    if !options.unoptimized {
        build_uncalled_functions(&mut cx);
    }
    let Cx { mut draft, mut diagnostics, linker, sources, .. } = cx;
    draft.program.unoptimized = options.unoptimized;
    diagnostics.extend(linker.diagnostics);
    if diagnostics.has_errors() {
        return (draft.program, diagnostics);
    }
    // Also without -u, so that both say the same about what stays.
    if options.unoptimized {
        prune::reduce_calls(&mut draft);
    } else {
        diagnostics.extend(prune::prune(&mut draft, sources));
    }
    if draft.program.probes.is_empty() {
        diagnostics.push(say::no_probes());
        return (draft.program, diagnostics);
    }
    diagnostics.extend(infer_types::infer_types(&mut draft, sources, options.keep_going));
    if !options.unoptimized {
        diagnostics.extend(prune::drop_aside(&mut draft, sources));
    }
    if draft.program.probes.is_empty() && !diagnostics.has_errors() {
        diagnostics.push(say::no_probes());
        return (draft.program, diagnostics);
    }
    if !diagnostics.has_errors() {
        prune::drop_unreached_overloads(&mut draft);
        diagnostics.extend(check::check(&draft, sources));
    }
    settle(&mut draft, options);
    (draft.program, diagnostics)
}

/// `%{ … %}` beside the probes, aliases whose names take arguments.
fn report_declarations(cx: &mut Cx<'_>) {
    for unit in cx.linker.user.clone() {
        for alias in &unit.script.aliases {
            for part in alias.names.iter().flat_map(|name| &name.parts).filter(|part| part.arg.is_some()) {
                let at = cx.spot(alias.span);
                cx.report(say::alias_parameter(&part.name, &at));
            }
        }
        let embeds = unit.script.embeds.iter().map(|code| (code.text.clone(), code.span));
        cx.draft.program.embeds.extend(embeds);
    }
}

/// The user's probes, then those of every tapset file that came in meanwhile.
fn derive_all(cx: &mut Cx<'_>) {
    let mut vars = SiteVars::default();
    let mut number = 0;
    for unit in cx.linker.user.clone() {
        derive_unit(&unit, &mut number, &mut vars, cx);
    }
    let mut n_done = 0;
    loop {
        cx.build_pending_functions();
        let Some(unit) = cx.linker.active.get(n_done).cloned() else { break };
        n_done += 1;
        derive_unit(&unit, &mut number, &mut vars, cx);
    }
}

fn derive_unit(unit: &Unit, number: &mut u32, vars: &mut SiteVars, cx: &mut Cx<'_>) {
    for probe in &unit.script.probes {
        let body = Segment { home: unit.home, body: probe.body.clone() };
        let source = Source { points: &probe.points, script: &unit.script, body, span: probe.span, number: *number };
        *number += 1;
        derive_sites::derive(&source, vars, cx);
    }
}

/// Functions of the user nobody calls are looked up all the same, so that their mistakes show.
fn build_uncalled_functions(cx: &mut Cx<'_>) {
    for unit in cx.linker.user.clone() {
        for function in &unit.script.functions {
            // One that looks at `$vars` means something only where it is called.
            let overloads = cx.linker.functions(&function.name.text, Home::User, cx.sources);
            let mut overloads = overloads.iter().filter(|other| other.ast().params.len() == function.params.len());
            if overloads.all(|other| cx.contexts_of_function(other).is_empty()) {
                cx.function(&function.name.text, function.params.len(), Home::User, None);
            }
        }
        for global in &unit.script.globals {
            cx.own_global(&global.name.text, Home::User);
        }
    }
    cx.build_pending_functions();
}

/// What the finished program says about itself.
fn settle(draft: &mut Draft, options: &ElaborateOptions) {
    let uses = Uses::of(&draft.program);
    let written: HashSet<_> = uses.all().flat_map(|used| &used.globals_written).copied().collect();
    let read: HashSet<_> = uses.all().flat_map(|used| &used.globals_read).copied().collect();
    for (idx, global) in draft.program.globals.iter_mut().enumerate() {
        let id = program::GlobalId(idx as u32);
        global.write_only =
            !options.no_global_var_display && global.user && written.contains(&id) && !read.contains(&id);
        // -G gives text; the type says what it is.
        global.init = match (global.init.take(), global.value) {
            (Some(GlobalInit::Long(value)), Type::Str) => Some(GlobalInit::Str(value.to_string().into_bytes())),
            (Some(GlobalInit::Str(_)), Type::Long) => Some(GlobalInit::Long(0)),
            (init, _) => init,
        };
    }
    mark_pointers(draft);
}

/// Globals that are given the value of a context pointer.
fn mark_pointers(draft: &mut Draft) {
    let mut pointers = Vec::new();
    for probe in &draft.program.probes {
        walk::every_expr(&probe.body, &mut |expr| {
            if let program::ExprKind::Assign { op: ast::AssignOp::Set, target, value } = &expr.kind
                && let program::Target::Global(global) | program::Target::Element { global, .. } = target
                && let program::ExprKind::Context(context) = &value.kind
                && context.access.type_text.ends_with('*')
            {
                pointers.push(*global);
            }
        });
    }
    for global in pointers {
        draft.program.globals[global.index()].pointer = true;
    }
}
