#pragma once
#include "check/shape.h"
#include <jansson.h>
/*
 * What is kept of a check of kind snapshot on one database: how it looks now, its last versions and
 * between which two looks each came, the baseline that somebody pinned.  Only the newest version is
 * whole; of the older ones, and of the baseline, what was different.  Pure: no clock, no I/O.
 */
#define DRIFT_VERSIONS 20
#define DRIFT_BUCKETS  64

struct drift_version {
	uint64_t number;
	int64_t after_wall_us, seen_wall_us; /* came between these two looks; after 0: the first */
	size_t differences;                  /* from the version before */
	char *words;
	struct shape *
	    before; /* overlay: what the version before had otherwise; NULL: too much, or the first */
};
struct drift {
	struct shape *now; /* NULL: never seen whole */
	char *home;        /* which database it is of, "" not told */
	char *how;         /* digest of what decides what is looked at */
	int64_t seen_wall_us;
	struct drift_version versions[DRIFT_VERSIONS]; /* newest first */
	size_t nversions;
	/* Slices of the look under way. */
	struct shape *building;
	unsigned slice, slices;
	/* The baseline: an overlay over now. */
	struct shape *baseline; /* NULL: none is pinned */
	bool baseline_across;   /* pinned in another home */
	uint64_t baseline_version;
	int64_t baseline_wall_us;
	char *baseline_by;
	/* The other database that it should be like. */
	int64_t sibling_since_us; /* wall: differs since; 0: it does not */
	char *sibling;            /* its name then */
	/* Digests of the rows that the store has; 0: none. */
	uint64_t saved[DRIFT_BUCKETS], saved_baseline[DRIFT_BUCKETS];
	bool dirty; /* more than the stamps */
};
struct drift *drift_new(void) _must_check_;
struct drift *drift_free(struct drift *);

/* One slice (of slices) is there; takes its objects.  True when the look is complete: drift_look. */
bool drift_add_slice(struct drift *, struct shape *part, unsigned slices);
void drift_give_up(struct drift *); /* this look will not be complete */
/* What was built becomes now.  0: nothing changed, or nothing is said of it (first look, another how);
 * else the number of differences, told by versions[0]. */
size_t drift_look(struct drift *, const char *home, const char *how, int64_t wall_us);
/* What is there now is what should be; version 0: that of now.  -ENOENT: not looked yet, or that
 * version is not kept. */
int drift_pin(struct drift *, uint64_t version, const char *by, int64_t wall_us);
void drift_unpin(struct drift *);
size_t drift_from_baseline(const struct drift *, shape_fn, void *arg);

/*
 * For the store: pieces of one row each, the one named "" first.  put is given those that changed
 * (json NULL: forget).
 */
typedef void (*drift_put_fn)(const char *piece, const char *json, void *arg);
void drift_save(struct drift *, drift_put_fn, void *arg);
void drift_forget(const struct drift *, drift_put_fn, void *arg);
/* get gives the row of a piece, owned, or NULL.  -ENOENT: there is none; -EINVAL: not one of ours. */
typedef char *(*drift_get_fn)(const char *piece, void *arg);
int drift_load(struct drift *, drift_get_fn, void *arg);
