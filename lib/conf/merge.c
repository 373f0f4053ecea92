/* Which files are read, what their sections are, and which value of a key is the last. */
#include "conf/merge.h"
#include "base/map.h"
#include "base/str.h"
#include "conf/ini.h"
#include <ctype.h>
#include <dirent.h>
#include <stdint.h>

#define DEFAULT_DROPINS "/etc/dbhealthd/conf.d"

/* Sections of a later version that many will try: refused in words, not as a slip. */
static const char *const not_yet[] = { "pool", "group" };

static const char *
nearest_section(const char *word)
{
	const char *names[KIND_N];

	for (int i = 0; i < KIND_N; i++)
		names[i] = conf_sections[i].name;
	return str_nearest(word, names, KIND_N);
}

static int
fail_unknown(const char *path, const struct ini_section *s, const char *word, const char *name,
    struct err_list *errors)
{
	const char *near = nearest_section(word);
	bool named = near && *name;

	for (size_t i = 0; i < ARRAY_SIZE(not_yet); i++)
		if (streq(word, not_yet[i])) {
			err_list_add(errors,
			    "%s:%d: [%s]: PgBouncer pools and groups come with a later version of "
			    "dbhealthd",
			    path, s->line, s->header);
			return -EOPNOTSUPP;
		}
	if (near)
		err_list_add(errors, "%s:%d: [%s]: unknown section; did you mean [%s%s%s]?", path,
		    s->line, s->header, near, named ? " " : "", named ? name : "");
	else
		err_list_add(errors, "%s:%d: [%s]: unknown section", path, s->line, s->header);
	return -EINVAL;
}

/* What may stand behind the word of a section. */
static int
check_name(const char *path, const struct ini_section *s, enum conf_kind kind, const char *name,
    struct err_list *errors)
{
	const char *argument = conf_sections[kind].argument, *slash = strrchr(name, '/');

	if (!argument && *name)
		err_list_add(errors, "%s:%d: [%s]: this section takes no name; write [%s]", path,
		    s->line, s->header, conf_sections[kind].name);
	else if (argument && !*name)
		err_list_add(errors, "%s:%d: [%s]: this section needs a name; write [%s %s]", path,
		    s->line, s->header, conf_sections[kind].name, argument);
	else if (kind == KIND_CHECK &&
	         (slash == name || !*(slash ? slash + 1 : name) || name[strcspn(name, " \t")]))
		err_list_add(errors, "%s:%d: [%s]: write [check ID] or [check DATABASE/ID]", path,
		    s->line, s->header);
	else if (argument && kind != KIND_CHECK && !conf_name_valid(name))
		err_list_add(errors,
		    "%s:%d: [%s]: a name has up to 40 letters, digits, \"_\", "
		    "\".\" and \"-\", and begins with a letter or digit",
		    path, s->line, s->header);
	else
		return 0;
	return -EINVAL;
}

/* Splits "database orders" into its kind and its name; both are judged. */
static int
parse_header(const char *path, const struct ini_section *s, enum conf_kind *ret_kind,
    char **ret_name, struct err_list *errors)
{
	_cleanup_free_ char *copy = xstrdup(s->header);
	char *name = copy + strcspn(copy, " \t");

	if (*name)
		*name++ = '\0';
	name = str_trim(name);
	for (int i = 0; i < KIND_N; i++) {
		if (!streq(copy, conf_sections[i].name))
			continue;
		if (check_name(path, s, (enum conf_kind)i, name, errors) < 0)
			return -EINVAL;
		*ret_kind = (enum conf_kind)i;
		*ret_name = xstrdup(name);
		return 0;
	}
	return fail_unknown(path, s, copy, name, errors);
}

static struct merged_section *
find_or_add_section(
    struct merged *m, enum conf_kind kind, const char *name, const char *path, int line)
{
	_cleanup_free_ char *header = *name ? xasprintf("%s %s", conf_sections[kind].name, name)
	                                    : xstrdup(conf_sections[kind].name);
	uintptr_t i = (uintptr_t)map_get(m->by_header, header);

	if (i)
		return &m->sections[i - 1];
	if ((m->nsections & (m->nsections - 1)) == 0)
		m->sections = xreallocarray(
		    m->sections, MAX(2 * m->nsections, (size_t)1), sizeof(*m->sections));
	m->sections[m->nsections] = (struct merged_section){ .kind = kind,
		.name = xstrdup(name),
		.header = xstrdup(header),
		.origin = { xstrdup(path), line } };
	map_put(m->by_header, header, (void *)(m->nsections + 1));
	return &m->sections[m->nsections++];
}

struct merged_entry *
merged_find(const struct merged_section *s, const char *key)
{
	for (size_t i = 0; i < s->nentries; i++)
		if (streq(s->entries[i].key, key))
			return &s->entries[i];
	return NULL;
}

static void
fail_unknown_key(const char *path, const struct merged_section *s, const struct ini_entry *e,
    struct err_list *errors)
{
	const char *near = option_nearest(s->kind, e->key);
	enum conf_kind elsewhere = option_elsewhere(s->kind, e->key);

	if (s->kind == KIND_DEFAULTS && option_find(KIND_DATABASE, e->key))
		err_list_add(errors, "%s:%d: [%s] %s: belongs to each [database NAME] alone", path,
		    e->line, s->header, e->key);
	else if (elsewhere != KIND_N)
		err_list_add(errors, "%s:%d: [%s] %s: unknown key; it belongs to [%s%s%s]", path,
		    e->line, s->header, e->key, conf_sections[elsewhere].name,
		    conf_sections[elsewhere].argument ? " " : "",
		    conf_sections[elsewhere].argument ? conf_sections[elsewhere].argument : "");
	else if (near)
		err_list_add(errors, "%s:%d: [%s] %s: unknown key; did you mean %s?", path, e->line,
		    s->header, e->key, near);
	else
		err_list_add(errors,
		    "%s:%d: [%s] %s: unknown key; dbhealthd --help-config lists "
		    "them",
		    path, e->line, s->header, e->key);
}

static void
merge_entry(
    const char *path, struct merged_section *s, struct ini_entry *e, struct err_list *errors)
{
	const struct conf_option *o = option_find(s->kind, e->key);
	struct merged_entry *old = merged_find(s, e->key);

	if (!o) {
		fail_unknown_key(path, s, e, errors);
		return;
	}
	if (old && streq(old->origin.file, path)) {
		err_list_add(errors, "%s:%d: [%s] %s: given twice, first in line %d", path, e->line,
		    s->header, e->key, old->origin.line);
		return;
	}
	if (!old && s->nentries == INI_MAX_KEYS) {
		err_list_add(errors, "%s:%d: [%s]: more than %d keys in one section", path, e->line,
		    s->header, INI_MAX_KEYS);
		return;
	}
	if (old) {
		free(old->value);
		free(old->origin.file);
	} else {
		if ((s->nentries & (s->nentries - 1)) == 0)
			s->entries = xreallocarray(
			    s->entries, MAX(2 * s->nentries, (size_t)1), sizeof(*s->entries));
		old = &s->entries[s->nentries++];
		old->key = xstrdup(e->key);
		old->option = o;
	}
	old->value = TAKE_PTR(e->value);
	old->origin = (struct conf_origin){ xstrdup(path), e->line };
}

static int
merge_file(const char *path, struct snapshot *outside, struct merged *m, struct err_list *errors)
{
	_cleanup_(ini_done) struct ini_file file = { 0 };
	int r = ini_read(path, outside, &file, errors);

	for (size_t i = 0; r == 0 && i < file.nsections; i++) {
		struct ini_section *in = &file.sections[i];
		_cleanup_free_ char *name = NULL;
		struct merged_section *s;
		enum conf_kind kind;

		if (parse_header(path, in, &kind, &name, errors) < 0)
			continue;
		s = find_or_add_section(m, kind, name, path, in->line);
		for (size_t j = 0; j < in->nentries; j++)
			merge_entry(path, s, &in->entries[j], errors);
	}
	return r;
}

static int
is_dropin(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && streq(d->d_name + n - 5, ".conf");
}

/* By bytes, whatever the locale says. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names, each with its end. */
static const struct snapshot_item *
read_dropins(const char *dir, struct snapshot *outside)
{
	const struct snapshot_item *got = snapshot_get(outside, "dropins", dir);
	_cleanup_str_ struct str all = { 0 };
	struct dirent **names = NULL;
	int n;

	if (got)
		return got;
	n = scandir(dir, &names, is_dropin, by_name);
	if (n < 0)
		return snapshot_put(outside, "dropins", dir, -errno, NULL, 0, NULL);
	for (int i = 0; i < n; i++) {
		str_addn(&all, names[i]->d_name, strlen(names[i]->d_name) + 1);
		free(names[i]);
	}
	free(names);
	return snapshot_put(outside, "dropins", dir, n, all.s, all.len, NULL);
}

static void
merge_dropins(const char *dir, struct snapshot *outside, struct merged *m, struct err_list *errors)
{
	const struct snapshot_item *names = read_dropins(dir, outside);

	if (names->code < 0 && names->code != -ENOENT && names->code != -ENOTDIR)
		err_list_add(errors, "%s: cannot be read: %s", dir, strerror(-names->code));
	for (const char *p = names->bytes; p < names->bytes + names->len; p += strlen(p) + 1) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, p);

		if (merge_file(path, outside, m, errors) == -ENOENT)
			err_list_add(errors, "%s: a link to nowhere", path);
	}
}

void
merge_files(const char *path, struct snapshot *outside, struct merged *ret, struct err_list *errors)
{
	bool standard = !path || streq(path, CONF_DEFAULT_FILE);
	const char *file = path ? path : CONF_DEFAULT_FILE;
	_cleanup_free_ char *dir = standard ? xstrdup(DEFAULT_DROPINS) : xasprintf("%s.d", path);

	*ret = (struct merged){ .by_header = map_new() };
	if (merge_file(file, outside, ret, errors) == -ENOENT && path)
		err_list_add(errors, "%s: there is no such file", file);
	merge_dropins(dir, outside, ret, errors);
}

void
merged_done(struct merged *m)
{
	for (size_t i = 0; i < m->nsections; i++) {
		struct merged_section *s = &m->sections[i];

		for (size_t j = 0; j < s->nentries; j++) {
			free(s->entries[j].key);
			free(s->entries[j].value);
			free(s->entries[j].origin.file);
		}
		free(s->entries);
		free(s->name);
		free(s->header);
		free(s->origin.file);
	}
	free(m->sections);
	map_free(m->by_header, NULL);
	*m = (struct merged){ 0 };
}
