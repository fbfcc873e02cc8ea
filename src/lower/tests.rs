//! Programs made by hand, lowered, looked at and (the user side) run.

use std::{collections::HashMap, sync::Arc};

use tapdeck_ebpf::ir::{self, ContextField, Op, Recipe, SiteId, Space, Term, Ty};

use super::{LowerOptions, lower};
use crate::{
    builtins::{self, HostContext, Stream, Value},
    elaborate::program::*,
    language::{
        ast::{AssignOp, BinaryOp, CompareOp, Sort, SortBy},
        format::{Conversion, ConversionKind, Format, Piece, Size},
        types::Type,
    },
    probes::{
        access::{Access, AccessBase, AccessStep, Load},
        attach_plan::AttachPlan,
        site::{NoContext, ProbeSite},
    },
    runtime::{
        interpreter::{Effects, HeapStores, Interpreter, Outcome},
        plan::Lowered,
    },
    source::{FileId, Span},
};

// A tiny language for programs.

fn e(kind: ExprKind, ty: Type) -> Expr {
    Expr { kind, ty, span: Span::NONE }
}
fn n(value: i64) -> Expr {
    e(ExprKind::Long(value), Type::Long)
}
fn s(text: &str) -> Expr {
    e(ExprKind::Str(text.as_bytes().into()), Type::Str)
}
fn l(id: u32) -> Expr {
    e(ExprKind::Local(LocalId(id)), Type::Long)
}
fn ls(id: u32) -> Expr {
    e(ExprKind::Local(LocalId(id)), Type::Str)
}
fn call(name: &str, args: Vec<Expr>) -> Expr {
    let builtin = builtins::find(name, args.len()).expect(name);
    e(ExprKind::Builtin { builtin, args }, builtins::get(builtin).result)
}
fn elem(global: u32, keys: Vec<Expr>, ty: Type) -> Expr {
    e(ExprKind::Element { global: GlobalId(global), keys }, ty)
}
fn at(global: u32, keys: Vec<Expr>) -> Target {
    Target::Element { global: GlobalId(global), keys }
}
fn set(target: Target, op: AssignOp, value: Expr) -> Stmt {
    let ty = value.ty;
    expr(e(ExprKind::Assign { op, target, value: Box::new(value) }, ty))
}
fn local(id: u32, value: Expr) -> Stmt {
    set(Target::Local(LocalId(id)), AssignOp::Set, value)
}
fn expr(expr: Expr) -> Stmt {
    st(StmtKind::Expr(expr))
}
fn st(kind: StmtKind) -> Stmt {
    Stmt { kind, span: Span::NONE }
}
fn block(stmts: Vec<Stmt>) -> Stmt {
    st(StmtKind::Block(stmts))
}
fn bin(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    e(ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, Type::Long)
}
fn cmp(op: CompareOp, left: Expr, right: Expr) -> Expr {
    e(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }, Type::Long)
}
fn format(text: &str) -> Format {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(idx) = rest.find('%') {
        if idx > 0 {
            pieces.push(Piece::Text(rest.as_bytes()[..idx].to_vec()));
        }
        let kind = if &rest[idx + 1..idx + 2] == "s" { ConversionKind::String } else { ConversionKind::Signed };
        let size = Size::Default;
        pieces.push(Piece::Conversion(Conversion { flag: None, width: size, precision: size, kind }));
        rest = &rest[idx + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
    }
    Format { pieces }
}
fn printf(text: &str, args: Vec<Expr>) -> Stmt {
    expr(e(ExprKind::Print(Box::new(Print { to_string: false, format: format(text), args })), Type::Long))
}
fn sprintf(text: &str, args: Vec<Expr>) -> Expr {
    e(ExprKind::Print(Box::new(Print { to_string: true, format: format(text), args })), Type::Str)
}
fn locals(names: &[(&str, Type)]) -> Vec<Local> {
    names.iter().map(|(name, ty)| Local { name: (*name).into(), ty: *ty }).collect()
}
fn global(name: &str, keys: Vec<Type>, value: Type) -> Global {
    Global {
        name: name.into(),
        keys,
        value,
        size: None,
        wrap: false,
        init: None,
        user: true,
        hidden: false,
        write_only: false,
        pointer: false,
        stat: StatUse::default(),
        span: Span::NONE,
    }
}
fn probe(attach: AttachPlan, locals: Vec<Local>, body: Vec<Stmt>) -> Probe {
    Probe {
        sites: vec![ProbeSite {
            point: "the.point".into(),
            attach,
            func: "func".into(),
            name: "name".into(),
            scope: Arc::new(NoContext),
            vars: Vec::new(),
        }],
        locals,
        body: block(body),
        condition: None,
        written: "the.*".into(),
        via: Vec::new(),
        derivation: "".into(),
        suffix: "".into(),
        source_probe: 0,
        span: Span::new(FileId(0), 0, 5),
    }
}
const BEGIN: AttachPlan = AttachPlan::Begin { order: 0 };
const SYSCALL: AttachPlan = AttachPlan::Syscall { nr: 0, exit: false };

fn arg(number: u8) -> Expr {
    let access = Access {
        base: AccessBase::Field(ContextField::CallArg(number)),
        steps: Vec::new(),
        load: Load::Word { width: 8, signed: true },
        space: Space::User,
        type_text: "long".to_owned(),
    };
    let written = "$a".into();
    e(
        ExprKind::Context(Box::new(Context { access, base: None, operands: Vec::new(), written, missing: None })),
        Type::Long,
    )
}

fn lowered(program: &Program) -> Lowered {
    let (lowered, diagnostics) = lower(program, &LowerOptions::default());
    let messages: Vec<_> = diagnostics.iter().map(|d| &d.message).collect();
    assert!(messages.is_empty(), "{messages:?}");
    lowered
}

fn errors(program: &Program) -> Vec<String> {
    let (_, diagnostics) = lower(program, &LowerOptions::default());
    diagnostics.iter().map(|d| d.message.clone()).collect()
}

#[derive(Default)]
pub(super) struct Session {
    pub out: Vec<u8>,
    state: HashMap<String, Value>,
}
impl HostContext for Session {
    fn realtime_ns(&self) -> i64 {
        0
    }
    fn target(&self) -> i64 {
        0
    }
    fn state(&mut self) -> &mut HashMap<String, Value> {
        &mut self.state
    }
    fn warn(&mut self, _: &[u8]) {}
}
impl Effects for Session {
    fn print(&mut self, _: Stream, text: &[u8]) {
        self.out.extend_from_slice(text);
    }
    fn exit(&mut self) {
        self.out.extend_from_slice(b"<exit>");
    }
}

/// What the first handler prints, and how it ends when not well.
fn run(program: &Program) -> String {
    let lowered = Arc::new(lowered(program));
    let interpreter = Interpreter::new(lowered.clone());
    let mut stores = HeapStores::new(&lowered.ir);
    let mut session = Session::default();
    let outcome = interpreter.run_handler(ir::HandlerId(0), SiteId(0), &mut stores, &mut session);
    let mut text = String::from_utf8_lossy(&session.out).into_owned();
    match outcome {
        Outcome::Done => {}
        Outcome::Error(error) => text += &format!("<{}>", String::from_utf8_lossy(&error.message)),
        other => text += &format!("<{other:?}>"),
    }
    text
}

fn begin(globals: Vec<Global>, locals: Vec<Local>, body: Vec<Stmt>) -> Program {
    Program { globals, functions: Vec::new(), probes: vec![probe(BEGIN, locals, body)], ..Program::default() }
}

fn kernel(globals: Vec<Global>, locals: Vec<Local>, body: Vec<Stmt>) -> Program {
    Program { globals, functions: Vec::new(), probes: vec![probe(SYSCALL, locals, body)], ..Program::default() }
}

fn ops(lowered: &Lowered) -> Vec<Op> {
    let body = &lowered.ir.handlers[0].body;
    body.blocks.iter().flat_map(|block| &block.insts).map(|inst| inst.op.clone()).collect()
}

#[test]
fn arithmetic_and_loops() {
    let program = begin(
        Vec::new(),
        locals(&[("i", Type::Long), ("sum", Type::Long)]),
        vec![
            st(StmtKind::Loop {
                init: Some(e(
                    ExprKind::Assign { op: AssignOp::Set, target: Target::Local(LocalId(0)), value: Box::new(n(1)) },
                    Type::Long,
                )),
                cond: Some(cmp(CompareOp::Le, l(0), n(10))),
                step: Some(e(
                    ExprKind::Crement { increment: true, prefix: false, target: Target::Local(LocalId(0)) },
                    Type::Long,
                )),
                body: Box::new(block(vec![
                    st(StmtKind::If {
                        cond: cmp(CompareOp::Eq, l(0), n(5)),
                        then: Box::new(st(StmtKind::Continue)),
                        otherwise: None,
                    }),
                    set(Target::Local(LocalId(1)), AssignOp::Binary(BinaryOp::Add), l(0)),
                ])),
            }),
            printf("%d %d\n", vec![l(0), l(1)]),
        ],
    );
    assert_eq!(run(&program), "11 50\n");
}

#[test]
fn operands_are_evaluated_left_to_right() {
    let crement =
        e(ExprKind::Crement { increment: true, prefix: false, target: Target::Local(LocalId(0)) }, Type::Long);
    let program = begin(
        Vec::new(),
        locals(&[("x", Type::Long), ("y", Type::Long)]),
        vec![local(0, n(3)), local(1, bin(BinaryOp::Add, l(0), crement)), printf("%d %d", vec![l(0), l(1)])],
    );
    assert_eq!(run(&program), "4 6");
}

#[test]
fn arrays_foreach_and_errors() {
    let program = begin(
        vec![global("a", vec![Type::Str], Type::Long)],
        locals(&[("k", Type::Str), ("v", Type::Long), ("m", Type::Str)]),
        vec![
            set(at(0, vec![s("x")]), AssignOp::Set, n(2)),
            set(at(0, vec![s("y")]), AssignOp::Binary(BinaryOp::Add), n(7)),
            set(at(0, vec![s("y")]), AssignOp::Binary(BinaryOp::Sub), n(2)),
            st(StmtKind::Try {
                body: Box::new(st(StmtKind::Foreach(Box::new(Foreach {
                    value: Some(LocalId(1)),
                    keys: vec![LocalId(0)],
                    base: ForeachBase::Array(GlobalId(0)),
                    slice: Vec::new(),
                    sort: Some(Sort { by: SortBy::Value, descending: true }),
                    limit: None,
                    body: block(vec![
                        printf("%s=%d ", vec![ls(0), l(1)]),
                        st(StmtKind::If {
                            cond: cmp(CompareOp::Eq, ls(0), s("x")),
                            then: Box::new(expr(call("error", vec![sprintf("at %s", vec![ls(0)])]))),
                            otherwise: None,
                        }),
                    ]),
                })))),
                var: Some(LocalId(2)),
                catch: Box::new(printf("caught %s\n", vec![ls(2)])),
            }),
            printf("%d", vec![bin(BinaryOp::Div, n(1), elem(0, vec![s("none")], Type::Long))]),
        ],
    );
    assert_eq!(run(&program), "y=5 x=2 caught at x\n<division by 0>");
}

#[test]
fn short_strings_make_short_keys() {
    let program = kernel(
        vec![global("a", vec![Type::Str, Type::Long], Type::Long)],
        Vec::new(),
        vec![expr(e(
            ExprKind::Crement {
                increment: true,
                prefix: false,
                target: at(0, vec![call("execname", vec![]), call("pid", vec![])]),
            },
            Type::Long,
        ))],
    );
    let lowered = lowered(&program);
    assert_eq!(lowered.ir.stores[0].keys, [Ty::Str { cap: 16 }, Ty::Long]);
    assert!(lowered.ir.stores[0].in_kernel);
    assert!(matches!(ops(&lowered).last(), Some(Op::Add { delta: ir::Operand::Imm(1), result: None, .. })));
}

#[test]
fn text_is_made_where_it_is_printed() {
    // argstr = sprintf("%s, %d", user_string_quoted($a), $b);  printf("%s(%s)\n", name, argstr)
    let argstr = sprintf("%s, %d", vec![call("user_string_quoted", vec![arg(0)]), arg(1)]);
    let program = kernel(
        Vec::new(),
        locals(&[("argstr", Type::Str)]),
        vec![local(0, argstr), printf("%s(%s)\n", vec![call("__site_name", vec![]), ls(0)])],
    );
    let lowered = lowered(&program);
    let site = lowered.ir.print_sites.last().unwrap();
    assert_eq!(site.inputs.len(), 4, "{:?}", site.inputs);
    assert!(matches!(&site.args[..], [Recipe::Input(0), Recipe::Apply { args, .. }] if args.len() == 3));
    assert!(!ops(&lowered).iter().any(|op| matches!(op, Op::Sprint { .. } | Op::Host { .. })));
    assert!(lowered.ir.functions[0].pure_);
}

#[test]
fn literals_become_part_of_the_format() {
    let program = kernel(
        Vec::new(),
        Vec::new(),
        vec![printf("%s %s\n", vec![s("a"), e(ExprKind::Concat(vec![s("b"), call("execname", vec![])]), Type::Str)])],
    );
    let lowered = lowered(&program);
    assert_eq!(lowered.formats[0], format("a b%s\n"));
    assert_eq!(lowered.ir.print_sites[0].inputs, [ir::InputTy::Str { cap: 16 }]);
}

#[test]
fn text_needed_in_the_kernel_is_made_there() {
    let program = kernel(
        vec![global("a", vec![Type::Str], Type::Long)],
        locals(&[("t", Type::Str)]),
        vec![
            local(0, sprintf("%s:%d", vec![call("execname", vec![]), call("pid", vec![])])),
            set(at(0, vec![ls(0)]), AssignOp::Set, n(1)),
            printf("%s\n", vec![ls(0)]),
        ],
    );
    let lowered = lowered(&program);
    let sprints = ops(&lowered).iter().filter(|op| matches!(op, Op::Sprint { .. })).count();
    assert_eq!(sprints, 1);
    assert_eq!(lowered.ir.print_sites[0].kernel_format.as_deref(), Some(&b"%s:%lld"[..]));
}

#[test]
fn only_the_chosen_side_is_read() {
    let text = e(
        ExprKind::Ternary {
            cond: Box::new(arg(0)),
            then: Box::new(call("kernel_string", vec![arg(0)])),
            otherwise: Box::new(s("none")),
        },
        Type::Str,
    );
    let lowered = lowered(&kernel(Vec::new(), Vec::new(), vec![printf("%s\n", vec![text])]));
    let blocks = &lowered.ir.handlers[0].body.blocks;
    let reading = blocks.iter().position(|block| block.insts.iter().any(|inst| matches!(inst.op, Op::ReadStr { .. })));
    assert!(matches!(blocks[0].term, Term::Branch { then, .. } if Some(then.index()) == reading));
}

#[test]
fn refusals_say_why() {
    // Its body reads memory, so that user space cannot do it.
    let foreach = st(StmtKind::Foreach(Box::new(Foreach {
        value: None,
        keys: vec![LocalId(0)],
        base: ForeachBase::Array(GlobalId(0)),
        slice: Vec::new(),
        sort: Some(Sort { by: SortBy::Key(0), descending: false }),
        limit: None,
        body: block(vec![expr(call("kernel_int", vec![l(0)]))]),
    })));
    let globals = vec![global("a", vec![Type::Long], Type::Str)];
    let program = kernel(
        globals,
        locals(&[("k", Type::Long), ("t", Type::Str)]),
        vec![
            foreach,
            local(1, call("user_string_quoted", vec![arg(0)])),
            set(at(0, vec![n(1)]), AssignOp::Set, ls(1)),
            st(StmtKind::Delete { global: GlobalId(0), keys: vec![None] }),
            expr(call("printk", vec![n(1), s("x")])),
        ],
    );
    expect_test::expect![[r#"
        [
            "an event handler cannot sort an array",
            "function 'printk' is not available: eBPF programs may not write to the kernel log",
        ]"#]]
    .assert_eq(&format!("{:#?}", errors(&program)));
}

#[test]
fn context_is_read_step_by_step() {
    let access = Access {
        base: AccessBase::Field(ContextField::CallArg(1)),
        steps: vec![AccessStep::Offset(8), AccessStep::Deref, AccessStep::Offset(16), AccessStep::Index { size: 4 }],
        load: Load::BitField { width: 4, shift: 3, bits: 5, signed: false },
        space: Space::Kernel,
        type_text: "int".to_owned(),
    };
    let context = Context { access, base: None, operands: vec![n(2)], written: "$x->y[2]".into(), missing: None };
    let value = e(ExprKind::Context(Box::new(context)), Type::Long);
    let lowered = lowered(&kernel(Vec::new(), Vec::new(), vec![printf("%d\n", vec![value])]));
    let text: Vec<String> = ops(&lowered).iter().map(|op| format!("{op:?}")).collect();
    expect_test::expect![[r#"
        Context { dst: Var(0), field: CallArg(1) }
        Binary { op: Add, dst: Var(1), a: Var(Var(0)), b: Imm(8) }
        Read { dst: Var(2), space: Kernel, addr: Var(Var(1)), width: 8, signed: false, on_fault: Raise(StrId(0)) }
        Binary { op: Add, dst: Var(3), a: Var(Var(2)), b: Imm(24) }
        Read { dst: Var(4), space: Kernel, addr: Var(Var(3)), width: 4, signed: false, on_fault: Raise(StrId(0)) }
        Binary { op: Shl, dst: Var(5), a: Var(Var(4)), b: Imm(56) }
        Binary { op: Lsr, dst: Var(6), a: Var(Var(5)), b: Imm(59) }
        Print { site: PrintId(0), inputs: [Long(Var(Var(6)))] }"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn overloads_go_on_with_next() {
    let function = |body: Vec<Stmt>, next: Option<u32>| Function {
        name: "f".into(),
        n_params: 1,
        locals: locals(&[("x", Type::Long)]),
        ret: Type::Str,
        body: block(body),
        next_overload: next.map(FunctionId),
        overloaded: true,
        of_library: false,
        span: Span::NONE,
    };
    let when = |value: i64, then: Stmt| {
        st(StmtKind::If { cond: cmp(CompareOp::Ne, l(0), n(value)), then: Box::new(then), otherwise: None })
    };
    let next = || st(StmtKind::Next);
    let give = |text: &str| st(StmtKind::Return(Some(s(text))));
    let functions =
        vec![function(vec![when(1, next()), give("one")], Some(1)), function(vec![when(2, next()), give("two")], None)];
    let called = |value| e(ExprKind::Call { function: FunctionId(0), args: vec![n(value)] }, Type::Str);
    let body = vec![printf("%s %s\n", vec![called(1), called(2)]), printf("%s\n", vec![called(3)])];
    let program = Program { functions, probes: vec![probe(BEGIN, Vec::new(), body)], ..Program::default() };
    assert_eq!(run(&program), "one two\n<all functions exhausted>");
}

#[test]
fn syscalls_share_an_entry() {
    let program = Program {
        probes: vec![
            probe(SYSCALL, Vec::new(), Vec::new()),
            probe(AttachPlan::Syscall { nr: 7, exit: false }, Vec::new(), Vec::new()),
            probe(AttachPlan::Syscall { nr: 7, exit: true }, Vec::new(), Vec::new()),
            probe(BEGIN, Vec::new(), Vec::new()),
            probe(AttachPlan::Never, Vec::new(), Vec::new()),
        ],
        ..Program::default()
    };
    let lowered = lowered(&program);
    let kinds: Vec<_> = lowered.ir.entries.iter().map(|entry| (entry.kind.clone(), entry.runs.len())).collect();
    assert_eq!(kinds, [(ir::EntryKind::SysEnter, 2), (ir::EntryKind::SysExit, 1), (ir::EntryKind::User, 1)]);
    assert_eq!(lowered.ir.entries[0].runs[1].syscall, Some(7));
    assert_eq!(lowered.attach[2], [BEGIN]);
}
