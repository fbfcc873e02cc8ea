//! Characters, bytes and columns of a line, and bytes that are not UTF-8.

/// Bytes that are not UTF-8 live in the editor as these characters, one each, and are saved as they were.
const RAW_BYTE: u32 = 0x10_ff00;

/// Byte offset of a character.
pub fn byte_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(at, _)| at)
}

/// `at` moved down to a character boundary inside the line.
pub fn floor(line: &str, at: usize) -> usize {
    let mut at = at.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Columns between tab stops in the editor.
pub const TAB: usize = 8;

/// Columns a character takes when it begins at `column`.
pub fn char_columns(c: char, column: usize) -> usize {
    match c {
        '\t' => TAB - column % TAB,
        c if c.is_control() || u32::from(c) >= RAW_BYTE => 1,
        c => unicode_width::UnicodeWidthChar::width(c).unwrap_or(0),
    }
}

/// Whether the character stands for a byte that is not UTF-8.
pub fn is_raw_byte(c: char) -> bool {
    (RAW_BYTE..RAW_BYTE + 256).contains(&u32::from(c))
}

/// The display column at which a byte of the line is drawn.
pub fn display_column(line: &str, byte: usize) -> usize {
    let mut column = 0;
    for (at, c) in line.char_indices() {
        if at >= byte {
            break;
        }
        column += char_columns(c, column);
    }
    column
}

/// Text of any bytes; [`encode`] gives them back.
pub fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().filter_map(|b| char::from_u32(RAW_BYTE + u32::from(*b))));
    }
    out
}

pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_raw_byte(c) {
            out.push((u32::from(c) - RAW_BYTE) as u8);
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    out
}
