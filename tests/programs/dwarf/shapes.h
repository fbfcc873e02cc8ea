/* Included by both units, so that its functions and types are described twice. */
struct point {
    int x;
    long y;
};

enum colour { RED = 1, GREEN = 2, BLUE = -3 };

union number {
    long whole;
    char bytes[8];
};

struct shape {
    const char *name;
    struct point corners[4];
    enum colour colour : 4;
    unsigned int filled : 1;
    union {
        long area;
        void (*measure)(struct shape *, int);
    };
    int grid[2][3];
    volatile union number *number;
    struct elsewhere *unknown;
};

typedef struct shape shape_t;

extern long sink;

/* Inlined wherever it is called. */
static inline __attribute__((always_inline)) long scale(const struct point *at, long factor)
{
    long product = at->y * factor;
    sink += product;
    return product;
}
