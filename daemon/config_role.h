#pragma once
#include "base/snapshot.h"
#include "worker/worker.h"
/*
 * `--worker config`: reads every file of the configuration, with the folder of checks, credentials
 * and groups that it names, for these may block.  The loop makes the configuration of what came.
 */
extern const struct worker_role config_role;
/* Payload: path of the main file, or nothing for the default one.  Answers: an item, then the rest of its bytes. */
enum { CONFIG_READ = 1, CONFIG_ITEM, CONFIG_BYTES };
/* One answer into the snapshot; false: it is none, or all of it is too large. */
struct config_answer {
	struct snapshot *snapshot; /* owned */
	char *key;                 /* of the last item; owned */
	size_t bytes;
};
bool config_take(struct config_answer *, uint32_t type, const char *payload, size_t len);
void config_answer_done(struct config_answer *);
