#pragma once
#include "monitor/cost.h"
#include "monitor/internal.h"
#include "monitor/lane.h"
#include "monitor/quiet.h"
#include "monitor/sqlite_crash.h"
/*
 * One SQLite file, between the visits (sqlite_watch.c) and what one job of theirs asks and answers
 * (sqlite_job.c).  All of it runs in the loop.
 */

/* One statement of a job. */
struct want {
	struct checkup *checkup;
	const struct check_body *body; /* NULL: the statement of a scrub item */
	struct eval *eval;             /* NULL: a list of items */
	char *item, *item_sql;
	int64_t started_us, started_wall_us;
	struct cost_run cost;
	bool done, gave_way;
	int col[4]; /* key object sql cost */
};
enum { COL_KEY, COL_OBJECT, COL_SQL, COL_COST };

struct sqlite_watch {
	char *path;
	json_t *facts; /* of the last look, or NULL */
	int64_t bytes; /* of it; LANE_UNKNOWN before the first */
	/* Of the file as it is, and of the one before it while somebody may still be at that one. */
	int64_t inode, former;
	bool closed; /* it cannot be opened for what its findings tell: absent, no database, ... */
	struct visit *visits; /* running */
	struct sqlite_crashes crashes;
	struct quiet *quiet; /* NULL: it was never seen to change */
	int64_t locked_ms;   /* waited in vain for whoever has it locked, since it was last open */
	uint32_t changes;    /* transactions, as far as that is known */
};

/* One part on its way: jobs one after the other. */
struct visit {
	struct database *db;
	struct part *part;
	struct worker_job *job;
	struct want *wants;
	size_t n;
	unsigned crashes;
	bool told,
	    closed; /* of the job: what the file is; whether SQLite is kept from opening it */
	bool came_through; /* a job has ended well */
	/* scrub */
	bool in_lane;
	struct sqlite_turn turn;
	struct lane_ticket ticket;
	size_t scrub_next;
	struct checkup *scrubbing;
	int64_t scrub_wall_us, scrub_until_us;
	enum scrub_way { SCRUB_GENTLY = 0, SCRUB_IN_BUDGET, SCRUB_COPY } way;
	size_t batch; /* items that one job takes at most */
	int64_t submitted_us, lock_wait_ms;
	struct visit *next;
};

/* One more statement of the next job; owned by the visit. */
struct want *sqlite_want_add(struct visit *, struct checkup *);
void sqlite_wants_free(struct visit *);
/* The job of all that has no answer yet; owned. */
char *sqlite_job_text(struct visit *, int64_t deadline_us) _must_check_;
/* The verdict of one statement is given to its check, once. */
void sqlite_want_finish(struct visit *, struct want *, enum reason, const char *text,
    bool truncated, int64_t duration_us);
/* What the worker sends; arg is the visit. */
void sqlite_job_message(uint32_t type, const char *payload, size_t len, void *arg);
/* The body to be asked, or NULL: its check was told why not. */
const struct check_body *sqlite_covered_body(struct visit *, struct checkup *);

/* ---- sqlite_scrub.c: what goes through objects ---- */
/* The list of the next check of the visit, its next items: false when there is nothing more. */
bool sqlite_scrub_begin(struct visit *);
bool sqlite_scrub_items(struct visit *);
/* How its items are read goes into the job; how long one of its statements may take. */
void sqlite_scrub_job(const struct visit *, json_t *job);
void sqlite_scrub_statement(const struct want *, const struct visit *, json_t *statement);
int64_t sqlite_scrub_long_us(const struct visit *);
/* An item gave way to writers, or no copy could be made: true, it is put off and nothing more is told. */
bool sqlite_scrub_put_off(struct visit *, const struct want *, const char *text);
/* What is known of the file's transactions. */
void sqlite_note_changes(struct database *, int64_t changes);
/* How long the job took says how many items the next one takes. */
void sqlite_scrub_measure(struct visit *);
