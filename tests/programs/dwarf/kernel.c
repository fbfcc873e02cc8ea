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

/* kprobe_blacklist, as NOKPROBE_SYMBOL makes it. */
long (*const untouchable_entry)(int) __attribute__((used, section("_kprobe_blacklist"))) = untouchable;
