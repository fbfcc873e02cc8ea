//! Scripts run to their end by the real binary: `tests/scripts/run/x.stp`, what it printed in `x.out`.
//!
//! Comments at the head: `//# args: 1 two`, `//# options: -D MAXERRORS=2`, `//# command: cat /dev/null` is `-c`, `//# rc: 1`
//! the exit code, `//# kernel` says that eBPF programs are loaded, `//# functions` that functions of the kernel are
//! probed, `//# linux: 6.9` that an older kernel cannot run it, `//# module: loop` names a module it has to have loaded,
//! `//# needs: perl` a program.

use std::{fs, path::Path, process::Command, sync::Mutex};

use crate::{
    binary::{finish, require_bpf, require_functions, require_program, tapdeck},
    scripts::{Case, cases},
};

/// What a script printed; `None` where this machine cannot run it.
fn output(case: &Case) -> Option<String> {
    // The lab asks about kernels; what runs in user space alone is the same in each, and slower there.
    let for_the_kernel = case.directive("kernel").is_some() || case.directive("functions").is_some();
    if !for_the_kernel && in_the_lab() {
        return None;
    }
    if case.directive("kernel").is_some() && !require_bpf() {
        return None;
    }
    if case.directive("functions").is_some() && !require_functions() {
        return None;
    }
    if let Some(least) = case.directive("linux")
        && !kernel_is_at_least(&least)
    {
        eprintln!("skipped: {} is for Linux {least} and later", case.name);
        return None;
    }
    if let Some(module) = case.directive("module")
        && !Path::new("/sys/module").join(&module).exists()
    {
        eprintln!("skipped: module {module} is not loaded");
        return None;
    }
    if case.directive("needs").is_some_and(|program| !require_program(&program)) {
        return None;
    }
    let mut command = tapdeck();
    command.current_dir(case.path.parent().unwrap()).arg("run");
    if let Some(options) = case.directive("options") {
        command.args(options.split_whitespace());
    }
    if let Some(target) = case.directive("command") {
        command.args(["-c", &target]);
    }
    command.arg(&case.name).args(case.args());
    let ran = finish(command);
    let wanted = case.directive("rc").map_or(0, |code| code.parse().unwrap());
    let mut text = ran.out;
    let err: String = ran.err.split_inclusive('\n').map(without_interrupted_runs).collect();
    if !err.is_empty() {
        text += "-- stderr\n";
        text += &err;
    }
    if ran.code != wanted {
        text += &format!("-- exit code {}, not {wanted}\n", ran.code);
    }
    Some(text)
}

pub fn in_the_lab() -> bool {
    std::env::var_os("TAPDECK_LAB").is_some()
}

/// Since Linux 7 a thread can be interrupted in a handler, and what others do there meanwhile is passed over and counted.
/// In an emulated machine that is not rare.
fn without_interrupted_runs(line: &str) -> String {
    let skipped = ", skipped probes: ";
    match line.split_once(skipped) {
        Some((errors, _)) if errors.starts_with("WARNING: Number of errors: ") && kernel_is_at_least("7.0") => {
            let nothing = errors.ends_with(" 0");
            if nothing { String::new() } else { format!("{errors}{skipped}0\n") }
        }
        _ => line.to_owned(),
    }
}

pub fn kernel_is_at_least(least: &str) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let numbers = |text: &str| {
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
        (parts.next(), parts.next())
    };
    numbers(&release) >= numbers(least)
}

#[test]
fn scripts_print_what_is_expected() {
    let all = cases("run");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let wrong = Mutex::new(Vec::new());
    let next = Mutex::new(all.iter());
    let work = || {
        loop {
            let Some(case) = next.lock().unwrap().next() else { return };
            let Some(actual) = output(case) else { continue };
            let out = case.path.with_extension("out");
            let expected = std::fs::read_to_string(&out).unwrap_or_default();
            if actual == expected {
                continue;
            }
            if update {
                std::fs::write(&out, &actual).unwrap();
            } else {
                let text = format!("== run/{}\n-- expected\n{expected}\n-- actual\n{actual}", case.name);
                wrong.lock().unwrap().push(text);
            }
        }
    };
    // An emulated machine has one processor behind all of its own.
    let n_workers = if in_the_lab() { 1 } else { 3 };
    std::thread::scope(|scope| (0..n_workers).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}\n(UPDATE_EXPECT=1 rewrites)", wrong.join("\n"));
}

/// A control group whose memory is all of one node; gone when the test ends.
struct BoundToNode {
    folder: String,
}

impl BoundToNode {
    fn new(node: usize) -> Self {
        let root = "/sys/fs/cgroup";
        fs::write(format!("{root}/cgroup.subtree_control"), "+cpuset").expect("control groups bind memory");
        let group = Self { folder: format!("{root}/tapdeck-node-{node}") };
        fs::create_dir_all(&group.folder).expect("can be made");
        fs::write(format!("{}/cpuset.mems", group.folder), node.to_string()).expect("is a node");
        group
    }
}

impl Drop for BoundToNode {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn memory_is_known_by_its_node() {
    if !require_bpf() {
        return;
    }
    let n_nodes = (0..).take_while(|node| Path::new(&format!("/sys/devices/system/node/node{node}")).exists()).count();
    if n_nodes < 2 {
        eprintln!("skipped in part: this machine has one node of memory");
        let mut command = tapdeck();
        command.args(["run", "-e", "probe begin { println(addr_to_node(task_current())) exit() }"]);
        assert_eq!(finish(command).out, "0\n");
        return;
    }
    let script = "global n, m, nowhere
        probe syscall.write {
          if (pid() != target()) next
          n[addr_to_node(buf_uaddr)]++
          m[addr_to_node(task_current()) >= 0]++
          try { addr_to_node(0x1000) } catch { nowhere++ }
        }
        probe end { foreach (node in n) println(node, \" \", n[node] >= 50, \" \", nowhere == n[node], \" \", m[0]) }";
    let copy = "exec dd if=/dev/zero of=/dev/null bs=4096 count=50 2>/dev/null";
    for node in 0..2 {
        let group = BoundToNode::new(node);
        let mut bound = Command::new("sh");
        let inside = format!("echo $$ >{}/cgroup.procs; exec \"$@\"", group.folder);
        bound.args(["-c", &inside, "sh"]).arg(tapdeck().get_program()).args(["run", "-c", copy, "-e", script]);
        let ran = finish(bound);
        assert_eq!(ran.out, format!("{node} 1 1 0\n"), "{}", ran.err);
    }
}
