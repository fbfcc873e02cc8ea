//! Tokens to tree: a recursive descent parser, one production a function. This file holds the cursor and what happens
//! after an error; the productions are in [`declarations`], [`probe_points`], [`statements`] and [`expressions`].
//!
//! An error leaves the production it happened in; parsing goes on at the next top-level keyword, or, with
//! [`Recovery::Statements`], at the next statement. Recursion is bounded by [`MAX_NESTING`] and [`MAX_OPERATORS`], so
//! that neither this parser nor any walk over its tree can run out of stack.

mod declarations;
mod expressions;
mod probe_points;
mod statements;

pub use expressions::PRINTS;

use std::sync::Arc;

use super::{
    ast::Script,
    dialect::Dialect,
    token::{Kind, Token},
};
use crate::{
    diagnostics::{Diagnostic, Diagnostics, TokenLabel, catalogue::parse as say},
    source::{FileId, Span},
};

/// Blocks and parentheses inside each other, at most.
const MAX_NESTING: usize = 64;
/// Binary operators in one statement, at most; they nest to the left without parentheses.
const MAX_OPERATORS: usize = 600;

/// Where to go on after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recovery {
    /// At the next `probe`, `global`, `private`, `function` or `%{`, as SystemTap.
    #[default]
    Declarations,
    /// Inside handlers also at the next statement: more findings in one go, for the editor.
    Statements,
}

pub(super) type Failed = Box<Diagnostic>;
pub(super) type Parsed<T> = Result<T, Failed>;

/// What the parser must know beside the tokens.
pub(super) struct Context<'t> {
    pub file: FileId,
    pub file_name: &'t str,
    pub text: &'t [u8],
    /// Embedded code and raw register access are allowed: `-g`, or a tapset file.
    pub guru: bool,
    pub recovery: Recovery,
    pub dialect: Dialect,
    /// Names of macros, with `@`, for "similar" lists.
    pub macro_names: Vec<Arc<str>>,
}

pub(super) fn parse(tokens: &[Token], context: Context<'_>) -> (Script, Diagnostics) {
    let last_span = Span::new(context.file, 0, 0);
    let mut parser = Parser {
        tokens,
        pos: 0,
        last: None,
        consumed: last_span,
        context,
        script: Script::default(),
        diagnostics: Diagnostics::default(),
        nesting: 0,
        n_operators: 0,
        in_function: false,
        goes_on: false,
    };
    parser.script();
    (parser.script, parser.diagnostics)
}

struct Parser<'t> {
    tokens: &'t [Token],
    pos: usize,
    /// The token looked at last, which messages name; `None` at the end of the file.
    last: Option<&'t Token>,
    /// Span of the token consumed last: where a node under construction ends.
    consumed: Span,
    context: Context<'t>,
    script: Script,
    diagnostics: Diagnostics,
    nesting: usize,
    n_operators: usize,
    in_function: bool,
    /// The error that is told now is followed by more of the script, not by skipping to the next declaration.
    goes_on: bool,
}

impl<'t> Parser<'t> {
    /// The next token, left in place; `None` at the end.
    fn peek(&mut self) -> Parsed<Option<&'t Token>> {
        self.last = self.tokens.get(self.pos);
        if let Some(Token { kind: Kind::Junk(diagnostic), .. }) = self.last {
            self.pos += 1;
            return Err(diagnostic.clone());
        }
        Ok(self.last)
    }

    /// `diagnostic`, said about the end of the file, wherever it was found.
    fn fail_at_end(&mut self, diagnostic: Diagnostic) -> Failed {
        self.last = None;
        self.fail(diagnostic)
    }

    fn next(&mut self) -> Parsed<&'t Token> {
        let Some(token) = self.tokens.get(self.pos) else {
            // Named after the token before, unless someone has looked at the end already.
            return Err(self.fail(say::end_of_file()));
        };
        self.last = Some(token);
        self.pos += 1;
        if let Kind::Junk(diagnostic) = &token.kind {
            return Err(diagnostic.clone());
        }
        self.consumed = token.span;
        Ok(token)
    }

    fn peek_is(&mut self, accept: impl FnOnce(&Token) -> bool) -> Parsed<bool> {
        Ok(self.peek()?.is_some_and(accept))
    }

    fn peek_op(&mut self, op: &str) -> Parsed<bool> {
        self.peek_is(|t| t.is_op(op))
    }

    fn peek_keyword(&mut self, word: &str) -> Parsed<bool> {
        self.peek_is(|t| t.is_keyword(word))
    }

    /// Consumes the operator if it is next.
    fn accept_op(&mut self, op: &str) -> Parsed<Option<&'t Token>> {
        Ok(if self.peek_op(op)? { Some(self.next()?) } else { None })
    }

    fn accept_keyword(&mut self, word: &str) -> Parsed<bool> {
        let found = self.peek_keyword(word)?;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn expect_op(&mut self, op: &'static str) -> Parsed<&'t Token> {
        let token = self.next()?;
        if token.is_op(op) { Ok(token) } else { Err(self.fail(say::expected_op(op))) }
    }

    /// `diagnostic`, said about the token looked at last.
    fn fail(&self, mut diagnostic: Diagnostic) -> Failed {
        diagnostic.label = TokenLabel::Saw;
        match self.last {
            Some(token) => Box::new(diagnostic.at(token.span).token(token.describe())),
            None => Box::new(diagnostic.token(format!("{} EOF", self.context.file_name))),
        }
    }

    /// `diagnostic`, said about `token`.
    fn fail_at(&self, token: &Token, mut diagnostic: Diagnostic) -> Failed {
        diagnostic.label = TokenLabel::At;
        Box::new(diagnostic.at(token.span).token(token.describe()))
    }

    /// Whether the token consumed last is one of these operators.
    fn consumed_op(&self, ops: &[&str]) -> bool {
        let last = self.pos.checked_sub(1).and_then(|pos| self.tokens.get(pos));
        last.is_some_and(|token| matches!(token.kind, Kind::Op(op) if ops.contains(&op)))
    }

    /// From `start` to the token consumed last.
    fn since(&self, start: Span) -> Span {
        start.to(self.consumed)
    }

    /// Runs a production that may contain itself.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.fail(say::nested_too_deeply()));
        }
        self.nesting += 1;
        let result = production(self);
        self.nesting -= 1;
        result
    }

    /// Skips to the next token a declaration starts with. What the preprocessor found on the way is reported.
    fn resync(&mut self) {
        self.nesting = 0;
        while let Some(token) = self.tokens.get(self.pos).filter(|token| !starts_declaration(token)) {
            self.pos += 1;
            if let Kind::Junk(diagnostic) = &token.kind
                && !say::LEXER.contains(&diagnostic.kind)
            {
                self.diagnostics.push((**diagnostic).clone());
            }
        }
    }
}

fn starts_declaration(token: &Token) -> bool {
    matches!(token.kind, Kind::Keyword("probe" | "global" | "private" | "function") | Kind::Embedded)
}
#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::{
        diagnostics::Diagnostics,
        language::{self, ParseOptions, Recovery, print},
        source::{Origin, SourceMap},
    };

    fn parse(text: &str) -> Diagnostics {
        let mut sources = SourceMap::default();
        let file = sources.add("t", text, Origin::User);
        let options = ParseOptions { recovery: Recovery::Statements, ..ParseOptions::default() };
        let (script, diagnostics) = language::parse(&mut sources, file, &options);
        print::script(&script);
        diagnostics
    }

    /// Every way of nesting, far beyond the limits, on the 2 MiB stack of a test thread.
    #[test]
    fn nesting_is_bounded() {
        for (open, middle, close) in [
            ("x = ", "1", ""),
            ("(", "1", ")"),
            ("- ", "1", ""),
            ("a[", "1", "]"),
            ("f(", "1", ")"),
            ("print(", "1", ")"),
            ("printf(\"%d\", ", "1", ")"),
            ("@count(", "x", ")"),
            ("@hist_log(", "x", ")[1]"),
            ("@cast(", "x", ", \"t\")"),
            ("@entry(", "x", ")"),
            ("1 ? ", "1", " : 1"),
            ("1 ? 1 : ", "1", ""),
            ("x + (", "1", ")"),
            ("[1, ", "1", "] in x"),
            ("$x[", "1", "]"),
            ("{", "", "}"),
            ("if (1) {", "", "}"),
            ("if (1) ", ";", ""),
            ("if (1) ; else ", ";", ""),
            ("if (1) ; else if (1) ; else {", ";", "}"),
            ("while (1) ", ";", ""),
            ("for (;;) ", ";", ""),
            ("foreach (a in b) ", ";", ""),
            ("try {", "", "} catch {}"),
            ("try {} catch { ", "", "}"),
            ("1 + ", "1", ""),
            ("1 . ", "1", ""),
            ("1 && ", "1", ""),
            ("x->", "x", ""),
        ] {
            for n in [10, 30, 2000] {
                let text = format!("probe a {{ {}{middle}{} }}", open.repeat(n), close.repeat(n));
                let errors = parse(&text).len();
                assert!(n > 30 || errors == 0, "{open} {n}: {errors}");
            }
        }
        let braces = format!("probe {}a{} {{}}", "{".repeat(2000), "}".repeat(2000));
        assert!(parse(&braces).has_errors());
        let product = format!("probe {} {{}}", vec!["{a,b,c,d}"; 20].join("."));
        assert!(parse(&product).has_errors());
        let mut doubling = String::from("@define m0 %( x x %)\n");
        for i in 1..60 {
            let _ = writeln!(doubling, "@define m{i} %( @m{0} @m{0} %)", i - 1);
        }
        assert!(parse(&format!("{doubling} probe a {{ @m59 }}")).has_errors());
    }

    /// A switch written as a long chain is no nesting.
    #[test]
    fn long_else_if_chains_parse() {
        let text = format!("probe a {{ {} {{}} }}", "if (x == 1) { print(1) } else ".repeat(200));
        assert!(parse(&text).is_empty());
    }
}
