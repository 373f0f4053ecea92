/* [backup NAME]: whose backups are made, where they go and how long they stay. */
#include "base/str.h"
#include "conf/loader.h"
#include "conf/option.h"

void
loader_read_backup(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	struct conf_backup *b;

	c->backups = xreallocarray(c->backups, c->nbackups + 1, sizeof(*c->backups));
	b = &c->backups[c->nbackups++];
	*b = (struct conf_backup){ .name = xstrdup(s->name),
		.origin = { xstrdup(s->origin.file), s->origin.line } };
	loader_read_fields(l, s, b);
}

static bool
backup_equal(const struct conf_backup *a, const struct conf_backup *b)
{
	return streq(a->name, b->name) && option_fields_equal(KIND_BACKUP, a, b);
}

bool
conf_backups_equal(const struct conf *a, const struct conf *b)
{
	if (a->nbackups != b->nbackups)
		return false;
	for (size_t i = 0; i < a->nbackups; i++)
		if (!backup_equal(&a->backups[i], &b->backups[i]))
			return false;
	return true;
}

const struct conf_backup *
conf_backup_of(const struct conf *c, const char *database)
{
	for (size_t i = 0; i < c->nbackups; i++)
		if (str_glob_any(c->backups[i].databases, database))
			return &c->backups[i];
	return NULL;
}

const struct conf_backup *
conf_backup_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->nbackups; i++)
		if (streq(c->backups[i].name, name))
			return &c->backups[i];
	return NULL;
}

char *
conf_backup_folder(const struct conf *c, const struct conf_backup *b)
{
	return b && b->to ? xstrdup(b->to) : xasprintf("%s/backups", c->daemon.state_dir);
}

void
conf_backups_free(struct conf *c)
{
	for (size_t i = 0; i < c->nbackups; i++) {
		option_free_fields(KIND_BACKUP, &c->backups[i]);
		free(c->backups[i].origin.file);
		free(c->backups[i].name);
	}
	free(c->backups);
}
