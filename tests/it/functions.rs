//! Kernel functions: listed from type information anywhere, probed where the kernel can.

use tapdeck::runtime::features;

use crate::binary::{finish, require_bpf, require_functions, tapdeck};

fn run(args: &[&str]) -> crate::binary::Ran {
    let mut command = tapdeck();
    command.arg("run").args(args);
    finish(command)
}

fn has_types() -> bool {
    let there = std::path::Path::new("/sys/kernel/btf/vmlinux").exists();
    if !there {
        eprintln!("skipped: no BTF here");
    }
    there
}

#[test]
fn they_are_listed_with_their_types() {
    if !has_types() {
        return;
    }
    let ran = run(&["-L", "kernel.function(\"vfs_read\")"]);
    let expected = "kernel.function(\"vfs_read\") $file:struct file* $buf:char* $count:size_t $pos:loff_t*\n";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0));
    let ran = run(&["-L", "kernel.function(\"vfs_read\").return"]);
    assert!(ran.out.starts_with("kernel.function(\"vfs_read\").return $return:ssize_t $file:"), "{}", ran.out);
    assert!(run(&["-l", "kernel.function(\"vfs_*\")"]).out.lines().count() > 20);
}

#[test]
fn a_name_that_is_not_there_has_near_ones() {
    if !has_types() {
        return;
    }
    let ran = run(&["-e", "probe kernel.function(\"vfs_raed\") { }", "-p2"]);
    assert!(ran.err.contains("no kernel function is called \"vfs_raed\""), "{}", ran.err);
    assert!(ran.err.contains("did you mean 'vfs_read'?"), "{}", ran.err);
    let ran = run(&["-e", "probe kernel.function(\"vfs_read\") { println($cuont) }", "-p2"]);
    assert!(ran.err.contains("did you mean '$count'?"), "{}", ran.err);
}

#[test]
fn a_kernel_that_is_too_old_says_so_in_one_sentence() {
    if features::has_atomics() || !features::has_bpf_capabilities() {
        return;
    }
    for script in
        ["probe syscall.read { println(pid()) exit() }", "global n probe kernel.function(\"vfs_read\") { n++ }"]
    {
        let ran = run(&["-e", script]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.starts_with("ERROR: tapdeck needs Linux 5.12 or later"), "{}", ran.err);
    }
}

#[test]
fn a_kernel_without_a_way_says_so_in_one_sentence() {
    if !has_types() || !require_bpf() || require_functions() {
        return;
    }
    let ran = run(&["-e", "probe kernel.function(\"vfs_read\") { exit() }"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("kernel functions"), "{}", ran.err);
}

#[test]
fn functions_that_call_each_other_keep_their_entry_values_apart() {
    if !require_functions() {
        return;
    }
    // A read through two functions of the pattern in one thread: each return finds its own entry. pread(2), which the
    // program's loader calls, goes through vfs_read alone.
    let script = "global wrong, n
        probe kernel.function(\"vfs_read\").return, kernel.function(\"ksys_read\").return {
          if (pid() != target() || @entry(probefunc()) != probefunc()) { if (pid() == target()) wrong++; next }
          n[probefunc()]++
        }
        probe end { println(wrong, \" \", n[\"ksys_read\"] >= 50 && n[\"vfs_read\"] >= n[\"ksys_read\"]) }";
    let ran = run(&["-c", "dd if=/dev/zero of=/dev/null bs=1 count=50 status=none", "-e", script]);
    assert_eq!((ran.out.as_str(), ran.code), ("0 1\n", 0), "{}", ran.err);
}

#[test]
fn dozens_are_attached_and_taken_off_again() {
    if !require_functions() {
        return;
    }
    let script = "global n probe kernel.function(\"tcp_s*\") { n++ } probe timer.ms(100) { exit() } probe end { println(\"end\") }";
    let ran = run(&["-e", script]);
    assert!(ran.out.starts_with("end\n") && ran.code == 0, "{} {}", ran.out, ran.err);
}
