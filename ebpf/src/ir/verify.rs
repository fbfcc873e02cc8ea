//! The contract of a program, executable. Who makes IR keeps it; who runs IR relies on it.
//!
//! 1. Every index is in range; a string's capacity is a multiple of 8, at least 8 and at most the limit.
//! 2. Operands and results have the type their instruction says; keys and values have their store's. A packed text is made
//!    and read only where there is room for it, is no key, and its site makes one argument. Where it goes from a variable
//!    there is room for what the variable holds at that instruction, which may be less than it ever holds.
//! 3. A store has at most 9 keys. `get` and `set` are for values, `<<<` and extractors for statistics, and a statistic
//!    keeps what is asked of it. `clear` is for arrays.
//! 4. A call passes as many arguments as the function has parameters, of their types; a print what its site captures.
//! 5. A body has a block; every block can be reached; `has_loops` is set where there is a cycle, and in recursive functions.
//! 6. A `catch` variable is a string. A loop's `step` goes with one `begin` of its iterator, and takes at most its keys.
//! 7. `recursive` is set on every function that can reach itself. A `pure` function touches nothing but its arguments and
//!    calls only pure ones; deferred arguments (recipes) call only pure functions. A site's rest is no text.
//! 8. What runs in the kernel has no user-only instruction, touches only stores that live there, formats text only with
//!    a kernel format, and reads only what its entry's context has.

use std::fmt;

use super::*;
use crate::layout::record;

/// A broken rule and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct VerifyError {
    /// `handler h0 "begin", b2: v0 = …`; `store g1`; empty for the whole program.
    pub place: String,
    pub message: String,
    pub tag: SourceTag,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checks the whole contract; every violation is reported.
pub fn verify(program: &Program) -> Result<(), Vec<VerifyError>> {
    let mut verifier = Verifier { program, errors: Vec::new(), place: String::new(), tag: SourceTag::NONE };
    verifier.stores();
    verifier.print_sites();
    for (idx, function) in program.functions.iter().enumerate() {
        verifier.body(format!("function f{idx} {:?}", function.name), &function.body, Some(function));
    }
    for (idx, handler) in program.handlers.iter().enumerate() {
        verifier.body(format!("handler h{idx} {:?}", handler.name), &handler.body, None);
    }
    // What follows walks calls and runs, so their indices must be good.
    if verifier.errors.is_empty() {
        verifier.purity_and_recursion();
        verifier.entries();
    }
    if verifier.errors.is_empty() { Ok(()) } else { Err(verifier.errors) }
}

struct Verifier<'p> {
    program: &'p Program,
    errors: Vec<VerifyError>,
    place: String,
    tag: SourceTag,
}

impl<'p> Verifier<'p> {
    fn error(&mut self, message: impl Into<String>) {
        self.errors.push(VerifyError { place: self.place.clone(), message: message.into(), tag: self.tag });
    }

    fn check(&mut self, holds: bool, message: &str) {
        if !holds {
            self.error(message);
        }
    }

    fn ty(&mut self, ty: Ty) {
        if let Ty::Str { cap } = ty {
            let good =
                cap >= 8 && cap % 8 == 0 && cap <= self.program.limits.max_string_len.next_multiple_of(8).max(16);
            self.check(good, "a string's capacity must be a multiple of 8 within the limit");
        }
        if let Ty::Packed { cap } = ty {
            self.check(cap >= 8 && cap % 8 == 0, "a packed text's capacity must be a multiple of 8");
        }
    }

    fn stores(&mut self) {
        for (idx, store) in self.program.stores.iter().enumerate() {
            self.place = format!("store g{idx} {:?}", store.name);
            self.check(store.keys.len() <= 9, "more than 9 keys");
            store.keys.iter().for_each(|key| self.ty(*key));
            self.check(store.keys.iter().all(|key| key.kind() != Kind::Packed), "a packed text is no key");
            if let StoreTy::Packed { cap, plain } = store.value {
                self.ty(Ty::Packed { cap });
                let site = self.program.print_sites.get(plain.index());
                let fits = matches!(site.map(|site| site.inputs.as_slice()), Some([InputTy::Str { .. }]));
                self.check(fits, "a plain text's site takes one string");
            }
            self.check(store.max_entries > 0, "no room for an element");
            match (&store.value, &store.init) {
                (_, None)
                | (StoreTy::Long, Some(Const::Long(_)))
                | (StoreTy::Str { .. } | StoreTy::Packed { .. }, Some(Const::Str(_))) => (),
                _ => self.error("the start value has another type"),
            }
            if let StoreTy::Stat(StatShape { hist: Some(HistShape::Linear { start, stop, step }), .. }) = store.value {
                let good = step > 0 && stop >= start && (stop - start) / step + 3 <= 128;
                self.check(good, "a linear histogram must have 3 to 128 buckets");
            }
        }
    }

    fn print_sites(&mut self) {
        for (idx, site) in self.program.print_sites.iter().enumerate() {
            self.place = format!("print p{idx}");
            site.args.iter().for_each(|recipe| self.recipe(recipe, site));
            if let Some(Rest { function, context }) = &site.runs {
                let n_params = self.program.functions.get(function.index()).map(|function| function.n_params);
                self.check(n_params == Some(site.args.len()), "no such function to run");
                self.check(context.iter().all(|(_, input)| *input < site.inputs.len()), "no such input");
            }
        }
    }

    fn recipe(&mut self, recipe: &Recipe, site: &PrintSite) {
        match recipe {
            Recipe::Input(idx) => self.check(*idx < site.inputs.len(), "no such input"),
            Recipe::Apply { function, args } => {
                match self.program.functions.get(function.index()) {
                    None => self.error(format!("no function {function}")),
                    Some(function) => {
                        self.check(function.pure_, "a deferred function must be pure");
                        self.check(function.n_params == args.len(), "wrong number of arguments");
                    }
                }
                args.iter().for_each(|arg| self.recipe(arg, site));
            }
            Recipe::Hist { store, keys, .. } => {
                match self.program.stores.get(store.index()).map(|store| (store.keys.len(), &store.value)) {
                    Some((n_keys, StoreTy::Stat(StatShape { hist: Some(_), .. }))) => {
                        self.check(n_keys == keys.len(), "wrong number of keys");
                    }
                    _ => self.error(format!("{store} keeps no histogram")),
                }
                keys.iter().for_each(|key| self.recipe(key, site));
            }
        }
    }

    fn body(&mut self, name: String, body: &'p Body, function: Option<&'p Function>) {
        self.place.clone_from(&name);
        self.tag = SourceTag::NONE;
        body.vars.iter().for_each(|var| self.ty(var.ty));
        self.check(function.is_none_or(|f| f.n_params <= body.vars.len()), "parameters without variables");
        if body.blocks.is_empty() {
            return self.error("no block to start at");
        }
        let before = self.errors.len();
        for (idx, block) in body.blocks.iter().enumerate() {
            for inst in &block.insts {
                self.place = format!("{name}, b{idx}: {}", inst.op);
                self.tag = inst.tag;
                self.inst(&inst.op, body);
            }
            self.place = format!("{name}, b{idx}: {}", block.term);
            self.tag = block.term_tag;
            self.term(&block.term, body, function);
            if let Some(catch) = &block.catch {
                self.check(catch.block.index() < body.blocks.len(), "no such catch block");
                if let Some(var) = catch.message {
                    self.var(var, Kind::Str, body);
                }
            }
        }
        if self.errors.len() == before {
            self.place = name;
            self.graph(body, function);
        }
    }

    fn graph(&mut self, body: &Body, function: Option<&Function>) {
        let reachable = builder::reachable(&body.blocks);
        self.check(reachable.len() == body.blocks.len(), "a block cannot be reached");
        let loops = builder::has_cycle(&body.blocks) || function.is_some_and(|function| function.recursive);
        self.check(!loops || body.has_loops, "it loops, and `has_loops` is not set");
    }

    fn var(&mut self, var: Var, kind: Kind, body: &Body) {
        match body.vars.get(var.index()) {
            None => self.error(format!("no variable {var}")),
            Some(decl) if decl.ty.kind() != kind => self.error(format!("{var} has the wrong type")),
            Some(_) => (),
        }
    }

    /// An operand's own variable is in range and has the operand's type.
    fn arg(&mut self, arg: Arg, body: &Body) {
        match arg {
            Arg::Long(Operand::Var(var)) => self.var(var, Kind::Long, body),
            Arg::Str(StrOperand::Var(var)) => self.var(var, Kind::Str, body),
            Arg::Str(StrOperand::Const(id)) => {
                self.check(id.index() < self.program.strings.len(), "no such literal");
            }
            Arg::Packed(var) => self.var(var, Kind::Packed, body),
            Arg::Long(Operand::Imm(_)) => (),
        }
    }

    fn kinds(&mut self, found: &[Arg], expected: impl ExactSizeIterator<Item = Kind>, what: &str) {
        if found.len() != expected.len() {
            return self.error(format!("{} {what}, expected {}", found.len(), expected.len()));
        }
        if found.iter().map(kind).zip(expected).any(|(found, expected)| found != expected) {
            self.error(format!("{what} of the wrong type"));
        }
    }

    /// The store, when it is there and the keys fit it.
    fn element(&mut self, store: StoreId, keys: &[Option<Arg>]) -> Option<&'p StoreDecl> {
        let Some(decl) = self.program.stores.get(store.index()) else {
            self.error(format!("no store {store}"));
            return None;
        };
        if keys.len() != decl.keys.len() {
            self.error(format!("{} keys, expected {}", keys.len(), decl.keys.len()));
        }
        let wrong = |(key, ty): (&Option<Arg>, &Ty)| key.as_ref().is_some_and(|key| kind(key) != ty.kind());
        if keys.iter().zip(&decl.keys).any(wrong) {
            self.error("a key of the wrong type");
        }
        Some(decl)
    }

    fn whole(&mut self, store: StoreId, keys: &[Arg]) -> Option<&'p StoreDecl> {
        let keys: Vec<Option<Arg>> = keys.iter().copied().map(Some).collect();
        self.element(store, &keys)
    }

    /// The store's statistic.
    fn stat(&mut self, store: StoreId, keys: &[Arg]) -> Option<&'p StatShape> {
        match &self.whole(store, keys)?.value {
            StoreTy::Stat(shape) => Some(shape),
            _ => {
                self.error(format!("{store} is no statistic"));
                None
            }
        }
    }

    fn dst(&mut self, op: &Op, kind: Kind, body: &Body) {
        if let Some(var) = op.dst() {
            self.var(var, kind, body);
        }
    }

    fn inst(&mut self, op: &Op, body: &Body) {
        let mut args = Vec::new();
        op.for_each_arg(|arg| args.push(arg));
        args.into_iter().for_each(|arg| self.arg(arg, body));
        match op {
            Op::Copy { .. } | Op::Binary { .. } | Op::Compare { .. } | Op::Unary { .. } | Op::StrCompare { .. } => {
                self.dst(op, Kind::Long, body);
            }
            Op::StrCopy { .. } | Op::StrConcat { .. } | Op::Site { .. } => self.dst(op, Kind::Str, body),
            Op::Pack { site, inputs, dst } => {
                let Some(print) = self.site(*site, inputs) else { return };
                self.check(print.args.len() == 1, "a packed text is one argument");
                self.dst(op, Kind::Packed, body);
                let room = record::most_bytes(print);
                self.check(self.packed_cap(*dst, body).is_none_or(|cap| room <= cap.into()), "no room for the text");
                self.check(!inputs.contains(&Arg::Packed(*dst)), "a packed text is made of itself");
            }
            Op::PackCopy { src, .. } => {
                self.dst(op, Kind::Packed, body);
                let is_packed = src.is_none_or(|src| self.packed_cap(src, body).is_some());
                self.check(is_packed, "only a packed text is copied as one");
            }
            Op::Regex { pattern, .. } => {
                self.check(pattern.index() < self.program.strings.len(), "no such literal");
                self.dst(op, Kind::Long, body);
            }
            Op::Intrinsic { op: intrinsic, args, .. } => {
                let (params, result) = intrinsic.signature();
                self.kinds(args, params.iter().copied(), "arguments");
                self.dst(op, result, body);
            }
            // The caller's table knows its types.
            Op::Host { dst, .. } => self.check(dst.is_none_or(|dst| dst.index() < body.vars.len()), "no such variable"),
            Op::Call { function, dst, args } => {
                let Some(callee) = self.program.functions.get(function.index()) else {
                    return self.error(format!("no function {function}"));
                };
                let params: Vec<Kind> = callee.body.vars.iter().take(callee.n_params).map(|v| v.ty.kind()).collect();
                self.kinds(args, params.into_iter(), "arguments");
                match callee.result {
                    Some(ty) => self.dst(op, ty.kind(), body),
                    None => self.check(dst.is_none(), "the function gives no value"),
                }
            }
            Op::Read { width, on_fault, .. } => {
                self.check(matches!(width, 1 | 2 | 4 | 8), "a read is 1, 2, 4 or 8 bytes wide");
                self.on_fault(*on_fault);
                self.dst(op, Kind::Long, body);
            }
            Op::ReadStr { on_fault, .. } => {
                self.on_fault(*on_fault);
                self.dst(op, Kind::Str, body);
            }
            Op::Context { .. } => self.dst(op, Kind::Long, body),
            Op::Get { store, keys, dst } => match self.whole(*store, keys).map(|decl| &decl.value) {
                Some(StoreTy::Long) => self.dst(op, Kind::Long, body),
                Some(StoreTy::Str { .. }) => self.dst(op, Kind::Str, body),
                // The interpreter gets the text.
                Some(StoreTy::Packed { cap, .. }) => match self.packed_cap(*dst, body) {
                    Some(room) => self.check(*cap <= room, "no room for the text"),
                    None => self.dst(op, Kind::Str, body),
                },
                Some(StoreTy::Stat(_)) => self.error("a statistic is no value"),
                None => (),
            },
            Op::Set { store, keys, value } => match self.whole(*store, keys).map(|decl| &decl.value) {
                Some(StoreTy::Long) => self.check(kind(value) == Kind::Long, "a value of the wrong type"),
                Some(StoreTy::Str { .. }) => self.check(kind(value) == Kind::Str, "a value of the wrong type"),
                Some(StoreTy::Packed { .. }) => {
                    let is_text = matches!(value, Arg::Packed(_)) || kind(value) == Kind::Str;
                    self.check(is_text, "a value of the wrong type");
                }
                Some(StoreTy::Stat(_)) => self.error("a statistic cannot be set"),
                None => (),
            },
            Op::Add { store, keys, .. } => {
                let decl = self.whole(*store, keys);
                self.check(decl.is_none_or(|decl| decl.value == StoreTy::Long), "only numbers can be added to");
                self.dst(op, Kind::Long, body);
            }
            Op::Contains { store, keys, .. } => {
                self.element(*store, keys);
                self.dst(op, Kind::Long, body);
            }
            Op::Delete { store, keys } => {
                self.element(*store, keys);
            }
            Op::Clear { store } => match self.program.stores.get(store.index()) {
                Some(decl) => self.check(!decl.keys.is_empty(), "only an array can be cleared"),
                None => self.error(format!("no store {store}")),
            },
            Op::Accumulate { store, keys, .. } => {
                self.stat(*store, keys);
            }
            Op::Extract { store, keys, op: extractor, .. } => {
                let kept = self.stat(*store, keys).is_none_or(|shape| keeps(shape, *extractor));
                self.check(kept, "the statistic does not keep that");
                self.dst(op, Kind::Long, body);
            }
            Op::Bucket { store, keys, .. } => {
                let kept = self.stat(*store, keys).is_none_or(|shape| shape.hist.is_some());
                self.check(kept, "the statistic keeps no histogram");
                self.dst(op, Kind::Long, body);
            }
            Op::Print { site, inputs } | Op::Sprint { site, inputs, .. } => {
                self.site(*site, inputs);
                self.dst(op, Kind::Str, body);
            }
            Op::Exit | Op::Actions { .. } => (),
            Op::IterBegin { iter, source, .. } => {
                self.check(iter.0 < body.n_iters, "no such iterator");
                match source {
                    IterSource::Array { store, slice } if slice.is_empty() => {
                        let array = self.program.stores.get(store.index()).is_some_and(|decl| !decl.keys.is_empty());
                        self.check(array, "only an array can be iterated");
                    }
                    IterSource::Array { store, slice } => {
                        self.element(*store, slice);
                    }
                    IterSource::Histogram { store, keys } => {
                        let kept = self.stat(*store, keys).is_none_or(|shape| shape.hist.is_some());
                        self.check(kept, "the statistic keeps no histogram");
                    }
                }
            }
            Op::IterEnd { iter } => self.check(iter.0 < body.n_iters, "no such iterator"),
        }
    }

    /// The print site, when it is there, with inputs that fit it.
    fn site(&mut self, site: PrintId, inputs: &[Arg]) -> Option<&'p PrintSite> {
        let Some(print) = self.program.print_sites.get(site.index()) else {
            self.error(format!("no print site {site}"));
            return None;
        };
        let kinds_of = |input: &InputTy| match input {
            InputTy::Long => vec![Kind::Long],
            InputTy::Str { .. } => vec![Kind::Str],
            InputTy::Memory { .. } => vec![Kind::Long, Kind::Long],
            InputTy::Packed { .. } => vec![Kind::Packed],
        };
        let expected: Vec<Kind> = print.inputs.iter().flat_map(kinds_of).collect();
        self.kinds(inputs, expected.into_iter(), "inputs");
        Some(print)
    }

    /// The room of a packed variable; `None` for others.
    fn packed_cap(&self, var: Var, body: &Body) -> Option<u16> {
        match body.vars.get(var.index()).map(|decl| decl.ty) {
            Some(Ty::Packed { cap }) => Some(cap),
            _ => None,
        }
    }

    fn on_fault(&mut self, on_fault: OnFault) {
        if let OnFault::Raise(id) | OnFault::Default(id) = on_fault {
            self.check(id.index() < self.program.strings.len(), "no such literal");
        }
    }

    fn term(&mut self, term: &Term, body: &Body, function: Option<&Function>) {
        let mut args = Vec::new();
        term.for_each_arg(|arg| args.push(arg));
        args.into_iter().for_each(|arg| self.arg(arg, body));
        for target in term.targets() {
            self.check(target.index() < body.blocks.len(), "no such block");
        }
        match term {
            Term::Return(Some(value)) => {
                let expected = function.and_then(|function| function.result).map(Ty::kind);
                self.check(expected == Some(kind(value)), "a result of the wrong type");
            }
            Term::IterNext { iter, keys, value, .. } => self.step(*iter, keys, *value, body),
            _ => (),
        }
    }

    fn step(&mut self, iter: Iter, keys: &[Var], value: Option<Var>, body: &Body) {
        let insts = body.blocks.iter().flat_map(|block| &block.insts);
        let mut sources = insts.filter_map(|inst| match &inst.op {
            Op::IterBegin { iter: begun, source, .. } if *begun == iter => Some(source),
            _ => None,
        });
        let (source, more) = (sources.next(), sources.next());
        self.check(source.is_some() && more.is_none(), "a step needs exactly one begin");
        match source {
            Some(IterSource::Array { store, .. }) => {
                let Some(decl) = self.program.stores.get(store.index()) else { return };
                self.check(keys.len() <= decl.keys.len(), "more variables than keys");
                for (var, ty) in keys.iter().zip(&decl.keys) {
                    self.var(*var, ty.kind(), body);
                }
                if let Some(var) = value {
                    match decl.value {
                        StoreTy::Packed { cap, .. } => match self.packed_cap(var, body) {
                            Some(room) => self.check(cap <= room, "no room for the text"),
                            None => self.var(var, Kind::Str, body),
                        },
                        StoreTy::Str { .. } => self.var(var, Kind::Str, body),
                        StoreTy::Long | StoreTy::Stat(_) => self.var(var, Kind::Long, body),
                    }
                }
            }
            Some(IterSource::Histogram { .. }) => {
                self.check(keys.len() <= 1 && value.is_none(), "a bucket has an index only");
                keys.iter().for_each(|var| self.var(*var, Kind::Long, body));
            }
            None => (),
        }
    }

    fn purity_and_recursion(&mut self) {
        for (idx, function) in self.program.functions.iter().enumerate() {
            self.place = format!("function f{idx} {:?}", function.name);
            self.tag = SourceTag::NONE;
            let id = FunctionId(idx as u32);
            let reaches_itself = callees(&function.body).any(|f| f == id || self.reachable_functions(f).contains(&id));
            self.check(!reaches_itself || function.recursive, "it calls itself, and `recursive` is not set");
            if function.pure_ {
                let mut insts = function.body.blocks.iter().flat_map(|block| &block.insts);
                let impure = insts.find(|inst| !self.is_pure(&inst.op)).map(|inst| inst.op.to_string());
                if let Some(op) = impure {
                    self.error(format!("`{op}` is not pure"));
                }
            }
        }
    }

    fn is_pure(&self, op: &Op) -> bool {
        match op {
            Op::Copy { .. } | Op::Binary { .. } | Op::Compare { .. } | Op::Unary { .. } | Op::Actions { .. } => true,
            Op::StrCopy { .. } | Op::StrConcat { .. } | Op::StrCompare { .. } | Op::Regex { .. } => true,
            Op::Pack { .. } | Op::PackCopy { .. } => true,
            // Which host functions are pure, only the caller knows.
            Op::Host { .. } | Op::Sprint { .. } => true,
            Op::Intrinsic { op, .. } => op.is_pure() || op.user_only(),
            Op::Call { function, .. } => self.program.functions[function.index()].pure_,
            _ => false,
        }
    }

    /// The function and everything it can call.
    fn reachable_functions(&self, from: FunctionId) -> Vec<FunctionId> {
        let mut found = vec![from];
        let mut at = 0;
        while let Some(id) = found.get(at).copied() {
            at += 1;
            for callee in callees(&self.program.functions[id.index()].body) {
                if !found.contains(&callee) {
                    found.push(callee);
                }
            }
        }
        found
    }

    fn entries(&mut self) {
        for (idx, entry) in self.program.entries.iter().enumerate() {
            self.tag = SourceTag::NONE;
            for run in &entry.runs {
                self.place = format!("entry {idx}");
                self.check(run.handler.index() < self.program.handlers.len(), "no such handler");
                self.check(run.site.index() < self.program.sites.len(), "no such site");
                let by_number = entry.kind.is_syscall();
                self.check(by_number || run.syscall.is_none(), "only system calls have a number");
            }
            let mut seen = Vec::new();
            for run in entry.runs.iter().filter(|_| entry.kind.in_kernel()) {
                if run.handler.index() < self.program.handlers.len() && !seen.contains(&run.handler) {
                    seen.push(run.handler);
                    self.kernel_handler(run.handler, &entry.kind);
                }
            }
        }
    }

    fn kernel_handler(&mut self, id: HandlerId, kind: &EntryKind) {
        let handler = &self.program.handlers[id.index()];
        self.kernel_body(&format!("handler {id} {:?}", handler.name), &handler.body, kind);
        let called: Vec<FunctionId> = callees(&handler.body).flat_map(|f| self.reachable_functions(f)).collect();
        let mut seen = Vec::new();
        for id in called {
            if !seen.contains(&id) {
                seen.push(id);
                let function = &self.program.functions[id.index()];
                self.kernel_body(&format!("function {id} {:?}", function.name), &function.body, kind);
            }
        }
    }

    fn kernel_body(&mut self, name: &str, body: &Body, kind: &EntryKind) {
        for (idx, block) in body.blocks.iter().enumerate() {
            for inst in &block.insts {
                self.place = format!("{name}, b{idx}: {}", inst.op);
                self.tag = inst.tag;
                if let Some(what) = inst.op.user_only() {
                    self.error(format!("{what} cannot run in the kernel"));
                }
                if let Some(store) = inst.op.store() {
                    self.check(self.program.stores[store.index()].in_kernel, "the store does not live in the kernel");
                }
                match &inst.op {
                    // What the store packs stays packed, there and on the way.
                    Op::Get { store, dst, .. } => {
                        let is_packed = matches!(self.program.stores[store.index()].value, StoreTy::Packed { .. });
                        let fits = is_packed == self.packed_cap(*dst, body).is_some();
                        self.check(fits, "a packed text cannot be looked at in the kernel");
                    }
                    Op::Set { store, value, .. } => {
                        let is_packed = matches!(self.program.stores[store.index()].value, StoreTy::Packed { .. });
                        self.check(is_packed == matches!(value, Arg::Packed(_)), "a text must be packed in the kernel");
                    }
                    Op::Sprint { site, .. } => {
                        let formatted = self.program.print_sites[site.index()].kernel_format.is_some();
                        self.check(formatted, "this format cannot run in the kernel");
                    }
                    Op::Context { field, .. } => self.check(has_field(kind, *field), "this entry has no such context"),
                    _ => (),
                }
            }
        }
    }
}

fn kind(arg: &Arg) -> Kind {
    match arg {
        Arg::Long(_) => Kind::Long,
        Arg::Str(_) => Kind::Str,
        Arg::Packed(_) => Kind::Packed,
    }
}

fn keeps(shape: &StatShape, extractor: Extractor) -> bool {
    match extractor {
        Extractor::Count => true,
        Extractor::Sum | Extractor::Avg => shape.sum,
        Extractor::Min => shape.min,
        Extractor::Max => shape.max,
        Extractor::Variance => shape.variance.is_some(),
    }
}

fn callees(body: &Body) -> impl Iterator<Item = FunctionId> + '_ {
    body.blocks.iter().flat_map(|block| &block.insts).filter_map(|inst| match inst.op {
        Op::Call { function, .. } => Some(function),
        _ => None,
    })
}

fn has_field(kind: &EntryKind, field: ContextField) -> bool {
    match field {
        ContextField::TraceArg(n) => matches!(kind, EntryKind::RawTracepoint { n_args, .. } if n < *n_args),
        ContextField::SyscallNr => kind.is_syscall(),
        ContextField::CallArg(n) => match kind {
            EntryKind::SysEnter
            | EntryKind::SysExit
            | EntryKind::Fentry { .. }
            | EntryKind::Kprobe { exit: false, .. } => n < 6,
            _ => false,
        },
        ContextField::CallReturn => {
            matches!(
                kind,
                EntryKind::SysExit | EntryKind::Fentry { exit: true, .. } | EntryKind::Kprobe { exit: true, .. }
            )
        }
        ContextField::Regs => *kind != EntryKind::User,
        ContextField::InstructionPointer => matches!(kind, EntryKind::PerfEvent { .. } | EntryKind::Kprobe { .. }),
        ContextField::Register(_) => *kind != EntryKind::User,
        ContextField::SiteNumber => *kind != EntryKind::User,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let program = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let found = match verify(&program) {
            Ok(()) => String::new(),
            Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn one_of_everything_is_good() {
        check(include_str!("../../tests/ir/everything.ir"), expect![[""]]);
    }

    #[test]
    fn types_and_indices() {
        check(
            r#"
            string s0 = "x"
            store g0 "a" [long] -> long max=1
            store g1 "s" [] -> stat(count) max=1
            function f0 "f" params=1 -> long {
              var v0: str16
            b0:
              return s0
            }
            handler h0 "begin" probe=0 {
              var v0: long
              var v1: str12
            b0: catch b1 v0
              v0 = text s0
              v0 = add $v1, 1
            "#
            .replace("v0 = add $v1, 1", "v9 = copy 1\n v0 = get g0\n v0 = get g1\n v0 = call f0(1)\n v0 = extract max g1\n jump b1\nb1:\nreturn\n}")
            .as_str(),
            expect![[r#"
                function f0 "f", b0: return s0: a result of the wrong type
                handler h0 "begin": a string's capacity must be a multiple of 8 within the limit
                handler h0 "begin", b0: v0 = text s0: v0 has the wrong type
                handler h0 "begin", b0: v9 = copy 1: no variable v9
                handler h0 "begin", b0: v0 = get g0: 0 keys, expected 1
                handler h0 "begin", b0: v0 = get g1: a statistic is no value
                handler h0 "begin", b0: v0 = call f0(1): arguments of the wrong type
                handler h0 "begin", b0: v0 = extract max g1: the statistic does not keep that
                handler h0 "begin", b0: jump b1: v0 has the wrong type
            "#]],
        );
    }

    #[test]
    fn kernel_rules() {
        check(
            r#"
            store g0 "a" [long] -> long max=1
            site site0 pp="" pn="" func="" name=""
            function f0 "f" params=0 {
            b0:
              delete g0[*]
              return
            }
            handler h0 "x" probe=0 {
              var v0: long
            b0:
              v0 = context call_return
              host 1()
              call f0()
              return
            }
            entry sys_enter { h0 site0 nr=1 }
            "#,
            expect![[r#"
                handler h0 "x", b0: v0 = context call_return: this entry has no such context
                handler h0 "x", b0: host 1(): a host function cannot run in the kernel
                function f0 "f", b0: delete g0[*]: `delete` with `*` cannot run in the kernel
                function f0 "f", b0: delete g0[*]: the store does not live in the kernel
            "#]],
        );
    }

    #[test]
    fn loops_and_recursion_are_declared() {
        check(
            r#"
            function f0 "f" params=0 {
            b0:
              call f1()
              return
            }
            function f1 "g" params=0 pure {
            b0:
              call f0()
              return
            }
            handler h0 "x" probe=0 {
            b0:
              jump b0
            b1:
              return
            }
            "#,
            expect![[r#"
                handler h0 "x": a block cannot be reached
                handler h0 "x": it loops, and `has_loops` is not set
            "#]],
        );
        check(
            "function f0 \"f\" params=0 pure {\nb0:\n call f1()\n return\n}\nfunction f1 \"g\" params=0 {\nb0:\n call f0()\n exit\n return\n}",
            expect![[r#"
                function f0 "f": it calls itself, and `recursive` is not set
                function f0 "f": `call f1()` is not pure
                function f1 "g": it calls itself, and `recursive` is not set
            "#]],
        );
    }
}
