//! How a body is written: variables, blocks, instructions, and the `catch` in force.
//!
//! The builder has at most one open block. After a terminator nothing is open, and instructions emitted then (the dead
//! code behind a `return`) are dropped, so the writer of a statement never asks whether its predecessor returned.
//! [`BodyBuilder::finish`] drops blocks nothing jumps to, because the kernel refuses unreachable instructions.

use std::collections::HashMap;

use super::*;

/// Writes one [`Body`].
///
/// ```
/// use tapdeck_ebpf::ir::*;
/// let mut b = BodyBuilder::new();
/// let n = b.named_var(Ty::Long, "n");
/// let sum = b.binary(BinOp::Add, Operand::Var(n), Operand::Imm(1), SourceTag::NONE);
/// b.emit(Op::Copy { dst: n, src: sum }, SourceTag::NONE);
/// let body = b.finish(SourceTag::NONE);
/// assert_eq!(body.blocks.len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct BodyBuilder {
    vars: Vec<VarDecl>,
    blocks: Vec<Draft>,
    current: Option<Block>,
    catch: Option<Catch>,
    n_iters: u32,
}

/// A place in the writing of a body.
#[derive(Clone, Debug)]
pub struct Mark {
    n_vars: usize,
    n_blocks: usize,
    /// The open block, its instructions and what catches its errors.
    current: Option<(Block, usize, Option<Catch>)>,
    catch: Option<Catch>,
    n_iters: u32,
}

#[derive(Debug, Default)]
struct Draft {
    insts: Vec<Inst>,
    term: Option<(Term, SourceTag)>,
    catch: Option<Catch>,
}

impl BodyBuilder {
    /// Block 0 exists and is open.
    pub fn new() -> Self {
        Self { blocks: vec![Draft::default()], current: Some(Block(0)), ..Self::default() }
    }

    /// A temporary.
    pub fn new_var(&mut self, ty: Ty) -> Var {
        self.vars.push(VarDecl { ty, name: None });
        Var(self.vars.len() as u32 - 1)
    }

    /// A local or parameter of the script. A function's parameters must be the first variables made.
    pub fn named_var(&mut self, ty: Ty, name: &str) -> Var {
        self.vars.push(VarDecl { ty, name: Some(name.to_owned()) });
        Var(self.vars.len() as u32 - 1)
    }

    pub fn var_ty(&self, var: Var) -> Ty {
        self.vars[var.index()].ty
    }

    /// Widens (or narrows) a string variable made before its needs were known.
    pub fn set_var_ty(&mut self, var: Var, ty: Ty) {
        self.vars[var.index()].ty = ty;
    }

    pub fn new_iter(&mut self) -> Iter {
        self.n_iters += 1;
        Iter(self.n_iters - 1)
    }

    /// Where the writing is now, to come [back](Self::back_to) to.
    pub fn mark(&self) -> Mark {
        let current = self.current.map(|block| {
            let draft = &self.blocks[block.index()];
            (block, draft.insts.len(), draft.catch.clone())
        });
        Mark {
            n_vars: self.vars.len(),
            n_blocks: self.blocks.len(),
            current,
            catch: self.catch.clone(),
            n_iters: self.n_iters,
        }
    }

    /// Forgets what was written since. Blocks made before and filled since must not be: the one that was open then is
    /// open again.
    pub fn back_to(&mut self, mark: Mark) {
        self.vars.truncate(mark.n_vars);
        self.blocks.truncate(mark.n_blocks);
        self.current = mark.current.map(|(block, n_insts, catch)| {
            let draft = &mut self.blocks[block.index()];
            draft.insts.truncate(n_insts);
            draft.term = None;
            draft.catch = catch;
            block
        });
        self.catch = mark.catch;
        self.n_iters = mark.n_iters;
    }

    /// An empty block; [`switch_to`](Self::switch_to) it to fill it.
    pub fn new_block(&mut self) -> Block {
        self.blocks.push(Draft::default());
        Block(self.blocks.len() as u32 - 1)
    }

    /// Opens a block made earlier. If another is still open it falls through to this one. The block gets the `catch`
    /// in force now.
    pub fn switch_to(&mut self, block: Block) {
        self.terminate(Term::Jump(block), SourceTag::NONE);
        let draft = &mut self.blocks[block.index()];
        debug_assert!(draft.term.is_none(), "{block} is filled already");
        draft.catch = self.catch.clone();
        self.current = Some(block);
    }

    /// The open block, if any: `None` after a terminator.
    pub fn current(&self) -> Option<Block> {
        self.current
    }

    pub fn is_open(&self) -> bool {
        self.current.is_some()
    }

    /// Where errors raised from here on go; gives what was in force, to restore. What was emitted before keeps its own.
    pub fn set_catch(&mut self, catch: Option<Catch>) -> Option<Catch> {
        let before = std::mem::replace(&mut self.catch, catch);
        if let Some(current) = self.current
            && before != self.catch
        {
            if self.blocks[current.index()].insts.is_empty() {
                self.blocks[current.index()].catch = self.catch.clone();
            } else {
                let next = self.new_block();
                self.switch_to(next);
            }
        }
        before
    }

    pub fn catch(&self) -> Option<&Catch> {
        self.catch.as_ref()
    }

    pub fn emit(&mut self, op: Op, tag: SourceTag) {
        if let Some(current) = self.current {
            self.blocks[current.index()].insts.push(Inst { op, tag });
        }
    }

    /// Ends the open block.
    pub fn terminate(&mut self, term: Term, tag: SourceTag) {
        if let Some(current) = self.current.take() {
            self.blocks[current.index()].term = Some((term, tag));
        }
    }

    pub fn jump(&mut self, to: Block, tag: SourceTag) {
        self.terminate(Term::Jump(to), tag);
    }

    pub fn branch(&mut self, cond: Operand, then: Block, otherwise: Block, tag: SourceTag) {
        self.terminate(Term::Branch { cond, then, otherwise }, tag);
    }

    pub fn binary(&mut self, op: BinOp, a: Operand, b: Operand, tag: SourceTag) -> Operand {
        let dst = self.new_var(Ty::Long);
        self.emit(Op::Binary { op, dst, a, b }, tag);
        Operand::Var(dst)
    }

    pub fn compare(&mut self, op: CmpOp, a: Operand, b: Operand, tag: SourceTag) -> Operand {
        let dst = self.new_var(Ty::Long);
        self.emit(Op::Compare { op, dst, a, b }, tag);
        Operand::Var(dst)
    }

    pub fn unary(&mut self, op: UnOp, a: Operand, tag: SourceTag) -> Operand {
        let dst = self.new_var(Ty::Long);
        self.emit(Op::Unary { op, dst, a }, tag);
        Operand::Var(dst)
    }

    /// The finished body. A block left open, or referenced and never filled, returns. `has_loops` says whether the
    /// graph has a cycle; who calls recursive functions sets it on the result.
    pub fn finish(mut self, tag: SourceTag) -> Body {
        self.terminate(Term::Return(None), tag);
        let mut blocks: Vec<BlockData> = self
            .blocks
            .into_iter()
            .map(|draft| {
                let (term, term_tag) = draft.term.unwrap_or((Term::Return(None), tag));
                BlockData { insts: draft.insts, term, term_tag, catch: draft.catch }
            })
            .collect();
        // An empty or harmless `try` cannot raise; without its `catch` the handler block may become unreachable.
        for block in &mut blocks {
            if !block.may_raise() {
                block.catch = None;
            }
        }
        let order = reachable(&blocks);
        let mut renumbered = vec![None; blocks.len()];
        for (new, old) in order.iter().enumerate() {
            renumbered[old.index()] = Some(Block(new as u32));
        }
        let mut taken: Vec<Option<BlockData>> = blocks.into_iter().map(Some).collect();
        let blocks: Vec<BlockData> = order
            .iter()
            .map(|old| {
                let mut data = taken[old.index()].take().expect("each block is listed once");
                let rename = |block: &mut Block| *block = renumbered[block.index()].expect("targets are reachable");
                data.term.for_each_target_mut(rename);
                if let Some(catch) = &mut data.catch {
                    rename(&mut catch.block);
                }
                data
            })
            .collect();
        let has_loops = has_cycle(&blocks);
        Body { vars: self.vars, blocks, n_iters: self.n_iters, has_loops }
    }
}

/// Blocks that can run, in order of their numbers.
pub(super) fn reachable(blocks: &[BlockData]) -> Vec<Block> {
    let mut seen = vec![false; blocks.len()];
    let mut work = vec![Block(0)];
    seen[0] = true;
    while let Some(block) = work.pop() {
        for next in blocks[block.index()].successors() {
            if !std::mem::replace(&mut seen[next.index()], true) {
                work.push(next);
            }
        }
    }
    (0..blocks.len() as u32).map(Block).filter(|block| seen[block.index()]).collect()
}

/// Whether some block can come back to itself, `catch` edges included.
pub(super) fn has_cycle(blocks: &[BlockData]) -> bool {
    // 0 not seen, 1 on the path, 2 done. An explicit stack: scripts may nest deeply.
    let mut state = vec![0u8; blocks.len()];
    let mut stack = vec![(Block(0), blocks[0].successors(), 0usize)];
    state[0] = 1;
    while let Some((block, successors, at)) = stack.last_mut() {
        match successors.get(*at).copied() {
            None => {
                state[block.index()] = 2;
                stack.pop();
            }
            Some(next) => {
                *at += 1;
                match state[next.index()] {
                    0 => {
                        state[next.index()] = 1;
                        stack.push((next, blocks[next.index()].successors(), 0));
                    }
                    1 => return true,
                    _ => (),
                }
            }
        }
    }
    false
}

/// Literals of a program, each once.
#[derive(Debug, Default)]
pub struct StringPool {
    strings: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, StrId>,
}

impl StringPool {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn intern(&mut self, text: &[u8]) -> StrId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = StrId(self.strings.len() as u32);
        self.strings.push(text.to_vec());
        self.ids.insert(text.to_vec(), id);
        id
    }

    pub fn get(&self, id: StrId) -> &[u8] {
        &self.strings[id.index()]
    }

    /// For [`Program::strings`].
    pub fn finish(self) -> Vec<Vec<u8>> {
        self.strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: SourceTag = SourceTag::NONE;

    #[test]
    fn drops_dead_code_and_renumbers() {
        let mut b = BodyBuilder::new();
        let (dead, end) = (b.new_block(), b.new_block());
        b.jump(end, NO);
        b.emit(Op::Exit, NO);
        b.switch_to(dead);
        b.emit(Op::Exit, NO);
        b.switch_to(end);
        let body = b.finish(NO);
        assert_eq!(body.blocks.len(), 2);
        assert_eq!(body.blocks[0].term, Term::Jump(Block(1)));
        assert!(!body.has_loops);
    }

    #[test]
    fn what_was_written_since_a_mark_is_forgotten() {
        let write = |b: &mut BodyBuilder| {
            let v = b.new_var(Ty::Long);
            b.emit(Op::Copy { dst: v, src: Operand::Imm(1) }, NO);
            b.set_catch(Some(Catch { block: Block(0), message: None }));
            let next = b.new_block();
            b.jump(next, NO);
            b.switch_to(next);
            b.emit(Op::Exit, NO);
        };
        let mut b = BodyBuilder::new();
        b.emit(Op::Exit, NO);
        let mark = b.mark();
        write(&mut b);
        b.back_to(mark);
        b.emit(Op::Exit, NO);
        let body = b.finish(NO);
        assert_eq!((body.blocks.len(), body.blocks[0].insts.len(), body.vars.len()), (1, 2, 0));
        assert_eq!(body.blocks[0].catch, None);
    }

    #[test]
    fn sees_loops() {
        let mut b = BodyBuilder::new();
        let (head, done) = (b.new_block(), b.new_block());
        b.switch_to(head);
        b.branch(Operand::Imm(1), head, done, NO);
        b.switch_to(done);
        assert!(b.finish(NO).has_loops);
    }

    #[test]
    fn a_catch_holds_for_what_can_raise() {
        let mut b = BodyBuilder::new();
        let (handler, end) = (b.new_block(), b.new_block());
        let v = b.new_var(Ty::Long);
        b.emit(Op::Copy { dst: v, src: Operand::Imm(1) }, NO);
        let outer = b.set_catch(Some(Catch { block: handler, message: None }));
        b.emit(Op::Binary { op: BinOp::Div, dst: v, a: Operand::Imm(1), b: Operand::Var(v) }, NO);
        b.set_catch(outer);
        b.jump(end, NO);
        b.switch_to(handler);
        b.switch_to(end);
        let body = b.finish(NO);
        assert_eq!(body.blocks[0].catch, None);
        assert!(body.blocks.iter().any(|block| block.catch.is_some()));
        assert_eq!(body.blocks.len(), 5);
    }
}
