//! The maps of an object, made when first asked for, and the read-only data all programs share.

use std::{borrow::Cow, collections::HashMap};

use super::Target;
use crate::{
    ir::*,
    layout::{FrontLayout, Layout, Place, ring, times},
    object::{MapDef, MapIndex, MapRole},
    regex::{Dfa, DfaError},
};

/// `BPF_MAP_TYPE_*` of uapi/linux/bpf.h.
pub const HASH: u32 = 1;
pub const ARRAY: u32 = 2;
pub const PROG_ARRAY: u32 = 3;
pub const PERCPU_HASH: u32 = 5;
pub const PERCPU_ARRAY: u32 = 6;
pub const STACK_TRACE: u32 = 7;
pub const RINGBUF: u32 = 27;

/// `BPF_F_*`.
pub const NO_PREALLOC: u32 = 1;
pub const RDONLY_PROG: u32 = 1 << 7;
pub const MMAPABLE: u32 = 1 << 10;

/// Arrays up to this many elements are allocated at once.
const PREALLOCATED: u32 = 16_384;
/// The smallest ring buffer there is on kernels with pages of up to 64 KiB.
const WAKER_BYTES: u32 = 64 << 10;
/// Addresses of a stack that are kept. More cost memory for each of the stacks; `kernel.perf_event_max_stack` is 127.
pub const STACK_DEPTH: u32 = 48;
/// Different stacks that are kept. The kernel finds a place by a hash and refuses a stack whose place is taken, so that there
/// have to be many more places than stacks.
const MAX_STACKS: u32 = 32_768;
/// Handlers that may be nested on one processor and still find scratch memory.
pub const SCRATCH_LEVELS: u32 = 4;

/// Everything programs of one object share.
pub struct Shared<'a> {
    pub program: &'a Program,
    pub target: &'a Target,
    pub layout: Layout,
    pub maps: Vec<MapDef>,
    known: HashMap<Known, MapIndex>,
    rodata: Vec<u8>,
    chunks: HashMap<Vec<u8>, u32>,
    automata: HashMap<StrId, Result<Automaton, DfaError>>,
    /// How many kinds of entry touch each store: statistics of one kind are never updated by two nested programs.
    pub entry_kinds: Vec<usize>,
}

/// What a map is asked for by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Known {
    Named(Cow<'static, str>),
    Store(StoreId),
    Front(StoreId),
}

/// Where a [`Dfa`] is in the read-only data: offsets of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Automaton {
    pub classes: u32,
    pub table: u32,
    pub n_entries: u32,
    pub start: u16,
}

/// Where the block of zeros starts in the read-only data.
pub const ZEROS: u32 = 0;

impl<'a> Shared<'a> {
    pub fn new(program: &'a Program, target: &'a Target) -> Self {
        let layout = Layout::of(program, target.live_histograms);
        // Zeros for clearing strings and for new statistics.
        let largest = layout.stores.iter().flatten().map(|s| s.value.size()).max().unwrap_or(0);
        let n_zeros = largest.max(u32::from(program.limits.max_string_len)).max(1024).next_multiple_of(8) * 2;
        Self {
            program,
            target,
            layout,
            maps: Vec::new(),
            known: HashMap::new(),
            rodata: vec![0; n_zeros as usize],
            chunks: HashMap::new(),
            automata: HashMap::new(),
            entry_kinds: vec![0; program.stores.len()],
        }
    }

    fn map(&mut self, name: &'static str, make: impl FnOnce(&mut Self) -> MapDef) -> MapIndex {
        self.known_map(Known::Named(name.into()), make)
    }

    fn known_map(&mut self, known: Known, make: impl FnOnce(&mut Self) -> MapDef) -> MapIndex {
        if let Some(index) = self.known.get(&known) {
            return *index;
        }
        let mut def = make(self);
        let name = match &known {
            Known::Named(name) => name.to_string(),
            Known::Store(store) => format!("g{}_{}", store.0, self.program.stores[store.index()].name),
            Known::Front(store) => format!("front{}", store.0),
        };
        def.name = name.chars().take(15).collect();
        self.maps.push(def);
        let index = MapIndex(self.maps.len() as u32 - 1);
        self.known.insert(known, index);
        index
    }

    pub fn control(&mut self) -> MapIndex {
        self.map("control", |s| MapDef {
            initial: Some(s.layout.control.initial(&s.program.limits)),
            ..map_def(ARRAY, 4, s.layout.control.size(), 1, MMAPABLE, MapRole::Control)
        })
    }

    pub fn counters(&mut self) -> MapIndex {
        self.map("counters", |s| map_def(PERCPU_ARRAY, 4, s.layout.counters.size(), 1, 0, MapRole::Counters))
    }

    pub fn times(&mut self) -> MapIndex {
        self.map("times", |s| {
            map_def(PERCPU_ARRAY, 4, times::SIZE, s.layout.counters.n_probes.max(1), 0, MapRole::Times)
        })
    }

    /// The ring, with room for a record of `size` bytes behind its end.
    pub fn ring(&mut self, size: u32) -> MapIndex {
        let index = self.map("ring", |_| map_def(ARRAY, 4, 0, 1, MMAPABLE, MapRole::Ring));
        let data = self.ring_bytes();
        let def = &mut self.maps[index.0 as usize];
        def.value_size = def.value_size.max(ring::DATA + data + size);
        index
    }

    /// Bytes of data in the ring, a power of two.
    pub fn ring_bytes(&self) -> u32 {
        self.target.ring_bytes.max(ring::MIN_BYTES).next_power_of_two()
    }

    /// Addresses of tasks by those of their stacks.
    pub fn tasks(&mut self, n: u32) -> MapIndex {
        self.internal("tasks", ARRAY, 4, 8 * n, 1, 0)
    }

    pub fn waker(&mut self) -> MapIndex {
        self.map("waker", |_| map_def(RINGBUF, 0, 0, WAKER_BYTES, 0, MapRole::Waker))
    }

    pub fn stacks(&mut self) -> MapIndex {
        self.map("stacks", |_| map_def(STACK_TRACE, 4, 8 * STACK_DEPTH, MAX_STACKS, 0, MapRole::Stacks))
    }

    pub fn scalars(&mut self) -> MapIndex {
        self.map("scalars", |s| MapDef {
            initial: Some(s.layout.initial_scalars(s.program)),
            ..map_def(ARRAY, 4, s.layout.scalars_size.max(8), 1, MMAPABLE, MapRole::Scalars)
        })
    }

    /// The read-only data; its content is set by [`Shared::finish`].
    pub fn rodata(&mut self) -> MapIndex {
        self.map("rodata", |_| MapDef { frozen: true, ..map_def(ARRAY, 4, 0, 1, RDONLY_PROG, MapRole::Rodata) })
    }

    /// Scratch memory of at least `size` bytes for each level.
    pub fn scratch(&mut self, size: u32) -> MapIndex {
        let index = self.map("scratch", |_| map_def(PERCPU_ARRAY, 4, 0, SCRATCH_LEVELS, 0, MapRole::Scratch));
        let def = &mut self.maps[index.0 as usize];
        def.value_size = def.value_size.max(size.next_multiple_of(8));
        index
    }

    pub fn store(&mut self, store: StoreId) -> MapIndex {
        self.known_map(Known::Store(store), |s| {
            let decl = &s.program.stores[store.index()];
            let Some(layout) = &s.layout.stores[store.index()] else {
                return map_def(ARRAY, 4, 8, 1, 0, MapRole::Internal);
            };
            let size = layout.value.size();
            let role = MapRole::Store(store);
            match layout.place {
                Place::PerCpuArray | Place::Scalar { .. } => map_def(PERCPU_ARRAY, 4, size, 1, 0, role),
                Place::PerCpuHash => {
                    map_def(PERCPU_HASH, layout.key.size, size, decl.max_entries.max(1), NO_PREALLOC, role)
                }
                Place::Hash => {
                    let flags = if decl.max_entries > PREALLOCATED { NO_PREALLOC } else { 0 };
                    map_def(HASH, layout.key.size, size, decl.max_entries.max(1), flags, role)
                }
            }
        })
    }

    pub fn front(&mut self, store: StoreId, front: FrontLayout) -> MapIndex {
        self.known_map(Known::Front(store), |s| {
            map_def(ARRAY, 4, front.size(s.target.n_cpus), 1, MMAPABLE, MapRole::Front(store))
        })
    }

    /// A map only programs use.
    pub fn internal(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        kind: u32,
        key: u32,
        value: u32,
        entries: u32,
        flags: u32,
    ) -> MapIndex {
        let role = if kind == PROG_ARRAY { MapRole::Programs } else { MapRole::Internal };
        self.known_map(Known::Named(name.into()), |_| map_def(kind, key, value, entries, flags, role))
    }

    /// Every map user space relies on, even when no program happens to use it.
    pub fn standard(&mut self) {
        self.control();
        self.counters();
        self.ring(0);
        self.waker();
        if self.layout.scalars_size > 0 {
            self.scalars();
        }
        for i in 0..self.layout.stores.len() {
            if self.layout.stores[i].as_ref().is_some_and(|s| !matches!(s.place, Place::Scalar { .. })) {
                self.store(StoreId(i as u32));
            }
        }
    }

    /// Puts bytes into the read-only data, once, at a multiple of 8; gives their offset.
    pub fn constant(&mut self, bytes: &[u8]) -> u32 {
        if let Some(at) = self.chunks.get(bytes) {
            return *at;
        }
        let at = self.rodata.len() as u32;
        self.rodata.extend_from_slice(bytes);
        self.rodata.resize(self.rodata.len().next_multiple_of(8), 0);
        self.chunks.insert(bytes.to_vec(), at);
        at
    }

    /// A literal with its NUL, padded to 8 bytes; gives offset and padded size.
    pub fn literal(&mut self, text: &[u8]) -> (u32, u32) {
        let mut bytes = crate::layout::until_nul(text).to_vec();
        bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
        (self.constant(&bytes), bytes.len() as u32)
    }

    /// The automaton of a pattern, in the read-only data.
    pub fn automaton(&mut self, pattern: StrId) -> Result<Automaton, DfaError> {
        if let Some(known) = self.automata.get(&pattern) {
            return *known;
        }
        let text = self.program.strings.get(pattern.index()).map_or(&[][..], Vec::as_slice);
        let automaton = Dfa::new(text).map(|dfa| {
            let table: Vec<u8> = dfa.table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            Automaton {
                classes: self.constant(&dfa.classes),
                table: self.constant(&table),
                n_entries: dfa.table.len() as u32,
                start: dfa.start,
            }
        });
        self.automata.insert(pattern, automaton);
        automaton
    }

    pub fn finish(mut self) -> Vec<MapDef> {
        if let Some(index) = self.known.get(&Known::Named("rodata".into())) {
            let def = &mut self.maps[index.0 as usize];
            def.value_size = self.rodata.len() as u32;
            def.initial = Some(std::mem::take(&mut self.rodata));
        }
        self.maps
    }
}

fn map_def(kind: u32, key_size: u32, value_size: u32, max_entries: u32, flags: u32, role: MapRole) -> MapDef {
    MapDef { name: String::new(), kind, key_size, value_size, max_entries, flags, role, initial: None, frozen: false }
}
