/* Memory that is there or ends the program, and owned arrays of strings. */
#include "base/base.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

void
out_of_memory(void)
{
	/* No allocation and no stdio here: both may be what failed. */
	static const char msg[] = "out of memory, giving up\n";
	ssize_t n = write(STDERR_FILENO, msg, sizeof(msg) - 1);

	(void)n;
	abort();
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
xrealloc(void *old, size_t size)
{
	return xreallocarray(old, size, 1);
}

void *
xreallocarray(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *
xstrdup(const char *s)
{
	return s ? xstrndup(s, strlen(s)) : NULL;
}

char *
xstrndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = xcalloc(n + 1, 1);

	memcpy(copy, s, n);
	return copy;
}

char *
xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

char **
strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
	return NULL;
}

size_t
strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

bool
strv_has(char *const *v, const char *s)
{
	for (size_t i = 0; v && v[i]; i++)
		if (streq(v[i], s))
			return true;
	return false;
}

char **
strv_dup(char *const *v)
{
	size_t n = strv_len(v);
	char **copy;

	if (!v)
		return NULL;
	copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

static void
strv_take(char ***v, char *take_s)
{
	size_t n = strv_len(*v);

	*v = xreallocarray(*v, n + 2, sizeof(**v));
	(*v)[n] = take_s;
	(*v)[n + 1] = NULL;
}

void
strv_add(char ***v, const char *s)
{
	strv_take(v, xstrdup(s));
}

char **
strv_split_commas(const char *s)
{
	char **v = NULL;

	while (s && *s) {
		const char *end = strchrnul(s, ','), *last = end;

		while (s < end && isspace((unsigned char)*s))
			s++;
		while (last > s && isspace((unsigned char)last[-1]))
			last--;
		if (last > s)
			strv_take(&v, xstrndup(s, (size_t)(last - s)));
		s = *end ? end + 1 : end;
	}
	return v;
}
