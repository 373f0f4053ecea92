/*
 * The rows of worker-crashed, which no SQL gives: they say what became of the processes that read the
 * file.
 */
#include "monitor/sqlite_crash.h"
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"
#include <math.h>
#include <stdio.h>

void
sqlite_crashes_done(struct sqlite_crashes *x)
{
	for (size_t i = 0; i < PROBE_N; i++)
		for (size_t k = 0; k < 2; k++)
			free(TAKE_PTR(x->text[i][k]));
}

void
sqlite_crash_judge(struct checkup *c, const struct sqlite_crashes *x)
{
	static const char *const names[] = { "object", "value", "detail" };
	int64_t now = clock_now_us(), wall = clock_wall_us();
	struct eval *ev = checkup_eval(c, NULL, NAN, now, wall);
	struct str detail = { 0 };
	struct result res = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = now,
		.started_wall_us = wall,
		.decides = true };
	char value[16];
	int n = 0;

	for (size_t i = 0; i < PROBE_N; i++)
		for (size_t k = 0; k < 2; k++)
			if (x->text[i][k])
				str_addf(&detail, "%s%s", n++ > 0 ? "; " : "", x->text[i][k]);
	eval_columns(ev, ARRAY_SIZE(names), names);
	snprintf(value, sizeof(value), "%d", n);
	if (n > 0)
		eval_row(ev, (const char *[]){ "", value, str_text(&detail) },
		    (const size_t[]){ 0, strlen(value), detail.len });
	eval_finish(ev, NULL, &res);
	scope_record(c->scope, &o);
	result_done(&res);
	str_done(&detail);
	eval_free(ev);
}

void
sqlite_crash_tell(struct scope *s, struct sqlite_crashes *x, enum probe probe, bool is_long,
    const char *how, const char *id)
{
	char **text = &x->text[probe][is_long];

	free(*text);
	*text = id ? xasprintf("%s while it was at %s", how, id)
	           : xasprintf("%s while it opened the file", how);
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];
		bool running = c->running;

		if (!streq(c->check->id, "worker-crashed") || !c->settings->enabled)
			continue;
		sqlite_crash_judge(c, x);
		c->running = running;
	}
}

void
sqlite_crash_over(struct sqlite_crashes *x, enum probe probe, bool is_long)
{
	free(TAKE_PTR(x->text[probe][is_long]));
}
