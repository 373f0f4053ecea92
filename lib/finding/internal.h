#pragma once
#include "base/map.h"
#include "finding/finding.h"
#include <sys/queue.h>
/*
 * What the files of lib/finding share.  Owner: struct findings owns scopes, a scope its groups (all
 * findings of one check there), a group its entries.
 */
struct entry {
	struct finding f; /* first: the public face */
	struct group *group;
	uint64_t run_mark; /* the apply that saw it last */
	int64_t marked_us; /* when it was last marked for the store */
	bool saved;        /* the store has a row */
	bool queued, holding, shelved;
	TAILQ_ENTRY(entry) dirty_link;
	TAILQ_ENTRY(entry) hold_link;     /* open events with an end */
	TAILQ_ENTRY(entry) resolved_link; /* by time, oldest first */
};
TAILQ_HEAD(entry_list, entry);

/* Event: last value of a key.  Scrub: objects of an item that found no place. */
struct known {
	double value;
	bool absent; /* was missing from the last complete run */
	uint64_t run_mark;
};
/* A long key is known by its digest: the row must stay small whatever names a peer has. */
#define KNOWN_MAX      500
#define KNOWN_KEY_SIZE 129

struct group {
	struct scope *scope;
	char *check;
	enum engine engine;
	struct map *by_key; /* struct entry, all states */
	size_t open[SEVERITY_N], nopen, npending, nflapping;
	size_t muted[SEVERITY_N]; /* of the open ones */
	enum probe probe;         /* of its findings */
	struct map *known;        /* struct known; NULL until needed */
	bool baselined;           /* event: one complete run was seen */
	bool saved, queued;       /* of the row with the known values */
	bool related;             /* its check has causes, or is one */
	TAILQ_ENTRY(group) dirty_link;
	TAILQ_ENTRY(group) related_link;
};
TAILQ_HEAD(group_list, group);

struct scope {
	struct findings *all;
	char *name;
	struct map *groups; /* by check */
	size_t open[SEVERITY_N];
};

struct findings {
	transition_fn on_transition;
	void *arg;
	struct map *by_id, *scopes;
	struct entry_list dirty, holding, resolved;
	struct group_list dirty_groups;
	char **gone; /* keys of rows to forget */
	size_t ngone, gone_cap, nresolved;
	uint64_t sequence; /* the last one given out */
	bool sequence_dirty;
	uint64_t run_mark;
	size_t open[SEVERITY_N];
	struct group_list related;
	struct cause_rules *rules; /* or NULL */
	int64_t wait_us;
	bool fold_due;             /* something moved that may have a cause, or waits */
	struct silences *silences; /* borrowed, or NULL */
	uint64_t ended_sequence;   /* when findings_end_silences looked last */
};

/* entry.c */
void group_free(struct group *); /* not its entries */
void entry_free(void *entry);    /* nothing but its memory; for the end */
struct group *group_find(const struct findings *, const char *scope, const char *check);
struct group *group_make(struct findings *, const char *scope, const char *check, enum engine);
void group_collect(struct group *); /* frees it when nothing is left in it */
/* finding.c; item NULL: all */
void group_stale(struct group *, const char *item, const char *reason);
void entry_stale(struct entry *, const char *reason);
void group_drop(struct group *, bool quiet, int64_t wall_us);
void group_mark(struct group *);
struct known *group_known(struct group *, const char *key); /* NULL when full */
const char *known_name(const char *key, char buf[static SHA_ID_SIZE]);
char *group_row_key(const struct group *) _must_check_;

struct entry *entry_find(const struct group *, const char *key);
struct entry *entry_make(struct group *, const struct settings *, const char *key);
void entry_forget(struct entry *); /* frees it; the store forgets it too */
void entry_set(struct entry *, enum finding_state, enum severity);
void entry_mark(struct entry *, int64_t now_us);
void entry_unpend(struct entry *, int64_t now_us); /* the breach did not last */
void entry_hold(struct entry *, int64_t until_us);
/* The transitions; they keep the counts, the sequence and call back. */
void entry_open(struct entry *, enum severity, const struct run *);
void entry_change(struct entry *, enum severity, int64_t wall_us);
void entry_resolve(struct entry *, const char *reason, int64_t wall_us);
void entry_tell_again(struct entry *, const char *reason, int64_t wall_us); /* as if it opened */
void entry_tell(struct entry *, enum transition_kind, enum severity from, const char *reason,
    bool quiet, int64_t wall_us);

/* flap.c: what samples do goes through here, and is told unless it flaps. */
enum severity finding_now(const struct finding *); /* beneath the flapping; NONE: not open */
void entry_move(struct entry *, const struct run *, enum severity to); /* NONE: it cleared */
void entry_settle(struct entry *, const struct run *); /* a sample that found it as it was */
void flap_forget(struct entry *);
/* Of a group that is judged as it is, not as it is shown; counted: without what is silenced. */
bool flap_is_beneath(const struct group *);
enum check_status flap_status(const struct group *, bool counted);
void flap_restore(struct entry *); /* of what was loaded as flapping */

/* Forgets resolved ones beyond the cap or older than that; nobody may be walking over a group. */
void findings_evict(struct findings *, int64_t before_wall_us);

/* content.c: what a finding says at that severity, from a sample; or how many more there are. */
void content_fill(struct finding *, const struct run *, const struct sample *, enum severity);
void content_fill_more(struct finding *, const struct run *, size_t count, enum severity);
void finding_fresh(struct finding *); /* not stale any more */
void finding_done(struct finding *);

/* mute.c */
void mute_judge(struct entry *, int64_t wall_us);
void mute_reset(struct entry *);

/* fold.c */
bool entry_is_quiet(const struct entry *);
void fold_relate(struct group *);
void fold_reset(struct entry *);
void fold_wait(struct entry *, const struct run *, enum severity);
void fold_judge(struct entry *, enum severity from);
void fold_outlive(struct entry *, const struct run *);
void fold_end_wait(struct entry *, int64_t wall_us);

/* event.c */
void event_apply(struct group *, const struct run *);

/* save.c */
char *known_save(const struct group *) _must_check_;
char *sequence_save(uint64_t) _must_check_;
#define SEQUENCE_ROW "sequence"
