/* Findings of the linter as text of 80 columns and as JSON. */
#include "cli/lint_text.h"

#include "base/str.h"
#include "base/text.h"
#include "report/layout.h"
#include "report/report.h"

#include <stdio.h>

#define INSTEAD "    Instead: "

void
lint_report_init(struct lint_report *r, enum engine engine)
{
	*r = (struct lint_report){ .engine = engine, .files = json_array() };
}

void
lint_report_done(struct lint_report *r)
{
	json_decref(r->files);
	*r = (struct lint_report){ 0 };
}

static void
add_notes(struct lint_report *r, json_t *notes, const struct lint *l, const char *section)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct lint_note *n = &l->v[i];
		json_t *o = json_object();

		json_object_set_new(o, "rule", json_string(n->rule));
		json_object_set_new(o, "severity", json_string(severity_names[n->severity]));
		json_object_set_new(o, "section", json_string(section));
		json_object_set_new(o, "line", json_integer(n->line));
		json_object_set_new(o, "last_line", json_integer(n->last_line));
		json_object_set_new(o, "object", report_string(n->object));
		json_object_set_new(o, "message", report_string(n->message));
		json_object_set_new(o, "instead", report_string(n->remedy));
		json_object_set_new(o, "sql", report_string(n->sql));
		json_object_set_new(o, "destructive", json_boolean(n->destructive));
		json_object_set_new(o, "allowed", report_string(n->allowed));
		json_array_append_new(notes, o);
		if (n->allowed)
			r->allowed++;
		else
			r->n[n->severity]++;
	}
}

void
lint_report_add(struct lint_report *r, const char *path, const char *version, const struct lint *up,
    const struct lint *down)
{
	json_t *file = json_object(), *notes = json_array();

	add_notes(r, notes, up, "up");
	add_notes(r, notes, down, "down");
	json_object_set_new(file, "file", report_string(path));
	json_object_set_new(file, "version", report_string(version));
	json_object_set_new(file, "notes", notes);
	json_array_append_new(r->files, file);
}

static char *
summary(const struct lint_report *r)
{
	size_t files = json_array_size(r->files);
	struct str s = { 0 };

	str_addf(&s, "%zu file%s", files, files == 1 ? "" : "s");
	for (int i = SEVERITY_CRITICAL; i > SEVERITY_NONE; i--)
		if (r->n[i] > 0)
			str_addf(&s, "%s %zu %s", strchr(s.s, ':') ? "," : ":", r->n[i],
			    severity_names[i]);
	if (r->allowed > 0)
		str_addf(&s, "%s %zu allowed", strchr(s.s, ':') ? "," : ":", r->allowed);
	if (!strchr(s.s, ':'))
		str_add(&s, ": nothing unsafe");
	return str_take(&s);
}

static bool
is_ok(const struct lint_report *r)
{
	return r->n[SEVERITY_CRITICAL] == 0 && r->n[SEVERITY_WARNING] == 0;
}

json_t *
lint_report_json(const struct lint_report *r)
{
	_cleanup_free_ char *message = summary(r);
	json_t *o = json_object();

	json_object_set_new(o, "ok", json_boolean(is_ok(r)));
	json_object_set_new(o, "message", json_string(message));
	json_object_set_new(
	    o, "engine", json_string(r->engine == ENGINE_SQLITE ? "sqlite" : "postgresql"));
	json_object_set_new(o, "critical", json_integer((json_int_t)r->n[SEVERITY_CRITICAL]));
	json_object_set_new(o, "warning", json_integer((json_int_t)r->n[SEVERITY_WARNING]));
	json_object_set_new(o, "info", json_integer((json_int_t)r->n[SEVERITY_INFO]));
	json_object_set_new(o, "allowed", json_integer((json_int_t)r->allowed));
	json_object_set(o, "files", r->files);
	return o;
}

static void
add_note_text(struct str *out, const char *path, const json_t *n)
{
	const char *allowed = json_string_value(json_object_get(n, "allowed"));
	const char *sql = json_string_value(json_object_get(n, "sql"));
	_cleanup_free_ char *shown = show_text(path);
	_cleanup_free_ char *first = xasprintf("%s:%lld %s %s:", shown,
	    (long long)json_integer_value(json_object_get(n, "line")),
	    allowed ? "allowed" : layout_get(n, "severity"), layout_get(n, "rule"));
	_cleanup_free_ char *message = xasprintf(" %s.", layout_get(n, "message"));

	/* A path that fills the line has it for itself. */
	if (text_columns(first) > LAYOUT_WIDTH / 2) {
		str_addf(out, "%s\n", first);
		layout_prose(out, "    ", 4, message + 1);
	} else {
		str_addf(out, "%s ", first);
		layout_prose_at(out, text_columns(first) + 1, 4, message + 1);
	}
	if (allowed) {
		layout_prose(out, "    Because: ", 4, allowed);
		return;
	}
	layout_prose(out, INSTEAD, 4, layout_get(n, "instead"));
	if (sql)
		layout_sql(out, 6, sql);
}

char *
lint_report_text(const struct lint_report *r, bool all)
{
	struct str out = { 0 };
	json_t *file, *n;
	size_t i, k;

	json_array_foreach (r->files, i, file)
		json_array_foreach (json_object_get(file, "notes"), k, n)
			if (all || !json_string_value(json_object_get(n, "allowed")))
				add_note_text(&out, layout_get(file, "file"), n);
	return str_take(&out);
}

static int
exit_code(const struct cli *cli, const struct lint_report *r)
{
	switch (cli->o.fail_on) {
	case FAIL_ON_NONE:
		return EXIT_OK;
	case FAIL_ON_CRITICAL:
		return r->n[SEVERITY_CRITICAL] ? EXIT_CRITICAL : EXIT_OK;
	case FAIL_ON_UNKNOWN:
	case FAIL_ON_WARNING:
		break;
	}
	return r->n[SEVERITY_CRITICAL]  ? EXIT_CRITICAL
	       : r->n[SEVERITY_WARNING] ? EXIT_WARNING
	                                : EXIT_OK;
}

int
lint_report_print(const struct cli *cli, const struct lint_report *r)
{
	if (cli->o.output == OUTPUT_JSON) {
		json_t *o = lint_report_json(r);

		cli_print_json(cli, o);
		json_decref(o);
	} else {
		_cleanup_free_ char *text = lint_report_text(r, cli->o.verbose > 0);
		_cleanup_free_ char *sum = summary(r), *line = xasprintf("%s\n", sum);

		cli_print(cli, text);
		cli_print(cli, line);
	}
	return exit_code(cli, r);
}
