//! A program as `-p2` prints it: globals, functions and probes with their types.

use std::{collections::BTreeMap, fmt::Write};

use rustc_hash::FxHashMap as HashMap;

use super::{
    effects::Use,
    program::{Expr, ExprKind, Global, Local, Program},
};
use crate::{builtins, elaborate::walk, language::types::Type};

/// The sections `# globals`, `# functions`, `# probes`; empty ones are left out.
pub fn print(program: &Program) -> String {
    let mut out = String::new();
    if !program.embeds.is_empty() {
        out += "# global embedded code\n";
    }
    for (code, _) in &program.embeds {
        let _ = writeln!(out, "%{{{}%}}", String::from_utf8_lossy(code));
    }
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
    for (head, locals) in combined(program) {
        let _ = writeln!(out, "{head}");
        print_locals(&mut out, &locals);
    }
    print_display_probes(&mut out, program);
    let asks_globals = |condition: &Expr| {
        let mut used = Use::default();
        used.add_expr(condition);
        !used.globals_read.is_empty()
    };
    if program.probes.iter().filter_map(|probe| probe.condition.as_ref()).any(asks_globals) {
        // SystemTap's own, which looks at the conditions for the first time.
        out += "begin /*  <- begin */ \n";
    }
    out
}

/// A line for each point with the locals there. Handlers at one point are one to SystemTap's optimizer, which keeps the
/// error of each and counts up the names of the locals.
fn combined(program: &Program) -> Vec<(String, Vec<Local>)> {
    struct Head {
        text: String,
        locals: Vec<Local>,
        n_handlers: usize,
    }
    let mut heads: Vec<Head> = Vec::new();
    let mut by_point: HashMap<String, usize> = HashMap::default();
    for probe in &program.probes {
        for site in &probe.sites {
            let point = format!("{}{}", site.point, probe.suffix);
            let is_alone = program.unoptimized || probe.condition.is_some();
            if let Some(&idx) = by_point.get(&point).filter(|_| !is_alone) {
                let head = &mut heads[idx];
                if head.n_handlers == 1 {
                    head.locals.push(error_local("__combined_probe_error__"));
                    head.locals.push(error_local("__error_0__"));
                }
                let n = head.n_handlers;
                head.locals.extend(
                    probe.locals.iter().map(|local| Local { name: format!("{}_{n}", local.name).into(), ty: local.ty }),
                );
                head.locals.push(error_local(&format!("__error_{n}__")));
                head.n_handlers += 1;
                continue;
            }
            if !is_alone {
                by_point.insert(point.clone(), heads.len());
            }
            let text = format!("{point} /* {} */ ", probe.derivation);
            heads.push(Head { text, locals: probe.locals.clone(), n_handlers: 1 });
        }
    }
    heads.into_iter().map(|head| (head.text, head.locals)).collect()
}

fn error_local(name: &str) -> Local {
    Local { name: name.into(), ty: Type::Str }
}

/// The probes that show, at the end, each global nobody reads.
fn print_display_probes(out: &mut String, program: &Program) {
    for global in program.globals.iter().filter(|global| global.write_only) {
        *out += "end /*  <- end */ \n";
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
    let mut locals = locals.iter().filter(|local| !local.is_stand_in()).peekable();
    if locals.peek().is_some() {
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
    // One without a result is a number where it is used as one.
    let mut ids: BTreeMap<u16, Type> = BTreeMap::new();
    let mut add = |expr: &Expr| {
        if let ExprKind::Builtin { builtin, .. } = &expr.kind {
            let ty = ids.entry(builtin.0).or_insert(expr.ty);
            *ty = if *ty == Type::Unknown { expr.ty } else { *ty };
        }
    };
    for function in &program.functions {
        walk::every_expr(&function.body, &mut add);
    }
    for probe in &program.probes {
        walk::every_expr(&probe.body, &mut add);
    }
    let describe = |(id, result)| {
        let row = builtins::get(builtins::BuiltinId(id));
        let params: Vec<String> = row.params.iter().map(|param| format!("{}:{}", param.name, param.ty)).collect();
        (row.name.to_owned(), format!("{}:{result} ({})\n", row.name, params.join(", ")))
    };
    // Those of tapdeck's own tapsets are no part of the language.
    ids.into_iter().map(describe).filter(|(name, _)| !name.starts_with("__")).collect()
}
