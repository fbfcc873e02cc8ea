//! Names to declarations: which tapset files come in, and what a name means where it stands. langref "Functions",
//! "Variables"; a `private` name is seen in its own file only.

use std::sync::Arc;

use rustc_hash::FxHashMap as HashMap;

use crate::{
    diagnostics::Diagnostics,
    language::{self, ParseOptions, ast},
    source::{Origin, SourceMap},
    tapset::{Library, TapsetId},
};

/// Where a piece of script belongs, for looking up its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// The user's scripts, all together.
    User,
    Tapset(TapsetId),
    /// The variables a probe family gives its sites: library functions, no file of its own.
    Site,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Unit {
    pub home: Home,
    pub script: Arc<ast::Script>,
}

/// A function as declared.
#[derive(Clone, Debug)]
pub struct FunctionRef {
    pub unit: Unit,
    pub idx: usize,
}

impl FunctionRef {
    pub fn ast(&self) -> &ast::Function {
        &self.unit.script.functions[self.idx]
    }

    /// One declaration, whoever refers to it.
    pub fn key(&self) -> (Home, crate::source::Span) {
        (self.unit.home, self.ast().name.span)
    }
}

/// A global as declared.
#[derive(Clone, Debug)]
pub struct GlobalRef {
    pub unit: Unit,
    pub idx: usize,
}

impl GlobalRef {
    pub fn ast(&self) -> &ast::Global {
        &self.unit.script.globals[self.idx]
    }
}

/// Knows the user's scripts and fetches tapset files.
pub struct Linker<'a> {
    pub library: &'a Library,
    options: &'a ParseOptions,
    pub user: Vec<Unit>,
    loaded: HashMap<TapsetId, Unit>,
    /// Files that came in by a function or global of theirs: their own probes are part of the program.
    pub active: Vec<Unit>,
    pub diagnostics: Diagnostics,
}

impl<'a> Linker<'a> {
    pub fn new(library: &'a Library, options: &'a ParseOptions, scripts: Vec<Arc<ast::Script>>) -> Self {
        let user = scripts.into_iter().map(|script| Unit { home: Home::User, script }).collect();
        Self {
            library,
            options,
            user,
            loaded: HashMap::default(),
            active: Vec::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    /// The parsed file. What is wrong in it is reported once.
    pub fn load(&mut self, id: TapsetId, sources: &mut SourceMap) -> Unit {
        if let Some(unit) = self.loaded.get(&id) {
            return unit.clone();
        }
        let tapset = self.library.file(id);
        let file = sources.add(tapset.name.clone(), tapset.text.to_vec(), Origin::Tapset);
        // The command line's arguments are the script's alone, but for the file that makes an array of them.
        let args = if tapset.name.ends_with("argv.stp") { self.options.args.clone() } else { Vec::new() };
        let options = ParseOptions { args, ..self.options.clone() };
        let (script, diagnostics) = language::parse(sources, file, &options);
        self.diagnostics.extend(diagnostics);
        let unit = Unit { home: Home::Tapset(id), script: Arc::new(script) };
        self.loaded.insert(id, unit.clone());
        unit
    }

    fn activate(&mut self, unit: &Unit) {
        let is_new = !self.active.iter().any(|active| active.home == unit.home);
        if unit.home != Home::User && is_new {
            self.active.push(unit.clone());
        }
    }

    /// Every function a call from `home` can mean, of any number of parameters, in order of priority. A script's function
    /// takes the place of the library's in the library as well, as `tcpmib_filter_key()` is made for; names private to a
    /// file are safe from that.
    pub fn functions(&mut self, name: &str, home: Home, sources: &mut SourceMap) -> Vec<FunctionRef> {
        let mut found = Vec::new();
        let mut units: Vec<Unit> = Vec::new();
        match home {
            Home::User => units.extend(self.user.iter().cloned()),
            Home::Tapset(id) => {
                let own = self.load(id, sources);
                if !own.script.functions.iter().any(|function| function.private && *function.name.text == *name) {
                    units.extend(self.user.iter().cloned());
                }
                units.push(own);
            }
            Home::Site => {}
        }
        for id in self.library.files_with_function(name).to_vec() {
            if home != Home::Tapset(id) {
                units.push(self.load(id, sources));
            }
        }
        for unit in units {
            for (idx, function) in unit.script.functions.iter().enumerate() {
                if *function.name.text == *name && (unit.home == home || !function.private) {
                    found.push(FunctionRef { unit: unit.clone(), idx });
                }
            }
        }
        // Stable: the same priority keeps the order of declaration.
        found.sort_by_key(|function| {
            function.ast().priority.unwrap_or(if function.unit.home == Home::User { 0 } else { 1 })
        });
        found
    }

    /// Says that a function or global of this file is in use.
    pub fn used(&mut self, unit: &Unit) {
        self.activate(unit);
    }

    /// The global `name` means in the files of `home` themselves.
    pub fn own_global(&mut self, name: &str, home: Home, sources: &mut SourceMap) -> Option<GlobalRef> {
        let units = match home {
            Home::User => self.user.clone(),
            Home::Tapset(id) => vec![self.load(id, sources)],
            Home::Site => return None,
        };
        units.into_iter().find_map(|unit| find_global(unit, name, true))
    }

    /// The public global of that name in some other tapset file.
    pub fn library_global(&mut self, name: &str, home: Home, sources: &mut SourceMap) -> Option<GlobalRef> {
        for id in self.library.files_with_global(name).to_vec() {
            if home == Home::Tapset(id) {
                continue;
            }
            if let Some(found) = find_global(self.load(id, sources), name, false) {
                return Some(found);
            }
        }
        None
    }

    /// Names of functions a script can call, for "similar".
    pub fn function_names(&self) -> Vec<String> {
        let user = self.user.iter().flat_map(|unit| &unit.script.functions).map(|f| f.name.text.to_string());
        let library = self.library.function_names().map(str::to_owned);
        let builtins = crate::builtins::all().filter(|(_, row)| row.is_offered()).map(|(_, row)| row.name.to_owned());
        user.chain(library).chain(builtins).filter(|name| !name.starts_with("__")).collect()
    }
}

fn find_global(unit: Unit, name: &str, own: bool) -> Option<GlobalRef> {
    let idx = unit.script.globals.iter().position(|g| *g.name.text == *name && (own || !g.private))?;
    Some(GlobalRef { unit, idx })
}
