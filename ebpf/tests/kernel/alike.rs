//! Handlers that differ in constants alone run as one, and each as itself: random ones, against what they are to do.

use std::{collections::BTreeMap, fmt::Write};

use super::run::*;
use tapdeck_ebpf::{
    codegen::CurrentTask,
    ir::*,
    layout::{
        Datum, Element, control,
        record::{ErrorCode, ErrorRecord, Input, Record},
    },
};

/// Those of one length in words can stand for each other.
const TEXTS: [&str; 6] = [
    "a",
    "read",
    "rename",
    "getdents64",
    "setpriority",
    "far too long to be one of a line's columns, which is a matter of sixty-four bytes",
];
const N_SHAPES: u64 = 5;
/// Elements that arrays have room for.
const MOST: usize = 3;
const FULL: &[u8] = b"Array overflow, check MAXMAPENTRIES";
/// The number the tests' own call has: what a program at a return sees.
const BPF: u32 = 321;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % n
    }
}

struct Handler {
    shape: u64,
    a: i64,
    b: i64,
    text: usize,
    tag: u32,
    /// Calls and sites.
    places: Vec<(u32, u32)>,
}

/// What handlers are to leave behind.
#[derive(Debug, Default, PartialEq)]
struct Left {
    records: Vec<Record>,
    counts: BTreeMap<(Vec<u8>, i64), i64>,
    samples: BTreeMap<i64, (i64, i64)>,
    total: i64,
    hits: Vec<u64>,
    /// Refused by each of the two arrays.
    overflows: [u64; 2],
}

impl Handler {
    fn text(&self, at: usize) -> String {
        let Handler { shape, a, b, text, tag, .. } = *self;
        let at_tag = |n: u32| tag + n;
        let body = match shape {
            0 => format!("increase g0[s{text}, {b}] {a} @{}\n  return", at_tag(1)),
            1 => format!(
                "v0 = add v0, {a}\n  print p{at}(v0, {b}, s{text}) @{}\n  accumulate g1[{b}] v0 @{}\n  return",
                at_tag(1),
                at_tag(2)
            ),
            2 => format!(
                "branch_ge v0, {a}, b1, b2 @{}\nb1:\n  v1 = sub v0, {a}\n  v1 = div {b}, v1 @{}\n  increase g2 v1\n  \
                 return\nb2:\n  raise s0 @{}",
                at_tag(1),
                at_tag(2),
                at_tag(3)
            ),
            3 => format!("v2 = text s{text} @{}\n  v3 = site name\n  print p{at}($v2, v0, $v3)\n  return", at_tag(1)),
            _ => format!(
                "v2 = text s{text}\n  set g3 = {a}\n  v1 = get g3\n  increase g2 v1\n  raise $v2 @{}",
                at_tag(1)
            ),
        };
        format!(
            "handler h{at} \"h{at}\" probe={at} @{tag} {{\n  var v0: long\n  var v1: long\n  var v2: str128\n  var v3: str16\n\
             b0:\n  v0 = context syscall_nr\n  {body}\n}}\n"
        )
    }

    fn print(&self, at: usize) -> String {
        match self.shape {
            3 => format!("print p{at} format={at} inputs=[str128, long, str16] args=[in0, in1, in2]\n"),
            _ => format!("print p{at} format={at} inputs=[long, long, str128] args=[in0, in1, in2]\n"),
        }
    }

    fn run(&self, at: usize, nr: u32, site: u32, left: &mut Left) {
        let (text, nr) = (TEXTS[self.text].as_bytes().to_vec(), i64::from(nr));
        let print = |inputs| Record::Print { site: PrintId(at as u32), inputs };
        let error = |code, message: &[u8], tag| {
            Record::Error(ErrorRecord {
                code,
                message: message.to_vec(),
                tag: SourceTag(tag),
                handler: HandlerId(at as u32),
                site: SiteId(site),
                store: None,
            })
        };
        let full = |store: u32, tag| match error(ErrorCode::ArrayOverflow, FULL, tag) {
            Record::Error(record) => Record::Error(ErrorRecord { store: Some(StoreId(store)), ..record }),
            other => other,
        };
        match self.shape {
            0 if left.counts.len() == MOST && !left.counts.contains_key(&(text.clone(), self.b)) => {
                left.overflows[0] += 1;
                left.records.push(full(0, self.tag + 1));
            }
            0 => {
                let count = left.counts.entry((text, self.b)).or_default();
                *count = count.wrapping_add(self.a);
            }
            1 => {
                let sum = nr.wrapping_add(self.a);
                left.records.push(print(vec![Input::Long(sum), Input::Long(self.b), Input::Str(text)]));
                if left.samples.len() == MOST && !left.samples.contains_key(&self.b) {
                    left.overflows[1] += 1;
                    return left.records.push(full(1, self.tag + 2));
                }
                let sample = left.samples.entry(self.b).or_default();
                *sample = (sample.0 + 1, sample.1.wrapping_add(sum));
            }
            2 if nr < self.a => left.records.push(error(ErrorCode::Literal, b"a", self.tag + 3)),
            2 if nr == self.a => left.records.push(error(ErrorCode::DivisionByZero, b"division by 0", self.tag + 2)),
            2 => left.total = left.total.wrapping_add(self.b.wrapping_div(nr.wrapping_sub(self.a))),
            3 => {
                let name = format!("at{site}").into_bytes();
                left.records.push(print(vec![Input::Str(text), Input::Long(nr), Input::Str(name)]));
            }
            _ => {
                left.total = left.total.wrapping_add(self.a);
                left.records.push(error(ErrorCode::Text, &text, self.tag + 1));
            }
        }
    }
}

/// Handlers of a few shapes at a few calls.
fn handlers(random: &mut Random, calls: &[u32]) -> Vec<Handler> {
    let (n, n_shapes, first_shape) = (2 + random.below(24), 1 + random.below(3), random.below(N_SHAPES));
    let (mut site, mut tag) = (0, 1);
    let mut handler = |random: &mut Random| {
        let first = random.below(calls.len() as u64) as usize;
        let n_places = if random.below(3) == 0 { 2 } else { 1 };
        let places = calls.iter().cycle().skip(first).take(n_places).map(|nr| {
            site += 1;
            (*nr, site - 1)
        });
        let places: Vec<_> = places.collect();
        // Tags of one handler follow one another; between handlers lies any number of them.
        tag += 5 + random.below(3) as u32;
        Handler {
            shape: (first_shape + random.below(n_shapes)) % N_SHAPES,
            a: [1, 7, 300, i64::MIN, 1 << 40][random.below(5) as usize],
            b: random.below(4) as i64 - 1,
            text: random.below(TEXTS.len() as u64) as usize,
            tag,
            places,
        }
    };
    (0..n).map(|_| handler(random)).collect()
}

fn program(handlers: &[Handler], kind: &str) -> Program {
    let mut text = "limits string=512 action=1000 action_user=0 nesting=10\n".to_owned();
    for (at, literal) in TEXTS.iter().enumerate() {
        let _ = writeln!(text, "string s{at} = \"{literal}\"");
    }
    text += &format!(
        "store g0 \"counts\" [str128, long] -> long max={MOST} kernel\n\
         store g1 \"samples\" [long] -> stat(count, sum) max={MOST} kernel\n"
    );
    text += "store g2 \"total\" [] -> long max=1 kernel\n\
             store g3 \"last\" [] -> long max=1 kernel\n";
    handlers.iter().enumerate().for_each(|(at, handler)| text += &handler.print(at));
    let n_sites = handlers.iter().map(|handler| handler.places.len()).sum::<usize>();
    (0..n_sites).for_each(|site| text += &format!("site site{site} pp=\"\" pn=\"\" func=\"\" name=\"at{site}\"\n"));
    handlers.iter().enumerate().for_each(|(at, handler)| text += &handler.text(at));
    let places =
        handlers.iter().enumerate().flat_map(|(at, handler)| handler.places.iter().map(move |place| (at, place)));
    let runs: Vec<String> = places.map(|(at, (nr, site))| format!("h{at} site{site} nr={nr}")).collect();
    text += &format!("entry {kind} {{ {} }}\n", runs.join(" "));
    parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn left(loaded: &Loaded, live: bool) -> Left {
    let counts = loaded.array(StoreId(0)).into_iter().map(|(key, value)| match (&key[..], value) {
        ([Datum::Str(text), Datum::Long(b)], Element::Long(n)) => ((text.clone(), *b), n),
        other => panic!("{other:?}"),
    });
    let samples = loaded.array(StoreId(1)).into_iter().map(|(key, value)| match (&key[..], value) {
        ([Datum::Long(b)], Element::Stat(stat)) => (*b, (stat.count, stat.sum)),
        other => panic!("{other:?}"),
    });
    Left {
        counts: counts.collect(),
        samples: samples.collect(),
        total: loaded.long(StoreId(2)),
        overflows: [0, 1].map(|store| loaded.counters().overflows[store]),
        hits: if live { loaded.counters().hits } else { Vec::new() },
        records: loaded.records(),
    }
}

#[test]
fn like_handlers_run_as_one_and_each_as_itself() {
    if !permitted() {
        return;
    }
    let calls = [0, 1, 2, 7, 9, BPF];
    let usual = target();
    for seed in 1..60 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed));
        let handlers = handlers(&mut random, &calls);
        let (live, timing, is_exit) = (seed % 2 == 0, seed % 3 == 0, seed % 4 == 3);
        let program = program(&handlers, if is_exit { "sys_exit" } else { "sys_enter" });
        // The call's number at a return is not found by the stack where the tracepoint was never run.
        let current_task = if is_exit { CurrentTask::ByHelper } else { usual.current_task };
        let target = tapdeck_ebpf::Target { live_probes: live, timing, current_task, ..usual.clone() };
        let loaded = Loaded::new(program, &target).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let off: Vec<bool> = handlers.iter().map(|_| live && random.below(5) == 0).collect();
        loaded.edit_control(|bytes| {
            bytes[control::MAX_ERRORS as usize..][..8].copy_from_slice(&1_000_000u64.to_le_bytes());
            let switches = &mut bytes[control::ENABLED as usize..];
            switches.iter_mut().zip(&off).for_each(|(switch, off)| *switch = (!off).into());
        });
        let mut expected = Left::default();
        expected.hits.resize(if live { handlers.len() } else { 0 }, 0);
        for nr in calls.into_iter().chain([3, 500]).chain(calls).filter(|nr| !is_exit || *nr == BPF) {
            loaded.run(0, &[0, nr.into()]);
            for (at, handler) in handlers.iter().enumerate().filter(|(at, _)| !off[*at]) {
                for (_, site) in handler.places.iter().filter(|(own, _)| *own == nr) {
                    expected.hits.iter_mut().skip(at).take(1).for_each(|hits| *hits += 1);
                    handler.run(at, nr, *site, &mut expected);
                }
            }
        }
        assert_eq!(left(&loaded, live), expected, "seed {seed}");
    }
}
