#pragma once
#include "base/err.h"
/* The listening socket that systemd made for us: it is used as it is, and stays when we end. */
struct passed {
	int fd;     /* -1: none was passed */
	char *path; /* where clients find it; "@name": abstract */
};
/*
 * Takes what was passed, and forgets LISTEN_* from the environment.  What cannot serve the API is
 * an error that says what the socket unit needs.  configured: `socket` of [daemon]; that another
 * path was passed is said.
 */
int passed_take(const char *configured, struct passed *ret, struct err *) _must_check_;
void passed_done(struct passed *);
