//! What was lost, for each CPU: one element of a per-CPU array of u64.
//!
//! ```text
//!    0 ring_drops   records that found no room in the ring buffer
//!    8 skipped      handler runs that found no scratch memory (nested too deep)
//!   16 truncated    strings cut because they were longer than their place, which is MAXSTRINGLEN
//!   24 errors       script errors
//!   32 lost         map updates the kernel refused for another reason than a full map
//!   40 undone       statements that were to run in user space and found no room in the ring
//!   48 hits[probe]  handler runs, with `Target::live_probes`
//!      overflows[store]  inserts refused by a full map
//! ```

use super::long_at;

pub const RING_DROPS: u32 = 0;
pub const SKIPPED: u32 = 8;
pub const TRUNCATED: u32 = 16;
pub const ERRORS: u32 = 24;
pub const LOST: u32 = 32;
pub const UNDONE: u32 = 40;
const HITS: u32 = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterLayout {
    pub n_probes: u32,
    pub n_stores: u32,
}

/// Summed over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub ring_drops: u64,
    pub skipped: u64,
    pub truncated: u64,
    pub errors: u64,
    pub lost: u64,
    pub undone: u64,
    /// By probe.
    pub hits: Vec<u64>,
    /// By store.
    pub overflows: Vec<u64>,
}

impl CounterLayout {
    pub fn size(self) -> u32 {
        self.overflow(self.n_stores)
    }

    pub fn hits(self, probe: u32) -> u32 {
        HITS + 8 * probe
    }

    pub fn overflow(self, store: u32) -> u32 {
        HITS + 8 * (self.n_probes + store)
    }

    /// `per_cpu`: the value of each CPU, one after the other, as a map lookup gives them.
    pub fn decode(self, per_cpu: &[u8]) -> Counters {
        let cpus: Vec<&[u8]> = per_cpu.chunks_exact(self.size() as usize).collect();
        let sum = |at: u32| cpus.iter().map(|cpu| long_at(cpu, at) as u64).sum();
        Counters {
            ring_drops: sum(RING_DROPS),
            skipped: sum(SKIPPED),
            truncated: sum(TRUNCATED),
            errors: sum(ERRORS),
            lost: sum(LOST),
            undone: sum(UNDONE),
            hits: (0..self.n_probes).map(|p| sum(self.hits(p))).collect(),
            overflows: (0..self.n_stores).map(|s| sum(self.overflow(s))).collect(),
        }
    }
}
