#pragma once
#include "base/words.h"
#include "cli/cli.h"
#include "cli/diff.h"
/*
 * One database as it is at a moment: its shape, as schema-drift sees it, and the texts that the server
 * gives.  0, or an exit code after having said why.
 */
struct event_base;
struct monitor;
struct diff_look {
	struct event_base *base;
	struct monitor *seen, *asked; /* of what is there; of its texts */
	const char *arg;              /* a configured name or a DSN; borrowed */
	char *name;
	enum engine engine;
	struct diff_side diff;
};
int diff_look(const struct cli *, const char *arg, struct diff_look *ret);
/* The texts of all objects, to be compared with another moment. */
int diff_look_texts(const struct cli *, struct diff_look *);
/* Both, and the texts of what differs; diff_make is left to the caller. */
int diff_look_at_both(
    const struct cli *, const char *const args[2], struct diff_look looks[2], struct diff *ret);
/* What both are called: A and B where they have one name. */
void diff_look_names(const struct diff_look looks[2], struct diff *);
void diff_look_done(struct diff_look *);
