/*
 * From a check file to a check.  One table names every head key and how its value is read; what a
 * key means together with others is judged once at the end.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "check/bind.h"
#include "check/body.h"
#include "check/cause.h"
#include "check/head.h"
#include "check/need.h"
#include "check/remedy.h"
#include <ctype.h>

#define PARSE_MAX_BYTES  ((size_t)256 << 10)
#define PARSE_MAX_PARAMS 40
#define EVENT_HOLD_US    (24 * 3600 * USEC_PER_SEC)

typedef int (*head_set_fn)(struct check *, const char *value, struct err *);
/* Either a text or a threshold at an offset, or a function. */
struct head_key {
	const char *name;
	size_t text, threshold;
	head_set_fn set;
};

static int
word_index(const char *value, const char *const *words, size_t n, const char *what, struct err *e)
{
	_cleanup_str_ struct str list = { 0 };
	const char *near;

	for (size_t i = 0; i < n; i++)
		if (*words[i] && streq(value, words[i]))
			return (int)i;
	for (size_t i = 0; i < n; i++)
		if (*words[i])
			str_addf(&list, "%s%s", list.len > 0 ? ", " : "", words[i]);
	near = str_nearest(value, words, n);
	return err_set(e, -EINVAL, "\"%s\" is not %s (%s)%s%s%s", value, what, str_text(&list),
	    near && *near ? "; did you mean " : "", near ? near : "", near && *near ? "?" : "");
}

static bool
is_id(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 63 && s[0] != '-' && s[len - 1] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int
set_id(struct check *c, const char *value, struct err *e)
{
	if (!is_id(value))
		return err_set(e, -EINVAL,
		    "\"%s\" is not small letters, digits and inner dashes, up to 63", value);
	c->id = xstrdup(value);
	return 0;
}

static int
set_engine(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, engine_names, ENGINE_N, "an engine", e);

	c->engine = (enum engine)MAX(i, 0);
	return i;
}

static int
set_probe(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, probe_names, PROBE_N, "a probe", e);

	c->probe = (enum probe)MAX(i, 0);
	return i;
}

static int
set_scope(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, check_scope_names, ARRAY_SIZE(check_scope_names), "a scope", e);

	c->scope = (enum check_scope)MAX(i, 0);
	return i;
}

static int
set_cost(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, check_cost_names, ARRAY_SIZE(check_cost_names), "a cost", e);

	c->cost = (enum check_cost)MAX(i, 0);
	return i;
}

static int
set_source(struct check *c, const char *value, struct err *e)
{
	int i =
	    word_index(value, check_source_names, ARRAY_SIZE(check_source_names), "a source", e);

	c->source = (enum check_source)MAX(i, 0);
	return i;
}

static int
set_of(struct check *c, const char *value, struct err *e)
{
	(void)e;
	c->of = xstrdup(value);
	return 0;
}

/* A number in the unit of the other check, or `column NAME` of its rows. */
static int
set_limit(struct check *c, const char *value, struct err *e)
{
	if (str_starts(value, "column ")) {
		c->limit_column = xstrdup(value + strlen("column "));
		return 0;
	}
	return number_parse(value, &c->limit, e);
}

static int
set_kind(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, check_kind_names, KIND_N, "a kind", e);

	c->kind = (enum check_kind)MAX(i, 0);
	return i;
}

static int
set_unit(struct check *c, const char *value, struct err *e)
{
	int i = word_index(value, unit_names, UNIT_N, "a unit", e);

	c->unit = (enum unit)MAX(i, 0);
	return i;
}

static int
set_severity(struct check *c, const char *value, struct err *e)
{
	const char *const words[] = { "", "info", "warning", "critical" };
	int i = word_index(value, words, ARRAY_SIZE(words), "a severity", e);

	c->severity = (enum severity)MAX(i, 0);
	return i;
}

static int
set_default(struct check *c, const char *value, struct err *e)
{
	static const char *const words[] = { "off", "on" };
	int i = word_index(value, words, ARRAY_SIZE(words), "a default", e);

	c->on_by_default = i > 0;
	return i;
}

static int
set_interval(struct check *c, const char *value, struct err *e)
{
	int r = duration_parse(value, &c->interval_us, e);

	if (r >= 0 && c->interval_us < USEC_PER_SEC)
		return err_set(e, -EINVAL, "%s is less than 1s", value);
	return r;
}

static int
set_window(struct check *c, const char *value, struct err *e)
{
	int r = duration_parse(value, &c->window_us, e);

	if (r >= 0 && c->window_us < USEC_PER_SEC)
		return err_set(e, -EINVAL, "%s is less than 1s", value);
	return r;
}

static int
set_for(struct check *c, const char *value, struct err *e)
{
	return check_for_parse(value, c->for_us, e);
}

static int
set_hold(struct check *c, const char *value, struct err *e)
{
	return check_hold_parse(value, &c->hold_us, e);
}

static int
set_changing(struct check *c, const char *value, struct err *e)
{
	static const char *const words[] = { "open", "pending" };
	int i = word_index(value, words, ARRAY_SIZE(words), "a word", e);

	if (i < 0)
		return i;
	c->changing = i == 1 ? CHANGING_PENDING : CHANGING_OPEN;
	return 0;
}

static int
set_needs(struct check *c, const char *value, struct err *e)
{
	return need_list_parse(value, false, &c->needs, e);
}

static int
set_causes(struct check *c, const char *value, struct err *e)
{
	return check_causes_parse(value, c, e);
}

static int
set_remedies(struct check *c, const char *value, struct err *e)
{
	static const char *const words[] = { "always", "after-cause" };
	int i = word_index(value, words, ARRAY_SIZE(words), "a word", e);

	if (i < 0)
		return i;
	c->cause_first = i == 1;
	return 0;
}

static int
set_confined(struct check *c, const char *value, struct err *e)
{
	static const char *const words[] = { "no", "yes" };
	int i = word_index(value, words, ARRAY_SIZE(words), "a word", e);

	if (i < 0)
		return i;
	c->confined = i == 1;
	return 0;
}

static int
set_metric(struct check *c, const char *value, struct err *e)
{
	/* What the exposition adds by type, or what its readers take for a part of a histogram. */
	static const char *const endings[] = { "_total", "_info", "_count", "_sum", "_bucket",
		"_created" };
	size_t len = strlen(value);

	if (!islower((unsigned char)*value) ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") != len || len > 100)
		return err_set(
		    e, -EINVAL, "\"%s\" is not small letters, digits and underscores", value);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(value, endings[i]))
			return err_set(e, -EINVAL,
			    "\"%s\": no name ends with %s; a rate's counter gets its _total", value,
			    endings[i]);
	c->metric = xstrdup(value);
	return 0;
}

#define TEXT(key)                                                                                  \
	{                                                                                          \
#key, .text = offsetof(struct check, key)                                          \
	}
#define THRESHOLD(key)                                                                             \
	{                                                                                          \
#key, .threshold = offsetof(struct check, key)                                     \
	}
#define WORD(key)                                                                                  \
	{                                                                                          \
#key, .set = set_##key                                                             \
	}
static const struct head_key head_keys[] = { WORD(id), TEXT(title), WORD(engine), WORD(probe),
	TEXT(topic), WORD(scope), WORD(interval), WORD(default), WORD(cost), WORD(confined), WORD(kind), WORD(unit),
	WORD(severity), THRESHOLD(info), THRESHOLD(warning), THRESHOLD(critical), THRESHOLD(clear),
	WORD(for), WORD(window), WORD(hold), WORD(changing), WORD(needs), { "caused-by", .set = set_causes }, WORD(remedies), WORD(metric), WORD(source), WORD(of), WORD(limit), TEXT(message),
	TEXT(why), TEXT(spares), TEXT(fix), TEXT(evidence), TEXT(doc), TEXT(reference) };

static const struct head_key *
find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(head_keys); i++)
		if (streq(head_keys[i].name, name))
			return &head_keys[i];
	return NULL;
}

static bool
is_head_key(const char *name)
{
	return find_key(name) || str_starts(name, "param.") || str_starts(name, "remedy.");
}

static int
unknown_key(const char *name, struct err *e)
{
	const char *names[ARRAY_SIZE(head_keys)], *near;

	for (size_t i = 0; i < ARRAY_SIZE(head_keys); i++)
		names[i] = head_keys[i].name;
	near = str_nearest(name, names, ARRAY_SIZE(names));
	return err_set(e, -EINVAL, "unknown key%s%s%s", near ? "; did you mean " : "",
	    near ? near : "", near ? "?" : "");
}

static int
add_param(struct check *c, const char *name, const char *value, struct err *e)
{
	if (!islower((unsigned char)*name) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name) ||
	    strlen(name) > 63)
		return err_set(
		    e, -EINVAL, "a param's name is small letters, digits and underscores");
	for (size_t i = 0; bind_engine_names[i]; i++)
		if (streq(bind_engine_names[i], name))
			return err_set(e, -EINVAL, "the name belongs to the engine");
	if (c->nparams == PARSE_MAX_PARAMS)
		return err_set(e, -EINVAL, "more than %d params", PARSE_MAX_PARAMS);
	c->params = xreallocarray(c->params, c->nparams + 1, sizeof(*c->params));
	c->params[c->nparams++] =
	    (struct check_param){ .name = xstrdup(name), .value = xstrdup(value) };
	return 0;
}

static int
apply_line(struct check *c, const struct head_line *line, struct err *e)
{
	const struct head_key *key = find_key(line->key);

	if (str_starts(line->key, "param."))
		return add_param(c, line->key + strlen("param."), line->value, e);
	if (!*line->value && (key || str_starts(line->key, "remedy.")))
		return err_set(e, -EINVAL, "no value");
	if (str_starts(line->key, "remedy."))
		return remedy_parse(c, line->key + strlen("remedy."), line->value, e);
	if (!key)
		return unknown_key(line->key, e);
	if (key->set)
		return key->set(c, line->value, e);
	if (key->threshold)
		return threshold_parse(
		    line->value, (struct threshold *)(void *)((char *)c + key->threshold), e);
	*(char **)(void *)((char *)c + key->text) = xstrdup(line->value);
	return 0;
}

static int
apply_lines(struct check *c, const struct head *head, const char *name, struct err *e)
{
	for (size_t i = 0; i < head->nlines; i++) {
		const struct head_line *line = &head->lines[i];
		int r;

		for (size_t j = 0; j < i; j++)
			if (streq(head->lines[j].key, line->key))
				return err_set(e, -EINVAL, "%s:%d: %s: already set in line %d",
				    name, line->line, line->key, head->lines[j].line);
		r = apply_line(c, line, e);
		if (r < 0)
			return err_prefix(e, "%s:%d: %s", name, line->line, line->key);
	}
	return 0;
}

static const struct head_line *
line_of(const struct head *head, const char *key)
{
	for (size_t i = 0; i < head->nlines; i++)
		if (streq(head->lines[i].key, key))
			return &head->lines[i];
	return NULL;
}

/* A key that has no meaning for this kind. */
static int
refuse(const struct head *head, const char *key, const char *why, const char *name, struct err *e)
{
	const struct head_line *line = line_of(head, key);

	return line ? err_set(e, -EINVAL, "%s:%d: %s: %s", name, line->line, key, why) : 0;
}

static bool
has_threshold(const struct check *c)
{
	return c->info.set || c->warning.set || c->critical.set;
}

static int
judge_source(const struct check *c, const struct head *head, const char *name, struct err *e)
{
	const struct threshold *const all[] = { &c->info, &c->warning, &c->critical, &c->clear };
	bool history = c->source == SOURCE_HISTORY;

	if (c->source == SOURCE_FILE && c->engine != ENGINE_SQLITE)
		return refuse(head, "source", "file is for SQLite", name, e);
	if (history && (!c->of || !line_of(head, "limit")))
		return refuse(
		    head, "source", "history needs `of: CHECK` and `limit: VALUE`", name, e);
	if (history && (c->kind != KIND_GAUGE || c->unit != UNIT_SECONDS))
		return refuse(head, "source", "history is for kind gauge, unit seconds", name, e);
	if (!history && (c->of || line_of(head, "limit")))
		return refuse(head, c->of ? "of" : "limit", "only for source history", name, e);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (threshold_asks_eta(all[i]) && !history)
			return err_set(e, -EINVAL, "%s:1: %s", name, THRESHOLD_ETA_ONLY);
	return 0;
}

/* What keys mean together. */
static int
judge_head(struct check *c, const struct head *head, const char *name, struct err *e)
{
	static const char *const required[] = { "id", "title", "engine", "probe", "kind" };
	bool rows = c->kind == KIND_FINDING || c->kind == KIND_EVENT || c->kind == KIND_SCRUB;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		if (!line_of(head, required[i]))
			return err_set(
			    e, -EINVAL, "%s:1: %s: missing in the head", name, required[i]);
	if (c->kind != KIND_RATE)
		r = refuse(head, "window", "only for kind rate", name, e);
	if (r >= 0 && c->kind != KIND_EVENT)
		r = refuse(head, "hold", "only for kind event", name, e);
	if (r >= 0 && c->kind == KIND_EVENT)
		r = refuse(head, "caused-by", "an event is told when it happens", name, e);
	if (r >= 0 && c->ncauses == 0)
		r = refuse(head, "remedies", "only with caused-by", name, e);
	if (r >= 0 && !has_threshold(c))
		r = refuse(head, "clear", "there is no threshold to clear", name, e);
	if (r >= 0 && !rows)
		r = refuse(head, "severity", "only for kind finding, event and scrub", name, e);
	if (r >= 0 && has_threshold(c))
		r = refuse(head, "severity", "thresholds decide it", name, e);
	if (r >= 0)
		r = judge_source(c, head, name, e);
	if (r < 0)
		return r;
	if (rows && !has_threshold(c) && c->severity == SEVERITY_NONE)
		c->severity = SEVERITY_WARNING;
	if (c->kind == KIND_EVENT && !line_of(head, "hold"))
		c->hold_us = EVENT_HOLD_US;
	if (c->kind == KIND_RATIO && !line_of(head, "unit"))
		c->unit = UNIT_RATIO;
	if (c->kind == KIND_SCRUB && !line_of(head, "cost"))
		c->cost = COST_SCRUB;
	return remedy_finish(c, name, e);
}

static int
add_body(struct check *c, const struct head_body *from, const char *name, struct err *e)
{
	struct check_body *body;
	int r, line = 0;

	c->bodies = xreallocarray(c->bodies, c->nbodies + 1, sizeof(*c->bodies));
	body = &c->bodies[c->nbodies++];
	*body = (struct check_body){
		.items = from->items, .evidence = from->evidence, .line = from->line
	};
	if (from->when && need_list_parse(from->when, true, &body->when, e) < 0)
		return err_prefix(e, "%s:%d: @when", name, from->when_line);
	r = body_statement(c, from->sql, &body->sql, &line, e);
	return r < 0 ? err_prefix(e, "%s:%d", name, from->line + line) : 0;
}

static int
judge_bodies(const struct check *c, const char *name, struct err *e)
{
	bool has_items = false, needs_sql = c->source == SOURCE_SQL || c->source == SOURCE_FILE;
	const struct check_body *last[3] = { NULL, NULL, NULL };

	for (size_t i = 0; i < c->nbodies; i++) {
		const struct check_body *body = &c->bodies[i],
		                        **before = &last[body->evidence ? 2 : body->items];

		if (!needs_sql && !body->evidence)
			return err_set(e, -EINVAL, "%s:%d: a check of source %s has no SQL", name,
			    body->line, check_source_names[c->source]);
		if (body->evidence && (body->items || c->engine != ENGINE_POSTGRESQL))
			return err_set(e, -EINVAL, "%s:%d: @evidence %s", name, body->line,
			    body->items ? "is no list of @items" : "is for PostgreSQL");
		has_items = has_items || body->items;
		if (*before && (*before)->when.n == 0)
			return err_set(e, -EINVAL,
			    "%s:%d: never chosen: the body of line %d has no @when and comes first",
			    name, body->line, (*before)->line);
		*before = body;
	}
	if (needs_sql && !last[0] && !last[1])
		return err_set(e, -EINVAL, "%s:1: no SQL below the head", name);
	if (has_items != (c->kind == KIND_SCRUB))
		return err_set(e, -EINVAL,
		    has_items ? "%s:1: @items is for kind scrub"
		              : "%s:1: kind scrub has an @items body",
		    name);
	return 0;
}

static int
fill(struct check *c, const struct head *head, const char *name, struct err *e)
{
	int r = apply_lines(c, head, name, e);

	if (r >= 0)
		r = judge_head(c, head, name, e);
	for (size_t i = 0; r >= 0 && i < head->nbodies; i++)
		r = add_body(c, &head->bodies[i], name, e);
	return r < 0 ? r : judge_bodies(c, name, e);
}

int
check_parse(const char *text, const char *name, struct check **ret, struct err *e)
{
	_cleanup_(check_freep) struct check *c = NULL;
	_cleanup_(head_done) struct head head = { 0 };
	_cleanup_free_ char *utf8 = NULL;
	size_t len = strlen(text);
	int r;

	if (str_starts(text, "\xef\xbb\xbf"))
		text += 3, len -= 3;
	if (len > PARSE_MAX_BYTES)
		return err_set(e, -EFBIG, "%s:1: more than %zu bytes", name, PARSE_MAX_BYTES);
	utf8 = text_from_peer(text, len, PARSE_MAX_BYTES);
	if (!streq(utf8, text))
		return err_set(e, -EINVAL, "%s:1: not valid UTF-8", name);
	r = head_split(text, name, is_head_key, &head, e);
	if (r < 0)
		return r;
	c = xcalloc(1, sizeof(*c));
	c->on_by_default = true;
	r = fill(c, &head, name, e);
	if (r < 0)
		return r;
	if (!c->topic)
		c->topic = xstrdup(probe_names[c->probe]);
	c->origin = xstrdup(name);
	*ret = TAKE_PTR(c);
	return 0;
}
