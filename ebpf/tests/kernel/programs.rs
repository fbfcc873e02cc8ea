//! Small IR programs, each run for real.

use super::run::*;
use tapdeck_ebpf::{
    codegen::CurrentTask,
    ir::*,
    layout::{Datum, Element, record::Record},
};

const NO: SourceTag = SourceTag(0);

pub struct Script {
    pub program: Program,
    strings: StringPool,
}

fn v(var: Var) -> Operand {
    Operand::Var(var)
}

impl Script {
    pub fn new() -> Self {
        Self { program: Program::default(), strings: StringPool::new() }
    }

    pub fn lit(&mut self, s: &str) -> StrOperand {
        StrOperand::Const(self.strings.intern(s.as_bytes()))
    }

    pub fn store(&mut self, name: &str, keys: &[Ty], value: StoreTy) -> StoreId {
        self.program.stores.push(StoreDecl {
            name: name.to_owned(),
            keys: keys.to_vec(),
            value,
            max_entries: 16,
            sized: false,
            wrap: false,
            init: None,
            in_kernel: true,
        });
        StoreId(self.program.stores.len() as u32 - 1)
    }

    pub fn handler(&mut self, b: BodyBuilder) -> HandlerId {
        let body = b.finish(NO);
        let n = self.program.handlers.len() as u32;
        self.program.handlers.push(Handler { name: format!("probe{n}"), probe: n, body, tag: NO });
        HandlerId(n)
    }

    pub fn entry(&mut self, kind: EntryKind, runs: &[(HandlerId, Option<u32>)]) {
        let runs = runs
            .iter()
            .map(|(handler, syscall)| {
                let n = self.program.sites.len();
                self.program.sites.push(SiteData {
                    name: format!("site{n}").into_bytes(),
                    pp: format!("kernel.trace(\"a rather long name of a probe point which is the {n}th of them all\")")
                        .into_bytes(),
                    ..SiteData::default()
                });
                Run { handler: *handler, site: SiteId(n as u32), syscall: *syscall }
            })
            .collect();
        self.program.entries.push(Entry { kind, runs });
    }

    pub fn load(self) -> Loaded {
        self.load_with(&target())
    }

    pub fn load_with(mut self, target: &tapdeck_ebpf::Target) -> Loaded {
        self.program.strings = self.strings.finish();
        Loaded::new(self.program, target).unwrap_or_else(|e| panic!("{e}"))
    }

    /// One handler on a tracepoint of six arguments.
    pub fn simple(mut self, b: BodyBuilder) -> Loaded {
        let h = self.handler(b);
        self.entry(trace(), &[(h, None)]);
        self.load()
    }
}

fn trace() -> EntryKind {
    EntryKind::RawTracepoint { name: "sys_enter".to_owned(), n_args: 6, task_arg: None }
}

fn arg(b: &mut BodyBuilder, n: u8) -> Operand {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Context { dst, field: ContextField::TraceArg(n) }, NO);
    v(dst)
}

fn set(b: &mut BodyBuilder, store: StoreId, value: Operand) {
    b.emit(Op::Set { store, keys: vec![], value: Arg::Long(value) }, NO);
}

fn set_str(b: &mut BodyBuilder, store: StoreId, value: StrOperand) {
    b.emit(Op::Set { store, keys: vec![], value: Arg::Str(value) }, NO);
}

fn str_var(b: &mut BodyBuilder, cap: u16) -> Var {
    b.new_var(Ty::Str { cap })
}

#[test]
fn arithmetic() {
    if !permitted() {
        return;
    }
    let ops = [
        BinOp::Add,
        BinOp::Sub,
        BinOp::Mul,
        BinOp::Div,
        BinOp::Rem,
        BinOp::And,
        BinOp::Or,
        BinOp::Xor,
        BinOp::Shl,
        BinOp::Shr,
        BinOp::Lsr,
    ];
    let mut s = Script::new();
    let mut b = BodyBuilder::new();
    let (x, y) = (arg(&mut b, 0), arg(&mut b, 1));
    let results: Vec<_> = ops
        .iter()
        .map(|op| {
            let store = s.store(&format!("{op:?}"), &[], StoreTy::Long);
            let r = b.binary(*op, x, y, NO);
            set(&mut b, store, r);
            store
        })
        .collect();
    let compares: Vec<_> = [CmpOp::Lt, CmpOp::Ge, CmpOp::Eq]
        .iter()
        .map(|op| {
            let store = s.store(&format!("{op:?}"), &[], StoreTy::Long);
            let r = b.compare(*op, x, y, NO);
            set(&mut b, store, r);
            store
        })
        .collect();
    let loaded = s.simple(b);
    for (x, y) in [(7i64, 3i64), (-7, 3), (i64::MIN, -1), (5, -1), (-5, 70), (i64::MAX, 2), (9, 9)] {
        loaded.run(0, &[x as u64, y as u64]);
        let expected: Vec<i64> = vec![
            x.wrapping_add(y),
            x.wrapping_sub(y),
            x.wrapping_mul(y),
            x.wrapping_div(y),
            x.wrapping_rem(y),
            x & y,
            x | y,
            x ^ y,
            x.wrapping_shl(y as u32 & 63),
            x.wrapping_shr(y as u32 & 63),
            ((x as u64).wrapping_shr(y as u32 & 63)) as i64,
        ];
        let got: Vec<i64> = results.iter().map(|s| loaded.long(*s)).collect();
        assert_eq!(got, expected, "{x} {y}");
        let got: Vec<i64> = compares.iter().map(|s| loaded.long(*s)).collect();
        assert_eq!(got, [i64::from(x < y), i64::from(x >= y), i64::from(x == y)], "{x} {y}");
    }
    loaded.run(0, &[1, 0]);
    let records = loaded.records();
    assert!(
        matches!(&records[..], [Record::Error(e)] if e.message == b"division by 0" && e.handler == HandlerId(0)),
        "{records:?}"
    );
    assert_eq!(loaded.counters().errors, 1);
    assert_eq!(loaded.control()[0], 2, "the session stops");
}

#[test]
fn counting_by_keys() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let n = s.store("n", &[Ty::Long], StoreTy::Long);
    let by_name = s.store("by_name", &[Ty::Str { cap: 16 }, Ty::Long], StoreTy::Long);
    let total = s.store("total", &[], StoreTy::Long);
    let mut b = BodyBuilder::new();
    let k = arg(&mut b, 0);
    let one = Operand::Imm(1);
    let after = b.new_var(Ty::Long);
    b.emit(Op::Add { store: n, keys: vec![Arg::Long(k)], delta: one, result: Some((after, When::After)) }, NO);
    let name = str_var(&mut b, 16);
    b.emit(Op::Intrinsic { op: Intrinsic::Execname, dst: Some(name), args: vec![] }, NO);
    let keys = vec![Arg::Str(StrOperand::Var(name)), Arg::Long(k)];
    b.emit(Op::Add { store: by_name, keys, delta: k, result: None }, NO);
    b.emit(Op::Add { store: total, keys: vec![], delta: v(after), result: None }, NO);
    let loaded = s.simple(b);
    for k in [5u64, 7, 5, 5] {
        loaded.run(0, &[k]);
    }
    let long = |k: i64, n: i64| (vec![Datum::Long(k)], Element::Long(n));
    assert_eq!(loaded.array(n), [long(5, 3), long(7, 1)]);
    assert_eq!(loaded.long(total), 1 + 1 + 2 + 3);
    let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim().as_bytes().to_vec();
    assert_eq!(
        loaded.array(by_name),
        [
            (vec![Datum::Str(comm.clone()), Datum::Long(5)], Element::Long(15)),
            (vec![Datum::Str(comm), Datum::Long(7)], Element::Long(7))
        ]
    );
    for k in 100..130 {
        loaded.edit_control(|c| c[48] = 200);
        loaded.set_state(1);
        loaded.run(0, &[k]);
    }
    assert_eq!(loaded.counters().overflows[0], 16);
    let records = loaded.records();
    assert_eq!(records.len(), 16);
    assert!(matches!(&records[0], Record::Error(e) if e.message.starts_with(b"Array overflow") && e.store == Some(n)));
}

#[test]
fn strings() {
    if !permitted() {
        return;
    }
    for cap in [16u16, 64, 512] {
        let mut s = Script::new();
        let out: Vec<_> = (0..5).map(|i| s.store(&format!("s{i}"), &[], StoreTy::Str { cap })).collect();
        let num: Vec<_> = (0..12).map(|i| s.store(&format!("n{i}"), &[], StoreTy::Long)).collect();
        let mut b = BodyBuilder::new();
        let addr = arg(&mut b, 0);
        let text = str_var(&mut b, cap);
        let z = s.lit("zero");
        let StrOperand::Const(what) = s.lit("user string copy fault") else { unreachable!() };
        let _ = z;
        b.emit(Op::ReadStr { dst: text, space: Space::User, addr, max: None, on_fault: OnFault::Raise(what) }, NO);
        let t = StrOperand::Var(text);
        set_str(&mut b, out[0], t);
        let both = str_var(&mut b, cap);
        let more = s.lit("-more");
        b.emit(Op::StrConcat { dst: both, a: t, b: more }, NO);
        b.emit(Op::StrConcat { dst: both, a: StrOperand::Var(both), b: t }, NO);
        set_str(&mut b, out[1], StrOperand::Var(both));
        let part = str_var(&mut b, cap);
        let sub = |dst, s: StrOperand, a: i64, n: i64| Op::Intrinsic {
            op: Intrinsic::Substr,
            dst: Some(dst),
            args: vec![Arg::Str(s), Arg::Long(Operand::Imm(a)), Arg::Long(Operand::Imm(n))],
        };
        b.emit(sub(part, StrOperand::Var(both), 2, 4), NO);
        set_str(&mut b, out[2], StrOperand::Var(part));
        let ch = str_var(&mut b, 8);
        b.emit(Op::Intrinsic { op: Intrinsic::CharStr, dst: Some(ch), args: vec![Arg::Long(Operand::Imm(65))] }, NO);
        set_str(&mut b, out[3], StrOperand::Var(ch));
        let short = str_var(&mut b, cap);
        b.emit(
            Op::ReadStr { dst: short, space: Space::User, addr, max: Some(Operand::Imm(3)), on_fault: OnFault::Zero },
            NO,
        );
        set_str(&mut b, out[4], StrOperand::Var(short));
        let call = |b: &mut BodyBuilder, op, args: Vec<Arg>, store| {
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Intrinsic { op, dst: Some(dst), args }, NO);
            set(b, store, v(dst));
        };
        call(&mut b, Intrinsic::StrLen, vec![Arg::Str(t)], num[0]);
        let (needle, absent) = (s.lit("lo w"), s.lit("low"));
        call(&mut b, Intrinsic::IsInStr, vec![Arg::Str(t), Arg::Str(needle)], num[1]);
        call(&mut b, Intrinsic::IsInStr, vec![Arg::Str(t), Arg::Str(absent)], num[2]);
        call(&mut b, Intrinsic::StringAt, vec![Arg::Str(t), Arg::Long(Operand::Imm(1))], num[3]);
        let number = s.lit("-0x1fz");
        call(&mut b, Intrinsic::Strtol, vec![Arg::Str(number), Arg::Long(Operand::Imm(16))], num[4]);
        let same = s.lit("hello world");
        let other = s.lit("hello worlc");
        for (i, (op, a, b2)) in [
            (CmpOp::Eq, t, same),
            (CmpOp::Eq, t, other),
            (CmpOp::Gt, t, other),
            (CmpOp::Lt, t, StrOperand::Var(both)),
            (CmpOp::Ne, t, StrOperand::Var(part)),
            (CmpOp::Ge, StrOperand::Var(part), t),
        ]
        .into_iter()
        .enumerate()
        {
            let dst = b.new_var(Ty::Long);
            b.emit(Op::StrCompare { op, dst, a, b: b2 }, NO);
            set(&mut b, num[5 + i], v(dst));
        }
        let loaded = s.simple(b);
        let input = b"hello world\0";
        loaded.run(0, &[input.as_ptr() as u64]);
        assert_eq!(loaded.records(), []);
        let got: Vec<String> = out.iter().map(|s| loaded.text(*s)).collect();
        let both = "hello world-morehello world";
        let cut = &both[..both.len().min(usize::from(cap) - 1)];
        assert_eq!(got, ["hello world", cut, "llo ", "A", "hel"], "cap {cap}");
        let got: Vec<i64> = num.iter().map(|s| loaded.long(*s)).collect();
        assert_eq!(got, [11, 1, 0, 101, -31, 1, 0, 1, 1, 1, 1, 0], "cap {cap}");
        loaded.run(0, &[8]);
        let records = loaded.records();
        assert!(
            matches!(&records[..], [Record::Error(e)] if e.message == b"user string copy fault at 0x8"),
            "{records:?}"
        );
    }
}

#[test]
fn statistics() {
    if !permitted() {
        return;
    }
    let linear = HistShape::Linear { start: 0, stop: 100, step: 10 };
    for (hist, live) in [(Some(HistShape::Log), false), (Some(linear), false), (Some(linear), true), (None, false)] {
        let shape = StatShape { sum: true, min: true, max: true, variance: Some(1), hist };
        let mut s = Script::new();
        let scalar = s.store("scalar", &[], StoreTy::Stat(shape.clone()));
        let array = s.store("array", &[Ty::Long], StoreTy::Stat(shape.clone()));
        let bare = s.store("bare", &[Ty::Str { cap: 32 }], StoreTy::Stat(StatShape::default()));
        let mut b = BodyBuilder::new();
        let (x, k) = (arg(&mut b, 0), arg(&mut b, 1));
        b.emit(Op::Accumulate { store: scalar, keys: vec![], value: x }, NO);
        b.emit(Op::Accumulate { store: array, keys: vec![Arg::Long(k)], value: x }, NO);
        let name = s.lit("name");
        b.emit(Op::Accumulate { store: bare, keys: vec![Arg::Str(name)], value: x }, NO);
        let h = s.handler(b);
        s.entry(trace(), &[(h, None)]);
        // The reader.
        let mut b = BodyBuilder::new();
        let k = arg(&mut b, 0);
        let ops =
            [Extractor::Count, Extractor::Sum, Extractor::Min, Extractor::Max, Extractor::Avg, Extractor::Variance];
        let results: Vec<_> = ops.iter().map(|op| s.store(&format!("{op:?}"), &[], StoreTy::Long)).collect();
        for (op, result) in ops.iter().zip(&results) {
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Extract { dst, store: array, keys: vec![Arg::Long(k)], op: *op }, NO);
            set(&mut b, *result, v(dst));
        }
        let bucket = s.store("bucket", &[], StoreTy::Long);
        if hist.is_some() {
            let dst = b.new_var(Ty::Long);
            let index = arg(&mut b, 1);
            b.emit(Op::Bucket { dst, store: array, keys: vec![Arg::Long(k)], index }, NO);
            set(&mut b, bucket, v(dst));
        }
        let h = s.handler(b);
        s.entry(trace(), &[(h, None)]);
        let mut b = BodyBuilder::new();
        b.emit(Op::Delete { store: scalar, keys: vec![] }, NO);
        let h = s.handler(b);
        s.entry(trace(), &[(h, None)]);
        s.program.strings = s.strings.finish();
        let mut target = target();
        target.live_histograms = live;
        let loaded = Loaded::new(s.program, &target).unwrap_or_else(|e| panic!("{e}"));
        let values = [1i64, 2, 3, 4, 5, -1, 0, 55, 1000, i64::MIN, -100, i64::MAX, 99, 100, -64];
        let mut expected = tapdeck_ebpf::stats::Stat::new(&shape);
        let mut everywhere: Vec<u64> = vec![0; 128];
        for x in values {
            loaded.run(0, &[x as u64, 9]);
            expected.add(&shape, x);
            everywhere[HistShape::Log.bucket(x)] += 1;
        }
        let on_one_cpu = |e: &Element| match e {
            Element::Stat(m) => (m.count, m.sum, m.min, m.max, m.buckets.clone(), m.log.clone()),
            other => panic!("{other:?}"),
        };
        let log = if live || hist == Some(HistShape::Log) { everywhere.clone() } else { vec![] };
        let want = (expected.count, expected.sum, expected.min, expected.max, expected.buckets.clone(), log);
        assert_eq!(on_one_cpu(&loaded.scalar(scalar)), want);
        let elements = loaded.array(array);
        assert_eq!(elements[0].0, [Datum::Long(9)]);
        assert_eq!(on_one_cpu(&elements[0].1), want);
        assert!(matches!(&loaded.array(bare)[0].1, Element::Stat(m) if m.count == values.len() as i64));
        let Element::Stat(merged) = &elements[0].1 else { unreachable!() };
        loaded.run(1, &[9, if hist == Some(HistShape::Log) { 65 } else { 2 }]);
        assert_eq!(loaded.records(), []);
        for (op, result) in ops.iter().zip(&results) {
            assert_eq!(Ok(loaded.long(*result)), merged.extract(*op), "{op:?}");
        }
        if hist == Some(HistShape::Log) {
            assert_eq!(loaded.long(bucket), 1);
        }
        loaded.edit_control(|c| c[48] = 200);
        loaded.run(1, &[10, 65]);
        loaded.run(1, &[9, 500]);
        let messages: Vec<_> = loaded
            .records()
            .into_iter()
            .map(|r| match r {
                Record::Error(e) => String::from_utf8(e.message).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        match hist {
            None => assert_eq!(messages, ["empty aggregate"]),
            Some(_) => assert_eq!(messages, ["empty aggregate", "histogram index out of range"]),
        }
        loaded.run(2, &[]);
        assert!(matches!(loaded.scalar(scalar), Element::Stat(m) if m.count == 0));
    }
}

#[test]
fn printing() {
    if !permitted() {
        return;
    }
    use tapdeck_ebpf::layout::record::Input;
    let mut s = Script::new();
    let mut b = BodyBuilder::new();
    let x = arg(&mut b, 0);
    let site = |inputs: Vec<InputTy>, kernel_format: Option<&[u8]>| PrintSite {
        format: 0,
        args: (0..inputs.len()).map(Recipe::Input).collect(),
        inputs,
        runs: None,
        kernel_format: kernel_format.map(<[u8]>::to_vec),
    };
    s.program.print_sites = vec![
        site(vec![InputTy::Long, InputTy::Str { cap: 16 }, InputTy::Long], None),
        site(
            vec![
                InputTy::Str { cap: 512 },
                InputTy::Long,
                InputTy::Str { cap: 32 },
                InputTy::Str { cap: 128 },
                InputTy::Memory { cap: 64, space: Space::User },
            ],
            None,
        ),
        site(vec![InputTy::Long, InputTy::Str { cap: 16 }], Some(b"<%lld|%s>\0".as_slice().split_last().unwrap().1)),
    ];
    let comm = str_var(&mut b, 16);
    b.emit(Op::Intrinsic { op: Intrinsic::Execname, dst: Some(comm), args: vec![] }, NO);
    let comm = Arg::Str(StrOperand::Var(comm));
    b.emit(Op::Print { site: PrintId(0), inputs: vec![Arg::Long(x), comm, Arg::Long(Operand::Imm(-2))] }, NO);
    let long = str_var(&mut b, 512);
    b.emit(Op::ReadStr { dst: long, space: Space::User, addr: x, max: None, on_fault: OnFault::Zero }, NO);
    let lit = s.lit("a literal");
    let inputs = vec![
        Arg::Str(StrOperand::Var(long)),
        Arg::Long(x),
        Arg::Str(lit),
        Arg::Str(lit),
        Arg::Long(x),
        Arg::Long(Operand::Imm(5)),
    ];
    b.emit(Op::Print { site: PrintId(1), inputs }, NO);
    let out = s.store("out", &[], StoreTy::Str { cap: 64 });
    let text = str_var(&mut b, 64);
    b.emit(Op::Sprint { dst: text, site: PrintId(2), inputs: vec![Arg::Long(Operand::Imm(-5)), comm] }, NO);
    set_str(&mut b, out, StrOperand::Var(text));
    b.emit(Op::Exit, NO);
    let loaded = s.simple(b);
    let input: Vec<u8> = (0..300).map(|i| b'a' + (i % 26) as u8).chain([0]).collect();
    let address = input.as_ptr() as i64;
    loaded.run(0, &[address as u64]);
    let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim().to_owned();
    let text = |s: &[u8]| Input::Str(s.to_vec());
    assert_eq!(
        loaded.records(),
        [
            Record::Print {
                site: PrintId(0),
                inputs: vec![Input::Long(address), text(comm.as_bytes()), Input::Long(-2)]
            },
            Record::Print {
                site: PrintId(1),
                inputs: vec![
                    text(&input[..300]),
                    Input::Long(address),
                    text(b"a literal"),
                    text(b"a literal"),
                    Input::Memory(Some(b"abcde".to_vec()))
                ]
            },
            Record::Exit,
        ]
    );
    assert_eq!(loaded.text(out), format!("<-5|{comm}>"));
    loaded.run(0, &[8]);
    assert_eq!(loaded.records(), [], "the session is stopping");
}

#[test]
fn loops_and_limits() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let (total, caught) = (s.store("total", &[], StoreTy::Long), s.store("caught", &[], StoreTy::Str { cap: 64 }));
    let mut b = BodyBuilder::new();
    let n = arg(&mut b, 0);
    let (i, j, sum) = (b.new_var(Ty::Long), b.new_var(Ty::Long), b.new_var(Ty::Long));
    let message = str_var(&mut b, 64);
    let (head, body, inner, inner_body, next, done, on_error, end) = (
        b.new_block(),
        b.new_block(),
        b.new_block(),
        b.new_block(),
        b.new_block(),
        b.new_block(),
        b.new_block(),
        b.new_block(),
    );
    b.set_catch(Some(Catch { block: on_error, message: Some(message) }));
    b.emit(Op::Copy { dst: i, src: Operand::Imm(0) }, NO);
    b.jump(head, NO);
    b.switch_to(head);
    b.emit(Op::Actions { n: 1 }, NO);
    b.terminate(Term::BranchCompare { op: CmpOp::Lt, a: v(i), b: n, then: body, otherwise: done }, NO);
    b.switch_to(body);
    b.emit(Op::Copy { dst: j, src: Operand::Imm(0) }, NO);
    b.jump(inner, NO);
    b.switch_to(inner);
    b.emit(Op::Actions { n: 1 }, NO);
    b.terminate(
        Term::BranchCompare { op: CmpOp::Lt, a: v(j), b: Operand::Imm(3), then: inner_body, otherwise: next },
        NO,
    );
    b.switch_to(inner_body);
    b.emit(Op::Binary { op: BinOp::Add, dst: sum, a: v(sum), b: v(i) }, NO);
    b.emit(Op::Binary { op: BinOp::Add, dst: j, a: v(j), b: Operand::Imm(1) }, NO);
    b.jump(inner, NO);
    b.switch_to(next);
    // 100 / (20 - i): raises at 20.
    let d = b.binary(BinOp::Sub, Operand::Imm(20), v(i), NO);
    b.binary(BinOp::Div, Operand::Imm(100), d, NO);
    b.emit(Op::Binary { op: BinOp::Add, dst: i, a: v(i), b: Operand::Imm(1) }, NO);
    b.jump(head, NO);
    b.switch_to(on_error);
    b.set_catch(None);
    set_str(&mut b, caught, StrOperand::Var(message));
    b.jump(done, NO);
    b.switch_to(done);
    set(&mut b, total, v(sum));
    b.jump(end, NO);
    b.switch_to(end);
    s.program.limits.max_action = 1000;
    let loaded = s.simple(b);
    loaded.run(0, &[10]);
    assert_eq!(loaded.long(total), 3 * 45);
    assert_eq!(loaded.text(caught), "");
    loaded.run(0, &[30]);
    assert_eq!(loaded.long(total), 3 * 210);
    assert_eq!(loaded.text(caught), "division by 0");
    assert_eq!(loaded.records(), []);
    loaded.edit_control(|c| c[32..40].copy_from_slice(&20u64.to_le_bytes()));
    loaded.run(0, &[10]);
    let records = loaded.records();
    assert!(matches!(&records[..], [Record::Error(e)] if e.message == b"MAXACTION exceeded"), "{records:?}");
}

#[test]
fn functions_and_recursion() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let out = s.store("out", &[], StoreTy::Long);
    // f(n) = n < 2 ? 1 : n * f(n - 1)
    let mut f = BodyBuilder::new();
    let n = f.named_var(Ty::Long, "n");
    let (base, again) = (f.new_block(), f.new_block());
    f.terminate(Term::BranchCompare { op: CmpOp::Lt, a: v(n), b: Operand::Imm(2), then: base, otherwise: again }, NO);
    f.switch_to(base);
    f.terminate(Term::Return(Some(Arg::Long(Operand::Imm(1)))), NO);
    f.switch_to(again);
    let less = f.binary(BinOp::Sub, v(n), Operand::Imm(1), NO);
    let below = f.new_var(Ty::Long);
    f.emit(Op::Call { function: FunctionId(0), dst: Some(below), args: vec![Arg::Long(less)] }, NO);
    let product = f.binary(BinOp::Mul, v(n), v(below), NO);
    f.terminate(Term::Return(Some(Arg::Long(product))), NO);
    s.program.functions.push(Function {
        name: "f".into(),
        n_params: 1,
        result: Some(Ty::Long),
        recursive: true,
        pure_: true,
        body: f.finish(NO),
    });
    // twice(s) = s . s, called with its own result.
    let mut f = BodyBuilder::new();
    let t = f.named_var(Ty::Str { cap: 64 }, "t");
    let r = f.new_var(Ty::Str { cap: 64 });
    f.emit(Op::StrConcat { dst: r, a: StrOperand::Var(t), b: StrOperand::Var(t) }, NO);
    f.terminate(Term::Return(Some(Arg::Str(StrOperand::Var(r)))), NO);
    s.program.functions.push(Function {
        name: "twice".into(),
        n_params: 1,
        result: Some(Ty::Str { cap: 64 }),
        recursive: false,
        pure_: true,
        body: f.finish(NO),
    });
    let text_out = s.store("text", &[], StoreTy::Str { cap: 64 });
    let mut b = BodyBuilder::new();
    let x = arg(&mut b, 0);
    let r = b.new_var(Ty::Long);
    b.emit(Op::Call { function: FunctionId(0), dst: Some(r), args: vec![Arg::Long(x)] }, NO);
    set(&mut b, out, v(r));
    let t = str_var(&mut b, 64);
    let ab = s.lit("ab");
    b.emit(Op::Call { function: FunctionId(1), dst: Some(t), args: vec![Arg::Str(ab)] }, NO);
    b.emit(Op::Call { function: FunctionId(1), dst: Some(t), args: vec![Arg::Str(StrOperand::Var(t))] }, NO);
    set_str(&mut b, text_out, StrOperand::Var(t));
    let loaded = s.simple(b);
    loaded.run(0, &[5]);
    assert_eq!(loaded.long(out), 120);
    assert_eq!(loaded.text(text_out), "abababab");
    loaded.run(0, &[30]);
    let records = loaded.records();
    assert!(matches!(&records[..], [Record::Error(e)] if e.message == b"MAXNESTING exceeded"), "{records:?}");
}

#[test]
fn two_recursive_calls_are_unrolled() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let out = s.store("out", &[], StoreTy::Long);
    let mut f = BodyBuilder::new();
    let n = f.named_var(Ty::Long, "n");
    let (base, again) = (f.new_block(), f.new_block());
    f.emit(Op::Actions { n: 1 }, NO);
    f.terminate(Term::BranchCompare { op: CmpOp::Lt, a: v(n), b: Operand::Imm(2), then: base, otherwise: again }, NO);
    f.switch_to(base);
    f.terminate(Term::Return(Some(Arg::Long(v(n)))), NO);
    f.switch_to(again);
    let parts = [1, 2].map(|less| {
        let less = f.binary(BinOp::Sub, v(n), Operand::Imm(less), NO);
        let part = f.new_var(Ty::Long);
        f.emit(Op::Call { function: FunctionId(0), dst: Some(part), args: vec![Arg::Long(less)] }, NO);
        v(part)
    });
    let sum = f.binary(BinOp::Add, parts[0], parts[1], NO);
    f.terminate(Term::Return(Some(Arg::Long(sum))), NO);
    s.program.functions.push(Function {
        name: "fib".into(),
        n_params: 1,
        result: Some(Ty::Long),
        recursive: true,
        pure_: true,
        body: f.finish(NO),
    });
    let mut b = BodyBuilder::new();
    let x = arg(&mut b, 0);
    let r = b.new_var(Ty::Long);
    b.emit(Op::Call { function: FunctionId(0), dst: Some(r), args: vec![Arg::Long(x)] }, NO);
    set(&mut b, out, v(r));
    // Two calls a level: every level doubles the code, and the default of ten takes the verifier seconds.
    s.program.limits.max_nesting = 6;
    let loaded = s.simple(b);
    loaded.run(0, &[7]);
    assert_eq!(loaded.records(), []);
    assert_eq!(loaded.long(out), 13);
}

#[test]
fn foreach_in_the_kernel() {
    if !permitted() {
        return;
    }
    if !target().for_each_map_elem {
        eprintln!("skipped: this kernel goes through no arrays (Linux 5.13 does)");
        return;
    }
    // In newer kernels also as in older ones.
    let by_calls = tapdeck_ebpf::Target { may_goto: false, ..target() };
    let by_elements = tapdeck_ebpf::Target { bpf_loop: false, ..by_calls.clone() };
    [target(), by_calls, by_elements].iter().for_each(foreach_in);
}

fn foreach_in(target: &tapdeck_ebpf::Target) {
    let mut s = Script::new();
    let a = s.store("a", &[Ty::Long, Ty::Str { cap: 16 }], StoreTy::Long);
    let (keys, values, sliced) = (
        s.store("keys", &[], StoreTy::Long),
        s.store("values", &[], StoreTy::Long),
        s.store("sliced", &[], StoreTy::Long),
    );
    let last = s.store("last", &[], StoreTy::Str { cap: 16 });
    let order = s.store("order", &[], StoreTy::Long);
    let mut b = BodyBuilder::new();
    let (k, n) = (arg(&mut b, 0), arg(&mut b, 1));
    let name = s.lit("name");
    b.emit(Op::Set { store: a, keys: vec![Arg::Long(k), Arg::Str(name)], value: Arg::Long(n) }, NO);
    let h = s.handler(b);
    s.entry(trace(), &[(h, None)]);
    let mut b = BodyBuilder::new();
    for (limit, slice, out) in [
        (None, vec![], None),
        (None, vec![Some(Arg::Long(Operand::Imm(7))), None], Some(sliced)),
        (Some(Operand::Imm(0)), vec![], Some(sliced)),
    ] {
        let it = b.new_iter();
        let (head, body, done) = (b.new_block(), b.new_block(), b.new_block());
        let (key, text, value) = (b.new_var(Ty::Long), str_var(&mut b, 16), b.new_var(Ty::Long));
        b.emit(Op::IterBegin { iter: it, source: IterSource::Array { store: a, slice }, sort: None, limit }, NO);
        b.jump(head, NO);
        b.switch_to(head);
        b.terminate(Term::IterNext { iter: it, keys: vec![key, text], value: Some(value), body, done }, NO);
        b.switch_to(body);
        b.emit(Op::Actions { n: 1 }, NO);
        if let Some(out) = out {
            b.emit(Op::Add { store: out, keys: vec![], delta: v(value), result: None }, NO);
        } else {
            b.emit(Op::Add { store: keys, keys: vec![], delta: v(key), result: None }, NO);
            b.emit(Op::Add { store: values, keys: vec![], delta: v(value), result: None }, NO);
            set_str(&mut b, last, StrOperand::Var(text));
            // The order: key after key as decimal digits.
            let tens = b.new_var(Ty::Long);
            b.emit(Op::Get { dst: tens, store: order, keys: vec![] }, NO);
            let shifted = b.binary(BinOp::Mul, v(tens), Operand::Imm(10), NO);
            let with = b.binary(BinOp::Add, shifted, v(key), NO);
            set(&mut b, order, with);
        }
        b.jump(head, NO);
        b.switch_to(done);
        b.emit(Op::IterEnd { iter: it }, NO);
    }
    b.emit(Op::Clear { store: a }, NO);
    let h = s.handler(b);
    s.entry(trace(), &[(h, None)]);
    let loaded = s.load_with(target);
    for (k, n) in [(1, 10), (7, 20), (3, 30)] {
        loaded.run(0, &[k, n]);
    }
    loaded.run(1, &[]);
    assert_eq!(loaded.records(), []);
    assert_eq!((loaded.long(keys), loaded.long(values), loaded.long(sliced)), (11, 60, 20));
    assert_eq!(loaded.text(last), "name");
    assert_eq!(loaded.long(order), 173, "oldest first");
    assert_eq!(loaded.array(a), []);
}

#[test]
fn syscalls_inline_and_dispatched() {
    if !permitted() {
        return;
    }
    for (kind, n_handlers) in
        [(EntryKind::SysEnter, 1), (EntryKind::SysEnter, 3), (EntryKind::SysEnter, 40), (EntryKind::SysExit, 40)]
    {
        let mut s = Script::new();
        let seen = s.store("seen", &[Ty::Str { cap: 16 }, Ty::Str { cap: 128 }], StoreTy::Long);
        let mut runs = Vec::new();
        for i in 0..n_handlers {
            let mut b = BodyBuilder::new();
            let (name, pp, ret) = (str_var(&mut b, 16), str_var(&mut b, 128), b.new_var(Ty::Long));
            b.emit(Op::Site { dst: name, field: SiteField::Name }, NO);
            b.emit(Op::Site { dst: pp, field: SiteField::Pp }, NO);
            b.emit(Op::Context { dst: ret, field: ContextField::SyscallNr }, NO);
            let sum = b.binary(BinOp::Add, v(ret), Operand::Imm(1000 * (i as i64 + 1)), NO);
            let keys = vec![Arg::Str(StrOperand::Var(name)), Arg::Str(StrOperand::Var(pp))];
            b.emit(Op::Add { store: seen, keys, delta: sum, result: None }, NO);
            let h = s.handler(b);
            runs.push((h, Some(10 + 2 * i)));
            runs.push((h, Some(11 + 2 * i)));
            runs.push((h, Some(300)));
        }
        s.entry(kind.clone(), &runs);
        let pp = |n: usize| Datum::Str(s.program.sites[n].pp.clone());
        let expect: Vec<_> = [(1usize, 11i64)]
            .into_iter()
            .map(|(site, nr)| {
                (vec![Datum::Str(format!("site{site}").into_bytes()), pp(site)], Element::Long(nr + 1000))
            })
            .collect();
        let mut target = target();
        target.live_probes = true;
        s.program.strings = s.strings.finish();
        s.program.stores[0].max_entries = 100;
        let loaded = Loaded::new(s.program, &target).unwrap_or_else(|e| panic!("{e}"));
        if kind == EntryKind::SysExit {
            // The number comes from this thread's registers: bpf(2).
            loaded.run(0, &[0, 0]);
            assert_eq!(loaded.array(seen).len(), 0);
            continue;
        }
        loaded.run(0, &[0, 11]);
        loaded.run(0, &[0, 9]);
        loaded.run(0, &[0, u64::MAX]);
        assert_eq!(loaded.array(seen), expect);
        loaded.run(0, &[0, 300]);
        assert_eq!(loaded.array(seen).len(), 1 + n_handlers as usize);
        assert_eq!(loaded.counters().hits[0], 2);
        loaded.edit_control(|c| c[tapdeck_ebpf::layout::control::ENABLED as usize] = 0);
        loaded.run(0, &[0, 11]);
        assert_eq!(loaded.counters().hits[0], 2);
    }
}

#[test]
fn wrapping_arrays_forget_the_oldest() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let a = s.store("a", &[Ty::Long], StoreTy::Long);
    let t = s.store("t", &[Ty::Long], StoreTy::Stat(StatShape::default()));
    s.program.stores.iter_mut().for_each(|s| {
        s.wrap = true;
        s.max_entries = 4;
    });
    let mut b = BodyBuilder::new();
    let k = arg(&mut b, 0);
    b.emit(Op::Add { store: a, keys: vec![Arg::Long(k)], delta: Operand::Imm(1), result: None }, NO);
    b.emit(Op::Accumulate { store: t, keys: vec![Arg::Long(k)], value: k }, NO);
    let loaded = s.simple(b);
    for k in 0..20u64 {
        loaded.run(0, &[k]);
    }
    let keys: Vec<_> = loaded.array(a).into_iter().map(|(k, _)| k[0].clone()).collect();
    assert_eq!(keys, [16, 17, 18, 19].map(Datum::Long));
    let keys: Vec<_> = loaded.array(t).into_iter().map(|(k, _)| k[0].clone()).collect();
    assert_eq!(keys, [16, 17, 18, 19].map(Datum::Long));
    assert_eq!(loaded.records(), []);
}

#[test]
fn every_intrinsic_verifies() {
    if !permitted() {
        return;
    }
    use Intrinsic::*;
    let kinds = [EntryKind::SysEnter, EntryKind::SysExit, trace(), EntryKind::PerfEvent { name: "profile".to_owned() }];
    // By the task's stack and by the helper.
    let by_helper = tapdeck_ebpf::Target { current_task: CurrentTask::ByHelper, ..target() };
    let targets = [target(), by_helper.clone()];
    for (kind, target) in kinds.iter().flat_map(|kind| targets.iter().map(move |target| (kind.clone(), target))) {
        let mut s = Script::new();
        let mut b = BodyBuilder::new();
        let all = [
            Pid,
            Tid,
            Ppid,
            Uid,
            Euid,
            Gid,
            Egid,
            Cpu,
            TaskCurrent,
            UserMode,
            RealtimeNs,
            MonotonicNs,
            BoottimeNs,
            Cycles,
            Jiffies,
            Random,
            Target,
            CgroupId,
        ];
        for op in all {
            let store = s.store(&format!("{op:?}"), &[], StoreTy::Long);
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Intrinsic { op, dst: Some(dst), args: vec![] }, NO);
            set(&mut b, store, v(dst));
        }
        for op in [Execname, Pexecname] {
            let store = s.store(&format!("{op:?}"), &[], StoreTy::Str { cap: 16 });
            let dst = str_var(&mut b, 16);
            b.emit(Op::Intrinsic { op, dst: Some(dst), args: vec![] }, NO);
            set_str(&mut b, store, StrOperand::Var(dst));
        }
        use ContextField::*;
        for field in [TraceArg(0), SyscallNr, CallArg(0), CallArg(5), CallReturn, Regs, InstructionPointer] {
            let store = s.store(&format!("{field:?}"), &[], StoreTy::Long);
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Context { dst, field }, NO);
            set(&mut b, store, v(dst));
        }
        let h = s.handler(b);
        let syscall = matches!(kind, EntryKind::SysEnter | EntryKind::SysExit).then_some(321);
        s.entry(kind.clone(), &[(h, syscall)]);
        let loaded = s.load_with(target);
        // No stack is known where the tracepoint was never run.
        if kind == EntryKind::SysExit && target.current_task == by_helper.current_task {
            loaded.run(0, &[0, 77]);
            let of = |name: &str| {
                let at = loaded.program.stores.iter().position(|s| s.name == name).unwrap();
                loaded.scalar(StoreId(at as u32))
            };
            let me = std::process::id() as i64;
            assert_eq!(of("Pid"), Element::Long(me));
            let parent = std::os::unix::process::parent_id().into();
            let is_known = target.offsets.real_parent.is_some();
            assert_eq!(of("Ppid"), Element::Long(if is_known { parent } else { 0 }));
            // This very syscall: bpf(BPF_PROG_TEST_RUN, …).
            assert_eq!((of("SyscallNr"), of("CallArg(0)")), (Element::Long(321), Element::Long(10)));
            assert_eq!(of("CallReturn"), Element::Long(77));
            let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            assert_eq!(of("Execname"), Element::Str(comm.trim().as_bytes().to_vec()));
        }
    }
}

#[test]
fn keys_that_come_again_are_counted_in_front() {
    if !permitted() {
        return;
    }
    let mut s = Script::new();
    let n = s.store("n", &[Ty::Long], StoreTy::Long);
    let shape = StatShape { sum: true, min: true, max: true, ..StatShape::default() };
    let stat = s.store("stat", &[Ty::Long], StoreTy::Stat(shape));
    let read = s.store("read", &[Ty::Long], StoreTy::Long);
    let mut b = BodyBuilder::new();
    let (k, by) = (arg(&mut b, 0), arg(&mut b, 1));
    b.emit(Op::Add { store: n, keys: vec![Arg::Long(k)], delta: by, result: None }, NO);
    b.emit(Op::Accumulate { store: stat, keys: vec![Arg::Long(k)], value: by }, NO);
    b.emit(Op::Add { store: read, keys: vec![Arg::Long(k)], delta: by, result: None }, NO);
    let value = b.new_var(Ty::Long);
    b.emit(Op::Get { dst: value, store: read, keys: vec![Arg::Long(k)] }, NO);
    b.emit(Op::Set { store: read, keys: vec![Arg::Long(k)], value: Arg::Long(v(value)) }, NO);
    let loaded = s.simple(b);
    let fronts: Vec<bool> = loaded.layout.stores.iter().flatten().map(|store| store.front.is_some()).collect();
    assert_eq!(fronts, [true, true, false]);
    // The first two have no stamp word for a slot; sixteen fill the arrays.
    let keys: Vec<i64> = [-2, -1, 0, 1, i64::MIN, i64::MAX].into_iter().chain((0..10).map(|n| n << 40 | 7)).collect();
    for round in 1..=3 {
        keys.iter().for_each(|k| loaded.run(0, &[*k as u64, round]));
    }
    for store in [n, read] {
        let counted: Vec<_> = loaded.array(store);
        assert_eq!(counted.len(), 16);
        assert!(counted.iter().all(|(_, value)| *value == Element::Long(1 + 2 + 3)), "{counted:?}");
        assert_eq!(counted.iter().map(|(key, _)| key[0].clone()).collect::<Vec<_>>(), {
            keys.iter().map(|k| Datum::Long(*k)).collect::<Vec<_>>()
        });
    }
    for (_, value) in loaded.array(stat) {
        let Element::Stat(merged) = value else { panic!() };
        assert_eq!((merged.count, merged.sum, merged.min, merged.max), (3, 6, 1, 3));
    }
    // No more room: an error each time, and nothing in front.
    for _ in 0..2 {
        loaded.edit_control(|c| c[48] = 200);
        loaded.run(0, &[99, 1]);
    }
    assert_eq!(loaded.counters().overflows[0], 2);
    assert_eq!(loaded.array(n).len(), 16);
}
