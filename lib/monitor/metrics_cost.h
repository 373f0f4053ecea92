#pragma once
#include "base/words.h"
/* What checks cost on one server (or "": all files), into the page of metrics. */
struct exposition;
struct ledger;
void metrics_cost_add(struct exposition *, const char *server, enum engine, const struct ledger *);
