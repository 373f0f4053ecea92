/* What was lost, for the status. */
#include "daemon/losses.h"
#include "base/clock.h"
#include "base/str.h"

void
losses_add(struct losses *l, int64_t wall_us, char *take_text)
{
	if (l->n == LOSSES_MAX) {
		free(l->v[0].text);
		memmove(l->v, l->v + 1, (LOSSES_MAX - 1) * sizeof(l->v[0]));
		l->n--;
	}
	l->v[l->n++] = (struct loss){ wall_us, take_text };
}

json_t *
losses_json(const struct losses *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++) {
		char at[CLOCK_RFC3339_SIZE];

		clock_rfc3339(l->v[i].wall_us, at);
		json_array_append_new(
		    list, json_pack("{s:s, s:s}", "at", at, "text", l->v[i].text));
	}
	return list;
}

void
losses_done(struct losses *l)
{
	while (l->n > 0)
		free(l->v[--l->n].text);
}
