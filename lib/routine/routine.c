/* The entries of a routine and their marks, by item and database. */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "routine/internal.h"

const char *const routine_how_names[ROUTINE_HOW_N] = {
	[ROUTINE_BY_PERSON] = "person",
	[ROUTINE_BY_JOB] = "job",
	[ROUTINE_BY_ITSELF] = "itself",
};

static char *
key_of(const char *item, const char *database)
{
	return xasprintf("%s/%s", item, database);
}

char *
routine_key(const struct routine_entry *e)
{
	return key_of(e->item, e->database);
}

static void
mark_done(struct routine_mark *m)
{
	free(m->who);
	free(m->note);
	*m = (struct routine_mark){ 0 };
}

static void
entry_free(void *p)
{
	struct routine_entry *e = p;

	for (size_t i = 0; i < e->nmarks; i++)
		mark_done(&e->marks[i]);
	free(e->item);
	free(e->database);
	free(e);
}

struct routine *
routine_new(void)
{
	struct routine *r = xcalloc(1, sizeof(*r));

	r->entries = map_new();
	return r;
}

static void
calendars_free(struct routine *r)
{
	for (enum routine_period p = 0; p < ROUTINE_PERIOD_N; p++)
		r->begins[p] = calendar_free(r->begins[p]);
}

struct routine *
routine_free(struct routine *r)
{
	if (!r)
		return NULL;
	calendars_free(r);
	map_free(r->entries, entry_free);
	free(r);
	return NULL;
}

/* ---- configuration ---- */

void
routine_begin(struct routine *r, char *const begins_at[ROUTINE_PERIOD_N], int64_t grace_us)
{
	size_t iter = 0;
	void *value;

	calendars_free(r);
	for (enum routine_period p = 0; p < ROUTINE_PERIOD_N; p++)
		if (calendar_parse(begins_at[p], &r->begins[p], NULL) < 0)
			r->begins[p] = NULL; /* the configuration judged it */
	r->grace_sec = grace_us / USEC_PER_SEC;
	r->places = 0;
	while (map_next(r->entries, &iter, NULL, &value))
		((struct routine_entry *)value)->configured = false;
}

struct routine_entry *
routine_entry_make(struct routine *r, const char *item, const char *database)
{
	_cleanup_free_ char *key = key_of(item, database);
	struct routine_entry *e = map_get(r->entries, key);

	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->item = xstrdup(item);
	e->database = xstrdup(database);
	e->kind = routine_item_find(item);
	map_put(r->entries, key, e);
	return e;
}

void
routine_add(struct routine *r, const char *item, enum routine_period period, bool runs,
    const char *database, int64_t now)
{
	struct routine_entry *e = routine_entry_make(r, item, database);

	e->period = period;
	e->runs = runs;
	e->configured = true;
	e->place = r->places++;
	if (e->known_sec == 0)
		e->known_sec = now;
}

static int64_t
last_seen(const struct routine_entry *e)
{
	return e->nmarks > 0 ? MAX(e->marks[0].at_sec, e->known_sec) : e->known_sec;
}

static const struct routine_entry *
oldest_foreign(const struct routine *r, size_t *ret_n)
{
	const struct routine_entry *oldest = NULL;
	size_t iter = 0, n = 0;
	void *value;

	while (map_next(r->entries, &iter, NULL, &value)) {
		const struct routine_entry *e = value;

		if (e->configured)
			continue;
		n++;
		if (!oldest || last_seen(e) < last_seen(oldest))
			oldest = e;
	}
	*ret_n = n;
	return oldest;
}

void
routine_end(struct routine *r, void (*forget)(const struct routine_entry *, void *arg), void *arg)
{
	const struct routine_entry *e;
	size_t n;

	while ((e = oldest_foreign(r, &n)) && n > ROUTINE_FOREIGN_MAX) {
		_cleanup_free_ char *key = routine_key(e);

		if (forget)
			forget(e, arg);
		entry_free(map_remove(r->entries, key));
	}
}

/* ---- looking ---- */

struct routine_entry *
routine_next(const struct routine *r, size_t *iter)
{
	void *value;

	while (map_next(r->entries, iter, NULL, &value)) {
		struct routine_entry *e = value;

		if (e->configured)
			return e;
	}
	return NULL;
}

struct routine_entry *
routine_get(const struct routine *r, const char *item, const char *database)
{
	_cleanup_free_ char *key = key_of(item, database);
	struct routine_entry *e = map_get(r->entries, key);

	return e && e->configured ? e : NULL;
}

bool
routine_has(const struct routine *r, const char *item)
{
	const struct routine_entry *e;

	for (size_t iter = 0; (e = routine_next(r, &iter));)
		if (streq(e->item, item))
			return true;
	return false;
}

void
routine_verdict_of(const struct routine *r, const struct routine_entry *e, int64_t now,
    struct routine_verdict *ret)
{
	const struct calendar *c = r->begins[e->period];

	*ret = (struct routine_verdict){ .state = ROUTINE_DUE, .since_sec = e->known_sec };
	if (c)
		routine_judge(c, r->grace_sec, e->known_sec, e->nmarks > 0 ? e->marks[0].at_sec : 0,
		    now, ret);
}

/* ---- marks ---- */

static void
drop_mark(struct routine_entry *e, size_t i)
{
	mark_done(&e->marks[i]);
	e->nmarks--;
	memmove(&e->marks[i], &e->marks[i + 1], (e->nmarks - i) * sizeof(e->marks[0]));
}

void
routine_mark(
    struct routine_entry *e, enum routine_how how, const char *who, const char *note, int64_t at)
{
	size_t i = 0;

	while (i < e->nmarks && e->marks[i].at_sec > at)
		i++;
	if (i == ROUTINE_MARKS)
		return;
	if (e->nmarks == ROUTINE_MARKS)
		drop_mark(e, ROUTINE_MARKS - 1);
	memmove(&e->marks[i + 1], &e->marks[i], (e->nmarks - i) * sizeof(e->marks[0]));
	e->marks[i] = (struct routine_mark){ .at_sec = at,
		.how = how,
		.who = xstrdup(who ? who : ""),
		.note = xstrndup(note ? note : "", ROUTINE_NOTE_MAX) };
	e->nmarks++;
}

bool
routine_unmark(struct routine_entry *e)
{
	for (size_t i = 0; i < e->nmarks; i++)
		if (e->marks[i].how == ROUTINE_BY_PERSON) {
			drop_mark(e, i);
			return true;
		}
	return false;
}
