/*
 * Reads every built-in check as the program does.  Without arguments: prints what breaks the rules
 * of the house, exit 1 when anything does.  With --table: prints the table of docs/checks.md; with
 * --facts and --metrics: the lists for the manuals; with --parse: reads a check file from standard input.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "check/bind.h"
#include "check/cause.h"
#include "check/embedded.h"
#include "check/settings.h"
#include "check/sql_scan.h"
#include "conf/conf.h"
#include "sqlite/sqlite_role.h"
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define MAX_TOKENS 20000

struct lint {
	const char *path;
	const struct check *check;
	int faults;
};

static void fault(struct lint *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
fault(struct lint *l, const char *fmt, ...)
{
	va_list ap;

	l->faults++;
	printf("%s: ", l->path);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static bool
one_of(const struct sql_token *t, const char *const *words)
{
	for (; *words; words++)
		if (sql_token_is(t, *words))
			return true;
	return false;
}

static bool
is_char(const struct sql_token *t, char c)
{
	return t->kind == SQL_OTHER && t->len == 1 && *t->s == c;
}

/* The tokens that count, in an array with SQL_END before and behind. */
struct tokens {
	struct sql_token v[MAX_TOKENS + 2];
	size_t n; /* v[1] .. v[n] */
};

static bool
scan_all(struct lint *l, const struct check_body *body, struct tokens *ret)
{
	struct sql_scan scan;
	struct sql_token t;
	struct err e = { 0 };

	ret->n = 0;
	ret->v[0] = (struct sql_token){ .s = body->sql };
	sql_scan_init(&scan, body->sql, l->check->engine);
	do {
		if (sql_scan_next(&scan, &t, &e) < 0 || ret->n == MAX_TOKENS) {
			fault(l, "%d: %s", body->line, e.code ? e.msg : "too long");
			return false;
		}
		if (t.kind != SQL_BLANK && t.kind != SQL_COMMENT)
			ret->v[++ret->n] = t;
	} while (t.kind != SQL_END);
	ret->n--;
	return true;
}

static int
line_of(const struct check_body *body, const struct sql_token *t)
{
	int line = body->line;

	for (const char *p = body->sql; p < t->s; p++)
		line += *p == '\n';
	return line;
}

/* Index behind the parenthesis that closes the one at i. */
static size_t
behind_parens(const struct tokens *ts, size_t i)
{
	int depth = 0;

	for (; i <= ts->n; i++) {
		depth += is_char(&ts->v[i], '(') - is_char(&ts->v[i], ')');
		if (depth == 0)
			return i + 1;
	}
	return ts->n + 1;
}

/* NAME [(columns)] AS [NOT] [MATERIALIZED] ( */
static bool
is_cte(const struct tokens *ts, size_t i)
{
	size_t next = i + 1;

	if (ts->v[i].kind != SQL_WORD)
		return false;
	if (is_char(&ts->v[next], '('))
		next = behind_parens(ts, next);
	if (next > ts->n || !sql_token_is(&ts->v[next], "as"))
		return false;
	next++;
	while (next <= ts->n &&
	       (sql_token_is(&ts->v[next], "not") || sql_token_is(&ts->v[next], "materialized")))
		next++;
	return next <= ts->n && is_char(&ts->v[next], '(');
}

static bool
names_cte(const struct tokens *ts, const struct sql_token *name)
{
	for (size_t i = 1; i <= ts->n; i++)
		if (ts->v[i].len == name->len && strncasecmp(ts->v[i].s, name->s, name->len) == 0 &&
		    is_cte(ts, i))
			return true;
	return false;
}

/* Words that stand before a parenthesis and are no function, and what the grammar itself resolves. */
static const char *const syntax_words[] = { "all", "and", "any", "array", "as", "between", "by",
	"case", "cast", "coalesce", "cross", "distinct", "else", "except", "exists", "extract",
	"filter", "from", "greatest", "group", "having", "in", "intersect", "join", "lateral",
	"least", "limit", "materialized", "not", "nullif", "offset", "on", "or", "over", "overlay",
	"partition", "position", "recursive", "row", "rows", "select", "some", "substring", "then",
	"trim", "union", "using", "values", "when", "where", "with", "within", "xmltable", NULL };
/* Aggregates and types; the session's search_path is pg_catalog alone, so they cannot be shadowed. */
static const char *const plain_functions[] = { "avg", "count", "max", "min", "sum", "numeric",
	"varchar", "char", "bit", "timestamp", "timestamptz", "time", "interval", NULL };
/* They wait for a lock on the relation, or fail whole for one object that we may not see. */
static const char *const waiting_functions[] = { "pg_relation_size", "pg_total_relation_size",
	"pg_table_size", "pg_indexes_size", "pg_get_indexdef", "pg_get_viewdef",
	"pg_get_constraintdef", "pg_get_expr", "pg_get_ruledef", "pg_get_triggerdef",
	"pg_get_partkeydef", "pg_get_statisticsobjdef", "information_schema", NULL };
/* They change or delay. */
static const char *const changing_words[] = { "insert", "update", "delete", "truncate", "drop",
	"alter", "create", "grant", "revoke", "vacuum", "reindex", "pg_sleep", "set_config",
	"pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_advisory_lock",
	"nextval", "setval", "dblink", "lo_import", "pg_read_file", "pg_switch_wal",
	"pg_stat_reset", "attach", "detach", "load_extension", NULL };

static void
lint_function(struct lint *l, const struct check_body *body, const struct tokens *ts, size_t i)
{
	const struct sql_token *t = &ts->v[i], *before = &ts->v[i - 1];

	if (is_char(before, '.') || one_of(t, syntax_words) || one_of(t, plain_functions) ||
	    is_cte(ts, i))
		return;
	/* `AS b (pid)`, `b (pid)` behind a table or a parenthesis, `::numeric(10)` are no calls. */
	if (before->kind == SQL_QUOTED || is_char(before, ')') || sql_token_is(before, "as") ||
	    (before->kind == SQL_WORD && !one_of(before, syntax_words)) ||
	    (before->len == 2 && before->s[0] == ':'))
		return;
	fault(l, "%d: %.*s(): write pg_catalog.%.*s()", line_of(body, t), (int)t->len, t->s,
	    (int)t->len, t->s);
}

/* extract(x FROM y), IS DISTINCT FROM: here FROM names no table. */
static bool
is_from_of_table(const struct tokens *ts, size_t i)
{
	static const char *const callers[] = { "extract", "substring", "trim", "overlay",
		"position", NULL };
	int depth = 0;

	if (sql_token_is(&ts->v[i - 1], "distinct"))
		return false;
	for (size_t j = i - 1; j > 0; j--) {
		depth += is_char(&ts->v[j], ')') - is_char(&ts->v[j], '(');
		if (depth < 0)
			return !one_of(&ts->v[j - 1], callers);
	}
	return true;
}

static void
lint_table(struct lint *l, const struct check_body *body, const struct tokens *ts, size_t i)
{
	static const char *const skipped[] = { "only", "lateral", "rows", NULL };
	const struct sql_token *t = &ts->v[i + 1];

	if (t->kind != SQL_WORD || one_of(t, skipped) || is_char(&ts->v[i + 2], '.') ||
	    is_char(&ts->v[i + 2], '(') || names_cte(ts, t) || !is_from_of_table(ts, i))
		return;
	fault(l, "%d: %.*s: a table without its schema", line_of(body, t), (int)t->len, t->s);
}

static bool
has_word(const struct tokens *ts, const char *word)
{
	for (size_t i = 1; i <= ts->n; i++)
		if (sql_token_is(&ts->v[i], word))
			return true;
	return false;
}

/* pg_get_expr(x, 0): no relation to open, so nothing to wait for. A scrub asks for what is not locked and
 * comes again. */
static bool
waits_for_nothing(const struct lint *l, const struct tokens *ts, size_t i)
{
	int depth = 0;

	if (!sql_token_is(&ts->v[i], "pg_get_expr"))
		return false;
	if (l->check->kind == KIND_SCRUB && has_word(ts, "locked"))
		return true;
	for (size_t j = i + 1; j <= ts->n; j++) {
		depth += is_char(&ts->v[j], '(') - is_char(&ts->v[j], ')');
		if (depth <= 0)
			return sql_token_is(&ts->v[j - 1], "0") && is_char(&ts->v[j - 2], ',');
	}
	return false;
}

static void
lint_names(struct lint *l, const struct check_body *body, const struct tokens *ts)
{
	bool postgresql = l->check->engine == ENGINE_POSTGRESQL;

	for (size_t i = 1; i <= ts->n; i++) {
		const struct sql_token *t = &ts->v[i];

		if (t->kind != SQL_WORD)
			continue;
		if (one_of(t, changing_words) && !is_char(&ts->v[i - 1], '.') &&
		    !sql_token_is(&ts->v[i - 1], "as"))
			fault(
			    l, "%d: %.*s: a check only reads", line_of(body, t), (int)t->len, t->s);
		if (!postgresql)
			continue;
		if (one_of(t, waiting_functions) && !waits_for_nothing(l, ts, i) &&
		    (is_char(&ts->v[i + 1], '(') || is_char(&ts->v[i + 1], '.')))
			fault(l, "%d: %.*s: waits for locked relations", line_of(body, t),
			    (int)t->len, t->s);
		if (is_char(&ts->v[i + 1], '('))
			lint_function(l, body, ts, i);
		if (sql_token_is(t, "from") || sql_token_is(t, "join"))
			lint_table(l, body, ts, i);
	}
}

/* One row about the database as a whole: an object that is the constant '', or none. */
static bool
is_one_row(const struct tokens *ts)
{
	int depth = 0;

	for (size_t i = 1; i <= ts->n; i++) {
		depth += is_char(&ts->v[i], '(') - is_char(&ts->v[i], ')');
		if (depth == 0 && sql_token_is(&ts->v[i], "object"))
			return i >= 3 && sql_token_is(&ts->v[i - 2], "''");
	}
	return true;
}

/* A LIMIT somewhere behind the ORDER BY of the same query. */
static bool
has_ordered_limit(const struct tokens *ts)
{
	int depth = 0, ordered = -1;

	for (size_t i = 1; i <= ts->n; i++) {
		depth += is_char(&ts->v[i], '(') - is_char(&ts->v[i], ')');
		if (depth < ordered)
			ordered = -1;
		if (sql_token_is(&ts->v[i], "order") && (ordered < 0 || depth < ordered))
			ordered = depth;
		if (sql_token_is(&ts->v[i], "limit") && depth == ordered)
			return true;
	}
	return false;
}

static void
lint_bounds(struct lint *l, const struct check_body *body, const struct tokens *ts)
{
	bool ordered = false, limited = has_word(ts, "limit");
	int depth = 0;

	for (size_t i = 1; i <= ts->n; i++) {
		depth += is_char(&ts->v[i], '(') - is_char(&ts->v[i], ')');
		ordered = ordered || (depth == 0 && sql_token_is(&ts->v[i], "order"));
	}
	for (size_t i = 1; i < ts->n; i++) /* ordered and cut to one row earlier */
		if (sql_token_is(&ts->v[i], "limit") && sql_token_is(&ts->v[i + 1], "1"))
			ordered = ordered || has_word(ts, "order");
	/* A list for a scrub is cut in an order; the statements made of it need none. */
	if (l->check->kind == KIND_SCRUB)
		ordered = ordered || has_ordered_limit(ts);
	/* A snapshot is of everything, in any order. */
	if (is_one_row(ts) || l->check->kind == KIND_SNAPSHOT)
		return;
	if (!limited)
		fault(l, "%d: rows by object without LIMIT", body->line);
	if (!ordered)
		fault(l, "%d: rows by object without ORDER BY", body->line);
}

static void
lint_bodies(struct lint *l)
{
	const struct check *c = l->check;
	struct tokens *ts = xcalloc(1, sizeof(*ts));
	bool severity = false;

	for (size_t i = 0; i < c->nbodies; i++) {
		const struct check_body *body = &c->bodies[i];

		if (!scan_all(l, body, ts))
			continue;
		severity = severity || has_word(ts, "severity");
		if (ts->n > 0 && !sql_token_is(&ts->v[1], "select") &&
		    !sql_token_is(&ts->v[1], "with") && !sql_token_is(&ts->v[1], "values"))
			fault(l, "%d: the statement is no SELECT", body->line);
		lint_names(l, body, ts);
		lint_bounds(l, body, ts);
	}
	free(ts);
	if (c->source == SOURCE_SQL && check_severity_by_sql(c) && c->severity == SEVERITY_NONE &&
	    c->kind != KIND_SNAPSHOT && !severity)
		fault(l, "can never breach: neither a threshold nor a column severity");
}

static void
lint_needs(struct lint *l, const struct need_list *needs)
{
	for (size_t i = 0; i < needs->n; i++)
		if (needs->v[i].kind == NEED_CONFIGURED && !conf_database_has_key(needs->v[i].name))
			fault(l, "%s: [database] has no such option", needs->v[i].text);
}

/* What SQL may ask for by name exists in the configuration. */
static int
lint_bind_names(void)
{
	int faults = 0;

	for (size_t i = BIND_ENGINE_OWN; bind_engine_names[i]; i++)
		if (!conf_database_has_key(bind_engine_names[i])) {
			printf(":%s: [database] has no such option\n", bind_engine_names[i]);
			faults++;
		}
	return faults;
}

static bool
asks_usual(const struct check *c)
{
	return threshold_asks_usual(&c->info) || threshold_asks_usual(&c->warning) ||
	       threshold_asks_usual(&c->critical);
}

static void
lint_params(struct lint *l)
{
	const struct check *c = l->check;

	for (size_t i = 0; i < c->nparams; i++) {
		_cleanup_free_ char *name = xasprintf(":%s", c->params[i].name);
		bool used = c->source == SOURCE_SESSION || c->source == SOURCE_HOST ||
		            c->source == SOURCE_SELF || c->source == SOURCE_STATEMENTS ||
		            (c->kind == KIND_RATIO && streq(c->params[i].name, "min_whole")) ||
		            (asks_usual(c) && streq(c->params[i].name, "min_mad")) ||
		            (c->kind == KIND_SNAPSHOT && streq(c->params[i].name, "sibling_for"));

		for (size_t j = 0; !used && j < c->nbodies; j++)
			used = strstr(c->bodies[j].sql, name) != NULL;
		if (!used)
			fault(l, "param.%s: nothing uses it", c->params[i].name);
	}
}

static void
lint_remedies(struct lint *l)
{
	const struct check *c = l->check;
	enum remedy_risk least = RISK_DATA_LOSS;

	if (c->nremedies == 0)
		fault(l, "remedy.1: a finding that nobody can act on");
	for (size_t i = 0; i < c->nremedies; i++)
		least = MIN(least, c->remedies[i].risk);
	if (c->nremedies > 0 && least == RISK_DATA_LOSS)
		fault(l, "remedy.1: losing data is never the first thing to do");
	for (size_t i = 0; i < c->nremedies; i++)
		if (c->remedies[i].risk == RISK_DATA_LOSS && !*c->remedies[i].undo)
			fault(l, "remedy.%zu: say what is lost", i + 1);
}

static bool
is_numeric(const struct check *c)
{
	return c->kind == KIND_GAUGE || c->kind == KIND_RATE || c->kind == KIND_RATIO;
}

/* Prometheus wants base units at the end of names. */
static void
lint_metric(struct lint *l, struct map *metrics)
{
	static const char *const units[UNIT_N] = { "", "_bytes", "_seconds", "_ratio" };
	static const char *const taken[] = { "_milliseconds", "_percent", "_percentage" };
	const struct check *c = l->check, *owner;

	if (!c->metric && is_numeric(c))
		fault(l, "metric: missing; numbers are exported");
	if (!c->metric)
		return;
	if (!str_starts(c->metric, "dbhealth_"))
		fault(l, "metric: %s does not begin with dbhealth_", c->metric);
	if (!str_ends(c->metric, units[c->unit]))
		fault(l, "metric: %s does not end with %s", c->metric, units[c->unit]);
	for (int u = UNIT_COUNT + 1; u < UNIT_N; u++)
		if (u != (int)c->unit && str_ends(c->metric, units[u]))
			fault(l, "metric: %s ends with another unit", c->metric);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (str_ends(c->metric, taken[i]))
			fault(l, "metric: %s: %s is no base unit", c->metric, taken[i]);
	owner = map_put(metrics, c->metric, (void *)c);
	if (owner && !streq(owner->id, c->id))
		fault(l, "metric: %s is that of %s", c->metric, owner->id);
	if (owner && (owner->kind == KIND_RATE) != (c->kind == KIND_RATE))
		fault(l, "metric: %s has another type in another engine", c->metric);
}

static void
lint_head(struct lint *l)
{
	const struct check *c = l->check;
	_cleanup_free_ char *path =
	    xasprintf("lib/checks/%s/%s.sql", engine_names[c->engine], c->id);
	bool is_lint = c->kind == KIND_FINDING && c->probe == PROBE_SCHEMA;

	if (!streq(path, l->path))
		fault(l, "id and engine belong to %s", path);
	if (streq(c->topic, probe_names[c->probe]))
		fault(l, "topic: missing, or no finer than the probe");
	if (!c->message)
		fault(l, "message: missing");
	if (!c->why)
		fault(l, "why: missing");
	if (!c->fix)
		fault(l, "fix: missing");
	if (is_lint && !c->spares)
		fault(l, "spares: missing");
}

static bool
brings(const struct check *c, const char *field)
{
	if (streq(field, "object") || streq(field, "key"))
		return true;
	for (size_t i = 0; i < c->nbodies; i++)
		if (strstr(c->bodies[i].sql, field))
			return true;
	return false;
}

/* Whether `from` may explain `to` over any number of others. */
static bool
leads_to(const struct catalogue *cat, const struct check *from, const char *to, int depth)
{
	for (size_t i = 0; depth > 0 && i < from->ncauses; i++) {
		const struct check *c = catalogue_find(cat, from->engine, from->causes[i].check);

		if (c && c != from && (streq(c->id, to) || leads_to(cat, c, to, depth - 1)))
			return true;
	}
	return false;
}

static void
lint_causes(struct lint *l, const struct catalogue *cat)
{
	const struct check *c = l->check;

	for (size_t i = 0; i < c->ncauses; i++) {
		const struct check_cause *cause = &c->causes[i];
		const struct check *of = catalogue_find(cat, c->engine, cause->check);
		_cleanup_free_ char *text = check_cause_text(cause);

		for (size_t k = 0; k < i; k++) {
			_cleanup_free_ char *other = check_cause_text(&c->causes[k]);

			if (streq(text, other))
				fault(l, "caused-by: %s stands there twice", text);
		}
		if (!of)
			fault(l, "caused-by: %s: no such check of this engine", cause->check);
		else if (of->kind == KIND_EVENT)
			fault(l, "caused-by: %s: an event is soon over", cause->check);
		else if (of->scope == SCOPE_DATABASE && c->scope == SCOPE_SERVER)
			fault(l, "caused-by: %s is of a database, this of its server", of->id);
		else if (cause->field && (!brings(c, cause->field) || !brings(of, cause->of)))
			fault(l, "caused-by: %s: no such column", text);
	}
	if (leads_to(cat, c, c->id, 10))
		fault(l, "caused-by: goes in a circle");
}

/* ---- the table ---- */

/* Which severities the rows of a check may bring, as far as its text tells. */
static void
add_row_levels(const struct check *c, struct str *out)
{
	bool any = false;

	for (int s = SEVERITY_INFO; s < SEVERITY_N; s++) {
		_cleanup_free_ char *literal = xasprintf("'%s'", severity_names[s]);
		bool found = false;

		for (size_t i = 0; i < c->nbodies; i++)
			found = found || (strstr(c->bodies[i].sql, "severity") &&
			                     strstr(c->bodies[i].sql, literal));
		if (found)
			str_addf(out, "%s%s", any ? ", " : "by row: ", severity_names[s]);
		any = any || found;
	}
	if (!any)
		str_add(out, c->severity != SEVERITY_NONE ? severity_names[c->severity] : "by row");
}

static char *
levels(const struct check *c)
{
	_cleanup_str_ struct str out = { 0 };
	const struct threshold *limits[] = { &c->info, &c->warning, &c->critical };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		_cleanup_free_ char *text = threshold_format(limits[i], c->unit);

		if (limits[i]->set)
			str_addf(&out, "%s%s %s", out.len > 0 ? ", " : "",
			    severity_names[SEVERITY_INFO + i], text);
	}
	if (out.len == 0)
		add_row_levels(c, &out);
	for (size_t i = 0; i < c->nparams; i++)
		str_addf(
		    &out, "%s%s = %s", i > 0 ? ", " : "; ", c->params[i].name, c->params[i].value);
	return str_take(&out);
}

static char *
times(const struct check *c)
{
	_cleanup_free_ char *warning = duration_text(c->for_us[SEVERITY_WARNING]),
	                    *critical = duration_text(c->for_us[SEVERITY_CRITICAL]);

	if (c->kind == KIND_EVENT && c->hold_us == HOLD_ACK)
		return xstrdup("until acknowledged");
	if (c->kind == KIND_EVENT) {
		_cleanup_free_ char *hold = duration_text(c->hold_us);

		return xasprintf("holds %s", hold);
	}
	if (streq(warning, critical))
		return TAKE_PTR(warning);
	return xasprintf("%s, %s", warning, critical);
}

/* A bar would end the cell. */
static void
print_cell(const char *s)
{
	printf(" ");
	for (; *s; s++)
		printf(*s == '|' ? "\\%c" : "%c", *s);
	printf(" |");
}

static void
print_table(const struct catalogue *cat)
{
	printf(
	    "# Checks\n\nWritten from the check files; `tests/lint/checks.sh --update` writes it "
	    "anew. An\n"
	    "interval is the probe's unless the check has a longer one. Values are explained by\n"
	    "dbhealthd-checks(5), every check by `dbhealth explain ID`.\n");
	for (int probe = 0; probe < PROBE_N; probe++) {
		printf(
		    "\n## %s\n\n| check | engine | finds | default | interval | for | severity |\n"
		    "|---|---|---|---|---|---|---|\n",
		    probe_names[probe]);
		for (size_t i = 0; i < catalogue_count(cat); i++) {
			const struct check *c = catalogue_at(cat, i);
			_cleanup_free_ char *level = levels(c), *duration = times(c),
			                    *interval = NULL;

			if ((int)c->probe != probe)
				continue;
			interval = c->interval_us > 0 ? duration_text(c->interval_us) : xstrdup("");
			const char *cells[] = { c->id, engine_names[c->engine], c->title,
				c->on_by_default ? "on" : "off", interval, duration, level };

			printf("|");
			for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
				print_cell(cells[k]);
			printf("\n");
		}
	}
}

/* Words on lines of a manual: up to 78 columns, each sentence on its own. */
static void
print_filled(const char *text)
{
	size_t column = 0;
	char last = 0;

	while (*text) {
		size_t len = strcspn(text, " ");
		bool may_break = *text != '.' && *text != '\'';

		if (column > 0 && may_break && (last == '.' || column + 1 + len > 76)) {
			printf("\n");
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)len, text);
		last = len > 0 ? text[len - 1] : last;
		text += len + (text[len] == ' ');
	}
	printf(".\n");
}

static void
print_facts(void)
{
	const char *name, *help;

	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; sqlite_fact_names(i, &name, &help); i++) {
		printf(".It Cm %s\n", name);
		print_filled(help);
	}
	printf(".El\n");
}

/* One entry a metric; checks of several engines may share it. */
static void
print_metrics(const struct catalogue *cat)
{
	_cleanup_strv_ char **done = NULL;

	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);
		bool told = false;

		for (char **d = done; d && *d && c->metric; d++)
			told = told || streq(*d, c->metric);
		if (!c->metric || told)
			continue;
		strv_add(&done, c->metric);
		printf(".It Cm %s%s\n%s of check\n.Ic %s :\n%s.\n", c->metric,
		    c->kind == KIND_RATE ? "_total" : "",
		    c->kind == KIND_RATE ? "Counter"
		    : is_numeric(c)      ? "Value"
		                         : "Findings",
		    c->id, c->title);
	}
	printf(".El\n");
}

static int
parse_input(void)
{
	_cleanup_str_ struct str text = { 0 };
	_cleanup_(check_freep) struct check *c = NULL;
	struct err e = { 0 };
	char buf[4096];

	for (size_t n; (n = fread(buf, 1, sizeof(buf), stdin)) > 0;)
		str_addn(&text, buf, n);
	if (check_parse(str_text(&text), "stdin", &c, &e) >= 0)
		return 0;
	printf("%s\n", e.msg);
	return 1;
}

static int
lint_all(const struct catalogue *cat)
{
	struct map *metrics = map_new();
	int faults = lint_bind_names();

	for (size_t i = 0; i < embedded_checks_n; i++) {
		struct lint l = { .path = embedded_checks[i].path };
		_cleanup_(check_freep) struct check *c = NULL;
		struct err e = { 0 };

		if (check_parse(embedded_checks[i].text, l.path, &c, &e) < 0) {
			printf("%s\n", e.msg);
			faults++;
			continue;
		}
		l.check = c;
		lint_head(&l);
		lint_needs(&l, &c->needs);
		for (size_t k = 0; k < c->nbodies; k++)
			lint_needs(&l, &c->bodies[k].when);
		lint_bodies(&l);
		lint_params(&l);
		lint_remedies(&l);
		/* The map keeps the catalogue's copy, which lives on. */
		l.check = catalogue_find(cat, c->engine, c->id);
		lint_causes(&l, cat);
		lint_metric(&l, metrics);
		faults += l.faults;
	}
	map_free(metrics, NULL);
	return faults;
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct catalogue *cat = catalogue_new();
	int faults = 0;

	if (streq(mode, "--table"))
		print_table(cat);
	else if (streq(mode, "--facts"))
		print_facts();
	else if (streq(mode, "--metrics"))
		print_metrics(cat);
	else if (streq(mode, "--parse"))
		faults = parse_input();
	else
		faults = lint_all(cat);
	catalogue_free(cat);
	return faults > 0;
}
