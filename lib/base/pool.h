#pragma once
#include "base/base.h"
/*
 * Texts that many have alike (the same words of the same check on ten thousand files), kept once
 * and counted.  A NULL pool shares nothing: each has a copy of its own.
 */
struct pool;
struct pool *pool_new(void) _must_check_;
struct pool *pool_free(struct pool *); /* everything was given back */
/* The text, to be given back to the same pool; NULL for NULL. */
const char *pool_take(struct pool *, const char *text) _must_check_;
void pool_give(struct pool *, const char *text); /* NULL is fine */
size_t pool_count(const struct pool *);
