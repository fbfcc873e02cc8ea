"""The kernel suite: the project's own test binaries, those tests that load programs, inside each kernel.

The tests are the ones `cargo test` runs here; in a guest they find what this machine's kernel may lack, such as
kprobes. The program they start is the optimised one: the emulated processor is four times as long at the other.
A test that a kernel cannot run says SKIPPED and why, and the report counts those.
"""
import json
import os
import re
import shutil
import subprocess
import sys

import guest
import kernels

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Target of a test binary to the tests in it that need a kernel.
TESTS = {
    "tapdeck": ["runtime::tests::kernel::", "runtime::features::", "sys::bpf::", "probes::kernel_function::"],
    "kernel": [""],
    "it": ["runs::", "functions::", "both::"],
}
# Not about the kernel but about this machine: its clock, its terminal, its speed.
LEFT_OUT = ["cost::", "tui::"]
# Where the tests run that need the kernel's debug information, with those of modules beside it.
DEBUG_INFO = "6.1"
DEBUG_TESTS = "debug_information::"
# What only a locked-down kernel shows, in a boot of its own; asked for by name in every kernel.
LOCKED = "6.1"
LOCKED_TESTS = "lockdown::"
LOCKED_APPEND = "lockdown=confidentiality"
# The dashboard's tests want a terminal.
TERMINAL = ["/usr/bin/tmux", "/usr/lib/locale/C.utf8", "/usr/lib/terminfo/t/tmux-256color", "/usr/share/terminfo/t/tmux-256color", "/lib/terminfo/t/tmux-256color"]
SECONDS = 1500


def run(options):
    binaries = test_binaries()
    program = os.path.join(ROOT, "target", "debug", "tapdeck")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    released = os.path.join(ROOT, "target", "release", "tapdeck")
    # What scripts trace are programs, not names of one busybox.
    traced = [os.path.realpath(path) for path in map(shutil.which, ("cat", "dd")) if path]
    terminal = [path for path in TERMINAL if os.path.exists(path)]
    files = [*binaries.values(), *(os.path.join(ROOT, "tests", name) for name in ("scripts", "programs")), *traced, *terminal]
    failed, missing = [], []

    def judge(series, release, results):
        output = b"".join(result.output for result in results).decode(errors="replace")
        passed = sum(int(n) for n in re.findall(r"(\d+) passed", output))
        skipped = len(re.findall(r"SKIPPED|skipped:", output))
        broken = any(result.status for result in results) or not passed
        print(f"== {release}: {passed} passed, {skipped} skipped, {'FAILED' if broken else 'ok'}", flush=True)
        if broken:
            failed.append(series)

    def testing(binary, filters, rest="", seconds=SECONDS):
        return guest.Job(f"cd {ROOT}; TAPDECK_LAB=1 {binary} {' '.join(filters)} {rest} --nocapture --test-threads=1", seconds)

    for series in options.kernel or kernels.SERIES:
        try:
            kernel = kernels.fetch(series)
        except kernels.LabError as error:
            missing.append(f"{series}: {error}")
            continue
        print(f"== kernel suite in {kernel.release}", flush=True)
        jobs = [guest.Job(f"uname -r; {program} doctor", 60)]
        skips = " ".join(f"--skip {left_out}" for left_out in LEFT_OUT)
        jobs += [testing(binaries[name], options.filters or filters, skips) for name, filters in TESTS.items()]
        debug = None
        if series == DEBUG_INFO:
            try:
                debug = guest.debug_information(kernel, released)
                job = testing(binaries["it"], options.filters or [DEBUG_TESTS])
                jobs.append(guest.Job(f"{guest.MOUNT_DEBUG}; {job.text}", job.timeout))
            except kernels.LabError as error:
                missing.append(f"{series} with debug information: {error}")
        results = guest.run(kernel, jobs, files, show=sys.stdout.buffer, headings=True, debug=debug, instead={program: released})
        # doctor says with its status whether anything is missing; that is not ours to judge.
        judge(series, kernel.release, results[1:])
        if LOCKED_TESTS in options.filters or (series == LOCKED and not options.filters):
            print(f"== locked down: {kernel.release}", flush=True)
            jobs = [testing(binaries["it"], [LOCKED_TESTS], seconds=300)]
            results = guest.run(kernel, jobs, files, show=sys.stdout.buffer, headings=True, append=LOCKED_APPEND, instead={program: released})
            judge(f"{series} locked down", kernel.release, results)
    for kernel in missing:
        print(f"lab: *** SKIPPED, NOT TESTED *** kernel {kernel}", file=sys.stderr)
    if failed:
        print(f"lab: not green in {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def test_binaries():
    """Builds them; target name to path."""
    build = ["cargo", "test", "--workspace", "--no-run", "--message-format=json"]
    done = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise kernels.LabError("the tests do not build")
    found = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        target = message.get("target", {})
        if message.get("executable") and message["profile"]["test"] and target["name"] in TESTS and "bin" not in target["kind"]:
            found[target["name"]] = message["executable"]
    return found
