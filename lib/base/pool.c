/*
 * Shared texts in a balanced tree: peers choose many of them, and no choice makes it slow.
 */
#include "base/pool.h"
#include <search.h>
#include <stddef.h>

struct shared {
	unsigned refs;
	const char *key; /* its own text, or of one that is looked for */
	char text[];
};
struct pool {
	void *root; /* of struct shared */
	size_t n;
};

static int
by_text(const void *a, const void *b)
{
	const struct shared *x = a, *y = b;

	return x->key == y->key ? 0 : strcmp(x->key, y->key);
}

struct pool *
pool_new(void)
{
	return xcalloc(1, sizeof(struct pool));
}

struct pool *
pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	assert(p->n == 0);
	free(p);
	return NULL;
}

const char *
pool_take(struct pool *p, const char *text)
{
	struct shared look = { .key = text }, *s, *const * found;
	size_t size;

	if (!p || !text)
		return xstrdup(text);
	found = tfind(&look, &p->root, by_text);
	if (found) {
		(*found)->refs++;
		return (*found)->text;
	}
	size = strlen(text) + 1;
	s = xcalloc(1, sizeof(*s) + size);
	memcpy(s->text, text, size);
	s->key = s->text;
	s->refs = 1;
	if (!tsearch(s, &p->root, by_text)) {
		/* As xcalloc: out of memory is the end. */
		abort();
	}
	p->n++;
	return s->text;
}

void
pool_give(struct pool *p, const char *text)
{
	struct shared *s;

	if (!p || !text) {
		free((char *)text);
		return;
	}
	s = (struct shared *)((char *)text - offsetof(struct shared, text));
	if (--s->refs > 0)
		return;
	tdelete(s, &p->root, by_text);
	p->n--;
	free(s);
}

size_t
pool_count(const struct pool *p)
{
	return p->n;
}
