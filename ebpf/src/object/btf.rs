//! `.BTF` of our programs: a function type each, so subprograms verify and tools show names. Format: BTF of the Linux
//! documentation, <https://docs.kernel.org/bpf/btf.html>.

/// Type ids: 1 int, 2 void *, 3 int (void *), 4 the callback's prototype, 5 long, then prototypes that take so many longs,
/// then for keys of so many longs the array, a pointer to it and the prototype that takes one; functions follow.
const FIRST_FUNCTION: u32 = FIRST_KEYED + 3 * MAX_KEY_BYTES / 8;
pub(crate) const INT: u32 = 1;
const POINTER: u32 = 2;
const PROGRAM: u32 = 3;
const CALLBACK: u32 = 4;
const LONG: u32 = 5;
const FIRST_GLOBAL: u32 = 6;
const MAX_LONGS: u32 = 4;
const FIRST_KEYED: u32 = FIRST_GLOBAL + MAX_LONGS + 1;
/// The largest key [`FunctionKind::Keyed`] may take.
pub const MAX_KEY_BYTES: u32 = 64;

/// The type of the function that stands at this place of what [`encode`] is given.
pub fn function_id(at: usize) -> u32 {
    FIRST_FUNCTION + at as u32
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// `int f(void *ctx)`
    Program,
    /// `int f(void *map, void *key, void *value, void *ctx)`, of `bpf_for_each_map_elem`; or `bpf_loop`'s.
    Callback,
    /// `int f(long, …)` with at most four of them, verified by itself.
    Global(u8),
    /// `int f(long (*key)[N], long)`, the same; given are the key's bytes, a multiple of 8 up to [`MAX_KEY_BYTES`].
    Keyed(u32),
}

/// Types and strings in the making.
pub(crate) struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    n_types: u32,
}

/// `BTF_KIND_*`.
pub(crate) const KIND_PTR: u32 = 2;
pub(crate) const KIND_ARRAY: u32 = 3;
pub(crate) const KIND_STRUCT: u32 = 4;
pub(crate) const KIND_VAR: u32 = 14;
pub(crate) const KIND_DATASEC: u32 = 15;

impl Builder {
    /// Goes on after what [`encode`] gave for that many functions.
    pub(crate) fn open(blob: &[u8], n_functions: usize) -> Self {
        let n_bytes = crate::layout::word_at(blob, 12) as usize;
        let (types, strings) = blob.get(24..).unwrap_or(&[]).split_at(n_bytes.min(blob.len().saturating_sub(24)));
        let n_types = FIRST_FUNCTION - 1 + n_functions as u32;
        Self { types: types.to_vec(), strings: strings.to_vec(), n_types }
    }

    pub(crate) fn name(&mut self, text: &[u8]) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend(text.iter().map(|b| if *b == 0 { b' ' } else { *b }));
        self.strings.push(0);
        at
    }

    /// A type of `kind` with `n` entries and what follows; gives its id.
    pub(crate) fn declare(&mut self, name: u32, kind: u32, n: u32, rest: &[u32]) -> u32 {
        for word in [name, kind << 24 | n].iter().chain(rest) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.n_types += 1;
        self.n_types
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        assemble(&self.types, &self.strings)
    }
}

/// The blob; [`function_id`] tells the functions' types.
pub fn encode(functions: &[(String, FunctionKind)]) -> Vec<u8> {
    let mut b = Builder { types: Vec::new(), strings: vec![0], n_types: 0 };
    let (int, ctx) = (b.name(b"int"), b.name(b"ctx"));
    b.declare(int, 1, 0, &[4, 1 << 24 | 32]);
    b.declare(0, KIND_PTR, 0, &[0]);
    b.declare(0, 13, 1, &[INT, ctx, POINTER]);
    let (map, key, value) = (b.name(b"map"), b.name(b"key"), b.name(b"value"));
    b.declare(0, 13, 4, &[INT, map, POINTER, key, POINTER, value, POINTER, ctx, POINTER]);
    let long = b.name(b"long");
    b.declare(long, 1, 0, &[8, 1 << 24 | 64]);
    let argument = b.name(b"n");
    for n in 0..=MAX_LONGS {
        let rest: Vec<u32> = std::iter::once(INT).chain((0..n).flat_map(|_| [argument, LONG])).collect();
        b.declare(0, 13, n, &rest);
    }
    for n in 1..=MAX_KEY_BYTES / 8 {
        let array = b.declare(0, KIND_ARRAY, 0, &[0, LONG, INT, n]);
        let pointer = b.declare(0, KIND_PTR, 0, &[array]);
        b.declare(0, 13, 2, &[INT, key, pointer, argument, LONG]);
    }
    for (text, kind) in functions {
        let at = b.name(text.as_bytes());
        match kind {
            // Linkage is in the count: 1 global, 0 static.
            FunctionKind::Program => b.declare(at, 12, 1, &[PROGRAM]),
            FunctionKind::Callback => b.declare(at, 12, 0, &[CALLBACK]),
            FunctionKind::Global(n) => b.declare(at, 12, 1, &[FIRST_GLOBAL + u32::from(*n)]),
            FunctionKind::Keyed(bytes) => b.declare(at, 12, 1, &[FIRST_KEYED + 3 * (bytes / 8) - 1]),
        };
    }
    b.finish()
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
