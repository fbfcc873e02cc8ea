//! One line of text being typed: filters, prompts, the palette.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::tui::input::keys::Chord;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextInput {
    text: String,
    /// Byte offset, on a character boundary.
    cursor: usize,
}

impl TextInput {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    pub fn is_at_end(&self) -> bool {
        self.cursor == self.text.len()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn insert(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or("");
        self.text.insert_str(self.cursor, line);
        self.cursor += line.len();
    }

    /// Takes the key if it edits the line; says whether it did and whether the text changed.
    pub fn key(&mut self, chord: Chord) -> (bool, bool) {
        let before = self.text.len();
        let control = chord.mods == KeyModifiers::CONTROL;
        match chord.code {
            KeyCode::Char(c) if chord.mods.is_empty() => {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
                return (true, true);
            }
            KeyCode::Backspace => self.delete_to(self.left()),
            KeyCode::Char('h') if control => self.delete_to(self.left()),
            KeyCode::Char('w') if control => {
                let head = self.text[..self.cursor].trim_end();
                self.delete_to(
                    head.rfind(|c: char| !c.is_alphanumeric())
                        .map_or(0, |at| if at + 1 == head.len() { at } else { at + 1 }),
                );
            }
            KeyCode::Char('u') if control => self.delete_to(0),
            KeyCode::Delete => {
                let right = self.right();
                self.text.replace_range(self.cursor..right, "");
            }
            KeyCode::Left => self.cursor = self.left(),
            KeyCode::Right => self.cursor = self.right(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return (false, false),
        }
        (true, self.text.len() != before)
    }

    fn delete_to(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn left(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.text[self.cursor..].chars().next().map_or(self.cursor, |c| self.cursor + c.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::input::keys::parse_keys;

    fn typed(keys: &str) -> String {
        let mut input = TextInput::default();
        for chord in parse_keys(keys) {
            input.key(chord);
        }
        format!("{}|{}", input.before_cursor(), &input.text()[input.before_cursor().len()..])
    }

    #[test]
    fn edits() {
        assert_eq!(typed("abc<Left>é<Backspace>x"), "abx|c");
        assert_eq!(typed("one two<C-w>"), "one |");
        assert_eq!(typed("日本<Left><Delete><Home>a"), "a|日");
    }
}
