//! Calls inlined: a handler as one graph of blocks without functions.
//!
//! A parameter the callee never writes is replaced by the caller's operand, so passing a string costs nothing. Recursion
//! is unrolled up to the nesting limit; deeper, the graph raises "MAXNESTING exceeded".

use std::{collections::HashMap, rc::Rc};

use super::GenerateError;
use crate::ir::*;

/// The message of a raise that stands for "MAXNESTING exceeded".
pub const MAX_NESTING: StrId = StrId(u32::MAX);

/// More instructions than this after inlining cannot become a program.
const MAX_INSTRUCTIONS: usize = 60_000;

/// For each function, which of its variables it assigns: found out when it is first called.
#[derive(Default)]
pub struct Written(HashMap<FunctionId, Rc<[bool]>>);

impl Written {
    fn by(&mut self, function: FunctionId, body: &Body) -> Rc<[bool]> {
        self.0.entry(function).or_insert_with(|| written(body).into()).clone()
    }
}

/// `body` with every call inlined; returns become `next`, unreachable blocks are gone.
pub fn flatten(program: &Program, body: &Body, writes: &mut Written) -> Result<Body, GenerateError> {
    let mut inliner = Inliner {
        program,
        out: Body { has_loops: body.has_loops, n_iters: body.n_iters, ..Body::default() },
        active: Vec::new(),
        n_instructions: 0,
        writes,
    };
    let vars = inliner.fresh_vars(&body.vars);
    inliner.inline(body, &vars, 0, None, Return::Handler)?;
    Ok(drop_unreachable(inliner.out))
}

/// Variables a body assigns.
fn written(body: &Body) -> Vec<bool> {
    let mut written = vec![false; body.vars.len()];
    for block in &body.blocks {
        block.insts.iter().filter_map(|inst| inst.op.dst()).for_each(|v| written[v.index()] = true);
        block.term.dsts().into_iter().for_each(|v| written[v.index()] = true);
        if let Some(message) = block.catch.as_ref().and_then(|catch| catch.message) {
            written[message.index()] = true;
        }
    }
    written
}

struct Inliner<'a> {
    program: &'a Program,
    out: Body,
    active: Vec<FunctionId>,
    n_instructions: usize,
    writes: &'a mut Written,
}

#[derive(Clone, Copy)]
enum Return {
    Handler,
    Function { dst: Option<Var>, to: Block },
}

impl Inliner<'_> {
    fn fresh_vars(&mut self, vars: &[VarDecl]) -> Vec<Arg> {
        vars.iter().map(|decl| self.fresh(decl)).collect()
    }

    fn fresh(&mut self, decl: &VarDecl) -> Arg {
        self.out.vars.push(VarDecl { ty: decl.ty, name: None });
        let var = Var(self.out.vars.len() as u32 - 1);
        match decl.ty {
            Ty::Long => Arg::Long(Operand::Var(var)),
            Ty::Str { .. } => Arg::Str(StrOperand::Var(var)),
            Ty::Packed { .. } => Arg::Packed(var),
        }
    }

    fn reserve(&mut self) -> Block {
        self.out.blocks.push(BlockData { insts: Vec::new(), term: Term::Next, term_tag: SourceTag::NONE, catch: None });
        Block(self.out.blocks.len() as u32 - 1)
    }

    /// Copies `body` to the end of the graph; gives its first block.
    fn inline(
        &mut self,
        body: &Body,
        vars: &[Arg],
        iters: u32,
        outer: Option<&Catch>,
        ret: Return,
    ) -> Result<Block, GenerateError> {
        let base = self.out.blocks.len() as u32;
        body.blocks.iter().for_each(|_| {
            self.reserve();
        });
        for (i, data) in body.blocks.iter().enumerate() {
            let rename = Rename { vars, base, iters };
            let catch = match &data.catch {
                Some(catch) => {
                    Some(Catch { block: Block(base + catch.block.0), message: catch.message.map(|m| rename.var(m)) })
                }
                None => outer.cloned(),
            };
            let mut current = Block(base + i as u32);
            let mut insts = Vec::new();
            let mut ended = false;
            for inst in &data.insts {
                self.n_instructions += 1;
                if self.n_instructions > MAX_INSTRUCTIONS {
                    let reason = "too much code after inlining its functions; in a kernel handler recursion must stay \
                                  shallow and with one recursive call";
                    return Err(GenerateError { tag: inst.tag, reason: reason.to_owned() });
                }
                let mut op = inst.op.clone();
                rename.op(&mut op);
                let Op::Call { function, dst, args } = op else {
                    insts.push(Inst { op, tag: inst.tag });
                    continue;
                };
                let (entry, to) = match self.call(function, dst, &args, catch.as_ref(), &mut insts, inst.tag)? {
                    Some(blocks) => blocks,
                    None => {
                        let term = Term::Raise { message: StrOperand::Const(MAX_NESTING) };
                        self.close(current, std::mem::take(&mut insts), term, inst.tag, catch.clone());
                        ended = true;
                        break;
                    }
                };
                self.close(current, std::mem::take(&mut insts), Term::Jump(entry), inst.tag, catch.clone());
                current = to;
            }
            if ended {
                continue;
            }
            let mut term = data.term.clone();
            rename.term(&mut term);
            if let Term::Return(value) = term {
                term = match ret {
                    Return::Handler => Term::Next,
                    Return::Function { dst, to } => {
                        match (dst, value) {
                            (Some(dst), Some(Arg::Long(src))) => {
                                insts.push(Inst { op: Op::Copy { dst, src }, tag: data.term_tag });
                            }
                            (Some(dst), Some(Arg::Str(src))) => {
                                insts.push(Inst { op: Op::StrCopy { dst, src }, tag: data.term_tag });
                            }
                            (Some(dst), Some(Arg::Packed(src))) => {
                                insts.push(Inst { op: Op::PackCopy { dst, src: Some(src) }, tag: data.term_tag });
                            }
                            (Some(dst), None) => insts.push(Inst { op: self.clear(dst), tag: data.term_tag }),
                            (None, _) => {}
                        }
                        Term::Jump(to)
                    }
                };
            }
            self.close(current, insts, term, data.term_tag, catch);
        }
        Ok(Block(base))
    }

    fn close(&mut self, block: Block, insts: Vec<Inst>, term: Term, term_tag: SourceTag, catch: Option<Catch>) {
        self.out.blocks[block.index()] = BlockData { insts, term, term_tag, catch };
    }

    /// The instruction that makes a variable 0 or "".
    fn clear(&mut self, dst: Var) -> Op {
        match self.out.vars[dst.index()].ty {
            Ty::Long => Op::Copy { dst, src: Operand::Imm(0) },
            Ty::Str { .. } => Op::StrCopy { dst, src: StrOperand::Const(super::EMPTY) },
            Ty::Packed { .. } => Op::PackCopy { dst, src: None },
        }
    }

    /// Inlines a call: its first block and the block after it. `None` when it nests too deeply.
    fn call(
        &mut self,
        function: FunctionId,
        dst: Option<Var>,
        args: &[Arg],
        catch: Option<&Catch>,
        insts: &mut Vec<Inst>,
        tag: SourceTag,
    ) -> Result<Option<(Block, Block)>, GenerateError> {
        let callee = &self.program.functions[function.index()];
        let depth = self.active.iter().filter(|f| self.program.functions[f.index()].recursive).count();
        if callee.recursive && depth > self.program.limits.max_nesting as usize {
            return Ok(None);
        }
        let writes = self.writes.by(function, &callee.body);
        let mut vars = Vec::with_capacity(callee.body.vars.len());
        for (i, decl) in callee.body.vars.iter().enumerate() {
            match args.get(i).filter(|_| i < callee.n_params) {
                Some(arg) if !writes[i] && self.fits(arg, decl.ty) => vars.push(*arg),
                Some(arg) => {
                    let fresh = self.fresh(decl);
                    vars.push(fresh);
                    insts.push(Inst { op: copy(fresh, *arg), tag });
                }
                None => {
                    // Locals start at 0 in every call; liveness drops what is written first anyway.
                    let fresh = self.fresh(decl);
                    vars.push(fresh);
                    let var = var_of(fresh);
                    let op = self.clear(var);
                    insts.push(Inst { op, tag });
                }
            }
        }
        let to = self.reserve();
        let iters = self.out.n_iters;
        self.out.n_iters += callee.body.n_iters;
        self.out.has_loops |= callee.body.has_loops;
        self.active.push(function);
        let entry = self.inline(&callee.body, &vars, iters, catch, Return::Function { dst, to })?;
        self.active.pop();
        Ok(Some((entry, to)))
    }

    /// Whether an argument needs no cutting to stand in for a parameter.
    fn fits(&self, arg: &Arg, ty: Ty) -> bool {
        match (arg, ty) {
            (Arg::Long(_), _) => true,
            (Arg::Str(StrOperand::Var(v)), Ty::Str { cap }) => {
                matches!(self.out.vars[v.index()].ty, Ty::Str { cap: own } if own <= cap)
            }
            (Arg::Packed(v), Ty::Packed { cap }) => {
                matches!(self.out.vars[v.index()].ty, Ty::Packed { cap: own } if own <= cap)
            }
            (Arg::Str(StrOperand::Const(s)), Ty::Str { cap }) => {
                self.program.strings.get(s.index()).is_some_and(|s| s.len() < usize::from(cap))
            }
            _ => false,
        }
    }
}

fn var_of(arg: Arg) -> Var {
    match arg {
        Arg::Long(Operand::Var(v)) | Arg::Str(StrOperand::Var(v)) | Arg::Packed(v) => v,
        _ => Var(0),
    }
}

fn copy(dst: Arg, src: Arg) -> Op {
    match (dst, src) {
        (Arg::Str(StrOperand::Var(dst)), Arg::Str(src)) => Op::StrCopy { dst, src },
        (Arg::Packed(dst), Arg::Packed(src)) => Op::PackCopy { dst, src: Some(src) },
        (dst, Arg::Long(src)) => Op::Copy { dst: var_of(dst), src },
        (dst, _) => Op::Copy { dst: var_of(dst), src: Operand::Imm(0) },
    }
}

struct Rename<'a> {
    vars: &'a [Arg],
    base: u32,
    iters: u32,
}

impl Rename<'_> {
    /// A variable that is written, so never replaced by a constant.
    fn var(&self, v: Var) -> Var {
        var_of(self.vars[v.index()])
    }

    fn long(&self, o: &mut Operand) {
        if let Operand::Var(v) = *o
            && let Arg::Long(new) = self.vars[v.index()]
        {
            *o = new;
        }
    }

    fn str(&self, o: &mut StrOperand) {
        if let StrOperand::Var(v) = *o
            && let Arg::Str(new) = self.vars[v.index()]
        {
            *o = new;
        }
    }

    fn arg(&self, arg: &mut Arg) {
        match arg {
            Arg::Long(o) => self.long(o),
            Arg::Str(o) => self.str(o),
            Arg::Packed(v) => self.packed(v),
        }
    }

    fn packed(&self, v: &mut Var) {
        if let Arg::Packed(new) = self.vars[v.index()] {
            *v = new;
        }
    }

    fn args(&self, args: &mut [Arg]) {
        args.iter_mut().for_each(|arg| self.arg(arg));
    }

    fn op(&self, op: &mut Op) {
        match op {
            Op::Copy { dst, src } | Op::Unary { dst, a: src, .. } => {
                *dst = self.var(*dst);
                self.long(src);
            }
            Op::Binary { dst, a, b, .. } | Op::Compare { dst, a, b, .. } => {
                *dst = self.var(*dst);
                self.long(a);
                self.long(b);
            }
            Op::StrCopy { dst, src } => {
                *dst = self.var(*dst);
                self.str(src);
            }
            Op::Regex { dst, subject, .. } => {
                *dst = self.var(*dst);
                self.str(subject);
            }
            Op::StrConcat { dst, a, b } | Op::StrCompare { dst, a, b, .. } => {
                *dst = self.var(*dst);
                self.str(a);
                self.str(b);
            }
            Op::Intrinsic { dst, args, .. } | Op::Host { dst, args, .. } | Op::Call { dst, args, .. } => {
                dst.iter_mut().for_each(|d| *d = self.var(*d));
                self.args(args);
            }
            Op::Read { dst, addr, .. } => {
                *dst = self.var(*dst);
                self.long(addr);
            }
            Op::ReadStr { dst, addr, max, .. } => {
                *dst = self.var(*dst);
                self.long(addr);
                max.iter_mut().for_each(|m| self.long(m));
            }
            Op::Context { dst, .. } | Op::Site { dst, .. } => *dst = self.var(*dst),
            Op::Get { dst, keys, .. } | Op::Extract { dst, keys, .. } => {
                *dst = self.var(*dst);
                self.args(keys);
            }
            Op::Set { keys, value, .. } => {
                self.args(keys);
                self.arg(value);
            }
            Op::Add { keys, delta, result, .. } => {
                self.args(keys);
                self.long(delta);
                result.iter_mut().for_each(|(v, _)| *v = self.var(*v));
            }
            Op::Contains { dst, keys, .. } => {
                *dst = self.var(*dst);
                keys.iter_mut().flatten().for_each(|key| self.arg(key));
            }
            Op::Delete { keys, .. } => keys.iter_mut().flatten().for_each(|key| self.arg(key)),
            Op::Clear { .. } | Op::Exit | Op::Actions { .. } => {}
            Op::Accumulate { keys, value, .. } => {
                self.args(keys);
                self.long(value);
            }
            Op::Bucket { dst, keys, index, .. } => {
                *dst = self.var(*dst);
                self.args(keys);
                self.long(index);
            }
            Op::Print { inputs, .. } => self.args(inputs),
            Op::Sprint { dst, inputs, .. } | Op::Pack { dst, inputs, .. } => {
                *dst = self.var(*dst);
                self.args(inputs);
            }
            Op::PackCopy { dst, src } => {
                *dst = self.var(*dst);
                src.iter_mut().for_each(|src| self.packed(src));
            }
            Op::IterBegin { iter, source, limit, .. } => {
                iter.0 += self.iters;
                match source {
                    IterSource::Array { slice, .. } => slice.iter_mut().flatten().for_each(|key| self.arg(key)),
                    IterSource::Histogram { keys, .. } => self.args(keys),
                }
                limit.iter_mut().for_each(|l| self.long(l));
            }
            Op::IterEnd { iter } => iter.0 += self.iters,
        }
    }

    fn term(&self, term: &mut Term) {
        term.for_each_target_mut(|block| block.0 += self.base);
        match term {
            Term::Branch { cond, .. } => self.long(cond),
            Term::BranchCompare { a, b, .. } => {
                self.long(a);
                self.long(b);
            }
            Term::IterNext { iter, keys, value, .. } => {
                iter.0 += self.iters;
                keys.iter_mut().for_each(|v| *v = self.var(*v));
                value.iter_mut().for_each(|v| *v = self.var(*v));
            }
            Term::Return(Some(value)) => self.arg(value),
            Term::Raise { message } => self.str(message),
            Term::Jump(_) | Term::Return(None) | Term::Next | Term::Abort => {}
        }
    }
}

/// Keeps blocks that can run, in reverse postorder: a block comes before what follows it, loops excepted.
fn drop_unreachable(body: Body) -> Body {
    let n = body.blocks.len();
    let mut seen = vec![false; n];
    let mut postorder = Vec::with_capacity(n);
    let mut stack = vec![(Block(0), body.blocks[0].successors())];
    seen[0] = true;
    while let Some((block, successors)) = stack.last_mut() {
        match successors.pop() {
            Some(next) => {
                if !std::mem::replace(&mut seen[next.index()], true) {
                    let successors = body.blocks[next.index()].successors();
                    stack.push((next, successors));
                }
            }
            None => {
                postorder.push(*block);
                stack.pop();
            }
        }
    }
    postorder.reverse();
    let mut numbers = vec![Block(0); n];
    postorder.iter().enumerate().for_each(|(new, old)| numbers[old.index()] = Block(new as u32));
    let mut blocks: Vec<Option<BlockData>> = body.blocks.into_iter().map(Some).collect();
    let blocks = postorder
        .iter()
        .filter_map(|old| blocks[old.index()].take())
        .map(|mut data| {
            data.term.for_each_target_mut(|block| *block = numbers[block.index()]);
            data.catch.iter_mut().for_each(|catch| catch.block = numbers[catch.block.index()]);
            data
        })
        .collect();
    Body { blocks, ..body }
}
