#pragma once
#include <event2/event.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
/* What the programs of the benchmarks share. */

static inline int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* arg: the base, which ends with its standard input. */
static inline void
on_input(evutil_socket_t fd, short what, void *arg)
{
	char c;

	(void)what;
	if (read(fd, &c, 1) <= 0)
		event_base_loopbreak(arg);
}
