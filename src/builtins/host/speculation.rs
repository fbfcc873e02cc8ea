//! Output kept back until it is known whether it is wanted: `speculate`, `commit`, `discard`. The buffers are user space's,
//! so event handlers hand their texts over in records, which keeps the order of everything.

use super::{Builtin, Host, Value, bytes, long_at, str_at};
use crate::{
    builtins::{HostContext, long, row, string},
    language::types::Type,
};

/// Bytes that may wait in all buffers together.
const MAX_WAITING: i64 = 64 << 20;
/// What a text costs beside its bytes.
const OVERHEAD: i64 = 64;
/// Where the number of bytes that wait is remembered.
const WAITING: &str = "speculation: bytes";

pub static ROWS: &[Builtin] = &[
    row(
        "speculate",
        &[long("id"), string("output")],
        Type::Unknown,
        Host(|args, context| keep(long_at(args, 0), str_at(args, 1), context)),
        "Keeps a text in a buffer of speculation(). At most 64 MiB wait in all of them.",
    )
    .raises(),
    row(
        "discard",
        &[long("id")],
        Type::Unknown,
        Host(|args, context| {
            while take(long_at(args, 0), context).is_some() {}
            Ok(Value::Long(0))
        }),
        "Forgets what a buffer of speculation() holds.",
    ),
    row(
        "__tapdeck_speculated",
        &[long("id")],
        Type::Long,
        Host(|args, context| {
            let (first, end) = texts(long_at(args, 0), context);
            Ok(Value::Long(end - first))
        }),
        "How many texts a buffer of speculation() holds.",
    ),
    row(
        "__tapdeck_speculated_text",
        &[long("id")],
        Type::Str,
        Host(|args, context| Ok(bytes(take(long_at(args, 0), context).unwrap_or_default()))),
        "Takes the oldest text out of a buffer of speculation().",
    ),
];

fn number(name: &str, context: &mut dyn HostContext) -> i64 {
    match context.state().get(name) {
        Some(Value::Long(n)) => *n,
        _ => 0,
    }
}

/// The numbers of a buffer's first text and of the next one.
fn texts(id: i64, context: &mut dyn HostContext) -> (i64, i64) {
    (number(&first_name(id), context), number(&end_name(id), context))
}

fn first_name(id: i64) -> String {
    format!("speculation {id}: first")
}

fn end_name(id: i64) -> String {
    format!("speculation {id}: end")
}

fn text_name(id: i64, n: i64) -> String {
    format!("speculation {id}: {n}")
}

fn cost(text: &[u8]) -> i64 {
    text.len() as i64 + OVERHEAD
}

fn keep(id: i64, text: &[u8], context: &mut dyn HostContext) -> Result<Value, String> {
    let waiting = number(WAITING, context) + cost(text);
    if waiting > MAX_WAITING {
        return Err(format!("more than {MAX_WAITING} bytes of speculative output wait for commit or discard"));
    }
    let (_, end) = texts(id, context);
    let state = context.state();
    state.insert(WAITING.to_owned(), Value::Long(waiting));
    state.insert(text_name(id, end), Value::Str(text.to_vec()));
    state.insert(end_name(id), Value::Long(end + 1));
    Ok(Value::Long(0))
}

/// An empty buffer leaves nothing behind.
fn take(id: i64, context: &mut dyn HostContext) -> Option<Vec<u8>> {
    let (first, end) = texts(id, context);
    let waiting = number(WAITING, context);
    let state = context.state();
    let Some(Value::Str(text)) = state.remove(&text_name(id, first)) else { return None };
    state.insert(WAITING.to_owned(), Value::Long(waiting - cost(&text)));
    if first + 1 == end {
        state.remove(&first_name(id));
        state.remove(&end_name(id));
    } else {
        state.insert(first_name(id), Value::Long(first + 1));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n, s};
    use crate::builtins::HostContext;

    #[test]
    fn buffers_are_apart_and_leave_nothing_behind() {
        let mut context = Context::default();
        for (id, text) in [(1, "a"), (2, "c"), (1, "b")] {
            call(&mut context, "speculate", &[n(id), s(text)]).unwrap();
        }
        assert_eq!(call(&mut context, "__tapdeck_speculated", &[n(1)]), Ok(n(2)));
        assert_eq!(call(&mut context, "__tapdeck_speculated_text", &[n(1)]), Ok(s("a")));
        assert_eq!(call(&mut context, "__tapdeck_speculated_text", &[n(1)]), Ok(s("b")));
        assert_eq!(call(&mut context, "__tapdeck_speculated_text", &[n(1)]), Ok(s("")));
        call(&mut context, "discard", &[n(2)]).unwrap();
        assert_eq!(context.state().len(), 1, "only the number of bytes is left");
    }

    #[test]
    fn there_is_an_end_to_waiting() {
        let mut context = Context::default();
        let text = s(&"x".repeat(1 << 20));
        let kept = (0..70).take_while(|_| call(&mut context, "speculate", &[n(1), text.clone()]).is_ok()).count();
        assert_eq!(kept, 63);
        call(&mut context, "discard", &[n(1)]).unwrap();
        call(&mut context, "speculate", &[n(1), text]).unwrap();
    }
}
