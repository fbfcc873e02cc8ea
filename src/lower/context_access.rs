//! `$next->mm->pgd`: the steps pass 2 decided, as reads of memory.

use tapdeck_ebpf::ir::{BinOp, OnFault, Op, Operand, Space, Var};

use super::body::BodyLower;
use crate::{
    elaborate::program::Context,
    probes::access::{AccessBase, AccessStep, Load},
};

/// How the error of a bad address begins; SystemTap's words.
const READ_FAULT: &[u8] = b"read fault [man error::fault]";
const POINTER_BYTES: u8 = 8;

impl BodyLower<'_, '_> {
    pub fn context(&mut self, context: &Context, dst: Option<Var>) -> Operand {
        let access = &context.access;
        let mut address = match &access.base {
            AccessBase::Field(field) => {
                let word = self.long_temp();
                self.emit(Op::Context { dst: word, field: *field });
                Operand::Var(word)
            }
            AccessBase::Expr => match &context.base {
                Some(base) => self.long(base),
                None => Operand::Imm(0),
            },
            AccessBase::Constant(n) => Operand::Imm(*n),
        };
        let mut indices = context.indices.iter();
        // Offsets are summed up until something needs the address.
        let mut offset = 0i64;
        for step in &access.steps {
            match step {
                AccessStep::Offset(bytes) => offset = offset.wrapping_add(*bytes),
                AccessStep::Deref => {
                    let at = self.plus(address, std::mem::take(&mut offset));
                    address = self.read(access.space, at, POINTER_BYTES, false, None);
                }
                AccessStep::Index { size } => {
                    let Some(index) = indices.next() else { continue };
                    let index = self.long(index);
                    let bytes = match index {
                        Operand::Imm(n) => Operand::Imm(n.wrapping_mul(*size as i64)),
                        index if *size == 1 => index,
                        index => self.b.binary(BinOp::Mul, index, Operand::Imm(*size as i64), self.tag),
                    };
                    address = match bytes {
                        Operand::Imm(n) => {
                            offset = offset.wrapping_add(n);
                            address
                        }
                        bytes => self.b.binary(BinOp::Add, address, bytes, self.tag),
                    };
                }
            }
        }
        let address = self.plus(address, offset);
        match access.load {
            Load::Word { width, signed } => self.truncate(address, width, signed),
            Load::Memory { width, signed } => self.read(access.space, address, width, signed, dst),
            Load::BitField { width, shift, bits, signed } => {
                let word = self.read(access.space, address, width, false, None);
                let left = i64::from(64 - u32::from(shift) - u32::from(bits));
                let word = self.shifted(BinOp::Shl, word, left);
                let right = if signed { BinOp::Shr } else { BinOp::Lsr };
                self.shifted(right, word, i64::from(64 - u32::from(bits)))
            }
        }
    }

    fn read(&mut self, space: Space, addr: Operand, width: u8, signed: bool, dst: Option<Var>) -> Operand {
        let on_fault = OnFault::Raise(self.intern(READ_FAULT));
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Read { dst, space, addr, width, signed, on_fault });
        Operand::Var(dst)
    }

    pub fn plus(&mut self, a: Operand, bytes: i64) -> Operand {
        match a {
            a if bytes == 0 => a,
            Operand::Imm(n) => Operand::Imm(n.wrapping_add(bytes)),
            a => self.b.binary(BinOp::Add, a, Operand::Imm(bytes), self.tag),
        }
    }

    fn shifted(&mut self, op: BinOp, a: Operand, count: i64) -> Operand {
        if count == 0 { a } else { self.b.binary(op, a, Operand::Imm(count), self.tag) }
    }

    /// The low `width` bytes of a word, extended as their type says.
    pub fn truncate(&mut self, word: Operand, width: u8, signed: bool) -> Operand {
        let spare = 64 - 8 * u32::from(width.clamp(1, 8));
        match word {
            word if spare == 0 => word,
            Operand::Imm(n) if signed => Operand::Imm((n << spare) >> spare),
            Operand::Imm(n) => Operand::Imm(((n as u64) << spare >> spare) as i64),
            word => {
                let word = self.b.binary(BinOp::Shl, word, Operand::Imm(i64::from(spare)), self.tag);
                let op = if signed { BinOp::Shr } else { BinOp::Lsr };
                self.b.binary(op, word, Operand::Imm(i64::from(spare)), self.tag)
            }
        }
    }
}
