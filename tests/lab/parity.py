#!/usr/bin/env python3
"""Compares `tapdeck -L 'kernel.function("*")'` with SystemTap's, line by line, on Debian's 6.1 kernel with debug information.

    tests/lab/parity.py                       # fetches the kernel's -dbg package once (0.3 GB, 0.6 GB unpacked), runs both
    tests/lab/parity.py --modules             # 'module("*").function("*")' instead (1.2 GB more)
    tests/lab/parity.py --lines FOLDER        # keeps what SystemTap printed there: it takes three minutes of CPU and more
    tests/lab/parity.py --vmlinux FILE --config FILE   # another kernel, with the configuration it was built with

Every difference falls into a class; docs/differences.md says why each of them is there. What falls into none makes the
exit status 1. SystemTap is Debian's package `systemtap`. Set TAPDECK to compare another build than target/release/tapdeck.
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import kernels

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TAPDECK = os.environ.get("TAPDECK") or os.path.join(ROOT, "target", "release", "tapdeck")
# A compiler's copies of a function have names of their own.
CLONE = re.compile(r"\.(isra|constprop|part)\.\d+")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vmlinux", metavar="FILE")
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("--modules", action="store_true", help="functions of all modules instead of the kernel's own")
    parser.add_argument("--lines", metavar="FOLDER", help="where SystemTap's lines are kept")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="examples of each class")
    options = parser.parse_args()
    vmlinux, config, modules, pattern = options.vmlinux, options.config, None, 'kernel.function("*")'
    if not vmlinux:
        kernel = kernels.fetch("6.1")
        vmlinux, config = kernels.debug_file(kernel), os.path.join(kernel.folder, "boot", "config-" + kernel.release)
        if options.modules:
            vmlinux, pattern = kernels.debug_tree(kernel), 'module("*").function("*")'
            modules = os.path.join(vmlinux, "../../lib/modules", kernel.release, "kernel")
    with tempfile.TemporaryDirectory(prefix="parity.") as scratch:
        folder = options.lines or scratch
        os.makedirs(folder, exist_ok=True)
        theirs = read(stap_lines(vmlinux, config, modules, pattern, folder, []))
        # In guru mode SystemTap does not leave out what it suspects.
        trusting = read(stap_lines(vmlinux, config, modules, pattern, folder, ["-g"]))
        started = time.time()
        done = subprocess.run([TAPDECK, "run", "-r", vmlinux, "-L", pattern], capture_output=True, text=True)
        print(f"tapdeck: {time.time() - started:.2f} s", flush=True)
        ours = read(done.stdout.splitlines())
    never, fentry = how_probed(vmlinux, pattern)
    classes = compare(theirs, trusting, ours, never, fentry, addresses(modules_in(modules) if modules else {"": vmlinux}))
    return report(theirs, ours, classes, options.show)


def stap_lines(vmlinux, config, modules, pattern, folder, more):
    """SystemTap takes the folder of a kernel's build; it looks at little more than the debug information in it."""
    kept = os.path.join(folder, "stap" + "".join(more) + "-" + release(vmlinux) + ("-modules" if modules else "") + ".lines")
    if not os.path.exists(kept):
        with tempfile.TemporaryDirectory(prefix="build.") as build:
            os.makedirs(build + "/include/config")
            os.symlink(os.path.abspath(vmlinux), build + "/vmlinux")
            os.symlink(os.path.abspath(config), build + "/.config")
            open(build + "/Module.symvers", "w").close()
            if modules:
                # It does not look where links lead.
                shutil.copytree(modules, build + "/kernel", copy_function=shutil.copyfile)
            with open(build + "/include/config/kernel.release", "w") as out:
                out.write(release(vmlinux))
            started = time.time()
            done = subprocess.run(["stap", "-r", build, *more, "-L", pattern], capture_output=True, text=True)
            if not done.stdout:
                sys.exit("parity: stap said: " + done.stderr)
        print(f"stap {' '.join(more)}: {time.time() - started:.0f} s", flush=True)
        with open(kept + ".new", "w") as out:
            out.write(done.stdout)
        os.rename(kept + ".new", kept)
    return open(kept).read().splitlines()


def release(vmlinux):
    with open(vmlinux, "rb") as file:
        while chunk := file.read(1 << 24):
            if found := re.search(rb"Linux version (\S+) ", chunk):
                return found.group(1).decode()
    sys.exit(f"parity: {vmlinux} is no kernel")


def read(lines):
    """Probe point to the list of its variables."""
    found = {}
    for line in lines:
        point, *variables = re.split(r" (?=\$)", line)
        found[point] = variables
    return found


def how_probed(vmlinux, pattern):
    """Points that can never be probed, and those that begin with a call of the tracer."""
    done = subprocess.run([TAPDECK, "list", "--all", "-r", vmlinux, pattern], capture_output=True, text=True)
    never, fentry = set(), set()
    for line in done.stdout.splitlines():
        if found := re.match(r'(\S+\.function\(".*?"\)) +(never|fentry)', line):
            (never if found[2] == "never" else fentry).add(found[1])
    return never, fentry


def modules_in(folder):
    """The file of each module by its name in memory."""
    files = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".ko")]
    return {os.path.basename(file)[:-3].replace("-", "_"): file for file in files}


def addresses(files):
    """Each code symbol, as a module and a name, to its places, and back."""
    names, places = collections.defaultdict(set), collections.defaultdict(set)
    for module, file in files.items():
        for line in subprocess.run(["readelf", "-sW", file], capture_output=True, text=True).stdout.splitlines():
            # `  12: 0000000000000010    42 FUNC    LOCAL  DEFAULT    3 vlan_dev_init`
            columns = line.split()
            if len(columns) < 8 or columns[3] not in ("FUNC", "NOTYPE") or columns[6] in ("UND", "ABS"):
                continue
            symbol, place = (module, columns[7]), (module, columns[6], columns[1])
            names[place].add(symbol)
            places[symbol].add(place)
    return names, places


def function(point):
    """Its module, empty for the kernel proper, and its name."""
    return re.match(r'(?:kernel|module\("(.*?)"\))\.function\("([^"@]*)', point).groups("")


def name(variable):
    return variable.partition(":")[0]


def compare(theirs, trusting, ours, never, fentry, symbols):
    classes = collections.defaultdict(list)
    names, places = symbols
    our_functions = {function(point) for point in ours}
    never_functions = {function(point) for point in never}
    # Addresses of what SystemTap lists by its assembler file.
    their_assembler = set().union(*(places[function(point)] for point in theirs if ".S:" in point))
    for point in sorted(theirs.keys() - ours.keys()):
        symbol = module, function_name = function(point)
        same_code = set().union(*(names[place] for place in places[symbol])) - {symbol}
        if point in never:
            kind = "only theirs: the kernel refuses probes there"
        elif "@" not in point and CLONE.search(function_name) and (module, CLONE.split(function_name)[0]) in our_functions:
            kind = "only theirs: a copy by its symbol, beside the function it is of"
        elif same_code & our_functions or ".S:" in point or "<unknown source>" in point or same_code & never_functions:
            kind = "only theirs: assembler, listed here by another of its names or places"
        else:
            kind = "?"
        classes[kind].append(point)
    for point in sorted(ours.keys() - theirs.keys()):
        symbol = _, function_name = function(point)
        if point in trusting:
            kind = "only ours: SystemTap suspects the name, file or section"
        elif CLONE.search(function_name):
            kind = "only ours: what is left of a function whose beginning was inlined, and other copies"
        elif "@" not in point:
            kind = "only ours: a symbol whose description has no code"
        elif ".S:" in point or places[symbol] & their_assembler:
            kind = "only ours: assembler, listed there by another of its names or places"
        else:
            kind = "?"
        classes[kind].append(point)
    for point in sorted(theirs.keys() & ours.keys()):
        their, our = theirs[point], ours[point]
        if their == our:
            continue
        if sorted(their) == sorted(our):
            kind = "variables: in another order"
        elif set(their) < set(our):
            kind = "variables: more, by the copy with instructions of those at one address, without those in code that is freed after the start, and by operations SystemTap does not know"
        elif set(their) > set(our) and point not in fentry:
            kind = "variables: fewer, where SystemTap looks five bytes into a function that has no call of the tracer"
        elif not {name(variable) for variable in set(their) - set(our)} & {name(variable) for variable in set(our) - set(their)}:
            kind = "variables: others, by the copy with instructions of those at one address, and by the first range that has some"
        else:
            kind = "?"
        classes[kind].append(point)
    return classes


def report(theirs, ours, classes, n_examples):
    common = theirs.keys() & ours.keys()
    same = sum(theirs[point] == ours[point] for point in common)
    print(f"SystemTap lists {len(theirs)}, tapdeck {len(ours)}; {len(common)} in both, {same} of them alike to the letter")
    for kind, points in sorted(classes.items()):
        print(f"{len(points):6}  {kind}")
        for point in points[:n_examples]:
            print(f"            {point}")
            if kind.startswith(("variables", "?")) and point in common:
                print(f"              theirs {' '.join(theirs[point])}\n              ours   {' '.join(ours[point])}")
    if "?" in classes:
        print("parity: differences that nobody explains", file=sys.stderr)
    return int("?" in classes)


if __name__ == "__main__":
    sys.exit(main())
