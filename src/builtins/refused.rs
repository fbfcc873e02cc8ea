//! Functions of SystemTap that eBPF cannot do, or that would change what is traced: a script that calls one is told why.

use super::{Builtin, Implementation::Lowered, Param, Special, long, row, string};
use crate::language::types::Type::Unknown;

const ADDR_VALUE: &[Param] = &[long("addr"), long("val")];
const ADDR_TEXT: &[Param] = &[long("addr"), string("val")];
const ADDR_N_TEXT: &[Param] = &[long("addr"), long("n"), string("val")];
const NUMBER_VALUE: &[Param] = &[long("n"), long("v")];

const KERNEL_WRITE: &str = "eBPF programs may not write to the kernel's memory";
const USER_WRITE: &str = "what is traced is not changed, and eBPF programs may not write to most of its memory";
const ARGUMENT_WRITE: &str = "eBPF programs cannot write to the registers of what they trace";
const ONLY_READS: &str = "SystemTap itself does it in guru mode, with a kernel module";
const NO_WAITING: &str = "eBPF programs have to end at once";
const KEEP_METRIC: &str = "count in a global array, and show it with @prometheus_dump_array1 in a prometheus probe";
const NO_LIVEPATCH: &str = "eBPF programs cannot change what kernel functions do";

const fn refused(name: &'static str, params: &'static [Param], reason: &'static str, help: &'static str) -> Builtin {
    row(name, params, Unknown, Lowered(Special::Refused { reason, help }), "Not available; a call is told why.")
}

pub static ROWS: &[Builtin] = &[
    refused(
        "printk",
        &[long("level"), string("msg")],
        "eBPF programs may not write to the kernel log",
        "use log() for the script's output or ftrace() for the kernel's trace buffer",
    ),
    refused(
        "module_size",
        &[],
        "the script becomes eBPF programs, and no kernel module",
        "`bpftool prog` shows how large the programs are while they run",
    ),
    refused("mdelay", &[long("ms")], NO_WAITING, "a timer probe does something later"),
    refused("udelay", &[long("us")], NO_WAITING, "a timer probe does something later"),
    refused(
        "panic",
        &[string("msg")],
        "eBPF programs may not stop the kernel",
        "system(\"echo c >/proc/sysrq-trigger\") does, some milliseconds later",
    ),
    refused(
        "raise",
        &[long("signo")],
        "what is traced is not changed",
        "system(sprintf(\"kill -%d %d\", signo, pid())) sends a signal, some milliseconds later",
    ),
    refused("cve_record_metric", &[string("key"), long("value")], NO_LIVEPATCH, KEEP_METRIC),
    refused("cve_count_metric", &[string("key")], NO_LIVEPATCH, KEEP_METRIC),
    refused("cve_tmpdisable", &[long("duration")], NO_LIVEPATCH, ONLY_READS),
    refused("set_kernel_char", ADDR_VALUE, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_short", ADDR_VALUE, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_int", ADDR_VALUE, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_long", ADDR_VALUE, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_pointer", ADDR_VALUE, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_string", ADDR_TEXT, KERNEL_WRITE, ONLY_READS),
    refused("set_kernel_string_n", ADDR_N_TEXT, KERNEL_WRITE, ONLY_READS),
    refused("set_user_char", ADDR_VALUE, USER_WRITE, ONLY_READS),
    refused("set_user_short", ADDR_VALUE, USER_WRITE, ONLY_READS),
    refused("set_user_int", ADDR_VALUE, USER_WRITE, ONLY_READS),
    refused("set_user_long", ADDR_VALUE, USER_WRITE, ONLY_READS),
    refused("set_user_pointer", ADDR_VALUE, USER_WRITE, ONLY_READS),
    refused("set_user_string", ADDR_TEXT, USER_WRITE, ONLY_READS),
    refused("set_user_string_arg", ADDR_TEXT, USER_WRITE, ONLY_READS),
    refused("set_user_string_n", ADDR_N_TEXT, USER_WRITE, ONLY_READS),
    refused("set_int_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_uint_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_long_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_ulong_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_longlong_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_ulonglong_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_pointer_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_s32_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_u32_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_s64_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
    refused("set_u64_arg", NUMBER_VALUE, ARGUMENT_WRITE, ONLY_READS),
];
