/*
 * state.db: rows of state, transitions, and what each outlet was told.  WAL: a commit is one append,
 * readers (a curious person) block nobody, and a process killed at any moment leaves whole
 * transactions.
 */
#include "daemon/store_db.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/store.h"
#include <stdio.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x64626864 /* "dbhd" */

enum statement { PUT, DELETE, EVENT, CURSOR, STATEMENT_N };
static const char *const statements[STATEMENT_N] = {
	[PUT] = "INSERT INTO state (kind, key, json) VALUES (?1, ?2, ?3)"
	        " ON CONFLICT (kind, key) DO UPDATE SET json = excluded.json",
	[DELETE] = "DELETE FROM state WHERE kind = ?1 AND key = ?2",
	/* REPLACE: a batch whose answer was lost is written again */
	[EVENT] =
	    "INSERT OR REPLACE INTO event (sequence, id, wall_us, json) VALUES (?1, ?2, ?3, ?4)",
	[CURSOR] = "INSERT INTO outlet (name, sequence) VALUES (?1, ?2)"
	           " ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
};

/* One entry a version of the schema; user_version is how many have been run. */
static const char *const migrations[] = {
	"CREATE TABLE state (kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL,"
	" PRIMARY KEY (kind, key)) WITHOUT ROWID;"
	"CREATE TABLE event (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
	" wall_us INTEGER NOT NULL, json TEXT NOT NULL);"
	"CREATE TABLE outlet (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;",
};

struct store_db {
	char *dir;
	dev_t device; /* of the file that is open */
	ino_t inode;
	sqlite3 *sqlite;
	sqlite3_stmt *prepared[STATEMENT_N];
};

static int
sqlite_error(const struct store_db *db, const char *what, struct err *e)
{
	int code = sqlite3_errcode(db->sqlite);
	int r = -EIO;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		r = -EUCLEAN;
	else if (code == SQLITE_FULL)
		r = -ENOSPC;
	else if (code == SQLITE_READONLY)
		r = -EROFS;
	else if (code == SQLITE_ERROR) /* of a statement of ours: this is not our schema */
		r = -EBADMSG;
	return err_set(e, r, "%s/state.db: %s: %s", db->dir, what, sqlite3_errmsg(db->sqlite));
}

static int
run(struct store_db *db, const char *sql, struct err *e)
{
	if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sqlite_error(db, "write", e);
}

static int
query_int(struct store_db *db, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	/* the error belongs to the connection until the next call: read it before finalize */
	r = r == SQLITE_ROW ? 0 : sqlite_error(db, "read", e);
	sqlite3_finalize(st);
	return r;
}

void
store_db_close(struct store_db **p)
{
	struct store_db *db = TAKE_PTR(*p);

	if (!db)
		return;
	for (int i = 0; i < STATEMENT_N; i++)
		sqlite3_finalize(db->prepared[i]);
	sqlite3_close_v2(db->sqlite);
	free(db->dir);
	free(db);
}

/* ---- open ---- */

static int
migrate(struct store_db *db, struct err *e)
{
	int64_t version = 0;
	int r = query_int(db, "PRAGMA user_version", &version, e);

	if (r < 0)
		return r;
	if (version > (int64_t)ARRAY_SIZE(migrations))
		return err_set(e, -EOVERFLOW,
		    "written by a newer dbhealthd (schema %lld, ours is %zu)", (long long)version,
		    ARRAY_SIZE(migrations));
	for (; r >= 0 && version < (int64_t)ARRAY_SIZE(migrations); version++) {
		_cleanup_free_ char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = "
		                                     "%d; PRAGMA user_version = %lld; COMMIT",
		    migrations[version], APPLICATION_ID, (long long)version + 1);

		r = run(db, sql, e);
		if (r < 0)
			store_db_rollback(db);
	}
	return r;
}

static int
check_damage(struct store_db *db, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &st, NULL);
	const char *said = NULL;

	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(st, 0);
	if (r != SQLITE_ROW)
		r = sqlite_error(db, "read", e);
	else if (!said || !streq(said, "ok"))
		r = err_set(e, -EUCLEAN, "%s/state.db: %s", db->dir, said ? said : "damaged");
	else
		r = 0;
	sqlite3_finalize(st);
	return r;
}

static int
try_open(const char *dir, struct store_db **ret, struct err *e)
{
	struct store_db *db = xcalloc(1, sizeof(*db));
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	struct stat st;
	int r = 0;

	db->dir = xstrdup(dir);
	umask(0077);
	if (sqlite3_open_v2(path, &db->sqlite,
	        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
	        NULL) != SQLITE_OK)
		r = db->sqlite ? sqlite_error(db, "open", e) : err_set(e, -ENOMEM, "out of memory");
	if (r == 0) {
		/* The worker of a daemon that was just killed may still hold its lock for a moment. */
		sqlite3_busy_timeout(db->sqlite, 2000);
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		r = run(db,
		    "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 4194304;"
		    "PRAGMA trusted_schema = off; PRAGMA mmap_size = 0",
		    e);
	}
	if (r == 0)
		r = check_damage(db, e);
	if (r == 0)
		r = migrate(db, e);
	for (int i = 0; r == 0 && i < STATEMENT_N; i++)
		if (sqlite3_prepare_v3(db->sqlite, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
		        &db->prepared[i], NULL) != SQLITE_OK)
			r = sqlite_error(db, "open", e);
	/* Tables that are missing or others, a format that nobody knows: as good as damaged. */
	if (r == -EBADMSG)
		r = e->code = -EUCLEAN;
	/* Something else has its name: a folder, a socket.  A link is somebody's will. */
	if (r < 0 && lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		r = err_set(e, -EUCLEAN, "%s is no file", path);
	if (r == 0 && stat(path, &st) == 0) {
		db->device = st.st_dev;
		db->inode = st.st_ino;
	}
	if (r < 0) {
		store_db_close(&db);
		return r;
	}
	*ret = db;
	return 0;
}

/* With its log, which belongs to it; the shared memory is only an index of that. */
static int
move_aside(const char *dir, const char *as, store_moved_fn on_moved, const char *why)
{
	_cleanup_free_ char *from = xasprintf("%s/state.db", dir);
	_cleanup_free_ char *to = NULL, *wal = xasprintf("%s-wal", from),
	                    *shm = xasprintf("%s-shm", from);
	_cleanup_free_ char *to_wal = NULL;
	int64_t stamp = clock_wall_us() / USEC_PER_SEC;

	do {
		free(to);
		to = xasprintf("%s.%s-%lld", from, as, (long long)stamp++);
	} while (access(to, F_OK) == 0);
	to_wal = xasprintf("%s-wal", to);
	if (rename(from, to) < 0)
		return -errno;
	if (rename(wal, to_wal) < 0 && errno != ENOENT)
		unlink(wal);
	unlink(shm);
	on_moved(to, why);
	return 0;
}

/* Its name still leads to it: what is written into a file without a name is gone with us. */
static bool
is_there(const struct store_db *db)
{
	_cleanup_free_ char *path = xasprintf("%s/state.db", db->dir);
	struct stat st;

	if (stat(path, &st) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return st.st_dev == db->device && st.st_ino == db->inode;
}

int
store_db_open(const char *dir, store_moved_fn on_moved, struct store_db **ret, struct err *e)
{
	int r;

	if (*ret && streq((*ret)->dir, dir)) {
		if (is_there(*ret))
			return 0;
		on_moved("", "state.db was removed or replaced while it was in use");
	}
	store_db_close(ret);
	r = try_open(dir, ret, e);
	if (r != -EUCLEAN && r != -EOVERFLOW)
		return r;
	if (move_aside(dir, r == -EUCLEAN ? "corrupt" : "newer", on_moved, e->msg) < 0)
		return r;
	return try_open(dir, ret, e);
}

bool
store_db_salvage(struct store_db **p, store_moved_fn on_moved, const struct err *why)
{
	_cleanup_free_ char *dir = NULL;

	if (why->code != -EUCLEAN || !*p)
		return false;
	dir = xstrdup((*p)->dir);
	store_db_close(p);
	return move_aside(dir, "corrupt", on_moved, why->msg) == 0;
}

/* ---- write ---- */

/* FULL: the log is synced before COMMIT returns; NORMAL: whole after a crash, perhaps not the last. */
int
store_db_begin(struct store_db *db, bool sync, struct err *e)
{
	int r = run(db, sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", e);

	return r < 0 ? r : run(db, "BEGIN IMMEDIATE", e);
}

bool
store_db_in_transaction(const struct store_db *db)
{
	return !sqlite3_get_autocommit(db->sqlite);
}

int
store_db_commit(struct store_db *db, struct err *e)
{
	return run(db, "COMMIT", e);
}

void
store_db_rollback(struct store_db *db)
{
	if (store_db_in_transaction(db))
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

/* Text parameters in their order; a number is text too, the column's affinity makes it one. */
static int
step(struct store_db *db, enum statement which, const char *const *args, int n, struct err *e)
{
	sqlite3_stmt *st = db->prepared[which];
	int r = SQLITE_OK;

	for (int i = 0; i < n && r == SQLITE_OK; i++)
		r = sqlite3_bind_text(st, i + 1, args[i], -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	r = r == SQLITE_DONE ? 0 : sqlite_error(db, "write", e);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

int
store_db_put(
    struct store_db *db, const char *kind, const char *key, const char *json, struct err *e)
{
	return step(db, PUT, (const char *const[]){ kind, key, json }, 3, e);
}

int
store_db_delete(struct store_db *db, const char *kind, const char *key, struct err *e)
{
	return step(db, DELETE, (const char *const[]){ kind, key }, 2, e);
}

int
store_db_event(struct store_db *db, const char *sequence, const char *id, const char *wall_us,
    const char *json, struct err *e)
{
	return step(db, EVENT, (const char *const[]){ sequence, id, wall_us, json }, 4, e);
}

int
store_db_cursor(struct store_db *db, const char *outlet, const char *sequence, struct err *e)
{
	return step(db, CURSOR, (const char *const[]){ outlet, sequence }, 2, e);
}

/* ---- care ---- */

static int
bind_run(struct store_db *db, const char *sql, const char *text, int64_t n, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);

	if (r == SQLITE_OK && text)
		r = sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	else if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 1, n);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	r = r == SQLITE_DONE ? 0 : sqlite_error(db, "write", e);
	sqlite3_finalize(st);
	return r;
}

int
store_db_keep_outlets(struct store_db *db, char *const *outlets, struct err *e)
{
	int r = run(db,
	    "CREATE TEMP TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY);"
	    "DELETE FROM temp.kept",
	    e);

	for (size_t i = 0; r == 0 && outlets && outlets[i]; i++)
		r = bind_run(db, "INSERT OR IGNORE INTO temp.kept VALUES (?1)", outlets[i], 0, e);
	if (r == 0)
		r = run(db,
		    "BEGIN IMMEDIATE;"
		    "DELETE FROM outlet WHERE name NOT IN (SELECT name FROM temp.kept);"
		    "INSERT OR IGNORE INTO outlet SELECT name,"
		    " coalesce((SELECT max(sequence) FROM event), 0) FROM temp.kept;"
		    "COMMIT",
		    e);
	if (r < 0)
		store_db_rollback(db);
	return r;
}

int
store_db_prune(struct store_db *db, int64_t wall_us, struct err *e)
{
	int r = bind_run(db,
	    "DELETE FROM event WHERE wall_us < ?1"
	    " AND sequence <= coalesce((SELECT min(sequence) FROM outlet), 0)",
	    NULL, wall_us - STORE_EVENT_AGE_US, e);

	if (r == 0)
		r = bind_run(db,
		    "DELETE FROM event WHERE sequence <= coalesce((SELECT min(sequence) FROM "
		    "outlet), 0)"
		    " AND sequence <= (SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 "
		    "OFFSET ?1)",
		    NULL, STORE_EVENT_MAX, e);
	if (r == 0)
		r = bind_run(db,
		    "DELETE FROM event WHERE sequence <="
		    " (SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 OFFSET ?1)",
		    NULL, STORE_EVENT_PENDING_MAX, e);
	return r;
}

/* ---- read ---- */

/* r: what came of preparing and binding it. */
static int
each_row_of(struct store_db *db, sqlite3_stmt *st, int r, store_db_row_fn on_row, struct err *e)
{
	while (r == SQLITE_OK || r == SQLITE_ROW) {
		const char *column[3];

		r = sqlite3_step(st);
		if (r != SQLITE_ROW)
			break;
		for (int i = 0; i < 3; i++) {
			column[i] = (const char *)sqlite3_column_text(st, i);
			if (!column[i])
				column[i] = "";
		}
		on_row(column[0], column[1], column[2]);
	}
	r = r == SQLITE_DONE ? 0 : sqlite_error(db, "read", e);
	sqlite3_finalize(st);
	return r;
}

static int
each_row(struct store_db *db, const char *sql, store_db_row_fn on_row, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);

	return each_row_of(db, st, r, on_row, e);
}

/* A database is meant with its members, "orders" with "orders/sales". */
#define SELECT_EVENTS                                                                              \
	"SELECT sequence, json, '' FROM event WHERE sequence > ?1"                                 \
	" AND (?2 = 0 OR wall_us >= ?2) AND (?3 = 0 OR wall_us <= ?3)"                             \
	" AND (?4 = '' OR json ->> 'DBHEALTH_DATABASE' = ?4"                                       \
	"  OR substr(json ->> 'DBHEALTH_DATABASE', 1, length(?4) + 1) = ?4 || '/'"                 \
	"  OR (?5 <> '' AND json ->> 'DBHEALTH_DATABASE' = '' AND json ->> 'DBHEALTH_SERVER' = "   \
	"?5))"                                                                                     \
	" AND (?4 <> '' OR ?5 = '' OR json ->> 'DBHEALTH_SERVER' = ?5)"                            \
	" AND (?6 = '' OR json ->> 'DBHEALTH_CHECK' = ?6)"                                         \
	" AND (?7 = '' OR json ->> 'DBHEALTH_FINDING_ID' = ?7)"                                    \
	" AND (?9 = '' OR json ->> 'MESSAGE_ID' = ?9)"

int
store_db_select(
    struct store_db *db, const struct store_query *q, store_db_row_fn on_row, struct err *e)
{
	const char *texts[] = { q->database, q->server, q->check, q->finding };
	const char *sql = q->newest ? "SELECT * FROM (" SELECT_EVENTS
	                              " ORDER BY sequence DESC LIMIT ?8) ORDER BY sequence"
	                            : SELECT_EVENTS " ORDER BY sequence LIMIT ?8";
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 1, (int64_t)q->after);
	if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 2, q->since_us);
	if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 3, q->until_us);
	for (int i = 0; i < 4 && r == SQLITE_OK; i++)
		r = sqlite3_bind_text(st, 4 + i, texts[i], -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 8, (int64_t)q->limit);
	if (r == SQLITE_OK)
		r = sqlite3_bind_text(st, 9, q->kind, -1, SQLITE_STATIC);
	return each_row_of(db, st, r, on_row, e);
}

int
store_db_row(struct store_db *db, const char *kind, const char *key, const char *place,
    store_db_row_fn on_row, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db->sqlite,
	    "SELECT ?3, json, '' FROM state WHERE kind = ?1 AND key = ?2", -1, &st, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_bind_text(st, 2, key, -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_bind_text(st, 3, place, -1, SQLITE_STATIC);
	return each_row_of(db, st, r, on_row, e);
}

int
store_db_rows(struct store_db *db, store_db_row_fn on_row, struct err *e)
{
	return each_row(db,
	    "SELECT kind, key, json FROM state WHERE kind NOT LIKE '%-rows' ORDER BY kind, key",
	    on_row, e);
}

int
store_db_cursors(struct store_db *db, store_db_row_fn on_row, struct err *e)
{
	return each_row(db, "SELECT name, sequence, '' FROM outlet", on_row, e);
}

int
store_db_events(struct store_db *db, store_db_row_fn on_row, struct err *e)
{
	return each_row(db,
	    "SELECT sequence, json, '' FROM event"
	    " WHERE sequence > (SELECT min(sequence) FROM outlet) ORDER BY sequence",
	    on_row, e);
}

int
store_db_last(struct store_db *db, int64_t *ret, struct err *e)
{
	return query_int(db,
	    "SELECT max(coalesce((SELECT max(sequence) FROM event), 0),"
	    " coalesce((SELECT max(sequence) FROM outlet), 0))",
	    ret, e);
}
