//! Functions the library needs and the language cannot say. A row each: signature, doc, and how each executor does it.

use tapdeck_ebpf::ir::Intrinsic;

use crate::language::types::Type;

/// Index into [`BUILTINS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BuiltinId(pub u16);

/// One builtin.
pub struct Builtin {
    /// As a script calls it.
    pub name: &'static str,
    pub params: &'static [Param],
    /// [`Type::Unknown`]: gives nothing.
    pub result: Type,
    /// For help and completion: a sentence, then what the type cannot say.
    pub doc: &'static str,
    pub implementation: Implementation,
    /// The longest text of a string result in bytes without the NUL, when it is known to be short.
    pub max_len: Option<u16>,
    /// Depends on its arguments alone and has no effect: may be computed later in user space on captured values.
    pub pure_: bool,
}

pub struct Param {
    pub name: &'static str,
    pub ty: Type,
}

pub enum Implementation {
    /// The same operation on both sides.
    Intrinsic(Intrinsic),
    /// User space only; in an event handler it is possible only where its text merely flows to output (if pure).
    Host(HostFn),
    /// `lower` knows it by name: memory reads, exit, error, site texts, context words.
    Lowered,
}

pub type HostFn = fn(&[Value], &mut dyn HostContext) -> Result<Value, String>;

/// A value in user space.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Long(i64),
    Str(Vec<u8>),
}

/// What a host function may ask of the session. Errors are script errors.
pub trait HostContext {
    /// CLOCK_REALTIME in ns.
    fn realtime_ns(&self) -> i64;
    /// -c's or -x's process, or 0.
    fn target(&self) -> i64;
    /// State kept between calls under a name of the builtin's choice (tokenize, stopwatches, indentation).
    fn state(&mut self) -> &mut std::collections::HashMap<String, Value>;
    /// A line for the user, `WARNING: …`.
    fn warn(&mut self, message: &[u8]);
}

/// Every builtin; names are unique for each number of parameters.
pub static BUILTINS: &[&[Builtin]] = &[];
