//! Lines of functions with code: which addresses `NAME@FILE:LINES` names.
//!
//! A line is one of a function's when it lies between the function's declaration and the next one in the file, whatever was
//! inlined there. Of the instructions a line has in an instance the first counts.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use rustc_hash::FxHashMap;

use super::{
    Dwarf,
    lines::{Row, Rows},
    paths::Paths,
    scopes,
    unit::Unit,
};
use crate::debuginfo::{
    function_pattern::{FunctionPattern, Lines},
    model::{Function, Instance, InstanceId, InstanceKind, LineRow, SourcePlace},
};

/// A line with the instances of its function that have code of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub function: Arc<str>,
    pub place: SourcePlace,
    /// By address.
    pub places: Vec<(Instance, u64)>,
}

/// What a pattern with lines comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// By function, file and line.
    pub found: Vec<Statement>,
    /// Lines that have code, in functions the pattern names, next to those that were asked for.
    pub near: Vec<u32>,
    /// How many functions the pattern names.
    pub n_functions: usize,
}

/// Places of each line of each function.
type ByLine = BTreeMap<(Arc<str>, SourcePlace), Vec<(Instance, u64)>>;

/// Rows and files of a unit.
struct UnitLines {
    rows: Vec<Row>,
    /// Paths by index; `None`: not what the pattern says.
    files: Vec<Option<Arc<str>>>,
}

impl Dwarf {
    /// The statements a pattern names. `nearest`: where a line has no code, the one next to it that has.
    pub fn statements(&self, pattern: &FunctionPattern, nearest: bool) -> Statements {
        let functions = self.functions(pattern);
        let mut out = Statements { n_functions: functions.len(), ..Statements::default() };
        let mut found = ByLine::new();
        if pattern.lines == Lines::Unsaid {
            for function in functions {
                let Some(place) = function.source else { continue };
                let begins = |instance: Instance| Some((instance.pc?, instance));
                let places = function.instances.into_iter().filter_map(begins).map(|(pc, instance)| (instance, pc));
                found.entry((function.name, place)).or_default().extend(places);
            }
        } else {
            self.lines_of(pattern, &functions, nearest, &mut found, &mut out.near);
        }
        out.found = found
            .into_iter()
            .map(|((function, place), mut places)| {
                places.sort_by_key(|(instance, pc)| (*pc, instance.id));
                places.dedup_by_key(|(_, pc)| *pc);
                Statement { function, place, places }
            })
            .collect();
        out
    }

    fn lines_of(
        &self,
        pattern: &FunctionPattern,
        functions: &[Function],
        nearest: bool,
        found: &mut ByLine,
        near: &mut Vec<u32>,
    ) {
        let mut units: HashMap<u32, Option<UnitLines>> = HashMap::new();
        let mut by_function: Vec<(&Function, Vec<(Instance, LineRow)>)> = Vec::new();
        let declared = self.declared_lines(functions);
        for function in functions {
            let Some(place) = &function.source else { continue };
            let after = |lines: &Vec<u32>| lines.get(lines.partition_point(|line| *line <= place.line)).copied();
            let in_file = self.index.text_number(&place.file).and_then(|file| declared.get(&file));
            let own = place.line..in_file.and_then(after).unwrap_or(u32::MAX);
            let mut lines = Vec::new();
            for instance in &function.instances {
                let rows = self.lines_in(pattern, instance, &own, &mut units);
                lines.extend(rows.into_iter().map(|row| (instance.clone(), row)));
            }
            by_function.push((function, lines));
        }
        let is_many = matches!(pattern.lines, Lines::Every | Lines::Range(..));
        let mut used: HashSet<(InstanceId, u64)> = HashSet::new();
        let (mut below, mut above) = (None, None);
        let wanted = |function: &Function| {
            let declared = function.source.as_ref().map_or(0, |place| place.line);
            match pattern.lines {
                Lines::At(line) => line..=line,
                Lines::After(n) => declared.saturating_add(n)..=declared.saturating_add(n),
                Lines::Range(first, last) => first..=last,
                // The line of the declaration is where it is entered, unless it has no other: a macro made it.
                Lines::Every | Lines::Unsaid => declared.saturating_add(1)..=u32::MAX,
            }
        };
        for (function, lines) in &by_function {
            let wanted = wanted(function);
            for (instance, row) in lines {
                let line = row.place.line;
                if wanted.contains(&line) {
                    // Of many lines that begin with the same instruction the first has it.
                    if is_many && !used.insert((instance.id, row.pc)) {
                        continue;
                    }
                    let key = (function.name.clone(), row.place.clone());
                    found.entry(key).or_default().push((instance.clone(), row.pc));
                } else if line < *wanted.start() {
                    below = below.max(Some(line));
                } else {
                    above = Some(above.map_or(line, |before: u32| before.min(line)));
                }
            }
        }
        if pattern.lines == Lines::Every {
            for (function, lines) in &by_function {
                let is_known = |place: &SourcePlace| found.contains_key(&(function.name.clone(), place.clone()));
                let of_macro: Vec<_> = lines.iter().filter(|(_, row)| !is_known(&row.place)).collect();
                if of_macro.len() == lines.len() {
                    for (instance, row) in of_macro {
                        let key = (function.name.clone(), row.place.clone());
                        found.entry(key).or_default().push((instance.clone(), row.pc));
                    }
                }
            }
        }
        if !found.is_empty() {
            return;
        }
        near.extend([below, above].into_iter().flatten());
        let Lines::At(asked) = pattern.lines else { return };
        let Some(best) = near.iter().copied().filter(|_| nearest).min_by_key(|line| line.abs_diff(asked)) else {
            return;
        };
        for (function, lines) in by_function {
            for (instance, row) in lines.into_iter().filter(|(_, row)| row.place.line == best) {
                // Shown as it was asked for.
                let place = SourcePlace { line: asked, ..row.place };
                found.entry((function.name.clone(), place)).or_default().push((instance, row.pc));
            }
        }
    }

    /// The lines in which functions are declared, ascending, of each file that one of these is in, by the file's text.
    fn declared_lines(&self, functions: &[Function]) -> FxHashMap<u32, Vec<u32>> {
        let files: HashSet<&str> =
            functions.iter().filter_map(|function| Some(&*function.source.as_ref()?.file)).collect();
        let numbered = |file: &str| Some((self.index.text_number(file)?, Vec::new()));
        let mut declared: FxHashMap<u32, Vec<u32>> = files.into_iter().filter_map(numbered).collect();
        for idx in 0..self.index.n_groups() {
            let group = self.index.group(idx);
            if let Some(lines) = declared.get_mut(&group.file) {
                lines.push(group.line);
            }
        }
        declared.values_mut().for_each(|lines| lines.sort_unstable());
        declared
    }

    /// The first address of each line that an instance has code of its own for.
    fn lines_in(
        &self,
        pattern: &FunctionPattern,
        instance: &Instance,
        own: &Range<u32>,
        units: &mut HashMap<u32, Option<UnitLines>>,
    ) -> Vec<LineRow> {
        let die = self.index.instance(instance.id.0 as usize).die;
        let Some(unit) = self.source.open_at(die.into()).filter(|_| die != 0) else { return Vec::new() };
        let key = unit.header.start as u32;
        let unit_lines = units.entry(key).or_insert_with(|| unit_lines(&unit, pattern));
        let Some(unit_lines) = unit_lines else { return Vec::new() };
        let abbrevs = unit.abbrevs.clone();
        let Ok(Some(function)) = unit.die_at(&abbrevs, die.into()) else { return Vec::new() };
        let mut code = Vec::new();
        let _ = scopes::code_of(&unit, &abbrevs, function, |start, end| {
            code.push((start, end));
            true
        });
        let mut first: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for (start, end) in code {
            let from = unit_lines.rows.partition_point(|row| row.pc < start);
            for row in unit_lines.rows[from..].iter().take_while(|row| row.pc < end) {
                let is_known = unit_lines.files.get(row.file as usize).is_some_and(Option::is_some);
                if row.is_end || !is_known || !own.contains(&row.line) {
                    continue;
                }
                let pc = first.entry((row.line, row.file)).or_insert(row.pc);
                *pc = row.pc.min(*pc);
            }
        }
        let row = |((line, file), pc): ((u32, u32), u64)| {
            let file = unit_lines.files[file as usize].clone()?;
            Some(LineRow { place: SourcePlace { file, line }, pc })
        };
        first.into_iter().filter_map(row).collect()
    }

    /// The innermost instance whose code has an address, and the line there. `None`: no instruction of a line begins there.
    pub fn statement_at(&self, pc: u64) -> Option<(Function, Instance, SourcePlace)> {
        let (start, _) = self.symbol_at(pc, "")?;
        let own = self.instance_beginning_at(start)?;
        let (function, instance) = own;
        let die = self.index.instance(instance.id.0 as usize).die;
        let unit = self.source.open_at(die.into()).filter(|_| die != 0)?;
        let rows = Rows::of_unit(&unit).rows;
        let at = rows.partition_point(|row| row.pc < pc);
        let row = rows.get(at..)?.iter().take_while(|row| row.pc == pc).find(|row| !row.is_end)?;
        let path = Paths::default().texts_of_unit(&unit).get(row.file as usize).cloned()?;
        Some((function, instance, SourcePlace { file: path.into(), line: row.line }))
    }

    /// The source line an address is in, as its unit's line program says.
    pub fn line_at(&self, pc: u64) -> Option<SourcePlace> {
        let (start, _) = self.symbol_at(pc, "")?;
        let (_, instance) = self.instance_beginning_at(start)?;
        let die = self.index.instance(instance.id.0 as usize).die;
        let unit = self.source.open_at(die.into()).filter(|_| die != 0)?;
        let (file, line) = Rows::of_unit(&unit).at(pc)?;
        let path = Paths::default().texts_of_unit(&unit).get(file as usize).cloned()?;
        Some(SourcePlace { file: path.into(), line })
    }

    fn instance_beginning_at(&self, pc: u64) -> Option<(Function, Instance)> {
        let idx = (0..self.index.n_instances()).find(|idx| {
            let instance = self.index.instance(*idx);
            instance.pc == pc && !instance.is_inline
        })?;
        let function = self.function_of(self.index.group_of(idx));
        let instance = function.instances.iter().find(|instance| instance.id.0 as usize == idx)?.clone();
        debug_assert_eq!(instance.kind, InstanceKind::Call);
        Some((function, instance))
    }
}

fn unit_lines(unit: &Unit<'_>, pattern: &FunctionPattern) -> Option<UnitLines> {
    let texts = Paths::default().texts_of_unit(unit);
    let files: Vec<Option<Arc<str>>> =
        texts.into_iter().map(|path| pattern.matches_file(&path).then(|| Arc::from(path))).collect();
    // Rows only for units that have such a file.
    files.iter().any(Option::is_some).then(|| UnitLines { rows: Rows::of_unit(unit).rows, files })
}
