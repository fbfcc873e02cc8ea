//! Macros: `@define NAME(a, b) %( body %)`, their calls, and the libraries of them in `.stpm` files.
//!
//! Tokens are pulled through a stack of frames. A call pushes the body, a parameter pushes the argument's tokens, which
//! are evaluated in the scope of the call they were written in. Each call's body gets a file id of its own
//! ([`SourceMap::add_expansion`]), so positions know their chain of calls.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use super::{
    conditions::{Conditions, Preprocessor},
    lexer,
    token::{Kind, Token},
};
use crate::{
    diagnostics::{Diagnostic, Diagnostics, TokenLabel, catalogue::parse as say},
    source::{FileId, SourceMap, Span},
};

/// Calls inside calls, at most. Recursion never ends otherwise: nothing can stop it from inside.
const MAX_DEPTH: usize = 100;
/// Tokens that come out of macros in one file, at most.
const MAX_EXPANDED: usize = 1_000_000;

/// `@words` that mean something without a macro.
pub const BUILTIN_AT_WORDS: &[&str] = &[
    "@avg",
    "@cast",
    "@const",
    "@count",
    "@defined",
    "@entry",
    "@enum",
    "@enumname",
    "@hist_linear",
    "@hist_log",
    "@kderef",
    "@kregister",
    "@max",
    "@min",
    "@perf",
    "@probewrite",
    "@sum",
    "@uderef",
    "@uregister",
    "@var",
    "@variance",
];

#[derive(Clone, Debug)]
pub struct Macro {
    /// With the `@`.
    pub name: Arc<str>,
    pub params: Vec<Arc<str>>,
    body: Arc<[Token]>,
    /// Of the name in the definition.
    pub span: Span,
}

/// Macros every script may call, out of `.stpm` files.
#[derive(Clone, Debug, Default)]
pub struct MacroLibrary {
    macros: HashMap<Arc<str>, Arc<Macro>>,
}

impl MacroLibrary {
    /// Adds the definitions of a `.stpm` file. A file with an error, a second definition of a name included, adds
    /// nothing.
    pub fn add_file(&mut self, sources: &mut SourceMap, file: FileId, conditions: &Conditions) -> Diagnostics {
        let text = sources.get(file).map(|f| f.text.clone()).unwrap_or_default();
        let lexed = lexer::lex(&text, file, &[]);
        let mut diagnostics = Diagnostics::default();
        let none = MacroLibrary::default();
        let mut stream = Preprocessor::new(Expander::new(sources, lexed.tokens, &none), conditions);
        while let Some(token) = stream.next_token() {
            match token.kind {
                Kind::Junk(diagnostic) => diagnostics.push(*diagnostic),
                _ => {
                    let mut diagnostic = say::not_a_definition().at(token.span).token(token.describe());
                    diagnostic.label = TokenLabel::At;
                    diagnostics.push(diagnostic);
                    break;
                }
            }
        }
        let defined = stream.into_definitions();
        for (name, definition) in &defined {
            if let Some(first) = self.macros.get(name) {
                diagnostics.push(redefinition(say::library_macro_redefined(name), definition.span, first));
            }
        }
        if !diagnostics.has_errors() {
            self.macros.extend(defined);
        }
        diagnostics
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Macro>> {
        self.macros.get(name)
    }

    /// Names, with the `@`, for completion.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Macro>> {
        self.macros.values()
    }
}

fn redefinition(diagnostic: Diagnostic, at: Span, first: &Macro) -> Diagnostic {
    let describe = |name: &str| format!("identifier '{}'", name.trim_start_matches('@'));
    let message = format!("macro '{}' first defined here", first.name);
    let mut diagnostic =
        diagnostic.at(at).token(describe(&first.name)).related(message, describe(&first.name), first.span);
    diagnostic.label = TokenLabel::At;
    diagnostic
}

/// The arguments of a call.
struct Scope {
    args: HashMap<Arc<str>, Argument>,
}

/// An argument's tokens and the scope of the call they were written in, which they are evaluated in.
#[derive(Clone)]
struct Argument {
    tokens: Arc<[Token]>,
    scope: Option<Rc<Scope>>,
}

/// What is left of a text.
enum Tokens {
    /// The file's own, each read once.
    Own(std::vec::IntoIter<Token>),
    /// Of a macro or an argument, read at every call.
    Shared(Arc<[Token]>, usize),
}

impl Tokens {
    fn next(&mut self) -> Option<Token> {
        match self {
            Tokens::Own(tokens) => tokens.next(),
            Tokens::Shared(tokens, pos) => {
                let token = tokens.get(*pos)?.clone();
                *pos += 1;
                Some(token)
            }
        }
    }

    fn peek(&self) -> Option<&Token> {
        match self {
            Tokens::Own(tokens) => tokens.as_slice().first(),
            Tokens::Shared(tokens, pos) => tokens.get(*pos),
        }
    }
}

struct Frame {
    tokens: Tokens,
    scope: Option<Rc<Scope>>,
    /// The file id of this expansion; `None` where tokens keep their own.
    file: Option<FileId>,
}

/// Raw tokens of a file in, tokens without macros out.
pub struct Expander<'a> {
    sources: &'a mut SourceMap,
    library: &'a MacroLibrary,
    defined: HashMap<Arc<str>, Arc<Macro>>,
    frames: Vec<Frame>,
    n_expanded: usize,
    pub warnings: Vec<Diagnostic>,
}

impl<'a> Expander<'a> {
    pub fn new(sources: &'a mut SourceMap, tokens: Vec<Token>, library: &'a MacroLibrary) -> Self {
        let frames = vec![Frame { tokens: Tokens::Own(tokens.into_iter()), scope: None, file: None }];
        Self { sources, library, defined: HashMap::new(), frames, n_expanded: 0, warnings: Vec::new() }
    }

    pub fn into_definitions(self) -> HashMap<Arc<str>, Arc<Macro>> {
        self.defined
    }

    /// The next token as written, no macro looked at.
    pub fn next_raw(&mut self) -> Option<Token> {
        loop {
            let frame = self.frames.last_mut()?;
            if let Some(mut token) = frame.tokens.next() {
                if let Some(file) = frame.file {
                    token.span.file = file;
                    if let Kind::Junk(diagnostic) = &mut token.kind {
                        diagnostic.primary = Some(token.span);
                    }
                }
                return Some(token);
            }
            if self.frames.len() == 1 {
                return None;
            }
            self.frames.pop();
        }
    }

    /// Whether the next token of the current text is the operator `op`.
    fn peek_op(&self, op: &str) -> bool {
        self.frames.last().and_then(|frame| frame.tokens.peek()).is_some_and(|token| token.is_op(op))
    }

    /// The next token of the current text, not looking past its end.
    fn next_here(&mut self) -> Option<Token> {
        self.frames.last()?.tokens.peek()?;
        self.next_raw()
    }

    /// The next token, macros expanded and definitions taken out. Errors come as [`Kind::Junk`].
    pub fn next_token(&mut self) -> Option<Token> {
        loop {
            let token = self.next_raw()?;
            let Some(word) = token.at_word() else { return Some(token) };
            let result = if word == "@define" && self.frames.len() > 1 {
                Err(junk(&token, say::nested_define()))
            } else if word == "@define" {
                self.define(&token)
            } else if let Some(Argument { tokens, scope }) = self.parameter(word) {
                // An argument's tokens came through the parameter, as messages about them say.
                let file = tokens.first().map(|first| self.sources.add_expansion(first.span.file, word, token.span));
                self.push_frame(&token, tokens, scope, file)
            } else if let Some(definition) = self.defined.get(word).or_else(|| self.library.get(word)).cloned() {
                self.call(&token, &definition)
            } else {
                return Some(token);
            };
            if let Err(junk) = result {
                return Some(*junk);
            }
        }
    }

    fn parameter(&self, word: &str) -> Option<Argument> {
        self.frames.last()?.scope.as_ref()?.args.get(word).cloned()
    }

    fn push_frame(
        &mut self,
        at: &Token,
        tokens: Arc<[Token]>,
        scope: Option<Rc<Scope>>,
        file: Option<FileId>,
    ) -> Result<(), Box<Token>> {
        self.n_expanded += tokens.len() + 1;
        if self.frames.len() > MAX_DEPTH || self.n_expanded > MAX_EXPANDED {
            // Nothing of what is being expanded makes sense any more.
            self.frames.truncate(1);
            self.n_expanded = 0;
            // The chain is the same call over and over; the first one says enough.
            let mut at = at.clone();
            let mut name: Arc<str> = at.name().into();
            while let Some(expansion) = self.sources.expansion(at.span.file) {
                (name, at.span) = (expansion.name.clone(), expansion.call);
            }
            at.text = name.as_bytes().into();
            return Err(junk(&at, say::macro_too_deep(&name)));
        }
        self.frames.push(Frame { tokens: Tokens::Shared(tokens, 0), scope, file });
        Ok(())
    }

    fn call(&mut self, at: &Token, definition: &Arc<Macro>) -> Result<(), Box<Token>> {
        let caller = self.frames.last().and_then(|frame| frame.scope.clone());
        let mut args = HashMap::new();
        if !definition.params.is_empty() {
            for (param, tokens) in definition.params.iter().zip(self.arguments(at, definition)?) {
                args.insert(param.clone(), Argument { tokens, scope: caller.clone() });
            }
        }
        let file = self.sources.add_expansion(definition.span.file, &definition.name, at.span);
        self.push_frame(at, definition.body.clone(), Some(Rc::new(Scope { args })), Some(file))
    }

    /// `(a, f(b, c), [d, e])`: split at commas outside parentheses and brackets.
    fn arguments(&mut self, at: &Token, definition: &Macro) -> Result<Vec<Arc<[Token]>>, Box<Token>> {
        let n_params = definition.params.len();
        if !self.peek_op("(") {
            let found = self.next_here();
            return Err(junk(found.as_ref().unwrap_or(at), say::macro_needs_arguments(&definition.name, n_params)));
        }
        let _ = self.next_here();
        let mut args: Vec<Arc<[Token]>> = Vec::new();
        let mut current = Vec::new();
        let mut depth = 0usize;
        loop {
            let Some(token) = self.next_here() else {
                return Err(junk(at, say::macro_call_unterminated()));
            };
            match token.kind {
                Kind::Op(")") if depth == 0 => {
                    args.push(current.into());
                    if args.len() < n_params {
                        return Err(junk(&token, say::macro_too_few(&definition.name, n_params)));
                    }
                    return Ok(args);
                }
                Kind::Op(",") if depth == 0 => {
                    args.push(std::mem::take(&mut current).into());
                    if args.len() == n_params {
                        return Err(junk(&token, say::macro_too_many(&definition.name, n_params)));
                    }
                    continue;
                }
                Kind::Op("(" | "[") => depth += 1,
                Kind::Op(")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            current.push(token);
        }
    }

    /// A token that carries `diagnostic`, said about the end of the file `at` stands in.
    fn junk_at_end(&self, at: &Token, mut diagnostic: Diagnostic) -> Box<Token> {
        let name = self.sources.get(at.span.file).map_or("", |file| &file.name);
        diagnostic.token = format!("{name} EOF");
        Box::new(Token { kind: Kind::Junk(Box::new(diagnostic)), ..at.clone() })
    }

    fn define(&mut self, at: &Token) -> Result<(), Box<Token>> {
        let name_token = self.next_here().ok_or_else(|| self.junk_at_end(at, say::expected_identifier()))?;
        if !matches!(name_token.kind, Kind::Ident) {
            return Err(junk(&name_token, say::expected_identifier()));
        }
        let name: Arc<str> = format!("@{}", name_token.name()).into();
        if let Some(first) = self.defined.get(&name) {
            let diagnostic = redefinition(say::macro_redefined(&name), name_token.span, first);
            return Err(Box::new(Token { kind: Kind::Junk(Box::new(diagnostic)), ..name_token }));
        }
        let mut params = Vec::new();
        if self.peek_op("(") {
            let _ = self.next_here();
            loop {
                let param = self.next_here().ok_or_else(|| junk(at, say::macro_definition_incomplete()))?;
                if !matches!(param.kind, Kind::Ident) {
                    return Err(junk(&param, say::expected_identifier()));
                }
                params.push(format!("@{}", param.name()).into());
                let separator = self.next_here().ok_or_else(|| junk(at, say::macro_definition_incomplete()))?;
                match separator.kind {
                    Kind::Op(",") => {}
                    Kind::Op(")") => break,
                    _ => return Err(junk(&separator, say::expected_either(",", ")"))),
                }
            }
        }
        let open = self.next_here().ok_or_else(|| self.junk_at_end(at, say::expected_macro_body()))?;
        if !open.is_op("%(") {
            return Err(junk(&open, say::expected_macro_body()));
        }
        let mut body = Vec::new();
        let mut depth = 0usize;
        loop {
            let token = self.next_here().ok_or_else(|| junk(&name_token, say::macro_definition_incomplete()))?;
            match token.kind {
                Kind::Op("%(") => depth += 1,
                Kind::Op("%)") if depth == 0 => break,
                Kind::Op("%)") => depth -= 1,
                _ => {}
            }
            body.push(token);
        }
        if BUILTIN_AT_WORDS.contains(&&*name) {
            self.warnings.push(say::macro_hides_builtin(&name, name_token.span, name_token.describe()));
        }
        let definition = Macro { name: name.clone(), params, body: body.into(), span: name_token.span };
        self.defined.insert(name, Arc::new(definition));
        Ok(())
    }
}

/// A token that carries `diagnostic`, said about `at`.
pub fn junk(at: &Token, diagnostic: Diagnostic) -> Box<Token> {
    // What the lexer found wrong says more than what we expected instead.
    if let Kind::Junk(_) = at.kind {
        return Box::new(at.clone());
    }
    let mut diagnostic = diagnostic.at(at.span).token(at.describe());
    diagnostic.label = TokenLabel::At;
    Box::new(Token { kind: Kind::Junk(Box::new(diagnostic)), ..at.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        language::{ParseOptions, parse, print},
        source::Origin,
    };

    fn library(sources: &mut SourceMap, text: &str) -> (MacroLibrary, Vec<String>) {
        let mut library = MacroLibrary::default();
        let file = sources.add("lib.stpm", text, Origin::Tapset);
        let diagnostics = library.add_file(sources, file, &Conditions::default());
        (library, diagnostics.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn libraries_give_macros_to_scripts() {
        let mut sources = SourceMap::default();
        let text = "@define one %( 1 %)\n@define add(a, b) %( (@a + @b) %)\n%( 1 == 2 %? @define one %( 2 %) %)";
        let (macros, problems) = library(&mut sources, text);
        assert!(problems.is_empty(), "{problems:?}");
        let file = sources.add("t", "probe a { x = @add(@one, @add(2, f(3, 4))) }", Origin::User);
        let options = ParseOptions { macros: Arc::new(macros), ..ParseOptions::default() };
        let (script, diagnostics) = parse(&mut sources, file, &options);
        assert!(diagnostics.is_empty());
        assert_eq!(print::script(&script), "probe a {\n  x = 1 + (2 + f(3, 4));\n}\n");
        // What came out of a library belongs to the script that called it.
        let crate::language::ast::StmtKind::Block(list) = &script.probes[0].body.kind else { panic!() };
        let crate::language::ast::StmtKind::Expr(expr) = &list[0].kind else { panic!() };
        let crate::language::ast::ExprKind::Assign { value, .. } = &expr.kind else { panic!() };
        assert_eq!(sources.place(value.at), "lib.stpm:2:26");
        assert_eq!(sources.place(sources.outermost(value.at)), "t:1:15");
        assert_eq!(sources.origin(value.at), Origin::User);
    }

    #[test]
    fn library_files_hold_definitions_only() {
        let mut sources = SourceMap::default();
        let (macros, problems) = library(&mut sources, "@define one %( 1 %) probe a {}");
        assert_eq!(problems, ["expected '@define': a macro file holds only definitions"]);
        assert!(macros.get("@one").is_none());
    }

    #[test]
    fn a_library_defines_a_name_once() {
        let mut sources = SourceMap::default();
        let (mut macros, _) = library(&mut sources, "@define one %( 1 %)");
        let file = sources.add("again.stpm", "@define one %( 2 %)", Origin::Tapset);
        let problems = macros.add_file(&mut sources, file, &Conditions::default());
        assert_eq!(problems.iter().next().unwrap().kind, "library-macro-redefined");
    }

    #[test]
    fn a_scripts_macro_hides_that_of_a_library() {
        let mut sources = SourceMap::default();
        let (macros, _) = library(&mut sources, "@define one %( 1 %)");
        let file = sources.add("t", "@define one %( 2 %) probe a { x = @one }", Origin::User);
        let options = ParseOptions { macros: Arc::new(macros), ..ParseOptions::default() };
        let (script, _) = parse(&mut sources, file, &options);
        assert_eq!(print::script(&script), "probe a {\n  x = 2;\n}\n");
    }
}
