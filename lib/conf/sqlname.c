/* The shape of dotted SQL names and of conditions, as both engines read them. */
#include "conf/sqlname.h"
#include "base/str.h"
#include <ctype.h>
#include <strings.h>

/* Behind the quoted text that opens at *p; NULL when it never ends. */
static const char *
quoted_end(const char *p)
{
	char quote = *p;

	for (p++; *p; p++)
		if (*p == quote) {
			if (p[1] != quote)
				return p + 1;
			p++;
		}
	return NULL;
}

/* Behind one part of a name; NULL when there is none. */
static const char *
part_end(const char *p)
{
	const char *start = p;

	if (*p == '"') {
		p = quoted_end(p);
		return p && p - start > 2 ? p : NULL;
	}
	p += strcspn(p, ".\"");
	return *p != '"' && p > start && !isspace((unsigned char)*start) &&
	               !isspace((unsigned char)p[-1])
	           ? p
	           : NULL;
}

int
sqlname_check(const char *s, size_t min, size_t max, const char *like, struct err *e)
{
	const char *p = s;
	size_t n = 0;

	do {
		p = part_end(p);
		n++;
	} while (p && *p == '.' && *++p);
	if (!p || *p || p[-1] == '.' || n < min || n > max)
		return err_set(e, -EINVAL, "\"%.60s\" is no such name; write %s", s, like);
	return 0;
}

static bool
is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static int
starts_like_a_statement(const char *s)
{
	static const char *const words[] = { "select", "with", "where", "values" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (strncasecmp(s, words[i], n) == 0 && !is_word_byte(s[n]))
			return true;
	}
	return false;
}

int
sqlcondition_check(const char *s, struct err *e)
{
	const char *p = s, *why = NULL;
	int depth = 0;

	if (starts_like_a_statement(s))
		return err_set(e, -EINVAL,
		    "write what stands behind WHERE, as in is_superuser or role = 'admin'; a whole "
		    "statement goes into [query NAME]");
	while (*p && !why) {
		if (*p == '\'' || *p == '"') {
			/* E'' and its kin end elsewhere than plain text does */
			if (*p == '\'' && p > s && is_word_byte(p[-1]))
				why = "text with a letter before its quote";
			p = quoted_end(p);
			if (!p)
				return err_set(e, -EINVAL, "a quote is not closed");
			continue;
		}
		depth += (*p == '(') - (*p == ')');
		if (*p == ';')
			why = "\";\"";
		else if (*p == '$')
			why = "\"$\"";
		else if (*p == ':' && p[1] != ':' && (p == s || p[-1] != ':'))
			why = "a single \":\"";
		else if (str_starts(p, "--") || str_starts(p, "/*"))
			why = "a comment";
		if (depth < 0)
			break;
		p++;
	}
	if (why)
		return err_set(e, -EINVAL, "%s cannot stand in a condition", why);
	return depth == 0 ? 0 : err_set(e, -EINVAL, "the parentheses do not match");
}
