/* How a file is read that others go on writing to: within a budget of its log, and on a copy. */
#include "sqlite_stage.h"

#include <sys/mman.h>

#define ROWS                                                                                       \
	"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"                                         \
	"WITH RECURSIVE g (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM g LIMIT 20000)"             \
	" INSERT INTO t SELECT x, printf('value %d', x) FROM g;"                                   \
	"CREATE INDEX t_v ON t (v);"
#define CHECK "SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check"

/* Files that have something in them, below the folder for copies. */
static int
count_left(const char *dir)
{
	_cleanup_free_ char *command = xasprintf("exit $(find '%s' -type f -size +0 | wc -l)", dir);

	return WEXITSTATUS(system(command));
}

static struct look
look_at_copy(const char *temp)
{
	struct look l = look_new();

	l.copy = true;
	l.temp_dir = temp;
	return l;
}

static void
test_copy_holds_what_the_log_holds(void **state)
{
	const char *temp = in_stage("copies"), *path = in_stage("app.db");
	struct look l = look_at_copy(temp);
	struct app app;

	(void)state;
	assert_int_equal(mkdir(temp, 0700), 0);
	app = app_start(0, path, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;" ROWS);
	look_sql(&l, "SELECT count(*) || ' ' || max(v) FROM t");
	look_sql(&l, CHECK);
	look_here(&l, path);
	assert_string_equal(fact_text(&l, "open_how"), "copy");
	assert_string_equal(cell_of(&l, 0, 0, 0), "20000 value 9999");
	assert_string_equal(cell_of(&l, 1, 0, 0), "ok");
	assert_int_equal(rmdir(temp), 0); /* it is empty */
	look_done(&l);
	app_kill(&app);
}

static void
test_copy_holds_the_damage(void **state)
{
	const char *temp = in_stage("copies"), *path = in_stage("app.db");
	struct look l = look_at_copy(temp);
	struct app app;
	sqlite3 *db;

	(void)state;
	assert_int_equal(mkdir(temp, 0700), 0);
	db_make(path, "PRAGMA journal_mode = WAL;" ROWS
	              "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 't_v'");
	db = db_open(path);
	assert_int_equal(
	    sqlite3_exec(db, "DELETE FROM t WHERE id = 7", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	app = app_start(0, path, "UPDATE t SET v = 'x' WHERE id = 9");
	look_sql(&l, CHECK);
	look_here(&l, path);
	assert_string_equal(fact_text(&l, "open_how"), "copy");
	assert_non_null(strstr(cell_of(&l, 0, 0, 0), "never used"));
	look_done(&l);
	app_kill(&app);
}

static void
test_copy_is_refused_in_words(void **state)
{
	const char *path = in_stage("app.db");
	struct look small = look_at_copy("/tmp"), nowhere = look_at_copy("/nonexistent");
	struct app app = app_start(0, path, "PRAGMA journal_mode = WAL;" ROWS);

	(void)state;
	small.copy_limit = 1000;
	look_sql(&small, CHECK);
	look_here(&small, path);
	assert_string_equal(done_of(&small, 0, "reason"), "error");
	assert_non_null(strstr(done_of(&small, 0, "text"), "no private copy: it has "));
	assert_non_null(strstr(done_of(&small, 0, "text"), "copy_limit is "));
	look_done(&small);
	look_sql(&nowhere, CHECK);
	look_here(&nowhere, path);
	assert_string_equal(
	    done_of(&nowhere, 0, "text"), "no private copy: No such file or directory");
	look_done(&nowhere);
	app_kill(&app);
}

/* Whenever the worker is killed, nothing of the copy is left; its folder goes with the next sweep. */
static void
test_killed_while_it_copies(void **state)
{
	const char *temp = in_stage("copies"), *path = in_stage("app.db");
	struct app app;

	(void)state;
	assert_int_equal(mkdir(temp, 0700), 0);
	app = app_start(0, path, "PRAGMA journal_mode = WAL;" ROWS);
	for (int64_t after_us = 2000; after_us < 40000; after_us *= 2) {
		struct look l = look_at_copy(temp);

		l.kill_after_us = after_us;
		look_sql(&l, "WITH RECURSIVE g (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM g) "
		             "SELECT count(*) FROM g");
		look_here(&l, path);
		assert_int_equal(l.end, WORKER_TIMEOUT);
		assert_int_equal(count_left(temp), 0);
		look_done(&l);
	}
	sqlite_role_sweep(temp);
	assert_int_equal(rmdir(temp), 0);
	app_kill(&app);
}

/* One row a commit, for ever. */
static pid_t
start_writer(const char *path)
{
	pid_t pid = fork_mortal();

	if (pid == 0) {
		sqlite3 *db = db_open(path);

		sqlite3_busy_timeout(db, 10000);
		sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
		for (;;)
			sqlite3_exec(db,
			    "UPDATE t SET v = random() WHERE id = abs(random()) % 20000", NULL,
			    NULL, NULL);
	}
	return pid;
}

/* It would go on until its time limit, and the log with it. */
static void
test_gives_way_when_the_log_grows(void **state)
{
	const char *path = in_stage("app.db");
	struct look l = look_new();
	struct stat st;
	pid_t writer;

	(void)state;
	db_make(path, "PRAGMA journal_mode = WAL;" ROWS);
	writer = start_writer(path);
	/* Whoever opens a log at the wrong moment may be turned away by its writer. */
	for (int tries = 0; tries < 5; tries++) {
		look_done(&l);
		l = look_new();
		l.wal_budget = 1 << 20;
		look_sql(&l, "SELECT count(*) FROM t AS a, t AS b, t AS c");
		look_sql(&l, "SELECT count(*) FROM t");
		look_here(&l, path);
		if (json_is_true(json_object_get(json_array_get(l.done, 0), "gave_way")))
			break;
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	assert_string_equal(done_of(&l, 0, "reason"), "locked");
	assert_non_null(strstr(done_of(&l, 0, "text"), "gave way to writers after "));
	/* What is over soon is answered all the same. */
	assert_string_equal(cell_of(&l, 1, 0, 0), "20000");
	assert_int_equal(stat(in_stage("app.db-wal"), &st), 0);
	assert_true(st.st_size < 64 << 20);
	look_done(&l);
}

/* ---- reading ahead ---- */

#define COLD_BYTES ((int64_t)16 << 20)

/* How many of 64 places are in memory; asking by a read would bring more of it there. */
static int
count_warm(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	long page = sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, COLD_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	int warm = 0;

	assert_true(map != MAP_FAILED);
	for (int64_t i = 0; i < 64; i++) {
		unsigned char in_memory = 0;

		assert_int_equal(
		    mincore((char *)map + COLD_BYTES / 64 * i, (size_t)page, &in_memory), 0);
		warm += in_memory & 1;
	}
	munmap(map, COLD_BYTES);
	return warm;
}

static bool
make_cold(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 &&
	       count_warm(path) < 16;
}

static void
test_reads_a_cold_file_ahead(void **state)
{
	const char *path = in_stage("cold.db");
	sqlite3 *db;

	(void)state;
	db_make(path, "CREATE TABLE t (v BLOB);"
	              "WITH RECURSIVE g (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM g LIMIT 17)"
	              " INSERT INTO t SELECT zeroblob(1 << 20) FROM g");
	db = db_open(path);
	sqlite3_close(db);
	if (!make_cold(path))
		skip(); /* a file system that keeps its files in memory */
	for (int ahead = 0; ahead < 2; ahead++) {
		struct look l = look_new();

		l.pre_read = ahead;
		look_sql(&l, "SELECT 1 FROM sqlite_schema");
		look_here(&l, path);
		assert_string_equal(done_of(&l, 0, "reason"), "");
		if (ahead)
			assert_int_equal(count_warm(path), 64);
		else
			assert_true(count_warm(path) < 32);
		look_done(&l);
	}
}

int
main(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_copy_holds_what_the_log_holds, stage_begin, stage_end),
		cmocka_unit_test_setup_teardown(test_copy_holds_the_damage, stage_begin, stage_end),
		cmocka_unit_test_setup_teardown(
		    test_copy_is_refused_in_words, stage_begin, stage_end),
		cmocka_unit_test_setup_teardown(
		    test_killed_while_it_copies, stage_begin, stage_end),
		cmocka_unit_test_setup_teardown(
		    test_gives_way_when_the_log_grows, stage_begin, stage_end),
		cmocka_unit_test_setup_teardown(
		    test_reads_a_cold_file_ahead, stage_begin, stage_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
