#!/usr/bin/env python3
"""Asks SystemTap 5.6 about the command lines of FILE that have no answers yet, and writes them below.

usage: record.py FILE [STAP…]     STAP is the command to ask. SYSTEMTAP_RELEASE in its environment names a folder of a
                                  kernel build, as `stap -r` takes it, so that it asks for none.
"""
import re
import shlex
import subprocess
import sys


def answered(block, command):
    line = block.split("\n", 1)[0]
    run = subprocess.run(command + shlex.split(line), capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/")
    err = run.stderr.replace("/usr/bin/stap: ", "stap: ")
    err = re.sub(r"^(Tip: |WARNING: Kernel function symbol table).*\n", "", err, flags=re.M)
    return f"{block.rstrip()}\n---- {run.returncode}\n{run.stdout}---- err\n{err}"


def main():
    path, command = sys.argv[1], sys.argv[2:] or ["stap"]
    with open(path) as file:
        head, *blocks = ("\n" + file.read()).split("\n==== ")
    blocks = [block if "\n---- " in block else answered(block, command).rstrip("\n") for block in blocks]
    with open(path, "w") as file:
        file.write(head.lstrip("\n") + "".join(f"\n==== {block}" for block in blocks) + "\n")


main()
