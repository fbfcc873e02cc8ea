//! The assembler: instructions in order, jumps to labels, maps by index, source positions beside.

use super::*;
use crate::{
    ir::SourceTag,
    object::{MapIndex, Relocation},
};

/// A place in the code, bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// Code in the making.
#[derive(Default)]
pub struct Asm {
    insns: Vec<Insn>,
    labels: Vec<Option<u32>>,
    fixups: Vec<(u32, Label, Fixup)>,
    relocations: Vec<Relocation>,
    lines: Vec<(u32, SourceTag)>,
    tag: Option<SourceTag>,
}

#[derive(Clone, Copy)]
enum Fixup {
    Jump,
    /// `lddw` of a subprogram's address.
    Function,
}

/// Finished code.
#[derive(Debug)]
pub struct Code {
    pub bytes: Vec<u8>,
    pub relocations: Vec<Relocation>,
    pub lines: Vec<(u32, SourceTag)>,
}

/// Why [`Asm::finish`] failed: a jump further than an instruction can say.
#[derive(Debug, PartialEq, Eq)]
pub struct JumpTooFar {
    pub near: SourceTag,
}

impl Asm {
    pub fn len(&self) -> u32 {
        self.insns.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }

    /// What follows comes from there.
    pub fn at(&mut self, tag: SourceTag) {
        if self.tag != Some(tag) {
            self.tag = Some(tag);
            let here = self.len();
            match self.lines.last_mut() {
                Some(last) if last.0 == here => last.1 = tag,
                _ => self.lines.push((here, tag)),
            }
        }
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    pub fn bind(&mut self, label: Label) {
        self.labels[label.0 as usize] = Some(self.insns.len() as u32);
    }

    pub fn position(&self, label: Label) -> Option<u32> {
        self.labels[label.0 as usize]
    }

    fn push(&mut self, code: u8, dst: Reg, src: Reg, off: i16, imm: i32) {
        self.insns.push(Insn { code, dst: dst.0, src: src.0, off, imm });
    }

    pub fn mov(&mut self, dst: Reg, src: Reg) {
        if dst != src {
            self.alu(Alu::Mov, dst, src);
        }
    }

    /// Any 64-bit constant; two slots when it needs more than 32 bits.
    pub fn mov_imm(&mut self, dst: Reg, imm: i64) {
        match i32::try_from(imm) {
            Ok(imm) => self.alu_imm(Alu::Mov, dst, imm),
            Err(_) => {
                self.push(LDDW, dst, R0, 0, imm as i32);
                self.push(0, R0, R0, 0, (imm >> 32) as i32);
            }
        }
    }

    pub fn alu(&mut self, op: Alu, dst: Reg, src: Reg) {
        self.push(ALU64 | X | op.code(), dst, src, 0, 0);
    }

    pub fn alu_imm(&mut self, op: Alu, dst: Reg, imm: i32) {
        self.push(ALU64 | op.code(), dst, R0, 0, imm);
    }

    pub fn add_imm(&mut self, dst: Reg, imm: i32) {
        if imm != 0 {
            self.alu_imm(Alu::Add, dst, imm);
        }
    }

    /// Signed division or remainder. Linux 6.6.
    pub fn signed(&mut self, op: Alu, dst: Reg, src: Reg) {
        self.push(ALU64 | X | op.code(), dst, src, 1, 0);
    }

    pub fn signed_imm(&mut self, op: Alu, dst: Reg, imm: i32) {
        self.push(ALU64 | op.code(), dst, R0, 1, imm);
    }

    pub fn neg(&mut self, dst: Reg) {
        self.push(0x87, dst, R0, 0, 0);
    }

    /// 64 bits to big-endian order.
    pub fn to_be64(&mut self, dst: Reg) {
        self.push(0xdc, dst, R0, 0, 64);
    }

    pub fn load(&mut self, size: Size, dst: Reg, base: Reg, off: i16) {
        self.push(LDX | MEM | size.code(), dst, base, off, 0);
    }

    pub fn store(&mut self, size: Size, base: Reg, off: i16, src: Reg) {
        self.push(STX | MEM | size.code(), base, src, off, 0);
    }

    pub fn store_imm(&mut self, size: Size, base: Reg, off: i16, imm: i32) {
        self.push(ST | MEM | size.code(), base, R0, off, imm);
    }

    pub fn atomic(&mut self, op: AtomicOp, base: Reg, off: i16, src: Reg) {
        self.push(STX | ATOMIC | Size::DW.code(), base, src, off, op.imm());
    }

    pub fn jump(&mut self, to: Label) {
        self.fix(to);
        self.push(JA, R0, R0, 0, 0);
    }

    pub fn jump_if(&mut self, cond: Cond, a: Reg, b: Reg, to: Label) {
        self.fix(to);
        self.push(JMP | X | cond.code(), a, b, 0, 0);
    }

    pub fn jump_if_imm(&mut self, cond: Cond, a: Reg, imm: i32, to: Label) {
        self.fix(to);
        self.push(JMP | cond.code(), a, R0, 0, imm);
    }

    /// Goes on; to `out` when the verifier's loop budget is used up.
    pub fn may_goto(&mut self, out: Label) {
        self.fix(out);
        self.push(MAY_GOTO, R0, R0, 0, 0);
    }

    fn fix(&mut self, to: Label) {
        self.fixups.push((self.insns.len() as u32, to, Fixup::Jump));
    }

    pub fn call(&mut self, helper: helpers::Helper) {
        self.push(CALL, R0, R0, 0, helper.0);
    }

    pub fn exit(&mut self) {
        self.push(EXIT, R0, R0, 0, 0);
    }

    /// The map itself, as helpers want it.
    pub fn map(&mut self, dst: Reg, map: MapIndex) {
        self.relocations.push(Relocation { insn: self.len(), map, value_offset: None });
        self.push(LDDW, dst, Reg(PSEUDO_MAP_FD), 0, map.0 as i32);
        self.push(0, R0, R0, 0, 0);
    }

    /// The address of byte `offset` of element 0 of an array.
    pub fn map_value(&mut self, dst: Reg, map: MapIndex, offset: u32) {
        self.relocations.push(Relocation { insn: self.len(), map, value_offset: Some(offset) });
        self.push(LDDW, dst, Reg(PSEUDO_MAP_VALUE), 0, map.0 as i32);
        self.push(0, R0, R0, 0, offset as i32);
    }

    /// The address of a subprogram of this program.
    pub fn function(&mut self, dst: Reg, function: Label) {
        self.fixups.push((self.len(), function, Fixup::Function));
        self.push(LDDW, dst, Reg(PSEUDO_FUNC), 0, 0);
        self.push(0, R0, R0, 0, 0);
    }

    /// Resolves the jumps.
    ///
    /// # Errors
    /// A conditional jump over more than 32767 instructions.
    pub fn finish(mut self) -> Result<Code, JumpTooFar> {
        for (at, label, fixup) in std::mem::take(&mut self.fixups) {
            let target = self.labels[label.0 as usize].unwrap_or(at + 1);
            let distance = i64::from(target) - i64::from(at) - 1;
            let insn = &mut self.insns[at as usize];
            match (fixup, i16::try_from(distance)) {
                (Fixup::Function, _) => insn.imm = distance as i32,
                (Fixup::Jump, Ok(off)) => insn.off = off,
                // `gotol`, Linux 6.6.
                (Fixup::Jump, Err(_)) if insn.code == JA => {
                    insn.code = JMP32;
                    insn.imm = distance as i32;
                }
                (Fixup::Jump, Err(_)) => {
                    let line = self.lines.partition_point(|(insn, _)| *insn <= at);
                    let near = if line == 0 { SourceTag::NONE } else { self.lines[line - 1].1 };
                    return Err(JumpTooFar { near });
                }
            }
        }
        Ok(Code {
            bytes: self.insns.iter().flat_map(|insn| insn.encode()).collect(),
            relocations: self.relocations,
            lines: self.lines,
        })
    }
}
