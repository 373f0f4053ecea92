#pragma once
#include "base/err.h"
/* A check file cut into its parts, not yet understood. */
struct head_line {
	char *key, *value; /* value "" when nothing was written */
	int line;
};
struct head_body {
	char *when; /* conditions of its @when lines joined by commas, or NULL */
	bool items, evidence;
	char *sql;
	int line, when_line;
};
struct head {
	struct head_line *lines;
	size_t nlines;
	struct head_body *bodies;
	size_t nbodies;
};
/* is_key tells head keys from prose; errors begin with "NAME:LINE: ". */
int head_split(const char *text, const char *name, bool (*is_key)(const char *), struct head *ret,
    struct err *) _must_check_;
void head_done(struct head *);
