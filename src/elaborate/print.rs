//! A program as `-p2` prints it: globals, functions and probes with their types.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::program::{Expr, ExprKind, Global, Local, Program};
use crate::{builtins, elaborate::walk, language::types::Type};

/// The sections `# globals`, `# functions`, `# probes`; empty ones are left out.
pub fn print(program: &Program) -> String {
    let mut out = String::new();
    let globals: Vec<&Global> = program.globals.iter().filter(|global| !global.hidden).collect();
    if !globals.is_empty() {
        out += "# globals\n";
    }
    for global in globals {
        let wrap = if global.wrap { "%" } else { "" };
        let size = global.size.map_or(String::new(), |size| format!("[{size}]"));
        let keys = if global.keys.is_empty() { String::new() } else { format!(" [{}]", types(&global.keys)) };
        let _ = writeln!(out, "{}{wrap}{size}:{}{keys}", global.name, global.value);
    }
    let mut functions: Vec<(String, String)> = Vec::new();
    for function in &program.functions {
        let (params, locals) = function.locals.split_at(function.n_params.min(function.locals.len()));
        let params: Vec<String> = params.iter().map(|param| format!("{}:{}", param.name, param.ty)).collect();
        let mut text = format!("{}:{} ({})\n", function.name, function.ret, params.join(", "));
        print_locals(&mut text, locals);
        functions.push((function.name.to_string(), text));
    }
    functions.extend(used_builtins(program));
    functions.sort_by(|a, b| a.0.cmp(&b.0));
    if !functions.is_empty() {
        out += "# functions\n";
    }
    functions.iter().for_each(|(_, text)| out += text);
    if !program.probes.is_empty() {
        out += "# probes\n";
    }
    for probe in &program.probes {
        for site in &probe.sites {
            let _ = writeln!(out, "{} /* <- {} */", site.point, probe.derivation);
            print_locals(&mut out, &probe.locals);
        }
    }
    print_display_probes(&mut out, program);
    out
}

/// The probes that show, at the end, each global nobody reads.
fn print_display_probes(out: &mut String, program: &Program) {
    for global in program.globals.iter().filter(|global| global.write_only) {
        *out += "end /* <- end */\n";
        let mut locals: Vec<Local> = Vec::new();
        for (idx, ty) in global.keys.iter().enumerate() {
            locals.push(Local { name: format!("__idx{idx}").into(), ty: *ty });
        }
        if !global.keys.is_empty() && global.value != Type::Stat {
            locals.push(Local { name: "__val".into(), ty: global.value });
        }
        print_locals(out, &locals);
    }
}

fn print_locals(out: &mut String, locals: &[Local]) {
    if !locals.is_empty() {
        *out += "  # locals\n";
    }
    for local in locals {
        let _ = writeln!(out, "  {}:{}", local.name, local.ty);
    }
}

fn types(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}

/// Builtins that are called, as functions.
fn used_builtins(program: &Program) -> Vec<(String, String)> {
    let mut ids = BTreeSet::new();
    let mut add = |expr: &Expr| {
        if let ExprKind::Builtin { builtin, .. } = &expr.kind {
            ids.insert(builtin.0);
        }
    };
    for function in &program.functions {
        walk::every_expr(&function.body, &mut add);
    }
    for probe in &program.probes {
        walk::every_expr(&probe.body, &mut add);
    }
    let describe = |id| {
        let row = builtins::get(builtins::BuiltinId(id));
        let params: Vec<String> = row.params.iter().map(|param| format!("{}:{}", param.name, param.ty)).collect();
        (row.name.to_owned(), format!("{}:{} ({})\n", row.name, row.result, params.join(", ")))
    };
    // Those of tapdeck's own tapsets are no part of the language.
    ids.into_iter().map(describe).filter(|(name, _)| !name.starts_with("__")).collect()
}
