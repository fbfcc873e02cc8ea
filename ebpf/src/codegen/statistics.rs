//! Statistics: accumulating on this processor, extracting over all of them. Layout in [`crate::layout::stat`].

use super::{GenerateError, emit::*, frame::*, maps};
use crate::{
    ir::*,
    isa::*,
    layout::{Place, StatLayout, StoreLayout, ValueLayout, control, record::ErrorCode, stat},
    object::MapIndex,
};

/// Multiplying a number of the form 2^n - 1 by this leaves a different value in the top six bits for each n.
const DE_BRUIJN: i64 = 0x03f7_9d71_b4cb_0a89;

/// Words of the work area while CPUs are summed up.
const CPU: i32 = 0;
const COUNT: i32 = 8;
const FIRST: i32 = 16;
const SECOND: i32 = 24;

impl Emitter<'_, '_> {
    fn stat_layout(&self, layout: &StoreLayout) -> Result<StatLayout, GenerateError> {
        match &layout.value {
            ValueLayout::Stat(stat) => Ok(stat.clone()),
            _ => Err(self.error("not a statistic")),
        }
    }

    pub fn accumulate(&mut self, store: StoreId, keys: &[Arg], value: Operand) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let stat = self.stat_layout(&layout)?;
        let map = self.shared.store(store);
        let slot = self.find_slot(&layout, keys);
        let key = self.key(&layout, keys);
        let (found, done) = (self.asm.label(), self.asm.label());
        self.look_up(map, key);
        if layout.place == Place::PerCpuHash {
            self.asm.jump_if_imm(Cond::Ne, R0, 0, found);
            if self.inserts_by_call(&layout) {
                self.asm.mov_imm(R2, 0);
                self.call_insert(store, key);
            } else {
                let zeros = Mem { base: Base::Rodata, off: maps::ZEROS as i32 };
                self.insert_making_room(store, &layout, map, key, zeros);
                self.asm.store(Size::DW, R10, TMP1, R0);
            }
            self.look_up(map, key);
            let refused = self.refused(store, done);
            self.asm.jump_if_imm(Cond::Eq, R0, 0, refused);
            if !self.inserts_by_call(&layout) {
                self.asm.store(Size::DW, R10, TMP0, R0);
                self.asm.call(helpers::KTIME_GET_NS);
                self.asm.load(Size::DW, R1, R10, TMP0);
                self.asm.store(Size::DW, R1, stat::STAMP as i16, R0);
                self.asm.mov(R0, R1);
            }
            self.asm.bind(found);
        } else {
            self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
        }
        // Two programs may interrupt each other on one processor only if they are of different kinds.
        let alone = self.shared.entry_kinds[store.index()] <= 1 && self.cx.kind.is_syscall();
        if let Some(slot) = slot {
            // Before it is sampled, so that both ways go on as one: the verifier walks each of them to its end.
            self.asm.store(Size::DW, R10, TMP0, R0);
            self.take_slot(slot, keys);
            self.asm.load(Size::DW, R3, R10, TMP0);
            self.asm.bind(slot.hit);
            self.asm.mov(R0, R3);
        }
        let sampled = self.long_reg(value, R1);
        self.sample(&stat, sampled, alone);
        self.asm.bind(done);
        Ok(())
    }

    fn increase(&mut self, base: Reg, off: u32, by: Reg, tmp: Reg, alone: bool) {
        if alone {
            self.asm.load(Size::DW, tmp, base, off as i16);
            self.asm.alu(Alu::Add, tmp, by);
            self.asm.store(Size::DW, base, off as i16, tmp);
        } else {
            self.asm.atomic(AtomicOp::Add, base, off as i16, by);
        }
    }

    /// One more in the bucket at `base + off`.
    fn increment(&mut self, base: Reg, off: u32, tmp: Reg, alone: bool) {
        if alone {
            self.asm.load(Size::DW, tmp, base, off as i16);
            self.asm.add_imm(tmp, 1);
            self.asm.store(Size::DW, base, off as i16, tmp);
        } else {
            self.asm.mov_imm(tmp, 1);
            self.asm.atomic(AtomicOp::Add, base, off as i16, tmp);
        }
    }

    /// Counts `value` (r1 or a saved register) into the accumulators at r0. Uses r2-r5, and r0 at the end.
    fn sample(&mut self, stat: &StatLayout, value: Reg, alone: bool) {
        if let Some((mean, shift)) = stat.variance {
            self.deviate(stat, value, mean as i16, shift);
        }
        if let Some(sum) = stat.sum {
            self.increase(R0, sum, value, R3, alone);
        }
        if stat.min.is_none() && stat.max.is_none() {
            self.increment(R0, stat::COUNT, R2, alone);
        } else {
            self.extremes(stat, value);
            if alone {
                self.asm.add_imm(R2, 1);
                self.asm.store(Size::DW, R0, stat::COUNT as i16, R2);
            } else {
                self.increment(R0, stat::COUNT, R2, alone);
            }
        }
        if let Some((buckets, HistShape::Linear { start, step, .. })) = stat.linear {
            let last = stat.linear.map_or(0, |(_, hist)| hist.n_buckets() as i32 - 1);
            self.linear_bucket(value, start, step, last);
            self.asm.alu_imm(Alu::Lsh, R3, 3);
            self.asm.mov(R4, R0);
            self.asm.alu(Alu::Add, R4, R3);
            self.increment(R4, buckets, R2, alone);
        }
        if let Some(buckets) = stat.log {
            self.log_bucket(value);
            self.asm.alu(Alu::Add, R0, R5);
            self.increment(R0, buckets, R2, alone);
        }
    }

    /// Keeps the least and the greatest value. r2 = how many there were before.
    fn extremes(&mut self, stat: &StatLayout, value: Reg) {
        let kept = [(stat.min, Cond::SLe), (stat.max, Cond::SGe)];
        let kept = kept.into_iter().filter_map(|(field, keeps)| Some((field? as i16, keeps)));
        let (first, done) = (self.asm.label(), self.asm.label());
        self.asm.load(Size::DW, R2, R0, stat::COUNT as i16);
        self.asm.jump_if_imm(Cond::Eq, R2, 0, first);
        for (field, keeps) in kept.clone() {
            let stays = self.asm.label();
            self.asm.load(Size::DW, R3, R0, field);
            self.asm.jump_if(keeps, R3, value, stays);
            self.asm.store(Size::DW, R0, field, value);
            self.asm.bind(stays);
        }
        self.asm.jump(done);
        self.asm.bind(first);
        kept.for_each(|(field, _)| self.asm.store(Size::DW, R0, field, value));
        self.asm.bind(done);
    }

    /// r3 = index of the linear bucket, bounded by `last`.
    fn linear_bucket(&mut self, value: Reg, start: i64, step: i64, last: i32) {
        let counted = self.asm.label();
        self.asm.mov_imm(R4, start);
        self.asm.mov_imm(R3, 0);
        self.asm.jump_if(Cond::SLt, value, R4, counted);
        self.asm.mov(R3, value);
        self.asm.alu(Alu::Sub, R3, R4);
        match i32::try_from(step) {
            Ok(step) => self.asm.alu_imm(Alu::Div, R3, step.max(1)),
            Err(_) => {
                self.asm.mov_imm(R4, step);
                self.asm.alu(Alu::Div, R3, R4);
            }
        }
        // Before adding one, which could wrap.
        let inside = self.asm.label();
        self.asm.jump_if_imm(Cond::Lt, R3, last, inside);
        self.asm.mov_imm(R3, i64::from(last) - 1);
        self.asm.bind(inside);
        self.asm.add_imm(R3, 1);
        self.asm.bind(counted);
    }

    /// r5 = eight times the index of the log2 bucket. Without branches, so that the verifier sees one way only.
    fn log_bucket(&mut self, value: Reg) {
        let table: Vec<u8> = {
            let mut table = vec![0; 64];
            for n in 1..=64u32 {
                let filled = u64::MAX >> (64 - n);
                table[(filled.wrapping_mul(DE_BRUIJN as u64) >> 58) as usize] = n as u8 - 1;
            }
            table
        };
        let at = self.shared.constant(&table);
        let rodata = self.shared.rodata();
        // r3 = sign mask, r4 = magnitude.
        self.asm.mov(R3, value);
        self.asm.alu_imm(Alu::Arsh, R3, 63);
        self.asm.mov(R4, value);
        self.asm.alu(Alu::Xor, R4, R3);
        self.asm.alu(Alu::Sub, R4, R3);
        for shift in [1, 2, 4, 8, 16, 32] {
            self.asm.mov(R5, R4);
            self.asm.alu_imm(Alu::Rsh, R5, shift);
            self.asm.alu(Alu::Or, R4, R5);
        }
        // All bits below the highest are set now: 0 stays 0, anything else is odd.
        self.asm.mov(R2, R4);
        self.asm.alu_imm(Alu::And, R2, 1);
        self.asm.mov_imm(R5, DE_BRUIJN);
        self.asm.alu(Alu::Mul, R4, R5);
        self.asm.alu_imm(Alu::Rsh, R4, 58);
        self.asm.map_value(R5, rodata, at);
        self.asm.alu(Alu::Add, R5, R4);
        self.asm.load(Size::B, R5, R5, 0);
        self.asm.alu(Alu::Add, R5, R2);
        self.asm.alu(Alu::Xor, R5, R3);
        self.asm.alu(Alu::Sub, R5, R3);
        self.asm.add_imm(R5, 64);
        self.asm.alu_imm(Alu::And, R5, 127);
        self.asm.alu_imm(Alu::Lsh, R5, 3);
    }

    /// Running mean and squared deviations; before the count is increased. Keeps r0 and the value.
    fn deviate(&mut self, _stat: &StatLayout, value: Reg, mean: i16, shift: u8) {
        let (first, done) = (self.asm.label(), self.asm.label());
        // r0 and r1 are the operands of a division.
        self.asm.store(Size::DW, R10, TMP0, R0);
        self.asm.store(Size::DW, R10, TMP1, value);
        self.asm.mov(R4, R0);
        self.asm.mov(R5, value);
        self.asm.alu_imm(Alu::Lsh, R5, (shift & 63).into());
        self.asm.load(Size::DW, R1, R4, stat::COUNT as i16);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, first);
        self.asm.add_imm(R1, 1);
        self.asm.mov(R0, R5);
        self.asm.load(Size::DW, R2, R4, mean);
        self.asm.alu(Alu::Sub, R0, R2);
        // SystemTap keeps this difference in an int.
        self.asm.alu_imm(Alu::Lsh, R0, 32);
        self.asm.alu_imm(Alu::Arsh, R0, 32);
        let saved = self.cx.frame.work;
        let (base, off) = self.base(saved, R3);
        self.asm.store(Size::DW, base, off, R0);
        self.signed_divide(true);
        self.asm.load(Size::DW, R2, R4, mean);
        self.asm.alu(Alu::Add, R2, R0);
        self.asm.store(Size::DW, R4, mean, R2);
        self.asm.alu(Alu::Sub, R5, R2);
        let (base, off) = self.base(saved, R3);
        self.asm.load(Size::DW, R0, base, off);
        self.asm.alu(Alu::Mul, R5, R0);
        self.asm.load(Size::DW, R2, R4, mean + 8);
        self.asm.alu(Alu::Add, R2, R5);
        self.asm.store(Size::DW, R4, mean + 8, R2);
        self.asm.jump(done);
        self.asm.bind(first);
        self.asm.store(Size::DW, R4, mean, R5);
        self.asm.store_imm(Size::DW, R4, mean + 8, 0);
        self.asm.bind(done);
        self.asm.load(Size::DW, R0, R10, TMP0);
        if value == R1 {
            self.asm.load(Size::DW, R1, R10, TMP1);
        }
    }

    fn work_slot(&mut self, at: i32, tmp: Reg) -> (Reg, i16) {
        let work = self.cx.frame.work;
        self.base(work.at(at), tmp)
    }

    /// `body` for every CPU that has samples, with r0 at its value; r1-r5 are free. `sums` are the words it changes.
    fn for_each_cpu(
        &mut self,
        map: MapIndex,
        key: Mem,
        sums: &[i32],
        body: impl FnOnce(&mut Emitter<'_, '_>) + 'static,
    ) -> Result<(), GenerateError> {
        if !self.shared.target.lookup_percpu {
            return Err(self.error(
                "reading a statistic in a kernel handler needs Linux 5.19; read it in a timer's or end's handler",
            ));
        }
        let steps = self.cx.frame.by_callbacks;
        let hidden = self.shared.target.may_goto;
        if hidden {
            self.hidden_imm(R1, 0);
        } else {
            self.asm.mov_imm(R1, 0);
        }
        let (base, off) = self.work_slot(CPU, R2);
        self.asm.store(Size::DW, base, off, R1);
        if steps {
            self.repeat(move |e, again, out| e.at_cpu(map, key, body, again, out));
            return Ok(());
        }
        let (head, done) = (self.asm.label(), self.asm.label());
        self.asm.bind(head);
        if hidden {
            self.begin_round(sums);
            self.asm.may_goto(done);
        }
        self.at_cpu(map, key, body, head, done);
        self.asm.bind(done);
        Ok(())
    }

    /// `body` for the CPU whose turn it is.
    fn at_cpu(&mut self, map: MapIndex, key: Mem, body: impl FnOnce(&mut Emitter<'_, '_>), again: Label, done: Label) {
        let next = self.asm.label();
        let (base, off) = self.work_slot(CPU, R3);
        self.asm.load(Size::DW, R3, base, off);
        let n_cpus = self.shared.target.n_cpus as i32;
        self.asm.jump_if_imm(Cond::Ge, R3, n_cpus, done);
        self.address(R2, key);
        self.asm.map(R1, map);
        self.asm.call(helpers::MAP_LOOKUP_PERCPU_ELEM);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, next);
        self.asm.load(Size::DW, R1, R0, stat::COUNT as i16);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, next);
        body(self);
        self.asm.bind(next);
        let (base, off) = self.work_slot(CPU, R2);
        self.asm.load(Size::DW, R1, base, off);
        self.asm.add_imm(R1, 1);
        self.asm.store(Size::DW, base, off, R1);
        self.asm.jump(again);
    }

    /// Makes the rounds begin alike for the verifier: it knows nothing of what is summed up, nor what is left of the one
    /// before.
    fn begin_round(&mut self, sums: &[i32]) {
        self.control_word(R1, control::ZERO);
        for at in sums.iter().chain([&CPU]) {
            let (base, word) = self.work_slot(*at, R3);
            self.forget_word(base, word);
        }
        [R0, R1, R2, R3, R4, R5].into_iter().for_each(|r| self.asm.mov_imm(r, 0));
    }

    /// Clears words of the work area in a way the verifier does not follow.
    fn clear_words(&mut self, words: &[i32]) {
        if self.shared.target.may_goto {
            self.hidden_imm(R1, 0);
        } else {
            self.asm.mov_imm(R1, 0);
        }
        for at in words {
            let (base, off) = self.work_slot(*at, R2);
            self.asm.store(Size::DW, base, off, R1);
        }
    }

    /// `work[at] += *(r0 + off)`.
    fn sum_up(&mut self, at: i32, off: u32) {
        let (base, slot) = self.work_slot(at, R2);
        self.asm.load(Size::DW, R1, R0, off as i16);
        self.asm.load(Size::DW, R3, base, slot);
        self.asm.alu(Alu::Add, R3, R1);
        self.asm.store(Size::DW, base, slot, R3);
    }

    fn work_word(&mut self, into: Reg, at: i32) {
        let (base, off) = self.work_slot(at, into);
        self.asm.load(Size::DW, into, base, off);
    }

    pub fn extract(&mut self, dst: Var, store: StoreId, keys: &[Arg], op: Extractor) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let stat = self.stat_layout(&layout)?;
        let map = self.shared.store(store);
        let missing = || GenerateError { tag: SourceTag::NONE, reason: "the statistic does not keep this".to_owned() };
        let key = self.key(&layout, keys);
        self.clear_words(&[COUNT, FIRST, SECOND]);
        let field = match op {
            Extractor::Count => None,
            Extractor::Sum | Extractor::Avg | Extractor::Variance => Some(stat.sum.ok_or_else(missing)?),
            Extractor::Min => Some(stat.min.ok_or_else(missing)?),
            Extractor::Max => Some(stat.max.ok_or_else(missing)?),
        };
        self.for_each_cpu(map, key, &[COUNT, FIRST], move |e| match (op, field) {
            (Extractor::Min | Extractor::Max, Some(field)) => {
                let (replace, kept) = (e.asm.label(), e.asm.label());
                let (base, off) = e.work_slot(COUNT, R2);
                e.asm.load(Size::DW, R1, R0, field as i16);
                e.asm.load(Size::DW, R3, base, off);
                e.asm.jump_if_imm(Cond::Eq, R3, 0, replace);
                let (base, off) = e.work_slot(FIRST, R2);
                e.asm.load(Size::DW, R4, base, off);
                e.asm.jump_if(if op == Extractor::Min { Cond::SLe } else { Cond::SGe }, R4, R1, kept);
                e.asm.bind(replace);
                let (base, off) = e.work_slot(FIRST, R2);
                e.asm.store(Size::DW, base, off, R1);
                e.asm.bind(kept);
                e.sum_up(COUNT, stat::COUNT);
            }
            (_, field) => {
                e.sum_up(COUNT, stat::COUNT);
                if let Some(field) = field {
                    e.sum_up(FIRST, field);
                }
            }
        })?;
        self.work_word(R1, COUNT);
        match op {
            Extractor::Count => self.asm.mov(R0, R1),
            Extractor::Sum => self.work_word(R0, FIRST),
            _ => {
                let empty = self.raise(ErrorCode::EmptyAggregate, 0);
                self.asm.jump_if_imm(Cond::Eq, R1, 0, empty);
                self.work_word(R0, FIRST);
                match op {
                    Extractor::Avg => self.signed_divide(true),
                    Extractor::Variance => {
                        let (offset, shift) = stat.variance.ok_or_else(missing)?;
                        self.total_variance(map, key, offset, shift)?;
                    }
                    _ => {}
                }
            }
        }
        self.put(dst, R0);
        Ok(())
    }

    /// r0 = the variance over all CPUs; COUNT and FIRST hold count and sum, r0 the sum, r1 the count (not 0).
    fn total_variance(&mut self, map: MapIndex, key: Mem, offset: u32, shift: u8) -> Result<(), GenerateError> {
        let shift = i32::from(shift & 63);
        self.asm.alu_imm(Alu::Lsh, R0, shift);
        self.signed_divide(true);
        // FIRST becomes the mean of all.
        let (base, off) = self.work_slot(FIRST, R2);
        self.asm.store(Size::DW, base, off, R0);
        self.for_each_cpu(map, key, &[SECOND], move |e| {
            e.asm.mov(R4, R0);
            // r5 = count × (mean here - mean of all)².
            e.asm.load(Size::DW, R5, R4, offset as i16);
            e.work_word(R2, FIRST);
            e.asm.alu(Alu::Sub, R5, R2);
            e.asm.alu(Alu::Mul, R5, R5);
            e.asm.load(Size::DW, R1, R4, stat::COUNT as i16);
            e.asm.alu(Alu::Mul, R5, R1);
            // Plus (count - 1) × (m2 / (count - 1)), which drops the remainder.
            let one = e.asm.label();
            e.asm.add_imm(R1, -1);
            e.asm.jump_if_imm(Cond::Eq, R1, 0, one);
            e.asm.load(Size::DW, R0, R4, offset as i16 + 8);
            e.asm.mov(R4, R1);
            e.signed_divide(true);
            e.asm.alu(Alu::Mul, R0, R4);
            e.asm.alu(Alu::Add, R5, R0);
            e.asm.bind(one);
            let (base, off) = e.work_slot(SECOND, R2);
            e.asm.load(Size::DW, R3, base, off);
            e.asm.alu(Alu::Add, R3, R5);
            e.asm.store(Size::DW, base, off, R3);
        })?;
        let done = self.asm.label();
        self.work_word(R1, COUNT);
        self.asm.mov_imm(R0, 0);
        self.asm.add_imm(R1, -1);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, done);
        self.work_word(R0, SECOND);
        self.signed_divide(true);
        self.asm.alu_imm(Alu::Arsh, R0, (2 * shift).min(63));
        self.asm.bind(done);
        Ok(())
    }

    pub fn bucket(&mut self, dst: Var, store: StoreId, keys: &[Arg], index: Operand) -> Result<(), GenerateError> {
        let layout = self.store_layout(store)?;
        let stat = self.stat_layout(&layout)?;
        let (offset, n) = match (stat.shape.hist, stat.log, stat.linear) {
            (Some(HistShape::Log), Some(at), _) => (at, 128),
            (_, _, Some((at, hist))) => (at, hist.n_buckets() as i32),
            _ => return Err(self.error("the statistic keeps no histogram")),
        };
        let map = self.shared.store(store);
        let outside = self.raise(ErrorCode::HistogramIndex, 0);
        self.long(R1, index);
        self.asm.jump_if_imm(Cond::Ge, R1, n, outside);
        let key = self.key(&layout, keys);
        self.clear_words(&[COUNT, FIRST, SECOND]);
        self.for_each_cpu(map, key, &[COUNT, FIRST], move |e| {
            let skip = e.asm.label();
            e.sum_up(COUNT, stat::COUNT);
            e.long(R1, index);
            e.asm.jump_if_imm(Cond::Ge, R1, n, skip);
            e.asm.alu_imm(Alu::Lsh, R1, 3);
            e.asm.alu(Alu::Add, R0, R1);
            e.sum_up(FIRST, offset);
            e.asm.bind(skip);
        })?;
        let empty = self.raise(ErrorCode::EmptyAggregate, 0);
        self.work_word(R1, COUNT);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, empty);
        self.work_word(R0, FIRST);
        self.put(dst, R0);
        Ok(())
    }

    /// Every CPU's accumulators of a scalar statistic back to nothing.
    pub fn forget_samples(&mut self, store: StoreId, layout: &StoreLayout) -> Result<(), GenerateError> {
        let map = self.shared.store(store);
        let key = self.key(layout, &[]);
        let size = layout.value.size();
        self.for_each_cpu(map, key, &[], move |e| {
            e.asm.mov(R1, R0);
            e.asm.mov_imm(R2, size.into());
            e.address(R3, Mem { base: Base::Rodata, off: maps::ZEROS as i32 });
            e.asm.call(helpers::PROBE_READ_KERNEL);
        })
    }
}
