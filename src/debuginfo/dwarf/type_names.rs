//! C texts of types by number, for the index: each text once, made out of the texts of parts.
//!
//! The rules are those of [`Types::type_text`](crate::debuginfo::types::Types::type_text), which a whole kernel would take
//! too long with: a unit's types are named again in every unit. As in SystemTap's listings, arrays are shown without
//! their lengths, and a va_list by its name.

use std::sync::Arc;

use gimli::constants as dw;
use rustc_hash::FxHashMap;

use super::{
    abbrev::Abbrevs,
    form::{TextPlace, Value},
    harvest::place_in,
    interned::Interned,
    source::Source,
    types::keyword_of,
    unit::Unit,
};

#[derive(Default)]
pub struct TypeNames {
    pub texts: Interned<Arc<str>>,
    /// By position, of the unit that is being read.
    here: FxHashMap<u64, u32>,
    /// Text << 32 | tag, for what stands behind it: `*`, ` const`.
    suffixed: FxHashMap<u64, u32>,
    /// Of texts of functions and what is made of those: the bytes behind the place where `*` goes, `void (*` and `) (int)`.
    behind: FxHashMap<u32, usize>,
    /// By [`TextPlace::key`] of the name, and tag << 44: no file has texts beyond.
    named: FxHashMap<u64, u32>,
}

const MAX_DEPTH: usize = 32;

impl TypeNames {
    /// Positions of another unit come.
    pub fn forget_positions(&mut self) {
        self.here.clear();
    }

    /// The number of a type's text; void has none to read.
    pub fn of(&mut self, source: &Source, unit: &Unit<'_>, abbrevs: &Abbrevs, position: Option<u64>) -> u32 {
        self.at_depth(source, unit, abbrevs, position, 0)
    }

    fn at_depth(
        &mut self,
        source: &Source,
        unit: &Unit<'_>,
        abbrevs: &Abbrevs,
        position: Option<u64>,
        depth: usize,
    ) -> u32 {
        let Some(position) = position.filter(|_| depth < MAX_DEPTH) else { return self.texts.number_of("void") };
        if let Some(number) = self.here.get(&position) {
            return *number;
        }
        let number = if unit.contains(position) {
            self.in_unit(source, unit, abbrevs, position, depth)
        } else {
            match source.open_at(position) {
                Some(there) => {
                    let abbrevs = there.abbrevs.clone();
                    self.in_unit(source, &there, &abbrevs, position, depth)
                }
                None => self.texts.number_of("void"),
            }
        };
        self.here.insert(position, number);
        number
    }

    fn in_unit(&mut self, source: &Source, unit: &Unit<'_>, abbrevs: &Abbrevs, position: u64, depth: usize) -> u32 {
        let Ok(Some(die)) = unit.die_at(abbrevs, position) else { return self.texts.number_of("void") };
        let (mut name, mut of) = (None, None);
        let _ = unit.facts(abbrevs, die, |attribute, value| match (gimli::DwAt(attribute), value) {
            (dw::DW_AT_name, Value::Text(place)) => name = unit.text_place(place),
            (dw::DW_AT_type, value) => of = unit.target(value),
            _ => {}
        });
        let tag = die.abbrev.tag;
        let keyword = keyword_of(tag);
        match gimli::DwTag(tag) {
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                let inner = self.at_depth(source, unit, abbrevs, of, depth + 1);
                match &*self.texts.values[inner as usize] {
                    // What a va_list parameter decays to.
                    "struct __va_list_tag" => self.texts.number_of("va_list"),
                    _ => self.suffix(inner, tag, keyword),
                }
            }
            dw::DW_TAG_const_type | dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type => {
                let inner = self.at_depth(source, unit, abbrevs, of, depth + 1);
                self.suffix(inner, tag, keyword)
            }
            dw::DW_TAG_atomic_type => self.at_depth(source, unit, abbrevs, of, depth + 1),
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type | dw::DW_TAG_enumeration_type => {
                match name {
                    Some(place) => self.name(unit, place, tag, keyword),
                    None => self.texts.number_of(&*format!("{keyword} {{...}}")),
                }
            }
            dw::DW_TAG_subroutine_type => {
                let (text, behind) = self.function(source, unit, abbrevs, position, of, depth);
                let number = self.texts.number_of(&*(text + &behind));
                self.behind.insert(number, behind.len());
                number
            }
            dw::DW_TAG_array_type => {
                let inner = self.at_depth(source, unit, abbrevs, of, depth + 1);
                self.suffix(inner, tag, keyword)
            }
            _ => match name {
                Some(place) => self.name(unit, place, 0, ""),
                None => self.texts.number_of(""),
            },
        }
    }

    fn suffix(&mut self, inner: u32, tag: u16, keyword: &str) -> u32 {
        let key = u64::from(inner) << 32 | u64::from(tag);
        if let Some(number) = self.suffixed.get(&key) {
            return *number;
        }
        let n_behind = self.behind.get(&inner).copied().unwrap_or(0);
        let inner = &*self.texts.values[inner as usize];
        let (text, behind) = inner.split_at_checked(inner.len() - n_behind).unwrap_or((inner, ""));
        let text = match gimli::DwTag(tag) {
            dw::DW_TAG_pointer_type => format!("{text}*{behind}"),
            dw::DW_TAG_array_type => format!("{text}[]{behind}"),
            dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => format!("{text}{keyword}{behind}"),
            _ => format!("{text} {keyword}{behind}"),
        };
        let number = self.texts.number_of(&*text);
        self.suffixed.insert(key, number);
        if n_behind > 0 {
            self.behind.insert(number, n_behind);
        }
        number
    }

    fn name(&mut self, unit: &Unit<'_>, place: TextPlace, tag: u16, keyword: &str) -> u32 {
        let key = place_in(unit, place).key() ^ u64::from(tag) << 44;
        // Texts in place are read once each; they would only fill the table.
        let is_shared = !matches!(place, TextPlace::Info(_));
        if let Some(number) = self.named.get(&key).filter(|_| is_shared) {
            return *number;
        }
        let space = if keyword.is_empty() { "" } else { " " };
        let text = format!("{keyword}{space}{}", unit.file.text(place).unwrap_or_default());
        let number = self.texts.number_of(&*text);
        if is_shared {
            self.named.insert(key, number);
        }
        number
    }

    /// `int (` and `) (char*)`.
    fn function(
        &mut self,
        source: &Source,
        unit: &Unit<'_>,
        abbrevs: &Abbrevs,
        position: u64,
        result: Option<u64>,
        depth: usize,
    ) -> (String, String) {
        let mut params = Vec::new();
        let mut is_prototyped = false;
        if let Ok(Some(die)) = unit.die_at(abbrevs, position) {
            let _ = unit.facts(abbrevs, die, |attribute, value| {
                is_prototyped |= attribute == dw::DW_AT_prototyped.0 && value == Value::Flag(true);
            });
            let _ = unit.children(abbrevs, die, |child| {
                if child.abbrev.tag == dw::DW_TAG_formal_parameter.0 {
                    let mut ty = None;
                    let _ = unit.facts(abbrevs, child, |attribute, value| {
                        if attribute == dw::DW_AT_type.0 {
                            ty = unit.target(value);
                        }
                    });
                    params.push(ty);
                }
                params.len() < 256
            });
        }
        let result = self.at_depth(source, unit, abbrevs, result, depth + 1);
        let params: Vec<u32> =
            params.into_iter().map(|ty| self.at_depth(source, unit, abbrevs, ty, depth + 1)).collect();
        let text = |number: u32| &*self.texts.values[number as usize];
        let mut params: Vec<&str> = params.into_iter().map(text).collect();
        if params.is_empty() && is_prototyped {
            params.push("void");
        }
        (format!("{} (", text(result)), format!(") ({})", params.join(", ")))
    }
}
