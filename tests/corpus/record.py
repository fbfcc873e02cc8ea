#!/usr/bin/env python3
"""Asks SystemTap 5.6 about the cases of FILE that have no answers yet, and writes them behind the scripts.

usage: record.py FILE [STAP…]     STAP is the command to ask, for instance: stap -r FOLDER-OF-A-KERNEL-BUILD
"""
import re
import subprocess
import sys

KEPT_OUT = ("WARNING: Kernel function symbol table", "Tip: ")


def ask(command, options, script, args):
    run = subprocess.run(command + options + ["-e", script] + args, capture_output=True, text=True)
    err = "".join(line for line in run.stderr.splitlines(True) if not line.startswith(KEPT_OUT))
    return run.returncode, run.stdout, err


def answered(block, command):
    head, _, script = block.partition("\n")
    words = head.split()
    options = [word for word in words if not word.startswith("ARG:")]
    args = [word[4:] for word in words if word.startswith("ARG:")]
    text = re.sub(r"^#! .*\n", "", script, flags=re.M).rstrip("\n")
    out = ""
    for last in ("-p1", "-p2"):
        status, stdout, stderr = ask(command, [last] + options, text, args)
        out += f"---- {last} {status}\n{stdout}---- err\n{stderr}"
        if status != 0 and "Pass 1" in stderr:
            break
    return block.rstrip("\n") + "\n" + out


def main():
    path, command = sys.argv[1], sys.argv[2:] or ["stap"]
    with open(path) as file:
        blocks = ("\n" + file.read()).split("\n==== ")[1:]
    blocks = [block if "\n---- " in block else answered(block, command).rstrip("\n") for block in blocks]
    with open(path, "w") as file:
        file.write("".join(f"==== {block}\n" for block in blocks))


main()
