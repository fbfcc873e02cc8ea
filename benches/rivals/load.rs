//! Work for the probes: system calls as fast as one thread makes them.

use std::{
    os::unix::process::parent_id,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Calls getppid(2) for this long.
pub fn hammer(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        for _ in 0..1000 {
            std::hint::black_box(parent_id());
        }
    }
}

/// One call every 100 µs until dropped.
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                std::hint::black_box(parent_id());
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
