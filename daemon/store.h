#pragma once
#include "base/err.h"
#include "worker/worker.h"
#include <event2/event.h>
/*
 * The daemon's memory over restarts: SQLite in the state folder, written by a worker only, behind a
 * bounded queue.  What one turn of the loop gives it becomes one transaction: a transition and the
 * finding as it is after it are both there or both not, whenever the power goes.
 */
struct store;
struct store_callbacks {
	/* While loading: every row. */
	void (*on_row)(const char *kind, const char *key, const char *json, void *arg);
	/* Once, never from inside store_open; also when nothing could be read. */
	void (*on_loaded)(void *arg);
	/*
	 * Tell outlets: the transition is on the disk (or cannot be brought there, which on_trouble
	 * has said).  Before on_loaded: those of the last life that not every outlet was told of.
	 */
	void (*on_event)(uint64_t sequence, const char *json, void *arg);
	/*
	 * A damaged (or newer) state was moved aside to path ("": others took it away); we begin with
	 * an empty one.
	 */
	void (*on_moved)(const char *path, const char *why, void *arg);
	/* State cannot be written (once), or again can: why NULL. */
	void (*on_trouble)(const char *why, void *arg);
};
/*
 * Takes the lock of the folder (-EBUSY: the message names the daemon that has it) and begins to
 * load.  outlets: names of all there are, NULL-terminated.  The folder must exist.
 */
int store_open(struct event_base *, const char *dir, char *const *outlets,
    const struct store_callbacks *, void *arg, struct store **ret, struct err *) _must_check_;
/* Does not wait: store_flush first.  Returns NULL. */
struct store *store_close(struct store *);

/*
 * json NULL: forget the row.  The last value given wins.  Rows of a kind that ends in "-rows" are not
 * loaded: they are large, and asked for when somebody wants them.
 */
void store_put(struct store *, const char *kind, const char *key, const char *json);
/* id: FINDINGID-SEQUENCE; the same id is kept once. */
void store_transition(struct store *, const char *id, int64_t wall_us, const char *json);
/* The outlet has told everything up to that sequence of on_event. */
void store_delivered(struct store *, const char *outlet, uint64_t sequence);
/* What the outlet had told when it was last stored; valid from the first on_event on. */
uint64_t store_cursor(const struct store *, const char *outlet);
/*
 * Events that are on the disk, once more and in order: for an outlet that could not keep them, and
 * for who wants to know what happened.
 */
#define STORE_AGAIN_MAX 500
struct store_query {
	uint64_t after;             /* those after that sequence */
	int64_t since_us, until_us; /* wall; 0: any */
	/*
	 * NULL: any.  A database is meant with its members; what its server as a whole (server) had
	 * comes with it.  A server alone is meant with its databases.
	 */
	const char *database, *server, *check, *finding, *kind; /* kind: MESSAGE_ID */
	bool newest;  /* the last ones instead of the first */
	size_t limit; /* 0: STORE_AGAIN_MAX, which is the most */
};
typedef void (*store_again_fn)(uint64_t sequence, const char *json, void *arg);
/* ok: they could be read; all: with what was given before they were asked for, which is on disk. */
typedef void (*store_again_end_fn)(bool ok, bool all, void *arg);
/* The texts are copied.  The handle is valid until on_end; NULL: too many wait (STORE_READS_MAX). */
struct store_read;
#define STORE_READS_MAX 64
struct store_read *store_read_events(struct store *, const struct store_query *,
    store_again_fn on_event, store_again_end_fn on_end, void *arg) _must_check_;
/*
 * Rows of such a kind by their keys ("": none, there is nothing to read): on_event has the place of
 * the key, from 0.
 */
struct store_read *store_read_rows(struct store *, const char *kind, char *const *keys,
    store_again_fn on_row, store_again_end_fn on_end, void *arg) _must_check_;
/* Nobody is called for it any more. */
void store_read_cancel(struct store_read *);
/* The same without a handle, for the one that must not be refused. */
void store_read_again(
    struct store *, uint64_t after, store_again_fn on_event, store_again_end_fn on_end, void *arg);
/* The sequence given out last. */
uint64_t store_last(const struct store *);
/* Places to tell came or went: what the new ones have been told begins now. */
void store_set_outlets(struct store *, char *const *outlets);
/*
 * For the end: runs the loop until all is written, or can't be, or the deadline (monotonic) has
 * passed.  0, -ETIMEDOUT, or -EIO.
 */
int store_flush(struct store *, int64_t deadline_us);
/* Why it cannot be written; NULL: it can. */
const char *store_trouble(const struct store *);
size_t store_queued(const struct store *); /* rows and transitions not yet written */

/* Of `--worker store`. */
extern const struct worker_role store_role;
