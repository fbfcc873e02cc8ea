//! Memory of the kernel and of this process, for handlers that run in user space. A program of five calls reads it, run
//! on this thread by BPF_PROG_TEST_RUN (Linux 5.10), so the current task is this process's and a bad address is a fault
//! here as it is in an event handler.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tapdeck_ebpf::{
    ir::Space,
    isa::{
        ALU64, Alu, CALL, Cond, EXIT, Insn, JMP, LDDW, LDX, MEM, PSEUDO_MAP_VALUE, STX, Size, X,
        helpers::{
            GET_CURRENT_TASK, Helper, PROBE_READ_KERNEL, PROBE_READ_KERNEL_STR, PROBE_READ_USER, PROBE_READ_USER_STR,
        },
    },
};

use crate::{
    debuginfo::{Types, World},
    sys::bpf,
};

/// The longest text a script can have, with its NUL.
const ROOM: usize = 4096;

/// What is asked for: the first word of the program's context. The others are the address and how many bytes.
#[derive(Clone, Copy)]
enum Request {
    Bytes(Space),
    Text(Space),
    CurrentTask,
}

const REQUESTS: [(Request, Helper); 5] = [
    (Request::Bytes(Space::Kernel), PROBE_READ_KERNEL),
    (Request::Text(Space::Kernel), PROBE_READ_KERNEL_STR),
    (Request::Bytes(Space::User), PROBE_READ_USER),
    (Request::Text(Space::User), PROBE_READ_USER_STR),
    (Request::CurrentTask, GET_CURRENT_TASK),
];

impl Request {
    fn number(self) -> u64 {
        match self {
            Request::Bytes(Space::Kernel) => 0,
            Request::Text(Space::Kernel) => 1,
            Request::Bytes(Space::User) => 2,
            Request::Text(Space::User) => 3,
            Request::CurrentTask => 4,
        }
    }
}

/// The loaded program and the value it writes what it read to.
pub struct Peek {
    program: OwnedFd,
    value: bpf::Map,
    /// Where a `task_struct` has the address of its process's first thread; `None` on a kernel without types.
    group_leader: Option<u32>,
}

impl Peek {
    /// # Errors
    /// The kernel's, mostly EPERM without CAP_BPF and CAP_PERFMON.
    pub fn open() -> io::Result<Self> {
        let value = bpf::Map::create(&bpf::MapSpec {
            name: "peek",
            kind: bpf::BPF_MAP_TYPE_ARRAY,
            key_size: 4,
            value_size: ROOM as u32,
            max_entries: 1,
            flags: 0,
        })?;
        let code: Vec<u8> = code(value.as_fd()).into_iter().flat_map(Insn::encode).collect();
        let spec = bpf::ProgramSpec {
            name: "peek",
            kind: bpf::BPF_PROG_TYPE_RAW_TRACEPOINT,
            code: &code,
            license: c"GPL",
            btf: None,
            func_info: &[],
            line_info: &[],
            attach_kind: 0,
            attach_btf_id: 0,
            attach_btf: None,
            log_level: 0,
        };
        let program = bpf::prog_load(&spec, &mut []).map_err(|refused| refused.error)?;
        let world = World::live();
        let group_leader = world.btf().ok().and_then(|btf| {
            let found = btf.find_member(btf.struct_named("task_struct")?, "group_leader")?;
            Some(found.offset_bits / 8)
        });
        Ok(Self { program, value, group_leader })
    }

    /// The bytes at an address; false when they cannot be read, or are more than a text can have.
    pub fn bytes(&self, space: Space, address: i64, into: &mut [u8]) -> bool {
        let Some(0) = self.ask(Request::Bytes(space), address, into.len()) else { return false };
        let Some(value) = self.answer() else { return false };
        into.copy_from_slice(&value[..into.len()]);
        true
    }

    /// The text at an address up to its NUL, at most `max` bytes; `None` when it cannot be read.
    pub fn text(&self, space: Space, address: i64, max: usize) -> Option<Vec<u8>> {
        let with_nul = self.ask(Request::Text(space), address, max.min(ROOM - 1) + 1)?;
        let mut value = self.answer()?;
        value.truncate((with_nul as usize).saturating_sub(1));
        Some(value)
    }

    /// The address of the `struct task_struct` of this process's first thread, whose id the process has; 0 when the
    /// kernel does not say.
    pub fn current_task(&self) -> i64 {
        let task = self.ask(Request::CurrentTask, 0, 0).and_then(|_| self.answer());
        let Some(task) = task.and_then(|value| Some(i64::from_le_bytes(*value.first_chunk()?))) else { return 0 };
        let mut leader = [0; 8];
        match self.group_leader {
            Some(offset) if self.bytes(Space::Kernel, task.wrapping_add(offset.into()), &mut leader) => {
                i64::from_le_bytes(leader)
            }
            _ => task,
        }
    }

    /// What the helper gave back; `None` when that is an error.
    fn ask(&self, request: Request, address: i64, n_bytes: usize) -> Option<u32> {
        if n_bytes > ROOM {
            return None;
        }
        let context = [request.number(), address as u64, n_bytes as u64];
        let result = bpf::prog_test_run_raw_tp(self.program.as_fd(), &context).ok()?;
        (result as i32 >= 0).then_some(result)
    }

    fn answer(&self) -> Option<Vec<u8>> {
        self.value.lookup(&0u32.to_ne_bytes()).ok()?
    }
}

/// ```text
///   r6 = context, r7 = the value
///   r1, r2, r3 = r7, [r6 + 16] (at most ROOM), [r6 + 8]
///   for each request: if [r6] is its number, call its helper and exit; the task goes to [r7]
///   exit -1
/// ```
fn code(value: std::os::fd::BorrowedFd) -> Vec<Insn> {
    use std::os::fd::AsRawFd;
    let insn = |code, dst, src, off, imm| Insn { code, dst, src, off, imm };
    let load_word = |dst, off| insn(LDX | MEM | Size::DW.code(), dst, 6, off, 0);
    let set = |dst, imm| insn(ALU64 | Alu::Mov.code(), dst, 0, 0, imm);
    let copy = |dst, src| insn(ALU64 | X | Alu::Mov.code(), dst, src, 0, 0);
    let exit = insn(EXIT, 0, 0, 0, 0);
    let mut code = vec![
        copy(6, 1),
        insn(LDDW, 7, PSEUDO_MAP_VALUE, 0, value.as_raw_fd()),
        insn(0, 0, 0, 0, 0),
        load_word(8, 0),
        copy(1, 7),
        load_word(2, 16),
        load_word(3, 8),
        insn(JMP | Cond::Le.code(), 2, 0, 2, ROOM as i32),
        set(0, -1),
        exit,
    ];
    for (request, helper) in REQUESTS {
        let mut answer = vec![insn(CALL, 0, 0, 0, helper.0)];
        if let Request::CurrentTask = request {
            answer.extend([insn(STX | MEM | Size::DW.code(), 7, 0, 0, 0), set(0, 0)]);
        }
        answer.push(exit);
        code.push(insn(JMP | Cond::Ne.code(), 8, 0, answer.len() as i16, request.number() as i32));
        code.extend(answer);
    }
    code.extend([set(0, -1), exit]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peek() -> Option<Peek> {
        Peek::open().map_err(|error| eprintln!("SKIPPED: no bpf here: {error}")).ok()
    }

    #[test]
    fn own_memory_is_read_and_bad_addresses_are_not() {
        let Some(peek) = peek() else { return };
        let text = c"a text of this process";
        let address = text.as_ptr() as i64;
        assert_eq!(peek.text(Space::User, address, 100).as_deref(), Some(text.to_bytes()));
        assert_eq!(peek.text(Space::User, address, 6).as_deref(), Some(&b"a text"[..]));
        let mut bytes = [0; 3];
        assert!(peek.bytes(Space::User, address + 2, &mut bytes) && bytes == *b"tex");
        for space in [Space::User, Space::Kernel] {
            assert!(!peek.bytes(space, 1, &mut bytes), "{space:?}");
            assert_eq!(peek.text(space, 1, 10), None, "{space:?}");
        }
        assert!(!peek.bytes(Space::User, address, &mut [0; ROOM + 1]));
    }

    #[test]
    fn the_current_task_is_the_first_thread_and_can_be_read() {
        let Some(peek) = peek() else { return };
        let task = peek.current_task();
        assert!(task < 0, "{task:#x}");
        let mut word = [0; 8];
        assert!(peek.bytes(Space::Kernel, task, &mut word));
        let other = std::thread::scope(|scope| scope.spawn(|| peek.current_task()).join().unwrap());
        assert_eq!(other == task, peek.group_leader.is_some());
    }
}
