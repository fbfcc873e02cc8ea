//! Where ways through a loop meet, and what makes them alike for the verifier there.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{emit::Emitter, frame::*, liveness::VarSet};
use crate::{ir::*, isa::*, layout::control};

/// A place in a loop that several ways lead to.
pub struct Meeting {
    /// The blocks of the innermost loop around it.
    pub within: RangeInclusive<usize>,
    /// The loop begins here.
    pub is_head: bool,
}

/// By block.
pub fn meetings(body: &Body) -> Vec<Option<Meeting>> {
    let ends = body.loop_ends();
    if ends.iter().all(Option::is_none) {
        return ends.iter().map(|_| None).collect();
    }
    let mut n_ways = vec![0; body.blocks.len()];
    for block in &body.blocks {
        block.term.targets().iter().for_each(|to| n_ways[to.index()] += 1);
        // Each instruction that fails is one.
        block.catch.iter().for_each(|catch| n_ways[catch.block.index()] += 2);
    }
    let meeting = |i: usize| {
        let around = |head: &usize| ends[*head].is_some_and(|end| i <= end);
        let head = (0..=i).rev().find(around).filter(|head| *head == i || n_ways[i] > 1)?;
        Some(Meeting { within: head..=ends[head]?, is_head: head == i })
    };
    (0..body.blocks.len()).map(meeting).collect()
}

impl Emitter<'_, '_> {
    /// Makes all rounds of a loop begin alike for the verifier, which is done with a loop when it comes to the beginning as
    /// it did before. What it finds out about numbers on the way (a shift makes them small, a comparison parts their
    /// range) it shall not know, and of what nobody needs any more nothing shall be left.
    pub fn meet(&mut self, blocks: RangeInclusive<usize>, alive: &VarSet) {
        let body = self.cx.body.clone();
        let of_loop = || body.blocks[blocks.clone()].iter();
        let ops = || of_loop().flat_map(|block| &block.insts).map(|inst| &inst.op);
        let mut changed = VarSet::new(body.vars.len());
        ops().filter_map(Op::dst).chain(of_loop().flat_map(|block| block.term.dsts())).for_each(|v| changed.insert(v));
        let is_plain = |op: &Op| {
            matches!(
                op,
                Op::Copy { .. } | Op::Binary { .. } | Op::Compare { .. } | Op::Unary { .. } | Op::Actions { .. }
            )
        };
        let uses_areas = !ops().all(is_plain) || of_loop().any(|block| matches!(block.term, Term::IterNext { .. }));
        // Words of the stack that matter; whether what they hold may change.
        let mut words: BTreeMap<i16, bool> = BTreeMap::new();
        let (mut forgotten, mut kept) = (Vec::new(), Vec::new());
        for v in alive.iter() {
            let is_forgotten = changed.contains(v) && self.cx.pointers.place(Operand::Var(v)).is_none();
            match self.loc(v) {
                Loc::Reg(r) if is_forgotten => forgotten.push(r),
                Loc::Reg(r) => kept.push(r),
                Loc::Mem(Mem { base: Base::Stack, off }) => {
                    let size = match body.vars[v.index()].ty {
                        Ty::Long => 8,
                        Ty::Str { cap } | Ty::Packed { cap } => cap,
                    };
                    words.extend((off..off + i32::from(size)).step_by(8).map(|word| (word as i16, is_forgotten)));
                }
                Loc::Mem(_) | Loc::None => {}
            }
        }
        if !self.cx.frame.by_callbacks && ops().any(|op| matches!(op, Op::Actions { .. })) {
            words.insert(BUDGET, true);
        }
        self.control_word(R1, control::ZERO);
        forgotten.iter().for_each(|r| self.asm.alu(Alu::Xor, *r, R1));
        for word in words.iter().filter(|(_, is_forgotten)| **is_forgotten).map(|(word, _)| *word) {
            self.forget_word(R10, word);
        }
        if uses_areas {
            let own = self.cx.frame.own_words.clone().step_by(8).chain([TMP0, TMP1]);
            own.filter(|word| !words.contains_key(word)).for_each(|word| self.asm.store_imm(Size::DW, R10, word, 0));
        }
        let is_dead = |r: &Reg| !forgotten.contains(r) && !kept.contains(r) && *r != self.fp;
        let saved: Vec<Reg> = [R6, R7, R8, R9].into_iter().filter(is_dead).collect();
        [R0, R1, R2, R3, R4, R5].into_iter().chain(saved).for_each(|r| self.asm.mov_imm(r, 0));
    }

    /// The verifier shall not know what the word holds. r1 is [`control::ZERO`]; uses r2.
    pub fn forget_word(&mut self, base: Reg, word: i16) {
        self.asm.load(Size::DW, R2, base, word);
        self.asm.alu(Alu::Xor, R2, R1);
        self.asm.store(Size::DW, base, word, R2);
    }
}
