#pragma once
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>
/*
 * A worker runs one program and waits for it.  The program leads a process group; it and all it
 * started, whatever group that is in, are gone when program_run returns, and when the worker or the
 * daemon behind it dies.
 */
struct program {
	char *const *argv, *const *env;
	int in;             /* its standard input; -1: nothing */
	const char *folder; /* where it begins; NULL: where we are */
	bool humble;        /* nice, idle I/O, and the first to go when memory does */
	int64_t limit_us;   /* then SIGTERM, and after term_us SIGKILL */
	int64_t term_us;
	size_t out_max,
	    err_max; /* of what it says there the first, here the last so much is kept; err_max 0: all goes to out */
	void (*on_started)(pid_t); /* or NULL */
};
struct program_end {
	bool timeout;
	bool cut;   /* more was said on standard output than was kept */
	int code;   /* -1: it was ended by a signal */
	int signal; /* 0: none */
	struct str out, err;
};
void program_end_done(struct program_end *);
#define _cleanup_program_end_ _cleanup_(program_end_done)

/* Once, when the worker begins: whoever is orphaned becomes its child, the daemon's death its own. */
int program_begin(void);
int program_run(const struct program *, struct program_end *ret, struct err *) _must_check_;
