#pragma once
#include "check/check.h"
/*
 * `caused-by: [SEVERITY] CHECK [by FIELD[=FIELD]], ...`: which other findings explain those of a check.
 * They must be of the same server (SQLite: of the same database), and where FIELD is named, say the
 * same there: object, key, or the name of a label; behind `=` the field of the cause.
 */
struct check_cause {
	char *check;
	enum severity least; /* of the cause; below, it explains nothing */
	char *field, *of;    /* NULL: the place is enough */
};
#define CHECK_CAUSES_MAX 16

int check_causes_parse(const char *, struct check *, struct err *) _must_check_;
void check_causes_free(struct check *);
/* "lock-blocked by key", owned. */
char *check_cause_text(const struct check_cause *) _must_check_;
