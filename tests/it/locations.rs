//! What context variables come to by debug information: the instructions of handlers, for a kernel of a few functions.

use expect_test::{Expect, expect};

use crate::listing::{KERNEL, of_kernel};

/// The instructions of the handlers of a script, without their variables and positions.
fn handlers(script: &str) -> String {
    let text = of_kernel(KERNEL, &["-p3", "-e", script]).ok();
    let mut out = String::new();
    for line in text.lines() {
        let line = line.split(" @").next().unwrap_or(line);
        if line.starts_with("handler") || line.starts_with("entry") || line.starts_with("  v") && line.contains(" = ") {
            out += line;
            out.push('\n');
        }
    }
    out
}

#[track_caller]
fn check(script: &str, expected: &Expect) {
    expected.assert_eq(&handlers(script));
}

#[track_caller]
fn refused(script: &str, expected: &Expect) {
    let err = of_kernel(KERNEL, &["-p2", "-e", script]).failed();
    expected.assert_eq(err.lines().next().unwrap_or(""));
}

#[test]
fn parameters_are_in_registers_and_behind_the_return_address() {
    check(
        "probe kernel.function(\"many\") { println($a, $g, $h) }",
        &expect![[r#"
        handler h0 "kernel.function(\"many@kernel.c:60\")" probe=0
          v0 = context call_arg 0
          v1 = context register 7
          v2 = add v1, 8
          v3 = read kernel signed8 v2 or_raise s0
          v4 = context register 7
          v5 = add v4, 16
          v6 = read kernel signed4 v5 or_raise s0
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
}

#[test]
fn structs_in_registers_have_members() {
    check(
        "probe kernel.function(\"swap\") { println($pair->second, $bits->low, $bits->middle, $bits->high) }",
        &expect![[r#"
            handler h0 "kernel.function(\"swap@kernel.c:52\")" probe=0
              v0 = context call_arg 1
              v1 = context call_arg 2
              v2 = shl v1, 61
              v3 = lsr v2, 61
              v4 = context call_arg 2
              v5 = shl v4, 54
              v6 = lsr v5, 57
              v7 = context call_arg 2
              v8 = shl v7, 32
              v9 = lsr v8, 42
            entry kprobe group=2147483648 { h0 site0 }
        "#]],
    );
    check(
        "probe kernel.function(\"swap\").return { println($return->first, $return->second) }",
        &expect![[r#"
        handler h0 "kernel.function(\"swap@kernel.c:52\").return" probe=0
          v0 = context register 0
          v1 = context register 1
        entry kretprobe group=2147483648 { h0 site0 }
    "#]],
    );
    check(
        "probe kernel.function(\"with_address\") { println($here->x, $here->y) }",
        &expect![[r#"
        handler h0 "kernel.function(\"with_address@shapes.c:27\")" probe=0
          v0 = context call_arg 0
          v1 = shl v0, 32
          v2 = shr v1, 32
          v3 = context call_arg 0
          v4 = add v3, 1
          v5 = shl v4, 32
          v6 = shr v5, 32
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
    refused(
        "probe kernel.function(\"swap\") { println($pair) }",
        &expect![
            "semantic error: 'struct pair' is being accessed instead of a member such as '->first': identifier '$pair' at <input>:1:41"
        ],
    );
    refused(
        "probe kernel.function(\"swap\") { println(&$pair->first) }",
        &expect!["semantic error: cannot take address of object in register: identifier '$pair' at <input>:1:42"],
    );
}

#[test]
fn copies_have_their_values_where_each_is() {
    check(
        "probe kernel.function(\"outer\").inline { println($a, $b) }",
        &expect![[r#"
        handler h0 "kernel.function(\"outer@kernel.c:27\").inline" probe=0
          v0 = context register 5
          v1 = add v0, 8
          v2 = read kernel signed8 v1 or_raise s0
          v3 = context register 4
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
    check(
        "probe kernel.function(\"scale\") { println($factor) }",
        &expect![[r#"
        handler h0 "kernel.function(\"scale@shapes.h:33\")" probe=0
        handler h1 "kernel.function(\"scale@shapes.h:33\")" probe=0
          v0 = context register 4
        handler h2 "kernel.function(\"scale@shapes.h:33\")" probe=0
        handler h3 "kernel.function(\"scale@shapes.h:33\")" probe=0
        entry kprobe group=2147483648 { h0 site0 }
        entry kprobe group=2147483649 { h1 site1 }
        entry kprobe group=2147483650 { h2 site2 }
        entry kprobe group=2147483651 { h3 site3 }
    "#]],
    );
}

#[test]
fn statements_see_blocks_memory_and_the_units_variables() {
    check(
        "probe kernel.statement(\"many@kernel.c:64\") { println($kept[1], $kept[2], $a) }",
        &expect![[r#"
        handler h0 "kernel.statement(\"many@kernel.c:64\")" probe=0
          v0 = context register 7
          v1 = add v0, -40
          v2 = add v1, 8
          v3 = read kernel signed8 v2 or_raise s0
          v4 = context register 7
          v5 = add v4, -40
          v6 = add v5, 16
          v7 = read kernel signed8 v6 or_raise s0
          v8 = context register 5
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
    check(
        "probe kernel.statement(\"many@kernel.c:64\") { println(&$kept[1], $sink) }",
        &expect![[r#"
        handler h0 "kernel.statement(\"many@kernel.c:64\")" probe=0
          v0 = context register 7
          v1 = add v0, -40
          v2 = add v1, 8
          v3 = read kernel signed8 -2130694056 or_raise s0
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
    check(
        "probe kernel.function(\"count\") { println($calls, $counter) }",
        &expect![[r#"
        handler h0 "kernel.function(\"count@shapes.c:8\")" probe=0
          v0 = read kernel signed4 -2130694072 or_raise s0
          v1 = read kernel signed4 -2130694048 or_raise s0
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
}

#[test]
fn what_has_no_value_says_where_it_has_one() {
    refused(
        "probe kernel.function(\"measure\") { println($sum) }",
        &expect![
            "semantic error: not accessible at this address (pc: 0xffffffff810010d0) [man error::dwarf]: identifier '$sum' at <input>:1:44"
        ],
    );
    refused(
        "probe kernel.function(\"inner\").inline { println($a) }",
        &expect![
            "semantic error: not accessible at this address (pc: 0xffffffff81001010) [man error::dwarf]: identifier '$a' at <input>:1:49"
        ],
    );
    let err = of_kernel(KERNEL, &["-p2", "-e", "probe kernel.function(\"measure\") { println($sum) }"]).failed();
    assert!(err.contains("help: $sum: it has no value here; it has a value at [0x"), "{err}");
    let err = of_kernel(KERNEL, &["-p2", "-e", "probe kernel.function(\"inner\").inline { println($a) }"]).failed();
    assert!(err.contains("of 2 instances of the function have it where they begin"), "{err}");
    check(
        "probe kernel.function(\"inner\").inline { if (@defined($a)) println($a); else println(1) }",
        &expect![[r#"
            handler h0 "kernel.function(\"inner@kernel.c:21\").inline" probe=0
            handler h1 "kernel.function(\"run\").call" probe=0
              v0 = intrinsic tid()
              v1 = context site_number
              v2 = context register 4
            handler h2 "kernel.function(\"inner@kernel.c:21\").inline" probe=0
              v1 = intrinsic tid()
              v2 = context site_number
              v3 = contains g0[v1, v2]
              v4 = intrinsic tid()
              v5 = context site_number
              v0 = get g0[v4, v5]
            entry kprobe group=2147483648 { h0 site0 }
            entry kprobe group=2147483649 { h1 site1 }
            entry kprobe group=2147483650 { h2 site2 }
        "#]],
    );
    refused(
        "probe kernel.statement(\"run@kernel.c:30\") { println($n) }",
        &expect!["semantic error: while resolving probe point: identifier 'kernel' at <input>:1:7"],
    );
    let err = of_kernel(KERNEL, &["-p2", "-e", "probe kernel.statement(\"*@kernel.c:31\") { println(1) }"]).failed();
    assert!(err.contains("no line records for kernel.c:31 [man error::dwarf]"), "{err}");
}

#[test]
fn variables_are_found_by_their_file() {
    check(
        "probe begin { println(@var(\"sink@kernel.c\"), &@var(\"untouchable_entry@kernel.c\"), @var(\"sink\")) }",
        &expect![[r#"
            handler h0 "begin" probe=0
              v0 = read kernel signed8 -2130694056 or_raise s0
              v1 = read kernel signed8 -2130694056 or_raise s0
            entry user { h0 site0 }
        "#]],
    );
    refused(
        "probe begin { println(@var(\"sink@nowhere.c\")) }",
        &expect![[r#"semantic error: unable to find global 'sink' in "nowhere.c": operator '@var' at <input>:1:23"#]],
    );
    refused(
        "probe begin { println(@var(\"sank@kernel.c\")) }",
        &expect![[r#"semantic error: unable to find global 'sank' in "kernel.c": operator '@var' at <input>:1:23"#]],
    );
    refused(
        "probe begin { println(@var(\"sink@kernel.c\", \"loop\")) }",
        &expect![[
            r#"semantic error: @var needs debug information (no debug information of module loop: there is none of /lib/modules/5.99.1-tapdeck/modules.dep): operator '@var' at <input>:1:23"#
        ]],
    );
    // At a place in code a name alone is what it is there.
    check(
        "probe kernel.function(\"swap\") { println(@var(\"bits\")->low) }",
        &expect![[r#"
        handler h0 "kernel.function(\"swap@kernel.c:52\")" probe=0
          v0 = context call_arg 2
          v1 = shl v0, 61
          v2 = lsr v1, 61
        entry kprobe group=2147483648 { h0 site0 }
    "#]],
    );
}

#[test]
fn casts_know_types_of_debug_information() {
    check(
        "probe kernel.function(\"swap\") { p = $pair->first
           println(@cast(p, \"struct point\")->y, @cast(p, \"shape_t\", \"kernel\")->corners[1]->x, &@cast(p, \"long\")[3]) }",
        &expect![[r#"
            handler h0 "kernel.function(\"swap@kernel.c:52\")" probe=0
              v1 = context call_arg 0
              v0 = copy v1
              v2 = add v0, 8
              v3 = read kernel signed8 v2 or_raise s0
              v4 = add v0, 24
              v5 = read kernel signed4 v4 or_raise s0
              v6 = add v0, 24
            entry kprobe group=2147483648 { h0 site0 }
        "#]],
    );
    refused(
        "probe begin { println(@cast(0, \"struct pint\")->x) }",
        &expect![
            "semantic error: type definition 'struct pint' not found in '' (alternatives: int, point): operator '@cast' at <input>:1:23"
        ],
    );
}

#[test]
fn what_only_the_entry_knows_is_kept_by_a_probe_there() {
    check(
        "probe kernel.statement(\"run@kernel.c:35\") { println($n) }",
        &expect![[r#"
        handler h0 "kernel.function(\"run\").call" probe=0
          v0 = intrinsic tid()
          v1 = context site_number
          v2 = context register 4
        handler h1 "kernel.statement(\"run@kernel.c:35\")" probe=0
          v1 = intrinsic tid()
          v2 = context site_number
          v3 = contains g0[v1, v2]
          v4 = intrinsic tid()
          v5 = context site_number
          v0 = get g0[v4, v5]
        entry kprobe group=2147483648 { h0 site0 }
        entry kprobe group=2147483649 { h1 site1 }
    "#]],
    );
    // Handlers that want the same share the probe and its array.
    let twice = "probe kernel.statement(\"run@kernel.c:35\") { println($n) }
        probe kernel.function(\"inner\").inline { if (@defined($a)) println($a, $$vars) }";
    let text = of_kernel(KERNEL, &["-p2", "-e", twice]).ok();
    assert_eq!(text.matches("\nkernel.function(\"run\").call").count(), 1, "{text}");
    // As text, and where the value is one part of several.
    let text =
        of_kernel(KERNEL, &["-p2", "-e", "probe kernel.statement(\"run@kernel.c:35\") { println($$parms) }"]).ok();
    assert!(text.contains("kernel.function(\"run\").call"), "{text}");
    // Where the code begins registers are still what they were, and another function needs no probe of this one.
    for place in ["run@kernel.c:33", "measure@shapes.c:18"] {
        let script = format!("probe kernel.statement(\"{place}\") {{ println($$parms) }}");
        let text = of_kernel(KERNEL, &["-p2", "-e", &script]).ok();
        assert!(!text.contains(".call"), "{text}");
    }
}
