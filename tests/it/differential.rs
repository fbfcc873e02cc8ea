//! One IR, two executors: random programs run in the interpreter and, through BPF_PROG_TEST_RUN, in the kernel. What they
//! print, how they end and what their globals hold must agree.
//!
//! `PROPTEST_CASES=1000 cargo test differential` runs more of them.

use std::sync::Arc;

use proptest::{prelude::*, test_runner::TestRunner};
use tapdeck::{
    builtins::Stream,
    language::format::{Conversion, ConversionKind, Format, Piece, Size},
    runtime::plan::{HistStyle, Lowered},
};
use tapdeck_ebpf::ir::*;

use crate::executors::{NoRun, interpret, run_in_kernel, target};

// ---- programs as trees, so that failures shrink -----------------------------------------------------------------------

/// A number.
#[derive(Clone, Debug)]
enum Num {
    Imm(i64),
    Local(u8),
    Global(u8),
    /// `n[key & 7]`
    Element(Box<Num>),
    /// `t[text]`
    ByText(Box<Text>),
    Binary(BinOp, Box<Num>, Box<Num>),
    Compare(CmpOp, Box<Num>, Box<Num>),
    Unary(UnOp, Box<Num>),
    TextCompare(CmpOp, Box<Text>, Box<Text>),
    Length(Box<Text>),
    ByteAt(Box<Text>, Box<Num>),
    ToNumber(Box<Text>, u8),
    IsIn(Box<Text>, Box<Text>),
    /// `text =~ PATTERNS[n]`, or `!~`.
    Matches(Box<Text>, u8, bool),
    /// `@op(s[key & 7])`
    Extract(Extractor, Box<Num>),
    /// `@op(x)`
    ExtractScalar(Extractor),
    Has(Box<Num>),
    /// `n[key & 7] += delta`
    Increase(Box<Num>, Box<Num>, When),
    /// A recursive function: `f(x & 7) = x ? f(x - 1) + x : 0`.
    Recurse(Box<Num>),
    /// A function that divides: `100 / x`.
    Divide(Box<Num>),
}

#[derive(Clone, Debug)]
enum Text {
    Literal(u8),
    Local(u8),
    Global,
    /// `w[key & 7]`
    Element(Box<Num>),
    Concat(Box<Text>, Box<Text>),
    Part(Box<Text>, Box<Num>, Box<Num>),
    Char(Box<Num>),
    /// A function: `x . x`, cut to 15 bytes.
    Twice(Box<Text>),
}

#[derive(Clone, Debug)]
enum Stmt {
    SetLocal(u8, Num),
    SetTextLocal(u8, Text),
    SetGlobal(u8, Num),
    SetTextGlobal(Text),
    SetElement(Num, Num),
    SetTextElement(Num, Text),
    SetByText(Text, Num),
    Delete(Num),
    DeleteGlobal(u8),
    DeleteStat(Num),
    Clear,
    Sample(Num, Num),
    SampleScalar(Num),
    If(Num, Vec<Stmt>, Vec<Stmt>),
    /// Runs its body so many times.
    Repeat(u8, Vec<Stmt>),
    /// `foreach (k in n) g1 += k * 3 + n[k]`: the order does not matter.
    SumUp,
    Try(Vec<Stmt>, Vec<Stmt>),
    Raise(Text),
    Print(Num, Text),
    Next,
}

const LITERALS: [&str; 7] = ["", "a", "ab", "b12", "-42x", "0x1f", "a text that is longer than sixteen bytes"];

const PATTERNS: [&str; 9] =
    ["", "a", "^a?b", "b12$", "(?:ab)+", "^[^-]*$", "[0-9]{2,}", "(?:a|b|ab)*-", "long.*six|x1f$|^t"];

fn num() -> impl Strategy<Value = Num> {
    let leaf = prop_oneof![
        prop_oneof![Just(0), Just(1), Just(-1), -9..10i64, Just(i64::MIN), Just(i64::MAX), any::<i64>()]
            .prop_map(Num::Imm),
        (0..3u8).prop_map(Num::Local),
        (0..2u8).prop_map(Num::Global),
    ];
    leaf.prop_recursive(2, 6, 3, |num| {
        let text = text_of(num.clone());
        let b = |num: &BoxedStrategy<Num>| num.clone().prop_map(Box::new);
        let num = num.boxed();
        let extractor = prop_oneof![
            Just(Extractor::Count),
            Just(Extractor::Sum),
            Just(Extractor::Min),
            Just(Extractor::Max),
            Just(Extractor::Avg),
        ];
        let t = || text.clone().prop_map(Box::new);
        prop_oneof![
            4 => (bin_op(), b(&num), b(&num)).prop_map(|(op, a, b)| Num::Binary(op, a, b)),
            2 => (cmp_op(), b(&num), b(&num)).prop_map(|(op, a, b)| Num::Compare(op, a, b)),
            1 => (prop_oneof![Just(UnOp::Neg), Just(UnOp::BitNot), Just(UnOp::Not)], b(&num))
                .prop_map(|(op, a)| Num::Unary(op, a)),
            2 => b(&num).prop_map(Num::Element),
            1 => t().prop_map(Num::ByText),
            1 => (cmp_op(), t(), t()).prop_map(|(op, a, b)| Num::TextCompare(op, a, b)),
            1 => t().prop_map(Num::Length),
            1 => (t(), b(&num)).prop_map(|(text, at)| Num::ByteAt(text, at)),
            1 => (t(), prop_oneof![Just(0u8), Just(8), Just(10), Just(16)]).prop_map(|(text, base)| Num::ToNumber(text, base)),
            1 => (t(), t()).prop_map(|(a, b)| Num::IsIn(a, b)),
            2 => (t(), 0..PATTERNS.len() as u8, any::<bool>()).prop_map(|(text, n, not)| Num::Matches(text, n, not)),
            1 => (extractor.clone(), b(&num)).prop_map(|(op, key)| Num::Extract(op, key)),
            1 => extractor.prop_map(Num::ExtractScalar),
            1 => b(&num).prop_map(Num::Has),
            1 => (b(&num), b(&num), prop_oneof![Just(When::Before), Just(When::After)])
                .prop_map(|(key, delta, when)| Num::Increase(key, delta, when)),
            1 => b(&num).prop_map(Num::Recurse),
            1 => b(&num).prop_map(Num::Divide),
        ]
    })
}

fn text_of(num: impl Strategy<Value = Num> + Clone + 'static) -> BoxedStrategy<Text> {
    let leaf = prop_oneof![
        3 => (0..LITERALS.len() as u8).prop_map(Text::Literal),
        2 => (0..2u8).prop_map(Text::Local),
        1 => Just(Text::Global),
    ];
    leaf.prop_recursive(1, 2, 2, move |text| {
        let n = || num.clone().prop_map(Box::new);
        let t = || text.clone().prop_map(Box::new);
        prop_oneof![
            n().prop_map(Text::Element),
            (t(), t()).prop_map(|(a, b)| Text::Concat(a, b)),
            (t(), n(), n()).prop_map(|(text, start, len)| Text::Part(text, start, len)),
            n().prop_map(Text::Char),
            t().prop_map(Text::Twice),
        ]
    })
    .boxed()
}

fn bin_op() -> impl Strategy<Value = BinOp> {
    use BinOp::*;
    prop::sample::select(vec![Add, Sub, Mul, Div, Rem, And, Or, Xor, Shl, Shr, Lsr])
}

fn cmp_op() -> impl Strategy<Value = CmpOp> {
    use CmpOp::*;
    prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge])
}

fn stmts() -> impl Strategy<Value = Vec<Stmt>> {
    let text = || text_of(num().boxed());
    let leaf = prop_oneof![
        2 => (0..3u8, num()).prop_map(|(v, n)| Stmt::SetLocal(v, n)),
        2 => (0..2u8, text()).prop_map(|(v, t)| Stmt::SetTextLocal(v, t)),
        2 => (0..2u8, num()).prop_map(|(g, n)| Stmt::SetGlobal(g, n)),
        1 => text().prop_map(Stmt::SetTextGlobal),
        3 => (num(), num()).prop_map(|(k, n)| Stmt::SetElement(k, n)),
        1 => (num(), text()).prop_map(|(k, t)| Stmt::SetTextElement(k, t)),
        1 => (text(), num()).prop_map(|(k, n)| Stmt::SetByText(k, n)),
        1 => num().prop_map(Stmt::Delete),
        1 => (0..2u8).prop_map(Stmt::DeleteGlobal),
        1 => num().prop_map(Stmt::DeleteStat),
        1 => Just(Stmt::Clear),
        2 => (num(), num()).prop_map(|(k, n)| Stmt::Sample(k, n)),
        1 => num().prop_map(Stmt::SampleScalar),
        1 => Just(Stmt::SumUp),
        1 => text().prop_map(Stmt::Raise),
        3 => (num(), text()).prop_map(|(n, t)| Stmt::Print(n, t)),
        1 => Just(Stmt::Next),
    ];
    let stmt = leaf.prop_recursive(2, 5, 3, |stmt| {
        let block = || prop::collection::vec(stmt.clone(), 0..3);
        prop_oneof![
            (num(), block(), block()).prop_map(|(c, a, b)| Stmt::If(c, a, b)),
            (0..4u8, block()).prop_map(|(n, body)| Stmt::Repeat(n, body)),
            (block(), block()).prop_map(|(body, catch)| Stmt::Try(body, catch)),
        ]
    });
    prop::collection::vec(stmt, 1..6)
}

// ---- trees to IR -----------------------------------------------------------------------------------------------------

const NO: SourceTag = SourceTag::NONE;
const G: [StoreId; 2] = [StoreId(0), StoreId(1)];
const TITLE: StoreId = StoreId(2);
const N: StoreId = StoreId(3);
const W: StoreId = StoreId(4);
const T: StoreId = StoreId(5);
const S: StoreId = StoreId(6);
const X: StoreId = StoreId(7);

fn stores() -> Vec<StoreDecl> {
    let stat = StatShape { sum: true, min: true, max: true, variance: None, hist: Some(HistShape::Log) };
    let decl = |name: &str, keys: &[Ty], value, max_entries, init| StoreDecl {
        name: name.to_owned(),
        keys: keys.to_vec(),
        value,
        max_entries,
        sized: false,
        wrap: false,
        init,
        in_kernel: true,
    };
    vec![
        decl("g0", &[], StoreTy::Long, 1, Some(Const::Long(-3))),
        decl("g1", &[], StoreTy::Long, 1, None),
        decl("title", &[], StoreTy::Str { cap: 32 }, 1, Some(Const::Str(b"start".to_vec()))),
        // Eight keys are possible, so it can overflow.
        decl("n", &[Ty::Long], StoreTy::Long, 5, None),
        decl("w", &[Ty::Long], StoreTy::Str { cap: 16 }, 2048, None),
        decl("t", &[Ty::Str { cap: 8 }], StoreTy::Long, 2048, None),
        decl("s", &[Ty::Long], StoreTy::Stat(stat.clone()), 2048, None),
        decl("x", &[], StoreTy::Stat(stat), 1, None),
    ]
}

struct Writer<'a> {
    b: BodyBuilder,
    strings: &'a mut StringPool,
    locals: [Var; 3],
    texts: [Var; 2],
}

fn var(var: Var) -> Operand {
    Operand::Var(var)
}

impl Writer<'_> {
    fn long(&mut self) -> Var {
        self.b.new_var(Ty::Long)
    }

    fn emit(&mut self, op: Op) {
        self.b.emit(op, NO);
    }

    fn key(&mut self, key: &Num) -> Vec<Arg> {
        let key = self.num(key);
        vec![Arg::Long(self.b.binary(BinOp::And, key, Operand::Imm(7), NO))]
    }

    fn num(&mut self, num: &Num) -> Operand {
        let dst = self.long();
        match num {
            Num::Imm(n) => return Operand::Imm(*n),
            Num::Local(idx) => return var(self.locals[usize::from(*idx)]),
            Num::Global(idx) => self.emit(Op::Get { dst, store: G[usize::from(*idx)], keys: vec![] }),
            Num::Element(key) => {
                let keys = self.key(key);
                self.emit(Op::Get { dst, store: N, keys });
            }
            Num::ByText(text) => {
                let keys = vec![Arg::Str(self.text(text))];
                self.emit(Op::Get { dst, store: T, keys });
            }
            Num::Binary(op, a, b) => {
                let (a, b) = (self.num(a), self.num(b));
                self.emit(Op::Binary { op: *op, dst, a, b });
            }
            Num::Compare(op, a, b) => {
                let (a, b) = (self.num(a), self.num(b));
                self.emit(Op::Compare { op: *op, dst, a, b });
            }
            Num::Unary(op, a) => {
                let a = self.num(a);
                self.emit(Op::Unary { op: *op, dst, a });
            }
            Num::TextCompare(op, a, b) => {
                let (a, b) = (self.text(a), self.text(b));
                self.emit(Op::StrCompare { op: *op, dst, a, b });
            }
            Num::Length(text) => {
                let args = vec![Arg::Str(self.text(text))];
                self.emit(Op::Intrinsic { op: Intrinsic::StrLen, dst: Some(dst), args });
            }
            Num::ByteAt(text, at) => {
                let args = vec![Arg::Str(self.text(text)), Arg::Long(self.num(at))];
                self.emit(Op::Intrinsic { op: Intrinsic::StringAt, dst: Some(dst), args });
            }
            Num::ToNumber(text, base) => {
                let args = vec![Arg::Str(self.text(text)), Arg::Long(Operand::Imm(i64::from(*base)))];
                self.emit(Op::Intrinsic { op: Intrinsic::Strtol, dst: Some(dst), args });
            }
            Num::IsIn(a, b) => {
                let args = vec![Arg::Str(self.text(a)), Arg::Str(self.text(b))];
                self.emit(Op::Intrinsic { op: Intrinsic::IsInStr, dst: Some(dst), args });
            }
            Num::Matches(text, n, negated) => {
                let subject = self.text(text);
                let pattern = self.strings.intern(PATTERNS[usize::from(*n)].as_bytes());
                self.emit(Op::Regex { dst, subject, pattern, negated: *negated });
            }
            Num::Extract(op, key) => {
                let keys = self.key(key);
                self.emit(Op::Extract { dst, store: S, keys, op: *op });
            }
            Num::ExtractScalar(op) => self.emit(Op::Extract { dst, store: X, keys: vec![], op: *op }),
            Num::Has(key) => {
                let keys = self.key(key).into_iter().map(Some).collect();
                self.emit(Op::Contains { dst, store: N, keys });
            }
            Num::Increase(key, delta, when) => {
                let keys = self.key(key);
                let delta = self.num(delta);
                self.emit(Op::Add { store: N, keys, delta, result: Some((dst, *when)) });
            }
            Num::Recurse(x) => {
                let args = self.key(x);
                self.emit(Op::Call { function: FunctionId(0), dst: Some(dst), args });
            }
            Num::Divide(x) => {
                let args = vec![Arg::Long(self.num(x))];
                self.emit(Op::Call { function: FunctionId(1), dst: Some(dst), args });
            }
        }
        var(dst)
    }

    fn text(&mut self, text: &Text) -> StrOperand {
        let new = |writer: &mut Self, cap| writer.b.new_var(Ty::Str { cap });
        let dst = match text {
            Text::Literal(idx) => {
                return StrOperand::Const(self.strings.intern(LITERALS[usize::from(*idx)].as_bytes()));
            }
            Text::Local(idx) => return StrOperand::Var(self.texts[usize::from(*idx)]),
            Text::Global => {
                let dst = new(self, 32);
                self.emit(Op::Get { dst, store: TITLE, keys: vec![] });
                dst
            }
            Text::Element(key) => {
                let keys = self.key(key);
                let dst = new(self, 16);
                self.emit(Op::Get { dst, store: W, keys });
                dst
            }
            Text::Concat(a, b) => {
                let (a, b) = (self.text(a), self.text(b));
                let dst = new(self, 64);
                self.emit(Op::StrConcat { dst, a, b });
                dst
            }
            Text::Part(text, start, len) => {
                let args = vec![Arg::Str(self.text(text)), Arg::Long(self.num(start)), Arg::Long(self.num(len))];
                let dst = new(self, 32);
                self.emit(Op::Intrinsic { op: Intrinsic::Substr, dst: Some(dst), args });
                dst
            }
            Text::Char(n) => {
                let args = vec![Arg::Long(self.num(n))];
                let dst = new(self, 8);
                self.emit(Op::Intrinsic { op: Intrinsic::CharStr, dst: Some(dst), args });
                dst
            }
            Text::Twice(text) => {
                let args = vec![Arg::Str(self.text(text))];
                let dst = new(self, 32);
                self.emit(Op::Call { function: FunctionId(2), dst: Some(dst), args });
                dst
            }
        };
        StrOperand::Var(dst)
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::SetLocal(idx, n) => {
                let src = self.num(n);
                self.emit(Op::Copy { dst: self.locals[usize::from(*idx)], src });
            }
            Stmt::SetTextLocal(idx, text) => {
                let src = self.text(text);
                self.emit(Op::StrCopy { dst: self.texts[usize::from(*idx)], src });
            }
            Stmt::SetGlobal(idx, n) => {
                let value = Arg::Long(self.num(n));
                self.emit(Op::Set { store: G[usize::from(*idx)], keys: vec![], value });
            }
            Stmt::SetTextGlobal(text) => {
                let value = Arg::Str(self.text(text));
                self.emit(Op::Set { store: TITLE, keys: vec![], value });
            }
            Stmt::SetElement(key, n) => {
                let keys = self.key(key);
                let value = Arg::Long(self.num(n));
                self.emit(Op::Set { store: N, keys, value });
            }
            Stmt::SetTextElement(key, text) => {
                let keys = self.key(key);
                let value = Arg::Str(self.text(text));
                self.emit(Op::Set { store: W, keys, value });
            }
            Stmt::SetByText(text, n) => {
                let keys = vec![Arg::Str(self.text(text))];
                let value = Arg::Long(self.num(n));
                self.emit(Op::Set { store: T, keys, value });
            }
            Stmt::Delete(key) => {
                let keys = self.key(key).into_iter().map(Some).collect();
                self.emit(Op::Delete { store: N, keys });
            }
            Stmt::DeleteGlobal(idx) => self.emit(Op::Delete { store: G[usize::from(*idx)], keys: vec![] }),
            Stmt::DeleteStat(key) => {
                let keys = self.key(key).into_iter().map(Some).collect();
                self.emit(Op::Delete { store: S, keys });
            }
            Stmt::Clear => self.emit(Op::Clear { store: N }),
            Stmt::Sample(key, n) => {
                let keys = self.key(key);
                let value = self.num(n);
                self.emit(Op::Accumulate { store: S, keys, value });
            }
            Stmt::SampleScalar(n) => {
                let value = self.num(n);
                self.emit(Op::Accumulate { store: X, keys: vec![], value });
            }
            Stmt::If(cond, then, otherwise) => {
                let cond = self.num(cond);
                let (yes, no, end) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
                self.b.branch(cond, yes, no, NO);
                self.b.switch_to(yes);
                self.stmts(then);
                self.b.jump(end, NO);
                self.b.switch_to(no);
                self.stmts(otherwise);
                self.b.jump(end, NO);
                self.b.switch_to(end);
            }
            Stmt::Repeat(times, body) => {
                let n = self.long();
                let (head, inside, end) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
                self.emit(Op::Copy { dst: n, src: Operand::Imm(0) });
                self.b.switch_to(head);
                self.emit(Op::Actions { n: 1 });
                let (a, b) = (var(n), Operand::Imm(i64::from(*times)));
                self.b.terminate(Term::BranchCompare { op: CmpOp::Lt, a, b, then: inside, otherwise: end }, NO);
                self.b.switch_to(inside);
                self.emit(Op::Binary { op: BinOp::Add, dst: n, a: var(n), b: Operand::Imm(1) });
                self.stmts(body);
                self.b.jump(head, NO);
                self.b.switch_to(end);
            }
            Stmt::SumUp => {
                let iter = self.b.new_iter();
                let (key, value) = (self.long(), self.long());
                let (head, inside, end) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
                let source = IterSource::Array { store: N, slice: vec![] };
                self.emit(Op::IterBegin { iter, source, sort: None, limit: None });
                self.b.switch_to(head);
                self.b.terminate(
                    Term::IterNext { iter, keys: vec![key], value: Some(value), body: inside, done: end },
                    NO,
                );
                self.b.switch_to(inside);
                self.emit(Op::Actions { n: 1 });
                let tripled = self.b.binary(BinOp::Mul, var(key), Operand::Imm(3), NO);
                let delta = self.b.binary(BinOp::Add, tripled, var(value), NO);
                self.emit(Op::Add { store: G[1], keys: vec![], delta, result: None });
                self.b.jump(head, NO);
                self.b.switch_to(end);
                self.emit(Op::IterEnd { iter });
            }
            Stmt::Try(body, catch) => {
                let (handler, end) = (self.b.new_block(), self.b.new_block());
                let message = Some(self.texts[1]);
                let outer = self.b.set_catch(Some(Catch { block: handler, message }));
                self.stmts(body);
                self.b.set_catch(outer);
                self.b.jump(end, NO);
                self.b.switch_to(handler);
                self.stmts(catch);
                self.b.jump(end, NO);
                self.b.switch_to(end);
            }
            Stmt::Raise(text) => {
                let message = self.text(text);
                self.b.terminate(Term::Raise { message }, NO);
            }
            Stmt::Print(n, text) => {
                let inputs = vec![Arg::Long(self.num(n)), Arg::Str(self.text(text))];
                self.emit(Op::Print { site: PrintId(0), inputs });
            }
            Stmt::Next => self.b.terminate(Term::Next, NO),
        }
    }
}

fn functions() -> Vec<Function> {
    let mut down = BodyBuilder::new();
    let x = down.named_var(Ty::Long, "x");
    let (more, end) = (down.new_block(), down.new_block());
    down.branch(var(x), more, end, NO);
    down.switch_to(more);
    let less = down.binary(BinOp::Sub, var(x), Operand::Imm(1), NO);
    let below = down.new_var(Ty::Long);
    down.emit(Op::Call { function: FunctionId(0), dst: Some(below), args: vec![Arg::Long(less)] }, NO);
    let sum = down.binary(BinOp::Add, var(below), var(x), NO);
    down.terminate(Term::Return(Some(Arg::Long(sum))), NO);
    down.switch_to(end);
    let mut down = down.finish(NO);
    down.has_loops = true;

    let mut divide = BodyBuilder::new();
    let x = divide.named_var(Ty::Long, "x");
    let result = divide.binary(BinOp::Div, Operand::Imm(100), var(x), NO);
    divide.terminate(Term::Return(Some(Arg::Long(result))), NO);

    let mut twice = BodyBuilder::new();
    let x = twice.named_var(Ty::Str { cap: 16 }, "x");
    let both = twice.new_var(Ty::Str { cap: 16 });
    twice.emit(Op::StrConcat { dst: both, a: StrOperand::Var(x), b: StrOperand::Var(x) }, NO);
    twice.terminate(Term::Return(Some(Arg::Str(StrOperand::Var(both)))), NO);

    let function = |name: &str, result, recursive, body| Function {
        name: name.to_owned(),
        n_params: 1,
        result: Some(result),
        recursive,
        pure_: true,
        body,
    };
    vec![
        function("down", Ty::Long, true, down),
        function("divide", Ty::Long, false, divide.finish(NO)),
        function("twice", Ty::Str { cap: 16 }, false, twice.finish(NO)),
    ]
}

fn lowered(stmts: &[Stmt]) -> Arc<Lowered> {
    let mut strings = StringPool::new();
    let mut b = BodyBuilder::new();
    let locals = [0, 1, 2].map(|_| b.new_var(Ty::Long));
    let texts = [16, 64].map(|cap| b.new_var(Ty::Str { cap }));
    let mut writer = Writer { b, strings: &mut strings, locals, texts };
    writer.stmts(stmts);
    let body = writer.b.finish(NO);
    let ir = Program {
        strings: strings.finish(),
        stores: stores(),
        functions: functions(),
        handlers: vec![Handler { name: "random".to_owned(), probe: 0, body, tag: NO }],
        sites: vec![SiteData::default()],
        print_sites: vec![PrintSite {
            format: 0,
            inputs: vec![InputTy::Long, InputTy::Str { cap: 64 }],
            args: vec![Recipe::Input(0), Recipe::Input(1)],
            runs: None,
            kernel_format: None,
        }],
        entries: vec![Entry {
            kind: EntryKind::RawTracepoint { name: "sched_switch".to_owned(), n_args: 2, task_arg: None },
            runs: vec![Run { handler: HandlerId(0), site: SiteId(0), syscall: None }],
        }],
        limits: Limits::default(),
    };
    if let Err(errors) = verify(&ir) {
        panic!("{ir}\n{errors:?}");
    }
    let conversion =
        |kind| Piece::Conversion(Conversion { flag: None, width: Size::Default, precision: Size::Default, kind });
    let text = |text: &str| Piece::Text(text.as_bytes().to_vec());
    let pieces = vec![conversion(ConversionKind::Signed), text(" "), conversion(ConversionKind::String), text("\n")];
    Arc::new(Lowered {
        ir,
        formats: vec![Format { pieces }],
        streams: vec![Stream::Output],
        attach: Vec::new(),
        spans: Vec::new(),
        probes: Vec::new(),
        globals: Vec::new(),
        histogram: HistStyle::default(),
    })
}

#[test]
fn interpreter_and_kernel_agree() {
    let Some(target) = target() else { return };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    let config = ProptestConfig {
        max_shrink_iters: 300,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let mut runner = TestRunner::new(config);
    let refused = std::cell::Cell::new(0u32);
    let result = runner.run(&stmts(), |stmts| {
        let lowered = lowered(&stmts);
        let here = interpret(&lowered, &[vec![0]]);
        match run_in_kernel(&lowered, &[vec![0]], &target) {
            Ok(there) => prop_assert_eq!(here, there, "\n{}", lowered.ir),
            Err(NoRun::Refused(_) | NoRun::TooLarge) => refused.set(refused.get() + 1),
            Err(NoRun::Failed(error)) => prop_assert!(false, "{error}\n{}", lowered.ir),
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(refused.get() <= cases / 5, "{} of {cases} programs did not fit into the kernel", refused.get());
}
