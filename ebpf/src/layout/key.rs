//! Keys of arrays: the parts one after the other, longs in 8 bytes, strings zero-filled to their capacity.
//!
//! ```text
//!   a["bash", 3] with keys (string of 16, long):   'b' 'a' 's' 'h' 0 × 12 | 3 0 0 0 0 0 0 0
//! ```

use super::{Datum, long_at, put_str, size_of, until_nul};
use crate::ir::Ty;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLayout {
    /// Offset and type of each part.
    pub parts: Vec<(u32, Ty)>,
    pub size: u32,
}

impl KeyLayout {
    pub fn of(keys: &[Ty]) -> Self {
        let mut size = 0;
        let parts = keys
            .iter()
            .map(|ty| {
                let at = size;
                size += size_of(*ty);
                (at, *ty)
            })
            .collect();
        Self { parts, size }
    }

    /// Bytes of a key; a datum of the wrong type counts as 0 or "".
    pub fn encode(&self, keys: &[Datum]) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        for ((at, ty), datum) in self.parts.iter().zip(keys) {
            let part = &mut bytes[*at as usize..(*at + size_of(*ty)) as usize];
            match (ty, datum) {
                (Ty::Long, Datum::Long(n)) => part.copy_from_slice(&n.to_le_bytes()),
                (Ty::Str { .. }, Datum::Str(s)) => put_str(part, s),
                _ => {}
            }
        }
        bytes
    }

    pub fn decode(&self, bytes: &[u8]) -> Vec<Datum> {
        self.parts
            .iter()
            .map(|(at, ty)| match ty {
                Ty::Long => Datum::Long(long_at(bytes, *at)),
                // No key is packed, so this is never asked.
                Ty::Str { cap } | Ty::Packed { cap } => {
                    let at = *at as usize;
                    Datum::Str(until_nul(bytes.get(at..at + *cap as usize).unwrap_or(&[])).to_vec())
                }
            })
            .collect()
    }
}
