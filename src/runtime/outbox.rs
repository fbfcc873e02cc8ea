//! What a session tells, on its way to whoever listens: output gathered into batches, everything in order.

use std::{mem, time::Duration};

use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::{plan::Delivery, session::SessionEvent};
use crate::sys::{
    clock::{Clock, now_ns},
    signals::is_impatient,
};

/// Output is handed over at this size, bytes.
pub const BATCH: usize = 128 << 10;
/// … or when a handler that still runs printed it so long ago.
const PATIENCE_NS: i64 = 10_000_000;
/// Between looks for room, when there is none for [`super::prepare`]'s many events.
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub struct Outbox {
    sender: Sender<SessionEvent>,
    delivery: Delivery,
    pending: Vec<u8>,
    /// Since when a handler that still runs has output here, on the monotonic clock.
    waiting_since: Option<i64>,
    /// Bytes of output nobody took in time.
    pub dropped_bytes: u64,
    /// Nobody listens any more.
    pub closed: bool,
}

impl Outbox {
    /// Output goes to a screen.
    pub fn is_screen(&self) -> bool {
        self.delivery == Delivery::Droppable
    }

    pub fn new(sender: Sender<SessionEvent>, delivery: Delivery) -> Self {
        Self {
            sender,
            delivery,
            pending: Vec::with_capacity(BATCH + 4096),
            waiting_since: None,
            dropped_bytes: 0,
            closed: false,
        }
    }

    /// Where output is appended; follow with [`Outbox::flush_if_full`].
    pub fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    pub fn output(&mut self, text: &[u8]) {
        self.pending.extend_from_slice(text);
        self.flush_if_full();
    }

    pub fn flush_if_full(&mut self) {
        if self.pending.len() >= BATCH {
            self.flush();
        }
    }

    /// While a handler runs: nobody has to wait for its end to see what it printed.
    pub fn flush_if_due(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let now = now_ns(Clock::Monotonic);
        if now - *self.waiting_since.get_or_insert(now) >= PATIENCE_NS {
            self.flush();
        }
    }

    /// Hands over what is pending.
    pub fn flush(&mut self) {
        self.waiting_since = None;
        if self.pending.is_empty() {
            return;
        }
        // Small batches take their own memory and leave the big buffer here.
        let bytes = if self.pending.len() < BATCH / 8 {
            let bytes = self.pending.clone();
            self.pending.clear();
            bytes
        } else {
            mem::replace(&mut self.pending, Vec::with_capacity(BATCH + 4096))
        };
        let n = bytes.len() as u64;
        if !self.send(SessionEvent::Output(bytes)) {
            self.dropped_bytes += n;
        }
    }

    /// Sends an event behind the output so far. Snapshots may be dropped, others never are.
    pub fn event(&mut self, event: SessionEvent) {
        self.flush();
        self.send(event);
    }

    /// Waits for room, but not for somebody who does not read when the session is asked to end for the second time.
    fn send_in_time(&mut self, mut event: SessionEvent) {
        // The end itself is always told: then the receiver waits for nothing else.
        if matches!(event, SessionEvent::Ended(_)) {
            self.closed |= self.sender.blocking_send(event).is_err();
            return;
        }
        while !self.closed {
            match self.sender.try_send(event) {
                Ok(()) => return,
                Err(TrySendError::Closed(_)) => {
                    self.closed = true;
                    return;
                }
                Err(TrySendError::Full(back)) => {
                    self.closed = is_impatient();
                    event = back;
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    fn send(&mut self, event: SessionEvent) -> bool {
        let droppable = matches!(event, SessionEvent::Output(_) | SessionEvent::Snapshot(_));
        if droppable && self.delivery == Delivery::Droppable {
            match self.sender.try_send(event) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => false,
                Err(TrySendError::Closed(_)) => {
                    self.closed = true;
                    true
                }
            }
        } else {
            self.send_in_time(event);
            true
        }
    }
}
