#pragma once
#include "history/frame.h"
#include "history/history.h"
/*
 * Which series there are: a number for each object of a check on a database, in the file `series`.
 * Numbers are never given twice.
 */
struct names;
struct names_entry {
	uint64_t id;
	enum unit unit;
	int64_t last_s; /* known to have had a sample then; renewed once a day */
	const char *scope, *check, *object; /* borrowed */
};
/*
 * damaged: how many frames could not be read; torn: bytes at the end that are the beginning of one, as
 * an end in the middle of a write leaves it, or one that is under way.  A missing file is an empty one.
 */
typedef void (*names_fn)(const struct names_entry *, void *arg);
int names_read(int dirfd, struct frames *, names_fn, void *arg, size_t *ret_damaged,
    size_t *ret_torn, struct err *) _must_check_;

/* damaged, torn: as above; what could be read is in it. */
int names_open(int dirfd, struct frames *, struct names **ret, size_t *ret_damaged,
    size_t *ret_torn, struct err *) _must_check_;
struct names *names_free(struct names *);
size_t names_count(const struct names *);
/* Up to here all were given; false: the last of them is not in it. */
bool names_reserve(struct names *, uint64_t max_id);
/*
 * The series of one run's objects, worst first.  Each check keeps the place of HISTORY_OBJECTS
 * objects: who has one keeps it while it comes; the ten worst take that of the object that is
 * longest away, others only after an hour.  Id 0: has no place.
 */
void names_take(struct names *, const char *scope, const char *check, enum unit, int64_t at_s,
    const char *const *objects, size_t nobjects, uint64_t *ret_ids);
bool names_full(const struct names *); /* some series found no room since the last rewrite */
/* What is new is on the disk when it returns 0. */
int names_save(struct names *, int dirfd, struct err *) _must_check_;
/* Series, by rising id, that have been written at last_s or later; then those older than oldest_s are forgotten and
 * the file is made anew. */
void names_renew(struct names *, const uint64_t *ids, size_t nids, int64_t last_s);
int names_rewrite(struct names *, int dirfd, int64_t oldest_s, struct err *) _must_check_;
