//! IR to eBPF.

/// What the kernel that will run the programs can do, and what the session wants counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Processors that may ever be online; sizes per-CPU loops.
    pub n_cpus: u32,
    /// `may_goto` loops (6.9); otherwise loops are unrolled by the verifier.
    pub may_goto: bool,
    /// `bpf_for_each_map_elem` (5.13).
    pub for_each_map_elem: bool,
    /// `bpf_map_lookup_percpu_elem` (5.19).
    pub lookup_percpu: bool,
    /// `bpf_snprintf` (5.13).
    pub snprintf: bool,
    /// `bpf_get_current_task_btf` (5.11) with direct loads.
    pub current_task_btf: bool,
    /// Offsets in bytes inside `struct task_struct` and friends, from BTF.
    pub offsets: TaskOffsets,
    /// Bytes of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Check the on/off switch of each probe and count its hits.
    pub live_probes: bool,
    /// Keep log2 buckets of every statistic, for live histograms.
    pub live_histograms: bool,
}

/// `None`: not known, so the helper is used or the value is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOffsets {
    pub comm: Option<u32>,
    pub pid: Option<u32>,
    pub tgid: Option<u32>,
    pub real_parent: Option<u32>,
    pub cred: Option<u32>,
    pub cred_euid: Option<u32>,
    pub cred_egid: Option<u32>,
    /// Of `orig_ax` (x86_64) or `syscallno` (arm64) in `struct pt_regs`: the syscall number at sys_exit.
    pub regs_syscall_nr: u32,
    /// Of the six argument registers in `struct pt_regs`.
    pub regs_args: [u32; 6],
    pub regs_ip: u32,
}

/// Why a program cannot become eBPF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GenerateError {
    pub tag: crate::ir::SourceTag,
    /// Lower case, no full stop.
    pub reason: String,
}

/// Generates the maps and programs of every kernel entry.
pub fn generate(_program: &crate::ir::Program, _target: &Target) -> Result<crate::object::Object, GenerateError> {
    Ok(crate::object::Object::default())
}
