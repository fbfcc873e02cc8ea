//! Sessions with programs in this very kernel. Where it does not let us, each test says so and passes.

use std::{
    collections::HashMap,
    os::unix::process::parent_id,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tapdeck_ebpf::{
    codegen::{self, Target as KernelTarget},
    ir::*,
};

use super::{super::features, *};
use crate::{
    debuginfo::{World, ebpf_target},
    runtime::{prepare::prepare, session::Table},
};

const GETPPID: u32 = 110;

/// Nothing, and a loud line, where the kernel does not let us trace. Tests here run one at a time, because each counts
/// the calls of this whole process.
fn require_bpf() -> Option<MutexGuard<'static, ()>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if cfg!(target_arch = "x86_64") && features::can_trace() {
        return Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    }
    eprintln!("SKIPPED: no BPF here (needs root, or CAP_BPF and CAP_PERFMON, on x86_64)");
    None
}

fn kernel_target() -> KernelTarget {
    let world = World::live();
    let btf = world.btf().expect("asked before");
    KernelTarget {
        ring_bytes: 4 << 20,
        stores_in_order: cfg!(target_arch = "x86_64"),
        live_probes: true,
        live_histograms: true,
        ..ebpf_target(Some(btf), "x86_64", crate::sys::n_possible_cpus() as u32, true)
    }
}

fn plan(script: Script, options: SessionOptions) -> LoadPlan {
    plan_for(&kernel_target(), script, options)
}

fn plan_for(kernel: &KernelTarget, script: Script, options: SessionOptions) -> LoadPlan {
    let lowered = script.lowered();
    let object = codegen::generate(&lowered.ir, kernel).expect("this becomes eBPF");
    // Only our own calls count; other tests and other people call, too.
    let target = Target::Pid(std::process::id());
    let options = SessionOptions { target, live_histograms: true, ..options };
    LoadPlan { lowered, object, sources: SourceMap::default(), options }
}

fn start_here(script: Script, options: SessionOptions) -> (SessionHandle, Receiver<SessionEvent>) {
    match start(plan(script, options)) {
        Ok(session) => session,
        Err(crate::runtime::StartError::Rejected { diagnostic, log }) => panic!("{}\n{log}", diagnostic.message),
        Err(error) => panic!("{error}"),
    }
}

/// Waits for `begin` to be over and gives the rest.
fn wait_started(events: &mut Receiver<SessionEvent>) {
    while let Some(event) = events.blocking_recv() {
        if matches!(event, SessionEvent::Started(_)) {
            return;
        }
    }
    panic!("it never started");
}

fn long(b: &mut BodyBuilder, op: Intrinsic) -> Operand {
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Intrinsic { op, dst: Some(dst), args: Vec::new() }, T);
    Operand::Var(dst)
}

/// `if (pid() == target()) { … }`.
fn when_ours(b: &mut BodyBuilder, write: impl FnOnce(&mut BodyBuilder)) {
    let (pid, target) = (long(b, Intrinsic::Pid), long(b, Intrinsic::Target));
    let (ours, done) = (b.new_block(), b.new_block());
    b.terminate(Term::BranchCompare { op: CmpOp::Eq, a: pid, b: target, then: ours, otherwise: done }, T);
    b.switch_to(ours);
    write(b);
    b.jump(done, T);
    b.switch_to(done);
}

fn on_getppid(script: &mut Script, write: impl FnOnce(&mut BodyBuilder)) {
    let plan = AttachPlan::Syscall { nr: GETPPID, exit: false };
    script.probe(EntryKind::SysEnter, plan, Some(GETPPID), |b| when_ours(b, write));
}

fn count(store: StoreId) -> impl Fn(&mut BodyBuilder) {
    move |b| b.emit(Op::Add { store, keys: Vec::new(), delta: Operand::Imm(1), result: None }, T)
}

fn hammer(calls: usize) {
    for _ in 0..calls {
        std::hint::black_box(parent_id());
    }
}

fn stop(handle: &SessionHandle, events: Receiver<SessionEvent>) -> Said {
    handle.send(SessionCommand::Stop);
    listen(events)
}

fn longs(table: &Table) -> Vec<i64> {
    let value = |row: &super::super::session::Row| match &row.value {
        Datum::Long(n) => *n,
        Datum::Stat(stat) => stat.count,
        Datum::Str(_) => 0,
    };
    table.rows.iter().map(value).collect()
}

#[test]
fn counts_are_exact_on_two_processors() {
    let Some(_guard) = require_bpf() else { return };
    const CALLS: usize = 100_000;
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let by_cpu = script.store("by_cpu", vec![Ty::Long], StoreTy::Long, true);
    let hot = script.store("hot", vec![Ty::Str { cap: 16 }], StoreTy::Long, true);
    let shape = StatShape { sum: true, min: true, max: true, ..StatShape::default() };
    let stat = script.store("stat", vec![Ty::Long], StoreTy::Stat(shape), true);
    on_getppid(&mut script, |b| {
        count(n)(b);
        let cpu = long(b, Intrinsic::Cpu);
        b.emit(Op::Add { store: by_cpu, keys: vec![Arg::Long(cpu)], delta: Operand::Imm(1), result: None }, T);
        let name = b.new_var(Ty::Str { cap: 16 });
        b.emit(Op::Intrinsic { op: Intrinsic::Execname, dst: Some(name), args: Vec::new() }, T);
        let key = vec![Arg::Str(StrOperand::Var(name))];
        b.emit(Op::Add { store: hot, keys: key, delta: Operand::Imm(1), result: None }, T);
        b.emit(Op::Accumulate { store: stat, keys: vec![Arg::Long(Operand::Imm(1))], value: cpu }, T);
    });
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(|| hammer(CALLS))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let said = stop(&handle, events);
    let last = said.end.last.unwrap();
    let sums: Vec<i64> = last.tables.iter().map(|table| longs(table).iter().sum()).collect();
    // Since Linux 7 a thread that comes in the middle of another's run on its processor is skipped, and counted.
    let skipped = last.cost.missed as i64;
    let least = 2 * CALLS as i64 - skipped;
    assert_eq!(sums, [sums[0]; 4], "{:?} {:?}", said.errors, last.cost);
    assert!((least..=2 * CALLS as i64).contains(&sums[0]), "{sums:?} {:?} {:?}", said.errors, last.cost);
    assert!(last.cost.probes[0].hits >= least as u64);
    assert_eq!((last.cost.overflows, last.cost.ring_drops), (0, 0));
}

/// What reads of the kernel's memory give: by place, of 1 to 8 bytes.
fn read_in_kernel(target: &KernelTarget) -> Vec<i64> {
    let mut script = Script::default();
    let found = script.store("found", vec![Ty::Long], StoreTy::Long, true);
    let fault = script.string("fault");
    let comm = target.offsets.comm.expect("the task's name");
    on_getppid(&mut script, |b| {
        let task = long(b, Intrinsic::TaskCurrent);
        let mut number = 0;
        let mut keep = |b: &mut BodyBuilder, value| {
            number += 1;
            b.emit(Op::Set { store: found, keys: vec![Arg::Long(Operand::Imm(number))], value: Arg::Long(value) }, T);
        };
        let mut read = |b: &mut BodyBuilder, addr, width, signed| {
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Copy { dst, src: Operand::Imm(7) }, T);
            b.emit(Op::Read { dst, space: Space::Kernel, addr, width, signed, on_fault: OnFault::Zero }, T);
            keep(b, Operand::Var(dst));
            // The same where a fault is an error, and somebody catches it.
            let (bad, done) = (b.new_block(), b.new_block());
            let raised = b.new_var(Ty::Long);
            b.emit(Op::Copy { dst: raised, src: Operand::Imm(0) }, T);
            b.set_catch(Some(Catch { block: bad, message: None }));
            let on_fault = OnFault::Raise(fault);
            b.emit(Op::Read { dst, space: Space::Kernel, addr, width, signed, on_fault }, T);
            b.set_catch(None);
            b.jump(done, T);
            b.switch_to(bad);
            b.emit(Op::Copy { dst, src: Operand::Imm(-1) }, T);
            b.emit(Op::Copy { dst: raised, src: Operand::Imm(1) }, T);
            b.jump(done, T);
            b.switch_to(done);
            keep(b, Operand::Var(dst));
            keep(b, Operand::Var(raised));
        };
        for width in [1, 2, 4, 8] {
            let name = b.binary(BinOp::Add, task, Operand::Imm(comm.into()), T);
            read(b, name, width, width == 4);
            // What follows the name is 0, and can be read.
            let end = b.binary(BinOp::Add, task, Operand::Imm(i64::from(comm) + 16 - i64::from(width)), T);
            read(b, end, width, false);
            // Nothing; the user's; in no half of the address space; the last bytes there are.
            for bad in [0, 16, 0x40_0000, i64::MIN + 64, -8] {
                read(b, Operand::Imm(bad), width, true);
            }
        }
    });
    let plan = plan_for(target, script, SessionOptions::default());
    let (handle, mut events) = start(plan).unwrap_or_else(|error| panic!("{error:?}"));
    wait_started(&mut events);
    std::thread::Builder::new().name("q".to_owned()).spawn(|| hammer(1)).unwrap().join().unwrap();
    longs(&stop(&handle, events).end.last.unwrap().tables[0])
}

#[test]
fn memory_is_the_same_however_it_is_read() {
    let Some(_guard) = require_bpf() else { return };
    let target = kernel_target();
    let codegen::DirectReads::ByCast(cast) = target.direct_reads else {
        eprintln!("SKIPPED: this kernel has no casts to pointers");
        return;
    };
    let by_helper = read_in_kernel(&KernelTarget { direct_reads: codegen::DirectReads::Never, ..target.clone() });
    let place = |n: usize| <[i64; 3]>::try_from(&by_helper[3 * n..3 * n + 3]).unwrap();
    assert_eq!([place(0), place(1), place(2)], [[b'q'.into(), b'q'.into(), 0], [0, 0, 0], [0, -1, 1]]);
    assert_eq!(by_helper.len(), 4 * 7 * 3);
    let world = World::live();
    let structs = world.btf().expect("asked before").structs_that_begin_with_numbers().expect("there are such");
    for types in [cast.types, structs] {
        let direct_reads = codegen::DirectReads::ByCast(codegen::Cast { types, ..cast });
        assert_eq!(read_in_kernel(&KernelTarget { direct_reads, ..target.clone() }), by_helper, "{types:?}");
    }
}

/// Threads that live as shortly as can be, so that each runs on the stack of one before.
#[test]
fn the_task_is_the_one_that_runs() {
    let Some(_guard) = require_bpf() else { return };
    const THREADS: usize = 600;
    const CALLS: usize = 3;
    let by_stack = kernel_target();
    if !matches!(by_stack.current_task, codegen::CurrentTask::ByStack(_)) {
        eprintln!("SKIPPED: this kernel has no casts to pointers, or puts loads in place of calls");
        return;
    }
    for current_task in [by_stack.current_task, codegen::CurrentTask::ByHelper] {
        let mut script = Script::default();
        let seen = script.store("seen", vec![Ty::Long, Ty::Long], StoreTy::Long, true);
        for (entry, exit) in [(EntryKind::SysEnter, false), (EntryKind::SysExit, true)] {
            script.probe(entry, AttachPlan::Syscall { nr: GETPPID, exit }, Some(GETPPID), |b| {
                when_ours(b, |b| {
                    let keys = vec![Arg::Long(Operand::Imm(exit.into())), Arg::Long(long(b, Intrinsic::Tid))];
                    b.emit(Op::Add { store: seen, keys, delta: Operand::Imm(1), result: None }, T);
                })
            });
        }
        let target = KernelTarget { current_task, ..by_stack.clone() };
        let (handle, mut events) = start(plan_for(&target, script, SessionOptions::default())).expect("it loads");
        wait_started(&mut events);
        let comes_and_goes = || {
            std::thread::spawn(|| {
                hammer(CALLS);
                let me = std::fs::read_link("/proc/thread-self").unwrap();
                me.file_name().unwrap().to_str().unwrap().parse::<i64>().unwrap()
            })
        };
        let mut tids: Vec<i64> = Vec::new();
        for _ in 0..THREADS / 2 {
            let two = [comes_and_goes(), comes_and_goes()];
            tids.extend(two.map(|thread| thread.join().unwrap()));
        }
        let last = stop(&handle, events).end.last.unwrap();
        let mut counts: HashMap<(i64, i64), i64> = HashMap::new();
        for (key, n) in last.tables[0].rows.iter().map(|row| &row.keys[..]).zip(longs(&last.tables[0])) {
            let [Datum::Long(exit), Datum::Long(tid)] = key else { panic!("{key:?}") };
            counts.insert((*exit, *tid), n);
        }
        for tid in tids {
            let of = |exit| counts.get(&(exit, tid)).copied();
            assert_eq!([of(0), of(1)], [Some(CALLS as i64); 2], "{current_task:?}");
        }
    }
}

#[test]
fn a_cleared_array_counts_from_zero() {
    let Some(_guard) = require_bpf() else { return };
    const CALLS: usize = 1000;
    let mut script = Script::default();
    let counts = script.store("counts", vec![Ty::Long], StoreTy::Long, true);
    let stats = script.store("stats", vec![Ty::Long], StoreTy::Stat(StatShape::default()), true);
    on_getppid(&mut script, |b| {
        let pid = long(b, Intrinsic::Pid);
        b.emit(Op::Add { store: counts, keys: vec![Arg::Long(pid)], delta: Operand::Imm(1), result: None }, T);
        b.emit(Op::Accumulate { store: stats, keys: vec![Arg::Long(pid)], value: pid }, T);
    });
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    let mut cleared = |handle: &SessionHandle| {
        handle.send(SessionCommand::Clear);
        handle.send(SessionCommand::SnapshotNow);
        while !matches!(events.blocking_recv(), Some(SessionEvent::Snapshot(_))) {}
    };
    // In the middle of counting, again and again: nothing may be left behind that is counted and never seen.
    let busy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hammering = std::thread::spawn({
        let busy = busy.clone();
        move || {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                hammer(100);
            }
        }
    });
    for _ in 0..20 {
        cleared(&handle);
    }
    busy.store(false, std::sync::atomic::Ordering::Relaxed);
    hammering.join().unwrap();
    cleared(&handle);
    hammer(CALLS);
    let last = stop(&handle, events).end.last.unwrap();
    assert_eq!(last.tables.iter().map(longs).collect::<Vec<_>>(), [[CALLS as i64]; 2]);
}

#[test]
fn a_new_key_every_time_loses_nothing() {
    let Some(_guard) = require_bpf() else { return };
    const CALLS: usize = 20_000;
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let keys = script.store("keys", vec![Ty::Long], StoreTy::Long, true);
    script.ir.stores[keys.index()].max_entries = 100_000;
    on_getppid(&mut script, |b| {
        // Two processors meet at each key.
        let before = b.new_var(Ty::Long);
        let result = Some((before, When::Before));
        b.emit(Op::Add { store: n, keys: Vec::new(), delta: Operand::Imm(1), result }, T);
        let key = b.binary(BinOp::Shr, Operand::Var(before), Operand::Imm(2), T);
        b.emit(Op::Add { store: keys, keys: vec![Arg::Long(key)], delta: Operand::Imm(1), result: None }, T);
    });
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(|| hammer(CALLS))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let last = stop(&handle, events).end.last.unwrap();
    let values = longs(&last.tables[1]);
    // As above: runs may be passed over, but none of those that were not is lost.
    let n_runs = values.iter().sum::<i64>();
    assert_eq!(longs(&last.tables[0]), [n_runs]);
    assert!((2 * CALLS as i64 - last.cost.missed as i64..=2 * CALLS as i64).contains(&n_runs), "{:?}", last.cost);
    let n_not_full = values.iter().filter(|n| **n != 4).count();
    assert_eq!(n_not_full, usize::from(n_runs % 4 != 0));
}

#[test]
fn prints_arrive_whole_and_in_order() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let site = script.print_site("call", 2);
    on_getppid(&mut script, |b| {
        let after = b.new_var(Ty::Long);
        b.emit(Op::Add { store: n, keys: Vec::new(), delta: Operand::Imm(1), result: Some((after, When::After)) }, T);
        let inputs = vec![Arg::Long(Operand::Var(after)), Arg::Long(Operand::Imm(-7))];
        b.emit(Op::Print { site, inputs }, T);
    });
    let body = say(&mut script, "end");
    script.user(END, body);
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    hammer(5000);
    let said = stop(&handle, events);
    let mut expected: String = (1..=5000).map(|n| format!("call {n} -7\n")).collect();
    expected.push_str("end\n");
    assert!(said.output == expected, "{} bytes of {}", said.output.len(), expected.len());
    assert!(said.warnings.is_empty(), "{:?}", said.warnings);
}

#[test]
fn one_record_after_a_rest_comes_soon() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let site = script.print_site("woken", 0);
    on_getppid(&mut script, |b| b.emit(Op::Print { site, inputs: Vec::new() }, T));
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    std::thread::sleep(Duration::from_millis(150));
    let called = Instant::now();
    hammer(1);
    assert_eq!(events.blocking_recv(), Some(SessionEvent::Output(b"woken\n".to_vec())));
    assert!(called.elapsed() < Duration::from_millis(100), "{:?}", called.elapsed());
    stop(&handle, events);
}

#[test]
fn exit_in_the_kernel_ends_the_session() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    on_getppid(&mut script, |b| b.emit(Op::Exit, T));
    let body = say(&mut script, "end");
    script.user(END, body);
    let (_handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    std::thread::sleep(Duration::from_millis(100));
    let called = Instant::now();
    hammer(1);
    let said = listen(events);
    assert_eq!(said.output, "end\n");
    assert!(called.elapsed() < Duration::from_millis(500), "{:?}", called.elapsed());
}

#[test]
fn an_error_in_the_kernel_is_told_and_ends_the_session() {
    let Some(_guard) = require_bpf() else { return };
    for (max_errors, output, n_errors) in [(Some(0), "error\n", 1), (Some(5), "end\n", 3)] {
        let mut script = Script::default();
        let zero = script.store("zero", Vec::new(), StoreTy::Long, true);
        on_getppid(&mut script, |b| {
            let dst = b.new_var(Ty::Long);
            b.emit(Op::Get { dst, store: zero, keys: Vec::new() }, T);
            let quotient = b.binary(BinOp::Div, Operand::Imm(10), Operand::Var(dst), T);
            b.emit(Op::Set { store: zero, keys: Vec::new(), value: Arg::Long(quotient) }, T);
        });
        let body = say(&mut script, "end");
        script.user(END, body);
        let body = say(&mut script, "error");
        script.user(AttachPlan::Error { order: 0 }, body);
        let (handle, mut events) = start_here(script, SessionOptions { max_errors, ..SessionOptions::default() });
        wait_started(&mut events);
        hammer(3);
        let said = stop(&handle, events);
        assert_eq!((said.output.as_str(), said.end.exit_code), (output, 1));
        assert_eq!(said.errors, vec!["division by 0"; n_errors]);
    }
}

#[test]
fn a_full_array_is_an_error() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let keys = script.store("keys", vec![Ty::Long], StoreTy::Long, true);
    script.ir.stores[keys.index()].max_entries = 10;
    on_getppid(&mut script, |b| {
        let after = b.new_var(Ty::Long);
        b.emit(Op::Add { store: n, keys: Vec::new(), delta: Operand::Imm(1), result: Some((after, When::After)) }, T);
        let key = vec![Arg::Long(Operand::Var(after))];
        b.emit(Op::Add { store: keys, keys: key, delta: Operand::Imm(1), result: None }, T);
    });
    let (handle, mut events) =
        start_here(script, SessionOptions { max_errors: Some(1000), ..SessionOptions::default() });
    wait_started(&mut events);
    hammer(15);
    let said = stop(&handle, events);
    let last = said.end.last.unwrap();
    assert_eq!((last.tables[1].rows.len(), last.tables[1].overflows), (10, 5));
    assert_eq!(said.errors.len(), 5);
    assert!(said.errors[0].starts_with("Array overflow"), "{}", said.errors[0]);
}

#[test]
fn statistics_and_switches_show_in_snapshots() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let shape = StatShape { sum: true, min: true, max: true, ..StatShape::default() };
    let stat = script.store("stat", Vec::new(), StoreTy::Stat(shape), true);
    on_getppid(&mut script, |b| b.emit(Op::Accumulate { store: stat, keys: Vec::new(), value: Operand::Imm(5) }, T));
    let options = SessionOptions { run_time_statistics: true, ..SessionOptions::default() };
    let (handle, mut events) = start_here(script, options);
    wait_started(&mut events);
    hammer(100);
    handle.send(SessionCommand::SetEnabled { probe: 0, enabled: false });
    handle.send(SessionCommand::SnapshotNow);
    let snapshot = loop {
        if let Some(SessionEvent::Snapshot(snapshot)) = events.blocking_recv() {
            break snapshot;
        }
    };
    hammer(100);
    let Datum::Stat(value) = &snapshot.tables[0].rows[0].value else { panic!() };
    assert_eq!((value.count, value.sum, value.min, value.max), (100, 500, 5, 5));
    assert_eq!(value.log2, [(4, 100)]);
    assert!(snapshot.cost.run_time_ns.is_some_and(|ns| ns > 0) && snapshot.cost.map_bytes > 0);
    handle.send(SessionCommand::Clear);
    handle.send(SessionCommand::SetEnabled { probe: 0, enabled: true });
    handle.send(SessionCommand::SnapshotNow);
    loop {
        if let Some(SessionEvent::Snapshot(snapshot)) = events.blocking_recv() {
            assert!(snapshot.tables[0].rows.is_empty());
            break;
        }
    }
    hammer(7);
    let last = stop(&handle, events).end.last.unwrap();
    assert_eq!(longs(&last.tables[0]), [7]);
}

#[test]
fn a_prepared_session_takes_over_without_a_gap() {
    let Some(_guard) = require_bpf() else { return };
    let script = || {
        let mut script = Script::default();
        let n = script.store("n", Vec::new(), StoreTy::Long, true);
        on_getppid(&mut script, count(n));
        script
    };
    let (old, mut old_events) = start_here(script(), SessionOptions::default());
    wait_started(&mut old_events);
    let prepared = prepare(plan(script(), SessionOptions::default())).unwrap_or_else(|error| panic!("{error}"));
    hammer(10);
    let (new, mut new_events) = prepared.go().unwrap_or_else(|error| panic!("{error}"));
    wait_started(&mut new_events);
    hammer(5);
    assert_eq!(longs(&stop(&old, old_events).end.last.unwrap().tables[0]), [15]);
    hammer(1);
    assert_eq!(longs(&stop(&new, new_events).end.last.unwrap().tables[0]), [6]);
}

#[test]
fn the_profiling_clock_samples() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let kind = EntryKind::PerfEvent { name: "timer.profile".to_owned() };
    script.probe(kind, AttachPlan::Profile { hz: 1000 }, None, |b| when_ours(b, count(n)));
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    let n = longs(&stop(&handle, events).end.last.unwrap().tables[0])[0];
    assert!((20..=700).contains(&n), "{n}");
}

#[test]
fn detaching_is_quick() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    on_getppid(&mut script, count(n));
    let (handle, mut events) = start_here(script, SessionOptions::default());
    wait_started(&mut events);
    let asked = Instant::now();
    stop(&handle, events);
    assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
}

#[test]
fn an_unknown_tracepoint_is_said() {
    let Some(_guard) = require_bpf() else { return };
    let mut script = Script::default();
    let n = script.store("n", Vec::new(), StoreTy::Long, true);
    let name = "no_such_tracepoint".to_owned();
    let kind = EntryKind::RawTracepoint { name: name.clone(), n_args: 0, task_arg: None };
    script.probe(kind, AttachPlan::Tracepoint { name, n_args: 0, task_arg: None }, None, count(n));
    let Err(error) = start(plan(script, SessionOptions::default())) else { panic!("it attached") };
    assert_eq!(error.to_string(), "the kernel has no tracepoint \"no_such_tracepoint\"");
}
