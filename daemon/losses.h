#pragma once
#include <jansson.h>
#include <stdint.h>
/* What the daemon could not keep, the last few with their time: shown with the status. */
#define LOSSES_MAX 8
struct losses {
	struct loss {
		int64_t wall_us;
		char *text;
	} v[LOSSES_MAX];
	size_t n;
};
/* text is taken; with eight the oldest goes. */
void losses_add(struct losses *, int64_t wall_us, char *take_text);
json_t *losses_json(const struct losses *); /* oldest first */
void losses_done(struct losses *);
