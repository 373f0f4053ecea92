#pragma once
#include "base/base.h"

#include <time.h>
#include <unistd.h>
/*
 * Reading numbers and ranges out of files that other processes write.
 */
#define WAL_HEAD      32
#define FRAME_HEAD    24
#define JOURNAL_MAGIC "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

static inline uint32_t
get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline unsigned
get_be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline ssize_t
bytes_pread(int fd, void *buf, size_t len, int64_t at)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, (char *)buf + have, len - have, at + (int64_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static inline bool
bytes_power_of_two(unsigned n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Long enough for a writer to move on: what is seen again after it was no passing state. */
static inline void
bytes_pause(void)
{
	struct timespec ts = { .tv_nsec = 20 * 1000 * 1000 };

	nanosleep(&ts, NULL);
}
