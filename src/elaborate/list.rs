//! Which probe points a pattern matches on this machine, with what a handler sees there: `-l`, `-L`, the browser.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ElaborateOptions,
    cx::Cx,
    derive_sites::{self, Derived, Source},
    expand_aliases::{Segment, Trail},
    infer_types::infer_types,
    link::{Home, Linker},
};
use crate::{
    debuginfo::{World, model::Traceable},
    diagnostics::Diagnostics,
    language::{self, ast, types::Type},
    probes::{self, pattern::point_text},
    source::{FileId, Origin, SourceMap, Span},
    tapset::Library,
};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPoint {
    /// An alias is listed by its own name.
    pub point: String,
    /// Script variables (`name`, `long`), then context variables (`$next`, `struct task_struct*`).
    pub vars: Vec<(String, String)>,
    /// How it can be probed, where that is known without trying.
    pub traceable: Traceable,
}

impl ListedPoint {
    /// `point var:type $arg:type`, as -L prints it.
    pub fn line(&self) -> String {
        let vars = self.vars.iter().map(|(name, ty)| format!(" {name}:{ty}"));
        std::iter::once(self.point.clone()).chain(vars).collect()
    }
}

/// The points `pattern` matches, in order of their names; those that cannot be probed are among them. `scripts` may define aliases (-E). The vars are empty unless
/// asked for: they cost the types of every alias.
pub fn list(
    pattern: &str,
    with_vars: bool,
    scripts: Vec<(FileId, Arc<ast::Script>)>,
    library: &Library,
    world: &World,
    sources: &mut SourceMap,
    options: &ElaborateOptions,
) -> (Vec<ListedPoint>, Diagnostics) {
    let (points, diagnostics) = parse_points(pattern, sources, options);
    if diagnostics.has_errors() {
        return (Vec::new(), diagnostics);
    }
    let linker = Linker::new(library, &options.parse, scripts.into_iter().map(|(_, script)| script).collect());
    let mut cx = Cx::new(linker, sources, world, options);
    // Tens of thousands, mostly in order; and what sites and aliases come to.
    let mut rows: Vec<ListedPoint> = Vec::new();
    let mut listed: BTreeMap<String, (Vec<(String, String)>, Traceable)> = BTreeMap::new();
    let mut errors = Vec::new();
    for point in &points {
        if let Some(found) = probes::list(point, with_vars, world) {
            let listed = |row: probes::Listed| {
                let vars = row.context.into_iter().map(|var| (var.name, var.type_text)).collect();
                ListedPoint { point: row.point, vars, traceable: row.traceable }
            };
            // A list that is the only one is made where it stands.
            let mut found: Vec<ListedPoint> = found.into_iter().map(listed).collect();
            if rows.is_empty() {
                rows = found
            } else {
                rows.append(&mut found)
            }
            continue;
        }
        let (derived, found) =
            derive_sites::resolve_list(std::slice::from_ref(point), Home::User, &Trail::default(), &mut cx);
        errors.extend(found);
        // Aliases: their own variables need types.
        let mut first_probe = Vec::new();
        for derived in derived {
            if with_vars && !derived.trail.via.is_empty() && !listed.contains_key(&shown(&derived, point)) {
                first_probe.push((shown(&derived, point), cx.draft.program.probes.len(), derived));
                let (_, _, derived) = &first_probe[first_probe.len() - 1];
                build_alias(derived, &mut cx);
                continue;
            }
            for site in &derived.sites {
                let name = if derived.trail.via.is_empty() { site.point.to_string() } else { shown(&derived, point) };
                let vars = || (if with_vars { site_vars(site, &[], world) } else { Vec::new() }, Traceable::Unknown);
                listed.entry(name).or_insert_with(vars);
            }
        }
        cx.build_pending_functions();
        // These have no statements, and are to keep their variables all the same.
        cx.draft.program.unoptimized = true;
        infer_types(&mut cx.draft, cx.sources, false);
        for (name, probe, derived) in first_probe {
            let own: Vec<(String, Type)> = match cx.draft.program.probes.get(probe) {
                Some(probe) => probe.locals.iter().map(|local| (local.name.to_string(), local.ty)).collect(),
                None => Vec::new(),
            };
            let Some(site) = derived.sites.first() else { continue };
            listed.entry(name).or_insert_with(|| (site_vars(site, &own, world), Traceable::Unknown));
        }
    }
    let point = |(point, (vars, traceable))| ListedPoint { point, vars, traceable };
    rows.extend(listed.into_iter().map(point));
    // Of several rows of a point the first stays: this sort is stable.
    rows.sort_by(|a, b| a.point.cmp(&b.point));
    rows.dedup_by(|later, first| later.point == first.point);
    let mut diagnostics = Diagnostics::default();
    if rows.is_empty() {
        errors.into_iter().for_each(|error| diagnostics.push(error));
    }
    (rows, diagnostics)
}

/// Reads probe points as they stand behind `probe`.
pub fn parse_points(
    pattern: &str,
    sources: &mut SourceMap,
    options: &ElaborateOptions,
) -> (Vec<ast::ProbePoint>, Diagnostics) {
    let file = sources.add("<input>", format!("probe {pattern} {{}}"), Origin::User);
    let (script, diagnostics) = language::parse(sources, file, &options.parse);
    (script.probes.into_iter().flat_map(|probe| probe.points).collect(), diagnostics)
}

/// An alias by its outermost name and what stood behind it.
fn shown(derived: &Derived, point: &ast::ProbePoint) -> String {
    let Some(name) = derived.trail.via.first() else { return derived.written.to_string() };
    let n_parts = name.split('.').count();
    let suffix = point_text(&point.parts[n_parts.min(point.parts.len())..]);
    if suffix.is_empty() { name.to_string() } else { format!("{name}.{suffix}") }
}

/// Builds the alias's body alone, for its variables.
fn build_alias(derived: &Derived, cx: &mut Cx<'_>) {
    let nothing = ast::Stmt { kind: ast::StmtKind::Null, span: Span::NONE };
    let body = Segment { home: Home::Site, body: Arc::new(nothing) };
    let source = Source { points: &[], script: &ast::Script::default(), body, span: Span::NONE, number: 0 };
    let copy = Derived {
        point: derived.point.clone(),
        sites: derived.sites.iter().take(1).cloned().collect(),
        trail: derived.trail.clone(),
        written: derived.written.clone(),
    };
    derive_sites::build(&source, copy, &mut Default::default(), cx);
}

/// `own` first, then the site's variables that are not among them, then the context.
fn site_vars(site: &crate::probes::site::ProbeSite, own: &[(String, Type)], world: &World) -> Vec<(String, String)> {
    let mut vars: Vec<(String, String)> = Vec::new();
    for (name, ty) in own {
        if !name.starts_with("__") {
            vars.push((name.clone(), ty.to_string()));
        }
    }
    for var in &site.vars {
        if !var.name.starts_with("__") && !own.iter().any(|(name, _)| **name == *var.name) {
            vars.push((var.name.to_string(), var.ty.to_string()));
        }
    }
    vars.extend(site.scope.variables(world).into_iter().map(|var| (var.name, var.type_text)));
    vars
}
