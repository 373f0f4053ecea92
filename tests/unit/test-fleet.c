/* Patterns of a fleet, names of its files, and what one listing finds. */
#include "base/str.h"
#include "sqlite/fleet.h"
#include "sqlite/fleet_scan.h"
#include "tree.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { NULL };

static void
test_patterns_are_split_before_the_first_wildcard(void **state)
{
	static const struct {
		const char *path, *folder, *pattern; /* NULL: refused */
	} cases[] = {
		{ "/srv/tenants/*.db", "/srv/tenants", "*.db" },
		{ "/srv/*/data.db", "/srv", "*/data.db" },
		{ "/srv/t-[0-9]/db/*.sqlite?", "/srv", "t-[0-9]/db/*.sqlite?" },
		{ "/*.db", "/", "*.db" },
		{ "/srv/a.db", NULL, NULL },
		{ "srv/*.db", NULL, NULL },
		{ "/srv/**/a.db", NULL, NULL },
		{ "/srv/*/", NULL, NULL },
		{ "/a*/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
		    NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *folder = NULL, *pattern = NULL;
		struct err err = { 0 };
		int r = fleet_split(cases[i].path, &folder, &pattern, &err);

		if (!cases[i].folder) {
			assert_int_equal(r, -EINVAL);
			assert_true(err.msg[0] != '\0');
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(folder, cases[i].folder);
		assert_string_equal(pattern, cases[i].pattern);
	}
}

static void
test_any_name_becomes_text_and_comes_back(void **state)
{
	static const struct {
		const char *file, *name;
	} cases[] = {
		{ "acme.db", "acme.db" },
		{ "100%.db", "100%25.db" },
		{ "a\nb\x7f.db", "a%0Ab%7F.db" },
		{ "caf\xc3\xa9.db", "caf\xc3\xa9.db" },
		{ "caf\xe9.db", "caf%E9.db" },
		{ "\xc3", "%C3" },
		{ "it's \"x\".db", "it's \"x\".db" },
		{ "%41", "%2541" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = fleet_name(cases[i].file);
		_cleanup_free_ char *path = fleet_path("/srv", name);
		_cleanup_free_ char *whole = xasprintf("/srv/%s", cases[i].file);

		assert_string_equal(name, cases[i].name);
		assert_string_equal(path, whole);
	}
}

static void
test_what_lies_beside_a_database_is_none(void **state)
{
	static const char *const beside[] = { "a.db-wal", "a.db-shm", "a.db-journal",
		"a.db-mj0A1B2C9D3" };
	static const char *const own[] = { "a.db", "wal", "journal.db", "a-mj0A1B2C9", "a.wal" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		assert_true(fleet_is_beside(beside[i]));
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		assert_false(fleet_is_beside(own[i]));
}

/* ---- listing ---- */

static char *
make_folder(void)
{
	char path[] = "/tmp/test-fleet.XXXXXX";

	assert_non_null(mkdtemp(path));
	return xstrdup(path);
}

static void
put(const char *folder, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
	FILE *f;

	for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

static void
link_to(const char *folder, const char *to, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

	assert_int_equal(symlink(to, path), 0);
}

static void
remove_folder(char *path)
{
	assert_int_equal(remove_tree(path), 0);
	free(path);
}

static void
note_folder(const char *path, void *arg)
{
	strv_add(arg, path);
}

static char *
names_of(const struct fleet_scan *s)
{
	struct str out = { 0 };

	for (size_t i = 0; i < s->n; i++)
		str_addf(&out, "%s%s", i ? " " : "", s->v[i].name);
	return str_take(&out);
}

static void
test_one_folder(void **state)
{
	char *folder = make_folder();
	_cleanup_strv_ char **parts = NULL, **exclude = NULL, **seen = NULL;
	_cleanup_free_ char *names = NULL, *fifo = xasprintf("%s/pipe.db", folder);
	struct fleet_scan s = { .folder = folder, .on_folder = note_folder, .arg = &seen };

	(void)state;
	put(folder, "b.db");
	put(folder, "a.db");
	put(folder, "a.db-wal");
	put(folder, ".hidden.db");
	put(folder, "test_1.db");
	put(folder, "x\n\xff.db");
	put(folder, "other.txt");
	put(folder, "folder.db/inner.db");
	link_to(folder, "a.db", "link.db");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	strv_add(&parts, "*.db*");
	strv_add(&exclude, "test_*");
	s.parts = parts;
	s.exclude = exclude;
	fleet_scan_run(&s);
	names = names_of(&s);
	assert_string_equal(names, "a.db b.db x%0A%FF.db");
	assert_int_equal(s.excluded, 1);
	assert_int_equal(s.links, 1);
	assert_int_equal(s.others, 2);
	assert_string_equal(s.error, "");
	assert_int_equal(strv_len(seen), 1);
	fleet_scan_done(&s);
	remove_folder(folder);
}

/* Written-out folders may be links; what a wildcard finds, and the file itself, may not. */
static void
test_folders_in_folders(void **state)
{
	char *folder = make_folder();
	_cleanup_strv_ char **parts = NULL, **exclude = NULL, **seen = NULL;
	_cleanup_free_ char *names = NULL;
	struct fleet_scan s = { .folder = folder, .on_folder = note_folder, .arg = &seen };

	(void)state;
	put(folder, "acme/v1/data.db");
	link_to(folder, "v1", "acme/current");
	put(folder, "bolt/current/data.db");
	put(folder, "coyote/current/other.db");
	link_to(folder, "bolt", "alias");
	put(folder, "dodo/current/real.db");
	link_to(folder, "real.db", "dodo/current/data.db");
	put(folder, "excluded/current/data.db");
	strv_add(&parts, "*");
	strv_add(&parts, "current");
	strv_add(&parts, "data.db");
	strv_add(&exclude, "excluded/*");
	s.parts = parts;
	s.exclude = exclude;
	fleet_scan_run(&s);
	names = names_of(&s);
	assert_string_equal(names, "acme/current/data.db bolt/current/data.db");
	assert_int_equal(s.links, 2);
	assert_int_equal(s.excluded, 1);
	/* itself, five tenants, their five folders: each is to be followed */
	assert_int_equal(strv_len(seen), 11);
	fleet_scan_done(&s);
	remove_folder(folder);
}

static void
test_a_folder_that_is_not_there_is_told_and_the_one_above_followed(void **state)
{
	char *above = make_folder();
	_cleanup_free_ char *folder = xasprintf("%s/a/b", above);
	_cleanup_strv_ char **parts = NULL, **seen = NULL;
	struct fleet_scan s = { .folder = folder, .on_folder = note_folder, .arg = &seen };

	(void)state;
	strv_add(&parts, "*");
	s.parts = parts;
	fleet_scan_run(&s);
	assert_true(s.gone);
	assert_non_null(strstr(s.error, "does not exist"));
	assert_int_equal(strv_len(seen), 1);
	assert_string_equal(seen[0], above);
	fleet_scan_done(&s);
	remove_folder(above);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns_are_split_before_the_first_wildcard),
		cmocka_unit_test(test_any_name_becomes_text_and_comes_back),
		cmocka_unit_test(test_what_lies_beside_a_database_is_none),
		cmocka_unit_test(test_one_folder),
		cmocka_unit_test(test_folders_in_folders),
		cmocka_unit_test(
		    test_a_folder_that_is_not_there_is_told_and_the_one_above_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
