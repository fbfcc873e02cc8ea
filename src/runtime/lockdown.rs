//! Lockdown: what a kernel keeps to itself even from root (kernel_lockdown(7); include/linux/security.h, `enum
//! lockdown_reason`). Of its two levels `confidentiality` concerns tracing: programs lose the helpers that read the
//! kernel's memory, tracefs is empty, kprobes one by one are refused. What comes in registers can be had all the same.

use std::fs;

use super::features::{Check, CheckState};
use crate::sys::bpf;

const FILE: &str = "/sys/kernel/security/lockdown";

/// Why something is refused; completes "…: {}".
pub const LOCKED_DOWN: &str = "this kernel is locked down for confidentiality, so probes may not read its memory";

/// What helps, and what needs no help.
pub const WAY_OUT: &str = "boot it with lockdown=integrity or without lockdown; counting by process, name, result or time \
                           works as it is";

/// `r1 = r10 - 8; r2 = 8; r3 = 0; call bpf_probe_read_kernel; r0 = 0; exit`.
const READ: [u8; 56] = [
    0xbf, 0xa1, 0, 0, 0, 0, 0, 0, 0x07, 1, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0xb7, 2, 0, 0, 8, 0, 0, 0, 0xb7, 3, 0, 0, 0,
    0, 0, 0, 0x85, 0, 0, 0, 113, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
];

/// Whether programs load here but may not read the kernel's memory. Found by trying, so that it is known where the
/// file system that says so is not mounted; false where no program loads at all.
pub fn forbids_reading() -> bool {
    let refused = |code: &[u8]| super::features::try_program(bpf::BPF_PROG_TYPE_RAW_TRACEPOINT, code, (0, 0)).is_err();
    refused(&READ) && !refused(&super::features::NOTHING)
}

/// Why something was not permitted to whom all is permitted, and what helps; `None` when lockdown is not the reason.
pub fn sentence() -> Option<String> {
    forbids_reading().then(|| format!("{LOCKED_DOWN}; {WAY_OUT}"))
}

/// Lockdown as doctor's row.
pub(super) fn check() -> Check {
    judge(fs::read_to_string(FILE).ok().as_deref(), forbids_reading())
}

/// `said`: what the kernel says of itself, `none [integrity] confidentiality`.
fn judge(said: Option<&str>, forbids_reading: bool) -> Check {
    let name = "lockdown";
    let level = said.and_then(|text| text.split(['[', ']']).nth(1));
    match level {
        Some("confidentiality") => Check::bad(
            name,
            CheckState::Limited,
            "confidentiality: probes may not read the kernel's memory, which most arguments and members are",
            WAY_OUT,
        ),
        _ if forbids_reading => Check::bad(
            name,
            CheckState::Limited,
            "probes may not read the kernel's memory, as under lockdown=confidentiality",
            WAY_OUT,
        ),
        Some("integrity") => Check::ok(name, "integrity, which forbids nothing that tracing needs"),
        Some(level) => Check::ok(name, level),
        None => Check::ok(name, "no"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_told() {
        let row = |said, forbids| {
            let check = judge(said, forbids);
            (check.state, check.detail, check.way_out)
        };
        let ok = |detail: &str| (CheckState::Ok, detail.to_owned(), String::new());
        assert_eq!(row(Some("[none] integrity confidentiality\n"), false), ok("none"));
        assert_eq!(
            row(Some("none [integrity] confidentiality\n"), false),
            ok("integrity, which forbids nothing that tracing needs")
        );
        // No such file: no lockdown in this kernel, or nobody mounted securityfs.
        assert_eq!(row(None, false), ok("no"));
        assert_eq!(row(Some(""), false), ok("no"));
        for said in [Some("none integrity [confidentiality]\n"), Some("[none] integrity confidentiality\n"), None] {
            let (state, detail, way_out) = row(said, true);
            assert_eq!(state, CheckState::Limited, "{said:?}");
            assert!(detail.contains("may not read the kernel's memory"), "{detail}");
            assert!(detail.contains("confidentiality"), "{detail}");
            assert!(way_out.starts_with("boot it with lockdown=integrity"), "{way_out}");
        }
    }

    #[test]
    fn this_kernel_is_asked_by_trying() {
        if !super::super::features::can_trace() {
            eprintln!("SKIPPED: {}", super::super::features::why_not());
            return;
        }
        let says = fs::read_to_string(FILE).is_ok_and(|text| text.contains("[confidentiality]"));
        assert_eq!(forbids_reading(), says);
    }
}
