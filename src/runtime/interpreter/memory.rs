//! Variables and frames. Calls push a frame here, never on the host's stack, so no script can overflow it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tapdeck_ebpf::ir::{Arg, Block, Body, Operand, Program, StoreDecl, StoreTy, StrOperand, Ty, Var};

use super::foreach::Iteration;
use crate::builtins::Value;

/// Where strings end, and how many had to.
#[derive(Clone, Copy)]
pub(super) struct StringLimit<'p> {
    pub max_string_len: u16,
    pub n_cut: &'p AtomicU64,
}

impl StringLimit<'_> {
    /// What of a text fits: up to the first NUL, and one byte less than the capacity. Counts when that is not all.
    pub fn cut<'t>(&self, text: &'t [u8], ty: Ty) -> &'t [u8] {
        let room = match ty {
            Ty::Str { cap } => usize::from(cap.min(self.max_string_len)).saturating_sub(1),
            // As a text it has the room of any other.
            Ty::Packed { .. } => usize::from(self.max_string_len).saturating_sub(1),
            Ty::Long => usize::MAX,
        };
        let fitting = &text[..text.len().min(room)];
        match fitting.iter().position(|byte| *byte == 0) {
            Some(end) => &fitting[..end],
            None => {
                if text.get(room).is_some_and(|more| *more != 0) {
                    self.n_cut.fetch_add(1, Relaxed);
                }
                fitting
            }
        }
    }
}

/// A body while it runs.
pub(super) struct Frame<'p> {
    pub body: &'p Body,
    limit: StringLimit<'p>,
    vars: Vec<Value>,
    pub block: Block,
    /// Index of the next instruction; past the last one: the terminator.
    pub at: usize,
    pub iters: Vec<Option<Iteration>>,
    /// The caller's variable that gets the result.
    pub result: Option<Var>,
}

impl<'p> Frame<'p> {
    /// Every variable 0 or "", the first ones from `args`.
    pub fn new(body: &'p Body, args: Vec<Value>, result: Option<Var>, limit: StringLimit<'p>) -> Self {
        let n_args = args.len();
        let mut vars = args;
        vars.extend(body.vars[n_args.min(body.vars.len())..].iter().map(|var| zero(var.ty)));
        let mut frame = Self { body, limit, vars, block: Block(0), at: 0, iters: Vec::new(), result };
        frame.iters.resize_with(body.n_iters as usize, || None);
        // Parameters obey their capacities, too.
        for idx in 0..n_args.min(body.vars.len()) {
            let value = std::mem::replace(&mut frame.vars[idx], Value::Long(0));
            frame.set(Var(idx as u32), value);
        }
        frame
    }

    pub fn long(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Imm(n) => n,
            Operand::Var(var) => match &self.vars[var.index()] {
                Value::Long(n) => *n,
                Value::Str(_) => 0,
            },
        }
    }

    pub fn str<'a>(&'a self, program: &'a Program, operand: StrOperand) -> &'a [u8] {
        match operand {
            StrOperand::Const(id) => &program.strings[id.index()],
            StrOperand::Var(var) => match &self.vars[var.index()] {
                Value::Str(text) => text,
                Value::Long(_) => b"",
            },
        }
    }

    pub fn value(&self, program: &Program, arg: Arg) -> Value {
        match arg {
            Arg::Long(operand) => Value::Long(self.long(operand)),
            Arg::Str(operand) => Value::Str(self.str(program, operand).to_vec()),
            Arg::Packed(var) => Value::Str(self.str(program, StrOperand::Var(var)).to_vec()),
        }
    }

    pub fn values(&self, program: &Program, args: &[Arg]) -> Vec<Value> {
        args.iter().map(|arg| self.value(program, *arg)).collect()
    }

    /// Keys for a store, cut to its capacities.
    pub fn keys(&self, program: &Program, args: &[Arg], decl: &StoreDecl) -> Vec<Value> {
        args.iter().zip(&decl.keys).map(|(arg, ty)| self.key(program, *arg, *ty)).collect()
    }

    pub fn key(&self, program: &Program, arg: Arg, ty: Ty) -> Value {
        match arg {
            Arg::Long(operand) => Value::Long(self.long(operand)),
            Arg::Str(operand) => Value::Str(self.limit.cut(self.str(program, operand), ty).to_vec()),
            Arg::Packed(var) => self.key(program, Arg::Str(StrOperand::Var(var)), ty),
        }
    }

    /// A value for a store, cut to its capacity.
    pub fn value_for(&self, program: &Program, arg: Arg, decl: &StoreDecl) -> Value {
        match decl.value {
            StoreTy::Str { cap } => self.key(program, arg, Ty::Str { cap }),
            StoreTy::Packed { cap, .. } => self.key(program, arg, Ty::Packed { cap }),
            StoreTy::Long | StoreTy::Stat(_) => self.value(program, arg),
        }
    }

    pub fn set_long(&mut self, var: Var, n: i64) {
        self.vars[var.index()] = Value::Long(n);
    }

    /// Cuts to the variable's capacity and at a NUL; keeps the old buffer.
    pub fn set_str(&mut self, var: Var, text: &[u8]) {
        let text = self.limit.cut(text, self.body.vars[var.index()].ty);
        match &mut self.vars[var.index()] {
            Value::Str(old) => {
                old.clear();
                old.extend_from_slice(text);
            }
            other => *other = Value::Str(text.to_vec()),
        }
    }

    pub fn set(&mut self, var: Var, value: Value) {
        match value {
            Value::Long(n) => self.set_long(var, n),
            Value::Str(mut text) => {
                text.truncate(self.limit.cut(&text, self.body.vars[var.index()].ty).len());
                self.vars[var.index()] = Value::Str(text);
            }
        }
    }

    pub fn goto(&mut self, block: Block) {
        self.block = block;
        self.at = 0;
    }
}

pub(super) fn zero(ty: Ty) -> Value {
    match ty {
        Ty::Long => Value::Long(0),
        Ty::Str { .. } | Ty::Packed { .. } => Value::Str(Vec::new()),
    }
}
