/*
 * Lists a fleet of SQLite files once, by the worker that follows it for the daemon: what counts as a
 * member is decided in one place.
 */
#include "cli/fleet_list.h"

#include "base/clock.h"
#include "base/str.h"
#include "pg/plan.h"
#include "report/report.h"
#include "sqlite/fleet.h"
#include "worker/worker.h"

/* It ends with the first listing, long before anything is due again. */
#define NEVER_MS INT64_C(3600000)

struct listing {
	struct fleet_list *list;
	struct event_base *base;
	size_t max;
	json_t *names;
	struct err *err;
};

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct listing *l = arg;
	json_t *o = json_loadb(payload, len, 0, NULL), *v;
	size_t i;

	/* A worker is not trusted to send only what we know. */
	if (json_is_object(o) && type == FLEET_FILES && !l->list->state) {
		json_array_foreach (json_object_get(o, "came"), i, v)
			if (json_is_string(v) && json_array_size(l->names) < l->max)
				json_array_append(l->names, v);
	} else if (json_is_object(o) && type == FLEET_STATE && !l->list->state) {
		l->list->state = json_incref(o);
		event_base_loopbreak(l->base);
	}
	json_decref(o);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct listing *l = arg;

	if (!l->list->state)
		err_set(l->err, -EIO, "its files could not be listed: %s",
		    end == WORKER_TIMEOUT ? "not in time"
		    : err                 ? err->msg
		                          : "the worker ended");
	event_base_loopbreak(l->base);
}

static char *
job_text(const struct conf_database *c, const struct fleet_list *list)
{
	json_t *job = json_object(), *exclude = json_array();
	char *text;

	for (char **p = c->exclude_files; p && *p; p++)
		json_array_append_new(exclude, report_string(*p));
	json_object_set_new(job, "folder", report_string(list->folder));
	json_object_set_new(job, "pattern", report_string(list->pattern));
	json_object_set_new(job, "exclude", exclude);
	json_object_set_new(job, "max_files", json_integer(c->max_files));
	json_object_set_new(job, "sweep_ms", json_integer(NEVER_MS));
	json_object_set_new(job, "rescan_ms", json_integer(NEVER_MS));
	text = report_dump(job);
	json_decref(job);
	return text;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
take_names(struct listing *l)
{
	size_t n = json_array_size(l->names), i;
	const json_t *v;

	l->list->names = xcalloc(n + 1, sizeof(*l->list->names));
	json_array_foreach (l->names, i, v)
		l->list->names[i] = xstrdup(json_string_value(v));
	qsort(l->list->names, n, sizeof(*l->list->names), by_name);
}

static int
ask(struct listing *l, const struct conf_database *c, int64_t budget_us)
{
	const struct worker_limits limits = { .processes = 1, .queue = 1 };
	_cleanup_free_ char *job = job_text(c, l->list);
	struct worker_pool *pool = NULL;
	int r = worker_pool_new(l->base, "fleet", &limits, &pool, l->err);

	if (r == 0)
		r = worker_submit(
		    pool, FLEET_JOB, job, strlen(job), budget_us, 0, on_message, on_end, l, NULL);
	if (r == 0)
		event_base_dispatch(l->base);
	worker_pool_free(pool);
	if (r < 0 && *l->err->msg == '\0')
		err_set(l->err, r, "%s", strerror(-r));
	return r == 0 && l->list->state ? EXIT_OK : EXIT_UNAVAILABLE;
}

/* "": its folder could be looked into. */
static const char *
why_not(const struct fleet_list *l)
{
	return json_string_value(json_object_get(l->state, "error")) ?: "";
}

int
fleet_list(
    const struct conf_database *c, int64_t budget_us, struct fleet_list *ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	struct fleet_list list = { 0 };
	struct listing l = { .list = &list, .max = (size_t)c->max_files, .err = err };
	int r;

	if (dsn_sqlite_path(c->dsn, &path, err) < 0 ||
	    fleet_split(path, &list.folder, &list.pattern, err) < 0)
		return EXIT_USAGE;
	l.base = event_base_new();
	l.names = json_array();
	r = ask(&l, c, budget_us);
	if (r == EXIT_OK && *why_not(&list)) {
		err_set(err, -EIO, "%s", why_not(&list));
		r = EXIT_UNAVAILABLE;
	}
	if (r == EXIT_OK)
		take_names(&l);
	json_decref(l.names);
	event_base_free(l.base);
	if (r == EXIT_OK)
		*ret = list;
	else
		fleet_list_done(&list);
	return r;
}

void
fleet_list_done(struct fleet_list *l)
{
	free(l->folder);
	free(l->pattern);
	for (char **p = l->names; p && *p; p++)
		free(*p);
	free(l->names);
	json_decref(l->state);
	*l = (struct fleet_list){ 0 };
}

char *
fleet_list_note(const struct fleet_list *l)
{
	static const struct {
		const char *key, *one, *many;
	} kinds[] = {
		{ "over", "file more than max_files", "files more than max_files" },
		{ "excluded", "file by exclude_files", "files by exclude_files" },
		{ "links", "symbolic link", "symbolic links" },
		{ "others", "that is no regular file", "that are no regular files" },
		{ "closed", "folder closed to you", "folders closed to you" },
	};
	struct str out = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		json_int_t n = json_integer_value(json_object_get(l->state, kinds[i].key));

		if (n > 0)
			str_addf(&out, "%s%lld %s", out.len > 0 ? ", " : "", (long long)n,
			    n == 1 ? kinds[i].one : kinds[i].many);
	}
	if (json_is_true(json_object_get(l->state, "cut")))
		str_addf(&out, "%sfiles without end", out.len > 0 ? ", " : "");
	return out.len > 0 ? str_take(&out) : xstrdup("");
}
