/*
 * Pages of a log's last commit that are neither in the log nor in the file before it: that file and
 * that log are not of one database.
 */
#include "base/clock.h"
#include "sqlite/bytes.h"
#include "sqlite/gather.h"

#include <stdlib.h>

#define LOCK_BYTE (INT64_C(1) << 30) /* its page exists in no file and is never written */

static int
by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Numbers of the pages behind the file's end that the log has.  -1: not all were read. */
static int64_t
pages_behind(
    int fd, int64_t page_size, int64_t frames, int64_t end, int64_t until_us, uint32_t *ret)
{
	int64_t n = 0;

	for (int64_t i = 0; i < frames; i++) {
		unsigned char number[4];

		if (bytes_pread(fd, number, sizeof(number),
		        WAL_HEAD + i * (FRAME_HEAD + page_size)) != sizeof(number) ||
		    clock_now_us() > until_us)
			return -1;
		if (get_be32(number) > end)
			ret[n++] = get_be32(number);
	}
	return n;
}

void
wal_gap_find(
    int fd, int64_t page_size, int64_t frames, int64_t pages, int64_t until_us, struct wal_gap *gap)
{
	int64_t lock_page = LOCK_BYTE / page_size + 1, next = gap->file_pages + 1, n;
	_cleanup_free_ uint32_t *have = NULL;

	if (pages <= gap->file_pages)
		return;
	have = xcalloc((size_t)frames + 1, sizeof(*have));
	n = pages_behind(fd, page_size, frames, gap->file_pages, until_us, have);
	if (n < 0)
		return;
	if (lock_page > gap->file_pages && lock_page <= pages)
		have[n++] = (uint32_t)lock_page;
	qsort(have, (size_t)n, sizeof(*have), by_number);
	for (int64_t i = 0; i <= n && next <= pages; i++) {
		int64_t to = i < n ? MIN((int64_t)have[i], pages + 1) : pages + 1;

		if (to > next && gap->missing == 0)
			gap->first = next;
		gap->missing += MAX(to - next, 0);
		next = MAX(next, to + 1);
	}
}
