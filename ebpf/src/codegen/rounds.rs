//! Loops where the kernel does not know `may_goto` (6.9): it calls a function for each round, which the verifier looks at once.
//!
//! ```text
//!   program                                     callback; r9: the program's frame
//!     round = where the loop is entered           to the block that round names
//!     bpf_loop(n_rounds, callback, r10)           … blocks of the loop …
//!     to the block that round names                 back to a beginning: round = it, return 0
//!     it names a beginning: MAXACTION               out of the loop:     round = where to, return 1
//! ```
//! A loop and those inside it share a callback. Before Linux 5.17 it is called for each element of an array that holds nothing;
//! before 5.13 there are no callbacks, and the verifier follows every round of a loop. What an operation repeats (over
//! processors, the places of a text, the elements of an array) is done by steps, which are callbacks of their own.
//!
//! All that program and callback share is in scratch memory, of which the verifier knows nothing: a callback has registers of
//! its own, and of a number in the program's stack, which it reaches by another register than r10, verifiers before Linux 6.8
//! take what was there on one way for what is there on every one. They go through a callback once, too, and what they then
//! have not seen they take out of the program.

use std::{collections::BTreeSet, ops::RangeInclusive, rc::Rc};

use super::{
    GenerateError,
    emit::{Emitter, HandlerCx},
    iterate::{Callback, ORDERED},
    liveness::Liveness,
    maps,
    meetings::Meeting,
};
use crate::{ir::*, isa::*, layout::record::ErrorCode};

/// Rounds at most, for an MAXACTION beyond them: of `bpf_loop`, and of 8 bytes each.
const MAX_ROUNDS: u32 = 1 << 23;
const MAX_ELEMENTS: u32 = 1 << 20;

/// Writes one step of what is repeated. It goes to the first label to have another one follow, to the second to be done.
pub type Step = Box<dyn FnOnce(&mut Emitter<'_, '_>, Label, Label)>;

/// Whether a text of that capacity is gone through by steps, where there are callbacks. Else it is done in line, byte by byte.
pub fn is_long(body: &Body, cap: u32) -> bool {
    const SHORT: u32 = 16;
    body.has_loops || cap > SHORT
}

/// Whether a text of that capacity has more than a few places to look at for another one. Few are followed one by one, which
/// makes each of them quicker. Not in a loop, where the verifier would go on from each of them.
pub fn are_many_places(body: &Body, hay: u32, needle: u32) -> bool {
    const FEW: u32 = 1 << 9;
    body.has_loops || hay * needle > FEW
}

/// A loop and all that are inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outermost {
    pub blocks: RangeInclusive<usize>,
    /// Blocks where a round may begin: where the loop is entered, and where any of its loops begins.
    beginnings: BTreeSet<usize>,
    /// Of those, where it is entered from outside.
    entered_at: BTreeSet<usize>,
    /// Blocks outside that it leads to.
    ways_out: BTreeSet<usize>,
}

/// A loop whose callback is still to be written.
pub struct Pending {
    of: Outermost,
    cx: HandlerCx,
    live: Rc<Liveness>,
}

impl Outermost {
    pub fn all(body: &Body) -> Vec<Self> {
        let ends = body.loop_ends();
        let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
        for (head, end) in ends.iter().enumerate().filter_map(|(head, end)| Some((head, (*end)?))) {
            match ranges.last_mut() {
                Some(last) if last.contains(&head) => *last = *last.start()..=end.max(*last.end()),
                _ => ranges.push(head..=end),
            }
        }
        let leads_to = |block: &BlockData| -> Vec<usize> {
            let caught = block.catch.iter().map(|catch| catch.block);
            block.term.targets().into_iter().chain(caught).map(|to| to.index()).collect()
        };
        let outermost = |blocks: RangeInclusive<usize>| {
            let (mut entered_at, mut ways_out) = (BTreeSet::new(), BTreeSet::new());
            for (i, block) in body.blocks.iter().enumerate() {
                let across = leads_to(block).into_iter().filter(|to| blocks.contains(to) != blocks.contains(&i));
                if blocks.contains(&i) { ways_out.extend(across) } else { entered_at.extend(across) }
            }
            if *blocks.start() == 0 {
                entered_at.insert(0);
            }
            let heads = blocks.clone().filter(|i| ends[*i].is_some());
            Outermost { beginnings: entered_at.iter().copied().chain(heads).collect(), blocks, entered_at, ways_out }
        };
        ranges.into_iter().map(outermost).collect()
    }
}

impl Emitter<'_, '_> {
    /// What stands in the program for a loop.
    pub fn run_rounds(&mut self, of: &Outermost) {
        let body = self.cx.body.clone();
        let (call, callback) = (self.asm.label(), self.asm.label());
        self.at(body.blocks[*of.blocks.start()].tag());
        self.cx.catch = None;
        for entry in &of.entered_at {
            let label = self.cx.blocks[*entry];
            self.asm.bind(label);
            self.asm.mov_imm(R1, *entry as i64);
            self.asm.jump(call);
        }
        self.asm.bind(call);
        self.keep_round(R1);
        self.call_rounds(callback);
        self.round(R1);
        for way in &of.ways_out {
            let label = self.cx.blocks[*way];
            self.asm.jump_if_imm(Cond::Eq, R1, *way as i32, label);
        }
        let end = self.cx.end;
        self.asm.jump_if_imm(Cond::Eq, R1, body.blocks.len() as i32, end);
        let over = self.uncatchable(ErrorCode::MaxAction);
        self.asm.jump(over);
        self.loops.push((callback, of.clone()));
    }

    /// Does a step until it goes to the second of the labels it is given. Nothing of the program's registers is known in it.
    pub fn repeat(&mut self, step: impl FnOnce(&mut Emitter<'_, '_>, Label, Label) + 'static) {
        let callback = self.asm.label();
        let cx = HandlerCx { stubs: Vec::new(), ..self.cx.clone() };
        self.callbacks.push((callback, Callback::Step(Box::new(cx), Box::new(step))));
        self.call_rounds(callback);
    }

    /// A step's callback.
    pub fn write_step(&mut self, cx: HandlerCx, step: Step) {
        self.begin_callback(cx);
        let (again, out) = (self.asm.label(), self.asm.label());
        step(self, again, out);
        for (label, result) in [(again, 0), (out, 1)] {
            self.asm.bind(label);
            self.asm.mov_imm(R0, result);
            self.asm.exit();
        }
        self.fp = R10;
    }

    /// Keeps registers that a step counts with, in the words of the work area.
    pub fn keep_counted(&mut self, counted: &[Reg]) {
        for (reg, at) in counted.iter().zip((0..).step_by(8)) {
            let (base, off) = self.base(self.cx.frame.work.at(at), R3);
            self.asm.store(Size::DW, base, off, *reg);
        }
    }

    pub fn load_counted(&mut self, counted: &[Reg]) {
        for (reg, at) in counted.iter().zip((0..).step_by(8)) {
            let (base, off) = self.base(self.cx.frame.work.at(at), *reg);
            self.asm.load(Size::DW, *reg, base, off);
        }
    }

    fn call_rounds(&mut self, callback: Label) {
        let limits = &self.shared.program.limits;
        let n_rounds = limits.max_action.max(limits.max_string_len.into()).max(ORDERED as u32);
        let n_rounds = n_rounds.max(self.shared.target.n_cpus).saturating_add(2);
        let helper = if self.shared.target.bpf_loop {
            self.asm.mov_imm(R1, n_rounds.min(MAX_ROUNDS).into());
            helpers::LOOP
        } else {
            let rounds = self.shared.internal("rounds", maps::ARRAY, 4, 8, n_rounds.min(MAX_ELEMENTS), 0);
            self.asm.map(R1, rounds);
            helpers::FOR_EACH_MAP_ELEM
        };
        self.asm.function(R2, callback);
        self.asm.mov(R3, self.fp);
        self.asm.mov_imm(R4, 0);
        self.asm.call(helper);
    }

    /// A callback begins, of what stands there: finds the program's frame.
    fn begin_callback(&mut self, cx: HandlerCx) {
        (self.cx, self.fp) = (cx, R9);
        self.at(self.cx.tag);
        // Behind the round's number, or behind map, key and value.
        self.asm.mov(R9, if self.shared.target.bpf_loop { R2 } else { R4 });
    }

    /// The handler is written, and what its loops know of it is complete.
    pub fn put_loops_off(&mut self, live: &Rc<Liveness>) {
        for (label, of) in std::mem::take(&mut self.loops) {
            let tag = self.cx.body.blocks[*of.blocks.start()].tag();
            let pending = Pending { of, cx: HandlerCx { tag, ..self.cx.clone() }, live: live.clone() };
            self.callbacks.push((label, Callback::Round(Box::new(pending))));
        }
    }

    /// The callback of a loop.
    pub fn write_round(&mut self, pending: Pending) -> Result<(), GenerateError> {
        let Pending { of, cx, live } = pending;
        self.begin_callback(cx);
        self.cx.task.forget();
        (self.cx.end, self.cx.failed) = (self.asm.label(), self.asm.label());
        let end = self.cx.end;
        for way in &of.ways_out {
            self.cx.blocks[*way] = self.asm.label();
        }
        for block in of.blocks.clone() {
            self.cx.blocks[block] = self.asm.label();
        }
        let begin: Vec<(usize, Label)> = of.beginnings.iter().map(|block| (*block, self.asm.label())).collect();
        if let Some(((_, last), others)) = begin.split_last() {
            self.round(R1);
            for (block, label) in others {
                self.asm.jump_if_imm(Cond::Eq, R1, *block as i32, *label);
            }
            self.asm.jump(*last);
        }
        let body = self.cx.body.clone();
        let meetings = super::meetings::meetings(&body);
        let mut again: Vec<(usize, Label)> = Vec::new();
        for i in of.blocks.clone() {
            let label = self.cx.blocks[i];
            self.asm.bind(label);
            self.enter(i, &body.blocks[i]);
            let is_head = matches!(meetings[i], Some(Meeting { is_head: true, .. }));
            // Nothing but a new round leads to where the outermost begins.
            if meetings[i].is_some() && i != *of.blocks.start() {
                self.meet(of.blocks.clone(), &live.live_in[i]);
            }
            if let Some((_, label)) = begin.iter().find(|(block, _)| *block == i) {
                self.asm.bind(*label);
            }
            if is_head {
                let label = self.asm.label();
                again.push((i, label));
                self.cx.blocks[i] = label;
            }
            let next = if i == *of.blocks.end() { usize::MAX } else { i + 1 };
            self.instructions(&body.blocks[i], next)?;
        }
        self.stubs()?;
        let (go_on, stop) = (self.asm.label(), self.asm.label());
        self.asm.bind(end);
        self.asm.mov_imm(R1, body.blocks.len() as i64);
        self.asm.jump(stop);
        for way in &of.ways_out {
            let label = self.cx.blocks[*way];
            self.asm.bind(label);
            self.asm.mov_imm(R1, *way as i64);
            self.asm.jump(stop);
        }
        for (head, label) in again {
            self.asm.bind(label);
            self.asm.mov_imm(R1, head as i64);
            self.asm.jump(go_on);
        }
        for (label, result) in [(stop, 1), (go_on, 0)] {
            self.asm.bind(label);
            self.keep_round(R1);
            self.asm.mov_imm(R0, result);
            self.asm.exit();
        }
        self.fp = R10;
        Ok(())
    }

    fn keep_round(&mut self, from: Reg) {
        let (base, off) = self.base(self.cx.frame.round, R2);
        self.asm.store(Size::DW, base, off, from);
    }

    fn round(&mut self, into: Reg) {
        let (base, off) = self.base(self.cx.frame.round, into);
        self.asm.load(Size::DW, into, base, off);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: SourceTag = SourceTag::NONE;

    /// 0 → 1 ⇄ (2 ⇄ 3) → 4, and 5 ⇄ 6 → 7: two loops, one with another inside it.
    fn body() -> Body {
        let mut b = BodyBuilder::new();
        let x = b.new_var(Ty::Long);
        let blocks: Vec<Block> = (0..7).map(|_| b.new_block()).collect();
        let to = |n: usize| blocks[n - 1];
        let cond = Operand::Var(x);
        b.jump(to(1), NO);
        let mut fork = |at: usize, then: usize, otherwise: usize| {
            b.switch_to(to(at));
            b.terminate(Term::Branch { cond, then: to(then), otherwise: to(otherwise) }, NO);
        };
        fork(1, 2, 4);
        fork(2, 3, 1);
        fork(3, 2, 7);
        fork(4, 5, 7);
        fork(5, 6, 7);
        b.switch_to(to(6));
        b.jump(to(5), NO);
        b.finish(NO)
    }

    #[test]
    fn a_loop_has_those_inside_it() {
        let of = |blocks, beginnings: &[usize], entered_at, ways_out: &[usize]| Outermost {
            blocks,
            beginnings: beginnings.iter().copied().collect(),
            entered_at: BTreeSet::from([entered_at]),
            ways_out: ways_out.iter().copied().collect(),
        };
        let expected = [of(1..=3, &[1, 2], 1, &[4, 7]), of(5..=6, &[5], 5, &[7])];
        assert_eq!(Outermost::all(&body()), expected);
    }
}
