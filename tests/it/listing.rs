//! `-l` and `-L` of kernel functions out of debug information: a kernel of a few functions, named by its file.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::binary::{Ran, TempDir, finish, tapdeck};

const KERNEL: &str = "tests/programs/dwarf/vmlinux";

/// `tapdeck run -r KERNEL ARGS`, with a cache of its own.
fn of_kernel(kernel: &str, args: &[&str]) -> Ran {
    let cache = TempDir::new("listing");
    let mut command: Command = tapdeck();
    command.env("XDG_CACHE_HOME", &cache.0).args(["run", "-r", kernel]).args(args);
    finish(command)
}

#[track_caller]
fn check(pattern: &str, expected: &Expect) {
    expected.assert_eq(&of_kernel(KERNEL, &["-L", pattern]).ok());
}

#[test]
fn every_function_with_what_all_its_instances_have() {
    // What the kernel frees after the start or bars from probes is not listed.
    check(
        "kernel.function(\"*\")",
        &expect![[r#"
            kernel.function("choose@shapes.c:36") $callback:int (*) (shape_t*, void*)
            kernel.function("count@shapes.c:8") $shape:shape_t*
            kernel.function("inner@kernel.c:21")
            kernel.function("measure@shapes.c:17") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
            kernel.function("other@other.c:11") $at:struct point*
            kernel.function("outer@kernel.c:27") $b:long int $a:long int
            kernel.function("run@kernel.c:32") $at:struct point* $n:long int
            kernel.function("scale@shapes.h:33") $factor:long int
            kernel.function("start@start.S:5")
            kernel.function("with_address@shapes.c:27") $depth:int $here:struct point $constant:int
        "#]],
    );
    let names = of_kernel(KERNEL, &["-l", "kernel.function(\"*o*@shapes.*\")"]).ok();
    let expected = expect![[r#"
        kernel.function("choose@shapes.c:36")
        kernel.function("count@shapes.c:8")
    "#]];
    expected.assert_eq(&names);
}

#[test]
fn a_form_leaves_the_instances_it_is_about() {
    check(
        "kernel.function(\"*\").return",
        &expect![[r#"
            kernel.function("choose@shapes.c:36").return $return:int (*) (shape_t*, void*) $callback:int (*) (shape_t*, void*)
            kernel.function("count@shapes.c:8").return $return:int $shape:shape_t*
            kernel.function("measure@shapes.c:17").return $return:long int $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
            kernel.function("other@other.c:11").return $return:long int $at:struct point*
            kernel.function("run@kernel.c:32").return $return:long int $at:struct point* $n:long int
            kernel.function("start@start.S:5").return
            kernel.function("with_address@shapes.c:27").return $return:long int $depth:int $here:struct point $constant:int
        "#]],
    );
    check(
        "kernel.function(\"*\").inline",
        &expect![[r#"
            kernel.function("inner@kernel.c:21").inline
            kernel.function("outer@kernel.c:27").inline $b:long int $a:long int
            kernel.function("scale@shapes.h:33").inline $factor:long int
        "#]],
    );
    check(
        "kernel.function(\"*o*\").exported",
        &expect![[r#"
            kernel.function("choose@shapes.c:36").exported $callback:int (*) (shape_t*, void*)
            kernel.function("other@other.c:11").exported $at:struct point*
        "#]],
    );
    check(
        "kernel.function(\"measure@shapes.c:19\").call",
        &expect![[r#"
            kernel.function("measure@shapes.c:17").call $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
        "#]],
    );
}

#[test]
fn callees_are_what_was_copied_into_a_function() {
    check(
        "kernel.function(\"run\").callee(\"*\")",
        &expect![[r#"
            kernel.function("run@kernel.c:32").callee("inner@kernel.c:21") $a:long int
            kernel.function("run@kernel.c:32").callee("outer@kernel.c:27") $b:long int $a:long int
        "#]],
    );
    check(
        "kernel.function(\"run\").callees(2)",
        &expect![[r#"
            kernel.function("outer@kernel.c:27").callee("inner@kernel.c:21")
            kernel.function("run@kernel.c:32").callee("inner@kernel.c:21") $a:long int
            kernel.function("run@kernel.c:32").callee("outer@kernel.c:27") $b:long int $a:long int
        "#]],
    );
}

#[test]
fn a_kernel_that_does_not_run_is_not_traced() {
    assert_eq!(of_kernel(KERNEL, &["-l", "kernel.function(\"nowhere\")"]).failed(), "");
    let probe = "probe begin { exit() }";
    let err = of_kernel(KERNEL, &["-e", probe]).failed();
    assert!(err.contains("kernel 5.99.1-tapdeck is not running here"), "{err}");
    of_kernel(KERNEL, &["-p4", "-e", probe]).ok();
    let err = of_kernel("5.99.1-nowhere", &["-l", "kernel.function(\"*\")"]).failed();
    assert!(err.contains("/usr/lib/debug/boot/vmlinux-5.99.1-nowhere") && err.contains("or name a file: -r"), "{err}");
    let err = of_kernel("tests/programs/dwarf/gcc5.so", &["-l", "kernel.function(\"*\")"]).failed();
    assert!(err.contains("is no Linux kernel"), "{err}");
}
