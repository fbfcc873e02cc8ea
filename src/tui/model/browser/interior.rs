//! What is inside an entry of the browser: its variables and the members behind them, copies and lines of a function. Opened
//! part by part; members are looked up when they are first wanted.

use std::collections::{HashMap, HashSet};

use super::Look;
use crate::tui::engine::{Holds, ProbeDetail, Statement, Variable};

/// A row inside an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Unique in its entry.
    pub key: String,
    /// Whether it is open; `None`: there is nothing in it.
    pub open: Option<bool>,
    pub kind: PartKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    Variable {
        /// Only seen when the function or call returns.
        at_return: bool,
        /// `$file->f_path`
        expression: String,
        variable: Variable,
    },
    /// A heading: what of, and how much.
    Section {
        name: &'static str,
        count: usize,
    },
    /// The function whose code a copy is in, and a word on it.
    Copy(String, String),
    Line(Statement),
    /// Instead of rows.
    Said(&'static str),
}

const LINES: &str = "lines";
const COPIES: &str = "copies";

/// What is open, and what was looked up.
#[derive(Debug, Default)]
pub(super) struct Interior {
    /// Keys of parts by entry; the entry itself is the empty one.
    opened: HashMap<usize, HashSet<String>>,
    /// By point and expression.
    members: HashMap<(String, String), Vec<Variable>>,
}

impl Interior {
    pub fn take_opened(&mut self) -> HashMap<usize, HashSet<String>> {
        std::mem::take(&mut self.opened)
    }

    pub fn set_opened(&mut self, opened: impl IntoIterator<Item = (usize, HashSet<String>)>) {
        self.opened = opened.into_iter().collect();
    }

    pub fn is_open(&self, idx: usize) -> bool {
        self.opened.contains_key(&idx)
    }

    pub fn is_any_open(&self) -> bool {
        !self.opened.is_empty()
    }

    pub fn open(&mut self, idx: usize, key: &str) {
        self.opened.entry(idx).or_default().insert(key.to_owned());
    }

    pub fn close(&mut self, idx: usize, key: &str) {
        if key.is_empty() {
            self.opened.remove(&idx);
        } else if let Some(keys) = self.opened.get_mut(&idx) {
            keys.remove(key);
        }
    }

    pub fn set_members(&mut self, point: String, expression: String, members: Vec<Variable>) {
        self.members.insert((point, expression), members);
    }

    /// What has to be looked up to open a part.
    pub fn look(&self, point: &str, part: &Part) -> Option<Look> {
        let PartKind::Variable { at_return, expression, .. } = &part.kind else { return None };
        let asked = (point_of(point, *at_return), expression.clone());
        let known = self.members.contains_key(&asked);
        (!known).then_some(Look::Members { point: asked.0, expression: asked.1 })
    }

    /// The rows inside an open entry, each with how deep it is.
    pub fn parts(&self, idx: usize, point: &str, detail: Option<&ProbeDetail>) -> Vec<(usize, Part)> {
        let mut rows = Vec::new();
        let said = |text| (1, Part { key: "said".to_owned(), open: None, kind: PartKind::Said(text) });
        let Some(detail) = detail else { return vec![said("looking it up ...")] };
        let empty = HashSet::new();
        let opened = self.opened.get(&idx).unwrap_or(&empty);
        for (variables, at_return) in [(&detail.variables, false), (&detail.return_variables, true)] {
            for variable in variables {
                let place = Place { point: point_of(point, at_return), at_return, opened };
                self.variable(&mut rows, &place, variable, variable.name.clone(), 1);
            }
        }
        let section = |name: &'static str, count| {
            let kind = PartKind::Section { name, count };
            Part { key: name.to_owned(), open: Some(opened.contains(name)), kind }
        };
        if !detail.copies.is_empty() {
            rows.push((1, section(COPIES, detail.copies.len())));
            let copies = detail.copies.iter().enumerate().filter(|_| opened.contains(COPIES));
            rows.extend(copies.map(|(n, (caller, note))| {
                let kind = PartKind::Copy(caller.clone(), note.clone());
                (2, Part { key: format!("{COPIES} {n}"), open: None, kind })
            }));
        }
        if !detail.lines.is_empty() {
            rows.push((1, section(LINES, detail.lines.len())));
            let lines = detail.lines.iter().filter(|_| opened.contains(LINES));
            rows.extend(lines.map(|statement| {
                (2, Part { key: statement.point.clone(), open: None, kind: PartKind::Line(statement.clone()) })
            }));
        }
        if rows.is_empty() {
            rows.push(said("a handler sees no variables here"));
        }
        rows
    }

    fn variable(
        &self,
        rows: &mut Vec<(usize, Part)>,
        place: &Place,
        variable: &Variable,
        expression: String,
        depth: usize,
    ) {
        let opens = variable.holds == Holds::Members && expression.starts_with('$');
        let key = if place.at_return { format!(".return {expression}") } else { expression.clone() };
        let open = opens.then(|| place.opened.contains(&key));
        let kind = PartKind::Variable {
            at_return: place.at_return,
            expression: expression.clone(),
            variable: variable.clone(),
        };
        rows.push((depth, Part { key: key.clone(), open, kind }));
        if open != Some(true) {
            return;
        }
        let said = |text| (depth + 1, Part { key: format!("{key} said"), open: None, kind: PartKind::Said(text) });
        match self.members.get(&(place.point.clone(), expression.clone())) {
            None => rows.push(said("looking it up ...")),
            Some(members) if members.is_empty() => rows.push(said("its members are not known here")),
            Some(members) => {
                for member in members {
                    self.variable(rows, place, member, format!("{expression}->{}", member.name), depth + 1);
                }
            }
        }
    }
}

/// Where variables are seen.
struct Place<'a> {
    point: String,
    at_return: bool,
    opened: &'a HashSet<String>,
}

fn point_of(point: &str, at_return: bool) -> String {
    if at_return { format!("{point}.return") } else { point.to_owned() }
}
