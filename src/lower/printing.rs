//! The print family. A record carries raw inputs; user space formats it by the recipes written here.
//!
//! ```text
//!   printf("%s read %d bytes of %s\n", execname(), n, user_string_quoted(p))
//!      inputs   str16 execname, long n, str512 text, long address       captured where the handler runs
//!      args     in0, in1, quoted(in3, in2)                              made when the record is read
//! ```

use tapdeck_ebpf::ir::{Arg, InputTy, Op, Operand, PrintId, PrintSite, Recipe, Space, StoreId, Ty, Var};

use super::{
    body::BodyLower,
    deferral::{Captured, Captures, shows_histogram},
    executor::Side,
    globals::assigns_local,
    hist_shape,
    kernel_format::kernel_format,
};
use crate::{
    builtins::Stream,
    diagnostics::catalogue::generate,
    elaborate::{
        program::{Expr, ExprKind, Print, Target},
        walk,
    },
    language::{
        format::{Conversion, ConversionKind, Flag, Format, Piece, Size},
        types::Type,
    },
    source::Span,
};

/// Bytes of a memory dump whose length is only known when it runs.
const MAX_DYNAMIC_DUMP: u16 = 1024;
/// Bytes of any memory dump: a page, as in SystemTap.
const MAX_DUMP: u32 = 4096;

/// What `bpf_snprintf` copies of all arguments together, numbers as eight bytes and texts with their NUL: it cuts what goes
/// beyond and does not say so. `MAX_BPRINTF_BIN_ARGS`, kernel/trace/bpf_trace.c.
const HELPER_BYTES: usize = 512;

const PLAIN_STRING: Conversion =
    Conversion { flag: None, width: Size::Default, precision: Size::Default, kind: ConversionKind::String };

/// `%s` alone.
pub(super) fn plain_format() -> Format {
    Format { pieces: vec![Piece::Conversion(PLAIN_STRING)] }
}

/// `log(text)` as a print: the text and a newline.
pub(super) fn message_print(text: &Expr) -> Print {
    let pieces = vec![Piece::Conversion(PLAIN_STRING), Piece::Text(b"\n".to_vec())];
    Print { to_string: false, format: Format { pieces }, args: vec![text.clone()] }
}

/// The format with everything known already in it: literals become text, and a plain `%s` of an inner `sprintf` or
/// concatenation is replaced by its pieces. Not where the inner text `may_be_cut`: a print has no limit, a string has.
pub(super) fn flat_format(print: &Print, may_be_cut: &dyn Fn(&Expr) -> bool) -> (Format, Vec<Expr>) {
    let mut flat = Flat { pieces: Vec::new(), args: Vec::new(), may_be_cut };
    flat.splice(&print.format, &print.args);
    (Format { pieces: flat.pieces }, flat.args)
}

struct Flat<'a> {
    pieces: Vec<Piece>,
    args: Vec<Expr>,
    may_be_cut: &'a dyn Fn(&Expr) -> bool,
}

impl Flat<'_> {
    fn splice(&mut self, format: &Format, format_args: &[Expr]) {
        let mut rest = format_args.iter();
        for piece in &format.pieces {
            match piece {
                Piece::Text(text) => push_text(&mut self.pieces, text),
                Piece::Conversion(conversion) if *conversion == PLAIN_STRING => {
                    if let Some(arg) = rest.next() {
                        self.splice_text(arg);
                    }
                }
                Piece::Conversion(conversion) => {
                    for size in [conversion.width, conversion.precision] {
                        if size == Size::Dynamic {
                            self.args.extend(rest.next().cloned());
                        }
                    }
                    self.args.extend(rest.next().cloned());
                    self.pieces.push(Piece::Conversion(conversion.clone()));
                }
            }
        }
    }

    fn splice_text(&mut self, arg: &Expr) {
        match &arg.kind {
            ExprKind::Str(text) => push_text(&mut self.pieces, text),
            ExprKind::Print(inner) if inner.to_string && !(self.may_be_cut)(arg) => {
                self.splice(&inner.format, &inner.args);
            }
            ExprKind::Concat(parts) if !(self.may_be_cut)(arg) => parts.iter().for_each(|part| self.splice_text(part)),
            _ => {
                self.pieces.push(Piece::Conversion(PLAIN_STRING));
                self.args.push(arg.clone());
            }
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.extend_from_slice(text),
        _ => pieces.push(Piece::Text(text.to_vec())),
    }
}

impl BodyLower<'_, '_> {
    /// Writes to a stream.
    pub fn print(&mut self, print: &Print, stream: Stream) {
        let (format, args) = self.flat_format(print);
        let (site, inputs) = self.print_site(format, &args, stream, None);
        self.emit(Op::Print { site, inputs });
    }

    fn flat_format(&self, print: &Print) -> (Format, Vec<Expr>) {
        flat_format(print, &|expr| {
            // Differs from stap: the kernel has no text of a histogram that could be cut.
            let is_picture = matches!(&expr.kind, ExprKind::Print(print) if shows_histogram(print));
            let stays = is_picture && self.side == Side::Kernel;
            !stays && self.cx.bounds.may_be_cut(self.cx.program, expr, &self.lens)
        })
    }

    /// Makes a text now.
    pub fn sprint(&mut self, print: &Print, expr: &Expr, dst: Option<Var>) -> Arg {
        let (format, args) = self.flat_format(print);
        // A text without conversions is a literal.
        if args.is_empty() && format.pieces.len() <= 1 {
            let text = match format.pieces.first() {
                Some(Piece::Text(text)) => text.as_slice(),
                _ => b"",
            };
            return Arg::Str(self.string_literal(text, expr.span));
        }
        let in_kernel = kernel_format(&format);
        if self.side == Side::Kernel
            && (in_kernel.is_none() || args.iter().any(|arg| matches!(arg.kind, ExprKind::Hist { .. })))
        {
            self.cx.report(generate::format_in_kernel(expr.span));
            return self.nothing(expr);
        }
        if self.side == Side::Kernel && args.iter().map(|arg| self.helper_bytes(arg)).sum::<usize>() > HELPER_BYTES {
            if matches!(&format.pieces[..], [Piece::Conversion(one)] if *one != PLAIN_STRING) {
                self.cx.report(generate::format_in_kernel(expr.span));
                return self.nothing(expr);
            }
            let parts = self.in_parts(format, args, expr.span);
            return self.concat(&parts, expr, dst);
        }
        let ty = self.str_ty(expr);
        let (site, inputs) = self.print_site(format, &args, Stream::Output, Some(in_kernel));
        // A variable that is an input must not be written while it is read.
        let dst = dst.filter(|dst| !inputs.contains(&self.var_arg(*dst)));
        let dst = self.dst_for(dst, ty);
        self.emit(Op::Sprint { dst, site, inputs });
        self.var_arg(dst)
    }

    /// What an argument takes of what the kernel's helper has for all of them.
    fn helper_bytes(&self, arg: &Expr) -> usize {
        if arg.ty == Type::Str { usize::from(self.len_of(arg)) + 1 } else { 8 }
    }

    /// Texts that make the whole when they follow one another, each short enough for the helper.
    fn in_parts(&self, format: Format, args: Vec<Expr>, span: Span) -> Vec<Expr> {
        let mut parts = Vec::new();
        let mut part = (Vec::new(), Vec::new(), 0);
        let mut finish = |(pieces, args, _): (Vec<Piece>, Vec<Expr>, usize)| match (&pieces[..], &args[..]) {
            ([], _) => {}
            ([Piece::Conversion(PLAIN_STRING)], [text]) => parts.push(text.clone()),
            _ => {
                let print = Print { to_string: true, format: Format { pieces }, args };
                parts.push(Expr { kind: ExprKind::Print(Box::new(print)), ty: Type::Str, span });
            }
        };
        let mut args = args.into_iter();
        for piece in format.pieces {
            let arg = if matches!(piece, Piece::Conversion(_)) { args.next() } else { None };
            let n_bytes = arg.as_ref().map_or(0, |arg| self.helper_bytes(arg));
            if n_bytes + part.2 > HELPER_BYTES {
                finish(std::mem::take(&mut part));
            }
            part.0.push(piece);
            part.1.extend(arg);
            part.2 += n_bytes;
        }
        finish(part);
        parts
    }

    /// `to_text`: the text is needed here and now, so every argument is a plain value.
    fn print_site(
        &mut self,
        format: Format,
        args: &[Expr],
        stream: Stream,
        to_text: Option<Option<Vec<u8>>>,
    ) -> (PrintId, Vec<Arg>) {
        let mut captures = Captures::default();
        let mut recipes = Vec::new();
        let mut rest = args.iter();
        for piece in &format.pieces {
            let Piece::Conversion(conversion) = piece else { continue };
            let mut precision = None;
            for (size, is_precision) in [(conversion.width, false), (conversion.precision, true)] {
                let (Size::Dynamic, Some(arg)) = (size, rest.next_if_dynamic(size)) else { continue };
                let value = self.kept(arg, rest.as_slice());
                if is_precision {
                    precision = Some(value);
                }
                let input = captures.add(value, Ty::Long);
                recipes.push(Recipe::Input(input));
            }
            let Some(arg) = rest.next() else { continue };
            recipes.push(match conversion.kind {
                ConversionKind::Memory | ConversionKind::MemoryHex => {
                    self.memory_recipe(conversion, precision, arg, &mut captures)
                }
                _ if !is_hist(arg) && is_overwritten(arg, rest.as_slice()) => {
                    let value = self.kept(arg, rest.as_slice());
                    Recipe::Input(captures.add(value, self.arg_ty(value)))
                }
                _ => self.recipe(arg, to_text.is_some(), &mut captures),
            });
        }
        let (input_tys, inputs) = captures.finish();
        let format = self.cx.format_id(format, stream);
        let kernel_format = to_text.flatten();
        let site = PrintSite { format, inputs: input_tys, args: recipes, runs: None, kernel_format };
        (self.cx.add_print_site(site), inputs)
    }

    /// A value that stays what it is when `later` arguments assign the locals it came from.
    fn kept(&mut self, arg: &Expr, later: &[Expr]) -> Arg {
        let value = self.maybe_packed(arg);
        if is_overwritten(arg, later) { self.copied(value) } else { value }
    }

    pub fn recipe(&mut self, arg: &Expr, now: bool, captures: &mut Captures) -> Recipe {
        if let ExprKind::Hist { hist, global, keys } = &arg.kind {
            let keys = keys.iter().map(|key| self.recipe(key, now, captures)).collect();
            // Drawn in user space, so it does not matter where it is kept.
            return Recipe::Hist { store: StoreId(global.0), keys, shape: hist_shape(*hist) };
        }
        if now || self.side == Side::User {
            let value = self.arg(arg);
            let ty = self.arg_ty(value);
            return Recipe::Input(captures.add(value, ty));
        }
        let residual = self.residual(arg, captures);
        match residual.kind {
            ExprKind::Local(input) => Recipe::Input(input.index()),
            // Numbers cost eight bytes in the record; a function for them would cost more.
            ExprKind::Long(n) => Recipe::Input(captures.add(Arg::Long(Operand::Imm(n)), Ty::Long)),
            _ => self.cx.apply(residual, captures),
        }
    }

    fn memory_recipe(
        &mut self,
        conversion: &Conversion,
        precision: Option<Arg>,
        arg: &Expr,
        captures: &mut Captures,
    ) -> Recipe {
        let (len, cap) = match (conversion.precision, precision) {
            // More than a page is an error there.
            (Size::Fixed(n), _) if self.side == Side::User => (Operand::Imm(i64::from(n)), MAX_DUMP as u16),
            (Size::Dynamic, Some(Arg::Long(len))) if self.side == Side::User => (len, MAX_DUMP as u16),
            (Size::Fixed(n), _) => (Operand::Imm(i64::from(n.min(MAX_DUMP))), n.clamp(1, MAX_DUMP) as u16),
            (Size::Dynamic, Some(Arg::Long(len))) => (len, MAX_DYNAMIC_DUMP),
            _ => (Operand::Imm(1), 1),
        };
        let addr = self.long(arg);
        let space = if conversion.flag == Some(Flag::Alternate) { Space::User } else { Space::Kernel };
        Recipe::Input(captures.push(Captured::Memory { addr, len, cap, space }))
    }
}

impl Captures {
    pub fn finish(self) -> (Vec<InputTy>, Vec<Arg>) {
        let (mut tys, mut args) = (Vec::new(), Vec::new());
        for captured in self.list {
            match captured {
                Captured::Plain(arg, Ty::Long) => {
                    tys.push(InputTy::Long);
                    args.push(arg);
                }
                Captured::Plain(arg, Ty::Str { cap }) => {
                    tys.push(InputTy::Str { cap });
                    args.push(arg);
                }
                Captured::Plain(arg, Ty::Packed { cap }) => {
                    tys.push(InputTy::Packed { cap });
                    args.push(arg);
                }
                Captured::Memory { addr, len, cap, space } => {
                    tys.push(InputTy::Memory { cap, space });
                    args.extend([Arg::Long(addr), Arg::Long(len)]);
                }
            }
        }
        (tys, args)
    }
}

trait NextIfDynamic<'e> {
    fn next_if_dynamic(&mut self, size: Size) -> Option<&'e Expr>;
}

impl<'e> NextIfDynamic<'e> for std::slice::Iter<'e, Expr> {
    /// The argument a `*` takes.
    fn next_if_dynamic(&mut self, size: Size) -> Option<&'e Expr> {
        if size == Size::Dynamic { self.next() } else { None }
    }
}

fn is_hist(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Hist { .. })
}

/// Whether one of the `later` expressions assigns a local that `expr` mentions: `printf("%d %d", x, ++x)`.
fn is_overwritten(expr: &Expr, later: &[Expr]) -> bool {
    let mut found = false;
    walk::expr_and_below(expr, &mut |part| {
        let local = match &part.kind {
            ExprKind::Local(local)
            | ExprKind::Assign { target: Target::Local(local), .. }
            | ExprKind::Crement { target: Target::Local(local), .. } => *local,
            _ => return,
        };
        found |= later.iter().any(|later| assigns_local(later, local));
    });
    found
}

/// Whether an expression gives a text.
pub(super) fn is_text(expr: &Expr) -> bool {
    expr.ty == Type::Str
}
