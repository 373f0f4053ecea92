/*
 * Statements without what is secret in them.  No server stands behind it to say how a string is
 * read (standard_conforming_strings, the engine, where it was cut): wherever two readings are
 * possible the rest of the text goes.
 */
#include "base/redact.h"
#include "base/str.h"
#include "base/text.h"
#include <ctype.h>
#include <strings.h>

static bool
is_word_start(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool
is_word(char c)
{
	return is_word_start(c) || isdigit((unsigned char)c) || c == '$';
}

/*
 * Behind a string that begins at p; NULL when it does not end, or when it depends on a setting
 * where: a backslash before a quote.
 */
static const char *
behind_string(const char *p, bool escapes)
{
	for (p++; *p; p++) {
		if (*p == '\\' && (p[1] == '\\' || (escapes && p[1]))) {
			p++;
		} else if (*p == '\\' && p[1] == '\'') {
			return NULL;
		} else if (*p == '\'') {
			if (p[1] != '\'')
				return p + 1;
			p++;
		}
	}
	return NULL;
}

static const char *
behind_name(const char *p, char close)
{
	for (p++; *p; p++) {
		if (*p != close)
			continue;
		if (p[1] != close)
			return p + 1;
		p++;
	}
	return NULL;
}

/* Engines differ in whether these nest: one that holds another may end in two places. */
static const char *
behind_comment(const char *p)
{
	const char *end = strstr(p + 2, "*/"), *inner = strstr(p + 2, "/*");

	return end && !(inner && inner < end) ? end + 2 : NULL;
}

static const char *
behind_dollars(const char *p)
{
	size_t tag = 1;
	const char *q;

	while (is_word(p[tag]) && p[tag] != '$')
		tag++;
	tag++;
	for (q = p + tag; (q = strchr(q, '$')); q++)
		if (strncmp(q, p, tag) == 0)
			return q + tag;
	return NULL;
}

static bool
begins_dollars(const char *p)
{
	if (p[1] != '$' && !is_word_start(p[1]))
		return false;
	for (p++; is_word(*p) && *p != '$';)
		p++;
	return *p == '$';
}

/* The letters that may stand right before a string and belong to it. */
static size_t
string_prefix(const char *p)
{
	if (*p == '\'')
		return 0;
	if (*p && strchr("eEbBxXnN", *p) && p[1] == '\'')
		return 1;
	return (*p == 'u' || *p == 'U') && p[1] == '&' && p[2] == '\'' ? 2 : SIZE_MAX;
}

static const char *
behind_number(const char *p)
{
	while (isalnum((unsigned char)*p) || *p == '.' || *p == '_' ||
	       ((*p == '+' || *p == '-') && (p[-1] == 'e' || p[-1] == 'E') &&
	           isdigit((unsigned char)p[1])))
		p++;
	return p;
}

struct redact {
	struct str out;
	bool gap; /* blanks or a comment before what comes next */
};

static void
add(struct redact *r, const char *s, size_t len)
{
	if (r->gap && r->out.len > 0)
		str_addc(&r->out, ' ');
	r->gap = false;
	str_addn(&r->out, s, len);
}

/* One piece at p; where it ends, or NULL: nothing behind it is safe to show. */
static const char *
take(struct redact *r, const char *p)
{
	size_t prefix = string_prefix(p);
	const char *q = p;

	if (isspace((unsigned char)*p) || (p[0] == '-' && p[1] == '-') ||
	    (p[0] == '/' && p[1] == '*')) {
		r->gap = true;
		if (*p == '-')
			return p + strcspn(p, "\r\n");
		return *p == '/' ? behind_comment(p) : p + 1;
	}
	if (prefix != SIZE_MAX || (*p == '$' && begins_dollars(p))) {
		add(r, "?", 1);
		return prefix == SIZE_MAX ? behind_dollars(p)
		                          : behind_string(p + prefix, *p == 'e' || *p == 'E');
	}
	if (*p == '"' || *p == '`') {
		q = behind_name(p, *p);
		if (q)
			add(r, p, (size_t)(q - p));
		return q;
	}
	if (is_word_start(*p)) {
		while (is_word(*q))
			q++;
		add(r, p, (size_t)(q - p));
		return q - p == 8 && strncasecmp(p, "password", 8) == 0 ? NULL : q;
	}
	if (isdigit((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[1]))) {
		add(r, "?", 1);
		return behind_number(p + 1);
	}
	/* A place for a parameter has no number of anybody's in it. */
	for (q = p + 1; (*p == '$' || *p == '?') && isdigit((unsigned char)*q);)
		q++;
	add(r, p, (size_t)(q - p));
	return q;
}

char *
redact_sql(const char *sql, size_t max_bytes)
{
	_cleanup_str_ struct str all = { 0 };
	struct redact r = { 0 };
	const char *p = sql ? sql : "";

	while (p && *p && r.out.len <= max_bytes)
		p = take(&r, p);
	str_add(&all, str_text(&r.out));
	str_done(&r.out);
	if (!p)
		str_add(&all, " ...");
	return text_ellipsis(str_text(&all), max_bytes);
}
