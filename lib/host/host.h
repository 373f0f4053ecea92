#pragma once
#include "worker/worker.h"
/*
 * Role "host": what a PostgreSQL server on this host stands on, seen from outside it.  Frames are
 * JSON.
 *
 * The job: {"data_directory": path, "uid": owner of the server's process, "start": Unix seconds of
 * the server's start}.
 * The answer: {"data": DISK, "wal": DISK or null, "wal_assumed": bool, "mode": text} with
 * DISK = {"mount", "type", "network", "readonly", "total", "free" (bytes), "total_inodes",
 * "free_inodes"}, or {"reason": text} when this host's folder is not (or cannot be shown to be) the
 * server's.  wal is null when it lies elsewhere and cannot be seen; wal_assumed: the data directory
 * is closed to us, so a symbolic link in it would not be noticed; mode: the data directory's
 * permission bits, octal.
 */
extern const struct worker_role host_role;
enum { HOST_JOB = 1, HOST_ANSWER = 2 };
/* NUL-terminated, owned by the caller. */
char *host_job(const char *data_directory, unsigned uid, double start) _must_check_;
