//! Programs in the text form, run as `begin` handlers.

use std::collections::HashMap;

use expect_test::{Expect, expect};
use tapdeck_ebpf::ir::{PrintId, StoreId};

use super::*;
use crate::{
    language::format::{Conversion, ConversionKind, Format, Piece, Size},
    output::printf::PrintArg,
    sys::clock::{Clock, now_ns},
};

/// What a handler did.
#[derive(Default)]
struct Session {
    out: Vec<u8>,
    exits: u32,
    state: HashMap<String, Value>,
}

impl HostContext for Session {
    fn realtime_ns(&self) -> i64 {
        0
    }
    fn target(&self) -> i64 {
        42
    }
    fn state(&mut self) -> &mut HashMap<String, Value> {
        &mut self.state
    }
    fn warn(&mut self, message: &[u8]) {
        self.out.extend_from_slice(message);
    }
}

impl Effects for Session {
    fn print(&mut self, _: Stream, text: &[u8]) {
        self.out.extend_from_slice(text);
    }
    fn exit(&mut self) {
        self.exits += 1;
    }
}

/// Format 0 is `%d `, format 1 is `%s `, format 2 is `%d %s\n`.
fn interpreter(text: &str) -> Interpreter {
    let ir = ir::parse(text).unwrap_or_else(|error| panic!("{error}"));
    ir::verify(&ir).unwrap_or_else(|errors| panic!("{errors:?}"));
    let conversion =
        |kind| Piece::Conversion(Conversion { flag: None, width: Size::Default, precision: Size::Default, kind });
    let (number, string) = (conversion(ConversionKind::Signed), conversion(ConversionKind::String));
    let text = |text: &str| Piece::Text(text.as_bytes().to_vec());
    let formats = vec![
        Format { pieces: vec![number.clone(), text(" ")] },
        Format { pieces: vec![string.clone(), text(" ")] },
        Format { pieces: vec![number, text(" "), string, text("\n")] },
    ];
    Interpreter::new(Arc::new(Lowered {
        ir,
        formats,
        streams: vec![Stream::Output; 3],
        attach: Vec::new(),
        spans: Vec::new(),
        probes: Vec::new(),
        globals: Vec::new(),
        histogram: crate::output::histogram::HistStyle::default(),
    }))
}

/// Prints in front of every program: p0 a number, p1 a text.
const PRINTS: &str = r#"
print p0 format=0 inputs=[long] args=[in0]
print p1 format=1 inputs=[str512] args=[in0]
site site0 pp="begin(0)" pn="begin" func="" name=""
"#;

/// Output, then how the handler ended.
fn check(text: &str, expected: Expect) {
    let interpreter = interpreter(&format!("{PRINTS}{text}"));
    let mut stores = HeapStores::new(&interpreter.lowered.ir);
    let mut session = Session::default();
    let outcome = interpreter.run_handler(HandlerId(0), SiteId(0), &mut stores, &mut session);
    let outcome = match outcome {
        Outcome::Error(error) => format!("error {} {}", String::from_utf8_lossy(&error.message), error.tag),
        other => format!("{other:?}").to_lowercase(),
    };
    let exits = if session.exits > 0 { " exit" } else { "" };
    expected.assert_eq(&format!("{}| {outcome}{exits}", String::from_utf8_lossy(&session.out)));
}

#[test]
fn arithmetic_is_c_with_wrap_around() {
    check(
        r#"handler h0 "begin" probe=0 {
          var v0: long
        b0:
          v0 = div -7, 2
          print p0(v0)
          v0 = rem -7, 2
          print p0(v0)
          v0 = copy -9223372036854775808
          v0 = div v0, -1
          print p0(v0)
          v0 = shr -8, 65
          print p0(v0)
          v0 = lsr -1, 60
          print p0(v0)
          v0 = not 0
          print p0(v0)
          v0 = div 1, 0 @3
          return
        }"#,
        expect!["-3 -1 -9223372036854775808 -4 15 1 | error division by 0 @3"],
    );
}

#[test]
fn errors_go_to_the_innermost_catch_across_calls() {
    check(
        r#"string s0 = "lost"
        function f0 "inner" params=1 -> long {
          var v0: long
        b0:
          v0 = rem 5, v0
          return v0
        }
        function f1 "outer" params=1 -> long {
          var v0: long
          var v1: str64
        b0: catch b1 v1
          v0 = call f0(v0)
          return v0
        b1:
          print p1($v1)
          raise s0
        }
        handler h0 "begin" probe=0 {
          var v0: long
          var v1: str16
        b0: catch b1 v1
          v0 = call f1(3)
          print p0(v0)
          v0 = call f1(0) @9
          print p0(v0)
          return
        b1:
          print p1($v1)
          next
        }"#,
        expect!["2 division by 0 lost | next"],
    );
}

#[test]
fn recursion_has_a_limit_and_needs_no_host_stack() {
    let text = |limit: u32, depth: u32| {
        format!(
            r#"limits string=512 action=1000 action_user=0 nesting={limit}
            function f0 "down" params=1 -> long recursive {{
              var v0: long
              loops
            b0:
              branch v0, b1, b2
            b1:
              v0 = sub v0, 1
              v0 = call f0(v0)
              v0 = add v0, 1
              return v0
            b2:
              return
            }}
            handler h0 "begin" probe=0 {{
              var v0: long
              loops
            b0:
              v0 = call f0({depth})
              print p0(v0)
              return
            }}"#
        )
    };
    check(&text(10, 9), expect!["9 | done"]);
    check(&text(10, 10), expect!["| error MAXNESTING exceeded @4294967295"]);
    check(&text(1_000_000, 200_000), expect!["200000 | done"]);
}

#[test]
fn foreach_sorts_limits_then_slices_and_leaves_the_order() {
    check(
        r#"string s0 = "a"
        string s1 = "b"
        store g0 "t" [str16, long] -> long max=10
        handler h0 "begin" probe=0 {
          var v0: str16
          var v1: long
          var v2: long
          iters 2
          loops
        b0:
          set g0[s0, 1] = 10
          set g0[s1, 1] = 30
          set g0[s0, 2] = 20
          set g0[s0, 3] = 20
          begin it0 g0[s0, *] falling value limit 3
          jump b1
        b1:
          step it0 [v0, v1] value v2 b2, b3
        b2:
          print p0(v1)
          print p0(v2)
          jump b1
        b3:
          end it0
          begin it1 g0
          jump b4
        b4:
          step it1 [v0, v1] b5, b6
        b5:
          print p1($v0)
          print p0(v1)
          jump b4
        b6:
          end it1
          v1 = contains g0[*, 3]
          print p0(v1)
          delete g0[s0, *]
          v1 = contains g0[*, 3]
          print p0(v1)
          v1 = contains g0[s1, 1]
          print p0(v1)
          return
        }"#,
        expect!["2 20 3 20 b 1 a 2 a 3 a 1 1 0 1 | done"],
    );
}

#[test]
fn statistics_and_their_errors() {
    check(
        r#"store g0 "s" [] -> stat(count, sum, min, max, variance 0, log) max=1
        handler h0 "begin" probe=0 {
          var v0: long
          var v1: str64
          iters 1
          loops
        b0: catch b5 v1
          v0 = extract count g0
          print p0(v0)
          accumulate g0 1
          accumulate g0 5
          accumulate g0 5
          v0 = extract avg g0
          print p0(v0)
          v0 = extract variance g0
          print p0(v0)
          v0 = bucket 67 g0
          print p0(v0)
          begin it0 hist g0 limit 66
          jump b1
        b1:
          step it0 [v0] b2, b3
        b2:
          branch_lt v0, 64, b1, b4
        b3:
          end it0
          delete g0
          v0 = extract count g0
          print p0(v0)
          v0 = extract max g0
          return
        b4: catch b5 v1
          print p0(v0)
          v0 = bucket 128 g0
          jump b1
        b5: catch b6 v1
          print p1($v1)
          branch_eq v0, 64, b3, b6
        b6:
          print p1($v1)
          return
        }"#,
        expect!["0 3 6 2 64 histogram index out of range 0 | error empty aggregate @4294967295"],
    );
}

#[test]
fn texts_are_cut_and_matched() {
    check(
        r#"string s0 = "hello world"
        string s1 = "(w)(.*)d$"
        string s2 = "z"
        handler h0 "begin" probe=0 {
          var v0: str8
          var v1: str512
          var v2: long
        b0:
          v0 = text s0
          print p1($v0)
          v1 = concat $v0, s0
          v2 = match $v1, s1
          print p0(v2)
          v1 = intrinsic matched(2)
          print p1($v1)
          v2 = intrinsic n_groups()
          print p0(v2)
          v1 = intrinsic substr(s0, 4, 3)
          print p1($v1)
          v2 = text_lt s0, s2
          print p0(v2)
          v2 = no_match s0, s2
          print p0(v2)
          v1 = site pp
          print p1($v1)
          v1 = intrinsic matched(0)
          return
        }"#,
        expect![
            "hello w 1 hello worl 3 o w 1 1 begin(0) | error Attempted to get subexpression 0 from failed match @4294967295"
        ],
    );
}

#[test]
fn endings() {
    let ending = |text: &str| format!("handler h0 \"begin\" probe=0 {{\nb0:\n{text}\n}}");
    check(&ending("exit\nprint p0(1)\nreturn"), expect!["1 | done exit"]);
    check(&ending("next"), expect!["| next"]);
    check(&ending("abort"), expect!["| abort exit"]);
    check(
        r#"limits string=512 action=1000 action_user=50 nesting=10
        handler h0 "begin" probe=0 {
          loops
        b0: catch b1
          actions 20
          increase g0 1
          jump b0
        b1:
          print p0(1)
          return
        }"#
        .replace("handler", "store g0 \"n\" [] -> long max=1\nhandler")
        .as_str(),
        expect!["| error MAXACTION exceeded @4294967295"],
    );
}

#[test]
fn records_are_rendered_with_deferred_functions_and_histograms() {
    let text = r#"string s0 = "!"
        store g0 "s" [long] -> stat(count, log) max=4
        print p0 format=2 inputs=[str16, long] args=[in1, f0(in0)]
        print p1 format=1 inputs=[long] args=[hist g0[in0] log]
        function f0 "shout" params=1 -> str32 pure {
          var v0: str16
          var v1: str32
        b0:
          v1 = concat $v0, s0
          return $v1
        }"#;
    let interpreter = interpreter(text);
    let mut stores = HeapStores::new(&interpreter.lowered.ir);
    let mut out = Vec::new();
    interpreter.render(PrintId(0), &[PrintArg::Str(b"hey"), PrintArg::Long(7)], &stores, &mut out).unwrap();
    assert_eq!(out, b"7 hey!\n");

    let empty = interpreter.render(PrintId(1), &[PrintArg::Long(1)], &stores, &mut out).unwrap_err();
    assert_eq!(empty.message, b"empty aggregate");
    stores.accumulate(StoreId(0), &[Value::Long(1)], 3).unwrap();
    interpreter.render(PrintId(1), &[PrintArg::Long(1)], &stores, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("    2 |@ "));
}

/// A million records a second is the aim of a release build; this only keeps it from becoming slow unseen.
#[test]
fn plain_records_are_cheap() {
    let interpreter = interpreter("print p0 format=2 inputs=[long, str16] args=[in0, in1]");
    let stores = HeapStores::default();
    let mut out = Vec::with_capacity(1 << 20);
    let start = now_ns(Clock::Monotonic);
    for n in 0..100_000 {
        out.clear();
        interpreter.render(PrintId(0), &[PrintArg::Long(n), PrintArg::Str(b"name")], &stores, &mut out).unwrap();
    }
    let each = (now_ns(Clock::Monotonic) - start) / 100_000;
    assert!(each < 20_000, "{each} ns for each record");
}
