//! Questions that come up by themselves, maybe while somebody types into what is behind them: text is never an answer.

use std::time::Duration;

use crossterm::event::KeyCode;

use crate::tui::{
    app::{Choice, Layer, Model},
    input::keys::Chord,
};

/// Nobody reads a question in less: what is typed this soon after it came up was meant for what is behind it.
const READ: Duration = Duration::from_millis(600);
/// Who typed nothing for so long has paused.
const PAUSE: Duration = Duration::from_millis(900);

/// Asks at once, or when the typing pauses.
pub fn ask(model: &mut Model, choice: Choice) {
    model.questions.push(choice);
    when_typing_pauses(model);
}

/// Asks what had to wait.
pub fn when_typing_pauses(model: &mut Model) {
    if due(model).is_some_and(|due| due <= model.now) {
        let choice = model.questions.remove(0);
        model.layers.push(Layer::Choice(Choice { came_up: Some(model.now), ..choice }));
    }
}

/// When the next question may be asked.
pub fn due(model: &Model) -> Option<Duration> {
    // One at a time: the next comes when this one is answered.
    let is_asking = matches!(model.layers.last(), Some(Layer::Choice(_)));
    let pause = model.typed_at.map_or(Duration::ZERO, |at| at + PAUSE);
    (!model.questions.is_empty() && !is_asking).then_some(pause)
}

/// Notes that somebody types, and takes a question back that came up under their fingers.
pub fn heed_typing(model: &mut Model, chord: Chord) {
    if chord.typed().is_none() && !matches!(chord.code, KeyCode::Enter | KeyCode::Backspace | KeyCode::Tab) {
        return;
    }
    match model.layers.pop() {
        Some(Layer::Choice(choice)) if choice.came_up.is_some_and(|at| model.now < at + READ) => {
            model.questions.insert(0, choice);
        }
        // An answer.
        Some(question @ Layer::Choice(_)) => return model.layers.push(question),
        other => model.layers.extend(other),
    }
    // What is typed into a prompt is no text, and its Enter may be what leads to a question.
    if model.layers.is_empty() {
        model.typed_at = Some(model.now);
    }
}
