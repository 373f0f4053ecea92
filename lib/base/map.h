#pragma once
#include "base/base.h"
/* String keys to pointers.  Keys are copied; values are borrowed unless map_free is given a way. */
struct map;
struct map *map_new(void) _must_check_;
struct map *map_free(struct map *, void (*free_value)(void *)); /* returns NULL; fn may be NULL */
void *map_get(const struct map *, const char *key);             /* NULL when absent */
void *map_put(struct map *, const char *key, void *value);      /* returns the replaced value */
void *map_remove(struct map *, const char *key);                /* returns the removed value */
size_t map_size(const struct map *);
/*
 * In the order of insertion; *iter starts at 0; false at the end.  Removing entries meanwhile is
 * allowed, putting new ones is not.  Either ret may be NULL.
 */
bool map_next(const struct map *, size_t *iter, const char **ret_key, void **ret_value);
