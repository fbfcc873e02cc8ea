//! Labels of functions: where `goto` leads, as far as the compiler left a place for it. DWARF 5, 3.6.

use std::{collections::BTreeMap, sync::Arc};

use gimli::constants as dw;

use super::{
    Dwarf,
    harvest::MAX_ORIGINS,
    statements::Statement,
    unit::{Die, Unit},
};
use crate::debuginfo::{
    glob::glob_matches,
    model::{Function, Instance, SourcePlace},
};

/// Blocks in blocks, as deep as a compiler writes them.
const MAX_DEPTH: usize = 64;
/// Labels in one function; more are garbage.
const MAX_LABELS: usize = 1 << 12;

/// A label of a function, with its place in each instance that has one; the line is the label's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub name: Arc<str>,
    pub statement: Statement,
}

/// Places of each label by its line and name.
type ByLine = BTreeMap<(u32, Arc<str>), Vec<(Instance, u64)>>;

/// What the DIE of a label says.
struct Said {
    name: Arc<str>,
    line: u32,
    pc: u64,
}

impl Dwarf {
    /// The labels of a function whose names match, by line.
    pub fn labels(&self, function: &Function, pattern: &str) -> Vec<Label> {
        let mut found = ByLine::new();
        for instance in &function.instances {
            for said in self.labels_in(instance) {
                if glob_matches(pattern.as_bytes(), said.name.as_bytes()) {
                    found.entry((said.line, said.name)).or_default().push((instance.clone(), said.pc));
                }
            }
        }
        let file = function.source.as_ref().map_or_else(|| "".into(), |source| source.file.clone());
        let label = |(line, name): (u32, Arc<str>), mut places: Vec<(Instance, u64)>| {
            places.sort_by_key(|(_, pc)| *pc);
            let place = SourcePlace { file: file.clone(), line };
            Label { name, statement: Statement { function: function.name.clone(), place, places } }
        };
        found.into_iter().map(|(said, places)| label(said, places)).collect()
    }

    fn labels_in(&self, instance: &Instance) -> Vec<Said> {
        let mut found = Vec::new();
        let die = u64::from(self.index.instance(instance.id.0 as usize).die);
        if let Some(unit) = self.source.open_at(die).filter(|_| die != 0) {
            let abbrevs = unit.abbrevs.clone();
            if let Ok(Some(die)) = unit.die_at(&abbrevs, die) {
                self.labels_below(&unit, die, &mut found, 0);
            }
        }
        found
    }

    /// Those of copies of other functions are theirs.
    fn labels_below(&self, unit: &Unit<'_>, die: Die<'_>, found: &mut Vec<Said>, depth: usize) {
        let abbrevs = unit.abbrevs.clone();
        // What a broken list has before it breaks is what there is.
        let _ = unit.children(&abbrevs, die, |child| {
            match gimli::DwTag(child.abbrev.tag) {
                dw::DW_TAG_label => found.extend(self.label_at(child.position)),
                dw::DW_TAG_lexical_block if depth < MAX_DEPTH => self.labels_below(unit, child, found, depth + 1),
                _ => {}
            }
            found.len() < MAX_LABELS
        });
    }

    /// `None`: it has no place, since nothing goes there.
    fn label_at(&self, position: u64) -> Option<Said> {
        let (mut name, mut line, mut pc) = (String::new(), None, None);
        let mut at = Some(position);
        for _ in 0..MAX_ORIGINS {
            let Some(position) = at.take() else { break };
            let unit = self.source.open_at(position)?;
            let abbrevs = unit.abbrevs.clone();
            let die = unit.die_at(&abbrevs, position).ok()??;
            let _ = unit.attributes(&abbrevs, die, |attribute, value| {
                match gimli::DwAt(attribute) {
                    dw::DW_AT_name if name.is_empty() => unit.text(value).unwrap_or_default().clone_into(&mut name),
                    dw::DW_AT_decl_line if line.is_none() => line = value.number(),
                    dw::DW_AT_low_pc if pc.is_none() => pc = unit.address(value),
                    dw::DW_AT_abstract_origin => at = unit.target(value),
                    _ => {}
                }
                true
            });
        }
        let line = u32::try_from(line.unwrap_or(0)).unwrap_or(0);
        Some(Said { name: name.into(), line, pc: pc.filter(|pc| *pc != 0)? })
    }
}

#[cfg(test)]
mod tests {
    use crate::debuginfo::{FunctionPattern, dwarf::tests::open};

    #[test]
    fn labels_are_where_the_compiler_left_them() {
        let dwarf = open("labels.so");
        let labels = |function: &str, label: &str| {
            let functions = dwarf.functions(&FunctionPattern::parse(function).expect("is a pattern"));
            let labels = functions.iter().flat_map(|function| dwarf.labels(function, label));
            let shown = labels.map(|label| {
                let place = &label.statement.place;
                let n = label.statement.places.len();
                format!("{}@{}:{} {} ({n})", label.statement.function, place.file, place.line, label.name)
            });
            shown.collect::<Vec<_>>()
        };
        assert_eq!(
            labels("*", "*"),
            ["looping@labels.c:18 again (1)", "looping@labels.c:25 out (1)", "tested@labels.c:9 fail (2)"]
        );
        assert_eq!(labels("looping", "o*"), ["looping@labels.c:25 out (1)"]);
        assert!(labels("looping", "nothing").is_empty() && labels("other", "*").is_empty());
        // A place for each copy, inside of it.
        let functions = dwarf.functions(&FunctionPattern::parse("tested").expect("is a pattern"));
        for (instance, pc) in &dwarf.labels(&functions[0], "fail")[0].statement.places {
            assert!(instance.pc.is_some_and(|start| start < *pc), "{instance:?} {pc:#x}");
        }
    }
}
