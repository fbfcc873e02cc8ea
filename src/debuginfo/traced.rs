//! Which functions of the running kernel the tracer can stop at, by how their code begins: with the no-operation that the
//! compiler's call of it was turned into, or with a call while something is traced there.
//!
//! The kernel's own list, `available_filter_functions`, says the same: it looks up the name of each of fifty thousand
//! addresses, which takes seven times as long as all of /proc/kallsyms. arch/x86/kernel/ftrace.c, kernel/trace/ftrace.c.
//! What code alone cannot tell is a function that is not traced and begins with a branch that is patched out: there is one or
//! none in a kernel, which then refuses it when it is attached.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::probing::{symbol_address, symbol_module, symbol_name};
use crate::host::kernel_memory::KernelMemory;

/// `endbr64`, and what the kernel writes over it where no pointer to the function is ever called: since 6.9 and 6.15.
/// arch/x86/include/asm/ibt.h
const LANDINGS: [[u8; 4]; 3] = [[0xf3, 0x0f, 0x1e, 0xfa], [0x66, 0x0f, 0x1f, 0x00], [0x0f, 0x1f, 0x40, 0xd6]];
/// `nopl 0(%rax,%rax,1)`
const NO_OPERATION: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];
const CALL: u8 = 0xe8;
/// Of a function, from its beginning.
const LOOKED_AT: usize = 9;

/// Read at once: functions follow each other.
const BLOCK_BYTES: usize = 1 << 16;

/// Lines of /proc/kallsyms (`text`) that are functions of which the tracer is told, on x86-64. Of several names of one
/// address the first stands for all of them, as on the kernel's list. `None`: the addresses are hidden.
pub fn functions(text: &str, memory: &KernelMemory) -> Option<Vec<Range<u32>>> {
    let mut found = Vec::with_capacity(text.len() / 160);
    // Lines of functions that call something first, with where that is; and what may be called there.
    let mut calling: Vec<(Range<u32>, u64)> = Vec::new();
    let mut tracers: FxHashSet<u64> = FxHashSet::default();
    // Where code is that is gone, or runs before the kernel can be traced.
    let mut never = 0..0;
    let (mut block, mut block_at, mut block_len) = (vec![0; BLOCK_BYTES], 0, 0);
    let (mut start, mut last, mut is_hidden) = (0, 0, true);
    for line in text.split_inclusive('\n') {
        let range = start as u32..(start + line.trim_end_matches('\n').len()) as u32;
        start += line.len();
        let line = &text[range.start as usize..range.end as usize];
        let address = symbol_address(line);
        is_hidden &= address == 0;
        let is_made = line.ends_with(']') && symbol_module(line).is_some_and(is_made);
        match symbol_name(line) {
            "__init_begin" | "__entry_text_start" | "__noinstr_text_start" => never = address..u64::MAX,
            "__init_end" | "__entry_text_end" | "__noinstr_text_end" => never.end = address,
            "ftrace_caller" | "ftrace_regs_caller" => _ = tracers.insert(address),
            _ if is_made => _ = tracers.insert(address),
            _ => {}
        }
        let is_first = address != last;
        last = address;
        let is_code = line.as_bytes().get(17).is_some_and(|kind| b"tTwW".contains(kind));
        if !is_code || !is_first || is_made || address == 0 || never.contains(&address) {
            continue;
        }
        let mut inside = address.wrapping_sub(block_at) as usize;
        if inside.saturating_add(LOOKED_AT) > block_len {
            (block_at, inside) = (address, 0);
            block_len = memory.read(address, &mut block);
        }
        match beginning(block[..block_len].get(inside..).unwrap_or(&[]), address) {
            Beginning::Traceable => found.push(range),
            Beginning::Call(of) => calling.push((range, of)),
            Beginning::Other => {}
        }
    }
    let traced = calling.into_iter().filter(|(_, called)| tracers.contains(called));
    found.extend(traced.map(|(range, _)| range));
    found.sort_unstable_by_key(|range| range.start);
    (!is_hidden).then_some(found)
}

#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    Traceable,
    /// A call of what is at that address: the tracer, by one of its two entries or by code made for it; or anything else.
    Call(u64),
    Other,
}

fn beginning(code: &[u8], address: u64) -> Beginning {
    let (landing, rest) = match code.first_chunk() {
        Some(first) if LANDINGS.contains(first) => (4, &code[4..]),
        _ => (0, code),
    };
    match rest.first_chunk() {
        Some(&NO_OPERATION) => Beginning::Traceable,
        Some(&[CALL, a, b, c, d]) => {
            let behind = address.wrapping_add(landing + 5);
            Beginning::Call(behind.wrapping_add_signed(i64::from(i32::from_le_bytes([a, b, c, d]))))
        }
        _ => Beginning::Other,
    }
}

/// Code that the kernel makes while it runs, trampolines among it, which is on its list of symbols as if it were in modules.
fn is_made(module: &str) -> bool {
    module == "bpf" || module.starts_with("__builtin__")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kernel_memory::tests::core_file;

    #[test]
    fn functions_that_tell_the_tracer_begin_so() {
        let at = 0xffff_ffff_8100_0000;
        assert_eq!(beginning(&[0x0f, 0x1f, 0x44, 0, 0, 0x55], at), Beginning::Traceable);
        assert_eq!(beginning(&[0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x1f, 0x44, 0, 0], at), Beginning::Traceable);
        assert_eq!(beginning(&[0x66, 0x0f, 0x1f, 0, 0x0f, 0x1f, 0x44, 0, 0], at), Beginning::Traceable);
        assert_eq!(beginning(&[0x55, 0x0f, 0x1f, 0x44, 0, 0], at), Beginning::Other);
        assert_eq!(beginning(&[0xe8, 0xfb, 0xff, 0xff, 0xff], at), Beginning::Call(at));
        assert_eq!(beginning(&[0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 1, 0, 0, 0], at), Beginning::Call(at + 10));
        assert_eq!(beginning(&[0xe8, 1, 0, 0], at), Beginning::Other);
        assert_eq!(beginning(&[], at), Beginning::Other);
    }

    #[test]
    fn kernels_tell_by_their_code_what_can_be_traced() {
        let nop = [0x0f, 0x1f, 0x44, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90];
        let call = |from: u64, to: u64| {
            let mut code = [0x90; 16];
            code[0] = 0xe8;
            code[1..5].copy_from_slice(&(to.wrapping_sub(from + 5) as u32).to_le_bytes());
            code
        };
        let kernel = 0xffff_ffff_8100_0000;
        let other = [0x90; 16];
        let made = 0xffff_ffff_c000_0010;
        let code: [[u8; 16]; 8] = [
            nop,
            other,
            call(kernel + 0x20, kernel + 0x10),
            call(kernel + 0x30, kernel + 0x60),
            nop,
            call(kernel + 0x50, kernel + 0x51),
            other,
            call(kernel + 0x70, made),
        ];
        let module = [nop, nop].concat();
        let path = std::env::temp_dir().join(format!("tapdeck-traced-{}", std::process::id()));
        core_file(&path, &[(kernel, code.as_flattened()), (0xffff_ffff_c000_0000, &module)]);
        let memory = KernelMemory::open(&path).expect("is a core file");
        std::fs::remove_file(&path).expect("is there");
        let text = "ffffffff81000000 T traced\n\
                    ffffffff81000000 T its_other_name\n\
                    ffffffff81000010 t not_traced\n\
                    ffffffff81000020 t begins_with_a_call\n\
                    ffffffff81000030 T is_traced_now\n\
                    ffffffff81000038 D __init_begin\n\
                    ffffffff81000040 t gone\n\
                    ffffffff81000048 D __init_end\n\
                    ffffffff81000050 t calls_into_itself\n\
                    ffffffff81000060 T ftrace_caller\n\
                    ffffffff81000070 t has_a_trampoline\n\
                    ffffffff81000080 T behind_all_memory\n\
                    ffffffffc0000000 t of_module\t[m]\n\
                    ffffffffc0000010 t bpf_trampoline_1234\t[bpf]\n";
        let found = functions(text, &memory).expect("has addresses");
        let names: Vec<_> =
            found.into_iter().map(|range| symbol_name(&text[range.start as usize..range.end as usize])).collect();
        assert_eq!(names, ["traced", "is_traced_now", "has_a_trampoline", "of_module"]);
        assert_eq!(functions("0000000000000000 T traced\n", &memory), None);
        assert_eq!(functions("", &memory), None);
    }
}
