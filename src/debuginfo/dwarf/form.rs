//! Attribute values: how long each form is and what it holds. DWARF 5, 7.5.4 to 7.5.6; DWARF 4 and the GNU extensions
//! that dwz and split DWARF use.
//!
//! This is the part of reading that a whole index spends its time in, so it is our own; everything that is looked at
//! rarely goes through gimli.

use gimli::constants as dw;

/// The bytes do not say what they must; whoever reads a unit gives the whole unit up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

pub type Read<T> = Result<T, Malformed>;

/// What the sizes of forms depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    pub version: u16,
    pub address_size: u8,
    /// 4 or 8: of references between sections.
    pub offset_size: u8,
}

/// An attribute's value, by what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Address(u64),
    /// Index into the unit's part of .debug_addr.
    AddressIndex(u64),
    Constant(u64),
    /// A constant that was written with a sign.
    Signed(i64),
    Flag(bool),
    /// Into the section the attribute is about.
    SectionOffset(u64),
    /// Index into the unit's part of .debug_loclists or .debug_rnglists.
    ListIndex(u64),
    /// Where in the section it begins, and its length.
    Block {
        at: usize,
        len: usize,
    },
    /// A DIE by its offset from the start of its unit.
    UnitRef(u64),
    /// A DIE by its offset in the section.
    InfoRef(u64),
    /// A DIE of the supplementary file.
    SupplementaryRef(u64),
    Text(TextPlace),
    Unknown,
}

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextPlace {
    /// .debug_str
    Str(u64),
    /// .debug_line_str
    LineStr(u64),
    /// In place, in .debug_info.
    Info(u64),
    /// .debug_str of the supplementary file.
    Supplementary(u64),
    /// Index into the unit's part of .debug_str_offsets.
    Index(u64),
    /// .strtab
    Symbol(u64),
}

impl TextPlace {
    /// As one number, which tables of a million texts are quicker with.
    pub fn key(self) -> u64 {
        match self {
            TextPlace::Str(at) => at,
            TextPlace::LineStr(at) => at | 1 << 60,
            TextPlace::Info(at) => at | 2 << 60,
            TextPlace::Supplementary(at) => at | 3 << 60,
            TextPlace::Index(at) => at | 4 << 60,
            TextPlace::Symbol(at) => at | 5 << 60,
        }
    }

    pub fn of_key(key: u64) -> Self {
        let at = key & ((1 << 60) - 1);
        match key >> 60 {
            0 => TextPlace::Str(at),
            1 => TextPlace::LineStr(at),
            2 => TextPlace::Info(at),
            3 => TextPlace::Supplementary(at),
            4 => TextPlace::Index(at),
            _ => TextPlace::Symbol(at),
        }
    }
}

/// Bytes a form takes whatever its value; `None` when that depends on the value.
pub fn fixed_size(form: u16, encoding: Encoding) -> Option<u8> {
    Some(match gimli::DwForm(form) {
        dw::DW_FORM_flag_present | dw::DW_FORM_implicit_const => 0,
        dw::DW_FORM_data1 | dw::DW_FORM_ref1 | dw::DW_FORM_flag | dw::DW_FORM_strx1 | dw::DW_FORM_addrx1 => 1,
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => 2,
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => 3,
        dw::DW_FORM_data4 | dw::DW_FORM_ref4 | dw::DW_FORM_strx4 | dw::DW_FORM_addrx4 | dw::DW_FORM_ref_sup4 => 4,
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => 8,
        dw::DW_FORM_data16 => 16,
        dw::DW_FORM_addr => encoding.address_size,
        // Version 2 had addresses here.
        dw::DW_FORM_ref_addr if encoding.version <= 2 => encoding.address_size,
        dw::DW_FORM_ref_addr
        | dw::DW_FORM_sec_offset
        | dw::DW_FORM_strp
        | dw::DW_FORM_line_strp
        | dw::DW_FORM_strp_sup
        | dw::DW_FORM_GNU_ref_alt
        | dw::DW_FORM_GNU_strp_alt => encoding.offset_size,
        _ => return None,
    })
}

/// A place in a section, read forward.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn skip(&mut self, n: usize) -> Read<()> {
        let at = self.at.checked_add(n).ok_or(Malformed)?;
        if at > self.bytes.len() {
            return Err(Malformed);
        }
        self.at = at;
        Ok(())
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Read<[u8; N]> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(Malformed)?;
        self.at += N;
        Ok(*taken)
    }

    #[inline]
    pub fn u8(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub fn u16(&mut self) -> Read<u16> {
        self.take().map(u16::from_le_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Read<u32> {
        self.take().map(u32::from_le_bytes)
    }

    #[inline]
    pub fn u64(&mut self) -> Read<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A little-endian number of 1 to 8 bytes.
    #[inline]
    pub fn sized(&mut self, size: u8) -> Read<u64> {
        match size {
            1 => self.u8().map(u64::from),
            2 => self.u16().map(u64::from),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            3 => self.take::<3>().map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0]))),
            _ => Err(Malformed),
        }
    }

    #[inline]
    pub fn uleb(&mut self) -> Read<u64> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_uleb(),
        }
    }

    #[inline(never)]
    fn long_uleb(&mut self) -> Read<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift > 70 {
                return Err(Malformed);
            }
        }
    }

    /// Two numbers, mostly of a byte each.
    #[inline]
    pub fn two_ulebs(&mut self) -> Read<(u64, u64)> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some([first, second]) if (first | second) & 0x80 == 0 => {
                self.at += 2;
                Ok((u64::from(*first), u64::from(*second)))
            }
            _ => Ok((self.uleb()?, self.uleb()?)),
        }
    }

    pub fn sleb(&mut self) -> Read<i64> {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte < 0x80 {
                if shift < 64 && byte & 0x40 != 0 {
                    value |= -1 << shift;
                }
                return Ok(value);
            }
            if shift > 70 {
                return Err(Malformed);
            }
        }
    }

    fn skip_text(&mut self) -> Read<()> {
        let rest = self.bytes.get(self.at..).ok_or(Malformed)?;
        let len = rest.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        self.at += len + 1;
        Ok(())
    }

    /// Steps over a value.
    #[inline]
    pub fn skip_form(&mut self, form: u16, encoding: Encoding) -> Read<()> {
        if form == dw::DW_FORM_exprloc.0 {
            let len = self.uleb()?;
            return self.skip(usize::try_from(len).map_err(|_| Malformed)?);
        }
        if let Some(size) = fixed_size(form, encoding) {
            return self.skip(usize::from(size));
        }
        self.value(form, 0, encoding).map(|_| ())
    }

    /// [`Cursor::value`] of the forms that most attributes of a C program have, in line.
    #[inline]
    pub fn common_value(&mut self, form: u16, implicit: i64, encoding: Encoding) -> Read<Value> {
        let is_usual = encoding.offset_size == 4 && encoding.address_size == 8;
        Ok(match gimli::DwForm(form) {
            dw::DW_FORM_ref4 => Value::UnitRef(self.u32()?.into()),
            dw::DW_FORM_sec_offset if is_usual => Value::SectionOffset(self.u32()?.into()),
            dw::DW_FORM_strp if is_usual => Value::Text(TextPlace::Str(self.u32()?.into())),
            dw::DW_FORM_addr if is_usual => Value::Address(self.u64()?),
            dw::DW_FORM_data1 => Value::Constant(self.u8()?.into()),
            dw::DW_FORM_data2 => Value::Constant(self.u16()?.into()),
            dw::DW_FORM_data8 => Value::Constant(self.u64()?),
            dw::DW_FORM_flag_present => Value::Flag(true),
            dw::DW_FORM_implicit_const => Value::Signed(implicit),
            _ => return self.value(form, implicit, encoding),
        })
    }

    /// `implicit`: the value that [`DW_FORM_implicit_const`](dw::DW_FORM_implicit_const) has in the abbreviation.
    pub fn value(&mut self, form: u16, implicit: i64, encoding: Encoding) -> Read<Value> {
        let offset_size = encoding.offset_size;
        Ok(match gimli::DwForm(form) {
            dw::DW_FORM_addr => Value::Address(self.sized(encoding.address_size)?),
            dw::DW_FORM_addrx | dw::DW_FORM_GNU_addr_index => Value::AddressIndex(self.uleb()?),
            dw::DW_FORM_addrx1 => Value::AddressIndex(self.sized(1)?),
            dw::DW_FORM_addrx2 => Value::AddressIndex(self.sized(2)?),
            dw::DW_FORM_addrx3 => Value::AddressIndex(self.sized(3)?),
            dw::DW_FORM_addrx4 => Value::AddressIndex(self.sized(4)?),
            dw::DW_FORM_data1 => Value::Constant(self.sized(1)?),
            dw::DW_FORM_data2 => Value::Constant(self.sized(2)?),
            dw::DW_FORM_data4 => Value::Constant(self.sized(4)?),
            dw::DW_FORM_data8 => Value::Constant(self.sized(8)?),
            dw::DW_FORM_udata => Value::Constant(self.uleb()?),
            dw::DW_FORM_sdata => Value::Signed(self.sleb()?),
            dw::DW_FORM_implicit_const => Value::Signed(implicit),
            dw::DW_FORM_flag => Value::Flag(self.u8()? != 0),
            dw::DW_FORM_flag_present => Value::Flag(true),
            dw::DW_FORM_sec_offset => Value::SectionOffset(self.sized(offset_size)?),
            dw::DW_FORM_loclistx | dw::DW_FORM_rnglistx => Value::ListIndex(self.uleb()?),
            dw::DW_FORM_exprloc | dw::DW_FORM_block => {
                let len = self.uleb()?;
                self.block(len)?
            }
            dw::DW_FORM_block1 => {
                let len = self.sized(1)?;
                self.block(len)?
            }
            dw::DW_FORM_block2 => {
                let len = self.sized(2)?;
                self.block(len)?
            }
            dw::DW_FORM_block4 => {
                let len = self.sized(4)?;
                self.block(len)?
            }
            dw::DW_FORM_data16 => self.block(16)?,
            dw::DW_FORM_ref1 => Value::UnitRef(self.sized(1)?),
            dw::DW_FORM_ref2 => Value::UnitRef(self.sized(2)?),
            dw::DW_FORM_ref4 => Value::UnitRef(self.sized(4)?),
            dw::DW_FORM_ref8 => Value::UnitRef(self.sized(8)?),
            dw::DW_FORM_ref_udata => Value::UnitRef(self.uleb()?),
            dw::DW_FORM_ref_addr if encoding.version <= 2 => Value::InfoRef(self.sized(encoding.address_size)?),
            dw::DW_FORM_ref_addr => Value::InfoRef(self.sized(offset_size)?),
            dw::DW_FORM_ref_sup4 => Value::SupplementaryRef(self.sized(4)?),
            dw::DW_FORM_ref_sup8 => Value::SupplementaryRef(self.sized(8)?),
            dw::DW_FORM_GNU_ref_alt => Value::SupplementaryRef(self.sized(offset_size)?),
            dw::DW_FORM_ref_sig8 => {
                self.skip(8)?;
                Value::Unknown
            }
            dw::DW_FORM_strp => Value::Text(TextPlace::Str(self.sized(offset_size)?)),
            dw::DW_FORM_line_strp => Value::Text(TextPlace::LineStr(self.sized(offset_size)?)),
            dw::DW_FORM_strp_sup | dw::DW_FORM_GNU_strp_alt => {
                Value::Text(TextPlace::Supplementary(self.sized(offset_size)?))
            }
            dw::DW_FORM_strx | dw::DW_FORM_GNU_str_index => Value::Text(TextPlace::Index(self.uleb()?)),
            dw::DW_FORM_strx1 => Value::Text(TextPlace::Index(self.sized(1)?)),
            dw::DW_FORM_strx2 => Value::Text(TextPlace::Index(self.sized(2)?)),
            dw::DW_FORM_strx3 => Value::Text(TextPlace::Index(self.sized(3)?)),
            dw::DW_FORM_strx4 => Value::Text(TextPlace::Index(self.sized(4)?)),
            dw::DW_FORM_string => {
                let at = self.at as u64;
                self.skip_text()?;
                Value::Text(TextPlace::Info(at))
            }
            dw::DW_FORM_indirect => {
                let form = u16::try_from(self.uleb()?).map_err(|_| Malformed)?;
                if matches!(gimli::DwForm(form), dw::DW_FORM_indirect | dw::DW_FORM_implicit_const) {
                    return Err(Malformed);
                }
                self.value(form, 0, encoding)?
            }
            _ => return Err(Malformed),
        })
    }

    fn block(&mut self, len: u64) -> Read<Value> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let at = self.at;
        self.skip(len)?;
        Ok(Value::Block { at, len })
    }
}

impl Value {
    /// A number, however it was written.
    pub fn number(self) -> Option<u64> {
        match self {
            Value::Constant(n) | Value::SectionOffset(n) | Value::Address(n) => Some(n),
            Value::Signed(n) => Some(n as u64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODING: Encoding = Encoding { version: 5, address_size: 8, offset_size: 4 };

    #[test]
    fn numbers_of_every_length() {
        let uleb = |bytes: &[u8]| Cursor::new(bytes, 0).uleb();
        let sleb = |bytes: &[u8]| Cursor::new(bytes, 0).sleb();
        assert_eq!((uleb(&[0x7f]), uleb(&[0x80, 1]), uleb(&[0xe5, 0x8e, 0x26])), (Ok(127), Ok(128), Ok(624_485)));
        assert_eq!((sleb(&[0x7f]), sleb(&[0x80, 0x7f]), sleb(&[2])), (Ok(-1), Ok(-128), Ok(2)));
        assert_eq!(
            (uleb(&[0x80]), uleb(&[0xff; 20]), sleb(&[0xff; 20])),
            (Err(Malformed), Err(Malformed), Err(Malformed))
        );
        assert_eq!(Cursor::new(&[1, 2, 3], 0).sized(3), Ok(0x03_02_01));
    }

    #[test]
    fn skipping_a_form_goes_as_far_as_reading_it() {
        let bytes = [3u8, b'a', 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
        for form in 1..0x30u16 {
            if form == dw::DW_FORM_indirect.0 {
                continue;
            }
            let (mut read, mut skipped) = (Cursor::new(&bytes, 0), Cursor::new(&bytes, 0));
            let was_read = read.value(form, 0, ENCODING).is_ok();
            assert_eq!(was_read, skipped.skip_form(form, ENCODING).is_ok(), "form {form:#x}");
            assert_eq!(read.position(), skipped.position(), "form {form:#x}");
        }
    }
}
