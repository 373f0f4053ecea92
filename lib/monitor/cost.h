#pragma once
#include "base/base.h"
#include <jansson.h>
/*
 * What checks cost, on both sides: the server's time and the loop's own, rows and bytes; and how much
 * rarer a check runs that takes more than its budget.  One of these belongs to each check of each
 * database that has run, and one to each check of each server, summed over its databases.
 */
struct checkup;
struct scope;
struct cost {
	int64_t server_us, client_us; /* all runs together */
	uint64_t rows, bytes;
	uint32_t runs, timeouts;
	uint32_t last_us, last_client_us, max_us;
	uint32_t
	    over_us; /* the least of the runs in a row over the budget, or the most of those under */
	uint8_t over, under; /* so many in a row */
	uint8_t doublings;   /* of the interval, now */
};
/* Of one run. */
struct cost_run {
	int64_t server_us, client_us;
	uint64_t rows, bytes;
	bool timed_out;
};
/* A run of it ended: counted, and the next one may come later or sooner than the last. */
void cost_add(struct checkup *, const struct cost_run *);
/* What its answer cost us after that. */
void cost_add_client(struct checkup *, int64_t us);
/* The interval that really applies, spaced out or not; what a run may take, 0: as long as it likes. */
int64_t cost_interval_us(const struct checkup *, int64_t interval_us);
int64_t cost_budget_us(const struct checkup *);
bool cost_is_spaced(const struct checkup *);
/* What a former life knew of it. */
void cost_restore(struct checkup *, int64_t doublings, int64_t took_us);
void cost_forgive(struct checkup *); /* its budget or its interval is another one */
json_t *cost_json(const struct checkup *) _must_check_; /* null: has not run */
/* "takes 2.3 s of each 30 s: now every 4 min"; NULL: it is not spaced out. */
char *cost_text(const struct checkup *) _must_check_;

/* By check, of all databases of a server, or of all files. */
struct ledger;
struct ledger *ledger_new(void) _must_check_;
struct ledger *ledger_free(struct ledger *);
struct ledger_entry {
	const char *check; /* borrowed from the ledger */
	struct cost sum;
	int64_t budget_us, interval_us; /* of the last run */
	int64_t spaced_us;              /* when a spaced out one last ran; 0: never */
	uint8_t doublings;              /* of that one */
};
void ledger_note(struct ledger *, const struct checkup *, const struct cost_run *);
bool ledger_next(const struct ledger *, size_t *iter, const struct ledger_entry **ret);
bool ledger_is_spaced(const struct ledger_entry *, int64_t now_us);
/* The dearest first, at most so many. */
json_t *ledger_json(const struct ledger *, size_t limit) _must_check_;
