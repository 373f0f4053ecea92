/*
 * A private copy of a database whose log only its application may recover.  The copy loses its name
 * as soon as it is open, so that a killed process leaves nothing but a folder, which the next
 * sweeps.
 */
#include "base/clock.h"
#include "base/str.h"
#include "sqlite/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#define COPY_PREFIX "dbhealth-copy."
#define CHUNK_BYTES ((size_t)1 << 20)
#define MAKE_TRIES  16

static const char *
copy_place(const char *temp_dir, char buf[static 1024])
{
	const char *state = getenv("STATE_DIRECTORY"), *tmp = getenv("TMPDIR");

	if (temp_dir && temp_dir[0] == '/')
		return temp_dir;
	if (state && state[0] == '/') {
		snprintf(buf, 1024, "%.*s", (int)strcspn(state, ":"), state);
		return buf;
	}
	return tmp && tmp[0] == '/' ? tmp : "/tmp";
}

static void
remove_files(int dir_fd)
{
	static const char *const names[] = { "db", "db-wal", "db-shm", "db-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(dir_fd, names[i], 0);
}

void
copy_folder_done(struct copy_folder *c)
{
	if (c->fd >= 0)
		remove_files(c->fd);
	if (c->dir)
		rmdir(c->dir);
	closep(&c->fd);
	free(c->dir);
}

/* Only folders of ours whose lock is free: their process is gone. */
void
copy_sweep(const char *temp_dir)
{
	char buf[1024];
	const char *place = copy_place(temp_dir, buf);
	DIR *d = opendir(place);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_close_ int fd = -1;
		struct stat st;

		if (!str_starts(e->d_name, COPY_PREFIX))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
		    flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		remove_files(fd);
		unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

static bool
is_at_its_path(const struct copy_folder *c)
{
	struct stat ours, there;

	return fstat(c->fd, &ours) == 0 && lstat(c->dir, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* -EAGAIN: another process swept it before it was locked, or is at it. */
static int
make_once(struct copy_folder *c, const char *place)
{
	int r = 0;

	c->dir = xasprintf("%s/" COPY_PREFIX "XXXXXX", place);
	if (!mkdtemp(c->dir)) {
		r = -errno;
		free(TAKE_PTR(c->dir));
		return r;
	}
	c->fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(c->fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return is_at_its_path(c) ? 0 : -EAGAIN;
}

static int
make_locked(struct copy_folder *c, const char *place)
{
	int r = make_once(c, place);

	for (int i = 1; i < MAKE_TRIES && r == -EAGAIN; i++) {
		copy_folder_done(c);
		*c = (struct copy_folder){ .fd = -1 };
		r = make_once(c, place);
	}
	return r == -EAGAIN ? -EBUSY : r;
}

int
copy_folder_make(struct copy_folder *c, const char *temp_dir, int64_t bytes)
{
	char buf[1024];
	const char *place = copy_place(temp_dir, buf);
	struct statvfs fs;

	if (statvfs(place, &fs) < 0)
		return -errno;
	/* A tenth of the file system stays for others. */
	if (bytes > (int64_t)((fs.f_bavail - MIN(fs.f_bavail, fs.f_blocks / 10)) * fs.f_frsize))
		return -ENOSPC;
	copy_sweep(temp_dir);
	return make_locked(c, place);
}

static int
copy_bytes(int from, int to, int64_t limit, int64_t until_us)
{
	_cleanup_free_ char *buf = xcalloc(1, CHUNK_BYTES);
	int64_t done = 0;

	for (;;) {
		ssize_t n = read(from, buf, CHUNK_BYTES);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		done += n;
		if (done > limit)
			return -EFBIG;
		if (clock_now_us() > until_us)
			return -ETIMEDOUT;
		for (ssize_t sent = 0; sent < n;) {
			ssize_t w = write(to, buf + sent, (size_t)(n - sent));

			if (w < 0)
				return -errno;
			sent += w;
		}
	}
}

/* 0, -EAGAIN when the original changed meanwhile, or negative errno. */
static int
copy_file(struct copy_folder *c, const char *from, const char *to, int64_t limit, int64_t until_us)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int out =
	    openat(c->fd, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat before, after;
	int r;

	if (in < 0 || out < 0 || fstat(in, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode))
		return -EINVAL;
	r = copy_bytes(in, out, limit, until_us);
	if (r < 0)
		return r;
	if (stat(from, &after) < 0 || after.st_ino != before.st_ino ||
	    after.st_size != before.st_size ||
	    memcmp(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim)) != 0)
		return -EAGAIN;
	return 0;
}

static int
copy_both(struct copy_folder *c, struct reader *r, int64_t until_us)
{
	_cleanup_free_ char *wal = gather_beside(r->facts, "-wal");
	struct stat before, after;
	int e;

	if (stat(r->facts->resolved, &before) < 0)
		return -errno;
	e = copy_file(c, r->facts->resolved, "db", r->copy_limit, until_us);
	if (e == 0)
		e = copy_file(c, wal, "db-wal", r->copy_limit, until_us);
	if (e < 0)
		return e;
	/* A checkpoint between the two would have changed the first. */
	if (stat(r->facts->resolved, &after) < 0 ||
	    memcmp(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim)) != 0)
		return -EAGAIN;
	return 0;
}

static bool
open_copy(struct copy_folder *c, struct reader *r, int64_t until_us, struct verdict *v)
{
	_cleanup_free_ char *path = xasprintf("%s/db", c->dir);
	bool ok;

	if (sqlite3_open_v2(path, &r->db,
	        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX,
	        "unix") != SQLITE_OK) {
		verdict_from_db(v, r->db, WATCH_NOTHING);
		return false;
	}
	r->how = READER_COPY;
	/* Exclusive from the start: then the log's index lives in memory. */
	sqlite3_exec(r->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
	ok = reader_begin(r, until_us, v);
	remove_files(c->fd);
	return ok;
}

static bool
copy_refused(const struct reader *r, int64_t bytes, struct verdict *v)
{
	if (lock_watch_writer(&r->locks)) {
		verdict_set(v, "locked", 0, "locked by a writer");
		return true;
	}
	if (bytes > r->copy_limit) {
		verdict_set(v, "error", 0,
		    "WAL awaits recovery by its application (%lld bytes, a copy may have %lld)",
		    (long long)bytes, (long long)r->copy_limit);
		return true;
	}
	return false;
}

bool
copy_open(struct reader *r, int64_t until_us, struct verdict *v)
{
	_cleanup_free_ char *wal = gather_beside(r->facts, "-wal");
	struct copy_folder c = { .fd = -1 };
	struct stat db, log;
	bool ok = false;
	int e;

	if (stat(r->facts->resolved, &db) < 0 || stat(wal, &log) < 0) {
		verdict_set(v, "locked", 0, "busy: the log vanished while it was looked at");
		return false;
	}
	if (copy_refused(r, db.st_size + log.st_size, v))
		return false;
	e = copy_folder_make(&c, r->temp_dir, db.st_size + log.st_size);
	if (e == 0)
		e = copy_both(&c, r, until_us);
	if (e == 0)
		ok = open_copy(&c, r, until_us, v);
	else if (e == -EAGAIN)
		verdict_set(v, "locked", 0, "busy: the database changed while it was copied");
	else if (e == -ETIMEDOUT)
		verdict_set(v, "timeout", 0, "copying took too long");
	else if (e == -EACCES)
		verdict_set(
		    v, "privilege", 0, "the log or the folder for a copy: %s", strerror(-e));
	else
		verdict_set(v, "error", 0,
		    "WAL awaits recovery by its application, and no copy can be made: %s",
		    strerror(-e));
	copy_folder_done(&c);
	if (!ok)
		reader_close(r);
	return ok;
}
