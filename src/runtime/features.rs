//! What this machine lets tapdeck do: found by trying, not by comparing versions. `tapdeck doctor` prints the list; load
//! and attach errors borrow its ways out.

use std::{fs, io, os::fd::AsFd};

use super::lockdown;
use crate::{
    debuginfo::{Probing, World, probing},
    host::live::is_own_tracefs,
    sys::{
        self,
        bpf::{self, Map, MapSpec, ProgramSpec},
    },
};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub state: CheckState,
    /// What was found, in one line.
    pub detail: String,
    /// What to do about it; empty when nothing need be done.
    pub way_out: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    Ok,
    /// Something works less well or not at all, but tracing does.
    Limited,
    /// Without it nothing can be traced.
    Missing,
}

impl Check {
    pub fn is_ok(&self) -> bool {
        self.state == CheckState::Ok
    }

    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: CheckState::Ok, detail: detail.into(), way_out: String::new() }
    }

    pub(super) fn bad(
        name: &'static str,
        state: CheckState,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self { name, state, detail: detail.into(), way_out: way_out.into() }
    }
}

const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;
const CAP_SYS_ADMIN: u32 = 21;

/// Tries everything; takes a few milliseconds and leaves nothing behind.
pub fn probe_features() -> Vec<Check> {
    vec![
        capabilities(),
        maps(),
        kernel_btf(),
        raw_tracepoints(),
        atomics(),
        ring_buffer(),
        run_time_statistics(),
        perf_events(),
        tracefs(),
        functions(),
        uprobes(),
        kernel_addresses(),
        lockdown::check(),
    ]
}

/// Tracing can work here at all: maps and tracing programs load. Cheap enough to ask at every start.
pub fn can_trace() -> bool {
    needed().iter().all(|check| check().is_ok())
}

fn needed() -> [fn() -> Check; 3] {
    [maps, raw_tracepoints, atomics]
}

/// Why a kernel without [`has_atomics`] is of no use; completes "…: {}".
pub const TOO_OLD: &str = "tapdeck needs Linux 5.12 or later: programs take their place in the buffer of records by \
                           compare-and-exchange, which this kernel's eBPF does not have";

/// Programs may compare and exchange (BPF_CMPXCHG, RFC 9669 section 5.3; Linux 5.12). Every program that prints does.
pub fn has_atomics() -> bool {
    atomics().is_ok()
}

/// The first thing that keeps tracing from working here, and what to do about it, in one sentence.
pub fn why_not() -> String {
    let missing = needed().into_iter().map(|check| check()).find(|check| !check.is_ok());
    missing.map_or_else(String::new, |check| match check.way_out.as_str() {
        "" => format!("nothing can be traced here: {}", check.detail),
        way_out => format!("nothing can be traced here: {}; {way_out}", check.detail),
    })
}

/// Why functions of the kernel cannot be probed here, and what helps; `None` where they can.
pub fn why_no_functions() -> Option<String> {
    let check = functions();
    (!check.is_ok()).then(|| format!("{}; {}", check.detail, check.way_out))
}

/// CAP_BPF with CAP_PERFMON, or CAP_SYS_ADMIN, is effective in this process.
pub fn has_bpf_capabilities() -> bool {
    let caps = effective_capabilities();
    let has = |cap: u32| caps & (1 << cap) != 0;
    has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON))
}

/// What to do when the kernel says EPERM.
pub fn way_out_of_eperm() -> String {
    if has_bpf_capabilities() {
        let policy = || "look for a seccomp policy, or a container without bpf(2)".to_owned();
        lockdown::sentence().unwrap_or_else(policy)
    } else {
        let program = std::env::current_exe().map_or_else(|_| "tapdeck".to_owned(), |path| path.display().to_string());
        format!("run it with sudo, or once: sudo setcap cap_bpf,cap_perfmon,cap_sys_resource+ep {program}")
    }
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

fn capabilities() -> Check {
    let name = "privilege";
    if has_bpf_capabilities() {
        let admin = effective_capabilities() & (1 << CAP_SYS_ADMIN) != 0;
        return Check::ok(name, if admin { "CAP_SYS_ADMIN" } else { "CAP_BPF and CAP_PERFMON" });
    }
    let detail = if sys::effective_uid() == 0 {
        "root without CAP_BPF and CAP_PERFMON: a container, probably"
    } else {
        "neither root nor CAP_BPF with CAP_PERFMON"
    };
    Check::bad(name, CheckState::Missing, detail, way_out_of_eperm())
}

fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(1 | 13) => "not permitted".to_owned(),
        Some(38) => "the kernel has no bpf(2)".to_owned(),
        Some(22) => "not known to this kernel".to_owned(),
        _ => error.to_string(),
    }
}

fn maps() -> Check {
    let spec = MapSpec {
        name: "tapdeck_try",
        kind: bpf::BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        flags: bpf::BPF_F_MMAPABLE,
    };
    match Map::create(&spec) {
        Ok(_) => Check::ok("bpf(2)", "maps can be made"),
        Err(error) => Check::bad("bpf(2)", CheckState::Missing, explain(&error), way_out_of_eperm()),
    }
}

fn kernel_btf() -> Check {
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(meta) => Check::ok("kernel types (BTF)", format!("/sys/kernel/btf/vmlinux, {} KiB", meta.len() / 1024)),
        Err(_) => Check::bad(
            "kernel types (BTF)",
            CheckState::Limited,
            "/sys/kernel/btf/vmlinux is missing: no tracepoint arguments, no $task->fields",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
        ),
    }
}

/// `r0 = 0; exit`.
pub(super) const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// `*(u64 *)(r10 - 8) = 0; r1 = 0; r0 = 0; r0 = cmpxchg_64(r10 - 8, r0, r1); r0 = 0; exit`.
const EXCHANGE: [u8; 48] = [
    0x7a, 10, 0xf8, 0xff, 0, 0, 0, 0, 0xb7, 1, 0, 0, 0, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0xdb, 0x1a, 0xf8, 0xff,
    0xf1, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
];

pub(super) fn try_program(
    kind: u32,
    code: &[u8],
    (attach_kind, attach_btf_id): (u32, u32),
) -> Result<std::os::fd::OwnedFd, bpf::LoadRefused> {
    let spec = ProgramSpec {
        name: "tapdeck_try",
        kind,
        code,
        license: c"Dual MIT/GPL",
        btf: None,
        func_info: &[],
        line_info: &[],
        attach_kind,
        attach_btf_id,
        attach_btf: None,
        log_level: 1,
    };
    bpf::prog_load(&spec, &mut [0; 4096])
}

fn raw_tracepoints() -> Check {
    let name = "tracepoints (raw_tp)";
    let program = match try_program(bpf::BPF_PROG_TYPE_RAW_TRACEPOINT, &NOTHING, (0, 0)) {
        Ok(program) => program,
        Err(refused) => {
            return Check::bad(name, CheckState::Missing, explain(&refused.error), way_out_of_eperm());
        }
    };
    // A tracepoint that hardly ever fires, so that trying costs the machine nothing.
    match bpf::raw_tracepoint_open(c"module_free", program.as_fd()) {
        Ok(_) => Check::ok(name, "programs load and attach"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::ok(name, "programs load"),
        Err(error) => Check::bad(name, CheckState::Missing, explain(&error), way_out_of_eperm()),
    }
}

fn atomics() -> Check {
    let name = "atomic operations";
    match try_program(bpf::BPF_PROG_TYPE_RAW_TRACEPOINT, &EXCHANGE, (0, 0)) {
        Ok(_) => Check::ok(name, "compare and exchange"),
        Err(refused) if matches!(refused.error.raw_os_error(), Some(1 | 13 | 38)) => {
            Check::bad(name, CheckState::Missing, explain(&refused.error), way_out_of_eperm())
        }
        Err(_) => Check::bad(name, CheckState::Missing, "not in this kernel's eBPF", TOO_OLD),
    }
}

fn ring_buffer() -> Check {
    match aya::sys::is_map_supported(aya::maps::MapType::RingBuf) {
        Ok(true) => Check::ok("ring buffer", "yes"),
        Ok(false) => Check::bad("ring buffer", CheckState::Missing, "not in this kernel", "needs Linux 5.8 or later"),
        Err(error) => Check::bad("ring buffer", CheckState::Missing, explain(&error.io_error), way_out_of_eperm()),
    }
}

fn run_time_statistics() -> Check {
    let name = "cost of probes";
    match bpf::enable_stats() {
        Ok(_) => Check::ok(name, "the kernel measures the run time of programs"),
        Err(error) => Check::bad(
            name,
            CheckState::Limited,
            format!("no run-time statistics: {}", explain(&error)),
            "needs CAP_SYS_ADMIN; tracing itself works without",
        ),
    }
}

fn perf_events() -> Check {
    let name = "timer.profile (perf events)";
    match sys::perf_event::open_cpu_clock(sys::online_cpus().first().copied().unwrap_or(0), 100) {
        Ok(_) => Check::ok(name, "the software clock opens"),
        Err(error) => {
            Check::bad(name, CheckState::Limited, explain(&error), "needs CAP_PERFMON and a kernel with perf events")
        }
    }
}

fn tracefs() -> Check {
    let name = "tracefs";
    match World::live().tracefs() {
        Ok(place) if is_own_tracefs(place) => {
            Check::ok(name, "not mounted; read through a mount of this process alone")
        }
        Ok(place) => Check::ok(name, place.display().to_string()),
        Err(why) => {
            let (why, way_out) = match why.split_once("; try: ") {
                Some((why, command)) => (why, format!("run it as root, or: sudo {command}")),
                None => (why, String::new()),
            };
            Check::bad(name, CheckState::Limited, format!("{why}: tracepoints are listed from BTF alone"), way_out)
        }
    }
}

/// By the kernel's own types: nothing need be loaded to find out.
fn functions() -> Check {
    let name = "kernel functions";
    let world = World::live();
    if let Err(why) = world.btf() {
        return Check::bad(name, CheckState::Limited, why, "");
    }
    let Probing { fentry, kprobes, kprobe_multi, .. } = world.probing();
    let ways: Vec<&str> = [(fentry, "fentry"), (kprobes, "kprobes"), (kprobe_multi, "many kprobes in one link")]
        .into_iter()
        .filter_map(|(has, way)| has.then_some(way))
        .collect();
    // A policy may stand against what was built in.
    let refused = world.btf().ok().and_then(|btf| btf.function_named("vfs_read")).and_then(|(id, _)| {
        let tried = if fentry {
            try_program(bpf::BPF_PROG_TYPE_TRACING, &NOTHING, (bpf::BPF_TRACE_FENTRY, id))
        } else {
            return None;
        };
        tried.err().filter(|refused| refused.error.kind() == io::ErrorKind::PermissionDenied)
    });
    match (ways.is_empty(), refused) {
        (false, Some(_)) if !kprobes => Check::bad(
            name,
            CheckState::Limited,
            "fentry is built in but a policy of this kernel forbids it, and there are no kprobes",
            probing::WAY_OUT,
        ),
        (false, _) => Check::ok(name, ways.join(", ")),
        (true, _) => Check::bad(name, CheckState::Limited, probing::MISSING, probing::WAY_OUT),
    }
}

fn uprobes() -> Check {
    let (name, path) = ("uprobes", "/sys/bus/event_source/devices/uprobe/type");
    match fs::metadata(path) {
        Ok(_) => Check::ok(name, "the kernel has them"),
        Err(_) => Check::bad(
            name,
            CheckState::Limited,
            format!("{path} is missing"),
            "a kernel with CONFIG_UPROBE_EVENTS; tracepoints and syscalls work without",
        ),
    }
}

fn kernel_addresses() -> Check {
    let name = "kernel symbols";
    let Ok(text) = fs::read_to_string("/proc/kallsyms") else {
        return Check::bad(name, CheckState::Limited, "/proc/kallsyms is missing", "");
    };
    // Symbols of per-CPU data come first, and begin at 0.
    let zero = text.lines().all(|line| line.starts_with("0000000000000000"));
    if zero {
        let way_out = "needs CAP_SYSLOG, or: sudo sysctl kernel.kptr_restrict=0";
        Check::bad(name, CheckState::Limited, "addresses are hidden", way_out)
    } else {
        Check::ok(name, format!("{} in /proc/kallsyms", text.lines().count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_says_something() {
        let checks = probe_features();
        assert!(checks.len() >= 13);
        for check in checks {
            assert!(!check.detail.is_empty(), "{}", check.name);
            eprintln!("{:?} {}: {} {}", check.state, check.name, check.detail, check.way_out);
        }
    }
}
