#pragma once
#include "base/words.h"
/*
 * SQL token by token, as far as strings, quoted names and comments go: each engine's own rules for
 * these, no grammar.  Never fails: what is not closed ends with the text.
 */
enum sql_token { SQL_END = 0, SQL_WORD, SQL_NAME, SQL_STRING, SQL_NUMBER, SQL_COMMENT, SQL_SIGN };
struct sql_scan {
	enum engine engine;
	const char *text;
	size_t at;     /* behind the token */
	size_t begin;  /* of the token */
	int line;      /* of its begin; the caller sets that of the text's begin */
	int next_line; /* private */
};
struct sql_scan sql_scan(enum engine, const char *text, int line);
enum sql_token sql_next(struct sql_scan *);
/* The same without comments. */
enum sql_token sql_next_word(struct sql_scan *);
bool sql_is(const struct sql_scan *, const char *word); /* of a word, in any case */
