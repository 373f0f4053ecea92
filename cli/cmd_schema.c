/* `dbhealth schema DB`: the schema as a document, for people who read it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/release.h"
#include "data/schema.h"
#include "report/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *
get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool
has(const json_t *o, const char *key)
{
	return *get(o, key) != '\0';
}

static char *
column_words(const json_t *c)
{
	bool generated = has(c, "generated"), identity = strstr(get(c, "generated"), "identity");

	return xasprintf("%s%s%s%s%s%s", get(c, "type"),
	    json_is_true(json_object_get(c, "not_null")) ? " not null" : "",
	    generated ? " generated " : "", get(c, "generated"),
	    has(c, "default") ? (generated && !identity ? " as " : " default ") : "",
	    get(c, "default"));
}

/* ---- text ---- */

static void
add_line(struct str *out, const char *text)
{
	str_add(out, "  ");
	release_wrap(out, 2, 6, text);
}

static void
add_table_text(struct str *out, const json_t *t)
{
	_cleanup_free_ char *head = xasprintf("%s %s", get(t, "kind"), get(t, "name"));
	const json_t *x;
	size_t i;

	str_addc(out, '\n');
	release_wrap(out, 0, 4, head);
	if (has(t, "comment"))
		add_line(out, get(t, "comment"));
	json_array_foreach (json_object_get(t, "columns"), i, x) {
		_cleanup_free_ char *words = column_words(x);
		_cleanup_free_ char *line = xasprintf("%s  %s%s%s", get(x, "name"), words,
		    has(x, "comment") ? "  -- " : "", get(x, "comment"));

		add_line(out, line);
	}
	json_array_foreach (json_object_get(t, "constraints"), i, x) {
		_cleanup_free_ char *line = xasprintf(
		    "%s%s%s", get(x, "name"), has(x, "name") ? ": " : "", get(x, "definition"));

		add_line(out, line);
	}
	json_array_foreach (json_object_get(t, "indexes"), i, x)
		add_line(out, get(x, "definition"));
	json_array_foreach (json_object_get(t, "referenced_by"), i, x) {
		_cleanup_free_ char *line = xasprintf("referenced by %s", json_string_value(x));

		add_line(out, line);
	}
}

/* ---- Markdown ---- */

static void
add_code(struct str *out, const char *text)
{
	_cleanup_free_ char *shown = show_text(text);

	/* In code nothing is escaped: its fence must not end, nor a table's cell. */
	str_add(out, "`` ");
	for (const char *p = shown; *p; p++)
		str_add(out, *p == '`' ? "'" : *p == '|' ? "\\|" : (char[]){ *p, '\0' });
	str_add(out, " ``");
}

static void
add_list_markdown(struct str *out, const json_t *list, const char *title)
{
	const json_t *x;
	size_t i;

	if (json_array_size(list) > 0)
		str_addf(out, "\n%s:\n\n", title);
	json_array_foreach (list, i, x) {
		str_add(out, "- ");
		if (json_is_string(x)) {
			release_escape(out, json_string_value(x));
		} else {
			if (has(x, "name")) {
				release_escape(out, get(x, "name"));
				str_add(out, ": ");
			}
			add_code(out, get(x, "definition"));
		}
		str_addc(out, '\n');
	}
}

static void
add_table_markdown(struct str *out, const json_t *t)
{
	const json_t *x;
	size_t i;

	str_addf(out, "\n## %s ", get(t, "kind"));
	release_escape(out, get(t, "name"));
	str_add(out, "\n\n");
	if (has(t, "comment")) {
		release_escape(out, get(t, "comment"));
		str_add(out, "\n\n");
	}
	str_add(out, "| Column | Type | Null | Default | |\n| --- | --- | --- | --- | --- |\n");
	json_array_foreach (json_object_get(t, "columns"), i, x) {
		str_add(out, "| ");
		release_escape(out, get(x, "name"));
		str_add(out, " | ");
		release_escape(out, get(x, "type"));
		str_addf(
		    out, " | %s | ", json_is_true(json_object_get(x, "not_null")) ? "no" : "yes");
		if (has(x, "generated"))
			str_addf(out, "generated %s ", get(x, "generated"));
		if (has(x, "default"))
			add_code(out, get(x, "default"));
		str_add(out, " | ");
		release_escape(out, get(x, "comment"));
		str_add(out, " |\n");
	}
	add_list_markdown(out, json_object_get(t, "constraints"), "Constraints");
	add_list_markdown(out, json_object_get(t, "indexes"), "Indexes");
	add_list_markdown(out, json_object_get(t, "referenced_by"), "Referenced by");
}

static char *
document(const char *name, const json_t *tables, bool markdown)
{
	_cleanup_free_ char *shown = show_text(name);
	struct str out = { 0 };
	const json_t *t;
	size_t i;

	if (markdown) {
		str_add(&out, "# Schema of ");
		release_escape(&out, name);
		str_addf(&out, "\n\nTables and views: %zu.\n", json_array_size(tables));
	} else {
		str_addf(&out, "%s: tables and views: %zu\n", shown, json_array_size(tables));
	}
	json_array_foreach (tables, i, t) {
		if (markdown)
			add_table_markdown(&out, t);
		else
			add_table_text(&out, t);
	}
	return str_take(&out);
}

/* ---- reading ---- */

static int
read_schema(const struct cli *cli, const struct admin_target *t, json_t **ret, struct err *e)
{
	int64_t until_us = clock_now_us() + cli->o.budget_us;
	_cleanup_(data_source_freep) struct data_source *s = NULL;
	int r = t->engine == ENGINE_SQLITE ? data_open_sqlite(t->path, until_us, &s, e)
	                                   : data_open_postgresql(t->dsn, until_us, &s, e);

	return r < 0 ? r : data_schema(s, ret, e);
}

/* Whole or not at all: a reader of the page never sees half of it. */
static int
write_file(const char *path, const char *text, struct err *e)
{
	_cleanup_free_ char *partial = xasprintf("%s.XXXXXX", path);
	_cleanup_close_ int fd = mkostemp(partial, O_CLOEXEC);
	size_t len = strlen(text), at = 0;
	mode_t mask;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	while (at < len) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += (size_t)n;
	}
	mask = umask(0);
	umask(mask);
	if (at < len || fchmod(fd, 0666 & ~mask) < 0 || fsync(fd) < 0 ||
	    rename(partial, path) < 0) {
		err_set(e, -errno, "%s: %s", path, strerror(errno));
		(void)unlink(partial);
		return e->code;
	}
	return 0;
}

void
release_documents(struct release *r)
{
	struct release_step *s = release_add(r, "documents", "documents");
	_cleanup_free_ char *text = NULL;
	json_t *tables = NULL;
	struct err e = { 0 };

	if (read_schema(r->cli, &r->target, &tables, &e) >= 0) {
		text = document(r->database, tables, true);
		(void)!write_file(r->cli->o.docs, text, &e);
	}
	if (e.code < 0) {
		s->summary = xasprintf("the schema was not written: %s", e.msg);
		release_worsen(s, RELEASE_FAILED);
	} else {
		s->summary = xasprintf(
		    "tables and views: %zu, in %s", json_array_size(tables), r->cli->o.docs);
		s->facts = json_pack("{s:s}", "file", r->cli->o.docs);
	}
	json_decref(tables);
}

static int
run(struct cli *cli)
{
	struct admin_target t = { 0 };
	json_t *tables = NULL;
	struct err e = { 0 };
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "schema: text, json or markdown.");
	r = admin_target(cli, cli->nargs > 0 ? cli->args[0] : NULL, &t);
	if (r == 0 && read_schema(cli, &t, &tables, &e) < 0) {
		_cleanup_free_ char *why = show_text(e.msg), *name = show_text(t.db->name);

		r = cli_fail(cli, EXIT_UNAVAILABLE, "schema: %s: %s.", name, why);
	}
	if (r == 0 && cli->o.output == OUTPUT_JSON) {
		json_t *o = json_object();

		json_object_set_new(o, "database", report_string(t.db->name));
		json_object_set_new(o, "engine", json_string(engine_names[t.engine]));
		json_object_set(o, "tables", tables);
		cli_print_json(cli, o);
		json_decref(o);
	} else if (r == 0) {
		_cleanup_free_ char *text = document(t.db->name, tables, cli->o.markdown);

		cli_print(cli, text);
	}
	json_decref(tables);
	admin_target_done(&t);
	return r;
}

const struct command command_schema = {
	.name = "schema",
	.args = "[NAME|DSN]",
	.summary = "the schema as a document",
	.help = "Tables, views, columns with types, defaults and comments, keys, constraints,\n"
	        "indexes and who refers to whom: text, -o json or -o markdown. Read with\n"
	        "admin_dsn or your rights; nothing is written. Example:\n"
	        "  dbhealth schema -o markdown orders >docs/schema.md",
	.options = { OPT_CONFIG, OPT_BUDGET },
	.max_args = 1,
	.run = run,
};
