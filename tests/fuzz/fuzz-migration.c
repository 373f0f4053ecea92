/*
 * Files of migration tools, as a worker reads them.  Input: a byte for the kind of file, then up to
 * four of them, FUZZ_GROUP between.
 */
#include "base/str.h"
#include "fuzz.h"
#include "migration/migration.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4

/* %c is the file's number. */
static const char *const names[] = { "a%c.py", "migrations/000%c_a.py", "V%c__a.sql", "a%c.sql",
	"a%c.xml", "a%c.yaml", "a%c.json", "%c_a.up.sql" };
static const char *const tools[] = { "alembic", "django", "flyway", "liquibase", "liquibase",
	"liquibase", "liquibase", "golang-migrate" };
static char *folder;

const struct worker_role *const worker_roles[] = { &migration_role, NULL };

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	_cleanup_free_ char *below = NULL;

	(void)argc;
	(void)argv;
	fuzz_quiet();
	folder = xasprintf("%s/migrations-of-fuzz", fuzz_folder());
	below = xasprintf("%s/migrations", folder);
	CHECK((mkdir(folder, 0700) == 0 || errno == EEXIST) &&
	      (mkdir(below, 0700) == 0 || errno == EEXIST));
	return 0;
}

static char *
file_name(unsigned kind, unsigned i)
{
	_cleanup_str_ struct str s = { 0 };

	str_addf(&s, "%s/", folder);
	for (const char *p = names[kind]; *p; p++)
		if (*p == '%')
			str_addc(&s, (char)('1' + i)), p++;
		else
			str_addc(&s, *p);
	return str_take(&s);
}

/* Alembic's order: what a revision stands on comes before it. */
static void
check_known(const json_t *known)
{
	CHECK(json_array_size(known) > 0);
	for (size_t i = 0; i < json_array_size(known); i++) {
		const json_t *k = json_array_get(known, i), *d = json_object_get(k, "d");

		CHECK(json_string_value(json_object_get(k, "v")));
		CHECK(json_string_value(json_object_get(k, "file")));
		check_utf8(json_string_value(json_object_get(k, "v")));
		for (size_t n = 0; n < json_array_size(d); n++) {
			json_int_t on = json_integer_value(json_array_get(d, n));

			CHECK(on >= 0 && on < (json_int_t)i);
		}
	}
}

static void
read_as(const char *tool)
{
	struct err e = { 0 };
	json_t *o = NULL;
	int r = migration_read(folder, tool, &o, &e);

	CHECK((r == 0) == (o != NULL) && (r == 0 || *e.msg));
	if (!o)
		return;
	CHECK(json_array_size(json_object_get(o, "tools")) > 0);
	check_known(json_object_get(o, "known"));
	json_decref(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	unsigned kind = fuzz_byte(&in) % ARRAY_SIZE(names), n = 0;

	for (; n < FILES && in.left > 0; n++) {
		_cleanup_free_ char *name = file_name(kind, n);
		struct fuzz_in text = fuzz_until(&in, FUZZ_GROUP);

		fuzz_write(name, text.p, text.left);
	}
	read_as(tools[kind]);
	read_as(NULL);
	while (n-- > 0) {
		_cleanup_free_ char *name = file_name(kind, n);

		unlink(name);
	}
	return 0;
}
