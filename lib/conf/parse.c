/* Texts of each type: what is accepted, and what they mean. */
#include "conf/parse.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/keep.h"
#include "base/net.h"
#include "base/str.h"
#include "base/unit.h"
#include "conf/sqlname.h"
#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <strings.h>
#include <sys/un.h>

struct conf_pair *
conf_pairs_free(struct conf_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
	return NULL;
}

void
conf_value_done(struct conf_value *v)
{
	free(v->text);
	strv_free(v->list);
	conf_pairs_free(v->pairs, v->npairs);
}

static int
read_int(const char *s, int64_t *ret)
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

	if (o->words)
		return join_words(o);
	if (o->type == TYPE_BOOL)
		return xstrdup("yes or no");
	if (o->type == TYPE_INT)
		return xasprintf("%" PRId64 " to %" PRId64, o->min, o->max);
	if (o->type == TYPE_SIZE)
		return xstrdup("a size like 64kB, 10MB or 2GB");
	if (o->type == TYPE_DURATION) {
		from = duration_text(o->min);
		to = duration_text(o->max);
		return xasprintf(
		    "a duration from %s to %s, like 250ms, 10s, 5min, 1h or 7d", from, to);
	}
	if (o->type == TYPE_PERCENT)
		return xasprintf("%" PRId64 "%% to %" PRId64 "%%", o->min, o->max);
	if (o->type == TYPE_PATH || o->type == TYPE_SOCKET_PATH)
		return xstrdup("an absolute path");
	return xasprintf("something like %s", o->example);
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

/* The parsers below share one form, so that a type is a line in the table at the end. */

static int
parse_bool(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	(void)o;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		v->flag = strcasecmp(s, yes[i]) == 0;
		if (v->flag || strcasecmp(s, no[i]) == 0)
			return 0;
	}
	return err_set(e, -EINVAL, "\"%.60s\" is neither yes nor no", s);
}

static int
parse_star(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	v->flag = streq(s, "*");
	return v->flag ? 0 : err_set(e, -EINVAL, "\"%.60s\" is not accepted; write *", s);
}

static int
parse_int(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	_cleanup_free_ char *accepted = option_accepted(o);

	if (read_int(s, &v->number) == 0)
		return check_range(o, v->number, s, e);
	return err_set(e, -EINVAL, "\"%.60s\" is no whole number; write %s", s, accepted);
}

static int
parse_size(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = size_parse(s, &v->number, e);

	return r < 0 ? r : check_range(o, v->number, s, e);
}

static int
parse_duration(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = duration_parse(s, &v->number, e);

	return r < 0 ? r : check_range(o, v->number, s, e);
}

/* One for warning, or two for warning and critical. */
static int
parse_durations(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = 0;

	v->list = strv_split_commas(s);
	if (strv_len(v->list) < 1 || strv_len(v->list) > 2)
		return err_set(e, -EINVAL, "write one duration, or two: for warning, critical");
	for (size_t i = 0; v->list[i] && r == 0; i++)
		r = parse_duration(o, v->list[i], v, e);
	return r;
}

static int
parse_hold(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	return streq(s, "ack") ? 0 : parse_duration(o, s, v, e);
}

static int
parse_word(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	_cleanup_free_ char *accepted = NULL;
	const char *near;

	for (int64_t i = o->min; i <= o->max; i++)
		if (streq(s, o->words[i])) {
			v->word = (int)i;
			return 0;
		}
	accepted = option_accepted(o);
	near = str_nearest(s, o->words + o->min, (size_t)(o->max - o->min + 1));
	return err_set(e, -EINVAL, "\"%.60s\" is none of %s%s%s%s", s, accepted,
	    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int
parse_words(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = 0;

	v->list = strv_split_commas(s);
	for (size_t i = 0; v->list && v->list[i] && r == 0; i++) {
		r = parse_word(o, v->list[i], v, e);
		if (r == 0)
			v->bits |= 1u << v->word;
	}
	if (r == 0 && v->bits == 0)
		r = err_set(e, -EINVAL, "names nothing");
	return r;
}

static int
parse_list(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)e;
	v->list = strv_split_commas(s);
	return 0;
}

static int
parse_label(const char *s, struct conf_value *v, struct err *e)
{
	const char *equal = strchr(s, '=');
	_cleanup_free_ char *left = NULL, *right = NULL;
	const char *name;

	if (!equal)
		return err_set(e, -EINVAL, "\"%.60s\" has no \"=\"; write env=prod", s);
	left = xstrndup(s, (size_t)(equal - s));
	right = xstrdup(equal + 1);
	name = str_trim(left);
	if (!str_is_name(name))
		return err_set(e, -EINVAL,
		    "\"%.60s\" is no label name; it is made of letters, digits and \"_\"", name);
	for (size_t i = 0; i < v->npairs; i++)
		if (streq(v->pairs[i].name, name))
			return err_set(e, -EINVAL, "label %.60s is given twice", name);
	v->pairs[v->npairs++] = (struct conf_pair){ xstrdup(name), xstrdup(str_trim(right)) };
	return 0;
}

static int
parse_labels(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = 0;

	(void)o;
	v->list = strv_split_commas(s);
	v->pairs = xcalloc(strv_len(v->list), sizeof(*v->pairs));
	for (size_t i = 0; v->list && v->list[i] && r == 0; i++)
		r = parse_label(v->list[i], v, e);
	return r;
}

static int
parse_relations(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	v->list = strv_split_commas(s);
	for (size_t i = 0; v->list && v->list[i]; i++) {
		const char *one = v->list[i], *arrow = strstr(one, "->");
		const char *dot = strchr(one, '.');

		if (!arrow || !dot || dot > arrow || !strchr(arrow, '.') || strstr(arrow + 2, "->"))
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no relation; write "
			    "public.orders.user_id -> public.users.id",
			    one);
	}
	return 0;
}

static int
parse_columns(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	int r = 0;

	(void)o;
	v->list = strv_split_commas(s);
	for (size_t i = 0; v->list && v->list[i] && r == 0; i++)
		r = sqlname_check(v->list[i], 2, 3, "public.users.email", e);
	return r;
}

static int
parse_table(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	return sqlname_check(s, 1, 2, "public.users", e);
}

static int
parse_condition(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	return sqlcondition_check(s, e);
}

static int
parse_calendar(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	struct calendar *c = NULL;
	int r = calendar_parse(s, &c, e);

	(void)o;
	(void)v;
	calendar_free(c);
	return r;
}

static int
parse_networks(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	char **list = v->list = strv_split_commas(s);

	(void)o;
	for (size_t i = 0; list && list[i]; i++)
		if (net_network_check(list[i]) < 0)
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no network; write 10.0.0.0/8 or 2001:db8::/32", list[i]);
	return 0;
}

static int
parse_listen(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	char **list = v->list = strv_split_commas(s);
	struct net_address address;

	(void)o;
	for (size_t i = 0; list && list[i]; i++)
		if (net_address_parse(list[i], &address) < 0)
			return err_set(e, -EINVAL,
			    "\"%.60s\" is no ADDRESS:PORT; write 127.0.0.1:9630 or [::1]:9630",
			    list[i]);
	if (strv_len(list) > CONF_LISTEN_MAX)
		return err_set(e, -E2BIG, "more than %d addresses", CONF_LISTEN_MAX);
	return 0;
}

static int
check_path(const char *s, size_t max, struct err *e)
{
	if (*s != '/')
		return err_set(e, -EINVAL, "\"%.60s\" is no absolute path", s);
	if (strlen(s) > max)
		return err_set(e, -ENAMETOOLONG, "the path is longer than %zu bytes", max);
	return 0;
}

static int
parse_path(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	return check_path(s, PATH_MAX - 1, e);
}

static int
parse_socket_path(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	return check_path(s, sizeof(((struct sockaddr_un *)0)->sun_path) - 1, e);
}

static int
parse_name(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	if (conf_name_valid(s))
		return 0;
	return err_set(e, -EINVAL,
	    "\"%.60s\" is no name; write up to 40 letters, digits, \"_\", \".\" and \"-\"", s);
}

static int
parse_group(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	return getgrnam(s) ? 0 : err_set(e, -ENOENT, "there is no group \"%.60s\"", s);
}

static int
parse_url(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	if (str_starts(s, "https://") || str_starts(s, "http://"))
		return 0;
	return err_set(e, -EINVAL, "\"%.60s\" is no URL; write https://...", s);
}

/* ">= 0.8", "> 3 x baseline and > 500ms else > 3s": its words are judged with the check. */
static int
parse_threshold(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	(void)o;
	(void)v;
	if (strchr("<>=!", *s) || str_starts(s, "eta") || str_starts(s, "outside ") ||
	    streq(s, "none"))
		return 0;
	return err_set(e, -EINVAL,
	    "\"%.60s\" is no threshold; write OP VALUE, as in >= 0.8, < 5min or > 10GB", s);
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
parse_keep(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	struct keep keep;

	(void)o;
	(void)v;
	return keep_parse(s, &keep, e);
}

static int
parse_percent(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	_cleanup_free_ char *accepted = option_accepted(o);
	size_t n = strlen(s);
	_cleanup_free_ char *digits = xstrndup(s, n > 0 && s[n - 1] == '%' ? n - 1 : n);

	if (read_int(digits, &v->number) == 0 && (n != strlen(digits) || v->number == 0))
		return check_range(o, v->number, s, e);
	return err_set(e, -EINVAL, "\"%.60s\" is no percentage; write %s", s, accepted);
}

/* Only the engine: the rest is read where sessions are made.  A reason never quotes a DSN. */
static int
parse_dsn(const struct conf_option *o, const char *s, struct conf_value *v, struct err *e)
{
	size_t scheme = strcspn(s, ":=/ ");

	(void)o;
	v->word = ENGINE_POSTGRESQL;
	if (has_scheme(s, "postgresql") || has_scheme(s, "postgres"))
		return 0;
	if (has_scheme(s, "pgbouncer"))
		return err_set(e, -EOPNOTSUPP, "PgBouncer comes with a later version of dbhealthd");
	if (*s == '/' || *s == '.')
		return err_set(e, -EINVAL, "a SQLite file is written sqlite:/path/to/file");
	/* libpq's "host=... dbname=..." or "service=..." */
	if (scheme > 0 && s[scheme] != ':' && strchr(s, '='))
		return 0;
	v->word = ENGINE_SQLITE;
	if (has_scheme(s, "sqlite"))
		return 0;
	return err_set(e, -EINVAL,
	    "names no known engine; write postgresql://..., sqlite:/path, KEYWORD=VALUE ... or "
	    "service=NAME");
}

static const struct type {
	enum conf_storage storage;
	/* NULL: any text */
	int (*parse)(const struct conf_option *, const char *, struct conf_value *, struct err *);
} types[TYPE_N] = {
	[TYPE_BOOL] = { STORE_FLAG, parse_bool },
	[TYPE_INT] = { STORE_NUMBER, parse_int },
	[TYPE_SIZE] = { STORE_NUMBER, parse_size },
	[TYPE_DURATION] = { STORE_NUMBER, parse_duration },
	[TYPE_DURATIONS] = { STORE_TEXT, parse_durations },
	[TYPE_HOLD] = { STORE_TEXT, parse_hold },
	[TYPE_TEXT] = { STORE_TEXT, NULL },
	[TYPE_SQL] = { STORE_TEXT, NULL },
	[TYPE_PATH] = { STORE_TEXT, parse_path },
	[TYPE_SOCKET_PATH] = { STORE_TEXT, parse_socket_path },
	[TYPE_NAME] = { STORE_TEXT, parse_name },
	[TYPE_GROUP] = { STORE_TEXT, parse_group },
	[TYPE_LISTEN] = { STORE_LIST, parse_listen },
	[TYPE_URL] = { STORE_TEXT, parse_url },
	[TYPE_THRESHOLD] = { STORE_TEXT, parse_threshold },
	[TYPE_LIST] = { STORE_LIST, parse_list },
	[TYPE_NETWORKS] = { STORE_LIST, parse_networks },
	[TYPE_RELATIONS] = { STORE_LIST, parse_relations },
	[TYPE_COLUMNS] = { STORE_LIST, parse_columns },
	[TYPE_TABLE] = { STORE_TEXT, parse_table },
	[TYPE_CONDITION] = { STORE_TEXT, parse_condition },
	[TYPE_CALENDAR] = { STORE_TEXT, parse_calendar },
	[TYPE_KEEP] = { STORE_TEXT, parse_keep },
	[TYPE_PERCENT] = { STORE_NUMBER, parse_percent },
	[TYPE_WORD] = { STORE_WORD, parse_word },
	[TYPE_WORDS] = { STORE_LIST, parse_words },
	[TYPE_PROBES] = { STORE_BITS, parse_words },
	[TYPE_LABELS] = { STORE_PAIRS, parse_labels },
	[TYPE_STAR] = { STORE_FLAG, parse_star },
	[TYPE_DSN] = { STORE_TEXT, parse_dsn },
};

int
conf_value_parse(const struct conf_option *o, const char *text, struct conf_value *v, struct err *e)
{
	v->text = xstrdup(text);
	return types[o->type].parse ? types[o->type].parse(o, text, v, e) : 0;
}

enum conf_storage
conf_type_storage(enum conf_type type)
{
	return types[type].storage;
}
