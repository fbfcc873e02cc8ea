//! `$value` of a script's file and the text of `input`: what the handler that runs is told, and what it gives.

use super::{Builtin, Host, Type, Value, bytes, str_at};
use crate::builtins::{HostContext, row, string};

/// Where the text is kept between calls and for the session.
pub const VALUE: &str = "value";

pub static ROWS: &[Builtin] = &[
    row(
        "__tapdeck_value",
        &[],
        Type::Str,
        Host(|_, context| Ok(bytes(value(context)))),
        "The text a file was written with, or that its reader will get.",
    ),
    row(
        "__tapdeck_set_value",
        &[string("text")],
        Type::Str,
        Host(|args, context| {
            context.state().insert(VALUE.to_owned(), bytes(str_at(args, 0)));
            Ok(bytes(str_at(args, 0)))
        }),
        "Sets what a file's reader will get.",
    ),
    row(
        "__tapdeck_append_value",
        &[string("text")],
        Type::Str,
        Host(|args, context| {
            // In place: it may be long, and grow often.
            if let Some(Value::Str(text)) = context.state().get_mut(VALUE) {
                text.extend_from_slice(str_at(args, 0));
            } else {
                context.state().insert(VALUE.to_owned(), bytes(str_at(args, 0)));
            }
            Ok(bytes(str_at(args, 0)))
        }),
        "Adds to what a file's reader will get. It may get longer than a string.",
    ),
];

fn value(context: &mut dyn HostContext) -> Vec<u8> {
    match context.state().get(VALUE) {
        Some(Value::Str(text)) => text.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, s};

    #[test]
    fn the_text_grows() {
        let mut context = Context::default();
        assert_eq!(call(&mut context, "__tapdeck_value", &[]), Ok(s("")));
        call(&mut context, "__tapdeck_set_value", &[s("a")]).unwrap();
        call(&mut context, "__tapdeck_append_value", &[s("b")]).unwrap();
        assert_eq!(call(&mut context, "__tapdeck_value", &[]), Ok(s("ab")));
    }
}
