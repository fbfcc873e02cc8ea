//! `update(model, message) -> effects`: the only place where the model changes. No clock, no file, no terminal: the same
//! messages always give the same screens.

mod actions;
mod block;
mod editor;
mod engine;
mod keys;
mod layers;
mod live;
mod mouse;
mod palette;
mod probes;
pub mod question;
mod session;
mod time;
mod unsaved;
mod warnings;

use std::time::Duration;

use super::{
    app::{Effect, Model, Msg},
    engine::EditorDiagnostic,
    layout::Pane,
    model::browser::Look,
    model::script::Script,
};
use crate::runtime::session::SessionCommand;

pub use actions::perform;
pub use live::column_choices;
pub use session::open_script;

/// After the last key, before the text is checked.
const CHECK_AFTER: Duration = Duration::from_millis(300);

/// Changes the model and says what must be done outside. `model.now` is set by the caller.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    let (version, selected) = (model.script.version, selected_point(model));
    match msg {
        Msg::Key(chord) => {
            unsaved::look_now_and_then(model, &mut effects);
            keys::key(model, chord, &mut effects);
        }
        Msg::Paste(text) => keys::paste(model, &text),
        Msg::Click { x, y } => mouse::click(model, x, y, &mut effects),
        Msg::Wheel { x, y, rows } => mouse::wheel(model, x, y, rows),
        Msg::Drag { x, y } => mouse::drag(model, x, y),
        Msg::Release => model.held = None,
        Msg::Resize(width, height) => model.size = (width, height),
        Msg::Engine(event) => engine::event(model, event, &mut effects),
        Msg::Checked { version, list } => {
            if version == model.script.version {
                set_findings(model, list);
            }
        }
        Msg::Completed { list } => model.script.show_completions(list),
        Msg::Catalogue(batch) => model.browser.extend(batch),
        Msg::CatalogueInstead { group, entries } => model.browser.supersede(group, entries),
        Msg::CatalogueDone => model.browser.complete(),
        Msg::Indexed(part) => model.browser.indexed = model.browser.loading.then_some(part),
        Msg::Detail { point, detail } => model.browser.set_detail(point, detail),
        Msg::Members { point, expression, members } => model.browser.set_members(point, expression, members),
        Msg::WithType { part, points } => model.browser.set_with_type(part, points),
        Msg::Saved { script, path, version, then, result } => {
            unsaved::saved(model, script, path, version, then, result, &mut effects);
        }
        Msg::Opened { path, result } => session::opened(model, &path, result, &mut effects),
        Msg::Touched => unsaved::look(model, &mut effects),
        Msg::Changed { script, found } => unsaved::changed(model, script, found),
        Msg::Left { left, of_file, asked } => unsaved::left(model, left, of_file, asked),
        Msg::Exported(Ok((path, much))) => exported(model, path, &much),
        Msg::Kept { script } => {
            if script == model.script.id {
                model.kept_at = Some(model.now);
            }
        }
        Msg::Exported(Err(error)) => model.complain(error),
        Msg::ThemeLoaded(Ok(theme)) => model.theme = theme,
        Msg::ThemeLoaded(Err(error)) => model.complain(error),
        Msg::Toast { text, error: true } => model.complain(text),
        Msg::Toast { text, error: false } => model.say(text),
        Msg::Line { bytes_per_s, slowed } => {
            model.line_rate = Some(bytes_per_s);
            model.slowed = slowed;
        }
        Msg::Tick => (),
        Msg::Terminate => {
            model.terminated = true;
            quit(model, &mut effects);
        }
    }
    deadlines(model, &mut effects);
    if model.script.version != version {
        model.script.tokens = model.checker.highlight(&model.script.text());
        model.check_due = Some(model.now + CHECK_AFTER);
        unsaved::edited(model);
    }
    unsaved::keep(model, &mut effects);
    let now_selected = selected_point(model);
    if now_selected != selected
        && let Some(point) = now_selected
        && model.browser.detail(&point).is_none()
    {
        effects.push(Effect::Look(Look::Detail(point)));
    }
    effects.extend(model.browser.take_wanted().into_iter().map(Effect::Look));
    model.settle();
    effects
}

/// As long as the message is there, its path can be copied.
fn exported(model: &mut Model, path: String, much: &str) {
    let can_copy = model.focus != Pane::Script;
    let hint = if can_copy { "; {copy} copies the path" } else { "" };
    let much = if much.is_empty() { String::new() } else { format!(" ({much})") };
    model.say(format!("written to {path}{much}{hint}"));
    if let Some(toast) = model.toast.as_mut().filter(|_| can_copy) {
        toast.path = Some(path);
    }
}

/// Helps may name keys.
pub(super) fn set_findings(model: &mut Model, mut list: Vec<EditorDiagnostic>) {
    for help in list.iter_mut().filter_map(|finding| finding.help.as_mut()) {
        *help = model.fill(help);
    }
    // What was seen while it ran stays true.
    if model.shows_what_runs() {
        list.extend(model.run.found.iter().cloned());
    }
    model.script.set_diagnostics(list);
}

fn selected_point(model: &Model) -> Option<String> {
    model.browser.selected_entry().map(|entry| entry.point.to_string())
}

fn deadlines(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.check_due.is_some_and(|due| due <= model.now) {
        model.check_due = None;
        effects.push(Effect::Check {
            version: model.script.version,
            text: model.script.text(),
            args: model.script.given.args.clone(),
        });
    }
    keys::sequence_timeout(model, effects);
    question::when_typing_pauses(model);
    if model.toast.as_ref().is_some_and(|toast| toast.until <= model.now) {
        model.toast = None;
    }
    if model.live.hold_until != Duration::ZERO && model.live.hold_until <= model.now {
        model.live.hold_until = Duration::ZERO;
        model.live.refresh(&model.history, model.cursor, model.now);
    }
    if model.quit_at.is_some_and(|at| at <= model.now) {
        model.quit_at = None;
        effects.push(Effect::Quit);
    }
}

/// Leaves: at once, or when the session has ended softly.
pub(super) fn quit(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.is_tracing() {
        if model.quit_at.is_none() {
            effects.push(Effect::Command(SessionCommand::Stop));
            model.run.stopping = true;
            model.quit_at = Some(model.now + Duration::from_secs(3));
            model.say("stopping: end probes run");
        } else {
            effects.push(Effect::Command(SessionCommand::Kill));
            effects.push(Effect::Quit);
        }
    } else {
        effects.push(Effect::Quit);
    }
}

/// A new script in the editor. An edited one is put aside, not overwritten: `previous-script` brings it back.
pub(super) fn put_script(model: &mut Model, name: &str, text: &str) {
    replace_script(model, Script::new(name, None, text.as_bytes()));
}

/// Another script in the editor; the one there is put aside if it would be lost.
fn replace_script(model: &mut Model, script: Script) {
    let version = model.script.version;
    let old = std::mem::replace(&mut model.script, script.after(version));
    model.script.given = model.start_options.clone();
    if old.is_unsaved() {
        model.say(format!("{} is put aside; {{previous-script}} brings it back", old.display_name()));
        model.aside.push(old);
    }
}

/// Moves the focus and remembers nothing else: layouts make the pane visible.
pub(super) fn focus(model: &mut Model, pane: Pane) {
    if model.focus == Pane::Script && pane != Pane::Script {
        model.script.popup = None;
    }
    model.focus = pane;
}
