//! The probe browser's catalogue: families of this kernel and the tapset's aliases.

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustc_hash::FxHashMap;

use super::live_engine::SharedCompiler;
use crate::{
    pipeline::{CompileOptions, Compiler, Input},
    probes::{
        browse::{self, Inside},
        catalogue,
    },
    runtime::features,
    tapset::docs,
    tui::engine::{Catalogue, CatalogueEntry, Holds, ProbeDetail, Statement, Variable},
};

/// Functions of the kernel handed over in one part.
const FUNCTIONS_AT_ONCE: usize = 8192;

pub struct LiveCatalogue {
    compiler: Arc<SharedCompiler>,
    /// Why functions of the kernel cannot be probed, once that was tried.
    no_functions: OnceLock<Option<String>>,
    /// The functions that were listed are those of debug information.
    is_by_source: AtomicBool,
}

impl LiveCatalogue {
    pub fn new(compiler: Arc<SharedCompiler>) -> Self {
        Self { compiler, no_functions: OnceLock::new(), is_by_source: AtomicBool::new(false) }
    }

    fn why_no_functions(&self) -> Option<String> {
        let tried = self.no_functions.get_or_init(|| self.compiler.is_running().then(features::why_no_functions)?);
        tried.clone()
    }

    fn aliases(&self) -> Vec<CatalogueEntry> {
        let library = &self.compiler.get().library;
        let public = library.aliases().filter(|(name, _, definition)| !name.starts_with("__") && !definition.private);
        let mut entries: Vec<_> = public
            .map(|(name, file, definition)| CatalogueEntry {
                point: name.into(),
                group: format!("tapset/{}", name.split('.').next().unwrap_or(name)).into(),
                has_return: false,
                doc: docs::doc_above(&library.file(file).text, definition.at)
                    .unwrap_or_default()
                    .replace('\n', " ")
                    .into(),
            })
            .collect();
        entries.sort_by(|a, b| a.point.cmp(&b.point));
        entries
    }
}

/// What an alias sets, with the types its tapset gives them.
fn alias_variables(compiler: &Compiler, point: &str) -> Vec<Variable> {
    let (points, _) = compiler.list(point, true, &Input::default(), &CompileOptions::default());
    let vars = points.into_iter().flat_map(|point| point.vars);
    let variable = |(name, ty): (String, String)| {
        let holds = if ty == "string" { Holds::Text } else { Holds::Number };
        Variable { name, ty, note: String::new(), holds }
    };
    vars.map(variable).collect()
}

/// Groups as the browser's tree has them, each kept once.
#[derive(Default)]
struct Groups {
    shown: FxHashMap<Arc<str>, Arc<str>>,
    /// Entries of a group follow each other.
    last: Option<(Arc<str>, Arc<str>)>,
}

impl Groups {
    fn shown(&mut self, entry: catalogue::CatalogueEntry) -> CatalogueEntry {
        let group = match &self.last {
            Some((last, shown)) if *last == entry.group => shown.clone(),
            _ => self.group(entry.group),
        };
        CatalogueEntry { group, point: entry.point.into(), has_return: entry.has_return, doc: entry.doc.into() }
    }

    fn group(&mut self, group: Arc<str>) -> Arc<str> {
        let shown = self.shown.entry(group.clone()).or_insert_with(|| {
            // The browser's tree goes by `/`.
            group.replace(' ', "/").replace("begin/and/end", "begin and end").into()
        });
        self.last = Some((group, shown.clone()));
        shown.clone()
    }
}

impl Catalogue for LiveCatalogue {
    fn load(&self, sink: &mut dyn FnMut(Vec<CatalogueEntry>) -> bool) {
        let compiler = self.compiler.get();
        let mut groups = Groups::default();
        let mut shown = |entry| groups.shown(entry);
        let families = catalogue::catalogue(&compiler.world).into_iter().map(&mut shown).collect();
        if !sink(families) || !sink(self.aliases()) {
            return;
        }
        let world = &compiler.world;
        let by_source = world.dwarf_at_hand().and_then(|_| catalogue::functions_by_source(world));
        self.is_by_source.store(by_source.is_some(), Ordering::Relaxed);
        let functions: Box<dyn Iterator<Item = _>> = match by_source {
            Some(functions) => Box::new(functions),
            None => Box::new(catalogue::functions_at_once(world)),
        };
        // In parts, so that keys are heard between them.
        let mut functions = functions.map(&mut shown).peekable();
        while functions.peek().is_some() {
            if !sink(functions.by_ref().take(FUNCTIONS_AT_ONCE).collect()) {
                return;
            }
        }
        sink(catalogue::functions_of_modules(world).into_iter().map(&mut shown).collect());
    }

    fn better(&self) -> Option<(&'static str, Vec<CatalogueEntry>)> {
        if self.is_by_source.load(Ordering::Relaxed) {
            return None;
        }
        // Looking for it may have been fetching it.
        let functions = catalogue::functions_by_source(&self.compiler.get().world);
        self.compiler.tell_of_fetched();
        let mut groups = Groups::default();
        Some((catalogue::FUNCTIONS, functions?.map(|entry| groups.shown(entry)).collect()))
    }

    fn indexed(&self) -> Option<u8> {
        let progress = &self.compiler.made()?.world.indexing;
        let (done, total) = (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
        (total > 0).then(|| (done * 100 / total).min(100) as u8)
    }

    fn detail(&self, point: &str) -> ProbeDetail {
        let compiler = self.compiler.get();
        let world = &compiler.world;
        if let Some((_, file, definition)) = compiler.library.aliases().find(|(name, ..)| *name == point) {
            let text = &compiler.library.file(file).text;
            return ProbeDetail {
                doc: docs::doc_above(text, definition.at).unwrap_or_default(),
                origin: format!("tapset {}", compiler.library.file(file).name),
                variables: alias_variables(compiler, point),
                ..ProbeDetail::default()
            };
        }
        let interior = |point: &str| browse::interior(point, world).unwrap_or_default();
        let (mut at_entry, at_return) = (interior(point), interior(&format!("{point}.return")));
        // What the kernel was built with is not all: a policy may forbid it.
        if !at_entry.is_refused
            && point.starts_with("kernel.function(")
            && let Some(why) = self.why_no_functions()
        {
            (at_entry.how, at_entry.is_refused) = (why, true);
        }
        let origin = match point.split_once("(\"") {
            Some(("kernel.trace", name)) => format!("tracepoint {}", name.trim_end_matches("\")")),
            _ => String::new(),
        };
        // What is seen at both is said once.
        let only_there = at_return.variables.into_iter().filter(|variable| !at_entry.variables.contains(variable));
        let copies = at_entry.copies.into_iter().map(|copy| (copy.caller, copy.how.to_string()));
        let lines = at_entry.lines.into_iter().map(|line| Statement {
            point: line.point,
            line: line.line,
            note: if line.n_places == 1 { String::new() } else { format!("in {} places", line.n_places) },
        });
        ProbeDetail {
            doc: catalogue::function_arguments(point, world).unwrap_or_default(),
            origin,
            how: at_entry.how,
            is_refused: at_entry.is_refused,
            return_variables: only_there.map(shown).collect(),
            variables: at_entry.variables.into_iter().map(shown).collect(),
            copies: copies.collect(),
            lines: lines.collect(),
        }
    }

    fn members(&self, point: &str, expression: &str) -> Vec<Variable> {
        browse::members(point, expression, &self.compiler.get().world).into_iter().map(shown).collect()
    }

    fn with_type(&self, part: &str) -> HashSet<String> {
        browse::with_type(part, &self.compiler.get().world)
    }
}

fn shown(inside: Inside) -> Variable {
    let holds = match inside.holds {
        browse::Holds::Number => Holds::Number,
        browse::Holds::Text => Holds::Text,
        browse::Holds::KernelText => Holds::KernelText,
        browse::Holds::UserText => Holds::UserText,
        browse::Holds::Members => Holds::Members,
        browse::Holds::Other => Holds::Other,
    };
    Variable { name: inside.name, ty: inside.type_text, note: inside.absent, holds }
}
