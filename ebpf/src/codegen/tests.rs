use expect_test::expect;

use super::*;
use crate::{ir::*, isa};

const NO: SourceTag = SourceTag::NONE;

fn target() -> Target {
    Target {
        n_cpus: 2,
        may_goto: true,
        for_each_map_elem: true,
        lookup_percpu: true,
        snprintf: true,
        current_task_btf: true,
        task_pt_regs: true,
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
fn what_nobody_reads_is_not_computed() {
    let mut b = BodyBuilder::new();
    let dst = b.new_var(Ty::Str { cap: 512 });
    let addr = Operand::Imm(1);
    b.emit(Op::ReadStr { dst, space: Space::User, addr, max: None, on_fault: OnFault::Zero }, NO);
    let object = generate(&program(vec![], b), &target()).unwrap();
    assert!(!isa::listing(&object, &object.programs[0]).contains("call"));
    assert!(object.maps.iter().all(|map| map.name != "scratch"));
}
