/*
 * Decides how a file may be read (in place, as immutable, as a private copy), opens it so and
 * notices when what was decided no longer holds.
 */
#include "sqlite/reader.h"
#include "base/clock.h"
#include "base/str.h"
#include "sqlite/gaps.h"
#include "sqlite/guard.h"
#include "sqlite/vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* Younger changes may share their time stamp with the next one. */
#define STAMP_AGE_US (20 * USEC_PER_MSEC)

void
verdict_set(struct verdict *v, const char *reason, int code, const char *fmt, ...)
{
	va_list ap;

	v->reason = reason;
	v->code = code;
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static const char *
reason_of(sqlite3 *db, int code)
{
	int e = sqlite3_system_errno(db);

	switch (code & 0xff) {
	case SQLITE_ABORT: /* give_up() */
		return "budget";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "locked";
	case SQLITE_PERM:
		return "privilege";
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		return e == EACCES || e == EPERM ? "privilege" : "error";
	default:
		return "error";
	}
}

void
verdict_from_db(struct verdict *v, sqlite3 *db, enum watch_why why)
{
	int code = sqlite3_extended_errcode(db);

	switch (why) {
	case WATCH_TIMEOUT:
		verdict_set(v, "timeout", code, "interrupted at its time limit");
		return;
	case WATCH_WAL:
		v->gave_way = true;
		verdict_set(
		    v, "locked", code, "gave way to writers: the log grew while it was read");
		return;
	case WATCH_WRITER:
		v->gave_way = true;
		verdict_set(v, "locked", code, "gave way to a writer each time it was tried");
		return;
	case WATCH_NOTHING:
		break;
	}
	if (code == SQLITE_READONLY_ROLLBACK)
		verdict_set(v, "error", code, "hot journal: awaits recovery by its application");
	else if (code == SQLITE_READONLY_RECOVERY || code == SQLITE_READONLY_CANTINIT)
		verdict_set(v, "error", code, "WAL awaits recovery by its application");
	else if ((code & 0xff) == SQLITE_BUSY)
		verdict_set(v, "locked", code, "locked by a writer");
	else
		verdict_set(v, reason_of(db, code), code, "%s", sqlite3_errmsg(db));
}

void
reader_close(struct reader *r)
{
	sqlite3_close(r->db);
	r->db = NULL;
	r->how = READER_CLOSED;
	r->locks.file = NULL;
}

bool
reader_hinders_writers(const struct reader *r)
{
	return r->how == READER_IN_PLACE && !r->wal;
}

/* ---- stamps ---- */

static int64_t
wal_bytes(const struct reader *r)
{
	_cleanup_free_ char *path = gather_beside(r->facts, "-wal");
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static bool
shm_exists(const struct reader *r)
{
	_cleanup_free_ char *path = gather_beside(r->facts, "-shm");

	return access(path, F_OK) == 0;
}

/* Through SQLite's own descriptor: closing one of ours would drop its locks. */
static sqlite3_file *
own_file(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file && file->pMethods ? file : NULL;
}

static bool
read_counter(sqlite3 *db, unsigned char ret[4])
{
	sqlite3_file *file = own_file(db);

	return file && file->pMethods->xRead(file, ret, 4, 24) == SQLITE_OK;
}

static bool
take_stamp(const struct reader *r, struct stamp *ret)
{
	return stat(r->facts->resolved, &ret->st) == 0 && read_counter(r->db, ret->counter);
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
reader_unchanged(const struct reader *r)
{
	struct stamp now;

	if (r->how != READER_IMMUTABLE)
		return true;
	return take_stamp(r, &now) && wal_bytes(r) == 0 && now.st.st_dev == r->stamp.st.st_dev &&
	       now.st.st_ino == r->stamp.st.st_ino && now.st.st_size == r->stamp.st.st_size &&
	       same_time(&now.st.st_mtim, &r->stamp.st.st_mtim) &&
	       memcmp(now.counter, r->stamp.counter, 4) == 0;
}

static void
let_it_age(const struct stat *st)
{
	int64_t changed = st->st_mtim.tv_sec * USEC_PER_SEC + st->st_mtim.tv_nsec / 1000;
	int64_t age = clock_wall_us() - changed;

	if (age >= 0 && age < STAMP_AGE_US)
		usleep((useconds_t)(STAMP_AGE_US - age));
}

/* ---- opening ---- */

void
reader_meter(const struct reader *r, int64_t budget_bytes, bool gentle, struct wal_meter *ret)
{
	bool in_place = r->how == READER_IN_PLACE && r->wal;

	wal_meter_init(ret, in_place ? own_file(r->db) : NULL, wal_bytes(r), budget_bytes, gentle);
}

/* Without a connection of ours: then no lock of ours can be lost by closing. */
static bool
header_says_wal(const struct reader *r)
{
	_cleanup_close_ int fd =
	    open(r->facts->resolved, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	unsigned char versions[2];

	return fd >= 0 && pread(fd, versions, 2, 18) == 2 && versions[0] == 2 && versions[1] == 2;
}

static char *
make_uri(const char *path, const char *parameters)
{
	struct str s = { 0 };

	str_add(&s, "file:");
	for (const char *p = path; *p; p++) {
		if (strchr("%?#", *p))
			str_addf(&s, "%%%02x", (unsigned)(unsigned char)*p);
		else
			str_addc(&s, *p);
	}
	str_addf(&s, "?mode=ro%s", parameters);
	return str_take(&s);
}

static bool
read_schema(struct reader *r, int64_t until_us, struct verdict *v)
{
	sqlite3_stmt *st = NULL;
	enum watch_why why;
	int rc;

	watch_begin(r->watch, r->db, until_us, 0, NULL);
	rc = sqlite3_prepare_v2(r->db,
	    "SELECT count(*) FILTER (WHERE type = 'table' AND name NOT GLOB 'sqlite_*')"
	    " FROM sqlite_schema",
	    -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	why = watch_end(r->watch);
	if (rc == SQLITE_ROW)
		file_facts_set_int(r->facts, FACT_TABLES, sqlite3_column_int64(st, 0));
	if (rc != SQLITE_ROW)
		verdict_from_db(v, r->db, why);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW;
}

bool
reader_begin(struct reader *r, int64_t until_us, struct verdict *v)
{
	if (guard_connection(r->db) != SQLITE_OK) {
		verdict_from_db(v, r->db, WATCH_NOTHING);
		return false;
	}
	if (file_facts_register(r->db, r->facts) < 0 || gaps_register(r->db) < 0) {
		verdict_set(v, "error", SQLITE_NOMEM, "out of memory");
		return false;
	}
	return read_schema(r, until_us, v);
}

static bool
open_as(struct reader *r, enum reader_how how, int64_t until_us, struct verdict *v)
{
	_cleanup_free_ char *uri = make_uri(
	    r->facts->resolved, how == READER_IMMUTABLE ? "&immutable=1" : "&readonly_shm=1");
	const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW |
	                  SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_FULLMUTEX;

	if (sqlite3_open_v2(uri, &r->db, flags, READER_VFS) != SQLITE_OK) {
		verdict_from_db(v, r->db, WATCH_NOTHING);
		return false;
	}
	r->how = how;
	r->locks.file = how == READER_IN_PLACE ? own_file(r->db) : NULL;
	if (how == READER_IMMUTABLE) {
		if (stat(r->facts->resolved, &r->stamp.st) == 0)
			let_it_age(&r->stamp.st);
		if (!take_stamp(r, &r->stamp)) {
			verdict_set(v, "error", 0, "cannot be read: %s", strerror(errno));
			return false;
		}
	}
	if (!reader_begin(r, until_us, v))
		return false;
	if (!reader_unchanged(r)) {
		verdict_set(v, "locked", 0, "busy: the database changed while it was read");
		return false;
	}
	return true;
}

/*
 * A log with its index is read in place, through the index but without writing to it.  Where no
 * log is, nothing needs an index, which we could only create: the file is complete by itself.
 */
static enum reader_how
choose(const struct reader *r)
{
	if (!r->wal || file_facts_int(r->facts, FACT_JOURNAL_HOT) == 1)
		return READER_IN_PLACE;
	if (wal_bytes(r) == 0 && !shm_exists(r))
		return READER_IMMUTABLE;
	return shm_exists(r) ? READER_IN_PLACE : READER_COPY;
}

/* The index turned out not to be usable without writing to it. */
static bool
needs_recovery(const struct verdict *v)
{
	return v->code == SQLITE_READONLY_CANTINIT || v->code == SQLITE_READONLY_RECOVERY ||
	       (v->code & 0xff) == SQLITE_CANTOPEN || (v->code & 0xff) == SQLITE_PROTOCOL;
}

static bool
can_be_read(struct reader *r, struct verdict *v)
{
	const char *kind = file_facts_text(r->facts, FACT_KIND);

	if (streq(kind, "hidden"))
		verdict_set(v, "privilege", 0, "%s", file_facts_text(r->facts, FACT_KIND_ERROR));
	else if (streq(kind, "absent"))
		verdict_set(v, "error", 0, "no such file");
	else if (!streq(kind, "file"))
		verdict_set(v, "error", 0, "not a regular file: %s", kind);
	else if (file_facts_int(r->facts, FACT_READABLE) != 1)
		verdict_set(v, "privilege", 0, "cannot be read: %s",
		    file_facts_text(r->facts, FACT_KIND_ERROR));
	else
		return true;
	return false;
}

bool
reader_open(struct reader *r, int64_t until_us, struct verdict *v)
{
	enum reader_how how;

	reader_close(r);
	if (!can_be_read(r, v))
		return false;
	lock_watch_init(r->facts, &r->locks);
	r->wal = header_says_wal(r) || wal_bytes(r) > 0;
	how = choose(r);
	if (how == READER_COPY)
		return copy_open(r, until_us, v);
	if (open_as(r, how, until_us, v))
		return true;
	reader_close(r);
	if (how != READER_IN_PLACE || !r->wal || !needs_recovery(v))
		return false;
	if (wal_bytes(r) > 0)
		return copy_open(r, until_us, v);
	if (open_as(r, READER_IMMUTABLE, until_us, v))
		return true;
	reader_close(r);
	return false;
}
