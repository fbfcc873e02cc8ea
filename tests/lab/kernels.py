"""Kernels of Debian's packages, unpacked into a cache folder and never installed.

Each suite has apt folders of its own, so the machine's sources stay as they are and no privilege is needed; packages
are checked against Debian's keys as ever. The compressed image is unwrapped once to the ELF file that QEMU enters
directly (PVH): no firmware, no decompression in the guest, and addresses as linked.
"""
import contextlib
import dataclasses
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

# Series to the suite that has it. "7" is whatever is newest in sid.
SERIES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "7": "sid"}
# Small kernels with everything tracing needs: kprobes, ftrace, BTF.
FLAVOUR = "cloud-amd64"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tapdeck-lab")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = os.environ.get("LAB_MIRROR", "http://deb.debian.org/debian")
# How long a list of packages is believed.
LISTS_SECONDS = 24 * 3600


class LabError(Exception):
    pass


@dataclasses.dataclass
class Kernel:
    series: str
    release: str
    folder: str

    @property
    def image(self):
        elf = os.path.join(self.folder, "vmlinux")
        return elf if os.path.exists(elf) else os.path.join(self.folder, "boot", "vmlinuz-" + self.release)

    @property
    def modules(self):
        return os.path.join(self.folder, "lib", "modules", self.release)


def cached(series):
    """The newest kernel of the series that is here already."""
    folder = os.path.join(CACHE, "kernels")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    fitting = [n for n in names if n.startswith(series + ".") and os.path.exists(os.path.join(folder, n, "done"))]
    if not fitting:
        return None
    release = max(fitting, key=version)
    return Kernel(series, release, os.path.join(folder, release))


def fetch(series):
    """The kernel of a series, downloaded if it is not here yet."""
    if series not in SERIES:
        raise LabError(f"no series {series}; there are {', '.join(SERIES)}")
    return cached(series) or download(series)


def version(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def download(series):
    need("apt-get", "apt"), need("dpkg-deb", "dpkg"), need("depmod", "kmod")
    apt = Apt(SERIES[series])
    release = apt.newest(series)
    print(f"lab: fetching {release}", flush=True)
    target = os.path.join(CACHE, "kernels", release)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unpack.") as work:
        root = os.path.join(work, "root")
        image = "linux-image-" + release
        # Newer packages keep image and modules apart, below /usr.
        depends = apt.show(image)
        for package in [image] + [p for p in ("linux-binary-" + release, "linux-modules-" + release) if p in depends]:
            subprocess.run(["dpkg-deb", "-x", apt.download(package, work), root], check=True)
        if os.path.isdir(root + "/usr/lib/modules") and not os.path.isdir(root + "/lib/modules"):
            os.makedirs(root + "/lib", exist_ok=True)
            os.rename(root + "/usr/lib/modules", root + "/lib/modules")
        bzimage = f"{root}/boot/vmlinuz-{release}"
        if not os.path.exists(bzimage):
            os.makedirs(root + "/boot", exist_ok=True)
            shutil.copy(f"{root}/lib/modules/{release}/vmlinuz", bzimage)
        subprocess.run(["depmod", "-b", root, release], check=True, stderr=subprocess.DEVNULL)
        elf = unwrap(bzimage)
        if elf:
            with open(root + "/vmlinux", "wb") as out:
                out.write(elf)
        with open(root + "/done", "w") as out:
            json.dump({"release": release}, out)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(root, target)
    return Kernel(series, release, target)


def debug_file(kernel):
    """The kernel's image with debug information, out of its -dbg package."""
    path = os.path.join(kernel.folder, "debug", "boot", "vmlinux-" + kernel.release)
    if not os.path.exists(path):
        fetch_debug(kernel, [])
    return path


def debug_disk(kernel, modules):
    """A file system to be mounted at /usr/lib/debug: what the -dbg package has of the kernel and of these modules, given by
    their paths below `kernel/`."""
    need("mke2fs", "e2fsprogs")
    folder, disk = os.path.join(kernel.folder, "debug"), os.path.join(kernel.folder, "debug.ext4")
    files = [debug_module(kernel, path) for path in modules]
    missing = [path for path in files if not os.path.exists(os.path.join(folder, path))]
    if missing or not os.path.exists(debug_file(kernel)):
        fetch_debug(kernel, missing)
    newest = max(os.path.getmtime(os.path.join(folder, path)) for path in [*files, "boot"])
    if not os.path.exists(disk) or os.path.getmtime(disk) < newest:
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
        options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "root_owner=0:0", "-d", folder]
        subprocess.run(["mke2fs", *options, disk + ".new", f"{size // (1 << 20) + 64}M"], check=True)
        os.rename(disk + ".new", disk)
    return disk


def debug_tree(kernel):
    """The image with debug information in a folder with that of every module, as the -dbg package has them."""
    folder = os.path.join(kernel.folder, "debug-tree")
    if not os.path.exists(folder):
        image = debug_file(kernel)
        with unpacked_debug(kernel, ["lib/modules/" + kernel.release]) as tree:
            os.makedirs(tree + "/boot")
            os.link(image, tree + "/boot/vmlinux-" + kernel.release)
            os.rename(tree, folder)
    return os.path.join(folder, "boot", "vmlinux-" + kernel.release)


def debug_module(kernel, path):
    return os.path.join("lib", "modules", kernel.release, re.sub(r"\.ko.*", ".ko", path))


def fetch_debug(kernel, modules):
    """Unpacks the image and these modules; all 1,121 modules would be another 1.2 GB."""
    wanted = ["boot/vmlinux-" + kernel.release, *modules]
    with unpacked_debug(kernel, wanted) as tree:
        for path in wanted:
            target = os.path.join(kernel.folder, "debug", path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(os.path.join(tree, path), target)


@contextlib.contextmanager
def unpacked_debug(kernel, wanted):
    """A folder with these files and folders of the -dbg package, for a while."""
    need("dpkg-deb", "dpkg")
    print(f"lab: fetching debug information of {kernel.release}", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unpack.") as work:
        package = Apt(SERIES[kernel.series]).download(f"linux-image-{kernel.release}-dbg", work)
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        members = ["./usr/lib/debug/" + path for path in wanted]
        subprocess.run(["tar", "-x", "-C", work, *members], stdin=tar.stdout, check=True)
        tar.stdout.close()
        tar.wait()
        yield os.path.join(work, "usr/lib/debug")


def need(program, package):
    if not shutil.which(program):
        raise LabError(f"{program} is missing: apt-get install {package}")


class Apt:
    """apt over one suite, in folders of its own."""

    def __init__(self, suite):
        folder = os.path.join(CACHE, "apt-" + suite)
        for part in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(folder, part), exist_ok=True)
        with open(folder + "/sources.list", "w") as out:
            out.write(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
        self.options = [
            f"-oDir::Etc::SourceList={folder}/sources.list", "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oAPT::Sandbox::User=root",
            "-oAcquire::Languages=none",
        ]
        mark = folder + "/updated"
        if not os.path.exists(mark) or time.time() - os.path.getmtime(mark) > LISTS_SECONDS:
            self.run("apt-get", "update", "-qq", "--error-on=any")
            open(mark, "w").close()

    def run(self, program, *args, cwd=None):
        done = subprocess.run([program, *self.options, *args], cwd=cwd, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"{program} {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def newest(self, series):
        pattern = re.compile(rf"linux-image-({re.escape(series)}\.[0-9][^ ]*-{FLAVOUR})$")
        names = self.run("apt-cache", "pkgnames", f"linux-image-{series}.").split()
        releases = [found.group(1) for found in map(pattern.match, names) if found]
        for release in sorted(releases, key=version, reverse=True):
            # Names that other packages only mention have no candidate.
            if re.search(r"Candidate: (?!\(none\))", self.run("apt-cache", "policy", "linux-image-" + release)):
                return release
        raise LabError(f"Debian has no linux-image-{series}.*-{FLAVOUR}")

    def show(self, package):
        return self.run("apt-cache", "show", "--no-all-versions", package)

    def download(self, package, into):
        self.run("apt-get", "download", "-qq", package, cwd=into)
        return next(os.path.join(into, name) for name in os.listdir(into) if name.startswith(package + "_"))


def unwrap(bzimage):
    """The ELF file inside a bzImage, or None when its compression cannot be undone here. Documentation/arch/x86/boot.rst."""
    with open(bzimage, "rb") as file:
        data = file.read()
    if data[0x202:0x206] != b"HdrS":
        return None
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[((data[0x1F1] or 4) + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        elf = zlib.decompressobj(31).decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        elf = piped("zstd", payload)
    elif payload.startswith(b"\x02\x21\x4c\x18"):
        # Behind the stream stands its size, which lz4 does not know.
        elf = piped("lz4", payload[:-4])
    else:
        return None
    return elf if elf.startswith(b"\x7fELF") else None


def piped(program, data):
    if not shutil.which(program):
        return b""
    return subprocess.run([program, "-dc"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
