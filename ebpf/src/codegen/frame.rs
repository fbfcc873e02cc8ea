//! Where everything of a handler lives: registers, the 512 bytes of stack, and what overflows to scratch memory.
//!
//! ```text
//!   r10    ┌──────────────────────┐
//!     -8   │ context pointer      │
//!    -16   │ scratch pointer      │
//!    -24   │ site, or line of it  │   fixed slots
//!    -32   │ two words of         │
//!    -40   │   passing use        │
//!    -48   │ statements left      │
//!    -56   │ syscall number       │
//!    -64   │ user registers       │
//!    -72   │ current task         │
//!    -80   │ (when it began)      │
//!          ├──────────────────────┤
//!          │ work, key, value     │   areas for building what helpers are given
//!          │ longs without a      │
//!          │   register           │
//!          │ strings up to 64     │
//!   -480   └──────────────────────┘   the rest is the kernel's (may_goto)
//!
//!   scratch: u64 busy │ u64 level │ strings, longs and areas that found no room
//! ```
//! Variables that are never live at once share a place.

use std::ops::Range;

use super::{
    emit::Line,
    liveness::{Liveness, VarSet, step_back},
    needs::Needs,
};
use crate::{
    ir::*,
    isa::{R6, R7, R8, R9, Reg},
};

pub const CTX: i16 = -8;
pub const SCRATCH: i16 = -16;
pub const SITE: i16 = -24;
pub const TMP0: i16 = -32;
pub const TMP1: i16 = -40;
pub const BUDGET: i16 = -48;
pub const NR: i16 = -56;
pub const REGS: i16 = -64;
pub const TASK: i16 = -72;
/// Only in handlers whose time is taken: when they began.
pub const BEGUN: i16 = -80;
const FIXED: i32 = 72;
const STACK: i32 = 480;
/// Start of scratch memory: u64 busy, u64 nesting level.
const HEADER: i32 = 16;

/// Strings up to this capacity may live on the stack.
const SMALL: u16 = 64;
/// Areas up to this size may be on the stack.
const SMALL_AREA: u32 = 136;

/// Whose address an offset is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Stack,
    Scratch,
    Rodata,
    /// The line of this call, see [`super::alike`]. Nothing is written there.
    Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    pub base: Base,
    pub off: i32,
}

impl Mem {
    pub fn at(self, more: i32) -> Mem {
        Mem { off: self.off + more, ..self }
    }
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loc {
    /// Never used.
    None,
    Reg(Reg),
    Mem(Mem),
}

#[derive(Clone, Debug)]
pub struct Frame {
    pub locs: Vec<Loc>,
    pub key: Mem,
    pub value: Mem,
    pub work: Mem,
    /// Larger passing use: strings being put together.
    pub temp: Mem,
    /// State of iterators; always in scratch memory.
    pub iters: Mem,
    /// Bytes of scratch memory; 0: none is needed.
    pub scratch_size: u32,
    /// Offsets of words of the stack that are areas' and variables': from the lowest up to the fixed slots.
    pub own_words: Range<i16>,
    /// Its loops, and long ones of its operations, are callbacks.
    pub by_callbacks: bool,
    /// Where a loop's callback begins, and then where the program goes on; see [`super::rounds`].
    pub round: Mem,
    /// Statements left.
    pub budget: Mem,
}

impl Frame {
    /// `by_callbacks`: what callbacks share with the program is all in scratch memory, see [`super::rounds`].
    pub fn of(body: &Body, needs: &Needs, live: &Liveness, line: Option<&Line>, by_callbacks: bool) -> Frame {
        let conflicts = conflicts(body, live);
        let mut order = by_weight(body);
        let mut locs = vec![Loc::None; body.vars.len()];
        if let Some(line) = line {
            order.retain(|(v, _)| !line.alike.is_loaded(*v));
            for (v, at) in line.alike.places() {
                locs[v.index()] = Loc::Mem(Mem { base: Base::Line, off: (line.section + at) as i32 });
            }
        }
        let fixed = if needs.timed { -i32::from(BEGUN) } else { FIXED };
        let most = if by_callbacks { 0 } else { STACK };
        let registers: &[Reg] = if by_callbacks { &[] } else { &[R6, R7, R8, R9] };
        let mut space = Space { stack: fixed, scratch: HEADER, most };
        let [round, budget] = match by_callbacks {
            true => [(); 2].map(|()| space.area(8, false)),
            false => [Mem { base: Base::Stack, off: BUDGET.into() }; 2],
        };
        let work = space.area(needs.work.max(32), true);
        let key = space.area(needs.key, true);
        let value = space.area(needs.value, true);
        let mut slots: Vec<(Mem, u32, Vec<Var>)> = Vec::new();
        for (v, _) in &order {
            let conflict = &conflicts[v.index()];
            let Ty::Long = body.vars[v.index()].ty else { continue };
            let mut taken = [false; 16];
            for other in conflict.iter() {
                if let Loc::Reg(register) = locs[other.index()] {
                    taken[usize::from(register.0)] = true;
                }
            }
            let register = registers.iter().copied().find(|r| !taken[usize::from(r.0)]);
            locs[v.index()] = match register {
                Some(register) => Loc::Reg(register),
                None => Loc::Mem(share(&mut slots, &mut space, *v, 8, conflict, true)),
            };
        }
        // Small strings come before the temporary area: they are the fast path.
        for (v, _) in &order {
            if let ty @ (Ty::Str { cap } | Ty::Packed { cap }) = body.vars[v.index()].ty {
                let on_stack = cap <= SMALL && ty.kind() == Kind::Str;
                let mem = share(&mut slots, &mut space, *v, cap.into(), &conflicts[v.index()], on_stack);
                locs[v.index()] = Loc::Mem(mem);
            }
        }
        let temp = space.area(needs.temp, needs.temp <= SMALL_AREA);
        let iters = space.area(super::iterate::STATE * body.n_iters, false);
        let scratch_size = if space.scratch > HEADER { space.scratch as u32 } else { 0 };
        let own_words = -space.stack as i16..-fixed as i16;
        Frame { locs, key, value, work, temp, iters, scratch_size, own_words, by_callbacks, round, budget }
    }
}

struct Space {
    stack: i32,
    scratch: i32,
    /// Of the stack.
    most: i32,
}

impl Space {
    fn area(&mut self, size: u32, on_stack: bool) -> Mem {
        let size = size.next_multiple_of(8) as i32;
        if size == 0 {
            return Mem { base: Base::Stack, off: 0 };
        }
        if on_stack && size <= SMALL_AREA as i32 && self.stack + size <= self.most {
            self.stack += size;
            return Mem { base: Base::Stack, off: -self.stack };
        }
        let off = self.scratch;
        self.scratch += size;
        Mem { base: Base::Scratch, off }
    }
}

/// A slot of that size whose owners never live at the same time as `v`, or a new one.
fn share(
    slots: &mut Vec<(Mem, u32, Vec<Var>)>,
    space: &mut Space,
    v: Var,
    size: u32,
    conflict: &VarSet,
    on_stack: bool,
) -> Mem {
    let free = slots
        .iter_mut()
        .filter(|(mem, ..)| on_stack || mem.base == Base::Scratch)
        .find(|(_, s, owners)| *s == size && !owners.iter().any(|o| conflict.contains(*o)));
    if let Some((mem, _, owners)) = free {
        owners.push(v);
        return *mem;
    }
    let mem = space.area(size, on_stack);
    slots.push((mem, size, vec![v]));
    mem
}

/// Variables that may not share a place: one is written while the other still matters.
fn conflicts(body: &Body, live: &Liveness) -> Vec<VarSet> {
    let n = body.vars.len();
    let mut conflicts = vec![VarSet::new(n); n];
    let mut clash = |v: Var, others: &VarSet| {
        for other in others.iter().filter(|o| *o != v) {
            conflicts[v.index()].insert(other);
            conflicts[other.index()].insert(v);
        }
    };
    let is_text = |v: Var| body.vars[v.index()].ty != Ty::Long;
    // All that is live at entry is cleared there.
    if let Some(first) = live.live_in.first() {
        first.iter().for_each(|v| clash(v, first));
    }
    for block in &body.blocks {
        let at_catch = live.at_catch(block, n);
        if let Some(catch) = &block.catch
            && let Some(message) = catch.message
        {
            clash(message, &live.live_in[catch.block.index()]);
            let mut uses = VarSet::new(n);
            block.term.for_each_arg(|arg| super::liveness::add_uses(arg, &mut uses));
            clash(message, &uses);
        }
        let written = block.term.dsts();
        if !written.is_empty() {
            let mut after = live.after_term(body, block);
            written.iter().for_each(|v| after.insert(*v));
            written.iter().for_each(|v| clash(*v, &after));
        }
        let mut set = live.before_term(body, block);
        for inst in block.insts.iter().rev() {
            if let Some(dst) = inst.op.dst() {
                clash(dst, &set);
                // A text is often written before all operands were read.
                if is_text(dst) && !matches!(inst.op, Op::StrCopy { .. } | Op::PackCopy { .. }) {
                    let mut uses = VarSet::new(n);
                    inst.op.for_each_arg(|arg| super::liveness::add_uses(arg, &mut uses));
                    clash(dst, &uses);
                }
            }
            step_back(inst, &mut set, at_catch.as_ref());
        }
    }
    conflicts
}

/// Used variables, the busiest first; a use inside a loop counts tenfold.
fn by_weight(body: &Body) -> Vec<(Var, u64)> {
    let mut depth = vec![0u32; body.blocks.len()];
    for (i, block) in body.blocks.iter().enumerate() {
        for to in block.successors().iter().filter(|to| to.index() <= i) {
            depth[to.index()..=i].iter_mut().for_each(|d| *d += 1);
        }
    }
    let mut weights = vec![0u64; body.vars.len()];
    for (block, depth) in body.blocks.iter().zip(depth) {
        let weight = 10u64.pow(depth.min(6));
        let mut count = |arg: Arg| {
            if let Arg::Long(Operand::Var(v)) | Arg::Str(StrOperand::Var(v)) | Arg::Packed(v) = arg {
                weights[v.index()] += weight;
            }
        };
        let long = |v| Arg::Long(Operand::Var(v));
        for inst in &block.insts {
            inst.op.for_each_arg(&mut count);
            inst.op.dst().into_iter().for_each(|v| count(long(v)));
        }
        block.term.for_each_arg(&mut count);
        block.term.dsts().into_iter().for_each(|v| count(long(v)));
        block.catch.iter().filter_map(|c| c.message).for_each(|v| count(long(v)));
    }
    let mut order: Vec<(Var, u64)> =
        weights.into_iter().enumerate().filter(|(_, w)| *w > 0).map(|(i, w)| (Var(i as u32), w)).collect();
    order.sort_by_key(|(v, w)| (std::cmp::Reverse(*w), *v));
    order
}
