//! The script being edited. ratatui-textarea holds lines, cursor and selection; undo (by typing runs, not characters),
//! diagnostics, completion, find and scrolling are ours, because the view draws virtual lines it cannot.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyModifiers};
use tui_textarea::{CursorMove, TextArea};

use crate::{
    diagnostics::Severity,
    tui::{
        engine::{Completion, CompletionList, EditorDiagnostic, Token},
        input::keys::Chord,
    },
};

/// Undo steps kept, and the bytes they may take.
const UNDO_STEPS: usize = 500;
const UNDO_BYTES: usize = 16 << 20;

/// Bytes that are not UTF-8 live in the editor as these characters, one each, and are saved as they were.
const RAW_BYTE: u32 = 0x10_ff00;

#[derive(Clone, Debug)]
struct Moment {
    lines: Vec<String>,
    cursor: (usize, usize),
}

/// What the last edit was, to join runs of the same kind into one undo step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    None,
    Word,
    Space,
    Delete,
}

/// The popup at the cursor.
#[derive(Clone, Debug)]
pub struct Popup {
    /// Line and byte column where the replaced text begins.
    pub line: usize,
    pub column: usize,
    all: Vec<Completion>,
    pub items: Vec<Completion>,
    pub selected: usize,
    /// The arrows were used: Enter accepts too.
    pub touched: bool,
}

#[derive(Debug)]
pub struct Script {
    area: TextArea<'static>,
    pub path: Option<PathBuf>,
    /// What it is called without a path.
    pub name: String,
    /// Counts edits; answers to older versions are thrown away.
    pub version: u64,
    saved_version: Option<u64>,
    saved_text: Vec<u8>,
    undo: Vec<Moment>,
    redo: Vec<Moment>,
    undo_bytes: usize,
    run: Run,
    pub diagnostics: Vec<EditorDiagnostic>,
    pub tokens: Vec<Token>,
    pub popup: Option<Popup>,
    pub find: String,
    /// The line completions were asked for.
    pub asked_line: usize,
    /// First line on screen, first display column.
    pub top: usize,
    pub left: usize,
    clipboard: String,
}

impl Default for Script {
    fn default() -> Self {
        Self::new("untitled.stp", None, b"")
    }
}

fn model(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_max_histories(0);
    area
}

impl Script {
    pub fn new(name: &str, path: Option<PathBuf>, bytes: &[u8]) -> Self {
        let lines = decode(bytes).split('\n').map(str::to_owned).collect();
        Self {
            area: model(lines),
            path,
            name: name.to_owned(),
            version: 1,
            saved_version: Some(1),
            saved_text: bytes.to_vec(),
            undo: Vec::new(),
            redo: Vec::new(),
            undo_bytes: 0,
            run: Run::None,
            diagnostics: Vec::new(),
            tokens: Vec::new(),
            popup: None,
            find: String::new(),
            asked_line: usize::MAX,
            top: 0,
            left: 0,
            clipboard: String::new(),
        }
    }

    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Line and character, both from 0.
    pub fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// Line and byte, both from 0.
    pub fn cursor_byte(&self) -> (usize, usize) {
        let (line, character) = self.cursor();
        (line, byte_of(&self.lines()[line], character))
    }

    /// The cursor as a byte offset into [`Script::text`].
    pub fn cursor_offset(&self) -> usize {
        let (line, byte) = self.cursor_byte();
        self.lines()[..line].iter().map(|l| l.len() + 1).sum::<usize>() + byte
    }

    /// Line and character of both ends, in order.
    pub fn selection(&self) -> Option<((usize, usize), (usize, usize))> {
        self.area.selection_range()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// As it is saved and run.
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.text())
    }

    pub fn is_empty(&self) -> bool {
        self.lines().iter().all(|line| line.trim().is_empty())
    }

    pub fn is_modified(&self) -> bool {
        self.saved_version != Some(self.version)
    }

    pub fn mark_saved(&mut self, version: u64) {
        self.saved_version = Some(version);
        if version == self.version {
            self.saved_text = self.bytes();
        }
    }

    /// Takes the place of a script of this version: versions only ever grow, or late answers would fit the wrong text.
    #[must_use]
    pub fn after(mut self, version: u64) -> Self {
        let saved = self.saved_version == Some(self.version);
        self.version = version + 1;
        self.saved_version = saved.then_some(self.version);
        self
    }

    /// As [`Script::after`], for a script that may have unsaved changes.
    #[must_use]
    pub fn bumped(mut self, version: u64) -> Self {
        self.version = version + 1;
        self
    }

    pub fn display_name(&self) -> String {
        let from_path = self.path.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        from_path.unwrap_or_else(|| self.name.clone())
    }

    // ---- editing ----

    fn moment(&self) -> Moment {
        Moment { lines: self.lines().to_vec(), cursor: self.cursor() }
    }

    /// Opens an undo step unless the edit goes on with the last one.
    fn begin(&mut self, run: Run) {
        if run != Run::None && run == self.run {
            return;
        }
        // A word after its spaces is one step: "foo bar" undoes as two.
        if !(self.run == Run::Space && run == Run::Word) {
            let moment = self.moment();
            self.undo_bytes += moment.lines.iter().map(String::len).sum::<usize>();
            self.undo.push(moment);
            while self.undo.len() > UNDO_STEPS || (self.undo_bytes > UNDO_BYTES && self.undo.len() > 1) {
                let old = self.undo.remove(0);
                self.undo_bytes -= old.lines.iter().map(String::len).sum::<usize>();
            }
        }
        self.redo.clear();
        self.run = run;
    }

    fn changed(&mut self) {
        self.version += 1;
    }

    fn restore(&mut self, moment: Moment) {
        self.area = model(moment.lines);
        self.jump(moment.cursor.0, moment.cursor.1);
        self.run = Run::None;
        self.popup = None;
        self.changed();
        if self.bytes() == self.saved_text {
            self.saved_version = Some(self.version);
        }
    }

    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    pub fn undo(&mut self) {
        if let Some(moment) = self.undo.pop() {
            self.undo_bytes -= moment.lines.iter().map(String::len).sum::<usize>();
            self.redo.push(self.moment());
            self.restore(moment);
        }
    }

    pub fn redo(&mut self) {
        if let Some(moment) = self.redo.pop() {
            let now = self.moment();
            self.undo_bytes += now.lines.iter().map(String::len).sum::<usize>();
            self.undo.push(now);
            self.restore(moment);
        }
    }

    /// Moves the cursor, kept inside the text.
    pub fn jump(&mut self, line: usize, character: usize) {
        let line = line.min(self.lines().len() - 1);
        let character = character.min(self.lines()[line].chars().count());
        // The model's own Jump is 16 bit; from the top or bottom we walk.
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::Head);
        if line <= u16::MAX.into() && character <= u16::MAX.into() {
            self.area.move_cursor(CursorMove::Jump(line as u16, character as u16));
        } else {
            for _ in 0..line {
                self.area.move_cursor(CursorMove::Down);
            }
            for _ in 0..character {
                self.area.move_cursor(CursorMove::Forward);
            }
        }
        self.run = Run::None;
    }

    pub fn type_char(&mut self, c: char) {
        if self.area.is_selecting() {
            self.begin(Run::None);
            self.area.cut();
            self.run = if c.is_alphanumeric() || c == '_' { Run::Word } else { Run::None };
        } else {
            self.begin(match c {
                c if c.is_alphanumeric() || c == '_' => Run::Word,
                ' ' => Run::Space,
                _ => Run::None,
            });
        }
        if c == '}' && self.before_cursor().chars().all(char::is_whitespace) {
            self.dedent();
        }
        self.area.insert_char(c);
        self.changed();
    }

    fn dedent(&mut self) {
        let unit = self.indent_unit();
        let before = self.before_cursor().to_owned();
        let n = if before.ends_with(&unit) { unit.chars().count() } else { before.chars().count().min(1) };
        for _ in 0..n {
            self.area.delete_char();
        }
    }

    /// `\t` where the script indents with tabs, else two spaces.
    fn indent_unit(&self) -> String {
        if self.lines().iter().any(|l| l.starts_with('\t')) { "\t".to_owned() } else { "  ".to_owned() }
    }

    pub fn new_line(&mut self) {
        self.begin(Run::None);
        if self.area.is_selecting() {
            self.area.cut();
        }
        let line = self.before_cursor();
        let mut indent: String = line.chars().take_while(|c| *c == ' ' || *c == '\t').collect();
        if line.trim_end().ends_with('{') {
            indent.push_str(&self.indent_unit());
        }
        self.area.insert_newline();
        if !indent.is_empty() {
            self.area.insert_str(indent);
        }
        self.changed();
    }

    pub fn insert(&mut self, text: &str) {
        self.begin(Run::None);
        if self.area.is_selecting() {
            self.area.cut();
        }
        self.area.insert_str(text);
        self.run = Run::None;
        self.changed();
    }

    /// The line up to the cursor.
    pub fn before_cursor(&self) -> &str {
        let (line, byte) = self.cursor_byte();
        &self.lines()[line][..byte]
    }

    fn delete(&mut self, run: Run, what: impl Fn(&mut TextArea<'static>) -> bool) {
        let before = self.moment();
        let selecting = self.area.is_selecting();
        let (old_undo, old_run) = (self.undo.len(), self.run);
        self.begin(if selecting { Run::None } else { run });
        let done = if selecting { self.area.cut() } else { what(&mut self.area) };
        if done {
            self.changed();
        } else if self.undo.len() > old_undo {
            // Nothing to delete is no step.
            self.undo.pop();
            self.undo_bytes -= before.lines.iter().map(String::len).sum::<usize>();
            self.run = old_run;
        }
    }

    /// Keys that edit or move; everything else is left to the key map. Says whether the key was taken.
    pub fn key(&mut self, chord: Chord) -> bool {
        let shift = chord.mods.contains(KeyModifiers::SHIFT);
        let control = chord.mods.contains(KeyModifiers::CONTROL);
        let movement = match chord.code {
            KeyCode::Char(c) if chord.mods.is_empty() => {
                self.type_char(c);
                return true;
            }
            KeyCode::Enter if !control => {
                self.new_line();
                return true;
            }
            KeyCode::Backspace if control => {
                self.delete(Run::None, TextArea::delete_word);
                return true;
            }
            KeyCode::Backspace => {
                self.delete(Run::Delete, TextArea::delete_char);
                return true;
            }
            // What many terminals send for Backspace.
            KeyCode::Char('h') if control => {
                self.delete(Run::Delete, TextArea::delete_char);
                return true;
            }
            KeyCode::Delete => {
                self.delete(Run::Delete, TextArea::delete_next_char);
                return true;
            }
            KeyCode::Char('e') if control => CursorMove::End,
            KeyCode::Left if control => CursorMove::WordBack,
            KeyCode::Right if control => CursorMove::WordForward,
            KeyCode::Home if control => CursorMove::Top,
            KeyCode::End if control => CursorMove::Bottom,
            KeyCode::Left => CursorMove::Back,
            KeyCode::Right => CursorMove::Forward,
            KeyCode::Up => CursorMove::Up,
            KeyCode::Down => CursorMove::Down,
            KeyCode::Home => {
                // First to the text, then to the margin.
                let blank = self.lines()[self.cursor().0].chars().take_while(|c| c.is_whitespace()).count();
                let at = if self.cursor().1 == blank { 0 } else { blank };
                self.select(shift);
                let line = self.cursor().0;
                self.area
                    .move_cursor(CursorMove::Jump(line.min(u16::MAX.into()) as u16, at.min(u16::MAX.into()) as u16));
                self.run = Run::None;
                return true;
            }
            KeyCode::End => CursorMove::End,
            _ => return false,
        };
        self.select(shift);
        self.area.move_cursor(movement);
        self.run = Run::None;
        true
    }

    fn select(&mut self, on: bool) {
        if !on {
            self.area.cancel_selection();
        } else if !self.area.is_selecting() {
            self.area.start_selection();
        }
    }

    pub fn page(&mut self, rows: isize, shift: bool) {
        self.select(shift);
        for _ in 0..rows.unsigned_abs() {
            self.area.move_cursor(if rows < 0 { CursorMove::Up } else { CursorMove::Down });
        }
        self.run = Run::None;
    }

    pub fn is_selecting(&self) -> bool {
        self.area.is_selecting()
    }

    pub fn cancel_selection(&mut self) {
        self.area.cancel_selection();
    }

    pub fn select_all(&mut self) {
        self.area.select_all();
    }

    pub fn delete_word(&mut self) {
        self.delete(Run::None, TextArea::delete_word);
    }

    /// The selection, or the whole line with its newline.
    pub fn copy(&mut self) -> String {
        if self.area.is_selecting() {
            self.area.copy();
            self.clipboard = self.area.yank_text();
        } else {
            self.clipboard = format!("{}\n", self.lines()[self.cursor().0]);
        }
        self.clipboard.clone()
    }

    pub fn cut(&mut self) -> String {
        let text = self.copy();
        self.begin(Run::None);
        if self.area.is_selecting() {
            self.area.cut();
        } else {
            self.area.move_cursor(CursorMove::Head);
            self.area.delete_line_by_end();
            if !self.area.delete_next_char() {
                self.area.delete_char();
            }
        }
        self.changed();
        text
    }

    pub fn paste(&mut self) {
        let text = self.clipboard.clone();
        if text.ends_with('\n') && !self.area.is_selecting() {
            self.begin(Run::None);
            self.area.move_cursor(CursorMove::Head);
            self.area.insert_str(&text);
            self.changed();
        } else if !text.is_empty() {
            self.insert(&text);
        }
    }

    /// Tab: indents; with a selection, all its lines.
    pub fn indent(&mut self) {
        let unit = self.indent_unit();
        self.insert(&unit);
    }

    /// Comments the selected lines (or the cursor's), or uncomments them if all are comments.
    pub fn toggle_comment(&mut self) {
        let ((first, _), (last, last_char)) = self.selection().unwrap_or((self.cursor(), self.cursor()));
        // A selection that ends before the first character of a line does not mean that line.
        let last = if last > first && last_char == 0 { last - 1 } else { last };
        let (line, character) = self.cursor();
        self.begin(Run::None);
        let mut lines = self.lines().to_vec();
        let meant: Vec<usize> = (first..=last).filter(|n| !lines[*n].trim().is_empty() || first == last).collect();
        let all = meant.iter().all(|n| lines[*n].trim_start().starts_with("//"));
        let column = meant.iter().map(|n| lines[*n].len() - lines[*n].trim_start().len()).min().unwrap_or(0);
        let mut shift = 0;
        for n in meant {
            let text = &mut lines[n];
            let change = if all {
                let at = text.find("//").unwrap_or(0);
                let len = if text[at..].starts_with("// ") { 3 } else { 2 };
                text.replace_range(at..at + len, "");
                -(len as isize)
            } else {
                text.insert_str(column, "// ");
                3
            };
            if n == line {
                shift = change;
            }
        }
        self.area = model(lines);
        self.jump(line, character.saturating_add_signed(shift));
        self.changed();
    }

    /// Replaces the whole text as one undo step.
    pub fn replace_all(&mut self, text: &str, cursor: (usize, usize)) {
        self.begin(Run::None);
        self.area = model(text.split('\n').map(str::to_owned).collect());
        self.jump(cursor.0, cursor.1);
        self.changed();
    }

    // ---- diagnostics ----

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

    // ---- completion ----

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

    // ---- find ----

    /// Byte ranges of the searched text in a line. Smart case.
    pub fn matches_in(&self, line: &str) -> Vec<(usize, usize)> {
        if self.find.is_empty() {
            return Vec::new();
        }
        let exact = self.find.chars().any(char::is_uppercase);
        let (hay, needle) = if exact {
            (line.to_owned(), self.find.clone())
        } else {
            (line.to_ascii_lowercase(), self.find.to_ascii_lowercase())
        };
        hay.match_indices(&needle).map(|(at, found)| (at, at + found.len())).collect()
    }

    /// Moves to the next match from the cursor, or from before it. Wraps around. Says how many there are.
    pub fn find_next(&mut self, forward: bool, include_here: bool) -> usize {
        let here = self.cursor_byte();
        let mut all = Vec::new();
        for (line, text) in self.lines().iter().enumerate() {
            all.extend(self.matches_in(text).into_iter().map(|(at, _)| (line, at)));
        }
        let next = if forward {
            all.iter().find(|place| if include_here { **place >= here } else { **place > here }).or(all.first())
        } else {
            all.iter().rfind(|place| **place < here).or(all.last())
        };
        if let Some((line, byte)) = next.copied() {
            self.jump_byte(line, byte);
        }
        all.len()
    }

    // ---- view ----

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
            let key = if diagnostic.fix.is_some() { "   F4 applies" } else { "" };
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
        let column = display_column(&self.lines()[line], byte);
        let width = width.max(1);
        if column < self.left {
            self.left = column.saturating_sub(4);
        } else if column >= self.left + width {
            self.left = column + 1 - width + (width / 4);
        }
        // Back to the margin as soon as the cursor fits without scrolling.
        if column < width && self.left > 0 && column < self.left + 4 {
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

/// Byte offset of a character.
pub fn byte_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(at, _)| at)
}

/// `at` moved down to a character boundary inside the line.
pub fn floor(line: &str, at: usize) -> usize {
    let mut at = at.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Columns between tab stops in the editor.
pub const TAB: usize = 8;

/// Columns a character takes when it begins at `column`.
pub fn char_columns(c: char, column: usize) -> usize {
    match c {
        '\t' => TAB - column % TAB,
        c if c.is_control() || u32::from(c) >= RAW_BYTE => 1,
        c => unicode_width::UnicodeWidthChar::width(c).unwrap_or(0),
    }
}

/// Whether the character stands for a byte that is not UTF-8.
pub fn is_raw_byte(c: char) -> bool {
    (RAW_BYTE..RAW_BYTE + 256).contains(&u32::from(c))
}

/// The display column at which a byte of the line is drawn.
pub fn display_column(line: &str, byte: usize) -> usize {
    let mut column = 0;
    for (at, c) in line.char_indices() {
        if at >= byte {
            break;
        }
        column += char_columns(c, column);
    }
    column
}

fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().filter_map(|b| char::from_u32(RAW_BYTE + u32::from(*b))));
    }
    out
}

fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_raw_byte(c) {
            out.push((u32::from(c) - RAW_BYTE) as u8);
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::input::keys::parse_keys;

    fn script(text: &str, keys: &str) -> Script {
        let mut script = Script::new("x.stp", None, text.as_bytes());
        press(&mut script, keys);
        script
    }

    fn press(script: &mut Script, keys: &str) {
        for chord in parse_keys(keys) {
            script.key(chord);
        }
    }

    #[test]
    fn undo_goes_by_words() {
        let mut script = script("", "global foo");
        assert_eq!(script.text(), "global foo");
        script.undo();
        assert_eq!(script.text(), "global");
        script.undo();
        assert_eq!(script.text(), "");
        assert!(!script.can_undo() && !script.is_modified());
        script.redo();
        script.redo();
        assert_eq!(script.text(), "global foo");
        press(&mut script, "<Backspace><Backspace>");
        script.undo();
        assert_eq!(script.text(), "global foo");
    }

    #[test]
    fn indents_after_braces_and_dedents_before_them() {
        assert_eq!(script("", "probe x {<ret>a<ret>}").text(), "probe x {\n  a\n}");
        assert_eq!(script("\tx {", "<End><ret>}").text(), "\tx {\n\t}");
    }

    #[test]
    fn bytes_survive() {
        let raw = b"a\xff\xfe\r\n\xe6\x97\xa5\tb\n";
        let script = Script::new("x", None, raw);
        assert_eq!(script.bytes(), raw);
        assert_eq!(display_column(&script.lines()[1], 3), 2);
        assert_eq!(display_column("\u{65e5}\tb", 4), 8);
    }

    #[test]
    fn comments_toggle_and_fixes_apply() {
        let mut script = script("  a\n\n    b", "");
        script.select_all();
        script.toggle_comment();
        assert_eq!(script.text(), "  // a\n\n  //   b");
        script.select_all();
        script.toggle_comment();
        assert_eq!(script.text(), "  a\n\n    b");
        script.set_diagnostics(vec![EditorDiagnostic {
            line: 3,
            columns: 4..5,
            severity: Severity::Error,
            message: "m".into(),
            help: None,
            fix: Some("bee()".into()),
        }]);
        assert!(script.apply_fix());
        assert_eq!(script.text(), "  a\n\n    bee()");
        script.undo();
        assert_eq!(script.text(), "  a\n\n    b");
    }

    #[test]
    fn finds_around_the_end() {
        let mut script = script("ab\nAB ab", "");
        script.find = "ab".into();
        assert_eq!(script.find_next(true, true), 3);
        assert_eq!(script.cursor(), (0, 0));
        script.find_next(false, false);
        assert_eq!(script.cursor(), (1, 3));
        script.find = "AB".into();
        assert_eq!(script.find_next(true, false), 1);
    }

    #[test]
    fn completion_narrows_and_replaces() {
        let mut script = script("  get", "<End>");
        script.asked_line = 0;
        let item = |text: &str| Completion {
            label: text.into(),
            insert: text.into(),
            signature: String::new(),
            doc: String::new(),
            kind: crate::tui::engine::CompletionKind::Function,
        };
        script.show_completions(CompletionList {
            start: 2,
            items: vec![item("get_cycles()"), item("gettimeofday_us()")],
        });
        press(&mut script, "t");
        script.narrow_completions();
        assert_eq!(script.popup.as_ref().unwrap().items.len(), 1);
        script.accept_completion();
        assert_eq!(script.text(), "  gettimeofday_us()");
    }

    #[test]
    fn cut_takes_lines() {
        let mut script = script("a\nb\nc", "<Down>");
        assert_eq!(script.cut(), "b\n");
        assert_eq!(script.text(), "a\nc");
        script.paste();
        assert_eq!(script.text(), "a\nb\nc");
    }
}
