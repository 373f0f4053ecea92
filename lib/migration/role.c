/*
 * The `migration` worker: whose files a folder holds, and what they say.
 */
#include "base/str.h"
#include "base/text.h"
#include "migration/migration.h"
#include "migration/tool.h"
#include <limits.h>
#include <stdlib.h>

#define PREFIX    "head of "
#define PEEK_MAX  200 /* files looked into to tell whose they are */
#define KNOWN_MAX 20000
#define PART_MAX  ((size_t)512 << 10)

/* The surest first: numbers in front are what all the last ones have. */
const struct migration_tool *const migration_tools[] = { &migration_prisma, &migration_flyway,
	&migration_liquibase, &migration_rails, &migration_django, &migration_alembic,
	&migration_goose, &migration_dbmate, &migration_golang, &migration_knex, &migration_sqlx,
	NULL };

const char *
migration_folder_of(const char *expect)
{
	if (!expect || !str_starts(expect, PREFIX))
		return NULL;
	expect += strlen(PREFIX);
	return expect + strspn(expect, " \t");
}

char *
migration_job(const char *folder, const char *tool)
{
	_cleanup_free_ char *path = text_from_peer(folder, strlen(folder), PATH_MAX);
	json_t *o = json_pack("{s:s, s:s?}", "folder", path, "tool", tool);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text ? text : xstrdup("{}");
}

static int
is_theirs(struct migration_folder *f, const struct migration_tool *t, size_t *peeks, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		int r;

		if (!t->is_ours(&f->v[i], NULL))
			continue;
		if (!t->peeks)
			return 1;
		if (*peeks == 0)
			return 0;
		--*peeks;
		r = migration_file_read(f, &f->v[i], &text, &len, e);
		if (r < 0)
			return r;
		if (t->is_ours(&f->v[i], text))
			return 1;
	}
	return 0;
}

static int
find_tool(
    struct migration_folder *f, const char *name, const struct migration_tool **ret, struct err *e)
{
	for (size_t i = 0; migration_tools[i]; i++) {
		size_t peeks = PEEK_MAX;
		int r;

		if (name && !streq(name, migration_tools[i]->name))
			continue;
		r = is_theirs(f, migration_tools[i], &peeks, e);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret = migration_tools[i];
			return 0;
		}
	}
	return err_set(
	    e, -ENOENT, "there is no migration of %s in it", name ? name : "a known tool");
}

int
migration_read(const char *folder, const char *name, json_t **ret, struct err *e)
{
	struct migration_folder f = { .fd = -1 };
	const struct migration_tool *tool = NULL;
	json_t *known = NULL, *tools;
	int r = migration_folder_open(folder, &f, e);

	if (r < 0)
		return r;
	r = find_tool(&f, name, &tool, e);
	if (r >= 0) {
		assert(tool);
		known = json_array();
		r = tool->read(&f, known, e);
	}
	if (r >= 0 && json_array_size(known) == 0)
		r = err_set(e, -ENOENT, "there is no migration of %s in it", tool->name);
	if (r >= 0 && json_array_size(known) > KNOWN_MAX)
		r = err_set(e, -E2BIG, "more than %d migrations", KNOWN_MAX);
	migration_folder_done(&f);
	if (r < 0) {
		json_decref(known);
		return r;
	}
	tools = json_pack("[s]", tool->name);
	if (tool->also && !name)
		json_array_append_new(tools, json_string(tool->also));
	*ret = json_pack("{s:o, s:o}", "tools", tools, "known", known);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int
send_all(const char *text)
{
	size_t len = strlen(text);
	int r = 0;

	for (size_t at = 0; r >= 0 && at < len; at += PART_MAX)
		r = worker_send(MIGRATION_PART, text + at, MIN(PART_MAX, len - at));
	return r;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	json_t *job = json_loadb(payload, len, 0, NULL), *answer = NULL;
	const char *folder, *tool;
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	int r;

	if (type != MIGRATION_JOB || json_unpack(job, "{s:s}", "folder", &folder) < 0) {
		json_decref(job);
		return -EBADMSG;
	}
	tool = json_string_value(json_object_get(job, "tool"));
	r = migration_read(folder, tool, &answer, &e);
	if (r < 0) {
		/* What it begins with names the file; the folder is said in front of it. */
		text =
		    str_starts(e.msg, folder) ? xstrdup(e.msg) : xasprintf("%s: %s", folder, e.msg);
		r = worker_send(MIGRATION_REASON, text, strlen(text));
	} else {
		text = json_dumps(answer, JSON_COMPACT);
		r = text ? send_all(text) : -ENOMEM;
	}
	json_decref(answer);
	json_decref(job);
	return r;
}

const struct worker_role migration_role = {
	.name = "migration",
	.address_space = (size_t)512 << 20,
	.idle_io = true,
	.sandbox = SANDBOX_READS,
	.serve = serve,
};
