#pragma once
#include "monitor/internal.h"
#include "monitor/lane.h"
#include "monitor/sqlite_crash.h"
/*
 * One SQLite file, between the visits (sqlite_watch.c) and what one job of theirs asks and answers
 * (sqlite_job.c).  All of it runs in the loop.
 */
#define SQLITE_LONG_US (600 * USEC_PER_SEC) /* scrub statements read the whole file */

/* One statement of a job. */
struct want {
	struct checkup *checkup;
	const struct check_body *body; /* NULL: the statement of a scrub item */
	struct eval *eval;             /* NULL: a list of items */
	char *item, *item_sql;
	int64_t started_us, started_wall_us;
	bool done;
	int col[4]; /* key object sql cost */
};
enum { COL_KEY, COL_OBJECT, COL_SQL, COL_COST };

struct sqlite_watch {
	char *path;
	json_t *facts; /* of the last look, or NULL */
	int64_t bytes; /* of it; LANE_UNKNOWN before the first */
	/* Of the file as it is, and of the one before it while somebody may still be at that one. */
	int64_t inode, former;
	struct visit *visits; /* running */
	struct sqlite_crashes crashes;
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
	struct visit *next;
};

/* One more statement of the next job; owned by the visit. */
struct want *sqlite_want_add(struct visit *, struct checkup *);
void sqlite_wants_free(struct visit *);
/* The job of all that has no answer yet; owned. */
char *sqlite_job_text(const struct visit *, int64_t deadline_us) _must_check_;
/* The verdict of one statement is given to its check, once. */
void sqlite_want_finish(struct visit *, struct want *, enum reason, const char *text,
    bool truncated, int64_t duration_us);
/* What the worker sends; arg is the visit. */
void sqlite_job_message(uint32_t type, const char *payload, size_t len, void *arg);
