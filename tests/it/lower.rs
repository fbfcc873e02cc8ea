//! Pass 3: `ir` holds `-p3` text, `ir_err` rendered diagnostics, each file there named after the tag it shows. The machine
//! is one of which nothing is known, as in pass 2.

use tapdeck::{
    diagnostics::Diagnostics,
    lower::{LowerOptions, lower, untranslatable},
    runtime::plan::Lowered,
};

use crate::{
    elaborate::{rendered_with, run_case},
    scripts::{Case, check},
};

fn lowered(case: &Case) -> (Lowered, Diagnostics, String) {
    let run = run_case(case);
    assert!(!run.diagnostics.has_errors(), "{}\n{}", case.name, rendered_with(&run, &run.diagnostics));
    let (lowered, diagnostics) = lower(&run.program, &LowerOptions::default());
    let text = rendered_with(&run, &diagnostics);
    (lowered, diagnostics, text)
}

#[test]
fn ir() {
    check("ir", |case| {
        let (lowered, diagnostics, text) = lowered(case);
        assert!(!diagnostics.has_errors(), "{}\n{text}", case.name);
        lowered.ir.to_string()
    });
}

#[test]
fn ir_err() {
    check("ir_err", |case| {
        let run = run_case(case);
        let found = untranslatable(&run.program);
        let (diagnostics, text) = if found.has_errors() {
            let text = rendered_with(&run, &found);
            (found, text)
        } else {
            let (_, diagnostics, text) = lowered(case);
            (diagnostics, text)
        };
        let tag = case.name.split('.').next().unwrap_or_default();
        let kinds: Vec<&str> = diagnostics.iter().map(|d| d.kind).collect();
        assert!(kinds.contains(&tag), "{}: {kinds:?}", case.name);
        text
    });
}
