//! The machine: instructions as RFC 9669 encodes them, labels and fixups, helper numbers, a listing.

mod disasm;
pub mod helpers;
mod insn;
mod label;

pub use disasm::{disassemble, listing};
pub use insn::*;
pub use label::*;
