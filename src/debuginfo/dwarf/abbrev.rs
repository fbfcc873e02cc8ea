//! Abbreviations: the layouts of DIEs. DWARF 5, 7.5.3.
//!
//! Nine of ten DIEs of a C program have a layout of fixed size, and stepping over one of those is one addition.

use std::ops::Range;

use gimli::constants as dw;

use super::form::{Cursor, Encoding, Malformed, Read, fixed_size};

#[derive(Clone, Debug)]
pub struct Abbrev {
    pub tag: u16,
    pub has_children: bool,
    /// It only declares: what it is about is defined elsewhere.
    pub is_declaration: bool,
    /// Bytes of all attributes together, when that does not depend on their values.
    pub fixed_size: Option<u32>,
    /// Where the offset of the next sibling is, from the first attribute, when it is a 4-byte reference at a fixed place.
    pub sibling: Option<u32>,
    attributes: Range<u32>,
}

#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub name: u16,
    pub form: u16,
    /// The value of an implicit constant.
    pub implicit: i64,
}

/// The abbreviations of a unit, for its encoding.
#[derive(Debug, Default)]
pub struct Abbrevs {
    /// By code; compilers count from 1.
    dense: Vec<Abbrev>,
    /// Those that did not.
    sparse: std::collections::BTreeMap<u64, Abbrev>,
    attributes: Vec<Attribute>,
}

/// More than any compiler writes; a table of garbage ends here.
const MAX_ABBREVS: usize = 1 << 20;

impl Abbrevs {
    pub fn parse(section: &[u8], offset: u64, encoding: Encoding) -> Read<Self> {
        let mut cursor = Cursor::new(section, usize::try_from(offset).map_err(|_| Malformed)?);
        let mut out = Self::default();
        out.dense.reserve(192);
        out.attributes.reserve(1024);
        loop {
            let code = cursor.uleb()?;
            if code == 0 {
                return Ok(out);
            }
            let tag = u16::try_from(cursor.uleb()?).map_err(|_| Malformed)?;
            let has_children = cursor.u8()? != 0;
            let first = out.attributes.len() as u32;
            let (mut size, mut sibling, mut is_declaration) = (Some(0u32), None, false);
            loop {
                let (name, form) = (cursor.uleb()?, cursor.uleb()?);
                if name == 0 && form == 0 {
                    break;
                }
                let name = u16::try_from(name).map_err(|_| Malformed)?;
                let form = u16::try_from(form).map_err(|_| Malformed)?;
                let is_implicit = form == dw::DW_FORM_implicit_const.0;
                let implicit = if is_implicit { cursor.sleb()? } else { 0 };
                if name == dw::DW_AT_sibling.0 && form == dw::DW_FORM_ref4.0 {
                    sibling = size;
                }
                is_declaration |= name == dw::DW_AT_declaration.0;
                let form_size = fixed_size(form, encoding);
                size = size.zip(form_size).map(|(size, more)| size.saturating_add(u32::from(more)));
                out.attributes.push(Attribute { name, form, implicit });
            }
            let attributes = first..out.attributes.len() as u32;
            let abbrev = Abbrev { tag, has_children, is_declaration, fixed_size: size, sibling, attributes };
            if code == out.dense.len() as u64 + 1 {
                out.dense.push(abbrev);
            } else {
                out.sparse.insert(code, abbrev);
            }
            if out.dense.len() + out.sparse.len() > MAX_ABBREVS {
                return Err(Malformed);
            }
        }
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
}
