#pragma once
#include "base/sha.h"
#include "check/sample.h"
#include "check/settings.h"
/*
 * Samples to findings: `for`, hysteresis, two complete runs, identity, max_findings, events.  Pure:
 * no I/O and no clock of its own; the same calls give the same transitions.
 */
enum finding_state { FINDING_PENDING = 0, FINDING_OPEN, FINDING_RESOLVED, FINDING_STATE_N };
extern const char *const finding_state_names[FINDING_STATE_N];
/* Object of the one finding that stands for all beyond max_findings. */
#define FINDING_MORE "*more*"

struct finding {
	char id[SHA_ID_SIZE];
	/* identity */
	enum engine engine;
	char *scope; /* name of the server or database */
	char *check, *key;
	/* where it shows; server-scope: database "" */
	char *server, *database;
	enum probe probe;
	enum check_kind kind;
	char *title, *object, *item; /* item: scrub, else NULL */
	/* what it says, of the latest sample that breached */
	enum finding_state state;
	enum severity severity, previous; /* previous: before the last transition */
	bool has_value;
	double value;
	enum unit unit;
	char *threshold;               /* the one that was breached, for people; "" when none */
	char *message, *detail, *why;  /* detail and why: "" when none */
	struct check_remedy *remedies; /* text always set; ordered by risk */
	size_t nremedies;
	struct label *labels;
	size_t nlabels;
	int64_t first_seen_wall_us; /* first sample that breached */
	int64_t since_wall_us;      /* when it opened (pending: first_seen) */
	int64_t last_seen_wall_us, resolved_wall_us;
	bool stale;
	bool acked;
	uint64_t count; /* `*more*`: how many; event: occurrences; else 1 */
	/* judgement */
	int64_t breach_since_us[SEVERITY_N]; /* monotonic; counts only while breach_samples > 0 */
	unsigned breach_samples[SEVERITY_N];
	int64_t good_since_us;
	unsigned good_samples;
	double event_value; /* event: the latest occurrence */
	int64_t hold_until_us;
	uint64_t sequence; /* of its last transition; event id is ID-SEQUENCE; 0: none yet */
};

enum transition_kind { TRANSITION_OPENED = 1, TRANSITION_CHANGED, TRANSITION_RESOLVED };
struct transition {
	enum transition_kind kind;
	const struct finding *finding; /* borrowed, as it is after the transition */
	enum severity from, to;
	int64_t wall_us;
	const char
	    *reason; /* resolved: "cleared" "acknowledged" "hold passed" "removed"; else NULL */
};
/* Called inside the call that caused it; must not call back into the findings but to read. */
typedef void (*transition_fn)(const struct transition *, void *arg);

struct findings; /* all of one monitor, by id and by (scope, check) */
struct findings *findings_new(transition_fn, void *arg) _must_check_;
struct findings *findings_free(struct findings *);

/* One run of one check on one scope. */
struct run {
	const struct settings *settings;
	const char *scope, *server, *database; /* database "" for server scope */
	const struct result *result;
	const char *item; /* scrub: this item alone was looked at */
	int64_t now_us, wall_us;
	int64_t interval_us; /* that really applies (check and probe); 0: settings->interval_us */
	bool one_shot;       /* CLI: a complete run decides alone, no `for` */
	bool asked;     /* run now: a complete run decides alone for kind finding; `for` stays */
	bool loop_late; /* keep the result, open nothing */
	/*
	 * The schema is being rebuilt: what breaches is pending and counts from when that is over,
	 * what is open stays, whether it is seen or not.
	 */
	bool held;
	/*
	 * The rows of the last run once more, under changed settings: a sample that breaches counts
	 * from when it was taken (sampled_us), and no sample counts twice.  One that is good by the
	 * new settings alone resolves at once: the rule moved, not the world.
	 */
	bool again;
	int64_t sampled_us; /* with again */
};
struct applied {
	enum check_status status; /* of the check on this scope now */
	int64_t again_us;         /* > 0: run this check (scrub: this item) again after so long */
};
void findings_apply(struct findings *, const struct run *, struct applied *ret);

/* The check could not be asked at all: its open findings become stale. */
void findings_stale(struct findings *, const char *scope, const char *check);
/* Time passes: event findings whose hold ended resolve, old resolved ones are forgotten. */
void findings_tick(struct findings *, int64_t now_us, int64_t wall_us);
/* A database, server or check left the configuration: findings close without a transition
 * (quiet) or with one.  check NULL: all of the scope. */
void findings_drop(
    struct findings *, const char *scope, const char *check, bool quiet, int64_t wall_us);
/* Kinds whose rows are not remembered (event, scrub): ignored ones resolve, the cap lowers. */
void findings_limit(
    struct findings *, const char *scope, const struct settings *, int64_t now_us, int64_t wall_us);
/* Drops what keep() does not want; for what a restart restored and for reloads. */
void findings_retain(struct findings *,
    bool (*keep)(const char *scope, const char *check, void *arg), void *arg, bool quiet,
    int64_t wall_us);
/* Scrub: findings of items that are no longer in the list of items resolve ("removed"). */
void findings_retain_items(struct findings *, const char *scope, const char *check,
    bool (*exists)(const char *item, void *arg), void *arg, int64_t wall_us);
/* Events resolve; others are marked.  -ENOENT, or -EALREADY. */
int findings_ack(struct findings *, const char *id, int64_t now_us, int64_t wall_us);

/* Whether eval must keep this key whatever its value: it has an open or pending finding, or is
 * an event whose last value is known. */
bool findings_tracked(
    const struct findings *, const char *scope, const char *check, const char *key);
/* JSON object key -> Unix seconds of first_seen, for :first_seen; owned. */
char *findings_first_seen(
    const struct findings *, const char *scope, const char *check) _must_check_;

const struct finding *findings_get(const struct findings *, const char *id);
/* Borrowed, in no order; *iter starts at 0; NULL at the end. */
const struct finding *findings_next(const struct findings *, size_t *iter);
/* The same of one check on one scope; nothing may change meanwhile. */
const struct finding *findings_next_of(
    const struct findings *, const char *scope, const char *check, size_t *iter);
/* Of two const struct finding *, for qsort: the worst first, then the oldest. */
int findings_by_urgency(const void *, const void *);
size_t findings_count(const struct findings *, const char *scope, enum severity); /* open ones */
/* Worst state of a check on a scope: CHECK_OK when it has no finding. */
enum check_status findings_status(const struct findings *, const char *scope, const char *check);

/*
 * For the store.  The next row that changed since it was last taken: a finding (judgement times as
 * elapsed time), last known event values of a check, or the sequence counter; *ret_json NULL:
 * forget the row.  Both owned by the caller; false when there is none.  Taken in the same turn of
 * the loop as the calls that made transitions, rows and transitions reach the disk together.
 */
bool findings_take_dirty(struct findings *, int64_t now_us, char **ret_key, char **ret_json);
/* Reads any of these rows back, in any order, before the first apply. */
int findings_load(
    struct findings *, const char *json, int64_t now_us, int64_t wall_us, struct err *);
char *finding_save(const struct finding *, int64_t now_us) _must_check_;
/* Resolved findings are kept for the API (state=resolved) up to so many and so long. */
#define FINDINGS_RESOLVED_MAX    1000
#define FINDINGS_RESOLVED_AGE_US (INT64_C(86400) * 1000000)
