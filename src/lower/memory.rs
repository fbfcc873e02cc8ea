//! Numbers and texts at addresses the script computed: `kernel_int(p)`, `user_string_n(p, 10)`.

use tapdeck_ebpf::ir::{Arg, OnFault, Op, Operand, Space, StrOperand, Ty, Var};

use super::{
    body::{BodyLower, LocalSlot},
    printing::message_print,
};
use crate::{
    builtins::{QuotedFault, ReadFault, Stream, TextFault},
    elaborate::program::{Expr, ExprKind, LocalId},
    language::types::Type,
    source::Span,
};

impl BodyLower<'_, '_> {
    pub fn read_number(
        &mut self,
        space: Space,
        width: u8,
        signed: bool,
        fault: ReadFault,
        addr: &Expr,
        dst: Option<Var>,
    ) -> Operand {
        let addr = self.long(addr);
        match fault {
            ReadFault::Raise(what) => {
                let on_fault = OnFault::Raise(self.intern(what.as_bytes()));
                let dst = dst.unwrap_or_else(|| self.long_temp());
                self.emit(Op::Read { dst, space, addr, width, signed, on_fault });
                Operand::Var(dst)
            }
            ReadFault::Zero => {
                let dst = dst.unwrap_or_else(|| self.long_temp());
                self.emit(Op::Read { dst, space, addr, width, signed, on_fault: OnFault::Zero });
                Operand::Var(dst)
            }
            ReadFault::Warn(what) => {
                let dst = self.long_temp();
                let on_fault = OnFault::Raise(self.intern(what.as_bytes()));
                self.warning_on_error(
                    |body| body.emit(Op::Read { dst, space, addr, width, signed, on_fault }),
                    |body| body.emit(Op::Copy { dst, src: Operand::Imm(0) }),
                );
                Operand::Var(dst)
            }
        }
    }

    pub fn read_text(
        &mut self,
        space: Space,
        counted: bool,
        fault: TextFault,
        args: &[Expr],
        expr: &Expr,
        dst: Option<Var>,
    ) -> Arg {
        let values = self.args_of(args);
        let long = |idx: usize| match values.get(idx) {
            Some(Arg::Long(operand)) => *operand,
            _ => Operand::Imm(0),
        };
        let (addr, max) = (long(0), counted.then(|| long(1)));
        let substitute = match values.get(1 + usize::from(counted)) {
            Some(Arg::Str(text)) => Some(*text),
            _ => None,
        };
        let ty = self.str_ty(expr);
        let read = |dst, on_fault| Op::ReadStr { dst, space, addr, max, on_fault };
        let simple = match (fault, substitute) {
            (TextFault::Raise(what), _) => Some(OnFault::Raise(self.intern(what.as_bytes()))),
            (TextFault::Text(""), _) => Some(OnFault::Zero),
            (TextFault::Text(text), _) => Some(OnFault::Default(self.intern(text.as_bytes()))),
            (TextFault::Argument, Some(StrOperand::Const(text))) => Some(OnFault::Default(text)),
            _ => None,
        };
        if let Some(on_fault) = simple {
            let dst = self.dst_for(dst, ty);
            self.emit(read(dst, on_fault));
            return self.var_arg(dst);
        }
        let dst = self.temp(ty);
        let what = if space == Space::User { "user string copy fault" } else { "kernel string copy fault" };
        let on_fault = OnFault::Raise(self.intern(what.as_bytes()));
        let substitute = match substitute {
            Some(text) => text,
            None => self.literal(b""),
        };
        let replace = |body: &mut Self| body.copy_to(dst, Arg::Str(substitute));
        if fault == TextFault::Warn {
            self.warning_on_error(|body| body.emit(read(dst, on_fault)), replace);
        } else {
            self.catching(None, |body| body.emit(read(dst, on_fault)), replace);
        }
        self.var_arg(dst)
    }

    /// Reads a text for showing it in quotes, `(addr [, n [, shown]])`: one byte more than is shown tells whether there
    /// is more. An error goes to `error` where there is one, and is none here.
    pub fn read_checked(&mut self, space: Space, fault: QuotedFault, args: &[Expr], error: Option<Var>) -> CheckedText {
        let values = self.args_of(args);
        let long = |idx: usize| match values.get(idx) {
            Some(Arg::Long(operand)) => Some(*operand),
            _ => None,
        };
        let addr = long(0).unwrap_or(Operand::Imm(0));
        let longest = i64::from(self.cx.options.limits.max_string_len.max(16)) - 8;
        let (max, shown) = match (long(1), long(2)) {
            (None, _) => (None, None),
            (Some(Operand::Imm(n)), None) => (Some(Operand::Imm(n.clamp(0, longest) + 1)), Some(n.clamp(0, longest))),
            (Some(n), None) => (Some(n), None),
            (Some(Operand::Imm(n)), Some(Operand::Imm(shown))) => {
                (Some(Operand::Imm(n.min(shown.clamp(0, longest) + 1))), Some(shown.clamp(0, longest)))
            }
            (Some(n), Some(Operand::Imm(shown))) => {
                let shown = shown.clamp(0, longest);
                (Some(self.smaller(n, Operand::Imm(shown + 1))), Some(shown))
            }
            (Some(n), Some(shown)) => (Some(self.smaller(n, shown)), None),
        };
        let ty = match (max, shown) {
            (Some(Operand::Imm(n)), _) => self.cx.bounds.ty(n.clamp(0, longest + 1) as u16),
            (_, Some(shown)) => self.cx.bounds.ty(shown as u16 + 1),
            _ => self.cx.bounds.max_ty(),
        };
        let (text, bad) = (self.temp(ty), self.long_temp());
        let what = if let QuotedFault::Raise(what) = fault { what } else { "string copy fault" };
        let on_fault = OnFault::Raise(self.intern(what.as_bytes()));
        let read_in = |body: &mut Self, space| {
            body.emit(Op::ReadStr { dst: text, space, addr, max, on_fault });
            body.emit(Op::Copy { dst: bad, src: Operand::Imm(READABLE) });
        };
        let read = |body: &mut Self| read_in(body, space);
        let give_address = |body: &mut Self| body.emit(Op::Copy { dst: bad, src: addr });
        match fault {
            QuotedFault::Raise(_) if error.is_none() => read(self),
            QuotedFault::Raise(_) => self.catching(error, read, give_address),
            QuotedFault::Address => self.catching(None, read, give_address),
            QuotedFault::User => self.catching(None, read, |body| {
                body.catching(None, |body| read_in(body, Space::User), give_address);
            }),
        }
        CheckedText { text, bad, shown }
    }

    /// A variable under a local's name, so that it can stand in an expression.
    pub fn pseudo_local(&mut self, var: Var) -> LocalId {
        let local = LocalId(self.locals.len() as u32);
        self.locals.push(LocalSlot::Var(var));
        self.lens.push(match self.b.var_ty(var) {
            Ty::Str { cap } => cap - 1,
            Ty::Long => 0,
            Ty::Packed { .. } => self.cx.options.limits.max_string_len - 1,
        });
        self.uses.push(Default::default());
        local
    }

    fn smaller(&mut self, a: Operand, b: Operand) -> Operand {
        let dst = self.long_temp();
        self.emit(Op::Copy { dst, src: a });
        let (cut, join) = (self.b.new_block(), self.b.new_block());
        let op = tapdeck_ebpf::ir::CmpOp::Gt;
        self.b.terminate(tapdeck_ebpf::ir::Term::BranchCompare { op, a, b, then: cut, otherwise: join }, self.tag);
        self.b.switch_to(cut);
        self.emit(Op::Copy { dst, src: b });
        self.b.switch_to(join);
        Operand::Var(dst)
    }

    /// Prints the error of `f` as a warning and goes on.
    fn warning_on_error(&mut self, f: impl FnOnce(&mut Self), replace: impl FnOnce(&mut Self)) {
        let ty: Ty = self.cx.bounds.max_ty();
        let message = self.temp(ty);
        self.catching(Some(message), f, |body| {
            let local = body.pseudo_local(message);
            let text = Expr { kind: ExprKind::Local(local), ty: Type::Str, span: Span::NONE };
            body.print(&message_print(&text), Stream::Warning);
            replace(body);
        });
    }
}

/// A text that was read, or not.
pub(super) struct CheckedText {
    pub text: Var,
    /// The address it could not be read at, or [`READABLE`].
    pub bad: Var,
    /// Bytes to show when there are more.
    pub shown: Option<i64>,
}

/// What [`CheckedText::bad`] is when the text could be read: no pointer has this value.
pub(super) const READABLE: i64 = i64::MIN;
