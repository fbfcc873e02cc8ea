//! Handlers that tell of another task than the one running: the functions of the current task become reads from the
//! `task_struct` a tracepoint was given, such as the task that comes on at `sched_switch`.

use super::TaskOffsets;
use crate::ir::*;

/// Rewrites an inlined body so that `pid()`, `execname()` and so on are those of argument `arg`. What the type
/// information does not tell is 0.
pub fn tell_of(body: &mut Body, arg: u8, offsets: &TaskOffsets) {
    for idx in 0..body.blocks.len() {
        let insts = std::mem::take(&mut body.blocks[idx].insts);
        let mut out = Out { vars: &mut body.vars, insts: Vec::with_capacity(insts.len()), tag: SourceTag::NONE };
        for inst in insts {
            out.tag = inst.tag;
            match &inst.op {
                Op::Intrinsic { op, dst: Some(dst), .. } if out.intrinsic(*op, *dst, arg, offsets) => {}
                _ => out.insts.push(inst),
            }
        }
        body.blocks[idx].insts = out.insts;
    }
}

struct Out<'a> {
    vars: &'a mut Vec<VarDecl>,
    insts: Vec<Inst>,
    tag: SourceTag,
}

impl Out<'_> {
    /// False for what is not of a task.
    fn intrinsic(&mut self, op: Intrinsic, dst: Var, arg: u8, offsets: &TaskOffsets) -> bool {
        let real_parent = || [offsets.real_parent];
        match op {
            Intrinsic::Pid => self.read(dst, arg, &[], offsets.tgid),
            Intrinsic::Tid => self.read(dst, arg, &[], offsets.pid),
            Intrinsic::Ppid => self.read(dst, arg, &real_parent(), offsets.tgid),
            Intrinsic::Uid => self.read(dst, arg, &[offsets.cred], offsets.cred_uid),
            Intrinsic::Gid => self.read(dst, arg, &[offsets.cred], offsets.cred_gid),
            Intrinsic::Euid => self.read(dst, arg, &[offsets.cred], offsets.cred_euid),
            Intrinsic::Egid => self.read(dst, arg, &[offsets.cred], offsets.cred_egid),
            Intrinsic::Execname => self.comm(dst, arg, &[], offsets.comm),
            Intrinsic::Pexecname => self.comm(dst, arg, &real_parent(), offsets.comm),
            Intrinsic::TaskCurrent => self.emit(Op::Context { dst, field: ContextField::TraceArg(arg) }),
            _ => return false,
        }
        true
    }

    fn emit(&mut self, op: Op) {
        self.insts.push(Inst { op, tag: self.tag });
    }

    fn temp(&mut self) -> Var {
        self.vars.push(VarDecl { ty: Ty::Long, name: None });
        Var(self.vars.len() as u32 - 1)
    }

    /// A 32-bit field, unsigned as ids are, behind `pointers` from the task.
    fn read(&mut self, dst: Var, arg: u8, pointers: &[Option<u32>], field: Option<u32>) {
        match self.address(arg, pointers, field) {
            Some(addr) => self.emit(Op::Read {
                dst,
                space: Space::Kernel,
                addr,
                width: 4,
                signed: false,
                on_fault: OnFault::Zero,
            }),
            None => self.emit(Op::Copy { dst, src: Operand::Imm(0) }),
        }
    }

    fn comm(&mut self, dst: Var, arg: u8, pointers: &[Option<u32>], field: Option<u32>) {
        match self.address(arg, pointers, field) {
            Some(addr) => {
                let (max, on_fault) = (Some(Operand::Imm(15)), OnFault::Zero);
                self.emit(Op::ReadStr { dst, space: Space::Kernel, addr, max, on_fault });
            }
            None => self.emit(Op::StrCopy { dst, src: StrOperand::Const(super::EMPTY) }),
        }
    }

    fn address(&mut self, arg: u8, pointers: &[Option<u32>], field: Option<u32>) -> Option<Operand> {
        let offsets = pointers.iter().chain([&field]).copied().collect::<Option<Vec<u32>>>()?;
        let (field, pointers) = offsets.split_last()?;
        let mut at = self.temp();
        self.emit(Op::Context { dst: at, field: ContextField::TraceArg(arg) });
        for offset in pointers {
            let addr = self.plus(at, *offset);
            at = self.temp();
            let (space, on_fault) = (Space::Kernel, OnFault::Zero);
            self.emit(Op::Read { dst: at, space, addr, width: 8, signed: false, on_fault });
        }
        Some(self.plus(at, *field))
    }

    fn plus(&mut self, var: Var, offset: u32) -> Operand {
        let dst = self.temp();
        self.emit(Op::Binary { op: BinOp::Add, dst, a: Operand::Var(var), b: Operand::Imm(offset.into()) });
        Operand::Var(dst)
    }
}
