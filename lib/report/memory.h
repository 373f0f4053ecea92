#pragma once
#include "base/str.h"
#include <jansson.h>
/*
 * Of the status: that the daemon's own memory, state or history, cannot be written, and what was lost
 * of it within a day.  Private to lib/report.
 */
void memory_text(struct str *, const json_t *daemon);
