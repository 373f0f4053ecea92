/*
 * What every session has set, how it is set (start-up options, set_config, or locally in each
 * group), and the proof: all is read back.  Tells a pooler from a server by the backend's pid.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/flavour.h"
#include "pg/session_impl.h"
#include <stdio.h>

enum when {
	AT_START, /* in start-up options: every server since 13 knows it */
	NEWER,    /* by set_config on a direct session since that version */
};

/* Values are as current_setting shows them; NULL is a time of the session. */
static const struct {
	const char *name, *value;
	size_t time_at;
	enum when when;
	int since;
} settings[] = {
	{ .name = "search_path", .value = "pg_catalog" },
	{ .name = "default_transaction_read_only", .value = "on" },
	{ .name = "statement_timeout",
	    .time_at = offsetof(struct pg_session, statement_timeout_us) },
	{ .name = "lock_timeout", .time_at = offsetof(struct pg_session, lock_timeout_us) },
	{ .name = "idle_in_transaction_session_timeout", .value = "10s" },
	{ .name = "jit", .value = "off" },
	{ .name = "max_parallel_workers_per_gather", .value = "0" },
	{ .name = "row_security", .value = "off" },
	{ .name = "DateStyle", .value = "ISO, MDY" },
	/* Ends a query whose client is gone; closing the socket does not. */
	{ .name = "client_connection_check_interval",
	    .value = "2s",
	    .when = NEWER,
	    .since = 140000 },
};

enum { SETUP_PID = 0, SETUP_SETTINGS, SETUP_DONE };

static void on_pid_done(const struct pg_failure *, int64_t, void *);
static bool on_pid(const char *const *, const size_t *, void *);
static void on_settings_done(const struct pg_failure *, int64_t, void *);
static bool on_settings(const char *const *, const size_t *, void *);

void
setup_time_text(int64_t us, char buf[static GUC_TIME_SIZE])
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" },
		{ 1, "ms" } };
	int64_t ms = MAX(us / USEC_PER_MSEC, 1);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (ms % units[i].ms == 0) {
			snprintf(buf, GUC_TIME_SIZE, "%lld%s", (long long)(ms / units[i].ms),
			    units[i].unit);
			return;
		}
}

static const char *
value_of(const struct pg_session *s, size_t i, char buf[static GUC_TIME_SIZE])
{
	if (settings[i].value)
		return settings[i].value;
	setup_time_text(*(const int64_t *)((const char *)s + settings[i].time_at), buf);
	return buf;
}

/* After the user's own options, so that ours win. */
char *
setup_options(const struct pg_session *s)
{
	struct str out = { 0 };
	const char *own = pg_plan_options(s->plan);
	char buf[GUC_TIME_SIZE];

	if (own)
		str_addf(&out, "%s ", own);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].when != AT_START)
			continue;
		str_addf(&out, "%s-c %s=", i > 0 ? " " : "", settings[i].name);
		for (const char *p = value_of(s, i, buf); *p; p++) {
			if (*p == ' ')
				str_addc(&out, '\\');
			str_addc(&out, *p);
		}
	}
	return str_take(&out);
}

/*
 * A database of SQL_ASCII holds whatever bytes came.  Asked for UTF-8 the server refuses a whole
 * answer for one name that is none; asked for its bytes it gives them, and they are made text here.
 */
static bool
is_unchecked(const struct pg_session *s)
{
	const char *encoding = PQparameterStatus(s->pg, "server_encoding");

	return encoding && streq(encoding, "SQL_ASCII");
}

/* The local settings of a group; $1 is its statement_timeout. */
static char *
local_settings(const struct pg_session *s)
{
	struct str out = { 0 };
	char buf[GUC_TIME_SIZE];

	str_add(&out, "SELECT pg_catalog.set_config('statement_timeout', $1, true)");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (settings[i].when == AT_START && !streq(settings[i].name, "statement_timeout"))
			str_addf(&out, ", pg_catalog.set_config('%s', '%s', true)",
			    settings[i].name, value_of(s, i, buf));
	if (is_unchecked(s))
		str_add(&out, ", pg_catalog.set_config('client_encoding', 'SQL_ASCII', true)");
	return str_take(&out);
}

static bool
is_newer_set(const struct pg_session *s, size_t i)
{
	return settings[i].when == NEWER && !s->is_pooled && !s->lacks_newer &&
	       PQserverVersion(s->pg) >= settings[i].since;
}

static const char *
reported(const char *name, void *arg)
{
	return PQparameterStatus(arg, name);
}

int
setup_refuse_stranger(struct pg_session *s, const char *version_text)
{
	_cleanup_free_ char *who =
	    pg_stranger(PQparameterStatus(s->pg, "server_version"), version_text, reported, s->pg);
	_cleanup_free_ char *shown = who ? text_from_peer(who, strlen(who), 60) : NULL;

	if (!who)
		return 0;
	return session_fail(s, PG_CAUSE_STRANGER,
	    "this is %s: it speaks the protocol of PostgreSQL, but only PostgreSQL 13 and later "
	    "is watched",
	    shown);
}

static int
ask_settings(struct pg_session *s)
{
	static const struct pg_request_callbacks cb = { NULL, on_settings, on_settings_done };
	_cleanup_(str_done) struct str sql = { 0 };

	str_add(&sql, "SELECT pg_catalog.current_setting('server_version_num'),"
	              " pg_catalog.version()");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (is_newer_set(s, i))
			str_addf(&sql, ", pg_catalog.set_config('%s', '%s', false)",
			    settings[i].name, settings[i].value);
		else if (settings[i].when == AT_START)
			str_addf(&sql, ", pg_catalog.current_setting('%s')", settings[i].name);
	}
	if (is_unchecked(s) && !s->is_pooled)
		str_add(&sql, ", pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)");
	return request_send(
	    s, &(struct pg_statement){ .sql = str_text(&sql) }, s->timeout_us, &cb, s, true);
}

static int
ask_pid(struct pg_session *s)
{
	static const struct pg_request_callbacks cb = { NULL, on_pid, on_pid_done };

	return request_send(s,
	    &(struct pg_statement){ .sql = "SELECT pg_catalog.pg_backend_pid()" }, s->timeout_us,
	    &cb, s, true);
}

static bool
on_pid(const char *const *cells, const size_t *lengths, void *arg)
{
	struct pg_session *s = arg;

	(void)lengths;
	s->backend_pid = cells[0] ? (int)strtol(cells[0], NULL, 10) : 0;
	return true;
}

static void
on_pid_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct pg_session *s = arg;

	s->timing.query_us = duration_us;
	if (f)
		s->setup_failure = *f;
	s->setup_at = SETUP_SETTINGS;
}

static bool
on_settings(const char *const *cells, const size_t *lengths, void *arg)
{
	struct pg_session *s = arg;
	size_t col = 2;
	char buf[GUC_TIME_SIZE];

	(void)lengths;
	s->server_version = cells[0] ? (int)strtol(cells[0], NULL, 10) : 0;
	if (setup_refuse_stranger(s, cells[1]) < 0) {
		s->setup_failure = s->failure;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const char *want = value_of(s, i, buf), *got;

		if (settings[i].when == NEWER && !is_newer_set(s, i))
			continue;
		got = cells[col++];
		if (got && streq(got, want))
			continue;
		s->setup_failure.cause = PG_CAUSE_SETTINGS;
		err_set(&s->setup_failure.err, cause_errno(PG_CAUSE_SETTINGS),
		    "%s is %.60s, not %s as we set it", settings[i].name, got ? got : "not known",
		    want);
	}
	return true;
}

static void
on_settings_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct pg_session *s = arg;

	(void)duration_us;
	/* 22023: client_connection_check_interval on a platform without it */
	if (f && streq(f->err.sqlstate, "22023") && !s->is_pooled && !s->lacks_newer) {
		s->lacks_newer = true;
		s->setup_at = SETUP_SETTINGS;
		return;
	}
	if (f)
		s->setup_failure = *f;
	s->setup_at = SETUP_DONE;
}

void
setup_begin(struct pg_session *s)
{
	s->setup_at = SETUP_PID;
	s->setup_failure = (struct pg_failure){ 0 };
	free(s->settings_sql);
	s->settings_sql = local_settings(s);
}

int
setup_step(struct pg_session *s)
{
	int r = 0;

	if (s->setup_failure.cause != PG_CAUSE_NONE) {
		s->failure = s->setup_failure;
		return s->failure.err.code;
	}
	if (s->nrequests > 0)
		return 0;
	switch (s->setup_at) {
	case SETUP_PID:
		r = ask_pid(s);
		break;
	case SETUP_SETTINGS:
		/* A pooler answers with a key of its own, and lends another backend each time. */
		s->is_pooled = s->is_plain || s->backend_pid != PQbackendPID(s->pg);
		r = ask_settings(s);
		break;
	case SETUP_DONE:
		return 1;
	}
	return r < 0 ? session_fail(s, PG_CAUSE_LOST, "cannot send: %s", strerror(-r)) : 0;
}
