/* The store through its real worker: this program is the daemon, the worker, and what kills both. */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "daemon/store.h"
#include "daemon/store_wire.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { &store_role, NULL };

struct life {
	char *dir;
	struct event_base *base;
	struct store *store;
	struct map *rows;
	struct str events; /* "SEQUENCE:JSON " */
	char *moved, *trouble;
	unsigned loaded, troubles, recovered;
};

static void
on_row(const char *kind, const char *key, const char *json, void *arg)
{
	struct life *l = arg;
	_cleanup_free_ char *name = xasprintf("%s/%s", kind, key);

	free(map_put(l->rows, name, xstrdup(json)));
}

static void
on_loaded(void *arg)
{
	((struct life *)arg)->loaded++;
}

static void
on_event_told(uint64_t sequence, const char *json, void *arg)
{
	(void)sequence;
	str_addf(&((struct life *)arg)->events, "%s ", json);
}

static void
on_moved(const char *path, const char *why, void *arg)
{
	struct life *l = arg;

	assert_true(strlen(why) > 0);
	free(l->moved);
	l->moved = xstrdup(path);
}

static void
on_trouble(const char *why, void *arg)
{
	struct life *l = arg;

	if (!why) {
		l->recovered++;
		return;
	}
	l->troubles++;
	free(l->trouble);
	l->trouble = xstrdup(why);
}

static const struct store_callbacks callbacks = { on_row, on_loaded, on_event_told, on_moved,
	on_trouble };
static char *outlets[] = { (char *)"out", NULL };

static char *
folder_make(void)
{
	char *dir = xstrdup("/tmp/test-store-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void
folder_remove(char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	assert_int_equal(rmdir(dir), 0);
	free(dir);
}

static void
on_guard(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fprintf(stderr, "waited in vain\n");
	abort();
}

#define wait_for(l, condition)                                                                     \
	do {                                                                                       \
		struct event *guard_ = evtimer_new((l)->base, on_guard, NULL);                     \
		event_add(guard_, &(struct timeval){ .tv_sec = 20 });                              \
		while (!(condition))                                                               \
			event_base_loop((l)->base, EVLOOP_ONCE);                                   \
		event_free(guard_);                                                                \
	} while (0)

static void
life_begin(struct life *l, char *dir)
{
	struct err e;

	*l = (struct life){ .dir = dir, .base = event_base_new(), .rows = map_new() };
	if (store_open(l->base, dir, outlets, &callbacks, l, &l->store, &e) < 0)
		fail_msg("%s", e.msg);
	wait_for(l, l->loaded > 0);
}

static int64_t
in_seconds(int s)
{
	return clock_now_us() + s * USEC_PER_SEC;
}

static void
life_end(struct life *l, bool flush)
{
	if (flush)
		assert_int_equal(store_flush(l->store, in_seconds(10)), 0);
	assert_int_equal(l->loaded, 1);
	store_close(l->store);
	event_base_free(l->base);
	map_free(l->rows, free);
	str_done(&l->events);
	free(l->moved);
	free(l->trouble);
}

static const char *
row(const struct life *l, const char *name)
{
	const char *json = map_get(l->rows, name);

	return json ? json : "none";
}

static void
test_rows_come_back(void **state)
{
	char *dir = folder_make();
	struct stat st;
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	struct life l;

	(void)state;
	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 0);
	store_put(l.store, "finding", "a", "{\"x\":1}");
	store_put(l.store, "finding", "b", "{}");
	store_put(l.store, "series", "a", "[\"caf\xc3\xa9\"]");
	store_put(l.store, "finding", "a", "{\"x\":2}");
	assert_int_equal(store_queued(l.store), 3);
	life_end(&l, true);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 3);
	assert_string_equal(row(&l, "finding/a"), "{\"x\":2}");
	assert_string_equal(row(&l, "series/a"), "[\"caf\xc3\xa9\"]");
	store_put(l.store, "finding", "a", NULL);
	life_end(&l, true);

	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 2);
	life_end(&l, true);
	folder_remove(dir);
}

/* What a reading of large rows told. */
struct large {
	struct str rows; /* "PLACE=JSON " */
	const char *end; /* NULL: it goes on */
};

static void
on_large_row(uint64_t place, const char *json, void *arg)
{
	str_addf(&((struct large *)arg)->rows, "%d=%s ", (int)place, json);
}

static void
on_large_end(bool ok, bool all, void *arg)
{
	((struct large *)arg)->end = !ok ? "failed" : all ? "all" : "not all";
}

static void
expect_large(struct life *l, const char *kind, char *const *keys, const char *rows, const char *end)
{
	struct large got = { 0 };

	assert_non_null(store_read_rows(l->store, kind, keys, on_large_row, on_large_end, &got));
	wait_for(l, got.end);
	assert_string_equal(str_text(&got.rows), rows);
	assert_string_equal(got.end, end);
	str_done(&got.rows);
}

/* Large rows are not loaded; who asks for them has what was given just before, too. */
static void
test_large_rows_are_asked_for(void **state)
{
	char *dir = folder_make();
	char a[] = "a", none[] = "", gone[] = "gone", b[] = "b",
	     *keys[] = { a, none, gone, b, NULL };
	struct store_read *read;
	struct large got = { 0 };
	struct life l;

	(void)state;
	life_begin(&l, dir);
	store_put(l.store, "x-rows", "a", "{\"a\":1}");
	store_put(l.store, "x-rows", "gone", "{}");
	store_put(l.store, "x", "a", "{}");
	life_end(&l, true);
	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 1);
	store_put(l.store, "x-rows", "b", "{\"b\":1}");
	store_put(l.store, "x-rows", "gone", NULL);
	expect_large(&l, "x-rows", keys, "0={\"a\":1} 3={\"b\":1} ", "all");
	read = store_read_rows(l.store, "x-rows", keys, on_large_row, on_large_end, &got);
	store_read_cancel(read);
	expect_large(&l, "x", keys, "0={} ", "all");
	assert_int_equal(got.rows.len, 0);
	assert_null(got.end);
	life_end(&l, true);
	folder_remove(dir);
}

/* Also what is given while a batch of earlier things is on its way. */
static void
test_large_rows_are_there_at_once(void **state)
{
	char *dir = folder_make();
	char a[] = "a", *keys[] = { a, NULL };
	struct life l;

	(void)state;
	life_begin(&l, dir);
	store_transition(l.store, "f-1", 1, "one");
	event_base_loop(l.base, EVLOOP_ONCE); /* the turn, in which the batch is sent */
	assert_int_equal(store_queued(l.store), 1);
	assert_int_equal(l.events.len, 0);
	store_put(l.store, "x-rows", "a", "{}");
	expect_large(&l, "x-rows", keys, "0={} ", "all");
	life_end(&l, true);
	folder_remove(dir);
}

static void
test_told_after_stored_and_once(void **state)
{
	char *dir = folder_make();
	struct life l;

	(void)state;
	life_begin(&l, dir);
	store_transition(l.store, "f-1", clock_wall_us(), "one");
	store_transition(l.store, "f-2", clock_wall_us(), "two");
	assert_string_equal(str_text(&l.events), "");
	wait_for(&l, l.events.len == 8);
	assert_string_equal(str_text(&l.events), "one two ");
	store_delivered(l.store, "out", 1);
	life_end(&l, true);

	/* the second was not delivered: it comes before anything else, under its own number */
	life_begin(&l, dir);
	assert_int_equal(store_cursor(l.store, "out"), 1);
	assert_string_equal(str_text(&l.events), "two ");
	store_delivered(l.store, "out", 2);
	store_transition(l.store, "f-3", clock_wall_us(), "three");
	wait_for(&l, l.events.len == 10);
	store_delivered(l.store, "out", 3);
	life_end(&l, true);

	life_begin(&l, dir);
	assert_string_equal(str_text(&l.events), "");
	assert_int_equal(store_cursor(l.store, "out"), 3);
	life_end(&l, true);
	folder_remove(dir);
}

static void
sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t
count(const char *path, const char *text)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* A month after they were told, not before they were, and never all at once for their number. */
static void
test_old_transitions_go(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	struct life l;

	(void)state;
	life_begin(&l, dir);
	store_transition(l.store, "old-1", 1, "a");
	store_transition(l.store, "new-2", clock_wall_us(), "b");
	store_transition(l.store, "old-3", 1, "c");
	wait_for(&l, l.events.len == 6);
	store_delivered(l.store, "out", 2);
	life_end(&l, true);
	life_begin(&l, dir);
	assert_string_equal(str_text(&l.events), "c ");
	life_end(&l, true);
	assert_int_equal(count(path, "SELECT count(*) FROM event"), 2);
	assert_int_equal(count(path, "SELECT count(*) FROM event WHERE id = 'old-1'"), 0);
	sql(path, "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 12009)"
	          " INSERT INTO event SELECT i, 'n-' || i, 9e15, '{}' FROM n;"
	          "UPDATE outlet SET sequence = 12009");
	life_begin(&l, dir);
	life_end(&l, true);
	assert_int_equal(count(path, "SELECT count(*) FROM event"), 10000);
	folder_remove(dir);
}

struct again {
	uint64_t first, last;
	unsigned rows, ends;
	bool ok, all;
};

static void
on_again_row(uint64_t sequence, const char *json, void *arg)
{
	struct again *a = arg;

	assert_true(sequence > a->last && *json == '{');
	a->first = a->rows++ ? a->first : sequence;
	a->last = sequence;
}

static void
on_again_end(bool ok, bool all, void *arg)
{
	struct again *a = arg;

	a->ends++;
	a->ok = ok;
	a->all = all;
}

/* What an outlet had no room for comes again, so many at a time, also what was just written. */
static void
test_transitions_again(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	struct again a = { 0 };
	struct life l;

	(void)state;
	life_begin(&l, dir);
	life_end(&l, true);
	sql(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)"
	          " INSERT INTO event SELECT i, 'n-' || i, 9e15, '{}' FROM n");
	life_begin(&l, dir);
	store_put(l.store, "big", "x", "{}");
	store_transition(l.store, "f-701", clock_wall_us(), "{}");
	for (unsigned i = 0; i < 3; i++) {
		a.rows = 0;
		store_read_again(l.store, a.last, on_again_row, on_again_end, &a);
		wait_for(&l, a.ends == i + 1);
		assert_true(a.ok && a.all);
		assert_int_equal(a.rows, i == 0 ? STORE_AGAIN_MAX : i == 1 ? 201 : 0);
	}
	assert_int_equal(a.last, 701);
	store_read_again(l.store, 0, on_again_row, on_again_end, &a);
	life_end(&l, false); /* the end of all comes first: nobody is called any more */
	assert_int_equal(a.ends, 3);
	folder_remove(dir);
}

static pid_t
worker_pid(void)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	int pid = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* Several frames, one transaction; and the worker dies on the way. */
static void
test_large_batch_survives_its_worker(void **state)
{
	char *dir = folder_make(), *text = xcalloc(1, 4000);
	struct life l;

	(void)state;
	memset(text, 'x', 3999);
	life_begin(&l, dir);
	for (int i = 0; i < 2000; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%d", i);
		store_put(l.store, "big", key, text);
	}
	store_transition(l.store, "f-1", 1, "one");
	/* begins the batch, no more */
	event_base_loop(l.base, EVLOOP_NONBLOCK);
	kill(worker_pid(), SIGKILL);
	wait_for(&l, l.events.len > 0);
	assert_int_equal(l.troubles, 0);
	assert_int_equal(store_queued(l.store), 0);
	life_end(&l, true);
	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 2000);
	assert_string_equal(row(&l, "big/1999"), text);
	life_end(&l, true);
	free(text);
	folder_remove(dir);
}

static void
test_second_daemon(void **state)
{
	char *dir = folder_make();
	struct store *second = NULL;
	char pid[32];
	struct life l;
	struct err e;

	(void)state;
	life_begin(&l, dir);
	assert_int_equal(store_open(l.base, dir, outlets, &callbacks, &l, &second, &e), -EBUSY);
	snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
	assert_non_null(strstr(e.msg, pid));
	assert_non_null(strstr(e.msg, dir));
	assert_null(second);
	life_end(&l, true);
	life_begin(&l, dir);
	life_end(&l, true);
	folder_remove(dir);
}

static void
overwrite(const char *path, off_t at, size_t n)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
}

/* The page where the index over event ids begins; nothing but writing an event looks at it. */
static off_t
index_page(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	off_t at;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	                     "SELECT (rootpage - 1) * 4096 FROM sqlite_schema"
	                     " WHERE type = 'index' AND tbl_name = 'event'",
	                     -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	at = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return at;
}

/* Whatever is wrong with the file: it is kept under another name, said, and we go on. */
static void
test_damaged_state_is_moved_aside(void **state)
{
	static const char *const damage[] = { "garbage", "page", "index", "schema", "format",
		"another", "newer" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		char *dir = folder_make();
		_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
		struct life l;

		life_begin(&l, dir);
		for (int k = 0; k < 400; k++) {
			char key[64];

			snprintf(key, sizeof(key), "%060d", k);
			store_put(l.store, "k", key, "{}");
		}
		life_end(&l, true);
		sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
		if (streq(damage[i], "garbage"))
			overwrite(path, 0, 5000);
		else if (streq(damage[i], "page"))
			overwrite(path, 3 * 4096, 3 * 4096);
		else if (streq(damage[i], "index"))
			overwrite(path, index_page(path), 100);
		else if (streq(damage[i], "schema"))
			sql(path, "ALTER TABLE outlet RENAME TO other");
		else if (streq(damage[i], "format")) /* of the schema: 1 to 4 */
			overwrite(path, 44, 4);
		else if (streq(damage[i], "another"))
			sql(path, "PRAGMA user_version = 0");
		else
			sql(path, "PRAGMA user_version = 99");
		life_begin(&l, dir);
		if (!l.moved)
			fail_msg("%s: not noticed", damage[i]);
		assert_int_equal(access(l.moved, F_OK), 0);
		assert_non_null(
		    strstr(l.moved, streq(damage[i], "newer") ? ".newer-" : ".corrupt-"));
		assert_int_equal(map_size(l.rows), 0);
		assert_int_equal(l.troubles, 0);
		store_put(l.store, "k", "a", "{}");
		life_end(&l, true);
		life_begin(&l, dir);
		assert_null(l.moved);
		assert_string_equal(row(&l, "k/a"), "{}");
		life_end(&l, true);
		folder_remove(dir);
	}
}

/* While we use it: the batch goes into a new one, and people hear of both. */
static void
test_damage_in_use(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	struct life l;

	(void)state;
	life_begin(&l, dir);
	store_put(l.store, "k", "old", "{}");
	assert_int_equal(store_flush(l.store, in_seconds(10)), 0);
	/* another writer makes the worker look at the file again */
	sql(path, "INSERT INTO state VALUES ('x', 'x', 'x'); PRAGMA wal_checkpoint(TRUNCATE)");
	overwrite(path, index_page(path), 100);
	store_put(l.store, "k", "new", "{}");
	store_transition(l.store, "f-1", 1, "one");
	wait_for(&l, l.moved && store_queued(l.store) == 0);
	assert_int_equal(l.troubles, 0);
	assert_string_equal(str_text(&l.events), "one ");
	life_end(&l, true);
	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 1);
	assert_string_equal(row(&l, "k/new"), "{}");
	assert_string_equal(str_text(&l.events), "one ");
	life_end(&l, true);
	folder_remove(dir);
}

/* ---- the worker alone ---- */

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	(void)payload;
	(void)len;
	((uint32_t *)arg)[0] = type;
}

static void
on_answered(enum worker_end end, const struct err *err, void *arg)
{
	(void)err;
	assert_int_equal(end, WORKER_DONE);
	((uint32_t *)arg)[1] = 1;
}

static uint32_t
ask(struct worker_pool *pool, struct event_base *base, const char *dir, int batch, int part,
    int flags)
{
	_cleanup_str_ struct str frame = { 0 };
	struct life l = { .base = base };
	struct worker_job *job;
	uint32_t answer[2] = { 0 };

	wire_add(&frame, dir);
	wire_add(&frame, "out");
	wire_add_int(&frame, batch);
	wire_add_int(&frame, part);
	wire_add_int(&frame, flags);
	wire_add(&frame, STORE_PUT);
	wire_add(&frame, "k");
	wire_add(&frame, "a");
	wire_add(&frame, "{}");
	assert_int_equal(worker_submit(pool, STORE_WRITE, frame.s, frame.len, 10 * USEC_PER_SEC, 0,
	                     on_answer, on_answered, answer, &job),
	    0);
	wait_for(&l, answer[1] != 0);
	return answer[0];
}

/* A part whose beginning another process had is refused, not committed as a whole. */
static void
test_parts_belong_together(void **state)
{
	const struct worker_limits limits = { .processes = 1, .queue = 4, .keep = true };
	struct event_base *base = event_base_new();
	char *dir = folder_make();
	struct worker_pool *pool;
	struct err e;
	struct life l;

	(void)state;
	assert_int_equal(worker_pool_new(base, "store", &limits, &pool, &e), 0);
	assert_int_equal(ask(pool, base, dir, 1, 1, STORE_LAST), STORE_LOST);
	assert_int_equal(ask(pool, base, dir, 2, 0, 0), STORE_DONE);
	assert_int_equal(ask(pool, base, dir, 2, 2, STORE_LAST), STORE_LOST);
	assert_int_equal(ask(pool, base, dir, 3, 1, STORE_LAST), STORE_LOST);
	worker_pool_free(pool);
	event_base_free(base);
	life_begin(&l, dir);
	assert_int_equal(map_size(l.rows), 0);
	life_end(&l, true);
	folder_remove(dir);
}

static void
test_full_and_read_only_disk(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *filler = xasprintf("%s/filler", dir);
	char *text = xcalloc(1, 200000);
	char b[] = "b", *keys[] = { b, NULL };
	struct life l;

	(void)state;
	memset(text, 'y', 199999);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0) {
		free(text);
		folder_remove(dir);
		skip();
	}
	life_begin(&l, dir);
	{
		_cleanup_close_ int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		char block[4096] = { 1 };

		while (write(fd, block, sizeof(block)) > 0)
			;
	}
	store_put(l.store, "k", "a", text);
	store_transition(l.store, "f-1", 1, "one");
	assert_int_equal(store_flush(l.store, in_seconds(10)), -EIO);
	assert_int_equal(l.troubles, 1);
	assert_non_null(strstr(l.trouble, "full"));
	/* people hear of it all the same */
	assert_string_equal(str_text(&l.events), "one ");
	assert_int_equal(store_flush(l.store, in_seconds(10)), -EIO);
	assert_int_equal(l.troubles, 1);
	store_put(l.store, "k-rows", "b", "{}");
	expect_large(&l, "k-rows", keys, "", "not all");
	unlink(filler);
	assert_int_equal(store_flush(l.store, in_seconds(10)), 0);
	assert_int_equal(l.recovered, 1);
	expect_large(&l, "k-rows", keys, "0={} ", "all");
	assert_string_equal(str_text(&l.events), "one ");
	life_end(&l, true);

	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	life_begin(&l, dir);
	assert_int_equal(l.troubles, 1);
	store_transition(l.store, "f-2", 2, "two");
	assert_int_equal(store_flush(l.store, in_seconds(10)), -EIO);
	assert_string_equal(str_text(&l.events), "two ");
	assert_int_equal(l.troubles, 1);
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, NULL), 0);
	life_end(&l, true);
	life_begin(&l, dir);
	assert_string_equal(row(&l, "k/a"), text);
	assert_string_equal(str_text(&l.events), "one two ");
	life_end(&l, true);
	free(text);
	assert_int_equal(umount(dir), 0);
	folder_remove(dir);
}

/* ---- a daemon that is killed ---- */

struct victim {
	struct life life;
	struct event *tick;
	int n, mode, out;
};
enum { VICTIM_RUN, VICTIM_DIE_UNTOLD, VICTIM_FINISH };

static void
victim_on_event(uint64_t sequence, const char *json, void *arg)
{
	struct victim *v = arg;

	if (v->mode == VICTIM_DIE_UNTOLD && v->life.loaded)
		raise(SIGKILL);
	if (sequence <= store_cursor(v->life.store, "out"))
		return;
	if (write(v->out, json, strlen(json)) < 0)
		abort();
	store_delivered(v->life.store, "out", sequence);
}

static void
victim_on_row(const char *kind, const char *key, const char *json, void *arg)
{
	(void)kind;
	(void)key;
	((struct victim *)arg)->n = atoi(json);
}

static void
victim_on_loaded(void *arg)
{
	struct victim *v = arg;

	v->life.loaded = 1;
	event_active(v->tick, EV_TIMEOUT, 0);
}

/* The row and the transition of a turn say the same number, and who made it. */
static void
victim_tick(evutil_socket_t fd, short what, void *arg)
{
	struct victim *v = arg;
	char id[32], json[64], n[16];

	(void)fd;
	(void)what;
	if (v->mode == VICTIM_FINISH) {
		event_base_loopbreak(v->life.base);
		return;
	}
	snprintf(n, sizeof(n), "%d", ++v->n);
	snprintf(id, sizeof(id), "n-%d", v->n);
	snprintf(json, sizeof(json), "%d %d\n", v->n, (int)getpid());
	store_put(v->life.store, "counter", "n", n);
	store_transition(v->life.store, id, v->n, json);
	event_add(v->tick, &(struct timeval){ .tv_usec = 500 });
}

static int
victim_main(char *dir, int mode)
{
	static const struct store_callbacks on = { victim_on_row, victim_on_loaded, victim_on_event,
		NULL, NULL };
	struct victim v = { .mode = mode };
	_cleanup_free_ char *path = xasprintf("%s/out", dir);
	struct err e;
	int r;

	v.out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	v.life.base = event_base_new();
	v.tick = evtimer_new(v.life.base, victim_tick, &v);
	r = store_open(v.life.base, dir, outlets, &on, &v, &v.life.store, &e);
	if (r < 0) {
		fprintf(stderr, "victim: %s\n", e.msg);
		return 1;
	}
	event_base_dispatch(v.life.base);
	r = store_flush(v.life.store, in_seconds(10));
	store_close(v.life.store);
	event_free(v.tick);
	event_base_free(v.life.base);
	close(v.out);
	return r < 0;
}

static pid_t
victim_start(char *dir, int mode)
{
	char number[8], name[] = "victim", flag[] = "--victim";
	char *argv[] = { name, flag, dir, number, NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	snprintf(number, sizeof(number), "%d", mode);
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	return pid;
}

static int
victim_wait(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Every number once or more, each always from the same life, none left out, none out of turn. */
static int
verify_output(const char *path)
{
	FILE *f = fopen(path, "re");
	int n, life, last = 0, again = 0, *lives = xcalloc(1000000, sizeof(*lives));

	assert_non_null(f);
	while (fscanf(f, "%d %d", &n, &life) == 2) {
		assert_in_range(n, 1, 999999);
		assert_true(n <= last + 1);
		if (lives[n])
			assert_int_equal(lives[n], life);
		again += lives[n] != 0;
		lives[n] = life;
		last = n;
	}
	fclose(f);
	free(lives);
	print_message("%d transitions, %d told again\n", last, again);
	return last;
}

static void
test_killed_at_any_moment(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *path = xasprintf("%s/out", dir);
	uint64_t rng = 88172645463325252;

	(void)state;
	for (int round = 0; round < 12; round++) {
		pid_t pid = victim_start(dir, VICTIM_RUN);
		off_t before = size_of(path);
		int64_t give_up = in_seconds(20);

		/* once it tells something, at an arbitrary moment within the next 20 ms */
		while (size_of(path) == before && clock_now_us() < give_up)
			usleep(200);
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		usleep((useconds_t)(rng % 20000));
		kill(pid, SIGKILL);
		assert_true(WIFSIGNALED(victim_wait(pid)));
		assert_true(size_of(path) > before);
	}
	assert_int_equal(victim_wait(victim_start(dir, VICTIM_FINISH)), 0);
	assert_true(verify_output(path) >= 12);
	folder_remove(dir);
}

static void
test_killed_between_stored_and_told(void **state)
{
	char *dir = folder_make();
	_cleanup_free_ char *path = xasprintf("%s/out", dir);
	pid_t pid;

	(void)state;
	pid = victim_start(dir, VICTIM_DIE_UNTOLD);
	assert_int_equal(WTERMSIG(victim_wait(pid)), SIGKILL);
	assert_int_equal(size_of(path), 0);
	assert_int_equal(victim_wait(victim_start(dir, VICTIM_FINISH)), 0);
	assert_int_equal(verify_output(path), 1);
	/* and no more than that */
	assert_int_equal(victim_wait(victim_start(dir, VICTIM_FINISH)), 0);
	{
		off_t size = size_of(path);
		char expect[32];

		assert_int_equal(size, snprintf(expect, sizeof(expect), "1 %d\n", (int)pid));
	}
	folder_remove(dir);
}

static void
test_wire_refuses_what_is_cut(void **state)
{
	struct str s = { 0 };
	int64_t n;

	(void)state;
	wire_add(&s, "abc");
	wire_add_int(&s, -5);
	for (size_t len = 0; len < s.len; len++) {
		struct wire w = { s.s, len };
		_cleanup_free_ char *a = wire_take(&w);

		assert_int_equal(a != NULL, len >= 7);
		assert_int_equal(wire_take_int(&w, &n), -EPROTO);
	}
	struct wire w = { s.s, s.len };
	_cleanup_free_ char *a = wire_take(&w);

	assert_string_equal(a, "abc");
	assert_int_equal(wire_take_int(&w, &n), 0);
	assert_int_equal(n, -5);
	str_done(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_refuses_what_is_cut),
		cmocka_unit_test(test_large_rows_are_asked_for),
		cmocka_unit_test(test_large_rows_are_there_at_once),
		cmocka_unit_test(test_rows_come_back),
		cmocka_unit_test(test_told_after_stored_and_once),
		cmocka_unit_test(test_old_transitions_go),
		cmocka_unit_test(test_transitions_again),
		cmocka_unit_test(test_large_batch_survives_its_worker),
		cmocka_unit_test(test_second_daemon),
		cmocka_unit_test(test_damaged_state_is_moved_aside),
		cmocka_unit_test(test_damage_in_use),
		cmocka_unit_test(test_parts_belong_together),
		cmocka_unit_test(test_full_and_read_only_disk),
		cmocka_unit_test(test_killed_between_stored_and_told),
		cmocka_unit_test(test_killed_at_any_moment),
	};

	worker_main_if_asked(argc, argv);
	if (argc == 4 && streq(argv[1], "--victim"))
		return victim_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
