//! Syntax colours for the editor: the language's own cut of the text, in the roles of a theme.

use super::engine::{Token, TokenClass};
use crate::language::highlight::{self, TokenClass as Class};

/// Pieces of `text`, ascending. Total over any text, never fails.
pub fn highlight(text: &str) -> Vec<Token> {
    let pieces = highlight::highlight(text.as_bytes()).into_iter();
    pieces.map(|(range, class)| Token { range, class: shown_as(class) }).collect()
}

fn shown_as(class: Class) -> TokenClass {
    match class {
        Class::Keyword | Class::Type => TokenClass::Keyword,
        Class::String => TokenClass::String,
        Class::Number => TokenClass::Number,
        Class::Comment | Class::Embedded => TokenClass::Comment,
        Class::Call => TokenClass::Function,
        Class::ProbePoint => TokenClass::Probe,
        Class::ContextVariable => TokenClass::ContextVar,
        Class::AtWord | Class::Preprocessor => TokenClass::Macro,
        Class::Operator => TokenClass::Operator,
        Class::Identifier | Class::Error => TokenClass::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let text = "probe syscall.openat.return { n[execname()]++ } # x";
        let shown: String =
            highlight(text).iter().map(|t| format!("{:?}:{} ", t.class, &text[t.range.clone()])).collect();
        assert!(shown.starts_with("Keyword:probe Probe:syscall"), "{shown}");
        assert!(shown.ends_with("Comment:# x "), "{shown}");
    }
}
