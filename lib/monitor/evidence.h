#pragma once
#include "check/facts.h"
#include "monitor/monitor.h"
/*
 * What stood behind findings when they opened, when they became worse and at their peak: which of it
 * is due, and where it is kept.  The rows go to the store and are not held here; findings of one look
 * share them.  Knows no server: who asks one is server_evidence.c.
 */
enum evidence_moment {
	EVIDENCE_OPENED = 0,
	EVIDENCE_WORSE,  /* the highest severity after that */
	EVIDENCE_PEAK,   /* the latest time that its value was far beyond all before */
	EVIDENCE_BEFORE, /* the worst of the last time that it was open */
	EVIDENCE_N
};
extern const char *const evidence_moment_names[EVIDENCE_N];
#define EVIDENCE_MAX_ROWS    50
#define EVIDENCE_MAX_COLUMNS 24
#define EVIDENCE_CELL_BYTES  ((size_t)200)
#define EVIDENCE_MAX_BYTES   ((size_t)16 << 10) /* of one look */
#define EVIDENCE_ALL_BYTES   ((size_t)32 << 20) /* of all: the oldest go, of resolved ones first */

/* ---- the rows of one look, as JSON ---- */
struct evidence_rows;
struct evidence_rows *evidence_rows_new(void) _must_check_;
struct evidence_rows *evidence_rows_free(struct evidence_rows *);
void evidence_rows_columns(struct evidence_rows *, size_t n, const char *const *names);
/* Statements lose their literals here.  False: there is no room for more. */
bool evidence_rows_add(struct evidence_rows *, const char *const *cells, const size_t *lengths);
/* {"columns":[],"rows":[],"truncated":false} */
char *evidence_rows_json(const struct evidence_rows *) _must_check_;

/* ---- the book ---- */
typedef void (*evidence_put_fn)(const char *kind, const char *key, const char *json, void *arg);
/* Kinds of rows in the store: what is known of one finding, by its id, and the rows of one look. */
#define EVIDENCE_KIND      "evidence"
#define EVIDENCE_ROWS_KIND MONITOR_EVIDENCE_ROWS
struct evidence;
struct evidence *evidence_new(const struct findings *, evidence_put_fn put, void *arg) _must_check_;
struct evidence *evidence_free(struct evidence *);
void evidence_load(struct evidence *, const char *id, const char *json);
/* After loading: what is known of findings that are no more goes. */
void evidence_retain(struct evidence *);
/* Whether something new is to be seen of an open finding, which it notes; falls: a lower value is
 * worse. */
bool evidence_look(struct evidence *, const struct finding *, bool falls, int64_t wall_us);
/* What was due of a finding: the rows kept under key, of so many bytes, or why there are none. */
struct evidence_plate;
struct evidence_plate *evidence_plate_new(
    struct evidence *, const char *json, int64_t wall_us) _must_check_;
void evidence_plate_unref(struct evidence *, struct evidence_plate *);
void evidence_settle(struct evidence *, const char *id, struct evidence_plate *, const char *why);
bool evidence_waits(const struct evidence *, const char *id); /* something is due */
void evidence_forget(struct evidence *, const char *id);
/* [{moment, at, severity, value, taken_at, columns, rows, truncated, error}], the oldest first; NULL:
 * nothing is known of it.  Columns and rows are null: they are kept under ret_keys ("": nowhere). */
json_t *evidence_json(const struct evidence *, const char *id, char ***ret_keys) _must_check_;
size_t evidence_bytes(const struct evidence *);
