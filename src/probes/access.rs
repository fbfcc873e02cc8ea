//! The way from a probe's context to a value: `$next->mm->pgd`, decided by type information, as steps to execute.

use std::sync::Arc;

use tapdeck_ebpf::ir::{ContextField, Space};

use crate::debuginfo::location::{Expr, Register};

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

impl Access {
    /// Of nothing that is anywhere.
    pub fn nowhere() -> Self {
        Self {
            base: AccessBase::Constant(0),
            steps: Vec::new(),
            load: Load::Word { width: 8, signed: true },
            space: Space::Kernel,
            type_text: String::new(),
        }
    }

    /// It looks at arguments of the call.
    pub fn needs_arguments(&self) -> bool {
        match &self.base {
            AccessBase::Field(field) => matches!(field, ContextField::CallArg(_)),
            AccessBase::Computed(expr) => expr.any(&mut |part| matches!(part, Expr::Argument(_))),
            AccessBase::Expr | AccessBase::Constant(_) => false,
        }
    }

    /// Registers as they were when the function around the probe was called, each once. The handler has their values from a
    /// probe at the entry.
    pub fn entry_registers(&self) -> Vec<Register> {
        let mut found = Vec::new();
        if let AccessBase::Computed(expr) = &self.base {
            expr.any(&mut |part| {
                if let Expr::EntryRegister(register) = part
                    && !found.contains(register)
                {
                    found.push(*register);
                }
                false
            });
        }
        found
    }

    /// It looks at registers, which a trampoline does not have.
    pub fn needs_registers(&self) -> bool {
        match &self.base {
            AccessBase::Field(field) => matches!(field, ContextField::Register(_)),
            AccessBase::Computed(expr) => expr.any(&mut |part| matches!(part, Expr::Register(_))),
            AccessBase::Expr | AccessBase::Constant(_) => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessBase {
    /// A word of the context.
    Field(ContextField),
    /// The value of an expression (casts).
    Expr,
    /// What debug information says: computed from registers, memory and arguments. It has no addresses left.
    Computed(Arc<Expr>),
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
    /// `bits` bits of the word from bit `shift` on: a part of a struct that is in a register.
    Part { shift: u8, bits: u8, signed: bool },
    /// Read this many bytes at the address.
    Memory { width: u8, signed: bool },
    /// Read `width` bytes at the address, take `bits` bits from bit `shift` (little endian, least significant first).
    BitField { width: u8, shift: u8, bits: u8, signed: bool },
}
