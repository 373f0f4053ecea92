#pragma once
#include "base/calendar.h"
#include "base/map.h"
#include "finding/finding.h"
/*
 * What people do not want to be told of for a while: silences (asked for, until a time), windows
 * (configured, by calendar) and accepts (what was open at that moment, without end).  Pure: no I/O
 * and no clock of its own; who is quiet by which of them stands in struct finding (mute.c).
 */
enum silence_kind { SILENCE_ASKED = 0, SILENCE_WINDOW, SILENCE_ACCEPT, SILENCE_KIND_N };
extern const char *const silence_kind_names[SILENCE_KIND_N]; /* "silence" "window" "accept" */
struct silence {
	char id[SHA_ID_SIZE];
	enum silence_kind kind;
	char *name; /* window: of its section; else NULL */
	/*
	 * Globs, NULL: any.  A database stands for its members NAME/... too, and for the findings
	 * of the server of that name.
	 */
	char **databases, **checks, **objects;
	char *reason, *author; /* of a window: "" */
	int64_t created_wall_us;
	int64_t until_wall_us; /* 0: no end; window: the end of this time or of the last */
	bool until_resolved;   /* ends once something matched and nothing does any more */
	bool even_if_worse;    /* a rise in severity does not break it */
	/* window */
	struct calendar *when;
	int64_t duration_us;
	int64_t next_wall_us; /* begins again; 0: never */
	bool endless; /* its times leave no gap: until_wall_us is how far they were followed */
	/* accept: id of each finding -> the severity that was accepted, as a pointer */
	struct map *accepted;
	/* now */
	bool active;
	bool matched;           /* until_resolved: something did */
	bool unsaved;           /* and the store has not heard of it */
	bool resolved;          /* it ended because all is resolved */
	bool told_active;       /* window: what was told of it */
	int64_t began_wall_us;  /* active: since when */
	int64_t ticked_wall_us; /* window: when it was last looked at */
};
struct silence *silence_new(enum silence_kind) _must_check_;
struct silence *silence_free(struct silence *); /* returns NULL */
DEFINE_CLEANUP(struct silence *, silence_free)
/* Whether its globs (accept: its list) are of this finding, whatever the time and the severity. */
bool silence_is_of(const struct silence *, const struct finding *);
/* What an accept is to hold; false: it holds SILENCE_ACCEPT_MAX already. */
bool silence_accept(struct silence *, const struct finding *);
/* "orders/fk-missing-index/public.*", "everything"; owned. */
char *silence_target(const struct silence *) _must_check_;

/* At most so many that were asked for, and findings in one accept; texts in bytes. */
#define SILENCES_MAX       1000
#define SILENCE_ACCEPT_MAX 10000
#define SILENCE_REASON_MAX 500
#define SILENCE_GLOB_MAX   400
#define SILENCE_MAX_US     (INT64_C(366) * 86400 * 1000000)

struct silences; /* all of one monitor, by id, in order of coming */
struct silences *silences_new(void) _must_check_;
struct silences *silences_free(struct silences *);
/* Gives it an id (of what it is and when it came) unless it has one.  -ENOSPC: full. */
int silences_add(struct silences *, struct silence *take) _must_check_;
struct silence *silences_get(const struct silences *, const char *id);
struct silence *silences_next(const struct silences *, size_t *iter);
size_t silences_count(const struct silences *, enum silence_kind); /* active ones */
/* It is the caller's then; findings still point at it until findings_remute. */
struct silence *silences_take(struct silences *, const char *id) _must_check_;
/* Time passes: what begins and ends; true when something did.  The clock may be set back. */
bool silences_tick(struct silences *, int64_t wall_us);
/* The one that keeps an open finding quiet now, or NULL: an accept, else what lasts longest. */
const struct silence *silences_match(const struct silences *, const struct finding *);

/* Whether one is on for all checks of a database ("": of a server as a whole). */
bool silences_cover(const struct silences *, const char *database, const char *server);

/* A row of the store and back (not of windows); since: what began, for a restart. */
char *silence_save(const struct silence *) _must_check_;
int silence_load(const char *json, struct silence **ret, struct err *) _must_check_;

/*
 * mute.c: findings under silences.  Borrowed; before the first of these: nothing is quiet.  Whoever
 * changes silences, or takes one away, calls findings_remute before the loop goes on.
 */
void findings_set_silences(struct findings *, struct silences *);
/* Looks at all open findings anew: what is quiet no more is told as opened, once. */
void findings_remute(struct findings *, int64_t wall_us);
/* Those with until_resolved whose findings are gone end (until becomes now); true: some
 * did, or have a match since. */
bool findings_end_silences(struct findings *, int64_t wall_us);
/* Open findings that a silence is of. */
size_t findings_matched(const struct findings *, const struct silence *);
