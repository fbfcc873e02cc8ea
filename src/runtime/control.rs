//! The session's side of the control map and of the loss counters: the words both sides share while programs run.
//! Layout: [`tapdeck_ebpf::layout::control`].

use std::io;

use tapdeck_ebpf::{
    layout::{ControlLayout, CounterLayout, control, counters::Counters},
    object::MapRole,
};

use super::load::Loaded;
use crate::sys::{
    bpf::Map,
    clock::{Clock, now_ns},
    mmap::Mapping,
};

/// What a session is doing, as its programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Programs are attached and return at once.
    Starting,
    Running,
    /// `exit()` was called, here or there; programs return at once.
    Stopping,
}

/// What made a session stop by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedBy {
    TooManyErrors,
    /// Too many statements were lost that were to run in user space.
    TooManySkipped,
}

/// The control words. Without kernel programs they live in this process alone.
#[derive(Debug)]
pub struct Control {
    words: Mapping,
    layout: ControlLayout,
}

impl Control {
    pub fn new(layout: ControlLayout, loaded: Option<&Loaded>) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let words = match loaded.and_then(|loaded| loaded.map(MapRole::Control)) {
            Some(map) => Mapping::shared(map.as_fd(), layout.size() as usize, 0, true)?,
            None => {
                let words = Mapping::anonymous(layout.size() as usize)?;
                for probe in 0..layout.n_probes {
                    words.write_u8(layout.enabled(probe) as usize, 1);
                }
                words
            }
        };
        let control = Self { words, layout };
        control.refresh_clock();
        Ok(control)
    }

    pub fn state(&self) -> State {
        match self.words.read_u32(control::STATE as usize) {
            control::STARTING => State::Starting,
            control::RUNNING => State::Running,
            _ => State::Stopping,
        }
    }

    pub fn set_state(&self, state: State) {
        let word = match state {
            State::Starting => control::STARTING,
            State::Running => control::RUNNING,
            State::Stopping => control::STOPPING,
        };
        self.words.write_u32(control::STATE as usize, word);
    }

    /// From starting to running, unless a handler said `exit()` in between.
    pub fn go_live(&self) -> bool {
        self.words.compare_exchange_u32(control::STATE as usize, control::STARTING, control::RUNNING)
    }

    /// Which limit was exceeded.
    pub fn stopped_by(&self) -> Option<StoppedBy> {
        match self.words.read_u32(control::STOPPED_BY as usize) {
            control::TOO_MANY_ERRORS => Some(StoppedBy::TooManyErrors),
            control::TOO_MANY_UNDONE => Some(StoppedBy::TooManySkipped),
            _ => None,
        }
    }

    pub fn set_target(&self, pid: u32) {
        self.words.write_u64(control::TARGET as usize, u64::from(pid));
    }

    /// `None`: no limit, and programs do not tell of errors.
    pub fn set_max_errors(&self, n: Option<u64>) {
        self.words.write_u64(control::MAX_ERRORS as usize, n.unwrap_or(control::UNLIMITED));
    }

    pub fn set_max_skipped(&self, n: Option<u64>) {
        self.words.write_u64(control::MAX_UNDONE as usize, n.unwrap_or(control::UNLIMITED));
    }

    /// Uncaught script errors so far, of both sides.
    pub fn errors(&self) -> u64 {
        self.words.read_u64(control::ERRORS as usize)
    }

    /// Counts an error of a user handler; stops everything when there are too many.
    pub fn count_error(&self) {
        let before = self.words.add_u64(control::ERRORS as usize, 1);
        if before + 1 > self.words.read_u64(control::MAX_ERRORS as usize) {
            self.words.write_u32(control::STOPPED_BY as usize, control::TOO_MANY_ERRORS);
            self.set_state(State::Stopping);
        }
    }

    /// Programs have the monotonic clock alone; the difference to the wall clock moves as the latter is adjusted.
    pub fn refresh_clock(&self) {
        let offset = now_ns(Clock::Realtime) - now_ns(Clock::Monotonic);
        self.words.write_u64(control::REALTIME_OFFSET as usize, offset as u64);
    }

    /// With `asleep` the next record in the ring buffer wakes its reader.
    pub fn set_asleep(&self, asleep: bool) {
        self.words.write_u32(control::ASLEEP as usize, u32::from(asleep));
    }

    pub fn set_enabled(&self, probe: u32, on: bool) {
        if probe < self.layout.n_probes {
            self.words.write_u8(self.layout.enabled(probe) as usize, u8::from(on));
        }
    }

    pub fn enabled(&self, probe: u32) -> bool {
        probe >= self.layout.n_probes || self.words.read_u8(self.layout.enabled(probe) as usize) != 0
    }
}

/// Sums the loss counters over CPUs; zeros when there is no such map.
pub fn read_counters(map: Option<&Map>, layout: CounterLayout) -> Counters {
    let bytes = map.and_then(|map| map.lookup(&0u32.to_ne_bytes()).ok().flatten());
    layout.decode(&bytes.unwrap_or_else(|| vec![0; layout.size() as usize]))
}
