/* Differences of shapes as people read them. */
#include "base/str.h"
#include "check/shape.h"
#include <ctype.h>

/* A text longer than that is not repeated: that it changed is enough. */
#define VALUE_SHOWN 80

struct shape_words {
	struct str text;
	char *object, *there; /* object: of the last difference */
	size_t max, n, more;
};

struct shape_words *
shape_words_new(size_t max, const char *there)
{
	struct shape_words *w = xcalloc(1, sizeof(*w));

	w->max = max;
	w->there = xstrdup(there);
	return w;
}

/* Without what only the machine compares; digests as dots. */
char *
shape_value_words(const char *value)
{
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = value; *p && *p != '~'; p++) {
		size_t digits = 0;

		if (*p == '#')
			while (isxdigit((unsigned char)p[1 + digits]))
				digits++;
		if (digits >= 8) {
			str_add(&out, "...");
			p += digits;
		} else {
			str_addc(&out, *p);
		}
	}
	return str_take(&out);
}

static void
add_change(struct str *out, enum shape_change change, const char *there)
{
	if (!there)
		str_add(out, shape_change_names[change]);
	else if (change == SHAPE_REMOVED)
		str_addf(out, "only in %s", there);
	else
		str_add(out, change == SHAPE_ADDED ? "only here" : "differs");
}

char *
shape_difference_words(const struct shape_difference *d, const char *there)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *before = NULL, *after = NULL;

	if (d->part)
		str_addf(&out, "%s ", d->part);
	if (!d->part || d->change != SHAPE_CHANGED) {
		add_change(&out, d->change, there);
		return str_take(&out);
	}
	before = shape_value_words(d->before);
	after = shape_value_words(d->after);
	if (streq(before, after) || !*before || !*after || strlen(before) > VALUE_SHOWN ||
	    strlen(after) > VALUE_SHOWN)
		add_change(&out, SHAPE_CHANGED, there);
	else if (there)
		str_addf(&out, "is %s in %s, %s here", before, there, after);
	else
		str_addf(&out, "changed from %s to %s", before, after);
	return str_take(&out);
}

void
shape_words_add(const struct shape_difference *d, void *arg)
{
	struct shape_words *w = arg;
	_cleanup_free_ char *words = NULL;

	if (w->n == w->max) {
		w->more++;
		return;
	}
	w->n++;
	words = shape_difference_words(d, w->there);
	if (w->text.len > 0)
		str_add(&w->text, "; ");
	if (!d->part)
		str_addf(&w->text, "%s %s", d->object, words);
	else if (w->object && streq(w->object, d->object))
		str_add(&w->text, words);
	else
		str_addf(&w->text, "%s: %s", d->object, words);
	free(w->object);
	w->object = xstrdup(d->object);
}

char *
shape_words_end(struct shape_words *w)
{
	char *text;

	if (w->more > 0)
		str_addf(&w->text, "; and %zu more", w->more);
	text = str_take(&w->text);
	free(w->object);
	free(w->there);
	free(w);
	return text;
}
