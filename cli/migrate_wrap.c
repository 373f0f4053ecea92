/*
 * `dbhealth migrate wrap DB -- COMMAND`: a team's own tool between our lock, lint, backup, checks and
 * schema difference.  stdin and stdout are the tool's; what we say goes to stderr.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/admin.h"
#include "cli/diff.h"
#include "cli/diff_look.h"
#include "cli/lint_text.h"
#include "cli/migrate_safe.h"
#include "cli/wrap.h"
#include "migrate/db.h"
#include "migrate/lint_facts.h"
#include "report/report.h"

#include <stdarg.h>
#include <stdio.h>

/* One run of the command. */
struct wrap {
	const struct cli *cli;
	const char *arg; /* the database as given; borrowed */
	char *const *argv;
	enum wrap_tool tool;
	struct admin_target target;
	struct migrate_db *db; /* holds the lock */
	json_t *before;        /* what the checks found; NULL: not known */
	struct diff_look schema;
	bool has_schema;
	char *sql;               /* what the tool would run; NULL: it cannot say */
	struct safe_point point; /* what was made before; empty: nothing */
	int code;
};

static void say(const struct wrap *w, const char *fmt, ...) _printf_(2, 3);

static void
say(const struct wrap *w, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (w->cli->o.quiet)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	cli_note(text);
	free(text);
}

/* ---- our own program, asked ---- */

/* dbhealth WORD [-c FILE] -o json ... DB; borrowed in words. */
static json_t *
ask_ourselves(
    const struct wrap *w, const char *const *command, const char *const *more, char **ret_why)
{
	const char *words[32] = { "/proc/self/exe" };
	_cleanup_free_ char *text = NULL;
	size_t n = 1;

	for (; *command; command++)
		words[n++] = *command;
	if (w->cli->o.config) {
		words[n++] = "-c";
		words[n++] = w->cli->o.config;
	}
	words[n++] = "-o";
	words[n++] = "json";
	for (; more && *more; more++)
		words[n++] = *more;
	words[n++] = w->arg;
	text = wrap_capture(words, ret_why);
	return text ? json_loads(text, 0, NULL) : NULL;
}

/* id -> severity of what is found now; NULL: it could not be asked. */
static json_t *
look_at_checks(const struct wrap *w)
{
	static const char *const check[] = { "check", "--fail-on", "none", NULL };
	_cleanup_free_ char *why = NULL;
	json_t *answer = ask_ourselves(w, check, NULL, &why), *found, *o, *f;
	size_t i, k;

	if (!answer) {
		say(w, "the checks gave no answer: %s", why ? why : "it is no JSON");
		return NULL;
	}
	found = json_object();
	json_array_foreach (json_object_get(answer, "findings"), k, f) {
		const char *id = json_string_value(json_object_get(f, "id"));

		if (id)
			json_object_set(found, id, f);
	}
	json_array_foreach (json_object_get(answer, "databases"), i, o)
		json_array_foreach (json_object_get(o, "findings"), k, f) {
			const char *id = json_string_value(json_object_get(f, "id"));

			if (id)
				json_object_set(found, id, f);
		}
	json_decref(answer);
	return found;
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- before ---- */

static int
take_lock(struct wrap *w)
{
	const struct migrate_who who = { .name = "wrap" };
	struct err e = { 0 };
	int r = w->target.engine == ENGINE_SQLITE
	            ? migrate_db_open_sqlite(w->target.path, true, &who, &w->db, &e)
	            : migrate_db_open_postgresql(w->target.dsn, &who, &w->db, &e);

	if (r >= 0)
		r = migrate_db_lock(w->db, w->cli->o.wait_us, &e);
	if (r >= 0)
		return 0;
	w->code = cli_refuse(w->cli, r == -EBUSY ? EXIT_BUSY : EXIT_UNAVAILABLE,
	    "migrate wrap: %s. Nothing was run.", e.msg);
	return -1;
}

/* NULL: it cannot be asked. */
static struct lint_facts *
open_facts(const struct wrap *w)
{
	struct lint_facts *facts = NULL;
	struct err e = { 0 };
	int r = w->target.engine == ENGINE_SQLITE
	            ? lint_facts_sqlite(w->target.path, &facts, &e)
	            : lint_facts_postgresql(w->target.dsn, &facts, &e);

	return r < 0 ? NULL : facts;
}

static void
lint_sql(const struct wrap *w, const char *sql, struct lint *ret)
{
	_cleanup_(lint_facts_freep) struct lint_facts *facts = open_facts(w);
	struct lint_context context = { .engine = w->target.engine };

	if (facts)
		lint_facts_use(facts, &context);
	lint_text(sql, false, &context, ret);
}

static char *
alembic_current(const struct wrap *w)
{
	_cleanup_(lint_facts_freep) struct lint_facts *facts = open_facts(w);

	return facts ? lint_facts_alembic(facts) : NULL;
}

/* Its own files are in our format: dbhealth migrate lint knows which are pending. */
static int
lint_dbmate(struct wrap *w)
{
	static const char *const lint[] = { "migrate", "lint", "--fail-on", "none", NULL };
	static const char *const more[] = { "--database", NULL };
	_cleanup_free_ char *why = NULL;
	json_t *answer = ask_ourselves(w, lint, more, &why), *f, *n;
	bool critical = json_integer_value(json_object_get(answer, "critical")) > 0;
	size_t i, k;

	if (!answer)
		say(w, "its files could not be linted: %s", why ? why : "no answer");
	json_array_foreach (json_object_get(answer, "files"), i, f)
		json_array_foreach (json_object_get(f, "notes"), k, n)
			say(w, "%s:%lld %s %s: %s\n    Instead: %s", text_of(f, "file"),
			    (long long)json_integer_value(json_object_get(n, "line")),
			    text_of(n, "severity"), text_of(n, "rule"), text_of(n, "message"),
			    text_of(n, "instead"));
	json_decref(answer);
	return critical;
}

/* Whether something critical was found. */
static bool
lint_before(struct wrap *w)
{
	_cleanup_free_ char *current = NULL, *why = NULL, *text = NULL, *shown = NULL;
	struct lint found = { 0 }, none = { 0 };
	struct lint_report report;
	bool critical;

	if (w->tool == WRAP_DBMATE)
		return lint_dbmate(w);
	if (w->tool == WRAP_ALEMBIC)
		current = alembic_current(w);
	w->sql = wrap_sql(w->tool, w->argv, current, &why);
	if (!w->sql) {
		say(w, "no SQL to look at before: %s", why);
		return false;
	}
	if (w->cli->o.verbose > 0) {
		shown = show_text_lines(w->sql);
		fprintf(stderr, "%s\n", shown);
	}
	lint_sql(w, w->sql, &found);
	lint_report_init(&report, w->target.engine);
	lint_report_add(&report, "SQL", "", &found, &none);
	text = lint_report_text(&report, false);
	if (!w->cli->o.quiet)
		fputs(text, stderr);
	critical = lint_worst(&found) == SEVERITY_CRITICAL;
	lint_report_done(&report);
	lint_done(&found);
	return critical;
}

static int
back_up(struct wrap *w)
{
	char *sql[] = { w->sql, NULL };
	const struct safe_means means = { .cli = w->cli,
		.target = &w->target,
		.arg = w->arg,
		.database = w->target.db->name,
		.sql = w->sql ? sql : NULL };
	struct err e = { 0 };

	if (safe_point_make(&means, &w->point, &e) < 0) {
		w->code = cli_refuse(w->cli, EXIT_UNAVAILABLE,
		    "migrate wrap: no backup: %s. Nothing was run.", e.msg);
		return -1;
	}
	say(w, "safe: %s", w->point.what);
	return 0;
}

static int
prepare(struct wrap *w)
{
	if (take_lock(w) < 0)
		return -1;
	if (lint_before(w)) {
		if (!w->cli->o.yes) {
			w->code = cli_refuse(w->cli, EXIT_CRITICAL,
			    "migrate wrap: what it would run is unsafe, see above. Nothing was "
			    "run. "
			    "With --yes it is run all the same.");
			return -1;
		}
		say(w, "run all the same: --yes");
	}
	w->before = look_at_checks(w);
	w->has_schema =
	    diff_look(w->cli, w->arg, &w->schema) == 0 && diff_look_texts(w->cli, &w->schema) == 0;
	return migrate_is_safe(w->cli) ? back_up(w) : 0;
}

/* ---- after ---- */

static void
say_what_changed(const struct wrap *w)
{
	struct diff_look now = { 0 };
	struct diff d = { 0 };
	_cleanup_free_ char *text = NULL;

	if (!w->has_schema)
		return;
	if (diff_look(w->cli, w->arg, &now) == 0 && diff_look_texts(w->cli, &now) == 0) {
		d.a = w->schema.diff;
		d.b = now.diff;
		d.a.name = "before";
		d.b.name = "after";
		diff_make(&d);
		if (d.n == 0) {
			say(w, "the schema is as it was before");
		} else {
			text = diff_text(&d);
			if (!w->cli->o.quiet)
				fputs(text, stderr);
		}
		diff_done(&d);
	}
	diff_look_done(&now);
}

static void
say_what_is_new(const struct wrap *w)
{
	json_t *now = w->before ? look_at_checks(w) : NULL, *f;
	size_t more = 0, less = 0;
	const char *id;

	if (!now)
		return;
	json_object_foreach (w->before, id, f)
		less += !json_object_get(now, id);
	json_object_foreach (now, id, f) {
		if (json_object_get(w->before, id))
			continue;
		more++;
		say(w, "new: %s %s: %s", text_of(f, "severity"), text_of(f, "check"),
		    text_of(f, "message"));
	}
	say(w, "checks: %zu new, %zu gone, %zu in all", more, less, json_object_size(now));
	json_decref(now);
}

static void
finish(const struct wrap *w)
{
	if (w->code != 0)
		say(w, "%s ended with %d%s. How the database is now:", w->argv[0], w->code,
		    w->code > 128 ? " (128 and the signal)" : "");
	say_what_changed(w);
	say_what_is_new(w);
	if (w->code == 0)
		return;
	if (w->point.restore)
		say(w, "to go back: %s", w->point.restore);
	else if (w->point.what)
		say(w, "to go back: the tool's own way down; %s", w->point.what);
	else
		say(w, "no backup was made before (--safe makes one): go back with the tool's own "
		       "way down");
}

static int
run_wrap(struct cli *cli)
{
	struct wrap w = { .cli = cli, .arg = cli->args[0], .argv = cli->args + 1 };

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output != OUTPUT_TEXT)
		return cli_refuse(cli, EXIT_USAGE,
		    "migrate wrap: standard output is the tool's. Text alone, on standard error.");
	w.code = admin_target(cli, w.arg, &w.target);
	w.tool = wrap_tool_of(w.argv);
	if (w.code == 0 && prepare(&w) == 0) {
		fflush(NULL);
		w.code = wrap_run(w.argv);
		finish(&w);
	}
	migrate_db_free(w.db);
	json_decref(w.before);
	if (w.schema.base)
		diff_look_done(&w.schema);
	free(w.sql);
	safe_point_done(&w.point);
	admin_target_done(&w.target);
	return w.code;
}

const struct command command_migrate_wrap = {
	.name = "migrate wrap",
	.args = "DB -- COMMAND ...",
	.summary = "a team's own tool, looked at before and after",
	.help = "Runs alembic, manage.py, rails, flyway, dbmate ... under the lock that keeps\n"
	        "other runners out, with the schema and the checks before and after. What alembic\n"
	        "(upgrade --sql), Django (sqlmigrate) and dbmate (its files) would run is linted\n"
	        "first (-v prints it); what is critical stops it unless --yes. Others cannot say.\n"
	        "Standard input and output are the tool's, and so is the exit code (128+N after\n"
	        "signal N); ours, when it was not run: 2 unsafe, 69 no backup, 75 another runs.\n"
	        "  dbhealth migrate wrap --safe orders -- alembic upgrade head",
	.options = { OPT_SAFE_WRAP, OPT_YES_WRAP, OPT_RUNNER_WAIT, OPT_CONFIG, OPT_VERBOSE },
	.min_args = 2,
	.max_args = -1,
	.run = run_wrap,
};
