/* The SQL of a check, as far as it can be judged without a server. */
#include "check/body.h"
#include "base/str.h"
#include "check/bind.h"
#include "check/sql_scan.h"

static int
check_name(const struct check *c, const struct sql_token *t, struct err *e)
{
	_cleanup_free_ char *name = xstrndup(t->s + 1, t->len - 1);
	_cleanup_strv_ char **known = NULL;
	const char *near;

	for (size_t i = 0; bind_engine_names[i]; i++)
		strv_add(&known, bind_engine_names[i]);
	for (size_t i = 0; i < c->nparams; i++)
		strv_add(&known, c->params[i].name);
	if (strv_has(known, name))
		return 0;
	near = str_nearest(name, (const char *const *)known, strv_len(known));
	return err_set(e, -EINVAL, ":%s is no param of this check%s%s%s", name,
	    near ? "; did you mean :" : "", near ? near : "", near ? "?" : "");
}

/* *ret_end: behind the last token that counts; *at: what the scan has come to. */
static int
scan_statement(const struct check *c, struct sql_scan *scan, const char **ret_end, const char **at,
    struct err *e)
{
	struct sql_token t;
	bool ended = false, any = false;
	int r;

	for (;;) {
		r = sql_scan_next(scan, &t, e);
		*at = r < 0 ? scan->p : t.s;
		if (r < 0)
			return r;
		if (t.kind == SQL_END)
			break;
		if (t.kind == SQL_BLANK || t.kind == SQL_COMMENT)
			continue;
		if (t.kind == SQL_OTHER && *t.s == ';') {
			ended = any;
			continue;
		}
		if (ended)
			return err_set(e, -EINVAL, "a second statement; a body is one");
		if (t.kind == SQL_POSITION)
			return err_set(
			    e, -EINVAL, "%.*s: parameters are written :name", (int)t.len, t.s);
		if (t.kind == SQL_PARAM && c->engine != ENGINE_POSTGRESQL &&
		    c->engine != ENGINE_SQLITE)
			return err_set(
			    e, -EINVAL, "%.*s: parameters cannot be used here", (int)t.len, t.s);
		if (t.kind == SQL_PARAM && (r = check_name(c, &t, e)) < 0)
			return r;
		any = true;
		*ret_end = t.s + t.len;
	}
	*at = scan->start;
	return any ? 0 : err_set(e, -EINVAL, "no statement");
}

int
body_statement(const struct check *c, const char *sql, char **ret, int *ret_line, struct err *e)
{
	struct sql_scan scan;
	const char *end = sql, *at = sql;
	int r;

	sql_scan_init(&scan, sql, c->engine);
	r = scan_statement(c, &scan, &end, &at, e);
	/* Once: counting lines for each token would cost their product. */
	*ret_line = sql_scan_line(&scan, at);
	if (r < 0)
		return r;
	*ret = xstrndup(sql, (size_t)(end - sql));
	return 0;
}
