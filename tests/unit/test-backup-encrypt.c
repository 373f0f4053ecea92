/* The words of the commands that encrypt backups: what is a key to them, and what is refused. */
#include "backup/encrypt.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *
joined(char **argv)
{
	struct str s = { 0 };

	for (char **w = argv; w && *w; w++)
		str_addf(&s, "%s%s", w == argv ? "" : " ", *w);
	return str_take(&s);
}

static void
test_encrypt_command(void **state)
{
	static const struct {
		const char *spec, *command; /* NULL: -EINVAL */
	} t[] = {
		{ "age:age1abc", "age --recipient age1abc" },
		{ "age:age1abc, age1def", "age --recipient age1abc --recipient age1def" },
		{ "gpg:0xDEADBEEF",
		    "gpg --batch --no-tty --quiet --encrypt --trust-model always --compress-algo "
		    "none --recipient 0xDEADBEEF" },
		{ "gpg:backup@example.org",
		    "gpg --batch --no-tty --quiet --encrypt --trust-model always --compress-algo "
		    "none --recipient backup@example.org" },
		{ "age:", NULL },
		{ "age: ,", NULL },
		{ "gpg:", NULL },
		{ "age:--output=x", NULL },
		{ "gpg:-o", NULL },
		{ "age:../key", NULL },
		{ "age:a b", NULL },
		{ "gpg:a,--yes", NULL },
		{ "AGE:x", NULL },
		{ "zip:x", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_strv_ char **argv = NULL;
		_cleanup_free_ char *line = NULL;
		struct err e = { 0 };
		int r = encrypt_command(t[i].spec, &argv, &e);

		assert_int_equal(r, t[i].command ? 0 : -EINVAL);
		if (!t[i].command) {
			assert_true(str_starts(e.msg, "encrypt: "));
			continue;
		}
		line = joined(argv);
		assert_string_equal(line, t[i].command);
	}
}

static void
test_decrypt_command(void **state)
{
	_cleanup_strv_ char **age = NULL, **gpg = NULL;
	_cleanup_free_ char *line = NULL;
	struct err e = { 0 };

	(void)state;
	unsetenv("AGE_IDENTITY_FILE");
	assert_int_equal(decrypt_command("age:x", &age, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.msg, "--identity"));
	setenv("AGE_IDENTITY_FILE", "/nowhere/at all", 1);
	assert_int_equal(decrypt_command("age:x", &age, &e), -EKEYREJECTED);
	setenv("AGE_IDENTITY_FILE", "/dev/null", 1);
	assert_int_equal(decrypt_command("age:x", &age, &e), 0);
	line = joined(age);
	assert_string_equal(line, "age --decrypt --identity /dev/null");
	assert_int_equal(decrypt_command("gpg:x", &gpg, &e), 0);
	assert_string_equal(gpg[0], "gpg");
	assert_int_equal(decrypt_command("rot13:x", &gpg, &e), -EINVAL);
}

static void
test_no_program(void **state)
{
	_cleanup_free_ char *path = xstrdup(getenv("PATH"));
	_cleanup_strv_ char **argv = NULL;
	struct err e = { 0 };

	(void)state;
	setenv("PATH", "/nowhere:", 1);
	assert_int_equal(encrypt_command("age:age1abc", &argv, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "Install age"));
	assert_int_equal(decrypt_command("gpg:x", &argv, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "gnupg"));
	setenv("PATH", path ? path : "", 1);
}

static void
test_suffix(void **state)
{
	(void)state;
	assert_string_equal(encrypt_suffix(NULL), "");
	assert_string_equal(encrypt_suffix("age:x"), ".age");
	assert_string_equal(encrypt_suffix("gpg:x"), ".gpg");
	assert_string_equal(encrypt_suffix("tar:x"), "");
}

static void
test_why_it_failed(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    decrypt_failed("age: error: no identity matched any of the recipients", -EIO, &e),
	    -EKEYREJECTED);
	assert_int_equal(
	    decrypt_failed("gpg: decryption failed: No secret key", -EIO, &e), -EKEYREJECTED);
	e = (struct err){ 0 };
	assert_int_equal(decrypt_failed("age: error: unexpected EOF", -EIO, &e), -EIO);
	assert_int_equal(e.code, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encrypt_command),
		cmocka_unit_test(test_decrypt_command),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_why_it_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
