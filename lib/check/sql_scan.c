/*
 * A tokenizer for the little we must know of SQL: where a parameter may stand and where a statement
 * ends.  It never looks inside quotes and comments.
 */
#include "check/sql_scan.h"
#include <ctype.h>
#include <strings.h>

static bool
is_word_start(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool
is_word(char c, enum engine engine)
{
	return is_word_start(c) || isdigit((unsigned char)c) ||
	       (c == '$' && engine == ENGINE_POSTGRESQL);
}

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

void
sql_scan_init(struct sql_scan *scan, const char *sql, enum engine engine)
{
	*scan = (struct sql_scan){ .engine = engine, .start = sql, .p = sql };
}

/* The first byte after a quoted text that begins at p; NULL when it never ends. */
static const char *
skip_quoted(const char *p, char close, bool doubled, bool backslash)
{
	for (p++; *p; p++) {
		if (backslash && *p == '\\' && p[1])
			p++;
		else if (*p == close) {
			if (!doubled || p[1] != close)
				return p + 1;
			p++;
		}
	}
	return NULL;
}

static const char *
skip_block_comment(const char *p, bool nests)
{
	int depth = 1;

	for (p += 2; *p; p++) {
		if (p[0] == '*' && p[1] == '/') {
			p++;
			if (--depth == 0)
				return p + 1;
		} else if (nests && p[0] == '/' && p[1] == '*') {
			p++;
			depth++;
		}
	}
	return NULL;
}

/* Length of a dollar quote's opening tag at p ("$$", "$tag$"), 0 when there is none. */
static size_t
dollar_tag(const char *p)
{
	const char *q = p + 1;

	if (*q != '$' && !is_word_start(*q))
		return 0;
	while (*q && *q != '$' && is_word(*q, ENGINE_NONE))
		q++;
	return *q == '$' ? (size_t)(q - p) + 1 : 0;
}

static const char *
skip_dollar(const char *p, size_t tag)
{
	const char *q = p + tag;

	while ((q = strchr(q, '$'))) {
		if (strncmp(q, p, tag) == 0)
			return q + tag;
		q++;
	}
	return NULL;
}

static const char *
skip_position(const char *p)
{
	p++;
	while (is_name(*p))
		p++;
	return p;
}

/* The quoted things; true when p begins one, *ret_end NULL when it is left open. */
static bool
scan_quoted(const struct sql_scan *scan, struct sql_token *t, const char **ret_end)
{
	const char *p = scan->p;
	bool sqlite = scan->engine == ENGINE_SQLITE;
	size_t tag;

	if (*p == '\'' || *p == '"') {
		t->kind = *p == '"' ? SQL_QUOTED : SQL_STRING;
		*ret_end = skip_quoted(p, *p, true, false);
	} else if (!sqlite && (*p == 'e' || *p == 'E') && p[1] == '\'') {
		t->kind = SQL_STRING;
		*ret_end = skip_quoted(p + 1, '\'', true, true);
	} else if (sqlite && *p == '`') {
		t->kind = SQL_QUOTED;
		*ret_end = skip_quoted(p, '`', true, false);
	} else if (sqlite && *p == '[') {
		t->kind = SQL_QUOTED;
		*ret_end = skip_quoted(p, ']', false, false);
	} else if (!sqlite && *p == '$' && (tag = dollar_tag(p)) > 0) {
		t->kind = SQL_STRING;
		*ret_end = skip_dollar(p, tag);
	} else if (p[0] == '-' && p[1] == '-') {
		t->kind = SQL_COMMENT;
		*ret_end = p + strcspn(p, "\n");
	} else if (p[0] == '/' && p[1] == '*') {
		t->kind = SQL_COMMENT;
		*ret_end = skip_block_comment(p, !sqlite);
	} else
		return false;
	return true;
}

/*
 * A colon begins a parameter unless it is the one of an array slice, [1:n], which stands right
 * behind a value inside brackets.
 */
static bool
is_param(const struct sql_scan *scan)
{
	return is_name(scan->p[1]) && !isdigit((unsigned char)scan->p[1]) &&
	       !(scan->brackets > 0 && scan->after_value);
}

static const char *
scan_plain(struct sql_scan *scan, struct sql_token *t)
{
	const char *p = scan->p, *q = p;
	bool sqlite = scan->engine == ENGINE_SQLITE;

	t->kind = SQL_OTHER;
	if (isspace((unsigned char)*p)) {
		t->kind = SQL_BLANK;
		while (isspace((unsigned char)*q))
			q++;
		return q;
	}
	if (is_word_start(*p)) {
		t->kind = SQL_WORD;
		while (is_word(*q, scan->engine))
			q++;
		return q;
	}
	if (isdigit((unsigned char)*p)) {
		t->kind = SQL_NUMBER;
		while (is_name(*q) || *q == '.')
			q++;
		return q;
	}
	if (p[0] == ':' && p[1] == ':' && !sqlite)
		return p + 2;
	if (*p == ':' && is_param(scan)) {
		t->kind = SQL_PARAM;
		return skip_position(p);
	}
	if (sqlite ? *p == '?' || ((*p == '@' || *p == '$') && is_name(p[1]))
	           : *p == '$' && isdigit((unsigned char)p[1])) {
		t->kind = SQL_POSITION;
		return skip_position(p);
	}
	return p + 1;
}

static bool
ends_value(const struct sql_token *t)
{
	switch (t->kind) {
	case SQL_WORD:
	case SQL_QUOTED:
	case SQL_STRING:
	case SQL_NUMBER:
	case SQL_PARAM:
	case SQL_POSITION:
		return true;
	case SQL_OTHER:
		return *t->s == ')' || *t->s == ']';
	case SQL_END:
	case SQL_BLANK:
	case SQL_COMMENT:
		break;
	}
	return false;
}

int
sql_scan_next(struct sql_scan *scan, struct sql_token *ret, struct err *e)
{
	struct sql_token t = { .s = scan->p };
	const char *end = scan->p;

	if (*scan->p && !scan_quoted(scan, &t, &end))
		end = scan_plain(scan, &t);
	if (!end)
		return err_set(e, -EINVAL, "%s that never ends",
		    t.kind == SQL_COMMENT  ? "a comment"
		    : t.kind == SQL_QUOTED ? "a quoted identifier"
		                           : "a string");
	t.len = (size_t)(end - scan->p);
	if (t.kind == SQL_OTHER && *t.s == '[')
		scan->brackets++;
	else if (t.kind == SQL_OTHER && *t.s == ']' && scan->brackets > 0)
		scan->brackets--;
	scan->after_value = ends_value(&t);
	scan->p = end;
	*ret = t;
	return 0;
}

int
sql_scan_line(const struct sql_scan *scan, const char *at)
{
	int line = 0;

	for (const char *p = scan->start; p < at; p++)
		line += *p == '\n';
	return line;
}

bool
sql_token_is(const struct sql_token *t, const char *word)
{
	return t->len == strlen(word) && strncasecmp(t->s, word, t->len) == 0;
}
