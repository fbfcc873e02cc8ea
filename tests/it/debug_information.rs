//! Probes that rest on the running kernel's debug information: statements, inlined copies, locals, modules. The lab has
//! a kernel with it (`tests/lab/lab suite -k 6.1`); elsewhere these are skipped.

use std::{fs, path::Path, process::Command, sync::OnceLock};

use crate::binary::{Ran, finish, require_functions, run, tapdeck};

/// Whether the running kernel's debug information is where Debian puts it. Says so when not.
fn require_debug_information() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    require_functions()
        && *ANSWER.get_or_init(|| {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            let is_there = Path::new("/usr/lib/debug/boot").join(format!("vmlinux-{}", release.trim())).exists();
            if !is_there {
                eprintln!("skipped: no debug information of this kernel here");
            }
            is_there
        })
}

/// Runs a script while fifty times seven bytes are read and written.
fn copying(script: &str) -> Ran {
    run(&["-c", "dd if=/dev/zero of=/dev/null bs=7 count=50 status=none", "-e", script])
}

#[test]
fn statements_see_locals_where_they_live() {
    if !require_debug_information() {
        return;
    }
    // Between the call that reads and the end the result is in a register; what was asked for is gone from its own by
    // then. The lines of 6.1 are not those of its next update.
    let script = "global ret, count, lines
        probe kernel.statement(\"vfs_read@fs/read_write.c:*\") {
          if (pid() != target()) next
          lines[pp()]++
          if (@defined($ret)) ret[$ret]++
          if (@defined($count)) count[$count]++
        }
        probe end {
          n = 0
          foreach (line in lines) n++
          println(n >= 10, \" \", ret[7] >= 50, \" \", count[7] >= 100)
        }";
    assert_eq!(copying(script).ok(), "1 1 1\n");
}

#[test]
fn inlined_copies_have_the_arguments_they_were_made_with() {
    if !require_debug_information() {
        return;
    }
    // read(2) and write(2) have a copy each, and it is the first argument of either.
    let script = "global fds, of
        probe kernel.function(\"fdget_pos\").inline { if (@defined($fd)) if (pid() == target()) fds[$fd]++ }
        probe kernel.function(\"ksys_read\").callee(\"fdget_pos\") { if (pid() == target()) of[$fd]++ }
        probe end { println(fds[0] >= 50, \" \", fds[1] >= 50, \" \", of[0] >= 50, \" \", of[1]) }";
    assert_eq!(copying(script).ok(), "1 1 1 0\n");
}

#[test]
fn returns_know_parameters_and_what_lies_behind_them() {
    if !require_debug_information() {
        return;
    }
    let script = "global n, bad
        probe kernel.function(\"vfs_read@fs/read_write.c\").return {
          if (pid() != target() || $count != 7) next
          if ($return != 7 || kernel_string(@entry($file->f_path->dentry->d_name->name)) != \"zero\") bad++
          n++
        }
        probe end { println(n, \" \", bad) }";
    assert_eq!(copying(script).ok(), "50 0\n");
}

#[test]
fn variables_of_a_file_and_casts_to_its_types() {
    if !require_debug_information() {
        return;
    }
    let script = "probe kernel.function(\"vfs_read\") {
          if (pid() != target()) next
          swapper = @cast(&@var(\"init_task@init/init_task.c\"), \"task_struct\")->comm$
          println(swapper, \" \", @var(\"jiffies_64@kernel/time/timer.c\") > 0)
          exit()
        }";
    assert_eq!(copying(script).ok(), "\"swapper/0\" 1\n");
}

#[test]
fn labels_are_places_of_their_own() {
    if !require_debug_information() {
        return;
    }
    // Whatever is closed comes by there.
    let script = "global n
        probe kernel.function(\"__fput@fs/file_table.c\").label(\"out\") { if (pid() == target()) n++ }
        probe end { println(n > 0) }";
    assert_eq!(copying(script).ok(), "1\n");
    let ran = run(&["-L", "kernel.function(\"__fput\").label(\"o*\")"]).ok();
    assert!(ran.contains(").label(\"out\") $file:struct file*"), "{ran}");
}

/// An overlay mounted on a folder of its own, with one file in its lower layer; gone when the test ends.
struct Overlay {
    folder: &'static str,
}

impl Overlay {
    fn mount() -> Self {
        let overlay = Self { folder: "/dev/shm/overlay" };
        let at = |part: &str| format!("{}/{part}", overlay.folder);
        for part in ["lower", "upper", "work", "merged"] {
            fs::create_dir_all(at(part)).expect("can be made");
        }
        fs::write(at("lower/file"), "hello\n").expect("can be written");
        let options = format!("lowerdir={},upperdir={},workdir={}", at("lower"), at("upper"), at("work"));
        let merged = at("merged");
        let done = Command::new("mount").args(["-t", "overlay", "-o", &options, "none", &merged]).status();
        assert!(done.is_ok_and(|status| status.success()), "the module is loaded");
        overlay
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(format!("{}/merged", self.folder)).status();
        let _ = fs::remove_dir_all(self.folder);
    }
}

#[test]
fn modules_are_probed_at_functions_statements_and_copies() {
    if !require_debug_information() {
        return;
    }
    let overlay = Overlay::mount();
    let script = "probe module(\"overlay\").function(\"ovl_lookup\") {
          println(ppfunc(), \" \", kernel_string($dentry->d_name->name))
        }
        probe module(\"overlay\").function(\"ovl_lookup\").return {
          println(ppfunc(), \" \", $return == 0 || $return == $dentry, \" \", kernel_string($dentry->d_name->name))
        }
        global opened, copies
        probe module(\"overlay\").statement(\"ovl_open@fs/overlayfs/file.c:*\") {
          if (@defined($realfile)) opened[$realfile->f_flags & 3]++
        }
        probe module(\"overlay\").function(\"OVL_*\").inline { copies[ppfunc()] = 1 }
        probe end {
          println(opened[0] >= 1)
          n = 0
          foreach (name in copies) n++
          println(n >= 2)
        }";
    let command = format!("cat {}/merged/file", overlay.folder);
    // Few files may be open; a link of its own for each copy needs more than that.
    let mut limited = Command::new("sh");
    let binary = tapdeck().get_program().to_owned();
    limited.args(["-c", "ulimit -n 48; exec \"$@\"", "sh"]).arg(binary);
    limited.args(["run", "-c", &command, "-e", script]);
    let ran = finish(limited);
    // The command writes for itself.
    let out: Vec<&str> = ran.out.lines().filter(|line| *line != "hello").collect();
    assert_eq!(out, ["ovl_lookup file", "ovl_lookup 1 file", "1", "1"], "{}", ran.err);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn parameters_are_known_to_the_end_of_a_function() {
    if !require_debug_information() {
        return;
    }
    // In the last lines of vfs_read the register of $count has long been used for something else.
    let listed = run(&["-L", "kernel.statement(\"vfs_read@fs/read_write.c:*\")"]).ok();
    let lines = listed.lines().filter(|line| line.contains("$count:")).count();
    let script = "global count, other, lines
        probe kernel.statement(\"vfs_read@fs/read_write.c:*\") {
          if (pid() != target()) next
          if (@defined($count)) { lines[pp()]++ if ($count == 7) count++ else other[pp(), $count]++ }
        }
        probe end {
          n = 0
          foreach (line in lines) n++
          foreach ([line, value] in other) if (value == 7) println(line)
          println(n, \" \", count >= n * 25)
        }";
    let out = copying(script).ok();
    let words: Vec<&str> = out.split_whitespace().collect();
    assert!(words[0].parse().is_ok_and(|n: usize| n >= 8 && n <= lines), "{out} of {lines}");
    assert_eq!(words[1..], ["1"], "{out}");
    let texts = run(&["-p2", "-e", "probe kernel.statement(\"vfs_read@fs/read_write.c:*\") { println($$parms) }"]).ok();
    assert!(texts.contains("kernel.function(\"vfs_read\").call"), "some need the entry: {texts}");
}

#[test]
fn what_a_module_does_first_and_last_is_told_apart_from_what_is_there_now() {
    if !require_debug_information() {
        return;
    }
    // Where a module began others lie by now, and what it will do last is not traced by kernels of distributions.
    let first = run(&["-p2", "-e", "probe module(\"dummy\").function(\"dummy_init_module\") {}"]);
    assert!(first.code != 0 && first.err.contains("freed once"), "{}", first.err);
    let last = run(&[
        "-e",
        "probe module(\"dummy\").function(\"dummy_cleanup_module\") { println(1) } probe begin { exit() }",
    ]);
    assert!(
        last.code != 0 && last.err.contains("cannot probe \"dummy_cleanup_module\" of module dummy"),
        "{}",
        last.err
    );
}
