//! Lines of the script's output and what the session said, with repeats folded and a bound on memory.

use std::{collections::VecDeque, time::Duration};

use regex::Regex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Output,
    Note,
    Warning,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts up from 0; the selection holds it.
    pub number: u64,
    /// On the dashboard's clock, of the first of the folded lines.
    pub received: Duration,
    pub kind: LineKind,
    pub text: String,
    /// How often it came in a row.
    pub repeats: u32,
    /// When it came again; the first of these times, [`MAX_TIMES`] at most.
    pub again: Vec<Duration>,
    /// When it came last.
    pub last: Duration,
    /// What is folded below it: a text too long for the log.
    pub detail: Vec<String>,
    /// What is folded is shown.
    pub is_open: bool,
}

impl Line {
    pub fn is_folded(&self) -> bool {
        self.repeats > 1 || !self.detail.is_empty()
    }

    /// How often it had come by then.
    pub fn repeats_by(&self, until: Option<Duration>) -> u32 {
        match until {
            Some(until) if until < self.last => 1 + self.again.partition_point(|at| *at <= until) as u32,
            _ => self.repeats,
        }
    }
}

/// Lines kept.
const MAX_LINES: usize = 50_000;
/// Times kept of a folded line.
const MAX_TIMES: usize = 256;
/// Bytes kept.
const MAX_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub struct Log {
    lines: VecDeque<Line>,
    next: u64,
    bytes: usize,
    /// Output after the last newline.
    open: Vec<u8>,
    pub dropped: u64,
    pub n_warnings: u64,
    /// Lines the script has printed.
    pub n_output: u64,
    /// `None`: follow the end.
    pub selected: Option<u64>,
    pub wrap: bool,
    pub times: bool,
    /// What is searched, and whether only matching lines are shown.
    pub grep: String,
    pub only: bool,
    pattern: Option<Regex>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            next: 0,
            bytes: 0,
            open: Vec::new(),
            dropped: 0,
            n_warnings: 0,
            n_output: 0,
            selected: None,
            wrap: false,
            times: true,
            grep: String::new(),
            only: false,
            pattern: None,
        }
    }
}

impl Log {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.open.is_empty()
    }

    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Output not yet ended by a newline.
    pub fn open_line(&self) -> Option<String> {
        (!self.open.is_empty()).then(|| clean(&self.open))
    }

    /// Bytes of the output stream; whole lines become lines.
    pub fn output(&mut self, bytes: &[u8], now: Duration) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.open.extend_from_slice(&rest[..end]);
            let text = clean(&self.open);
            self.open.clear();
            self.push(LineKind::Output, text, now);
            rest = &rest[end + 1..];
        }
        self.open.extend_from_slice(rest);
        if self.open.len() > 64 << 10 {
            let text = clean(&self.open);
            self.open.clear();
            self.push(LineKind::Output, text, now);
        }
    }

    pub fn note(&mut self, kind: LineKind, text: &str, now: Duration) {
        if !self.open.is_empty() {
            let text = clean(&self.open);
            self.open.clear();
            self.push(LineKind::Output, text, now);
        }
        if kind == LineKind::Warning {
            self.n_warnings += 1;
        }
        for line in text.lines() {
            self.push(kind, line.to_owned(), now);
        }
    }

    /// As [`Log::note`] of one line, with a text folded below it.
    pub fn note_with(&mut self, kind: LineKind, text: &str, detail: &str, now: Duration) {
        self.note(kind, text, now);
        let detail: Vec<String> = detail.trim_end().lines().map(|line| clean(line.as_bytes())).collect();
        if let Some(last) = self.lines.back_mut() {
            self.bytes += detail.iter().map(|line| line.len() + size_of::<String>()).sum::<usize>();
            last.detail = detail;
        }
    }

    /// Shows what is folded below a line, or folds it again; says whether anything is.
    pub fn toggle(&mut self, number: u64) -> bool {
        let at = self.lines.partition_point(|line| line.number < number);
        match self.lines.get_mut(at).filter(|line| line.number == number && line.is_folded()) {
            Some(line) => {
                line.is_open = !line.is_open;
                true
            }
            None => false,
        }
    }

    fn push(&mut self, kind: LineKind, text: String, now: Duration) {
        self.n_output += u64::from(kind == LineKind::Output);
        if let Some(last) = self.lines.back_mut()
            && last.kind == kind
            && last.text == text
            && !text.trim().is_empty()
            && last.detail.is_empty()
            && now.saturating_sub(last.received) < Duration::from_secs(60)
        {
            last.repeats += 1;
            last.last = now;
            if last.again.len() < MAX_TIMES {
                last.again.push(now);
                self.bytes += size_of::<Duration>();
            }
            return;
        }
        self.bytes += text.len() + size_of::<Line>();
        self.lines.push_back(Line {
            number: self.next,
            received: now,
            kind,
            text,
            repeats: 1,
            again: Vec::new(),
            last: now,
            detail: Vec::new(),
            is_open: false,
        });
        self.next += 1;
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(old) = self.lines.pop_front() else { break };
            let detail = old.detail.iter().map(|line| line.len() + size_of::<String>()).sum::<usize>();
            self.bytes -= old.text.len() + size_of::<Line>() + old.again.len() * size_of::<Duration>() + detail;
            self.dropped += 1;
        }
    }

    /// Smart case: a pattern without capitals ignores case. Text that is no regular expression is searched as it is.
    pub fn set_grep(&mut self, text: &str) {
        self.grep = text.to_owned();
        let flags = if text.chars().any(char::is_uppercase) { "" } else { "(?i)" };
        self.pattern = (!text.is_empty())
            .then(|| {
                Regex::new(&format!("{flags}{text}"))
                    .or_else(|_| Regex::new(&format!("{flags}{}", regex::escape(text))))
                    .ok()
            })
            .flatten();
        if text.is_empty() {
            self.only = false;
        }
    }

    pub fn pattern(&self) -> Option<&Regex> {
        self.pattern.as_ref()
    }

    fn matches(&self, line: &Line) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&line.text))
    }

    /// The lines on show, those received by `until` (the time cursor), newest last.
    pub fn shown(&self, until: Option<Duration>) -> impl DoubleEndedIterator<Item = &Line> {
        let end = until.map_or(self.lines.len(), |until| self.lines.partition_point(|line| line.received <= until));
        self.lines.range(..end).filter(|line| !self.only || self.matches(line))
    }

    /// Moves the selection by `steps` shown lines; past the end means following again.
    pub fn step(&mut self, steps: isize, until: Option<Duration>) {
        let shown: Vec<u64> = self.shown(until).map(|line| line.number).collect();
        let Some(last) = shown.len().checked_sub(1) else { return };
        let at = self.selected.map_or(last, |number| shown.partition_point(|n| *n < number).min(last));
        let to = at.saturating_add_signed(steps);
        self.selected = if to > last { None } else { Some(shown[to]) };
    }

    pub fn top(&mut self, until: Option<Duration>) {
        let first = self.shown(until).next().map(|line| line.number);
        self.selected = first;
    }

    /// Selects the next (or previous) line that matches the pattern; says whether there is one.
    pub fn next_match(&mut self, forward: bool, until: Option<Duration>) -> bool {
        let current = self.selected.unwrap_or(u64::MAX);
        let matching: Vec<u64> = self.shown(until).filter(|line| self.matches(line)).map(|line| line.number).collect();
        let found = if forward {
            matching.iter().find(|number| **number > current).copied()
        } else {
            matching.iter().rfind(|number| **number < current).copied()
        };
        let is_found = found.is_some();
        if is_found {
            self.selected = found;
        }
        is_found
    }

    pub fn selected_line(&self, until: Option<Duration>) -> Option<&Line> {
        match self.selected {
            Some(number) => self.lines.iter().find(|line| line.number == number),
            None => self.shown(until).next_back(),
        }
    }
}

/// Text for the screen: invalid UTF-8 replaced, escape sequences and carriage returns dropped, tabs to spaces.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                // CSI sequences of ansi_* functions: colours make no sense inside the pane.
                if chars.peek() == Some(&'[') {
                    chars.next();
                    for c in chars.by_ref() {
                        if ('@'..='~').contains(&c) {
                            break;
                        }
                    }
                }
            }
            '\r' | '\x07' => (),
            '\t' => {
                let fill = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', fill));
                column += fill;
            }
            c => {
                out.push(if c.is_control() { '·' } else { c });
                column += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    #[test]
    fn lines_fold_and_pieces_join() {
        let mut log = Log::default();
        log.output(b"one\ntw", T);
        assert_eq!(log.open_line().as_deref(), Some("tw"));
        log.output(b"o\ntwo\ntwo\n\n\n", T);
        let shown: Vec<_> = log.shown(None).map(|l| format!("{}x{}", l.text, l.repeats)).collect();
        assert_eq!(shown, ["onex1", "twox3", "x1", "x1"]);
    }

    #[test]
    fn folds_keep_their_times_and_open() {
        let mut log = Log::default();
        for second in 1..=4 {
            log.output(b"same\n", T * second);
        }
        log.note_with(LineKind::Error, "failed", "a\n\tb\n", T * 5);
        log.output(b"failed\n", T * 5);
        let numbers: Vec<u64> = log.lines().iter().map(|line| line.number).collect();
        let same = &log.lines()[0];
        assert_eq!((same.repeats, same.last, &same.again[..]), (4, T * 4, &[T * 2, T * 3, T * 4][..]));
        assert_eq!((same.repeats_by(Some(T * 2)), same.repeats_by(Some(T * 9)), same.repeats_by(None)), (2, 4, 4));
        assert_eq!(log.lines()[1].detail, ["a", "        b"]);
        assert_eq!(numbers.iter().map(|number| log.toggle(*number)).collect::<Vec<_>>(), [true, true, false]);
        assert!(log.lines()[0].is_open && log.toggle(0) && !log.lines()[0].is_open);
        // However much is folded, it is accounted for.
        for n in 0..MAX_LINES as u64 + 1 {
            log.note(LineKind::Note, &n.to_string(), T * 6);
        }
        assert!(log.bytes <= MAX_LINES * (size_of::<Line>() + 5), "{}", log.bytes);
    }

    #[test]
    fn cleans_what_would_break_the_screen() {
        assert_eq!(clean(b"a\tb\x1b[31mred\x1b[0m\r\xff\x01"), "a       bred\u{fffd}·");
    }

    #[test]
    fn greps_with_smart_case_and_steps() {
        let mut log = Log::default();
        log.output(b"alpha\nBeta\ngamma\nbeta\n", T);
        log.set_grep("beta");
        assert!(log.next_match(false, None));
        assert_eq!(log.selected, Some(3));
        assert!(log.next_match(false, None));
        assert_eq!(log.selected, Some(1));
        assert!(!log.next_match(false, None));
        log.only = true;
        assert_eq!(log.shown(None).count(), 2);
        log.set_grep("Beta(");
        assert_eq!(log.shown(None).count(), 0);
        log.set_grep("");
        log.step(5, None);
        assert_eq!(log.selected, None);
    }
}
