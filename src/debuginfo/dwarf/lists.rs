//! Location and range lists, as far as the index needs them: whether a variable lives at an address, and where a
//! function's code begins. DWARF 5, 2.6.2, 2.17.3, 7.7.3 and 7.28; DWARF 4, 2.6.2 and 2.17.3.

use super::{
    form::{Cursor, Malformed, Read, Value},
    unit::Unit,
};

/// Whether a location says anything for `pc`.
pub fn covers(unit: &Unit<'_>, location: Value, pc: u64) -> Read<bool> {
    match location {
        Value::Block { len, .. } => Ok(len > 0),
        Value::SectionOffset(at) | Value::Constant(at) => {
            if unit.header.encoding.version >= 5 {
                list_covers(unit, at, pc)
            } else {
                old_list_covers(unit, at, pc)
            }
        }
        Value::ListIndex(index) => {
            let at = indexed_list(unit, unit.file.loclists(), unit.loclists_base, index)?;
            list_covers(unit, at, pc)
        }
        _ => Ok(false),
    }
}

/// Where the list of that index begins.
fn indexed_list(unit: &Unit<'_>, section: &[u8], base: u64, index: u64) -> Read<u64> {
    let size = unit.header.encoding.offset_size;
    let at = index.checked_mul(u64::from(size)).and_then(|offset| offset.checked_add(base)).ok_or(Malformed)?;
    let offset = Cursor::new(section, usize::try_from(at).map_err(|_| Malformed)?).sized(size)?;
    offset.checked_add(base).ok_or(Malformed)
}

/// DWARF 5, 7.7.3: kinds of entries.
mod lle {
    pub const END_OF_LIST: u8 = 0;
    pub const BASE_ADDRESSX: u8 = 1;
    pub const STARTX_ENDX: u8 = 2;
    pub const STARTX_LENGTH: u8 = 3;
    pub const OFFSET_PAIR: u8 = 4;
    pub const DEFAULT_LOCATION: u8 = 5;
    pub const BASE_ADDRESS: u8 = 6;
    pub const START_END: u8 = 7;
    pub const START_LENGTH: u8 = 8;
}

fn list_covers(unit: &Unit<'_>, at: u64, pc: u64) -> Read<bool> {
    let address_size = unit.header.encoding.address_size;
    let mut cursor = Cursor::new(unit.file.loclists(), usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let mut has_default = false;
    let indexed = |index| unit.indexed_address(index).ok_or(Malformed);
    loop {
        let (start, end) = match cursor.u8()? {
            lle::END_OF_LIST => return Ok(has_default),
            lle::BASE_ADDRESSX => {
                base = indexed(cursor.uleb()?)?;
                continue;
            }
            lle::BASE_ADDRESS => {
                base = cursor.sized(address_size)?;
                continue;
            }
            lle::STARTX_ENDX => (indexed(cursor.uleb()?)?, indexed(cursor.uleb()?)?),
            lle::STARTX_LENGTH => {
                let start = indexed(cursor.uleb()?)?;
                (start, start.wrapping_add(cursor.uleb()?))
            }
            lle::OFFSET_PAIR => (base.wrapping_add(cursor.uleb()?), base.wrapping_add(cursor.uleb()?)),
            lle::DEFAULT_LOCATION => (1, 0),
            lle::START_END => (cursor.sized(address_size)?, cursor.sized(address_size)?),
            lle::START_LENGTH => {
                let start = cursor.sized(address_size)?;
                (start, start.wrapping_add(cursor.uleb()?))
            }
            _ => return Err(Malformed),
        };
        let len = cursor.uleb()?;
        if (start..end).contains(&pc) {
            return Ok(len > 0);
        }
        has_default |= start > end && len > 0;
        cursor.skip(usize::try_from(len).map_err(|_| Malformed)?)?;
    }
}

/// .debug_loc: pairs of addresses, each with an expression.
fn old_list_covers(unit: &Unit<'_>, at: u64, pc: u64) -> Read<bool> {
    let address_size = unit.header.encoding.address_size;
    let mut cursor = Cursor::new(unit.file.loc(), usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let max = if address_size == 4 { u64::from(u32::MAX) } else { u64::MAX };
    loop {
        let (start, end) = (cursor.sized(address_size)?, cursor.sized(address_size)?);
        if start == max {
            base = end;
            continue;
        }
        if start == 0 && end == 0 {
            return Ok(false);
        }
        let len = cursor.u16()?;
        if (base.wrapping_add(start)..base.wrapping_add(end)).contains(&pc) {
            return Ok(len > 0);
        }
        cursor.skip(usize::from(len))?;
    }
}

/// DWARF 5, 7.28: kinds of entries.
mod rle {
    pub const END_OF_LIST: u8 = 0;
    pub const BASE_ADDRESSX: u8 = 1;
    pub const STARTX_ENDX: u8 = 2;
    pub const STARTX_LENGTH: u8 = 3;
    pub const OFFSET_PAIR: u8 = 4;
    pub const BASE_ADDRESS: u8 = 5;
    pub const START_END: u8 = 6;
    pub const START_LENGTH: u8 = 7;
}

/// Calls `each` with the ranges that are not empty, in order, until it has enough (`false`).
pub fn ranges(unit: &Unit<'_>, ranges: Value, mut each: impl FnMut(u64, u64) -> bool) -> Read<()> {
    let encoding = unit.header.encoding;
    let at = match ranges {
        Value::SectionOffset(at) | Value::Constant(at) if encoding.version < 5 => {
            return old_ranges(unit, at, each);
        }
        Value::SectionOffset(at) => at,
        Value::ListIndex(index) => indexed_list(unit, unit.file.rnglists(), unit.rnglists_base, index)?,
        _ => return Ok(()),
    };
    let mut cursor = Cursor::new(unit.file.rnglists(), usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let indexed = |index| unit.indexed_address(index).ok_or(Malformed);
    loop {
        let (start, end) = match cursor.u8()? {
            rle::END_OF_LIST => return Ok(()),
            rle::BASE_ADDRESSX => {
                base = indexed(cursor.uleb()?)?;
                continue;
            }
            rle::BASE_ADDRESS => {
                base = cursor.sized(encoding.address_size)?;
                continue;
            }
            rle::STARTX_ENDX => (indexed(cursor.uleb()?)?, indexed(cursor.uleb()?)?),
            rle::STARTX_LENGTH => {
                let start = indexed(cursor.uleb()?)?;
                (start, start.wrapping_add(cursor.uleb()?))
            }
            rle::OFFSET_PAIR => (base.wrapping_add(cursor.uleb()?), base.wrapping_add(cursor.uleb()?)),
            rle::START_END => (cursor.sized(encoding.address_size)?, cursor.sized(encoding.address_size)?),
            rle::START_LENGTH => {
                let start = cursor.sized(encoding.address_size)?;
                (start, start.wrapping_add(cursor.uleb()?))
            }
            _ => return Err(Malformed),
        };
        if start < end && !each(start, end) {
            return Ok(());
        }
    }
}

/// .debug_ranges
fn old_ranges(unit: &Unit<'_>, at: u64, mut each: impl FnMut(u64, u64) -> bool) -> Read<()> {
    let address_size = unit.header.encoding.address_size;
    let mut cursor = Cursor::new(unit.file.ranges(), usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let max = if address_size == 4 { u64::from(u32::MAX) } else { u64::MAX };
    loop {
        let (start, end) = (cursor.sized(address_size)?, cursor.sized(address_size)?);
        if start == max {
            base = end;
            continue;
        }
        let is_last = start == 0 && end == 0;
        if is_last || start < end && !each(base.wrapping_add(start), base.wrapping_add(end)) {
            return Ok(());
        }
    }
}
