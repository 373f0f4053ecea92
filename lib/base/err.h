#pragma once
#include "base/base.h"
/* Why something failed, for a person.  Lives on the caller's stack; owns nothing. */
struct err {
	int code;         /* negative errno, never 0 once set */
	char sqlstate[6]; /* "" when no SQL server said no */
	char msg[512];
};
/* Returns code, so a failing function can end in return err_set(...).  e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);
/* Puts context in front of the message: "context: message".  Returns e's code. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);
