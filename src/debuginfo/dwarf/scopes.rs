//! DIEs around an address: which blocks of a function it is in, and the function a copy was inlined into.

use gimli::constants as dw;

use super::{
    abbrev::Abbrevs,
    form::{Read, Value},
    lists,
    unit::{Die, Unit},
};

/// Deeper nesting than any compiler writes.
const MAX_DEPTH: usize = 256;

/// DIEs from a child of the unit's root down to the one at `position`, which comes last. Empty when there is none.
pub fn way_to<'u>(unit: &Unit<'_>, abbrevs: &'u Abbrevs, position: u64) -> Vec<Die<'u>> {
    let mut way = Vec::new();
    let mut at = unit.header.first_die;
    let mut is_root = true;
    while at <= position && way.len() < MAX_DEPTH {
        let Ok(Some(die)) = unit.die_at(abbrevs, at) else { return Vec::new() };
        if at == position {
            way.push(die);
            return way;
        }
        let Ok(behind) = unit.behind_children(abbrevs, die) else { return Vec::new() };
        if !is_root && behind <= position {
            at = behind;
            continue;
        }
        if !is_root {
            way.push(die);
        }
        is_root = false;
        let Ok(inside) = unit.behind(abbrevs, die) else { return Vec::new() };
        at = inside;
    }
    Vec::new()
}

/// Blocks inside of a function or copy that `pc` is in, outermost first. Copies of others are not gone into.
pub fn blocks_at<'u>(unit: &Unit<'_>, abbrevs: &'u Abbrevs, function: Die<'u>, pc: u64) -> Vec<Die<'u>> {
    let mut blocks: Vec<Die<'u>> = Vec::new();
    while blocks.len() < MAX_DEPTH {
        let around = blocks.last().copied().unwrap_or(function);
        let mut next = None;
        let _ = unit.children(abbrevs, around, |child| {
            let is_block = child.abbrev.tag == dw::DW_TAG_lexical_block.0;
            if is_block && has(unit, abbrevs, child, pc).unwrap_or(false) {
                next = Some(child);
            }
            next.is_none()
        });
        match next {
            Some(block) => blocks.push(block),
            None => break,
        }
    }
    blocks
}

/// Whether a DIE's code includes `pc`.
pub fn has(unit: &Unit<'_>, abbrevs: &Abbrevs, die: Die<'_>, pc: u64) -> Read<bool> {
    let mut found = false;
    code_of(unit, abbrevs, die, |start, end| {
        found = (start..end).contains(&pc);
        !found
    })?;
    Ok(found)
}

/// Calls `each` with the ranges of a DIE's code, until it has enough (`false`).
pub fn code_of(unit: &Unit<'_>, abbrevs: &Abbrevs, die: Die<'_>, mut each: impl FnMut(u64, u64) -> bool) -> Read<()> {
    let (mut low, mut high, mut ranges) = (None, None, None);
    unit.attributes(abbrevs, die, |name, value| {
        match gimli::DwAt(name) {
            dw::DW_AT_low_pc => low = unit.address(value),
            dw::DW_AT_high_pc => high = Some(value),
            dw::DW_AT_ranges => ranges = Some(value),
            _ => {}
        }
        true
    })?;
    match (low, high, ranges) {
        (_, _, Some(ranges)) => lists::ranges(unit, ranges, each),
        (Some(low), Some(high), None) => {
            let end = match high {
                Value::Constant(len) => low.wrapping_add(len),
                high => unit.address(high).unwrap_or(low),
            };
            each(low, end);
            Ok(())
        }
        _ => Ok(()),
    }
}
