//! What fits where one types: probe points, functions, variables, members, each with its signature and a line of doc.
//! Works on half-written scripts: it looks at tokens before the cursor, not at a tree.

use std::collections::BTreeMap;

use super::{
    ElaborateOptions,
    cx::Cx,
    derive_sites,
    expand_aliases::Trail,
    link::{Home, Linker},
    list::{self, ListedPoint},
};
use crate::{
    builtins,
    debuginfo::{Btf, Types as _, World},
    language::{
        PRINTS, lexer,
        token::{KEYWORDS, Kind, Token},
    },
    probes::{
        self,
        site::{PathStep, ProbeSite},
    },
    source::{FileId, SourceMap},
    tapset::{DefinitionKind, Library, docs},
};

/// One thing that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What replaces the text from [`Completions::start`] to the cursor.
    pub text: String,
    pub kind: CandidateKind,
    /// `(addr:long):string`, `long`, `struct task_struct*`; may be empty.
    pub signature: String,
    /// The first line of its doc; may be empty.
    pub doc: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    Probe,
    Function,
    Global,
    Local,
    ContextVar,
    Member,
    Keyword,
    Macro,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Byte offset where the replaced text begins.
    pub start: usize,
    pub candidates: Vec<Candidate>,
}

/// Probe points and functions there are, gathered once: asking the machine for every tracepoint takes a while.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub points: Vec<PointEntry>,
    pub functions: Vec<Candidate>,
    macros: Vec<Candidate>,
}

/// A point one can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointEntry {
    pub point: String,
    /// What an alias stands for, or the kind of point.
    pub signature: String,
    pub doc: String,
}

impl Catalogue {
    pub fn new(library: &Library, world: &World, options: &ElaborateOptions) -> Self {
        let mut catalogue = Self::default();
        let mut points: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, file, definition) in library.aliases() {
            if !name.starts_with('_') {
                let doc = docs::doc_above(&library.file(file).text, definition.at).unwrap_or_default();
                points.insert(name.to_owned(), (format!("= {}", definition.head), first_line(&doc)));
            }
        }
        for family in probes::FAMILIES {
            for pattern in family.patterns() {
                let text = pattern.text.replace("(NUMBER)", "(").replace("(STRING)", "(\"");
                if !text.contains("NAME") && !text.contains('*') {
                    // Up to the argument, which is the user's to type.
                    let text = text.split_once("(\"").map_or(text.clone(), |(head, _)| format!("{head}(\""));
                    let text = text.split_once("(.").map_or(text.clone(), |(head, _)| format!("{head}("));
                    points.entry(text).or_insert((pattern.text.to_owned(), pattern.doc.to_owned()));
                }
            }
        }
        let mut sources = SourceMap::default();
        for (pattern, signature) in [
            ("syscall.*", "system call"),
            ("syscall.*.return", "system call returns"),
            ("kernel.trace(\"*\")", "tracepoint"),
        ] {
            let (asked, _) = list::parse_points(pattern, &mut sources, options);
            let Some(probes::Resolved::Sites(sites)) = asked.first().and_then(|p| probes::resolve(p, world)) else {
                continue;
            };
            for site in sites {
                points.entry(site.point.to_string()).or_insert((signature.to_owned(), String::new()));
            }
        }
        let entries = points.into_iter();
        catalogue.points = entries.map(|(point, (signature, doc))| PointEntry { point, signature, doc }).collect();
        catalogue.functions = functions(library);
        catalogue.macros = options
            .parse
            .macros
            .iter()
            .map(|m| Candidate {
                text: m.name.to_string(),
                kind: CandidateKind::Macro,
                signature: if m.params.is_empty() { String::new() } else { format!("({})", m.params.join(", ")) },
                doc: String::new(),
            })
            .collect();
        catalogue
    }
}

/// Every function a script may call, library and builtin, by name.
pub fn functions(library: &Library) -> Vec<Candidate> {
    let mut found: BTreeMap<(String, String), Candidate> = BTreeMap::new();
    for (file, definition) in library.functions() {
        if definition.name.starts_with('_') {
            continue;
        }
        let signature = definition.head.strip_prefix(&definition.name).unwrap_or("").trim().to_owned();
        let doc = docs::doc_above(&file.text, definition.at).unwrap_or_default();
        let candidate = Candidate {
            text: definition.name.clone(),
            kind: CandidateKind::Function,
            signature: signature.clone(),
            doc: first_line(&doc),
        };
        found.insert((definition.name.clone(), signature), candidate);
    }
    for (_, row) in builtins::all().filter(|(_, row)| row.is_offered()) {
        let params: Vec<String> = row.params.iter().map(|param| format!("{}:{}", param.name, param.ty)).collect();
        let signature = format!("({}):{}", params.join(", "), row.result);
        let candidate = Candidate {
            text: row.name.to_owned(),
            kind: CandidateKind::Function,
            signature: signature.trim_end_matches(":unknown").to_owned(),
            doc: first_line(row.doc),
        };
        found.entry((row.name.to_owned(), signature)).or_insert(candidate);
    }
    found.into_values().collect()
}

fn first_line(doc: &str) -> String {
    doc.lines().next().unwrap_or_default().to_owned()
}

/// What fits at byte `cursor` of `text`, best first within each kind.
pub fn complete(
    text: &str,
    cursor: usize,
    catalogue: &Catalogue,
    library: &Library,
    world: &World,
    options: &ElaborateOptions,
) -> Completions {
    let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tokens = lexer::lex(&text.as_bytes()[..cursor], FileId(0), &[]).tokens;
    let place = Place::find(&tokens, text, cursor);
    match place {
        Place::Point { start } => {
            let typed = text[start..cursor].trim_start();
            let start = cursor - typed.len();
            let points = catalogue.points.iter().filter(|entry| entry.point.starts_with(typed));
            let candidates = points.map(|entry| Candidate {
                text: entry.point.clone(),
                kind: CandidateKind::Probe,
                signature: entry.signature.clone(),
                doc: entry.doc.clone(),
            });
            Completions { start, candidates: candidates.chain(own_aliases(text, typed)).collect() }
        }
        Place::Body { points } => {
            let site = points.and_then(|points| site_of(points, text, library, world, options));
            in_body(text, cursor, &tokens, site, catalogue, world)
        }
        Place::Top => {
            let start = word_start(text, cursor);
            let words = ["probe", "global", "function", "private"];
            Completions { start, candidates: keywords(&words, &text[start..cursor]) }
        }
        Place::Nothing => Completions { start: cursor, candidates: Vec::new() },
    }
}

/// Where the cursor stands.
#[derive(Debug, PartialEq, Eq)]
enum Place<'t> {
    /// In a probe point that begins at this byte.
    Point {
        start: usize,
    },
    /// In a handler or function; the points of the probe, as written.
    Body {
        points: Option<&'t str>,
    },
    Top,
    /// In a string or comment.
    Nothing,
}

impl<'t> Place<'t> {
    fn find(tokens: &[Token], text: &'t str, cursor: usize) -> Place<'t> {
        let mut depth = 0usize;
        let mut parens = 0usize;
        // Byte where the point under way begins, and where the list of points begins.
        let mut point: Option<usize> = None;
        let mut list = 0;
        let mut body_points: Option<&str> = None;
        for token in tokens {
            let (start, end) = (token.span.start as usize, token.span.end as usize);
            match &token.kind {
                Kind::Keyword("probe") if depth == 0 && end < cursor => {
                    (point, list, parens) = (Some(end), end, 0);
                    body_points = None;
                }
                Kind::Keyword("function" | "global" | "private") if depth == 0 => (point, body_points) = (None, None),
                Kind::Op("{") => {
                    if depth == 0 {
                        body_points = point.take().map(|_| text[list..start].trim());
                    }
                    depth += 1;
                }
                Kind::Op("}") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        body_points = None;
                    }
                }
                Kind::Op("(") => parens += 1,
                Kind::Op(")") => parens = parens.saturating_sub(1),
                Kind::Op("," | "=" | "+=") if point.is_some() && parens == 0 => {
                    point = Some(end);
                    if !matches!(token.kind, Kind::Op(",")) {
                        list = end;
                    }
                }
                // `if (…)` behind a point.
                Kind::Keyword("if") if point.is_some() => return Place::Body { points: None },
                _ => {}
            }
        }
        if in_comment(text, cursor) {
            return Place::Nothing;
        }
        match (point, depth) {
            (Some(start), 0) => Place::Point { start },
            (_, 0) => Place::Top,
            _ if in_string(text, cursor) => Place::Nothing,
            _ => Place::Body { points: body_points },
        }
    }
}

/// An odd number of quotes on the line so far.
fn in_string(text: &str, cursor: usize) -> bool {
    let line = &text[text[..cursor].rfind('\n').map_or(0, |at| at + 1)..cursor];
    let mut inside = false;
    let mut escaped = false;
    for character in line.chars() {
        match character {
            '\\' if inside && !escaped => {
                escaped = true;
                continue;
            }
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = false;
    }
    inside
}

fn in_comment(text: &str, cursor: usize) -> bool {
    let before = &text[..cursor];
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    let line_comment = line.find("//").or_else(|| line.find('#').filter(|at| !line[..*at].ends_with(['$', '@'])));
    if line_comment.is_some_and(|at| !in_string(text, cursor - line.len() + at)) {
        return true;
    }
    match (before.rfind("/*"), before.rfind("*/")) {
        (Some(open), Some(close)) => open > close,
        (open, _) => open.is_some(),
    }
}

/// The identifier that ends at the cursor, `$` and `@` included.
fn word_start(text: &str, cursor: usize) -> usize {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '@');
    text[..cursor].char_indices().rev().take_while(|(_, c)| word(*c)).last().map_or(cursor, |(at, _)| at)
}

fn keywords(words: &[&str], typed: &str) -> Vec<Candidate> {
    let words = words.iter().filter(|word| word.starts_with(typed));
    words
        .map(|word| Candidate {
            text: (*word).to_owned(),
            kind: CandidateKind::Keyword,
            signature: String::new(),
            doc: String::new(),
        })
        .collect()
}

/// Aliases the script itself defines.
fn own_aliases(text: &str, typed: &str) -> Vec<Candidate> {
    let definitions = crate::tapset::scan::scan(text.as_bytes()).into_iter();
    definitions
        .filter(|d| d.kind == DefinitionKind::Alias && d.name.starts_with(typed))
        .map(|d| Candidate {
            text: d.name,
            kind: CandidateKind::Probe,
            signature: format!("= {}", d.head),
            doc: docs::doc_above(text.as_bytes(), d.at).map_or(String::new(), |doc| first_line(&doc)),
        })
        .collect()
}

/// What a handler sees: the first site of the probe's points and the variables set in front of it.
struct Site {
    site: ProbeSite,
    vars: Vec<(String, String)>,
}

fn site_of(points: &str, text: &str, library: &Library, world: &World, options: &ElaborateOptions) -> Option<Site> {
    let mut sources = SourceMap::default();
    let (points, _) = list::parse_points(points, &mut sources, options);
    let point = points.into_iter().next()?;
    let pattern = probes::pattern::point_text(&point.parts);
    let scripts = own_alias_scripts(text, &mut sources, options);
    let linker = Linker::new(library, &options.parse, scripts.iter().map(|(_, script)| script.clone()).collect());
    let mut cx = Cx::new(linker, &mut sources, world, options);
    let (derived, _) = derive_sites::resolve_list(&[point], Home::User, &Trail::default(), &mut cx);
    let site = derived.into_iter().next()?.sites.into_iter().next()?;
    drop(cx);
    // One of many stands for all of them.
    let one = if pattern.contains('*') { site.point.to_string() } else { pattern };
    let (listed, _) = list::list(&one, true, scripts, library, world, &mut sources, options);
    let vars = listed.into_iter().next().map_or(Vec::new(), |ListedPoint { vars, .. }| vars);
    Some(Site { site, vars: vars.into_iter().filter(|(name, _)| !name.starts_with('$')).collect() })
}

/// The script's own declarations, as far as they can be read.
fn own_alias_scripts(
    text: &str,
    sources: &mut SourceMap,
    options: &ElaborateOptions,
) -> Vec<(FileId, std::sync::Arc<crate::language::ast::Script>)> {
    let file = sources.add("<input>", text.as_bytes().to_vec(), crate::source::Origin::User);
    let (mut script, _) = crate::language::parse(sources, file, &options.parse);
    script.probes.clear();
    vec![(file, script.into())]
}

fn in_body(
    text: &str,
    cursor: usize,
    tokens: &[Token],
    site: Option<Site>,
    catalogue: &Catalogue,
    world: &World,
) -> Completions {
    let start = word_start(text, cursor);
    let typed = &text[start..cursor];
    if let Some(path) = member_path(tokens, start) {
        let members = site.map_or(Vec::new(), |site| members(&site.site, &path, typed, world));
        return Completions { start, candidates: members };
    }
    let mut candidates = Vec::new();
    if typed.starts_with('$') {
        if let Some(site) = &site {
            let special = [("$$vars", "string"), ("$$parms", "string"), ("$$name", "string"), ("$$return", "string")];
            let special = special.iter().filter(|(name, _)| site.site.scope.summary(&name[1..], None, world).is_ok());
            let special = special.map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned()));
            let own = site.site.scope.variables(world).into_iter().map(|var| (var.name, var.type_text));
            for (name, ty) in own.chain(special).filter(|(name, _)| name.starts_with(typed)) {
                candidates.push(variable(name, CandidateKind::ContextVar, ty));
            }
        }
        return Completions { start, candidates };
    }
    if typed.starts_with('@') {
        let words = crate::language::macros::BUILTIN_AT_WORDS;
        candidates.extend(keywords(words, typed));
        candidates.extend(catalogue.macros.iter().filter(|m| m.text.starts_with(typed)).cloned());
        return Completions { start, candidates };
    }
    if let Some(site) = &site {
        for (name, ty) in site.vars.iter().filter(|(name, _)| name.starts_with(typed)) {
            candidates.push(variable(name.clone(), CandidateKind::Local, ty.clone()));
        }
    }
    let definitions = crate::tapset::scan::scan(text.as_bytes());
    for definition in definitions.iter().filter(|d| d.name.starts_with(typed)) {
        match definition.kind {
            DefinitionKind::Global => {
                candidates.push(variable(definition.name.clone(), CandidateKind::Global, String::new()));
            }
            DefinitionKind::Function => {
                let head = definition.head.strip_prefix(&definition.name).unwrap_or("").trim();
                candidates.push(variable(definition.name.clone(), CandidateKind::Function, head.to_owned()));
            }
            DefinitionKind::Alias => {}
        }
    }
    let known: Vec<String> = candidates.iter().map(|candidate| candidate.text.clone()).collect();
    for name in locals(tokens, start) {
        if name.starts_with(typed) && !known.contains(&name) {
            candidates.push(variable(name, CandidateKind::Local, String::new()));
        }
    }
    candidates.extend(catalogue.functions.iter().filter(|function| function.text.starts_with(typed)).cloned());
    for print in PRINTS {
        if print.starts_with(typed) {
            candidates.push(variable(print.to_owned(), CandidateKind::Function, "(…)".to_owned()));
        }
    }
    let statements: Vec<&str> =
        KEYWORDS.iter().copied().filter(|word| !matches!(*word, "probe" | "global" | "private" | "function")).collect();
    candidates.extend(keywords(&statements, typed));
    Completions { start, candidates }
}

fn variable(text: String, kind: CandidateKind, signature: String) -> Candidate {
    Candidate { text, kind, signature, doc: String::new() }
}

/// Names assigned in the body under way.
fn locals(tokens: &[Token], before: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pair in tokens.windows(2) {
        let [name, next] = pair else { continue };
        if name.span.end as usize > before {
            break;
        }
        let assigned =
            matches!(next.kind, Kind::Op("=" | "+=" | "." | "++")) || matches!(next.kind, Kind::Keyword("in"));
        if matches!(name.kind, Kind::Ident) && assigned && !name.name().starts_with('$') {
            let name = name.name().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// `$x->y->` right before the word: the variable and the members passed.
fn member_path(tokens: &[Token], word_start: usize) -> Option<Vec<String>> {
    let before: Vec<&Token> = tokens.iter().filter(|token| (token.span.end as usize) <= word_start).collect();
    let (last, mut rest) = before.split_last()?;
    if !last.is_op("->") {
        return None;
    }
    let mut path = Vec::new();
    loop {
        let (name, more) = rest.split_last()?;
        if !matches!(name.kind, Kind::Ident | Kind::Keyword(_)) {
            return Some(Vec::new());
        }
        path.push(name.name().to_owned());
        match more.split_last() {
            Some((arrow, more)) if arrow.is_op("->") => rest = more,
            _ => break,
        }
    }
    path.reverse();
    Some(path)
}

/// The members of what a path leads to.
fn members(site: &ProbeSite, path: &[String], typed: &str, world: &World) -> Vec<Candidate> {
    let Some((base, passed)) = path.split_first() else { return Vec::new() };
    let Some(name) = base.strip_prefix('$') else { return Vec::new() };
    let steps: Vec<PathStep> = passed.iter().map(|member| PathStep::Member(member.clone())).collect();
    // A pointer has a value; a struct inside another has only an address.
    let resolve = |address_of| site.scope.resolve(name, &steps, address_of, world);
    let Ok(access) = resolve(false).or_else(|_| resolve(true)) else { return Vec::new() };
    let of = access.type_text.trim_end_matches([' ', '*']).to_owned();
    let members = |btf: &Btf| {
        let id = match of.split_once(' ') {
            Some(("struct", tag)) => btf.struct_named(tag),
            Some(("union", tag)) => btf.union_named(tag),
            _ => btf.typedef_named(&of),
        }?;
        Some(btf.member_names(id).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let kernel = world.btf().ok().and_then(|btf| members(btf));
    let names = kernel.or_else(|| world.module_btfs().iter().find_map(|(_, btf)| members(btf))).unwrap_or_default();
    let fitting = names.into_iter().filter(|member| member.starts_with(typed));
    fitting.map(|member| variable(member, CandidateKind::Member, of.clone())).collect()
}
