/* A heap with the least bad on top, beside a map by key. */
#include "check/keep.h"
#include "base/map.h"

#define NOT_IN_HEAP SIZE_MAX

struct kept {
	struct keep_rank rank; /* key borrowed from the sample */
	struct sample *sample;
	size_t pos;
};
struct keep {
	struct map *by_key; /* of struct kept */
	struct kept **heap;
	size_t n, cap, max;
};

struct keep *
keep_new(size_t max)
{
	struct keep *k = xcalloc(1, sizeof(*k));

	k->by_key = map_new();
	k->max = MAX(max, (size_t)1);
	return k;
}

static void
kept_free(void *p)
{
	struct kept *kept = p;

	sample_free(kept->sample);
	free(kept);
}

struct keep *
keep_free(struct keep *k)
{
	if (!k)
		return NULL;
	map_free(k->by_key, kept_free);
	free(k->heap);
	free(k);
	return NULL;
}

int
keep_rank_order(const struct keep_rank *a, const struct keep_rank *b)
{
	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	if (a->has_value != b->has_value)
		return a->has_value ? -1 : 1;
	if (a->has_value && (a->value < b->value || a->value > b->value))
		return a->value > b->value ? -1 : 1;
	return strcmp(a->key, b->key);
}

static void
place(struct keep *k, size_t pos, struct kept *kept)
{
	k->heap[pos] = kept;
	kept->pos = pos;
}

static bool
less_bad(const struct kept *a, const struct kept *b)
{
	return keep_rank_order(&a->rank, &b->rank) > 0;
}

static void
sift_up(struct keep *k, size_t pos)
{
	struct kept *kept = k->heap[pos];

	for (; pos > 0 && less_bad(kept, k->heap[(pos - 1) / 2]); pos = (pos - 1) / 2)
		place(k, pos, k->heap[(pos - 1) / 2]);
	place(k, pos, kept);
}

static void
sift_down(struct keep *k, size_t pos)
{
	struct kept *kept = k->heap[pos];

	for (;;) {
		size_t child = 2 * pos + 1;

		if (child >= k->n)
			break;
		if (child + 1 < k->n && less_bad(k->heap[child + 1], k->heap[child]))
			child++;
		if (!less_bad(k->heap[child], kept))
			break;
		place(k, pos, k->heap[child]);
		pos = child;
	}
	place(k, pos, kept);
}

bool
keep_has(const struct keep *k, const char *key)
{
	return map_get(k->by_key, key) != NULL;
}

bool
keep_wants(const struct keep *k, const struct keep_rank *rank, bool tracked)
{
	const struct kept *same = map_get(k->by_key, rank->key);

	if (same)
		return keep_rank_order(rank, &same->rank) < 0;
	return tracked || k->n < k->max || keep_rank_order(rank, &k->heap[0]->rank) < 0;
}

static void
add_to_heap(struct keep *k, struct kept *kept)
{
	if (k->n == k->max) {
		kept_free(map_remove(k->by_key, k->heap[0]->rank.key));
		place(k, 0, kept);
		sift_down(k, 0);
		return;
	}
	if (k->n == k->cap) {
		k->cap = MIN(MAX(k->cap * 2, (size_t)16), k->max);
		k->heap = xreallocarray(k->heap, k->cap, sizeof(struct kept *));
	}
	place(k, k->n++, kept);
	sift_up(k, k->n - 1);
}

void
keep_take(struct keep *k, const struct keep_rank *rank, bool tracked, struct sample *sample)
{
	struct kept *kept = map_get(k->by_key, rank->key);
	bool had = kept != NULL;

	if (had)
		sample_free(kept->sample);
	else
		kept = xcalloc(1, sizeof(*kept));
	kept->sample = sample;
	kept->rank = *rank;
	kept->rank.key = sample->key;
	if (had && kept->pos != NOT_IN_HEAP)
		sift_down(k, kept->pos); /* it became worse */
	if (had)
		return;
	kept->pos = NOT_IN_HEAP;
	map_put(k->by_key, sample->key, kept);
	if (!tracked)
		add_to_heap(k, kept);
}

size_t
keep_count(const struct keep *k)
{
	return map_size(k->by_key);
}

static int
worse_first(const void *a, const void *b)
{
	return keep_rank_order(
	    &(*(struct kept *const *)a)->rank, &(*(struct kept *const *)b)->rank);
}

struct sample **
keep_finish(struct keep *k, size_t *ret_n)
{
	size_t n = map_size(k->by_key), i = 0;
	struct kept **all = xcalloc(MAX(n, (size_t)1), sizeof(*all));
	struct sample **samples = n > 0 ? xcalloc(n, sizeof(struct sample *)) : NULL;
	const char *key;
	void *value;

	for (size_t iter = 0; map_next(k->by_key, &iter, &key, &value);)
		all[i++] = value;
	qsort(all, n, sizeof(struct kept *), worse_first);
	for (i = 0; i < n; i++) {
		samples[i] = all[i]->sample;
		free(all[i]);
	}
	free(all);
	map_free(k->by_key, NULL);
	k->by_key = map_new();
	k->n = 0;
	*ret_n = n;
	return samples;
}
