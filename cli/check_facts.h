#pragma once
#include "conf/conf.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * Adds "facts" (path, size_bytes, journal_mode, tables) to the SQLite entries of databases, asked
 * of a worker each; runs the loop until they have answered or a second passed.
 */
void check_facts(struct event_base *, const struct conf *, json_t *databases);
