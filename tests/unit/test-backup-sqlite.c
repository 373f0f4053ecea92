/*
 * Backups of SQLite databases: made while others write, proved, brought back; what is damaged, locked or in
 * the way is said in words.
 */
#include "backup/backup.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char folder[64], root[96], db[96], other[96];

static void
sql(const char *path, const char *script)
{
	sqlite3 *c = NULL;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &c), SQLITE_OK);
	sqlite3_busy_timeout(c, 5000);
	if (sqlite3_exec(c, script, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", script, why);
	sqlite3_close(c);
}

static int64_t
ask(const char *path, const char *query)
{
	sqlite3 *c = NULL;
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	assert_int_equal(sqlite3_open(path, &c), SQLITE_OK);
	sqlite3_busy_timeout(c, 5000);
	if (sqlite3_prepare_v2(c, query, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(c);
	return v;
}

static void
remove_all(const char *path)
{
	_cleanup_free_ char *command = xasprintf("rm -rf '%s'", path);

	assert_int_equal(system(command), 0);
}

static int
begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-backup-sqlite.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(root, sizeof(root), "%s/backups", folder);
	snprintf(db, sizeof(db), "%s/app.db", folder);
	snprintf(other, sizeof(other), "%s/other.db", folder);
	sql(db, "PRAGMA user_version = 7; PRAGMA application_id = 4711;"
	        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);"
	        "CREATE TABLE \"odd \"\" name\" (a, b, PRIMARY KEY (a)) WITHOUT ROWID;"
	        "INSERT INTO \"odd \"\" name\" VALUES (1, 2);"
	        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
	        " INSERT INTO item SELECT i, hex(randomblob(500)) FROM n;");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	remove_all(folder);
	return 0;
}

static int
make_of(const char *path, struct backup_made *ret, struct err *e)
{
	const struct backup_source s = { .name = "app", .engine = ENGINE_SQLITE, .path = path };
	const struct backup_options o = { .root = root };

	return backup_create(&s, &o, ret, e);
}

static int
restore_to(const char *to, bool replace, struct backup_restored *ret, struct err *e)
{
	const struct backup_restore_options o = {
		.root = root, .database = "app", .to = to, .replace = replace
	};

	return backup_restore(&o, ret, e);
}

static void
must_make(struct backup_made *ret)
{
	struct err e = { 0 };

	if (make_of(db, ret, &e) < 0)
		fail_msg("%s", e.msg);
}

static int
on_copy(enum engine engine, const char *path, struct backup_proof *p, void *arg, struct err *e)
{
	(void)e;
	assert_int_equal(engine, ENGINE_SQLITE);
	*(int64_t *)arg = ask(path, "SELECT count(*) FROM item");
	backup_fault(p, "seen");
	return 0;
}

static void
test_made_proved_restored(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_proof_done) struct backup_proof proof = { 0 }, seen = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	struct backup_verify_options v = {
		.root = root, .database = "app", .depth = BACKUP_RESTORED, .scratch = folder
	};
	struct err e = { 0 };
	int64_t rows = 0;

	(void)state;
	must_make(&made);
	assert_int_equal(made.tables, 2);
	assert_int_equal(made.rows, 1001);
	assert_null(made.note);
	v.on_copy = on_copy;
	v.arg = &rows;
	assert_int_equal(backup_verify(&v, &seen, &e), 0);
	assert_false(seen.ok);
	assert_int_equal(rows, 1000);
	v.on_copy = NULL;
	assert_int_equal(backup_verify(&v, &proof, &e), 0);
	assert_true(proof.ok);
	assert_int_equal(proof.rows, 1001);
	if (restore_to(other, false, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(back.rows, 1001);
	assert_null(back.aside);
	assert_int_equal(ask(other, "SELECT count(*) FROM item"), 1000);
	assert_int_equal(ask(other, "PRAGMA application_id"), 4711);
	assert_int_equal(restore_to(other, false, &back, &e), -EEXIST);
}

/* Nothing of ours is left in the folder of the database but what is named. */
static void
assert_neighbours(const char *path, const char *wanted)
{
	_cleanup_free_ char *command = xasprintf(
	    "cd '%s' && ls -d '%s'?* 2>/dev/null | sed 's/before-[^-]*/before/' | tr '\\n' ' '",
	    folder, strrchr(path, '/') + 1);
	char line[512] = "";
	FILE *f = popen(command, "r");

	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	pclose(f);
	assert_string_equal(line, wanted);
}

static sqlite3 *
held(const char *path, const char *script)
{
	sqlite3 *c = NULL;

	assert_int_equal(sqlite3_open(path, &c), SQLITE_OK);
	assert_int_equal(sqlite3_exec(c, script, NULL, NULL, NULL), SQLITE_OK);
	return c;
}

/* What stands in the log alone is in the backup, and the log stays as it is. */
static void
test_with_a_log(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	_cleanup_free_ char *wal = xasprintf("%s-wal", db);
	struct stat before, after;
	struct err e = { 0 };
	sqlite3 *c;

	(void)state;
	c = held(db, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
	             "INSERT INTO item VALUES (5000, 'in the log')");
	assert_int_equal(stat(wal, &before), 0);
	must_make(&made);
	assert_int_equal(made.rows, 1002);
	assert_int_equal(stat(wal, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	sqlite3_close(c);
	if (restore_to(other, false, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_neighbours(other, "");
	assert_int_equal(ask(other, "SELECT count(*) FROM item WHERE id = 5000"), 1);
}

/* A process of its own: locks are the process's. */
static pid_t
start_child(const char *path, const char *script, int times, int *ret_fd)
{
	int fds[2];
	pid_t pid;
	char ready;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sqlite3 *c = NULL;
		int r = sqlite3_open(path, &c);

		sqlite3_busy_timeout(c, 10000);
		for (int i = 0; r == SQLITE_OK && i < times; i++) {
			r = sqlite3_exec(c, script, NULL, NULL, NULL);
			if (i == 0 && write(fds[1], "r", 1) != 1)
				_exit(1);
			if (times > 1)
				usleep(500);
		}
		if (times == 1)
			pause();
		_exit(r == SQLITE_OK ? 0 : 1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &ready, 1), 1);
	*ret_fd = fds[0];
	return pid;
}

static int
end_child(pid_t pid, int fd, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	return status;
}

/* A rollback journal and a writer that never rests: it is made in the end, and no write is lost. */
static void
test_with_a_writer(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	struct err e = { 0 };
	int64_t n;
	pid_t pid;
	int fd;

	(void)state;
	sql(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)"
	        " INSERT INTO item SELECT i + 1000, hex(randomblob(500)) FROM n;"
	        "CREATE TABLE sum (n); INSERT INTO sum VALUES (0); CREATE TABLE one (n)");
	pid = start_child(db,
	    "PRAGMA synchronous = OFF; BEGIN IMMEDIATE; UPDATE sum SET n = n + 1; INSERT INTO one "
	    "VALUES (1); COMMIT",
	    100000, &fd);
	must_make(&made);
	end_child(pid, fd, true);
	/* How often they met is the machine's business. */
	assert_true(!made.note || strstr(made.note, "begin again"));
	assert_int_equal(restore_to(other, false, &back, &e), 0);
	n = ask(other, "SELECT n FROM sum");
	assert_true(n > 0);
	/* One moment of it, not a mixture. */
	assert_int_equal(ask(other, "SELECT count(*) FROM one"), n);
	assert_int_equal(ask(other, "SELECT count(*) FROM item"), 9000);
}

static int
stop_soon(const struct backup_progress *p, void *arg)
{
	(void)p;
	return ++*(int *)arg > 1;
}

static void
test_locked(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	int fd, told = 0;
	const struct backup_source s = { .name = "app", .engine = ENGINE_SQLITE, .path = db };
	const struct backup_options o = { .root = root, .on_progress = stop_soon, .arg = &told },
	                            late = { .root = root, .timeout_us = 300 * USEC_PER_MSEC };
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	struct err e = { 0 };
	pid_t pid;

	(void)state;
	pid = start_child(db, "BEGIN EXCLUSIVE", 1, &fd);
	assert_int_equal(backup_create(&s, &o, &made, &e), -ECANCELED);
	assert_int_equal(backup_create(&s, &late, &made, &e), -ETIME);
	end_child(pid, fd, true);
	assert_int_equal(backup_list(root, "app", &list, &e), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(strv_len(list.unfinished), 0);
}

static void
test_sources_that_are_refused(void **state)
{
	static const struct {
		const char *make, *words;
		int error;
	} t[] = {
		{ "rm -f X", "No such file", -ENOENT },
		{ "rm -f X; mkdir X", "no regular file", -EINVAL },
		{ "rm -f X; mkfifo X", "no regular file", -EINVAL },
		{ "head -c 8192 /dev/urandom > X", "not a database", -EBADMSG },
		{ "truncate -s 20000 X", "malformed", -EBADMSG },
		{ "printf '\\245\\245\\245\\245\\245\\245\\245\\245' |"
		  " dd of=X bs=1 seek=12288 conv=notrunc status=none",
		    "damaged", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_(backup_made_done) struct backup_made made = { 0 };
		_cleanup_free_ char *command =
		    xasprintf("cd '%s' && rm -rf X && cp app.db X && %s", folder, t[i].make);
		_cleanup_free_ char *path = xasprintf("%s/X", folder);
		struct err e = { 0 };
		int r;

		assert_int_equal(system(command), 0);
		r = make_of(path, &made, &e);
		if (r != t[i].error || !strstr(e.msg, t[i].words))
			fail_msg("%s: %d %s", t[i].make, r, e.msg);
	}
}

/* An empty file is a database without tables. */
static void
test_empty(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	_cleanup_free_ char *path = xasprintf("%s/empty", folder);
	struct err e = { 0 };
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	if (make_of(path, &made, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(made.tables, 0);
	if (restore_to(other, false, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(ask(other, "SELECT count(*) FROM sqlite_schema"), 0);
}

/* What is there keeps all that was committed, under its other name; nothing of it is beside the new one. */
static void
test_replaced(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	struct err e = { 0 };
	struct stat st;
	sqlite3 *c;
	pid_t pid;
	int fd;

	(void)state;
	must_make(&made);
	pid = start_child(db,
	    "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
	    "INSERT INTO item VALUES (6000, 'after the backup')",
	    1, &fd);
	assert_int_equal(restore_to(db, false, &back, &e), -EEXIST);
	assert_int_equal(restore_to(db, true, &back, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "open in another process"));
	assert_neighbours(db, "app.db-shm app.db-wal ");
	end_child(pid, fd, true);
	assert_int_equal(chmod(db, 0640), 0);
	if (restore_to(db, true, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_neighbours(db, "app.db.before ");
	assert_int_equal(ask(db, "SELECT count(*) FROM item"), 1000);
	assert_int_equal(ask(back.aside, "SELECT count(*) FROM item WHERE id = 6000"), 1);
	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	c = held(back.aside, "");
	sqlite3_close(c);
}

/* A damaged database is what a restore is for; a log whose database is gone is not taken for the new one's. */
static void
test_replaced_that_is_damaged(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 }, again = { 0 };
	_cleanup_free_ char *command =
	    xasprintf("cd '%s' && head -c 9000 /dev/urandom > app.db && echo rubbish > app.db-wal"
	              " && echo rubbish > app.db-journal",
	        folder);
	_cleanup_free_ char *orphan =
	    xasprintf("cd '%s' && rm app.db* && echo rubbish > app.db-wal", folder);
	struct err e = { 0 };

	(void)state;
	must_make(&made);
	assert_int_equal(system(command), 0);
	if (restore_to(db, true, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_neighbours(db, "app.db.before app.db.before-journal app.db.before-wal ");
	assert_int_equal(ask(db, "SELECT count(*) FROM item"), 1000);
	assert_int_equal(system(orphan), 0);
	assert_int_equal(restore_to(db, false, &again, &e), -EEXIST);
	if (restore_to(db, true, &again, &e) < 0)
		fail_msg("%s", e.msg);
	assert_neighbours(db, "app.db.before-wal ");
	assert_int_equal(ask(db, "SELECT count(*) FROM item"), 1000);
}

/* Two of the same kind, or what one that was killed left, are not mixed. */
static void
test_partial_of_another(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_restored_done) struct backup_restored back = { 0 };
	_cleanup_free_ char *left = xasprintf("echo rubbish > '%s.dbhealth-restore'", other);
	struct err e = { 0 };

	(void)state;
	must_make(&made);
	assert_int_equal(system(left), 0);
	if (restore_to(other, false, &back, &e) < 0)
		fail_msg("%s", e.msg);
	assert_neighbours(other, "");
	assert_int_equal(ask(other, "PRAGMA user_version"), 7);
}

/* Values that a column forbids, rows without a parent and a collation nobody knows are no damage. */
static void
test_faults_of_the_application(void **state)
{
	_cleanup_(backup_made_done) struct backup_made made = { 0 };
	_cleanup_(backup_proof_done) struct backup_proof proof = { 0 };
	const struct backup_verify_options v = {
		.root = root, .database = "app", .depth = BACKUP_RESTORED, .scratch = folder
	};
	struct err e = { 0 };

	(void)state;
	sql(db, "CREATE TABLE child (id INTEGER PRIMARY KEY, item REFERENCES item (id));"
	        "INSERT INTO child VALUES (1, 999999);"
	        "CREATE TABLE strict (a TEXT NOT NULL CHECK (a <> 'x'));"
	        "PRAGMA ignore_check_constraints = ON; INSERT INTO strict VALUES ('x');"
	        "CREATE TABLE theirs (a TEXT); INSERT INTO theirs VALUES ('a');"
	        "CREATE INDEX theirs_a ON theirs (a);"
	        "PRAGMA writable_schema = ON;"
	        "UPDATE sqlite_schema SET sql = 'CREATE INDEX theirs_a ON theirs (a COLLATE their)'"
	        " WHERE name = 'theirs_a'");
	must_make(&made);
	assert_int_equal(made.rows, 1004);
	assert_non_null(strstr(made.note, "not checked"));
	assert_non_null(strstr(made.note, "theirs"));
	if (backup_verify(&v, &proof, &e) < 0)
		fail_msg("%s", e.msg);
	if (!proof.ok)
		fail_msg("%s", proof.message);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_made_proved_restored),
		T(test_with_a_log),
		T(test_with_a_writer),
		T(test_locked),
		T(test_sources_that_are_refused),
		T(test_empty),
		T(test_replaced),
		T(test_replaced_that_is_damaged),
		T(test_partial_of_another),
		T(test_faults_of_the_application),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
