/* The dictionary of the series: groups (a check on a database) of objects, and their file. */
#include "history/names.h"
#include "base/map.h"
#include "history/code.h"
#include "history/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_NAME   "series"
#define FILE_MAX    ((size_t)256 << 20)
#define FRAME_BYTES ((size_t)128 << 10)
#define GROUP_MAX   400 /* objects of one check that are remembered */
#define AWAY_S      3600
#define WORST       (HISTORY_OBJECTS / 2)

struct object {
	uint64_t id;
	char *name;
	enum unit unit;
	int64_t last_s, seen_s;
	bool placed, saved;
};

struct group {
	char *scope, *check;
	struct object *v;
	size_t n;
};

struct names {
	struct frames *frames; /* borrowed */
	struct map *groups;    /* by scope and check */
	uint64_t last_id;
	size_t n, unsaved;
	bool full;
};

static void
group_free(void *p)
{
	struct group *g = p;

	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].name);
	free(g->v);
	free(g->scope);
	free(g->check);
	free(g);
}

struct names *
names_free(struct names *n)
{
	if (!n)
		return NULL;
	map_free(n->groups, group_free);
	free(n);
	return NULL;
}

static struct group *
group_of(struct names *n, const char *scope, const char *check)
{
	_cleanup_free_ char *key = xasprintf("%s\x1f%s", check, scope);
	struct group *g = map_get(n->groups, key);

	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->scope = xstrdup(scope);
	g->check = xstrdup(check);
	map_put(n->groups, key, g);
	return g;
}

static struct object *
group_find(struct group *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (streq(g->v[i].name, name))
			return &g->v[i];
	return NULL;
}

static struct object *
group_add(struct group *g, const char *name)
{
	struct object *o;

	g->v = xreallocarray(g->v, g->n + 1, sizeof(*g->v));
	o = &g->v[g->n++];
	*o = (struct object){ .name = xstrdup(name) };
	return o;
}

/* ---- the file ---- */

static bool
decode_entry(struct decode *d, names_fn fn, void *arg)
{
	struct names_entry en = { .id = decode_number(d) };
	uint64_t unit = decode_number(d);
	_cleanup_free_ char *scope = NULL, *check = NULL, *object = NULL;

	en.last_s = decode_signed(d);
	scope = decode_text(d, HISTORY_NAME_MAX);
	check = decode_text(d, HISTORY_NAME_MAX);
	object = decode_text(d, HISTORY_NAME_MAX);
	if (d->bad || unit >= UNIT_N || en.id == 0)
		return false;
	en.unit = (enum unit)unit;
	en.scope = scope;
	en.check = check;
	en.object = object;
	fn(&en, arg);
	return true;
}

int
names_read(int dirfd, struct frames *frames, names_fn fn, void *arg, size_t *ret_damaged,
    size_t *ret_torn, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0, at = 0, damaged = 0;
	int r;

	*ret_damaged = *ret_torn = 0;
	if (fd < 0)
		return errno == ENOENT ? 0
		                       : err_set(e, -errno, "%s: %s", FILE_NAME, strerror(errno));
	r = file_read_all(fd, FILE_MAX, &bytes, &len);
	if (r < 0)
		return err_set(e, r, "%s: %s", FILE_NAME, strerror(-r));
	while (at < len) {
		const char *raw;
		size_t raw_len, used;
		struct decode d;

		r = frame_read(frames, bytes + at, len - at, &raw, &raw_len, &used);
		if (r < 0) {
			size_t next = frame_find(bytes, len, at + 1);

			if (r == -ENODATA && next == len)
				*ret_torn = len - at;
			else
				damaged++;
			at = next;
			continue;
		}
		at += used;
		d = (struct decode){ raw, raw_len, false };
		while (d.left > 0)
			if (!decode_entry(&d, fn, arg)) {
				damaged++;
				break;
			}
	}
	*ret_damaged = damaged;
	return 0;
}

static void
on_entry(const struct names_entry *en, void *arg)
{
	struct names *n = arg;
	struct group *g = group_of(n, en->scope, en->check);
	struct object *o = group_find(g, en->object);

	n->last_id = MAX(n->last_id, en->id);
	if (!o) {
		o = group_add(g, en->object);
		n->n++;
	}
	o->id = en->id;
	o->unit = en->unit;
	o->last_s = en->last_s;
	o->saved = true;
}

int
names_open(int dirfd, struct frames *frames, struct names **ret, size_t *ret_damaged,
    size_t *ret_torn, struct err *e)
{
	struct names *n = xcalloc(1, sizeof(*n));
	int r;

	n->frames = frames;
	n->groups = map_new();
	r = names_read(dirfd, frames, on_entry, n, ret_damaged, ret_torn, e);
	if (r < 0) {
		names_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

size_t
names_count(const struct names *n)
{
	return n->n;
}

bool
names_reserve(struct names *n, uint64_t max_id)
{
	bool known = n->last_id >= max_id;

	n->last_id = MAX(n->last_id, max_id);
	return known;
}

bool
names_full(const struct names *n)
{
	return n->full;
}

/* ---- places ---- */

static size_t
count_placed(const struct group *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->v[i].placed;
	return n;
}

/* A place that nobody has, or that of the object that is longest away. */
static bool
make_place(struct group *g, int64_t at_s, bool worst)
{
	struct object *away = NULL;

	if (count_placed(g) < HISTORY_OBJECTS)
		return true;
	for (size_t i = 0; i < g->n; i++) {
		struct object *o = &g->v[i];

		if (o->placed && o->seen_s != at_s && (!away || o->seen_s < away->seen_s))
			away = o;
	}
	if (!away || (!worst && llabs((long long)(at_s - away->seen_s)) < AWAY_S))
		return false;
	away->placed = false;
	return true;
}

static struct object *
object_new(struct names *n, struct group *g, const char *name, enum unit unit)
{
	struct object *o;

	if (g->n >= GROUP_MAX || n->n >= HISTORY_SERIES_MAX) {
		n->full = true;
		return NULL;
	}
	o = group_add(g, name);
	o->id = ++n->last_id;
	o->unit = unit;
	n->n++;
	n->unsaved++;
	return o;
}

void
names_take(struct names *n, const char *scope, const char *check, enum unit unit, int64_t at_s,
    const char *const *objects, size_t nobjects, uint64_t *ret_ids)
{
	struct group *g = group_of(n, scope, check);

	for (size_t i = 0; i < nobjects; i++) {
		struct object *o = group_find(g, objects[i]);

		ret_ids[i] = o && o->placed ? o->id : 0;
		if (ret_ids[i])
			o->seen_s = at_s;
	}
	for (size_t i = 0; i < nobjects; i++) {
		struct object *o;

		if (ret_ids[i] || !make_place(g, at_s, i < WORST))
			continue;
		o = group_find(g, objects[i]);
		if (!o)
			o = object_new(n, g, objects[i], unit);
		if (!o)
			continue;
		o->placed = true;
		o->seen_s = at_s;
		o->last_s = MAX(o->last_s, at_s);
		ret_ids[i] = o->id;
	}
}

/* ---- saving ---- */

static void
code_entry(struct str *s, const struct group *g, const struct object *o)
{
	code_number(s, o->id);
	code_number(s, o->unit);
	code_signed(s, o->last_s);
	code_text(s, g->scope);
	code_text(s, g->check);
	code_text(s, o->name);
}

static void
code_all(struct names *n, bool unsaved, struct str *out)
{
	_cleanup_str_ struct str raw = { 0 };
	size_t iter = 0;
	void *value;

	while (map_next(n->groups, &iter, NULL, &value)) {
		const struct group *g = value;

		for (size_t i = 0; i < g->n; i++) {
			if (unsaved && g->v[i].saved)
				continue;
			code_entry(&raw, g, &g->v[i]);
			if (raw.len < FRAME_BYTES)
				continue;
			frame_write(n->frames, &raw, 3, out);
			str_reset(&raw);
		}
	}
	if (raw.len > 0)
		frame_write(n->frames, &raw, 3, out);
}

static void
mark_saved(struct names *n)
{
	size_t iter = 0;
	void *value;

	while (map_next(n->groups, &iter, NULL, &value)) {
		struct group *g = value;

		for (size_t i = 0; i < g->n; i++)
			g->v[i].saved = true;
	}
	n->unsaved = 0;
}

int
names_save(struct names *n, int dirfd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	_cleanup_str_ struct str out = { 0 };
	off_t end;
	int r;

	if (n->unsaved == 0)
		return 0;
	fd = openat(dirfd, FILE_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", FILE_NAME, strerror(errno));
	end = lseek(fd, 0, SEEK_END);
	code_all(n, true, &out);
	r = end < 0 ? -errno : file_write(fd, out.s, out.len);
	if (r == 0 && (fdatasync(fd) < 0 || (end == 0 && fsync(dirfd) < 0)))
		r = -errno;
	if (r < 0) {
		if (end >= 0 && ftruncate(fd, end) < 0)
			r = -errno; /* what is torn there is passed over by the next reader */
		return err_set(e, r, "%s: %s", FILE_NAME, strerror(-r));
	}
	mark_saved(n);
	return 0;
}

void
names_renew(struct names *n, const uint64_t *ids, size_t nids, int64_t last_s)
{
	size_t iter = 0;
	void *value;

	while (map_next(n->groups, &iter, NULL, &value)) {
		struct group *g = value;

		for (size_t i = 0; i < g->n; i++) {
			size_t low = 0, high = nids;

			while (low < high) {
				size_t middle = low + (high - low) / 2;

				if (ids[middle] < g->v[i].id)
					low = middle + 1;
				else
					high = middle;
			}
			if (low < nids && ids[low] == g->v[i].id)
				g->v[i].last_s = MAX(g->v[i].last_s, last_s);
		}
	}
}

static void
forget_old(struct names *n, int64_t oldest_s)
{
	size_t iter = 0;
	const char *key;
	void *value;

	while (map_next(n->groups, &iter, &key, &value)) {
		struct group *g = value;
		size_t kept = 0;

		for (size_t i = 0; i < g->n; i++) {
			if (g->v[i].last_s >= oldest_s || g->v[i].seen_s >= oldest_s)
				g->v[kept++] = g->v[i];
			else
				free(g->v[i].name);
		}
		n->n -= g->n - kept;
		g->n = kept;
		if (kept == 0)
			group_free(map_remove(n->groups, key));
	}
}

int
names_rewrite(struct names *n, int dirfd, int64_t oldest_s, struct err *e)
{
	static const char tmp[] = FILE_NAME ".tmp";
	_cleanup_close_ int fd =
	    openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	_cleanup_str_ struct str out = { 0 };
	int r;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", tmp, strerror(errno));
	forget_old(n, oldest_s);
	code_all(n, false, &out);
	r = file_write(fd, out.s, out.len);
	if (r < 0)
		err_set(e, r, "%s: %s", tmp, strerror(-r));
	else
		r = file_publish(dirfd, fd, tmp, FILE_NAME, e);
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	else
		mark_saved(n);
	n->full = false;
	return r;
}
