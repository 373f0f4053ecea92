#pragma once
#include "routine/routine.h"
/* What the files of lib/routine share. */
struct map;
struct routine {
	struct map *entries; /* by routine_key() */
	struct calendar *begins[ROUTINE_PERIOD_N];
	int64_t grace_sec;
	size_t places;
};
struct routine_entry *routine_entry_make(
    struct routine *, const char *item, const char *database) _must_check_;
