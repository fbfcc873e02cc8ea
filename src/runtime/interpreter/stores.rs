//! Where globals live, as the interpreter sees it: one door for the heap and for kernel maps.
//!
//! An array on the heap keeps its elements in a list as SystemTap does: new ones at the end, a sorted `foreach` leaves
//! its order behind, `%` gives the first one's room to a new one. langref "Arrays", "Array wrapping".

use std::collections::{BTreeMap, HashMap};

use tapdeck_ebpf::{
    ir::{Const, Program, StatShape, StoreDecl, StoreId, StoreTy},
    stats::{Merged, Stat},
};

use crate::builtins::Value;

/// Keys have the store's arity and types; strings are already cut to their capacity. Scalars have no keys. Errors are
/// script errors.
pub trait Stores {
    /// 0 or "" when it is not there.
    fn get(&self, store: StoreId, keys: &[Value]) -> Result<Value, String>;
    fn set(&mut self, store: StoreId, keys: &[Value], value: &Value) -> Result<(), String>;
    /// Adds atomically, creates the element; gives the value before.
    fn add(&mut self, store: StoreId, keys: &[Value], delta: i64) -> Result<i64, String>;
    fn contains(&self, store: StoreId, keys: &[Value]) -> Result<bool, String>;
    /// An element, or a scalar back to 0, "" or no samples.
    fn delete(&mut self, store: StoreId, keys: &[Value]) -> Result<(), String>;
    /// Every element of an array.
    fn clear(&mut self, store: StoreId) -> Result<(), String>;
    fn accumulate(&mut self, store: StoreId, keys: &[Value], value: i64) -> Result<(), String>;
    /// The statistic over all CPUs; one with a count of 0 when there is none.
    fn stat(&self, store: StoreId, keys: &[Value]) -> Result<Merged, String>;
    /// Every element of an array, oldest first where the store knows.
    fn elements(&self, store: StoreId) -> Result<Vec<Element>, String>;
    /// A sorted `foreach` puts the elements in this order, for later loops. Only stores with an order of their own care.
    fn reorder(&mut self, _store: StoreId, _sorted: &[Element]) {}
}

/// One element of an array at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub keys: Vec<Value>,
    pub value: ElementValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ElementValue {
    Plain(Value),
    Stat(Box<Merged>),
}

/// Globals in this process.
#[derive(Clone, Debug, Default)]
pub struct HeapStores {
    stores: Vec<HeapStore>,
}

#[derive(Clone, Debug)]
struct HeapStore {
    decl: StoreDecl,
    array: Array,
}

/// A scalar is an array with one element whose keys are empty.
#[derive(Clone, Debug, Default)]
struct Array {
    /// Place in the list by keys.
    places: HashMap<Vec<Value>, u64>,
    /// The list; places only grow.
    list: BTreeMap<u64, (Vec<Value>, Cell)>,
    next: u64,
}

#[derive(Clone, Debug)]
enum Cell {
    Plain(Value),
    Stat(Stat),
}

impl HeapStores {
    /// Every store of the program, at its start value.
    pub fn new(program: &Program) -> Self {
        let stores = program.stores.iter().map(|decl| HeapStore { decl: decl.clone(), array: Array::default() });
        let mut all = Self { stores: stores.collect() };
        (0..all.stores.len()).for_each(|idx| all.reset(StoreId(idx as u32)));
        all
    }

    /// Back to the start value.
    pub fn reset(&mut self, store: StoreId) {
        let HeapStore { decl, array } = &mut self.stores[store.index()];
        *array = Array::default();
        let value = match &decl.init {
            Some(Const::Long(n)) => Value::Long(*n),
            Some(Const::Str(text)) => Value::Str(text.clone()),
            None => return,
        };
        if decl.keys.is_empty() {
            array.insert(Vec::new(), Cell::Plain(value));
        }
    }

    /// Inserts refused or elements recycled are the caller's to count; this is how many there are now.
    pub fn len(&self, store: StoreId) -> usize {
        self.stores[store.index()].array.list.len()
    }

    pub fn is_empty(&self, store: StoreId) -> bool {
        self.len(store) == 0
    }

    fn store(&self, store: StoreId) -> &HeapStore {
        &self.stores[store.index()]
    }
}

impl HeapStore {
    fn shape(&self) -> Option<&StatShape> {
        match &self.decl.value {
            StoreTy::Stat(shape) => Some(shape),
            _ => None,
        }
    }

    fn zero(&self) -> Value {
        match self.decl.value {
            StoreTy::Str { .. } | StoreTy::Packed { .. } => Value::Str(Vec::new()),
            _ => Value::Long(0),
        }
    }

    /// The element, made at the end of the list when it is new.
    fn entry(&mut self, keys: &[Value]) -> Result<&mut Cell, String> {
        if !self.array.places.contains_key(keys) {
            let full = !self.decl.keys.is_empty() && self.array.list.len() >= self.decl.max_entries as usize;
            if full && !self.decl.wrap {
                return Err(self.decl.overflow_message());
            }
            if full && let Some((_, (oldest, _))) = self.array.list.pop_first() {
                self.array.places.remove(&oldest);
            }
            let cell = match self.shape() {
                Some(shape) => Cell::Stat(Stat::new(shape)),
                None => Cell::Plain(self.zero()),
            };
            self.array.insert(keys.to_vec(), cell);
        }
        let place = self.array.places[keys];
        Ok(&mut self.array.list.get_mut(&place).expect("places and list agree").1)
    }
}

impl Array {
    fn insert(&mut self, keys: Vec<Value>, cell: Cell) {
        self.places.insert(keys.clone(), self.next);
        self.list.insert(self.next, (keys, cell));
        self.next += 1;
    }

    fn get(&self, keys: &[Value]) -> Option<&Cell> {
        self.list.get(self.places.get(keys)?).map(|(_, cell)| cell)
    }
}

impl Stores for HeapStores {
    fn get(&self, store: StoreId, keys: &[Value]) -> Result<Value, String> {
        let store = self.store(store);
        Ok(match store.array.get(keys) {
            Some(Cell::Plain(value)) => value.clone(),
            _ => store.zero(),
        })
    }

    fn set(&mut self, store: StoreId, keys: &[Value], value: &Value) -> Result<(), String> {
        *self.stores[store.index()].entry(keys)? = Cell::Plain(value.clone());
        Ok(())
    }

    fn add(&mut self, store: StoreId, keys: &[Value], delta: i64) -> Result<i64, String> {
        let cell = self.stores[store.index()].entry(keys)?;
        let before = match cell {
            Cell::Plain(Value::Long(n)) => *n,
            _ => 0,
        };
        *cell = Cell::Plain(Value::Long(before.wrapping_add(delta)));
        Ok(before)
    }

    fn contains(&self, store: StoreId, keys: &[Value]) -> Result<bool, String> {
        Ok(self.store(store).array.places.contains_key(keys))
    }

    fn delete(&mut self, store: StoreId, keys: &[Value]) -> Result<(), String> {
        let array = &mut self.stores[store.index()].array;
        if let Some(place) = array.places.remove(keys) {
            array.list.remove(&place);
        }
        Ok(())
    }

    fn clear(&mut self, store: StoreId) -> Result<(), String> {
        self.stores[store.index()].array = Array::default();
        Ok(())
    }

    fn accumulate(&mut self, store: StoreId, keys: &[Value], value: i64) -> Result<(), String> {
        let store = &mut self.stores[store.index()];
        let Some(shape) = store.shape().cloned() else { return Ok(()) };
        if let Cell::Stat(stat) = store.entry(keys)? {
            stat.add(&shape, value);
        }
        Ok(())
    }

    fn stat(&self, store: StoreId, keys: &[Value]) -> Result<Merged, String> {
        let store = self.store(store);
        let Some(shape) = store.shape() else { return Ok(Merged::default()) };
        Ok(match store.array.get(keys) {
            Some(Cell::Stat(stat)) => Merged::of(shape, std::iter::once(stat)),
            _ => Merged::of(shape, std::iter::empty()),
        })
    }

    fn elements(&self, store: StoreId) -> Result<Vec<Element>, String> {
        let store = self.store(store);
        let element = |(keys, cell): &(Vec<Value>, Cell)| Element {
            keys: keys.clone(),
            value: match cell {
                Cell::Plain(value) => ElementValue::Plain(value.clone()),
                Cell::Stat(stat) => {
                    let shape = store.shape().cloned().unwrap_or_default();
                    ElementValue::Stat(Box::new(Merged::of(&shape, std::iter::once(stat))))
                }
            },
        };
        Ok(store.array.list.values().map(element).collect())
    }

    fn reorder(&mut self, store: StoreId, sorted: &[Element]) {
        let array = &mut self.stores[store.index()].array;
        let mut old = std::mem::take(array);
        for element in sorted {
            let cell = old.places.remove(&element.keys).and_then(|place| old.list.remove(&place));
            if let Some((keys, cell)) = cell {
                array.insert(keys, cell);
            }
        }
        // Elements the snapshot did not know keep their order behind it.
        for (keys, cell) in old.list.into_values() {
            array.insert(keys, cell);
        }
    }
}

/// Globals that event handlers touch live in kernel maps, the others on the heap.
pub struct CompositeStores<K> {
    /// By store: it lives in the kernel.
    in_kernel: Vec<bool>,
    pub heap: HeapStores,
    pub kernel: K,
}

impl<K: Stores> CompositeStores<K> {
    pub fn new(program: &Program, kernel: K) -> Self {
        let in_kernel = program.stores.iter().map(|decl| decl.in_kernel).collect();
        Self { in_kernel, heap: HeapStores::new(program), kernel }
    }

    fn at(&self, store: StoreId) -> &dyn Stores {
        if self.in_kernel[store.index()] { &self.kernel } else { &self.heap }
    }

    fn at_mut(&mut self, store: StoreId) -> &mut dyn Stores {
        if self.in_kernel[store.index()] { &mut self.kernel } else { &mut self.heap }
    }
}

impl<K: Stores> Stores for CompositeStores<K> {
    fn get(&self, store: StoreId, keys: &[Value]) -> Result<Value, String> {
        self.at(store).get(store, keys)
    }

    fn set(&mut self, store: StoreId, keys: &[Value], value: &Value) -> Result<(), String> {
        self.at_mut(store).set(store, keys, value)
    }

    fn add(&mut self, store: StoreId, keys: &[Value], delta: i64) -> Result<i64, String> {
        self.at_mut(store).add(store, keys, delta)
    }

    fn contains(&self, store: StoreId, keys: &[Value]) -> Result<bool, String> {
        self.at(store).contains(store, keys)
    }

    fn delete(&mut self, store: StoreId, keys: &[Value]) -> Result<(), String> {
        self.at_mut(store).delete(store, keys)
    }

    fn clear(&mut self, store: StoreId) -> Result<(), String> {
        self.at_mut(store).clear(store)
    }

    fn accumulate(&mut self, store: StoreId, keys: &[Value], value: i64) -> Result<(), String> {
        self.at_mut(store).accumulate(store, keys, value)
    }

    fn stat(&self, store: StoreId, keys: &[Value]) -> Result<Merged, String> {
        self.at(store).stat(store, keys)
    }

    fn elements(&self, store: StoreId) -> Result<Vec<Element>, String> {
        self.at(store).elements(store)
    }

    fn reorder(&mut self, store: StoreId, sorted: &[Element]) {
        self.at_mut(store).reorder(store, sorted);
    }
}

/// No globals at all: for pure functions.
pub(super) struct NoStores;

const PURE: &str = "a pure function touched a global";

impl Stores for NoStores {
    fn get(&self, _: StoreId, _: &[Value]) -> Result<Value, String> {
        Err(PURE.to_owned())
    }
    fn set(&mut self, _: StoreId, _: &[Value], _: &Value) -> Result<(), String> {
        Err(PURE.to_owned())
    }
    fn add(&mut self, _: StoreId, _: &[Value], _: i64) -> Result<i64, String> {
        Err(PURE.to_owned())
    }
    fn contains(&self, _: StoreId, _: &[Value]) -> Result<bool, String> {
        Err(PURE.to_owned())
    }
    fn delete(&mut self, _: StoreId, _: &[Value]) -> Result<(), String> {
        Err(PURE.to_owned())
    }
    fn clear(&mut self, _: StoreId) -> Result<(), String> {
        Err(PURE.to_owned())
    }
    fn accumulate(&mut self, _: StoreId, _: &[Value], _: i64) -> Result<(), String> {
        Err(PURE.to_owned())
    }
    fn stat(&self, _: StoreId, _: &[Value]) -> Result<Merged, String> {
        Err(PURE.to_owned())
    }
    fn elements(&self, _: StoreId) -> Result<Vec<Element>, String> {
        Err(PURE.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use tapdeck_ebpf::ir::Ty;

    use super::*;

    const A: StoreId = StoreId(0);

    fn array(max_entries: u32, wrap: bool) -> HeapStores {
        let decl = StoreDecl {
            name: "a".into(),
            keys: vec![Ty::Long],
            value: StoreTy::Long,
            max_entries,
            sized: true,
            wrap,
            init: None,
            in_kernel: false,
        };
        HeapStores::new(&Program { stores: vec![decl], ..Program::default() })
    }

    fn keys(stores: &HeapStores) -> Vec<i64> {
        let elements = stores.elements(A).unwrap();
        elements.iter().map(|e| if let Value::Long(n) = e.keys[0] { n } else { panic!() }).collect()
    }

    fn set(stores: &mut HeapStores, key: i64) -> Result<(), String> {
        stores.set(A, &[Value::Long(key)], &Value::Long(key * 10))
    }

    #[test]
    fn keeps_insertion_order_and_overflows() {
        let mut a = array(3, false);
        for key in [5, 1, 3, 1] {
            set(&mut a, key).unwrap();
        }
        assert_eq!(keys(&a), [5, 1, 3]);
        assert_eq!(set(&mut a, 9).unwrap_err(), "Array overflow, check size limit (3)");
        a.delete(A, &[Value::Long(5)]).unwrap();
        set(&mut a, 9).unwrap();
        assert_eq!(keys(&a), [1, 3, 9]);
    }

    #[test]
    fn wraps_at_the_head_of_the_list() {
        let mut a = array(2, true);
        for key in [1, 2, 1, 3] {
            set(&mut a, key).unwrap();
        }
        assert_eq!(keys(&a), [2, 3]);
        let mut sorted = a.elements(A).unwrap();
        sorted.reverse();
        a.reorder(A, &sorted);
        set(&mut a, 4).unwrap();
        assert_eq!(keys(&a), [2, 4]);
    }

    #[test]
    fn reading_creates_nothing() {
        let mut a = array(2, false);
        assert_eq!(a.get(A, &[Value::Long(1)]), Ok(Value::Long(0)));
        assert!(a.is_empty(A));
        assert_eq!(a.add(A, &[Value::Long(1)], 4), Ok(0));
        assert_eq!(a.add(A, &[Value::Long(1)], -1), Ok(4));
        assert_eq!(a.get(A, &[Value::Long(1)]), Ok(Value::Long(3)));
    }
}
