//! Groups of a match, found again from the text and the pattern. Event handlers ask for them so: what a program in the
//! kernel knows is that there is a match.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::{Builtin, Host, Value, bytes, long_at, str_at};
use crate::{
    builtins::{long, row, string},
    language::{
        regex::{self, Regex},
        types::Type,
    },
};

/// Patterns kept compiled; a script has few.
const MAX_KEPT: usize = 64;

pub static ROWS: &[Builtin] = &[
    row(
        "__tapdeck_matched",
        &[string("text"), string("pattern"), long("n")],
        Type::Str,
        Host(|args, _| matched(str_at(args, 0), str_at(args, 1), long_at(args, 2))),
        "Subexpression n of a pattern's match in a text; 0 is all of the match.",
    )
    .raises()
    .pure(),
    row(
        "__tapdeck_ngroups",
        &[string("text"), string("pattern")],
        Type::Long,
        Host(|args, _| {
            let groups = groups(str_at(args, 0), str_at(args, 1));
            groups.map(|groups| Value::Long(groups.len() as i64)).ok_or_else(no_groups)
        }),
        "How many subexpressions a pattern's match in a text has, the whole included.",
    )
    .raises()
    .pure(),
];

type Groups = Vec<Option<std::ops::Range<usize>>>;

fn groups(text: &[u8], pattern: &[u8]) -> Option<Groups> {
    thread_local! {
        static KEPT: RefCell<HashMap<Vec<u8>, Option<Rc<Regex>>>> = RefCell::default();
    }
    let regex = KEPT.with_borrow_mut(|kept| {
        if kept.len() >= MAX_KEPT && !kept.contains_key(pattern) {
            kept.clear();
        }
        kept.entry(pattern.to_vec()).or_insert_with(|| regex::compile(pattern).ok().map(Rc::new)).clone()
    });
    regex?.captures(text)
}

fn matched(text: &[u8], pattern: &[u8], n: i64) -> Result<Value, String> {
    let Some(groups) = groups(text, pattern) else { return Err(no_match(n)) };
    match usize::try_from(n).ok().and_then(|n| groups.get(n)) {
        Some(Some(range)) => Ok(bytes(&text[range.clone()])),
        Some(None) => Ok(bytes("")),
        None => Err(no_such_group(n)),
    }
}

/// What `matched(n)` says after a match that failed.
pub fn no_match(n: i64) -> String {
    format!("Attempted to get subexpression {n} from failed match")
}

/// What `matched(n)` says when the expression has fewer.
pub fn no_such_group(n: i64) -> String {
    format!("Attempted to get nonexistent subexpression {n}")
}

/// What `ngroups()` says after a match that failed.
pub fn no_groups() -> String {
    "Attempted to get number of subexpressions from failed match".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n, s};

    #[test]
    fn groups_are_found_again() {
        let mut context = Context::default();
        let mut matched =
            |text, pattern, group| call(&mut context, "__tapdeck_matched", &[s(text), s(pattern), n(group)]);
        assert_eq!(matched("key=value", "([a-z]+)=(x)?", 0), Ok(s("key=")));
        assert_eq!(matched("key=value", "([a-z]+)=(x)?", 1), Ok(s("key")));
        assert_eq!(matched("key=value", "([a-z]+)=(x)?", 2), Ok(s("")));
        let missing = Err("Attempted to get nonexistent subexpression 3".to_owned());
        assert_eq!(matched("key=value", "([a-z]+)=(x)?", 3), missing);
        assert_eq!(matched("", "*", 1), Err("Attempted to get subexpression 1 from failed match".to_owned()));
        assert_eq!(call(&mut context, "__tapdeck_ngroups", &[s("ab"), s("(a)(b)")]), Ok(n(3)));
    }
}
