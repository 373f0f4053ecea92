/* Shared texts: one copy for all that are equal, gone with the last of them. */
#include "base/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
test_equal_texts_are_one(void **state)
{
	struct pool *p = pool_new();
	char again[] = "needs wal";
	const char *a = pool_take(p, "needs wal"), *b = pool_take(p, again), *c = pool_take(p, "");
	(void)state;

	assert_ptr_equal(a, b);
	assert_string_equal(a, "needs wal");
	assert_string_equal(c, "");
	assert_int_equal(pool_count(p), 2);
	pool_give(p, a);
	assert_int_equal(pool_count(p), 2);
	assert_string_equal(b, "needs wal");
	pool_give(p, b);
	assert_int_equal(pool_count(p), 1);
	a = pool_take(p, "needs wal"); /* anew */
	assert_string_equal(a, "needs wal");
	pool_give(p, a);
	pool_give(p, c);
	assert_int_equal(pool_count(p), 0);
	assert_null(pool_take(p, NULL));
	pool_give(p, NULL);
	pool_free(p);
}

static void
test_many(void **state)
{
	enum { N = 2000 };
	static const char *taken[N];
	struct pool *p = pool_new();
	(void)state;

	for (int i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "text %d", i * 7 % 500);
		taken[i] = pool_take(p, text);
	}
	assert_int_equal(pool_count(p), 500);
	for (int i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "text %d", i * 7 % 500);
		assert_string_equal(taken[i], text);
		pool_give(p, taken[i]);
	}
	assert_int_equal(pool_count(p), 0);
	pool_free(p);
}

static void
test_without_a_pool_each_has_its_own(void **state)
{
	const char *a = pool_take(NULL, "x"), *b = pool_take(NULL, "x");
	(void)state;

	assert_ptr_not_equal(a, b);
	assert_string_equal(a, b);
	pool_give(NULL, a);
	pool_give(NULL, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_equal_texts_are_one),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_without_a_pool_each_has_its_own) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
