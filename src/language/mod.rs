//! Pass 1: text to tree. Knows no machine and no tapset.
//!
//! ```text
//! bytes ──▶ lexer ──▶ macros ──▶ conditions ──▶ parser ──▶ ast::Script
//!           $1 @1     @define    %( … %)
//! ```
//!
//! [`parse`] runs all of it. What is wrong comes back as diagnostics beside whatever could be read.

pub mod ast;
pub mod conditions;
pub mod dialect;
pub mod docs;
pub mod format;
pub mod highlight;
pub mod lexer;
pub mod macros;
pub mod parser;
pub mod print;
pub mod regex;
pub mod similar;
pub mod token;
pub mod tree_dump;
pub mod types;
pub mod visit;

use std::sync::Arc;

pub use conditions::{Conditions, ConfigLookup, Privilege, version_cmp};
pub use macros::MacroLibrary;
pub use parser::{PRINTS, Recovery};
pub use similar::similar;

use crate::{
    diagnostics::{Diagnostics, catalogue::parse as say},
    source::{FileId, Origin, SourceMap},
};

/// What a text is read with.
#[derive(Clone, Debug, Default)]
pub struct ParseOptions {
    pub conditions: Conditions,
    /// `$1`, `@1` and so on. Only the user's script has any.
    pub args: Vec<Vec<u8>>,
    /// Macros out of `.stpm` files.
    pub macros: Arc<MacroLibrary>,
    pub recovery: Recovery,
}

/// Reads one file. Declarations with an error in them are left out of the script (but for the statements that could
/// be read, with [`Recovery::Statements`]).
pub fn parse(sources: &mut SourceMap, file: FileId, options: &ParseOptions) -> (ast::Script, Diagnostics) {
    let Some((text, name, origin)) = sources.get(file).map(|f| (f.text.clone(), f.name.clone(), f.origin)) else {
        return Default::default();
    };
    let dialect = match origin {
        Origin::Tapset => dialect::Dialect::NEWEST,
        _ => dialect::Dialect::of(&options.conditions.systemtap_v),
    };
    let lexed = lexer::lex_as(&text, file, &options.args, dialect);
    let has_tokens = !lexed.tokens.is_empty();
    let mut diagnostics = Diagnostics::default();
    let mut tokens = Vec::with_capacity(lexed.tokens.len());
    let expander = macros::Expander::new(sources, lexed.tokens, &options.macros);
    let mut stream = conditions::Preprocessor::new(expander, &options.conditions);
    while let Some(token) = stream.next_token() {
        tokens.push(token);
    }
    stream.take_warnings().into_iter().for_each(|warning| diagnostics.push(warning));
    for span in lexed.suspicious_embeds {
        diagnostics.push(say::suspicious_embedded(span));
    }
    let mut macro_names: Vec<Arc<str>> = stream.into_definitions().into_keys().collect();
    macro_names.extend(options.macros.iter().map(|m| m.name.clone()));
    let context = parser::Context {
        file,
        file_name: &name,
        text: &text,
        guru: options.conditions.guru_mode || origin == Origin::Tapset,
        recovery: options.recovery,
        dialect,
        macro_names,
    };
    let (mut script, found) = parser::parse(&tokens, context);
    diagnostics.extend(found);
    script.used_args = lexed.used_args;
    if !script.has_text && origin == Origin::User {
        diagnostics.push(say::empty_input(&name, has_tokens));
    }
    (script, diagnostics)
}

/// One warning for each script argument nobody read.
pub fn unused_argument_warnings(used: &[usize], n_args: usize) -> Diagnostics {
    (1..=n_args).filter(|n| !used.contains(n)).map(say::unused_argument).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Diagnostic;

    const OTHERS: &[&str] =
        &["arm", "arm64", "bpf", "dyninst", "i386", "ia64", "mips", "powerpc", "riscv", "s390", "runtime"];

    /// Some files of the library are empty on some machines.
    fn is_wrong(diagnostic: &Diagnostic) -> bool {
        diagnostic.is_error() && diagnostic.kind != say::EMPTY_INPUT
    }

    /// Printed text parses, and prints the same again.
    #[track_caller]
    fn check_print(sources: &mut SourceMap, script: &ast::Script, options: &ParseOptions) {
        let printed = print::script(script);
        let file = sources.add("printed", printed.clone(), Origin::User);
        let (again, diagnostics) = parse(sources, file, options);
        let problems: Vec<_> = diagnostics.iter().filter(|d| is_wrong(d)).collect();
        assert!(problems.is_empty(), "{problems:?}\n{printed}");
        assert_eq!(print::script(&again), printed);
    }

    /// SystemTap's own scripts, where they are installed: every one of them must parse.
    #[test]
    fn installed_systemtap_scripts_parse() {
        let mut macros = MacroLibrary::default();
        let mut sources = SourceMap::default();
        let conditions = Conditions { guru_mode: true, ..Conditions::default() };
        let (mut scripts, mut libraries) = (Vec::new(), Vec::new());
        let mut folders = vec![std::path::PathBuf::from("/usr/share/systemtap")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match path.extension().and_then(|e| e.to_str()) {
                    _ if path.is_dir() => {
                        // Other architectures and runtimes define the same macros again.
                        let name = path.file_name().unwrap().to_str().unwrap();
                        if !OTHERS.contains(&name) {
                            folders.push(path);
                        }
                    }
                    Some("stp") => scripts.push(path),
                    Some("stpm") => libraries.push(path),
                    _ => {}
                }
            }
        }
        let mut failures = Vec::new();
        for path in &libraries {
            let file = sources.add(path.display().to_string(), std::fs::read(path).unwrap(), Origin::Tapset);
            for diagnostic in macros.add_file(&mut sources, file, &conditions) {
                failures.push(format!("{}: {}", path.display(), diagnostic.message));
            }
        }
        // The examples may be installed without the library.
        if libraries.is_empty() {
            for (name, text) in crate::embedded::TAPSETS.iter().filter(|(name, _)| name.ends_with(".stpm")) {
                let file = sources.add(*name, *text, Origin::Tapset);
                failures
                    .extend(macros.add_file(&mut sources, file, &conditions).into_iter().map(|found| found.message));
            }
        }
        let macros = Arc::new(macros);
        // What stands for `$1`, `@1` and so on differs: numbers, probe points, an extractor.
        let argument_sets = [
            ["1", "2", "3", "4", "5"],
            ["a.b", "c.d", "5", "6", "7"],
            ["a", "b", "c", "d", "e"],
            ["a", "b", "@avg", "c", "d"],
        ];
        for path in &scripts {
            // A template with `{...}` in place of a body.
            if path.ends_with("security-bandaid-template.stp") {
                continue;
            }
            let text = std::fs::read(path).unwrap();
            let file = sources.add(path.display().to_string(), text, Origin::User);
            let mut problems = Vec::new();
            for args in argument_sets {
                let options = ParseOptions {
                    conditions: conditions.clone(),
                    args: args.map(|arg| arg.as_bytes().to_vec()).to_vec(),
                    macros: macros.clone(),
                    recovery: Recovery::Declarations,
                };
                let (script, diagnostics) = parse(&mut sources, file, &options);
                problems = diagnostics.into_iter().filter(is_wrong).collect();
                if problems.is_empty() {
                    check_print(&mut sources, &script, &options);
                    break;
                }
            }
            for d in problems {
                let place = d.primary.map(|span| sources.place(span)).unwrap_or_default();
                failures.push(format!("{place}: {} ({})", d.message, d.token));
            }
        }
        assert!(failures.is_empty(), "{} scripts\n{}", scripts.len(), failures.join("\n"));
    }
}
