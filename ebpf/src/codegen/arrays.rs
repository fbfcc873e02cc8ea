//! Globals: scalars in one mapped element, arrays in hashes.
//!
//! Counting is exact: look up; on a miss insert unless somebody was faster; then look up again and add atomically.

use super::{GenerateError, emit::*, errors::StubKind, frame::*, maps, rare::Rare};
use crate::{
    ir::*,
    isa::*,
    layout::{Place, StoreLayout, ValueLayout, counters, record::ErrorCode, stat},
    object::{MapIndex, btf::MAX_KEY_BYTES},
};

/// Flags of `bpf_map_update_elem`.
pub const ANY: i64 = 0;
pub const NOEXIST: i64 = 1;
pub const E2BIG: i32 = -7;

impl Emitter<'_, '_> {
    pub fn store_layout(&self, store: StoreId) -> Result<StoreLayout, GenerateError> {
        match self.shared.layout.stores.get(store.index()).and_then(Option::as_ref) {
            Some(layout) => Ok(layout.clone()),
            None => Err(self.error("this global is kept in user space; the kernel cannot reach it")),
        }
    }

    /// Builds the key; gives where it is. Uses r0-r5.
    pub fn key(&mut self, layout: &StoreLayout, keys: &[Arg]) -> Mem {
        // A lone variable of the right shape is its own key, where it may be written: functions take only such keys.
        match (layout.key.parts.as_slice(), keys) {
            ([(_, Ty::Long)], [Arg::Long(Operand::Var(v))]) => {
                if let Loc::Mem(mem) = self.loc(*v)
                    && mem.base != Base::Line
                {
                    return mem;
                }
            }
            ([(_, Ty::Str { cap })], [Arg::Str(StrOperand::Var(v))]) => {
                let text = self.var_text(*v);
                if text.cap == u32::from(*cap) && text.mem.base != Base::Line {
                    return text.mem;
                }
            }
            _ => {}
        }
        let area = self.cx.frame.key;
        if layout.key.parts.is_empty() {
            let (base, off) = self.base(area, R2);
            self.asm.store_imm(Size::DW, base, off, 0);
        }
        for ((at, ty), arg) in layout.key.parts.iter().zip(keys) {
            let mem = area.at(*at as i32);
            match (ty, arg) {
                (Ty::Str { cap }, Arg::Str(s)) => {
                    let src = self.text(*s);
                    let part = self.place(mem, (*cap).into());
                    self.copy_text(part, src);
                }
                (_, Arg::Long(Operand::Imm(n))) if i32::try_from(*n).is_ok() => {
                    let (base, off) = self.base(mem, R2);
                    self.asm.store_imm(Size::DW, base, off, *n as i32);
                }
                (_, Arg::Long(o)) => {
                    let from = self.long_reg(*o, R1);
                    let (base, off) = self.base(mem, R2);
                    self.asm.store(Size::DW, base, off, from);
                }
                (Ty::Long | Ty::Packed { .. }, Arg::Str(_)) | (_, Arg::Packed(_)) => {}
            }
        }
        area
    }

    /// r0 = the element or 0.
    pub fn look_up(&mut self, map: MapIndex, key: Mem) {
        self.address(R2, key);
        self.asm.map(R1, map);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
    }

    /// Inserts unless it is there. r0 = 0 or the error.
    pub fn insert(&mut self, map: MapIndex, key: Mem, value: Mem) {
        self.address(R2, key);
        self.address(R3, value);
        self.insert_given(map);
    }

    /// The same of the key at r2 and the value at r3.
    fn insert_given(&mut self, map: MapIndex) {
        self.asm.map(R1, map);
        self.asm.mov_imm(R4, NOEXIST);
        self.asm.call(helpers::MAP_UPDATE_ELEM);
        // Before Linux 6.4 maps return an int, whose upper half is anything.
        self.asm.alu_imm(Alu::Lsh, R0, 32);
        self.asm.alu_imm(Alu::Arsh, R0, 32);
    }

    /// After an insert gave r0 and the second lookup found nothing: overflow or another refusal. `error` holds r0.
    pub fn refused(&mut self, store: StoreId, then: Label) -> Label {
        let catch = self.cx.catch.clone();
        self.stub(catch, StubKind::Overflow { store, then })
    }

    /// For a `catch`; TMP1 holds what the insert gave.
    pub fn overflow(&mut self, store: StoreId, then: Label) {
        let full = self.asm.label();
        self.asm.load(Size::DW, R1, R10, TMP1);
        self.asm.jump_if_imm(Cond::Eq, R1, E2BIG, full);
        self.count_rarely(counters::LOST);
        self.asm.jump(then);
        self.asm.bind(full);
        let counter = self.shared.layout.counters.overflow(store.0);
        self.count_rarely(counter);
        let raised = self.raise(ErrorCode::ArrayOverflow, store.0);
        self.asm.jump(raised);
    }

    fn scalar(&mut self, into: Reg, offset: u32) {
        let scalars = self.shared.scalars();
        self.asm.map_value(into, scalars, offset);
    }

    pub fn get(&mut self, dst: Var, store: StoreId, keys: &[Arg]) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let is_str = matches!(layout.value, ValueLayout::Str { .. });
        let payload = layout.value.payload();
        match layout.place {
            Place::Scalar { offset } => {
                self.scalar(R0, offset);
                if let ValueLayout::Packed { cap, .. } = layout.value {
                    self.take_packed(dst, 0, cap.into());
                } else if is_str {
                    self.copy_value_text(dst, &layout, 0);
                } else {
                    self.asm.load(Size::DW, R0, R0, 0);
                    self.put(dst, R0);
                }
            }
            Place::Hash => {
                let map = self.shared.store(store);
                let key = self.key(&layout, keys);
                self.look_up(map, key);
                if let ValueLayout::Packed { cap, .. } = layout.value {
                    self.get_packed(dst, payload, cap.into());
                    return Ok(());
                }
                let (missing, done) = (self.asm.label(), self.asm.label());
                self.asm.jump_if_imm(Cond::Eq, R0, 0, missing);
                if is_str {
                    self.copy_value_text(dst, &layout, payload);
                    self.asm.jump(done);
                    self.asm.bind(missing);
                    let text = self.var_text(dst);
                    self.zero(text.mem, 0, text.cap);
                    self.asm.bind(done);
                } else {
                    self.asm.load(Size::DW, R0, R0, payload as i16);
                    self.asm.bind(missing);
                    self.put(dst, R0);
                }
            }
            Place::PerCpuHash | Place::PerCpuArray => return Err(self.error("a statistic has no value of its own")),
        }
        Ok(())
    }

    /// Copies a string value at r0 + `off` into a variable.
    fn copy_value_text(&mut self, dst: Var, layout: &StoreLayout, off: u32) {
        let ValueLayout::Str { cap, .. } = layout.value else { return };
        self.copy_text_at_r0(dst, off, cap.into());
    }

    /// `dst` = the zero-filled text of `cap` bytes at r0 + `off`. Clobbers every caller-saved register.
    pub fn copy_text_at_r0(&mut self, dst: Var, off: u32, cap: u32) {
        let dst = self.var_text(dst);
        let n = dst.cap.min(cap);
        if n <= 64 {
            let (base, at) = self.base(dst.mem, R2);
            for i in (0..n as i16).step_by(8) {
                self.asm.load(Size::DW, R4, R0, off as i16 + i);
                self.asm.store(Size::DW, base, at + i, R4);
            }
        } else {
            self.asm.mov(R3, R0);
            self.asm.add_imm(R3, off as i32);
            self.address(R1, dst.mem);
            self.asm.mov_imm(R2, n.into());
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
        self.zero(dst.mem, n, dst.cap);
        if cap > dst.room {
            self.settle(dst);
        }
    }

    /// Copies a text that fits to r0 + `off`, `cap` bytes of a map value.
    fn copy_text_to_value(&mut self, src: Text, off: u32, cap: u32) {
        let n = src.cap.min(cap);
        if cap <= 64 {
            let (from, at) = self.base(src.mem, R3);
            for i in (0..cap as i16).step_by(8) {
                if u32::from(i as u16) < n {
                    self.asm.load(Size::DW, R4, from, at + i);
                    self.asm.store(Size::DW, R0, off as i16 + i, R4);
                } else {
                    self.asm.store_imm(Size::DW, R0, off as i16 + i, 0);
                }
            }
            return;
        }
        self.asm.store(Size::DW, R10, TMP0, R0);
        self.asm.mov(R1, R0);
        self.asm.add_imm(R1, off as i32);
        self.asm.mov_imm(R2, n.into());
        self.address(R3, src.mem);
        self.asm.call(helpers::PROBE_READ_KERNEL);
        if cap > n {
            self.asm.load(Size::DW, R1, R10, TMP0);
            self.asm.add_imm(R1, (off + n) as i32);
            self.asm.mov_imm(R2, (cap - n).into());
            self.address(R3, Mem { base: Base::Rodata, off: maps::ZEROS as i32 });
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
    }

    pub fn set(&mut self, store: StoreId, keys: &[Arg], value: Arg) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let (payload, cap) = (layout.value.payload(), layout.value.size() - layout.value.payload());
        let text = match value {
            Arg::Str(s) => Some(self.fitted(s, cap)),
            Arg::Long(_) | Arg::Packed(_) => None,
        };
        let write = |e: &mut Self, off: u32| match (value, text) {
            (Arg::Long(o), _) => {
                let from = e.long_reg(o, R1);
                e.asm.store(Size::DW, R0, off as i16, from);
            }
            (Arg::Str(_), Some(text)) => e.copy_text_to_value(text, off, cap),
            (Arg::Packed(v), _) => e.put_packed_at_r0(v, off, cap),
            (Arg::Str(_), None) => {}
        };
        match layout.place {
            Place::Scalar { offset } => {
                self.scalar(R0, offset);
                write(self, 0);
            }
            Place::Hash => {
                let map = self.shared.store(store);
                let key = self.key(&layout, keys);
                let (found, done) = (self.asm.label(), self.asm.label());
                self.look_up(map, key);
                self.asm.jump_if_imm(Cond::Ne, R0, 0, found);
                let area = self.cx.frame.value;
                self.stamp(area);
                match (value, text) {
                    (Arg::Long(o), _) => {
                        let from = self.long_reg(o, R1);
                        let (base, off) = self.base(area.at(8), R2);
                        self.asm.store(Size::DW, base, off, from);
                    }
                    (Arg::Str(_), Some(text)) => {
                        let place = self.place(area.at(8), cap);
                        self.copy_text(place, text);
                    }
                    (Arg::Packed(v), _) => self.put_packed(v, area.at(8), cap),
                    (Arg::Str(_), None) => {}
                }
                self.insert_making_room(store, &layout, map, key, area);
                self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
                self.asm.store(Size::DW, R10, TMP1, R0);
                self.look_up(map, key);
                let refused = self.refused(store, done);
                self.asm.jump_if_imm(Cond::Eq, R0, 0, refused);
                self.asm.bind(found);
                write(self, payload);
                self.asm.bind(done);
            }
            Place::PerCpuHash | Place::PerCpuArray => return Err(self.error("a statistic cannot be assigned")),
        }
        Ok(())
    }

    /// The first word of a new value: now.
    pub fn stamp(&mut self, area: Mem) {
        self.asm.call(helpers::KTIME_GET_NS);
        let (base, off) = self.base(area, R2);
        self.asm.store(Size::DW, base, off, R0);
    }

    pub fn add(
        &mut self,
        store: StoreId,
        keys: &[Arg],
        delta: Operand,
        result: Option<(Var, When)>,
    ) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let payload = layout.value.payload() as i16;
        // With r0 at the value: add, and leave the old one in r1 if somebody asks.
        let add = |e: &mut Self, off: i16| match result {
            None => {
                let from = e.long_reg(delta, R1);
                e.asm.atomic(AtomicOp::Add, R0, off, from);
            }
            Some(_) => {
                e.long(R1, delta);
                e.asm.atomic(AtomicOp::FetchAdd, R0, off, R1);
            }
        };
        match layout.place {
            Place::Scalar { offset } => {
                self.scalar(R0, offset);
                add(self, 0);
            }
            Place::Hash => {
                let map = self.shared.store(store);
                let slot = self.find_slot(&layout, keys);
                let key = self.key(&layout, keys);
                let (found, done, end) = (self.asm.label(), self.asm.label(), self.asm.label());
                self.look_up(map, key);
                self.asm.jump_if_imm(Cond::Ne, R0, 0, found);
                let lost = self.asm.label();
                if result.is_none() && self.inserts_by_call(&layout) {
                    self.long(R2, delta);
                    self.call_insert(store, key);
                    let refused = self.refused(store, lost);
                    self.asm.jump_if_imm(Cond::Ne, R0, 0, refused);
                    self.asm.jump(done);
                } else {
                    let area = self.cx.frame.value;
                    self.stamp(area);
                    let from = self.long_reg(delta, R1);
                    let (base, off) = self.base(area.at(8), R2);
                    self.asm.store(Size::DW, base, off, from);
                    self.insert_making_room(store, &layout, map, key, area);
                    if result.is_some() {
                        self.asm.mov_imm(R1, 0);
                    }
                    self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
                    self.asm.store(Size::DW, R10, TMP1, R0);
                    self.look_up(map, key);
                    let refused = self.refused(store, lost);
                    self.asm.jump_if_imm(Cond::Eq, R0, 0, refused);
                }
                self.asm.bind(found);
                add(self, payload);
                self.asm.jump(done);
                self.asm.bind(lost);
                if result.is_some() {
                    self.asm.mov_imm(R1, 0);
                }
                match slot {
                    // Nobody asks for the old value, so r1 is free.
                    Some(slot) => {
                        self.asm.jump(end);
                        self.asm.bind(done);
                        self.take_slot(slot, keys);
                        self.asm.jump(end);
                        self.asm.bind(slot.hit);
                        self.asm.mov(R0, R3);
                        add(self, payload);
                    }
                    None => self.asm.bind(done),
                }
                self.asm.bind(end);
            }
            Place::PerCpuHash | Place::PerCpuArray => return Err(self.error("a statistic cannot be added to")),
        }
        if let Some((dst, when)) = result {
            if when == When::After {
                let delta = self.long_reg(delta, R2);
                self.asm.alu(Alu::Add, R1, delta);
            }
            self.put(dst, R1);
        }
        Ok(())
    }

    fn given<'k>(&self, keys: &'k [Option<Arg>]) -> Result<Vec<Arg>, GenerateError>
    where
        Self: 'k,
    {
        keys.iter()
            .copied()
            .collect::<Option<Vec<Arg>>>()
            .ok_or_else(|| self.error("`*` in a key needs a user-space handler, such as a timer's or end's"))
    }

    pub fn contains(&mut self, dst: Var, store: StoreId, keys: &[Option<Arg>]) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let keys = self.given(keys)?;
        if matches!(layout.place, Place::Scalar { .. } | Place::PerCpuArray) {
            return Err(self.error("not an array"));
        }
        let map = self.shared.store(store);
        let key = self.key(&layout, &keys);
        self.look_up(map, key);
        let none = self.asm.label();
        self.asm.jump_if_imm(Cond::Eq, R0, 0, none);
        self.asm.mov_imm(R0, 1);
        self.asm.bind(none);
        self.put(dst, R0);
        Ok(())
    }

    pub fn delete(&mut self, store: StoreId, keys: &[Option<Arg>]) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let keys = self.given(keys)?;
        match layout.place {
            Place::Scalar { offset } => {
                self.scalar(R0, offset);
                if let ValueLayout::Str { cap, .. } = layout.value {
                    let empty = self.constant_text(b"");
                    self.copy_text_to_value(empty, 0, cap.into());
                } else {
                    self.asm.store_imm(Size::DW, R0, 0, 0);
                }
            }
            Place::PerCpuArray => self.forget_samples(store, &layout)?,
            Place::Hash | Place::PerCpuHash => {
                let map = self.shared.store(store);
                let key = self.key(&layout, &keys);
                self.address(R2, key);
                self.asm.map(R1, map);
                self.asm.call(helpers::MAP_DELETE_ELEM);
            }
        }
        Ok(())
    }

    /// Whether elements are made by [`Rare::Insert`].
    pub fn inserts_by_call(&self, layout: &StoreLayout) -> bool {
        let wrap = self.shared.program.stores[layout.store.index()].wrap;
        !wrap && layout.key.size <= MAX_KEY_BYTES && self.shared.target.passes_keys()
    }

    /// Calls [`Rare::Insert`]; r2 has what it wants to know. TMP1 = r0.
    pub fn call_insert(&mut self, store: StoreId, key: Mem) {
        self.address(R1, key);
        self.call_rare(Rare::Insert(store));
        self.asm.store(Size::DW, R10, TMP1, R0);
    }

    /// [`Rare::Insert`]. It has 32 bytes of stack: a new number takes 16 of them.
    pub fn insert_at_call(&mut self, store: StoreId, end: Label) {
        let Ok(layout) = self.store_layout(store) else { return };
        let (map, refused) = (self.shared.store(store), self.asm.label());
        // The verifier does not know that there always is one.
        self.asm.jump_if_imm(Cond::Eq, R1, 0, end);
        self.asm.mov(R6, R1);
        let is_number = layout.place == Place::Hash;
        if is_number {
            self.asm.mov(R7, R2);
            self.asm.call(helpers::KTIME_GET_NS);
            self.asm.store(Size::DW, R10, -16, R0);
            self.asm.store(Size::DW, R10, -8, R7);
            self.asm.mov(R3, R10);
            self.asm.add_imm(R3, -16);
        } else {
            self.address(R3, Mem { base: Base::Rodata, off: maps::ZEROS as i32 });
        }
        self.asm.mov(R2, R6);
        self.insert_given(map);
        self.asm.jump_if_imm(if is_number { Cond::Eq } else { Cond::Ne }, R0, 0, if is_number { end } else { refused });
        self.asm.mov(R8, R0);
        self.asm.mov(R2, R6);
        self.asm.map(R1, map);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
        if is_number {
            let gone = self.asm.label();
            self.asm.jump_if_imm(Cond::Eq, R0, 0, gone);
            self.asm.atomic(AtomicOp::Add, R0, layout.value.payload() as i16, R7);
            self.asm.jump(end);
            self.asm.bind(gone);
            self.asm.mov(R0, R8);
        } else {
            self.asm.jump_if_imm(Cond::Eq, R0, 0, end);
            self.asm.mov(R7, R0);
            self.asm.call(helpers::KTIME_GET_NS);
            self.asm.store(Size::DW, R7, stat::STAMP as i16, R0);
            self.asm.jump(end);
            self.asm.bind(refused);
        }
        self.asm.exit();
    }

    /// Inserts; a full `%` array first drops the element inserted longest ago. r0 = 0 or the error.
    pub fn insert_making_room(&mut self, store: StoreId, layout: &StoreLayout, map: MapIndex, key: Mem, value: Mem) {
        self.insert(map, key, value);
        if self.shared.program.stores[store.index()].wrap {
            self.wrap(store, layout, map, key, value);
        }
    }
}
