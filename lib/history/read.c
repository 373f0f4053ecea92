/*
 * Questions.  Every log is in the answer once: of those that are kept at several levels, the level
 * that fits the step best.  A coarser one that holds more is taken where no finer one was.
 */
#include "history/private.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>

#define TRIES 3 /* the writer may remove what we just saw */

struct wanted {
	uint64_t id;
	struct history_series out;
	size_t room;
};

struct covered {
	uint64_t from, to;
	int64_t begin_s, end_s;
};

struct reading {
	const struct history_query *q;
	int dirfd;
	struct frames *frames;
	struct wanted *v; /* by number */
	size_t n;
	struct covered *covered;
	size_t ncovered;
	struct history_point *chunk;
	int64_t resolution_s;
	bool missed; /* a file went while we read */
	size_t damaged;
};

static void
on_name(const struct names_entry *en, void *arg)
{
	struct reading *rd = arg;
	const struct history_query *q = rd->q;
	struct wanted *w;

	if (!streq(en->scope, q->scope) || !streq(en->check, q->check) ||
	    (q->object && !streq(en->object, q->object)))
		return;
	for (size_t i = 0; i < rd->n; i++)
		if (rd->v[i].id == en->id)
			return;
	rd->v = xreallocarray(rd->v, rd->n + 1, sizeof(*rd->v));
	w = &rd->v[rd->n++];
	*w = (struct wanted){ .id = en->id };
	w->out.object = xstrdup(en->object);
	w->out.unit = en->unit;
	w->out.last = NAN;
}

static int
by_id(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct wanted *
find_wanted(struct reading *rd, uint64_t id)
{
	const struct wanted key = { .id = id };

	/* Of a log nearly all are others. */
	if (rd->n == 0 || id < rd->v[0].id || id > rd->v[rd->n - 1].id)
		return NULL;
	return bsearch(&key, rd->v, rd->n, sizeof(*rd->v), by_id);
}

/* ---- points ---- */

/* Averages as they go, so that months of samples need no more room than the answer. */
static void
fold(struct reading *rd, struct wanted *w)
{
	if (rd->q->step_s > 0)
		w->out.npoints = history_average(w->out.points, w->out.npoints, rd->q->step_s);
}

static void
take_point(struct reading *rd, struct wanted *w, const struct history_point *p)
{
	struct history_series *s = &w->out;

	if (p->at_s < rd->q->from_s || p->at_s > rd->q->to_s)
		return;
	if (isnan(s->last) || p->at_s >= s->last_s) {
		s->last = p->value;
		s->last_s = p->at_s;
	}
	if (s->npoints == w->room) {
		fold(rd, w);
		if (s->npoints > w->room / 2 || w->room == 0) {
			w->room = MAX(w->room * 2, (size_t)256);
			s->points = xreallocarray(s->points, w->room, sizeof(*s->points));
		}
	}
	s->points[s->npoints++] = *p;
}

/* Of a coarser level: whether samples of a finer one, that are taken already, stand for it. */
static bool
is_taken(const struct reading *rd, const struct segment_name *name, int64_t at_s)
{
	int64_t step = history_level_s[name->level];

	for (size_t i = 0; i < rd->ncovered; i++) {
		const struct covered *c = &rd->covered[i];

		if (c->from >= name->from && c->to <= name->to && at_s + step > c->begin_s &&
		    at_s <= c->end_s)
			return true;
	}
	return false;
}

static bool
is_covered(const struct reading *rd, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rd->ncovered; i++) {
		const struct covered *c = &rd->covered[i];

		if (c->from <= from && c->to >= to)
			return true;
		if (c->from >= from && c->to <= to)
			n += c->to - c->from + 1;
	}
	return n == to - from + 1;
}

static void
cover(struct reading *rd, uint64_t from, uint64_t to, int64_t begin_s, int64_t end_s)
{
	rd->covered = xreallocarray(rd->covered, rd->ncovered + 1, sizeof(*rd->covered));
	rd->covered[rd->ncovered++] = (struct covered){ from, to, begin_s, end_s };
}

static void
read_points(struct reading *rd, const struct segment_name *name, struct segment *s)
{
	uint64_t id, last = rd->v[rd->n - 1].id;
	size_t n;

	/* Series of one check lie near each other: what is between is skipped by blocks. */
	segment_seek(s, rd->v[0].id);
	while ((n = segment_next(s, &id, rd->chunk)) > 0 && id <= last) {
		struct wanted *w = find_wanted(rd, id);

		for (size_t i = 0; w && i < n; i++) {
			if (name->level != HISTORY_RAW && is_taken(rd, name, rd->chunk[i].at_s))
				continue;
			take_point(rd, w, &rd->chunk[i]);
			rd->resolution_s = MAX(rd->resolution_s, history_level_s[name->level]);
		}
		if (!w && id < last) {
			size_t i = 0;

			while (rd->v[i].id < id)
				i++;
			segment_skip(s, rd->v[i].id);
		}
	}
}

static void
read_segment(struct reading *rd, const struct segment_name *name)
{
	_cleanup_(segment_freep) struct segment *s = NULL;
	int64_t begin_s, end_s;
	int r;

	if (is_covered(rd, name->from, name->to))
		return;
	r = segment_open(rd->dirfd, rd->frames, name, &s, NULL);
	if (r < 0) {
		rd->missed = rd->missed || r == -ENOENT;
		rd->damaged += r != -ENOENT;
		return;
	}
	begin_s = segment_begin_s(s);
	end_s = segment_end_s(s) + history_level_s[name->level] - 1;
	if (end_s >= rd->q->from_s && begin_s <= rd->q->to_s)
		read_points(rd, name, s);
	rd->damaged += segment_damaged(s);
	/* Where it is damaged averages may still know. */
	if (segment_damaged(s) == 0)
		cover(rd, name->from, name->to, begin_s, end_s);
}

static void
on_records(const struct log_record *v, size_t n, void *arg)
{
	struct reading *rd = arg;

	for (size_t i = 0; i < n; i++) {
		struct wanted *w = find_wanted(rd, v[i].id);
		struct history_point p = { v[i].at_s, v[i].value, v[i].value, v[i].value, 1 };

		if (w)
			take_point(rd, w, &p);
	}
}

static void
read_logs(struct reading *rd, const struct folder *f)
{
	for (size_t i = 0; i < f->nlogs; i++) {
		struct log_scan scan;
		int r;

		if (is_covered(rd, f->logs[i], f->logs[i]))
			continue;
		r = log_read(rd->dirfd, f->logs[i], rd->frames, on_records, rd, &scan, NULL);
		rd->missed = rd->missed || r == -ENOENT;
		rd->damaged += r == 0 ? scan.damaged : r != -ENOENT;
	}
}

static void
read_all(struct reading *rd, const struct folder *f)
{
	static const enum history_level orders[HISTORY_LEVEL_N][HISTORY_LEVEL_N] = {
		[HISTORY_RAW] = { HISTORY_RAW, HISTORY_5MIN, HISTORY_1H },
		[HISTORY_5MIN] = { HISTORY_5MIN, HISTORY_RAW, HISTORY_1H },
		[HISTORY_1H] = { HISTORY_1H, HISTORY_5MIN, HISTORY_RAW },
	};
	int64_t step = rd->q->step_s;
	const enum history_level *order =
	    orders[step >= history_level_s[HISTORY_1H]     ? HISTORY_1H
	           : step >= history_level_s[HISTORY_5MIN] ? HISTORY_5MIN
	                                                   : HISTORY_RAW];

	for (unsigned k = 0; k < HISTORY_LEVEL_N; k++)
		for (size_t i = 0; i < f->nsegments; i++)
			if (f->segments[i].level == order[k] &&
			    !folder_is_superseded(f, &f->segments[i]))
				read_segment(rd, &f->segments[i]);
	read_logs(rd, f);
}

/* ---- the answer ---- */

static int
by_object(const void *a, const void *b)
{
	const struct history_series *x = a, *y = b;

	return strcmp(x->object, y->object);
}

static int
by_time(const void *a, const void *b)
{
	const struct history_point *x = a, *y = b;

	return x->at_s < y->at_s ? -1 : x->at_s > y->at_s;
}

static void
finish_series(struct reading *rd, struct wanted *w, struct history_answer *ret)
{
	struct history_series *s = &w->out;
	size_t kept = 0;

	fold(rd, w);
	if (s->npoints > 0 && rd->q->step_s == 0)
		qsort(s->points, s->npoints, sizeof(*s->points), by_time);
	for (size_t i = 0; i < s->npoints && rd->q->step_s == 0; i++) {
		if (kept == 0 || s->points[kept - 1].at_s != s->points[i].at_s ||
		    s->points[kept - 1].value != s->points[i].value)
			s->points[kept++] = s->points[i];
	}
	if (rd->q->step_s == 0)
		s->npoints = kept;
	if (s->npoints > HISTORY_POINTS_MAX) {
		memmove(s->points, s->points + (s->npoints - HISTORY_POINTS_MAX),
		    HISTORY_POINTS_MAX * sizeof(*s->points));
		s->npoints = HISTORY_POINTS_MAX;
		ret->truncated = true;
	}
}

static void
reading_done(struct reading *rd)
{
	for (size_t i = 0; i < rd->n; i++) {
		free(rd->v[i].out.object);
		free(rd->v[i].out.points);
	}
	free(rd->v);
	free(rd->covered);
	free(rd->chunk);
	frames_free(rd->frames);
	closep(&rd->dirfd);
}

static void
hand_over(struct reading *rd, struct history_answer *ret)
{
	*ret = (struct history_answer){
		.resolution_s = rd->resolution_s, .known = rd->n > 0, .damaged = rd->damaged
	};
	ret->series = xcalloc(MAX(rd->n, (size_t)1), sizeof(*ret->series));
	for (size_t i = 0; i < rd->n; i++) {
		finish_series(rd, &rd->v[i], ret);
		ret->series[ret->nseries++] = rd->v[i].out;
		rd->v[i].out = (struct history_series){ 0 };
	}
	if (ret->nseries > 0)
		qsort(ret->series, ret->nseries, sizeof(*ret->series), by_object);
}

static int
read_once(const char *dir, struct reading *rd, struct err *e)
{
	struct folder f = { 0 };
	size_t damaged = 0, torn = 0;
	int r;

	rd->resolution_s = 1;
	rd->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (rd->dirfd < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", dir, strerror(errno));
	rd->frames = frames_new();
	r = names_read(rd->dirfd, rd->frames, on_name, rd, &damaged, &torn, e);
	if (r < 0 || rd->n == 0)
		return r;
	qsort(rd->v, rd->n, sizeof(*rd->v), by_id);
	r = folder_read(rd->dirfd, &f, e);
	if (r < 0)
		return r;
	rd->chunk = xcalloc(SEGMENT_CHUNK_MAX, sizeof(*rd->chunk));
	read_all(rd, &f);
	folder_done(&f);
	return 0;
}

int
history_read(
    const char *dir, const struct history_query *q, struct history_answer *ret, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		struct reading rd = { .q = q, .dirfd = -1 };
		bool again;

		r = read_once(dir, &rd, e);
		again = r == 0 && rd.missed && i + 1 < TRIES;
		if (r == 0 && !again)
			hand_over(&rd, ret);
		reading_done(&rd);
		if (!again)
			break;
	}
	return r;
}

void
history_answer_done(struct history_answer *a)
{
	for (size_t i = 0; i < a->nseries; i++) {
		free(a->series[i].object);
		free(a->series[i].points);
	}
	free(a->series);
	*a = (struct history_answer){ 0 };
}
