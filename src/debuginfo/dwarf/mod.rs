//! DWARF: functions, variables, types and lines of a program, out of its debug information. DWARF 5 and 4.
//!
//! An index of functions is built once for each file and kept between runs; types, places of variables and lines are read
//! when they are asked for, in microseconds each. The walk that builds the index reads DIEs itself ([`form`], [`abbrev`],
//! [`unit`], [`harvest`]); line programs, frames and expressions go through gimli. Nothing here trusts the bytes: a
//! unit that makes no sense is skipped and counted.

pub mod abbrev;
mod barred;
pub mod build;
mod callees;
pub mod file;
pub mod form;
mod frames;
mod harvest;
pub mod index;
mod interned;
pub mod labels;
mod lines;
mod lists;
mod locations;
mod memory;
mod paths;
mod scopes;
pub mod source;
pub mod statements;
#[cfg(test)]
pub mod tests;
mod texts;
mod type_names;
mod types;
pub mod unit;
mod variables;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

pub use build::Progress;
pub use file::DebugFile;
pub use index::Index;
use source::Source;

use super::{
    function_pattern::FunctionPattern,
    model::{Function, Instance, InstanceId, InstanceKind, SourcePlace, Traceable, TypedName},
    types::Types as _,
};
use crate::host::{Bytes, Host};

/// A file's debug information with its index.
pub struct Dwarf {
    path: PathBuf,
    source: Source,
    index: Index,
    frames: OnceLock<frames::Frames>,
}

impl Dwarf {
    /// Takes the index from the cache, or builds it and keeps it there; one that cannot be kept serves this run.
    ///
    /// # Errors
    /// The file has no debug information.
    pub fn open(file: DebugFile, path: &Path, host: &dyn Host, progress: &Progress) -> Result<Self, String> {
        if !file.has_dwarf() {
            return Err(format!("{}: has no debug information (.debug_info)", path.display()));
        }
        let identity = identity(&file, path, host)?;
        let name = name_of_index(&identity);
        let cache = host.cache();
        let kept = || Index::open(cache.as_ref()?.map(&name)?, &identity);
        if let Some(index) = kept() {
            return Ok(Self::new(path, Source::of_units(file, index.unit_starts()), index));
        }
        // Whoever comes second waits and finds the first one's work.
        let lock = cache.as_ref().and_then(|cache| cache.lock(&name));
        if let Some(index) = lock.is_some().then(kept).flatten() {
            return Ok(Self::new(path, Source::of_units(file, index.unit_starts()), index));
        }
        let source = Source::new(file);
        let bytes = build::build(&source, &identity, host.n_cpus(), progress);
        if let Some(cache) = &cache {
            // A full disk costs the next run the time, nothing else.
            let _ = cache.store(&name, &bytes);
        }
        // Where it was kept the copy there is mapped: of a thousand indexes little is looked at.
        let index = kept().or_else(|| Index::open(Bytes::Owned(bytes), &identity));
        let index = index.ok_or("the index just built cannot be read")?;
        Ok(Self::new(path, Source::of_units(source.file.without_relocated(), index.unit_starts()), index))
    }

    /// Its index is kept from another run.
    pub fn is_indexed(file: &DebugFile, path: &Path, host: &dyn Host) -> bool {
        let identity = identity(file, path, host).ok();
        let kept =
            identity.as_ref().zip(host.cache()).and_then(|(identity, cache)| cache.map(&name_of_index(identity)));
        kept.is_some_and(|bytes| identity.is_some_and(|identity| Index::open(bytes, &identity).is_some()))
    }

    fn new(path: &Path, source: Source, index: Index) -> Self {
        Self { path: path.to_owned(), source, index, frames: OnceLock::new() }
    }

    /// Says that nothing of the file will be looked at soon.
    pub fn forget(&self) {
        self.source.file.forget();
    }

    /// What of the file could not be read, if anything.
    pub fn warning(&self) -> Option<String> {
        let index = &self.index;
        let of_file = format!("of the debug information in {}", self.path.display());
        match (index.n_skipped_units, index.n_unreadable_bytes) {
            (0, 0) => None,
            (0, bytes) => Some(format!("{bytes} bytes {of_file} cannot be read")),
            (units, _) => Some(format!("{units} of {} units {of_file} make no sense and are left out", index.n_units)),
        }
    }

    /// Where the sections of an object that is not linked were put; empty for linked files.
    pub fn layout(&self) -> &[file::LaidOut] {
        self.source.file.layout()
    }

    /// Where a kernel's code begins in the file.
    pub fn linked_at(&self) -> Option<u64> {
        self.index.linked_at()
    }

    /// The symbol an address is in: where it begins, and its name, `like` if that is one of its names.
    pub fn symbol_at(&self, pc: u64, like: &str) -> Option<(u64, &str)> {
        let (start, names) = self.index.symbols_at(pc);
        let mut first = None;
        for name in names {
            if name == like {
                return Some((start, name));
            }
            first = first.or(Some(name));
        }
        first.map(|name| (start, name))
    }

    pub fn arch(&self) -> &'static str {
        self.source.file.arch()
    }

    /// All instances of the function that one is of.
    pub fn siblings(&self, instance: &Instance) -> Vec<Instance> {
        self.function_of(self.index.group_of(instance.id.0 as usize)).instances
    }

    /// Every instance of that name that is reached by calls.
    pub fn calls_named(&self, name: &str) -> usize {
        let groups = self.index.groups_named(name);
        let instances = groups.flat_map(|group| self.index.instances(group));
        instances.filter(|idx| !self.index.instance(*idx).is_inline).count()
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Functions by name and place. Whether lines are asked for makes no difference: see [`FunctionPattern`].
    pub fn functions(&self, pattern: &FunctionPattern) -> Vec<Function> {
        let groups = if pattern.is_plain_name() {
            self.index.groups_named(&pattern.name)
        } else {
            let fixed = pattern.name.find(['*', '?', '[']).unwrap_or(pattern.name.len());
            self.index.groups_with_prefix(&pattern.name[..fixed])
        };
        let mut file_matches: std::collections::HashMap<u32, bool> = std::collections::HashMap::new();
        let mut name_before: Option<(u32, bool, Arc<str>)> = None;
        let mut files: std::collections::HashMap<u32, Arc<str>> = std::collections::HashMap::new();
        let mut found = Vec::new();
        for idx in groups {
            let group = self.index.group(idx);
            // Groups of the same name follow each other.
            let (_, matches, name) = match &name_before {
                Some(before) if before.0 == group.name => before,
                _ => {
                    let text = self.index.text(group.name);
                    name_before.insert((group.name, pattern.matches_name(text), text.into()))
                }
            };
            let mut in_file =
                || *file_matches.entry(group.file).or_insert_with(|| pattern.matches_file(self.index.text(group.file)));
            if !matches || !in_file() {
                continue;
            }
            let source = (group.file != 0).then(|| {
                let file = files.entry(group.file).or_insert_with(|| self.index.text(group.file).into());
                SourcePlace { file: file.clone(), line: group.line }
            });
            found.push(self.function(idx, name.clone(), source));
        }
        found
    }

    fn function_of(&self, idx: usize) -> Function {
        let group = self.index.group(idx);
        let file = self.index.text(group.file);
        let source = (group.file != 0).then(|| SourcePlace { file: file.into(), line: group.line });
        self.function(idx, self.index.text(group.name).into(), source)
    }

    fn function(&self, group: usize, name: Arc<str>, source: Option<SourcePlace>) -> Function {
        let mut external = false;
        let instances = self.index.instances(group).map(|idx| {
            let instance = self.index.instance(idx);
            external |= instance.is_external;
            Instance {
                pc: Some(instance.pc),
                kind: if instance.is_inline { InstanceKind::Inline } else { InstanceKind::Call },
                symbol: None,
                id: InstanceId(idx as u32),
            }
        });
        let instances = instances.collect();
        Function { name, source, external, instances }
    }

    /// What a handler sees at every instance of the function.
    pub fn arguments(&self, function: &Function) -> Vec<TypedName> {
        let indexed = |instance: &Instance| self.index.instance(instance.id.0 as usize);
        let mut lists: Vec<u32> = function.instances.iter().map(|instance| indexed(instance).arguments).collect();
        let first = function.instances.iter().min_by_key(|instance| self.rank(instance)).map(indexed);
        let Some(first) = first.map(|instance| instance.arguments) else { return Vec::new() };
        lists.sort_unstable();
        lists.dedup();
        let in_all = |pair: &u32| lists.iter().all(|list| self.index.arguments(*list).any(|other| other == *pair));
        let shown = |pair: u32| {
            let (name, type_text) = self.index.argument(pair);
            TypedName { name: name.into(), type_text: type_text.into() }
        };
        self.index.arguments(first).filter(in_all).map(shown).collect()
    }

    /// What the variables of a function are listed in the order of: the first unit that has it, and there its own code, since
    /// compilers turn the order round in copies.
    pub fn rank(&self, instance: &Instance) -> impl Ord + use<> {
        let instance = self.index.instance(instance.id.0 as usize);
        (self.index.unit_of(instance.die), instance.is_inline, instance.die)
    }

    /// The C text of what a function gives back; `None` for void, and where only its symbol is known.
    pub fn result_text(&self, instance: &Instance) -> Option<String> {
        let die = self.index.instance(instance.id.0 as usize).die;
        // Assembler has a type that nobody specified.
        self.type_of_die(die).map(|ty| self.type_text(ty)).filter(|text| !text.is_empty())
    }

    /// The kernel refuses probes at an address.
    pub fn is_barred(&self, pc: u64) -> bool {
        self.index.barred(pc).is_some()
    }

    /// Whether the kernel lets a place be probed.
    pub fn traceable(&self, instance: &Instance) -> Traceable {
        instance.pc.map_or(Traceable::Unknown, |pc| self.traceable_at(instance, pc))
    }

    /// The same at one of its instructions.
    pub fn traceable_at(&self, instance: &Instance, pc: u64) -> Traceable {
        if let Some(reason) = self.index.barred(pc) {
            return Traceable::Not(reason);
        }
        let is_entry = instance.kind == InstanceKind::Call && instance.pc == Some(pc);
        match (is_entry, self.index.has_fentry(pc)) {
            (true, Some(true)) => Traceable::Fentry,
            (_, Some(_)) => Traceable::Kprobe,
            (_, None) => Traceable::Unknown,
        }
    }
}

/// Where an index is kept, in the cache.
fn name_of_index(identity: &str) -> PathBuf {
    Path::new("dwarf").join(format!("v{}", index::VERSION)).join(format!("{identity}.idx"))
}

/// Whose index it is: the build id, else which file with which content.
fn identity(file: &DebugFile, path: &Path, host: &dyn Host) -> Result<String, String> {
    if file.build_id().is_empty() {
        return host.stamp(path).map(|stamp| format!("file-{stamp}"));
    }
    Ok(file.build_id().iter().map(|byte| format!("{byte:02x}")).collect())
}
