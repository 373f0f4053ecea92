/* Whether two configurations say the same, and what of a new one a restart alone applies. */
#include "base/str.h"
#include "conf/option.h"

bool
conf_database_equal(const struct conf_database *a, const struct conf_database *b)
{
	if (!streq(a->name, b->name) || a->engine != b->engine || a->noptions != b->noptions)
		return false;
	if (!option_fields_equal(KIND_DATABASE, a, b))
		return false;
	for (size_t i = 0; i < a->noptions; i++)
		if (!str_same(a->options[i].value, conf_database_get(b, a->options[i].name)))
			return false;
	return true;
}

static bool
check_equal(const struct conf_check *a, const struct conf_check *b)
{
	if (!str_same(a->database, b->database) || !streq(a->check, b->check) ||
	    a->nkeys != b->nkeys)
		return false;
	for (size_t i = 0; i < a->nkeys; i++)
		if (!streq(a->keys[i].name, b->keys[i].name) ||
		    !streq(a->keys[i].value, b->keys[i].value))
			return false;
	return true;
}

static bool
query_equal(const struct conf_query *a, const struct conf_query *b)
{
	return streq(a->name, b->name) && option_fields_equal(KIND_QUERY, a, b);
}

bool
conf_checks_equal(const struct conf *a, const struct conf *b)
{
	if (a->nchecks != b->nchecks || a->nqueries != b->nqueries)
		return false;
	for (size_t i = 0; i < a->nchecks; i++)
		if (!check_equal(&a->checks[i], &b->checks[i]))
			return false;
	for (size_t i = 0; i < a->nqueries; i++)
		if (!query_equal(&a->queries[i], &b->queries[i]))
			return false;
	return true;
}

struct conf *
conf_copy_daemon(const struct conf *from)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	option_copy_fields(KIND_DAEMON, &c->daemon, &from->daemon);
	c->daemon.socket_group_set = from->daemon.socket_group_set;
	c->defaults.name = xstrdup("");
	return c;
}

char **
conf_needs_restart(const struct conf *running, const struct conf *loaded)
{
	char **keys = NULL;

	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		_cleanup_free_ char *key = NULL;

		if (o->kind != KIND_DAEMON || !(o->flags & OPT_RESTART) ||
		    option_field_equal(o, &running->daemon, &loaded->daemon))
			continue;
		key = xasprintf("[%s] %s", conf_sections[o->kind].name, o->name);
		strv_add(&keys, key);
	}
	return keys;
}
