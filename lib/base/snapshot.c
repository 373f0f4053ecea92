/* Things that were read from outside, by name. */
#include "base/snapshot.h"
#include "base/map.h"
#include "base/str.h"

struct snapshot {
	struct map *items;
};

static void
item_free(void *p)
{
	struct snapshot_item *i = p;

	if (!i)
		return;
	if (i->bytes)
		explicit_bzero(i->bytes, i->len); /* it may be a password */
	free(i->bytes);
	free(i->why);
	free(i);
}

struct snapshot *
snapshot_new(void)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	s->items = map_new();
	return s;
}

struct snapshot *
snapshot_free(struct snapshot *s)
{
	if (!s)
		return NULL;
	map_free(s->items, item_free);
	free(s);
	return NULL;
}

const struct snapshot_item *
snapshot_get(const struct snapshot *s, const char *kind, const char *name)
{
	_cleanup_free_ char *key = xasprintf("%s %s", kind, name);

	return map_get(s->items, key);
}

const struct snapshot_item *
snapshot_put_key(
    struct snapshot *s, const char *key, int code, const void *bytes, size_t len, const char *why)
{
	struct snapshot_item *i = xcalloc(1, sizeof(*i));

	*i = (struct snapshot_item){ .code = code,
		.bytes = xcalloc(len + 1, 1),
		.len = len,
		.why = xstrdup(why ? why : "") };
	if (len > 0)
		memcpy(i->bytes, bytes, len);
	item_free(map_put(s->items, key, i));
	return i;
}

const struct snapshot_item *
snapshot_put(struct snapshot *s, const char *kind, const char *name, int code, const void *bytes,
    size_t len, const char *why)
{
	_cleanup_free_ char *key = xasprintf("%s %s", kind, name);

	return snapshot_put_key(s, key, code, bytes, len, why);
}

void
snapshot_append(struct snapshot *s, const char *key, const void *bytes, size_t len)
{
	struct snapshot_item *i = map_get(s->items, key);

	if (!i)
		return;
	i->bytes = xreallocarray(i->bytes, i->len + len + 1, 1);
	memcpy(i->bytes + i->len, bytes, len);
	i->len += len;
	i->bytes[i->len] = '\0';
}

const struct snapshot_item *
snapshot_next(const struct snapshot *s, size_t *iter, const char **ret_key)
{
	void *value;

	return map_next(s->items, iter, ret_key, &value) ? value : NULL;
}
