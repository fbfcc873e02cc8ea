//! What actions do in the script.

use tui_textarea::CursorMove;

use super::keys::ask_completion;
use crate::tui::{
    action::Act,
    app::{Effect, Model},
};

pub fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    let movement = match act {
        Act::CharLeft => CursorMove::Back,
        Act::CharRight => CursorMove::Forward,
        Act::LineUp => CursorMove::Up,
        Act::LineDown => CursorMove::Down,
        Act::WordLeft => CursorMove::WordBack,
        Act::WordRight => CursorMove::WordForward,
        Act::LineStart => CursorMove::Head,
        Act::LineEnd => CursorMove::End,
        Act::TextStart => CursorMove::Top,
        Act::TextEnd => CursorMove::Bottom,
        _ => return edit(model, act, effects),
    };
    model.script.walk(movement, false);
    model.script.narrow_completions();
}

fn edit(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    let page = page_rows(model);
    let script = &mut model.script;
    match act {
        Act::TextPageUp => script.page(-page, false),
        Act::TextPageDown => script.page(page, false),
        Act::Complete => ask_completion(model, effects),
        Act::NextError => script.next_diagnostic(true),
        Act::PreviousError => script.next_diagnostic(false),
        Act::Fix => {
            let applied = script.apply_fix();
            model.say(if applied { "fix applied" } else { "no fix is known" });
        }
        Act::Undo => script.undo(),
        Act::Redo => script.redo(),
        Act::Comment => script.toggle_comment(),
        Act::SelectAll => script.select_all(),
        Act::CutText => {
            let text = script.cut();
            effects.push(Effect::Copy(text));
        }
        Act::CutToEnd => {
            let text = script.cut_to_end();
            effects.push(Effect::Copy(text));
        }
        Act::CopyText => {
            let text = script.copy();
            effects.push(Effect::Copy(text));
            model.say("copied");
        }
        Act::PasteText => script.paste(),
        Act::DeleteWord => script.delete_word(),
        Act::DeleteNextWord => script.delete_next_word(),
        Act::DeleteChar => script.delete_char(),
        Act::Mark => script.toggle_mark(),
        _ => (),
    }
    model.script.narrow_completions();
}

/// A page less the line that stays in view.
pub fn page_rows(model: &Model) -> isize {
    model.areas().script.map_or(10, |area| area.height.saturating_sub(3).max(1)) as isize
}
