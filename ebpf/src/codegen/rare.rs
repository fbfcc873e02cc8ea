//! What seldom happens, in functions of its own at the end of a program. They are global functions: the verifier looks at
//! each of them once, whoever calls it, and goes on behind a call knowing nothing but that a number came back. Where the
//! same instructions stood in every handler it walked them again for each way that led there, and that was most of the
//! time a script of many probes took to load.

use super::{
    arrays::E2BIG,
    emit::*,
    frame::*,
    sending::{Haste, RecordSize},
};
use crate::{
    ir::StoreId,
    isa::*,
    layout::{
        Layout, Place, StoreLayout, control, counters,
        record::{self, ErrorCode},
        ring,
    },
    object::btf::FunctionKind,
};

/// Bytes of stack such a function may use: callers have the other 480 of 512.
const STACK: i16 = -TMP0;
const _: () = assert!(STACK <= 32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rare {
    /// Sends an error record and does what [`Rare::Failed`] does. r1: the code; r2: what goes to
    /// [`record::ERROR_DETAIL`]; r3: to [`record::ERROR_ARGUMENT`]; r4: to [`record::ERROR_HANDLER`]; 8 bytes each.
    /// Of a full array r3 is what its insert gave; when that was another refusal it is counted, and nothing failed: r0 = 0.
    Report,
    /// Counts a failed handler; too many end the session.
    Failed,
    /// Counts statements that will not run; too many end the session.
    Undone,
    /// One more in this processor's counter at r1.
    Count,
    /// Wakes the reader of records.
    Wake,
    /// r0 = the address of the current task, which is remembered. r1: of its stack.
    FindTask,
    /// r0 = 0 when the r2 bytes (8 at most) at the kernel's address r1 can be read.
    CanRead,
    /// Where in the [front](crate::layout::front) of an array the slot of a key is that is not at its home. r1: the stamp
    /// word of the key's slots; r2: where its home is.
    FindSlot(StoreId),
    /// Gives the key in r1 a slot if there is one.
    TakeSlot(StoreId),
    /// Makes an element for the key at r1: of a number that is r2, or grows by it where there is one meanwhile; of a
    /// statistic without samples. r0 = 0 or what the insert gave.
    Insert(StoreId),
}

impl Rare {
    /// What its name ends in.
    pub fn name(self) -> &'static str {
        match self {
            Rare::Report => "report",
            Rare::Failed => "failed",
            Rare::Undone => "undone",
            Rare::Count => "count",
            Rare::Wake => "wake",
            Rare::FindTask => "find_task",
            Rare::CanRead => "can_read",
            Rare::FindSlot(_) => "find_slot",
            Rare::TakeSlot(_) => "take_slot",
            Rare::Insert(_) => "insert",
        }
    }

    pub fn kind(self, layout: &Layout) -> FunctionKind {
        FunctionKind::Global(match self {
            Rare::Report => 4,
            Rare::FindSlot(_) | Rare::CanRead => 2,
            Rare::Count | Rare::FindTask | Rare::TakeSlot(_) => 1,
            Rare::Failed | Rare::Undone | Rare::Wake => 0,
            Rare::Insert(store) => {
                let store = layout.stores[store.index()].as_ref();
                return FunctionKind::Keyed(store.map_or(8, |store| store.key.size));
            }
        })
    }
}

impl Emitter<'_, '_> {
    /// Calls it: r0-r5 are gone after that.
    pub fn call_rare(&mut self, what: Rare) {
        let label = match self.rare.iter().find(|(other, _)| *other == what) {
            Some((_, label)) => *label,
            None => {
                let label = self.asm.label();
                self.rare.push((what, label));
                label
            }
        };
        self.asm.call_function(label);
    }

    /// Appends the functions somebody calls; gives where each starts, how its name ends and what it is.
    pub fn rare_functions(&mut self) -> Vec<(Label, &'static str, FunctionKind)> {
        let mut placed = Vec::new();
        for (what, label) in std::mem::take(&mut self.rare) {
            self.asm.bind(label);
            placed.push((label, what.name(), what.kind(&self.shared.layout)));
            let end = self.asm.label();
            match what {
                Rare::Report => self.report(end),
                Rare::Failed => self.failed(end),
                Rare::Undone => {
                    self.count(counters::UNDONE);
                    self.count_towards(control::UNDONE, control::MAX_UNDONE, control::TOO_MANY_UNDONE, end);
                }
                Rare::Count => {
                    self.asm.mov(R6, R1);
                    self.counters_into_r0(end);
                    self.count_at(R6, end);
                }
                Rare::Wake => self.wake(),
                Rare::FindTask => {
                    self.find_task();
                    continue;
                }
                Rare::CanRead => {
                    self.asm.mov(R3, R1);
                    // The verifier is shown that they fit the stack, and before 6.3 something has to be there.
                    self.asm.alu_imm(Alu::And, R2, 15);
                    self.asm.store_imm(Size::DW, R10, TMP0, 0);
                    self.asm.store_imm(Size::DW, R10, TMP0 + 8, 0);
                    self.asm.mov(R1, R10);
                    self.asm.add_imm(R1, TMP0.into());
                    self.asm.call(helpers::PROBE_READ_KERNEL);
                    self.asm.exit();
                    continue;
                }
                Rare::FindSlot(store) => {
                    self.find_other_slot(store);
                    continue;
                }
                Rare::TakeSlot(store) => self.take_free_slot(store, end),
                Rare::Insert(store) => self.insert_at_call(store, end),
            }
            self.asm.bind(end);
            self.asm.mov_imm(R0, 0);
            self.asm.exit();
            self.collected_stubs();
        }
        placed
    }

    fn report(&mut self, end: Label) {
        let (full, counted) = (self.asm.label(), self.asm.label());
        for (kept, given) in [(R6, R1), (R7, R2), (R8, R3), (R9, R4)] {
            self.asm.mov(kept, given);
        }
        // What may be a refusal comes back with less to know, so the verifier ends where it has been.
        let (refusal, error) = (self.asm.label(), self.asm.label());
        let is_array = |store: &StoreLayout| matches!(store.place, Place::Hash | Place::PerCpuHash);
        let has_arrays = self.shared.layout.stores.iter().flatten().any(is_array);
        if has_arrays {
            self.asm.jump_if_imm(Cond::Eq, R6, ErrorCode::ArrayOverflow as i32, refusal);
            self.asm.bind(error);
        }
        self.skip_untold(counted);
        self.take_record(RecordSize::Fixed(record::ERROR_TEXT), full);
        self.asm.store(Size::DW, R0, record::ERROR_DETAIL as i16, R7);
        self.asm.store(Size::DW, R0, record::ERROR_HANDLER as i16, R9);
        self.asm.store(Size::DW, R0, record::ERROR_ARGUMENT as i16, R8);
        self.asm.mov(R1, R6);
        self.asm.alu_imm(Alu::Lsh, R1, 32);
        self.asm.alu_imm(Alu::Or, R1, ring::head(record::ERROR, record::ERROR_TEXT, 0) as i32);
        self.finish_record(Haste::Now);
        self.asm.jump(counted);
        self.asm.bind(full);
        self.count(counters::RING_DROPS);
        self.asm.bind(counted);
        let over = self.asm.label();
        self.failed(over);
        self.asm.bind(over);
        self.asm.mov_imm(R0, 1);
        self.asm.exit();
        if has_arrays {
            self.asm.bind(refusal);
            self.count_refusal(end);
            self.asm.jump(error);
        }
    }

    /// Counts a refused insert, with the arguments in r6 to r9; goes on when it is an error.
    fn count_refusal(&mut self, no_error: Label) {
        let (other, is_known, counted) = (self.asm.label(), self.asm.label(), self.asm.label());
        let layout = self.shared.layout.counters;
        self.asm.jump_if_imm(Cond::Ne, R8, E2BIG, other);
        // The store, 8 bytes for each.
        self.asm.mov(R8, R7);
        self.asm.alu_imm(Alu::Lsh, R8, 32);
        self.asm.alu_imm(Alu::Rsh, R8, 32 - 3);
        self.asm.add_imm(R8, layout.overflow(0) as i32);
        self.asm.jump(is_known);
        self.asm.bind(other);
        self.asm.mov_imm(R8, counters::LOST.into());
        self.asm.bind(is_known);
        self.counters_into_r0(counted);
        self.count_at(R8, counted);
        self.asm.bind(counted);
        self.asm.jump_if_imm(Cond::Eq, R8, counters::LOST as i32, no_error);
        self.asm.mov_imm(R8, 0);
    }

    /// One more in the counter that far into those at r0; `none` is only for the verifier.
    fn count_at(&mut self, counter: Reg, none: Label) {
        let most = self.shared.layout.counters.size() as i32 - 8;
        self.asm.alu_imm(Alu::And, counter, -8);
        self.asm.jump_if_imm(Cond::Gt, counter, most, none);
        self.asm.alu(Alu::Add, R0, counter);
        self.asm.mov_imm(R1, 1);
        self.asm.atomic(AtomicOp::Add, R0, 0, R1);
    }

    fn failed(&mut self, end: Label) {
        self.count(counters::ERRORS);
        self.count_towards(control::ERRORS, control::MAX_ERRORS, control::TOO_MANY_ERRORS, end);
    }
}
