//! Abbreviations: the layouts of DIEs. DWARF 5, 7.5.3.
//!
//! Nine of ten DIEs of a C program have a layout of fixed size, and stepping over one of those is one addition.

use std::ops::Range;

use gimli::constants as dw;

use super::form::{Cursor, Encoding, Malformed, Read, fixed_size};

#[derive(Clone, Debug)]
pub struct Abbrev {
    pub tag: u16,
    pub role: Role,
    pub has_children: bool,
    /// It only declares: what it is about is defined elsewhere.
    pub is_declaration: bool,
    /// It may say where code is.
    pub has_code: bool,
    /// Bytes of the attributes in front of the first whose size depends on its value.
    pub fixed_size: u32,
    /// Where the offset of the next sibling is, from the first attribute, when it is a 4-byte reference at a fixed place.
    pub sibling: Option<u32>,
    attributes: Range<u32>,
    pub plan: Plan,
    /// From the first attribute whose size depends on its value.
    first_sized: u32,
    /// Those that an index asks for, if the places of all of them are fixed; else all attributes.
    facts: Range<u32>,
}

/// What a walk through functions does with a DIE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Function,
    InlinedFunction,
    Variable,
    /// Functions and variables are inside.
    Block,
    Class,
    /// Structures, unions, enumerations.
    Aggregate,
    /// Other types with names.
    NamedType,
    Other,
}

/// Where the attributes that a walk looks at a million times are, from the first, so that they are read without going
/// through the others: if each that counts for a DIE's [`Role`] has the form that compilers give it in C.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The places below say all of what counts.
    pub is_whole: bool,
    /// .debug_str
    pub name: Place,
    /// Of 4 bytes, in the unit.
    pub ty: Place,
    /// Of 4 bytes, in the unit: abstract origin or specification.
    pub origin: Place,
    /// Offset of a list of 4 bytes.
    pub location: Place,
    pub expression: Place,
    /// It has a constant value.
    pub is_constant: bool,
    pub low_pc: Place,
    /// Of 8 bytes, from the beginning.
    pub high_pc: Place,
    pub entry_pc: Place,
    /// Of 4 bytes.
    pub ranges: Place,
}

/// Offset of an attribute; [`Plan::ABSENT`]: it has none.
pub type Place = u8;

impl Plan {
    pub const ABSENT: Place = Place::MAX;

    fn new(role: Role, is_usual: bool) -> Self {
        Self {
            is_whole: is_usual && matches!(role, Role::Variable | Role::InlinedFunction),
            name: Self::ABSENT,
            ty: Self::ABSENT,
            origin: Self::ABSENT,
            location: Self::ABSENT,
            expression: Self::ABSENT,
            is_constant: false,
            low_pc: Self::ABSENT,
            high_pc: Self::ABSENT,
            entry_pc: Self::ABSENT,
            ranges: Self::ABSENT,
        }
    }

    /// Takes one of the attributes that count into account.
    fn note(&mut self, role: Role, attribute: Attribute) {
        let (name, form) = (gimli::DwAt(attribute.name), gimli::DwForm(attribute.form));
        let is_variable = role == Role::Variable;
        let place = match (name, form) {
            (dw::DW_AT_name, dw::DW_FORM_strp) => &mut self.name,
            (dw::DW_AT_abstract_origin | dw::DW_AT_specification, dw::DW_FORM_ref4) => &mut self.origin,
            (dw::DW_AT_type, dw::DW_FORM_ref4) => &mut self.ty,
            (dw::DW_AT_location, dw::DW_FORM_sec_offset) if is_variable => &mut self.location,
            (dw::DW_AT_location, dw::DW_FORM_exprloc) if is_variable => &mut self.expression,
            (dw::DW_AT_const_value, _) => {
                self.is_constant = true;
                return;
            }
            (dw::DW_AT_decl_file | dw::DW_AT_decl_line | dw::DW_AT_external | dw::DW_AT_declaration, _)
                if is_variable =>
            {
                return;
            }
            (dw::DW_AT_low_pc, dw::DW_FORM_addr) => &mut self.low_pc,
            (dw::DW_AT_high_pc, dw::DW_FORM_data8) => &mut self.high_pc,
            (dw::DW_AT_entry_pc, dw::DW_FORM_addr) => &mut self.entry_pc,
            (dw::DW_AT_ranges, dw::DW_FORM_sec_offset) => &mut self.ranges,
            _ => {
                self.is_whole = false;
                return;
            }
        };
        match Place::try_from(attribute.at) {
            // One of a kind: which of two counts is for a more careful reader.
            Ok(at) if at != Self::ABSENT && *place == Self::ABSENT => *place = at,
            _ => self.is_whole = false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub name: u16,
    pub form: u16,
    /// Where it is, from the first attribute; [`UNKNOWN`]: behind the one before.
    pub at: u32,
    /// The value of an implicit constant.
    pub implicit: i64,
}

pub const UNKNOWN: u32 = u32::MAX;

/// What an attribute is to an index, by its number: bits.
const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let (mut set, mut idx) = ([FACT_NAMES, CODE_NAMES, &[dw::DW_AT_declaration]], 0);
    while idx < set.len() {
        while let [name, rest @ ..] = set[idx] {
            classes[name.0 as usize] |= 1 << idx;
            set[idx] = rest;
        }
        idx += 1;
    }
    classes
};

const FACT: u8 = 1;
const CODE: u8 = 2;
const DECLARATION: u8 = 4;

const CODE_NAMES: &[gimli::DwAt] = &[dw::DW_AT_low_pc, dw::DW_AT_entry_pc, dw::DW_AT_ranges];

/// What an index asks of functions, variables and types.
const FACT_NAMES: &[gimli::DwAt] = &[
    dw::DW_AT_location,
    dw::DW_AT_name,
    dw::DW_AT_low_pc,
    dw::DW_AT_high_pc,
    dw::DW_AT_const_value,
    dw::DW_AT_prototyped,
    dw::DW_AT_abstract_origin,
    dw::DW_AT_decl_file,
    dw::DW_AT_decl_line,
    dw::DW_AT_declaration,
    dw::DW_AT_external,
    dw::DW_AT_specification,
    dw::DW_AT_type,
    dw::DW_AT_entry_pc,
    dw::DW_AT_ranges,
];

impl Role {
    fn of(tag: u16) -> Self {
        match gimli::DwTag(tag) {
            dw::DW_TAG_subprogram => Self::Function,
            dw::DW_TAG_inlined_subroutine => Self::InlinedFunction,
            dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => Self::Variable,
            dw::DW_TAG_lexical_block
            | dw::DW_TAG_try_block
            | dw::DW_TAG_catch_block
            | dw::DW_TAG_namespace
            | dw::DW_TAG_module => Self::Block,
            dw::DW_TAG_class_type => Self::Class,
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_enumeration_type => Self::Aggregate,
            dw::DW_TAG_base_type | dw::DW_TAG_typedef => Self::NamedType,
            _ => Self::Other,
        }
    }
}

/// The abbreviations of a unit, for its encoding.
#[derive(Debug)]
pub struct Abbrevs {
    /// By code; compilers count from 1.
    dense: Vec<Abbrev>,
    /// Of DIEs that tell a walk nothing. Variables do only where there is an instance that they may be of.
    steps: Steps,
    steps_without_variables: Steps,
    /// Those that did not.
    sparse: std::collections::BTreeMap<u64, Abbrev>,
    attributes: Vec<Attribute>,
}

/// Of a form whose size depends on its value.
const SIZED: u8 = u8::MAX;

/// Bytes of DIEs by the byte that their code is, where they have no children and one size; else 0: look closer.
pub type Steps = [u16; 256];

/// More than any compiler writes; a table of garbage ends here.
const MAX_ABBREVS: usize = 1 << 20;

impl Abbrevs {
    pub fn parse(section: &[u8], offset: u64, encoding: Encoding) -> Read<Self> {
        let is_usual = encoding.offset_size == 4 && encoding.address_size == 8;
        // Of all forms but some vendors'.
        let sizes: [u8; 48] = std::array::from_fn(|form| fixed_size(form as u16, encoding).unwrap_or(SIZED));
        let mut cursor = Cursor::new(section, usize::try_from(offset).map_err(|_| Malformed)?);
        let mut out = Self {
            dense: Vec::with_capacity(192),
            steps: [0; 256],
            steps_without_variables: [0; 256],
            sparse: std::collections::BTreeMap::new(),
            attributes: Vec::with_capacity(1536),
        };
        loop {
            let code = cursor.uleb()?;
            if code == 0 {
                return Ok(out);
            }
            let tag = u16::try_from(cursor.uleb()?).map_err(|_| Malformed)?;
            let has_children = cursor.u8()? != 0;
            let first = out.attributes.len() as u32;
            let role = Role::of(tag);
            let (mut size, mut sibling, mut first_sized) = (0u32, None, None);
            let mut classes = 0;
            loop {
                let (name, form) = cursor.two_ulebs()?;
                if name == 0 && form == 0 {
                    break;
                }
                let (Ok(name), Ok(form)) = (u16::try_from(name), u16::try_from(form)) else { return Err(Malformed) };
                let is_implicit = form == dw::DW_FORM_implicit_const.0;
                let implicit = if is_implicit { cursor.sleb()? } else { 0 };
                classes |= class_of(name);
                let mut at = UNKNOWN;
                if first_sized.is_none() {
                    at = size;
                    if name == dw::DW_AT_sibling.0 && form == dw::DW_FORM_ref4.0 {
                        sibling = Some(size);
                    }
                    match sizes.get(usize::from(form)) {
                        Some(more) if *more != SIZED => size = size.saturating_add(u32::from(*more)),
                        Some(_) => first_sized = Some(out.attributes.len() as u32),
                        None => match fixed_size(form, encoding) {
                            Some(more) => size = size.saturating_add(u32::from(more)),
                            None => first_sized = Some(out.attributes.len() as u32),
                        },
                    }
                }
                out.attributes.push(Attribute { name, form, at, implicit });
            }
            let attributes = first..out.attributes.len() as u32;
            let mut plan = Plan::new(role, is_usual);
            let mut facts = attributes.clone();
            if role != Role::Other {
                let mut are_fixed = true;
                for idx in attributes.clone() {
                    let attribute = out.attributes[idx as usize];
                    if class_of(attribute.name) & FACT != 0 {
                        are_fixed &= attribute.at != UNKNOWN;
                        if is_usual {
                            plan.note(role, attribute);
                        }
                        out.attributes.push(attribute);
                    }
                }
                facts = attributes.end..out.attributes.len() as u32;
                if !are_fixed {
                    out.attributes.truncate(attributes.end as usize);
                    facts = attributes.clone();
                }
            }
            let abbrev = Abbrev {
                tag,
                role,
                has_children,
                is_declaration: classes & DECLARATION != 0,
                has_code: classes & CODE != 0,
                fixed_size: size,
                sibling,
                plan,
                first_sized: first_sized.unwrap_or(attributes.end),
                attributes,
                facts,
            };
            if code == out.dense.len() as u64 + 1 {
                if code < 0x80 && abbrev.first_sized == abbrev.attributes.end && !has_children {
                    // With the byte of the code itself.
                    let step = u16::try_from(size.saturating_add(1)).unwrap_or(0);
                    let is_variable = role == Role::Variable;
                    out.steps_without_variables[code as usize] = if role == Role::Other { step } else { 0 };
                    out.steps[code as usize] = if role == Role::Other || is_variable { step } else { 0 };
                }
                out.dense.push(abbrev);
            } else {
                out.sparse.insert(code, abbrev);
            }
            if out.dense.len() + out.sparse.len() > MAX_ABBREVS {
                return Err(Malformed);
            }
        }
    }

    /// `with_variables`: step over them, too.
    pub fn steps(&self, with_variables: bool) -> &Steps {
        if with_variables { &self.steps } else { &self.steps_without_variables }
    }

    #[inline]
    pub fn get(&self, code: u64) -> Read<&Abbrev> {
        match self.dense.get((code as usize).wrapping_sub(1)) {
            Some(abbrev) => Ok(abbrev),
            None => self.sparse.get(&code).ok_or(Malformed),
        }
    }

    #[inline]
    pub fn attributes(&self, abbrev: &Abbrev) -> &[Attribute] {
        &self.attributes[abbrev.attributes.start as usize..abbrev.attributes.end as usize]
    }

    /// The attributes that an index asks for, or all, in order.
    #[inline]
    pub fn facts(&self, abbrev: &Abbrev) -> &[Attribute] {
        &self.attributes[abbrev.facts.start as usize..abbrev.facts.end as usize]
    }

    /// The attributes from the first whose size depends on its value.
    #[inline]
    pub fn sized(&self, abbrev: &Abbrev) -> &[Attribute] {
        &self.attributes[abbrev.first_sized as usize..abbrev.attributes.end as usize]
    }
}

#[inline]
fn class_of(name: u16) -> u8 {
    CLASSES.get(usize::from(name)).copied().unwrap_or(0)
}
