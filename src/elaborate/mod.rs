//! Pass 2: names, aliases, wildcards, types. Takes scripts and a [`crate::debuginfo::World`], gives a [`program::Program`].

pub mod program;
