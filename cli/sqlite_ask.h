#pragma once
#include "cli/cli.h"
/*
 * One job for a worker that reads a SQLite file, and all of its answers.  { 0 } is an empty one;
 * nothing is asked before sqlite_ask_run().
 */
struct sqlite_answer {
	json_t *rows;              /* arrays of texts and nulls; NULL: there is no answer */
	const char *reason, *text; /* why not, borrowed from the ask; "" */
	bool truncated;
};
/* A worker that is kept between questions; NULL where one is asked for: a new one each time. */
struct sqlite_reader;
struct sqlite_reader *sqlite_reader_new(void);
void sqlite_reader_free(struct sqlite_reader *);

struct sqlite_ask {
	struct sqlite_reader *reader; /* borrowed, or NULL */
	json_t *statements;
	json_t *facts;                 /* SQLITE_FACTS, or NULL */
	json_t *ends;                  /* SQLITE_ANSWERED by number */
	struct sqlite_answer *answers; /* by number, once run */
	size_t n;
	int error; /* of the worker; 0 */
	char why[512];
};
/* Adds a statement with at most one parameter (NULL: none); its number. */
size_t sqlite_ask_add(struct sqlite_ask *, const char *sql, const char *param, int64_t timeout_us);
/* 0, or negative errno with ask->why: no answer, or not all (those there are stay). */
int sqlite_ask_run(struct sqlite_ask *, const char *path, int64_t copy_limit, int64_t budget_us);
void sqlite_ask_done(struct sqlite_ask *);
/* The file was opened: its statements could be asked. */
bool sqlite_ask_opened(const struct sqlite_ask *);

/* Cells of a row. */
const char *sqlite_cell(const json_t *row, size_t i); /* NULL gives "" */
bool sqlite_cell_null(const json_t *row, size_t i);
int64_t sqlite_cell_int(const json_t *row, size_t i); /* NULL gives 0 */
