//! Calls of script functions and builtins.

use tapdeck_ebpf::ir::{Arg, BinOp, CmpOp, ContextField, Intrinsic, Op, Operand, Term, Ty, Var};

use super::{body::BodyLower, executor::Side, printing::message_print, statements::placeholder};
use crate::{
    builtins::{self, BuiltinId, Implementation, Special},
    debuginfo::location::{Register, register_named},
    diagnostics::catalogue::generate,
    elaborate::program::{Expr, ExprKind, FunctionId},
    language::types::Type,
};

impl BodyLower<'_, '_> {
    pub fn call(&mut self, function: FunctionId, args: &[Expr], expr: &Expr, dst: Option<Var>) -> Arg {
        let callee = &self.cx.program.functions[function.index()];
        if self.side == Side::Kernel
            && self.cx.facts.pure_[function.index()]
            && let Some(because) = self.cx.function_obstacle(function)
        {
            self.cx.report(generate::only_in_user_space(&callee.name, Some(&because), expr.span));
            return self.nothing(expr);
        }
        let ret = self.cx.result_ty(function, self.side);
        if self.side == Side::Kernel && self.can_inline(function) && args.iter().any(|arg| self.obstacle(arg).is_some())
        {
            return self.call_inline(function, args, ret);
        }
        let args = self.args_for(function, args);
        let function = self.callee(function);
        let dst = ret.map(|ty| self.dst_for(dst, ty));
        self.emit(Op::Call { function, dst, args });
        dst.map_or(Arg::Long(Operand::Imm(0)), |dst| self.var_arg(dst))
    }

    pub fn builtin(&mut self, id: BuiltinId, args: &[Expr], expr: &Expr, dst: Option<Var>) -> Arg {
        let row = builtins::get(id);
        match &row.implementation {
            Implementation::Intrinsic(op) => {
                if self.side == Side::Kernel && !super::obstacles::kernel_has(*op) {
                    return self.refuse_in_kernel(row.name, expr);
                }
                let args = self.args_of(args);
                let ty = self.result_ty(expr);
                let dst = ty.map(|ty| self.dst_for(dst, ty));
                self.emit(Op::Intrinsic { op: *op, dst, args });
                dst.map_or(Arg::Long(Operand::Imm(0)), |dst| self.var_arg(dst))
            }
            Implementation::Host(_) => {
                if self.side == Side::Kernel {
                    return match self.tabulated(id, args, expr, dst) {
                        Some(name) => name,
                        None => self.refuse_in_kernel(row.name, expr),
                    };
                }
                let args = self.args_of(args);
                let ty = self.result_ty(expr);
                let dst = ty.map(|ty| self.dst_for(dst, ty));
                self.emit(Op::Host { function: u32::from(id.0), dst, args });
                dst.map_or(Arg::Long(Operand::Imm(0)), |dst| self.var_arg(dst))
            }
            Implementation::Lowered(special) => self.special(*special, row.name, args, expr, dst),
        }
    }

    fn special(&mut self, special: Special, name: &str, args: &[Expr], expr: &Expr, dst: Option<Var>) -> Arg {
        let zero = Arg::Long(Operand::Imm(0));
        match special {
            Special::Exit => {
                self.emit(Op::Exit);
                zero
            }
            Special::Abort => {
                self.b.terminate(Term::Abort, self.tag);
                let dead = self.b.new_block();
                self.b.switch_to(dead);
                zero
            }
            Special::Error => {
                let message = self.string(&args[0]);
                self.raise(message);
                self.nothing(expr)
            }
            Special::Message(stream) => {
                self.print(&message_print(&args[0]), stream);
                zero
            }
            Special::Site(field) => {
                let ty = self.str_ty(expr);
                let dst = self.dst_for(dst, ty);
                self.emit(Op::Site { dst, field });
                self.var_arg(dst)
            }
            Special::Scaled { clock, divisor } => {
                args.iter().for_each(|arg| self.effect(arg));
                let now = self.long_temp();
                self.emit(Op::Intrinsic { op: clock, dst: Some(now), args: Vec::new() });
                if divisor == 1 {
                    return self.var_arg(now);
                }
                let dst = dst.unwrap_or_else(|| self.long_temp());
                let (a, b) = (Operand::Var(now), Operand::Imm(divisor));
                self.emit(Op::Binary { op: BinOp::Div, dst, a, b });
                self.var_arg(dst)
            }
            Special::Read { space, width, signed, fault } => {
                Arg::Long(self.read_number(space, width, signed, fault, &args[0], dst))
            }
            Special::ReadText { space, counted, fault } => self.read_text(space, counted, fault, args, expr, dst),
            Special::ReadQuoted { space, fault } => self.read_quoted_now(space, fault, args, expr),
            Special::CallArg { width, signed } => Arg::Long(self.syscall_arg(&args[0], width, signed, expr.span)),
            Special::CallReturn => self.context_field(ContextField::CallReturn, dst),
            Special::Register { signed } => Arg::Long(self.register(&args[0], signed)),
            Special::SiteNumber => self.context_field(ContextField::SiteNumber, dst),
            Special::SyscallNumber => self.context_field(ContextField::SyscallNr, dst),
            Special::OwnProcess => Arg::Long(Operand::Imm(i64::from(std::process::id()))),
            Special::PageOffset => {
                let page_offset = self.cx.options.memory.get().page_offset.unwrap_or(0);
                Arg::Long(Operand::Imm(page_offset as i64))
            }
            Special::OnlyNode => Arg::Long(Operand::Imm(match self.cx.options.memory.get().nodes[..] {
                [(_, node)] => node.into(),
                _ => -1,
            })),
            Special::NodeOfPage => Arg::Long(self.node_of_page(&args[0])),
            Special::MatchedText if self.side == Side::Kernel => self.refuse_in_kernel(name, expr),
            Special::MatchedText => {
                let ty = self.str_ty(expr);
                let (dst, args) = (self.dst_for(dst, ty), vec![Arg::Long(Operand::Imm(0))]);
                self.emit(Op::Intrinsic { op: Intrinsic::Matched, dst: Some(dst), args });
                self.var_arg(dst)
            }
            Special::Refused { reason, help } => {
                self.cx.report(generate::refused(name, reason, help, expr.span));
                self.nothing(expr)
            }
        }
    }

    fn context_field(&mut self, field: ContextField, dst: Option<Var>) -> Arg {
        let dst = dst.unwrap_or_else(|| self.long_temp());
        self.emit(Op::Context { dst, field });
        self.var_arg(dst)
    }

    /// `register("rdi")`
    fn register(&mut self, name: &Expr, signed: bool) -> Operand {
        let arch = self.cx.options.arch;
        let known = match &name.kind {
            ExprKind::Str(text) => std::str::from_utf8(text).ok().and_then(|text| register_named(arch, text)),
            _ => None,
        };
        let Some((Register(number), width)) = known else {
            self.cx.report(generate::no_such_register(arch, name.span));
            return Operand::Imm(0);
        };
        match self.context_field(ContextField::Register(number as u8), None) {
            Arg::Long(value) => self.truncate(value, width, signed),
            _ => Operand::Imm(0),
        }
    }

    /// `int_arg(2)`; a number that is not a constant is looked up argument by argument.
    fn syscall_arg(&mut self, number: &Expr, width: u8, signed: bool, span: crate::source::Span) -> Operand {
        const N_ARGS: i64 = 6;
        let value = if let ExprKind::Long(n) = number.kind {
            if !(1..=N_ARGS).contains(&n) {
                self.cx.report(generate::no_such_argument(n, span));
                return Operand::Imm(0);
            }
            self.context_field(ContextField::CallArg(n as u8 - 1), None)
        } else {
            let wanted = self.long(number);
            let dst = self.long_temp();
            let done = self.b.new_block();
            self.emit(Op::Copy { dst, src: Operand::Imm(0) });
            for n in 1..=N_ARGS {
                let (this, other) = (self.b.new_block(), self.b.new_block());
                let (op, b) = (tapdeck_ebpf::ir::CmpOp::Eq, Operand::Imm(n));
                self.b.terminate(Term::BranchCompare { op, a: wanted, b, then: this, otherwise: other }, self.tag);
                self.b.switch_to(this);
                self.emit(Op::Context { dst, field: ContextField::CallArg(n as u8 - 1) });
                self.b.jump(done, self.tag);
                self.b.switch_to(other);
            }
            self.b.switch_to(done);
            self.var_arg(dst)
        };
        let Arg::Long(value) = value else { return Operand::Imm(0) };
        self.truncate(value, width, signed)
    }

    /// By comparisons with the pages each node has: it takes no more than a few instructions for each.
    fn node_of_page(&mut self, page: &Expr) -> Operand {
        let page = self.long(page);
        let node = self.long_temp();
        self.emit(Op::Copy { dst: node, src: Operand::Imm(-1) });
        for (pages, number) in self.cx.options.memory.get().nodes.clone() {
            let tag = self.tag;
            let is_from = self.b.compare(CmpOp::Ge, page, Operand::Imm(pages.start as i64), tag);
            let is_before = self.b.compare(CmpOp::Lt, page, Operand::Imm(pages.end as i64), tag);
            let is_there = self.b.binary(BinOp::And, is_from, is_before, tag);
            let to_it = self.b.binary(BinOp::Sub, Operand::Imm(number.into()), Operand::Var(node), tag);
            let step = self.b.binary(BinOp::Mul, is_there, to_it, tag);
            self.emit(Op::Binary { op: BinOp::Add, dst: node, a: Operand::Var(node), b: step });
        }
        Operand::Var(node)
    }

    fn result_ty(&self, expr: &Expr) -> Option<Ty> {
        match expr.ty {
            Type::Long => Some(Ty::Long),
            Type::Str => Some(self.str_ty(expr)),
            Type::Stat | Type::Unknown => None,
        }
    }

    fn refuse_in_kernel(&mut self, name: &str, expr: &Expr) -> Arg {
        self.cx.report(generate::only_in_user_space(name, None, expr.span));
        self.nothing(expr)
    }

    /// A value to go on with after an error was reported.
    pub fn nothing(&mut self, expr: &Expr) -> Arg {
        let empty = self.literal(b"");
        let ty = if expr.ty == Type::Str { Ty::Str { cap: 8 } } else { Ty::Long };
        placeholder(ty, empty)
    }
}
