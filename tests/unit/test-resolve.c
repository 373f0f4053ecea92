/* What `dbhealth explain X` takes X for. */
#include "cli/resolve.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_split(void **state)
{
	static const char *const names[] = { "orders", "orders/sales", "orders/sales/eu", "a.b-c_d",
		"" };
	static const struct {
		const char *text, *db, *check, *object; /* db NULL: no name fits */
	} cases[] = {
		{ "orders/lock-blocked", "orders", "lock-blocked", "" },
		{ "orders/lock-blocked/pid 48121", "orders", "lock-blocked", "pid 48121" },
		{ "orders/sales/xid-wraparound", "orders/sales", "xid-wraparound", "" },
		{ "orders/sales/eu/x/y/z", "orders/sales/eu", "x", "y/z" },
		{ "orders/other/x", "orders", "other", "x" },
		{ "a.b-c_d/x", "a.b-c_d", "x", "" },
		{ "orders/x/", "orders", "x", "" },
		{ "orders/", "orders", "", "" },
		{ "orders", NULL, NULL, NULL },
		{ "orders2/x", NULL, NULL, NULL },
		{ "/x", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *db = NULL, *check = NULL, *object = NULL;
		bool fits =
		    resolve_split(cases[i].text, names, ARRAY_SIZE(names), &db, &check, &object);

		if (fits != (cases[i].db != NULL))
			fail_msg("%s: fits is %d", cases[i].text, fits);
		if (!fits)
			continue;
		assert_string_equal(db, cases[i].db);
		assert_string_equal(check, cases[i].check);
		assert_string_equal(object, cases[i].object);
	}
}

static void
test_ids(void **state)
{
	(void)state;
	assert_true(resolve_is_id("3f9a"));
	assert_true(resolve_is_id("3F9A1c"));
	assert_true(resolve_is_id("0123456789abcdef"));
	assert_false(resolve_is_id("3f9"));
	assert_false(resolve_is_id("0123456789abcdef0"));
	assert_false(resolve_is_id("lock"));
	assert_false(resolve_is_id(""));
	assert_false(resolve_is_id("3f9a/x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
