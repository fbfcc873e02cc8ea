//! `.BTF` of our programs: a function type each, so callbacks verify and tools show names. Format: BTF of the Linux
//! documentation, <https://docs.kernel.org/bpf/btf.html>.

/// Type ids: 1 int, 2 void *, 3 int (void *), 4 the callback's prototype; functions follow.
pub const FIRST_FUNCTION: u32 = 5;
const INT: u32 = 1;
const POINTER: u32 = 2;
const PROGRAM: u32 = 3;
const CALLBACK: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// `int f(void *ctx)`
    Program,
    /// `int f(void *map, void *key, void *value, void *ctx)`, of `bpf_for_each_map_elem`.
    Callback,
}

/// The blob; function `n` of the list has id `FIRST_FUNCTION + n`.
pub fn encode(functions: &[(String, FunctionKind)]) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut types = Vec::new();
    let mut name = |text: &str| {
        let at = strings.len() as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut word = |n: u32| types.extend_from_slice(&n.to_le_bytes());
    // kind << 24 | number of entries
    let mut declare = |words: &[u32]| words.iter().for_each(|w| word(*w));
    let (int, ctx) = (name("int"), name("ctx"));
    declare(&[int, 1 << 24, 4, 1 << 24 | 32]);
    declare(&[0, 2 << 24, 0]);
    declare(&[0, 13 << 24 | 1, INT, ctx, POINTER]);
    let (map, key, value) = (name("map"), name("key"), name("value"));
    declare(&[0, 13 << 24 | 4, INT, map, POINTER, key, POINTER, value, POINTER, ctx, POINTER]);
    for (text, kind) in functions {
        let at = name(text);
        match kind {
            // Linkage is in the count: 1 global, 0 static.
            FunctionKind::Program => declare(&[at, 12 << 24 | 1, PROGRAM]),
            FunctionKind::Callback => declare(&[at, 12 << 24, CALLBACK]),
        }
    }
    assemble(&types, &strings)
}

/// Header, types, strings.
fn assemble(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let mut blob = vec![0x9f, 0xeb, 1, 0];
    for n in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
        blob.extend_from_slice(&n.to_le_bytes());
    }
    blob.extend_from_slice(types);
    blob.extend_from_slice(strings);
    blob
}

/// The blob with more strings at its end; gives where each one starts.
pub fn with_strings<'s>(blob: &[u8], more: impl Iterator<Item = &'s [u8]>) -> (Vec<u8>, Vec<u32>) {
    let n_types = crate::layout::word_at(blob, 12) as usize;
    let (types, strings) = blob.get(24..).unwrap_or(&[]).split_at(n_types.min(blob.len().saturating_sub(24)));
    let mut strings = strings.to_vec();
    let places = more
        .map(|text| {
            let at = strings.len() as u32;
            strings.extend(text.iter().map(|b| if *b == 0 { b' ' } else { *b }));
            strings.push(0);
            at
        })
        .collect();
    (assemble(types, &strings), places)
}
