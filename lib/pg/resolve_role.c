/*
 * The `resolve` worker: a DSN to a plan, and the sockets of this host.  It may block on names and
 * files for as long as it likes; the loop kills it at the job's deadline.
 */
#include "base/str.h"
#include "base/text.h"
#include "pg/plan_impl.h"
#include "worker/worker.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#define SOCKETS_MAX 100

static json_t *
failure_json(const struct err *e)
{
	_cleanup_free_ char *message = text_from_peer(e->msg, strlen(e->msg), sizeof(e->msg));

	return json_pack("{s:i, s:s}", "error", e->code, "message", message);
}

static int
answer(uint32_t type, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	int r = text ? worker_send(type, text, strlen(text)) : -EBADMSG;

	json_decref(o);
	secret_free(text);
	return r;
}

static int
serve_resolve(const char *payload, size_t len)
{
	json_t *job = json_loadb(payload, len, JSON_DECODE_ANY, NULL), *made = NULL;
	struct err e = { 0 };
	int r;

	if (!json_is_string(job)) {
		json_decref(job);
		return -EBADMSG;
	}
	r = plan_make(json_string_value(job), false, &made, &e);
	json_decref(job);
	tls_copy_clean();
	return answer(RESOLVE_ANSWER, r < 0 ? failure_json(&e) : made);
}

static int
is_server_socket(const struct dirent *d)
{
	const char *port = d->d_name + strlen(".s.PGSQL.");

	return str_starts(d->d_name, ".s.PGSQL.") && *port &&
	       port[strspn(port, "0123456789")] == '\0';
}

static void
find_sockets(const char *folder, json_t *found)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_server_socket, alphasort);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, names[i]->d_name);
		_cleanup_free_ char *one =
		    xasprintf("%s:%s", folder, names[i]->d_name + strlen(".s.PGSQL."));
		struct stat st;

		if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		    json_array_size(found) < SOCKETS_MAX)
			json_array_append_new(found, json_string(one));
		free(names[i]);
	}
	free(names);
}

/* Without a payload the two folders that servers use; else a JSON array of folders. */
static int
serve_discover(const char *payload, size_t len)
{
	json_t *folders = len > 0 ? json_loadb(payload, len, 0, NULL)
	                          : json_pack("[s, s]", "/var/run/postgresql", "/tmp");
	json_t *found = json_array(), *folder;
	size_t i;

	json_array_foreach (folders, i, folder)
		if (json_is_string(folder))
			find_sockets(json_string_value(folder), found);
	json_decref(folders);
	return answer(RESOLVE_SOCKETS, found);
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	switch (type) {
	case RESOLVE_JOB:
		return serve_resolve(payload, len);
	case RESOLVE_DISCOVER:
		return serve_discover(payload, len);
	default:
		return -EPROTO;
	}
}

/* Messages are recognised by their words: no translations here. */
static int
begin(void)
{
	return setenv("LC_ALL", "C", 1);
}

const struct worker_role resolve_role = {
	.name = "resolve",
	.address_space = (size_t)512 << 20,
	.credentials = true,
	.serve = serve,
	.begin = begin,
};

char *
resolve_job(const char *dsn)
{
	json_t *o = json_string(dsn);
	char *text;

	if (!o) /* not UTF-8: the worker will say so of what remains */
		o = json_string("");
	text = json_dumps(o, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(o);
	return text;
}

int
resolve_answer(const char *payload, size_t len, struct pg_plan **ret, struct err *e)
{
	json_t *o = json_loadb(payload, len, 0, NULL);
	int code = (int)json_integer_value(json_object_get(o, "error"));
	const char *message = json_string_value(json_object_get(o, "message"));
	int r;

	if (code < 0 && message)
		r = err_set(e, code, "%s", message);
	else
		r = plan_from_json(o, ret, e);
	json_decref(o);
	return r;
}
