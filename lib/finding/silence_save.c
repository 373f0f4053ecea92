/* Silences and accepts as rows of the store and back. */
#include "base/str.h"
#include "finding/silence.h"
#include <jansson.h>

static json_t *
list_json(char *const *v)
{
	json_t *a = json_array();

	for (; v && *v; v++)
		json_array_append_new(a, json_string(*v));
	return a;
}

static json_t *
accepted_json(const struct silence *s)
{
	json_t *o = json_object();
	size_t iter = 0;
	const char *id;
	void *value;

	while (map_next(s->accepted, &iter, &id, &value))
		json_object_set_new(o, id, json_string(severity_names[(uintptr_t)value]));
	return o;
}

char *
silence_save(const struct silence *s)
{
	json_t *o = json_object();
	char *dump;

	json_object_set_new(o, "id", json_string(s->id));
	json_object_set_new(o, "kind", json_string(silence_kind_names[s->kind]));
	json_object_set_new(o, "databases", list_json(s->databases));
	json_object_set_new(o, "checks", list_json(s->checks));
	json_object_set_new(o, "objects", list_json(s->objects));
	json_object_set_new(o, "reason", json_string(s->reason));
	json_object_set_new(o, "author", json_string(s->author));
	json_object_set_new(o, "created", json_integer(s->created_wall_us));
	json_object_set_new(o, "until", json_integer(s->until_wall_us));
	json_object_set_new(o, "until_resolved", json_boolean(s->until_resolved));
	json_object_set_new(o, "even_if_worse", json_boolean(s->even_if_worse));
	json_object_set_new(o, "matched", json_boolean(s->matched));
	if (s->kind == SILENCE_ACCEPT)
		json_object_set_new(o, "accepted", accepted_json(s));
	dump = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return dump ? dump : xstrdup("{}");
}

static char **
load_list(const json_t *o, const char *name)
{
	const json_t *a = json_object_get(o, name), *item;
	char **v = NULL;
	size_t i;

	json_array_foreach (a, i, item)
		if (json_is_string(item))
			strv_add(&v, json_string_value(item));
	return v;
}

static char *
load_text(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return xstrdup(text ? text : "");
}

static void
load_accepted(struct silence *s, json_t *list)
{
	const char *id;
	json_t *value;

	json_object_foreach (list, id, value) {
		enum severity severity;

		if (map_size(s->accepted) >= SILENCE_ACCEPT_MAX)
			return;
		if (json_is_string(value) &&
		    severity_parse(json_string_value(value), &severity) == 0)
			map_put(s->accepted, id, (void *)(uintptr_t)severity);
	}
}

int
silence_load(const char *json, struct silence **ret, struct err *e)
{
	json_error_t why;
	json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	const char *id = json_string_value(json_object_get(o, "id"));
	const char *kind = json_string_value(json_object_get(o, "kind"));
	bool accept = kind && streq(kind, silence_kind_names[SILENCE_ACCEPT]);
	bool asked = kind && streq(kind, silence_kind_names[SILENCE_ASKED]);
	struct silence *s;

	if (!id || !*id || strlen(id) >= SHA_ID_SIZE || (!accept && !asked)) {
		json_decref(o);
		return err_set(e, -EINVAL, "a stored silence misses a field");
	}
	s = silence_new(accept ? SILENCE_ACCEPT : SILENCE_ASKED);
	memcpy(s->id, id, strlen(id) + 1);
	s->databases = load_list(o, "databases");
	s->checks = load_list(o, "checks");
	s->objects = load_list(o, "objects");
	free(s->reason);
	free(s->author);
	s->reason = load_text(o, "reason");
	s->author = load_text(o, "author");
	s->created_wall_us = json_integer_value(json_object_get(o, "created"));
	s->until_wall_us = json_integer_value(json_object_get(o, "until"));
	s->until_resolved = json_is_true(json_object_get(o, "until_resolved"));
	s->even_if_worse = json_is_true(json_object_get(o, "even_if_worse"));
	s->matched = json_is_true(json_object_get(o, "matched"));
	if (accept)
		load_accepted(s, json_object_get(o, "accepted"));
	json_decref(o);
	*ret = s;
	return 0;
}
