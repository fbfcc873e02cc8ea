//! Values of stores.
//!
//! ```text
//!   scalar long:    i64                      array element:   u64 stamp | i64
//!   scalar string:  cap bytes                array element:   u64 stamp | cap bytes
//!   statistic: see `stat`, one for each CPU
//! ```
//! The stamp is CLOCK_MONOTONIC in ns when the element was inserted: its place in iteration order.

use super::{Datum, StatLayout, long_at, put_str, until_nul};
use crate::stats::Merged;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueLayout {
    Long { stamped: bool },
    Str { stamped: bool, cap: u16 },
    Stat(StatLayout),
}

/// A decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    Long(i64),
    Str(Vec<u8>),
    Stat(Box<Merged>),
}

impl ValueLayout {
    /// In bytes, on one CPU; a multiple of 8.
    pub fn size(&self) -> u32 {
        match self {
            ValueLayout::Long { stamped } => 8 + 8 * u32::from(*stamped),
            ValueLayout::Str { stamped, cap } => u32::from(*cap) + 8 * u32::from(*stamped),
            ValueLayout::Stat(stat) => stat.size,
        }
    }

    /// Where the payload of a long or string starts.
    pub fn payload(&self) -> u32 {
        match self {
            ValueLayout::Long { stamped } | ValueLayout::Str { stamped, .. } => 8 * u32::from(*stamped),
            ValueLayout::Stat(_) => 0,
        }
    }

    /// A long or string as the map keeps it.
    pub fn encode(&self, stamp: u64, datum: &Datum) -> Vec<u8> {
        let mut bytes = vec![0; self.size() as usize];
        let payload = self.payload() as usize;
        if payload == 8 {
            bytes[..8].copy_from_slice(&stamp.to_le_bytes());
        }
        match (self, datum) {
            (ValueLayout::Long { .. }, Datum::Long(n)) => bytes[payload..payload + 8].copy_from_slice(&n.to_le_bytes()),
            (ValueLayout::Str { .. }, Datum::Str(s)) => put_str(&mut bytes[payload..], s),
            _ => {}
        }
        bytes
    }

    /// `bytes`: one value, or one for each CPU of a statistic.
    pub fn decode(&self, bytes: &[u8]) -> Element {
        match self {
            ValueLayout::Long { .. } => Element::Long(long_at(bytes, self.payload())),
            ValueLayout::Str { .. } => {
                Element::Str(until_nul(bytes.get(self.payload() as usize..).unwrap_or(&[])).to_vec())
            }
            ValueLayout::Stat(stat) => Element::Stat(Box::new(stat.merge(bytes))),
        }
    }

    /// When the element was inserted; 0 for scalars and unknown.
    pub fn stamp(&self, bytes: &[u8]) -> u64 {
        match self {
            ValueLayout::Long { stamped: true } | ValueLayout::Str { stamped: true, .. } => long_at(bytes, 0) as u64,
            ValueLayout::Stat(stat) => stat.stamp(bytes).unwrap_or(0),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use crate::ir::Ty;

    #[test]
    fn keys_and_values_read_back() {
        let keys = KeyLayout::of(&[Ty::Str { cap: 16 }, Ty::Long]);
        let data = vec![Datum::Str(b"bash".to_vec()), Datum::Long(-3)];
        assert_eq!(keys.encode(&data).len(), 24);
        assert_eq!(keys.decode(&keys.encode(&data)), data);
        let value = ValueLayout::Str { stamped: true, cap: 8 };
        let bytes = value.encode(5, &Datum::Str(b"too long a text".to_vec()));
        assert_eq!(value.decode(&bytes), Element::Str(b"too lon".to_vec()));
        assert_eq!(value.stamp(&bytes), 5);
    }
}
