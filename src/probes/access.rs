//! The way from a probe's context to a value: `$next->mm->pgd`, decided by type information, as steps to execute.

use tapdeck_ebpf::ir::{ContextField, Space};

/// Start, way and final load. Evaluates as: take the base word; apply `steps` in order; then `load`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub base: AccessBase,
    pub steps: Vec<AccessStep>,
    pub load: Load,
    /// Whose memory `steps` and `load` read.
    pub space: Space,
    /// C type of the result, as `-L` prints it: `struct task_struct*`, `int`, `char[16]`.
    pub type_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessBase {
    /// A word of the context.
    Field(ContextField),
    /// The value of an expression (casts).
    Expr,
    /// A constant (enumerators, optimised values).
    Constant(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessStep {
    /// Address += this many bytes.
    Offset(i64),
    /// Address = the 8-byte pointer read there.
    Deref,
    /// Address += next dynamic index × this many bytes.
    Index { size: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The word as it is: an address, or a scalar that came in the context itself, cut to its type.
    Word { width: u8, signed: bool },
    /// Read this many bytes at the address.
    Memory { width: u8, signed: bool },
    /// Read `width` bytes at the address, take `bits` bits from bit `shift` (little endian, least significant first).
    BitField { width: u8, shift: u8, bits: u8, signed: bool },
}
