/* From merged sections to one validated configuration; every fault is told, not only the first. */
#include "conf/conf.h"
#include "base/net.h"
#include "base/snapshot.h"
#include "base/str.h"
#include "conf/alert.h"
#include "conf/expand.h"
#include "conf/loader.h"
#include "conf/merge.h"
#include "conf/option.h"

static char *
place_of(const struct merged_section *s, const struct merged_entry *e, const char *what)
{
	return xasprintf(
	    "%s:%d: [%s] %s: %s", e->origin.file, e->origin.line, s->header, e->key, what);
}

static void
fail(struct loader *l, const struct merged_section *s, const struct merged_entry *e,
    const char *what)
{
	_cleanup_free_ char *line = place_of(s, e, what);

	err_list_add(l->errors, "%s", line);
}

/* SQL is one line once the library has joined it: a -- comment would swallow what follows. */
static bool
has_sql_comment(const char *sql)
{
	char quote = '\0';

	for (; *sql; sql++) {
		if (quote && *sql == quote)
			quote = '\0';
		else if (!quote && (*sql == '\'' || *sql == '"'))
			quote = *sql;
		else if (!quote && sql[0] == '-' && sql[1] == '-')
			return true;
	}
	return false;
}

/* Whether a group exists may be asked of a server far away: it is asked once, where that may block. */
static int
take_value(
    struct loader *l, const struct conf_option *o, const char *text, void *base, struct err *e)
{
	const struct snapshot_item *got;
	struct conf_option plain = *o;
	struct err err = { 0 };
	int r;

	if (o->type != TYPE_GROUP)
		return option_parse(o, text, base, e);
	got = snapshot_get(l->outside, "group", text);
	if (!got) {
		r = option_parse(o, text, NULL, &err);
		got = snapshot_put(l->outside, "group", text, r, NULL, 0, err.msg);
	}
	if (got->code < 0)
		return err_set(e, got->code, "%s", got->why);
	plain.type = TYPE_TEXT;
	return option_parse(&plain, text, base, e);
}

char *
loader_read_entry(
    struct loader *l, const struct merged_section *s, const struct merged_entry *e, void *base)
{
	const struct conf_option *o = e->option;
	_cleanup_free_ char *text = NULL, *what = NULL, *accepted = NULL;
	bool outside = false;
	struct err err;
	int r;

	if (o->type == TYPE_SQL) {
		text = xstrdup(e->value);
		if (has_sql_comment(text)) {
			fail(l, s, e,
			    "a -- comment would swallow the lines after it, which are "
			    "joined to one; leave it out, or make a check file in checks.d");
			return NULL;
		}
	} else if ((r = conf_expand(e->value, l->outside, &text, &outside, &err)) < 0) {
		if (r == -ENOKEY && l->errors->spare_unseen) {
			what = place_of(s, e, err.msg);
			strv_add(&l->errors->unseen, what);
		} else {
			fail(l, s, e, err.msg);
		}
		return NULL;
	}
	if (take_value(l, o, text, base, &err) < 0) {
		/* A DSN's own reasons never quote it; other reasons may quote what came in. */
		if ((outside || (o->flags & OPT_SECRET)) && o->type != TYPE_DSN) {
			accepted = option_accepted(o);
			what = xasprintf("*** is not accepted; write %s", accepted);
		}
		fail(l, s, e, what ? what : err.msg);
		return NULL;
	}
	if (o->flags & OPT_LATER) {
		what = place_of(s, e, "not in effect in this version");
		strv_add(&l->conf->not_in_effect, what);
	}
	return TAKE_PTR(text);
}

static void
report_missing(struct loader *l, const struct merged_section *s)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];

		if (o->kind == s->kind && (o->flags & OPT_REQUIRED) && !merged_find(s, o->name))
			err_list_add(l->errors, "%s:%d: [%s] %s: missing; write %s = %s",
			    s->origin.file, s->origin.line, s->header, o->name, o->name,
			    o->example);
	}
}

void
loader_read_fields(struct loader *l, const struct merged_section *s, void *base)
{
	option_set_defaults(s->kind, base);
	for (size_t i = 0; i < s->nentries; i++)
		free(loader_read_entry(l, s, &s->entries[i], base));
	report_missing(l, s);
}

static bool
all_loopback(char *const *listen)
{
	struct net_address a;

	for (; listen && *listen; listen++)
		if (net_address_parse(*listen, &a) < 0 ||
		    !net_is_loopback((struct sockaddr *)&a.sa))
			return false;
	return true;
}

static void
read_daemon(struct loader *l, const struct merged_section *s)
{
	struct conf_daemon *d = &l->conf->daemon;

	for (size_t i = 0; i < s->nentries; i++)
		free(loader_read_entry(l, s, &s->entries[i], d));
	d->socket_group_set = merged_find(s, "socket_group") != NULL;
	if (!d->listen_allow && !all_loopback(d->listen))
		fail(l, s, merged_find(s, "listen"),
		    "an address other than loopback needs listen_allow");
}

static void
set_option(struct conf_database *db, const char *key, char *take_value)
{
	for (size_t i = 0; i < db->noptions; i++)
		if (streq(db->options[i].name, key)) {
			free(db->options[i].value);
			db->options[i].value = take_value;
			return;
		}
	db->options = xreallocarray(db->options, db->noptions + 1, sizeof(*db->options));
	db->options[db->noptions++] = (struct conf_pair){ xstrdup(key), take_value };
}

static void
read_database_keys(struct loader *l, const struct merged_section *s, struct conf_database *db)
{
	for (size_t i = 0; i < s->nentries; i++) {
		const struct merged_entry *e = &s->entries[i];
		_cleanup_free_ char *text = loader_read_entry(l, s, e, db);

		if (text && !(e->option->flags & OPT_SECRET))
			set_option(db, e->key, option_canonical(e->option, text));
	}
}

/* A copy of all but what makes a database that one: name, DSN, origin. */
static void
copy_database(struct conf_database *to, const struct conf_database *from)
{
	option_copy_fields(KIND_DATABASE, to, from);
	for (size_t i = 0; i < from->noptions; i++)
		set_option(to, from->options[i].name, xstrdup(from->options[i].value));
}

static struct conf_database *
new_database(struct conf *c, const char *name)
{
	struct conf_database *db;

	if ((c->ndatabases & (c->ndatabases - 1)) == 0)
		c->databases = xreallocarray(
		    c->databases, MAX(2 * c->ndatabases, (size_t)1), sizeof(*c->databases));
	db = &c->databases[c->ndatabases++];
	*db = (struct conf_database){ .name = xstrdup(name) };
	return db;
}

/* A path with wildcards stands for as many databases as there are files. */
static void
read_fleet(struct loader *l, const struct merged_section *s, struct conf_database *db)
{
	const struct merged_entry *e = merged_find(s, "dsn");
	bool is_url = db->dsn && strstr(db->dsn, "://");
	size_t len = db->dsn ? strcspn(db->dsn, is_url ? "?" : "") : 0;
	const char *wild = db->dsn ? strpbrk(db->dsn, "*?[") : NULL;

	db->all_databases = wild && (size_t)(wild - db->dsn) < len;
	if (db->all_databases && e && strstr(db->dsn, "**"))
		fail(l, s, e, "** is not known; write one * for each level of folders");
}

static void
read_database(struct loader *l, const struct merged_section *s)
{
	struct conf_database *db = new_database(l->conf, s->name);
	const struct merged_entry *e;

	db->origin = (struct conf_origin){ xstrdup(s->origin.file), s->origin.line };
	copy_database(db, &l->conf->defaults);
	read_database_keys(l, s, db);
	report_missing(l, s);
	e = merged_find(s, "databases");
	if (e && db->all_databases && db->engine == ENGINE_SQLITE)
		fail(l, s, e, "a SQLite file is one database; leave it out");
	if (db->engine == ENGINE_SQLITE)
		read_fleet(l, s, db);
}

/* DB_* of SQLAlchemy: bare numbers are seconds, and -1 for pool_recycle is never. */
static void
read_environment(struct loader *l, struct conf_database *db)
{
	for (size_t i = 0; i < conf_noptions; i++) {
		const struct conf_option *o = &conf_options[i];
		const char *value = o->env ? getenv(o->env) : NULL;
		_cleanup_free_ char *text = NULL;
		struct err err;

		if (!value || !*value)
			continue;
		if (o->type == TYPE_DURATION && streq(value, "-1"))
			text = xstrdup("0");
		else if (o->type == TYPE_DURATION && value[strspn(value, "0123456789.")] == '\0')
			text = xasprintf("%ss", value);
		else
			text = xstrdup(value);
		if (option_parse(o, text, db, &err) < 0)
			err_list_add(l->errors, "environment: %s: %s", o->env, err.msg);
	}
}

static void
read_check(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	const char *slash = strrchr(s->name, '/');
	struct conf_check *check;

	c->checks = xreallocarray(c->checks, c->nchecks + 1, sizeof(*c->checks));
	check = &c->checks[c->nchecks++];
	*check = (struct conf_check){
		.database = slash ? xstrndup(s->name, (size_t)(slash - s->name)) : NULL,
		.check = xstrdup(slash ? slash + 1 : s->name),
		.keys = xcalloc(s->nentries, sizeof(*check->keys)),
		.origins = xcalloc(s->nentries, sizeof(*check->origins)),
		.origin = { xstrdup(s->origin.file), s->origin.line },
	};
	for (size_t i = 0; i < s->nentries; i++) {
		const struct merged_entry *e = &s->entries[i];
		char *text = loader_read_entry(l, s, e, NULL);

		if (!text)
			continue;
		check->keys[check->nkeys] = (struct conf_pair){ xstrdup(e->key), text };
		check->origins[check->nkeys++] =
		    (struct conf_origin){ xstrdup(e->origin.file), e->origin.line };
	}
}

static void
read_query(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	struct conf_query *q;

	c->queries = xreallocarray(c->queries, c->nqueries + 1, sizeof(*c->queries));
	q = &c->queries[c->nqueries++];
	*q = (struct conf_query){ .name = xstrdup(s->name),
		.origin = { xstrdup(s->origin.file), s->origin.line } };
	loader_read_fields(l, s, q);
}

static void
read_alert(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	struct conf_alert *a;

	c->alerts = xreallocarray(c->alerts, c->nalerts + 1, sizeof(*c->alerts));
	a = &c->alerts[c->nalerts++];
	*a = (struct conf_alert){ .name = xstrdup(s->name),
		.origin = { xstrdup(s->origin.file), s->origin.line } };
	loader_read_fields(l, s, a);
	alert_judge(a, s->header, l->outside, l->errors);
}

/* Whether some configured database could answer to this name or glob. */
static bool
database_exists(const struct conf *c, const char *pattern)
{
	for (size_t i = 0; i < c->ndatabases; i++) {
		const struct conf_database *db = &c->databases[i];
		size_t n = strlen(db->name);

		if (str_glob(pattern, db->name))
			return true;
		/* Its databases get their names when the server has been asked. */
		if (db->all_databases && strncmp(pattern, db->name, n) == 0 && pattern[n] == '/')
			return true;
	}
	return strpbrk(pattern, "*?[") != NULL;
}

static void
check_reference(struct loader *l, const struct merged_section *s, const struct conf_origin *at,
    const char *key, const char *pattern)
{
	const struct conf *c = l->conf;
	_cleanup_free_ const char **names = NULL;
	const char *near;

	if (c->ndatabases == 0 || database_exists(c, pattern))
		return;
	names = xcalloc(c->ndatabases, sizeof(*names));
	for (size_t i = 0; i < c->ndatabases; i++)
		names[i] = c->databases[i].name;
	near = str_nearest(pattern, names, c->ndatabases);
	err_list_add(l->errors, "%s:%d: [%s]%s%s: there is no [database %s]%s%s%s", at->file,
	    at->line, s->header, *key ? " " : "", key, pattern, near ? "; did you mean " : "",
	    near ? near : "", near ? "?" : "");
}

static void
read_kind(struct loader *l, const struct merged *m, enum conf_kind kind)
{
	for (size_t i = 0; i < m->nsections; i++) {
		const struct merged_section *s = &m->sections[i];

		if (s->kind != kind)
			continue;
		switch (kind) {
		case KIND_DAEMON:
			read_daemon(l, s);
			break;
		case KIND_DEFAULTS:
			read_database_keys(l, s, &l->conf->defaults);
			break;
		case KIND_DATABASE:
			read_database(l, s);
			break;
		case KIND_CHECK:
			read_check(l, s);
			break;
		case KIND_QUERY:
			read_query(l, s);
			break;
		case KIND_SILENCE:
			loader_read_silence(l, s);
			break;
		case KIND_ALERT:
			read_alert(l, s);
			break;
		case KIND_ARCHIVE:
			loader_read_archive(l, s);
			break;
		case KIND_BACKUP:
			loader_read_backup(l, s);
			break;
		case KIND_ROUTINE:
			loader_read_routine(l, s);
			break;
		case KIND_N:
			break;
		}
	}
}

/* Names of databases in sections of checks and queries: a slip would change nothing, silently. */
static void
check_references(struct loader *l, const struct merged *m)
{
	for (size_t i = 0; i < m->nsections; i++) {
		const struct merged_section *s = &m->sections[i];
		const char *slash = s->kind == KIND_CHECK ? strrchr(s->name, '/') : NULL;
		const struct merged_entry *e =
		    s->kind == KIND_QUERY || s->kind == KIND_SILENCE || s->kind == KIND_ALERT ||
		            s->kind == KIND_BACKUP || s->kind == KIND_ROUTINE
		        ? merged_find(s, "databases")
		    : s->kind == KIND_ARCHIVE ? merged_find(s, "database")
		                              : NULL;
		_cleanup_strv_ char **list = e ? strv_split_commas(e->value) : NULL;

		if (slash) {
			_cleanup_free_ char *pattern = xstrndup(s->name, (size_t)(slash - s->name));

			check_reference(l, s, &s->origin, "", pattern);
		}
		for (size_t j = 0; list && list[j]; j++)
			if (!strchr(list[j], '$') && !strstr(list[j], "@{"))
				check_reference(l, s, &e->origin, e->key, list[j]);
	}
}

static struct conf *
new_conf(struct loader *l)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	l->conf = c;
	option_set_defaults(KIND_DAEMON, &c->daemon);
	option_set_defaults(KIND_DATABASE, &c->defaults);
	option_set_defaults(KIND_ROUTINE, &c->routine);
	c->defaults.name = xstrdup("");
	read_environment(l, &c->defaults);
	return c;
}

static int
finish(struct loader *l, struct conf **ret)
{
	if (strv_len(l->errors->v) > 0) {
		err_list_sort(l->errors);
		conf_free(l->conf);
		return -EINVAL;
	}
	*ret = l->conf;
	return 0;
}

static char *
checks_dir(const char *path)
{
	const char *file = path ? path : CONF_DEFAULT_FILE, *slash = strrchr(file, '/');

	return slash ? xasprintf("%.*s/checks.d", (int)(slash - file), file) : xstrdup("checks.d");
}

int
conf_load_from(
    const char *path, struct snapshot *outside, struct conf **ret, struct err_list *errors)
{
	static const enum conf_kind order[] = { KIND_DAEMON, KIND_DEFAULTS, KIND_DATABASE,
		KIND_CHECK, KIND_QUERY, KIND_SILENCE, KIND_ALERT, KIND_BACKUP, KIND_ROUTINE,
		KIND_ARCHIVE };
	_cleanup_(merged_done) struct merged m = { 0 };
	struct loader l = { .errors = errors, .outside = outside };

	merge_files(path, outside, &m, errors);
	new_conf(&l)->checks_dir = checks_dir(path);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		read_kind(&l, &m, order[i]);
	check_references(&l, &m);
	*ret = l.conf;
	return strv_len(errors->v) > 0 ? -EINVAL : 0;
}

int
conf_load_broken(const char *path, struct conf **ret, struct err_list *errors)
{
	_cleanup_(snapshot_freep) struct snapshot *outside = snapshot_new();

	return conf_load_from(path, outside, ret, errors);
}

int
conf_load(const char *path, struct conf **ret, struct err_list *errors)
{
	struct loader l = { .errors = errors };

	/* finish() tells by the errors themselves */
	(void)!conf_load_broken(path, &l.conf, errors);
	return finish(&l, ret);
}

int
conf_default(struct conf **ret, struct err_list *errors)
{
	struct loader l = { .errors = errors };

	new_conf(&l)->checks_dir = checks_dir(NULL);
	return finish(&l, ret);
}

static void
database_done(struct conf_database *db)
{
	option_free_fields(KIND_DATABASE, db);
	for (size_t i = 0; i < db->noptions; i++) {
		free(db->options[i].name);
		free(db->options[i].value);
	}
	free(db->options);
	free(db->origin.file);
	free(db->name);
}

static void
check_done(struct conf_check *c)
{
	for (size_t i = 0; i < c->nkeys; i++) {
		free(c->keys[i].name);
		free(c->keys[i].value);
		free(c->origins[i].file);
	}
	free(c->keys);
	free(c->origins);
	free(c->origin.file);
	free(c->database);
	free(c->check);
}

struct conf *
conf_free(struct conf *c)
{
	if (!c)
		return NULL;
	option_free_fields(KIND_DAEMON, &c->daemon);
	for (size_t i = 0; i < c->ndatabases; i++)
		database_done(&c->databases[i]);
	free(c->databases);
	database_done(&c->defaults);
	for (size_t i = 0; i < c->nchecks; i++)
		check_done(&c->checks[i]);
	free(c->checks);
	for (size_t i = 0; i < c->nalerts; i++)
		alert_done(&c->alerts[i]);
	free(c->alerts);
	for (size_t i = 0; i < c->nqueries; i++) {
		option_free_fields(KIND_QUERY, &c->queries[i]);
		free(c->queries[i].origin.file);
		free(c->queries[i].name);
	}
	free(c->queries);
	conf_silences_free(c);
	conf_backups_free(c);
	conf_archives_free(c);
	conf_routine_free(c);
	free(c->checks_dir);
	strv_free(c->not_in_effect);
	free(c);
	return NULL;
}

struct conf_database *
conf_add_database(
    struct conf *c, const char *name, const char *dsn, const struct conf_database *like)
{
	/* like may lie in the array that grows. */
	struct conf_database copy = { 0 }, *db;
	struct conf_origin origin = { like->origin.file ? xstrdup(like->origin.file) : NULL,
		like->origin.line };
	int r;

	copy_database(&copy, like);
	db = new_database(c, name);
	copy.name = db->name;
	*db = copy;
	db->origin = origin;
	db->all_databases = false;
	r = option_parse(option_find(KIND_DATABASE, "dsn"), dsn, db, NULL);
	if (r < 0) {
		/* A form that only the caller knows, as a bare file: the engine is its to set. */
		free(db->dsn);
		db->dsn = xstrdup(dsn);
	}
	return db;
}

const char *
conf_database_get(const struct conf_database *db, const char *key)
{
	for (size_t i = 0; i < db->noptions; i++)
		if (streq(db->options[i].name, key))
			return db->options[i].value;
	return NULL;
}

bool
conf_database_has_key(const char *key)
{
	return option_find(KIND_DATABASE, key) != NULL;
}

const struct conf_database *
conf_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->ndatabases; i++)
		if (streq(c->databases[i].name, name))
			return &c->databases[i];
	return NULL;
}
