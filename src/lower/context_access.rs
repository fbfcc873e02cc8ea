//! `$next->mm->pgd`: the steps pass 2 decided, as reads of memory.

use tapdeck_ebpf::ir::{BinOp, CmpOp, ContextField, OnFault, Op, Operand, Space, Var};

use super::body::BodyLower;
use crate::{
    debuginfo::location::{BinaryOp, Expr, Register, UnaryOp},
    elaborate::program::Context,
    probes::access::{AccessBase, AccessStep, Load},
};

/// How the error of a bad address begins; SystemTap's words.
const READ_FAULT: &[u8] = b"read fault [man error::fault]";
const POINTER_BYTES: u8 = 8;

#[derive(Clone, Copy)]
struct Computing<'c> {
    /// The value is surely wanted; else memory that cannot be read is 0.
    is_taken: bool,
    /// What registers were at the entry of the function.
    entry: &'c [(Register, Operand)],
}

impl BodyLower<'_, '_> {
    pub fn context(&mut self, context: &Context, dst: Option<Var>) -> Operand {
        let access = &context.access;
        let n_indices = access.steps.iter().filter(|step| matches!(step, AccessStep::Index { .. })).count();
        let (indices, of_entry) = context.operands.split_at(n_indices.min(context.operands.len()));
        let mut address = match &access.base {
            AccessBase::Field(field) => self.word(*field),
            AccessBase::Expr => match &context.base {
                Some(base) => self.long(base),
                None => Operand::Imm(0),
            },
            AccessBase::Constant(n) => Operand::Imm(*n),
            AccessBase::Computed(expr) => {
                let values = of_entry.iter().map(|value| self.long(value)).collect::<Vec<_>>();
                let entry: Vec<_> = access.entry_registers().into_iter().zip(values).collect();
                self.computed(expr, Computing { is_taken: true, entry: &entry })
            }
        };
        let mut indices = indices.iter();
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
                self.part(word, shift, bits, signed)
            }
            Load::Part { shift, bits, signed } => self.part(address, shift, bits, signed),
        }
    }

    fn word(&mut self, field: ContextField) -> Operand {
        let dst = self.long_temp();
        self.emit(Op::Context { dst, field });
        Operand::Var(dst)
    }

    /// `bits` bits of a word from bit `shift` on.
    fn part(&mut self, word: Operand, shift: u8, bits: u8, signed: bool) -> Operand {
        let left = 64i64.saturating_sub(i64::from(shift) + i64::from(bits)).max(0);
        let word = self.shifted(BinOp::Shl, word, left);
        let right = if signed { BinOp::Shr } else { BinOp::Lsr };
        self.shifted(right, word, 64 - i64::from(bits.clamp(1, 64)))
    }

    /// What debug information says a value is.
    fn computed(&mut self, expr: &Expr, how: Computing<'_>) -> Operand {
        match expr {
            Expr::Constant(n) => Operand::Imm(*n),
            Expr::Address(at) => Operand::Imm(*at as i64),
            Expr::EntryRegister(register) => {
                let known = how.entry.iter().find(|(of, _)| of == register);
                known.map_or(Operand::Imm(0), |(_, value)| *value)
            }
            Expr::Register(Register(n)) => {
                let field = ContextField::Register(u8::try_from(*n).unwrap_or(u8::MAX));
                self.word(field)
            }
            Expr::Argument(n) => self.word(ContextField::CallArg(*n)),
            Expr::Load { address, size } => {
                let addr = self.computed(address, how);
                let dst = self.long_temp();
                let on_fault = if how.is_taken { OnFault::Raise(self.intern(READ_FAULT)) } else { OnFault::Zero };
                self.emit(Op::Read { dst, space: Space::Kernel, addr, width: *size, signed: false, on_fault });
                Operand::Var(dst)
            }
            Expr::Unary(op, operand) => {
                let operand = self.computed(operand, how);
                match op {
                    UnaryOp::Negate => self.b.binary(BinOp::Sub, Operand::Imm(0), operand, self.tag),
                    UnaryOp::Not => self.b.binary(BinOp::Xor, operand, Operand::Imm(-1), self.tag),
                    UnaryOp::Abs => {
                        // The sign is -1 or 0: x ^ sign - sign.
                        let sign = self.shifted(BinOp::Shr, operand, 63);
                        let flipped = self.b.binary(BinOp::Xor, operand, sign, self.tag);
                        self.b.binary(BinOp::Sub, flipped, sign, self.tag)
                    }
                    UnaryOp::ZeroExtend { bits } => self.part(operand, 0, *bits, false),
                    UnaryOp::SignExtend { bits } => self.part(operand, 0, *bits, true),
                }
            }
            Expr::Binary(op, left, right) => {
                let (left, right) = (self.computed(left, how), self.computed(right, how));
                let computes = |op| Ok(op);
                let op: Result<BinOp, CmpOp> = match op {
                    BinaryOp::Add => computes(BinOp::Add),
                    BinaryOp::Sub => computes(BinOp::Sub),
                    BinaryOp::Mul => computes(BinOp::Mul),
                    BinaryOp::Div => computes(BinOp::Div),
                    BinaryOp::Mod => computes(BinOp::Rem),
                    BinaryOp::And => computes(BinOp::And),
                    BinaryOp::Or => computes(BinOp::Or),
                    BinaryOp::Xor => computes(BinOp::Xor),
                    BinaryOp::Shl => computes(BinOp::Shl),
                    BinaryOp::Shr => computes(BinOp::Lsr),
                    BinaryOp::Sar => computes(BinOp::Shr),
                    BinaryOp::Eq => Err(CmpOp::Eq),
                    BinaryOp::Ne => Err(CmpOp::Ne),
                    BinaryOp::Lt => Err(CmpOp::Lt),
                    BinaryOp::Le => Err(CmpOp::Le),
                    BinaryOp::Gt => Err(CmpOp::Gt),
                    BinaryOp::Ge => Err(CmpOp::Ge),
                };
                match op {
                    Ok(op) => self.b.binary(op, left, right, self.tag),
                    Err(op) => {
                        let dst = self.long_temp();
                        self.emit(Op::Compare { op, dst, a: left, b: right });
                        Operand::Var(dst)
                    }
                }
            }
            Expr::Select { condition, then, otherwise } => {
                let condition = self.computed(condition, how);
                let perhaps = Computing { is_taken: false, ..how };
                let (then, otherwise) = (self.computed(then, perhaps), self.computed(otherwise, perhaps));
                // Without a branch: otherwise + (condition != 0) * (then - otherwise).
                let taken = self.long_temp();
                self.emit(Op::Compare { op: CmpOp::Ne, dst: taken, a: condition, b: Operand::Imm(0) });
                let difference = self.b.binary(BinOp::Sub, then, otherwise, self.tag);
                let scaled = self.b.binary(BinOp::Mul, Operand::Var(taken), difference, self.tag);
                self.b.binary(BinOp::Add, otherwise, scaled, self.tag)
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
