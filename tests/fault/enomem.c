/*
 * Preloaded: makes allocations fail that a test chose.  ENOMEM_AT=N the N-th of the process,
 * ENOMEM_COUNT so many from there on (default 1); ENOMEM_IN=WORD only in processes that have WORD
 * among their arguments ("main": in those that are no workers).  ENOMEM_TELL=FILE counts instead
 * and writes the sum there at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_ulong seen;
static unsigned long first, last; /* first 0: none fails */
static char tell[256];

static bool
is_meant(const char *word)
{
	char args[4096] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, args, sizeof(args) - 1) : 0;
	bool worker, found;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!args[i])
			args[i] = ' ';
	worker = strstr(args, " --worker ") != NULL;
	found = strstr(args, word) != NULL;
	return strcmp(word, "main") == 0 ? !worker : found;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *at = getenv("ENOMEM_AT"), *count = getenv("ENOMEM_COUNT");
	const char *in = getenv("ENOMEM_IN"), *file = getenv("ENOMEM_TELL");

	if (in && !is_meant(in))
		return;
	if (file)
		snprintf(tell, sizeof(tell), "%s", file);
	if (!at)
		return;
	last = strtoul(at, NULL, 10) + (count ? strtoul(count, NULL, 10) : 1);
	first = strtoul(at, NULL, 10);
}

__attribute__((destructor)) static void
end(void)
{
	char text[32], part[300];
	int n = snprintf(text, sizeof(text), "%lu\n", atomic_load(&seen)), fd;

	if (!*tell)
		return;
	/* Several workers tell, and one may be killed in the middle of it. */
	snprintf(part, sizeof(part), "%s.%d", tell, (int)getpid());
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd >= 0 && write(fd, text, (size_t)n) == n)
		rename(part, tell);
}

static bool
fails(void)
{
	unsigned long n = atomic_fetch_add(&seen, 1) + 1;

	if (first == 0 || n < first || n >= last)
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

void *
memalign(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int
posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
