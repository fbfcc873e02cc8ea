//! Records of the [ring](super::ring).
//!
//! ```text
//!    0 u8  kind         PRINT, ERROR, EXIT
//!    1 u24 size         of the record, bytes
//!    4 u32 id           print site; error code; 0
//!    8                  payload
//!
//!   PRINT   fixed part, an entry for each input in order:
//!             long                  i64
//!             string of cap <= 64   cap bytes, zero-filled
//!             longer string         u32 length without NUL | u32 0
//!             memory                u32 length | u32 fault (1: not readable)
//!             packed text           u32 length | u32 0
//!           variable part, for the last three kinds in order: their bytes, padded to 8
//!
//!   ERROR   u32 detail | u32 tag | u32 handler | u32 site | i64 argument | text (TEXT only)
//! ```
//! A packed text is itself a PRINT record; eight zero bytes are "".

use super::{long_at, until_nul, word_at};
use crate::ir::{HandlerId, InputTy, PrintId, PrintSite, Program, SiteId, SourceTag, StoreId};

pub const PRINT: u8 = 1;
pub const ERROR: u8 = 2;
pub const EXIT: u8 = 3;

pub const HEADER: u32 = 8;
/// Strings up to this capacity travel whole.
pub const INLINE_CAP: u16 = 64;

/// Offsets in an ERROR record.
pub const ERROR_DETAIL: u32 = 8;
pub const ERROR_TAG: u32 = 12;
pub const ERROR_HANDLER: u32 = 16;
pub const ERROR_SITE: u32 = 20;
pub const ERROR_ARGUMENT: u32 = 24;
pub const ERROR_TEXT: u32 = 32;

/// What went wrong, as `id` of an ERROR record says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// The record carries the text.
    Text = 1,
    /// `detail` is a literal of the program.
    Literal = 2,
    /// `detail` is a literal, `argument` the address.
    Fault = 3,
    DivisionByZero = 4,
    /// `detail` is the store.
    ArrayOverflow = 5,
    EmptyAggregate = 6,
    HistogramIndex = 7,
    MaxAction = 8,
    MaxNesting = 9,
}

impl ErrorCode {
    pub const ALL: [ErrorCode; 9] = [
        ErrorCode::Text,
        ErrorCode::Literal,
        ErrorCode::Fault,
        ErrorCode::DivisionByZero,
        ErrorCode::ArrayOverflow,
        ErrorCode::EmptyAggregate,
        ErrorCode::HistogramIndex,
        ErrorCode::MaxAction,
        ErrorCode::MaxNesting,
    ];

    /// The text of errors that always read the same.
    pub fn fixed_text(self) -> Option<&'static str> {
        Some(match self {
            ErrorCode::Text | ErrorCode::Literal | ErrorCode::Fault | ErrorCode::ArrayOverflow => return None,
            ErrorCode::DivisionByZero => "division by 0",
            ErrorCode::EmptyAggregate => "empty aggregate",
            ErrorCode::HistogramIndex => "histogram index out of range",
            ErrorCode::MaxAction => "MAXACTION exceeded",
            ErrorCode::MaxNesting => "MAXNESTING exceeded",
        })
    }
}

/// A decoded record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Print {
        site: PrintId,
        inputs: Vec<Input>,
    },
    Error(ErrorRecord),
    /// `exit()` or `abort()` was called.
    Exit,
    /// Not one of ours: a bug.
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Long(i64),
    Str(Vec<u8>),
    /// `None`: the memory could not be read.
    Memory(Option<Vec<u8>>),
    Packed(Vec<u8>),
}

/// An uncaught script error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRecord {
    pub code: ErrorCode,
    /// The message without location.
    pub message: Vec<u8>,
    pub tag: SourceTag,
    pub handler: HandlerId,
    pub site: SiteId,
    /// The array that was full.
    pub store: Option<StoreId>,
}

/// Size of the fixed part of a print record, header included, and whether a variable part follows.
pub fn fixed_size(site: &PrintSite) -> (u32, bool) {
    let mut size = HEADER;
    let mut variable = false;
    for input in &site.inputs {
        match input {
            InputTy::Str { cap } if *cap <= INLINE_CAP => size += u32::from(*cap),
            InputTy::Long => size += 8,
            InputTy::Str { .. } | InputTy::Memory { .. } | InputTy::Packed { .. } => {
                size += 8;
                variable = true;
            }
        }
    }
    (size, variable)
}

/// The most bytes a print record takes.
pub fn most_bytes(site: &PrintSite) -> u32 {
    let variable = site.inputs.iter().map(|input| match input {
        InputTy::Long => 0,
        InputTy::Str { cap } if *cap <= INLINE_CAP => 0,
        InputTy::Str { cap } | InputTy::Memory { cap, .. } => u32::from(*cap).next_multiple_of(8) + 8,
        // Its length is a multiple of 8 already.
        InputTy::Packed { cap } => u32::from(*cap),
    });
    fixed_size(site).0 + variable.sum::<u32>()
}

/// Reads a record. A cut-off one gives zeros and empty strings, never a panic.
pub fn decode(bytes: &[u8], program: &Program) -> Record {
    let id = word_at(bytes, 4);
    match bytes.first() {
        Some(&PRINT) => match program.print_sites.get(id as usize) {
            Some(site) => Record::Print { site: PrintId(id), inputs: decode_inputs(bytes, site) },
            None => Record::Unknown,
        },
        Some(&ERROR) => decode_error(bytes, id, program).map_or(Record::Unknown, Record::Error),
        Some(&EXIT) => Record::Exit,
        _ => Record::Unknown,
    }
}

fn decode_inputs(bytes: &[u8], site: &PrintSite) -> Vec<Input> {
    let mut fixed = HEADER;
    let mut variable = fixed_size(site).0;
    let mut take_variable = |length: u32| {
        let at = variable as usize;
        variable += length.next_multiple_of(8);
        bytes.get(at..at + length as usize).unwrap_or(&[]).to_vec()
    };
    site.inputs
        .iter()
        .map(|input| {
            let at = fixed;
            match input {
                InputTy::Long => {
                    fixed += 8;
                    Input::Long(long_at(bytes, at))
                }
                InputTy::Str { cap } if *cap <= INLINE_CAP => {
                    fixed += u32::from(*cap);
                    Input::Str(until_nul(bytes.get(at as usize..fixed as usize).unwrap_or(&[])).to_vec())
                }
                InputTy::Str { .. } => {
                    fixed += 8;
                    Input::Str(take_variable(word_at(bytes, at)))
                }
                InputTy::Memory { .. } => {
                    fixed += 8;
                    let text = take_variable(word_at(bytes, at));
                    Input::Memory((word_at(bytes, at + 4) == 0).then_some(text))
                }
                InputTy::Packed { .. } => {
                    fixed += 8;
                    Input::Packed(take_variable(word_at(bytes, at)))
                }
            }
        })
        .collect()
}

/// An input of a print record where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRef<'a> {
    Long(i64),
    Str(&'a [u8]),
    /// `None`: the memory could not be read.
    Memory(Option<&'a [u8]>),
    Packed(&'a [u8]),
}

/// As [`decode`] for print records, without copying: one line of output a record, a million a second.
pub fn visit_inputs<'a>(bytes: &'a [u8], site: &PrintSite, mut each: impl FnMut(InputRef<'a>)) {
    let mut fixed = HEADER;
    // Where the variable part starts is worked out by whoever needs it first.
    let mut variable = 0;
    let mut take_variable = |length: u32| {
        if variable == 0 {
            variable = fixed_size(site).0;
        }
        let at = variable as usize;
        variable += length.next_multiple_of(8);
        bytes.get(at..at + length as usize).unwrap_or(&[])
    };
    for input in &site.inputs {
        let at = fixed;
        match input {
            InputTy::Long => {
                fixed += 8;
                each(InputRef::Long(long_at(bytes, at)));
            }
            InputTy::Str { cap } if *cap <= INLINE_CAP => {
                fixed += u32::from(*cap);
                each(InputRef::Str(until_nul(bytes.get(at as usize..fixed as usize).unwrap_or(&[]))));
            }
            InputTy::Str { .. } => {
                fixed += 8;
                each(InputRef::Str(take_variable(word_at(bytes, at))));
            }
            InputTy::Memory { .. } => {
                fixed += 8;
                let memory = take_variable(word_at(bytes, at));
                each(InputRef::Memory((word_at(bytes, at + 4) == 0).then_some(memory)));
            }
            InputTy::Packed { .. } => {
                fixed += 8;
                each(InputRef::Packed(take_variable(word_at(bytes, at))));
            }
        }
    }
}

/// The site of a packed text; `None` for "".
pub fn packed_site(bytes: &[u8]) -> Option<PrintId> {
    (word_at(bytes, 0) != 0).then(|| PrintId(word_at(bytes, 4)))
}

/// Bytes a packed text really has, of the room it has.
pub fn packed_len(bytes: &[u8]) -> usize {
    ((word_at(bytes, 0) >> 8) as usize).clamp(HEADER as usize, bytes.len().max(HEADER as usize))
}

/// The most bytes of a packed text that is just a text of at most `cap - 1` bytes.
pub const fn plain_bytes(cap: u16) -> u32 {
    let padded = (cap as u32).next_multiple_of(8);
    HEADER + if cap <= INLINE_CAP { padded } else { 8 + padded }
}

/// A text as it is, packed: the record of a site with one input, a string of that capacity.
pub fn pack_plain(site: PrintId, cap: u16, text: &[u8]) -> Vec<u8> {
    let text = until_nul(text);
    let text = &text[..text.len().min(usize::from(cap).saturating_sub(1))];
    let mut bytes = vec![0; HEADER as usize];
    if cap <= INLINE_CAP {
        bytes.extend_from_slice(text);
        bytes.resize((HEADER + u32::from(cap)) as usize, 0);
    } else {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    let head = super::ring::head(PRINT, bytes.len() as u32, site.0);
    bytes[..8].copy_from_slice(&head.to_le_bytes());
    bytes
}

fn decode_error(bytes: &[u8], id: u32, program: &Program) -> Option<ErrorRecord> {
    let code = ErrorCode::ALL.into_iter().find(|code| *code as u32 == id)?;
    let detail = word_at(bytes, ERROR_DETAIL);
    let literal = || program.strings.get(detail as usize).cloned().unwrap_or_default();
    let message = match code {
        ErrorCode::Text => until_nul(bytes.get(ERROR_TEXT as usize..).unwrap_or(&[])).to_vec(),
        ErrorCode::Literal => literal(),
        ErrorCode::Fault => fault_message(&literal(), long_at(bytes, ERROR_ARGUMENT)),
        ErrorCode::ArrayOverflow => {
            program.stores.get(detail as usize).map(|store| store.overflow_message()).unwrap_or_default().into_bytes()
        }
        _ => code.fixed_text().unwrap_or_default().as_bytes().to_vec(),
    };
    Some(ErrorRecord {
        code,
        message,
        tag: SourceTag(word_at(bytes, ERROR_TAG)),
        handler: HandlerId(word_at(bytes, ERROR_HANDLER)),
        site: SiteId(word_at(bytes, ERROR_SITE)),
        store: (code == ErrorCode::ArrayOverflow).then_some(StoreId(detail)),
    })
}

/// The message of a failed memory read: `what` and the address.
pub fn fault_message(what: &[u8], address: i64) -> Vec<u8> {
    let mut message = what.to_vec();
    message.extend_from_slice(format!(" at {address:#x}").as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_parts_follow_in_order() {
        let site = PrintSite {
            format: 0,
            inputs: vec![InputTy::Str { cap: 512 }, InputTy::Long, InputTy::Str { cap: 8 }, InputTy::Str { cap: 128 }],
            args: vec![],
            runs: None,
            kernel_format: None,
        };
        let program = Program { print_sites: vec![site], ..Program::default() };
        let mut bytes = vec![PRINT, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(7i64.to_le_bytes());
        bytes.extend(b"ab\0\0\0\0\0\0");
        bytes.extend([9, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(b"xyz\0\0\0\0\0");
        bytes.extend(b"123456789");
        let text = |s: &[u8]| Input::Str(s.to_vec());
        assert_eq!(
            decode(&bytes, &program),
            Record::Print {
                site: PrintId(0),
                inputs: vec![text(b"xyz"), Input::Long(7), text(b"ab"), text(b"123456789")]
            }
        );
        assert_eq!(decode(&[9], &program), Record::Unknown);
        let mut seen = Vec::new();
        visit_inputs(&bytes, &program.print_sites[0], |input| seen.push(input));
        let text = |s: &'static [u8]| InputRef::Str(s);
        assert_eq!(seen, [text(b"xyz"), InputRef::Long(7), text(b"ab"), text(b"123456789")]);
    }
}
