/* Fields of the configuration: put there, copied and freed as the option table says. */
#include "base/clock.h"
#include "base/str.h"
#include "conf/parse.h"
#include <inttypes.h>

_Static_assert(offsetof(struct conf_database, nlabels) ==
                   offsetof(struct conf_database, labels) + sizeof(struct conf_pair *),
    "the number of labels follows the labels");
_Static_assert(sizeof(enum severity) == sizeof(int), "words are stored as int");

static enum conf_storage
storage_of(const struct conf_option *o)
{
	return o->flags & OPT_AS_TEXT ? STORE_TEXT : conf_type_storage(o->type);
}

static void
free_field(const struct conf_option *o, void *field)
{
	switch (storage_of(o)) {
	case STORE_TEXT:
		free(TAKE_PTR(*(char **)field));
		break;
	case STORE_LIST:
		*(char ***)field = strv_free(*(char ***)field);
		break;
	case STORE_PAIRS: {
		struct conf_pair **pairs = field;
		size_t *n = (size_t *)(pairs + 1);

		*pairs = conf_pairs_free(*pairs, *n);
		*n = 0;
		break;
	}
	case STORE_FLAG:
	case STORE_NUMBER:
	case STORE_BITS:
	case STORE_WORD:
		break;
	}
}

static void
store(const struct conf_option *o, struct conf_value *v, void *base)
{
	void *field = (char *)base + o->field;

	free_field(o, field);
	switch (storage_of(o)) {
	case STORE_FLAG:
		*(bool *)field = v->flag;
		break;
	case STORE_NUMBER:
		*(int64_t *)field = v->number;
		break;
	case STORE_BITS:
		*(unsigned *)field = v->bits;
		break;
	case STORE_WORD:
		memcpy(field, &v->word, sizeof(v->word));
		break;
	case STORE_TEXT:
		*(char **)field = TAKE_PTR(v->text);
		break;
	case STORE_LIST:
		*(char ***)field = TAKE_PTR(v->list);
		break;
	case STORE_PAIRS:
		*(struct conf_pair **)field = TAKE_PTR(v->pairs);
		*(size_t *)((struct conf_pair **)field + 1) = v->npairs;
		v->npairs = 0;
		break;
	}
	if (o->type == TYPE_DSN)
		((struct conf_database *)base)->engine = (enum engine)v->word;
}

/* An empty value leaves nothing set, where there is something that could be. */
static bool
may_be_empty(const struct conf_option *o)
{
	enum conf_storage s = storage_of(o);

	if (o->type == TYPE_THRESHOLD)
		return true;
	return !o->def && !(o->flags & OPT_REQUIRED) && o->kind != KIND_CHECK &&
	       (s == STORE_TEXT || s == STORE_LIST || s == STORE_PAIRS || o->type == TYPE_STAR ||
	           o->field == OPT_NO_FIELD);
}

int
option_parse(const struct conf_option *o, const char *text, void *base, struct err *e)
{
	_cleanup_(conf_value_done) struct conf_value v = { 0 };
	int r = 0;

	if (!*text && !may_be_empty(o)) {
		_cleanup_free_ char *accepted = option_accepted(o);

		return err_set(e, -EINVAL, "is empty; write %s", accepted);
	}
	if (*text)
		r = conf_value_parse(o, text, &v, e);
	if (r < 0)
		return r;
	if (base && o->field != OPT_NO_FIELD)
		store(o, &v, base);
	return 0;
}

static void
add_json_string(struct str *out, const char *s)
{
	str_addc(out, '"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			str_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			str_addf(out, "\\u%04x", *s);
		else
			str_addc(out, *s);
	str_addc(out, '"');
}

char *
option_canonical(const struct conf_option *o, const char *text)
{
	_cleanup_(conf_value_done) struct conf_value v = { 0 };
	_cleanup_str_ struct str out = { 0 };

	if (!*text || conf_value_parse(o, text, &v, NULL) < 0)
		return NULL;
	switch (conf_type_storage(o->type)) {
	case STORE_FLAG:
		return xstrdup(o->type == TYPE_STAR ? "*" : v.flag ? "true" : "false");
	case STORE_NUMBER:
		if (o->type == TYPE_DURATION)
			return xasprintf("%.15g", (double)v.number / (double)USEC_PER_SEC);
		return xasprintf("%" PRId64, v.number);
	case STORE_BITS:
	case STORE_LIST:
	case STORE_PAIRS:
		for (size_t i = 0; v.list && v.list[i]; i++) {
			str_add(&out, i ? ", " : "[");
			add_json_string(&out, v.list[i]);
		}
		if (out.len == 0)
			return NULL;
		str_addc(&out, ']');
		return str_take(&out);
	case STORE_TEXT:
	case STORE_WORD:
		break;
	}
	return xstrdup(text);
}

void
option_set_defaults(enum conf_kind kind, void *base)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		_cleanup_(conf_value_done) struct conf_value v = { 0 };
		int r = 0;

		if (o->kind != kind || o->field == OPT_NO_FIELD || !o->def)
			continue;
		/* The default group need not exist: that is told where it matters. */
		if (o->type == TYPE_GROUP)
			v.text = xstrdup(o->def);
		else
			r = conf_value_parse(o, o->def, &v, NULL);
		assert(r == 0);
		store(o, &v, base);
	}
}

void
option_copy_fields(enum conf_kind kind, void *to, const void *from)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		_cleanup_(conf_value_done) struct conf_value v = { 0 };
		const void *field;

		if (o->kind != kind || o->field == OPT_NO_FIELD || o->type == TYPE_DSN)
			continue;
		field = (const char *)from + o->field;
		switch (storage_of(o)) {
		case STORE_FLAG:
			v.flag = *(const bool *)field;
			break;
		case STORE_NUMBER:
			v.number = *(const int64_t *)field;
			break;
		case STORE_BITS:
			v.bits = *(const unsigned *)field;
			break;
		case STORE_WORD:
			memcpy(&v.word, field, sizeof(v.word));
			break;
		case STORE_TEXT:
			v.text = xstrdup(*(char *const *)field);
			break;
		case STORE_LIST:
			v.list = strv_dup(*(char **const *)field);
			break;
		case STORE_PAIRS: {
			const struct conf_pair *pairs = *(struct conf_pair *const *)field;

			v.npairs = *(const size_t *)((struct conf_pair *const *)field + 1);
			v.pairs = v.npairs ? xcalloc(v.npairs, sizeof(*pairs)) : NULL;
			for (size_t j = 0; j < v.npairs; j++)
				v.pairs[j] = (struct conf_pair){ xstrdup(pairs[j].name),
					xstrdup(pairs[j].value) };
			break;
		}
		}
		store(o, &v, to);
	}
}

static bool
list_equal(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (strv_len(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!streq(a[i], b[i]))
			return false;
	return true;
}

static bool
pairs_equal(const void *a, const void *b)
{
	const struct conf_pair *pa = *(struct conf_pair *const *)a;
	const struct conf_pair *pb = *(struct conf_pair *const *)b;
	size_t na = *(const size_t *)((struct conf_pair *const *)a + 1);
	size_t nb = *(const size_t *)((struct conf_pair *const *)b + 1);

	for (size_t i = 0; na == nb && i < na; i++)
		if (!streq(pa[i].name, pb[i].name) || !streq(pa[i].value, pb[i].value))
			return false;
	return na == nb;
}

bool
option_field_equal(const struct conf_option *o, const void *base_a, const void *base_b)
{
	const void *a = (const char *)base_a + o->field, *b = (const char *)base_b + o->field;

	switch (storage_of(o)) {
	case STORE_TEXT:
		return str_same(*(char *const *)a, *(char *const *)b);
	case STORE_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case STORE_NUMBER:
		return *(const int64_t *)a == *(const int64_t *)b;
	case STORE_BITS:
		return *(const unsigned *)a == *(const unsigned *)b;
	case STORE_WORD:
		return memcmp(a, b, sizeof(int)) == 0;
	case STORE_LIST:
		return list_equal(*(char **const *)a, *(char **const *)b);
	case STORE_PAIRS:
		return pairs_equal(a, b);
	}
	return false;
}

bool
option_fields_equal(enum conf_kind kind, const void *a, const void *b)
{
	for (size_t i = 0; i < conf_noptions; i++)
		if (conf_options[i].kind == kind && conf_options[i].field != OPT_NO_FIELD &&
		    !option_field_equal(&conf_options[i], a, b))
			return false;
	return true;
}

void
option_free_fields(enum conf_kind kind, void *base)
{
	for (size_t i = 0; i < conf_noptions; i++)
		if (conf_options[i].kind == kind && conf_options[i].field != OPT_NO_FIELD)
			free_field(&conf_options[i], (char *)base + conf_options[i].field);
}
