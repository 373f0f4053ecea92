/* A growing string, and the small questions asked of strings: trim, glob, nearest word. */
#include "base/str.h"
#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* Longer words get no suggestion: nobody types them, and the distance costs their product. */
#define NEAREST_MAX 64

void
str_done(struct str *s)
{
	free(s->s);
	*s = (struct str){ 0 };
}

void
str_reset(struct str *s)
{
	s->len = 0;
	if (s->s)
		s->s[0] = '\0';
}

static void
str_reserve(struct str *s, size_t more)
{
	size_t need;

	/* Nothing that is counted in bytes here comes near; an overflow is a wrong length. */
	assert(more < SIZE_MAX / 4 && s->len < SIZE_MAX / 4);
	need = s->len + more + 1;
	if (need <= s->cap)
		return;
	s->cap = MAX(need, MAX(s->cap * 2, (size_t)32));
	s->s = xreallocarray(s->s, s->cap, 1);
}

void
str_addn(struct str *s, const char *text, size_t n)
{
	str_reserve(s, n);
	if (n)
		memcpy(s->s + s->len, text, n);
	s->len += n;
	s->s[s->len] = '\0';
}

void
str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void
str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void
str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	str_reserve(s, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(s->s + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

char *
str_take(struct str *s)
{
	char *text = s->s ? s->s : xstrdup("");

	*s = (struct str){ 0 };
	return text;
}

const char *
str_text(const struct str *s)
{
	return s->s ? s->s : "";
}

bool
str_is_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isascii(*s) || (!isalnum((unsigned char)*s) && *s != '_'))
			return false;
	return true;
}

char *
str_trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && streq(s + n - m, suffix);
}

bool
str_same(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool
same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edit distance where swapping two neighbours counts one; letters of either case are equal. */
static size_t
edit_distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][NEAREST_MAX + 1], *two = rows[0], *one = rows[1], *now = rows[2];

	for (size_t j = 0; j <= blen; j++)
		one[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t *oldest = two;

		now[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			bool same = same_letter(a[i - 1], b[j - 1]);
			bool swapped = i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
			               same_letter(a[i - 2], b[j - 1]);

			now[j] = MIN(one[j], now[j - 1]) + 1;
			now[j] = MIN(now[j], one[j - 1] + (same ? 0 : 1));
			if (swapped)
				now[j] = MIN(now[j], two[j - 2] + 1);
		}
		two = one;
		one = now;
		now = oldest;
	}
	return one[blen];
}

const char *
str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strnlen(word, NEAREST_MAX + 1), best = SIZE_MAX;
	const char *nearest = NULL;

	if (len == 0 || len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t clen = strnlen(candidates[i], NEAREST_MAX + 1), d;

		if (clen > NEAREST_MAX)
			continue;
		d = edit_distance(word, len, candidates[i], clen);
		/* A third of the letters wrong is a slip, more is another word. */
		if (d < best && d <= MAX(len, clen) / 3) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

bool
str_glob(const char *pattern, const char *s)
{
	return fnmatch(pattern, s, 0) == 0;
}

bool
str_glob_any(char *const *patterns, const char *s)
{
	for (size_t i = 0; patterns && patterns[i]; i++)
		if (str_glob(patterns[i], s))
			return true;
	return false;
}
