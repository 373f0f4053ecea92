#pragma once
#include "base/base.h"
/*
 * Checks that came with a newer version of the daemon: on an installation that knew others before, what
 * they warn of is info for a week, and what they find at first is one entry a database.
 */
struct monitor;
struct scope;
struct checkup;
struct finding;
/* What this installation has seen, from the state that was restored, and since when; kept again. */
void young_init(struct monitor *);
void young_done(struct monitor *);
int64_t young_until_us(const struct checkup *); /* wall; 0: it is none */
bool checkup_is_young(const struct checkup *);
/* The scope is started: those of its checks that are new here have a first contact of their own. */
void young_begin(struct scope *);
void young_end(struct scope *); /* at the end of each run: sums it up when all have answered */
bool young_is_folded(const struct scope *, const struct finding *);
