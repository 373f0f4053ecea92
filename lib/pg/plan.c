/*
 * A resolved connection: keywords and values that make libpq read no file and ask for no name.
 */
#include "pg/plan.h"
#include "pg/plan_impl.h"
#include <stdio.h>

#define KEYWORDS_MAX 50

struct pg_plan {
	unsigned refs;
	char **keywords, **values; /* same length, NULL-terminated */
	char *dbname, *endpoint, *note;
	bool is_local;
};

void
secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

struct pg_plan *
pg_plan_ref(struct pg_plan *p)
{
	p->refs++;
	return p;
}

struct pg_plan *
pg_plan_unref(struct pg_plan *p)
{
	if (!p || --p->refs > 0)
		return NULL;
	for (size_t i = 0; p->values[i]; i++)
		secret_free(p->values[i]);
	free(p->values);
	strv_free(p->keywords);
	free(p->dbname);
	free(p->endpoint);
	free(p->note);
	free(p);
	return NULL;
}

const char *const *
pg_plan_keywords(const struct pg_plan *p)
{
	return (const char *const *)p->keywords;
}

const char *const *
pg_plan_values(const struct pg_plan *p)
{
	return (const char *const *)p->values;
}

const char *
pg_plan_dbname(const struct pg_plan *p)
{
	return p->dbname;
}

const char *
pg_plan_endpoint(const struct pg_plan *p)
{
	return p->endpoint;
}

const char *
pg_plan_note(const struct pg_plan *p)
{
	return p->note;
}

bool
pg_plan_is_local(const struct pg_plan *p)
{
	return p->is_local;
}

const char *
pg_plan_options(const struct pg_plan *p)
{
	for (size_t i = 0; p->keywords[i]; i++)
		if (streq(p->keywords[i], "options"))
			return p->values[i];
	return NULL;
}

bool
pg_plan_equal(const struct pg_plan *a, const struct pg_plan *b)
{
	size_t i;

	for (i = 0; a->keywords[i] && b->keywords[i]; i++)
		if (!streq(a->keywords[i], b->keywords[i]) || !streq(a->values[i], b->values[i]))
			return false;
	return !a->keywords[i] && !b->keywords[i] && streq(a->dbname, b->dbname);
}

int
plan_from_json(const json_t *o, struct pg_plan **ret, struct err *e)
{
	const char *dbname = json_string_value(json_object_get(o, "dbname"));
	const char *endpoint = json_string_value(json_object_get(o, "endpoint"));
	const json_t *all = json_object_get(o, "keywords");
	size_t n = json_array_size(all);
	struct pg_plan *p;

	if (!dbname || !endpoint || n == 0 || n > KEYWORDS_MAX)
		return err_set(e, -EBADMSG, "the answer about the DSN cannot be read");
	for (size_t i = 0; i < n; i++) {
		const json_t *pair = json_array_get(all, i);

		if (!json_is_string(json_array_get(pair, 0)) ||
		    !json_is_string(json_array_get(pair, 1)))
			return err_set(e, -EBADMSG, "the answer about the DSN cannot be read");
	}
	p = xcalloc(1, sizeof(*p));
	p->refs = 1;
	p->keywords = xcalloc(n + 1, sizeof(char *));
	p->values = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++) {
		const json_t *pair = json_array_get(all, i);

		p->keywords[i] = xstrdup(json_string_value(json_array_get(pair, 0)));
		p->values[i] = xstrdup(json_string_value(json_array_get(pair, 1)));
	}
	p->dbname = xstrdup(dbname);
	p->endpoint = xstrdup(endpoint);
	p->note = xstrdup(json_string_value(json_object_get(o, "note")));
	p->is_local = json_is_true(json_object_get(o, "local"));
	*ret = p;
	return 0;
}

int
pg_plan_local(const char *dsn, struct pg_plan **ret, struct err *e)
{
	json_t *o = NULL;
	int r = plan_make(dsn, true, &o, e);

	if (r < 0)
		return r;
	r = plan_from_json(o, ret, e);
	json_decref(o);
	return r;
}
