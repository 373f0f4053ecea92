#pragma once
#include "check/statements.h"
/* The table itself: for statements.c, which fills it, and statements_save.c, which keeps it. */
#define SLOTS (2U * STATEMENTS_MAX)

struct statements {
	struct statement *v; /* room of them, n used */
	size_t n, room;
	uint32_t *slots; /* open addressing: place in v from 1, 0 empty */
	uint64_t look;
	char *epoch;
	struct statements_look coming;
	bool same_epoch, differs; /* differs: the look under way has one before it */
	bool all;                 /* of the last one that came to its end */
	bool lost;                /* room was made: who is unknown may have been known */
	size_t rows, news, active;
	double at_s, window_s;
	struct statement_counters total;
	int64_t began_s, looked_s, span_s, bucket;
};
int64_t statements_bucket_s(const struct statements *);
struct statement *statements_get(const struct statements *, const struct statement_key *);
struct statement *statements_add(struct statements *, const struct statement_key *); /* or NULL */
