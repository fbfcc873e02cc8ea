//! C types out of DWARF: a [`TypeId`] is the position of its DIE. DWARF 5, chapter 5.
//!
//! Nothing is kept: each question reads the DIE again, which takes a microsecond.

use gimli::constants as dw;

use super::{
    Dwarf,
    abbrev::Abbrevs,
    form::Value,
    harvest::MAX_ORIGINS,
    type_names::TypeNames,
    unit::{Die, Unit},
};
use crate::debuginfo::types::{Enumerator, Member, Param, Shape, TypeId, Types};

/// What the attributes of a type's DIE say.
#[derive(Clone, Copy, Debug, Default)]
struct Facts<'a> {
    tag: u16,
    name: &'a str,
    ty: Option<u64>,
    byte_size: u64,
    encoding: u64,
    is_declaration: bool,
}

/// Longer lists of members, enumerators or parameters are garbage.
const MAX_CHILDREN: usize = 1 << 16;

impl Dwarf {
    fn facts(&self, id: TypeId) -> Option<Facts<'_>> {
        if id == 0 {
            return None;
        }
        let unit = self.source.open_at(u64::from(id))?;
        let abbrevs = unit.abbrevs.clone();
        let die = unit.die_at(&abbrevs, u64::from(id)).ok()??;
        Some(facts_of(&unit, &abbrevs, die))
    }

    /// The type of a function or variable, which its origin may say. `None` for void.
    pub(super) fn type_of_die(&self, position: u32) -> Option<TypeId> {
        let mut at = u64::from(position);
        for _ in 0..MAX_ORIGINS {
            let unit = self.source.open_at(at).filter(|_| at != 0)?;
            let abbrevs = unit.abbrevs.clone();
            let die = unit.die_at(&abbrevs, at).ok()??;
            let (mut ty, mut origin) = (None, None);
            let _ = unit.attributes(&abbrevs, die, |name, value| {
                match gimli::DwAt(name) {
                    dw::DW_AT_type => ty = unit.target(value),
                    dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = unit.target(value),
                    _ => {}
                }
                ty.is_none()
            });
            match (ty, origin) {
                (Some(ty), _) => return Some(type_id(Some(ty))),
                (None, Some(origin)) => at = origin,
                (None, None) => return None,
            }
        }
        None
    }

    /// A type's text as listings show it, by the rules of [`TypeNames`].
    pub fn listed_type(&self, id: TypeId) -> String {
        let mut names = TypeNames::default();
        let position = (id != 0).then_some(u64::from(id));
        let Some(unit) = self.source.open_at(position.unwrap_or(0)) else { return self.type_text(id) };
        let abbrevs = unit.abbrevs.clone();
        let number = names.of(&self.source, &unit, &abbrevs, position);
        names.texts.values[number as usize].to_string()
    }

    /// Facts of the DIE that defines the type, where this one only declares it.
    fn definition(&self, id: TypeId) -> Option<(TypeId, Facts<'_>)> {
        let facts = self.facts(id)?;
        if !facts.is_declaration {
            return Some((id, facts));
        }
        let defined = self.named(keyword_of(facts.tag), facts.name).filter(|defined| *defined != id);
        match defined.and_then(|defined| Some((defined, self.facts(defined)?))) {
            Some((defined, complete)) if !complete.is_declaration => Some((defined, complete)),
            _ => Some((id, facts)),
        }
    }

    fn children<'s, T>(
        &'s self,
        id: TypeId,
        wanted: &[gimli::DwTag],
        read: impl Fn(&Unit<'s>, &Abbrevs, Die<'_>) -> Option<T>,
    ) -> Vec<T> {
        let list = || {
            let unit = self.source.open_at(u64::from(id))?;
            let abbrevs = unit.abbrevs.clone();
            let die = unit.die_at(&abbrevs, u64::from(id)).ok()??;
            let mut out = Vec::new();
            // What a broken list has before it breaks is what there is.
            let _ = unit.children(&abbrevs, die, |child| {
                if wanted.contains(&gimli::DwTag(child.abbrev.tag)) {
                    out.extend(read(&unit, &abbrevs, child));
                }
                out.len() < MAX_CHILDREN
            });
            Some(out)
        };
        list().unwrap_or_default()
    }

    /// Counts of an array's dimensions with the positions of their DIEs, outermost first.
    fn dimensions(&self, array: TypeId) -> Vec<(TypeId, u32)> {
        self.children(array, &[dw::DW_TAG_subrange_type], |unit, abbrevs, die| {
            let mut n = None;
            let read = unit.attributes(abbrevs, die, |name, value| {
                match (gimli::DwAt(name), value.number()) {
                    (dw::DW_AT_count, Some(count)) => n = Some(count),
                    // An upper bound of -1 is an array of nothing.
                    (dw::DW_AT_upper_bound, Some(bound)) if n.is_none() => {
                        n = Some((bound as u32).wrapping_add(1).into())
                    }
                    _ => {}
                }
                true
            });
            read.ok()?;
            Some((u32::try_from(die.position).ok()?, n.unwrap_or(0) as u32))
        })
    }

    /// The array one of whose dimensions a DIE is: DIEs do not say whose children they are.
    fn array_of_dimension(&self, dimension: TypeId) -> Option<TypeId> {
        let unit = self.source.open_at(u64::from(dimension))?;
        let abbrevs = unit.abbrevs.clone();
        let mut position = unit.header.first_die;
        let mut array = None;
        while position < u64::from(dimension) {
            let Some(die) = unit.die_at(&abbrevs, position).ok()? else {
                position += 1;
                continue;
            };
            if die.abbrev.tag == dw::DW_TAG_array_type.0 {
                array = u32::try_from(position).ok();
            }
            let behind = unit.behind_children(&abbrevs, die).ok()?;
            position = if behind > u64::from(dimension) { unit.behind(&abbrevs, die).ok()? } else { behind };
        }
        array
    }
}

fn facts_of<'a>(unit: &Unit<'a>, abbrevs: &Abbrevs, die: Die<'_>) -> Facts<'a> {
    let mut facts = Facts { tag: die.abbrev.tag, ..Facts::default() };
    let _ = unit.attributes(abbrevs, die, |name, value| {
        match gimli::DwAt(name) {
            dw::DW_AT_name => facts.name = unit.text(value).unwrap_or_default(),
            dw::DW_AT_type => facts.ty = unit.target(value),
            dw::DW_AT_byte_size => facts.byte_size = value.number().unwrap_or(0),
            dw::DW_AT_encoding => facts.encoding = value.number().unwrap_or(0),
            dw::DW_AT_declaration => facts.is_declaration = value == Value::Flag(true),
            _ => {}
        }
        true
    });
    facts
}

/// The keyword of a tag that has one.
pub fn keyword_of(tag: u16) -> &'static str {
    match gimli::DwTag(tag) {
        dw::DW_TAG_structure_type => "struct",
        dw::DW_TAG_class_type => "class",
        dw::DW_TAG_union_type => "union",
        dw::DW_TAG_enumeration_type => "enum",
        dw::DW_TAG_const_type => "const",
        dw::DW_TAG_volatile_type => "volatile",
        dw::DW_TAG_restrict_type => "restrict",
        dw::DW_TAG_reference_type => "&",
        dw::DW_TAG_rvalue_reference_type => "&&",
        dw::DW_TAG_typedef => "typedef",
        _ => "",
    }
}

/// A position where types are numbered; 0 is void.
pub fn type_id(position: Option<u64>) -> TypeId {
    position.and_then(|position| u32::try_from(position).ok()).unwrap_or(0)
}

impl Types for Dwarf {
    fn shape(&self, id: TypeId) -> Shape {
        let Some((id, facts)) = self.definition(id) else { return Shape::Void };
        let of = type_id(facts.ty);
        let width = u8::try_from(facts.byte_size).unwrap_or(0);
        let is_signed = |encoding: u64| {
            let encoding = gimli::DwAte(encoding as u8);
            matches!(encoding, dw::DW_ATE_signed | dw::DW_ATE_signed_char)
        };
        match gimli::DwTag(facts.tag) {
            dw::DW_TAG_base_type => match gimli::DwAte(facts.encoding as u8) {
                dw::DW_ATE_boolean => Shape::Bool { width },
                dw::DW_ATE_float | dw::DW_ATE_complex_float | dw::DW_ATE_decimal_float => Shape::Float,
                encoding => {
                    let is_text = matches!(encoding, dw::DW_ATE_signed_char | dw::DW_ATE_unsigned_char);
                    let char = width == 1 && (is_text || facts.name.contains("char"));
                    Shape::Int { width, signed: is_signed(facts.encoding), char }
                }
            },
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                Shape::Pointer(of)
            }
            dw::DW_TAG_array_type => match self.dimensions(id)[..] {
                [(_, n), (next, _), ..] => Shape::Array { element: next, n },
                [(_, n)] => Shape::Array { element: of, n },
                [] => Shape::Array { element: of, n: 0 },
            },
            // The second or a later dimension of an array.
            dw::DW_TAG_subrange_type => {
                let Some(array) = self.array_of_dimension(id) else { return Shape::Other };
                let dimensions = self.dimensions(array);
                let Some(at) = dimensions.iter().position(|(position, _)| *position == id) else { return Shape::Other };
                let innermost = || self.facts(array).map_or(0, |facts| type_id(facts.ty));
                let element = dimensions.get(at + 1).map_or_else(innermost, |(position, _)| *position);
                Shape::Array { element, n: dimensions[at].1 }
            }
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type | dw::DW_TAG_enumeration_type
                if facts.is_declaration =>
            {
                Shape::Forward
            }
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Shape::Struct,
            dw::DW_TAG_union_type => Shape::Union,
            dw::DW_TAG_enumeration_type => {
                // Newer compilers say it; else the type it is kept as.
                let signed = match facts.encoding {
                    0 => self.facts(of).is_some_and(|of| is_signed(of.encoding)),
                    encoding => is_signed(encoding),
                };
                Shape::Enum { width, signed }
            }
            dw::DW_TAG_typedef => Shape::Typedef(of),
            dw::DW_TAG_const_type | dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type | dw::DW_TAG_atomic_type => {
                Shape::Qualified(of)
            }
            dw::DW_TAG_subroutine_type => Shape::Function { result: of },
            _ => Shape::Other,
        }
    }

    fn name(&self, id: TypeId) -> &str {
        self.facts(id).map_or("", |facts| facts.name)
    }

    fn keyword(&self, id: TypeId) -> &'static str {
        match self.facts(id).map_or("", |facts| keyword_of(facts.tag)) {
            "typedef" => "",
            keyword => keyword,
        }
    }

    fn stated_size(&self, id: TypeId) -> u64 {
        self.definition(id).map_or(0, |(_, facts)| facts.byte_size)
    }

    fn members(&self, id: TypeId) -> Vec<Member<'_>> {
        let Some((id, _)) = self.definition(self.strip(id)) else { return Vec::new() };
        self.children(id, &[dw::DW_TAG_member, dw::DW_TAG_inheritance], |unit, abbrevs, die| {
            let (mut name, mut ty, mut byte_offset, mut bit_offset, mut bits) = ("", None, 0u64, None, 0u64);
            let (mut old_bit_offset, mut unit_size, mut is_static) = (None, 0, false);
            let read = unit.attributes(abbrevs, die, |attribute, value| {
                match gimli::DwAt(attribute) {
                    dw::DW_AT_name => name = unit.text(value).unwrap_or_default(),
                    dw::DW_AT_type => ty = unit.target(value),
                    dw::DW_AT_data_member_location => byte_offset = member_offset(unit, value),
                    dw::DW_AT_data_bit_offset => bit_offset = value.number(),
                    dw::DW_AT_bit_offset => old_bit_offset = value.number(),
                    dw::DW_AT_bit_size => bits = value.number().unwrap_or(0),
                    dw::DW_AT_byte_size => unit_size = value.number().unwrap_or(0),
                    // Static members of C++ are variables.
                    dw::DW_AT_external | dw::DW_AT_declaration => is_static = true,
                    _ => {}
                }
                true
            });
            read.ok().filter(|_| !is_static)?;
            let ty = type_id(ty);
            let mut offset_bits = bit_offset.unwrap_or_else(|| byte_offset.wrapping_mul(8));
            if let Some(from_top) = old_bit_offset {
                // DWARF 3 counts from the most significant bit of the unit the field is in.
                let size = if unit_size > 0 { unit_size } else { self.size_of(ty) };
                offset_bits = offset_bits.wrapping_add(size.wrapping_mul(8)).wrapping_sub(from_top).wrapping_sub(bits);
            }
            let offset_bits = u32::try_from(offset_bits).ok()?;
            Some(Member { name, ty, offset_bits, bitfield_bits: u8::try_from(bits).unwrap_or(0) })
        })
    }

    fn params(&self, id: TypeId) -> Vec<Param<'_>> {
        self.children(id, &[dw::DW_TAG_formal_parameter], |unit, abbrevs, die| {
            let facts = facts_of(unit, abbrevs, die);
            Some(Param { name: facts.name, ty: type_id(facts.ty) })
        })
    }

    fn enumerators(&self, id: TypeId) -> Vec<Enumerator<'_>> {
        let Some((id, _)) = self.definition(self.strip(id)) else { return Vec::new() };
        self.children(id, &[dw::DW_TAG_enumerator], |unit, abbrevs, die| {
            let (mut name, mut value) = ("", None);
            let read = unit.attributes(abbrevs, die, |attribute, found| {
                match gimli::DwAt(attribute) {
                    dw::DW_AT_name => name = unit.text(found).unwrap_or_default(),
                    dw::DW_AT_const_value => value = found.number(),
                    _ => {}
                }
                true
            });
            read.ok()?;
            Some(Enumerator { name, value: value? as i64 })
        })
    }

    fn named(&self, keyword: &str, name: &str) -> Option<TypeId> {
        self.index.type_named(keyword, name)
    }
}

/// A member's place: a number, or the one operation compilers use for it.
fn member_offset(unit: &Unit<'_>, value: Value) -> u64 {
    match value {
        Value::Block { at, len } => match unit.block(at, len).split_first() {
            Some((op, rest)) if *op == dw::DW_OP_plus_uconst.0 => super::form::Cursor::new(rest, 0).uleb().unwrap_or(0),
            _ => 0,
        },
        value => value.number().unwrap_or(0),
    }
}
