//! The task user handlers run in: tapdeck itself, as `stapio` is in SystemTap, or a process that runs already, for its
//! `process.begin`. /proc/PID, proc(5).

use std::fs;

use tapdeck_ebpf::ir::Intrinsic;

use crate::builtins::Value;

#[derive(Clone, Debug)]
pub struct Surroundings {
    pub pid: i64,
    pub ppid: i64,
    pub uid: i64,
    pub euid: i64,
    pub gid: i64,
    pub egid: i64,
    pub execname: Vec<u8>,
    pub pexecname: Vec<u8>,
    /// Answers an event gave beforehand, for what is run in its name later.
    pub told: Vec<(Intrinsic, Value)>,
}

impl Surroundings {
    /// What cannot be read is 0 or "".
    pub fn of_this_process() -> Self {
        Self::of_process(std::process::id())
    }

    /// The same of a process's first thread.
    pub fn of_process(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str, idx: usize| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(idx)?.parse::<i64>().ok()
        };
        let ppid = field("PPid:", 0).unwrap_or(0);
        Self {
            pid: i64::from(pid),
            ppid,
            uid: field("Uid:", 0).unwrap_or(0),
            euid: field("Uid:", 1).unwrap_or(0),
            gid: field("Gid:", 0).unwrap_or(0),
            egid: field("Gid:", 1).unwrap_or(0),
            execname: comm(&pid.to_string()),
            pexecname: comm(&ppid.to_string()),
            told: Vec::new(),
        }
    }

    /// What the event said, if it was asked.
    pub fn answer(&self, op: Intrinsic) -> Option<&Value> {
        self.told.iter().find(|(asked, _)| *asked == op).map(|(_, answer)| answer)
    }

    /// The processor this thread last ran on: field 39 of stat.
    pub fn cpu(&self) -> i64 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        // Fields count from 1 and the second is the name in parentheses, which may hold blanks.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(36).and_then(|field| field.parse().ok()).unwrap_or(0)
    }
}

fn comm(process: &str) -> Vec<u8> {
    let mut name = fs::read(format!("/proc/{process}/comm")).unwrap_or_default();
    name.pop_if(|byte| *byte == b'\n');
    name
}
