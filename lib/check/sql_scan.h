#pragma once
#include "base/err.h"
#include "base/words.h"
/*
 * Splits SQL into tokens, as far as binding, counting statements and the lint need it.  Knows the
 * quoting rules of PostgreSQL (E'', dollar quotes, nested comments) and SQLite (`x`, [x]).
 */
enum sql_token_kind {
	SQL_END = 0,
	SQL_BLANK,
	SQL_COMMENT,
	SQL_WORD,   /* keyword or plain identifier */
	SQL_QUOTED, /* quoted identifier, with its quotes */
	SQL_STRING, /* with quotes and a leading E */
	SQL_NUMBER,
	SQL_PARAM,    /* :name, with the colon */
	SQL_POSITION, /* the engine's own parameters: $1, ?, ?1, @x, $x */
	SQL_OTHER,    /* one character of anything else; `::` is one */
};
struct sql_token {
	enum sql_token_kind kind;
	const char *s; /* borrowed */
	size_t len;
};
struct sql_scan {
	enum engine engine;
	const char *start, *p;
	int brackets;     /* depth of [ ] */
	bool after_value; /* the last token, without a blank since, ends a value */
};
void sql_scan_init(struct sql_scan *, const char *sql, enum engine);
/* 0, or -EINVAL for a quote or comment that never ends.  SQL_END for ever at the end. */
int sql_scan_next(struct sql_scan *, struct sql_token *ret, struct err *) _must_check_;
/* Line of the text, from 0, that a place in it is on; scan->p is where the last error was. */
int sql_scan_line(const struct sql_scan *, const char *at);
bool sql_token_is(const struct sql_token *, const char *word); /* case does not matter */
