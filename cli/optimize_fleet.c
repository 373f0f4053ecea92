/*
 * `dbhealth optimize FLEET`: one file after the other, in the order of their names.  What goes wrong with
 * one is kept and said of it; the others go on.  ^C ends after the file that is under way.
 */
#include "base/clock.h"
#include "base/str.h"
#include "cli/optimize.h"
#include "report/report.h"

#include <signal.h>
#include <stdio.h>

#define LEAST_US   (100 * USEC_PER_MSEC)
#define SHARE_FILE 4 /* of what is left for measuring, at most a quarter for one file */

struct fleet_run {
	const struct cli *cli;
	const struct stats_targets *targets;
	int64_t measure_us; /* left */
	json_t *plans, *refused;
	int64_t idle; /* files with nothing to do */
	int64_t before, after, expected;
	size_t next;
	int code;
	bool stopped;
};

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	interrupted = sig;
}

/* ---- what came of one ---- */

static bool
was_stopped(const json_t *plan)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(plan, "steps"), i, o)
		if (streq(stats_get(o, "state"), "stopped"))
			return true;
	return false;
}

/* 2 for damage, else 1 for whatever was not done. */
static void
take_code(struct fleet_run *r, int code)
{
	if (code == EXIT_CRITICAL)
		r->code = EXIT_CRITICAL;
	else if (code != EXIT_OK && r->code == EXIT_OK)
		r->code = EXIT_WARNING;
}

static void
refuse(struct fleet_run *r, const struct stats_target *t, int code, const char *why)
{
	json_t *o = json_object();

	json_object_set_new(o, "database", report_string(t->name));
	json_object_set_new(o, "path", report_string(t->path));
	json_object_set_new(o, "why", report_string(why));
	json_array_append_new(r->refused, o);
	take_code(r, code);
}

static void
take_plan(struct fleet_run *r, json_t *plan)
{
	int64_t before = stats_int(json_object_get(plan, "before"), "disk_bytes");
	const json_t *after = json_object_get(json_object_get(plan, "after"), "disk_bytes");

	r->before += before;
	r->after += json_is_integer(after) ? json_integer_value(after) : before;
	r->expected += stats_int(plan, "expected_gain_bytes");
	take_code(r, optimize_exit_code(r->cli, plan));
	if (was_stopped(plan))
		r->stopped = true;
	if (optimize_is_empty(plan) && json_array_size(json_object_get(plan, "left_out")) == 0)
		r->idle++;
	else
		json_array_append(r->plans, plan);
	json_decref(plan);
}

/* ---- one after the other ---- */

static void
show(const struct fleet_run *r)
{
	if (!r->cli->o.quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%zu of %zu files", r->next, r->targets->n);
}

static void
run_next(struct fleet_run *r)
{
	const struct stats_target *t = &r->targets->v[r->next++];
	bool last = r->next == r->targets->n;
	int64_t start = clock_now_us(), budget = last ? r->measure_us : r->measure_us / SHARE_FILE;
	json_t *plan = NULL;
	struct err e = { 0 };
	int code;

	if (r->measure_us <= 0) {
		refuse(r, t, EXIT_WARNING, "not reached in time; try a longer --budget");
		return;
	}
	code = optimize_file(r->cli, t, MAX(budget, LEAST_US), &plan, &e);
	if (code == 0) {
		int64_t ran_us = 0;
		const json_t *o;
		size_t i;

		/* The budget is for measuring; what is run takes as long as it takes. */
		json_array_foreach (json_object_get(plan, "steps"), i, o)
			ran_us += stats_int(o, "ms") * USEC_PER_MSEC;
		r->measure_us += ran_us;
		take_plan(r, plan);
	} else {
		refuse(r, t, code, e.msg);
		r->stopped = r->stopped || e.code == -ECANCELED;
	}
	r->measure_us -= clock_now_us() - start;
}

static void
run_all(struct fleet_run *r)
{
	struct sigaction ours = { .sa_handler = on_signal }, was[2];

	interrupted = 0;
	sigaction(SIGINT, &ours, &was[0]);
	sigaction(SIGTERM, &ours, &was[1]);
	while (r->next < r->targets->n && !interrupted && !r->stopped) {
		show(r);
		run_next(r);
	}
	sigaction(SIGINT, &was[0], NULL);
	sigaction(SIGTERM, &was[1], NULL);
	if (!r->cli->o.quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (r->next < r->targets->n) {
		r->stopped = true;
		take_code(r, EXIT_WARNING);
	}
}

int
optimize_fleet(const struct cli *cli, const struct stats_targets *t, json_t **ret)
{
	struct fleet_run r = { .cli = cli,
		.targets = t,
		.measure_us = cli->o.budget_us,
		.plans = json_array(),
		.refused = json_array(),
		.code = t->n == 0 ? EXIT_UNKNOWN : EXIT_OK };
	json_t *o = json_object();

	run_all(&r);
	json_object_set_new(o, "fleet", report_string(t->name));
	json_object_set_new(o, "pattern", report_string(t->pattern));
	json_object_set_new(o, "left_out", report_string(t->note));
	json_object_set_new(o, "dry_run", json_boolean(cli->o.dry_run));
	json_object_set_new(o, "files", json_integer((json_int_t)t->n));
	json_object_set_new(o, "nothing_to_do", json_integer(r.idle));
	json_object_set_new(o, "not_reached", json_integer((json_int_t)(t->n - r.next)));
	json_object_set_new(o, "before_disk_bytes", json_integer(r.before));
	json_object_set_new(o, "expected_gain_bytes", json_integer(r.expected));
	json_object_set_new(
	    o, "gained_bytes", cli->o.dry_run ? json_null() : json_integer(r.before - r.after));
	json_object_set_new(o, "plans", r.plans);
	json_object_set_new(o, "refused", r.refused);
	*ret = o;
	return r.code;
}
