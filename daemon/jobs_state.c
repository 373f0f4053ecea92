/*
 * What is kept of jobs over restarts, and what is shown of them.
 */
#include "base/text.h"
#include "daemon/jobs_private.h"
#include "report/metrics.h"
#include "report/report.h"

const char *const job_result_names[JOB_RESULT_N] = { "never", "ok", "failed", "timeout",
	"interrupted", "busy" };

bool
job_result_is_bad(enum job_result r)
{
	switch (r) {
	case JOB_FAILED:
	case JOB_TIMEOUT:
	case JOB_INTERRUPTED:
		return true;
	case JOB_NEVER:
	case JOB_OK:
	case JOB_BUSY:
	case JOB_RESULT_N:
		break;
	}
	return false;
}

void
job_set_last(
    struct job *j, enum job_result result, int code, const char *message, json_t *take_answer)
{
	char *text = xstrdup(message ? message : "");

	json_decref(j->answer);
	free(j->message);
	j->answer = take_answer;
	j->message = text;
	j->last.result = result;
	j->last.started_us = j->begun_us;
	j->last.ended_us = clock_wall_us();
	j->last.exit_code = code;
	j->last.message = j->message;
	j->last.answer = j->answer;
	j->interrupted = result == JOB_INTERRUPTED ? j->interrupted + 1 : 0;
	if (result == JOB_OK) {
		j->last.ok_us = j->last.ended_us;
		j->last.failures = 0;
	} else if (job_result_is_bad(result)) {
		j->last.failures++;
	}
}

/* ---- kept ---- */

void
job_keep(const struct job *j)
{
	struct jobs *all = j->all;
	json_t *o = json_pack("{s:s*, s:s*, s:I, s:I, s:b, s:i, s:s, s:I, s:I, s:I, s:i, s:i}",
	    "schedule", j->schedule, "after", j->after, "every", (json_int_t)j->every_us, "base",
	    (json_int_t)j->base_us, "began", j->began, "interrupted", (int)j->interrupted, "result",
	    job_result_names[j->last.result], "started",
	    (json_int_t)(j->began ? j->begun_us : j->last.started_us), "ended",
	    (json_int_t)j->last.ended_us, "ok", (json_int_t)j->last.ok_us, "failures",
	    (int)j->last.failures, "code", j->last.exit_code);
	_cleanup_free_ char *text = NULL;

	json_object_set_new(o, "message", report_string(j->last.message));
	if (j->answer)
		json_object_set(o, "answer", j->answer);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	all->on.on_state(j->name, text, all->arg);
}

static enum job_result
result_by_name(const char *name)
{
	for (enum job_result r = JOB_NEVER; name && r < JOB_RESULT_N; r++)
		if (streq(name, job_result_names[r]))
			return r;
	return JOB_NEVER;
}

static int64_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool
same_times(const struct job *j, const json_t *o)
{
	const char *schedule = json_string_value(json_object_get(o, "schedule"));
	const char *after = json_string_value(json_object_get(o, "after"));

	return streq(schedule ? schedule : "", j->schedule ? j->schedule : "") &&
	       streq(after ? after : "", j->after ? j->after : "") &&
	       number(o, "every") == j->every_us;
}

void
job_restore(struct job *j, const char *json)
{
	json_error_t where;
	json_t *o = json_loads(json, 0, &where);
	const char *message = json_string_value(json_object_get(o, "message"));
	const json_t *answer = json_object_get(o, "answer");

	if (!o)
		return;
	free(j->message);
	j->message = xstrdup(message ? message : "");
	j->answer = json_is_object(answer) ? json_deep_copy(answer) : NULL;
	j->interrupted = (unsigned)number(o, "interrupted");
	j->last = (struct job_last){ .result = result_by_name(
		                         json_string_value(json_object_get(o, "result"))),
		.started_us = number(o, "started"),
		.ended_us = number(o, "ended"),
		.ok_us = number(o, "ok"),
		.failures = (unsigned)number(o, "failures"),
		.exit_code = (int)number(o, "code"),
		.message = j->message,
		.answer = j->answer };
	/* Other times that were configured while nobody looked: what they had before now is not missed. */
	if (same_times(j, o))
		j->base_us = MIN(number(o, "base"), clock_wall_us());
	if (json_is_true(json_object_get(o, "began"))) {
		j->begun_us = j->last.started_us;
		job_set_last(j, JOB_INTERRUPTED, -1, "the daemon ended while it ran", NULL);
		job_keep(j);
	}
	json_decref(o);
}

/* ---- shown ---- */

bool
jobs_last(const struct jobs *all, const char *name, struct job_last *ret)
{
	const struct job *j = jobs_find(all, name);

	if (j)
		*ret = j->last;
	return j != NULL;
}

int64_t
jobs_next_us(const struct jobs *all, const char *name)
{
	const struct job *j = jobs_find(all, name);

	return j && j->state == JOB_IDLE ? j->next_us : 0;
}

static json_t *
time_json(int64_t wall_us)
{
	char text[CLOCK_RFC3339_SIZE];

	if (wall_us <= 0)
		return json_null();
	clock_rfc3339(wall_us, text);
	return json_string(text);
}

static json_t *
text_json(const char *text)
{
	return text && *text ? report_string(text) : json_null();
}

static json_t *
last_json(const struct job *j)
{
	const struct job_last *l = &j->last;
	json_t *o;

	if (l->result == JOB_NEVER)
		return json_null();
	o = json_pack("{s:s, s:o, s:o, s:f, s:o}", "result", job_result_names[l->result],
	    "started_at", time_json(l->started_us), "ended_at", time_json(l->ended_us),
	    "duration_seconds", (double)(l->ended_us - l->started_us) / USEC_PER_SEC, "exit_code",
	    l->exit_code >= 0 ? json_integer(l->exit_code) : json_null());
	json_object_set_new(o, "message", report_string(l->message));
	json_object_set_new(o, "answer", l->answer ? json_deep_copy(l->answer) : json_null());
	return o;
}

static json_t *
words_json(const struct job *j)
{
	json_t *list = json_array();

	for (char *const *w = j->argv; w && *w; w++)
		json_array_append_new(list, report_string(*w));
	return list;
}

static json_t *
job_json(const struct job *j)
{
	static const char *const states[] = { "idle", "waiting", "running" };
	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:f}", "name",
	    report_string(j->name), "title", report_string(j->title), "command", words_json(j),
	    "database", text_json(j->database), "schedule", text_json(j->schedule), "every_seconds",
	    j->every_us > 0 ? json_real((double)j->every_us / USEC_PER_SEC) : json_null(), "after",
	    text_json(j->after), "at_start", j->at_start, "limit_seconds",
	    (double)j->limit_us / USEC_PER_SEC);

	json_object_set_new(o, "state", json_string(states[j->state]));
	json_object_set_new(
	    o, "running_since", time_json(j->state == JOB_RUNNING ? j->begun_us : 0));
	json_object_set_new(o, "next", time_json(j->state == JOB_IDLE ? j->next_us : 0));
	json_object_set_new(o, "last", last_json(j));
	json_object_set_new(o, "last_success", time_json(j->last.ok_us));
	json_object_set_new(o, "failures", json_integer((json_int_t)j->last.failures));
	return o;
}

json_t *
jobs_json(const struct jobs *all, const char *name)
{
	const struct job *one = name ? jobs_find(all, name) : NULL, *j;
	json_t *list;

	if (name && !one)
		return NULL;
	list = json_array();
	TAILQ_FOREACH (j, &all->list, link)
		if (!j->gone && (!name || j == one))
			json_array_append_new(list, job_json(j));
	return json_pack("{s:o}", "jobs", list);
}

void
jobs_add_metrics(const struct jobs *all, struct exposition *e)
{
	struct family *ok, *took, *failed, *running;
	const struct job *j;

	if (TAILQ_EMPTY(&all->list))
		return;
	ok = exposition_family(e, FAMILY_GAUGE, "dbhealth_job_last_success_timestamp_seconds",
	    "When the job last ended well.");
	took = exposition_family(
	    e, FAMILY_GAUGE, "dbhealth_job_last_duration_seconds", "How long its last run took.");
	failed = exposition_family(e, FAMILY_GAUGE, "dbhealth_job_failed",
	    "1 when its last run did not end well, else 0.");
	running =
	    exposition_family(e, FAMILY_GAUGE, "dbhealth_job_running", "1 while it runs, else 0.");
	TAILQ_FOREACH (j, &all->list, link) {
		_cleanup_str_ struct str labels = { 0 };

		if (j->gone)
			continue;
		label_add(&labels, "job", j->name);
		if (j->last.ok_us > 0)
			family_add(ok, labels.s, (double)j->last.ok_us / USEC_PER_SEC);
		if (j->last.result != JOB_NEVER)
			family_add(took, labels.s,
			    (double)(j->last.ended_us - j->last.started_us) / USEC_PER_SEC);
		family_add(failed, labels.s, job_result_is_bad(j->last.result));
		family_add(running, labels.s, j->state == JOB_RUNNING);
	}
}
