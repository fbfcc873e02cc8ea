//! The tree as written: what the parser makes and `-p1` prints. Every node knows its span; nothing is resolved.

use std::{collections::HashMap, sync::Arc};

use super::{format::Format, types::Type};
use crate::source::Span;

/// An identifier where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub text: Arc<str>,
    pub span: Span,
}

/// One parsed file.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub probes: Vec<Probe>,
    pub aliases: Vec<ProbeAlias>,
    pub functions: Vec<Function>,
    pub globals: Vec<Global>,
    /// `%{ … %}` at top level.
    pub embeds: Vec<EmbeddedCode>,
    /// Which `$N`/`@N` script arguments the text used, 1-based; for the unused-argument warning.
    pub used_args: Vec<usize>,
    /// Something was left after preprocessing, right or wrong; without it SystemTap calls a file empty.
    pub has_text: bool,
    /// How string literals were written, where [`escape`](super::token::escape) would write them otherwise: by the span
    /// of their first token, and that of the part or name they belong to in probe points, globals and formats.
    pub spellings: HashMap<Span, Arc<[u8]>>,
}

#[derive(Clone, Debug)]
pub struct EmbeddedCode {
    pub text: Vec<u8>,
    pub span: Span,
}

/// `probe POINTS { … }`.
#[derive(Clone, Debug)]
pub struct Probe {
    pub points: Vec<ProbePoint>,
    /// Shared with all that is derived from it.
    pub body: Arc<Stmt>,
    pub span: Span,
}

/// `probe NAMES = POINTS { … } [, { … }]` or `+=`.
#[derive(Clone, Debug)]
pub struct ProbeAlias {
    /// `a = b = points` defines several names at once.
    pub names: Vec<ProbePoint>,
    pub style: AliasStyle,
    pub points: Vec<ProbePoint>,
    pub body: Arc<Stmt>,
    /// The second block after a comma, only with [`AliasStyle::Prologue`].
    pub epilogue: Option<Arc<Stmt>>,
    /// The comment block right above it, as [`Function::doc`].
    pub doc: Option<Arc<str>>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasStyle {
    /// `=`: the body goes before the user's handler.
    Prologue,
    /// `+=`: the body goes after it.
    Epilogue,
}

/// `a.b("x").c?` with its optional condition. Braces are already multiplied out by the parser.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbePoint {
    pub parts: Vec<ProbePointPart>,
    /// `?`: no error when it does not resolve.
    pub optional: bool,
    /// `!`: as `?`, and if it resolves the rest of the list is dropped.
    pub sufficient: bool,
    pub condition: Option<Box<Expr>>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProbePointPart {
    /// May hold `*` wildcards.
    pub name: Arc<str>,
    pub arg: Option<Literal>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Long(i64),
    /// Bytes after escapes.
    Str(Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub struct Global {
    pub name: Name,
    /// `private`: visible in this file only.
    pub private: bool,
    /// `%` after the name: the oldest element makes room.
    pub wrap: bool,
    /// `[N]`.
    pub size: Option<(i64, Span)>,
    pub init: Option<Literal>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub name: Name,
    pub private: bool,
    /// As written after `:`.
    pub ret: Option<Type>,
    pub params: Vec<Param>,
    /// `: N`; lower goes first. `None`: 0 in the user's script, 1 in a tapset.
    pub priority: Option<i64>,
    pub body: FunctionBody,
    /// The comment block right above it, for help and completion; without comment signs.
    pub doc: Option<Arc<str>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub name: Name,
    pub ty: Option<Type>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are blocks")]
pub enum FunctionBody {
    Block(Stmt),
    Embedded(EmbeddedCode),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    Null,
    Block(Vec<Stmt>),
    Expr(Expr),
    If {
        cond: Expr,
        then: Box<Stmt>,
        otherwise: Option<Box<Stmt>>,
    },
    While {
        cond: Expr,
        body: Box<Stmt>,
    },
    For {
        init: Option<Expr>,
        cond: Option<Expr>,
        step: Option<Expr>,
        body: Box<Stmt>,
    },
    Foreach(Box<Foreach>),
    Return(Option<Expr>),
    Delete(Expr),
    Break,
    Continue,
    Next,
    Try {
        body: Box<Stmt>,
        var: Option<Name>,
        catch: Box<Stmt>,
    },
    /// `%{ … %}` as a statement.
    Embedded(Arc<[u8]>),
}

/// `foreach (value = [keys] in base [slice] @op+ limit n) body`.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    pub value: Option<Name>,
    pub keys: Vec<Name>,
    /// The array's name, or `@hist_log(x)` and friends.
    pub base: Expr,
    /// `[e, *]` after the array; `None` inside is `*`.
    pub slice: Option<Vec<Option<Expr>>>,
    pub sort: Option<Sort>,
    pub limit: Option<Expr>,
    pub body: Stmt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub by: SortBy,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// 0-based index into the keys.
    Key(usize),
    Value,
    /// The value of a statistic by this extractor (`@sum` and so on).
    Extractor(StatOp),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    /// Of the whole expression.
    pub span: Span,
    /// Of the token SystemTap names in its messages: the operator of a binary expression, the name of a call.
    pub at: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Long(i64),
    Str(Arc<[u8]>),
    /// A bare name: a local, a parameter or a global.
    Var(Arc<str>),
    /// `a[k1, k2]`; `None` is `*` (only in `delete` and `in`).
    Index {
        base: Box<Expr>,
        keys: Vec<Option<Expr>>,
    },
    /// `f(args)`.
    Call {
        name: Name,
        args: Vec<Expr>,
    },
    Unary {
        op: UnaryOp,
        expr: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `a . b . c`, at least two parts.
    Concat(Vec<Expr>),
    /// `&&` and `||`.
    Logical {
        op: LogicalOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `left =~ "regex"`, or `!~`.
    Regex {
        negated: bool,
        left: Box<Expr>,
        pattern: Arc<[u8]>,
        pattern_span: Span,
    },
    /// `[keys] in array`; `None` is `*`.
    In {
        keys: Vec<Option<Expr>>,
        array: Box<Expr>,
    },
    Ternary {
        cond: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Assign {
        op: AssignOp,
        target: Box<Expr>,
        value: Box<Expr>,
    },
    /// `++x`, `x--`.
    Crement {
        increment: bool,
        prefix: bool,
        target: Box<Expr>,
    },
    /// `print`, `printf`, `printd`, `sprint` … with their parsed format.
    Print(Box<Print>),
    /// `@count(x)`, `@variance(x, 2)`.
    Stat {
        op: StatOp,
        target: Box<Expr>,
        params: Vec<i64>,
    },
    /// `@hist_log(x)`, or with an index `@hist_log(x)[3]`.
    Hist {
        hist: HistOp,
        target: Box<Expr>,
        index: Option<Box<Expr>>,
    },
    /// `$x`, `$$vars`, `@var("x")`, `@cast(e, "t")`, an autocast base; with its suffixes.
    Context(Box<ContextVar>),
    /// `@defined(e)`.
    Defined(Box<Expr>),
    /// `@entry(e)`.
    Entry(Box<Expr>),
    /// `@perf("name")`.
    Perf(Arc<[u8]>),
    /// `@const("…")`, `@enum("…")`, `@enumname(..)`, `@kregister(..)` and the like, by name.
    At {
        name: Name,
        args: Vec<Expr>,
    },
    /// `%{ … %}`.
    Embedded(Arc<[u8]>),
}

/// A look into the probed context: a base and the way from there to a value.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextVar {
    pub base: ContextBase,
    pub path: Vec<ContextStep>,
    /// `&` in front: the address, not the value.
    pub address_of: bool,
    /// `$` or `$$` behind.
    pub pretty: Option<Pretty>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ContextBase {
    /// `$name`, without the `$`; `$$vars` is `"$vars"`; `$return` is `"return"`.
    Var(Arc<str>),
    /// `@var("name@file"[, "module"])`.
    AtVar { name: Arc<[u8]>, module: Option<Arc<[u8]>> },
    /// `@cast(e, "type"[, "module"])`.
    Cast { expr: Box<Expr>, type_name: Arc<[u8]>, module: Option<Arc<[u8]>> },
    /// Any other value with `->` or `[ ]` behind it.
    Auto(Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ContextStep {
    /// `->name`.
    Member(Name),
    /// `[e]`.
    Index(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pretty {
    /// `$`: members, not followed.
    Shallow,
    /// `$$`: members of members too.
    Deep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Plus,
    Neg,
    /// `!`
    Not,
    /// `~`
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    /// `>>`, arithmetic.
    Shr,
    /// `>>>`, logical.
    Lsr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogicalOp {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssignOp {
    /// `=`
    Set,
    /// `<<<`
    Accumulate,
    /// `.=`
    Concat,
    /// `+=` and the like.
    Binary(BinaryOp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatOp {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Variance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistOp {
    Log,
    Linear { start: i64, stop: i64, step: i64 },
}

/// A call of the print family.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// Spelling of the function, for messages and printing.
    pub name: Name,
    /// `sprint…`: gives the text instead of writing it.
    pub to_string: bool,
    /// `…ln`: a newline at the end.
    pub newline: bool,
    pub shape: PrintShape,
    pub args: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PrintShape {
    /// `print`, `println`, `sprint`, `sprintln`.
    Plain,
    /// `printf`, `sprintf` with the parsed literal.
    Format(Format),
    /// `printd`, `printdln`, `sprintd`, `sprintdln`.
    Delimited(Arc<[u8]>),
    /// `print_char`.
    Char,
}
