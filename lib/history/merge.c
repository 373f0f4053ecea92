/*
 * The averages of a day become one segment of 5 minutes and one of hours.  That of hours comes
 * first: a range that has none is not merged yet.
 */
#include "base/words.h"
#include "history/private.h"
#include <stdio.h>

#define DAY_S      86400
#define PIECES_MAX 200 /* a clock that jumps every minute makes no more open files than this */

struct piece {
	struct segment_name name;
	struct segment *segment;
	/* the series it is at */
	uint64_t id;
	struct history_point *points;
	size_t n, room;
};

struct merge {
	struct piece v[PIECES_MAX];
	size_t n;
	struct history_point *chunk, *all;
	size_t nall, room;
	uint64_t *ids;
	size_t nids, ids_room;
	int64_t end_s;
};

static void
merge_done(struct merge *m)
{
	for (size_t i = 0; i < m->n; i++) {
		segment_free(m->v[i].segment);
		free(m->v[i].points);
	}
	free(m->chunk);
	free(m->all);
	free(m->ids);
}

static void
piece_advance(struct merge *m, struct piece *p)
{
	p->n = segment_next(p->segment, &p->id, m->chunk);
	if (p->n > p->room) {
		p->room = p->n;
		p->points = xreallocarray(p->points, p->room, sizeof(*p->points));
	}
	if (p->n > 0)
		memcpy(p->points, m->chunk, p->n * sizeof(*p->points));
}

static void
merge_take(struct merge *m, struct piece *p)
{
	if (m->nall + p->n > m->room) {
		m->room = (m->nall + p->n) * 2;
		m->all = xreallocarray(m->all, m->room, sizeof(*m->all));
	}
	memcpy(m->all + m->nall, p->points, p->n * sizeof(*p->points));
	m->nall += p->n;
	piece_advance(m, p);
}

/* All points of the series with the lowest number that is left; false at the end. */
static bool
merge_next(struct merge *m, uint64_t *ret_id)
{
	struct piece *first = NULL;
	uint64_t id;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].n > 0 && (!first || m->v[i].id < first->id))
			first = &m->v[i];
	if (!first)
		return false;
	id = first->id;
	m->nall = 0;
	for (size_t i = 0; i < m->n; i++)
		while (m->v[i].n > 0 && m->v[i].id == id)
			merge_take(m, &m->v[i]);
	*ret_id = id;
	return true;
}

static void
note_id(struct merge *m, uint64_t id)
{
	if (m->nids == m->ids_room) {
		m->ids_room = MAX(m->ids_room * 2, (size_t)1024);
		m->ids = xreallocarray(m->ids, m->ids_room, sizeof(*m->ids));
	}
	m->ids[m->nids++] = id;
}

static int
merge_write(
    struct merge *m, struct segment_writer *hours, struct segment_writer *minutes, struct err *e)
{
	uint64_t id;
	int r = 0;

	m->chunk = xcalloc(SEGMENT_CHUNK_MAX, sizeof(*m->chunk));
	for (size_t i = 0; i < m->n; i++)
		piece_advance(m, &m->v[i]);
	while (r == 0 && merge_next(m, &id)) {
		note_id(m, id);
		m->nall = history_average(m->all, m->nall, history_level_s[HISTORY_5MIN]);
		if (minutes)
			r = segment_writer_add(minutes, id, m->all, m->nall, e);
		m->nall = history_average(m->all, m->nall, history_level_s[HISTORY_1H]);
		if (r == 0)
			r = segment_writer_add(hours, id, m->all, m->nall, e);
	}
	if (r == 0)
		r = segment_writer_finish(hours, e);
	return r == 0 && minutes ? segment_writer_finish(minutes, e) : r;
}

static void
say_damage(struct history *h, const struct merge *m)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < m->n; i++) {
		if (segment_damaged(m->v[i].segment) == 0)
			continue;
		segment_name_text(&m->v[i].name, name);
		history_say(h,
		    "history: %s was damaged in %zu place%s: the averages there are lost", name,
		    segment_damaged(m->v[i].segment), words_s(segment_damaged(m->v[i].segment)));
	}
}

static int
merge_run(struct history *h, struct merge *m, struct err *e)
{
	struct segment_name name = { m->v[0].name.from, m->v[m->n - 1].name.to, HISTORY_1H };
	_cleanup_(segment_writer_freep) struct segment_writer *hours = NULL, *minutes = NULL;
	char old[SEGMENT_NAME_SIZE];
	int r = segment_writer_new(h->dirfd, h->frames, &name, &hours, e);

	name.level = HISTORY_5MIN;
	if (r == 0 && m->n > 1)
		r = segment_writer_new(h->dirfd, h->frames, &name, &minutes, e);
	if (r == 0)
		r = merge_write(m, hours, minutes, e);
	if (r < 0)
		return r;
	say_damage(h, m);
	for (size_t i = 0; m->n > 1 && i < m->n; i++) {
		segment_name_text(&m->v[i].name, old);
		unlinkat(h->dirfd, old, 0); /* what stays is superseded: the next open removes it */
	}
	return 1;
}

static bool
has_hours(const struct folder *f, const struct segment_name *name)
{
	for (size_t i = 0; i < f->nsegments; i++)
		if (f->segments[i].level == HISTORY_1H && f->segments[i].from <= name->from &&
		    f->segments[i].to >= name->to)
			return true;
	return false;
}

static int64_t
day_of(int64_t s)
{
	return s >= 0 ? s / DAY_S : (s - DAY_S + 1) / DAY_S;
}

/* The first pieces that are of one day, which is over. */
static int
merge_find(struct history *h, const struct folder *f, int64_t now_s, struct merge *m, struct err *e)
{
	for (size_t i = 0; i < f->nsegments && m->n < PIECES_MAX; i++) {
		struct piece *p = &m->v[m->n];
		char name[SEGMENT_NAME_SIZE];
		int r;

		if (f->segments[i].level != HISTORY_5MIN || has_hours(f, &f->segments[i]))
			continue;
		*p = (struct piece){ .name = f->segments[i] };
		r = segment_open(h->dirfd, h->frames, &p->name, &p->segment, e);
		if (r == -EBADMSG) {
			segment_name_text(&p->name, name);
			history_say(
			    h, "history: %s is damaged and set aside: its averages are lost", name);
			history_set_aside(h, name);
			continue;
		}
		if (r < 0)
			return r;
		if (m->n > 0 && day_of(segment_begin_s(p->segment)) !=
		                    day_of(segment_begin_s(m->v[0].segment))) {
			segment_free(p->segment);
			return 0;
		}
		m->end_s =
		    m->n ? MAX(m->end_s, segment_end_s(p->segment)) : segment_end_s(p->segment);
		m->n++;
	}
	if (m->n > 0 && m->n < PIECES_MAX &&
	    day_of(segment_begin_s(m->v[0].segment)) == day_of(now_s)) {
		merge_done(m);
		*m = (struct merge){ 0 };
	}
	return 0;
}

int
history_merge_day(struct history *h, const struct folder *f, int64_t now_s, struct err *e)
{
	struct merge *m = xcalloc(1, sizeof(*m));
	int r = merge_find(h, f, now_s, m, e);

	if (r == 0 && m->n > 0)
		r = merge_run(h, m, e);
	if (r == 1) {
		int saved;

		names_renew(h->names, m->ids, m->nids, m->end_s);
		saved = names_rewrite(h->names, h->dirfd, now_s - h->limits.keep_s, e);
		r = saved < 0 ? saved : 1;
	}
	merge_done(m);
	free(m);
	return r;
}
