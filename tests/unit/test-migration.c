/* What the files of eleven migration tools say, and folders that are no such thing. */
#include "base/str.h"
#include "migration/migration.h"
#include "tree.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { NULL };

struct file {
	const char *path, *text;
};

static char *
make_folder(const struct file *files)
{
	char path[] = "/tmp/test-migration.XXXXXX";

	assert_non_null(mkdtemp(path));
	for (; files->path; files++) {
		_cleanup_free_ char *name = xasprintf("%s/%s", path, files->path);
		FILE *f;

		for (char *p = name + strlen(path) + 1; (p = strchr(p, '/')); p++) {
			*p = '\0';
			assert_true(mkdir(name, 0700) == 0 || errno == EEXIST);
			*p = '/';
		}
		f = fopen(name, "w");
		assert_non_null(f);
		assert_true(fputs(files->text, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	return xstrdup(path);
}

static void
remove_folder(char *path)
{
	assert_int_equal(remove_tree(path), 0);
	free(path);
}

static void
add_texts(struct str *out, const char *name, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i);

		if (i == 0)
			str_addf(out, " %s", name);
		if (json_is_integer(x))
			str_addf(out, " %lld", (long long)json_integer_value(x));
		else
			str_addf(out, " %s", json_string_value(x));
	}
}

/* "TOOL: v [what more is said of it]; ..." */
static char *
read_text(const char *folder, const char *tool)
{
	struct str out = { 0 };
	struct err e = { 0 };
	json_t *o = NULL, *known;

	if (migration_read(folder, tool, &o, &e) < 0) {
		assert_int_not_equal(e.code, 0);
		return xstrdup(e.msg);
	}
	add_texts(&out, "", json_object_get(o, "tools"));
	str_addc(&out, ':');
	known = json_object_get(o, "known");
	for (size_t i = 0; i < json_array_size(known); i++) {
		const json_t *k = json_array_get(known, i);
		const char *label = json_string_value(json_object_get(k, "label"));

		str_addf(&out, "%s %s", i ? ";" : "", json_string_value(json_object_get(k, "v")));
		assert_non_null(json_string_value(json_object_get(k, "file")));
		add_texts(&out, "on", json_object_get(k, "d"));
		add_texts(&out, "sums", json_object_get(k, "sums"));
		add_texts(&out, "for", json_object_get(k, "replaces"));
		if (label)
			str_addf(&out, " of %s", label);
		if (json_is_true(json_object_get(k, "opt")))
			str_add(&out, " opt");
	}
	json_decref(o);
	return str_take(&out);
}

#define REVISION(id, down) "revision = '" id "'\ndown_revision = " down "\n"

static const struct {
	const char *name, *tool, *expect;
	struct file files[10];
} cases[] = {
	{ "alembic", NULL, "  alembic: a; b on 0; x on 0 of pay; c on 1; m on 3 2",
	    { { "env.py", "import os\n" },
	        { "versions/1.py",
	            "\"\"\"revision = 'no'\n\"\"\"\n# revision = 'no'\n" REVISION("c", "'b'") },
	        { "versions/2.py",
	            "revision: str = \"a\" # 'not'\ndown_revision: Union[str, None] = None\n" },
	        { "versions/3.py",
	            "  revision = 'no'\nrevision='b'\ndown_revision=('a',)\nbranch_labels = "
	            "None\n" },
	        { "versions/4.py",
	            REVISION("x", "(\n  'a',  # and\n)") "branch_labels = ('pay',)\n" },
	        { "versions/5.py", REVISION("m", "('c', 'x')") "depends_on = None\n" } } },
	{ "alembic whose first revisions were deleted", NULL, "  alembic: b; c on 0",
	    { { "b.py", REVISION("b", "'gone'") },
	        { "c.py", REVISION("c", "'b'") "depends_on = 'gone'\n" } } },
	{ "alembic in a circle", NULL, "its revisions stand on each other in a circle",
	    { { "a.py", REVISION("a", "'b'") }, { "b.py", REVISION("b", "'a'") } } },
	{ "django", NULL,
	    "  django: pay.0001_initial; shop.0001_squashed_0002_x for shop.0001_initial "
	    "shop.0002_x; "
	    "shop.0003_y",
	    { { "shop/migrations/__init__.py", "" },
	        { "shop/migrations/0001_squashed_0002_x.py",
	            "class Migration(m.Migration):\n    replaces = [('shop', '0001_initial'),\n    "
	            "    (\"shop\", "
	            "\"0002_x\")]\n" },
	        { "shop/migrations/0003_y.py", "class Migration(m.Migration):\n    pass\n" },
	        { "shop/migrations/helpers.py", "x = 1\n" },
	        { "billing/apps.py",
	            "class C(AppConfig):\n    name = 'billing'\n    label = 'pay'\n" },
	        { "billing/migrations/0001_initial.py", "class Migration(m.Migration):\n" },
	        { "venv/auth/migrations/0001_initial.py", "class Migration(m.Migration):\n" } } },
	{ "rails", NULL, "  rails: 7; 20240101000000; 20240201000000",
	    { { "20240201000000_b.rb", "" }, { "20240101000000_a.rb", "" }, { "007_old.rb", "" },
	        { "schema.rb", "" } } },
	{ "dbmate", NULL, "  dbmate: 1; 20240101",
	    { { "20240101_a.sql", "-- migrate:up\n-- migrate:down\n" },
	        { "001_b.sql", "-- migrate:up\n" } } },
	{ "goose", NULL, "  goose: 1; 2; 10",
	    { { "10_a.sql", "-- +goose Up\n" }, { "2_b.go", "" }, { "2_b_test.go", "" },
	        { "00001_c.sql", "-- +goose Up\n" } } },
	{ "golang-migrate", "golang-migrate",
	    "  golang-migrate: 2 sums "
	    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2"
	    "f14898b95b"
	    "; 10 sums "
	    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2"
	    "f14898b95b",
	    { { "10_a.up.sql", "" }, { "10_a.down.sql", "" }, { "000002_b.up.sql", "" } } },
	{ "sqlx", NULL,
	    "  sqlx: 1 sums "
	    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2"
	    "f14898b95b",
	    { { "1_a.sql", "" }, { "notes.sql", "" } } },
	{ "knex", NULL, "  knex: 20240101_a.js; 20240201_b.ts",
	    { { "20240201_b.ts", "" }, { "20240101_a.js", "" }, { "20240101_a.d.ts", "" },
	        { "index.js", "" } } },
	{ "prisma", NULL,
	    "  prisma: 20240101_a sums "
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; 20240201_b sums "
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    { { "20240201_b/migration.sql", "" }, { "20240101_a/migration.sql", "abc" },
	        { "migration_lock.toml", "" } } },
	{ "flyway", NULL,
	    "  flyway: 1; 1.2 sums -873187034; 9 sums -873187034 opt; 10 sums 0; R__my view sums "
	    "0; R__say",
	    { { "V10__a.sql", "" }, { "V1_2__b.sql", "123456789" }, { "V1__c.java", "" },
	        { "B9__base.sql", "1234\r\n56789\n" }, { "U10__a.sql", "" },
	        { "R__my_view.sql", "\n" }, { "R__say.sql", "${x}" }, { "V1.sql", "" } } },
	{ "liquibase", NULL,
	    "  liquibase: 1::me::db.xml; 2::me::other opt; 3::me::db.xml opt; 7::you::db.yaml; "
	    "8::you::db.yaml opt; 1::my self::set.sql; 2::x::set.sql opt; j::me::x.json",
	    { { "a/db.xml",
	          "<?xml version='1.0'?><l:databaseChangeLog xmlns:l='x'><l:changeSet id='1' "
	          "author='me'/>"
	          "<l:changeSet id='2' author='me' logicalFilePath='z/other' context='dev'/>"
	          "<l:changeSet id='3' "
	          "author='me'><l:preConditions/></l:changeSet></l:databaseChangeLog>" },
	        { "b/db.yaml", "databaseChangeLog:\n- changeSet:\n    id: 7\n    author: you\n- "
	                       "include: {file: x}\n"
	                       "- changeSet: {id: 8, author: you, labels: a}\n" },
	        { "c/set.sql", "--liquibase formatted sql\n--changeset \"my self\":1\nSELECT "
	                       "1;\n-- changeset x:2 "
	                       "context:dev\n" },
	        { "c/x.json",
	            "{\"databaseChangeLog\":[{\"changeSet\":{\"id\":\"j\",\"author\":\"me\"}}]}" },
	        { "c/pom.xml", "<project/>" } } },
	{ "no migrations", NULL, "there is no migration of a known tool in it",
	    { { "a.txt", "" } } },
	{ "another tool's", "alembic", "there is no migration of alembic in it",
	    { { "1_a.sql", "" } } },
	{ "XML that is none", "liquibase", "a.xml: line 1: not well-formed (invalid token)",
	    { { "a.xml", "<databaseChangeLog <" } } },
	{ "XML with entities", "liquibase", "a.xml: line 1: parsing aborted",
	    { { "a.xml", "<!DOCTYPE a [<!ENTITY x 'y'>]><databaseChangeLog/>" } } },
};

static void
test_files_of_each_tool(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *folder = make_folder(cases[i].files);
		_cleanup_free_ char *got = read_text(folder, cases[i].tool);

		print_message("%s\n", cases[i].name);
		remove_folder(folder);
		assert_string_equal(got, cases[i].expect);
	}
}

/* sums: what a file gives in other line ends is one of what it gives in these. */
static void
test_line_ends_do_not_matter(void **state)
{
	static const struct file files[][2] = {
		{ { "1_a/migration.sql", "SELECT 1;\nSELECT 2;\n" } },
		{ { "1_a/migration.sql", "SELECT 1;\r\nSELECT 2;\r\n" } },
	};
	json_t *sums[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *folder = make_folder(files[i]);
		struct err e = { 0 };
		json_t *o;

		assert_int_equal(migration_read(folder, NULL, &o, &e), 0);
		sums[i] = json_deep_copy(
		    json_object_get(json_array_get(json_object_get(o, "known"), 0), "sums"));
		json_decref(o);
		remove_folder(folder);
	}
	assert_int_equal(json_array_size(sums[0]), 2);
	assert_int_equal(json_array_size(sums[1]), 2);
	assert_true(json_equal(json_array_get(sums[0], 0), json_array_get(sums[1], 1)));
	assert_true(json_equal(json_array_get(sums[0], 1), json_array_get(sums[1], 0)));
	json_decref(sums[0]);
	json_decref(sums[1]);
}

static void
expect_refusal(const char *folder, const char *expect)
{
	_cleanup_free_ char *got = read_text(folder, NULL);

	assert_non_null(strstr(got, expect));
}

static void
test_folders_that_are_none(void **state)
{
	static const struct file files[] = { { "1_a.rb", "" }, { NULL, NULL } };
	char *folder = make_folder(files);
	_cleanup_free_ char *other = xasprintf("%s/2_b.rb", folder);
	_cleanup_free_ char *deep = xstrdup(folder);

	(void)state;
	expect_refusal("/does/not/exist", "No such file");
	expect_refusal("relative", "not an absolute path");
	expect_refusal("/dev/null", "Not a directory");
	assert_int_equal(symlink("/etc/passwd", other), 0);
	expect_refusal(folder, "2_b.rb: a symbolic link is not followed");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(other, 0600), 0);
	expect_refusal(folder, "2_b.rb: not a regular file");
	assert_int_equal(unlink(other), 0);
	for (int i = 0; i < 10; i++) {
		char *next = xasprintf("%s/d", deep);

		free(deep);
		deep = next;
		assert_int_equal(mkdir(deep, 0700), 0);
	}
	expect_refusal(folder, "nested too deeply");
	remove_folder(folder);
}

static void
test_huge_files_are_refused(void **state)
{
	static const struct file files[] = { { "V1__a.sql", "" }, { NULL, NULL } };
	char *folder = make_folder(files);
	_cleanup_free_ char *file = xasprintf("%s/V1__a.sql", folder);

	(void)state;
	assert_int_equal(truncate(file, (off_t)100 << 20), 0);
	expect_refusal(folder, "V1__a.sql: larger than 8 MB");
	remove_folder(folder);
}

static void
test_folder_of_expectation(void **state)
{
	(void)state;
	assert_null(migration_folder_of(NULL));
	assert_null(migration_folder_of("1a2b"));
	assert_string_equal(migration_folder_of("head of  /srv/x"), "/srv/x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_of_each_tool),
		cmocka_unit_test(test_line_ends_do_not_matter),
		cmocka_unit_test(test_folders_that_are_none),
		cmocka_unit_test(test_huge_files_are_refused),
		cmocka_unit_test(test_folder_of_expectation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
