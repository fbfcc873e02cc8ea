//! BTF: the kernel's own type information. Documentation/bpf/btf.rst.
//!
//! The bytes stay as they are; opening only notes where each type begins (about a millisecond for a whole kernel). Names
//! are indexed when the first one is asked for. Nothing here trusts the bytes: what does not fit reads as void.

mod reader;
mod types;

pub use reader::Btf;
pub use types::{Enumerator, FoundMember, Member, Param, Shape};

/// Index of a type in a [`Btf`]; 0 is void. A module's ids continue the kernel's.
pub type TypeId = u32;
