//! The walk through a unit: every function, every place its body begins at, and what a handler sees there.
//!
//! Two thirds of a C program's debug information are types, which are stepped over; what remains are functions. A place's
//! arguments are the variables that are direct children of its DIE and have a value at its first address.

use std::sync::Arc;

use gimli::constants as dw;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    abbrev::Abbrevs,
    file::Symbol,
    form::{Malformed, Read, TextPlace, Value},
    lines, lists,
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
    /// Into [`Harvest::lists`].
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
    /// Texts by place, each once.
    pub texts: Texts,
    pub paths: Paths,
    pub types: TypeNames,
    /// `(name in texts, type in types)` of each argument, each once.
    pub pairs: Interned<(u32, u32)>,
    /// Argument lists as pairs, each once; the first is empty.
    pub lists: Interned<Arc<[u32]>>,
    /// Files of each unit that was read: unit's index, and its files in [`Harvest::paths`].
    pub unit_files: Vec<(u32, Arc<[u32]>)>,
    pub n_skipped_units: u32,
    /// Code symbols: address, bytes, name in [`Harvest::texts`].
    pub symbols: Vec<(u64, u32, u32)>,
    /// Types that are defined, each once: name in [`Harvest::texts`], tag, and where.
    pub definitions: Vec<(u32, u16, u32)>,
    /// The [`definition_key`]s of those.
    defined: FxHashSet<u64>,
    /// Texts that are in no section of their own, with keys from [`OWN_TEXTS`] on: those that stand in place in
    /// .debug_info, and names of symbols.
    own_texts: Interned<Arc<str>>,
    units: FxHashMap<u32, Arc<OpenUnit<'s>>>,
    /// What functions and variables say of themselves where they are declared, by position.
    origins: Memory<Origin>,
    variables: Memory<Option<u32>>,
    /// Memory for arguments of instances that are not done yet.
    spare: Vec<Vec<u32>>,
}

pub struct OpenUnit<'s> {
    pub unit: Unit<'s>,
    pub abbrevs: Arc<Abbrevs>,
    pub files: Arc<[u32]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    /// `u32::MAX`: it has no name.
    name: u32,
    file: u32,
    line: u32,
    is_external: bool,
}

/// What was read where, by position. Most references stay inside a unit, and what they lead to is forgotten with it: the
/// table of one unit stays in the processor's caches, that of all does not. Those across units (LTO, dwz) are worth
/// remembering while they are few.
struct Memory<T> {
    here: FxHashMap<u64, T>,
    elsewhere: FxHashMap<u64, T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { here: FxHashMap::default(), elsewhere: FxHashMap::default() }
    }
}

/// Of other units.
const MAX_REMEMBERED: usize = 1 << 16;

impl<T: Copy> Memory<T> {
    fn get(&self, position: u64, is_here: bool) -> Option<T> {
        if is_here { &self.here } else { &self.elsewhere }.get(&position).copied()
    }

    fn keep(&mut self, position: u64, is_here: bool, value: T) {
        if is_here { &mut self.here } else { &mut self.elsewhere }.insert(position, value);
    }

    /// Another unit comes.
    fn forget_here(&mut self) {
        self.here.clear();
        if self.elsewhere.len() > MAX_REMEMBERED {
            self.elsewhere.clear();
        }
    }
}

/// A type by the key of its name and its tag, as one number: no file has texts beyond 2^44.
fn definition_key(name: u64, tag: u16) -> u64 {
    name ^ u64::from(tag) << 44
}

/// Texts by [`TextPlace::key`].
pub type Texts = Interned<u64>;

/// Values with numbers, each once.
pub struct Interned<T> {
    numbers: FxHashMap<T, u32>,
    pub values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    pub fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        self.add(value)
    }

    /// The number of a value that is made only when it is new.
    pub fn number_of<Q: Eq + std::hash::Hash + ?Sized>(&mut self, value: &Q) -> u32
    where
        T: std::borrow::Borrow<Q> + for<'a> From<&'a Q>,
    {
        match self.numbers.get(value) {
            Some(number) => *number,
            None => self.add(value.into()),
        }
    }

    fn add(&mut self, value: T) -> u32 {
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

const NO_NAME: u32 = u32::MAX;
/// No place in a section has such a key.
const OWN_TEXTS: u64 = 1 << 63;
/// Deeper nesting than any compiler writes.
const MAX_DEPTH: usize = 256;
/// Abstract origins and specifications that are followed.
pub const MAX_ORIGINS: usize = 8;
/// Units kept open for references into them.
const MAX_OPEN_UNITS: usize = 32;

/// A level of the walk.
struct Level {
    /// Which instance the DIE at this level is, if it is one.
    instance: Option<Open>,
}

/// An instance whose children are being read.
struct Open {
    raw: RawInstance,
    /// Where a probe at its beginning may look for its variables, too.
    traced_pc: u64,
    arguments: Vec<u32>,
}

impl<'s> Harvest<'s> {
    pub fn new(source: &'s Source) -> Self {
        let mut lists = Interned::default();
        lists.number(Arc::default());
        Self {
            source,
            instances: Vec::new(),
            texts: Texts::default(),
            paths: Paths::default(),
            types: TypeNames::default(),
            pairs: Interned::default(),
            lists,
            unit_files: Vec::new(),
            n_skipped_units: 0,
            symbols: Vec::new(),
            definitions: Vec::new(),
            defined: FxHashSet::default(),
            own_texts: Interned::default(),
            units: FxHashMap::default(),
            origins: Memory::default(),
            variables: Memory::default(),
            spare: Vec::new(),
        }
    }

    /// What a worker remembers to read on is of no use when it is done.
    pub fn without_memory(mut self) -> Self {
        self.units = FxHashMap::default();
        self.origins = Memory::default();
        self.variables = Memory::default();
        self.defined = FxHashSet::default();
        self
    }

    /// A code symbol; `is_alone`: nothing else is known of the function.
    pub fn add_symbol(&mut self, symbol: Symbol<'_>, is_alone: bool) {
        let own = self.own_texts.number_of(symbol.name);
        let name = self.texts.number(OWN_TEXTS + u64::from(own));
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

    /// The key of a text. What stands in place is copied, or its page would have to be looked at again at the end.
    fn text_key(&mut self, unit: &Unit<'s>, place: TextPlace) -> u64 {
        match place_in(unit, place) {
            TextPlace::Info(_) => {
                OWN_TEXTS + u64::from(self.own_texts.number_of(unit.file.text(place).unwrap_or_default()))
            }
            place => place.key(),
        }
    }

    fn text_number(&mut self, unit: &Unit<'s>, place: TextPlace) -> u32 {
        let key = self.text_key(unit, place);
        self.texts.number(key)
    }

    /// Reads a unit. What was found of one that turns out malformed is dropped, and the unit counted.
    pub fn read_unit(&mut self, idx: u32) {
        let n_before = self.instances.len();
        if self.try_unit(idx).is_err() {
            self.instances.truncate(n_before);
            self.n_skipped_units += 1;
        }
        self.origins.forget_here();
        self.variables.forget_here();
    }

    fn try_unit(&mut self, idx: u32) -> Read<()> {
        let open = self.open(idx)?;
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

    fn open(&mut self, idx: u32) -> Read<Arc<OpenUnit<'s>>> {
        if let Some(open) = self.units.get(&idx) {
            return Ok(open.clone());
        }
        let unit = self.source.unit(idx).ok_or(Malformed)??;
        let files = self.paths.of_unit(&unit).into();
        let open = Arc::new(OpenUnit { abbrevs: unit.abbrevs.clone(), unit, files });
        if self.units.len() >= MAX_OPEN_UNITS {
            self.units.clear();
        }
        self.units.insert(idx, open.clone());
        Ok(open)
    }

    /// The unit a position is in.
    fn open_at(&mut self, position: u64, here: &Arc<OpenUnit<'s>>) -> Read<Arc<OpenUnit<'s>>> {
        if here.unit.contains(position) {
            return Ok(here.clone());
        }
        self.open(self.source.unit_at(position).ok_or(Malformed)?)
    }

    fn walk(&mut self, open: &Arc<OpenUnit<'s>>) -> Read<()> {
        let (unit, abbrevs) = (&open.unit, &*open.abbrevs);
        let Some(root) = unit.die_at(abbrevs, unit.header.first_die)? else { return Ok(()) };
        if !root.abbrev.has_children {
            return Ok(());
        }
        let mut position = unit.behind(abbrevs, root)?;
        let mut levels: Vec<Level> = vec![Level { instance: None }];
        loop {
            let is_outermost = levels.len() == 1;
            let Some(level) = levels.last_mut() else { break };
            if position >= unit.header.end {
                // The last ends of lists may be left out.
                break;
            }
            let Some(die) = unit.die_at(abbrevs, position)? else {
                position += 1;
                if let Some(done) = level.instance.take() {
                    self.finish(done);
                }
                levels.pop();
                continue;
            };
            let (next, goes_in, instance) = match gimli::DwTag(die.abbrev.tag) {
                dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => match &mut level.instance {
                    Some(open_instance) => {
                        let next = self.variable(open, die, open_instance)?;
                        (if die.abbrev.has_children { unit.behind_children(abbrevs, die)? } else { next }, false, None)
                    }
                    None => (unit.behind_children(abbrevs, die)?, false, None),
                },
                dw::DW_TAG_subprogram => {
                    let (next, instance) = self.function(open, die, false)?;
                    (next, true, instance)
                }
                dw::DW_TAG_inlined_subroutine => {
                    let (next, instance) = self.function(open, die, true)?;
                    (next, true, instance)
                }
                dw::DW_TAG_lexical_block
                | dw::DW_TAG_try_block
                | dw::DW_TAG_catch_block
                | dw::DW_TAG_namespace
                | dw::DW_TAG_module => (unit.behind(abbrevs, die)?, true, None),
                // Methods and functions of other languages are inside of types.
                dw::DW_TAG_structure_type
                | dw::DW_TAG_class_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_enumeration_type
                    if !unit.is_c =>
                {
                    self.definition(open, die)?;
                    (unit.behind(abbrevs, die)?, true, None)
                }
                dw::DW_TAG_structure_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_enumeration_type
                | dw::DW_TAG_base_type
                | dw::DW_TAG_typedef
                    if is_outermost =>
                {
                    self.definition(open, die)?;
                    (unit.behind_children(abbrevs, die)?, false, None)
                }
                _ => (unit.behind_children(abbrevs, die)?, false, None),
            };
            position = next;
            if goes_in && die.abbrev.has_children {
                if levels.len() >= MAX_DEPTH {
                    return Err(Malformed);
                }
                levels.push(Level { instance });
            } else if let Some(done) = instance {
                self.finish(done);
            }
        }
        // Instances whose end was left out.
        for level in levels.into_iter().rev() {
            if let Some(done) = level.instance {
                self.finish(done);
            }
        }
        Ok(())
    }

    /// Remembers where a type with a name is defined.
    fn definition(&mut self, open: &OpenUnit<'s>, die: Die<'_>) -> Read<()> {
        if die.abbrev.is_declaration {
            return Ok(());
        }
        let mut name = None;
        // Compilers write the name first.
        open.unit.attributes(&open.abbrevs, die, |attribute, value| {
            if let (dw::DW_AT_name, Value::Text(place)) = (gimli::DwAt(attribute), value) {
                name = open.unit.text_place(place);
            }
            name.is_none()
        })?;
        if let Some(place) = name {
            let name = self.text_key(&open.unit, place);
            let position = u32::try_from(die.position).map_err(|_| Malformed)?;
            let (key, tag) = (definition_key(name, die.abbrev.tag), die.abbrev.tag);
            // Nineteen of twenty are, in the unit before.
            if !self.defined.contains(&key) {
                self.defined.insert(key);
                self.definitions.push((self.texts.number(name), tag, position));
            }
        }
        Ok(())
    }

    fn finish(&mut self, open: Open) {
        let arguments = self.lists.number_of(&open.arguments[..]);
        self.instances.push(RawInstance { arguments, ..open.raw });
        let mut spare = open.arguments;
        spare.clear();
        self.spare.push(spare);
    }

    /// A function or an inlined copy of one: where it begins and whose code it is. `None` without code or name.
    fn function(&mut self, open: &Arc<OpenUnit<'s>>, die: Die<'_>, is_inline: bool) -> Read<(u64, Option<Open>)> {
        let unit = &open.unit;
        let (mut low_pc, mut entry_pc, mut ranges, mut origin) = (None, None, None, None);
        let mut is_empty = false;
        let (mut is_declaration, mut own) = (false, Own::default());
        let next = unit.attributes(&open.abbrevs, die, |name, value| {
            match gimli::DwAt(name) {
                dw::DW_AT_low_pc => low_pc = unit.address(value),
                dw::DW_AT_high_pc => is_empty = value == Value::Constant(0),
                dw::DW_AT_entry_pc => entry_pc = Some(value),
                dw::DW_AT_ranges => ranges = Some(value),
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = unit.target(value),
                dw::DW_AT_declaration => is_declaration = value == Value::Flag(true),
                _ => own.note(name, value),
            }
            true
        })?;
        if is_declaration || low_pc.is_none() && entry_pc.is_none() && ranges.is_none() {
            return Ok((next, None));
        }
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
        let Some(pc) = pc.filter(|pc| *pc != 0) else { return Ok((next, None)) };
        let declared = self.declared(open, own, origin)?;
        if declared.name == NO_NAME {
            return Ok((next, None));
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
        Ok((next, Some(Open { raw, traced_pc, arguments: self.spare.pop().unwrap_or_default() })))
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
            out.name = self.text_number(&open.unit, place);
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
        let there = self.open_at(position, open)?;
        if let Some(die) = there.unit.die_at(&there.abbrevs, position)? {
            let (mut own, mut origin) = (Own::default(), None);
            there.unit.attributes(&there.abbrevs, die, |name, value| {
                match gimli::DwAt(name) {
                    dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = there.unit.target(value),
                    _ => own.note(name, value),
                }
                true
            })?;
            if let Some(origin) = origin {
                out = self.origin_within(&there, origin, n - 1)?;
            }
            self.overlay(&there, own, &mut out);
        }
        if n == MAX_ORIGINS {
            self.origins.keep(position, is_here, out);
        }
        Ok(out)
    }

    /// A parameter or variable of an instance: an argument when it has a value where the instance begins.
    fn variable(&mut self, open: &Arc<OpenUnit<'s>>, die: Die<'_>, instance: &mut Open) -> Read<u64> {
        let unit = &open.unit;
        let (mut name, mut ty, mut origin, mut location, mut is_constant) = (None, None, None, None, false);
        let next = unit.attributes(&open.abbrevs, die, |attribute, value| {
            match gimli::DwAt(attribute) {
                dw::DW_AT_name => name = Some(value),
                dw::DW_AT_type => ty = unit.target(value),
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = unit.target(value),
                dw::DW_AT_location => location = Some(value),
                dw::DW_AT_const_value => is_constant = true,
                _ => {}
            }
            true
        })?;
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
            return Ok(next);
        }
        let pair = match (name, origin) {
            (None, Some(origin)) => self.declared_variable(open, origin)?,
            (Some(Value::Text(place)), _) => {
                let place = unit.text_place(place).ok_or(Malformed)?;
                let name = self.text_number(unit, place);
                let ty = self.type_name(open, ty);
                Some(self.pairs.number((name, ty)))
            }
            _ => None,
        };
        if let Some(pair) = pair.filter(|pair| !instance.arguments.contains(pair)) {
            instance.arguments.push(pair);
        }
        Ok(next)
    }

    /// A variable by where it is declared. `None`: it has no name.
    fn declared_variable(&mut self, open: &Arc<OpenUnit<'s>>, position: u64) -> Read<Option<u32>> {
        let is_here = open.unit.contains(position);
        if let Some(known) = self.variables.get(position, is_here) {
            return Ok(known);
        }
        let mut at = Some(position);
        let mut found = None;
        for _ in 0..MAX_ORIGINS {
            let Some(position) = at else { break };
            let there = self.open_at(position, open)?;
            let Some(die) = there.unit.die_at(&there.abbrevs, position)? else { break };
            let (mut name, mut ty, mut origin) = (None, None, None);
            there.unit.attributes(&there.abbrevs, die, |attribute, value| {
                match gimli::DwAt(attribute) {
                    dw::DW_AT_name => name = Some(value),
                    dw::DW_AT_type => ty = there.unit.target(value),
                    dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = there.unit.target(value),
                    _ => {}
                }
                true
            })?;
            if let Some(Value::Text(place)) = name {
                let place = there.unit.text_place(place).ok_or(Malformed)?;
                let name = self.text_number(&there.unit, place);
                let ty = self.type_name(&there, ty);
                found = Some(self.pairs.number((name, ty)));
                break;
            }
            at = origin;
        }
        self.variables.keep(position, is_here, found);
        Ok(found)
    }

    fn has_static_place(&mut self, open: &Arc<OpenUnit<'s>>, position: u64) -> Read<bool> {
        let there = self.open_at(position, open)?;
        let Some(die) = there.unit.die_at(&there.abbrevs, position)? else { return Ok(false) };
        let mut found = false;
        there.unit.attributes(&there.abbrevs, die, |attribute, value| {
            let is_place = attribute == dw::DW_AT_location.0 || attribute == dw::DW_AT_const_value.0;
            found = is_place && !matches!(value, Value::Block { len: 0, .. } | Value::SectionOffset(_));
            !found
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
