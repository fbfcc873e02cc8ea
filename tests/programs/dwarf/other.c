#include "shapes.h"

struct elsewhere {
    int inside;
};

struct elsewhere the_one;

long measure(shape_t *shape, long factor, unsigned char unused);

long other(struct point *at)
{
    long sum = scale(at, 5);
    return sum + measure((shape_t *)at, 1, 0);
}
