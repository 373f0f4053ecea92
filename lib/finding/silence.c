/* The list of silences: which are active now, and which of them a finding falls under. */
#include "finding/silence.h"
#include "base/str.h"
#include <stdio.h>

/* Times of a window that leave no gap for so long leave none: whatever a year brings has come. */
#define FOLLOW_SEC   (INT64_C(400) * 86400)
#define FOLLOW_TIMES 10000

const char *const silence_kind_names[SILENCE_KIND_N] = { "silence", "window", "accept" };

struct silences {
	struct map *by_id;
	size_t nasked; /* all but windows */
	size_t active[SILENCE_KIND_N];
};

/* ---- one ---- */

struct silence *
silence_new(enum silence_kind kind)
{
	struct silence *s = xcalloc(1, sizeof(*s));

	s->kind = kind;
	s->reason = xstrdup("");
	s->author = xstrdup("");
	if (kind == SILENCE_ACCEPT)
		s->accepted = map_new();
	return s;
}

struct silence *
silence_free(struct silence *s)
{
	if (!s)
		return NULL;
	free(s->name);
	strv_free(s->databases);
	strv_free(s->checks);
	strv_free(s->objects);
	free(s->reason);
	free(s->author);
	calendar_free(s->when);
	map_free(s->accepted, NULL);
	free(s);
	return NULL;
}

static bool
database_matches(char *const *globs, const char *name)
{
	for (; *globs; globs++) {
		size_t n = strlen(*globs);

		if (strncmp(*globs, name, n) == 0 && (name[n] == '\0' || name[n] == '/'))
			return true;
		if (strpbrk(*globs, "*?[") && str_glob(*globs, name))
			return true;
	}
	return false;
}

static bool
globs_match(char *const *globs, const char *text)
{
	for (; *globs; globs++)
		if (streq(*globs, text) || (strpbrk(*globs, "*?[") && str_glob(*globs, text)))
			return true;
	return false;
}

bool
silence_is_of(const struct silence *s, const struct finding *f)
{
	if (s->kind == SILENCE_ACCEPT)
		return map_get(s->accepted, f->id) != NULL;
	if (s->databases && !database_matches(s->databases, *f->database ? f->database : f->server))
		return false;
	if (s->checks && !globs_match(s->checks, f->check))
		return false;
	return !s->objects || globs_match(s->objects, f->object);
}

bool
silence_accept(struct silence *s, const struct finding *f)
{
	if (map_size(s->accepted) >= SILENCE_ACCEPT_MAX)
		return false;
	map_put(s->accepted, f->id, (void *)(uintptr_t)f->severity);
	return true;
}

static void
add_globs(struct str *out, char *const *globs)
{
	for (size_t i = 0; globs && globs[i]; i++)
		str_addf(out, "%s%s", i ? "," : "", globs[i]);
	if (!globs)
		str_addc(out, '*');
}

char *
silence_target(const struct silence *s)
{
	_cleanup_str_ struct str out = { 0 };

	if (!s->databases && !s->checks && !s->objects)
		return xstrdup("everything");
	add_globs(&out, s->databases);
	if (s->checks || s->objects) {
		str_addc(&out, '/');
		add_globs(&out, s->checks);
	}
	if (s->objects) {
		str_addc(&out, '/');
		add_globs(&out, s->objects);
	}
	return str_take(&out);
}

/* An accept holds what it holds at the severity of then; the others for what did not rise. */
static bool
keeps_quiet(const struct silence *s, const struct finding *f)
{
	if (!s->active || !silence_is_of(s, f))
		return false;
	if (s->kind == SILENCE_ACCEPT)
		return f->severity <= (enum severity)(uintptr_t)map_get(s->accepted, f->id);
	return s->even_if_worse || s->began_wall_us > f->mute_broken_wall_us;
}

/* ---- all ---- */

struct silences *
silences_new(void)
{
	struct silences *all = xcalloc(1, sizeof(*all));

	all->by_id = map_new();
	return all;
}

static void
free_one(void *s)
{
	silence_free(s);
}

struct silences *
silences_free(struct silences *all)
{
	if (!all)
		return NULL;
	map_free(all->by_id, free_one);
	free(all);
	return NULL;
}

static void
give_id(struct silences *all, struct silence *s)
{
	_cleanup_free_ char *target = silence_target(s);

	for (unsigned n = 0;; n++) {
		_cleanup_free_ char *when = xasprintf(
		    "%lld.%u", s->kind == SILENCE_WINDOW ? 0LL : (long long)s->created_wall_us, n);
		const char *parts[] = { silence_kind_names[s->kind], s->name ? s->name : target,
			when };

		sha_id(parts, ARRAY_SIZE(parts), s->id);
		if (!map_get(all->by_id, s->id))
			return;
	}
}

int
silences_add(struct silences *all, struct silence *take)
{
	if (take->kind != SILENCE_WINDOW && all->nasked >= SILENCES_MAX)
		return -ENOSPC;
	if (!*take->id)
		give_id(all, take);
	else if (map_get(all->by_id, take->id))
		return -EEXIST;
	map_put(all->by_id, take->id, take);
	all->nasked += take->kind != SILENCE_WINDOW;
	all->active[take->kind] += take->active;
	return 0;
}

struct silence *
silences_get(const struct silences *all, const char *id)
{
	return map_get(all->by_id, id);
}

struct silence *
silences_next(const struct silences *all, size_t *iter)
{
	void *value;

	return map_next(all->by_id, iter, NULL, &value) ? value : NULL;
}

size_t
silences_count(const struct silences *all, enum silence_kind kind)
{
	return all->active[kind];
}

struct silence *
silences_take(struct silences *all, const char *id)
{
	struct silence *s = map_remove(all->by_id, id);

	if (!s)
		return NULL;
	all->nasked -= s->kind != SILENCE_WINDOW;
	all->active[s->kind] -= s->active;
	return s;
}

/* ---- time ---- */

/* The time that is on, or the next: from where it could still last. */
static void
look_at_window(struct silence *s, int64_t wall_us)
{
	int64_t from = (wall_us - s->duration_us) / 1000000, begin = 0, next = 0, first;

	s->next_wall_us = 0;
	s->active = s->endless = false;
	if (calendar_next(s->when, from, &begin) < 0)
		return;
	if (begin * 1000000 > wall_us) {
		s->next_wall_us = begin * 1000000;
		return;
	}
	s->active = true;
	if (s->began_wall_us == 0 || begin * 1000000 > s->until_wall_us)
		s->began_wall_us = begin * 1000000;
	s->until_wall_us = begin * 1000000 + s->duration_us;
	/* One that begins before this one has ended goes on with it. */
	first = begin;
	for (int i = 0; i < FOLLOW_TIMES && begin - first < FOLLOW_SEC; i++) {
		if (calendar_next(s->when, begin, &next) < 0)
			return;
		if (next * 1000000 > s->until_wall_us) {
			s->next_wall_us = next * 1000000;
			return;
		}
		begin = next;
		s->until_wall_us = begin * 1000000 + s->duration_us;
	}
	s->endless = begin - first >= FOLLOW_SEC;
}

static bool
is_due(const struct silence *s, int64_t wall_us)
{
	if (wall_us < s->ticked_wall_us || s->ticked_wall_us == 0)
		return true;
	return s->active ? wall_us >= s->until_wall_us
	                 : s->next_wall_us > 0 && wall_us >= s->next_wall_us;
}

bool
silences_tick(struct silences *all, int64_t wall_us)
{
	bool changed = false;
	size_t iter = 0;
	struct silence *s;

	while ((s = silences_next(all, &iter))) {
		bool was = s->active;

		if (s->kind == SILENCE_WINDOW) {
			if (is_due(s, wall_us))
				look_at_window(s, wall_us);
			s->ticked_wall_us = wall_us;
		} else {
			s->active = s->until_wall_us == 0 || wall_us < s->until_wall_us;
			s->began_wall_us = s->created_wall_us;
		}
		if (was == s->active)
			continue;
		changed = true;
		if (s->active)
			all->active[s->kind]++;
		else
			all->active[s->kind]--;
	}
	return changed;
}

const struct silence *
silences_match(const struct silences *all, const struct finding *f)
{
	const struct silence *best = NULL, *s;
	size_t iter = 0;

	while ((s = silences_next(all, &iter))) {
		if ((best && s->kind != SILENCE_ACCEPT &&
		        s->until_wall_us <= best->until_wall_us) ||
		    !keeps_quiet(s, f))
			continue;
		if (s->kind == SILENCE_ACCEPT)
			return s;
		best = s;
	}
	return best;
}

bool
silences_cover(const struct silences *all, const char *database, const char *server)
{
	const struct silence *s;

	for (size_t i = 0; (s = silences_next(all, &i));) {
		if (!s->active || s->kind == SILENCE_ACCEPT || s->checks || s->objects)
			continue;
		if (!s->databases || database_matches(s->databases, *database ? database : server))
			return true;
	}
	return false;
}
