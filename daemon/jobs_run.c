/*
 * One run of a job: what its worker is told, and what is made of the answer.
 */
#include "base/text.h"
#include "daemon/jobs_private.h"
#include "daemon/store_wire.h"
#include <signal.h>
#include <stdio.h>

/* What the worker needs beyond the limit: to end it, to clear up behind it, and to answer. */
#define GRACE_US    (30 * USEC_PER_SEC)
#define MESSAGE_MAX ((size_t)400)
#define ANSWER_MAX  ((size_t)16 << 10) /* of what is kept */
#define EXIT_BUSY   75                 /* EX_TEMPFAIL */

/* ---- room ---- */

static const char *
lane_of(const struct job *j)
{
	const char *server = NULL;

	if (!*j->database)
		return NULL;
	if (j->all->on.server_of)
		server = j->all->on.server_of(j->database, j->all->arg);
	return server ? server : j->database;
}

bool
job_has_room(const struct job *j)
{
	const char *lane = lane_of(j);
	const struct job *k;

	if (j->all->running >= JOBS_AT_ONCE)
		return false;
	TAILQ_FOREACH (k, &j->all->list, link)
		if (k->state == JOB_RUNNING && lane && k->lane && streq(k->lane, lane))
			return false;
	return true;
}

/* ---- the end ---- */

static char *
last_line(const char *text)
{
	size_t len = strlen(text), from;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	for (from = len; from > 0 && text[from - 1] != '\n'; from--)
		;
	return xstrndup(text + from, len - from);
}

/* One line: the command's own words, else the last it complained of. */
static char *
message_of(const json_t *answer, const char *complaint)
{
	const char *said = json_string_value(json_object_get(answer, "message"));
	_cleanup_free_ char *line = NULL, *clean = NULL;

	if (said && *said) {
		line = xstrndup(said, strcspn(said, "\n"));
	} else {
		clean = text_from_peer(complaint, strlen(complaint), TEXT_MAX_BYTES);
		line = last_line(clean);
	}
	said = str_starts(line, "dbhealth: ") ? line + strlen("dbhealth: ") : line;
	return text_ellipsis(said, MESSAGE_MAX);
}

static json_t *
parse(const char *out)
{
	json_error_t where;
	json_t *o = json_loads(out, JSON_REJECT_DUPLICATES, &where);

	if (o && !json_is_object(o)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

static bool
is_small(const json_t *answer)
{
	return json_dumpb(answer, NULL, 0, JSON_COMPACT) <= ANSWER_MAX;
}

/* answer: NULL: it printed no object. */
static enum job_result
result_of(int64_t code, const json_t *answer)
{
	const json_t *ok = json_object_get(answer, "ok");

	if (code == EXIT_BUSY)
		return JOB_BUSY;
	return code == 0 && !json_is_false(ok) ? JOB_OK : JOB_FAILED;
}

static char *
limit_text(const struct job *j)
{
	return xasprintf("no end within %lld s", (long long)(j->limit_us / USEC_PER_SEC));
}

/* The frame of the worker. */
struct ended {
	char *why, *out, *errors;
	int64_t timeout, code, signal, cut;
};

static void
ended_done(struct ended *e)
{
	free(e->why);
	free(e->out);
	free(e->errors);
}

static int
take_frame(const struct job *j, struct ended *ret)
{
	struct wire w = { j->said.s, j->said.len };

	ret->why = wire_take(&w);
	if (!ret->why || wire_take_int(&w, &ret->timeout) < 0 ||
	    wire_take_int(&w, &ret->code) < 0 || wire_take_int(&w, &ret->signal) < 0 ||
	    wire_take_int(&w, &ret->cut) < 0)
		return -EPROTO;
	ret->out = wire_take(&w);
	ret->errors = wire_take(&w);
	return ret->out && ret->errors ? 0 : -EPROTO;
}

/* What became of it, beyond what it said itself; "": its own words tell. */
static char *
judge(const struct job *j, const struct ended *e, const json_t *answer, const char *message,
    enum job_result *ret)
{
	*ret = JOB_FAILED;
	if (*e->why)
		return xstrdup(e->why);
	if (j->all->stopping || j->gone) {
		*ret = JOB_INTERRUPTED;
		return xstrdup("the daemon was stopped while it ran");
	}
	if (e->timeout) {
		*ret = JOB_TIMEOUT;
		return limit_text(j);
	}
	if (e->signal)
		return xasprintf(
		    "ended by signal %d%s%s", (int)e->signal, *message ? ": " : "", message);
	*ret = result_of(e->code, answer);
	return e->code != 0 && !*message ? xasprintf("exit %d", (int)e->code) : xstrdup(message);
}

/* -EPROTO: the worker said nothing whole. */
static int
take_ended(struct job *j)
{
	_cleanup_(ended_done) struct ended e = { 0 };
	_cleanup_free_ char *message = NULL, *text = NULL;
	enum job_result result;
	json_t *answer;

	if (take_frame(j, &e) < 0)
		return -EPROTO;
	answer = e.cut ? NULL : parse(e.out);
	message = message_of(answer, e.errors);
	text = judge(j, &e, answer, message, &result);
	if (answer && !is_small(answer)) {
		json_decref(answer);
		answer = NULL;
	}
	job_set_last(j, result, e.signal ? -1 : (int)e.code, text, answer);
	return 0;
}

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct job *j = arg;
	struct wire w = { payload, len };
	int64_t pid;

	if (type == JOB_STARTED && wire_take_int(&w, &pid) == 0 && pid > 1) {
		j->program = (pid_t)pid;
		/* asked to stop before it was there */
		if (j->all->stopping || j->gone)
			job_ask_to_end(j, SIGTERM);
	} else if (type == JOB_ENDED) {
		str_reset(&j->said);
		str_addn(&j->said, payload, len);
		j->program = 0;
	}
}

static void
run_over(struct job *j)
{
	j->all->running--;
	j->job = NULL;
	j->program = 0;
	j->lane = NULL;
	j->began = false;
	str_done(&j->said);
	jobs_on_run_ended(j);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct job *j = arg;

	/* The daemon ends and its state says that this one was on its way. */
	if (end == WORKER_CANCELLED)
		return;
	if (end == WORKER_TIMEOUT) {
		_cleanup_free_ char *limit = limit_text(j);

		job_set_last(j, JOB_TIMEOUT, -1, limit, NULL);
	} else if (end != WORKER_DONE || take_ended(j) < 0) {
		job_set_last(j, JOB_FAILED, -1, err ? err->msg : "no answer of its worker", NULL);
	}
	run_over(j);
}

void
job_ask_to_end(const struct job *j, int sig)
{
	if (j->program > 1)
		kill(-j->program, sig);
}

/* ---- the beginning ---- */

static bool
is_ours_alone(const char *variable)
{
	return str_starts(variable, "NOTIFY_SOCKET=") || str_starts(variable, "WATCHDOG_") ||
	       str_starts(variable, "LISTEN_");
}

/* All that the configuration may speak of (${NAME}, DB_*, @{NAME}) is the command's too. */
static void
add_environment(struct str *s)
{
	int64_t n = 0;

	for (char **v = environ; v && *v; v++)
		n += !is_ours_alone(*v);
	wire_add_int(s, n);
	for (char **v = environ; v && *v; v++)
		if (!is_ours_alone(*v))
			wire_add(s, *v);
}

static void
add_words(struct str *s, const struct job *j)
{
	size_t n = strv_len(j->argv);

	wire_add_int(s, (int64_t)n + (j->all->config ? 4 : 2));
	for (size_t i = 0; i < n; i++)
		wire_add(s, j->argv[i]);
	if (j->all->config) {
		wire_add(s, "-c");
		wire_add(s, j->all->config);
	}
	wire_add(s, "-o");
	wire_add(s, "json");
}

static int
submit(struct job *j, struct err *e)
{
	static const struct worker_limits limits = { .processes = JOBS_AT_ONCE,
		.queue = JOBS_AT_ONCE };
	struct jobs *all = j->all;
	_cleanup_str_ struct str payload = { 0 };
	int r;

	if (!all->pool) {
		r = worker_pool_new(all->base, job_role.name, &limits, &all->pool, e);
		if (r < 0)
			return r;
	}
	wire_add_int(&payload, j->limit_us);
	add_words(&payload, j);
	add_environment(&payload);
	r = worker_submit(all->pool, JOB_RUN, payload.s, payload.len, j->limit_us + GRACE_US, 0,
	    on_answer, on_end, j, &j->job);
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

void
job_begin(struct job *j)
{
	struct jobs *all = j->all;
	struct err e = { 0 };

	free(j->lane_name);
	j->lane_name = xstrdup(lane_of(j));
	j->lane = j->lane_name;
	j->state = JOB_RUNNING;
	j->base_us = j->begun_us = clock_wall_us();
	j->began = true;
	all->running++;
	job_keep(j);
	if (submit(j, &e) < 0) {
		job_set_last(j, JOB_FAILED, -1, e.msg, NULL);
		run_over(j);
	}
}
