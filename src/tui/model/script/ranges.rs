//! Edits of places and lines, as commands make them: each is one undo step.

use super::{Moment, Run, Script, byte_of, model};

type Place = (usize, usize);

impl Script {
    pub fn char_at(&self, (line, at): Place) -> Option<char> {
        self.lines().get(line)?.chars().nth(at)
    }

    /// `place` moved into the text.
    fn inside(&self, (line, at): Place) -> Place {
        let line = line.min(self.lines().len() - 1);
        (line, at.min(self.lines()[line].chars().count()))
    }

    pub fn text_between(&self, from: Place, to: Place) -> String {
        let (from, to) = (self.inside(from), self.inside(to));
        let lines = &self.lines()[from.0..=to.0.max(from.0)];
        let mut out = lines.join("\n");
        let tail = lines[lines.len() - 1].len() - byte_of(&lines[lines.len() - 1], to.1);
        out.truncate(out.len() - tail);
        out.split_off(byte_of(&lines[0], from.1).min(out.len()))
    }

    /// Puts `text` in the place of what is between, with the cursor at its start.
    pub fn splice(&mut self, from: Place, to: Place, text: &str) {
        let (from, to) = (self.inside(from), self.inside(to));
        let mut lines = self.lines().to_vec();
        let tail = lines[to.0][byte_of(&lines[to.0], to.1)..].to_owned();
        let head = lines[from.0][..byte_of(&lines[from.0], from.1)].to_owned();
        let between: Vec<String> = format!("{head}{text}{tail}").split('\n').map(str::to_owned).collect();
        lines.splice(from.0..=to.0, between);
        self.put_lines(lines, from);
    }

    fn put_lines(&mut self, lines: Vec<String>, cursor: Place) {
        self.begin(Run::None);
        self.area = model(if lines.is_empty() { vec![String::new()] } else { lines });
        self.jump(cursor.0, cursor.1);
        self.changed();
    }

    pub fn delete_lines(&mut self, first: usize, last: usize) {
        let mut lines = self.lines().to_vec();
        lines.drain(first..=last);
        self.put_lines(lines, (first, 0));
    }

    /// Indents lines one step, or takes one step away.
    pub fn shift_lines(&mut self, first: usize, last: usize, deeper: bool) {
        let unit = self.indent_unit();
        let mut lines = self.lines().to_vec();
        for line in &mut lines[first..=last] {
            if deeper && !line.trim().is_empty() {
                line.insert_str(0, &unit);
            } else if !deeper {
                let step = line.chars().take_while(|c| c.is_whitespace()).count().min(unit.chars().count());
                line.replace_range(..byte_of(line, step), "");
            }
        }
        self.put_lines(lines, (first, 0));
    }

    /// A new line above, indented as this one.
    pub fn open_above(&mut self) {
        let line = self.cursor().0;
        let indent: String = self.lines()[line].chars().take_while(|c| c.is_whitespace()).collect();
        let mut lines = self.lines().to_vec();
        let column = indent.chars().count();
        lines.insert(line, indent);
        self.put_lines(lines, (line, column));
    }

    /// The next line at the end of this one, with one blank between.
    pub fn join_line(&mut self) {
        let line = self.cursor().0;
        let Some(next) = self.lines().get(line + 1).map(|next| next.trim_start().to_owned()) else { return };
        let mut lines = self.lines().to_vec();
        lines.remove(line + 1);
        let head = lines[line].trim_end().to_owned();
        let column = head.chars().count();
        lines[line] = if head.is_empty() || next.is_empty() { head + &next } else { format!("{head} {next}") };
        self.put_lines(lines, (line, column));
    }

    /// What was cut or copied, after the cursor or before it; whole lines below or above.
    pub fn put(&mut self, after: bool) {
        let text = self.clipboard.clone();
        let (line, at) = self.cursor();
        if let Some(whole) = text.strip_suffix('\n') {
            let mut lines = self.lines().to_vec();
            let first = line + usize::from(after);
            lines.splice(first..first, whole.split('\n').map(str::to_owned));
            self.put_lines(lines, (first, 0));
        } else if !text.is_empty() {
            let place = self.inside((line, at + usize::from(after)));
            self.splice(place, place, &text);
            if !text.contains('\n') {
                self.jump(line, place.1 + text.chars().count() - 1);
            }
        }
    }

    pub fn clipboard(&self) -> &str {
        &self.clipboard
    }

    pub fn set_clipboard(&mut self, text: &str) {
        text.clone_into(&mut self.clipboard);
    }

    /// From the cursor to the end of the line, or the line's end itself.
    pub fn cut_to_end(&mut self) -> String {
        let (line, at) = self.cursor();
        let end = self.lines()[line].chars().count();
        let to = if at == end { (line + 1, 0) } else { (line, end) };
        let text = self.text_between((line, at), to);
        if line + 1 < self.lines().len() || at < end {
            self.set_clipboard(&text);
            self.splice((line, at), to, "");
        }
        text
    }

    /// Makes it the selection, the cursor at its end.
    pub fn select_range(&mut self, from: Place, to: Place) {
        let (from, to) = (self.inside(from), self.inside(to));
        self.cancel_selection();
        self.jump(from.0, from.1);
        self.area.start_selection();
        self.jump(to.0, to.1);
    }

    pub fn undo_steps(&self) -> usize {
        self.undo.len()
    }

    /// All steps after the first `mark` become one.
    pub fn join_undo(&mut self, mark: usize) {
        let bytes = |moment: &Moment| moment.lines.iter().map(String::len).sum::<usize>();
        if self.undo.len() > mark + 1 {
            self.undo_bytes -= self.undo.drain(mark + 1..).map(|moment| bytes(&moment)).sum::<usize>();
        }
        self.run = Run::None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_text_across_lines() {
        let mut script = Script::new("x", None, "ab\n\u{65e5}cd\nef".as_bytes());
        assert_eq!(script.text_between((0, 1), (2, 1)), "b\n\u{65e5}cd\ne");
        assert_eq!(script.text_between((1, 0), (1, 1)), "\u{65e5}");
        script.splice((0, 1), (1, 2), "X\nY");
        assert_eq!(script.text(), "aX\nYd\nef");
        script.splice((2, 1), (9, 9), "");
        assert_eq!(script.text(), "aX\nYd\ne");
        script.undo();
        script.undo();
        assert_eq!(script.text(), "ab\n\u{65e5}cd\nef");
    }

    #[test]
    fn cuts_to_the_end_and_then_the_line_end() {
        let mut script = Script::new("x", None, b"ab\nc");
        script.jump(0, 1);
        assert_eq!(script.cut_to_end(), "b");
        assert_eq!(script.cut_to_end(), "\n");
        assert_eq!(script.text(), "ac");
    }
}
