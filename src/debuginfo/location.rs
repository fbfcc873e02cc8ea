//! Where a value is at one place of a program: a register, memory, the result of a computation, or nowhere.
//!
//! DWARF says it with a stack machine (DWARF 5, 2.5 and 2.6). Readers run that machine with symbols instead of numbers, so
//! what is left is an expression tree over the registers at the probe; `lower` compiles it as it would any expression.

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
    /// Signed; what is divided by 0 is 0.
    Div,
    /// Unsigned.
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

impl Expr {
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

/// DWARF numbers of the registers that carry the first integer arguments of a kernel function.
pub fn argument_registers(arch: &str) -> &'static [u16] {
    match arch {
        // rdi, rsi, rdx, rcx, r8, r9
        "x86_64" => &[5, 4, 1, 2, 8, 9],
        "aarch64" => &[0, 1, 2, 3, 4, 5, 6, 7],
        _ => &[],
    }
}
