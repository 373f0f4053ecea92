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

struct silence;
/* When samples moved a finding. */
struct finding_move {
	int64_t us, wall_us;
};
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
	/* open, but not looked at any more: why, for people; else "" */
	bool stale;
	char *stale_reason;
	bool lost; /* stale, and its check no longer applies here: only a person closes it */
	bool acked;
	/*
	 * Open and kept quiet by a silence (mute.c): shown, but neither told nor counted.  mute is
	 * NULL for what a restart restored, until silences are looked at.
	 */
	const struct silence *mute;  /* borrowed */
	char mute_id[SHA_ID_SIZE];   /* its id; "": it is not quiet */
	enum severity mute_severity; /* a rise over this breaks silences */
	int64_t mute_broken_wall_us; /* those that had begun by then; 0: none */
	/*
	 * Its cause among the open findings (fold.c).  While it is folded nobody is told of it: it is
	 * no worse than what is above it.
	 */
	char caused_by[SHA_ID_SIZE]; /* id; "": none */
	bool cause_first;            /* while it has one, its own remedies may do harm */
	enum severity above;         /* the worst of its cause, the cause of that and so on */
	bool folded;
	int64_t waits_us;    /* > 0: opened then, not told yet: its cause may be found */
	int64_t outlives_us; /* > 0: its cause ended then, and nobody was told of it itself */
	enum severity told;  /* what the world was last told of it; NONE: nothing, or its end */
	uint64_t count;      /* `*more*`: how many; event: occurrences; else 1 */
	/* judgement */
	int64_t breach_since_us[SEVERITY_N]; /* monotonic; counts only while breach_samples > 0 */
	unsigned breach_samples[SEVERITY_N];
	int64_t good_since_us;
	unsigned good_samples;
	double event_value; /* event: the latest occurrence */
	int64_t judged_us;  /* the last sample that counted */
	int64_t hold_until_us, hold_until_wall_us;
	uint64_t sequence; /* of its last transition; event id is ID-SEQUENCE; 0: none yet */
	/*
	 * Flapping: it came, went or changed more than settings->flap_changes times within
	 * flap_window_us.  It is shown as open at the worst of it (state, severity) and told no more,
	 * but for a severity above that, until it has been one and the same for half of the window.
	 */
	bool flapping;
	enum severity beneath; /* flapping: what it is now; NONE: good */
	int64_t flapping_since_wall_us;
	uint64_t flapping_changes;  /* since then, those before included */
	struct finding_move *moves; /* oldest first; flapping: the last one alone */
	size_t nmoves;
};

/*
 * FLAPPING: it is open (from NONE: was not) and flaps from here on.  STABLE: it no longer does, and
 * is open at `to`, or resolved (to NONE, state RESOLVED).  A flapping finding may also be CHANGED
 * (worse than ever), or RESOLVED when it went for another reason.
 */
enum transition_kind {
	TRANSITION_OPENED = 1,
	TRANSITION_CHANGED,
	TRANSITION_RESOLVED,
	TRANSITION_FLAPPING,
	TRANSITION_STABLE
};
struct transition {
	enum transition_kind kind;
	const struct finding *finding; /* borrowed, as it is after the transition */
	enum severity from, to;
	int64_t wall_us;
	/* resolved: "cleared" "acknowledged" "hold passed" "removed"; stable and resolved: "stable
	 * again"; of one that was open before: opened "silence ended" "no longer accepted", opened,
	 * changed or flapping "outlives its cause" "worse than its cause"; else NULL */
	const char *reason;
	/* It is silenced or accepted, or follows from another: nobody is to be told.  The end of what
	 * was told is never quiet. */
	bool quiet;
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
	bool first_contact; /* a summary counts what is not critical */
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

/* The check could not be asked at all: its open findings become stale, for that reason. */
void findings_stale(struct findings *, const char *scope, const char *check, const char *reason);
/*
 * What the check stands on is gone (an extension was dropped, the server is of another version):
 * what is open becomes stale and lost.  It is never taken for resolved: it stays until the check
 * applies again and says otherwise, or somebody acknowledges it.  What is pending is forgotten.
 */
void findings_lose(
    struct findings *, const char *scope, const char *check, const char *reason, int64_t now_us);
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
/* Events and what is lost resolve; others are marked.  -ENOENT, or -EALREADY. */
int findings_ack(struct findings *, const char *id, int64_t now_us, int64_t wall_us);

/* Whether eval must keep this key whatever its value: it has an open or pending finding, or is
 * an event whose last value is known. */
bool findings_tracked(
    const struct findings *, const char *scope, const char *check, const char *key);
/* JSON object key -> Unix seconds of first_seen, for :first_seen; owned. */
char *findings_first_seen(
    const struct findings *, const char *scope, const char *check) _must_check_;

/*
 * fold.c.  Takes what the checks declare; what opens and may have a cause is told after wait_us (0: at
 * once).  From then on findings_fold, called each second, finds the causes of all that is open and
 * makes the transitions that follow from it.
 */
struct cause_rules;
void findings_set_causes(struct findings *, struct cause_rules *take, int64_t wait_us);
void findings_fold(struct findings *, int64_t now_us, int64_t wall_us);

const struct finding *findings_get(const struct findings *, const char *id);
/* Borrowed, in no order; *iter starts at 0; NULL at the end. */
const struct finding *findings_next(const struct findings *, size_t *iter);
/* The same of one check on one scope; nothing may change meanwhile. */
const struct finding *findings_next_of(
    const struct findings *, const char *scope, const char *check, size_t *iter);
/* Of two const struct finding *, for qsort: the worst first, then the oldest. */
int findings_by_urgency(const void *, const void *);
size_t findings_count(const struct findings *, const char *scope, enum severity); /* open ones */
/*
 * Worst state of a check on a scope: CHECK_OK when it has no finding.  What flaps counts as it is
 * shown; but of connectivity as it is now, as traffic goes by that.
 */
enum check_status findings_status(const struct findings *, const char *scope, const char *check);
/* The same of open ones that no silence keeps quiet; and whether there are open ones, all quiet. */
enum check_status findings_status_counted(
    const struct findings *, const char *scope, const char *check);
bool findings_all_muted(const struct findings *, const char *scope, const char *check);

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
