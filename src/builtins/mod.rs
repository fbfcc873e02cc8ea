//! Functions the library needs and the language cannot say. A row each: signature, doc, and how each executor does it.

pub mod context;
pub mod control;
pub mod host;
pub mod memory;
pub mod refused;
pub mod strings;
pub mod symbols;
pub mod time;

use std::{collections::HashMap, sync::LazyLock};

use tapdeck_ebpf::ir::{Intrinsic, SiteField, Space};

use crate::language::types::Type;

/// Index into all rows of [`BUILTINS`], counted through its groups: [`get`] gives the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BuiltinId(pub u16);

/// One builtin.
pub struct Builtin {
    /// As a script calls it. A name that starts with `__` is for our own tapsets only.
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
    /// A host function that may be a script error.
    pub raises: bool,
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
    /// A few instructions of the intermediate representation.
    Lowered(Special),
}

/// What `lower` writes for a builtin that is neither an intrinsic nor a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Exit,
    Abort,
    Error,
    /// A line of text to one of the streams.
    Message(Stream),
    /// A text of the probe site.
    Site(SiteField),
    /// A time in ns, divided.
    Scaled {
        clock: Intrinsic,
        divisor: i64,
    },
    /// A number at an address.
    Read {
        space: Space,
        width: u8,
        signed: bool,
        fault: ReadFault,
    },
    /// A text at an address: `(addr [, n] [, text on fault])`.
    ReadText {
        space: Space,
        counted: bool,
        fault: TextFault,
    },
    /// A text at an address as a quoted literal: `(addr [, n [, outlen]])`.
    ReadQuoted {
        space: Space,
        fault: QuotedFault,
    },
    /// The n-th argument of the system call, counted from 1.
    CallArg {
        width: u8,
        signed: bool,
    },
    CallReturn,
    SyscallNumber,
    /// A register by its name, a literal.
    Register {
        signed: bool,
    },
    /// The process that compiles and runs the script.
    OwnProcess,
    /// Where the kernel has physical memory mapped, or 0.
    PageOffset,
    /// The node of a page by its number, a local or a literal; -1 where there is none.
    NodeOfPage,
    /// The node there is, -1 where there are several or none is known.
    OnlyNode,
    /// The number of the probe site.
    SiteNumber,
    /// All of the last match of a regular expression.
    MatchedText,
    /// Known by name so that the message can say why not, and what to do. Nobody is offered it.
    Refused {
        reason: &'static str,
        help: &'static str,
    },
}

/// Where a line goes that is not script output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Stream {
    /// The script's output.
    #[default]
    Output,
    /// `WARNING: …` on standard error.
    Warning,
    /// The kernel's trace buffer, through tracefs.
    Ftrace,
    /// The shell: the line is a command.
    Shell,
}

/// What a number read does when the address is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// A script error that begins with this text.
    Raise(&'static str),
    Zero,
    /// 0, and a warning that begins with this text.
    Warn(&'static str),
}

/// What a text read does when the address is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// A script error that begins with this text.
    Raise(&'static str),
    /// This text.
    Text(&'static str),
    /// The last argument.
    Argument,
    /// This text (or the last argument, if there is one more), and a warning.
    Warn,
}

/// What a read of a quoted text does when the address is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotedFault {
    /// The address is the text.
    Address,
    /// It is tried as a user address, and if that is bad, too, it is the text.
    User,
    /// A script error that begins with this text.
    Raise(&'static str),
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
    /// Output goes on in the next file of a row of them.
    fn next_output_file(&mut self) {}
    /// Who knows stacks and addresses; `None`: nobody does.
    fn symbols(&self) -> Option<&dyn symbols::Symbols> {
        None
    }
}

/// Every builtin; names are unique for each number of parameters.
pub static BUILTINS: &[&[Builtin]] = &[
    context::ROWS,
    time::ROWS,
    memory::ROWS,
    strings::ROWS,
    control::ROWS,
    symbols::ROWS,
    host::TEXT,
    host::MATCHING,
    host::SPECULATION,
    host::TIME,
    host::FILE_TEXT,
    host::ERRORS,
    host::SIGNAL,
    host::NETWORK,
    host::SOCKET_NAMES,
    host::TCP_NAMES,
    host::NFS_NAMES,
    host::FLOATING,
    host::MACHINE,
    host::FILES,
    host::MEMORY,
    host::PROCESSES,
    host::SOCKETS,
    host::WAITING,
    host::SYSTEM,
    host::SPECIAL,
    host::STRUCTS,
    refused::ROWS,
];

/// Every row with its id, in order.
pub fn all() -> impl Iterator<Item = (BuiltinId, &'static Builtin)> {
    BUILTINS.iter().flat_map(|group| group.iter()).enumerate().map(|(idx, row)| (BuiltinId(idx as u16), row))
}

/// The row of an id made by [`find`] or [`all`].
pub fn get(id: BuiltinId) -> &'static Builtin {
    static FLAT: LazyLock<Vec<&'static Builtin>> = LazyLock::new(|| all().map(|(_, row)| row).collect());
    FLAT[id.0 as usize]
}

/// The builtin a call means.
pub fn find(name: &str, n_args: usize) -> Option<BuiltinId> {
    static BY_NAME: LazyLock<HashMap<(&'static str, usize), BuiltinId>> =
        LazyLock::new(|| all().map(|(id, row)| ((row.name, row.params.len()), id)).collect());
    BY_NAME.get(&(name, n_args)).copied()
}

/// The numbers of arguments a name takes; empty when there is no such builtin.
pub fn arities(name: &str) -> Vec<usize> {
    all().filter(|(_, row)| row.name == name).map(|(_, row)| row.params.len()).collect()
}

/// A parameter that takes a number.
pub const fn long(name: &'static str) -> Param {
    Param { name, ty: Type::Long }
}

/// A parameter that takes a text.
pub const fn string(name: &'static str) -> Param {
    Param { name, ty: Type::Str }
}

/// A row whose result depends on more than its arguments; the group files refine it with the `const fn`s below.
pub const fn row(
    name: &'static str,
    params: &'static [Param],
    result: Type,
    implementation: Implementation,
    doc: &'static str,
) -> Builtin {
    Builtin { name, params, result, doc, implementation, max_len: None, pure_: false, raises: false }
}

impl Builtin {
    /// Whether a script may call it: some are there to be refused, some for the library.
    pub fn is_offered(&self) -> bool {
        !self.name.starts_with('_') && !matches!(self.implementation, Implementation::Lowered(Special::Refused { .. }))
    }

    /// Depends on its arguments alone.
    pub const fn pure(mut self) -> Builtin {
        self.pure_ = true;
        self
    }

    /// It may be a script error.
    pub const fn raises(mut self) -> Builtin {
        self.raises = true;
        self
    }

    /// Its text has at most this many bytes.
    pub const fn at_most(mut self, max_len: u16) -> Builtin {
        self.max_len = Some(max_len);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_for_each_number_of_parameters() {
        let mut seen = HashSet::new();
        for (_, row) in all() {
            assert!(
                seen.insert((row.name, row.params.len())),
                "{} with {} parameters twice",
                row.name,
                row.params.len()
            );
        }
    }

    #[test]
    fn every_row_is_documented() {
        for (_, row) in all() {
            assert!(row.doc.len() > 10 && !row.doc.starts_with(' '), "{}", row.name);
        }
    }

    #[test]
    fn host_functions_that_fail_say_so() {
        let longs = [0, 1, 3, -1, i64::from(i32::MAX) + 1, i64::MIN, i64::MAX];
        let texts = ["", "x", "a(", "\u{e9}"];
        let mut context = host::tests::Context::default();
        for (_, row) in all().filter(|(_, row)| row.pure_ && !row.raises) {
            let Implementation::Host(function) = row.implementation else { continue };
            for n in 0..longs.len() {
                let value = |(idx, param): (usize, &Param)| match param.ty {
                    Type::Str => Value::Str(texts[(n + idx) % texts.len()].into()),
                    _ => Value::Long(longs[(n + idx) % longs.len()]),
                };
                let args: Vec<Value> = row.params.iter().enumerate().map(value).collect();
                assert!(function(&args, &mut context).is_ok(), "{} {args:?}", row.name);
            }
        }
    }

    #[test]
    fn ids_lead_back_to_rows() {
        for (id, row) in all() {
            assert_eq!(find(row.name, row.params.len()), Some(id));
            assert_eq!(get(id).name, row.name);
        }
    }
}
