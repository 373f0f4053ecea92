/* Values of each type: read into their field, put into words, written for SQL. */
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "conf/option.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/un.h>

/* A field of any type, before it is put where it belongs. */
struct value {
	bool flag;
	int64_t number;
	unsigned bits;
	int word;
	char *text;
	char **list;
	struct conf_pair *pairs;
	size_t npairs;
};

_Static_assert(offsetof(struct conf_database, nlabels) ==
                   offsetof(struct conf_database, labels) + sizeof(struct conf_pair *),
    "the number of labels follows the labels");
_Static_assert(sizeof(enum severity) == sizeof(int), "words are stored as int");

static struct conf_pair *
free_pairs(struct conf_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
	return NULL;
}

static void
value_done(struct value *v)
{
	free(v->text);
	strv_free(v->list);
	free_pairs(v->pairs, v->npairs);
}

enum storage {
	STORE_FLAG,
	STORE_NUMBER,
	STORE_BITS,
	STORE_WORD,
	STORE_TEXT,
	STORE_LIST,
	STORE_PAIRS
};

static enum storage
storage_of(const struct conf_option *o)
{
	if (o->flags & OPT_AS_TEXT)
		return STORE_TEXT;
	switch (o->type) {
	case TYPE_BOOL:
	case TYPE_STAR:
		return STORE_FLAG;
	case TYPE_INT:
	case TYPE_SIZE:
	case TYPE_DURATION:
		return STORE_NUMBER;
	case TYPE_WORD:
		return STORE_WORD;
	case TYPE_PROBES:
		return STORE_BITS;
	case TYPE_LIST:
	case TYPE_NETWORKS:
	case TYPE_RELATIONS:
	case TYPE_WORDS:
		return STORE_LIST;
	case TYPE_LABELS:
		return STORE_PAIRS;
	case TYPE_DURATIONS:
	case TYPE_HOLD:
	case TYPE_TEXT:
	case TYPE_SQL:
	case TYPE_PATH:
	case TYPE_SOCKET_PATH:
	case TYPE_NAME:
	case TYPE_GROUP:
	case TYPE_LISTEN:
	case TYPE_URL:
	case TYPE_THRESHOLD:
	case TYPE_DSN:
	case TYPE_N:
		break;
	}
	return STORE_TEXT;
}

static int
parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*ret = strcasecmp(s, yes[i]) == 0;
			return 0;
		}
	return -EINVAL;
}

static int
parse_int(const char *s, int64_t *ret)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)*s) && *s != '-')
		return -EINVAL;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int
parse_word(const struct conf_option *o, const char *s, int *ret)
{
	for (int64_t i = o->min; i <= o->max; i++)
		if (streq(s, o->words[i])) {
			*ret = (int)i;
			return 0;
		}
	return -EINVAL;
}

static const char *
nearest_word(const struct conf_option *o, const char *s)
{
	return str_nearest(s, o->words + o->min, (size_t)(o->max - o->min + 1));
}

static int
fail_word(const struct conf_option *o, const char *s, struct err *e)
{
	_cleanup_free_ char *accepted = option_accepted(o);
	const char *near = nearest_word(o, s);

	if (near)
		return err_set(
		    e, -EINVAL, "\"%.60s\" is none of %s; did you mean %s?", s, accepted, near);
	return err_set(e, -EINVAL, "\"%.60s\" is none of %s", s, accepted);
}

static int
parse_words(const struct conf_option *o, char *const *list, unsigned *ret_bits, struct err *e)
{
	for (size_t i = 0; list && list[i]; i++) {
		int word;

		if (parse_word(o, list[i], &word) < 0)
			return fail_word(o, list[i], e);
		*ret_bits |= 1u << word;
	}
	return 0;
}

static bool
is_label_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isascii(*s) || (!isalnum((unsigned char)*s) && *s != '_'))
			return false;
	return true;
}

static int
parse_labels(char *const *list, struct value *v, struct err *e)
{
	v->pairs = xcalloc(strv_len(list), sizeof(*v->pairs));
	for (size_t i = 0; list && list[i]; i++) {
		char *equal = strchr(list[i], '=');
		_cleanup_free_ char *name = NULL;

		if (!equal)
			return err_set(
			    e, -EINVAL, "\"%.60s\" has no \"=\"; write env=prod", list[i]);
		name = xstrndup(list[i], (size_t)(equal - list[i]));
		if (!is_label_name(str_trim(name)))
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no label name; it is made of "
			    "letters, digits and \"_\"",
			    name);
		for (size_t j = 0; j < v->npairs; j++)
			if (streq(v->pairs[j].name, str_trim(name)))
				return err_set(e, -EINVAL, "label %.60s is given twice", name);
		v->pairs[v->npairs].name = xstrdup(str_trim(name));
		v->pairs[v->npairs++].value = xstrdup(str_trim(equal + 1));
	}
	return 0;
}

/* ">= 0.8", "> 3 x baseline and > 500ms else > 3s": its words are judged with the check. */
static int
parse_threshold(const char *s, struct err *e)
{
	if (*s && !strchr("<>=!", *s))
		return err_set(e, -EINVAL,
		    "\"%.60s\" is no threshold; write OP VALUE, as in >= 0.8, < 5min or > 10GB", s);
	return 0;
}

static int
parse_duration(const struct conf_option *o, const char *s, int64_t *ret, struct err *e)
{
	int r = duration_parse(s, ret, e);

	if (r < 0)
		return r;
	if (*ret < o->min || *ret > o->max) {
		_cleanup_free_ char *accepted = option_accepted(o);

		return err_set(e, -ERANGE, "\"%.60s\" is out of range; write %s", s, accepted);
	}
	return 0;
}

static int
parse_durations(const struct conf_option *o, char *const *list, struct err *e)
{
	int64_t us;
	int r = 0;

	if (strv_len(list) < 1 || strv_len(list) > 2)
		return err_set(e, -EINVAL, "write one duration, or two: for warning, critical");
	for (size_t i = 0; list[i] && r == 0; i++)
		r = parse_duration(o, list[i], &us, e);
	return r;
}

static int
parse_relations(char *const *list, struct err *e)
{
	for (size_t i = 0; list && list[i]; i++) {
		const char *arrow = strstr(list[i], "->");
		_cleanup_free_ char *left =
		    arrow ? xstrndup(list[i], (size_t)(arrow - list[i])) : NULL;
		_cleanup_free_ char *right = arrow ? xstrdup(arrow + 2) : NULL;

		if (!arrow || !strchr(left, '.') || !strchr(right, '.') || strstr(right, "->"))
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no relation; write "
			    "public.orders.user_id -> public.users.id",
			    list[i]);
	}
	return 0;
}

/* Either family, without a name that would have to be resolved. */
static bool
is_address(const char *s, int *ret_bits)
{
	unsigned char buf[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, s, buf) == 1)
		*ret_bits = 32;
	else if (inet_pton(AF_INET6, s, buf) == 1)
		*ret_bits = 128;
	else
		return false;
	return true;
}

static int
parse_networks(char *const *list, struct err *e)
{
	for (size_t i = 0; list && list[i]; i++) {
		_cleanup_free_ char *address = xstrdup(list[i]);
		char *slash = strchr(address, '/');
		int64_t bits = 0;
		int max;

		if (slash)
			*slash = '\0';
		if (!is_address(address, &max) ||
		    (slash && (parse_int(slash + 1, &bits) < 0 || bits < 0 || bits > max)))
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no network; write 10.0.0.0/8 or 2001:db8::/32", list[i]);
	}
	return 0;
}

static int
parse_listen(const char *s, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(s);
	char *colon = strrchr(copy, ':'), *address = copy;
	int64_t port = 0;
	int bits;

	if (colon) {
		*colon = '\0';
		if (*address == '[' && colon > address && colon[-1] == ']') {
			colon[-1] = '\0';
			address++;
		}
	}
	if (!colon || !is_address(address, &bits) || parse_int(colon + 1, &port) < 0 || port < 1 ||
	    port > 65535)
		return err_set(e, -EINVAL,
		    "\"%.60s\" is no ADDRESS:PORT; write 127.0.0.1:9630 or [::1]:9630", s);
	return 0;
}

static int
parse_path(const char *s, size_t max, struct err *e)
{
	if (*s != '/')
		return err_set(e, -EINVAL, "\"%.60s\" is no absolute path", s);
	if (strlen(s) > max)
		return err_set(e, -ENAMETOOLONG, "the path is longer than %zu bytes", max);
	return 0;
}

/* Whether s begins with "SCHEME:" or "SCHEME+driver:". */
static bool
has_scheme(const char *s, const char *scheme)
{
	size_t n = strlen(scheme);

	if (strncasecmp(s, scheme, n) != 0)
		return false;
	if (s[n] == '+')
		n += 1 + strspn(s + n + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return s[n] == ':';
}

static int
parse_dsn(const char *s, int *ret_engine, struct err *e)
{
	if (has_scheme(s, "sqlite"))
		*ret_engine = ENGINE_SQLITE;
	else if (has_scheme(s, "postgresql") || has_scheme(s, "postgres"))
		*ret_engine = ENGINE_POSTGRESQL;
	else if (has_scheme(s, "pgbouncer"))
		return err_set(e, -EOPNOTSUPP, "PgBouncer comes with a later version of dbhealthd");
	else if (!strstr(s, "://") && *s != '/' && *s != '.' && strchr(s, '='))
		*ret_engine =
		    ENGINE_POSTGRESQL; /* libpq's "host=... dbname=..." or "service=..." */
	else if (*s == '/' || *s == '.')
		return err_set(e, -EINVAL, "a SQLite file is written sqlite:/path/to/file");
	else
		return err_set(e, -EINVAL,
		    "names no known engine; write postgresql://..., "
		    "sqlite:/path, KEYWORD=VALUE ... or service=NAME");
	return 0;
}

static int
check_range(const struct conf_option *o, int64_t n, const char *s, struct err *e)
{
	_cleanup_free_ char *accepted = NULL;

	if (n >= o->min && n <= o->max)
		return 0;
	accepted = option_accepted(o);
	return err_set(e, -ERANGE, "\"%.60s\" is out of range; write %s", s, accepted);
}

/* What a text must be like, where the field holds the text itself. */
static int
parse_text(const struct conf_option *o, const char *s, struct value *v, struct err *e)
{
	int64_t us;

	switch (o->type) {
	case TYPE_HOLD:
		return streq(s, "ack") ? 0 : parse_duration(o, s, &us, e);
	case TYPE_PATH:
		return parse_path(s, PATH_MAX - 1, e);
	case TYPE_SOCKET_PATH:
		return parse_path(s, sizeof(((struct sockaddr_un *)0)->sun_path) - 1, e);
	case TYPE_NAME:
		if (conf_name_valid(s))
			return 0;
		return err_set(e, -EINVAL,
		    "\"%.60s\" is no name; write up to 40 letters, digits, "
		    "\"_\", \".\" and \"-\"",
		    s);
	case TYPE_GROUP:
		if (getgrnam(s))
			return 0;
		return err_set(e, -ENOENT, "there is no group \"%.60s\"", s);
	case TYPE_LISTEN:
		return parse_listen(s, e);
	case TYPE_URL:
		if (str_starts(s, "https://") || str_starts(s, "http://"))
			return 0;
		return err_set(e, -EINVAL, "\"%.60s\" is no URL; write https://...", s);
	case TYPE_THRESHOLD:
		return parse_threshold(s, e);
	case TYPE_DSN:
		return parse_dsn(s, &v->word, e);
	case TYPE_SQL:
	case TYPE_TEXT:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_SIZE:
	case TYPE_DURATION:
	case TYPE_DURATIONS:
	case TYPE_LIST:
	case TYPE_NETWORKS:
	case TYPE_RELATIONS:
	case TYPE_WORD:
	case TYPE_WORDS:
	case TYPE_PROBES:
	case TYPE_LABELS:
	case TYPE_STAR:
	case TYPE_N:
		break;
	}
	return 0;
}

static int
parse_value(const struct conf_option *o, const char *s, struct value *v, struct err *e)
{
	_cleanup_free_ char *accepted = NULL;
	int r = 0;

	v->text = xstrdup(s);
	switch (o->type) {
	case TYPE_BOOL:
		if (parse_bool(s, &v->flag) < 0)
			return err_set(e, -EINVAL, "\"%.60s\" is neither yes nor no", s);
		return 0;
	case TYPE_STAR:
		v->flag = streq(s, "*");
		return v->flag ? 0 : err_set(e, -EINVAL, "\"%.60s\" is not accepted; write *", s);
	case TYPE_INT:
		if (parse_int(s, &v->number) == 0)
			return check_range(o, v->number, s, e);
		accepted = option_accepted(o);
		return err_set(e, -EINVAL, "\"%.60s\" is no whole number; write %s", s, accepted);
	case TYPE_SIZE:
		r = size_parse(s, &v->number, e);
		return r < 0 ? r : check_range(o, v->number, s, e);
	case TYPE_DURATION:
		return parse_duration(o, s, &v->number, e);
	case TYPE_WORD:
		return parse_word(o, s, &v->word) < 0 ? fail_word(o, s, e) : 0;
	case TYPE_LIST:
	case TYPE_DURATIONS:
	case TYPE_RELATIONS:
	case TYPE_NETWORKS:
	case TYPE_WORDS:
	case TYPE_PROBES:
	case TYPE_LABELS:
		v->list = strv_split_commas(s);
		if (o->type == TYPE_DURATIONS)
			return parse_durations(o, v->list, e);
		if (o->type == TYPE_RELATIONS)
			return parse_relations(v->list, e);
		if (o->type == TYPE_NETWORKS)
			return parse_networks(v->list, e);
		if (o->type == TYPE_WORDS || o->type == TYPE_PROBES)
			return parse_words(o, v->list, &v->bits, e);
		if (o->type == TYPE_LABELS)
			return parse_labels(v->list, v, e);
		return 0;
	case TYPE_HOLD:
	case TYPE_TEXT:
	case TYPE_SQL:
	case TYPE_PATH:
	case TYPE_SOCKET_PATH:
	case TYPE_NAME:
	case TYPE_GROUP:
	case TYPE_LISTEN:
	case TYPE_URL:
	case TYPE_THRESHOLD:
	case TYPE_DSN:
	case TYPE_N:
		break;
	}
	return parse_text(o, s, v, e);
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

		*pairs = free_pairs(*pairs, *n);
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
store(const struct conf_option *o, struct value *v, void *base)
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

/* What an empty value would leave behind: nothing set, or there is nothing it could mean. */
static bool
may_be_empty(const struct conf_option *o)
{
	enum storage s = storage_of(o);

	if (o->type == TYPE_THRESHOLD)
		return true;
	return !o->def && !(o->flags & OPT_REQUIRED) && o->kind != KIND_CHECK &&
	       (s == STORE_TEXT || s == STORE_LIST || s == STORE_PAIRS || o->type == TYPE_STAR ||
	           o->field == OPT_NO_FIELD);
}

int
option_parse(const struct conf_option *o, const char *text, void *base, struct err *e)
{
	_cleanup_(value_done) struct value v = { 0 };
	int r = 0;

	if (!*text && !may_be_empty(o)) {
		_cleanup_free_ char *accepted = option_accepted(o);

		return err_set(e, -EINVAL, "is empty; write %s", accepted);
	}
	if (*text)
		r = parse_value(o, text, &v, e);
	if (r < 0)
		return r;
	if (o->type == TYPE_PROBES && v.bits == 0)
		return err_set(e, -EINVAL, "names no probe");
	if (base && o->field != OPT_NO_FIELD)
		store(o, &v, base);
	return 0;
}

static char *
join_words(const struct conf_option *o)
{
	_cleanup_str_ struct str out = { 0 };

	for (int64_t i = o->min; i <= o->max; i++)
		str_addf(&out, "%s%s", i > o->min ? ", " : "", o->words[i]);
	return str_take(&out);
}

char *
option_accepted(const struct conf_option *o)
{
	_cleanup_free_ char *from = NULL, *to = NULL;

	switch (o->type) {
	case TYPE_BOOL:
		return xstrdup("yes or no");
	case TYPE_INT:
		return xasprintf("%" PRId64 " to %" PRId64, o->min, o->max);
	case TYPE_SIZE:
		return xstrdup("a size like 64kB, 10MB or 2GB");
	case TYPE_DURATION:
		from = duration_text(o->min);
		to = duration_text(o->max);
		return xasprintf(
		    "a duration from %s to %s, like 250ms, 10s, 5min, 1h or 7d", from, to);
	case TYPE_DURATIONS:
		return xstrdup("a duration like 10min, or two: for warning, critical");
	case TYPE_HOLD:
		return xstrdup("a duration like 1d, or ack");
	case TYPE_WORD:
	case TYPE_WORDS:
	case TYPE_PROBES:
		return join_words(o);
	case TYPE_PATH:
	case TYPE_SOCKET_PATH:
		return xstrdup("an absolute path");
	case TYPE_TEXT:
	case TYPE_SQL:
	case TYPE_NAME:
	case TYPE_GROUP:
	case TYPE_LISTEN:
	case TYPE_URL:
	case TYPE_THRESHOLD:
	case TYPE_LIST:
	case TYPE_NETWORKS:
	case TYPE_RELATIONS:
	case TYPE_LABELS:
	case TYPE_STAR:
	case TYPE_DSN:
	case TYPE_N:
		break;
	}
	return xasprintf("something like %s", o->example);
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
	_cleanup_(value_done) struct value v = { 0 };
	_cleanup_str_ struct str out = { 0 };

	if (!*text || parse_value(o, text, &v, NULL) < 0)
		return NULL;
	switch (o->type) {
	case TYPE_BOOL:
		return xstrdup(v.flag ? "true" : "false");
	case TYPE_INT:
	case TYPE_SIZE:
		return xasprintf("%" PRId64, v.number);
	case TYPE_DURATION:
		return xasprintf("%.15g", (double)v.number / (double)USEC_PER_SEC);
	case TYPE_LIST:
	case TYPE_NETWORKS:
	case TYPE_RELATIONS:
	case TYPE_WORDS:
	case TYPE_PROBES:
	case TYPE_LABELS:
		if (!v.list)
			return NULL;
		for (size_t i = 0; v.list[i]; i++) {
			str_add(&out, i ? ", " : "[");
			add_json_string(&out, v.list[i]);
		}
		str_addc(&out, ']');
		return str_take(&out);
	case TYPE_DURATIONS:
	case TYPE_HOLD:
	case TYPE_TEXT:
	case TYPE_SQL:
	case TYPE_PATH:
	case TYPE_SOCKET_PATH:
	case TYPE_NAME:
	case TYPE_GROUP:
	case TYPE_LISTEN:
	case TYPE_URL:
	case TYPE_THRESHOLD:
	case TYPE_WORD:
	case TYPE_STAR:
	case TYPE_DSN:
	case TYPE_N:
		break;
	}
	return xstrdup(text);
}

void
option_set_defaults(enum conf_kind kind, void *base)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		_cleanup_(value_done) struct value v = { 0 };
		int r = 0;

		if (o->kind != kind || o->field == OPT_NO_FIELD || !o->def)
			continue;
		/* The default group need not exist: that is told where it matters. */
		if (o->type == TYPE_GROUP)
			v.text = xstrdup(o->def);
		else
			r = parse_value(o, o->def, &v, NULL);
		assert(r == 0);
		store(o, &v, base);
	}
}

void
option_copy_fields(enum conf_kind kind, void *to, const void *from)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		const void *field = (const char *)from + o->field;
		_cleanup_(value_done) struct value v = { 0 };

		if (o->kind != kind || o->field == OPT_NO_FIELD || o->type == TYPE_DSN)
			continue;
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

void
option_free_fields(enum conf_kind kind, void *base)
{
	for (size_t i = 0; i < conf_noptions; i++)
		if (conf_options[i].kind == kind && conf_options[i].field != OPT_NO_FIELD)
			free_field(&conf_options[i], (char *)base + conf_options[i].field);
}
