/*
 * `dbhealth check`: looks itself, with the engine of the daemon, once.  No daemon, no
 * configuration and no rights but the caller's are needed.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/check_select.h"
#include "cli/cli.h"
#include "monitor/monitor.h"
#include "report/report.h"

#include <event2/event.h>
#include <stdio.h>

#define PROGRESS_US (100 * USEC_PER_MSEC)

/* One look. */
struct look {
	const struct cli *cli;
	struct event_base *base;
	struct monitor *monitor;
	struct event *progress; /* NULL: nobody watches */
	bool shown;
};

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- the result ---- */

static void
add_checks(const json_t *db, json_t *unknown, json_t *not_covered)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(db, "checks"), i, c) {
		const char *status = text_of(c, "status");
		json_t *o;

		if (!streq(status, "unknown") && !streq(status, "not_covered"))
			continue;
		o = json_object();
		json_object_set_new(o, "database", report_string(text_of(db, "name")));
		json_object_set_new(o, "check", report_string(text_of(c, "id")));
		json_object_set_new(o, "reason", report_string(text_of(c, "reason")));
		json_object_set_new(
		    o, "grant", report_string(*text_of(c, "grant") ? text_of(c, "grant") : NULL));
		json_array_append_new(streq(status, "unknown") ? unknown : not_covered, o);
	}
}

/* What is found in a schema that somebody rebuilds is no finding yet. */
static void
add_waiting(const json_t *db, json_t *notes)
{
	const char *why = "";
	const json_t *c;
	size_t i, n = 0;

	json_array_foreach (json_object_get(db, "checks"), i, c) {
		if (!streq(text_of(c, "status"), "pending") || !*text_of(c, "reason"))
			continue;
		why = text_of(c, "reason");
		n++;
	}
	if (n > 0) {
		_cleanup_free_ char *text = xasprintf(
		    "%s: what %zu check%s found may be no fault, the schema is being changed: %s.",
		    text_of(db, "name"), n, n == 1 ? "" : "s", why);

		json_array_append_new(notes, report_string(text));
	}
}

/* All open findings; what our rights do not reach is said in words, it is no finding here. */
static json_t *
all_findings(const struct monitor *m, json_t *notes)
{
	_cleanup_free_ char *cursor = NULL;
	json_t *out = json_array();

	do {
		struct finding_filter filter = { .state = "open", .cursor = cursor, .limit = 1000 };
		json_t *page = monitor_findings(m, &filter), *f;
		const char *next;
		size_t i;

		json_array_foreach (json_object_get(page, "findings"), i, f) {
			if (streq(text_of(f, "check"), "monitor-role"))
				json_array_append(notes, json_object_get(f, "message"));
			else
				json_array_append(out, f);
		}
		next = json_string_value(json_object_get(page, "cursor"));
		free(cursor);
		cursor = next && *next ? xstrdup(next) : NULL;
		json_decref(page);
	} while (cursor);
	return out;
}

static bool
nothing_ran(const json_t *databases)
{
	const json_t *db;
	size_t i;

	json_array_foreach (databases, i, db)
		if (json_integer_value(
		        json_object_get(json_object_get(db, "coverage"), "covered")) > 0)
			return false;
	return true;
}

static json_t *
result_of(const struct monitor *m)
{
	json_t *status = monitor_status(m), *databases = json_array(), *unknown = json_array();
	json_t *not_covered = json_array(), *notes = json_array(), *o = json_object();
	const json_t *db;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db) {
		json_t *whole = monitor_database(m, text_of(db, "name"));

		if (!whole)
			continue;
		add_checks(whole, unknown, not_covered);
		add_waiting(whole, notes);
		json_array_append_new(databases, whole);
	}
	/* Where no check ran to its end, nothing is known but what was found: ok it is not. */
	if (nothing_ran(databases) && streq(text_of(status, "status"), status_names[STATUS_OK]))
		json_object_set_new(o, "status", json_string(status_names[STATUS_UNKNOWN]));
	else
		json_object_set(o, "status", json_object_get(status, "status"));
	json_object_set_new(o, "databases", databases);
	json_object_set_new(o, "findings", all_findings(m, notes));
	json_object_set_new(o, "unknown", unknown);
	json_object_set_new(o, "not_covered", not_covered);
	json_object_set_new(o, "notes", notes);
	json_decref(status);
	return o;
}

/* What is less bad than --fail-on exits 0. */
static int
exit_code(const struct cli *cli, const char *status)
{
	int code = report_exit_code(status);

	switch (cli->o.fail_on) {
	case FAIL_ON_UNKNOWN:
		return code;
	case FAIL_ON_WARNING:
		return code == EXIT_UNKNOWN ? EXIT_OK : code;
	case FAIL_ON_CRITICAL:
		return code == EXIT_CRITICAL ? code : EXIT_OK;
	case FAIL_ON_NONE:
		break;
	}
	return EXIT_OK;
}

/* The first reason why something is unknown, for a plugin that found nothing else. */
static char *
summary_of(const json_t *result)
{
	const json_t *u = json_array_get(json_object_get(result, "unknown"), 0);
	size_t n = json_array_size(json_object_get(result, "unknown"));

	if (streq(text_of(result, "status"), "unknown") && u)
		return xasprintf("%s: %s: %s [%zu more]", text_of(u, "database"),
		    text_of(u, "check"), text_of(u, "reason"), n - 1);
	return report_summary(result);
}

static void
print_result(const struct look *l, const json_t *result)
{
	struct report_options o;
	_cleanup_free_ char *text = NULL;

	cli_report_options(l->cli, &o);
	switch (l->cli->o.output) {
	case OUTPUT_JSON:
		cli_print_json(l->cli, result);
		return;
	case OUTPUT_NAGIOS: {
		json_t *checks = monitor_checks(l->monitor, NULL);
		_cleanup_free_ char *summary = summary_of(result);

		text = report_nagios(json_object_get(result, "findings"), text_of(result, "status"),
		    summary, json_object_get(checks, "checks"));
		json_decref(checks);
		break;
	}
	case OUTPUT_TEXT:
		text = report_check_text(result, &o);
		break;
	}
	cli_print(l->cli, text);
}

/* ---- the look ---- */

static void
clear_progress(struct look *l)
{
	if (l->shown)
		fputs("\r\033[K", stderr);
	l->shown = false;
}

static void
on_progress(evutil_socket_t fd, short what, void *arg)
{
	struct look *l = arg;
	size_t done = 0, all = 0;

	(void)fd;
	(void)what;
	monitor_progress(l->monitor, &done, &all);
	fprintf(stderr, "\r\033[Klooking: %zu of %zu probes", done, all);
	l->shown = true;
}

static void
on_finished(void *arg)
{
	struct look *l = arg;

	event_base_loopbreak(l->base);
}

static void
start_progress(struct look *l)
{
	struct timeval tv = { PROGRESS_US / USEC_PER_SEC, PROGRESS_US % USEC_PER_SEC };

	if (l->cli->o.quiet || l->cli->o.output == OUTPUT_NAGIOS || !isatty(STDERR_FILENO))
		return;
	l->progress = event_new(l->base, -1, EV_PERSIST, on_progress, l);
	event_add(l->progress, &tv);
}

static void
on_bad_file(const char *path, const struct err *e, void *arg)
{
	(void)path;
	(void)arg;
	fprintf(stderr, "dbhealth: %s\n", e->msg);
}

static struct catalogue *
read_catalogue(const struct conf *conf)
{
	struct catalogue *c = catalogue_new();

	if (conf->checks_dir)
		catalogue_read_dir(c, conf->checks_dir, on_bad_file, NULL);
	return c;
}

/* A glob that names no check would look at nothing and say "unknown". */
static int
check_globs(const struct cli *cli, const struct catalogue *cat, const struct conf *conf)
{
	char *const *globs = cli->o.checks;

	for (size_t g = 0; globs && globs[g]; g++) {
		bool known = false;

		for (size_t i = 0; !known && i < catalogue_count(cat); i++)
			known = str_glob(globs[g], catalogue_at(cat, i)->id);
		for (size_t i = 0; !known && i < conf->nqueries; i++)
			known = str_glob(globs[g], conf->queries[i].name);
		if (!known) {
			_cleanup_free_ char *shown = show_text(globs[g]);

			return cli_fail(cli, EXIT_USAGE,
			    "--check %s: no check has this id. See dbhealth checks.", shown);
		}
	}
	return 0;
}

static int
make_monitor(struct look *l, struct conf *take_conf)
{
	const struct options *o = &l->cli->o;
	const struct monitor_callbacks callbacks = { .on_finished = on_finished };
	struct monitor_options options = { .one_shot = true,
		.deep = o->deep,
		.sample_us = o->sample_us,
		.budget_us = o->budget_us,
		.only_checks = o->checks };
	struct err_list errors = { 0 };
	struct catalogue *catalogue = read_catalogue(take_conf);
	int code = check_globs(l->cli, catalogue, take_conf);

	if (code != 0) {
		catalogue_free(catalogue);
		conf_free(take_conf);
		return code;
	}
	for (size_t i = 0; i < strv_len(o->probes); i++) {
		enum probe p;

		if (probe_parse(o->probes[i], &p) == 0)
			options.only_probes |= 1U << p;
	}
	if (monitor_new(
	        l->base, take_conf, catalogue, &options, &callbacks, l, &l->monitor, &errors) < 0) {
		for (size_t i = 0; i < strv_len(errors.v); i++) {
			_cleanup_free_ char *shown = show_text(errors.v[i]);

			if (i == 0 || o->output != OUTPUT_NAGIOS)
				code = cli_fail(l->cli, EXIT_CONFIG, "%s", shown);
		}
	}
	err_list_done(&errors);
	return code;
}

static int
finish(struct look *l)
{
	json_t *result = result_of(l->monitor);
	int code;

	if (json_array_size(json_object_get(result, "databases")) == 0) {
		code = cli_fail(l->cli, EXIT_USAGE,
		    "check: no database: nothing was named, and this host shows no PostgreSQL. "
		    "Write "
		    "dbhealth check sqlite:PATH or postgresql://HOST/DATABASE.");
	} else {
		print_result(l, result);
		code = exit_code(l->cli, text_of(result, "status"));
	}
	json_decref(result);
	return code;
}

static int
run(struct cli *cli)
{
	struct look l = { .cli = cli };
	struct event_config *how = event_config_new();
	struct conf *conf = NULL;
	int r = check_select(cli, &conf);

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (r == 0) {
		event_config_set_flag(how, EVENT_BASE_FLAG_PRECISE_TIMER);
		l.base = event_base_new_with_config(how);
		r = make_monitor(&l, conf);
	}
	event_config_free(how);
	if (r == 0) {
		start_progress(&l);
		monitor_start(l.monitor);
		event_base_dispatch(l.base);
		clear_progress(&l);
		r = finish(&l);
	}
	if (l.progress)
		event_free(l.progress);
	monitor_free(l.monitor);
	if (l.base)
		event_base_free(l.base);
	return r;
}

const struct command command_check = {
	.name = "check",
	.args = "[DSN-or-NAME ...]",
	.summary = "looks itself, as you, without the daemon",
	.help = "A DSN is postgresql://HOST/DATABASE, service=NAME, sqlite:PATH or a SQLite file,\n"
	        "a NAME one of the configuration (./NAME is the file). In quotes, the wildcards\n"
	        "* ? [] of a path stand for all files that match. Without any:\n"
	        "$DATABASE_URL, else the configuration, else each PostgreSQL of this host.\n"
	        "Every check that is on by default runs once. Nothing is written; what\n"
	        "your rights do not reach is told. Examples:\n"
	        "  dbhealth check sqlite:app.db\n"
	        "  dbhealth check postgresql:///app",
	.options = { OPT_PROBE, OPT_CHECK, OPT_ENABLE, OPT_CONFIG, OPT_FAIL_ON, OPT_DEEP,
	    OPT_SAMPLE, OPT_BUDGET, OPT_TIMEOUT, OPT_VERBOSE },
	.max_args = -1,
	.run = run,
};
