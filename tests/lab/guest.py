"""One QEMU machine: a kernel, an initramfs with all that the jobs need, and a serial line that says how they went.

Everything the guest sees is in its initramfs: a static busybox, init.sh, kernel modules, programs with the libraries
they load, and files at the paths they have here. So nothing is shared or mounted, no privilege is needed, and nothing
of a guest survives it.
"""
import ctypes
import dataclasses
import lzma
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import kernels
from kernels import LabError

QEMU = "qemu-system-x86_64"
# Without the fast string instructions that newer models announce: TCG does those byte by byte.
CPU = "Nehalem"
# Whether the timer ticks is found out by waiting for it, which a busy machine can make too short.
CONSOLE = ("quiet panic=-1 oops=panic mitigations=off tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on "
           "rcupdate.rcu_expedited=1 transparent_hugepage=never")
# Modules for module probes, where the kernel has them.
MODULES = ["dummy", "loop", "overlay"]
# One that has tracepoints of its own, and a disk in memory for those of SCSI devices.
TRACED_MODULES = ["xfs", "sd_mod", "scsi_debug"]
# What a disk needs; part of the kernel in some.
DISK_MODULES = ["virtio_pci", "virtio_blk"]
# For a job that wants the disk with debug information.
MOUNT_DEBUG = "grep -q /usr/lib/debug /proc/mounts || { mkdir -p /usr/lib/debug; mount -t ext4 -o ro /dev/vda /usr/lib/debug; }"
TIMED_OUT, DIED = 124, 125
BOOT_SECONDS = 120


@dataclasses.dataclass
class Job:
    """A line for the guest's shell."""
    text: str
    timeout: int = 120


@dataclasses.dataclass
class Result:
    job: Job
    # The shell's; 124 when it took too long, 125 when the guest died.
    status: int
    seconds: float
    output: bytes


def run(kernel, jobs, files=(), show=None, icount=False, headings=False, smp=2, memory_mb=1536, debug=None, append="", cpu=CPU, instead=None):
    """Runs the jobs one after the other in one boot. `show` gets the output as it comes, `append` goes on the kernel's command line."""
    need_tools()
    with tempfile.TemporaryDirectory(prefix="tapdeck-lab-") as work:
        mark = "lab-" + secrets.token_hex(8)
        image = os.path.join(work, "initramfs")
        with open(image, "wb") as out:
            out.write(initramfs(kernel, jobs, files, mark, debug=debug, instead=instead))
        console = os.path.join(work, "console")
        argv = machine(kernel, image, 1 if icount else smp, memory_mb, append, cpu) + ["-serial", "file:" + console, "-serial", "stdio"]
        if icount:
            argv += ["-icount", "shift=0,sleep=off"]
        if debug:
            argv += ["-drive", f"if=none,id=disk,format=raw,readonly=on,file={debug.disk}", "-device", "virtio-blk-pci,drive=disk"]
        qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        try:
            results = listen(qemu, jobs, mark.encode(), show, headings)
        finally:
            qemu.kill()
            complaint = qemu.stderr.read().decode(errors="replace").strip()
            qemu.wait()
        if any(result.status == DIED for result in results):
            last = open(console, errors="replace").read()[-4000:] if os.path.exists(console) else ""
            print(f"lab: the guest died\n{complaint}\n{last}", file=sys.stderr)
        return results


def shell(kernel, files, append=""):
    need_tools()
    with tempfile.TemporaryDirectory(prefix="tapdeck-lab-") as work:
        image = os.path.join(work, "initramfs")
        with open(image, "wb") as out:
            out.write(initramfs(kernel, [], files, "", with_shell=True))
        argv = machine(kernel, image, 2, 1536, append) + ["-serial", "mon:stdio", "-serial", "null"]
        return subprocess.run(argv, preexec_fn=die_with_parent).returncode


def machine(kernel, image, smp, memory_mb, append, cpu=CPU):
    # One thread for all processors: before QEMU 8.1, with a thread each, one may run a stale translation of code another
    # has just patched, and tracing patches code all the time.
    nodes = []
    if smp == 2:
        # A node for each processor.
        for node in range(2):
            nodes += ["-object", f"memory-backend-ram,id=memory{node},size={memory_mb // 2}M"]
            nodes += ["-numa", f"node,nodeid={node},memdev=memory{node},cpus={node}"]
    return [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "pc", "-m", f"{memory_mb}M",
        "-smp", str(smp), "-accel", "tcg,thread=single", "-cpu", cpu, "-kernel", kernel.image, "-initrd", image,
        "-append", f"console=ttyS0 {CONSOLE} {append}", *nodes,
    ]


def need_tools():
    if not shutil.which(QEMU):
        raise LabError(f"{QEMU} is missing: apt-get install qemu-system-x86")


def die_with_parent():
    """However the lab ends, QEMU ends with it: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def listen(qemu, jobs, mark, show, headings):
    """Divides what comes over the line by the marks into results."""
    budget = BOOT_SECONDS + sum(job.timeout + 30 for job in jobs)
    watchdog = threading.Timer(budget, qemu.kill)
    watchdog.start()
    results, output, job, began = [], bytearray(), None, 0.0

    def tell(data):
        if show:
            show.write(data)
            show.flush()

    try:
        for line in qemu.stdout:
            words = line.split()
            if words[:1] != [mark]:
                if job is not None:
                    output += line
                    tell(line)
                continue
            if words[1] == b"START":
                job, output, began = jobs[int(words[2])], bytearray(), time.time()
                if headings:
                    tell(b"### " + job.text.encode() + b"\n")
            elif words[1] == b"EXIT":
                status = TIMED_OUT if int(words[3]) in (124, 143, 137) and time.time() - began >= job.timeout else int(words[3])
                # A line break belongs to the mark.
                output = output.removesuffix(b"\n")
                results.append(Result(job, status, float(words[5]) - float(words[4]), bytes(output)))
                job = None
            else:
                break
    finally:
        watchdog.cancel()
    results += [Result(missing, DIED, 0.0, bytes(output)) for missing in jobs[len(results):]]
    return results


def initramfs(kernel, jobs, files, mark, with_shell=False, debug=None, instead=None):
    archive = Archive()
    archive.file("/bin/busybox", static_busybox(), 0o755)
    # busybox's own shell would run its applets instead of programs.
    shell = os.path.realpath("/bin/sh")
    archive.tree(shell)
    archive.file("/bin/sh", shell, 0o755)
    archive.file("/init", os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.sh"), 0o755)
    archive.text("/lab/mark", mark)
    archive.text("/lab/time", str(int(time.time()) + 2))
    archive.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    archive.text("/etc/group", "root:x:0:\n")
    for number, job in enumerate(jobs):
        archive.text(f"/lab/jobs/{number:04}", job.text + "\n")
        archive.text(f"/lab/limits/{number:04}", str(job.timeout))
    if with_shell:
        archive.text("/lab/shell", "")
    names = []
    for path in modules(kernel, MODULES + TRACED_MODULES + DISK_MODULES * bool(debug)):
        name = re.sub(r"\.ko.*", ".ko", os.path.basename(path))
        archive.data("/lab/modules/" + name, decompressed(path))
        names.append(name)
    archive.text("/lab/modules/order", "".join(name + "\n" for name in names))
    config = os.path.join(kernel.folder, "boot", "config-" + kernel.release)
    if os.path.exists(config):
        archive.file("/boot/config-" + kernel.release, config)
    archive.file(f"/lib/modules/{kernel.release}/modules.dep", os.path.join(kernel.modules, "modules.dep"))
    for path in files:
        archive.tree(os.path.abspath(path))
    for path, source in (instead or {}).items():
        archive.tree(source)
        archive.file(path, source, 0o755)
    for path, source in (debug.cache if debug else {}).items():
        archive.file(path, source)
    return archive.finish()


@dataclasses.dataclass
class Debug:
    """Debug information of the kernel and of the modules that a guest has."""
    # A file system for /usr/lib/debug, which jobs find as /dev/vda.
    disk: str
    # Files tapdeck keeps in its cache, by their paths in the guest.
    cache: dict


def debug_information(kernel, program):
    disk = kernels.debug_disk(kernel, [os.path.relpath(path, kernel.modules) for path in modules(kernel, MODULES)])
    # The processor here indexes a kernel in a second or, without optimisation, in ten; the emulated one in minutes.
    folder, point = os.path.join(kernel.folder, "index"), 'kernel.function("vfs_read")'
    argv = [program, "run", "-r", kernels.debug_file(kernel), "-l", point]
    subprocess.run(argv, env={**os.environ, "XDG_CACHE_HOME": folder}, check=True, stdout=subprocess.DEVNULL)
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return Debug(disk, {"/root/.cache/" + os.path.relpath(path, folder): path for path in found})


def modules(kernel, wanted):
    """Files of the wanted modules, each behind what it depends on."""
    depends = {}
    with open(os.path.join(kernel.modules, "modules.dep")) as lines:
        for line in lines:
            path, _, needed = line.partition(":")
            depends[re.sub(r"\.ko.*", "", os.path.basename(path)).replace("-", "_")] = [path] + needed.split()
    order = []
    for name in wanted:
        # A line lists last what is to be loaded first.
        order += [path for path in reversed(depends.get(name, [])) if path not in order]
    return [os.path.join(kernel.modules, path) for path in order]


def decompressed(path):
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith((".zst", ".gz")):
        program = "zstd" if path.endswith(".zst") else "gzip"
        return subprocess.run([program, "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def static_busybox():
    for path in (shutil.which("busybox"), "/usr/lib/busybox-static/busybox"):
        if path and os.path.exists(path):
            with open(path, "rb") as file:
                if b"/ld-linux" not in file.read(4096):
                    return path
    raise LabError("no static busybox: apt-get install busybox-static")


class Archive:
    """A cpio archive of the kind the kernel unpacks ("newc"). Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self):
        self.bytes = bytearray()
        self.known = set()

    def entry(self, path, mode, data):
        name = path.lstrip("/").encode() + b"\0"
        numbers = (len(self.known) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        self.bytes += b"070701" + b"".join(b"%08x" % number for number in numbers) + name
        self.bytes += b"\0" * (-len(self.bytes) % 4) + data
        self.bytes += b"\0" * (-len(self.bytes) % 4)

    def data(self, path, data, mode=0o644):
        if path in self.known:
            return
        parent = os.path.dirname(path)
        missing = []
        while parent != "/" and parent not in self.known:
            missing.append(parent)
            parent = os.path.dirname(parent)
        for folder in reversed(missing):
            self.known.add(folder)
            self.entry(folder, 0o40755, b"")
        self.known.add(path)
        self.entry(path, 0o100000 | mode, data)

    def text(self, path, text):
        self.data(path, text.encode())

    def file(self, path, source, mode=None):
        if path not in self.known:
            with open(source, "rb") as file:
                self.data(path, file.read(), mode or os.stat(source).st_mode & 0o777)

    def tree(self, path):
        """A file or folder at its own path; a program with the libraries it loads, without debug information."""
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                for name in names:
                    self.file(os.path.join(folder, name), os.path.join(folder, name))
            return
        if path in self.known:
            return
        with open(path, "rb") as file:
            is_elf = file.read(4) == b"\x7fELF"
        if not is_elf:
            return self.file(path, path)
        for library in re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", path], capture_output=True, text=True).stdout):
            self.file(library, os.path.realpath(library))
        with tempfile.NamedTemporaryFile() as stripped:
            done = subprocess.run(["strip", "-g", "-o", stripped.name, path], capture_output=True)
            self.file(path, path if done.returncode else stripped.name, 0o755)

    def finish(self):
        self.entry("TRAILER!!!", 0, b"")
        return bytes(self.bytes)
