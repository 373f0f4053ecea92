/* `dbhealth migrate status`, `history`, `verify`: what is applied, what is not, what does not fit. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/migrate.h"
#include "report/report.h"

#include <stdio.h>
#include <time.h>

#define COLUMNS 80

/* ---- text ---- */

static void
put_cell(struct str *line, const char *text, size_t width)
{
	_cleanup_free_ char *shown = show_text(text ? text : "");
	_cleanup_free_ char *cut = NULL;
	size_t columns = text_columns(shown);

	if (columns > width) {
		cut = text_ellipsis(shown, width);
		columns = text_columns(cut);
	}
	str_add(line, cut ? cut : shown);
	for (; columns < width; columns++)
		str_addc(line, ' ');
}

static char *
local_time(int64_t wall_us)
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC);
	char text[20] = "";
	struct tm tm;

	if (wall_us > 0 && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	return xstrdup(text);
}

static void
print_line(const struct migrate_job *job, struct str *line)
{
	while (line->len > 0 && line->s[line->len - 1] == ' ')
		line->s[--line->len] = '\0';
	if (!job->cli->o.quiet)
		puts(str_text(line));
	str_reset(line);
}

/* Wide enough for those that dbmate makes; the rest is the title's. */
static size_t
version_width(const struct migrate_plan *p)
{
	size_t width = 4;

	for (size_t i = 0; i < p->n; i++)
		width = MAX(width, strlen(p->v[i].version));
	return MIN(width, 20);
}

/* who: the time, how long and by whom take the place of the state, which is plain then. */
static void
print_step(const struct migrate_job *job, const struct migrate_step *s, bool who)
{
	const struct migrate_applied *a = s->applied && s->applied->known ? s->applied : NULL;
	size_t version = version_width(&job->plan);
	size_t left = COLUMNS - 2 - version - 2 - 2 - 16 - (who ? 2 + 8 + 2 + 12 : 14);
	_cleanup_free_ char *when = local_time(a ? a->wall_us : 0);
	_cleanup_free_ char *took = a && a->took_us > 0 ? duration_format(a->took_us) : xstrdup("");
	const char *title = s->script ? s->script->title : a && a->file ? a->file : "";
	_cleanup_str_ struct str line = { 0 };

	str_add(&line, "  ");
	put_cell(&line, s->version, version);
	str_add(&line, "  ");
	if (!who)
		put_cell(&line, migrate_state_names[s->state], 14);
	put_cell(&line, title, left);
	str_add(&line, "  ");
	put_cell(&line, !who || a ? when : migrate_state_names[s->state], 16);
	if (who) {
		str_add(&line, "  ");
		put_cell(&line, took, 8);
		str_add(&line, "  ");
		put_cell(&line, a ? a->who : NULL, 12);
	}
	print_line(job, &line);
}

/* Words at most COLUMNS wide, indented. */
static void
print_wrapped(const struct migrate_job *job, const char *text, const char *indent)
{
	_cleanup_free_ char *copy = show_text(text);
	_cleanup_str_ struct str line = { 0 };
	char *save = NULL;
	size_t columns = 0;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		size_t n = text_columns(w);

		if (line.len > 0 && columns + 1 + n > COLUMNS) {
			print_line(job, &line);
			str_add(&line, "    ");
			columns = 4;
		} else if (line.len > 0) {
			str_addc(&line, ' ');
			columns++;
		} else {
			str_add(&line, indent);
			columns = strlen(indent);
		}
		str_add(&line, w);
		columns += n;
	}
	print_line(job, &line);
}

/* ---- counting ---- */

static size_t
count_state(const struct migrate_plan *p, enum migrate_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].state == state;
	return n;
}

static char *
headline(const struct migrate_job *job)
{
	const struct migrate_plan *p = &job->plan;
	static const enum migrate_state order[] = { MIGRATE_APPLIED, MIGRATE_PENDING,
		MIGRATE_OUT_OF_ORDER, MIGRATE_CHANGED, MIGRATE_MISSING, MIGRATE_UNFINISHED };
	struct str s = { 0 };

	str_addf(&s, "%s:", job->database);
	if (p->n == 0)
		str_addf(&s, " nothing is applied, and %s holds no migration", job->dir);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		size_t n = count_state(p, order[i]);

		if (n > 0)
			str_addf(&s, "%s %zu %s", str_ends(str_text(&s), ":") ? "" : ",", n,
			    migrate_state_names[order[i]]);
	}
	return str_take(&s);
}

static void
put_counts(struct migrate_job *job)
{
	const struct migrate_plan *p = &job->plan;
	json_t *o = job->out;
	size_t applied = count_state(p, MIGRATE_APPLIED) + count_state(p, MIGRATE_CHANGED) +
	                 count_state(p, MIGRATE_MISSING);
	size_t pending = count_state(p, MIGRATE_PENDING) + count_state(p, MIGRATE_OUT_OF_ORDER);

	json_object_set_new(o, "table", report_string(migrate_db_table(job->db)));
	json_object_set_new(o, "current", report_string(migrate_current(p)));
	json_object_set_new(o, "head", report_string(migrate_head(p)));
	json_object_set_new(o, "applied", json_integer((json_int_t)applied));
	json_object_set_new(o, "pending", json_integer((json_int_t)pending));
	json_object_set_new(o, "problems", json_integer((json_int_t)p->nproblems));
}

/* Whose fault it is nobody's to run an upgrade for. */
static bool
needs_a_person(enum migrate_state s)
{
	switch (s) {
	case MIGRATE_CHANGED:
	case MIGRATE_MISSING:
	case MIGRATE_UNFINISHED:
		return true;
	case MIGRATE_APPLIED:
	case MIGRATE_PENDING:
	case MIGRATE_OUT_OF_ORDER:
	case MIGRATE_STATE_N:
		break;
	}
	return false;
}

static void
put_step(struct migrate_job *job, json_t *list, const struct migrate_step *s)
{
	_cleanup_free_ char *why = migrate_explain(job, s);
	json_t *o = migrate_step_json(s);

	json_object_set_new(o, "explanation", report_string(why));
	json_array_append_new(list, o);
}

static void
print_problems(const struct migrate_job *job)
{
	for (size_t i = 0; i < job->plan.n; i++) {
		_cleanup_free_ char *why = migrate_explain(job, &job->plan.v[i]);

		if (why) {
			if (!job->cli->o.quiet)
				putchar('\n');
			print_wrapped(job, why, "  ");
		}
	}
}

static int
exit_code(const struct migrate_plan *p)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < p->n; i++) {
		if (needs_a_person(p->v[i].state))
			return EXIT_CRITICAL;
		if (p->v[i].state != MIGRATE_APPLIED)
			code = EXIT_WARNING;
	}
	return code;
}

static int
show(struct cli *cli, int (*part)(struct migrate_job *))
{
	struct migrate_job job;
	int r = migrate_job_open(cli, 0, &job);

	if (r == 0) {
		put_counts(&job);
		r = part(&job);
	}
	migrate_job_done(&job);
	return r;
}

/* The whole of what was asked for was told: no failure, whatever the exit code. */
static int
told(struct migrate_job *job, int code, const char *message)
{
	if (job->cli->o.output == OUTPUT_JSON) {
		json_object_set_new(job->out, "ok", json_boolean(code == EXIT_OK));
		json_object_set_new(job->out, "message", report_string(message));
		cli_print_json(job->cli, job->out);
	}
	return code;
}

/* ---- status ---- */

static int
status(struct migrate_job *job)
{
	_cleanup_free_ char *line = headline(job), *shown = show_text(line);
	json_t *list = json_array();
	bool text = job->cli->o.output != OUTPUT_JSON;

	json_object_set_new(job->out, "migrations", list);
	for (size_t i = 0; i < job->plan.n; i++)
		put_step(job, list, &job->plan.v[i]);
	if (text) {
		cli_print(job->cli, shown);
		cli_print(job->cli, "\n");
		for (size_t i = 0; i < job->plan.n; i++)
			print_step(job, &job->plan.v[i], false);
		print_problems(job);
	}
	return told(job, exit_code(&job->plan), line);
}

static int
run_status(struct cli *cli)
{
	return show(cli, status);
}

/* ---- verify ---- */

static int
verify(struct migrate_job *job)
{
	json_t *list = json_array();
	size_t wrong = 0, unknown = 0;
	_cleanup_free_ char *line = NULL;

	json_object_set_new(job->out, "migrations", list);
	for (size_t i = 0; i < job->plan.n; i++) {
		const struct migrate_step *s = &job->plan.v[i];

		unknown += s->state == MIGRATE_APPLIED && !s->applied->known;
		if (s->state == MIGRATE_APPLIED || s->state == MIGRATE_PENDING)
			continue;
		put_step(job, list, s);
		wrong++;
	}
	json_object_set_new(job->out, "without_checksum", json_integer((json_int_t)unknown));
	line = wrong > 0 ? xasprintf("%s: %zu migration%s %s not fit %s", job->database, wrong,
	                       wrong == 1 ? "" : "s", wrong == 1 ? "does" : "do", job->dir)
	                 : xasprintf("%s: all that is applied is as its files say", job->database);
	if (job->cli->o.output != OUTPUT_JSON) {
		print_wrapped(job, line, "");
		if (unknown > 0)
			migrate_say(
			    job, "  %zu applied by another tool: no checksum is known", unknown);
		print_problems(job);
	}
	return told(job, wrong > 0 ? EXIT_CRITICAL : EXIT_OK, line);
}

static int
run_verify(struct cli *cli)
{
	return show(cli, verify);
}

/* ---- history ---- */

/* One end of a range: a place in the plan; base is before all of them. */
static int
place_of(const struct migrate_plan *p, const char *word, size_t *ret, struct err *e)
{
	const char *version = streq(word, "current") ? migrate_current(p)
	                      : streq(word, "head")  ? migrate_head(p)
	                                             : word;

	if (!version || streq(word, "base")) {
		*ret = 0;
		return 0;
	}
	if (migrate_plan_find(p, version, ret, e) < 0)
		return e->code;
	(*ret)++;
	return 0;
}

/* Behind A up to B, as Alembic has it: current:head is what is to come. */
static int
range_of(const struct migrate_job *job, size_t *ret_from, size_t *ret_to, struct err *e)
{
	const char *range = job->cli->o.range, *colon = range ? strchr(range, ':') : NULL;
	_cleanup_free_ char *first = colon ? xstrndup(range, (size_t)(colon - range)) : NULL;
	size_t from = 0, to = job->plan.n;

	if (range && !colon)
		return err_set(e, -EINVAL, "--range %.60s: write it as base:current", range);
	if (colon && *first && place_of(&job->plan, first, &from, e) < 0)
		return e->code;
	if (colon && colon[1] && place_of(&job->plan, colon + 1, &to, e) < 0)
		return e->code;
	if (from > to)
		return err_set(
		    e, -EINVAL, "--range %.60s: its end comes before its beginning", range);
	*ret_from = from;
	*ret_to = to;
	return 0;
}

static void
print_notes(const struct migrate_job *job, const struct migrate_script *m)
{
	for (int i = 0; m && i < NOTE_N; i++) {
		_cleanup_free_ char *line =
		    m->note[i] ? xasprintf("%s: %s", migrate_note_names[i], m->note[i]) : NULL;

		if (line)
			print_wrapped(job, line, "    ");
	}
}

static int
history(struct migrate_job *job)
{
	json_t *list = json_array();
	struct err e = { 0 };
	size_t from = 0, to = 0;
	_cleanup_free_ char *line = headline(job);

	json_object_set_new(job->out, "migrations", list);
	if (range_of(job, &from, &to, &e) < 0)
		return migrate_end(job, EXIT_USAGE, "%s: %s.", job->cli->command->name, e.msg);
	for (size_t i = to; i-- > from;) {
		const struct migrate_step *s = &job->plan.v[i];

		put_step(job, list, s);
		if (job->cli->o.output == OUTPUT_JSON)
			continue;
		print_step(job, s, true);
		if (job->cli->o.verbose > 0)
			print_notes(job, s->script);
	}
	if (job->cli->o.output == OUTPUT_JSON) {
		json_object_set_new(job->out, "ok", json_true());
		json_object_set_new(job->out, "message", report_string(line));
		cli_print_json(job->cli, job->out);
	}
	return EXIT_OK;
}

static int
run_history(struct cli *cli)
{
	return show(cli, history);
}

const struct command command_migrate_status = {
	.name = "migrate status",
	.args = "[DB]",
	.summary = "what is applied, what is pending, what does not fit",
	.help = "DB is a name of the configuration or a DSN, by default $DATABASE_URL. Nothing is\n"
	        "written. Exits 0 when all is applied, 1 when something is pending, 2 when a\n"
	        "person is needed: a file changed after it was applied or is missing, or one was\n"
	        "cut off.",
	.options = { OPT_DIR, OPT_TABLE, OPT_CONFIG },
	.max_args = 1,
	.run = run_status,
};

const struct command command_migrate_history = {
	.name = "migrate history",
	.args = "[DB]",
	.summary = "migrations, newest first: when, how long, by whom",
	.help = "-r A:B shows those behind A up to B, each a version, base, current or head; an\n"
	        "end left out is the first or the last. -v adds what their heads say.",
	.options = { OPT_RANGE, OPT_VERBOSE, OPT_DIR, OPT_TABLE, OPT_CONFIG },
	.max_args = 1,
	.run = run_history,
};

const struct command command_migrate_verify = {
	.name = "migrate verify",
	.args = "[DB]",
	.summary = "whether the files are what was applied",
	.help = "Compares checksums of what is applied with the files, and tells what is changed,\n"
	        "missing, out of order or cut off. Exits 0, or 2 when something does not fit.",
	.options = { OPT_DIR, OPT_TABLE, OPT_CONFIG },
	.max_args = 1,
	.run = run_verify,
};
