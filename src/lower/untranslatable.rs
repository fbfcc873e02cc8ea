//! What passes 1 and 2 take and nothing can be made of: jumps out of no loop, prints of too much or of an aggregate,
//! embedded C. SystemTap finds these in pass 3, after what is unused has gone.

use crate::{
    diagnostics::{Diagnostics, catalogue::translate as say},
    elaborate::{
        program::{Expr, ExprKind, Program, Stmt, StmtKind},
        walk,
    },
    language::types::Type,
};

/// Arguments of one print, at most.
const MAX_PRINT_ARGS: usize = 32;

/// Every such place in what is left of the program.
pub fn untranslatable(program: &Program) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (_, span) in &program.embeds {
        found.push(say::embedded("embedded C code", *span));
    }
    let bodies = program.functions.iter().map(|function| &function.body);
    for body in bodies.chain(program.probes.iter().map(|probe| &probe.body)) {
        stmt(body, false, &mut found);
        walk::every_expr(body, &mut |each| expr(each, &mut found));
    }
    found
}

fn stmt(body: &Stmt, in_loop: bool, found: &mut Diagnostics) {
    match &body.kind {
        StmtKind::Break if !in_loop => found.push(say::outside_loop("break", body.span)),
        StmtKind::Continue if !in_loop => found.push(say::outside_loop("continue", body.span)),
        StmtKind::Embedded(code) => found.push(say::embedded(&code.what, body.span)),
        _ => {}
    }
    let in_loop = in_loop || matches!(body.kind, StmtKind::Loop { .. } | StmtKind::Foreach(_));
    walk::parts(body, &mut |part| {
        if let walk::Part::Stmt(inner) = part {
            stmt(inner, in_loop, found);
        }
    });
}

fn expr(expr: &Expr, found: &mut Diagnostics) {
    match &expr.kind {
        ExprKind::Embedded(code) => found.push(say::embedded(&code.what, expr.span)),
        ExprKind::Print(print) => {
            if print.args.len() > MAX_PRINT_ARGS {
                found.push(say::too_many_print_args(print.args.len(), expr.span));
            }
            for arg in print.args.iter().filter(|arg| arg.ty == Type::Stat) {
                found.push(say::not_printable(arg.ty, arg.span));
            }
        }
        _ => {}
    }
}
