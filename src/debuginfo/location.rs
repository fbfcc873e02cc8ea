//! Where a value is at one place of a program: a register, memory, the result of a computation, or nowhere.
//!
//! DWARF says it with a stack machine (DWARF 5, 2.5 and 2.6). Readers run that machine with symbols instead of numbers, so
//! what is left is an expression tree over the registers at the probe; `lower` compiles it as it would any expression.

use std::fmt;

/// A register by its DWARF number (x86-64 psABI figure 3.36; AArch64 DWARF, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub u16);

/// Where a variable is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory, at this address. Only such a variable has an address.
    Memory(Expr),
    /// Not in memory: this is its value (a register, a constant, something computed).
    Value(Expr),
    /// In parts, the lowest bits first.
    Pieces(Vec<Piece>),
    Absent(Absent),
}

/// Part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub size_bits: u32,
    /// [`Location::Memory`], [`Location::Value`] or [`Location::Absent`].
    pub location: Location,
}

/// Why a variable has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nowhere in the program.
    OptimizedOut,
    /// It lives elsewhere, not at this place.
    NotHere,
    /// It is somewhere, and this reader does not know how to say where: the operation.
    Unsupported(&'static str),
}

/// A computation over the registers at the probe, in 64-bit words that wrap around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Constant(i64),
    /// An address as the file was linked; where the module was moved at load time, so is this.
    Address(u64),
    Register(Register),
    /// What the register held when the function was entered.
    EntryRegister(Register),
    /// The n-th argument of the function, from 0, where it is only known by the calling convention.
    Argument(u8),
    /// `size` bytes (1, 2, 4 or 8) at an address, zero-extended.
    Load {
        address: Box<Expr>,
        size: u8,
    },
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `then` where `condition` is not 0.
    Select {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Negate,
    Not,
    /// Absolute value of a signed word.
    Abs,
    /// The lowest bits, zero-extended.
    ZeroExtend {
        bits: u8,
    },
    /// The lowest bits, sign-extended.
    SignExtend {
        bits: u8,
    },
}

/// Comparisons are signed and give 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    /// Signed.
    Div,
    /// Of numbers that are not negative.
    Mod,
    And,
    Or,
    Xor,
    Shl,
    /// Zeros come in.
    Shr,
    /// The sign comes in.
    Sar,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Memory(address) => write!(f, "memory at {address}"),
            Location::Value(value) => write!(f, "{value}"),
            Location::Pieces(pieces) => {
                f.write_str("pieces")?;
                pieces.iter().try_for_each(|piece| write!(f, " [{} bits: {}]", piece.size_bits, piece.location))
            }
            Location::Absent(absent) => write!(f, "{absent}"),
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::OptimizedOut => f.write_str("optimised out"),
            Absent::NotHere => f.write_str("has no value here"),
            Absent::Unsupported(what) => write!(f, "described by {what}, which is not understood"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Constant(n) => write!(f, "{n}"),
            Expr::Address(at) => write!(f, "{at:#x}"),
            Expr::Register(register) => write!(f, "r{}", register.0),
            Expr::EntryRegister(register) => write!(f, "entry r{}", register.0),
            Expr::Argument(n) => write!(f, "argument {n}"),
            Expr::Load { address, size } => write!(f, "*{size}({address})"),
            Expr::Unary(op, operand) => write!(f, "{op:?}({operand})"),
            Expr::Binary(op, left, right) => write!(f, "{op:?}({left}, {right})"),
            Expr::Select { condition, then, otherwise } => write!(f, "({condition} ? {then} : {otherwise})"),
        }
    }
}

impl UnaryOp {
    fn of(self, n: i64) -> i64 {
        let spare = |bits: u8| 64 - u32::from(bits.clamp(1, 64));
        match self {
            UnaryOp::Negate => n.wrapping_neg(),
            UnaryOp::Not => !n,
            UnaryOp::Abs => n.wrapping_abs(),
            UnaryOp::ZeroExtend { bits } => ((n as u64) << spare(bits) >> spare(bits)) as i64,
            UnaryOp::SignExtend { bits } => n << spare(bits) >> spare(bits),
        }
    }
}

impl BinaryOp {
    fn of(self, a: i64, b: i64) -> i64 {
        // A shift by the width or more leaves nothing but the sign.
        let count = u32::try_from(b).unwrap_or(64);
        match self {
            BinaryOp::Add => a.wrapping_add(b),
            BinaryOp::Sub => a.wrapping_sub(b),
            BinaryOp::Mul => a.wrapping_mul(b),
            BinaryOp::Div => a.checked_div(b).unwrap_or(0),
            BinaryOp::Mod => a.checked_rem(b).unwrap_or(0),
            BinaryOp::And => a & b,
            BinaryOp::Or => a | b,
            BinaryOp::Xor => a ^ b,
            BinaryOp::Shl => a.checked_shl(count).unwrap_or(0),
            BinaryOp::Shr => (a as u64).checked_shr(count).unwrap_or(0) as i64,
            BinaryOp::Sar => a >> count.min(63),
            BinaryOp::Eq => i64::from(a == b),
            BinaryOp::Ne => i64::from(a != b),
            BinaryOp::Lt => i64::from(a < b),
            BinaryOp::Le => i64::from(a <= b),
            BinaryOp::Gt => i64::from(a > b),
            BinaryOp::Ge => i64::from(a >= b),
        }
    }
}

impl Location {
    /// The same with other leaves in its expressions.
    pub fn map_leaves(self, leaf: &mut dyn FnMut(Expr) -> Expr) -> Self {
        match self {
            Location::Memory(address) => Location::Memory(address.map_leaves(leaf)),
            Location::Value(value) => Location::Value(value.map_leaves(leaf)),
            Location::Pieces(pieces) => {
                let mapped = |piece: Piece| Piece { location: piece.location.map_leaves(leaf), ..piece };
                Location::Pieces(pieces.into_iter().map(mapped).collect())
            }
            absent @ Location::Absent(_) => absent,
        }
    }
}

impl Expr {
    /// Folded where the operand is known.
    pub fn unary(op: UnaryOp, operand: Self) -> Self {
        match operand {
            Expr::Constant(n) => Expr::Constant(op.of(n)),
            operand => Expr::Unary(op, Box::new(operand)),
        }
    }

    /// Folded where both operands are known.
    pub fn binary(op: BinaryOp, left: Self, right: Self) -> Self {
        match (left, right) {
            (Expr::Constant(left), Expr::Constant(right)) => Expr::Constant(op.of(left, right)),
            (left, Expr::Constant(n)) if op == BinaryOp::Add => left.plus(n),
            (left, Expr::Constant(n)) if op == BinaryOp::Sub => left.plus(n.wrapping_neg()),
            (left, right) => Expr::Binary(op, Box::new(left), Box::new(right)),
        }
    }

    /// Whether this or something it is made of is wanted.
    pub fn any(&self, is_wanted: &mut dyn FnMut(&Expr) -> bool) -> bool {
        is_wanted(self)
            || match self {
                Expr::Constant(_)
                | Expr::Address(_)
                | Expr::Register(_)
                | Expr::EntryRegister(_)
                | Expr::Argument(_) => false,
                Expr::Load { address, .. } => address.any(is_wanted),
                Expr::Unary(_, operand) => operand.any(is_wanted),
                Expr::Binary(_, left, right) => left.any(is_wanted) || right.any(is_wanted),
                Expr::Select { condition, then, otherwise } => {
                    condition.any(is_wanted) || then.any(is_wanted) || otherwise.any(is_wanted)
                }
            }
    }

    /// This with other leaves: registers, addresses, constants and arguments.
    pub fn map_leaves(self, leaf: &mut dyn FnMut(Expr) -> Expr) -> Self {
        let mut inside = |expr: Box<Expr>| Box::new(expr.map_leaves(leaf));
        match self {
            Expr::Load { address, size } => Expr::Load { address: inside(address), size },
            Expr::Unary(op, operand) => Expr::Unary(op, inside(operand)),
            Expr::Binary(op, left, right) => Expr::Binary(op, inside(left), inside(right)),
            Expr::Select { condition, then, otherwise } => {
                Expr::Select { condition: inside(condition), then: inside(then), otherwise: inside(otherwise) }
            }
            expr => leaf(expr),
        }
    }

    /// `self + offset`, folded.
    pub fn plus(self, offset: i64) -> Self {
        match self {
            Expr::Constant(n) => Expr::Constant(n.wrapping_add(offset)),
            Expr::Address(at) => Expr::Address(at.wrapping_add_signed(offset)),
            Expr::Binary(BinaryOp::Add, left, right) if matches!(*right, Expr::Constant(_)) => {
                let Expr::Constant(before) = *right else { unreachable!("just matched") };
                left.plus(before.wrapping_add(offset))
            }
            other if offset == 0 => other,
            other => Expr::Binary(BinaryOp::Add, Box::new(other), Box::new(Expr::Constant(offset))),
        }
    }
}

/// A general register as assemblers call it, with the bytes of it that the name means.
pub fn register_named(arch: &str, name: &str) -> Option<(Register, u8)> {
    const LEGACY: [&str; 8] = ["ax", "dx", "cx", "bx", "si", "di", "bp", "sp"];
    let number = |text: &str, range: std::ops::RangeInclusive<u16>| {
        text.parse().ok().filter(|n| range.contains(n) && !text.starts_with('0') || text == "0")
    };
    if arch == "aarch64" {
        let n = match name {
            "fp" => 29,
            "lr" => 30,
            "sp" => 31,
            "pc" => 32,
            name => number(name.strip_prefix('x')?, 0..=30)?,
        };
        return Some((Register(n), 8));
    }
    // The return address stands for the instruction pointer.
    const IP: u16 = 16;
    const FLAGS: u16 = 49;
    let legacy = |name: &str| match name {
        "ip" => Some(IP),
        "flags" => Some(FLAGS),
        name => LEGACY.iter().position(|legacy| *legacy == name).map(|n| n as u16),
    };
    if let Some(n) = legacy(name) {
        return Some((Register(n), 8));
    }
    let (prefix, rest) = name.split_at_checked(1)?;
    match prefix {
        "r" => legacy(rest).or_else(|| number(rest, 8..=15)).map(|n| (Register(n), 8)),
        "e" => legacy(rest).map(|n| (Register(n), 4)),
        _ => None,
    }
}

/// DWARF numbers of the registers that carry the first integer arguments of a kernel function.
pub fn argument_registers(arch: &str) -> &'static [u16] {
    match arch {
        // rdi, rsi, rdx, rcx, r8, r9
        "x86_64" => &[5, 4, 1, 2, 8, 9],
        "aarch64" => &[0, 1, 2, 3, 4, 5, 6, 7],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_names_of_assemblers() {
        let x86 = |name| register_named("x86_64", name).map(|(register, width)| (register.0, width));
        assert_eq!([x86("rdi"), x86("di"), x86("edi")], [Some((5, 8)), Some((5, 8)), Some((5, 4))]);
        assert_eq!(
            [x86("r8"), x86("r15"), x86("rip"), x86("esp")],
            [Some((8, 8)), Some((15, 8)), Some((16, 8)), Some((7, 4))]
        );
        assert_eq!([x86("r7"), x86("r08"), x86("r16"), x86("e8"), x86(""), x86("é")], [None; 6]);
        let arm = |name| register_named("aarch64", name).map(|(register, _)| register.0);
        assert_eq!([arm("x0"), arm("x30"), arm("lr"), arm("sp"), arm("pc")], [0, 30, 30, 31, 32].map(Some));
        assert_eq!([arm("x31"), arm("x00"), arm("rax")], [None; 3]);
    }
}
