//! Unsaved work: swap copies while one types, recovery, files that another program changed, and the questions before
//! something would be lost.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{focus, question, quit, session};
use crate::tui::{
    app::{AfterSave, Answer, Choice, Conflict, Effect, KeepDue, Layer, Model},
    disk::Job,
    files::{Expect, OnDisk, SaveError, Stamp},
    layout::Pane,
    model::{diff, script::Script, script::decode},
    session_file,
    swap::{Left, Swap},
};

/// A swap copy is written when nothing was typed for so long,
const KEEP_IDLE: Duration = Duration::from_secs(2);
/// and at the latest so long after the first edit that is not in it.
const KEEP_AT_LATEST: Duration = Duration::from_secs(10);
/// Keys look after the file at most so often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

// ---- swap copies ----

/// The text in the editor is another.
pub fn edited(model: &mut Model) {
    let since = match model.keep {
        // It is to be kept at once.
        Some(keep) if keep.at <= model.now => return,
        keep => keep.map_or(model.now, |keep| keep.since),
    };
    model.keep = Some(KeepDue { since, at: (model.now + KEEP_IDLE).min(since + KEEP_AT_LATEST) });
}

/// Sees to it that what is unsaved is kept, and that what is not is not.
pub fn keep(model: &mut Model, effects: &mut Vec<Effect>) {
    // Told to go, there is no later.
    let due = model.terminated || model.keep.is_some_and(|keep| keep.at <= model.now);
    if due {
        model.keep = None;
    }
    let all = std::iter::once((&mut model.script, due)).chain(model.aside.iter_mut().map(|script| (script, true)));
    for (script, due) in all {
        if !script.is_unsaved() {
            if script.kept.take().is_some() {
                effects.push(Effect::Disk(Job::Forget(script.id)));
            }
        } else if due && script.kept != Some(script.version) {
            script.kept = Some(script.version);
            let swap =
                Swap { path: script.path.clone(), name: script.display_name(), written_ms: 0, text: script.bytes() };
            effects.push(Effect::Disk(Job::Keep { script: script.id, swap, replaces: script.recovered_from.take() }));
        }
    }
}

fn keep_at_once(model: &mut Model) {
    model.keep = Some(KeepDue { since: model.now, at: model.now });
}

/// What was found: of the file that was just opened, or all that an earlier dashboard left.
pub fn left(model: &mut Model, left: Vec<Left>, of_file: bool, asked: bool) {
    let (in_use, left): (Vec<Left>, Vec<Left>) = left.into_iter().partition(|left| left.edited_by.is_some());
    if let Some(other) = in_use.first().filter(|_| of_file) {
        let pid = other.edited_by.unwrap_or(0);
        model.complain(format!("{} has unsaved changes in another dashboard (process {pid})", other.swap.name));
    }
    if left.is_empty() && asked {
        model.say("no unsaved changes were left behind");
    }
    model.left = left;
    match recovery(model) {
        Some(choice) if asked => model.layers.push(Layer::Choice(choice)),
        Some(choice) => question::ask(model, choice),
        None => (),
    }
}

/// The next question is an answer to the last one.
fn ask_recover(model: &mut Model) {
    model.layers.extend(recovery(model).map(Layer::Choice));
}

fn recovery(model: &Model) -> Option<Choice> {
    let left = model.left.first()?;
    let when = model.clock.epoch_ms(left.swap.written_ms, model.now);
    let name = left.swap.path.as_ref().map_or(left.swap.name.clone(), |path| path.display().to_string());
    let many = |n: usize| format!("{n} line{}", if n == 1 { "" } else { "s" });
    let what = match &left.on_disk {
        Some(disk) => {
            let n = diff::n_changed(&file_text(disk), &decode(&left.swap.text));
            format!("{} not saved", many(n))
        }
        None => format!("{} not saved", many(decode(&left.swap.text).lines().count())),
    };
    let mut text = vec![format!("{name}: {what}, last changed {when}.")];
    if model.left.len() > 1 {
        text.push(format!("({} more like this)", model.left.len() - 1));
    }
    // Deleting takes the Shift key, too.
    let options = vec![
        ('r', "bring the changes back", Answer::Recover),
        ('v', "view them", Answer::ShowLeft),
        ('D', "delete them", Answer::ForgetLeft),
    ];
    let title = "Unsaved changes were left behind".into();
    Some(Choice { title, text, options, came_up: None })
}

pub fn recover(model: &mut Model, answer: Answer, effects: &mut Vec<Effect>) {
    if model.left.is_empty() {
        return;
    }
    match answer {
        Answer::ShowLeft => {
            let left = &model.left[0];
            let old = left.on_disk.as_ref().map(file_text).unwrap_or_default();
            let lines = diff::diff(&old, &decode(&left.swap.text));
            let title = if left.on_disk.is_some() { "- in the file   + not saved" } else { "Not saved" };
            ask_recover(model);
            show_diff(model, title, lines);
            return;
        }
        Answer::ForgetLeft => effects.push(Effect::Disk(Job::ForgetLeft(model.left.remove(0).file))),
        _ => bring_in(model),
    }
    ask_recover(model);
}

/// The first that was left, in the editor.
fn bring_in(model: &mut Model) {
    let left = model.left.remove(0);
    let is_here = !model.script.is_modified() && model.script.path.is_some() && same_file(model, &left);
    match &left.swap.path {
        Some(_) if is_here => (),
        Some(path) => session::open_script(model, path, left.on_disk.as_ref()),
        None => super::put_script(model, &left.swap.name, ""),
    }
    // One step, so that undo shows what the file has.
    model.script.replace_all(&decode(&left.swap.text), (0, 0));
    model.script.recovered_from = Some(left.file);
    focus(model, Pane::Script);
    model.say("unsaved changes are back; {save} saves them, {undo} shows what was there");
    keep_at_once(model);
}

/// The copy's path is absolute, the script's as it was asked for; what the file has tells.
fn same_file(model: &Model, left: &Left) -> bool {
    let name = |path: &Path| path.file_name().map(ToOwned::to_owned);
    let (here, there) = (model.script.path.as_deref().and_then(name), left.swap.path.as_deref().and_then(name));
    here == there && model.script.on_disk == left.on_disk.as_ref().map(|disk| disk.stamp)
}

fn file_text(disk: &OnDisk) -> String {
    decode(&session_file::split(&disk.bytes).0)
}

fn show_diff(model: &mut Model, title: &str, lines: Vec<String>) {
    model.layers.push(Layer::Text { title: title.into(), lines, scroll: 0, diff: true });
}

// ---- the file and other programs ----

/// Asks the disk whether the file in the editor is still what it was.
pub fn look(model: &mut Model, effects: &mut Vec<Effect>) {
    model.looked = model.now;
    if let Some(path) = model.script.path.clone() {
        let known = model.script.theirs.as_ref().map(|theirs| theirs.stamp).or(model.script.on_disk);
        effects.push(Effect::Disk(Job::Look { script: model.script.id, path, known }));
    }
}

/// As [`look`], for keys: not with every one.
pub fn look_now_and_then(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.now.saturating_sub(model.looked) >= LOOK_AGAIN {
        look(model, effects);
    }
}

/// The file is another. Without edits of ours it is read again; with them nothing is decided before saving.
pub fn changed(model: &mut Model, script: u64, found: Option<OnDisk>) {
    // Scripts put aside are compared when they are saved.
    if script != model.script.id {
        return;
    }
    let name = model.script.display_name();
    match found {
        None => {
            if model.script.on_disk.take().is_some() {
                model.script.theirs = None;
                model.script.mark_unsaved();
                model.complain(format!("{name} is gone from the disk; {{save}} writes it again"));
            }
        }
        Some(disk) => {
            let (text, block) = session_file::split(&disk.bytes);
            if text == model.script.bytes() {
                model.script.block = block;
                is_on_disk(&mut model.script, disk.stamp);
            } else if model.script.is_modified() {
                model.script.theirs = Some(disk);
                model.complain(format!("another program changed {name}; {{save}} asks which to keep"));
            } else {
                load(model, &disk);
                model.say(format!("another program changed {name}: read again; {{undo}} shows what was"));
            }
        }
    }
}

/// The editor's text is the file's.
fn is_on_disk(script: &mut Script, stamp: Stamp) {
    script.on_disk = Some(stamp);
    script.theirs = None;
    script.mark_saved(script.version);
}

/// The file's text in place of the editor's, as one step that can be undone.
fn load(model: &mut Model, disk: &OnDisk) {
    let (text, block) = session_file::split(&disk.bytes);
    let cursor = model.script.cursor();
    model.script.replace_all(&decode(&text), cursor);
    model.script.block = block;
    is_on_disk(&mut model.script, disk.stamp);
}

pub fn saved(
    model: &mut Model,
    script: u64,
    path: PathBuf,
    version: u64,
    then: AfterSave,
    result: Result<Stamp, SaveError>,
    effects: &mut Vec<Effect>,
) {
    match result {
        Ok(stamp) => {
            let all = std::iter::once(&mut model.script).chain(&mut model.aside);
            if let Some(script) = all.into_iter().find(|known| known.id == script) {
                script.path = Some(path.clone());
                script.on_disk = Some(stamp);
                script.theirs = None;
                script.mark_saved(version);
            }
            model.say(format!("saved {}", path.display()));
            if then == AfterSave::Quit {
                leave_rest(model, effects);
            }
        }
        Err(SaveError::Failed(why)) => model.complain(format!("not saved: {why}")),
        Err(SaveError::Changed(theirs)) => {
            if model.script.id == script {
                model.conflict = Some(Conflict { script, path, then, theirs });
                ask_which(model);
            }
        }
    }
}

fn ask_which(model: &mut Model) {
    let Some(conflict) = &model.conflict else { return };
    let name = conflict.path.display();
    let is_own = model.script.path.as_ref() == Some(&conflict.path);
    let n = diff::n_changed(&file_text(&conflict.theirs), &model.script.text());
    let differ =
        format!("{n} line{} differ{} from what is here.", if n == 1 { "" } else { "s" }, if n == 1 { "s" } else { "" });
    let (title, first) = if is_own {
        ("Save over another's changes?", format!("Another program changed {name}."))
    } else {
        ("Write over this file?", format!("{name} exists already."))
    };
    let mut options = vec![
        ('k', if is_own { "keep mine: write over the file" } else { "write over it" }, Answer::KeepMine),
        ('d', "show the differences", Answer::ShowTheirs),
    ];
    if is_own {
        options.insert(1, ('l', "load theirs; undo brings mine back", Answer::LoadTheirs));
    }
    question::ask(model, Choice { title: title.into(), text: vec![first, differ], options, came_up: None });
}

/// Which of the two texts it is to be.
pub fn settle(model: &mut Model, answer: Answer, effects: &mut Vec<Effect>) {
    if answer == Answer::ShowTheirs {
        let Some(conflict) = &model.conflict else { return };
        let lines = diff::diff(&file_text(&conflict.theirs), &model.script.text());
        ask_which(model);
        show_diff(model, "- in the file   + here", lines);
        return;
    }
    let Some(conflict) = model.conflict.take().filter(|conflict| conflict.script == model.script.id) else { return };
    if answer == Answer::LoadTheirs {
        load(model, &conflict.theirs);
        if conflict.then == AfterSave::Quit {
            leave_rest(model, effects);
        }
    } else {
        // Not whatever is there by now: a third text is asked about again.
        session::write(model, conflict.path, conflict.then, Expect::This(conflict.theirs.stamp), effects);
    }
}

// ---- leaving ----

/// The script put aside last, in place of the one in the editor.
pub fn bring_back(model: &mut Model) {
    if let Some(script) = model.aside.pop() {
        let version = model.script.version.max(script.version);
        let old = std::mem::replace(&mut model.script, script.bumped(version));
        if old.is_unsaved() {
            model.aside.insert(0, old);
        }
        focus(model, Pane::Script);
    }
}

fn unsaved_names(model: &Model) -> Vec<String> {
    let all = std::iter::once(&model.script).chain(&model.aside);
    all.filter(|script| script.is_unsaved()).map(Script::display_name).collect()
}

/// Leaves, after a question if something runs or would be lost.
pub fn ask_quit(model: &mut Model, effects: &mut Vec<Effect>) {
    if unsaved_names(model).is_empty() && (!model.is_tracing() || model.demo) {
        quit(model, effects);
    } else {
        question_before_leaving(model);
    }
}

/// The key that stops a run was pressed when none runs, perhaps a moment too late: it leaves when it is pressed again.
pub fn stop_again(model: &mut Model, effects: &mut Vec<Effect>) {
    let is_answer = matches!(model.layers.last(), Some(Layer::Choice(choice)) if choice.options[0].2 == Answer::Quit);
    model.layers.clear();
    if is_answer { quit(model, effects) } else { question_before_leaving(model) }
}

fn question_before_leaving(model: &mut Model) {
    let unsaved = unsaved_names(model);
    let tracing = model.is_tracing() && !model.demo;
    let mut text = Vec::new();
    if tracing {
        text.push("A script is running; it ends softly, with its end probes.".to_owned());
    } else if unsaved.is_empty() && model.run.ended.is_some() {
        text.push("Nothing runs. What the last run gathered is still here; it is gone then.".to_owned());
    } else if unsaved.is_empty() {
        text.push("Nothing runs.".to_owned());
    }
    let options = match unsaved.len() {
        0 => vec![('q', if tracing { "stop and quit" } else { "quit" }, Answer::Quit)],
        n => {
            text.extend(unsaved.iter().map(|name| format!("{name} has unsaved changes.")));
            vec![
                ('s', if n == 1 { "save and quit" } else { "save one after the other and quit" }, Answer::SaveAndQuit),
                ('k', "quit; the next start offers them again", Answer::KeepAndQuit),
                ('d', "discard and quit", Answer::DiscardAndQuit),
            ]
        }
    };
    model.layers.push(Layer::Choice(Choice { title: "Quit?".into(), text, options, came_up: None }));
}

pub fn save_and_quit(model: &mut Model, effects: &mut Vec<Effect>) {
    if !model.script.is_unsaved() {
        bring_back(model);
    }
    session::save(model, AfterSave::Quit, effects);
}

/// The script in the editor is saved. Others may not be.
fn leave_rest(model: &mut Model, effects: &mut Vec<Effect>) {
    if unsaved_names(model).is_empty() { quit(model, effects) } else { save_and_quit(model, effects) }
}

pub fn keep_and_quit(model: &mut Model, effects: &mut Vec<Effect>) {
    keep_at_once(model);
    quit(model, effects);
}

pub fn discard_and_quit(model: &mut Model, effects: &mut Vec<Effect>) {
    for script in std::iter::once(&mut model.script).chain(&mut model.aside) {
        script.mark_saved(script.version);
    }
    quit(model, effects);
}
