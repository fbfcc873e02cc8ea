//! An engine that plays recorded events: for the demo, for `replay`, and for screens drawn in tests. It runs no script; the
//! screen says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::engine::{CountRequest, Engine, EngineEvent, StartRequest};
use crate::runtime::session::{EndReport, SessionCommand, SessionEvent};

/// Events with the time since the session's start.
pub type Recording = Vec<(Duration, SessionEvent)>;

pub struct ReplayEngine {
    recording: Option<Recording>,
    /// 1 is as it was, 2 twice as fast, 0 all at once.
    speed: f64,
    tx: Option<mpsc::UnboundedSender<EngineEvent>>,
    stop: Arc<AtomicBool>,
    run: u64,
    looping: bool,
}

impl ReplayEngine {
    pub fn new(recording: Recording, speed: f64) -> Self {
        Self { recording: Some(recording), speed, tx: None, stop: Arc::default(), run: 0, looping: false }
    }

    /// Begins again after the end, for as long as it is watched.
    #[must_use]
    pub fn looping(mut self) -> Self {
        self.looping = self.speed > 0.0;
        self
    }
}

impl Engine for ReplayEngine {
    /// The first start plays the recording; later ones are refused with the reason.
    fn start(&mut self, request: StartRequest) {
        let Some(tx) = self.tx.clone() else { return };
        let Some(recording) = self.recording.take() else {
            let message = "this is a recording; it cannot run scripts".to_owned();
            let help = Some("tracing needs root or CAP_BPF and CAP_PERFMON".to_owned());
            let _ = tx.send(EngineEvent::Failed { run: request.run, message, help, text: String::new() });
            return;
        };
        self.run = request.run;
        let (speed, stop, run, looping) = (self.speed, Arc::clone(&self.stop), request.run, self.looping);
        thread::spawn(move || {
            loop {
                let begin = Instant::now();
                let last = recording.last().map_or(Duration::ZERO, |(at, _)| *at);
                // A second to see the last state before it begins again.
                let end = looping.then_some((last + Duration::from_secs(1), None));
                let events = recording.iter().map(|(at, event)| (*at, Some(event))).chain(end);
                for (at, event) in events {
                    let due = if speed > 0.0 { at.div_f64(speed) } else { Duration::ZERO };
                    while begin.elapsed() < due && !stop.load(Ordering::Relaxed) {
                        thread::sleep((due - begin.elapsed().min(due)).min(Duration::from_millis(200)));
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // In a loop nothing ends.
                    let Some(event) = event.filter(|event| !(looping && matches!(event, SessionEvent::Ended(_))))
                    else {
                        continue;
                    };
                    if tx.send(EngineEvent::Session { run, event: event.clone() }).is_err() {
                        return;
                    }
                }
                if !looping {
                    return;
                }
            }
        });
    }

    fn count(&mut self, request: CountRequest) {
        if let Some(tx) = &self.tx {
            let result = Err("this is a recording; nothing can be counted".to_owned());
            let _ = tx.send(EngineEvent::Counted { point: request.point, result });
        }
    }

    fn command(&mut self, command: SessionCommand) {
        let Some(tx) = &self.tx else { return };
        match command {
            SessionCommand::Stop | SessionCommand::Kill => {
                if !self.stop.swap(true, Ordering::Relaxed) {
                    let event = SessionEvent::Ended(EndReport::default());
                    let _ = tx.send(EngineEvent::Session { run: self.run, event });
                }
            }
            SessionCommand::Clear | SessionCommand::SetEnabled { .. } => {
                let _ = tx.send(EngineEvent::Note("a recording cannot be changed".into()));
            }
            SessionCommand::SnapshotEvery(_) | SessionCommand::SnapshotNow => (),
        }
    }

    fn events(&mut self) -> mpsc::UnboundedReceiver<EngineEvent> {
        let (tx, rx) = mpsc::unbounded_channel();
        self.tx = Some(tx);
        rx
    }
}
