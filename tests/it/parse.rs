//! Pass 1: `parse_ok` holds printed trees, `parse_err` rendered diagnostics.

use proptest::prelude::*;
use tapdeck::{
    diagnostics::{Diagnostics, concise_form, stap_form},
    language::{self, Conditions, ParseOptions, Recovery, ast::Script},
    source::{Origin, SourceMap},
};

use crate::scripts::{Case, check};

pub fn parse(case: &Case, sources: &mut SourceMap, recovery: Recovery) -> (Script, Diagnostics) {
    let conditions = Conditions { guru_mode: case.directive("guru").is_some(), ..Conditions::default() };
    let file = sources.add(case.name.clone(), case.text.clone(), Origin::User);
    let args = case.args().into_iter().map(String::into_bytes).collect();
    let options = ParseOptions { conditions, args, recovery, ..ParseOptions::default() };
    language::parse(sources, file, &options)
}

/// What `stap -p1` writes on stderr.
pub fn rendered(case: &Case) -> String {
    let mut sources = SourceMap::default();
    let (_, diagnostics) = parse(case, &mut sources, Recovery::Declarations);
    let mut state = stap_form::State::default();
    let mut out: String = diagnostics.iter().map(|d| stap_form::render(d, &sources, &mut state)).collect();
    out.push_str(&stap_form::parse_error_count(&diagnostics));
    out.push_str(&stap_form::pass_failed(1));
    out.push_str(&state.summary());
    out
}

#[test]
fn parse_ok() {
    check("parse_ok", |case| {
        let mut sources = SourceMap::default();
        let (script, diagnostics) = parse(case, &mut sources, Recovery::Declarations);
        let mut state = stap_form::State::default();
        let messages: String = diagnostics.iter().map(|d| stap_form::render(d, &sources, &mut state)).collect();
        assert!(!diagnostics.has_errors(), "{}\n{messages}", case.name);
        let printed = language::print::script(&script);
        // The printed text is a script again, and the same one.
        let file = sources.add("printed", printed.clone(), Origin::User);
        let conditions = Conditions { guru_mode: true, ..Conditions::default() };
        let (again, problems) =
            language::parse(&mut sources, file, &ParseOptions { conditions, ..ParseOptions::default() });
        assert!(!problems.has_errors(), "{}\n{problems:?}\n{printed}", case.name);
        assert_eq!(language::print::script(&again), printed, "{}", case.name);
        messages + &printed
    });
}

#[test]
fn parse_err() {
    check("parse_err", rendered);
}

/// Recovery inside handlers finds more, never less, and keeps what it could read.
#[test]
fn statement_recovery() {
    for case in crate::scripts::cases("parse_err") {
        let mut sources = SourceMap::default();
        let (_, at_declarations) = parse(&case, &mut sources, Recovery::Declarations);
        let (_, at_statements) = parse(&case, &mut sources, Recovery::Statements);
        assert!(at_statements.has_errors() >= at_declarations.has_errors(), "{}", case.name);
    }
    let text = "probe begin { x = ; y = 1; if (; z = 2 } probe end { ) ; print(1) }";
    let case = Case { path: "".into(), name: "t".to_owned(), text: text.into() };
    let mut sources = SourceMap::default();
    let (script, diagnostics) = parse(&case, &mut sources, Recovery::Statements);
    let lines: Vec<String> = diagnostics.iter().map(|d| concise_form::render(d, &sources)).collect();
    expect_test::expect![[r#"
        t:1:19: error: expected literal string or number, at operator ';'
        t:1:32: error: expected literal string or number, at operator ';'
        t:1:54: error: expected literal string or number, at operator ')'"#]]
    .assert_eq(&lines.join("\n"));
    expect_test::expect![[r#"
        probe begin {
          y = 1;
          z = 2;
        }
        probe end {
          print(1);
        }
    "#]]
    .assert_eq(&language::print::script(&script));
}

/// Pieces of scripts, thrown together.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "probe",
        "a",
        "begin",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ";",
        ",",
        "=",
        "+=",
        "<<<",
        "global",
        "function",
        "private",
        "if",
        "else",
        "for",
        "foreach",
        "in",
        "while",
        "return",
        "delete",
        "next",
        "break",
        "try",
        "catch",
        "limit",
        "1",
        "\"s\"",
        "\"%d %s\"",
        "x",
        "f(",
        "x[",
        "$x",
        "->",
        "$",
        "@count",
        "@hist_log(x)",
        "@cast",
        "@defined",
        "printf(",
        "print(",
        "+",
        "-",
        "++",
        "--",
        "!",
        "*",
        "%",
        "? ",
        ":",
        "&&",
        "==",
        "=~",
        ".",
        "@define",
        "%(",
        "%)",
        "%?",
        "%:",
        "kernel_v",
        "m",
        "@m",
        "@m(",
        "$1",
        "@1",
        "$#",
        "%{",
        "%}",
        "\"",
        "/*",
        "*/",
        "#",
        "\n",
        "\u{e9}",
        "08",
        "*",
        "long",
        "string",
        "1 == 1",
        "probe a {",
        "global g",
        "print(1)",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60).prop_map(|pieces| pieces.join(" "))
}

fn survives(text: &[u8]) {
    for recovery in [Recovery::Declarations, Recovery::Statements] {
        let mut sources = SourceMap::default();
        let file = sources.add("soup", text, Origin::User);
        let options = ParseOptions { args: vec![b"x $1 (".to_vec()], recovery, ..ParseOptions::default() };
        let (script, diagnostics) = language::parse(&mut sources, file, &options);
        let mut state = stap_form::State::new(true);
        for diagnostic in diagnostics.iter() {
            stap_form::render(diagnostic, &sources, &mut state);
            concise_form::render(diagnostic, &sources);
        }
        // What was read prints as a script that reads the same.
        let printed = language::print::script(&script);
        let file = sources.add("printed", printed.clone(), Origin::Tapset);
        let (again, problems) = language::parse(&mut sources, file, &ParseOptions::default());
        assert!(!problems.has_errors(), "{problems:?}\n{printed}");
        assert_eq!(language::print::script(&again), printed);
    }
    let mut end = 0;
    for (range, _) in language::highlight::highlight(text) {
        assert!(range.start >= end && range.end > range.start && range.end <= text.len());
        end = range.end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_are_survived(text in soup()) {
        survives(text.as_bytes());
    }

    #[test]
    fn pieces_inside_a_handler_are_survived(text in soup()) {
        survives(format!("global g function f(a) {{ return a }} probe a {{ {text} }} probe b {{ x = 1 }}").as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }
}

/// A scaffold of an editor's load: colours and tree of 2000 lines.
#[test]
fn two_thousand_lines_are_quick() {
    let text = "probe syscall.read { if (pid() == target()) bytes[execname(), tid()] <<< $count + 1 } // comment\n";
    let text = text.repeat(2000);
    let start = std::time::Instant::now();
    let classes = language::highlight::highlight(text.as_bytes());
    let highlighted = start.elapsed();
    let mut sources = SourceMap::default();
    let file = sources.add("long", text, Origin::User);
    let start = std::time::Instant::now();
    let (script, _) = language::parse(&mut sources, file, &ParseOptions::default());
    println!("{} classes in {highlighted:?}, {} probes in {:?}", classes.len(), script.probes.len(), start.elapsed());
    assert_eq!(script.probes.len(), 2000);
}

/// Every finding of pass 1 has a script that shows it.
#[test]
fn every_kind_has_a_script() {
    let catalogue = include_str!("../../src/diagnostics/catalogue/parse.rs");
    let kinds = catalogue.split('"').filter(|text| {
        text.contains('-')
            && *text != "embedded-code"
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            && !text.starts_with('-')
    });
    let mut shown = std::collections::BTreeSet::new();
    for folder in ["parse_err", "parse_ok"] {
        for case in crate::scripts::cases(folder) {
            let (_, diagnostics) = parse(&case, &mut SourceMap::default(), Recovery::Declarations);
            shown.extend(diagnostics.iter().map(|d| d.kind));
        }
    }
    // Of macro libraries and of the command line, tested beside their code.
    shown.extend(["not-a-definition", "library-macro-redefined", "macro-file-skipped", "unused-argument"]);
    let missing: Vec<&str> = kinds.filter(|kind| !shown.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
