//! Parameters and locals of a function or copy, and where they are at an address. DWARF 5, 4.1.

use gimli::constants as dw;

use super::{
    Dwarf,
    abbrev::Abbrevs,
    form::Value,
    harvest::MAX_ORIGINS,
    lists,
    locations::Frame,
    scopes,
    types::type_id,
    unit::{Die, Unit},
};
use crate::debuginfo::{
    function_pattern::FunctionPattern,
    location::{Absent, Expr, Location, Piece},
    model::{Instance, InstanceKind, Variable},
    types::TypeId,
};

/// What the DIEs of a variable say, its own and those it is a copy of.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    name: &'a str,
    ty: Option<u64>,
    /// With the position of the DIE that says it.
    location: Option<(u64, Value)>,
    constant: Option<(u64, Value)>,
}

/// More variables than any function has.
const MAX_VARIABLES: usize = 1 << 12;

impl Dwarf {
    /// What is declared right in the function and in the blocks that `pc` is in, the innermost block first; parameters and
    /// locals in the order of the debug information.
    pub fn variables(&self, instance: &Instance, pc: u64) -> Vec<Variable> {
        let mut found = Vec::new();
        self.with_scopes(instance, pc, |scopes| {
            for die in scopes.blocks.iter().rev().chain([&scopes.function]) {
                self.children_of(scopes, *die, |said, is_parameter| {
                    found.push(self.variable(scopes, said, is_parameter));
                    found.len() < MAX_VARIABLES
                });
            }
        });
        found
    }

    /// What is declared right in the function, whatever blocks are around: what listings show.
    pub fn outermost_variables(&self, instance: &Instance, pc: u64) -> Vec<Variable> {
        let mut found = Vec::new();
        self.with_scopes(instance, pc, |scopes| {
            self.children_of(scopes, scopes.function, |said, is_parameter| {
                found.push(self.variable(scopes, said, is_parameter));
                found.len() < MAX_VARIABLES
            });
        });
        found
    }

    /// The addresses at which a variable of that name has a value somewhere in the instance, ascending.
    pub fn lives_at(&self, instance: &Instance, pc: u64, name: &str) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        self.with_scopes(instance, pc, |scopes| {
            for die in scopes.blocks.iter().rev().chain([&scopes.function]) {
                self.children_of(scopes, *die, |said, _| {
                    if said.name == name
                        && let Some((at, location)) = said.location
                    {
                        self.with_unit(scopes, at, |unit| {
                            let _ = lists::each_expression(unit, location, |range, expression| {
                                ranges.extend(range.filter(|(start, end)| start < end && !expression.is_empty()));
                                ranges.len() < MAX_VARIABLES
                            });
                        });
                    }
                    true
                });
            }
        });
        ranges.sort_unstable();
        ranges
    }

    /// Where the code begins that an instance is part of: a copy's is that of the function it was copied into.
    pub fn entry_of(&self, instance: &Instance) -> Option<u64> {
        let mut entry = None;
        self.with_scopes(instance, instance.pc?, |scopes| {
            let Some(own) = scopes.own else { return };
            let _ = scopes::code_of(scopes.unit, scopes.abbrevs, own, |start, _| {
                entry = Some(start);
                false
            });
        });
        entry
    }

    /// The type of what a function gives back; `None` for void and where it is not known.
    pub fn result_type(&self, instance: &Instance) -> Option<TypeId> {
        self.type_of_die(self.index.instance(instance.id.0 as usize).die)
    }

    /// A static variable of the function that its instances share, a variable of the whole unit, or of the program: its type,
    /// and where it is.
    pub fn global(&self, name: &str, instance: &Instance) -> Option<Variable> {
        let mut found = None;
        self.with_scopes(instance, instance.pc.unwrap_or(0), |scopes| {
            found = self.shared_static(scopes, name);
            if found.is_some() {
                return;
            }
            let abbrevs = &*scopes.unit.abbrevs;
            let Ok(Some(root)) = scopes.unit.die_at(abbrevs, scopes.unit.header.first_die) else { return };
            self.children_of(scopes, root, |said, _| {
                if said.name == name {
                    let variable = self.variable(scopes, said, false);
                    let is_here = !matches!(variable.location, Location::Absent(_));
                    // A declaration's place is that of the symbol.
                    let declared = self.source.file.symbols_named([name])[0].map(Expr::Address).map(Location::Memory);
                    found = match declared {
                        Some(location) if !is_here => Some(Variable { location, ..variable }),
                        _ => Some(variable),
                    };
                }
                found.as_ref().is_none_or(|found: &Variable| matches!(found.location, Location::Absent(_)))
            });
        });
        found
    }

    /// A variable of a file that a pattern names, or of any: its type, and where it is. The first of several.
    pub fn variable_named(&self, pattern: &FunctionPattern) -> Option<Variable> {
        let index = &self.index;
        let mut units: Vec<u32> = match &pattern.file {
            None => (0..index.n_units).collect(),
            Some(_) => {
                let matching = index.files().filter(|(path, _)| pattern.matches_file(index.text(*path)));
                matching.flat_map(|(_, units)| units).map(|idx| index.file_unit(idx)).collect()
            }
        };
        units.sort_unstable();
        units.dedup();
        let mut declared = None;
        for unit in units {
            match self.variable_of_unit(unit, &pattern.name) {
                Some(variable) if matches!(variable.location, Location::Absent(_)) => {
                    declared = declared.or(Some(variable));
                }
                None => {}
                found => return found,
            }
        }
        // Headers declare what another file has.
        let symbol = self.source.file.symbols_named([&pattern.name])[0]?;
        declared.map(|variable| Variable { location: Location::Memory(Expr::Address(symbol)), ..variable })
    }

    fn variable_of_unit(&self, unit: u32, name: &str) -> Option<Variable> {
        let unit = self.source.unit(unit)?.ok()?;
        let abbrevs = unit.abbrevs.clone();
        let root = unit.die_at(&abbrevs, unit.header.first_die).ok()??;
        let mut found: Option<Variable> = None;
        // What a broken list has before it breaks is what there is.
        let _ = unit.children(&abbrevs, root, |die| {
            if die.abbrev.tag != dw::DW_TAG_variable.0 {
                return true;
            }
            let said = self.said_by(die.position);
            if said.name != name {
                return true;
            }
            let mut location = Location::Absent(Absent::OptimizedOut);
            if let Some((at, value)) = said.location
                && let Some(there) = self.source.open_at(at)
                && let Ok(Some(expression)) = lists::expression_at(&there, value, 0)
            {
                location = self.locate(expression, &Frame { base: None, pc: 0, unit: &there });
            }
            let variable = Variable { name: said.name.into(), ty: type_id(said.ty), is_parameter: false, location };
            let is_here = !matches!(variable.location, Location::Absent(_));
            found = Some(variable);
            !is_here
        });
        found
    }

    /// What is static is described where the function is, and not again in its instances.
    fn shared_static(&self, scopes: &Scopes<'_, '_>, name: &str) -> Option<Variable> {
        let mut origin = None;
        let _ = scopes.unit.attributes(scopes.abbrevs, scopes.function, |attribute, value| {
            if attribute == dw::DW_AT_abstract_origin.0 {
                origin = scopes.unit.target(value);
            }
            origin.is_none()
        });
        // Other units' functions have no instances here that would not say it themselves.
        let die = scopes.unit.die_at(scopes.abbrevs, origin.filter(|at| scopes.unit.contains(*at))?).ok()??;
        let mut found = None;
        self.children_of(scopes, die, |said, is_parameter| {
            let is_static =
                matches!(said.location, Some((_, Value::Block { len: 1.., .. }))) || said.constant.is_some();
            if said.name == name && is_static {
                found = Some(self.variable(scopes, said, is_parameter));
            }
            found.is_none()
        });
        found
    }

    fn with_scopes(&self, instance: &Instance, pc: u64, then: impl FnOnce(&Scopes<'_, '_>)) {
        let die = self.index.instance(instance.id.0 as usize).die;
        let Some(unit) = self.source.open_at(die.into()).filter(|_| die != 0) else { return };
        let abbrevs = unit.abbrevs.clone();
        let way = scopes::way_to(&unit, &abbrevs, die.into());
        let Some(function) = way.last().copied() else { return };
        // A copy's frame is that of the function it was copied into.
        let own = way.iter().rev().find(|die| die.abbrev.tag == dw::DW_TAG_subprogram.0);
        let mut frame_base = None;
        if let Some(own) = own {
            let _ = unit.attributes(&abbrevs, *own, |name, value| {
                if name == dw::DW_AT_frame_base.0 {
                    frame_base = Some(value);
                }
                frame_base.is_none()
            });
        }
        let is_entry = instance.kind == InstanceKind::Call && instance.pc == Some(pc);
        let pcs = if is_entry { [self.source.behind_tracer(pc), pc] } else { [pc, pc] };
        let blocks = scopes::blocks_at(&unit, &abbrevs, function, pcs[0]);
        then(&Scopes { unit: &unit, abbrevs: &abbrevs, function, own: own.copied(), blocks, frame_base, pcs });
    }

    /// Calls `each` with the parameters and variables among a DIE's children, until it has enough (`false`).
    fn children_of(&self, scopes: &Scopes<'_, '_>, die: Die<'_>, mut each: impl FnMut(Said<'_>, bool) -> bool) {
        // What a broken list has before it breaks is what there is.
        let _ = scopes.unit.children(scopes.abbrevs, die, |child| {
            let is_parameter = match gimli::DwTag(child.abbrev.tag) {
                dw::DW_TAG_formal_parameter => true,
                dw::DW_TAG_variable => false,
                _ => return true,
            };
            let said = self.said_by(child.position);
            said.name.is_empty() || each(said, is_parameter)
        });
    }

    fn said_by(&self, position: u64) -> Said<'_> {
        let mut said = Said::default();
        let mut at = Some(position);
        for _ in 0..MAX_ORIGINS {
            let Some(position) = at.take() else { break };
            let Some(unit) = self.source.open_at(position) else { break };
            let abbrevs = unit.abbrevs.clone();
            let Ok(Some(die)) = unit.die_at(&abbrevs, position) else { break };
            let _ = unit.attributes(&abbrevs, die, |name, value| {
                match gimli::DwAt(name) {
                    dw::DW_AT_name if said.name.is_empty() => said.name = unit.text(value).unwrap_or_default(),
                    dw::DW_AT_type if said.ty.is_none() => said.ty = unit.target(value),
                    dw::DW_AT_location if said.location.is_none() => said.location = Some((position, value)),
                    dw::DW_AT_const_value if said.constant.is_none() => said.constant = Some((position, value)),
                    dw::DW_AT_abstract_origin | dw::DW_AT_specification => at = unit.target(value),
                    _ => {}
                }
                true
            });
        }
        said
    }

    fn variable(&self, scopes: &Scopes<'_, '_>, said: Said<'_>, is_parameter: bool) -> Variable {
        let location = match (said.location, said.constant) {
            (Some((at, location)), _) => {
                let mut found = Location::Absent(Absent::OptimizedOut);
                self.with_unit(scopes, at, |unit| found = self.location_at(scopes, unit, location));
                found
            }
            (None, Some((at, value))) => {
                let mut found = Location::Absent(Absent::OptimizedOut);
                self.with_unit(scopes, at, |unit| found = constant(unit, value));
                found
            }
            (None, None) => Location::Absent(Absent::OptimizedOut),
        };
        Variable { name: said.name.into(), ty: type_id(said.ty), is_parameter, location }
    }

    fn location_at(&self, scopes: &Scopes<'_, '_>, unit: &Unit<'_>, location: Value) -> Location {
        for pc in scopes.pcs {
            if let Ok(Some(expression)) = lists::expression_at(unit, location, pc) {
                // The frame is described for the instruction the probe is at.
                let base = scopes.frame_base.map(|base| (scopes.unit, base));
                let frame = Frame { base, pc: scopes.pcs[1], unit };
                return self.locate(expression, &frame);
            }
        }
        Location::Absent(match location {
            Value::Block { len: 0, .. } => Absent::OptimizedOut,
            _ => Absent::NotHere,
        })
    }

    /// The unit a DIE is in: most often the one of the scopes.
    fn with_unit(&self, scopes: &Scopes<'_, '_>, position: u64, then: impl FnOnce(&Unit<'_>)) {
        if scopes.unit.contains(position) {
            then(scopes.unit);
        } else if let Some(unit) = self.source.open_at(position) {
            then(&unit);
        }
    }
}

/// A function or copy with what is around an address in it.
struct Scopes<'s, 'a> {
    unit: &'s Unit<'a>,
    abbrevs: &'s Abbrevs,
    function: Die<'s>,
    /// The function whose code it is: itself, or where it was copied into.
    own: Option<Die<'s>>,
    /// Outermost first.
    blocks: Vec<Die<'s>>,
    frame_base: Option<Value>,
    /// Where locations are looked for, best first; the last is the address itself.
    pcs: [u64; 2],
}

fn constant(unit: &Unit<'_>, value: Value) -> Location {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Location::Value(Expr::Constant(i64::from_le_bytes(word)))
    };
    match value {
        Value::Block { at, len } => match unit.block(at, len) {
            bytes if bytes.len() <= 8 => word(bytes),
            bytes => {
                let piece = |chunk: &[u8]| Piece { size_bits: chunk.len() as u32 * 8, location: word(chunk) };
                Location::Pieces(bytes.chunks(8).map(piece).collect())
            }
        },
        value => match value.number() {
            Some(number) => Location::Value(Expr::Constant(number as i64)),
            None => Location::Absent(Absent::Unsupported("a constant that is no number")),
        },
    }
}
