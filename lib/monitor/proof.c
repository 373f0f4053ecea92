/* What is seen of maintenance that was done: rounds of the probes, checks that looked, open findings. */
#include "monitor/proof.h"
#include "base/str.h"
#include "monitor/scope_impl.h"

static bool
is_of(const char *database, const char *name)
{
	size_t n = strlen(name);

	return strncmp(database, name, n) == 0 && (database[n] == '\0' || database[n] == '/');
}

static bool
counts(const struct database *d, const char *name)
{
	return !d->is_template && !d->leaving && is_of(d->scope.name, name);
}

/* Scopes of that name: each database, then its server; *place starts at 0. */
static const struct scope *
next_scope(const struct monitor *m, const char *name, size_t *place)
{
	while (*place < 2 * m->ndatabases) {
		const struct database *d = m->databases[*place / 2];
		bool server = (*place)++ % 2;

		if (counts(d, name) && (!server || d->server))
			return server ? server_scope(d->server) : &d->scope;
	}
	return NULL;
}

/* ---- rounds ---- */

static int64_t
round_of(const struct scope *s)
{
	int64_t oldest = INT64_MAX;

	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used)
			oldest = MIN(oldest, s->tasks[p].last_success_wall_us);
	return oldest;
}

int64_t
monitor_round_us(const struct monitor *m, const char *name)
{
	int64_t oldest = INT64_MAX;
	const struct scope *s;

	for (size_t place = 0; oldest > 0 && (s = next_scope(m, name, &place));)
		oldest = MIN(oldest, round_of(s));
	return oldest == INT64_MAX ? 0 : oldest;
}

/* ---- checks ---- */

/* INT64_MAX: it may not look here. */
static int64_t
looked(const struct checkup *c)
{
	switch (c->status) {
	case CHECK_OK:
	case CHECK_PENDING:
	case CHECK_INFO:
	case CHECK_WARNING:
	case CHECK_CRITICAL:
		return c->tried ? c->last_wall_us : 0;
	case CHECK_UNKNOWN:
		return 0;
	case CHECK_NOT_COVERED:
	case CHECK_DISABLED:
	case CHECK_STATUS_N:
		break;
	}
	return INT64_MAX;
}

int64_t
monitor_looked_us(const struct monitor *m, const char *name, char *const *checks)
{
	int64_t oldest = INT64_MAX;
	const struct scope *s;

	for (size_t place = 0; oldest > 0 && (s = next_scope(m, name, &place));)
		for (size_t i = 0; i < s->ncheckups; i++)
			if (str_glob_any(checks, s->checkups[i]->check->id))
				oldest = MIN(oldest, looked(s->checkups[i]));
	return oldest == INT64_MAX ? 0 : oldest;
}

/* ---- findings ---- */

static bool
is_on(const struct monitor *m, const struct finding *f, const char *name)
{
	if (*f->database)
		return is_of(f->database, name);
	for (size_t i = 0; i < m->ndatabases; i++)
		if (counts(m->databases[i], name) && m->databases[i]->server &&
		    streq(server_name(m->databases[i]->server), f->server))
			return true;
	return false;
}

size_t
monitor_unattended(const struct monitor *m, const char *name, char *const *checks,
    enum severity least, const struct finding **ret_worst)
{
	const struct finding *f, *worst = NULL;
	size_t n = 0;

	for (size_t iter = 0; (f = findings_next(m->findings, &iter));) {
		/* What is pending may be open in a moment: nobody has looked at it either. */
		if ((f->state != FINDING_OPEN && f->state != FINDING_PENDING) ||
		    f->severity < least || f->acked || f->mute || f->folded ||
		    streq(f->check, "routine-overdue") ||
		    (checks && !str_glob_any(checks, f->check)) || !is_on(m, f, name))
			continue;
		n++;
		if (!worst || f->severity > worst->severity)
			worst = f;
	}
	if (ret_worst)
		*ret_worst = worst;
	return n;
}
