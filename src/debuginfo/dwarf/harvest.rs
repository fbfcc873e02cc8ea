//! The walk through a unit: every function, every place its body begins at, and what a handler sees there.
//!
//! Two thirds of a C program's debug information are types, which are stepped over; what remains are functions. A place's
//! arguments are the variables that are direct children of its DIE and have a value at its first address.

use std::sync::Arc;

use gimli::constants as dw;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    abbrev::{Abbrevs, Role},
    file::FunctionSymbol,
    form::{Malformed, Read, TextPlace, Value},
    interned::Interned,
    lines, lists,
    memory::Memory,
    paths::Paths,
    source::Source,
    type_names::TypeNames,
    unit::{Die, Unit},
};

/// A place where a function's body begins.
#[derive(Clone, Copy, Debug)]
pub struct RawInstance {
    pub pc: u64,
    pub die: u32,
    /// Into [`Harvest::texts`].
    pub name: u32,
    /// Into [`Paths`]; 0 is none.
    pub file: u32,
    pub line: u32,
    /// Into [`Harvest::arguments`].
    pub arguments: u32,
    pub is_inline: bool,
    pub is_external: bool,
    /// No instruction is left of it.
    pub is_empty: bool,
}

/// What one worker found.
pub struct Harvest<'s> {
    source: &'s Source,
    pub instances: Vec<RawInstance>,
    /// Texts by [`TextPlace::key`]; and more of [`OWN_TEXTS`].
    pub texts: Interned<u64>,
    pub paths: Paths,
    pub types: TypeNames,
    /// Name << 32 | type in types, of each argument, each once. The name is a [`TextRef`] until all is read, then a number
    /// in texts.
    pub pairs: Interned<u64>,
    /// Arguments of instances: the number of each's, and their pairs. An instance without any is at 0.
    pub arguments: Vec<u32>,
    /// Files of each unit that was read: unit's index, and its files in [`Harvest::paths`].
    pub unit_files: Vec<(u32, Arc<[u32]>)>,
    pub n_skipped_units: u32,
    /// Code symbols: address, bytes, name in texts.
    pub symbols: Vec<(u64, u32, u32)>,
    /// Types that are defined, each once: name (as of pairs), tag, and where.
    pub definitions: Vec<(u32, u16, u32)>,
    /// Names with their tags of those.
    defined: FxHashSet<u64>,
    /// Some of those that came lately, in places by their numbers.
    defined_lately: Vec<u64>,
    /// Texts that stand in place in .debug_info, with keys from [`OWN_TEXTS`] on.
    own_texts: Interned<Arc<str>>,
    units: FxHashMap<u32, Arc<OpenUnit<'s>>>,
    /// What functions and variables say of themselves where they are declared, by position.
    origins: Memory<Origin>,
    variables: Memory<u32>,
    /// The levels that the walk is at, and those it was at before: their memory serves again.
    levels: Vec<Level>,
}

pub struct OpenUnit<'s> {
    pub unit: Unit<'s>,
    pub abbrevs: Arc<Abbrevs>,
    pub files: Arc<[u32]>,
}

/// A text by number, most of them without a look into any table: the offset in .debug_str of the main file; from
/// [`OTHER_TEXTS`] on, the number in [`Harvest::texts`].
type TextRef = u32;

const OTHER_TEXTS: TextRef = 1 << 31;

#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    /// Into [`Harvest::texts`]; [`NO_NAME`]: it has none.
    name: u32,
    file: u32,
    line: u32,
    is_external: bool,
}

const NO_NAME: u32 = u32::MAX;
/// No argument.
const NO_PAIR: u32 = u32::MAX;
/// A power of two.
const N_LATELY: usize = 1 << 12;
/// No place in a section has such a key.
const OWN_TEXTS: u64 = 1 << 63;
/// Deeper nesting than any compiler writes.
const MAX_DEPTH: usize = 256;
/// Abstract origins and specifications that are followed.
pub const MAX_ORIGINS: usize = 8;
/// Units kept open for references into them.
const MAX_OPEN_UNITS: usize = 32;

/// A level of the walk: the children of a DIE.
#[derive(Default)]
struct Level {
    /// The instance whose children they are, if it is one.
    instance: Option<Open>,
    /// What was found of its arguments.
    arguments: Vec<u32>,
}

/// An instance whose children are being read.
#[derive(Clone, Copy)]
struct Open {
    raw: RawInstance,
    /// Where a probe at its beginning may look for its variables, too.
    traced_pc: u64,
}

impl<'s> Harvest<'s> {
    pub fn new(source: &'s Source) -> Self {
        Self {
            source,
            instances: Vec::new(),
            texts: Interned::default(),
            paths: Paths::default(),
            types: TypeNames::default(),
            pairs: Interned::default(),
            arguments: vec![0],
            unit_files: Vec::new(),
            n_skipped_units: 0,
            symbols: Vec::new(),
            definitions: Vec::new(),
            defined: FxHashSet::default(),
            defined_lately: vec![u64::MAX; N_LATELY],
            own_texts: Interned::default(),
            units: FxHashMap::default(),
            origins: Memory::default(),
            variables: Memory::default(),
            levels: Vec::new(),
        }
    }

    /// When all is read: gives the names that were only places their numbers, and forgets what is remembered to read on.
    pub fn done(mut self) -> Self {
        let mut pairs = std::mem::take(&mut self.pairs.values);
        for pair in &mut pairs {
            *pair = u64::from(self.number_of_ref((*pair >> 32) as TextRef)) << 32 | *pair & u64::from(u32::MAX);
        }
        self.pairs.values = pairs;
        let mut definitions = std::mem::take(&mut self.definitions);
        for (name, ..) in &mut definitions {
            *name = self.number_of_ref(*name);
        }
        self.definitions = definitions;
        self.units = FxHashMap::default();
        self.origins = Memory::default();
        self.variables = Memory::default();
        self.defined = FxHashSet::default();
        self.defined_lately = Vec::new();
        self
    }

    fn number_of_ref(&mut self, text: TextRef) -> u32 {
        match text.checked_sub(OTHER_TEXTS) {
            Some(number) => number,
            None => self.texts.number(TextPlace::Str(text.into()).key()),
        }
    }

    /// A code symbol; `is_alone`: nothing else is known of the function.
    pub fn add_symbol(&mut self, symbol: &FunctionSymbol, is_alone: bool) {
        let name = self.texts.number(TextPlace::Symbol(symbol.name_at.into()).key());
        self.symbols.push((symbol.address, u32::try_from(symbol.size).unwrap_or(u32::MAX), name));
        if !is_alone {
            return;
        }
        let (pc, is_external) = (symbol.address, symbol.is_global);
        let raw = RawInstance {
            pc,
            die: 0,
            name,
            file: 0,
            line: 0,
            arguments: 0,
            is_inline: false,
            is_external,
            is_empty: false,
        };
        self.instances.push(raw);
    }

    /// The text behind a key; of those in sections `in_file` knows
    pub fn text<'t>(&'t self, key: u64, in_file: impl Fn(TextPlace) -> &'t str) -> &'t str {
        match key.checked_sub(OWN_TEXTS) {
            Some(own) => self.own_texts.values.get(own as usize).map_or("", |text| text),
            None => in_file(TextPlace::of_key(key)),
        }
    }

    /// What stands in place is copied, or its page would have to be looked at again at the end.
    #[inline]
    fn text_ref(&mut self, unit: &Unit<'s>, place: TextPlace) -> TextRef {
        match place_in(unit, place) {
            TextPlace::Str(at) if at < u64::from(OTHER_TEXTS) => at as TextRef,
            place => self.other_text(unit, place),
        }
    }

    #[cold]
    fn other_text(&mut self, unit: &Unit<'s>, place: TextPlace) -> TextRef {
        let key = match place {
            TextPlace::Info(_) => {
                OWN_TEXTS + u64::from(self.own_texts.number_of(unit.file.text(place).unwrap_or_default()))
            }
            place => place.key(),
        };
        OTHER_TEXTS + self.texts.number(key)
    }

    /// Reads a unit. What was found of one that turns out malformed is dropped, and the unit counted.
    pub fn read_unit(&mut self, idx: u32) {
        let n_before = self.instances.len();
        if self.try_unit(idx).is_err() {
            self.instances.truncate(n_before);
            self.n_skipped_units += 1;
        }
    }

    fn try_unit(&mut self, idx: u32) -> Read<()> {
        let open = match self.units.get(&idx) {
            Some(open) => open.clone(),
            None => self.read_head(idx)?,
        };
        self.unit_files.push((idx, open.files.clone()));
        let n_before = self.instances.len();
        let result = self.walk(&open);
        self.types.forget_positions();
        result?;
        self.place_assembler(&open, n_before);
        Ok(())
    }

    /// Assemblers name functions without saying where; their line programs do.
    fn place_assembler(&mut self, open: &OpenUnit<'s>, first: usize) {
        let mut rows = None;
        for instance in &mut self.instances[first..] {
            if instance.file != 0 || instance.is_inline {
                continue;
            }
            let rows = rows.get_or_insert_with(|| lines::Rows::of_unit(&open.unit));
            if let Some((file, line)) = rows.at(instance.pc) {
                instance.file = open.files.get(file as usize).copied().unwrap_or(0);
                instance.line = line;
            }
        }
    }

    fn read_head(&mut self, idx: u32) -> Read<Arc<OpenUnit<'s>>> {
        let unit = self.source.unit(idx).ok_or(Malformed)??;
        let files = self.paths.of_unit(&unit).into();
        Ok(Arc::new(OpenUnit { abbrevs: unit.abbrevs.clone(), unit, files }))
    }

    /// A unit that others refer to.
    fn open(&mut self, idx: u32) -> Read<Arc<OpenUnit<'s>>> {
        if let Some(open) = self.units.get(&idx) {
            return Ok(open.clone());
        }
        let open = self.read_head(idx)?;
        if self.units.len() >= MAX_OPEN_UNITS {
            self.units.clear();
        }
        self.units.insert(idx, open.clone());
        Ok(open)
    }

    /// The unit a position is in.
    fn open_at(&mut self, position: u64) -> Read<Arc<OpenUnit<'s>>> {
        self.open(self.source.unit_at(position).ok_or(Malformed)?)
    }

    fn walk(&mut self, open: &Arc<OpenUnit<'s>>) -> Read<()> {
        let mut levels = std::mem::take(&mut self.levels);
        if levels.is_empty() {
            levels.resize_with(MAX_DEPTH, Level::default);
        }
        levels[0].instance = None;
        let result = self.walk_with(open, &mut levels);
        self.levels = levels;
        result
    }

    fn walk_with(&mut self, open: &Arc<OpenUnit<'s>>, levels: &mut [Level]) -> Read<()> {
        let (unit, abbrevs) = (&open.unit, &*open.abbrevs);
        let Some(root) = unit.die_at(abbrevs, unit.header.first_die)? else { return Ok(()) };
        if !root.abbrev.has_children {
            return Ok(());
        }
        let mut position = unit.behind(abbrevs, root)?;
        let mut depth = 0;
        loop {
            position = unit.step_over(abbrevs.steps(levels[depth].instance.is_none()), position);
            if position >= unit.header.end {
                // The last ends of lists may be left out.
                break;
            }
            let Some(die) = unit.die_at(abbrevs, position)? else {
                position += 1;
                self.finish(&levels[depth]);
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
                continue;
            };
            let mut instance = None;
            let goes_in = match die.abbrev.role {
                Role::Other => false,
                Role::Variable => {
                    let level = &mut levels[depth];
                    if let Some(instance) = &level.instance {
                        self.variable(open, die, instance, &mut level.arguments)?;
                    }
                    false
                }
                Role::Function => {
                    instance = self.function(open, die, false)?;
                    true
                }
                Role::InlinedFunction => {
                    instance = self.function(open, die, true)?;
                    true
                }
                Role::Block => true,
                // Methods and functions of other languages are inside of types.
                Role::Class | Role::Aggregate if !unit.is_c => {
                    self.definition(open, die)?;
                    true
                }
                Role::Aggregate | Role::NamedType if depth == 0 => {
                    self.definition(open, die)?;
                    false
                }
                Role::Class | Role::Aggregate | Role::NamedType => false,
            };
            if goes_in && die.abbrev.has_children {
                position = unit.behind(abbrevs, die)?;
                depth += 1;
                let level = levels.get_mut(depth).ok_or(Malformed)?;
                level.instance = instance;
                level.arguments.clear();
            } else {
                position = unit.behind_children(abbrevs, die)?;
                if let Some(instance) = instance {
                    self.instances.push(instance.raw);
                }
            }
        }
        // Instances whose end was left out.
        levels[..=depth].iter().rev().for_each(|level| self.finish(level));
        Ok(())
    }

    /// Remembers where a type with a name is defined.
    fn definition(&mut self, open: &OpenUnit<'s>, die: Die<'_>) -> Read<()> {
        if die.abbrev.is_declaration {
            return Ok(());
        }
        let name = match open.unit.planned_name(die)? {
            Some(place) => Some(place),
            None => {
                let mut name = None;
                open.unit.facts(&open.abbrevs, die, |attribute, value| {
                    if let (dw::DW_AT_name, Value::Text(place)) = (gimli::DwAt(attribute), value) {
                        name = open.unit.text_place(place);
                    }
                })?;
                name
            }
        };
        if let Some(place) = name {
            let name = self.text_ref(&open.unit, place);
            let position = u32::try_from(die.position).map_err(|_| Malformed)?;
            let tag = die.abbrev.tag;
            let key = u64::from(tag) << 32 | u64::from(name);
            // Most of them came in the unit before.
            let lately = &mut self.defined_lately[(key ^ key >> 30) as usize & (N_LATELY - 1)];
            if *lately != key {
                *lately = key;
                if self.defined.insert(key) {
                    self.definitions.push((name, tag, position));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, level: &Level) {
        if let Some(instance) = level.instance {
            let mut arguments = 0;
            if !level.arguments.is_empty() {
                arguments = self.arguments.len() as u32;
                self.arguments.push(level.arguments.len() as u32);
                self.arguments.extend_from_slice(&level.arguments);
            }
            self.instances.push(RawInstance { arguments, ..instance.raw });
        }
    }

    /// A function or an inlined copy of one: where it begins and whose code it is. `None` without code or name.
    fn function(&mut self, open: &Arc<OpenUnit<'s>>, die: Die<'_>, is_inline: bool) -> Read<Option<Open>> {
        let unit = &open.unit;
        // Half of those in C are declarations, or are what copies refer to.
        if !die.abbrev.has_code {
            return Ok(None);
        }
        let Code { low_pc, is_empty, entry_pc, ranges, origin, is_declaration, own } = Code::read(open, die)?;
        if is_declaration || low_pc.is_none() && entry_pc.is_none() && ranges.is_none() {
            return Ok(None);
        }
        let mut is_empty = is_empty;
        let mut first_range = None;
        if let (None, Some(ranges)) = (low_pc, ranges) {
            lists::ranges(unit, ranges, |start, _| {
                first_range = Some(start);
                false
            })?;
            is_empty = first_range.is_none();
        }
        let start = low_pc.or(first_range);
        let pc = match entry_pc {
            Some(Value::Constant(offset)) => start.map(|start| start.wrapping_add(offset)),
            Some(value) => unit.address(value).or(start),
            None => start,
        };
        // Code that the linker threw away begins at 0.
        let Some(pc) = pc.filter(|pc| *pc != 0) else { return Ok(None) };
        let declared = self.declared(open, own, origin)?;
        if declared.name == NO_NAME {
            return Ok(None);
        }
        let raw = RawInstance {
            pc,
            die: u32::try_from(die.position).map_err(|_| Malformed)?,
            name: declared.name,
            file: declared.file,
            line: declared.line,
            arguments: 0,
            is_inline,
            is_external: declared.is_external,
            is_empty,
        };
        let traced_pc = if is_inline { pc } else { self.source.behind_tracer(pc) };
        Ok(Some(Open { raw, traced_pc }))
    }

    /// What a DIE says itself, and what it leaves to its origin.
    fn declared(&mut self, open: &Arc<OpenUnit<'s>>, own: Own, origin: Option<u64>) -> Read<Origin> {
        let mut out = match origin {
            Some(position) => self.origin(open, position)?,
            None => Origin { name: NO_NAME, ..Origin::default() },
        };
        self.overlay(open, own, &mut out);
        Ok(out)
    }

    fn overlay(&mut self, open: &OpenUnit<'s>, own: Own, out: &mut Origin) {
        if let Some(place) = own.name.and_then(|place| open.unit.text_place(place)) {
            let name = self.text_ref(&open.unit, place);
            out.name = self.number_of_ref(name);
        }
        if let Some(file) = own.file {
            out.file = open.files.get(file as usize).copied().unwrap_or(0);
        }
        if let Some(line) = own.line {
            out.line = line as u32;
        }
        out.is_external |= own.is_external;
    }

    fn origin(&mut self, open: &Arc<OpenUnit<'s>>, position: u64) -> Read<Origin> {
        self.origin_within(open, position, MAX_ORIGINS)
    }

    /// What the DIE at a position says, on top of what its own origins say, of which at most so many are followed.
    fn origin_within(&mut self, open: &Arc<OpenUnit<'s>>, position: u64, n: usize) -> Read<Origin> {
        let is_here = open.unit.contains(position);
        if let Some(known) = self.origins.get(position, is_here) {
            return Ok(known);
        }
        let mut out = Origin { name: NO_NAME, ..Origin::default() };
        if n == 0 {
            return Ok(out);
        }
        let elsewhere;
        let there = if is_here {
            open
        } else {
            elsewhere = self.open_at(position)?;
            &elsewhere
        };
        if let Some(die) = there.unit.die_at(&there.abbrevs, position)? {
            let (mut own, mut origin) = (Own::default(), None);
            there.unit.facts(&there.abbrevs, die, |name, value| match gimli::DwAt(name) {
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = there.unit.target(value),
                _ => own.note(name, value),
            })?;
            if let Some(origin) = origin {
                out = self.origin_within(there, origin, n - 1)?;
            }
            self.overlay(there, own, &mut out);
        }
        if n == MAX_ORIGINS {
            self.origins.keep(position, is_here, out);
        }
        Ok(out)
    }

    /// A parameter or variable of an instance: an argument when it has a value where the instance begins.
    fn variable(
        &mut self,
        open: &Arc<OpenUnit<'s>>,
        die: Die<'_>,
        instance: &Open,
        arguments: &mut Vec<u32>,
    ) -> Read<()> {
        let unit = &open.unit;
        let Declared { name, ty, origin, location, is_constant } = Declared::read(open, die)?;
        // Most copies have no value for most of their variables: asked first, since names and types cost more.
        let has_value = match location {
            Some(location) => {
                lists::covers(unit, location, instance.raw.pc)?
                    || instance.traced_pc != instance.raw.pc && lists::covers(unit, location, instance.traced_pc)?
            }
            // Static variables have their place where they are declared.
            None => is_constant || origin.is_some_and(|origin| self.has_static_place(open, origin).unwrap_or(false)),
        };
        if !has_value {
            return Ok(());
        }
        let pair = match (name, origin) {
            (None, Some(origin)) => self.declared_variable(open, origin)?,
            (Some(place), _) => {
                let place = unit.text_place(place).ok_or(Malformed)?;
                let name = self.text_ref(unit, place);
                let ty = self.type_name(open, ty);
                self.pair(name, ty)
            }
            _ => NO_PAIR,
        };
        if pair != NO_PAIR && !arguments.contains(&pair) {
            arguments.push(pair);
        }
        Ok(())
    }

    fn pair(&mut self, name: TextRef, ty: u32) -> u32 {
        self.pairs.number(u64::from(name) << 32 | u64::from(ty))
    }

    /// A variable by where it is declared. [`NO_PAIR`]: it has no name.
    fn declared_variable(&mut self, open: &Arc<OpenUnit<'s>>, position: u64) -> Read<u32> {
        let is_here = open.unit.contains(position);
        if let Some(known) = self.variables.get(position, is_here) {
            return Ok(known);
        }
        let mut at = Some(position);
        let mut found = NO_PAIR;
        for _ in 0..MAX_ORIGINS {
            let Some(position) = at else { break };
            let elsewhere;
            let there = if open.unit.contains(position) {
                open
            } else {
                elsewhere = self.open_at(position)?;
                &elsewhere
            };
            let Some(die) = there.unit.die_at(&there.abbrevs, position)? else { break };
            let Declared { name, ty, origin, .. } = Declared::read(there, die)?;
            if let Some(place) = name {
                let place = there.unit.text_place(place).ok_or(Malformed)?;
                let name = self.text_ref(&there.unit, place);
                let ty = self.type_name(there, ty);
                found = self.pair(name, ty);
                break;
            }
            at = origin;
        }
        self.variables.keep(position, is_here, found);
        Ok(found)
    }

    fn has_static_place(&mut self, open: &Arc<OpenUnit<'s>>, position: u64) -> Read<bool> {
        let elsewhere;
        let there = if open.unit.contains(position) {
            open
        } else {
            elsewhere = self.open_at(position)?;
            &elsewhere
        };
        let Some(die) = there.unit.die_at(&there.abbrevs, position)? else { return Ok(false) };
        let mut found = false;
        there.unit.facts(&there.abbrevs, die, |attribute, value| {
            let is_place = attribute == dw::DW_AT_location.0 || attribute == dw::DW_AT_const_value.0;
            found |= is_place && !matches!(value, Value::Block { len: 0, .. } | Value::SectionOffset(_));
        })?;
        Ok(found)
    }

    fn type_name(&mut self, open: &Arc<OpenUnit<'s>>, position: Option<u64>) -> u32 {
        self.types.of(self.source, &open.unit, &open.abbrevs, position)
    }
}

/// A place as the main file says it: texts of the supplementary file are told apart.
pub fn place_in(unit: &Unit<'_>, place: TextPlace) -> TextPlace {
    match place {
        TextPlace::Str(at) if unit.header.is_supplementary => TextPlace::Supplementary(at),
        place => place,
    }
}

/// What a DIE says of its function itself.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    name: Option<TextPlace>,
    file: Option<u64>,
    line: Option<u64>,
    is_external: bool,
}

impl Own {
    fn note(&mut self, name: u16, value: Value) {
        match (gimli::DwAt(name), value) {
            (dw::DW_AT_name, Value::Text(place)) => self.name = Some(place),
            (dw::DW_AT_decl_file, value) => self.file = value.number(),
            (dw::DW_AT_decl_line, value) => self.line = value.number(),
            (dw::DW_AT_external, value) => self.is_external = value == Value::Flag(true),
            _ => {}
        }
    }
}

/// What a variable's DIE says.
#[derive(Clone, Copy, Debug, Default)]
struct Declared {
    name: Option<TextPlace>,
    ty: Option<u64>,
    origin: Option<u64>,
    location: Option<Value>,
    is_constant: bool,
}

impl Declared {
    #[inline]
    fn read(open: &OpenUnit<'_>, die: Die<'_>) -> Read<Self> {
        let (unit, plan) = (&open.unit, &die.abbrev.plan);
        if plan.is_whole {
            let list = unit.planned_u32(die, plan.location)?.map(|at| Value::SectionOffset(at.into()));
            return Ok(Self {
                name: unit.planned_name(die)?,
                ty: unit.planned_target(die, plan.ty)?,
                origin: unit.planned_target(die, plan.origin)?,
                location: if list.is_some() { list } else { unit.planned_block(die, plan.expression)? },
                is_constant: plan.is_constant,
            });
        }
        let mut out = Self::default();
        unit.facts(&open.abbrevs, die, |attribute, value| match (gimli::DwAt(attribute), value) {
            (dw::DW_AT_name, Value::Text(place)) => out.name = Some(place),
            (dw::DW_AT_type, value) => out.ty = unit.target(value),
            (dw::DW_AT_abstract_origin | dw::DW_AT_specification, value) => out.origin = unit.target(value),
            (dw::DW_AT_location, value) => out.location = Some(value),
            (dw::DW_AT_const_value, _) => out.is_constant = true,
            _ => {}
        })?;
        Ok(out)
    }
}

/// What a function's DIE says of its code, and of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Code {
    low_pc: Option<u64>,
    is_empty: bool,
    entry_pc: Option<Value>,
    ranges: Option<Value>,
    origin: Option<u64>,
    is_declaration: bool,
    own: Own,
}

impl Code {
    #[inline]
    fn read(open: &OpenUnit<'_>, die: Die<'_>) -> Read<Self> {
        let (unit, plan) = (&open.unit, &die.abbrev.plan);
        if plan.is_whole {
            return Ok(Self {
                low_pc: unit.planned_u64(die, plan.low_pc)?,
                is_empty: unit.planned_u64(die, plan.high_pc)? == Some(0),
                entry_pc: unit.planned_u64(die, plan.entry_pc)?.map(Value::Address),
                ranges: unit.planned_u32(die, plan.ranges)?.map(|at| Value::SectionOffset(at.into())),
                origin: unit.planned_target(die, plan.origin)?,
                is_declaration: false,
                own: Own { name: unit.planned_name(die)?, ..Own::default() },
            });
        }
        let mut out = Self::default();
        unit.facts(&open.abbrevs, die, |name, value| match gimli::DwAt(name) {
            dw::DW_AT_low_pc => out.low_pc = unit.address(value),
            dw::DW_AT_high_pc => out.is_empty = value == Value::Constant(0),
            dw::DW_AT_entry_pc => out.entry_pc = Some(value),
            dw::DW_AT_ranges => out.ranges = Some(value),
            dw::DW_AT_abstract_origin | dw::DW_AT_specification => out.origin = unit.target(value),
            dw::DW_AT_declaration => out.is_declaration = value == Value::Flag(true),
            _ => out.own.note(name, value),
        })?;
        Ok(out)
    }
}
