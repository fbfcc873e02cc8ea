//! Threads that check the script, list probes and look them up, so that the loop never waits for a compiler.

use std::{
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    app::Msg,
    engine::{Catalogue, Checker},
    model::browser::Look,
};
use crate::sys::heap;

/// A question for the checker's thread.
pub enum Ask {
    Check { version: u64, text: String, args: Vec<String> },
    Complete { text: String, cursor: usize },
}

/// A thread that answers the newest question of each kind; stale ones are dropped unanswered.
pub fn checker(checker: Arc<dyn Checker>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<Ask> {
    let (ask_tx, ask_rx) = std_mpsc::channel::<Ask>();
    thread::spawn(move || {
        while let Ok(first) = ask_rx.recv() {
            let (mut check, mut complete) = (None, None);
            for ask in std::iter::once(first).chain(ask_rx.try_iter()) {
                match ask {
                    Ask::Check { .. } => check = Some(ask),
                    Ask::Complete { .. } => complete = Some(ask),
                }
            }
            let compiles = check.is_some();
            // Someone waits for the completion; the check can wait.
            for ask in [complete, check].into_iter().flatten() {
                let msg = match ask {
                    Ask::Check { version, text, args } => Msg::Checked { version, list: checker.check(&text, &args) },
                    Ask::Complete { text, cursor } => Msg::Completed { list: checker.complete(&text, cursor) },
                };
                if tx.send(msg).is_err() {
                    return;
                }
            }
            if compiles {
                heap::give_back();
            }
        }
    });
    ask_tx
}

/// Lists all probes, then answers what is asked of them.
pub fn catalogue(catalogue: Arc<dyn Catalogue>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<Look> {
    let (look_tx, look_rx) = std_mpsc::channel::<Look>();
    let (loader, load_tx) = (Arc::clone(&catalogue), tx.clone());
    thread::spawn(move || list(&*loader, &load_tx));
    thread::spawn(move || {
        while let Ok(first) = look_rx.recv() {
            // Of the points walked over and the names being typed only the last is still wanted.
            let (mut detail, mut with_type, mut others) = (None, None, Vec::new());
            for look in std::iter::once(first).chain(look_rx.try_iter()) {
                match look {
                    Look::Detail(_) => detail = Some(look),
                    Look::WithType(_) => with_type = Some(look),
                    Look::Members { .. } => others.push(look),
                }
            }
            for look in others.into_iter().chain(with_type).chain(detail) {
                let msg = match look {
                    Look::Detail(point) => Msg::Detail { detail: catalogue.detail(&point), point },
                    Look::Members { point, expression } => {
                        Msg::Members { members: catalogue.members(&point, &expression), point, expression }
                    }
                    Look::WithType(part) => Msg::WithType { points: catalogue.with_type(&part), part },
                };
                if tx.send(msg).is_err() {
                    return;
                }
            }
        }
    });
    look_tx
}

/// How often one looks how far the index is.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Hands over the catalogue, then what is better than the first of it, and meanwhile how far the index is that this waits for.
fn list(catalogue: &dyn Catalogue, tx: &mpsc::UnboundedSender<Msg>) {
    let (done_tx, done) = std_mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut told = None;
            while done.recv_timeout(LOOK_EVERY) == Err(std_mpsc::RecvTimeoutError::Timeout) {
                let part = catalogue.indexed();
                if let Some(part) = part.filter(|_| part != told) {
                    told = Some(part);
                    let _ = tx.send(Msg::Indexed(part));
                }
            }
        });
        catalogue.load(&mut |batch| tx.send(Msg::Catalogue(batch)).is_ok());
        if let Some((group, entries)) = catalogue.better() {
            let _ = tx.send(Msg::CatalogueInstead { group, entries });
        }
        // Making the list took several times its room.
        heap::give_back();
        drop(done_tx);
    });
    let _ = tx.send(Msg::CatalogueDone);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::tui::engine::{CatalogueEntry, ProbeDetail};

    /// Has its functions when the index has been looked at often enough.
    #[derive(Default)]
    struct Slow(AtomicU8);

    impl Catalogue for Slow {
        fn load(&self, sink: &mut dyn FnMut(Vec<CatalogueEntry>) -> bool) {
            sink(Vec::new());
        }

        fn better(&self) -> Option<(&'static str, Vec<CatalogueEntry>)> {
            while self.0.load(Ordering::Relaxed) < 30 {
                thread::yield_now();
            }
            Some(("functions", Vec::new()))
        }

        fn indexed(&self) -> Option<u8> {
            Some(self.0.fetch_add(10, Ordering::Relaxed))
        }

        fn detail(&self, _: &str) -> ProbeDetail {
            ProbeDetail::default()
        }
    }

    #[test]
    fn how_far_the_index_is_comes_behind_what_is_there_at_once() {
        let (tx, mut rx) = mpsc::unbounded_channel();
        list(&Slow::default(), &tx);
        let told = std::iter::from_fn(|| rx.try_recv().ok()).map(|msg| match msg {
            Msg::Catalogue(_) => "part".to_owned(),
            Msg::CatalogueInstead { group, .. } => group.to_owned(),
            Msg::Indexed(part) => part.to_string(),
            Msg::CatalogueDone => "done".to_owned(),
            other => format!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), ["part", "0", "10", "20", "functions", "done"]);
    }
}
