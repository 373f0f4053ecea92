/*
 * A log that is over becomes a segment of its samples, sorted by series, and one of their averages.
 * The averages come first: of a log that is still there all of it is done once more.
 */
#include "base/words.h"
#include "history/private.h"
#include <stdio.h>

struct sample {
	uint32_t id;
	int32_t at; /* seconds since the log began */
	double value;
};

struct gathering {
	struct sample *v;
	size_t n, room, odd;
	int64_t base_s;
};

static void
gather(const struct log_record *v, size_t n, void *arg)
{
	struct gathering *g = arg;

	if (g->base_s == 0 && n > 0) /* the head of the log was damaged */
		g->base_s = v[0].at_s;
	for (size_t i = 0; i < n; i++) {
		int64_t at = v[i].at_s - g->base_s;

		/* A clock that was decades off; numbers of series never come so far. */
		if (at > INT32_MAX || at < INT32_MIN || v[i].id > UINT32_MAX || g->n == g->room) {
			g->odd++;
			continue;
		}
		g->v[g->n++] = (struct sample){ (uint32_t)v[i].id, (int32_t)at, v[i].value };
	}
}

static int
by_series(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The points of the series at v[0]; a batch that was written twice counts once. */
static size_t
points_of(const struct gathering *g, size_t from, struct history_point *p, size_t *ret_n)
{
	size_t i, n = 0;

	for (i = from; i < g->n && g->v[i].id == g->v[from].id; i++) {
		const struct sample *s = &g->v[i];
		bool again = i > from && s[-1].at == s->at && s[-1].value == s->value;

		if (n == SEGMENT_CHUNK_MAX)
			break;
		if (!again)
			p[n++] = (struct history_point){ g->base_s + s->at, s->value, s->value,
				s->value, 1 };
	}
	*ret_n = n;
	return i;
}

static int
write_level(struct history *h, const struct gathering *g, uint64_t seq, enum history_level level,
    struct err *e)
{
	const struct segment_name name = { seq, seq, level };
	_cleanup_(segment_writer_freep) struct segment_writer *w = NULL;
	_cleanup_free_ struct history_point *p = xcalloc(SEGMENT_CHUNK_MAX, sizeof(*p));
	int r = segment_writer_new(h->dirfd, h->frames, &name, &w, e);

	for (size_t i = 0; r == 0 && i < g->n;) {
		uint64_t id = g->v[i].id;
		size_t n;

		i = points_of(g, i, p, &n);
		if (level != HISTORY_RAW)
			n = history_average(p, n, history_level_s[level]);
		r = segment_writer_add(w, id, p, n, e);
	}
	return r < 0 ? r : segment_writer_finish(w, e);
}

static int
gather_log(struct history *h, uint64_t seq, struct gathering *g, struct err *e)
{
	struct log_scan scan;
	int r = log_read(h->dirfd, seq, h->frames, NULL, NULL, &scan, e);

	if (r < 0)
		return r;
	g->base_s = scan.created_s;
	g->room = scan.records;
	if (g->room == 0)
		return 0;
	g->v = xreallocarray(NULL, g->room, sizeof(*g->v));
	r = log_read(h->dirfd, seq, h->frames, gather, g, &scan, e);
	if (r < 0)
		return r;
	if (scan.damaged > 0)
		history_say(h, "history: %010llu.log was damaged in %zu place%s: %s",
		    (unsigned long long)seq, scan.damaged, words_s(scan.damaged),
		    "the samples there are lost");
	if (g->odd > 0)
		history_say(h, "history: %zu sample%s of an impossible time not kept", g->odd,
		    words_s(g->odd));
	if (g->n > 0)
		qsort(g->v, g->n, sizeof(*g->v), by_series);
	return 0;
}

int
history_close_log(struct history *h, const struct folder *f, struct err *e)
{
	struct gathering g = { 0 };
	char name[LOG_NAME_SIZE];
	uint64_t seq;
	int r;

	if (f->nlogs == 0 || (h->fd >= 0 && f->logs[0] == h->seq))
		return 0;
	seq = f->logs[0];
	r = gather_log(h, seq, &g, e);
	if (r == 0 && g.n > 0)
		r = write_level(h, &g, seq, HISTORY_5MIN, e);
	if (r == 0 && g.n > 0)
		r = write_level(h, &g, seq, HISTORY_RAW, e);
	free(g.v);
	if (r < 0)
		return r;
	log_name_text(seq, name);
	if (unlinkat(h->dirfd, name, 0) < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	return 1;
}
