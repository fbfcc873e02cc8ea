//! Who runs and where: the current task, its credentials, the processor, the probe site, the system call.

use Implementation::{Intrinsic as Op, Lowered};
use tapdeck_ebpf::ir::{Intrinsic, SiteField};

use super::{Builtin, Implementation, Special, long, row, string};
use crate::language::types::Type::{Long, Str};

/// Bytes of a task's name without its NUL: `TASK_COMM_LEN - 1`.
const COMM_LEN: u16 = 15;

pub static ROWS: &[Builtin] = &[
    row("pid", &[], Long, Op(Intrinsic::Pid), "The process (thread group) that runs."),
    row("tid", &[], Long, Op(Intrinsic::Tid), "The thread that runs."),
    row("ppid", &[], Long, Op(Intrinsic::Ppid), "The parent of the process that runs."),
    row("uid", &[], Long, Op(Intrinsic::Uid), "The user the thread belongs to."),
    row("euid", &[], Long, Op(Intrinsic::Euid), "The user whose rights the thread has."),
    row("gid", &[], Long, Op(Intrinsic::Gid), "The group the thread belongs to."),
    row("egid", &[], Long, Op(Intrinsic::Egid), "The group whose rights the thread has."),
    row("cpu", &[], Long, Op(Intrinsic::Cpu), "The processor, counted from 0."),
    row("execname", &[], Str, Op(Intrinsic::Execname), "The name of the thread that runs, at most 15 bytes.")
        .at_most(COMM_LEN),
    row("pexecname", &[], Str, Op(Intrinsic::Pexecname), "The name of the parent process, at most 15 bytes.")
        .at_most(COMM_LEN),
    row("task_current", &[], Long, Op(Intrinsic::TaskCurrent), "The address of the current `struct task_struct`."),
    row("user_mode", &[], Long, Op(Intrinsic::UserMode), "1 when the event interrupted user code, 0 for the kernel."),
    row("target", &[], Long, Op(Intrinsic::Target), "The process given by -c or -x, or 0."),
    row("stp_pid", &[], Long, Lowered(Special::OwnProcess), "The process of tapdeck itself."),
    row("__page_offset", &[], Long, Lowered(Special::PageOffset), "Where the kernel has physical memory mapped, or 0."),
    row(
        "__node_of_page",
        &[long("page")],
        Long,
        Lowered(Special::NodeOfPage),
        "The node that has a page of physical memory, by its number; -1 where none has.",
    ),
    row("__only_node", &[], Long, Lowered(Special::OnlyNode), "The node, where there is one; -1 where there are more."),
    row("cgroup_id", &[], Long, Op(Intrinsic::CgroupId), "The id of the control group (v2) the thread is in."),
    row("pp", &[], Str, Lowered(Special::Site(SiteField::Pp)), "The probe point, fully resolved."),
    row("pn", &[], Str, Lowered(Special::Site(SiteField::Pn)), "The probe point as the script wrote it."),
    row(
        "ppfunc",
        &[],
        Str,
        Lowered(Special::Site(SiteField::Func)),
        "The function or system call the probe point names; empty when it names none.",
    ),
    row(
        "probefunc",
        &[],
        Str,
        Lowered(Special::Site(SiteField::Func)),
        "The function or system call that was reached; empty when that is not known.",
    ),
    row(
        "probe_type",
        &[],
        Str,
        Lowered(Special::Site(SiteField::Way)),
        "What leads to the handler: begin, end, error, timer, tracepoint, kprobe, kretprobe, fentry, fexit, perf, procfs or input.",
    ),
    row(
        "__site_name",
        &[],
        Str,
        Lowered(Special::Site(SiteField::Name)),
        "The name of the event at this site; families give it as `name`.",
    ),
    row(
        "int_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 4, signed: true }),
        "The n-th argument of the system call, counted from 1, as a signed 32-bit number.",
    ),
    row(
        "uint_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 4, signed: false }),
        "The n-th argument of the system call, counted from 1, as an unsigned 32-bit number.",
    ),
    row(
        "long_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: true }),
        "The n-th argument of the system call, counted from 1, as a signed 64-bit number.",
    ),
    row(
        "ulong_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: false }),
        "The n-th argument of the system call, counted from 1, as an unsigned long.",
    ),
    row(
        "longlong_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: true }),
        "The n-th argument of the system call, counted from 1, as a signed 64-bit number.",
    ),
    row(
        "ulonglong_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: false }),
        "The n-th argument of the system call, counted from 1, as an unsigned 64-bit number.",
    ),
    row(
        "pointer_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: false }),
        "The n-th argument of the system call, counted from 1, as an address.",
    ),
    row(
        "s32_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 4, signed: true }),
        "The n-th argument of the system call, counted from 1, as a signed 32-bit number.",
    ),
    row(
        "u32_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 4, signed: false }),
        "The n-th argument of the system call, counted from 1, as an unsigned 32-bit number.",
    ),
    row(
        "s64_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: true }),
        "The n-th argument of the system call, counted from 1, as a signed 64-bit number.",
    ),
    row(
        "u64_arg",
        &[long("n")],
        Long,
        Lowered(Special::CallArg { width: 8, signed: false }),
        "The n-th argument of the system call, counted from 1, as an unsigned 64-bit number.",
    ),
    row("returnval", &[], Long, Lowered(Special::CallReturn), "What the system call gave back, in its return probe."),
    row(
        "register",
        &[string("name")],
        Long,
        Lowered(Special::Register { signed: true }),
        "A register at the probe by its name (`rdi`, `edi`, `di`); one of 32 bits is signed.",
    ),
    row(
        "u_register",
        &[string("name")],
        Long,
        Lowered(Special::Register { signed: false }),
        "A register at the probe by its name; one of 32 bits is unsigned.",
    ),
    row(
        "registers_valid",
        &[],
        Long,
        Op(Intrinsic::HasRegisters),
        "1 where register() and u_register() say something, else 0.",
    ),
    row("is_return", &[], Long, Op(Intrinsic::IsReturn), "1 at the return of a function or system call, else 0."),
    row("__site_number", &[], Long, Lowered(Special::SiteNumber), "The number of the function the probe is at."),
    row("__syscall_nr", &[], Long, Lowered(Special::SyscallNumber), "The number of the system call."),
];
