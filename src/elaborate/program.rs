//! What pass 2 makes: every name resolved, every value typed, every probe at its sites. Nothing here knows that tapsets,
//! aliases or wildcards exist.

use std::sync::Arc;

use crate::{
    builtins::BuiltinId,
    diagnostics::Diagnostic,
    language::{
        ast::{AssignOp, BinaryOp, CompareOp, HistOp, LogicalOp, Sort, StatOp, UnaryOp},
        format::Format,
        types::Type,
    },
    probes::{access::Access, site::ProbeSite},
    source::Span,
};

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )* };
}

index! {
    /// Index into [`Program::globals`].
    GlobalId;
    /// Index into [`Program::functions`].
    FunctionId;
    /// Index into the locals of the enclosing handler or function; a function's parameters come first.
    LocalId;
}

#[derive(Clone, Debug, Default)]
pub struct Program {
    pub globals: Vec<Global>,
    pub functions: Vec<Function>,
    pub probes: Vec<Probe>,
    /// The insides of `%{ … %}` beside the declarations, with where they stand.
    pub embeds: Vec<(Vec<u8>, Span)>,
    /// Made with `-u`: nothing unused was taken out.
    pub unoptimized: bool,
}

#[derive(Clone, Debug)]
pub struct Global {
    pub name: Arc<str>,
    /// Key types; empty for a scalar.
    pub keys: Vec<Type>,
    pub value: Type,
    /// `[N]` of an array.
    pub size: Option<u32>,
    pub wrap: bool,
    /// A literal, or what `-G` said.
    pub init: Option<GlobalInit>,
    /// The user's own script declares it (panes and the print at exit are for these).
    pub user: bool,
    /// Made by tapdeck (`@entry` and the like); never shown.
    pub hidden: bool,
    /// Written and never read by the script: printed at exit unless `--no-global-var-display`.
    pub write_only: bool,
    /// Some printed value of it was an address: auto-print shows `0x…`.
    pub pointer: bool,
    /// Every `@op` used on it, `@hist_*` and `@variance` shifts included: what a `<<<` must keep.
    pub stat: StatUse,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalInit {
    Long(i64),
    Str(Vec<u8>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatUse {
    pub ops: Vec<StatOp>,
    /// Shift of `@variance(x, shift)`.
    pub variance_shift: Option<u8>,
    pub hist: Option<HistOp>,
}

#[derive(Clone, Debug)]
pub struct Function {
    /// As the script calls it; overloads share it.
    pub name: Arc<str>,
    pub n_params: usize,
    pub locals: Vec<Local>,
    /// [`Type::Unknown`]: gives no value.
    pub ret: Type,
    pub body: Stmt,
    /// Overload to go to on `next`, if any.
    pub next_overload: Option<FunctionId>,
    /// It is one of several overloads, so `next` in it moves on instead of ending the probe.
    pub overloaded: bool,
    /// It comes out of a tapset; what the user's own statements may cost says nothing about it.
    pub of_library: bool,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    pub name: Arc<str>,
    pub ty: Type,
}

impl Local {
    /// The name of a local that a loop or `catch` sets for a global of the script; no script can write it.
    pub const STAND_IN: &'static str = "(a global's)";

    pub fn is_stand_in(&self) -> bool {
        &*self.name == Self::STAND_IN
    }
}

/// A handler with every site it is attached to. Sites whose handlers came out the same share one.
#[derive(Clone, Debug)]
pub struct Probe {
    pub sites: Vec<ProbeSite>,
    pub locals: Vec<Local>,
    pub body: Stmt,
    /// `if (…)` after the probe point.
    pub condition: Option<Expr>,
    /// The probe point as the script wrote it: `pn()`.
    pub written: Arc<str>,
    /// The `?`, `!` and `if (…)` its point ends in, as `-p2` prints them.
    pub suffix: Arc<str>,
    /// Alias names it went through, outermost first, for `-t`.
    pub via: Vec<Arc<str>>,
    /// The way to the user's list of points, as `-p2` prints it: ` <- a = begin /*  <- a */  <- a`.
    pub derivation: Arc<str>,
    /// Which `probe` of the user's script this came from, in order; for on/off and hit counts per source probe.
    pub source_probe: u32,
    pub span: Span,
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
    /// `while` and `for`.
    Loop {
        init: Option<Expr>,
        cond: Option<Expr>,
        step: Option<Expr>,
        body: Box<Stmt>,
    },
    Foreach(Box<Foreach>),
    Return(Option<Expr>),
    /// `delete a[k]` (`None` is `*`), or with no keys the whole global.
    Delete {
        global: GlobalId,
        keys: Vec<Option<Expr>>,
    },
    Break,
    Continue,
    Next,
    Try {
        body: Box<Stmt>,
        var: Option<LocalId>,
        catch: Box<Stmt>,
    },
    Embedded(Embedded),
}

/// C, or what only its headers know: passes 1 and 2 take it, pass 3 does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// `embedded C code`, or the operator.
    pub what: Arc<str>,
    /// Of the value it stands for.
    pub ty: Type,
    /// It says of itself that leaving it out would not be noticed.
    pub pure: bool,
}

impl Embedded {
    /// The inside of `%{ … %}`, by the comments in it.
    pub fn code(text: &[u8]) -> Self {
        let says = |comment: &[u8]| text.windows(comment.len()).any(|part| part == comment);
        let ty = if says(b"/* string */") { Type::Str } else { Type::Long };
        Self { what: "embedded C code".into(), ty, pure: says(b"/* pure */") }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    pub value: Option<LocalId>,
    pub keys: Vec<LocalId>,
    pub base: ForeachBase,
    /// Empty: everything.
    pub slice: Vec<Option<Expr>>,
    pub sort: Option<Sort>,
    pub limit: Option<Expr>,
    pub body: Stmt,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ForeachBase {
    Array(GlobalId),
    /// Buckets of a statistic: the element's keys.
    Hist {
        global: GlobalId,
        keys: Vec<Expr>,
        hist: HistOp,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Long(i64),
    Str(Arc<[u8]>),
    Local(LocalId),
    /// A scalar.
    Global(GlobalId),
    Element {
        global: GlobalId,
        keys: Vec<Expr>,
    },
    Call {
        function: FunctionId,
        args: Vec<Expr>,
    },
    Builtin {
        builtin: BuiltinId,
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
    Concat(Vec<Expr>),
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
    /// The pattern compiles (checked in pass 2).
    Regex {
        negated: bool,
        left: Box<Expr>,
        pattern: Arc<[u8]>,
    },
    /// `None` is `*`.
    In {
        global: GlobalId,
        keys: Vec<Option<Expr>>,
    },
    Ternary {
        cond: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Assign {
        op: AssignOp,
        target: Target,
        value: Box<Expr>,
    },
    Crement {
        increment: bool,
        prefix: bool,
        target: Target,
    },
    Print(Box<Print>),
    /// Keys empty: a scalar statistic. The shift of `@variance` is the global's.
    Stat {
        op: StatOp,
        global: GlobalId,
        keys: Vec<Expr>,
    },
    /// `@hist_log(x)[i]`.
    Bucket {
        hist: HistOp,
        global: GlobalId,
        keys: Vec<Expr>,
        index: Box<Expr>,
    },
    /// A whole histogram; only as an argument of a print.
    Hist {
        hist: HistOp,
        global: GlobalId,
        keys: Vec<Expr>,
    },
    Context(Box<Context>),
    Embedded(Embedded),
}

/// Something that can be assigned to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Local(LocalId),
    Global(GlobalId),
    Element { global: GlobalId, keys: Vec<Expr> },
}

/// A value out of the probed context.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub access: Access,
    /// The base value of a cast; `None` when the access starts at the site.
    pub base: Option<Expr>,
    /// One for each dynamic index of the access, in order; then one for each of [`Access::entry_registers`].
    pub operands: Vec<Expr>,
    /// As written, for messages: `$next->pid`.
    pub written: Arc<str>,
    /// It was not found. Told of when types are inferred, unless nobody needs it: no finished program has such.
    pub missing: Option<Box<Missing>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    pub finding: Diagnostic,
    /// Of `@cast` and `@var`, as SystemTap looks for them once more: at first sight, and when nothing more can be learnt.
    pub is_cast: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    pub to_string: bool,
    /// `print`, `printd` and friends are already formats.
    pub format: Format,
    pub args: Vec<Expr>,
}
