//! Written probe points to points a family knows: aliases with their bodies, suffixes and wildcards, `?`, `!` and `if`.
//! langref "Probe aliases".

use std::sync::Arc;

use super::link::{Home, Linker, Unit};
use crate::{
    language::{
        ast::{AliasStyle, Expr, ProbeAlias, ProbePoint, ProbePointPart, Script, Stmt},
        tree_dump,
    },
    probes::pattern::{glob_matches, is_wildcard},
    source::{SourceMap, Span},
};

/// Aliases inside aliases, at most.
const MAX_DEPTH: usize = 32;

/// A piece of handler with the file it came from.
#[derive(Clone, Debug)]
pub struct Segment {
    pub home: Home,
    pub body: Arc<Stmt>,
}

/// What was gathered on the way from the user's point to a family's.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// In order of execution: the innermost alias first.
    pub prologues: Vec<Segment>,
    /// In order of execution: the innermost alias last.
    pub epilogues: Vec<Segment>,
    /// Alias names, outermost first.
    pub via: Vec<Arc<str>>,
    /// ` <- x = a, b /*  <- user's list */  <- user's list`, as -p2 prints it.
    pub derivation: String,
    pub conditions: Vec<(Home, Expr)>,
    /// The points that were replaced by their aliases' lists; one that comes again leads to itself.
    pub replaced: Vec<Span>,
}

/// An alias with the name that matched.
struct Match {
    unit: Unit,
    idx: usize,
    name: String,
    n_parts: usize,
}

impl Match {
    fn alias(&self) -> &ProbeAlias {
        &self.unit.script.aliases[self.idx]
    }
}

/// One step: what the aliases make of a point.
pub enum Expansion {
    /// No alias of that name.
    NotAlias,
    /// For each alias that matched, its list of points with what it adds to the trail; and how many parts of the point
    /// are the alias's name. What stands behind is a suffix.
    Lists(Vec<(Vec<ProbePoint>, Home, Trail)>, usize),
    /// An alias that stands for itself.
    Loop(String),
}

/// Replaces a point by the points of the aliases it names.
pub fn expand(point: &ProbePoint, trail: &Trail, linker: &mut Linker<'_>, sources: &mut SourceMap) -> Expansion {
    let matches = find(point, linker, sources);
    if matches.is_empty() {
        return Expansion::NotAlias;
    }
    if let Some(first) = matches.first()
        && (trail.replaced.contains(&point.span) || trail.via.len() >= MAX_DEPTH)
    {
        return Expansion::Loop(first.name.clone());
    }
    let mut lists = Vec::new();
    let n_parts = matches.first().map_or(0, |found| found.n_parts);
    for found in matches {
        let alias = found.alias();
        let suffix = &point.parts[found.n_parts..];
        let points = alias.points.iter().map(|inner| with_suffix(inner, suffix)).collect();
        let mut trail = extended(trail, &found);
        trail.replaced.push(point.span);
        lists.push((points, found.unit.home, trail));
    }
    Expansion::Lists(lists, n_parts)
}

fn extended(trail: &Trail, found: &Match) -> Trail {
    let alias = found.alias();
    let mut trail = trail.clone();
    let home = found.unit.home;
    let segment = |body: &Arc<Stmt>| Segment { home, body: body.clone() };
    match alias.style {
        AliasStyle::Prologue => trail.prologues.insert(0, segment(&alias.body)),
        AliasStyle::Epilogue => trail.epilogues.push(segment(&alias.body)),
    }
    if let Some(epilogue) = &alias.epilogue {
        trail.epilogues.push(segment(epilogue));
    }
    trail.via.push(found.name.as_str().into());
    let sign = if alias.style == AliasStyle::Prologue { "=" } else { "+=" };
    let names = written(&alias.names, " = ", &found.unit.script);
    let points = written(&alias.points, ", ", &found.unit.script);
    trail.derivation = format!(" <- {names} {sign} {points} /* {0} */ {0}", trail.derivation);
    trail
}

/// The alias's point with what stood behind the alias name.
fn with_suffix(inner: &ProbePoint, suffix: &[ProbePointPart]) -> ProbePoint {
    let mut point = inner.clone();
    point.parts.extend(suffix.iter().cloned());
    point
}

fn find(point: &ProbePoint, linker: &mut Linker<'_>, sources: &mut SourceMap) -> Vec<Match> {
    let mut found = Vec::new();
    let asked: Vec<Asked> = point.parts.iter().map(Asked::of).collect();
    for unit in linker.user.clone() {
        add_matches(&asked, &unit, &mut found);
    }
    let mut files = Vec::new();
    for (name, file, _) in linker.library.aliases() {
        if matched_parts(&asked, name.split('.')).is_some() && !files.contains(&file) {
            files.push(file);
        }
    }
    for file in files {
        let unit = linker.load(file, sources);
        add_matches(&asked, &unit, &mut found);
    }
    // What stands behind a name is a suffix only where no longer name has it.
    let longest = found.iter().map(|found| found.n_parts).max();
    found.retain(|found| Some(found.n_parts) == longest);
    if has_wildcard(point) {
        found.sort_by(|a, b| a.name.split('.').cmp(b.name.split('.')));
    }
    found
}

fn add_matches(asked: &[Asked<'_>], unit: &Unit, found: &mut Vec<Match>) {
    for (idx, alias) in unit.script.aliases.iter().enumerate() {
        for name in &alias.names {
            if let Some(n_parts) = matched_parts(asked, name.parts.iter().map(|part| &*part.name)) {
                found.push(Match { unit: unit.clone(), idx, name: dotted(name), n_parts });
            }
        }
    }
}

/// A part of a point that names of aliases are compared with.
struct Asked<'a> {
    name: &'a str,
    wildcard: bool,
    has_arg: bool,
}

impl<'a> Asked<'a> {
    fn of(part: &'a ProbePointPart) -> Self {
        Self { name: &part.name, wildcard: is_wildcard(&part.name), has_arg: part.arg.is_some() }
    }
}

/// Whether a point goes through an alias.
pub fn is_alias(point: &ProbePoint, linker: &mut Linker<'_>, sources: &mut SourceMap) -> bool {
    !find(point, linker, sources).is_empty()
}

/// How many parts of the point an alias with these words for a name covers; `None` when it is not that alias.
fn matched_parts<'w>(asked: &[Asked<'_>], mut words: impl Iterator<Item = &'w str>) -> Option<usize> {
    let mut n_parts = 0;
    while let Some(word) = words.next() {
        let part = asked.get(n_parts)?;
        if part.name.contains("**") && !part.has_arg {
            let rest = words.fold(word.to_owned(), |rest, word| rest + "." + word);
            return glob_matches(part.name.as_bytes(), rest.as_bytes()).then_some(n_parts + 1);
        }
        let same = part.name == word || part.wildcard && glob_matches(part.name.as_bytes(), word.as_bytes());
        if !same || part.has_arg {
            return None;
        }
        n_parts += 1;
    }
    Some(n_parts)
}

/// Some part of the point's names has a wildcard.
pub fn has_wildcard(point: &ProbePoint) -> bool {
    point.parts.iter().any(|part| is_wildcard(&part.name))
}

/// The names of a point, without arguments.
pub fn dotted(point: &ProbePoint) -> String {
    point.parts.iter().map(|part| &*part.name).collect::<Vec<_>>().join(".")
}

/// A list of points as written, with their flags and conditions.
pub fn written(points: &[ProbePoint], separator: &str, script: &Script) -> String {
    let points = points.iter().map(|point| tree_dump::point(point, false, &script.spellings));
    points.collect::<Vec<_>>().join(separator)
}
