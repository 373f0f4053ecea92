/* Files that are no databases, damaged ones, and databases made to hurt whoever reads them. */
#include "sqlite/gather.h"
#include "sqlite_stage.h"

#include <sys/socket.h>
#include <sys/un.h>

#define SCHEMA                                                                                     \
	"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX t_v ON t(v);"                \
	"WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c LIMIT 500) "              \
	"INSERT INTO t(v) SELECT 'row ' || n FROM c;"
#define QUICK "SELECT quick_check AS detail FROM pragma_quick_check(20)"

/* Always an answer, never a trace in the folder. */
static void
look_safely(struct look *l, const char *path)
{
	_cleanup_free_ char *before = fingerprint(stage_dir), *after = NULL;

	look_here(l, path);
	after = fingerprint(stage_dir);
	assert_string_equal(after, before);
	assert_int_equal(l->end, WORKER_DONE);
	for (size_t i = 0; i < json_array_size(l->statements); i++)
		assert_string_not_equal(done_of(l, i, "state"), "");
}

static void
make_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *name, *kind;
	} rows[] = {
		{ "absent", "absent" },
		{ "absent/deeper", "absent" },
		{ "folder", "folder" },
		{ "fifo", "fifo" },
		{ "loop", "loop" },
		{ "dangling", "absent" },
		{ "socket", "socket" },
		{ "zero", "device" },
		{ "folder-link", "folder" },
	};

	(void)state;
	assert_int_equal(mkdir(in_stage("folder"), 0755), 0);
	assert_int_equal(mkfifo(in_stage("fifo"), 0644), 0);
	assert_int_equal(symlink("loop", in_stage("loop")), 0);
	assert_int_equal(symlink("nowhere", in_stage("dangling")), 0);
	assert_int_equal(symlink("/dev/zero", in_stage("zero")), 0);
	assert_int_equal(symlink("folder", in_stage("folder-link")), 0);
	make_socket(in_stage("socket"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct look l = look_new();

		look_add(&l, "file", "SELECT file_fact('kind')", false, 1000);
		look_sql(&l, "SELECT 1");
		look_safely(&l, in_stage(rows[i].name));
		assert_string_equal(cell_of(&l, 0, 0, 0), rows[i].kind);
		assert_string_equal(done_of(&l, 1, "reason"), "error");
		assert_true(json_is_false(json_object_get(l.facts, "open")));
		look_done(&l);
	}
}

static void
random_bytes(unsigned char *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (unsigned char)(seed >> 24);
	}
}

static void
test_headers(void **state)
{
	static unsigned char noise[8192], zeros[8192];
	static const struct {
		const char *bytes;
		size_t len;
		int at;
		unsigned char byte;
		const char *error;
		int code;
	} rows[] = {
		{ NULL, 0, 0, 'X', "bad magic", SQLITE_NOTADB },
		{ NULL, 0, 17, 3, "page size 4099", SQLITE_NOTADB },
		{ NULL, 0, 19, 9, "write version 1, read version 9", SQLITE_NOTADB },
		{ NULL, 0, 21, 63, "payload fractions 63 32 32", SQLITE_NOTADB },
		{ NULL, 0, 47, 7, "schema format 7", SQLITE_ERROR },
		{ NULL, 0, 59, 9, "text encoding 9", 0 },
		{ "SQLite format 3", 16, -1, 0, "short: 16 bytes", SQLITE_NOTADB },
		{ "\x1f\x8b\x08 some gzip", 14, -1, 0, "a gzip file", SQLITE_NOTADB },
		{ "hello, I am a text file\n", 24, -1, 0, "bad magic", SQLITE_NOTADB },
		{ "PRAGMA foreign_keys=OFF;\nBEGIN", 30, -1, 0, "an SQL dump", SQLITE_NOTADB },
		{ (const char *)noise, sizeof(noise), -1, 0, "encrypted?", SQLITE_NOTADB },
		{ (const char *)zeros, sizeof(zeros), -1, 0, "bad magic: nothing but zeros",
		    SQLITE_NOTADB },
	};

	(void)state;
	random_bytes(noise, sizeof(noise), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *path = in_stage("a.db");
		struct look l = look_new();

		unlink(path);
		if (rows[i].bytes)
			write_file(path, rows[i].bytes, rows[i].len);
		else
			db_make(path, SCHEMA);
		if (rows[i].at >= 0)
			poke(path, rows[i].at, rows[i].byte);
		look_add(&l, "file",
		    "SELECT file_fact('header_ok'), file_fact('header_error'), "
		    "file_fact('open_error_code')",
		    false, 1000);
		look_safely(&l, path);
		assert_string_equal(cell_of(&l, 0, 0, 0), "0");
		assert_string_equal(cell_of(&l, 0, 0, 1), rows[i].error);
		if (rows[i].code)
			assert_int_equal(atoi(cell_of(&l, 0, 0, 2)) & 0xff, rows[i].code);
		look_done(&l);
	}
}

static void
test_empty_file(void **state)
{
	struct look l = look_new();

	(void)state;
	write_file(in_stage("a.db"), "", 0);
	look_sql(&l, "SELECT count(*) FROM sqlite_schema");
	look_safely(&l, in_stage("a.db"));
	assert_int_equal(fact_int(&l, "size"), 0);
	assert_int_equal(fact_int(&l, "header_ok"), 1);
	assert_string_equal(cell_of(&l, 0, 0, 0), "0");
	look_done(&l);
}

static void
test_truncated(void **state)
{
	struct look whole = look_new(), cut = look_new();
	struct stat st;

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	assert_int_equal(stat(in_stage("a.db"), &st), 0);
	look_sql(&whole, QUICK);
	look_safely(&whole, in_stage("a.db"));
	assert_int_equal(fact_int(&whole, "truncated_pages_expected"), st.st_size / 4096);
	assert_string_equal(cell_of(&whole, 0, 0, 0), "ok");
	look_done(&whole);
	assert_int_equal(truncate(in_stage("a.db"), st.st_size - 4096 - 100), 0);
	look_sql(&cut, QUICK);
	look_safely(&cut, in_stage("a.db"));
	assert_int_equal(fact_int(&cut, "truncated_pages_expected"), st.st_size / 4096);
	assert_int_equal(fact_int(&cut, "size_remainder"), 4096 - 100);
	assert_string_not_equal(cell_of(&cut, 0, 0, 0), "ok");
	look_done(&cut);
}

/* In WAL mode the file may lag behind its own header: the log has the rest. */
static void
test_log_excuses_short_file(void **state)
{
	struct look l = look_new();
	struct app app;
	struct stat st;

	(void)state;
	app = app_start(0, in_stage("a.db"), "PRAGMA journal_mode = WAL;" SCHEMA);
	assert_int_equal(stat(in_stage("a.db"), &st), 0);
	assert_true(st.st_size <= 4096);
	look_sql(&l, "SELECT count(*) FROM t");
	look_safely(&l, in_stage("a.db"));
	assert_true(fact_int(&l, "truncated_pages_expected") * 4096 <= st.st_size);
	assert_string_equal(cell_of(&l, 0, 0, 0), "500");
	assert_int_equal(app_wait(&app), 0);
	look_done(&l);
}

static uint32_t
get_be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void
poke_be32(const char *path, long at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		poke(path, at + i, (unsigned char)(n >> (24 - 8 * i)));
}

/* A free list and an overflow chain that lead back to themselves. */
static void
test_loops(void **state)
{
	struct look freelist = look_new(), overflow = look_new();
	_cleanup_free_ char *data = NULL;
	uint32_t trunk, first = 0;
	size_t len = 0;

	(void)state;
	db_make(in_stage("f.db"),
	    SCHEMA "CREATE TABLE x(v); INSERT INTO x SELECT v FROM t; "
	           "INSERT INTO x SELECT zeroblob(9000) FROM t; DROP TABLE x");
	data = read_file(in_stage("f.db"), &len);
	trunk = get_be32(data + 32);
	assert_true(trunk > 1);
	poke_be32(in_stage("f.db"), (long)(trunk - 1) * 4096, trunk);
	look_sql(&freelist, QUICK);
	look_safely(&freelist, in_stage("f.db"));
	assert_string_not_equal(cell_of(&freelist, 0, 0, 0), "ok");
	look_done(&freelist);

	db_make(in_stage("o.db"), "CREATE TABLE b(v); INSERT INTO b VALUES (zeroblob(100000))");
	free(TAKE_PTR(data));
	data = read_file(in_stage("o.db"), &len);
	/* The second page's only cell ends with the number of its first overflow page. */
	for (size_t at = 4096; at + 4 <= 8192; at++)
		if (get_be32(data + at) == 3)
			first = 3;
	assert_int_equal(first, 3);
	poke_be32(in_stage("o.db"), 2 * 4096, 3);
	look_sql(&overflow, QUICK);
	look_sql(&overflow, "SELECT sum(length(hex(v))) FROM b");
	look_safely(&overflow, in_stage("o.db"));
	assert_string_not_equal(cell_of(&overflow, 0, 0, 0), "ok");
	look_done(&overflow);
}

static void
test_hostile_schema(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"),
	    "CREATE TABLE t(id INTEGER PRIMARY KEY, v, g AS (hex(zeroblob(v))));"
	    "INSERT INTO t(v) VALUES (20000000);"
	    "CREATE VIEW spin AS WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c) "
	    "SELECT n FROM c;"
	    "CREATE VIEW fact AS SELECT file_fact('path') AS p;"
	    "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO t(v) SELECT n FROM spin; END;"
	    "CREATE TABLE \"x\x1b[31m\ny\"(\"c\xe2\x80\xaeol\");");
	look_add(&l, "sql", "SELECT count(*) FROM spin", false, 200);
	look_sql(&l, "SELECT g FROM t");
	look_sql(&l, "SELECT p FROM fact");
	look_sql(&l, "SELECT name FROM sqlite_schema ORDER BY rowid DESC LIMIT 1");
	look_sql(&l, "SELECT group_concat(hex(randomblob(1000000))) FROM "
	             "(SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 "
	             "UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)");
	look_add(&l, "sql", "SELECT * FROM spin ORDER BY random()", false, 200);
	look_safely(&l, in_stage("a.db"));
	assert_string_equal(done_of(&l, 0, "reason"), "timeout");
	assert_string_equal(done_of(&l, 1, "reason"), "error");
	assert_string_equal(done_of(&l, 2, "reason"), "error");
	assert_non_null(strstr(done_of(&l, 2, "text"), "unsafe use"));
	assert_string_equal(cell_of(&l, 3, 0, 0), "x\x1b[31m\ny");
	assert_string_equal(done_of(&l, 4, "reason"), "error");
	assert_string_equal(done_of(&l, 5, "state"), "unknown");
	look_done(&l);
}

/* What a statement must not do, whoever wrote it. */
static void
test_refused_statements(void **state)
{
	static const char *const rows[] = {
		"INSERT INTO t(v) VALUES ('x')",
		"DELETE FROM t",
		"CREATE TABLE u(x)",
		"CREATE TEMP TABLE u(x)",
		"CREATE VIRTUAL TABLE f USING fts5(x)",
		"DROP TABLE t",
		"ATTACH '/tmp/other.db' AS other",
		"PRAGMA journal_mode = WAL",
		"PRAGMA user_version = 3",
		"PRAGMA wal_checkpoint",
		"PRAGMA writable_schema = ON",
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA query_only = OFF",
		"PRAGMA temp_store_directory = '/'",
		"PRAGMA hard_heap_limit = 0",
		"SELECT * FROM pragma_user_version(3), pragma_journal_mode('wal')",
		"VACUUM",
		"VACUUM INTO '/tmp/other.db'",
		"REINDEX",
		"ANALYZE",
		"BEGIN",
		"SAVEPOINT s",
		"SELECT load_extension('/tmp/x.so')",
		"SELECT fts3_tokenizer('simple')",
		"SELECT sqlite_log(1, 'x')",
		"SELECT readfile('/etc/passwd'), writefile('/tmp/x', '')",
		"DELETE FROM t RETURNING v",
		"WITH a AS (SELECT 'x' AS v) INSERT INTO t(v) SELECT v FROM a RETURNING v",
		"UPDATE sqlite_master SET sql = '' RETURNING name",
		"CREATE TEMP VIEW u AS SELECT 1",
		"CREATE VIRTUAL TABLE temp.f USING fts5(x)",
		"EXPLAIN DELETE FROM t",
		"DETACH main",
		"SELECT 1; SELECT 2",
		"SELECT file_fact('no such fact')",
		"",
		"-- nothing",
	};

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	for (int user = 0; user < 2; user++) {
		for (int file = 0; file < 2; file++) {
			struct look l = look_new();

			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				look_add(&l, file ? "file" : "sql", rows[i], user, 1000);
			look_safely(&l, in_stage("a.db"));
			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				if (!streq(done_of(&l, i, "reason"), "error"))
					fail_msg("not refused: %s", rows[i]);
			look_done(&l);
		}
	}
	assert_int_not_equal(access("/tmp/other.db", F_OK), 0);
}

static void
test_user_statements(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	look_add(&l, "sql", QUICK, true, 1000);
	look_add(&l, "sql", "SELECT name FROM pragma_table_xinfo('t')", true, 1000);
	look_add(&l, "sql", "SELECT count(*) FROM pragma_foreign_key_check", true, 1000);
	look_add(&l, "sql", "SELECT value FROM json_each('[1,2]')", true, 1000);
	look_add(&l, "sql", QUICK, false, 1000);
	look_safely(&l, in_stage("a.db"));
	assert_string_equal(done_of(&l, 0, "reason"), "error");
	assert_int_equal(rows_of(&l, 1), 2);
	assert_string_equal(cell_of(&l, 2, 0, 0), "0");
	assert_int_equal(rows_of(&l, 3), 2);
	assert_string_equal(cell_of(&l, 4, 0, 0), "ok");
	look_done(&l);
}

/* Virtual tables that the library knows can be described and read. */
static void
test_virtual_tables(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);"
	                          "INSERT INTO r VALUES (1, 0, 1);"
	                          "CREATE VIRTUAL TABLE f USING fts5(body);"
	                          "INSERT INTO f VALUES ('hello world');");
	look_sql(&l, "SELECT count(*) FROM r");
	look_sql(&l, "SELECT body FROM f WHERE f MATCH 'hello'");
	look_sql(&l, "SELECT count(*) FROM sqlite_schema s, pragma_table_xinfo(s.name)");
	look_sql(&l, "SELECT count(*) > 0 FROM dbstat");
	look_safely(&l, in_stage("a.db"));
	assert_string_equal(cell_of(&l, 0, 0, 0), "1");
	assert_string_equal(cell_of(&l, 1, 0, 0), "hello world");
	assert_string_equal(done_of(&l, 2, "state"), "complete");
	assert_string_equal(cell_of(&l, 3, 0, 0), "1");
	look_done(&l);
}

/* What an application with default limits may well have is no damage to us. */
static void
test_large_but_lawful(void **state)
{
	struct str sql = { 0 };
	struct look l = look_new();

	(void)state;
	str_add(&sql, "CREATE TABLE deep(id INTEGER PRIMARY KEY, v TEXT CHECK (0");
	for (int i = 0; i < 900; i++)
		str_addf(&sql, " OR v = 'value %d'", i);
	str_add(&sql, ")); CREATE TABLE wide(c0 NOT NULL");
	for (int i = 1; i < 1900; i++)
		str_addf(&sql, ", c%d", i);
	str_add(&sql,
	    "); CREATE TABLE big(id INTEGER PRIMARY KEY, v BLOB NOT NULL, w TEXT NOT NULL);"
	    "CREATE INDEX big_w ON big(w);"
	    "INSERT INTO big(v, w) VALUES (zeroblob(20000000), 'x');"
	    "INSERT INTO deep(v) VALUES ('value 7'); INSERT INTO wide(c0) VALUES (1)");
	db_make(in_stage("a.db"), str_text(&sql));
	str_done(&sql);
	look_sql(&l, QUICK);
	look_sql(&l, "SELECT * FROM pragma_integrity_check(20)");
	look_sql(&l, "SELECT count(*) FROM pragma_table_xinfo('wide')");
	look_safely(&l, in_stage("a.db"));
	assert_string_equal(cell_of(&l, 0, 0, 0), "ok");
	assert_string_equal(cell_of(&l, 1, 0, 0), "ok");
	assert_string_equal(cell_of(&l, 2, 0, 0), "1900");
	look_done(&l);
}

#define WAL_FRAME (24 + 4096)

/* A log whose frames end in committed transactions, its application gone. */
static long
make_log(const char *path)
{
	_cleanup_free_ char *wal = xasprintf("%s-wal", path);
	struct app app = app_start(0, path,
	    "PRAGMA journal_mode = WAL; CREATE TABLE t(v); INSERT INTO t VALUES (1);"
	    "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)");
	struct stat st;

	app_kill(&app);
	assert_int_equal(stat(wal, &st), 0);
	return (st.st_size - 32) / WAL_FRAME;
}

static void
test_log_damage(void **state)
{
	static const struct {
		int frame; /* from the end */
		long at;
		int damaged;
	} rows[] = {
		{ 3, 24 + 100, 1 }, /* payload in the middle */
		{ 3, 8, 1 },        /* salt in the middle */
		{ 0, 24 + 100, 0 }, /* the last: torn by a crash, as SQLite expects */
		{ -1, 0, 0 },       /* nothing */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *name = xasprintf("%zu.db", i), *wal = NULL;
		struct look l = look_new();
		long frames = make_log(in_stage(name));

		wal = xasprintf("%s-wal", in_stage(name));
		if (rows[i].frame >= 0)
			poke(wal, 32 + (frames - 1 - rows[i].frame) * WAL_FRAME + rows[i].at, 0xa5);
		look_add(&l, "file",
		    "SELECT file_fact('wal_damaged'), file_fact('wal_valid_frames'), "
		    "file_fact('wal_damage')",
		    false, 1000);
		look_safely(&l, in_stage(name));
		assert_int_equal(fact_int(&l, "wal_frames"), frames);
		assert_int_equal(atoi(cell_of(&l, 0, 0, 0)), rows[i].damaged);
		assert_int_equal(atoi(cell_of(&l, 0, 0, 1)), frames - 1 - rows[i].frame);
		assert_true((cell_of(&l, 0, 0, 2)[0] != '\0') == rows[i].damaged);
		look_done(&l);
	}
}

static void
test_log_gap(void **state)
{
	static const struct {
		int64_t file_pages, pages;
		uint32_t frames[6]; /* the page of each, 0: no more */
		int64_t missing, first;
	} rows[] = {
		{ 10, 10, { 1 }, 0, 0 },
		{ 10, 8, { 1 }, 0, 0 },
		{ 10, 12, { 12, 1, 11, 12 }, 0, 0 },
		{ 10, 12, { 12, 1 }, 1, 11 },
		{ 10, 12, { 11, 13 }, 1, 12 },
		{ 10, 15, { 12, 14, 12 }, 3, 11 },
		{ 0, 3, { 3, 2 }, 1, 1 },
		{ 2097151, 2097154, { 2097152, 2097154 }, 0, 0 }, /* the page of the lock byte */
		{ 2097152, 2097153, { 1 }, 0, 0 },
		{ 2097152, 2097155, { 2097155 }, 1, 2097154 },
		{ 1, UINT32_MAX, { UINT32_MAX }, (int64_t)UINT32_MAX - 3, 2 },
		{ 1, UINT32_MAX, { 2 }, (int64_t)UINT32_MAX - 3, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wal_gap gap = { .file_pages = rows[i].file_pages };
		unsigned char log[32 + 6 * (24 + 512)] = { 0 };
		_cleanup_close_ int fd = -1;
		int64_t n = 0;

		for (; n < 6 && rows[i].frames[n] > 0; n++)
			for (int b = 0; b < 4; b++)
				log[32 + n * (24 + 512) + b] =
				    (unsigned char)(rows[i].frames[n] >> (24 - 8 * b));
		write_file(in_stage("log"), (const char *)log, sizeof(log));
		fd = open(in_stage("log"), O_RDONLY | O_CLOEXEC);
		wal_gap_find(fd, 512, n, rows[i].pages, INT64_MAX, &gap);
		assert_int_equal(gap.missing, rows[i].missing);
		assert_int_equal(gap.first, rows[i].first);
	}
}

/* Of a log longer than what is read at a time: whole so far is no verdict, damage is one. */
static void
test_log_longer_than_is_read(void **state)
{
	const int64_t behind = 32 + ((INT64_C(1) << 20) / WAL_FRAME) * WAL_FRAME;
	const char *path = in_stage("long.db"), *wal = in_stage("long.db-wal");
	unsigned char salts[8];
	int fd;

	(void)state;
	(void)make_log(path);
	fd = open(wal, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, salts, 8, 16), 8);
	for (int more = 0; more < 2; more++) {
		struct look l = look_new();

		assert_int_equal(ftruncate(fd, behind + 10 * WAL_FRAME), 0);
		/* The frame behind what is read is of another generation, then of this one. */
		if (more)
			assert_int_equal(pwrite(fd, salts, 8, behind + 8), 8);
		l.wal_read_max = 1 << 20;
		look_add(&l, "file",
		    "SELECT CASE file_fact('wal_damaged') WHEN 0 THEN 'whole' ELSE "
		    "give_up(file_fact('wal_unread')) END",
		    false, 1000);
		look_here(&l, path);
		if (more) {
			assert_string_equal(done_of(&l, 0, "reason"), "budget");
			assert_non_null(strstr(done_of(&l, 0, "text"), "the rest is not read"));
		} else {
			assert_string_equal(cell_of(&l, 0, 0, 0), "whole");
		}
		look_done(&l);
	}
	close(fd);
}

/* Frames that a rolled back transaction spilled stay behind the end; nothing was lost. */
static void
test_rolled_back_frames_are_no_damage(void **state)
{
	struct look l = look_new();
	struct app app;

	(void)state;
	app = app_start(0, in_stage("a.db"),
	    "PRAGMA journal_mode = WAL; CREATE TABLE t(v); PRAGMA cache_size = 5; BEGIN;"
	    "WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM c LIMIT 3000) "
	    "INSERT INTO t SELECT hex(zeroblob(100)) FROM c; ROLLBACK; INSERT INTO t VALUES (1)");
	app_kill(&app);
	look_sql(&l, "SELECT count(*) FROM t /* wal_damaged */");
	look_safely(&l, in_stage("a.db"));
	assert_true(fact_int(&l, "wal_frames") > fact_int(&l, "wal_valid_frames"));
	assert_int_equal(fact_int(&l, "wal_damaged"), 0);
	assert_string_equal(cell_of(&l, 0, 0, 0), "1");
	look_done(&l);
}

/* Whatever single byte is wrong, there is an answer in time and the file stays as it is. */
static void
test_random_flips(void **state)
{
	_cleanup_free_ char *good = NULL;
	uint32_t seed = 20260301;
	size_t len = 0, unlike = 0;

	(void)state;
	db_make(in_stage("good.db"),
	    "PRAGMA page_size = 1024;" SCHEMA
	    "CREATE TABLE w(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;"
	    "INSERT INTO w SELECT id, v FROM t LIMIT 50; CREATE VIEW vw AS SELECT * FROM t;"
	    "INSERT INTO t(v) VALUES (zeroblob(20000)); DELETE FROM t WHERE id < 20");
	good = read_file(in_stage("good.db"), &len);
	unlink(in_stage("good.db"));
	for (int i = 0; i < 200; i++) {
		_cleanup_free_ char *bad = xcalloc(1, len);
		struct look l = look_new();
		size_t at;

		memcpy(bad, good, len);
		seed = seed * 1664525u + 1013904223u;
		/* Every second one hits the header and the schema, which matter most. */
		at = seed % (i % 2 ? len : 1024);
		bad[at] = (char)(bad[at] ^ (1 << (seed >> 29)) ^ (i % 3 ? 0 : 0x55));
		write_file(in_stage("bad.db"), bad, len);
		look_sql(&l, QUICK);
		look_sql(&l, "SELECT count(*), sum(length(v)) FROM t");
		look_sql(&l, "SELECT name, (SELECT count(*) FROM pragma_index_xinfo(s.name)) "
		             "FROM sqlite_schema s");
		look_sql(&l, "SELECT count(*) FROM w, vw");
		look_safely(&l, in_stage("bad.db"));
		unlike += !streq(cell_of(&l, 0, 0, 0), "ok");
		look_done(&l);
	}
	/* The flips are not all harmless, or the test would prove little. */
	assert_in_range(unlike, 20, 200);
}

static void
test_pre_read(void **state)
{
	struct look l = look_new();

	(void)state;
	db_make(in_stage("a.db"), SCHEMA);
	l.pre_read = true;
	look_sql(&l, QUICK);
	look_safely(&l, in_stage("a.db"));
	assert_string_equal(cell_of(&l, 0, 0, 0), "ok");
	look_done(&l);
}

/* The list that documents are made from: every name once, each with its meaning. */
static void
test_fact_names(void **state)
{
	const char *name, *help, *other;
	size_t n = 0;

	(void)state;
	while (sqlite_fact_names(n, &name, &help)) {
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(help) > 5 && help[strlen(help) - 1] != ' ');
		for (size_t i = 0; i < n; i++) {
			assert_true(sqlite_fact_names(i, &other, &help));
			assert_string_not_equal(name, other);
		}
		n++;
	}
	assert_true(n > 70);
}

int
main(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_begin, stage_end)
	const struct CMUnitTest tests[] = {
		TEST(test_kinds),
		TEST(test_headers),
		TEST(test_empty_file),
		TEST(test_truncated),
		TEST(test_log_excuses_short_file),
		TEST(test_loops),
		TEST(test_hostile_schema),
		TEST(test_refused_statements),
		TEST(test_user_statements),
		TEST(test_virtual_tables),
		TEST(test_large_but_lawful),
		TEST(test_log_damage),
		TEST(test_log_gap),
		TEST(test_log_longer_than_is_read),
		TEST(test_rolled_back_frames_are_no_damage),
		TEST(test_random_flips),
		TEST(test_pre_read),
		cmocka_unit_test(test_fact_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
