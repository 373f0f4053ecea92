/*
 * Goes through a folder by descriptors, so that nothing leads out of it: no symbolic link is followed, and
 * nothing is opened that could hang or be endless.
 */
#include "migration/folder.h"
#include "base/str.h"
#include "base/text.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const endings[] = { ".py", ".sql", ".rb", ".js", ".cjs", ".mjs", ".ts", ".go",
	".xml", ".yaml", ".yml", ".json", ".java", ".kt" };
/* What comes along with a project and holds migrations of others, or of nobody. */
static const char *const passed_over[] = { "node_modules", "__pycache__", "site-packages", "venv",
	"vendor", "dist-packages" };

static bool
is_wanted(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(name, endings[i]))
			return true;
	return false;
}

static bool
is_passed_over(const char *name)
{
	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(passed_over); i++)
		if (streq(name, passed_over[i]))
			return true;
	return false;
}

static int
refuse(struct err *e, int code, const char *path, const char *what)
{
	_cleanup_free_ char *shown = text_from_peer(path, strlen(path), 200);

	return err_set(e, code, "%s: %s", shown, what);
}

static void
add_file(struct migration_folder *f, const char *path)
{
	struct migration_file *file;
	const char *slash = strrchr(path, '/'), *dir = f->path + strlen(f->path), *end = dir;

	if ((f->n & (f->n - 1)) == 0)
		f->v = xreallocarray(f->v, f->n ? 2 * f->n : 1, sizeof(*f->v));
	file = &f->v[f->n++];
	file->path = xstrdup(path);
	file->name = slash ? file->path + (slash - path) + 1 : file->path;
	if (slash) {
		end = slash;
		for (dir = slash; dir > path && dir[-1] != '/';)
			dir--;
	} else {
		while (end > f->path && end[-1] == '/')
			end--;
		for (dir = end; dir > f->path && dir[-1] != '/';)
			dir--;
	}
	file->dir = xstrndup(dir, (size_t)(end - dir));
}

static int walk(struct migration_folder *, int fd, const char *below, int depth, struct err *);

static int
walk_entry(struct migration_folder *f, int fd, const char *name, const char *path, int depth,
    struct err *e)
{
	_cleanup_close_ int sub = -1;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : refuse(e, -errno, path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (depth == FOLDER_MAX_DEPTH)
			return refuse(e, -ENAMETOOLONG, path, "folders are nested too deeply");
		sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			return errno == ENOENT ? 0 : refuse(e, -errno, path, strerror(errno));
		return walk(f, sub, path, depth + 1, e);
	}
	if (!is_wanted(name))
		return 0;
	if (S_ISLNK(st.st_mode))
		return refuse(e, -ELOOP, path, "a symbolic link is not followed");
	if (!S_ISREG(st.st_mode))
		return refuse(e, -EINVAL, path, "not a regular file");
	add_file(f, path);
	return 0;
}

static int
walk(struct migration_folder *f, int fd, const char *below, int depth, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = refuse(e, -errno, below, strerror(errno));
		if (copy >= 0)
			close(copy);
		return r;
	}
	while (r >= 0 && (errno = 0, d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (is_passed_over(d->d_name))
			continue;
		if (++f->entries > FOLDER_MAX_ENTRIES) {
			r = refuse(e, -E2BIG, f->path, "more than 20000 files and folders");
			break;
		}
		path = *below ? xasprintf("%s/%s", below, d->d_name) : xstrdup(d->d_name);
		r = walk_entry(f, fd, d->d_name, path, depth, e);
	}
	if (r >= 0 && errno)
		r = refuse(e, -errno, *below ? below : f->path, strerror(errno));
	closedir(dir);
	return r;
}

static int
by_path(const void *a, const void *b)
{
	const struct migration_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int
migration_folder_open(const char *path, struct migration_folder *ret, struct err *e)
{
	struct migration_folder f = { .fd = -1 };
	int r;

	if (path[0] != '/')
		return refuse(e, -EINVAL, path, "not an absolute path");
	f.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f.fd < 0)
		return refuse(e, -errno, path, strerror(errno));
	f.path = xstrdup(path);
	r = walk(&f, f.fd, "", 0, e);
	if (r < 0) {
		migration_folder_done(&f);
		return r;
	}
	if (f.n > 0)
		qsort(f.v, f.n, sizeof(*f.v), by_path);
	*ret = f;
	return 0;
}

void
migration_folder_done(struct migration_folder *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].path);
		free(f->v[i].dir);
	}
	free(f->v);
	free(f->path);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct migration_folder){ .fd = -1 };
}

/* Each folder on the way is opened by itself: none may have become a link since. */
static int
open_below(int root, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	_cleanup_close_ int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	char *part = copy, *slash;

	while (at >= 0 && (slash = strchr(part, '/'))) {
		int next;

		*slash = '\0';
		next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		at = next;
		part = slash + 1;
	}
	return at < 0 ? -1 : openat(at, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

int
migration_file_read(struct migration_folder *f, const struct migration_file *file, char **ret,
    size_t *ret_len, struct err *e)
{
	_cleanup_close_ int fd = open_below(f->fd, file->path);
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return refuse(e, -errno, file->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(e, -EINVAL, file->path, "not a regular file");
	if (st.st_size > (off_t)FOLDER_MAX_FILE)
		return refuse(e, -EFBIG, file->path, "larger than 8 MB");
	room = (size_t)st.st_size;
	f->bytes += room;
	if (f->bytes > FOLDER_MAX_BYTES)
		return refuse(e, -E2BIG, f->path, "more than 256 MB of migrations");
	text = xmalloc(room + 1);
	while (len < room) {
		ssize_t got = read(fd, text + len, room - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse(e, -errno, file->path, strerror(errno));
		if (got == 0)
			break; /* it became shorter */
		len += (size_t)got;
	}
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}
