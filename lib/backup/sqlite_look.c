/*
 * A copy of a SQLite database looked at: is it whole, what is in it.  What is compared later is counted here
 * once, in the copy, so that a backup says what it holds and not what the database held a moment later.
 */
#include "backup/sqlite_impl.h"
#include "base/clock.h"
#include "base/sha.h"
#include "base/str.h"
#include "base/text.h"
#include "sqlite/damage.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#define TICK_US      (200 * USEC_PER_MSEC)
#define TICK_OPS     2000 /* of SQLite's machine */
#define WAIT_STEP_US (20 * USEC_PER_MSEC)
#define WAIT_MAX_US  (30 * USEC_PER_SEC)
#define NAME_BYTES   ((size_t)1024)
#define CHECK_LINES  "20"
/* In file order, and without an index whose collation only the application knows. */
#define TABLES                                                                                     \
	"SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0"                \
	" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rootpage"

/* ---- the watch ---- */

int
sqlite_watch_tick(struct sqlite_watch *w)
{
	int64_t now = clock_now_us();

	if (w->r < 0 || now < w->next_us)
		return w->r;
	w->next_us = now + TICK_US;
	w->r = backup_tick(w->watch, w->at.what ? w->at.what : "", w->at.done, w->at.total, w->err);
	return w->r;
}

static int
on_ops(void *arg)
{
	return sqlite_watch_tick(arg) < 0;
}

static int
on_busy(void *arg, int n)
{
	struct sqlite_watch *w = arg;

	if (n == 0)
		w->waits_since_us = clock_now_us();
	if (sqlite_watch_tick(w) < 0 || clock_now_us() - w->waits_since_us > WAIT_MAX_US)
		return 0;
	usleep((useconds_t)WAIT_STEP_US);
	return 1;
}

void
sqlite_watch_connection(struct sqlite_watch *w, sqlite3 *db)
{
	sqlite3_progress_handler(db, TICK_OPS, on_ops, w);
	sqlite3_busy_handler(db, on_busy, w);
}

static int
errno_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EIO;
	}
}

int
sqlite_watch_failed(struct sqlite_watch *w, sqlite3 *db, const char *what)
{
	int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM, r = errno_of(code);
	const char *why = db ? sqlite3_errmsg(db) : "no memory";

	if (w->r < 0)
		return w->r;
	if (r == -EBUSY)
		return err_set(w->err, r, "%s: another process has kept it locked for %d s", what,
		    (int)(WAIT_MAX_US / USEC_PER_SEC));
	return err_set(w->err, r, "%s: %.300s", what, why);
}

void
sqlite_guard(sqlite3 *db)
{
	sqlite3_extended_result_codes(db, 1);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_exec(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", NULL, NULL, NULL);
}

int
sqlite_open_still(const char *path, struct sqlite_watch *w, sqlite3 **ret)
{
	_cleanup_str_ struct str uri = { 0 };
	const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE;

	str_add(&uri, "file:");
	for (const char *p = path; *p; p++)
		str_addf(&uri, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
	str_add(&uri, "?mode=ro&immutable=1");
	if (sqlite3_open_v2(uri.s, ret, flags, "unix") != SQLITE_OK)
		return sqlite_watch_failed(w, *ret, "the copy cannot be opened");
	sqlite_guard(*ret);
	sqlite_watch_connection(w, *ret);
	return 0;
}

/* ---- statements ---- */

static void
finalize(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
}
#define _cleanup_stmt_ _cleanup_(finalize)

static const char *
text(sqlite3_stmt *st, int i)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	return s ? s : "";
}

static int
number(sqlite3 *db, struct sqlite_watch *w, const char *sql, int64_t *ret)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return sqlite_watch_failed(w, db, sql);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

static int
tables(sqlite3 *db, struct sqlite_watch *w, char ***ret)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	_cleanup_strv_ char **names = NULL;
	int rc = sqlite3_prepare_v2(db, TABLES, -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			strv_add(&names, text(st, 0));
	}
	if (rc != SQLITE_DONE)
		return sqlite_watch_failed(w, db, "its schema cannot be read");
	*ret = TAKE_PTR(names);
	return 0;
}

/* ---- is it whole ---- */

static int
check(sqlite3 *db, const char *sql, sqlite_fault_fn on_fault, void *arg)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && damage_is_of_file(text(st, 0))) {
			_cleanup_free_ char *line =
			    text_from_peer(text(st, 0), strlen(text(st, 0)), NAME_BYTES);

			on_fault(line, arg);
		}
	}
	return rc;
}

/* What stops the check altogether is damage too, unless only the application knows a part of it. */
static int
check_failed(sqlite3 *db, struct sqlite_watch *w, int rc, sqlite_fault_fn on_fault, void *arg)
{
	if ((rc & 0xff) != SQLITE_CORRUPT && (rc & 0xff) != SQLITE_NOTADB)
		return sqlite_watch_failed(w, db, "it cannot be checked");
	on_fault(sqlite3_errmsg(db), arg);
	return 0;
}

static int
check_each(
    sqlite3 *db, struct sqlite_watch *w, sqlite_fault_fn on_fault, void *arg, char **ret_unchecked)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_str_ struct str left = { 0 };
	int r = tables(db, w, &names);

	for (char **t = names; r == 0 && t && *t; t++) {
		char *sql = sqlite3_mprintf("PRAGMA main.integrity_check(\"%w\")", *t);
		int rc = check(db, sql ? sql : "", on_fault, arg);

		sqlite3_free(sql);
		if ((rc & 0xff) == SQLITE_ERROR && w->r == 0)
			str_addf(&left, "%s%.200s", left.len ? ", " : "", *t);
		else if (rc != SQLITE_DONE)
			r = check_failed(db, w, rc, on_fault, arg);
	}
	if (r == 0 && left.len)
		*ret_unchecked = str_take(&left);
	return r;
}

int
sqlite_check(
    sqlite3 *db, struct sqlite_watch *w, sqlite_fault_fn on_fault, void *arg, char **ret_unchecked)
{
	int rc;

	w->at = (struct backup_progress){ .what = "checking" };
	rc = check(db, "PRAGMA main.integrity_check(" CHECK_LINES ")", on_fault, arg);
	if (rc == SQLITE_DONE)
		return 0;
	/* A collation or a function that only the application has. */
	if ((rc & 0xff) == SQLITE_ERROR && w->r == 0)
		return check_each(db, w, on_fault, arg, ret_unchecked);
	return check_failed(db, w, rc, on_fault, arg);
}

/* ---- what is in it ---- */

static int
count(sqlite3 *db, struct sqlite_watch *w, const char *table, struct manifest *ret)
{
	char *sql = sqlite3_mprintf("SELECT count(*) FROM main.\"%w\" NOT INDEXED", table);
	_cleanup_free_ char *name = text_from_peer(table, strlen(table), NAME_BYTES);
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql ? sql : "", -1, &st, NULL);

	sqlite3_free(sql);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		manifest_add_table(ret, name, sqlite3_column_int64(st, 0));
	else if ((rc & 0xff) == SQLITE_ERROR && w->r == 0)
		manifest_add_table(ret, name, -1);
	else
		return sqlite_watch_failed(w, db, name);
	return 0;
}

static int
count_all(sqlite3 *db, struct sqlite_watch *w, struct manifest *ret)
{
	_cleanup_strv_ char **names = NULL;
	int r = tables(db, w, &names);

	for (char **t = names; r == 0 && t && *t; t++)
		r = count(db, w, *t, ret);
	return r;
}

/* Rows whose parent is missing.  Where a parent itself cannot be had, the schema is at fault. */
static int
count_orphans(sqlite3 *db, struct sqlite_watch *w, struct manifest *ret)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc = sqlite3_prepare_v2(db, "PRAGMA main.foreign_key_check", -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		n += rc == SQLITE_ROW;
	}
	if ((rc & 0xff) == SQLITE_ERROR && w->r == 0)
		n = -1;
	else if (rc != SQLITE_DONE)
		return sqlite_watch_failed(w, db, "its foreign keys cannot be checked");
	json_object_set_new(ret->facts, "foreign_key_faults", json_integer(n));
	return 0;
}

static int
fingerprint(sqlite3 *db, struct sqlite_watch *w, struct manifest *ret)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	_cleanup_str_ struct str all = { 0 };
	char hex[SHA_HEX_SIZE];
	int rc = sqlite3_prepare_v2(db,
	    "SELECT type, name, tbl_name, sql FROM main.sqlite_schema"
	    " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2, 3, 4",
	    -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		for (int i = 0; rc == SQLITE_ROW && i < 4; i++)
			str_addn(&all, text(st, i), strlen(text(st, i)) + 1);
	}
	if (rc != SQLITE_DONE)
		return sqlite_watch_failed(w, db, "its schema cannot be read");
	sha_hex(256, str_text(&all), all.len, hex);
	free(ret->fingerprint);
	ret->fingerprint = xstrdup(hex);
	return 0;
}

static const char *const numbers[] = { "page_size", "page_count", "auto_vacuum", "user_version",
	"application_id" };

static int
facts(sqlite3 *db, struct sqlite_watch *w, struct manifest *ret)
{
	_cleanup_stmt_ sqlite3_stmt *st = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(numbers); i++) {
		_cleanup_free_ char *sql = xasprintf("PRAGMA main.%s", numbers[i]);
		int64_t v = 0;

		r = number(db, w, sql, &v);
		if (r == 0)
			json_object_set_new(ret->facts, numbers[i], json_integer(v));
	}
	if (r < 0)
		return r;
	if (sqlite3_prepare_v2(db, "PRAGMA main.encoding", -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return sqlite_watch_failed(w, db, "its encoding cannot be read");
	json_object_set_new(ret->facts, "encoding", json_string(text(st, 0)));
	return 0;
}

int
sqlite_look(sqlite3 *db, struct sqlite_watch *w, struct manifest *ret)
{
	int r;

	w->at = (struct backup_progress){ .what = "counting" };
	if (!ret->facts)
		ret->facts = json_object();
	r = facts(db, w, ret);
	if (r == 0)
		r = fingerprint(db, w, ret);
	if (r == 0)
		r = count_all(db, w, ret);
	return r == 0 ? count_orphans(db, w, ret) : r;
}

/* ---- is it what was said ---- */

static void _printf_(3, 4) tell(sqlite_fault_fn fn, void *arg, const char *fmt, ...)
{
	char line[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fn(line, arg);
}

static void
compare_fact(const struct manifest *said, const struct manifest *found, const char *name,
    sqlite_fault_fn fn, void *arg)
{
	const json_t *a = json_object_get(said->facts, name),
	             *b = json_object_get(found->facts, name);

	if (!a)
		tell(fn, arg, "the manifest says no %s", name);
	else if (!json_equal(a, b))
		tell(fn, arg, "%s is another than the manifest says", name);
}

void
sqlite_compare(
    const struct manifest *said, const struct manifest *found, sqlite_fault_fn fn, void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		compare_fact(said, found, numbers[i], fn, arg);
	compare_fact(said, found, "encoding", fn, arg);
	compare_fact(said, found, "foreign_key_faults", fn, arg);
	if (!said->fingerprint || !streq(said->fingerprint, found->fingerprint))
		tell(fn, arg, "its schema is another than the manifest says");
	for (size_t i = 0; i < said->ntables; i++) {
		const struct manifest_table *t = &said->tables[i],
		                            *f = manifest_find_table(found, t->name);

		if (!f)
			tell(fn, arg, "table %.200s is missing", t->name);
		else if (f->rows != t->rows)
			tell(fn, arg, "table %.200s has %lld rows, the manifest says %lld", t->name,
			    (long long)f->rows, (long long)t->rows);
	}
	for (size_t i = 0; i < found->ntables; i++)
		if (!manifest_find_table(said, found->tables[i].name))
			tell(fn, arg, "table %.200s is not in the manifest", found->tables[i].name);
}
