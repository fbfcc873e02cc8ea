//! The popup at the cursor.

use super::{Popup, Run, Script};
use crate::tui::engine::{Completion, CompletionList};

impl Script {
    /// Shows what the checker offers, if the cursor still is where it was asked for.
    pub fn show_completions(&mut self, list: CompletionList) {
        let (line, byte) = self.cursor_byte();
        // Keys typed since only lengthen the word; on another line the answer means nothing.
        if line != self.asked_line {
            return;
        }
        let line_start = self.cursor_offset() - byte;
        let Some(column) = list.start.checked_sub(line_start).filter(|column| *column <= byte) else {
            self.popup = None;
            return;
        };
        self.popup = Some(Popup { line, column, all: list.items, items: Vec::new(), selected: 0, touched: false });
        self.narrow_completions();
    }

    /// Keeps what fits the text typed since; closes the popup when nothing does or the cursor left.
    pub fn narrow_completions(&mut self) {
        let (line, byte) = self.cursor_byte();
        let text = self.lines()[line].clone();
        let Some(popup) = &mut self.popup else { return };
        if popup.line != line || byte < popup.column || !text.is_char_boundary(popup.column) {
            self.popup = None;
            return;
        }
        let typed = text[popup.column..byte].to_lowercase();
        let starts = |item: &&Completion| {
            item.insert.to_lowercase().starts_with(&typed) || item.label.to_lowercase().starts_with(&typed)
        };
        let contains = |item: &&Completion| item.label.to_lowercase().contains(&typed);
        let mut items: Vec<Completion> = popup.all.iter().filter(starts).cloned().collect();
        if items.is_empty() && !typed.is_empty() {
            items = popup.all.iter().filter(contains).cloned().collect();
        }
        items.truncate(200);
        let done = items.is_empty() || (items.len() == 1 && items[0].insert.to_lowercase() == typed);
        popup.items = items;
        popup.selected = popup.selected.min(popup.items.len().saturating_sub(1));
        if done {
            self.popup = None;
        }
    }

    pub fn accept_completion(&mut self) {
        let Some(popup) = self.popup.take() else { return };
        let Some(item) = popup.items.get(popup.selected) else { return };
        let (line, byte) = self.cursor_byte();
        let typed = self.lines()[line][popup.column..byte].chars().count();
        self.begin(Run::None);
        for _ in 0..typed {
            self.area.delete_char();
        }
        self.area.insert_str(&item.insert);
        self.changed();
    }
}
