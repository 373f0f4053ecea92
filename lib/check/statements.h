#pragma once
#include "base/base.h"
/*
 * What the statements of one server did between two looks at pg_stat_statements, and what each of
 * them usually takes.  Pure: counters in, differences out; no text of any statement.  Bounded: at most
 * STATEMENTS_MAX are known, who was not seen for longest makes room.
 */
#define STATEMENTS_MAX     16384 /* known; one look brings at most STATEMENTS_ROWS of them */
#define STATEMENTS_ROWS    10000
#define STATEMENTS_BUCKETS 14 /* of a baseline, two a day */

struct statement_key {
	uint32_t user, database; /* OIDs */
	int64_t query;
	bool top; /* called by a client, not inside a function */
};
/* Since the entry exists; doubles hold them exactly up to 2^53. */
struct statement_counters {
	double calls, exec_ms, rows;
	double hit, read; /* shared and local blocks */
	double temp;      /* blocks read and written */
	double io_ms;     /* waited for blocks, where track_io_timing is on */
};
struct statement {
	struct statement_key key;
	struct statement_counters last, delta; /* delta: of the last window */
	double since;            /* of the server: when the entry was made; 0: not told */
	int64_t first_s, seen_s; /* ours, wall */
	float calls[STATEMENTS_BUCKETS], ms[STATEMENTS_BUCKETS];
	uint64_t look; /* that it was last in */
	bool own;      /* of the monitoring role */
	bool moved;    /* delta is of the last window, with calls in it */
};
/* One row of a look. */
struct statement_row {
	struct statement_key key;
	struct statement_counters now;
	double max_ms; /* longest single call; NaN: not told */
	double since;  /* or 0 */
	bool own;
};
struct statements;
struct statements *statements_new(void) _must_check_;
struct statements *statements_free(struct statements *);
DEFINE_CLEANUP(struct statements *, statements_free)
/* The time that a baseline reaches back; another than before forgets all baselines. */
void statements_set_span(struct statements *, int64_t span_s);

/*
 * A look: begin, rows, end.  epoch names the life of the counters (start of the server, reset of the
 * statistics): with another one no difference is taken.  all: the look was not cut to the worst, so
 * that who was not in it did not exist.  at_s: by the server's clock.
 */
struct statements_look {
	double at_s;
	int64_t wall_s;
	const char *epoch;
	bool all;
};
void statements_begin(struct statements *, const struct statements_look *);
void statements_take(struct statements *, const struct statement_row *);
void statements_end(struct statements *, bool complete); /* not complete: as if it had not been */

/* Of the last window: its length by the server's clock, 0 while there is none, and what all did. */
double statements_window_s(const struct statements *);
const struct statement_counters *statements_total(const struct statements *);
int64_t statements_began_s(const struct statements *); /* first look ever, wall; 0: none */
int64_t statements_looked_s(const struct statements *);
size_t statements_count(const struct statements *);
const struct statement *statements_find(const struct statements *, const struct statement_key *);
/* Every one that is known: *iter from 0; NULL at the end. */
const struct statement *statements_next(const struct statements *, size_t *iter);
/*
 * Milliseconds that a call of it usually takes: the median over the parts of the span that are over
 * and had min_calls; NaN while there are fewer than two.
 */
double statements_usual_ms(const struct statements *, const struct statement *, double min_calls);
/* Of the last part and the present one: what it did lately. */
void statements_lately(
    const struct statements *, const struct statement *, double *ret_calls, double *ret_ms);
/*
 * First seen less than new_s ago, and only after we had watched for learn_s: nobody ran it before.
 */
bool statements_is_new(
    const struct statements *, const struct statement *, int64_t learn_s, int64_t new_s);

/* As text in SHARDS pieces, JSON each; load returns -EINVAL for text that it cannot read, and keeps
 * what it has. */
#define STATEMENTS_SHARDS 8
char *statements_save(const struct statements *, unsigned shard) _must_check_;
int statements_load(struct statements *, const char *json);
size_t statements_bytes(const struct statements *); /* memory that it takes */
