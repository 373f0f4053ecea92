/*
 * Patterns of a fleet, and its files' names as text.
 */
#include "base/str.h"
#include "base/text.h"
#include "sqlite/fleet.h"
#include <stdio.h>

#define PARTS_MAX 32

static size_t
count_slashes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '/';
	return n;
}

int
fleet_split(const char *path, char **ret_folder, char **ret_pattern, struct err *err)
{
	const char *wild = strpbrk(path, "*?["), *slash = wild;

	if (!wild)
		return err_set(err, -EINVAL, "there is no wildcard in it");
	if (*path != '/')
		return err_set(err, -EINVAL, "the path of many files begins with a slash");
	if (strstr(path, "**"))
		return err_set(
		    err, -EINVAL, "** is not known; write one * for each level of folders");
	while (*slash != '/')
		slash--;
	if (slash[1 + strlen(slash + 1) - 1] == '/' || count_slashes(slash) > PARTS_MAX)
		return err_set(err, -EINVAL, "it names no files");
	*ret_folder = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	*ret_pattern = xstrdup(slash + 1);
	return 0;
}

char *
fleet_name(const char *file)
{
	_cleanup_str_ struct str out = { 0 };
	size_t len = strlen(file);

	for (size_t i = 0; i < len;) {
		size_t n = text_character(file + i, len - i);

		if (n == 0 || (unsigned char)file[i] < 0x20 || file[i] == 0x7f || file[i] == '%') {
			str_addf(&out, "%%%02X", (unsigned char)file[i++]);
			continue;
		}
		str_addn(&out, file + i, n);
		i += n;
	}
	return str_take(&out);
}

static int
hex(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

char *
fleet_bytes(const char *name)
{
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = name; *p; p++) {
		int high = *p == '%' ? hex(p[1]) : -1, low = high >= 0 ? hex(p[2]) : -1;

		if (low < 0) {
			str_addc(&out, *p);
			continue;
		}
		str_addc(&out, (char)(high << 4 | low));
		p += 2;
	}
	return str_take(&out);
}

char *
fleet_path(const char *folder, const char *name)
{
	_cleanup_free_ char *file = fleet_bytes(name);

	return xasprintf("%s%s%s", folder, str_ends(folder, "/") ? "" : "/", file);
}
