//! BTF: the kernel's own type information. Documentation/bpf/btf.rst.
//!
//! The bytes stay as they are; opening only notes where each type begins (about a millisecond for a whole kernel). Names
//! are indexed when the first one is asked for. Nothing here trusts the bytes: what does not fit reads as void.
//! A [`TypeId`](super::types::TypeId) is the index of a type; a module's continue the kernel's.

mod loads;
mod reader;
mod types;

pub use reader::Btf;
