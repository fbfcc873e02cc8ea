//! Debug information on the command line: whether it may be fetched (`--download-debuginfo`, stap(1)), and how far it is
//! read.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::options::Download;
use crate::{
    debuginfo::{
        Consent, Progress,
        catalog::debuginfod::{Asked, Offer},
    },
    host::Fetch,
};

/// What the option says.
pub fn consent(download: Download) -> Consent {
    let fetch = |seconds| Fetch { seconds, shows_progress: std::io::stderr().is_terminal() };
    match download {
        Download::No => Consent::No,
        Download::Yes => Consent::Yes(fetch(None)),
        Download::Within(seconds) => Consent::Yes(fetch(Some(seconds))),
        Download::Ask => Consent::Ask(fetch(None), ask()),
    }
}

fn ask() -> Asked {
    Box::new(|offer: &Offer| {
        eprint!("Fetch {offer}? [y/N] ");
        let _ = std::io::stderr().flush();
        let mut line = String::new();
        let answer = std::io::stdin().read_line(&mut line).map(|_| line.trim().to_lowercase());
        answer.is_ok_and(|answer| matches!(&*answer, "y" | "yes"))
    })
}

/// Says on standard error how far an index is, from when it is begun until this is dropped.
pub struct Indexing {
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

const TICK: Duration = Duration::from_millis(50);

impl Indexing {
    pub fn watch(progress: Arc<Progress>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let spawned = std::thread::Builder::new().name("tapdeck-progress".to_owned()).spawn(move || {
            let redraws = std::io::stderr().is_terminal();
            let mut line = Line { redraws, said: None, begun: Instant::now() };
            while !over.load(Ordering::Relaxed) {
                line.tell(progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
                std::thread::park_timeout(TICK);
            }
            line.tell(progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
        });
        // Without a thread nothing is said.
        Self { is_over, thread: spawned.ok() }
    }
}

impl Drop for Indexing {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// A terminal's line is written over; elsewhere there is one when it is done.
struct Line {
    redraws: bool,
    /// Percent.
    said: Option<u64>,
    begun: Instant,
}

impl Line {
    fn tell(&mut self, done: u64, total: u64) {
        if let Some(text) = self.next(done, total) {
            eprint!("{text}");
        }
    }

    fn next(&mut self, done: u64, total: u64) -> Option<String> {
        let percent = (done.min(total) * 100).checked_div(total)?;
        if self.said == Some(percent) || self.said.is_none() && percent == 100 && self.redraws {
            return None;
        }
        if self.said.is_none() {
            self.begun = Instant::now();
        }
        self.said = Some(percent);
        let megabytes = total >> 20;
        if percent == 100 {
            let ms = self.begun.elapsed().as_millis();
            let start = if self.redraws { "\r" } else { "" };
            return Some(format!("{start}Indexed {megabytes} MB of debug information in {ms} ms.\n"));
        }
        self.redraws.then(|| format!("\rIndexing {megabytes} MB of debug information: {percent} %"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_line_that_is_written_over_or_one_at_the_end() {
        let say = |redraws| {
            let mut line = Line { redraws, said: None, begun: Instant::now() };
            let steps = [(0, 0), (0, 300 << 20), (3 << 20, 300 << 20), (4 << 20, 300 << 20), (300 << 20, 300 << 20)];
            let told: Vec<String> = steps.iter().filter_map(|(done, total)| line.next(*done, *total)).collect();
            told
        };
        let told = say(true);
        assert_eq!(
            told[..2],
            ["\rIndexing 300 MB of debug information: 0 %", "\rIndexing 300 MB of debug information: 1 %"]
        );
        assert!(told[2].starts_with("\rIndexed 300 MB") && told[2].ends_with(" ms.\n") && told.len() == 3, "{told:?}");
        assert!(say(false).concat().starts_with("Indexed 300 MB"));
        assert_eq!(say(false).len(), 1);
    }
}
