//! Probe points to sites through the families, and sites to handlers: sites of one point where the handler's text comes
//! to the same share it, so that `syscall.*` is elaborated once and not for each of hundreds of calls.

use std::{rc::Rc, sync::Arc};

use rustc_hash::FxHashMap as HashMap;

use super::{
    cx::{Cx, site_contexts},
    expand_aliases::{self, Expansion, Segment, Trail},
    handler,
    link::Home,
    mentions::Mentions,
    resolve_context::{Resolution, literal_steps, resolve_at},
};
use crate::{
    debuginfo::{location::Register, probing},
    diagnostics::{Diagnostic, catalogue::semantic as say},
    language::{self, ParseOptions, ast, tree_dump},
    probes::{
        self, NoMatch, Resolved,
        attach_plan::{AttachPlan, FunctionHook},
        forms::{Forms, Mismatch},
        site::{ProbeSite, SiteVar},
    },
    source::{Origin, Span},
};

/// A `probe` statement to derive.
pub struct Source<'s> {
    pub points: &'s [ast::ProbePoint],
    /// The file it is in.
    pub script: &'s ast::Script,
    pub body: Segment,
    pub span: Span,
    /// Which `probe` of the user's script.
    pub number: u32,
}

/// A point a family knows, with its sites.
#[derive(Debug)]
pub struct Derived {
    pub point: ast::ProbePoint,
    pub sites: Vec<ProbeSite>,
    pub trail: Trail,
    /// As the user wrote it.
    pub written: Arc<str>,
}

/// Sites that share a handler.
#[derive(Debug)]
pub struct Group {
    pub sites: Vec<ProbeSite>,
    /// The site variables the handler needs, in order.
    pub vars: Vec<(Arc<str>, Rc<ParsedVar>)>,
    /// Registers of the function's entry that its context variables are made of, each once.
    pub entry_registers: Vec<Register>,
}

/// The text of a site variable, read once.
#[derive(Debug)]
pub struct ParsedVar {
    pub expr: ast::Expr,
    mentions: Mentions,
}

/// Texts of site variables read so far.
#[derive(Debug, Default)]
pub struct SiteVars {
    parsed: HashMap<Arc<str>, Rc<ParsedVar>>,
}

/// Builds the handlers of one `probe` statement into the draft.
pub fn derive(source: &Source<'_>, vars: &mut SiteVars, cx: &mut Cx<'_>) {
    let list: Vec<String> = source.points.iter().map(|point| written(point, source.script, cx)).collect();
    let trail = Trail { derivation: format!(" <- {}", list.join(",")), ..Trail::default() };
    let (derived, errors) = resolve_list(source.points, source.body.home, &trail, cx);
    for error in errors {
        cx.statement_failed = false;
        cx.report(error);
    }
    for derived in derived {
        if derived.sites.iter().any(is_missing) {
            let at = cx.spot(derived.point.span);
            cx.report(say::no_function_probes(probing::MISSING, probing::WAY_OUT, &at));
            continue;
        }
        build(source, derived, vars, cx);
    }
}

/// A point of the list as `-p2` shows it: an alias makes a copy of the condition, and what was written stays as it is.
fn written(point: &ast::ProbePoint, script: &ast::Script, cx: &mut Cx<'_>) -> String {
    let resolved = point.condition.is_some() && !expand_aliases::is_alias(point, &mut cx.linker, cx.sources);
    tree_dump::point(point, resolved, &script.spellings)
}

/// It is known, but this kernel cannot probe it.
fn is_missing(site: &ProbeSite) -> bool {
    matches!(site.attach, AttachPlan::Function { hook: FunctionHook::Missing, .. })
}

/// All points of a list; the first that is sufficient and lands somewhere ends it.
pub fn resolve_list(
    points: &[ast::ProbePoint],
    home: Home,
    trail: &Trail,
    cx: &mut Cx<'_>,
) -> (Vec<Derived>, Vec<Diagnostic>) {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for point in points {
        let mut trail = trail.clone();
        if let Some(condition) = &point.condition {
            trail.conditions.push((home, (**condition).clone()));
        }
        let (mut derived, found_errors) = resolve_one(point, &trail, cx);
        if trail.via.is_empty() {
            let written: Arc<str> = probes::pattern::point_text(&point.parts).into();
            derived.iter_mut().for_each(|derived| derived.written = written.clone());
        }
        let landed = !derived.is_empty();
        all.extend(derived);
        if !point.optional && !point.sufficient {
            errors.extend(found_errors);
        }
        if point.sufficient && landed {
            break;
        }
    }
    (all, errors)
}

/// Where a point lands, by way of aliases and by itself, with the errors on the way; that it lands nowhere is the last.
fn resolve_one(point: &ast::ProbePoint, trail: &Trail, cx: &mut Cx<'_>) -> (Vec<Derived>, Vec<Diagnostic>) {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    let wildcard = expand_aliases::has_wildcard(point);
    let (mut is_alias, mut is_told) = (false, false);
    match expand_aliases::expand(point, trail, &mut cx.linker, cx.sources) {
        Expansion::NotAlias => {}
        Expansion::Loop(name) => {
            (is_alias, is_told) = (true, true);
            let place = cx.sources.place(point.span);
            errors.push(say::alias_loop(&name, &place, &cx.point_spot(point)));
        }
        Expansion::Lists(lists, n_parts) => {
            is_alias = true;
            let suffix = point.parts.get(n_parts);
            for (points, home, trail) in lists {
                let (derived, found) = resolve_list(&points, home, &trail, cx);
                all.extend(derived);
                // What a wildcard finds in the library need not be there on every kernel.
                if wildcard && home != Home::User {
                    continue;
                }
                match (suffix, found.first()) {
                    // The first of them ends it, and what is wrong is what was put behind the alias.
                    (Some(part), Some(first)) => {
                        errors.push(say::point_behind_alias(first, &cx.point_spot(point), &cx.part_spot(part)));
                        is_told = true;
                    }
                    _ => errors.extend(found),
                }
            }
        }
    }
    let no_match = match probes::resolve(point, cx.world) {
        Some(Resolved::Sites(sites)) if !sites.is_empty() => {
            let written = probes::pattern::point_text(&point.parts).into();
            all.push(Derived { point: point.clone(), sites, trail: trail.clone(), written });
            return (all, errors);
        }
        Some(Resolved::Nothing(no_match)) if !is_alias => Some(no_match),
        _ => None,
    };
    if wildcard {
        all.extend(resolve_wildcard(point, trail, cx));
    }
    // Nobody is told why an optional point lands nowhere, and finding out costs more than the point.
    if all.is_empty() && !is_told && !point.optional && !point.sufficient {
        errors.push(mismatch(point, no_match.as_ref(), cx));
    }
    (all, errors)
}

/// Names with wildcards that neither an alias nor a family has: whatever of the points they stand for lands somewhere.
fn resolve_wildcard(point: &ast::ProbePoint, trail: &Trail, cx: &mut Cx<'_>) -> Vec<Derived> {
    let points = forms(cx).expand(point);
    let mut all = Vec::new();
    for point in points {
        if let Some(Resolved::Sites(sites)) = probes::resolve(&point, cx.world) {
            let written = probes::pattern::point_text(&point.parts).into();
            all.push(Derived { point, sites, trail: trail.clone(), written });
        }
    }
    all
}

fn forms<'f>(cx: &'f Cx<'_>) -> &'f Forms {
    cx.forms.get_or_init(|| {
        let library = cx.linker.library.aliases().map(|(name, ..)| name.to_owned());
        let user = cx.linker.user.iter().flat_map(|unit| &unit.script.aliases);
        let user = user.flat_map(|alias| &alias.names).filter(|name| name.parts.iter().all(|part| part.arg.is_none()));
        let user = user.map(expand_aliases::dotted);
        Forms::new(&cx.world.host.arch(), library.chain(user))
    })
}

/// A point that leads nowhere: its form is wrong in one of its parts, or else its family says why.
fn mismatch(point: &ast::ProbePoint, no_match: Option<&NoMatch>, cx: &Cx<'_>) -> Diagnostic {
    let whole = cx.point_spot(point);
    let part = |idx: usize| cx.part_spot(&point.parts[idx]);
    let wrong = forms(cx).mismatch(point);
    // Who knows a name that is in no tree, or what is behind an alias tapdeck has not, tells more than the tree.
    let is_known = match &wrong {
        None | Some(Mismatch::NoSuchPart { part_idx: 0, .. } | Mismatch::InvalidSuffix { behind_alias: true, .. }) => {
            true
        }
        Some(Mismatch::NoWildcardMatch { .. }) => !forms(cx).expand(point).is_empty(),
        Some(_) => false,
    };
    if let Some(no_match) = no_match.filter(|_| is_known) {
        let part = no_match.part_idx.filter(|idx| *idx < point.parts.len()).map(part);
        return say::point_no_match(&no_match.message, no_match.way_out(), &whole, part.as_ref());
    }
    match wrong {
        Some(Mismatch::NoSuchPart { part_idx, similar }) => say::point_mismatch(&similar, &whole, &part(part_idx)),
        Some(Mismatch::NoWildcardMatch { part_idx, similar }) => {
            say::point_no_wildcard_match(&similar, &whole, &part(part_idx))
        }
        Some(Mismatch::InvalidSuffix { part_idx, .. }) => say::point_suffix(&whole, &part(part_idx)),
        Some(Mismatch::Truncated { part_idx, follow }) => say::point_truncated(&follow, &whole, &part(part_idx)),
        None => say::point_no_match("no match", None, &whole, None),
    }
}

pub fn build(source: &Source<'_>, derived: Derived, vars: &mut SiteVars, cx: &mut Cx<'_>) {
    let Derived { point, sites, trail, written } = derived;
    let segments: Vec<Segment> =
        trail.prologues.iter().chain([&source.body]).chain(&trail.epilogues).cloned().collect();
    let (mentions, entries) = mentions_of(&segments, cx);
    let groups = group(sites, &mentions, vars, cx);
    let conditions: Vec<&ast::Expr> = trail.conditions.iter().rev().map(|(_, condition)| condition).collect();
    let suffix: Arc<str> = tree_dump::suffix(&point, &conditions, &source.script.spellings).into();
    for group in groups {
        let handler = handler::Handler {
            point: &point,
            group,
            segments: &segments,
            trail: &trail,
            written: written.clone(),
            suffix: suffix.clone(),
            entries: &entries,
            source_probe: source.number,
            span: source.span,
            user: source.body.home == Home::User,
        };
        handler::build(handler, vars, cx);
    }
}

/// What a handler's pieces name, with the context variables of the functions they call; and their `@entry`s.
fn mentions_of(segments: &[Segment], cx: &mut Cx<'_>) -> (Mentions, Vec<(Home, ast::Expr)>) {
    let mut all = Mentions::default();
    let mut entries: Vec<(Home, ast::Expr)> = Vec::new();
    for segment in segments {
        let mut own = Mentions::of_stmt(&segment.body);
        // A global of the script hides the site's variable of that name.
        let home = segment.home;
        own.names.retain(|name| cx.linker.own_global(name, home, cx.sources).is_none());
        let contexts = cx.contexts_of_calls(&own.calls, home);
        own.contexts.extend(contexts);
        all.names.extend(own.names);
        all.calls.extend(own.calls);
        all.contexts.extend(own.contexts);
        for entry in own.entries {
            if !entries.iter().any(|(_, known)| *known == entry) {
                entries.push((home, entry));
            }
        }
    }
    (all, entries)
}

/// Names and texts of the site variables a handler needs.
type VarTexts = Vec<(Arc<str>, Arc<str>)>;

/// Puts sites together whose handlers come out the same: the same site variables needed, with the same text, and every
/// context variable at the same place.
pub fn group(sites: Vec<ProbeSite>, mentions: &Mentions, vars: &mut SiteVars, cx: &mut Cx<'_>) -> Vec<Group> {
    let contexts = site_contexts(&mentions.contexts);
    let steps: Vec<_> = contexts.iter().map(literal_steps).collect();
    let mut groups: Vec<(Group, Vec<Resolution>)> = Vec::new();
    let mut by_vars: HashMap<VarTexts, Vec<usize>> = HashMap::default();
    vars.read_needed(&sites, mentions, cx);
    for site in sites {
        let needed = vars.needed(&site, mentions);
        let mut resolutions = Vec::with_capacity(contexts.len());
        for (context, steps) in contexts.iter().zip(&steps) {
            resolutions.push(resolve_at(&*site.scope, context, steps, cx.world));
        }
        for var in &needed {
            let parsed = &vars.parsed[&var.expr];
            for context in site_contexts(&parsed.mentions.contexts) {
                resolutions.push(resolve_at(&*site.scope, &context, &literal_steps(&context), cx.world));
            }
        }
        let key: VarTexts = needed.iter().map(|var| (var.name.clone(), var.expr.clone())).collect();
        let same = by_vars.entry(key).or_default();
        if let Some(idx) = same.iter().find(|idx| groups[**idx].1 == resolutions) {
            groups[*idx].0.sites.push(site);
            continue;
        }
        same.push(groups.len());
        let vars = needed.iter().map(|var| (var.name.clone(), vars.parsed[&var.expr].clone())).collect();
        let mut entry_registers: Vec<Register> = resolutions.iter().flat_map(Resolution::entry_registers).collect();
        entry_registers.sort_unstable();
        entry_registers.dedup();
        groups.push((Group { sites: vec![site], vars, entry_registers }, resolutions));
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

impl SiteVars {
    /// The variables of a site that the handler reads, or that those read; in the site's order.
    fn needed<'s>(&self, site: &'s ProbeSite, mentions: &Mentions) -> Vec<&'s SiteVar> {
        let mut kept: Vec<&SiteVar> = Vec::new();
        for var in site.vars.iter().rev() {
            let read_later = || {
                kept.iter().any(|later| {
                    self.parsed.get(&later.expr).is_some_and(|parsed| parsed.mentions.names.contains(&var.name))
                })
            };
            if mentions.names.contains(&var.name) || read_later() {
                kept.push(var);
            }
        }
        kept.reverse();
        kept
    }

    /// Reads the texts of all variables the sites need, in few goes: what a text names may be needed in turn.
    fn read_needed(&mut self, sites: &[ProbeSite], mentions: &Mentions, cx: &mut Cx<'_>) {
        if mentions.names.is_empty() {
            return;
        }
        loop {
            let mut missing: Vec<Arc<str>> = Vec::new();
            let mut listed = rustc_hash::FxHashSet::default();
            for site in sites {
                for var in self.needed(site, mentions) {
                    if !self.parsed.contains_key(&var.expr) && listed.insert(var.expr.clone()) {
                        missing.push(var.expr.clone());
                    }
                }
            }
            if missing.is_empty() {
                return;
            }
            self.read(missing, cx);
        }
    }

    /// One function for each text makes one file of them all.
    fn read(&mut self, texts: Vec<Arc<str>>, cx: &mut Cx<'_>) {
        let mut file = String::new();
        for text in &texts {
            file += &format!("function v() {{ return {text}\n}}\n");
        }
        let id = cx.sources.add("<probe variables>", file, Origin::Tapset);
        let (script, _) = language::parse(cx.sources, id, &ParseOptions::default());
        let mut functions = script.functions.into_iter().peekable();
        let mut n_lines = 0;
        for text in texts {
            // A text that does not parse has no function; lines tell which ones are there.
            let line = n_lines + 1;
            n_lines += text.matches('\n').count() as u32 + 2;
            let here = functions.peek().is_some_and(|function| {
                let start = cx.sources.get(id).map_or(0, |file| file.line_col(function.span.start).0);
                (line..=n_lines).contains(&start)
            });
            let function = if here { functions.next() } else { None };
            let expr = function.and_then(returned).unwrap_or(ast::Expr {
                kind: ast::ExprKind::Long(0),
                span: Span::NONE,
                at: Span::NONE,
            });
            let mut mentions = Mentions::default();
            mentions.add_expr(&expr);
            self.parsed.insert(text, Rc::new(ParsedVar { expr, mentions }));
        }
    }
}

/// The expression of `{ return expr }`.
fn returned(function: ast::Function) -> Option<ast::Expr> {
    let ast::FunctionBody::Block(body) = function.body else { return None };
    let stmt = match body.kind {
        ast::StmtKind::Block(stmts) => stmts.into_iter().next()?,
        _ => body,
    };
    match stmt.kind {
        ast::StmtKind::Return(value) => value,
        _ => None,
    }
}
