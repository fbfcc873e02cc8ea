//! vim's modes over [`Script`]: normal, insert, visual. What is typed is gathered and read as a command as soon as it is
//! one, `[count][operator][count]motion`; keys that are no command go on to the key map, so Ctrl-R still runs the script
//! (redo is `U`) and Ctrl-W moves between panes.

mod command;
mod motion;

use crossterm::event::{KeyCode, KeyModifiers};

use self::{
    command::{Command, Parsed, Target, parse},
    motion::{Place, Reach, Search, Text},
};
use super::script::Script;
use crate::tui::{action::Act, input::keys::Chord};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Normal,
    Insert,
    Visual,
    VisualLines,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Normal => "NORMAL",
            Mode::Insert => "INSERT",
            Mode::Visual => "VISUAL",
            Mode::VisualLines => "V-LINE",
        }
    }
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Took {
    Yes,
    /// Not ours: for the key map, and then for typing.
    No,
    /// An action of the dashboard.
    Act(Act),
    /// Into the clipboards.
    Copied(String),
    /// Nothing was done, because …
    Refused(String),
}

#[derive(Debug, Default)]
pub struct Vim {
    pub mode: Mode,
    /// Of a command not yet whole.
    typed: String,
    /// The other end of the selection.
    anchor: Place,
    /// Column that `j` and `k` keep to; the end of the line after `$`.
    column: Option<usize>,
    search: Option<Search>,
    /// Keys since the command began, for `.`.
    keys: Vec<Chord>,
    repeat: Vec<Chord>,
    /// Version before the command, and undo steps before the insertion.
    version: u64,
    undo_mark: usize,
}

impl Vim {
    /// What is shown while a command is typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// Whether characters are text now.
    pub fn is_inserting(&self) -> bool {
        self.mode == Mode::Insert
    }

    pub fn key(&mut self, script: &mut Script, chord: Chord) -> Took {
        if self.typed.is_empty() && !self.is_inserting() {
            self.keys.clear();
            self.version = script.version;
        }
        self.keys.push(chord);
        let took = if self.is_inserting() { self.insert_key(script, chord) } else { self.command_key(script, chord) };
        if !self.is_inserting() && self.typed.is_empty() {
            self.settle(script);
            if script.version != self.version && !matches!(took, Took::Act(_) | Took::No) {
                self.repeat.clone_from(&self.keys);
            }
        }
        took
    }

    fn insert_key(&mut self, script: &mut Script, chord: Chord) -> Took {
        let control = chord.mods == KeyModifiers::CONTROL;
        match chord.code {
            KeyCode::Esc => self.leave_insert(script),
            KeyCode::Char('[') if control => self.leave_insert(script),
            KeyCode::Char('u') if control => {
                let (line, at) = script.cursor();
                script.splice((line, 0), (line, at), "");
            }
            _ => return Took::No,
        }
        Took::Yes
    }

    fn leave_insert(&mut self, script: &mut Script) {
        self.mode = Mode::Normal;
        script.popup = None;
        script.join_undo(self.undo_mark);
        let (line, at) = script.cursor();
        script.jump(line, at.saturating_sub(1));
    }

    fn enter_insert(&mut self, script: &Script, mark: usize) {
        self.mode = Mode::Insert;
        self.undo_mark = mark.min(script.undo_steps());
    }

    fn command_key(&mut self, script: &mut Script, chord: Chord) -> Took {
        let control = chord.mods == KeyModifiers::CONTROL;
        let movement = match chord.code {
            KeyCode::Esc if self.typed.is_empty() && self.mode == Mode::Normal => return Took::No,
            KeyCode::Esc => {
                self.typed.clear();
                self.mode = Mode::Normal;
                return Took::Yes;
            }
            KeyCode::Char('[') if control => {
                self.typed.clear();
                self.mode = Mode::Normal;
                return Took::Yes;
            }
            KeyCode::Char('d') if control => return Took::Act(Act::TextPageDown),
            KeyCode::Char('u') if control => return Took::Act(Act::TextPageUp),
            KeyCode::Char(c) if chord.mods.is_empty() => c,
            KeyCode::Left | KeyCode::Backspace => 'h',
            KeyCode::Right => 'l',
            KeyCode::Up => 'k',
            KeyCode::Down => 'j',
            KeyCode::Home => '0',
            KeyCode::End => '$',
            KeyCode::Enter => '+',
            KeyCode::Delete => 'x',
            _ => {
                self.typed.clear();
                if self.mode != Mode::Normal {
                    // An action of the key map works on what is selected.
                    let (from, to) = self.selected(script);
                    self.mode = Mode::Normal;
                    self.settle(script);
                    script.select_range(from, to);
                }
                return Took::No;
            }
        };
        self.typed.push(movement);
        match parse(&self.typed, self.mode != Mode::Normal) {
            Parsed::Partial => Took::Yes,
            Parsed::Wrong => {
                let typed = std::mem::take(&mut self.typed);
                Took::Refused(format!("'{typed}' is no command; {{help}} lists the keys"))
            }
            Parsed::Whole(command) => {
                self.typed.clear();
                self.run(script, &command)
            }
        }
    }

    fn run(&mut self, script: &mut Script, command: &Command) -> Took {
        let count = command.count.unwrap_or(1);
        let here = script.cursor();
        if self.mode != Mode::Normal
            && let Some(took) = self.visual(script, command)
        {
            return took;
        }
        match (command.operator, &command.target) {
            (Some(operator), Target::Line) => {
                let last = (here.0 + count - 1).min(script.lines().len() - 1);
                self.operate(script, operator, (here.0, 0), (last, 0), Reach::Lines)
            }
            (Some(operator), Target::Object { around, what }) => {
                match Text(script.lines()).object(here, *around, *what) {
                    Some((from, to)) => self.operate(script, operator, from, to, Reach::Exclusive),
                    None => Took::Refused("there is none around the cursor".into()),
                }
            }
            (Some(operator), target) => {
                // `cw` in a word changes to its end, as it always did.
                let in_word = operator == 'c' && script.char_at(here).is_some_and(|c| !c.is_whitespace());
                let reached = match *target {
                    Target::Motion(c @ ('w' | 'W')) if in_word => {
                        let text = Text(script.lines());
                        let end = text.run_end(here, c == 'W');
                        let end = (1..count).fold(end, |at, _| text.word_end(at, c == 'W'));
                        Some((end, Reach::Inclusive))
                    }
                    target => self.reach(script, target, command.count),
                };
                let Some((mut to, reach)) = reached else {
                    return Took::Refused("there is nothing to reach".into());
                };
                if matches!(target, Target::Motion('w' | 'W')) && !in_word && to.0 > here.0 {
                    // The last word of a line ends with the line.
                    let last = to.0 - 1;
                    to = if to.1 <= Text(script.lines()).first_nonblank(to.0) { (last, usize::MAX) } else { to };
                    to.1 = to.1.min(Text(script.lines()).len(to.0));
                }
                let (from, to) = if to < here { (to, here) } else { (here, to) };
                self.operate(script, operator, from, to, reach)
            }
            (None, Target::Simple(c)) => self.simple(script, *c, command.count),
            (None, Target::Replace(c)) => {
                let (line, at) = here;
                if at + count > Text(script.lines()).len(line) {
                    return Took::Refused("the line ends before".into());
                }
                script.splice(here, (line, at + count), &c.to_string().repeat(count));
                script.jump(line, at + count - 1);
                Took::Yes
            }
            (None, target) => {
                let vertical = matches!(target, Target::Motion('j' | 'k'));
                match self.reach(script, *target, command.count) {
                    Some((to, _)) => {
                        if !vertical {
                            self.column = (*target == Target::Motion('$')).then_some(usize::MAX);
                        }
                        script.jump(to.0, to.1);
                        Took::Yes
                    }
                    None => Took::Yes,
                }
            }
        }
    }

    /// Where a motion leads, `count` times.
    fn reach(&mut self, script: &Script, target: Target, count: Option<usize>) -> Option<(Place, Reach)> {
        let text = Text(script.lines());
        let here = script.cursor();
        let n = count.unwrap_or(1);
        let last = script.lines().len() - 1;
        let times = |step: &dyn Fn(Place) -> Place| (0..n.min(10_000)).fold(here, |at, _| step(at));
        Some(match target {
            Target::Motion(c) => match c {
                'h' => ((here.0, here.1.saturating_sub(n)), Reach::Exclusive),
                'l' | ' ' => ((here.0, (here.1 + n).min(text.len(here.0))), Reach::Exclusive),
                'j' | 'k' => {
                    let column = *self.column.get_or_insert(here.1);
                    let line = if c == 'j' { (here.0 + n).min(last) } else { here.0.saturating_sub(n) };
                    ((line, column.min(text.len(line))), Reach::Lines)
                }
                'w' => (times(&|at| text.word_forward(at, false)), Reach::Exclusive),
                'W' => (times(&|at| text.word_forward(at, true)), Reach::Exclusive),
                'b' => (times(&|at| text.word_back(at, false)), Reach::Exclusive),
                'B' => (times(&|at| text.word_back(at, true)), Reach::Exclusive),
                'e' => (times(&|at| text.word_end(at, false)), Reach::Inclusive),
                'E' => (times(&|at| text.word_end(at, true)), Reach::Inclusive),
                '0' => ((here.0, 0), Reach::Exclusive),
                '^' => ((here.0, text.first_nonblank(here.0)), Reach::Exclusive),
                '$' => {
                    let line = (here.0 + n - 1).min(last);
                    ((line, text.len(line)), Reach::Exclusive)
                }
                '+' | '-' => {
                    let line = if c == '+' { (here.0 + n).min(last) } else { here.0.saturating_sub(n) };
                    ((line, text.first_nonblank(line)), Reach::Lines)
                }
                'G' => {
                    let line = count.map_or(last, |line| (line - 1).min(last));
                    ((line, text.first_nonblank(line)), Reach::Lines)
                }
                '{' | '}' => (times(&|at| (text.paragraph(at.0, c == '}'), 0)), Reach::Exclusive),
                '%' => (text.partner(here)?, Reach::Inclusive),
                ';' | ',' => {
                    let search = self.search?;
                    let kind = if c == ';' { search.kind } else { flip_case(search.kind) };
                    (text.search(here, Search { kind, ..search }, n)?, reach_of(kind))
                }
                _ => return None,
            },
            Target::Top => {
                let line = count.map_or(0, |line| (line - 1).min(last));
                ((line, text.first_nonblank(line)), Reach::Lines)
            }
            Target::Search(search) => {
                self.search = Some(search);
                (text.search(here, search, n)?, reach_of(search.kind))
            }
            _ => return None,
        })
    }

    fn operate(&mut self, script: &mut Script, operator: char, from: Place, to: Place, reach: Reach) -> Took {
        let mark = script.undo_steps();
        if reach == Reach::Lines {
            return self.operate_lines(script, operator, from.0, to.0, mark);
        }
        let to = if reach == Reach::Inclusive { (to.0, to.1 + 1) } else { to };
        let taken = script.text_between(from, to);
        match operator {
            'd' | 'c' => {
                script.set_clipboard(&taken);
                script.splice(from, to, "");
                if operator == 'c' {
                    self.enter_insert(script, mark);
                }
                Took::Yes
            }
            'y' => {
                script.set_clipboard(&taken);
                script.jump(from.0, from.1);
                Took::Copied(taken)
            }
            '~' => {
                let flipped: String = taken.chars().map(flip_case).collect();
                script.splice(from, to, &flipped);
                Took::Yes
            }
            _ => self.operate_lines(script, operator, from.0, to.0, mark),
        }
    }

    fn operate_lines(&mut self, script: &mut Script, operator: char, first: usize, last: usize, mark: usize) -> Took {
        let (first, last) = (first.min(last), first.max(last).min(script.lines().len() - 1));
        let taken = script.lines()[first..=last].join("\n") + "\n";
        match operator {
            'y' => {
                script.set_clipboard(&taken);
                script.jump(first, script.cursor().1);
                Took::Copied(taken)
            }
            'd' => {
                script.set_clipboard(&taken);
                script.delete_lines(first, last);
                let line = script.cursor().0;
                script.jump(line, Text(script.lines()).first_nonblank(line));
                Took::Yes
            }
            'c' => {
                script.set_clipboard(&taken);
                let indent: String = script.lines()[first].chars().take_while(|c| c.is_whitespace()).collect();
                script.splice((first, 0), (last, usize::MAX), &indent);
                script.jump(first, indent.chars().count());
                self.enter_insert(script, mark);
                Took::Yes
            }
            '>' | '<' => {
                script.shift_lines(first, last, operator == '>');
                script.jump(first, Text(script.lines()).first_nonblank(first));
                Took::Yes
            }
            _ => {
                let flipped: String = taken.trim_end_matches('\n').chars().map(flip_case).collect();
                script.splice((first, 0), (last, usize::MAX), &flipped);
                Took::Yes
            }
        }
    }

    fn simple(&mut self, script: &mut Script, c: char, count: Option<usize>) -> Took {
        let n = count.unwrap_or(1);
        let (line, at) = script.cursor();
        let len = Text(script.lines()).len(line);
        let mark = script.undo_steps();
        match c {
            'i' => self.enter_insert(script, mark),
            'a' => {
                script.jump(line, (at + 1).min(len));
                self.enter_insert(script, mark);
            }
            'I' => {
                let text = &script.lines()[line];
                script.jump(line, text.chars().take_while(|c| c.is_whitespace()).count());
                self.enter_insert(script, mark);
            }
            'A' => {
                script.jump(line, len);
                self.enter_insert(script, mark);
            }
            'o' => {
                script.jump(line, len);
                script.new_line();
                self.enter_insert(script, mark);
            }
            'O' => {
                script.open_above();
                self.enter_insert(script, mark);
            }
            'x' if len == 0 => return Took::Refused("the line is empty".into()),
            'x' => return self.operate(script, 'd', (line, at), (line, (at + n).min(len)), Reach::Exclusive),
            'X' => return self.operate(script, 'd', (line, at.saturating_sub(n)), (line, at), Reach::Exclusive),
            's' => return self.operate(script, 'c', (line, at), (line, (at + n).min(len)), Reach::Exclusive),
            '~' => {
                let to = (at + n).min(len);
                let took = self.operate(script, '~', (line, at), (line, to), Reach::Exclusive);
                script.jump(line, to);
                return took;
            }
            'S' => return self.operate_lines(script, 'c', line, line + n - 1, mark),
            'D' | 'C' => {
                let operator = c.to_ascii_lowercase();
                return self.operate(script, operator, (line, at), (line, len), Reach::Exclusive);
            }
            'Y' => return self.operate_lines(script, 'y', line, line + n - 1, mark),
            'J' => {
                for _ in 0..n.max(2) - 1 {
                    script.join_line();
                }
                script.join_undo(mark);
            }
            'p' | 'P' => {
                for _ in 0..n {
                    script.put(c == 'p');
                }
                script.join_undo(mark);
            }
            'u' | 'U' => return Took::Act(if c == 'u' { Act::Undo } else { Act::Redo }),
            'v' | 'V' => {
                self.mode = if c == 'v' { Mode::Visual } else { Mode::VisualLines };
                self.anchor = (line, at);
            }
            '.' => {
                for chord in self.repeat.clone() {
                    if self.key(script, chord) == Took::No && self.is_inserting() {
                        script.key(chord);
                    }
                }
            }
            '*' => {
                let Some((from, to)) = Text(script.lines()).object((line, at), false, 'w') else {
                    return Took::Refused("there is no word under the cursor".into());
                };
                script.find = script.text_between(from, to);
                return Took::Act(Act::NextMatch);
            }
            ':' => return Took::Act(Act::Palette),
            '/' | '?' => return Took::Act(Act::Find),
            'n' => return Took::Act(Act::NextMatch),
            'N' => return Took::Act(Act::PreviousMatch),
            'K' => return Took::Act(Act::FindProbe),
            'Z' => return Took::Act(Act::Quit),
            _ => return Took::Refused(format!("'{c}' does nothing here; {{help}} lists the keys")),
        }
        Took::Yes
    }

    /// A command while something is selected; `None` for motions.
    fn visual(&mut self, script: &mut Script, command: &Command) -> Option<Took> {
        let (from, to) = self.selected(script);
        let lines = self.mode == Mode::VisualLines;
        let operator = match (command.operator, &command.target) {
            (Some(operator), _) => operator,
            (None, Target::Simple('x' | 'X' | 'D')) => 'd',
            (None, Target::Simple('s' | 'S' | 'C')) => 'c',
            (None, Target::Simple('Y')) => 'y',
            (None, Target::Simple('~' | 'u' | 'U')) => '~',
            (None, Target::Simple('v' | 'V')) => {
                let wanted = if command.target == Target::Simple('v') { Mode::Visual } else { Mode::VisualLines };
                self.mode = if self.mode == wanted { Mode::Normal } else { wanted };
                return Some(Took::Yes);
            }
            (None, Target::Simple('o' | 'O')) => {
                let here = script.cursor();
                script.jump(self.anchor.0, self.anchor.1);
                self.anchor = here;
                return Some(Took::Yes);
            }
            (None, Target::Simple('p' | 'P')) => {
                let (old, mark) = (script.clipboard().to_owned(), script.undo_steps());
                self.mode = Mode::Normal;
                script.splice(from, to, old.trim_end_matches('\n'));
                if !old.contains('\n') {
                    script.jump(from.0, from.1 + old.chars().count().saturating_sub(1));
                }
                script.join_undo(mark);
                return Some(Took::Yes);
            }
            (None, Target::Simple('J')) => {
                self.mode = Mode::Normal;
                let mark = script.undo_steps();
                script.jump(from.0, from.1);
                for _ in 0..(to.0 - from.0).max(1) {
                    script.join_line();
                }
                script.join_undo(mark);
                return Some(Took::Yes);
            }
            (None, Target::Object { around, what }) => {
                if let Some((from, to)) = Text(script.lines()).object(script.cursor(), *around, *what) {
                    self.anchor = from;
                    script.jump(to.0, to.1.saturating_sub(1));
                }
                return Some(Took::Yes);
            }
            _ => return None,
        };
        self.mode = Mode::Normal;
        Some(if lines || "<>".contains(operator) {
            let mark = script.undo_steps();
            self.operate_lines(script, operator, from.0, to.0, mark)
        } else {
            self.operate(script, operator, from, to, Reach::Exclusive)
        })
    }

    /// Both ends of the selection, in order; the second is after the last character.
    fn selected(&self, script: &Script) -> (Place, Place) {
        let here = script.cursor();
        let (from, to) = (self.anchor.min(here), self.anchor.max(here));
        if self.mode == Mode::VisualLines {
            ((from.0, 0), (to.0, Text(script.lines()).len(to.0)))
        } else {
            (from, (to.0, to.1 + 1))
        }
    }

    /// Outside of insertions the cursor is on a character, not behind the last; the selection is what the view marks.
    pub fn settle(&mut self, script: &mut Script) {
        script.visual = None;
        if self.is_inserting() {
            return;
        }
        let (line, at) = script.cursor();
        let last = Text(script.lines()).len(line).saturating_sub(1);
        if at > last && !script.is_selecting() {
            script.jump(line, last);
        }
        if self.mode != Mode::Normal {
            script.visual = Some(self.selected(script));
        }
    }
}

fn reach_of(search: char) -> Reach {
    if search.is_lowercase() { Reach::Inclusive } else { Reach::Exclusive }
}

fn flip_case(c: char) -> char {
    if c.is_uppercase() { c.to_lowercase().next().unwrap_or(c) } else { c.to_uppercase().next().unwrap_or(c) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::input::keys::parse_keys;

    /// The text after the keys, with the cursor as `|` and the mode.
    fn after(text: &str, keys: &str) -> String {
        let (mut script, mut vim) = (Script::new("x", None, text.as_bytes()), Vim::default());
        for chord in parse_keys(keys) {
            match vim.key(&mut script, chord) {
                Took::No => drop(script.key(chord)),
                Took::Act(Act::Undo) => script.undo(),
                Took::Act(Act::Redo) => script.redo(),
                _ => (),
            }
            vim.settle(&mut script);
        }
        let (line, byte) = script.cursor_byte();
        let mut lines = script.lines().to_vec();
        lines[line].insert(byte, '|');
        let mode = if vim.mode == Mode::Normal { String::new() } else { format!(" {}", vim.mode.name()) };
        format!("{}{mode}", lines.join("\n"))
    }

    #[track_caller]
    fn check(text: &str, cases: &[(&str, &str)]) {
        for (keys, wanted) in cases {
            assert_eq!(&after(text, keys), wanted, "{keys}");
        }
    }

    const TEXT: &str = "global n, m\n\nprobe a.b(\"x y\") {\n  n[execname()]++\n}";

    #[test]
    fn motions() {
        let at = |keys: &str| {
            let out = after(TEXT, keys);
            let before = out.split('|').next().unwrap();
            (before.matches('\n').count(), before.rsplit('\n').next().unwrap().chars().count())
        };
        for (keys, wanted) in [
            ("w", (0, 7)),
            ("3w", (0, 10)),
            ("e", (0, 5)),
            ("$", (0, 10)),
            ("$j", (1, 0)),
            ("$jj", (2, 17)),
            ("G", (4, 0)),
            ("4G", (3, 2)),
            ("Ggg", (0, 0)),
            ("jjf\"", (2, 10)),
            ("jjf\";", (2, 14)),
            ("jjt(", (2, 8)),
            ("jj%", (2, 15)),
            ("}", (1, 0)),
            ("G{", (1, 0)),
            ("GkfnB", (2, 17)),
            ("lllll99l", (0, 10)),
            ("jjj^", (3, 2)),
            ("jjjl0", (3, 0)),
            ("<Right><Down><Down>", (2, 1)),
        ] {
            assert_eq!(at(keys), wanted, "{keys}");
        }
    }

    #[test]
    fn operators() {
        check(
            "one two\n  three\nfour",
            &[
                ("x", "|ne two\n  three\nfour"),
                ("dw", "|two\n  three\nfour"),
                ("wdw", "one| \n  three\nfour"),
                ("wD", "one| \n  three\nfour"),
                ("dd", "  |three\nfour"),
                ("2dd", "|four"),
                ("jdj", "|one two"),
                ("dG", "|"),
                ("d2e", "|\n  three\nfour"),
                ("ddp", "  three\n|one two\nfour"),
                ("yyP", "|one two\none two\n  three\nfour"),
                ("yyGp", "one two\n  three\nfour\n|one two"),
                ("wyiwP", "one tw|otwo\n  three\nfour"),
                ("j^cwnew<Esc>", "one two\n  ne|w\nfour"),
                ("cwnew<Esc>", "ne|w two\n  three\nfour"),
                ("ccnew<Esc>", "ne|w\n  three\nfour"),
                ("jccnew<Esc>", "one two\n  ne|w\nfour"),
                (">>", "  |one two\n  three\nfour"),
                ("j<lt><lt>", "one two\n|three\nfour"),
                ("J", "one two| three\nfour"),
                ("rz", "|zne two\n  three\nfour"),
                ("~", "O|ne two\n  three\nfour"),
                ("dtw", "|wo\n  three\nfour"),
                ("dft", "|wo\n  three\nfour"),
                ("wd0", "|two\n  three\nfour"),
                ("wdb", "|two\n  three\nfour"),
                ("sX<Esc>", "|Xne two\n  three\nfour"),
                ("A!<Esc>", "one two|!\n  three\nfour"),
                ("jI!<Esc>", "one two\n  |!three\nfour"),
                ("oa<ret>b<Esc>", "one two\na\n|b\n  three\nfour"),
                ("Oa<Esc>", "|a\none two\n  three\nfour"),
                ("jOa<Esc>", "one two\n  |a\n  three\nfour"),
            ],
        );
        check("f(a, b) {\n}", &[("fadib", "f(|) {\n}"), ("dap", "|f(a, b) {\n}"), ("f,da(", "f| {\n}")]);
        check("p(\"a b\")", &[("di\"", "p(\"|\")"), ("fbci\"x<Esc>", "p(\"|x\")")]);
    }

    #[test]
    fn undo_takes_back_a_whole_insertion_and_dot_repeats() {
        check(
            "a b c",
            &[
                ("xu", "|a b c"),
                ("ione two three<Esc>u", "|a b c"),
                ("xxuuU", "| b c"),
                ("cwX Y<Esc>w.", "X Y X |Y c"),
                ("x.", "|b c"),
                ("dw.", "|c"),
                ("Ax<Esc>..", "a b cxx|x"),
            ],
        );
    }

    #[test]
    fn visual() {
        check(
            "one two\nthree\nfour",
            &[
                ("vey", "|one two\nthree\nfour"),
                ("vex", "| two\nthree\nfour"),
                ("wvGd", "one |our"),
                ("Vd", "|three\nfour"),
                ("Vjd", "|four"),
                ("Vj>", "  |one two\n  three\nfour"),
                ("viwcX<Esc>", "|X two\nthree\nfour"),
                ("ve~", "|ONE two\nthree\nfour"),
                ("vlohx", "|e two\nthree\nfour"),
                ("v<Esc>x", "|ne two\nthree\nfour"),
                ("wvey0vep", "tw|o two\nthree\nfour"),
                ("v", "|one two\nthree\nfour VISUAL"),
            ],
        );
    }

    #[test]
    fn keys_that_are_no_command_go_on() {
        let (mut script, mut vim) = (Script::new("x", None, b"a"), Vim::default());
        let key = |text| Chord::parse(text).unwrap();
        assert_eq!(vim.key(&mut script, key("C-r")), Took::No);
        assert_eq!(vim.key(&mut script, key("F5")), Took::No);
        assert_eq!(vim.key(&mut script, key(":")), Took::Act(Act::Palette));
        assert!(matches!(vim.key(&mut script, key("Q")), Took::Refused(_)));
        assert_eq!(script.text(), "a");
    }

    #[test]
    fn nothing_breaks_an_empty_text() {
        for keys in [
            "x", "dd", "dw", "p", "J", "ciw", "vd", "Vy", "%", "w", "b", "e", "~", "rx", "*", ";", "d2j", "5G",
            "<lt><lt>",
        ] {
            after("", keys);
            after("\u{65e5}", keys);
        }
    }
}
