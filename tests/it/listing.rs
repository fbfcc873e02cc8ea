//! `-l` and `-L` of kernel functions out of debug information: a kernel of a few functions, named by its file.

use std::{fs, process::Command};

use expect_test::{Expect, expect};

use crate::binary::{Ran, TempDir, finish, tapdeck};

pub const KERNEL: &str = "tests/programs/dwarf/vmlinux";

/// `tapdeck run -r KERNEL ARGS`, with a cache of its own.
pub fn of_kernel(kernel: &str, args: &[&str]) -> Ran {
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
            kernel.function("many@kernel.c:60") $a:long int $b:long int $c:long int $d:long int $e:long int $f:long int $g:long int $h:int $kept:long int[]
            kernel.function("measure@shapes.c:17") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
            kernel.function("other@other.c:11") $at:struct point*
            kernel.function("outer@kernel.c:27") $b:long int $a:long int
            kernel.function("register_kprobe@kernel.c:38") $probe:struct point*
            kernel.function("run@kernel.c:32") $at:struct point* $n:long int
            kernel.function("scale@shapes.h:33") $factor:long int
            kernel.function("start@start.S:5")
            kernel.function("swap@kernel.c:52") $pair:struct pair $bits:struct packed
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
            kernel.function("many@kernel.c:60").return $return:long int $a:long int $b:long int $c:long int $d:long int $e:long int $f:long int $g:long int $h:int $kept:long int[]
            kernel.function("measure@shapes.c:17").return $return:long int $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
            kernel.function("other@other.c:11").return $return:long int $at:struct point*
            kernel.function("register_kprobe@kernel.c:38").return $return:int $probe:struct point*
            kernel.function("run@kernel.c:32").return $return:long int $at:struct point* $n:long int
            kernel.function("start@start.S:5").return
            kernel.function("swap@kernel.c:52").return $return:struct pair $pair:struct pair $bits:struct packed
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
            kernel.function("register_kprobe@kernel.c:38").exported $probe:struct point*
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
fn statements_are_lines_with_code() {
    check(
        "kernel.statement(\"run@kernel.c:*\")",
        &expect![[r#"
        kernel.statement("run@kernel.c:33") $at:struct point* $n:long int
        kernel.statement("run@kernel.c:35") $at:struct point* $n:long int
    "#]],
    );
    check(
        "kernel.statement(\"*@shapes.c:17-26\")",
        &expect![[r#"
        kernel.statement("measure@shapes.c:18") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
        kernel.statement("measure@shapes.c:21") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
        kernel.statement("measure@shapes.c:22") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point* $sum:long int
        kernel.statement("measure@shapes.c:23") $shape:shape_t* $factor:long int $unused:unsigned char $first:struct point*
    "#]],
    );
    check(
        "kernel.statement(\"many@kernel.c+3\")",
        &expect![[r#"
        kernel.statement("many@kernel.c:63") $a:long int $b:long int $c:long int $d:long int $e:long int $f:long int $g:long int $h:int $kept:long int[]
    "#]],
    );
    check(
        "kernel.statement(\"many\")",
        &expect![[r#"
        kernel.statement("many@kernel.c:60") $a:long int $b:long int $c:long int $d:long int $e:long int $f:long int $g:long int $h:int $kept:long int[]
    "#]],
    );
    check(
        "kernel.statement(\"*@kernel.c:36\").nearest",
        &expect![[r#"
        kernel.statement("run@kernel.c:36").nearest $at:struct point* $n:long int
    "#]],
    );
    check(
        "kernel.statement(\"scale@shapes.h:*\")",
        &expect![[r#"
        kernel.statement("scale@shapes.h:35")
        kernel.statement("scale@shapes.h:36") $product:long int $factor:long int
    "#]],
    );
    assert_eq!(of_kernel(KERNEL, &["-l", "kernel.statement(\"*@kernel.c:36\")"]).failed(), "");
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

/// Debug information whose second unit says that its abbreviations are where nothing is.
fn damaged_kernel() -> Vec<u8> {
    use object::{Object, ObjectSection};
    let mut bytes = fs::read(KERNEL).expect("is there");
    let file = object::File::parse(&*bytes).expect("is an ELF file");
    let info = file.section_by_name(".debug_info").expect("is there");
    let start = info.file_range().expect("is in the file").0 as usize;
    let first_len = u32::from_le_bytes(bytes[start..start + 4].try_into().expect("four bytes"));
    // length 4, version 2, kind 1, size of an address 1, then the offset.
    let abbreviations = start + 4 + first_len as usize + 8;
    bytes[abbreviations..abbreviations + 4].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    bytes
}

#[test]
fn a_damaged_unit_is_left_out_and_counted() {
    let folder = TempDir::new("damaged");
    let kernel = folder.0.join("vmlinux");
    fs::write(&kernel, damaged_kernel()).expect("can be written");
    let ran = of_kernel(kernel.to_str().expect("is text"), &["-L", "kernel.function(\"*\")"]);
    assert!(
        ran.err.contains("1 of 4 units of the debug information in") && ran.err.contains("are left out"),
        "{ran:?}"
    );
    let expected = expect![[r#"
        kernel.function("choose")
        kernel.function("count.isra.0")
        kernel.function("inner@kernel.c:21")
        kernel.function("many@kernel.c:60") $a:long int $b:long int $c:long int $d:long int $e:long int $f:long int $g:long int $h:int $kept:long int[]
        kernel.function("measure")
        kernel.function("other@other.c:11") $at:struct point*
        kernel.function("outer@kernel.c:27") $b:long int $a:long int
        kernel.function("register_kprobe@kernel.c:38") $probe:struct point*
        kernel.function("run@kernel.c:32") $at:struct point* $n:long int
        kernel.function("scale@shapes.h:33") $factor:long int $at:struct point const*
        kernel.function("start@start.S:5")
        kernel.function("swap@kernel.c:52") $pair:struct pair $bits:struct packed
        kernel.function("with_address")
    "#]];
    expected.assert_eq(&ran.ok());
}

#[test]
fn the_table_says_how_a_function_can_be_probed() {
    let cache = TempDir::new("table");
    let mut command: Command = tapdeck();
    command.env("XDG_CACHE_HOME", &cache.0).args(["list", "-r", KERNEL, "--all", "kernel.function(\"*o*\")"]);
    let expected = expect![[r#"
        kernel.function("choose@shapes.c:36")                            $callback
        kernel.function("count@shapes.c:8")                              $shape
        kernel.function("other@other.c:11")                              $at
        kernel.function("outer@kernel.c:27")                             $b $a
        kernel.function("register_kprobe@kernel.c:38")                   $probe
        kernel.function("untouchable@kernel.c:15")      never: NOKPROBE  $depth
    "#]];
    expected.assert_eq(&finish(command).ok());
    let mut command: Command = tapdeck();
    command.env("XDG_CACHE_HOME", &cache.0).args(["list", "-r", KERNEL, "kernel.function(\"*untou*\")"]);
    let ran = finish(command);
    assert_eq!((ran.out.as_str(), ran.code), ("", 1));
    assert!(ran.err.contains("1 left out that can never be probed (--all shows them)"), "{}", ran.err);
}

#[test]
fn what_is_asked_of_debug_information_says_where_it_was_looked_for() {
    let probe = "probe kernel.function(\"vfs_read@fs/read_write.c\") { exit() }";
    let mut command: Command = tapdeck();
    command.args(["run", "-p2", "-e", probe]);
    let ran = finish(command);
    // Where the kernel's debug information is installed there is nothing to say.
    if ran.code != 0 {
        assert!(ran.err.contains("names a source file, which type information does not know"), "{}", ran.err);
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("is there");
        assert!(ran.err.contains(&format!("/usr/lib/debug/lib/modules/{}/vmlinux", release.trim())), "{}", ran.err);
        assert!(ran.err.contains("to get it:"), "{}", ran.err);
    }
    let near = of_kernel(KERNEL, &["-p2", "-e", "probe kernel.function(\"mesure\") { exit() }"]).failed();
    assert!(near.contains("no kernel function is called"), "{near}");
}
