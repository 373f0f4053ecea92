/*
 * The growth of a log by the count of frames in its index (https://www.sqlite.org/walformat.html).
 */
#include "sqlite/wal_meter.h"
#include "base/clock.h"
#include "sqlite/bytes.h"

#include <sqlite3.h>
#include <unistd.h>

/* Of the index: words of its header, and the size that SQLite maps at a time. */
#define INDEX_FRAMES    4
#define INDEX_PAGE_SIZE 3 /* the upper half of it as it lies in memory */
#define INDEX_REGION    32768
/* PRAGMA wal_autocheckpoint, unless the application says otherwise. */
#define CHECKPOINT_FRAMES 1000
/* The last transaction before a checkpoint goes beyond that. */
#define CEILING_SHARE  20

#define SETTLE_TICK_US (5 * USEC_PER_MSEC)

static int64_t
page_size(const volatile uint32_t *index)
{
	uint32_t word = index[INDEX_PAGE_SIZE];
	uint16_t half[2];

	memcpy(half, &word, sizeof(word));
	/* 65536 does not fit and is written as 1. */
	return half[1] == 1 ? 65536 : half[1];
}

void
wal_meter_init(
    struct wal_meter *ret, sqlite3_file *file, int64_t wal_bytes, int64_t budget_bytes, bool gentle)
{
	void volatile *p = NULL;
	int64_t most;

	*ret = (struct wal_meter){ .budget_bytes = budget_bytes };
	if (!file || !file->pMethods || file->pMethods->iVersion < 2 || !file->pMethods->xShmMap)
		return;
	/* It is mapped already: this only tells where.  Read-only, which is an error code with a pointer. */
	(void)file->pMethods->xShmMap(file, 0, INDEX_REGION, 0, &p);
	if (!p)
		return;
	ret->index = p;
	ret->base = ret->last = ret->index[INDEX_FRAMES];
	ret->frame_bytes = FRAME_HEAD + page_size(ret->index);
	most = MAX(wal_bytes, WAL_HEAD + CHECKPOINT_FRAMES * ret->frame_bytes);
	if (gentle)
		ret->ceiling_bytes = most + most / CEILING_SHARE;
}

bool
wal_meter_is_over(struct wal_meter *m)
{
	uint32_t frames, next;

	if (!m->index)
		return false;
	frames = m->index[INDEX_FRAMES];
	if (frames < m->base) /* it was begun anew: all of it is younger than our view */
		m->base = m->last = 0;
	next = frames + (frames - MIN(m->last, frames));
	m->last = frames;
	m->grown_bytes = (int64_t)(frames - m->base) * m->frame_bytes;
	return m->grown_bytes > 0 &&
	       ((int64_t)(next - m->base) * m->frame_bytes > m->budget_bytes ||
	           (m->ceiling_bytes > 0 &&
	               WAL_HEAD + (int64_t)next * m->frame_bytes > m->ceiling_bytes));
}

void
wal_meter_settle(struct wal_meter *m, int64_t most_us)
{
	int64_t until = clock_now_us() + most_us;
	uint32_t frames;

	(void)wal_meter_is_over(m);
	if (!m->index || m->grown_bytes == 0)
		return;
	frames = m->index[INDEX_FRAMES];
	while (m->index[INDEX_FRAMES] >= frames && frames > CHECKPOINT_FRAMES &&
	       clock_now_us() < until)
		usleep((useconds_t)SETTLE_TICK_US);
}
