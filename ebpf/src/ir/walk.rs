//! Questions about an instruction that every pass asks: what it writes, what it reads, whether it can raise, where a
//! terminator goes, and who may run it. One exhaustive `match` each, so a new instruction is answered for once.

use super::*;

impl Op {
    /// The variable it writes.
    pub fn dst(&self) -> Option<Var> {
        match self {
            Op::Copy { dst, .. }
            | Op::Binary { dst, .. }
            | Op::Compare { dst, .. }
            | Op::Unary { dst, .. }
            | Op::StrCopy { dst, .. }
            | Op::StrConcat { dst, .. }
            | Op::StrCompare { dst, .. }
            | Op::Pack { dst, .. }
            | Op::PackCopy { dst, .. }
            | Op::Regex { dst, .. }
            | Op::Read { dst, .. }
            | Op::ReadStr { dst, .. }
            | Op::Context { dst, .. }
            | Op::Site { dst, .. }
            | Op::Get { dst, .. }
            | Op::Contains { dst, .. }
            | Op::Extract { dst, .. }
            | Op::Bucket { dst, .. }
            | Op::Sprint { dst, .. } => Some(*dst),
            Op::Intrinsic { dst, .. } | Op::Host { dst, .. } | Op::Call { dst, .. } => *dst,
            Op::Add { result, .. } => result.map(|(dst, _)| dst),
            Op::Set { .. }
            | Op::Delete { .. }
            | Op::Clear { .. }
            | Op::Accumulate { .. }
            | Op::Print { .. }
            | Op::Exit
            | Op::Actions { .. }
            | Op::IterBegin { .. }
            | Op::IterEnd { .. } => None,
        }
    }

    /// Makes it write another variable. Nothing happens to one that writes none.
    pub fn set_dst(&mut self, new: Var) {
        match self {
            Op::Copy { dst, .. }
            | Op::Binary { dst, .. }
            | Op::Compare { dst, .. }
            | Op::Unary { dst, .. }
            | Op::StrCopy { dst, .. }
            | Op::StrConcat { dst, .. }
            | Op::StrCompare { dst, .. }
            | Op::Pack { dst, .. }
            | Op::PackCopy { dst, .. }
            | Op::Regex { dst, .. }
            | Op::Read { dst, .. }
            | Op::ReadStr { dst, .. }
            | Op::Context { dst, .. }
            | Op::Site { dst, .. }
            | Op::Get { dst, .. }
            | Op::Contains { dst, .. }
            | Op::Extract { dst, .. }
            | Op::Bucket { dst, .. }
            | Op::Sprint { dst, .. } => *dst = new,
            Op::Intrinsic { dst, .. } | Op::Host { dst, .. } | Op::Call { dst, .. } => *dst = Some(new),
            Op::Add { result, .. } => {
                if let Some((dst, _)) = result {
                    *dst = new;
                }
            }
            Op::Set { .. }
            | Op::Delete { .. }
            | Op::Clear { .. }
            | Op::Accumulate { .. }
            | Op::Print { .. }
            | Op::Exit
            | Op::Actions { .. }
            | Op::IterBegin { .. }
            | Op::IterEnd { .. } => {}
        }
    }

    /// Calls `f` with each operand it reads, in order.
    pub fn for_each_arg(&self, mut f: impl FnMut(Arg)) {
        match self {
            Op::Copy { src, .. } => f(Arg::Long(*src)),
            Op::Binary { a, b, .. } | Op::Compare { a, b, .. } => {
                f(Arg::Long(*a));
                f(Arg::Long(*b));
            }
            Op::Unary { a, .. } => f(Arg::Long(*a)),
            Op::StrCopy { src, .. } => f(Arg::Str(*src)),
            Op::StrConcat { a, b, .. } | Op::StrCompare { a, b, .. } => {
                f(Arg::Str(*a));
                f(Arg::Str(*b));
            }
            Op::PackCopy { src, .. } => src.iter().for_each(|src| f(Arg::Packed(*src))),
            Op::Regex { subject, .. } => f(Arg::Str(*subject)),
            Op::Intrinsic { args, .. } | Op::Host { args, .. } | Op::Call { args, .. } => {
                args.iter().copied().for_each(f)
            }
            Op::Read { addr, .. } => f(Arg::Long(*addr)),
            Op::ReadStr { addr, max, .. } => {
                f(Arg::Long(*addr));
                max.iter().for_each(|max| f(Arg::Long(*max)));
            }
            Op::Get { keys, .. } | Op::Extract { keys, .. } => keys.iter().copied().for_each(f),
            Op::Set { keys, value, .. } => {
                keys.iter().copied().for_each(&mut f);
                f(*value);
            }
            Op::Add { keys, delta: value, .. } | Op::Accumulate { keys, value, .. } => {
                keys.iter().copied().for_each(&mut f);
                f(Arg::Long(*value));
            }
            Op::Bucket { keys, index, .. } => {
                keys.iter().copied().for_each(&mut f);
                f(Arg::Long(*index));
            }
            Op::Contains { keys, .. } | Op::Delete { keys, .. } => keys.iter().flatten().copied().for_each(f),
            Op::Print { inputs, .. } | Op::Sprint { inputs, .. } | Op::Pack { inputs, .. } => {
                inputs.iter().copied().for_each(f)
            }
            Op::IterBegin { source, limit, .. } => {
                match source {
                    IterSource::Array { slice, .. } => slice.iter().flatten().copied().for_each(&mut f),
                    IterSource::Histogram { keys, .. } => keys.iter().copied().for_each(&mut f),
                }
                limit.iter().for_each(|limit| f(Arg::Long(*limit)));
            }
            Op::Context { .. }
            | Op::Site { .. }
            | Op::Clear { .. }
            | Op::Exit
            | Op::Actions { .. }
            | Op::IterEnd { .. } => (),
        }
    }

    /// The store it touches.
    pub fn store(&self) -> Option<StoreId> {
        match self {
            Op::Get { store, .. }
            | Op::Set { store, .. }
            | Op::Add { store, .. }
            | Op::Contains { store, .. }
            | Op::Delete { store, .. }
            | Op::Clear { store }
            | Op::Accumulate { store, .. }
            | Op::Extract { store, .. }
            | Op::Bucket { store, .. } => Some(*store),
            Op::IterBegin { source: IterSource::Array { store, .. } | IterSource::Histogram { store, .. }, .. } => {
                Some(*store)
            }
            _ => None,
        }
    }

    /// Whether it can raise a script error that `catch` sees. A call may.
    pub fn may_raise(&self) -> bool {
        match self {
            Op::Binary { op, b, .. } => {
                matches!(op, BinOp::Div | BinOp::Rem) && !matches!(b, Operand::Imm(n) if *n != 0)
            }
            Op::Read { on_fault, .. } | Op::ReadStr { on_fault, .. } => matches!(on_fault, OnFault::Raise(_)),
            Op::Host { .. } | Op::Call { .. } | Op::Set { .. } | Op::Add { .. } | Op::Accumulate { .. } => true,
            Op::Bucket { .. } | Op::Print { .. } | Op::Sprint { .. } | Op::IterBegin { .. } => true,
            Op::Extract { op, .. } => !matches!(op, Extractor::Count | Extractor::Sum),
            Op::Intrinsic { op, .. } => op.may_raise(),
            _ => false,
        }
    }

    /// Why only the interpreter can run it, or `None` when the kernel can too.
    pub fn user_only(&self) -> Option<&'static str> {
        match self {
            Op::Host { .. } => Some("a host function"),
            Op::Intrinsic { op, .. } if op.user_only() => Some("the result of a regular expression"),
            Op::Contains { keys, .. } if keys.iter().any(Option::is_none) => Some("`in` with `*`"),
            Op::Delete { keys, .. } if keys.iter().any(Option::is_none) => Some("`delete` with `*`"),
            Op::IterBegin { sort: Some(_), .. } => Some("a sorted foreach"),
            Op::IterBegin { source: IterSource::Histogram { .. }, .. } => Some("foreach over a histogram"),
            _ => None,
        }
    }
}

/// Where control may go from somewhere: at most two ways and a `catch`. It is asked for so often that it is no `Vec`.
#[derive(Clone, Copy, Debug)]
pub struct Successors {
    blocks: [Block; 3],
    n: usize,
}

impl Successors {
    fn of<const N: usize>(given: [Block; N]) -> Self {
        let mut all = Self { blocks: [Block(0); 3], n: 0 };
        given.into_iter().for_each(|block| all.push(block));
        all
    }

    fn push(&mut self, block: Block) {
        self.blocks[self.n] = block;
        self.n += 1;
    }

    /// Takes the last one out.
    pub fn pop(&mut self) -> Option<Block> {
        let last = self.last().copied()?;
        self.n -= 1;
        Some(last)
    }
}

impl IntoIterator for Successors {
    type Item = Block;
    type IntoIter = std::iter::Take<std::array::IntoIter<Block, 3>>;

    fn into_iter(self) -> Self::IntoIter {
        self.blocks.into_iter().take(self.n)
    }
}

impl std::ops::Deref for Successors {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.blocks[..self.n]
    }
}

impl Term {
    /// Where it may go next in this body, `catch` excepted.
    pub fn targets(&self) -> Successors {
        match self {
            Term::Jump(block) => Successors::of([*block]),
            Term::Branch { then, otherwise, .. } | Term::BranchCompare { then, otherwise, .. } => {
                Successors::of([*then, *otherwise])
            }
            Term::IterNext { body, done, .. } => Successors::of([*body, *done]),
            Term::Return(_) | Term::Next | Term::Raise { .. } | Term::Abort => Successors::of([]),
        }
    }

    pub fn for_each_target_mut(&mut self, mut f: impl FnMut(&mut Block)) {
        match self {
            Term::Jump(block) => f(block),
            Term::Branch { then, otherwise, .. } | Term::BranchCompare { then, otherwise, .. } => {
                f(then);
                f(otherwise);
            }
            Term::IterNext { body, done, .. } => {
                f(body);
                f(done);
            }
            Term::Return(_) | Term::Next | Term::Raise { .. } | Term::Abort => (),
        }
    }

    pub fn for_each_arg(&self, mut f: impl FnMut(Arg)) {
        match self {
            Term::Branch { cond, .. } => f(Arg::Long(*cond)),
            Term::BranchCompare { a, b, .. } => {
                f(Arg::Long(*a));
                f(Arg::Long(*b));
            }
            Term::Return(Some(value)) => f(*value),
            Term::Raise { message } => f(Arg::Str(*message)),
            Term::Jump(_) | Term::IterNext { .. } | Term::Return(None) | Term::Next | Term::Abort => (),
        }
    }

    /// The variables it writes.
    pub fn dsts(&self) -> Vec<Var> {
        match self {
            Term::IterNext { keys, value, .. } => keys.iter().copied().chain(*value).collect(),
            _ => Vec::new(),
        }
    }
}

impl BlockData {
    /// Where in the script it begins.
    pub fn tag(&self) -> SourceTag {
        self.insts.first().map_or(self.term_tag, |inst| inst.tag)
    }

    pub fn may_raise(&self) -> bool {
        matches!(self.term, Term::Raise { .. }) || self.insts.iter().any(|inst| inst.op.may_raise())
    }

    /// Where control may go from here, the `catch` included.
    pub fn successors(&self) -> Successors {
        let mut all = self.term.targets();
        self.catch.iter().for_each(|catch| all.push(catch.block));
        all
    }
}

impl Body {
    /// By block: the last one that goes back to it, a later one or itself. The loop is what lies between.
    pub fn loop_ends(&self) -> Vec<Option<usize>> {
        let mut ends = vec![None; self.blocks.len()];
        for (i, block) in self.blocks.iter().enumerate() {
            block.successors().iter().filter(|to| to.index() <= i).for_each(|to| ends[to.index()] = Some(i));
        }
        ends
    }
}

/// What an intrinsic takes and gives; a string's capacity is its caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Long,
    Str,
    Packed,
}

impl Intrinsic {
    /// Parameters and result.
    pub fn signature(self) -> (&'static [Kind], Kind) {
        use Kind::{Long, Str};
        match self {
            Intrinsic::Pid
            | Intrinsic::Tid
            | Intrinsic::Ppid
            | Intrinsic::Uid
            | Intrinsic::Euid
            | Intrinsic::Gid
            | Intrinsic::Egid
            | Intrinsic::Cpu
            | Intrinsic::TaskCurrent
            | Intrinsic::UserMode
            | Intrinsic::RealtimeNs
            | Intrinsic::MonotonicNs
            | Intrinsic::BoottimeNs
            | Intrinsic::Cycles
            | Intrinsic::Jiffies
            | Intrinsic::Random
            | Intrinsic::Target
            | Intrinsic::CgroupId
            | Intrinsic::KernelStack
            | Intrinsic::UserStack
            | Intrinsic::Address
            | Intrinsic::UserAddress
            | Intrinsic::ReturnedFrom
            | Intrinsic::IsReturn
            | Intrinsic::HasRegisters
            | Intrinsic::NGroups => (&[], Long),
            Intrinsic::Execname | Intrinsic::Pexecname => (&[], Str),
            Intrinsic::StrLen => (&[Str], Long),
            Intrinsic::Substr => (&[Str, Long, Long], Str),
            Intrinsic::IsInStr => (&[Str, Str], Long),
            Intrinsic::StringAt | Intrinsic::Strtol => (&[Str, Long], Long),
            Intrinsic::CharStr | Intrinsic::Matched => (&[Long], Str),
        }
    }

    pub fn may_raise(self) -> bool {
        matches!(self, Intrinsic::Matched | Intrinsic::NGroups)
    }

    pub fn user_only(self) -> bool {
        matches!(self, Intrinsic::Matched | Intrinsic::NGroups)
    }

    /// Depends on its arguments alone.
    pub fn is_pure(self) -> bool {
        matches!(
            self,
            Intrinsic::StrLen
                | Intrinsic::Substr
                | Intrinsic::IsInStr
                | Intrinsic::StringAt
                | Intrinsic::Strtol
                | Intrinsic::CharStr
        )
    }
}

impl Ty {
    pub fn kind(self) -> Kind {
        match self {
            Ty::Long => Kind::Long,
            Ty::Str { .. } => Kind::Str,
            Ty::Packed { .. } => Kind::Packed,
        }
    }
}

impl EntryKind {
    /// At one of the two tracepoints all system calls pass.
    pub fn is_syscall(&self) -> bool {
        matches!(self, EntryKind::SysEnter | EntryKind::SysExit)
    }

    /// Its handlers become eBPF.
    pub fn in_kernel(&self) -> bool {
        *self != EntryKind::User
    }
}
