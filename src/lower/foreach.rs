//! `foreach` over arrays and histograms.
//!
//! ```text
//!   IterBegin ──▶ head ──IterNext──▶ slice matches? ──▶ body ──▶ head
//!                   │                     └── no ───────────────▶ head
//!                   └──▶ done: IterEnd        break ──▶ done
//! ```

use tapdeck_ebpf::ir::{
    Arg, CmpOp, Extractor, IterSort, IterSortBy, IterSource, Op, Operand, StrOperand, Term, Ty, Var,
};

use super::{
    body::{BodyLower, LoopScope},
    executor::Side,
    globals::extractor,
};
use crate::{
    diagnostics::catalogue::generate,
    elaborate::program::{Expr, Foreach, ForeachBase, LocalId},
    language::{
        ast::{Sort, SortBy},
        types::Type,
    },
    source::Span,
};

impl BodyLower<'_, '_> {
    pub fn foreach(&mut self, each: &Foreach, span: Span) {
        if self.side == Side::Kernel {
            if each.sort.is_some() {
                self.cx.report(generate::sorted_foreach(span));
                return;
            }
            if matches!(each.base, ForeachBase::Hist { .. }) {
                self.cx.report(generate::foreach_histogram(span));
                return;
            }
        }
        let limit = each.limit.as_ref().map(|limit| self.long(limit));
        let slice: Vec<Option<Arg>> = self.optional_keys(&each.slice);
        let (source, key_tys, value_ty) = self.iter_source(each);
        let iter = self.b.new_iter();
        let sort = each.sort.map(iter_sort);
        self.emit(Op::IterBegin { iter, source, sort, limit });

        let (head, inside, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.jump(head, self.tag);
        self.release_on_error(iter, |this| {
            this.b.switch_to(head);
            let direct = slice.iter().all(Option::is_none);
            let keys: Vec<Var> =
                each.keys.iter().zip(&key_tys).map(|(local, ty)| this.column(*local, *ty, direct)).collect();
            let is_stat = matches!(&each.base, ForeachBase::Array(global)
                if this.cx.program.globals[global.index()].value == Type::Stat);
            let value = match each.value {
                Some(local) if !is_stat => Some(this.column(local, value_ty, direct)),
                _ => None,
            };
            this.b.terminate(Term::IterNext { iter, keys: keys.clone(), value, body: inside, done }, this.tag);
            this.b.switch_to(inside);
            this.match_slice(&slice, &keys, head);
            for (local, key) in each.keys.iter().zip(&keys) {
                this.set_loop_local(*local, *key);
            }
            match (each.value, value, &each.base) {
                (Some(local), Some(value), _) => this.set_loop_local(local, value),
                // The value of a statistic is how many there are.
                (Some(local), None, ForeachBase::Array(global)) => {
                    let store = this.store(*global);
                    let dst = this.local_var(local);
                    let keys = keys.iter().map(|key| this.var_arg(*key)).collect();
                    this.emit(Op::Extract { dst, store, keys, op: Extractor::Count });
                }
                _ => {}
            }
            this.loops.push(LoopScope { break_to: done, continue_to: head, iter: Some(iter) });
            this.stmt(&each.body);
            this.loops.pop();
            this.b.jump(head, this.tag);
        });
        self.b.switch_to(done);
        self.emit(Op::IterEnd { iter });
    }

    /// What is walked over, and the types of its columns.
    fn iter_source(&mut self, each: &Foreach) -> (IterSource, Vec<Ty>, Ty) {
        match &each.base {
            ForeachBase::Array(global) => {
                let store = self.store(*global);
                let decl = &self.cx.stores[store.index()];
                let value = match decl.value {
                    tapdeck_ebpf::ir::StoreTy::Str { cap } => Ty::Str { cap },
                    tapdeck_ebpf::ir::StoreTy::Packed { .. } => self.value_ty(*global),
                    _ => Ty::Long,
                };
                (IterSource::Array { store, slice: Vec::new() }, decl.keys.clone(), value)
            }
            ForeachBase::Hist { global, keys, .. } => {
                let store = self.store(*global);
                let keys = self.args_of(keys);
                (IterSource::Histogram { store, keys }, vec![Ty::Long], Ty::Long)
            }
        }
    }

    /// Elements that do not match are passed over here, after the limit counted them, as SystemTap does.
    fn match_slice(&mut self, slice: &[Option<Arg>], keys: &[Var], next: tapdeck_ebpf::ir::Block) {
        for (wanted, key) in slice.iter().zip(keys) {
            let Some(wanted) = *wanted else { continue };
            let matches = self.b.new_block();
            match wanted {
                Arg::Long(b) => {
                    let a = Operand::Var(*key);
                    self.b.terminate(
                        Term::BranchCompare { op: CmpOp::Eq, a, b, then: matches, otherwise: next },
                        self.tag,
                    );
                }
                // A text that was refused.
                Arg::Packed(_) => continue,
                Arg::Str(b) => {
                    let dst = self.long_temp();
                    self.emit(Op::StrCompare { op: CmpOp::Eq, dst, a: StrOperand::Var(*key), b });
                    self.b.branch(Operand::Var(dst), matches, next, self.tag);
                }
            }
            self.b.switch_to(matches);
        }
    }

    /// Where the iterator writes a column: the local itself when its type fits, else a temporary it is copied from.
    fn column(&mut self, local: LocalId, ty: Ty, direct: bool) -> Var {
        let var = self.local_var(local);
        if direct && self.b.var_ty(var) == ty { var } else { self.temp(ty) }
    }

    fn set_loop_local(&mut self, local: LocalId, from: Var) {
        let dst = self.local_var(local);
        let arg = self.var_arg(from);
        self.copy_to(dst, arg);
    }

    pub fn optional_keys(&mut self, keys: &[Option<Expr>]) -> Vec<Option<Arg>> {
        let present: Vec<&Expr> = keys.iter().flatten().collect();
        let mut args = self.args_in_order(&present).into_iter();
        keys.iter().map(|key| key.as_ref().and_then(|_| args.next())).collect()
    }
}

fn iter_sort(sort: Sort) -> IterSort {
    let by = match sort.by {
        SortBy::Key(idx) => IterSortBy::Key(idx),
        SortBy::Value => IterSortBy::Value,
        SortBy::Extractor(op) => IterSortBy::Extractor(extractor(op)),
    };
    IterSort { by, descending: sort.descending }
}
