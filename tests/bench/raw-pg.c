/*
 * The floor for PostgreSQL: libpq and libevent with nothing around them.
 *   raw-pg cycle DSN FILE EVERY_MS   runs the statements of FILE each EVERY_MS on one session
 *   raw-pg pulse COUNT DSN...        COUNT sessions over the DSNs, each asks SELECT 1 once a second
 *   raw-pg hold COUNT DSN...         COUNT sessions that do nothing
 * FILE is of strings that end with a zero byte: for each statement its text, the number of its
 * parameters, and each parameter as "=value" or "" for NULL.
 * Says "ready" on standard output once all sessions are up, ends with standard input.
 */
#include "shared.h"
#include <assert.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD      8
#define MAX_PARAMS 64

struct statement {
	char name[16];
	const char *sql;
	int nparams;
	const char *params[MAX_PARAMS];
};
struct session {
	PGconn *pg;
	struct event *io, *timer;
	int64_t due_us;
	size_t sent, answered; /* of this cycle */
};
struct loop {
	struct event_base *base;
	struct statement *statements;
	size_t nstatements;
	int64_t every_us;
	size_t touched; /* bytes of all cells: every value is read */
};
static struct loop loop;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "raw-pg: %s: %s\n", what, why);
	exit(1);
}

static void
pace(struct session *s)
{
	struct timeval tv;
	int64_t wait;

	s->due_us += loop.every_us;
	wait = s->due_us - now_us();
	if (wait < 0)
		wait = 0;
	tv = (struct timeval){ wait / 1000000, wait % 1000000 };
	evtimer_add(s->timer, &tv);
}

static void
send_ahead(struct session *s)
{
	while (s->sent < loop.nstatements && s->sent - s->answered < AHEAD) {
		const struct statement *st = &loop.statements[s->sent++];

		if (!PQsendQueryPrepared(s->pg, st->name, st->nparams, st->params, NULL, NULL, 0) ||
		    !PQpipelineSync(s->pg))
			die("send", PQerrorMessage(s->pg));
	}
	if (PQflush(s->pg) < 0)
		die("flush", PQerrorMessage(s->pg));
}

static void
take(PGresult *res)
{
	int columns = PQnfields(res);

	if (PQresultStatus(res) == PGRES_FATAL_ERROR)
		die("statement", PQresultErrorMessage(res));
	for (int row = 0; row < PQntuples(res); row++)
		for (int i = 0; i < columns; i++)
			if (!PQgetisnull(res, row, i))
				loop.touched += strlen(PQgetvalue(res, row, i));
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	if (!PQconsumeInput(s->pg))
		die("read", PQerrorMessage(s->pg));
	while (s->answered < s->sent && !PQisBusy(s->pg)) {
		PGresult *res = PQgetResult(s->pg);

		if (!res)
			continue;
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
			s->answered++;
		else
			take(res);
		PQclear(res);
	}
	if (s->sent < loop.nstatements)
		send_ahead(s);
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	if (s->answered == s->sent) { /* else the cycle before is still on */
		s->sent = s->answered = 0;
		send_ahead(s);
	}
	pace(s);
}

static void
prepare(struct session *s)
{
	for (size_t i = 0; i < loop.nstatements; i++) {
		const struct statement *st = &loop.statements[i];
		PGresult *res = PQprepare(s->pg, st->name, st->sql, 0, NULL);

		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die(st->sql, PQerrorMessage(s->pg));
		PQclear(res);
	}
	if (PQsetnonblocking(s->pg, 1) < 0 || !PQenterPipelineMode(s->pg))
		die("pipeline", PQerrorMessage(s->pg));
}

static void
session_open(struct session *s, const char *dsn)
{
	s->pg = PQconnectdb(dsn);
	if (PQstatus(s->pg) != CONNECTION_OK)
		die("connect", PQerrorMessage(s->pg));
	if (loop.nstatements > 0)
		prepare(s);
	s->io = event_new(loop.base, PQsocket(s->pg), EV_READ | EV_PERSIST, on_readable, s);
	s->timer = evtimer_new(loop.base, on_due, s);
	assert(s->io && s->timer);
	event_add(s->io, NULL);
}

static const char *
next_string(const char **at, const char *end)
{
	const char *s = *at;

	if (s >= end)
		die("file", "ends within a statement");
	*at += strlen(s) + 1;
	return s;
}

static void
read_statements(const char *path)
{
	static char text[4 << 20];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	const char *at = text, *end = text + n;

	if (n == 0)
		die(path, "cannot be read");
	fclose(f);
	while (at < end) {
		struct statement st = { .sql = next_string(&at, end) };

		snprintf(st.name, sizeof(st.name), "s%zu", loop.nstatements);
		st.nparams = atoi(next_string(&at, end));
		if (st.nparams < 0 || st.nparams > MAX_PARAMS)
			die(path, "too many parameters");
		for (int i = 0; i < st.nparams; i++) {
			const char *p = next_string(&at, end);

			st.params[i] = *p ? p + 1 : NULL;
		}
		loop.statements =
		    realloc(loop.statements, (loop.nstatements + 1) * sizeof(struct statement));
		assert(loop.statements);
		loop.statements[loop.nstatements++] = st;
	}
}

static void
select_one(void)
{
	loop.statements = calloc(1, sizeof(struct statement));
	assert(loop.statements);
	loop.statements[0] = (struct statement){ .name = "s0", .sql = "SELECT 1" };
	loop.nstatements = 1;
	loop.every_us = 1000000;
}

int
main(int argc, char **argv)
{
	struct event_config *config = event_config_new();
	size_t nsessions = 1, ndsns = 1;
	struct session *sessions;
	char **dsns = argv + 2;
	int64_t start;

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	loop.base = event_base_new_with_config(config);
	event_config_free(config);
	if (argc == 5 && strcmp(argv[1], "cycle") == 0) {
		read_statements(argv[3]);
		loop.every_us = atoi(argv[4]) * INT64_C(1000);
	} else if (argc >= 4 && (strcmp(argv[1], "pulse") == 0 || strcmp(argv[1], "hold") == 0)) {
		nsessions = (size_t)atoi(argv[2]);
		dsns = argv + 3;
		ndsns = (size_t)argc - 3;
		if (*argv[1] == 'p')
			select_one();
	} else {
		die("usage", "raw-pg cycle DSN FILE EVERY_MS | pulse|hold COUNT DSN...");
	}
	sessions = calloc(nsessions, sizeof(*sessions));
	assert(sessions);
	for (size_t i = 0; i < nsessions; i++)
		session_open(&sessions[i], dsns[i % ndsns]);
	start = now_us();
	for (size_t i = 0; i < nsessions && loop.nstatements > 0; i++) {
		sessions[i].due_us =
		    start + loop.every_us * (int64_t)i / (int64_t)nsessions - loop.every_us;
		pace(&sessions[i]);
	}
	event_add(event_new(loop.base, 0, EV_READ | EV_PERSIST, on_input, loop.base), NULL);
	printf("ready %d\n", nsessions > 0 ? PQbackendPID(sessions[0].pg) : 0);
	fflush(stdout);
	event_base_dispatch(loop.base);
	for (size_t i = 0; i < nsessions; i++)
		PQfinish(sessions[i].pg);
	return 0;
}
