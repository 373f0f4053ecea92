/*
 * As much of Python as migrations need: the texts in an assignment.  Comments and other strings are passed
 * over as Python does, nothing is evaluated.
 */
#include "base/str.h"
#include "migration/tool.h"
#include <ctype.h>

/* Behind the string that begins at p (a quote); its text to out when that is not NULL. */
static const char *
skip_string(const char *p, struct str *out)
{
	char quote = *p;
	bool triple = p[1] == quote && p[2] == quote;

	for (p += triple ? 3 : 1; *p; p++) {
		if (triple ? p[0] == quote && p[1] == quote && p[2] == quote : *p == quote)
			return p + (triple ? 3 : 1);
		if (!triple && *p == '\n')
			return p; /* not closed: no string of Python */
		if (*p == '\\' && p[1])
			p++;
		if (out)
			str_addc(out, *p);
	}
	return p;
}

static const char *
skip_comment(const char *p)
{
	return p + strcspn(p, "\n");
}

/* `name =` or `name: type =` at p; behind the sign, or NULL. */
static const char *
assigned(const char *p, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(p, name, n) != 0 || isalnum((unsigned char)p[n]) || p[n] == '_')
		return NULL;
	p += n + strspn(p + n, " \t");
	if (*p == ':')
		p += strcspn(p, "=\n#");
	return p[0] == '=' && p[1] != '=' ? p + 1 : NULL;
}

static char **
strings_of(const char *p)
{
	char **v = NULL;
	int depth = 0;

	while (*p && (*p != '\n' || depth > 0)) {
		if (*p == '\'' || *p == '"') {
			_cleanup_str_ struct str s = { 0 };

			p = skip_string(p, &s);
			strv_add(&v, str_text(&s));
			continue;
		}
		if (*p == '#') {
			p = skip_comment(p);
			continue;
		}
		if (*p == '\\' && p[1] == '\n')
			p++;
		depth += (strchr("([{", *p) != NULL) - (strchr(")]}", *p) != NULL);
		p++;
	}
	return v;
}

bool
python_strings(const char *text, const char *name, bool indented, char ***ret)
{
	const char *p = text, *value;
	bool line = true;

	if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (*p) {
		if (line && (value = assigned(indented ? p + strspn(p, " \t") : p, name))) {
			*ret = strings_of(value);
			return true;
		}
		line = false;
		if (*p == '\'' || *p == '"')
			p = skip_string(p, NULL);
		else if (*p == '#')
			p = skip_comment(p);
		else
			line = *p++ == '\n';
	}
	return false;
}
