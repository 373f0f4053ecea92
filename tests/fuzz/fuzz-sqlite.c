/*
 * Database files through the worker's own way with them: facts, locks, log and journal, opening in
 * place or from a copy, check SQL.  Input: the file, its log and its journal, parted by the line
 * "=parts=".  Nothing beside the file appears or changes, and every statement is answered once.
 */
#include "base/str.h"
#include "check/check.h"
#include "fuzz.h"
#include "sqlite/gather.h"
#include "sqlite/sqlite_role.h"

#include <dirent.h>
#include <jansson.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define PARTS "\n=parts=\n"

static const char *const statements[] = {
	"SELECT name AS object, type AS detail FROM sqlite_schema",
	"SELECT * FROM t",
	"SELECT count(*) AS value FROM t",
	"SELECT quick_check AS object FROM pragma_quick_check",
	"SELECT * FROM pragma_foreign_key_check",
	"SELECT name AS object, file_fact('page_count') AS value FROM pragma_table_list",
};
#define STATEMENTS ARRAY_SIZE(statements)

static char *path, *job, *dir, *copies;
static struct {
	size_t facts, columns, answered[STATEMENTS + 1];
} told;

int
worker_send(uint32_t type, const void *payload, size_t len)
{
	json_t *j = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL), *row, *cell;
	int64_t n = json_integer_value(json_object_get(j, "n"));
	size_t i, k;

	CHECK(j && len <= WORKER_FRAME_MAX);
	switch (type) {
	case SQLITE_FACTS:
		told.facts++;
		CHECK(json_is_boolean(json_object_get(j, "open")));
		break;
	case SQLITE_ANSWERED:
		CHECK(n >= 0 && (size_t)n <= STATEMENTS);
		CHECK(json_is_string(json_object_get(j, "text")));
		CHECK(json_is_string(json_object_get(j, "reason")));
		told.answered[n]++;
		break;
	case SQLITE_COLUMNS:
		CHECK(told.answered[n] == 0);
		told.columns = json_array_size(json_object_get(j, "columns"));
		CHECK(told.columns > 0);
		break;
	case SQLITE_ROWS:
		CHECK(told.answered[n] == 0 && len <= (size_t)300 << 10);
		json_array_foreach (json_object_get(j, "rows"), i, row) {
			CHECK(json_array_size(row) == told.columns);
			json_array_foreach (row, k, cell)
				CHECK(json_is_string(cell) || json_is_null(cell));
		}
		break;
	default:
		fuzz_fail(__FILE__, __LINE__, "a type of ours", NULL);
	}
	json_decref(j);
	return 0;
}

static void
make_job(void)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i <= STATEMENTS; i++)
		json_array_append_new(
		    list, json_pack("{s:I, s:s, s:s, s:[], s:i, s:i, s:i, s:b}", "n", (json_int_t)i,
		              "sql",
		              i < STATEMENTS ? statements[i]
		                             : "SELECT file_fact('path') AS object, "
		                               "file_fact('wal_valid_frames') AS value",
		              "source", i < STATEMENTS ? "sql" : "file", "params", "max_rows", 200,
		              "max_bytes", 1 << 20, "timeout_ms", 200, "user", i == 1));
	o = json_pack("{s:s, s:i, s:i, s:i, s:b, s:s, s:o}", "path", path, "copy_limit", 1 << 20,
	    "deadline_ms", 2000, "slice_ms", 50, "pre_read", 1, "temp_dir", copies, "statements",
	    list);
	job = json_dumps(o, JSON_COMPACT);
	json_decref(o);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	dir = xasprintf("%s/data", fuzz_folder());
	copies = xasprintf("%s/copies", fuzz_folder());
	CHECK(mkdir(dir, 0700) == 0 && mkdir(copies, 0700) == 0);
	path = xasprintf("%s/a.db", dir);
	make_job();
	CHECK(sqlite_role.begin() == 0);
	return 0;
}

static bool
put(const char *suffix, struct fuzz_in part)
{
	_cleanup_free_ char *name = xasprintf("%s%s", path, suffix);

	if (part.left == 0)
		return false;
	fuzz_write(name, part.p, part.left);
	return true;
}

static struct fuzz_in
next_part(struct fuzz_in *in)
{
	const char *end = memmem(in->p, in->left, PARTS, sizeof(PARTS) - 1);
	struct fuzz_in part = { in->p, end ? (size_t)(end - in->p) : in->left };
	size_t taken = part.left + (end ? sizeof(PARTS) - 1 : 0);

	in->p += taken;
	in->left -= taken;
	return part;
}

/* Names, sizes and times of a folder's files; a number as good as any. */
static uint64_t
look(const char *folder, bool remove)
{
	DIR *d = opendir(folder);
	uint64_t seen = 0;

	for (struct dirent *e; (e = readdir(d));) {
		_cleanup_free_ char *name = xasprintf("%s/%s", folder, e->d_name);
		struct stat st;

		if (*e->d_name == '.' || lstat(name, &st) < 0)
			continue;
		seen += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_size * 7 +
		        (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_mode + 1;
		if (remove)
			unlink(name);
	}
	closedir(d);
	return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size), file = next_part(&in), log = next_part(&in);
	uint64_t before;

	if (!put("", file))
		fuzz_write(path, "", 0);
	put("-wal", log);
	put("-journal", in);
	before = look(dir, false);
	memset(&told, 0, sizeof(told));
	/* Without memory the worker fails as a whole, and the loop calls all of it unknown. */
	if (sqlite_role.serve(SQLITE_JOB, job, strlen(job)) == 0) {
		CHECK(told.facts == 1);
		for (size_t i = 0; i <= STATEMENTS; i++)
			CHECK(told.answered[i] == 1);
	} else {
		CHECK_SAME(false);
	}
	CHECK(look(dir, true) == before);
	CHECK(look(copies, true) == 0);
	return 0;
}
