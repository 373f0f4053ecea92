/* Looks at databases for `diff` and what stands on it. */
#include "cli/diff_look.h"
#include "base/str.h"
#include "base/text.h"
#include "check/embedded.h"
#include "cli/check_select.h"
#include "monitor/monitor.h"

#include <event2/event.h>
#include <stdio.h>

#define CHECK        "schema-diff"
#define WANTED_MAX   500 /* objects of one statement */
#define TEXTS_MAX    400
#define STATEMENT_US (60 * INT64_C(1000000))

static const char *
engine_folder(enum engine e)
{
	return e == ENGINE_SQLITE ? "sqlite" : "postgresql";
}

/* ---- the checks ---- */

/* That of the daemon, which then also sees comments. */
static char *
look_text(enum engine e)
{
	_cleanup_free_ char *end = xasprintf("%s/schema-drift.sql", engine_folder(e));
	static const char id[] = "-- id: schema-drift\n", off[] = "param.comments: no\n";
	struct str out = { 0 };

	for (size_t i = 0; i < embedded_checks_n; i++) {
		const char *text = embedded_checks[i].text, *at;

		if (!str_ends(embedded_checks[i].path, end))
			continue;
		at = strstr(text, off);
		str_add(&out, "-- id: " CHECK "\n");
		text += str_starts(text, id) ? sizeof(id) - 1 : 0;
		if (at) {
			str_addn(&out, text, (size_t)(at - text));
			str_add(&out, "param.comments: yes\n");
			text = at + sizeof(off) - 1;
		}
		str_add(&out, text);
		break;
	}
	return str_take(&out);
}

static char *
texts_text(enum engine e, size_t n, const char *wanted)
{
	return xasprintf("-- id: " CHECK "-%zu\n-- title: texts\n-- engine: %s\n-- probe: schema\n"
	                 "-- kind: snapshot\n-- param.wanted: %s\n%s",
	    n, engine_folder(e), wanted,
	    e == ENGINE_SQLITE ? diff_sqlite_sql : diff_postgresql_sql);
}

static int
add_check(const struct cli *cli, struct catalogue *c, const char *text)
{
	struct check *check = NULL;
	struct err e = { 0 };

	if (check_parse(text, "diff", &check, &e) < 0)
		return cli_fail(cli, EXIT_UNAVAILABLE, "%s: %s", cli->command->name, e.msg);
	catalogue_take(c, check);
	return 0;
}

/* ---- looking ---- */

static void
on_finished(void *arg)
{
	event_base_loopbreak(arg);
}

/* What this side is; a configured name or a DSN. */
static int
select_side(const struct cli *cli, struct diff_look *s, struct conf **ret)
{
	struct cli one = *cli;
	char *args[] = { (char *)s->arg, NULL };
	int r;

	one.args = args;
	one.nargs = 1;
	r = check_select(&one, ret);
	if (r != 0)
		return r;
	if ((*ret)->ndatabases != 1 || (*ret)->databases[0].all_databases) {
		_cleanup_free_ char *shown = check_select_show(s->arg);

		conf_free(*ret);
		return cli_fail(
		    cli, EXIT_USAGE, "%s: %s is not one database.", cli->command->name, shown);
	}
	if (cli->o.timeout_us <= 0)
		(*ret)->databases[0].timeout_us =
		    MAX((*ret)->databases[0].timeout_us, STATEMENT_US);
	s->engine = (*ret)->databases[0].engine;
	if (!s->name)
		s->name = xstrdup((*ret)->databases[0].name);
	return 0;
}

static int
look(const struct cli *cli, struct diff_look *s, struct conf *take_conf,
    struct catalogue *take_catalogue, struct monitor **ret)
{
	static char glob[] = CHECK "*";
	char *const only[] = { glob, NULL };
	const struct monitor_callbacks callbacks = { .on_finished = on_finished };
	const struct monitor_options options = {
		.one_shot = true, .only_checks = only, .budget_us = cli->o.budget_us * 10
	};
	struct err_list errors = { 0 };
	int code = 0;

	if (monitor_new(s->base, take_conf, take_catalogue, &options, &callbacks, s->base, ret,
	        &errors) < 0) {
		_cleanup_free_ char *shown = show_text(errors.v ? errors.v[0] : "");

		code = cli_fail(cli, EXIT_CONFIG, "%s", shown);
	}
	err_list_done(&errors);
	if (code == 0) {
		monitor_start(*ret);
		event_base_dispatch(s->base);
	}
	return code;
}

/* Why there is nothing of a check. */
static int
unavailable(
    const struct cli *cli, const struct diff_look *s, const struct monitor *m, const char *check)
{
	json_t *db = monitor_database(m, s->name), *c;
	_cleanup_free_ char *name = check_select_show(s->arg), *why = NULL;
	const char *reason = NULL;
	size_t i;

	json_array_foreach (json_object_get(db, "checks"), i, c) {
		const char *id = json_string_value(json_object_get(c, "id"));

		if (id && streq(id, check))
			reason = json_string_value(json_object_get(c, "reason"));
	}
	why = show_text(reason ? reason : "it did not answer in time");
	json_decref(db);
	return cli_fail(cli, EXIT_UNAVAILABLE, "%s: %s: %s.", cli->command->name, name, why);
}

static int
look_at_shape(const struct cli *cli, struct diff_look *s)
{
	_cleanup_free_ char *text = NULL;
	struct catalogue *catalogue;
	struct conf *conf = NULL;
	const char *home;
	int r = select_side(cli, s, &conf);

	if (r != 0)
		return r;
	catalogue = catalogue_new();
	text = look_text(s->engine);
	r = add_check(cli, catalogue, text);
	if (r != 0) {
		catalogue_free(catalogue);
		conf_free(conf);
		return r;
	}
	r = look(cli, s, conf, catalogue, &s->seen);
	if (r != 0)
		return r;
	s->diff.now = monitor_shape(s->seen, s->name, CHECK, &home);
	return s->diff.now ? 0 : unavailable(cli, s, s->seen, CHECK);
}

static int
look_at_texts(const struct cli *cli, struct diff_look *s, const struct diff *d)
{
	struct catalogue *catalogue;
	struct conf *conf = NULL;
	size_t n = 0;
	int r = select_side(cli, s, &conf);

	if (r != 0)
		return r;
	catalogue = catalogue_new();
	for (; r == 0 && n < TEXTS_MAX; n++) {
		_cleanup_free_ char *wanted = diff_wanted(d, n * WANTED_MAX, WANTED_MAX),
		                    *text = NULL;

		if (!wanted)
			break;
		text = texts_text(s->engine, n, wanted);
		r = add_check(cli, catalogue, text);
	}
	if (r != 0 || n == 0) {
		catalogue_free(catalogue);
		conf_free(conf);
		return r;
	}
	r = look(cli, s, conf, catalogue, &s->asked);
	s->diff.texts = xcalloc(n, sizeof(*s->diff.texts));
	for (size_t i = 0; r == 0 && i < n; i++) {
		_cleanup_free_ char *id = xasprintf(CHECK "-%zu", i);
		const char *home;
		const struct shape *shape = monitor_shape(s->asked, s->name, id, &home);

		if (!shape)
			r = unavailable(cli, s, s->asked, id);
		else
			s->diff.texts[s->diff.ntexts++] = shape;
	}
	return r;
}

/* ---- both ---- */

int
diff_look(const struct cli *cli, const char *arg, struct diff_look *ret)
{
	struct event_config *how = event_config_new();
	struct diff_look *s = ret;

	*s = (struct diff_look){ .arg = arg };
	event_config_set_flag(how, EVENT_BASE_FLAG_PRECISE_TIMER);
	s->base = event_base_new_with_config(how);
	event_config_free(how);
	return look_at_shape(cli, s);
}

int
diff_look_texts(const struct cli *cli, struct diff_look *s)
{
	struct shape *nothing = shape_new();
	struct diff all = { .a = s->diff, .b = { .now = nothing } };
	int r = look_at_texts(cli, s, &all);

	shape_free(nothing);
	return r;
}

int
diff_look_at_both(
    const struct cli *cli, const char *const args[2], struct diff_look looks[2], struct diff *ret)
{
	int r = diff_look(cli, args[0], &looks[0]);

	if (r == 0)
		r = diff_look(cli, args[1], &looks[1]);
	if (r == 0 && looks[0].engine != looks[1].engine)
		return cli_fail(cli, EXIT_USAGE, "%s: PostgreSQL and SQLite cannot be compared.",
		    cli->command->name);
	if (r != 0)
		return r;
	*ret = (struct diff){ .a = looks[0].diff, .b = looks[1].diff };
	r = look_at_texts(cli, &looks[0], ret);
	if (r == 0)
		r = look_at_texts(cli, &looks[1], ret);
	ret->a = looks[0].diff;
	ret->b = looks[1].diff;
	diff_look_names(looks, ret);
	return r;
}

void
diff_look_names(const struct diff_look looks[2], struct diff *d)
{
	bool one = streq(looks[0].name, looks[1].name);

	d->a.name = one ? "A" : looks[0].name;
	d->b.name = one ? "B" : looks[1].name;
}

void
diff_look_done(struct diff_look *s)
{
	monitor_free(s->seen);
	monitor_free(s->asked);
	if (s->base)
		event_base_free(s->base);
	free(s->diff.texts);
	free(s->name);
	*s = (struct diff_look){ 0 };
}
