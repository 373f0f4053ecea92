/* A SQLite file that a command changes: opened, asked, closed in the order that keeps its locks. */
#include "sqlite/held.h"

#include <fcntl.h>

int
sqlite_held_open(
    struct sqlite_held *h, const char *path, bool create, mode_t mode, int busy_ms, struct err *e)
{
	h->path = xstrdup(path);
	h->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | (create ? O_CREAT : 0), mode);
	if (h->fd < 0)
		return err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	if (sqlite3_open_v2(path, &h->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return sqlite_held_fail(h, e);
	sqlite3_busy_timeout(h->handle, busy_ms);
	return 0;
}

void
sqlite_held_done(struct sqlite_held *h)
{
	sqlite3_close(h->handle);
	if (h->fd >= 0)
		close(h->fd);
	free(h->path);
}

int
sqlite_held_fail(const struct sqlite_held *h, struct err *e)
{
	int code = sqlite3_errcode(h->handle);
	int r = code == SQLITE_BUSY || code == SQLITE_LOCKED ? -EBUSY : -EIO;

	return h->named ? err_set(e, r, "%.200s: %.240s", h->path, sqlite3_errmsg(h->handle))
	                : err_set(e, r, "%s", sqlite3_errmsg(h->handle));
}

int
sqlite_held_prepare(const struct sqlite_held *h, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	return sqlite3_prepare_v2(h->handle, sql, -1, ret, NULL) == SQLITE_OK
	           ? 0
	           : sqlite_held_fail(h, e);
}

int
sqlite_held_step(const struct sqlite_held *h, sqlite3_stmt *s, struct err *e)
{
	int r = sqlite3_step(s);

	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : sqlite_held_fail(h, e);
}

int
sqlite_held_do(const struct sqlite_held *h, const char *sql, struct err *e)
{
	return sqlite3_exec(h->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
	                                                                   : sqlite_held_fail(h, e);
}
