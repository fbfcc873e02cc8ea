//! Stacks the kernel kept and what addresses mean, for output. Everything is read when it is first asked for.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tapdeck_ebpf::object::MapRole;

use super::load::Loaded;
use crate::{
    builtins::symbols::{Part, Place, Symbols},
    debuginfo::{
        Dwarf, World,
        addresses::{Around, ElfSymbols, KernelAddresses, ProcessAddresses},
        dwarf::{DebugFile, Progress},
    },
    host::Host,
};

/// Of the machine tapdeck runs on.
pub struct LiveSymbols {
    /// For its map of stacks.
    loaded: Option<Arc<Loaded>>,
    world: World,
    kernel: OnceLock<Option<KernelAddresses>>,
    processes: Mutex<Processes>,
}

#[derive(Default)]
struct Processes {
    maps: HashMap<u32, (Instant, ProcessAddresses)>,
    files: ElfSymbols,
    lines: HashMap<PathBuf, Option<Dwarf>>,
}

/// A process may map more; what is older than this is read again when an address is in none of it.
const FRESH: Duration = Duration::from_millis(200);
/// Processes whose maps are kept.
const MAX_PROCESSES: usize = 256;

impl LiveSymbols {
    pub fn new(loaded: Option<Arc<Loaded>>) -> Self {
        Self { loaded, world: World::live(), kernel: OnceLock::new(), processes: Mutex::default() }
    }

    fn kernel(&self) -> Option<&KernelAddresses> {
        self.kernel.get_or_init(|| KernelAddresses::read(&*self.world.host).ok()).as_ref()
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Processes {
    /// The maps of a process in which an address is, as well as that can be told.
    fn with_map<T>(
        &mut self,
        process: i64,
        address: u64,
        host: &dyn Host,
        then: impl FnOnce(&ProcessAddresses, &mut ElfSymbols, &mut HashMap<PathBuf, Option<Dwarf>>) -> T,
    ) -> Option<T> {
        let process = u32::try_from(process).ok()?;
        let is_known =
            |(read, maps): &(Instant, ProcessAddresses)| read.elapsed() < FRESH || maps.module(address).is_some();
        if !self.maps.get(&process).is_some_and(is_known) {
            let fresh = ProcessAddresses::read(host, process);
            if self.maps.len() >= MAX_PROCESSES {
                self.maps.clear();
            }
            // What was known of a process that is gone is better than nothing.
            if !fresh.is_empty() || !self.maps.contains_key(&process) {
                self.maps.insert(process, (Instant::now(), fresh));
            }
        }
        let (_, maps) = self.maps.get(&process)?;
        Some(then(maps, &mut self.files, &mut self.lines))
    }
}

fn part(around: &Around<'_>) -> Part {
    Part { name: around.name.to_owned(), offset: around.offset, size: around.size }
}

/// Whether a function at the top of a stack is there because of the probe: the program, and what calls it. Trampolines and
/// programs have symbols of modules of their own; kernel/trace/bpf_trace.c, include/trace/bpf_probe.h for the others.
fn serves_probes(name: &str, module: Option<&str>) -> bool {
    const MODULES: [&str; 3] = ["bpf", "__builtin__ftrace", "__builtin__kprobes"];
    const PREFIXES: [&str; 6] =
        ["__bpf_trace_", "bpf_trace_run", "__traceiter_", "bpf_get_stack", "bpf_prog_", "ftrace_"];
    const NAMES: [&str; 3] = ["trace_call_bpf", "bpf_overflow_handler", "arch_ftrace_ops_list_func"];
    module.is_some_and(|module| MODULES.contains(&module))
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Symbols for LiveSymbols {
    fn stack(&self, number: i64) -> Vec<u64> {
        let map = self.loaded.as_ref().and_then(|loaded| loaded.map(MapRole::Stacks));
        let (Some(map), Ok(number)) = (map, u32::try_from(number)) else { return Vec::new() };
        let Ok(Some(bytes)) = map.lookup(&number.to_ne_bytes()) else { return Vec::new() };
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
        let mut addresses: Vec<u64> = words.take_while(|address| *address != 0).collect();
        // Stacks of programs have no such, and need no list of the kernel's symbols.
        let is_kernel = |address: u64| address >> 63 != 0;
        let own = |address: &u64| {
            if !is_kernel(*address) {
                return false;
            }
            let found = self.kernel().and_then(|kernel| kernel.find(*address));
            found.is_some_and(|(around, module)| serves_probes(around.name, module))
        };
        let n_own = addresses.iter().take_while(|address| own(address)).count();
        addresses.drain(..n_own);
        addresses
    }

    fn in_kernel(&self, address: u64) -> Place {
        let Some((around, module)) = self.kernel().and_then(|kernel| kernel.find(address)) else {
            return Place::default();
        };
        let module = Part { name: module.unwrap_or("kernel").to_owned(), ..Part::default() };
        Place { symbol: Some(part(&around)), module: Some(module) }
    }

    fn in_process(&self, process: i64, address: u64) -> Place {
        let host = &*self.world.host;
        let found = self.processes().with_map(process, address, host, |maps, files, _| {
            let symbol = maps.function(address, files, host);
            let symbol = symbol.map(|(name, offset, size)| Part { name, offset, size });
            Place { symbol, module: maps.module(address).as_ref().map(part) }
        });
        found.unwrap_or_default()
    }

    fn line(&self, address: u64) -> Option<(String, u32)> {
        let linked = address.wrapping_sub(self.world.moved_by()?);
        let place = self.world.dwarf().ok()?.line_at(linked)?;
        Some((place.file.to_string(), place.line))
    }

    fn line_in_process(&self, process: i64, address: u64) -> Option<(String, u32)> {
        let host = &*self.world.host;
        let found = self.processes().with_map(process, address, host, |maps, files, lines| {
            let (path, linked) = maps.linked(address, files, host)?;
            let dwarf = lines.entry(path.to_owned()).or_insert_with(|| open_lines(path, host));
            dwarf.as_ref()?.line_at(linked)
        });
        let place = found.flatten()?;
        Some((place.file.to_string(), place.line))
    }
}

/// The debug information of a program, in its own file.
fn open_lines(path: &Path, host: &dyn Host) -> Option<Dwarf> {
    let file = DebugFile::parse(host.map(path).ok()?).ok()?;
    Dwarf::open(file, path, host, &Progress::default()).ok()
}
