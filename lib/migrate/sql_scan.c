/* Strings, quoted names, dollar quotes and comments of both engines. */
#include "migrate/sql_scan.h"
#include <ctype.h>
#include <strings.h>

struct sql_scan
sql_scan(enum engine engine, const char *text, int line)
{
	return (struct sql_scan){ .engine = engine, .text = text, .line = line, .next_line = line };
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Behind the closing quote; a doubled one is one character of it. */
static size_t
quoted_len(const char *s, bool backslash)
{
	char end = *s == '[' ? ']' : *s;
	size_t i = 1;

	for (; s[i]; i++) {
		if (backslash && s[i] == '\\' && s[i + 1])
			i++;
		else if (s[i] == end && end != ']' && s[i + 1] == end)
			i++;
		else if (s[i] == end)
			return i + 1;
	}
	return i;
}

/* $tag$ ... $tag$; 0: it is none. */
static size_t
dollar_len(const char *s)
{
	size_t tag = 1;

	while (isalnum((unsigned char)s[tag]) || s[tag] == '_' || (unsigned char)s[tag] >= 0x80)
		tag++;
	if (s[tag] != '$' || isdigit((unsigned char)s[1]))
		return 0;
	tag++;
	for (const char *p = strchr(s + tag, '$'); p; p = strchr(p + 1, '$'))
		if (strncmp(p, s, tag) == 0)
			return (size_t)(p - s) + tag;
	return strlen(s);
}

/* PostgreSQL's nest, SQLite's do not. */
static size_t
block_comment_len(const char *s, bool nested)
{
	size_t i = 2;
	int depth = 1;

	while (s[i] && depth > 0) {
		if (s[i] == '*' && s[i + 1] == '/')
			depth--, i += 2;
		else if (nested && s[i] == '/' && s[i + 1] == '*')
			depth++, i += 2;
		else
			i++;
	}
	return i;
}

static enum sql_token
token_at(const struct sql_scan *s, const char *p, size_t *ret_len)
{
	bool postgresql = s->engine != ENGINE_SQLITE;

	if (p[0] == '-' && p[1] == '-') {
		*ret_len = strcspn(p, "\n");
		return SQL_COMMENT;
	}
	if (p[0] == '/' && p[1] == '*') {
		*ret_len = block_comment_len(p, postgresql);
		return SQL_COMMENT;
	}
	if (postgresql && *p == '$' && (*ret_len = dollar_len(p)) > 0)
		return SQL_STRING;
	if (postgresql && strchr("eE", *p) && p[1] == '\'') {
		*ret_len = 1 + quoted_len(p + 1, true);
		return SQL_STRING;
	}
	if (*p == '\'') {
		*ret_len = quoted_len(p, false);
		return SQL_STRING;
	}
	if (*p == '"' || (!postgresql && (*p == '`' || *p == '['))) {
		*ret_len = quoted_len(p, false);
		return SQL_NAME;
	}
	for (*ret_len = 0; is_word(p[*ret_len]);)
		(*ret_len)++;
	if (*ret_len > 0)
		return isdigit((unsigned char)*p) ? SQL_NUMBER : SQL_WORD;
	*ret_len = 1;
	return SQL_SIGN;
}

enum sql_token
sql_next(struct sql_scan *s)
{
	enum sql_token token;
	size_t len;

	for (; isspace((unsigned char)s->text[s->at]); s->at++)
		s->next_line += s->text[s->at] == '\n';
	s->begin = s->at;
	s->line = s->next_line;
	if (!s->text[s->at])
		return SQL_END;
	token = token_at(s, s->text + s->at, &len);
	for (size_t i = 0; i < len; i++)
		s->next_line += s->text[s->at++] == '\n';
	return token;
}

enum sql_token
sql_next_word(struct sql_scan *s)
{
	enum sql_token token;

	while ((token = sql_next(s)) == SQL_COMMENT)
		;
	return token;
}

bool
sql_is(const struct sql_scan *s, const char *word)
{
	size_t len = s->at - s->begin;

	return strlen(word) == len && strncasecmp(s->text + s->begin, word, len) == 0;
}
