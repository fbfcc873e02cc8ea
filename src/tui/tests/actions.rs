//! Every row of the table of actions has its keys pressed, in every preset, where they mean something: [`CASES`] says how to
//! come there and what is another afterwards. A row without a case fails.

use super::*;
use crate::tui::{
    action::{Action, Preset, Where},
    input::keymap::Keymap,
    model::live::LiveView,
};

/// A part of the model that an action may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Focus,
    Layer,
    Layout,
    Run,
    /// The script's text, its cursor, selection and completions.
    Text,
    Caret,
    Selection,
    Popup,
    /// The browser's rows, its selection, pins.
    Rows,
    Probe,
    Pins,
    Enabled,
    /// The time cursor.
    Time,
    View,
    Sort,
    /// The selected row, whether it is followed, what was gone into.
    Row,
    Followed,
    Drilled,
    /// What the log shows and what is selected in it.
    Log,
    LogRow,
    LogLines,
    Said,
    /// Something is asked of the outside.
    Effect,
}

use Part::*;

fn look(drive: &Drive, part: Part) -> String {
    let model = &drive.model;
    let state = model.live.state();
    match part {
        Focus => format!("{:?}", model.focus),
        Layer => model.layers.iter().map(|layer| format!("{layer:?}").chars().take(40).collect::<String>()).collect(),
        Layout => format!("{:?}", model.layout),
        Run => format!("{} {:?} {}", model.run.next, model.run.current, model.run.stopping),
        Text => model.script.text(),
        Caret => format!("{:?}", model.script.cursor()),
        Selection => format!("{} {:?}", model.script.is_selecting(), model.script.selection()),
        Popup => model.script.popup.is_some().to_string(),
        Rows => model.browser.rows().len().to_string(),
        Probe => format!("{:?}", model.browser.selected_row()),
        Pins => format!("{:?}", model.browser.pinned),
        Enabled => {
            format!("{:?}", model.sample().unwrap().snapshot.cost.probes.iter().map(|p| p.enabled).collect::<Vec<_>>())
        }
        Time => format!("{:?}", model.cursor),
        View => format!("{:?}", model.live.view),
        Sort => format!("{:?}", state.map(|state| (state.sort, state.ascending))),
        Row => format!("{:?}", state.and_then(|state| state.selected.clone())),
        Followed => format!("{:?}", state.map(|state| state.chosen)),
        Drilled => model.live.drilled.to_string(),
        Log => format!("{} {} {} {}", model.log.wrap, model.log.only, model.log.times, model.log.grep),
        LogRow => format!("{:?}", model.log.selected),
        LogLines => model.log.lines().len().to_string(),
        Said => model.toast.as_ref().map_or(String::new(), |toast| toast.text.clone()),
        Effect => format!("{:?}", drive.left),
    }
}

struct Case {
    act: Act,
    place: Where,
    /// The pane it is tried in.
    pane: Pane,
    /// What is done before the key is pressed.
    before: fn(&mut Drive),
    changes: &'static [Part],
}

const fn case(act: Act, place: Where, pane: Pane, changes: &'static [Part], before: fn(&mut Drive)) -> Case {
    Case { act, place, pane, before, changes }
}

fn nothing(_: &mut Drive) {}

/// `openat` found in the browser.
fn on_openat(drive: &mut Drive) {
    drive.model.browser.look_for("syscall.openat");
}

fn twice(drive: &mut Drive, act: Act) {
    drive.act(act);
    drive.act(act);
}

/// A script with a mistake in its third line.
fn mistaken(drive: &mut Drive) {
    drive.act(Act::New);
    drive.send(Msg::Paste("global n\nprobe begin {\n  n = get_time()\n}".into()));
    drive.wait(1);
    drive.act(Act::TextStart);
}

/// The caret in the middle of a script of a hundred lines, in the middle of a line.
fn in_the_middle(drive: &mut Drive) {
    drive.act(Act::New);
    drive.send(Msg::Paste("  word another third\n".repeat(100)));
    drive.model.script.jump(50, 9);
}

#[rustfmt::skip] // A row a line: this is read as a table.
const CASES: &[Case] = &[
    case(Act::Run, Where::Everywhere, Pane::Live, &[Run], nothing),
    case(Act::Stop, Where::Everywhere, Pane::Live, &[Run], nothing),
    case(Act::Arguments, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Save, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::SaveAs, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Open, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::New, Where::Everywhere, Pane::Live, &[Text, Focus], nothing),
    case(Act::Recover, Where::Everywhere, Pane::Live, &[Effect], nothing),
    case(Act::PreviousScript, Where::Everywhere, Pane::Live, &[Text], |d| { d.model.focus = Pane::Script; d.press("x"); d.act(Act::New); }),
    case(Act::Palette, Where::Everywhere, Pane::Script, &[Layer], nothing),
    case(Act::Help, Where::Everywhere, Pane::Script, &[Layer], nothing),
    case(Act::NextPane, Where::Everywhere, Pane::Script, &[Focus], nothing),
    case(Act::PreviousPane, Where::Everywhere, Pane::Script, &[Focus], nothing),
    case(Act::Quit, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Suspend, Where::Everywhere, Pane::Live, &[Effect], nothing),
    case(Act::Redraw, Where::Everywhere, Pane::Live, &[Effect], nothing),
    case(Act::Theme, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Keymap, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Settings, Where::Everywhere, Pane::Live, &[Layer], nothing),
    case(Act::Mouse, Where::Everywhere, Pane::Live, &[Effect, Said], nothing),
    case(Act::Back, Where::Everywhere, Pane::Live, &[Layout], |d| d.act(Act::Zoom)),

    case(Act::Palette, Where::Panes, Pane::Live, &[Layer], nothing),
    case(Act::Help, Where::Panes, Pane::Live, &[Layer], nothing),
    case(Act::Quit, Where::Panes, Pane::Live, &[Layer], nothing),
    case(Act::NextPane, Where::Panes, Pane::Live, &[Focus], nothing),
    case(Act::PreviousPane, Where::Panes, Pane::Live, &[Focus], nothing),
    case(Act::Pane1, Where::Panes, Pane::Live, &[Focus], nothing),
    case(Act::Pane2, Where::Panes, Pane::Live, &[Focus], nothing),
    case(Act::Pane3, Where::Panes, Pane::Log, &[Focus], nothing),
    case(Act::Pane4, Where::Panes, Pane::Live, &[Focus], nothing),
    case(Act::Zoom, Where::Panes, Pane::Live, &[Layout], nothing),
    case(Act::Layout, Where::Panes, Pane::Live, &[Layout], nothing),
    case(Act::Down, Where::Panes, Pane::Live, &[Row], nothing),
    case(Act::Up, Where::Panes, Pane::Live, &[Row], |d| d.act(Act::Down)),
    case(Act::Left, Where::Panes, Pane::Probes, &[Probe], |d| { d.act(Act::Back); d.act(Act::Top); d.act(Act::Down); }),
    case(Act::Right, Where::Panes, Pane::Probes, &[Rows], |d| { d.act(Act::Back); d.act(Act::Bottom); }),
    case(Act::PageDown, Where::Panes, Pane::Live, &[Row], nothing),
    case(Act::PageUp, Where::Panes, Pane::Live, &[Row], |d| d.act(Act::PageDown)),
    case(Act::Top, Where::Panes, Pane::Probes, &[Probe], |d| { d.act(Act::Back); d.act(Act::Bottom); }),
    case(Act::Bottom, Where::Panes, Pane::Probes, &[Probe], |d| { d.act(Act::Back); d.act(Act::Top); }),
    case(Act::Filter, Where::Panes, Pane::Live, &[Layer], nothing),
    case(Act::NextMatch, Where::Panes, Pane::Live, &[Said], nothing),
    case(Act::PreviousMatch, Where::Panes, Pane::Live, &[Said], nothing),
    case(Act::Copy, Where::Panes, Pane::Live, &[Effect], nothing),
    case(Act::Export, Where::Panes, Pane::Live, &[Layer], nothing),

    case(Act::PaneLeft, Where::Windows, Pane::Live, &[Focus], nothing),
    case(Act::PaneDown, Where::Windows, Pane::Live, &[Focus], nothing),
    case(Act::PaneUp, Where::Windows, Pane::Live, &[Focus], nothing),
    case(Act::PaneRight, Where::Windows, Pane::Probes, &[Focus], nothing),
    case(Act::Narrower, Where::Windows, Pane::Live, &[Layout], nothing),
    case(Act::Wider, Where::Windows, Pane::Live, &[Layout], nothing),
    case(Act::Taller, Where::Windows, Pane::Live, &[Layout], nothing),
    case(Act::Shorter, Where::Windows, Pane::Live, &[Layout], nothing),
    case(Act::EvenSizes, Where::Windows, Pane::Live, &[Layout], |d| d.act(Act::Wider)),
    case(Act::NextPane, Where::Windows, Pane::Live, &[Focus], nothing),

    case(Act::Enter, Where::Probes, Pane::Probes, &[Text, Focus], on_openat),
    case(Act::Latency, Where::Probes, Pane::Probes, &[Run, Focus], |d| { d.act(Act::New); d.model.focus = Pane::Probes; on_openat(d); }),
    case(Act::CountBy, Where::Probes, Pane::Probes, &[Run, Text, Focus], on_openat),
    case(Act::CountHits, Where::Probes, Pane::Probes, &[Said], on_openat),
    case(Act::ArgsToLog, Where::Probes, Pane::Probes, &[Run, Text, Focus], on_openat),
    case(Act::ErrorsBy, Where::Probes, Pane::Probes, &[Run, Text, Focus], on_openat),
    case(Act::StacksBy, Where::Probes, Pane::Probes, &[Run, Text, Focus], on_openat),
    case(Act::Insert, Where::Probes, Pane::Probes, &[Text, Focus], on_openat),
    case(Act::Toggle, Where::Probes, Pane::Probes, &[Enabled], on_openat),
    case(Act::Pin, Where::Probes, Pane::Probes, &[Pins], on_openat),
    case(Act::Documentation, Where::Probes, Pane::Probes, &[Layer], on_openat),

    case(Act::Complete, Where::Script, Pane::Script, &[Popup], |d| { d.act(Act::New); d.press("g"); }),
    case(Act::NextError, Where::Script, Pane::Script, &[Caret], mistaken),
    case(Act::PreviousError, Where::Script, Pane::Script, &[Caret], mistaken),
    case(Act::Fix, Where::Script, Pane::Script, &[Text], |d| { mistaken(d); d.act(Act::NextError); }),
    case(Act::Undo, Where::Script, Pane::Script, &[Text], |d| { d.press("x"); }),
    case(Act::Redo, Where::Script, Pane::Script, &[Text], |d| { d.press("x"); d.act(Act::Undo); }),
    case(Act::Comment, Where::Script, Pane::Script, &[Text], nothing),
    case(Act::Find, Where::Script, Pane::Script, &[Layer], nothing),
    case(Act::GoToLine, Where::Script, Pane::Script, &[Layer], nothing),
    case(Act::FindProbe, Where::Script, Pane::Script, &[Focus, Probe], |d| { d.model.browser.look_for("timer"); d.act(Act::TextEnd); }),
    case(Act::SelectAll, Where::Script, Pane::Script, &[Selection], nothing),
    case(Act::CutText, Where::Script, Pane::Script, &[Text, Effect], nothing),
    case(Act::CopyText, Where::Script, Pane::Script, &[Effect], nothing),
    case(Act::PasteText, Where::Script, Pane::Script, &[Text], |d| d.act(Act::CopyText)),
    case(Act::DeleteWord, Where::Script, Pane::Script, &[Text], in_the_middle),
    case(Act::DeleteNextWord, Where::Script, Pane::Script, &[Text], in_the_middle),
    case(Act::DeleteChar, Where::Script, Pane::Script, &[Text], in_the_middle),
    case(Act::CutToEnd, Where::Script, Pane::Script, &[Text, Effect], in_the_middle),
    case(Act::Mark, Where::Script, Pane::Script, &[Selection], in_the_middle),
    case(Act::CharLeft, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::CharRight, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::LineUp, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::LineDown, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::WordLeft, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::WordRight, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::LineStart, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::LineEnd, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::TextStart, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::TextEnd, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::TextPageUp, Where::Script, Pane::Script, &[Caret], in_the_middle),
    case(Act::TextPageDown, Where::Script, Pane::Script, &[Caret], in_the_middle),

    case(Act::Pause, Where::Live, Pane::Live, &[Time], nothing),
    case(Act::StepBack, Where::Live, Pane::Live, &[Time], nothing),
    case(Act::StepForward, Where::Live, Pane::Live, &[Time], |d| twice(d, Act::StepBack)),
    case(Act::JumpBack, Where::Live, Pane::Live, &[Time], nothing),
    case(Act::JumpForward, Where::Live, Pane::Live, &[Time], |d| d.act(Act::Oldest)),
    case(Act::Oldest, Where::Live, Pane::Live, &[Time], nothing),
    case(Act::Newest, Where::Live, Pane::Live, &[Time], |d| d.act(Act::Oldest)),
    case(Act::GoToTime, Where::Live, Pane::Live, &[Layer], nothing),
    case(Act::Enter, Where::Live, Pane::Live, &[Drilled], nothing),
    case(Act::DrillUp, Where::Live, Pane::Live, &[Drilled], |d| d.act(Act::Enter)),
    case(Act::View, Where::Live, Pane::Live, &[View], nothing),
    case(Act::Sort, Where::Live, Pane::Live, &[Layer], nothing),
    case(Act::Reverse, Where::Live, Pane::Live, &[Sort, Row], nothing),
    case(Act::Columns, Where::Live, Pane::Live, &[Layer], nothing),
    case(Act::Follow, Where::Live, Pane::Live, &[Followed], nothing),
    case(Act::Clear, Where::Live, Pane::Live, &[LogLines, Said], nothing),
    case(Act::Costs, Where::Live, Pane::Live, &[View], nothing),
    case(Act::Toggle, Where::Live, Pane::Live, &[Enabled], |d| d.act(Act::Costs)),

    case(Act::Pause, Where::Log, Pane::Log, &[Time], nothing),
    case(Act::StepBack, Where::Log, Pane::Log, &[Time], nothing),
    case(Act::StepForward, Where::Log, Pane::Log, &[Time], |d| twice(d, Act::StepBack)),
    case(Act::JumpBack, Where::Log, Pane::Log, &[Time], nothing),
    case(Act::JumpForward, Where::Log, Pane::Log, &[Time], |d| d.act(Act::Oldest)),
    case(Act::GoToTime, Where::Log, Pane::Log, &[Layer], nothing),
    case(Act::Enter, Where::Log, Pane::Log, &[Time], |d| { d.act(Act::Up); d.act(Act::Up); }),
    case(Act::FollowLog, Where::Log, Pane::Log, &[LogRow], nothing),
    case(Act::Wrap, Where::Log, Pane::Log, &[Log], nothing),
    case(Act::Only, Where::Log, Pane::Log, &[Log], |d| d.model.log.set_grep("nginx")),
    case(Act::NextMatch, Where::Log, Pane::Log, &[LogRow], |d| { d.model.log.set_grep("nginx"); d.act(Act::Top); }),
    case(Act::PreviousMatch, Where::Log, Pane::Log, &[LogRow], |d| d.model.log.set_grep("nginx")),
    case(Act::Times, Where::Log, Pane::Log, &[Log], nothing),
];

impl Drive {
    /// Does an action whatever its key, as the palette does.
    pub fn act(&mut self, act: Act) {
        let mut effects = Vec::new();
        perform(&mut self.model, act, &mut effects);
        for effect in effects {
            self.do_effect(effect);
        }
        self.send(Msg::Tick);
    }
}

fn find(row: &Action, place: Where) -> Option<&'static Case> {
    CASES.iter().find(|case| case.act == row.act && case.place == place)
}

#[test]
fn every_row_has_a_case_and_every_case_a_row() {
    for row in ACTIONS {
        for place in row.places {
            assert!(find(row, *place).is_some(), "{} in '{}' is not tried: add it to CASES", row.name, place.name());
        }
    }
    for case in CASES {
        let row = ACTIONS.iter().find(|row| row.act == case.act && row.places.contains(&case.place));
        assert!(row.is_some(), "{:?} in '{}' is no row of ACTIONS", case.act, case.place.name());
    }
}

/// The keys of a row pressed in a dashboard of its own, once for each sequence; an action without keys by its name.
fn tried(row: &Action, place: Where, preset: Preset) -> Vec<String> {
    let case = find(row, place).unwrap();
    let keymap = Keymap::new(preset);
    let mut sequences: Vec<Vec<Msg>> =
        keymap.keys(row).iter().map(|keys| keys.iter().map(|chord| Msg::Key(*chord)).collect()).collect();
    if sequences.is_empty() {
        let typed = format!("<F3>{}<ret>", row.name);
        sequences.push(parse_keys(&typed).into_iter().map(Msg::Key).collect());
    }
    let mut wrong = Vec::new();
    for sequence in sequences {
        let mut drive = Drive::new(120, 40);
        drive.press("openat<ret>H").wait(12);
        drive.model.keymap = keymap.clone();
        drive.model.focus = case.pane;
        drive.model.browser.typing = false;
        (case.before)(&mut drive);
        drive.model.focus = if case.act == Act::PreviousScript { Pane::Live } else { case.pane };
        drive.model.live.hold_until = Duration::ZERO;
        drive.model.toast = None;
        let before: Vec<String> = case.changes.iter().map(|part| look(&drive, *part)).collect();
        let said: Vec<String> = sequence.iter().map(|msg| format!("{msg:?}")).collect();
        for msg in sequence {
            drive.send(msg);
        }
        // A key that may begin a sequence waits for what follows.
        drive.model.now += Duration::from_millis(600);
        drive.send(Msg::Tick);
        for (part, before) in case.changes.iter().zip(before) {
            if look(&drive, *part) == before {
                let (name, preset, toast) = (row.name, preset.name(), look(&drive, Said));
                wrong.push(format!(
                    "{name} in '{}' ({preset}) by {said:?}: {part:?} is still {before}; {toast}",
                    place.name()
                ));
            }
        }
    }
    wrong
}

#[test]
fn every_key_does_what_its_row_says() {
    let mut wrong = Vec::new();
    for preset in Preset::ALL {
        for row in ACTIONS {
            // Keys that a preset shares with the default one are tried once.
            if preset != Preset::Default && row.keys(preset) == row.keys(Preset::Default) {
                continue;
            }
            for place in row.places {
                wrong.extend(tried(row, *place, preset));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn views_follow_each_other_round() {
    let mut drive = tracing(120, 40);
    let mut seen = vec![drive.model.live.view];
    while seen.len() < 6 {
        drive.press("v");
        seen.push(drive.model.live.view);
    }
    use LiveView::{Heatmap, Histogram, Raw, Spark, Table};
    assert_eq!(seen, [Histogram, Heatmap, Spark, Raw, Table, Histogram]);
    drive.press("vvv");
    let screen = drive.screen();
    assert!(screen.contains("latency[\"nginx\"] @count="), "{screen}");
    drive.press("<Down>y");
    let Some(super::Effect::Copy(text)) = drive.left.last() else { panic!("nothing copied") };
    assert!(text.starts_with("postgres\tcount "), "{text}");
    drive.press("er");
    let Some(super::Effect::Disk(Job::Export { name, bytes, .. })) = drive.left.last() else {
        panic!("nothing exported")
    };
    assert!(name.ends_with(".txt"));
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.starts_with("# latency at 14:00:24, by count down\nlatency[\"nginx\"] @count=")
            && text.contains("\nlatency[\"postgres\"] @count="),
        "{text}"
    );
}

#[test]
fn a_long_complaint_is_read_whole() {
    let mut drive = Drive::new(80, 24);
    let words: Vec<String> = (0..40).map(|n| format!("word{n}")).collect();
    drive.send(Msg::Toast { text: words.join(" "), error: true });
    let screen = drive.screen();
    assert!(words.iter().all(|word| screen.contains(word.as_str())), "{screen}");
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[19].contains("word0 ") && lines[22].contains("word39"), "it ends where short ones are: {screen}");
    // It stays as long as it takes to read, and then nothing is left of it.
    drive.wait(10);
    assert!(drive.screen().contains("word20"));
    drive.wait(10);
    assert!(!drive.screen().contains("word2"), "{}", drive.screen());
    // What has no end has a last line.
    drive.send(Msg::Toast { text: "many words ".repeat(200), error: true });
    let screen = drive.screen();
    assert_eq!(screen.lines().filter(|line| line.contains("many words")).count(), 6, "{screen}");
}

#[test]
fn a_pause_says_what_goes_on_meanwhile() {
    let mut drive = tracing(120, 40);
    assert!(!drive.screen().contains(" live: "));
    drive.act(Act::Pause);
    drive.wait(3);
    let screen = drive.screen();
    let status = screen.lines().next().unwrap();
    assert!(status.contains("PAUSED -00:03") && status.contains(" live: ") && status.contains(" ev/s"), "{status}");
    drive.press("<C-c>");
    assert!(!drive.screen().contains(" live: "), "nothing goes on");
}
