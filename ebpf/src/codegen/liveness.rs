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
#[derive(Debug)]
pub struct Liveness {
    pub live_in: Vec<VarSet>,
}

fn var_of(arg: Arg) -> Option<Var> {
    match arg {
        Arg::Long(Operand::Var(v)) | Arg::Str(StrOperand::Var(v)) | Arg::Packed(v) => Some(v),
        Arg::Long(Operand::Imm(_)) | Arg::Str(StrOperand::Const(_)) => None,
    }
}

pub fn add_uses(arg: Arg, set: &mut VarSet) {
    var_of(arg).into_iter().for_each(|v| set.insert(v));
}

impl Liveness {
    /// Of a body's variables. What only instructions [`drop_dead`] drops would read does not matter, so that dropping them
    /// changes nothing here.
    pub fn of(body: &Body) -> Self {
        let n = body.vars.len();
        let mut live = Self { live_in: vec![VarSet::new(n); body.blocks.len()] };
        // Backwards, so one round does where nothing goes back.
        let ends = body.loop_ends();
        let mut again = true;
        while std::mem::take(&mut again) {
            for (i, block) in body.blocks.iter().enumerate().rev() {
                let mut set = live.before_term(body, block);
                let at_catch = live.at_catch(block, n);
                for inst in block.insts.iter().rev() {
                    if !is_needless(inst, &set) {
                        step_back(inst, &mut set, at_catch.as_ref());
                    }
                }
                let grew = live.live_in[i].union(&set);
                again |= grew && ends[i].is_some();
            }
        }
        live
    }

    /// What an error anywhere in the block still needs; `None`: nothing, there is no `catch`.
    pub fn at_catch(&self, block: &BlockData, n_vars: usize) -> Option<VarSet> {
        let catch = block.catch.as_ref()?;
        let mut set = VarSet::new(n_vars);
        set.union(&self.live_in[catch.block.index()]);
        catch.message.iter().for_each(|m| set.remove(*m));
        Some(set)
    }

    /// Live after the terminator's own writes, over all its targets.
    pub fn after_term(&self, body: &Body, block: &BlockData) -> VarSet {
        let mut set = self.at_catch(block, body.vars.len()).unwrap_or_else(|| VarSet::new(body.vars.len()));
        block.term.targets().iter().for_each(|to| {
            set.union(&self.live_in[to.index()]);
        });
        set
    }

    pub fn before_term(&self, body: &Body, block: &BlockData) -> VarSet {
        match &block.term {
            // `done` is reached without the keys being written.
            Term::IterNext { keys, value, body: to, done, .. } => {
                let mut set = self.live_in[to.index()].clone();
                keys.iter().chain(value).for_each(|v| set.remove(*v));
                self.at_catch(block, body.vars.len()).iter().for_each(|at_catch| {
                    set.union(at_catch);
                });
                set.union(&self.live_in[done.index()]);
                set
            }
            term => {
                let mut set = self.after_term(body, block);
                term.for_each_arg(|arg| add_uses(arg, &mut set));
                set
            }
        }
    }
}

/// From "live after" to "live before" an instruction.
pub fn step_back(inst: &Inst, set: &mut VarSet, at_catch: Option<&VarSet>) {
    if let Some(dst) = inst.op.dst() {
        set.remove(dst);
    }
    at_catch.iter().for_each(|at_catch| {
        set.union(at_catch);
    });
    inst.op.for_each_arg(|arg| add_uses(arg, set));
}

/// Drops computations nobody looks at, or only others of their kind. Gives what is live without them.
pub fn drop_dead(body: &mut Body) -> Liveness {
    let live = Liveness::of(body);
    for i in 0..body.blocks.len() {
        let mut set = live.before_term(body, &body.blocks[i]);
        let at_catch = live.at_catch(&body.blocks[i], body.vars.len());
        let insts = &mut body.blocks[i].insts;
        let mut kept = vec![true; insts.len()];
        for (inst, kept) in insts.iter().zip(&mut kept).rev() {
            *kept = !is_needless(inst, &set);
            if *kept {
                step_back(inst, &mut set, at_catch.as_ref());
            }
        }
        let mut kept = kept.into_iter();
        insts.retain(|_| kept.next().unwrap_or(true));
    }
    live
}

/// Nobody looks at what it computes, given what is live after it.
fn is_needless(inst: &Inst, live_after: &VarSet) -> bool {
    inst.op.dst().is_some_and(|dst| !live_after.contains(dst)) && has_no_effect(&inst.op)
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
                let mut uses_dst = false;
                before.op.for_each_arg(|arg| uses_dst |= var_of(arg) == Some(dst));
                let fits = body.vars[dst.index()].ty == body.vars[src.index()].ty;
                let caught = |v| at_catch.as_ref().is_some_and(|at_catch| at_catch.contains(v));
                let free = !set.contains(src) && !caught(src) && !caught(dst);
                if before.op.dst() == Some(src) && fits && free && !uses_dst && dst != src {
                    body.blocks[i].insts.remove(at);
                    body.blocks[i].insts[at - 1].op.set_dst(dst);
                    continue;
                }
            }
            step_back(&body.blocks[i].insts[at], &mut set, at_catch.as_ref());
        }
    }
}
