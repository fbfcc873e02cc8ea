//! The tapset library: every `.stp` and `.stpm` file inside the binary or given by `-I`, indexed by the names it
//! defines. A file is parsed when something in it is first needed, by whoever elaborates; the library only knows texts.

pub mod docs;
pub mod scan;
pub mod search;

use std::{
    borrow::Cow,
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

pub use scan::{Definition, DefinitionKind};

use crate::{
    diagnostics::{Diagnostics, catalogue::parse as say},
    embedded,
    host::Host,
    language::{Conditions, MacroLibrary},
    source::{Origin, SourceMap},
};

/// Index into the files of a [`Library`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TapsetId(pub u32);

/// One file.
#[derive(Debug)]
pub struct Tapset {
    /// As diagnostics print it.
    pub name: String,
    pub text: Cow<'static, [u8]>,
    pub definitions: Vec<Definition>,
}

/// All files that apply to a machine.
#[derive(Debug, Default)]
pub struct Library {
    files: Vec<Tapset>,
    macro_files: Vec<(String, Cow<'static, [u8]>)>,
    functions: HashMap<String, Vec<TapsetId>>,
    globals: HashMap<String, Vec<TapsetId>>,
    /// Name, file and index of the definition, in order.
    aliases: Vec<(String, TapsetId, usize)>,
    /// The macros as last read: the next script is most often read under the same conditions.
    macros: Mutex<Option<ReadMacros>>,
}

/// What reading the macro files came to.
#[derive(Debug)]
struct ReadMacros {
    conditions: Conditions,
    /// Those files alone.
    sources: SourceMap,
    macros: Arc<MacroLibrary>,
    diagnostics: Diagnostics,
}

impl Library {
    /// The files in the binary and those in the `-I` folders that apply to the host. The second part says which folders
    /// could not be read.
    pub fn new(host: &dyn Host, include: &[PathBuf]) -> (Library, Vec<String>) {
        let (release, arch) = (host.kernel_release(), host.arch());
        let mut library = Library::default();
        let mut warnings = Vec::new();
        for folder in include {
            match list_recursively(host, folder, "") {
                Ok(names) => {
                    for name in names.iter().filter(|name| search::applies(name, &release, &arch)) {
                        let path = folder.join(name);
                        match host.read(&path) {
                            Ok(text) => library.add(path.display().to_string(), Cow::Owned(text)),
                            Err(why) => warnings.push(format!("tapset \"{}\": {why}", path.display())),
                        }
                    }
                }
                Err(why) => warnings.push(format!("tapset folder \"{}\": {why}", folder.display())),
            }
        }
        for (name, text) in embedded::TAPSETS {
            if search::applies(name, &release, &arch) {
                library.add(format!("tapset/{name}"), Cow::Borrowed(text));
            }
        }
        (library, warnings)
    }

    /// A library of given texts, for tests.
    pub fn of_texts(texts: &[(&str, &str)]) -> Library {
        let mut library = Library::default();
        for (name, text) in texts {
            library.add((*name).to_owned(), Cow::Owned(text.as_bytes().to_vec()));
        }
        library
    }

    fn add(&mut self, name: String, text: Cow<'static, [u8]>) {
        if name.ends_with(".stpm") {
            self.macro_files.push((name, text));
            return;
        }
        let id = TapsetId(self.files.len() as u32);
        let definitions = scan::scan(&text);
        for (idx, definition) in definitions.iter().enumerate() {
            let index = match definition.kind {
                DefinitionKind::Function => &mut self.functions,
                DefinitionKind::Global => &mut self.globals,
                DefinitionKind::Alias => {
                    self.aliases.push((definition.name.clone(), id, idx));
                    continue;
                }
            };
            // Private names are found through their own file.
            if !definition.private {
                let files = index.entry(definition.name.clone()).or_default();
                if files.last() != Some(&id) {
                    files.push(id);
                }
            }
        }
        self.files.push(Tapset { name, text, definitions });
    }

    pub fn n_files(&self) -> usize {
        self.files.len() + self.macro_files.len()
    }

    pub fn file(&self, id: TapsetId) -> &Tapset {
        &self.files[id.0 as usize]
    }

    pub fn files(&self) -> impl Iterator<Item = &Tapset> {
        self.files.iter()
    }

    /// Files that define a public function of this name.
    pub fn files_with_function(&self, name: &str) -> &[TapsetId] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// Files that declare a public global of this name.
    pub fn files_with_global(&self, name: &str) -> &[TapsetId] {
        self.globals.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every alias: its dotted name, its file, its definition there.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, TapsetId, &Definition)> {
        self.aliases.iter().map(|(name, file, idx)| (name.as_str(), *file, &self.file(*file).definitions[*idx]))
    }

    /// Names of the public functions.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Every public function with its file, for help and completion.
    pub fn functions(&self) -> impl Iterator<Item = (&Tapset, &Definition)> {
        self.files.iter().flat_map(|file| {
            let functions = file.definitions.iter().filter(|d| d.kind == DefinitionKind::Function && !d.private);
            functions.map(move |definition| (file, definition))
        })
    }

    /// The macros of all `.stpm` files. Adds those files to `sources`. One with an error is left out, and warned of.
    pub fn macros(&self, sources: &mut SourceMap, conditions: &Conditions) -> (Arc<MacroLibrary>, Diagnostics) {
        let mut last = self.macros.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*last
            && sources.is_empty()
            && read.conditions.same_as(conditions)
        {
            sources.clone_from(&read.sources);
            return (read.macros.clone(), read.diagnostics.clone());
        }
        let is_first = sources.is_empty();
        let mut macros = MacroLibrary::default();
        let mut diagnostics = Diagnostics::default();
        for (name, text) in &self.macro_files {
            let file = sources.add(name.clone(), text.to_vec(), Origin::Tapset);
            let found = macros.add_file(sources, file, conditions);
            match found.iter().find(|diagnostic| diagnostic.is_error()) {
                Some(first) => diagnostics.push(say::macro_file_skipped(name, first.clone())),
                None => diagnostics.extend(found),
            }
        }
        let macros = Arc::new(macros);
        if is_first {
            let (sources, macros, diagnostics) = (sources.clone(), macros.clone(), diagnostics.clone());
            *last = Some(ReadMacros { conditions: conditions.clone(), sources, macros, diagnostics });
        }
        (macros, diagnostics)
    }
}

/// Paths of the tapset files below a folder, relative to it, in order.
fn list_recursively(host: &dyn Host, folder: &std::path::Path, prefix: &str) -> Result<Vec<String>, String> {
    let mut names = host.list(folder)?;
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = format!("{prefix}{name}");
        if name.ends_with(".stp") || name.ends_with(".stpm") {
            files.push(path);
        } else if let Ok(below) = list_recursively(host, &folder.join(&name), &format!("{path}/")) {
            files.extend(below);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_files() {
        let library = Library::of_texts(&[
            ("a.stp", "global shared\nprivate function hidden() { }\nfunction f() { }"),
            ("b.stp", "function f(x) { }\nprobe p.q = begin { }"),
            ("m.stpm", "@define m %( 1 %)"),
        ]);
        assert_eq!(library.files_with_function("f"), [TapsetId(0), TapsetId(1)]);
        assert_eq!(library.files_with_function("hidden"), []);
        assert_eq!(library.files_with_global("shared"), [TapsetId(0)]);
        assert_eq!(library.aliases().map(|(name, ..)| name).collect::<Vec<_>>(), ["p.q"]);
        assert_eq!(library.n_files(), 3);
    }

    #[test]
    fn embedded_definitions_are_documented() {
        for (name, text) in embedded::TAPSETS.iter().filter(|(name, _)| name.ends_with(".stp")) {
            for definition in scan::scan(text) {
                let public = !definition.private && !definition.name.starts_with("__");
                if public && definition.kind != DefinitionKind::Global {
                    assert!(docs::doc_above(text, definition.at).is_some(), "{name}: {}", definition.name);
                }
            }
        }
    }
}
