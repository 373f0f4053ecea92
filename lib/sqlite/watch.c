/*
 * The thread beside a running statement: the clock and the locks of others.
 */
#include "sqlite/watch.h"
#include "base/clock.h"

#include <sqlite3.h>

#define TICK_US (10 * USEC_PER_MSEC)
/* A log may grow by some 100 kB in it. */
#define METER_TICK_US (1 * USEC_PER_MSEC)

static void
wait_until(struct watch *w, int64_t at_us)
{
	struct timespec ts = { .tv_sec = at_us / USEC_PER_SEC,
		.tv_nsec = at_us % USEC_PER_SEC * 1000 };

	pthread_cond_timedwait(&w->changed, &w->mutex, &ts);
}

static void
look(struct watch *w, int64_t now)
{
	if (w->why == WATCH_NOTHING && now >= w->timeout_at_us)
		w->why = WATCH_TIMEOUT;
	if (w->why == WATCH_NOTHING && w->yields && now >= w->yield_from_us &&
	    lock_watch_writer(&w->locks))
		w->why = WATCH_WRITER;
	if (w->why == WATCH_NOTHING && w->metered && wal_meter_is_over(&w->meter))
		w->why = WATCH_WAL;
	/* Again at each tick: an interrupt between two steps is forgotten. */
	if (w->why != WATCH_NOTHING)
		sqlite3_interrupt(w->db);
}

static void *
watch_main(void *arg)
{
	struct watch *w = arg;

	pthread_mutex_lock(&w->mutex);
	while (!w->stop) {
		int64_t now = clock_now_us(), next;

		if (!w->db) {
			pthread_cond_wait(&w->changed, &w->mutex);
			continue;
		}
		look(w, now);
		next = now + TICK_US;
		if (w->why == WATCH_NOTHING && w->metered)
			next = MIN(now + METER_TICK_US, w->timeout_at_us);
		else if (w->why == WATCH_NOTHING && w->yields && w->yield_from_us > now)
			next = MIN(w->yield_from_us, w->timeout_at_us);
		else if (w->why == WATCH_NOTHING && !w->yields)
			next = w->timeout_at_us;
		wait_until(w, next);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

int
watch_init(struct watch *w)
{
	pthread_condattr_t ca;
	pthread_attr_t ta;
	int r;

	*w = (struct watch){ 0 };
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &ca);
	pthread_condattr_destroy(&ca);
	pthread_attr_init(&ta);
	pthread_attr_setstacksize(&ta, (size_t)256 << 10);
	r = pthread_create(&w->thread, &ta, watch_main, w);
	pthread_attr_destroy(&ta);
	return -r;
}

void
watch_done(struct watch *w)
{
	pthread_mutex_lock(&w->mutex);
	w->stop = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->mutex);
}

void
watch_begin(struct watch *w, struct sqlite3 *db, int64_t timeout_at_us, int64_t yield_after_us,
    const struct lock_watch *locks)
{
	pthread_mutex_lock(&w->mutex);
	w->db = db;
	w->why = WATCH_NOTHING;
	w->timeout_at_us = timeout_at_us;
	w->metered = false;
	w->yields = yield_after_us > 0 && locks;
	w->yield_from_us = clock_now_us() + yield_after_us;
	if (locks)
		w->locks = *locks;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

void
watch_meter(struct watch *w, const struct wal_meter *meter)
{
	pthread_mutex_lock(&w->mutex);
	w->meter = *meter;
	w->metered = meter->index != NULL;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

enum watch_why
watch_end(struct watch *w)
{
	enum watch_why why;

	pthread_mutex_lock(&w->mutex);
	w->db = NULL;
	why = w->why;
	pthread_mutex_unlock(&w->mutex);
	return why;
}
