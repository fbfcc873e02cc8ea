//! The table in front of an array, see [`crate::layout::front`]: finding a key's slot without a call, and taking one.

use super::emit::*;
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
        self.first_slot(slot, keys, none);
        for i in 0..PROBES {
            if i > 0 {
                self.asm.add_imm(R3, slot.front.slot_size as i32);
            }
            self.asm.load(Size::DW, R2, R3, 0);
            self.asm.jump_if(Cond::Eq, R2, R1, slot.hit);
        }
        self.asm.bind(none);
        Some(slot)
    }

    /// Gives the key a free slot if there is one near its home. Falls through or goes to `done`.
    pub fn take_slot(&mut self, slot: Slot, keys: &[Arg], done: Label) {
        self.first_slot(slot, keys, done);
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

    /// r1 = the stamp word of the key's slots, r3 = the first place for one; or to `none`.
    fn first_slot(&mut self, slot: Slot, keys: &[Arg], none: Label) {
        let front = slot.front;
        let key = match keys.first() {
            Some(Arg::Long(key)) => *key,
            _ => Operand::Imm(0),
        };
        if front.per_cpu {
            self.asm.call(helpers::GET_SMP_PROCESSOR_ID);
            self.asm.jump_if_imm(Cond::Ge, R0, self.shared.target.n_cpus.max(1) as i32, none);
            self.asm.alu_imm(Alu::Mul, R0, front.region_size() as i32);
        }
        self.long(R1, key);
        self.asm.add_imm(R1, KEY_BIAS as i32);
        self.asm.jump_if_imm(Cond::Lt, R1, KEY_BIAS as i32, none);
        self.asm.mov_imm(R2, SPREAD as i64);
        self.asm.alu(Alu::Mul, R2, R1);
        self.asm.alu_imm(Alu::Rsh, R2, front.shift() as i32);
        self.asm.alu_imm(Alu::Mul, R2, front.slot_size as i32);
        if front.per_cpu {
            self.asm.alu(Alu::Add, R2, R0);
        }
        let map = self.shared.front(slot.store, front);
        self.asm.map_value(R3, map, 0);
        self.asm.alu(Alu::Add, R3, R2);
    }
}
