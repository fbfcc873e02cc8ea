//! How many bytes packed texts take. A text made of another one is longer than that by its own pieces, so sizes are
//! followed along the flow of each body, from variable to variable, through calls and globals, until nothing grows.
//!
//! ```text
//!   s = argstr            48
//!   s = s . ", " . tail   48 + 24: another text in the same variable, which has room for the longest
//! ```
//! In a loop, or through a global, it would grow for ever: that is refused.

use rustc_hash::FxHashSet as HashSet;

use tapdeck_ebpf::{
    ir::{
        Arg, BlockData, Body, FunctionId, InputTy, Iter, IterSource, Op, PrintSite, Program, SourceTag, StoreId,
        StoreTy, Term, Ty,
    },
    layout::record,
};

/// Bytes of pieces one text may have.
pub(super) const MAX_PACKED: u32 = 4096;

/// Gives every packed variable, store and input its size.
///
/// # Errors
/// Where a text becomes too large, at the instruction that makes it.
pub(super) fn assign(program: &mut Program) -> Result<(), SourceTag> {
    let is_packed = |body: &Body| body.vars.iter().any(|var| matches!(var.ty, Ty::Packed { .. }));
    let functions: Vec<usize> =
        (0..program.functions.len()).filter(|idx| is_packed(&program.functions[*idx].body)).collect();
    let handlers: Vec<usize> =
        (0..program.handlers.len()).filter(|idx| is_packed(&program.handlers[*idx].body)).collect();
    let mut sizes = Sizes::new(program);
    while std::mem::take(&mut sizes.changed) {
        for idx in &handlers {
            sizes.body(program, &program.handlers[*idx].body, None);
        }
        for idx in &functions {
            sizes.body(program, &program.functions[*idx].body, Some(FunctionId(*idx as u32)));
        }
        if let Some(tag) = sizes.too_large {
            return Err(tag);
        }
    }
    for idx in handlers {
        let rooms = sizes.rooms(program, &program.handlers[idx].body, None);
        give(&mut program.handlers[idx].body, rooms);
    }
    for idx in functions {
        let rooms = sizes.rooms(program, &program.functions[idx].body, Some(FunctionId(idx as u32)));
        give(&mut program.functions[idx].body, rooms);
    }
    for (function, result) in program.functions.iter_mut().zip(&sizes.results) {
        function.result.iter_mut().for_each(|ty| set(ty, *result));
    }
    for (site, inputs) in program.print_sites.iter_mut().zip(&sizes.inputs) {
        for (input, size) in site.inputs.iter_mut().zip(inputs) {
            if let InputTy::Packed { cap } = input {
                *cap = (*size).max(record::HEADER) as u16;
            }
        }
    }
    for (store, size) in program.stores.iter_mut().zip(&sizes.stores) {
        if let StoreTy::Packed { cap, .. } = &mut store.value {
            *cap = *size as u16;
        }
    }
    Ok(())
}

fn give(body: &mut Body, rooms: Vec<u32>) {
    body.vars.iter_mut().zip(rooms).for_each(|(var, room)| set(&mut var.ty, room));
}

fn set(ty: &mut Ty, room: u32) {
    if let Ty::Packed { cap } = ty {
        *cap = room.max(record::HEADER) as u16;
    }
}

/// The largest text seen anywhere.
struct Sizes {
    stores: Vec<u32>,
    params: Vec<Vec<u32>>,
    results: Vec<u32>,
    /// By print site and input.
    inputs: Vec<Vec<u32>>,
    changed: bool,
    too_large: Option<SourceTag>,
}

impl Sizes {
    fn new(program: &Program) -> Self {
        Self {
            stores: program.stores.iter().enumerate().map(|(idx, _)| plain_room(program, idx)).collect(),
            params: program.functions.iter().map(|f| vec![record::HEADER; f.n_params]).collect(),
            results: vec![record::HEADER; program.functions.len()],
            inputs: program.print_sites.iter().map(|site| vec![record::HEADER; site.inputs.len()]).collect(),
            changed: true,
            too_large: None,
        }
    }

    /// Follows a body's flow to its end; gives the size of each variable at the start of each block.
    fn body(&mut self, program: &Program, body: &Body, function: Option<FunctionId>) -> Vec<Option<Vec<u32>>> {
        let mut at_start: Vec<Option<Vec<u32>>> = vec![None; body.blocks.len()];
        let mut first = vec![record::HEADER; body.vars.len()];
        if let Some(function) = function {
            for (size, param) in first.iter_mut().zip(&self.params[function.index()]) {
                *size = *param;
            }
        }
        at_start[0] = Some(first);
        let mut work: Vec<usize> = vec![0];
        let mut waiting: HashSet<usize> = HashSet::from_iter([0]);
        while let Some(idx) = work.pop() {
            waiting.remove(&idx);
            if self.too_large.is_some() {
                break;
            }
            let Some(mut state) = at_start[idx].clone() else { continue };
            let block = &body.blocks[idx];
            let mut seen = state.clone();
            self.block(program, body, block, function, &mut state, &mut |state| {
                seen.iter_mut().zip(state).for_each(|(most, size)| *most = (*most).max(*size));
            });
            let mut reach = |to: usize, sizes: &[u32]| {
                let known = at_start[to].get_or_insert_with(|| vec![0; sizes.len()]);
                let grows = known.iter().zip(sizes).any(|(known, size)| size > known);
                if grows {
                    known.iter_mut().zip(sizes).for_each(|(known, size)| *known = (*known).max(*size));
                    if waiting.insert(to) {
                        work.push(to);
                    }
                }
            };
            for to in block.term.targets() {
                reach(to.index(), &state);
            }
            // An error may come after any of its instructions.
            if let Some(catch) = &block.catch {
                reach(catch.block.index(), &seen);
            }
        }
        at_start
    }

    /// The most each variable ever holds.
    fn rooms(&mut self, program: &Program, body: &Body, function: Option<FunctionId>) -> Vec<u32> {
        let at_start = self.body(program, body, function);
        let mut rooms = vec![record::HEADER; body.vars.len()];
        for (block, state) in body.blocks.iter().zip(at_start) {
            let Some(mut state) = state else { continue };
            let mut most =
                |state: &[u32]| rooms.iter_mut().zip(state).for_each(|(room, size)| *room = (*room).max(*size));
            most(&state);
            self.block(program, body, block, function, &mut state, &mut most);
        }
        rooms
    }

    /// `state` goes from the block's start to its end; `after` sees it after each instruction.
    fn block(
        &mut self,
        program: &Program,
        body: &Body,
        block: &BlockData,
        function: Option<FunctionId>,
        state: &mut [u32],
        after: &mut dyn FnMut(&[u32]),
    ) {
        for inst in &block.insts {
            self.inst(program, &inst.op, inst.tag, state);
            after(state);
        }
        match &block.term {
            Term::Return(Some(Arg::Packed(var))) => {
                if let Some(function) = function {
                    self.grow(state[var.index()], |sizes| &mut sizes.results[function.index()]);
                }
            }
            Term::IterNext { iter, value: Some(var), .. } => {
                if let Some(store) = walked(body, *iter) {
                    state[var.index()] = self.stores[store.index()];
                }
            }
            _ => {}
        }
        after(state);
    }

    fn inst(&mut self, program: &Program, op: &Op, tag: SourceTag, state: &mut [u32]) {
        match op {
            Op::Pack { dst, site, inputs } => {
                let size = self.record(&program.print_sites[site.index()], site.index(), inputs, state);
                if size > MAX_PACKED {
                    self.too_large = self.too_large.or(Some(tag));
                }
                state[dst.index()] = size;
            }
            Op::PackCopy { dst, src } => {
                state[dst.index()] = src.map_or(record::HEADER, |src| state[src.index()]);
            }
            Op::Get { dst, store, .. } => state[dst.index()] = self.stores[store.index()],
            Op::Set { store, value: Arg::Packed(var), .. } => {
                self.grow(state[var.index()], |sizes| &mut sizes.stores[store.index()]);
            }
            Op::Call { function, dst, args } => {
                for (idx, arg) in args.iter().enumerate() {
                    if let Arg::Packed(var) = arg {
                        self.grow(state[var.index()], |sizes| &mut sizes.params[function.index()][idx]);
                    }
                }
                if let Some(dst) = dst {
                    state[dst.index()] = self.results[function.index()];
                }
            }
            Op::Print { site, inputs } => {
                self.record(&program.print_sites[site.index()], site.index(), inputs, state);
            }
            _ => {}
        }
    }

    /// Bytes of a record with these inputs, which the site's are made to fit.
    fn record(&mut self, site: &PrintSite, idx: usize, inputs: &[Arg], state: &[u32]) -> u32 {
        let mut operands = inputs.iter();
        let sized = site.inputs.iter().enumerate().map(|(input_idx, input)| {
            let operand = operands.next();
            if matches!(input, InputTy::Memory { .. }) {
                operands.next();
            }
            match (input, operand) {
                (InputTy::Packed { .. }, Some(Arg::Packed(var))) => {
                    let size = state[var.index()];
                    self.grow(size, |sizes| &mut sizes.inputs[idx][input_idx]);
                    InputTy::Packed { cap: size.min(u32::from(u16::MAX)) as u16 }
                }
                _ => input.clone(),
            }
        });
        let sized = PrintSite { inputs: sized.collect(), ..site.clone() };
        record::most_bytes(&sized)
    }

    fn grow(&mut self, size: u32, slot: impl Fn(&mut Self) -> &mut u32) {
        if *slot(self) < size {
            *slot(self) = size;
            self.changed = true;
        }
    }
}

/// The store whose elements an iterator gives.
fn walked(body: &Body, iter: Iter) -> Option<StoreId> {
    body.blocks.iter().flat_map(|block| &block.insts).find_map(|inst| match &inst.op {
        Op::IterBegin { iter: begun, source: IterSource::Array { store, .. }, .. } if *begun == iter => Some(*store),
        _ => None,
    })
}

/// What texts need that user space puts into a store as they are.
fn plain_room(program: &Program, store: usize) -> u32 {
    let StoreTy::Packed { plain, .. } = program.stores[store].value else { return 0 };
    let bodies = program.handlers.iter().map(|h| &h.body).chain(program.functions.iter().map(|f| &f.body));
    let mut insts = bodies.flat_map(|body| &body.blocks).flat_map(|block| &block.insts);
    let writes = insts.any(|inst| match &inst.op {
        Op::Set { store: to, value: Arg::Str(_), .. } => to.index() == store,
        _ => false,
    });
    match program.print_sites[plain.index()].inputs.first() {
        Some(InputTy::Str { cap }) if writes || program.stores[store].init.is_some() => record::plain_bytes(*cap),
        _ => record::HEADER,
    }
}
