//! What a handler was entered with: tracepoint arguments, the current task, memory, texts of the site.

use super::{
    CurrentTask, DirectReads, GenerateError, Known, Target, TaskByStack, emit::*, errors::StubKind, frame::*,
    needs::Needs, pointers, rare::Rare,
};
use crate::{ir::*, isa::*, layout::control};

/// `TASK_COMM_LEN` of linux/sched.h.
const COMM_BYTES: u32 = 16;

/// `BPF_F_USER_STACK`.
const USER_STACK: i64 = 1 << 8;

/// The pointer to the current task: asking for it may be a call of 15 to 20 ns, so one run asks once.
#[derive(Clone, Debug, Default)]
pub struct TaskCx {
    /// Instructions that want it.
    n_uses: usize,
    /// By block: whether every way there has kept it in its slot.
    at_start: Vec<bool>,
    /// At the current instruction.
    is_kept: bool,
    /// It was put into its slot before the body began.
    is_known: bool,
}

impl TaskCx {
    pub fn of(body: &Body, target: &Target) -> Self {
        let uses = |block: &BlockData| block.insts.iter().filter(|inst| uses_task(&inst.op, body, target)).count();
        let n_uses = body.blocks.iter().map(uses).sum();
        let mut at_start = vec![true; body.blocks.len()];
        // Where an error arrives from is not followed.
        for block in body.blocks.iter().filter_map(|block| block.catch.as_ref()) {
            at_start[block.block.index()] = false;
        }
        if let Some(first) = at_start.first_mut() {
            *first = false;
        }
        loop {
            let before = at_start.clone();
            for (i, block) in body.blocks.iter().enumerate() {
                if !at_start[i] && uses(block) == 0 {
                    block.successors().iter().for_each(|to| at_start[to.index()] = false);
                }
            }
            if before == at_start {
                return Self { n_uses, at_start, is_kept: false, is_known: false };
            }
        }
    }

    /// It is in its slot, whatever way the body takes.
    pub fn know(&mut self) {
        (self.is_kept, self.is_known) = (true, true);
    }

    /// What was kept since the body began cannot be relied on, in any block.
    pub fn forget(&mut self) {
        self.at_start.fill(false);
    }

    pub fn enter(&mut self, block: usize) {
        self.is_kept = self.is_known || self.n_uses > 1 && self.at_start.get(block).copied().unwrap_or(false);
    }
}

/// Whether an instruction surely loads from the current task. The rarer ones are left out.
fn uses_task(op: &Op, body: &Body, target: &Target) -> bool {
    let Op::Intrinsic { op, dst: Some(dst), .. } = op else { return false };
    target.current_task.is_known()
        && match op {
            Intrinsic::Pid => target.offsets.tgid.is_some(),
            Intrinsic::Tid => target.offsets.pid.is_some(),
            Intrinsic::Execname => {
                target.offsets.comm.is_some()
                    && matches!(body.vars[dst.index()].ty, Ty::Str { cap } if u32::from(cap) >= COMM_BYTES)
            }
            _ => false,
        }
}

impl Emitter<'_, '_> {
    pub fn context(&mut self, dst: Var, field: ContextField) {
        let word = |e: &mut Self, n: i16| {
            e.asm.load(Size::DW, R1, e.fp, CTX);
            e.asm.load(Size::DW, R0, R1, 8 * n);
        };
        let is_perf = matches!(self.cx.kind, EntryKind::PerfEvent { .. });
        let is_syscall = self.cx.kind.is_syscall();
        let is_kprobe = matches!(self.cx.kind, EntryKind::Kprobe { .. });
        let fentry_args = match self.cx.kind {
            EntryKind::Fentry { n_args, .. } => Some(n_args),
            _ => None,
        };
        let offsets = &self.shared.target.offsets;
        let (ip, args) = (offsets.regs_ip as i16, offsets.regs_args);
        let (function_args, result) = (offsets.regs_function_args, offsets.regs_return as i16);
        match field {
            ContextField::TraceArg(n) if !is_perf => word(self, n.into()),
            ContextField::SyscallNr if is_syscall => self.asm.load(Size::DW, R0, self.fp, NR),
            ContextField::CallReturn if self.cx.kind == EntryKind::SysExit => word(self, 1),
            ContextField::CallReturn if is_kprobe => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.load(Size::DW, R0, R1, result);
            }
            // The result stands behind the arguments.
            ContextField::CallReturn if fentry_args.is_some() => word(self, fentry_args.map_or(0, i16::from)),
            ContextField::CallArg(n) if fentry_args.is_some_and(|n_args| n < n_args) => word(self, n.into()),
            ContextField::CallArg(n) if is_kprobe && usize::from(n) < function_args.len() => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.load(Size::DW, R0, R1, function_args[usize::from(n)] as i16);
            }
            ContextField::CallArg(n) if is_syscall && usize::from(n) < args.len() => {
                self.user_register(args[usize::from(n)]);
            }
            ContextField::Regs if is_syscall => word(self, 0),
            ContextField::Regs if is_perf || is_kprobe => self.asm.load(Size::DW, R0, self.fp, CTX),
            ContextField::InstructionPointer if is_perf || is_kprobe => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.load(Size::DW, R0, R1, ip);
            }
            ContextField::Register(n) if is_perf || is_kprobe => match offsets.register(n) {
                Some(offset) => {
                    let offset = offset as i16;
                    self.asm.load(Size::DW, R1, self.fp, CTX);
                    self.asm.load(Size::DW, R0, R1, offset);
                }
                None => self.asm.mov_imm(R0, 0),
            },
            ContextField::Register(n) if is_syscall => match offsets.register(n) {
                Some(offset) => self.user_register(offset.into()),
                None => self.asm.mov_imm(R0, 0),
            },
            ContextField::SiteNumber => self.site_number(),
            _ => self.asm.mov_imm(R0, 0),
        }
        let known = match &self.shared.target.types {
            Some(types) => pointers::word(&**types, &self.cx.kind, field),
            None if fentry_args.is_some() => Known::Unknown,
            None => Known::Number,
        };
        if known != Known::Number && self.cx.pointers.place(Operand::Var(dst)).is_none() {
            self.plain_number(R0);
        }
        self.put(dst, R0);
    }

    /// r0 = one of the user's registers at a system call.
    fn user_register(&mut self, offset: u32) {
        self.asm.load(Size::DW, R1, self.fp, REGS);
        if self.shared.target.user_registers_are_known() {
            return self.asm.load(Size::DW, R0, R1, offset as i16);
        }
        // What the tracepoint was given is a bare address to the verifier.
        self.asm.mov(R3, R1);
        self.asm.add_imm(R3, offset as i32);
        self.asm.mov(R1, R10);
        self.asm.add_imm(R1, TMP0.into());
        self.asm.mov_imm(R2, 8);
        self.asm.call(helpers::PROBE_READ_KERNEL);
        self.asm.load(Size::DW, R0, R10, TMP0);
    }

    /// r0 = the number of this run's site.
    fn site_number(&mut self) {
        let sites = self.cx.sites.iter().map(|site| self.shared.program.sites.get(site.index()));
        let numbers: Vec<i64> = sites.map(|site| site.map_or(0, |site| site.number)).collect();
        if let [number] = numbers[..] {
            return self.asm.mov_imm(R0, number);
        }
        let table: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let at = self.shared.constant(&table);
        let rodata = self.shared.rodata();
        self.site_index(R1);
        self.asm.alu_imm(Alu::Lsh, R1, 3);
        self.asm.map_value(R2, rodata, at);
        self.asm.alu(Alu::Add, R2, R1);
        self.asm.load(Size::DW, R0, R2, 0);
    }

    /// The index of this run's site in `cx.sites`, bounded. Nothing may be kept in r0 to r5.
    pub fn site_index(&mut self, into: Reg) {
        let n = self.cx.sites.len() as i32;
        if n <= 1 {
            return self.asm.mov_imm(into, 0);
        }
        let fits = self.asm.label();
        if matches!(self.cx.kind, EntryKind::Kprobe { .. }) {
            // Asked where it is wanted: most handlers do without.
            self.asm.load(Size::DW, R1, self.fp, CTX);
            self.asm.call(helpers::GET_ATTACH_COOKIE);
            self.asm.mov(into, R0);
        } else {
            self.asm.load(Size::DW, into, self.fp, SITE);
            if self.cx.line.is_some() {
                self.asm.load(Size::DW, into, into, 0);
            }
        }
        self.asm.jump_if_imm(Cond::Lt, into, n, fits);
        self.asm.mov_imm(into, 0);
        self.asm.bind(fits);
    }

    pub fn site_text(&mut self, dst: Var, field: SiteField) {
        let dst = self.var_text(dst);
        let texts: Vec<Vec<u8>> = self
            .cx
            .sites
            .iter()
            .map(|site| {
                let site = self.shared.program.sites.get(site.index()).cloned().unwrap_or_default();
                match field {
                    SiteField::Pp => site.pp,
                    SiteField::Pn => site.pn,
                    SiteField::Func => site.func,
                    SiteField::Name => site.name,
                    SiteField::Way => site.way,
                }
            })
            .collect();
        if texts.iter().all(|text| *text == texts[0]) {
            let text = self.constant_text(texts.first().map_or(&[], |t| t.as_slice()));
            return self.copy_text(dst, text);
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let stride = (longest as u32 + 1).next_multiple_of(8).min(dst.cap);
        let mut table = vec![0; stride as usize * texts.len()];
        for (row, text) in table.chunks_exact_mut(stride as usize).zip(&texts) {
            crate::layout::put_str(row, text);
        }
        let at = self.shared.constant(&table);
        let rodata = self.shared.rodata();
        self.site_index(R1);
        self.asm.alu_imm(Alu::Mul, R1, stride as i32);
        self.asm.map_value(R3, rodata, at);
        self.asm.alu(Alu::Add, R3, R1);
        if stride <= 64 {
            let (to, to_off) = self.base(dst.mem, R2);
            for at in (0..stride as i16).step_by(8) {
                self.asm.load(Size::DW, R4, R3, at);
                self.asm.store(Size::DW, to, to_off + at, R4);
            }
        } else {
            self.address(R1, dst.mem);
            self.asm.mov_imm(R2, stride.into());
            self.asm.call(helpers::PROBE_READ_KERNEL);
        }
        self.zero(dst.mem, stride, dst.cap);
    }

    /// r0 = the current task, as a pointer the verifier lets loads go through. Uses r1-r5.
    pub fn current_task(&mut self) {
        let CurrentTask::ByStack(by) = self.shared.target.current_task else {
            return self.asm.call(helpers::GET_CURRENT_TASK_BTF);
        };
        let is_syscall = match &self.cx.kind {
            EntryKind::SysEnter | EntryKind::SysExit => true,
            EntryKind::RawTracepoint { name, .. } => matches!(&**name, "sys_enter" | "sys_exit"),
            _ => false,
        };
        if !is_syscall {
            return self.asm.call(helpers::GET_CURRENT_TASK_BTF);
        }
        let (unknown, known) = (self.asm.label(), self.asm.label());
        // The user's registers are at the start of the stack.
        self.asm.load(Size::DW, R1, self.fp, CTX);
        self.asm.load(Size::DW, R1, R1, 0);
        self.asm.alu_imm(Alu::And, R1, -TaskByStack::STACK_BYTES);
        self.asm.store(Size::DW, R10, TMP0, R1);
        self.place_of_task(R1);
        self.asm.load(Size::DW, R0, R2, 0);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, unknown);
        self.cast(by.cast.function, by.task_struct);
        self.asm.load(Size::DW, R2, R0, by.stack as i16);
        self.asm.load(Size::DW, R1, R10, TMP0);
        self.asm.jump_if(Cond::Eq, R1, R2, known);
        self.asm.bind(unknown);
        self.asm.load(Size::DW, R1, R10, TMP0);
        self.call_rare(Rare::FindTask);
        self.cast(by.cast.function, by.task_struct);
        self.asm.bind(known);
    }

    /// r2 = where the task is remembered whose stack is at `stack`. Uses r3.
    fn place_of_task(&mut self, stack: Reg) {
        let tasks = self.shared.tasks(TaskByStack::N_TASKS);
        self.asm.mov(R2, stack);
        self.asm.alu_imm(Alu::Rsh, R2, TaskByStack::STACK_BYTES.ilog2() as i32);
        self.asm.mov_imm(R3, TaskByStack::SPREAD);
        self.asm.alu(Alu::Mul, R2, R3);
        self.asm.alu_imm(Alu::Rsh, R2, 16);
        self.asm.alu_imm(Alu::And, R2, TaskByStack::N_TASKS as i32 - 1);
        self.asm.alu_imm(Alu::Lsh, R2, 3);
        self.asm.map_value(R3, tasks, 0);
        self.asm.alu(Alu::Add, R2, R3);
    }

    /// [`Rare::FindTask`].
    pub fn find_task(&mut self) {
        self.asm.mov(R6, R1);
        self.asm.call(helpers::GET_CURRENT_TASK_BTF);
        self.plain_number(R0);
        self.place_of_task(R6);
        self.asm.store(Size::DW, R2, 0, R0);
        self.asm.exit();
    }

    /// r0 becomes a pointer through which loads go. The verifier puts a move in place of the call.
    fn cast(&mut self, function: u32, to: u32) {
        self.asm.mov(R1, R0);
        self.asm.mov_imm(R2, to.into());
        self.asm.call_kernel(function);
    }

    /// r0 = the user's registers, those of the system call that a tracepoint of system calls was given. The task is not
    /// asked for where a cast makes a pointer of the tracepoint's argument.
    pub fn user_registers(&mut self) {
        let target = self.shared.target;
        if let (CurrentTask::ByHelper, true) = (target.current_task, target.task_pt_regs) {
            self.asm.mov(R1, R0);
            return self.asm.call(helpers::TASK_PT_REGS);
        }
        self.asm.load(Size::DW, R1, self.fp, CTX);
        self.asm.load(Size::DW, R0, R1, 0);
        if let CurrentTask::ByStack(at) = target.current_task {
            self.cast(at.cast.function, at.pt_regs);
        }
    }

    /// What the body is about to want several times, and is at hand.
    pub fn keep_task(&mut self) {
        if self.cx.task.n_uses > 0 {
            self.asm.store(Size::DW, self.fp, TASK, R0);
            self.cx.task.is_known = true;
        }
    }

    /// Keeps the current task for handlers that follow one another, if more than one of them will want it whatever happens.
    pub fn keep_task_for<'b>(&mut self, bodies: impl Iterator<Item = (&'b Body, &'b Needs)>) {
        let target = self.shared.target;
        let loads_registers = self.cx.kind.is_syscall() && target.user_registers_are_known();
        let wants = |(body, needs): &(&Body, &Needs)| {
            let first = body.blocks.first().into_iter().flat_map(|block| &block.insts);
            loads_registers && needs.regs || first.into_iter().any(|inst| uses_task(&inst.op, body, target))
        };
        if !self.task_is_kept && bodies.filter(wants).count() > 1 {
            self.current_task();
            self.asm.keep(TASK, R0);
            self.task_is_kept = true;
        }
    }

    /// r0 = the current task.
    pub fn task(&mut self) {
        if self.cx.task.is_kept {
            return self.asm.load(Size::DW, R0, self.fp, TASK);
        }
        self.current_task();
        if self.cx.task.n_uses > 1 {
            self.asm.store(Size::DW, self.fp, TASK, R0);
            self.cx.task.is_kept = true;
        }
    }

    pub fn intrinsic(&mut self, op: Intrinsic, dst: Option<Var>, args: &[Arg]) -> Result<(), GenerateError> {
        let Some(dst) = dst else { return Ok(()) };
        let long = |i: usize| match args.get(i) {
            Some(Arg::Long(o)) => *o,
            _ => Operand::Imm(0),
        };
        let text = |i: usize| match args.get(i) {
            Some(Arg::Str(s)) => *s,
            _ => StrOperand::Const(super::EMPTY),
        };
        let known = self.shared.target.current_task.is_known();
        let offsets = self.shared.target.offsets.clone();
        match op {
            Intrinsic::Pid | Intrinsic::Tid => {
                let field = if op == Intrinsic::Pid { offsets.tgid } else { offsets.pid };
                match field {
                    Some(field) if known => {
                        self.task();
                        self.asm.load(Size::W, R0, R0, field as i16);
                    }
                    _ => {
                        self.asm.call(helpers::GET_CURRENT_PID_TGID);
                        if op == Intrinsic::Pid {
                            self.asm.alu_imm(Alu::Rsh, R0, 32);
                        } else {
                            self.low_word();
                        }
                    }
                }
            }
            Intrinsic::Ppid => match (offsets.real_parent, offsets.tgid) {
                (Some(parent), Some(tgid)) if known => {
                    self.task();
                    self.asm.load(Size::DW, R0, R0, parent as i16);
                    self.asm.load(Size::W, R0, R0, tgid as i16);
                }
                _ => self.asm.mov_imm(R0, 0),
            },
            Intrinsic::Uid | Intrinsic::Gid => {
                self.asm.call(helpers::GET_CURRENT_UID_GID);
                if op == Intrinsic::Gid {
                    self.asm.alu_imm(Alu::Rsh, R0, 32);
                } else {
                    self.low_word();
                }
            }
            Intrinsic::Euid | Intrinsic::Egid => {
                let field = if op == Intrinsic::Euid { offsets.cred_euid } else { offsets.cred_egid };
                match (offsets.cred, field) {
                    (Some(cred), Some(field)) if known => {
                        self.task();
                        self.asm.load(Size::DW, R0, R0, cred as i16);
                        let none = self.asm.label();
                        self.asm.jump_if_imm(Cond::Eq, R0, 0, none);
                        self.asm.load(Size::W, R0, R0, field as i16);
                        self.asm.bind(none);
                    }
                    _ => {
                        let real = if op == Intrinsic::Euid { Intrinsic::Uid } else { Intrinsic::Gid };
                        return self.intrinsic(real, Some(dst), args);
                    }
                }
            }
            Intrinsic::Cpu => {
                self.asm.call(helpers::GET_SMP_PROCESSOR_ID);
                self.low_word();
            }
            Intrinsic::Execname | Intrinsic::Pexecname => {
                self.comm(dst, op == Intrinsic::Pexecname);
                return Ok(());
            }
            Intrinsic::TaskCurrent => self.asm.call(helpers::GET_CURRENT_TASK),
            Intrinsic::UserMode => match self.cx.kind {
                EntryKind::PerfEvent { .. } => {
                    // Kernel addresses have the top bit set.
                    self.asm.load(Size::DW, R1, self.fp, CTX);
                    self.asm.load(Size::DW, R0, R1, offsets.regs_ip as i16);
                    self.asm.alu_imm(Alu::Rsh, R0, 63);
                    self.asm.alu_imm(Alu::Xor, R0, 1);
                }
                EntryKind::SysEnter | EntryKind::SysExit => self.asm.mov_imm(R0, 1),
                _ => self.asm.mov_imm(R0, 0),
            },
            Intrinsic::RealtimeNs => {
                self.asm.call(helpers::KTIME_GET_NS);
                self.control_word(R1, control::REALTIME_OFFSET);
                self.asm.alu(Alu::Add, R0, R1);
            }
            // Differs from stap: programs cannot read the time stamp counter.
            Intrinsic::MonotonicNs | Intrinsic::Cycles => self.asm.call(helpers::KTIME_GET_NS),
            Intrinsic::BoottimeNs => self.asm.call(helpers::KTIME_GET_BOOT_NS),
            Intrinsic::Jiffies => self.asm.call(helpers::JIFFIES64),
            Intrinsic::Random => {
                self.asm.call(helpers::GET_PRANDOM_U32);
                self.low_word();
            }
            Intrinsic::Target => self.control_word(R0, control::TARGET),
            Intrinsic::CgroupId => self.asm.call(helpers::GET_CURRENT_CGROUP_ID),
            Intrinsic::KernelStack => self.stack_number(0),
            Intrinsic::UserStack => self.stack_number(USER_STACK),
            Intrinsic::Address => self.probed_address(),
            Intrinsic::UserAddress => self.user_address(),
            Intrinsic::ReturnedFrom => {
                let is_return =
                    matches!(self.cx.kind, EntryKind::Fentry { exit: true, .. } | EntryKind::Kprobe { exit: true, .. });
                if is_return && self.shared.target.task_pt_regs {
                    self.asm.load(Size::DW, R1, self.fp, CTX);
                    self.asm.call(helpers::GET_FUNC_IP);
                } else {
                    self.asm.mov_imm(R0, 0);
                }
            }
            Intrinsic::IsReturn => {
                let is_return = matches!(
                    self.cx.kind,
                    EntryKind::SysExit | EntryKind::Fentry { exit: true, .. } | EntryKind::Kprobe { exit: true, .. }
                );
                self.asm.mov_imm(R0, is_return.into());
            }
            Intrinsic::HasRegisters => {
                let has = matches!(
                    self.cx.kind,
                    EntryKind::SysEnter | EntryKind::SysExit | EntryKind::PerfEvent { .. } | EntryKind::Kprobe { .. }
                );
                self.asm.mov_imm(R0, has.into());
            }
            Intrinsic::StrLen => {
                self.str_len(dst, text(0));
                return Ok(());
            }
            Intrinsic::Substr => {
                self.substr(dst, text(0), long(1), long(2));
                return Ok(());
            }
            Intrinsic::IsInStr => {
                self.is_in_str(dst, text(0), text(1));
                return Ok(());
            }
            Intrinsic::StringAt => {
                self.string_at(dst, text(0), long(1));
                return Ok(());
            }
            Intrinsic::Strtol => {
                self.strtol(dst, text(0), long(1));
                return Ok(());
            }
            Intrinsic::CharStr => {
                self.char_str(dst, long(0));
                return Ok(());
            }
            Intrinsic::Matched | Intrinsic::NGroups => {
                return Err(self.error("the result of a regular expression needs a user-space handler"));
            }
        }
        self.put(dst, R0);
        Ok(())
    }

    /// r0 = the number under which a stack is kept, or a negative error.
    fn stack_number(&mut self, flags: i64) {
        let stacks = self.shared.stacks();
        self.asm.load(Size::DW, R1, self.fp, CTX);
        self.asm.map(R2, stacks);
        self.asm.mov_imm(R3, flags);
        self.asm.call(helpers::GET_STACKID);
    }

    /// r0 = the address of the probed instruction.
    fn probed_address(&mut self) {
        let offsets = &self.shared.target.offsets;
        let (ip, breakpoint) = (offsets.regs_ip as i16, offsets.breakpoint_bytes as i32);
        match self.cx.kind {
            // `bpf_get_func_ip` is of the same kernel as `bpf_task_pt_regs`.
            EntryKind::Fentry { exit: false, .. } if !self.shared.target.task_pt_regs => self.asm.mov_imm(R0, 0),
            EntryKind::Fentry { exit: false, .. } | EntryKind::Kprobe { multi: true, exit: false, .. } => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.call(helpers::GET_FUNC_IP);
            }
            EntryKind::Kprobe { exit, .. } => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.load(Size::DW, R0, R1, ip);
                if !exit {
                    self.asm.add_imm(R0, -breakpoint);
                }
            }
            EntryKind::PerfEvent { .. } => {
                self.asm.load(Size::DW, R1, self.fp, CTX);
                self.asm.load(Size::DW, R0, R1, ip);
            }
            _ => self.asm.mov_imm(R0, 0),
        }
    }

    /// r0 = where the current task left user code. Kernel threads have never been there.
    fn user_address(&mut self) {
        let target = self.shared.target;
        if !(target.current_task.is_known() && target.task_pt_regs) {
            return self.asm.mov_imm(R0, 0);
        }
        // The next helper wants a pointer that the verifier has from one.
        self.asm.call(helpers::GET_CURRENT_TASK_BTF);
        self.asm.mov(R1, R0);
        self.asm.call(helpers::TASK_PT_REGS);
        self.asm.load(Size::DW, R0, R0, target.offsets.regs_ip as i16);
    }

    /// r0 to its low 32 bits.
    fn low_word(&mut self) {
        self.asm.alu_imm(Alu::Lsh, R0, 32);
        self.asm.alu_imm(Alu::Rsh, R0, 32);
    }

    /// The name of the current task or its parent: two loads where the structure is known.
    fn comm(&mut self, dst: Var, of_parent: bool) {
        let dst = self.var_text(dst);
        let target = self.shared.target;
        let offsets = &target.offsets;
        let (comm, parent) = (offsets.comm, offsets.real_parent);
        match (comm, parent) {
            (Some(comm), parent)
                if target.current_task.is_known() && dst.cap >= COMM_BYTES && (!of_parent || parent.is_some()) =>
            {
                self.task();
                if let (true, Some(parent)) = (of_parent, parent) {
                    self.asm.load(Size::DW, R0, R0, parent as i16);
                }
                self.asm.load(Size::DW, R3, R0, comm as i16);
                self.asm.load(Size::DW, R4, R0, comm as i16 + 8);
                let (base, off) = self.base(dst.mem, R2);
                self.asm.store(Size::DW, base, off, R3);
                self.asm.store(Size::DW, base, off + 8, R4);
                self.zero(dst.mem, 16, dst.cap);
            }
            _ if of_parent => self.zero(dst.mem, 0, dst.cap),
            _ => {
                self.zero(dst.mem, 0, dst.cap);
                self.address(R1, dst.mem);
                self.asm.mov_imm(R2, dst.cap.min(16).into());
                self.asm.call(helpers::GET_CURRENT_COMM);
            }
        }
    }

    pub fn read(
        &mut self,
        dst: Var,
        space: Space,
        addr: Operand,
        width: u8,
        signed: bool,
        on_fault: OnFault,
    ) -> Result<(), GenerateError> {
        let Some(size) = Size::of_bytes(width) else {
            return Err(self.error(format!("memory cannot be read {width} bytes at a time")));
        };
        match (space, self.shared.target.direct_reads, self.known_at(addr, width)) {
            (Space::Kernel, DirectReads::ByCast(cast), _) => {
                self.long(R1, addr);
                self.asm.mov_imm(R2, cast.types[width.ilog2() as usize].into());
                self.asm.call_kernel(cast.function);
                self.asm.load(size, R0, R0, 0);
                self.unless_there(size, addr, false, on_fault);
            }
            (Space::Kernel, DirectReads::ByType, known @ (Known::Number | Known::Pointer(_))) => {
                let address = self.long_reg(addr, R1);
                self.asm.load(size, R0, address, 0);
                let is_pointer = known != Known::Number;
                self.unless_there(size, addr, is_pointer, on_fault);
                if is_pointer && self.cx.pointers.place(Operand::Var(dst)).is_none() {
                    self.plain_number(R0);
                }
            }
            _ => {
                self.read_by_helper(space, size, addr);
                if let OnFault::Raise(what) = on_fault {
                    let raised = self.raise_fault(what, addr);
                    self.asm.jump_if_imm(Cond::SLt, R0, 0, raised);
                }
                // After a fault the helper left zeros.
                self.asm.load(size, R0, R10, TMP0);
            }
        }
        if signed && width < 8 {
            let shift = 64 - 8 * i32::from(width);
            self.asm.alu_imm(Alu::Lsh, R0, shift);
            self.asm.alu_imm(Alu::Arsh, R0, shift);
        }
        self.put(dst, R0);
        Ok(())
    }

    /// The bytes at `addr` to the stack; r0 is negative when they cannot be read.
    fn read_by_helper(&mut self, space: Space, size: Size, addr: Operand) {
        self.asm.store_imm(Size::DW, R10, TMP0, 0);
        self.asm.mov(R1, R10);
        self.asm.add_imm(R1, TMP0.into());
        self.asm.mov_imm(R2, size.bytes().into());
        self.long(R3, addr);
        self.asm.call(match space {
            Space::Kernel => helpers::PROBE_READ_KERNEL,
            Space::User => helpers::PROBE_READ_USER,
        });
    }

    /// What the verifier takes the bytes there for.
    fn known_at(&self, addr: Operand, width: u8) -> Known {
        match (&self.shared.target.types, self.cx.pointers.place(addr)) {
            (Some(types), Some(place)) => types.member(place.structure, place.offset, width),
            _ => Known::Unknown,
        }
    }

    /// A load gives 0 where nothing can be read, so a 0 in r0 is looked at once more where a fault matters.
    fn unless_there(&mut self, size: Size, addr: Operand, is_pointer: bool, on_fault: OnFault) {
        if let OnFault::Raise(what) = on_fault {
            let there = self.asm.label();
            let catch = self.cx.catch.clone();
            let perhaps = self.stub(catch, StubKind::PerhapsFault { what, addr, size, is_pointer, then: there });
            self.asm.jump_if_imm(Cond::Eq, R0, 0, perhaps);
            self.asm.bind(there);
        }
    }

    /// Goes to `then` with the 0 in r0 when the bytes at `addr` can be read; else that is the error.
    pub fn perhaps_fault(&mut self, what: StrId, addr: Operand, size: Size, is_pointer: bool, then: Label) {
        // To the verifier even this 0 is a pointer, and has to be one behind `then`.
        if is_pointer {
            self.asm.store(Size::DW, R10, TMP0, R0);
        }
        self.long(R1, addr);
        if let Operand::Var(_) = addr {
            self.plain_number(R1);
        }
        self.asm.mov_imm(R2, size.bytes().into());
        self.call_rare(Rare::CanRead);
        let raised = self.raise_fault(what, addr);
        self.asm.jump_if_imm(Cond::Ne, R0, 0, raised);
        if is_pointer {
            self.asm.load(Size::DW, R0, R10, TMP0);
        }
        self.asm.jump(then);
    }

    pub fn read_str(&mut self, dst: Var, space: Space, addr: Operand, max: Option<Operand>, on_fault: OnFault) {
        // The helper leaves zeros after a fault, so only what lies behind the text may need clearing.
        let clear = self.cx.filled[dst.index()];
        let dst = self.var_text(dst);
        let room = dst.room;
        let done = self.asm.label();
        if clear {
            self.zero(dst.mem, 0, dst.cap);
        }
        match max {
            None => self.asm.mov_imm(R2, room.into()),
            Some(Operand::Imm(n)) => self.asm.mov_imm(R2, n.clamp(0, i64::from(room) - 1) + 1),
            Some(max) => {
                let (some, fits) = (self.asm.label(), self.asm.label());
                self.long(R2, max);
                self.asm.jump_if_imm(Cond::SGe, R2, 0, some);
                self.asm.mov_imm(R2, 0);
                self.asm.bind(some);
                self.asm.jump_if_imm(Cond::Lt, R2, room as i32 - 1, fits);
                self.asm.mov_imm(R2, i64::from(room) - 1);
                self.asm.bind(fits);
                self.asm.add_imm(R2, 1);
            }
        }
        self.long(R3, addr);
        self.address(R1, dst.mem);
        self.asm.call(match space {
            Space::Kernel => helpers::PROBE_READ_KERNEL_STR,
            Space::User => helpers::PROBE_READ_USER_STR,
        });
        match on_fault {
            OnFault::Raise(what) => {
                let raised = self.raise_fault(what, addr);
                self.asm.jump_if_imm(Cond::SLt, R0, 0, raised);
            }
            OnFault::Default(text) => {
                let good = self.asm.label();
                self.asm.jump_if_imm(Cond::SGe, R0, 0, good);
                let text = self.text(StrOperand::Const(text));
                self.copy_text(dst, text);
                self.asm.jump(done);
                self.asm.bind(good);
            }
            OnFault::Zero => {}
        }
        // Shorter places are only for texts that cannot be longer, or that the script wants no more of.
        let asked_for_all = match max {
            Some(Operand::Imm(n)) => n >= i64::from(room),
            _ => true,
        };
        if asked_for_all && room >= u32::from(self.shared.program.limits.max_string_len) {
            let full = self.stub(None, StubKind::MoreToRead { space, addr, room, then: done });
            if let Some(max @ Operand::Var(_)) = max {
                let max = self.long_reg(max, R1);
                self.asm.jump_if_imm(Cond::SLt, max, room as i32, done);
            }
            self.asm.jump_if_imm(Cond::Eq, R0, room as i32, full);
        }
        self.asm.bind(done);
    }

    /// Goes to `then` when the text at `addr` ends with its first `room - 1` bytes.
    pub fn more_to_read(&mut self, space: Space, addr: Operand, room: u32, then: Label) {
        self.asm.store_imm(Size::DW, R10, TMP0, 0);
        self.asm.mov(R1, R10);
        self.asm.add_imm(R1, TMP0.into());
        self.asm.mov_imm(R2, 1);
        self.long(R3, addr);
        self.asm.add_imm(R3, room as i32 - 1);
        self.asm.call(match space {
            Space::Kernel => helpers::PROBE_READ_KERNEL,
            Space::User => helpers::PROBE_READ_USER,
        });
        // What cannot be read any more cannot have been read before: it ends there, too.
        self.asm.load(Size::B, R1, R10, TMP0);
        self.asm.jump_if_imm(Cond::Eq, R1, 0, then);
    }
}
