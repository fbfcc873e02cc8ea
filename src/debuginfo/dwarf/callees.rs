//! Which functions the compiler copied into another: inlined copies right inside of an instance.

use std::collections::HashSet;

use gimli::constants as dw;

use super::{
    Dwarf,
    unit::{Die, Unit},
};
use crate::debuginfo::model::{Function, Instance};

/// Blocks in blocks, as deep as a compiler writes them.
const MAX_DEPTH: usize = 64;
/// Copies in one function; more are garbage.
const MAX_COPIES: usize = 1 << 16;

impl Dwarf {
    /// Functions inlined right into the instances, each with its copies there. What is inlined into a copy is the copy's.
    pub fn callees(&self, instances: &[Instance]) -> Vec<Function> {
        let mut dies = HashSet::new();
        for instance in instances {
            let die = self.index.instance(instance.id.0 as usize).die;
            if let Some(unit) = self.source.open_at(u64::from(die)).filter(|_| die != 0) {
                let abbrevs = unit.abbrevs.clone();
                if let Ok(Some(die)) = unit.die_at(&abbrevs, die.into()) {
                    copies_in(&unit, die, &mut dies, 0);
                }
            }
        }
        self.functions_at(&dies)
    }

    /// The functions of instances by their DIEs.
    fn functions_at(&self, dies: &HashSet<u32>) -> Vec<Function> {
        if dies.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Function> = Vec::new();
        for idx in (0..self.index.n_instances()).filter(|idx| dies.contains(&self.index.instance_die(*idx))) {
            let group = self.index.group_of(idx);
            let mut function = self.function_of(group);
            function.instances.retain(|instance| instance.id.0 as usize == idx);
            match found.last_mut().filter(|last| (&last.name, &last.source) == (&function.name, &function.source)) {
                Some(last) => last.instances.append(&mut function.instances),
                None => found.push(function),
            }
        }
        found
    }
}

fn copies_in(unit: &Unit<'_>, die: Die<'_>, dies: &mut HashSet<u32>, depth: usize) {
    let abbrevs = unit.abbrevs.clone();
    // What a broken list has before it breaks is what there is.
    let _ = unit.children(&abbrevs, die, |child| {
        match gimli::DwTag(child.abbrev.tag) {
            dw::DW_TAG_inlined_subroutine => dies.extend(u32::try_from(child.position)),
            dw::DW_TAG_lexical_block if depth < MAX_DEPTH => copies_in(unit, child, dies, depth + 1),
            _ => {}
        }
        dies.len() < MAX_COPIES
    });
}
