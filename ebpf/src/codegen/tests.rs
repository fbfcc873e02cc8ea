use expect_test::expect;

use std::sync::Arc;

use super::*;
use crate::{ir::*, isa};

const NO: SourceTag = SourceTag::NONE;

pub fn target() -> Target {
    Target {
        n_cpus: 2,
        may_goto: true,
        for_each_map_elem: true,
        bpf_loop: true,
        lookup_percpu: true,
        snprintf: true,
        current_task: CurrentTask::ByHelper,
        task_pt_regs: true,
        direct_reads: DirectReads::Never,
        types: None,
        offsets: TaskOffsets { comm: Some(1752), ..TaskOffsets::default() },
        ring_bytes: 4096,
        stores_in_order: true,
        timing: false,
        live_probes: false,
        live_histograms: false,
    }
}

fn program(stores: Vec<StoreDecl>, b: BodyBuilder) -> Program {
    Program {
        stores,
        handlers: vec![Handler { name: "syscall.read".into(), probe: 0, body: b.finish(NO), tag: NO }],
        sites: vec![SiteData::default()],
        entries: vec![Entry {
            kind: EntryKind::SysEnter,
            runs: vec![Run { handler: HandlerId(0), site: SiteId(0), syscall: Some(0) }],
        }],
        ..Program::default()
    }
}

fn scalar(name: &str) -> StoreDecl {
    StoreDecl {
        name: name.into(),
        keys: vec![],
        value: StoreTy::Long,
        max_entries: 1,
        sized: false,
        wrap: false,
        init: None,
        in_kernel: true,
    }
}

#[test]
fn a_counter_is_a_few_instructions() {
    let mut b = BodyBuilder::new();
    b.emit(Op::Add { store: StoreId(0), keys: vec![], delta: Operand::Imm(1), result: None }, NO);
    let object = generate(&program(vec![scalar("n")], b), &target()).unwrap();
    expect![[r#"
        sys_enter
           0: r2 = &control[0]+0
           2: r2 = *(u32 *)(r2 +0)
           3: if r2 != 1 goto 12
           4: r0 = *(u64 *)(r1 +8)
           5: *(u64 *)(r10 -56) = r0
           6: r2 = *(u64 *)(r10 -56)
           7: if r2 != 0 goto 12
           8: r0 = &scalars[0]+0
          10: r1 = 1
          11: lock *(u64 *)(r0 +0) += r1
          12: r0 = 0
          13: exit
    "#]]
    .assert_eq(&format!("sys_enter\n{}", isa::listing(&object, &object.programs[0])));
}

#[test]
fn what_seldom_happens_is_a_function_of_its_own() {
    let mut b = BodyBuilder::new();
    for _ in 0..3 {
        let (dst, x) = (b.new_var(Ty::Long), b.new_var(Ty::Long));
        b.emit(Op::Context { dst: x, field: ContextField::SyscallNr }, NO);
        b.emit(Op::Binary { op: BinOp::Div, dst, a: Operand::Imm(9), b: Operand::Var(x) }, NO);
        b.emit(Op::Add { store: StoreId(0), keys: vec![], delta: Operand::Var(dst), result: None }, NO);
    }
    let object = generate(&program(vec![scalar("n")], b), &target()).unwrap();
    let program = &object.programs[0];
    let names: Vec<&str> = program.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["sys_enter", "sys_enter_report"]);
    let listing = isa::listing(&object, program);
    let report = program.functions[1].insn;
    assert_eq!(listing.matches(&format!("call {report}\n")).count(), 3, "{listing}");
}

#[test]
fn what_the_kernel_cannot_do_says_where() {
    let mut b = BodyBuilder::new();
    b.emit(Op::Host { function: 0, dst: None, args: vec![] }, SourceTag(7));
    let error = generate(&program(vec![], b), &target()).unwrap_err();
    assert_eq!(error.tag, SourceTag(7));
    expect!["a host function needs a user-space handler"].assert_eq(&error.reason);
}

#[test]
fn without_new_features_there_is_a_reason() {
    let old = Target { lookup_percpu: false, for_each_map_elem: false, ..target() };
    let stat = StoreDecl { value: StoreTy::Stat(StatShape::default()), ..scalar("s") };
    let mut b = BodyBuilder::new();
    let dst = b.new_var(Ty::Long);
    b.emit(Op::Extract { dst, store: StoreId(0), keys: vec![], op: Extractor::Count }, SourceTag(3));
    b.emit(Op::Add { store: StoreId(1), keys: vec![], delta: Operand::Var(dst), result: None }, NO);
    let error = generate(&program(vec![stat, scalar("n")], b), &old).unwrap_err();
    assert_eq!(error.tag, SourceTag(3));
    assert!(error.reason.contains("Linux 5.19"), "{error}");
}

#[test]
fn a_loop_is_a_callback_where_there_is_no_may_goto() {
    let names = |may_goto, for_each_map_elem, bpf_loop| {
        let mut b = BodyBuilder::new();
        let i = b.new_var(Ty::Long);
        let (head, round, done) = (b.new_block(), b.new_block(), b.new_block());
        b.emit(Op::Copy { dst: i, src: Operand::Imm(3) }, NO);
        b.jump(head, NO);
        b.switch_to(head);
        b.terminate(Term::Branch { cond: Operand::Var(i), then: round, otherwise: done }, NO);
        b.switch_to(round);
        let less = b.binary(BinOp::Sub, Operand::Var(i), Operand::Imm(1), NO);
        b.emit(Op::Copy { dst: i, src: less }, NO);
        b.emit(Op::Add { store: StoreId(0), keys: vec![], delta: Operand::Imm(1), result: None }, NO);
        b.jump(head, NO);
        b.switch_to(done);
        let target = Target { may_goto, for_each_map_elem, bpf_loop, ..target() };
        let object = generate(&program(vec![scalar("n")], b), &target).unwrap();
        let program = &object.programs[0];
        let calls = isa::listing(&object, program);
        let calls = calls.lines().filter_map(|line| line.split_once("call ")).map(|(_, name)| name.to_owned());
        let calls: Vec<String> = calls.filter(|name| name.contains("loop") || name.contains("each")).collect();
        (program.functions.iter().filter(|function| function.name.ends_with("_each")).count(), calls.join(" "))
    };
    assert_eq!(names(true, true, true), (0, String::new()));
    assert_eq!(names(false, true, true), (1, "loop".to_owned()));
    assert_eq!(names(false, true, false), (1, "for_each_map_elem".to_owned()));
    assert_eq!(names(false, false, false), (0, String::new()));
}

#[test]
fn what_nobody_reads_is_not_computed() {
    let mut b = BodyBuilder::new();
    let dst = b.new_var(Ty::Str { cap: 512 });
    let addr = Operand::Imm(1);
    b.emit(Op::ReadStr { dst, space: Space::User, addr, max: None, on_fault: OnFault::Zero }, NO);
    let object = generate(&program(vec![], b), &target()).unwrap();
    assert!(!isa::listing(&object, &object.programs[0]).contains("call"));
    assert!(object.maps.iter().all(|map| map.name != "scratch"));
}

#[test]
fn what_only_feeds_itself_is_not_computed() {
    let mut b = BodyBuilder::new();
    let (needless, n) = (b.new_var(Ty::Long), b.new_var(Ty::Long));
    let (head, out) = (b.new_block(), b.new_block());
    b.jump(head, NO);
    b.switch_to(head);
    b.emit(Op::Binary { op: BinOp::Mul, dst: needless, a: Operand::Var(needless), b: Operand::Imm(77) }, NO);
    b.emit(Op::Binary { op: BinOp::Add, dst: n, a: Operand::Var(n), b: Operand::Imm(5) }, NO);
    let more = b.compare(CmpOp::Lt, Operand::Var(n), Operand::Imm(100), NO);
    b.branch(more, head, out, NO);
    b.switch_to(out);
    b.emit(Op::Add { store: StoreId(0), keys: vec![], delta: Operand::Var(n), result: None }, NO);
    let object = generate(&program(vec![scalar("n")], b), &target()).unwrap();
    let listing = isa::listing(&object, &object.programs[0]);
    assert!(listing.contains("+= 5") && !listing.contains("*= 77"), "{listing}");
}

/// A program that samples by a number, and counts by one as well.
fn counting(direct_reads: DirectReads) -> Object {
    let by_number = |value| StoreDecl { keys: vec![Ty::Long], max_entries: 10, value, ..scalar("a") };
    let sampled = StatShape { min: true, max: true, ..StatShape::default() };
    let mut b = BodyBuilder::new();
    let x = b.new_var(Ty::Long);
    b.emit(Op::Context { dst: x, field: ContextField::SyscallNr }, NO);
    let keys = vec![Arg::Long(Operand::Var(x))];
    b.emit(Op::Accumulate { store: StoreId(0), keys: keys.clone(), value: Operand::Var(x) }, NO);
    b.emit(Op::Add { store: StoreId(1), keys, delta: Operand::Imm(1), result: None }, NO);
    let stores = vec![by_number(StoreTy::Stat(sampled)), by_number(StoreTy::Long)];
    generate(&program(stores, b), &Target { direct_reads, ..target() }).unwrap()
}

#[test]
fn whether_a_key_is_in_front_or_not_it_is_sampled_by_the_same_code() {
    let object = counting(DirectReads::Never);
    let listing = isa::listing(&object, &object.programs[0]);
    assert!(object.maps.iter().any(|map| map.name == "front0"), "{listing}");
    assert_eq!((listing.matches(" s<= ").count(), listing.matches(" s>= ").count()), (1, 1), "{listing}");
}

#[test]
fn elements_are_made_by_functions_where_those_may_be_given_keys() {
    let n_inserts = |object: &Object| {
        let program = &object.programs[0];
        let functions = program.functions.iter().filter(|function| function.name.ends_with("_insert"));
        (functions.count(), isa::listing(object, program).matches("call map_update_elem").count())
    };
    assert_eq!(n_inserts(&counting(DirectReads::Never)), (0, 2));
    assert_eq!(n_inserts(&counting(DirectReads::ByCast(Cast { function: 77, types: [0; 4] }))), (2, 2));
}

/// Argument 0 of every function points to structure 1, which has a pointer to structure 2 at 16 and a number behind it.
#[derive(Debug)]
struct TwoStructures;

impl KernelTypes for TwoStructures {
    fn function_word(&self, _: u32, argument: Option<u8>) -> Known {
        if argument == Some(0) { Known::Pointer(1) } else { Known::Number }
    }

    fn member(&self, structure: u32, offset: u32, width: u8) -> Known {
        match (structure, offset, width) {
            (1, 16, 8) => Known::Pointer(2),
            (1, 24, 4) | (2, 4, 4) => Known::Number,
            _ => Known::Unknown,
        }
    }
}

/// `n += arg->at_16->at_4`, or that of another value than the argument, in a trampoline.
fn two_steps(first: impl Fn(&mut BodyBuilder, Operand) -> Operand, target: &Target) -> String {
    let mut b = BodyBuilder::new();
    let read = |b: &mut BodyBuilder, base, offset, width| {
        let (addr, dst) = (b.binary(BinOp::Add, base, Operand::Imm(offset), NO), b.new_var(Ty::Long));
        let on_fault = OnFault::Raise(StrId(0));
        b.emit(Op::Read { dst, space: Space::Kernel, addr, width, signed: false, on_fault }, NO);
        Operand::Var(dst)
    };
    let argument = b.new_var(Ty::Long);
    b.emit(Op::Context { dst: argument, field: ContextField::CallArg(0) }, NO);
    let base = first(&mut b, Operand::Var(argument));
    let inner = read(&mut b, base, 16, 8);
    let number = read(&mut b, inner, 4, 4);
    b.emit(Op::Add { store: StoreId(0), keys: vec![], delta: number, result: None }, NO);
    let mut program = program(vec![scalar("n")], b);
    program.strings.push(b"fault".to_vec());
    program.entries[0].kind =
        EntryKind::Fentry { function: "f".into(), module: None, btf_id: 7, n_args: 2, exit: false };
    let object = generate(&program, target).unwrap();
    let program = &object.programs[0];
    let whole = isa::listing(&object, program);
    // Without the functions behind it.
    let end = program.functions.get(1).map_or(usize::MAX, |f| f.insn as usize);
    whole
        .lines()
        .filter(|line| line.split(':').next().is_some_and(|n| n.trim().parse().is_ok_and(|n: usize| n < end)))
        .fold(String::new(), |text, line| text + line.trim_start() + "\n")
}

#[test]
fn members_behind_arguments_are_loaded() {
    let by_type = Target { direct_reads: DirectReads::ByType, types: Some(Arc::new(TwoStructures)), ..target() };
    let same = |_: &mut BodyBuilder, argument| argument;
    let text = two_steps(same, &by_type);
    assert!(!text.contains("probe_read"), "{text}");
    expect![[r#"
        0: *(u64 *)(r10 -8) = r1
        1: r2 = &control[0]+0
        3: r2 = *(u32 *)(r2 +0)
        4: if r2 != 1 goto 57
        5: r1 = *(u64 *)(r10 -8)
        6: r0 = *(u64 *)(r1 +0)
        7: r6 = r0
        8: r0 = r6
        9: r0 += 16
        10: r6 = r0
        11: r0 = *(u64 *)(r6 +0)
        12: if r0 == 0 goto 40
        13: r6 = r0
        14: r0 = r6
        15: r0 += 4
        16: r6 = r0
        17: r0 = *(u32 *)(r6 +0)
        18: if r0 == 0 goto 24
        19: r6 = r0
        20: r0 = &scalars[0]+0
        22: lock *(u64 *)(r0 +0) += r6
        23: goto 57
        24: r1 = r6
        25: r1 = -r1
        26: r1 = -r1
        27: r2 = 4
        28: call 59
        29: if r0 != 0 goto 31
        30: goto 19
        31: r4 = 0
        32: r3 = r6
        33: r3 = -r3
        34: r3 = -r3
        35: r2 = 0xffffffff00000000 ll
        37: r1 = 3
        38: call 67
        39: goto 57
        40: *(u64 *)(r10 -32) = r0
        41: r1 = r6
        42: r1 = -r1
        43: r1 = -r1
        44: r2 = 8
        45: call 59
        46: if r0 != 0 goto 49
        47: r0 = *(u64 *)(r10 -32)
        48: goto 13
        49: r4 = 0
        50: r3 = r6
        51: r3 = -r3
        52: r3 = -r3
        53: r2 = 0xffffffff00000000 ll
        55: r1 = 3
        56: call 67
        57: r0 = 0
        58: exit
    "#]]
    .assert_eq(&text);
    // The helper where nothing is known, and where the verifier cannot know any more.
    let unknown = Target { types: None, ..by_type.clone() };
    assert_eq!(two_steps(same, &unknown).matches("call probe_read_kernel").count(), 2);
    let masked = |b: &mut BodyBuilder, argument| b.binary(BinOp::And, argument, Operand::Imm(-8), NO);
    let text = two_steps(masked, &by_type);
    assert_eq!(text.matches("call probe_read_kernel").count(), 2, "{text}");
    assert!(text.contains("r0 = -r0"), "what is calculated with is a number: {text}");
    // Anything goes with a cast.
    let cast = DirectReads::ByCast(Cast { function: 77, types: [10, 20, 40, 80] });
    let text = two_steps(masked, &Target { direct_reads: cast, ..by_type });
    assert!(!text.contains("probe_read"), "{text}");
    assert!(text.contains("r2 = 80\n") && text.contains("r2 = 40\n"), "{text}");
    assert_eq!(text.matches("call kernel#77").count(), 2, "{text}");
}

/// Two handlers that want the process id, run from this entry.
fn who_twice(entry: &str) -> Object {
    let mut text = "limits string=512 action=1000 action_user=0 nesting=10\n\
                    store g0 \"n\" [] -> long max=1 kernel\n\
                    site site0 pp=\"\" pn=\"\" func=\"\" name=\"\"\n"
        .to_owned();
    for n in 0..2 {
        text += &format!(
            "handler h{n} \"h{n}\" probe={n} {{\n var v0: long\nb0:\n v0 = intrinsic pid()\n increase g0 v0\n return\n}}\n"
        );
    }
    let program = parse(&(text + entry)).unwrap_or_else(|error| panic!("{error}"));
    let offsets = TaskOffsets { tgid: Some(1268), ..TaskOffsets::default() };
    generate(&program, &Target { offsets, ..target() }).unwrap()
}

#[test]
fn handlers_of_one_event_ask_for_the_task_once() {
    let n_calls = |entry: &str| {
        let object = who_twice(entry);
        isa::listing(&object, &object.programs[0]).matches("call get_current_task_btf").count()
    };
    assert_eq!(n_calls("entry tracepoint \"sched_switch\" args=4 { h0 site0 h1 site0 }"), 1);
    assert_eq!(n_calls("entry sys_exit { h0 site0 nr=0 h1 site0 nr=1 }"), 1);
    // Other calls are not to pay for what these want.
    assert_eq!(n_calls("entry sys_enter { h0 site0 nr=0 h1 site0 nr=1 }"), 2);
}

#[test]
fn rounds_of_a_loop_begin_alike() {
    let keyed = StoreDecl { keys: vec![Ty::Long], max_entries: 10, ..scalar("a") };
    let mut b = BodyBuilder::new();
    let i = b.new_var(Ty::Long);
    let (head, odd, even, next, done) = (b.new_block(), b.new_block(), b.new_block(), b.new_block(), b.new_block());
    b.jump(head, NO);
    b.switch_to(head);
    let goes_on = b.compare(CmpOp::Lt, Operand::Var(i), Operand::Imm(9), NO);
    b.branch(goes_on, odd, done, NO);
    b.switch_to(odd);
    let is_odd = b.binary(BinOp::And, Operand::Var(i), Operand::Imm(1), NO);
    b.branch(is_odd, even, next, NO);
    b.switch_to(even);
    let keys = vec![Arg::Long(Operand::Var(i))];
    b.emit(Op::Add { store: StoreId(0), keys, delta: Operand::Imm(1), result: None }, NO);
    b.jump(next, NO);
    b.switch_to(next);
    b.emit(Op::Binary { op: BinOp::Add, dst: i, a: Operand::Var(i), b: Operand::Imm(1) }, NO);
    b.jump(head, NO);
    b.switch_to(done);
    let object = generate(&program(vec![keyed], b), &target()).unwrap();
    let listing = isa::listing(&object, &object.programs[0]);
    // Its number is one the verifier knows nothing of, and nothing is left of the round before; where ways meet as well.
    let hidden = format!("r1 = &control[0]+{}", crate::layout::control::ZERO);
    assert_eq!(listing.matches(&hidden).count(), 2, "{listing}");
    assert_eq!(listing.matches("r6 ^= r1").count(), 2, "{listing}");
    assert_eq!(listing.matches("*(u64 *)(r10 -40) = 0").count(), 2, "{listing}");
}

#[test]
fn handlers_of_one_event_that_are_much_go_on_in_other_programs() {
    let handler = |probe| {
        let mut b = BodyBuilder::new();
        for _ in 0..1000 {
            b.emit(
                Op::Add { store: StoreId(0), keys: vec![], delta: Operand::Imm(1 + i64::from(probe)), result: None },
                NO,
            );
        }
        Handler { name: "tick".into(), probe, body: b.finish(NO), tag: NO }
    };
    let kind = EntryKind::RawTracepoint { name: "sched_switch".into(), n_args: 2, task_arg: None };
    let run = |n| Run { handler: HandlerId(n), site: SiteId(0), syscall: None };
    let many = |n: u32| Program {
        stores: vec![scalar("n")],
        handlers: (0..n).map(handler).collect(),
        sites: vec![SiteData::default()],
        entries: vec![Entry { kind: kind.clone(), runs: (0..n).map(run).collect() }],
        ..Program::default()
    };
    let object = generate(&many(5), &target()).unwrap();
    let shown = |program: &crate::object::ProgramDef| (program.entry, program.tail.map(|(_, index)| index));
    let shown: Vec<_> = object.programs.iter().map(shown).collect();
    assert_eq!(shown, [(Some(0), None), (None, Some(0)), (None, Some(1))]);
    assert!(object.programs.iter().all(|program| program.code.len() / 8 < 10_000));
    let error = generate(&many(70), &target()).unwrap_err();
    expect!["the handlers of this event are too large together"].assert_eq(&error.reason);
}
