//! What is wrong with a script, as values. Rendered by [`stap_form`] (SystemTap's text with carets), [`concise_form`]
//! (one line each) and the editor pane.

pub mod catalogue;
pub mod color;
pub mod concise_form;
pub mod stap_form;

use crate::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// Which pass speaks; the first words of the message ("parse error:", "semantic error:").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Parse,
    Semantic,
    /// Pass 3 of SystemTap's: what cannot be translated. Also printed as "semantic error:".
    Translate,
    /// Passes 3 to 5: what eBPF or the verifier does not take. Also printed as "semantic error:".
    Generate,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable tag, `kebab-case`, e.g. `unresolved-function`; a fixture is named after it.
    pub kind: &'static str,
    pub severity: Severity,
    pub stage: Stage,
    /// Lower case, no full stop, without position.
    pub message: String,
    /// SystemTap's words for the token at `primary`: `identifier 'x'`, `operator '='`. Empty when there is none.
    pub token: String,
    /// `saw:` (an unexpected token) or `at:` in parse errors.
    pub label: TokenLabel,
    pub primary: Option<Span>,
    /// Chained notes, each printed like a diagnostic of its own ("type was first inferred here (long)").
    pub related: Vec<Related>,
    /// Macro calls the text came out of, innermost first.
    pub expansion: Vec<Related>,
    /// The way out, for humans; the editor shows it under the caret.
    pub help: Option<String>,
    /// A replacement the editor can apply: of `primary`, or of the part that `related` is about.
    pub fix: Option<String>,
    /// Another error was found in the same statement before; SystemTap looks no further there, the editor shows both.
    pub follows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLabel {
    Saw,
    At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    pub message: String,
    pub token: String,
    pub span: Span,
}

impl Diagnostic {
    pub fn new(kind: &'static str, severity: Severity, stage: Stage, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            stage,
            message: message.into(),
            token: String::new(),
            label: TokenLabel::At,
            primary: None,
            related: Vec::new(),
            expansion: Vec::new(),
            help: None,
            fix: None,
            follows: false,
        }
    }

    pub fn at(mut self, span: Span) -> Self {
        self.primary = (!span.is_none()).then_some(span);
        self
    }

    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn fix(mut self, replacement: impl Into<String>) -> Self {
        self.fix = Some(replacement.into());
        self
    }

    pub fn related(mut self, message: impl Into<String>, token: impl Into<String>, span: Span) -> Self {
        self.related.push(Related { message: message.into(), token: token.into(), span });
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The findings of a pass, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    pub fn extend(&mut self, other: Diagnostics) {
        self.list.extend(other.list);
    }

    /// Takes the findings behind the first `n`.
    pub fn split_off(&mut self, n: usize) -> Diagnostics {
        Diagnostics { list: self.list.split_off(n.min(self.list.len())) }
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Diagnostic::is_error)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(iter: T) -> Self {
        Self { list: iter.into_iter().collect() }
    }
}
