#pragma once
#include "base/pool.h"
#include "base/sha.h"
#include <jansson.h>
/*
 * Progress of a check that goes through its work object by object: what was verified when, what
 * failed, what comes next.  Pure; kept over restarts as JSON.
 *
 * An object that is too large for one statement is gone through in parts: each statement is given
 * where to begin and how much to read, and says where it stopped.  That place is the statement's
 * own text; what it found so far is part of it.
 */
struct scrub_item {
	char *key, *object;
	const char
	    *sql;     /* of the pool; NULL: known from a former run, not listed now; or no right */
	char *grant;  /* what would give the right to look at it, or NULL */
	char *reason; /* why else it may not be looked at, in words, or NULL */
	bool as_data; /* its statement runs code of the target: by the data role alone */
	double cost;
	int64_t done_wall_us; /* last complete look; 0 never */
	int64_t tried_wall_us;
	int64_t duration_us;    /* of the last complete look */
	int64_t timeout_us;     /* grows when an item does not fit */
	bool failed;            /* last try gave no verdict */
	bool confirm;           /* to be looked at again soon */
	bool listed;            /* in the current list */
	bool in_new_list;       /* that is on its way */
	size_t place;           /* in the list: of equals, the first is first */
	char *why;              /* of a failure, or why it was put off */
	unsigned put_off;       /* so often it gave way to writers since it was done */
	int gone;               /* so often in a row it was listed and not there */
	int64_t listed_wall_us; /* since when it is known */
	int64_t retry_wall_us;  /* what took all the time there is waits until then */
	/* in parts */
	const char *
	    remedy; /* of the pool: for what its statement says by an error: that it is damaged; or NULL */
	char *start;                    /* where a pass begins; NULL: it is one statement */
	char *resume;                   /* where the pass that is on goes on, or NULL */
	double slice, amount;           /* to read at a time: at first, now */
	int64_t pass_wall_us, spent_us; /* of the pass that is on */
	double told;              /* the most that was told of it since it was last complete */
	char digest[SHA_ID_SIZE]; /* of the statement that resume is a place of */
	/* What the last pass wants to know in the next, which begins with it; or NULL. */
	char *kept;
	bool waiting; /* the last pass had nothing to compare with */
};
/* The columns of a list of items. */
enum scrub_column {
	SCRUB_KEY = 0,
	SCRUB_OBJECT,
	SCRUB_SQL,
	SCRUB_COST,
	SCRUB_GRANT,
	SCRUB_START,
	SCRUB_SLICE,
	SCRUB_REMEDY,
	SCRUB_LOGIN, /* `data`: by the data role alone */
	SCRUB_COLUMN_N
};
extern const char *const scrub_column_names[SCRUB_COLUMN_N];
struct scrub;
/* pool: for texts that others have too; borrowed, or NULL. */
struct scrub *scrub_new(struct pool *pool) _must_check_;
struct scrub *scrub_free(struct scrub *);
/*
 * A new list: begin, add each, end (items not listed any more are forgotten).  Until its end, and
 * when it never comes, what was listed before stays.
 */
void scrub_list_begin(struct scrub *);
void scrub_list_add(
    struct scrub *, const char *key, const char *object, const char *sql, double cost);
/* Of the item just added: it is gone through in parts. */
void scrub_list_slices(struct scrub *, const char *key, const char *start, double slice);
/* Of the item just added: an error that tells of damage is what it is there to find. */
void scrub_list_remedy(struct scrub *, const char *key, const char *remedy);
/* An item that may not be looked at; grant is the statement that would allow it. */
void scrub_list_deny(struct scrub *, const char *key, const char *object, const char *grant);
/* Of the item just added: none but the data role runs its statement. */
void scrub_list_as_data(struct scrub *, const char *key);
void scrub_list_end(struct scrub *);
/* No data role can look now: `denied` until somebody mends it, else a failure.  Of those listed. */
void scrub_stop_data(struct scrub *, int64_t wall_us, const char *why, bool denied);
/*
 * What one look costs decides how often it is worth it: at most a thousandth of the time goes into
 * one item, but none waits longer than longest_us or comes more often than shortest_us.
 */
struct scrub_pace {
	int64_t shortest_us, longest_us;
};
int64_t scrub_interval_us(const struct scrub_pace *, int64_t duration_us);
enum scrub_login { SCRUB_BY_ANY = 0, SCRUB_BY_MONITOR, SCRUB_BY_DATA };
/* The item to look at next: to be confirmed, never done (smallest first), then the oldest that is
 * due; not one tried since since_wall_us.  NULL: nothing due. */
struct scrub_item *scrub_next(struct scrub *, int64_t wall_us, const struct scrub_pace *,
    int64_t since_wall_us, enum scrub_login);
struct scrub_item *scrub_get(struct scrub *, const char *key); /* or NULL */
void scrub_item_done(struct scrub_item *, int64_t wall_us, int64_t duration_us, bool confirm);
void scrub_item_failed(struct scrub_item *, int64_t wall_us, const char *why, bool timed_out,
    int64_t timeout_us, int64_t max_timeout_us);
/* It gave way to others, which is no failure: it waits until then. */
void scrub_item_put_off(
    struct scrub_item *, int64_t wall_us, const char *why, int64_t retry_wall_us);
/* A part is done and there is more: how much is read at a time follows how long it took. */
void scrub_item_advance(
    struct scrub_item *, const char *resume, int64_t duration_us, int64_t target_us);
/* A part did not fit: less the next time; false when it is as small as can be. */
bool scrub_item_shrink(struct scrub_item *, int64_t duration_us);
/* At the end of a pass, what the next one begins with; or NULL. */
void scrub_item_keep(struct scrub_item *, const char *kept);
/* It was dropped since it was listed: until the next list it does not exist.  false: that was said too
 * often of what is listed again and again; it is a failure then. */
bool scrub_item_gone(struct scrub_item *);
void scrub_item_restart(
    struct scrub_item *); /* what is known of the pass that is on is of no use */
struct scrub_summary {
	size_t items, done, failed, confirm;
	int64_t oldest_wall_us;          /* of those done; 0 none */
	const char *why, *failed_object; /* of one failed, or NULL */
	double bytes, done_bytes;        /* by cost, as far as it is allowed */
	size_t begun;                    /* parts of them were looked at */
	size_t waiting;
	size_t denied, lost; /* without the right; of those, done before */
	const char *denied_object;
	size_t put_off;
	int64_t put_off_wall_us; /* the first of them is tried again then */
	const char *put_off_why, *put_off_object;
	const char *reason,
	    *reason_object; /* of one that is denied for no want of a GRANT, or NULL */
};
/* The statements that would allow what is denied, joined, up to some length; owned; or NULL. */
char *scrub_grants(const struct scrub *) _must_check_;
void scrub_summarise(const struct scrub *, struct scrub_summary *ret);
/*
 * What was not verified for longer than limit_us, or never since it is known that long: {"objects",
 * "bytes", "late", "late_bytes", "oldest", "largest": [{"object", "bytes", "age", "why"}]}; why of
 * those that were not reached is `waits`.
 */
json_t *scrub_late(
    const struct scrub *, int64_t wall_us, int64_t limit_us, const char *waits) _must_check_;
char *scrub_save(const struct scrub *) _must_check_;
void scrub_load(struct scrub *, const char *json);
