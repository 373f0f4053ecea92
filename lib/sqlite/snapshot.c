/*
 * A private copy of a database that others go on writing to, made by SQLite's backup API within one read
 * transaction: what reads it afterwards holds up nobody.  The copy loses its name before the first page is
 * in it, so that nothing of it outlives us, however we end.
 */
#include "base/clock.h"
#include "base/unit.h"
#include "sqlite/reader.h"

#include <fcntl.h>
#include <sqlite3.h>

#define PART_PAGES 256
#define SETTLE_US  (500 * USEC_PER_MSEC)
/* A rollback journal keeps writers waiting for as long as we read. */
#define YIELD_US (250 * USEC_PER_MSEC)

struct snapshot {
	struct reader *r;
	struct copy_folder folder;
	sqlite3_stmt *view; /* holds the read transaction */
	sqlite3 *to;
	int64_t bytes;
	struct wal_meter meter;
};

static bool
refuse(struct verdict *v, int code, const char *why)
{
	verdict_set(v, "error", code, "no private copy: %s", why);
	return false;
}

/* One row that is not stepped over keeps the transaction open. */
static bool
hold_view(struct snapshot *s, struct verdict *v)
{
	sqlite3 *db = s->r->db;

	if (sqlite3_prepare_v2(db,
	        "SELECT p.page_count * s.page_size, (SELECT count(*) FROM sqlite_schema)"
	        " FROM pragma_page_count AS p, pragma_page_size AS s",
	        -1, &s->view, NULL) != SQLITE_OK ||
	    sqlite3_step(s->view) != SQLITE_ROW) {
		verdict_from_db(v, db, WATCH_NOTHING);
		return false;
	}
	s->bytes = sqlite3_column_int64(s->view, 0);
	return true;
}

static bool
make_room(struct snapshot *s, struct verdict *v)
{
	_cleanup_free_ char *size = unit_format((double)s->bytes, UNIT_BYTES);
	_cleanup_free_ char *limit = unit_format((double)s->r->copy_limit, UNIT_BYTES);
	int e;

	if (s->bytes > s->r->copy_limit) {
		verdict_set(
		    v, "error", 0, "no private copy: it has %s, copy_limit is %s", size, limit);
		return false;
	}
	e = copy_folder_make(&s->folder, s->r->temp_dir, s->bytes);
	if (e == -ENOSPC)
		verdict_set(v, "error", 0,
		    "no private copy: there is no room for %s beside the tenth that stays free",
		    size);
	else if (e < 0)
		refuse(v, 0, strerror(-e));
	return e == 0;
}

static bool
open_target(struct snapshot *s, struct verdict *v)
{
	_cleanup_free_ char *path = xasprintf("%s/db", s->folder.dir);
	_cleanup_close_ int fd =
	    openat(s->folder.fd, "db", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return refuse(v, 0, strerror(errno));
	ok = sqlite3_open_v2(path, &s->to,
	         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX,
	         "unix") == SQLITE_OK &&
	     sqlite3_exec(s->to,
	         "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = "
	         "OFF",
	         NULL, NULL, NULL) == SQLITE_OK;
	unlinkat(s->folder.fd, "db", 0);
	return ok || refuse(v, sqlite3_extended_errcode(s->to), sqlite3_errmsg(s->to));
}

static bool
may_go_on(struct snapshot *s, int64_t start_us, int64_t until_us, struct verdict *v)
{
	int64_t now = clock_now_us();

	if (now > until_us) {
		verdict_set(v, "timeout", 0, "no private copy: copying took too long");
		return false;
	}
	if (wal_meter_is_over(&s->meter)) {
		_cleanup_free_ char *grown = unit_format((double)s->meter.grown_bytes, UNIT_BYTES);

		verdict_set(
		    v, "locked", 0, "no private copy: the log grew by %s while it was made", grown);
		return false;
	}
	if (reader_hinders_writers(s->r) && now - start_us > YIELD_US &&
	    lock_watch_writer(&s->r->locks)) {
		verdict_set(v, "locked", 0, "no private copy: a writer waited for it");
		return false;
	}
	return true;
}

static bool
copy_pages(struct snapshot *s, int64_t until_us, struct verdict *v)
{
	sqlite3_backup *b = sqlite3_backup_init(s->to, "main", s->r->db, "main");
	int64_t start = clock_now_us();
	int rc = SQLITE_OK;

	if (!b)
		return refuse(v, sqlite3_extended_errcode(s->to), sqlite3_errmsg(s->to));
	while (rc == SQLITE_OK && may_go_on(s, start, until_us, v))
		rc = sqlite3_backup_step(b, PART_PAGES);
	sqlite3_backup_finish(b);
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		return refuse(v, rc, sqlite3_errstr(rc));
	return rc == SQLITE_DONE;
}

/*
 * The pages say that a log belongs to them, which SQLite would create: everything is in the file, so
 * that its header may say it has none.
 */
static bool
forget_log(struct snapshot *s, struct verdict *v)
{
	static const unsigned char none[2] = { 1, 1 };
	sqlite3_file *file = NULL;

	sqlite3_file_control(s->to, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (!file || !file->pMethods ||
	    file->pMethods->xWrite(file, none, sizeof(none), 18) != SQLITE_OK ||
	    sqlite3_file_control(s->to, "main", SQLITE_FCNTL_RESET_CACHE, NULL) != SQLITE_OK)
		return refuse(v, 0, "its header cannot be written");
	return true;
}

static bool
make(struct snapshot *s, int64_t until_us, int64_t wal_budget, struct verdict *v)
{
	if (!hold_view(s, v) || !make_room(s, v) || !open_target(s, v))
		return false;
	reader_meter(s->r, wal_budget, false, &s->meter);
	return copy_pages(s, until_us, v) && forget_log(s, v);
}

bool
snapshot_open(struct reader *r, int64_t until_us, int64_t wal_budget, struct verdict *v)
{
	struct snapshot s = { .r = r, .folder = { .fd = -1 } };
	bool ok;

	if (!reader_open(r, until_us, v))
		return false;
	if (r->how != READER_IN_PLACE) /* it is a copy, or nobody writes */
		return true;
	ok = make(&s, until_us, wal_budget, v);
	v->gave_way = !ok;
	sqlite3_finalize(s.view);
	wal_meter_settle(&s.meter, SETTLE_US);
	copy_folder_done(&s.folder);
	reader_close(r);
	if (!ok) {
		sqlite3_close(s.to);
		return false;
	}
	r->db = s.to;
	r->how = READER_COPY;
	r->wal = false;
	if (reader_begin(r, until_us, v))
		return true;
	reader_close(r);
	return false;
}
