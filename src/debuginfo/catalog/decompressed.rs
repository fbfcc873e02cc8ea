//! Module files as distributions keep them: whole files compressed by gzip, zstd or xz. Debug information in them is read
//! from memory.

use std::{
    io::{self, Read},
    path::Path,
};

use crate::host::Bytes;

/// Modules with their debug information are some megabytes; what claims to be more is not one.
const MAX_BYTES: u64 = 1 << 30;

/// The file's content, whatever it was kept as.
///
/// # Errors
/// It is damaged.
pub(super) fn plain(path: &Path, bytes: Bytes) -> Result<Bytes, String> {
    let mut out = Vec::new();
    let read = match bytes.get(..4) {
        Some([0x1f, 0x8b, ..]) => read_all(flate2::read::GzDecoder::new(&*bytes), &mut out),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => match ruzstd::decoding::StreamingDecoder::new(&*bytes) {
            Ok(decoder) => read_all(decoder, &mut out),
            Err(error) => Err(io::Error::other(error.to_string())),
        },
        Some([0xfd, b'7', b'z', b'X']) => {
            let mut limited = Limited { out: &mut out };
            lzma_rs::xz_decompress(&mut &*bytes, &mut limited).map_err(|error| io::Error::other(format!("{error:?}")))
        }
        _ => return Ok(bytes),
    };
    match read {
        Ok(()) => Ok(Bytes::Owned(out)),
        Err(why) => Err(format!("{}: cannot be decompressed: {why}", path.display())),
    }
}

fn read_all(from: impl Read, out: &mut Vec<u8>) -> io::Result<()> {
    let n = from.take(MAX_BYTES).read_to_end(out)?;
    if n as u64 == MAX_BYTES { Err(io::Error::other("it is too large")) } else { Ok(()) }
}

/// Refuses what grows without end.
struct Limited<'o> {
    out: &'o mut Vec<u8>,
}

impl io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.out.len() + bytes.len()) as u64 >= MAX_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
