/* Entries: fields for machines, and one MESSAGE for people that stands for itself. */
#include "daemon/outlet_entry.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "finding/silence.h"
#include "monitor/monitor.h"
#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#define LABEL_PREFIX   "DBHEALTH_LABEL_"
#define FIELD_NAME_MAX 64 /* journald's */

/* syslog's numbers */
enum {
	PRIO_CRITICAL = 2,
	PRIO_ERROR = 3,
	PRIO_WARNING = 4,
	PRIO_NOTICE = 5,
	PRIO_INFO = 6,
	PRIO_DEBUG = 7
};

static void
set(json_t *o, const char *name, const char *value)
{
	const char *given = value ? value : "";
	json_t *text = json_string(given);

	if (!text) { /* not UTF-8: jansson would leave the field out without a word */
		_cleanup_free_ char *safe = text_from_peer(given, strlen(given), TEXT_MAX_BYTES);

		text = json_string(safe);
	}
	json_object_set_new(o, name, text);
}

static void _printf_(3, 4) setf(json_t *o, const char *name, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	set(o, name, value);
}

static json_t *
entry_new(enum entry_kind kind, int priority, int64_t wall_us)
{
	json_t *o = json_object();

	setf(o, ENTRY_TIME, "%lld", (long long)wall_us);
	set(o, "MESSAGE", "");
	if (kind != ENTRY_NONE)
		setf(o, "MESSAGE_ID", ENTRY_MESSAGE_ID "%02x", (unsigned)kind);
	setf(o, "PRIORITY", "%d", priority);
	set(o, "SYSLOG_IDENTIFIER", "dbhealthd");
	return o;
}

static char *
entry_take(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text ? text : xstrdup("{}");
}

/* The middle gives way, so that who it is about and what to do next always stand there. */
static void
set_message(json_t *o, const char *head, const char *middle, const char *tail)
{
	_cleanup_free_ char *safe_head = show_text(head), *safe_middle = show_text(middle);
	size_t fixed;

	if (strlen(safe_head) > ENTRY_MESSAGE_MAX / 2) {
		char *cut = text_ellipsis(safe_head, ENTRY_MESSAGE_MAX / 2);

		free(safe_head);
		safe_head = cut;
	}
	fixed = strlen(safe_head) + strlen(tail);
	if (fixed + strlen(safe_middle) > ENTRY_MESSAGE_MAX) {
		char *cut = text_ellipsis(safe_middle, ENTRY_MESSAGE_MAX - fixed);

		free(safe_middle);
		safe_middle = cut;
	}
	setf(o, "MESSAGE", "%s%s%s", safe_head, safe_middle, tail);
}

/* ---- transitions ---- */

static const char *
shown_severity(enum severity severity)
{
	return severity == SEVERITY_CRITICAL ? "CRITICAL" : severity_names[severity];
}

static int
severity_priority(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return PRIO_CRITICAL;
	case SEVERITY_WARNING:
		return PRIO_WARNING;
	case SEVERITY_NONE:
	case SEVERITY_INFO:
	case SEVERITY_N:
		break;
	}
	return PRIO_INFO;
}

static enum entry_kind
transition_kind(const struct transition *t)
{
	bool connect = streq(t->finding->check, "conn-up");

	switch (t->kind) {
	case TRANSITION_OPENED:
		if (t->finding->kind == KIND_EVENT)
			return ENTRY_EVENT;
		return connect ? ENTRY_UNREACHABLE : ENTRY_OPENED;
	case TRANSITION_CHANGED:
		return ENTRY_CHANGED;
	case TRANSITION_FLAPPING:
		return ENTRY_FLAPPING;
	case TRANSITION_STABLE:
		return ENTRY_STABLE;
	case TRANSITION_RESOLVED:
		break;
	}
	return connect ? ENTRY_REACHABLE : ENTRY_RESOLVED;
}

static const char *
finding_place(const struct finding *f)
{
	return *f->database ? f->database : f->server && *f->server ? f->server : f->scope;
}

static char *
lasted(const struct transition *t)
{
	return duration_format(MAX(t->wall_us - t->finding->since_wall_us, 0));
}

static void
gone_message(json_t *o, const struct transition *t)
{
	const struct finding *f = t->finding;
	_cleanup_free_ char *after = lasted(t);
	_cleanup_free_ char *head = xasprintf("%s: resolved %s", finding_place(f), f->check);
	_cleanup_free_ char *middle = xasprintf("%s%s", *f->object ? " " : "", f->object);
	_cleanup_free_ char *tail = xasprintf(" after %s, %s (dbhealth explain %.6s)", after,
	    t->reason ? t->reason : "cleared", f->id);

	set_message(o, head, middle, tail);
}

static void
transition_message(json_t *o, const struct transition *t)
{
	const struct finding *f = t->finding;
	const char *space = *f->object ? " " : "";
	_cleanup_free_ char *head = NULL, *tail = NULL;

	head = xasprintf(
	    "%s: %s %s%s%s: ", finding_place(f), shown_severity(t->to), f->check, space, f->object);
	switch (t->kind) {
	case TRANSITION_RESOLVED:
		gone_message(o, t);
		return;
	case TRANSITION_STABLE:
		if (t->to == SEVERITY_NONE) {
			gone_message(o, t);
			return;
		}
		tail = xasprintf(" (stable again, was flapping; dbhealth explain %.6s)", f->id);
		break;
	case TRANSITION_FLAPPING:
		tail = xasprintf(" (flapping: %llu changes; told again when it is stable; dbhealth "
		                 "explain %.6s)",
		    (unsigned long long)f->flapping_changes, f->id);
		break;
	case TRANSITION_CHANGED:
		tail =
		    xasprintf(" (was %s; dbhealth explain %.6s)", severity_names[t->from], f->id);
		break;
	case TRANSITION_OPENED:
		tail = t->reason ? xasprintf(" (%s; dbhealth explain %.6s)", t->reason, f->id)
		                 : xasprintf(" (dbhealth explain %.6s)", f->id);
		break;
	}
	set_message(o, head, f->message, tail);
}

/* journald takes capital letters, digits and underscores, and drops what it does not take. */
static void
set_label(json_t *o, const char *name, const char *value)
{
	char field[FIELD_NAME_MAX + 1] = LABEL_PREFIX;
	size_t at = strlen(LABEL_PREFIX);

	for (; *name && at < FIELD_NAME_MAX; name++)
		field[at++] =
		    isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_';
	field[at] = 0;
	set(o, field, value);
}

enum entry_kind
entry_kind(const json_t *entry)
{
	const char *id = entry_field(entry, "MESSAGE_ID");

	if (!str_starts(id, ENTRY_MESSAGE_ID))
		return ENTRY_NONE;
	return (enum entry_kind)strtoul(id + strlen(ENTRY_MESSAGE_ID), NULL, 16);
}

bool
entry_is_event(const json_t *entry)
{
	return entry_kind(entry) == ENTRY_EVENT;
}

void
entry_id(const struct finding *f, char ret[static ENTRY_ID_SIZE])
{
	snprintf(ret, ENTRY_ID_SIZE, "%s-%llu", f->id, (unsigned long long)f->sequence);
}

char *
entry_transition(const struct transition *t, const struct conf_pair *labels, size_t nlabels)
{
	const struct finding *f = t->finding;
	bool resolved = t->to == SEVERITY_NONE;
	json_t *o = entry_new(
	    transition_kind(t), resolved ? PRIO_NOTICE : severity_priority(t->to), t->wall_us);
	char id[ENTRY_ID_SIZE], since[CLOCK_RFC3339_SIZE];

	transition_message(o, t);
	set(o, "DBHEALTH_SERVER", f->server);
	set(o, "DBHEALTH_DATABASE", f->database);
	set(o, "DBHEALTH_ENGINE", engine_names[f->engine]);
	set(o, "DBHEALTH_PROBE", probe_names[f->probe]);
	set(o, "DBHEALTH_CHECK", f->check);
	set(o, "DBHEALTH_TITLE", f->title);
	set(o, "DBHEALTH_OBJECT", f->object);
	set(o, "DBHEALTH_SEVERITY", severity_names[t->to]);
	set(o, "DBHEALTH_PREVIOUS_SEVERITY", severity_names[t->from]);
	if (f->has_value)
		setf(o, "DBHEALTH_VALUE", "%.15g", f->value);
	set(o, "DBHEALTH_UNIT", unit_names[f->unit]);
	set(o, "DBHEALTH_THRESHOLD", f->threshold);
	set(o, "DBHEALTH_REMEDY", f->nremedies ? f->remedies[0].text : "");
	if (t->reason)
		set(o, "DBHEALTH_REASON", t->reason);
	if (t->quiet)
		set(o, "DBHEALTH_QUIET", "1");
	if (*f->caused_by)
		set(o, "DBHEALTH_CAUSED_BY", f->caused_by);
	setf(o, "DBHEALTH_COUNT", "%llu", (unsigned long long)f->count);
	set(o, "DBHEALTH_FINDING_ID", f->id);
	entry_id(f, id);
	set(o, "DBHEALTH_EVENT_ID", id);
	clock_rfc3339(f->since_wall_us, since);
	set(o, "DBHEALTH_SINCE", since);
	for (size_t i = 0; i < f->nlabels; i++)
		set_label(o, f->labels[i].name, f->labels[i].value);
	for (size_t i = 0; i < nlabels; i++)
		set_label(o, labels[i].name, labels[i].value);
	return entry_take(o);
}

/* What became of what is known, seen by no check. */
static char *
happened(const struct monitor_event *e, const struct conf_pair *labels, size_t nlabels)
{
	const char *place = *e->database ? e->database : e->server;
	json_t *o = entry_new(ENTRY_HAPPENED, PRIO_INFO, e->wall_us);
	_cleanup_free_ char *head = xasprintf("%s: ", place);
	char since[CLOCK_RFC3339_SIZE];

	set_message(o, head, e->text, "");
	set(o, "DBHEALTH_SERVER", e->server);
	set(o, "DBHEALTH_DATABASE", e->database);
	set(o, "DBHEALTH_ENGINE", engine_names[e->engine]);
	set(o, "DBHEALTH_WHAT", e->what);
	set(o, "DBHEALTH_SEVERITY", severity_names[SEVERITY_INFO]);
	set(o, "DBHEALTH_REASON", e->text);
	setf(o, "DBHEALTH_COUNT", "%zu", e->count);
	if (e->after_wall_us > 0) {
		clock_rfc3339(e->after_wall_us, since);
		set(o, "DBHEALTH_SINCE", since);
	}
	for (size_t i = 0; i < nlabels; i++)
		set_label(o, labels[i].name, labels[i].value);
	return entry_take(o);
}

char *
entry_event(const struct monitor_event *e, const struct conf_pair *labels, size_t nlabels)
{
	const char *place = *e->database ? e->database : e->server;
	_cleanup_free_ char *head = NULL, *tail = NULL;
	json_t *o;

	if (!e->check)
		return happened(e, labels, nlabels);
	o = entry_new(ENTRY_EVENT, PRIO_INFO, e->wall_us);
	head = xasprintf("%s: %s: ", place, e->check->id);
	tail = xasprintf(" (dbhealth baseline show %.60s)", place);
	set_message(o, head, e->text, tail);
	set(o, "DBHEALTH_SERVER", e->server);
	set(o, "DBHEALTH_DATABASE", e->database);
	set(o, "DBHEALTH_ENGINE", engine_names[e->check->engine]);
	set(o, "DBHEALTH_PROBE", probe_names[e->check->probe]);
	set(o, "DBHEALTH_CHECK", e->check->id);
	set(o, "DBHEALTH_TITLE", e->check->title);
	set(o, "DBHEALTH_SEVERITY", severity_names[SEVERITY_INFO]);
	set(o, "DBHEALTH_REASON", e->text);
	setf(o, "DBHEALTH_COUNT", "%zu", e->count);
	setf(o, "DBHEALTH_EVENT_ID", "%s-%llu", e->id, (unsigned long long)e->sequence);
	for (size_t i = 0; i < nlabels; i++)
		set_label(o, labels[i].name, labels[i].value);
	return entry_take(o);
}

/* ---- the rest ---- */

char *
entry_unknown(const char *server, const char *database, enum engine engine, enum probe probe,
    const char *reason, size_t checks)
{
	json_t *o = entry_new(ENTRY_UNKNOWN, reason ? PRIO_WARNING : PRIO_NOTICE, clock_wall_us());
	const char *place = *database ? database : server;
	_cleanup_free_ char *head = NULL;

	if (!reason)
		head = xasprintf("%s: probe %s answers again", place, probe_names[probe]);
	else if (checks == 0)
		head =
		    xasprintf("%s: unknown: probe %s cannot answer: ", place, probe_names[probe]);
	else
		head = xasprintf("%s: unknown: %zu check%s of probe %s cannot answer: ", place,
		    checks, checks == 1 ? "" : "s", probe_names[probe]);
	set_message(o, head, reason ? reason : "", "");
	set(o, "DBHEALTH_SERVER", server);
	set(o, "DBHEALTH_DATABASE", database);
	set(o, "DBHEALTH_ENGINE", engine_names[engine]);
	set(o, "DBHEALTH_PROBE", probe_names[probe]);
	set(o, "DBHEALTH_REASON", reason);
	setf(o, "DBHEALTH_COUNT", "%zu", checks);
	return entry_take(o);
}

static int
note_priority(enum entry_kind kind)
{
	bool bad = kind == ENTRY_CONFIG_REJECTED || kind == ENTRY_STATE_MOVED ||
	           kind == ENTRY_CHECK_REJECTED || kind == ENTRY_DROPPED || kind == ENTRY_UNKNOWN;

	return bad ? PRIO_WARNING : PRIO_INFO;
}

char *
entry_summary(const char *server, const char *database, const char *text)
{
	json_t *o = entry_new(ENTRY_SUMMARY, note_priority(ENTRY_SUMMARY), clock_wall_us());

	set_message(o, "", text, "");
	set(o, "DBHEALTH_SERVER", server);
	set(o, "DBHEALTH_DATABASE", database);
	return entry_take(o);
}

char *
entry_note(enum entry_kind kind, const char *reason, size_t count, const char *fmt, ...)
{
	json_t *o = entry_new(kind, note_priority(kind), clock_wall_us());
	_cleanup_free_ char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	set_message(o, "", message, "");
	if (reason)
		set(o, "DBHEALTH_REASON", reason);
	if (count)
		setf(o, "DBHEALTH_COUNT", "%zu", count);
	return entry_take(o);
}

static char *
joined(char *const *v, const char *sep)
{
	_cleanup_str_ struct str s = { 0 };

	for (size_t i = 0; v && v[i] && s.len < TEXT_MAX_BYTES; i++)
		str_addf(&s, "%s%s", i ? sep : "", v[i]);
	return text_ellipsis(str_text(&s), TEXT_MAX_BYTES);
}

char *
entry_reloaded(char *const *changes)
{
	json_t *o =
	    entry_new(ENTRY_CONFIG_RELOADED, note_priority(ENTRY_CONFIG_RELOADED), clock_wall_us());
	_cleanup_free_ char *all = joined(changes, "; ");

	set_message(o, "configuration reloaded: ", *all ? all : "nothing changed", "");
	set(o, "DBHEALTH_REASON", all);
	setf(o, "DBHEALTH_COUNT", "%zu", strv_len(changes));
	return entry_take(o);
}

char *
entry_rejected(char *const *errors)
{
	json_t *o =
	    entry_new(ENTRY_CONFIG_REJECTED, note_priority(ENTRY_CONFIG_REJECTED), clock_wall_us());
	size_t n = strv_len(errors);
	_cleanup_free_ char *all = joined(errors, "\n"), *few = joined(errors, "; ");
	_cleanup_free_ char *head = xasprintf(
	    "configuration rejected, nothing changes: %zu fault%s: ", n, n == 1 ? "" : "s");

	set_message(o, head, few, " (dbhealthd --check-config)");
	set(o, "DBHEALTH_REASON", all);
	setf(o, "DBHEALTH_COUNT", "%zu", n);
	return entry_take(o);
}

char *
entry_acknowledged(const struct finding *f, const char *who)
{
	json_t *o = entry_new(ENTRY_ACKNOWLEDGED, PRIO_INFO, clock_wall_us());
	_cleanup_free_ char *head = xasprintf("%s: acknowledged%s%s: %s%s%s", finding_place(f),
	    who ? " by " : "", who ? who : "", f->check, *f->object ? " " : "", f->object);
	_cleanup_free_ char *tail = xasprintf(" (dbhealth explain %.6s)", f->id);

	set_message(o, head, "", tail);
	set(o, "DBHEALTH_SERVER", f->server);
	set(o, "DBHEALTH_DATABASE", f->database);
	set(o, "DBHEALTH_CHECK", f->check);
	set(o, "DBHEALTH_OBJECT", f->object);
	set(o, "DBHEALTH_FINDING_ID", f->id);
	return entry_take(o);
}

char *
entry_silence(const struct silence *s, const char *text)
{
	json_t *o = entry_new(ENTRY_ACKNOWLEDGED, PRIO_INFO, clock_wall_us());
	_cleanup_free_ char *target = silence_target(s);

	set_message(o, "", text, "");
	set(o, "DBHEALTH_DATABASE", s->databases && !s->databases[1] ? s->databases[0] : "");
	set(o, "DBHEALTH_CHECK", s->checks && !s->checks[1] ? s->checks[0] : "");
	set(o, "DBHEALTH_OBJECT", s->objects && !s->objects[1] ? s->objects[0] : "");
	set(o, "DBHEALTH_SILENCE_ID", s->id);
	set(o, "DBHEALTH_SILENCE", target);
	set(o, "DBHEALTH_REASON", s->reason);
	set(o, "DBHEALTH_AUTHOR", s->author);
	return entry_take(o);
}

char *
entry_log(enum log_level level, const char *line)
{
	static const int priorities[] = { [LOG_LEVEL_ERROR] = PRIO_ERROR,
		[LOG_LEVEL_WARNING] = PRIO_WARNING,
		[LOG_LEVEL_INFO] = PRIO_INFO,
		[LOG_LEVEL_DEBUG] = PRIO_DEBUG };
	json_t *o = entry_new(ENTRY_NONE, priorities[level], clock_wall_us());

	set(o, "MESSAGE", line);
	return entry_take(o);
}
