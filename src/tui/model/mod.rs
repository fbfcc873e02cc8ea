//! What the dashboard knows, pane by pane. No file here draws or looks at the clock: time comes in with each message.

pub mod browser;
pub mod diff;
pub mod history;
pub mod live;
pub mod log;
pub mod script;
pub mod text_input;
pub mod vim;
