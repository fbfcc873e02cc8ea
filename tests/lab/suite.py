"""The kernel suite: the project's own test binaries, those tests that load programs, inside each kernel.

The tests are the ones `cargo test` runs here; in a guest they find what this machine's kernel may lack, such as
kprobes. A test that a kernel cannot run says SKIPPED and why, and the report counts those.
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
    "it": ["runs::", "functions::"],
}
# Not about the kernel but about this machine: its clock, its terminal, its speed.
LEFT_OUT = ["cost::", "tui::"]
# Where the tests run that need the kernel's debug information, with those of modules beside it.
DEBUG_INFO = "6.1"
DEBUG_TESTS = "debug_information::"
SECONDS = 1500


def run(options):
    binaries = test_binaries()
    program = os.path.join(ROOT, "target", "debug", "tapdeck")
    # What scripts trace are programs, not names of one busybox.
    traced = [os.path.realpath(path) for path in map(shutil.which, ("cat", "dd")) if path]
    files = [*binaries.values(), program, *(os.path.join(ROOT, "tests", name) for name in ("scripts", "programs")), *traced]
    failed, missing = [], []
    for series in options.kernel or kernels.SERIES:
        try:
            kernel = kernels.fetch(series)
        except kernels.LabError as error:
            missing.append(f"{series}: {error}")
            continue
        print(f"== kernel suite in {kernel.release}", flush=True)
        jobs = [guest.Job(f"uname -r; {program} doctor", 60)]
        for name, filters in TESTS.items():
            filters = options.filters or filters
            skips = [word for left_out in LEFT_OUT for word in ("--skip", left_out)]
            jobs.append(guest.Job(" ".join([f"cd {ROOT}; TAPDECK_LAB=1", binaries[name], *filters, *skips, "--nocapture", "--test-threads=1"]), SECONDS))
        debug = None
        if series == DEBUG_INFO:
            try:
                debug = guest.debug_information(kernel, program)
                filters = " ".join(options.filters or [DEBUG_TESTS])
                jobs.append(guest.Job(f"{guest.MOUNT_DEBUG}; cd {ROOT}; TAPDECK_LAB=1 {binaries['it']} {filters} --nocapture --test-threads=1", SECONDS))
            except kernels.LabError as error:
                missing.append(f"{series} with debug information: {error}")
        results = guest.run(kernel, jobs, files, show=sys.stdout.buffer, headings=True, debug=debug)
        # doctor says with its status whether anything is missing; that is not ours to judge.
        broken = [result for result in results[1:] if result.status]
        output = b"".join(result.output for result in results).decode(errors="replace")
        passed = sum(int(n) for n in re.findall(r"(\d+) passed", output))
        skipped = len(re.findall(r"SKIPPED|skipped:", output))
        print(f"== {kernel.release}: {passed} passed, {skipped} skipped, {'FAILED' if broken else 'ok'}", flush=True)
        if broken or not passed:
            failed.append(series)
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
