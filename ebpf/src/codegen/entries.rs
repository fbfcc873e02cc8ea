//! Programs around handlers: which run is this, may it run, and scratch memory taken and given back.
//!
//! ```text
//!   state is not RUNNING ─▶ out
//!   for each distinct handler: is this syscall one of its sites? is its probe on? ─▶ its code
//! ```
//! An entry with many distinct handlers becomes a dispatcher that jumps by syscall number, and a program for each set of
//! handlers some numbers share. Where much code runs at one event, a program goes on in another.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::{
    GenerateError,
    alike::{self, Alike},
    emit::{Emitter, HandlerCx, Line},
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

/// More distinct handlers than this are joined where they are alike, or else reached by tail calls.
const MAX_INLINE_HANDLERS: usize = 8;
/// More IR instructions than this in one program, and it is divided too.
const MAX_INLINE_INSTRUCTIONS: usize = 3000;

/// A program with more instructions than this goes on in another, for its next handler: jumps reach 32,767 instructions, and
/// the verifier follows no way with more than 8,192 turns to come back to.
const PART_INSNS: usize = 6_000;
/// The kernel counts 33 jumps from program to program, the dispatcher's among them, and makes no more.
const MAX_PARTS: u32 = 31;

/// One handler at the places where it runs in this entry, or several that are alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// The first of them.
    pub handler: HandlerId,
    pub places: Vec<Place>,
    /// Of several, what they have in common.
    pub alike: Option<Rc<Alike>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Syscall number; elsewhere the cookie, or 0.
    pub nr: u32,
    pub handler: HandlerId,
    pub site: SiteId,
}

impl Group {
    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().map(|place| place.nr)
    }

    /// At these calls alone. What runs at one of them is no longer one of several.
    fn at(&self, numbers: &[u32]) -> Group {
        let places: Vec<Place> = self.places.iter().filter(|place| numbers.contains(&place.nr)).copied().collect();
        match places[..] {
            [Place { handler, .. }] => Group { handler, places, alike: None },
            _ => Group { handler: self.handler, places, alike: self.alike.clone() },
        }
    }
}

/// A handler ready to be emitted, made once however often it is used.
#[derive(Clone, Debug)]
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
        let mut groups = group(entry);
        if groups.is_empty() {
            return Ok(());
        }
        let is_syscall = entry.kind.is_syscall();
        let mut divide = is_syscall && self.is_much(entry, &groups)?;
        if divide {
            groups = alike::join(self.shared.program, groups);
            // Where all run at the same calls, one look tells others from these.
            let one_look = groups.windows(2).all(|pair| share_lines(&pair[0], &pair[1]));
            divide = !one_look || self.is_much(entry, &groups)?;
        }
        if divide && groups.len() > 1 {
            return self.dispatched(index, entry, &groups, section, kind);
        }
        let name = program_name(&name);
        self.program(&entry.kind, &groups, Head::Checked, name, section, kind, Some(index), None)
    }

    /// Whether it should not be all in one program.
    fn is_much(&mut self, entry: &Entry, groups: &[Group]) -> Result<bool, GenerateError> {
        if groups.len() > MAX_INLINE_HANDLERS {
            return Ok(true);
        }
        let mut n_instructions = 0;
        for group in groups {
            let body = self.prepare(group, task_arg(&entry.kind))?.body;
            n_instructions += body.blocks.iter().map(|b| b.insts.len() + 1).sum::<usize>();
        }
        Ok(n_instructions > MAX_INLINE_INSTRUCTIONS)
    }

    /// The flattened, cleaned body of a handler, or of several.
    fn prepare(&mut self, group: &Group, task_arg: Option<u8>) -> Result<Prepared, GenerateError> {
        let key = (group.handler, task_arg);
        let known = match &group.alike {
            Some(alike) => alike.prepared.get(),
            None => self.prepared.get(&key),
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let program = self.shared.program;
        let body = match &group.alike {
            Some(alike) => &alike.body,
            None => &program.handlers[group.handler.index()].body,
        };
        let mut body = flatten(program, body, &mut self.written)?;
        if let Some(arg) = task_arg {
            tell_of(&mut body, arg, &self.shared.target.offsets);
        }
        coalesce_copies(&mut body);
        let live = Rc::new(drop_dead(&mut body));
        let mut needs = Needs::of(program, &self.shared.layout, &body);
        needs.timed = self.shared.target.timing;
        let prepared = Prepared { body: Rc::new(body), needs: Rc::new(needs), live };
        match &group.alike {
            Some(alike) => _ = alike.prepared.set(prepared.clone()),
            None => _ = self.prepared.insert(key, prepared.clone()),
        }
        Ok(prepared)
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
            group.numbers().for_each(|nr| by_nr.entry(nr).or_default().push(i));
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
            let groups: Vec<Group> = chain.iter().map(|g| groups[*g].at(nrs)).collect();
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
        let frame = Frame::of(&body, &Needs::default(), &Liveness::of(&body), None, false);
        Emitter {
            asm,
            shared: &mut *self.shared,
            fp: R10,
            cx: HandlerCx {
                body,
                frame,
                filled: Vec::new(),
                handler: HandlerId(0),
                line: None,
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
            loops: Vec::new(),
            task_is_kept: false,
            may_have_stopped: false,
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
        e.go_on_in(targets);
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
            parts.push((group, self.prepare(group, task_arg(entry))?));
        }
        let together: Vec<_> = parts.chunk_by(|(a, _), (b, _)| share_lines(a, b)).collect();
        let (mut rest, mut head, mut index, mut tail) = (&together[..], head, index, tail);
        let mut last_part = None;
        while let Some((first, _)) = rest.first().map(|alike| &alike[0]) {
            let mut e = self.emitter(entry);
            e.at(e.shared.program.handlers[first.handler.index()].tag);
            let out = e.asm.label();
            e.prologue(out, head == Head::Checked);
            // The part before may have ended the session.
            e.may_have_stopped = rest.len() < together.len();
            // Where each of them runs, and no other event passes by.
            if !entry.is_syscall() || head != Head::Checked {
                let all = rest.iter().copied().flatten();
                e.keep_task_for(all.map(|(_, prepared)| (&*prepared.body, &*prepared.needs)));
            }
            let mut n_done = 0;
            while n_done < rest.len() && (n_done == 0 || e.asm.n_insns() < PART_INSNS) {
                e.runs(rest[n_done], head, out)?;
                n_done += 1;
            }
            rest = &rest[n_done..];
            let next = if rest.is_empty() { None } else { Some(e.next_part(&mut last_part)?) };
            e.asm.bind(out);
            e.asm.mov_imm(R0, 0);
            e.asm.exit();
            let callbacks = e.emit_callbacks()?.into_iter().map(|label| (label, "each", FunctionKind::Callback));
            let mut functions: Vec<_> = callbacks.collect();
            functions.extend(e.rare_functions());
            let asm = std::mem::take(&mut e.asm);
            self.finish(asm, functions, name.clone(), section.clone(), kind.clone(), index.take(), tail)?;
            tail = next;
            if head == Head::Checked {
                head = Head::TailCalled { one_number: false };
            }
        }
        Ok(())
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
            reason: "this handler is too large for one program".to_owned(),
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
        let place = Place { nr, handler: run.handler, site: run.site };
        let free = groups.iter_mut().find(|g| g.handler == run.handler && g.numbers().all(|other| other != nr));
        match free {
            Some(group) => group.places.push(place),
            None => groups.push(Group { handler: run.handler, places: vec![place], alike: None }),
        }
    }
    groups
}

/// Whether two that follow one another are for the same calls, so that one look finds what both have of their own.
fn share_lines(a: &Group, b: &Group) -> bool {
    a.alike.is_some() && b.alike.is_some() && a.numbers().eq(b.numbers())
}

impl Emitter<'_, '_> {
    /// Keeps the context, checks that the session runs, and finds the syscall number.
    fn prologue(&mut self, out: Label, check: bool) {
        self.asm.keep(CTX, R1);
        if check {
            self.unless_running(out);
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
                    self.asm.keep(TASK, R0);
                    self.task_is_kept = true;
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

    /// Goes on in the program at the index in r3.
    fn go_on_in(&mut self, programs: MapIndex) {
        self.asm.load(Size::DW, R1, R10, CTX);
        self.asm.map(R2, programs);
        self.asm.call(helpers::TAIL_CALL);
        // Only when there is no program at that index.
        self.count(counters::SKIPPED);
    }

    /// Goes on in another part, which will be at that place. `last`: where the one before is.
    fn next_part(&mut self, last: &mut Option<(MapIndex, u32)>) -> Result<(MapIndex, u32), GenerateError> {
        let (map, index) = match *last {
            Some((map, before)) => (map, before + 1),
            None => {
                let name = format!("parts_{}", self.shared.maps.len());
                (self.shared.internal(name, maps::PROG_ARRAY, 4, 4, MAX_PARTS, 0), 0)
            }
        };
        if index == MAX_PARTS {
            return Err(self.error("the handlers of this event are too large together"));
        }
        *last = Some((map, index));
        self.asm.mov_imm(R3, index.into());
        self.go_on_in(map);
        Ok((map, index))
    }

    /// To `out` unless the session runs.
    fn unless_running(&mut self, out: Label) {
        let control = self.shared.control();
        self.asm.map_value(R2, control, control::STATE);
        self.asm.load(Size::W, R2, R2, 0);
        self.asm.jump_if_imm(Cond::Ne, R2, control::RUNNING as i32, out);
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

    /// Handlers that share their lines, or one: is it their turn, their code, the end.
    fn runs(&mut self, parts: &[(&Group, Prepared)], head: Head, out: Label) -> Result<(), GenerateError> {
        let skip = self.asm.label();
        let first = parts[0].0;
        self.at(self.shared.program.handlers[first.handler.index()].tag);
        let is_syscall = self.cx.kind.is_syscall();
        let sure = matches!(head, Head::TailCalled { one_number: true });
        if first.alike.is_some() {
            self.find_line(parts, skip);
        } else if is_syscall && !sure {
            match first.places.as_slice() {
                [Place { nr, .. }] => {
                    self.asm.load(Size::DW, R2, R10, NR);
                    self.asm.jump_if_imm(Cond::Ne, R2, *nr as i32, skip);
                }
                _ => {
                    self.index_of(first, skip);
                    self.asm.store(Size::DW, R10, SITE, R1);
                }
            }
        }
        let task_is_kept = self.task_is_kept;
        if parts.len() > 1 {
            self.keep_task_for(parts.iter().map(|(_, prepared)| (&*prepared.body, &*prepared.needs)));
        }
        let mut section = alike::LINE_HEAD;
        for (group, prepared) in parts {
            let line = group.alike.clone().map(|alike| Line { alike, section });
            section += line.as_ref().map_or(0, |line| line.alike.section_bytes);
            self.run(group, line, prepared, out)?;
        }
        self.task_is_kept = task_is_kept;
        self.asm.bind(skip);
        Ok(())
    }

    /// r1 = the index of this call's place, or to `skip`.
    fn index_of(&mut self, group: &Group, skip: Label) {
        let table: Vec<(u32, u32)> = group.numbers().zip(0..).collect();
        self.number(skip, &table);
    }

    /// The site slot = this call's line, or to `skip`.
    fn find_line(&mut self, parts: &[(&Group, Prepared)], skip: Label) {
        let program = self.shared.program;
        let n = parts[0].0.places.len();
        let mut lines = Vec::new();
        for idx in 0..n {
            lines.extend((idx as u64).to_le_bytes());
            for (group, _) in parts {
                lines.extend(group.alike.iter().flat_map(|alike| alike.section(program, &group.places[idx])));
            }
        }
        let at = self.shared.constant(&lines);
        let rodata = self.shared.rodata();
        self.index_of(parts[0].0, skip);
        // The verifier is shown that it is one of them.
        self.asm.jump_if_imm(Cond::Ge, R1, n as i32, skip);
        self.asm.alu_imm(Alu::Mul, R1, (lines.len() / n) as i32);
        self.asm.map_value(R2, rodata, at);
        self.asm.alu(Alu::Add, R2, R1);
        self.asm.store(Size::DW, R10, SITE, R2);
    }

    /// One handler: is its probe on, its code, the end. To `out` where the session is over by now.
    fn run(&mut self, group: &Group, line: Option<Line>, prepared: &Prepared, out: Label) -> Result<(), GenerateError> {
        let Prepared { body, needs, live } = prepared;
        let repeats = body.has_loops || body.n_iters > 0 || needs.steps;
        let by_callbacks = repeats && self.shared.target.loops_by_callbacks();
        let frame = Frame::of(body, needs, live, line.as_ref(), by_callbacks);
        let skip = self.asm.label();
        let handler = &self.shared.program.handlers[group.handler.index()];
        self.at(handler.tag);
        if frame.scratch_size > 32_000 {
            return Err(GenerateError { tag: handler.tag, reason: "too many long strings in one handler".to_owned() });
        }
        let (uses_scratch, scratch_size) = (frame.scratch_size > 0, frame.scratch_size);
        let (end, failed) = (self.asm.label(), self.asm.label());
        self.cx = HandlerCx {
            body: body.clone(),
            frame,
            filled: needs.filled.clone(),
            handler: group.handler,
            line,
            kind: self.cx.kind.clone(),
            sites: group.places.iter().map(|place| place.site).collect(),
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
        // What callbacks do is written behind all handlers.
        if self.may_have_stopped || !self.callbacks.is_empty() {
            self.unless_running(out);
        }
        if self.shared.target.live_probes {
            self.if_on(handler.probe, skip);
            self.count_hit(handler.probe);
        }
        if needs.timed {
            self.asm.call(helpers::KTIME_GET_NS);
            self.asm.store(Size::DW, R10, BEGUN, R0);
        }
        if uses_scratch {
            self.claim_scratch(scratch_size, skip);
        }
        if by_callbacks && self.cx.kind.is_syscall() {
            // Callbacks read them, see [`super::rounds`].
            let has_number = self.cx.line.is_none() && self.cx.sites.len() > 1;
            self.control_word(R1, control::ZERO);
            self.forget_word(R10, NR);
            if has_number {
                self.forget_word(R10, SITE);
            }
        }
        self.handler(needs, live)?;
        self.asm.bind(end);
        if needs.timed {
            self.count_time(handler.probe);
        }
        if uses_scratch {
            self.asm.load(Size::DW, R1, R10, SCRATCH);
            self.asm.store_imm(Size::DW, R1, 0, 0);
        }
        self.asm.bind(skip);
        Ok(())
    }

    /// To `off` when the probe is switched off.
    fn if_on(&mut self, probe: u32, off: Label) {
        let control = self.shared.control();
        let layout = self.shared.layout.control;
        match self.cx.line {
            Some(_) => {
                self.probe_of_line(R1, off);
                self.asm.map_value(R2, control, layout.enabled(0));
                self.asm.alu(Alu::Add, R2, R1);
            }
            None => self.asm.map_value(R2, control, layout.enabled(probe)),
        }
        self.asm.load(Size::B, R2, R2, 0);
        self.asm.jump_if_imm(Cond::Eq, R2, 0, off);
    }

    fn count_hit(&mut self, probe: u32) {
        let layout = self.shared.layout.counters;
        if self.cx.line.is_none() {
            return self.count(layout.hits(probe));
        }
        let none = self.asm.label();
        self.counters_into_r0(none);
        self.probe_of_line(R1, none);
        self.asm.alu_imm(Alu::Lsh, R1, 3);
        self.asm.alu(Alu::Add, R0, R1);
        self.asm.mov_imm(R1, 1);
        self.asm.atomic(AtomicOp::Add, R0, layout.hits(0) as i16, R1);
        self.asm.bind(none);
    }

    /// The number of this call's probe; `none` is only for the verifier.
    fn probe_of_line(&mut self, into: Reg, none: Label) {
        self.of_line(Size::W, into, alike::PROBE);
        self.asm.jump_if_imm(Cond::Ge, into, self.shared.layout.control.n_probes as i32, none);
    }

    /// Loads what this call's line says of the handler.
    pub fn of_line(&mut self, size: Size, into: Reg, at: u32) {
        let section = self.cx.line.as_ref().map_or(0, |line| line.section);
        self.asm.load(Size::DW, into, self.fp, SITE);
        self.asm.load(size, into, into, (section + at) as i16);
    }

    /// The handler of this probe ran to its end.
    fn count_time(&mut self, probe: u32) {
        let times = self.shared.times();
        let (not_shorter, not_longer, done) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.call(helpers::KTIME_GET_NS);
        self.asm.load(Size::DW, R1, R10, BEGUN);
        self.asm.alu(Alu::Sub, R0, R1);
        self.asm.store(Size::DW, R10, TMP1, R0);
        match self.cx.line {
            Some(_) => {
                self.of_line(Size::W, R1, alike::PROBE);
                self.asm.store(Size::W, R10, TMP0, R1);
            }
            None => self.asm.store_imm(Size::W, R10, TMP0, probe as i32),
        }
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
