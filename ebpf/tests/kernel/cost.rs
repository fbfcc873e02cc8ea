//! What the classic one-liners cost for each event, less the empty program: `cargo test --test kernel -- --ignored`.

use tapdeck_ebpf::ir::*;

use super::{
    bpf,
    programs::Script,
    run::{Loaded, permitted, target},
};

const NO: SourceTag = SourceTag(0);
type Body = fn(&mut Script, &mut BodyBuilder);

fn stat(sum: bool, min: bool, max: bool, hist: Option<HistShape>) -> StoreTy {
    StoreTy::Stat(StatShape { sum, min, max, variance: None, hist })
}

fn pid(b: &mut BodyBuilder) -> Arg {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Intrinsic { op: Intrinsic::Pid, dst: Some(dst), args: vec![] }, NO);
    Arg::Long(Operand::Var(dst))
}

fn execname(b: &mut BodyBuilder) -> Arg {
    let dst = b.new_var(Ty::Str { cap: 16 });
    b.emit(Op::Intrinsic { op: Intrinsic::Execname, dst: Some(dst), args: vec![] }, NO);
    Arg::Str(StrOperand::Var(dst))
}

fn nr(b: &mut BodyBuilder) -> Operand {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Context { dst, field: ContextField::TraceArg(1) }, NO);
    Operand::Var(dst)
}

const CASES: &[(&str, Body)] = &[
    ("empty", |_, _| {}),
    ("count++", |s, b| {
        let store = s.store("n", &[], StoreTy::Long);
        b.emit(Op::Add { store, keys: vec![], delta: Operand::Imm(1), result: None }, NO);
    }),
    ("n[pid()]++", |s, b| {
        let store = s.store("n", &[Ty::Long], StoreTy::Long);
        let keys = vec![pid(b)];
        b.emit(Op::Add { store, keys, delta: Operand::Imm(1), result: None }, NO);
    }),
    ("n[pid()] <<< 1", |s, b| {
        let store = s.store("n", &[Ty::Long], stat(false, false, false, None));
        let keys = vec![pid(b)];
        b.emit(Op::Accumulate { store, keys, value: Operand::Imm(1) }, NO);
    }),
    ("n[execname()]++", |s, b| {
        let store = s.store("n", &[Ty::Str { cap: 16 }], StoreTy::Long);
        let keys = vec![execname(b)];
        b.emit(Op::Add { store, keys, delta: Operand::Imm(1), result: None }, NO);
    }),
    ("h <<< nr (log2)", |s, b| {
        let store = s.store("h", &[], stat(false, false, false, Some(HistShape::Log)));
        let value = nr(b);
        b.emit(Op::Accumulate { store, keys: vec![], value }, NO);
    }),
    ("s[pid()] <<< nr (count min max avg)", |s, b| {
        let store = s.store("s", &[Ty::Long], stat(true, true, true, None));
        let (value, keys) = (nr(b), vec![pid(b)]);
        b.emit(Op::Accumulate { store, keys, value }, NO);
    }),
    ("printf of three fields", |s, b| {
        s.program.print_sites = vec![PrintSite {
            format: 0,
            inputs: vec![InputTy::Long, InputTy::Long, InputTy::Long],
            args: vec![],
            runs: None,
            kernel_format: None,
        }];
        let (a, c) = (pid(b), Arg::Long(nr(b)));
        b.emit(Op::Print { site: PrintId(0), inputs: vec![a, c, c] }, NO);
    }),
    ("printf of execname, pid, long string", |s, b| {
        s.program.print_sites = vec![PrintSite {
            format: 0,
            inputs: vec![InputTy::Str { cap: 16 }, InputTy::Long, InputTy::Str { cap: 512 }],
            args: vec![],
            runs: None,
            kernel_format: None,
        }];
        let text = b.new_var(Ty::Str { cap: 512 });
        b.emit(
            Op::ReadStr { dst: text, space: Space::Kernel, addr: Operand::Imm(8), max: None, on_fault: OnFault::Zero },
            NO,
        );
        let inputs = vec![execname(b), pid(b), Arg::Str(StrOperand::Var(text))];
        b.emit(Op::Print { site: PrintId(0), inputs }, NO);
    }),
];

fn load(live: bool, body: Body) -> Loaded {
    let mut s = Script::new();
    let mut b = BodyBuilder::new();
    body(&mut s, &mut b);
    let h = s.handler(b);
    s.entry(EntryKind::SysEnter, &[(h, Some(libc::SYS_getppid as u32))]);
    let mut target = target();
    target.live_probes = live;
    target.live_histograms = live;
    s.load_with(&target)
}

#[test]
#[ignore = "a measurement"]
fn cost_of_one_liners() {
    if !permitted() {
        return;
    }
    let _stats = bpf::enable_stats().unwrap();
    for live in [false, true] {
        let mut empty = 0.0;
        for (name, body) in CASES {
            let loaded = load(live, *body);
            let _link = bpf::raw_tracepoint_open(&loaded.programs[0], "sys_enter").unwrap();
            let mut costs: Vec<f64> = (0..7)
                .map(|_| {
                    let before = bpf::run_time(&loaded.programs[0]).unwrap();
                    bpf::hammer(libc::SYS_getppid, 200_000);
                    let after = bpf::run_time(&loaded.programs[0]).unwrap();
                    (after.0 - before.0) as f64 / (after.1 - before.1) as f64
                })
                .collect();
            assert_eq!(loaded.counters().lost, 0);
            if loaded.program.stores.first().is_some_and(|s| !s.keys.is_empty()) {
                assert!(!loaded.array(StoreId(0)).is_empty(), "{name}");
            }
            costs.sort_by(f64::total_cmp);
            if empty == 0.0 {
                empty = costs[3];
            }
            println!("live {live:5} {name:40} {:6.1} ns, net {:6.1}", costs[3], costs[3] - empty);
        }
    }
}

/// Two processors on one key, and new keys all the time: nothing is lost.
#[test]
fn counts_are_exact() {
    if !permitted() {
        return;
    }
    const N: usize = 100_000;
    let mut s = Script::new();
    let (n, fresh) = (s.store("n", &[Ty::Long], StoreTy::Long), s.store("fresh", &[Ty::Long, Ty::Long], StoreTy::Long));
    let samples = s.store("samples", &[Ty::Long], stat(true, false, false, None));
    s.program.stores[fresh.index()].max_entries = 200_000;
    let mut b = BodyBuilder::new();
    let (me, one) = (pid(&mut b), Operand::Imm(1));
    b.emit(Op::Add { store: n, keys: vec![me], delta: one, result: None }, NO);
    b.emit(Op::Accumulate { store: samples, keys: vec![me], value: Operand::Imm(3) }, NO);
    let now = b.new_var(Ty::Long);
    b.emit(Op::Intrinsic { op: Intrinsic::MonotonicNs, dst: Some(now), args: vec![] }, NO);
    let slot = b.binary(BinOp::Div, Operand::Var(now), Operand::Imm(20_000), NO);
    b.emit(Op::Add { store: fresh, keys: vec![me, Arg::Long(slot)], delta: one, result: None }, NO);
    let h = s.handler(b);
    s.entry(EntryKind::SysEnter, &[(h, Some(libc::SYS_getegid as u32))]);
    let loaded = s.load();
    let link = bpf::raw_tracepoint_open(&loaded.programs[0], "sys_enter").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| bpf::hammer(libc::SYS_getegid, N));
        }
    });
    drop(link);
    let me = tapdeck_ebpf::layout::Datum::Long(std::process::id().into());
    let of_us = |store: StoreId| {
        let ours = loaded.array(store).into_iter().filter(|(key, _)| key[0] == me);
        ours.fold((0, 0), |(count, sum), (_, value)| match value {
            tapdeck_ebpf::layout::Element::Long(n) => (count + n, sum),
            tapdeck_ebpf::layout::Element::Stat(m) => (count + m.count, sum + m.sum),
            _ => (count, sum),
        })
    };
    // A program that is preempted keeps every other task of its processor from running it.
    let missed: u64 = loaded.programs.iter().map(|program| bpf::missed(program).unwrap()).sum();
    let all = 2 * N as i64 - missed as i64;
    assert_eq!((of_us(n), of_us(fresh), of_us(samples)), ((all, 0), (all, 0), (all, 3 * all)));
    assert_eq!(loaded.counters().lost, 0);
}
