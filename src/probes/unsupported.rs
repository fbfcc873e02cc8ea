//! Probe points SystemTap has and tapdeck has not: named, so that a script that uses one is told why and what to write
//! instead, rather than that it is misspelt.

use super::{NoMatch, Pattern, ProbeFamily, Resolved, pattern::parts};
use crate::{debuginfo::World, language::ast::ProbePoint};

pub struct Unsupported;

const INSTEAD: &str = "for system calls write syscall.NAME, for kernel events kernel.trace(\"NAME\")";

const FUNCTION: &str = "probe the function itself: kernel.function(\"NAME\"), module(\"NAME\").function(\"NAME\")";

/// First names of SystemTap's library that rest on probes of kernel functions.
const LIBRARY: [&str; 13] = [
    "vfs",
    "vm",
    "tcp",
    "udp",
    "socket",
    "scsi",
    "tty",
    "ipmib",
    "tcpmib",
    "linuxmib",
    "generic",
    "memory",
    "pagefault",
];

/// What follows the family in an alias, and a function.
type Functions = &'static [(&'static str, &'static str)];

/// Aliases about network file systems, remote calls, bridges and disks, and the functions of modules where the same is seen (Linux 6.12).
/// There is no alias for them: what the variables of each would be read from changes with every other kernel.
const OF_MODULES: [(&str, &str, Functions); 9] = [
    (
        "nfsd.proc",
        "nfsd",
        &[
            ("lookup", "nfsd3_proc_lookup"),
            ("read", "nfsd3_proc_read"),
            ("write", "nfsd3_proc_write"),
            ("commit", "nfsd3_proc_commit"),
            ("create", "nfsd3_proc_create"),
            ("remove", "nfsd3_proc_remove"),
            ("rename", "nfsd3_proc_rename"),
            ("entries", "nfsd3_proc_*"),
        ],
    ),
    (
        "nfsd",
        "nfsd",
        &[
            ("unlink", "nfsd_unlink"),
            ("open", "nfsd_open"),
            ("lookup", "nfsd_lookup"),
            ("read", "nfsd_read"),
            ("write", "nfsd_write"),
            ("commit", "nfsd_commit"),
            ("create", "nfsd_create"),
            ("createv3", "nfsd3_proc_create"),
            ("rename", "nfsd_rename"),
            ("dispatch", "nfsd_dispatch"),
        ],
    ),
    (
        "nfs.fop",
        "nfs",
        &[
            ("open", "nfs_file_open"),
            ("release", "nfs_file_release"),
            ("read_iter", "nfs_file_read"),
            ("aio_read", "nfs_file_read"),
            ("write_iter", "nfs_file_write"),
            ("aio_write", "nfs_file_write"),
            ("flush", "nfs_file_flush"),
            ("fsync", "nfs_file_fsync"),
            ("llseek", "nfs_file_llseek"),
            ("lock", "nfs_lock"),
            ("mmap", "nfs_file_mmap"),
            ("check_flags", "nfs_check_flags"),
        ],
    ),
    (
        "nfs.aop",
        "nfs",
        &[
            ("readpage", "nfs_read_folio"),
            ("readpages", "nfs_readahead"),
            ("release_page", "nfs_release_folio"),
            ("write_begin", "nfs_write_begin"),
            ("write_end", "nfs_write_end"),
            ("writepages", "nfs_writepages"),
        ],
    ),
    (
        "nfs.proc",
        "nfsv4",
        &[
            ("lookup", "nfs4_proc_lookup"),
            ("create", "nfs4_proc_create"),
            ("remove", "nfs4_proc_remove"),
            ("rename_setup", "nfs4_proc_rename_setup"),
            ("rename_done", "nfs4_proc_rename_done"),
            ("commit_setup", "nfs4_proc_commit_setup"),
            ("read_setup", "nfs4_proc_read_setup"),
            ("write_setup", "nfs4_proc_write_setup"),
            ("commit_done", "nfs4_commit_done"),
            ("read_done", "nfs4_read_done"),
            ("write_done", "nfs4_write_done"),
            ("handle_exception", "nfs4_handle_exception"),
        ],
    ),
    (
        "sunrpc",
        "sunrpc",
        &[
            ("clnt.call_sync", "rpc_call_sync"),
            ("clnt.call_async", "rpc_call_async"),
            ("clnt.bind_new_program", "rpc_bind_new_program"),
            ("clnt.create_client", "rpc_create"),
            ("clnt.clone_client", "rpc_clone_client"),
            ("clnt.restart_call", "rpc_restart_call"),
            ("clnt.shutdown_client", "rpc_shutdown_client"),
            ("sched.delay", "rpc_delay"),
            ("sched.execute", "rpc_execute"),
            ("sched.new_task", "rpc_new_task"),
            ("svc.create", "svc_create"),
            ("svc.destroy", "svc_destroy"),
            ("svc.process", "svc_process"),
            ("svc.recv", "svc_recv"),
            ("svc.register", "svc_register"),
            ("svc.send", "svc_send"),
        ],
    ),
    (
        "netfilter.bridge",
        "bridge",
        &[
            ("pre_routing", "br_handle_frame"),
            ("local_in", "br_netif_receive_skb"),
            ("forward", "__br_forward"),
            ("local_out", "br_dev_xmit"),
            ("post_routing", "br_dev_queue_push_xmit"),
        ],
    ),
    ("netfilter.arp", "br_netfilter", &[("forward", "br_nf_forward_arp")]),
    ("scsi", "scsi_mod", &[("ioentry", "scsi_queue_rq"), ("ioexecute", "scsi_execute_cmd")]),
];

/// First names of SystemTap's library that are marks in programs.
const OF_PROGRAMS: [&str; 10] =
    ["stap", "staprun", "stapio", "glib", "gobject", "hotspot", "perl", "python", "ruby", "qemu"];

impl ProbeFamily for Unsupported {
    fn patterns(&self) -> &'static [Pattern] {
        &[]
    }

    fn resolve(&self, point: &ProbePoint, _world: &World) -> Option<Resolved> {
        let parts = parts(point);
        let (first, second) = (parts.first()?.0, parts.get(1).map_or("", |(name, _)| *name));
        let (what, needs, help) = match (first, second) {
            ("kprobe", _) => {
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
            ("nfs" | "nfsd" | "sunrpc", _) | ("netfilter", "bridge" | "arp") | ("scsi", "ioentry" | "ioexecute") => {
                return Some(of_module(&point_name(&parts)).at_part(0).into());
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

fn of_module(name: &str) -> NoMatch {
    let (plain, suffix) = name.strip_suffix(".return").map_or((name, ""), |plain| (plain, ".return"));
    let found = OF_MODULES.iter().find_map(|(family, module, functions)| {
        let rest = plain.strip_prefix(family)?.strip_prefix('.')?;
        Some((module, functions.iter().find(|(alias, _)| *alias == rest)?.1))
    });
    match found {
        Some((module, function)) => NoMatch::new(format!(
            "{name} is a function of the module {module}, for which tapdeck has no alias"
        ))
        .help(format!("write module(\"{module}\").function(\"{function}\"){suffix}, with its parameters by name")),
        None => NoMatch::new(format!("{name} has no function of its own in today's kernels"))
            .help("kernel.trace(\"nfs*:*\") and kernel.trace(\"sunrpc:*\") are what these modules tell of themselves"),
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
            ("kernel.inline(\"a\")", "unknown"),
            ("kernel.function", "unknown"),
            ("process(\"/bin/ls\").function(\"main\")", "process.function needs probes of user programs"),
            ("vfs.read.return", "vfs.read.return needs an alias of the library, which tapdeck does not have"),
            ("stap.pass0.end", "stap.pass0.end needs probes of user programs, which tapdeck does not have"),
            ("nfsd.proc.entries.return", "nfsd.proc.entries.return is a function of the module nfsd, for which"),
            ("sunrpc.clnt.call_sync", "sunrpc.clnt.call_sync is a function of the module sunrpc, for which"),
            ("netfilter.bridge.local_in", "netfilter.bridge.local_in is a function of the module bridge, for which"),
            ("scsi.ioentry", "scsi.ioentry is a function of the module scsi_mod, for which"),
            ("netfilter.arp.forward", "netfilter.arp.forward is a function of the module br_netfilter, for which"),
            ("nfs.aop.writepage", "nfs.aop.writepage has no function of its own in today's kernels"),
            ("netfilter.hook(\"x\").pf(\"y\")", "netfilter needs its own kind of attachment"),
        ] {
            assert!(resolve_text(text).starts_with(what), "{}", resolve_text(text));
        }
        assert_eq!(resolve_text("kernel.trce(\"x\")"), "unknown");
    }
}
