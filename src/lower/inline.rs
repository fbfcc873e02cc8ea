//! Functions written into their caller because text only user space can make passes through them: into an argument that
//! the function prints, or out of its `return`.
//!
//! ```text
//!   function report(what) { printf("%d %s\n", pid(), what) }      the parameter is a name for the deferred text
//!   report(sprintf("failed: %s", errno_str(e)))
//! ```

use tapdeck_ebpf::ir::{Arg, Operand, Ty};

use super::{
    Cx,
    body::{BodyLower, FunctionScope, LocalSlot, LocalUse, LoopScope},
    bounds::BodyRef,
    deferral::Captures,
    executor::Side,
    packed::UNSIZED,
    statements::flatten,
};
use crate::{
    elaborate::{
        program::{Expr, FunctionId, Local, LocalId, Stmt, StmtKind},
        walk,
    },
    language::types::Type,
};

/// What names mean in the caller, set aside while a function is written into it.
pub(super) struct Scope {
    locals: Vec<LocalSlot>,
    lens: Vec<u16>,
    uses: Vec<LocalUse>,
    local_names: Vec<Local>,
    loops: Vec<LoopScope>,
    function: Option<FunctionScope>,
    body: Option<BodyRef>,
    nesting: u32,
}

impl Cx<'_> {
    pub(super) fn result_ty(&self, function: FunctionId, side: Side) -> Option<Ty> {
        if side == Side::Kernel && self.packed.result(function).is_some() {
            return Some(UNSIZED);
        }
        match self.program.functions[function.index()].ret {
            Type::Long => Some(Ty::Long),
            Type::Str => Some(self.bounds.ty(self.bounds.functions[function.index()].result)),
            Type::Stat | Type::Unknown => None,
        }
    }
}

impl Cx<'_> {
    /// Its body is a `return`, and nothing before it.
    pub(super) fn is_one_return(&self, function: FunctionId) -> bool {
        let mut list = Vec::new();
        flatten(&self.program.functions[function.index()].body, &mut list);
        matches!(list[..], [Stmt { kind: StmtKind::Return(Some(_)), .. }])
    }
}

impl BodyLower<'_, '_> {
    pub fn can_inline(&self, id: FunctionId) -> bool {
        let function = &self.cx.program.functions[id.index()];
        !function.overloaded && !self.cx.facts.recursive[id.index()]
    }

    /// A call with arguments that cannot be computed here: parameters become names for them.
    pub fn call_inline(&mut self, id: FunctionId, args: &[Expr], ret: Option<Ty>) -> Arg {
        let program = self.cx.program;
        let function = &program.functions[id.index()];
        let slots: Vec<LocalSlot> = args.iter().map(|arg| self.argument(arg)).collect();
        let result = ret.map(|ty| self.temp(ty));
        if let Some(result) = result {
            let zero = self.zero(self.b.var_ty(result));
            self.copy_to(result, zero);
        }
        let exit = self.b.new_block();
        let caller = self.enter(id, slots);
        self.function =
            Some(FunctionScope { ret, next_overload: None, args: Vec::new(), inlined: Some((result, exit)) });
        self.stmt(&function.body);
        self.leave(caller);
        self.b.jump(exit, self.tag);
        self.b.switch_to(exit);
        result.map_or(Arg::Long(Operand::Imm(0)), |result| self.var_arg(result))
    }

    fn argument(&mut self, arg: &Expr) -> LocalSlot {
        let Some(because) = self.obstacle(arg) else { return LocalSlot::Value(self.arg(arg)) };
        LocalSlot::Deferred(self.deferred(arg, Captures::default(), arg.span, Some(because)))
    }

    /// A function that does something and then returns a text only user space can make (`thread_indent`): what it does is
    /// done here, its text is made later.
    pub fn residual_call(&mut self, id: FunctionId, args: &[Expr], captures: &mut Captures) -> Option<Expr> {
        let program = self.cx.program;
        let function = &program.functions[id.index()];
        let mut list = Vec::new();
        flatten(&function.body, &mut list);
        let (last, before) = list.split_last()?;
        let StmtKind::Return(Some(value)) = &last.kind else { return None };
        if !self.can_inline(id) || before.iter().any(|stmt| may_leave(stmt)) {
            return None;
        }
        let slots: Vec<LocalSlot> = args.iter().map(|arg| self.argument(arg)).collect();
        let caller = self.enter(id, slots);
        self.stmts(before);
        // Its locals are its own: what is captured now is never written again.
        let changing = std::mem::take(&mut captures.changing);
        let residual = self.residual(value, captures);
        captures.changing = changing;
        self.leave(caller);
        Some(residual)
    }

    /// Goes over to the locals of a function.
    fn enter(&mut self, id: FunctionId, args: Vec<LocalSlot>) -> Scope {
        let program = self.cx.program;
        let function = &program.functions[id.index()];
        let lens = self.cx.bounds.functions[id.index()].locals.clone();
        let scope = Scope {
            lens: std::mem::replace(&mut self.lens, lens),
            uses: std::mem::replace(&mut self.uses, vec![LocalUse::default(); function.locals.len()]),
            local_names: std::mem::replace(&mut self.local_names, function.locals.clone()),
            locals: std::mem::take(&mut self.locals),
            loops: std::mem::take(&mut self.loops),
            function: self.function.take(),
            body: self.body.replace(BodyRef::Function(id.index())),
            nesting: self.nesting,
        };
        self.count_uses(&function.body);
        let mut args = args.into_iter();
        for (idx, local) in function.locals.iter().enumerate() {
            let ty = self.local_ty(local.ty, idx);
            // A parameter that is written to needs a variable; any other is its argument.
            let slot = match args.next() {
                Some(LocalSlot::Value(value)) if self.uses[idx].n_assigned > 0 => {
                    let var = self.b.named_var(ty, &local.name);
                    self.copy_to(var, value);
                    LocalSlot::Var(var)
                }
                Some(LocalSlot::Deferred(deferred)) if self.uses[idx].n_assigned > 0 => {
                    let var = self.b.named_var(ty, &local.name);
                    if self.is_packed_var(var) {
                        self.pack_deferred(&deferred, var);
                    } else {
                        // Refused: a number that is not known here cannot be changed here.
                        self.deferred_in_kernel(LocalId(idx as u32), &deferred, deferred.assigned);
                    }
                    LocalSlot::Var(var)
                }
                Some(slot) => slot,
                None => {
                    let var = self.b.named_var(ty, &local.name);
                    // In a loop of the caller it would keep the last round's value.
                    if !scope.loops.is_empty() {
                        let zero = self.zero(ty);
                        self.copy_to(var, zero);
                    }
                    LocalSlot::Var(var)
                }
            };
            self.locals.push(slot);
        }
        scope
    }

    fn leave(&mut self, scope: Scope) {
        self.lens = scope.lens;
        self.uses = scope.uses;
        self.local_names = scope.local_names;
        self.locals = scope.locals;
        self.loops = scope.loops;
        self.function = scope.function;
        self.body = scope.body;
        self.nesting = scope.nesting;
    }
}

/// It may end the function before its last statement.
fn may_leave(stmt: &Stmt) -> bool {
    let mut leaves = false;
    walk::every_stmt(stmt, &mut |stmt| leaves |= matches!(stmt.kind, StmtKind::Return(_) | StmtKind::Next));
    leaves
}
