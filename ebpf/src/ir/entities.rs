//! Typed indices and the small types everything shares. `Display` is the name in the text form.

use std::fmt;

macro_rules! entity {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )* };
}

entity! {
    /// A mutable variable of a body.
    Var "v";
    /// A block of a body.
    Block "b";
    /// An iterator of a body.
    Iter "it";
    /// A literal of the program.
    StrId "s";
    /// A store of the program.
    StoreId "g";
    /// A function of the program.
    FunctionId "f";
    /// A handler of the program.
    HandlerId "h";
    /// A site of the program.
    SiteId "site";
    /// A print site of the program.
    PrintId "p";
    /// Where an instruction came from; only the caller knows what it means. Line info carries it through the verifier.
    SourceTag "@";
}

impl SourceTag {
    pub const NONE: SourceTag = SourceTag(u32::MAX);
}

/// The type of a variable or key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    Long,
    /// A string of at most `cap - 1` bytes, NUL-terminated and zero-filled to `cap`, a multiple of 8.
    Str {
        cap: u16,
    },
    /// A text of which only the pieces are known here: the bytes of a print record ([`crate::layout::record`]) whose site
    /// says how user space makes it, all zero for "". At most `cap` bytes, a multiple of 8. It can be copied, kept and
    /// sent; nobody looks at it in the kernel. In the interpreter it is the text.
    Packed {
        cap: u16,
    },
}

/// Whose memory an address points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    Kernel,
    User,
}

/// A long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    Var(Var),
    Imm(i64),
}

/// A string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StrOperand {
    Var(Var),
    Const(StrId),
}

/// Any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    Long(Operand),
    Str(StrOperand),
    /// A variable of type [`Ty::Packed`].
    Packed(Var),
}
