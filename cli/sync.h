#pragma once
#include "base/words.h"
#include "cli/diff.h"
/* Migration files that bring B to the schema of A.  Pure. */
struct sync_file {
	char *name, *text;
};
struct sync {
	const struct diff *up; /* from B to A, --drops */
	struct diff *down;     /* the same two the other way round */
	enum engine engine;
	bool drops; /* what loses data is no comment */
	size_t n;   /* differences, without the accounts of migrations themselves */
	struct sync_file *files;
	size_t nfiles;
	char **open;        /* "object: part: why": what stays different */
	char **kept;        /* what cannot be taken back */
	bool reads_as_mark; /* a line of some text would be a mark of the format */
};
/*
 * Both diffs are ready to be made (no items yet), with drops and keys_apart.  version: of the first
 * file, in digits.
 */
void sync_make(struct sync *, struct diff *up, struct diff *down, int64_t version_wall_us);
void sync_done(struct sync *);
