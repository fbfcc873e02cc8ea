//! The bytes both sides agree on: what programs write and user space reads, or the other way round.
//!
//! Everything is little-endian; offsets are in bytes. [`Layout::of`] works it all out from the IR program, so the code
//! generator and the session never exchange anything but the program itself.

pub mod control;
pub mod counters;
pub mod front;
pub mod key;
pub mod record;
pub mod ring;
pub mod stat;
pub mod times;
pub mod value;

use crate::ir::{Const, InputTy, Program, StatShape, StoreId, StoreTy, Ty};
pub use control::ControlLayout;
pub use counters::CounterLayout;
pub use front::FrontLayout;
pub use key::KeyLayout;
pub use stat::StatLayout;
pub use value::{Element, ValueLayout};

/// A long or a string outside of programs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Datum {
    Long(i64),
    Str(Vec<u8>),
}

/// Where everything of one session lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub control: ControlLayout,
    pub counters: CounterLayout,
    /// By store; `None` for those the interpreter keeps.
    pub stores: Vec<Option<StoreLayout>>,
    /// Size of the one element of the scalars' map; 0 when there is none.
    pub scalars_size: u32,
}

/// One store in the kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreLayout {
    pub store: StoreId,
    pub place: Place,
    pub key: KeyLayout,
    pub value: ValueLayout,
    /// The table in front of the hash, [`crate::object::MapRole::Front`].
    pub front: Option<FrontLayout>,
}

/// What kind of map holds a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the one element of [`crate::object::MapRole::Scalars`], at this byte.
    Scalar { offset: u32 },
    /// An array of longs or strings: a hash, [`crate::object::MapRole::Store`].
    Hash,
    /// An array of statistics: a per-CPU hash.
    PerCpuHash,
    /// One statistic: a per-CPU array of one element, key 0.
    PerCpuArray,
}

impl Layout {
    /// `live_histograms` as in [`crate::codegen::Target`].
    pub fn of(program: &Program, live_histograms: bool) -> Layout {
        let n_probes = program.handlers.iter().map(|h| h.probe + 1).max().unwrap_or(0);
        let mut scalars_size = 0;
        let may_have_front = front::allowed(program);
        let stores: Vec<_> = program
            .stores
            .iter()
            .enumerate()
            .map(|(i, decl)| {
                if !decl.in_kernel {
                    return None;
                }
                let is_array = !decl.keys.is_empty();
                let value = match &decl.value {
                    StoreTy::Long => ValueLayout::Long { stamped: is_array },
                    StoreTy::Str { cap } => ValueLayout::Str { stamped: is_array, cap: *cap },
                    StoreTy::Packed { cap, plain } => {
                        let room = match program.print_sites.get(plain.index()).map(|site| site.inputs.as_slice()) {
                            Some([InputTy::Str { cap }]) => *cap,
                            _ => 8,
                        };
                        ValueLayout::Packed { stamped: is_array, cap: *cap, plain: (*plain, room) }
                    }
                    StoreTy::Stat(shape) => ValueLayout::Stat(StatLayout::of(shape, live_histograms)),
                };
                let place = match (&decl.value, is_array) {
                    (StoreTy::Stat(_), true) => Place::PerCpuHash,
                    (StoreTy::Stat(_), false) => Place::PerCpuArray,
                    (_, true) => Place::Hash,
                    (_, false) => {
                        let offset = scalars_size;
                        scalars_size += value.size();
                        Place::Scalar { offset }
                    }
                };
                let front = if may_have_front[i] { FrontLayout::of(decl, &value) } else { None };
                Some(StoreLayout { store: StoreId(i as u32), place, key: KeyLayout::of(&decl.keys), value, front })
            })
            .collect();
        Layout {
            control: ControlLayout { n_probes },
            counters: CounterLayout { n_probes, n_stores: program.stores.len() as u32 },
            stores,
            scalars_size,
        }
    }

    /// The start content of the scalars' element.
    pub fn initial_scalars(&self, program: &Program) -> Vec<u8> {
        let mut bytes = vec![0; self.scalars_size as usize];
        for (layout, decl) in self.stores.iter().zip(&program.stores) {
            if let (Some(StoreLayout { place: Place::Scalar { offset }, value, .. }), Some(init)) = (layout, &decl.init)
            {
                let datum = match init {
                    Const::Long(n) => Datum::Long(*n),
                    Const::Str(s) => Datum::Str(s.clone()),
                };
                let at = *offset as usize;
                bytes[at..at + value.size() as usize].copy_from_slice(&value.encode(0, &datum));
            }
        }
        bytes
    }
}

/// Whether a statistic keeps nothing but its count.
pub fn counts_only(shape: &StatShape) -> bool {
    *shape == StatShape::default()
}

/// Size of a type in keys and values: 8, or a string's capacity.
pub fn size_of(ty: Ty) -> u32 {
    match ty {
        Ty::Long => 8,
        Ty::Str { cap } | Ty::Packed { cap } => cap.into(),
    }
}

/// Writes a string as programs keep it: cut to `cap - 1`, then zeros.
pub(crate) fn put_str(out: &mut [u8], text: &[u8]) {
    let text = until_nul(text);
    let n = text.len().min(out.len().saturating_sub(1));
    out[..n].copy_from_slice(&text[..n]);
    out[n..].fill(0);
}

/// The text before the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len())]
}

/// Eight bytes at `at`; 0 past the end.
pub(crate) fn long_at(bytes: &[u8], at: u32) -> i64 {
    let at = at as usize;
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes)
}

/// Four bytes at `at`; 0 past the end.
pub(crate) fn word_at(bytes: &[u8], at: u32) -> u32 {
    let at = at as usize;
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}
