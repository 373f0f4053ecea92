/* [archive NAME]: old rows that are moved to another place. */
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "conf/loader.h"
#include "conf/option.h"
#include "conf/sqlname.h"

int
conf_archive_limit(const char *text, int64_t *ret_rows, int64_t *ret_us, struct err *e)
{
	char *end;
	long long n;

	if (text[strspn(text, "0123456789")] == '\0' && *text) {
		errno = 0;
		n = strtoll(text, &end, 10);
		if (errno != 0 || n < 1)
			return err_set(e, -EINVAL, "at least 1 row");
		*ret_rows = n;
		*ret_us = 0;
		return 0;
	}
	if (duration_parse(text, ret_us, e) < 0 || *ret_us < USEC_PER_SEC)
		return err_set(e, -EINVAL, "write rows, as in 100000, or a time, as in 30min");
	*ret_rows = 0;
	return 0;
}

/* The first word after `scheme`, the rest behind it; NULL when there is none. */
static char *
first_word(const char *text, const char **ret_rest)
{
	const char *end = text;

	text += strspn(text, " \t");
	for (end = text; *end && *end != ' ' && *end != '\t'; end++)
		;
	*ret_rest = end + strspn(end, " \t");
	return end > text ? xstrndup(text, (size_t)(end - text)) : NULL;
}

static int
judge_to(struct conf_archive_to *to, struct err *e)
{
	if (to->table && sqlname_check(to->table, 1, 2, "TABLE or SCHEMA.TABLE", e) < 0)
		return e->code;
	if (to->database && !conf_name_valid(to->database) && !strchr(to->database, '/'))
		return err_set(e, -EINVAL, "%.60s is no name of a database", to->database);
	if (to->path && *to->path != '/')
		return err_set(e, -EINVAL, "%.60s is not an absolute path", to->path);
	return 0;
}

int
conf_archive_to_parse(const char *text, struct conf_archive_to *ret, struct err *e)
{
	_cleanup_(conf_archive_to_done) struct conf_archive_to to = { 0 };
	const char *rest = "";
	int r;

	if (str_starts(text, "table ")) {
		to.kind = ARCHIVE_TO_TABLE;
		to.table =
		    xstrdup(text + strlen("table ") + strspn(text + strlen("table "), " \t"));
	} else if (str_starts(text, "database ")) {
		to.kind = ARCHIVE_TO_DATABASE;
		to.database = first_word(text + strlen("database "), &rest);
	} else if (str_starts(text, "sqlite:")) {
		to.kind = ARCHIVE_TO_SQLITE;
		to.path = first_word(text + strlen("sqlite:"), &rest);
	} else if (str_starts(text, "csv:")) {
		to.kind = ARCHIVE_TO_CSV;
		to.path = xstrdup(text + strlen("csv:"));
	}
	if (!to.table && !to.database && !to.path)
		return err_set(e, -EINVAL,
		    "write table S.T, database NAME [S.T], sqlite:/PATH [TABLE] or csv:/FOLDER");
	if (*rest)
		to.table = xstrdup(rest);
	r = judge_to(&to, e);
	if (r < 0)
		return r;
	*ret = to;
	to = (struct conf_archive_to){ 0 };
	return 0;
}

void
conf_archive_to_done(struct conf_archive_to *to)
{
	free(to->table);
	free(to->database);
	free(to->path);
	*to = (struct conf_archive_to){ 0 };
}

static void
judge_limit(const struct conf_archive *a, const struct merged_section *s, struct err_list *errors)
{
	struct err e = { 0 };
	int64_t rows, us;

	if (a->limit && conf_archive_limit(a->limit, &rows, &us, &e) < 0)
		err_list_add(errors, "%s:%d: [%s] limit: %s", a->origin.file, a->origin.line,
		    s->header, e.msg);
}

static void
judge(const struct conf_archive *a, const struct merged_section *s, struct err_list *errors)
{
	_cleanup_(conf_archive_to_done) struct conf_archive_to to = { 0 };
	struct err e = { 0 };

	judge_limit(a, s, errors);
	if (!a->column && !a->where)
		err_list_add(errors,
		    "%s:%d: [%s]: which rows are old? column names the time, or where tells",
		    a->origin.file, a->origin.line, s->header);
	if (!a->to)
		return;
	if (conf_archive_to_parse(a->to, &to, &e) < 0)
		err_list_add(
		    errors, "%s:%d: [%s] to: %s", a->origin.file, a->origin.line, s->header, e.msg);
	else if (to.kind == ARCHIVE_TO_CSV && !a->delete_rows)
		err_list_add(errors,
		    "%s:%d: [%s] delete: with csv the rows must go, else each run writes them "
		    "again",
		    a->origin.file, a->origin.line, s->header);
}

void
loader_read_archive(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	struct conf_archive *a;

	c->archives = xreallocarray(c->archives, c->narchives + 1, sizeof(*c->archives));
	a = &c->archives[c->narchives++];
	*a = (struct conf_archive){ .name = xstrdup(s->name),
		.origin = { xstrdup(s->origin.file), s->origin.line } };
	loader_read_fields(l, s, a);
	judge(a, s, l->errors);
}

const struct conf_archive *
conf_find_archive(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->narchives; i++)
		if (streq(c->archives[i].name, name))
			return &c->archives[i];
	return NULL;
}

static bool
archive_equal(const struct conf_archive *a, const struct conf_archive *b)
{
	return streq(a->name, b->name) && option_fields_equal(KIND_ARCHIVE, a, b);
}

bool
conf_archives_equal(const struct conf *a, const struct conf *b)
{
	if (a->narchives != b->narchives)
		return false;
	for (size_t i = 0; i < a->narchives; i++)
		if (!archive_equal(&a->archives[i], &b->archives[i]))
			return false;
	return true;
}

void
conf_archives_free(struct conf *c)
{
	for (size_t i = 0; i < c->narchives; i++) {
		option_free_fields(KIND_ARCHIVE, &c->archives[i]);
		free(c->archives[i].origin.file);
		free(c->archives[i].name);
	}
	free(c->archives);
}
