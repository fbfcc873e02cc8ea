//! Who runs already when the session starts: processes that `process.begin` tells of, and those the programs have to
//! know as the target's descendants or by what they execute. /proc, proc(5).

use std::{collections::HashMap, fs, path::PathBuf};

use tapdeck_ebpf::ir::{self, Arg, HandlerId, Intrinsic, Op, StoreId};

use super::interpreter::Stores;
use crate::{
    builtins::Value,
    probes::attach_plan::{ProcessTarget, TARGET_STORE, names_of_path, path_store},
};

/// A user process; kernel threads execute nothing and are none.
struct Process {
    pid: u32,
    parent: u32,
    executable: PathBuf,
}

/// All of them, by id. Without tapdeck and the command it holds back.
pub(super) struct Running {
    processes: Vec<Process>,
    target: Option<u32>,
}

impl Running {
    pub fn look(target: Option<u32>) -> Self {
        let own = fs::read_link("/proc/self/exe").unwrap_or_default();
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut processes: Vec<Process> = numbers
            .filter_map(|pid| {
                let executable = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
                // The name in parentheses may hold blanks; state and parent follow it.
                let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
                Some(Process { pid, parent, executable })
            })
            .filter(|process| process.pid != std::process::id())
            // The command has not executed anything yet.
            .filter(|process| process.parent != std::process::id() || process.executable != own)
            .collect();
        processes.sort_by_key(|process| process.pid);
        Self { processes, target }
    }

    /// Whom a probe means.
    pub fn of(&self, target: &ProcessTarget) -> Vec<u32> {
        let all = self.processes.iter();
        match target {
            ProcessTarget::Pid(number) => all.map(|p| p.pid).filter(|pid| pid == number).collect(),
            ProcessTarget::All => match self.target {
                Some(target) => {
                    let parents: HashMap<u32, u32> = all.clone().map(|p| (p.pid, p.parent)).collect();
                    all.map(|p| p.pid).filter(|pid| descends(*pid, target, &parents)).collect()
                }
                None => all.map(|p| p.pid).collect(),
            },
            ProcessTarget::Path(path) => {
                let names = names_of_path(path);
                let executes =
                    |p: &&Process| p.executable.to_str().is_some_and(|executable| names.contains(&executable));
                all.filter(executes).map(|p| p.pid).collect()
            }
        }
    }

    /// Puts them into the hidden arrays the programs keep.
    ///
    /// # Errors
    /// An array refused an element.
    pub fn remember(&self, program: &ir::Program, stores: &mut dyn Stores) -> Result<(), String> {
        for (idx, decl) in program.stores.iter().enumerate() {
            let pids = if decl.name == TARGET_STORE {
                let target = self.target;
                self.of(&ProcessTarget::All).into_iter().filter(|pid| Some(*pid) != target).collect()
            } else if let Some(path) = decl.name.strip_prefix(&path_store("")) {
                self.of(&ProcessTarget::Path(path.to_owned()))
            } else {
                continue;
            };
            for pid in pids {
                stores.set(StoreId(idx as u32), &[Value::Long(pid.into())], &Value::Long(1))?;
            }
        }
        Ok(())
    }
}

fn descends(pid: u32, target: u32, parents: &HashMap<u32, u32>) -> bool {
    let mut at = pid;
    // /proc is no snapshot, so a ring is thinkable.
    for _ in 0..parents.len() {
        if at == target {
            return true;
        }
        match parents.get(&at) {
            Some(parent) => at = *parent,
            None => return false,
        }
    }
    false
}

/// Whether a handler reads what only the kernel can: it cannot run for a process that runs already.
pub(super) fn needs_the_kernel(program: &ir::Program, handler: HandlerId) -> bool {
    let mut bodies = vec![&program.handlers[handler.index()].body];
    let mut seen = std::collections::HashSet::new();
    while let Some(body) = bodies.pop() {
        for op in body.blocks.iter().flat_map(|block| &block.insts).map(|inst| &inst.op) {
            match op {
                Op::Read { .. } | Op::ReadStr { .. } | Op::Context { .. } => return true,
                Op::Intrinsic { op: Intrinsic::TaskCurrent | Intrinsic::CgroupId, .. } => return true,
                Op::Print { site, inputs } | Op::Sprint { site, inputs, .. } => {
                    let takes_memory = |input: &ir::InputTy| matches!(input, ir::InputTy::Memory { .. });
                    let memory = program.print_sites[site.index()].inputs.iter().any(takes_memory);
                    if memory && inputs.iter().any(|input| matches!(input, Arg::Long(_))) {
                        return true;
                    }
                }
                Op::Call { function, .. } if seen.insert(*function) => {
                    bodies.push(&program.functions[function.index()].body);
                }
                _ => {}
            }
        }
    }
    false
}
