/*
 * Keeps what is known of backups up to date: read anew every hour, after a job, and often while
 * something is wrong with them, so that what a person mends is seen.
 */
#include "daemon/backup_watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "daemon/backup_judge.h"
#include "daemon/job_plan.h"
#include "daemon/store_wire.h"
#include <jansson.h>

#define JUDGE_US (60 * USEC_PER_SEC)
#define LOOK_US  (3600 * USEC_PER_SEC)
#define OFTEN_US (10 * USEC_PER_SEC)
#define SOON_US  (USEC_PER_SEC / 4)
#define READ_US  (600 * USEC_PER_SEC)

/* The backups of one database by one section. */
struct entry {
	char *database, *root;
	const struct conf_backup *policy; /* borrowed */
	bool first;                       /* the section that commands take by themselves */
	int64_t since_s;
	bool known;  /* facts were read */
	char *error; /* why its folder cannot be read, or NULL */
	struct backup_facts facts;
	unsigned generation;
};

struct backup_watch {
	struct monitor *monitor; /* borrowed, as the next three */
	struct jobs *jobs;
	struct event_base *base;
	const struct conf *conf;
	void (*on_state)(const char *name, const char *json, void *arg);
	void *arg;
	struct map *entries;  /* "SECTION/DATABASE", owned */
	struct map *restored; /* the same -> JSON, owned */
	struct worker_pool *pool;
	struct worker_job *job; /* NULL: none is on its way */
	struct event *judge, *look;
	unsigned generation;
};

static void
set_timer(struct event *e, int64_t us)
{
	struct timeval tv = { .tv_sec = us / USEC_PER_SEC, .tv_usec = us % USEC_PER_SEC };

	event_add(e, &tv);
}

static void
entry_free(void *arg)
{
	struct entry *en = arg;

	if (!en)
		return;
	free(en->database);
	free(en->root);
	free(en->error);
	free(en->facts.refuted);
	free(en);
}

/* ---- verdicts ---- */

static bool
is_known(const struct entry *en)
{
	return en->known || en->error;
}

static void
add_verdict(const struct backup_watch *w, const struct backup_check *k, const struct entry *en,
    struct backup_rows *rows)
{
	const struct backup_case c = { .policy = en->policy,
		.database = en->database,
		.first = en->first,
		.error = en->error,
		.facts = &en->facts,
		.since_s = en->since_s,
		.now_s = clock_wall_us() / USEC_PER_SEC,
		.jobs = w->jobs };

	k->judge(&c, rows);
}

/* Of all sections that name the database; until all their folders were read nobody says anything. */
static bool
judge_check(const struct backup_watch *w, const struct backup_check *k, const char *database)
{
	struct backup_rows rows = { 0 };
	bool wanted = false, known = true, trouble;
	size_t iter = 0;
	void *value;

	while (map_next(w->entries, &iter, NULL, &value)) {
		const struct entry *en = value;

		if (!streq(en->database, database) || !k->wanted(en->policy))
			continue;
		wanted = true;
		known &= is_known(en);
		if (is_known(en))
			add_verdict(w, k, en, &rows);
	}
	trouble = rows.n > 0;
	if (!wanted)
		monitor_tell_nothing(w->monitor, database, k->id);
	else if (known)
		(void)monitor_tell(w->monitor, database, k->id, rows.v, rows.n);
	backup_rows_done(&rows);
	return trouble;
}

static bool
judge_all(const struct backup_watch *w)
{
	bool trouble = false;
	size_t iter = 0;
	void *value;

	while (map_next(w->entries, &iter, NULL, &value)) {
		const struct entry *en = value;

		for (const struct backup_check *k = backup_checks; en->first && k->id; k++)
			trouble |= judge_check(w, k, en->database);
	}
	return trouble;
}

static void
on_judge(evutil_socket_t fd, short what, void *arg)
{
	struct backup_watch *w = arg;

	(void)fd;
	(void)what;
	judge_all(w);
	if (map_size(w->entries) > 0)
		set_timer(w->judge, JUDGE_US);
}

/* ---- folders ---- */

static int64_t
whole(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static double
real_of(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) ? json_number_value(n) : -1;
}

static void
take_facts(struct entry *en, const json_t *o)
{
	const char *refuted = json_string_value(json_object_get(o, "refuted"));
	const char *error = json_string_value(json_object_get(o, "error"));

	free(en->error);
	en->error = xstrdup(error);
	if (error)
		return;
	free(en->facts.refuted);
	en->facts = (struct backup_facts){ .n = (size_t)whole(o, "n"),
		.newest_s = whole(o, "newest"),
		.oldest_s = whole(o, "oldest"),
		.took_s = whole(o, "took"),
		.verified_s = whole(o, "verified"),
		.proved_s = whole(o, "proved"),
		.bytes = real_of(o, "bytes"),
		.rows = real_of(o, "rows"),
		.usual_bytes = real_of(o, "usual_bytes"),
		.usual_rows = real_of(o, "usual_rows"),
		.refuted_s = whole(o, "refuted_at"),
		.refuted = xstrdup(refuted) };
	en->known = true;
}

static void
on_facts(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct backup_watch *w = arg;
	struct wire frame = { payload, len };
	_cleanup_free_ char *name = wire_take(&frame), *text = wire_take(&frame);
	struct entry *en = name ? map_get(w->entries, name) : NULL;
	json_error_t where;
	json_t *o = text ? json_loads(text, 0, &where) : NULL;

	if (type == BACKUPS_FACTS && en && o)
		take_facts(en, o);
	json_decref(o);
}

static void
on_read(enum worker_end end, const struct err *err, void *arg)
{
	struct backup_watch *w = arg;
	bool trouble;

	w->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	if (end != WORKER_DONE)
		log_warning("folders of backups cannot be read: %s", err ? err->msg : "?");
	trouble = judge_all(w);
	set_timer(w->look, trouble ? OFTEN_US : LOOK_US);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	static const struct worker_limits limits = { .processes = 1, .queue = 1 };
	struct backup_watch *w = arg;
	_cleanup_str_ struct str payload = { 0 };
	struct err e = { 0 };
	const char *name;
	size_t iter = 0;
	void *value;
	int r = 0;

	(void)fd;
	(void)what;
	if (w->job || map_size(w->entries) == 0)
		return;
	while (map_next(w->entries, &iter, &name, &value)) {
		const struct entry *en = value;

		wire_add(&payload, name);
		wire_add(&payload, en->root);
		wire_add(&payload, en->database);
	}
	if (!w->pool)
		r = worker_pool_new(w->base, backups_role.name, &limits, &w->pool, &e);
	if (r == 0)
		r = worker_submit(w->pool, BACKUPS_READ, payload.s, payload.len, READ_US, 0,
		    on_facts, on_read, w, &w->job);
	if (r < 0) {
		log_warning("folders of backups cannot be read: %s", *e.msg ? e.msg : strerror(-r));
		set_timer(w->look, LOOK_US);
	}
}

void
backup_watch_job_ended(struct backup_watch *w, const char *job)
{
	if (w && w->conf && str_starts(job, "backup/"))
		set_timer(w->look, w->job ? OFTEN_US : SOON_US);
}

bool
backup_watch_facts(const struct backup_watch *w, const char *database, struct backup_facts *ret)
{
	size_t iter = 0;
	void *value;

	while (w && map_next(w->entries, &iter, NULL, &value)) {
		const struct entry *en = value;

		if (en->first && en->known && streq(en->database, database)) {
			*ret = en->facts;
			return true;
		}
	}
	return false;
}

/* ---- configuration ---- */

/* Since when somebody expects backups of it; kept, so that a restart does not begin the wait anew. */
static void
set_since(struct backup_watch *w, struct entry *en, const char *name)
{
	_cleanup_free_ char *kept = map_remove(w->restored, name), *text = NULL;
	json_error_t where;
	json_t *o = kept ? json_loads(kept, 0, &where) : NULL;
	int64_t now = clock_wall_us() / USEC_PER_SEC;

	en->since_s = whole(o, "since");
	json_decref(o);
	if (en->since_s > 0 && en->since_s <= now)
		return;
	en->since_s = now;
	o = json_pack("{s:s, s:I}", "database", en->database, "since", (json_int_t)now);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	w->on_state(name, text, w->arg);
}

static void
cover(struct backup_watch *w, const struct conf_database *db, const struct conf_backup *b)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", b->name, db->name);
	_cleanup_free_ char *root = conf_backup_folder(w->conf, b);
	struct entry *en = map_get(w->entries, name);

	if (!en) {
		en = xcalloc(1, sizeof(*en));
		en->database = xstrdup(db->name);
		map_put(w->entries, name, en);
		set_since(w, en, name);
	}
	en->policy = b;
	en->first = conf_backup_of(w->conf, db->name) == b;
	en->generation = w->generation;
	if (!en->root || !streq(en->root, root)) {
		free(en->root);
		en->root = TAKE_PTR(root);
		en->known = false;
	}
}

static void
forget(const struct backup_watch *w, const char *name, const char *database)
{
	w->on_state(name, NULL, w->arg);
	for (const struct backup_check *k = backup_checks; database && k->id; k++)
		if (!conf_backup_of(w->conf, database))
			monitor_tell_nothing(w->monitor, database, k->id);
}

/* Those that left; also while nobody looked, in which case their findings were kept. */
static void
forget_others(struct backup_watch *w)
{
	const char *name;
	size_t iter = 0;
	void *value;

	while (map_next(w->entries, &iter, &name, &value)) {
		struct entry *en = value;

		if (en->generation == w->generation)
			continue;
		forget(w, name, en->database);
		map_remove(w->entries, name);
		entry_free(en);
	}
	for (iter = 0; map_next(w->restored, &iter, &name, &value);) {
		json_error_t where;
		json_t *o = json_loads(value, 0, &where);

		forget(w, name, json_string_value(json_object_get(o, "database")));
		json_decref(o);
		free(value);
		map_remove(w->restored, name);
	}
}

void
backup_watch_set_conf(struct backup_watch *w, const struct conf *conf)
{
	w->conf = conf;
	w->generation++;
	for (size_t i = 0; i < conf->ndatabases; i++)
		for (size_t k = 0; k < conf->nbackups; k++)
			if (job_plan_saves(&conf->backups[k], &conf->databases[i]))
				cover(w, &conf->databases[i], &conf->backups[k]);
	forget_others(w);
	if (map_size(w->entries) == 0)
		return;
	set_timer(w->look, SOON_US);
	set_timer(w->judge, JUDGE_US);
}

/* ---- life ---- */

struct backup_watch *
backup_watch_new(struct event_base *base, struct monitor *monitor, struct jobs *jobs,
    void (*on_state)(const char *, const char *, void *), void *arg)
{
	struct backup_watch *w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->monitor = monitor;
	w->jobs = jobs;
	w->on_state = on_state;
	w->arg = arg;
	w->entries = map_new();
	w->restored = map_new();
	w->judge = evtimer_new(base, on_judge, w);
	w->look = evtimer_new(base, on_look, w);
	assert(w->judge && w->look);
	return w;
}

struct backup_watch *
backup_watch_free(struct backup_watch *w)
{
	if (!w)
		return NULL;
	worker_pool_free(w->pool);
	event_free(w->judge);
	event_free(w->look);
	map_free(w->entries, entry_free);
	map_free(w->restored, free);
	free(w);
	return NULL;
}

void
backup_watch_restore(struct backup_watch *w, const char *name, const char *json)
{
	free(map_put(w->restored, name, xstrdup(json)));
}
