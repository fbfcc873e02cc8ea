//! Builtins of user space: what needs a table, a time zone or memory of earlier calls. The pure ones also serve event
//! handlers, on captured values, where their text merely flows to output.
//!
//! What each does is documented in SystemTap's `function::…` manual pages.

pub mod decode;
mod floating;
pub mod matching;
mod names;
mod network;
mod signal;
mod speculation;
mod system;
pub mod text;
mod time;
pub mod value;

pub use decode::*;
pub use {
    floating::ROWS as FLOATING,
    matching::ROWS as MATCHING,
    names::{NFS as NFS_NAMES, SOCKETS as SOCKET_NAMES, TCP as TCP_NAMES},
    network::ROWS as NETWORK,
    signal::ROWS as SIGNAL,
    speculation::ROWS as SPECULATION,
    system::ROWS as MACHINE,
    text::ROWS as TEXT,
    time::ROWS as TIME,
    value::ROWS as FILE_TEXT,
};

use super::{Builtin, Implementation::Host, Value};
use crate::language::types::Type;

/// Argument n as a number; 0 when it is none.
fn long_at(args: &[Value], idx: usize) -> i64 {
    match args.get(idx) {
        Some(Value::Long(n)) => *n,
        _ => 0,
    }
}

/// Argument n as a text; "" when it is none.
fn str_at(args: &[Value], idx: usize) -> &[u8] {
    match args.get(idx) {
        Some(Value::Str(text)) => text,
        _ => b"",
    }
}

fn bytes(text: impl Into<Vec<u8>>) -> Value {
    Value::Str(text.into())
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::builtins::{HostContext, Implementation, find, get};

    /// A session that only remembers.
    #[derive(Default)]
    pub struct Context {
        state: HashMap<String, Value>,
    }

    impl HostContext for Context {
        fn realtime_ns(&self) -> i64 {
            1_000_000_000 * 1_000_000_000
        }
        fn target(&self) -> i64 {
            0
        }
        fn state(&mut self) -> &mut HashMap<String, Value> {
            &mut self.state
        }
        fn warn(&mut self, _: &[u8]) {}
    }

    /// Calls a builtin the way a script would; texts are `&str`, numbers `i64`.
    pub fn call(context: &mut Context, name: &str, args: &[Value]) -> Result<Value, String> {
        let row = get(find(name, args.len()).unwrap_or_else(|| panic!("{name} with {} arguments", args.len())));
        match row.implementation {
            Implementation::Host(function) => function(args, context),
            _ => panic!("{name} is not a host function"),
        }
    }

    pub fn s(text: &str) -> Value {
        bytes(text)
    }

    pub fn n(number: i64) -> Value {
        Value::Long(number)
    }
}
