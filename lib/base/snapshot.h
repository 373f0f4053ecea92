#pragma once
#include "base/err.h"
/*
 * What was read from outside (files, folders, credentials), by name: filled where reading may block,
 * then read again where it may not.  Reading what is not in it fills it.
 */
struct snapshot;
struct snapshot_item {
	int code; /* 0 or more, or negative errno */
	char *bytes;
	size_t len;
	char *why; /* of an error, for people; "" when none */
};
struct snapshot *snapshot_new(void) _must_check_;
struct snapshot *snapshot_free(struct snapshot *); /* returns NULL; the bytes are wiped */
DEFINE_CLEANUP(struct snapshot *, snapshot_free)
const struct snapshot_item *snapshot_get(
    const struct snapshot *, const char *kind, const char *name);
/* Copies; bytes may be NULL.  Replaces what was there. */
const struct snapshot_item *snapshot_put(struct snapshot *, const char *kind, const char *name,
    int code, const void *bytes, size_t len, const char *why);
void snapshot_append(struct snapshot *, const char *key, const void *bytes, size_t len);
/* key is "KIND NAME"; *iter starts at 0; NULL at the end. */
const struct snapshot_item *snapshot_next(
    const struct snapshot *, size_t *iter, const char **ret_key);
const struct snapshot_item *snapshot_put_key(
    struct snapshot *, const char *key, int code, const void *bytes, size_t len, const char *why);
