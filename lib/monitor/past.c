/* What became of what was known: groups are compared, and said in a sentence each. */
#include "monitor/past.h"
#include "base/sha.h"
#include "base/str.h"
#include "base/text.h"

#define NAMED_MAX 5  /* of one sort in a sentence; the rest is counted */
#define VALUE_MAX 60 /* bytes of a value that are shown */
#define TEXT_SIZE ((size_t)256 << 10)

static const char *const group_names[PAST_N] = { "server", "settings", "pending", "databases",
	"extensions", "statistics", "rights", "file" };

struct past *
past_new(void)
{
	return xcalloc(1, sizeof(struct past));
}

struct past *
past_free(struct past *p)
{
	for (size_t i = 0; p && i < PAST_N; i++)
		free(p->seen[i].text);
	if (p)
		free(p->system);
	free(p);
	return NULL;
}

/* ---- settings ---- */

static char *
value_in_unit(const char *value, const char *unit)
{
	static const struct {
		const char *unit;
		long long times;
		const char *base;
	} units[] = { { "B", 1, "B" }, { "kB", 1024, "B" }, { "8kB", 8192, "B" },
		{ "MB", 1 << 20, "B" }, { "ms", 1, "ms" }, { "s", 1000, "ms" },
		{ "min", 60000, "ms" } };
	static const struct {
		const char *base, *unit;
		long long size;
	} steps[] = { { "B", "TB", 1LL << 40 }, { "B", "GB", 1 << 30 }, { "B", "MB", 1 << 20 },
		{ "B", "kB", 1 << 10 }, { "B", "B", 1 }, { "ms", "d", 86400000 },
		{ "ms", "h", 3600000 }, { "ms", "min", 60000 }, { "ms", "s", 1000 },
		{ "ms", "ms", 1 } };
	char *end;
	long long n = strtoll(value, &end, 10);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!streq(unit, units[i].unit))
			continue;
		/* 0 and -1 mean something of their own, fractions are as they are */
		if (*end || n <= 0 || n > INT64_MAX / units[i].times)
			break;
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++)
			if (streq(steps[k].base, units[i].base) &&
			    n * units[i].times % steps[k].size == 0)
				return xasprintf(
				    "%lld%s", n * units[i].times / steps[k].size, steps[k].unit);
	}
	return xasprintf("%s%s", value, *end || n > 0 ? unit : "");
}

static bool
is_secret(const char *name, const char *value)
{
	static const char *const parts[] = { "conninfo", "command", "passphrase", "password",
		"passwd", "secret", "token", "credential", "apikey", "api_key", "license", "dsn",
		"connection_string", "private" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	/* Whoever made a setting of his own may have put anything there. */
	if (strchr(name, '.') && (strcasestr(name, "key") || strcasestr(name, "auth")))
		return true;
	return strcasestr(value, "password") || (strstr(value, "://") && strchr(value, '@'));
}

/* So few bits tell that it changed, and nothing to who tries words. */
#define DIGEST_DIGITS 6

char *
past_setting(const char *name, const char *value, const char *unit)
{
	const char *const parts[] = { name, value };
	char id[SHA_ID_SIZE];

	if (!is_secret(name, value))
		return value_in_unit(value, unit);
	if (!*value)
		return xstrdup("");
	sha_id(parts, ARRAY_SIZE(parts), id);
	return xasprintf("#%.*s", DIGEST_DIGITS, id);
}

/* ---- sentences ---- */

struct words {
	struct str text;
	size_t n, named;
};

static void _printf_(3, 4) add_word(struct words *w, const char *first, const char *fmt, ...)
{
	_cleanup_free_ char *word = NULL;
	va_list ap;

	if (w->n++ >= NAMED_MAX)
		return;
	va_start(ap, fmt);
	word = xvasprintf(fmt, ap);
	va_end(ap);
	str_addf(&w->text, "%s%s", w->named++ ? ", " : first, word);
}

static void
tell_words(struct words *w, const char *what, past_fn fn, void *arg)
{
	if (w->n > NAMED_MAX)
		str_addf(&w->text, " and %zu more", w->n - NAMED_MAX);
	if (w->n > 0)
		fn(what, str_text(&w->text), w->n, arg);
	str_done(&w->text);
	*w = (struct words){ 0 };
}

static const char *
get(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

/* Both looks have it, and it differs. */
static bool
differs(const json_t *was, const json_t *now, const char *name)
{
	return *get(was, name) && *get(now, name) && !streq(get(was, name), get(now, name));
}

static char *
shown(const char *value)
{
	if (!*value)
		return xstrdup("''");
	return text_ellipsis(value, VALUE_MAX);
}

static void
settings_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words w = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach (now, name, value) {
		_cleanup_free_ char *before = NULL, *after = NULL;

		if (!json_object_get(was, name) || streq(get(was, name), get(now, name)))
			continue;
		before = shown(get(was, name));
		after = shown(get(now, name));
		if (*get(was, name) == '#' || *get(now, name) == '#')
			add_word(&w, "settings changed: ", "%s (value not shown)", name);
		else
			add_word(&w, "settings changed: ", "%s %s -> %s", name, before, after);
	}
	tell_words(&w, "settings", fn, arg);
}

static void
pending_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words w = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach (now, name, value)
		if (*name && !json_object_get(was, name))
			add_word(&w, "settings wait for a restart: ", "%s", name);
	tell_words(&w, "settings", fn, arg);
}

static void
databases_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words made = { 0 }, gone = { 0 }, named = { 0 };
	const char *oid;
	json_t *value;

	json_object_foreach (now, oid, value) {
		if (!json_object_get(was, oid))
			add_word(&made, "created: database ", "%s", get(now, oid));
		else if (differs(was, now, oid))
			add_word(
			    &named, "renamed: database ", "%s -> %s", get(was, oid), get(now, oid));
	}
	json_object_foreach (was, oid, value)
		if (!json_object_get(now, oid))
			add_word(&gone, "dropped: database ", "%s", get(was, oid));
	tell_words(&gone, "database", fn, arg);
	tell_words(&named, "database", fn, arg);
	tell_words(&made, "database", fn, arg);
}

static void
extensions_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words w = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach (was, name, value)
		if (!json_object_get(now, name))
			add_word(&w, "extensions: ", "%s dropped", name);
	json_object_foreach (now, name, value) {
		if (!json_object_get(was, name))
			add_word(&w, "extensions: ", "%s %s installed", name, get(now, name));
		else if (differs(was, now, name))
			add_word(&w, "extensions: ", "%s %s -> %s", name, get(was, name),
			    get(now, name));
	}
	tell_words(&w, "extension", fn, arg);
}

/* What was never reset has no time, and before 15 gets one when it is first counted. */
static void
statistics_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words w = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach (now, name, value) {
		bool never = json_object_get(was, name) && !*get(was, name);

		if (differs(was, now, name) || (never && *get(now, name)))
			add_word(
			    &w, "statistics were reset: ", "%s at %s UTC", name, get(now, name));
	}
	tell_words(&w, "statistics", fn, arg);
}

static void
rights_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	struct words lost = { 0 }, got = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach (now, name, value) {
		if (!differs(was, now, name))
			continue;
		if (streq(get(now, name), "true"))
			add_word(&got, "the monitoring role got ", "%s", name);
		else
			add_word(&lost, "the monitoring role lost ", "%s", name);
	}
	tell_words(&lost, "rights", fn, arg);
	tell_words(&got, "rights", fn, arg);
}

static void _printf_(5, 6)
    tell(bool really, const char *what, past_fn fn, void *arg, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (!really)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	fn(what, text, 1, arg);
}

/* A restart leaves the timeline as it is: where both moved, another server of the cluster answers, or
 * this one was recovered to some moment. */
static void
server_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	bool started = differs(was, now, "start"), line = differs(was, now, "timeline");
	bool role = differs(was, now, "role"), up = streq(get(now, "role"), "primary");
	_cleanup_free_ char *lines =
	    line ? xasprintf(", timeline %s -> %s", get(was, "timeline"), get(now, "timeline"))
	         : xstrdup("");

	tell(differs(was, now, "version"), "version", fn, arg, "PostgreSQL %s -> %s",
	    get(was, "version"), get(now, "version"));
	tell(started && !(line && !role && up), "restarted", fn, arg,
	    "restarted, running since %s UTC", get(now, "start"));
	tell(role && up, "role", fn, arg, "became a primary, was a standby%s", lines);
	tell(role && !up, "role", fn, arg, "became a standby, was a primary%s", lines);
	tell(line && !role && started && up, "timeline", fn, arg,
	    "failed over or recovered%s, running since %s UTC", lines, get(now, "start"));
	tell(line && !role && !(started && up), "timeline", fn, arg, "timeline %s -> %s",
	    get(was, "timeline"), get(now, "timeline"));
	tell(differs(was, now, "login"), "rights", fn, arg, "monitored as %s, before as %s",
	    get(now, "login"), get(was, "login"));
}

static void
file_words(json_t *was, json_t *now, past_fn fn, void *arg)
{
	static const char *const plain[] = { "user_version", "application_id", "page_size",
		"encoding", "auto_vacuum" };
	struct words w = { 0 };

	tell(differs(was, now, "inode"), "file", fn, arg,
	    "the file was replaced by another (inode %s -> %s)", get(was, "inode"),
	    get(now, "inode"));
	tell(differs(was, now, "wal"), "file", fn, arg, "the journal mode %s",
	    streq(get(now, "wal"), "1") ? "became WAL" : "is WAL no more");
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (differs(was, now, plain[i]))
			add_word(&w, "changed: ", "%s %s -> %s", plain[i], get(was, plain[i]),
			    get(now, plain[i]));
	tell_words(&w, "file", fn, arg);
}

static void
group_words(enum past_group g, json_t *was, json_t *now, past_fn fn, void *arg)
{
	switch (g) {
	case PAST_SERVER:
		server_words(was, now, fn, arg);
		return;
	case PAST_SETTINGS:
		settings_words(was, now, fn, arg);
		return;
	case PAST_PENDING:
		pending_words(was, now, fn, arg);
		return;
	case PAST_DATABASES:
		databases_words(was, now, fn, arg);
		return;
	case PAST_EXTENSIONS:
		extensions_words(was, now, fn, arg);
		return;
	case PAST_STATISTICS:
		statistics_words(was, now, fn, arg);
		return;
	case PAST_RIGHTS:
		rights_words(was, now, fn, arg);
		return;
	case PAST_FILE:
		file_words(was, now, fn, arg);
		return;
	case PAST_N:
		break;
	}
}

/* What one look could not see stays as it was last seen. */
static void
keep_unseen(enum past_group g, const json_t *was, json_t *now)
{
	if (g == PAST_SERVER || g == PAST_FILE || g == PAST_SETTINGS || g == PAST_RIGHTS)
		json_object_update_missing(now, (json_t *)(uintptr_t)was);
}

bool
past_take(struct past *p, enum past_group g, json_t *now, int64_t wall_us, past_fn fn, void *arg)
{
	_cleanup_free_ char *text = NULL;
	json_t *was = p->seen[g].text ? json_loads(p->seen[g].text, 0, NULL) : NULL;
	bool news;

	if (was)
		keep_unseen(g, was, now);
	text = json_dumps(now, JSON_COMPACT | JSON_SORT_KEYS);
	news =
	    text && strlen(text) <= TEXT_SIZE && !(p->seen[g].text && streq(p->seen[g].text, text));
	if (news && was)
		group_words(g, was, now, fn, arg);
	if (news) {
		free(p->seen[g].text);
		p->seen[g].text = TAKE_PTR(text);
	}
	p->seen[g].wall_us = wall_us;
	json_decref(was);
	json_decref(now);
	return news;
}

bool
past_is_of_other(struct past *p, const char *system)
{
	bool other = system && p->system && !streq(system, p->system);

	if (!system || (p->system && !other))
		return false;
	free(p->system);
	p->system = xstrdup(system);
	for (size_t i = 0; other && i < PAST_N; i++) {
		free(p->seen[i].text);
		p->seen[i].text = NULL;
	}
	return other;
}

/* ---- for the store ---- */

char *
past_save(const struct past *p)
{
	json_t *o = json_object(), *groups = json_object();
	char *text;

	json_object_set_new(o, "groups", groups);
	if (p->system)
		json_object_set_new(o, "system", json_string(p->system));
	for (size_t i = 0; i < PAST_N; i++)
		if (p->seen[i].text)
			json_object_set_new(groups, group_names[i],
			    json_pack("{s:I, s:o}", "seen", (json_int_t)p->seen[i].wall_us, "as",
			        json_loads(p->seen[i].text, 0, NULL)));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text ? text : xstrdup("{}");
}

static void
load_group(struct past_seen *seen, const json_t *o)
{
	const json_t *as = json_object_get(o, "as");

	free(seen->text);
	seen->text = json_is_object(as) ? json_dumps(as, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	seen->wall_us = json_integer_value(json_object_get(o, "seen"));
}

int
past_load(struct past *p, const char *json)
{
	json_t *o = json_loads(json, 0, NULL), *groups = json_object_get(o, "groups");
	const char *system = json_string_value(json_object_get(o, "system"));

	if (!json_is_object(groups)) {
		json_decref(o);
		return -EINVAL;
	}
	free(p->system);
	p->system = xstrdup(system);
	for (size_t i = 0; i < PAST_N; i++)
		load_group(&p->seen[i], json_object_get(groups, group_names[i]));
	json_decref(o);
	return 0;
}
