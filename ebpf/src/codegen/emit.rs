//! The emitter: one handler's blocks to instructions. Topics live in the files beside; this one has operands, control
//! flow and the way to each instruction.
//!
//! Longs are in r6-r9 or memory, so nothing of the script is lost by a call; r0-r5 are free within an instruction.

use std::rc::Rc;

use super::{
    GenerateError,
    alike::Alike,
    errors::Stub,
    frame::*,
    liveness::{Liveness, VarSet},
    maps::Shared,
    meetings::{Meeting, meetings},
    needs::Needs,
    rounds::Outermost,
    sending::{Haste, RecordSize},
};
use crate::{ir::*, isa::*, layout::control};

pub struct Emitter<'s, 'a> {
    pub asm: Asm,
    pub shared: &'s mut Shared<'a>,
    /// The frame pointer: r10, and in a loop's callback where the program's is.
    pub fp: Reg,
    /// Of the handler being emitted.
    pub cx: HandlerCx,
    /// Callbacks to append after the program: label and what they do.
    pub callbacks: Vec<(Label, super::iterate::Callback)>,
    /// Loops of this handler that become callbacks.
    pub loops: Vec<(Label, super::rounds::Outermost)>,
    /// The current task is in its slot, for this handler and those behind it.
    pub task_is_kept: bool,
    /// A handler before this one may have ended the session, so this one has to look: as the first of the program does.
    pub may_have_stopped: bool,
    /// What is called because it happens seldom, to be appended as well.
    pub rare: Vec<(super::rare::Rare, Label)>,
}

/// What is true within one handler.
#[derive(Clone)]
pub struct HandlerCx {
    pub body: Rc<Body>,
    pub frame: Frame,
    /// As in [`Needs`].
    pub filled: Vec<bool>,
    pub handler: HandlerId,
    /// Of several handlers: the site slot holds where this call's line is.
    pub line: Option<Line>,
    pub kind: EntryKind,
    /// The sites this code runs for; without lines the site slot holds an index into it when there are two or more.
    pub sites: Vec<SiteId>,
    pub blocks: Vec<Label>,
    /// The handler is over.
    pub end: Label,
    /// An error record was sent: count it, then end.
    pub failed: Label,
    pub catch: Option<Catch>,
    pub task: super::context::TaskCx,
    pub pointers: super::pointers::Pointers,
    pub tag: SourceTag,
    pub stubs: Vec<Stub>,
    /// Iterators: how many records of its buffer the running iteration has, see `iterate`.
    pub iters: Vec<Option<super::iterate::IterCx>>,
}

/// Where handlers that are alike have what is their own.
#[derive(Clone)]
pub struct Line {
    pub alike: Rc<Alike>,
    /// Where in the line their section begins.
    pub section: u32,
}

/// A string operand: where it is and how many bytes of it (a multiple of 8) are valid.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub mem: Mem,
    pub cap: u32,
    /// Bytes the text can take, its NUL included: all of them, or MAXSTRINGLEN where that is no multiple of 8.
    pub room: u32,
}

impl Emitter<'_, '_> {
    pub fn error(&self, reason: impl Into<String>) -> GenerateError {
        GenerateError { tag: self.cx.tag, reason: reason.into() }
    }

    /// To `out` when the task in r0 is in a 32-bit program's system call, whose number means another one. Asked where the
    /// task is at hand: getting it for this alone would cost a counting handler a third of its time.
    pub fn unless_compat(&mut self, out: Label) {
        if let Some(compat) = self.shared.target.offsets.compat {
            self.asm.load(Size::W, R2, R0, compat.offset as i16);
            self.asm.alu_imm(Alu::And, R2, compat.mask as i32);
            self.asm.jump_if_imm(Cond::Ne, R2, 0, out);
        }
    }

    /// Emits a flattened body. Falls through or jumps to `cx.end`, which the caller binds.
    pub fn handler(&mut self, needs: &Needs, live: &Rc<Liveness>) -> Result<(), GenerateError> {
        self.cx.task = super::context::TaskCx::of(&self.cx.body, self.shared.target);
        if self.task_is_kept {
            self.cx.task.know();
        }
        if needs.regs && self.cx.kind.is_syscall() {
            if self.shared.target.user_registers_are_known() {
                if self.task_is_kept {
                    self.task();
                } else {
                    self.current_task();
                    self.keep_task();
                }
                if self.cx.kind == EntryKind::SysEnter {
                    self.unless_compat(self.cx.end);
                }
            }
            self.user_registers();
            self.asm.store(Size::DW, self.fp, REGS, R0);
        }
        if needs.budget {
            self.control_word(R1, control::MAX_ACTION);
            let (base, off) = self.base(self.cx.frame.budget, R2);
            self.asm.store(Size::DW, base, off, R1);
        }
        let body = self.cx.body.clone();
        let loops = if self.shared.target.loops_by_callbacks() { Outermost::all(&body) } else { Vec::new() };
        // The verifier goes to each beginning of a loop at once, where nothing is a pointer yet.
        if loops.is_empty() {
            let locs = &self.cx.frame.locs;
            self.cx.pointers = super::pointers::Pointers::of(&body, &self.cx.kind, locs, self.shared.target);
        }
        let alike = self.cx.line.as_ref().map(|line| line.alike.clone());
        let is_loaded = |v| alike.as_ref().is_some_and(|alike| alike.is_loaded(v));
        let cleared = live.live_in.first().into_iter().flat_map(|set| set.iter());
        for v in cleared.filter(|v| !is_loaded(*v)) {
            match body.vars[v.index()].ty {
                Ty::Long => self.copy_long(v, Operand::Imm(0)),
                Ty::Str { .. } => {
                    let text = self.var_text(v);
                    self.zero(text.mem, 0, text.cap);
                }
                Ty::Packed { .. } => self.pack_copy(v, None),
            }
        }
        self.cx.blocks = body.blocks.iter().map(|_| self.asm.label()).collect();
        let meetings = meetings(&body);
        for (i, block) in body.blocks.iter().enumerate() {
            match loops.iter().find(|of| of.blocks.contains(&i)) {
                Some(of) if *of.blocks.start() == i => self.run_rounds(of),
                Some(_) => {}
                None => self.block(i, block, meetings[i].as_ref().map(|meeting| (meeting, &live.live_in[i])))?,
            }
        }
        self.stubs()?;
        self.put_loops_off(live);
        Ok(())
    }

    /// `meeting`: and what is alive there.
    fn block(
        &mut self,
        i: usize,
        block: &BlockData,
        meeting: Option<(&Meeting, &VarSet)>,
    ) -> Result<(), GenerateError> {
        let label = self.cx.blocks[i];
        self.asm.bind(label);
        self.enter(i, block);
        if let Some((meeting, alive)) = meeting
            && self.shared.target.may_goto
        {
            self.meet(meeting.within.clone(), alive);
            if meeting.is_head {
                let out = self.uncatchable(crate::layout::record::ErrorCode::MaxAction);
                self.asm.may_goto(out);
            }
        }
        self.instructions(block, i + 1)
    }

    pub fn enter(&mut self, i: usize, block: &BlockData) {
        self.cx.catch = block.catch.clone();
        self.cx.task.enter(i);
        self.at(block.tag());
    }

    /// `next`: the block that is written behind this one.
    pub fn instructions(&mut self, block: &BlockData, next: usize) -> Result<(), GenerateError> {
        for inst in &block.insts {
            self.at(inst.tag);
            self.op(&inst.op)?;
        }
        self.at(block.term_tag);
        self.term(&block.term, next)
    }

    pub fn at(&mut self, tag: SourceTag) {
        self.cx.tag = tag;
        if tag != SourceTag::NONE {
            self.asm.at(tag);
        }
    }

    fn op(&mut self, op: &Op) -> Result<(), GenerateError> {
        match op {
            Op::Copy { dst, src } => self.copy_long(*dst, *src),
            Op::Binary { op, dst, a, b } => self.binary(*op, *dst, *a, *b),
            Op::Compare { op, dst, a, b } => self.compare(*op, *dst, *a, *b),
            Op::Unary { op, dst, a } => self.unary(*op, *dst, *a),
            Op::StrCopy { dst, src } => {
                let (dst, src) = (self.var_text(*dst), self.text(*src));
                self.copy_text(dst, src);
            }
            Op::StrConcat { dst, a, b } => self.concat(*dst, *a, *b),
            Op::StrCompare { op, dst, a, b } => self.str_compare(*op, *dst, *a, *b),
            Op::Pack { dst, site, inputs } => self.pack(*dst, *site, inputs)?,
            Op::PackCopy { dst, src } => self.pack_copy(*dst, *src),
            Op::Intrinsic { op, dst, args } => self.intrinsic(*op, *dst, args)?,
            Op::Read { dst, space, addr, width, signed, on_fault } => {
                self.read(*dst, *space, *addr, *width, *signed, *on_fault)?;
            }
            Op::ReadStr { dst, space, addr, max, on_fault } => self.read_str(*dst, *space, *addr, *max, *on_fault),
            Op::Context { dst, field } => self.context(*dst, *field),
            Op::Site { dst, field } => self.site_text(*dst, *field),
            Op::Get { dst, store, keys } => self.get(*dst, *store, keys)?,
            Op::Set { store, keys, value } => self.set(*store, keys, *value)?,
            Op::Add { store, keys, delta, result } => self.add(*store, keys, *delta, *result)?,
            Op::Contains { dst, store, keys } => self.contains(*dst, *store, keys)?,
            Op::Delete { store, keys } => self.delete(*store, keys)?,
            Op::Clear { store } => self.clear(*store)?,
            Op::Accumulate { store, keys, value } => self.accumulate(*store, keys, *value)?,
            Op::Extract { dst, store, keys, op } => self.extract(*dst, *store, keys, *op)?,
            Op::Bucket { dst, store, keys, index } => self.bucket(*dst, *store, keys, *index)?,
            Op::Print { site, inputs } => self.print(*site, inputs)?,
            Op::Sprint { dst, site, inputs } => self.sprint(*dst, *site, inputs)?,
            Op::Exit => self.stop_session(),
            Op::Actions { n } => {
                let (base, off) = self.base(self.cx.frame.budget, R2);
                self.asm.load(Size::DW, R1, base, off);
                self.asm.add_imm(R1, -(*n as i32));
                self.asm.store(Size::DW, base, off, R1);
                let over = self.uncatchable(crate::layout::record::ErrorCode::MaxAction);
                self.asm.jump_if_imm(Cond::SLt, R1, 0, over);
            }
            Op::IterBegin { iter, source, sort, limit } => self.iter_begin(*iter, source, *sort, *limit)?,
            Op::IterEnd { .. } => {}
            Op::Regex { dst, subject, pattern, negated } => self.regex(*dst, *subject, *pattern, *negated)?,
            Op::Host { .. } => {
                return Err(self.error(op.user_only().unwrap_or("this").to_owned() + " needs a user-space handler"));
            }
            Op::Call { .. } => return Err(self.error("a call was not inlined")),
        }
        Ok(())
    }

    fn term(&mut self, term: &Term, next: usize) -> Result<(), GenerateError> {
        match term {
            Term::Jump(to) => self.go(*to, next),
            Term::Branch { cond: Operand::Imm(n), then, otherwise } => {
                self.go(if *n != 0 { *then } else { *otherwise }, next);
            }
            Term::Branch { cond: Operand::Var(v), then, otherwise } => {
                let cond = self.long_reg(Operand::Var(*v), R1);
                if then.index() == next {
                    let to = self.cx.blocks[otherwise.index()];
                    self.asm.jump_if_imm(Cond::Eq, cond, 0, to);
                } else {
                    let to = self.cx.blocks[then.index()];
                    self.asm.jump_if_imm(Cond::Ne, cond, 0, to);
                    self.go(*otherwise, next);
                }
            }
            Term::BranchCompare { op, a, b, then, otherwise } => {
                let (op, to, rest) =
                    if then.index() == next { (negate(*op), *otherwise, *then) } else { (*op, *then, *otherwise) };
                let label = self.cx.blocks[to.index()];
                self.jump_compare(op, *a, *b, label);
                self.go(rest, next);
            }
            Term::IterNext { iter, keys, value, body, done } => {
                self.iter_next(*iter, keys, *value, *done)?;
                self.go(*body, next);
            }
            Term::Return(_) | Term::Next => {
                let end = self.cx.end;
                self.asm.jump(end);
            }
            Term::Raise { message } => self.raise_text(*message),
            Term::Abort => {
                self.stop_session();
                let end = self.cx.end;
                self.asm.jump(end);
            }
        }
        Ok(())
    }

    fn go(&mut self, to: Block, next: usize) {
        if to.index() != next {
            let label = self.cx.blocks[to.index()];
            self.asm.jump(label);
        }
    }

    pub fn loc(&self, v: Var) -> Loc {
        self.cx.frame.locs[v.index()]
    }

    /// Loads a long into that register.
    pub fn long(&mut self, into: Reg, o: Operand) {
        match o {
            Operand::Imm(n) => self.asm.mov_imm(into, n),
            Operand::Var(v) => match self.loc(v) {
                Loc::Reg(r) => self.asm.mov(into, r),
                Loc::Mem(mem) => {
                    let (base, off) = self.base(mem, into);
                    self.asm.load(Size::DW, into, base, off);
                }
                Loc::None => self.asm.mov_imm(into, 0),
            },
        }
    }

    /// What the verifier may know as a pointer becomes a number to it: global functions are given nothing else.
    pub fn plain_number(&mut self, register: Reg) {
        self.asm.neg(register);
        self.asm.neg(register);
    }

    /// The register a long is in, or `tmp` after loading it there.
    pub fn long_reg(&mut self, o: Operand, tmp: Reg) -> Reg {
        if let Operand::Var(v) = o
            && let Loc::Reg(r) = self.loc(v)
        {
            return r;
        }
        self.long(tmp, o);
        tmp
    }

    /// Stores a register into a variable. May use r5.
    pub fn put(&mut self, v: Var, from: Reg) {
        match self.loc(v) {
            Loc::Reg(r) => self.asm.mov(r, from),
            Loc::Mem(mem) => {
                let (base, off) = self.base(mem, R5);
                self.asm.store(Size::DW, base, off, from);
            }
            Loc::None => {}
        }
    }

    /// A register and offset to reach memory by; `tmp` is loaded when it is not the stack.
    pub fn base(&mut self, mem: Mem, tmp: Reg) -> (Reg, i16) {
        match mem.base {
            Base::Stack => (self.fp, mem.off as i16),
            Base::Scratch => {
                self.asm.load(Size::DW, tmp, self.fp, SCRATCH);
                (tmp, mem.off as i16)
            }
            Base::Line => {
                self.asm.load(Size::DW, tmp, self.fp, SITE);
                (tmp, mem.off as i16)
            }
            Base::Rodata => {
                let rodata = self.shared.rodata();
                self.asm.map_value(tmp, rodata, mem.off as u32);
                (tmp, 0)
            }
        }
    }

    /// The address of memory in a register.
    pub fn address(&mut self, into: Reg, mem: Mem) {
        let (base, off) = self.base(mem, into);
        self.asm.mov(into, base);
        self.asm.add_imm(into, off.into());
    }

    pub fn text(&mut self, s: StrOperand) -> Text {
        match s {
            StrOperand::Var(v) => self.var_text(v),
            StrOperand::Const(s) => {
                let text = self.literal_bytes(s);
                self.constant_text(&text)
            }
        }
    }

    /// A text of the read-only data.
    pub fn constant_text(&mut self, text: &[u8]) -> Text {
        let (off, cap) = self.shared.literal(text);
        let room = crate::layout::until_nul(text).len() as u32 + 1;
        Text { mem: Mem { base: Base::Rodata, off: off as i32 }, cap, room }
    }

    /// A place for strings.
    pub fn place(&self, mem: Mem, cap: u32) -> Text {
        Text { mem, cap, room: cap.min(self.shared.program.limits.max_string_len.into()) }
    }

    /// A literal's bytes; the empty one for those generation makes up.
    pub fn literal_bytes(&self, s: StrId) -> Vec<u8> {
        self.shared.program.strings.get(s.index()).cloned().unwrap_or_default()
    }

    pub fn var_text(&self, v: Var) -> Text {
        let cap = match self.cx.body.vars[v.index()].ty {
            Ty::Str { cap } => cap.into(),
            Ty::Long | Ty::Packed { .. } => 8,
        };
        match self.loc(v) {
            Loc::Mem(mem) => self.place(mem, cap),
            _ => self.place(self.cx.frame.work, 8),
        }
    }

    /// A word of the control map.
    pub fn control_word(&mut self, into: Reg, offset: u32) {
        let control = self.shared.control();
        self.asm.map_value(into, control, offset);
        self.asm.load(Size::DW, into, into, 0);
    }

    /// `into = imm`, such that the verifier does not know it. Otherwise it would follow every round of a loop.
    pub fn hidden_imm(&mut self, into: Reg, imm: i64) {
        self.control_word(into, control::ZERO);
        match i32::try_from(imm) {
            Ok(imm) => self.asm.add_imm(into, imm),
            Err(_) => {
                self.asm.mov_imm(R5, imm);
                self.asm.alu(Alu::Add, into, R5);
            }
        }
    }

    fn copy_long(&mut self, dst: Var, src: Operand) {
        match (self.loc(dst), src) {
            (Loc::None, _) => {}
            (Loc::Reg(r), Operand::Imm(n)) => {
                if self.cx.body.has_loops && self.shared.target.may_goto {
                    self.hidden_imm(r, n);
                } else {
                    self.asm.mov_imm(r, n);
                }
            }
            (Loc::Reg(r), src) => self.long(r, src),
            (Loc::Mem(_), Operand::Imm(n)) if self.cx.body.has_loops && self.shared.target.may_goto => {
                self.hidden_imm(R1, n);
                self.put(dst, R1);
            }
            (Loc::Mem(mem), Operand::Imm(n)) if i32::try_from(n).is_ok() => {
                let (base, off) = self.base(mem, R5);
                self.asm.store_imm(Size::DW, base, off, n as i32);
            }
            (Loc::Mem(_), src) => {
                let from = self.long_reg(src, R1);
                self.put(dst, from);
            }
        }
    }

    /// `exit()`: no handler starts from now on.
    pub fn stop_session(&mut self) {
        self.may_have_stopped = true;
        let control = self.shared.control();
        self.asm.map_value(R1, control, control::STATE);
        self.asm.store_imm(Size::W, R1, 0, control::STOPPING as i32);
        let work = self.cx.frame.work;
        let (base, off) = self.base(work, R2);
        self.asm.store_imm(Size::DW, base, off, crate::layout::record::EXIT.into());
        self.send(work, RecordSize::Fixed(8), Haste::Now);
    }
}

pub fn negate(op: CmpOp) -> CmpOp {
    match op {
        CmpOp::Eq => CmpOp::Ne,
        CmpOp::Ne => CmpOp::Eq,
        CmpOp::Lt => CmpOp::Ge,
        CmpOp::Ge => CmpOp::Lt,
        CmpOp::Gt => CmpOp::Le,
        CmpOp::Le => CmpOp::Gt,
    }
}
