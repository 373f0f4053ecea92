/*
 * Django: APP/migrations/NAME.py with a class Migration; the label of an application is the name of its
 * folder unless its apps.py says another.
 */
#include "base/map.h"
#include "base/str.h"
#include "migration/tool.h"
#include <stdlib.h>

static bool
is_django(const struct migration_file *f, const char *text)
{
	return streq(f->dir, "migrations") && str_ends(f->name, ".py") && f->name[0] != '_' &&
	       f->name[0] != '~' && (!text || strstr(text, "class Migration"));
}

/* The folder above the one the file is in, as a path below the root: "" is the root, NULL above it. */
static char *
app_path(const struct migration_file *f)
{
	const char *slash = strrchr(f->path, '/');
	_cleanup_free_ char *dir = NULL;
	char *up;

	if (!slash)
		return NULL;
	dir = xstrndup(f->path, (size_t)(slash - f->path));
	up = strrchr(dir, '/');
	return up ? xstrndup(dir, (size_t)(up - dir)) : xstrdup("");
}

static char *
last_part(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] == '/')
		len--;
	for (size_t i = len; i > 0; i--)
		if (path[i - 1] == '/')
			return xstrndup(path + i, len - i);
	return xstrndup(path, len);
}

/* Where the root itself is APP/migrations its parent's name is all there is. */
static char *
app_label(struct migration_folder *folder, const struct migration_file *f, struct map *labels)
{
	_cleanup_free_ char *path = app_path(f);
	const char *label = path ? map_get(labels, path) : NULL;
	size_t len = strlen(folder->path);

	if (label)
		return xstrdup(label);
	if (path && *path)
		return last_part(path, strlen(path));
	if (path)
		return last_part(folder->path, len);
	while (len > 0 && folder->path[len - 1] == '/')
		len--;
	while (len > 0 && folder->path[len - 1] != '/')
		len--;
	return last_part(folder->path, len);
}

/* apps.py: `label = "x"` in its class. */
static int
read_labels(struct migration_folder *folder, struct map *labels, struct err *e)
{
	for (size_t i = 0; i < folder->n; i++) {
		const struct migration_file *f = &folder->v[i];
		_cleanup_free_ char *text = NULL, *dir = NULL;
		_cleanup_strv_ char **found = NULL;
		size_t len;
		int r;

		if (!streq(f->name, "apps.py"))
			continue;
		r = migration_file_read(folder, f, &text, &len, e);
		if (r < 0)
			return r;
		if (!python_strings(text, "label", true, &found) || strv_len(found) != 1)
			continue;
		dir = xstrndup(f->path, (size_t)(f->name - f->path) - (f->name > f->path));
		free(map_put(labels, dir, xstrdup(found[0])));
	}
	return 0;
}

/* replaces = [("app", "name"), ...]: pairs. */
static json_t *
replaced(char **texts)
{
	json_t *list = json_array();

	for (size_t i = 0; texts && texts[i] && texts[i + 1]; i += 2) {
		_cleanup_free_ char *v = xasprintf("%s.%s", texts[i], texts[i + 1]);
		json_t *s = json_string(v);

		if (s)
			json_array_append_new(list, s);
	}
	return list;
}

static int
read_one(struct migration_folder *folder, const struct migration_file *f, struct map *labels,
    json_t *known, struct err *e)
{
	_cleanup_free_ char *text = NULL, *app = NULL, *v = NULL;
	_cleanup_strv_ char **texts = NULL;
	size_t len;
	json_t *o;
	int r = migration_file_read(folder, f, &text, &len, e);

	if (r < 0)
		return r;
	if (!is_django(f, text))
		return 0;
	app = app_label(folder, f, labels);
	v = xasprintf("%s.%.*s", app, (int)strlen(f->name) - 3, f->name);
	o = migration_add(known, v, f->path);
	if (python_strings(text, "replaces", true, &texts) && texts)
		json_object_set_new(o, "replaces", replaced(texts));
	return 0;
}

static int
read_django(struct migration_folder *folder, json_t *known, struct err *e)
{
	struct map *labels = map_new();
	int r = read_labels(folder, labels, e);

	for (size_t i = 0; r >= 0 && i < folder->n; i++)
		if (is_django(&folder->v[i], NULL))
			r = read_one(folder, &folder->v[i], labels, known, e);
	map_free(labels, free);
	return r;
}

const struct migration_tool migration_django = { "django", NULL, is_django, true, read_django };
