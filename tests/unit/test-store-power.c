/*
 * The end of a writer between any two of its system calls, by a kill and by a power cut: of the state
 * database and of the history.  What was acknowledged is there, once, and nothing is half there; a
 * daemon whose writer alone dies goes on as if nothing had been.  POWER_ALL=1: kills at every call
 * instead of some.
 */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/history_wire.h"
#include "daemon/recorder.h"
#include "daemon/store.h"
#include "daemon/store_db.h"
#include "history/history.h"
#include "power.h"
#include "tree.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { &store_role, &history_role, &history_read_role,
	NULL };

#define ROUNDS 6
#define KILLS  16                  /* of each life, when not all */
#define MONDAY INT64_C(1772409600) /* 2026-03-02 00:00 UTC */

static char root[48], dir[64], scratch[64];
static const struct history_limits generous = { INT64_C(400) * 86400, INT64_C(1) << 30 };

static void
clear(void)
{
	remove_tree(dir);
	remove_tree(scratch);
	assert_int_equal(mkdir(dir, 0700), 0);
}

/* In a process that is traced nothing may run at the end, a leak check least of all. */
#define live_assert(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                    \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* ---- the state: round i is a transition with its row, then two rows alone ---- */

struct life {
	struct event_base *base;
	bool loaded;
	int told, odd;
};

static void
on_row(const char *kind, const char *key, const char *json, void *arg)
{
	(void)kind;
	(void)key;
	(void)json;
	(void)arg;
}

static void
on_loaded(void *arg)
{
	((struct life *)arg)->loaded = true;
}

static void
on_event_told(uint64_t sequence, const char *json, void *arg)
{
	struct life *l = arg;

	l->odd += atoi(json) != l->told + 1 || sequence != (uint64_t)l->told + 1;
	l->told++;
}

static void
on_moved(const char *path, const char *why, void *arg)
{
	fprintf(stderr, "%s: %s\n", path, why);
	((struct life *)arg)->odd++;
}

static void
on_trouble(const char *why, void *arg)
{
	fprintf(stderr, "%s\n", why ? why : "again");
	((struct life *)arg)->odd++;
}

static void
live_state(void *arg, volatile int *acknowledged)
{
	static const struct store_callbacks on = { on_row, on_loaded, on_event_told, on_moved,
		on_trouble };
	char *outlets[] = { (char *)"out", NULL };
	struct life l = { .base = event_base_new() };
	struct store *store;

	(void)arg;
	live_assert(store_open(l.base, dir, outlets, &on, &l, &store, NULL) == 0);
	while (!l.loaded)
		event_base_loop(l.base, EVLOOP_ONCE);
	for (int i = 1; i <= ROUNDS; i++) {
		char number[16], id[24];

		snprintf(number, sizeof(number), "%d", i);
		snprintf(id, sizeof(id), "n-%d", i);
		store_put(store, "counter", "n", number);
		store_transition(store, id, i, number);
		while (l.told < i)
			event_base_loop(l.base, EVLOOP_ONCE);
		*acknowledged = 2 * i - 1;
		store_put(store, "loose", "a", number);
		store_put(store, "loose", "b", number);
		live_assert(store_flush(store, clock_now_us() + 20 * USEC_PER_SEC) == 0);
		*acknowledged = 2 * i;
	}
	live_assert(l.told == ROUNDS && l.odd == 0);
	_exit(0);
}

static struct {
	int counter, a, b, events;
} found;

static void
take_row(const char *kind, const char *key, const char *json)
{
	int *to = streq(kind, "counter") ? &found.counter : *key == 'a' ? &found.a : &found.b;

	if (!streq(kind, "filler"))
		*to = atoi(json);
}

static void
take_event(const char *sequence, const char *json, const char *none)
{
	(void)none;
	found.events++;
	assert_int_equal(atoi(sequence), found.events);
	assert_int_equal(atoi(json), found.events);
}

static void
none_moves(const char *path, const char *why)
{
	fail_msg("%s: %s", path, why);
}

/* What the folder holds, and that it can be gone on with. */
static void
check_state(const char *folder)
{
	char *outlets[] = { (char *)"out", NULL }, next[16];
	struct store_db *db = NULL;
	struct err e = { 0 };
	int r = store_db_open(folder, none_moves, &db, &e);

	memset(&found, 0, sizeof(found));
	if (r == 0)
		r = store_db_keep_outlets(db, outlets, &e);
	if (r == 0)
		r = store_db_rows(db, take_row, &e);
	if (r == 0)
		r = store_db_events(db, take_event, &e);
	snprintf(next, sizeof(next), "%d", found.events + 1);
	if (r == 0)
		r = store_db_begin(db, true, &e);
	if (r == 0)
		r = store_db_event(db, next, "next", "1", next, &e);
	if (r == 0)
		r = store_db_commit(db, &e);
	store_db_close(&db);
	if (r < 0)
		fail_msg("%s", e.msg);
	/* each batch whole or not at all */
	assert_int_equal(found.counter, found.events);
	assert_int_equal(found.a, found.b);
}

static void
look_at_state(enum power_kind kind, int acknowledged, void *arg)
{
	int told = (acknowledged + 1) / 2, loose = acknowledged / 2;

	(void)arg;
	check_state(scratch);
	assert_in_range(found.events, told, ROUNDS);
	/* Rows alone are not synced; with the next transition they are. */
	assert_in_range(found.a, kind == POWER_KILLED ? loose : MAX(found.events - 1, 0), ROUNDS);
	assert_true(found.a <= found.events);
}

static void
walk(struct power *p, int rounds)
{
	int status = power_walk(p);

	if (status == -1) {
		print_message("no process may be traced here\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(p->acknowledged, rounds);
	print_message("%u stops; looked at %u after a kill, %u after a cut, %u torn\n", p->stops,
	    p->looks[POWER_KILLED], p->looks[POWER_CUT], p->looks[POWER_TORN]);
	assert_true(p->looks[POWER_KILLED] > 20 && p->looks[POWER_CUT] > 5);
}

static void
sql(const char *path, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	/* the log stays as it is */
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static const struct power of_state = {
	.dir = dir, .scratch = scratch, .live = live_state, .in_worker = true, .look = look_at_state
};

static void
test_state_ends_at_any_call(void **state)
{
	struct power p = of_state;

	(void)state;
	clear();
	walk(&p, 2 * ROUNDS);
}

static void
head_of(const char *path, char ret[static 32])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, ret, 32, 0), 32);
}

/* With a log that is full soon: pages go back into the file, and the log begins anew. */
static void
test_state_ends_in_a_checkpoint(void **state)
{
	struct power p = of_state;
	struct store_db *db = NULL;
	struct err e = { 0 };
	_cleanup_free_ char *path = xasprintf("%s/state.db", dir);
	_cleanup_free_ char *log = xasprintf("%s-wal", path);
	_cleanup_str_ struct str filler = { 0 };
	char before[32], after[32];

	(void)state;
	clear();
	sql(path, "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA user_version = 0");
	assert_int_equal(store_db_open(dir, none_moves, &db, &e), 0);
	store_db_close(&db);
	str_add(&filler, "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;"
	                 "INSERT INTO state VALUES ('filler', 'x', '');");
	for (int i = 0; i < 985; i++)
		str_addf(&filler, "UPDATE state SET json = '%d';", i);
	sql(path, filler.s);
	head_of(log, before);
	walk(&p, 2 * ROUNDS);
	head_of(log, after);
	assert_memory_not_equal(before, after, 32); /* it was begun anew */
}

/* ---- the history, over an end of a window and of a day ---- */

static int
append_one(struct history *h, const char *object, int64_t at_s, double value)
{
	_cleanup_str_ struct str batch = { 0 };
	struct history_value v = { object, value };

	history_batch_add(&batch, "orders", "a-check", UNIT_BYTES, at_s, &v, 1);
	return history_append(h, batch.s, batch.len, at_s, NULL);
}

static void
live_history(void *arg, volatile int *acknowledged)
{
	struct history *h = NULL;

	(void)arg;
	live_assert(history_open(dir, &generous, NULL, NULL, &h, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t at = MONDAY + 86400 - 3600 + i * 900;

		live_assert(append_one(h, i % 2 ? "a" : "b", at, i) == 0);
		*acknowledged = i + 1;
		while (history_maintain(h, at, NULL) == 1)
			;
	}
	_exit(0);
}

static void
read_all(const char *folder, int64_t to_s, int64_t step_s, struct history_answer *a)
{
	struct history_query q = { "orders", "a-check", NULL, 0, to_s, step_s };
	struct err e = { 0 };

	if (history_read(folder, &q, a, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(a->damaged, 0);
}

static void
none_lost_but_a_tail(const char *what, void *arg)
{
	if (!strstr(what, "an end without warning") || *(enum power_kind *)arg == POWER_KILLED)
		fail_msg("%s", what);
}

static void
look_at_history(enum power_kind kind, int acknowledged, void *arg)
{
	int64_t later = MONDAY + 86400 + 9000;
	struct history_answer a;
	struct history *h = NULL;
	bool seen[ROUNDS + 1] = { false };
	struct err e = { 0 };

	(void)arg;
	if (history_open(scratch, &generous, none_lost_but_a_tail, &kind, &h, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(append_one(h, "a", later, ROUNDS), 0);
	while (history_maintain(h, later, NULL) == 1)
		;
	history_close(h);
	read_all(scratch, later, 0, &a);
	for (size_t k = 0; k < a.nseries; k++)
		for (size_t i = 0; i < a.series[k].npoints; i++) {
			const struct history_point *p = &a.series[k].points[i];

			assert_true(p->value >= 0 && p->value <= ROUNDS && p->count == 1);
			assert_false(seen[(int)p->value]);
			seen[(int)p->value] = true;
		}
	history_answer_done(&a);
	for (int i = 0; i < acknowledged; i++)
		assert_true(seen[i]);
	assert_true(seen[ROUNDS]);
	/* averages are not doubled by what was done twice */
	read_all(scratch, later, 86400, &a);
	for (size_t k = 0; k < a.nseries; k++)
		for (size_t i = 0; i < a.series[k].npoints; i++)
			assert_true(a.series[k].points[i].count <= ROUNDS / 2 + 1);
	history_answer_done(&a);
}

static void
test_history_ends_at_any_call(void **state)
{
	struct power p = {
		.dir = dir, .scratch = scratch, .live = live_history, .look = look_at_history
	};

	(void)state;
	clear();
	walk(&p, ROUNDS);
}

/* ---- the writer alone is killed, and the loop goes on ---- */

static void
trouble_told(const char *why, void *arg)
{
	fprintf(stderr, "%s\n", why ? why : "again");
	++*(int *)arg;
}

static void
lost_told(const char *what, void *arg)
{
	if (!strstr(what, "an end without warning"))
		trouble_told(what, arg);
}

static void
live_recorder(void *arg, volatile int *acknowledged)
{
	static const struct recorder_callbacks on = { trouble_told, lost_told };
	struct event_base *base = event_base_new();
	struct recorder *rec;
	int odd = 0;

	(void)arg;
	live_assert(recorder_new(base, dir, &on, &odd, &rec, NULL) == 0);
	recorder_set_limits(rec, generous.keep_s * USEC_PER_SEC, generous.max_bytes);
	for (int i = 1; i <= ROUNDS; i++) {
		struct history_value v = { "a", i };

		recorder_add(rec, "orders", "a-check", UNIT_BYTES, clock_wall_us(), &v, 1);
		recorder_flush(rec, clock_now_us() + 20 * USEC_PER_SEC);
		live_assert(recorder_written(rec) == (uint64_t)i);
		*acknowledged = i;
	}
	live_assert(odd == 0 && recorder_dropped(rec) == 0);
	_exit(0);
}

static void
check_recorded(void)
{
	_cleanup_free_ char *folder = xasprintf("%s/history", dir);
	struct history_answer a;

	read_all(folder, clock_wall_us() / USEC_PER_SEC + 60, 0, &a);
	assert_int_equal(a.nseries, 1);
	assert_int_equal(a.series[0].npoints, ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		assert_true(a.series[0].points[i].value == i + 1);
	history_answer_done(&a);
}

static void
check_stored(void)
{
	check_state(dir);
	assert_int_equal(found.events, ROUNDS);
	assert_int_equal(found.a, ROUNDS);
}

static void
kill_all_over(struct power p, int rounds, void (*check)(void))
{
	bool killed = false;
	unsigned n, step, kills = 0;

	clear();
	if (power_kill(&p, 0, &killed) == -1) {
		print_message("no process may be traced here\n");
		skip();
	}
	check();
	n = p.stops;
	assert_true(n > 100);
	step = getenv("POWER_ALL") ? 1 : n / KILLS;
	for (unsigned at = 1; at <= n; at += step) {
		int status;

		clear();
		status = power_kill(&p, at, &killed);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || p.acknowledged != rounds)
			fail_msg("killed at stop %u of %u: status %x, %d acknowledged", at, n,
			    status, p.acknowledged);
		check();
		kills += killed;
	}
	print_message("%u kills in %u stops\n", kills, n);
	assert_true(kills >= KILLS / 2);
}

static void
test_state_without_its_writer(void **state)
{
	(void)state;
	kill_all_over(of_state, 2 * ROUNDS, check_stored);
}

static void
test_history_without_its_writer(void **state)
{
	struct power p = {
		.dir = dir, .scratch = scratch, .live = live_recorder, .in_worker = true
	};

	(void)state;
	kill_all_over(p, ROUNDS, check_recorded);
}

static int
setup(void **state)
{
	(void)state;
	/* where fsync costs nothing: hundreds of lives pass here */
	snprintf(root, sizeof(root), "%s/dbhealth-power-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/d", root);
	snprintf(scratch, sizeof(scratch), "%s/s", root);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return remove_tree(root);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_ends_at_any_call),
		cmocka_unit_test(test_state_ends_in_a_checkpoint),
		cmocka_unit_test(test_history_ends_at_any_call),
		cmocka_unit_test(test_state_without_its_writer),
		cmocka_unit_test(test_history_without_its_writer),
	};

	worker_main_if_asked(argc, argv);
	return cmocka_run_group_tests(tests, setup, teardown);
}
