/* Copies to try things on: their guard, and those of SQLite. */
#include "backup/blank_impl.h"
#include "base/str.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TEXT_MAX 4096
#define PREFIX   "dbhealth_scratch_"
#define BUSY_MS  10000

/* ---- the guard ---- */

struct blank_guard {
	pid_t pid;
	int fd;
};

/* Reads until the other end is closed; the last line counts, "." says that all is well. */
static void
guard(int fd, void (*fn)(const char *, void *), void *arg)
{
	char text[TEXT_MAX], last[TEXT_MAX] = "";
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) != 0) {
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	text[len] = '\0';
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		if (*line)
			snprintf(last, sizeof(last), "%s", line);
	if (*last && !streq(last, "."))
		fn(last, arg);
}

int
blank_guard_start(
    void (*fn)(const char *, void *), void *arg, struct blank_guard **ret, struct err *e)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_set(e, -EAGAIN, "fork: %s", strerror(errno));
	}
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		/* Of the terminal's ^C it hears nothing, and nobody waits for its output. */
		setsid();
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		for (int fd = 0; null >= 0 && fd < 3; fd++)
			dup2(null, fd);
		close(fds[1]);
		guard(fds[0], fn, arg);
		_exit(0);
	}
	close(fds[0]);
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->pid = pid;
	(*ret)->fd = fds[1];
	return 0;
}

void
blank_guard_tell(struct blank_guard *g, const char *text)
{
	_cleanup_free_ char *line = xasprintf("%s\n", text);

	while (write(g->fd, line, strlen(line)) < 0 && errno == EINTR)
		;
}

struct blank_guard *
blank_guard_end(struct blank_guard *g)
{
	if (!g)
		return NULL;
	blank_guard_tell(g, ".");
	close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(g);
	return NULL;
}

/* ---- what all have ---- */

const char *
blank_where(const struct blank *b)
{
	return b->where;
}

const char *
blank_name(const struct blank *b)
{
	return b->name;
}

struct blank *
blank_free(struct blank *b)
{
	if (!b)
		return NULL;
	b->remove(b);
	blank_guard_end(b->guard);
	if (b->where)
		explicit_bzero(b->where, strlen(b->where));
	free(b->where);
	free(b->name);
	free(b);
	return NULL;
}

/* ---- SQLite ---- */

struct sqlite_blank {
	struct blank blank;
	char *folder;
	int lock; /* held while its maker lives */
};

/* What we put there, and no more: a folder that holds something else stays. */
static void
remove_folder(const char *folder)
{
	static const char *const names[] = { "copy.db", "copy.db-journal", "copy.db-wal",
		"copy.db-shm", "lock" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, names[i]);

		(void)unlink(path);
	}
	(void)rmdir(folder);
}

static void
on_orphan(const char *text, void *arg)
{
	(void)arg;
	remove_folder(text);
}

/* Of processes that died with their guard. */
static void
remove_leftovers(const char *place)
{
	DIR *dir = opendir(place);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *folder = xasprintf("%s/%s", place, entry->d_name);
		_cleanup_free_ char *path = xasprintf("%s/lock", folder);
		_cleanup_close_ int fd = -1;
		struct stat st;

		if (!str_starts(entry->d_name, PREFIX) || lstat(folder, &st) < 0 ||
		    !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_folder(folder);
	}
	if (dir)
		closedir(dir);
}

static void
remove_sqlite(struct blank *b)
{
	struct sqlite_blank *s = (struct sqlite_blank *)b;

	if (s->folder)
		remove_folder(s->folder);
	if (s->lock >= 0)
		close(s->lock);
	free(s->folder);
}

static int
copy(const char *path, const char *to, struct err *e)
{
	sqlite3 *from = NULL, *target = NULL;
	sqlite3_backup *b = NULL;
	int r = sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (r == SQLITE_OK) {
		sqlite3_busy_timeout(from, BUSY_MS);
		b = sqlite3_backup_init(target, "main", from, "main");
		r = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(target);
		sqlite3_backup_finish(b);
	}
	sqlite3_close(target);
	sqlite3_close(from);
	if (r == SQLITE_DONE)
		return 0;
	return err_set(
	    e, r == SQLITE_BUSY ? -EBUSY : -EIO, "it cannot be copied: %s", sqlite3_errstr(r));
}

static int
make_folder(struct sqlite_blank *s, const char *place, struct err *e)
{
	_cleanup_free_ char *folder = xasprintf("%s/" PREFIX "XXXXXX", place), *lock = NULL;

	if (!mkdtemp(folder))
		return err_set(e, -errno, "%s: %s", place, strerror(errno));
	blank_guard_tell(s->blank.guard, folder);
	s->folder = TAKE_PTR(folder);
	lock = xasprintf("%s/lock", s->folder);
	s->lock = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, -errno, "%s: %s", lock, strerror(errno));
	return 0;
}

int
blank_make_sqlite(const char *path, const char *scratch, struct blank **ret, struct err *e)
{
	const char *tmp = getenv("TMPDIR"), *place = scratch ? scratch : tmp && *tmp ? tmp : "/tmp";
	struct sqlite_blank *s = xcalloc(1, sizeof(*s));
	int r;

	s->lock = -1;
	s->blank.remove = remove_sqlite;
	s->blank.name = xstrdup("a private copy of the file");
	remove_leftovers(place);
	r = blank_guard_start(on_orphan, NULL, &s->blank.guard, e);
	if (r >= 0)
		r = make_folder(s, place, e);
	if (r >= 0) {
		s->blank.where = xasprintf("%s/copy.db", s->folder);
		r = copy(path, s->blank.where, e);
	}
	if (r < 0) {
		blank_free(&s->blank);
		return r;
	}
	*ret = &s->blank;
	return 0;
}
