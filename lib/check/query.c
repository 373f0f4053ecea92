/* [query NAME]: a check without a file. */
#include "base/clock.h"
#include "base/str.h"
#include "check/body.h"
#include "check/check.h"
#include "check/sql_scan.h"

/*
 * The configuration reader joins continued lines without a newline, so a line comment would swallow
 * the rest of the statement.
 */
static int
refuse_line_comments(const char *sql, enum engine engine, struct err *e)
{
	struct sql_scan scan;
	struct sql_token t;
	int r;

	sql_scan_init(&scan, sql, engine);
	do {
		r = sql_scan_next(&scan, &t, e);
		if (r < 0)
			return r;
		if (t.kind == SQL_COMMENT && t.s[0] == '-')
			return err_set(e, -EINVAL,
			    "-- would swallow the rest of the statement, whose lines are joined: "
			    "write /* */, or a file in checks.d");
	} while (t.kind != SQL_END);
	return 0;
}

static int
set_threshold(const char *key, const char *value, struct threshold *ret, struct err *e)
{
	int r = value && *value ? threshold_parse(value, ret, e) : 0;

	if (r >= 0 && threshold_asks_eta(ret))
		r = err_set(e, -EINVAL, "%s", THRESHOLD_ETA_ONLY);

	return r < 0 ? err_prefix(e, "%s", key) : 0;
}

static int
fill(struct check *c, const struct check_query *q, struct err *e)
{
	struct check_body *body = c->bodies = xcalloc(1, sizeof(*body));
	int r, line;

	c->nbodies = 1;
	r = refuse_line_comments(q->sql, q->engine, e);
	if (r >= 0)
		r = body_statement(c, q->sql, &body->sql, &line, e);
	if (r < 0)
		return err_prefix(e, "sql");
	r = set_threshold("warning", q->warning, &c->warning, e);
	if (r >= 0)
		r = set_threshold("critical", q->critical, &c->critical, e);
	if (r < 0)
		return r;
	if (q->unit && *q->unit && unit_parse(q->unit, &c->unit) < 0)
		return err_set(
		    e, -EINVAL, "unit: \"%s\" is none of count, bytes, seconds, ratio", q->unit);
	if (q->interval && *q->interval && duration_parse(q->interval, &c->interval_us, e) < 0)
		return err_prefix(e, "interval");
	if (c->interval_us > 0 && c->interval_us < USEC_PER_SEC)
		return err_set(e, -EINVAL, "interval: %s is less than 1s", q->interval);
	return 0;
}

static void
set_digest(struct check *c, const struct check_query *q)
{
	const char *parts[] = { q->sql, q->warning, q->critical, q->message, q->unit, q->interval,
		probe_names[q->probe] };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i] = parts[i] ? parts[i] : "";
	sha_id(parts, ARRAY_SIZE(parts), c->digest);
}

int
check_from_query(const struct check_query *q, struct check **ret, struct err *e)
{
	_cleanup_(check_freep) struct check *c = xcalloc(1, sizeof(*c));
	int r;

	c->id = xstrdup(q->name);
	c->title = xstrdup(q->name);
	c->topic = xstrdup("query");
	c->engine = q->engine;
	c->probe = q->probe;
	c->on_by_default = c->user = true;
	c->origin = xasprintf("[query %s]", q->name);
	c->message = q->message && *q->message ? xstrdup(q->message) : NULL;
	r = fill(c, q, e);
	if (r < 0)
		return r;
	c->kind = c->warning.set || c->critical.set ? KIND_GAUGE : KIND_FINDING;
	c->severity = c->kind == KIND_FINDING ? SEVERITY_WARNING : SEVERITY_NONE;
	set_digest(c, q);
	*ret = TAKE_PTR(c);
	return 0;
}
