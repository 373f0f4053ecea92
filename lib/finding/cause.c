/* The rules of all checks by engine and id, and the forest that they make of findings. */
#include "finding/cause.h"
#include "base/map.h"
#include "base/str.h"

struct rule_set {
	struct check_cause *v;
	size_t n;
};
struct cause_rules {
	struct map *sets;   /* "ENGINE/CHECK" -> struct rule_set */
	struct map *causes; /* "ENGINE/CHECK" that something names, to anything */
};

/* ---- the rules ---- */

static char *
rule_name(enum engine engine, const char *check)
{
	return xasprintf("%s/%s", engine_names[engine], check);
}

static void
rule_set_free(void *p)
{
	struct rule_set *set = p;

	for (size_t i = 0; i < set->n; i++) {
		free(set->v[i].check);
		free(set->v[i].field);
		free(set->v[i].of);
	}
	free(set->v);
	free(set);
}

struct cause_rules *
cause_rules_new(void)
{
	struct cause_rules *r = xcalloc(1, sizeof(*r));

	r->sets = map_new();
	r->causes = map_new();
	return r;
}

void
cause_rules_add(struct cause_rules *r, const struct check *c)
{
	_cleanup_free_ char *name = rule_name(c->engine, c->id);
	struct rule_set *set;

	if (c->ncauses == 0)
		return;
	set = xcalloc(1, sizeof(*set));
	set->v = xcalloc(c->ncauses, sizeof(*set->v));
	for (; set->n < c->ncauses; set->n++) {
		const struct check_cause *from = &c->causes[set->n];
		_cleanup_free_ char *cause = rule_name(c->engine, from->check);

		set->v[set->n] = (struct check_cause){
			.check = xstrdup(from->check),
			.least = from->least,
			.field = from->field ? xstrdup(from->field) : NULL,
			.of = from->of ? xstrdup(from->of) : NULL,
		};
		map_put(r->causes, cause, r);
	}
	map_put(r->sets, name, set);
}

struct cause_rules *
cause_rules_free(struct cause_rules *r)
{
	if (!r)
		return NULL;
	map_free(r->sets, rule_set_free);
	map_free(r->causes, NULL);
	free(r);
	return NULL;
}

bool
cause_rules_concern(const struct cause_rules *r, enum engine engine, const char *check)
{
	_cleanup_free_ char *name = rule_name(engine, check);

	return map_get(r->sets, name) || map_get(r->causes, name);
}

/* Of one check that of the server explains that of a database, never the other way round. */
static bool
may_explain(const struct check_cause *rule, const struct finding *f)
{
	return !streq(rule->check, f->check) || (*f->database && *f->server);
}

bool
cause_rules_explain(const struct cause_rules *r, const struct finding *f)
{
	_cleanup_free_ char *name = rule_name(f->engine, f->check);
	const struct rule_set *set = map_get(r->sets, name);

	for (size_t i = 0; set && i < set->n; i++)
		if (may_explain(&set->v[i], f))
			return true;
	return false;
}

/* ---- who is related ---- */

static const char *
field_value(const struct finding *f, const char *field)
{
	if (streq(field, "object"))
		return f->object;
	if (streq(field, "key"))
		return f->key;
	for (size_t i = 0; i < f->nlabels; i++)
		if (streq(f->labels[i].name, field))
			return f->labels[i].value;
	return NULL;
}

static bool
is_related(const struct check_cause *rule, const struct finding *f, const struct finding *cause)
{
	const char *a, *b;

	if (cause == f || cause->lost || cause->severity < rule->least)
		return false;
	if (streq(rule->check, f->check) && (*cause->database || !*f->database))
		return false;
	if (!rule->field)
		return true;
	a = field_value(f, rule->field);
	b = field_value(cause, rule->of);
	return a && b && *a && streq(a, b);
}

/* ---- the choice ---- */

static bool
is_better(const struct finding *a, const struct finding *b)
{
	return findings_by_urgency(&a, &b) < 0;
}

static char *
place_name(enum engine engine, const char *check, const char *server, const char *database)
{
	/* A database's is named by it alone; U+001F is in no name. */
	return xasprintf(
	    "%s/%s\x1f%s\x1f%s", engine_names[engine], check, *database ? "" : server, database);
}

static struct map *
by_place(struct cause_node *nodes, size_t n)
{
	struct map *places = map_new();

	for (size_t i = 0; i < n; i++) {
		const struct finding *f = nodes[i].finding;
		_cleanup_free_ char *name = place_name(f->engine, f->check, f->server, f->database);

		nodes[i].parent = nodes[i].same_place = NULL;
		nodes[i].awaits = false;
		nodes[i].above = SEVERITY_NONE;
		nodes[i].mark = 0;
		nodes[i].same_place = map_put(places, name, &nodes[i]);
	}
	return places;
}

static void
look_at(struct cause_node *node, const struct check_cause *rule, const struct map *places,
    const char *server, const char *database)
{
	const struct finding *f = node->finding;
	_cleanup_free_ char *name = place_name(f->engine, rule->check, server, database);

	for (struct cause_node *c = map_get(places, name); c; c = c->same_place) {
		if (!is_related(rule, f, c->finding))
			continue;
		if (c->finding->state == FINDING_PENDING)
			node->awaits = true;
		else if (!node->parent || is_better(c->finding, node->parent->finding))
			node->parent = c;
	}
}

/* A circle is left at the worst of it. */
static void
break_circle(struct cause_node *on)
{
	struct cause_node *top = on;

	for (struct cause_node *n = on->parent; n != on; n = n->parent)
		if (is_better(n->finding, top->finding))
			top = n;
	top->parent = NULL;
}

static void
break_circles(struct cause_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned mark = (unsigned)i + 1;
		struct cause_node *at = &nodes[i];

		while (at && at->mark == 0) {
			at->mark = mark;
			at = at->parent;
		}
		if (at && at->mark == mark)
			break_circle(at);
	}
}

void
causes_choose(const struct cause_rules *rules, struct cause_node *nodes, size_t n)
{
	struct map *places = by_place(nodes, n);

	for (size_t i = 0; i < n; i++) {
		const struct finding *f = nodes[i].finding;
		_cleanup_free_ char *name = rule_name(f->engine, f->check);
		const struct rule_set *set = map_get(rules->sets, name);

		for (size_t k = 0; set && f->state == FINDING_OPEN && k < set->n; k++) {
			if (*f->database)
				look_at(&nodes[i], &set->v[k], places, "", f->database);
			if (*f->server)
				look_at(&nodes[i], &set->v[k], places, f->server, "");
		}
	}
	map_free(places, NULL);
	break_circles(nodes, n);
	for (size_t i = 0; i < n; i++)
		for (const struct cause_node *p = nodes[i].parent; p; p = p->parent)
			nodes[i].above = MAX(nodes[i].above, p->finding->severity);
}
