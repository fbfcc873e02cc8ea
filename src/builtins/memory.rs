//! Reading kernel and user memory by address. Bad addresses never harm: they raise, warn or give a substitute.

use Implementation::Lowered;
use tapdeck_ebpf::ir::Space::{self, Kernel, User};

use super::{Builtin, Implementation, Param, QuotedFault, ReadFault, Special, TextFault, long, row, string};
use crate::language::types::Type::{Long, Str};

const ADDR: &[Param] = &[long("addr")];
const ADDR_N: &[Param] = &[long("addr"), long("n")];
const ADDR_IN_OUT: &[Param] = &[long("addr"), long("inlen"), long("outlen")];
const ADDR_TEXT: &[Param] = &[long("addr"), string("err_msg")];
const ADDR_N_TEXT: &[Param] = &[long("addr"), long("n"), string("err_msg")];

const fn read(
    name: &'static str,
    space: Space,
    width: u8,
    signed: bool,
    fault: ReadFault,
    doc: &'static str,
) -> Builtin {
    row(name, ADDR, Long, Lowered(Special::Read { space, width, signed, fault }), doc)
}

const fn kernel(name: &'static str, width: u8, signed: bool, what: &'static str, doc: &'static str) -> Builtin {
    read(name, Kernel, width, signed, ReadFault::Raise(what), doc)
}

/// Gives 0 on a fault.
const fn user(name: &'static str, width: u8, signed: bool, doc: &'static str) -> Builtin {
    read(name, User, width, signed, ReadFault::Zero, doc)
}

const fn user_warn(name: &'static str, width: u8, signed: bool, what: &'static str, doc: &'static str) -> Builtin {
    read(name, User, width, signed, ReadFault::Warn(what), doc)
}

const fn user_error(name: &'static str, width: u8, signed: bool, what: &'static str, doc: &'static str) -> Builtin {
    read(name, User, width, signed, ReadFault::Raise(what), doc)
}

const fn text(
    name: &'static str,
    params: &'static [Param],
    space: Space,
    fault: TextFault,
    doc: &'static str,
) -> Builtin {
    let counted = params.len() > 1 && matches!(params[1].ty, Long);
    row(name, params, Str, Lowered(Special::ReadText { space, counted, fault }), doc)
}

const fn quoted(name: &'static str, params: &'static [Param], space: Space, doc: &'static str) -> Builtin {
    row(name, params, Str, Lowered(Special::ReadQuoted { space, fault: QuotedFault::Address }), doc)
}

/// A bad address is an error.
const fn quoted_error(name: &'static str, space: Space, raises: &'static str, doc: &'static str) -> Builtin {
    row(name, ADDR_IN_OUT, Str, Lowered(Special::ReadQuoted { space, fault: QuotedFault::Raise(raises) }), doc)
}

const KERNEL_FAULT: TextFault = TextFault::Raise("kernel string copy fault");
const UNKNOWN: TextFault = TextFault::Text("<unknown>");

pub static ROWS: &[Builtin] = &[
    kernel("kernel_char", 1, false, "kernel char copy fault", "The byte at a kernel address."),
    kernel("kernel_short", 2, true, "kernel short copy fault", "The signed 16-bit number at a kernel address."),
    kernel("kernel_int", 4, true, "kernel int copy fault", "The signed 32-bit number at a kernel address."),
    kernel("kernel_long", 8, true, "kernel long copy fault", "The 64-bit number at a kernel address."),
    kernel("kernel_pointer", 8, false, "kernel pointer copy fault", "The pointer at a kernel address."),
    text("kernel_string", ADDR, Kernel, KERNEL_FAULT, "The text at a kernel address."),
    text("kernel_string", ADDR_TEXT, Kernel, TextFault::Argument, "The text at a kernel address, or a substitute."),
    text("kernel_string2", ADDR_TEXT, Kernel, TextFault::Argument, "The text at a kernel address, or a substitute."),
    text("kernel_string_n", ADDR_N, Kernel, KERNEL_FAULT, "At most n bytes of the text at a kernel address."),
    text(
        "kernel_string_n",
        ADDR_N_TEXT,
        Kernel,
        TextFault::Argument,
        "At most n bytes of the text at a kernel address, or a substitute.",
    ),
    quoted(
        "kernel_string_quoted",
        ADDR,
        Kernel,
        "The text at a kernel address in quotes, unprintable bytes escaped; the address itself when it cannot be read.",
    ),
    quoted(
        "kernel_string_quoted",
        ADDR_N,
        Kernel,
        "At most n bytes of the text at a kernel address in quotes, or the address when it cannot be read.",
    ),
    quoted(
        "kernel_string_n_quoted",
        ADDR_N,
        Kernel,
        "At most n bytes of the text at a kernel address in quotes, or the address when it cannot be read.",
    ),
    quoted(
        "kernel_buffer_quoted",
        ADDR_N,
        Kernel,
        "n bytes at a kernel address in quotes, up to the first NUL, or the address when it cannot be read.",
    ),
    quoted(
        "kernel_buffer_quoted",
        ADDR_IN_OUT,
        Kernel,
        "Bytes at a kernel address in quotes, up to the first NUL, or the address when it cannot be read.",
    ),
    quoted_error(
        "kernel_buffer_quoted_error",
        Kernel,
        "kernel string copy fault",
        "Bytes at a kernel address in quotes, up to the first NUL; a bad address is a script error.",
    ),
    row(
        "kernel_or_user_string_quoted",
        ADDR,
        Str,
        Lowered(Special::ReadQuoted { space: Kernel, fault: QuotedFault::User }),
        "The text at an address of the kernel or else of the program in quotes; the address when neither can be read.",
    ),
    user("user_char", 1, false, "The byte at a user address, 0 when it cannot be read."),
    user("user_short", 2, true, "The signed 16-bit number at a user address, 0 when it cannot be read."),
    user("user_ushort", 2, false, "The unsigned 16-bit number at a user address, 0 when it cannot be read."),
    user("user_int", 4, true, "The signed 32-bit number at a user address, 0 when it cannot be read."),
    user("user_uint", 4, false, "The unsigned 32-bit number at a user address, 0 when it cannot be read."),
    user("user_long", 8, true, "The 64-bit number at a user address, 0 when it cannot be read."),
    user("user_ulong", 8, false, "The unsigned long at a user address, 0 when it cannot be read."),
    user("user_int8", 1, true, "The signed byte at a user address, 0 when it cannot be read."),
    user("user_uint8", 1, false, "The unsigned byte at a user address, 0 when it cannot be read."),
    user("user_int16", 2, true, "The signed 16-bit number at a user address, 0 when it cannot be read."),
    user("user_uint16", 2, false, "The unsigned 16-bit number at a user address, 0 when it cannot be read."),
    user("user_int32", 4, true, "The signed 32-bit number at a user address, 0 when it cannot be read."),
    user("user_uint32", 4, false, "The unsigned 32-bit number at a user address, 0 when it cannot be read."),
    user("user_int64", 8, true, "The signed 64-bit number at a user address, 0 when it cannot be read."),
    user("user_uint64", 8, false, "The unsigned 64-bit number at a user address, 0 when it cannot be read."),
    user_warn(
        "user_char_warn",
        1,
        false,
        "user char copy fault",
        "As user_char, with a warning when it cannot be read.",
    ),
    user_warn(
        "user_short_warn",
        2,
        true,
        "user short copy fault",
        "As user_short, with a warning when it cannot be read.",
    ),
    user_warn("user_ushort_warn", 2, false, "user ushort copy fault", "As user_ushort, with a warning on a fault."),
    user_warn("user_int_warn", 4, true, "user int copy fault", "As user_int, with a warning when it cannot be read."),
    user_warn(
        "user_long_warn",
        8,
        true,
        "user long copy fault",
        "As user_long, with a warning when it cannot be read.",
    ),
    user_warn("user_ulong_warn", 8, false, "user ulong copy fault", "As user_ulong, with a warning on a fault."),
    user_error(
        "user_char_error",
        1,
        false,
        "user char copy fault",
        "As user_char, but a bad address is a script error.",
    ),
    user_error(
        "user_short_error",
        2,
        true,
        "user short copy fault",
        "As user_short, but a bad address is a script error.",
    ),
    user_error(
        "user_ushort_error",
        2,
        false,
        "user ushort copy fault",
        "As user_ushort, but a bad address is an error.",
    ),
    user_error("user_int_error", 4, true, "user int copy fault", "As user_int, but a bad address is a script error."),
    user_error(
        "user_long_error",
        8,
        true,
        "user long copy fault",
        "As user_long, but a bad address is a script error.",
    ),
    user_error("user_ulong_error", 8, false, "user ulong copy fault", "As user_ulong, but a bad address is an error."),
    user_error("user_int8_error", 1, true, "user int8 copy fault", "As user_int8, but a bad address is an error."),
    user_error("user_uint8_error", 1, false, "user uint8 copy fault", "As user_uint8, but a bad address is an error."),
    user_error("user_int16_error", 2, true, "user int16 copy fault", "As user_int16, but a bad address is an error."),
    user_error(
        "user_uint16_error",
        2,
        false,
        "user uint16 copy fault",
        "As user_uint16, but a bad address is an error.",
    ),
    user_error("user_int32_error", 4, true, "user int32 copy fault", "As user_int32, but a bad address is an error."),
    user_error(
        "user_uint32_error",
        4,
        false,
        "user uint32 copy fault",
        "As user_uint32, but a bad address is an error.",
    ),
    user_error("user_int64_error", 8, true, "user int64 copy fault", "As user_int64, but a bad address is an error."),
    user_error(
        "user_uint64_error",
        8,
        false,
        "user uint64 copy fault",
        "As user_uint64, but a bad address is an error.",
    ),
    text("user_string", ADDR, User, UNKNOWN, "The text at a user address; \"<unknown>\" when it cannot be read."),
    text("user_string", ADDR_TEXT, User, TextFault::Argument, "The text at a user address, or a substitute."),
    text("user_string2", ADDR_TEXT, User, TextFault::Argument, "The text at a user address, or a substitute."),
    text(
        "user_string_nofault",
        ADDR,
        User,
        TextFault::Text(""),
        "The text at a user address; \"\" when it cannot be read.",
    ),
    text("user_string_warn", ADDR, User, TextFault::Warn, "The text at a user address; \"\" and a warning on a fault."),
    text(
        "user_string_warn",
        ADDR_TEXT,
        User,
        TextFault::Warn,
        "The text at a user address; a substitute and a warning on a fault.",
    ),
    text("user_string_n", ADDR_N, User, UNKNOWN, "At most n bytes of the text at a user address."),
    text(
        "user_string_n",
        ADDR_N_TEXT,
        User,
        TextFault::Argument,
        "At most n bytes of the text at a user address, or a substitute.",
    ),
    text(
        "user_string_n2",
        ADDR_N_TEXT,
        User,
        TextFault::Argument,
        "At most n bytes of the text at a user address, or a substitute.",
    ),
    text(
        "user_string_n_nofault",
        ADDR_N,
        User,
        TextFault::Text(""),
        "At most n bytes of the text at a user address, or \"\".",
    ),
    text(
        "user_string_n_warn",
        ADDR_N,
        User,
        TextFault::Warn,
        "At most n bytes of the text at a user address; \"\" and a warning on a fault.",
    ),
    text(
        "user_string_n_warn",
        ADDR_N_TEXT,
        User,
        TextFault::Warn,
        "At most n bytes of the text at a user address; a substitute and a warning on a fault.",
    ),
    quoted(
        "user_string_quoted",
        ADDR,
        User,
        "The text at a user address in quotes, unprintable bytes escaped; the address itself when it cannot be read.",
    ),
    quoted(
        "user_string_n_quoted",
        ADDR_N,
        User,
        "At most n bytes of the text at a user address in quotes, or the address when it cannot be read.",
    ),
    quoted(
        "user_string_n_quoted",
        ADDR_IN_OUT,
        User,
        "At most inlen bytes of the text at a user address in quotes, or the address when it cannot be read.",
    ),
    quoted(
        "user_buffer_quoted",
        ADDR_IN_OUT,
        User,
        "Bytes at a user address in quotes, up to the first NUL, or the address when it cannot be read.",
    ),
    quoted_error(
        "user_buffer_quoted_error",
        User,
        "user string copy fault",
        "Bytes at a user address in quotes, up to the first NUL; a bad address is a script error.",
    ),
];
