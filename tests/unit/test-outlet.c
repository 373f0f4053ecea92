/* Entries, and outlets through their real worker, which writes to what is standard error here. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "daemon/outlet.h"
#include "daemon/outlet_queue.h"
#include "daemon/store.h"
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { &journal_role, NULL };

static struct check_remedy remedies[] = {
	{ .title = (char *)"cancel", .text = (char *)"SELECT pg_cancel_backend(48121)" },
};
static struct label labels[] = { { (char *)"wait event", (char *)"relation" } };
static struct conf_pair pairs[] = { { (char *)"env", (char *)"prod" },
	{ (char *)"Team-1", (char *)"pay\nments" } };

static struct finding
finding_make(void)
{
	return (struct finding){ .id = "3f9a1c0011223344",
		.engine = ENGINE_POSTGRESQL,
		.scope = (char *)"orders",
		.check = (char *)"lock-blocked",
		.key = (char *)"48121",
		.server = (char *)"main",
		.database = (char *)"orders",
		.probe = PROBE_PERFORMANCE,
		.kind = KIND_GAUGE,
		.title = (char *)"sessions wait",
		.object = (char *)"pid 48121",
		.state = FINDING_OPEN,
		.severity = SEVERITY_CRITICAL,
		.has_value = true,
		.value = 340,
		.unit = UNIT_SECONDS,
		.threshold = (char *)">= 5 min",
		.message = (char *)"31 sessions wait up to 5 min 40 s",
		.detail = (char *)"",
		.why = (char *)"",
		.remedies = remedies,
		.nremedies = 1,
		.labels = labels,
		.nlabels = 1,
		.since_wall_us = INT64_C(1772356320123000),
		.count = 1,
		.sequence = 7 };
}

static json_t *
entry_of(const struct finding *f, enum transition_kind kind, enum severity from, enum severity to)
{
	struct transition t = { kind, f, from, to, f->since_wall_us + 360 * USEC_PER_SEC,
		kind == TRANSITION_RESOLVED ? "cleared"
		: to == SEVERITY_NONE       ? "stable again"
		                            : NULL };
	_cleanup_free_ char *text = entry_transition(&t, pairs, ARRAY_SIZE(pairs));
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static const char *
get(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "(none)";
}

static void
test_fields(void **state)
{
	static const char *const expect[][2] = {
		{ "MESSAGE",
		    "orders: CRITICAL lock-blocked pid 48121: 31 sessions wait up to 5 min 40 s"
		    " (dbhealth explain 3f9a1c)" },
		{ "MESSAGE_ID", "6d1f0c5b1d0f4a5c8a0be4a2d3c7e101" },
		{ "PRIORITY", "2" },
		{ "SYSLOG_IDENTIFIER", "dbhealthd" },
		{ "DBHEALTH_SERVER", "main" },
		{ "DBHEALTH_DATABASE", "orders" },
		{ "DBHEALTH_ENGINE", "postgresql" },
		{ "DBHEALTH_PROBE", "performance" },
		{ "DBHEALTH_CHECK", "lock-blocked" },
		{ "DBHEALTH_TITLE", "sessions wait" },
		{ "DBHEALTH_OBJECT", "pid 48121" },
		{ "DBHEALTH_SEVERITY", "critical" },
		{ "DBHEALTH_PREVIOUS_SEVERITY", "none" },
		{ "DBHEALTH_VALUE", "340" },
		{ "DBHEALTH_UNIT", "seconds" },
		{ "DBHEALTH_THRESHOLD", ">= 5 min" },
		{ "DBHEALTH_REMEDY", "SELECT pg_cancel_backend(48121)" },
		{ "DBHEALTH_REASON", "(none)" },
		{ "DBHEALTH_COUNT", "1" },
		{ "DBHEALTH_FINDING_ID", "3f9a1c0011223344" },
		{ "DBHEALTH_EVENT_ID", "3f9a1c0011223344-7" },
		{ "DBHEALTH_SINCE", "2026-03-01T09:12:00.123Z" },
		{ "DBHEALTH_LABEL_WAIT_EVENT", "relation" },
		{ "DBHEALTH_LABEL_ENV", "prod" },
		{ "DBHEALTH_LABEL_TEAM_1", "pay\nments" },
		{ "__REALTIME_TIMESTAMP", "1772356680123000" },
	};
	struct finding f = finding_make();
	json_t *o = entry_of(&f, TRANSITION_OPENED, SEVERITY_NONE, SEVERITY_CRITICAL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expect); i++)
		if (!streq(get(o, expect[i][0]), expect[i][1]))
			fail_msg("%s is %s", expect[i][0], get(o, expect[i][0]));
	json_decref(o);
}

static void
test_kinds_of_entries(void **state)
{
	static const struct {
		const char *check;
		enum check_kind kind;
		enum transition_kind transition;
		enum severity from, to;
		const char *id, *priority, *message;
	} cases[] = {
		{ "lock-blocked", KIND_GAUGE, TRANSITION_CHANGED, SEVERITY_WARNING,
		    SEVERITY_CRITICAL, "02", "2",
		    "orders: CRITICAL lock-blocked pid 48121: 31 sessions wait up to 5 min 40 s "
		    "(was warning; dbhealth explain 3f9a1c)" },
		{ "lock-blocked", KIND_GAUGE, TRANSITION_CHANGED, SEVERITY_CRITICAL,
		    SEVERITY_WARNING, "02", "4",
		    "orders: warning lock-blocked pid 48121: 31 sessions wait up to 5 min 40 s "
		    "(was critical; dbhealth explain 3f9a1c)" },
		{ "lock-blocked", KIND_GAUGE, TRANSITION_RESOLVED, SEVERITY_CRITICAL, SEVERITY_NONE,
		    "03", "5",
		    "orders: resolved lock-blocked pid 48121 after 6 min, cleared (dbhealth "
		    "explain 3f9a1c)" },
		{ "conn-up", KIND_FINDING, TRANSITION_OPENED, SEVERITY_NONE, SEVERITY_CRITICAL,
		    "04", "2", NULL },
		{ "conn-up", KIND_FINDING, TRANSITION_RESOLVED, SEVERITY_CRITICAL, SEVERITY_NONE,
		    "05", "5", NULL },
		{ "server-restarted", KIND_EVENT, TRANSITION_OPENED, SEVERITY_NONE, SEVERITY_INFO,
		    "0a", "6", NULL },
		{ "server-restarted", KIND_EVENT, TRANSITION_RESOLVED, SEVERITY_INFO, SEVERITY_NONE,
		    "03", "5", NULL },
		{ "lock-blocked", KIND_GAUGE, TRANSITION_FLAPPING, SEVERITY_NONE, SEVERITY_WARNING,
		    "0f", "4",
		    "orders: warning lock-blocked pid 48121: 31 sessions wait up to 5 min 40 s "
		    "(flapping: 7 changes; told again when it is stable; dbhealth explain "
		    "3f9a1c)" },
		{ "lock-blocked", KIND_GAUGE, TRANSITION_STABLE, SEVERITY_CRITICAL,
		    SEVERITY_WARNING, "10", "4",
		    "orders: warning lock-blocked pid 48121: 31 sessions wait up to 5 min 40 s "
		    "(stable again, was flapping; dbhealth explain 3f9a1c)" },
		{ "conn-up", KIND_FINDING, TRANSITION_STABLE, SEVERITY_CRITICAL, SEVERITY_NONE,
		    "10", "5",
		    "orders: resolved conn-up pid 48121 after 6 min, stable again (dbhealth "
		    "explain 3f9a1c)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct finding f = finding_make();
		json_t *o;

		f.check = (char *)(uintptr_t)cases[i].check;
		f.kind = cases[i].kind;
		f.flapping_changes = 7;
		o = entry_of(&f, cases[i].transition, cases[i].from, cases[i].to);
		assert_string_equal(get(o, "MESSAGE_ID") + 30, cases[i].id);
		assert_string_equal(get(o, "PRIORITY"), cases[i].priority);
		if (cases[i].message)
			assert_string_equal(get(o, "MESSAGE"), cases[i].message);
		json_decref(o);
	}
}

static void
test_message_is_short_and_safe(void **state)
{
	struct finding f = finding_make();
	char *long_text = xcalloc(1, 5000);
	json_t *o;

	(void)state;
	for (int i = 0; i < 4990; i++)
		long_text[i] = "caf\xc3\xa9 "[i % 6];
	f.message = long_text;
	f.object = (char *)"t\n<0>\x1b[2J\xe2\x80\xae";
	f.database = (char *)"";
	o = entry_of(&f, TRANSITION_OPENED, SEVERITY_NONE, SEVERITY_WARNING);
	assert_true(strlen(get(o, "MESSAGE")) <= ENTRY_MESSAGE_MAX);
	assert_true(strlen(get(o, "MESSAGE")) > ENTRY_MESSAGE_MAX - 10);
	assert_null(strpbrk(get(o, "MESSAGE"), "\n\x1b"));
	assert_true(str_starts(get(o, "MESSAGE"), "main: warning lock-blocked t\\n<0>"));
	assert_non_null(strstr(get(o, "MESSAGE"), "... (dbhealth explain 3f9a1c)"));
	/* fields carry the true text */
	assert_string_equal(get(o, "DBHEALTH_OBJECT"), f.object);
	json_decref(o);
	f.object = long_text;
	o = entry_of(&f, TRANSITION_RESOLVED, SEVERITY_WARNING, SEVERITY_NONE);
	assert_true(strlen(get(o, "MESSAGE")) <= ENTRY_MESSAGE_MAX);
	assert_non_null(strstr(get(o, "MESSAGE"), "(dbhealth explain 3f9a1c)"));
	json_decref(o);
	free(long_text);
}

static void
test_notes(void **state)
{
	_cleanup_free_ char *unknown = entry_unknown(
	    "main", "orders", ENGINE_POSTGRESQL, PROBE_SCHEMA, "statement timeout", 3);
	_cleanup_free_ char *again =
	    entry_unknown("main", "orders", ENGINE_POSTGRESQL, PROBE_SCHEMA, NULL, 0);
	_cleanup_free_ char *config =
	    entry_note(ENTRY_CONFIG_REJECTED, "x", 2, "configuration rejected: %d errors", 2);
	_cleanup_free_ char *start = entry_note(ENTRY_NONE, NULL, 0, "started");
	_cleanup_free_ char *summary = entry_summary("main", "", "server main: first look: ...");
	json_t *o = json_loads(unknown, 0, NULL);

	(void)state;
	assert_string_equal(get(o, "MESSAGE_ID"), "6d1f0c5b1d0f4a5c8a0be4a2d3c7e106");
	assert_string_equal(get(o, "PRIORITY"), "4");
	assert_string_equal(get(o, "DBHEALTH_REASON"), "statement timeout");
	assert_string_equal(get(o, "DBHEALTH_SERVER"), "main");
	assert_string_equal(get(o, "DBHEALTH_DATABASE"), "orders");
	assert_string_equal(get(o, "MESSAGE"),
	    "orders: unknown: 3 checks of probe schema cannot answer: statement timeout");
	json_decref(o);
	o = json_loads(again, 0, NULL);
	assert_string_equal(get(o, "PRIORITY"), "5");
	json_decref(o);
	o = json_loads(config, 0, NULL);
	assert_string_equal(get(o, "MESSAGE_ID") + 30, "08");
	assert_string_equal(get(o, "DBHEALTH_COUNT"), "2");
	json_decref(o);
	o = json_loads(summary, 0, NULL);
	assert_string_equal(get(o, "MESSAGE_ID") + 30, "09");
	assert_string_equal(get(o, "DBHEALTH_SERVER"), "main");
	assert_string_equal(get(o, "DBHEALTH_DATABASE"), "");
	json_decref(o);
	o = json_loads(start, 0, NULL);
	assert_string_equal(get(o, "MESSAGE_ID"), "(none)");
	assert_string_equal(get(o, "PRIORITY"), "6");
	json_decref(o);
}

static void
test_configuration_entries(void **state)
{
	static char a[] = "d.conf:3: [daemon] listen: \x1b[2J",
	            b[] = "d.conf:9: [database x] dsn: no";
	static char added[] = "orders added", changed[] = "app: new dsn";
	char *none[] = { NULL }, *errors[] = { a, b, NULL }, *changes[] = { added, changed, NULL };
	char *many[401] = { NULL };
	json_t *o;

	(void)state;
	for (size_t i = 0; i < 400; i++)
		many[i] = b;
	for (int i = 0; i < 4; i++) {
		_cleanup_free_ char *text = i == 0   ? entry_rejected(errors)
		                            : i == 1 ? entry_reloaded(changes)
		                            : i == 2 ? entry_reloaded(none)
		                                     : entry_rejected(many);
		static const struct {
			const char *id, *priority, *count, *message;
		} expect[] = {
			{ "08", "4", "2",
			    "configuration rejected, nothing changes: 2 faults: d.conf:3: [daemon] "
			    "listen: \\x1b[2J; d.conf:9: [database x] dsn: no (dbhealthd "
			    "--check-config)" },
			{ "07", "6", "2", "configuration reloaded: orders added; app: new dsn" },
			{ "07", "6", "0", "configuration reloaded: nothing changed" },
			{ "08", "4", "400", NULL },
		};

		o = json_loads(text, 0, NULL);
		assert_string_equal(get(o, "MESSAGE_ID") + 30, expect[i].id);
		assert_string_equal(get(o, "PRIORITY"), expect[i].priority);
		assert_string_equal(get(o, "DBHEALTH_COUNT"), expect[i].count);
		if (expect[i].message)
			assert_string_equal(get(o, "MESSAGE"), expect[i].message);
		assert_true(strlen(get(o, "MESSAGE")) <= ENTRY_MESSAGE_MAX);
		assert_true(strlen(get(o, "DBHEALTH_REASON")) <= TEXT_MAX_BYTES);
		json_decref(o);
	}
}

/* ---- through the worker ---- */

struct place {
	struct event_base *base;
	struct outlets *outlets;
	int stderr_fd, reader; /* what fd 2 was, and the reading end of what it is */
	uint64_t cursor, delivered;
	uint64_t store_first, store_last, again_after;
};

static void on_again(const char *, uint64_t, void *);

static uint64_t
on_cursor(const char *outlet, void *arg)
{
	assert_string_equal(outlet, "stderr");
	return ((struct place *)arg)->cursor;
}

static void
on_delivered(const char *outlet, uint64_t sequence, void *arg)
{
	struct place *p = arg;

	assert_string_equal(outlet, "stderr");
	assert_true(sequence > p->delivered);
	p->delivered = sequence;
}

static void
place_open(struct place *p, enum outlet_format format, enum severity level, uint64_t cursor)
{
	static const struct outlet_callbacks on = { on_delivered, on_cursor, on_again };
	struct err e;
	int fds[2];

	*p = (struct place){ .base = event_base_new(), .cursor = cursor };
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	p->stderr_fd = fcntl(2, F_DUPFD_CLOEXEC, 10);
	dup2(fds[1], 2);
	close(fds[1]);
	p->reader = fds[0];
	if (outlets_new(p->base, format, level, &on, p, &p->outlets, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
place_close(struct place *p)
{
	outlets_free(p->outlets);
	event_base_free(p->base);
	dup2(p->stderr_fd, 2);
	close(p->stderr_fd);
	close(p->reader);
}

static void
place_read(struct place *p, struct str *out)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(p->reader, buf, sizeof(buf))) > 0)
		str_addn(out, buf, (size_t)n);
}

static int64_t
in_seconds(int s)
{
	return clock_now_us() + s * USEC_PER_SEC;
}

static char *
event_json(enum severity from, enum severity to)
{
	struct finding f = finding_make();
	struct transition t = { to > SEVERITY_NONE ? TRANSITION_OPENED : TRANSITION_RESOLVED, &f,
		from, to, f.since_wall_us, to > SEVERITY_NONE ? NULL : "cleared" };

	return entry_transition(&t, NULL, 0);
}

static char *
numbered_json(uint64_t n)
{
	_cleanup_free_ char *object = xasprintf("pid %llu", (unsigned long long)n);
	struct finding f = finding_make();
	struct transition t = { TRANSITION_OPENED, &f, SEVERITY_NONE, SEVERITY_CRITICAL,
		f.since_wall_us, NULL };

	f.object = object;
	return entry_transition(&t, NULL, 0);
}

static void
test_text_and_levels(void **state)
{
	_cleanup_free_ char *critical = event_json(SEVERITY_NONE, SEVERITY_CRITICAL);
	_cleanup_free_ char *warning = event_json(SEVERITY_NONE, SEVERITY_WARNING);
	_cleanup_free_ char *info = event_json(SEVERITY_NONE, SEVERITY_INFO);
	_cleanup_free_ char *resolved = event_json(SEVERITY_CRITICAL, SEVERITY_NONE);
	_cleanup_str_ struct str out = { 0 };
	struct place p;

	(void)state;
	place_open(&p, OUTLET_TEXT, SEVERITY_INFO, 2);
	outlets_event(p.outlets, 1, critical);
	outlets_event(p.outlets, 2, critical); /* both told in the last life */
	outlets_event(p.outlets, 3, critical);
	outlets_event(p.outlets, 4, info);
	outlets_event(p.outlets, 5, resolved);
	outlets_log(LOG_LEVEL_WARNING, "a diagnostic", p.outlets);
	outlets_event(p.outlets, 6, info);
	assert_int_equal(p.delivered, 0);
	assert_int_equal(outlets_flush(p.outlets, in_seconds(10)), 0);
	assert_int_equal(p.delivered, 6);
	outlets_set_level(p.outlets, SEVERITY_CRITICAL);
	outlets_event(p.outlets, 7, warning);
	assert_int_equal(outlets_flush(p.outlets, in_seconds(10)), 0);
	assert_int_equal(p.delivered, 7);
	place_read(&p, &out);
	place_close(&p);
	{
		_cleanup_free_ char *text = str_take(&out);
		char *save = NULL, *line = strtok_r(text, "\n", &save);

		assert_string_equal(line,
		    "2026-03-01T09:12:00.123Z orders: CRITICAL lock-blocked pid 48121: 31 sessions"
		    " wait up to 5 min 40 s (dbhealth explain 3f9a1c)");
		line = strtok_r(NULL, "\n", &save);
		assert_non_null(strstr(line, " orders: resolved lock-blocked"));
		line = strtok_r(NULL, "\n", &save);
		assert_non_null(strstr(line, "Z a diagnostic"));
		assert_null(strtok_r(NULL, "\n", &save));
	}
}

static void
test_json_lines(void **state)
{
	_cleanup_free_ char *critical = event_json(SEVERITY_NONE, SEVERITY_CRITICAL);
	_cleanup_str_ struct str out = { 0 };
	struct place p;
	json_t *a, *b;
	char *second;

	(void)state;
	place_open(&p, OUTLET_JSON, SEVERITY_WARNING, 0);
	outlets_event(p.outlets, 1, critical);
	outlets_say(p.outlets, entry_note(ENTRY_CONFIG_RELOADED, NULL, 0, "two\nlines"));
	assert_int_equal(outlets_flush(p.outlets, in_seconds(10)), 0);
	place_read(&p, &out);
	place_close(&p);
	second = strchr(str_text(&out), '\n');
	assert_non_null(second);
	*second++ = 0;
	a = json_loads(str_text(&out), 0, NULL);
	b = json_loads(second, 0, NULL);
	assert_string_equal(get(a, "DBHEALTH_EVENT_ID"), "3f9a1c0011223344-7");
	assert_string_equal(get(b, "MESSAGE"), "two\\nlines");
	assert_int_equal(strlen(strchr(second, '\n')), 1);
	json_decref(a);
	json_decref(b);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

/* ---- a place that is away, and the store behind it ---- */

/* As the store gives them: so many at a time, later, in order; the oldest it may have let go. */
static void
on_again_turn(evutil_socket_t fd, short what, void *arg)
{
	struct place *p = arg;
	uint64_t from = MAX(p->again_after + 1, p->store_first), n = 0;

	(void)fd;
	(void)what;
	for (uint64_t i = from; i <= p->store_last && n < STORE_AGAIN_MAX; i++, n++) {
		_cleanup_free_ char *json = numbered_json(i);

		outlets_again(p->outlets, i, json);
	}
	outlets_again_end(p->outlets, true, true);
}

static void
on_again(const char *outlet, uint64_t after, void *arg)
{
	struct place *p = arg;

	assert_string_equal(outlet, "stderr");
	p->again_after = after;
	event_base_once(p->base, -1, EV_TIMEOUT, on_again_turn, p, NULL);
}

struct heard {
	unsigned transitions, notes, dropped;
	uint64_t last;
};

/* Whole lines, transitions in order, each once. */
static void
hear(const struct str *out, struct heard *ret)
{
	_cleanup_free_ char *text = xstrdup(str_text(out));
	char *save = NULL;

	*ret = (struct heard){ 0 };
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *said = strchr(line, ' ');
		unsigned long long n;
		unsigned dropped;

		assert_non_null(said);
		if (sscanf(said, " orders: CRITICAL lock-blocked pid %llu:", &n) == 1) {
			assert_non_null(strstr(line, "(dbhealth explain 3f9a1c)"));
			assert_true(n > ret->last);
			ret->last = n;
			ret->transitions++;
		} else if (sscanf(said, " entries dropped: %u;", &dropped) == 1) {
			ret->dropped += dropped;
		} else {
			assert_string_equal(said, " a diagnostic");
			ret->notes++;
		}
	}
}

/*
 * Nobody reads: the loop turns on, the queue ends at its bound.  Then somebody does: transitions come
 * in order and each once, from the store what found no room; of the rest the oldest were dropped,
 * which is counted and said.
 */
static void
stuck_pipe(uint64_t told, uint64_t pruned, struct heard *ret)
{
	_cleanup_str_ struct str out = { 0 };
	int64_t begin = clock_now_us(), give_up = in_seconds(30);
	struct event *tick;
	struct place p;
	int ticks = 0;

	place_open(&p, OUTLET_TEXT, SEVERITY_WARNING, 0);
	tick = event_new(p.base, -1, EV_PERSIST, on_tick, &ticks);
	event_add(tick, &(struct timeval){ .tv_usec = 1000 });
	p.store_first = 1;
	for (uint64_t i = 1; i <= told; i++) {
		_cleanup_free_ char *json = numbered_json(i);

		outlets_event(p.outlets, i, json);
		p.store_last = i;
		if (i % 2)
			outlets_log(LOG_LEVEL_WARNING, "a diagnostic", p.outlets);
		if (i % 100 == 0)
			event_base_loop(p.base, EVLOOP_NONBLOCK);
	}
	p.store_first = pruned + 1;
	while (ticks < 20)
		event_base_loop(p.base, EVLOOP_ONCE);
	assert_true(clock_now_us() - begin < 10 * USEC_PER_SEC);
	assert_int_equal(outlets_flush(p.outlets, clock_now_us() + 20000), -ETIMEDOUT);
	assert_true(outlets_queued(p.outlets) <= OUTLET_QUEUE_MAX);
	assert_true(p.delivered < told);
	while (clock_now_us() < give_up && (p.delivered < told || outlets_queued(p.outlets) > 0))
		event_base_loop(p.base, EVLOOP_ONCE), place_read(&p, &out);
	place_read(&p, &out);
	event_free(tick);
	place_close(&p);
	assert_int_equal(p.delivered, told);
	hear(&out, ret);
}

static void
test_stuck_pipe(void **state)
{
	const unsigned told = OUTLET_QUEUE_MAX + 1500;
	struct heard heard;

	(void)state;
	stuck_pipe(told, 0, &heard);
	assert_int_equal(heard.transitions, told);
	assert_int_equal(heard.notes + heard.dropped, told / 2);
	assert_true(heard.dropped > 0);
	/* the store itself keeps only so many: what is gone there is counted too */
	stuck_pipe(told, OUTLET_QUEUE_MAX + 1000, &heard);
	assert_true(heard.transitions < told);
	assert_int_equal(heard.last, told);
	assert_int_equal(heard.transitions + heard.notes + heard.dropped, told + told / 2);
}

static void
test_queue(void **state)
{
	struct outlet_queue q;

	(void)state;
	outlet_queue_init(&q);
	for (uint64_t i = 0; i < OUTLET_QUEUE_MAX; i++) /* every tenth is a transition */
		assert_true(outlet_queue_add(&q, i % 10 ? 0 : i + 1, "x", 1));
	q.nsent = 3;
	assert_false(outlet_queue_is_low(&q));
	/* who gives way: the oldest that is in no store and not with the worker */
	assert_true(outlet_queue_add(&q, 0, "new", 3));
	assert_int_equal(q.n, OUTLET_QUEUE_MAX);
	assert_int_equal(q.dropped, 1);
	assert_int_equal(outlet_queue_pop(&q), 1);
	assert_int_equal(q.nsent, 2);
	for (size_t i = 0; i < OUTLET_QUEUE_MAX * 9 / 10; i++)
		outlet_queue_add(&q, 1000000 + i, "x", 1);
	assert_int_equal(q.dropped, OUTLET_QUEUE_MAX * 9 / 10 - 1);
	/* nothing gives way for more: the store has it, or it is lost and counted */
	assert_false(outlet_queue_add(&q, 2000000, "x", 1));
	assert_int_equal(q.dropped, OUTLET_QUEUE_MAX * 9 / 10 - 1);
	assert_false(outlet_queue_add(&q, 0, "x", 1));
	assert_int_equal(q.dropped, OUTLET_QUEUE_MAX * 9 / 10);
	for (uint64_t last = 0, n = 0; q.n > 0; n++) {
		uint64_t sequence = outlet_queue_pop(&q);

		assert_true(n < 2 || sequence > last);
		last = sequence;
	}
	assert_int_equal(q.bytes, 0);
	/* by bytes */
	{
		_cleanup_free_ char *half = xcalloc(1, OUTLET_QUEUE_BYTES / 2);

		assert_true(outlet_queue_add(&q, 0, half, OUTLET_QUEUE_BYTES / 2));
		assert_true(outlet_queue_is_low(&q));
		assert_true(outlet_queue_add(&q, 0, half, OUTLET_QUEUE_BYTES / 2));
		assert_true(outlet_queue_add(&q, 7, half, OUTLET_QUEUE_BYTES / 2));
		assert_int_equal(q.n, 2);
		assert_int_equal(q.bytes, OUTLET_QUEUE_BYTES);
	}
	outlet_queue_done(&q);
}

static void
test_reader_gone(void **state)
{
	_cleanup_free_ char *critical = event_json(SEVERITY_NONE, SEVERITY_CRITICAL);
	struct place p;

	(void)state;
	place_open(&p, OUTLET_TEXT, SEVERITY_WARNING, 0);
	close(p.reader);
	p.reader = open("/dev/null", O_RDONLY | O_CLOEXEC);
	outlets_event(p.outlets, 1, critical);
	assert_int_equal(outlets_flush(p.outlets, in_seconds(10)), 0);
	place_close(&p);
}

/* ---- journald's socket, in a mount namespace of our own ---- */

static uint64_t
no_cursor(const char *outlet, void *arg)
{
	(void)arg;
	return streq(outlet, "journal") ? 0 : UINT64_MAX;
}

static void
no_delivered(const char *outlet, uint64_t sequence, void *arg)
{
	(void)outlet;
	*(uint64_t *)arg = sequence;
}

/* Exit code of the child: 0 good, 77 not allowed here, else the line that failed. */
static int
journal_child(void)
{
	static const struct outlet_callbacks on = { no_delivered, no_cursor, NULL };
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = "/run/systemd/journal/socket" };
	_cleanup_free_ char *critical = event_json(SEVERITY_NONE, SEVERITY_CRITICAL);
	struct event_base *base;
	struct outlets *outlets;
	uint64_t delivered = 0;
	char buf[8192];
	ssize_t n;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return 77;
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return __LINE__ & 0x7f;
	base = event_base_new();
	if (outlets_new(base, OUTLET_JOURNAL, SEVERITY_WARNING, &on, &delivered, &outlets, NULL) <
	    0)
		return __LINE__ & 0x7f;
	outlets_event(outlets, 9, critical);
	if (outlets_flush(outlets, in_seconds(10)) < 0 || delivered != 9)
		return __LINE__ & 0x7f;
	n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	if (n <= 0)
		return __LINE__ & 0x7f;
	buf[n] = 0;
	if (!strstr(buf, "MESSAGE=orders: CRITICAL lock-blocked") ||
	    !strstr(buf, "\nPRIORITY=2\n") ||
	    !strstr(buf, "\nDBHEALTH_EVENT_ID=3f9a1c0011223344-7\n") || strstr(buf, "__REALTIME") ||
	    strstr(buf, "CODE_FILE"))
		return __LINE__ & 0x7f;
	outlets_free(outlets);
	event_base_free(base);
	close(fd);
	return 0;
}

static void
test_journald(void **state)
{
	char name[] = "child", flag[] = "--journal";
	char *argv[] = { name, flag, NULL };
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_kinds_of_entries),
		cmocka_unit_test(test_message_is_short_and_safe),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_configuration_entries),
		cmocka_unit_test(test_text_and_levels),
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_stuck_pipe),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_journald),
	};

	worker_main_if_asked(argc, argv);
	if (argc == 2 && streq(argv[1], "--journal"))
		return journal_child();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
