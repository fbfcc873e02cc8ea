//! Names of numbers inside event handlers: `errno_str(e)` or `sig_name` as an array key. The host function is asked here
//! for every number that has a name, and the kernel gets a tree of comparisons with the answers as literals.

use tapdeck_ebpf::ir::{Arg, BinOp, Block, CmpOp, InputTy, Op, Operand, PrintSite, Recipe, StrOperand, Term, Ty, Var};

use super::{body::BodyLower, kernel_format::kernel_format};
use crate::{
    builtins::{self, BuiltinId, HostContext, Implementation, Stream, Value},
    elaborate::program::{Expr, ExprKind},
    language::format::{Conversion, ConversionKind, Flag, Format, Piece, Size},
};

/// Host functions that name numbers, and which numbers have names.
const TABLES: &[Table] = &[
    Table { name: "errno_str", key: 0, first: 1, last: 131, ignores_sign: true },
    Table { name: "_signal_name", key: 0, first: 0, last: 64, ignores_sign: false },
    Table { name: "signal_str", key: 0, first: 0, last: 64, ignores_sign: false },
    Table { name: "return_str", key: 1, first: -131, last: 0, ignores_sign: false },
    Table { name: "__tapdeck_returnstr", key: 0, first: -131, last: 0, ignores_sign: false },
    Table { name: "__tapdeck_sock_domain", key: 0, first: 0, last: 45, ignores_sign: false },
    Table { name: "sock_fam_num2str", key: 0, first: 0, last: 45, ignores_sign: false },
    Table { name: "sock_type_num2str", key: 0, first: 0, last: 10, ignores_sign: false },
    Table { name: "sock_state_num2str", key: 0, first: 0, last: 4, ignores_sign: false },
    Table { name: "sock_prot_num2str", key: 0, first: 0, last: 137, ignores_sign: false },
    Table { name: "tcp_sockstate_str", key: 0, first: 0, last: 12, ignores_sign: false },
    Table { name: "tcp_sockopt_str", key: 0, first: 0, last: 18, ignores_sign: false },
];

struct Table {
    name: &'static str,
    /// Which argument is looked up; the others must be constants.
    key: usize,
    first: i64,
    last: i64,
    /// The name of -2 is that of 2.
    ignores_sign: bool,
}

/// A number without a name, to see how such numbers come out.
const NAMELESS: i64 = 1_000_003;

/// What a table says: texts by number, and what all other numbers come to.
struct Names {
    texts: Vec<(i64, Vec<u8>)>,
    otherwise: Otherwise,
    key: usize,
    ignores_sign: bool,
}

/// The text of numbers without a name.
enum Otherwise {
    /// The same for all.
    Text(Vec<u8>),
    Number {
        format: Format,
        /// The kernel has no octal conversion: the number is recoded so that its decimal digits are the octal ones.
        is_octal: bool,
    },
}

/// Octal digits that are recoded.
const OCTAL_DIGITS: u32 = 6;

/// Whether the kernel can name this number itself.
pub(super) fn has_table(builtin: BuiltinId, args: &[Expr]) -> bool {
    question(builtin, args).is_some_and(|mut question| question.nameless().is_some())
}

/// A host function with all its arguments but one.
struct Question {
    table: &'static Table,
    function: builtins::HostFn,
    values: Vec<Value>,
}

fn question(id: BuiltinId, args: &[Expr]) -> Option<Question> {
    let row = builtins::get(id);
    let table = TABLES.iter().find(|table| table.name == row.name && table.key < args.len())?;
    let Implementation::Host(function) = &row.implementation else { return None };
    let mut values = Vec::new();
    for (idx, arg) in args.iter().enumerate() {
        match &arg.kind {
            _ if idx == table.key => values.push(Value::Long(0)),
            ExprKind::Long(n) => values.push(Value::Long(*n)),
            _ => return None,
        }
    }
    Some(Question { table, function: *function, values })
}

impl Question {
    fn ask(&mut self, number: i64) -> Option<Vec<u8>> {
        self.values[self.table.key] = Value::Long(number);
        match (self.function)(&self.values, &mut NoSession::default()) {
            Ok(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    fn nameless(&mut self) -> Option<Otherwise> {
        nameless_format(&self.ask(NAMELESS)?)
    }
}

fn names(id: BuiltinId, args: &[Expr]) -> Option<Names> {
    let mut question = question(id, args)?;
    let otherwise = question.nameless()?;
    let Table { key, first, last, ignores_sign, .. } = *question.table;
    let texts = (first..=last).map(|number| Some((number, question.ask(number)?))).collect::<Option<_>>()?;
    Some(Names { texts, otherwise, key, ignores_sign })
}

/// `E#1000003` is `E#%d`, `UNDEF` is that; what is no text is `None`.
fn nameless_format(text: &[u8]) -> Option<Otherwise> {
    let text = std::str::from_utf8(text).ok()?;
    let hex = format!("{NAMELESS:#x}");
    let octal = format!("{NAMELESS:o}");
    let decimal = NAMELESS.to_string();
    let mut is_octal = false;
    let conversion =
        |flag, kind| Piece::Conversion(Conversion { flag, width: Size::Default, precision: Size::Default, kind });
    let (before, after, piece) = if let Some((before, after)) = text.split_once(&hex) {
        (before, after, conversion(Some(Flag::Alternate), ConversionKind::Hex))
    } else if let Some((before, after)) = text.split_once(&octal) {
        is_octal = true;
        (before, after, conversion(None, ConversionKind::Signed))
    } else if let Some((before, after)) = text.split_once(&decimal) {
        (before, after, conversion(None, ConversionKind::Signed))
    } else {
        return Some(Otherwise::Text(text.into()));
    };
    let mut pieces = Vec::new();
    if !before.is_empty() {
        pieces.push(Piece::Text(before.into()));
    }
    pieces.push(piece);
    if !after.is_empty() {
        pieces.push(Piece::Text(after.into()));
    }
    Some(Otherwise::Number { format: Format { pieces }, is_octal })
}

impl BodyLower<'_, '_> {
    /// The name in the kernel; `None` when there is no table for it.
    pub fn tabulated(&mut self, builtin: BuiltinId, args: &[Expr], expr: &Expr, dst: Option<Var>) -> Option<Arg> {
        let names = names(builtin, args)?;
        let given = self.long(&args[names.key]);
        let key = if names.ignores_sign { self.magnitude(given) } else { given };
        let ty = self.str_ty(expr);
        let dst = self.dst_for(dst, ty);
        let (nameless, join) = (self.b.new_block(), self.b.new_block());
        self.name_tree(&names.texts, key, dst, [nameless, join]);
        self.b.switch_to(nameless);
        match names.otherwise {
            Otherwise::Text(text) => {
                let src = StrOperand::Const(self.intern(&text));
                self.emit(Op::StrCopy { dst, src });
            }
            Otherwise::Number { format, is_octal } => {
                let number = if is_octal { self.octal_digits(given) } else { given };
                let kernel_format = kernel_format(&format);
                let format = self.cx.format_id(format, Stream::Output);
                let (inputs, args) = (vec![InputTy::Long], vec![Recipe::Input(0)]);
                let site = self.cx.add_print_site(PrintSite { format, inputs, args, runs: None, kernel_format });
                self.emit(Op::Sprint { dst, site, inputs: vec![Arg::Long(number)] });
            }
        }
        self.b.jump(join, self.tag);
        self.b.switch_to(join);
        Some(self.var_arg(dst))
    }

    fn octal_digits(&mut self, number: Operand) -> Operand {
        let mut sum = Operand::Imm(0);
        let mut place = 1;
        for digit in 0..OCTAL_DIGITS {
            let shifted = self.b.binary(BinOp::Lsr, number, Operand::Imm(i64::from(3 * digit)), self.tag);
            let digit = self.b.binary(BinOp::And, shifted, Operand::Imm(7), self.tag);
            let part = self.b.binary(BinOp::Mul, digit, Operand::Imm(place), self.tag);
            sum = self.b.binary(BinOp::Add, sum, part, self.tag);
            place *= 10;
        }
        sum
    }

    fn magnitude(&mut self, number: Operand) -> Operand {
        let dst = self.temp(Ty::Long);
        self.emit(Op::Copy { dst, src: number });
        let (negative, join) = (self.b.new_block(), self.b.new_block());
        let (op, b) = (CmpOp::Lt, Operand::Imm(0));
        self.b.terminate(Term::BranchCompare { op, a: number, b, then: negative, otherwise: join }, self.tag);
        self.b.switch_to(negative);
        self.emit(Op::Unary { op: tapdeck_ebpf::ir::UnOp::Neg, dst, a: number });
        self.b.switch_to(join);
        Operand::Var(dst)
    }

    /// Halves the numbers until one is left. Fills the open block.
    fn name_tree(&mut self, texts: &[(i64, Vec<u8>)], key: Operand, dst: Var, ends: [Block; 2]) {
        let [nameless, join] = ends;
        let branch = |this: &mut Self, op, b, then, otherwise| {
            this.b.terminate(Term::BranchCompare { op, a: key, b: Operand::Imm(b), then, otherwise }, this.tag);
        };
        match texts {
            [] => self.b.jump(nameless, self.tag),
            [(number, text)] => {
                let found = self.b.new_block();
                branch(self, CmpOp::Eq, *number, found, nameless);
                self.b.switch_to(found);
                let src = StrOperand::Const(self.intern(text));
                self.emit(Op::StrCopy { dst, src });
                self.b.jump(join, self.tag);
            }
            _ => {
                let (low, high) = texts.split_at(texts.len() / 2);
                let (below, above) = (self.b.new_block(), self.b.new_block());
                branch(self, CmpOp::Lt, high[0].0, below, above);
                self.b.switch_to(below);
                self.name_tree(low, key, dst, ends);
                self.b.switch_to(above);
                self.name_tree(high, key, dst, ends);
            }
        }
    }
}

/// Nothing is asked of it by functions that name numbers.
#[derive(Default)]
struct NoSession {
    state: std::collections::HashMap<String, Value>,
}

impl HostContext for NoSession {
    fn realtime_ns(&self) -> i64 {
        0
    }
    fn target(&self) -> i64 {
        0
    }
    fn state(&mut self) -> &mut std::collections::HashMap<String, Value> {
        &mut self.state
    }
    fn warn(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::types::Type, source::Span};

    #[test]
    fn every_table_can_be_read() {
        for table in TABLES {
            let n_args = builtins::arities(table.name)[0];
            let one = Expr { kind: ExprKind::Long(1), ty: Type::Long, span: Span::NONE };
            let id = builtins::find(table.name, n_args).expect(table.name);
            let names = names(id, &vec![one; n_args]).unwrap_or_else(|| panic!("{}", table.name));
            assert_eq!(names.texts.len() as i64, table.last - table.first + 1);
            if let Otherwise::Number { format, .. } = &names.otherwise {
                assert!(kernel_format(format).is_some());
            }
        }
    }
}
