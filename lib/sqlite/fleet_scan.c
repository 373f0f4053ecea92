/*
 * Lists the files that a pattern names.  Folders are entered by descriptors, so that nobody who renames
 * them meanwhile leads us elsewhere.
 */
#include "sqlite/fleet_scan.h"
#include "base/str.h"
#include "sqlite/fleet.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILES_MAX   200000
#define ENTRIES_MAX 2000000
#define SUPER_TAIL  12 /* "-mj" and nine digits: a super-journal */

/* A folder that is looked into. */
struct level {
	int fd;
	const char *path; /* for inotify and words */
	const char *name; /* from the fleet's folder on, with a slash behind; "" itself */
	size_t part;
};

static void look_into(struct fleet_scan *, const struct level *);

bool
fleet_is_beside(const char *name)
{
	size_t len = strlen(name);
	const char *tail = len > SUPER_TAIL ? name + len - SUPER_TAIL : "";

	if (str_ends(name, "-journal") || str_ends(name, "-wal") || str_ends(name, "-shm"))
		return true;
	return str_starts(tail, "-mj") && strspn(tail + 3, "0123456789ABCDEFabcdef") == 9;
}

int
fleet_by_name(const void *a, const void *b)
{
	const struct fleet_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool
is_wild(const char *part)
{
	return strpbrk(part, "*?[") != NULL;
}

static bool
is_last(const struct fleet_scan *s, const struct level *l)
{
	return !s->parts[l->part + 1];
}

static void
add_file(struct fleet_scan *s, const struct level *l, const char *name, uint64_t inode)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", l->name, name), *text = fleet_name(whole);
	_cleanup_free_ char *own = fleet_name(name);

	if (str_glob_any(s->exclude, text) || str_glob_any(s->exclude, own)) {
		s->excluded++;
		return;
	}
	if (s->n == FILES_MAX) {
		s->cut = true;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 256;
		s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n++] = (struct fleet_file){ TAKE_PTR(text), inode, 0 };
}

/* The type that the folder tells, or the file itself where file systems leave it out. */
static unsigned char
type_of(const struct level *l, const char *name, unsigned char told, uint64_t *inode)
{
	struct stat st;

	if (told != DT_UNKNOWN)
		return told;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN; /* it went meanwhile, or nothing can be said */
	*inode = st.st_ino;
	return S_ISREG(st.st_mode)   ? DT_REG
	       : S_ISLNK(st.st_mode) ? DT_LNK
	       : S_ISDIR(st.st_mode) ? DT_DIR
	                             : DT_FIFO;
}

static void
add_closed(struct fleet_scan *s, const char *name)
{
	_cleanup_free_ char *text = fleet_name(name);

	strv_add(&s->closed, text);
}

/* wild: found by a wildcard, which follows no links. */
static void
enter(struct fleet_scan *s, const struct level *l, const char *name, bool wild)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", streq(l->path, "/") ? "" : l->path, name);
	_cleanup_free_ char *text = xasprintf("%s%s/", l->name, name);
	int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | (wild ? O_NOFOLLOW : 0);
	struct level next = { openat(l->fd, name, flags), path, text, l->part + 1 };

	if (next.fd >= 0) {
		look_into(s, &next);
		close(next.fd);
	} else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
		add_closed(s, text);
	}
}

static void
take(struct fleet_scan *s, const struct level *l, const char *name, unsigned char type,
    uint64_t inode, bool wild)
{
	if (!is_last(s, l)) {
		if (type == DT_DIR || (type == DT_LNK && !wild))
			enter(s, l, name, wild);
		else if (type == DT_LNK)
			s->links++;
	} else if (fleet_is_beside(name)) {
		return;
	} else if (type == DT_REG) {
		add_file(s, l, name, inode);
	} else if (type == DT_LNK) {
		s->links++;
	} else if (type != DT_UNKNOWN) {
		s->others++;
	}
}

static void
list(struct fleet_scan *s, const struct level *l)
{
	int fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		add_closed(s, l->name);
		return;
	}
	errno = 0;
	while (!s->cut && (e = readdir(dir))) {
		uint64_t inode = e->d_ino;

		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		s->cut = ++s->entries > ENTRIES_MAX;
		if (fnmatch(s->parts[l->part], e->d_name, FNM_PERIOD) == 0)
			take(
			    s, l, e->d_name, type_of(l, e->d_name, e->d_type, &inode), inode, true);
		errno = 0;
	}
	if (!s->cut && errno != 0)
		add_closed(s, l->name);
	closedir(dir);
}

static void
look_into(struct fleet_scan *s, const struct level *l)
{
	const char *part = s->parts[l->part];
	uint64_t inode = 0;
	unsigned char type;

	s->on_folder(l->path, s->arg);
	if (is_wild(part)) {
		list(s, l);
		return;
	}
	type = type_of(l, part, DT_UNKNOWN, &inode);
	if (type == DT_UNKNOWN && errno != ENOENT)
		add_closed(s, l->name);
	else
		take(s, l, part, type, inode, false);
}

/* The nearest folder above that is there: what is missing comes into it. */
static void
tell_above(struct fleet_scan *s)
{
	_cleanup_free_ char *path = xstrdup(s->folder);
	char *slash;

	while ((slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		if (access(path, F_OK) == 0)
			break;
	}
	s->on_folder(slash && slash != path ? path : "/", s->arg);
}

static void
say_error(struct fleet_scan *s, int error)
{
	const char *what = error == ENOENT    ? "does not exist"
	                   : error == ENOTDIR ? "is no folder"
	                   : error == EACCES  ? "is closed to us"
	                                      : NULL;

	s->gone = error == ENOENT || error == ENOTDIR;
	if (what)
		snprintf(s->error, sizeof(s->error), "the folder %.200s %s", s->folder, what);
	else
		snprintf(s->error, sizeof(s->error), "the folder %.200s: %s", s->folder,
		    strerror(error));
}

void
fleet_scan_run(struct fleet_scan *s)
{
	int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	const struct level first = { fd, s->folder, "", 0 };

	if (fd < 0) {
		say_error(s, errno);
		tell_above(s);
		return;
	}
	look_into(s, &first);
	close(fd);
	if (strv_has(s->closed, ""))
		say_error(s, EACCES);
	if (s->n > 0)
		qsort(s->v, s->n, sizeof(*s->v), fleet_by_name);
}

void
fleet_files_free(struct fleet_file *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].name);
	free(v);
}

void
fleet_scan_done(struct fleet_scan *s)
{
	fleet_files_free(s->v, s->n);
	strv_free(s->closed);
	s->v = NULL;
	s->closed = NULL;
	s->n = s->cap = 0;
}
