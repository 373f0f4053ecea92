#pragma once
#include "check/sample.h"
#include "check/series.h"
#include "check/settings.h"
/*
 * Rows in, judged samples out.  Pure: no database, clock or socket.  Keeps a heap of the worst and
 * every row whose key is tracked (has an open or pending finding), so memory is bounded whatever
 * a check returns.
 *
 * Reserved columns: object key value severity detail remedy remedy_2.. part whole reset at grant
 * first_seen resume keep; all others are labels.  `at` is the server's clock in seconds (rate, ratio).  A row
 * with `grant` and no value says which right is missing.
 */
#define EVAL_MAX_ROWS       ((size_t)200000)
#define EVAL_MAX_BYTES      ((size_t)16 << 20)
#define EVAL_USER_MAX_ROWS  ((size_t)10000)
#define EVAL_USER_MAX_BYTES ((size_t)4 << 20)
struct row_memory;
struct usual {
	double median, mad; /* mad: of the side that the value is on */
	char hour[40];      /* "Mondays at 10:00" */
};
struct eval_context {
	struct series *series;   /* borrowed; updated by eval_finish */
	int64_t now_us, wall_us; /* when the run began */
	double server_start;     /* Unix seconds; part of every counter's epoch; NaN unknown */
	const char *item;        /* scrub: key of the item, else NULL */
	bool (*tracked)(const void *arg, const char *key); /* NULL: none */
	const void *tracked_arg;
	/* What is usual for an object at this hour, for thresholds that ask; false, NULL: not known. */
	bool (*usual)(
	    const void *arg, const char *object, int64_t wall_us, double value, struct usual *ret);
	const void *usual_arg;
	bool young;    /* what warns is info, unless a person set its severity */
	bool remember; /* result.rows is to hold what eval_again needs */
	/* eval_again only: what was made of the row that eval_row is given; series is only read. */
	const struct row_memory *again;
	/* Of the settings' owner, when the eval may outlive his interest; told by eval_free. */
	void *hold;
	void (*release)(void *hold);
};
struct eval;
struct eval *eval_new(const struct settings *, const struct eval_context *) _must_check_;
struct eval *eval_free(struct eval *);
/* Once, before rows.  A missing column that the kind requires makes the result unknown. */
void eval_columns(struct eval *, size_t n, const char *const *names);
/* cells[i] NULL is SQL NULL; lengths[i] bytes.  False when no more rows are wanted (caps). */
bool eval_row(struct eval *, const char *const *cells, const size_t *lengths);
/* Ends a run that came to its end, or (why set) was cut off: rows so far are judged, the state is
 * TRUNCATED, or UNKNOWN when nothing came. */
void eval_finish(struct eval *, const struct result *why, struct result *ret);

/* Message of a finding: {object} {value} {detail} {warning} {critical} {eta} {label}, substituted
 * once, values in their unit.  The check's `message`, or "TITLE: DETAIL". */
char *message_render(
    const char *template, const struct settings *, const struct sample *) _must_check_;
