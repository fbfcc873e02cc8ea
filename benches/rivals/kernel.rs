//! The tools as child processes, and what the kernel says their programs cost.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Tapdeck,
    Bpftrace,
}

pub struct Tools {
    tapdeck: PathBuf,
    bpftrace: PathBuf,
}

/// `kernel.bpf_stats_enabled`, set back when dropped.
pub struct Stats {
    before: String,
}

const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl Stats {
    pub fn enable() -> Result<Self, String> {
        let before = std::fs::read_to_string(STATS).map_err(|e| format!("{STATS}: {e}"))?;
        std::fs::write(STATS, "1").map_err(|e| format!("{STATS}: {e}; run as root"))?;
        Ok(Self { before })
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        let _ = std::fs::write(STATS, self.before.trim());
    }
}

impl Tools {
    pub fn find() -> Result<Self, String> {
        let bpftrace = std::env::var_os("BPFTRACE").map_or_else(|| "bpftrace".into(), PathBuf::from);
        for tool in [bpftrace.as_os_str(), "bpftool".as_ref()] {
            Command::new(tool)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .map_err(|e| format!("{}: {e}", tool.to_string_lossy()))?;
        }
        Ok(Self { tapdeck: env!("CARGO_BIN_EXE_tapdeck").into(), bpftrace })
    }

    pub fn rival_version(&self) -> String {
        let output = Command::new(&self.bpftrace).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    /// Starts a script; its output is read only when `piped`.
    pub fn start(&self, tool: Tool, script: &str, piped: bool) -> Running {
        let started = Instant::now();
        let mut command = match tool {
            Tool::Tapdeck => {
                let mut command = Command::new(&self.tapdeck);
                command.args(["run", "-D", "STP_NO_OVERLOAD", "-e", script]);
                command
            }
            Tool::Bpftrace => {
                let mut command = Command::new(&self.bpftrace);
                command.args(["-B", "line", "-e", script]);
                command
            }
        };
        let stdout = if piped { Stdio::piped() } else { Stdio::null() };
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().expect("start the tool");
        Running { child, started }
    }
}

pub struct Running {
    child: Child,
    started: Instant,
}

impl Running {
    /// Ids of the tool's programs, once they have run.
    pub fn wait_for_programs(&mut self) -> Vec<u64> {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            std::hint::black_box(std::os::unix::process::parent_id());
            let own = self.own_programs();
            let ran: Vec<u64> = programs().iter().filter(|p| own.contains(&p.id) && p.runs > 0).map(|p| p.id).collect();
            if !ran.is_empty() {
                std::thread::sleep(Duration::from_millis(50));
                return ran;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the tool ended before its probe ran: {status}");
            }
            assert!(Instant::now() < give_up, "no program ran within 20 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The `prog_id` of every program and link the tool holds, from /proc/PID/fdinfo: others trace here, too.
    fn own_programs(&self) -> HashSet<u64> {
        let folder = format!("/proc/{}/fdinfo", self.child.id());
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts
            .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok()))
            .collect()
    }

    pub fn wait_for_line(&mut self, wanted: &str) -> Duration {
        let stdout = self.child.stdout.take().expect("piped");
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.trim() == wanted {
                return self.started.elapsed();
            }
        }
        panic!("the tool never printed {wanted:?}");
    }

    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

pub struct Program {
    pub id: u64,
    pub runs: u64,
    pub time_ns: u64,
}

#[derive(Default)]
pub struct Totals {
    pub runs: u64,
    pub time_ns: u64,
}

/// Every tracing program of the kernel with its statistics.
pub fn programs() -> Vec<Program> {
    let output = Command::new("bpftool").args(["-j", "prog", "show"]).output().expect("bpftool");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let number = |value: &serde_json::Value, key: &str| value[key].as_u64().unwrap_or(0);
    list.as_array()
        .into_iter()
        .flatten()
        .filter(|p| {
            matches!(p["type"].as_str(), Some("tracepoint" | "raw_tracepoint" | "kprobe" | "perf_event" | "tracing"))
        })
        .map(|p| Program { id: number(p, "id"), runs: number(p, "run_cnt"), time_ns: number(p, "run_time_ns") })
        .collect()
}

pub fn totals(ids: &[u64]) -> Totals {
    programs()
        .iter()
        .filter(|p| ids.contains(&p.id))
        .fold(Totals::default(), |sum, p| Totals { runs: sum.runs + p.runs, time_ns: sum.time_ns + p.time_ns })
}
