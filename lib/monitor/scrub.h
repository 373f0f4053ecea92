#pragma once
#include "base/base.h"
/*
 * Progress of a check that goes through its work object by object: what was verified when, what
 * failed, what comes next.  Pure; kept over restarts as JSON.
 */
struct scrub_item {
	char *key, *object,
	    *sql;    /* sql NULL: known from a former run, not listed now; or no right */
	char *grant; /* what would give the right to look at it, or NULL */
	double cost;
	int64_t done_wall_us; /* last complete look; 0 never */
	int64_t tried_wall_us;
	int64_t duration_us; /* of the last complete look */
	int64_t timeout_us;  /* grows when an item does not fit */
	bool failed;         /* last try gave no verdict */
	bool confirm;        /* to be looked at again soon */
	bool listed;         /* in the current list */
	char *why;           /* of a failure */
};
struct scrub;
struct scrub *scrub_new(void) _must_check_;
struct scrub *scrub_free(struct scrub *);
/* A new list: begin, add each, end (items not listed any more are forgotten). */
void scrub_list_begin(struct scrub *);
void scrub_list_add(
    struct scrub *, const char *key, const char *object, const char *sql, double cost);
/* An item that may not be looked at; grant is the statement that would allow it. */
void scrub_list_deny(struct scrub *, const char *key, const char *object, const char *grant);
void scrub_list_end(struct scrub *);
/*
 * What one look costs decides how often it is worth it: at most a thousandth of the time goes into
 * one item, but none waits longer than longest_us or comes more often than shortest_us.
 */
struct scrub_pace {
	int64_t shortest_us, longest_us;
};
int64_t scrub_interval_us(const struct scrub_pace *, int64_t duration_us);
/* The item to look at next: to be confirmed, never done (smallest first), then the oldest that is
 * due; not one tried since since_wall_us.  NULL: nothing due. */
struct scrub_item *scrub_next(
    struct scrub *, int64_t wall_us, const struct scrub_pace *, int64_t since_wall_us);
struct scrub_item *scrub_get(struct scrub *, const char *key); /* or NULL */
void scrub_item_done(struct scrub_item *, int64_t wall_us, int64_t duration_us, bool confirm);
void scrub_item_failed(struct scrub_item *, int64_t wall_us, const char *why, bool timed_out,
    int64_t timeout_us, int64_t max_timeout_us);
struct scrub_summary {
	size_t items, done, failed, confirm;
	int64_t oldest_wall_us; /* of those done; 0 none */
	const char *why;        /* of one failed, or NULL */
	size_t denied, lost;    /* without the right; of those, done before */
	const char *denied_object;
};
/* The statements that would allow what is denied, joined, up to some length; owned; or NULL. */
char *scrub_grants(const struct scrub *) _must_check_;
void scrub_summarise(const struct scrub *, struct scrub_summary *ret);
char *scrub_save(const struct scrub *) _must_check_;
void scrub_load(struct scrub *, const char *json);
