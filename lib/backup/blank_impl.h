#pragma once
#include "backup/blank.h"
#include <sys/types.h>
/* Private to lib/backup: what the two kinds of copies share. */
struct blank {
	char *where, *name;
	void (*remove)(struct blank *);
	struct blank_guard *guard;
};
/*
 * A process that waits until its maker is gone and then calls fn with the last text it was told.  Made
 * before anything is opened whose being open would be missed.
 */
struct blank_guard;
int blank_guard_start(
    void (*fn)(const char *text, void *arg), void *arg, struct blank_guard **ret, struct err *);
void blank_guard_tell(struct blank_guard *, const char *text);
struct blank_guard *blank_guard_end(struct blank_guard *); /* nothing is left to do; NULL */
