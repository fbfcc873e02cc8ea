/* Labels in a function, and in one that is inlined into others. */
volatile int counted;

static inline __attribute__((always_inline)) int tested(int a)
{
	if (a > 3)
		goto fail;
	return counted++;
fail:
	counted--;
	return -1;
}

int __attribute__((noinline)) looping(int n, int m)
{
	int i = 0;

again:
	counted += i;
	if (++i < n)
		goto again;
	if (m)
		goto out;
	counted = 7;
out:
	return counted + tested(n);
}

int other(int n)
{
	return looping(n, n > 1) + tested(n + 1);
}
