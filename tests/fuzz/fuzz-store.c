/*
 * The state database's worker: damaged files, and requests that break off.  Input: requests
 * (FUZZ_ROW between, the first byte is the type) , FUZZ_GROUP, the file.  Whatever the file was,
 * a good batch after it is kept.
 */
#include "daemon/store.h"
#include "daemon/store_wire.h"
#include "fuzz.h"

#include <sqlite3.h>

static size_t done_answers, rows_seen, rows_wanted;
static char *state_path;

int
worker_send(uint32_t type, const void *payload, size_t len)
{
	struct wire w = { payload, len };
	_cleanup_free_ char *kind = wire_take(&w), *key = wire_take(&w), *json = wire_take(&w);

	CHECK(type >= STORE_ROW && type <= STORE_MOVED && len <= WORKER_FRAME_MAX);
	done_answers += type == STORE_DONE;
	rows_seen += type == STORE_ROW;
	if (type == STORE_ROW && kind && key && json && streq(kind, "finding") &&
	    streq(key, "kept"))
		rows_wanted += streq(json, "{\"a\":1}");
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	state_path = xasprintf("%s/state.db", fuzz_folder());
	return 0;
}

static void
good_request(uint32_t type, bool put)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add(&s, fuzz_folder());
	wire_add(&s, "stderr");
	if (type == STORE_WRITE) {
		wire_add_int(&s, 77);
		wire_add_int(&s, 0);
		wire_add_int(&s, STORE_LAST);
	}
	if (put) {
		wire_add(&s, STORE_PUT);
		wire_add(&s, "finding");
		wire_add(&s, "kept");
		wire_add(&s, "{\"a\":1}");
	}
	CHECK(store_role.serve(type, str_text(&s), s.len) == 0);
}

/* Fields of a hostile request are texts; the folder is always ours. */
static void
bad_request(struct fuzz_in in)
{
	_cleanup_str_ struct str s = { 0 };
	unsigned type = fuzz_byte(&in);

	if (type & 0x40) {
		str_addn(&s, in.p, in.left);
	} else {
		wire_add(&s, fuzz_folder());
		while (in.left > 0) {
			_cleanup_free_ char *field = fuzz_text_until(&in, FUZZ_CELL);

			wire_add(&s, field);
		}
	}
	/* A folder out of the bytes would be made or read; it is not what we look for. */
	if (!(type & 0x40) || s.len < 8 || memmem(s.s, s.len, "/", 1) == NULL)
		(void)store_role.serve(type & 3, str_text(&s), s.len);
}

static void
clean(void)
{
	static const char *const names[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", state_path, names[i]);

		unlink(path);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size), requests = fuzz_until(&in, FUZZ_GROUP);

	clean();
	if (in.left > 0)
		fuzz_write(state_path, in.p, in.left);
	while (requests.left > 0)
		bad_request(fuzz_until(&requests, FUZZ_ROW));
	done_answers = rows_wanted = 0;
	/* The first try may find damage and move the file aside, the next one writes. */
	for (int i = 0; i < 3 && done_answers == 0; i++)
		good_request(STORE_WRITE, true);
	CHECK(done_answers > 0);
	good_request(STORE_READ, false);
	CHECK_SAME(rows_wanted == 1);
	if (rows_wanted == 0) /* a read that failed is tried again */
		good_request(STORE_READ, false);
	CHECK(rows_wanted == 1);
	/* The open handle goes with a request that fails. */
	(void)store_role.serve(STORE_WRITE, "", 0);
	return 0;
}
