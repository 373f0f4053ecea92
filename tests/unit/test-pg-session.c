/* Sessions and statements against a real server: what works, and every way it can say no. */
#include "base/log.h"
#include "base/str.h"
#include "pg-support.h"
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct pg_cluster *cluster;
static struct event_base *base;
static char *dsn; /* database postgres as monitor, an ordinary role */

static int
set_up(void **state)
{
	struct event_config *config = event_config_new();
	PGconn *pg;

	(void)state;
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	cluster = pg_cluster_new("max_connections = 12\nsuperuser_reserved_connections = 3\n");
	pg = pg_open(cluster, "postgres", "postgres");
	pg_do(pg, "CREATE ROLE monitor LOGIN");
	pg_do(pg, "GRANT pg_monitor TO monitor");
	pg_do(pg, "CREATE ROLE sealed LOGIN PASSWORD 'x'");
	pg_do(pg, "CREATE DATABASE closed ALLOW_CONNECTIONS false");
	pg_do(pg, "CREATE TABLE public.plain (id int)");
	pg_do(pg, "GRANT SELECT ON public.plain TO monitor");
	PQfinish(pg);
	dsn = pg_cluster_dsn(cluster, "postgres", "monitor");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(dsn);
	pg_cluster_free(cluster);
	event_base_free(base);
	return 0;
}

static void
run_connects(void **state)
{
	struct watched *w = watched_new(base, NULL);
	const struct pg_timing *t = pg_session_timing(w->session);
	struct asked a = { 0 };

	(void)state;
	assert_int_equal(pg_session_socket(w->session), -1);
	assert_int_equal(ask_start(w, &a, "SELECT 1"), -ENOTCONN);
	watched_up(w, dsn);
	assert_int_equal(pg_session_state(w->session), PG_READY);
	assert_false(pg_session_is_pooled(w->session));
	assert_int_equal(pg_session_server_version(w->session) / 10000, 15);
	assert_true(pg_session_socket(w->session) >= 0);
	assert_true(t->connect_us >= 0 && t->auth_us > 0 && t->query_us > 0);
	assert_true(t->total_us >= t->connect_us + t->auth_us + t->query_us);
	assert_int_equal(watched_connect(w, dsn, NULL, USEC_PER_SEC), -EBUSY);
	ask(w, &a,
	    "SELECT pg_catalog.pg_backend_pid() AS pid, NULL, 'b', "
	    "pg_catalog.current_setting('application_name')");
	assert_true(a.is_ok);
	assert_int_equal(a.columns, 4);
	assert_int_equal(a.rows, 1);
	assert_string_equal(a.name, "pid");
	assert_int_equal(atoi(a.first[0]), pg_session_backend_pid(w->session));
	assert_string_equal(a.first[1], "(null)");
	assert_string_equal(a.first[3], "dbhealthd");
	pg_session_close(w->session);
	run_until(base, pg_session_state(w->session) == PG_DOWN);
	assert_int_equal(w->losts, 0);
	watched_free(w);
}

static void
run_refusals(void **state)
{
	_cleanup_free_ char *sealed = pg_cluster_dsn(cluster, "postgres", "sealed");
	_cleanup_free_ char *nobody = pg_cluster_dsn(cluster, "postgres", "nobody");
	_cleanup_free_ char *absent = pg_cluster_dsn(cluster, "absent", "monitor");
	_cleanup_free_ char *closed = pg_cluster_dsn(cluster, "closed", "monitor");
	_cleanup_free_ char *no_socket =
	    xasprintf("host=%s port=6000 user=u passfile=/dev/null", cluster->host);
	const struct {
		const char *dsn;
		enum pg_cause cause;
		const char *sqlstate;
	} cases[] = {
		{ nobody, PG_CAUSE_AUTH, "28000" },
		{ sealed, PG_CAUSE_AUTH, "" },
		{ absent, PG_CAUSE_NO_DATABASE, "3D000" },
		{ closed, PG_CAUSE_NO_DATABASE, "55000" },
		{ no_socket, PG_CAUSE_REFUSED, "" },
		{ "host=/nowhere user=u passfile=/dev/null", PG_CAUSE_REFUSED, "" },
		{ "hostaddr=127.0.0.1 port=1 user=u sslmode=disable passfile=/dev/null",
		    PG_CAUSE_REFUSED, "" },
	};
	PGconn *pg = pg_open(cluster, "postgres", "postgres");

	(void)state;
	pg_cluster_write(
	    cluster, "data/pg_hba.conf", "local all sealed scram-sha-256\nlocal all all trust\n");
	pg_do(pg, "SELECT pg_reload_conf()");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct watched *w = watched_new(base, NULL);

		assert_int_equal(watched_connect(w, cases[i].dsn, NULL, 5 * USEC_PER_SEC), 0);
		run_until(base, w->connects > 0);
		assert_false(w->is_up);
		assert_string_equal(pg_cause_names[w->why.cause], pg_cause_names[cases[i].cause]);
		assert_string_equal(w->why.err.sqlstate, cases[i].sqlstate);
		assert_true(w->why.err.code < 0);
		assert_null(strstr(w->why.err.msg, "LOCATION"));
		assert_null(strchr(w->why.err.msg, '\n'));
		assert_int_equal(pg_session_state(w->session), PG_DOWN);
		watched_free(w);
	}
	PQfinish(pg);
}

/* 53300, while pg_isready still says that connections are accepted. */
static void
run_full(void **state)
{
	PGconn *all[9];
	struct watched *w = watched_new(base, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i] = pg_open(cluster, "postgres", "monitor");
	assert_int_equal(PQping(dsn), PQPING_OK);
	assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 0);
	assert_int_equal(w->why.cause, PG_CAUSE_FULL);
	assert_string_equal(w->why.err.sqlstate, "53300");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		PQfinish(all[i]);
	/* a backend leaves its place a moment after its client */
	for (int tries = 0; !w->is_up && tries < 1000; tries++) {
		int before = w->connects;

		assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
		run_until(base, w->connects > before);
	}
	assert_true(w->is_up);
	watched_free(w);
}

/* Every setting is there, also what needs set_config, and no prepared statement is. */
static void
run_settings(void **state)
{
	static const char *const expected[][2] = { { "search_path", "pg_catalog" },
		{ "default_transaction_read_only", "on" }, { "statement_timeout", "1500ms" },
		{ "lock_timeout", "100ms" }, { "idle_in_transaction_session_timeout", "10s" },
		{ "jit", "off" }, { "max_parallel_workers_per_gather", "0" },
		{ "row_security", "off" }, { "DateStyle", "ISO, MDY" },
		{ "client_encoding", "UTF8" }, { "client_connection_check_interval", "2s" } };
	struct watched *w = watched_new(base,
	    &(struct pg_session_options){ .name = "settings", .statement_timeout_us = 1500000 });

	(void)state;
	watched_up(w, dsn);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		_cleanup_free_ char *sql =
		    xasprintf("SELECT current_setting('%s')", expected[i][0]);
		struct asked a = { 0 };

		ask(w, &a, sql);
		assert_string_equal(a.first[0], expected[i][1]);
	}
	watched_free(w);
}

/* A role's own setting cannot get past the options; one that can is noticed. */
static void
run_settings_differ(void **state)
{
	struct watched *w = watched_new(base, NULL);
	_cleanup_free_ char *odd = xasprintf("%s options='-c search_path=public'", dsn);

	(void)state;
	watched_up(w, odd); /* ours come later and win */
	pg_session_close(w->session);
	run_until(base, pg_session_state(w->session) == PG_DOWN);
	setenv("PGDATESTYLE", "German", 1); /* libpq sends it as a parameter of its own */
	assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 1);
	unsetenv("PGDATESTYLE");
	assert_int_equal(w->why.cause, PG_CAUSE_SETTINGS);
	assert_non_null(strstr(w->why.err.msg, "DateStyle"));
	watched_free(w);
}

/* An error stays its own, and nine are one too many. */
static void
run_pipeline(void **state)
{
	static const char *const sql[PG_PIPELINE_MAX] = { "SELECT 1", "SELECT 1/0", "SELECT 3",
		"SELECT nothing FROM nowhere", "SELECT 5", "SELECT", "", "SELECT 8" };
	static const char *const states[PG_PIPELINE_MAX] = { "", "22012", "", "42P01", "", "", "",
		"" };
	struct watched *w = watched_new(base, NULL);
	struct asked a[PG_PIPELINE_MAX + 1] = { 0 };

	(void)state;
	watched_up(w, dsn);
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++)
		assert_int_equal(ask_start(w, &a[i], sql[i]), 0);
	assert_int_equal(ask_start(w, &a[PG_PIPELINE_MAX], "SELECT 9"), -EAGAIN);
	assert_int_equal(pg_session_in_flight(w->session), PG_PIPELINE_MAX);
	run_until(base, a[PG_PIPELINE_MAX - 1].is_done);
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++) {
		assert_int_equal(a[i].dones, 1);
		assert_string_equal(a[i].why.err.sqlstate, states[i]);
		assert_int_equal(a[i].is_ok, states[i][0] == '\0');
	}
	assert_string_equal(a[7].first[0], "8");
	assert_string_equal(a[1].why.err.msg, "division by zero");
	assert_true(w->is_up);
	watched_free(w);
}

static void
run_parameters(void **state)
{
	static const char *const params[] = { "41", NULL, "a'b" };
	struct watched *w = watched_new(base, NULL);
	struct asked a = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(
	    ask_with(w, &a,
	        &(struct pg_statement){ .sql = "SELECT $1::bigint + 1, $2::text, $3::text",
	            .params = params,
	            .nparams = 3 },
	        USEC_PER_SEC * 8),
	    0);
	run_until(base, a.is_done);
	assert_string_equal(a.first[0], "42");
	assert_string_equal(a.first[1], "(null)");
	assert_string_equal(a.first[2], "a'b");
	watched_free(w);
}

/* Rows come as they come: stopped early, the rest is read and dropped, and the session lives. */
static void
run_rows(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked all = { 0 }, some = { .stop_after = 1000 }, none = { 0 }, after = { 0 };

	(void)state;
	watched_up(w, dsn);
	ask(w, &all, "SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g");
	assert_true(all.is_ok);
	assert_int_equal(all.rows, 20000);
	assert_int_equal(ask_start(w, &some, "SELECT g FROM generate_series(1, 20000) g"), 0);
	ask(w, &after, "SELECT 'next'");
	assert_true(some.is_ok);
	assert_int_equal(some.rows, 1000);
	assert_string_equal(after.first[0], "next");
	ask(w, &none, "SELECT 1 AS one WHERE false");
	assert_int_equal(none.rows, 0);
	assert_int_equal(none.columns, 1);
	assert_string_equal(none.name, "one");
	watched_free(w);
}

static void
run_timeouts(void **state)
{
	struct watched *w = watched_new(base, NULL);
	PGconn *pg = pg_open(cluster, "postgres", "postgres");
	struct asked slow = { 0 }, locked = { 0 }, deadline = { 0 }, after = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(
	    ask_with(w, &slow,
	        &(struct pg_statement){ .sql = "SELECT pg_sleep(9)", .timeout_us = 50000 },
	        5 * USEC_PER_SEC),
	    0);
	run_until(base, slow.is_done);
	assert_int_equal(
	    ask_with(w, &deadline, &(struct pg_statement){ .sql = "SELECT pg_sleep(9)" },
	        800 * USEC_PER_MSEC),
	    0);
	ask(w, &after, "SELECT current_setting('statement_timeout')");
	assert_string_equal(slow.why.err.sqlstate, "57014");
	assert_string_equal(
	    deadline.why.err.sqlstate, "57014"); /* by the server, under our deadline */
	assert_string_equal(after.first[0], "5s");
	pg_do(pg, "BEGIN; LOCK TABLE public.plain IN ACCESS EXCLUSIVE MODE");
	ask(w, &locked, "SELECT * FROM public.plain");
	assert_string_equal(locked.why.err.sqlstate, "55P03");
	assert_true(locked.duration_us < 4 * USEC_PER_SEC);
	assert_true(w->is_up);
	PQfinish(pg);
	watched_free(w);
}

/* What user SQL sets goes with its ROLLBACK. */
static void
run_user_statement(void **state)
{
	static const char *const nasty[] = {
		"DO $$ BEGIN SET default_transaction_read_only = off; SET statement_timeout = 0; "
		"END $$",
		"SELECT set_config('default_transaction_read_only', 'off', false), "
		"set_config('search_path', 'public', false), set_config('lock_timeout', '0', "
		"false)",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
		"SELECT 1/0",
		"COMMIT",
		"ROLLBACK",
	};
	struct watched *w = watched_new(base, NULL);

	(void)state;
	watched_up(w, dsn);
	for (size_t i = 0; i < ARRAY_SIZE(nasty); i++) {
		struct asked bad = { 0 }, after = { 0 }, write = { 0 };

		assert_int_equal(
		    ask_with(w, &bad, &(struct pg_statement){ .sql = nasty[i], .user = true },
		        8 * USEC_PER_SEC),
		    0);
		ask(w, &after,
		    "SELECT current_setting('default_transaction_read_only') || ' ' || "
		    "current_setting('statement_timeout') || ' ' || "
		    "current_setting('search_path') || ' ' || current_setting('lock_timeout')");
		assert_true(bad.is_done);
		assert_string_equal(after.first[0], "on 5s pg_catalog 100ms");
		assert_int_equal(ask_with(w, &write,
		                     &(struct pg_statement){
		                         .sql = "CREATE TEMP TABLE t (i int)", .user = true },
		                     8 * USEC_PER_SEC),
		    0);
		run_until(base, write.is_done);
		assert_false(write.is_ok || !write.why.err.sqlstate[0]);
	}
	watched_free(w);
}

/* In a group the statement's own error is told, and a COPY ends the session in words. */
static void
run_group_errors(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked bad = { 0 }, copy = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(
	    ask_with(w, &bad,
	        &(struct pg_statement){
	            .sql = "SELECT 1/(g-3) FROM generate_series(1,9) g", .user = true },
	        8 * USEC_PER_SEC),
	    0);
	run_until(base, bad.is_done);
	assert_string_equal(bad.why.err.sqlstate, "22012");
	assert_int_equal(
	    ask_with(w, &copy,
	        &(struct pg_statement){ .sql = "COPY (SELECT 1) TO STDOUT", .user = true },
	        8 * USEC_PER_SEC),
	    0);
	run_until(base, w->losts > 0);
	assert_true(copy.is_done && !copy.is_ok);
	assert_non_null(strstr(copy.why.err.msg, "COPY"));
	watched_free(w);
}

static void
run_prepared(void **state)
{
	struct watched *w = watched_new(
	    base, &(struct pg_session_options){ .name = "home", .keep_prepared = true });
	const char *const params[] = { "7" };
	const struct pg_statement one = { .name = "a-check",
		.sql = "SELECT $1::int, count(*) "
		       "FROM pg_catalog.pg_prepared_statements",
		.params = params,
		.nparams = 1 };
	struct pg_statement two = one, broken = { .name = "broken", .sql = "SELECT nothing" };
	struct asked a = { 0 }, b = { 0 }, c = { 0 }, bad = { 0 }, again = { 0 }, fresh = { 0 };
	struct asked names = { 0 }, by_user = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(
	    ask_with(w, &by_user,
	        &(struct pg_statement){ .name = "users", .sql = "SELECT 1", .user = true },
	        8 * USEC_PER_SEC),
	    0);
	assert_int_equal(ask_with(w, &a, &one, 8 * USEC_PER_SEC), 0);
	assert_int_equal(ask_with(w, &b, &one, 8 * USEC_PER_SEC), 0);
	assert_int_equal(ask_with(w, &bad, &broken, 8 * USEC_PER_SEC), 0);
	two.sql = "SELECT $1::int + 1";
	assert_int_equal(ask_with(w, &c, &two, 8 * USEC_PER_SEC), 0);
	broken.sql = "SELECT 'mended'";
	ask(w, &names,
	    "SELECT string_agg(name || ' ' || generic_plans + custom_plans, ',') "
	    "FROM pg_catalog.pg_prepared_statements");
	assert_string_equal(a.first[0], "7");
	assert_string_equal(b.first[1], "1");
	assert_string_equal(c.first[0], "8");
	assert_string_equal(bad.why.err.sqlstate, "42703");
	assert_string_equal(names.first[0], "a-check 1");
	assert_int_equal(ask_with(w, &again, &broken, 8 * USEC_PER_SEC), 0);
	run_until(base, again.is_done);
	assert_string_equal(again.first[0], "mended");
	pg_session_close(w->session);
	run_until(base, pg_session_state(w->session) == PG_DOWN);
	watched_up(w, dsn); /* a new backend knows no names */
	assert_int_equal(ask_with(w, &fresh, &one, 8 * USEC_PER_SEC), 0);
	run_until(base, fresh.is_done);
	assert_string_equal(fresh.first[1], "1");
	watched_free(w);
}

/* A result that changed its shape, and a name that somebody took away, are prepared anew. */
static void
run_prepared_stale(void **state)
{
	struct watched *w = watched_new(
	    base, &(struct pg_session_options){ .name = "home", .keep_prepared = true });
	const struct pg_statement st = { .name = "shape", .sql = "SELECT * FROM public.plain" };
	PGconn *pg = pg_open(cluster, "postgres", "postgres");
	struct asked a = { 0 }, changed = { 0 }, b = { 0 }, gone = { 0 }, c = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(ask_with(w, &a, &st, 8 * USEC_PER_SEC), 0);
	run_until(base, a.is_done);
	pg_do(pg, "ALTER TABLE public.plain ADD COLUMN more text");
	assert_int_equal(ask_with(w, &changed, &st, 8 * USEC_PER_SEC), 0);
	run_until(base, changed.is_done);
	assert_string_equal(changed.why.err.sqlstate, "0A000");
	assert_int_equal(ask_with(w, &b, &st, 8 * USEC_PER_SEC), 0);
	run_until(base, b.is_done);
	assert_true(b.is_ok);
	assert_int_equal(b.columns, 2);
	ask(w, &gone, "DEALLOCATE ALL");
	gone = (struct asked){ 0 };
	assert_int_equal(ask_with(w, &gone, &st, 8 * USEC_PER_SEC), 0);
	run_until(base, gone.is_done);
	assert_string_equal(gone.why.err.sqlstate, "26000");
	assert_int_equal(ask_with(w, &c, &st, 8 * USEC_PER_SEC), 0);
	run_until(base, c.is_done);
	assert_true(c.is_ok);
	PQfinish(pg);
	watched_free(w);
}

/* Ended while idle and in the middle of a statement: heard at once, with the server's reason. */
static void
run_terminated(void **state)
{
	PGconn *pg = pg_open(cluster, "postgres", "postgres");

	(void)state;
	for (int is_busy = 0; is_busy < 2; is_busy++) {
		struct watched *w = watched_new(base, NULL);
		struct asked busy = { 0 }, behind = { 0 };
		_cleanup_free_ char *sql = NULL;

		watched_up(w, dsn);
		sql = xasprintf(
		    "SELECT pg_terminate_backend(%d)", pg_session_backend_pid(w->session));
		if (is_busy) {
			assert_int_equal(ask_start(w, &busy, "SELECT pg_sleep(5)"), 0);
			assert_int_equal(ask_start(w, &behind, "SELECT 1"), 0);
			run_for(base, 20 * USEC_PER_MSEC);
		}
		pg_do(pg, sql);
		run_until(base, w->losts > 0);
		assert_int_equal(w->losts, 1);
		assert_int_equal(w->why.cause, PG_CAUSE_SHUTDOWN);
		assert_string_equal(w->why.err.sqlstate, "57P01");
		if (is_busy) {
			assert_int_equal(busy.dones, 1);
			assert_int_equal(busy.why.cause, PG_CAUSE_SHUTDOWN);
			assert_true(behind.dones == 1 && !behind.is_ok);
		}
		watched_free(w);
	}
	PQfinish(pg);
}

/* A close is told once, when the server no longer counts the connection. */
static void
run_closed(void **state)
{
	PGconn *pg = pg_open(cluster, "postgres", "postgres");

	(void)state;
	for (int how = 0; how < 3; how++) {
		struct watched *w = watched_new(base, NULL);
		struct asked a = { 0 };
		_cleanup_free_ char *sql = NULL, *count = NULL;

		w->free_on_closed = how == 1;
		watched_up(w, dsn);
		sql = xasprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d",
		    pg_session_backend_pid(w->session));
		assert_int_equal(
		    ask_start(w, &a, how == 2 ? "SELECT pg_sleep(0.2)" : "SELECT 1"), 0);
		pg_session_close(w->session);
		pg_session_close(w->session);
		assert_int_equal(w->closes, 0);
		assert_int_equal(watched_connect(w, dsn, NULL, USEC_PER_SEC), -EBUSY);
		run_until(base, w->closes > 0);
		count = pg_ask(pg, sql);
		assert_string_equal(count, "0");
		assert_int_equal(a.dones, 1);
		assert_int_equal(w->losts, 0);
		watched_free(w);
	}
	PQfinish(pg);
}

/* Rows are told while the statement still runs. */
static void
run_rows_at_once(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked a = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(ask_start(w, &a,
	                     "SELECT repeat('x', 1000), CASE WHEN g > 50 THEN pg_sleep(0.5) END "
	                     "FROM generate_series(1, 51) g"),
	    0);
	run_until(base, a.rows > 0);
	assert_false(a.is_done);
	watched_free(w);
}

/* Freed or closed inside any callback. */
static void
run_freed_inside(void **state)
{
	(void)state;
	for (int how = 0; how < 5; how++) {
		struct watched *w = watched_new(base, NULL);
		struct asked a = {
			.free_on_row = how == 0, .free_on_done = how == 1, .close_on_row = how == 2
		};
		struct asked behind = { 0 };
		_cleanup_free_ char *nobody = pg_cluster_dsn(cluster, "postgres", "nobody");

		w->free_on_connect = how == 3;
		if (how == 3) {
			assert_int_equal(watched_connect(w, nobody, NULL, USEC_PER_SEC), 0);
			run_until(base, !w->session);
			free(w);
			continue;
		}
		watched_up(w, dsn);
		w->free_on_lost = how == 4;
		assert_int_equal(ask_start(w, &a, "SELECT generate_series(1, 1000)"), 0);
		assert_int_equal(ask_start(w, &behind, "SELECT 2"), 0);
		if (how == 4)
			pg_session_close(w->session);
		run_until(base, !w->session || pg_session_state(w->session) == PG_DOWN);
		assert_int_equal(w->losts, 0);
		if (how < 2)
			assert_int_equal(behind.dones, 0); /* freed: without callbacks */
		else
			assert_int_equal(behind.dones, 1);
		watched_free(w);
	}
}

/* ---- peers that do not answer ---- */

/* A socket that listens and never accepts. */
static void
run_silent_peer(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct watched *w = watched_new(base, NULL);
	_cleanup_free_ char *silent = NULL;
	int64_t begun;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	silent = xasprintf("hostaddr=127.0.0.1 port=%d user=u sslmode=disable passfile=/dev/null",
	    ntohs(in.sin_port));
	begun = clock_now_us();
	assert_int_equal(watched_connect(w, silent, NULL, 200 * USEC_PER_MSEC), 0);
	run_until(base, w->connects > 0);
	assert_true(clock_now_us() - begun < 5 * USEC_PER_SEC);
	assert_int_equal(w->why.cause, PG_CAUSE_TIMEOUT);
	assert_int_equal(pg_session_state(w->session), PG_UNANSWERED);
	assert_int_equal(watched_connect(w, silent, NULL, USEC_PER_SEC), -EBUSY);
	run_for(base, 300 * USEC_PER_MSEC);
	assert_int_equal(w->connects, 1); /* told once */
	close(fd);                        /* the kept attempt ends: told again */
	run_until(base, w->connects > 1);
	assert_int_equal(w->why.cause, PG_CAUSE_UNREACHABLE);
	assert_int_equal(pg_session_state(w->session), PG_DOWN);
	watched_free(w);
}

/* A stopped server's backlog that is full: told at once, nothing kept, nothing spins. */
static void
run_full_backlog(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct watched *first = watched_new(base, NULL), *second = watched_new(base, NULL);
	_cleanup_free_ char *full =
	    xasprintf("host=%s port=7000 user=u passfile=/dev/null", cluster->host);

	(void)state;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.7000", cluster->host);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(watched_connect(first, full, NULL, 200 * USEC_PER_MSEC), 0);
	run_until(base, first->connects > 0);
	assert_int_equal(pg_session_state(first->session), PG_UNANSWERED);
	assert_int_equal(watched_connect(second, full, NULL, 200 * USEC_PER_MSEC), 0);
	run_until(base, second->connects > 0);
	assert_int_equal(second->why.cause, PG_CAUSE_TIMEOUT);
	assert_int_equal(pg_session_state(second->session), PG_DOWN);
	close(fd);
	watched_free(first);
	watched_free(second);
}

static size_t
server_connections(void)
{
	PGconn *pg = pg_open(cluster, "postgres", "postgres");
	_cleanup_free_ char *n = pg_ask(
	    pg, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbhealthd'");

	PQfinish(pg);
	return (size_t)atoi(n);
}

/* The whole server stopped under a kept session and a fresh connect, then continued. */
static void
run_stopped_server(void **state)
{
	struct watched *home = watched_new(base, NULL), *visitor = watched_new(base, NULL);
	struct asked a = { 0 }, behind = { 0 }, after = { 0 };

	(void)state;
	watched_up(home, dsn);
	pg_cluster_signal_all(cluster, SIGSTOP);
	assert_int_equal(watched_connect(visitor, dsn, NULL, 100 * USEC_PER_MSEC), 0);
	assert_int_equal(
	    ask_with(home, &a, &(struct pg_statement){ .sql = "SELECT 1" }, 200 * USEC_PER_MSEC),
	    0);
	assert_int_equal(ask_start(home, &behind, "SELECT 1"), 0);
	run_until(base, home->losts > 0 && visitor->connects > 0);
	assert_int_equal(home->why.cause, PG_CAUSE_TIMEOUT);
	assert_int_equal(a.why.cause, PG_CAUSE_TIMEOUT);
	assert_int_equal(behind.why.cause, PG_CAUSE_LOST);
	assert_int_equal(visitor->why.cause, PG_CAUSE_TIMEOUT);
	assert_int_equal(watched_connect(home, dsn, NULL, 100 * USEC_PER_MSEC), 0);
	run_until(base, home->connects > 1);
	assert_int_equal(pg_session_state(home->session), PG_UNANSWERED);
	pg_cluster_signal_all(cluster, SIGCONT);
	run_until(base, home->is_up && visitor->is_up);
	assert_int_equal(home->connects, 3);
	assert_int_equal(visitor->connects, 2);
	ask(home, &after, "SELECT 'back'");
	assert_string_equal(after.first[0], "back");
	run_until(base, server_connections() <= 2);
	watched_free(home);
	watched_free(visitor);
}

/* Only the postmaster stopped: the kept session is well, a fresh one is not answered. */
static void
run_stopped_postmaster(void **state)
{
	struct watched *home = watched_new(base, NULL), *fresh = watched_new(base, NULL);
	struct asked a = { 0 };

	(void)state;
	watched_up(home, dsn);
	kill(cluster->pid, SIGSTOP);
	assert_int_equal(watched_connect(fresh, dsn, NULL, 100 * USEC_PER_MSEC), 0);
	ask(home, &a, "SELECT 1");
	assert_true(a.is_ok);
	run_until(base, fresh->connects > 0);
	assert_int_equal(fresh->why.cause, PG_CAUSE_TIMEOUT);
	fresh->session = pg_session_free(fresh->session); /* given up while kept */
	kill(cluster->pid, SIGCONT);
	watched_free(fresh);
	watched_free(home);
}

static void
on_log(enum log_level level, const char *line, void *arg)
{
	struct str *all = arg;

	if (level == LOG_LEVEL_INFO)
		str_addf(all, "%s\n", line);
}

/* echo: each statement in one line with its time, whatever is in it. */
static void
run_echo(void **state)
{
	struct watched *w =
	    watched_new(base, &(struct pg_session_options){ .name = "orders", .echo = true });
	_cleanup_str_ struct str all = { 0 };
	struct asked a = { 0 }, bad = { 0 };

	(void)state;
	log_init(LOG_LEVEL_INFO, on_log, &all);
	watched_up(w, dsn);
	ask(w, &a, "SELECT 1\n, 2");
	ask(w, &bad, "SELECT 1/0");
	log_init(LOG_LEVEL_WARNING, NULL, NULL);
	assert_true(str_starts(str_text(&all), "orders: statement took "));
	assert_non_null(strstr(str_text(&all), " ms: SELECT 1\\n, 2\n"));
	assert_non_null(strstr(str_text(&all), " and failed: SELECT 1/0\n"));
	watched_free(w);
}

/* Freed in the middle of a long statement: the server ends it by itself, long before its timeout. */
static void
run_orphan_ends(void **state)
{
	struct watched *w = watched_new(base, &(struct pg_session_options){ .name = "orphan",
	                                          .statement_timeout_us = 60 * USEC_PER_SEC });
	PGconn *pg = pg_open(cluster, "postgres", "postgres");
	_cleanup_free_ char *sql = NULL, *count = NULL;
	struct asked a = { 0 };

	(void)state;
	watched_up(w, dsn);
	sql = xasprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active'",
	    pg_session_backend_pid(w->session));
	assert_int_equal(ask_with(w, &a, &(struct pg_statement){ .sql = "SELECT pg_sleep(50)" },
	                     90 * USEC_PER_SEC),
	    0);
	do {
		free(count);
		count = pg_ask(pg, sql);
	} while (streq(count, "0"));
	w->session = pg_session_free(w->session);
	run_until(base, (free(count), count = pg_ask(pg, sql), streq(count, "0")));
	PQfinish(pg);
	watched_free(w);
}

/* A backend killed hard: the server restarts all of them. */
static void
run_crash(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked a = { 0 };

	(void)state;
	watched_up(w, dsn);
	assert_int_equal(ask_start(w, &a, "SELECT pg_sleep(5)"), 0);
	run_for(base, 20 * USEC_PER_MSEC);
	kill(pg_session_backend_pid(w->session), SIGKILL);
	run_until(base, w->losts > 0);
	assert_int_equal(w->why.cause, PG_CAUSE_LOST);
	assert_int_equal(a.dones, 1);
	assert_int_equal(a.why.cause, PG_CAUSE_LOST);
	watched_free(w);
	pg_cluster_wait(cluster);
}

/* Shutting down, down, and starting: a standby that does not take connections. */
static void
run_shutdown_and_start(void **state)
{
	struct watched *w = watched_new(base, NULL);
	PGconn *holds;
	int before;

	(void)state;
	pg_cluster_wait(cluster); /* the test before may have left it in recovery */
	holds = pg_open(cluster, "postgres", "postgres");
	kill(cluster->pid, SIGTERM); /* waits for holds */
	do {
		before = w->connects;
		if (w->is_up)
			pg_session_close(w->session);
		run_until(base, pg_session_state(w->session) == PG_DOWN);
		assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
		run_until(base, w->connects > before);
	} while (w->is_up);
	assert_int_equal(w->why.cause, PG_CAUSE_SHUTDOWN);
	PQfinish(holds);
	pg_cluster_stop(cluster, SIGINT);
	before = w->connects;
	assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > before);
	assert_int_equal(w->why.cause, PG_CAUSE_REFUSED);
	pg_cluster_write(cluster, "data/standby.signal", "");
	pg_cluster_write(cluster, "data/postgresql.auto.conf", "hot_standby = off\n");
	pg_cluster_start(cluster);
	do {
		before = w->connects;
		assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
		run_until(base, w->connects > before);
	} while (w->why.cause == PG_CAUSE_REFUSED);
	assert_int_equal(w->why.cause, PG_CAUSE_STARTING);
	assert_string_equal(w->why.err.sqlstate, "57P03");
	watched_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_connects),
		cmocka_unit_test(run_refusals),
		cmocka_unit_test(run_full),
		cmocka_unit_test(run_settings),
		cmocka_unit_test(run_settings_differ),
		cmocka_unit_test(run_pipeline),
		cmocka_unit_test(run_parameters),
		cmocka_unit_test(run_rows),
		cmocka_unit_test(run_timeouts),
		cmocka_unit_test(run_user_statement),
		cmocka_unit_test(run_group_errors),
		cmocka_unit_test(run_prepared),
		cmocka_unit_test(run_prepared_stale),
		cmocka_unit_test(run_terminated),
		cmocka_unit_test(run_closed),
		cmocka_unit_test(run_rows_at_once),
		cmocka_unit_test(run_freed_inside),
		cmocka_unit_test(run_silent_peer),
		cmocka_unit_test(run_full_backlog),
		cmocka_unit_test(run_stopped_server),
		cmocka_unit_test(run_stopped_postmaster),
		cmocka_unit_test(run_echo),
		cmocka_unit_test(run_orphan_ends),
		cmocka_unit_test(run_crash),
		cmocka_unit_test(run_shutdown_and_start),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
