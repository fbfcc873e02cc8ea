//! Location and range lists: where a variable lives and what says so, and where a function's code is. DWARF 5, 2.6.2, 2.17.3, 7.7.3 and 7.28; DWARF 4, 2.6.2 and 2.17.3.

use super::{
    form::{Cursor, Malformed, Read, Value},
    unit::Unit,
};

/// Whether a location says anything for `pc`.
pub fn covers(unit: &Unit<'_>, location: Value, pc: u64) -> Read<bool> {
    if let Value::SectionOffset(at) = location
        && unit.header.encoding.version >= 5
        && unit.header.encoding.address_size == 8
        && let Some(answer) = usual_list_covers(unit, at, pc)?
    {
        return Ok(answer);
    }
    expression_at(unit, location, pc).map(|expression| expression.is_some())
}

/// The same for a list with the entries that compilers write; `None`: it has others, too.
fn usual_list_covers(unit: &Unit<'_>, at: u64, pc: u64) -> Read<Option<bool>> {
    let mut cursor = Cursor::new(unit.file.loclists(), usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    loop {
        let (start, end) = match cursor.u8()? {
            lle::OFFSET_PAIR => {
                let (start, end) = cursor.two_ulebs()?;
                (base.wrapping_add(start), base.wrapping_add(end))
            }
            lle::START_LENGTH => {
                let start = cursor.u64()?;
                (start, start.wrapping_add(cursor.uleb()?))
            }
            lle::BASE_ADDRESS => {
                base = cursor.u64()?;
                continue;
            }
            lle::END_OF_LIST => return Ok(Some(false)),
            _ => return Ok(None),
        };
        let len = cursor.uleb()?;
        cursor.skip(usize::try_from(len).map_err(|_| Malformed)?)?;
        if (start..end).contains(&pc) {
            return Ok(Some(len > 0));
        }
    }
}

/// What says where a variable is at `pc`; `None`: it is nowhere then.
pub fn expression_at<'a>(unit: &Unit<'a>, location: Value, pc: u64) -> Read<Option<&'a [u8]>> {
    let (mut found, mut default) = (None, None);
    each_expression(unit, location, |range, expression| {
        match range {
            Some((start, end)) if (start..end).contains(&pc) => found = Some(expression),
            Some(_) => {}
            None => default = Some(expression),
        }
        found.is_none()
    })?;
    Ok(found.or(default).filter(|expression| !expression.is_empty()))
}

/// Calls `each` with the expressions of a location, and the addresses they hold for (`None`: wherever no other does), until
/// it has enough (`false`).
#[inline]
pub fn each_expression<'a>(
    unit: &Unit<'a>,
    location: Value,
    mut each: impl FnMut(Option<(u64, u64)>, &'a [u8]) -> bool,
) -> Read<()> {
    match location {
        Value::Block { at, len } => {
            each(None, unit.block(at, len));
            Ok(())
        }
        Value::SectionOffset(at) | Value::Constant(at) => {
            if unit.header.encoding.version >= 5 {
                list(unit, at, each)
            } else {
                old_list(unit, at, each)
            }
        }
        Value::ListIndex(index) => {
            let at = indexed_list(unit, unit.file.loclists(), unit.loclists_base, index)?;
            list(unit, at, each)
        }
        _ => Ok(()),
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

#[inline]
fn list<'a>(unit: &Unit<'a>, at: u64, mut each: impl FnMut(Option<(u64, u64)>, &'a [u8]) -> bool) -> Read<()> {
    let address_size = unit.header.encoding.address_size;
    let section = unit.file.loclists();
    let mut cursor = Cursor::new(section, usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let indexed = |index| unit.indexed_address(index).ok_or(Malformed);
    loop {
        let range = match cursor.u8()? {
            lle::END_OF_LIST => return Ok(()),
            lle::BASE_ADDRESSX => {
                base = indexed(cursor.uleb()?)?;
                continue;
            }
            lle::BASE_ADDRESS => {
                base = cursor.sized(address_size)?;
                continue;
            }
            lle::STARTX_ENDX => Some((indexed(cursor.uleb()?)?, indexed(cursor.uleb()?)?)),
            lle::STARTX_LENGTH => {
                let start = indexed(cursor.uleb()?)?;
                Some((start, start.wrapping_add(cursor.uleb()?)))
            }
            lle::OFFSET_PAIR => Some((base.wrapping_add(cursor.uleb()?), base.wrapping_add(cursor.uleb()?))),
            lle::DEFAULT_LOCATION => None,
            lle::START_END => Some((cursor.sized(address_size)?, cursor.sized(address_size)?)),
            lle::START_LENGTH => {
                let start = cursor.sized(address_size)?;
                Some((start, start.wrapping_add(cursor.uleb()?)))
            }
            _ => return Err(Malformed),
        };
        let len = usize::try_from(cursor.uleb()?).map_err(|_| Malformed)?;
        let start = cursor.position();
        cursor.skip(len)?;
        if !each(range, section.get(start..start + len).ok_or(Malformed)?) {
            return Ok(());
        }
    }
}

/// .debug_loc: pairs of addresses, each with an expression.
fn old_list<'a>(unit: &Unit<'a>, at: u64, mut each: impl FnMut(Option<(u64, u64)>, &'a [u8]) -> bool) -> Read<()> {
    let address_size = unit.header.encoding.address_size;
    let section = unit.file.loc();
    let mut cursor = Cursor::new(section, usize::try_from(at).map_err(|_| Malformed)?);
    let mut base = unit.low_pc;
    let max = if address_size == 4 { u64::from(u32::MAX) } else { u64::MAX };
    loop {
        let (start, end) = (cursor.sized(address_size)?, cursor.sized(address_size)?);
        if start == max {
            base = end;
            continue;
        }
        if start == 0 && end == 0 {
            return Ok(());
        }
        let len = usize::from(cursor.u16()?);
        let expression_at = cursor.position();
        cursor.skip(len)?;
        let expression = section.get(expression_at..expression_at + len).ok_or(Malformed)?;
        if !each(Some((base.wrapping_add(start), base.wrapping_add(end))), expression) {
            return Ok(());
        }
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
