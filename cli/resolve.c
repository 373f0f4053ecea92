/* What the argument of `dbhealth explain` means. */
#include "cli/resolve.h"

#include "base/str.h"

#include <ctype.h>

bool
resolve_is_id(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	return n >= 4 && n <= 16;
}

bool
resolve_split(const char *text, const char *const *names, size_t n, char **ret_db, char **ret_check,
    char **ret_object)
{
	size_t best = 0, id;
	const char *rest;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]);

		if (len > best && str_starts(text, names[i]) && text[len] == '/')
			best = len;
	}
	if (best == 0)
		return false;
	rest = text + best + 1;
	id = strcspn(rest, "/");
	*ret_db = xstrndup(text, best);
	*ret_check = xstrndup(rest, id);
	*ret_object = xstrdup(rest[id] ? rest + id + 1 : "");
	return true;
}
