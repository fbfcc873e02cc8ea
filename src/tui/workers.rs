//! Threads that check the script, list probes and look them up, so that the loop never waits for a compiler.

use std::{
    sync::{Arc, mpsc as std_mpsc},
    thread,
};

use tokio::sync::mpsc;

use super::{
    app::Msg,
    engine::{Catalogue, Checker},
};

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
        }
    });
    ask_tx
}

/// Lists all probes, then answers what one of them offers.
pub fn catalogue(catalogue: Arc<dyn Catalogue>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<String> {
    let (point_tx, point_rx) = std_mpsc::channel::<String>();
    let (loader, load_tx) = (Arc::clone(&catalogue), tx.clone());
    thread::spawn(move || {
        loader.load(&mut |batch| load_tx.send(Msg::Catalogue(batch)).is_ok());
        let _ = load_tx.send(Msg::CatalogueDone);
    });
    thread::spawn(move || {
        while let Ok(first) = point_rx.recv() {
            let point = point_rx.try_iter().last().unwrap_or(first);
            let detail = catalogue.detail(&point);
            if tx.send(Msg::Detail { point, detail }).is_err() {
                return;
            }
        }
    });
    point_tx
}
