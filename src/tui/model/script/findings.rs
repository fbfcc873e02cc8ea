//! What a check found in the script: where it stands, how it is said under its line, and the fix.

use super::{
    Run, Script,
    text::{display_column, floor},
};
use crate::{diagnostics::Severity, tui::engine::EditorDiagnostic};

/// Columns after the cursor that are kept in view.
const AHEAD: usize = 10;

impl Script {
    /// Shows what a check found, in order of lines.
    pub fn set_diagnostics(&mut self, mut list: Vec<EditorDiagnostic>) {
        list.sort_by_key(|d| (d.line, d.columns.start, d.severity == Severity::Warning));
        self.diagnostics = list;
    }

    pub fn n_errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    pub fn diagnostics_on(&self, line_idx: usize) -> impl Iterator<Item = &EditorDiagnostic> {
        let last = self.lines().len() - 1;
        self.diagnostics.iter().filter(move |d| d.line.saturating_sub(1).min(last) == line_idx)
    }

    pub fn next_diagnostic(&mut self, forward: bool) {
        let here = self.cursor_byte();
        let places: Vec<(usize, usize)> =
            self.diagnostics.iter().map(|d| (d.line.saturating_sub(1), d.columns.start)).collect();
        let next = if forward {
            places.iter().find(|place| **place > here).or(places.first())
        } else {
            places.iter().rfind(|place| **place < here).or(places.last())
        };
        if let Some((line, byte)) = next.copied() {
            self.jump_byte(line, byte);
        }
    }

    pub fn jump_byte(&mut self, line: usize, byte: usize) {
        let line = line.min(self.lines().len() - 1);
        let text = &self.lines()[line];
        let character = text.char_indices().take_while(|(at, _)| *at < byte).count();
        self.area.cancel_selection();
        self.jump(line, character);
    }

    /// The first fix on the cursor's line, the one under the cursor before others.
    pub fn fix_at_cursor(&self) -> Option<&EditorDiagnostic> {
        let (line, byte) = self.cursor_byte();
        let mut fixes: Vec<_> = self.diagnostics_on(line).filter(|d| d.fix.is_some()).collect();
        fixes.sort_by_key(|d| !(d.columns.start <= byte && byte <= d.columns.end));
        fixes.first().copied().or_else(|| self.diagnostics.iter().find(|d| d.fix.is_some()))
    }

    pub fn apply_fix(&mut self) -> bool {
        let Some(diagnostic) = self.fix_at_cursor().cloned() else { return false };
        let Some(fix) = diagnostic.fix else { return false };
        let line = diagnostic.line.saturating_sub(1).min(self.lines().len() - 1);
        let text = self.lines()[line].clone();
        let (start, end) = (floor(&text, diagnostic.columns.start), floor(&text, diagnostic.columns.end));
        self.begin(Run::None);
        self.jump_byte(line, start);
        self.area.delete_str(text[start..end.max(start)].chars().count());
        self.area.insert_str(&fix);
        self.diagnostics.retain(|d| d.line != diagnostic.line || d.columns != diagnostic.columns);
        self.changed();
        true
    }

    /// What is said under a line of the text, in a pane of `width` columns.
    pub fn virtual_lines(&self, line_idx: usize, width: usize) -> Vec<VirtualLine> {
        let mut out = Vec::new();
        for diagnostic in self.diagnostics_on(line_idx).take(3) {
            self.say(line_idx, diagnostic, width, &mut out);
        }
        out.truncate(8);
        out
    }

    fn say(&self, line_idx: usize, diagnostic: &EditorDiagnostic, width: usize, out: &mut Vec<VirtualLine>) {
        let line = &self.lines()[line_idx];
        let at = |byte| display_column(line, floor(line, byte)).saturating_sub(self.left);
        let (start, end) = (at(diagnostic.columns.start), at(diagnostic.columns.end));
        let caret = format!("^{}", "~".repeat(end.saturating_sub(start + 1)));
        let kind = match diagnostic.severity {
            Severity::Error => VirtualKind::Error,
            Severity::Warning => VirtualKind::Warning,
        };
        let columns = |text: &str| unicode_width::UnicodeWidthStr::width(text);
        let message = columns(&diagnostic.message);
        let mut push = |column, text, kind| out.push(VirtualLine { column, text, kind });
        if start + columns(&caret) + 1 + message <= width {
            push(start, format!("{caret} {}", diagnostic.message), kind);
        } else if message < start {
            push(start - 1 - message, format!("{} {caret}", diagnostic.message), kind);
        } else {
            push(start, caret, kind);
            for text in wrap(&diagnostic.message, width.saturating_sub(2), 3) {
                push(2, text, kind);
            }
        }
        if let Some(help) = &diagnostic.help {
            let key = diagnostic.fix.as_ref().map_or(String::new(), |_| format!("   {} applies", self.fix_key));
            let help = format!("help: {help}{key}");
            if columns(&help) <= width {
                push(start.min(width - columns(&help)), help, VirtualKind::Help);
            } else {
                for text in wrap(&help, width.saturating_sub(2), 3) {
                    push(2, text, VirtualKind::Help);
                }
            }
        }
    }

    /// Scrolls so that the cursor, and what is said about its line, is among `height` rows of `width` columns.
    pub fn scroll_to_cursor(&mut self, height: usize, width: usize) {
        let (line, byte) = self.cursor_byte();
        let height = height.max(1);
        if self.top > line {
            self.top = line;
        }
        loop {
            let extra = |n| self.virtual_lines(n, width).len();
            let rows: usize = (self.top..line).map(|n| 1 + extra(n)).sum::<usize>() + 1;
            let wanted = rows + extra(line).min(height.saturating_sub(1));
            if wanted <= height || self.top >= line {
                break;
            }
            self.top += 1;
        }
        self.top = self.top.min(self.lines().len() - 1);
        // No row stays empty below while there is text above: the pane has grown.
        let rows_of = |n: usize| 1 + self.virtual_lines(n, width).len();
        let mut rows = 0;
        let from_last = (0..self.lines().len()).rev().take_while(|n| {
            rows += rows_of(*n);
            rows <= height
        });
        self.top = self.top.min(from_last.last().unwrap_or(self.top));
        let column = display_column(&self.lines()[line], byte);
        let width = width.max(1);
        // What follows the cursor is seen too, as far as the line goes: an error is more than its first column.
        let end = display_column(&self.lines()[line], usize::MAX);
        let wanted = (column + AHEAD.min(width / 4)).min(end.max(column));
        if column < self.left {
            self.left = column.saturating_sub(4);
        } else if wanted >= self.left + width {
            self.left = wanted + 1 - width + (width / 4);
        }
        // Back to the margin as soon as the cursor fits without scrolling.
        if wanted < width && self.left > 0 && column < self.left + 4 {
            self.left = 0;
        }
    }
}

/// A line of the view that is not in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualLine {
    pub column: usize,
    pub text: String,
    pub kind: VirtualKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualKind {
    Error,
    Warning,
    Help,
}

/// `text` in lines of at most `width` columns, broken at blanks; at most `max` of them.
fn wrap(text: &str, width: usize, max: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    for word in text.split(' ') {
        let last =
            out.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width);
        match last {
            Some(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            None => out.push(word.to_owned()),
        }
    }
    out.truncate(max);
    out
}
