/* TLS and TCP: certificates in private copies, refusals with their cause, ends that do not wait. */
#include "base/str.h"
#include "pg-support.h"
#include "pg/plan_impl.h"
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

static struct pg_cluster *cluster;
static struct event_base *base;

static void
make_certificate(const char *name, const char *subject)
{
	_cleanup_free_ char *key = xasprintf("%s.key", name), *crt = xasprintf("%s.crt", name);
	_cleanup_free_ char *cn = xasprintf("/CN=%s", subject),
	                    *san = xasprintf("subjectAltName=DNS:%s", subject);
	const char *const argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", cn, "-addext", san,
		"-keyout", key, "-out", crt, NULL };

	pg_cluster_run(cluster, argv);
}

static int
set_up(void **state)
{
	PGconn *pg;

	(void)state;
	base = event_base_new();
	cluster = pg_cluster_new("listen_addresses = '127.0.0.1'\nssl_cert_file = '../server.crt'\n"
	                         "ssl_key_file = '../server.key'\nssl_ca_file = '../client.crt'\n");
	assert_int_equal(chdir(cluster->root), 0);
	setenv("HOME", cluster->root, 1);
	setenv("RUNTIME_DIRECTORY", cluster->root, 1);
	make_certificate("server", "localhost");
	make_certificate("client", "monitor");
	make_certificate("other", "localhost");
	pg_cluster_write(cluster, "data/pg_hba.conf",
	    "local all all trust\nhostssl all monitor all cert\nhostssl all sealed all "
	    "scram-sha-256\n"
	    "hostnossl all open all trust\n");
	pg = pg_open(cluster, "postgres", "postgres");
	pg_do(pg, "CREATE ROLE monitor LOGIN");
	pg_do(pg, "CREATE ROLE open LOGIN");
	pg_do(pg, "CREATE ROLE sealed LOGIN PASSWORD 'geheim'");
	pg_do(pg, "ALTER SYSTEM SET ssl = on");
	pg_do(pg, "SELECT pg_reload_conf()");
	PQfinish(pg);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	pg_cluster_free(cluster);
	event_base_free(base);
	return 0;
}

/* As the worker makes it, in this process. */
static struct pg_plan *
resolved(const char *fmt)
{
	_cleanup_free_ char *dsn = xasprintf("dbname=postgres port=%d %s", cluster->port, fmt);
	struct pg_plan *plan = NULL;
	json_t *o = NULL;
	struct err e = { 0 };

	if (plan_make(dsn, false, &o, &e) < 0 || plan_from_json(o, &plan, &e) < 0)
		fail_msg("%s: %s", dsn, e.msg);
	json_decref(o);
	return plan;
}

static void
connect_to(struct watched *w, const char *dsn)
{
	struct pg_plan *plan = resolved(dsn);
	int before = w->connects;

	assert_int_equal(pg_session_connect(w->session, plan, NULL, 5 * USEC_PER_SEC), 0);
	pg_plan_unref(plan);
	run_until(base, w->connects > before);
}

#define CERTS " sslcert=client.crt sslkey=client.key"

static void
run_up(void **state)
{
	static const char *const cases[] = {
		"host=localhost user=monitor sslmode=verify-full sslrootcert=server.crt" CERTS,
		"host=127.0.0.1 user=monitor sslmode=verify-ca sslrootcert=server.crt" CERTS,
		"host=127.0.0.1 user=monitor sslmode=require" CERTS,
		"host=127.0.0.1 user=sealed password=geheim sslmode=require",
		"host=127.0.0.1 user=open sslmode=prefer",
		/* the first does not listen, the second has the answer */
		"host=127.0.0.9,127.0.0.1 user=sealed password=geheim",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct watched *w = watched_new(base, NULL);
		struct asked a = { 0 };

		do
			connect_to(w, cases[i]);
		while (i == 0 && !w->is_up &&
		       w->why.cause == PG_CAUSE_TLS); /* ssl = on is being read */
		if (!w->is_up)
			fail_msg("%s: %s", cases[i], w->why.err.msg);
		ask(w, &a, "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()");
		assert_string_equal(a.first[0], i == 4 ? "f" : "t");
		watched_free(w);
	}
}

static void
run_refusals(void **state)
{
	static const struct {
		const char *dsn;
		enum pg_cause cause;
	} cases[] = {
		{ "host=127.0.0.1 user=sealed password=wrong", PG_CAUSE_AUTH },
		{ "host=127.0.0.1 user=sealed", PG_CAUSE_AUTH },
		{ "host=127.0.0.1 user=monitor sslmode=require", PG_CAUSE_AUTH },
		{ "host=127.0.0.1 user=nobody sslmode=require", PG_CAUSE_AUTH },
		{ "host=localhost user=monitor sslmode=verify-full sslrootcert=other.crt" CERTS,
		    PG_CAUSE_TLS },
		{ "host=127.0.0.1 user=monitor sslmode=verify-full sslrootcert=server.crt" CERTS,
		    PG_CAUSE_TLS },
		{ "host=127.0.0.1 user=monitor sslmode=require sslcert=client.crt sslkey=other.key",
		    PG_CAUSE_TLS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct watched *w = watched_new(base, NULL);

		connect_to(w, cases[i].dsn);
		assert_false(w->is_up);
		if (w->why.cause != cases[i].cause)
			fail_msg("%s: %s: %s", cases[i].dsn, pg_cause_names[w->why.cause],
			    w->why.err.msg);
		assert_null(strstr(w->why.err.msg, "wrong"));
		watched_free(w);
	}
}

/* The peer takes nothing any more: neither TLS's close nor Terminate is waited for. */
static void
run_free_does_not_wait(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked a[PG_PIPELINE_MAX] = { 0 };
	_cleanup_free_ char *much = xcalloc(1, 1 << 20);
	int64_t begun;

	(void)state;
	memset(much, ' ', (1 << 20) - 1);
	memcpy(much, "SELECT 1", 8);
	connect_to(w, "host=127.0.0.1 user=sealed password=geheim sslmode=require");
	assert_true(w->is_up);
	pg_cluster_signal_all(cluster, SIGSTOP);
	begun = clock_now_us();
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++) /* more than the socket takes */
		assert_int_equal(ask_start(w, &a[i], much), 0);
	run_for(base, 20 * USEC_PER_MSEC);
	w->session = pg_session_free(w->session);
	assert_true(clock_now_us() - begun < 5 * USEC_PER_SEC);
	pg_cluster_signal_all(cluster, SIGCONT);
	watched_free(w);
}

#define MUCH ((size_t)12 << 20) /* over what both ends of a socket take */

/* Much in both directions at once does not lock. */
static void
run_both_directions(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct asked a[3] = { 0 };
	_cleanup_free_ char *much = xcalloc(1, MUCH);

	(void)state;
	memset(much, ' ', (MUCH)-1);
	memcpy(much, "SELECT repeat('x', 2000) FROM generate_series(1, 2000)", 54);
	connect_to(w, "host=127.0.0.1 user=sealed password=geheim sslmode=require");
	pg_cluster_signal_all(cluster, SIGSTOP); /* so that the sockets fill */
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		assert_int_equal(ask_start(w, &a[i], much), 0);
	run_for(base, 20 * USEC_PER_MSEC);
	pg_cluster_signal_all(cluster, SIGCONT);
	run_until(base, a[ARRAY_SIZE(a) - 1].is_done);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		assert_int_equal(a[i].rows, 2000);
	watched_free(w);
}

/* A service in the environment is the worker's to read: in the loop libpq must not look for it. */
static void
run_service_in_environment(void **state)
{
	struct watched *w = watched_new(base, NULL);
	struct pg_plan *plan = resolved("host=127.0.0.1 user=sealed password=geheim");

	(void)state;
	setenv("PGSERVICE", "absent", 1);
	assert_int_equal(pg_session_connect(w->session, plan, NULL, 5 * USEC_PER_SEC), 0);
	run_until(base, w->connects > 0);
	assert_string_equal(getenv("PGSERVICE"), "absent");
	unsetenv("PGSERVICE");
	assert_true(w->is_up);
	pg_plan_unref(plan);
	watched_free(w);
}

/* Last: without TLS on the server. */
static void
run_server_without_tls(void **state)
{
	struct watched *w = watched_new(base, NULL);
	PGconn *pg = pg_open(cluster, "postgres", "postgres");

	(void)state;
	pg_do(pg, "ALTER SYSTEM SET ssl = off");
	pg_do(pg, "SELECT pg_reload_conf()");
	do {
		if (w->is_up)
			pg_session_close(w->session);
		run_until(base, pg_session_state(w->session) == PG_DOWN);
		connect_to(w, "host=127.0.0.1 user=sealed password=geheim sslmode=require");
	} while (w->is_up);
	assert_int_equal(w->why.cause, PG_CAUSE_TLS);
	PQfinish(pg);
	watched_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_up),
		cmocka_unit_test(run_refusals),
		cmocka_unit_test(run_free_does_not_wait),
		cmocka_unit_test(run_both_directions),
		cmocka_unit_test(run_service_in_environment),
		cmocka_unit_test(run_server_without_tls),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
