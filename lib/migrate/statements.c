/* Where one statement ends and the next begins, and what kind it is. */
#include "migrate/statements.h"
#include "base/str.h"

#include <ctype.h>
#include <pg_query.h>
#include <sqlite3.h>

static int
take(PgQuerySplitResult split, struct migrate_statement **ret, size_t *ret_n)
{
	size_t n = split.error ? 0 : (size_t)split.n_stmts;
	int r = split.error ? -EINVAL : 0;

	if (r == 0) {
		*ret = xcalloc(n + 1, sizeof(**ret));
		for (size_t i = 0; i < n; i++)
			(*ret)[i] = (struct migrate_statement){
				.at = (size_t)split.stmts[i]->stmt_location,
				.len = (size_t)split.stmts[i]->stmt_len,
			};
		*ret_n = n;
	}
	pg_query_free_split_result(split);
	return r;
}

int
migrate_split(const char *sql, struct migrate_statement **ret, size_t *ret_n)
{
	if (take(pg_query_split_with_parser(sql), ret, ret_n) == 0)
		return 0;
	return take(pg_query_split_with_scanner(sql), ret, ret_n);
}

/* Comments and blanks at s; PostgreSQL's block comments nest. */
static size_t
skip_blank(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (isspace((unsigned char)s[i])) {
			i++;
		} else if (i + 1 < len && s[i] == '-' && s[i + 1] == '-') {
			while (i < len && s[i] != '\n')
				i++;
		} else if (i + 1 < len && s[i] == '/' && s[i + 1] == '*') {
			int depth = 0;

			do {
				bool opens = i + 1 < len && s[i] == '/' && s[i + 1] == '*';
				bool closes = i + 1 < len && s[i] == '*' && s[i + 1] == '/';

				depth += opens - closes;
				i += opens || closes ? 2 : 1;
			} while (i < len && depth > 0);
			i = MIN(i, len);
		} else {
			break;
		}
	}
	return i;
}

/* Behind the text in quotes that begins at s. */
static const char *
skip_quoted(const char *s)
{
	char end = *s == '[' ? ']' : *s;
	const char *close = strchr(s + 1, end);

	/* A doubled quote begins the next one, which comes to the same. */
	return close ? close + 1 : s + strlen(s);
}

/* Its end is where SQLite's own tokenizer sees one: triggers hold semicolons. */
static size_t
end_of(const char *sql, size_t from)
{
	const char *p = sql + from;

	while (*p) {
		_cleanup_free_ char *part = NULL;

		if (strchr("'\"`[", *p)) {
			p = skip_quoted(p);
			continue;
		}
		if ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')) {
			const char *close = *p == '-' ? strchr(p, '\n') : strstr(p + 2, "*/");

			p = close ? close + (*p == '-' ? 1 : 2) : p + strlen(p);
			continue;
		}
		if (*p++ != ';')
			continue;
		part = xstrndup(sql + from, (size_t)(p - sql) - from);
		if (sqlite3_complete(part))
			break;
	}
	return (size_t)(p - sql);
}

int
migrate_split_sqlite(const char *sql, struct migrate_statement **ret, size_t *ret_n)
{
	struct migrate_statement *v = NULL;
	size_t n = 0, cap = 0, at = 0;

	while (sql[at]) {
		size_t end = end_of(sql, at), blank = skip_blank(sql + at, end - at);

		if (blank < end - at && !(sql[at + blank] == ';' && blank + 1 == end - at)) {
			if (n == cap) {
				cap = MAX(cap * 2, (size_t)8);
				v = xreallocarray(v, cap, sizeof(*v));
			}
			v[n++] = (struct migrate_statement){ .at = at, .len = end - at };
		}
		at = end;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

size_t
migrate_begin(const char *sql, size_t at)
{
	return at + skip_blank(sql + at, strlen(sql + at));
}

int
migrate_line(const char *sql, size_t at, int first)
{
	at = migrate_begin(sql, at);
	for (size_t i = 0; i < at; i++)
		first += sql[i] == '\n';
	return first;
}

/* The next word in capitals, "" at the end or where none stands. */
static size_t
next_word(const char *s, size_t len, char ret[static 16])
{
	size_t i = skip_blank(s, len), n = 0;

	for (; i < len && (isalnum((unsigned char)s[i]) || s[i] == '_'); i++)
		if (n < 15)
			ret[n++] = (char)toupper((unsigned char)s[i]);
	ret[n] = '\0';
	return i;
}

static bool
mentions(const char *sql, size_t len, const char *what)
{
	_cleanup_free_ char *text = xstrndup(sql, len);

	return strcasestr(text, what) != NULL;
}

enum migrate_kind
migrate_kind_of(const char *sql, size_t len)
{
	char first[16], second[16];
	size_t i = next_word(sql, len, first);

	i += next_word(sql + i, len - i, second);
	if (streq(second, "WORK") || (streq(second, "TRANSACTION") && !streq(first, "PREPARE")))
		next_word(sql + i, len - i, second);
	if (streq(first, "BEGIN") || streq(first, "START"))
		return STATEMENT_BEGIN;
	if (streq(first, "ROLLBACK") || streq(first, "ABORT"))
		return streq(second, "TO") ? STATEMENT_OTHER : STATEMENT_END;
	if (streq(first, "COMMIT") || streq(first, "END") ||
	    (streq(first, "PREPARE") && streq(second, "TRANSACTION")))
		return STATEMENT_END;
	if (streq(first, "SET") || streq(first, "RESET") || streq(first, "PRAGMA") ||
	    (streq(first, "SELECT") && mentions(sql, len, "set_config(")))
		return STATEMENT_SETTING;
	if (streq(first, "CALL") || streq(first, "DO") || mentions(sql, len, "CONCURRENTLY"))
		return STATEMENT_LEAVES;
	return STATEMENT_OTHER;
}
