//! What debug information says of a program, in words of our own: functions, the places they are at, their variables.
//!
//! A *function* is what one probe point names: a name at a place of the source. It has one *instance* for each place in
//! the machine code that is the beginning of its body: its own code, and each call that the compiler replaced by a copy of it.

use std::{fmt, sync::Arc};

use super::{location::Location, types::TypeId};

/// A function as a probe point names it: `vfs_read@fs/read_write.c:450`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: Arc<str>,
    /// Where it is declared; `None` when only its symbol is known.
    pub source: Option<SourcePlace>,
    /// Not static: what `.exported` means.
    pub external: bool,
    /// By address; BTF knows one without address.
    pub instances: Vec<Instance>,
}

/// A line of a file, named as debug information names it: relative to where the program was built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePlace {
    pub file: Arc<str>,
    pub line: u32,
}

/// A place where a function's body begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The address to probe, as the file was linked; in a kernel module from the start of its section. `None`: by name only.
    pub pc: Option<u64>,
    pub kind: InstanceKind,
    /// The symbol the place is in, where it is not the function's name (`foo.constprop.0`, the caller of an inlined one).
    pub symbol: Option<Arc<str>>,
    /// Where the source of the debug information finds it again.
    pub id: InstanceId,
}

/// The key of an instance in the debug information it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceKind {
    /// Code of its own, reached by calls.
    Call,
    /// A copy inside another function.
    Inline,
}

/// A parameter or local variable of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: Arc<str>,
    /// In the types of the debug information it came from; 0 when that does not say.
    pub ty: TypeId,
    pub is_parameter: bool,
    pub location: Location,
}

/// A variable's name and C text of its type: `$count:size_t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedName {
    pub name: Arc<str>,
    pub type_text: Arc<str>,
}

/// A line that has code of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    pub place: SourcePlace,
    pub pc: u64,
}

/// How a place may be probed, as far as the file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Traceable {
    /// By fentry, fexit and everything else.
    Fentry,
    /// By a breakpoint only.
    Kprobe,
    Not(NotTraceable),
    /// The file does not say.
    Unknown,
}

/// Why the kernel refuses a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotTraceable {
    /// On the kernel's list: a probe there could probe itself.
    NoKprobe,
    /// Entry and exception code, which runs before the kernel can be traced.
    NoInstrumentation,
    /// Freed when the kernel or module has started.
    InitText,
    /// The running kernel does not have it among what it can trace.
    NotListed,
}

impl NotTraceable {
    /// The reason as a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            NotTraceable::NoKprobe => "the kernel bars it (NOKPROBE): a probe there could come into itself",
            NotTraceable::NoInstrumentation => {
                "it runs before the kernel can be traced (noinstr: entry and exception code)"
            }
            NotTraceable::InitText => "it is gone: freed once the kernel, or the module, has started (__init)",
            NotTraceable::NotListed => {
                "the kernel does not list it among what it can trace: inlined everywhere, or not to be traced (notrace)"
            }
        }
    }
}

impl fmt::Display for Traceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Traceable::Fentry => "fentry",
            Traceable::Kprobe => "kprobe",
            Traceable::Not(NotTraceable::NoKprobe) => "never: NOKPROBE",
            Traceable::Not(NotTraceable::NoInstrumentation) => "never: noinstr",
            Traceable::Not(NotTraceable::InitText) => "never: init only",
            Traceable::Not(NotTraceable::NotListed) => "never: not listed",
            Traceable::Unknown => "?",
        })
    }
}
