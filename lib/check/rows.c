/*
 * The rows of a check's last run, each in one piece of memory, and judging them once more.
 */
#include "check/rows.h"
#include <math.h>
#include <stdio.h>

#define CELL_NULL UINT32_MAX

struct kept_row {
	struct row_memory memory;
	double badness;
	bool tracked;
	uint32_t size;     /* of text */
	uint32_t length[]; /* by column, CELL_NULL: SQL NULL; then the texts, terminated */
};
struct rows {
	char **names;
	size_t ncols;
	struct kept_row **v;
	size_t n, untracked, bytes;
	size_t dropped, dropped_breaching;
	enum result_state state;
	enum reason reason;
	char *text, *grant;
	int64_t taken_us;
};

struct rows *
rows_new(size_t n, const char *const *names)
{
	struct rows *r = xcalloc(1, sizeof(*r));

	r->names = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		r->names[i] = xstrdup(names[i]);
	r->ncols = n;
	return r;
}

struct rows *
rows_free(struct rows *r)
{
	if (!r)
		return NULL;
	strv_free(r->names);
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i]);
	free(r->v);
	free(r->text);
	free(r->grant);
	free(r);
	return NULL;
}

void
rows_taken(struct rows *r, int64_t when_us)
{
	r->taken_us = when_us;
}

int64_t
rows_taken_us(const struct rows *r)
{
	return r->taken_us;
}

size_t
rows_count(const struct rows *r)
{
	return r->n;
}

static char *
row_text(struct kept_row *k, size_t ncols)
{
	return (char *)&k->length[ncols];
}

static struct kept_row *
row_new(size_t ncols, const char *const *cells, const size_t *lengths, size_t size)
{
	struct kept_row *k = xcalloc(1, sizeof(*k) + ncols * sizeof(uint32_t) + size);
	char *to = row_text(k, ncols);

	k->size = (uint32_t)size;
	for (size_t i = 0; i < ncols; i++) {
		k->length[i] = cells[i] ? (uint32_t)lengths[i] : CELL_NULL;
		if (!cells[i])
			continue;
		memcpy(to, cells[i], lengths[i]);
		to += lengths[i] + 1;
	}
	return k;
}

static const char *
cell_of(const struct rows *r, size_t row, const char *column)
{
	const char *text = row_text(r->v[row], r->ncols);

	for (size_t i = 0; i < r->ncols; i++) {
		bool null = r->v[row]->length[i] == CELL_NULL;

		if (streq(r->names[i], column))
			return null ? NULL : text;
		text += null ? 0 : r->v[row]->length[i] + 1;
	}
	return NULL;
}

const char *
rows_cell(const struct rows *r, const char *object, const char *column)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *name = cell_of(r, i, "object");

		if (streq(name ? name : "", object))
			return cell_of(r, i, column);
	}
	return NULL;
}

static size_t
mildest_untracked(const struct rows *r)
{
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i]->tracked && (at == SIZE_MAX || r->v[i]->badness < r->v[at]->badness))
			at = i;
	return at;
}

static void
drop(struct rows *r, size_t i)
{
	r->untracked--;
	r->bytes -= r->v[i]->size;
	free(r->v[i]);
	r->v[i] = r->v[--r->n];
	r->dropped++;
}

void
rows_note(struct rows *r, const struct row_memory *memory, double badness, bool tracked,
    bool breaches, const char *const *cells, const size_t *lengths)
{
	size_t size = 0, mildest;
	struct kept_row *k;

	for (size_t i = 0; i < r->ncols; i++)
		size += cells[i] ? lengths[i] + 1 : 0;
	if (isnan(badness))
		badness = -INFINITY;
	while (!tracked && (r->untracked == ROWS_MAX || r->bytes + size > ROWS_MAX_BYTES)) {
		mildest = mildest_untracked(r);
		if (mildest == SIZE_MAX || r->v[mildest]->badness >= badness) {
			r->dropped++;
			r->dropped_breaching += breaches;
			return;
		}
		drop(r, mildest);
	}
	/* A giant among those with a finding is left to the next run. */
	if (size > UINT32_MAX / 2) {
		r->dropped++;
		return;
	}
	k = row_new(r->ncols, cells, lengths, size);
	k->memory = *memory;
	k->badness = badness;
	k->tracked = tracked;
	if (!tracked) {
		r->untracked++;
		r->bytes += size;
	}
	r->v = xreallocarray(r->v, r->n + 1, sizeof(*r->v));
	r->v[r->n++] = k;
}

void
rows_conclude(struct rows *r, const struct result *result)
{
	r->state = result->state;
	r->reason = result->reason;
	r->text = result->text[0] ? xstrdup(result->text) : NULL;
	r->grant = result->grant[0] ? xstrdup(result->grant) : NULL;
}

static void
give_row(struct eval *e, const struct rows *r, struct kept_row *k)
{
	_cleanup_free_ const char **cells = xcalloc(r->ncols + 1, sizeof(*cells));
	_cleanup_free_ size_t *lengths = xcalloc(r->ncols + 1, sizeof(*lengths));
	const char *at = row_text(k, r->ncols);

	for (size_t i = 0; i < r->ncols; i++) {
		if (k->length[i] == CELL_NULL)
			continue;
		cells[i] = at;
		lengths[i] = k->length[i];
		at += lengths[i] + 1;
	}
	eval_row(e, cells, lengths);
}

/* Whether rows that were not kept may breach: they are no worse than the mildest that was. */
static bool
others_may_breach(const struct rows *r, const struct settings *s, const struct eval_context *ctx)
{
	size_t mildest = mildest_untracked(r);
	struct row_memory memory;
	struct eval_context alone = *ctx;
	struct result res = { 0 };
	struct eval *e;
	bool breaches;

	if (r->dropped == 0)
		return false;
	if (mildest == SIZE_MAX)
		return true;
	memory = r->v[mildest]->memory;
	alone.again = &memory;
	alone.hold = NULL;
	alone.release = NULL;
	e = eval_new(s, &alone);
	eval_columns(e, r->ncols, (const char *const *)r->names);
	give_row(e, r, r->v[mildest]);
	eval_finish(e, NULL, &res);
	eval_free(e);
	breaches = res.nbreaching > 0;
	result_done(&res);
	return breaches;
}

void
eval_again(const struct rows *r, const struct settings *s, const struct eval_context *ctx,
    struct result *ret)
{
	struct row_memory memory = { 0 };
	struct eval_context again = *ctx;
	bool others = others_may_breach(r, s, ctx);
	struct eval *e;

	again.again = &memory;
	e = eval_new(s, &again);
	eval_columns(e, r->ncols, (const char *const *)r->names);
	for (size_t i = 0; i < r->n; i++) {
		memory = r->v[i]->memory;
		give_row(e, r, r->v[i]);
	}
	eval_finish(e, NULL, ret);
	eval_free(e);
	if (others)
		ret->nbreaching += r->dropped_breaching;
	ret->state = r->state == RESULT_COMPLETE && others ? RESULT_TRUNCATED : r->state;
	ret->reason = r->reason;
	snprintf(ret->text, sizeof(ret->text), "%s", r->text ? r->text : "");
	snprintf(ret->grant, sizeof(ret->grant), "%s", r->grant ? r->grant : "");
}
