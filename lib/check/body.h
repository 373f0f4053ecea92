#pragma once
#include "check/check.h"
/*
 * One statement and nothing else, its parameters declared: cut behind it (`;`, blanks, comments).
 * *ret_line is the line within sql that an error is about.
 */
int body_statement(
    const struct check *, const char *sql, char **ret, int *ret_line, struct err *) _must_check_;
