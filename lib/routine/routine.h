#pragma once
#include "base/calendar.h"
#include "base/words.h"
#include <jansson.h>
/*
 * Maintenance that comes again: what is to be done in each day, week ... of a calendar, what was done,
 * and what is due or overdue by it.  Pure: no I/O and no clock of its own.  Times are wall clock, in
 * Unix seconds.
 */
enum routine_state { ROUTINE_DONE = 0, ROUTINE_DUE, ROUTINE_OVERDUE, ROUTINE_STATE_N };
extern const char *const routine_state_names[ROUTINE_STATE_N]; /* done due overdue */

struct routine_verdict {
	enum routine_state state;
	enum severity severity; /* of what is overdue; else NONE */
	int64_t since_sec;      /* due or overdue: when it became due */
	/* When that changes: done becomes due, due overdue, overdue (info) a warning; 0: never. */
	int64_t until_sec;
};
/*
 * An item is due from the beginning of the first period after it was done last, overdue once that
 * period and the grace are over, and a warning after the period behind it and twice the grace.  What
 * was never done (0) is due at once, since it is known, and overdue by the first whole period.
 */
void routine_judge(const struct calendar *begins, int64_t grace_sec, int64_t known_sec,
    int64_t done_sec, int64_t now_sec, struct routine_verdict *ret);

/* How it came to be known that something was done. */
enum routine_how { ROUTINE_BY_PERSON = 0, ROUTINE_BY_JOB, ROUTINE_BY_ITSELF, ROUTINE_HOW_N };
extern const char *const routine_how_names[ROUTINE_HOW_N]; /* person job itself */
struct routine_mark {
	int64_t at_sec;
	enum routine_how how;
	char *who;  /* a person's name; else "" */
	char *note; /* what a person said, the words of a job, or the evidence; "" none */
};
#define ROUTINE_MARKS       14 /* of an entry that are kept */
#define ROUTINE_NOTE_MAX    500
#define ROUTINE_FOREIGN_MAX 500 /* entries that no configuration names any more */

/* One item on one database. */
struct routine_entry {
	char *item, *database; /* database "": a person's work, done once for all */
	enum routine_item kind;
	enum routine_period period;
	bool runs;                                /* by the daemon */
	bool configured;                          /* else it is only kept */
	int64_t known_sec;                        /* first seen in the configuration */
	int64_t tried_sec;                        /* when its job was begun last; 0: never */
	struct routine_mark marks[ROUTINE_MARKS]; /* newest first */
	size_t nmarks;
	size_t place; /* in the order of the configuration */
};
struct routine;
struct routine *routine_new(void) _must_check_;
struct routine *routine_free(struct routine *); /* returns NULL */
/*
 * Another configuration: begin, add each of its entries in order, end.  What is known of an entry
 * stays; what is no longer named is kept out of sight, the newest ROUTINE_FOREIGN_MAX of it.
 */
void routine_begin(struct routine *, char *const begins_at[ROUTINE_PERIOD_N], int64_t grace_us);
void routine_add(struct routine *, const char *item, enum routine_period, bool runs,
    const char *database, int64_t now_sec);
/* forget: each entry that goes. */
void routine_end(
    struct routine *, void (*forget)(const struct routine_entry *, void *arg), void *arg);
/* Configured ones, in their order; *iter starts at 0. */
struct routine_entry *routine_next(const struct routine *, size_t *iter);
struct routine_entry *routine_get(
    const struct routine *, const char *item, const char *database); /* NULL: not configured */
bool routine_has(const struct routine *, const char *item);
void routine_verdict_of(const struct routine *, const struct routine_entry *, int64_t now_sec,
    struct routine_verdict *ret);
void routine_mark(
    struct routine_entry *, enum routine_how, const char *who, const char *note, int64_t at_sec);
/* The newest mark of a person; false: there is none. */
bool routine_unmark(struct routine_entry *);

/* save.c: a row of the store and back; its key, owned. */
char *routine_key(const struct routine_entry *) _must_check_;
char *routine_save(const struct routine_entry *) _must_check_;
/* Before the first routine_begin. */
int routine_load(struct routine *, const char *json, struct err *) _must_check_;
/* {"items": [...]} of docs/schema/checklist.json, worst first. */
json_t *routine_json(const struct routine *, int64_t now_sec) _must_check_;
