/*
 * Preloaded into a program that uses libpq: notes when which connection sent a statement, as pairs
 * of 64-bit numbers (connection, monotonic microseconds) in the file that BENCH_WHEN names.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int file = -1;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("BENCH_WHEN");

	if (path)
		file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

int
PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values,
    const int *lengths, const int *formats, int result_format)
{
	static int (*next)(
	    PGconn *, const char *, int, const char *const *, const int *, const int *, int);
	struct timespec t;
	int64_t note[2];

	clock_gettime(CLOCK_MONOTONIC, &t);
	note[0] = PQsocket(conn);
	note[1] = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	if (file >= 0 && write(file, note, sizeof(note)) < 0)
		file = -1;
	if (!next)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "PQsendQueryPrepared");
	return next(conn, name, n, values, lengths, formats, result_format);
}
