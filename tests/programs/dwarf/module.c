/* Where a module has what may not be probed: it is not linked, so only names of sections tell. */
long state;

__attribute__((noinline, section(".init.text"))) int init_module(void)
{
    return state++ != 0;
}

/* Stays until the module is unloaded. */
__attribute__((noinline, section(".exit.text"))) void cleanup_module(void)
{
    state = 0;
}

__attribute__((noinline, section(".noinstr.text"))) void enter(void)
{
    state += 2;
}

__attribute__((noinline, section(".kprobes.text"))) void handle(void)
{
    state += 3;
}

__attribute__((noinline)) void untouchable(void)
{
    state += 4;
}

/* Types made of those of functions. */
__attribute__((noinline)) int choose(int (**table)(char *), int (*const one)(void), int n)
{
    static int (*kept[2])(char *);
    kept[n & 1] = table[n];
    return one() + kept[0](0);
}

/* As NOKPROBE_SYMBOL makes it. */
void (*const untouchable_entry)(void) __attribute__((used, section("_kprobe_blacklist"))) = untouchable;
