/*
 * `-- lint:allow RULE why`: in a statement, behind it on its last line, or before it.  A reason is
 * owed, and an allowance that allows nothing is said, so that none outlives what it was written for.
 */
#include "base/str.h"
#include "migrate/lint_impl.h"
#include "migrate/sql_scan.h"
#include <ctype.h>

#define MARK      "lint:allow"
#define MARKS_MAX 1000

struct allowance {
	int line, next; /* next: first line of the statement behind it; 0: none */
	char *rule, *why;
	bool used;
};

/* What stands in a comment behind the mark; false: it is another comment. */
static bool
take_mark(const char *s, size_t len, struct allowance *ret)
{
	_cleanup_free_ char *text = xstrndup(s, len), *from = NULL;
	char *p = text + 2;
	size_t n;

	if (!str_starts(text, "--"))
		return false;
	while (isspace((unsigned char)*p))
		p++;
	if (!str_starts(p, MARK) || (p[strlen(MARK)] && !isspace((unsigned char)p[strlen(MARK)])))
		return false;
	from = xstrdup(p + strlen(MARK));
	p = str_trim(from);
	n = strcspn(p, " \t");
	ret->rule = xstrndup(p, n);
	ret->why = xstrdup(str_trim(p + n));
	return true;
}

static size_t
collect(enum engine engine, const struct migrate_section *section, struct allowance **ret)
{
	struct sql_scan s = sql_scan(engine, section->sql, section->line);
	struct allowance *v = NULL;
	size_t n = 0, open = 0; /* open: those still without a statement behind them */
	enum sql_token token;
	bool inside = false;

	while ((token = sql_next(&s)) != SQL_END) {
		struct allowance a = { .line = s.line };

		if (token != SQL_COMMENT) {
			if (!inside)
				for (; open < n; open++)
					v[open].next = s.line;
			inside = !(token == SQL_SIGN && s.text[s.begin] == ';');
		} else if (n < MARKS_MAX && take_mark(s.text + s.begin, s.at - s.begin, &a)) {
			v = xreallocarray(v, n + 1, sizeof(*v));
			v[n++] = a;
		}
	}
	*ret = v;
	return n;
}

static bool
is_meant(const struct allowance *a, const struct lint_note *n)
{
	if (!streq(a->rule, n->rule))
		return false;
	return n->whole || a->next == n->line || (a->line >= n->line && a->line <= n->last_line);
}

void
lint_allow(enum engine engine, const struct migrate_section *section, struct lint *l, size_t from)
{
	struct allowance *v = NULL;
	size_t n = strstr(section->sql, MARK) ? collect(engine, section, &v) : 0, to = l->n;

	for (size_t i = 0; i < n; i++) {
		struct allowance *a = &v[i];

		for (size_t j = from; j < to && *a->why; j++)
			if (!l->v[j].allowed && is_meant(a, &l->v[j])) {
				a->used = true;
				l->v[j].allowed = xstrdup(a->why);
				l->v[j].severity = SEVERITY_INFO;
			}
		if (!*a->why)
			lint_add(l, "allow-without-reason", SEVERITY_CRITICAL, a->line, a->rule,
			    xstrdup("lint:allow has no reason, so it allows nothing"),
			    "-- lint:allow RULE why it is right here", NULL);
		else if (!a->used)
			lint_add(l, "allow-unused", SEVERITY_WARNING, a->line, a->rule,
			    xasprintf("lint:allow %s: nothing here breaks that rule", a->rule),
			    "Take it out, or put it on the line before the statement that it "
			    "means.",
			    NULL);
		free(a->rule);
		free(a->why);
	}
	free(v);
}
