//! `foreach` in the kernel: a callback copies the elements aside, then a loop walks the copies, oldest first.
//!
//! ```text
//!   per-CPU array of records, one range for each nesting level:   u64 stamp | key | value
//!   state, in scratch memory: see the constants
//! ```
//! The next element is the one with the least stamp after the last one's: short to verify, and fast for what an event
//! handler should walk. Differs from stap: arrays of more than 256 elements come in the hash's order.

use super::{GenerateError, arrays::ANY, emit::*, frame::*, maps, rounds::Step};
use crate::{
    ir::*,
    isa::*,
    layout::{Place, StoreLayout, ValueLayout, size_of},
    object::MapIndex,
};

/// Bytes of state for each iterator.
pub const STATE: u32 = 72;
/// Records copied.
const COPIED: i32 = 0;
/// Elements given so far.
const NEXT: i32 = 8;
const LIMIT: i32 = 16;
/// Stamp and index of the element given last.
const LAST_STAMP: i32 = 24;
const LAST: i32 = 32;
/// The search for the next one: the record looked at, the best so far.
const LOOKED_AT: i32 = 40;
const BEST: i32 = 48;
const BEST_STAMP: i32 = 56;
/// Of the next one that the slice lets through, as a callback found it: -1 for none.
const FOUND: i32 = 64;

/// Arrays up to this many elements are walked in order.
pub const ORDERED: i32 = 256;
/// Bytes before the key in a record.
const KEY: u32 = 8;

/// Where the nesting level is in scratch memory.
pub const LEVEL: i16 = 8;

/// A subprogram to append.
pub enum Callback {
    Collect {
        records: MapIndex,
        n_records: u32,
        key_size: u32,
        value_at: u32,
        value_size: u32,
        state: i32,
    },
    DeleteEach,
    /// A loop's.
    Round(Box<super::rounds::Pending>),
    /// What else is repeated, in the handler that wants it.
    Step(Box<HandlerCx>, Step),
}

/// A running iterator.
#[derive(Clone)]
pub struct IterCx {
    layout: StoreLayout,
    records: MapIndex,
    n_records: u32,
    state: Mem,
    slice: Vec<Option<Arg>>,
}

impl Emitter<'_, '_> {
    fn needs_for_each(&self) -> Result<(), GenerateError> {
        if self.shared.target.for_each_map_elem {
            return Ok(());
        }
        Err(self
            .error("going through an array in a kernel handler needs Linux 5.13; do it in a timer's or end's handler"))
    }

    /// `delete array`.
    pub fn clear(&mut self, store: StoreId) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        if matches!(layout.place, Place::Scalar { .. } | Place::PerCpuArray) {
            return self.delete(store, &[]);
        }
        self.needs_for_each()?;
        let map = self.shared.store(store);
        let callback = self.asm.label();
        self.callbacks.push((callback, Callback::DeleteEach));
        self.asm.map(R1, map);
        self.asm.function(R2, callback);
        self.asm.mov_imm(R3, 0);
        self.asm.mov_imm(R4, ANY);
        self.asm.call(helpers::FOR_EACH_MAP_ELEM);
        Ok(())
    }

    pub fn iter_begin(
        &mut self,
        iter: Iter,
        source: &IterSource,
        sort: Option<IterSort>,
        limit: Option<Operand>,
    ) -> Result<(), GenerateError> {
        let IterSource::Array { store, slice } = source else {
            return Err(self.error("foreach over a histogram needs a user-space handler, such as a timer's or end's"));
        };
        if sort.is_some() {
            return Err(self.error("a sorted foreach needs a user-space handler, such as a timer's or end's"));
        }
        self.needs_for_each()?;
        let layout = self.store_layout(*store)?;
        let map = self.shared.store(*store);
        let (value_at, value_size) = match &layout.value {
            ValueLayout::Stat(_) => (0, 0),
            value => (value.payload(), value.size() - value.payload()),
        };
        let limits = &self.shared.program.limits;
        let n_records = self.shared.program.stores[store.index()].max_entries.clamp(1, limits.max_action.max(1));
        let record = KEY + layout.key.size + value_size;
        let name = format!("it{}_{}", iter.0, store.0);
        let entries = n_records * maps::SCRATCH_LEVELS;
        let records = self.shared.internal(name, maps::PERCPU_ARRAY, 4, record, entries, 0);
        let state = self.cx.frame.iters.at((STATE * iter.0) as i32);
        let callback = self.asm.label();
        self.callbacks.push((
            callback,
            Callback::Collect { records, n_records, key_size: layout.key.size, value_at, value_size, state: state.off },
        ));
        let (base, off) = self.base(state, R2);
        self.asm.store_imm(Size::DW, base, off + COPIED as i16, 0);
        self.asm.store_imm(Size::DW, base, off + NEXT as i16, 0);
        self.asm.store_imm(Size::DW, base, off + LAST_STAMP as i16, 0);
        self.asm.store_imm(Size::DW, base, off + LAST as i16, -1);
        let limit = limit.unwrap_or(Operand::Imm(i64::MAX));
        let from = self.long_reg(limit, R1);
        self.asm.store(Size::DW, base, off + LIMIT as i16, from);
        self.asm.map(R1, map);
        self.asm.function(R2, callback);
        // The callback finds the scratch pointer in our frame.
        self.asm.mov(R3, self.fp);
        self.asm.add_imm(R3, SCRATCH.into());
        self.asm.mov_imm(R4, 0);
        self.asm.call(helpers::FOR_EACH_MAP_ELEM);
        let at = iter.index();
        if self.cx.iters.len() <= at {
            self.cx.iters.resize(at + 1, None);
        }
        self.cx.iters[at] = Some(IterCx { layout, records, n_records, state, slice: slice.clone() });
        Ok(())
    }

    /// Loads the next element, or goes to `done`.
    pub fn iter_next(
        &mut self,
        iter: Iter,
        keys: &[Var],
        value: Option<Var>,
        done: Block,
    ) -> Result<(), GenerateError> {
        let Some(cx) = self.cx.iters.get(iter.index()).cloned().flatten() else {
            return Err(self.error("an iterator was not begun"));
        };
        let done = self.cx.blocks[done.index()];
        let filters = cx.slice.iter().any(Option::is_some);
        if filters && !self.shared.target.may_goto {
            let (base, off) = self.base(cx.state, R2);
            self.asm.store_imm(Size::DW, base, off + FOUND as i16, -1);
            let searched = cx.clone();
            self.repeat(move |e, again, out| e.advance(&searched, again, out));
            let (base, off) = self.base(cx.state, R2);
            self.asm.load(Size::DW, R1, base, off + FOUND as i16);
            self.asm.jump_if_imm(Cond::Eq, R1, -1, done);
            self.copied_record(&cx, done);
        } else {
            let again = self.asm.label();
            self.asm.bind(again);
            if filters {
                self.asm.may_goto(done);
            }
            self.next_record(&cx, done);
            self.copied_record(&cx, done);
            self.skip_unless_wanted(&cx, again);
        }
        for ((at, ty), var) in cx.layout.key.parts.iter().zip(keys) {
            self.take(KEY + *at, *ty, *var);
        }
        if let Some(var) = value {
            match &cx.layout.value {
                ValueLayout::Long { .. } => self.take(KEY + cx.layout.key.size, Ty::Long, var),
                ValueLayout::Str { cap, .. } => self.take(KEY + cx.layout.key.size, Ty::Str { cap: *cap }, var),
                ValueLayout::Packed { cap, .. } => {
                    self.asm.store(Size::DW, R10, TMP1, R0);
                    self.take_packed(var, KEY + cx.layout.key.size, u32::from(*cap));
                    self.asm.load(Size::DW, R0, R10, TMP1);
                }
                ValueLayout::Stat(_) => return Err(self.error("a statistic has no value of its own")),
            }
        }
        Ok(())
    }

    /// r1 = index of the next record.
    fn next_record(&mut self, cx: &IterCx, done: Label) {
        let (base, off) = self.base(cx.state, R2);
        self.asm.load(Size::DW, R1, base, off + NEXT as i16);
        self.asm.load(Size::DW, R3, base, off + COPIED as i16);
        self.asm.jump_if(Cond::Ge, R1, R3, done);
        self.asm.load(Size::DW, R3, base, off + LIMIT as i16);
        self.asm.jump_if(Cond::SGe, R1, R3, done);
        self.asm.mov(R3, R1);
        self.asm.add_imm(R3, 1);
        self.asm.store(Size::DW, base, off + NEXT as i16, R3);
        if cx.layout.place == Place::Hash {
            self.choose(cx, done);
        }
    }

    /// r0 = record r1 of the iterator, or to `done`. Uses r1-r5.
    fn copied_record(&mut self, cx: &IterCx, done: Label) {
        self.asm.load(Size::DW, R3, self.fp, SCRATCH);
        self.asm.load(Size::DW, R3, R3, LEVEL);
        self.asm.alu_imm(Alu::Mul, R3, cx.n_records as i32);
        self.asm.alu(Alu::Add, R1, R3);
        self.asm.store(Size::DW, R10, TMP0, R1);
        self.asm.mov(R2, R10);
        self.asm.add_imm(R2, TMP0.into());
        self.asm.map(R1, cx.records);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
    }

    /// r1 = index of the oldest record not given yet; stays as it is when there are too many to look through.
    fn choose(&mut self, cx: &IterCx, done: Label) {
        let (look, chosen, many) = (self.asm.label(), self.asm.label(), self.asm.label());
        let (base, off) = self.base(cx.state, R2);
        let field = |at: i32| off + at as i16;
        self.asm.load(Size::DW, R3, base, field(COPIED));
        self.asm.jump_if_imm(Cond::Gt, R3, ORDERED, many);
        self.asm.store_imm(Size::DW, base, field(LOOKED_AT), 0);
        self.asm.store_imm(Size::DW, base, field(BEST), -1);
        if self.shared.target.may_goto {
            self.asm.bind(look);
            self.asm.may_goto(done);
            self.look(cx, look, chosen, done);
        } else {
            let cx = cx.clone();
            self.repeat(move |e, again, out| e.look(&cx, again, out, out));
        }
        self.asm.bind(chosen);
        let (base, _) = self.base(cx.state, R2);
        self.asm.load(Size::DW, R1, base, field(BEST));
        self.asm.jump_if_imm(Cond::Eq, R1, -1, done);
        self.asm.store(Size::DW, base, field(LAST), R1);
        self.asm.load(Size::DW, R3, base, field(BEST_STAMP));
        self.asm.store(Size::DW, base, field(LAST_STAMP), R3);
        self.asm.bind(many);
    }

    /// Looks at one more record; then to `look`, or to `chosen` when there is none.
    fn look(&mut self, cx: &IterCx, look: Label, chosen: Label, done: Label) {
        let (better, after) = (self.asm.label(), self.asm.label());
        let (base, off) = self.base(cx.state, R2);
        let field = |at: i32| off + at as i16;
        self.asm.load(Size::DW, R1, base, field(LOOKED_AT));
        self.asm.load(Size::DW, R3, base, field(COPIED));
        self.asm.jump_if(Cond::Ge, R1, R3, chosen);
        self.asm.mov(R3, R1);
        self.asm.add_imm(R3, 1);
        self.asm.store(Size::DW, base, field(LOOKED_AT), R3);
        self.copied_record(cx, done);
        let (base, _) = self.base(cx.state, R2);
        self.asm.load(Size::DW, R1, R0, 0);
        self.asm.load(Size::DW, R5, base, field(LOOKED_AT));
        self.asm.add_imm(R5, -1);
        // Only what comes after the last one; of equal stamps the index decides.
        self.asm.load(Size::DW, R3, base, field(LAST_STAMP));
        self.asm.jump_if(Cond::Lt, R1, R3, look);
        self.asm.jump_if(Cond::Ne, R1, R3, after);
        self.asm.load(Size::DW, R3, base, field(LAST));
        self.asm.jump_if(Cond::SLe, R5, R3, look);
        self.asm.bind(after);
        self.asm.load(Size::DW, R3, base, field(BEST));
        self.asm.jump_if_imm(Cond::Eq, R3, -1, better);
        self.asm.load(Size::DW, R3, base, field(BEST_STAMP));
        self.asm.jump_if(Cond::Ge, R1, R3, look);
        self.asm.bind(better);
        self.asm.store(Size::DW, base, field(BEST_STAMP), R1);
        self.asm.store(Size::DW, base, field(BEST), R5);
        self.asm.jump(look);
    }

    /// Goes to the next record: does the slice let it through?
    fn advance(&mut self, cx: &IterCx, again: Label, out: Label) {
        self.next_record(cx, out);
        let (base, off) = self.base(cx.state, R2);
        self.asm.store(Size::DW, base, off + LOOKED_AT as i16, R1);
        self.copied_record(cx, out);
        self.skip_unless_wanted(cx, again);
        let (base, off) = self.base(cx.state, R2);
        self.asm.load(Size::DW, R1, base, off + LOOKED_AT as i16);
        self.asm.store(Size::DW, base, off + FOUND as i16, R1);
        self.asm.jump(out);
    }

    /// Goes to `again` unless the slice lets the record at r0 through.
    fn skip_unless_wanted(&mut self, cx: &IterCx, again: Label) {
        for (part, wanted) in cx.layout.key.parts.iter().zip(&cx.slice) {
            self.skip_unless((KEY + part.0, part.1), wanted, again);
        }
    }

    /// Goes to `again` unless the key part at r0 is the wanted one.
    fn skip_unless(&mut self, (at, ty): (u32, Ty), wanted: &Option<Arg>, again: Label) {
        match wanted {
            Some(Arg::Long(o)) => {
                self.asm.load(Size::DW, R1, R0, at as i16);
                let wanted = self.long_reg(*o, R2);
                self.asm.jump_if(Cond::Ne, R1, wanted, again);
            }
            Some(Arg::Str(s)) => {
                let text = self.text(*s);
                let (base, off) = self.base(text.mem, R3);
                for i in (0..size_of(ty).min(text.cap) as i16).step_by(8) {
                    self.asm.load(Size::DW, R1, R0, at as i16 + i);
                    self.asm.load(Size::DW, R2, base, off + i);
                    self.asm.jump_if(Cond::Ne, R1, R2, again);
                }
            }
            Some(Arg::Packed(_)) | None => {}
        }
    }

    /// Copies a part of the record at r0 into a variable; r0 stays.
    fn take(&mut self, at: u32, ty: Ty, var: Var) {
        if self.loc(var) == Loc::None {
            return;
        }
        let Ty::Str { cap } = ty else {
            self.asm.load(Size::DW, R1, R0, at as i16);
            return self.put(var, R1);
        };
        self.asm.store(Size::DW, R10, TMP1, R0);
        self.copy_text_at_r0(var, at, cap.into());
        self.asm.load(Size::DW, R0, R10, TMP1);
    }

    /// Appends the callbacks; gives where each starts.
    pub fn emit_callbacks(&mut self) -> Result<Vec<Label>, GenerateError> {
        let mut labels = Vec::new();
        while let Some((label, callback)) = self.callbacks.pop() {
            self.asm.bind(label);
            labels.push(label);
            match callback {
                Callback::Round(pending) => self.write_round(*pending)?,
                Callback::Step(cx, step) => self.write_step(*cx, step),
                Callback::DeleteEach => {
                    // r1 and r2 are the map and the key already.
                    self.asm.call(helpers::MAP_DELETE_ELEM);
                    self.asm.mov_imm(R0, 0);
                    self.asm.exit();
                }
                Callback::Collect { records, n_records, key_size, value_at, value_size, state } => {
                    let full = self.asm.label();
                    let a = &mut self.asm;
                    a.mov(R6, R2);
                    a.mov(R7, R3);
                    a.load(Size::DW, R8, R4, 0);
                    a.load(Size::DW, R9, R8, (state + COPIED) as i16);
                    a.jump_if_imm(Cond::Ge, R9, n_records as i32, full);
                    a.load(Size::DW, R1, R8, LEVEL);
                    a.alu_imm(Alu::Mul, R1, n_records as i32);
                    a.alu(Alu::Add, R1, R9);
                    a.store(Size::DW, R10, -8, R1);
                    a.mov(R2, R10);
                    a.add_imm(R2, -8);
                    a.map(R1, records);
                    a.call(helpers::MAP_LOOKUP_ELEM);
                    a.jump_if_imm(Cond::Eq, R0, 0, full);
                    a.load(Size::DW, R1, R7, 0);
                    a.store(Size::DW, R0, 0, R1);
                    for at in (0..key_size as i16).step_by(8) {
                        a.load(Size::DW, R1, R6, at);
                        a.store(Size::DW, R0, KEY as i16 + at, R1);
                    }
                    for at in (0..value_size as i16).step_by(8) {
                        a.load(Size::DW, R1, R7, value_at as i16 + at);
                        a.store(Size::DW, R0, (KEY + key_size) as i16 + at, R1);
                    }
                    a.add_imm(R9, 1);
                    a.store(Size::DW, R8, (state + COPIED) as i16, R9);
                    a.mov_imm(R0, 0);
                    a.exit();
                    a.bind(full);
                    a.mov_imm(R0, 1);
                    a.exit();
                }
            }
        }
        Ok(labels)
    }
}
