//! Arrays declared with `%`: the element inserted first makes room.
//!
//! Beside the hash lies a ring of keys in insertion order, and two running numbers:
//!
//! ```text
//!   turns   u64 next   where the next inserted key is written (modulo the ring's length)
//!           u64 oldest where the search for the oldest key goes on
//!   order[] key, key, key …
//! ```
//! A slot may name an element deleted meanwhile; then deleting it again does nothing and the next slot is tried.

use super::{arrays::E2BIG, emit::*, frame::*, maps};
use crate::{ir::*, isa::*, layout::StoreLayout, object::MapIndex};

/// How many stale slots one insert skips before it gives up.
const TRIES: usize = 8;
const NEXT: i16 = 0;
const OLDEST: i16 = 8;

impl Emitter<'_, '_> {
    /// After an insert that gave r0. r0 = the result of the last try.
    pub fn wrap(&mut self, store: StoreId, layout: &StoreLayout, map: MapIndex, key: Mem, value: Mem) {
        let entries = self.shared.program.stores[store.index()].max_entries.max(1);
        let slots = entries.saturating_mul(2).next_power_of_two();
        let turns = self.shared.internal(format!("turns{}", store.0), maps::ARRAY, 4, 16, 1, 0);
        let order = self.shared.internal(format!("order{}", store.0), maps::ARRAY, 4, layout.key.size.max(8), slots, 0);
        let (inserted, done) = (self.asm.label(), self.asm.label());
        for _ in 0..TRIES {
            self.asm.jump_if_imm(Cond::Eq, R0, 0, inserted);
            self.asm.jump_if_imm(Cond::Ne, R0, E2BIG, done);
            let unknown = self.asm.label();
            self.turn(turns, OLDEST, slots);
            self.slot(order);
            self.asm.jump_if_imm(Cond::Eq, R0, 0, unknown);
            self.asm.mov(R2, R0);
            self.asm.map(R1, map);
            self.asm.call(helpers::MAP_DELETE_ELEM);
            self.asm.bind(unknown);
            self.insert(map, key, value);
        }
        self.asm.jump_if_imm(Cond::Ne, R0, 0, done);
        self.asm.bind(inserted);
        self.turn(turns, NEXT, slots);
        self.slot(order);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
        self.copy_to_slot(key, layout.key.size);
        self.asm.mov_imm(R0, 0);
        self.asm.bind(done);
    }

    /// TMP0 = the next of a running number, within the ring.
    fn turn(&mut self, turns: MapIndex, at: i16, slots: u32) {
        self.asm.map_value(R1, turns, 0);
        self.asm.mov_imm(R2, 1);
        self.asm.atomic(AtomicOp::FetchAdd, R1, at, R2);
        self.asm.alu_imm(Alu::And, R2, (slots - 1) as i32);
        self.asm.store(Size::DW, R10, TMP0, R2);
    }

    /// r0 = the slot TMP0 names.
    fn slot(&mut self, order: MapIndex) {
        self.asm.mov(R2, R10);
        self.asm.add_imm(R2, TMP0.into());
        self.asm.map(R1, order);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
    }

    fn copy_to_slot(&mut self, key: Mem, size: u32) {
        if size <= 64 {
            let (from, off) = self.base(key, R3);
            for i in (0..size as i16).step_by(8) {
                self.asm.load(Size::DW, R4, from, off + i);
                self.asm.store(Size::DW, R0, i, R4);
            }
        } else {
            self.asm.mov(R1, R0);
            self.asm.mov_imm(R2, size.into());
            self.address(R3, key);
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
    }
}
