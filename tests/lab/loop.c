/* One system call over and over: what a call takes in nanoseconds, least and median of many chunks. Under an instruction-counting
   clock that is guest instructions, the same every time. Arguments: read | getppid. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS = 100, CALLS = 300 };

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int reads = argc > 1 && !strcmp(argv[1], "read");
    int fd = open("/dev/zero", O_RDONLY);
    char byte;
    static long took[CHUNKS];
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        long begun = now();
        for (int call = 0; call < CALLS; call++)
            reads ? syscall(SYS_read, fd, &byte, 1) : syscall(SYS_getppid);
        took[chunk] = now() - begun;
    }
    qsort(took, CHUNKS, sizeof *took, by_value);
    printf("loop %ld %ld\n", took[0] / CALLS, took[CHUNKS / 2] / CALLS);
    return 0;
}
