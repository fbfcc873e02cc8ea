//! How much passing memory a handler's instructions want, and which fixed values.

use super::rounds::{are_many_places, is_long};
use crate::{
    ir::*,
    layout::{Layout, Place, ValueLayout, record},
};

#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Bytes for a map key.
    pub key: u32,
    /// Bytes for a map value being inserted.
    pub value: u32,
    /// Bytes for small structures.
    pub work: u32,
    /// Bytes for strings and records being put together.
    pub temp: u32,
    /// It goes through long texts.
    pub steps: bool,
    /// How long it runs is measured.
    pub timed: bool,
    /// The user's `pt_regs`.
    pub regs: bool,
    /// `Op::Actions` counts.
    pub budget: bool,
    /// Long strings somebody looks at behind their NUL: keys, values, comparisons. Others need no clearing.
    pub filled: Vec<bool>,
}

impl Needs {
    pub fn of(program: &Program, layout: &Layout, body: &Body) -> Self {
        let mut needs = Needs { work: 32, filled: filled(body), ..Needs::default() };
        let cap = |s: StrOperand| -> u32 {
            match s {
                StrOperand::Var(v) => match body.vars[v.index()].ty {
                    Ty::Str { cap } | Ty::Packed { cap } => cap.into(),
                    Ty::Long => 8,
                },
                StrOperand::Const(s) => {
                    program.strings.get(s.index()).map_or(8, |s| (s.len() as u32 + 1).next_multiple_of(8))
                }
            }
        };
        let var_cap = |v: Var| cap(StrOperand::Var(v));
        for block in &body.blocks {
            if let Some(catch) = &block.catch
                && catch.message.is_some()
            {
                needs.work = needs.work.max(32);
            }
            for inst in &block.insts {
                if let Some(store) = inst.op.store()
                    && let Some(store) = layout.stores.get(store.index()).and_then(Option::as_ref)
                {
                    needs.key = needs.key.max(store.key.size.max(8));
                    if store.place == Place::Hash && matches!(inst.op, Op::Set { .. } | Op::Add { .. }) {
                        needs.value = needs.value.max(store.value.size());
                    }
                    if let ValueLayout::Stat(_) = &store.value {
                        needs.work = needs.work.max(64);
                    }
                }
                match &inst.op {
                    Op::Set { store, value: Arg::Str(s), .. } => {
                        if let StoreTy::Str { cap: room } = program.stores[store.index()].value
                            && cap(*s) >= room.into()
                        {
                            needs.temp = needs.temp.max(room.into());
                        }
                    }
                    Op::StrConcat { a, b, .. } => needs.temp = needs.temp.max(cap(*a) + cap(*b)),
                    Op::Regex { subject, .. } => needs.steps |= is_long(body, cap(*subject)),
                    Op::Intrinsic { op, args, .. } => {
                        if let Some(Arg::Str(s)) = args.first() {
                            match op {
                                Intrinsic::Strtol => needs.steps |= is_long(body, cap(*s)),
                                Intrinsic::IsInStr => {
                                    if let Some(Arg::Str(needle)) = args.get(1) {
                                        needs.steps |= are_many_places(body, cap(*s), cap(*needle));
                                    }
                                }
                                Intrinsic::StrLen | Intrinsic::Substr => needs.temp = needs.temp.max(cap(*s)),
                                _ => {}
                            }
                        }
                    }
                    Op::Print { site, .. } => {
                        let site = &program.print_sites[site.index()];
                        if record::fixed_size(site).1 {
                            needs.temp = needs.temp.max(record::most_bytes(site));
                        }
                    }
                    Op::Sprint { dst, site, .. } => {
                        let n_args = program.print_sites.get(site.index()).map_or(0, |site| site.args.len());
                        needs.work = needs.work.max(8 * n_args as u32);
                        needs.temp = needs.temp.max(var_cap(*dst));
                    }
                    Op::Context { field: ContextField::CallArg(_) | ContextField::Register(_), .. } => {
                        needs.regs = true
                    }
                    Op::Actions { .. } => needs.budget = true,
                    _ => {}
                }
            }
            if let Term::Raise { message } = &block.term {
                needs.temp = needs.temp.max(record::ERROR_TEXT + cap(*message));
            }
        }
        needs
    }
}

/// By variable: whether its bytes behind the NUL must be zero.
fn filled(body: &Body) -> Vec<bool> {
    let mut filled: Vec<bool> =
        body.vars.iter().map(|decl| !matches!(decl.ty, Ty::Str { cap } if cap > record::INLINE_CAP)).collect();
    let mut fill = |arg: Arg| {
        if let Arg::Str(StrOperand::Var(v)) = arg {
            filled[v.index()] = true;
        }
    };
    // A message goes where `catch` may compare it.
    body.blocks.iter().for_each(|block| block.term.for_each_arg(&mut fill));
    for inst in body.blocks.iter().flat_map(|block| &block.insts) {
        match &inst.op {
            // These stop at the NUL.
            Op::Print { .. } | Op::Sprint { .. } | Op::Pack { .. } | Op::StrConcat { .. } => {}
            Op::Intrinsic { op: Intrinsic::StrLen | Intrinsic::Substr | Intrinsic::IsInStr, .. } | Op::Regex { .. } => {
            }
            op => op.for_each_arg(&mut fill),
        }
    }
    filled
}
