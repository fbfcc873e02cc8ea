use super::run::*;
use tapdeck_ebpf::{
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

    pub fn load(mut self) -> Loaded {
        self.program.strings = self.strings.finish();
        Loaded::new(self.program, &target()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// One handler on a tracepoint of six arguments.
    pub fn simple(mut self, b: BodyBuilder) -> Loaded {
        let h = self.handler(b);
        self.entry(trace(), &[(h, None)]);
        self.load()
    }
}

fn trace() -> EntryKind {
    EntryKind::RawTracepoint { name: "sys_enter".to_owned(), n_args: 6 }
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
