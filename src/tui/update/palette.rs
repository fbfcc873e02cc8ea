//! One fuzzy box for every action, theme and table, each with its key, so that it teaches itself.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::{actions::perform, session, unsaved};
use crate::tui::{
    action::{ACTIONS, Act, Preset},
    app::{AfterSave, Effect, Layer, Model, PaletteAct, PaletteItem, PromptKind},
    input::keymap::Keymap,
    model::{text_input::TextInput, vim::Vim},
    theme,
};

pub fn open(model: &mut Model, text: &str) {
    model.layers.clear();
    let items = items(model, text);
    model.layers.push(Layer::Palette { input: TextInput::new(text), items, selected: 0 });
}

/// What fits `query`, best first; everything in table order for an empty one.
pub fn items(model: &Model, query: &str) -> Vec<PaletteItem> {
    let mut all: Vec<PaletteItem> = Vec::new();
    // The focused pane's actions come first.
    for place in model.places() {
        for row in ACTIONS.iter().filter(|row| row.places.contains(place)) {
            if all.iter().any(|item| item.what == PaletteAct::Action(row.act)) {
                continue;
            }
            all.push(PaletteItem {
                what: PaletteAct::Action(row.act),
                name: row.name.to_owned(),
                title: row.title.to_owned(),
                keys: model.keymap.shown_all(row, model.glyphs.unicode),
                disabled: (row.enabled)(model).err().map(|why| model.fill(why)),
            });
        }
    }
    let extra = |what, name: String, title: &str| PaletteItem {
        what,
        name,
        title: title.to_owned(),
        keys: String::new(),
        disabled: None,
    };
    for (page, idx) in model.live.pages().into_iter().enumerate() {
        if let Some(info) = model.info() {
            all.push(extra(PaletteAct::Page(page), format!("table {}", info.tables[idx].name), "Show this global"));
        }
    }
    for name in theme::builtin_names() {
        let title = if model.theme.name == name { "Colours, chosen now" } else { "Colours" };
        all.push(extra(PaletteAct::Theme(name.to_owned()), format!("theme {name}"), title));
    }
    for preset in Preset::ALL {
        let title = if model.keymap.preset == preset { "Keys, chosen now" } else { "Keys" };
        all.push(extra(PaletteAct::Keymap(preset), format!("keymap {}", preset.name()), title));
    }
    for (vim, name) in [(false, "modeless"), (true, "vim")] {
        let title =
            if model.vim.is_some() == vim { "How the editor works, chosen now" } else { "How the editor works" };
        all.push(extra(PaletteAct::Editor { vim }, format!("editor {name}"), title));
    }
    if query.trim().is_empty() {
        return all;
    }
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut utf32 = Vec::new();
    let mut ranked: Vec<(u32, PaletteItem)> = all
        .into_iter()
        .filter_map(|item| {
            let name = pattern.score(Utf32Str::new(&item.name, &mut utf32), &mut matcher);
            let title = pattern.score(Utf32Str::new(&item.title, &mut utf32), &mut matcher);
            // A name says more than a sentence.
            Some((name.map_or(0, |s| s * 2).max(title.unwrap_or(0)), item)).filter(|_| name.or(title).is_some())
        })
        .collect();
    // A name typed whole is what is meant, whatever else it is the beginning of.
    let whole = |item: &PaletteItem| item.name == query.trim();
    ranked.sort_by_key(|(score, item)| (!whole(item), std::cmp::Reverse(*score), item.disabled.is_some()));
    let mut items: Vec<PaletteItem> = ranked.into_iter().map(|(_, item)| item).collect();
    // A command of the prompt, typed as it is, comes first.
    let command = COMMANDS.iter().find(|(name, _)| *name == query.trim());
    if let Some((name, title)) = command {
        items.insert(0, extra(PaletteAct::Command(name), (*name).to_owned(), title));
    }
    items
}

/// What a vim user types after the colon. `NUMBER` goes to a line, `e`, `w` and `open` take a file.
const COMMANDS: &[(&str, &str)] = &[
    ("w", "Save the script"),
    ("q", "Leave; asks first when tracing or unsaved"),
    ("q!", "Leave without saving"),
    ("wq", "Save and leave"),
    ("x", "Save and leave"),
];

fn command(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    match name {
        "w" => session::save(model, AfterSave::Stay, effects),
        "wq" | "x" => session::save(model, AfterSave::Quit, effects),
        "q!" => unsaved::discard_and_quit(model, effects),
        _ => perform(model, Act::Quit, effects),
    }
}

pub fn run(model: &mut Model, text: &str, item: Option<PaletteItem>, effects: &mut Vec<Effect>) {
    // Commands with an argument, as a shell user would type them.
    if let Some((command, argument)) = text.trim().split_once(' ') {
        let argument = argument.trim();
        match command {
            "open" | "o" | "e" => return session::prompt_done(model, PromptKind::Open, argument, effects),
            "save" | "save-as" | "w" => {
                return session::prompt_done(model, PromptKind::SaveAs(AfterSave::Stay), argument, effects);
            }
            "line" => return session::prompt_done(model, PromptKind::GoToLine, argument, effects),
            "theme" if item.is_none() => return effects.push(Effect::LoadTheme(argument.to_owned())),
            _ => (),
        }
    }
    if let (Ok(_), true) = (text.trim().parse::<usize>(), item.is_none()) {
        return session::prompt_done(model, PromptKind::GoToLine, text, effects);
    }
    match item {
        None => model.complain(format!("nothing is called '{}'", text.trim())),
        Some(PaletteItem { disabled: Some(why), .. }) => model.complain(why),
        Some(PaletteItem { what: PaletteAct::Action(act), .. }) => perform(model, act, effects),
        Some(PaletteItem { what: PaletteAct::Command(name), .. }) => command(model, name, effects),
        Some(PaletteItem { what: PaletteAct::Keymap(preset), .. }) => {
            // The one of the settings has their keys in it.
            let settings = &model.settings.keymap;
            model.keymap = if settings.preset == preset { settings.clone() } else { Keymap::new(preset) };
            model.say(format!("keys: {}", preset.name()));
        }
        Some(PaletteItem { what: PaletteAct::Editor { vim }, .. }) => {
            model.vim = vim.then(Vim::default);
            model.script.visual = None;
            model.say(if vim { "the editor takes vim's commands" } else { "characters are text in the editor" });
        }
        Some(PaletteItem { what: PaletteAct::Theme(name), .. }) => effects.push(Effect::LoadTheme(name)),
        Some(PaletteItem { what: PaletteAct::Page(page), .. }) => {
            model.live.turn_to(page);
            super::focus(model, crate::tui::layout::Pane::Live);
        }
    }
}
