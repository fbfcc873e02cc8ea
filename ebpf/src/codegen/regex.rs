//! Regular expressions: a loop over the text that follows an automaton's table, one load of each for a byte.

use super::{GenerateError, emit::*, frame::*, maps::Automaton, rounds::is_long};
use crate::{
    ir::*,
    isa::*,
    regex::{ACCEPT, REJECT},
};

/// The place in the text, and the state's row.
const COUNTED: [Reg; 2] = [R1, R2];

impl Emitter<'_, '_> {
    /// `subject =~ pattern`. Uses r0-r5.
    pub fn regex(&mut self, dst: Var, subject: StrOperand, pattern: StrId, negated: bool) -> Result<(), GenerateError> {
        let automaton = match self.shared.automaton(pattern) {
            Ok(automaton) => automaton,
            Err(error) => return Err(self.error(format!("a regular expression is too much for it: {error}"))),
        };
        let verdict = |matches: bool| i64::from(matches != negated);
        let (yes, done) = (self.asm.label(), self.asm.label());
        match automaton.start {
            REJECT => {}
            ACCEPT => self.asm.jump(yes),
            start => {
                let text = self.text(subject);
                let (again, no) = (self.asm.label(), self.asm.label());
                // r1: place in the text, r2: the state's row. Hidden, or the verifier follows every round.
                let steps = self.cx.frame.by_callbacks && is_long(&self.cx.body, text.cap);
                let hidden = self.shared.target.may_goto;
                if hidden {
                    self.hidden_imm(R1, 0);
                    self.hidden_imm(R2, start.into());
                } else {
                    self.asm.mov_imm(R1, 0);
                    self.asm.mov_imm(R2, start.into());
                }
                if steps {
                    self.keep_counted(&COUNTED);
                    self.repeat(move |e, again, out| {
                        let (next, yes) = (e.asm.label(), e.asm.label());
                        e.load_counted(&COUNTED);
                        e.follow(text, &automaton, next, yes, out);
                        for (label, to) in [(next, again), (yes, out)] {
                            e.asm.bind(label);
                            e.keep_counted(&COUNTED);
                            e.asm.jump(to);
                        }
                    });
                    self.load_counted(&COUNTED);
                    self.asm.jump_if_imm(Cond::Eq, R2, ACCEPT.into(), yes);
                } else {
                    self.asm.bind(again);
                    if hidden {
                        self.asm.may_goto(no);
                    }
                    self.follow(text, &automaton, again, yes, no);
                }
                self.asm.bind(no);
            }
        }
        self.asm.mov_imm(R0, verdict(false));
        self.asm.jump(done);
        self.asm.bind(yes);
        self.asm.mov_imm(R0, verdict(true));
        self.asm.bind(done);
        self.put(dst, R0);
        Ok(())
    }

    /// One byte further. Uses r3 and r4.
    fn follow(&mut self, text: Text, automaton: &Automaton, again: Label, yes: Label, no: Label) {
        let rodata = |off: u32| Mem { base: Base::Rodata, off: off as i32 };
        // The NUL ends it before; that and the next bound are for the verifier.
        self.asm.jump_if_imm(Cond::Ge, R1, text.cap as i32, no);
        self.address(R3, text.mem);
        self.asm.alu(Alu::Add, R3, R1);
        self.asm.load(Size::B, R3, R3, 0);
        self.address(R4, rodata(automaton.classes));
        self.asm.alu(Alu::Add, R4, R3);
        self.asm.load(Size::B, R3, R4, 0);
        self.asm.alu(Alu::Add, R2, R3);
        self.asm.jump_if_imm(Cond::Ge, R2, automaton.n_entries as i32, no);
        self.asm.alu_imm(Alu::Lsh, R2, 1);
        self.address(R4, rodata(automaton.table));
        self.asm.alu(Alu::Add, R4, R2);
        self.asm.load(Size::H, R2, R4, 0);
        self.asm.add_imm(R1, 1);
        self.asm.jump_if_imm(Cond::Lt, R2, REJECT.into(), again);
        self.asm.jump_if_imm(Cond::Eq, R2, ACCEPT.into(), yes);
        self.asm.jump(no);
    }
}
