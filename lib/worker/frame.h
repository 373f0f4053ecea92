#pragma once
#include "base/base.h"
/* What both ends of a worker's socket agree on.  Private to lib/worker. */
#define WORKER_FD       3
#define WORKER_TYPE_END 0u /* from the worker: the job is served; no payload */

struct worker_frame {
	uint32_t len, type;
};

struct worker_role;
const struct worker_role *worker_role_find(const char *name); /* NULL: none */
/* Starts a worker; both descriptors are close-on-exec, the socket does not block. */
struct err;
int worker_spawn(const struct worker_role *, pid_t *ret_pid, int *ret_pidfd, int *ret_fd,
    struct err *) _must_check_;
