//! What the line to the terminal costs and what a slow one is spared.

use std::sync::Arc;

use super::*;
use crate::{runtime::session::SessionEvent, tui::profile::Profile};

/// Seconds pass in which nothing is traced; the bytes of each frame.
fn quiet_seconds(profile: Profile) -> Vec<usize> {
    let mut drive = tracing(120, 40);
    drive.model.profile = profile;
    drive.press("<Down>").wait(5);
    let run = drive.model.run.current.unwrap();
    let still = Arc::clone(&drive.model.history.latest().unwrap().snapshot);
    let mut screen = Screen::new((120, 40));
    let mut second = |n: u64| {
        let mut snapshot = (*still).clone();
        snapshot.at += Duration::from_secs(n);
        drive.model.now += Duration::from_secs(1);
        drive.send(Msg::Engine(EngineEvent::Session { run, event: SessionEvent::Snapshot(Arc::new(snapshot)) }));
        drive.send(Msg::Tick);
        let (buffer, cursor) = drive.draw();
        screen.frame(buffer, cursor).len()
    };
    // Rates and sparklines come to rest.
    (1..60).map(&mut second).collect::<Vec<_>>().split_off(30)
}

#[test]
fn over_ssh_a_second_in_which_nothing_happens_costs_nothing() {
    let local = quiet_seconds(Profile::Local);
    assert!(local.iter().all(|bytes| (1..200).contains(bytes)), "a clock: {local:?}");
    let ssh = quiet_seconds(Profile::Ssh);
    let changes = ssh.iter().filter(|bytes| **bytes > 0).count();
    assert!(changes <= 2, "the minute, at most: {ssh:?}");
}

#[test]
fn the_line_is_on_the_status_bar_and_beside_the_costs() {
    let mut drive = tracing(200, 50);
    drive.send(Msg::Line { bytes_per_s: 1130.0, slowed: None });
    let screen = drive.screen();
    let status = screen.lines().next().unwrap();
    assert!(status.contains("out 1.1K/s") && !status.contains("slow"), "{status}");
    drive.send(Msg::Line { bytes_per_s: 90.0, slowed: Some(Duration::from_millis(500)) });
    drive.press("p");
    let screen = drive.screen();
    assert!(screen.lines().next().unwrap().contains("slow line: 0.5 s a frame"), "{screen}");
    assert!(screen.contains("the terminal gets 90B/s, data at most every 500 ms"), "{screen}");
    drive.press("<C-c>");
    assert!(!drive.screen().contains("out 90B/s"), "nothing runs: nothing to say");
}

#[test]
fn slow_leaves_out_rules_and_seconds() {
    let mut drive = tracing(80, 24);
    drive.model.glyphs = ASCII;
    drive.model.theme = Theme::load("default", None, Depth::Mono).unwrap();
    let with = drive.screen();
    drive.model.profile = Profile::Slow;
    let without = drive.screen();
    assert!(with.contains("RUN 00:25") && without.contains("RUN 0 min"), "{without}");
    let rules = |screen: &str| screen.matches("----").count();
    assert!(rules(&without) < rules(&with), "{without}");
}

/// The bars the design sets, as numbers that cannot drift unseen.
#[test]
fn bytes_on_the_line() {
    let mut drive = tracing(120, 40);
    let mut screen = Screen::new((120, 40));
    let mut frame = |drive: &Drive| {
        let (buffer, cursor) = drive.draw();
        screen.frame(buffer, cursor).len()
    };
    let first = frame(&drive);
    assert!(first < 12_000, "first paint: {first} bytes");
    assert_eq!(frame(&drive), 0, "nothing changed");
    drive.wait(5);
    frame(&drive);
    let mut total = 0;
    for _ in 0..10 {
        drive.wait(1);
        total += frame(&drive);
    }
    assert!(total / 10 < 2_000, "live at 1 Hz: {} bytes a second", total / 10);
    drive.press("<Down>");
    let step = frame(&drive);
    // The row's histogram changes with it.
    assert!(step < 1_600, "one row down: {step} bytes");
    drive.press("v");
    frame(&drive);
    drive.wait(1);
    let heat = frame(&drive);
    assert!(heat < 2_000, "heatmap tick: {heat} bytes");
    drive.press("?");
    let help = frame(&drive);
    assert!(help < 4_096, "help: {help} bytes");
    drive.press("<esc>");
    frame(&drive);
    drive.press(":");
    let palette = frame(&drive);
    assert!(palette < 4_096, "palette: {palette} bytes");
}

#[test]
fn one_that_rests_wants_nothing_of_the_clock() {
    let mut drive = Drive::new(120, 40);
    drive.press("openat<esc><Down>").wait(30);
    assert_eq!(drive.model.next_deadline(), None);
    let mut drive = tracing(120, 40);
    drive.wait(60);
    assert!(drive.model.is_tracing());
    assert_eq!(drive.model.next_deadline(), None, "samples come by themselves");
}

/// A row down in the list of probes is answered at once; what stands below the list follows when the selection rests.
#[test]
fn a_row_that_is_passed_by_is_not_described() {
    let mut drive = Drive::new(120, 40);
    // An open group; the key bar is already that of probes.
    drive.press("<esc><Right><Down>");
    let mut screen = Screen::new((120, 40));
    let mut frame = |drive: &Drive| {
        let (buffer, cursor) = drive.draw();
        screen.frame(buffer, cursor).len()
    };
    frame(&drive);
    let down = parse_keys("<Down>")[0];
    for _ in 0..4 {
        let selected = drive.model.browser.selected;
        drive.send(Msg::Key(down));
        assert_eq!(drive.model.browser.selected, selected + 1);
        let bytes = frame(&drive);
        assert!((20..=200).contains(&bytes), "{bytes}");
        drive.model.now += Duration::from_millis(50);
        drive.send(Msg::Tick);
        assert_eq!(frame(&drive), 0);
    }
    let due = drive.model.next_deadline().unwrap();
    assert!(due > drive.model.now);
    drive.model.now = due;
    drive.send(Msg::Tick);
    assert!(frame(&drive) > 20, "now it is");
    assert_eq!(drive.model.next_deadline(), None);
}
