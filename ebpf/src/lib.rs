//! tapdeck's intermediate representation and its eBPF code generator.
//!
//! ```text
//!   ir::Program ──verify──▶ legalize ──▶ emit ──▶ Object { maps, programs, BTF, line info } ──▶ ELF bytes
//!        │
//!        └── the same handlers, run by an interpreter on the other side
//! ```
//!
//! Pure: no kernel, no files, no knowledge of scripts. Positions in a script pass through as opaque [`ir::SourceTag`]s.
#![forbid(unsafe_code)]

pub mod codegen;
pub mod ir;
pub mod isa;
pub mod layout;
pub mod object;
pub mod regex;
pub mod stats;

pub use codegen::{GenerateError, Target, generate};
