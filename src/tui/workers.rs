//! Threads that check the script, list probes and look them up, so that the loop never waits for a compiler.

use std::{
    sync::{Arc, mpsc as std_mpsc},
    thread,
};

use tokio::sync::mpsc;

use super::{
    app::Msg,
    engine::{Catalogue, Checker},
    model::browser::Look,
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

/// Lists all probes, then answers what is asked of them.
pub fn catalogue(catalogue: Arc<dyn Catalogue>, tx: mpsc::UnboundedSender<Msg>) -> std_mpsc::Sender<Look> {
    let (look_tx, look_rx) = std_mpsc::channel::<Look>();
    let (loader, load_tx) = (Arc::clone(&catalogue), tx.clone());
    thread::spawn(move || {
        loader.load(&mut |batch| load_tx.send(Msg::Catalogue(batch)).is_ok());
        let _ = load_tx.send(Msg::CatalogueDone);
    });
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
