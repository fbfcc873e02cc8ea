//! The types of the language: two scalars, one aggregate.

use std::fmt;

/// What a value is. Arrays are described by a key type list and one of these for their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A signed 64-bit integer, `long`.
    Long,
    /// A byte string without NUL, `string`.
    Str,
    /// What `<<<` accumulates into, `stats`.
    Stat,
    /// Not known (yet), or nothing: a function that returns no value.
    Unknown,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Long => "long",
            Type::Str => "string",
            Type::Stat => "stats",
            Type::Unknown => "unknown",
        })
    }
}
