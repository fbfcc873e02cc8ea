//! Finding text.

use super::Script;

impl Script {
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
}
