/* Every fault of a configuration, in the order in which a person goes through the files. */
#include "base/str.h"
#include "base/text.h"
#include "conf/conf.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

/* A file of garbage has an error a line: more than this help nobody. */
#define ERRORS_MAX 500

/* "FILE:LINE: what" taken apart; text without a line counts as line 0 of its own. */
struct place {
	char *text;
	size_t file_len, seq;
	size_t file; /* rank of the file: the seq of its first fault */
	long line;
};

void
err_list_add(struct err_list *l, const char *fmt, ...)
{
	_cleanup_free_ char *raw = NULL, *line = NULL, *shown = NULL;
	size_t n = strv_len(l->v);
	va_list ap;

	if (n > ERRORS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&raw, fmt, ap) < 0)
		raw = xstrdup("out of memory");
	va_end(ap);
	line = show_text(n == ERRORS_MAX ? "further errors are not shown" : raw);
	shown = text_ellipsis(line, 1000);
	strv_add(&l->v, shown);
}

void
err_list_done(struct err_list *l)
{
	l->v = strv_free(l->v);
	l->unseen = strv_free(l->unseen);
}

static void
find_place(struct place *p, size_t seq)
{
	p->seq = seq;
	p->line = 0;
	p->file_len = strcspn(p->text, ":");
	for (const char *c = p->text; (c = strchr(c, ':')); c++)
		if (isdigit((unsigned char)c[1])) {
			p->file_len = (size_t)(c - p->text);
			p->line = strtol(c + 1, NULL, 10);
			return;
		}
}

static int
by_place(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void
err_list_sort(struct err_list *l)
{
	size_t n = strv_len(l->v);
	_cleanup_free_ struct place *places = xcalloc(n, sizeof(*places));

	for (size_t i = 0; i < n; i++) {
		struct place *p = &places[i];

		p->text = l->v[i];
		find_place(p, i);
		p->file = i;
		for (size_t j = 0; j < i; j++)
			if (places[j].file_len == p->file_len &&
			    memcmp(places[j].text, p->text, p->file_len) == 0) {
				p->file = places[j].file;
				break;
			}
	}
	qsort(places, n, sizeof(*places), by_place);
	for (size_t i = 0; i < n; i++)
		l->v[i] = places[i].text;
}
