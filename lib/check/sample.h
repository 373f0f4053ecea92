#pragma once
#include "check/check.h"
/* One row that a check returned, judged.  Owns its strings (all passed text_from_peer). */
struct label {
	char *name, *value;
};
struct sample {
	char *object, *key; /* key is object unless the row said otherwise */
	char *item;         /* scrub: key of the item it came from, else NULL */
	bool has_value;
	double value;           /* base unit; finite */
	double part, whole;     /* ratio: growth since the last run; NaN otherwise */
	enum severity severity; /* NONE: does not breach */
	bool holds;   /* breaches, or is not back behind the clear threshold, or (rate, ratio) has
	               * no value this time: an open finding stays */
	char *detail; /* or NULL */
	char *remedies[REMEDY_MAX]; /* by number: the row's, else of `remedy.N.text`; or NULL */
	struct label *labels;
	size_t nlabels;
};
struct rows;
struct shape;
struct settings;
struct sample *sample_free(struct sample *);
DEFINE_CLEANUP(struct sample *, sample_free)
struct sample *sample_copy(const struct sample *) _must_check_;
const char *sample_label(const struct sample *, const char *name); /* or NULL */

/* Why a check could not answer; the class decides how it is grouped in the journal. */
enum reason {
	REASON_NONE = 0,
	REASON_TIMEOUT,    /* ours, or statement_timeout */
	REASON_LOCKED,     /* lock_timeout, SQLITE_BUSY */
	REASON_PRIVILEGE,  /* 42501 and rows that say so */
	REASON_CONNECTION, /* session lost or never made */
	REASON_ERROR,      /* SQL error, damaged file */
	REASON_NO_VALUE,   /* NULL, NaN or missing column */
	REASON_CRASH,      /* worker ended by a signal */
	REASON_BUDGET,     /* not reached */
	REASON_N
};
extern const char *const reason_names[REASON_N];

enum result_state { RESULT_UNKNOWN = 0, RESULT_COMPLETE, RESULT_TRUNCATED, RESULT_WAITING };
/* A value for the list of checks, history and metrics; also of objects that do not breach. */
struct object_value {
	char *object;
	double value;   /* NaN: none this time */
	double counter; /* rate: the raw counter; else NaN */
};
#define RESULT_MAX_VALUES 20
/*
 * What one run of one check gave.  WAITING: no verdict yet (first sample of a rate): neither
 * unknown nor good.  TRUNCATED: judged what came, resolves nothing.  UNKNOWN may carry samples: the
 * rows that could be judged while others could not (a right missing for one object); they count as
 * those of TRUNCATED, the check is unknown.
 */
struct result {
	enum result_state state;
	enum reason reason;
	char text[300];          /* why unknown, for people */
	char grant[400];         /* or "" */
	struct sample **samples; /* worst first; breaching ones and those tracked */
	size_t nsamples;
	size_t nrows, nbreaching;                      /* all of them, also those not kept */
	struct object_value values[RESULT_MAX_VALUES]; /* gauge, rate, ratio: worst first */
	size_t nvalues;
	bool has_value; /* worst value, for the list of checks */
	double value;
	char *value_object; /* of that value, or NULL */
	struct rows *rows;  /* the rows themselves, when the eval was to remember; or NULL */
	/* kind snapshot: what there is, in which database, and of how many slices this is one */
	struct shape *shape; /* or NULL */
	char *home;          /* or NULL */
	unsigned slices;
	const struct settings *settings; /* by which it was judged; borrowed from the eval's */
};
void result_done(struct result *);
/* Frees what it holds (it must be zeroed or filled) and makes it unknown. */
void result_unknown(struct result *, enum reason, const char *fmt, ...) _printf_(3, 4);
