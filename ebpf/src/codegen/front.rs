//! The table in front of an array, see [`crate::layout::front`]: finding a key's slot without a call, and taking one.

use super::{emit::*, rare::Rare};
use crate::{
    ir::*,
    isa::*,
    layout::{
        FrontLayout, StoreLayout,
        front::{KEY_BIAS, PROBES, SPREAD},
    },
};

/// A place where a key's slot is used.
#[derive(Clone, Copy)]
pub struct Slot {
    store: StoreId,
    front: FrontLayout,
    /// The key has a slot, its address is in r3.
    pub hit: Label,
}

impl Emitter<'_, '_> {
    /// Jumps to the hit when the key has a slot; otherwise, and without a front, goes on. Uses r0-r5.
    pub fn find_slot(&mut self, layout: &StoreLayout, keys: &[Arg]) -> Option<Slot> {
        let slot = Slot { store: layout.store, front: layout.front?, hit: self.asm.label() };
        let none = self.asm.label();
        self.home(slot.front, none, |e| e.key_into_r1(keys));
        self.slot_address(slot, R2);
        self.asm.load(Size::DW, R4, R3, 0);
        self.asm.jump_if(Cond::Eq, R4, R1, slot.hit);
        self.call_rare(Rare::FindSlot(slot.store));
        self.bounded(R0, slot, 1, none);
        self.slot_address(slot, R0);
        self.asm.jump(slot.hit);
        self.asm.bind(none);
        Some(slot)
    }

    /// Gives the key a free slot if there is one near its home. Uses r0-r5.
    pub fn take_slot(&mut self, slot: Slot, keys: &[Arg]) {
        self.key_into_r1(keys);
        self.call_rare(Rare::TakeSlot(slot.store));
    }

    /// [`Rare::FindSlot`]: r0 = where in the front the slot is, or something behind its end.
    pub fn find_other_slot(&mut self, store: StoreId) {
        let Some(slot) = self.slot_of(store) else { return };
        let (hit, none) = (self.asm.label(), self.asm.label());
        self.asm.mov(R0, R2);
        self.bounded(R2, slot, PROBES, none);
        self.slot_address(slot, R2);
        for _ in 1..PROBES {
            self.asm.add_imm(R0, slot.front.slot_size as i32);
            self.asm.add_imm(R3, slot.front.slot_size as i32);
            self.asm.load(Size::DW, R4, R3, 0);
            self.asm.jump_if(Cond::Eq, R4, R1, hit);
        }
        self.asm.bind(none);
        self.asm.mov_imm(R0, -1);
        self.asm.bind(hit);
        self.asm.exit();
    }

    /// [`Rare::TakeSlot`]: the key is in r1.
    pub fn take_free_slot(&mut self, store: StoreId, done: Label) {
        let Some(slot) = self.slot_of(store) else { return };
        self.asm.mov(R6, R1);
        self.home(slot.front, done, |e| e.asm.mov(R1, R6));
        self.slot_address(slot, R2);
        for i in 0..PROBES {
            if i > 0 {
                self.asm.add_imm(R3, slot.front.slot_size as i32);
            }
            let next = self.asm.label();
            self.asm.load(Size::DW, R2, R3, 0);
            self.asm.jump_if_imm(Cond::Ne, R2, 0, next);
            self.asm.mov_imm(R0, 0);
            self.asm.atomic(AtomicOp::CompareExchange, R3, 0, R1);
            self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
            // Somebody was faster, for the same key.
            self.asm.jump_if(Cond::Eq, R0, R1, done);
            self.asm.bind(next);
        }
    }

    fn slot_of(&mut self, store: StoreId) -> Option<Slot> {
        let front = self.shared.layout.stores.get(store.index())?.as_ref()?.front?;
        Some(Slot { store, front, hit: self.asm.label() })
    }

    /// Shows the verifier that so many slots lie between this offset and the front's end; or to `none`.
    fn bounded(&mut self, offset: Reg, slot: Slot, n_slots: u32, none: Label) {
        let last = slot.front.size(self.shared.target.n_cpus) - n_slots * slot.front.slot_size;
        self.asm.jump_if_imm(Cond::Gt, offset, last as i32, none);
        self.asm.alu_imm(Alu::And, offset, -8);
    }

    /// r3 = the slot that far into the front.
    fn slot_address(&mut self, slot: Slot, offset: Reg) {
        let map = self.shared.front(slot.store, slot.front);
        self.asm.map_value(R3, map, 0);
        self.asm.alu(Alu::Add, R3, offset);
    }

    fn key_into_r1(&mut self, keys: &[Arg]) {
        let key = match keys.first() {
            Some(Arg::Long(key)) => *key,
            _ => Operand::Imm(0),
        };
        self.long(R1, key);
    }

    /// r1 = the stamp word of the key's slots, r2 = how far into the front the first place for one is; or to `none`. `key`
    /// puts the key into r1.
    fn home(&mut self, front: FrontLayout, none: Label, key: impl Fn(&mut Self)) {
        if front.per_cpu {
            self.asm.call(helpers::GET_SMP_PROCESSOR_ID);
            self.asm.jump_if_imm(Cond::Ge, R0, self.shared.target.n_cpus.max(1) as i32, none);
            self.asm.alu_imm(Alu::Mul, R0, front.region_size() as i32);
        }
        key(self);
        self.asm.add_imm(R1, KEY_BIAS as i32);
        self.asm.jump_if_imm(Cond::Lt, R1, KEY_BIAS as i32, none);
        self.asm.mov_imm(R2, SPREAD as i64);
        self.asm.alu(Alu::Mul, R2, R1);
        self.asm.alu_imm(Alu::Rsh, R2, front.shift() as i32);
        self.asm.alu_imm(Alu::Mul, R2, front.slot_size as i32);
        if front.per_cpu {
            self.asm.alu(Alu::Add, R2, R0);
        }
    }
}
