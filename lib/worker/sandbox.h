#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <sys/types.h>
/*
 * What a worker that reads somebody's files can still ask of the kernel: to read files, to wait, to
 * answer.  Programs, other processes and the kernel's inside are no mistake of ours: the process ends
 * by SIGSYS.  All else that is not needed, sockets among it, is refused with EPERM, so that a library
 * that tries can say so or do without; what kernels learned lately, with ENOSYS, so that it does as before.
 */

/* They reserve terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORKER_SANITIZED 1
#endif
#endif
#ifndef WORKER_SANITIZED
#define WORKER_SANITIZED 0
#endif
/* They and counters of coverage write reports and trace their own process: most stays open to them. */
#if WORKER_SANITIZED || defined(WORKER_COVERAGE)
#define WORKER_INSTRUMENTED 1
#else
#define WORKER_INSTRUMENTED 0
#endif

/* What may be done to files; each may do what the one before it may. */
enum sandbox {
	SANDBOX_NONE,    /* the process is not confined */
	SANDBOX_READS,   /* read them */
	SANDBOX_COPIES,  /* make, write and remove: private copies */
	SANDBOX_CHANGES, /* give them away and another name: backups */
};

/* False: this kernel was built without system call filters. */
bool sandbox_available(void);
/* For good, of this process and its threads to come.  Called while there is one thread. */
int sandbox_enter(enum sandbox, struct err *) _must_check_;
/*
 * The call that ended a child, which left it in its name before it died; asked before the child is
 * reaped.  NULL: it does not say.
 */
char *sandbox_fatal_call(pid_t);
