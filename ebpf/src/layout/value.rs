//! Values of stores.
//!
//! ```text
//!   scalar long:    i64                      array element:   u64 stamp | i64
//!   scalar string:  cap bytes                array element:   u64 stamp | cap bytes
//!   packed text:    the same, its bytes as [`super::record`] has them
//!   statistic: see `stat`, one for each CPU
//! ```
//! The stamp is CLOCK_MONOTONIC in ns when the element was inserted: its place in iteration order.

use super::{Datum, StatLayout, long_at, put_str, record, until_nul};
use crate::{ir::PrintId, stats::Merged};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueLayout {
    Long {
        stamped: bool,
    },
    Str {
        stamped: bool,
        cap: u16,
    },
    /// `plain`: the site of a text as it is, and the capacity of its input.
    Packed {
        stamped: bool,
        cap: u16,
        plain: (PrintId, u16),
    },
    Stat(StatLayout),
}

/// A decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    Long(i64),
    Str(Vec<u8>),
    /// The text's record.
    Packed(Vec<u8>),
    Stat(Box<Merged>),
}

impl ValueLayout {
    /// In bytes, on one CPU; a multiple of 8.
    pub fn size(&self) -> u32 {
        match self {
            ValueLayout::Long { stamped } => 8 + 8 * u32::from(*stamped),
            ValueLayout::Str { stamped, cap } | ValueLayout::Packed { stamped, cap, .. } => {
                u32::from(*cap) + 8 * u32::from(*stamped)
            }
            ValueLayout::Stat(stat) => stat.size,
        }
    }

    /// Where the payload of a long or string starts.
    pub fn payload(&self) -> u32 {
        match self {
            ValueLayout::Long { stamped } | ValueLayout::Str { stamped, .. } | ValueLayout::Packed { stamped, .. } => {
                8 * u32::from(*stamped)
            }
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
            (ValueLayout::Packed { plain: (site, cap), .. }, Datum::Str(s)) if !s.is_empty() => {
                let packed = record::pack_plain(*site, *cap, s);
                // The store has room for every text user space may write; no record is better than half of one.
                if let Some(room) = bytes.get_mut(payload..payload + packed.len()) {
                    room.copy_from_slice(&packed);
                }
            }
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
            ValueLayout::Packed { .. } => {
                let packed = bytes.get(self.payload() as usize..).unwrap_or(&[]);
                Element::Packed(packed[..record::packed_len(packed).min(packed.len())].to_vec())
            }
            ValueLayout::Stat(stat) => Element::Stat(Box::new(stat.merge(bytes))),
        }
    }

    /// When the element was inserted; 0 for scalars and unknown.
    pub fn stamp(&self, bytes: &[u8]) -> u64 {
        match self {
            ValueLayout::Long { stamped: true }
            | ValueLayout::Str { stamped: true, .. }
            | ValueLayout::Packed { stamped: true, .. } => long_at(bytes, 0) as u64,
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

    #[test]
    fn texts_are_packed_as_records_of_their_plain_site() {
        for cap in [16u16, 512] {
            let room = record::plain_bytes(cap) as u16;
            let layout = ValueLayout::Packed { stamped: true, cap: room, plain: (PrintId(3), cap) };
            let bytes = layout.encode(5, &Datum::Str(b"seven b".to_vec()));
            assert_eq!((bytes.len() as u32, layout.stamp(&bytes)), (layout.size(), 5));
            let Element::Packed(packed) = layout.decode(&bytes) else { panic!() };
            assert_eq!(record::packed_site(&packed), Some(PrintId(3)));
            let site = crate::ir::PrintSite {
                format: 0,
                inputs: vec![crate::ir::InputTy::Str { cap }],
                args: Vec::new(),
                runs: None,
                kernel_format: None,
            };
            let mut seen = Vec::new();
            record::visit_inputs(&packed, &site, |input| seen.push(input));
            assert_eq!(seen, [record::InputRef::Str(b"seven b")]);
            let Element::Packed(nothing) = layout.decode(&layout.encode(1, &Datum::Str(Vec::new()))) else { panic!() };
            assert_eq!(record::packed_site(&nothing), None);
        }
    }
}
