//! How long every string can get. Short ones make short keys and records: `execname()` is 15 bytes, not 511.
//!
//! A bound is a number of bytes without the NUL. Bounds of globals (each key column and the value), locals, parameters
//! and results depend on each other, so they grow together until nothing changes; what still grows after
//! [`MAX_ROUNDS`] (`s = s . "x"` in a loop) gets the limit.

use tapdeck_ebpf::ir::{Intrinsic, SiteField, Ty};

use crate::elaborate::walk;
use crate::{
    builtins::{self, BuiltinId, Implementation, Special, TextFault},
    elaborate::program::{
        Expr, ExprKind, ForeachBase, GlobalId, GlobalInit, LocalId, Print, Program, Stmt, StmtKind, Target,
    },
    language::{
        ast::AssignOp,
        format::{ConversionKind, Piece, Size},
        types::Type,
    },
};

const MAX_ROUNDS: usize = 16;
/// Digits, sign and prefix of the longest number: 22 octal digits, a sign, a 0.
const MAX_NUMBER: usize = 24;

/// Bounds of everything in a program.
#[derive(Debug)]
pub struct Bounds {
    /// The longest string there is.
    max: u16,
    pub globals: Vec<GlobalBounds>,
    pub functions: Vec<BodyBounds>,
    pub probes: Vec<BodyBounds>,
    /// By [`SiteField`].
    site: [u16; 5],
    changed: bool,
    /// Whatever changes now goes to the limit.
    widen: bool,
}

#[derive(Clone, Debug, Default)]
pub struct GlobalBounds {
    pub keys: Vec<u16>,
    pub value: u16,
}

#[derive(Clone, Debug, Default)]
pub struct BodyBounds {
    pub locals: Vec<u16>,
    pub result: u16,
}

/// A handler's or a function's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum BodyRef {
    Probe(usize),
    Function(usize),
}

impl Bounds {
    /// `max_string_len` counts the NUL.
    pub fn infer(program: &Program, max_string_len: u16) -> Self {
        let mut bounds = Bounds {
            max: max_string_len.max(8) - 1,
            globals: program.globals.iter().map(|g| GlobalBounds { keys: vec![0; g.keys.len()], value: 0 }).collect(),
            functions: program
                .functions
                .iter()
                .map(|f| BodyBounds { locals: vec![0; f.locals.len()], result: 0 })
                .collect(),
            probes: program.probes.iter().map(|p| BodyBounds { locals: vec![0; p.locals.len()], result: 0 }).collect(),
            site: [0; 5],
            changed: true,
            widen: false,
        };
        bounds.start(program);
        for round in 0.. {
            if !std::mem::take(&mut bounds.changed) {
                break;
            }
            bounds.widen = round >= MAX_ROUNDS;
            for (idx, probe) in program.probes.iter().enumerate() {
                bounds.stmt(program, BodyRef::Probe(idx), &probe.body);
                probe.condition.iter().for_each(|cond| bounds.exprs(program, BodyRef::Probe(idx), cond));
            }
            for (idx, function) in program.functions.iter().enumerate() {
                bounds.stmt(program, BodyRef::Function(idx), &function.body);
                if let Some(next) = function.next_overload {
                    bounds.flow_to_overload(idx, next.index(), function.n_params);
                }
            }
        }
        bounds
    }

    /// What does not depend on anything: initial values and texts of sites.
    fn start(&mut self, program: &Program) {
        for (idx, global) in program.globals.iter().enumerate() {
            if let Some(GlobalInit::Str(text)) = &global.init {
                self.globals[idx].value = self.clamp(text.len());
            }
        }
        for probe in &program.probes {
            self.site[SiteField::Pn as usize] = self.site[SiteField::Pn as usize].max(self.clamp(probe.written.len()));
            for site in &probe.sites {
                for (field, text) in [
                    (SiteField::Pp, &*site.point),
                    (SiteField::Func, &site.func),
                    (SiteField::Name, &site.name),
                    (SiteField::Way, site.attach.way()),
                ] {
                    self.site[field as usize] = self.site[field as usize].max(self.clamp(text.len()));
                }
            }
        }
    }

    /// The variable type of a string of at most `len` bytes.
    pub fn ty(&self, len: u16) -> Ty {
        Ty::Str { cap: (len.min(self.max) + 1).next_multiple_of(8) }
    }

    /// The type of the longest string.
    pub fn max_ty(&self) -> Ty {
        self.ty(self.max)
    }

    /// The longest text `expr` can give, where locals have these bounds.
    pub fn of(&self, program: &Program, expr: &Expr, locals: &[u16]) -> u16 {
        let of = |expr: &Expr| self.of(program, expr, locals);
        match &expr.kind {
            _ if expr.ty != Type::Str => 0,
            ExprKind::Str(text) => self.clamp(text.len()),
            ExprKind::Local(local) => locals.get(local.index()).copied().unwrap_or(self.max),
            ExprKind::Global(global) | ExprKind::Element { global, .. } => self.globals[global.index()].value,
            ExprKind::Call { function, .. } => self.functions[function.index()].result,
            ExprKind::Builtin { builtin, args } => self.of_builtin(program, *builtin, args, locals),
            ExprKind::Concat(parts) => self.clamp(parts.iter().map(|part| of(part) as usize).sum()),
            ExprKind::Ternary { then, otherwise, .. } => of(then).max(of(otherwise)),
            ExprKind::Assign { op: AssignOp::Set, value, .. } => of(value),
            ExprKind::Assign { target, .. } => self.of_target(target, locals),
            ExprKind::Print(print) => self.clamp(self.of_print(program, print, locals)),
            _ => self.max,
        }
    }

    /// Whether `expr` puts a text together that can be longer than a string.
    pub fn may_be_cut(&self, program: &Program, expr: &Expr, locals: &[u16]) -> bool {
        let len = match &expr.kind {
            ExprKind::Concat(parts) => parts.iter().map(|part| usize::from(self.of(program, part, locals))).sum(),
            ExprKind::Print(print) => self.of_print(program, print, locals),
            _ => 0,
        };
        len > usize::from(self.max)
    }

    fn of_target(&self, target: &Target, locals: &[u16]) -> u16 {
        match target {
            Target::Local(local) => locals.get(local.index()).copied().unwrap_or(self.max),
            Target::Global(global) | Target::Element { global, .. } => self.globals[global.index()].value,
        }
    }

    fn of_builtin(&self, program: &Program, builtin: BuiltinId, args: &[Expr], locals: &[u16]) -> u16 {
        let row = builtins::get(builtin);
        if let Some(len) = row.max_len {
            return self.clamp(len as usize);
        }
        let constant = |idx: usize| match args.get(idx).map(|arg| &arg.kind) {
            Some(ExprKind::Long(n)) => Some((*n).clamp(0, self.max as i64) as u16),
            _ => None,
        };
        match &row.implementation {
            Implementation::Intrinsic(Intrinsic::Substr) => {
                self.of(program, &args[0], locals).min(constant(2).unwrap_or(self.max))
            }
            Implementation::Lowered(Special::Site(field)) => self.site[*field as usize],
            Implementation::Lowered(Special::ReadText { counted: true, fault, .. }) => {
                let substitute = match fault {
                    TextFault::Raise(_) => 0,
                    TextFault::Text(text) => self.clamp(text.len()),
                    TextFault::Argument | TextFault::Warn => {
                        args.get(2).map_or(0, |text| self.of(program, text, locals))
                    }
                };
                constant(1).unwrap_or(self.max).max(substitute)
            }
            Implementation::Lowered(Special::ReadText { counted: false, fault, .. }) => {
                let substitute = match fault {
                    TextFault::Raise(_) => 0,
                    TextFault::Text(text) => self.clamp(text.len()),
                    TextFault::Argument | TextFault::Warn => {
                        args.get(1).map_or(0, |text| self.of(program, text, locals))
                    }
                };
                char_array_len(&args[0]).map_or(self.max, |len| self.clamp(len).max(substitute))
            }
            _ => self.max,
        }
    }

    /// The longest text a format can make.
    fn of_print(&self, program: &Program, print: &Print, locals: &[u16]) -> usize {
        let mut len = 0usize;
        let mut args = print.args.iter();
        for piece in &print.format.pieces {
            let conversion = match piece {
                Piece::Text(text) => {
                    len += text.len();
                    continue;
                }
                Piece::Conversion(conversion) => conversion,
            };
            let mut size = |size: Size| match size {
                Size::Default => None,
                Size::Fixed(n) => Some(n as usize),
                Size::Dynamic => {
                    args.next();
                    Some(usize::from(self.max))
                }
            };
            let (width, precision) = (size(conversion.width), size(conversion.precision));
            let natural = match (conversion.kind, args.next()) {
                (ConversionKind::String, Some(arg)) => {
                    let full = usize::from(self.of(program, arg, locals));
                    precision.map_or(full, |precision| full.min(precision))
                }
                (ConversionKind::Memory, _) => precision.unwrap_or(1),
                (ConversionKind::MemoryHex, _) => 2 * precision.unwrap_or(1),
                (ConversionKind::Char, _) => 4,
                (ConversionKind::Binary, _) => 8,
                _ => MAX_NUMBER.max(precision.unwrap_or(0) + 3),
            };
            len += natural.max(width.unwrap_or(0));
        }
        if print.args.iter().any(|arg| matches!(arg.kind, ExprKind::Hist { .. })) {
            return usize::MAX;
        }
        len
    }

    fn clamp(&self, len: usize) -> u16 {
        len.min(self.max as usize) as u16
    }

    fn locals(&self, body: BodyRef) -> &[u16] {
        match body {
            BodyRef::Probe(idx) => &self.probes[idx].locals,
            BodyRef::Function(idx) => &self.functions[idx].locals,
        }
    }

    fn in_body(&self, program: &Program, body: BodyRef, expr: &Expr) -> u16 {
        self.of(program, expr, self.locals(body))
    }

    fn stmt(&mut self, program: &Program, body: BodyRef, stmt: &Stmt) {
        let mut stmts = Vec::new();
        walk::every_stmt(stmt, &mut |stmt| stmts.push(stmt));
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Foreach(each) => {
                    if let ForeachBase::Array(global) = each.base {
                        for (idx, local) in each.keys.iter().enumerate() {
                            let len = self.globals[global.index()].keys[idx];
                            self.raise_local(body, *local, len);
                        }
                        if let Some(local) = each.value {
                            let len = self.globals[global.index()].value;
                            self.raise_local(body, local, len);
                        }
                        self.keys(program, body, global, each.slice.iter().map(Option::as_ref));
                    }
                }
                StmtKind::Return(Some(value)) => {
                    let len = self.in_body(program, body, value);
                    if let BodyRef::Function(idx) = body {
                        self.raise(len, |bounds| &mut bounds.functions[idx].result);
                    }
                }
                StmtKind::Try { var: Some(var), .. } => self.raise_local(body, *var, self.max),
                StmtKind::Delete { global, keys } => {
                    self.keys(program, body, *global, keys.iter().map(Option::as_ref));
                }
                _ => {}
            }
        }
        let mut exprs = Vec::new();
        walk::every_expr(stmt, &mut |expr| exprs.push(expr));
        exprs.into_iter().for_each(|expr| self.expr(program, body, expr));
    }

    fn exprs(&mut self, program: &Program, body: BodyRef, expr: &Expr) {
        let mut exprs = Vec::new();
        walk::expr_and_below(expr, &mut |expr| exprs.push(expr));
        exprs.into_iter().for_each(|expr| self.expr(program, body, expr));
    }

    /// What one expression, without those inside it, tells about others.
    fn expr(&mut self, program: &Program, body: BodyRef, expr: &Expr) {
        match &expr.kind {
            ExprKind::Element { global, keys }
            | ExprKind::Stat { global, keys, .. }
            | ExprKind::Bucket { global, keys, .. }
            | ExprKind::Hist { global, keys, .. }
            | ExprKind::Crement { target: Target::Element { global, keys }, .. } => {
                self.keys(program, body, *global, keys.iter().map(Some));
            }
            ExprKind::In { global, keys } => self.keys(program, body, *global, keys.iter().map(Option::as_ref)),
            ExprKind::Call { function, args } => {
                for (idx, arg) in args.iter().enumerate() {
                    let len = self.in_body(program, body, arg);
                    self.raise(len, |bounds| &mut bounds.functions[function.index()].locals[idx]);
                }
            }
            ExprKind::Assign { op, target, value } => {
                if let Target::Element { global, keys } = target {
                    self.keys(program, body, *global, keys.iter().map(Some));
                }
                let mut len = self.in_body(program, body, value);
                if *op == AssignOp::Concat {
                    len = self.clamp(usize::from(len) + usize::from(self.of_target(target, self.locals(body))));
                }
                match target {
                    Target::Local(local) => self.raise_local(body, *local, len),
                    Target::Global(global) | Target::Element { global, .. } => {
                        self.raise(len, |bounds| &mut bounds.globals[global.index()].value);
                    }
                }
            }
            _ => {}
        }
    }

    fn keys<'e>(
        &mut self,
        program: &Program,
        body: BodyRef,
        global: GlobalId,
        keys: impl Iterator<Item = Option<&'e Expr>>,
    ) {
        for (idx, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            let len = self.in_body(program, body, key);
            self.raise(len, |bounds| &mut bounds.globals[global.index()].keys[idx]);
        }
    }

    fn flow_to_overload(&mut self, from: usize, to: usize, n_params: usize) {
        for idx in 0..n_params {
            let len = self.functions[from].locals[idx];
            self.raise(len, |bounds| &mut bounds.functions[to].locals[idx]);
        }
        let result = self.functions[to].result;
        self.raise(result, |bounds| &mut bounds.functions[from].result);
    }

    fn raise_local(&mut self, body: BodyRef, local: LocalId, len: u16) {
        self.raise(len, |bounds| match body {
            BodyRef::Probe(idx) => &mut bounds.probes[idx].locals[local.index()],
            BodyRef::Function(idx) => &mut bounds.functions[idx].locals[local.index()],
        });
    }

    fn raise(&mut self, len: u16, slot: impl Fn(&mut Self) -> &mut u16) {
        if *slot(self) < len {
            // Only what still grows is widened.
            *slot(self) = if self.widen { self.max } else { len };
            self.changed = true;
        }
    }
}

/// Text bytes of a `char x[N]` member whose address is taken: C strings keep their NUL inside.
fn char_array_len(address: &Expr) -> Option<usize> {
    let ExprKind::Context(context) = &address.kind else { return None };
    let size = context.access.type_text.strip_prefix("char[")?.strip_suffix(']')?;
    size.parse::<usize>().ok().filter(|size| *size > 1).map(|size| size - 1)
}
