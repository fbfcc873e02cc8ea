"""What probes of kernel functions cost: per hit in instructions of the guest, exact and the same every time; and until they are attached.

A loop makes one system call over and over while a tracer counts it; what a call takes without a tracer is taken off.
`--rivals` puts bpftrace's cheapest form (kfunc) beside it in the same boot.
"""
import os
import re
import shutil
import subprocess
import tempfile

import guest
import kernels
from suite import ROOT

# What is counted: a script of ours, bpftrace's program for the same, and the most ours may cost of it.
CASES = [
    ("n++", 'global n probe kernel.function("vfs_read") { n++ }', "kfunc:vfs_read { @ = count(); }", 0.6),
    ("n[execname()]++", 'global n probe kernel.function("vfs_read") { n[execname()]++ }', "kfunc:vfs_read { @[comm] = count(); }", 0.8),
    ("s <<< $count", 'global s probe kernel.function("vfs_read") { s <<< $count }', "kfunc:vfs_read { @ = sum(args->count); }", 1.0),
    ("n[$file->f_flags]++", 'global n probe kernel.function("vfs_read") { n[$file->f_flags]++ }', "kfunc:vfs_read { @[args->file->f_flags] = count(); }", 0.5),
    (".return, $return", 'global s probe kernel.function("vfs_read").return { s <<< $return }', "kretfunc:vfs_read { @ = sum(retval); }", 1.0),
    ("kprobe n++", 'global n probe kprobe.function("vfs_read") { n++ }', "kprobe:vfs_read { @ = count(); }", 1.0),
]


# From the start of the program to the first sign of life with some two thousand functions probed.
WIDE = "t*"
WIDE_OURS = f'global n probe kernel.function("{WIDE}") {{ n++ }} probe timer.ms(1) {{ println("live") exit() }}'
WIDE_RIVAL = f'kprobe:{WIDE} {{ @ = count(); }} interval:ms:1 {{ printf("live\\n"); exit(); }}'
# In one link; one by one the kernel takes 12 million instructions for each of them, whoever asks: it goes through all it can trace.
WIDE_LIMIT, ONE_BY_ONE_LIMIT = 0.5, 1.0


def run(options):
    with tempfile.TemporaryDirectory() as work:
        loop = os.path.join(work, "loop")
        subprocess.run(["cc", "-O2", "-static", "-o", loop, os.path.join(ROOT, "tests", "lab", "loop.c")], check=True)
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
        ours = os.path.join(ROOT, "target", "release", "tapdeck")
        rival = shutil.which("bpftrace") if options.rivals else None
        bad = 0
        for series in options.kernel or ["6.1", "7"]:
            bad += measure(kernels.fetch(series), loop, ours, rival)
        return int(bad > 0)


def measure(kernel, loop, ours, rival):
    # CONFIG_FPROBE: the kernel probes many functions through one link.
    jobs = [guest.Job("grep -cw register_fprobe_ips /proc/kallsyms"), guest.Job(f"{loop} read")]
    for _, script, program, _ in CASES:
        jobs.append(guest.Job(f"{ours} run -w -D STP_NO_OVERLOAD -c '{loop} read' -e '{script}'", 300))
        if rival:
            jobs.append(guest.Job(f"{rival} -c '{loop} read' -e '{program}'", 300))
    jobs.append(guest.Job(timed(f"{ours} run -w -e '{WIDE_OURS}'"), 300))
    if rival:
        # Without that word bpftrace refuses more than 512, and without descriptors it leaves out those behind the first thousand.
        jobs.append(guest.Job("ulimit -n 100000; " + timed(f"BPFTRACE_MAX_PROBES=100000 {rival} -e '{WIDE_RIVAL}'"), 300))
    files = [loop, ours] + ([rival] if rival else [])
    results = iter(guest.run(kernel, jobs, files, icount=True))
    has_one_link = next(results).status == 0
    base = instructions(next(results))
    print(f"== {kernel.release}: a call of read(2) takes {base} instructions without a probe")
    bad = 0
    for name, _, _, limit in CASES:
        cost = instructions(next(results)) - base
        line = f"{name:20} {cost:6}"
        if rival:
            other = instructions(next(results)) - base
            line += f"   bpftrace {other:6}   {cost / other:.2f} of it, at most {limit}"
            bad += cost > limit * other
        print(line, flush=True)
    took = seconds(next(results))
    line = f"{WIDE + ' to attached':20} {took:5.2f}s"
    if rival:
        other = seconds(next(results))
        limit = WIDE_LIMIT if has_one_link else ONE_BY_ONE_LIMIT
        line += f"   bpftrace {other:5.2f}s   {took / other:.2f} of it, at most {limit}"
        bad += took > limit * other
    print(line, flush=True)
    return bad


def timed(command):
    """Says when the command printed `live`; /proc/uptime counts hundredths of seconds."""
    return (
        f"read begun x </proc/uptime; {command} 2>&1 | {{ while read -r line; do if [ \"$line\" = live ]; then "
        'read ended x </proc/uptime; echo "took $begun $ended"; else echo "$line"; fi; done; }'
    )


def seconds(result):
    found = re.search(rb"took (\S+) (\S+)", result.output)
    if not found:
        raise kernels.LabError(f"{result.job.text}: {result.output.decode(errors='replace')[-2000:]}")
    return float(found.group(2)) - float(found.group(1))


def instructions(result):
    found = re.search(rb"loop (\d+) (\d+)", result.output)
    if not found:
        raise kernels.LabError(f"{result.job.text}: {result.output.decode(errors='replace')[-2000:]}")
    return int(found.group(1))
