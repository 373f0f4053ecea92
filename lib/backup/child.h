#pragma once
#include "base/err.h"
/*
 * Programs that do the work (pg_dump, pg_restore, age ...): asked to end when we
 * die, their last words kept for the reason.  Secrets go by environment, never by arguments.
 */
struct child_spec {
	const char *const *argv; /* argv[0] is looked up in PATH unless it is a path */
	const char *const *env;  /* NAME=VALUE, added; NULL: none */
	int in_fd, out_fd;       /* -1: /dev/null */
	/* NULL, or a second program that reads what the first one writes; out_fd is then its. */
	const char *const *then;
	/* About five times a second; a negative errno ends the child and is returned. */
	int (*on_tick)(void *arg, struct err *);
	void *arg;
};
struct child;
int child_start(const struct child_spec *, struct child **ret, struct err *) _must_check_;
/* 0: still running, 1: it has ended.  Waits up to wait_us.  Reads what it says. */
int child_poll(struct child *, int64_t wait_us);
/* Until it has ended: 0, or a negative errno with its last words. */
int child_wait(struct child *, struct err *) _must_check_;
/* What it said on stderr, the last part of it; borrowed. */
const char *child_said(const struct child *);
/* Ended, if it is still there. */
struct child *child_free(struct child *); /* NULL */
DEFINE_CLEANUP(struct child *, child_free)
/* Start and wait. */
int child_run(const struct child_spec *, struct err *) _must_check_;
