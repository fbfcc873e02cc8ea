//! The sending end of the ring of records, [`crate::layout::ring`].

use super::{emit::*, errors::StubKind, frame::*};
use crate::{
    isa::*,
    layout::{control, counters, ring},
};

/// `BPF_RB_FORCE_WAKEUP`.
const FORCE_WAKEUP: u32 = 2;

/// Bytes of a record, its head included: a multiple of 8.
#[derive(Clone, Copy)]
pub enum RecordSize {
    Fixed(u32),
    /// In this slot of the stack, and never more than `most`.
    InSlot {
        slot: i16,
        most: u32,
    },
}

impl RecordSize {
    fn most(self) -> u32 {
        match self {
            RecordSize::Fixed(size) => size,
            RecordSize::InSlot { most, .. } => most,
        }
    }
}

/// When user space is to look at a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// With the others, a few milliseconds later.
    None,
    /// At once: an error, the end.
    Now,
}

/// What a record that finds no room counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Record,
    /// Statements that were to run in user space: too many of them end the session.
    Statements,
}

impl Emitter<'_, '_> {
    /// A place that counts a loss and comes back to `then`.
    pub fn lost(&mut self, loss: Loss, then: Label) -> Label {
        match loss {
            Loss::Record => self.count_and(counters::RING_DROPS, then),
            Loss::Statements => self.stub(None, StubKind::Undone { then }),
        }
    }

    /// r0 = where a record of that size goes; to `full` when there is no room. Uses r1-r5.
    pub fn take_record(&mut self, size: RecordSize, full: Label) {
        let again = self.asm.label();
        let ring = self.shared.ring(size.most());
        let bytes = self.shared.ring_bytes();
        self.asm.map_value(R1, ring, ring::TAKEN);
        let may_goto = self.shared.target.may_goto;
        if !may_goto {
            self.asm.mov_imm(R4, ring::ATTEMPTS.into());
        }
        self.asm.load(Size::DW, R0, R1, 0);
        self.asm.bind(again);
        match size {
            RecordSize::Fixed(size) => self.asm.mov_imm(R2, size.into()),
            RecordSize::InSlot { slot, .. } => self.asm.load(Size::DW, R2, R10, slot),
        }
        self.asm.alu(Alu::Add, R2, R0);
        self.asm.load(Size::DW, R3, R1, ring::GIVEN as i16);
        self.asm.add_imm(R3, bytes as i32);
        self.asm.alu(Alu::Sub, R3, R2);
        self.asm.jump_if_imm(Cond::SLt, R3, 0, full);
        self.asm.mov(R5, R0);
        self.asm.atomic(AtomicOp::CompareExchange, R1, 0, R2);
        // Another processor may have been faster. The verifier follows every round it can count; after the way without one,
        // so that each of them ends where it has been.
        let beaten = self.stub(None, StubKind::Beaten { again, full });
        self.asm.jump_if(Cond::Ne, R0, R5, beaten);
        self.asm.alu_imm(Alu::And, R0, bytes as i32 - 1);
        self.asm.map_value(R1, ring, ring::DATA);
        self.asm.alu(Alu::Add, R0, R1);
    }

    /// Finishes the record in r0 with the head in r1. Uses r0-r5.
    pub fn finish_record(&mut self, haste: Haste) {
        if self.shared.target.stores_in_order {
            self.asm.store(Size::DW, R0, 0, R1);
        } else {
            // An exchange is a full barrier: what was stored before it is seen before it.
            self.asm.atomic(AtomicOp::Xchg, R0, 0, R1);
        }
        match haste {
            Haste::Now => self.wake(),
            Haste::None => {
                let awake = self.asm.label();
                let control = self.shared.control();
                self.asm.map_value(R3, control, control::ASLEEP);
                self.asm.load(Size::W, R2, R3, 0);
                let asleep = self.stub(None, StubKind::Wake { then: awake });
                self.asm.jump_if_imm(Cond::Ne, R2, 0, asleep);
                self.asm.bind(awake);
            }
        }
    }

    /// Rings for the reader. Uses r0-r5.
    pub fn wake(&mut self) {
        let (control, waker) = (self.shared.control(), self.shared.waker());
        // Once is enough.
        self.asm.map_value(R3, control, control::ASLEEP);
        self.asm.store_imm(Size::W, R3, 0, 0);
        self.asm.store_imm(Size::DW, R10, TMP0, 0);
        self.asm.map(R1, waker);
        self.asm.mov(R2, R10);
        self.asm.add_imm(R2, TMP0.into());
        self.asm.mov_imm(R3, 8);
        self.asm.mov_imm(R4, FORCE_WAKEUP.into());
        // A full one was rung already and not heard yet.
        self.asm.call(helpers::RINGBUF_OUTPUT);
    }

    /// Sends a record that was put together elsewhere, the size in its head still 0; counts it when there is no room.
    /// Uses r0-r5.
    pub fn send(&mut self, mem: Mem, size: RecordSize, haste: Haste) {
        self.send_or_count(mem, size, haste, Loss::Record);
    }

    /// The same; what is lost counts there.
    pub fn send_or_count(&mut self, mem: Mem, size: RecordSize, haste: Haste, loss: Loss) {
        let done = self.asm.label();
        let full = self.lost(loss, done);
        self.take_record(size, full);
        if size.most() > 8 {
            self.asm.store(Size::DW, R10, TMP0, R0);
            self.asm.mov(R1, R0);
            self.asm.add_imm(R1, 8);
            match size {
                RecordSize::Fixed(size) => self.asm.mov_imm(R2, i64::from(size) - 8),
                RecordSize::InSlot { slot, most } => {
                    self.asm.load(Size::DW, R2, R10, slot);
                    self.asm.add_imm(R2, -8);
                    // In a loop of the script the verifier forgets over the loop above what it knew of the slot.
                    let fits = self.asm.label();
                    self.asm.jump_if_imm(Cond::Le, R2, most as i32 - 8, fits);
                    self.asm.mov_imm(R2, i64::from(most) - 8);
                    self.asm.bind(fits);
                }
            }
            self.address(R3, mem.at(8));
            self.asm.call(helpers::PROBE_READ_KERNEL);
            self.asm.load(Size::DW, R0, R10, TMP0);
        }
        let (base, off) = self.base(mem, R2);
        self.asm.load(Size::DW, R1, base, off);
        match size {
            RecordSize::Fixed(size) => self.asm.mov_imm(R2, i64::from(size) << 8),
            RecordSize::InSlot { slot, .. } => {
                self.asm.load(Size::DW, R2, R10, slot);
                self.asm.alu_imm(Alu::Lsh, R2, 8);
            }
        }
        self.asm.alu(Alu::Or, R1, R2);
        self.finish_record(haste);
        self.asm.bind(done);
    }
}
