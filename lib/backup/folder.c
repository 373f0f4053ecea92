/* Backups on the disk: their names, who writes there, and how one appears and goes whole. */
#include "backup/folder.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/str.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_NAME ".lock"
#define PARTIAL   ".partial"
#define GONE      ".gone"
#define NAME_LEN  200 /* of 255 that a file name may have */

struct folder {
	char *path;
	int dirfd, lockfd;
};

/* ---- names ---- */

char *
folder_name(const char *database)
{
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = database; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (isalnum(c) || strchr("_-+@=", c) || (c == '.' && p > database))
			str_addc(&out, (char)c);
		else
			str_addf(&out, "%%%02X", c);
	}
	if (out.len == 0)
		return xstrdup("%");
	if (out.len > NAME_LEN)
		return xasprintf("%.*s%%%016llx", NAME_LEN - 17, out.s,
		    (unsigned long long)tree_hash_name(database));
	return str_take(&out);
}

void
folder_stamp(int64_t wall_us, char ret[static FOLDER_STAMP_SIZE])
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC);
	struct tm tm;

	gmtime_r(&t, &tm);
	if (strftime(ret, FOLDER_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		abort();
}

int
folder_stamp_parse(const char *s, int64_t *ret_sec)
{
	struct tm tm = { 0 };
	char again[FOLDER_STAMP_SIZE];
	const char *end;
	int64_t sec;

	if (strlen(s) != FOLDER_STAMP_SIZE - 1 || s[8] != 'T' || s[15] != 'Z')
		return -EINVAL;
	end = strptime(s, "%Y%m%dT%H%M%SZ", &tm);
	if (!end || *end)
		return -EINVAL;
	sec = timegm(&tm);
	if (sec < 0)
		return -EINVAL;
	folder_stamp(sec * USEC_PER_SEC, again);
	if (!streq(again, s))
		return -EINVAL;
	*ret_sec = sec;
	return 0;
}

/* ---- opened ---- */

/* Parents that are missing are made, for us alone; each is on the disk before what lies in it. */
static int
make_folders(const char *path, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) == 0) {
			int r = tree_sync_parent(copy, e);

			if (r < 0)
				return r;
		} else if (errno != EEXIST) {
			return err_set(e, -errno, "%s cannot be made: %s", copy, strerror(errno));
		}
		if (!c)
			return 0;
		*p = c;
	}
}

static int
take_lock(struct folder *f, struct err *e)
{
	char who[32] = "";

	f->lockfd = openat(f->dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->lockfd < 0)
		return err_set(e, -errno, "%s/%s: %s", f->path, LOCK_NAME, strerror(errno));
	if (flock(f->lockfd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno;

		if (error != EWOULDBLOCK)
			return err_set(e, -error, "%s/%s: %s", f->path, LOCK_NAME, strerror(error));
		if (pread(f->lockfd, who, sizeof(who) - 1, 0) < 0)
			who[0] = '\0';
		who[strspn(who, "0123456789")] = '\0';
		return err_set(e, -EALREADY, "another process%s%s writes to %s just now",
		    *who ? " " : "", who, f->path);
	}
	/* For the words above alone; a full disk is seen where it matters. */
	snprintf(who, sizeof(who), "%lld\n", (long long)getpid());
	if (ftruncate(f->lockfd, 0) < 0 || pwrite(f->lockfd, who, strlen(who), 0) < 0)
		return 0;
	return 0;
}

int
folder_open(
    const char *root, const char *database, enum folder_use use, struct folder **ret, struct err *e)
{
	_cleanup_free_ char *name = folder_name(database);
	_cleanup_(folder_freep) struct folder *f = xcalloc(1, sizeof(*f));
	int r = 0;

	f->dirfd = f->lockfd = -1;
	f->path = xasprintf("%s/%s", root, name);
	if (use == FOLDER_WRITE)
		r = make_folders(f->path, e);
	if (r < 0)
		return r;
	f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0)
		return err_set(e, -errno, "%s: %s", f->path, strerror(errno));
	if (use == FOLDER_WRITE)
		r = take_lock(f, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

struct folder *
folder_free(struct folder *f)
{
	if (!f)
		return NULL;
	closep(&f->dirfd);
	closep(&f->lockfd);
	free(f->path);
	free(f);
	return NULL;
}

const char *
folder_path(const struct folder *f)
{
	return f->path;
}

char *
folder_path_of(const struct folder *f, const char *stamp)
{
	return xasprintf("%s/%s", f->path, stamp);
}

/* ---- what is there ---- */

static bool
is_stamp(const char *name)
{
	int64_t sec;

	return folder_stamp_parse(name, &sec) == 0;
}

static bool
is_leftover(const char *name)
{
	return *name == '.' && (str_ends(name, PARTIAL) || str_ends(name, GONE));
}

static bool
is_partial(const char *name)
{
	return *name == '.' && str_ends(name, PARTIAL);
}

static int
newest_first(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);
}

static int
names_that(const struct folder *f, bool (*wanted)(const char *), char ***ret, struct err *e)
{
	int r = tree_names(f->dirfd, ret);
	size_t kept = 0;
	char **v = r < 0 ? NULL : *ret;

	if (r < 0)
		return err_set(e, r, "%s: %s", f->path, strerror(-r));
	for (size_t i = 0; v && v[i]; i++) {
		if (wanted(v[i]))
			v[kept++] = v[i];
		else
			free(v[i]);
	}
	if (v) {
		v[kept] = NULL;
		qsort(v, kept, sizeof(*v), newest_first);
	}
	return 0;
}

int
folder_list(const struct folder *f, char ***ret, struct err *e)
{
	return names_that(f, is_stamp, ret, e);
}

int
folder_unfinished(const struct folder *f, char ***ret, struct err *e)
{
	return names_that(f, is_partial, ret, e);
}

int
folder_open_stamp(const struct folder *f, const char *stamp, struct err *e)
{
	int fd = is_stamp(stamp)
	             ? openat(f->dirfd, stamp, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
	             : -1;

	if (!is_stamp(stamp))
		errno = ENOENT;
	return fd >= 0 ? fd : err_set(e, -errno, "%s/%s: %s", f->path, stamp, strerror(errno));
}

int
folder_hold(const struct folder *f, const char *stamp, struct err *e)
{
	_cleanup_close_ int fd = folder_open_stamp(f, stamp, e);
	struct stat mine, there;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_SH) < 0 && errno != ENOLCK && errno != EBADF && errno != EOPNOTSUPP)
		return err_set(e, -errno, "%s/%s: %s", f->path, stamp, strerror(errno));
	/* Removed while we waited: what we hold has no name any more. */
	if (fstat(fd, &mine) < 0 || fstatat(f->dirfd, stamp, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_ino != there.st_ino)
		return err_set(e, -ENOENT, "%s/%s was just removed", f->path, stamp);
	return TAKE_FD(fd);
}

/* ---- made and removed ---- */

int
folder_clear(struct folder *f, struct err *e)
{
	_cleanup_strv_ char **names = NULL;
	int r = names_that(f, is_leftover, &names, e);

	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = tree_remove(f->dirfd, names[i], e);
	return r;
}

static char *
partial_name(const char *stamp)
{
	return xasprintf(".%s%s", stamp, PARTIAL);
}

int
folder_begin(struct folder *f, char **ret_stamp, char **ret_path, struct err *e)
{
	int64_t now = clock_wall_us();
	char stamp[FOLDER_STAMP_SIZE];
	_cleanup_free_ char *name = NULL;
	struct stat st;
	int r = folder_clear(f, e);

	assert(f->lockfd >= 0);
	if (r < 0)
		return r;
	folder_stamp(now, stamp);
	while (fstatat(f->dirfd, stamp, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		now += USEC_PER_SEC;
		folder_stamp(now, stamp);
	}
	name = partial_name(stamp);
	if (mkdirat(f->dirfd, name, 0700) < 0)
		return err_set(e, -errno, "%s/%s: %s", f->path, name, strerror(errno));
	*ret_stamp = xstrdup(stamp);
	*ret_path = xasprintf("%s/%s", f->path, name);
	return 0;
}

int
folder_finish(struct folder *f, const char *stamp, struct err *e)
{
	_cleanup_free_ char *name = partial_name(stamp);
	struct stat st;
	int r = tree_sync(f->dirfd, name, e);

	if (r < 0)
		return r;
	/* Under our lock nobody else makes names here. */
	if (fstatat(f->dirfd, stamp, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, -EEXIST, "%s/%s is there already", f->path, stamp);
	if (renameat(f->dirfd, name, f->dirfd, stamp) < 0 || fsync(f->dirfd) < 0)
		return err_set(e, -errno, "%s/%s: %s", f->path, stamp, strerror(errno));
	return 0;
}

void
folder_abandon(struct folder *f, const char *stamp)
{
	_cleanup_free_ char *name = partial_name(stamp);

	(void)tree_remove(f->dirfd, name, NULL);
}

int
folder_remove(struct folder *f, const char *stamp, struct err *e)
{
	_cleanup_close_ int fd = folder_open_stamp(f, stamp, e);
	_cleanup_free_ char *gone = xasprintf(".%s%s", stamp, GONE);
	int r;

	assert(f->lockfd >= 0);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(e, -EBUSY, "%s/%s is being read just now", f->path, stamp);
	r = tree_remove(f->dirfd, gone, e);
	if (r < 0)
		return r;
	/* From here on it is none: half of one never has its name. */
	if (renameat(f->dirfd, stamp, f->dirfd, gone) < 0 || fsync(f->dirfd) < 0)
		return err_set(e, -errno, "%s/%s: %s", f->path, stamp, strerror(errno));
	return tree_remove(f->dirfd, gone, e);
}
