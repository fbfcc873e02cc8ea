//! Strings: NUL-terminated, zero-filled to their capacity, so equality and hash keys are whole words.
//!
//! Up to 64 bytes move by words; longer ones by `bpf_probe_read_kernel`, the kernel's memcpy for us.
//!
//! A text that is longer than its new place is cut there and counted. Capacities are inferred so that nearly everything
//! fits for sure; only what may not fit is looked at, and costs a jump that is not taken.

use super::{emit::*, errors::StubKind, frame::*, rounds::are_many_places};
use crate::{
    ir::*,
    isa::*,
    layout::{control, counters},
};

/// Longer copies call a helper.
const WORDS: u32 = 64;

impl Emitter<'_, '_> {
    /// Clears bytes `from..to`, multiples of 8. Uses r1-r5 (and r0) when long.
    pub fn zero(&mut self, mem: Mem, from: u32, to: u32) {
        if to <= from {
            return;
        }
        if to - from <= WORDS {
            let (base, off) = self.base(mem, R2);
            for at in (from..to).step_by(8) {
                self.asm.store_imm(Size::DW, base, off + at as i16, 0);
            }
        } else {
            self.address(R1, mem.at(from as i32));
            self.asm.mov_imm(R2, (to - from).into());
            self.address(R3, Mem { base: Base::Rodata, off: super::maps::ZEROS as i32 });
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
    }

    /// Copies whole words.
    pub fn copy_bytes(&mut self, dst: Mem, src: Mem, n: u32) {
        if n <= WORDS {
            let (to, to_off) = self.base(dst, R2);
            let (from, from_off) = self.base(src, R3);
            for at in (0..n as i16).step_by(8) {
                self.asm.load(Size::DW, R4, from, from_off + at);
                self.asm.store(Size::DW, to, to_off + at, R4);
            }
        } else {
            self.address(R1, dst);
            self.asm.mov_imm(R2, n.into());
            self.address(R3, src);
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
    }

    /// `dst = src`, cut and zero-filled. Uses r0-r5.
    pub fn copy_text(&mut self, dst: Text, src: Text) {
        if dst.mem == src.mem {
            return;
        }
        let n = dst.cap.min(src.cap);
        self.copy_bytes(dst.mem, src.mem, n);
        self.zero(dst.mem, n, dst.cap);
        let is_known = src.mem.base == Base::Rodata && dst.mem.base == Base::Stack;
        if is_known && self.cx.body.has_loops && self.shared.target.may_goto {
            self.forget_text(dst.mem, n, dst.cap);
        }
        if src.room > dst.room {
            self.settle(dst);
        }
    }

    /// The verifier knows what a literal is, and would go through a loop behind for each text there may be. Where a helper
    /// wrote it knows nothing. Uses r1 and r2.
    fn forget_text(&mut self, mem: Mem, n: u32, cap: u32) {
        let parts = [0..n, n..cap].into_iter().filter(|part| part.len() <= WORDS as usize);
        self.control_word(R1, control::ZERO);
        for at in parts.flat_map(|part| part.step_by(8)) {
            self.forget_word(R10, mem.off as i16 + at as i16);
        }
    }

    /// After a zero-filled text was copied that may be longer than this place: cuts and counts when it is.
    pub fn settle(&mut self, dst: Text) {
        let done = self.asm.label();
        let cut = self.stub(None, StubKind::Cut { text: dst, then: done });
        let (base, off) = self.base(dst.mem, R2);
        self.asm.load(Size::B, R1, base, off + dst.room as i16 - 1);
        self.asm.jump_if_imm(Cond::Ne, R1, 0, cut);
        self.asm.bind(done);
    }

    /// Clears what lies behind the longest text that has room.
    pub fn terminate(&mut self, dst: Text) {
        let (base, off) = self.base(dst.mem, R2);
        for at in dst.room - 1..dst.cap {
            self.asm.store_imm(Size::B, base, off + at as i16, 0);
        }
    }

    /// A text on its way to a place for `cap` bytes that others can see: cut before it goes there.
    pub fn fitted(&mut self, s: StrOperand, cap: u32) -> Text {
        let (text, place) = (self.text(s), self.place(self.cx.frame.temp, cap));
        if text.room <= place.room {
            return text;
        }
        self.copy_text(place, text);
        place
    }

    /// Reads a string the kernel can see: `dst` is zeroed before. The length with NUL is in r0.
    fn read_kernel_str(&mut self, dst: Mem, size: u32, src: Mem) {
        self.address(R1, dst);
        self.asm.mov_imm(R2, size.into());
        self.address(R3, src);
        self.asm.call(helpers::PROBE_READ_KERNEL_STR);
    }

    pub fn concat(&mut self, dst: Var, a: StrOperand, b: StrOperand) {
        let clear = self.cx.filled[dst.index()];
        let (dst, a, b) = (self.var_text(dst), self.text(a), self.text(b));
        let temp = self.cx.frame.temp;
        let total = a.cap + b.cap;
        if clear {
            self.zero(temp, 0, total);
        }
        self.read_kernel_str(temp, a.cap, a.mem);
        // r0 is 1 to a.cap: the second text goes over the NUL.
        self.length_in_r0(a.cap);
        let may_be_cut = a.room + b.room - 1 > dst.room;
        if may_be_cut {
            self.asm.store(Size::DW, R10, TMP1, R0);
        }
        self.asm.mov(R1, R0);
        self.address(R2, temp);
        self.asm.alu(Alu::Add, R1, R2);
        self.asm.mov_imm(R2, b.cap.into());
        self.address(R3, b.mem);
        self.asm.call(helpers::PROBE_READ_KERNEL_STR);
        // What lies behind the text is not always zero, so lengths decide.
        let built = Text { mem: temp, cap: total, room: dst.room };
        if may_be_cut {
            let done = self.asm.label();
            let cut = self.stub(None, StubKind::Cut { text: Text { cap: dst.cap.min(total), ..built }, then: done });
            self.asm.load(Size::DW, R1, R10, TMP1);
            self.asm.alu(Alu::Add, R1, R0);
            self.asm.jump_if_imm(Cond::SGt, R1, dst.room as i32, cut);
            self.asm.bind(done);
        }
        self.copy_text(dst, built);
    }

    /// From what `probe_read_str` gave to the length without NUL, in terms the verifier accepts: 0 to cap - 1.
    pub fn length_in_r0(&mut self, cap: u32) {
        let (some, fits) = (self.asm.label(), self.asm.label());
        self.asm.jump_if_imm(Cond::SGt, R0, 0, some);
        self.asm.mov_imm(R0, 1);
        self.asm.bind(some);
        self.asm.jump_if_imm(Cond::Le, R0, cap as i32, fits);
        self.asm.mov_imm(R0, cap.into());
        self.asm.bind(fits);
        self.asm.add_imm(R0, -1);
    }

    pub fn str_compare(&mut self, op: CmpOp, dst: Var, a: StrOperand, b: StrOperand) {
        // Literals on the right.
        let (op, a, b) = match (a, b) {
            (StrOperand::Const(_), StrOperand::Var(_)) => (
                match op {
                    CmpOp::Lt => CmpOp::Gt,
                    CmpOp::Gt => CmpOp::Lt,
                    CmpOp::Le => CmpOp::Ge,
                    CmpOp::Ge => CmpOp::Le,
                    other => other,
                },
                b,
                a,
            ),
            _ => (op, a, b),
        };
        let (yes, no, done) = (self.asm.label(), self.asm.label(), self.asm.label());
        let left = self.text(a);
        match (op, b) {
            (CmpOp::Eq | CmpOp::Ne, StrOperand::Const(literal)) => {
                let differ = if op == CmpOp::Eq { no } else { yes };
                let same = if op == CmpOp::Eq { yes } else { no };
                self.compare_literal(left, literal, differ);
                self.asm.jump(same);
            }
            _ => {
                let right = self.text(b);
                let differ = self.asm.label();
                let (l, l_off) = self.base(left.mem, R3);
                let (r, r_off) = self.base(right.mem, R4);
                for at in (0..left.cap.min(right.cap) as i16).step_by(8) {
                    self.asm.load(Size::DW, R1, l, l_off + at);
                    self.asm.load(Size::DW, R2, r, r_off + at);
                    self.asm.jump_if(Cond::Ne, R1, R2, differ);
                }
                // Equal up to the shorter capacity: its NUL is there, so both end.
                let equal = matches!(op, CmpOp::Eq | CmpOp::Le | CmpOp::Ge);
                self.asm.jump(if equal { yes } else { no });
                self.asm.bind(differ);
                match op {
                    CmpOp::Eq => self.asm.jump(no),
                    CmpOp::Ne => self.asm.jump(yes),
                    _ => {
                        self.asm.to_be64(R1);
                        self.asm.to_be64(R2);
                        let cond = if matches!(op, CmpOp::Lt | CmpOp::Le) { Cond::Lt } else { Cond::Gt };
                        self.asm.jump_if(cond, R1, R2, yes);
                        self.asm.jump(no);
                    }
                }
            }
        }
        self.asm.bind(no);
        self.asm.mov_imm(R0, 0);
        self.asm.jump(done);
        self.asm.bind(yes);
        self.asm.mov_imm(R0, 1);
        self.asm.bind(done);
        self.put(dst, R0);
    }

    /// Goes to `differ` unless the text is the literal: as many words as the literal has.
    fn compare_literal(&mut self, text: Text, literal: StrId, differ: Label) {
        let mut bytes = crate::layout::until_nul(&self.literal_bytes(literal)).to_vec();
        bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
        if bytes.len() as u32 > text.cap {
            return self.asm.jump(differ);
        }
        let (base, off) = self.base(text.mem, R3);
        for (i, word) in bytes.chunks_exact(8).enumerate() {
            let word = crate::layout::long_at(word, 0);
            self.asm.load(Size::DW, R1, base, off + 8 * i as i16);
            match i32::try_from(word) {
                Ok(word) => self.asm.jump_if_imm(Cond::Ne, R1, word, differ),
                Err(_) => {
                    self.asm.mov_imm(R2, word);
                    self.asm.jump_if(Cond::Ne, R1, R2, differ);
                }
            }
        }
    }

    /// `strlen`.
    pub fn str_len(&mut self, dst: Var, s: StrOperand) {
        let text = self.text(s);
        let temp = self.cx.frame.temp;
        self.read_kernel_str(temp, text.cap, text.mem);
        self.length_in_r0(text.cap);
        self.put(dst, R0);
    }

    /// `substr(s, start, length)`.
    pub fn substr(&mut self, dst: Var, s: StrOperand, start: Operand, length: Operand) {
        let (dst, src) = (self.var_text(dst), self.text(s));
        let temp = self.cx.frame.temp;
        let (empty, done) = (self.asm.label(), self.asm.label());
        // Through the temporary area: source and result may be the same variable.
        self.zero(temp, 0, src.cap);
        self.read_kernel_str(temp, src.cap, src.mem);
        self.length_in_r0(src.cap);
        self.asm.mov(R3, R0);
        self.zero_keeping_r3(dst);
        self.long(R1, start);
        self.asm.jump_if_imm(Cond::SLt, R1, 0, empty);
        self.asm.jump_if(Cond::SGe, R1, R3, empty);
        self.asm.jump_if_imm(Cond::Ge, R1, src.cap as i32, empty);
        self.long(R2, length);
        self.asm.jump_if_imm(Cond::SLe, R2, 0, empty);
        let fits = self.asm.label();
        self.asm.jump_if_imm(Cond::SLt, R2, dst.room as i32 - 1, fits);
        self.asm.mov_imm(R2, i64::from(dst.room) - 1);
        self.asm.bind(fits);
        self.asm.add_imm(R2, 1);
        self.address(R3, temp);
        self.asm.alu(Alu::Add, R3, R1);
        self.address(R1, dst.mem);
        self.asm.call(helpers::PROBE_READ_KERNEL_STR);
        self.asm.bind(empty);
        self.asm.bind(done);
    }

    fn zero_keeping_r3(&mut self, dst: Text) {
        self.asm.store(Size::DW, R10, TMP0, R3);
        self.zero(dst.mem, 0, dst.cap);
        self.asm.load(Size::DW, R3, R10, TMP0);
    }

    /// `isinstr(haystack, needle)`: every place, byte by byte.
    pub fn is_in_str(&mut self, dst: Var, haystack: StrOperand, needle: StrOperand) {
        let (hay, needle) = (self.text(haystack), self.text(needle));
        let (outer, inner, matched, yes, no, done) = (
            self.asm.label(),
            self.asm.label(),
            self.asm.label(),
            self.asm.label(),
            self.asm.label(),
            self.asm.label(),
        );
        let are_many = are_many_places(&self.cx.body, hay.cap, needle.cap);
        if are_many && self.cx.frame.by_callbacks {
            return self.search(dst, hay, needle);
        }
        let hidden = self.shared.target.may_goto && are_many;
        // Rounds begin alike for the verifier: it knows nothing of what is counted, nor what is left of the one before.
        let round = |e: &mut Self, counted: &[Reg]| {
            if hidden {
                counted.iter().for_each(|reg| e.asm.alu(Alu::Xor, *reg, R0));
                [R3, R4, R5].into_iter().for_each(|reg| e.asm.mov_imm(reg, 0));
                e.asm.may_goto(no);
            }
        };
        // r1: place in the haystack, r2: in the needle.
        if hidden {
            self.control_word(R0, crate::layout::control::ZERO);
        }
        self.asm.mov_imm(R1, 0);
        self.asm.bind(outer);
        self.asm.mov_imm(R2, 0);
        round(self, &[R1]);
        self.asm.bind(inner);
        round(self, &[R1, R2]);
        self.two_bytes(hay, needle, yes, no);
        // The verifier goes on here first and keeps the other way for later: from place to place it keeps few of them, and
        // each ends where it has been.
        self.asm.jump_if(Cond::Eq, R3, R4, matched);
        self.asm.add_imm(R1, 1);
        self.asm.jump_if_imm(Cond::Lt, R1, hay.cap as i32, outer);
        self.asm.bind(no);
        self.asm.mov_imm(R0, 0);
        self.asm.jump(done);
        self.asm.bind(matched);
        self.asm.add_imm(R2, 1);
        self.asm.jump(inner);
        self.asm.bind(yes);
        self.asm.mov_imm(R0, 1);
        self.asm.bind(done);
        self.put(dst, R0);
    }

    /// r3 = the needle's byte at r2, r4 = the one that far from r1 in the haystack; to `yes` behind the needle, to `no` behind
    /// the haystack. Uses r5.
    fn two_bytes(&mut self, hay: Text, needle: Text, yes: Label, no: Label) {
        self.asm.jump_if_imm(Cond::Ge, R2, needle.cap as i32, yes);
        self.address(R3, needle.mem);
        self.asm.alu(Alu::Add, R3, R2);
        self.asm.load(Size::B, R3, R3, 0);
        self.asm.jump_if_imm(Cond::Eq, R3, 0, yes);
        self.asm.mov(R4, R1);
        self.asm.alu(Alu::Add, R4, R2);
        self.asm.jump_if_imm(Cond::Ge, R4, hay.cap as i32, no);
        self.address(R5, hay.mem);
        self.asm.alu(Alu::Add, R5, R4);
        self.asm.load(Size::B, R4, R5, 0);
        self.asm.jump_if_imm(Cond::Eq, R4, 0, no);
    }

    /// `isinstr` by steps: for each place, and for each byte there.
    fn search(&mut self, dst: Var, hay: Text, needle: Text) {
        // The place in the haystack, in the needle, and what is known: 1 that it is in it, 2 that it is not.
        const COUNTED: [Reg; 3] = [R1, R2, R0];
        COUNTED.into_iter().for_each(|r| self.asm.mov_imm(r, 0));
        self.keep_counted(&COUNTED);
        self.repeat(move |e, again, out| {
            e.repeat(move |e, again, out| {
                let [yes, no, known] = [(); 3].map(|()| e.asm.label());
                e.load_counted(&COUNTED);
                e.two_bytes(hay, needle, yes, no);
                e.asm.jump_if(Cond::Ne, R3, R4, out);
                e.asm.add_imm(R2, 1);
                e.keep_counted(&COUNTED);
                e.asm.jump(again);
                for (label, what) in [(yes, 1), (no, 2)] {
                    e.asm.bind(label);
                    e.asm.mov_imm(R0, what);
                    e.asm.jump(known);
                }
                e.asm.bind(known);
                e.keep_counted(&COUNTED);
                e.asm.jump(out);
            });
            e.load_counted(&COUNTED);
            e.asm.jump_if_imm(Cond::Ne, R0, 0, out);
            e.asm.add_imm(R1, 1);
            e.asm.mov_imm(R2, 0);
            e.keep_counted(&COUNTED);
            e.asm.jump(again);
        });
        self.load_counted(&COUNTED);
        self.asm.alu_imm(Alu::And, R0, 1);
        self.put(dst, R0);
    }

    /// `stringat(s, index)`.
    pub fn string_at(&mut self, dst: Var, s: StrOperand, index: Operand) {
        let text = self.text(s);
        let done = self.asm.label();
        self.long(R1, index);
        self.asm.mov_imm(R0, 0);
        self.asm.jump_if_imm(Cond::Ge, R1, text.cap as i32, done);
        self.address(R2, text.mem);
        self.asm.alu(Alu::Add, R2, R1);
        self.asm.load(Size::B, R0, R2, 0);
        self.asm.bind(done);
        self.put(dst, R0);
    }

    /// A string of one byte.
    pub fn char_str(&mut self, dst: Var, byte: Operand) {
        let dst = self.var_text(dst);
        self.zero(dst.mem, 0, dst.cap);
        self.long(R1, byte);
        let (base, off) = self.base(dst.mem, R2);
        self.asm.store(Size::B, base, off, R1);
    }

    /// `bpf_snprintf` of the words in the work area. Uses r0-r5 and TMP0.
    pub fn snprintf(&mut self, dst: Text, format: &[u8], n_words: u32) {
        self.zero(dst.mem, 0, dst.cap);
        let mut text = format.to_vec();
        text.push(0);
        let at = self.shared.constant(&text);
        self.address(R1, dst.mem);
        self.asm.mov_imm(R2, dst.room.into());
        self.address(R3, Mem { base: Base::Rodata, off: at as i32 });
        let work = self.cx.frame.work;
        self.address(R4, work);
        self.asm.mov_imm(R5, (8 * n_words).into());
        self.asm.call(helpers::SNPRINTF);
        // It gives the bytes that the whole text would need. Formats that fit their place for sure come to fewer.
        if dst.room >= self.shared.program.limits.max_string_len.into() {
            let done = self.asm.label();
            let cut = self.count_and(counters::TRUNCATED, done);
            self.asm.jump_if_imm(Cond::SGt, R0, dst.room as i32, cut);
            self.asm.bind(done);
        }
    }
}
