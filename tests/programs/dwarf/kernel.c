/* What makes a file a kernel: its banner, code that is freed after the start, and a list of what may not be probed. */
#include "shapes.h"

const char linux_banner[] = "Linux version 5.99.1-tapdeck (nobody@nowhere) (gcc) #1 SMP\n";

long other(struct point *at);
long measure(shape_t *shape, long factor, unsigned char unused);

/* Runs once, then its memory is somebody else's. */
__attribute__((noinline, section(".init.text"))) long set_up(int first)
{
    return other(0) + first;
}

__attribute__((noinline)) long untouchable(int depth)
{
    return measure(0, depth, 3);
}

/* Copied into each caller, and into a copy. */
static inline __attribute__((always_inline)) long inner(long a)
{
    sink += a;
    return sink;
}

static inline __attribute__((always_inline)) long outer(long a, long b)
{
    return inner(a) + b;
}

__attribute__((noinline)) long run(struct point *at, long n)
{
    return outer(at->y, n) + inner(n) + set_up(2);
}

/* A kernel that has this has kprobes. */
__attribute__((noinline)) int register_kprobe(struct point *probe)
{
    return probe->x;
}

struct pair {
    long first, second;
};

struct packed {
    unsigned int low : 3, middle : 7, high : 22;
};

/* Structs in registers: as a parameter, and as a result. */
__attribute__((noinline)) struct pair swap(struct pair pair, struct packed bits)
{
    struct pair swapped = { pair.second + bits.middle, pair.first };
    sink += bits.high;
    return swapped;
}

/* More arguments than registers, and a variable that lives in memory. */
__attribute__((noinline)) long many(long a, long b, long c, long d, long e, long f, long g, int h)
{
    long kept[4] = { a, g, h, b };
    sink = (long)kept;
    __asm__ volatile("" : : "r"(kept) : "memory");
    return kept[c & 3] + d + e + f;
}

/* kprobe_blacklist, as NOKPROBE_SYMBOL makes it. */
long (*const untouchable_entry)(int) __attribute__((used, section("_kprobe_blacklist"))) = untouchable;
