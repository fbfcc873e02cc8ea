//! Kernel functions: listed from type information anywhere, probed where the kernel can.

use std::collections::BTreeSet;

use tapdeck::{
    debuginfo::TraceableFunctions,
    host::{Host as _, Live},
    runtime::features,
};

use crate::{
    binary::{finish, require_bpf, require_functions, start, tapdeck},
    terminal::Tmux,
};

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
fn arguments_that_point_somewhere_are_numbers_like_any_other() {
    if !require_functions() {
        return;
    }
    for point in ["kernel.function(\"vfs_read\")", "kernel.function(\"vfs_read\").return"] {
        let script = format!(
            r#"
            global by
            probe {point} {{
                if (pid() != target()) next
                f = $file
                by[f & 7] <<< f >> 63
                printf("%d %d %d ", f * 3 == f + f + f, (f ^ -1) == ~f, f - 8 < f && f % 8 == 0)
                if (f) printf("%d %d", @count(by[0]), -f + f)
                println()
                exit()
            }}"#
        );
        let ran = run(&["-w", "-c", "dd if=/proc/uptime of=/dev/null status=none", "-e", &script]);
        assert!(ran.code == 0 && ran.out.starts_with("1 1 1 1 0\n"), "{point}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn members_are_read_behind_arguments() {
    if !require_functions() {
        return;
    }
    for point in
        ["kernel.function(\"vfs_read\")", "kernel.function(\"vfs_read\").return", "kprobe.function(\"vfs_read\")"]
    {
        let is_kprobe = point.starts_with("kprobe");
        let address = if is_kprobe { "pointer_arg(1)" } else { "$file" };
        let file = if is_kprobe { "@cast(pointer_arg(1), \"file\")" } else { address };
        let script = format!(
            r#"
            probe {point} {{
                if (pid() != target() || {file}->f_inode->i_sb->s_magic != 0x9fa0) next
                inode = {file}->f_inode
                // The same along other ways; what is 0 without being an error; what is an error.
                same = @cast(inode + 8 - 8, "inode")->i_sb == {file}->f_inode->i_sb
                printf("%d %d ", same, kernel_long(&@cast(inode, "inode")->i_ino) == {file}->f_inode->i_ino)
                printf("%d %d ", {file}->f_flags & 3, {file}->f_mode & 1)
                try {{ println(@cast({address} - {address}, "file")->f_inode->i_ino) }} catch (why) {{ printf("%s ", why) }}
                try {{ println(@cast(inode, "inode")->i_pipe->head) }} catch {{ printf("no pipe ") }}
                println({file}->f_inode->i_ino > 0)
                exit()
            }}"#
        );
        let ran = run(&["-w", "-c", "dd if=/proc/uptime of=/dev/null status=none", "-e", &script]);
        let wanted = "1 1 0 1 read fault [man error::fault] at 0x";
        let is_right = ran.out.starts_with(wanted) && ran.out.contains(" no pipe 1\n");
        assert!(ran.code == 0 && is_right, "{point}: {}{}", ran.out, ran.err);
    }
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

#[test]
fn tracepoints_of_modules_are_probed() {
    // The lab has it loaded; trying to mount what is no such file system comes by its tracepoints.
    if !has_types() || !require_bpf() || !std::path::Path::new("/sys/kernel/btf/xfs").exists() {
        eprintln!("skipped: the module xfs is not loaded");
        return;
    }
    let listed = run(&["-l", "module(\"xfs\").trace(\"*\")"]).ok();
    assert!(listed.lines().count() > 200, "{listed}");
    assert!(listed.contains("module(\"xfs\").trace(\"xfs:xfs_buf_get_uncached\")\n"), "{listed}");
    assert!(listed.lines().all(|line| line.starts_with("module(\"xfs\").trace(\"xfs")), "{listed}");
    let folder = std::env::temp_dir().join(format!("tapdeck-xfs-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("at")).expect("can be made");
    std::fs::write(folder.join("image"), vec![0; 1 << 20]).expect("can be written");
    let mount = format!("mount -t xfs -o loop {0}/image {0}/at", folder.display());
    let script = "global n, sizes
        probe module(\"xf*\").trace(\"xfs:xfs_buf_get_uncached\") { n[$$system, $$name]++ sizes[$bp->b_length] = 1 }
        probe end { foreach ([system, name] in n) println(system, \":\", name, \" \", n[system, name] > 0, \" \", 1 in sizes) }";
    let ran = run(&["-c", &mount, "-e", script]);
    assert_eq!(ran.out, "xfs:xfs_buf_get_uncached 1 1\n", "{}", ran.err);
    // Hundreds, each with a program and a link: more files than one may have open.
    let script = "global n probe module(\"xfs\").trace(\"*\") { n[$$name]++ } probe end { println(n[\"xfs_buf_get_uncached\"]) }";
    let ran = run(&["-c", &mount, "-e", script]);
    let _ = std::fs::remove_dir_all(&folder);
    assert_eq!(ran.out, "1\n", "{}", ran.err);
}

#[test]
fn registers_are_printed_as_the_kernel_prints_them() {
    if !require_bpf() || !require_functions() {
        return;
    }
    let script = "probe kernel.function(\"vfs_read\") { if (pid() == target()) { print_regs() exit() } }";
    let ran = run(&["-c", "cat /dev/null", "-e", script]).ok();
    let lines: Vec<&str> = ran.lines().collect();
    assert_eq!(lines.len(), 7, "{ran}");
    assert!(lines[0].starts_with("RIP: ffffffff") && lines[1].contains("  EFLAGS: 00000"), "{ran}");
    let number = |word: &str| word.len() == 16 && u64::from_str_radix(word, 16).is_ok();
    for (line, names) in
        lines[2..].iter().zip(["RAX RBX RCX", "RDX RSI RDI", "RBP R08 R09", "R10 R11 R12", "R13 R14 R15"])
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found: Vec<&str> = words.iter().step_by(2).map(|word| word.trim_end_matches(':')).collect();
        assert_eq!(found.join(" "), names);
        assert!(words.iter().skip(1).step_by(2).all(|word| number(word)), "{line}");
    }
}

#[test]
fn variables_have_addresses_without_debug_information() {
    // Where there is debug information it is asked, and knows types as well.
    let has_symbol = std::fs::read_to_string("/proc/kallsyms").is_ok_and(|text| text.contains(" D jiffies_64\n"));
    if !has_types() || !require_bpf() || !has_symbol || std::path::Path::new("/usr/lib/debug/boot").exists() {
        eprintln!("skipped: the kernel lists no variables");
        return;
    }
    let script = "probe timer.profile { println(@cast(&@var(\"jiffies_64@kernel/time/timer.c\"), \"unsigned long\")[0] > 1000) exit() }";
    // Each processor's clock may come before the end.
    let ran = run(&["-e", script]).ok();
    assert!(!ran.is_empty() && ran.lines().all(|line| line == "1"), "{ran}");
    let refused = run(&["-p2", "-e", "probe begin { println(@var(\"jiffies_64\")) }"]);
    assert!(refused.err.contains("@cast(&@var(\"jiffies_64\"), \"TYPE\")"), "{}", refused.err);
    let refused = run(&["-p2", "-e", "probe begin { println(&@var(\"runqueues\")) }"]);
    assert!(refused.err.contains("'runqueues' is a variable that every processor has one of"), "{}", refused.err);
}

#[test]
fn the_code_of_the_kernel_says_what_its_tracer_lists() {
    if !require_functions() {
        return;
    }
    let tracefs = Live.tracefs().expect("functions can be probed");
    // While it is traced, a function begins with a call: by a trampoline of its own, and by one that many share.
    let script =
        "probe kernel.function(\"vfs_read\"), kernel.function(\"vfs_w*\"), kernel.function(\"vfs_w*\").return { }
        probe kprobe.function(\"vfs_writev\") { } probe begin { println(\"on\") }";
    let mut command = tapdeck();
    command.args(["run", "-w", "-e", script]);
    for running in [false, true] {
        let tracing = running.then(|| {
            let mut tracing = start(std::mem::replace(&mut command, tapdeck()));
            tracing.wait_output("on\n");
            tracing
        });
        let Some(by_code) = TraceableFunctions::by_code(&Live) else {
            eprintln!("skipped: the kernel's memory may not be read");
            return;
        };
        let by_list = TraceableFunctions::by_list(&Live, &tracefs).expect("is listed");
        fn names(list: &TraceableFunctions) -> BTreeSet<(&str, Option<&str>)> {
            // The kernel numbers those whose names it does not know.
            list.names().filter(|(name, _)| !name.starts_with("__ftrace_invalid_address__")).collect()
        }
        let (by_code, by_list) = (names(&by_code), names(&by_list));
        assert!(by_list.len() > 1000 && by_list.contains(&("vfs_read", None)));
        // An inline function that was not inlined, and begins with a branch that is patched out, looks the same.
        let more: Vec<_> = by_code.difference(&by_list).collect();
        assert!(more.len() <= 2, "by code alone, {running}: {more:?}");
        assert_eq!(by_list.difference(&by_code).collect::<Vec<_>>(), [] as [&_; 0], "by list alone, {running}");
        if let Some(tracing) = tracing {
            tracing.signal(2);
            tracing.finish().ok();
        }
    }
}

#[test]
fn what_the_kernel_bars_is_listed_with_the_reason_and_not_probed() {
    let barred = std::fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    if !has_types() || barred.is_empty() || std::path::Path::new("/usr/lib/debug/boot").exists() {
        eprintln!("skipped: the kernel does not say which functions it bars");
        return;
    }
    // Some of what kprobes are made of.
    let mut table = tapdeck();
    table.args(["list", "--all", "kernel.function(\"*kprobe*\")"]);
    let table = finish(table).out;
    let refused: Vec<&str> = table.lines().filter(|line| line.contains("never: NOKPROBE")).collect();
    let names: Vec<&str> = refused.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(!names.is_empty(), "{table}");
    assert!(names.iter().all(|name| barred.contains(&format!("\t{name}\n"))), "{names:?}");
    let name = names[0];
    let ran = run(&["-p2", "-e", &format!("probe kernel.function(\"{name}\") {{ println(1) }}")]);
    assert!(ran.err.contains(&format!("\"{name}\" cannot be probed")) && ran.err.contains("NOKPROBE"), "{}", ran.err);
    let listed = run(&["-l", &format!("kernel.function(\"{name}*\")")]);
    assert!(!listed.out.contains(&format!("(\"{name}\")")), "{}", listed.out);
}

#[test]
fn one_key_each_counts_measures_and_inserts_them_in_the_dashboard() {
    if !require_functions() {
        return;
    }
    let Some(tmux) = Tmux::open("browser-functions", 120, 40) else { return };
    tmux.dashboard("");
    tmux.keys(&["vfs_read"]);
    let selected = |screen: &str, what: &str| screen.lines().any(|row| row.contains('►') && row.contains(what));
    // The list may still come.
    tmux.wait("the function", |screen| selected(screen, " vfs_read "));
    tmux.keys(&["Enter", "c"]);
    tmux.wait("what was hit", |screen| {
        screen.contains("kernel.function(\"vfs_read\") was hit") && screen.contains(" times in 2 s")
    });

    // Latency: the terminal itself reads.
    tmux.keys(&["H"]);
    tmux.wait("its script and its histogram", |screen| {
        screen.contains("│probe kernel.function(\"vfs_read\").return {")
            && screen.contains("latency[execname()] <<< gettimeofday_us() - @entry")
            && screen.contains("count▼")
            && screen.contains("tmux: server")
    });
    tmux.keys(&["C-c"]);
    tmux.wait("the end of the run", |screen| screen.contains("ENDED"));

    // A histogram of an argument, from its row below the function's.
    tmux.keys(&["1", "Right"]);
    tmux.wait("its arguments", |screen| screen.contains("▾ vfs_read") && screen.contains("$file"));
    tmux.keys(&["Down", "Down", "Down"]);
    tmux.wait("the argument", |screen| selected(screen, "$count"));
    tmux.keys(&["H"]);
    let screen = tmux.wait("its script and its histogram", |screen| {
        screen.contains("values[execname()] <<< $count") && screen.contains("RUN") && screen.contains("tmux: server")
    });
    tmux.keys(&["C-c"]);
    tmux.wait("the end of the run", |screen| screen.contains("ENDED"));
    tmux.keys(&["1", "+"]);
    let before = screen.matches("$count").count();
    tmux.wait("the argument in the script", |screen| screen.matches("$count").count() > before);
    tmux.keys(&["F6"]);
    tmux.keys(&["q"]);
    tmux.keys(&["d"]);
    tmux.assert_restored();
}
