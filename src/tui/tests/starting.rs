//! From the key to the run: questions before it, and giving it up.

use super::*;
use crate::{runtime::session::SessionEvent, tui::engine::Offer};

const WIDE: &str = "global n\nprobe kernel.function(\"*\") { n++ }\n";

/// Asked for, and not yet answered by an engine.
fn asked_for(drive: &mut Drive) -> u64 {
    let mut effects = Vec::new();
    perform(&mut drive.model, Act::Run, &mut effects);
    effects
        .iter()
        .find_map(|effect| if let Effect::Start(request) = effect { Some(request.run) } else { None })
        .unwrap()
}

#[test]
fn very_many_places_are_asked_about() {
    let mut drive = Drive::new(120, 40);
    drive.press("2");
    drive.act(Act::New);
    drive.send(Msg::Paste(WIDE.into()));
    drive.press("<C-r>");
    drive.wait(1);
    let screen = drive.screen();
    assert!(screen.contains("Arm 56257 places?") && screen.contains("⌃C takes all of it back"), "{screen}");
    assert!(!drive.model.is_tracing() && drive.model.run.compiling.is_none());
    drive.press("<esc>");
    assert!(!drive.model.is_tracing());
    drive.press("<C-r>").wait(1).press("r");
    assert!(drive.model.is_tracing());
    // An edited script is another question.
    drive.send(Msg::Paste("#".into()));
    drive.press("<C-r>");
    assert!(drive.screen().contains("What runs now "), "{}", drive.screen());
}

#[test]
fn what_is_on_its_way_is_given_up() {
    let mut drive = Drive::new(120, 40);
    drive.send(Msg::Paste("global n\nprobe syscall.* { n++ }\n".into()));
    drive.act(Act::New);
    drive.send(Msg::Paste("global n\nprobe syscall.* { n++ }\n".into()));
    let run = asked_for(&mut drive);
    drive.send(Msg::Engine(EngineEvent::Attaching { run, places: 2143 }));
    assert!(drive.screen().contains("ATTACHING 2143"), "{}", drive.screen());
    drive.press("<C-c>");
    assert!(drive.screen().contains("given up: it does not run"), "{}", drive.screen());
    assert!(drive.model.layers.is_empty() && drive.left.is_empty());
    // The engine could not be stopped half way.
    let started = SessionEvent::Started(Box::default());
    drive.send(Msg::Engine(EngineEvent::Session { run, event: started }));
    assert!(drive.model.run.stopping && drive.screen().contains("STOPPING"), "{}", drive.screen());
    // The next one is not meant.
    let run = asked_for(&mut drive);
    drive.send(Msg::Engine(EngineEvent::Session { run, event: SessionEvent::Started(Box::default()) }));
    assert!(!drive.model.run.stopping);
}

#[test]
fn what_costs_much_is_said_once() {
    let mut drive = tracing(120, 40);
    let costly = |drive: &Drive, seconds: u64| {
        let mut snapshot = (*drive.model.history.latest().unwrap().snapshot).clone();
        snapshot.at += Duration::from_secs(seconds);
        snapshot.cost.run_time_ns = snapshot.cost.run_time_ns.map(|ns| ns + seconds * 620_000_000);
        let run = drive.model.run.current.unwrap();
        Msg::Engine(EngineEvent::Session { run, event: SessionEvent::Snapshot(Arc::new(snapshot)) })
    };
    assert_eq!(drive.model.log.n_warnings, 0);
    for _ in 0..3 {
        drive.send(costly(&drive, 1));
    }
    assert_eq!(drive.model.log.n_warnings, 1);
    assert!(drive.screen().contains("the probes take 62 % of one CPU; p in pane 3 shows which"), "{}", drive.screen());
}

#[test]
fn nothing_is_fetched_unasked() {
    let offered = |drive: &mut Drive| {
        let (answer, answered) = std::sync::mpsc::channel();
        let text = "debug information of kernel 6.1.0 (build 12ab) from https://debuginfod.debian.net".to_owned();
        drive.send(Msg::Engine(EngineEvent::Offers(Offer { text, answer })));
        drive.wait(1);
        answered
    };
    for (key, agrees) in [("f", true), ("n", false), ("<esc>", false)] {
        let mut drive = Drive::new(80, 24);
        let answered = offered(&mut drive);
        let screen = drive.screen();
        assert!(screen.contains("kernel 6.1.0 (build 12ab)") && screen.contains("debuginfod.debian.net"), "{screen}");
        assert!(screen.contains("f   fetch it") && screen.contains("debuginfod = false"), "{screen}");
        assert!(answered.try_recv().is_err(), "it waits");
        drive.press(key);
        assert_eq!(answered.try_recv(), Ok(agrees), "{key}");
        assert!(drive.model.layers.is_empty());
    }
    // Who leaves says no, and so do the settings.
    let mut drive = Drive::new(80, 24);
    let answered = offered(&mut drive);
    drop(drive);
    assert_eq!(answered.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    let mut drive = Drive::new(80, 24);
    drive.model.settings.debuginfod = Some(false);
    assert_eq!(offered(&mut drive).try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    assert!(drive.model.layers.is_empty());
}
