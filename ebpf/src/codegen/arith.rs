//! Arithmetic and comparison of longs. langref "Expressions"; division as SystemTap defines it.

use super::emit::{Emitter, negate};
use crate::{ir::*, isa::*, layout::record::ErrorCode};

impl Emitter<'_, '_> {
    pub fn binary(&mut self, op: BinOp, dst: Var, a: Operand, b: Operand) {
        let alu = match op {
            BinOp::Add => Alu::Add,
            BinOp::Sub => Alu::Sub,
            BinOp::Mul => Alu::Mul,
            BinOp::And => Alu::And,
            BinOp::Or => Alu::Or,
            BinOp::Xor => Alu::Xor,
            BinOp::Shl => Alu::Lsh,
            BinOp::Shr => Alu::Arsh,
            BinOp::Lsr => Alu::Rsh,
            BinOp::Div | BinOp::Rem => return self.divide(op == BinOp::Div, dst, a, b),
        };
        let is_shift = matches!(op, BinOp::Shl | BinOp::Shr | BinOp::Lsr);
        // In place when that loses nothing: `n = n + …`.
        let in_place = match (self.loc(dst), a) {
            (super::frame::Loc::Reg(r), Operand::Var(v)) if v == dst && b != Operand::Var(dst) => Some(r),
            _ => None,
        };
        let at = in_place.unwrap_or(R0);
        if in_place.is_none() {
            self.long(R0, a);
        }
        match b {
            Operand::Imm(n) if is_shift => self.asm.alu_imm(alu, at, (n & 63) as i32),
            Operand::Imm(n) if i32::try_from(n).is_ok() => self.asm.alu_imm(alu, at, n as i32),
            _ => {
                let b = self.long_reg(b, R1);
                let b = if is_shift {
                    self.asm.mov(R1, b);
                    self.asm.alu_imm(Alu::And, R1, 63);
                    R1
                } else {
                    b
                };
                self.asm.alu(alu, at, b);
            }
        }
        if in_place.is_none() {
            self.put(dst, R0);
        }
    }

    fn divide(&mut self, quotient: bool, dst: Var, a: Operand, b: Operand) {
        self.long(R0, a);
        match b {
            Operand::Imm(0) => {
                let raised = self.raise(ErrorCode::DivisionByZero, 0);
                self.asm.jump(raised);
                return;
            }
            Operand::Imm(-1) if quotient => self.asm.neg(R0),
            Operand::Imm(-1) => self.asm.mov_imm(R0, 0),
            Operand::Imm(n) => {
                self.asm.mov_imm(R1, n);
                self.signed_divide(quotient);
            }
            Operand::Var(_) => {
                self.long(R1, b);
                let raised = self.raise(ErrorCode::DivisionByZero, 0);
                self.asm.jump_if_imm(Cond::Eq, R1, 0, raised);
                let (other, done) = (self.asm.label(), self.asm.label());
                self.asm.jump_if_imm(Cond::Ne, R1, -1, other);
                // The machine traps on the smallest number divided by -1.
                if quotient {
                    self.asm.neg(R0);
                } else {
                    self.asm.mov_imm(R0, 0);
                }
                self.asm.jump(done);
                self.asm.bind(other);
                self.signed_divide(quotient);
                self.asm.bind(done);
            }
        }
        self.put(dst, R0);
    }

    /// r0 / r1 or r0 % r1 into r0, truncating; r1 is neither 0 nor -1. Uses r2 and r3.
    pub fn signed_divide(&mut self, quotient: bool) {
        let op = if quotient { Alu::Div } else { Alu::Mod };
        // `may_goto` (6.9) is younger than signed division (6.6).
        if self.shared.target.may_goto {
            self.asm.signed(op, R0, R1);
            return;
        }
        // Signs as masks: x = (x ^ mask) - mask negates when the mask is -1.
        for (reg, mask) in [(R0, R2), (R1, R3)] {
            self.asm.mov(mask, reg);
            self.asm.alu_imm(Alu::Arsh, mask, 63);
            self.asm.alu(Alu::Xor, reg, mask);
            self.asm.alu(Alu::Sub, reg, mask);
        }
        self.asm.alu(op, R0, R1);
        if quotient {
            self.asm.alu(Alu::Xor, R2, R3);
        }
        self.asm.alu(Alu::Xor, R0, R2);
        self.asm.alu(Alu::Sub, R0, R2);
    }

    pub fn unary(&mut self, op: UnOp, dst: Var, a: Operand) {
        match op {
            UnOp::Neg => {
                self.long(R0, a);
                self.asm.neg(R0);
            }
            UnOp::BitNot => {
                self.long(R0, a);
                self.asm.alu_imm(Alu::Xor, R0, -1);
            }
            UnOp::Not => return self.compare(CmpOp::Eq, dst, a, Operand::Imm(0)),
        }
        self.put(dst, R0);
    }

    pub fn compare(&mut self, op: CmpOp, dst: Var, a: Operand, b: Operand) {
        let holds = self.asm.label();
        // The comparison reads before r0 is set, since an operand may be loaded into it.
        let otherwise = self.asm.label();
        self.jump_compare(negate(op), a, b, otherwise);
        self.asm.mov_imm(R0, 1);
        self.asm.jump(holds);
        self.asm.bind(otherwise);
        self.asm.mov_imm(R0, 0);
        self.asm.bind(holds);
        self.put(dst, R0);
    }

    /// To `to` when the comparison holds.
    pub fn jump_compare(&mut self, op: CmpOp, a: Operand, b: Operand, to: Label) {
        let (op, a, b) = match (a, b) {
            (Operand::Imm(_), Operand::Var(_)) => (mirror(op), b, a),
            _ => (op, a, b),
        };
        let a = self.long_reg(a, R1);
        match b {
            Operand::Imm(n) if i32::try_from(n).is_ok() => self.asm.jump_if_imm(signed(op), a, n as i32, to),
            _ => {
                let b = self.long_reg(b, R2);
                self.asm.jump_if(signed(op), a, b, to);
            }
        }
    }
}

fn mirror(op: CmpOp) -> CmpOp {
    match op {
        CmpOp::Eq | CmpOp::Ne => op,
        CmpOp::Lt => CmpOp::Gt,
        CmpOp::Gt => CmpOp::Lt,
        CmpOp::Le => CmpOp::Ge,
        CmpOp::Ge => CmpOp::Le,
    }
}

fn signed(op: CmpOp) -> Cond {
    match op {
        CmpOp::Eq => Cond::Eq,
        CmpOp::Ne => Cond::Ne,
        CmpOp::Lt => Cond::SLt,
        CmpOp::Le => Cond::SLe,
        CmpOp::Gt => Cond::SGt,
        CmpOp::Ge => Cond::SGe,
    }
}
