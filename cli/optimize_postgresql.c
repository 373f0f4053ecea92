/* What is due in a PostgreSQL database, done by the rights of whoever may. */
#include "cli/optimize_postgresql.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/init_sql.h"
#include "cli/stats.h"
#include "pg/direct.h"
#include "report/report.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define BUDGET_US       (10 * 60 * USEC_PER_SEC)
#define LOCK_TIMEOUT_US (2 * USEC_PER_SEC)
#define LEAST_US        (100 * USEC_PER_MSEC) /* nothing is begun for less */
/* "dbho": two of us never work on one database at once. */
#define LOCK_SQL "SELECT pg_catalog.pg_try_advisory_lock(1684170863, 1)"

enum column { KIND = 0, SCHEMA, NAME, STATEMENT, WHY, BYTES, GAIN };

struct act {
	const struct cli *cli;
	struct pg_direct *d;
	json_t *plan, *steps;
	int64_t until_us;
};

/* ---- ^C ends the statement that runs; what is through stays ---- */

static struct pg_cancel *canceller;
static volatile sig_atomic_t stopped;

static void
on_interrupt(int sig)
{
	(void)sig;
	stopped = 1;
	pg_cancel_now(canceller);
}

static void
catch_interrupts(struct pg_direct *d)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };

	canceller = pg_direct_canceller(d);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void
release_interrupts(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	canceller = pg_cancel_free(canceller);
}

/* ---- questions ---- */

/* The first cell, owned; NULL: SQL NULL, no row, or an error. */
static char *
ask(struct pg_direct *d, const char *sql, const char *param)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct err e = { 0 };

	if (pg_direct_query(d, sql, &param, param ? 1 : 0, &rows, &e) < 0 ||
	    pg_rows_count(rows) == 0)
		return NULL;
	return pg_rows_get(rows, 0, 0) ? xstrdup(pg_rows_get(rows, 0, 0)) : NULL;
}

/* Who builds, rewrites or vacuums here by hand; autovacuum gives way by itself. */
static char *
other_heavy(struct pg_direct *d)
{
	return ask(d,
	    "SELECT pg_catalog.format('pid %s: %s', a.pid, pg_catalog.left(a.query, 60))"
	    " FROM pg_catalog.pg_stat_activity AS a JOIN ("
	    "SELECT pid, datid FROM pg_catalog.pg_stat_progress_create_index"
	    " UNION ALL SELECT pid, datid FROM pg_catalog.pg_stat_progress_cluster"
	    " UNION ALL SELECT pid, datid FROM pg_catalog.pg_stat_progress_vacuum) AS p USING (pid)"
	    " WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()"
	    " AND p.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
	    "pg_catalog.current_database()) ORDER BY a.query_start LIMIT 1",
	    NULL);
}

static void
add_note(json_t *plan, char *take_text)
{
	if (take_text)
		json_array_append_new(json_object_get(plan, "notes"), report_string(take_text));
	free(take_text);
}

/* Who sees rows that are dead to all others keeps VACUUM from taking them. */
static char *
old_snapshot(struct pg_direct *d)
{
	return ask(d,
	    "SELECT pg_catalog.format('VACUUM takes no row that pid %s (%s) may still see, whose "
	    "transaction began at %s', pid, coalesce(nullif(application_name, ''), usename),"
	    " pg_catalog.to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS'))"
	    " FROM pg_catalog.pg_stat_activity WHERE backend_xmin IS NOT NULL"
	    " AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()"
	    " AND xact_start < pg_catalog.now() - interval '5 minutes' ORDER BY xact_start LIMIT 1",
	    NULL);
}

static json_t *
step_of(const struct pg_rows *rows, size_t i)
{
	const char *schema = pg_rows_get(rows, i, SCHEMA), *name = pg_rows_get(rows, i, NAME);
	_cleanup_free_ char *object = xasprintf("%s.%s", schema, name);
	json_t *o = json_object();

	json_object_set_new(o, "kind", report_string(pg_rows_get(rows, i, KIND)));
	json_object_set_new(o, "object", report_string(object));
	json_object_set_new(o, "sql", report_string(pg_rows_get(rows, i, STATEMENT)));
	json_object_set_new(o, "why", report_string(pg_rows_get(rows, i, WHY)));
	json_object_set_new(o, "bytes", json_integer(atoll(pg_rows_get(rows, i, BYTES))));
	json_object_set_new(
	    o, "expected_gain_bytes", json_integer(atoll(pg_rows_get(rows, i, GAIN))));
	json_object_set_new(o, "state", json_string("planned"));
	return o;
}

static int
make_plan(struct act *a, const struct admin_target *t, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int64_t gain = 0;
	int r = pg_direct_query(a->d, cli_sql("optimize_work"), NULL, 0, &rows, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		gain += atoll(pg_rows_get(rows, i, GAIN));
		json_array_append_new(a->steps, step_of(rows, i));
	}
	json_object_set_new(a->plan, "database", report_string(t->db->name));
	json_object_set_new(a->plan, "engine", json_string("postgresql"));
	json_object_set_new(a->plan, "dry_run", json_boolean(a->cli->o.dry_run));
	json_object_set_new(a->plan, "expected_gain_bytes", json_integer(gain));
	json_object_set_new(a->plan, "gained_bytes", json_null());
	json_object_set(a->plan, "steps", a->steps);
	json_object_set_new(a->plan, "notes", json_array());
	add_note(a->plan, old_snapshot(a->d));
	return 0;
}

/* ---- work ---- */

static int64_t
size_of(struct pg_direct *d, const json_t *step)
{
	/* By its name: a rebuilt index is another relation.  Pages as the catalogue has them: no lock. */
	_cleanup_free_ char *bytes = ask(d,
	    "SELECT c.relpages * pg_catalog.current_setting('block_size')::bigint"
	    " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = "
	    "c.relnamespace"
	    " WHERE n.nspname || '.' || c.relname = $1 LIMIT 1",
	    stats_get(step, "object"));

	return bytes ? atoll(bytes) : 0;
}

/* What a REINDEX CONCURRENTLY that was stopped leaves behind, which every write would keep up. */
static void
drop_leftover(struct act *a, const json_t *step)
{
	_cleanup_free_ char *sql = ask(a->d,
	    "SELECT pg_catalog.format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, x.relname)"
	    " FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid"
	    " JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace"
	    " WHERE NOT i.indisvalid AND n.nspname || '.' || x.relname = $1 || '_ccnew'",
	    stats_get(step, "object"));
	struct err e = { 0 };

	if (sql && pg_direct_do(a->d, sql, &e) < 0) {
		_cleanup_free_ char *why = show_text(e.msg);

		add_note(a->plan, xasprintf("%s is to be run again: %s", sql, why));
	}
}

static int
set_limits(struct act *a, struct err *e)
{
	int64_t lock_us = a->cli->o.timeout_us > 0 ? a->cli->o.timeout_us : LOCK_TIMEOUT_US;
	int64_t left_us = MAX(a->until_us - clock_now_us(), USEC_PER_MSEC);
	/* As gently as autovacuum works. */
	_cleanup_free_ char *sql = xasprintf(
	    "SET lock_timeout = '%lldms'; SET statement_timeout = '%lldms';"
	    " SELECT pg_catalog.set_config('vacuum_cost_delay', CASE pg_catalog.current_setting("
	    "'autovacuum_vacuum_cost_delay') WHEN '-1' THEN pg_catalog.current_setting("
	    "'vacuum_cost_delay') ELSE pg_catalog.current_setting('autovacuum_vacuum_cost_delay') "
	    "END, false)",
	    (long long)(lock_us / USEC_PER_MSEC), (long long)(left_us / USEC_PER_MSEC));

	return pg_direct_do(a->d, sql, e);
}

static void
end_step(json_t *step, const char *state, int64_t ms, const char *text)
{
	json_object_set_new(step, "state", json_string(state));
	json_object_set_new(step, "ms", json_integer(ms));
	json_object_set_new(step, "text", report_string(text));
}

static void
run_step(struct act *a, json_t *step)
{
	int64_t begun = clock_now_us(), after;
	const char *sql = stats_get(step, "sql");
	bool rebuilds = streq(stats_get(step, "kind"), "reindex");
	struct err e = { 0 };
	int r = set_limits(a, &e);

	if (r == 0)
		r = pg_direct_do(a->d, sql, &e);
	if (r < 0) {
		_cleanup_free_ char *why = show_text(e.msg);
		struct err ignored = { 0 };

		end_step(step, stopped ? "stopped" : "failed",
		    (clock_now_us() - begun) / USEC_PER_MSEC, why);
		if (rebuilds && pg_direct_do(a->d, "SET statement_timeout = '60s'", &ignored) == 0)
			drop_leftover(a, step);
		return;
	}
	if (*pg_direct_warning(a->d)) {
		_cleanup_free_ char *why = show_text(pg_direct_warning(a->d));

		end_step(step, "skipped", (clock_now_us() - begun) / USEC_PER_MSEC, why);
		return;
	}
	after = size_of(a->d, step);
	end_step(step, "done", (clock_now_us() - begun) / USEC_PER_MSEC, "");
	json_object_set_new(step, "bytes_after", json_integer(after));
}

static void
show_progress(const struct act *a, size_t i)
{
	_cleanup_free_ char *sql = NULL;

	if (!isatty(STDERR_FILENO) || a->cli->o.quiet)
		return;
	sql = show_text(stats_get(json_array_get(a->steps, i), "sql"));
	fprintf(stderr, "\r\033[K%zu of %zu: %.60s", i + 1, json_array_size(a->steps), sql);
}

/* Why the rest is left; NULL: it is not; owned. */
static char *
why_leave(struct act *a)
{
	_cleanup_free_ char *heavy = NULL;

	if (stopped)
		return xstrdup("stopped");
	if (clock_now_us() + LEAST_US >= a->until_us)
		return xstrdup("the time is over (--budget)");
	if (pg_direct_state(a->d) == PG_DIRECT_LOST)
		return xstrdup("the connection is lost");
	heavy = other_heavy(a->d);
	return heavy ? xasprintf("another heavy statement runs: %s", heavy) : NULL;
}

static void
run_steps(struct act *a)
{
	int64_t gained = 0;
	json_t *step;
	size_t i;

	json_array_foreach (a->steps, i, step) {
		_cleanup_free_ char *why = why_leave(a);

		if (why) {
			add_note(a->plan,
			    xasprintf("%zu of %zu steps are left: %s",
			        json_array_size(a->steps) - i, json_array_size(a->steps), why));
			break;
		}
		show_progress(a, i);
		run_step(a, step);
		if (json_object_get(step, "bytes_after") &&
		    !str_starts(stats_get(step, "kind"), "analyze"))
			gained += stats_int(step, "bytes") - stats_int(step, "bytes_after");
	}
	if (isatty(STDERR_FILENO) && !a->cli->o.quiet)
		fputs("\r\033[K", stderr);
	json_object_set_new(a->plan, "gained_bytes", json_integer(gained));
}

/* ---- the command ---- */

static size_t
count(const json_t *steps, const char *state)
{
	const json_t *o;
	size_t i, n = 0;

	json_array_foreach (steps, i, o)
		n += streq(stats_get(o, "state"), state);
	return n;
}

/* For whoever runs it as a job: whether all went well, in a line. */
static bool
conclude(struct act *a)
{
	size_t n = json_array_size(a->steps), done = count(a->steps, "done");
	bool ok = a->cli->o.dry_run || done == n;
	_cleanup_free_ char *message = NULL;

	if (n == 0)
		message = xstrdup("nothing is due");
	else if (a->cli->o.dry_run)
		message = xasprintf("%zu step%s due", n, n == 1 ? " is" : "s are");
	else
		message = xasprintf("%zu of %zu steps done", done, n);
	json_object_set_new(a->plan, "ok", json_boolean(ok));
	json_object_set_new(a->plan, "message", report_string(message));
	return ok;
}

static int
refuse(const struct cli *cli, const struct admin_target *t, int code, const char *why)
{
	_cleanup_free_ char *name = show_text(t->db->name), *shown = show_text(why);

	return cli_fail(cli, code, "optimize: %s: %s.", name, shown);
}

static int
work(struct act *a, const struct admin_target *t)
{
	_cleanup_free_ char *standby = ask(a->d, "SELECT pg_catalog.pg_is_in_recovery()", NULL);
	_cleanup_free_ char *mine = NULL, *heavy = NULL, *text = NULL;
	struct err e = { 0 };
	bool ok;

	if (!standby || streq(standby, "t"))
		return refuse(a->cli, t, EXIT_UNAVAILABLE,
		    "a standby, which does what its primary does. Name the primary");
	mine = a->cli->o.dry_run ? NULL : ask(a->d, LOCK_SQL, NULL);
	if (mine && streq(mine, "f"))
		return refuse(a->cli, t, 75, "another dbhealth optimize works on it");
	if (make_plan(a, t, &e) < 0)
		return refuse(a->cli, t, EXIT_WARNING, e.msg);
	heavy = a->cli->o.dry_run || json_array_size(a->steps) == 0 ? NULL : other_heavy(a->d);
	if (heavy) {
		_cleanup_free_ char *why = xasprintf(
		    "another heavy statement runs (%s); nothing was begun. Try when it is done",
		    heavy);

		return refuse(a->cli, t, EXIT_UNAVAILABLE, why);
	}
	if (!a->cli->o.dry_run) {
		catch_interrupts(a->d);
		run_steps(a);
		release_interrupts();
	}
	ok = conclude(a);
	text = optimize_postgresql_text(a->plan, a->cli);
	if (a->cli->o.output == OUTPUT_JSON)
		cli_print_json(a->cli, a->plan);
	else
		cli_print(a->cli, text);
	return ok ? EXIT_OK : EXIT_WARNING;
}

int
optimize_postgresql(const struct cli *cli, const struct admin_target *t)
{
	struct act a = { .cli = cli, .plan = json_object(), .steps = json_array() };
	_cleanup_(pg_direct_freep) struct pg_direct *d = NULL;
	struct pg_failure f = { 0 };
	int r;

	a.until_us = clock_now_us() + (cli->o.work_us > 0 ? cli->o.work_us : BUDGET_US);
	if (pg_direct_open(t->dsn, NULL, &d, &f) < 0) {
		r = refuse(cli, t, f.cause == PG_CAUSE_AUTH ? EXIT_PERMISSION : EXIT_UNAVAILABLE,
		    f.err.msg);
	} else {
		a.d = d;
		r = work(&a, t);
	}
	json_decref(a.steps);
	json_decref(a.plan);
	return r;
}
