//! From bytes of the terminal to actions: what they say, chords and how they are written, and the key map.

pub mod keymap;
pub mod keys;
pub mod parse;
