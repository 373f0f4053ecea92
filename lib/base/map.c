/*
 * A map kept in the order of insertion: a dense array of entries, found through a table of their
 * places (open addressing, linear).  Keys come from peers, so the hash is keyed (SipHash-1-3).
 */
#include "base/map.h"
#include <sys/auxv.h>

#define PLACE_EMPTY 0u
#define PLACE_GONE  UINT32_MAX /* was taken: a search goes on behind it */
#define MIN_PLACES  16u

struct entry {
	char *key; /* NULL: removed */
	void *value;
	uint64_t hash;
};

struct map {
	struct entry *entries;
	uint32_t *places; /* index + 1 into entries */
	size_t nplaces;   /* a power of two, 0 before the first put */
	size_t used;      /* entries written, removed ones included; under 3/4 of nplaces */
	size_t live;
	uint64_t seed[2];
};

static inline uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t
hash_key(const struct map *m, const char *key)
{
	uint64_t v[4] = { m->seed[0] ^ 0x736f6d6570736575, m->seed[1] ^ 0x646f72616e646f6d,
		m->seed[0] ^ 0x6c7967656e657261, m->seed[1] ^ 0x7465646279746573 };
	size_t len = strlen(key), rest = len % 8;
	uint64_t word;

	for (size_t i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, key + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)len << 56;
	memcpy(&word, key + len - rest, rest);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *
map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));
	const void *random = (const void *)getauxval(AT_RANDOM);

	/* The kernel's 16 random bytes of this process: no system call, no state of our own. */
	if (random)
		memcpy(m->seed, random, sizeof(m->seed));
	return m;
}

struct map *
map_free(struct map *m, void (*free_value)(void *))
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->used; i++) {
		if (m->entries[i].key && free_value)
			free_value(m->entries[i].value);
		free(m->entries[i].key);
	}
	free(m->entries);
	free(m->places);
	free(m);
	return NULL;
}

/* The place that holds the key, or SIZE_MAX. */
static size_t
find_place(const struct map *m, const char *key, uint64_t hash)
{
	if (m->nplaces == 0)
		return SIZE_MAX;
	for (size_t p = hash & (m->nplaces - 1);; p = (p + 1) & (m->nplaces - 1)) {
		const struct entry *e;

		if (m->places[p] == PLACE_EMPTY)
			return SIZE_MAX;
		if (m->places[p] == PLACE_GONE)
			continue;
		e = &m->entries[m->places[p] - 1];
		if (e->hash == hash && streq(e->key, key))
			return p;
	}
}

/* Room for one more: closes the gaps of removed entries and grows the table when it is full. */
static void
make_room(struct map *m)
{
	size_t n = 0, nplaces = MIN_PLACES;

	if ((m->used + 1) * 4 <= m->nplaces * 3)
		return;
	while ((m->live + 1) * 2 > nplaces)
		nplaces *= 2;
	assert(nplaces < UINT32_MAX);
	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].key)
			m->entries[n++] = m->entries[i];
	m->used = n;
	m->nplaces = nplaces;
	m->entries = xreallocarray(m->entries, nplaces * 3 / 4, sizeof(*m->entries));
	free(m->places);
	m->places = xcalloc(nplaces, sizeof(*m->places));
	for (size_t i = 0; i < n; i++) {
		size_t p = m->entries[i].hash & (nplaces - 1);

		while (m->places[p] != PLACE_EMPTY)
			p = (p + 1) & (nplaces - 1);
		m->places[p] = (uint32_t)i + 1;
	}
}

void *
map_get(const struct map *m, const char *key)
{
	size_t p = find_place(m, key, hash_key(m, key));

	return p == SIZE_MAX ? NULL : m->entries[m->places[p] - 1].value;
}

void *
map_put(struct map *m, const char *key, void *value)
{
	uint64_t hash = hash_key(m, key);
	size_t p = find_place(m, key, hash);

	if (p != SIZE_MAX) {
		struct entry *e = &m->entries[m->places[p] - 1];
		void *old = e->value;

		e->value = value;
		return old;
	}
	make_room(m);
	m->entries[m->used++] = (struct entry){ xstrdup(key), value, hash };
	for (p = hash & (m->nplaces - 1);
	     m->places[p] != PLACE_EMPTY && m->places[p] != PLACE_GONE;)
		p = (p + 1) & (m->nplaces - 1);
	m->places[p] = (uint32_t)m->used;
	m->live++;
	return NULL;
}

void *
map_remove(struct map *m, const char *key)
{
	size_t p = find_place(m, key, hash_key(m, key));
	struct entry *e;
	void *value;

	if (p == SIZE_MAX)
		return NULL;
	e = &m->entries[m->places[p] - 1];
	value = e->value;
	m->places[p] = PLACE_GONE;
	free(e->key); /* the caller's key may be this one: not used again */
	*e = (struct entry){ 0 };
	m->live--;
	return value;
}

size_t
map_size(const struct map *m)
{
	return m->live;
}

bool
map_next(const struct map *m, size_t *iter, const char **ret_key, void **ret_value)
{
	for (; *iter < m->used; (*iter)++) {
		const struct entry *e = &m->entries[*iter];

		if (!e->key)
			continue;
		(*iter)++;
		if (ret_key)
			*ret_key = e->key;
		if (ret_value)
			*ret_value = e->value;
		return true;
	}
	return false;
}
