//! Units and the way through their DIEs. DWARF 5, 7.5.1.
//!
//! A DIE is known by its *position*: its offset in .debug_info; positions in the supplementary file follow those of the file itself.

use std::sync::Arc;

use gimli::constants as dw;

use super::{
    abbrev::{Abbrev, Abbrevs, Place, Plan, Steps, UNKNOWN},
    file::DebugFile,
    form::{Cursor, Encoding, Malformed, Read, TextPlace, Value},
};

/// The head of a unit, before anything of it is read.
#[derive(Clone, Copy, Debug)]
pub struct UnitHeader {
    /// Position of the header.
    pub start: u64,
    /// Position of the first DIE.
    pub first_die: u64,
    pub end: u64,
    pub abbrev_offset: u64,
    pub encoding: Encoding,
    pub is_supplementary: bool,
}

/// More than the longest header.
const MAX_HEADER: usize = 64;

/// Every unit of a file, in order. A header that makes no sense ends the list: there is no way to find the next.
/// `base`: the position of the section's first byte. Gives how many bytes could not be read, too.
pub fn unit_headers(file: &DebugFile, base: u64, is_supplementary: bool) -> (Vec<UnitHeader>, usize) {
    let info = file.info();
    let reader = file.info_reader();
    let mut memory = Vec::new();
    let mut headers = Vec::new();
    let mut at = 0;
    while at < info.len() {
        let range = at..info.len().min(at + MAX_HEADER);
        // A look at a page of a mapping maps its neighbours, too: headers everywhere would be the whole section.
        let copied = reader.as_ref().and_then(|reader| reader.read(range.clone(), &mut memory));
        match unit_header(copied.unwrap_or_else(|| &info[range]), at, info.len()) {
            Ok((header, is_of_interest)) => {
                at = header.end as usize;
                if is_of_interest {
                    headers.push(header.moved(base, is_supplementary));
                }
            }
            Err(Malformed) => break,
        }
    }
    (headers, info.len() - at.min(info.len()))
}

/// The header at a position, of a unit that is known to begin there.
pub fn unit_header_at(file: &DebugFile, base: u64, position: u64, is_supplementary: bool) -> Option<UnitHeader> {
    let (info, at) = (file.info(), usize::try_from(position.checked_sub(base)?).ok()?);
    let (header, _) = unit_header(info.get(at..)?, at, info.len()).ok()?;
    Some(header.moved(base, is_supplementary))
}

impl UnitHeader {
    /// From offsets in a section to positions.
    fn moved(self, base: u64, is_supplementary: bool) -> Self {
        let (start, first_die, end) = (self.start + base, self.first_die + base, self.end + base);
        Self { start, first_die, end, is_supplementary, ..self }
    }
}

/// Type units and skeletons are read over. `bytes`: those from `at` on, of a section that has so many.
fn unit_header(bytes: &[u8], at: usize, section_len: usize) -> Read<(UnitHeader, bool)> {
    let mut cursor = Cursor::new(bytes, 0);
    let position = |cursor: &Cursor<'_>| (at + cursor.position()) as u64;
    let (len, offset_size) = match cursor.u32()? {
        0xffff_ffff => (cursor.u64()?, 8),
        len if len < 0xffff_fff0 => (u64::from(len), 4),
        _ => return Err(Malformed),
    };
    let end = position(&cursor).checked_add(len).filter(|end| *end <= section_len as u64).ok_or(Malformed)?;
    let version = cursor.u16()?;
    let (mut kind, mut abbrev_offset, mut address_size) = (dw::DW_UT_compile, 0, 0);
    let is_known = (2..=5).contains(&version);
    if version == 5 {
        kind = gimli::DwUt(cursor.u8()?);
        address_size = cursor.u8()?;
        abbrev_offset = cursor.sized(offset_size)?;
        if matches!(kind, dw::DW_UT_skeleton | dw::DW_UT_split_compile) {
            cursor.skip(8)?;
        }
    } else if is_known {
        abbrev_offset = cursor.sized(offset_size)?;
        address_size = cursor.u8()?;
    }
    let is_of_interest =
        is_known && matches!(kind, dw::DW_UT_compile | dw::DW_UT_partial) && matches!(address_size, 4 | 8);
    let encoding = Encoding { version, address_size, offset_size };
    let (start, first_die) = (at as u64, position(&cursor));
    let header = UnitHeader { start, first_die, end, abbrev_offset, encoding, is_supplementary: false };
    Ok((header, is_of_interest))
}

/// A unit ready to be read.
pub struct Unit<'a> {
    pub header: UnitHeader,
    pub abbrevs: Arc<Abbrevs>,
    /// The file the unit is in.
    pub file: &'a DebugFile,
    /// .debug_info of that file.
    info: &'a [u8],
    /// Position of the first byte of `info`.
    base: u64,
    /// What offsets of locations and ranges count from.
    pub low_pc: u64,
    pub line_offset: Option<u64>,
    pub language: u16,
    /// `None` where the compiler did not say: assembler.
    pub is_c: bool,
    pub ranges: Option<Value>,
    pub high_pc: Option<Value>,
    addr_base: u64,
    str_offsets_base: u64,
    pub loclists_base: u64,
    pub rnglists_base: u64,
}

/// A DIE's beginning: its layout, and where its attributes are.
#[derive(Clone, Copy)]
pub struct Die<'u> {
    pub position: u64,
    pub abbrev: &'u Abbrev,
    attributes_at: usize,
}

impl<'a> Unit<'a> {
    /// `base`: the position of the first byte of the file's .debug_info.
    pub fn open(header: UnitHeader, file: &'a DebugFile, base: u64) -> Read<Self> {
        let abbrevs = Arc::new(Abbrevs::parse(file.abbrev(), header.abbrev_offset, header.encoding)?);
        Self::with_abbrevs(header, file, base, abbrevs)
    }

    pub fn with_abbrevs(header: UnitHeader, file: &'a DebugFile, base: u64, abbrevs: Arc<Abbrevs>) -> Read<Self> {
        let header_size = if header.encoding.offset_size == 8 { 16 } else { 8 };
        let mut unit = Self {
            header,
            abbrevs,
            file,
            info: file.info(),
            base,
            low_pc: 0,
            line_offset: None,
            language: 0,
            is_c: false,
            ranges: None,
            high_pc: None,
            addr_base: header_size,
            str_offsets_base: header_size,
            loclists_base: header_size + 4,
            rnglists_base: header_size + 4,
        };
        let abbrevs = unit.abbrevs.clone();
        let Some(root) = unit.die_at(&abbrevs, header.first_die)? else { return Err(Malformed) };
        let mut low_pc = None;
        let mut attributes = Vec::new();
        unit.attributes(&abbrevs, root, |name, value| {
            attributes.push((gimli::DwAt(name), value));
            true
        })?;
        for attribute in attributes {
            match attribute {
                (dw::DW_AT_low_pc, value) => low_pc = Some(value),
                (dw::DW_AT_high_pc, value) => unit.high_pc = Some(value),
                (dw::DW_AT_ranges, value) => unit.ranges = Some(value),
                (dw::DW_AT_stmt_list, value) => unit.line_offset = value.number(),
                (dw::DW_AT_language, value) => unit.language = value.number().unwrap_or(0) as u16,
                (dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base, Value::SectionOffset(at)) => unit.addr_base = at,
                (dw::DW_AT_str_offsets_base, Value::SectionOffset(at)) => unit.str_offsets_base = at,
                (dw::DW_AT_loclists_base, Value::SectionOffset(at)) => unit.loclists_base = at,
                (dw::DW_AT_rnglists_base, Value::SectionOffset(at)) => unit.rnglists_base = at,
                _ => {}
            }
        }
        unit.is_c = matches!(
            gimli::DwLang(unit.language),
            dw::DW_LANG_C | dw::DW_LANG_C89 | dw::DW_LANG_C99 | dw::DW_LANG_C11 | dw::DW_LANG_C17
        );
        unit.low_pc = low_pc.and_then(|value| unit.address(value)).unwrap_or(0);
        Ok(unit)
    }

    /// The DIE that begins at a position; `None` is the end of a list of children.
    #[inline]
    pub fn die_at<'u>(&self, abbrevs: &'u Abbrevs, position: u64) -> Read<Option<Die<'u>>> {
        if position < self.header.first_die || position >= self.header.end {
            return Err(Malformed);
        }
        let mut cursor = Cursor::new(self.info, (position - self.base) as usize);
        let code = cursor.uleb()?;
        if code == 0 {
            return Ok(None);
        }
        let abbrev = abbrevs.get(code)?;
        Ok(Some(Die { position, abbrev, attributes_at: cursor.position() }))
    }

    /// Position of the first DIE from `position` on that is not simply stepped over.
    #[inline]
    pub fn step_over(&self, steps: &Steps, position: u64) -> u64 {
        let info = &self.info[..(self.header.end - self.base) as usize];
        let mut at = (position - self.base) as usize;
        while let Some(code) = info.get(at) {
            let step = steps[usize::from(*code)];
            if step == 0 {
                break;
            }
            at += usize::from(step);
        }
        at as u64 + self.base
    }

    /// Position behind a DIE's attributes: its first child, or what follows it.
    #[inline]
    pub fn behind(&self, abbrevs: &Abbrevs, die: Die<'_>) -> Read<u64> {
        let at = die.attributes_at + die.abbrev.fixed_size as usize;
        let sized = abbrevs.sized(die.abbrev);
        if sized.is_empty() {
            return Ok(at as u64 + self.base);
        }
        let mut cursor = Cursor::new(self.info, at);
        for attribute in sized {
            cursor.skip_form(attribute.form, self.header.encoding)?;
        }
        Ok(cursor.position() as u64 + self.base)
    }

    /// Position behind a DIE and all its children.
    pub fn behind_children(&self, abbrevs: &Abbrevs, die: Die<'_>) -> Read<u64> {
        if !die.abbrev.has_children {
            return self.behind(abbrevs, die);
        }
        if let Some(at) = die.abbrev.sibling {
            let next = u64::from(Cursor::new(self.info, die.attributes_at + at as usize).u32()?) + self.header.start;
            // Only forward, or garbage could make the walk go round.
            return if next > die.position && next <= self.header.end { Ok(next) } else { Err(Malformed) };
        }
        let mut position = self.behind(abbrevs, die)?;
        let mut depth = 1;
        while depth > 0 {
            position = self.step_over(abbrevs.steps(true), position);
            match self.die_at(abbrevs, position)? {
                None => {
                    depth -= 1;
                    position += 1;
                }
                Some(child) if child.abbrev.sibling.is_some() && child.abbrev.has_children => {
                    position = self.behind_children(abbrevs, child)?;
                }
                Some(child) => {
                    depth += u32::from(child.abbrev.has_children);
                    position = self.behind(abbrevs, child)?;
                }
            }
        }
        Ok(position)
    }

    /// Reads attributes in order until `each` has enough (`false`). Gives the position behind what was read.
    #[inline]
    pub fn attributes(&self, abbrevs: &Abbrevs, die: Die<'_>, mut each: impl FnMut(u16, Value) -> bool) -> Read<u64> {
        let mut cursor = Cursor::new(self.info, die.attributes_at);
        for attribute in abbrevs.attributes(die.abbrev) {
            let value = cursor.value(attribute.form, attribute.implicit, self.header.encoding)?;
            if !each(attribute.name, value) {
                break;
            }
        }
        Ok(cursor.position() as u64 + self.base)
    }

    /// Reads what an index asks of functions, variables and types; other attributes may come or not.
    #[inline]
    pub fn facts(&self, abbrevs: &Abbrevs, die: Die<'_>, mut each: impl FnMut(u16, Value)) -> Read<()> {
        let mut cursor = Cursor::new(self.info, die.attributes_at);
        for attribute in abbrevs.facts(die.abbrev) {
            if attribute.at != UNKNOWN {
                cursor = Cursor::new(self.info, die.attributes_at + attribute.at as usize);
            }
            each(attribute.name, cursor.common_value(attribute.form, attribute.implicit, self.header.encoding)?);
        }
        Ok(())
    }

    /// Four bytes of a DIE's attributes, at a place its plan says.
    #[inline]
    pub fn planned_u32(&self, die: Die<'_>, place: Place) -> Read<Option<u32>> {
        if place == Plan::ABSENT {
            return Ok(None);
        }
        Cursor::new(self.info, die.attributes_at + usize::from(place)).u32().map(Some)
    }

    #[inline]
    pub fn planned_u64(&self, die: Die<'_>, place: Place) -> Read<Option<u64>> {
        if place == Plan::ABSENT {
            return Ok(None);
        }
        Cursor::new(self.info, die.attributes_at + usize::from(place)).u64().map(Some)
    }

    /// Where the name is, if the plan says.
    #[inline]
    pub fn planned_name(&self, die: Die<'_>) -> Read<Option<TextPlace>> {
        Ok(self.planned_u32(die, die.abbrev.plan.name)?.map(|at| TextPlace::Str(at.into())))
    }

    /// A DIE that is referred to from a place its plan says.
    #[inline]
    pub fn planned_target(&self, die: Die<'_>, place: Place) -> Read<Option<u64>> {
        Ok(self.planned_u32(die, place)?.map(|offset| self.header.start + u64::from(offset)))
    }

    /// An expression at a place its plan says.
    #[inline]
    pub fn planned_block(&self, die: Die<'_>, place: Place) -> Read<Option<Value>> {
        if place == Plan::ABSENT {
            return Ok(None);
        }
        let mut cursor = Cursor::new(self.info, die.attributes_at + usize::from(place));
        cursor.value(dw::DW_FORM_exprloc.0, 0, self.header.encoding).map(Some)
    }

    /// Children of a DIE, read over their own children.
    pub fn children<'u>(&self, abbrevs: &'u Abbrevs, die: Die<'u>, mut each: impl FnMut(Die<'u>) -> bool) -> Read<()> {
        if !die.abbrev.has_children {
            return Ok(());
        }
        let mut position = self.behind(abbrevs, die)?;
        while let Some(child) = self.die_at(abbrevs, position)? {
            if !each(child) {
                break;
            }
            position = self.behind_children(abbrevs, child)?;
        }
        Ok(())
    }

    /// The bytes of a block.
    pub fn block(&self, at: usize, len: usize) -> &'a [u8] {
        self.info.get(at..at + len).unwrap_or(&[])
    }

    /// A reference to a DIE as a position.
    pub fn target(&self, value: Value) -> Option<u64> {
        match value {
            Value::UnitRef(offset) => self.header.start.checked_add(offset),
            Value::InfoRef(offset) => offset.checked_add(self.base),
            // Only the main file refers there, and its supplement follows it.
            Value::SupplementaryRef(offset) if self.base == 0 => offset.checked_add(self.info.len() as u64),
            _ => None,
        }
    }

    /// Whether a position is in this unit.
    #[inline]
    pub fn contains(&self, position: u64) -> bool {
        (self.header.first_die..self.header.end).contains(&position)
    }

    pub fn address(&self, value: Value) -> Option<u64> {
        match value {
            Value::Address(address) => Some(address),
            Value::AddressIndex(index) => self.indexed_address(index),
            _ => None,
        }
    }

    pub fn indexed_address(&self, index: u64) -> Option<u64> {
        let size = self.header.encoding.address_size;
        let at = index.checked_mul(u64::from(size))?.checked_add(self.addr_base)?;
        Cursor::new(self.file.addr(), usize::try_from(at).ok()?).sized(size).ok()
    }

    /// An index among texts as the place of its text.
    pub fn text_place(&self, place: TextPlace) -> Option<TextPlace> {
        let TextPlace::Index(index) = place else { return Some(place) };
        let size = self.header.encoding.offset_size;
        let at = index.checked_mul(u64::from(size))?.checked_add(self.str_offsets_base)?;
        let offset = Cursor::new(self.file.str_offsets(), usize::try_from(at).ok()?).sized(size).ok()?;
        Some(TextPlace::Str(offset))
    }

    pub fn text(&self, value: Value) -> Option<&'a str> {
        let Value::Text(place) = value else { return None };
        self.file.text(self.text_place(place)?)
    }
}
