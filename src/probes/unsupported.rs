//! Probe points SystemTap has and tapdeck has not: named, so that a script that uses one is told why and what to write
//! instead, rather than that it is misspelt.

use super::{NoMatch, Pattern, ProbeFamily, Resolved, pattern::parts};
use crate::{debuginfo::World, language::ast::ProbePoint};

pub struct Unsupported;

const INSTEAD: &str = "for system calls write syscall.NAME, for kernel events kernel.trace(\"NAME\")";

const FUNCTION: &str = "probe the function itself: kernel.function(\"NAME\"), module(\"NAME\").function(\"NAME\")";

/// First names of SystemTap's library that rest on probes of kernel functions.
const LIBRARY: [&str; 16] = [
    "vfs",
    "vm",
    "tcp",
    "udp",
    "socket",
    "nfs",
    "nfsd",
    "sunrpc",
    "scsi",
    "tty",
    "ipmib",
    "tcpmib",
    "linuxmib",
    "generic",
    "memory",
    "pagefault",
];

/// First names of SystemTap's library that are marks in programs.
const OF_PROGRAMS: [&str; 9] = ["stap", "staprun", "stapio", "glib", "gobject", "hotspot", "perl", "ruby", "qemu"];

impl ProbeFamily for Unsupported {
    fn patterns(&self) -> &'static [Pattern] {
        &[]
    }

    fn resolve(&self, point: &ProbePoint, _world: &World) -> Option<Resolved> {
        let parts = parts(point);
        let (first, second) = (parts.first()?.0, parts.get(1).map_or("", |(name, _)| *name));
        let (what, needs, help) = match (first, second) {
            ("kernel" | "module", "function" | "statement" | "inline" | "callee") | ("kprobe", _) => {
                (point_name(&parts), "places inside of kernel functions", "write kernel.function(\"NAME\") or .return")
            }
            ("kernel", "tracepoint") => (
                format!("{first}.{second}"),
                "positional arguments",
                "write kernel.trace(\"NAME\"), with arguments by name",
            ),
            ("kernel", "data") => (format!("{first}.{second}"), "hardware breakpoints", INSTEAD),
            (
                "process",
                "function" | "statement" | "mark" | "plt" | "library" | "provider" | "inline" | "insn" | "data",
            ) => (format!("{first}.{second}"), "probes of user programs", "process.begin, .end and .thread work"),
            ("process", "syscall") => {
                (format!("{first}.{second}"), "system calls by process", "write syscall_any with if (pid() == …)")
            }
            ("perf", _) => ("perf".to_owned(), "performance counters", "timer.profile samples every processor"),
            (first, _) if OF_PROGRAMS.contains(&first) => {
                (point_name(&parts), "probes of user programs", "process.begin, .end and .thread work")
            }
            ("netfilter" | "lsm" | "java" | "python2" | "python3" | "debuginfod", _) => {
                (first.to_owned(), "its own kind of attachment", INSTEAD)
            }
            (first, _) if LIBRARY.contains(&first) => (point_name(&parts), "an alias of the library", FUNCTION),
            _ => return None,
        };
        let message = format!("{what} needs {needs}, which tapdeck does not have");
        Some(NoMatch::new(message).at_part(0).help(help).into())
    }
}

fn point_name(parts: &[super::pattern::Part<'_>]) -> String {
    parts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use crate::probes::testing::resolve_text;

    #[test]
    fn each_is_named() {
        for (text, what) in [
            ("kernel.inline(\"a\")", "kernel.inline needs places inside of kernel functions"),
            ("process(\"/bin/ls\").function(\"main\")", "process.function needs probes of user programs"),
            ("vfs.read.return", "vfs.read.return needs an alias of the library, which tapdeck does not have"),
            ("stap.pass0.end", "stap.pass0.end needs probes of user programs, which tapdeck does not have"),
            ("netfilter.hook(\"x\").pf(\"y\")", "netfilter needs its own kind of attachment"),
        ] {
            assert!(resolve_text(text).starts_with(what), "{}", resolve_text(text));
        }
        assert_eq!(resolve_text("kernel.trce(\"x\")"), "unknown");
    }
}
