/*
 * Alembic: files that assign `revision` and `down_revision`; the order is that of a graph.
 */
#include "base/map.h"
#include "base/str.h"
#include "migration/tool.h"
#include <stdlib.h>

struct revision {
	char *id, *path, *label;
	char **down, **depends; /* ids */
	size_t waits, place;    /* for so many of what it stands on; in the order, from 1 */
	size_t *after;          /* who stands on it */
	size_t nafter;
};
struct graph {
	struct revision *v;
	size_t n;
	struct map *by_id; /* id -> place in v, from 1 */
};

static bool
is_alembic(const struct migration_file *f, const char *text)
{
	_cleanup_strv_ char **v = NULL;

	return str_ends(f->name, ".py") && (!text || (python_strings(text, "revision", false, &v) &&
	                                                 v && strstr(text, "down_revision")));
}

static void
graph_done(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct revision *r = &g->v[i];

		free(r->id);
		free(r->path);
		free(r->label);
		strv_free(r->down);
		strv_free(r->depends);
		free(r->after);
	}
	free(g->v);
	map_free(g->by_id, NULL);
}

static void
graph_add(struct graph *g, const struct migration_file *f, const char *text)
{
	_cleanup_strv_ char **id = NULL, **labels = NULL;
	struct revision *r;

	if (!is_alembic(f, text) || !python_strings(text, "revision", false, &id) || !id ||
	    map_get(g->by_id, id[0]))
		return;
	r = &g->v[g->n++];
	r->id = xstrdup(id[0]);
	r->path = xstrdup(f->path);
	(void)python_strings(text, "down_revision", false, &r->down);
	(void)python_strings(text, "depends_on", false, &r->depends);
	if (python_strings(text, "branch_labels", false, &labels) && labels)
		r->label = xstrdup(labels[0]);
	map_put(g->by_id, r->id, (void *)(uintptr_t)g->n);
}

static struct revision *
graph_get(const struct graph *g, const char *id)
{
	size_t place = (size_t)(uintptr_t)map_get(g->by_id, id);

	return place ? &g->v[place - 1] : NULL;
}

/* What is not in the folder was deleted: it holds nobody up. */
static void
graph_link(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		char **lists[] = { g->v[i].down, g->v[i].depends };

		for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
			for (size_t k = 0; lists[l] && lists[l][k]; k++) {
				struct revision *on = graph_get(g, lists[l][k]);

				if (!on)
					continue;
				on->after =
				    xreallocarray(on->after, on->nafter + 1, sizeof(*on->after));
				on->after[on->nafter++] = i;
				g->v[i].waits++;
			}
	}
}

/* The label of what it stands on, where that is one. */
static void
inherit_label(const struct graph *g, struct revision *r)
{
	const char *label = NULL;

	for (size_t k = 0; !r->label && r->down && r->down[k]; k++) {
		const struct revision *on = graph_get(g, r->down[k]);

		if (!on || !on->label || (label && !streq(label, on->label)))
			return;
		label = on->label;
	}
	if (!r->label)
		r->label = xstrdup(label);
}

static void
add_revision(const struct graph *g, struct revision *r, json_t *known)
{
	json_t *o = migration_add(known, r->id, r->path), *d = json_array(), *label;
	char **lists[] = { r->down, r->depends };

	r->place = json_array_size(known);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		for (size_t k = 0; lists[l] && lists[l][k]; k++) {
			const struct revision *on = graph_get(g, lists[l][k]);

			if (on)
				json_array_append_new(d, json_integer((json_int_t)on->place - 1));
		}
	json_object_set_new(o, "d", d);
	inherit_label(g, r);
	label = r->label ? json_string(r->label) : NULL;
	if (label)
		json_object_set_new(o, "label", label);
}

/* What waits for nothing comes first, in the order of the files. */
static int
graph_sort(struct graph *g, json_t *known, struct err *e)
{
	_cleanup_free_ size_t *queue = xcalloc(g->n + 1, sizeof(*queue));
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].waits == 0)
			queue[n++] = i;
	for (size_t q = 0; q < n; q++) {
		struct revision *r = &g->v[queue[q]];

		add_revision(g, r, known);
		for (size_t k = 0; k < r->nafter; k++)
			if (--g->v[r->after[k]].waits == 0)
				queue[n++] = r->after[k];
	}
	return n == g->n ? 0 : err_set(e, -ELOOP, "its revisions stand on each other in a circle");
}

static int
read_alembic(struct migration_folder *f, json_t *known, struct err *e)
{
	struct graph g = { .v = xcalloc(f->n + 1, sizeof(*g.v)), .by_id = map_new() };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < f->n; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;

		if (!str_ends(f->v[i].name, ".py"))
			continue;
		r = migration_file_read(f, &f->v[i], &text, &len, e);
		if (r >= 0)
			graph_add(&g, &f->v[i], text);
	}
	if (r >= 0) {
		graph_link(&g);
		r = graph_sort(&g, known, e);
	}
	graph_done(&g);
	return r;
}

const struct migration_tool migration_alembic = { "alembic", NULL, is_alembic, true, read_alembic };
