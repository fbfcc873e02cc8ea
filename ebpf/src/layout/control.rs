//! The one element of the control map, mmapped by user space while programs read it.
//!
//! ```text
//!    0 u32 state            STARTING, RUNNING, STOPPING; programs do nothing unless RUNNING
//!    4 u32 stopped_by       1: more errors than allowed, 2: more statements lost than allowed
//!    8 i64 realtime_offset  CLOCK_REALTIME - CLOCK_MONOTONIC, ns; user space refreshes it
//!   16 i64 target           process of -c or -x, 0 without
//!   24 u64 zero             stays 0; read where the verifier must not know a value
//!   32 u64 max_action       statements one handler run may execute
//!   40 u64 errors           script errors so far, uncaught
//!   48 u64 max_errors       the session ends when `errors` exceeds it; UNLIMITED: errors are counted and not told
//!   56 u32 asleep           1: the ring's reader sleeps; whoever sends the next record wakes it
//!   60 u32 reserved
//!   64 u64 undone           statements that were to run in user space and found no room in the ring
//!   72 u64 max_undone       the session ends when `undone` exceeds it
//!   80 u8  enabled[probe]   1: on; read only with `Target::live_probes`
//! ```

use crate::ir::Limits;

pub const STATE: u32 = 0;
pub const STOPPED_BY: u32 = 4;
pub const REALTIME_OFFSET: u32 = 8;
pub const TARGET: u32 = 16;
pub const ZERO: u32 = 24;
pub const MAX_ACTION: u32 = 32;
pub const ERRORS: u32 = 40;
pub const MAX_ERRORS: u32 = 48;
pub const ASLEEP: u32 = 56;
pub const UNDONE: u32 = 64;
pub const MAX_UNDONE: u32 = 72;
pub const ENABLED: u32 = 80;

/// Values of [`STATE`].
pub const STARTING: u32 = 0;
pub const RUNNING: u32 = 1;
pub const STOPPING: u32 = 2;

/// Values of [`STOPPED_BY`]; 0 when a script's `exit()` or nothing did.
pub const TOO_MANY_ERRORS: u32 = 1;
pub const TOO_MANY_UNDONE: u32 = 2;

/// Of [`MAX_ERRORS`] and [`MAX_UNDONE`]: no limit.
pub const UNLIMITED: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlLayout {
    pub n_probes: u32,
}

impl ControlLayout {
    pub fn size(self) -> u32 {
        ENABLED + self.n_probes.next_multiple_of(8)
    }

    /// Where the switch of a probe is.
    pub fn enabled(self, probe: u32) -> u32 {
        ENABLED + probe
    }

    /// Content before anything runs: starting, every probe on.
    pub fn initial(self, limits: &Limits) -> Vec<u8> {
        let mut bytes = vec![0; self.size() as usize];
        bytes[MAX_ACTION as usize..][..8].copy_from_slice(&u64::from(limits.max_action).to_le_bytes());
        bytes[MAX_UNDONE as usize..][..8].copy_from_slice(&UNLIMITED.to_le_bytes());
        bytes[ENABLED as usize..].fill(1);
        bytes
    }
}
