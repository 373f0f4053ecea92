/*
 * Gathers the facts of one file in an order that opens it once, and reads it ahead where asked.
 */
#include "sqlite/gather.h"
#include "base/clock.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#define READ_AHEAD ((size_t)1 << 20)
#define SAMPLES    32

/* Of some pages, more than a quarter are not in memory. */
static bool
is_cold(int fd, int64_t size)
{
	int missing = 0;
	char byte;

	for (int64_t i = 0; i < SAMPLES; i++) {
		struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

		if (preadv2(fd, &iov, 1, size / SAMPLES * i, RWF_NOWAIT) < 0 && errno == EAGAIN)
			missing++;
	}
	return missing > SAMPLES / 4;
}

/*
 * A walk over a tree reads pages in no order; on a cold file that takes many times longer than one
 * sequential read before it.  Not for what would only push itself out of memory again.
 */
static void
read_ahead(int fd, int64_t size, int64_t until_us)
{
	_cleanup_free_ char *buf = NULL;
	struct sysinfo si;

	if (size == 0 || sysinfo(&si) < 0 ||
	    (uint64_t)size > (uint64_t)si.totalram * si.mem_unit / 2 || !is_cold(fd, size))
		return;
	buf = xcalloc(1, READ_AHEAD);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (int64_t at = 0; at < size && clock_now_us() < until_us; at += (int64_t)READ_AHEAD)
		if (pread(fd, buf, READ_AHEAD, at) <= 0)
			break;
}

void
gather_facts(const char *path, const struct gather_how *how, int64_t until_us, struct file_facts *f)
{
	_cleanup_close_ int fd = gather_place(path, f);

	file_facts_set_text(f, FACT_LIBRARY_VERSION, sqlite3_libversion());
	gather_file_system(f);
	if (!streq(file_facts_text(f, FACT_KIND), "file")) {
		if (how->users && f->resolved)
			gather_users(f);
		if (how->scan_wal && file_facts_int(f, FACT_WAL_EXISTS))
			gather_wal(until_us, how->wal_read_max, f);
		return;
	}
	gather_locks(f);
	if (fd < 0)
		return;
	gather_header(fd, f);
	if (how->scan_wal || gather_is_short(f))
		gather_wal(until_us, how->wal_read_max, f);
	gather_journal(f);
	gather_wal_index(f);
	if (how->users)
		gather_users(f);
	if (how->strays)
		gather_strays(f);
	if (how->pre_read)
		read_ahead(fd, file_facts_int(f, FACT_SIZE), until_us);
}
