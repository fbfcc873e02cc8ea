//! The script being edited. ratatui-textarea holds lines, cursor and selection; undo (by typing runs, not characters),
//! diagnostics, completion, find and scrolling are ours, because the view draws virtual lines it cannot.

mod completion;
mod find;
mod findings;
mod ranges;
pub mod text;

use std::path::PathBuf;

pub use self::{
    findings::{VirtualKind, VirtualLine},
    text::{TAB, byte_of, char_columns, decode, display_column, encode, floor, is_raw_byte},
};
use crossterm::event::{KeyCode, KeyModifiers};
use tui_textarea::{CursorMove, TextArea};

use crate::tui::{
    engine::{Completion, EditorDiagnostic, StartOptions, Token},
    files::{OnDisk, Stamp},
    input::keys::Chord,
};

/// Undo steps kept, and the bytes they may take.
const UNDO_STEPS: usize = 500;
const UNDO_BYTES: usize = 16 << 20;

#[derive(Clone, Debug)]
struct Moment {
    lines: Vec<String>,
    cursor: (usize, usize),
    text_version: u64,
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
    /// Its own among all scripts of a dashboard; versions only grow, so it is the one it came with.
    pub id: u64,
    pub path: Option<PathBuf>,
    /// What it is called without a path.
    pub name: String,
    /// Counts edits; answers to older versions are thrown away.
    pub version: u64,
    /// The version that had this text first: an older one after an undo.
    text_version: u64,
    saved_version: Option<u64>,
    saved_text: Vec<u8>,
    /// The file when it was read or written last; `None` when there is none.
    pub on_disk: Option<Stamp>,
    /// What another program has written since over what is edited here.
    pub theirs: Option<OnDisk>,
    /// The version in the swap copy, if there is one.
    pub kept: Option<u64>,
    /// The swap copy this was recovered from, until it has one of its own.
    pub recovered_from: Option<PathBuf>,
    /// Session block of the file, kept with keys we do not know.
    pub block: toml::Table,
    /// Arguments and target.
    pub given: StartOptions,
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
    /// The selection of vim's visual mode, shown instead of the model's own.
    pub visual: Option<((usize, usize), (usize, usize))>,
    /// Moving selects, without Shift.
    mark: bool,
    /// The key that applies a fix, for the line that offers it.
    pub fix_key: String,
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
            id: 1,
            path,
            name: name.to_owned(),
            version: 1,
            text_version: 1,
            saved_version: Some(1),
            saved_text: bytes.to_vec(),
            on_disk: None,
            theirs: None,
            kept: None,
            recovered_from: None,
            block: toml::Table::new(),
            given: StartOptions::default(),
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
            visual: None,
            mark: false,
            fix_key: String::new(),
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
        self.visual.or_else(|| self.area.selection_range())
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

    /// Something would be lost.
    pub fn is_unsaved(&self) -> bool {
        self.is_modified() && !self.is_empty()
    }

    /// The file is gone: this is all there is.
    pub fn mark_unsaved(&mut self) {
        self.saved_version = None;
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
        self.text_version = self.version;
        self.id = self.version;
        self.saved_version = saved.then_some(self.version);
        self
    }

    /// As [`Script::after`], for a script that may have unsaved changes.
    #[must_use]
    pub fn bumped(mut self, version: u64) -> Self {
        self.version = version + 1;
        self.text_version = self.version;
        self
    }

    /// The text is that of a version: nothing was edited since, or all of it was undone.
    pub fn is_text_of(&self, version: u64) -> bool {
        version == self.version || version == self.text_version
    }

    /// The version by which [`Script::is_text_of`] is to know today's text.
    pub fn name_text(&mut self) -> u64 {
        self.text_version = self.version;
        self.version
    }

    pub fn display_name(&self) -> String {
        let from_path = self.path.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        from_path.unwrap_or_else(|| self.name.clone())
    }

    // ---- editing ----

    fn moment(&self) -> Moment {
        Moment { lines: self.lines().to_vec(), cursor: self.cursor(), text_version: self.text_version }
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
        self.mark = false;
        self.version += 1;
        self.text_version = self.version;
    }

    fn restore(&mut self, moment: Moment) {
        self.area = model(moment.lines);
        self.jump(moment.cursor.0, moment.cursor.1);
        self.run = Run::None;
        self.popup = None;
        self.changed();
        self.text_version = moment.text_version;
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
            KeyCode::Left if control => CursorMove::WordBack,
            KeyCode::Right if control => CursorMove::WordForward,
            KeyCode::Home if control => CursorMove::Top,
            KeyCode::End if control => CursorMove::Bottom,
            KeyCode::Left => CursorMove::Back,
            KeyCode::Right => CursorMove::Forward,
            KeyCode::Up => CursorMove::Up,
            KeyCode::Down => CursorMove::Down,
            KeyCode::Home => CursorMove::Head,
            KeyCode::End => CursorMove::End,
            _ => return false,
        };
        self.walk(movement, shift);
        true
    }

    /// Moves the cursor; `select` takes what is passed into the selection.
    pub fn walk(&mut self, movement: CursorMove, select: bool) {
        self.select(select);
        let movement = match movement {
            // First to the text, then to the margin.
            CursorMove::Head => {
                let (line, at) = self.cursor();
                let blank = self.lines()[line].chars().take_while(|c| c.is_whitespace()).count();
                let to = if at == blank { 0 } else { blank };
                CursorMove::Jump(line.min(u16::MAX.into()) as u16, to.min(u16::MAX.into()) as u16)
            }
            other => other,
        };
        self.area.move_cursor(movement);
        // The text's start and end are places, not lines.
        match movement {
            CursorMove::Top => self.area.move_cursor(CursorMove::Head),
            CursorMove::Bottom => self.area.move_cursor(CursorMove::End),
            _ => (),
        }
        self.run = Run::None;
    }

    pub fn delete_char(&mut self) {
        self.delete(Run::Delete, TextArea::delete_next_char);
    }

    /// Begins a selection that moving extends, or gives it up.
    pub fn toggle_mark(&mut self) {
        self.mark = !self.mark;
        self.select(self.mark);
    }

    fn select(&mut self, on: bool) {
        if !on && !self.mark {
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
        self.mark = false;
        self.area.cancel_selection();
    }

    pub fn select_all(&mut self) {
        self.area.select_all();
    }

    pub fn delete_word(&mut self) {
        self.delete(Run::None, TextArea::delete_word);
    }

    pub fn delete_next_word(&mut self) {
        self.delete(Run::None, TextArea::delete_next_word);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::Severity,
        tui::{engine::CompletionList, input::keys::parse_keys},
    };

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
    fn undoing_an_edit_brings_the_text_of_a_version_back() {
        let mut script = script("probe begin {}", "global x");
        let ran = script.name_text();
        assert!(script.is_text_of(ran));
        press(&mut script, " y");
        assert!(!script.is_text_of(ran));
        script.undo();
        assert_eq!(script.text(), "global xprobe begin {}");
        assert!(script.is_text_of(ran) && script.version != ran);
        script.redo();
        assert!(!script.is_text_of(ran));
        script.undo();
        script.undo();
        assert!(!script.is_text_of(ran), "before it ran");
        script.redo();
        assert!(script.is_text_of(ran));
        // The same text runs again, under the version it has now.
        let again = script.name_text();
        press(&mut script, " z");
        script.undo();
        assert!(script.is_text_of(again));
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
