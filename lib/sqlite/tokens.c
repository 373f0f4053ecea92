/*
 * tokens(SQL): the words of a statement of the schema, so that a check can ask what stands in a CHECK or
 * an index without guessing by LIKE.  A JSON array of [kind, text, depth, at]: kind is "word", "dq"
 * (in double quotes), "name" (in brackets or back quotes), "string", "number" or "sign"; depth counts
 * parentheses (a closing one stands as deep as its opening one); at is the place of its first character
 * for substr().
 */
#include "base/text.h"
#include "sqlite/guard.h"

#include <ctype.h>
#include <jansson.h>
#include <sqlite3.h>

#define TOKENS_MAX 20000

struct scan {
	const char *s, *end;
	int64_t at; /* characters before s, and one */
	int depth;
	json_t *out;
};

static void
skip(struct scan *c, size_t n)
{
	for (; n > 0 && c->s < c->end; n--, c->s++)
		c->at += ((unsigned char)*c->s & 0xc0) != 0x80;
}

static bool
is_word(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_' || ch == '$' || (unsigned char)ch >= 0x80;
}

static size_t
left(const struct scan *c)
{
	return (size_t)(c->end - c->s);
}

static void
emit(struct scan *c, const char *kind, const char *text, size_t len, int64_t at)
{
	_cleanup_free_ char *clean = text_from_peer(text, len, len * 3 + 1);

	json_array_append_new(
	    c->out, json_pack("[s, s, i, I]", kind, clean, c->depth, (json_int_t)at));
}

/* Comment or blank; one that does not end goes to the end, as SQLite reads it. */
static bool
skip_blank(struct scan *c)
{
	const char *end;

	if (isspace((unsigned char)*c->s)) {
		skip(c, 1);
		return true;
	}
	if (left(c) >= 2 && memcmp(c->s, "--", 2) == 0) {
		end = memchr(c->s, '\n', left(c));
		skip(c, end ? (size_t)(end - c->s) : left(c));
		return true;
	}
	if (left(c) >= 2 && memcmp(c->s, "/*", 2) == 0) {
		end = memmem(c->s + 2, left(c) - 2, "*/", 2);
		skip(c, end ? (size_t)(end - c->s) + 2 : left(c));
		return true;
	}
	return false;
}

/* A closing mark that is doubled stands for itself. */
static void
take_quoted(struct scan *c, const char *kind, char close)
{
	_cleanup_free_ char *text = malloc(left(c) + 1);
	const char *p = c->s + 1;
	int64_t at = c->at;
	size_t n = 0;

	for (; text && p < c->end; p++) {
		if (*p == close && (close == ']' || p + 1 == c->end || p[1] != close))
			break;
		p += *p == close;
		text[n++] = *p;
	}
	skip(c, (size_t)(p - c->s) + 1);
	if (text)
		emit(c, kind, text, n, at);
}

static void
take_word(struct scan *c)
{
	const char *start = c->s;
	bool number = isdigit((unsigned char)*start);
	int64_t at = c->at;

	while (c->s < c->end && (is_word(*c->s) || (number && *c->s == '.')))
		skip(c, 1);
	emit(c, number ? "number" : "word", start, (size_t)(c->s - start), at);
}

static void
take_sign(struct scan *c)
{
	const char *start = c->s;
	int64_t at = c->at;

	if (*start == ')' && c->depth > 0)
		c->depth--;
	skip(c, 1);
	emit(c, "sign", start, 1, at);
	if (*start == '(')
		c->depth++;
}

static void
take(struct scan *c)
{
	switch (*c->s) {
	case '"':
		take_quoted(c, "dq", '"');
		return;
	case '`':
		take_quoted(c, "name", '`');
		return;
	case '[':
		take_quoted(c, "name", ']');
		return;
	case '\'':
		take_quoted(c, "string", '\'');
		return;
	}
	if (is_word(*c->s))
		take_word(c);
	else
		take_sign(c);
}

static void
on_tokens(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct scan c = { .s = (const char *)sqlite3_value_text(argv[0]), .at = 1 };
	_cleanup_free_ char *text = NULL;

	(void)argc;
	if (!c.s)
		return;
	c.end = c.s + sqlite3_value_bytes(argv[0]);
	c.out = json_array();
	while (c.s < c.end && json_array_size(c.out) < TOKENS_MAX)
		if (!skip_blank(&c))
			take(&c);
	/* Half a statement would be judged as a whole one. */
	if (c.s >= c.end)
		text = json_dumps(c.out, JSON_COMPACT);
	if (text)
		sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
	json_decref(c.out);
}

int
tokens_register(struct sqlite3 *db)
{
	return sqlite3_create_function(db, "tokens", 1,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, on_tokens, NULL, NULL);
}
