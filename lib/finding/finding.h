#pragma once
#include "check/sample.h"
#include "check/settings.h"
#include "base/sha.h"
/*
 * Samples to findings: `for`, hysteresis, two complete runs, identity, max_findings, events.  Pure:
 * no I/O and no clock of its own; the same calls give the same transitions.
 */
enum finding_state { FINDING_PENDING = 0, FINDING_OPEN, FINDING_RESOLVED, FINDING_STATE_N };
extern const char *const finding_state_names[FINDING_STATE_N];

struct finding {
	char id[SHA_ID_SIZE];
	/* identity */
	enum engine engine;
	char *scope;             /* name of the server or database */
	char *check, *key;
	/* where it shows; server-scope: database "" */
	char *server, *database;
	enum probe probe;
	char *title, *object, *item;
	/* what it says, of the latest sample that breached */
	enum finding_state state;
	enum severity severity, previous; /* previous: before the last transition */
	bool has_value;
	double value;
	enum unit unit;
	char *threshold;         /* the one that was breached, for people; "" when none */
	char *message, *detail, *why;
	struct check_remedy *remedies; /* text always set; ordered by risk */
	size_t nremedies;
	struct label *labels;
	size_t nlabels;
	int64_t first_seen_wall_us;  /* first sample that breached */
	int64_t since_wall_us;       /* when it opened (pending: first_seen) */
	int64_t last_seen_wall_us, resolved_wall_us;
	bool stale;
	bool acked;
	uint64_t count;          /* `*more*`: how many; else 1 */
	/* judgement */
	int64_t breach_since_us[SEVERITY_N]; /* monotonic; 0: not breaching at that level */
	unsigned breach_samples[SEVERITY_N];
	int64_t good_since_us;
	unsigned good_samples;
	double event_value;      /* event: the occurrence that opened it */
	int64_t hold_until_us;
	uint64_t sequence;       /* of its transitions; event id is ID-SEQUENCE */
	bool dirty;              /* changed since the store last took it */
};

enum transition_kind { TRANSITION_OPENED = 1, TRANSITION_CHANGED, TRANSITION_RESOLVED };
struct transition {
	enum transition_kind kind;
	const struct finding *finding; /* borrowed, as it is after the transition */
	enum severity from, to;
	int64_t wall_us;
	const char *reason;      /* resolved: "cleared", "acknowledged", "hold passed", "removed" ... */
};
typedef void (*transition_fn)(const struct transition *, void *arg);

struct findings; /* all of one monitor, by id and by (scope, check) */
struct findings *findings_new(transition_fn, void *arg) _must_check_;
struct findings *findings_free(struct findings *);

/* One run of one check on one scope. */
struct run {
	const struct settings *settings;
	const char *scope, *server, *database; /* database "" for server scope */
	const struct result *result;
	const char *item;        /* scrub: this item alone was looked at */
	int64_t now_us, wall_us;
	bool one_shot;           /* CLI, or run now: a complete run decides alone */
	bool loop_late;          /* keep the result, open nothing */
};
struct applied {
	enum check_status status; /* of the check on this scope now */
	int64_t again_us;        /* > 0: run this check again after so long to confirm; else 0 */
};
void findings_apply(struct findings *, const struct run *, struct applied *ret);

/* The check could not be asked at all: its open findings become stale. */
void findings_stale(struct findings *, const char *scope, const char *check);
/* Time passes for event findings whose hold ended. */
void findings_tick(struct findings *, int64_t now_us, int64_t wall_us);
/* A database, server or check left the configuration: findings close without a transition
 * (quiet) or with one.  check NULL: all of the scope. */
void findings_drop(struct findings *, const char *scope, const char *check, bool quiet, int64_t wall_us);
/* Events resolve; others are marked.  -ENOENT, or -EALREADY. */
int findings_ack(struct findings *, const char *id, int64_t now_us, int64_t wall_us);

/* Whether this key has an open or pending finding: what eval keeps.  */
bool findings_tracked(const struct findings *, const char *scope, const char *check, const char *key);
/* JSON object key -> Unix seconds of first_seen, for :first_seen; owned. */
char *findings_first_seen(const struct findings *, const char *scope, const char *check) _must_check_;

const struct finding *findings_get(const struct findings *, const char *id);
/* Borrowed, in no order; *iter starts at 0; NULL at the end. */
const struct finding *findings_next(const struct findings *, size_t *iter);
size_t findings_count(const struct findings *, const char *scope, enum severity); /* open ones */
/* Worst state of a check on a scope: CHECK_OK when it has no finding. */
enum check_status findings_status(const struct findings *, const char *scope, const char *check);

/* For the store: a finding as JSON text and back (judgement times as elapsed time).  Resolved
 * findings are kept for the API (state=resolved) up to 1,000 and a day. */
char *finding_save(const struct finding *, int64_t now_us) _must_check_;
int findings_load(struct findings *, const char *json, int64_t now_us, int64_t wall_us, struct err *);
/* Next finding that changed since the last call for it, or NULL; *ret_gone: remove this id. */
const struct finding *findings_take_dirty(struct findings *, char ret_gone[static SHA_ID_SIZE]);
