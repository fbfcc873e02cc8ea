//! The number a text begins with, digit by digit: the kernel's helper skips blanks, knows four bases and stops at 64
//! bits, where `strtol` of a script (the kernel's `simple_strtol`) does none of that.

use super::{emit::*, rounds::is_long};
use crate::{ir::*, isa::*, layout::control};

/// What makes a letter small.
const SMALL: i32 = 0x20;

/// The number, the place in the text, the base.
const COUNTED: [Reg; 3] = [R0, R1, R5];

impl Emitter<'_, '_> {
    /// `strtol(s, base)`. Uses r0-r5.
    pub fn strtol(&mut self, dst: Var, s: StrOperand, base: Operand) {
        let text = self.text(s);
        let [end, done] = [(); 2].map(|()| self.asm.label());
        // Hidden, or the verifier follows every round.
        self.hidden_imm(R0, 0);
        let steps = self.cx.frame.by_callbacks && is_long(&self.cx.body, text.cap);
        let hidden = self.shared.target.may_goto;
        if hidden {
            self.hidden_imm(R1, 0);
        } else {
            self.asm.mov_imm(R1, 0);
        }
        self.address(R3, text.mem);
        self.asm.load(Size::B, R4, R3, 0);
        let positive = self.asm.label();
        self.asm.jump_if_imm(Cond::Ne, R4, i32::from(b'-'), positive);
        self.asm.add_imm(R1, 1);
        self.asm.bind(positive);
        self.long(R5, base);
        // An unsigned int.
        self.asm.alu_imm(Alu::Lsh, R5, 32);
        self.asm.alu_imm(Alu::Rsh, R5, 32);
        match base {
            Operand::Imm(base) if base as u32 != 0 && base as u32 != 16 => {}
            _ => self.skip_prefix(text, end),
        }
        if steps {
            self.keep_counted(&COUNTED);
            self.repeat(move |e, again, out| {
                let next = e.asm.label();
                e.load_counted(&COUNTED);
                e.digit(text, next, out);
                e.asm.bind(next);
                e.keep_counted(&COUNTED);
                e.asm.jump(again);
            });
            self.load_counted(&COUNTED);
        } else {
            let again = self.asm.label();
            self.asm.bind(again);
            if hidden {
                // Rounds begin alike for the verifier: it knows nothing of what is counted, nor what is left of the one before.
                self.control_word(R2, control::ZERO);
                COUNTED.into_iter().for_each(|r| self.asm.alu(Alu::Xor, r, R2));
                [R3, R4].into_iter().for_each(|r| self.asm.mov_imm(r, 0));
                self.asm.may_goto(end);
            }
            self.digit(text, again, end);
        }
        self.asm.bind(end);
        self.address(R3, text.mem);
        self.asm.load(Size::B, R4, R3, 0);
        self.asm.jump_if_imm(Cond::Ne, R4, i32::from(b'-'), done);
        self.asm.neg(R0);
        self.asm.bind(done);
        self.put(dst, R0);
    }

    /// One byte further. Uses r3.
    fn digit(&mut self, text: Text, again: Label, end: Label) {
        let [letter, digit] = [(); 2].map(|()| self.asm.label());
        self.byte_at_r1(R3, text, 0, end);
        self.asm.add_imm(R3, -i32::from(b'0'));
        self.asm.jump_if_imm(Cond::Ge, R3, 10, letter);
        self.asm.jump(digit);
        self.asm.bind(letter);
        self.asm.add_imm(R3, i32::from(b'0'));
        self.asm.alu_imm(Alu::Or, R3, SMALL);
        self.asm.add_imm(R3, -i32::from(b'a'));
        // Letters past f are no digits in any base.
        self.asm.jump_if_imm(Cond::Ge, R3, 6, end);
        self.asm.add_imm(R3, 10);
        self.asm.bind(digit);
        self.asm.jump_if(Cond::Ge, R3, R5, end);
        self.asm.alu(Alu::Mul, R0, R5);
        self.asm.alu(Alu::Add, R0, R3);
        self.asm.add_imm(R1, 1);
        self.asm.jump(again);
    }

    /// `0x` before a number in base 16; base 0 goes by it, or a `0` alone.
    fn skip_prefix(&mut self, text: Text, end: Label) {
        let [octal, decimal, sixteen, x, known] = [(); 5].map(|()| self.asm.label());
        let unless_x = |e: &mut Self, otherwise: Label| {
            e.byte_at_r1(R4, text, 1, end);
            e.asm.alu_imm(Alu::Or, R4, SMALL);
            e.asm.jump_if_imm(Cond::Ne, R4, i32::from(b'x'), otherwise);
        };
        self.byte_at_r1(R3, text, 0, end);
        self.asm.jump_if_imm(Cond::Eq, R5, 16, sixteen);
        self.asm.jump_if_imm(Cond::Ne, R5, 0, known);
        self.asm.jump_if_imm(Cond::Ne, R3, i32::from(b'0'), decimal);
        unless_x(self, octal);
        self.byte_at_r1(R4, text, 2, end);
        let hex = self.asm.label();
        self.asm.add_imm(R4, -i32::from(b'0'));
        self.asm.jump_if_imm(Cond::Lt, R4, 10, hex);
        self.asm.add_imm(R4, i32::from(b'0'));
        self.asm.alu_imm(Alu::Or, R4, SMALL);
        self.asm.add_imm(R4, -i32::from(b'a'));
        self.asm.jump_if_imm(Cond::Ge, R4, 6, octal);
        self.asm.bind(hex);
        self.asm.mov_imm(R5, 16);
        self.asm.jump(x);
        self.asm.bind(octal);
        self.asm.mov_imm(R5, 8);
        self.asm.jump(known);
        self.asm.bind(decimal);
        self.asm.mov_imm(R5, 10);
        self.asm.jump(known);
        self.asm.bind(sixteen);
        self.asm.jump_if_imm(Cond::Ne, R3, i32::from(b'0'), known);
        unless_x(self, known);
        self.asm.bind(x);
        self.asm.add_imm(R1, 2);
        self.asm.bind(known);
    }

    /// `into = text[r1 + after]`, or on to `end` behind the text's place.
    fn byte_at_r1(&mut self, into: Reg, text: Text, after: i16, end: Label) {
        // The NUL ends it before; this is for the verifier.
        self.asm.jump_if_imm(Cond::Ge, R1, text.cap as i32 - i32::from(after), end);
        self.address(into, text.mem);
        self.asm.alu(Alu::Add, into, R1);
        self.asm.load(Size::B, into, into, after);
    }
}
