//! Programs around handlers: which run is this, may it run, and scratch memory taken and given back.
//!
//! ```text
//!   state is not RUNNING ─▶ out
//!   for each distinct handler: is this syscall one of its sites? is its probe on? ─▶ its code
//! ```
//! An entry with many distinct handlers becomes a dispatcher that jumps by syscall number, and a program for each set of
//! handlers some numbers share.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::{
    GenerateError,
    emit::{Emitter, HandlerCx},
    flatten::{Written, flatten},
    frame::*,
    liveness::{Liveness, coalesce_copies, drop_dead},
    maps::{self, Shared},
    needs::Needs,
    other_task::tell_of,
};
use crate::{
    ir::*,
    isa::*,
    layout::{control, counters, times},
    object::{Function, MapIndex, ProgramDef, ProgramKind, btf::FunctionKind},
};

/// More distinct handlers than this are reached by tail calls.
const MAX_INLINE_HANDLERS: usize = 8;
/// More IR instructions than this in one program, and it is divided too.
const MAX_INLINE_INSTRUCTIONS: usize = 3000;

/// One handler at the sites where it runs in this entry.
#[derive(Clone)]
struct Group {
    handler: HandlerId,
    /// Syscall number (elsewhere the cookie, or 0) and site.
    sites: Vec<(u32, SiteId)>,
}

/// A handler ready to be emitted, made once however often it is used.
#[derive(Clone)]
pub struct Prepared {
    body: Rc<Body>,
    needs: Rc<Needs>,
    live: Rc<Liveness>,
}

pub struct Programs<'s, 'a> {
    pub shared: &'s mut Shared<'a>,
    /// By handler and the argument that is its current task.
    pub prepared: HashMap<(HandlerId, Option<u8>), Prepared>,
    pub written: Written,
    pub programs: Vec<ProgramDef>,
    /// For the type information: name and kind of every function, in the order of [`ProgramDef::functions`].
    pub functions: Vec<(String, FunctionKind)>,
}

impl<'a> Programs<'_, 'a> {
    pub fn entry(&mut self, index: usize, entry: &Entry) -> Result<(), GenerateError> {
        let (section, kind, name) = match &entry.kind {
            EntryKind::SysEnter => raw_tracepoint("sys_enter"),
            EntryKind::SysExit => raw_tracepoint("sys_exit"),
            EntryKind::RawTracepoint { name, .. } => raw_tracepoint(name),
            EntryKind::PerfEvent { name } => ("perf_event".to_owned(), ProgramKind::PerfEvent, name.clone()),
            EntryKind::Fentry { function, module, btf_id, exit, .. } => {
                let word = if *exit { "fexit" } else { "fentry" };
                let (function, module, btf_id, exit) = (function.clone(), module.clone(), *btf_id, *exit);
                (
                    format!("{word}/{function}"),
                    ProgramKind::Fentry { function: function.clone(), module, btf_id, exit },
                    function,
                )
            }
            EntryKind::Kprobe { multi, exit, .. } => {
                let word = if *exit { "kretprobe" } else { "kprobe" };
                let section = if *multi { format!("{word}.multi") } else { word.to_owned() };
                let name = entry.runs.first().map_or("", |run| &self.shared.program.handlers[run.handler.index()].name);
                (section, ProgramKind::Kprobe { multi: *multi, exit: *exit }, name.to_owned())
            }
            EntryKind::User => return Ok(()),
        };
        let groups = group(entry);
        if groups.is_empty() {
            return Ok(());
        }
        let mut n_instructions = 0;
        for group in &groups {
            n_instructions += self
                .prepare(group.handler, task_arg(&entry.kind))?
                .body
                .blocks
                .iter()
                .map(|b| b.insts.len() + 1)
                .sum::<usize>();
        }
        let is_syscall = matches!(entry.kind, EntryKind::SysEnter | EntryKind::SysExit);
        let divide = groups.len() > MAX_INLINE_HANDLERS || n_instructions > MAX_INLINE_INSTRUCTIONS;
        if is_syscall && divide && groups.len() > 1 {
            return self.dispatched(index, entry, &groups, section, kind);
        }
        let name = program_name(&name);
        self.program(&entry.kind, &groups, Head::Checked, name, section, kind, Some(index), None)
    }

    /// The flattened, cleaned body of a handler.
    fn prepare(&mut self, handler: HandlerId, task_arg: Option<u8>) -> Result<&Prepared, GenerateError> {
        let key = (handler, task_arg);
        if !self.prepared.contains_key(&key) {
            let data = &self.shared.program.handlers[handler.index()];
            let mut body = flatten(self.shared.program, &data.body, &mut self.written)?;
            if let Some(arg) = task_arg {
                tell_of(&mut body, arg, &self.shared.target.offsets);
            }
            coalesce_copies(&mut body);
            let live = Rc::new(drop_dead(&mut body));
            let mut needs = Needs::of(self.shared.program, &self.shared.layout, &body);
            needs.timed = self.shared.target.timing;
            self.prepared.insert(key, Prepared { body: Rc::new(body), needs: Rc::new(needs), live });
        }
        Ok(&self.prepared[&key])
    }

    /// A dispatcher and the programs it jumps to.
    fn dispatched(
        &mut self,
        index: usize,
        entry: &Entry,
        groups: &[Group],
        section: String,
        kind: ProgramKind,
    ) -> Result<(), GenerateError> {
        // Syscall number to the groups that run there.
        let mut by_nr: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, group) in groups.iter().enumerate() {
            group.sites.iter().for_each(|(nr, _)| by_nr.entry(*nr).or_default().push(i));
        }
        let mut chains: Vec<(Vec<usize>, Vec<u32>)> = Vec::new();
        let mut chain_of: HashMap<Vec<usize>, usize> = HashMap::new();
        for (nr, chain) in by_nr {
            let at = *chain_of.entry(chain.clone()).or_insert_with(|| {
                chains.push((chain, Vec::new()));
                chains.len() - 1
            });
            chains[at].1.push(nr);
        }
        let label = if entry.kind == EntryKind::SysEnter { "enter" } else { "exit" };
        let n = chains.len() as u32;
        let targets = self.shared.internal(format!("{label}_tails"), maps::PROG_ARRAY, 4, 4, n, 0);
        let numbers: Vec<(u32, usize)> =
            chains.iter().enumerate().flat_map(|(i, (_, nrs))| nrs.iter().map(move |nr| (*nr, i))).collect();
        self.dispatcher(entry, &numbers, targets, index, section.clone(), kind.clone())?;
        for (i, (chain, nrs)) in chains.iter().enumerate() {
            let groups: Vec<Group> = chain
                .iter()
                .map(|g| {
                    let sites = groups[*g].sites.iter().filter(|(nr, _)| nrs.contains(nr)).copied().collect();
                    Group { handler: groups[*g].handler, sites }
                })
                .collect();
            let name = &self.shared.program.handlers[groups[0].handler.index()].name;
            let name = program_name(name);
            let head = Head::TailCalled { one_number: nrs.len() == 1 };
            let tail = Some((targets, i as u32));
            self.program(&entry.kind, &groups, head, name, section.clone(), kind.clone(), None, tail)?;
        }
        Ok(())
    }

    fn emitter(&mut self, kind: &EntryKind) -> Emitter<'_, 'a> {
        let mut asm = Asm::default();
        let (end, failed) = (asm.label(), asm.label());
        let body = Rc::new(Body::default());
        let frame = Frame::of(&body, &Needs::default(), &Liveness::of(&body));
        Emitter {
            asm,
            shared: &mut *self.shared,
            cx: HandlerCx {
                body,
                frame,
                filled: Vec::new(),
                handler: HandlerId(0),
                kind: kind.clone(),
                sites: Vec::new(),
                blocks: Vec::new(),
                end,
                failed,
                catch: None,
                task: Default::default(),
                pointers: Default::default(),
                tag: SourceTag::NONE,
                stubs: Vec::new(),
                iters: Vec::new(),
            },
            callbacks: Vec::new(),
            rare: Vec::new(),
        }
    }

    fn dispatcher(
        &mut self,
        entry: &Entry,
        numbers: &[(u32, usize)],
        targets: MapIndex,
        index: usize,
        section: String,
        kind: ProgramKind,
    ) -> Result<(), GenerateError> {
        let tag = self.shared.program.handlers[entry.runs[0].handler.index()].tag;
        let mut e = self.emitter(&entry.kind);
        e.at(tag);
        let out = e.asm.label();
        e.prologue(out, true);
        e.number(out, &numbers.iter().map(|(nr, chain)| (*nr, *chain as u32)).collect::<Vec<_>>());
        e.asm.mov(R3, R1);
        e.asm.load(Size::DW, R1, R10, CTX);
        e.asm.map(R2, targets);
        e.asm.call(helpers::TAIL_CALL);
        // Only when there is no program at that index.
        e.count(counters::SKIPPED);
        e.asm.bind(out);
        e.asm.mov_imm(R0, 0);
        e.asm.exit();
        let label = if entry.kind == EntryKind::SysEnter { "sys_enter" } else { "sys_exit" };
        let functions = e.rare_functions();
        let asm = std::mem::take(&mut e.asm);
        self.finish(asm, functions, label.to_owned(), section, kind, Some(index), None)
    }

    #[expect(clippy::too_many_arguments)]
    fn program(
        &mut self,
        entry: &EntryKind,
        groups: &[Group],
        head: Head,
        name: String,
        section: String,
        kind: ProgramKind,
        index: Option<usize>,
        tail: Option<(MapIndex, u32)>,
    ) -> Result<(), GenerateError> {
        let mut parts = Vec::new();
        for group in groups {
            parts.push((group, self.prepare(group.handler, task_arg(entry))?.clone()));
        }
        let first_tag = self.shared.program.handlers[groups[0].handler.index()].tag;
        let mut e = self.emitter(entry);
        e.at(first_tag);
        let out = e.asm.label();
        e.prologue(out, head == Head::Checked);
        for (group, prepared) in parts {
            e.run(group, head, &prepared)?;
        }
        e.asm.bind(out);
        e.asm.mov_imm(R0, 0);
        e.asm.exit();
        let callbacks = e.emit_callbacks().into_iter().map(|label| (label, "each", FunctionKind::Callback));
        let mut functions: Vec<_> = callbacks.collect();
        functions.extend(e.rare_functions());
        let asm = std::mem::take(&mut e.asm);
        self.finish(asm, functions, name, section, kind, index, tail)
    }

    #[expect(clippy::too_many_arguments)]
    fn finish(
        &mut self,
        asm: Asm,
        subprograms: Vec<(Label, &str, FunctionKind)>,
        name: String,
        section: String,
        kind: ProgramKind,
        entry: Option<usize>,
        tail: Option<(MapIndex, u32)>,
    ) -> Result<(), GenerateError> {
        let starts: Vec<Label> = subprograms.iter().map(|(label, ..)| *label).collect();
        let code = asm.finish(&starts).map_err(|far| GenerateError {
            tag: far.near,
            reason: "the handlers of this event are too large for one program".to_owned(),
        })?;
        let mut functions = Vec::new();
        let mut declare = |insn: u32, name: String, kind: FunctionKind| {
            self.functions.push((name.clone(), kind));
            let ty = crate::object::btf::function_id(self.functions.len() - 1);
            functions.push(Function { insn, ty, name, is_static: kind == FunctionKind::Callback });
        };
        declare(0, name.clone(), FunctionKind::Program);
        for ((_, what, kind), at) in subprograms.into_iter().zip(code.functions) {
            if let Some(at) = at {
                declare(at, format!("{name}_{what}"), kind);
            }
        }
        self.programs.push(ProgramDef {
            name,
            section,
            kind,
            entry,
            tail,
            code: code.bytes,
            relocations: code.relocations,
            functions,
            lines: code.lines,
        });
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Attached: checks the session's state.
    Checked,
    /// The dispatcher checked already. `one_number`: only one syscall leads here.
    TailCalled { one_number: bool },
}

fn task_arg(kind: &EntryKind) -> Option<u8> {
    match kind {
        EntryKind::RawTracepoint { task_arg, .. } => *task_arg,
        _ => None,
    }
}

fn raw_tracepoint(name: &str) -> (String, ProgramKind, String) {
    (format!("raw_tp/{name}"), ProgramKind::RawTracepoint { name: name.to_owned() }, name.to_owned())
}

/// At most 15 bytes of letters, digits and `_`, the first no digit, as the kernel wants.
fn program_name(text: &str) -> String {
    let name: String = text
        .chars()
        .filter(|c| !matches!(c, '"' | ')'))
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let tail = name.len().saturating_sub(15);
    let name = name[tail..].trim_start_matches(|c: char| c == '_' || c.is_ascii_digit()).to_owned();
    if name.is_empty() { "handler".to_owned() } else { name }
}

/// Distinct handlers in order of first appearance. A handler with two sites at one number appears twice.
fn group(entry: &Entry) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let by_cookie = matches!(entry.kind, EntryKind::Kprobe { .. });
    for (idx, run) in entry.runs.iter().enumerate() {
        let nr = if by_cookie { idx as u32 } else { run.syscall.unwrap_or(0) };
        let free =
            groups.iter_mut().find(|g| g.handler == run.handler && !g.sites.iter().any(|(other, _)| *other == nr));
        match free {
            Some(group) => group.sites.push((nr, run.site)),
            None => groups.push(Group { handler: run.handler, sites: vec![(nr, run.site)] }),
        }
    }
    groups
}

impl Emitter<'_, '_> {
    /// Keeps the context, checks that the session runs, and finds the syscall number.
    fn prologue(&mut self, out: Label, check: bool) {
        self.asm.keep(CTX, R1);
        if check {
            let control = self.shared.control();
            self.asm.map_value(R2, control, control::STATE);
            self.asm.load(Size::W, R2, R2, 0);
            self.asm.jump_if_imm(Cond::Ne, R2, control::RUNNING as i32, out);
        }
        match self.cx.kind {
            EntryKind::SysEnter => {
                self.asm.load(Size::DW, R0, R1, 8);
                self.asm.store(Size::DW, R10, NR, R0);
            }
            EntryKind::SysExit => {
                let nr = self.shared.target.offsets.regs_syscall_nr as i16;
                if self.shared.target.user_registers_are_known() {
                    self.current_task();
                    if check {
                        self.unless_compat(out);
                    }
                    self.user_registers();
                    self.asm.load(Size::DW, R0, R0, nr);
                } else {
                    self.asm.load(Size::DW, R3, R1, 0);
                    self.asm.add_imm(R3, nr.into());
                    self.asm.mov(R1, R10);
                    self.asm.add_imm(R1, NR.into());
                    self.asm.mov_imm(R2, 8);
                    self.asm.call(helpers::PROBE_READ_KERNEL);
                    self.asm.load(Size::DW, R0, R10, NR);
                }
                self.asm.store(Size::DW, R10, NR, R0);
            }
            _ => {}
        }
    }

    /// r1 = what the table gives for this syscall, or to `out`.
    fn number(&mut self, out: Label, table: &[(u32, u32)]) {
        let n = table.iter().map(|(nr, _)| nr + 1).max().unwrap_or(0);
        let mut bytes = vec![0u8; 2 * n as usize];
        for (nr, value) in table {
            bytes[2 * *nr as usize..][..2].copy_from_slice(&(*value as u16 + 1).to_le_bytes());
        }
        let at = self.shared.constant(&bytes);
        let rodata = self.shared.rodata();
        self.asm.load(Size::DW, R2, R10, NR);
        self.asm.jump_if_imm(Cond::Ge, R2, n as i32, out);
        self.asm.alu_imm(Alu::Lsh, R2, 1);
        self.asm.map_value(R1, rodata, at);
        self.asm.alu(Alu::Add, R1, R2);
        self.asm.load(Size::H, R1, R1, 0);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, out);
        self.asm.add_imm(R1, -1);
    }

    /// One handler: is it this one's turn, its code, the end.
    fn run(&mut self, group: &Group, head: Head, prepared: &Prepared) -> Result<(), GenerateError> {
        let Prepared { body, needs, live } = prepared;
        let frame = Frame::of(body, needs, live);
        let skip = self.asm.label();
        let is_syscall = matches!(self.cx.kind, EntryKind::SysEnter | EntryKind::SysExit);
        let handler = &self.shared.program.handlers[group.handler.index()];
        self.at(handler.tag);
        let sure = matches!(head, Head::TailCalled { one_number: true });
        match group.sites.as_slice() {
            _ if !is_syscall || sure => {}
            [(nr, _)] => {
                self.asm.load(Size::DW, R2, R10, NR);
                self.asm.jump_if_imm(Cond::Ne, R2, *nr as i32, skip);
            }
            sites => {
                let table: Vec<(u32, u32)> = sites.iter().enumerate().map(|(i, (nr, _))| (*nr, i as u32)).collect();
                self.number(skip, &table);
                self.asm.store(Size::DW, R10, SITE, R1);
            }
        }
        let probe = handler.probe;
        if self.shared.target.live_probes {
            let control = self.shared.control();
            let switch = self.shared.layout.control.enabled(probe);
            self.asm.map_value(R2, control, switch);
            self.asm.load(Size::B, R2, R2, 0);
            self.asm.jump_if_imm(Cond::Eq, R2, 0, skip);
            let hits = self.shared.layout.counters.hits(probe);
            self.count(hits);
        }
        if needs.timed {
            self.asm.call(helpers::KTIME_GET_NS);
            self.asm.store(Size::DW, R10, BEGUN, R0);
        }
        let uses_scratch = frame.scratch_size > 0;
        if frame.scratch_size > 32_000 {
            return Err(GenerateError { tag: handler.tag, reason: "too many long strings in one handler".to_owned() });
        }
        if uses_scratch {
            self.claim_scratch(frame.scratch_size, skip);
        }
        let (end, failed) = (self.asm.label(), self.asm.label());
        self.cx = HandlerCx {
            body: body.clone(),
            frame,
            filled: needs.filled.clone(),
            handler: group.handler,
            kind: self.cx.kind.clone(),
            sites: group.sites.iter().map(|(_, site)| *site).collect(),
            blocks: Vec::new(),
            end,
            failed,
            catch: None,
            task: Default::default(),
            pointers: Default::default(),
            tag: handler.tag,
            stubs: Vec::new(),
            iters: Vec::new(),
        };
        self.handler(needs, live)?;
        self.asm.bind(end);
        if needs.timed {
            self.count_time(probe);
        }
        if uses_scratch {
            self.asm.load(Size::DW, R1, R10, SCRATCH);
            self.asm.store_imm(Size::DW, R1, 0, 0);
        }
        self.asm.bind(skip);
        Ok(())
    }

    /// The handler of this probe ran to its end.
    fn count_time(&mut self, probe: u32) {
        let times = self.shared.times();
        let (not_shorter, not_longer, done) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.call(helpers::KTIME_GET_NS);
        self.asm.load(Size::DW, R1, R10, BEGUN);
        self.asm.alu(Alu::Sub, R0, R1);
        self.asm.store(Size::DW, R10, TMP1, R0);
        self.asm.store_imm(Size::W, R10, TMP0, probe as i32);
        self.asm.mov(R2, R10);
        self.asm.add_imm(R2, TMP0.into());
        self.asm.map(R1, times);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, done);
        self.asm.load(Size::DW, R1, R10, TMP1);
        self.asm.mov_imm(R2, 1);
        self.asm.atomic(AtomicOp::Add, R0, times::RUNS as i16, R2);
        self.asm.atomic(AtomicOp::Add, R0, times::SUM as i16, R1);
        self.asm.mov(R2, R1);
        self.asm.alu_imm(Alu::Xor, R2, -1);
        self.asm.load(Size::DW, R3, R0, times::NOT_MIN as i16);
        self.asm.jump_if(Cond::Ge, R3, R2, not_shorter);
        self.asm.store(Size::DW, R0, times::NOT_MIN as i16, R2);
        self.asm.bind(not_shorter);
        self.asm.load(Size::DW, R3, R0, times::MAX as i16);
        self.asm.jump_if(Cond::Ge, R3, R1, not_longer);
        self.asm.store(Size::DW, R0, times::MAX as i16, R1);
        self.asm.bind(not_longer);
        self.asm.mov(R2, R1);
        self.asm.alu(Alu::Mul, R2, R1);
        self.asm.atomic(AtomicOp::Add, R0, times::SQUARES as i16, R2);
        self.asm.bind(done);
    }

    /// The first free level of this processor's scratch memory; nested deeper, the run is counted and skipped. Taken by an
    /// exchange, so programs may interrupt each other anywhere.
    fn claim_scratch(&mut self, size: u32, skip: Label) {
        let scratch = self.shared.scratch(size);
        let taken = self.asm.label();
        for level in 0..maps::SCRATCH_LEVELS {
            let busy = self.asm.label();
            self.asm.store_imm(Size::W, R10, TMP0, level as i32);
            self.asm.mov(R2, R10);
            self.asm.add_imm(R2, TMP0.into());
            self.asm.map(R1, scratch);
            self.asm.call(helpers::MAP_LOOKUP_ELEM);
            self.asm.jump_if_imm(Cond::Eq, R0, 0, busy);
            self.asm.mov_imm(R1, 1);
            self.asm.atomic(AtomicOp::Xchg, R0, 0, R1);
            self.asm.jump_if_imm(Cond::Ne, R1, 0, busy);
            self.asm.store_imm(Size::DW, R0, super::iterate::LEVEL, level as i32);
            self.asm.jump(taken);
            self.asm.bind(busy);
        }
        self.count_rarely(counters::SKIPPED);
        self.asm.jump(skip);
        self.asm.bind(taken);
        self.asm.store(Size::DW, R10, SCRATCH, R0);
    }
}

#[cfg(test)]
mod tests {
    use super::program_name;

    #[test]
    fn names_of_programs_are_what_the_kernel_takes() {
        assert_eq!(program_name("kernel.function(\"vfs_read\")"), "nction_vfs_read");
        assert_eq!(program_name("tcp_ipv4.c:1740.return"), "c_1740_return");
        assert_eq!(program_name("123"), "handler");
    }
}
