//! The dashboard. A model, pure functions that change it ([`update`]) and draw it ([`view`]), and one loop ([`run`]) that
//! moves messages in and effects out. It knows scripts only through the traits in [`engine`].

pub mod engine;

pub mod action;
pub mod app;
pub mod disk;
pub mod export;
pub mod fake;
pub mod files;
pub mod given;
pub mod highlight;
pub mod input;
pub mod layout;
pub mod model;
pub mod profile;
pub mod quick;
pub mod replay;
mod run;
pub mod session_file;
pub mod settings;
pub mod shape;
pub mod stack;
pub mod svg;
pub mod swap;
pub mod term;
pub mod theme;
pub mod update;
pub mod view;
mod workers;

pub use self::run::{Outcome, TuiOptions, run};

#[cfg(test)]
mod tests;
