//! Which variables still matter where; and what need not be computed at all.

use crate::ir::*;

/// A set of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarSet(Vec<u64>);

impl VarSet {
    pub fn new(n: usize) -> Self {
        Self(vec![0; n.div_ceil(64)])
    }

    pub fn insert(&mut self, v: Var) {
        self.0[v.index() / 64] |= 1 << (v.index() % 64);
    }

    pub fn remove(&mut self, v: Var) {
        self.0[v.index() / 64] &= !(1 << (v.index() % 64));
    }

    pub fn contains(&self, v: Var) -> bool {
        self.0[v.index() / 64] & 1 << (v.index() % 64) != 0
    }

    /// Whether anything was new.
    pub fn union(&mut self, other: &VarSet) -> bool {
        let mut grew = false;
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            grew |= *b & !*a != 0;
            *a |= b;
        }
        grew
    }

    pub fn iter(&self) -> impl Iterator<Item = Var> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits & 1 << bit != 0).map(move |bit| Var((word * 64 + bit) as u32))
        })
    }
}

/// Variables whose value matters at the start of each block.
pub struct Liveness {
    pub live_in: Vec<VarSet>,
}

pub fn add_uses(arg: Arg, set: &mut VarSet) {
    if let Arg::Long(Operand::Var(v)) | Arg::Str(StrOperand::Var(v)) | Arg::Packed(v) = arg {
        set.insert(v);
    }
}

impl Liveness {
    pub fn of(body: &Body) -> Self {
        let n = body.vars.len();
        let mut live = Self { live_in: vec![VarSet::new(n); body.blocks.len()] };
        let mut changed = true;
        while changed {
            changed = false;
            for (i, block) in body.blocks.iter().enumerate().rev() {
                let mut set = live.before_term(body, block);
                let at_catch = live.at_catch(block, n);
                for inst in block.insts.iter().rev() {
                    step_back(inst, &mut set, &at_catch);
                }
                changed |= live.live_in[i].union(&set);
            }
        }
        live
    }

    /// What an error anywhere in the block still needs.
    pub fn at_catch(&self, block: &BlockData, n_vars: usize) -> VarSet {
        let mut set = VarSet::new(n_vars);
        if let Some(catch) = &block.catch {
            set.union(&self.live_in[catch.block.index()]);
            catch.message.iter().for_each(|m| set.remove(*m));
        }
        set
    }

    /// Live after the terminator's own writes, over all its targets.
    pub fn after_term(&self, body: &Body, block: &BlockData) -> VarSet {
        let mut set = self.at_catch(block, body.vars.len());
        block.term.targets().iter().for_each(|to| {
            set.union(&self.live_in[to.index()]);
        });
        set
    }

    pub fn before_term(&self, body: &Body, block: &BlockData) -> VarSet {
        let mut set = self.after_term(body, block);
        match &block.term {
            // `done` is reached without the keys being written.
            Term::IterNext { keys, value, body: to, done, .. } => {
                let mut inside = self.live_in[to.index()].clone();
                keys.iter().chain(value).for_each(|v| inside.remove(*v));
                set = self.at_catch(block, body.vars.len());
                set.union(&inside);
                set.union(&self.live_in[done.index()]);
            }
            term => term.for_each_arg(|arg| add_uses(arg, &mut set)),
        }
        set
    }
}

/// From "live after" to "live before" an instruction.
pub fn step_back(inst: &Inst, set: &mut VarSet, at_catch: &VarSet) {
    if let Some(dst) = inst.op.dst() {
        set.remove(dst);
    }
    set.union(at_catch);
    inst.op.for_each_arg(|arg| add_uses(arg, set));
}

/// Drops computations nobody looks at, until none is left.
pub fn drop_dead(body: &mut Body) {
    loop {
        let live = Liveness::of(body);
        let mut dropped = false;
        for i in 0..body.blocks.len() {
            let mut set = live.before_term(body, &body.blocks[i]);
            let at_catch = live.at_catch(&body.blocks[i], body.vars.len());
            let block = &mut body.blocks[i];
            let mut kept = Vec::with_capacity(block.insts.len());
            for inst in block.insts.drain(..).rev() {
                let needless = has_no_effect(&inst.op) && inst.op.dst().is_some_and(|dst| !set.contains(dst));
                if needless {
                    dropped = true;
                } else {
                    step_back(&inst, &mut set, &at_catch);
                    kept.push(inst);
                }
            }
            kept.reverse();
            block.insts = kept;
        }
        if !dropped {
            break;
        }
    }
}

/// It does nothing but give its result.
fn has_no_effect(op: &Op) -> bool {
    let reads = matches!(
        op,
        Op::Copy { .. }
            | Op::Binary { .. }
            | Op::Compare { .. }
            | Op::Unary { .. }
            | Op::StrCopy { .. }
            | Op::StrConcat { .. }
            | Op::StrCompare { .. }
            | Op::Regex { .. }
            | Op::Pack { .. }
            | Op::PackCopy { .. }
            | Op::Intrinsic { .. }
            | Op::Read { .. }
            | Op::ReadStr { .. }
            | Op::Context { .. }
            | Op::Site { .. }
            | Op::Get { .. }
            | Op::Contains { .. }
            | Op::Extract { .. }
    );
    reads && !op.may_raise()
}

/// `t = …; s = t` with `t` used nowhere else becomes `s = …`, where both hold as much.
pub fn coalesce_copies(body: &mut Body) {
    let live = Liveness::of(body);
    for i in 0..body.blocks.len() {
        let mut set = live.before_term(body, &body.blocks[i]);
        let at_catch = live.at_catch(&body.blocks[i], body.vars.len());
        let mut at = body.blocks[i].insts.len();
        while at > 0 {
            at -= 1;
            let copied = match &body.blocks[i].insts[at].op {
                Op::StrCopy { dst, src: StrOperand::Var(src) } | Op::Copy { dst, src: Operand::Var(src) } => {
                    Some((*dst, *src))
                }
                _ => None,
            };
            if let (Some((dst, src)), true) = (copied, at > 0) {
                let before = &body.blocks[i].insts[at - 1];
                let mut uses = VarSet::new(body.vars.len());
                before.op.for_each_arg(|arg| add_uses(arg, &mut uses));
                let fits = body.vars[dst.index()].ty == body.vars[src.index()].ty;
                let free = !set.contains(src) && !at_catch.contains(src) && !at_catch.contains(dst);
                if before.op.dst() == Some(src) && fits && free && !uses.contains(dst) && dst != src {
                    body.blocks[i].insts.remove(at);
                    body.blocks[i].insts[at - 1].op.set_dst(dst);
                    continue;
                }
            }
            let inst = body.blocks[i].insts[at].clone();
            step_back(&inst, &mut set, &at_catch);
        }
    }
}
