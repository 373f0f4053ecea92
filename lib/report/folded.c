/* Findings under their cause, in lists for people. */
#include "report/folded.h"
#include "base/map.h"
#include "base/text.h"
#include "report/layout.h"

#define SHOWN_MAX 5

struct folded {
	const json_t *findings;
	size_t *root; /* of each; itself: it stands alone */
	size_t n;
};

static bool
is_open(const json_t *f)
{
	return streq(layout_get(f, "state"), "open");
}

static enum severity
severity_of(const json_t *f)
{
	enum severity s = SEVERITY_NONE;

	(void)severity_parse(layout_get(f, "severity"), &s);
	return s;
}

/* The list is somebody's answer: a circle in it ends where it would begin again. */
static size_t
root_of(const json_t *findings, const struct map *by_id, size_t at)
{
	size_t root = at, steps = 0;

	while (steps++ < json_array_size(findings)) {
		const char *id = layout_get(json_array_get(findings, root), "caused_by");
		const size_t *next = *id ? map_get(by_id, id) : NULL;

		if (!next || !is_open(json_array_get(findings, *next)))
			return root;
		root = *next;
		if (root == at)
			break;
	}
	return at;
}

static bool
is_shown_under(const json_t *f, const json_t *root)
{
	return f != root && is_open(f) && severity_of(f) <= severity_of(root) &&
	       (report_is_muted(f) || !report_is_muted(root));
}

struct folded *
folded_new(const json_t *findings)
{
	struct folded *x = xcalloc(1, sizeof(*x));
	size_t n = json_array_size(findings);
	_cleanup_free_ size_t *places = xcalloc(n + 1, sizeof(*places));
	struct map *by_id = map_new();

	x->findings = findings;
	x->n = n;
	x->root = xcalloc(n + 1, sizeof(*x->root));
	for (size_t i = 0; i < n; i++) {
		places[i] = i;
		map_put(by_id, layout_get(json_array_get(findings, i), "id"), &places[i]);
	}
	for (size_t i = 0; i < n; i++) {
		size_t root = root_of(findings, by_id, i);

		x->root[i] =
		    is_shown_under(json_array_get(findings, i), json_array_get(findings, root))
		        ? root
		        : i;
	}
	map_free(by_id, NULL);
	return x;
}

struct folded *
folded_free(struct folded *x)
{
	if (!x)
		return NULL;
	free(x->root);
	free(x);
	return NULL;
}

bool
folded_is_under(const struct folded *x, size_t at)
{
	return x->root[at] != at;
}

static void
line(struct str *out, const json_t *f, bool message, const struct block_options *b,
    const struct report_options *o)
{
	_cleanup_free_ char *head = block_head_text(f, b->database);

	str_add(out, "    ");
	layout_status(out, layout_get(f, "severity"), o->colour);
	layout_prose_at(out, 14, 14, head);
	if (message)
		layout_prose(out, "", 6, layout_get(f, "message"));
}

void
folded_text(struct str *out, const struct folded *x, size_t root, bool messages,
    const struct block_options *b, const struct report_options *o)
{
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < x->n; i++)
		n += i != root && x->root[i] == root;
	if (n == 0 || x->root[root] != root)
		return;
	str_addf(out, "  + %zu that follow%s from it:\n", n, n == 1 ? "s" : "");
	for (size_t i = 0; i < x->n; i++) {
		if (i == root || x->root[i] != root)
			continue;
		if (shown == SHOWN_MAX && !messages && !o->verbose) {
			str_addf(out, "    and %zu more (dbhealth findings)\n", n - shown);
			return;
		}
		shown++;
		line(out, json_array_get(x->findings, i), messages, b, o);
	}
}
