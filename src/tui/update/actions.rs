//! What each action does.

use std::time::Duration;

use super::{editor, focus, layers, live, palette, probes, session, unsaved};
use crate::{
    runtime::session::SessionCommand,
    tui::{
        action::Act,
        app::{AfterSave, Effect, Layer, Model, PromptKind},
        disk::Job,
        engine::StartRequest,
        given,
        layout::Pane,
        model::{live::LiveView, text_input::TextInput},
        profile::Profile,
        shape,
    },
};

/// Pressed again within this, stop means now.
const FORCE_WITHIN: Duration = Duration::from_secs(2);

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match act {
        Act::Run if lacks_arguments(model) => ask_given(model, true),
        Act::Run => run(model, false, effects),
        Act::Arguments => ask_given(model, false),
        Act::Stop => stop(model, effects),
        Act::Save => session::save(model, AfterSave::Stay, effects),
        Act::SaveAs => {
            let name = model.script.path.as_ref().map_or(model.script.name.clone(), |p| p.display().to_string());
            session::ask(model, PromptKind::SaveAs(AfterSave::Stay), &name);
        }
        Act::Open => session::ask(model, PromptKind::Open, ""),
        Act::New => session::new_script(model),
        Act::Recover => effects.push(Effect::Disk(Job::FindLeft { path: None, asked: true })),
        Act::PreviousScript => unsaved::bring_back(model),
        Act::Quit => unsaved::ask_quit(model, effects),
        Act::Palette => palette::open(model, ""),
        Act::Theme => palette::open(model, "theme "),
        Act::Help => model.layers.push(Layer::Help { scroll: 0 }),
        Act::NextPane => focus(model, model.focus.step(true)),
        Act::PreviousPane => focus(model, model.focus.step(false)),
        Act::Pane1 => focus(model, Pane::Probes),
        Act::Pane2 => focus(model, Pane::Script),
        Act::Pane3 => focus(model, Pane::Live),
        Act::Pane4 => focus(model, Pane::Log),
        Act::Zoom => model.layout.zoom = !model.layout.zoom,
        Act::Layout => {
            model.layout.mode = model.layout.mode.next();
            model.layout.zoom = false;
            let name = model.layout.mode.name();
            model.say(format!("layout: {name}"));
        }
        Act::PaneLeft => go(model, -1, 0),
        Act::PaneRight => go(model, 1, 0),
        Act::PaneUp => go(model, 0, -1),
        Act::PaneDown => go(model, 0, 1),
        Act::Narrower => grow(model, -4, 0),
        Act::Wider => grow(model, 4, 0),
        Act::Taller => grow(model, 0, 2),
        Act::Shorter => grow(model, 0, -2),
        Act::EvenSizes => model.layout.even(),
        Act::Keymap => palette::open(model, "keymap "),
        Act::Settings => settings(model),
        Act::Mouse => {
            model.mouse = !model.mouse;
            effects.push(Effect::Mouse(model.mouse));
            model.say(if model.mouse {
                "the mouse works here"
            } else {
                "the mouse is the terminal's: select text with it"
            });
        }
        Act::Suspend => effects.push(Effect::Suspend),
        Act::Redraw => effects.push(Effect::Redraw),
        Act::Back => back(model),
        Act::Up => step(model, -1),
        Act::Down => step(model, 1),
        Act::PageUp => step(model, -page(model)),
        Act::PageDown => step(model, page(model)),
        Act::Top => edge(model, false),
        Act::Bottom => edge(model, true),
        Act::Left => sideways(model, false),
        Act::Right => sideways(model, true),
        Act::Filter => match model.focus {
            Pane::Probes => model.browser.typing = true,
            Pane::Live => {
                let filter = model.live.state().map(|s| s.filter.clone()).unwrap_or_default();
                session::ask(model, PromptKind::LiveFilter, &filter);
            }
            Pane::Log => {
                let grep = model.log.grep.clone();
                session::ask(model, PromptKind::Grep, &grep);
            }
            Pane::Script => session::ask(model, PromptKind::Find, ""),
        },
        Act::Copy => copy(model, effects),
        Act::Export => super::session::ask_export(model),
        Act::Enter => enter(model),
        Act::Latency
        | Act::CountBy
        | Act::CountHits
        | Act::ArgsToLog
        | Act::ErrorsBy
        | Act::StacksBy
        | Act::Insert
        | Act::Pin
        | Act::Documentation
        | Act::FindProbe => probes::perform(model, act, effects),
        Act::Toggle => live::toggle_probe(model, effects),
        Act::Find => {
            let text = model.script.find.clone();
            session::ask(model, PromptKind::Find, &text);
        }
        Act::GoToLine => session::ask(model, PromptKind::GoToLine, ""),
        Act::Pause
        | Act::StepBack
        | Act::StepForward
        | Act::JumpBack
        | Act::JumpForward
        | Act::Oldest
        | Act::Newest
        | Act::GoToTime
        | Act::View
        | Act::Sort
        | Act::Reverse
        | Act::Columns
        | Act::Follow
        | Act::DrillUp
        | Act::Clear
        | Act::Costs => live::perform(model, act, effects),
        Act::FollowLog => follow_log(model),
        Act::Wrap => model.log.wrap = !model.log.wrap,
        Act::Only => model.log.only = !model.log.only,
        Act::NextMatch | Act::PreviousMatch if model.focus == Pane::Script => {
            layers::report_find(model, act == Act::NextMatch, false);
        }
        Act::NextMatch | Act::PreviousMatch => {
            let until = model.until();
            if !model.log.next_match(act == Act::NextMatch, until) {
                model.complain("no more matches");
            }
        }
        Act::Times => model.log.times = !model.log.times,
        // All others move in the script or change it.
        _ => editor::perform(model, act, effects),
    }
}

/// To the pane in that direction; where only one is on screen, to the one before or after.
fn go(model: &mut Model, dx: i32, dy: i32) {
    let areas = model.areas();
    let alone = Pane::ALL.iter().filter(|pane| areas.pane(**pane).is_some()).count() == 1;
    if alone {
        focus(model, model.focus.step(dx + dy > 0));
    } else if let Some(pane) = areas.neighbour(model.focus, dx, dy) {
        focus(model, pane);
    }
}

fn grow(model: &mut Model, columns: i32, rows: i32) {
    if !model.layout.grow(model.size, model.focus, columns, rows) {
        model.complain(match (model.layout.zoom, columns) {
            (true, _) => "this pane has the whole screen; {zoom} gives it back",
            (_, 0) => "this pane gets no taller or shorter here",
            _ => "this pane gets no wider or narrower here",
        });
    }
}

/// What holds, where it comes from and what is wrong with it.
fn settings(model: &mut Model) {
    let mut lines = Vec::new();
    if !model.settings.problems.is_empty() {
        lines.push("What is wrong:".to_owned());
        lines.extend(model.settings.problems.iter().map(|problem| format!("  {problem}")));
        lines.push(String::new());
    }
    let now = crate::tui::settings::Settings {
        keymap: model.keymap.clone(),
        vim: model.vim.is_some(),
        theme: Some(model.theme.name.clone()),
        mouse: Some(model.mouse),
        ..model.settings.clone()
    };
    lines.extend(crate::tui::settings::template(&now).lines().map(str::to_owned));
    lines.push(String::new());
    lines.push("`tapdeck settings` prints this, to begin a file with.".to_owned());
    model.layers.push(Layer::Text { title: "Settings".into(), lines, scroll: 0, diff: false });
}

/// The script needs more arguments than it has.
fn lacks_arguments(model: &Model) -> bool {
    given::wanted(&model.script.text(), &model.script.tokens) > model.script.given.args.len()
}

fn ask_given(model: &mut Model, run: bool) {
    let line = given::line(&model.script.given);
    session::ask(model, PromptKind::Given { run }, &line);
}

/// Compiles and runs the editor's text; what runs now goes on until the new one does. `is_confirmed`: however far it reaches.
pub fn run(model: &mut Model, is_confirmed: bool, effects: &mut Vec<Effect>) {
    let run = model.run.next;
    model.run.next += 1;
    model.run.compiling = Some((run, model.now));
    model.run.attaching = None;
    model.run.failed = None;
    model.run.pending = (model.script.name_text(), model.script.text());
    model.script.popup = None;
    effects.push(Effect::Start(StartRequest {
        run,
        text: model.script.bytes(),
        file_name: model.script.display_name(),
        options: model.script.given.clone(),
        is_confirmed,
    }));
}

fn stop(model: &mut Model, effects: &mut Vec<Effect>) {
    // One that is still on its way is stopped as soon as it is there.
    let given_up = model.run.compiling.take().map(|(run, _)| run);
    if given_up.is_some() {
        model.run.given_up = given_up;
        model.run.attaching = None;
    }
    if given_up.is_some() && !model.is_tracing() {
        model.say("given up: it does not run");
    } else if model.is_tracing() {
        let again = model.run.stopped_at.is_some_and(|at| model.now.saturating_sub(at) < FORCE_WITHIN);
        if again {
            effects.push(Effect::Command(SessionCommand::Kill));
            model.say("stopped at once: end probes did not run");
        } else {
            effects.push(Effect::Command(SessionCommand::Stop));
            model.run.stopping = true;
            model.run.stopped_at = Some(model.now);
            model.say("stopping: end probes run; again for at once");
        }
    } else {
        unsaved::stop_again(model, effects);
    }
}

/// Esc peels exactly one layer; popups and layers had their turn before.
fn back(model: &mut Model) {
    match model.focus {
        Pane::Probes if !model.browser.filter.text().is_empty() => {
            model.browser.filter.clear();
            model.browser.refilter();
        }
        Pane::Script if model.script.is_selecting() => model.script.cancel_selection(),
        Pane::Script if !model.script.find.is_empty() => model.script.find.clear(),
        Pane::Live if model.live.view == LiveView::Costs => live::costs(model),
        Pane::Live if live::is_inside(model) => drop(live::drill_up(model)),
        Pane::Live if model.live.state().is_some_and(|s| !s.filter.is_empty()) => {
            if let Some(state) = model.live.state_mut() {
                state.filter.clear();
            }
            model.live.refresh(&model.history, model.cursor, model.now);
        }
        Pane::Live | Pane::Log if model.cursor.is_some() => {
            model.cursor = None;
            live::moved_in_time(model);
        }
        Pane::Log if !model.log.grep.is_empty() => model.log.set_grep(""),
        Pane::Log if model.log.selected.is_some() => model.log.selected = None,
        _ if model.layout.zoom => model.layout.zoom = false,
        Pane::Script if model.vim.is_some() => (),
        Pane::Script => focus(model, if model.info().is_some() { Pane::Live } else { Pane::Probes }),
        _ => model.toast = None,
    }
}

fn page(model: &Model) -> isize {
    model.areas().pane(model.focus).map_or(10, |area| area.height.saturating_sub(5).max(1)) as isize
}

fn step(model: &mut Model, rows: isize) {
    match model.focus {
        Pane::Probes => {
            model.browser.step(rows);
            model.browser.described.moved(model.now);
        }
        Pane::Script => model.script.page(rows, false),
        Pane::Live => live::step(model, rows),
        Pane::Log => {
            let until = model.until();
            model.log.step(rows, until);
        }
    }
}

fn edge(model: &mut Model, last: bool) {
    match model.focus {
        Pane::Log if last => model.log.selected = None,
        Pane::Log => {
            let until = model.until();
            model.log.top(until);
        }
        _ => step(model, if last { isize::MAX / 2 } else { isize::MIN / 2 }),
    }
}

fn sideways(model: &mut Model, right: bool) {
    match model.focus {
        Pane::Probes => model.browser.toggle(Some(right)),
        Pane::Live if model.live.view != LiveView::Costs => {
            let n = model.live.pages().len().max(1);
            model.live.turn_to((model.live.page + if right { 1 } else { n - 1 }) % n);
            model.live.drilled = false;
            if n == 1 {
                model.complain("there is one table; {sort} sorts it, {filter} filters");
            }
        }
        _ => (),
    }
}

fn enter(model: &mut Model) {
    match model.focus {
        Pane::Probes => probes::enter(model),
        Pane::Live => live::enter(model),
        Pane::Log => {
            let until = model.until();
            let Some((number, received)) = model.log.selected_line(until).map(|line| (line.number, line.received))
            else {
                return;
            };
            if !model.log.toggle(number) {
                model.cursor = model.history.from(received);
                live::moved_in_time(model);
            }
        }
        Pane::Script => (),
    }
}

/// The log follows its end, or stays where it is.
fn follow_log(model: &mut Model) {
    let until = model.until();
    model.log.selected = match model.log.selected {
        Some(_) => None,
        None => model.log.selected_line(until).map(|line| line.number),
    };
}

fn copy(model: &mut Model, effects: &mut Vec<Effect>) {
    // Of the file that was just written, as the message says.
    if let Some(path) = model.toast.take_if(|toast| toast.path.is_some()).and_then(|toast| toast.path) {
        model.say(format!("copied: {path}"));
        effects.push(Effect::Copy(path));
        return;
    }
    let until = model.until();
    let text = match model.focus {
        Pane::Probes => model.browser.selected_entry().map(|entry| entry.point.to_string()),
        Pane::Script => Some(model.script.copy()),
        Pane::Log => model.log.selected_line(until).map(|line| line.text.clone()),
        Pane::Live => model.live.state().and_then(|state| {
            let table = model.sample()?.snapshot.tables.get(model.live.current_table()?)?;
            let view = state.order.get(state.selected_at()?)?;
            let row = table.rows.get(view.idx)?;
            Some(format!("{}\t{}", view.key.replace(shape::KEY_SEPARATOR, "\t"), shape::datum(&row.value)))
        }),
    };
    match text {
        Some(text) => {
            // What lies between may drop it, and does not say so.
            let else_ = if model.profile == Profile::Local { "" } else { "; {export} writes a file instead" };
            model.say(format!("copied: {}{else_}", text.lines().next().unwrap_or("")));
            effects.push(Effect::Copy(text));
        }
        None => model.complain("nothing is selected"),
    }
}

/// An empty prompt line for `kind`.
pub fn prompt(kind: PromptKind, text: &str) -> Layer {
    Layer::Prompt { kind, input: TextInput::new(text) }
}
