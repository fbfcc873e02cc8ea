//! Pass 1: text to tree. Knows no machine and no tapset.

pub mod ast;
pub mod format;
pub mod regex;
pub mod types;
