//! Text operations both executors have. What only user space can do lives with the host functions.

use Implementation::Intrinsic as Op;
use tapdeck_ebpf::ir::Intrinsic;

use super::{Builtin, Implementation, Special, long, row, string};
use crate::language::types::Type::{Long, Str};

pub static ROWS: &[Builtin] = &[
    row("strlen", &[string("s")], Long, Op(Intrinsic::StrLen), "How many bytes a text has.").pure(),
    row(
        "substr",
        &[string("str"), long("start"), long("length")],
        Str,
        Op(Intrinsic::Substr),
        "The part of a text from byte `start` (the first is 0), `length` bytes or as many as there are.",
    )
    .pure(),
    row("isinstr", &[string("s1"), string("s2")], Long, Op(Intrinsic::IsInStr), "1 when a text contains another.")
        .pure(),
    row(
        "__byte_at",
        &[string("s"), long("pos")],
        Long,
        Op(Intrinsic::StringAt),
        "The byte at a position (the first is 0), or 0 where there is none.",
    )
    .pure(),
    row(
        "strtol",
        &[string("str"), long("base")],
        Long,
        Op(Intrinsic::Strtol),
        "The number a text begins with, in a base like 2, 8, 10 or 16; base 0 goes by the prefix.",
    )
    .pure(),
    row(
        "matched",
        &[long("n")],
        Str,
        Op(Intrinsic::Matched),
        "Subexpression n of the last regular expression that matched; 0 is all of the match.",
    ),
    row(
        "matched_str",
        &[],
        Str,
        Implementation::Lowered(Special::MatchedText),
        "All of the text the last regular expression matched.",
    ),
    row(
        "ngroups",
        &[],
        Long,
        Op(Intrinsic::NGroups),
        "How many subexpressions the last match had, the whole included.",
    ),
    row("__char_str", &[long("c")], Str, Op(Intrinsic::CharStr), "A text of one byte.").pure().at_most(1),
];
