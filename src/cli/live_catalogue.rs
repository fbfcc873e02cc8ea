//! The probe browser's catalogue: families of this kernel and the tapset's aliases.

use std::{collections::HashMap, sync::Arc};

use super::live_engine::SharedCompiler;
use crate::{
    pipeline::{CompileOptions, Compiler, Input},
    probes::catalogue,
    tapset::docs,
    tui::engine::{Catalogue, CatalogueEntry, ProbeDetail, Variable},
};

/// Functions of the kernel handed over in one part.
const FUNCTIONS_AT_ONCE: usize = 8192;

pub struct LiveCatalogue {
    compiler: Arc<SharedCompiler>,
}

impl LiveCatalogue {
    pub fn new(compiler: Arc<SharedCompiler>) -> Self {
        Self { compiler }
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
    vars.map(|(name, ty)| Variable { name, ty, note: String::new() }).collect()
}

impl Catalogue for LiveCatalogue {
    fn load(&self, sink: &mut dyn FnMut(Vec<CatalogueEntry>) -> bool) {
        let compiler = self.compiler.get();
        let mut groups: HashMap<String, Arc<str>> = HashMap::new();
        let mut shown = |entry: catalogue::CatalogueEntry| {
            let group = groups.entry(entry.group).or_insert_with_key(|group| {
                // The browser's tree goes by `/`.
                group.replace(' ', "/").replace("begin/and/end", "begin and end").into()
            });
            CatalogueEntry {
                group: Arc::clone(group),
                point: entry.point.into(),
                has_return: entry.has_return,
                doc: entry.doc.into(),
            }
        };
        let families = catalogue::catalogue(&compiler.world).into_iter().map(&mut shown).collect();
        if !sink(families) || !sink(self.aliases()) {
            return;
        }
        // In parts, so that keys are heard between them.
        let mut functions = catalogue::functions(&compiler.world).into_iter().map(&mut shown).peekable();
        while functions.peek().is_some() {
            if !sink(functions.by_ref().take(FUNCTIONS_AT_ONCE).collect()) {
                return;
            }
        }
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
                return_variables: Vec::new(),
            };
        }
        let variables = |point: &str| -> Vec<Variable> {
            let Some(details) = catalogue::details(point, world) else { return Vec::new() };
            let vars = details.vars.iter().map(|var| Variable {
                name: var.name.to_string(),
                ty: var.ty.to_string(),
                note: String::new(),
            });
            let context = details.context.into_iter().map(|var| Variable {
                name: var.name,
                ty: var.type_text,
                note: String::new(),
            });
            vars.chain(context).collect()
        };
        let origin = match point.split_once("(\"") {
            Some(("kernel.trace", name)) => format!("tracepoint {}", name.trim_end_matches("\")")),
            _ => String::new(),
        };
        ProbeDetail {
            doc: String::new(),
            origin,
            variables: variables(point),
            return_variables: variables(&format!("{point}.return")),
        }
    }
}
