//! Which variables hold what the verifier knows as pointers. A trampoline's arguments are such: the verifier knows the
//! structures they point to, lets a program load members without a helper, and knows what a pointer loaded so points to.
//! It also refuses to calculate with them. So a pointer stays one while addresses are all it is used for; everywhere else
//! it is made a plain number when it arrives.

use std::fmt::Debug;

use super::{
    DirectReads, Target,
    frame::{Base, Loc},
    liveness::Liveness,
};
use crate::ir::*;

/// What the verifier takes a value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Number,
    /// A pointer to the structure with this id in the kernel's BTF.
    Pointer(u32),
    /// Perhaps a pointer.
    Unknown,
}

/// The kernel's types, as far as the verifier's rules for loads go: Documentation/bpf/btf.rst, kernel/bpf/btf.c.
pub trait KernelTypes: Debug + Send + Sync {
    /// The n-th argument of a function, by its id in the kernel's BTF; `None` for the result.
    fn function_word(&self, function: u32, argument: Option<u8>) -> Known;
    /// What `width` bytes at `offset` of a structure are; unknown, too, where a load of them might be refused.
    fn member(&self, structure: u32, offset: u32, width: u8) -> Known;
}

/// Where in a structure a variable points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub structure: u32,
    pub offset: u32,
}

/// Further than that no structure reaches.
const FARTHEST: u32 = 1 << 20;

/// By variable: the pointers among them.
#[derive(Clone, Debug, Default)]
pub struct Pointers(Vec<Option<Place>>);

impl Pointers {
    pub fn of(body: &Body, kind: &EntryKind, locs: &[Loc], target: &Target) -> Self {
        let Some(types) = &target.types else { return Self::default() };
        let EntryKind::Fentry { module: None, .. } = kind else { return Self::default() };
        let sources = sources(body, locs);
        let mut places: Vec<Option<Place>> = vec![None; body.vars.len()];
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for (idx, source) in sources.iter().enumerate().filter(|(_, source)| source.is_some()) {
                let place_of = |operand: &Operand| match operand {
                    Operand::Var(v) => places[v.index()],
                    Operand::Imm(_) => None,
                };
                let pointed_to = |known| match known {
                    Known::Pointer(structure) => Some(Place { structure, offset: 0 }),
                    _ => None,
                };
                let place = match source {
                    Some(Op::Context { field, .. }) => pointed_to(word(&**types, kind, *field)),
                    Some(Op::Copy { src, .. }) => place_of(src),
                    Some(Op::Binary { op: BinOp::Add, a, b: Operand::Imm(n), .. }) => place_of(a).and_then(|place| {
                        let offset = u32::try_from(i64::from(place.offset).checked_add(*n)?).ok()?;
                        (offset < FARTHEST).then_some(Place { offset, ..place })
                    }),
                    Some(Op::Read { space: Space::Kernel, addr, width: 8, .. }) => place_of(addr)
                        .filter(|_| target.direct_reads == DirectReads::ByType)
                        .and_then(|place| pointed_to(types.member(place.structure, place.offset, 8))),
                    _ => None,
                };
                if places[idx].is_none() && place.is_some() {
                    places[idx] = place;
                    changed = true;
                }
            }
        }
        let mut pointers = Self(places);
        while pointers.drop_those_used_otherwise(body, &sources) {}
        pointers
    }

    /// Whether there were any.
    fn drop_those_used_otherwise(&mut self, body: &Body, sources: &[Option<&Op>]) -> bool {
        let before = self.0.clone();
        let mut plain = |arg: Arg| {
            if let Arg::Long(Operand::Var(v)) = arg {
                self.0[v.index()] = None;
            }
        };
        for block in &body.blocks {
            block.term.for_each_arg(&mut plain);
            for inst in &block.insts {
                match &inst.op {
                    Op::Read { .. } => {}
                    Op::ReadStr { max, .. } => max.iter().for_each(|max| plain(Arg::Long(*max))),
                    Op::Copy { dst, .. } | Op::Binary { op: BinOp::Add, dst, b: Operand::Imm(_), .. }
                        if before[dst.index()].is_some() => {}
                    op => op.for_each_arg(&mut plain),
                }
            }
        }
        for (idx, source) in sources.iter().enumerate() {
            let comes_from = match source {
                Some(Op::Copy { src, .. }) => Some(*src),
                Some(Op::Binary { a, .. }) => Some(*a),
                Some(Op::Read { addr, .. }) => Some(*addr),
                _ => None,
            };
            if comes_from.is_some_and(|from| self.place(from).is_none()) {
                self.0[idx] = None;
            }
        }
        before != self.0
    }

    /// Where an operand points to, when the verifier is to know it as a pointer.
    pub fn place(&self, operand: Operand) -> Option<Place> {
        match operand {
            Operand::Var(v) => self.0.get(v.index()).copied().flatten(),
            Operand::Imm(_) => None,
        }
    }
}

/// What the verifier takes a word of a trampoline for.
pub fn word(types: &dyn KernelTypes, kind: &EntryKind, field: ContextField) -> Known {
    match (kind, field) {
        (EntryKind::Fentry { module: None, btf_id, n_args, .. }, ContextField::CallArg(n)) if n < *n_args => {
            types.function_word(*btf_id, Some(n))
        }
        (EntryKind::Fentry { module: None, btf_id, .. }, ContextField::CallReturn) => {
            types.function_word(*btf_id, None)
        }
        (EntryKind::Fentry { .. }, ContextField::CallArg(_) | ContextField::CallReturn) => Known::Unknown,
        _ => Known::Number,
    }
}

/// By variable: the one instruction that writes it, for variables in places where the verifier sees what they hold.
fn sources<'b>(body: &'b Body, locs: &[Loc]) -> Vec<Option<&'b Op>> {
    let mut sources = vec![None; body.vars.len()];
    let mut written_twice: Vec<bool> = locs
        .iter()
        .map(|loc| !matches!(loc, Loc::Reg(_)) && !matches!(loc, Loc::Mem(mem) if mem.base == Base::Stack))
        .collect();
    // Written once more when the handler begins.
    if let Some(live) = Liveness::of(body).live_in.first() {
        live.iter().for_each(|v| written_twice[v.index()] = true);
    }
    for block in &body.blocks {
        block.term.dsts().iter().for_each(|v| written_twice[v.index()] = true);
        for inst in &block.insts {
            let Some(dst) = inst.op.dst() else { continue };
            if sources[dst.index()].replace(&inst.op).is_some() {
                written_twice[dst.index()] = true;
            }
        }
    }
    sources.iter_mut().zip(written_twice).filter(|(_, twice)| *twice).for_each(|(source, _)| *source = None);
    sources
}
