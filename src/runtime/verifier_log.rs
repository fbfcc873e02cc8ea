//! The verifier's text as a diagnostic on the script: which instruction it stopped at, where in the script that came
//! from, and what its complaint means for the person who wrote the script. kernel/bpf/verifier.c prints one line
//! `N: (opcode) …` for each instruction and the complaint after the last one.

use tapdeck_ebpf::{
    ir::SourceTag,
    object::{Object, ProgramDef},
};

use super::{load::Rejection, lockdown};
use crate::{
    diagnostics::{Diagnostic, Severity, Stage},
    source::Span,
};

/// What the text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The last instruction it looked at.
    pub insn: Option<u32>,
    /// Its last words.
    pub reason: String,
}

/// Finds the complaint in a log.
pub fn read_log(log: &str) -> Complaint {
    let mut insn = None;
    let mut reason = String::new();
    for line in log.lines().map(str::trim_end) {
        if let Some(number) = instruction_number(line) {
            insn = Some(number);
            reason.clear();
        } else if is_noise(line) {
        } else {
            // `infinite loop detected at insn 12`, `back-edge from insn 12 to 3` name it themselves.
            if let Some(number) = number_after(line, "insn ") {
                insn = Some(number);
            }
            reason = line.trim().to_owned();
        }
    }
    Complaint { insn, reason }
}

/// `12` of `12: (85) call bpf_probe_read_kernel#113 ; R0_w=…`.
fn instruction_number(line: &str) -> Option<u32> {
    let (number, rest) = line.split_once(": (")?;
    (rest.as_bytes().get(2) == Some(&b')')).then(|| number.trim().parse().ok())?
}

fn number_after(line: &str, word: &str) -> Option<u32> {
    let rest = &line[line.find(word)? + word.len()..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// Lines that describe state rather than complain.
fn is_noise(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("processed ")
        || line.starts_with("verification time")
        || line.starts_with("stack depth")
        || line.starts_with("func#")
        || line.starts_with(';')
        || line.starts_with("from ")
        || line.starts_with("mark_precise")
        || line.starts_with("last_idx")
        || line.starts_with("regs=")
        || line.starts_with("parent ")
        || line.starts_with("Live regs")
        || line.starts_with("arg#")
        // `12: R0=0 R10=fp0` and frame headers.
        || line.split_once(": ").is_some_and(|(n, rest)| n.parse::<u32>().is_ok() && rest.starts_with(['R', 'f']))
        || line.contains(": safe")
        || line.starts_with("caller:")
        || line.starts_with("callee:")
        || line.starts_with("frame")
        || line.starts_with("returning from")
        || line.starts_with("to caller")
}

/// Where an instruction came from; the nearest earlier one that is known.
pub fn tag_of(program: &ProgramDef, insn: u32) -> SourceTag {
    let upto = program.lines.partition_point(|(start, _)| *start <= insn);
    program.lines[..upto]
        .iter()
        .rev()
        .map(|(_, tag)| *tag)
        .find(|tag| *tag != SourceTag::NONE)
        .unwrap_or(SourceTag::NONE)
}

/// The refusal as a diagnostic. `spans` is [`super::plan::Lowered::spans`].
pub fn diagnose(rejection: &Rejection, object: &Object, spans: &[Span]) -> Diagnostic {
    let complaint = read_log(&rejection.log);
    let tag = object.programs.get(rejection.program_idx).map(|program| match complaint.insn {
        Some(insn) => tag_of(program, insn),
        // Without a list of instructions it is about the whole.
        None => {
            program.lines.iter().map(|(_, tag)| *tag).find(|tag| *tag != SourceTag::NONE).unwrap_or(SourceTag::NONE)
        }
    });
    let span = tag.and_then(|tag| spans.get(tag.index()).copied()).unwrap_or(Span::NONE);
    let (kind, message, help) = explain(&complaint, rejection);
    Diagnostic::new(kind, Severity::Error, Stage::Generate, message).at(span).help(help)
}

fn explain(complaint: &Complaint, rejection: &Rejection) -> (&'static str, String, String) {
    let reason = complaint.reason.as_str();
    let errno = rejection.source.raw_os_error();
    // Lines of the script are in the log, too, and may say anything.
    let log = || rejection.log.lines().filter(|line| !line.starts_with(';'));
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word) || log().any(|line| line.contains(word)));
    // The last one: what the kernel writes into the program makes its jumps too long.
    let too_much = [super::load::TOO_LARGE, "too complex", "back-edge", "infinite loop", "patched due to 16-bit range"];
    if says(&too_much) || errno == Some(super::load::libc_errno::E2BIG) {
        return (
            "verifier-too-complex",
            "this handler is too complex for the kernel: its verifier gave up".to_owned(),
            "shorten loops and strings, split the handler over several probes, or do the work in a timer or end probe, \
             which run in user space"
                .to_owned(),
        );
    }
    if says(&["combined stack size", "invalid stack off", "stack out of bounds"]) {
        return (
            "verifier-stack",
            "this handler needs more stack than the kernel gives eBPF programs".to_owned(),
            "use fewer or shorter strings here (-D MAXSTRINGLEN=128), or do the work in a timer or end probe"
                .to_owned(),
        );
    }
    let missing = ["unknown func", "program of this type cannot use helper"];
    // Every kernel that runs tapdeck has these two and takes them away when it is locked down.
    if says(&missing.map(|words| format!("{words} bpf_probe_read_kernel")).each_ref().map(String::as_str)) {
        return ("verifier-locked-down", lockdown::LOCKED_DOWN.to_owned(), lockdown::WAY_OUT.to_owned());
    }
    if says(&["unknown func", "invalid func", "program of this type cannot use helper"]) {
        return (
            "verifier-missing-helper",
            format!("this kernel lacks something the handler needs: {reason}"),
            "a later kernel has it; `tapdeck doctor` lists what this one offers".to_owned(),
        );
    }
    let reason = if reason.is_empty() { rejection.source.to_string() } else { reason.to_owned() };
    (
        "verifier-refused",
        format!("the kernel's verifier refused this handler: {reason}"),
        "write it in a simpler way, or move it to a timer or end probe; -v shows the verifier's log. \
         It is probably a bug in tapdeck"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use tapdeck_ebpf::object::ProgramKind;

    use super::*;
    use crate::source::FileId;

    const LOG: &str = "\
func#0 @0
0: R1=ctx() R10=fp0
0: (b7) r2 = 0                        ; R2_w=0
1: (79) r3 = *(u64 *)(r2 +0)
R2 invalid mem access 'scalar'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

    fn object() -> Object {
        let program = ProgramDef {
            name: "p".to_owned(),
            section: "raw_tp/x".to_owned(),
            kind: ProgramKind::RawTracepoint { name: "x".to_owned() },
            entry: Some(0),
            tail: None,
            code: vec![0; 16],
            relocations: Vec::new(),
            functions: Vec::new(),
            lines: vec![(0, SourceTag(1)), (1, SourceTag::NONE)],
        };
        Object { programs: vec![program], ..Object::default() }
    }

    fn rejected(log: &str, errno: i32) -> Rejection {
        Rejection {
            program: "p".to_owned(),
            program_idx: 0,
            log: log.to_owned(),
            source: io::Error::from_raw_os_error(errno),
        }
    }

    #[test]
    fn finds_the_instruction_and_the_reason() {
        assert_eq!(read_log(LOG), Complaint { insn: Some(1), reason: "R2 invalid mem access 'scalar'".to_owned() });
        assert_eq!(read_log("infinite loop detected at insn 12\n").insn, Some(12));
        assert_eq!(read_log(""), Complaint { insn: None, reason: String::new() });
    }

    #[test]
    fn points_at_the_script() {
        let span = Span::new(FileId(0), 3, 9);
        let found = diagnose(&rejected(LOG, 13), &object(), &[Span::NONE, span]);
        assert_eq!(found.primary, Some(span));
        assert_eq!(found.kind, "verifier-refused");
        assert!(found.message.contains("invalid mem access"), "{}", found.message);
    }

    #[test]
    fn too_much_is_not_our_bug() {
        let log = "processed 1000001 insns (limit 1000000) max_states_per_insn 4\n";
        assert_eq!(diagnose(&rejected(log, 7), &object(), &[]).kind, "verifier-too-complex");
        let log = "insn 47120 cannot be patched due to 16-bit range\n";
        assert_eq!(diagnose(&rejected(log, 34), &object(), &[]).kind, "verifier-too-complex");
        let log = "combined stack size of 2 calls is 960. Too large\n";
        assert_eq!(diagnose(&rejected(log, 13), &object(), &[]).kind, "verifier-stack");
    }

    #[test]
    fn what_lockdown_takes_away_is_told_from_what_a_kernel_never_had() {
        let span = Span::new(FileId(0), 3, 9);
        for helper in ["bpf_probe_read_kernel#113", "bpf_probe_read_kernel_str#115"] {
            for words in ["unknown func", "program of this type cannot use helper"] {
                let log = format!("1: (85) call {helper}\n{words} {helper}\nprocessed 1 insns\n");
                let found = diagnose(&rejected(&log, 22), &object(), &[Span::NONE, span]);
                assert_eq!((found.kind, found.primary), ("verifier-locked-down", Some(span)), "{log}");
                assert_eq!(found.message, lockdown::LOCKED_DOWN);
            }
        }
        let log = "1: (85) call bpf_loop#181\nunknown func bpf_loop#181\n";
        assert_eq!(diagnose(&rejected(log, 22), &object(), &[]).kind, "verifier-missing-helper");
    }
}
