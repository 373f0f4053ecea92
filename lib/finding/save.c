/*
 * Findings as rows of the store and back.  Monotonic times are written as time elapsed (or left)
 * up to the last sample, so that what was pending goes on where it was, whatever the clock did
 * meanwhile, and whenever the row was written.  What is a matter of time alone (hold, flapping) goes
 * on while nobody looks.
 */
#include "finding/internal.h"
#include <jansson.h>
#include <math.h>

#define SAVED_MAX_LABELS 64

static json_t *
text(const char *s)
{
	return s ? json_string(s) : json_null();
}

static void
set(json_t *o, const char *name, json_t *take_value)
{
	/* Everything came through text_from_peer and values are finite: what is refused is a bug.
	 */
	if (json_object_set_new(o, name, take_value) < 0)
		json_object_set_new(o, name, json_null());
}

static json_t *
save_remedies(const struct finding *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->nremedies; i++) {
		const struct check_remedy *r = &f->remedies[i];
		json_t *o = json_object();

		set(o, "title", text(r->title));
		set(o, "kind", json_integer(r->kind));
		set(o, "risk", json_integer(r->risk));
		set(o, "undo", text(r->undo));
		set(o, "closes", json_boolean(r->closes));
		set(o, "text", text(r->text));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
save_labels(const struct finding *f)
{
	json_t *o = json_object();

	for (size_t i = 0; i < f->nlabels; i++)
		set(o, f->labels[i].name, text(f->labels[i].value));
	return o;
}

static json_t *
save_judgement(const struct finding *f, int64_t now_us)
{
	json_t *o = json_object(), *breach = json_array();
	int64_t hold = f->hold_until_us;

	for (int i = 0; i < SEVERITY_N; i++) {
		bool on = f->breach_samples[i] > 0;

		json_array_append_new(breach, json_integer(f->breach_samples[i]));
		json_array_append_new(
		    breach, json_integer(on ? f->judged_us - f->breach_since_us[i] : 0));
	}
	set(o, "breach", breach);
	set(o, "good_samples", json_integer(f->good_samples));
	set(o, "good_us", json_integer(f->good_samples ? f->judged_us - f->good_since_us : 0));
	set(o, "event_value", json_real(f->event_value));
	/* -1: until somebody acknowledges it */
	set(o, "hold_us",
	    json_integer(hold == INT64_MAX ? -1
	                 : hold > 0        ? MAX(hold - now_us, 1)
	                                   : 0));
	set(o, "hold_until",
	    json_integer(hold > 0 && hold < INT64_MAX ? f->hold_until_wall_us : 0));
	return o;
}

static void
save_fold(json_t *o, const struct finding *f, int64_t now_us)
{
	if (*f->caused_by)
		set(o, "caused_by", text(f->caused_by));
	if (f->folded)
		set(o, "above", text(severity_names[f->above]));
	if (f->waits_us)
		set(o, "waits_us", json_integer(MAX(now_us - f->waits_us, 0)));
	if (f->outlives_us)
		set(o, "outlives_us", json_integer(MAX(now_us - f->outlives_us, 0)));
}

/* Of which it is the worst that is shown, since when it flaps; and when it moved. */
static json_t *
save_flapping(const struct finding *f)
{
	json_t *o = json_object(), *moves = json_array();

	for (size_t i = 0; i < f->nmoves; i++)
		json_array_append_new(moves, json_integer(f->moves[i].wall_us));
	set(o, "moves", moves);
	if (!f->flapping)
		return o;
	set(o, "beneath", text(severity_names[f->beneath]));
	set(o, "since", json_integer(f->flapping_since_wall_us));
	set(o, "changes", json_integer((json_int_t)f->flapping_changes));
	return o;
}

char *
finding_save(const struct finding *f, int64_t now_us)
{
	json_t *o = json_object();
	char *dump;

	set(o, "id", text(f->id));
	set(o, "engine", text(engine_names[f->engine]));
	set(o, "scope", text(f->scope));
	set(o, "check", text(f->check));
	set(o, "key", text(f->key));
	set(o, "server", text(f->server));
	set(o, "database", text(f->database));
	set(o, "probe", text(probe_names[f->probe]));
	set(o, "kind", text(check_kind_names[f->kind]));
	set(o, "title", text(f->title));
	set(o, "object", text(f->object));
	set(o, "item", text(f->item));
	set(o, "state", text(finding_state_names[f->state]));
	set(o, "severity", text(severity_names[f->severity]));
	set(o, "previous", text(severity_names[f->previous]));
	set(o, "value", f->has_value ? json_real(f->value) : json_null());
	set(o, "unit", text(unit_names[f->unit]));
	set(o, "threshold", text(f->threshold));
	set(o, "message", text(f->message));
	set(o, "detail", text(f->detail));
	set(o, "why", text(f->why));
	set(o, "remedies", save_remedies(f));
	if (f->cause_first)
		set(o, "cause_first", json_true());
	set(o, "labels", save_labels(f));
	set(o, "first_seen", json_integer(f->first_seen_wall_us));
	set(o, "since", json_integer(f->since_wall_us));
	set(o, "last_seen", json_integer(f->last_seen_wall_us));
	set(o, "resolved", json_integer(f->resolved_wall_us));
	set(o, "stale", json_boolean(f->stale));
	set(o, "stale_reason", text(f->stale_reason));
	set(o, "lost", json_boolean(f->lost));
	set(o, "acked", json_boolean(f->acked));
	set(o, "mute", text(f->mute_id));
	set(o, "mute_severity", text(severity_names[f->mute_severity]));
	set(o, "mute_broken", json_integer(f->mute_broken_wall_us));
	set(o, "told", text(severity_names[f->told]));
	if (f->state == FINDING_OPEN)
		save_fold(o, f, now_us);
	if (f->nmoves > 0)
		set(o, "flapping", save_flapping(f));
	set(o, "count", json_integer((json_int_t)f->count));
	set(o, "sequence", json_integer((json_int_t)f->sequence));
	set(o, "judgement", save_judgement(f, now_us));
	dump = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return dump ? dump : xstrdup("{}");
}

char *
known_save(const struct group *g)
{
	json_t *o = json_object(), *values = json_object();
	size_t iter = 0;
	const char *key;
	void *value;
	char *dump;

	while (g->known && map_next(g->known, &iter, &key, &value)) {
		const struct known *k = value;
		json_t *pair = json_array();

		json_array_append_new(pair, json_real(k->value));
		json_array_append_new(pair, json_boolean(k->absent));
		set(values, key, pair);
	}
	set(o, "known", values);
	set(o, "scope", text(g->scope->name));
	set(o, "check", text(g->check));
	set(o, "engine", text(engine_names[g->engine]));
	set(o, "baselined", json_boolean(g->baselined));
	dump = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return dump ? dump : xstrdup("{}");
}

char *
sequence_save(uint64_t sequence)
{
	return xasprintf("{\"sequence\":%llu}", (unsigned long long)sequence);
}

/* ---- back ---- */

static const char *
get_text(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static int64_t
get_int(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static char *
dup_text(const json_t *o, const char *name)
{
	const char *s = get_text(o, name);

	return xstrdup(s ? s : "");
}

/* Index of the name in a table of words, or -1. */
static int
get_word(const json_t *o, const char *name, const char *const *words, int n)
{
	const char *s = get_text(o, name);

	for (int i = 0; s && i < n; i++)
		if (words[i] && streq(words[i], s))
			return i;
	return -1;
}

static void
load_remedies(struct finding *f, const json_t *list)
{
	size_t n = MIN(json_array_size(list), (size_t)REMEDY_MAX);

	f->remedies = n ? xcalloc(n, sizeof(*f->remedies)) : NULL;
	for (; f->nremedies < n; f->nremedies++) {
		const json_t *o = json_array_get(list, f->nremedies);
		int64_t kind = get_int(o, "kind"), risk = get_int(o, "risk");

		f->remedies[f->nremedies] = (struct check_remedy){
			.title = dup_text(o, "title"),
			.kind = kind >= 0 && kind < REMEDY_KIND_N ? (enum remedy_kind)kind
			                                          : REMEDY_LOOK,
			.risk =
			    risk >= 0 && risk < RISK_N ? (enum remedy_risk)risk : RISK_DATA_LOSS,
			.undo = dup_text(o, "undo"),
			.closes = json_is_true(json_object_get(o, "closes")),
			.text = dup_text(o, "text"),
		};
	}
}

static void
load_labels(struct finding *f, json_t *labels)
{
	const char *name;
	json_t *value;
	size_t n = MIN(json_object_size(labels), (size_t)SAVED_MAX_LABELS);

	if (n == 0)
		return;
	f->labels = xcalloc(n, sizeof(*f->labels));
	json_object_foreach (labels, name, value) {
		if (f->nlabels == n)
			break;
		f->labels[f->nlabels].name = xstrdup(name);
		f->labels[f->nlabels++].value = dup_text(labels, name);
	}
}

/* Until the time of day that it had, but never longer than was left: clocks are set. */
static int64_t
load_hold(struct finding *f, const json_t *judgement, int64_t now_us, int64_t wall_us)
{
	int64_t hold = get_int(judgement, "hold_us");

	f->hold_until_wall_us = get_int(judgement, "hold_until");
	if (hold > 0 && f->hold_until_wall_us > 0)
		hold = MAX(MIN(hold, f->hold_until_wall_us - wall_us), 1);
	return hold < 0 ? INT64_MAX : hold > 0 ? now_us + hold : 0;
}

static void
load_judgement(struct finding *f, const json_t *o, int64_t now_us)
{
	const json_t *breach = json_object_get(o, "breach");

	for (size_t i = 0; i < SEVERITY_N; i++) {
		int64_t samples = json_integer_value(json_array_get(breach, 2 * i));

		f->breach_samples[i] = (unsigned)MAX(0, MIN(samples, UINT16_MAX));
		f->breach_since_us[i] =
		    now_us - json_integer_value(json_array_get(breach, 2 * i + 1));
	}
	f->judged_us = now_us;
	f->good_samples = (unsigned)MAX(0, MIN(get_int(o, "good_samples"), UINT16_MAX));
	f->good_since_us = now_us - get_int(o, "good_us");
	f->event_value = json_number_value(json_object_get(o, "event_value"));
}

/* What does not come from the check's file and the identity. */
static void
load_content(struct finding *f, const json_t *o)
{
	const json_t *value = json_object_get(o, "value");
	const char *item = get_text(o, "item");
	int unit = get_word(o, "unit", unit_names, UNIT_N);

	f->server = dup_text(o, "server");
	f->database = dup_text(o, "database");
	f->title = dup_text(o, "title");
	f->object = dup_text(o, "object");
	f->item = xstrdup(item);
	f->has_value = json_is_number(value);
	f->value = json_number_value(value);
	f->unit = unit >= 0 ? (enum unit)unit : UNIT_COUNT;
	f->threshold = dup_text(o, "threshold");
	f->message = dup_text(o, "message");
	f->detail = dup_text(o, "detail");
	f->why = dup_text(o, "why");
	load_remedies(f, json_object_get(o, "remedies"));
	f->cause_first = json_is_true(json_object_get(o, "cause_first"));
	load_labels(f, json_object_get(o, "labels"));
	f->first_seen_wall_us = get_int(o, "first_seen");
	f->since_wall_us = get_int(o, "since");
	f->last_seen_wall_us = get_int(o, "last_seen");
	f->resolved_wall_us = get_int(o, "resolved");
	f->stale = json_is_true(json_object_get(o, "stale"));
	f->stale_reason = f->stale ? dup_text(o, "stale_reason") : NULL;
	f->lost = f->stale && json_is_true(json_object_get(o, "lost"));
	f->acked = json_is_true(json_object_get(o, "acked"));
	f->count = (uint64_t)MAX(get_int(o, "count"), 1);
	f->sequence = (uint64_t)MAX(get_int(o, "sequence"), 0);
}

/* Rows of a version without silences: what was open had been told. */
static void
load_mute(struct finding *f, const json_t *o, enum severity severity)
{
	const char *id = get_text(o, "mute");
	int told = get_word(o, "told", severity_names, SEVERITY_N);
	int least = get_word(o, "mute_severity", severity_names, SEVERITY_N);

	if (id && strlen(id) < sizeof(f->mute_id))
		memcpy(f->mute_id, id, strlen(id) + 1);
	f->mute_severity = least >= 0 ? (enum severity)least : SEVERITY_NONE;
	f->mute_broken_wall_us = get_int(o, "mute_broken");
	f->told = told >= 0 ? (enum severity)told : severity;
}

static void
load_fold(struct finding *f, const json_t *o, int64_t now_us)
{
	const char *id = get_text(o, "caused_by");
	const json_t *waits = json_object_get(o, "waits_us");
	const json_t *outlives = json_object_get(o, "outlives_us");
	int above = get_word(o, "above", severity_names, SEVERITY_N);

	if (id && strlen(id) < sizeof(f->caused_by))
		memcpy(f->caused_by, id, strlen(id) + 1);
	f->folded = above > 0;
	f->above = f->folded ? (enum severity)above : SEVERITY_NONE;
	/* 0 stands for no; a monotonic clock that began just now is behind what is kept. */
	if (waits)
		f->waits_us = MAX(now_us - json_integer_value(waits), 1);
	if (outlives)
		f->outlives_us = MAX(now_us - json_integer_value(outlives), 1);
}

static void
load_flapping(struct entry *e, const json_t *o, int64_t now_us, int64_t wall_us)
{
	struct finding *f = &e->f;
	const json_t *moves = json_object_get(o, "moves");
	size_t n = MIN(json_array_size(moves), (size_t)FLAP_CHANGES_MAX + 1);
	int beneath = get_word(o, "beneath", severity_names, SEVERITY_N);

	if (n == 0)
		return;
	f->moves = xcalloc(n, sizeof(*f->moves));
	for (; f->nmoves < n; f->nmoves++) {
		int64_t at = json_integer_value(json_array_get(moves, f->nmoves));

		at = MIN(MAX(at, 0), wall_us); /* a clock set back */
		f->moves[f->nmoves] = (struct finding_move){ now_us - (wall_us - at), at };
	}
	if (beneath < 0 || f->state != FINDING_OPEN)
		return;
	f->beneath = (enum severity)beneath;
	f->flapping_since_wall_us = get_int(o, "since");
	f->flapping_changes = (uint64_t)MAX(get_int(o, "changes"), 0);
	flap_restore(e);
}

static int
load_finding(struct findings *fs, const json_t *o, int64_t now_us, int64_t wall_us, struct err *e)
{
	const char *scope = get_text(o, "scope"), *id = get_text(o, "check");
	const char *key = get_text(o, "key");
	int engine = get_word(o, "engine", engine_names, ENGINE_N);
	int probe = get_word(o, "probe", probe_names, PROBE_N);
	int kind = get_word(o, "kind", check_kind_names, KIND_N);
	int state = get_word(o, "state", finding_state_names, FINDING_STATE_N);
	int severity = get_word(o, "severity", severity_names, SEVERITY_N);
	int previous = get_word(o, "previous", severity_names, SEVERITY_N);
	struct entry *entry;
	struct group *g;

	if (!scope || !id || !key || engine <= 0 || probe < 0 || kind < 0 || state < 0 ||
	    severity <= 0 || previous < 0)
		return err_set(e, -EINVAL, "a stored finding misses a field");
	/* Only what identity and place need: the true check is not known here. */
	struct check check = {
		.id = (char *)id,
		.engine = (enum engine)engine,
		.probe = (enum probe)probe,
		.kind = (enum check_kind)kind,
	};
	struct settings settings = { .check = &check };

	g = group_find(fs, scope, id);
	if (g && entry_find(g, key))
		return err_set(e, -EEXIST, "a stored finding is there twice");
	if (!g)
		g = group_make(fs, scope, id, (enum engine)engine);
	entry = entry_make(g, &settings, key);
	load_content(&entry->f, o);
	load_judgement(&entry->f, json_object_get(o, "judgement"), now_us);
	load_mute(&entry->f, o, (enum severity)severity);
	if (state == FINDING_OPEN)
		load_fold(&entry->f, o, now_us);
	entry->f.previous = (enum severity)previous;
	entry->saved = true;
	entry->marked_us = now_us;
	entry_set(entry, (enum finding_state)state, (enum severity)severity);
	load_flapping(entry, json_object_get(o, "flapping"), now_us, wall_us);
	entry_hold(entry, load_hold(&entry->f, json_object_get(o, "judgement"), now_us, wall_us));
	fs->sequence = MAX(fs->sequence, entry->f.sequence);
	return 0;
}

static int
load_known(struct findings *fs, json_t *o, struct err *e)
{
	const char *scope = get_text(o, "scope"), *check = get_text(o, "check"), *key;
	int engine = get_word(o, "engine", engine_names, ENGINE_N);
	json_t *values = json_object_get(o, "known"), *pair;
	struct group *g;

	if (!scope || !check || engine <= 0)
		return err_set(e, -EINVAL, "stored event values miss a field");
	g = group_make(fs, scope, check, (enum engine)engine);
	g->baselined = json_is_true(json_object_get(o, "baselined"));
	g->saved = true;
	json_object_foreach (values, key, pair) {
		struct known *k = group_known(g, key);

		if (!k)
			break;
		k->value = json_number_value(json_array_get(pair, 0));
		k->absent = json_is_true(json_array_get(pair, 1));
	}
	return 0;
}

int
findings_load(struct findings *fs, const char *json, int64_t now_us, int64_t wall_us, struct err *e)
{
	json_error_t why;
	json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!json_is_object(o))
		r = err_set(
		    e, -EINVAL, "a stored finding cannot be read: %s", o ? "no object" : why.text);
	else if (json_object_get(o, "sequence") && !json_object_get(o, "id")) {
		fs->sequence = MAX(fs->sequence, (uint64_t)MAX(get_int(o, "sequence"), 0));
		r = 0;
	} else if (json_object_get(o, "known"))
		r = load_known(fs, o, e);
	else
		r = load_finding(fs, o, now_us, wall_us, e);
	json_decref(o);
	return r;
}

char *
findings_first_seen(const struct findings *fs, const char *scope, const char *check)
{
	const struct group *g = group_find(fs, scope, check);
	json_t *o = json_object();
	size_t iter = 0;
	void *value;
	char *dump;

	while (g && map_next(g->by_key, &iter, NULL, &value)) {
		const struct entry *e = value;

		if (e->f.state != FINDING_RESOLVED)
			set(o, e->f.key, json_real((double)e->f.first_seen_wall_us / 1e6));
	}
	dump = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return dump ? dump : xstrdup("{}");
}
