#include "shapes.h"

long sink;

static int counter;

/* A copy of its own, with a static variable. */
__attribute__((noinline)) static int count(shape_t *shape)
{
    static int calls = 3;
    calls += shape->corners[0].x;
    counter++;
    return calls;
}

/* Uses a parameter only at first: later it has its value at the entry alone. */
__attribute__((noinline)) long measure(shape_t *shape, long factor, unsigned char unused)
{
    struct point *first = &shape->corners[0];
    long sum = scale(first, factor);
    sum += count(shape);
    sum += scale(&shape->corners[1], 2);
    return sum;
}

/* A local in memory, as its address is taken. */
__attribute__((noinline)) long with_address(int depth)
{
    struct point here = { depth, depth + 1 };
    int constant = 42;
    return scale(&here, constant) + measure(0, depth, 1);
}

int (*handler)(shape_t *, void *);

int (*choose(int (*callback)(shape_t *, void *)))(shape_t *, void *)
{
    handler = callback;
    return callback;
}
