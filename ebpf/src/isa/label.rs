//! The assembler: instructions in order, jumps to labels, maps by index, source positions beside.

use std::collections::HashMap;

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
    /// Stores by [`Asm::keep`].
    kept: Vec<u32>,
}

#[derive(Clone, Copy)]
enum Fixup {
    Jump,
    /// `lddw` of a subprogram's address, or its call.
    Function,
}

/// Finished code.
#[derive(Debug)]
pub struct Code {
    pub bytes: Vec<u8>,
    pub relocations: Vec<Relocation>,
    pub lines: Vec<(u32, SourceTag)>,
    /// Where each subprogram starts; `None`: nobody uses it.
    pub functions: Vec<Option<u32>>,
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

    /// Instructions so far.
    pub fn n_insns(&self) -> usize {
        self.insns.len()
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

    /// Keeps a register in a word of the stack that is read by loads alone. When in the end nothing loads it, it is not
    /// stored; a program without any stack is entered faster, too.
    pub fn keep(&mut self, slot: i16, src: Reg) {
        self.kept.push(self.len());
        self.store(Size::DW, R10, slot, src);
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

    /// Calls a function of the kernel that takes calls of programs, by its id in the kernel's BTF.
    pub fn call_kernel(&mut self, btf_id: u32) {
        self.push(CALL, R0, Reg(PSEUDO_KFUNC_CALL), 0, btf_id as i32);
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

    /// Calls a subprogram of this program.
    pub fn call_function(&mut self, function: Label) {
        self.fixups.push((self.len(), function, Fixup::Function));
        self.push(CALL, R0, Reg(PSEUDO_CALL), 0, 0);
    }

    /// Drops what can never run (the verifier refuses it), then resolves the jumps. `functions` start subprograms.
    ///
    /// # Errors
    /// A conditional jump over more than 32767 instructions.
    pub fn finish(mut self, functions: &[Label]) -> Result<Code, JumpTooFar> {
        self.thread_jumps();
        let used = self.drop_unreachable(functions);
        let functions = functions.iter().zip(&used).map(|(f, used)| self.position(*f).filter(|_| *used));
        let functions: Vec<Option<u32>> = functions.collect();
        let functions = self.relax(functions);
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
        let mut bytes = Vec::with_capacity(8 * self.insns.len());
        self.insns.iter().for_each(|insn| bytes.extend_from_slice(&insn.encode()));
        Ok(Code { bytes, relocations: self.relocations, lines: self.lines, functions })
    }

    /// Gives conditional jumps that reach too far a `gotol` (Linux 6.6) of their own:
    ///
    /// ```text
    ///   if x goto far      ─▶      if x goto +1
    ///                              goto +1
    ///                              gotol far
    /// ```
    fn relax(&mut self, mut functions: Vec<Option<u32>>) -> Vec<Option<u32>> {
        // With room for what relaxing itself inserts.
        const REACH: i64 = 20_000;
        if self.insns.len() < REACH as usize {
            return functions;
        }
        let far: HashMap<u32, Label> = self
            .fixups
            .iter()
            .filter(|(at, label, fixup)| {
                let target = self.labels[label.0 as usize].unwrap_or(at + 1);
                let distance = i64::from(target) - i64::from(*at);
                matches!(fixup, Fixup::Jump) && self.insns[*at as usize].code != JA && distance.abs() > REACH
            })
            .map(|(at, label, _)| (*at, *label))
            .collect();
        let mut places = Vec::with_capacity(self.insns.len() + 1);
        let mut insns = Vec::with_capacity(self.insns.len() + 2 * far.len());
        let mut jumps = Vec::new();
        for (at, insn) in self.insns.iter().enumerate() {
            places.push(insns.len() as u32);
            match far.get(&(at as u32)) {
                None => insns.push(*insn),
                Some(label) => {
                    insns.push(Insn { off: 1, ..*insn });
                    insns.push(Insn { code: JA, off: 1, ..Insn::default() });
                    jumps.push((insns.len() as u32, *label, Fixup::Jump));
                    insns.push(Insn { code: JA, ..Insn::default() });
                }
            }
        }
        places.push(insns.len() as u32);
        self.insns = insns;
        self.labels.iter_mut().flatten().for_each(|at| *at = places[*at as usize]);
        self.fixups.retain(|(at, ..)| !far.contains_key(at));
        self.fixups.iter_mut().for_each(|(at, ..)| *at = places[*at as usize]);
        self.fixups.extend(jumps);
        self.relocations.iter_mut().for_each(|r| r.insn = places[r.insn as usize]);
        self.lines.iter_mut().for_each(|(at, _)| *at = places[*at as usize]);
        functions.iter_mut().flatten().for_each(|at| *at = places[*at as usize]);
        functions
    }

    /// What jumps to a jump goes where that one goes. The verifier compares states only every few instructions, and a jump
    /// on the way to where ways meet is where it keeps the one that it should have kept there.
    fn thread_jumps(&mut self) {
        let mut onwards: Vec<Option<Label>> = vec![None; self.insns.len()];
        for (at, label, fixup) in &self.fixups {
            if self.insns[*at as usize].code == JA && matches!(fixup, Fixup::Jump) {
                onwards[*at as usize] = Some(*label);
            }
        }
        for (_, label, fixup) in &mut self.fixups {
            // As many as there are, so that loops of nothing but jumps end.
            for _ in 0..onwards.len() {
                let target = self.labels[label.0 as usize].and_then(|at| *onwards.get(at as usize)?);
                match target {
                    Some(next) if matches!(fixup, Fixup::Jump) && next != *label => *label = next,
                    _ => break,
                }
            }
        }
    }

    /// Which of `functions` are used.
    fn drop_unreachable(&mut self, functions: &[Label]) -> Vec<bool> {
        let n = self.insns.len();
        let mut targets = vec![None; n];
        for (at, label, _) in &self.fixups {
            targets[*at as usize] = Some(self.labels[label.0 as usize].unwrap_or(at + 1));
        }
        // A jump to the next instruction does nothing; the chain of such jumps ends at one that does something.
        let mut reached = vec![false; n];
        let mut work = vec![0];
        while let Some(mut at) = work.pop() {
            while (at as usize) < n && !std::mem::replace(&mut reached[at as usize], true) {
                let to = targets[at as usize];
                at = match self.insns[at as usize].code {
                    EXIT => break,
                    JA => to.unwrap_or(n as u32),
                    code => {
                        work.extend(to);
                        if code == LDDW {
                            reached.get_mut(at as usize + 1).into_iter().for_each(|second| *second = true);
                            at + 2
                        } else {
                            at + 1
                        }
                    }
                };
            }
        }
        let used = functions
            .iter()
            .map(|f| self.position(*f).is_some_and(|at| reached.get(at as usize).copied().unwrap_or(false)))
            .collect();
        // A callback has the frame in another register; nothing else is so far below what a register points to.
        let is_load_of = |insn: &Insn, slot| insn.code == LDX | MEM | Size::DW.code() && insn.off == slot;
        for at in std::mem::take(&mut self.kept) {
            let slot = self.insns[at as usize].off;
            let loads = self.insns.iter().zip(&reached).any(|(insn, reached)| *reached && is_load_of(insn, slot));
            reached[at as usize] &= loads;
        }
        // A jump over nothing but what goes away is needless as well.
        for at in (0..n).rev() {
            if reached[at] && self.insns[at].code == JA {
                let to = targets[at].unwrap_or(0) as usize;
                if to > at && !reached[at + 1..to.min(n)].iter().any(|r| *r) {
                    reached[at] = false;
                }
            }
        }
        let mut places = vec![0u32; n + 1];
        for at in 0..n {
            places[at + 1] = places[at] + u32::from(reached[at]);
        }
        let mut at = 0;
        self.insns.retain(|_| {
            at += 1;
            reached[at - 1]
        });
        self.labels.iter_mut().flatten().for_each(|at| *at = places[*at as usize]);
        self.fixups.retain(|(at, ..)| reached[*at as usize]);
        self.fixups.iter_mut().for_each(|(at, ..)| *at = places[*at as usize]);
        self.relocations.retain(|r| reached[r.insn as usize]);
        self.relocations.iter_mut().for_each(|r| r.insn = places[r.insn as usize]);
        // Of several lines that came to one place the last holds.
        let mut lines: Vec<(u32, SourceTag)> = Vec::new();
        for (at, tag) in &self.lines {
            let at = places[*at as usize];
            match lines.last_mut() {
                Some(last) if last.0 == at => last.1 = *tag,
                Some(last) if last.1 == *tag => {}
                _ => lines.push((at, *tag)),
            }
        }
        lines.retain(|(at, _)| (*at as usize) < self.insns.len());
        self.lines = lines;
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_to_a_jump_goes_where_that_one_goes() {
        let mut asm = Asm::default();
        let (first, second, out, forever) = (asm.label(), asm.label(), asm.label(), asm.label());
        asm.jump_if_imm(Cond::Eq, R1, 1, first);
        asm.jump_if_imm(Cond::Eq, R1, 2, forever);
        asm.mov_imm(R0, 1);
        asm.jump(first);
        asm.bind(second);
        asm.jump(out);
        asm.bind(first);
        asm.jump(second);
        asm.bind(forever);
        asm.jump(forever);
        asm.bind(out);
        asm.exit();
        let code = asm.finish(&[]).unwrap();
        let text: Vec<String> =
            decode_all(&code.bytes).iter().enumerate().map(|(i, insn)| disassemble(*insn, None, i)).collect();
        assert_eq!(text, ["if r1 == 1 goto 5", "if r1 == 2 goto 4", "r0 = 1", "goto 5", "goto 4", "exit"]);
    }
}
