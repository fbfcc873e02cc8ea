#!/bin/sh
# Builds the objects that tests of debug information read. Debian 12: gcc 12.2, clang 14, binutils 2.40, dwz 0.15.
# They are kept in the repository, since tests compare with what exactly these compilers wrote.
set -e
cd "$(dirname "$0")"
flags="-O2 -fPIC -ffile-prefix-map=$PWD=/src -fno-asynchronous-unwind-tables"
link="-shared -nostdlib -Wl,--build-id=sha1 -Wl,-z,noseparate-code -Wl,-z,max-page-size=4096"

gcc $flags $link -gdwarf-5 -o gcc5.so shapes.c other.c start.S
gcc $flags $link -gdwarf-4 -o gcc4.so shapes.c other.c start.S
clang $flags $link -gdwarf-5 -o clang5.so shapes.c other.c
gcc $flags $link -gdwarf-5 -flto -o lto.so shapes.c other.c
gcc $flags -gdwarf-5 -c -o object.o shapes.c
gcc $flags -gdwarf-5 -c -o module.o module.c
gcc $flags $link -gdwarf-5 -o labels.so labels.c
objcopy --compress-debug-sections=zlib gcc5.so zlib.so
objcopy --compress-debug-sections=zstd gcc5.so zstd.so
objcopy --compress-debug-sections=zlib object.o zlib.o
# One file whose common parts moved to another: .gnu_debugaltlink.
cp gcc5.so dwz.so
gcc $flags $link -gdwarf-5 -o dwz2.so other.c shapes.c
dwz -m common.debug -M common.debug dwz.so dwz2.so
rm dwz2.so
# The same code without debug information, which is in a file of its own.
objcopy --only-keep-debug gcc5.so apart.debug
objcopy --strip-debug --add-gnu-debuglink=apart.debug gcc5.so apart.so
# Linked as a kernel is, and what the kernel's linker script adds.
bounds="-Wl,--defsym=__start_kprobe_blacklist=__start__kprobe_blacklist -Wl,--defsym=__stop_kprobe_blacklist=__stop__kprobe_blacklist"
gcc -O2 -mcmodel=kernel -fno-pic -fcf-protection=none -ffile-prefix-map=$PWD=/src -fno-asynchronous-unwind-tables -gdwarf-5 \
    -static -nostdlib -no-pie -Wl,--build-id=sha1 -Wl,-Ttext-segment=0xffffffff81000000 -Wl,-e,start $bounds \
    -o vmlinux kernel.c shapes.c other.c start.S
