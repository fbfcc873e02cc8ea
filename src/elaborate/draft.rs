//! A program on its way through pass 2, with what diagnostics need to know about it and later passes do not.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::program::{FunctionId, GlobalId, LocalId, Program};
use crate::{
    diagnostics::catalogue::semantic::Spot,
    language::lexer,
    source::{Origin, SourceMap, Span},
};

/// The program and notes on its parts; each list of notes is parallel to the program's.
#[derive(Debug, Default)]
pub struct Draft {
    pub program: Program,
    pub globals: Vec<GlobalNote>,
    pub functions: Vec<BodyNote>,
    pub probes: Vec<BodyNote>,
    /// Where a name stands that has no expression of its own: by the operator or statement it belongs to.
    pub names_at: HashMap<Span, Span>,
    /// Where the names of a `foreach` stand, its keys and then its value, by the statement.
    pub loop_names: HashMap<Span, Vec<Span>>,
    /// Calls of `print` and `printd` and so on, whose conversions follow from the types of their arguments.
    pub plain_prints: HashSet<Span>,
}

#[derive(Debug, Clone)]
pub struct GlobalNote {
    /// How many keys it has, and where that was first seen (the initialiser, for a scalar that has one).
    pub arity: Option<(usize, Span)>,
    /// A start value was given, so it is assigned.
    pub has_init: bool,
}

#[derive(Debug, Clone, Default)]
pub struct BodyNote {
    /// Where each local was first named.
    pub local_spans: Vec<Span>,
    /// Of the function's name, the `probe` keyword, or the last alias the user's script goes through.
    pub span: Option<Span>,
    pub user: bool,
    /// That it does nothing was said.
    pub is_told_empty: bool,
    /// Of a function: the last call of it went before the last round of leaving things out.
    pub is_uncalled: bool,
}

/// Which body of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyId {
    Function(FunctionId),
    Probe(u32),
}

/// Something with one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Symbol {
    Local(BodyId, LocalId),
    Value(GlobalId),
    Result(FunctionId),
}

/// The first token under a span, as messages name it.
pub fn spot(sources: &SourceMap, span: Span) -> Spot {
    let is_user = sources.get(span.file).is_some_and(|file| file.origin == Origin::User);
    let args: &[Vec<u8>] = if is_user { &sources.script_args } else { &[] };
    let lexed = lexer::lex(sources.snippet(span), span.file, args);
    match lexed.tokens.first() {
        Some(token) => {
            let start = span.start as usize + token.span.start as usize;
            let end = span.start as usize + token.span.end as usize;
            Spot { span: Span::new(span.file, start, end), token: token.describe() }
        }
        None => Spot { span, token: String::new() },
    }
}

/// Warnings are for what the user wrote.
pub fn is_user(sources: &SourceMap, span: Span) -> bool {
    !span.is_none() && sources.origin(span) == Origin::User
}
