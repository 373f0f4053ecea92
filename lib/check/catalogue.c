/* All checks: the built-in ones, and those of a folder that join or replace them. */
#include "base/log.h"
#include "base/snapshot.h"
#include "base/str.h"
#include "check/cause.h"
#include "check/check.h"
#include "check/embedded.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define CATALOGUE_MAX_FILE ((off_t)256 << 10)

struct catalogue {
	struct check **v; /* owned, sorted by id, engine */
	size_t n;
};

static int
order(const char *id, enum engine engine, const struct check *c)
{
	int r = strcmp(id, c->id);

	return r ? r : (int)engine - (int)c->engine;
}

/* Where (id, engine) is, or where it belongs; *ret_found tells which. */
static size_t
locate(const struct catalogue *cat, const char *id, enum engine engine, bool *ret_found)
{
	size_t low = 0, high = cat->n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = order(id, engine, cat->v[middle]);

		if (r == 0) {
			*ret_found = true;
			return middle;
		}
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void
catalogue_take(struct catalogue *cat, struct check *c)
{
	bool found;
	size_t i = locate(cat, c->id, c->engine, &found);

	if (found) {
		c->replaces = !cat->v[i]->user || cat->v[i]->replaces;
		check_free(cat->v[i]);
		cat->v[i] = c;
		return;
	}
	cat->v = xreallocarray(cat->v, cat->n + 1, sizeof(struct check *));
	memmove(cat->v + i + 1, cat->v + i, (cat->n - i) * sizeof(struct check *));
	cat->v[i] = c;
	cat->n++;
}

/* A built-in file that does not parse fails the lint; here it costs that one check only. */
struct catalogue *
catalogue_new(void)
{
	struct catalogue *cat = xcalloc(1, sizeof(*cat));

	for (size_t i = 0; i < embedded_checks_n; i++) {
		struct check *c = NULL;
		struct err e = { 0 };

		if (check_parse(embedded_checks[i].text, embedded_checks[i].path, &c, &e) < 0) {
			log_error("built-in check left out: %s", e.msg);
			continue;
		}
		free(c->origin);
		c->origin = xstrdup("built-in");
		catalogue_take(cat, c);
		c->replaces = false;
	}
	return cat;
}

struct catalogue *
catalogue_free(struct catalogue *cat)
{
	if (!cat)
		return NULL;
	for (size_t i = 0; i < cat->n; i++)
		check_free(cat->v[i]);
	free(cat->v);
	free(cat);
	return NULL;
}

size_t
catalogue_count(const struct catalogue *cat)
{
	return cat->n;
}

const struct check *
catalogue_at(const struct catalogue *cat, size_t i)
{
	assert(i < cat->n);
	return cat->v[i];
}

const struct check *
catalogue_find(const struct catalogue *cat, enum engine engine, const char *id)
{
	bool found;
	size_t i = locate(cat, id, engine, &found);

	return found ? cat->v[i] : NULL;
}

/* Owned by root or us, and nobody else may write: whoever may write it decides what SQL we run. */
static int
judge_stat(const struct stat *st, const char *path, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, -EPERM, "%s: owned by uid %u, neither root nor us", path,
		    (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM, "%s: writable by others (mode %04o)", path,
		    (unsigned)st->st_mode & 07777);
	return 0;
}

static int
read_file(int dirfd, const char *file, const char *path, char **ret, struct err *e)
{
	_cleanup_close_ int fd =
	    openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;
	int r;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, -ELOOP, "%s: a symbolic link; only regular files are read", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file", path);
	r = judge_stat(&st, path, e);
	if (r < 0)
		return r;
	if (st.st_size > CATALOGUE_MAX_FILE)
		return err_set(
		    e, -EFBIG, "%s: larger than %d kB", path, (int)(CATALOGUE_MAX_FILE >> 10));
	text = xcalloc((size_t)CATALOGUE_MAX_FILE + 1, 1);
	while (len < (size_t)CATALOGUE_MAX_FILE &&
	       (n = read(fd, text + len, (size_t)CATALOGUE_MAX_FILE - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		len += n > 0 ? (size_t)n : 0;
	}
	if (strlen(text) != len)
		return err_set(e, -EINVAL, "%s: holds a NUL byte", path);
	*ret = TAKE_PTR(text);
	return 0;
}

/* Checks of one folder, before all of them are known. */
struct arrivals {
	struct check **v;
	size_t n;
};

static int
parse_file(struct arrivals *new, const char *path, const struct snapshot_item *file, struct err *e)
{
	struct check *c = NULL;
	int r = file->code;

	if (r < 0)
		return err_set(e, r, "%s", file->why);
	r = check_parse(file->bytes, path, &c, e);
	if (r < 0)
		return r;
	c->user = true;
	sha_id(&(const char *){ file->bytes }, 1, c->digest);
	new->v = xreallocarray(new->v, new->n + 1, sizeof(struct check *));
	new->v[new->n++] = c;
	return 0;
}

/* A name that nothing has would explain nothing, and nobody would see why. */
static int
find_other(const struct catalogue *cat, const struct arrivals *new, const struct check *c,
    const char *key, const char *id, struct err *e)
{
	_cleanup_free_ const char **names = xcalloc(cat->n + new->n + 1, sizeof(*names));
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < cat->n; i++)
		if (cat->v[i]->engine == c->engine)
			names[n++] = cat->v[i]->id;
	for (size_t i = 0; i < new->n; i++)
		if (new->v[i] && new->v[i]->engine == c->engine)
			names[n++] = new->v[i]->id;
	for (size_t i = 0; i < n; i++)
		if (streq(names[i], id))
			return 0;
	near = str_nearest(id, names, n);
	return err_set(e, -ENOENT, "%s: %s: no check of %s has the id %s%s%s%s", c->origin, key,
	    engine_names[c->engine], id, near ? "; did you mean " : "", near ? near : "",
	    near ? "?" : "");
}

static int
find_others(
    const struct catalogue *cat, const struct arrivals *new, const struct check *c, struct err *e)
{
	for (size_t i = 0; i < c->ncauses; i++)
		if (find_other(cat, new, c, "caused-by", c->causes[i].check, e) < 0)
			return -ENOENT;
	return c->of ? find_other(cat, new, c, "of", c->of, e) : 0;
}

static int
take_arrival(struct catalogue *cat, struct arrivals *new, size_t i, struct err *e)
{
	struct check *c = new->v[i];
	const struct check *before = catalogue_find(cat, c->engine, c->id);
	int r = find_others(cat, new, c, e);

	if (r >= 0 && before && before->user)
		r = err_set(e, -EEXIST, "%s: %s is already declared by %s", c->origin, c->id,
		    before->origin);
	if (r < 0)
		check_free(c);
	else
		catalogue_take(cat, c);
	new->v[i] = NULL;
	return r;
}

static int
is_check_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 4 && streq(entry->d_name + len - 4, ".sql");
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
open_dir(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	r = judge_stat(&st, dir, e);
	return r < 0 ? r : TAKE_FD(fd);
}

void
catalogue_gather(const char *dir, struct snapshot *outside)
{
	struct err e = { 0 };
	_cleanup_close_ int dirfd = open_dir(dir, &e);
	_cleanup_str_ struct str names = { 0 };
	struct dirent **entries;
	int n = dirfd < 0 ? dirfd : scandirat(dirfd, ".", &entries, is_check_file, by_bytes);

	if (dirfd >= 0 && n < 0) {
		n = -errno;
		err_set(&e, n, "%s: %s", dir, strerror(-n));
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, entries[i]->d_name);
		_cleanup_free_ char *text = NULL;
		struct err why = { 0 };
		int r = read_file(dirfd, entries[i]->d_name, path, &text, &why);

		snapshot_put(outside, "check", path, r, text, text ? strlen(text) : 0, why.msg);
		str_addn(&names, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	snapshot_put(outside, "checks", dir, n, names.s, names.len, e.msg);
}

int
catalogue_read_from(struct catalogue *cat, const char *dir, const struct snapshot *outside,
    void (*on_error)(const char *path, const struct err *, void *arg), void *arg)
{
	const struct snapshot_item *names = snapshot_get(outside, "checks", dir);
	struct arrivals new = { 0 };
	struct err e = { 0 };
	int bad = 0;

	if (!names || names->code == -ENOENT)
		return 0;
	if (names->code < 0) {
		err_set(&e, names->code, "%s", names->why);
		on_error(dir, &e, arg);
		return 1;
	}
	for (const char *p = names->bytes; p < names->bytes + names->len; p += strlen(p) + 1) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, p);
		const struct snapshot_item *file = snapshot_get(outside, "check", path);

		e = (struct err){ 0 };
		if (!file || parse_file(&new, path, file, &e) >= 0)
			continue;
		on_error(path, &e, arg);
		bad++;
	}
	for (size_t i = 0; i < new.n; i++) {
		_cleanup_free_ char *path = xstrdup(new.v[i]->origin);

		e = (struct err){ 0 };
		if (take_arrival(cat, &new, i, &e) >= 0)
			continue;
		on_error(path, &e, arg);
		bad++;
	}
	free(new.v);
	return bad;
}

int
catalogue_read_dir(struct catalogue *cat, const char *dir,
    void (*on_error)(const char *path, const struct err *, void *arg), void *arg)
{
	_cleanup_(snapshot_freep) struct snapshot *outside = snapshot_new();

	catalogue_gather(dir, outside);
	return catalogue_read_from(cat, dir, outside, on_error, arg);
}
