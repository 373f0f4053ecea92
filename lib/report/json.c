/*
 * The JSON shapes of the API for findings and checks.  No key ever vanishes: what cannot be said
 * is null.
 */
#include "check/cause.h"
#include "finding/silence.h"
#include "report/report.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"

#include <math.h>

json_t *
report_string(const char *s)
{
	_cleanup_free_ char *clean = NULL;
	json_t *j;

	if (!s)
		return json_null();
	j = json_string(s);
	if (j)
		return j;
	clean = text_from_peer(s, strlen(s), SIZE_MAX);
	j = json_string(clean);
	return j ? j : json_null();
}

json_t *
report_number(double value, enum unit unit)
{
	/* Counts above 2^53 are no whole numbers any more; the cast below must stay in range. */
	const double exact = 9007199254740992.0;

	(void)unit;
	if (!isfinite(value))
		return json_null();
	if (value == floor(value) && fabs(value) <= exact)
		return json_integer((json_int_t)value);
	return json_real(value);
}

json_t *
report_time(int64_t wall_us)
{
	char buf[CLOCK_RFC3339_SIZE];

	if (wall_us == 0)
		return json_null();
	clock_rfc3339(wall_us, buf);
	return report_string(buf);
}

/* U+007F..U+009F, U+200B..U+200F, U+2028..U+202E, U+2066..U+2069: length, or 0. */
static size_t
hidden_character(const unsigned char *s, unsigned *ret_code)
{
	unsigned code;

	if (s[0] == 0x7f) {
		*ret_code = 0x7f;
		return 1;
	}
	if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f) {
		*ret_code = s[1];
		return 2;
	}
	if (s[0] != 0xe2 || (s[1] != 0x80 && s[1] != 0x81) || s[2] == 0)
		return 0;
	code = 0x2000U | (unsigned)(s[1] & 0x3f) << 6 | (unsigned)(s[2] & 0x3f);
	if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069)) {
		*ret_code = code;
		return 3;
	}
	return 0;
}

char *
report_dump(const json_t *json)
{
	_cleanup_free_ char *text =
	    json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	_cleanup_str_ struct str out = { 0 };
	const char *plain;

	if (!text)
		return xstrdup("null");
	/* Such bytes stand in strings only, so an escape is right wherever they are. */
	plain = text;
	for (const char *p = text; *p;) {
		unsigned code = 0;
		size_t n = hidden_character((const unsigned char *)p, &code);

		if (n == 0) {
			p++;
			continue;
		}
		str_addn(&out, plain, (size_t)(p - plain));
		str_addf(&out, "\\u%04x", code);
		p += n;
		plain = p;
	}
	str_add(&out, plain);
	return str_take(&out);
}

static void
set_string(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, report_string(value));
}

static json_t *
finding_labels(const struct finding *f)
{
	json_t *o = json_object();

	for (size_t i = 0; i < f->nlabels; i++) {
		_cleanup_free_ char *name =
		    text_from_peer(f->labels[i].name, strlen(f->labels[i].name), TEXT_MAX_BYTES);

		set_string(o, name, f->labels[i].value);
	}
	return o;
}

static void
add_remedy(json_t *to, const struct check_remedy *r)
{
	json_t *o = json_object();

	set_string(o, "title", r->title ? r->title : "");
	set_string(o, "kind", remedy_kind_names[r->kind]);
	set_string(o, "text", r->text ? r->text : "");
	set_string(o, "risk", remedy_risk_names[r->risk]);
	set_string(o, "undo", r->undo ? r->undo : "");
	json_object_set_new(o, "closes", json_boolean(r->closes));
	json_array_append_new(to, o);
}

/* What may do harm while its cause is open is not offered till then. */
static json_t *
finding_remedies(const struct finding *f)
{
	json_t *a = json_array();

	if (f->cause_first && *f->caused_by && f->nremedies > 0) {
		_cleanup_free_ char *text = xasprintf("First mend what it follows from: dbhealth "
		                                      "explain %s. What would help here may do "
		                                      "harm until then.",
		    f->caused_by);
		char title[] = "mend its cause first";

		add_remedy(a,
		    &(struct check_remedy){ .title = title, .kind = REMEDY_MANUAL, .text = text });
		return a;
	}
	for (size_t i = 0; i < f->nremedies; i++)
		add_remedy(a, &f->remedies[i]);
	return a;
}

json_t *
report_finding(const struct finding *f)
{
	json_t *o = json_object(), *remedies = finding_remedies(f);

	set_string(o, "id", f->id);
	set_string(o, "server", f->server ? f->server : "");
	set_string(o, "database", f->database ? f->database : "");
	set_string(o, "engine", engine_names[f->engine]);
	set_string(o, "probe", probe_names[f->probe]);
	set_string(o, "check", f->check);
	set_string(o, "title", f->title ? f->title : "");
	set_string(o, "object", f->object ? f->object : "");
	json_object_set_new(o, "labels", finding_labels(f));
	set_string(o, "severity", severity_names[f->severity]);
	set_string(o, "state", finding_state_names[f->state]);
	set_string(o, "message", f->message ? f->message : "");
	json_object_set_new(
	    o, "value", f->has_value ? report_number(f->value, f->unit) : json_null());
	set_string(o, "unit", unit_names[f->unit]);
	set_string(o, "threshold", f->threshold && *f->threshold ? f->threshold : NULL);
	set_string(o, "detail", f->detail);
	set_string(o, "why", f->why);
	json_object_set(o, "remedy",
	    json_array_size(remedies) > 0 ? json_object_get(json_array_get(remedies, 0), "text")
	                                  : json_null());
	json_object_set_new(o, "remedies", remedies);
	json_object_set_new(o, "since", report_time(f->since_wall_us));
	json_object_set_new(o, "last_seen", report_time(f->last_seen_wall_us));
	json_object_set_new(o, "resolved_at", report_time(f->resolved_wall_us));
	json_object_set_new(o, "stale", json_boolean(f->stale));
	set_string(o, "stale_reason", f->stale ? f->stale_reason : NULL);
	json_object_set_new(o, "lost", json_boolean(f->lost));
	json_object_set_new(o, "acknowledged", json_boolean(f->acked));
	json_object_set_new(
	    o, "silenced", json_boolean(f->mute && f->mute->kind != SILENCE_ACCEPT));
	json_object_set_new(
	    o, "accepted", json_boolean(f->mute && f->mute->kind == SILENCE_ACCEPT));
	json_object_set_new(o, "silence", report_mute(f->mute));
	json_object_set_new(o, "flapping", json_boolean(f->flapping));
	json_object_set_new(
	    o, "flapping_since", report_time(f->flapping ? f->flapping_since_wall_us : 0));
	json_object_set_new(o, "flapping_changes",
	    f->flapping ? json_integer((json_int_t)f->flapping_changes) : json_null());
	set_string(o, "caused_by", *f->caused_by ? f->caused_by : NULL);
	json_object_set_new(o, "count", json_integer((json_int_t)f->count));
	return o;
}

/* Every body, each under its conditions, as the file would say it. */
static char *
check_sql(const struct check *c)
{
	_cleanup_str_ struct str out = { 0 };

	for (size_t i = 0; i < c->nbodies; i++) {
		const struct check_body *b = &c->bodies[i];

		if (b->items)
			str_add(&out, "-- @items\n");
		if (b->evidence)
			str_add(&out, "-- @evidence\n");
		for (size_t k = 0; k < b->when.n; k++)
			str_addf(&out, "-- @when %s\n", b->when.v[k].text ? b->when.v[k].text : "");
		str_add(&out, b->sql ? b->sql : "");
		if (out.len > 0 && out.s[out.len - 1] != '\n')
			str_addc(&out, '\n');
	}
	return str_take(&out);
}

/* The worst that the check can raise: by its thresholds, else by what its SQL says. */
static const char *
check_severity(const struct check *c)
{
	enum severity worst = SEVERITY_NONE;

	if (c->critical.set)
		return severity_names[SEVERITY_CRITICAL];
	if (c->warning.set)
		return severity_names[SEVERITY_WARNING];
	if (c->info.set)
		return severity_names[SEVERITY_INFO];
	for (size_t i = 0; i < c->nbodies; i++) {
		for (int s = SEVERITY_INFO; s < SEVERITY_N; s++) {
			_cleanup_free_ char *literal = xasprintf("'%s'", severity_names[s]);

			if (c->bodies[i].sql && !c->bodies[i].evidence &&
			    strstr(c->bodies[i].sql, literal))
				worst = MAX(worst, (enum severity)s);
		}
	}
	return worst == SEVERITY_NONE ? NULL : severity_names[worst];
}

static json_t *
check_thresholds(const struct check *c)
{
	const struct {
		const char *name;
		const struct threshold *t;
	} all[] = { { "info", &c->info }, { "warning", &c->warning }, { "critical", &c->critical },
		{ "clear", &c->clear } };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *text =
		    all[i].t->set ? threshold_text(all[i].t, UNIT_COUNT) : NULL;

		set_string(o, all[i].name, text);
	}
	return o;
}

static json_t *
check_causes(const struct check *c)
{
	json_t *a = json_array();

	for (size_t i = 0; i < c->ncauses; i++) {
		const struct check_cause *cause = &c->causes[i];
		json_t *o = json_object();

		set_string(o, "check", cause->check);
		set_string(o, "severity", severity_names[cause->least]);
		set_string(o, "field", cause->field);
		set_string(o, "of", cause->of);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *
check_remedies(const struct check *c)
{
	json_t *a = json_array();

	for (size_t i = 0; i < c->nremedies; i++) {
		const struct check_remedy *r = &c->remedies[i];
		json_t *o = json_object();

		set_string(o, "title", r->title ? r->title : "");
		set_string(o, "kind", remedy_kind_names[r->kind]);
		set_string(o, "risk", remedy_risk_names[r->risk]);
		set_string(o, "undo", r->undo ? r->undo : "");
		json_object_set_new(o, "closes", json_boolean(r->closes));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *
seconds(int64_t us)
{
	return report_number((double)us / (double)USEC_PER_SEC, UNIT_SECONDS);
}

json_t *
report_check(const struct check *c, int64_t probe_interval_us)
{
	static const char *const costs[] = { "cheap", "dear", "scrub" };
	_cleanup_free_ char *sql = check_sql(c);
	json_t *o = json_object(), *params = json_object(), *needs = json_array();

	for (size_t i = 0; i < c->nparams; i++)
		set_string(params, c->params[i].name, c->params[i].value);
	for (size_t i = 0; i < c->needs.n; i++)
		json_array_append_new(needs, report_string(c->needs.v[i].text));
	set_string(o, "id", c->id);
	set_string(o, "engine", engine_names[c->engine]);
	set_string(o, "default", c->on_by_default ? "on" : "off");
	json_object_set_new(o, "interval", seconds(MAX(c->interval_us, probe_interval_us)));
	json_object_set_new(o, "for", seconds(c->for_us[SEVERITY_WARNING]));
	json_object_set_new(o, "for_critical", seconds(c->for_us[SEVERITY_CRITICAL]));
	json_object_set_new(o, "hold",
	    c->hold_us == HOLD_ACK ? json_string("ack")
	    : c->hold_us > 0       ? seconds(c->hold_us)
	                           : json_null());
	json_object_set_new(o, "window", c->window_us > 0 ? seconds(c->window_us) : json_null());
	set_string(o, "severity", check_severity(c));
	set_string(o, "message", c->message);
	set_string(o, "probe", probe_names[c->probe]);
	set_string(o, "topic", c->topic);
	set_string(o, "scope", c->scope == SCOPE_SERVER ? "server" : "database");
	set_string(o, "kind", check_kind_names[c->kind]);
	set_string(o, "cost", costs[c->cost]);
	set_string(o, "source", check_source_names[c->source]);
	set_string(o, "title", c->title);
	set_string(o, "unit", unit_names[c->unit]);
	json_object_set_new(o, "thresholds", check_thresholds(c));
	json_object_set_new(o, "params", params);
	json_object_set_new(o, "needs", needs);
	json_object_set_new(o, "caused_by", check_causes(c));
	set_string(o, "metric", c->metric);
	set_string(o, "why", c->why);
	set_string(o, "spares", c->spares);
	set_string(o, "fix", c->fix);
	set_string(o, "evidence", c->evidence);
	set_string(o, "doc", c->doc);
	set_string(o, "reference", c->reference);
	json_object_set_new(o, "remedies", check_remedies(c));
	set_string(o, "sql", sql);
	set_string(o, "origin", c->origin);
	json_object_set_new(o, "replaces", json_boolean(c->replaces));
	return o;
}

int
report_exit_code(const char *status)
{
	if (streq(status, status_names[STATUS_OK]))
		return 0;
	if (streq(status, status_names[STATUS_WARNING]))
		return 1;
	if (streq(status, status_names[STATUS_CRITICAL]))
		return 2;
	return 3;
}

enum status
report_status_of(const json_t *findings)
{
	enum status worst = STATUS_OK;
	const json_t *f;
	size_t i;

	json_array_foreach (findings, i, f) {
		const char *state = json_string_value(json_object_get(f, "state"));
		const char *severity = json_string_value(json_object_get(f, "severity"));

		if (report_is_muted(f))
			continue;

		if (!severity || !state || !streq(state, finding_state_names[FINDING_OPEN]))
			continue;
		if (streq(severity, severity_names[SEVERITY_CRITICAL]))
			worst = status_worse(worst, STATUS_CRITICAL);
		else if (streq(severity, severity_names[SEVERITY_WARNING]))
			worst = status_worse(worst, STATUS_WARNING);
	}
	return worst;
}
