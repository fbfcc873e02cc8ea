//! What this kernel's BPF can do: yes, no, or cannot tell and why. Interpretation only; the probing itself, which loads
//! small programs, belongs to `runtime` and comes in as [`Probe`].

use std::path::Path;

use super::Host;

/// One ability, with the reason when it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No(String),
    /// Neither shown nor ruled out: usually for want of privilege.
    Unknown(String),
}

impl Answer {
    pub fn is_yes(&self) -> bool {
        *self == Answer::Yes
    }
}

/// What is probed by asking the kernel itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    RawTracepoint,
    RingBuffer,
    CurrentTaskBtf,
    Snprintf,
    ForEachMapElem,
    LookupPerCpu,
    MayGoto,
    PerfEvent,
    RunTimeStatistics,
}

impl Feature {
    pub const ALL: [Feature; 9] = [
        Feature::RawTracepoint,
        Feature::RingBuffer,
        Feature::CurrentTaskBtf,
        Feature::Snprintf,
        Feature::ForEachMapElem,
        Feature::LookupPerCpu,
        Feature::MayGoto,
        Feature::PerfEvent,
        Feature::RunTimeStatistics,
    ];

    /// What it is and since when kernels have it, for `doctor`.
    pub fn describe(self) -> (&'static str, &'static str) {
        match self {
            Feature::RawTracepoint => ("raw tracepoints (every kernel probe)", "4.17"),
            Feature::RingBuffer => ("ring buffer (printf from event handlers)", "5.8"),
            Feature::CurrentTaskBtf => ("direct reads of the current task", "5.11"),
            Feature::Snprintf => ("formatting strings in event handlers", "5.13"),
            Feature::ForEachMapElem => ("foreach in event handlers", "5.13"),
            Feature::LookupPerCpu => ("reading statistics in event handlers", "5.19"),
            Feature::MayGoto => ("loops of unknown length", "6.9"),
            Feature::PerfEvent => ("timer.profile", "4.9"),
            Feature::RunTimeStatistics => ("run time of every probe", "5.8"),
        }
    }
}

/// Asks the kernel for one feature: `Ok(())`, or the error number and what the verifier said.
pub type Probe<'a> = &'a dyn Fn(Feature) -> Result<(), (i32, String)>;

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENOSYS: i32 = 38;

/// What an error means. EPERM with an empty log is policy (privilege, lockdown); a log means the verifier looked and
/// refused, so the kernel is too old.
pub fn interpret(feature: Feature, result: Result<(), (i32, String)>) -> Answer {
    let (_, since) = feature.describe();
    match result {
        Ok(()) => Answer::Yes,
        Err((EPERM | EACCES, log)) if log.is_empty() => {
            Answer::Unknown("not permitted: needs root, or CAP_BPF and CAP_PERFMON".to_owned())
        }
        Err((ENOSYS, _)) => Answer::No("bpf(2) is not there or blocked (container or seccomp)".to_owned()),
        Err(_) => Answer::No(format!("needs Linux {since}")),
    }
}

/// Everything `doctor` and the code generator want to know, probed once.
pub fn detect(probe: Probe<'_>) -> Vec<(Feature, Answer)> {
    Feature::ALL.into_iter().map(|feature| (feature, interpret(feature, probe(feature)))).collect()
}

/// Effective capabilities of this process, from `/proc/self/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    pub const SYS_ADMIN: u32 = 21;
    pub const PERFMON: u32 = 38;
    pub const BPF: u32 = 39;

    pub fn read(host: &dyn Host) -> Option<Self> {
        let status = host.read(Path::new("/proc/self/status")).ok()?;
        let status = String::from_utf8_lossy(&status);
        let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(hex.trim(), 16).ok().map(Capabilities)
    }

    pub fn has(self, capability: u32) -> bool {
        self.0 >> capability & 1 == 1
    }

    /// Enough to load and attach tracing programs.
    pub fn can_trace(self) -> bool {
        self.has(Self::SYS_ADMIN) || self.has(Self::BPF) && self.has(Self::PERFMON)
    }
}

/// One line of [`check_up`]: what, whether, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    pub answer: Answer,
    /// The way out; empty when all is well.
    pub remedy: &'static str,
}

/// What can be told without loading anything, in the order problems usually come.
pub fn check_up(host: &dyn Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut push = |what, answer: Answer, remedy| {
        let remedy = if answer.is_yes() { "" } else { remedy };
        findings.push(Finding { what, answer, remedy });
    };
    push(
        "privilege to trace",
        match Capabilities::read(host) {
            Some(caps) if caps.can_trace() => Answer::Yes,
            Some(_) => Answer::No("this process has neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON".to_owned()),
            None => Answer::Unknown("/proc/self/status cannot be read".to_owned()),
        },
        "run as root, or: setcap cap_bpf,cap_perfmon,cap_dac_read_search+ep tapdeck",
    );
    let answer_of = |result: Result<(), String>| result.map_or_else(Answer::No, |()| Answer::Yes);
    push(
        "kernel type information (BTF)",
        answer_of(host.read(Path::new("/sys/kernel/btf/vmlinux")).map(drop)),
        "a kernel built with CONFIG_DEBUG_INFO_BTF=y; most distributions' kernels are",
    );
    push("tracefs", answer_of(host.tracefs().map(drop)), "mount -t tracefs tracefs /sys/kernel/tracing");
    push(
        "kernel lockdown",
        match host.read(Path::new("/sys/kernel/security/lockdown")) {
            Ok(text) if String::from_utf8_lossy(&text).contains("[confidentiality]") => {
                Answer::No("lockdown=confidentiality forbids reading kernel memory".to_owned())
            }
            _ => Answer::Yes,
        },
        "boot with lockdown=integrity or none",
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let no = |errno, log: &str| interpret(Feature::MayGoto, Err((errno, log.to_owned())));
        assert_eq!(interpret(Feature::MayGoto, Ok(())), Answer::Yes);
        assert!(matches!(no(EPERM, ""), Answer::Unknown(_)));
        assert_eq!(no(22, "unknown opcode e5"), Answer::No("needs Linux 6.9".to_owned()));
        assert!(matches!(no(ENOSYS, ""), Answer::No(why) if why.contains("blocked")));
    }

    #[test]
    fn capabilities_add_up() {
        assert!(Capabilities(1 << 21).can_trace());
        assert!(Capabilities(1 << 38 | 1 << 39).can_trace());
        assert!(!Capabilities(1 << 39).can_trace());
    }
}
