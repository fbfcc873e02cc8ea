//! Debug information with something wrong in it: the programs of tests/programs/dwarf with bytes changed at random, read
//! in every way there is. Whatever comes of it, nothing panics and everything ends.
//!
//! `TAPDECK_DEBUG_MUTANTS=100000 nice cargo test --lib debuginfo::mutants -- --nocapture` tries so many, from
//! `TAPDECK_DEBUG_MUTANTS_SEED` on (0).

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use object::{Object as _, ObjectSection as _};
use tapdeck_ebpf::codegen::{KernelTypes as _, Known};

use super::{
    Btf, Dwarf, FunctionPattern, Types,
    dwarf::tests::{bytes_of, dwarf_of},
    model::Instance,
    types::{Shape, TypeId},
};
use crate::host::Bytes;

/// Seeds of mutants that something was wrong with once.
const FOUND: &[u64] = &[];
/// Of an ordinary run of the tests.
const N_MUTANTS: u64 = 120;
/// The longest one may take of a processor, without optimisation.
const MAX_CPU: Duration = Duration::from_secs(10);
/// Kernel ticks in what /proc says of a thread's time: USER_HZ. proc_pid_stat(5).
const TICK: Duration = Duration::from_millis(10);

const PROGRAMS: [&str; 10] = [
    "gcc5.so",
    "gcc4.so",
    "clang5.so",
    "lto.so",
    "dwz.so",
    "object.o",
    "module.o",
    "apart.debug",
    "labels.so",
    "vmlinux",
];

/// xorshift64*: no more is needed, and a seed is a mutant for ever.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| _ = rng.next());
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Where a file says something that is read here.
fn places(bytes: &[u8]) -> Vec<Range<usize>> {
    let elf = object::File::parse(bytes).expect("is well formed");
    let wanted = |name: &str| {
        let starts = [
            ".debug_",
            ".rela.debug_",
            ".symtab",
            ".strtab",
            ".eh_frame",
            ".note",
            "__mcount",
            "_kprobe",
            ".gnu_debug",
        ];
        starts.iter().any(|start| name.starts_with(start))
    };
    let sections = elf.sections().filter(|section| section.name().is_ok_and(wanted));
    let ranges = sections.filter_map(|section| section.file_range());
    let mut places: Vec<Range<usize>> = ranges
        .map(|(start, len)| start as usize..(start + len) as usize)
        .filter(|range| !range.is_empty() && range.end <= bytes.len())
        .collect();
    // The file's own header, and the table of sections at its end.
    places.push(0..64);
    places.push(bytes.len().saturating_sub(elf.sections().count() * 64)..bytes.len());
    places
}

/// One to eight changes in one or two places; now and then the end is missing.
fn mutant(rng: &mut Rng, bytes: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    const NUMBERS: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX >> 1, u64::MAX];
    let mut bytes = bytes.to_vec();
    let place = places[rng.below(places.len())].clone();
    for _ in 0..=rng.below(8) {
        let at = place.start + rng.below(place.len());
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next() as u8,
            2 => {
                let width = [1, 2, 4, 8][rng.below(4)];
                let number = NUMBERS[rng.below(NUMBERS.len())].to_le_bytes();
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            3 => {
                // From elsewhere in the place: what is well formed by itself.
                let len = (1 + rng.below(16)).min(place.end - at);
                let from = place.start + rng.below(place.len() - len + 1);
                bytes.copy_within(from..from + len, at);
            }
            _ => {
                let len = (1 + rng.below(4)).min(place.end - at);
                bytes.copy_within(at + len..place.end, at);
            }
        }
    }
    if rng.below(40) == 0 {
        bytes.truncate(rng.below(bytes.len()));
    }
    bytes
}

/// Everything that is asked of debug information.
fn read_all(dwarf: &Dwarf) -> usize {
    let pattern = |text: &str| FunctionPattern::parse(text).expect("is a pattern");
    let mut n = dwarf.warning().map_or(0, |text| text.len());
    n += dwarf.layout().len() + usize::from(dwarf.linked_at().is_some());
    for function in dwarf.functions(&pattern("*")) {
        n += dwarf.arguments(&function).len() + dwarf.callees(&function.instances).len();
        n += dwarf.labels(&function, "*").len();
        for instance in function.instances.iter().take(2) {
            n += read_instance(dwarf, instance);
        }
    }
    for lines in ["*@*:*", "measure@shapes.c:*", "*@kernel.c:+3", "run@*:20-40"] {
        for nearest in [false, true] {
            n += dwarf.statements(&pattern(lines), nearest).found.len();
        }
    }
    for name in ["numbers@shapes.c", "table", "kept@kernel.c", "nothing"] {
        n += usize::from(dwarf.variable_named(&pattern(name)).is_some());
    }
    for name in dwarf.index().type_names().take(64) {
        for keyword in ["struct", "union", "enum", "typedef"] {
            if let Some(ty) = dwarf.named(keyword, name) {
                n += read_type(dwarf, ty);
            }
        }
    }
    n
}

fn read_instance(dwarf: &Dwarf, instance: &Instance) -> usize {
    let start = instance.pc.unwrap_or(0x1000);
    let mut n = usize::from(dwarf.result_text(instance).is_some()) + dwarf.siblings(instance).len();
    for pc in [start, start.wrapping_add(40), u64::MAX] {
        let variables = dwarf.variables(instance, pc);
        for variable in variables.iter().chain(&dwarf.outermost_variables(instance, pc)) {
            n += variable.location.to_string().len() + read_type(dwarf, variable.ty);
            n += dwarf.lives_at(instance, pc, &variable.name).len();
        }
        n += usize::from(dwarf.line_at(pc).is_some()) + usize::from(dwarf.statement_at(pc).is_some());
        n += dwarf.symbol_at(pc, "run").map_or(0, |(_, name)| name.len());
        n += usize::from(dwarf.traceable_at(instance, pc) == dwarf.traceable(instance));
    }
    n += usize::from(dwarf.entry_of(instance).is_some());
    n + usize::from(dwarf.global("numbers", instance).is_some())
}

fn read_type(types: &dyn Types, ty: TypeId) -> usize {
    let mut n = types.type_text(ty).len() + types.size_of(ty) as usize % 7;
    let below = match types.shape(ty) {
        Shape::Pointer(inner) | Shape::Typedef(inner) | Shape::Qualified(inner) => inner,
        Shape::Array { element, .. } => element,
        _ => ty,
    };
    for member in types.members(below) {
        n += usize::from(types.find_member(below, member.name).is_some()) + types.type_text(member.ty).len();
    }
    n + types.params(below).len() + types.enumerators(below).len() + types.keyword(below).len()
}

fn read_btf(bytes: Vec<u8>) -> usize {
    let Ok(btf) = Btf::parse(Bytes::Owned(bytes), None) else { return 0 };
    let mut n = btf.type_names().count() + btf.functions_with_prefix("vfs").count();
    // Ids that the bytes claim, up to what a mutant of a small file can mean.
    for ty in btf.own_ids().chain([TypeId::MAX]).take(2000) {
        n += read_type(&btf, ty) + usize::from(btf.member(ty, 8, 8) == Known::Number);
    }
    for (name, id, proto) in btf.functions().take(2000) {
        n += name.len() + read_type(&btf, proto) + usize::from(btf.function_word(id, Some(0)) == Known::Number);
    }
    n += usize::from(btf.structs_that_begin_with_numbers().is_some());
    n + usize::from(btf.enumerator_value("BPF_FUNC_get_stack").is_some())
}

/// Types as the kernel has them, without a kernel: `struct s { int a:3; int b; } *f(struct s *)`, an enumeration.
fn small_btf() -> Vec<u8> {
    let strings = b"\0int\0s\0a\0b\0f\0e\0E1\0p\0t\0";
    let at = |name: &str| {
        let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
        strings.windows(wanted.len()).position(|window| window == wanted).map_or(0, |at| at as u32 + 1)
    };
    let kind = |kind: u32, flag: u32, n: u32| flag << 31 | kind << 24 | n;
    let types: Vec<u32> = [
        vec![at("int"), kind(1, 0, 0), 4, 0x0100_0020],
        vec![at("s"), kind(4, 1, 2), 8, at("a"), 1, 3 << 24, at("b"), 1, 32],
        vec![0, kind(2, 0, 0), 2],
        vec![0, kind(13, 0, 1), 3, at("p"), 3],
        vec![at("f"), kind(12, 0, 1), 4],
        vec![at("e"), kind(6, 0, 1), 4, at("E1"), 7],
        vec![at("t"), kind(8, 0, 0), 2],
        vec![0, kind(3, 0, 0), 0, 1, 1, 5],
        vec![0, kind(10, 0, 0), 7],
    ]
    .concat();
    let header = [0x0001_eb9f, 24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
    let mut bytes: Vec<u8> = header.iter().chain(&types).flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(strings);
    bytes
}

/// What a thread has had of processors so far. A busy machine lets it wait without end, so clocks do not tell.
fn cpu_time(stat: &Path) -> Duration {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    // Behind the name, which may have blanks: state is the third field, utime and stime the 14th and 15th.
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn mutants_neither_panic_nor_hang() {
    let programs = PROGRAMS.map(|name| {
        let bytes = bytes_of(name);
        let places = places(&bytes);
        (name, bytes, places)
    });
    let common = bytes_of("common.debug");
    let btf = small_btf();
    assert!(read_btf(btf.clone()) > 20, "the types are well formed");
    for (name, bytes, _) in &programs {
        let supplement = (*name == "dwz.so").then(|| common.clone());
        assert!(read_all(&dwarf_of(bytes.clone(), supplement, 1).expect("is well formed")) > 50, "{name}");
    }
    let first = number("TAPDECK_DEBUG_MUTANTS_SEED").unwrap_or(0);
    let n = number("TAPDECK_DEBUG_MUTANTS").unwrap_or(N_MUTANTS);
    let current: Arc<Mutex<Option<(u64, Duration)>>> = Arc::default();
    let watched = current.clone();
    let own = std::fs::read_link("/proc/thread-self").expect("is Linux");
    let own = Path::new("/proc").join(own).join("stat");
    let watched_file = own.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = cpu_time(&watched_file);
            if let Some((seed, began)) = *watched.lock().expect("is held for a copy")
                && now.saturating_sub(began) > MAX_CPU
            {
                eprintln!("seed {seed} takes more than {MAX_CPU:?} of a processor");
                std::process::abort();
            }
        }
    });
    let (mut wrong, mut n_read, mut longest) = (Vec::new(), 0, (Duration::ZERO, 0));
    for seed in FOUND.iter().copied().chain(first..first + n) {
        let mut rng = Rng::new(seed);
        let began = Instant::now();
        *current.lock().expect("is held for a copy") = Some((seed, cpu_time(&own)));
        if seed % 5000 == 4999 {
            eprintln!("seed {seed}");
        }
        let read = || {
            if rng.below(4) == 0 {
                let whole = 0..btf.len();
                return read_btf(mutant(&mut rng, &btf, std::slice::from_ref(&whole)));
            }
            let (name, bytes, places) = &programs[rng.below(programs.len())];
            let supplement = (*name == "dwz.so").then(|| common.clone());
            let mutant = mutant(&mut rng, bytes, places);
            dwarf_of(mutant, supplement, 1).map_or(0, |dwarf| read_all(&dwarf))
        };
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(read) => n_read += usize::from(read > 0),
            Err(_) => wrong.push(seed),
        }
        longest = longest.max((began.elapsed(), seed));
    }
    *current.lock().expect("is held for a copy") = None;
    eprintln!("{n_read} of {n} mutants had something to read; the longest took {:?} (seed {})", longest.0, longest.1);
    assert!(wrong.is_empty(), "{} panics, by seeds {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert!(n_read as u64 > n / 2, "most are read on: {n_read} of {n}");
}
