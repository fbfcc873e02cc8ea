//! Globals that live in kernel maps, as the interpreter and the snapshot see them: bytes become values through
//! [`tapdeck_ebpf::layout`], arrays are read in batches, and what each processor counted is merged.
//!
//! Programs go on while user space reads and writes. Single longs are added to atomically; a read, change and write of an
//! array's element from a user handler can miss an event that came in between. Samples a user handler adds to a statistic
//! are kept beside the map and merged like one more processor, so they never get in the way of the kernel's.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::AsFd,
    sync::Arc,
};

use tapdeck_ebpf::{
    ir::{Const, StoreDecl, StoreId, StoreTy},
    layout::{
        Datum, Element as RawElement, FrontLayout, Layout, Place, StatLayout, StoreLayout, ValueLayout,
        front::{KEY_BIAS, LEAVING},
    },
    object::MapRole,
    stats::{Merged, Stat},
};

use super::{
    interpreter::{Element, ElementValue, Interpreter, Stores},
    load::{Loaded, libc_errno},
    plan::Lowered,
};
use crate::{
    builtins::Value,
    sys::{
        bpf::{Map, Update},
        clock::{Clock, now_ns},
        mmap::Mapping,
    },
};

/// The stores of a program that are in the kernel.
pub struct KernelStores {
    layout: Layout,
    lowered: Arc<Lowered>,
    /// Makes texts of packed ones.
    interpreter: Arc<Interpreter>,
    loaded: Option<Arc<Loaded>>,
    scalars: Option<Mapping>,
    /// The table in front of each array that has one, by store.
    fronts: Vec<Option<Front>>,
    /// What user handlers added to statistics, by store and key bytes, with its insertion stamp.
    own: HashMap<(StoreId, Vec<u8>), (u64, Stat)>,
    /// Inserts of user handlers that found no room, by store.
    pub overflows: Vec<u64>,
}

/// A table in front of an array, see [`tapdeck_ebpf::layout::front`].
struct Front {
    layout: FrontLayout,
    slots: Mapping,
    /// Bytes of all regions.
    size: usize,
}

impl Front {
    fn open(layout: &StoreLayout, loaded: &Loaded) -> io::Result<Option<Self>> {
        let (Some(front), Some(map)) = (layout.front, loaded.map(MapRole::Front(layout.store))) else {
            return Ok(None);
        };
        let size = map.value_bytes();
        Ok(Some(Self { layout: front, slots: Mapping::shared(map.as_fd(), size, 0, true)?, size }))
    }

    /// Where every slot of a key may be.
    fn places(&self, word: u64) -> impl Iterator<Item = usize> {
        let regions = (0..self.size).step_by(self.layout.region_size() as usize);
        regions.flat_map(move |region| self.layout.places(word).map(move |at| region + at as usize))
    }

    /// Offsets of the slots a key has.
    fn slots_of(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let word = FrontLayout::word(key);
        let places = word.into_iter().flat_map(|word| self.places(word));
        places.filter(move |at| Some(self.slots.read_u64(*at)) == word)
    }

    /// What they counted.
    fn long(&self, key: &[u8], payload: u32) -> i64 {
        self.slots_of(key).fold(0, |sum, at| sum.wrapping_add(self.slots.read_u64(at + payload as usize) as i64))
    }

    fn samples(&self, stat: &StatLayout, key: &[u8]) -> Vec<Stat> {
        let mut bytes = vec![0; stat.size as usize];
        self.slots_of(key)
            .map(|at| {
                self.slots.read(at, &mut bytes);
                stat.decode_one(&bytes)
            })
            .collect()
    }

    /// Gives slots back around `remove`, which takes their keys out of the hash: programs stop finding them before, and
    /// those that had just found one are done after.
    fn give_back<T>(&self, slots: &[usize], remove: impl FnOnce() -> T) -> T {
        slots.iter().for_each(|at| self.slots.write_u64(*at, LEAVING));
        let result = remove();
        for at in slots {
            (8..self.layout.slot_size as usize).step_by(8).for_each(|word| self.slots.write_u64(at + word, 0));
            self.slots.write_u64(*at, 0);
        }
        result
    }

    /// Keys with a slot that are not among `known`. An event that had found its element just before it was deleted may
    /// have taken a slot after; what is counted there has no element.
    fn orphans(&self, known: &HashSet<&[u8]>) -> Vec<[u8; 8]> {
        let words = self.all().into_iter().map(|at| self.slots.read_u64(at)).filter(|word| *word >= KEY_BIAS);
        words.map(|word| (word - KEY_BIAS).to_le_bytes()).filter(|key| !known.contains(&key[..])).collect()
    }

    /// Every slot there is.
    fn all(&self) -> Vec<usize> {
        let region_size = self.layout.region_size() as usize;
        let slots = (0..self.size)
            .step_by(region_size)
            .flat_map(|region| (region..region + region_size).step_by(self.layout.slot_size as usize));
        slots.collect()
    }
}

/// A value of a missing map: the object has none, so nothing of the kind can be asked.
const NO_MAP: &str = "a global lost its map";

impl KernelStores {
    pub fn new(layout: Layout, interpreter: Arc<Interpreter>, loaded: Option<Arc<Loaded>>) -> io::Result<Self> {
        let lowered = interpreter.lowered().clone();
        let scalars = match loaded.as_ref().and_then(|loaded| loaded.map(MapRole::Scalars)) {
            Some(map) => Some(Mapping::shared(map.as_fd(), layout.scalars_size as usize, 0, true)?),
            None => None,
        };
        let fronts = layout.stores.iter().map(|store| match (store, &loaded) {
            (Some(store), Some(loaded)) => Front::open(store, loaded),
            _ => Ok(None),
        });
        let fronts = fronts.collect::<io::Result<_>>()?;
        let overflows = vec![0; lowered.ir.stores.len()];
        Ok(Self { layout, lowered, interpreter, loaded, scalars, fronts, own: HashMap::new(), overflows })
    }

    fn decl(&self, store: StoreId) -> &StoreDecl {
        &self.lowered.ir.stores[store.index()]
    }

    fn store(&self, store: StoreId) -> Result<&StoreLayout, String> {
        self.layout.stores.get(store.index()).and_then(Option::as_ref).ok_or_else(|| NO_MAP.to_owned())
    }

    fn map(&self, store: StoreId) -> Result<&Map, String> {
        self.loaded.as_ref().and_then(|loaded| loaded.map(MapRole::Store(store))).ok_or_else(|| NO_MAP.to_owned())
    }

    fn scalars(&self) -> Result<&Mapping, String> {
        self.scalars.as_ref().ok_or_else(|| NO_MAP.to_owned())
    }

    /// Start values, no elements, no samples.
    pub fn reset(&mut self, store: StoreId) -> Result<(), String> {
        if !self.decl(store).keys.is_empty() {
            return self.clear(store);
        }
        let init = match &self.decl(store).init {
            Some(Const::Long(n)) => Value::Long(*n),
            Some(Const::Str(text)) => Value::Str(text.clone()),
            None => return self.delete(store, &[]),
        };
        self.set(store, &[], &init)
    }

    fn key_bytes(&self, layout: &StoreLayout, keys: &[Value]) -> Vec<u8> {
        match layout.place {
            // The one element of an array map.
            Place::PerCpuArray => 0u32.to_ne_bytes().to_vec(),
            _ => layout.key.encode(&keys.iter().map(to_datum).collect::<Vec<_>>()),
        }
    }

    fn zero(&self, store: StoreId) -> Value {
        match self.decl(store).value {
            StoreTy::Str { .. } | StoreTy::Packed { .. } => Value::Str(Vec::new()),
            _ => Value::Long(0),
        }
    }

    /// Writes an element, making room where the store wraps.
    fn put(&mut self, store: StoreId, key: &[u8], value: &[u8], how: Update) -> Result<(), String> {
        // Another insert may take the room just made.
        for _ in 0..64 {
            match self.map(store)?.update(key, value, how) {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc_errno::E2BIG) => {
                    if !self.decl(store).wrap {
                        break;
                    }
                    self.forget_oldest(store)?;
                }
                Err(error) => return Err(self.trouble(store, &error)),
            }
        }
        self.overflows[store.index()] += 1;
        Err(self.decl(store).overflow_message())
    }

    fn forget_oldest(&self, store: StoreId) -> Result<(), String> {
        let value = &self.store(store)?.value;
        let map = self.map(store)?;
        let all = map.elements().map_err(|error| self.trouble(store, &error))?;
        if let Some((key, _)) = all.iter().min_by_key(|(_, bytes)| value.stamp(bytes)) {
            map.delete(key).map_err(|error| self.trouble(store, &error))?;
        }
        Ok(())
    }

    fn trouble(&self, store: StoreId, error: &io::Error) -> String {
        format!("cannot access global '{}': {error}", self.decl(store).name)
    }

    fn front(&self, store: StoreId) -> Option<&Front> {
        self.fronts.get(store.index())?.as_ref()
    }

    /// What the front of an array of longs counted of a key; belongs to the value in the hash.
    fn counted_in_front(&self, layout: &StoreLayout, key: &[u8]) -> i64 {
        self.front(layout.store).map_or(0, |front| front.long(key, layout.value.payload()))
    }

    /// An element as the script sees it.
    ///
    /// # Errors
    /// What the function raises that makes a packed text.
    fn whole(&self, layout: &StoreLayout, key: &[u8], bytes: &[u8]) -> Result<Value, String> {
        Ok(match self.plain(layout.value.decode(bytes))? {
            Value::Long(n) => Value::Long(n.wrapping_add(self.counted_in_front(layout, key))),
            text @ Value::Str(_) => text,
        })
    }

    fn plain(&self, element: RawElement) -> Result<Value, String> {
        Ok(match element {
            RawElement::Long(n) => Value::Long(n),
            RawElement::Str(text) => Value::Str(text),
            RawElement::Packed(bytes) => match self.interpreter.unpack(&bytes) {
                Ok(text) => Value::Str(text),
                Err(error) => return Err(String::from_utf8_lossy(&error.message).into_owned()),
            },
            RawElement::Stat(merged) => Value::Long(merged.count),
        })
    }

    fn merged(
        &self,
        store: StoreId,
        stat: &StatLayout,
        key: &[u8],
        bytes: Option<&[u8]>,
        own: Option<&Stat>,
    ) -> Merged {
        let mut parts: Vec<Stat> = Vec::new();
        if let Some(bytes) = bytes {
            parts.extend(bytes.chunks_exact(stat.size as usize).map(|cpu| stat.decode_one(cpu)));
        }
        if let Some(front) = self.front(store) {
            parts.extend(front.samples(stat, key));
        }
        parts.extend(own.cloned());
        Merged::of(&stat.shape, parts.iter())
    }

    /// How many elements an array has; for a scalar 1.
    pub fn len(&self, store: StoreId) -> usize {
        self.elements(store).map_or(0, |elements| elements.len())
    }
}

fn stamp_now() -> u64 {
    now_ns(Clock::Monotonic) as u64
}

fn to_datum(value: &Value) -> Datum {
    match value {
        Value::Long(n) => Datum::Long(*n),
        Value::Str(text) => Datum::Str(text.clone()),
    }
}

fn from_datum(datum: Datum) -> Value {
    match datum {
        Datum::Long(n) => Value::Long(n),
        Datum::Str(text) => Value::Str(text),
    }
}

impl Stores for KernelStores {
    fn get(&self, store: StoreId, keys: &[Value]) -> Result<Value, String> {
        let layout = self.store(store)?;
        if let Place::Scalar { offset } = layout.place {
            let mut bytes = vec![0; layout.value.size() as usize];
            match layout.value {
                ValueLayout::Long { .. } => {
                    bytes.copy_from_slice(&self.scalars()?.read_u64(offset as usize).to_le_bytes());
                }
                _ => self.scalars()?.read(offset as usize, &mut bytes),
            }
            return self.plain(layout.value.decode(&bytes));
        }
        let key = self.key_bytes(layout, keys);
        let found = self.map(store)?.lookup(&key);
        match found.map_err(|error| self.trouble(store, &error))? {
            Some(bytes) => self.whole(layout, &key, &bytes),
            None => Ok(self.zero(store)),
        }
    }

    fn set(&mut self, store: StoreId, keys: &[Value], value: &Value) -> Result<(), String> {
        let layout = self.store(store)?;
        if let Place::Scalar { offset } = layout.place {
            let bytes = layout.value.encode(0, &to_datum(value));
            match value {
                Value::Long(n) => self.scalars()?.write_u64(offset as usize, *n as u64),
                Value::Str(_) => self.scalars()?.write(offset as usize, &bytes),
            }
            return Ok(());
        }
        let key = self.key_bytes(layout, keys);
        // Assigning does not move an element in the order.
        let old = self.map(store)?.lookup(&key).map_err(|error| self.trouble(store, &error))?;
        let stamp = old.map_or_else(stamp_now, |bytes| layout.value.stamp(&bytes));
        // What the front counted so far no longer counts.
        let value = match value {
            Value::Long(n) => Datum::Long(n.wrapping_sub(self.counted_in_front(layout, &key))),
            text @ Value::Str(_) => to_datum(text),
        };
        let bytes = layout.value.encode(stamp, &value);
        self.put(store, &key, &bytes, Update::Any)
    }

    fn add(&mut self, store: StoreId, keys: &[Value], delta: i64) -> Result<i64, String> {
        let layout = self.store(store)?.clone();
        if let Place::Scalar { offset } = layout.place {
            return Ok(self.scalars()?.add_u64(offset as usize, delta as u64) as i64);
        }
        let key = self.key_bytes(&layout, keys);
        let old = self.map(store)?.lookup(&key).map_err(|error| self.trouble(store, &error))?;
        let (stamp, before) = match old {
            Some(bytes) => (layout.value.stamp(&bytes), self.plain(layout.value.decode(&bytes))?),
            None => (stamp_now(), Value::Long(0)),
        };
        let before = if let Value::Long(n) = before { n } else { 0 };
        let bytes = layout.value.encode(stamp, &Datum::Long(before.wrapping_add(delta)));
        self.put(store, &key, &bytes, Update::Any)?;
        Ok(before.wrapping_add(self.counted_in_front(&layout, &key)))
    }

    fn contains(&self, store: StoreId, keys: &[Value]) -> Result<bool, String> {
        let layout = self.store(store)?;
        if let Place::Scalar { .. } = layout.place {
            return Ok(true);
        }
        let key = self.key_bytes(layout, keys);
        let found = self.map(store)?.lookup(&key).map_err(|error| self.trouble(store, &error))?;
        Ok(found.is_some() || self.own.contains_key(&(store, key)))
    }

    fn delete(&mut self, store: StoreId, keys: &[Value]) -> Result<(), String> {
        let layout = self.store(store)?.clone();
        let key = self.key_bytes(&layout, keys);
        match layout.place {
            Place::Scalar { .. } => self.set(store, keys, &self.zero(store)),
            Place::PerCpuArray => {
                self.own.remove(&(store, key.clone()));
                let map = self.map(store)?;
                let nothing = vec![0; map.value_bytes()];
                map.update(&key, &nothing, Update::Any).map_err(|error| self.trouble(store, &error))
            }
            Place::Hash | Place::PerCpuHash => {
                self.own.remove(&(store, key.clone()));
                let map = self.map(store)?;
                let deleted = match self.front(store) {
                    Some(front) => front.give_back(&front.slots_of(&key).collect::<Vec<_>>(), || map.delete(&key)),
                    None => map.delete(&key),
                };
                deleted.map_err(|error| self.trouble(store, &error)).map(drop)
            }
        }
    }

    fn clear(&mut self, store: StoreId) -> Result<(), String> {
        if self.decl(store).keys.is_empty() {
            return self.delete(store, &[]);
        }
        self.own.retain(|(of, _), _| *of != store);
        let map = self.map(store)?;
        let delete_all = || map.elements().and_then(|all| map.delete_keys(&all.keys));
        let deleted = match self.front(store) {
            Some(front) => front.give_back(&front.all(), delete_all),
            None => delete_all(),
        };
        deleted.map_err(|error| self.trouble(store, &error))
    }

    fn accumulate(&mut self, store: StoreId, keys: &[Value], value: i64) -> Result<(), String> {
        let layout = self.store(store)?.clone();
        let ValueLayout::Stat(stat) = &layout.value else { return Ok(()) };
        let key = self.key_bytes(&layout, keys);
        if layout.place == Place::PerCpuHash && !self.own.contains_key(&(store, key.clone())) {
            // The element exists in the map, too, so that `in`, limits and kernel handlers see it.
            let there = self.map(store)?.lookup(&key).map_err(|error| self.trouble(store, &error))?;
            if there.is_none() {
                let empty = vec![0; self.map(store)?.value_bytes()];
                self.put(store, &key, &empty, Update::Any)?;
            }
        }
        let (_, own) = self.own.entry((store, key)).or_insert_with(|| (stamp_now(), stat.empty()));
        own.add(&stat.shape, value);
        Ok(())
    }

    fn stat(&self, store: StoreId, keys: &[Value]) -> Result<Merged, String> {
        let layout = self.store(store)?;
        let ValueLayout::Stat(stat) = &layout.value else { return Ok(Merged::default()) };
        let key = self.key_bytes(layout, keys);
        let bytes = self.map(store)?.lookup(&key).map_err(|error| self.trouble(store, &error))?;
        let own = self.own.get(&(store, key.clone())).map(|(_, own)| own);
        Ok(self.merged(store, stat, &key, bytes.as_deref(), own))
    }

    fn elements(&self, store: StoreId) -> Result<Vec<Element>, String> {
        let layout = self.store(store)?;
        if self.decl(store).keys.is_empty() {
            let value = match &layout.value {
                ValueLayout::Stat(_) => ElementValue::Stat(Box::new(self.stat(store, &[])?)),
                _ => ElementValue::Plain(self.get(store, &[])?),
            };
            return Ok(vec![Element { keys: Vec::new(), value }]);
        }
        let map = self.map(store)?;
        let all = map.elements().map_err(|error| self.trouble(store, &error))?;
        if let Some(front) = self.front(store) {
            let known = all.iter().map(|(key, _)| key).collect();
            for key in front.orphans(&known) {
                // Seen from the next look on. An error means that it is there by now, or that the array is full.
                let empty = layout.value.encode(stamp_now(), &Datum::Long(0));
                let _ = map.update(&key, &empty.repeat(map.value_bytes() / empty.len()), Update::NoExist);
            }
        }
        let mut stamped: Vec<(u64, Element)> = all
            .iter()
            .map(|(key, bytes)| {
                let keys = layout.key.decode(key).into_iter().map(from_datum).collect();
                Ok(match &layout.value {
                    ValueLayout::Stat(stat) => {
                        let own = self.own.get(&(store, key.to_vec()));
                        let merged = self.merged(store, stat, key, Some(bytes), own.map(|(_, own)| own));
                        let value = ElementValue::Stat(Box::new(merged));
                        let stamp = [stat.stamp(bytes), own.map(|(stamp, _)| *stamp)].into_iter().flatten().min();
                        (stamp.unwrap_or(0), Element { keys, value })
                    }
                    value => {
                        let whole = ElementValue::Plain(self.whole(layout, key, bytes)?);
                        (value.stamp(bytes), Element { keys, value: whole })
                    }
                })
            })
            .collect::<Result<_, String>>()?;
        stamped.sort_by_key(|(stamp, _)| *stamp);
        Ok(stamped.into_iter().map(|(_, element)| element).collect())
    }
}

#[cfg(test)]
mod tests {
    use tapdeck_ebpf::{
        ir::{HistShape, StatShape, Ty},
        object::{MapDef, Object, line_info::WithLines},
    };

    use super::*;
    use crate::{
        runtime::{load, tests::Script},
        sys::{bpf, n_possible_cpus},
    };

    const KEYS: [Ty; 2] = [Ty::Str { cap: 16 }, Ty::Long];

    fn map(role: MapRole, kind: u32, key_size: u32, value_size: u32, max_entries: u32) -> MapDef {
        let no_prealloc = matches!(kind, bpf::BPF_MAP_TYPE_HASH | bpf::BPF_MAP_TYPE_PERCPU_HASH);
        MapDef {
            name: "test".to_owned(),
            kind,
            key_size,
            value_size,
            max_entries,
            flags: if role == MapRole::Scalars { bpf::BPF_F_MMAPABLE } else { u32::from(no_prealloc) },
            role,
            initial: None,
            frozen: false,
        }
    }

    /// Stores of a script as code generation would lay them out; `None` without bpf(2).
    fn open(script: Script) -> Option<KernelStores> {
        let lowered = script.lowered();
        let layout = Layout::of(&lowered.ir, true);
        let mut maps = vec![map(MapRole::Scalars, bpf::BPF_MAP_TYPE_ARRAY, 4, layout.scalars_size.max(8), 1)];
        for store in layout.stores.iter().flatten() {
            let role = MapRole::Store(store.store);
            let entries = lowered.ir.stores[store.store.index()].max_entries;
            match store.place {
                Place::Scalar { .. } => {}
                Place::Hash => {
                    maps.push(map(role, bpf::BPF_MAP_TYPE_HASH, store.key.size, store.value.size(), entries))
                }
                Place::PerCpuHash => {
                    maps.push(map(role, bpf::BPF_MAP_TYPE_PERCPU_HASH, store.key.size, store.value.size(), entries));
                }
                Place::PerCpuArray => maps.push(map(role, bpf::BPF_MAP_TYPE_PERCPU_ARRAY, 4, store.value.size(), 1)),
            }
        }
        let object = Object { maps, ..Object::default() };
        let loaded = load::load(&object, &WithLines::default()).map_err(|error| eprintln!("SKIPPED: {error}")).ok()?;
        Some(KernelStores::new(layout, Arc::new(Interpreter::new(lowered)), Some(Arc::new(loaded))).unwrap())
    }

    fn key(name: &str, n: i64) -> [Value; 2] {
        [Value::Str(name.as_bytes().to_vec()), Value::Long(n)]
    }

    #[test]
    fn scalars_and_arrays_of_longs_and_strings() {
        let mut script = Script::default();
        let n = script.store("n", Vec::new(), StoreTy::Long, true);
        let s = script.store("s", Vec::new(), StoreTy::Str { cap: 16 }, true);
        let a = script.store("a", KEYS.to_vec(), StoreTy::Long, true);
        let t = script.store("t", vec![Ty::Long], StoreTy::Str { cap: 8 }, true);
        let Some(mut stores) = open(script) else { return };
        assert_eq!(stores.add(n, &[], 5), Ok(0));
        assert_eq!(stores.add(n, &[], -2), Ok(5));
        assert_eq!(stores.get(n, &[]), Ok(Value::Long(3)));
        stores.set(s, &[], &Value::Str(b"text".to_vec())).unwrap();
        assert_eq!(stores.get(s, &[]), Ok(Value::Str(b"text".to_vec())));
        for name in ["z", "a", "m"] {
            stores.set(a, &key(name, 1), &Value::Long(7)).unwrap();
        }
        stores.set(a, &key("z", 1), &Value::Long(8)).unwrap();
        assert_eq!(stores.add(a, &key("a", 1), 3), Ok(7));
        let order: Vec<_> = stores.elements(a).unwrap().into_iter().map(|e| (e.keys[0].clone(), e.value)).collect();
        let text = |s: &str| Value::Str(s.as_bytes().to_vec());
        let long = |n| ElementValue::Plain(Value::Long(n));
        assert_eq!(order, [(text("z"), long(8)), (text("a"), long(10)), (text("m"), long(7))]);
        assert_eq!(stores.contains(a, &key("q", 1)), Ok(false));
        stores.delete(a, &key("z", 1)).unwrap();
        assert_eq!(stores.contains(a, &key("z", 1)), Ok(false));
        assert_eq!(stores.get(a, &key("z", 1)), Ok(Value::Long(0)));
        stores.clear(a).unwrap();
        assert_eq!(stores.len(a), 0);
        stores.set(t, &[Value::Long(1)], &text("longer than eight")).unwrap();
        assert_eq!(stores.get(t, &[Value::Long(1)]), Ok(text("longer ")));
        stores.delete(n, &[]).unwrap();
        assert_eq!(stores.get(n, &[]), Ok(Value::Long(0)));
    }

    #[test]
    fn full_arrays_overflow_or_forget_the_oldest() {
        for wrap in [false, true] {
            let mut script = Script::default();
            let a = script.store("a", vec![Ty::Long], StoreTy::Long, true);
            script.ir.stores[0].max_entries = 3;
            script.ir.stores[0].sized = true;
            script.ir.stores[0].wrap = wrap;
            let Some(mut stores) = open(script) else { return };
            let mut results = Vec::new();
            for n in 0..4 {
                results.push(stores.set(a, &[Value::Long(n)], &Value::Long(n)));
            }
            let keys: Vec<_> = stores.elements(a).unwrap().into_iter().map(|e| e.keys[0].clone()).collect();
            if wrap {
                assert!(results.iter().all(Result::is_ok));
                assert_eq!(keys, [1, 2, 3].map(Value::Long));
            } else {
                assert_eq!(results[3], Err("Array overflow, check size limit (3)".to_owned()));
                assert_eq!(keys, [0, 1, 2].map(Value::Long));
                assert_eq!(stores.overflows, [1]);
            }
        }
    }

    #[test]
    fn statistics_merge_processors_and_user_samples() {
        let shape = StatShape { sum: true, min: true, max: true, hist: Some(HistShape::Log), ..StatShape::default() };
        let mut script = Script::default();
        let one = script.store("one", Vec::new(), StoreTy::Stat(shape.clone()), true);
        let many = script.store("many", vec![Ty::Long], StoreTy::Stat(shape), true);
        let Some(mut stores) = open(script) else { return };
        assert_eq!(stores.stat(one, &[]).unwrap().count, 0);
        for value in [1, 5, 9] {
            stores.accumulate(one, &[], value).unwrap();
            stores.accumulate(many, &[Value::Long(4)], value).unwrap();
        }
        // Every processor counted 2 samples of 100.
        let layout = stores.store(many).unwrap().clone();
        let ValueLayout::Stat(stat) = &layout.value else { panic!() };
        let mut slot = stat.empty();
        for value in [100, 100] {
            slot.add(&stat.shape, value);
        }
        let all = stat.encode_one(1, &slot).repeat(n_possible_cpus());
        stores.map(many).unwrap().update(&4i64.to_le_bytes(), &all, Update::Any).unwrap();
        let merged = stores.stat(many, &[Value::Long(4)]).unwrap();
        let n = 2 * n_possible_cpus() as i64;
        assert_eq!((merged.count, merged.sum, merged.min, merged.max), (3 + n, 15 + 100 * n, 1, 100));
        assert_eq!(merged.log[HistShape::Log.bucket(100)], n as u64);
        assert_eq!(stores.stat(one, &[]).unwrap().sum, 15);
        let elements = stores.elements(many).unwrap();
        assert_eq!((elements.len(), &elements[0].value), (1, &ElementValue::Stat(Box::new(merged))));
        stores.clear(many).unwrap();
        assert_eq!(stores.stat(many, &[Value::Long(4)]).unwrap().count, 0);
        stores.delete(one, &[]).unwrap();
        assert_eq!(stores.stat(one, &[]).unwrap().count, 0);
    }
}
