/*
 * Flyway: V1_2__words.sql is version 1.2, R__words.sql is run again when it changes, U undoes, B is where a
 * new database begins.
 */
#include "base/str.h"
#include "migration/tool.h"
#include <ctype.h>
#include <stdlib.h>

/* The version in NAME as its table has it ("1.2"; "R__words" for a repeatable one), or NULL. */
static char *
flyway_version(const struct migration_file *f)
{
	const char *name = f->name, *sep = strstr(name, "__"), *dot = strrchr(name, '.');
	char *v, *p;

	if (!strchr("VRB", name[0]) || !name[0] || !sep || !dot || dot < sep + 2 ||
	    !(str_ends(name, ".sql") || str_ends(name, ".java") || str_ends(name, ".kt")))
		return NULL;
	if (name[0] == 'R') {
		if (sep != name + 1)
			return NULL;
		v = xstrndup(name, (size_t)(dot - name));
		for (p = v + 3; *p; p++)
			if (*p == '_')
				*p = ' ';
		return v;
	}
	v = xstrndup(name + 1, (size_t)(sep - name) - 1);
	for (p = v; *p; p++) {
		if (*p == '_')
			*p = '.';
		if (!isdigit((unsigned char)*p) && *p != '.')
			break;
	}
	if (*p || !isdigit((unsigned char)v[0]) || p[-1] == '.') {
		free(v);
		return NULL;
	}
	return v;
}

static bool
is_flyway(const struct migration_file *f, const char *text)
{
	_cleanup_free_ char *v = flyway_version(f);

	(void)text;
	return v != NULL;
}

struct flyway_entry {
	char *v;
	const struct migration_file *file;
};

static int
compare_versions(const char *a, const char *b)
{
	while (*a || *b) {
		size_t na, nb;
		int c;

		a += strspn(a, "0");
		b += strspn(b, "0");
		na = strcspn(a, ".");
		nb = strcspn(b, ".");
		if (na != nb)
			return na < nb ? -1 : 1;
		c = strncmp(a, b, na);
		if (c != 0)
			return c;
		a += na + (a[na] == '.');
		b += nb + (b[nb] == '.');
	}
	return 0;
}

/* Repeatable ones are run last, by their words. */
static int
by_version(const void *a, const void *b)
{
	const struct flyway_entry *x = a, *y = b;
	bool rx = x->v[0] == 'R', ry = y->v[0] == 'R';

	if (rx != ry)
		return rx - ry;
	return rx ? strcmp(x->v, y->v) : compare_versions(x->v, y->v);
}

static int
read_one(struct migration_folder *f, const struct flyway_entry *x, json_t *known, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	json_t *o = migration_add(known, x->v, x->file->path);
	int r;

	if (x->file->name[0] == 'B')
		json_object_set_new(o, "opt", json_true());
	if (!str_ends(x->file->name, ".sql"))
		return 0; /* code has no checksum unless it gives one */
	r = migration_file_read(f, x->file, &text, &len, e);
	if (r < 0)
		return r;
	/* The sum of a repeatable one is taken after placeholders are filled in. */
	if (x->v[0] != 'R' || !strstr(text, "${"))
		migration_sums(o, text, len, migration_crc32);
	return 0;
}

static int
read_flyway(struct migration_folder *f, json_t *known, struct err *e)
{
	_cleanup_free_ struct flyway_entry *v = xcalloc(f->n + 1, sizeof(*v));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < f->n; i++)
		if ((v[n].v = flyway_version(&f->v[i])))
			v[n++].file = &f->v[i];
	qsort(v, n, sizeof(*v), by_version);
	for (size_t i = 0; i < n; i++) {
		if (r >= 0)
			r = read_one(f, &v[i], known, e);
		free(v[i].v);
	}
	return r;
}

const struct migration_tool migration_flyway = { "flyway", NULL, is_flyway, false, read_flyway };
