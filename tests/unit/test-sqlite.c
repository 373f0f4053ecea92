/* How the SQLite worker opens what it finds: without a trace, and in nobody's way. */
#include "sqlite/reader.h"
#include "sqlite/vfs.h"
#include "sqlite_stage.h"

#include <sched.h>
#include <sys/file.h>

#define SCHEMA                                                                                     \
	"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);"                                          \
	"INSERT INTO t(v) VALUES ('one'), ('two'), (NULL);"

/* One statement on a file; what it leaves of the folder must equal what was there. */
static void
look_untouched(struct look *l, uid_t uid, const char *path)
{
	_cleanup_free_ char *before = fingerprint(stage_dir), *after = NULL;

	if (uid == 0)
		look_here(l, path);
	else
		look_as(l, uid, path);
	after = fingerprint(stage_dir);
	assert_string_equal(after, before);
	assert_int_equal(l->end, WORKER_DONE);
}

static void
test_plain(void **state)
{
	struct look l = look_new();
	const char *path = in_stage("a b#?%41.db");

	(void)state;
	db_make(path, SCHEMA "PRAGMA user_version = -7; PRAGMA application_id = 5;"
	                     "PRAGMA default_cache_size = 60");
	look_sql(&l, "SELECT id, v AS name FROM t ORDER BY id -- the end\n;");
	look_add(&l, "file", "SELECT file_fact('kind') AS object, file_fact('size') AS value",
	    false, 1000);
	look_untouched(&l, WATCHER_UID, path);
	assert_true(json_is_true(json_object_get(l.facts, "open")));
	assert_string_equal(fact_text(&l, "library"), sqlite3_libversion());
	assert_string_equal(fact_text(&l, "kind"), "file");
	assert_string_equal(fact_text(&l, "open_how"), "in place");
	assert_string_equal(fact_text(&l, "encoding"), "UTF-8");
	assert_int_equal(fact_int(&l, "user_version"), -7);
	assert_int_equal(fact_int(&l, "application_id"), 5);
	assert_int_equal(fact_int(&l, "default_cache_pages"), 60);
	assert_int_equal(fact_int(&l, "page_size"), 4096);
	assert_int_equal(fact_int(&l, "page_count"), 2);
	assert_int_equal(fact_int(&l, "header_ok"), 1);
	assert_int_equal(fact_int(&l, "is_symlink"), 0);
	assert_int_equal(fact_int(&l, "fs_readonly"), 0);
	assert_true(fact_int(&l, "fs_total_bytes") > fact_int(&l, "fs_free_bytes"));
	assert_string_not_equal(fact_text(&l, "fs_type"), "");
	assert_string_equal(
	    json_string_value(json_array_get(json_array_get(l.columns, 0), 1)), "name");
	assert_int_equal(rows_of(&l, 0), 3);
	assert_string_equal(cell_of(&l, 0, 0, 0), "1");
	assert_string_equal(cell_of(&l, 0, 1, 1), "two");
	assert_true(json_is_null(json_array_get(json_array_get(json_array_get(l.rows, 0), 2), 1)));
	assert_string_equal(done_of(&l, 0, "state"), "complete");
	assert_string_equal(cell_of(&l, 1, 0, 0), "file");
	assert_string_equal(cell_of(&l, 1, 0, 1), "8192");
	look_done(&l);
}

static void
test_parameters_and_caps(void **state)
{
	struct look l = look_new();
	json_t *s;

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	look_sql(&l, "SELECT typeof(?1), typeof(?2), typeof(?3), typeof(?4), typeof(?5), ?6");
	json_object_set_new(json_array_get(l.statements, 0), "params",
	    json_pack("[s, s, s, s, n, s]", "12", "-0.5", "007", "1e4", "it's"));
	look_sql(
	    &l, "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c) SELECT n FROM c");
	s = json_array_get(l.statements, 1);
	json_object_set_new(s, "max_rows", json_integer(10));
	look_sql(&l, "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c) "
	             "SELECT hex(zeroblob(1000)) FROM c");
	s = json_array_get(l.statements, 2);
	json_object_set_new(s, "max_rows", json_integer(100000));
	json_object_set_new(s, "max_bytes", json_integer(1000000));
	look_sql(&l, "SELECT ?1");
	look_sql(&l, "SELECT hex(zeroblob(1000000)), x'41ff00', 1e999, char(10, 0x9b)");
	/* What is a text whatever it looks like, and what the job has once. */
	look_sql(&l, "SELECT typeof(?1), ?1, ?2, typeof(?3)");
	json_object_set_new(json_array_get(l.statements, 5), "params",
	    json_pack("[{s:s}, {s:s}, {s:s}]", "text", "1.10", "shared", "big", "shared", "none"));
	l.shared = json_pack("{s:s}", "big", "{\"a\": 1}");
	look_untouched(&l, 0, in_stage("a.db"));
	assert_string_equal(cell_of(&l, 0, 0, 0), "integer");
	assert_string_equal(cell_of(&l, 0, 0, 1), "real");
	assert_string_equal(cell_of(&l, 0, 0, 2), "text");
	assert_string_equal(cell_of(&l, 0, 0, 3), "text");
	assert_string_equal(cell_of(&l, 0, 0, 4), "null");
	assert_string_equal(cell_of(&l, 0, 0, 5), "it's");
	assert_string_equal(done_of(&l, 1, "state"), "truncated");
	assert_int_equal(rows_of(&l, 1), 10);
	assert_string_equal(done_of(&l, 2, "state"), "truncated");
	assert_in_range(rows_of(&l, 2), 450, 510);
	assert_string_equal(done_of(&l, 3, "text"), "parameters are missing");
	assert_int_equal(strlen(cell_of(&l, 4, 0, 0)), 4096);
	assert_string_equal(cell_of(&l, 4, 0, 1), "A\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(cell_of(&l, 4, 0, 2), "");
	assert_string_equal(cell_of(&l, 5, 0, 0), "text");
	assert_string_equal(cell_of(&l, 5, 0, 1), "1.10");
	assert_string_equal(cell_of(&l, 5, 0, 2), "{\"a\": 1}");
	assert_string_equal(cell_of(&l, 5, 0, 3), "null");
	look_done(&l);
}

static void
test_encodings(void **state)
{
	static const char *const names[] = { "UTF-8", "UTF-16le", "UTF-16be" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *sql = xasprintf("PRAGMA encoding = '%s'; CREATE TABLE "
		                                     "\"t\xc3\xa4\"(v); INSERT INTO \"t\xc3\xa4\" "
		                                     "VALUES ('gr\xc3\xbc\xc3\x9f dich')",
		    names[i]);
		struct look l = look_new();

		db_make(in_stage(names[i]), sql);
		look_sql(&l, "SELECT s.name, (SELECT v FROM t\xc3\xa4), ?1 FROM sqlite_schema s");
		json_object_set_new(
		    json_array_get(l.statements, 0), "params", json_pack("[s]", "\xe2\x82\xac"));
		look_untouched(&l, 0, in_stage(names[i]));
		assert_string_equal(fact_text(&l, "encoding"), names[i]);
		assert_string_equal(cell_of(&l, 0, 0, 0), "t\xc3\xa4");
		assert_string_equal(cell_of(&l, 0, 0, 1), "gr\xc3\xbc\xc3\x9f dich");
		assert_string_equal(cell_of(&l, 0, 0, 2), "\xe2\x82\xac");
		look_done(&l);
	}
}

/* An idle WAL database of another user, in a folder that we may or may not write to. */
static void
test_idle_wal_of_another(void **state)
{
	(void)state;
	for (int writable = 0; writable < 2; writable++) {
		_cleanup_free_ char *dir = xstrdup(in_stage(writable ? "open" : "closed"));
		_cleanup_free_ char *path = xasprintf("%s/app.db", dir), *before = NULL,
		                    *after = NULL;
		struct look l = look_new();

		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(chown(dir, APP_UID, APP_UID), 0);
		assert_int_equal(chmod(dir, writable ? 0777 : 0755), 0);
		assert_int_equal(app_run(APP_UID, path, "PRAGMA journal_mode = WAL;" SCHEMA), 0);
		before = fingerprint(dir);
		look_sql(&l, "SELECT count(*) FROM t");
		look_as(&l, WATCHER_UID, path);
		after = fingerprint(dir);
		assert_string_equal(after, before);
		assert_string_equal(fact_text(&l, "open_how"), "immutable");
		assert_string_equal(fact_text(&l, "journal_mode"), "wal");
		assert_int_equal(fact_int(&l, "dir_writable_by_others"), writable);
		assert_string_equal(cell_of(&l, 0, 0, 0), "3");
		/* The application goes on. */
		assert_int_equal(app_run(APP_UID, path, "INSERT INTO t(v) VALUES ('four')"), 0);
		look_done(&l);
	}
}

static void
test_live_wal(void **state)
{
	static const uid_t watchers[] = { 0, WATCHER_UID };
	struct app app;

	(void)state;
	assert_int_equal(chown(stage_dir, APP_UID, APP_UID), 0);
	app = app_start(APP_UID, in_stage("app.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++) {
		struct look l = look_new();

		look_sql(&l, "SELECT count(*) FROM t");
		look_add(&l, "file", "SELECT file_fact('wal_valid_frames')", false, 1000);
		look_untouched(&l, watchers[i], in_stage("app.db"));
		assert_string_equal(fact_text(&l, "open_how"), "in place");
		assert_string_equal(cell_of(&l, 0, 0, 0), "3");
		assert_true(fact_int(&l, "wal_committed_frames") > 0);
		assert_int_equal(fact_int(&l, "wal_damaged"), 0);
		assert_int_equal(fact_int(&l, "page_count"), 2);
		assert_non_null(strstr(fact_text(&l, "lock_holders"), "\"wal-open\""));
		look_done(&l);
	}
	assert_int_equal(app_wait(&app), 0);
	assert_int_equal(app_run(APP_UID, in_stage("app.db"), "INSERT INTO t(v) VALUES ('x')"), 0);
}

/*
 * A reader that comes upon a half written header of the index asks for the lock of writers.  Given it,
 * the next transaction of an application that waits for nobody would fail.
 */
static void
test_lock_of_writers_is_not_asked_for(void **state)
{
	_cleanup_free_ char *uri = NULL;
	sqlite3 *writer, *reader;
	sqlite3_file *file = NULL;
	const int share = SQLITE_SHM_LOCK | SQLITE_SHM_SHARED;

	(void)state;
	assert_int_equal(sqlite3_open(in_stage("app.db"), &writer), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(writer, "PRAGMA journal_mode = WAL;" SCHEMA, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(reader_vfs_register(), 0);
	uri = xasprintf("file:%s?mode=ro&readonly_shm=1", in_stage("app.db"));
	assert_int_equal(
	    sqlite3_open_v2(uri, &reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, READER_VFS),
	    SQLITE_OK);
	for (int turn = 0; turn < 2; turn++) {
		int tries = 0;

		assert_int_equal(
		    sqlite3_exec(reader, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(
		    sqlite3_file_control(reader, "main", SQLITE_FCNTL_FILE_POINTER, &file),
		    SQLITE_OK);
		while (file->pMethods->xShmLock(file, 0, 1, share) == SQLITE_BUSY) {
			assert_in_range(++tries, 1, 50);
			assert_int_equal(
			    sqlite3_exec(writer, "UPDATE t SET v = 'x'", NULL, NULL, NULL),
			    SQLITE_OK);
		}
		assert_in_range(tries, 10, 50);
		assert_int_equal(
		    sqlite3_exec(writer, "UPDATE t SET v = 'x'", NULL, NULL, NULL), SQLITE_BUSY);
		assert_int_equal(
		    file->pMethods->xShmLock(file, 0, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED),
		    SQLITE_OK);
	}
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	assert_int_equal(sqlite3_close(writer), SQLITE_OK);
}

/* Its writer died on the way, and nobody has written since. */
static void
test_half_written_index_header(void **state)
{
	struct look l = look_new();
	sqlite3 *app;
	pid_t pid;

	(void)state;
	assert_int_equal(sqlite3_open(in_stage("app.db"), &app), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(app, "PRAGMA journal_mode = WAL;" SCHEMA, NULL, NULL, NULL), SQLITE_OK);
	pid = fork_mortal(); /* closing that file here would drop the application's locks */
	if (pid == 0) {
		poke(in_stage("app.db-shm"), 8, 0xaa);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	look_sql(&l, "SELECT count(*) FROM t");
	look_here(&l, in_stage("app.db"));
	assert_string_equal(fact_text(&l, "open_how"), "copy");
	assert_string_equal(cell_of(&l, 0, 0, 0), "3");
	look_done(&l);
	assert_int_equal(sqlite3_exec(app, "UPDATE t SET v = 'x'", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(app), SQLITE_OK);
}

/* Whoever may not look into processes still sees the locks on the inode that the file had before. */
static void
test_former_file(void **state)
{
	struct look l = look_new(), again = look_new();
	struct app app;
	struct stat st;

	(void)state;
	assert_int_equal(chown(stage_dir, APP_UID, APP_UID), 0);
	app = app_start(APP_UID, in_stage("app.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	assert_int_equal(stat(in_stage("app.db"), &st), 0);
	assert_int_equal(rename(in_stage("app.db"), in_stage("old.db")), 0);
	db_make(in_stage("app.db"), SCHEMA);
	look_add(&l, "file",
	    "SELECT count(*), max(x.value ->> 'pid'), file_fact('users_visible') "
	    "FROM json_each(file_fact('lock_holders')) AS x "
	    "WHERE x.value ->> 'type' = 'former' /* replaced_holders */",
	    false, 1000);
	json_decref(again.statements);
	again.statements = json_incref(l.statements);
	l.former_inode = (int64_t)st.st_ino;
	look_as(&l, WATCHER_UID, in_stage("app.db"));
	look_as(&again, WATCHER_UID, in_stage("app.db"));
	assert_true(atoi(cell_of(&l, 0, 0, 0)) > 0);
	assert_int_equal(atoi(cell_of(&l, 0, 0, 1)), app.pid);
	assert_string_equal(cell_of(&l, 0, 0, 2), "0");
	assert_string_equal(cell_of(&again, 0, 0, 0), "0");
	look_done(&l);
	look_done(&again);
	app_kill(&app);
}

/* The application was killed: log and index lie there, nobody has them open. */
static void
test_killed_wal_application(void **state)
{
	struct app app;

	(void)state;
	app = app_start(0, in_stage("app.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	app_kill(&app);
	for (int without_index = 0; without_index < 2; without_index++) {
		struct look l = look_new(), small = look_new();

		if (without_index)
			unlink(in_stage("app.db-shm"));
		look_sql(&l, "SELECT count(*) FROM t");
		look_untouched(&l, WATCHER_UID, in_stage("app.db"));
		assert_string_equal(cell_of(&l, 0, 0, 0), "3");
		assert_string_equal(fact_text(&l, "open_how"), without_index ? "copy" : "in place");
		look_done(&l);

		small.copy_limit = 1000;
		look_sql(&small, "SELECT count(*) FROM t");
		look_add(&small, "file", "SELECT file_fact('wal_exists')", false, 1000);
		look_untouched(&small, WATCHER_UID, in_stage("app.db"));
		assert_string_equal(done_of(&small, 0, "reason"), without_index ? "error" : "");
		if (without_index)
			assert_non_null(strstr(
			    done_of(&small, 0, "text"), "WAL awaits recovery by its application"));
		assert_string_equal(cell_of(&small, 1, 0, 0), "1");
		look_done(&small);
	}
}

static void
test_exclusive_lock(void **state)
{
	struct look l = look_new();
	struct app app;

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	app = app_start(0, in_stage("a.db"), "BEGIN EXCLUSIVE");
	l.deadline_ms = 2000;
	look_sql(&l, "SELECT count(*) FROM t");
	look_add(&l, "file", "SELECT file_fact('lock_exclusive')", false, 1000);
	look_untouched(&l, WATCHER_UID, in_stage("a.db"));
	assert_true(json_is_false(json_object_get(l.facts, "open")));
	assert_string_equal(fact_text(&l, "reason"), "locked");
	assert_string_equal(done_of(&l, 0, "reason"), "locked");
	assert_string_equal(cell_of(&l, 1, 0, 0), "1");
	assert_int_equal(app_wait(&app), 0);
	look_done(&l);
}

static void
test_reserved_lock_lets_readers_in(void **state)
{
	struct look l = look_new();
	struct app app;
	char pid[32];

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	app = app_start(0, in_stage("a.db"), "BEGIN IMMEDIATE; INSERT INTO t(v) VALUES ('x')");
	look_sql(&l, "SELECT count(*) FROM t");
	look_untouched(&l, WATCHER_UID, in_stage("a.db"));
	snprintf(pid, sizeof(pid), "\"pid\":%d", (int)app.pid);
	assert_string_equal(cell_of(&l, 0, 0, 0), "3");
	assert_int_equal(fact_int(&l, "lock_reserved"), 1);
	assert_int_equal(fact_int(&l, "journal_hot"), 0);
	assert_non_null(strstr(fact_text(&l, "lock_holders"), pid));
	assert_non_null(strstr(fact_text(&l, "lock_holders"), "test-sqlite"));
	assert_int_equal(app_wait(&app), 0);
	look_done(&l);
}

#define SPILL                                                                                      \
	"PRAGMA cache_size = 2; BEGIN;"                                                            \
	"WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c LIMIT 2000) "             \
	"INSERT INTO t(v) SELECT hex(zeroblob(200)) FROM c;"

static void
test_hot_journal(void **state)
{
	struct look l = look_new(), after = look_new();
	struct app app;

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	db_make(in_stage("a.db"), SPILL "COMMIT");
	app = app_start(0, in_stage("a.db"), SPILL "UPDATE t SET v = 'y'");
	app_kill(&app);
	look_sql(&l, "SELECT count(*) FROM t");
	look_add(&l, "file", "SELECT file_fact('journal_hot')", false, 1000);
	look_untouched(&l, 0, in_stage("a.db"));
	assert_string_equal(cell_of(&l, 1, 0, 0), "1");
	assert_int_equal(fact_int(&l, "open_error_code"), SQLITE_READONLY_ROLLBACK);
	assert_non_null(strstr(done_of(&l, 0, "text"), "hot journal"));
	look_done(&l);
	/* Its application opens it once, and it is well. */
	assert_int_equal(app_run(0, in_stage("a.db"), "SELECT count(*) FROM t"), 0);
	look_sql(&after, "SELECT count(*) FROM t");
	look_untouched(&after, 0, in_stage("a.db"));
	assert_string_equal(cell_of(&after, 0, 0, 0), "2003");
	assert_int_equal(fact_int(&after, "journal_hot"), 0);
	look_done(&after);
}

/* A journal that was zeroed or emptied at commit, or whose database is empty, is not hot. */
static void
test_cold_journals(void **state)
{
	static const char *const modes[] = { "persist", "truncate" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		_cleanup_free_ char *sql = xasprintf("PRAGMA journal_mode = %s;" SCHEMA, modes[i]);
		const char *path = in_stage(modes[i]);
		struct look l = look_new();

		db_make(path, sql);
		look_sql(&l, "SELECT count(*) FROM t");
		look_untouched(&l, 0, path);
		assert_int_equal(fact_int(&l, "journal_exists"), 1);
		assert_int_equal(fact_int(&l, "journal_hot"), 0);
		assert_string_equal(cell_of(&l, 0, 0, 0), "3");
		look_done(&l);
	}
}

/* A commit of the application, measured, while a statement of ours would hold it up for ever. */
static int64_t commit_us;
static void
commit_beside(void *arg)
{
	int64_t start = clock_now_us();

	assert_int_equal(
	    app_run(0, arg, "PRAGMA synchronous = OFF; INSERT INTO t(v) VALUES ('meanwhile')"), 0);
	commit_us = clock_now_us() - start;
}

#define ENDLESS                                                                                    \
	"WITH RECURSIVE c(n) AS (SELECT max(id) FROM t UNION ALL SELECT n + 1 FROM c) "            \
	"SELECT count(*) FROM c"

static void
test_gives_way_to_writer(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	l.on_facts = commit_beside;
	l.arg = (void *)(uintptr_t)in_stage("a.db");
	l.slice_ms = 100;
	look_add(&l, "sql", ENDLESS, false, 800);
	look_sql(&l, "SELECT count(*) FROM t");
	look_here(&l, in_stage("a.db"));
	assert_int_equal(l.end, WORKER_DONE);
	/* A slice and its ticks, not the whole statement. */
	assert_in_range(commit_us, 0, 500 * USEC_PER_MSEC);
	assert_string_equal(done_of(&l, 0, "reason"), "timeout");
	assert_string_equal(cell_of(&l, 1, 0, 0), "4");
	look_done(&l);
}

/* An idle WAL database changes while it is read as immutable: what is told is the new state. */
static void
test_changes_under_immutable(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	l.on_facts = commit_beside;
	l.arg = (void *)(uintptr_t)in_stage("a.db");
	/* Counts first, then takes its time. */
	look_sql(&l,
	    "WITH RECURSIVE k(n) AS MATERIALIZED (SELECT count(*) FROM t), c(n) AS (VALUES(1) "
	    "UNION ALL SELECT n + 1 FROM c LIMIT 1000000) "
	    "SELECT max(k.n), count(*) FROM k CROSS JOIN c");
	look_here(&l, in_stage("a.db"));
	assert_string_equal(done_of(&l, 0, "state"), "complete");
	assert_int_equal(rows_of(&l, 0), 1);
	assert_string_equal(cell_of(&l, 0, 0, 0), "4");
	look_done(&l);
}

static void
test_deadlines(void **state)
{
	struct look l = look_new(), killed = look_new();
	int64_t start = clock_now_us();

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	l.deadline_ms = 300;
	look_add(&l, "sql", ENDLESS, false, 50);
	look_add(&l, "sql", ENDLESS, false, 5000);
	look_sql(&l, "SELECT 1");
	look_untouched(&l, 0, in_stage("a.db"));
	assert_string_equal(done_of(&l, 0, "reason"), "timeout");
	assert_string_equal(done_of(&l, 1, "reason"), "timeout");
	assert_string_equal(done_of(&l, 2, "reason"), "budget");
	assert_in_range(clock_now_us() - start, 300 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
	look_done(&l);
	killed.kill_after_us = 150 * USEC_PER_MSEC;
	look_add(&killed, "sql", ENDLESS, false, 60000);
	look_here(&killed, in_stage("a.db"));
	assert_int_equal(killed.end, WORKER_TIMEOUT);
	assert_int_equal(app_run(0, in_stage("a.db"), "INSERT INTO t(v) VALUES ('x')"), 0);
	look_done(&killed);
}

static void
test_rights(void **state)
{
	struct look l = look_new(), hidden = look_new();

	(void)state;
	assert_int_equal(mkdir(in_stage("d"), 0755), 0);
	db_make(in_stage("d/a.db"), SCHEMA);
	assert_int_equal(chmod(in_stage("d/a.db"), 0600), 0);
	look_sql(&l, "SELECT 1");
	look_untouched(&l, WATCHER_UID, in_stage("d/a.db"));
	assert_string_equal(fact_text(&l, "reason"), "privilege");
	assert_string_equal(fact_text(&l, "mode"), "0600");
	assert_string_equal(done_of(&l, 0, "reason"), "privilege");
	look_done(&l);
	assert_int_equal(chmod(in_stage("d"), 0700), 0);
	look_sql(&hidden, "SELECT 1");
	look_untouched(&hidden, WATCHER_UID, in_stage("d/a.db"));
	assert_string_equal(fact_text(&hidden, "kind"), "hidden");
	assert_string_equal(done_of(&hidden, 0, "reason"), "privilege");
	look_done(&hidden);
}

static void
test_symlink_is_followed(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("real.db"), SCHEMA);
	assert_int_equal(symlink("real.db", in_stage("link.db")), 0);
	look_sql(&l, "SELECT count(*) FROM t");
	look_untouched(&l, WATCHER_UID, in_stage("link.db"));
	assert_int_equal(fact_int(&l, "is_symlink"), 1);
	assert_string_equal(fact_text(&l, "resolved_path"), in_stage("real.db"));
	assert_string_equal(cell_of(&l, 0, 0, 0), "3");
	look_done(&l);
}

/* Copies have no name once they are open; what a killed process left goes, what lives stays. */
static void
test_copies_are_swept(void **state)
{
	struct look l = look_new();
	struct app app = app_start(0, in_stage("app.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	int living;

	(void)state;
	app_kill(&app);
	unlink(in_stage("app.db-shm"));
	assert_int_equal(mkdir(in_stage("tmp"), 0700), 0);
	assert_int_equal(mkdir(in_stage("tmp/dbhealth-copy.killed"), 0700), 0);
	write_file(in_stage("tmp/dbhealth-copy.killed/db"), "x", 1);
	write_file(in_stage("tmp/dbhealth-copy.killed/db-wal"), "x", 1);
	assert_int_equal(mkdir(in_stage("tmp/dbhealth-copy.living"), 0700), 0);
	living = open(in_stage("tmp/dbhealth-copy.living"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(living, LOCK_EX), 0);
	l.temp_dir = in_stage("tmp");
	look_sql(&l, "SELECT count(*) FROM t");
	look_here(&l, in_stage("app.db"));
	assert_string_equal(fact_text(&l, "open_how"), "copy");
	assert_string_equal(cell_of(&l, 0, 0, 0), "3");
	assert_int_equal(access(in_stage("tmp/dbhealth-copy.living"), F_OK), 0);
	assert_int_equal(rmdir(in_stage("tmp/dbhealth-copy.living")), 0);
	close(living);
	/* Empty now. */
	assert_int_equal(rmdir(in_stage("tmp")), 0);
	look_done(&l);
}

/* Who sweeps may find a folder before its maker has locked it: then the maker makes another. */
static void
test_copies_while_others_sweep(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir(in_stage("tmp"), 0700), 0);
	pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		copy_sweep(in_stage("tmp"));
	for (int i = 0; i < 2000; i++) {
		struct copy_folder c = { .fd = -1 };
		_cleanup_close_ int file = -1;

		assert_int_equal(copy_folder_make(&c, in_stage("tmp"), 0), 0);
		file = openat(c.fd, "db", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(file >= 0);
		assert_int_equal(access(c.dir, F_OK), 0);
		copy_folder_done(&c);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(rmdir(in_stage("tmp")), 0);
}

/* The lock that protects a statement stays: nothing of ours closes the file under SQLite. */
static void
see_lock(void *arg)
{
	struct look *l = arg;
	_cleanup_free_ char *wanted = xasprintf(" READ %d ", (int)worker_job_pid(l->job));
	char buf[65536];
	bool seen = false;

	for (int64_t until = clock_now_us() + USEC_PER_SEC; !seen && clock_now_us() < until;) {
		_cleanup_close_ int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, buf, sizeof(buf) - 1);

		buf[MAX(n, 0)] = '\0';
		seen = strstr(buf, wanted) != NULL;
		usleep(1000);
	}
	assert_true(seen);
}

static void
test_lock_is_held(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	l.on_facts = see_lock;
	l.arg = &l;
	look_add(&l, "sql", ENDLESS, false, 300);
	look_untouched(&l, 0, in_stage("a.db"));
	look_done(&l);
}

/* A mount that only we see as read-only, as in a sandbox, and one that is. */
static _noreturn_ void
look_in_own_mounts(const char *dir, const char *path, int expected)
{
	_cleanup_free_ char *plan =
	    expected
	        ? xasprintf(
	              "mount -t tmpfs none '%s' && cp '%s' '%s/a.db' && mount -o remount,ro '%s'",
	              dir, path, dir, dir)
	        : xasprintf("mount --bind '%s' '%s' && mount -o remount,bind,ro '%s'", stage_dir,
	              dir, dir);
	_cleanup_free_ char *inside = xasprintf("%s/a.db", dir);
	struct look l = look_new();

	if (unshare(CLONE_NEWNS) < 0 || system("mount --make-rprivate /") != 0 || system(plan) != 0)
		_exit(77);
	look_sql(&l, "SELECT count(*) FROM t");
	look_here(&l, inside);
	if (fact_int(&l, "fs_readonly") != expected || !streq(cell_of(&l, 0, 0, 0), "3"))
		_exit(1);
	_exit(streq(fact_text(&l, "fs_mount"), dir) ? 0 : 2);
}

static void
test_read_only_mounts(void **state)
{
	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	assert_int_equal(mkdir(in_stage("mount"), 0755), 0);
	for (int really = 0; really < 2; really++) {
		int status;
		pid_t pid = fork_mortal();

		if (pid == 0)
			look_in_own_mounts(in_stage("mount"), in_stage("a.db"), really);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(status, 0);
	}
}

/* An application that writes without a pause until it is killed. */
static pid_t
start_writing(const char *path, const char *pragmas, const char *sql)
{
	pid_t pid = fork_mortal();
	sqlite3 *db;

	if (pid != 0)
		return pid;
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, 5000) != SQLITE_OK ||
	    sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		_exit(1);
	for (;;)
		if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			_exit(2);
}

static void
stop_writing(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* It was never refused anything until now. */
	assert_true(WIFSIGNALED(status));
}

/* In rollback mode every transaction makes and deletes a journal: none of them is hot. */
static void
test_busy_rollback_writer(void **state)
{
	struct look l = look_new();
	int complete = 0;
	pid_t pid;

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	pid = start_writing(in_stage("a.db"), "PRAGMA synchronous = OFF", "UPDATE t SET v = v");
	for (int i = 0; i < 100; i++)
		look_sql(&l, "SELECT count(*), file_fact('journal_hot') FROM t");
	look_here(&l, in_stage("a.db"));
	stop_writing(pid);
	assert_int_equal(l.end, WORKER_DONE);
	for (size_t i = 0; i < 100; i++) {
		if (streq(done_of(&l, i, "reason"), "locked"))
			continue;
		complete++;
		assert_string_equal(done_of(&l, i, "text"), "");
		assert_string_equal(cell_of(&l, i, 0, 0), "3");
		assert_string_equal(cell_of(&l, i, 0, 1), "0");
	}
	assert_true(complete >= 20);
	look_done(&l);
}

/* In WAL mode the log is written, checkpointed and begun anew all the time: it is never damaged. */
static void
test_busy_wal_writer(void **state)
{
	pid_t pid;

	(void)state;
	db_make(in_stage("a.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	pid = start_writing(in_stage("a.db"),
	    "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20; SELECT * FROM t",
	    "UPDATE t SET v = hex(randomblob(3000))");
	while (access(in_stage("a.db-wal"), F_OK) < 0)
		usleep(1000);
	for (int i = 0; i < 20; i++) {
		struct look l = look_new();

		look_sql(&l,
		    "SELECT count(*), file_fact('wal_damaged'), "
		    "file_fact('truncated_pages_expected') * 4096 <= file_fact('size') FROM t");
		look_sql(&l, "SELECT quick_check FROM pragma_quick_check");
		look_here(&l, in_stage("a.db"));
		assert_int_equal(l.end, WORKER_DONE);
		assert_string_equal(done_of(&l, 0, "text"), "");
		assert_string_equal(cell_of(&l, 0, 0, 0), "3");
		assert_string_not_equal(cell_of(&l, 0, 0, 1), "1");
		assert_string_equal(cell_of(&l, 0, 0, 2), "1");
		assert_string_equal(cell_of(&l, 1, 0, 0), "ok");
		look_done(&l);
	}
	stop_writing(pid);
}

int
main(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_begin, stage_end)
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_parameters_and_caps),
		TEST(test_encodings),
		TEST(test_idle_wal_of_another),
		TEST(test_live_wal),
		TEST(test_lock_of_writers_is_not_asked_for),
		TEST(test_half_written_index_header),
		TEST(test_former_file),
		TEST(test_killed_wal_application),
		TEST(test_exclusive_lock),
		TEST(test_reserved_lock_lets_readers_in),
		TEST(test_hot_journal),
		TEST(test_cold_journals),
		TEST(test_gives_way_to_writer),
		TEST(test_changes_under_immutable),
		TEST(test_deadlines),
		TEST(test_rights),
		TEST(test_symlink_is_followed),
		TEST(test_copies_are_swept),
		TEST(test_copies_while_others_sweep),
		TEST(test_lock_is_held),
		TEST(test_read_only_mounts),
		TEST(test_busy_rollback_writer),
		TEST(test_busy_wal_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
