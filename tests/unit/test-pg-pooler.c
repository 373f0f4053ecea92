/* Behind PgBouncer in transaction mode, one server connection shared by all clients. */
#include "base/str.h"
#include "pg-support.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static struct pg_cluster *cluster;
static struct event_base *base;
/* Two poolers: one refuses the options, one swallows them. */
static const struct {
	int port;
	const char *ignored, *mode;
} poolers[] = {
	{ 6432, "extra_float_digits", "transaction" },
	{ 6433, "extra_float_digits, options", "transaction" },
	{ 6434, "extra_float_digits", "statement" },
};
static pid_t pids[ARRAY_SIZE(poolers)];

static char *
pooler_dsn(size_t i, const char *user)
{
	return xasprintf("host=%s port=%d dbname=postgres user=%s passfile=/dev/null/none",
	    cluster->host, poolers[i].port, user);
}

static void
start_pooler(size_t i)
{
	_cleanup_free_ char *file = xasprintf("bouncer%zu.ini", i),
	                    *dsn = pooler_dsn(i, "postgres");
	_cleanup_free_ char *text =
	    xasprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\n"
	              "listen_addr =\nlisten_port = %d\nunix_socket_dir = %s\nauth_type = trust\n"
	              "auth_file = users.txt\npool_mode = %s\ndefault_pool_size = 1\n"
	              "ignore_startup_parameters = %s\n",
	        cluster->host, cluster->port, poolers[i].port, cluster->host, poolers[i].mode,
	        poolers[i].ignored);
	const char *const argv[] = { "/usr/sbin/pgbouncer", file, NULL };
	int tries = 0;

	pg_cluster_write(cluster, file, text);
	pids[i] = pg_cluster_spawn(cluster, argv);
	pg_cluster_guard(cluster, pids[i]);
	while (PQping(dsn) != PQPING_OK && tries++ < 1000)
		poll(NULL, 0, 5);
	assert_true(tries < 1000);
}

static int
set_up(void **state)
{
	PGconn *pg;

	(void)state;
	base = event_base_new();
	cluster = pg_cluster_new("");
	pg = pg_open(cluster, "postgres", "postgres");
	pg_do(pg, "CREATE ROLE app LOGIN");
	PQfinish(pg);
	pg_cluster_write(cluster, "users.txt", "\"postgres\" \"\"\n\"app\" \"\"\n");
	for (size_t i = 0; i < ARRAY_SIZE(poolers); i++)
		start_pooler(i);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(poolers); i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	pg_cluster_free(cluster);
	event_base_free(base);
	return 0;
}

/* The application next to us: same pool, same role, same backend. */
static char *
app_sees(PGconn *app, const char *name)
{
	_cleanup_free_ char *sql = xasprintf("SELECT current_setting('%s')", name);

	return pg_ask(app, sql);
}

static void
pollute(struct watched *w)
{
	static const char *const user_sql[] = {
		("DO $$ BEGIN SET default_transaction_read_only = on;"
		 " SET statement_timeout = 1; END $$"),
		"SELECT set_config('search_path', 'pg_temp', false)",
		"SELECT 1/0",
		"SELECT pg_sleep(9)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(user_sql); i++) {
		struct asked a = { 0 };

		assert_int_equal(
		    ask_with(w, &a,
		        &(struct pg_statement){
		            .sql = user_sql[i], .user = true, .timeout_us = 200 * USEC_PER_MSEC },
		        8 * USEC_PER_SEC),
		    0);
		run_until(base, a.is_done);
		assert_int_equal(a.is_ok, i < 2);
	}
}

static void
run_pooled(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *dsn = pooler_dsn(i, "app");
		struct watched *w = watched_new(
		    base, &(struct pg_session_options){ .name = "pooled", .keep_prepared = true });
		PGconn *app = PQconnectdb(dsn);
		struct asked named = { 0 }, inside = { 0 };
		_cleanup_free_ char *pid = NULL, *names = NULL, *read_only = NULL, *path = NULL,
		                    *limit = NULL;

		assert_int_equal(PQstatus(app), CONNECTION_OK);
		watched_up(w, dsn);
		assert_true(pg_session_is_pooled(w->session));
		assert_int_equal(pg_session_server_version(w->session) / 10000, 15);
		for (int twice = 0; twice < 2; twice++) {
			named = (struct asked){ 0 };
			assert_int_equal(ask_with(w, &named,
			                     &(struct pg_statement){ .name = "a-check",
			                         .sql = "SELECT pg_backend_pid()" },
			                     8 * USEC_PER_SEC),
			    0);
			run_until(base, named.is_done);
			assert_true(named.is_ok);
		}
		/* what is set holds inside a group */
		ask(w, &inside,
		    "SELECT current_setting('search_path') || ' ' || "
		    "current_setting('transaction_read_only') || ' ' || "
		    "current_setting('lock_timeout') || ' ' || "
		    "current_setting('statement_timeout')");
		assert_string_equal(inside.first[0], "pg_catalog on 100ms 5s");
		pollute(w);
		pid = pg_ask(app, "SELECT pg_backend_pid()");
		assert_string_equal(pid, named.first[0]); /* so the rest means something */
		read_only = app_sees(app, "default_transaction_read_only");
		path = app_sees(app, "search_path");
		limit = app_sees(app, "statement_timeout");
		names = pg_ask(app, "SELECT count(*) FROM pg_prepared_statements");
		assert_string_equal(read_only, "off");
		assert_string_equal(path, "\"$user\", public");
		assert_string_equal(limit, "0");
		assert_string_equal(names, "0");
		pg_do(app, "CREATE TEMP TABLE t (i int)");
		pg_do(app, "DROP TABLE t");
		/* known from now on: the second connect is not refused first */
		pg_session_close(w->session);
		run_until(base, pg_session_state(w->session) == PG_DOWN);
		watched_up(w, dsn);
		assert_true(pg_session_is_pooled(w->session));
		PQfinish(app);
		watched_free(w);
	}
}

/* Eight in flight through one backend, an error between them. */
static void
run_pipeline(void **state)
{
	_cleanup_free_ char *dsn = pooler_dsn(0, "app");
	struct watched *w = watched_new(base, NULL);
	struct asked a[PG_PIPELINE_MAX] = { 0 };

	(void)state;
	watched_up(w, dsn);
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++)
		assert_int_equal(ask_start(w, &a[i], i == 3 ? "SELECT 1/0" : "SELECT 7"), 0);
	run_until(base, a[PG_PIPELINE_MAX - 1].is_done);
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++)
		assert_int_equal(a[i].is_ok, i != 3);
	assert_string_equal(a[3].why.err.sqlstate, "22012");
	watched_free(w);
}

/* Where no transaction is possible, no setting is: refused in words rather than run without. */
static void
run_statement_mode(void **state)
{
	_cleanup_free_ char *dsn = pooler_dsn(2, "app");
	struct watched *w = watched_new(base, NULL);

	(void)state;
	assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 0);
	assert_false(w->is_up);
	assert_non_null(strstr(w->why.err.msg, "pool_mode=statement"));
	watched_free(w);
}

static void
run_refusals(void **state)
{
	_cleanup_free_ char *nobody = pooler_dsn(0, "nobody"), *dsn = pooler_dsn(0, "app");
	struct watched *w = watched_new(base, NULL);

	(void)state;
	assert_int_equal(watched_connect(w, nobody, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 0);
	assert_string_equal(pg_cause_names[w->why.cause], "auth");
	assert_int_equal(watched_connect(w, dsn, "absent", 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 1);
	assert_string_equal(pg_cause_names[w->why.cause], "no-database");
	watched_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_pooled),
		cmocka_unit_test(run_pipeline),
		cmocka_unit_test(run_statement_mode),
		cmocka_unit_test(run_refusals),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
